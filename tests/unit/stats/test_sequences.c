/*
 * test_sequences.c - always-valid tests, several hypotheses
 *
 * Promise: running p-values never rise and rejections agree with intervals; e-BH, adjusted p and
 * the intervals that go with them decide alike. Method: arbitrary-precision values (mpmath, 30
 * digits) for the sequential sample-ratio test, hand-made cases, and a sweep of random p-values.
 */
#include "near.h"

#include "base/mem.h"
#include "base/rng.h"
#include "stats/stats.h"

static void sample_ratio_sequence(void **state)
{
    (void)state;
    static const struct {
        double sizes[3];
        double weights[3];
        size_t arms;
        double concentration;
        double log_lambda;
    } cases[] = {
        {{100, 110}, {1, 1}, 2, 10000, -0.0054941436876555132},
        {{10000, 11000}, {1, 1}, 2, 10000, 15.566633270647302},
        {{5000, 5100, 9800}, {1, 1, 2}, 3, 10000, 0.73592730043877207},
        {{500, 400, 300}, {1, 1, 1}, 3, 3, 19.025998706736331},
        {{5000000, 5010000}, {1, 1}, 2, 10000, 1.5351196705674388},
        {{0, 0}, {1, 1}, 2, 100, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* The terms are as large as the number of units; their rounding is what stays. */
        near_abs(pt_ssrm_log_lambda(cases[i].sizes, cases[i].weights, cases[i].arms,
                                    cases[i].concentration),
                 cases[i].log_lambda, 1e-8);
    }
    assert_true(isnan(pt_ssrm_log_lambda((double[]){1, 2}, (double[]){1, 0}, 2, 10)));
    assert_true(isnan(pt_ssrm_log_lambda((double[]){1, -2}, (double[]){1, 1}, 2, 10)));
    assert_true(isnan(pt_ssrm_log_lambda((double[]){1, 2}, (double[]){1, 1}, 2, 0)));
}

static void running_values(void **state)
{
    (void)state;
    struct pt_msprt_running running = PT_MSPRT_RUNNING_START;
    double before = 1;

    for (int k = 1; k <= 50; k++) {
        double n = 200.0 * k;
        struct pt_msprt look = pt_msprt_means(
            (struct pt_sample){n, 1, 4}, (struct pt_sample){n, 1.2 - 0.003 * k, 4}, 0.01, 0, 0.05);

        running = pt_msprt_run(running, &look);
        assert_true(running.p_value <= before);
        /* p <= alpha is where the interval leaves 0 out. */
        assert_true((look.p_value <= 0.05) == (look.interval.low > 0 || look.interval.high < 0));
        before = running.p_value;
    }
    /* A look without variance says nothing and takes nothing away. */
    struct pt_msprt none = pt_msprt(0.1, 0, 1, 0, 0.05);

    assert_true(isnan(none.p_value));
    near(pt_msprt_run(running, &none).p_value, running.p_value, 0);
    assert_true(isnan(
        pt_msprt_proportions((struct pt_proportion){0, 9}, (struct pt_proportion){0, 9}, 1, 0, 0.05)
            .p_value));
}

/* The p of a confidence sequence is the alpha whose interval ends at 0. */
static void confidence_sequence_p(void **state)
{
    (void)state;
    for (int sided = 1; sided <= 2; sided++) {
        struct pt_confidence_sequence cs = pt_asymptotic_cs(0.3, 0.1, 4000, 0.05, 5000, sided);
        double grown = 4000 * cs.rho2 + 1;
        double a = sided == 2 ? cs.p_value : 2 * cs.p_value;
        double log_term = sided == 2 ? log(sqrt(grown) / a) : log1p(sqrt(grown) / a);

        near(0.1 * sqrt(2 * grown / (grown - 1) * log_term), 0.3, 1e-12);
    }
    near(pt_asymptotic_cs(-0.3, 0.1, 4000, 0.05, 5000, 1).p_value, 1, 0);
    assert_true(isnan(pt_asymptotic_cs(0.3, 0.1, 4000, 0.5, 5000, 1).half_width));
    assert_true(isnan(pt_asymptotic_cs(0.3, 0, 4000, 0.05, 5000, 2).half_width));
    assert_true(isnan(pt_asymptotic_cs(0.3, 0.1, 0, 0.05, 5000, 2).half_width));
}

/* Wang and Ramdas 2022: with alpha 0.05 and m = 4, e = 100, 50, 12, 1: k e_(k)/m >= 20 for k =
 * 1, 2. */
static void e_values(void **state)
{
    (void)state;
    double e[] = {12, NAN, 100, 1, 50};
    double adjusted[5];
    struct pt_error err;

    PT_CHECK_OK(pt_e_adjust(e, 5, adjusted, &err), err);
    near(adjusted[2], 0.04, 1e-15);
    near(adjusted[4], 0.04, 1e-15);
    near(adjusted[0], 4.0 / 3 / 12, 1e-15);
    near(adjusted[3], 1, 0);
    assert_true(isnan(adjusted[1]));
    e[0] = -1;
    assert_int_equal(pt_e_adjust(e, 5, adjusted, &err), PT_INVALID);
    assert_non_null(strstr(err.text, "e[0]"));
    /* No evidence at all, and endless evidence. */
    PT_CHECK_OK(pt_e_adjust((double[]){0, INFINITY}, 2, adjusted, &err), err);
    near(adjusted[0], 1, 0);
    near(adjusted[1], 0, 0);
}

/* Promise: a hypothesis' own interval, at its alpha, leaves the null out exactly when it is
 * rejected. */
static void intervals_match_decisions(void **state)
{
    (void)state;
    struct pt_rng rng;
    double p[12];
    double adjusted[12];
    double own[12];
    struct pt_error err;

    pt_rng_seed(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + pt_rng_next(&rng) % 12;

        for (size_t i = 0; i < count; i++) {
            double u = (double)(pt_rng_next(&rng) >> 11) / 9007199254740992.0;

            p[i] = pt_rng_next(&rng) % 8 == 0 ? NAN : u * u * u;
        }
        for (int method = PT_ADJUST_BONFERRONI; method <= PT_ADJUST_BY; method++) {
            PT_CHECK_OK(pt_p_adjust(p, count, (enum pt_adjustment)method, adjusted, &err), err);
            PT_CHECK_OK(pt_interval_alpha(p, count, (enum pt_adjustment)method, 0.05, own, &err),
                        err);
            for (size_t i = 0; i < count; i++) {
                assert_true(isnan(p[i]) ? isnan(own[i]) && isnan(adjusted[i])
                                        : (adjusted[i] <= 0.05) == (p[i] <= own[i]));
            }
        }
    }
    assert_int_equal(pt_p_adjust((double[]){0.1, 2}, 2, PT_ADJUST_BH, adjusted, &err), PT_INVALID);
    assert_int_equal(pt_interval_alpha(p, 1, PT_ADJUST_BH, 0, own, &err), PT_INVALID);
}

static void no_memory(void **state)
{
    (void)state;
    double p[] = {0.01, 0.2};
    double out[2];
    bool fired = true;

    for (unsigned nth = 1; fired; nth++) {
        struct pt_error err;

        pt_mem_fail_after(nth);
        enum pt_code code = pt_interval_alpha(p, 2, PT_ADJUST_HOLM, 0.05, out, &err);

        code = code ? code : pt_e_adjust(p, 2, out, &err);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        assert_int_equal(code, fired ? PT_NO_MEMORY : PT_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_ratio_sequence),     cmocka_unit_test(running_values),
        cmocka_unit_test(confidence_sequence_p),     cmocka_unit_test(e_values),
        cmocka_unit_test(intervals_match_decisions), cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
