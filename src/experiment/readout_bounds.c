/*
 * readout_bounds.c - boundaries at the looks as they were, and inference after stopping
 *
 * A bound at a look comes from the looks as they were, not as they were planned: error spending
 * gives up at the information that there is, and no more than that. Each treatment has its own
 * looks, at the level that the plan gives one comparison (Bonferroni's split of alpha: Follmann,
 * Proschan, Geller, Biometrics 50 (1994) 325-336).
 */
#include "experiment/readout_metric.h"
#include "stats/special.h"

#include <math.h>

struct bound_search {
    double t[PT_GS_LOOKS_MAX];
    double upper[PT_GS_LOOKS_MAX];
    double lower[PT_GS_LOOKS_MAX];
    double up[PT_GS_LOOKS_MAX];
    double down[PT_GS_LOOKS_MAX];
    size_t looks;
    double alpha_spent; /* before this look */
    double beta_spent;
    double drift;
    double mass; /* the exit probability that is looked for */
    bool is_lower;
    enum pt_code code;
    struct pt_error *err;
};

/* The treatment's looks so far, each with more information than the one before. */
static void take_looks(struct bound_search *b, const struct pt_started *s, size_t treatment)
{
    for (size_t i = 0; i < s->look_count; i++) {
        const struct pt_look_arm *arm = &s->looks[i].arms[treatment];

        if (arm->t > (b->looks > 0 ? b->t[b->looks - 1] : 0)) {
            b->t[b->looks] = arm->t;
            b->upper[b->looks] = arm->z_upper;
            b->lower[b->looks] = s->plan.has_futility ? arm->z_lower : -HUGE_VAL;
            b->alpha_spent = arm->alpha_spent;
            b->beta_spent = arm->beta_spent;
            b->looks++;
        }
    }
}

static double exit_gap(const void *ctx, double z)
{
    struct bound_search *b = (struct bound_search *)(uintptr_t)ctx;
    struct pt_gs_region region = {b->t, b->upper, b->lower, b->looks, 1};
    double *place = b->is_lower ? &b->lower[b->looks - 1] : &b->upper[b->looks - 1];
    double kept = *place;

    *place = z;
    if (!b->code) {
        b->code = pt_gs_exits(&region, b->drift, b->up, b->down, NULL, b->err);
    }
    *place = kept;
    return b->code ? 0 : (b->is_lower ? b->down[b->looks - 1] : b->up[b->looks - 1]) - b->mass;
}

static enum pt_code find_upper(struct bound_search *b, const struct pt_started *s,
                               struct pt_look_arm *arm)
{
    const struct pt_plan *plan = &s->plan;
    struct pt_gs_design design = {.spending = plan->spending,
                                  .alpha = s->design.alpha,
                                  .sided = pt_plan_sided(plan),
                                  .t = b->t,
                                  .looks = b->looks};

    arm->alpha_spent = pt_gs_spent(&plan->spending, design.alpha, design.sided, fmin(arm->t, 1));
    if (plan->has_futility && plan->is_binding) {
        b->mass = arm->alpha_spent - b->alpha_spent;
        b->upper[b->looks - 1] = HUGE_VAL;
        b->upper[b->looks - 1] = b->mass > 0 ? pt_root(exit_gap, b, -8, 38) : HUGE_VAL;
    } else {
        /* Bounds of the looks before are found again here as they were recorded. */
        b->code = pt_gs_bounds(&design, b->upper, NULL, b->err);
    }
    arm->z_upper = b->upper[b->looks - 1];
    if (!b->code && isnan(arm->z_upper)) {
        b->code = pt_fail(b->err, PT_INVALID, "no boundary can be found at information %g", arm->t);
    }
    return b->code;
}

static enum pt_code find_lower(struct bound_search *b, const struct pt_started *s,
                               struct pt_look_arm *arm)
{
    const struct pt_plan *plan = &s->plan;

    arm->beta_spent = pt_gs_spent(&plan->futility, 1 - plan->power, 1, fmin(arm->t, 1));
    b->mass = arm->beta_spent - b->beta_spent;
    b->drift = s->design.drift;
    b->is_lower = true;
    arm->z_lower = b->mass > 0 ? pt_root(exit_gap, b, -38, fmin(arm->z_upper, 38)) : -HUGE_VAL;
    /* Not even the bound itself spends so much: then it is the bound. */
    if (isnan(arm->z_lower) || arm->t >= 1) {
        arm->z_lower = arm->z_upper;
    }
    return b->code;
}

enum pt_code pt_readout_bounds(struct pt_readout *r, size_t treatment, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    struct pt_look_arm *arm = &r->look.arms[treatment];
    struct bound_search *b = pt_alloc_zero(sizeof(*b));
    enum pt_code code = PT_OK;

    if (!b || s->look_count + 1 > PT_GS_LOOKS_MAX) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the boundaries");
        goto out;
    }
    b->err = err;
    take_looks(b, s, treatment);
    b->t[b->looks] = arm->t;
    b->lower[b->looks++] = -HUGE_VAL;
    code = find_upper(b, s, arm);
    if (!code && s->plan.has_futility) {
        code = find_lower(b, s, arm);
    }

out:
    pt_free(b);
    return code;
}

enum pt_code pt_readout_after_stop(struct pt_readout *r, size_t treatment, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    const struct pt_look_arm *arm = &r->look.arms[treatment];
    struct bound_search *b = pt_alloc_zero(sizeof(*b));
    struct pt_gs_region region = {.sided = pt_plan_sided(&s->plan)};
    enum pt_code code = PT_OK;

    if (!b) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the estimate");
    }
    take_looks(b, s, treatment);
    b->t[b->looks] = arm->t;
    b->upper[b->looks] = arm->z_upper;
    b->lower[b->looks] = arm->z_lower;
    region.t = b->t;
    region.z_upper = b->upper;
    region.z_lower = s->plan.has_futility && s->plan.is_binding ? b->lower : NULL;
    region.looks = b->looks + 1;
    code = pt_gs_stagewise(&region, b->looks, pt_plan_directed(&s->plan, arm->z),
                           1 - s->design.alpha, &r->stagewise[treatment], err);
    r->has_stagewise[treatment] = !code;
    pt_free(b);
    return code;
}

double pt_readout_stagewise_p(const struct pt_readout *r, size_t treatment)
{
    const struct pt_gs_stagewise *stagewise = &r->stagewise[treatment];

    return pt_plan_sided(&r->started->plan) == 2 ? stagewise->p_two_sided : stagewise->p_upper;
}

/* From the drift at t = 1 to the effect, by this look's own standard error. */
double pt_readout_stagewise_effect(const struct pt_readout *r, size_t treatment)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_look_arm *arm = &r->look.arms[treatment];
    double sign = pt_plan_sided(plan) == 2 ? copysign(1, arm->z) : pt_plan_sign(plan);

    return r->stagewise[treatment].median_unbiased_drift * arm->se * sqrt(arm->t) * sign;
}
