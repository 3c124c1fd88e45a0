/*
 * simulate.c - what a plan would really do, over and over
 *
 * B_k(t) = z_k sqrt(t) of a treatment is a Brownian motion with the design's drift; treatments
 * share control's part of it. At each look the plan judges all z as readout_judge.c does.
 */
#include "experiment/simulate.h"

#include "base/rng.h"
#include "experiment/readout_metric.h"
#include "stats/special.h"

#include <math.h>

#define LOOKS_MAX 1000

/* What all runs share. */
struct game {
    const struct pt_plan *plan;
    const struct pt_plan_design *design;
    size_t looks;
    double t[LOOKS_MAX];
    double bounds[LOOKS_MAX];
    double naive_bound;
    double se[PT_PLAN_TREATMENTS_MAX];      /* of each estimate at t = 1 */
    double own[PT_PLAN_TREATMENTS_MAX];     /* how much of B_k is the treatment's, ... */
    double control[PT_PLAN_TREATMENTS_MAX]; /* ... and how much control's */
    double drift[PT_PLAN_TREATMENTS_MAX];
    struct pt_error *err;
    enum pt_code code;
};

struct run {
    double b[PT_PLAN_TREATMENTS_MAX];
    double z[PT_PLAN_TREATMENTS_MAX]; /* in the hypothesis' direction */
    double p[PT_PLAN_TREATMENTS_MAX]; /* always_valid: the least so far */
    enum pt_verdict verdicts[PT_PLAN_TREATMENTS_MAX];
    enum pt_verdict verdict;
    double t; /* where it ended */
    bool is_naive;
};

static double normal(struct pt_rng *rng)
{
    /* Never 0 or 1: the middle of one of 2^53 parts. */
    return pt_norm_quantile(((double)(pt_rng_next(rng) >> 11) + 0.5) * 0x1p-53);
}

static void step(const struct game *g, struct run *run, size_t look, struct pt_rng *rng)
{
    double before = look > 0 ? g->t[look - 1] : 0;
    double time = g->t[look] - before;
    size_t count = pt_plan_treatments(g->plan);
    double shared = count > 1 ? normal(rng) : 0;

    for (size_t k = 0; k < count; k++) {
        double own = normal(rng);
        double noise = count > 1 ? g->own[k] * own - g->control[k] * shared : own;

        run->b[k] += g->drift[k] * time + sqrt(time) * noise;
        run->z[k] = run->b[k] / sqrt(g->t[look]);
    }
}

static bool is_two_sided(const struct game *g)
{
    return g->plan->alternative == PT_TWO_SIDED;
}

/* ---- what the plan says to one look ---- */

static void judge_bounds(const struct game *g, struct run *run, size_t look)
{
    for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
        double side = is_two_sided(g) ? fabs(run->z[k]) : run->z[k];

        if (run->verdicts[k] != PT_VERDICT_CONTINUE) {
            continue;
        }
        if (side >= g->bounds[look]) {
            run->verdicts[k] = PT_VERDICT_EFFECT;
        } else if (g->plan->has_futility && run->z[k] <= g->design->z_lower[look]) {
            run->verdicts[k] = PT_VERDICT_FUTILITY;
        }
    }
}

/* By p, where the treatments are corrected for in steps. */
static void judge_p(struct game *g, struct run *run, size_t look)
{
    double adjusted[PT_PLAN_TREATMENTS_MAX];

    for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
        double z = pt_plan_sign(g->plan) * run->z[k];
        double se = g->se[k] / sqrt(g->t[look]);

        if (g->plan->analysis == PT_PLAN_ALWAYS_VALID) {
            run->p[k] = fmin(run->p[k], pt_readout_msprt(g->plan->alternative, g->design->alpha,
                                                         z * se, se, g->design->tau2)
                                            .p_value);
        } else {
            run->p[k] = is_two_sided(g) ? 2 * pt_norm_sf(fabs(z)) : pt_norm_sf(run->z[k]);
        }
    }
    g->code = g->code ? g->code : pt_readout_adjust(g->plan, run->p, adjusted, g->err);
    for (size_t k = 0; k < pt_plan_treatments(g->plan) && !g->code; k++) {
        if (adjusted[k] <= g->plan->alpha) {
            run->verdicts[k] = PT_VERDICT_EFFECT;
        }
    }
}

/*
 * The likeliest best of normal arms with flat priors, its probability and its expected loss, by the
 * trapezoidal rule, which for such densities is good to many digits (Trefethen,
 * Weideman, SIAM Review 56 (2014) 385-458). pt_best_of() is good to more and takes milliseconds.
 */
static size_t find_best(const double *mean, const double *sd, size_t arms, double *prob_out,
                        double *loss_out)
{
    double prob[PT_PLAN_ARMS_MAX] = {0};
    double most = 0; /* E[max] */
    size_t best = 0;

    for (size_t i = 0; i < arms; i++) {
        for (int n = -24; n <= 24; n++) {
            double u = n / 4.0;
            double x = mean[i] + sd[i] * u;
            double mass = pt_norm_pdf(u) / 4.0;

            for (size_t j = 0; j < arms && mass > 0; j++) {
                /* erfc() of the C library: the digits are enough here, and it is ten times faster.
                 */
                mass *= j == i ? 1 : 0.5 * erfc((mean[j] - x) / (sd[j] * sqrt(2)));
            }
            prob[i] += mass;
            most += mass * x;
        }
        best = prob[i] > prob[best] ? i : best;
    }
    *prob_out = prob[best];
    *loss_out = fmax(0, most - mean[best]);
    return best;
}

/* z is in the hypothesis' direction, so the most is the best. */
static void judge_bayes(const struct game *g, struct run *run, size_t look)
{
    size_t arms = g->plan->arm_count;
    double mean[PT_PLAN_ARMS_MAX] = {0};
    double sd[PT_PLAN_ARMS_MAX];
    double prob = 0;
    double loss = 0;
    size_t best = 0;

    if (arms == 2) {
        double side = fabs(run->z[0]);

        best = run->z[0] > 0;
        prob = pt_norm_cdf(side);
        loss = g->se[0] / sqrt(g->t[look]) * (pt_norm_pdf(side) - side * pt_norm_sf(side));
    } else {
        double root = sqrt(g->t[look]);

        sd[0] = g->se[0] * g->control[0] / root;
        for (size_t k = 0; k < arms - 1; k++) {
            mean[k + 1] = run->z[k] * g->se[k] / root;
            sd[k + 1] = g->se[k] * g->own[k] / root;
        }
        best = find_best(mean, sd, arms, &prob, &loss);
    }
    if (prob >= g->plan->probability && (g->plan->loss == 0 || loss <= g->plan->loss)) {
        for (size_t k = 0; k < arms - 1; k++) {
            run->verdicts[k] = best == k + 1     ? PT_VERDICT_EFFECT
                               : best > 0        ? PT_VERDICT_INCONCLUSIVE
                               : is_two_sided(g) ? PT_VERDICT_EFFECT
                                                 : PT_VERDICT_FUTILITY;
        }
    }
}

static void judge(struct game *g, struct run *run, size_t look)
{
    bool is_good[PT_PLAN_TREATMENTS_MAX];
    size_t count = pt_plan_treatments(g->plan);

    if (g->plan->analysis == PT_PLAN_BAYESIAN) {
        judge_bayes(g, run, look);
    } else if (g->plan->treatment_correction == PT_PLAN_HOLM ||
               (g->plan->analysis == PT_PLAN_ALWAYS_VALID && count > 1)) {
        judge_p(g, run, look);
    } else {
        judge_bounds(g, run, look);
    }
    for (size_t k = 0; k < count; k++) {
        is_good[k] = run->z[k] > 0;
    }
    run->verdict = pt_readout_overall(run->verdicts, is_good, count);
    run->t = g->t[look];
}

static struct run run_once(struct game *g, struct pt_rng *rng)
{
    struct run run = {.t = 0};

    for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
        run.p[k] = 1;
    }
    for (size_t look = 0; look < g->looks; look++) {
        step(g, &run, look, rng);
        for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
            double side = is_two_sided(g) ? fabs(run.z[k]) : run.z[k];

            run.is_naive = run.is_naive || side >= g->naive_bound;
        }
        /* A run that has ended goes on for the naive test alone. */
        if (run.verdict == PT_VERDICT_CONTINUE) {
            judge(g, &run, look);
        }
    }
    return run;
}

/* ---- many runs ---- */

struct tally {
    double effect;
    double futility;
    double naive;
    double first_shown;
    double first_shipped;
    double wrong;
};

static void count_run(const struct game *g, const struct run *run, struct tally *tally)
{
    bool is_shown = false;
    bool is_wrong = false;
    size_t best = SIZE_MAX;

    for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
        bool has = run->verdicts[k] == PT_VERDICT_EFFECT;

        is_shown = is_shown || has;
        is_wrong = is_wrong || (has && k > 0);
        if (has && run->z[k] > 0 &&
            (best == SIZE_MAX || run->z[k] * g->se[k] > run->z[best] * g->se[best])) {
            best = k;
        }
    }
    tally->effect += is_shown;
    tally->wrong += is_wrong;
    tally->futility += run->verdict == PT_VERDICT_FUTILITY;
    tally->naive += run->is_naive;
    tally->first_shown += run->verdicts[0] == PT_VERDICT_EFFECT;
    tally->first_shipped += best == 0;
}

static double share_error(double share, double n)
{
    return sqrt(share * (1 - share) / n);
}

static void simulate(struct game *g, struct pt_rng *rng, size_t which,
                     struct pt_plan_simulated *out)
{
    double n = (double)out->runs;
    struct tally tally = {0};
    double mean = 0;
    double squares = 0;

    for (uint64_t i = 0; i < out->runs && !g->code; i++) {
        struct run run = run_once(g, rng);
        double units = run.t * g->design->units_total;
        double delta = units - mean;

        count_run(g, &run, &tally);
        mean += delta / (double)(i + 1);
        squares += delta * (units - mean);
    }
    out->stop_effect[which] = tally.effect / n;
    out->stop_futility[which] = tally.futility / n;
    out->units[which] = mean;
    out->error[which] = share_error(tally.effect / n, n);
    out->units_error[which] = sqrt(squares / n / n);
    if (which == 0) {
        out->naive = tally.naive / n;
        out->naive_error = share_error(out->naive, n);
    } else {
        out->first_shown = tally.first_shown / n;
        out->first_shown_error = share_error(out->first_shown, n);
        out->first_shipped = tally.first_shipped / n;
        out->wrong = tally.wrong / n;
    }
}

/* The design's standard error is that of the comparison with the fewest units. */
static void share_out(struct game *g)
{
    const double *units = g->design->units;
    double most = 0;

    for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
        most = fmax(most, 1 / units[0] + 1 / units[k + 1]);
    }
    for (size_t k = 0; k < pt_plan_treatments(g->plan); k++) {
        double variance = 1 / units[0] + 1 / units[k + 1];

        g->se[k] = g->design->se * sqrt(variance / most);
        g->own[k] = sqrt(1 / units[k + 1] / variance);
        g->control[k] = sqrt(1 / units[0] / variance);
    }
}

enum pt_code pt_plan_simulate(const struct pt_plan *plan, const struct pt_plan_design *design,
                              uint64_t runs, uint64_t seed, double effect, size_t looks,
                              struct pt_plan_simulated *out, struct pt_error *err)
{
    bool has_looks = plan->analysis == PT_PLAN_FIXED || plan->analysis == PT_PLAN_GROUP_SEQUENTIAL;
    struct game *g = pt_alloc_zero(sizeof(*g));
    struct pt_rng rng;
    enum pt_code code = PT_OK;

    looks = has_looks ? plan->look_count : looks;
    if (!g) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for a simulation");
    }
    if (runs == 0 || looks == 0 || looks > LOOKS_MAX || !isfinite(effect)) {
        code = pt_fail(err, PT_INVALID, "a simulation needs runs, 1 to %d looks and an effect",
                       LOOKS_MAX);
        goto out;
    }
    *g = (struct game){.plan = plan, .design = design, .looks = looks, .err = err};
    g->naive_bound = pt_norm_quantile_upper(plan->alpha / pt_plan_sided(plan));
    share_out(g);
    for (size_t k = 0; k < looks; k++) {
        g->t[k] = has_looks ? plan->looks[k] : (double)(k + 1) / (double)looks;
        g->bounds[k] = has_looks
                           ? design->z_upper[k]
                           : pt_plan_always_bound(plan, design->alpha,
                                                  design->se * design->se / g->t[k], design->tau2);
    }
    *out = (struct pt_plan_simulated){.runs = runs, .looks = looks};
    pt_rng_seed(&rng, seed);
    simulate(g, &rng, 0, out);
    g->drift[0] = effect / g->se[0];
    simulate(g, &rng, 1, out);
    code = g->code;

out:
    pt_free(g);
    return code;
}
