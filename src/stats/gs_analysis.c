/*
 * gs_analysis.c - inference after stopping, conditional power
 */
#include "stats/group_sequential.h"

#include "stats/gs_check.h"
#include "stats/gs_walk.h"
#include "stats/special.h"

#include <math.h>

#define REACH_MIN 10.0

static double lower_of(const struct pt_gs_region *region, size_t k)
{
    if (region->z_lower) {
        return region->z_lower[k];
    }
    return region->sided == 2 ? -region->z_upper[k] : -INFINITY;
}

static enum pt_code check_look(const struct pt_gs_region *region, size_t look, double z,
                               struct pt_error *err)
{
    enum pt_code code = pt_gs_check_looks(region->t, region->looks, err);

    if (!code) {
        code = pt_gs_check_sided(region->sided, err);
    }
    if (!code && look >= region->looks) {
        code = pt_fail(err, PT_INVALID, "look: %zu of %zu", look + 1, region->looks);
    }
    if (!code && !isfinite(z)) {
        code = pt_fail(err, PT_INVALID, "z: %g is not a finite number", z);
    }
    for (size_t k = 0; !code && k < region->looks; k++) {
        if (isnan(region->z_upper[k]) || isnan(lower_of(region, k))) {
            code = pt_fail(err, PT_INVALID, "z_upper at look %zu is not a number", k + 1);
        }
    }
    return code;
}

struct stage_problem {
    const struct pt_gs_region *region;
    size_t look;
    double z;
    double level; /* the probability to find */
    enum pt_code *code;
    struct pt_error *err;
};

/* P(upper exit before this look, or this look is reached with at least z) under a drift. */
static double more_extreme(const struct stage_problem *p, double drift)
{
    const struct pt_gs_region *r = p->region;
    struct pt_gs_walk walk;
    double sum = 0;

    *p->code = pt_gs_walk_init(&walk, 0, 0, drift, fmax(REACH_MIN, fabs(p->z) + 3), p->err);
    for (size_t k = 0; !*p->code && k < p->look; k++) {
        double root = sqrt(r->t[k]);
        double high = r->z_upper[k] * root;

        sum += isinf(high) ? 0 : pt_gs_walk_above(&walk, r->t[k], high);
        *p->code =
            pt_gs_walk_advance(&walk, r->t[k], r->t[k + 1], lower_of(r, k) * root, high, p->err);
    }
    if (!*p->code) {
        sum += pt_gs_walk_above(&walk, r->t[p->look], p->z * sqrt(r->t[p->look]));
    }
    pt_gs_walk_release(&walk);
    return sum;
}

static double stage_excess(const void *ctx, double drift)
{
    const struct stage_problem *p = ctx;
    double probability = *p->code ? p->level : more_extreme(p, drift);

    return *p->code ? 0 : probability - p->level;
}

/* The probability rises with the drift; the estimate z/sqrt t is not far from where it is. */
static double drift_at(struct stage_problem *problem, double level)
{
    double t = problem->region->t[problem->look];
    double middle = problem->z / sqrt(t);
    double step = 2 / sqrt(t);
    double low = middle - step;
    double high = middle + step;

    problem->level = level;
    for (int i = 0; i < 20 && !*problem->code && stage_excess(problem, low) > 0; i++) {
        step *= 2;
        low -= step;
    }
    for (int i = 0; i < 20 && !*problem->code && stage_excess(problem, high) < 0; i++) {
        step *= 2;
        high += step;
    }
    return pt_root_rough(stage_excess, problem, low, high);
}

enum pt_code pt_gs_stagewise(const struct pt_gs_region *region, size_t look, double z, double level,
                             struct pt_gs_stagewise *out, struct pt_error *err)
{
    enum pt_code code = check_look(region, look, z, err);
    struct stage_problem problem = {region, look, z, NAN, &code, err};

    if (!code) {
        code = pt_gs_check_alpha("level", level, err);
    }
    if (code) {
        return code;
    }
    out->p_upper = more_extreme(&problem, 0);
    out->p_two_sided = fmin(1, 2 * fmin(out->p_upper, 1 - out->p_upper));
    out->mle_drift = z / sqrt(region->t[look]);
    out->median_unbiased_drift = drift_at(&problem, 0.5);
    out->drift.low = drift_at(&problem, (1 - level) / 2);
    out->drift.high = drift_at(&problem, (1 + level) / 2);
    return code;
}

struct pt_interval pt_gs_repeated_interval(double z, double z_upper, double t)
{
    if (!(t > 0) || isnan(z) || isnan(z_upper)) {
        return (struct pt_interval){NAN, NAN};
    }
    return (struct pt_interval){(z - z_upper) / sqrt(t), (z + z_upper) / sqrt(t)};
}

struct pt_gs_conditional pt_gs_conditional_power(double t, double z, double final_z, double drift)
{
    struct pt_gs_conditional result = {NAN, NAN, NAN, NAN};

    if (!(t > 0 && t < 1) || !isfinite(z) || !isfinite(final_z) || !isfinite(drift)) {
        return result;
    }
    double rest = 1 - t;
    double needed = final_z - z * sqrt(t); /* of B between t and 1 */

    result.under_drift = pt_norm_sf((needed - drift * rest) / sqrt(rest));
    result.under_trend = pt_norm_sf((needed - z / sqrt(t) * rest) / sqrt(rest));
    result.under_null = pt_norm_sf(needed / sqrt(rest));
    /* With a flat prior the drift is N(z/sqrt t, 1/t): B(1) - B(t) has variance rest/t. */
    result.predictive = pt_norm_sf((needed - z / sqrt(t) * rest) / sqrt(rest / t));
    return result;
}

enum pt_code pt_gs_conditional_exits(const struct pt_gs_region *region, size_t look, double z,
                                     double drift, double *upper_out, struct pt_error *err)
{
    struct pt_gs_walk walk = {0};
    enum pt_code code = check_look(region, look, z, err);

    if (!code && !isfinite(drift)) {
        code = pt_fail(err, PT_INVALID, "drift: %g is not a finite number", drift);
    }
    if (code) {
        return code;
    }
    double start = region->t[look];

    code = pt_gs_walk_init(&walk, start, z * sqrt(start), drift,
                           fmax(REACH_MIN, fabs(z) + REACH_MIN), err);
    for (size_t k = look + 1; !code && k < region->looks; k++) {
        double root = sqrt(region->t[k]);
        double high = region->z_upper[k] * root;

        upper_out[k - look - 1] = isinf(high) ? 0 : pt_gs_walk_above(&walk, region->t[k], high);
        if (k + 1 < region->looks) {
            code = pt_gs_walk_advance(&walk, region->t[k], region->t[k + 1],
                                      lower_of(region, k) * root, high, err);
        }
    }
    pt_gs_walk_release(&walk);
    return code;
}
