/*
 * readout_html.c - a planned readout as one page
 *
 * No script, no font, no picture from elsewhere. Every text that comes from outside goes through
 * pt_html_text(). Colours are the Okabe-Ito blue, orange and red, which the colour-blind tell
 * apart.
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
    ".grid{stroke:#e6ebf0}.zero{stroke:#9aa5b1}.a{fill:#0072b2}.b{fill:#e69f00}"
    ".bound{stroke:#c0392b;fill:none;stroke-width:2}.futile{stroke:#d55e00;fill:none;"
    "stroke-width:2;stroke-dasharray:6 4}.z{stroke:#0072b2;fill:none;stroke-width:2}"
    ".dot{fill:#0072b2}.mark{fill:#c0392b}.limit{stroke:#0072b2;fill:none;stroke-width:1;"
    "stroke-dasharray:4 3}.span{stroke:#0072b2;stroke-width:4}"
    ".key{font-size:13.5px;color:#5b6875;margin:6px 0 0}.key i{display:inline-block;width:12px;"
    "height:12px;border-radius:2px;margin:0 5px 0 14px;vertical-align:-1px}";

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
    pt_buf_appendf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
    pt_html_text(out, s->plan.name);
    pt_buf_append_str(out, "</h1>\n<p class=\"sub\">");
    pt_html_text(out, s->plan.hypothesis);
    pt_buf_appendf(out,
                   "</p>\n<p class=\"sub\">As of %.16s UTC; plan fixed %.16s UTC.</p>\n"
                   "<section class=\"verdict %s\">\n<b>%s</b>",
                   as_of, started, pt_verdict_name(r->look.verdict), titles[r->look.verdict]);
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

static void metric_row(const struct pt_readout *r, size_t i, struct pt_buf *out)
{
    const struct pt_plan_metric *metric = &r->started->plan.metrics[i];
    const struct pt_readout_metric *m = &r->metrics[i];
    bool is_share = pt_plan_is_share(metric->kind);

    pt_buf_append_str(out, "<tr><td>");
    pt_html_text(out, metric->name);
    pt_buf_appendf(out, "<small>%s, %s</small></td><td>", pt_plan_role_name(metric->role),
                   pt_plan_kind_name(metric->kind));
    for (size_t arm = 0; arm < 2; arm++) {
        number(out, m->value[arm], is_share);
        pt_buf_appendf(out, "<small>of %.0f</small></td><td>", r->measure.metrics[i][arm].n);
    }
    if (m->note[0]) {
        pt_buf_append_str(out, "</td><td></td><td>");
        pt_html_text(out, m->note);
        pt_buf_append_str(out, "</td></tr>\n");
        return;
    }
    number(out, m->estimate, is_share);
    pt_buf_append_str(out, "<small>relative ");
    number(out, m->uplift, true);
    pt_buf_append_str(out, "</small></td><td>");
    interval_bar(m, out);
    pt_buf_append_str(out, "<small>");
    if (isfinite(m->level)) {
        number(out, m->interval.low, is_share);
        pt_buf_append_str(out, " to ");
        number(out, m->interval.high, is_share);
        pt_buf_appendf(out, " (%.4g\xc2\xa0%%)", 100 * m->level);
    }
    pt_buf_append_str(out, "</small></td><td>");
    p_value(out, m->p_adjusted);
    pt_buf_appendf(out, "<small>%s</small></td></tr>\n",
                   metric->role == PT_PLAN_GUARDRAIL ? (m->is_shown ? "harmed" : "not harmed")
                   : m->is_shown                     ? "differs"
                                                     : "not shown");
}

static void metrics(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;

    pt_buf_append_str(out, "<section>\n<h2>Metrics</h2>\n<table>\n<tr><th>metric</th><th>");
    pt_html_text(out, plan->variant[0]);
    pt_buf_append_str(out, "</th><th>");
    pt_html_text(out, plan->variant[1]);
    pt_buf_append_str(out, "</th><th>difference</th><th>interval around 0</th><th>p</th></tr>\n");
    for (size_t i = 0; i < plan->metric_count; i++) {
        metric_row(r, i, out);
    }
    pt_buf_appendf(
        out,
        "</table>\n<p class=\"key\">Secondary metrics and guardrails: p adjusted (%s). A "
        "guardrail's p is that of harm beyond its margin.%s</p>\n</section>\n",
        pt_plan_correction_name(plan->correction),
        plan->analysis == PT_PLAN_GROUP_SEQUENTIAL
            ? " The primary metric's interval is the repeated one, its p that of this "
              "look alone."
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
        upper[i] = sign * (is_curve ? pt_plan_always_bound(plan, d->se * d->se / x[i], d->tau2)
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

static void boundaries(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_started *s = r->started;
    double *x = pt_alloc((s->look_count + 1) * sizeof(*x));
    double *z = pt_alloc((s->look_count + 1) * sizeof(*z));
    struct pt_svg svg = {.x_high = 1.05, .y_low = -3, .y_high = 3};
    size_t count = 0;

    if (!x || !z) {
        out->has_failed = true;
        goto out;
    }
    for (size_t i = 0; i < s->look_count; i++) {
        x[count] = s->looks[i].t;
        z[count] = s->looks[i].z;
        svg.x_high = fmax(svg.x_high, 1.05 * x[count]);
        svg.y_high = fmin(6, fmax(svg.y_high, 1.2 * fabs(z[count])));
        count++;
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
    pt_svg_path(&svg, x, z, count, "z");
    for (size_t i = 0; i < count; i++) {
        pt_svg_dot(&svg, x[i], z[i], "dot");
    }
    pt_svg_end(&svg);
    pt_buf_appendf(out,
                   "<p class=\"key\"><i style=\"background:#0072b2\"></i>the looks so far"
                   "%s%s</p>\n</section>\n",
                   s->plan.analysis == PT_PLAN_BAYESIAN
                       ? ""
                       : "<i style=\"background:#c0392b\"></i>stop for effect",
                   s->plan.has_futility ? "<i style=\"background:#d55e00\"></i>stop for futility"
                                        : "");

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

/* Difference of the primary metric over players exposed up to each day, with pointwise limits. */
static void cumulative(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    bool is_share = pt_plan_is_share(plan->metrics[0].kind);
    double scale = is_share ? 100 : 1;
    struct pt_moments arms[2] = {{0}};
    double *rows = pt_alloc(4 * m->day_count * sizeof(*rows));
    double *x = rows;
    double *mid = rows ? rows + m->day_count : NULL;
    double *low = rows ? mid + m->day_count : NULL;
    double *high = rows ? low + m->day_count : NULL;
    struct pt_svg svg = {.x_high = (double)m->day_count};
    double q = pt_norm_quantile(0.975);
    double least = 0;
    double most = 0;

    if (!rows) {
        out->has_failed = true;
        return;
    }
    for (size_t i = 0; i < m->day_count; i++) {
        struct pt_readout_metric one = {0};

        pt_moments_add(&arms[0], &m->days[i].primary[0]);
        pt_moments_add(&arms[1], &m->days[i].primary[1]);
        pt_readout_metric_test(&plan->metrics[0], arms, &one);
        x[i] = (double)i + 0.5;
        mid[i] = isfinite(one.z) ? one.estimate : NAN;
        low[i] = mid[i] - q * one.se;
        high[i] = mid[i] + q * one.se;
        /* The first days' wide limits would flatten all the rest: the last day's set the range. */
        if (isfinite(mid[i])) {
            least = fmin(least, mid[i]);
            most = fmax(most, mid[i]);
            svg.y_low = fmin(fmin(low[i] - 0.5 * (mid[i] - low[i]), -0.2 * fabs(high[i])), 0);
            svg.y_high = fmax(fmax(high[i] + 0.5 * (high[i] - mid[i]), 0.2 * fabs(low[i])), 0);
        }
    }
    svg.y_low = fmin(svg.y_low, 1.1 * least);
    svg.y_high = fmax(svg.y_high, 1.1 * most);
    pt_buf_append_str(out, "<section>\n<h2>Difference, by day of first exposure</h2>\n");
    pt_svg_begin(&svg, out, 260, "difference of the primary metric, cumulative by day");
    pt_svg_y_grid(&svg, scale, is_share ? " %" : "");
    day_labels(&svg, m);
    pt_svg_axis_names(&svg, "players exposed up to the day",
                      is_share ? "difference, percentage points" : "difference");
    pt_svg_path(&svg, x, low, m->day_count, "limit");
    pt_svg_path(&svg, x, high, m->day_count, "limit");
    pt_svg_path(&svg, x, mid, m->day_count, "z");
    if (m->day_count > 0) {
        size_t last = m->day_count - 1;

        while (last > 0 && isnan(mid[last])) {
            last--;
        }
        pt_svg_line(&svg, x[last], low[last], x[last], high[last], "span");
        pt_svg_dot(&svg, x[last], mid[last], "dot");
    }
    pt_svg_end(&svg);
    pt_buf_append_str(
        out,
        "<p class=\"key\">Of players whose window has passed. Dashed: plain 95 % limits as they "
        "were after each day. They show how steady the difference is; the "
        "verdict does not read them.</p>\n</section>\n");
    pt_free(rows);
}

static void exposures(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    struct pt_svg svg = {.x_high = (double)m->day_count, .y_high = 1};
    double gap = m->day_count > 120 ? 0 : 0.08;

    for (size_t i = 0; i < m->day_count; i++) {
        svg.y_high =
            fmax(svg.y_high, 1.1 * fmax((double)m->days[i].units[0], (double)m->days[i].units[1]));
    }
    pt_buf_append_str(out, "<section>\n<h2>Exposures by day</h2>\n");
    pt_svg_begin(&svg, out, 220, "players first exposed on each day, by variant");
    pt_svg_y_grid(&svg, 1, "");
    day_labels(&svg, m);
    pt_svg_axis_names(&svg, "day of first exposure (UTC)", "players");
    for (size_t i = 0; i < m->day_count; i++) {
        for (size_t arm = 0; arm < 2; arm++) {
            double left = pt_svg_x(&svg, (double)i + gap + (arm ? 0.5 - gap : 0));
            double right = pt_svg_x(&svg, (double)i + (arm ? 1 - gap : 0.5));
            double top = pt_svg_y(&svg, (double)m->days[i].units[arm]);

            pt_buf_appendf(out,
                           "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" "
                           "class=\"%s\"/>\n",
                           left, top, right - left, pt_svg_y(&svg, 0) - top, arm ? "b" : "a");
        }
    }
    pt_svg_end(&svg);
    pt_buf_append_str(out, "<p class=\"key\"><i style=\"background:#0072b2\"></i>");
    pt_html_text(out, plan->variant[0]);
    pt_buf_append_str(out, "<i style=\"background:#e69f00\"></i>");
    pt_html_text(out, plan->variant[1]);
    pt_buf_append_str(out, "</p>\n</section>\n");
}

/* ---- groups, and the small print ---- */

static void ratio(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_measure *m = &r->measure;
    double total = fmax(1, (double)(m->units[0] + m->units[1]));

    pt_buf_appendf(out,
                   "<section>\n<h2>Groups: %s</h2>\n<table>\n<tr><th>variant</th>"
                   "<th>players</th><th>share</th><th>planned</th></tr>\n",
                   r->has_srm ? "they do not fit the plan" : "as planned");
    for (size_t i = 0; i < 2; i++) {
        pt_buf_append_str(out, "<tr><td>");
        pt_html_text(out, plan->variant[i]);
        pt_buf_appendf(out, "</td><td>%" PRIu64 "</td><td>%.2f %%</td><td>%.2f %%</td></tr>\n",
                       m->units[i], 100 * (double)m->units[i] / total,
                       100 * plan->weight[i] / (plan->weight[0] + plan->weight[1]));
    }
    pt_buf_appendf(out, "</table>\n<p class=\"key\">Chi-square %.2f, p = ", r->srm.chi2);
    p_value(out, r->srm.p_value);
    pt_buf_append_str(out, "; sequential p = ");
    p_value(out, r->srm_sequential_p);
    pt_buf_appendf(out,
                   ". Excluded: %" PRIu64 " players seen in several variants; left out: %" PRIu64
                   " of other variants, %" PRIu64 " exposures without one.</p>\n",
                   m->several_units, m->other_units, m->unnamed_exposures);
    for (size_t i = 0; i < r->segment_count; i++) {
        pt_buf_appendf(out, "<p class=\"key\">%s ", r->segments[i].kind);
        pt_html_text(out, r->segments[i].name[0] ? r->segments[i].name : "(none)");
        pt_buf_appendf(out, ": %.0f and %.0f, p = ", r->segments[i].units[0],
                       r->segments[i].units[1]);
        p_value(out, r->segments[i].p_value);
        pt_buf_append_str(out, "</p>\n");
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
    pt_buf_appendf(
        out,
        "<section>\n<h2>How to reproduce it</h2>\n<p>Look %zu of the plan with SHA-256 "
        "<code>%s</code>, planned for %.0f + %.0f players (baseline %.6g, effect %+.6g). "
        "The journal has %" PRIu64 " lines and ends with <code>%s</code>.</p>\n<pre>",
        r->look_number, s->hash, s->design.units[0], s->design.units[1], s->basis.baseline,
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
