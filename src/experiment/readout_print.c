/*
 * readout_print.c - a planned readout as text and as JSON
 */
#include "experiment/readout.h"

#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- for people ---- */

static const char *number(double value, bool is_share, char text[32])
{
    if (!isfinite(value)) {
        snprintf(text, 32, "-");
    } else if (is_share) {
        snprintf(text, 32, "%.2f %%", 100 * value);
    } else {
        snprintf(text, 32, "%.6g", value);
    }
    return text;
}

static const char *p_text(double p, char text[32])
{
    if (isnan(p)) {
        snprintf(text, 32, "-");
    } else {
        snprintf(text, 32, p < 0.0001 && p > 0 ? "%.1e" : "%.4f", p);
    }
    return text;
}

static void table_ratio(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    double total = (double)(m->units[0] + m->units[1]);
    double weights = plan->weight[0] + plan->weight[1];
    char p[32];
    char q[32];

    pt_buf_appendf(out, "\n  %-24s %-10s %12s %10s %10s\n", "variant", "role", "users", "share",
                   "planned");
    for (int i = 0; i < 2; i++) {
        pt_buf_appendf(out, "  %-24s %-10s %12" PRIu64 " %8.2f %% %8.2f %%\n", plan->variant[i],
                       i == 0 ? "control" : "treatment", m->units[i],
                       total > 0 ? 100 * (double)m->units[i] / total : 0,
                       100 * plan->weight[i] / weights);
    }
    pt_buf_appendf(out, "  sample ratio: chi-square %.2f, p = %s; sequential p = %s: %s\n",
                   r->srm.chi2, p_text(r->srm.p_value, p), p_text(r->srm_sequential_p, q),
                   r->has_srm ? "MISMATCH" : "as planned");
    for (size_t i = 0; i < m->epoch_count && m->epoch_count > 1; i++) {
        pt_buf_appendf(out, "    epoch %-12s %.0f and %.0f, p = %s\n",
                       m->epochs[i].name[0] ? m->epochs[i].name : "(none)", m->epochs[i].units[0],
                       m->epochs[i].units[1], p_text(m->epochs[i].p_value, p));
    }
    for (size_t i = 0; i < r->segment_count; i++) {
        pt_buf_appendf(out, "    %-8s %-20s %.0f and %.0f, p = %s\n", r->segments[i].kind,
                       r->segments[i].name[0] ? r->segments[i].name : "(none)",
                       r->segments[i].units[0], r->segments[i].units[1],
                       p_text(r->segments[i].p_value, p));
    }
    if (m->several_units > 0) {
        pt_buf_appendf(out, "  excluded: %" PRIu64 " users seen in several variants\n",
                       m->several_units);
    }
    if (m->other_units > 0) {
        pt_buf_appendf(out,
                       "  left out: %" PRIu64 " users of variants that the plan does not know\n",
                       m->other_units);
    }
    pt_exposure_counts_table(&m->exposures, &plan->exposures, out);
}

static void table_metric(const struct pt_readout *r, size_t i, struct pt_buf *out)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i];
    bool is_share = pt_plan_is_share(metric->kind);
    char text[5][32];

    pt_buf_appendf(out, "\n  %s (%s, %s): %s of %.0f against %s of %.0f\n", metric->name,
                   pt_plan_role_name(metric->role), pt_plan_kind_name(metric->kind),
                   number(m->value[1], is_share, text[0]), r->measure.metrics[i][1].n,
                   number(m->value[0], is_share, text[1]), r->measure.metrics[i][0].n);
    if (m->note[0]) {
        pt_buf_appendf(out, "    %s\n", m->note);
        return;
    }
    pt_buf_appendf(out, "    difference %s", number(m->estimate, is_share, text[0]));
    if (isfinite(m->level)) {
        pt_buf_appendf(out, ", %.4g %% interval %s to %s", 100 * m->level,
                       number(m->interval.low, is_share, text[1]),
                       number(m->interval.high, is_share, text[2]));
    }
    pt_buf_appendf(out, "; relative %s\n    z = %.4f, %sp = %s", number(m->uplift, true, text[3]),
                   m->z, metric->role == PT_PLAN_GUARDRAIL ? "harm: " : "",
                   p_text(m->p_value, text[4]));
    if (i > 0) {
        pt_buf_appendf(out, ", adjusted (%s) %s: %s",
                       pt_plan_correction_name(r->started->plan.correction),
                       p_text(m->p_adjusted, text[4]),
                       metric->role == PT_PLAN_GUARDRAIL ? (m->is_shown ? "HARMED" : "not harmed")
                       : m->is_shown                     ? "differs"
                                                         : "not shown");
    }
    pt_buf_append_byte(out, '\n');
}

static void table_analysis(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_look *look = &r->look;
    char text[32];

    if (!r->has_metrics || !isfinite(look->z)) {
        return;
    }
    pt_buf_appendf(out, "\n  look %zu%s%s: information %.4f, z = %.4f", r->look_number,
                   look->is_planned ? "" : ", unplanned", r->is_repeat ? ", as recorded" : "",
                   look->t, look->z);
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_buf_appendf(out, "; P(%s higher) = %.4f, expected loss %.3g (choose %s), %.3g (%s)",
                       plan->variant[1], r->prob_better, r->loss[0], plan->variant[0], r->loss[1],
                       plan->variant[1]);
    } else {
        pt_buf_appendf(out, ", bound %s%.4f", pt_plan_sided(plan) == 2 ? "±" : "",
                       pt_plan_sign(plan) * look->z_upper);
    }
    if (isfinite(look->z_lower)) {
        pt_buf_appendf(out, ", futility %.4f", pt_plan_sign(plan) * look->z_lower);
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        pt_buf_appendf(out, "; alpha spent %.5f of %g", look->alpha_spent, plan->alpha);
    }
    pt_buf_append_byte(out, '\n');
    if (r->has_stagewise) {
        double scale = r->started->design.se * pt_plan_sign(plan) *
                       (pt_plan_sided(plan) == 2 && look->z < 0 ? -1 : 1);
        bool is_share = pt_plan_is_share(plan->metrics[0].kind);

        pt_buf_appendf(
            out,
            "  after stopping: stagewise p = %s, median-unbiased difference about "
            "%s\n",
            p_text(pt_plan_sided(plan) == 2 ? r->stagewise.p_two_sided : r->stagewise.p_upper,
                   text),
            number(r->stagewise.median_unbiased_drift * scale, is_share, (char[32]){0}));
    }
}

void pt_readout_table(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_started *s = r->started;
    char at[PT_RFC3339_TEXT_BYTES + 1];
    char as_of[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(s->started_us, at);
    pt_rfc3339_format(r->measure.as_of_us, as_of);
    pt_buf_appendf(out, "experiment %s, as of %s\n  plan %s, started %s\n", s->plan.name, as_of,
                   s->hash, at);
    if (s->late_exposures > 0) {
        pt_buf_appendf(out,
                       "  STARTED LATE: %" PRIu64 " exposures were in the table before the "
                       "plan was fixed\n",
                       s->late_exposures);
    }
    table_ratio(r, out);
    for (size_t i = 0; i < s->plan.metric_count && r->has_metrics; i++) {
        table_metric(r, i, out);
    }
    table_analysis(r, out);
    if (r->has_changed) {
        pt_buf_append_str(out, "\n  the table has changed since this look was recorded\n");
    }
    pt_buf_appendf(out, "\n  verdict: %s\n  %s\n", pt_verdict_name(r->look.verdict), r->reason);
}

/* ---- for machines ---- */

static void key_str(struct pt_jsonw *w, const char *key, const char *text)
{
    pt_jsonw_key(w, key);
    pt_jsonw_str(w, text);
}

static void key_double(struct pt_jsonw *w, const char *key, double value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_double(w, value);
}

static void key_uint(struct pt_jsonw *w, const char *key, uint64_t value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_uint(w, value);
}

static void key_bool(struct pt_jsonw *w, const char *key, bool value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_bool(w, value);
}

static void key_time(struct pt_jsonw *w, const char *key, int64_t time_us)
{
    char text[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(time_us, text);
    key_str(w, key, text);
}

static void key_pair(struct pt_jsonw *w, const char *key, double low, double high)
{
    pt_jsonw_key(w, key);
    pt_jsonw_array(w);
    pt_jsonw_double(w, low);
    pt_jsonw_double(w, high);
    pt_jsonw_array_end(w);
}

static void json_ratio(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;

    pt_jsonw_key(w, "variants");
    pt_jsonw_array(w);
    for (size_t i = 0; i < 2; i++) {
        pt_jsonw_object(w);
        key_str(w, "variant", plan->variant[i]);
        key_uint(w, "users", m->units[i]);
        key_double(w, "weight", plan->weight[i]);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    key_uint(w, "users_in_several_variants", m->several_units);
    key_uint(w, "users_in_other_variants", m->other_units);
    key_uint(w, "exposures_without_variant", m->unnamed_exposures);
    pt_exposure_counts_json(&m->exposures, &plan->exposures, w);
    pt_jsonw_key(w, "sample_ratio");
    pt_jsonw_object(w);
    key_double(w, "chi2", r->srm.chi2);
    key_double(w, "p_value", r->srm.p_value);
    key_double(w, "sequential_p_value", r->srm_sequential_p);
    key_double(w, "deciding_p_value", r->srm_p);
    key_bool(w, "mismatch", r->has_srm);
    pt_jsonw_key(w, "epochs");
    pt_jsonw_array(w);
    for (size_t i = 0; i < m->epoch_count; i++) {
        pt_jsonw_object(w);
        key_str(w, "epoch", m->epochs[i].name);
        key_pair(w, "users", m->epochs[i].units[0], m->epochs[i].units[1]);
        key_double(w, "p_value", m->epochs[i].p_value);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "segments");
    pt_jsonw_array(w);
    for (size_t i = 0; i < r->segment_count; i++) {
        pt_jsonw_object(w);
        key_str(w, "kind", r->segments[i].kind);
        key_str(w, "name", r->segments[i].name);
        key_pair(w, "users", r->segments[i].units[0], r->segments[i].units[1]);
        key_double(w, "p_value", r->segments[i].p_value);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}

static void json_metric(const struct pt_readout *r, size_t i, struct pt_jsonw *w)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i];

    pt_jsonw_object(w);
    key_str(w, "metric", metric->name);
    key_str(w, "role", pt_plan_role_name(metric->role));
    key_str(w, "type", pt_plan_kind_name(metric->kind));
    key_pair(w, "users", r->measure.metrics[i][0].n, r->measure.metrics[i][1].n);
    key_pair(w, "value", m->value[0], m->value[1]);
    key_double(w, "difference", m->estimate);
    key_double(w, "se", m->se);
    key_double(w, "z", m->z);
    key_double(w, "p_value", m->p_value);
    key_double(w, "p_adjusted", m->p_adjusted);
    key_double(w, "level", m->level);
    key_pair(w, "interval", m->interval.low, m->interval.high);
    key_double(w, "uplift", m->uplift);
    if (isfinite(r->measure.caps[i])) {
        key_double(w, "cap", r->measure.caps[i]);
    }
    key_bool(w, metric->role == PT_PLAN_GUARDRAIL ? "harmed" : "shown", m->is_shown);
    if (m->note[0]) {
        key_str(w, "note", m->note);
    }
    pt_jsonw_object_end(w);
}

static void json_look(const struct pt_readout *r, const struct pt_look *look, size_t k,
                      struct pt_jsonw *w)
{
    (void)r;
    pt_jsonw_object(w);
    key_uint(w, "look", k);
    key_time(w, "as_of", look->as_of_us);
    key_bool(w, "planned", look->is_planned);
    key_double(w, "information", look->t);
    key_pair(w, "users", look->units[0], look->units[1]);
    key_double(w, "estimate", look->estimate);
    key_double(w, "z", look->z);
    key_double(w, "z_bound", look->z_upper);
    key_double(w, "z_futility", look->z_lower);
    key_double(w, "alpha_spent", look->alpha_spent);
    key_double(w, "p_value", look->p_value);
    key_str(w, "verdict", pt_verdict_name(look->verdict));
    pt_jsonw_object_end(w);
}

void pt_readout_json(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_started *s = r->started;

    pt_jsonw_object(w);
    key_str(w, "experiment", s->plan.name);
    key_str(w, "verdict", pt_verdict_name(r->look.verdict));
    key_str(w, "reason", r->reason);
    key_str(w, "plan_sha256", s->hash);
    key_time(w, "started_at", s->started_us);
    key_uint(w, "late_exposures", s->late_exposures);
    key_time(w, "as_of", r->measure.as_of_us);
    json_ratio(r, w);
    key_bool(w, "recorded_before", r->is_repeat);
    key_bool(w, "changed_since", r->has_changed);
    if (r->has_metrics) {
        pt_jsonw_key(w, "look");
        json_look(r, &r->look, r->look_number, w);
        if (!isnan(r->prob_better)) {
            key_double(w, "prob_treatment_higher", r->prob_better);
            key_pair(w, "expected_loss", r->loss[0], r->loss[1]);
        }
        if (r->has_stagewise) {
            key_double(w, "stagewise_p_value",
                       pt_plan_sided(&s->plan) == 2 ? r->stagewise.p_two_sided
                                                    : r->stagewise.p_upper);
        }
        key_double(w, "nominal_alpha", r->nominal_alpha);
        pt_jsonw_key(w, "metrics");
        pt_jsonw_array(w);
        for (size_t i = 0; i < s->plan.metric_count; i++) {
            json_metric(r, i, w);
        }
        pt_jsonw_array_end(w);
    }
    pt_jsonw_key(w, "looks");
    pt_jsonw_array(w);
    for (size_t i = 0; i < s->look_count; i++) {
        json_look(r, &s->looks[i], i + 1, w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "exposures_by_day");
    pt_jsonw_array(w);
    for (size_t i = 0; i < r->measure.day_count; i++) {
        char day[11];

        pt_day_format(r->measure.days[i].day, day);
        pt_jsonw_object(w);
        key_str(w, "day", day);
        key_pair(w, "users", (double)r->measure.days[i].units[0],
                 (double)r->measure.days[i].units[1]);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "journal");
    pt_jsonw_object(w);
    key_uint(w, "lines", s->journal_seq);
    key_str(w, "sha256", s->journal_hash);
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}
