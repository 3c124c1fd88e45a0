/*
 * readout_json.c - a planned readout as JSON
 */
#include "experiment/readout.h"

#include "wire/rfc3339.h"

#include <math.h>

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

static void key_list(struct pt_jsonw *w, const char *key, const double *values, size_t count)
{
    pt_jsonw_key(w, key);
    pt_jsonw_array(w);
    for (size_t i = 0; i < count; i++) {
        pt_jsonw_double(w, values[i]);
    }
    pt_jsonw_array_end(w);
}

static void json_segments(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;

    pt_jsonw_key(w, "epochs");
    pt_jsonw_array(w);
    for (size_t i = 0; i < m->epoch_count; i++) {
        pt_jsonw_object(w);
        key_str(w, "epoch", m->epochs[i].name);
        key_list(w, "users", m->epochs[i].units, plan->arm_count);
        key_list(w, "weights", pt_plan_weights(plan, m->epochs[i].name), plan->arm_count);
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
        key_list(w, "users", r->segments[i].units, plan->arm_count);
        key_double(w, "p_value", r->segments[i].p_value);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static void json_ratio(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;

    pt_jsonw_key(w, "variants");
    pt_jsonw_array(w);
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_jsonw_object(w);
        key_str(w, "variant", plan->variant[i]);
        key_uint(w, "users", m->units[i]);
        key_double(w, "weight", plan->weight[i]);
        if (!isnan(r->posterior.best[i])) {
            key_double(w, "prob_best", r->posterior.best[i]);
            key_double(w, "expected_loss", r->posterior.loss[i]);
        }
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    key_uint(w, "users_in_several_variants", m->several_units);
    key_uint(w, "users_in_other_variants", m->other_units);
    key_uint(w, "exposures_without_variant", m->unnamed_exposures);
    pt_exposure_counts_json(&m->exposures, &plan->exposures, w);
    pt_jsonw_key(w, "sample_ratio");
    pt_jsonw_object(w);
    key_double(w, "chi2", r->ratio.chi2);
    key_double(w, "p_value", r->ratio_p);
    key_double(w, "sequential_p_value", r->ratio_sequential_p);
    key_double(w, "deciding_p_value", r->srm_p);
    key_bool(w, "mismatch", r->has_srm);
    json_segments(r, w);
    pt_jsonw_object_end(w);
}

static void json_payers(const struct pt_readout *r, size_t i, size_t k, struct pt_jsonw *w)
{
    struct pt_hurdle_arm arms[2] = {pt_moments_hurdle(&r->measure.metrics[i][0]),
                                    pt_moments_hurdle(&r->measure.metrics[i][k + 1])};

    key_pair(w, "payers", arms[0].payers, arms[1].payers);
    key_pair(w, "amount", arms[0].amount_mean, arms[1].amount_mean);
}

/* After stopping: p and estimate that take the looks before into account. */
static void json_stagewise(const struct pt_readout *r, size_t k, struct pt_jsonw *w)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_look_arm *arm = &r->look.arms[k];
    double sign = pt_plan_sided(plan) == 2 ? copysign(1, arm->z) : pt_plan_sign(plan);

    key_double(w, "stagewise_p_value",
               pt_plan_sided(plan) == 2 ? r->stagewise[k].p_two_sided : r->stagewise[k].p_upper);
    key_double(w, "median_unbiased",
               r->stagewise[k].median_unbiased_drift * arm->se * sqrt(arm->t) * sign);
}

static void json_metric(const struct pt_readout *r, size_t i, size_t k, struct pt_jsonw *w)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i][k];

    pt_jsonw_object(w);
    key_str(w, "metric", metric->name);
    key_str(w, "treatment", r->started->plan.variant[k + 1]);
    key_str(w, "role", pt_plan_role_name(metric->role));
    key_str(w, "type", pt_plan_kind_name(metric->kind));
    key_pair(w, "users", m->units[0], m->units[1]);
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
    if (metric->cuped.days > 0) {
        key_double(w, "variance_reduction", m->reduced);
    }
    if (metric->model == PT_PLAN_HURDLE && metric->cuped.days == 0) {
        json_payers(r, i, k, w);
    }
    if (i == 0 && r->has_stagewise[k]) {
        json_stagewise(r, k, w);
    }
    if (i == 0 && !isnan(r->posterior.better[k])) {
        key_double(w, "prob_higher", r->posterior.better[k]);
    }
    key_bool(w, metric->role == PT_PLAN_GUARDRAIL ? "harmed" : "shown", m->is_shown);
    if (m->note[0]) {
        key_str(w, "note", m->note);
    }
    pt_jsonw_object_end(w);
}

static void json_arm(const struct pt_plan *plan, const struct pt_look *look, size_t k,
                     struct pt_jsonw *w)
{
    const struct pt_look_arm *arm = &look->arms[k];

    key_double(w, "information", arm->t);
    key_pair(w, "users", look->units, arm->units);
    key_double(w, "estimate", arm->estimate);
    key_double(w, "z", arm->z);
    key_double(w, "z_bound", arm->z_upper);
    key_double(w, "z_futility", arm->z_lower);
    key_double(w, "alpha_spent", arm->alpha_spent);
    key_double(w, "p_value", arm->p_value);
    if (plan->arm_count > 2) {
        key_str(w, "verdict", pt_verdict_name(arm->verdict));
    }
}

static void json_look(const struct pt_plan *plan, const struct pt_look *look, size_t number,
                      struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    key_uint(w, "look", number);
    key_time(w, "as_of", look->as_of_us);
    key_bool(w, "planned", look->is_planned);
    if (plan->arm_count == 2) {
        json_arm(plan, look, 0, w);
    } else {
        key_double(w, "information", look->t);
        pt_jsonw_key(w, "treatments");
        pt_jsonw_array(w);
        for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
            pt_jsonw_object(w);
            key_str(w, "treatment", plan->variant[k + 1]);
            json_arm(plan, look, k, w);
            pt_jsonw_object_end(w);
        }
        pt_jsonw_array_end(w);
    }
    key_str(w, "verdict", pt_verdict_name(look->verdict));
    pt_jsonw_object_end(w);
}

static void json_days(const struct pt_readout *r, struct pt_jsonw *w)
{
    pt_jsonw_key(w, "exposures_by_day");
    pt_jsonw_array(w);
    for (size_t i = 0; i < r->measure.day_count; i++) {
        char day[11];

        pt_day_format(r->measure.days[i].day, day);
        pt_jsonw_object(w);
        key_str(w, "day", day);
        pt_jsonw_key(w, "users");
        pt_jsonw_array(w);
        for (size_t arm = 0; arm < r->started->plan.arm_count; arm++) {
            pt_jsonw_uint(w, r->measure.days[i].units[arm]);
        }
        pt_jsonw_array_end(w);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static void json_metrics(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_plan *plan = &r->started->plan;

    pt_jsonw_key(w, "look");
    json_look(plan, &r->look, r->look_number, w);
    if (!isnan(r->posterior.better[0]) && plan->arm_count == 2) {
        key_double(w, "prob_treatment_higher", r->posterior.better[0]);
        key_pair(w, "expected_loss", r->posterior.loss[0], r->posterior.loss[1]);
    }
    if (r->has_stagewise[0] && plan->arm_count == 2) {
        key_double(w, "stagewise_p_value",
                   pt_plan_sided(plan) == 2 ? r->stagewise[0].p_two_sided
                                            : r->stagewise[0].p_upper);
    }
    key_double(w, "nominal_alpha", r->nominal_alpha);
    pt_jsonw_key(w, "metrics");
    pt_jsonw_array(w);
    for (size_t i = 0; i < plan->metric_count; i++) {
        for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
            json_metric(r, i, k, w);
        }
    }
    pt_jsonw_array_end(w);
}

static void json_amendments(const struct pt_started *s, struct pt_jsonw *w)
{
    pt_jsonw_key(w, "amendments");
    pt_jsonw_array(w);
    for (size_t i = 0; i < s->amendment_count; i++) {
        pt_jsonw_object(w);
        key_str(w, "epoch", s->amendments[i].epoch.name);
        key_list(w, "weights", s->amendments[i].epoch.weight, s->plan.arm_count);
        key_time(w, "at", s->amendments[i].at_us);
        key_uint(w, "late_exposures", s->amendments[i].late_exposures);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

void pt_readout_json(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_started *s = r->started;

    pt_jsonw_object(w);
    key_str(w, "experiment", s->plan.name);
    key_str(w, "verdict", pt_verdict_name(r->look.verdict));
    pt_jsonw_key(w, "ship");
    if (r->ship) {
        pt_jsonw_str(w, r->ship);
    } else {
        pt_jsonw_null(w);
    }
    key_str(w, "reason", r->reason);
    key_str(w, "plan_sha256", s->hash);
    key_time(w, "started_at", s->started_us);
    if (s->event_id[0]) {
        key_str(w, "started_event_id", s->event_id);
    }
    if (r->start.plan_hash[0]) {
        key_str(w, "started_event_plan_sha256", r->start.plan_hash);
    }
    key_uint(w, "late_exposures", s->late_exposures);
    json_amendments(s, w);
    key_time(w, "as_of", r->measure.as_of_us);
    json_ratio(r, w);
    key_bool(w, "recorded_before", r->is_repeat);
    key_bool(w, "changed_since", r->has_changed);
    if (r->has_metrics) {
        json_metrics(r, w);
    }
    pt_jsonw_key(w, "looks");
    pt_jsonw_array(w);
    for (size_t i = 0; i < s->look_count; i++) {
        json_look(&s->plan, &s->looks[i], i + 1, w);
    }
    pt_jsonw_array_end(w);
    json_days(r, w);
    pt_jsonw_key(w, "journal");
    pt_jsonw_object(w);
    key_uint(w, "lines", s->journal_seq);
    key_str(w, "sha256", s->journal_hash);
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}
