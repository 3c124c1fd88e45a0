/*
 * plan_read.c - a plan out of YAML, and all that is wrong with it
 *
 * A map's fields are checked against the list of those that it may have before any is read.
 */
#include "experiment/fields.h"
#include "experiment/plan_words.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#define ARENA_BYTES_MAX (8u << 20)

/* A map of a variant to its weight; NULL where it is none. */
static const struct pt_yaml *weights_of(struct pt_fields *r, const struct pt_yaml *map,
                                        const char *what)
{
    if (map->kind == PT_YAML_MAP) {
        return map;
    }
    pt_fields_wrong(r, map->line, "\"%s\" is %s; it must be a map of variant to its weight", what,
                    pt_yaml_kind_name(map->kind));
    return NULL;
}

static bool read_weight(struct pt_fields *r, const struct pt_yaml *one, double low, double *out)
{
    if (!pt_fields_scalar(r, one, one->key, out,
                          low > 0 ? "a weight above 0" : "a weight from 0 on")) {
        return false;
    }
    if (*out < low) {
        pt_fields_wrong(r, one->line, "the weight of \"%s\" is %s; it must be %s", one->key,
                        one->text, low > 0 ? "above 0" : "0 or more");
        return false;
    }
    return true;
}

static void read_variants(struct pt_fields *r, const struct pt_yaml *root)
{
    const struct pt_yaml *variants = pt_fields_get(
        r, root, "variants", "a map, control first, such as {control: 1, b: 1, c: 1}");
    struct pt_plan *plan = r->plan;
    size_t count = 0;

    if (!variants || !weights_of(r, variants, "variants")) {
        return;
    }
    for (const struct pt_yaml *one = variants->child; one; one = one->next, count++) {
        double weight = 0;

        if (strlen(one->key) == 0 || strlen(one->key) >= PT_PLAN_NAME_BYTES) {
            pt_fields_wrong(r, one->line, "a variant's name has 1 to %d bytes",
                            PT_PLAN_NAME_BYTES - 1);
        } else if (read_weight(r, one, DBL_MIN, &weight) && plan->arm_count < PT_PLAN_ARMS_MAX) {
            snprintf(plan->variant[plan->arm_count], PT_PLAN_NAME_BYTES, "%s", one->key);
            plan->weight[plan->arm_count++] = weight;
        }
    }
    if (count < 2 || count > PT_PLAN_ARMS_MAX) {
        pt_fields_wrong(r, variants->line,
                        "there %s %zu variant%s; a plan compares control with 1 to %d others",
                        count == 1 ? "is" : "are", count, count == 1 ? "" : "s",
                        PT_PLAN_TREATMENTS_MAX);
    }
}

static void read_epoch(struct pt_fields *r, const struct pt_yaml *map)
{
    struct pt_plan *plan = r->plan;
    struct pt_plan_epoch *epoch = &plan->epochs[plan->epoch_count];
    bool has[PT_PLAN_ARMS_MAX] = {false};

    if (plan->epoch_count == PT_PLAN_EPOCHS_MAX) {
        pt_fields_wrong(r, map->line, "there are more than %d epochs", PT_PLAN_EPOCHS_MAX);
        return;
    }
    *epoch = (struct pt_plan_epoch){.weight = {0}};
    if (strlen(map->key) == 0 || strlen(map->key) >= sizeof(epoch->name)) {
        pt_fields_wrong(r, map->line, "an epoch's name has 1 to %zu bytes",
                        sizeof(epoch->name) - 1);
        return;
    }
    snprintf(epoch->name, sizeof(epoch->name), "%s", map->key);
    if (!weights_of(r, map, map->key)) {
        return;
    }
    for (const struct pt_yaml *one = map->child; one; one = one->next) {
        size_t i = 0;

        while (i < plan->arm_count && strcmp(plan->variant[i], one->key) != 0) {
            i++;
        }
        if (i == plan->arm_count) {
            pt_fields_wrong(r, one->line, "epoch \"%s\" has no variant \"%s\"", epoch->name,
                            one->key);
            continue;
        }
        has[i] = true;
        (void)read_weight(r, one, 0, &epoch->weight[i]);
    }
    for (size_t i = 0; i < plan->arm_count; i++) {
        if (!has[i]) {
            pt_fields_wrong(r, map->line,
                            "epoch \"%s\" names no weight of \"%s\" (0: not given out)",
                            epoch->name, plan->variant[i]);
        }
    }
    if (!(epoch->weight[0] > 0) && plan->arm_count > 0 && has[0]) {
        pt_fields_wrong(r, map->line, "epoch \"%s\" has no control, nothing can be compared in it",
                        epoch->name);
    }
    plan->epoch_count++;
}

static void read_epochs(struct pt_fields *r, const struct pt_yaml *root)
{
    const struct pt_yaml *epochs = pt_yaml_member(root, "epochs");

    if (!epochs || pt_yaml_is_null(epochs)) {
        return;
    }
    if (epochs->kind != PT_YAML_MAP) {
        pt_fields_wrong(r, epochs->line,
                        "\"epochs\" is %s; it must be a map of epochs to weights, such as "
                        "{1: {control: 9, b: 1}}",
                        pt_yaml_kind_name(epochs->kind));
        return;
    }
    for (const struct pt_yaml *one = epochs->child; one; one = one->next) {
        read_epoch(r, one);
    }
}

/* Holm's steps need the p of a final analysis or one that is always valid. */
static void read_treatment_correction(struct pt_fields *r, const struct pt_yaml *root)
{
    static const char *const words[] = {"none", "bonferroni", "holm"};
    const struct pt_yaml *field = pt_yaml_member(root, "treatment_correction");
    struct pt_plan *plan = r->plan;
    bool splits = plan->analysis == PT_PLAN_GROUP_SEQUENTIAL;

    plan->treatment_correction = plan->arm_count <= 2 || plan->analysis == PT_PLAN_BAYESIAN
                                     ? PT_PLAN_NO_CORRECTION
                                 : splits ? PT_PLAN_BONFERRONI
                                          : PT_PLAN_HOLM;
    if (!field) {
        return;
    }
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_fields_wrong(r, field->line,
                        "\"treatment_correction\" does not belong to bayesian, which "
                        "bounds no error rate");
        return;
    }
    plan->treatment_correction = (enum pt_plan_correction)pt_fields_word_at(
        r, field, "treatment_correction", words, PT_PLAN_WORD_COUNT(words), 0);
    if (plan->treatment_correction == PT_PLAN_HOLM && splits) {
        pt_fields_wrong(r, field->line,
                        "\"treatment_correction\" is \"holm\"; the bounds of "
                        "group_sequential need bonferroni or none");
    }
    if (plan->arm_count <= 2) {
        plan->treatment_correction = PT_PLAN_NO_CORRECTION;
    }
}

/* What can only be said once metrics and analysis are both read. */
static void check_models(struct pt_fields *r, const struct pt_yaml *root)
{
    const struct pt_yaml *metrics = pt_yaml_member(root, "metrics");
    const struct pt_yaml *primary = metrics ? pt_yaml_member(metrics, "primary") : NULL;
    const struct pt_yaml *model = primary ? pt_yaml_member(primary, "model") : NULL;
    const struct pt_plan_metric *metric = &r->plan->metrics[0];

    if (model && metric->model != PT_PLAN_NORMAL && r->plan->analysis != PT_PLAN_BAYESIAN) {
        pt_fields_wrong(r, model->line, "\"model\" belongs to a bayesian plan, this one is %s",
                        pt_plan_analysis_name(r->plan->analysis));
    }
    if (r->plan->analysis == PT_PLAN_BAYESIAN && metric->model != PT_PLAN_NORMAL &&
        (metric->cuped.days > 0 || r->plan->epoch_count > 0)) {
        pt_fields_wrong(r, primary ? primary->line : root->line,
                        "the %s model knows neither \"cuped\" nor \"epochs\"; a mean or a count of "
                        "the model normal does",
                        pt_plan_model_name(metric->model));
    }
    if (r->plan->analysis == PT_PLAN_BAYESIAN && metric->model != PT_PLAN_NORMAL &&
        r->plan->arm_count > 2 && pt_plan_good(r->plan) < 0) {
        pt_fields_wrong(r, primary ? primary->line : root->line,
                        "the %s model finds the least of two variants alone, not of %zu",
                        pt_plan_model_name(metric->model), r->plan->arm_count);
    }
}

static void read_effect(struct pt_fields *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"absolute", "relative", "baseline", "sd"};
    const struct pt_yaml *effect =
        pt_fields_get(r, root, "minimum_effect", "a map such as {relative: 0.05}");
    struct pt_plan *plan = r->plan;
    const struct pt_yaml *absolute = pt_yaml_member(effect, "absolute");
    const struct pt_yaml *relative = pt_yaml_member(effect, "relative");
    const struct pt_yaml *baseline = pt_yaml_member(effect, "baseline");

    if (!effect || !PT_FIELDS_CHECK(r, effect, "minimum_effect", names)) {
        return;
    }
    if ((absolute != NULL) == (relative != NULL)) {
        pt_fields_wrong(r, effect->line,
                        "\"minimum_effect\" has %s; it must have one of \"absolute\" and "
                        "\"relative\"",
                        absolute ? "both" : "neither");
    } else {
        plan->is_relative = relative != NULL;
        pt_fields_number(r, effect, relative ? "relative" : "absolute", 0, false, HUGE_VAL,
                         &plan->effect, "a number above 0", true);
    }
    if (baseline && !(baseline->kind == PT_YAML_SCALAR && strcmp(baseline->text, "table") == 0)) {
        pt_fields_number(r, effect, "baseline", -HUGE_VAL, false, HUGE_VAL, &plan->baseline,
                         "a number, or table", false);
    }
    pt_fields_number(r, effect, "sd", 0, false, HUGE_VAL, &plan->baseline_sd, "a number above 0",
                     false);
}

static void read_spending(struct pt_fields *r, const struct pt_yaml *map, const char *what,
                          struct pt_spending *out)
{
    const char *right = "any finite number for hwang_shih_decani, above 0 for kim_demets";
    const struct pt_yaml *param = pt_yaml_member(map, "parameter");

    out->kind = (enum pt_spending_kind)pt_fields_word(
        r, map, "spending", pt_plan_word_spendings, PT_PLAN_WORD_COUNT(pt_plan_word_spendings), 0);
    if (out->kind == PT_SPEND_HWANG_SHIH_DECANI || out->kind == PT_SPEND_KIM_DEMETS) {
        pt_fields_number(r, map, "parameter", out->kind == PT_SPEND_KIM_DEMETS ? 0 : -HUGE_VAL,
                         false, HUGE_VAL, &out->param, right, true);
    } else if (param) {
        pt_fields_wrong(r, param->line,
                        "%s: \"parameter\" belongs to hwang_shih_decani and kim_demets", what);
    }
}

static void read_looks(struct pt_fields *r, const struct pt_yaml *analysis)
{
    const struct pt_yaml *looks =
        pt_fields_get(r, analysis, "looks", "a list of information fractions such as [0.5, 1]");
    struct pt_plan *plan = r->plan;
    double before = 0;

    plan->look_count = 0;
    if (!looks) {
        return;
    }
    if (looks->kind != PT_YAML_LIST || !looks->child) {
        pt_fields_wrong(r, looks->line,
                        "\"looks\" must be a list of information fractions such as "
                        "[0.25, 0.5, 0.75, 1]");
        return;
    }
    for (const struct pt_yaml *one = looks->child; one; one = one->next) {
        double t = 0;

        if (plan->look_count == PT_PLAN_LOOKS_MAX) {
            pt_fields_wrong(r, one->line, "there are more than %d looks", PT_PLAN_LOOKS_MAX);
            return;
        }
        if (!pt_fields_scalar(r, one, "looks", &t, "information fractions above 0 up to 1")) {
            return;
        }
        if (!(t > 0 && t <= 1)) {
            pt_fields_wrong(r, one->line,
                            "look %zu is at %s; an information fraction is above 0, at most 1",
                            plan->look_count + 1, one->text);
            return;
        }
        if (t - before < 1e-3) {
            pt_fields_wrong(r, one->line,
                            "look %zu at %s is not after the one before, at %g; looks must "
                            "rise, by 0.001 at least",
                            plan->look_count + 1, one->text, before);
            return;
        }
        plan->looks[plan->look_count++] = before = t;
    }
    if (before != 1) {
        pt_fields_wrong(r, looks->line, "the last look is at %g; it must be at 1", before);
    }
}

static void read_futility(struct pt_fields *r, const struct pt_yaml *analysis)
{
    static const char *const names[] = {"spending", "parameter", "binding"};
    static const char *const truths[] = {"false", "true"};
    const struct pt_yaml *futility = pt_yaml_member(analysis, "futility");

    if (!futility || pt_yaml_is_null(futility)) {
        return;
    }
    if (!PT_FIELDS_CHECK(r, futility, "futility", names)) {
        return;
    }
    r->plan->has_futility = true;
    read_spending(r, futility, "futility", &r->plan->futility);
    r->plan->is_binding = pt_fields_word(r, futility, "binding", truths, 2, 0) == 1;
    if (r->plan->alternative == PT_TWO_SIDED) {
        pt_fields_wrong(r, futility->line,
                        "\"futility\" needs a side; \"alternative\" must be larger or "
                        "smaller");
    }
}

static void read_prior(struct pt_fields *r, const struct pt_yaml *analysis)
{
    const struct pt_yaml *prior = pt_yaml_member(analysis, "prior");
    const struct pt_yaml *first = prior && prior->kind == PT_YAML_LIST ? prior->child : NULL;
    double a = 0;
    double b = 0;

    if (!prior) {
        return;
    }
    if (!first || !first->next || first->next->next || first->kind != PT_YAML_SCALAR ||
        first->next->kind != PT_YAML_SCALAR || !pt_fields_parse_number(first->text, &a) ||
        !pt_fields_parse_number(first->next->text, &b) || a < 0.1 || b < 0.1) {
        pt_fields_wrong(r, prior->line,
                        "\"prior\" must be the two numbers of a Beta distribution, each at "
                        "least 0.1, such as [1, 1]");
        return;
    }
    r->plan->prior_a = a;
    r->plan->prior_b = b;
}

static void read_analysis(struct pt_fields *r, const struct pt_yaml *root)
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
    const struct pt_yaml *analysis =
        pt_fields_get(r, root, "analysis", "a map such as {type: fixed}");
    const struct pt_yaml *type = NULL;
    struct pt_plan *plan = r->plan;
    size_t before = r->problem_count;

    if (!analysis || !PT_FIELDS_CHECK(r, analysis, "analysis", names)) {
        return;
    }
    type = pt_fields_get(r, analysis, "type",
                         "one of fixed, group_sequential, always_valid, bayesian");
    if (!type) {
        return;
    }
    plan->analysis = (enum pt_plan_analysis)pt_fields_word_at(
        r, type, "type", pt_plan_word_analyses, PT_PLAN_WORD_COUNT(pt_plan_word_analyses), 0);
    if (r->problem_count != before) {
        return;
    }
    for (size_t i = 1; i < PT_PLAN_WORD_COUNT(names); i++) {
        const struct pt_yaml *field = pt_yaml_member(analysis, names[i]);

        if (field && strcmp(of[i], pt_plan_word_analyses[plan->analysis]) != 0) {
            pt_fields_wrong(r, field->line, "\"%s\" belongs to %s, not to %s", names[i], of[i],
                            pt_plan_word_analyses[plan->analysis]);
        }
    }
    if (plan->analysis == PT_PLAN_GROUP_SEQUENTIAL) {
        read_looks(r, analysis);
        read_spending(r, analysis, "analysis", &plan->spending);
        read_futility(r, analysis);
    } else if (plan->analysis == PT_PLAN_BAYESIAN) {
        read_prior(r, analysis);
        pt_fields_number(r, analysis, "probability", 0.5, false, 1, &plan->probability,
                         "a probability between 0.5 and 1, such as 0.95", false);
        pt_fields_number(r, analysis, "loss", 0, false, HUGE_VAL, &plan->loss,
                         "a number above 0, in the primary metric's own unit", false);
    }
}

static void read_stopping(struct pt_fields *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"min_days", "max_days"};
    const struct pt_yaml *stopping = pt_yaml_member(root, "stopping");
    struct pt_plan *plan = r->plan;

    if (!stopping || pt_yaml_is_null(stopping) ||
        !PT_FIELDS_CHECK(r, stopping, "stopping", names)) {
        return;
    }
    pt_fields_days(r, stopping, "min_days", 0, &plan->days_min, false);
    pt_fields_days(r, stopping, "max_days", 1, &plan->days_max, false);
    if (plan->days_max > 0 && plan->days_max < plan->days_min) {
        pt_fields_wrong(r, stopping->line, "\"max_days\" is below \"min_days\"");
    }
}

static void read_root(struct pt_fields *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"experiment",  "hypothesis",
                                        "alternative", "unit",
                                        "variants",    "alpha",
                                        "power",       "traffic",
                                        "analysis",    "stopping",
                                        "metrics",     "minimum_effect",
                                        "correction",  "sample_ratio_alpha",
                                        "epochs",      "treatment_correction",
                                        "exposures",   "better"};
    static const char *const traffics[] = {"new_users", "active_users"};
    static const char *const units[] = {"user_id"};
    static const char *const betters[] = {"larger", "smaller"};
    struct pt_plan *plan = r->plan;

    if (!PT_FIELDS_CHECK(r, root, "the plan", names)) {
        return;
    }
    pt_fields_text(r, root, "experiment", plan->name, sizeof(plan->name),
                   "the experiment's name in its exposures");
    pt_fields_text(r, root, "hypothesis", plan->hypothesis, sizeof(plan->hypothesis),
                   "a sentence: what is expected, and why");
    plan->alternative = (enum pt_alternative)pt_fields_word(
        r, root, "alternative", pt_plan_word_alternatives,
        PT_PLAN_WORD_COUNT(pt_plan_word_alternatives), PT_TWO_SIDED);
    plan->is_smaller_better = pt_fields_word(r, root, "better", betters, 2, 0) == 1;
    if (plan->alternative != PT_TWO_SIDED) {
        pt_fields_refuse(r, root, "better",
                         "belongs to a two-sided plan; this one's \"alternative\" "
                         "says it");
    }
    (void)pt_fields_word(r, root, "unit", units, PT_PLAN_WORD_COUNT(units), 0);
    read_variants(r, root);
    read_epochs(r, root);
    pt_fields_number(r, root, "alpha", 0, false, 1, &plan->alpha,
                     "a number above 0 and below 1, such as 0.05", false);
    pt_fields_number(r, root, "power", 0, false, 1, &plan->power,
                     "a number above 0 and below 1, such as 0.8", false);
    if (plan->power <= plan->alpha) {
        pt_fields_wrong(r, root->line, "\"power\" (%g) must be above \"alpha\" (%g)", plan->power,
                        plan->alpha);
    }
    read_effect(r, root);
    plan->counts_active = pt_fields_word(r, root, "traffic", traffics, 2, 0) == 1;
    pt_fields_number(r, root, "sample_ratio_alpha", 0, false, 1, &plan->sample_ratio_alpha,
                     "a number above 0 and below 1, such as 0.01", false);
    plan->correction = (enum pt_plan_correction)pt_fields_word(
        r, root, "correction", pt_plan_word_corrections,
        PT_PLAN_WORD_COUNT(pt_plan_word_corrections), PT_PLAN_HOLM);
    pt_fields_metrics(r, root);
    read_analysis(r, root);
    read_stopping(r, root);
    pt_fields_exposures(r, root);
    read_treatment_correction(r, root);
    check_models(r, root);
}

/* A name is a folder's too. */
static void check_name(struct pt_fields *r, const struct pt_yaml *root)
{
    const struct pt_yaml *field = pt_yaml_member(root, "experiment");
    const char *name = r->plan->name;

    for (const char *at = name; *at; at++) {
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || ((*at == '-' || *at == '.') && at > name) ||
              *at == '_')) {
            pt_fields_wrong(r, field->line,
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
    struct pt_fields r = {.plan = plan_out, .file = name, .problems = problems};
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
        pt_fields_wrong(&r, 1, "the plan is empty");
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
