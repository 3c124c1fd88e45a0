/*
 * readout_html.c - a planned readout as one page
 *
 * No script, no font, no picture from elsewhere. Every text that comes from outside goes through
 * pt_html_text(). Colours are those of Okabe and Ito, which the colour-blind tell apart.
 */
#include "experiment/readout.h"

#include "experiment/readout_metric.h"
#include "experiment/svg.h"
#include "stats/special.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define CURVE_POINTS 100

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;color:#1c2733;background:#f4f6f8;margin:0}"
    "main{max-width:860px;margin:0 auto;padding:24px 20px 60px}"
    "h1{font-size:28px;margin:0 0 4px}h2{font-size:19px;margin:0 0 10px}"
    "section{background:#fff;border:1px solid #dde3e9;border-radius:8px;padding:18px 22px;"
    "margin:18px 0}"
    ".sub{color:#5b6875;margin:0}.verdict{border-left:8px solid #5b6875}"
    ".verdict b{font-size:22px}.stop_for_effect{border-left-color:#0072b2}"
    ".invalid{border-left-color:#c0392b}.stop_for_futility{border-left-color:#d55e00}"
    ".late{color:#c0392b;font-weight:600}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14.5px}"
    "th,td{text-align:right;padding:6px 8px;border-bottom:1px solid #e6ebf0;vertical-align:top}"
    "th:first-child,td:first-child{text-align:left}th{color:#5b6875;font-weight:600}"
    "td small{color:#5b6875;display:block}"
    "code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f4f6f8;padding:12px;"
    "border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}"
    "svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:#5b6875}"
    ".grid{stroke:#e6ebf0}.zero{stroke:#9aa5b1}"
    ".bound{stroke:#c0392b;fill:none;stroke-width:2}.futile{stroke:#d55e00;fill:none;"
    "stroke-width:2;stroke-dasharray:6 4}.z{stroke:#0072b2;fill:none;stroke-width:2}"
    ".dot{fill:#0072b2}.mark{fill:#c0392b}.limit{stroke:#0072b2;fill:none;stroke-width:1;"
    "stroke-dasharray:4 3}.span{stroke:#0072b2;stroke-width:4}"
    ".many{stroke-width:2;fill:none}"
    ".key{font-size:13.5px;color:#5b6875;margin:6px 0 0}.key i{display:inline-block;width:12px;"
    "height:12px;border-radius:2px;margin:0 5px 0 14px;vertical-align:-1px}";

/* Control first: Okabe and Ito's colours, the last one grey. */
static const char *const colours[PT_PLAN_ARMS_MAX] = {"#0072b2", "#e69f00", "#009e73",
                                                      "#cc79a7", "#56b4e9", "#d55e00",
                                                      "#8c6d31", "#000000", "#999999"};

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
        pt_buf_appendf(out, "<i style=\"background:%s\"></i>", colours[i]);
        pt_html_text(out, plan->variant[i]);
    }
}

/* "1.25 %" or "3.2" or a dash. */
static void number(struct pt_buf *out, double value, bool is_share)
{
    if (!isfinite(value)) {
        pt_buf_append_str(out, "\xe2\x80\x93");
    } else if (is_share) {
        pt_buf_appendf(out, "%.2f\xc2\xa0%%", 100 * value);
    } else {
        pt_buf_appendf(out, "%.5g", value);
    }
}

static void p_value(struct pt_buf *out, double p)
{
    if (isnan(p)) {
        pt_buf_append_str(out, "\xe2\x80\x93");
    } else {
        pt_buf_appendf(out, p < 0.0001 && p > 0 ? "%.1e" : "%.4f", p);
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
    pt_buf_append_str(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    pt_html_text(out, s->plan.name);
    pt_buf_appendf(out, "</title>\n<style>%s", style);
    for (size_t i = 0; i < s->plan.arm_count; i++) {
        pt_buf_appendf(out, ".f%zu{fill:%s}.s%zu{stroke:%s}", i, colours[i], i, colours[i]);
    }
    pt_buf_append_str(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    pt_html_text(out, s->plan.name);
    pt_buf_append_str(out, "</h1>\n<p class=\"sub\">");
    pt_html_text(out, s->plan.hypothesis);
    pt_buf_appendf(out,
                   "</p>\n<p class=\"sub\">As of %.16s UTC; plan fixed %.16s UTC.</p>\n"
                   "<section class=\"verdict %s\">\n<b>%s</b>",
                   as_of, started, pt_verdict_name(r->look.verdict), titles[r->look.verdict]);
    if (r->ship) {
        pt_buf_append_str(out, ": ship ");
        pt_html_text(out, r->ship);
    }
    pt_buf_append_str(out, "<br>\n");
    pt_html_text(out, r->reason);
    pt_buf_append_str(out, ".\n");
    if (s->late_exposures > 0) {
        pt_buf_appendf(out,
                       "<p class=\"late\">Started late: %" PRIu64 " exposures were in the "
                       "table before the plan was fixed.</p>\n",
                       s->late_exposures);
    }
    if (r->has_changed) {
        pt_buf_append_str(out,
                          "<p class=\"late\">The table has changed since this look was "
                          "recorded: the metrics below are not quite those of the look.</p>\n");
    }
    pt_buf_append_str(out, "</section>\n");
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
                   "<svg viewBox=\"0 0 160 18\" style=\"width:160px;display:inline-block\">"
                   "<line x1=\"80\" y1=\"1\" x2=\"80\" y2=\"17\" class=\"zero\"/>"
                   "<line x1=\"%.1f\" y1=\"9\" x2=\"%.1f\" y2=\"9\" class=\"span\"/>"
                   "<circle cx=\"%.1f\" cy=\"9\" r=\"5\" class=\"dot\"/></svg>",
                   low, high, 80 + 75 * m->estimate / reach);
}

static void value_cell(double value, double units, bool is_share, struct pt_buf *out)
{
    number(out, value, is_share);
    pt_buf_appendf(out, "<small>of %.0f</small></td><td>", units);
}

static void comparison(const struct pt_readout *r, size_t i, size_t k, struct pt_buf *out)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i][k];
    bool is_share = pt_plan_is_share(metric->kind);

    if (m->note[0]) {
        pt_buf_append_str(out, "</td><td></td><td>");
        pt_html_text(out, m->note);
        pt_buf_append_str(out, "</td></tr>\n");
        return;
    }
    number(out, m->estimate, is_share);
    pt_buf_append_str(out, "<small>relative ");
    number(out, m->uplift, true);
    pt_buf_append_str(out, "</small>");
    if (isfinite(m->reduced)) {
        pt_buf_appendf(out, "<small>covariate: %.1f\xc2\xa0%% less variance</small>",
                       100 * m->reduced);
    }
    pt_buf_append_str(out, "</td><td>");
    interval_bar(m, out);
    pt_buf_append_str(out, "<small>");
    if (isfinite(m->level)) {
        number(out, m->interval.low, is_share);
        pt_buf_append_str(out, " to ");
        number(out, m->interval.high, is_share);
        pt_buf_appendf(out, " (%.4g\xc2\xa0%%)", 100 * m->level);
    }
    pt_buf_append_str(out, "</small></td><td>");
    if (i == 0 && !isnan(r->posterior.better[k])) {
        pt_buf_appendf(out, "P(higher) %.4f<small>P(best) %.4f</small></td></tr>\n",
                       r->posterior.better[k], r->posterior.best[k + 1]);
        return;
    }
    p_value(out, m->p_adjusted);
    pt_buf_appendf(out, "<small>%s</small></td></tr>\n",
                   metric->role == PT_PLAN_GUARDRAIL ? (m->is_shown ? "harmed" : "not harmed")
                   : m->is_shown                     ? "differs"
                                                     : "not shown");
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
        if (k == 0) {
            pt_html_text(out, metric->name);
            pt_buf_appendf(out, "<small>%s, %s</small>", pt_plan_role_name(metric->role),
                           pt_plan_kind_name(metric->kind));
        }
        pt_buf_append_str(out, "</td><td>");
        value_cell(m->value[0], m->units[0], is_share, out);
        if (plan->arm_count > 2) {
            pt_html_text(out, plan->variant[k + 1]);
            pt_buf_append_str(out, "</td><td>");
        }
        value_cell(m->value[1], m->units[1], is_share, out);
        comparison(r, i, k, out);
    }
}

static void metrics(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;

    pt_buf_append_str(out, "<section>\n<h2>Metrics</h2>\n<table>\n<tr><th>metric</th><th>");
    pt_html_text(out, plan->variant[0]);
    pt_buf_append_str(out, "</th><th>");
    if (plan->arm_count > 2) {
        pt_buf_append_str(out, "treatment</th><th>its value");
    } else {
        pt_html_text(out, plan->variant[1]);
    }
    pt_buf_append_str(out, "</th><th>difference</th><th>interval around 0</th><th>p</th></tr>\n");
    for (size_t i = 0; i < plan->metric_count; i++) {
        metric_rows(r, i, out);
    }
    pt_buf_appendf(
        out,
        "</table>\n<p class=\"key\">Secondary metrics and guardrails: p adjusted (%s). A "
        "guardrail's p is that of harm beyond its margin.%s%s</p>\n</section>\n",
        pt_plan_correction_name(plan->correction),
        plan->analysis == PT_PLAN_GROUP_SEQUENTIAL
            ? " The primary metric's interval is the repeated one, its p that of this "
              "look alone."
            : "",
        plan->treatment_correction != PT_PLAN_NO_CORRECTION
            ? " The primary metric's p is adjusted over the treatments."
            : "");
}

/* ---- boundaries ---- */

static void draw_bounds(struct pt_svg *svg, const struct pt_readout *r)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_plan_design *d = &r->started->design;
    double x[CURVE_POINTS] = {0};
    double upper[CURVE_POINTS] = {0};
    double lower[CURVE_POINTS] = {0};
    bool is_curve = plan->analysis == PT_PLAN_ALWAYS_VALID;
    size_t count = is_curve ? CURVE_POINTS : plan->look_count;
    double sign = pt_plan_sign(plan);

    for (size_t i = 0; i < count; i++) {
        /* Closer together where the curve bends. */
        x[i] = is_curve ? svg->x_high * pow((double)(i + 1) / CURVE_POINTS, 2) : plan->looks[i];
        upper[i] =
            sign * (is_curve ? pt_plan_always_bound(plan, d->alpha, d->se * d->se / x[i], d->tau2)
                             : d->z_upper[i]);
        lower[i] = plan->has_futility ? sign * d->z_lower[i] : NAN;
    }
    pt_svg_path(svg, x, upper, count, "bound");
    pt_svg_path(svg, x, lower, count, "futile");
    for (size_t i = 0; i < count; i++) {
        if (!is_curve) {
            pt_svg_dot(svg, x[i], upper[i], "mark");
        }
        upper[i] = -upper[i];
    }
    if (pt_plan_sided(plan) == 2) {
        pt_svg_path(svg, x, upper, count, "bound");
        for (size_t i = 0; i < count && !is_curve; i++) {
            pt_svg_dot(svg, x[i], upper[i], "mark");
        }
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
        pt_buf_append_str(out, "<i style=\"background:#0072b2\"></i>the looks so far");
    }
    pt_buf_appendf(
        out, "%s%s</p>\n</section>\n",
        plan->analysis == PT_PLAN_BAYESIAN ? ""
                                           : "<i style=\"background:#c0392b\"></i>stop for effect",
        plan->has_futility ? "<i style=\"background:#d55e00\"></i>stop for futility" : "");
}

static void boundaries(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_started *s = r->started;
    double *x = pt_alloc((s->look_count + 1) * sizeof(*x));
    double *z = pt_alloc((s->look_count + 1) * sizeof(*z));
    struct pt_svg svg = {.x_high = 1.05, .y_low = -3, .y_high = 3};

    if (!x || !z) {
        out->has_failed = true;
        goto out;
    }
    for (size_t k = 0; k < pt_plan_treatments(&s->plan); k++) {
        size_t count = look_points(s, k, x, z);

        for (size_t i = 0; i < count; i++) {
            svg.x_high = fmax(svg.x_high, 1.05 * x[i]);
            svg.y_high = fmin(6, fmax(svg.y_high, 1.2 * fabs(z[i])));
        }
    }
    for (size_t i = 0; i < s->plan.look_count; i++) {
        if (isfinite(s->design.z_upper[i])) {
            svg.y_high = fmin(6, fmax(svg.y_high, 1.15 * s->design.z_upper[i]));
        }
    }
    svg.y_low = -svg.y_high;
    pt_buf_append_str(out, "<section>\n<h2>Looks and boundaries</h2>\n");
    pt_svg_begin(&svg, out, 300, "z at each look, and the boundaries of the plan");
    pt_svg_y_grid(&svg, 1, "");
    for (int i = 0; i <= 4; i++) {
        char text[16];
        double t = svg.x_high / 1.05 * i / 4;

        snprintf(text, sizeof(text), "%.3g", t);
        pt_svg_x_label(&svg, t, text);
    }
    pt_svg_axis_names(&svg, "information (1: as planned)", "z, treatment against control");
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
    size_t count = plan->epoch_count > 0 ? m->epoch_count : 1;
    double q = pt_norm_quantile(0.975);
    size_t cell = 0;

    memset(strata, 0, count * sizeof(*strata));
    for (size_t i = 0; i < m->day_count; i++) {
        struct pt_readout_metric one = {0};

        for (; cell < m->cell_count && m->cells[cell].day == i; cell++) {
            struct pt_stratum *stratum = &strata[plan->epoch_count > 0 ? m->cells[cell].epoch : 0];

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
    double *rows = pt_alloc(4 * (m->day_count + 1) * sizeof(*rows));
    struct pt_stratum *strata = pt_alloc((m->epoch_count + 1) * sizeof(*strata));
    struct curve curve = {rows, rows + m->day_count, rows + 2 * m->day_count,
                          rows + 3 * m->day_count};
    struct pt_svg svg = {.x_high = (double)m->day_count};

    if (!rows || !strata) {
        out->has_failed = true;
        goto out;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        find_curve(r, k, &curve, strata);
        widen(&svg, &curve, m->day_count);
    }
    pt_buf_append_str(out, "<section>\n<h2>Difference, by day of first exposure</h2>\n");
    pt_svg_begin(&svg, out, 260, "difference of the primary metric, cumulative by day");
    pt_svg_y_grid(&svg, is_share ? 100 : 1, is_share ? " %" : "");
    day_labels(&svg, m);
    pt_svg_axis_names(&svg, "players exposed up to the day",
                      is_share ? "difference, percentage points" : "difference");
    for (size_t k = 0; k < pt_plan_treatments(plan); k++) {
        find_curve(r, k, &curve, strata);
        draw_curve(&svg, r, k, &curve);
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
    double width = (1 - 2 * gap) / (double)plan->arm_count;

    for (size_t i = 0; i < m->day_count; i++) {
        for (size_t arm = 0; arm < plan->arm_count; arm++) {
            svg.y_high = fmax(svg.y_high, 1.1 * (double)m->days[i].units[arm]);
        }
    }
    pt_buf_append_str(out, "<section>\n<h2>Exposures by day</h2>\n");
    pt_svg_begin(&svg, out, 220, "players first exposed on each day, by variant");
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
    pt_buf_append_str(out, "; p = ");
    p_value(out, p);
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
        pt_buf_appendf(out, "</td><td>%" PRIu64 "</td><td>%.2f %%</td><td>%.2f %%</td></tr>\n",
                       m->units[i], 100 * (double)m->units[i] / fmax(1, total),
                       100 * plan->weight[i] / weights);
    }
    pt_buf_appendf(out, "</table>\n<p class=\"key\">Chi-square %.2f, p = ", r->ratio.chi2);
    p_value(out, r->ratio_p);
    pt_buf_append_str(out, "; sequential p = ");
    p_value(out, r->ratio_sequential_p);
    pt_buf_appendf(out,
                   ". Excluded: %" PRIu64 " players seen in several variants; left out: %" PRIu64
                   " of other variants, %" PRIu64 " exposures without one.</p>\n",
                   m->several_units, m->other_units, m->unnamed_exposures);
    for (size_t i = 0; i < m->epoch_count && (m->epoch_count > 1 || plan->epoch_count > 0); i++) {
        part("epoch", m->epochs[i].name, m->epochs[i].units, plan->arm_count, m->epochs[i].p_value,
             out);
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
    pt_buf_appendf(out, " --data DIR --as-of %s</pre>\n<p>The plan:</p>\n<pre>", as_of);
    if (plan.has_failed) {
        out->has_failed = true;
    } else {
        pt_html_text(out, (const char *)plan.data);
    }
    pt_buf_append_str(out, "</pre>\n</section>\n</main>\n</body>\n</html>\n");
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
