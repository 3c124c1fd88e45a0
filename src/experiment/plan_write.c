/*
 * plan_write.c - a plan's canonical form and its hash
 *
 * The form is JSON with fixed order; what does not apply is left out, so that a field added later
 * with a default does not change the hash of older plans unless it is used.
 */
#include "experiment/plan.h"

#include "experiment/members.h"

#include <math.h>

static void write_sum(struct pt_jsonw *w, const char *key, const struct pt_plan_sum *sum)
{
    pt_jsonw_key(w, key);
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "event", sum->event);
    if (sum->field[0]) {
        pt_jsonw_member_str(w, "field", sum->field);
    }
    pt_jsonw_object_end(w);
}

static void write_cuped(struct pt_jsonw *w, const struct pt_plan_cuped *cuped)
{
    pt_jsonw_key(w, "cuped");
    pt_jsonw_object(w);
    pt_jsonw_member_int(w, "days", cuped->days);
    write_sum(w, cuped->is_share ? "any" : "sum", &cuped->sum);
    if (cuped->correlation > 0) {
        pt_jsonw_member_double(w, "correlation", cuped->correlation);
    }
    pt_jsonw_object_end(w);
}

static void write_metric(struct pt_jsonw *w, const struct pt_plan_metric *metric)
{
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "name", metric->name);
    pt_jsonw_member_str(w, "role", pt_plan_role_name(metric->role));
    pt_jsonw_member_str(w, "type", pt_plan_kind_name(metric->kind));
    if (metric->kind == PT_PLAN_RETENTION) {
        pt_jsonw_member_int(w, "day", metric->days);
    } else {
        pt_jsonw_member_int(w, "window_days", metric->days);
        write_sum(w, metric->kind == PT_PLAN_RATIO ? "numerator" : "sum", &metric->sum);
    }
    if (metric->kind == PT_PLAN_RATIO) {
        write_sum(w, "denominator", &metric->denominator);
    }
    if (metric->winsorise < 1) {
        pt_jsonw_member_double(w, "winsorise", metric->winsorise);
    }
    if (metric->model != PT_PLAN_NORMAL) {
        pt_jsonw_member_str(w, "model", pt_plan_model_name(metric->model));
    }
    if (metric->cuped.days > 0) {
        write_cuped(w, &metric->cuped);
    }
    if (metric->role == PT_PLAN_GUARDRAIL) {
        pt_jsonw_member_str(w, "harm", metric->harm_is_increase ? "increase" : "decrease");
        pt_jsonw_member_double(w, "margin", metric->margin);
    }
    pt_jsonw_object_end(w);
}

static void write_epochs(struct pt_jsonw *w, const struct pt_plan *plan)
{
    if (plan->epoch_count == plan->amended_count) {
        return;
    }
    pt_jsonw_key(w, "epochs");
    pt_jsonw_array(w);
    for (size_t i = 0; i < plan->epoch_count - plan->amended_count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "epoch", plan->epochs[i].name);
        pt_member_list(w, "weights", plan->epochs[i].weight, plan->arm_count);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static void write_spending(struct pt_jsonw *w, const struct pt_spending *spending)
{
    pt_jsonw_member_str(w, "spending", pt_plan_spending_name(spending->kind));
    if (spending->kind == PT_SPEND_HWANG_SHIH_DECANI || spending->kind == PT_SPEND_KIM_DEMETS) {
        pt_jsonw_member_double(w, "parameter", spending->param);
    }
}

static void write_analysis(struct pt_jsonw *w, const struct pt_plan *plan)
{
    pt_jsonw_key(w, "analysis");
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "type", pt_plan_analysis_name(plan->analysis));
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        pt_member_list(w, "looks", plan->looks, plan->look_count);
        write_spending(w, &plan->spending);
        if (plan->has_futility) {
            pt_jsonw_key(w, "futility");
            pt_jsonw_object(w);
            write_spending(w, &plan->futility);
            pt_jsonw_member_bool(w, "binding", plan->is_binding);
            pt_jsonw_object_end(w);
        }
    } else if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_member_pair(w, "prior", plan->prior_a, plan->prior_b);
        pt_jsonw_member_double(w, "probability", plan->probability);
        if (plan->loss > 0) {
            pt_jsonw_member_double(w, "loss", plan->loss);
        }
    }
    pt_jsonw_object_end(w);
}

void pt_plan_write(const struct pt_plan *plan, struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "experiment", plan->name);
    pt_jsonw_member_str(w, "hypothesis", plan->hypothesis);
    pt_jsonw_member_str(w, "alternative", pt_plan_alternative_name(plan->alternative));
    if (plan->is_smaller_better) {
        pt_jsonw_member_str(w, "better", "smaller");
    }
    pt_jsonw_member_str(w, "unit", "user_id");
    pt_jsonw_key(w, "variants");
    pt_jsonw_array(w);
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "name", plan->variant[i]);
        pt_jsonw_member_double(w, "weight", plan->weight[i]);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    if (plan->arm_count > 2 && plan->analysis != PT_PLAN_BAYESIAN) {
        pt_jsonw_member_str(w, "treatment_correction",
                            pt_plan_correction_name(plan->treatment_correction));
    }
    write_epochs(w, plan);
    pt_jsonw_member_double(w, "alpha", plan->alpha);
    pt_jsonw_member_double(w, "power", plan->power);
    pt_jsonw_key(w, "minimum_effect");
    pt_jsonw_object(w);
    pt_jsonw_member_double(w, plan->is_relative ? "relative" : "absolute", plan->effect);
    if (!isnan(plan->baseline)) {
        pt_jsonw_member_double(w, "baseline", plan->baseline);
    }
    if (!isnan(plan->baseline_sd)) {
        pt_jsonw_member_double(w, "sd", plan->baseline_sd);
    }
    pt_jsonw_object_end(w);
    pt_jsonw_member_str(w, "traffic", plan->counts_active ? "active_users" : "new_users");
    pt_jsonw_member_double(w, "sample_ratio_alpha", plan->sample_ratio_alpha);
    pt_jsonw_member_str(w, "correction", pt_plan_correction_name(plan->correction));
    pt_jsonw_key(w, "metrics");
    pt_jsonw_array(w);
    for (size_t i = 0; i < plan->metric_count; i++) {
        write_metric(w, &plan->metrics[i]);
    }
    pt_jsonw_array_end(w);
    write_analysis(w, plan);
    pt_jsonw_key(w, "stopping");
    pt_jsonw_object(w);
    pt_jsonw_member_int(w, "min_days", plan->days_min);
    pt_jsonw_member_int(w, "max_days", plan->days_max);
    pt_jsonw_object_end(w);
    if (!pt_exposure_map_is_plain(&plan->exposures)) {
        pt_jsonw_key(w, "exposures");
        pt_exposure_map_write(&plan->exposures, w);
    }
    pt_jsonw_object_end(w);
}

enum pt_code pt_plan_hash(const struct pt_plan *plan, char hex_out[2 * PT_SHA256_BYTES + 1],
                          struct pt_error *err)
{
    struct pt_buf text;
    struct pt_jsonw w;
    uint8_t digest[PT_SHA256_BYTES];
    enum pt_code code = PT_OK;

    pt_buf_init(&text, PT_PLAN_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_plan_write(plan, &w);
    if (text.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the plan");
    } else {
        pt_sha256(pt_buf_span(&text), digest);
        pt_hex_encode(digest, sizeof(digest), hex_out);
    }
    pt_buf_release(&text);
    return code;
}
