/*
 * gs_power.c - exit probabilities, drift for a power, futility by beta spending
 */
#include "stats/group_sequential.h"

#include "stats/gs_check.h"
#include "stats/gs_walk.h"
#include "stats/special.h"

#include <math.h>

#define REACH 10.0
#define DRIFT_MAX 1000.0

static double lower_of(const struct pt_gs_region *region, size_t k)
{
    if (region->z_lower) {
        return region->z_lower[k];
    }
    return region->sided == 2 ? -region->z_upper[k] : -INFINITY;
}

static enum pt_code check_region(const struct pt_gs_region *region, struct pt_error *err)
{
    enum pt_code code = pt_gs_check_looks(region->t, region->looks, err);

    if (!code) {
        code = pt_gs_check_sided(region->sided, err);
    }
    for (size_t k = 0; !code && k < region->looks; k++) {
        double low = lower_of(region, k);

        if (isnan(region->z_upper[k]) || isnan(low)) {
            code =
                pt_fail(err, PT_INVALID, "z_upper or z_lower at look %zu is not a number", k + 1);
        } else if (low > region->z_upper[k]) {
            code =
                pt_fail(err, PT_INVALID, "look %zu: the lower bound %g is above the upper one %g",
                        k + 1, low, region->z_upper[k]);
        }
    }
    return code;
}

enum pt_code pt_gs_exits(const struct pt_gs_region *region, double drift, double *upper_out,
                         double *lower_out, double *expected_t_out, struct pt_error *err)
{
    struct pt_gs_walk walk = {0};
    double going = 1; /* probability of reaching the look */
    double expected = 0;
    enum pt_code code = check_region(region, err);

    if (!code && !(fabs(drift) <= DRIFT_MAX)) {
        code = pt_fail(err, PT_INVALID, "drift: %g is not between -%g and %g", drift, DRIFT_MAX,
                       DRIFT_MAX);
    }
    if (code) {
        return code;
    }
    code = pt_gs_walk_init(&walk, 0, 0, drift, REACH, err);
    for (size_t k = 0; !code && k < region->looks; k++) {
        double t = region->t[k];
        double high = region->z_upper[k] * sqrt(t);
        double low = lower_of(region, k) * sqrt(t);
        double above = isinf(high) && high > 0 ? 0 : pt_gs_walk_above(&walk, t, high);
        double below = isinf(low) && low < 0 ? 0 : pt_gs_walk_below(&walk, t, low);

        if (upper_out) {
            upper_out[k] = above;
        }
        if (lower_out) {
            lower_out[k] = below;
        }
        expected += t * (k + 1 < region->looks ? above + below : going);
        going -= above + below;
        if (k + 1 < region->looks) {
            code = pt_gs_walk_advance(&walk, t, region->t[k + 1], low, high, err);
        }
    }
    pt_gs_walk_release(&walk);
    if (!code && expected_t_out) {
        *expected_t_out = expected;
    }
    return code;
}

/* ---- drift for a power ---- */

struct power_problem {
    const struct pt_gs_region *region;
    double power;
    bool counts_both;
    enum pt_code *code;
    struct pt_error *err;
};

static double power_excess(const void *ctx, double drift)
{
    const struct power_problem *p = ctx;
    double upper[PT_GS_LOOKS_MAX];
    double lower[PT_GS_LOOKS_MAX];
    double sum = 0;

    if (!*p->code) {
        *p->code = pt_gs_exits(p->region, drift, upper, lower, NULL, p->err);
    }
    if (*p->code) {
        return 0; /* ends the search */
    }
    for (size_t k = 0; k < p->region->looks; k++) {
        sum += upper[k] + (p->counts_both ? lower[k] : 0);
    }
    return sum - p->power;
}

enum pt_code pt_gs_drift_for_power(const struct pt_gs_region *region, double power,
                                   bool counts_both, double *drift_out, struct pt_error *err)
{
    enum pt_code code = pt_gs_check_alpha("power", power, err);
    struct power_problem problem = {region, power, counts_both, &code, err};
    double high = 4;

    if (code) {
        return code;
    }
    if (power_excess(&problem, 0) >= 0) {
        return code ? code
                    : pt_fail(err, PT_INVALID, "power: %g is reached with no drift at all", power);
    }
    while (!code && high < DRIFT_MAX && power_excess(&problem, high) < 0) {
        high *= 2;
    }
    double drift = pt_root_rough(power_excess, &problem, 0, fmin(high, DRIFT_MAX));

    if (!code && isnan(drift)) {
        code = pt_fail(err, PT_INVALID, "power: no drift up to %g has a power of %g", DRIFT_MAX,
                       power);
    }
    if (!code) {
        *drift_out = drift;
    }
    return code;
}

/* ---- futility ---- */

struct futility_problem {
    const struct pt_gs_futility *design;
    const double *alpha_cumulative;
    const double *beta_cumulative;
    double *z_upper;
    double *z_lower;
    enum pt_code *code;
    struct pt_error *err;
};

static double increment(const double *cumulative, size_t k)
{
    return cumulative[k] - (k > 0 ? cumulative[k - 1] : 0);
}

/* One look: the bounds from what the two walks have left. False once nothing goes on. */
static bool futility_bounds(const struct futility_problem *p, size_t k, struct pt_gs_walk *null,
                            struct pt_gs_walk *under)
{
    double t = p->design->t[k];
    double root = sqrt(t);
    double a = pt_gs_walk_solve_below(under, t, increment(p->beta_cumulative, k)) / root;

    if (p->design->is_binding) {
        double b = pt_gs_walk_solve_above(null, t, increment(p->alpha_cumulative, k)) / root;

        /* Futility has left less than that: the bound is as low as it can be. */
        p->z_upper[k] = isnan(b) ? -60 : b;
    }
    p->z_lower[k] = isnan(a) ? p->z_upper[k] : fmin(a, p->z_upper[k]);
    return p->z_lower[k] < p->z_upper[k];
}

/*
 * What is left of beta when the last look gives all that its efficacy bound does not: above 0 the
 * drift is too small. Where beta cannot be spent below an efficacy bound, the drift is too large.
 */
static double futility_excess(const void *ctx, double drift)
{
    const struct futility_problem *p = ctx;
    const struct pt_gs_futility *d = p->design;
    struct pt_gs_walk null = {0};
    struct pt_gs_walk under = {0};
    double excess = -1;
    size_t last = d->looks - 1;

    if (*p->code) {
        return 0; /* ends the search */
    }
    *p->code = pt_gs_walk_init(&null, 0, 0, 0, REACH, p->err);
    if (!*p->code) {
        *p->code = pt_gs_walk_init(&under, 0, 0, drift, REACH, p->err);
    }
    for (size_t k = 0; !*p->code && k <= last; k++) {
        double root = sqrt(d->t[k]);
        bool goes_on = futility_bounds(p, k, &null, &under);

        if (k == last) {
            excess = pt_gs_walk_below(&under, d->t[k], p->z_upper[k] * root) -
                     increment(p->beta_cumulative, k);
        } else if (!goes_on) {
            break;
        } else {
            double low = p->z_lower[k] * root;
            double high = p->z_upper[k] * root;

            *p->code = pt_gs_walk_advance(&under, d->t[k], d->t[k + 1], low, high, p->err);
            if (!*p->code && d->is_binding) {
                *p->code = pt_gs_walk_advance(&null, d->t[k], d->t[k + 1], low, high, p->err);
            }
        }
    }
    pt_gs_walk_release(&null);
    pt_gs_walk_release(&under);
    return *p->code ? 0 : excess;
}

enum pt_code pt_gs_futility(const struct pt_gs_futility *design, double *drift_out,
                            double *z_upper_out, double *z_lower_out, struct pt_error *err)
{
    double alpha_cumulative[PT_GS_LOOKS_MAX];
    double beta_cumulative[PT_GS_LOOKS_MAX];
    size_t looks = design->looks;
    struct pt_gs_design efficacy = {
        design->alpha_spending, design->alpha, 1, design->t, NULL, looks};
    enum pt_code code = pt_gs_bounds(&efficacy, z_upper_out, alpha_cumulative, err);
    struct futility_problem problem = {
        design, alpha_cumulative, beta_cumulative, z_upper_out, z_lower_out, &code, err};

    if (!code) {
        code = pt_gs_check_alpha("beta", design->beta, err);
    }
    if (!code) {
        code = pt_gs_cumulative(&design->beta_spending, design->beta, 1, design->t, looks,
                                beta_cumulative, err);
        if (code) {
            code = pt_error_prefix(err, code, "beta");
        }
    }
    if (!code && !(design->alpha + design->beta < 1)) {
        code = pt_fail(err, PT_INVALID, "alpha + beta: %g is not below 1",
                       design->alpha + design->beta);
    }
    if (code) {
        return code;
    }
    /* A fixed test's drift at the last look's information, doubled until it is enough. */
    double fixed = (pt_norm_quantile_upper(design->alpha) + pt_norm_quantile_upper(design->beta)) /
                   sqrt(design->t[looks - 1]);
    double high = 1.5 * fixed;

    for (int i = 0; i < 10 && !code && futility_excess(&problem, high) > 0; i++) {
        high *= 1.5;
    }
    double drift = pt_root_rough(futility_excess, &problem, fixed * 0.5, high);

    if (!code && isnan(drift)) {
        code = pt_fail(err, PT_INVALID, "no drift lets alpha %g and beta %g be spent like that",
                       design->alpha, design->beta);
    }
    if (!code && fabs(futility_excess(&problem, drift)) > 1e-9) {
        code = code ? code
                    : pt_fail(err, PT_INVALID,
                              "beta is spent faster than the efficacy bounds allow: no drift has a "
                              "power of %g",
                              1 - design->beta);
    }
    if (!code) {
        *drift_out = drift;
        z_lower_out[looks - 1] = z_upper_out[looks - 1];
    }
    return code;
}
