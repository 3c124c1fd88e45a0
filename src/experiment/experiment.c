/*
 * experiment.c - from the table to a decision
 */
#include "experiment/experiment.h"

#include "query/query.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define ARENA_BYTES_MAX ((size_t)1 << 20)

static int64_t integer_at(struct pt_duck_result *rows, size_t column)
{
    struct pt_duck_value value = pt_duck_value_at(rows, column);

    return value.kind == PT_DUCK_INT ? value.integer : 0;
}

/* ---- exposures ---- */

static enum pt_code take_variant(struct pt_experiment_report *report, struct pt_span name,
                                 uint64_t units, struct pt_error *err)
{
    struct pt_experiment_variant *variant = &report->variants[report->variant_count];

    if (report->variant_count == PT_EXPERIMENT_VARIANTS_MAX) {
        return pt_fail(err, PT_TOO_BIG, "%s: more than %d variants were seen", report->request.name,
                       PT_EXPERIMENT_VARIANTS_MAX);
    }
    variant->name = pt_arena_strdup(&report->arena, name);
    variant->units = units;
    if (!variant->name) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the variants");
    }
    report->variant_count++;
    return PT_OK;
}

static enum pt_code read_exposures(struct pt_query *query, struct pt_experiment_report *report,
                                   struct pt_error *err)
{
    struct pt_duck_param params[] = {{"experiment", report->request.name}};
    struct pt_duck_result *rows = NULL;
    enum pt_code code = pt_query_metric(query, "experiment_exposures", params, 1, &rows, err);

    while (!code && pt_duck_next(rows)) {
        struct pt_span kind = pt_duck_value_at(rows, 0).text;
        uint64_t units = (uint64_t)integer_at(rows, 2);

        if (pt_span_is(kind, "variant")) {
            code = take_variant(report, pt_duck_value_at(rows, 1).text, units, err);
        } else if (pt_span_is(kind, "several")) {
            report->mixed_units = units;
        } else if (pt_span_is(kind, "total")) {
            report->first_us = integer_at(rows, 3);
            report->last_us = integer_at(rows, 4);
            if (report->request.as_of_us == 0) {
                report->request.as_of_us = integer_at(rows, 5);
            }
        }
    }
    pt_duck_result_close(rows);
    return code;
}

/* ---- which two ---- */

static size_t find_variant(const struct pt_experiment_report *report, const char *name)
{
    for (size_t i = 0; i < report->variant_count; i++) {
        if (strcmp(report->variants[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* "a, b, c", cut to fit. */
static void list_variants(const struct pt_experiment_report *report, char *text, size_t bytes)
{
    size_t used = 0;

    text[0] = 0;
    for (size_t i = 0; i < report->variant_count && used < bytes; i++) {
        int wrote = snprintf(text + used, bytes - used, "%s%s", i > 0 ? ", " : "",
                             report->variants[i].name);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static enum pt_code choose_arms(struct pt_experiment_report *report, struct pt_error *err)
{
    struct pt_experiment_request *request = &report->request;
    char seen[256];

    list_variants(report, seen, sizeof(seen));
    if (report->variant_count == 0) {
        return pt_fail(err, PT_NOT_FOUND, "%s: no exposure of this experiment is in the table%s",
                       request->name,
                       report->mixed_units > 0 ? " but of users seen in several variants" : "");
    }
    if (report->variant_count == 1) {
        return pt_fail(err, PT_INVALID, "%s: only variant \"%s\" was seen, two are compared",
                       request->name, seen);
    }
    report->control = find_variant(report, request->control ? request->control : "control");
    if (report->control == SIZE_MAX && request->control) {
        return pt_fail(err, PT_INVALID, "%s: control \"%s\" was not seen; there are: %s",
                       request->name, request->control, seen);
    }
    if (report->control == SIZE_MAX) {
        /* The first by name that is not the treatment. */
        report->control = request->treatment && find_variant(report, request->treatment) == 0;
    }
    if (request->treatment) {
        report->treatment = find_variant(report, request->treatment);
        if (report->treatment == SIZE_MAX) {
            return pt_fail(err, PT_INVALID, "%s: treatment \"%s\" was not seen; there are: %s",
                           request->name, request->treatment, seen);
        }
    } else if (report->variant_count == 2) {
        report->treatment = 1 - report->control;
    } else {
        return pt_fail(err, PT_INVALID, "%s: name the treatment, there are %zu variants: %s",
                       request->name, report->variant_count, seen);
    }
    if (report->treatment == report->control) {
        return pt_fail(err, PT_INVALID, "%s: control and treatment are both \"%s\"", request->name,
                       report->variants[report->control].name);
    }
    request->control = report->variants[report->control].name;
    request->treatment = report->variants[report->treatment].name;
    return PT_OK;
}

static void check_ratio(struct pt_experiment_report *report)
{
    double sizes[] = {(double)report->variants[report->control].units,
                      (double)report->variants[report->treatment].units};
    double weights[] = {report->request.ratio_control, report->request.ratio_treatment};

    report->srm = pt_srm_test(sizes, weights, 2, report->srm_expected);
    report->has_srm = report->srm.p_value < PT_EXPERIMENT_SRM_ALPHA;
}

/* ---- metrics ---- */

static enum pt_code ask_metric(struct pt_query *query, const struct pt_experiment_report *report,
                               const struct pt_experiment_metric *metric,
                               struct pt_duck_result **rows_out, struct pt_error *err)
{
    char days[24];
    char as_of[PT_RFC3339_TEXT_BYTES + 1];
    struct pt_duck_param retention[] = {
        {"experiment", report->request.name}, {"day", days}, {"as_of", as_of}};
    struct pt_duck_param conversion[] = {{"experiment", report->request.name},
                                         {"event", metric->event_name},
                                         {"days", days},
                                         {"as_of", as_of}};

    snprintf(days, sizeof(days), "%" PRId64, metric->days);
    pt_rfc3339_format(report->request.as_of_us, as_of);
    if (metric->kind == PT_EXPERIMENT_RETENTION) {
        return pt_query_metric(query, "experiment_retention", retention, 3, rows_out, err);
    }
    return pt_query_metric(query, "experiment_conversion", conversion, 4, rows_out, err);
}

static enum pt_code read_metric(struct pt_query *query, struct pt_experiment_report *report,
                                struct pt_experiment_result *result, struct pt_error *err)
{
    struct pt_duck_result *rows = NULL;
    enum pt_code code = ask_metric(query, report, &result->metric, &rows, err);

    if (code) {
        return code;
    }
    while (pt_duck_next(rows)) {
        struct pt_span name = pt_duck_value_at(rows, 0).text;
        struct pt_proportion arm = {(double)integer_at(rows, 2), (double)integer_at(rows, 1)};

        if (pt_span_is(name, report->request.control)) {
            result->control = arm;
        } else if (pt_span_is(name, report->request.treatment)) {
            result->treatment = arm;
        }
    }
    pt_duck_result_close(rows);
    result->immature = report->variants[report->control].units +
                       report->variants[report->treatment].units - (uint64_t)result->control.size -
                       (uint64_t)result->treatment.size;
    return PT_OK;
}

static void judge(struct pt_experiment_result *result, double alpha)
{
    result->test = pt_prop_ztest(result->control, result->treatment, true, PT_TWO_SIDED);
    result->interval =
        pt_prop_diff_interval(result->control, result->treatment, 1 - alpha, PT_DIFF_NEWCOMBE);
    result->uplift = pt_prop_uplift(result->control, result->treatment, 1 - alpha);
    result->bayes = pt_beta_binomial(result->control, result->treatment, 1, 1, 1 - alpha);
}

static void decide(struct pt_experiment_report *report)
{
    const struct pt_experiment_request *request = &report->request;
    const struct pt_experiment_result *first = &report->results[0];
    bool is_significant = first->test.p_value < request->alpha;
    char *sentence = report->sentence;
    size_t bytes = sizeof(report->sentence);

    if (report->has_srm) {
        report->decision = PT_EXPERIMENT_INVALID;
        snprintf(sentence, bytes,
                 "the sizes of %s and %s do not fit the planned %g:%g (p = %.2g): find out why "
                 "units are missing before reading anything else",
                 request->control, request->treatment, request->ratio_control,
                 request->ratio_treatment, report->srm.p_value);
    } else if (first->control.size == 0 || first->treatment.size == 0) {
        report->decision = PT_EXPERIMENT_INCONCLUSIVE;
        snprintf(sentence, bytes, "no unit's time has fully passed in both variants yet");
    } else if (isnan(first->test.p_value)) {
        report->decision = PT_EXPERIMENT_INCONCLUSIVE;
        snprintf(sentence, bytes, "%s converted in both variants: there is nothing to compare",
                 first->control.successes == 0 ? "nobody" : "everybody");
    } else if (!is_significant) {
        report->decision = PT_EXPERIMENT_INCONCLUSIVE;
        snprintf(sentence, bytes, "no difference is shown at alpha = %g (p = %.4g)", request->alpha,
                 first->test.p_value);
    } else {
        bool is_better = first->test.difference > 0;

        report->decision = is_better ? PT_EXPERIMENT_SHIP_TREATMENT : PT_EXPERIMENT_KEEP_CONTROL;
        snprintf(sentence, bytes, "%s is %s than %s by %.2f percentage points (p = %.4g)",
                 request->treatment, is_better ? "better" : "worse", request->control,
                 100 * fabs(first->test.difference), first->test.p_value);
    }
}

/* The request's texts, which are the caller's, become the report's. */
static enum pt_code copy_request(struct pt_experiment_report *report,
                                 const struct pt_experiment_request *request, struct pt_error *err)
{
    report->request = *request;
    report->request.name = pt_arena_strdup(&report->arena, pt_span_str(request->name));
    if (!report->request.name) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the report");
    }
    return PT_OK;
}

enum pt_code pt_experiment_analyze(struct pt_query *query,
                                   const struct pt_experiment_request *request,
                                   struct pt_experiment_report *report_out, struct pt_error *err)
{
    struct pt_experiment_report *report = report_out;
    enum pt_code code = PT_OK;

    memset(report, 0, sizeof(*report));
    pt_arena_init(&report->arena, ARENA_BYTES_MAX);
    pt_assert(request->metric_count > 0 && request->metric_count <= PT_EXPERIMENT_METRICS_MAX);
    if (!(request->alpha > 0 && request->alpha < 1) || !(request->ratio_control > 0) ||
        !(request->ratio_treatment > 0) || isinf(request->ratio_control) ||
        isinf(request->ratio_treatment)) {
        return pt_fail(err, PT_INVALID, "alpha must be between 0 and 1, the ratio above 0");
    }
    code = copy_request(report, request, err);
    code = code ? code : pt_exposure_map_use(query, request->name, &request->exposures, err);
    code = code ? code
                : pt_exposure_count(query, request->name, &request->exposures, 0,
                                    &report->exposures, err);
    code = code ? code : read_exposures(query, report, err);
    code = code ? code : choose_arms(report, err);
    if (code) {
        return code;
    }
    check_ratio(report);
    for (size_t i = 0; i < request->metric_count; i++) {
        struct pt_experiment_result *result = &report->results[i];

        result->metric = request->metrics[i];
        code = read_metric(query, report, result, err);
        if (code) {
            return code;
        }
        judge(result, request->alpha);
        report->result_count++;
    }
    decide(report);
    return PT_OK;
}

void pt_experiment_report_release(struct pt_experiment_report *report)
{
    pt_arena_release(&report->arena);
    report->variant_count = 0;
}

const char *pt_experiment_decision_text(enum pt_experiment_decision decision)
{
    static const char *const texts[] = {
        [PT_EXPERIMENT_SHIP_TREATMENT] = "ship treatment",
        [PT_EXPERIMENT_KEEP_CONTROL] = "keep control",
        [PT_EXPERIMENT_INCONCLUSIVE] = "inconclusive",
        [PT_EXPERIMENT_INVALID] = "invalid: sample ratio mismatch",
    };

    pt_assert((unsigned)decision < sizeof(texts) / sizeof(texts[0]));
    return texts[decision];
}
