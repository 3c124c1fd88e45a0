/*
 * stats_bayes.c - `playtrace stats`: posteriors, the best arm, expected losses
 */
#include "cmd/stats_call.h"

#include <math.h>

static void put_beta(struct stats_call *call, const struct pt_beta_comparison *c)
{
    stats_put_numbers(call, "post_a", (double[]){c->a.alpha, c->a.beta}, 2);
    stats_put_numbers(call, "post_b", (double[]){c->b.alpha, c->b.beta}, 2);
    stats_put(call, "mean_a", c->a.mean);
    stats_put(call, "mean_b", c->b.mean);
    stats_put_interval(call, "ci_a", c->a.interval);
    stats_put_interval(call, "ci_b", c->b.interval);
    stats_put(call, "prob_b_gt_a", c->prob_b_gt_a);
    stats_put(call, "prob_a_gt_b", c->prob_a_gt_b);
    stats_put(call, "expected_loss_a", c->expected_loss_a);
    stats_put(call, "expected_loss_b", c->expected_loss_b);
    stats_put(call, "mean_diff", c->mean_difference);
    stats_put(call, "sd_diff", c->sd_difference);
}

/* Beta and Gamma priors flatter than this have tails that quadrature does not reach the end of. */
static double shape_of(struct stats_call *call, const char *name)
{
    double value = stats_positive_or(call, name, 1);

    if (value < 0.1 || value > 1e15) {
        stats_fail(call, "%s: %.17g is not from 0.1 to 1e15", name, value);
    }
    return value;
}

static void beta_binomial(struct stats_call *call)
{
    double prior_a = shape_of(call, "prior_a");
    double prior_b = shape_of(call, "prior_b");
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_beta_comparison c = pt_beta_binomial(a, b, prior_a, prior_b, level);

        put_beta(call, &c);
    }
}

static void beta_diff_ci(struct stats_call *call)
{
    double prior_a = shape_of(call, "prior_a");
    double prior_b = shape_of(call, "prior_b");
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_posterior of_a = {PT_POSTERIOR_BETA, prior_a + a.successes,
                                    prior_b + (a.size - a.successes)};
        struct pt_posterior of_b = {PT_POSTERIOR_BETA, prior_a + b.successes,
                                    prior_b + (b.size - b.successes)};
        struct pt_posterior_intervals r = pt_posterior_diff(of_a, of_b, level);

        stats_put_interval(call, "diff_ci", r.difference);
        stats_put_interval(call, "uplift_ci", r.uplift);
    }
}

static void best_of(struct stats_call *call, enum pt_posterior_kind kind)
{
    struct pt_posterior arms[PT_BAYES_ARMS_MAX];
    double prob[PT_BAYES_ARMS_MAX];
    double loss[PT_BAYES_ARMS_MAX];
    double expected_max = NAN;
    size_t count = 0;
    const double *rows = stats_rows(call, "arms", 2, 2, PT_BAYES_ARMS_MAX, &count);

    for (size_t i = 0; i < count; i++) {
        bool is_normal = kind == PT_POSTERIOR_NORMAL;

        arms[i] = (struct pt_posterior){kind, rows[2 * i], rows[2 * i + 1]};
        if (!(arms[i].b > 0) || (!is_normal && !(arms[i].a >= 0.1 && arms[i].a <= 1e16)) ||
            (kind == PT_POSTERIOR_BETA && !(arms[i].b >= 0.1 && arms[i].b <= 1e16))) {
            stats_fail(call, "arms[%zu]: [%.17g, %.17g] is not %s", i, arms[i].a, arms[i].b,
                       is_normal                   ? "[mean, variance above 0]"
                       : kind == PT_POSTERIOR_BETA ? "[a, b] from 0.1 to 1e16"
                                                   : "[shape from 0.1 to 1e16, rate above 0]");
        }
    }
    if (stats_ready(call)) {
        (void)pt_best_of(arms, count, prob, loss, &expected_max);
        stats_put_numbers(call, "prob_best", prob, count);
        stats_put_numbers(call, "expected_loss", loss, count);
        stats_put(call, "expected_max", expected_max);
    }
}

static void beta_best_of(struct stats_call *call)
{
    best_of(call, PT_POSTERIOR_BETA);
}

static void normal_best_of(struct stats_call *call)
{
    best_of(call, PT_POSTERIOR_NORMAL);
}

static void gamma_best_of(struct stats_call *call)
{
    best_of(call, PT_POSTERIOR_GAMMA);
}

static void normal_posterior(struct stats_call *call)
{
    double prior_mean = stats_optional(call, "prior_mean");
    double prior_var = stats_optional(call, "prior_var");
    double n = stats_count(call, "n");
    double mean = stats_number(call, "mean");
    double variance = stats_not_negative(call, "var");
    double level = stats_level(call);

    if (isnan(prior_mean) != isnan(prior_var)) {
        stats_fail(call, "prior_mean and prior_var: both, or neither for a flat prior");
    }
    if (prior_var <= 0) {
        stats_fail(call, "prior_var: %.17g is not above 0", prior_var);
    }
    if (stats_ready(call)) {
        struct pt_normal_posterior post =
            pt_normal_update(prior_mean, prior_var, mean, variance / n, level);

        stats_put(call, "post_mean", post.mean);
        stats_put(call, "post_var", post.variance);
        stats_put_ends(call, post.interval);
        stats_put(call, "prob_gt_zero", post.prob_gt_zero);
        stats_put(call, "expected_loss_zero", post.expected_loss_zero);
        stats_put(call, "expected_loss_own", post.expected_loss_own);
    }
}

static void normal_compare(struct stats_call *call)
{
    double mean_a = stats_number(call, "mean_a");
    double var_a = stats_not_negative(call, "var_mean_a");
    double mean_b = stats_number(call, "mean_b");
    double var_b = stats_not_negative(call, "var_mean_b");
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_normal_comparison c = pt_normal_compare(mean_a, var_a, mean_b, var_b, level);

        stats_put(call, "diff", c.difference);
        stats_put(call, "sd_diff", c.sd);
        stats_put(call, "prob_b_gt_a", c.prob_b_gt_a);
        stats_put(call, "expected_loss_a", c.expected_loss_a);
        stats_put(call, "expected_loss_b", c.expected_loss_b);
        stats_put_ends(call, c.interval);
    }
}

static void gamma_poisson(struct stats_call *call)
{
    double shape = shape_of(call, "prior_shape");
    double rate = stats_positive_or(call, "prior_rate", 1);
    struct pt_rate a;
    struct pt_rate b;

    a.sum = stats_count(call, "sum_a");
    a.exposure = stats_not_negative(call, "exposure_a");
    b.sum = stats_count(call, "sum_b");
    b.exposure = stats_not_negative(call, "exposure_b");
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_gamma_comparison c = pt_gamma_poisson(a, b, shape, rate, level);

        stats_put_numbers(call, "post_a", (double[]){c.a.shape, c.a.rate}, 2);
        stats_put_numbers(call, "post_b", (double[]){c.b.shape, c.b.rate}, 2);
        stats_put(call, "mean_a", c.a.mean);
        stats_put(call, "mean_b", c.b.mean);
        stats_put_interval(call, "ci_a", c.a.interval);
        stats_put_interval(call, "ci_b", c.b.interval);
        stats_put(call, "prob_b_gt_a", c.prob_b_gt_a);
        stats_put(call, "prob_a_gt_b", c.prob_a_gt_b);
        stats_put(call, "expected_loss_a", c.expected_loss_a);
        stats_put(call, "expected_loss_b", c.expected_loss_b);
        stats_put(call, "mean_diff", c.mean_difference);
        stats_put(call, "sd_diff", c.sd_difference);
        stats_put_interval(call, "diff_ci", c.intervals.difference);
        stats_put_interval(call, "uplift_ci", c.intervals.uplift);
    }
}

/* arms: [users, payers, mean amount of a payer, its variance over payers]. */
static void hurdle_revenue(struct stats_call *call)
{
    struct pt_hurdle_prior prior;
    struct pt_hurdle_arm arms[PT_BAYES_ARMS_MAX];
    struct pt_hurdle_result results[PT_BAYES_ARMS_MAX];
    struct pt_interval difference;
    double columns[4][PT_BAYES_ARMS_MAX];
    double expected_max = NAN;
    size_t count = 0;
    const double *rows = stats_rows(call, "arms", 4, 2, PT_BAYES_ARMS_MAX, &count);

    prior.a = shape_of(call, "prior_a");
    prior.b = shape_of(call, "prior_b");
    prior.amount_mean = stats_optional(call, "prior_amount_mean");
    prior.amount_var = stats_optional(call, "prior_amount_var");
    double level = stats_level(call);

    if (isnan(prior.amount_mean) != isnan(prior.amount_var)) {
        stats_fail(call, "prior_amount_mean and prior_amount_var: both, or neither");
    }
    for (size_t i = 0; i < count; i++) {
        arms[i] =
            (struct pt_hurdle_arm){rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], rows[4 * i + 3]};
    }
    if (!stats_ready(call) ||
        !stats_ok(call, pt_hurdle_compare(arms, count, &prior, level, results, &difference,
                                          &expected_max, &call->err))) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        columns[0][i] = results[i].mean;
        columns[1][i] = results[i].sd;
        columns[2][i] = results[i].prob_best;
        columns[3][i] = results[i].expected_loss;
    }
    stats_put_numbers(call, "mean", columns[0], count);
    stats_put_numbers(call, "sd", columns[1], count);
    pt_jsonw_key(call->w, "ci");
    pt_jsonw_array(call->w);
    for (size_t i = 0; i < count; i++) {
        pt_jsonw_array(call->w);
        stats_put_value(call->w, results[i].interval.low);
        stats_put_value(call->w, results[i].interval.high);
        pt_jsonw_array_end(call->w);
    }
    pt_jsonw_array_end(call->w);
    stats_put_numbers(call, "prob_best", columns[2], count);
    stats_put_numbers(call, "expected_loss", columns[3], count);
    stats_put(call, "expected_max", expected_max);
    stats_put_interval(call, "diff_ci", difference); /* of the second arm less the first */
}

const struct stats_function stats_bayes_functions[] = {
    {"beta_binomial", beta_binomial},   {"beta_diff_ci", beta_diff_ci},
    {"beta_best_of", beta_best_of},     {"normal_posterior", normal_posterior},
    {"normal_compare", normal_compare}, {"normal_best_of", normal_best_of},
    {"gamma_poisson", gamma_poisson},   {"gamma_best_of", gamma_best_of},
    {"hurdle_revenue", hurdle_revenue}, {NULL, NULL},
};
