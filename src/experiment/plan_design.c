/*
 * plan_design.c - from a plan and a baseline to sizes and boundaries
 *
 * A share's fixed size is that of the arcsine approximation, a measured metric's that of the z
 * test. Looks inflate it by the drift that the boundaries need over the fixed one. An always-valid
 * test is given the size at which one look at the end alone has the power, which is an upper bound:
 * looking earlier only adds to it.
 */
#include "experiment/plan.h"

#include "stats/special.h"

#include <math.h>

static enum pt_code find_effect(const struct pt_plan *plan, struct pt_plan_basis basis,
                                struct pt_plan_design *out, struct pt_error *err)
{
    double size = plan->is_relative ? plan->effect * fabs(basis.baseline) : plan->effect;

    if (!isfinite(basis.baseline) || !(basis.sd > 0) || !isfinite(basis.sd)) {
        return pt_fail(err, PT_INVALID,
                       "the primary metric has baseline %g and standard deviation %g, which no "
                       "size can be worked out from: give \"baseline\" (and \"sd\" for measured "
                       "metrics) in minimum_effect",
                       basis.baseline, basis.sd);
    }
    if (!(size > 0)) {
        return pt_fail(err, PT_INVALID, "a relative minimum effect needs a baseline other than 0");
    }
    out->effect = pt_plan_sign(plan) * size;
    if (pt_plan_is_share(plan->metrics[0].kind) &&
        !(basis.baseline + out->effect > 0 && basis.baseline + out->effect < 1)) {
        return pt_fail(err, PT_INVALID,
                       "a baseline of %g and a minimum effect of %g give %g, which is no share "
                       "between 0 and 1",
                       basis.baseline, out->effect, basis.baseline + out->effect);
    }
    return PT_OK;
}

static enum pt_code fixed_sizes(const struct pt_plan *plan, struct pt_plan_basis basis,
                                struct pt_plan_design *out, double real_out[2],
                                struct pt_error *err)
{
    double ratio = plan->weight[1] / plan->weight[0];
    double variance = basis.sd * basis.sd;
    struct pt_sample_size size =
        pt_plan_is_share(plan->metrics[0].kind)
            ? pt_sample_size_arcsine(basis.baseline, basis.baseline + out->effect, plan->alpha,
                                     plan->power, ratio, plan->alternative)
            : pt_sample_size_z(out->effect, variance, variance, plan->alpha, plan->power, ratio,
                               plan->alternative);

    if (!isfinite(size.n_a) || !isfinite(size.n_b)) {
        return pt_fail(err, PT_INVALID, "no sample size reaches a power of %g", plan->power);
    }
    out->fixed[0] = size.n_a;
    out->fixed[1] = size.n_b;
    real_out[0] = size.n_a_real;
    real_out[1] = size.n_b_real;
    return PT_OK;
}

static double fixed_drift(const struct pt_plan *plan)
{
    return pt_norm_quantile_upper(plan->alpha / pt_plan_sided(plan)) +
           pt_norm_quantile_upper(1 - plan->power);
}

static enum pt_code sequential_bounds(const struct pt_plan *plan, struct pt_plan_design *out,
                                      struct pt_error *err)
{
    int sided = pt_plan_sided(plan);
    struct pt_gs_design design = {.spending = plan->spending,
                                  .alpha = plan->alpha,
                                  .sided = sided,
                                  .t = plan->looks,
                                  .looks = plan->look_count};
    struct pt_gs_futility futility = {.t = plan->looks,
                                      .looks = plan->look_count,
                                      .alpha = plan->alpha,
                                      .beta = 1 - plan->power,
                                      .alpha_spending = plan->spending,
                                      .beta_spending = plan->futility,
                                      .is_binding = plan->is_binding};
    struct pt_gs_region region = {.t = plan->looks,
                                  .z_upper = out->z_upper,
                                  .z_lower = plan->has_futility ? out->z_lower : NULL,
                                  .looks = plan->look_count,
                                  .sided = sided};
    enum pt_code code = PT_OK;

    if (plan->has_futility) {
        return pt_gs_futility(&futility, &out->drift, out->z_upper, out->z_lower, err);
    }
    code = pt_gs_bounds(&design, out->z_upper, NULL, err);
    return code ? code : pt_gs_drift_for_power(&region, plan->power, false, &out->drift, err);
}

/* Stopping by look, and the share of the largest sample that is used. */
static enum pt_code sequential_exits(const struct pt_plan *plan, struct pt_plan_design *out,
                                     struct pt_error *err)
{
    struct pt_gs_region region = {.t = plan->looks,
                                  .z_upper = out->z_upper,
                                  .z_lower = plan->has_futility ? out->z_lower : NULL,
                                  .looks = plan->look_count,
                                  .sided = pt_plan_sided(plan)};
    double lower[PT_PLAN_LOOKS_MAX] = {0};
    double total = out->units[0] + out->units[1];
    enum pt_code code = pt_gs_exits(&region, 0, out->exit_null, lower, &out->units_null, err);

    for (size_t i = 0; i < plan->look_count && !code && region.sided == 2; i++) {
        out->exit_null[i] += lower[i];
    }
    code = code
               ? code
               : pt_gs_exits(&region, out->drift, out->exit_effect, lower, &out->units_effect, err);
    out->units_null *= total;
    out->units_effect *= total;
    return code;
}

struct mixture {
    double variance;
    double tau2;
    double log_limit;
};

/* log lambda of the half-normal mixture at z, over its limit (pt_msprt_one_sided()). */
static double one_sided_gap(const void *ctx, double z)
{
    const struct mixture *m = ctx;
    double sum = m->variance + m->tau2;

    return 0.5 * log(m->variance / sum) + m->tau2 * z * z / (2 * sum) + log(2) +
           pt_norm_log_cdf(z * sqrt(m->tau2 / sum)) - m->log_limit;
}

double pt_plan_always_bound(const struct pt_plan *plan, double variance, double tau2)
{
    struct mixture mixture = {variance, tau2, log(1 / plan->alpha)};
    double two_sided = sqrt((variance + tau2) / tau2 *
                            (2 * mixture.log_limit + log((variance + tau2) / variance)));

    if (!(variance > 0) || !(tau2 > 0)) {
        return NAN;
    }
    /* A one-sided bound lies below the two-sided one: its mixture has all mass on one side. */
    return pt_plan_sided(plan) == 2 ? two_sided : pt_root(one_sided_gap, &mixture, 0, two_sided);
}

struct always {
    const struct pt_plan *plan;
    double se_fixed; /* at the fixed size */
    double effect;
    double tau2;
};

/* How far the drift at `inflation` times the fixed size lies above what the power needs. */
static double always_gap(const void *ctx, double inflation)
{
    const struct always *a = ctx;
    double variance = a->se_fixed * a->se_fixed / inflation;

    return a->effect / sqrt(variance) - pt_plan_always_bound(a->plan, variance, a->tau2) -
           pt_norm_quantile_upper(1 - a->plan->power);
}

enum pt_code pt_plan_design(const struct pt_plan *plan, struct pt_plan_basis basis,
                            struct pt_plan_design *out, struct pt_error *err)
{
    double real[2] = {0, 0};
    struct always always = {.plan = plan};
    enum pt_code code = PT_OK;

    memset(out, 0, sizeof(*out));
    out->inflation = 1;
    out->drift = fixed_drift(plan);
    out->z_upper[0] = pt_norm_quantile_upper(plan->alpha / pt_plan_sided(plan));
    for (size_t i = 0; i < PT_PLAN_LOOKS_MAX; i++) {
        out->z_lower[i] = -HUGE_VAL;
    }
    code = find_effect(plan, basis, out, err);
    code = code ? code : fixed_sizes(plan, basis, out, real, err);
    if (code) {
        return code;
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        code = sequential_bounds(plan, out, err);
        if (code) {
            return code;
        }
        out->inflation = pow(out->drift / fixed_drift(plan), 2);
    } else if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
        out->tau2 = out->effect * out->effect;
        always.effect = fabs(out->effect);
        always.se_fixed = always.effect / out->drift;
        always.tau2 = out->tau2;
        out->inflation = pt_root(always_gap, &always, 0.5, 1000);
        if (isnan(out->inflation)) {
            return pt_fail(err, PT_INVALID, "no sample size reaches a power of %g at alpha %g",
                           plan->power, plan->alpha);
        }
        out->drift *= sqrt(out->inflation);
    }
    for (size_t i = 0; i < 2; i++) {
        out->units[i] = ceil(real[i] * out->inflation - 1e-9);
    }
    out->se = fabs(out->effect) / out->drift;
    out->units_null = out->units_effect = out->units[0] + out->units[1];
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        code = sequential_exits(plan, out, err);
    } else if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
        out->z_upper[0] = pt_plan_always_bound(plan, out->se * out->se, out->tau2);
    }
    return code;
}
