/*
 * readout_bayes.c - posteriors of the primary metric
 *
 * Shares are Beta-Binomial under the plan's prior. Means, ratios and counts are normal by the
 * central limit, with flat priors; so is everything that strata or a covariate adjust. The hurdle
 * model puts the plan's Beta prior on the share of payers and a flat one on their mean amount; the
 * Poisson model Gamma(1, 1/mean over all units) on the rate, a prior of one unit's worth.
 */
#include "experiment/readout_metric.h"

#include "stats/special.h"

#include <math.h>

/* The other way round, where the least is the best. */
static struct pt_posterior turned(struct pt_posterior p)
{
    return p.kind == PT_POSTERIOR_BETA ? (struct pt_posterior){p.kind, p.b, p.a}
                                       : (struct pt_posterior){p.kind, -p.a, p.b};
}

static void from_posteriors(struct pt_readout *r, const struct pt_posterior *arms)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_readout_posterior *out = &r->posterior;
    bool is_turned = pt_plan_good(plan) < 0 && arms[0].kind != PT_POSTERIOR_GAMMA;
    struct pt_posterior seen[PT_PLAN_ARMS_MAX] = {{.kind = PT_POSTERIOR_NORMAL}};
    double prob[2] = {NAN, NAN};
    double loss[2];
    double most = 0;

    for (size_t i = 0; i < plan->arm_count; i++) {
        seen[i] = is_turned ? turned(arms[i]) : arms[i];
    }
    (void)pt_best_of(seen, plan->arm_count, out->best, out->loss, &most);
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        struct pt_posterior pair[2] = {arms[0], arms[k + 1]};

        (void)pt_best_of(pair, 2, prob, loss, &most);
        out->better[k] = prob[1];
        out->difference[k] = pt_posterior_diff(pair[0], pair[1], 1 - plan->alpha).difference;
    }
}

/* Control's variance is that of the comparison in which it is least; each treatment has the rest.
 */
static void from_normals(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_posterior arms[PT_PLAN_ARMS_MAX] = {{.kind = PT_POSTERIOR_NORMAL}};
    double control = HUGE_VAL;

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        control = fmin(control, r->metrics[0][k].variance[0]);
    }
    arms[0] = (struct pt_posterior){PT_POSTERIOR_NORMAL, 0, control};
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        const struct pt_readout_metric *m = &r->metrics[0][k];

        arms[k + 1] =
            (struct pt_posterior){PT_POSTERIOR_NORMAL, m->estimate, m->se * m->se - control};
    }
    from_posteriors(r, arms);
}

static void from_shares(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_posterior arms[PT_PLAN_ARMS_MAX] = {{.kind = PT_POSTERIOR_NORMAL}};

    for (size_t i = 0; i < plan->arm_count; i++) {
        struct pt_proportion share = pt_moments_proportion(&r->measure.metrics[0][i]);

        arms[i] = (struct pt_posterior){PT_POSTERIOR_BETA, plan->prior_a + share.successes,
                                        plan->prior_b + share.size - share.successes};
    }
    from_posteriors(r, arms);
}

/* Of two arms, the least is the best where the other one is the most. */
static void turn_pair(struct pt_readout *r)
{
    struct pt_readout_posterior *out = &r->posterior;

    if (pt_plan_good(&r->started->plan) < 0) {
        double best = out->best[0];
        double loss = out->loss[0];

        out->best[0] = out->best[1];
        out->best[1] = best;
        out->loss[0] = out->loss[1];
        out->loss[1] = loss;
    }
}

static void from_rates(struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_posterior arms[PT_PLAN_ARMS_MAX] = {{.kind = PT_POSTERIOR_NORMAL}};
    double units = 0;
    double sum = 0;

    for (size_t i = 0; i < plan->arm_count; i++) {
        units += r->measure.metrics[0][i].n;
        sum += r->measure.metrics[0][i].n * r->measure.metrics[0][i].mean_x;
    }
    for (size_t i = 0; i < plan->arm_count; i++) {
        const struct pt_moments *m = &r->measure.metrics[0][i];

        arms[i] =
            (struct pt_posterior){PT_POSTERIOR_GAMMA, 1 + m->n * m->mean_x, units / sum + m->n};
    }
    from_posteriors(r, arms);
    turn_pair(r);
}

static enum pt_code from_hurdle(struct pt_readout *r, struct pt_error *err)
{
    const struct pt_plan *plan = &r->started->plan;
    struct pt_readout_posterior *out = &r->posterior;
    struct pt_hurdle_prior prior = {plan->prior_a, plan->prior_b, NAN, NAN};
    struct pt_hurdle_arm arms[PT_PLAN_ARMS_MAX];
    struct pt_hurdle_result results[PT_PLAN_ARMS_MAX];
    double most = 0;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < plan->arm_count; i++) {
        arms[i] = pt_moments_hurdle(&r->measure.metrics[0][i]);
        if (!(arms[i].payers >= 2) || !(arms[i].amount_var > 0)) {
            return PT_OK; /* no posterior yet: all stays NaN */
        }
    }
    code = pt_hurdle_compare(arms, plan->arm_count, &prior, 1 - plan->alpha, results, NULL, &most,
                             err);
    for (size_t i = 0; i < plan->arm_count && !code; i++) {
        out->best[i] = results[i].prob_best;
        out->loss[i] = results[i].expected_loss;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan) && !code; k++) {
        struct pt_hurdle_arm pair[2] = {arms[0], arms[k + 1]};

        code = pt_hurdle_compare(pair, 2, &prior, 1 - plan->alpha, results, &out->difference[k],
                                 &most, err);
        out->better[k] = results[1].prob_best;
    }
    turn_pair(r);
    return code;
}

enum pt_code pt_readout_bayes(struct pt_readout *r, struct pt_error *err)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[0];

    if (metric->model == PT_PLAN_HURDLE) {
        return from_hurdle(r, err);
    }
    if (metric->model == PT_PLAN_POISSON) {
        from_rates(r);
    } else if (pt_plan_is_share(metric->kind) && r->metrics[0][0].is_plain) {
        from_shares(r);
    } else {
        from_normals(r);
    }
    return PT_OK;
}
