/*
 * stats_raw.c - `playtrace stats`: what needs raw values, quantiles, several hypotheses
 */
#include "cmd/stats_call.h"

#include <math.h>

static void mann_whitney(struct stats_call *call)
{
    struct pt_values a = stats_values(call, "a");
    struct pt_values b = stats_values(call, "b");
    enum pt_alternative alternative = stats_alternative(call);
    struct pt_rank_test test;

    if (stats_ready(call) &&
        stats_ok(call, pt_mann_whitney(a, b, alternative, &test, &call->err))) {
        stats_put(call, "u_a", test.u_a);
        stats_put(call, "u_b", test.u_b);
        stats_put(call, "p_corrected", test.p_corrected);
        stats_put(call, "p_uncorrected", test.p_uncorrected);
        stats_put(call, "p_exact", test.p_exact);
    }
}

static void put_quantile_test(struct stats_call *call, const struct pt_quantile_test *test)
{
    stats_put(call, "quantile_a", test->quantile_a);
    stats_put(call, "quantile_b", test->quantile_b);
    stats_put(call, "se_a", test->se_a);
    stats_put(call, "se_b", test->se_b);
    stats_put(call, "diff", test->difference.estimate);
    stats_put(call, "se", test->difference.se);
    stats_put(call, "z", test->difference.statistic);
    stats_put(call, "p_value", test->difference.p_value);
    stats_put_ends(call, test->difference.interval);
}

static void quantile_diff(struct stats_call *call)
{
    struct pt_values a = stats_values(call, "a");
    struct pt_values b = stats_values(call, "b");
    double q = stats_share_or(call, "q", 0.5);
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);
    struct pt_quantile_test test;

    if (stats_ready(call) &&
        stats_ok(call, pt_quantile_diff(a, b, q, alternative, level, &test, &call->err))) {
        put_quantile_test(call, &test);
    }
}

static struct pt_quantile_limits limits(struct stats_call *call, bool is_b)
{
    struct pt_quantile_limits arm;

    arm.quantile = stats_number(call, is_b ? "quantile_b" : "quantile_a");
    arm.low = stats_number(call, is_b ? "low_b" : "low_a");
    arm.high = stats_number(call, is_b ? "high_b" : "high_a");
    if (arm.low > arm.quantile || arm.quantile > arm.high) {
        stats_fail(call, "quantile_%c: %.17g is not between low %.17g and high %.17g",
                   is_b ? 'b' : 'a', arm.quantile, arm.low, arm.high);
    }
    return arm;
}

static void quantile_limits_diff(struct stats_call *call)
{
    struct pt_quantile_limits a = limits(call, false);
    struct pt_quantile_limits b = limits(call, true);
    double limits_level = stats_share_or(call, "limits_level", 0.95);
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_quantile_test test =
            pt_quantile_limits_diff(a, b, limits_level, alternative, level);

        put_quantile_test(call, &test);
    }
}

static void quantile_ranks(struct stats_call *call)
{
    double n = stats_count(call, "n");
    double q = stats_share_or(call, "q", 0.5);
    double level = stats_level(call);

    if (stats_ready(call)) {
        struct pt_quantile_ranks ranks = pt_quantile_ranks(n, q, level);

        stats_put(call, "rank_low", ranks.low);
        stats_put(call, "rank_high", ranks.high);
    }
}

static void winsorized_test(struct stats_call *call)
{
    struct pt_values a = stats_values(call, "a");
    struct pt_values b = stats_values(call, "b");
    double low = stats_probability(call, "low");
    double high = stats_probability(call, "high");
    enum pt_alternative alternative = stats_alternative(call);
    double level = stats_level(call);
    struct pt_winsorized r;

    if (stats_ready(call) &&
        stats_ok(call, pt_winsorized_test(a, b, low, high, alternative, level, &r, &call->err))) {
        stats_put(call, "limit_low", r.limit_low);
        stats_put(call, "limit_high", r.limit_high);
        stats_put(call, "mean_a", r.a.mean);
        stats_put(call, "mean_b", r.b.mean);
        stats_put(call, "var_a", r.a.variance);
        stats_put(call, "var_b", r.b.variance);
        stats_put(call, "diff", r.test.estimate);
        stats_put(call, "se", r.test.se);
        stats_put(call, "t", r.test.statistic);
        stats_put(call, "df", r.test.df);
        stats_put(call, "p_value", r.test.p_value);
        stats_put_ends(call, r.test.interval);
    }
}

/* ---- several hypotheses ---- */

static void put_decisions(struct stats_call *call, const double *adjusted, size_t count,
                          double alpha)
{
    stats_put_numbers(call, "adjusted", adjusted, count);
    pt_jsonw_key(call->w, "reject");
    pt_jsonw_array(call->w);
    for (size_t i = 0; i < count; i++) {
        if (isnan(adjusted[i])) {
            pt_jsonw_null(call->w);
        } else {
            pt_jsonw_bool(call->w, adjusted[i] <= alpha);
        }
    }
    pt_jsonw_array_end(call->w);
}

static void p_adjust(struct stats_call *call)
{
    static const char *const methods[] = {"bonferroni", "sidak", "holm", "hochberg",
                                          "bh",         "by",    NULL};
    size_t count = 0;
    const double *p = stats_numbers(call, "p", STATS_NULL_TOO, 0, STATS_VALUES_MAX, false, &count);
    int method = stats_choice(call, "method", methods, -1);
    double alpha = stats_alpha(call);
    double *adjusted = NULL;
    double *interval_alpha = NULL;

    if (!stats_ready(call)) {
        return;
    }
    adjusted = stats_room(call, count);
    interval_alpha = stats_room(call, count);
    if (adjusted && interval_alpha &&
        stats_ok(call, pt_p_adjust(p, count, (enum pt_adjustment)method, adjusted, &call->err)) &&
        stats_ok(call, pt_interval_alpha(p, count, (enum pt_adjustment)method, alpha,
                                         interval_alpha, &call->err))) {
        put_decisions(call, adjusted, count, alpha);
        stats_put_numbers(call, "interval_alpha", interval_alpha, count);
    }
}

static void e_adjust(struct stats_call *call)
{
    size_t count = 0;
    const double *e = stats_numbers(call, "e", STATS_NULL_TOO, 0, STATS_VALUES_MAX, false, &count);
    double alpha = stats_alpha(call);
    double *adjusted = NULL;

    if (stats_ready(call) && (adjusted = stats_room(call, count)) != NULL &&
        stats_ok(call, pt_e_adjust(e, count, adjusted, &call->err))) {
        put_decisions(call, adjusted, count, alpha);
    }
}

const struct stats_function stats_raw_functions[] = {
    {"mann_whitney", mann_whitney},
    {"quantile_diff", quantile_diff},
    {"quantile_limits_diff", quantile_limits_diff},
    {"quantile_ranks", quantile_ranks},
    {"winsorized_test", winsorized_test},
    {"p_adjust", p_adjust},
    {"e_adjust", e_adjust},
    {NULL, NULL},
};
