/*
 * test_log_damage.c - damage is reported by file and byte, never skipped; a torn end is cut
 *
 * Method: one byte of a stored log is changed, at every position of a small log and at chosen
 * ones of a large one; then the log is opened, and read.
 */
#include "log_world.h"

#include <stdio.h>

/* Three batches of four records, the first two synced; returns where each batch starts. */
static void make_small(struct world *world, uint64_t positions[4])
{
    world_init(world);
    PT_CHECK_OK(world_open(world), world->err);
    positions[0] = PT_SEGMENT_HEADER_BYTES;
    for (unsigned i = 0; i < 3; i++) {
        PT_CHECK_OK(world_append(world, 4, 21), world->err);
        positions[i + 1] = positions[i] + pt_batch_bytes(4, 4 * 21);
        if (i < 2) {
            PT_CHECK_OK(pt_log_sync(world->log, &world->err), world->err);
        }
    }
    pt_simdisk_crash(world->disk, PT_SIMDISK_LOSE_NONE, 0);
    pt_log_close(world->log);
    world->log = NULL;
}

static void check_names_place(const struct world *world, uint64_t sequence, uint64_t position)
{
    char place[64];

    snprintf(place, sizeof(place), "segment-%020llu.log: byte %llu:", (unsigned long long)sequence,
             (unsigned long long)position);
    if (!strstr(world->err.text, place)) {
        fail_msg("\"%s\" does not name \"%s\"", world->err.text, place);
    }
}

static void damage_below_the_checkpoint_is_corrupt(void **state)
{
    uint64_t end = PT_SEGMENT_HEADER_BYTES + 3 * pt_batch_bytes(4, 4 * 21);

    (void)state;
    for (uint64_t at = 0; at < end;
         at += at == 104 ? 4080 - 104 : 1) { /* most of a header is zero */
        struct world world;
        uint64_t positions[4];
        unsigned batch = 0;

        make_small(&world, positions);
        while (batch < 3 && at >= positions[batch + 1]) {
            batch++;
        }
        flip(&world, 0, at, (uint8_t)(1u << (at % 8)));
        world.options.synced_offset = 12;
        PT_CHECK(world_open(&world) == PT_CORRUPT);
        PT_CHECK(world.log == NULL);
        check_names_place(&world, 0, at < positions[0] ? 0 : positions[batch]);

        /* And opening it changed nothing: the byte put right, all is there. */
        flip(&world, 0, at, (uint8_t)(1u << (at % 8)));
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == 12);
        world_release(&world);
    }
}

/*
 * With no checkpoint known, a later batch tells what was synced before it: the first batch is
 * proven by the second and third; the last has no witness and is cut as torn.
 */
static void damage_is_proven_by_later_batches(void **state)
{
    uint64_t end = PT_SEGMENT_HEADER_BYTES + 3 * pt_batch_bytes(4, 4 * 21);

    (void)state;
    for (uint64_t at = PT_SEGMENT_HEADER_BYTES; at < end; at++) {
        struct world world;
        uint64_t positions[4];
        struct read_result result;

        make_small(&world, positions);
        flip(&world, 0, at, 0x10);
        result = world_read(&world, UINT64_MAX);
        if (at < positions[2]) {
            PT_CHECK(result.code == PT_CORRUPT);
            check_names_place(&world, 0, positions[at < positions[1] ? 0 : 1]);
            PT_CHECK(world_open(&world) == PT_CORRUPT);
            check_names_place(&world, 0, positions[at < positions[1] ? 0 : 1]);
        } else {
            PT_CHECK(result.code == PT_NOT_FOUND && result.end == 8);
            PT_CHECK_OK(world_open(&world), world.err);
            PT_CHECK(pt_log_end(world.log) == 8);
        }
        world_release(&world);
    }
}

/* Batches written without a sync between them reach the disk in any order: not damage, torn. */
static void unsynced_batches_out_of_order_are_cut(void **state)
{
    struct world world;
    uint64_t second = PT_SEGMENT_HEADER_BYTES + pt_batch_bytes(4, 84);

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 4, 21), world.err);
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    for (unsigned i = 0; i < 5; i++) {
        PT_CHECK_OK(world_append(&world, 4, 21), world.err);
    }
    pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_NONE, 0);
    flip(&world, 0, second + 3, 0xff);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(pt_log_end(world.log) == 4);
    world_release(&world);
}

/* The reader's limit says that a batch was synced, where nothing later does. */
static void damage_below_the_limit_is_corrupt_to_the_reader(void **state)
{
    struct world world;
    uint64_t positions[4];

    (void)state;
    make_small(&world, positions);
    flip(&world, 0, positions[2] + 50, 1);
    PT_CHECK(world_read(&world, 8).code == PT_NOT_FOUND);
    PT_CHECK(world_read(&world, UINT64_MAX).code == PT_NOT_FOUND);
    PT_CHECK(world_read(&world, 12).code == PT_CORRUPT);
    check_names_place(&world, 0, positions[2]);
    world_release(&world);
}

/* All segments but the last are whole: damage in one is found by the next one's header. */
static void damage_in_an_earlier_segment_is_corrupt_to_the_reader(void **state)
{
    const uint64_t batch_bytes = pt_batch_bytes(3, 210000);

    (void)state;
    for (unsigned victim = 0; victim < 8; victim++) {
        struct world world;
        struct read_result result;
        struct pt_log_reader *reader = NULL;
        uint64_t position = PT_SEGMENT_HEADER_BYTES + victim % 4 * batch_bytes;

        world_init(&world);
        PT_CHECK_OK(world_open(&world), world.err);
        for (unsigned i = 0; i < 9; i++) {
            PT_CHECK_OK(world_append(&world, 3, 70000), world.err);
        }
        PT_CHECK(file_exists(&world, 2));
        flip(&world, victim / 4, position + 1000 * victim + 1, 0x80);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_CORRUPT && result.end == victim * 3);
        check_names_place(&world, victim / 4, position);
        PT_CHECK_OK(pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err), world.err);
        PT_CHECK(pt_log_reader_seek(reader, victim / 4 * 12 + 11, &world.err) == PT_CORRUPT);
        check_names_place(&world, victim / 4, position);
        PT_CHECK(pt_log_reader_seek(reader, victim * 3, &world.err) == PT_CORRUPT);
        if (victim > 0) {
            PT_CHECK_OK(pt_log_reader_seek(reader, victim * 3 - 1, &world.err), world.err);
        }
        pt_log_reader_close(reader);
        world_release(&world);
    }
}

static void a_missing_segment_is_corrupt(void **state)
{
    struct world world;
    char *path = NULL;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    for (unsigned i = 0; i < 13; i++) {
        PT_CHECK_OK(world_append(&world, 3, 70000), world.err);
    }
    path = segment_path(1);
    PT_CHECK_OK(pt_io_unlink(world.io, path, &world.err), world.err);
    PT_CHECK(world_open(&world) == PT_CORRUPT);
    PT_CHECK(strstr(world.err.text, "segment 1 is missing"));
    pt_free(path);
    world_release(&world);
}

static void an_empty_directory_is_corrupt_where_records_were_synced(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world.options.synced_offset = 1;
    PT_CHECK(world_open(&world) == PT_CORRUPT);
    world_release(&world);
}

/* A file of a later program is not "damaged", and is not touched. */
static void a_later_version_is_refused(void **state)
{
    struct world world;
    struct pt_file *file = NULL;
    uint8_t block[PT_SEGMENT_HEADER_BYTES];
    size_t read_bytes = 0;
    char *path = NULL;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    path = segment_path(0);
    PT_CHECK_OK(pt_io_open(world.io, path, PT_OPEN_WRITE, &file, &world.err), world.err);
    PT_CHECK_OK(pt_io_read(world.io, file, 0, block, sizeof(block), &read_bytes, &world.err),
                world.err);
    block[8] = 2;
    pt_put_u64(block + PT_SEGMENT_HEADER_BYTES - 8,
               pt_checksum64(block, PT_SEGMENT_HEADER_BYTES - 8));
    PT_CHECK_OK(pt_io_write(world.io, file, 0, block, sizeof(block), &world.err), world.err);
    PT_CHECK(world_open(&world) == PT_INVALID);
    PT_CHECK(strstr(world.err.text, "version 2"));
    pt_io_close(world.io, file);
    pt_free(path);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_below_the_checkpoint_is_corrupt),
        cmocka_unit_test(damage_is_proven_by_later_batches),
        cmocka_unit_test(unsynced_batches_out_of_order_are_cut),
        cmocka_unit_test(damage_below_the_limit_is_corrupt_to_the_reader),
        cmocka_unit_test(damage_in_an_earlier_segment_is_corrupt_to_the_reader),
        cmocka_unit_test(a_missing_segment_is_corrupt),
        cmocka_unit_test(an_empty_directory_is_corrupt_where_records_were_synced),
        cmocka_unit_test(a_later_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
