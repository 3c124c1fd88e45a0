/*
 * readout.c - the planned analysis of what was measured
 *
 * Order: measure, sample ratio, may one look at all, then the outcome. A bound at a look comes from
 * the looks as they were, not as they were planned: error spending gives up at the information
 * that there is, and no more than that.
 */
#include "experiment/readout.h"

#include "experiment/readout_metric.h"
#include "stats/special.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define MINE(readout) (&(readout)->started->plan)

static bool is_sequential(const struct pt_plan *plan)
{
    return plan->analysis != PT_PLAN_FIXED;
}

/* ---- sample ratio ---- */

/* The p-value of two sizes that decides: of a test for many looks, or for one. */
static double ratio_p(const struct pt_plan *plan, const double sizes[2])
{
    if (!is_sequential(plan)) {
        return pt_srm_test(sizes, plan->weight, 2, NULL).p_value;
    }
    return fmin(1, exp(-pt_ssrm_log_lambda(sizes, plan->weight, 2, PT_SSRM_CONCENTRATION)));
}

static enum pt_code check_ratio(struct pt_query *query, struct pt_readout *r, struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    struct pt_measure *m = &r->measure;
    double sizes[2] = {(double)m->units[0], (double)m->units[1]};

    r->srm = pt_srm_test(sizes, plan->weight, 2, NULL);
    r->srm_sequential_p =
        fmin(1, exp(-pt_ssrm_log_lambda(sizes, plan->weight, 2, PT_SSRM_CONCENTRATION)));
    r->srm_p = ratio_p(plan, sizes);
    for (size_t i = 0; i < m->epoch_count; i++) {
        m->epochs[i].p_value = ratio_p(plan, m->epochs[i].units);
        if (m->epoch_count > 1) {
            r->srm_p = fmin(r->srm_p, m->epochs[i].p_value * (double)(m->epoch_count + 1));
        }
    }
    r->has_srm = r->srm_p < plan->sample_ratio_alpha;
    return r->has_srm
               ? pt_measure_segments(query, plan, m->as_of_us, r->segments, &r->segment_count, err)
               : PT_OK;
}

static void say_ratio(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    const struct pt_measure_segment *worst = &r->segments[0];
    bool is_found = r->segment_count > 0 && worst->p_value < plan->sample_ratio_alpha;
    int used = snprintf(r->reason, sizeof(r->reason),
                        "the sizes of %s and %s, %" PRIu64 " and %" PRIu64
                        ", do not fit the planned %g:%g (p = %.2g)",
                        plan->variant[0], plan->variant[1], r->measure.units[0],
                        r->measure.units[1], plan->weight[0], plan->weight[1], r->srm_p);

    if (used < 0 || (size_t)used >= sizeof(r->reason)) {
        return;
    }
    if (is_found) {
        snprintf(r->reason + used, sizeof(r->reason) - (size_t)used,
                 "; the %s \"%s\" breaks it: %.0f and %.0f (p = %.2g)", worst->kind,
                 worst->name[0] ? worst->name : "none", worst->units[0], worst->units[1],
                 worst->p_value);
    } else {
        snprintf(r->reason + used, sizeof(r->reason) - (size_t)used,
                 "; no one platform, build, country or day breaks it");
    }
}

/* ---- which look is it ---- */

static double information(const struct pt_started *s, const double units[2])
{
    const double *planned = s->design.units;

    if (units[0] <= 0 || units[1] <= 0) {
        return 0;
    }
    return (1 / planned[0] + 1 / planned[1]) / (1 / units[0] + 1 / units[1]);
}

static const struct pt_look *last_look(const struct pt_started *s)
{
    return s->look_count > 0 ? &s->looks[s->look_count - 1] : NULL;
}

static double days_since_first(const struct pt_readout *r)
{
    return r->measure.first_us > 0
               ? (double)(r->measure.as_of_us - r->measure.first_us) / (double)PT_DAY_US
               : 0;
}

static bool is_over(const struct pt_readout *r)
{
    int64_t most = MINE(r)->days_max;

    return r->look.t >= 1 || (most > 0 && days_since_first(r) >= (double)most);
}

/* The first planned look after information `t`, or the last one. */
static double next_planned(const struct pt_started *s, double t)
{
    size_t i = 0;

    while (i + 1 < s->plan.look_count && s->plan.looks[i] <= t) {
        i++;
    }
    return s->plan.looks[i];
}

/* PT_OK where the plan knows the look that r->look.t is; else the reason. */
static enum pt_code may_look(struct pt_readout *r, enum pt_readout_mode mode, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    const struct pt_plan *plan = &s->plan;
    const struct pt_look *last = last_look(s);
    double next = next_planned(s, last ? last->t : 0);
    bool may_go_on =
        last && (last->verdict == PT_VERDICT_CONTINUE || last->verdict == PT_VERDICT_INVALID ||
                 (last->verdict == PT_VERDICT_FUTILITY && !plan->is_binding));
    bool has_looks = plan->analysis == PT_PLAN_FIXED || plan->analysis == PT_PLAN_GROUP_SEQUENTIAL;

    r->look.is_planned = true;
    if (last && !may_go_on) {
        return pt_fail(err, PT_INVALID,
                       "%s ended at look %zu with %s; `playtrace experiment report %s` shows it",
                       plan->name, s->look_count, pt_verdict_name(last->verdict), plan->name);
    }
    if (last && r->measure.as_of_us < last->as_of_us) {
        return pt_fail(err, PT_INVALID, "the time of this look lies before that of look %zu",
                       s->look_count);
    }
    if (!has_looks) {
        return PT_OK;
    }
    if (days_since_first(r) < (double)plan->days_min) {
        return pt_fail(err, PT_INVALID,
                       "the plan allows no look before %" PRId64 " days after the first exposure; "
                       "there are %.1f",
                       plan->days_min, days_since_first(r));
    }
    if (r->look.t >= next || is_over(r)) {
        return !last || r->look.t > last->t * (1 + PT_GS_STEP_MIN)
                   ? PT_OK
                   : pt_fail(err, PT_INVALID, "no unit's window has passed since look %zu",
                             s->look_count);
    }
    if (mode == PT_READOUT_SPEND_UNPLANNED && plan->analysis == PT_PLAN_GROUP_SEQUENTIAL &&
        r->look.t > 0 && (!last || r->look.t > last->t * (1 + PT_GS_STEP_MIN))) {
        r->look.is_planned = false;
        return PT_OK;
    }
    return pt_fail(err, PT_INVALID,
                   "the plan knows no look here: the information is %.3f of the planned, the next "
                   "look is at %.3f, with about %.0f units whose window has passed (there are "
                   "%.0f). The sample ratio is as planned (p = %.3g).%s",
                   r->look.t, next, next * (s->design.units[0] + s->design.units[1]),
                   r->look.units[0] + r->look.units[1], r->srm_p,
                   plan->analysis == PT_PLAN_GROUP_SEQUENTIAL
                       ? " --spend-unplanned looks all the same, at its cost"
                       : "");
}

/* ---- bounds ---- */

struct bound_search {
    const struct pt_started *s;
    double t[PT_GS_LOOKS_MAX];
    double upper[PT_GS_LOOKS_MAX];
    double lower[PT_GS_LOOKS_MAX];
    size_t looks;
    double drift;
    double mass; /* the exit probability that is looked for */
    bool is_lower;
    enum pt_code code;
    struct pt_error *err;
};

static double exit_gap(const void *ctx, double z)
{
    struct bound_search *b = (struct bound_search *)(uintptr_t)ctx;
    double up[PT_GS_LOOKS_MAX];
    double down[PT_GS_LOOKS_MAX];
    struct pt_gs_region region = {b->t, b->upper, b->lower, b->looks, 1};
    double kept = 0;
    double *place = b->is_lower ? &b->lower[b->looks - 1] : &b->upper[b->looks - 1];

    kept = *place;
    *place = z;
    if (!b->code) {
        b->code = pt_gs_exits(&region, b->drift, up, down, NULL, b->err);
    }
    *place = kept;
    return b->code ? 0 : (b->is_lower ? down[b->looks - 1] : up[b->looks - 1]) - b->mass;
}

/* Upper and lower bound of r->look, the looks before it as they were recorded. */
static enum pt_code find_bounds(struct pt_readout *r, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    const struct pt_plan *plan = &s->plan;
    const struct pt_look *last = last_look(s);
    double beta = 1 - plan->power;
    double t = fmin(r->look.t, 1);
    struct bound_search *b = pt_alloc_zero(sizeof(*b));
    struct pt_gs_design design = {
        .spending = plan->spending, .alpha = plan->alpha, .sided = pt_plan_sided(plan)};
    enum pt_code code = PT_OK;

    if (!b || s->look_count + 1 > PT_GS_LOOKS_MAX) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the boundaries");
        goto out;
    }
    b->err = err;
    for (size_t i = 0; i < s->look_count; i++) {
        if (s->looks[i].verdict == PT_VERDICT_INVALID && s->looks[i].t <= 0) {
            continue;
        }
        b->t[b->looks] = s->looks[i].t;
        b->upper[b->looks] = s->looks[i].z_upper;
        b->lower[b->looks] = plan->has_futility ? s->looks[i].z_lower : -HUGE_VAL;
        b->looks++;
    }
    b->t[b->looks] = r->look.t;
    b->lower[b->looks++] = -HUGE_VAL;
    r->look.alpha_spent = pt_gs_spent(&plan->spending, plan->alpha, design.sided, t);
    if (plan->has_futility && plan->is_binding) {
        b->mass = r->look.alpha_spent - (last ? last->alpha_spent : 0);
        b->upper[b->looks - 1] = HUGE_VAL;
        b->upper[b->looks - 1] = b->mass > 0 ? pt_root(exit_gap, b, -8, 38) : HUGE_VAL;
        code = b->code;
    } else {
        double *z = b->upper;

        design.t = b->t;
        design.looks = b->looks;
        code = pt_gs_bounds(&design, z, NULL, err);
    }
    if (code) {
        goto out;
    }
    r->look.z_upper = b->upper[b->looks - 1];
    if (isnan(r->look.z_upper)) {
        code = pt_fail(err, PT_INVALID, "no boundary can be found at information %g", r->look.t);
        goto out;
    }
    if (plan->has_futility) {
        r->look.beta_spent = pt_gs_spent(&plan->futility, beta, 1, t);
        b->mass = r->look.beta_spent - (last ? last->beta_spent : 0);
        b->drift = s->design.drift;
        b->is_lower = true;
        r->look.z_lower =
            b->mass > 0 ? pt_root(exit_gap, b, -38, fmin(r->look.z_upper, 38)) : -HUGE_VAL;
        /* Not even the bound itself spends so much: then it is the bound. */
        if (isnan(r->look.z_lower) || r->look.t >= 1) {
            r->look.z_lower = r->look.z_upper;
        }
        code = b->code;
    }

out:
    pt_free(b);
    return code;
}

/* ---- verdicts ---- */

static double directed(const struct pt_plan *plan, double z)
{
    return plan->alternative == PT_TWO_SIDED ? fabs(z) : pt_plan_sign(plan) * z;
}

static void say(struct pt_readout *r, enum pt_verdict verdict, const char *why)
{
    const struct pt_plan *plan = MINE(r);
    const struct pt_readout_metric *m = &r->metrics[0];

    r->look.verdict = verdict;
    snprintf(r->reason, sizeof(r->reason), "%s of %s is %.6g against %.6g of %s: %s",
             plan->metrics[0].name, plan->variant[1], m->value[1], m->value[0], plan->variant[0],
             why);
}

static void judge_bounds(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    double z = directed(plan, r->look.z);
    char why[256];

    if (z >= r->look.z_upper) {
        snprintf(why, sizeof(why), "z = %.3f is beyond the bound %.3f", r->look.z,
                 r->look.z < 0 && plan->alternative != PT_LARGER ? -r->look.z_upper
                                                                 : r->look.z_upper);
        say(r, PT_VERDICT_EFFECT, why);
    } else if (plan->has_futility && z <= r->look.z_lower) {
        snprintf(why, sizeof(why), "z = %.3f is beyond the futility bound %.3f", r->look.z,
                 pt_plan_sign(plan) * r->look.z_lower);
        say(r, PT_VERDICT_FUTILITY, why);
    } else if (is_over(r)) {
        snprintf(why, sizeof(why),
                 "no difference is shown (z = %.3f, bound %.3f), and the plan "
                 "ends here",
                 r->look.z, r->look.z_upper);
        say(r, PT_VERDICT_INCONCLUSIVE, why);
    } else {
        snprintf(why, sizeof(why), "z = %.3f is within the bound %.3f; go on to information %.3f",
                 r->look.z, r->look.z_upper, next_planned(r->started, r->look.t));
        say(r, PT_VERDICT_CONTINUE, why);
    }
}

static void judge_always(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    const struct pt_look *last = last_look(r->started);
    struct pt_msprt now =
        pt_readout_msprt(plan, r->look.estimate, r->look.se, r->started->design.tau2);
    struct pt_msprt_running run = PT_MSPRT_RUNNING_START;
    char why[256];

    if (last) {
        run = (struct pt_msprt_running){last->p_value, last->interval};
    }
    run = pt_msprt_run(run, &now);
    r->look.p_value = run.p_value;
    r->look.interval = run.interval;
    r->look.z_upper = pt_plan_always_bound(plan, r->look.se * r->look.se, r->started->design.tau2);
    snprintf(why, sizeof(why), "the always-valid p is %.4g, alpha %g", run.p_value, plan->alpha);
    say(r,
        days_since_first(r) < (double)plan->days_min ? PT_VERDICT_CONTINUE
        : run.p_value <= plan->alpha                 ? PT_VERDICT_EFFECT
        : is_over(r)                                 ? PT_VERDICT_INCONCLUSIVE
                                                     : PT_VERDICT_CONTINUE,
        why);
}

static void judge_bayes(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    double better = plan->alternative == PT_SMALLER ? 1 - r->prob_better : r->prob_better;
    bool is_treatment = r->prob_better >= 0.5;
    double loss = r->loss[is_treatment];
    bool loses_little = plan->loss == 0 || loss <= plan->loss;
    bool is_two_sided = plan->alternative == PT_TWO_SIDED;
    enum pt_verdict verdict = is_over(r) ? PT_VERDICT_INCONCLUSIVE : PT_VERDICT_CONTINUE;
    char why[256];

    if (days_since_first(r) < (double)plan->days_min) {
        verdict = PT_VERDICT_CONTINUE;
    } else if (loses_little &&
               (better >= plan->probability || (is_two_sided && 1 - better >= plan->probability))) {
        verdict = PT_VERDICT_EFFECT;
    } else if (loses_little && !is_two_sided && 1 - better >= plan->probability) {
        verdict = PT_VERDICT_FUTILITY;
    }
    snprintf(why, sizeof(why), "P(%s higher) = %.4f, expected loss of choosing the likelier %.3g",
             plan->variant[1], r->prob_better, loss);
    say(r, verdict, why);
}

static enum pt_code after_stop(struct pt_readout *r, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    struct bound_search *b = NULL;
    struct pt_gs_region region = {.sided = pt_plan_sided(&s->plan)};
    size_t k = r->look_number - 1;
    enum pt_code code = PT_OK;

    if (s->plan.analysis != PT_PLAN_GROUP_SEQUENTIAL || r->look.verdict != PT_VERDICT_EFFECT) {
        return PT_OK;
    }
    b = pt_alloc_zero(sizeof(*b));
    if (!b) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the estimate");
    }
    for (size_t i = 0; i <= k; i++) {
        const struct pt_look *look = i < k ? &s->looks[i] : &r->look;

        b->t[i] = look->t;
        b->upper[i] = look->z_upper;
        b->lower[i] = look->z_lower;
    }
    region.t = b->t;
    region.z_upper = b->upper;
    region.z_lower = s->plan.has_futility && s->plan.is_binding ? b->lower : NULL;
    region.looks = k + 1;
    code = pt_gs_stagewise(&region, k, directed(&s->plan, r->look.z), 1 - s->plan.alpha,
                           &r->stagewise, err);
    r->has_stagewise = !code;
    pt_free(b);
    return code;
}

static enum pt_code judge(struct pt_readout *r, struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    enum pt_code code = PT_OK;

    if (!isfinite(r->look.z)) {
        say(r, is_over(r) ? PT_VERDICT_INCONCLUSIVE : PT_VERDICT_CONTINUE, r->metrics[0].note);
        r->is_recordable = false;
        return PT_OK;
    }
    switch (plan->analysis) {
    case PT_PLAN_FIXED:
        r->look.z_upper = r->started->design.z_upper[0];
        r->look.alpha_spent = plan->alpha;
        judge_bounds(r);
        break;
    case PT_PLAN_GROUP_SEQUENTIAL:
        code = find_bounds(r, err);
        if (!code) {
            judge_bounds(r);
            code = after_stop(r, err);
        }
        break;
    case PT_PLAN_ALWAYS_VALID:
        judge_always(r);
        break;
    case PT_PLAN_BAYESIAN:
        judge_bayes(r);
        break;
    }
    return code;
}

/* What this look has for a secondary metric: the level of its own bound. */
static double nominal_alpha(const struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);

    return plan->analysis == PT_PLAN_GROUP_SEQUENTIAL
               ? pt_plan_sided(plan) * pt_norm_sf(r->look.z_upper)
               : plan->alpha;
}

static void say_harm(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);

    for (size_t i = 1; i < plan->metric_count; i++) {
        if (plan->metrics[i].role == PT_PLAN_GUARDRAIL && r->metrics[i].is_shown) {
            size_t used = strlen(r->reason);

            snprintf(r->reason + used, sizeof(r->reason) - used, "; the guardrail %s is harmed",
                     plan->metrics[i].name);
        }
    }
}

/* The recorded look with as many units, if any. */
static size_t find_recorded(const struct pt_started *s, const double units[2])
{
    for (size_t i = 0; i < s->look_count; i++) {
        if (s->looks[i].units[0] == units[0] && s->looks[i].units[1] == units[1]) {
            return i;
        }
    }
    return SIZE_MAX;
}

static bool is_near(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

/* The look as the journal has it; a table that gives another z now is not the one of that look. */
static enum pt_code take_recorded(struct pt_readout *r, size_t at, enum pt_readout_mode mode,
                                  struct pt_error *err)
{
    const struct pt_look *recorded = &r->started->looks[at];

    r->has_changed = !is_near(r->look.z, recorded->z) || r->look.units[0] != recorded->units[0] ||
                     r->look.units[1] != recorded->units[1];
    if (r->has_changed && mode != PT_READOUT_REPEAT) {
        return pt_fail(err, PT_INVALID,
                       "the table was changed under look %zu: z was %.6g and is %.6g with the same "
                       "units; looking again is a look that the plan does not know",
                       at + 1, recorded->z, r->look.z);
    }
    r->look = *recorded;
    r->is_repeat = true;
    r->look_number = at + 1;
    return PT_OK;
}

static enum pt_code look_at_outcome(struct pt_readout *r, size_t recorded,
                                    enum pt_readout_mode mode, struct pt_error *err)
{
    enum pt_verdict verdict = PT_VERDICT_CONTINUE;
    struct pt_started *before = NULL;
    enum pt_code code = PT_OK;

    r->has_metrics = true;
    pt_readout_metric_tests(r);
    r->look.estimate = r->metrics[0].estimate;
    r->look.se = r->metrics[0].se;
    r->look.z = r->metrics[0].z;
    if (recorded != SIZE_MAX) {
        code = take_recorded(r, recorded, mode, err);
        verdict = r->look.verdict;
        /* Judge it again as it was judged: with the looks before it alone. */
        before = code ? NULL : pt_alloc(sizeof(*before));
        if (!code && !before) {
            code = pt_fail(err, PT_NO_MEMORY, "no memory for the look");
        }
        if (code) {
            return code;
        }
        *before = *r->started;
        before->look_count = recorded;
    } else {
        r->look_number = r->started->look_count + 1;
        r->is_recordable = true;
    }
    {
        const struct pt_started *kept = r->started;

        r->started = before ? before : kept;
        code = judge(r, err);
        r->started = kept;
        pt_free(before);
    }
    if (code) {
        return code;
    }
    if (recorded != SIZE_MAX) {
        r->look.verdict = verdict;
        r->is_recordable = false;
    }
    r->nominal_alpha = nominal_alpha(r);
    code = pt_readout_metric_families(r, err);
    if (r->has_srm) {
        r->look.verdict = PT_VERDICT_INVALID;
        say_ratio(r);
    }
    say_harm(r);
    return code;
}

enum pt_code pt_readout_run(struct pt_query *query, const struct pt_started *started,
                            int64_t as_of_us, enum pt_readout_mode mode, struct pt_readout *out,
                            struct pt_error *err)
{
    struct pt_readout *r = out;
    const struct pt_look *last = last_look(started);
    size_t recorded = SIZE_MAX;
    enum pt_code code = PT_OK;

    memset(r, 0, sizeof(*r));
    r->started = started;
    r->prob_better = r->loss[0] = r->loss[1] = NAN;
    r->look = (struct pt_look){.z_upper = HUGE_VAL,
                               .z_lower = -HUGE_VAL,
                               .p_value = NAN,
                               .interval = {-HUGE_VAL, HUGE_VAL}};
    if (mode == PT_READOUT_REPEAT && !last) {
        return pt_fail(err, PT_INVALID,
                       "%s was not looked at yet: `playtrace experiment analyze "
                       "%s` comes first",
                       started->plan.name, started->plan.name);
    }
    as_of_us = mode == PT_READOUT_REPEAT ? last->as_of_us : as_of_us;
    code = pt_measure_plan(query, &started->plan, as_of_us, &r->measure, err);
    code = code ? code : check_ratio(query, r, err);
    if (code) {
        return code;
    }
    r->look.as_of_us = r->measure.as_of_us;
    r->look.units[0] = r->measure.metrics[0][0].n;
    r->look.units[1] = r->measure.metrics[0][1].n;
    r->look.t = information(started, r->look.units);
    recorded =
        mode == PT_READOUT_REPEAT ? started->look_count - 1 : find_recorded(started, r->look.units);
    if (recorded == SIZE_MAX) {
        code = may_look(r, mode, err);
    }
    if (code == PT_INVALID && r->has_srm) {
        /* Broken groups are said at any time: nothing of the outcome is looked at. */
        r->look.verdict = PT_VERDICT_INVALID;
        say_ratio(r);
        return PT_OK;
    }
    return code ? code : look_at_outcome(r, recorded, mode, err);
}

void pt_readout_release(struct pt_readout *readout)
{
    pt_measure_release(&readout->measure);
}
