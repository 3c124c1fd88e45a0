/*
 * readout.c - the planned analysis of what was measured
 *
 * Order: measure, sample ratio, may one look at all, then the outcome.
 */
#include "experiment/readout.h"

#include "experiment/readout_metric.h"
#include "stats/special.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define MINE(readout) (&(readout)->started->plan)

/* ---- sample ratio ---- */

/* The p-value that decides: of a test for many looks, or for one. */
static double deciding_p(const struct pt_plan *plan, const struct pt_measure_ratio *ratio)
{
    return plan->analysis == PT_PLAN_FIXED ? pt_measure_ratio_chi2_p(ratio)
                                           : pt_measure_ratio_sequential_p(ratio);
}

/* Each epoch against its own ratio, then all of it: added up where the ratios differ. */
static enum pt_code check_ratio(struct pt_query *query, struct pt_readout *r, struct pt_error *err)
{
    const struct pt_plan *plan = MINE(r);
    struct pt_measure *m = &r->measure;
    double sizes[PT_PLAN_ARMS_MAX];
    double least = NAN;

    for (size_t i = 0; i < m->epoch_count; i++) {
        struct pt_measure_ratio epoch = {0};

        pt_measure_ratio_add(&epoch, plan, pt_plan_weights(plan, m->epochs[i].name),
                             m->epochs[i].units);
        m->epochs[i].p_value = deciding_p(plan, &epoch);
        least = fmin(least, m->epochs[i].p_value);
        if (plan->epoch_count > 0) {
            r->ratio.df += epoch.df;
            r->ratio.chi2 += epoch.chi2;
            r->ratio.log_lambda += epoch.log_lambda;
        }
    }
    if (plan->epoch_count == 0) {
        for (size_t i = 0; i < plan->arm_count; i++) {
            sizes[i] = (double)m->units[i];
        }
        pt_measure_ratio_add(&r->ratio, plan, plan->weight, sizes);
    }
    r->ratio_p = pt_measure_ratio_chi2_p(&r->ratio);
    r->ratio_sequential_p = pt_measure_ratio_sequential_p(&r->ratio);
    r->srm_p = deciding_p(plan, &r->ratio);
    if (m->epoch_count > 1) {
        r->srm_p = fmin(r->srm_p, least * (double)(m->epoch_count + 1));
    }
    r->has_srm = r->srm_p < plan->sample_ratio_alpha;
    return r->has_srm
               ? pt_measure_segments(query, plan, m->as_of_us, r->segments, &r->segment_count, err)
               : PT_OK;
}

static void sizes_text(struct pt_buf *out, const double *sizes, size_t count, const char *between)
{
    for (size_t i = 0; i < count; i++) {
        pt_buf_appendf(out, "%s%.6g", i > 0 ? between : "", sizes[i]);
    }
}

static void say_ratio(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    const struct pt_measure_segment *worst = &r->segments[0];
    bool is_found = r->segment_count > 0 && worst->p_value < plan->sample_ratio_alpha;
    struct pt_buf text;

    pt_buf_init(&text, sizeof(r->reason) - 1);
    pt_buf_append_str(&text, "the sizes of ");
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_buf_appendf(&text, "%s%s", i > 0 ? " and " : "", plan->variant[i]);
    }
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_buf_appendf(&text, "%s%" PRIu64, i > 0 ? " and " : ", ", r->measure.units[i]);
    }
    pt_buf_append_str(&text, ", do not fit the planned ");
    if (plan->epoch_count > 0) {
        pt_buf_append_str(&text, "ratios of the epochs");
    } else {
        sizes_text(&text, plan->weight, plan->arm_count, ":");
    }
    pt_buf_appendf(&text, " (p = %.2g)", r->srm_p);
    if (is_found) {
        pt_buf_appendf(&text, "; the %s \"%s\" breaks it: ", worst->kind,
                       worst->name[0] ? worst->name : "none");
        sizes_text(&text, worst->units, plan->arm_count, " and ");
        pt_buf_appendf(&text, " (p = %.2g)", worst->p_value);
    } else {
        pt_buf_append_str(&text, "; no one platform, build, country, day or epoch breaks it");
    }
    snprintf(r->reason, sizeof(r->reason), "%.*s", (int)text.size,
             text.data ? (const char *)text.data : "");
    pt_buf_release(&text);
}

/* ---- which look is it ---- */

/* Units, and each treatment's share of the planned information: 1 over the variance of a
 * difference of units of variance 1, strata added up. */
static void take_information(struct pt_readout *r)
{
    const struct pt_started *s = r->started;
    const double *planned = s->design.units;
    struct pt_stratum strata[PT_MEASURE_EPOCHS_MAX];
    const struct pt_look *last = pt_started_last_look(s);
    double least = HUGE_VAL;
    double standing = HUGE_VAL; /* of treatments that nobody new is in: they are not waited for */

    r->look.units = r->measure.metrics[0][0].n;
    for (size_t k = 0; k < pt_plan_treatments(&s->plan); k++) {
        struct pt_look_arm *arm = &r->look.arms[k];
        size_t count = pt_readout_strata(&s->plan, &r->measure, 0, k, strata);
        double information = 0;

        for (size_t i = 0; i < count; i++) {
            const struct pt_moments *of = strata[i].arms;

            information += of[0].n > 0 && of[1].n > 0 ? 1 / (1 / of[0].n + 1 / of[1].n) : 0;
        }
        arm->units = r->measure.metrics[0][k + 1].n;
        arm->t = information * (1 / planned[0] + 1 / planned[k + 1]);
        if (pt_readout_arm_is_over(&s->plan, last, k)) {
            continue;
        }
        if (!last || arm->t > last->arms[k].t * (1 + PT_GS_STEP_MIN)) {
            least = fmin(least, arm->t);
        } else {
            standing = fmin(standing, arm->t);
        }
    }
    r->look.t = isfinite(least) ? least : isfinite(standing) ? standing : 0;
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

static double units_of(const struct pt_readout *r)
{
    double units = r->look.units;

    for (size_t k = 0; k < pt_plan_treatments(MINE(r)); k++) {
        units += r->look.arms[k].units;
    }
    return units;
}

/* PT_OK where the plan knows the look that r->look.t is; else the reason. */
static enum pt_code may_look(struct pt_readout *r, enum pt_readout_mode mode, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    const struct pt_plan *plan = &s->plan;
    const struct pt_look *last = pt_started_last_look(s);
    double next = pt_plan_next_look(plan, last ? last->t : 0);
    bool may_go_on =
        last && (last->verdict == PT_VERDICT_CONTINUE || last->verdict == PT_VERDICT_INVALID ||
                 (last->verdict == PT_VERDICT_FUTILITY && !plan->is_binding));
    bool has_looks = plan->analysis == PT_PLAN_FIXED || plan->analysis == PT_PLAN_GROUP_SEQUENTIAL;
    bool has_more = !last || r->look.t > last->t * (1 + PT_GS_STEP_MIN);
    char ratio[80] = ""; /* nothing to say before the first exposure */

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
        return has_more ? PT_OK
                        : pt_fail(err, PT_INVALID, "no unit's window has passed since look %zu",
                                  s->look_count);
    }
    if (mode == PT_READOUT_SPEND_UNPLANNED && plan->analysis == PT_PLAN_GROUP_SEQUENTIAL &&
        r->look.t > 0 && has_more) {
        r->look.is_planned = false;
        return PT_OK;
    }
    if (isfinite(r->srm_p)) {
        (void)snprintf(ratio, sizeof(ratio), " The sample ratio is as planned (p = %.3g).",
                       r->srm_p);
    }
    return pt_fail(err, PT_INVALID,
                   "the plan knows no look here: the information is %.3f of the planned, the next "
                   "look is at %.3f, with about %.0f units whose window has passed (there are "
                   "%.0f).%s%s",
                   r->look.t, next, next * s->design.units_total, units_of(r), ratio,
                   plan->analysis == PT_PLAN_GROUP_SEQUENTIAL
                       ? " --spend-unplanned looks all the same, at its cost"
                       : "");
}

/* ---- the outcome ---- */

/* What this look has for secondary metrics: the levels of its own bounds, put together. */
static double nominal_alpha(const struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);
    double sum = 0;

    if (plan->analysis != PT_PLAN_GROUP_SEQUENTIAL) {
        return plan->alpha;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        sum += pt_plan_sided(plan) * pt_norm_sf(r->look.arms[k].z_upper);
    }
    return plan->treatment_correction == PT_PLAN_NO_CORRECTION
               ? sum / (double)pt_plan_treatments(plan)
               : sum;
}

static void say_harm(struct pt_readout *r)
{
    const struct pt_plan *plan = MINE(r);

    for (size_t i = 1; i < plan->metric_count; i++) {
        for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
            size_t used = strlen(r->reason);

            if (plan->metrics[i].role != PT_PLAN_GUARDRAIL || !r->metrics[i][k].is_shown) {
                continue;
            }
            snprintf(r->reason + used, sizeof(r->reason) - used, "; the guardrail %s is harmed%s%s",
                     plan->metrics[i].name, plan->arm_count > 2 ? " by " : "",
                     plan->arm_count > 2 ? plan->variant[k + 1] : "");
        }
    }
}

/* The recorded look with as many units, if any. */
static size_t find_recorded(const struct pt_started *s, const struct pt_look *look)
{
    for (size_t i = 0; i < s->look_count; i++) {
        bool is_same = s->looks[i].units == look->units;

        for (size_t k = 0; k < pt_plan_treatments(&s->plan); k++) {
            is_same = is_same && s->looks[i].arms[k].units == look->arms[k].units;
        }
        if (is_same) {
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
    const struct pt_started *s = r->started;
    const struct pt_look *recorded = &s->looks[at];
    size_t worst = 0;

    r->has_changed = r->look.units != recorded->units;
    for (size_t k = 0; k < pt_plan_treatments(&s->plan); k++) {
        bool is_carried = pt_readout_arm_is_over(&s->plan, at > 0 ? &s->looks[at - 1] : NULL, k);

        if (r->look.arms[k].units != recorded->arms[k].units ||
            (!is_carried && !is_near(r->look.arms[k].z, recorded->arms[k].z))) {
            r->has_changed = true;
            worst = k;
        }
    }
    if (r->has_changed && mode != PT_READOUT_REPEAT) {
        return pt_fail(err, PT_INVALID,
                       "the table was changed under look %zu: z was %.6g and is %.6g with the same "
                       "units; looking again is a look that the plan does not know",
                       at + 1, recorded->arms[worst].z, r->look.arms[worst].z);
    }
    r->look = *recorded;
    r->is_repeat = true;
    r->look_number = at + 1;
    return PT_OK;
}

/* Judge a recorded look again as it was judged: with the looks before it alone. */
static enum pt_code judge_again(struct pt_readout *r, size_t recorded, struct pt_error *err)
{
    const struct pt_started *kept = r->started;
    struct pt_started *before = pt_alloc(sizeof(*before));
    enum pt_code code = PT_OK;

    if (!before) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the look");
    }
    *before = *kept;
    before->look_count = recorded;
    r->started = before;
    code = pt_readout_judge(r, days_since_first(r), is_over(r), err);
    r->started = kept;
    r->look.verdict = kept->looks[recorded].verdict;
    r->is_recordable = false;
    pt_free(before);
    return code;
}

static enum pt_code look_at_outcome(struct pt_readout *r, size_t recorded,
                                    enum pt_readout_mode mode, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    r->has_metrics = true;
    pt_readout_metric_tests(r);
    for (size_t k = 0; k < pt_plan_treatments(MINE(r)); k++) {
        r->look.arms[k].estimate = r->metrics[0][k].estimate;
        r->look.arms[k].se = r->metrics[0][k].se;
        r->look.arms[k].z = r->metrics[0][k].z;
    }
    if (recorded != SIZE_MAX) {
        code = take_recorded(r, recorded, mode, err);
        code = code ? code : judge_again(r, recorded, err);
    } else {
        r->look_number = r->started->look_count + 1;
        r->is_recordable = true;
        code = pt_readout_judge(r, days_since_first(r), is_over(r), err);
    }
    if (code) {
        return code;
    }
    r->nominal_alpha = nominal_alpha(r);
    code = pt_readout_metric_families(r, err);
    if (r->has_srm) {
        r->look.verdict = PT_VERDICT_INVALID;
        say_ratio(r);
    }
    say_harm(r);
    r->ship = pt_readout_choose(r);
    return code;
}

/*
 * The start as the table has it. Where the journal says that the event was sent, another plan in it
 * is refused. Where it does not, anybody who may send events could have made it up: it is shown.
 */
static enum pt_code check_start(struct pt_query *query, struct pt_readout *r, struct pt_error *err)
{
    const struct pt_started *s = r->started;
    char at[PT_RFC3339_TEXT_BYTES + 1];
    enum pt_code code = pt_measure_start(query, s->plan.name, &r->start, err);

    if (code || !r->start.plan_hash[0] || !s->event_id[0] ||
        strcmp(r->start.plan_hash, s->hash) == 0) {
        return code;
    }
    pt_rfc3339_format(r->start.received_us, at);
    return pt_fail(err, PT_CORRUPT,
                   "the table's experiment_started of %s, received %s, names the plan %s, the "
                   "journal %s: the plan was changed after the start",
                   s->plan.name, at, r->start.plan_hash, s->hash);
}

static void start_empty(struct pt_readout *r, const struct pt_started *started)
{
    memset(r, 0, sizeof(*r));
    r->started = started;
    for (size_t k = 0; k < PT_PLAN_TREATMENTS_MAX; k++) {
        r->look.arms[k] = (struct pt_look_arm){.z_upper = HUGE_VAL,
                                               .z_lower = -HUGE_VAL,
                                               .p_value = NAN,
                                               .interval = {-HUGE_VAL, HUGE_VAL}};
        r->posterior.better[k] = NAN;
        r->posterior.difference[k] = (struct pt_interval){NAN, NAN};
    }
    for (size_t i = 0; i < PT_PLAN_ARMS_MAX; i++) {
        r->posterior.best[i] = r->posterior.loss[i] = NAN;
    }
}

enum pt_code pt_readout_run(struct pt_query *query, const struct pt_started *started,
                            int64_t as_of_us, enum pt_readout_mode mode, struct pt_readout *out,
                            struct pt_error *err)
{
    struct pt_readout *r = out;
    const struct pt_look *last = pt_started_last_look(started);
    size_t recorded = SIZE_MAX;
    enum pt_code code = PT_OK;

    start_empty(r, started);
    if (mode == PT_READOUT_REPEAT && !last) {
        return pt_fail(err, PT_INVALID,
                       "%s was not looked at yet: `playtrace experiment analyze "
                       "%s` comes first",
                       started->plan.name, started->plan.name);
    }
    as_of_us = mode == PT_READOUT_REPEAT ? last->as_of_us : as_of_us;
    code = check_start(query, r, err);
    code = code ? code : pt_measure_plan(query, &started->plan, as_of_us, &r->measure, err);
    code = code ? code : check_ratio(query, r, err);
    if (code) {
        return code;
    }
    r->look.as_of_us = r->measure.as_of_us;
    take_information(r);
    recorded =
        mode == PT_READOUT_REPEAT ? started->look_count - 1 : find_recorded(started, &r->look);
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
