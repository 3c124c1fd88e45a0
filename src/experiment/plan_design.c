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

#define UNITS_MAX 0x1p53

const double *pt_plan_weights(const struct pt_plan *plan, const char *epoch)
{
    for (size_t i = 0; i < plan->epoch_count; i++) {
        if (strcmp(plan->epochs[i].name, epoch) == 0) {
            return plan->epochs[i].weight;
        }
    }
    return plan->weight;
}

double pt_plan_next_look(const struct pt_plan *plan, double t)
{
    size_t i = 0;

    while (i + 1 < plan->look_count && plan->looks[i] <= t) {
        i++;
    }
    return plan->looks[i];
}

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

/* Each arm's share of `total`, rounded up but for the last digits; their sum. */
static double set_sizes(const struct pt_plan *plan, double total, double out[PT_PLAN_ARMS_MAX])
{
    double weights = 0;
    double sum = 0;

    for (size_t i = 0; i < plan->arm_count; i++) {
        weights += plan->weight[i];
    }
    for (size_t i = 0; i < plan->arm_count; i++) {
        sum += out[i] = ceil(total * (plan->weight[i] / weights) - 1e-9);
    }
    return sum;
}

struct comparison {
    const struct pt_plan *plan;
    double baseline;
    double variance;
    double effect;
};

/* One treatment against control. */
static struct pt_sample_size size_of(const void *ctx, double ratio, double alpha)
{
    const struct comparison *c = ctx;

    return pt_plan_is_share(c->plan->metrics[0].kind)
               ? pt_sample_size_arcsine(c->baseline, c->baseline + c->effect, alpha, c->plan->power,
                                        ratio, c->plan->alternative)
               : pt_sample_size_z(c->effect, c->variance, c->variance, alpha, c->plan->power, ratio,
                                  c->plan->alternative);
}

/* `total_out`: units of all arms, not rounded. */
static enum pt_code fixed_sizes(const struct pt_plan *plan, struct pt_plan_basis basis,
                                struct pt_plan_design *out, double *total_out, struct pt_error *err)
{
    struct comparison c = {plan, basis.baseline, basis.sd * basis.sd, out->effect};
    /* A covariate leaves 1 - rho^2 of the variance: Deng et al., WSDM 2013, 3. */
    double rho = plan->metrics[0].cuped.correlation;
    struct pt_arms_size size = pt_sample_size_arms(
        plan->weight, plan->arm_count, PT_CONTROL_VS_ALL,
        plan->treatment_correction != PT_PLAN_NO_CORRECTION, plan->alpha, size_of, &c, out->fixed);

    if (!isfinite(size.n_total)) {
        return pt_fail(err, PT_INVALID, "no sample size reaches a power of %g", plan->power);
    }
    if (size.n_total > UNITS_MAX) {
        return pt_fail(err, PT_INVALID,
                       "the effect %g would need %.3g units; sizes are exact up to 2^53 of them, "
                       "and no game has so many players",
                       out->effect, size.n_total);
    }
    *total_out = size.n_total_real * (1 - rho * rho);
    set_sizes(plan, *total_out, out->fixed);
    return PT_OK;
}

static double fixed_drift(const struct pt_plan *plan, const struct pt_plan_design *out)
{
    return pt_norm_quantile_upper(out->alpha / pt_plan_sided(plan)) +
           pt_norm_quantile_upper(1 - plan->power);
}

static enum pt_code sequential_bounds(const struct pt_plan *plan, struct pt_plan_design *out,
                                      struct pt_error *err)
{
    int sided = pt_plan_sided(plan);
    struct pt_gs_design design = {.spending = plan->spending,
                                  .alpha = out->alpha,
                                  .sided = sided,
                                  .t = plan->looks,
                                  .looks = plan->look_count};
    struct pt_gs_futility futility = {.t = plan->looks,
                                      .looks = plan->look_count,
                                      .alpha = out->alpha,
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
    enum pt_code code = pt_gs_exits(&region, 0, out->exit_null, lower, &out->units_null, err);

    for (size_t i = 0; i < plan->look_count && !code && region.sided == 2; i++) {
        out->exit_null[i] += lower[i];
    }
    code = code
               ? code
               : pt_gs_exits(&region, out->drift, out->exit_effect, lower, &out->units_effect, err);
    /* Of several treatments one may end before the others: `simulate` says what that comes to. */
    out->units_null *= plan->arm_count > 2 ? NAN : out->units_total;
    out->units_effect *= plan->arm_count > 2 ? NAN : out->units_total;
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

double pt_plan_always_bound(const struct pt_plan *plan, double alpha, double variance, double tau2)
{
    struct mixture mixture = {variance, tau2, log(1 / alpha)};
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
    double alpha;
    double se_fixed; /* at the fixed size */
    double effect;
    double tau2;
};

/* How far the drift at `inflation` times the fixed size lies above what the power needs. */
static double always_gap(const void *ctx, double inflation)
{
    const struct always *a = ctx;
    double variance = a->se_fixed * a->se_fixed / inflation;

    return a->effect / sqrt(variance) - pt_plan_always_bound(a->plan, a->alpha, variance, a->tau2) -
           pt_norm_quantile_upper(1 - a->plan->power);
}

enum pt_code pt_plan_design(const struct pt_plan *plan, struct pt_plan_basis basis,
                            struct pt_plan_design *out, struct pt_error *err)
{
    double total = 0;
    struct always always = {.plan = plan, .alpha = pt_plan_alpha_each(plan)};
    enum pt_code code = PT_OK;

    memset(out, 0, sizeof(*out));
    out->inflation = 1;
    out->alpha = always.alpha;
    out->drift = fixed_drift(plan, out);
    out->z_upper[0] = pt_norm_quantile_upper(out->alpha / pt_plan_sided(plan));
    for (size_t i = 0; i < PT_PLAN_LOOKS_MAX; i++) {
        out->z_lower[i] = -HUGE_VAL;
    }
    code = find_effect(plan, basis, out, err);
    code = code ? code : fixed_sizes(plan, basis, out, &total, err);
    if (code) {
        return code;
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        code = sequential_bounds(plan, out, err);
        if (code) {
            return code;
        }
        out->inflation = pow(out->drift / fixed_drift(plan, out), 2);
    } else if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
        out->tau2 = out->effect * out->effect;
        always.effect = fabs(out->effect);
        always.se_fixed = always.effect / out->drift;
        always.tau2 = out->tau2;
        out->inflation = pt_root(always_gap, &always, 0.5, 1000);
        if (isnan(out->inflation)) {
            return pt_fail(err, PT_INVALID, "no sample size reaches a power of %g at alpha %g",
                           plan->power, out->alpha);
        }
        out->drift *= sqrt(out->inflation);
    }
    out->units_total = set_sizes(plan, total * out->inflation, out->units);
    out->se = fabs(out->effect) / out->drift;
    out->units_null = out->units_effect = out->units_total;
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        code = sequential_exits(plan, out, err);
    } else if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
        out->z_upper[0] = pt_plan_always_bound(plan, out->alpha, out->se * out->se, out->tau2);
    }
    return code;
}
