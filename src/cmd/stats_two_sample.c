/*
 * stats_two_sample.c - `playtrace stats`: tests and intervals from counts and sufficient statistics
 */
#include "cmd/stats_call.h"

#include <math.h>

/* ---- proportions ---- */

static void prop_ztest(struct stats_call *call)
{
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    bool is_pooled = stats_bool(call, "pooled", true);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        struct pt_prop_test test = pt_prop_ztest(a, b, is_pooled, alternative);

        stats_put(call, "diff", test.difference);
        stats_put(call, "se", test.se);
        stats_put(call, "z", test.z);
        stats_put(call, "p_value", test.p_value);
    }
}

static void prop_diff_ci(struct stats_call *call)
{
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    double level = stats_level(call);

    if (stats_ready(call)) {
        stats_put(call, "diff", b.successes / b.size - a.successes / a.size);
        stats_put_interval(call, "wald", pt_prop_diff_interval(a, b, level, PT_DIFF_WALD));
        stats_put_interval(call, "newcombe", pt_prop_diff_interval(a, b, level, PT_DIFF_NEWCOMBE));
        stats_put_interval(call, "agresti_caffo",
                           pt_prop_diff_interval(a, b, level, PT_DIFF_AGRESTI_CAFFO));
    }
}

static void prop_ci(struct stats_call *call)
{
    struct pt_proportion arm = stats_proportion(call, "x", "n");
    double level = stats_level(call);

    if (stats_ready(call)) {
        stats_put_interval(call, "wilson", pt_prop_wilson(arm, level));
        stats_put_interval(call, "clopper_pearson", pt_prop_clopper_pearson(arm, level));
        stats_put_interval(call, "wald", pt_prop_wald(arm, level));
        stats_put_interval(call, "agresti_coull", pt_prop_agresti_coull(arm, level));
        stats_put_interval(call, "jeffreys", pt_prop_jeffreys(arm, level));
    }
}

static void put_uplift(struct stats_call *call, const struct pt_uplift *uplift)
{
    stats_put(call, "uplift", uplift->uplift);
    stats_put(call, "se", uplift->se);
    stats_put_interval(call, "delta_ci", uplift->interval);
    stats_put(call, "se_log_ratio", uplift->se_log_ratio);
    stats_put_interval(call, "log_delta_ci", uplift->log_interval);
}

static void uplift_prop(struct stats_call *call)
{
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_uplift uplift = pt_prop_uplift(a, b, level);

        put_uplift(call, &uplift);
    }
}

static void put_chi2(struct stats_call *call, const struct pt_srm *test)
{
    stats_put(call, "df", test->df);
    stats_put(call, "chi2", test->chi2);
    stats_put(call, "p_value", test->p_value);
    stats_put(call, "g", test->g);
    stats_put(call, "g_p_value", test->g_p_value);
}

static void srm_test(struct stats_call *call)
{
    size_t count = 0;
    size_t weight_count = 0;
    const double *observed = stats_numbers(call, "observed", STATS_FINITE, 2, 1000, false, &count);
    const double *weights =
        stats_numbers(call, "weights", STATS_FINITE, 2, 1000, false, &weight_count);
    double *expected = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!(observed[i] >= 0) || floor(observed[i]) != observed[i]) {
            stats_fail(call, "observed[%zu]: %.17g is not a whole number from 0 up", i,
                       observed[i]);
        }
    }
    for (size_t i = 0; i < weight_count; i++) {
        if (!(weights[i] > 0)) {
            stats_fail(call, "weights[%zu]: %.17g is not above 0", i, weights[i]);
        }
    }
    if (count != weight_count) {
        stats_fail(call, "weights: %zu of them for %zu arms", weight_count, count);
    }
    if (stats_ready(call) && (expected = stats_room(call, count)) != NULL) {
        struct pt_srm test = pt_srm_test(observed, weights, count, expected);

        put_chi2(call, &test);
        stats_put_numbers(call, "expected_counts", expected, count);
    }
}

static void chi2_independence(struct stats_call *call)
{
    size_t count = 0;
    size_t total_count = 0;
    const double *successes =
        stats_numbers(call, "successes", STATS_FINITE, 2, 1000, false, &count);
    const double *totals =
        stats_numbers(call, "totals", STATS_FINITE, 2, 1000, false, &total_count);
    bool is_yates = stats_bool(call, "yates", false);
    struct pt_proportion *arms = NULL;

    if (count != total_count) {
        stats_fail(call, "totals: %zu of them for %zu arms", total_count, count);
    }
    if (is_yates && count != 2) {
        stats_fail(call, "yates: the correction is for two arms, and there are %zu", count);
    }
    for (size_t i = 0; i < count && i < total_count; i++) {
        if (!(successes[i] >= 0) || !(successes[i] <= totals[i])) {
            stats_fail(call, "successes[%zu]: %.17g is not from 0 to totals[%zu], which is %.17g",
                       i, successes[i], i, totals[i]);
        }
    }
    if (!stats_ready(call)) {
        return;
    }
    arms = pt_arena_alloc(call->arena, count * sizeof(*arms));
    if (!arms) {
        stats_fail(call, "there is no memory for %zu arms", count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        arms[i] = (struct pt_proportion){successes[i], totals[i]};
    }
    struct pt_srm test = pt_chi2_independence(arms, count, is_yates);

    put_chi2(call, &test);
}

static void fisher_exact(struct stats_call *call)
{
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    enum pt_alternative alternative = stats_alternative(call);

    if (a.size + b.size > PT_FISHER_UNITS_MAX) {
        stats_fail(call, "n_a + n_b: %.17g units are more than %g; chi2_independence says the same",
                   a.size + b.size, PT_FISHER_UNITS_MAX);
    }
    if (stats_ready(call)) {
        struct pt_fisher test = pt_fisher_exact(a, b, alternative);

        stats_put(call, "p_value", test.p_value);
        stats_put(call, "odds_ratio", test.odds_ratio);
    }
}

/* ---- means ---- */

static void put_mean_test(struct stats_call *call, const struct pt_mean_test *test,
                          const char *estimate, const char *statistic)
{
    stats_put(call, estimate, test->estimate);
    stats_put(call, "se", test->se);
    stats_put(call, statistic, test->statistic);
    if (!isinf(test->df)) {
        stats_put(call, "df", test->df);
    }
    stats_put(call, "p_value", test->p_value);
    stats_put_ends(call, test->interval);
}

static void t_test(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    bool is_equal = stats_bool(call, "equal_var", false);
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_mean_test test = pt_t_test(a, b, is_equal, alternative, level);

        put_mean_test(call, &test, "diff", "t");
    }
}

static void z_test_means(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_mean_test test = pt_z_test_means(a, b, alternative, level);

        put_mean_test(call, &test, "diff", "z");
    }
}

static void relative_test(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_mean_test test = pt_relative_test(a, b, alternative, level);

        put_mean_test(call, &test, "uplift", "t");
    }
}

static void uplift_mean(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_uplift uplift = pt_mean_uplift(a, b, level);

        put_uplift(call, &uplift);
    }
}

static struct pt_ratio_arm ratio_arm(struct stats_call *call, bool is_b)
{
    struct pt_ratio_arm arm;

    arm.size = stats_count(call, is_b ? "n_b" : "n_a");
    arm.mean_num = stats_number(call, is_b ? "mean_num_b" : "mean_num_a");
    arm.mean_den = stats_number(call, is_b ? "mean_den_b" : "mean_den_a");
    arm.var_num = stats_not_negative(call, is_b ? "var_num_b" : "var_num_a");
    arm.var_den = stats_not_negative(call, is_b ? "var_den_b" : "var_den_a");
    arm.cov = stats_number(call, is_b ? "cov_b" : "cov_a");
    return arm;
}

static void ratio_metric(struct stats_call *call)
{
    struct pt_ratio_arm a = ratio_arm(call, false);
    struct pt_ratio_arm b = ratio_arm(call, true);
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_ratio_test test = pt_ratio_metric(&a, &b, alternative, level);

        stats_put(call, "ratio_a", test.ratio_a);
        stats_put(call, "ratio_b", test.ratio_b);
        stats_put(call, "se_a", test.se_a);
        stats_put(call, "se_b", test.se_b);
        put_mean_test(call, &test.difference, "diff", "z");
        stats_put(call, "uplift", test.uplift);
        stats_put(call, "uplift_se", test.uplift_se);
    }
}

/* ---- CUPED ---- */

static const char *const theta_methods[] = {"within", "total", NULL};

static struct pt_cuped_arm cuped_arm(struct stats_call *call, bool is_b)
{
    struct pt_cuped_arm arm;

    arm.size = stats_count(call, is_b ? "n_b" : "n_a");
    arm.mean_y = stats_number(call, is_b ? "mean_y_b" : "mean_y_a");
    arm.mean_x = stats_number(call, is_b ? "mean_x_b" : "mean_x_a");
    arm.var_y = stats_not_negative(call, is_b ? "var_y_b" : "var_y_a");
    arm.var_x = stats_not_negative(call, is_b ? "var_x_b" : "var_x_a");
    arm.cov = stats_number(call, is_b ? "cov_b" : "cov_a");
    return arm;
}

static void cuped(struct stats_call *call)
{
    struct pt_cuped_arm a = cuped_arm(call, false);
    struct pt_cuped_arm b = cuped_arm(call, true);
    int method = stats_choice(call, "theta_method", theta_methods, PT_THETA_WITHIN);
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_cuped r = pt_cuped(&a, &b, (enum pt_theta_method)method, alternative, level);

        stats_put(call, "theta", r.theta);
        stats_put(call, "adj_mean_a", r.a.mean);
        stats_put(call, "adj_mean_b", r.b.mean);
        stats_put(call, "adj_var_a", r.a.variance);
        stats_put(call, "adj_var_b", r.b.variance);
        put_mean_test(call, &r.test, "diff", "t");
        stats_put(call, "p_value_z", r.p_value_z);
        stats_put(call, "unadjusted_diff", r.unadjusted_difference);
        stats_put(call, "unadjusted_se", r.unadjusted_se);
        stats_put(call, "variance_reduction", r.variance_reduction);
    }
}

static void cuped_relative(struct stats_call *call)
{
    struct pt_cuped_arm a = cuped_arm(call, false);
    struct pt_cuped_arm b = cuped_arm(call, true);
    int method = stats_choice(call, "theta_method", theta_methods, PT_THETA_WITHIN);
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_mean_test test =
            pt_cuped_relative(&a, &b, (enum pt_theta_method)method, alternative, level);

        put_mean_test(call, &test, "uplift", "t");
    }
}

/* means_SUFFIX: [m, d, m0, d0], covs_SUFFIX: four rows of four. */
static bool ratio_cuped_arm(struct stats_call *call, bool is_b, struct pt_ratio_cuped_arm *arm)
{
    size_t count = 0;
    size_t rows = 0;

    arm->size = stats_count(call, is_b ? "n_b" : "n_a");
    const double *means = stats_numbers(call, is_b ? "means_b" : "means_a", STATS_FINITE,
                                        PT_RATIO_VARIABLES, PT_RATIO_VARIABLES, false, &count);
    const double *covs = stats_rows(call, is_b ? "covs_b" : "covs_a", PT_RATIO_VARIABLES,
                                    PT_RATIO_VARIABLES, PT_RATIO_VARIABLES, &rows);

    if (means && covs) {
        memcpy(arm->mean, means, sizeof(arm->mean));
        memcpy(arm->cov, covs, sizeof(arm->cov));
    }
    return means && covs;
}

static void ratio_cuped(struct stats_call *call)
{
    struct pt_ratio_cuped_arm a = {0};
    struct pt_ratio_cuped_arm b = {0};

    (void)ratio_cuped_arm(call, false, &a);
    (void)ratio_cuped_arm(call, true, &b);
    double theta = stats_optional(call, "theta");
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_ratio_cuped r = pt_ratio_cuped(&a, &b, theta, alternative, level);

        stats_put(call, "theta", r.theta);
        put_mean_test(call, &r.difference, "diff", "z");
        stats_put(call, "uplift", r.relative.estimate);
        stats_put(call, "uplift_se", r.relative.se);
        stats_put(call, "uplift_p_value", r.relative.p_value);
        stats_put_interval(call, "uplift_ci", r.relative.interval);
    }
}

const struct stats_function stats_two_sample_functions[] = {
    {"prop_ztest", prop_ztest},
    {"prop_diff_ci", prop_diff_ci},
    {"prop_ci", prop_ci},
    {"uplift_prop", uplift_prop},
    {"srm_test", srm_test},
    {"chi2_independence", chi2_independence},
    {"fisher_exact", fisher_exact},
    {"t_test", t_test},
    {"z_test_means", z_test_means},
    {"relative_test", relative_test},
    {"uplift_mean", uplift_mean},
    {"ratio_metric", ratio_metric},
    {"cuped", cuped},
    {"cuped_relative", cuped_relative},
    {"ratio_cuped", ratio_cuped},
    {NULL, NULL},
};
