/*
 * simulate.c - a plan's real error rate and power, by simulation
 *
 * The primary metric's process at its looks is Brownian motion: B(t) has independent normal
 * increments and drift; z = B/sqrt t, and the estimate is z times its standard error. The rules
 * are those of the readout, at the planned information.
 */
#include "experiment/plan.h"

#include "base/rng.h"
#include "stats/special.h"

#include <math.h>

#define LOOKS_MAX 1000

enum run_how {
    ENDED, /* the last look came */
    FOR_EFFECT,
    FOR_FUTILITY,
};

struct run_end {
    double t;
    enum run_how how;
    bool is_naive; /* a fixed test at some look would have called it */
};

static double normal(struct pt_rng *rng)
{
    /* Never 0 or 1: the middle of one of 2^53 parts. */
    return pt_norm_quantile(((double)(pt_rng_next(rng) >> 11) + 0.5) * 0x1p-53);
}

/* What the plan says at one look to z in the hypothesis' direction. */
static enum run_how judge(const struct pt_plan *plan, const struct pt_plan_design *d, size_t look,
                          double t, double z, double bound)
{
    bool is_two_sided = plan->alternative == PT_TWO_SIDED;
    double side = is_two_sided ? fabs(z) : z;

    if (plan->analysis == PT_PLAN_BAYESIAN) {
        double se = d->se / sqrt(t);
        double better = pt_norm_cdf(side);
        /* E[max(-x, 0)] of the posterior of the difference, on its likelier side. */
        double loss = se * (pt_norm_pdf(z) - fabs(z) * pt_norm_sf(fabs(z)));
        bool loses_little = plan->loss == 0 || loss <= plan->loss;

        return loses_little && better >= plan->probability                        ? FOR_EFFECT
               : loses_little && !is_two_sided && 1 - better >= plan->probability ? FOR_FUTILITY
                                                                                  : ENDED;
    }
    if (side >= bound) {
        return FOR_EFFECT;
    }
    return plan->has_futility && z <= d->z_lower[look] ? FOR_FUTILITY : ENDED;
}

static struct run_end run_once(const struct pt_plan *plan, const struct pt_plan_design *d,
                               const double *t, const double *bounds, size_t looks, double drift,
                               struct pt_rng *rng)
{
    double fixed = pt_norm_quantile_upper(plan->alpha / pt_plan_sided(plan));
    struct run_end end = {.t = t[looks - 1]};
    double b = 0;
    double before = 0;

    for (size_t k = 0; k < looks; k++) {
        double step = t[k] - before;
        double z = 0;

        b += drift * step + sqrt(step) * normal(rng);
        before = t[k];
        z = b / sqrt(t[k]);
        end.is_naive = end.is_naive || (plan->alternative == PT_TWO_SIDED ? fabs(z) : z) >= fixed;
        /* A run that has ended goes on for the naive test alone. */
        if (end.how == ENDED) {
            enum run_how how = judge(plan, d, k, t[k], z, bounds[k]);

            if (how != ENDED) {
                end.how = how;
                end.t = t[k];
            }
        }
    }
    return end;
}

static void simulate(const struct pt_plan *plan, const struct pt_plan_design *d, const double *t,
                     const double *bounds, size_t looks, double drift, struct pt_rng *rng,
                     size_t which, struct pt_plan_simulated *out)
{
    double total = d->units[0] + d->units[1];
    double n = (double)out->runs;
    double effect = 0;
    double futility = 0;
    double naive = 0;
    double mean = 0;
    double squares = 0;

    for (uint64_t i = 0; i < out->runs; i++) {
        struct run_end end = run_once(plan, d, t, bounds, looks, drift, rng);
        double units = end.t * total;
        double delta = units - mean;

        effect += end.how == FOR_EFFECT;
        futility += end.how == FOR_FUTILITY;
        naive += end.is_naive;
        mean += delta / (double)(i + 1);
        squares += delta * (units - mean);
    }
    out->stop_effect[which] = effect / n;
    out->stop_futility[which] = futility / n;
    out->units[which] = mean;
    out->error[which] = sqrt(effect / n * (1 - effect / n) / n);
    out->units_error[which] = sqrt(squares / n / n);
    if (which == 0) {
        out->naive = naive / n;
        out->naive_error = sqrt(naive / n * (1 - naive / n) / n);
    }
}

enum pt_code pt_plan_simulate(const struct pt_plan *plan, const struct pt_plan_design *design,
                              uint64_t runs, uint64_t seed, double effect, size_t looks,
                              struct pt_plan_simulated *out, struct pt_error *err)
{
    double t[LOOKS_MAX];
    double bounds[LOOKS_MAX];
    struct pt_rng rng;
    bool has_looks = plan->analysis == PT_PLAN_FIXED || plan->analysis == PT_PLAN_GROUP_SEQUENTIAL;

    looks = has_looks ? plan->look_count : looks;
    if (runs == 0 || looks == 0 || looks > LOOKS_MAX || !isfinite(effect)) {
        return pt_fail(err, PT_INVALID, "a simulation needs runs, 1 to %d looks and an effect",
                       LOOKS_MAX);
    }
    for (size_t k = 0; k < looks; k++) {
        t[k] = has_looks ? plan->looks[k] : (double)(k + 1) / (double)looks;
        bounds[k] = has_looks
                        ? design->z_upper[k]
                        : pt_plan_always_bound(plan, design->se * design->se / t[k], design->tau2);
    }
    *out = (struct pt_plan_simulated){.runs = runs, .looks = looks};
    pt_rng_seed(&rng, seed);
    simulate(plan, design, t, bounds, looks, 0, &rng, 0, out);
    simulate(plan, design, t, bounds, looks, effect / design->se, &rng, 1, out);
    return PT_OK;
}
