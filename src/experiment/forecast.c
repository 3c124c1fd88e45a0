/*
 * forecast.c - what a plan will cost: units, days, boundaries
 */
#include "experiment/readout.h"

#include "experiment/members.h"
#include "stats/special.h"

#include <inttypes.h>
#include <math.h>

/* Baseline and standard deviation of the primary metric from moments of the table. */
static struct pt_plan_basis basis_of(const struct pt_plan *plan, const struct pt_moments *m)
{
    struct pt_ratio_arm ratio = pt_moments_ratio(m);

    if (plan->metrics[0].kind == PT_PLAN_RATIO) {
        return (struct pt_plan_basis){m->mean_y != 0 ? m->mean_x / m->mean_y : NAN,
                                      sqrt(pt_ratio_unit_variance(&ratio))};
    }
    return (struct pt_plan_basis){m->n > 0 ? m->mean_x : NAN,
                                  m->n > 1 ? sqrt(m->sxx / (m->n - 1)) : NAN};
}

static enum pt_code find_basis(struct pt_query *query, const struct pt_plan *plan,
                               struct pt_forecast *out, struct pt_error *err)
{
    bool is_share = pt_plan_is_share(plan->metrics[0].kind);
    struct pt_moments moments = {0};
    enum pt_code code = PT_OK;

    out->basis = (struct pt_plan_basis){plan->baseline, plan->baseline_sd};
    if (isnan(plan->baseline) || (!is_share && isnan(plan->baseline_sd))) {
        if (!query) {
            return pt_fail(err, PT_INVALID,
                           "the plan gives no %s in minimum_effect and there is no table to take "
                           "it from",
                           isnan(plan->baseline) ? "baseline" : "sd");
        }
        code = pt_measure_baseline(query, plan, &moments, err);
        if (code) {
            return code;
        }
        out->is_from_table = true;
        if (moments.n < 2) {
            return pt_fail(err, PT_INVALID,
                           "the table has %.0f players whose window for %s has passed: give the "
                           "baseline%s in minimum_effect",
                           moments.n, plan->metrics[0].name, is_share ? "" : " and sd");
        }
        if (isnan(plan->baseline)) {
            out->basis.baseline = basis_of(plan, &moments).baseline;
        }
        if (isnan(plan->baseline_sd)) {
            out->basis.sd = basis_of(plan, &moments).sd;
        }
    }
    if (is_share) {
        double p = out->basis.baseline;

        out->basis.sd = sqrt(p * (1 - p));
    }
    return PT_OK;
}

enum pt_code pt_forecast_make(struct pt_query *query, const struct pt_plan *plan,
                              struct pt_forecast *out, struct pt_error *err)
{
    enum pt_code code = PT_OK;
    double total = 0;

    *out = (struct pt_forecast){.days = NAN, .days_then = plan->metrics[0].days};
    code = find_basis(query, plan, out, err);
    code = code ? code : pt_plan_design(plan, out->basis, &out->design, err);
    if (code || !query) {
        return code;
    }
    code = pt_measure_traffic(query, &out->traffic, err);
    total = out->design.units_total;
    if (!code && out->traffic.days > 0) {
        /* Who is active on the first day is exposed on it; from then on only new players are. */
        double first = plan->counts_active ? out->traffic.active_users : 0;
        double after = out->traffic.new_users;

        out->days = total <= first ? 1
                    : after > 0    ? ceil((total - first) / after) + (plan->counts_active ? 1 : 0)
                                   : NAN;
    }
    return code;
}

/* ---- for people ---- */

static void table_bounds(const struct pt_plan *plan, const struct pt_plan_design *d,
                         struct pt_buf *out)
{
    int sided = pt_plan_sided(plan);

    pt_buf_appendf(out, "\n  %-5s %12s %10s %9s %11s %12s %10s %12s %12s\n", "look", "information",
                   "units", "z", "p", "effect", "futility", "stop if null", "stop if real");
    for (size_t i = 0; i < plan->look_count; i++) {
        double t = plan->looks[i];
        double se = d->se / sqrt(t);
        char futility[16] = "-";

        if (isfinite(d->z_lower[i])) {
            snprintf(futility, sizeof(futility), "%.4f", d->z_lower[i]);
        }
        pt_buf_appendf(out, "  %-5zu %12.3f %10.0f %s%8.4f %11.3g %12.5g %10s ", i + 1, t,
                       ceil(t * d->units_total), sided == 2 ? "±" : " ", d->z_upper[i],
                       sided * pt_norm_sf(d->z_upper[i]), pt_plan_sign(plan) * d->z_upper[i] * se,
                       futility);
        if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
            pt_buf_appendf(out, "%12.4f %12.4f\n", d->exit_null[i], d->exit_effect[i]);
        } else {
            pt_buf_appendf(out, "%12s %12s\n", "-", "-");
        }
    }
}

void pt_forecast_table(const struct pt_plan *plan, const struct pt_forecast *f, struct pt_buf *out)
{
    const struct pt_plan_design *d = &f->design;

    pt_buf_appendf(out, "plan %s: %s\n\n  primary metric    %s (%s), alternative %s\n", plan->name,
                   plan->hypothesis, plan->metrics[0].name,
                   pt_plan_kind_name(plan->metrics[0].kind),
                   pt_plan_alternative_name(plan->alternative));
    pt_buf_appendf(out, "  baseline          %.6g, standard deviation of a unit %.6g (%s)\n",
                   f->basis.baseline, f->basis.sd,
                   f->is_from_table ? "from the table" : "as the plan gives it");
    pt_buf_appendf(out, "  minimum effect    %+.6g (%+.2f %%): to %.6g\n", d->effect,
                   100 * d->effect / fabs(f->basis.baseline), f->basis.baseline + d->effect);
    pt_buf_appendf(out, "  alpha, power      %g, %g\n", plan->alpha, plan->power);
    if (plan->metrics[0].cuped.correlation > 0) {
        pt_buf_appendf(out, "  covariate         correlation %g leaves %.1f %% of the variance\n",
                       plan->metrics[0].cuped.correlation,
                       100 * (1 - pow(plan->metrics[0].cuped.correlation, 2)));
    }
    if (plan->arm_count > 2) {
        pt_buf_appendf(out, "  treatments        %zu, each against %s at alpha %.5g (%s)\n",
                       pt_plan_treatments(plan), plan->variant[0], d->alpha,
                       pt_plan_correction_name(plan->treatment_correction));
    }
    pt_buf_append_str(out, "  units             ");
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_buf_appendf(out, "%s%.0f %s", i > 0 ? " + " : "", d->units[i], plan->variant[i]);
    }
    pt_buf_appendf(out, " = %.0f\n", d->units_total);
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL || plan->analysis == PT_PLAN_ALWAYS_VALID) {
        pt_buf_append_str(out, "  one look needs    ");
        for (size_t i = 0; i < plan->arm_count; i++) {
            pt_buf_appendf(out, "%s%.0f", i > 0 ? " + " : "", d->fixed[i]);
        }
        pt_buf_appendf(out, "; %s inflates that by %.4f\n", pt_plan_analysis_name(plan->analysis),
                       d->inflation);
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL && plan->arm_count == 2) {
        pt_buf_appendf(out, "  expected units    %.0f without an effect, %.0f with it\n",
                       d->units_null, d->units_effect);
    }
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_buf_append_str(out, "  note              a Bayesian plan bounds no error rate; the size "
                               "is that of a fixed test, see `simulate`\n");
    }
    if (isfinite(f->days)) {
        pt_buf_appendf(
            out,
            "  days              %.0f, and %" PRId64 " until the last window has passed, "
            "at %.1f new players a day%s\n",
            f->days, f->days_then + (plan->metrics[0].kind == PT_PLAN_RETENTION),
            f->traffic.new_users, plan->counts_active ? "" : " (the table's last full days)");
        if (plan->counts_active) {
            pt_buf_appendf(out,
                           "                    after %.1f active ones on the first (the "
                           "table's last full days)\n",
                           f->traffic.active_users);
        }
    } else {
        pt_buf_append_str(out, "  days              not known: the table has no full day with new "
                               "players\n");
    }
    if (plan->analysis != PT_PLAN_BAYESIAN) {
        table_bounds(plan, d, out);
    }
}

/* ---- for machines ---- */

void pt_forecast_json(const struct pt_plan *plan, const struct pt_forecast *f, struct pt_jsonw *w)
{
    const struct pt_plan_design *d = &f->design;
    char hash[2 * PT_SHA256_BYTES + 1] = "";

    pt_jsonw_object(w);
    pt_jsonw_key(w, "plan");
    pt_plan_write(plan, w);
    if (pt_plan_hash(plan, hash, NULL) == PT_OK) {
        pt_jsonw_member_str(w, "plan_sha256", hash);
    }
    pt_jsonw_member_double(w, "baseline", f->basis.baseline);
    pt_jsonw_member_double(w, "sd", f->basis.sd);
    pt_jsonw_member_bool(w, "baseline_from_table", f->is_from_table);
    pt_jsonw_member_double(w, "effect", d->effect);
    pt_member_list(w, "units", d->units, plan->arm_count);
    pt_member_list(w, "units_of_one_look", d->fixed, plan->arm_count);
    pt_jsonw_member_double(w, "alpha_each", d->alpha);
    pt_jsonw_member_double(w, "inflation", d->inflation);
    pt_jsonw_member_double(w, "expected_units_null", d->units_null);
    pt_jsonw_member_double(w, "expected_units_effect", d->units_effect);
    pt_jsonw_member_str(w, "traffic", plan->counts_active ? "active_users" : "new_users");
    pt_jsonw_member_double(w, "new_users_a_day", f->traffic.new_users);
    pt_jsonw_member_double(w, "active_users_a_day", f->traffic.active_users);
    pt_jsonw_member_double(w, "days", f->days);
    pt_jsonw_member_double(w, "window_days", (double)f->days_then);
    pt_jsonw_key(w, "looks");
    pt_jsonw_array(w);
    for (size_t i = 0; i < plan->look_count && plan->analysis != PT_PLAN_BAYESIAN; i++) {
        double t = plan->looks[i];

        pt_jsonw_object(w);
        pt_jsonw_member_double(w, "information", t);
        pt_jsonw_member_double(w, "units", ceil(t * d->units_total));
        pt_jsonw_member_double(w, "z", d->z_upper[i]);
        pt_jsonw_member_double(w, "p", pt_plan_sided(plan) * pt_norm_sf(d->z_upper[i]));
        pt_jsonw_member_double(w, "effect", pt_plan_sign(plan) * d->z_upper[i] * d->se / sqrt(t));
        pt_jsonw_member_double(w, "z_futility", d->z_lower[i]);
        pt_jsonw_member_double(w, "stop_null", d->exit_null[i]);
        pt_jsonw_member_double(w, "stop_effect", d->exit_effect[i]);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}
