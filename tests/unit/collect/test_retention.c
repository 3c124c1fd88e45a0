/*
 * test_retention.c - what is due is released, and nothing else
 *
 * Method: a log with small segments and a clock of our own; batches of a known size and time; then
 * the oldest offset that a reader finds, which may be a segment older than what was asked for and
 * never younger.
 */
#include "check.h"
#include "collect/retention.h"

#include "wire/rfc3339.h"

#define SEGMENT_BYTES (1u << 20)
#define BATCH_BYTES 100000u
#define BATCHES_A_SEGMENT 10u /* 1 MiB holds ten, and a batch more is in the way at most */
#define START INT64_C(1793534400000000)

static int64_t wall_us;
static char *dir;
static struct pt_log *log_;
static struct pt_metrics *metrics;

static int64_t wall(void *ctx)
{
    (void)ctx;
    return wall_us;
}

static int64_t mono(void *ctx)
{
    (void)ctx;
    return 0;
}

static struct pt_clock test_clock = {.wall_us = wall, .mono_us = mono};

static int open_world(void **state)
{
    struct pt_log_options options;
    struct pt_error err = {0};

    (void)state;
    wall_us = START;
    dir = pt_test_dir_create();
    pt_log_options_default(&options);
    options.segment_bytes = SEGMENT_BYTES;
    options.retention_bytes = 0;
    options.free_bytes_min = 0;
    metrics = pt_metrics_create();
    return pt_log_open(&log_, pt_io_posix(), &test_clock, dir, &options, &err) ? -1 : 0;
}

static int close_world(void **state)
{
    (void)state;
    pt_log_close(log_);
    pt_metrics_destroy(metrics);
    pt_test_dir_remove(dir);
    return 0;
}

/* One dead letter, of BATCH_BYTES. */
static void append(void)
{
    static uint8_t record[BATCH_BYTES];
    static const uint8_t note[PT_LOG_NOTE_BYTES];
    uint32_t size = BATCH_BYTES;
    struct pt_error err = {0};
    uint64_t offset = 0;

    PT_CHECK_OK(pt_log_append(log_, pt_span_of(record, size), &size, 1, note, &offset, &err), err);
    PT_CHECK_OK(pt_log_sync(log_, &err), err);
}

static struct pt_retention *open_retention(int64_t age_us, uint64_t bytes_max)
{
    struct pt_retention_options options = {.age_us = age_us, .bytes_max = bytes_max};
    struct pt_retention *retention = NULL;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_retention_open(&retention, pt_io_posix(), &test_clock, log_, dir, &options,
                                  metrics, &err),
                err);
    return retention;
}

static uint64_t oldest(void)
{
    struct pt_log_reader *reader = NULL;
    struct pt_error err = {0};
    uint64_t start = 0;

    PT_CHECK_OK(pt_log_reader_open(&reader, pt_io_posix(), dir, &err), err);
    start = pt_log_reader_start(reader);
    pt_log_reader_close(reader);
    return start;
}

static void old_ones_are_released_by_the_segment(void **state)
{
    struct pt_retention *retention = open_retention(10 * PT_DAY_US, UINT64_MAX);

    (void)state;
    for (unsigned day = 0; day < 100; day++) {
        uint64_t first_kept = day > 10 ? day - 10 : 0;

        wall_us = START + day * PT_DAY_US;
        append();
        pt_retention_tick(retention, UINT64_MAX);
        PT_CHECK(oldest() <= first_kept);
        PT_CHECK(oldest() + 2 * BATCHES_A_SEGMENT > first_kept);
    }
    PT_CHECK(oldest() >= 100 - 10 - 2 * BATCHES_A_SEGMENT);
    pt_retention_close(retention);
}

static void a_restart_finds_the_same(void **state)
{
    struct pt_retention *retention = NULL;

    (void)state;
    for (unsigned day = 0; day < 60; day++) {
        wall_us = START + day * PT_DAY_US;
        append();
    }
    PT_CHECK(oldest() == 0);
    retention = open_retention(10 * PT_DAY_US, UINT64_MAX);
    pt_retention_tick(retention, UINT64_MAX);
    PT_CHECK(oldest() == 0); /* it is the next dead letter that recycles */
    append();
    PT_CHECK(oldest() >= 30 && oldest() <= 49);
    pt_retention_close(retention);
}

static void too_many_are_released(void **state)
{
    const uint64_t kept = 35; /* of them fit the limit */
    struct pt_retention *retention = open_retention(10 * PT_DAY_US, kept * (BATCH_BYTES + 200));

    (void)state;
    for (uint64_t count = 1; count <= 200; count++) {
        append();
        pt_retention_tick(retention, UINT64_MAX);
        PT_CHECK(oldest() <= (count > kept ? count - kept : 0) + 1);
        PT_CHECK(count - oldest() <= kept + 2 * BATCHES_A_SEGMENT);
    }
    pt_retention_close(retention);
}

/* A crash would bring back a ledger that counts fewer than the log has given up. */
static void what_the_ledger_does_not_count_stays(void **state)
{
    struct pt_retention *retention = open_retention(PT_DAY_US, BATCH_BYTES);

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        append();
        pt_retention_tick(retention, 15);
    }
    PT_CHECK(oldest() <= 15);
    append();
    pt_retention_tick(retention, 45);
    append();
    PT_CHECK(oldest() > 15 && oldest() <= 45);
    pt_retention_close(retention);
}

/* Times at random over ten years, each limit tight: marks run out, and nothing young is released.
 */
static void clocks_that_jump_release_nothing_young(void **state)
{
    static const uint8_t note[PT_LOG_NOTE_BYTES];
    const int64_t age_us = 1000 * PT_DAY_US;
    struct pt_retention *retention = open_retention(age_us, UINT64_MAX);
    uint64_t seed = 1;
    uint64_t first_young = UINT64_MAX;
    static int64_t times[20000];

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        static uint8_t record[1000];
        uint32_t size = sizeof(record);
        struct pt_error err = {0};
        uint64_t offset = 0;

        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        wall_us = START + (int64_t)(seed >> 33) % 3650 * PT_DAY_US;
        times[i] = wall_us;
        PT_CHECK_OK(pt_log_append(log_, pt_span_of(record, size), &size, 1, note, &offset, &err),
                    err);
    }
    {
        struct pt_error err = {0};

        PT_CHECK_OK(pt_log_sync(log_, &err), err);
    }
    wall_us = START + 3650 * PT_DAY_US;
    for (uint64_t i = 0; i < 20000 && first_young == UINT64_MAX; i++) {
        first_young = times[i] >= wall_us - age_us ? i : first_young;
    }
    pt_retention_tick(retention, UINT64_MAX);
    append();
    PT_CHECK(oldest() <= first_young);
    /* And when all are old, all may go. */
    wall_us += 2 * age_us;
    pt_retention_tick(retention, UINT64_MAX);
    append();
    PT_CHECK(oldest() > 17000);
    pt_retention_close(retention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_ones_are_released_by_the_segment, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_restart_finds_the_same, open_world, close_world),
        cmocka_unit_test_setup_teardown(too_many_are_released, open_world, close_world),
        cmocka_unit_test_setup_teardown(what_the_ledger_does_not_count_stays, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(clocks_that_jump_release_nothing_young, open_world,
                                        close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
