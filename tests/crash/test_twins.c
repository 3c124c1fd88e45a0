/*
 * test_twins.c - an event that comes twice is one row, wherever its twin comes
 *
 * Method: the world of world.h under a clock of the test's, so that twins can meet the edges of the
 * hourly buckets and of the window; after each case every event is in the table once, and the
 * ledger counts the twins.
 */
#include "world.h"

#define MINUTE_US INT64_C(60000000)
#define HOUR_US (60 * MINUTE_US)

static void up(struct world *w)
{
    struct pt_error err = {0};

    world_init(w, true);
    PT_CHECK_OK(world_up(w, &err), err);
}

static void commit(struct world *w)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_stream_checkpoint(w->stream, &err), err);
}

static void again(struct world *w)
{
    struct pt_error err = {0};

    world_down(w);
    PT_CHECK_OK(world_up(w, &err), err);
}

static uint64_t rows_of(struct world *w, unsigned n)
{
    unsigned times[EVENTS_MAX];

    count_rows(w, times);
    return times[n];
}

static void check_duplicates(struct world *w, uint64_t expected)
{
    struct pt_checkpoint_summary now;
    struct pt_error err = {0};

    commit(w);
    PT_CHECK_OK(pt_stream_read_checkpoint(w->io, w->state_dir, &now, &err), err);
    assert_int_equal(now.duplicates, expected);
}

static void finish(struct world *w)
{
    world_down(w);
    check_promise(w);
    world_release(w);
}

static void in_one_batch(void **state)
{
    static const unsigned twins[] = {0, 1, 0, 2, 1, 1, 2, 0};
    struct world w;

    (void)state;
    up(&w);
    PT_CHECK(send_list(&w, twins, 8, 0));
    check_duplicates(&w, 5);
    finish(&w);
}

static void in_two_batches_of_one_checkpoint_and_of_two(void **state)
{
    struct world w;

    (void)state;
    up(&w);
    PT_CHECK(send_events(&w, 0, 10, 0));
    PT_CHECK(send_events(&w, 5, 10, 0));
    check_duplicates(&w, 5);
    PT_CHECK(send_events(&w, 0, 20, 0));
    check_duplicates(&w, 20);
    finish(&w);
}

/* First and twin on each side of an hour's edge, to the microsecond, and twice over it. */
static void at_the_edges_of_buckets(void **state)
{
    static const int64_t around_us[] = {-1, 0, 1};
    struct world w;
    uint64_t duplicates = 0;
    unsigned n = 0;

    (void)state;
    for (unsigned checkpoints = 0; checkpoints < 2; checkpoints++) {
        up(&w);
        duplicates = 0;
        n = 0;
        for (unsigned a = 0; a < 3; a++) {
            for (unsigned b = a; b < 3; b++) {
                int64_t edge_us = (w.now_us / HOUR_US + 1) * HOUR_US;

                w.now_us = edge_us + around_us[a];
                PT_CHECK(send_events(&w, n, 2, 0));
                if (checkpoints) {
                    commit(&w);
                }
                w.now_us = edge_us + around_us[b];
                PT_CHECK(send_events(&w, n, 2, 0));
                w.now_us = edge_us + HOUR_US;
                PT_CHECK(send_events(&w, n, 2, 0));
                duplicates += 4;
                n += 2;
                check_duplicates(&w, duplicates);
            }
        }
        finish(&w);
    }
}

static void after_restarts_and_a_kill(void **state)
{
    struct world w;
    struct pt_error err = {0};

    (void)state;
    up(&w);
    PT_CHECK(send_events(&w, 0, 10, 0));
    again(&w);
    PT_CHECK(send_events(&w, 0, 10, 0));
    check_duplicates(&w, 10);
    PT_CHECK(send_events(&w, 10, 10, 0)); /* in the log, in no checkpoint */
    pt_powercut_plan(w.cut, PT_TROUBLE_FROM, 1, PT_IO);
    world_down(&w);
    pt_powercut_cut(w.cut, PT_LOSE_ALL, 1);
    PT_CHECK_OK(world_up(&w, &err), err);
    PT_CHECK(send_events(&w, 5, 15, 0));
    check_duplicates(&w, 25);
    finish(&w);
}

/* Every checkpoint leaves a run; they are merged by the bucket, and all that was comes again. */
static void while_runs_are_merged(void **state)
{
    struct world w;
    uint64_t duplicates = 0;

    (void)state;
    up(&w);
    for (unsigned n = 0; n < 60; n++) {
        PT_CHECK(send_events(&w, n, 1, 0));
        if (n % 7 == 6) {
            w.now_us += 25 * MINUTE_US;
        }
        if (n % 13 == 12) {
            again(&w);
        }
        PT_CHECK(send_events(&w, n / 2, n - n / 2 + 1, 0));
        duplicates += n - n / 2 + 1;
        check_duplicates(&w, duplicates);
    }
    PT_CHECK(send_events(&w, 0, 60, 0));
    check_duplicates(&w, duplicates + 60);
    finish(&w);
}

/* The window slides: what was seen within it is a twin, whatever hour it was. */
static void within_the_window_to_its_last_minute(void **state)
{
    struct world w;
    int64_t start_us = 0;

    (void)state;
    up(&w);
    start_us = w.now_us;
    PT_CHECK(send_events(&w, 0, 4, 0));
    commit(&w);
    for (unsigned hour = 1; hour < 24; hour++) {
        w.now_us = start_us + hour * HOUR_US;
        PT_CHECK(send_events(&w, 10 + hour, 1, 0)); /* time goes on by what is received */
        commit(&w);
    }
    w.now_us = start_us + 24 * HOUR_US - MINUTE_US;
    again(&w);
    PT_CHECK(send_events(&w, 0, 4, 0));
    check_duplicates(&w, 4);
    finish(&w);
}

/*
 * Days later the bucket is gone, and with it what was known of the event: its twin is a row of its
 * own (docs/formats/idrun.md), the ledger counts it as stored, and nothing else is touched.
 */
static void after_its_bucket_was_dropped(void **state)
{
    struct world w;
    struct pt_checkpoint_summary now;
    struct pt_error err = {0};

    (void)state;
    up(&w);
    PT_CHECK(send_events(&w, 0, 4, 0));
    commit(&w);
    w.now_us += 50 * HOUR_US;
    PT_CHECK(send_events(&w, 4, 4, 0));
    commit(&w);
    commit(&w);
    PT_CHECK(send_events(&w, 0, 2, 0));
    PT_CHECK(send_events(&w, 4, 4, 0));
    check_duplicates(&w, 4);
    PT_CHECK_OK(pt_stream_read_checkpoint(w.io, w.state_dir, &now, &err), err);
    assert_int_equal(now.stored, 10);
    assert_int_equal(rows_of(&w, 0), 2);
    assert_int_equal(rows_of(&w, 2), 1);
    assert_int_equal(rows_of(&w, 4), 1);
    check_ledger(&w, 10);
    world_down(&w);
    world_release(&w);
}

/* A wall clock that is set back must not make an old id new. */
static void while_the_clock_jumps(void **state)
{
    static const int64_t jumps_us[] = {-3 * HOUR_US, 5 * HOUR_US, -HOUR_US, 23 * HOUR_US - 1,
                                       -20 * HOUR_US};
    struct world w;
    uint64_t duplicates = 0;

    (void)state;
    up(&w);
    for (unsigned i = 0; i < sizeof(jumps_us) / sizeof(jumps_us[0]); i++) {
        PT_CHECK(send_events(&w, 4 * i, 4, 0));
        commit(&w);
        w.now_us += jumps_us[i];
        PT_CHECK(send_events(&w, 4 * i, 4, 0));
        duplicates += 4;
        check_duplicates(&w, duplicates);
        if (i % 2) {
            again(&w);
        }
    }
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_batch),
        cmocka_unit_test(in_two_batches_of_one_checkpoint_and_of_two),
        cmocka_unit_test(at_the_edges_of_buckets),
        cmocka_unit_test(after_restarts_and_a_kill),
        cmocka_unit_test(while_runs_are_merged),
        cmocka_unit_test(within_the_window_to_its_last_minute),
        cmocka_unit_test(after_its_bucket_was_dropped),
        cmocka_unit_test(while_the_clock_jumps),
    };

    pt_log_set_level(PT_LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
