/*
 * test_stats.c - special functions, proportions, Beta-Binomial arms: known values and closed forms
 *
 * Promise: far tails keep their digits, closed forms come out, and nonsense gives NaN. Method:
 * values of arbitrary-precision arithmetic, and identities. (tests/e2e/stats_golden.test.mjs holds
 * every function to the shared reference values.)
 */
#include "near.h"

#include "stats/special.h"
#include "stats/stats.h"

/* Promise: known values of the special functions, far tails included. */
static void known_special_values(void **state)
{
    (void)state;
    near(pt_norm_cdf(1.4142135623730951), 0.9213503964748575, 1e-14);
    near(pt_norm_sf(1.4142135623730951), 0.07864960352514255, 1e-14);
    near(pt_norm_quantile(0.975), 1.9599639845400538, 1e-14);
    near(pt_norm_quantile_upper(1e-300), 37.0470962993612, 1e-13);
    near(pt_chi2_sf(6.903104852033175, 1), erfc(sqrt(6.903104852033175 / 2)), 1e-13);
    near(pt_beta_cdf(0.44819023757326293, 20035, 24667), 0.5001310516532375, 1e-11);
    near(pt_beta_quantile(0.975, 50, 50), 0.5973020834099424, 1e-13);
    near(pt_norm_log_sf(1e8), -5000000000000019.0, 1e-12);
    near(pt_t_sf(1e6, 3), 1.1026577908396145e-18, 1e-11);
    near(pt_t_quantile_upper(1e-250, 1), 1 / (acos(-1.0) * 1e-250), 1e-13);
    near(pt_f_sf(4, 1, 9), 2 * pt_t_sf(2, 9), 1e-13);
    near(pt_lbeta(2, 1e10), -46.051701859980916, 1e-14);
    near(pt_lbeta(1e8, 1e8), -138629444.0568173, 1e-14);
    near(pt_nct_cdf(0, 10, 1.5), pt_norm_cdf(-1.5), 1e-11);
    near(pt_nct_sf(2, 7, 0), pt_t_sf(2, 7), 1e-11);
    near(pt_gamma_q(3, 11.6603), 0.0006959133664650983, 1e-11);
    assert_true(isinf(pt_norm_quantile_upper(0)) && isnan(pt_norm_quantile(1.5)));
    assert_true(isnan(pt_chi2_sf(1, -1)) && isnan(pt_beta_cdf(0.5, 0, 1)));
}

/* Promise: the published readout of Cookie Cats. */
static void known_cookie_cats(void **state)
{
    (void)state;
    struct pt_proportion day1_a = {20034, 44700};
    struct pt_proportion day1_b = {20119, 45489};
    struct pt_proportion day7_a = {8502, 44700};
    struct pt_proportion day7_b = {8279, 45489};

    near(pt_prop_ztest(day1_a, day1_b, true, PT_TWO_SIDED).p_value, 0.07440965529691887, 1e-12);
    near(pt_prop_ztest(day7_a, day7_b, true, PT_TWO_SIDED).p_value, 0.0015542499756142857, 1e-12);
    near(pt_prop_ztest(day1_a, day1_b, false, PT_TWO_SIDED).z, -1.784097271829765, 1e-12);
    struct pt_interval interval = pt_prop_diff_interval(day7_a, day7_b, 0.95, PT_DIFF_NEWCOMBE);

    near(interval.low, -0.01328194087191486, 1e-12);
    near(interval.high, -0.0031213026887613104, 1e-12);
    near(pt_prop_uplift(day1_a, day1_b, 0.95).uplift, -0.013175655859746602, 1e-12);
    struct pt_beta_comparison c = pt_beta_binomial(day7_a, day7_b, 1, 1, 0.95);

    near(c.prob_b_gt_a, 0.0007773386645762117, 1e-10);
    near(c.expected_loss_a, 5.478131606408117e-07, 1e-10);
    near(c.expected_loss_b, 0.008201725960211004, 1e-10);
    near(c.prob_a_gt_b + c.prob_b_gt_a, 1, 1e-12);
    struct pt_srm srm = pt_srm_test((double[]){44700, 45489}, (double[]){1, 1}, 2, NULL);

    near(srm.chi2, 789.0 * 789.0 / 90189.0, 1e-13);
    near(srm.p_value, 0.0086, 0.01);
}

/* Promise: Bayesian results where a closed form exists, from empty arms to a million units. */
static void bayes_closed_forms(void **state)
{
    (void)state;
    struct pt_proportion none = {0, 0};
    struct pt_beta_comparison c = pt_beta_binomial(none, none, 1, 1, 0.9);

    near(c.prob_b_gt_a, 0.5, 1e-12);         /* two uniform variables */
    near(c.expected_loss_a, 1.0 / 6, 1e-12); /* E[max(b - a, 0)] on the unit square */
    near(c.a.interval.low, 0.05, 1e-12);

    /* Against an empty arm under Beta(1, 1): P(B > A) = 1 - E[b'] with b uniform, that is E[b] of
     * the other. */
    struct pt_proportion big = {450000, 1000000};

    c = pt_beta_binomial(none, big, 1, 1, 0.95);
    near(c.prob_b_gt_a, c.b.mean, 1e-11);
    /* E[max(b - a, 0)] = E[b^2] / 2 for a uniform a. */
    double second = c.b.mean * (c.b.alpha + 1) / (c.b.alpha + c.b.beta + 1);
    near(c.expected_loss_a, second / 2, 1e-11);
    c = pt_beta_binomial(big, none, 1, 1, 0.95);
    near(c.prob_a_gt_b, c.a.mean, 1e-11);

    /* a ~ Beta(1, n + 1), b ~ Beta(n + 1, 1): P(a > b) = B(n + 1, n + 2) (n + 1), about 1e-59 for n
     * = 97. */
    struct pt_proportion all = {97, 97};
    struct pt_proportion nothing = {0, 97};

    c = pt_beta_binomial(nothing, all, 1, 1, 0.95);
    near(c.prob_a_gt_b, exp(lgamma(98.0) + lgamma(99.0) - lgamma(197.0) + log(98.0)), 1e-10);

    /* The flattest prior that is taken, nobody converted: symmetric, and the tails still end. */
    c = pt_beta_binomial(none, none, 0.1, 0.1, 0.95);
    near(c.prob_b_gt_a, 0.5, 1e-9);
    /* loss_a - loss_b is the difference of the means, whatever the widths. */
    for (double size = 10; size < 2e9; size *= 30) {
        struct pt_proportion narrow = {size / 5, size};
        struct pt_proportion wide = {3, 10};

        c = pt_beta_binomial(narrow, wide, 0.5, 0.5, 0.95);
        near(c.expected_loss_a - c.expected_loss_b, c.mean_difference, 1e-10);
        near(c.prob_a_gt_b + c.prob_b_gt_a, 1, 1e-10);
    }
}

/* Promise: senseless inputs give NaN in every field, not a number that looks like an answer. */
static void nonsense_gives_nan(void **state)
{
    (void)state;
    struct pt_proportion good = {5, 10};
    struct pt_proportion bad[] = {{11, 10}, {-1, 10}, {0, 0}, {NAN, 10}, {5, NAN}, {5, INFINITY}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(isnan(pt_prop_ztest(good, bad[i], true, PT_TWO_SIDED).p_value));
        assert_true(isnan(pt_prop_diff_interval(bad[i], good, 0.95, PT_DIFF_NEWCOMBE).low));
        assert_true(isnan(pt_prop_wilson(bad[i], 0.95).high));
        assert_true(isnan(pt_prop_uplift(good, bad[i], 0.95).uplift));
        assert_true(bad[i].size == 0 ||
                    isnan(pt_beta_binomial(good, bad[i], 1, 1, 0.95).prob_b_gt_a));
    }
    assert_true(isnan(pt_prop_wilson(good, 1).low) && isnan(pt_prop_wilson(good, 0).low));
    assert_true(isnan(pt_prop_uplift((struct pt_proportion){0, 9}, good, 0.95).uplift));
    assert_true(isnan(pt_beta_binomial(good, good, 0, 1, 0.95).prob_b_gt_a));
    assert_true(isnan(pt_srm_test((double[]){0, 0}, (double[]){1, 1}, 2, NULL).chi2));
    assert_true(isnan(pt_srm_test((double[]){5, 5}, (double[]){1, 0}, 2, NULL).p_value));
    assert_true(isnan(pt_srm_test((double[]){5, -5}, (double[]){1, 1}, 2, NULL).p_value));
    assert_true(isnan(pt_srm_test((double[]){5}, (double[]){1}, 1, NULL).p_value));
    assert_true(isnan(pt_prop_ztest((struct pt_proportion){0, 9}, (struct pt_proportion){0, 8},
                                    true, PT_TWO_SIDED)
                          .z));
}

static double cosine_less(const void *ctx, double x)
{
    return cos(x) - *(const double *)ctx;
}

static double gauss(const void *ctx, double x)
{
    (void)ctx;
    return exp(-x * x);
}

static double never_a_number(const void *ctx, double x)
{
    (void)ctx;
    (void)x;
    return NAN;
}

/* Promise: roots and integrals to their last digits, and an end where there is none. */
static void roots_and_integrals(void **state)
{
    (void)state;
    double half = 0.5;
    double marks[] = {-30, 0, 30};
    double points[PT_GAUSS_POINTS];
    double weights[PT_GAUSS_POINTS];
    double sum = 0;

    near(pt_root(cosine_less, &half, 0, 3), acos(0.5), 1e-15);
    assert_true(isnan(pt_root(cosine_less, &half, 2, 3))); /* one sign */
    assert_true(isnan(pt_root(cosine_less, &half, 0, INFINITY)));
    assert_true(isnan(pt_root(never_a_number, NULL, 0, 1)));
    near(pt_integrate(gauss, NULL, marks, 3, 1e-13), sqrt(acos(-1.0)), 1e-13);
    assert_true(isnan(pt_integrate(never_a_number, NULL, marks, 3, 1e-13)));
    pt_gauss_legendre(points, weights);
    for (size_t i = 0; i < PT_GAUSS_POINTS; i++) {
        sum += weights[i] * pow(points[i], 18); /* exact up to degree 19 */
    }
    near(sum, 2.0 / 19, 1e-14);
}

/*
 * Promise: shapes that no continued fraction gets through (10^12 and more) end at once, agree with
 * the ordinary ones where those end (2,000,000), and quantiles lead back, in tails of 1e-80 too.
 */
static void large_shapes(void **state)
{
    (void)state;
    static const double shapes[][2] = {{2.1e6, 5e6}, {1e9, 3e7}, {4e12, 6e12}, {3e6, 1e16}};
    static const double tails[] = {1e-80, 1e-9, 0.03, 0.5, 0.999};

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        double a = shapes[i][0];
        double b = shapes[i][1];

        for (size_t k = 0; k < sizeof(tails) / sizeof(tails[0]); k++) {
            double x = pt_beta_quantile(tails[k], a, b);
            double u = log(x) - log1p(-x);

            near(pt_logit_beta_cdf(u, a, b), tails[k], 1e-6); /* the rounding of u */
            near(pt_logit_beta_cdf(u, a, b) + pt_logit_beta_sf(u, a, b), 1, 1e-13);
            near(pt_gamma_q(a, pt_gamma_q_inverse(a, tails[k])), tails[k], 1e-7);
            near(pt_gamma_p(a, pt_gamma_p_inverse(a, tails[k])), tails[k], 1e-7);
        }
    }
    /* Both sides of the seam: symmetric, so exact in the middle, and continuous in the parameter.
     */
    near(pt_beta_cdf(0.5, 3e6, 3e6), 0.5, 1e-15);
    for (double z = -8; z <= 8; z += 2) {
        double x = 0.5 + z / sqrt(8 * 2e6);
        double below = log(pt_beta_sf(x, 2e6 - 1e-3, 2e6 - 1e-3));
        double above = log(pt_beta_sf(x, 2e6 + 1e-3, 2e6 + 1e-3));

        near_abs(above, below, 1e-7);
        x = 2e6 + z * sqrt(2e6);
        near_abs(log(pt_gamma_p(2e6 + 1e-6, x)), log(pt_gamma_p(2e6 - 1e-6, x)), 1e-7);
    }
    /* 40 digits by mpmath. */
    near(pt_gamma_q(1e9, 1e9 + 4 * sqrt(1e9)), 3.169240729133928e-05, 1e-11);
    assert_true(isnan(pt_beta_cdf(0.5, 1e300, 1)) && isnan(pt_f_quantile(0.5, 1e300, 1)));
    struct pt_beta_comparison c = pt_beta_binomial(
        (struct pt_proportion){4e12, 9e12}, (struct pt_proportion){7e10, 1.8e11}, 1, 1, 0.95);

    near(c.expected_loss_b - c.expected_loss_a, -c.mean_difference, 1e-9);
}

/* Promise: an integrand a millionth wide is integrated with the same few calls as one a unit wide.
 */
static long calls;

static double narrow(const void *ctx, double x)
{
    double z = (x - 3) / *(const double *)ctx;

    calls++;
    return exp(-0.5 * z * z);
}

static void narrow_integrands(void **state)
{
    (void)state;
    long wide_calls = 0;

    for (double sd = 1; sd > 1e-7; sd /= 100) {
        double marks[] = {3 - 12 * sd, 3, 3 + 12 * sd};

        calls = 0;
        near(pt_integrate(narrow, &sd, marks, 3, 1e-10), sd * sqrt(2 * acos(-1.0)), 1e-9);
        wide_calls = sd == 1 ? calls : wide_calls;
        assert_int_equal(calls, wide_calls);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_special_values), cmocka_unit_test(roots_and_integrals),
        cmocka_unit_test(known_cookie_cats),    cmocka_unit_test(bayes_closed_forms),
        cmocka_unit_test(nonsense_gives_nan),   cmocka_unit_test(large_shapes),
        cmocka_unit_test(narrow_integrands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
