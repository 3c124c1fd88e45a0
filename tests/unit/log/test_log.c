/*
 * test_log.c - what is appended reads back, across segments and openings
 *
 * Method: a log on a simulated disk with the smallest segments; records tell their own offset.
 */
#include "log_world.h"

static void an_empty_log_has_neither_records_nor_note(void **state)
{
    struct world world;
    struct read_result result;
    uint8_t note[PT_LOG_NOTE_BYTES];
    static const uint8_t zeros[PT_LOG_NOTE_BYTES];

    (void)state;
    world_init(&world);
    for (unsigned i = 0; i < 3; i++) {
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == 0 && pt_log_synced_end(world.log) == 0);
        pt_log_last_note(world.log, note);
        PT_CHECK(memcmp(note, zeros, sizeof(note)) == 0);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.batches == 0 && result.end == 0);
    }
    PT_CHECK(pt_simdisk_file_count(world.disk) == 1);
    world_release(&world);
}

static void a_reader_before_the_writer_finds_nothing(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    PT_CHECK(world_read(&world, UINT64_MAX).code == PT_NOT_FOUND);
    PT_CHECK_OK(pt_io_mkdir(world.io, WORLD_DIR, &world.err), world.err);
    PT_CHECK(world_read(&world, UINT64_MAX).code == PT_NOT_FOUND);
    world_release(&world);
}

static void batches_of_all_shapes_read_back(void **state)
{
    static const struct {
        uint32_t count;
        uint32_t record_bytes;
    } shapes[] = {{0, 0},     {1, 0},    {1, 1},       {3, 5},    {1, 300000}, {10, 0},
                  {100, 446}, {0, 0},    {7, 40000},   {0, 0},    {5000, 3},   {1, 1040000},
                  {2, 9},     {64, 999}, {1, 1040000}, {300, 257}};
    struct world world;
    struct read_result result;
    uint64_t end = 0;
    uint8_t note[PT_LOG_NOTE_BYTES];
    uint8_t expected[PT_LOG_NOTE_BYTES];

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        PT_CHECK_OK(world_append(&world, shapes[i].count, shapes[i].record_bytes), world.err);
        end += shapes[i].count;
        if (i % 3 == 0) { /* a new writer goes on where the old one was */
            PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
            PT_CHECK_OK(world_open(&world), world.err);
        }
        PT_CHECK(pt_log_end(world.log) == end);
        pt_log_last_note(world.log, note);
        note_fill(end, expected);
        PT_CHECK(memcmp(note, expected, sizeof(note)) == 0);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.end == end && result.batches == i + 1);
    }
    PT_CHECK(file_exists(&world, 2));
    world_release(&world);
}

/* A segment that only holds its header knows the note of the batch before it. */
static void the_last_note_survives_a_new_segment(void **state)
{
    struct world world;
    uint8_t note[PT_LOG_NOTE_BYTES];
    uint8_t expected[PT_LOG_NOTE_BYTES];

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 1, 1000000), world.err);
    PT_CHECK_OK(world_append(&world, 1, 1000000), world.err); /* starts segment 1 */
    PT_CHECK(file_exists(&world, 1));
    pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_ALL, 0);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(pt_log_end(world.log) == 1);
    pt_log_last_note(world.log, note);
    note_fill(1, expected);
    PT_CHECK(memcmp(note, expected, sizeof(note)) == 0);
    world_release(&world);
}

/* Segments filled with nothing but notes share their base offset; order and names still hold. */
static void segments_of_notes_alone_keep_their_order(void **state)
{
    struct world world;
    struct read_result result;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};
    const uint64_t per_segment =
        (WORLD_SEGMENT_BYTES - PT_SEGMENT_HEADER_BYTES) / pt_batch_bytes(0, 0);
    const uint64_t count = per_segment * 2 + 5;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 2, 10), world.err);
    for (uint64_t i = 0; i < count; i++) {
        PT_CHECK_OK(world_append(&world, 0, 0), world.err);
    }
    PT_CHECK_OK(world_append(&world, 3, 10), world.err);
    PT_CHECK(file_exists(&world, 2) && !file_exists(&world, 3));
    result = world_read(&world, UINT64_MAX);
    PT_CHECK(result.code == PT_NOT_FOUND && result.end == 5 && result.batches == count + 2);
    PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
    PT_CHECK_OK(pt_log_reader_seek(reader, 3, &world.err), world.err);
    PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
    PT_CHECK(batch.offset == 2 && batch.count == 3);
    PT_CHECK_OK(pt_log_reader_seek(reader, 2, &world.err), world.err);
    for (uint64_t i = 0; i < count; i++) {
        PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
        PT_CHECK(batch.offset == 2 && batch.count == 0);
    }
    pt_log_reader_close(reader);
    world_release(&world);
}

static void what_is_too_big_changes_nothing(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 1, 100), world.err);
    PT_CHECK(world_append(&world, 1, (uint32_t)WORLD_SEGMENT_BYTES) == PT_TOO_BIG);
    PT_CHECK(world_append(&world, 300000, 0) == PT_TOO_BIG); /* the sizes alone */
    PT_CHECK_OK(world_append(&world, 1, 100), world.err);
    PT_CHECK(world_read(&world, UINT64_MAX).end == 2);

    world.options.segment_bytes = 40u << 20;
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(world_append(&world, 1, PT_LOG_BATCH_BYTES_MAX) == PT_TOO_BIG);
    PT_CHECK_OK(world_append(&world, 1, PT_LOG_BATCH_BYTES_MAX - PT_BATCH_HEADER_BYTES - 4),
                world.err);
    PT_CHECK(world_read(&world, UINT64_MAX).end == 3);
    world_release(&world);
}

static void impossible_segment_sizes_are_refused(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world.options.segment_bytes = WORLD_SEGMENT_BYTES - 1;
    PT_CHECK(world_open(&world) == PT_INVALID);
    world.options.segment_bytes = ((uint64_t)32 << 30) + 1;
    PT_CHECK(world_open(&world) == PT_INVALID && world.log == NULL);
    world_release(&world);
}

/* A setting that changes between openings holds for new segments; old ones keep theirs. */
static void the_segment_size_may_change(void **state)
{
    struct world world;
    struct read_result result;

    (void)state;
    world_init(&world);
    for (unsigned i = 0; i < 12; i++) {
        world.options.segment_bytes = WORLD_SEGMENT_BYTES * (1 + i % 3);
        PT_CHECK_OK(world_open(&world), world.err);
        pt_log_release(world.log, i % 2 ? pt_log_end(world.log) : 0);
        for (unsigned j = 0; j < 4; j++) {
            PT_CHECK_OK(world_append(&world, 3, 100000), world.err);
        }
        PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    }
    result = world_read(&world, UINT64_MAX);
    PT_CHECK(result.code == PT_NOT_FOUND && result.end == 12 * 4 * 3 && result.start > 0);
    world_release(&world);
}

static void seek_finds_every_record(void **state)
{
    struct world world;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};
    const uint64_t end = 30 * 3;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    for (unsigned i = 0; i < 30; i++) {
        PT_CHECK_OK(world_append(&world, 3, 50000), world.err);
    }
    PT_CHECK(file_exists(&world, 4));
    PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
    PT_CHECK(pt_log_reader_start(reader) == 0);
    for (uint64_t offset = 0; offset < end; offset++) {
        PT_CHECK_OK(pt_log_reader_seek(reader, offset, &world.err), world.err);
        PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
        PT_CHECK(batch.offset <= offset && offset < batch.offset + batch.count);
        check_batch(&batch);
    }
    PT_CHECK_OK(pt_log_reader_seek(reader, end, &world.err), world.err);
    PT_CHECK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err) == PT_NOT_FOUND);
    PT_CHECK(pt_log_reader_seek(reader, end + 1, &world.err) == PT_INVALID);
    PT_CHECK_OK(world_append(&world, 2, 50), world.err); /* seen from the end */
    PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
    PT_CHECK(batch.offset == end && batch.count == 2);
    pt_log_reader_close(reader);
    world_release(&world);
}

static void a_reader_stops_at_the_limit(void **state)
{
    struct world world;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 3, 10), world.err);
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    PT_CHECK_OK(world_append(&world, 3, 10), world.err);
    PT_CHECK_OK(world_append(&world, 0, 0), world.err);
    PT_CHECK(pt_log_synced_end(world.log) == 3 && pt_log_end(world.log) == 6);
    PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
    PT_CHECK(pt_log_reader_next(reader, 0, &batch, &world.err) == PT_NOT_FOUND);
    PT_CHECK(pt_log_reader_next(reader, 2, &batch, &world.err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_log_reader_next(reader, 3, &batch, &world.err), world.err);
    PT_CHECK(pt_log_reader_next(reader, 3, &batch, &world.err) == PT_NOT_FOUND);
    PT_CHECK(pt_log_reader_next(reader, 5, &batch, &world.err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_log_reader_next(reader, 6, &batch, &world.err), world.err);
    PT_CHECK(batch.offset == 3);
    PT_CHECK(pt_log_reader_next(reader, 6, &batch, &world.err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
    PT_CHECK(batch.offset == 6 && batch.count == 0);
    pt_log_reader_close(reader);
    world_release(&world);
}

/* On the real file system, once: the simulated one may be wrong about it. */
static void a_real_directory_works_too(void **state)
{
    struct world world;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};
    char *dir = pt_test_dir_create();
    char *log_dir = pt_strf("%s/a/log", dir);
    uint64_t end = 0;

    (void)state;
    world_init(&world);
    world.options.free_bytes_min = 1;
    for (unsigned generation = 0; generation < 3; generation++) {
        PT_CHECK_OK(pt_log_open(&world.log, pt_io_posix(), pt_clock_system(), log_dir,
                                &world.options, &world.err),
                    world.err);
        PT_CHECK(pt_log_end(world.log) == end);
        for (unsigned i = 0; i < 40; i++) {
            PT_CHECK_OK(world_append(&world, 5, 20000), world.err);
            PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
            pt_log_release(world.log, end);
            end += 5;
        }
        pt_log_close(world.log);
        world.log = NULL;
        world.options.synced_offset = end;
    }
    PT_CHECK_OK(pt_log_reader_open(&reader, pt_io_posix(), log_dir, &world.err), world.err);
    PT_CHECK_OK(pt_log_reader_seek(reader, end - 12, &world.err), world.err);
    while (pt_log_reader_next(reader, end, &batch, &world.err) == PT_OK) {
        check_batch(&batch);
    }
    PT_CHECK(batch.offset + batch.count == end);
    PT_CHECK(pt_log_reader_seek(reader, 0, &world.err) == PT_NOT_FOUND);
    pt_log_reader_close(reader);
    pt_free(log_dir);
    pt_test_dir_remove(dir);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_has_neither_records_nor_note),
        cmocka_unit_test(a_reader_before_the_writer_finds_nothing),
        cmocka_unit_test(batches_of_all_shapes_read_back),
        cmocka_unit_test(the_last_note_survives_a_new_segment),
        cmocka_unit_test(segments_of_notes_alone_keep_their_order),
        cmocka_unit_test(what_is_too_big_changes_nothing),
        cmocka_unit_test(impossible_segment_sizes_are_refused),
        cmocka_unit_test(the_segment_size_may_change),
        cmocka_unit_test(seek_finds_every_record),
        cmocka_unit_test(a_reader_stops_at_the_limit),
        cmocka_unit_test(a_real_directory_works_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
