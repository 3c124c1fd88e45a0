/*
 * plan_read.c - a plan out of YAML, and all that is wrong with it
 *
 * Reading goes on after a mistake, so that a person mends a file once. A map's fields are checked
 * against the list of those that it may have before any is read.
 */
#include "experiment/plan.h"

#include "base/yaml.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#define ARENA_BYTES_MAX (8u << 20)
#define DAYS_MAX 3650

struct reader {
    struct pt_plan *plan;
    const char *file;
    struct pt_buf *problems;
    size_t problem_count;
};

static PT_PRINTF(3, 4) void wrong(struct reader *r, unsigned line, const char *format, ...)
{
    char text[768];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pt_buf_appendf(r->problems, "%s:%u: %s\n", r->file, line, text);
    r->problem_count++;
}

/* Every field of `map` is one of `names`; says which is not. False where it is no map. */
static bool check_fields(struct reader *r, const struct pt_yaml *map, const char *what,
                         const char *const *names, size_t count)
{
    if (map->kind != PT_YAML_MAP) {
        wrong(r, map->line, "%s is %s; it must be a map of fields", what,
              pt_yaml_kind_name(map->kind));
        return false;
    }
    for (const struct pt_yaml *field = map->child; field; field = field->next) {
        bool is_known = false;
        const char *near = NULL;

        for (size_t i = 0; i < count && !is_known; i++) {
            is_known = strcmp(field->key, names[i]) == 0;
        }
        if (!is_known) {
            near = pt_nearest_name(field->key, names, count);
            wrong(r, field->line, "%s has no field \"%s\"%s%s%s", what, field->key,
                  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        }
    }
    return true;
}
#define CHECK_FIELDS(r, map, what, names)                                                          \
    check_fields(r, map, what, names, sizeof(names) / sizeof((names)[0]))

/* The field, or NULL; where it must be there, its absence is said at the map's line. */
static const struct pt_yaml *field_of(struct reader *r, const struct pt_yaml *map, const char *key,
                                      const char *needed)
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    if (field && !pt_yaml_is_null(field)) {
        return field;
    }
    if (field) {
        wrong(r, field->line, "\"%s\" has no value%s%s", key, needed ? "; it must be " : "",
              needed ? needed : "");
    } else if (needed) {
        wrong(r, map->line, "\"%s\" is missing; it must be %s", key, needed);
    }
    return NULL;
}

static void read_text(struct reader *r, const struct pt_yaml *map, const char *key, char *out,
                      size_t bytes, const char *needed)
{
    const struct pt_yaml *field = field_of(r, map, key, needed);

    if (!field) {
        return;
    }
    if (field->kind != PT_YAML_SCALAR) {
        wrong(r, field->line, "\"%s\" is %s; it must be a text", key,
              pt_yaml_kind_name(field->kind));
    } else if (strlen(field->text) >= bytes) {
        wrong(r, field->line, "\"%s\" has %zu bytes; at most %zu fit", key, strlen(field->text),
              bytes - 1);
    } else {
        snprintf(out, bytes, "%s", field->text);
    }
}

static bool number_of(const char *text, double *out)
{
    char *end = NULL;

    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out);
}

static bool scalar_number(struct reader *r, const struct pt_yaml *field, const char *key,
                          double *out, const char *right)
{
    if (field->kind != PT_YAML_SCALAR) {
        wrong(r, field->line, "\"%s\" is %s; it must be %s", key, pt_yaml_kind_name(field->kind),
              right);
        return false;
    }
    if (!number_of(field->text, out)) {
        wrong(r, field->line, "\"%s\" is \"%s\", not a finite number; it must be %s", key,
              field->text, right);
        return false;
    }
    return true;
}

/* A number above `low` (or from it on, where `is_closed`) and below `high`. */
static void read_number(struct reader *r, const struct pt_yaml *map, const char *key, double low,
                        bool is_closed, double high, double *out, const char *right, bool is_needed)
{
    const struct pt_yaml *field = field_of(r, map, key, is_needed ? right : NULL);
    double value = 0;

    if (!field || !scalar_number(r, field, key, &value, right)) {
        return;
    }
    if (!(is_closed ? value >= low : value > low) || !(value < high)) {
        wrong(r, field->line, "\"%s\" is %s; it must be %s", key, field->text, right);
        return;
    }
    *out = value;
}

/* Whole days, "7" or "7d". */
static void read_days(struct reader *r, const struct pt_yaml *map, const char *key, int64_t low,
                      int64_t *out, bool is_needed)
{
    const char *right = "whole days such as 7d";
    const struct pt_yaml *field = field_of(r, map, key, is_needed ? right : NULL);
    char *end = NULL;
    long value = 0;

    if (!field) {
        return;
    }
    if (field->kind == PT_YAML_SCALAR) {
        errno = 0;
        value = strtol(field->text, &end, 10);
        end += *end == 'd' && end != field->text;
        if (end != field->text && *end == 0 && errno == 0 && value >= low && value <= DAYS_MAX) {
            *out = value;
            return;
        }
    }
    wrong(r, field->line, "\"%s\" is %s%s%s; it must be %s, %" PRId64 " to %d", key,
          field->kind == PT_YAML_SCALAR ? "\"" : "",
          field->kind == PT_YAML_SCALAR ? field->text : pt_yaml_kind_name(field->kind),
          field->kind == PT_YAML_SCALAR ? "\"" : "", right, low, DAYS_MAX);
}

/* The index of the field's word in `words`; `fallback` where it is absent (SIZE_MAX: it may not be)
 * or wrong. */
static size_t word_at(struct reader *r, const struct pt_yaml *field, const char *key,
                      const char *const *words, size_t count, size_t fallback)
{
    char list[256] = "";
    size_t used = 0;
    const char *near = NULL;

    for (size_t i = 0; i < count; i++) {
        if (field->kind == PT_YAML_SCALAR && strcmp(field->text, words[i]) == 0) {
            return i;
        }
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    near = field->kind == PT_YAML_SCALAR ? pt_nearest_name(field->text, words, count) : NULL;
    wrong(r, field->line, "\"%s\" is \"%s\"; it must be one of %s%s%s%s", key,
          field->kind == PT_YAML_SCALAR ? field->text : pt_yaml_kind_name(field->kind), list,
          near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return fallback;
}

static size_t read_word(struct reader *r, const struct pt_yaml *map, const char *key,
                        const char *const *words, size_t count, size_t fallback)
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    return field ? word_at(r, field, key, words, count, fallback) : fallback;
}

/* ---- words ---- */

static const char *const kinds[] = {"retention", "conversion", "mean", "count", "ratio"};
static const char *const analyses[] = {"fixed", "group_sequential", "always_valid", "bayesian"};
static const char *const alternatives[] = {"two-sided", "larger", "smaller"};
static const char *const corrections[] = {"none", "bonferroni", "holm", "bh"};
static const char *const roles[] = {"primary", "secondary", "guardrail"};
static const char *const spendings[] = {"obrien_fleming", "obrien_fleming_total", "pocock",
                                        "hwang_shih_decani", "kim_demets"};
static_assert(PT_SPEND_KIM_DEMETS == 4 && PT_TWO_SIDED == 0 && PT_SMALLER == 2,
              "the words stand in the order of the enumerations");
#define COUNT(words) (sizeof(words) / sizeof((words)[0]))

const char *pt_plan_kind_name(enum pt_plan_kind kind)
{
    return kinds[kind];
}
const char *pt_plan_role_name(enum pt_plan_role role)
{
    return roles[role];
}
const char *pt_plan_analysis_name(enum pt_plan_analysis analysis)
{
    return analyses[analysis];
}
const char *pt_plan_alternative_name(enum pt_alternative alternative)
{
    return alternatives[alternative];
}
const char *pt_plan_correction_name(enum pt_plan_correction correction)
{
    return corrections[correction];
}
const char *pt_plan_spending_name(enum pt_spending_kind kind)
{
    return (size_t)kind < COUNT(spendings) ? spendings[kind] : "user";
}

/* ---- metrics ---- */

static void read_sum(struct reader *r, const struct pt_yaml *map, const char *key,
                     struct pt_plan_sum *out)
{
    static const char *const names[] = {"event", "field"};
    const struct pt_yaml *field =
        field_of(r, map, key, "a map {event: NAME, field: NAME}, without field to count events");

    if (field && CHECK_FIELDS(r, field, key, names)) {
        read_text(r, field, "event", out->event, sizeof(out->event), "an event's name");
        read_text(r, field, "field", out->field, sizeof(out->field), NULL);
    }
}

static void refuse_field(struct reader *r, const struct pt_yaml *map, const char *key,
                         const char *why)
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    if (field) {
        wrong(r, field->line, "\"%s\" %s", key, why);
    }
}

static void read_metric(struct reader *r, const struct pt_yaml *map, enum pt_plan_role role)
{
    static const char *const names[] = {"name",   "type",      "day",        "event",
                                        "field",  "numerator", "window",     "harm",
                                        "margin", "winsorise", "denominator"};
    static const char *const harms[] = {"decrease", "increase"};
    struct pt_plan *plan = r->plan;
    struct pt_plan_metric *metric = &plan->metrics[plan->metric_count];
    const struct pt_yaml *type = NULL;
    size_t before = r->problem_count;

    if (plan->metric_count == PT_PLAN_METRICS_MAX) {
        wrong(r, map->line, "there are more than %d metrics", PT_PLAN_METRICS_MAX);
        return;
    }
    if (!CHECK_FIELDS(r, map, "a metric", names)) {
        return;
    }
    *metric = (struct pt_plan_metric){.role = role, .days = 7, .winsorise = 1};
    read_text(r, map, "name", metric->name, sizeof(metric->name), "the metric's name");
    type = field_of(r, map, "type", "one of retention, conversion, mean, count, ratio");
    if (!type) {
        return;
    }
    metric->kind = (enum pt_plan_kind)word_at(r, type, "type", kinds, COUNT(kinds), 0);
    if (r->problem_count != before) {
        return;
    }
    if (metric->kind == PT_PLAN_RETENTION) {
        read_days(r, map, "day", 0, &metric->days, true);
        refuse_field(r, map, "event", "does not belong to retention, which any event counts for");
        refuse_field(r, map, "window", "does not belong to retention; say \"day\"");
    } else {
        read_days(r, map, "window", 1, &metric->days, false);
        refuse_field(r, map, "day", "belongs to retention alone; say \"window\"");
    }
    if (metric->kind == PT_PLAN_RATIO) {
        read_sum(r, map, "numerator", &metric->sum);
        read_sum(r, map, "denominator", &metric->denominator);
        refuse_field(r, map, "event", "belongs into \"numerator\" and \"denominator\" of a ratio");
    } else {
        refuse_field(r, map, "numerator", "belongs to a ratio alone");
        refuse_field(r, map, "denominator", "belongs to a ratio alone");
        if (metric->kind != PT_PLAN_RETENTION) {
            read_text(r, map, "event", metric->sum.event, sizeof(metric->sum.event),
                      "an event's name");
        }
    }
    if (metric->kind == PT_PLAN_MEAN) {
        read_text(r, map, "field", metric->sum.field, sizeof(metric->sum.field),
                  "the number in the event's attributes that is added up");
    } else {
        refuse_field(r, map, "field", "belongs to a mean (in a ratio, to its two sums)");
    }
    if (metric->kind == PT_PLAN_MEAN || metric->kind == PT_PLAN_COUNT) {
        read_number(r, map, "winsorise", 0.5, false, 1, &metric->winsorise,
                    "a quantile between 0.5 and 1, such as 0.99", false);
    } else {
        refuse_field(r, map, "winsorise", "belongs to a mean or a count");
    }
    if (role == PT_PLAN_GUARDRAIL) {
        metric->harm_is_increase = read_word(r, map, "harm", harms, COUNT(harms), 0) == 1;
        read_number(r, map, "margin", 0, true, HUGE_VAL, &metric->margin,
                    "a number from 0 on, in the metric's own unit", false);
    } else {
        refuse_field(r, map, "harm", "belongs to a guardrail");
        refuse_field(r, map, "margin", "belongs to a guardrail");
    }
    for (size_t i = 0; i < plan->metric_count; i++) {
        if (strcmp(plan->metrics[i].name, metric->name) == 0) {
            wrong(r, map->line, "there are two metrics named \"%s\"", metric->name);
        }
    }
    plan->metric_count++;
}

static void read_metric_list(struct reader *r, const struct pt_yaml *metrics, const char *key,
                             enum pt_plan_role role)
{
    const struct pt_yaml *list = pt_yaml_member(metrics, key);

    if (!list || pt_yaml_is_null(list)) {
        return;
    }
    if (list->kind != PT_YAML_LIST) {
        wrong(r, list->line, "\"%s\" is %s; it must be a list of metrics", key,
              pt_yaml_kind_name(list->kind));
        return;
    }
    for (const struct pt_yaml *entry = list->child; entry; entry = entry->next) {
        read_metric(r, entry, role);
    }
}

static void read_metrics(struct reader *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"primary", "secondary", "guardrails"};
    const struct pt_yaml *metrics = field_of(r, root, "metrics", "a map with \"primary\"");
    const struct pt_yaml *primary = NULL;

    if (!metrics || !CHECK_FIELDS(r, metrics, "metrics", names)) {
        return;
    }
    primary = field_of(r, metrics, "primary", "the metric that decides");
    if (primary) {
        read_metric(r, primary, PT_PLAN_PRIMARY);
    }
    read_metric_list(r, metrics, "secondary", PT_PLAN_SECONDARY);
    read_metric_list(r, metrics, "guardrails", PT_PLAN_GUARDRAIL);
}

/* ---- the rest ---- */

static void read_variants(struct reader *r, const struct pt_yaml *root)
{
    const struct pt_yaml *variants =
        field_of(r, root, "variants", "a map of two, control first, such as {control: 1, b: 1}");
    size_t count = 0;

    if (!variants) {
        return;
    }
    if (variants->kind != PT_YAML_MAP) {
        wrong(r, variants->line, "\"variants\" is %s; it must be a map of variant to its weight",
              pt_yaml_kind_name(variants->kind));
        return;
    }
    for (const struct pt_yaml *one = variants->child; one; one = one->next, count++) {
        const char *right = "a weight above 0";
        double weight = 0;

        if (strlen(one->key) == 0 || strlen(one->key) >= PT_PLAN_NAME_BYTES) {
            wrong(r, one->line, "a variant's name has 1 to %d bytes", PT_PLAN_NAME_BYTES - 1);
            continue;
        }
        if (!scalar_number(r, one, one->key, &weight, right)) {
            continue;
        }
        if (weight <= 0) {
            wrong(r, one->line, "the weight of \"%s\" is %s; it must be above 0", one->key,
                  one->text);
        } else if (count < 2) {
            snprintf(r->plan->variant[count], PT_PLAN_NAME_BYTES, "%s", one->key);
            r->plan->weight[count] = weight;
        }
    }
    if (count != 2) {
        wrong(r, variants->line, "there are %zu variants; a plan compares two, control first",
              count);
    }
}

static void read_effect(struct reader *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"absolute", "relative", "baseline", "sd"};
    const struct pt_yaml *effect =
        field_of(r, root, "minimum_effect", "a map such as {relative: 0.05}");
    struct pt_plan *plan = r->plan;
    const struct pt_yaml *absolute = pt_yaml_member(effect, "absolute");
    const struct pt_yaml *relative = pt_yaml_member(effect, "relative");

    if (!effect || !CHECK_FIELDS(r, effect, "minimum_effect", names)) {
        return;
    }
    if ((absolute != NULL) == (relative != NULL)) {
        wrong(r, effect->line,
              "\"minimum_effect\" has %s; it must have one of \"absolute\" and "
              "\"relative\"",
              absolute ? "both" : "neither");
    } else {
        plan->is_relative = relative != NULL;
        read_number(r, effect, relative ? "relative" : "absolute", 0, false, HUGE_VAL,
                    &plan->effect, "a number above 0", true);
    }
    if (pt_yaml_member(effect, "baseline") &&
        !(pt_yaml_member(effect, "baseline")->kind == PT_YAML_SCALAR &&
          strcmp(pt_yaml_member(effect, "baseline")->text, "table") == 0)) {
        read_number(r, effect, "baseline", -HUGE_VAL, false, HUGE_VAL, &plan->baseline,
                    "a number, or table", false);
    }
    read_number(r, effect, "sd", 0, false, HUGE_VAL, &plan->baseline_sd, "a number above 0", false);
}

static void read_spending(struct reader *r, const struct pt_yaml *map, const char *what,
                          struct pt_spending *out)
{
    const char *right = "any finite number for hwang_shih_decani, above 0 for kim_demets";
    const struct pt_yaml *param = pt_yaml_member(map, "parameter");

    out->kind =
        (enum pt_spending_kind)read_word(r, map, "spending", spendings, COUNT(spendings), 0);
    if (out->kind == PT_SPEND_HWANG_SHIH_DECANI || out->kind == PT_SPEND_KIM_DEMETS) {
        read_number(r, map, "parameter", out->kind == PT_SPEND_KIM_DEMETS ? 0 : -HUGE_VAL, false,
                    HUGE_VAL, &out->param, right, true);
    } else if (param) {
        wrong(r, param->line, "%s: \"parameter\" belongs to hwang_shih_decani and kim_demets",
              what);
    }
}

static void read_looks(struct reader *r, const struct pt_yaml *analysis)
{
    const struct pt_yaml *looks =
        field_of(r, analysis, "looks", "a list of information fractions such as [0.5, 1]");
    struct pt_plan *plan = r->plan;
    double before = 0;

    plan->look_count = 0;
    if (!looks) {
        return;
    }
    if (looks->kind != PT_YAML_LIST || !looks->child) {
        wrong(r, looks->line,
              "\"looks\" must be a list of information fractions such as "
              "[0.25, 0.5, 0.75, 1]");
        return;
    }
    for (const struct pt_yaml *one = looks->child; one; one = one->next) {
        double t = 0;

        if (plan->look_count == PT_PLAN_LOOKS_MAX) {
            wrong(r, one->line, "there are more than %d looks", PT_PLAN_LOOKS_MAX);
            return;
        }
        if (!scalar_number(r, one, "looks", &t, "information fractions above 0 up to 1")) {
            return;
        }
        if (!(t > 0 && t <= 1)) {
            wrong(r, one->line, "look %zu is at %s; an information fraction is above 0, at most 1",
                  plan->look_count + 1, one->text);
            return;
        }
        if (t - before < 1e-3) {
            wrong(r, one->line,
                  "look %zu at %s is not after the one before, at %g; looks must "
                  "rise, by 0.001 at least",
                  plan->look_count + 1, one->text, before);
            return;
        }
        plan->looks[plan->look_count++] = before = t;
    }
    if (before != 1) {
        wrong(r, looks->line, "the last look is at %g; it must be at 1", before);
    }
}

static void read_futility(struct reader *r, const struct pt_yaml *analysis)
{
    static const char *const names[] = {"spending", "parameter", "binding"};
    static const char *const truths[] = {"false", "true"};
    const struct pt_yaml *futility = pt_yaml_member(analysis, "futility");

    if (!futility || pt_yaml_is_null(futility)) {
        return;
    }
    if (!CHECK_FIELDS(r, futility, "futility", names)) {
        return;
    }
    r->plan->has_futility = true;
    read_spending(r, futility, "futility", &r->plan->futility);
    r->plan->is_binding = read_word(r, futility, "binding", truths, 2, 0) == 1;
    if (r->plan->alternative == PT_TWO_SIDED) {
        wrong(r, futility->line,
              "\"futility\" needs a side; \"alternative\" must be larger or "
              "smaller");
    }
}

static void read_prior(struct reader *r, const struct pt_yaml *analysis)
{
    const struct pt_yaml *prior = pt_yaml_member(analysis, "prior");
    const struct pt_yaml *first = prior && prior->kind == PT_YAML_LIST ? prior->child : NULL;
    double a = 0;
    double b = 0;

    if (!prior) {
        return;
    }
    if (!first || !first->next || first->next->next || first->kind != PT_YAML_SCALAR ||
        first->next->kind != PT_YAML_SCALAR || !number_of(first->text, &a) ||
        !number_of(first->next->text, &b) || a < 0.1 || b < 0.1) {
        wrong(r, prior->line,
              "\"prior\" must be the two numbers of a Beta distribution, each at "
              "least 0.1, such as [1, 1]");
        return;
    }
    r->plan->prior_a = a;
    r->plan->prior_b = b;
}

static void read_analysis(struct reader *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"type",     "looks", "spending",    "parameter",
                                        "futility", "prior", "probability", "loss"};
    static const char *const of[] = {[1] = "group_sequential",
                                     "group_sequential",
                                     "group_sequential",
                                     "group_sequential",
                                     "bayesian",
                                     "bayesian",
                                     "bayesian"};
    const struct pt_yaml *analysis = field_of(r, root, "analysis", "a map such as {type: fixed}");
    const struct pt_yaml *type = NULL;
    struct pt_plan *plan = r->plan;
    size_t before = r->problem_count;

    if (!analysis || !CHECK_FIELDS(r, analysis, "analysis", names)) {
        return;
    }
    type = field_of(r, analysis, "type", "one of fixed, group_sequential, always_valid, bayesian");
    if (!type) {
        return;
    }
    plan->analysis = (enum pt_plan_analysis)word_at(r, type, "type", analyses, COUNT(analyses), 0);
    if (r->problem_count != before) {
        return;
    }
    for (size_t i = 1; i < COUNT(names); i++) {
        const struct pt_yaml *field = pt_yaml_member(analysis, names[i]);

        if (field && strcmp(of[i], analyses[plan->analysis]) != 0) {
            wrong(r, field->line, "\"%s\" belongs to %s, not to %s", names[i], of[i],
                  analyses[plan->analysis]);
        }
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        read_looks(r, analysis);
        read_spending(r, analysis, "analysis", &plan->spending);
        read_futility(r, analysis);
    } else if (plan->analysis == PT_PLAN_BAYESIAN) {
        read_prior(r, analysis);
        read_number(r, analysis, "probability", 0.5, false, 1, &plan->probability,
                    "a probability between 0.5 and 1, such as 0.95", false);
        read_number(r, analysis, "loss", 0, false, HUGE_VAL, &plan->loss,
                    "a number above 0, in the primary metric's own unit", false);
    }
}

static void read_stopping(struct reader *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"min_days", "max_days"};
    const struct pt_yaml *stopping = pt_yaml_member(root, "stopping");
    struct pt_plan *plan = r->plan;

    if (!stopping || pt_yaml_is_null(stopping) || !CHECK_FIELDS(r, stopping, "stopping", names)) {
        return;
    }
    read_days(r, stopping, "min_days", 0, &plan->days_min, false);
    read_days(r, stopping, "max_days", 1, &plan->days_max, false);
    if (plan->days_max > 0 && plan->days_max < plan->days_min) {
        wrong(r, stopping->line, "\"max_days\" is below \"min_days\"");
    }
}

static void wrong_exposures(void *ctx, unsigned line, const char *what)
{
    wrong(ctx, line, "%s", what);
}

static void read_exposures(struct reader *r, const struct pt_yaml *root)
{
    const char *const variants[] = {r->plan->variant[0], r->plan->variant[1]};

    pt_exposure_map_read(&r->plan->exposures, pt_yaml_member(root, "exposures"), variants,
                         COUNT(variants), wrong_exposures, r);
}

static void read_root(struct reader *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"experiment",  "hypothesis",
                                        "alternative", "unit",
                                        "variants",    "alpha",
                                        "power",       "traffic",
                                        "analysis",    "stopping",
                                        "metrics",     "minimum_effect",
                                        "correction",  "sample_ratio_alpha",
                                        "exposures"};
    static const char *const traffics[] = {"new_users", "active_users"};
    static const char *const units[] = {"user_id"};
    struct pt_plan *plan = r->plan;

    if (!CHECK_FIELDS(r, root, "the plan", names)) {
        return;
    }
    read_text(r, root, "experiment", plan->name, sizeof(plan->name),
              "the experiment's name in its exposures");
    read_text(r, root, "hypothesis", plan->hypothesis, sizeof(plan->hypothesis),
              "a sentence: what is expected, and why");
    plan->alternative = (enum pt_alternative)read_word(r, root, "alternative", alternatives,
                                                       COUNT(alternatives), PT_TWO_SIDED);
    (void)read_word(r, root, "unit", units, COUNT(units), 0);
    read_variants(r, root);
    read_number(r, root, "alpha", 0, false, 1, &plan->alpha,
                "a number above 0 and below 1, such as 0.05", false);
    read_number(r, root, "power", 0, false, 1, &plan->power,
                "a number above 0 and below 1, such as 0.8", false);
    if (plan->power <= plan->alpha) {
        wrong(r, root->line, "\"power\" (%g) must be above \"alpha\" (%g)", plan->power,
              plan->alpha);
    }
    read_effect(r, root);
    plan->counts_active = read_word(r, root, "traffic", traffics, 2, 0) == 1;
    read_number(r, root, "sample_ratio_alpha", 0, false, 1, &plan->sample_ratio_alpha,
                "a number above 0 and below 1, such as 0.01", false);
    plan->correction = (enum pt_plan_correction)read_word(r, root, "correction", corrections,
                                                          COUNT(corrections), PT_PLAN_HOLM);
    read_metrics(r, root);
    read_analysis(r, root);
    read_stopping(r, root);
    read_exposures(r, root);
}

/* A name is a folder's too. */
static void check_name(struct reader *r, const struct pt_yaml *root)
{
    const struct pt_yaml *field = pt_yaml_member(root, "experiment");
    const char *name = r->plan->name;

    for (const char *at = name; *at; at++) {
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || ((*at == '-' || *at == '.') && at > name) ||
              *at == '_')) {
            wrong(r, field->line,
                  "\"experiment\" is \"%s\"; it must be letters, digits, _, and "
                  "after the first - and .",
                  name);
            return;
        }
    }
}

enum pt_code pt_plan_read(struct pt_plan *plan_out, struct pt_span yaml, const char *name,
                          struct pt_buf *problems, struct pt_error *err)
{
    struct pt_arena arena;
    const struct pt_yaml *root = NULL;
    struct reader r = {.plan = plan_out, .file = name, .problems = problems};
    enum pt_code code = PT_OK;

    *plan_out = (struct pt_plan){.alpha = 0.05,
                                 .power = 0.8,
                                 .baseline = NAN,
                                 .baseline_sd = NAN,
                                 .sample_ratio_alpha = 0.01,
                                 .look_count = 1,
                                 .prior_a = 1,
                                 .prior_b = 1,
                                 .probability = 0.95};
    plan_out->looks[0] = 1;
    pt_arena_init(&arena, ARENA_BYTES_MAX);
    code = pt_yaml_parse(&arena, yaml, name, &root, err);
    if (code) {
        if (code == PT_INVALID && err) {
            pt_buf_appendf(problems, "%s\n", err->text);
        }
        goto out;
    }
    if (!root) {
        wrong(&r, 1, "the plan is empty");
    } else {
        read_root(&r, root);
        check_name(&r, root);
    }
    if (r.problem_count > 0) {
        code = pt_fail(err, PT_INVALID, "%s: %zu %s in the plan", name, r.problem_count,
                       r.problem_count == 1 ? "mistake" : "mistakes");
    }

out:
    pt_arena_release(&arena);
    return code;
}
