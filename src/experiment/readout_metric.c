/*
 * readout_metric.c - the tests of a readout's metrics
 */
#include "experiment/readout_metric.h"

#include "stats/special.h"

#include <math.h>
#include <stdio.h>

#define FAMILY_MAX ((PT_PLAN_METRICS_MAX - 1) * PT_PLAN_TREATMENTS_MAX)

/* ---- one comparison ---- */

/* What one stratum gives; null_variance is the pooled one of shares, else that of the estimate. */
struct part {
    double value[2];
    double variance[2];
    double estimate;
    double null_variance;
    double df;
    double unadjusted_variance;
};

static struct part part_of_shares(const struct pt_moments *arms)
{
    struct pt_proportion a = pt_moments_proportion(&arms[0]);
    struct pt_proportion b = pt_moments_proportion(&arms[1]);
    double p = a.successes / a.size;
    double q = b.successes / b.size;
    double pooled = (a.successes + b.successes) / (a.size + b.size);

    return (struct part){.value = {p, q},
                         .variance = {p * (1 - p) / a.size, q * (1 - q) / b.size},
                         .estimate = q - p,
                         .null_variance = pooled * (1 - pooled) * (1 / a.size + 1 / b.size),
                         .df = HUGE_VAL,
                         .unadjusted_variance = NAN};
}

static struct part part_of_ratios(const struct pt_moments *arms)
{
    struct pt_ratio_arm a = pt_moments_ratio(&arms[0]);
    struct pt_ratio_arm b = pt_moments_ratio(&arms[1]);
    struct pt_ratio_test test = pt_ratio_metric(&a, &b, PT_TWO_SIDED, 0.95);

    return (struct part){.value = {test.ratio_a, test.ratio_b},
                         .variance = {test.se_a * test.se_a, test.se_b * test.se_b},
                         .estimate = test.difference.estimate,
                         .null_variance = test.difference.se * test.difference.se,
                         .df = HUGE_VAL,
                         .unadjusted_variance = NAN};
}

static struct part part_of_means(const struct pt_plan_metric *metric, const struct pt_moments *arms)
{
    struct pt_sample a = pt_moments_sample(&arms[0]);
    struct pt_sample b = pt_moments_sample(&arms[1]);
    struct pt_mean_test test;
    double unadjusted = NAN;

    if (metric->cuped.days > 0) {
        struct pt_cuped_arm with_a = pt_moments_cuped(&arms[0]);
        struct pt_cuped_arm with_b = pt_moments_cuped(&arms[1]);
        struct pt_cuped cuped = pt_cuped(&with_a, &with_b, PT_THETA_WITHIN, PT_TWO_SIDED, 0.95);

        unadjusted = cuped.unadjusted_se * cuped.unadjusted_se;
        a = cuped.a;
        b = cuped.b;
    }
    test = pt_t_test(a, b, false, PT_TWO_SIDED, 0.95);
    return (struct part){.value = {a.mean, b.mean},
                         .variance = {a.variance / a.size, b.variance / b.size},
                         .estimate = test.estimate,
                         .null_variance = test.se * test.se,
                         .df = test.df,
                         .unadjusted_variance = unadjusted};
}

static struct part part_of(const struct pt_plan_metric *metric, const struct pt_moments *arms)
{
    if (metric->kind == PT_PLAN_RATIO) {
        return part_of_ratios(arms);
    }
    return pt_plan_is_share(metric->kind) && metric->cuped.days == 0 ? part_of_shares(arms)
                                                                     : part_of_means(metric, arms);
}

static const char *no_test(const double units[2], double variance)
{
    if (units[0] == 0 && units[1] == 0) {
        return "no unit's window has passed yet";
    }
    if (units[0] < 2 || units[1] < 2) {
        return "an arm has fewer than two units whose window has passed";
    }
    return variance == 0 ? "every unit has the same value: there is nothing to compare"
                         : "no standard error: nothing to divide by, or values out of range";
}

/* The value of an arm without a test beside it. */
static double plain_value(const struct pt_plan_metric *metric, const struct pt_moments *arm)
{
    double of = metric->kind == PT_PLAN_RATIO ? arm->mean_y : 1;

    return arm->n > 0 && of != 0 ? arm->mean_x / of : NAN;
}

void pt_readout_metric_test(const struct pt_plan_metric *metric, const struct pt_stratum *strata,
                            size_t count, struct pt_readout_metric *out)
{
    struct pt_moments all[2] = {{0}};
    double weights = 0;
    double null_variance = 0;
    double unadjusted = 0;
    double variance = 0;

    *out = (struct pt_readout_metric){.z = NAN,
                                      .df = HUGE_VAL,
                                      .reduced = NAN,
                                      .is_plain = count == 1 && metric->cuped.days == 0,
                                      .p_value = NAN,
                                      .p_adjusted = NAN,
                                      .level = NAN,
                                      .interval = {NAN, NAN}};
    for (size_t i = 0; i < count; i++) {
        const struct pt_moments *arms = strata[i].arms;
        double weight = arms[0].n * arms[1].n / (arms[0].n + arms[1].n);
        struct part part;

        pt_moments_add(&all[0], &arms[0]);
        pt_moments_add(&all[1], &arms[1]);
        if (arms[0].n < 2 || arms[1].n < 2) {
            continue;
        }
        part = part_of(metric, arms);
        for (int arm = 0; arm < 2; arm++) {
            out->value[arm] += weight * part.value[arm];
            out->variance[arm] += weight * weight * part.variance[arm];
        }
        out->estimate += weight * part.estimate;
        null_variance += weight * weight * part.null_variance;
        unadjusted += weight * weight * part.unadjusted_variance;
        out->df = count == 1 ? part.df : HUGE_VAL;
        weights += weight;
    }
    out->units[0] = all[0].n;
    out->units[1] = all[1].n;
    for (int arm = 0; arm < 2; arm++) {
        out->value[arm] = weights > 0 ? out->value[arm] / weights : plain_value(metric, &all[arm]);
        out->variance[arm] /= weights * weights;
    }
    out->estimate = weights > 0 ? out->estimate / weights : out->value[1] - out->value[0];
    variance = out->variance[0] + out->variance[1];
    out->se = sqrt(variance);
    out->uplift = out->value[0] != 0 ? out->estimate / fabs(out->value[0]) : NAN;
    if (metric->cuped.days > 0) {
        out->reduced = 1 - variance * weights * weights / unadjusted;
    }
    null_variance /= weights * weights;
    if (weights > 0 && null_variance > 0) {
        out->z = out->estimate / sqrt(null_variance);
    }
    if (!isfinite(out->z)) {
        out->z = NAN;
        snprintf(out->note, sizeof(out->note), "%s", no_test(out->units, null_variance));
    }
}

static bool is_same_ratio(const struct pt_plan *plan, const double *a, const double *b)
{
    for (size_t i = 1; i < plan->arm_count; i++) {
        if (a[i] * b[0] != b[i] * a[0]) {
            return false;
        }
    }
    return true;
}

size_t pt_readout_strata_of(const struct pt_plan *plan, const struct pt_measure *measure,
                            size_t out[PT_MEASURE_EPOCHS_MAX])
{
    const double *ratios[PT_MEASURE_EPOCHS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < measure->epoch_count; i++) {
        const double *ratio = pt_plan_weights(plan, measure->epochs[i].name);

        for (out[i] = 0; out[i] < count && !is_same_ratio(plan, ratios[out[i]], ratio);) {
            out[i]++;
        }
        if (out[i] == count) {
            ratios[count++] = ratio;
        }
    }
    return count > 0 ? count : 1;
}

size_t pt_readout_strata(const struct pt_plan *plan, const struct pt_measure *measure,
                         size_t metric, size_t treatment,
                         struct pt_stratum out[PT_MEASURE_EPOCHS_MAX])
{
    size_t place[PT_MEASURE_EPOCHS_MAX];
    size_t count = pt_readout_strata_of(plan, measure, place);

    if (count == 1) {
        out[0] = (struct pt_stratum){
            {measure->metrics[metric][0], measure->metrics[metric][treatment + 1]}};
        return 1;
    }
    memset(out, 0, count * sizeof(*out));
    for (size_t i = 0; i < measure->epoch_count; i++) {
        const struct pt_moments *arms = &measure->epochs[i].metrics[metric * PT_PLAN_ARMS_MAX];

        pt_moments_add(&out[place[i]].arms[0], &arms[0]);
        pt_moments_add(&out[place[i]].arms[1], &arms[treatment + 1]);
    }
    return count;
}

void pt_readout_metric_tests(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_stratum strata[PT_MEASURE_EPOCHS_MAX];

    for (size_t i = 0; i < plan->metric_count; i++) {
        for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
            size_t count = pt_readout_strata(plan, &r->measure, i, k, strata);

            pt_readout_metric_test(&plan->metrics[i], strata, count, &r->metrics[i][k]);
        }
    }
}

struct pt_msprt pt_readout_msprt(enum pt_alternative alternative, double alpha, double estimate,
                                 double se, double tau2)
{
    double variance = se * se;
    struct pt_msprt test = pt_msprt(estimate, variance, tau2, 0, alpha);

    if (alternative != PT_TWO_SIDED) {
        double sign = alternative == PT_SMALLER ? -1 : 1;
        double u = sign * estimate * sqrt(tau2 / (variance * (variance + tau2)));

        test.log_lambda += log(2) + pt_norm_log_cdf(u);
        test.p_value = fmin(1, exp(-test.log_lambda));
    }
    return test;
}

/* ---- p and intervals ---- */

static double tail(double z, double df)
{
    return isfinite(df) ? pt_t_sf(z, df) : pt_norm_sf(z);
}

/* An interval of the kind's own at `level`, two-sided. */
static struct pt_interval interval_of(const struct pt_readout *r, size_t i, size_t k, double level)
{
    const struct pt_readout_metric *m = &r->metrics[i][k];
    const struct pt_moments *arms = r->measure.metrics[i];
    double q = isfinite(m->df) ? pt_t_quantile_upper((1 - level) / 2, m->df)
                               : pt_norm_quantile_upper((1 - level) / 2);

    if (pt_plan_is_share(r->started->plan.metrics[i].kind) && m->is_plain) {
        return pt_prop_diff_interval(pt_moments_proportion(&arms[0]),
                                     pt_moments_proportion(&arms[k + 1]), level, PT_DIFF_NEWCOMBE);
    }
    return (struct pt_interval){m->estimate - q * m->se, m->estimate + q * m->se};
}

double pt_readout_primary_p(const struct pt_readout *r, size_t k)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_readout_metric *m = &r->metrics[0][k];
    /* Looks have bounds on z: the normal distribution there, whatever the values are. */
    double df = plan->analysis == PT_PLAN_FIXED ? m->df : HUGE_VAL;

    return plan->alternative == PT_TWO_SIDED ? fmin(1, 2 * tail(fabs(m->z), df))
                                             : tail(pt_plan_sign(plan) * m->z, df);
}

enum pt_code pt_readout_adjust(const struct pt_plan *plan, const double *p, double *adjusted_out,
                               struct pt_error *err)
{
    memcpy(adjusted_out, p, pt_plan_treatments(plan) * sizeof(*p));
    if (plan->treatment_correction == PT_PLAN_NO_CORRECTION) {
        return PT_OK;
    }
    return pt_p_adjust(p, pt_plan_treatments(plan),
                       plan->treatment_correction == PT_PLAN_HOLM ? PT_ADJUST_HOLM
                                                                  : PT_ADJUST_BONFERRONI,
                       adjusted_out, err);
}

/* The level of each treatment's interval: at a final look it agrees with the adjusted p. */
static enum pt_code interval_alphas(const struct pt_plan *plan, const double *p, double *out,
                                    struct pt_error *err)
{
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        out[k] = pt_plan_alpha_each(plan);
    }
    return plan->analysis == PT_PLAN_FIXED && plan->treatment_correction == PT_PLAN_HOLM
               ? pt_interval_alpha(p, pt_plan_treatments(plan), PT_ADJUST_HOLM, plan->alpha, out,
                                   err)
               : PT_OK;
}

static enum pt_code primary(struct pt_readout *r, struct pt_error *err)
{
    const struct pt_plan *plan = &r->started->plan;
    double p[PT_PLAN_TREATMENTS_MAX];
    double adjusted[PT_PLAN_TREATMENTS_MAX];
    double alphas[PT_PLAN_TREATMENTS_MAX];
    enum pt_code code = PT_OK;

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        p[k] = plan->analysis == PT_PLAN_ALWAYS_VALID ? r->look.arms[k].p_value
                                                      : pt_readout_primary_p(r, k);
        p[k] = isfinite(r->metrics[0][k].z) ? p[k] : NAN;
    }
    code = pt_readout_adjust(plan, p, adjusted, err);
    code = code ? code : interval_alphas(plan, p, alphas, err);
    for (size_t k = 0; k < pt_plan_treatments(plan) && !code; k++) {
        struct pt_readout_metric *m = &r->metrics[0][k];
        const struct pt_look_arm *arm = &r->look.arms[k];
        double both = alphas[k] * (pt_plan_sided(plan) == 1 ? 2 : 1);

        m->is_shown = arm->verdict == PT_VERDICT_EFFECT;
        if (!isfinite(m->z)) {
            continue;
        }
        m->p_value = p[k];
        m->p_adjusted = adjusted[k];
        m->level = 1 - (both < 1 ? both : alphas[k]);
        if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
            m->interval = (struct pt_interval){m->estimate - arm->z_upper * m->se,
                                               m->estimate + arm->z_upper * m->se};
        } else if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
            m->level = 1 - alphas[k];
            m->interval = arm->interval;
        } else if (plan->analysis == PT_PLAN_BAYESIAN) {
            m->level = 1 - plan->alpha;
            m->interval = r->posterior.difference[k];
        } else {
            m->interval = interval_of(r, 0, k, m->level);
        }
    }
    return code;
}

/* The primary metric's mixture in the units of another one: as wide, in standard errors. */
static double mixture_of(const struct pt_readout *r, const struct pt_readout_metric *m, size_t k)
{
    double scale = r->metrics[0][k].se > 0 ? m->se / r->metrics[0][k].se : 1;

    return r->started->design.tau2 * scale * scale;
}

/* p of a secondary metric or a guardrail. */
static double p_of(const struct pt_readout *r, size_t i, size_t k)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_metric *metric = &plan->metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i][k];
    bool is_always = plan->analysis == PT_PLAN_ALWAYS_VALID;

    if (!isfinite(m->z)) {
        return NAN;
    }
    if (metric->role == PT_PLAN_GUARDRAIL) {
        double harm = (metric->harm_is_increase ? 1 : -1) * m->estimate - metric->margin;

        if (is_always) {
            return pt_readout_msprt(PT_LARGER, plan->alpha, harm, m->se, mixture_of(r, m, k))
                .p_value;
        }
        /* With no margin, the same z as everywhere else. */
        return metric->margin > 0 ? pt_norm_sf(harm / m->se)
                                  : pt_norm_sf(copysign(fabs(m->z), harm));
    }
    if (is_always) {
        return pt_msprt(m->estimate, m->se * m->se, mixture_of(r, m, k), 0, plan->alpha).p_value;
    }
    return fmin(1, 2 * tail(fabs(m->z), plan->analysis == PT_PLAN_FIXED ? m->df : HUGE_VAL));
}

struct place {
    size_t metric;
    size_t treatment;
};

static void conclude(struct pt_readout *r, struct place at, double p, double adjusted, double alpha)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_readout_metric *m = &r->metrics[at.metric][at.treatment];
    bool is_guardrail = plan->metrics[at.metric].role == PT_PLAN_GUARDRAIL;

    m->p_value = p;
    m->p_adjusted = adjusted;
    m->is_shown = adjusted <= r->nominal_alpha;
    if (!isfinite(m->z) || !(alpha > 0 && alpha < 0.5)) {
        return;
    }
    if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
        m->level = 1 - alpha;
        m->interval =
            pt_msprt(m->estimate, m->se * m->se, mixture_of(r, m, at.treatment), 0, alpha).interval;
    } else {
        m->level = 1 - alpha * (is_guardrail ? 2 : 1);
        m->interval = interval_of(r, at.metric, at.treatment, m->level);
    }
}

/* All metrics of a role against all treatments are one family. */
static enum pt_code family(struct pt_readout *r, enum pt_plan_role role, struct pt_error *err)
{
    static const enum pt_adjustment methods[] = {
        [PT_PLAN_BONFERRONI] = PT_ADJUST_BONFERRONI,
        [PT_PLAN_HOLM] = PT_ADJUST_HOLM,
        [PT_PLAN_BH] = PT_ADJUST_BH,
    };
    const struct pt_plan *plan = &r->started->plan;
    double p[FAMILY_MAX];
    double adjusted[FAMILY_MAX];
    double alphas[FAMILY_MAX];
    struct place places[FAMILY_MAX];
    size_t count = 0;
    enum pt_code code = PT_OK;

    for (size_t i = 1; i < plan->metric_count; i++) {
        for (size_t k = 0; k < pt_plan_treatments(plan) && plan->metrics[i].role == role; k++) {
            places[count] = (struct place){i, k};
            p[count] = p_of(r, i, k);
            adjusted[count] = p[count];
            alphas[count] = r->nominal_alpha;
            count++;
        }
    }
    if (count > 0 && plan->correction != PT_PLAN_NO_CORRECTION && r->nominal_alpha > 0 &&
        r->nominal_alpha < 1) {
        code = pt_p_adjust(p, count, methods[plan->correction], adjusted, err);
        code = code ? code
                    : pt_interval_alpha(p, count, methods[plan->correction], r->nominal_alpha,
                                        alphas, err);
    }
    for (size_t n = 0; n < count && !code; n++) {
        conclude(r, places[n], p[n], adjusted[n], alphas[n]);
    }
    return code;
}

enum pt_code pt_readout_metric_families(struct pt_readout *r, struct pt_error *err)
{
    enum pt_code code = primary(r, err);

    code = code ? code : family(r, PT_PLAN_SECONDARY, err);
    return code ? code : family(r, PT_PLAN_GUARDRAIL, err);
}
