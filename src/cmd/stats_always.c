/*
 * stats_always.c - `playtrace stats`: inference that may be looked at at any time
 */
#include "cmd/stats_call.h"

#include <math.h>
#include <stdio.h>

static void put_msprt(struct stats_call *call, const struct pt_msprt *test)
{
    stats_put(call, "diff", test->difference);
    stats_put(call, "variance_of_diff", test->variance);
    stats_put(call, "log_lambda", test->log_lambda);
    stats_put(call, "p_value", test->p_value);
    stats_put_ends(call, test->interval);
}

static void msprt(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    double tau2 = stats_positive(call, "tau2");
    double theta0 = stats_number_or(call, "theta0", 0);
    double alpha = stats_alpha(call);

    if (stats_ready(call)) {
        struct pt_msprt test = pt_msprt_means(a, b, tau2, theta0, alpha);

        put_msprt(call, &test);
    }
}

static void msprt_prop(struct stats_call *call)
{
    struct pt_proportion a = stats_proportion(call, "x_a", "n_a");
    struct pt_proportion b = stats_proportion(call, "x_b", "n_b");
    double tau2 = stats_positive(call, "tau2");
    double theta0 = stats_number_or(call, "theta0", 0);
    double alpha = stats_alpha(call);

    if (stats_ready(call)) {
        struct pt_msprt test = pt_msprt_proportions(a, b, tau2, theta0, alpha);

        put_msprt(call, &test);
    }
}

static void msprt_one_sided(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    double tau2 = stats_positive(call, "tau2");

    if (stats_ready(call)) {
        struct pt_msprt test = pt_msprt_one_sided(a, b, tau2);

        stats_put(call, "log_lambda", test.log_lambda);
        stats_put(call, "p_value", test.p_value);
    }
}

/* One element of `looks`. */
static struct pt_msprt msprt_look(struct stats_call *call, struct pt_json look, size_t at,
                                  double tau2, double alpha)
{
    static const char *const names[] = {"n_a", "mean_a", "var_a", "n_b", "mean_b", "var_b"};
    double numbers[6];
    char where[32];

    snprintf(where, sizeof(where), "looks[%zu]", at);
    for (size_t i = 0; i < 6; i++) {
        numbers[i] = stats_inner_number(call, look, where, names[i]);
    }
    return pt_msprt_means((struct pt_sample){numbers[0], numbers[1], numbers[2]},
                          (struct pt_sample){numbers[3], numbers[4], numbers[5]}, tau2, 0, alpha);
}

enum {
    LAMBDA,
    P_VALUE,
    LOW,
    HIGH,
    RUNNING_LOW,
    RUNNING_HIGH,
    COLUMNS,
};

static void put_sequence(struct stats_call *call, struct pt_json looks, double tau2, double alpha)
{
    static const char *const names[COLUMNS] = {"log_lambda", "p_value",        "ci_low",
                                               "ci_high",    "running_ci_low", "running_ci_high"};
    double *columns[COLUMNS];
    struct pt_msprt_running running = PT_MSPRT_RUNNING_START;
    struct pt_json_iter it = pt_json_iterate(looks);
    size_t count = 0;
    size_t first = 0;

    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i] = stats_room(call, pt_json_count(looks));
        if (!columns[i]) {
            return;
        }
    }
    while (!call->has_failed && pt_json_next(&it)) {
        if (pt_json_type(it.value) != PT_JSON_OBJECT) {
            stats_fail(call,
                       "looks[%zu] is not an object with n_a, mean_a, var_a, n_b, mean_b, "
                       "var_b",
                       count);
            return;
        }
        struct pt_msprt look = msprt_look(call, it.value, count, tau2, alpha);

        running = pt_msprt_run(running, &look);
        columns[LAMBDA][count] = look.log_lambda;
        columns[P_VALUE][count] = running.p_value;
        columns[LOW][count] = look.interval.low;
        columns[HIGH][count] = look.interval.high;
        columns[RUNNING_LOW][count] = running.interval.low;
        columns[RUNNING_HIGH][count] = running.interval.high;
        count++;
        first = first == 0 && running.p_value <= alpha ? count : first;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        stats_put_numbers(call, names[i], columns[i], count);
    }
    stats_put(call, "first_rejection_look", first > 0 ? (double)first : NAN);
}

static void msprt_sequence(struct stats_call *call)
{
    struct pt_json looks =
        stats_member(call, "looks", "an array of objects, the data so far", false);
    double tau2 = stats_positive(call, "tau2");
    double alpha = stats_alpha(call);

    if (pt_json_exists(looks) && pt_json_type(looks) != PT_JSON_ARRAY) {
        stats_fail(call, "looks: a JSON %s is not an array",
                   pt_json_type_name(pt_json_type(looks)));
    }
    if (stats_ready(call)) {
        put_sequence(call, looks, tau2, alpha);
    }
}

static void put_cs(struct stats_call *call, const struct pt_confidence_sequence *cs)
{
    stats_put(call, "diff", cs->difference);
    stats_put(call, "se", cs->se);
    stats_put(call, "rho2", cs->rho2);
    stats_put(call, "half_width", cs->half_width);
    stats_put_ends(call, cs->interval);
    stats_put(call, "p_value", cs->p_value);
}

static void asymptotic_cs(struct stats_call *call)
{
    struct pt_sample a = stats_sample(call, 'a');
    struct pt_sample b = stats_sample(call, 'b');
    double alpha = stats_alpha(call);
    double target_n = stats_positive_or(call, "target_n", 5000);
    int sided = stats_sided(call);

    if (sided == 1 && alpha >= 0.5) {
        stats_fail(call, "alpha: %.17g is not below 1/2, which sided 1 needs", alpha);
    }
    if (stats_ready(call)) {
        struct pt_confidence_sequence cs =
            pt_asymptotic_cs(b.mean - a.mean, sqrt(a.variance / a.size + b.variance / b.size),
                             a.size + b.size, alpha, target_n, sided);

        put_cs(call, &cs);
    }
}

/* The same for any estimate, such as a relative difference, with its standard error over n units.
 */
static void asymptotic_cs_estimate(struct stats_call *call)
{
    double estimate = stats_number(call, "estimate");
    double se = stats_not_negative(call, "se");
    double n = stats_positive(call, "n");
    double alpha = stats_alpha(call);
    double target_n = stats_positive_or(call, "target_n", 5000);
    int sided = stats_sided(call);

    if (sided == 1 && alpha >= 0.5) {
        stats_fail(call, "alpha: %.17g is not below 1/2, which sided 1 needs", alpha);
    }
    if (stats_ready(call)) {
        struct pt_confidence_sequence cs =
            pt_asymptotic_cs(estimate, se, n, alpha, target_n, sided);

        put_cs(call, &cs);
    }
}

/* Cumulative sizes at each look: the running p-value of the sequential sample-ratio test. */
static void srm_sequential(struct stats_call *call)
{
    size_t arms = 0;
    const double *weights = stats_numbers(call, "weights", STATS_FINITE, 2, 1000, false, &arms);
    size_t looks = 0;
    const double *sizes = stats_rows(call, "looks", arms > 0 ? arms : 2, 1, 100000, &looks);
    double concentration = stats_positive_or(call, "concentration", PT_SSRM_CONCENTRATION);
    double alpha = stats_alpha(call);
    double running = 1;
    size_t first = 0;

    for (size_t i = 0; i < looks * arms; i++) {
        if (!(sizes[i] >= 0) || floor(sizes[i]) != sizes[i]) {
            stats_fail(call, "looks[%zu][%zu]: %.17g is not a whole number from 0 up", i / arms,
                       i % arms, sizes[i]);
        } else if (i >= arms && sizes[i] < sizes[i - arms]) {
            stats_fail(call,
                       "looks[%zu][%zu]: %.17g is less than at the look before; sizes are "
                       "cumulative",
                       i / arms, i % arms, sizes[i]);
        }
    }
    for (size_t i = 0; i < arms; i++) {
        if (!(weights[i] > 0)) {
            stats_fail(call, "weights[%zu]: %.17g is not above 0", i, weights[i]);
        }
    }
    if (!stats_ready(call)) {
        return;
    }
    double *lambda = stats_room(call, looks);
    double *p = stats_room(call, looks);

    if (!lambda || !p) {
        return;
    }
    for (size_t k = 0; k < looks; k++) {
        lambda[k] = pt_ssrm_log_lambda(sizes + k * arms, weights, arms, concentration);
        running = fmin(running, exp(-lambda[k]));
        p[k] = running;
        first = first == 0 && running <= alpha ? k + 1 : first;
    }
    stats_put_numbers(call, "log_lambda", lambda, looks);
    stats_put_numbers(call, "p_value", p, looks);
    stats_put(call, "first_rejection_look", first > 0 ? (double)first : NAN);
}

const struct stats_function stats_always_functions[] = {
    {"msprt", msprt},
    {"msprt_prop", msprt_prop},
    {"msprt_one_sided", msprt_one_sided},
    {"msprt_sequence", msprt_sequence},
    {"asymptotic_cs", asymptotic_cs},
    {"asymptotic_cs_estimate", asymptotic_cs_estimate},
    {"srm_sequential", srm_sequential},
    {NULL, NULL},
};
