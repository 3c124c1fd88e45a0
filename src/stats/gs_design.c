/*
 * gs_design.c - spending functions, boundaries, classical shapes
 */
#include "stats/group_sequential.h"

#include "stats/gs_check.h"
#include "stats/gs_walk.h"
#include "stats/special.h"

#include <math.h>

#define REACH_MIN 9.0  /* 1e-19 of the mass is further out */
#define REACH_MAX 38.0 /* and there is nothing at all */

double pt_gs_spent(const struct pt_spending *spending, double alpha, int sided, double t)
{
    double gamma = spending->param;

    if (!(t >= 0) || !(alpha > 0 && alpha < 1) || (sided != 1 && sided != 2)) {
        return NAN;
    }
    if (spending->kind != PT_SPEND_USER && (t == 0 || t >= 1)) {
        return t == 0 ? 0 : alpha;
    }
    switch (spending->kind) {
    case PT_SPEND_LAN_DEMETS_OBF:
        return sided * (2 * pt_norm_sf(pt_norm_quantile_upper(alpha / sided / 2) / sqrt(t)));
    case PT_SPEND_LAN_DEMETS_OBF_TOTAL:
        return 2 * pt_norm_sf(pt_norm_quantile_upper(alpha / 2) / sqrt(t));
    case PT_SPEND_LAN_DEMETS_POCOCK:
        return alpha * log1p((exp(1) - 1) * t);
    case PT_SPEND_HWANG_SHIH_DECANI:
        if (!isfinite(gamma)) {
            return NAN;
        }
        return gamma == 0 ? alpha * t : alpha * (expm1(-gamma * t) / expm1(-gamma));
    case PT_SPEND_KIM_DEMETS:
        return gamma > 0 ? alpha * pow(t, gamma) : NAN;
    case PT_SPEND_USER:
        return NAN;
    }
    return NAN;
}

enum pt_code pt_gs_check_looks(const double *t, size_t looks, struct pt_error *err)
{
    if (looks < 1 || looks > PT_GS_LOOKS_MAX) {
        return pt_fail(err, PT_INVALID, "t: %zu looks; 1 to %d are wanted", looks, PT_GS_LOOKS_MAX);
    }
    for (size_t k = 0; k < looks; k++) {
        double before = k > 0 ? t[k - 1] : 0;

        if (!(t[k] > 0) || !isfinite(t[k])) {
            return pt_fail(err, PT_INVALID, "t[%zu]: %g is not a number above 0", k, t[k]);
        }
        if (!(t[k] > before)) {
            return pt_fail(err, PT_INVALID,
                           "t[%zu]: %g comes after %g; information must rise from look to look", k,
                           t[k], before);
        }
        if (!(t[k] - before >= PT_GS_STEP_MIN * t[k])) {
            return pt_fail(err, PT_INVALID,
                           "t[%zu]: %.9g is too close to %.9g; information must rise by at least "
                           "%g of itself, so leave one of the two looks out",
                           k, t[k], before, PT_GS_STEP_MIN);
        }
    }
    return PT_OK;
}

enum pt_code pt_gs_check_alpha(const char *name, double alpha, struct pt_error *err)
{
    if (!(alpha > 0 && alpha < 1)) {
        return pt_fail(err, PT_INVALID, "%s: %g is not above 0 and below 1", name, alpha);
    }
    return PT_OK;
}

enum pt_code pt_gs_check_sided(int sided, struct pt_error *err)
{
    if (sided != 1 && sided != 2) {
        return pt_fail(err, PT_INVALID, "sided: %d is neither 1 nor 2", sided);
    }
    return PT_OK;
}

enum pt_code pt_gs_cumulative(const struct pt_spending *spending, double alpha, int sided,
                              const double *t, size_t looks, double *out, struct pt_error *err)
{
    bool is_user = spending->kind == PT_SPEND_USER;

    if (is_user && spending->cumulative_count != looks) {
        return pt_fail(err, PT_INVALID, "spending.cumulative: %zu values for %zu looks",
                       spending->cumulative_count, looks);
    }
    for (size_t k = 0; k < looks; k++) {
        double before = k > 0 ? out[k - 1] : 0;

        out[k] = is_user ? spending->cumulative[k] : pt_gs_spent(spending, alpha, sided, t[k]);
        if (isnan(out[k])) {
            return pt_fail(err, PT_INVALID,
                           is_user ? "spending.cumulative[%zu] is not a number"
                                   : "spending: its param is not one for it, or t[%zu] is below 0",
                           k);
        }
        if (!(out[k] >= before) || out[k] > alpha * (1 + 1e-12)) {
            return pt_fail(err, PT_INVALID,
                           "spending: %g is spent at look %zu after %g; it must not fall nor pass "
                           "%g",
                           out[k], k + 1, before, alpha);
        }
    }
    return PT_OK;
}

/* How far out nodes are needed: past the most extreme bound that any look will ask for. */
static double reach_for(const double *cumulative, size_t looks, int sided)
{
    double least = 1;

    for (size_t k = 0; k < looks; k++) {
        double increment = cumulative[k] - (k > 0 ? cumulative[k - 1] : 0);

        if (increment > 0) {
            least = fmin(least, increment / sided);
        }
    }
    return fmin(REACH_MAX, fmax(REACH_MIN, pt_norm_quantile_upper(fmax(least, 1e-300)) + 2));
}

/* The bounds of a look: c, and what the region between them is. */
static enum pt_code step(struct pt_gs_walk *walk, const double *t, size_t k, size_t looks,
                         double z_lower, double z_upper, struct pt_error *err)
{
    double root = sqrt(t[k]);

    if (k + 1 == looks) {
        return PT_OK;
    }
    return pt_gs_walk_advance(walk, t[k], t[k + 1], z_lower * root, z_upper * root, err);
}

enum pt_code pt_gs_bounds(const struct pt_gs_design *design, double *z_out, double *cumulative_out,
                          struct pt_error *err)
{
    double cumulative[PT_GS_LOOKS_MAX] = {0};
    struct pt_gs_walk walk = {0};
    size_t looks = design->looks;
    enum pt_code code = pt_gs_check_looks(design->t, looks, err);

    if (!code) {
        code = pt_gs_check_alpha("alpha", design->alpha, err);
    }
    if (!code) {
        code = pt_gs_check_sided(design->sided, err);
    }
    if (!code) {
        code = pt_gs_cumulative(&design->spending, design->alpha, design->sided,
                                design->spending_t ? design->spending_t : design->t, looks,
                                cumulative, err);
    }
    if (code) {
        return code;
    }
    code = pt_gs_walk_init(&walk, 0, 0, 0, reach_for(cumulative, looks, design->sided), err);
    for (size_t k = 0; !code && k < looks; k++) {
        double increment = cumulative[k] - (k > 0 ? cumulative[k - 1] : 0);
        double b = pt_gs_walk_solve_above(&walk, design->t[k], increment / design->sided);

        z_out[k] = b / sqrt(design->t[k]);
        if (isnan(b)) {
            code =
                pt_fail(err, PT_INVALID, "look %zu: %g cannot be spent any more", k + 1, increment);
            break;
        }
        code = step(&walk, design->t, k, looks, design->sided == 2 ? -z_out[k] : -INFINITY,
                    z_out[k], err);
        if (cumulative_out) {
            cumulative_out[k] = cumulative[k];
        }
    }
    pt_gs_walk_release(&walk);
    return code;
}

/* ---- classical shapes ---- */

struct shape_problem {
    const double *t;
    const double *z_lower;
    size_t looks;
    int sided;
    double shape;
    double alpha;
    enum pt_code *code;
    struct pt_error *err;
};

static double shape_factor(const struct shape_problem *p, size_t k)
{
    return pow(p->t[k] / p->t[p->looks - 1], p->shape - 0.5);
}

/* The total error of the bounds C times the shape, less alpha. */
static double shape_excess(const void *ctx, double constant)
{
    const struct shape_problem *p = ctx;
    struct pt_gs_walk walk;
    double sum = 0;

    if (*p->code) {
        return 0; /* ends the search */
    }
    *p->code = pt_gs_walk_init(&walk, 0, 0, 0, REACH_MIN, p->err);
    for (size_t k = 0; !*p->code && k < p->looks; k++) {
        double z = constant * shape_factor(p, k);
        double lower = p->sided == 2                    ? -z
                       : p->z_lower && k + 1 < p->looks ? p->z_lower[k]
                                                        : -INFINITY;

        sum += p->sided * pt_gs_walk_above(&walk, p->t[k], z * sqrt(p->t[k]));
        *p->code = step(&walk, p->t, k, p->looks, lower, z, p->err);
    }
    pt_gs_walk_release(&walk);
    return *p->code ? 0 : sum - p->alpha;
}

enum pt_code pt_gs_classical(const double *t, size_t looks, double alpha, int sided, double shape,
                             const double *z_lower, double *constant_out, double *z_out,
                             struct pt_error *err)
{
    enum pt_code code = pt_gs_check_looks(t, looks, err);
    struct shape_problem problem = {t, z_lower, looks, sided, shape, alpha, &code, err};

    if (!code) {
        code = pt_gs_check_alpha("alpha", alpha, err);
    }
    if (!code) {
        code = pt_gs_check_sided(sided, err);
    }
    if (!code && !isfinite(shape)) {
        code = pt_fail(err, PT_INVALID, "delta: %g is not a finite number", shape);
    }
    if (!code && z_lower && sided == 2) {
        code = pt_fail(err, PT_INVALID, "z_lower: fixed futility bounds go with sided 1");
    }
    if (code) {
        return code;
    }
    /*
     * At the last look the bound is C, so C is at least that of one look (unless futility takes
     * mass away); and at most that of Bonferroni, lifted where the shape starts below C.
     */
    double least = fmin(1, shape_factor(&problem, 0));
    double low = z_lower ? 0 : pt_norm_quantile_upper(alpha / sided);
    double high = pt_norm_quantile_upper(alpha / sided / (double)looks) / least + 1e-9;
    double constant =
        looks == 1 ? pt_norm_quantile_upper(alpha / sided)
                   : pt_root_rough(shape_excess, &problem, fmin(low - 1e-9, high - 1e-3), high);

    if (!code && isnan(constant)) {
        code = pt_fail(err, PT_INVALID, "no boundary of that shape has a total error of %g", alpha);
    }
    if (code) {
        return code;
    }
    *constant_out = constant;
    for (size_t k = 0; k < looks; k++) {
        z_out[k] = constant * shape_factor(&problem, k);
    }
    return PT_OK;
}

enum pt_code pt_gs_haybittle_peto(const double *t, size_t looks, double alpha, int sided,
                                  double interim_z, double *final_z_out, double *spent_out,
                                  struct pt_error *err)
{
    struct pt_gs_walk walk = {0};
    double spent = 0;
    enum pt_code code = pt_gs_check_looks(t, looks, err);

    if (!code) {
        code = pt_gs_check_alpha("alpha", alpha, err);
    }
    if (!code) {
        code = pt_gs_check_sided(sided, err);
    }
    if (!code && !(interim_z > 0)) {
        code = pt_fail(err, PT_INVALID, "interim_z: %g is not above 0", interim_z);
    }
    if (code) {
        return code;
    }
    code = pt_gs_walk_init(&walk, 0, 0, 0, REACH_MIN + 3, err);
    for (size_t k = 0; !code && k + 1 < looks; k++) {
        spent += sided * pt_gs_walk_above(&walk, t[k], interim_z * sqrt(t[k]));
        code = step(&walk, t, k, looks, sided == 2 ? -interim_z : -INFINITY, interim_z, err);
    }
    if (!code && spent >= alpha) {
        code = pt_fail(err, PT_INVALID,
                       "interim_z: %g spends %g before the last look, and alpha is %g", interim_z,
                       spent, alpha);
    }
    if (!code) {
        double b = pt_gs_walk_solve_above(&walk, t[looks - 1], (alpha - spent) / sided);

        *final_z_out = b / sqrt(t[looks - 1]);
        *spent_out = spent;
    }
    pt_gs_walk_release(&walk);
    return code;
}
