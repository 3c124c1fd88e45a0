/*
 * readout_json.c - a planned readout as JSON
 */
#include "experiment/readout.h"

#include "experiment/members.h"
#include "experiment/readout_metric.h"

#include <math.h>

static void json_segments(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;

    pt_jsonw_key(w, "epochs");
    pt_jsonw_array(w);
    for (size_t i = 0; i < m->epoch_count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "epoch", m->epochs[i].name);
        pt_member_list(w, "users", m->epochs[i].units, plan->arm_count);
        pt_member_list(w, "weights", pt_plan_weights(plan, m->epochs[i].name), plan->arm_count);
        pt_jsonw_member_double(w, "p_value", m->epochs[i].p_value);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "segments");
    pt_jsonw_array(w);
    for (size_t i = 0; i < r->segment_count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "kind", r->segments[i].kind);
        pt_jsonw_member_str(w, "name", r->segments[i].name);
        pt_member_list(w, "users", r->segments[i].units, plan->arm_count);
        pt_jsonw_member_double(w, "p_value", r->segments[i].p_value);
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
        pt_jsonw_member_str(w, "variant", plan->variant[i]);
        pt_jsonw_member_uint(w, "users", m->units[i]);
        pt_jsonw_member_double(w, "weight", plan->weight[i]);
        if (!isnan(r->posterior.best[i])) {
            pt_jsonw_member_double(w, "prob_best", r->posterior.best[i]);
            pt_jsonw_member_double(w, "expected_loss", r->posterior.loss[i]);
        }
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_member_uint(w, "users_in_several_variants", m->several_units);
    pt_jsonw_member_uint(w, "users_in_other_variants", m->other_units);
    pt_jsonw_member_uint(w, "exposures_without_variant", m->exposures.unnamed);
    pt_exposure_counts_json(&m->exposures, &plan->exposures, w);
    pt_jsonw_key(w, "sample_ratio");
    pt_jsonw_object(w);
    pt_jsonw_member_double(w, "chi2", r->ratio.chi2);
    pt_jsonw_member_double(w, "p_value", r->ratio_p);
    pt_jsonw_member_double(w, "sequential_p_value", r->ratio_sequential_p);
    pt_jsonw_member_double(w, "deciding_p_value", r->srm_p);
    pt_jsonw_member_bool(w, "mismatch", r->has_srm);
    json_segments(r, w);
    pt_jsonw_object_end(w);
}

static void json_payers(const struct pt_readout *r, size_t i, size_t k, struct pt_jsonw *w)
{
    struct pt_hurdle_arm arms[2] = {pt_moments_hurdle(&r->measure.metrics[i][0]),
                                    pt_moments_hurdle(&r->measure.metrics[i][k + 1])};

    pt_member_pair(w, "payers", arms[0].payers, arms[1].payers);
    pt_member_pair(w, "amount", arms[0].amount_mean, arms[1].amount_mean);
}

static void json_metric(const struct pt_readout *r, size_t i, size_t k, struct pt_jsonw *w)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i][k];

    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "metric", metric->name);
    pt_jsonw_member_str(w, "treatment", r->started->plan.variant[k + 1]);
    pt_jsonw_member_str(w, "role", pt_plan_role_name(metric->role));
    pt_jsonw_member_str(w, "type", pt_plan_kind_name(metric->kind));
    pt_member_pair(w, "users", m->units[0], m->units[1]);
    pt_member_pair(w, "value", m->value[0], m->value[1]);
    pt_jsonw_member_double(w, "difference", m->estimate);
    pt_jsonw_member_double(w, "se", m->se);
    pt_jsonw_member_double(w, "z", m->z);
    pt_jsonw_member_double(w, "p_value", m->p_value);
    pt_jsonw_member_double(w, "p_adjusted", m->p_adjusted);
    pt_jsonw_member_double(w, "level", m->level);
    pt_member_interval(w, "interval", m->interval);
    pt_jsonw_member_double(w, "uplift", m->uplift);
    if (isfinite(r->measure.caps[i])) {
        pt_jsonw_member_double(w, "cap", r->measure.caps[i]);
    }
    if (metric->cuped.days > 0) {
        pt_jsonw_member_double(w, "variance_reduction", m->reduced);
    }
    if (metric->model == PT_PLAN_HURDLE && metric->cuped.days == 0) {
        json_payers(r, i, k, w);
    }
    if (i == 0 && r->has_stagewise[k]) {
        pt_jsonw_member_double(w, "stagewise_p_value", pt_readout_stagewise_p(r, k));
        pt_jsonw_member_double(w, "median_unbiased", pt_readout_stagewise_effect(r, k));
    }
    if (i == 0 && !isnan(r->posterior.better[k])) {
        pt_jsonw_member_double(w, "prob_higher", r->posterior.better[k]);
    }
    pt_jsonw_member_bool(w, metric->role == PT_PLAN_GUARDRAIL ? "harmed" : "shown", m->is_shown);
    if (m->note[0]) {
        pt_jsonw_member_str(w, "note", m->note);
    }
    pt_jsonw_object_end(w);
}

static void json_arm(const struct pt_plan *plan, const struct pt_look *look, size_t k,
                     struct pt_jsonw *w)
{
    const struct pt_look_arm *arm = &look->arms[k];

    pt_jsonw_member_double(w, "information", arm->t);
    pt_member_pair(w, "users", look->units, arm->units);
    pt_jsonw_member_double(w, "estimate", arm->estimate);
    pt_jsonw_member_double(w, "z", arm->z);
    pt_jsonw_member_double(w, "z_bound", arm->z_upper);
    pt_jsonw_member_double(w, "z_futility", arm->z_lower);
    pt_jsonw_member_double(w, "alpha_spent", arm->alpha_spent);
    pt_jsonw_member_double(w, "p_value", arm->p_value);
    if (plan->arm_count > 2) {
        pt_jsonw_member_str(w, "verdict", pt_verdict_name(arm->verdict));
    }
}

static void json_look(const struct pt_plan *plan, const struct pt_look *look, size_t number,
                      struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_jsonw_member_uint(w, "look", number);
    pt_member_time(w, "as_of", look->as_of_us);
    pt_jsonw_member_bool(w, "planned", look->is_planned);
    if (plan->arm_count == 2) {
        json_arm(plan, look, 0, w);
    } else {
        pt_jsonw_member_double(w, "information", look->t);
        pt_jsonw_key(w, "treatments");
        pt_jsonw_array(w);
        for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
            pt_jsonw_object(w);
            pt_jsonw_member_str(w, "treatment", plan->variant[k + 1]);
            json_arm(plan, look, k, w);
            pt_jsonw_object_end(w);
        }
        pt_jsonw_array_end(w);
    }
    pt_jsonw_member_str(w, "verdict", pt_verdict_name(look->verdict));
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
        pt_jsonw_member_str(w, "day", day);
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
        pt_jsonw_member_double(w, "prob_treatment_higher", r->posterior.better[0]);
        pt_member_pair(w, "expected_loss", r->posterior.loss[0], r->posterior.loss[1]);
    }
    if (r->has_stagewise[0] && plan->arm_count == 2) {
        pt_jsonw_member_double(w, "stagewise_p_value", pt_readout_stagewise_p(r, 0));
    }
    pt_jsonw_member_double(w, "nominal_alpha", r->nominal_alpha);
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
        pt_jsonw_member_str(w, "epoch", s->amendments[i].epoch.name);
        pt_member_list(w, "weights", s->amendments[i].epoch.weight, s->plan.arm_count);
        pt_member_time(w, "at", s->amendments[i].at_us);
        pt_jsonw_member_uint(w, "late_exposures", s->amendments[i].late_exposures);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

void pt_readout_json(const struct pt_readout *r, struct pt_jsonw *w)
{
    const struct pt_started *s = r->started;

    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "experiment", s->plan.name);
    pt_jsonw_member_str(w, "verdict", pt_verdict_name(r->look.verdict));
    pt_jsonw_key(w, "ship");
    if (r->ship) {
        pt_jsonw_str(w, r->ship);
    } else {
        pt_jsonw_null(w);
    }
    pt_jsonw_member_str(w, "reason", r->reason);
    pt_jsonw_member_str(w, "plan_sha256", s->hash);
    pt_member_time(w, "started_at", s->started_us);
    if (s->event_id[0]) {
        pt_jsonw_member_str(w, "started_event_id", s->event_id);
    }
    if (r->start.plan_hash[0]) {
        pt_jsonw_member_str(w, "started_event_plan_sha256", r->start.plan_hash);
    }
    pt_jsonw_member_uint(w, "late_exposures", s->late_exposures);
    json_amendments(s, w);
    pt_member_time(w, "as_of", r->measure.as_of_us);
    json_ratio(r, w);
    pt_jsonw_member_bool(w, "recorded_before", r->is_repeat);
    pt_jsonw_member_bool(w, "changed_since", r->has_changed);
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
    pt_jsonw_member_uint(w, "lines", s->journal_seq);
    pt_jsonw_member_str(w, "sha256", s->journal_hash);
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}
