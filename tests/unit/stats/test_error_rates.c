/*
 * test_error_rates.c - the error that a design promises is the one that players get
 *
 * Promise: without an effect each design calls one in twenty, whenever it looks, the always-valid
 * test fewer; with the planned effect each reaches its planned power; and looking every day at a
 * fixed test does not. Method: 2,000 trials a rule, played out player by player from fixed seeds
 * (bench/experiment/trials.h; 10,000 a rule are in docs/statistics.md), held to five standard
 * errors, so that a mistake of a fifth of alpha shows and chance does not.
 */
#include "near.h"

#include "experiment/trials.h"

#define RUNS 2000
#define SIGMAS 5

static double rate(const struct trial_rule *rule, uint64_t seed, double effect, double *used_out)
{
    struct trial_result result;
    struct pt_error err;

    PT_CHECK_OK(trials_run(rule, RUNS, seed, effect, &result, &err), err);
    assert_int_equal(result.called_by_day[TRIAL_DAYS_MAX - 1], result.calls);
    *used_out = result.used / result.players;
    return (double)result.calls / RUNS;
}

static double allowed(double want)
{
    return SIGMAS * sqrt(want * (1 - want) / RUNS);
}

static void every_design_keeps_its_alpha(void **state)
{
    (void)state;
    for (size_t i = 0; i < trial_rule_count; i++) {
        const struct trial_rule *rule = &trial_rules[i];
        double used = 0;
        double got = rate(rule, 40 + i, 0, &used);

        switch (rule->kind) {
        case TRIAL_FIXED:
        case TRIAL_SPENDING:
            near_abs(got, TRIAL_ALPHA, allowed(TRIAL_ALPHA));
            break;
        case TRIAL_ALWAYS_VALID:
            assert_true(got < TRIAL_ALPHA);
            break;
        case TRIAL_BAYESIAN:
        case TRIAL_NAIVE:
            /* That it is far too much is what the others are for. */
            assert_true(got > TRIAL_ALPHA + allowed(TRIAL_ALPHA));
            break;
        }
    }
}

static void every_design_has_its_power(void **state)
{
    (void)state;
    for (size_t i = 0; i < trial_rule_count; i++) {
        const struct trial_rule *rule = &trial_rules[i];
        double used = 0;
        double got = 0;

        if (rule->kind == TRIAL_BAYESIAN || rule->kind == TRIAL_NAIVE) {
            continue;
        }
        got = rate(rule, 140 + i, TRIAL_EFFECT, &used);
        if (rule->kind == TRIAL_ALWAYS_VALID) {
            /* Its size is that at which the last look alone has the power. */
            assert_true(got > TRIAL_POWER && used < 0.7);
        } else {
            near_abs(got, TRIAL_POWER, allowed(TRIAL_POWER));
            assert_true(rule->kind == TRIAL_FIXED || used < 0.9);
        }
    }
}

static void same_seed_same_trials(void **state)
{
    struct trial_result one;
    struct trial_result two;
    struct trial_result other;
    struct pt_error err;

    (void)state;
    PT_CHECK(trials_run(&trial_rules[1], 300, 9, 0.01, &one, &err) == PT_OK);
    PT_CHECK(trials_run(&trial_rules[1], 300, 9, 0.01, &two, &err) == PT_OK);
    PT_CHECK(trials_run(&trial_rules[1], 300, 10, 0.01, &other, &err) == PT_OK);
    assert_memory_equal(one.called_by_day, two.called_by_day, sizeof(one.called_by_day));
    assert_true(one.used == two.used && one.used != other.used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_design_keeps_its_alpha),
        cmocka_unit_test(every_design_has_its_power),
        cmocka_unit_test(same_seed_same_trials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
