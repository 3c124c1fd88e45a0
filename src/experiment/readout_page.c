/*
 * readout_page.c - numbers and words of a readout's page
 */
#include "experiment/readout_page.h"

#include "experiment/readout_metric.h"
#include "experiment/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define MINUS "\xe2\x88\x92"
#define P_LEAST 0.0001 /* below it the digits of a p say nothing any more */
#define DASH "\xe2\x80\x93"
#define HARD_SPACE "\xc2\xa0"

/* ---- numbers ---- */

static void plain(struct pt_buf *out, double value, bool is_share)
{
    if (!isfinite(value)) {
        pt_buf_append_str(out, DASH);
    } else if (is_share) {
        pt_buf_appendf(out, "%.2f", 100 * value);
    } else {
        pt_buf_appendf(out, "%.5g", value);
    }
}

void pt_html_number(struct pt_buf *out, double value, bool is_share)
{
    pt_buf_append_str(out, value < 0 && isfinite(value) ? MINUS : "");
    plain(out, fabs(value), is_share);
    pt_buf_append_str(out, is_share && isfinite(value) ? HARD_SPACE "%" : "");
}

void pt_html_difference(struct pt_buf *out, double value, bool is_share)
{
    if (isfinite(value)) {
        pt_buf_append_str(out, value < 0 ? MINUS : value > 0 ? "+" : "");
    }
    plain(out, fabs(value), is_share);
    pt_buf_append_str(out, is_share && isfinite(value) ? HARD_SPACE "pp" : "");
}

void pt_html_count(struct pt_buf *out, double count)
{
    char digits[32];
    int size = snprintf(digits, sizeof(digits), "%.0f", isfinite(count) ? count : 0);

    for (int i = 0; i < size && size < (int)sizeof(digits); i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            pt_buf_append_byte(out, ',');
        }
        pt_buf_append_byte(out, (uint8_t)digits[i]);
    }
}

void pt_html_p(struct pt_buf *out, double p)
{
    if (isnan(p)) {
        pt_buf_append_str(out, DASH);
    } else if (p < P_LEAST) {
        pt_buf_append_str(out, "&lt;" HARD_SPACE "0.0001");
    } else {
        pt_buf_appendf(out, "%.4f", p);
    }
}

void pt_html_p_is(struct pt_buf *out, double p)
{
    pt_buf_append_str(out, p < P_LEAST ? "p " : "p = ");
    pt_html_p(out, p);
}

/* ---- what is measured ---- */

static void html_sum(struct pt_buf *out, const struct pt_plan_sum *sum)
{
    if (sum->field[0]) {
        pt_html_text(out, sum->field);
        pt_buf_append_str(out, " of ");
    } else {
        pt_buf_append_str(out, "number of ");
    }
    pt_html_text(out, sum->event);
}

void pt_html_metric(struct pt_buf *out, const struct pt_plan_metric *metric)
{
    switch (metric->kind) {
    case PT_PLAN_RETENTION:
        pt_buf_appendf(out, "came back on day %" PRId64, metric->days);
        return;
    case PT_PLAN_CONVERSION:
        pt_html_text(out, metric->sum.event);
        break;
    case PT_PLAN_MEAN:
    case PT_PLAN_COUNT:
        html_sum(out, &metric->sum);
        pt_buf_append_str(out, " a player");
        break;
    case PT_PLAN_RATIO:
        html_sum(out, &metric->sum);
        pt_buf_append_str(out, " / ");
        html_sum(out, &metric->denominator);
        break;
    }
    pt_buf_appendf(out, " within %" PRId64 " day%s", metric->days, metric->days == 1 ? "" : "s");
    if (metric->winsorise < 1) {
        pt_buf_appendf(out, ", capped at the %.4g" HARD_SPACE "%% quantile",
                       100 * metric->winsorise);
    }
}

/* ---- what the verdict means ---- */

static void name(struct pt_buf *out, const char *text)
{
    pt_buf_append_str(out, "<strong>");
    pt_html_text(out, text);
    pt_buf_append_str(out, "</strong>");
}

/* "day_7 is lower with B than with A: 18.20 % against 19.02 %, a difference of −0.82 pp, …" */
static void say_difference(const struct pt_readout *r, size_t k, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_readout_metric *m = &r->metrics[0][k];
    bool is_share = pt_plan_is_share(plan->metrics[0].kind);

    if (m->note[0]) {
        return;
    }
    pt_buf_append_str(out, "<p>");
    pt_html_text(out, plan->metrics[0].name);
    pt_buf_appendf(out, " is %s with ",
                   m->estimate < 0   ? "lower"
                   : m->estimate > 0 ? "higher"
                                     : "the same");
    name(out, plan->variant[k + 1]);
    pt_buf_append_str(out, m->estimate == 0 ? " as with " : " than with ");
    name(out, plan->variant[0]);
    pt_buf_append_str(out, ": ");
    pt_html_number(out, m->value[1], is_share);
    pt_buf_append_str(out, " against ");
    pt_html_number(out, m->value[0], is_share);
    pt_buf_append_str(out, ", a difference of ");
    pt_html_difference(out, m->estimate, is_share);
    if (isfinite(m->uplift)) {
        pt_buf_append_str(out, " (");
        pt_buf_append_str(out, m->uplift > 0 ? "+" : "");
        pt_html_number(out, m->uplift, true);
        pt_buf_append_str(out, " of control)");
    }
    if (isfinite(m->level) && isfinite(m->interval.low) && isfinite(m->interval.high)) {
        pt_buf_append_str(out, ". The true one may lie anywhere from ");
        pt_html_difference(out, m->interval.low, is_share);
        pt_buf_append_str(out, " to ");
        pt_html_difference(out, m->interval.high, is_share);
        pt_buf_appendf(out, " (%.4g" HARD_SPACE "%% interval)", 100 * m->level);
    }
    pt_buf_append_str(out, ".");
    if (r->has_stagewise[k] && r->look_number > 0 && r->look.arms[k].t < 1) {
        pt_buf_append_str(out, " Whoever stops on the way stops when it looks large: corrected for "
                               "that, the difference is about ");
        pt_html_difference(out, pt_readout_stagewise_effect(r, k), is_share);
        pt_buf_append_str(out, ".");
    }
    pt_buf_append_str(out, "</p>\n");
}

static void say_error_rate(const struct pt_plan *plan, struct pt_buf *out)
{
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_buf_append_str(out, " This rests on the plan's prior; the rule bounds no rate of "
                               "wrong calls over many experiments.");
    } else {
        pt_buf_appendf(out,
                       " By this plan at most %.3g" HARD_SPACE
                       "%% of experiments without any difference end like this.",
                       100 * plan->alpha);
    }
}

/* Is the effect that the plan was made for still among the possible ones? */
static void say_minimum(const struct pt_readout *r, size_t k, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    const struct pt_readout_metric *m = &r->metrics[0][k];
    double effect = r->started->design.effect;
    bool is_in = m->interval.low <= effect && effect <= m->interval.high;

    if (m->note[0] || !isfinite(m->interval.low) || !isfinite(m->interval.high)) {
        return;
    }
    pt_buf_append_str(out, " The effect that the plan looked for, ");
    pt_html_difference(out, effect, pt_plan_is_share(plan->metrics[0].kind));
    pt_buf_append_str(out, is_in ? ", is still possible: more players would tell."
                                 : ", is not among what is still possible.");
}

static void say_next(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;
    double next = pt_plan_next_look(plan, r->look.arms[0].t);

    pt_buf_append_str(out, "<p>Nothing is decided yet. Let it run, and change nothing because of "
                           "these figures: who stops when they look good finds effects that are "
                           "none.");
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        pt_buf_appendf(out,
                       " The next look is due at %.3g" HARD_SPACE "%% of the planned "
                       "information, with about ",
                       100 * next);
        pt_html_count(out, next * r->started->design.units_total);
        pt_buf_append_str(out, " players whose window has passed.");
    }
    pt_buf_append_str(out, "</p>\n");
}

static void say_groups(const struct pt_readout *r, struct pt_buf *out)
{
    pt_buf_append_str(out, "<p>The sizes of the groups do not fit the planned shares, and hardly "
                           "by chance (");
    pt_html_p_is(out, r->srm_p);
    pt_buf_append_str(out, "): players of one variant are lost, or counted in the wrong one. Then "
                           "the groups are not alike, and every difference below may come from "
                           "that. Do not decide by it: find the cause, mend it, and start again "
                           "under another name.</p>\n");
}

void pt_readout_explain(const struct pt_readout *r, struct pt_buf *out)
{
    const struct pt_plan *plan = &r->started->plan;

    if (r->has_srm) {
        say_groups(r, out);
        return;
    }
    for (size_t k = 0; k < pt_plan_treatments(plan) && r->has_metrics; k++) {
        say_difference(r, k, out);
    }
    switch (r->look.verdict) {
    case PT_VERDICT_EFFECT:
        pt_buf_append_str(out, "<p>");
        if (r->ship) {
            pt_buf_append_str(out, "Give ");
            name(out, r->ship);
            pt_buf_append_str(out, " to everybody.");
        }
        say_error_rate(plan, out);
        pt_buf_append_str(out, "</p>\n");
        break;
    case PT_VERDICT_FUTILITY:
        pt_buf_append_str(out, "<p>An effect as large as the plan looked for will hardly be shown "
                               "any more. Keep ");
        name(out, plan->variant[0]);
        pt_buf_append_str(out, ", and spend the players on the next idea.</p>\n");
        break;
    case PT_VERDICT_INCONCLUSIVE:
        pt_buf_append_str(out, "<p>The planned end is here and no difference is shown. That does "
                               "not say that there is none: it may be too small for this many "
                               "players.");
        if (r->has_metrics && plan->arm_count == 2) {
            say_minimum(r, 0, out);
        }
        pt_buf_append_str(out, " Keep ");
        name(out, plan->variant[0]);
        pt_buf_append_str(out, " unless something else speaks for the change.</p>\n");
        break;
    case PT_VERDICT_CONTINUE:
        say_next(r, out);
        break;
    case PT_VERDICT_INVALID:
        break;
    }
}

/* ---- JSON ---- */

static void new_line(struct pt_buf *out, int depth)
{
    pt_buf_append_byte(out, '\n');
    for (int i = 0; i < depth; i++) {
        pt_buf_append_str(out, "  ");
    }
}

void pt_html_json(struct pt_buf *out, const char *json)
{
    bool is_text = false;
    int depth = 0;

    for (const char *at = json; *at; at++) {
        char one[3] = {*at, '\0', '\0'};
        bool is_escape = is_text && *at == '\\' && at[1];

        if (is_escape) {
            one[1] = *++at;
        } else if (*at == '"') {
            is_text = !is_text;
        }
        if (!is_text && (*at == '}' || *at == ']')) {
            depth--;
            /* Lists of numbers and empty ones stay on their line. */
            if (*at == '}' || at[-1] == '}') {
                new_line(out, depth);
            }
        }
        pt_html_text(out, one);
        if (is_text || is_escape) {
            continue;
        }
        depth += *at == '{' || *at == '[';
        if (*at == '{' || (*at == ',' && at[1] == '"') || (*at == ',' && at[1] == '{') ||
            (*at == '[' && at[1] == '{')) {
            new_line(out, depth);
        } else if (*at == ',' || *at == ':') {
            pt_buf_append_byte(out, ' ');
        }
    }
}
