/*
 * stats_sequential.c - `playtrace stats`: group-sequential designs and analysis
 */
#include "cmd/stats_call.h"
#include "stats/special.h"

#include <math.h>
#include <stdio.h>

/* ---- inputs that several functions share ---- */

static const double *looks_of(struct stats_call *call, bool is_optional, size_t *count)
{
    return stats_numbers(call, "t", STATS_FINITE, 1, PT_GS_LOOKS_MAX, is_optional, count);
}

/* `count` bounds, which may be infinite. */
static const double *bounds_of(struct stats_call *call, const char *name, size_t count,
                               bool is_optional)
{
    size_t got = 0;
    const double *z =
        stats_numbers(call, name, STATS_INFINITE_TOO, 1, PT_GS_LOOKS_MAX, is_optional, &got);

    if (z && got != count && !call->is_listing) {
        stats_fail(call, "%s: %zu bounds for %zu looks", name, got, count);
    }
    return z;
}

/* {"name":…,"param":…,"cumulative":[…]}. */
static struct pt_spending spending_of(struct stats_call *call, const char *name)
{
    static const char *const names[] = {"lan_demets_obf",
                                        "lan_demets_obf_total",
                                        "lan_demets_pocock",
                                        "hwang_shih_decani",
                                        "kim_demets",
                                        "user",
                                        NULL};
    struct pt_spending spending = {PT_SPEND_LAN_DEMETS_OBF, NAN, NULL, 0};
    struct pt_json value =
        stats_member(call, name, "an object {\"name\":…,\"param\":…,\"cumulative\":[…]}", false);
    struct pt_span kind;
    bool is_known = false;

    if (!pt_json_exists(value)) {
        return spending;
    }
    if (pt_json_type(value) != PT_JSON_OBJECT || !pt_json_member_string(value, "name", &kind)) {
        stats_fail(call, "%s: it is an object with a \"name\", a string", name);
        return spending;
    }
    for (int i = 0; names[i]; i++) {
        if (pt_span_is(kind, names[i])) {
            spending.kind = (enum pt_spending_kind)i;
            is_known = true;
        }
    }
    if (!is_known) {
        stats_fail(call,
                   "%s: \"%.*s\" is not lan_demets_obf, lan_demets_obf_total, lan_demets_pocock, "
                   "hwang_shih_decani, kim_demets or user",
                   name, PT_SPAN_ARG(kind));
        return spending;
    }
    struct pt_json_iter it = pt_json_iterate(value);

    while (pt_json_next(&it)) {
        if (!pt_span_is(it.key, "name") && !pt_span_is(it.key, "param") &&
            !pt_span_is(it.key, "cumulative")) {
            stats_fail(call, "%s: \"%.*s\" is no member of it; it has name, param, cumulative",
                       name, PT_SPAN_ARG(it.key));
        }
    }
    if (spending.kind == PT_SPEND_HWANG_SHIH_DECANI || spending.kind == PT_SPEND_KIM_DEMETS) {
        spending.param = stats_inner_number(call, value, name, "param");
        if (spending.kind == PT_SPEND_KIM_DEMETS && spending.param <= 0) {
            stats_fail(call, "%s: param: %.17g is not above 0", name, spending.param);
        }
    }
    if (spending.kind == PT_SPEND_USER) {
        struct pt_json list = pt_json_member(value, "cumulative");
        double *numbers = NULL;

        if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
            stats_fail(call, "%s: \"user\" needs \"cumulative\", an array of numbers", name);
            return spending;
        }
        numbers = stats_room(call, pt_json_count(list));
        struct pt_json_iter item = pt_json_iterate(list);

        while (numbers && pt_json_next(&item)) {
            if (!pt_json_is_number(item.value)) {
                stats_fail(call, "%s: cumulative[%zu] is not a number", name,
                           spending.cumulative_count);
                return spending;
            }
            numbers[spending.cumulative_count++] = pt_json_double(item.value);
        }
        spending.cumulative = numbers;
    }
    return spending;
}

/* z, and the same on the scales of p and drift. */
static void put_bounds(struct stats_call *call, const double *z, const double *t, size_t looks)
{
    double *p = stats_room(call, looks);
    double *drift = stats_room(call, looks);

    if (!p || !drift) {
        return;
    }
    for (size_t k = 0; k < looks; k++) {
        p[k] = pt_norm_sf(z[k]);
        drift[k] = z[k] / sqrt(t[k]);
    }
    stats_put_numbers(call, "z", z, looks);
    stats_put_numbers(call, "nominal_p_one_sided", p, looks);
    stats_put_numbers(call, "drift_scale", drift, looks);
}

static void put_increments(struct stats_call *call, const char *name, const double *cumulative,
                           size_t looks)
{
    double *increments = stats_room(call, looks);

    for (size_t k = 0; increments && k < looks; k++) {
        increments[k] = cumulative[k] - (k > 0 ? cumulative[k - 1] : 0);
    }
    if (increments) {
        stats_put_numbers(call, name, increments, looks);
    }
}

/* ---- designs ---- */

static void gs_spending(struct stats_call *call)
{
    size_t looks = 0;
    struct pt_spending spending = spending_of(call, "spending");
    double alpha = stats_share(call, "alpha");
    int sided = stats_sided(call);
    const double *t = looks_of(call, false, &looks);
    double *cumulative = NULL;

    if (spending.kind == PT_SPEND_USER && spending.cumulative_count != looks) {
        stats_fail(call, "spending: %zu cumulative values for %zu looks", spending.cumulative_count,
                   looks);
    }
    for (size_t k = 0; k < looks; k++) {
        if (t[k] < 0) {
            stats_fail(call, "t[%zu]: %.17g is below 0", k, t[k]);
        }
    }
    if (stats_ready(call) && (cumulative = stats_room(call, looks)) != NULL) {
        for (size_t k = 0; k < looks; k++) {
            cumulative[k] = spending.kind == PT_SPEND_USER
                                ? spending.cumulative[k]
                                : pt_gs_spent(&spending, alpha, sided, t[k]);
        }
        stats_put_numbers(call, "cumulative", cumulative, looks);
    }
}

static void gs_bounds(struct stats_call *call)
{
    struct pt_gs_design design = {.spending = spending_of(call, "spending")};
    size_t spending_looks = 0;

    design.alpha = stats_share(call, "alpha");
    design.sided = stats_sided(call);
    design.t = looks_of(call, false, &design.looks);
    design.spending_t =
        stats_numbers(call, "spending_t", STATS_FINITE, 1, PT_GS_LOOKS_MAX, true, &spending_looks);
    double information = stats_positive_or(call, "max_information", NAN);

    if (design.spending_t && spending_looks != design.looks) {
        stats_fail(call, "spending_t: %zu of them for %zu looks", spending_looks, design.looks);
    }
    if (!stats_ready(call)) {
        return;
    }
    double *z = stats_room(call, design.looks);
    double *cumulative = stats_room(call, design.looks);

    if (z && cumulative && stats_ok(call, pt_gs_bounds(&design, z, cumulative, &call->err))) {
        put_bounds(call, z, design.t, design.looks);
        stats_put_numbers(call, "alpha_cumulative", cumulative, design.looks);
        put_increments(call, "alpha_increment", cumulative, design.looks);
        if (!isnan(information)) {
            double *effect = stats_room(call, design.looks);

            for (size_t k = 0; effect && k < design.looks; k++) {
                effect[k] = z[k] / sqrt(design.t[k] * information);
            }
            if (effect) {
                stats_put_numbers(call, "effect", effect, design.looks);
            }
        }
    }
}

/* t as given, or `looks` equally spaced ones. */
static const double *spaced_looks(struct stats_call *call, size_t *count)
{
    const double *t = looks_of(call, true, count);
    int looks = (int)stats_number_or(call, "looks", NAN);
    double *equal = NULL;

    if (t || call->is_listing || call->has_failed) {
        return t;
    }
    if (!(looks >= 1 && looks <= PT_GS_LOOKS_MAX)) {
        stats_fail(call, "looks: it is a whole number from 1 to %d, or t an array of fractions",
                   PT_GS_LOOKS_MAX);
        return NULL;
    }
    equal = stats_room(call, (size_t)looks);
    for (int k = 0; equal && k < looks; k++) {
        equal[k] = (double)(k + 1) / looks;
    }
    *count = (size_t)looks;
    return equal;
}

static void gs_classical(struct stats_call *call)
{
    static const char *const types[] = {"pocock", "obrien_fleming", "wang_tsiatis", NULL};
    int type = stats_choice(call, "type", types, -1);
    size_t looks = 0;
    const double *t = spaced_looks(call, &looks);
    double alpha = stats_share(call, "alpha");
    int sided = stats_sided(call);
    double delta = stats_optional(call, "delta");
    const double *z_lower = bounds_of(call, "z_lower", looks > 0 ? looks - 1 : 0, true);
    double constant = NAN;
    double shape = type == 0 ? 0.5 : type == 1 ? 0 : delta;

    if (type == 2 && isnan(delta)) {
        stats_fail(call, "delta is missing; wang_tsiatis needs it, a number");
    }
    if (!stats_ready(call)) {
        return;
    }
    double *z = stats_room(call, looks);

    if (z && stats_ok(call, pt_gs_classical(t, looks, alpha, sided, shape, z_lower, &constant, z,
                                            &call->err))) {
        stats_put(call, "constant", constant);
        put_bounds(call, z, t, looks);
    }
}

static void gs_haybittle_peto(struct stats_call *call)
{
    size_t looks = 0;
    const double *t = spaced_looks(call, &looks);
    double alpha = stats_share(call, "alpha");
    int sided = stats_sided(call);
    double interim_z = stats_positive_or(call, "interim_z", 3);
    double final_z = NAN;
    double spent = NAN;

    if (stats_ready(call) && stats_ok(call, pt_gs_haybittle_peto(t, looks, alpha, sided, interim_z,
                                                                 &final_z, &spent, &call->err))) {
        stats_put(call, "final_z", final_z);
        stats_put(call, "alpha_spent_before_final", spent);
    }
}

static void gs_futility(struct stats_call *call)
{
    struct pt_gs_futility design = {.looks = 0};

    design.t = looks_of(call, false, &design.looks);
    design.alpha = stats_share(call, "alpha");
    design.beta = stats_share(call, "beta");
    design.alpha_spending = spending_of(call, "alpha_spending");
    design.beta_spending = spending_of(call, "beta_spending");
    design.is_binding = stats_bool(call, "binding", false);
    if (!stats_ready(call)) {
        return;
    }
    size_t looks = design.looks;
    double drift = NAN;
    double *rooms[8];

    for (size_t i = 0; i < 8; i++) {
        rooms[i] = stats_room(call, looks);
        if (!rooms[i]) {
            return;
        }
    }
    double *upper = rooms[0];
    double *lower = rooms[1];
    double expected_h0 = NAN;
    double expected_h1 = NAN;
    struct pt_gs_region region = {design.t, upper, lower, looks, 1};

    if (!stats_ok(call, pt_gs_futility(&design, &drift, upper, lower, &call->err)) ||
        !stats_ok(call, pt_gs_exits(&region, 0, rooms[2], rooms[3], &expected_h0, &call->err)) ||
        !stats_ok(call,
                  pt_gs_exits(&region, drift, rooms[4], rooms[5], &expected_h1, &call->err))) {
        return;
    }
    double fixed = pt_norm_quantile_upper(design.alpha) + pt_norm_quantile_upper(design.beta);

    for (size_t k = 0; k < looks; k++) {
        rooms[6][k] = design.alpha_spending.kind == PT_SPEND_USER
                          ? design.alpha_spending.cumulative[k]
                          : pt_gs_spent(&design.alpha_spending, design.alpha, 1, design.t[k]);
        rooms[7][k] = design.beta_spending.kind == PT_SPEND_USER
                          ? design.beta_spending.cumulative[k]
                          : pt_gs_spent(&design.beta_spending, design.beta, 1, design.t[k]);
    }
    stats_put(call, "drift", drift);
    stats_put(call, "inflation_factor", drift / fixed * (drift / fixed));
    stats_put_numbers(call, "z_efficacy", upper, looks);
    stats_put_numbers(call, "z_futility", lower, looks);
    stats_put_numbers(call, "alpha_cumulative", rooms[6], looks);
    stats_put_numbers(call, "beta_cumulative", rooms[7], looks);
    stats_put_numbers(call, "exit_efficacy_h0", rooms[2], looks);
    stats_put_numbers(call, "exit_futility_h0", rooms[3], looks);
    stats_put_numbers(call, "exit_efficacy_h1", rooms[4], looks);
    stats_put_numbers(call, "exit_futility_h1", rooms[5], looks);
    stats_put(call, "expected_information_fraction_h0", expected_h0);
    stats_put(call, "expected_information_fraction_h1", expected_h1);
}

/* ---- power ---- */

static void put_exits(struct stats_call *call, const struct pt_gs_region *region, double drift)
{
    double *upper = stats_room(call, region->looks);
    double *lower = stats_room(call, region->looks);
    double expected = NAN;
    double power_upper = 0;
    double power_lower = 0;

    if (!upper || !lower ||
        !stats_ok(call, pt_gs_exits(region, drift, upper, lower, &expected, &call->err))) {
        return;
    }
    for (size_t k = 0; k < region->looks; k++) {
        power_upper += upper[k];
        power_lower += lower[k];
    }
    stats_put_numbers(call, "exit_upper", upper, region->looks);
    stats_put_numbers(call, "exit_lower", lower, region->looks);
    stats_put(call, "power_upper", power_upper);
    stats_put(call, "power_either", power_upper + power_lower);
    stats_put(call, "expected_information_fraction", expected);
}

static void gs_power(struct stats_call *call)
{
    struct pt_gs_region region = {.looks = 0};

    region.t = looks_of(call, false, &region.looks);
    region.z_upper = bounds_of(call, "z_upper", region.looks, false);
    region.sided = stats_sided(call);
    double drift = stats_number(call, "drift");

    if (stats_ready(call)) {
        put_exits(call, &region, drift);
    }
}

static void gs_exit_probabilities(struct stats_call *call)
{
    struct pt_gs_region region = {.sided = 1};

    region.t = looks_of(call, false, &region.looks);
    region.z_lower = bounds_of(call, "z_lower", region.looks, false);
    region.z_upper = bounds_of(call, "z_upper", region.looks, false);
    double drift = stats_number(call, "drift");

    if (stats_ready(call)) {
        put_exits(call, &region, drift);
    }
}

static void gs_drift_for_power(struct stats_call *call)
{
    static const char *const counts[] = {"upper", "either", NULL};
    struct pt_gs_region region = {.looks = 0};
    double drift = NAN;
    double h0 = NAN;
    double h1 = NAN;

    region.t = looks_of(call, false, &region.looks);
    region.z_upper = bounds_of(call, "z_upper", region.looks, false);
    region.sided = stats_sided(call);
    double alpha = stats_share(call, "alpha");
    double power = stats_share(call, "power");
    int counted = stats_choice(call, "power_counts", counts, 0);

    if (stats_ready(call) &&
        stats_ok(call, pt_gs_drift_for_power(&region, power, counted == 1, &drift, &call->err)) &&
        stats_ok(call, pt_gs_exits(&region, drift, NULL, NULL, &h1, &call->err)) &&
        stats_ok(call, pt_gs_exits(&region, 0, NULL, NULL, &h0, &call->err))) {
        double fixed = pt_norm_quantile_upper(alpha / region.sided) + pt_norm_quantile(power);

        stats_put(call, "drift", drift);
        stats_put(call, "inflation_factor", drift / fixed * (drift / fixed));
        stats_put(call, "expected_information_fraction_h1", h1);
        stats_put(call, "expected_information_fraction_h0", h0);
    }
}

/* ---- analysis ---- */

static void gs_stagewise(struct stats_call *call)
{
    struct pt_gs_region region = {.looks = 0};
    struct pt_gs_stagewise r;

    region.t = looks_of(call, false, &region.looks);
    region.z_upper = bounds_of(call, "z_upper", region.looks, false);
    region.sided = stats_sided(call);
    int look = stats_whole(call, "look", 1, PT_GS_LOOKS_MAX);
    double z = stats_number(call, "z");
    double level = stats_level(call);

    if (stats_ready(call) &&
        stats_ok(call, pt_gs_stagewise(&region, (size_t)look - 1, z, level, &r, &call->err))) {
        stats_put(call, "p_upper", r.p_upper);
        stats_put(call, "p_two_sided", r.p_two_sided);
        stats_put(call, "median_unbiased_drift", r.median_unbiased_drift);
        stats_put(call, "ci_low_drift", r.drift.low);
        stats_put(call, "ci_high_drift", r.drift.high);
        stats_put(call, "mle_drift", r.mle_drift);
    }
}

static void gs_repeated_ci(struct stats_call *call)
{
    size_t looks = 0;
    const double *t = looks_of(call, false, &looks);
    const double *z_upper = bounds_of(call, "z_upper", looks, false);
    int look = stats_whole(call, "look", 1, PT_GS_LOOKS_MAX);
    double z = stats_number(call, "z");

    if (t && (size_t)look > looks) {
        stats_fail(call, "look: %d of %zu", look, looks);
    }
    for (size_t k = 0; t && k < looks; k++) {
        if (!(t[k] > 0)) {
            stats_fail(call, "t[%zu]: %.17g is not above 0", k, t[k]);
        }
    }
    if (stats_ready(call) && t && z_upper) {
        size_t k = (size_t)look - 1;
        struct pt_interval interval = pt_gs_repeated_interval(z, z_upper[k], t[k]);

        stats_put(call, "estimate_drift", z / sqrt(t[k]));
        stats_put(call, "ci_low_drift", interval.low);
        stats_put(call, "ci_high_drift", interval.high);
    }
}

static void gs_conditional_power(struct stats_call *call)
{
    double t = stats_share(call, "t");
    double z = stats_number(call, "z");
    double final_z = stats_number(call, "final_z");
    double drift = stats_number(call, "drift");

    if (stats_ready(call)) {
        struct pt_gs_conditional r = pt_gs_conditional_power(t, z, final_z, drift);

        stats_put(call, "cp_drift", r.under_drift);
        stats_put(call, "cp_current_trend", r.under_trend);
        stats_put(call, "cp_null", r.under_null);
        stats_put(call, "predictive_power_flat_prior", r.predictive);
    }
}

static void gs_conditional_power_multi(struct stats_call *call)
{
    struct pt_gs_region region = {.sided = 1};
    double sum = 0;
    double *upper = NULL;

    region.t = looks_of(call, false, &region.looks);
    region.z_upper = bounds_of(call, "z_upper", region.looks, false);
    int look = stats_whole(call, "look", 1, PT_GS_LOOKS_MAX);
    double z = stats_number(call, "z");
    double drift = stats_number(call, "drift");

    if (!stats_ready(call) || !(upper = stats_room(call, region.looks)) ||
        !stats_ok(call, pt_gs_conditional_exits(&region, (size_t)look - 1, z, drift, upper,
                                                &call->err))) {
        return;
    }
    for (size_t k = 0; k + (size_t)look < region.looks; k++) {
        sum += upper[k];
    }
    stats_put_numbers(call, "conditional_exit_upper", upper, region.looks - (size_t)look);
    stats_put(call, "conditional_power", sum);
}

const struct stats_function stats_sequential_functions[] = {
    {"gs_spending", gs_spending},
    {"gs_bounds", gs_bounds},
    {"gs_classical", gs_classical},
    {"gs_haybittle_peto", gs_haybittle_peto},
    {"gs_futility", gs_futility},
    {"gs_power", gs_power},
    {"gs_exit_probabilities", gs_exit_probabilities},
    {"gs_drift_for_power", gs_drift_for_power},
    {"gs_stagewise", gs_stagewise},
    {"gs_repeated_ci", gs_repeated_ci},
    {"gs_conditional_power", gs_conditional_power},
    {"gs_conditional_power_multi", gs_conditional_power_multi},
    {NULL, NULL},
};
