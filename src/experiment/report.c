/*
 * report.c - a readout as text and as JSON
 */
#include "experiment/experiment.h"

#include "experiment/members.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void metric_text(const struct pt_experiment_metric *metric, char *text, size_t bytes)
{
    if (metric->kind == PT_EXPERIMENT_RETENTION) {
        snprintf(text, bytes, "retention:%" PRId64, metric->days);
    } else {
        snprintf(text, bytes, "conversion:%s:%" PRId64 "d", metric->event_name, metric->days);
    }
}

static double rate_of(struct pt_proportion arm)
{
    return arm.size > 0 ? arm.successes / arm.size : NAN;
}

/* ---- for people ---- */

/* "44.82 %", or "-" where there is nothing. */
static const char *percent(double share, char *text, size_t bytes)
{
    if (isnan(share)) {
        snprintf(text, bytes, "-");
    } else {
        snprintf(text, bytes, "%.2f %%", 100 * share);
    }
    return text;
}

/* p with four places, or with two digits where those are all zeros. */
static const char *p_text(double p, char *text, size_t bytes)
{
    if (isnan(p)) {
        snprintf(text, bytes, "-");
    } else {
        snprintf(text, bytes, p < 0.0001 && p > 0 ? "%.1e" : "%.4f", p);
    }
    return text;
}

static void table_sizes(const struct pt_experiment_report *report, struct pt_buf *out)
{
    const struct pt_experiment_request *request = &report->request;
    double sizes[2] = {(double)report->variants[report->control].units,
                       (double)report->variants[report->treatment].units};
    double weights[2] = {request->ratio_control, request->ratio_treatment};
    const char *names[2] = {request->control, request->treatment};
    char p[32];

    pt_buf_appendf(out, "\n  %-24s %-10s %12s %10s %10s\n", "variant", "role", "users", "share",
                   "planned");
    for (int i = 0; i < 2; i++) {
        pt_buf_appendf(out, "  %-24s %-10s %12.0f %8.2f %% %8.2f %%\n", names[i],
                       i == 0 ? "control" : "treatment", sizes[i],
                       100 * sizes[i] / (sizes[0] + sizes[1]),
                       100 * weights[i] / (weights[0] + weights[1]));
    }
    pt_buf_appendf(out, "  sample ratio: chi-square %.2f (1 df), p = %s: %s\n", report->srm.chi2,
                   p_text(report->srm.p_value, p, sizeof(p)),
                   report->has_srm ? "MISMATCH" : "as planned");
    for (size_t i = 0; i < report->variant_count; i++) {
        if (i != report->control && i != report->treatment) {
            pt_buf_appendf(out, "  also seen, not compared: %s, %" PRIu64 " users\n",
                           report->variants[i].name, report->variants[i].units);
        }
    }
    if (report->mixed_units > 0) {
        pt_buf_appendf(out, "  excluded: %" PRIu64 " users seen in several variants\n",
                       report->mixed_units);
    }
    pt_exposure_counts_table(&report->exposures, &request->exposures, out);
}

static void table_comparison(const struct pt_experiment_report *report,
                             const struct pt_experiment_result *r, struct pt_buf *out)
{
    double level = 100 * (1 - report->request.alpha);
    char p[32];

    pt_buf_appendf(out, "  difference    %+.2f points, %g %% interval %+.2f to %+.2f\n",
                   100 * r->test.difference, level, 100 * r->interval.low, 100 * r->interval.high);
    if (!isnan(r->uplift.uplift)) {
        pt_buf_appendf(out, "  uplift        %+.2f %%, %g %% interval %+.2f to %+.2f %%\n",
                       100 * r->uplift.uplift, level, 100 * r->uplift.interval.low,
                       100 * r->uplift.interval.high);
    }
    if (isnan(r->test.z)) {
        pt_buf_append_str(out, "  z test        not possible: all or none converted\n");
    } else {
        pt_buf_appendf(out, "  z test        z = %.3f, p = %s (two-sided, pooled)\n", r->test.z,
                       p_text(r->test.p_value, p, sizeof(p)));
    }
    pt_buf_appendf(out,
                   "  Bayesian      P(%s better) = %.2f %%; expected loss: %.4f points by shipping "
                   "it, %.4f by keeping %s\n",
                   report->request.treatment, 100 * r->bayes.prob_b_gt_a,
                   100 * r->bayes.expected_loss_b, 100 * r->bayes.expected_loss_a,
                   report->request.control);
}

static void table_metric(const struct pt_experiment_report *report,
                         const struct pt_experiment_result *r, struct pt_buf *out)
{
    char name[200];
    char rates[2][32];

    metric_text(&r->metric, name, sizeof(name));
    pt_buf_appendf(out, "\n%s%s\n", name, r == &report->results[0] ? " (decides)" : "");
    pt_buf_appendf(out, "  %-24s %12s %12s %10s\n", "variant", "users", "converted", "rate");
    pt_buf_appendf(out, "  %-24s %12.0f %12.0f %10s\n", report->request.control, r->control.size,
                   r->control.successes, percent(rate_of(r->control), rates[0], sizeof(rates[0])));
    pt_buf_appendf(out, "  %-24s %12.0f %12.0f %10s\n", report->request.treatment,
                   r->treatment.size, r->treatment.successes,
                   percent(rate_of(r->treatment), rates[1], sizeof(rates[1])));
    if (r->immature > 0) {
        pt_buf_appendf(out,
                       "  not counted yet: %" PRIu64 " users whose time has not fully passed\n",
                       r->immature);
    }
    if (r->control.size > 0 && r->treatment.size > 0) {
        table_comparison(report, r, out);
    }
}

void pt_experiment_report_table(const struct pt_experiment_report *report, struct pt_buf *out)
{
    char first[11];
    char last[11];
    char as_of[PT_RFC3339_TEXT_BYTES + 1];

    pt_day_format(pt_day_of(report->first_us), first);
    pt_day_format(pt_day_of(report->last_us), last);
    pt_rfc3339_format(report->request.as_of_us, as_of);
    pt_buf_appendf(out, "experiment %s: first exposures %s to %s, read as of %s\n",
                   report->request.name, first, last, as_of);
    table_sizes(report, out);
    for (size_t i = 0; i < report->result_count; i++) {
        table_metric(report, &report->results[i], out);
    }
    pt_buf_appendf(out, "\ndecision: %s: %s\n", pt_experiment_decision_text(report->decision),
                   report->sentence);
}

/* ---- for machines ---- */

static void json_variants(const struct pt_experiment_report *report, struct pt_jsonw *w)
{
    pt_jsonw_key(w, "variants");
    pt_jsonw_array(w);
    for (size_t i = 0; i < report->variant_count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "variant", report->variants[i].name);
        pt_jsonw_member_str(w, "role",
                            i == report->control     ? "control"
                            : i == report->treatment ? "treatment"
                                                     : "not compared");
        pt_jsonw_member_uint(w, "users", report->variants[i].units);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static void json_ratio(const struct pt_experiment_report *report, struct pt_jsonw *w)
{
    pt_jsonw_key(w, "sample_ratio");
    pt_jsonw_object(w);
    pt_member_pair(w, "planned", report->request.ratio_control, report->request.ratio_treatment);
    pt_member_pair(w, "expected", report->srm_expected[0], report->srm_expected[1]);
    pt_jsonw_member_double(w, "chi2", report->srm.chi2);
    pt_jsonw_member_double(w, "df", report->srm.df);
    pt_jsonw_member_double(w, "p_value", report->srm.p_value);
    pt_jsonw_member_double(w, "g", report->srm.g);
    pt_jsonw_member_double(w, "g_p_value", report->srm.g_p_value);
    pt_jsonw_member_double(w, "alpha", PT_EXPERIMENT_SRM_ALPHA);
    pt_jsonw_member_bool(w, "mismatch", report->has_srm);
    pt_jsonw_object_end(w);
}

static void json_arm(struct pt_jsonw *w, const char *key, const char *name,
                     struct pt_proportion arm, const struct pt_beta_posterior *posterior,
                     double level)
{
    pt_jsonw_key(w, key);
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "variant", name);
    pt_jsonw_member_uint(w, "users", (uint64_t)arm.size);
    pt_jsonw_member_uint(w, "conversions", (uint64_t)arm.successes);
    pt_jsonw_member_double(w, "rate", rate_of(arm));
    pt_member_interval(w, "rate_interval", pt_prop_wilson(arm, level));
    pt_member_interval(w, "credible_interval", posterior->interval);
    pt_jsonw_object_end(w);
}

static void json_metric(const struct pt_experiment_report *report,
                        const struct pt_experiment_result *r, struct pt_jsonw *w)
{
    char name[200];
    double level = 1 - report->request.alpha;

    metric_text(&r->metric, name, sizeof(name));
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "metric", name);
    json_arm(w, "control", report->request.control, r->control, &r->bayes.a, level);
    json_arm(w, "treatment", report->request.treatment, r->treatment, &r->bayes.b, level);
    pt_jsonw_member_uint(w, "immature_users", r->immature);
    pt_jsonw_member_double(w, "difference", r->test.difference);
    pt_member_interval(w, "difference_interval", r->interval);
    pt_jsonw_member_double(w, "uplift", r->uplift.uplift);
    pt_member_interval(w, "uplift_interval", r->uplift.interval);
    pt_jsonw_member_double(w, "se", r->test.se);
    pt_jsonw_member_double(w, "z", r->test.z);
    pt_jsonw_member_double(w, "p_value", r->test.p_value);
    pt_jsonw_key(w, "bayesian");
    pt_jsonw_object(w);
    pt_jsonw_member_double(w, "prob_treatment_better", r->bayes.prob_b_gt_a);
    pt_jsonw_member_double(w, "prob_control_better", r->bayes.prob_a_gt_b);
    pt_jsonw_member_double(w, "expected_loss_keep_control", r->bayes.expected_loss_a);
    pt_jsonw_member_double(w, "expected_loss_ship_treatment", r->bayes.expected_loss_b);
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}

void pt_experiment_report_json(const struct pt_experiment_report *report, struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "experiment", report->request.name);
    pt_member_time(w, "as_of", report->request.as_of_us);
    pt_member_time(w, "first_exposure", report->first_us);
    pt_member_time(w, "last_first_exposure", report->last_us);
    pt_jsonw_member_double(w, "alpha", report->request.alpha);
    pt_jsonw_member_str(w, "control", report->request.control);
    pt_jsonw_member_str(w, "treatment", report->request.treatment);
    json_variants(report, w);
    pt_jsonw_member_uint(w, "users_in_several_variants", report->mixed_units);
    pt_jsonw_member_uint(w, "exposures_without_variant", report->exposures.unnamed);
    pt_exposure_counts_json(&report->exposures, &report->request.exposures, w);
    json_ratio(report, w);
    pt_jsonw_key(w, "metrics");
    pt_jsonw_array(w);
    for (size_t i = 0; i < report->result_count; i++) {
        json_metric(report, &report->results[i], w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_member_str(w, "decision", pt_experiment_decision_text(report->decision));
    pt_jsonw_member_str(w, "reason", report->sentence);
    pt_jsonw_object_end(w);
}
