/*
 * readout_judge.c - what the plan says to the figures of a look
 *
 * Treatments stop together: the first that is shown to be better ends the experiment (simultaneous
 * stopping: Urach, Posch, Statistics in Medicine 35 (2016) 5536-5550). One that is shown to be
 * worse, or is futile, ends alone. Splitting alpha over the treatments bounds the error of any
 * false claim whatever is stopped when.
 */
#include "experiment/readout_metric.h"
#include "stats/special.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define MINE(readout) (&(readout)->started->plan)

/* ---- all treatments together ---- */

enum pt_verdict pt_readout_overall(const enum pt_verdict *verdicts, const bool *is_good,
                                   size_t count)
{
    size_t of[PT_VERDICT_INVALID + 1] = {0};

    for (size_t k = 0; k < count; k++) {
        of[verdicts[k]]++;
        if (verdicts[k] == PT_VERDICT_EFFECT && is_good[k]) {
            return PT_VERDICT_EFFECT;
        }
    }
    if (of[PT_VERDICT_CONTINUE] > 0) {
        return PT_VERDICT_CONTINUE;
    }
    return of[PT_VERDICT_EFFECT] == count    ? PT_VERDICT_EFFECT
           : of[PT_VERDICT_INCONCLUSIVE] > 0 ? PT_VERDICT_INCONCLUSIVE
                                             : PT_VERDICT_FUTILITY;
}

bool pt_readout_arm_is_over(const struct pt_plan *plan, const struct pt_look *last,
                            size_t treatment)
{
    return last && plan->analysis == PT_PLAN_GROUP_SEQUENTIAL &&
           (last->arms[treatment].verdict == PT_VERDICT_EFFECT ||
            (last->arms[treatment].verdict == PT_VERDICT_FUTILITY && plan->is_binding));
}

static bool is_harmed(const struct pt_readout *r, size_t treatment)
{
    const struct pt_plan *plan = MINE(r);

    for (size_t i = 1; i < plan->metric_count; i++) {
        if (plan->metrics[i].role == PT_PLAN_GUARDRAIL && r->metrics[i][treatment].is_shown) {
            return true;
        }
    }
    return false;
}

const char *pt_readout_choose(const struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    const char *best = plan->variant[0];
    double most = 0;

    if (r->look.verdict == PT_VERDICT_CONTINUE || r->look.verdict == PT_VERDICT_INVALID) {
        return NULL;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        double gain = pt_plan_good(plan) * r->look.arms[k].estimate;

        if (r->look.arms[k].verdict == PT_VERDICT_EFFECT && gain > most && !is_harmed(r, k)) {
            most = gain;
            best = plan->variant[k + 1];
        }
    }
    return best;
}

/* ---- one treatment ---- */

static PT_PRINTF(4, 5) void say(struct pt_readout *r, size_t k, enum pt_verdict verdict,
                                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->why[k], sizeof(r->why[k]), format, args);
    va_end(args);
    r->look.arms[k].verdict = verdict;
}

static enum pt_code judge_bounds(struct pt_readout *r, size_t k, bool is_over, struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    struct pt_look_arm *arm = &r->look.arms[k];
    double z = pt_plan_directed(plan, arm->z);
    enum pt_code code = pt_readout_bounds(r, k, err);

    if (code) {
        return code;
    }
    if (z >= arm->z_upper) {
        say(r, k, PT_VERDICT_EFFECT, "z = %.3f is beyond the bound %.3f", arm->z,
            arm->z < 0 && plan->alternative != PT_LARGER ? -arm->z_upper : arm->z_upper);
        return pt_readout_after_stop(r, k, err);
    }
    if (plan->has_futility && z <= arm->z_lower) {
        say(r, k, PT_VERDICT_FUTILITY, "z = %.3f is beyond the futility bound %.3f", arm->z,
            pt_plan_sign(plan) * arm->z_lower);
    } else if (is_over) {
        say(r, k, PT_VERDICT_INCONCLUSIVE,
            "no difference is shown (z = %.3f, bound %.3f), and the plan ends here", arm->z,
            arm->z_upper);
    } else {
        say(r, k, PT_VERDICT_CONTINUE,
            "z = %.3f is within the bound %.3f; go on to information %.3f", arm->z, arm->z_upper,
            pt_plan_next_look(plan, arm->t));
    }
    return PT_OK;
}

/* Treatments one after the other; one that ended keeps what it ended with. */
static enum pt_code judge_sequential(struct pt_readout *r, bool is_over, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    const struct pt_look *last = pt_started_last_look(s);
    enum pt_code code = PT_OK;

    for (size_t k = 0; k < pt_plan_treatments(&s->plan) && !code; k++) {
        struct pt_look_arm *arm = &r->look.arms[k];

        if (pt_readout_arm_is_over(&s->plan, last, k)) {
            double units = arm->units;

            *arm = last->arms[k];
            arm->units = units; /* the look's own, by which it is known again */
            say(r, k, arm->verdict, "it ended before with %s at z = %.3f",
                pt_verdict_name(arm->verdict), arm->z);
        } else if (!isfinite(arm->z)) {
            say(r, k, is_over ? PT_VERDICT_INCONCLUSIVE : PT_VERDICT_CONTINUE, "%s",
                r->metrics[0][k].note);
        } else if (last && arm->t <= last->arms[k].t * (1 + PT_GS_STEP_MIN)) {
            /* Nobody new in this treatment: there is nothing to look at. */
            *arm = last->arms[k];
            say(r, k, is_over ? PT_VERDICT_INCONCLUSIVE : arm->verdict,
                "no unit's window has passed since the last look");
        } else {
            code = judge_bounds(r, k, is_over, err);
        }
    }
    return code;
}

static enum pt_code judge_fixed(struct pt_readout *r, bool is_over, struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    double p[PT_PLAN_TREATMENTS_MAX];
    double adjusted[PT_PLAN_TREATMENTS_MAX];
    enum pt_code code = PT_OK;

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        p[k] = pt_readout_primary_p(r, k);
    }
    code = pt_readout_adjust(plan, p, adjusted, err);
    for (size_t k = 0; k < pt_plan_treatments(plan) && !code; k++) {
        struct pt_look_arm *arm = &r->look.arms[k];
        bool is_shown = adjusted[k] <= plan->alpha;

        arm->z_upper = r->started->design.z_upper[0];
        arm->alpha_spent = r->started->design.alpha;
        if (!isfinite(arm->z)) {
            say(r, k, is_over ? PT_VERDICT_INCONCLUSIVE : PT_VERDICT_CONTINUE, "%s",
                r->metrics[0][k].note);
        } else {
            say(r, k,
                is_shown  ? PT_VERDICT_EFFECT
                : is_over ? PT_VERDICT_INCONCLUSIVE
                          : PT_VERDICT_CONTINUE,
                "%s (z = %.3f, %sp = %.4g, alpha %g)",
                is_shown ? "a difference is shown" : "no difference is shown", arm->z,
                plan->treatment_correction == PT_PLAN_NO_CORRECTION ? "" : "adjusted ", adjusted[k],
                plan->alpha);
        }
    }
    return code;
}

/* Each p is the least so far, so Holm's steps hold at all looks at once: what they reject never
 * comes back. */
static enum pt_code judge_always(struct pt_readout *r, bool may_stop, bool is_over,
                                 struct pt_error *err)
{
    const struct pt_started *s = r->started;
    const struct pt_plan *plan = &s->plan;
    const struct pt_look *last = pt_started_last_look(s);
    double p[PT_PLAN_TREATMENTS_MAX];
    double adjusted[PT_PLAN_TREATMENTS_MAX];
    double tau2 = s->design.tau2;
    enum pt_code code = PT_OK;

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        struct pt_look_arm *arm = &r->look.arms[k];
        struct pt_msprt_running run = PT_MSPRT_RUNNING_START;

        if (last) {
            run = (struct pt_msprt_running){last->arms[k].p_value, last->arms[k].interval};
        }
        if (isfinite(arm->z)) {
            struct pt_msprt now =
                pt_readout_msprt(plan->alternative, s->design.alpha, arm->estimate, arm->se, tau2);

            run = pt_msprt_run(run, &now);
            arm->z_upper = pt_plan_always_bound(plan, s->design.alpha, arm->se * arm->se, tau2);
        }
        p[k] = arm->p_value = run.p_value;
        arm->interval = run.interval;
    }
    code = pt_readout_adjust(plan, p, adjusted, err);
    for (size_t k = 0; k < pt_plan_treatments(plan) && !code; k++) {
        bool is_shown = may_stop && adjusted[k] <= plan->alpha;

        say(r, k,
            is_shown    ? PT_VERDICT_EFFECT
            : !may_stop ? PT_VERDICT_CONTINUE
            : is_over   ? PT_VERDICT_INCONCLUSIVE
                        : PT_VERDICT_CONTINUE,
            isfinite(r->look.arms[k].z) ? "the always-valid p is %.4g, alpha %g"
                                        : "no test yet; p %.4g, alpha %g",
            adjusted[k], plan->alpha);
    }
    return code;
}

/* The likeliest arm wins once it is likely enough and, where planned, loses little. */
static enum pt_code judge_bayes(struct pt_readout *r, bool may_stop, bool is_over,
                                struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    const struct pt_readout_posterior *post = &r->posterior;
    enum pt_verdict rest = is_over && may_stop ? PT_VERDICT_INCONCLUSIVE : PT_VERDICT_CONTINUE;
    size_t best = 0;
    bool is_won = false;
    enum pt_code code = pt_readout_bayes(r, err);

    for (size_t arm = 1; arm < plan->arm_count; arm++) {
        best = post->best[arm] > post->best[best] ? arm : best;
    }
    is_won = may_stop && post->best[best] >= plan->probability &&
             (plan->loss == 0 || post->loss[best] <= plan->loss);
    for (size_t k = 0; k < pt_plan_treatments(plan) && !code; k++) {
        enum pt_verdict verdict = rest;

        if (is_won && best == 0) {
            verdict = plan->alternative == PT_TWO_SIDED ? PT_VERDICT_EFFECT : PT_VERDICT_FUTILITY;
        } else if (is_won) {
            verdict = best == k + 1 ? PT_VERDICT_EFFECT : PT_VERDICT_INCONCLUSIVE;
        }
        say(r, k, verdict,
            "P(%.64s higher) = %.4f, P(best) = %.4f, expected loss of choosing it %.3g",
            plan->variant[k + 1], post->better[k], post->best[k + 1], post->loss[k + 1]);
    }
    return code;
}

/* ---- in words ---- */

static void say_all(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    const struct pt_readout_metric *m = r->metrics[0];
    struct pt_buf text;

    pt_buf_init(&text, sizeof(r->reason) - 1);
    if (plan->arm_count == 2) {
        pt_buf_appendf(&text, "%s of %s is %.6g against %.6g of %s: %s", plan->metrics[0].name,
                       plan->variant[1], m->value[1], m->value[0], plan->variant[0], r->why[0]);
    } else {
        pt_buf_appendf(&text, "%s of %s is %.6g", plan->metrics[0].name, plan->variant[0],
                       m->value[0]);
        for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
            pt_buf_appendf(&text, "; of %s %.6g: %s", plan->variant[k + 1], m[k].value[1],
                           r->why[k]);
        }
    }
    snprintf(r->reason, sizeof(r->reason), "%.*s", (int)text.size,
             text.data ? (const char *)text.data : "");
    pt_buf_release(&text);
}

enum pt_code pt_readout_judge(struct pt_readout *r, double days, bool is_over, struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    bool may_stop = days >= (double)plan->days_min;
    enum pt_verdict verdicts[PT_PLAN_TREATMENTS_MAX];
    bool is_good[PT_PLAN_TREATMENTS_MAX];
    bool has_any = false;
    bool has_all = true;
    enum pt_code code = PT_OK;

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        has_any = has_any || isfinite(r->look.arms[k].z);
        has_all = has_all && isfinite(r->look.arms[k].z);
        say(r, k, is_over && may_stop ? PT_VERDICT_INCONCLUSIVE : PT_VERDICT_CONTINUE, "%s",
            r->metrics[0][k].note[0] ? r->metrics[0][k].note : "another arm has no figures yet");
    }
    if (has_any && (has_all || plan->analysis != PT_PLAN_BAYESIAN)) {
        switch (plan->analysis) {
        case PT_PLAN_FIXED:
            code = judge_fixed(r, is_over, err);
            break;
        case PT_PLAN_GROUP_SEQUENTIAL:
            code = judge_sequential(r, is_over, err);
            break;
        case PT_PLAN_ALWAYS_VALID:
            code = judge_always(r, may_stop, is_over, err);
            break;
        case PT_PLAN_BAYESIAN:
            code = judge_bayes(r, may_stop, is_over, err);
            break;
        }
    } else {
        r->is_recordable = false;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        verdicts[k] = r->look.arms[k].verdict;
        is_good[k] = pt_plan_good(plan) * r->look.arms[k].estimate > 0;
    }
    r->look.verdict = pt_readout_overall(verdicts, is_good, pt_plan_treatments(plan));
    say_all(r);
    return code;
}
