/*
 * test_log_recycle.c - retention, recycled files, full disks, cuts, and readers beside all that
 *
 * Method: a simulated disk; stale bytes are whole batches of a segment's earlier life.
 */
#include "log_world.h"

#define BATCH_RECORD_BYTES 100000u /* with 3 records a batch, 3 batches a segment */
#define PER_SEGMENT 9u

static void append_segments(struct world *world, unsigned segments)
{
    for (unsigned i = 0; i < segments * PER_SEGMENT / 3; i++) {
        PT_CHECK_OK(world_append(world, 3, BATCH_RECORD_BYTES), world->err);
        PT_CHECK_OK(pt_log_sync(world->log, &world->err), world->err);
    }
}

/* Once spares exist, no further file is made, and no further space taken. */
static void segments_are_recycled(void **state)
{
    struct world world;
    uint64_t used = 0;
    struct read_result result;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    append_segments(&world, 4);
    pt_log_release(world.log, pt_log_end(world.log));
    append_segments(&world, 2);
    used = pt_simdisk_used(world.disk);
    PT_CHECK(pt_simdisk_file_count(world.disk) <= 4);
    for (unsigned i = 0; i < 20; i++) {
        append_segments(&world, 1);
        pt_log_release(world.log, pt_log_end(world.log));
        PT_CHECK(pt_simdisk_used(world.disk) == used);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.end == pt_log_end(world.log));
    }
    PT_CHECK(!file_exists(&world, 20) && file_exists(&world, 25));
    world_release(&world);
}

static void retention_keeps_what_it_says(void **state)
{
    (void)state;
    for (unsigned kept = 0; kept < 4; kept++) {
        struct world world;
        struct read_result result;

        world_init(&world);
        world.options.retention_bytes = kept * WORLD_SEGMENT_BYTES;
        PT_CHECK_OK(world_open(&world), world.err);
        append_segments(&world, 8);
        PT_CHECK(world_read(&world, UINT64_MAX).start == 0); /* nothing was released */
        pt_log_release(world.log, 5 * PER_SEGMENT - 1);      /* inside segment 4 */
        append_segments(&world, 1);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.start == (4 - kept) * PER_SEGMENT);
        PT_CHECK(result.end == 9 * PER_SEGMENT);
        world_release(&world);
    }
}

/*
 * A recycled file holds whole batches of its earlier life, at the very places where new ones go.
 * Neither opening nor reading takes one for new, whatever number of new batches stands before.
 */
static void stale_batches_never_come_back(void **state)
{
    (void)state;
    for (unsigned fresh = 0; fresh <= 3; fresh++) {
        struct world world;
        struct read_result result;
        uint64_t end = 0;

        world_init(&world);
        PT_CHECK_OK(world_open(&world), world.err);
        append_segments(&world, 5);
        pt_log_release(world.log, 5 * PER_SEGMENT);
        append_segments(&world, 1); /* segment 5 is a recycled file */
        end = pt_log_end(world.log);
        PT_CHECK_OK(world_append(&world, 3, BATCH_RECORD_BYTES), world.err); /* starts segment 6 */
        for (unsigned i = 1; i < fresh; i++) {
            PT_CHECK_OK(world_append(&world, 3, BATCH_RECORD_BYTES), world.err);
        }
        PT_CHECK(file_exists(&world, 6));
        if (fresh == 0) {
            pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_ALL,
                             0); /* its first batch is stale again */
        } else {
            PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
            end += fresh * 3;
        }
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.end == end);
        world.options.synced_offset = end;
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == end);
        world_release(&world);
    }
}

/* The spares found at opening are used, not added to. */
static void spares_survive_an_opening(void **state)
{
    struct world world;
    unsigned files = 0;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    append_segments(&world, 6);
    pt_log_release(world.log, pt_log_end(world.log));
    PT_CHECK_OK(world_append(&world, 0, 0), world.err);
    files = pt_simdisk_file_count(world.disk);
    PT_CHECK(files == 3); /* the last segment and two spares */
    for (unsigned i = 0; i < 6; i++) {
        PT_CHECK_OK(world_open(&world), world.err);
        pt_log_release(world.log, pt_log_end(world.log));
        append_segments(&world, 1);
        PT_CHECK(pt_simdisk_file_count(world.disk) == files);
    }
    world_release(&world);
}

/* ---- readers ---- */

static void a_reader_behind_recycling_is_told(void **state)
{
    struct world world;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};

    (void)state;
    for (unsigned read_before = 0; read_before < 5; read_before++) {
        enum pt_code code = PT_OK;
        uint64_t end = 0;

        world_init(&world);
        PT_CHECK_OK(world_open(&world), world.err);
        append_segments(&world, 3);
        PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
        for (unsigned i = 0; i < read_before; i++) {
            PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
            end = batch.offset + batch.count;
        }
        for (unsigned i = 0; i < 6; i++) { /* every file gets a new life */
            pt_log_release(world.log, pt_log_end(world.log));
            append_segments(&world, 1);
        }
        do { /* what it still finds is right */
            code = pt_log_reader_next(reader, pt_log_synced_end(world.log), &batch, &world.err);
            if (!code) {
                PT_CHECK(batch.offset == end);
                check_batch(&batch);
                end += batch.count;
            }
        } while (!code);
        PT_CHECK(code == PT_FENCED);
        PT_CHECK(pt_log_reader_seek(reader, 0, &world.err) == PT_NOT_FOUND);
        PT_CHECK_OK(pt_log_reader_seek(reader, pt_log_reader_start(reader), &world.err), world.err);
        PT_CHECK_OK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err), world.err);
        check_batch(&batch);
        pt_log_reader_close(reader);
        world_release(&world);
    }
}

/* ---- a writer that acts between any two steps of a reader ---- */

enum act { APPEND_ONE, APPEND_SEGMENT, RECYCLE_ALL, ACT_COUNT };

struct actor {
    struct world *world;
    enum act act;
    bool is_synced;
};

static void act_between(void *ctx)
{
    struct actor *actor = ctx;
    unsigned batches = actor->act == APPEND_ONE ? 1 : actor->act == APPEND_SEGMENT ? 4 : 12;

    for (unsigned i = 0; i < batches; i++) {
        if (actor->act == RECYCLE_ALL) {
            pt_log_release(actor->world->log, pt_log_end(actor->world->log));
        }
        PT_CHECK_OK(world_append(actor->world, 3, BATCH_RECORD_BYTES), actor->world->err);
        if (actor->is_synced) {
            PT_CHECK_OK(pt_log_sync(actor->world->log, &actor->world->err), actor->world->err);
        }
    }
}

/* All that there is from `end` on; goes on at the start where it was overtaken. Returns the end. */
static uint64_t read_on(struct world *world, struct pt_log_reader *reader, uint64_t end)
{
    struct pt_log_batch batch = {0};
    enum pt_code code = PT_OK;

    while (code != PT_NOT_FOUND) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, &world->err);
        if (code == PT_FENCED) {
            PT_CHECK(pt_log_reader_start(reader) > end);
            end = pt_log_reader_start(reader);
            PT_CHECK_OK(pt_log_reader_seek(reader, end, &world->err), world->err);
            continue;
        }
        if (!code) {
            PT_CHECK(batch.offset == end);
            check_batch(&batch);
            end += batch.count;
        } else if (code != PT_NOT_FOUND) {
            fail_msg("%s: %s", pt_code_name(code), world->err.text);
        }
    }
    return end;
}

/* To `offset`, or to the start where that was recycled; returns to where. */
static uint64_t seek_or_start(struct world *world, struct pt_log_reader *reader, uint64_t offset)
{
    enum pt_code code = pt_log_reader_seek(reader, offset, &world->err);

    if (code == PT_NOT_FOUND) {
        PT_CHECK(pt_log_reader_start(reader) > offset);
        offset = pt_log_reader_start(reader);
        code = pt_log_reader_seek(reader, offset, &world->err);
    }
    PT_CHECK_OK(code, world->err);
    return offset;
}

/* The writer acts before the Nth call of a reader that opens, reads all, seeks and reads again. */
static void a_reader_survives_any_interleaving(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2 * ACT_COUNT; kind++) {
        bool ran = true;

        for (unsigned call = 1; ran; call += SWEEP_STEP) {
            struct world world;
            struct actor actor = {&world, (enum act)(kind / 2), kind % 2 == 1};
            struct pt_log_reader *reader = NULL;
            uint64_t end = 0;

            world_init(&world);
            PT_CHECK_OK(world_open(&world), world.err);
            append_segments(&world, 1);
            PT_CHECK_OK(world_append(&world, 3, BATCH_RECORD_BYTES), world.err);
            pt_simdisk_hook_call(world.disk, call, act_between, &actor);
            PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
            end = seek_or_start(&world, reader, pt_log_reader_start(reader));
            (void)read_on(&world, reader, end);
            end = seek_or_start(&world, reader, PER_SEGMENT);
            end = read_on(&world, reader, end);
            ran = pt_simdisk_hook_ran(world.disk);
            end = read_on(&world, reader, end);
            PT_CHECK(!ran || end == pt_log_end(world.log));
            pt_log_reader_close(reader);
            world_release(&world);
        }
    }
}

/* ---- space ---- */

static void a_full_disk_refuses_and_recovers(void **state)
{
    struct world world;
    uint64_t end = 0;
    unsigned appended = 0;
    unsigned files = 0;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    pt_simdisk_set_capacity(world.disk, 3 * WORLD_SEGMENT_BYTES + 1000);
    while (world_append(&world, 3, BATCH_RECORD_BYTES) == PT_OK) {
        appended++;
    }
    PT_CHECK(appended == 9 && world.err.code == PT_FULL);
    end = pt_log_end(world.log);
    files = pt_simdisk_file_count(world.disk);
    for (unsigned i = 0; i < 3; i++) {
        PT_CHECK(world_append(&world, 3, BATCH_RECORD_BYTES) == PT_FULL);
        PT_CHECK(pt_simdisk_file_count(world.disk) == files); /* no leftovers */
    }
    PT_CHECK_OK(world_append(&world, 1, 100), world.err); /* what fits still does */
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    PT_CHECK(world_read(&world, UINT64_MAX).end == end + 1);
    pt_log_release(world.log, end); /* the stream engine moved on */
    PT_CHECK_OK(world_append(&world, 3, BATCH_RECORD_BYTES), world.err);
    pt_simdisk_set_capacity(world.disk, 9 * WORLD_SEGMENT_BYTES);
    append_segments(&world, 5);
    PT_CHECK(world_read(&world, UINT64_MAX).end == pt_log_end(world.log));
    world_release(&world);
}

static void little_free_space_refuses_and_recovers(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world.options.free_bytes_min = 2 * WORLD_SEGMENT_BYTES;
    pt_simdisk_set_capacity(world.disk, 3 * WORLD_SEGMENT_BYTES);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 3, 100), world.err);
    pt_simdisk_set_capacity(world.disk, 3 * WORLD_SEGMENT_BYTES - 1);
    PT_CHECK(world_append(&world, 3, 100) == PT_FULL);
    PT_CHECK(strstr(world.err.text, "must stay free"));
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    pt_simdisk_set_capacity(world.disk, 3 * WORLD_SEGMENT_BYTES);
    PT_CHECK_OK(world_append(&world, 3, 100), world.err);
    PT_CHECK(world_read(&world, UINT64_MAX).end == 6);
    world_release(&world);
}

/* A write refused for space may have been made all the same; it must not come back. */
static void a_refused_batch_does_not_come_back(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 3, 100), world.err);
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    pt_simdisk_fail_call(world.disk, 1, PT_FULL, true);
    PT_CHECK(world_append(&world, 3, 100) == PT_FULL);
    PT_CHECK(pt_simdisk_fault_fired(world.disk));
    PT_CHECK(world_read(&world, UINT64_MAX).end == 3);
    pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_NONE, 0);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(pt_log_end(world.log) == 3);
    world_release(&world);
}

/* ---- cut ---- */

static void a_cut_is_where_it_was_asked_for(void **state)
{
    (void)state;
    for (uint64_t offset = 0; offset <= 4 * PER_SEGMENT; offset++) {
        struct world world;
        struct read_result result;
        enum pt_code code = PT_OK;
        uint8_t note[PT_LOG_NOTE_BYTES] = {0};
        uint8_t expected[PT_LOG_NOTE_BYTES] = {0};

        world_init(&world);
        PT_CHECK_OK(world_open(&world), world.err);
        append_segments(&world, 4);
        PT_CHECK_OK(world_open(&world), world.err);
        code = pt_log_cut(world.log, offset, &world.err);
        if (offset % 3 != 0) {
            PT_CHECK(code == PT_INVALID);
            PT_CHECK(pt_log_end(world.log) == 4 * PER_SEGMENT);
            world_release(&world);
            continue;
        }
        PT_CHECK_OK(code, world.err);
        PT_CHECK(pt_log_end(world.log) == offset && pt_log_synced_end(world.log) == offset);
        pt_log_last_note(world.log, note);
        if (offset > 0) {
            note_fill(offset, expected);
        }
        PT_CHECK(memcmp(note, expected, sizeof(note)) == 0);
        pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_ALL, 0); /* a cut is durable */
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == offset);
        PT_CHECK_OK(pt_log_cut(world.log, offset, &world.err), world.err);
        append_segments(&world, 2);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.end == offset + 2 * PER_SEGMENT);
        world_release(&world);
    }
}

static void a_cut_outside_the_log_is_refused(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    append_segments(&world, 4);
    pt_log_release(world.log, 3 * PER_SEGMENT);
    append_segments(&world, 1);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(pt_log_cut(world.log, 0, &world.err) == PT_NOT_FOUND);
    PT_CHECK(pt_log_cut(world.log, pt_log_end(world.log) + 1, &world.err) == PT_INVALID);
    append_segments(&world, 1);
    world_release(&world);
}

/* The sequence of a segment that was cut away is used again, by another life. */
static void a_reader_on_a_cut_segment_is_told(void **state)
{
    struct world world;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    append_segments(&world, 2);
    PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
    PT_CHECK_OK(pt_log_reader_seek(reader, 2 * PER_SEGMENT, &world.err), world.err);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(pt_log_cut(world.log, 3, &world.err), world.err);
    append_segments(&world, 2);
    PT_CHECK(file_exists(&world, 1));
    PT_CHECK(pt_log_reader_next(reader, UINT64_MAX, &batch, &world.err) == PT_FENCED);
    pt_log_reader_close(reader);
    world_release(&world);
}

/* Any failure or crash during a cut leaves the log before it, after it, or whole in between. */
static void a_failed_cut_leaves_a_sound_log(void **state)
{
    (void)state;
    for (enum pt_simdisk_loss loss = PT_SIMDISK_LOSE_ALL; loss <= PT_SIMDISK_LOSE_NONE; loss++) {
        bool fired = true;

        for (unsigned call = 1; fired; call += SWEEP_STEP) {
            struct world world;
            struct read_result result;
            enum pt_code code = PT_OK;
            uint64_t end = 0;

            world_init(&world);
            PT_CHECK_OK(world_open(&world), world.err);
            append_segments(&world, 4);
            PT_CHECK_OK(world_open(&world), world.err);
            pt_simdisk_fail_call(world.disk, call, PT_IO, call % 2 == 0);
            code = pt_log_cut(world.log, PER_SEGMENT + 3, &world.err);
            fired = pt_simdisk_fault_fired(world.disk);
            PT_CHECK(fired == (code != PT_OK));
            pt_simdisk_crash(world.disk, loss, call);
            PT_CHECK_OK(world_open(&world), world.err);
            end = pt_log_end(world.log);
            PT_CHECK(end == PER_SEGMENT + 3 ||
                     (code && end % PER_SEGMENT == 0 && end > PER_SEGMENT));
            result = world_read(&world, UINT64_MAX);
            PT_CHECK(result.code == PT_NOT_FOUND && result.end == end);
            PT_CHECK_OK(pt_log_cut(world.log, PER_SEGMENT + 3, &world.err), world.err);
            append_segments(&world, 1);
            PT_CHECK(world_read(&world, UINT64_MAX).end == 2 * PER_SEGMENT + 3);
            world_release(&world);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_recycled),
        cmocka_unit_test(retention_keeps_what_it_says),
        cmocka_unit_test(stale_batches_never_come_back),
        cmocka_unit_test(spares_survive_an_opening),
        cmocka_unit_test(a_reader_behind_recycling_is_told),
        cmocka_unit_test(a_reader_survives_any_interleaving),
        cmocka_unit_test(a_full_disk_refuses_and_recovers),
        cmocka_unit_test(little_free_space_refuses_and_recovers),
        cmocka_unit_test(a_refused_batch_does_not_come_back),
        cmocka_unit_test(a_cut_is_where_it_was_asked_for),
        cmocka_unit_test(a_cut_outside_the_log_is_refused),
        cmocka_unit_test(a_reader_on_a_cut_segment_is_told),
        cmocka_unit_test(a_failed_cut_leaves_a_sound_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
