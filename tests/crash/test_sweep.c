/*
 * test_sweep.c - whatever call fails, and whenever the power goes, each event is one row
 *
 * Method: collector, log, stream engine and table in one process (world.h), on a file system whose
 * calls can fail and whose power can go (powercut.h), play a script: events sent once and again,
 * good and bad, many checkpoints, id runs that merge, hours that pass, compaction, expiry,
 * restarts. The script runs once for each call that changes a file, and that call meets with
 * trouble: it fails once, half done, done after all, or it is the last that the process makes. Then
 * a healthy disk: all that was acknowledged is in the table, nothing twice, the ledger balances,
 * and sending all of it again adds what is missing and nothing else.
 */
#include "script.h"

/* Play the script with trouble at its `nth` call. False: it has not as many. */
static bool play_once(enum pt_trouble trouble, enum pt_code failure, enum pt_loss loss,
                      unsigned nth)
{
    struct world w;
    bool has_fired = false;

    world_init(&w, true);
    pt_powercut_plan(w.cut, trouble, nth, failure);
    play(&w, 0, trouble != PT_TROUBLE_FROM);
    has_fired = pt_powercut_fired(w.cut);
    /* A script that is not played proves nothing. */
    PT_CHECK(has_fired || (w.compactions >= 1 && w.expiries >= 1));
    (void)snprintf(place, sizeof(place), "call %u: %s", nth, pt_powercut_met(w.cut));
    pt_powercut_cut(w.cut, loss, pt_test_seed() + nth);
    check_promise(&w);
    world_release(&w);
    return has_fired;
}

static void sweep(enum pt_trouble trouble, enum pt_code failure, enum pt_loss loss, unsigned stride)
{
    unsigned step = step_of(stride);
    unsigned nth = 1 + (unsigned)(pt_test_seed() % step);

    while (play_once(trouble, failure, loss, nth)) {
        nth += step;
    }
    PT_CHECK(nth > 100);
}

static void a_process_that_dies_at_any_call(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_FROM, PT_IO, PT_LOSE_NONE, 180);
}

static void the_power_goes_at_any_call_and_takes_what_was_not_synced(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_FROM, PT_IO, PT_LOSE_ALL, 180);
}

static void the_power_goes_at_any_call_and_leaves_a_mess(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_FROM, PT_IO, PT_LOSE_SOME, 180);
}

/*
 * What a killed process left can be read, but need not be durable: its heir must not rely on it.
 * False: the script has fewer than `nth` calls.
 */
static bool play_with_heir(unsigned nth, unsigned later)
{
    struct world w;
    bool has_fired = false;
    size_t next = 0;

    world_init(&w, true);
    pt_powercut_plan(w.cut, PT_TROUBLE_FROM, nth, PT_IO);
    next = play(&w, 0, false);
    has_fired = pt_powercut_fired(w.cut);
    (void)snprintf(place, sizeof(place), "call %u: %s, then %u more", nth, pt_powercut_met(w.cut),
                   later);
    pt_powercut_plan(w.cut, PT_TROUBLE_FROM, later, PT_IO);
    (void)play(&w, next, false);
    pt_powercut_cut(w.cut, nth % 2 ? PT_LOSE_ALL : PT_LOSE_SOME, pt_test_seed() + nth);
    check_promise(&w);
    world_release(&w);
    return has_fired;
}

static void a_process_dies_at_any_call_and_the_power_goes_under_its_heir(void **state)
{
    unsigned step = step_of(180);
    unsigned nth = 1 + (unsigned)(pt_test_seed() % step);
    struct pt_rng rng;

    (void)state;
    pt_rng_seed(&rng, pt_test_seed());
    while (play_with_heir(nth, 1 + (unsigned)pt_rng_below(&rng, 150))) {
        nth += step;
    }
    PT_CHECK(nth > 100);
}

/* Directories, keys, logs and table are made here, so that each call is tried each time. */
static void the_first_start_dies_and_the_power_goes_under_its_heir(void **state)
{
    unsigned step = step_of(1);

    (void)state;
    for (unsigned nth = 1 + (unsigned)(pt_test_seed() % step); nth <= 45; nth += step) {
        PT_CHECK(play_with_heir(nth, 80));
    }
}

static void any_call_fails_once_and_the_power_goes_later(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_ONCE, PT_IO, PT_LOSE_ALL, 180);
}

static void any_call_finds_the_disk_full_once(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_ONCE, PT_FULL, PT_LOSE_NONE, 180);
}

static void any_call_is_half_done(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_SHORT, PT_FULL, PT_LOSE_SOME, 180);
}

static void any_call_is_done_and_yet_fails(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_DONE, PT_IO, PT_LOSE_ALL, 180);
}

static void any_call_takes_long(void **state)
{
    (void)state;
    sweep(PT_TROUBLE_DELAY, PT_OK, PT_LOSE_SOME, 360);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_process_that_dies_at_any_call, tell_place),
        cmocka_unit_test_teardown(the_power_goes_at_any_call_and_takes_what_was_not_synced,
                                  tell_place),
        cmocka_unit_test_teardown(the_power_goes_at_any_call_and_leaves_a_mess, tell_place),
        cmocka_unit_test_teardown(a_process_dies_at_any_call_and_the_power_goes_under_its_heir,
                                  tell_place),
        cmocka_unit_test_teardown(the_first_start_dies_and_the_power_goes_under_its_heir,
                                  tell_place),
        cmocka_unit_test_teardown(any_call_fails_once_and_the_power_goes_later, tell_place),
        cmocka_unit_test_teardown(any_call_finds_the_disk_full_once, tell_place),
        cmocka_unit_test_teardown(any_call_is_half_done, tell_place),
        cmocka_unit_test_teardown(any_call_is_done_and_yet_fails, tell_place),
        cmocka_unit_test_teardown(any_call_takes_long, tell_place),
    };

    pt_log_set_level(PT_LOG_ERROR + 1); /* the planted faults are said otherwise */
    (void)pt_test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
