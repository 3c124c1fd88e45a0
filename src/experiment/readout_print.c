/*
 * readout_print.c - a planned readout as text
 */
#include "experiment/readout.h"

#include "experiment/readout_metric.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

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

/* "120, 118 and 60" */
static void table_units(const double *units, size_t count, struct pt_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        pt_buf_appendf(out, "%s%.0f", i == 0 ? "" : i + 1 == count ? " and " : ", ", units[i]);
    }
}

static void table_weights(const double *weights, size_t count, struct pt_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        pt_buf_appendf(out, "%s%g", i > 0 ? ":" : "", weights[i]);
    }
}

static void table_ratio(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    double total = 0;
    double weights = 0;
    char p[32];
    char q[32];

    for (size_t i = 0; i < plan->arm_count; i++) {
        total += (double)m->units[i];
        weights += plan->weight[i];
    }
    pt_buf_appendf(out, "\n  %-24s %-10s %12s %10s %10s\n", "variant", "role", "users", "share",
                   "planned");
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_buf_appendf(out, "  %-24s %-10s %12" PRIu64 " %8.2f %% %8.2f %%\n", plan->variant[i],
                       i == 0 ? "control" : "treatment", m->units[i],
                       total > 0 ? 100 * (double)m->units[i] / total : 0,
                       100 * plan->weight[i] / weights);
    }
    pt_buf_appendf(out, "  sample ratio: chi-square %.2f, p = %s; sequential p = %s: %s\n",
                   r->ratio.chi2, p_text(r->ratio_p, p), p_text(r->ratio_sequential_p, q),
                   r->has_srm ? "MISMATCH" : "as planned");
    for (size_t i = 0; i < m->epoch_count && (m->epoch_count > 1 || plan->epoch_count > 0); i++) {
        pt_buf_appendf(out, "    epoch %-12s ",
                       m->epochs[i].name[0] ? m->epochs[i].name : "(none)");
        table_units(m->epochs[i].units, plan->arm_count, out);
        pt_buf_append_str(out, ", planned ");
        table_weights(pt_plan_weights(plan, m->epochs[i].name), plan->arm_count, out);
        pt_buf_appendf(out, ", p = %s\n", p_text(m->epochs[i].p_value, p));
    }
    for (size_t i = 0; i < r->segment_count; i++) {
        pt_buf_appendf(out, "    %-8s %-20s ", r->segments[i].kind,
                       r->segments[i].name[0] ? r->segments[i].name : "(none)");
        table_units(r->segments[i].units, plan->arm_count, out);
        pt_buf_appendf(out, ", p = %s\n", p_text(r->segments[i].p_value, p));
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

static void table_payers(const struct pt_readout *r, size_t i, size_t k, struct pt_buf *out)
{
    struct pt_hurdle_arm arms[2] = {pt_moments_hurdle(&r->measure.metrics[i][0]),
                                    pt_moments_hurdle(&r->measure.metrics[i][k + 1])};

    pt_buf_appendf(out, "    payers %.3g %% of %.6g each against %.3g %% of %.6g\n",
                   100 * arms[1].payers / arms[1].users, arms[1].amount_mean,
                   100 * arms[0].payers / arms[0].users, arms[0].amount_mean);
}

static void table_comparison(const struct pt_readout *r, size_t i, size_t k, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_metric *metric = &plan->metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i][k];
    bool is_share = pt_plan_is_share(metric->kind);
    char text[5][32];

    if (plan->arm_count > 2) {
        pt_buf_appendf(out, "   %s: %s of %.0f\n", plan->variant[k + 1],
                       number(m->value[1], is_share, text[0]), m->units[1]);
    }
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
        pt_buf_appendf(out, ", adjusted (%s) %s: %s", pt_plan_correction_name(plan->correction),
                       p_text(m->p_adjusted, text[4]),
                       metric->role == PT_PLAN_GUARDRAIL ? (m->is_shown ? "HARMED" : "not harmed")
                       : m->is_shown                     ? "differs"
                                                         : "not shown");
    } else if (plan->treatment_correction != PT_PLAN_NO_CORRECTION) {
        pt_buf_appendf(out, ", adjusted (%s) %s",
                       pt_plan_correction_name(plan->treatment_correction),
                       p_text(m->p_adjusted, text[4]));
    }
    pt_buf_append_byte(out, '\n');
    if (isfinite(m->reduced)) {
        pt_buf_appendf(out, "    the covariate takes %.1f %% of the variance away\n",
                       100 * m->reduced);
    }
    if (metric->model == PT_PLAN_HURDLE && metric->cuped.days == 0) {
        table_payers(r, i, k, out);
    }
}

static void table_metric(const struct pt_readout *r, size_t i, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_metric *metric = &plan->metrics[i];
    const struct pt_readout_metric *m = r->metrics[i];
    bool is_share = pt_plan_is_share(metric->kind);
    char text[2][32];

    pt_buf_appendf(out, "\n  %s (%s, %s): ", metric->name, pt_plan_role_name(metric->role),
                   pt_plan_kind_name(metric->kind));
    if (plan->arm_count == 2) {
        pt_buf_appendf(out, "%s of %.0f against ", number(m->value[1], is_share, text[0]),
                       m->units[1]);
    } else {
        pt_buf_appendf(out, "%s ", plan->variant[0]);
    }
    pt_buf_appendf(out, "%s of %.0f\n", number(m->value[0], is_share, text[1]), m->units[0]);
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        table_comparison(r, i, k, out);
    }
}

static void table_bounds(const struct pt_readout *r, size_t k, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_look_arm *arm = &r->look.arms[k];
    bool is_share = pt_plan_is_share(plan->metrics[0].kind);
    char text[32];

    if (plan->arm_count > 2) {
        pt_buf_appendf(out, "   %s: %s, information %.4f, z = %.4f", plan->variant[k + 1],
                       pt_verdict_name(arm->verdict), arm->t, arm->z);
    }
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_buf_appendf(out, "; P(%s higher) = %.4f, P(best) = %.4f, expected loss %.3g",
                       plan->variant[k + 1], r->posterior.better[k], r->posterior.best[k + 1],
                       r->posterior.loss[k + 1]);
    } else {
        pt_buf_appendf(out, ", bound %s%.4f", pt_plan_sided(plan) == 2 ? "±" : "",
                       pt_plan_sign(plan) * arm->z_upper);
    }
    if (isfinite(arm->z_lower)) {
        pt_buf_appendf(out, ", futility %.4f", pt_plan_sign(plan) * arm->z_lower);
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        pt_buf_appendf(out, "; alpha spent %.5f of %g", arm->alpha_spent, r->started->design.alpha);
    }
    pt_buf_append_byte(out, '\n');
    if (r->has_stagewise[k]) {
        pt_buf_appendf(out,
                       "  after stopping: stagewise p = %s, median-unbiased difference about %s\n",
                       p_text(pt_readout_stagewise_p(r, k), text),
                       number(pt_readout_stagewise_effect(r, k), is_share, (char[32]){0}));
    }
}

static void table_analysis(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_look *look = &r->look;
    bool has_any = false;

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        has_any = has_any || isfinite(look->arms[k].z);
    }
    if (!r->has_metrics || !has_any) {
        return;
    }
    pt_buf_appendf(out, "\n  look %zu%s%s: information %.4f", r->look_number,
                   look->is_planned ? "" : ", unplanned", r->is_repeat ? ", as recorded" : "",
                   look->t);
    if (plan->arm_count == 2) {
        pt_buf_appendf(out, ", z = %.4f", look->arms[0].z);
    } else {
        pt_buf_append_byte(out, '\n');
    }
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        table_bounds(r, k, out);
    }
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_buf_appendf(out, "  %s: P(best) = %.4f, expected loss %.3g\n", plan->variant[0],
                       r->posterior.best[0], r->posterior.loss[0]);
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
    for (size_t i = 0; i < s->amendment_count; i++) {
        const struct pt_amendment *amendment = &s->amendments[i];

        pt_rfc3339_format(amendment->at_us, at);
        pt_buf_appendf(out, "  amended %s: epoch %s has ", at, amendment->epoch.name);
        table_weights(amendment->epoch.weight, s->plan.arm_count, out);
        if (amendment->late_exposures > 0) {
            pt_buf_appendf(out, ", LATE: %" PRIu64 " exposures of it were in the table",
                           amendment->late_exposures);
        }
        pt_buf_append_byte(out, '\n');
    }
    if (s->event_id[0] && !r->start.plan_hash[0]) {
        pt_buf_append_str(out, "  its event experiment_started is not in the table (yet)\n");
    } else if (r->start.plan_hash[0] && strcmp(r->start.plan_hash, s->hash) != 0) {
        pt_buf_appendf(out, "  ANOTHER PLAN in the table's experiment_started: %s\n",
                       r->start.plan_hash);
    }
    table_ratio(r, out);
    for (size_t i = 0; i < s->plan.metric_count && r->has_metrics; i++) {
        table_metric(r, i, out);
    }
    table_analysis(r, out);
    if (r->has_changed) {
        pt_buf_append_str(out, "\n  the table has changed since this look was recorded\n");
    }
    pt_buf_appendf(out, "\n  verdict: %s%s%s\n  %s\n", pt_verdict_name(r->look.verdict),
                   r->ship ? ", ship " : "", r->ship ? r->ship : "", r->reason);
}
