/*
 * readout_metric.c - the tests of a readout's metrics
 *
 * Shares: pooled z, Newcombe's interval. Means: Welch. Ratios: the delta method. A z of all kinds
 * is estimate over standard error, so that looks and families treat them alike.
 */
#include "experiment/readout_metric.h"

#include "stats/special.h"

#include <math.h>
#include <stdio.h>

static const char *no_test(const struct pt_moments a, const struct pt_moments b, double se)
{
    if (a.n == 0 && b.n == 0) {
        return "no unit's window has passed yet";
    }
    if (a.n < 2 || b.n < 2) {
        return "an arm has fewer than two units whose window has passed";
    }
    return se > 0 ? "no standard error can be worked out"
                  : "every unit has the same value: there is nothing to compare";
}

void pt_readout_metric_test(const struct pt_plan_metric *metric, const struct pt_moments arms[2],
                            struct pt_readout_metric *out)
{
    if (pt_plan_is_share(metric->kind)) {
        struct pt_proportion a = pt_moments_proportion(&arms[0]);
        struct pt_proportion b = pt_moments_proportion(&arms[1]);
        struct pt_prop_test pooled = pt_prop_ztest(a, b, true, PT_TWO_SIDED);

        out->value[0] = a.size > 0 ? a.successes / a.size : NAN;
        out->value[1] = b.size > 0 ? b.successes / b.size : NAN;
        out->se = pt_prop_ztest(a, b, false, PT_TWO_SIDED).se;
        out->z = pooled.z;
    } else if (metric->kind == PT_PLAN_RATIO) {
        struct pt_ratio_arm a = pt_moments_ratio(&arms[0]);
        struct pt_ratio_arm b = pt_moments_ratio(&arms[1]);
        struct pt_ratio_test test = pt_ratio_metric(&a, &b, PT_TWO_SIDED, 0.95);

        out->value[0] = arms[0].mean_y != 0 ? arms[0].mean_x / arms[0].mean_y : NAN;
        out->value[1] = arms[1].mean_y != 0 ? arms[1].mean_x / arms[1].mean_y : NAN;
        out->se = test.difference.se;
        out->z = test.difference.statistic;
    } else {
        struct pt_mean_test test = pt_t_test(
            pt_moments_sample(&arms[0]), pt_moments_sample(&arms[1]), false, PT_TWO_SIDED, 0.95);

        out->value[0] = arms[0].n > 0 ? arms[0].mean_x : NAN;
        out->value[1] = arms[1].n > 0 ? arms[1].mean_x : NAN;
        out->se = test.se;
        out->z = test.statistic;
    }
    out->estimate = out->value[1] - out->value[0];
    out->uplift = out->value[0] != 0 ? out->estimate / fabs(out->value[0]) : NAN;
    out->p_value = out->p_adjusted = NAN;
    out->interval = (struct pt_interval){NAN, NAN};
    out->level = NAN;
    if (arms[0].n < 2 || arms[1].n < 2 || !isfinite(out->z)) {
        out->z = NAN;
        snprintf(out->note, sizeof(out->note), "%s", no_test(arms[0], arms[1], out->se));
    }
}

static void posterior(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_moments *arms = r->measure.metrics[0];

    if (plan->analysis != PT_PLAN_BAYESIAN || !isfinite(r->metrics[0].z)) {
        return;
    }
    if (pt_plan_is_share(plan->metrics[0].kind)) {
        struct pt_beta_comparison both =
            pt_beta_binomial(pt_moments_proportion(&arms[0]), pt_moments_proportion(&arms[1]),
                             plan->prior_a, plan->prior_b, 1 - plan->alpha);

        r->prob_better = both.prob_b_gt_a;
        r->loss[0] = both.expected_loss_a;
        r->loss[1] = both.expected_loss_b;
    } else {
        struct pt_normal_comparison both =
            pt_normal_compare(0, 0.5 * r->metrics[0].se * r->metrics[0].se, r->metrics[0].estimate,
                              0.5 * r->metrics[0].se * r->metrics[0].se, 1 - plan->alpha);

        r->prob_better = both.prob_b_gt_a;
        r->loss[0] = both.expected_loss_a;
        r->loss[1] = both.expected_loss_b;
    }
    if (plan->alternative == PT_SMALLER) {
        /* Losses are of a metric that should be small: the other way round. */
        double kept = r->loss[0];

        r->loss[0] = r->loss[1];
        r->loss[1] = kept;
    }
}

void pt_readout_metric_tests(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;

    for (size_t i = 0; i < plan->metric_count; i++) {
        pt_readout_metric_test(&plan->metrics[i], r->measure.metrics[i], &r->metrics[i]);
    }
    posterior(r);
}

struct pt_msprt pt_readout_msprt(const struct pt_plan *plan, double estimate, double se,
                                 double tau2)
{
    double variance = se * se;
    struct pt_msprt test = pt_msprt(estimate, variance, tau2, 0, plan->alpha);

    if (plan->alternative != PT_TWO_SIDED) {
        double u = pt_plan_sign(plan) * estimate * sqrt(tau2 / (variance * (variance + tau2)));

        test.log_lambda += log(2) + pt_norm_log_cdf(u);
        test.p_value = fmin(1, exp(-test.log_lambda));
    }
    return test;
}

/* An interval of the kind's own at `level`, two-sided. */
static struct pt_interval interval_of(const struct pt_plan_metric *metric,
                                      const struct pt_moments arms[2],
                                      const struct pt_readout_metric *m, double level)
{
    double q = pt_norm_quantile_upper((1 - level) / 2);

    if (pt_plan_is_share(metric->kind)) {
        return pt_prop_diff_interval(pt_moments_proportion(&arms[0]),
                                     pt_moments_proportion(&arms[1]), level, PT_DIFF_NEWCOMBE);
    }
    if (metric->kind != PT_PLAN_RATIO) {
        return pt_t_test(pt_moments_sample(&arms[0]), pt_moments_sample(&arms[1]), false,
                         PT_TWO_SIDED, level)
            .interval;
    }
    return (struct pt_interval){m->estimate - q * m->se, m->estimate + q * m->se};
}

static void primary_interval(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_readout_metric *m = &r->metrics[0];
    double both = plan->alpha * (pt_plan_sided(plan) == 1 ? 2 : 1);

    m->level = 1 - (both < 1 ? both : plan->alpha);
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        m->interval = (struct pt_interval){m->estimate - r->look.z_upper * m->se,
                                           m->estimate + r->look.z_upper * m->se};
    } else if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
        m->level = 1 - plan->alpha;
        m->interval = r->look.interval;
        m->p_value = m->p_adjusted = r->look.p_value;
    } else {
        m->interval = interval_of(&plan->metrics[0], r->measure.metrics[0], m, m->level);
    }
    m->is_shown = r->look.verdict == PT_VERDICT_EFFECT;
}

/* The primary metric's mixture in the units of another one: as wide, in standard errors. */
static double mixture_of(const struct pt_readout *r, const struct pt_readout_metric *m)
{
    double scale = r->look.se > 0 ? m->se / r->look.se : 1;

    return r->started->design.tau2 * scale * scale;
}

static double p_of(const struct pt_readout *r, size_t i)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_metric *metric = &plan->metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i];
    bool is_always = plan->analysis == PT_PLAN_ALWAYS_VALID && i > 0;

    if (!isfinite(m->z)) {
        return NAN;
    }
    if (metric->role == PT_PLAN_GUARDRAIL) {
        double harm = (metric->harm_is_increase ? 1 : -1) * m->estimate - metric->margin;

        if (is_always) {
            struct pt_plan larger = {.alternative = PT_LARGER, .alpha = plan->alpha};

            return pt_readout_msprt(&larger, harm, m->se, mixture_of(r, m)).p_value;
        }
        /* With no margin, the same z as everywhere else. */
        return metric->margin > 0 ? pt_norm_sf(harm / m->se)
                                  : pt_norm_sf(copysign(fabs(m->z), harm));
    }
    if (is_always) {
        return pt_msprt(m->estimate, m->se * m->se, mixture_of(r, m), 0, plan->alpha).p_value;
    }
    if (!pt_plan_is_share(metric->kind) && metric->kind != PT_PLAN_RATIO &&
        plan->analysis == PT_PLAN_FIXED) {
        return pt_t_test(pt_moments_sample(&r->measure.metrics[i][0]),
                         pt_moments_sample(&r->measure.metrics[i][1]), false,
                         i == 0 ? plan->alternative : PT_TWO_SIDED, 0.95)
            .p_value;
    }
    if (i == 0 && plan->alternative != PT_TWO_SIDED) {
        return pt_norm_sf(pt_plan_sign(plan) * m->z);
    }
    return 2 * pt_norm_sf(fabs(m->z));
}

static enum pt_code family(struct pt_readout *r, enum pt_plan_role role, struct pt_error *err)
{
    static const enum pt_adjustment methods[] = {
        [PT_PLAN_BONFERRONI] = PT_ADJUST_BONFERRONI,
        [PT_PLAN_HOLM] = PT_ADJUST_HOLM,
        [PT_PLAN_BH] = PT_ADJUST_BH,
    };
    const struct pt_plan *plan = &r->started->plan;
    double p[PT_PLAN_METRICS_MAX];
    double adjusted[PT_PLAN_METRICS_MAX];
    double alphas[PT_PLAN_METRICS_MAX];
    size_t places[PT_PLAN_METRICS_MAX];
    size_t count = 0;
    enum pt_code code = PT_OK;

    for (size_t i = 1; i < plan->metric_count; i++) {
        if (plan->metrics[i].role == role) {
            places[count] = i;
            p[count] = p_of(r, i);
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
    for (size_t k = 0; k < count && !code; k++) {
        struct pt_readout_metric *m = &r->metrics[places[k]];

        m->p_value = p[k];
        m->p_adjusted = adjusted[k];
        m->is_shown = adjusted[k] <= r->nominal_alpha;
        if (!isfinite(m->z) || !(alphas[k] > 0 && alphas[k] < 0.5)) {
            continue;
        }
        if (plan->analysis == PT_PLAN_ALWAYS_VALID) {
            m->level = 1 - alphas[k];
            m->interval =
                pt_msprt(m->estimate, m->se * m->se, mixture_of(r, m), 0, alphas[k]).interval;
        } else {
            m->level = 1 - alphas[k] * (role == PT_PLAN_GUARDRAIL ? 2 : 1);
            m->interval =
                interval_of(&plan->metrics[places[k]], r->measure.metrics[places[k]], m, m->level);
        }
    }
    return code;
}

enum pt_code pt_readout_metric_families(struct pt_readout *r, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (isfinite(r->metrics[0].z)) {
        r->metrics[0].p_value = r->metrics[0].p_adjusted = p_of(r, 0);
        primary_interval(r);
    }
    code = family(r, PT_PLAN_SECONDARY, err);
    return code ? code : family(r, PT_PLAN_GUARDRAIL, err);
}
