/*
 * test_bayes.c - Gamma-Poisson, hurdle revenue, the best of several
 *
 * Promise: what quadrature in 30 digits (mpmath) or on a 400 x 400 grid (NumPy) gives; P(best) sums
 * to one; senseless posteriors give NaN or say what is wrong.
 */
#include "near.h"

#include "stats/stats.h"

static void gamma_poisson(void **state)
{
    (void)state;
    static const struct {
        struct pt_rate a, b;
        double prob, loss_a, loss_b;
        struct pt_interval difference, uplift;
    } cases[] = {
        {{100, 1000},
         {120, 1000},
         0.9108092146858887,
         0.02059461742949363,
         0.0006145974494736485,
         {-0.009135821643074555, 0.04926644173158649},
         {-0.07926342315005652, 0.5638052835861347}},
        {{2, 10},
         {8, 14},
         0.908928164386021,
         0.3392902675234882,
         0.01201754025076093,
         {-0.1737692022709093, 0.8425982330197448},
         {-0.3169643439910006, 10.44469600314163}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_gamma_comparison c = pt_gamma_poisson(cases[i].a, cases[i].b, 1, 1, 0.95);

        near(c.prob_b_gt_a, cases[i].prob, 1e-12);
        near(c.prob_a_gt_b, 1 - cases[i].prob, 1e-11);
        near(c.expected_loss_a, cases[i].loss_a, 1e-11);
        near(c.expected_loss_b, cases[i].loss_b, 1e-11);
        near(c.intervals.difference.low, cases[i].difference.low, 1e-9);
        near(c.intervals.difference.high, cases[i].difference.high, 1e-9);
        near(c.intervals.uplift.low, cases[i].uplift.low, 1e-9);
        near(c.intervals.uplift.high, cases[i].uplift.high, 1e-9);
    }
    assert_true(isnan(
        pt_gamma_poisson((struct pt_rate){-1, 1}, (struct pt_rate){1, 1}, 1, 1, 0.95).prob_b_gt_a));
    assert_true(isnan(
        pt_gamma_poisson((struct pt_rate){1, 1}, (struct pt_rate){1, 1}, 0, 1, 0.95).prob_b_gt_a));
}

static void hurdle(void **state)
{
    (void)state;
    static const struct {
        struct pt_hurdle_arm arms[2];
        double prob, loss_a, loss_b;
        struct pt_interval difference;
    } cases[] = {
        {{{1000, 30, 5, 20}, {1000, 35, 5.5, 25}},
         0.7717613432881786,
         0.05051949922380893,
         0.007605327567122284,
         {-0.07002176340118861, 0.15983693741200086}},
        {{{200000, 4000, 12.5, 900}, {200000, 4150, 12.9, 1000}},
         0.8801619702599,
         0.01856258109481,
         0.00088575786304084,
         {-0.01178335641981965, 0.047164218999084066}},
    };
    struct pt_hurdle_prior flat = {1, 1, NAN, NAN};
    struct pt_hurdle_result r[2];
    struct pt_interval difference;
    double expected_max = NAN;
    struct pt_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK_OK(
            pt_hurdle_compare(cases[i].arms, 2, &flat, 0.95, r, &difference, &expected_max, &err),
            err);
        near(r[1].prob_best, cases[i].prob, 1e-10);
        near(r[0].prob_best + r[1].prob_best, 1, 1e-12);
        near(r[0].expected_loss, cases[i].loss_a, 1e-10);
        near(r[1].expected_loss, cases[i].loss_b, 1e-9);
        near(difference.low, cases[i].difference.low, 1e-7);
        near(difference.high, cases[i].difference.high, 1e-7);
        near(r[0].expected_loss - r[1].expected_loss, r[1].mean - r[0].mean, 1e-9);
        /* Independent p and m: E = E[p] E[m], and the variance of a product. */
        const struct pt_hurdle_arm *arm = &cases[i].arms[0];
        double a = 1 + arm->payers;
        double b = 1 + arm->users - arm->payers;
        double p = a / (a + b);
        double vp = p * (1 - p) / (a + b + 1);
        double vm = arm->amount_var / arm->payers;

        near(r[0].mean, p * arm->amount_mean, 1e-12);
        near(r[0].sd * r[0].sd, vp * vm + vp * arm->amount_mean * arm->amount_mean + p * p * vm,
             1e-11);
    }
    /* Nobody paid: there is no amount to speak of, unless a prior speaks. */
    struct pt_hurdle_arm nobody[] = {{1000, 0, 0, 0}, {1000, 35, 5.5, 25}};
    struct pt_hurdle_prior informed = {1, 99, 5, 1};

    assert_int_equal(pt_hurdle_compare(nobody, 2, &flat, 0.95, r, &difference, &expected_max, &err),
                     PT_INVALID);
    assert_non_null(strstr(err.text, "arm 0: at least 2 payers"));
    PT_CHECK_OK(pt_hurdle_compare(nobody, 2, &informed, 0.95, r, &difference, &expected_max, &err),
                err);
    assert_true(r[1].prob_best > 0.99);
    nobody[0].payers = 1001;
    assert_int_equal(pt_hurdle_compare(nobody, 2, &flat, 0.95, r, NULL, &expected_max, &err),
                     PT_INVALID);
    assert_int_equal(pt_hurdle_compare(nobody, 1, &flat, 0.95, r, NULL, &expected_max, &err),
                     PT_INVALID);
}

/* Promise: equal arms share the probability; a dominated arm keeps its digits; sixteen arms end. */
static void best_of_several(void **state)
{
    (void)state;
    struct pt_posterior arms[PT_BAYES_ARMS_MAX];
    double prob[PT_BAYES_ARMS_MAX];
    double loss[PT_BAYES_ARMS_MAX];
    double expected_max = NAN;

    for (int kind = PT_POSTERIOR_BETA; kind <= PT_POSTERIOR_GAMMA; kind++) {
        double sum = 0;

        for (size_t i = 0; i < PT_BAYES_ARMS_MAX; i++) {
            arms[i] = (struct pt_posterior){(enum pt_posterior_kind)kind, 40, 60};
        }
        assert_true(pt_best_of(arms, PT_BAYES_ARMS_MAX, prob, loss, &expected_max));
        for (size_t i = 0; i < PT_BAYES_ARMS_MAX; i++) {
            near(prob[i], 1.0 / PT_BAYES_ARMS_MAX, 1e-10);
            sum += prob[i];
        }
        near(sum, 1, 1e-11);
        arms[1].b = 0;
        assert_false(pt_best_of(arms, 3, prob, loss, &expected_max));
        assert_true(isnan(prob[0]) && isnan(loss[2]) && isnan(expected_max));
    }
    /* Two normals in closed form, twelve sd apart. */
    arms[0] = (struct pt_posterior){PT_POSTERIOR_NORMAL, 0, 0.5};
    arms[1] = (struct pt_posterior){PT_POSTERIOR_NORMAL, 12, 0.5};
    assert_true(pt_best_of(arms, 2, prob, loss, &expected_max));
    struct pt_normal_comparison c = pt_normal_compare(0, 0.5, 12, 0.5, 0.95);

    near(prob[0], 1.776482112077679e-33, 1e-10);
    near(loss[1], c.expected_loss_b, 1e-9);
    near(expected_max, 12, 1e-15);
    arms[1].kind = PT_POSTERIOR_GAMMA;
    assert_false(pt_best_of(arms, 2, prob, loss, &expected_max)); /* of different kinds */
}

static void normals(void **state)
{
    (void)state;
    /* A sharp prior and no data to speak of, and the other way round. */
    struct pt_normal_posterior post = pt_normal_update(2, 1e-12, 9, 4, 0.95);

    near(post.mean, 2, 1e-11);
    post = pt_normal_update(2, 1e12, 9, 4, 0.95);
    near(post.mean, 9, 1e-11);
    near(post.variance, 4, 1e-11);
    assert_true(isnan(pt_normal_update(2, 0, 9, 4, 0.95).mean));
    assert_true(isnan(pt_normal_update(NAN, 1, 9, 4, 0.95).mean));
    assert_true(isnan(pt_normal_update(NAN, NAN, 9, 0, 0.95).mean));
    /* E[max(x, 0)] far in the tail: phi(z)/z^2 to first order, 30 digits by mpmath. */
    near(pt_normal_update(NAN, NAN, -10, 1, 0.95).expected_loss_zero, 7.474560254589328e-25, 1e-11);
    assert_true(isnan(pt_normal_compare(1, 0, 1, 0, 0.95).prob_b_gt_a));
    near(pt_normal_compare(1, 0, 2, 1, 0.95).sd, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gamma_poisson),
        cmocka_unit_test(hurdle),
        cmocka_unit_test(best_of_several),
        cmocka_unit_test(normals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
