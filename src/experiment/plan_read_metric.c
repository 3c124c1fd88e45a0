/*
 * plan_read_metric.c - the metrics of a plan, and all that is wrong with them
 */
#include "experiment/fields.h"
#include "experiment/plan_words.h"

#include <math.h>
#include <stdio.h>

/* ---- metrics ---- */

static void read_sum(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                     struct pt_plan_sum *out)
{
    static const char *const names[] = {"event", "field"};
    const struct pt_yaml *field = pt_fields_get(
        r, map, key, "a map {event: NAME, field: NAME}, without field to count events");

    if (field && PT_FIELDS_CHECK(r, field, key, names)) {
        pt_fields_text(r, field, "event", out->event, sizeof(out->event), "an event's name");
        pt_fields_text(r, field, "field", out->field, sizeof(out->field), NULL);
    }
}

/* "14d", or a map; without an event the metric's own quantity. */
static void read_cuped(struct pt_fields *r, const struct pt_yaml *map,
                       struct pt_plan_metric *metric)
{
    static const char *const names[] = {"event", "field", "days", "correlation"};
    const struct pt_yaml *field = pt_yaml_member(map, "cuped");
    struct pt_plan_cuped *out = &metric->cuped;

    if (!field) {
        return;
    }
    if (metric->kind == PT_PLAN_RATIO) {
        pt_fields_wrong(r, field->line,
                        "\"cuped\" belongs to retention, conversion, mean and count, not to ratio");
        return;
    }
    if (field->kind == PT_YAML_MAP) {
        if (!PT_FIELDS_CHECK(r, field, "cuped", names)) {
            return;
        }
        pt_fields_days(r, field, "days", 1, &out->days, true);
        pt_fields_text(r, field, "event", out->sum.event, sizeof(out->sum.event), NULL);
        pt_fields_text(r, field, "field", out->sum.field, sizeof(out->sum.field), NULL);
        pt_fields_number(r, field, "correlation", 0, true, 1, &out->correlation,
                         "a correlation from 0 on and below 1", false);
    } else {
        pt_fields_days(r, map, "cuped", 1, &out->days, true);
    }
    if (out->sum.event[0]) {
        return;
    }
    if (out->sum.field[0]) {
        pt_fields_wrong(r, field->line, "\"cuped\" has a \"field\" but no \"event\"");
    } else if (metric->kind == PT_PLAN_RETENTION) {
        pt_fields_wrong(r, field->line,
                        "\"cuped\" of a retention must name its quantity, such as {event: "
                        "session_start, days: 14}");
    }
    out->sum = metric->sum;
    out->is_share = metric->kind == PT_PLAN_CONVERSION;
}

/* What a Bayesian plan takes the values for; `type: revenue` says both at once. */
static void read_model(struct pt_fields *r, const struct pt_yaml *map, bool is_revenue,
                       struct pt_plan_metric *metric)
{
    const struct pt_yaml *field = pt_yaml_member(map, "model");

    metric->model = is_revenue ? PT_PLAN_HURDLE : PT_PLAN_NORMAL;
    if (!field) {
        return;
    }
    metric->model = (enum pt_plan_model)pt_fields_word_at(
        r, field, "model", pt_plan_word_models, PT_PLAN_WORD_COUNT(pt_plan_word_models), 0);
    if ((metric->model == PT_PLAN_HURDLE && metric->kind != PT_PLAN_MEAN) ||
        (metric->model == PT_PLAN_POISSON && metric->kind != PT_PLAN_COUNT)) {
        pt_fields_wrong(r, field->line, "\"model\" %s belongs to %s", field->text,
                        metric->model == PT_PLAN_HURDLE ? "a mean or revenue" : "a count");
    }
}

/* Which fields a kind has, but for those that all or none have. */
static void read_quantity(struct pt_fields *r, const struct pt_yaml *map,
                          struct pt_plan_metric *metric)
{
    if (metric->kind == PT_PLAN_RETENTION) {
        pt_fields_days(r, map, "day", 0, &metric->days, true);
        pt_fields_refuse(r, map, "event",
                         "does not belong to retention, which any event counts for");
        pt_fields_refuse(r, map, "window", "does not belong to retention; say \"day\"");
    } else {
        pt_fields_days(r, map, "window", 1, &metric->days, false);
        pt_fields_refuse(r, map, "day", "belongs to retention alone; say \"window\"");
    }
    if (metric->kind == PT_PLAN_RATIO) {
        read_sum(r, map, "numerator", &metric->sum);
        read_sum(r, map, "denominator", &metric->denominator);
        pt_fields_refuse(r, map, "event",
                         "belongs into \"numerator\" and \"denominator\" of a ratio");
    } else {
        pt_fields_refuse(r, map, "numerator", "belongs to a ratio alone");
        pt_fields_refuse(r, map, "denominator", "belongs to a ratio alone");
        if (metric->kind != PT_PLAN_RETENTION) {
            pt_fields_text(r, map, "event", metric->sum.event, sizeof(metric->sum.event),
                           "an event's name");
        }
    }
    if (metric->kind == PT_PLAN_MEAN) {
        pt_fields_text(r, map, "field", metric->sum.field, sizeof(metric->sum.field),
                       "the number in the event's attributes that is added up");
    } else {
        pt_fields_refuse(r, map, "field", "belongs to a mean (in a ratio, to its two sums)");
    }
    if (metric->kind == PT_PLAN_MEAN || metric->kind == PT_PLAN_COUNT) {
        pt_fields_number(r, map, "winsorise", 0.5, false, 1, &metric->winsorise,
                         "a quantile between 0.5 and 1, such as 0.99", false);
    } else {
        pt_fields_refuse(r, map, "winsorise", "belongs to a mean or a count");
    }
}

static void read_metric(struct pt_fields *r, const struct pt_yaml *map, enum pt_plan_role role)
{
    static const char *const names[] = {"name",   "type",  "day",       "event",       "field",
                                        "window", "harm",  "numerator", "denominator", "margin",
                                        "model",  "cuped", "winsorise"};
    static const char *const harms[] = {"decrease", "increase"};
    static const char *const types[] = {"retention", "conversion", "mean",
                                        "count",     "ratio",      "revenue"};
    struct pt_plan *plan = r->plan;
    struct pt_plan_metric *metric = &plan->metrics[plan->metric_count];
    const struct pt_yaml *type = NULL;
    size_t kind = 0;
    size_t before = r->problem_count;

    if (plan->metric_count == PT_PLAN_METRICS_MAX) {
        pt_fields_wrong(r, map->line, "there are more than %d metrics", PT_PLAN_METRICS_MAX);
        return;
    }
    if (!PT_FIELDS_CHECK(r, map, "a metric", names)) {
        return;
    }
    *metric = (struct pt_plan_metric){.role = role, .days = 7, .winsorise = 1};
    pt_fields_text(r, map, "name", metric->name, sizeof(metric->name), "the metric's name");
    type =
        pt_fields_get(r, map, "type", "one of retention, conversion, mean, count, ratio, revenue");
    if (!type) {
        return;
    }
    kind = pt_fields_word_at(r, type, "type", types, PT_PLAN_WORD_COUNT(types), 0);
    if (r->problem_count != before) {
        return;
    }
    metric->kind = kind == 5 ? PT_PLAN_MEAN : (enum pt_plan_kind)kind;
    read_quantity(r, map, metric);
    read_model(r, map, kind == 5, metric);
    read_cuped(r, map, metric);
    if (role == PT_PLAN_GUARDRAIL) {
        metric->harm_is_increase =
            pt_fields_word(r, map, "harm", harms, PT_PLAN_WORD_COUNT(harms), 0) == 1;
        pt_fields_number(r, map, "margin", 0, true, HUGE_VAL, &metric->margin,
                         "a number from 0 on, in the metric's own unit", false);
    } else {
        pt_fields_refuse(r, map, "harm", "belongs to a guardrail");
        pt_fields_refuse(r, map, "margin", "belongs to a guardrail");
    }
    for (size_t i = 0; i < plan->metric_count; i++) {
        if (strcmp(plan->metrics[i].name, metric->name) == 0) {
            pt_fields_wrong(r, map->line, "there are two metrics named \"%s\"", metric->name);
        }
    }
    plan->metric_count++;
}

static void read_metric_list(struct pt_fields *r, const struct pt_yaml *metrics, const char *key,
                             enum pt_plan_role role)
{
    const struct pt_yaml *list = pt_yaml_member(metrics, key);

    if (!list || pt_yaml_is_null(list)) {
        return;
    }
    if (list->kind != PT_YAML_LIST) {
        pt_fields_wrong(r, list->line, "\"%s\" is %s; it must be a list of metrics", key,
                        pt_yaml_kind_name(list->kind));
        return;
    }
    for (const struct pt_yaml *entry = list->child; entry; entry = entry->next) {
        read_metric(r, entry, role);
    }
}

void pt_fields_metrics(struct pt_fields *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"primary", "secondary", "guardrails"};
    const struct pt_yaml *metrics = pt_fields_get(r, root, "metrics", "a map with \"primary\"");
    const struct pt_yaml *primary = NULL;

    if (!metrics || !PT_FIELDS_CHECK(r, metrics, "metrics", names)) {
        return;
    }
    primary = pt_fields_get(r, metrics, "primary", "the metric that decides");
    if (primary) {
        read_metric(r, primary, PT_PLAN_PRIMARY);
    }
    read_metric_list(r, metrics, "secondary", PT_PLAN_SECONDARY);
    read_metric_list(r, metrics, "guardrails", PT_PLAN_GUARDRAIL);
}
