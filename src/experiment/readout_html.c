/*
 * readout_html.c - a planned readout as one page
 *
 * No script, no font, no picture from elsewhere. Every text that comes from outside goes through
 * pt_html_text(). How it looks and speaks is readout_page.h.
 */
#include "experiment/readout.h"

#include "experiment/readout_metric.h"
#include "experiment/readout_page.h"
#include "experiment/svg.h"
#include "stats/special.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define CURVE_POINTS 100

/* A treatment's line: the one of two is blue, of several each has its variant's colour. */
static const char *line_class(const struct pt_plan *plan, size_t treatment)
{
    static const char *const names[PT_PLAN_TREATMENTS_MAX] = {
        "many s1", "many s2", "many s3", "many s4", "many s5", "many s6", "many s7", "many s8"};

    return plan->arm_count == 2 ? "z" : names[treatment];
}

static const char *dot_class(const struct pt_plan *plan, size_t treatment)
{
    static const char *const names[PT_PLAN_TREATMENTS_MAX] = {"f1", "f2", "f3", "f4",
                                                              "f5", "f6", "f7", "f8"};

    return plan->arm_count == 2 ? "dot" : names[treatment];
}

/* The variants' names beside their colours, from `first` on. */
static void legend(const struct pt_plan *plan, size_t first, struct pt_buf *out)
{
    for (size_t i = first; i < plan->arm_count; i++) {
        pt_buf_appendf(out, "<span><i style=\"background:var(--v%zu)\"></i>", i);
        pt_html_text(out, plan->variant[i]);
        pt_buf_append_str(out, "</span> ");
    }
}

static void head(const struct pt_readout *r, struct pt_buf *out)
{
    static const char *const titles[] = {"Continue", "Stop: an effect is shown", "Stop: futility",
                                         "Inconclusive", "Invalid: the groups do not fit the plan"};
    const struct pt_started *s = r->started;
    char started[PT_RFC3339_TEXT_BYTES + 1];
    char as_of[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(s->started_us, started);
    pt_rfc3339_format(r->measure.as_of_us, as_of);
    started[10] = as_of[10] = ' '; /* for people, without the T */
    pt_buf_append_str(
        out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    pt_html_text(out, s->plan.name);
    pt_buf_appendf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>",
                   pt_readout_style);
    pt_html_text(out, s->plan.name);
    pt_buf_append_str(out, "</h1>\n<p class=\"sub\">");
    pt_html_text(out, s->plan.hypothesis);
    pt_buf_appendf(out,
                   "</p>\n<p class=\"sub\">As of %.16s UTC; plan fixed %.16s UTC.</p>\n"
                   "<section class=\"verdict %s\">\n<b>%s",
                   as_of, started, pt_verdict_name(r->look.verdict), titles[r->look.verdict]);
    if (r->ship) {
        pt_buf_append_str(out, r->ship == s->plan.variant[0] ? ": keep " : ": ship ");
        pt_html_text(out, r->ship);
    }
    pt_buf_append_str(out, "</b>\n");
    pt_readout_explain(r, out);
    if (s->late_exposures > 0) {
        pt_buf_append_str(out, "<p class=\"late\">Started late: ");
        pt_html_count(out, (double)s->late_exposures);
        pt_buf_append_str(out, " exposures were in the table before the plan was fixed.</p>\n");
    }
    if (r->has_changed) {
        pt_buf_append_str(out,
                          "<p class=\"late\">The table has changed since this look was "
                          "recorded: the metrics below are not quite those of the look.</p>\n");
    }
    pt_buf_append_str(out, "<p class=\"key\">In figures: ");
    pt_html_text(out, r->reason);
    pt_buf_append_str(out, ".</p>\n</section>\n");
}

/* ---- effects ---- */

/* The interval as a bar around 0, each metric on a scale of its own. */
static void interval_bar(const struct pt_readout_metric *m, struct pt_buf *out)
{
    double reach = fmax(fabs(m->interval.low), fabs(m->interval.high)) * 1.1;
    double low = 80 + 75 * m->interval.low / reach;
    double high = 80 + 75 * m->interval.high / reach;

    if (!isfinite(reach) || reach <= 0) {
        return;
    }
    pt_buf_appendf(out,
                   "<svg viewBox=\"0 0 160 18\" class=\"bar\" role=\"img\" aria-label=\"interval\">"
                   "<line x1=\"80\" y1=\"1\" x2=\"80\" y2=\"17\" class=\"zero\"/>"
                   "<line x1=\"%.1f\" y1=\"9\" x2=\"%.1f\" y2=\"9\" class=\"span\"/>"
                   "<circle cx=\"%.1f\" cy=\"9\" r=\"5\" class=\"dot\"/></svg>",
                   low, high, 80 + 75 * m->estimate / reach);
}

/* A phone shows the label beside the cell. */
static void cell(const char *label, struct pt_buf *out)
{
    pt_buf_append_str(out, "</td><td data-label=\"");
    pt_html_text(out, label);
    pt_buf_append_str(out, "\">");
}

static void value_cell(const char *variant, double value, double units, bool is_share,
                       struct pt_buf *out)
{
    cell(variant, out);
    pt_buf_append_str(out, "<span>");
    pt_html_number(out, value, is_share);
    pt_buf_append_str(out, "<small>of ");
    pt_html_count(out, units);
    pt_buf_append_str(out, "</small></span>");
}

static void interval_cell(const struct pt_readout_metric *m, bool is_share, struct pt_buf *out)
{
    cell("interval", out);
    pt_buf_append_str(out, "<span>");
    interval_bar(m, out);
    if (isfinite(m->level)) {
        pt_buf_append_str(out, "<small>");
        pt_html_difference(out, m->interval.low, is_share);
        pt_buf_append_str(out, " to ");
        pt_html_difference(out, m->interval.high, is_share);
        pt_buf_appendf(out, " (%.4g\xc2\xa0%%)</small>", 100 * m->level);
    }
    pt_buf_append_str(out, "</span>");
}

static void p_cell(const struct pt_readout *r, size_t i, size_t k, struct pt_buf *out)
{
    const struct pt_readout_metric *m = &r->metrics[i][k];
    bool is_guardrail = r->started->plan.metrics[i].role == PT_PLAN_GUARDRAIL;

    if (i == 0 && !isnan(r->posterior.better[k])) {
        cell("probability", out);
        pt_buf_appendf(out, "<span>P(higher) %.4f<small>P(best) %.4f</small></span>",
                       r->posterior.better[k], r->posterior.best[k + 1]);
        return;
    }
    cell("p", out);
    pt_buf_append_str(out, "<span>");
    pt_html_p(out, m->p_adjusted);
    pt_buf_appendf(out, "<small>%s</small></span>",
                   is_guardrail  ? (m->is_shown ? "harmed" : "not harmed")
                   : m->is_shown ? "differs"
                                 : "not shown");
}

static void comparison(const struct pt_readout *r, size_t i, size_t k, struct pt_buf *out)
{
    const struct pt_readout_metric *m = &r->metrics[i][k];
    bool is_share = pt_plan_is_share(r->started->plan.metrics[i].kind);

    cell("difference", out);
    if (m->note[0]) {
        pt_html_text(out, m->note);
        pt_buf_append_str(out, "</td><td></td><td></td></tr>\n");
        return;
    }
    pt_buf_append_str(out, "<span>");
    pt_html_difference(out, m->estimate, is_share);
    if (isfinite(m->uplift)) {
        pt_buf_append_str(out, m->uplift > 0 ? "<small>+" : "<small>");
        pt_html_number(out, m->uplift, true);
        pt_buf_append_str(out, "</small>");
    }
    if (isfinite(m->reduced)) {
        pt_buf_appendf(out, "<small>covariate: %.1f\xc2\xa0%% less variance</small>",
                       100 * m->reduced);
    }
    pt_buf_append_str(out, "</span>");
    interval_cell(m, is_share, out);
    p_cell(r, i, k, out);
    pt_buf_append_str(out, "</td></tr>\n");
}

/* One row for each treatment. */
static void metric_rows(const struct pt_readout *r, size_t i, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_metric *metric = &plan->metrics[i];
    bool is_share = pt_plan_is_share(metric->kind);

    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        const struct pt_readout_metric *m = &r->metrics[i][k];

        pt_buf_append_str(out, "<tr><td>");
        pt_html_text(out, metric->name);
        if (plan->arm_count > 2) {
            pt_buf_append_str(out, ": ");
            pt_html_text(out, plan->variant[k + 1]);
        }
        if (k == 0) {
            pt_buf_appendf(out, "<small>%s: ", pt_plan_role_name(metric->role));
            pt_html_metric(out, metric);
            pt_buf_append_str(out, "</small>");
        }
        value_cell(plan->variant[0], m->value[0], m->units[0], is_share, out);
        value_cell(plan->variant[k + 1], m->value[1], m->units[1], is_share, out);
        comparison(r, i, k, out);
    }
}

static void metrics_key(const struct pt_plan *plan, struct pt_buf *out)
{
    bool has_guardrail = false;

    for (size_t i = 1; i < plan->metric_count; i++) {
        has_guardrail = has_guardrail || plan->metrics[i].role == PT_PLAN_GUARDRAIL;
    }
    pt_buf_append_str(out, "<p class=\"key\">The bar is the interval, the upright line no "
                           "difference; pp are percentage points.");
    if (plan->metric_count > 1) {
        pt_buf_appendf(out, " p of secondary metrics%s: adjusted (%s).",
                       has_guardrail ? " and guardrails" : "",
                       pt_plan_correction_name(plan->correction));
    }
    if (has_guardrail) {
        pt_buf_append_str(out, " A guardrail's p is that of harm beyond its margin.");
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        pt_buf_append_str(out, " The primary metric's interval is the repeated one, its p that "
                               "of this look alone.");
    }
    if (plan->treatment_correction != PT_PLAN_NO_CORRECTION) {
        pt_buf_append_str(out, " The primary metric's p is adjusted over the treatments.");
    }
    pt_buf_append_str(out, "</p>\n");
}

static void metrics(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;

    pt_buf_append_str(out, "<section>\n<h2>Metrics</h2>\n<table class=\"metrics\">\n<tr>"
                           "<th>metric</th><th>");
    pt_html_text(out, plan->variant[0]);
    pt_buf_append_str(out, "</th><th>");
    if (plan->arm_count > 2) {
        pt_buf_append_str(out, "treatment");
    } else {
        pt_html_text(out, plan->variant[1]);
    }
    pt_buf_append_str(out, "</th><th>difference</th><th>interval</th><th>p</th></tr>\n");
    for (size_t i = 0; i < plan->metric_count; i++) {
        metric_rows(r, i, out);
    }
    pt_buf_append_str(out, "</table>\n");
    metrics_key(plan, out);
    pt_buf_append_str(out, "</section>\n");
}

/* ---- boundaries ---- */

/* One side's bounds: a curve, a line over the whole width, or a point for each planned look. */
static void draw_side(struct pt_svg *svg, const struct pt_readout *r, double sign)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_design *d = &r->started->design;
    bool is_curve = plan->analysis == PT_PLAN_ALWAYS_VALID;
    double x[CURVE_POINTS] = {0};
    double z[CURVE_POINTS] = {0};
    size_t count = is_curve ? CURVE_POINTS : plan->look_count;

    for (size_t i = 0; i < count; i++) {
        /* Closer together where the curve bends. */
        x[i] = is_curve ? svg->x_high * pow((double)(i + 1) / CURVE_POINTS, 2) : plan->looks[i];
        z[i] = is_curve ? pt_plan_always_bound(plan, d->alpha, d->se * d->se / x[i], d->tau2)
                        : d->z_upper[i];
        z[i] = isfinite(z[i]) ? sign * z[i] : NAN; /* infinite: nothing is spent yet */
        if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
            pt_svg_dot(svg, x[i], z[i], "mark");
        }
    }
    if (plan->analysis == PT_PLAN_FIXED) {
        pt_svg_line(svg, svg->x_low, z[0], svg->x_high, z[0], "bound");
    } else {
        pt_svg_path(svg, x, z, count, "bound");
    }
}

static void draw_bounds(struct pt_svg *svg, const struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_design *d = &r->started->design;
    double sign = pt_plan_sign(plan);
    double lower[PT_PLAN_LOOKS_MAX] = {0};

    draw_side(svg, r, sign);
    if (pt_plan_sided(plan) == 2) {
        draw_side(svg, r, -sign);
    }
    for (size_t i = 0; plan->has_futility && i < plan->look_count; i++) {
        lower[i] = isfinite(d->z_lower[i]) ? sign * d->z_lower[i] : NAN;
    }
    if (plan->has_futility) {
        pt_svg_path(svg, plan->looks, lower, plan->look_count, "futile");
    }
}

/* The looks of a treatment; its last one stays where it ended. */
static size_t look_points(const struct pt_started *s, size_t k, double *x, double *z)
{
    size_t count = 0;

    for (size_t i = 0; i < s->look_count; i++) {
        const struct pt_look_arm *arm = &s->looks[i].arms[k];

        if (count == 0 || arm->t > x[count - 1]) {
            x[count] = arm->t;
            z[count++] = arm->z;
        }
    }
    return count;
}

static void bounds_legend(const struct pt_plan *plan, struct pt_buf *out)
{
    pt_buf_append_str(out, "<p class=\"key\">");
    if (plan->arm_count > 2) {
        legend(plan, 1, out);
    } else {
        pt_buf_append_str(out, "<span><i style=\"background:var(--look)\"></i>the looks so far"
                               "</span> ");
    }
    if (plan->analysis != PT_PLAN_BAYESIAN) {
        pt_buf_append_str(out, "<span><i style=\"background:var(--stop)\"></i>stop for effect"
                               "</span> ");
    }
    if (plan->has_futility) {
        pt_buf_append_str(out, "<span><i style=\"background:var(--futile)\"></i>stop for futility"
                               "</span>");
    }
    pt_buf_append_str(out, "</p>\n</section>\n");
}

/* Room for all looks and bounds, as far as 12; a hypothesis with one side needs little on the
 * other. */
static void find_range(const struct pt_started *s, double *x, double *z, struct pt_svg *svg)
{
    double sign = pt_plan_sign(&s->plan);
    double reach = 3;
    double other = 1;

    svg->x_high = 1.05;
    for (size_t k = 0; k < pt_plan_treatments(&s->plan); k++) {
        size_t count = look_points(s, k, x, z);

        for (size_t i = 0; i < count; i++) {
            svg->x_high = fmax(svg->x_high, 1.05 * x[i]);
            reach = fmax(reach, 1.2 * sign * z[i]);
            other = fmax(other, -1.2 * sign * z[i]);
        }
    }
    for (size_t i = 0; i < s->plan.look_count; i++) {
        if (isfinite(s->design.z_upper[i])) {
            reach = fmax(reach, 1.15 * s->design.z_upper[i]);
        }
        if (s->plan.has_futility && isfinite(s->design.z_lower[i])) {
            other = fmax(other, -1.15 * s->design.z_lower[i]);
        }
    }
    reach = fmin(12, pt_plan_sided(&s->plan) == 2 ? fmax(reach, other) : reach);
    other = pt_plan_sided(&s->plan) == 2 ? reach : fmin(12, other);
    svg->y_low = sign > 0 ? -other : -reach;
    svg->y_high = sign > 0 ? reach : other;
}

static void boundaries(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_started *s = r->started;
    double *x = pt_alloc((s->look_count + 1) * sizeof(*x));
    double *z = pt_alloc((s->look_count + 1) * sizeof(*z));
    struct pt_svg svg = {0};

    if (!x || !z) {
        out->has_failed = true;
        goto out;
    }
    find_range(s, x, z, &svg);
    pt_buf_append_str(out, "<section>\n<h2>Looks and boundaries</h2>\n");
    pt_svg_begin(&svg, out, 340, "z at each look, and the boundaries of the plan");
    pt_svg_y_grid(&svg, 1, "");
    pt_svg_x_ticks(&svg);
    pt_svg_line(&svg, 1, svg.y_low, 1, svg.y_high, "grid");
    pt_svg_axis_names(&svg, "information (1: the planned end)", "z, treatment against control");
    if (s->plan.analysis != PT_PLAN_BAYESIAN) {
        draw_bounds(&svg, r);
    }
    for (size_t k = 0; k < pt_plan_treatments(&s->plan); k++) {
        size_t count = look_points(s, k, x, z);

        pt_svg_path(&svg, x, z, count, line_class(&s->plan, k));
        for (size_t i = 0; i < count; i++) {
            pt_svg_dot(&svg, x[i], z[i], dot_class(&s->plan, k));
        }
    }
    pt_svg_end(&svg);
    bounds_legend(&s->plan, out);

out:
    pt_free(x);
    pt_free(z);
}

/* ---- by day ---- */

static void day_labels(struct pt_svg *svg, const struct pt_measure *m)
{
    size_t step = m->day_count / 6 + 1;

    for (size_t i = 0; i < m->day_count; i += step) {
        char day[11];

        pt_day_format(m->days[i].day, day);
        pt_svg_x_label(svg, (double)i + 0.5, day + 5);
    }
}

/* The difference of one treatment after each day, with pointwise limits. */
struct curve {
    double *x;
    double *mid;
    double *low;
    double *high;
};

/* Cells of the days up to each day, added up by stratum. */
static void find_curve(const struct pt_readout *r, size_t k, const struct curve *curve,
                       struct pt_stratum *strata)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    size_t place[PT_MEASURE_EPOCHS_MAX];
    size_t count = pt_readout_strata_of(plan, m, place);
    double q = pt_norm_quantile(0.975);
    size_t cell = 0;

    memset(strata, 0, count * sizeof(*strata));
    for (size_t i = 0; i < m->day_count; i++) {
        struct pt_readout_metric one = {0};

        for (; cell < m->cell_count && m->cells[cell].day == i; cell++) {
            struct pt_stratum *stratum = &strata[place[m->cells[cell].epoch]];

            pt_moments_add(&stratum->arms[0], &m->cells[cell].primary[0]);
            pt_moments_add(&stratum->arms[1], &m->cells[cell].primary[k + 1]);
        }
        pt_readout_metric_test(&plan->metrics[0], strata, count, &one);
        curve->x[i] = (double)i + 0.5;
        curve->mid[i] = isfinite(one.z) ? one.estimate : NAN;
        curve->low[i] = curve->mid[i] - q * one.se;
        curve->high[i] = curve->mid[i] + q * one.se;
    }
}

/* The first days' wide limits would flatten all the rest: the last day's set the range. */
static void widen(struct pt_svg *svg, const struct curve *curve, size_t count)
{
    double low = 0;
    double high = 0;

    for (size_t i = 0; i < count; i++) {
        double mid = curve->mid[i];

        if (isfinite(mid)) {
            low = fmin(
                fmin(curve->low[i] - 0.5 * (mid - curve->low[i]), -0.2 * fabs(curve->high[i])), 0);
            high = fmax(
                fmax(curve->high[i] + 0.5 * (curve->high[i] - mid), 0.2 * fabs(curve->low[i])), 0);
            svg->y_low = fmin(svg->y_low, 1.1 * mid);
            svg->y_high = fmax(svg->y_high, 1.1 * mid);
        }
    }
    svg->y_low = fmin(svg->y_low, low);
    svg->y_high = fmax(svg->y_high, high);
}

static void draw_curve(struct pt_svg *svg, const struct pt_readout *r, size_t k,
                       const struct curve *curve)
{
    const struct pt_plan *plan = &r->started->plan;
    size_t count = r->measure.day_count;
    size_t last = count > 0 ? count - 1 : 0;

    if (plan->arm_count == 2) {
        pt_svg_path(svg, curve->x, curve->low, count, "limit");
        pt_svg_path(svg, curve->x, curve->high, count, "limit");
    }
    pt_svg_path(svg, curve->x, curve->mid, count, line_class(plan, k));
    while (last > 0 && isnan(curve->mid[last])) {
        last--;
    }
    if (count > 0) {
        pt_svg_line(svg, curve->x[last], curve->low[last], curve->x[last], curve->high[last],
                    plan->arm_count == 2 ? "span" : line_class(plan, k));
        pt_svg_dot(svg, curve->x[last], curve->mid[last], dot_class(plan, k));
    }
}

/* Difference of the primary metric over players exposed up to each day. */
static void cumulative(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    bool is_share = pt_plan_is_share(plan->metrics[0].kind);
    size_t days = m->day_count;
    double *rows = pt_alloc(4 * pt_plan_treatments(plan) * (days + 1) * sizeof(*rows));
    struct pt_stratum *strata = pt_alloc((m->epoch_count + 1) * sizeof(*strata));
    struct curve curves[PT_PLAN_TREATMENTS_MAX];
    struct pt_svg svg = {.x_high = (double)days};

    if (!rows || !strata) {
        out->has_failed = true;
        goto out;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        double *at = rows + 4 * days * k;

        curves[k] = (struct curve){at, at + days, at + 2 * days, at + 3 * days};
        find_curve(r, k, &curves[k], strata);
        widen(&svg, &curves[k], days);
    }
    pt_buf_append_str(out, "<section>\n<h2>Difference, by day of first exposure</h2>\n");
    pt_svg_begin(&svg, out, 300, "difference of the primary metric, cumulative by day");
    pt_svg_y_grid(&svg, is_share ? 100 : 1, is_share ? " pp" : "");
    day_labels(&svg, m);
    pt_svg_axis_names(&svg, "players exposed up to the day",
                      is_share ? "difference in percentage points" : "difference");
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        draw_curve(&svg, r, k, &curves[k]);
    }
    pt_svg_end(&svg);
    pt_buf_append_str(out, "<p class=\"key\">");
    if (plan->arm_count > 2) {
        legend(plan, 1, out);
    }
    pt_buf_appendf(out,
                   "%sOf players whose window has passed. %s They show how steady the difference "
                   "is; the verdict does not read them.</p>\n</section>\n",
                   plan->arm_count > 2 ? "<br>" : "",
                   plan->arm_count > 2 ? "Upright: plain 95 % limits after the last day."
                                       : "Dashed: plain 95 % limits as they were after each day.");

out:
    pt_free(rows);
    pt_free(strata);
}

static void exposures(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    struct pt_svg svg = {.x_high = (double)m->day_count, .y_high = 1};
    double gap = m->day_count > 120 ? 0 : 0.08;
    double width = 0;

    for (size_t i = 0; i < m->day_count; i++) {
        for (size_t arm = 0; arm < plan->arm_count; arm++) {
            svg.y_high = fmax(svg.y_high, 1.1 * (double)m->days[i].units[arm]);
        }
    }
    gap = fmax(gap, 0.5 - 0.04 * (double)m->day_count); /* a few days: slim bars all the same */
    width = (1 - 2 * gap) / (double)plan->arm_count;
    pt_buf_append_str(out, "<section>\n<h2>Exposures by day</h2>\n");
    pt_svg_begin(&svg, out, 260, "players first exposed on each day, by variant");
    pt_svg_y_grid(&svg, 1, "");
    day_labels(&svg, m);
    pt_svg_axis_names(&svg, "day of first exposure (UTC)", "players");
    for (size_t i = 0; i < m->day_count; i++) {
        for (size_t arm = 0; arm < plan->arm_count; arm++) {
            double left = pt_svg_x(&svg, (double)i + gap + width * (double)arm);
            double right = pt_svg_x(&svg, (double)i + gap + width * (double)(arm + 1));
            double top = pt_svg_y(&svg, (double)m->days[i].units[arm]);

            pt_buf_appendf(out,
                           "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" "
                           "class=\"f%zu\"/>\n",
                           left, top, right - left, pt_svg_y(&svg, 0) - top, arm);
        }
    }
    pt_svg_end(&svg);
    pt_buf_append_str(out, "<p class=\"key\">");
    legend(plan, 0, out);
    pt_buf_append_str(out, "</p>\n</section>\n");
}

/* ---- groups, and the small print ---- */

static void sizes(const double *units, size_t count, struct pt_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        pt_buf_appendf(out, "%s%.0f", i > 0 ? ", " : "", units[i]);
    }
}

/* A line of the check's parts: an epoch or a segment. */
static void part(const char *kind, const char *name, const double *units, size_t count, double p,
                 struct pt_buf *out)
{
    pt_buf_appendf(out, "<p class=\"key\">%s ", kind);
    pt_html_text(out, name[0] ? name : "(none)");
    pt_buf_append_str(out, ": ");
    sizes(units, count, out);
    pt_buf_append_str(out, "; ");
    pt_html_p_is(out, p);
    pt_buf_append_str(out, "</p>\n");
}

static void ratio(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    double total = 0;
    double weights = 0;

    for (size_t i = 0; i < plan->arm_count; i++) {
        total += (double)m->units[i];
        weights += plan->weight[i];
    }
    pt_buf_appendf(out,
                   "<section>\n<h2>Groups: %s</h2>\n<table>\n<tr><th>variant</th>"
                   "<th>players</th><th>share</th><th>planned</th></tr>\n",
                   r->has_srm ? "they do not fit the plan" : "as planned");
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_buf_append_str(out, "<tr><td>");
        pt_html_text(out, plan->variant[i]);
        pt_buf_append_str(out, "</td><td>");
        pt_html_count(out, (double)m->units[i]);
        pt_buf_appendf(out, "</td><td>%.2f\xc2\xa0%%</td><td>%.2f\xc2\xa0%%</td></tr>\n",
                       100 * (double)m->units[i] / fmax(1, total), 100 * plan->weight[i] / weights);
    }
    pt_buf_appendf(out, "</table>\n<p class=\"key\">Chi-square %.2f, ", r->ratio.chi2);
    pt_html_p_is(out, r->ratio_p);
    pt_buf_append_str(out, "; sequential ");
    pt_html_p_is(out, r->ratio_sequential_p);
    pt_buf_appendf(out,
                   "; below %g the groups count as broken. Excluded: %" PRIu64
                   " players seen in several variants; left out: %" PRIu64
                   " of other variants, %" PRIu64 " exposures without one.</p>\n",
                   plan->sample_ratio_alpha, m->several_units, m->other_units,
                   m->exposures.unnamed);
    for (size_t i = 0; i < m->epoch_count && (m->epoch_count > 1 || plan->epoch_count > 0); i++) {
        part("epoch", m->epochs[i].name, m->epochs[i].units, plan->arm_count, m->epochs[i].p_value,
             out);
    }
    for (size_t i = 0; i < r->started->amendment_count; i++) {
        const struct pt_amendment *amendment = &r->started->amendments[i];
        char at[PT_RFC3339_TEXT_BYTES + 1];

        pt_rfc3339_format(amendment->at_us, at);
        pt_buf_appendf(out, "<p class=\"key\">Amended %.16s UTC: the ratio of epoch ", at);
        pt_html_text(out, amendment->epoch.name);
        pt_buf_append_str(out, " is ");
        for (size_t arm = 0; arm < plan->arm_count; arm++) {
            pt_buf_appendf(out, "%s%g", arm > 0 ? ":" : "", amendment->epoch.weight[arm]);
        }
        pt_buf_appendf(out, "%s</p>\n",
                       amendment->late_exposures > 0 ? ", after its first exposure" : "");
    }
    for (size_t i = 0; i < r->segment_count; i++) {
        part(r->segments[i].kind, r->segments[i].name, r->segments[i].units, plan->arm_count,
             r->segments[i].p_value, out);
    }
    pt_buf_append_str(out, "</section>\n");
}

static void small_print(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_started *s = r->started;
    struct pt_buf plan;
    struct pt_jsonw w;
    char as_of[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(r->measure.as_of_us, as_of);
    pt_buf_init(&plan, PT_PLAN_BYTES_MAX);
    pt_jsonw_init(&w, &plan);
    pt_plan_write(&s->plan, &w);
    pt_buf_append_byte(&plan, 0);
    pt_buf_appendf(out,
                   "<section>\n<h2>How to reproduce it</h2>\n<p>Look %zu of the plan with SHA-256 "
                   "<code>%s</code>, planned for %.0f players (baseline %.6g, effect %+.6g). "
                   "The journal has %" PRIu64 " lines and ends with <code>%s</code>.</p>\n<pre>",
                   r->look_number, s->hash, s->design.units_total, s->basis.baseline,
                   s->design.effect, s->journal_seq, s->journal_hash);
    pt_buf_append_str(out, "playtrace experiment analyze ");
    pt_html_text(out, s->plan.name);
    pt_buf_appendf(
        out, " --data DIR --as-of %s</pre>\n<details><summary>The plan, whole</summary>\n<pre>",
        as_of);
    if (plan.has_failed) {
        out->has_failed = true;
    } else {
        pt_html_json(out, (const char *)plan.data);
    }
    pt_buf_append_str(out, "</pre></details>\n</section>\n</main>\n</body>\n</html>\n");
    pt_buf_release(&plan);
}

void pt_readout_html(const struct pt_readout *r, struct pt_buf *out)
{
    head(r, out);
    if (r->has_metrics) {
        metrics(r, out);
        boundaries(r, out);
    }
    if (r->measure.day_count > 0) {
        if (r->has_metrics) {
            cumulative(r, out);
        }
        exposures(r, out);
    }
    ratio(r, out);
    small_print(r, out);
}
