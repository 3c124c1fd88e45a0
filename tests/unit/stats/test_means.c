/*
 * test_means.c - t tests, relative differences, ratio metrics, CUPED; quantiles, winsorised means
 *
 * Promise: raw-value statistics give what SciPy and NumPy give, adjusted ones hold to their
 * identities, and arms without variance or units are undefined, not wrong. Method: values of
 * NumPy's quantile, SciPy 1.17's ttest_ind on clipped values, and the paper's formula for the
 * standard error of a quantile in 30 digits; identities, and a failing allocator.
 */
#include "near.h"

#include "base/mem.h"
#include "stats/stats.h"

static const double values_a[] = {3.1, 0.2, 5.7, 2.2, 9.4, 1.1, 4.4, 0.9, 2.8, 3.3, 12.5, 0.4};
static const double values_b[] = {4.1, 2.2, 6.7, 1.2, 11.4, 3.1, 5.4, 2.9, 3.8, 30.3};
static const struct pt_values a = {values_a, 12};
static const struct pt_values b = {values_b, 10};

static void quantile_differences(void **state)
{
    (void)state;
    static const struct {
        double q, quantile_a, quantile_b, se_a, se_b, p_value;
    } cases[] = {
        {0.5, 2.95, 3.95, 0.977601786197596, 1.187481264198219, 0.5155993389865982},
        {0.9, 9.03, 13.29, 3.085210833780046, 9.835556914682397, 0.6794105182728139},
        {0.25, 1.05, 2.95, 0.7419190004736796, 0.7598110214517358, 0.07359121801076413},
    };
    struct pt_quantile_test test;
    struct pt_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK_OK(pt_quantile_diff(a, b, cases[i].q, PT_TWO_SIDED, 0.95, &test, &err), err);
        near(test.quantile_a, cases[i].quantile_a, 1e-13);
        near(test.quantile_b, cases[i].quantile_b, 1e-13);
        near(test.se_a, cases[i].se_a, 1e-12);
        near(test.se_b, cases[i].se_b, 1e-12);
        near(test.difference.p_value, cases[i].p_value, 1e-12);
    }
    assert_int_equal(pt_quantile_diff(a, b, 1, PT_TWO_SIDED, 0.95, &test, &err), PT_INVALID);
    assert_non_null(strstr(err.text, "q: 1"));
    /* 100,000 values of which most have no weight: the same as all of them. */
    double *many = pt_alloc(100000 * sizeof(double));

    assert_non_null(many);
    for (size_t i = 0; i < 100000; i++) {
        many[i] = (double)((i * 7919) % 100000);
    }
    struct pt_values large = {many, 100000};

    PT_CHECK_OK(pt_quantile_diff(large, large, 0.5, PT_TWO_SIDED, 0.95, &test, &err), err);
    near(test.se_a, sqrt(0.25 * 100000), 1e-3); /* sqrt(q (1 - q)/n) over the density 1/n */
    pt_free(many);
}

static void quantiles_from_limits(void **state)
{
    (void)state;
    struct pt_quantile_ranks ranks = pt_quantile_ranks(1000, 0.9, 0.95);
    struct pt_quantile_limits of_a = {7.15, 7.10, 7.22};
    struct pt_quantile_limits of_b = {7.69, 7.64, 7.75};
    struct pt_quantile_test test = pt_quantile_limits_diff(of_a, of_b, 0.95, PT_TWO_SIDED, 0.95);

    /* 900 -+ 1.96 sqrt(90) = 881.4 and 918.6, rounded outwards, the upper one up by one. */
    near(ranks.low, 881, 0);
    near(ranks.high, 920, 0);
    assert_true(isnan(pt_quantile_ranks(20, 0.99, 0.95).high)); /* too few for that tail */
    near(test.se_a, 0.06 / 1.9599639845400545, 1e-12);
    near(test.difference.estimate, 0.54, 1e-12);
    of_a.low = 8;
    assert_true(
        isnan(pt_quantile_limits_diff(of_a, of_b, 0.95, PT_TWO_SIDED, 0.95).difference.p_value));
}

static void winsorised_means(void **state)
{
    (void)state;
    static const struct {
        double low, high, limit_low, limit_high, mean_a, mean_b, var_a, var_b, t, df, p;
        struct pt_interval interval;
    } cases[] = {
        {0,
         0.9,
         0.2,
         11.2,
         3.725,
         5.18,
         12.23113636363637,
         12.46177777777779,
         0.966689037059963,
         19.222073035939896,
         0.34570565125646424,
         {-1.6928276346156261, 4.602827634615627}},
        {0.1,
         0.95,
         0.92,
         12.445,
         3.93375,
         5.3245,
         13.302232386363636,
         14.548335833333333,
         0.8686500808097747,
         18.942420367910394,
         0.39591134383452936,
         {-1.9609703960388227, 4.742470396038821}},
        {0,
         1,
         0.2,
         30.3,
         3.8333333333333335,
         7.11,
         14.138787878787879,
         74.681,
         1.1143363594714635,
         11.823074169698389,
         0.28727515761896805,
         {-3.140704807465498, 9.69403814079883}},
    };
    struct pt_winsorized r;
    struct pt_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK_OK(
            pt_winsorized_test(a, b, cases[i].low, cases[i].high, PT_TWO_SIDED, 0.95, &r, &err),
            err);
        near(r.limit_low, cases[i].limit_low, 1e-13);
        near(r.limit_high, cases[i].limit_high, 1e-13);
        near(r.a.mean, cases[i].mean_a, 1e-13);
        near(r.b.mean, cases[i].mean_b, 1e-13);
        near(r.a.variance, cases[i].var_a, 1e-12);
        near(r.b.variance, cases[i].var_b, 1e-12);
        near(r.test.statistic, cases[i].t, 1e-11);
        near(r.test.df, cases[i].df, 1e-12);
        near(r.test.p_value, cases[i].p, 1e-11);
        near(r.test.interval.low, cases[i].interval.low, 1e-11);
        near(r.test.interval.high, cases[i].interval.high, 1e-11);
    }
    assert_int_equal(pt_winsorized_test(a, b, 0.9, 0.1, PT_TWO_SIDED, 0.95, &r, &err), PT_INVALID);
}

/* Promise: a rank test of equal values has no p; of a shifted sample the exact p is 1/C(n + m, n).
 */
static void rank_tests(void **state)
{
    (void)state;
    double low[] = {1, 2, 3, 4, 5};
    double high[] = {6, 7, 8, 9, 10};
    double same[] = {2, 2, 2};
    struct pt_rank_test test;
    struct pt_error err;

    PT_CHECK_OK(pt_mann_whitney((struct pt_values){low, 5}, (struct pt_values){high, 5}, PT_LARGER,
                                &test, &err),
                err);
    near(test.u_b, 25, 0);
    near(test.p_exact, 1.0 / 252, 1e-14);
    PT_CHECK_OK(pt_mann_whitney((struct pt_values){same, 3}, (struct pt_values){same, 2},
                                PT_TWO_SIDED, &test, &err),
                err);
    near(test.u_a, 3, 0);
    assert_true(isnan(test.p_corrected) && isnan(test.p_exact));
    assert_int_equal(pt_mann_whitney((struct pt_values){(double[]){1, NAN}, 2},
                                     (struct pt_values){same, 2}, PT_TWO_SIDED, &test, &err),
                     PT_INVALID);
    assert_string_equal(err.text, "a[1] is not a finite number");
}

/* Promise: any allocation may fail; nothing leaks, and the code says so. */
static void no_memory(void **state)
{
    (void)state;
    bool fired = true;

    for (unsigned nth = 1; fired; nth++) {
        struct pt_rank_test rank;
        struct pt_quantile_test quantile;
        struct pt_winsorized winsorized;
        struct pt_error err;
        enum pt_code codes[3];

        pt_mem_fail_after(nth);
        codes[0] = pt_mann_whitney(a, b, PT_TWO_SIDED, &rank, &err);
        codes[1] = pt_quantile_diff(a, b, 0.5, PT_TWO_SIDED, 0.95, &quantile, &err);
        codes[2] = pt_winsorized_test(a, b, 0, 0.9, PT_TWO_SIDED, 0.95, &winsorized, &err);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        assert_int_equal((codes[0] != 0) + (codes[1] != 0) + (codes[2] != 0), fired ? 1 : 0);
    }
}

static void undefined_means(void **state)
{
    (void)state;
    struct pt_sample good = {10, 1, 2};
    struct pt_sample bad[] = {{1, 1, 0},   {0, 0, 0},   {10, NAN, 1},
                              {10, 1, -1}, {NAN, 1, 1}, {10, INFINITY, 1}};
    struct pt_sample flat = {10, 1, 0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(isnan(pt_t_test(good, bad[i], false, PT_TWO_SIDED, 0.95).p_value));
        assert_true(isnan(pt_t_test(bad[i], good, true, PT_LARGER, 0.95).estimate));
        assert_true(isnan(pt_z_test_means(bad[i], good, PT_LARGER, 0.95).interval.low));
        assert_true(isnan(pt_mean_uplift(bad[i], good, 0.95).uplift));
        assert_true(isnan(pt_relative_test(good, bad[i], PT_LARGER, 0.95).se));
    }
    near(pt_t_test(flat, flat, false, PT_TWO_SIDED, 0.95).estimate, 0, 0);
    assert_true(isnan(pt_t_test(flat, flat, false, PT_TWO_SIDED, 0.95).p_value));
    assert_true(isnan(pt_relative_test((struct pt_sample){10, 0, 1}, good, PT_LARGER, 0.95).se));
    /* Means that overflow in the difference have no test. */
    assert_true(isnan(pt_t_test((struct pt_sample){9, 1e308, 1}, (struct pt_sample){9, -1e308, 1},
                                false, PT_TWO_SIDED, 0.95)
                          .p_value));
    struct pt_ratio_arm arm = {10, 1, 0, 1, 1, 0};

    assert_true(isnan(pt_ratio_metric(&arm, &arm, PT_TWO_SIDED, 0.95).ratio_a));
}

/*
 * Promise: CUPED with a constant covariate changes nothing; its relative form without adjustment is
 * the plain relative test; a ratio over a constant denominator is a mean, with CUPED too.
 */
static void cuped_identities(void **state)
{
    (void)state;
    struct pt_cuped_arm ca = {100, 10, 3, 4, 0, 0};
    struct pt_cuped_arm cb = {120, 10.5, 3, 5, 0, 0};
    struct pt_sample sa = {100, 10, 4};
    struct pt_sample sb = {120, 10.5, 5};
    struct pt_mean_test plain = pt_t_test(sa, sb, false, PT_TWO_SIDED, 0.95);
    struct pt_cuped cuped = pt_cuped(&ca, &cb, PT_THETA_TOTAL, PT_TWO_SIDED, 0.95);
    struct pt_mean_test relative = pt_relative_test(sa, sb, PT_TWO_SIDED, 0.95);
    struct pt_mean_test adjusted = pt_cuped_relative(&ca, &cb, PT_THETA_WITHIN, PT_TWO_SIDED, 0.95);

    near(cuped.theta, 0, 0);
    near(cuped.test.p_value, plain.p_value, 1e-14);
    near(cuped.variance_reduction, 0, 0);
    near(adjusted.se, relative.se, 1e-13);
    near(adjusted.p_value, relative.p_value, 1e-12);

    ca.var_x = 2;
    ca.cov = 1.5;
    cb.var_x = 2.5;
    cb.cov = 2;
    cb.mean_x = 3.1;
    /* m = y, d = 1, m0 = x, d0 = 1: theta by the sum of the covariances, as gbstats has it. */
    struct pt_ratio_cuped_arm ra = {100, {10, 1, 3, 1}, {{4, 0, 1.5, 0}, {0}, {1.5, 0, 2, 0}, {0}}};
    struct pt_ratio_cuped_arm rb = {
        120, {10.5, 1, 3.1, 1}, {{5, 0, 2, 0}, {0}, {2, 0, 2.5, 0}, {0}}};
    struct pt_ratio_cuped ratio = pt_ratio_cuped(&ra, &rb, NAN, PT_TWO_SIDED, 0.95);

    near(ratio.theta, 3.5 / 4.5, 1e-14);
    near(ratio.difference.estimate, 0.5 - ratio.theta * 0.1, 1e-13);
    double var_a = (4 - 2 * ratio.theta * 1.5 + ratio.theta * ratio.theta * 2) / 100;
    double var_b = (5 - 2 * ratio.theta * 2 + ratio.theta * ratio.theta * 2.5) / 120;

    near(ratio.difference.se, sqrt(var_a + var_b), 1e-13);
    /* Relative: d/da of (B - A)/a with cov(A, a) = (var_y - theta cov)/n. */
    double g = ratio.difference.estimate / 10;
    double wanted = var_b + var_a + 2 * g * (4 - ratio.theta * 1.5) / 100 + g * g * 4 / 100;

    near(ratio.relative.se, sqrt(wanted) / 10, 1e-13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantile_differences),
        cmocka_unit_test(quantiles_from_limits),
        cmocka_unit_test(winsorised_means),
        cmocka_unit_test(rank_tests),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(undefined_means),
        cmocka_unit_test(cuped_identities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
