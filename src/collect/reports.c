/*
 * reports.c - what clients tell about themselves, as metrics
 */
#include "collect/reports.h"

#include <stdio.h>

/* No client of ours loses more between two reports; a stranger's number moves a counter no more. */
#define COUNT_MAX INT64_C(1000000000)

static const char *const reasons[PT_REPORT_REASONS] = {"ring",    "budget",     "evicted", "age",
                                                       "damaged", "unreadable", "refused", "other"};
static const char *const states[PT_REPORT_STATES] = {"given", "withdrawn"};

static void note_self_test(struct pt_reports_seen *seen, struct pt_json attributes)
{
    struct pt_json ok = pt_json_member(attributes, "ok");

    if (pt_json_exists(ok) && pt_json_type(ok) == PT_JSON_BOOL) {
        seen->self_tests[pt_json_bool(ok) ? 1 : 0]++;
    }
}

static void note_dropped(struct pt_reports_seen *seen, struct pt_json attributes)
{
    struct pt_span reason;
    int64_t count = 0;
    unsigned at = 0;

    if (!pt_json_member_string(attributes, "reason", &reason) ||
        !pt_json_member_int(attributes, "count", &count) || count < 1) {
        return;
    }
    while (at < PT_REPORT_REASONS - 1 && !pt_span_is(reason, reasons[at])) {
        at++;
    }
    seen->dropped[at] += (uint64_t)(count < COUNT_MAX ? count : COUNT_MAX);
}

static void note_consent(struct pt_reports_seen *seen, struct pt_json attributes)
{
    struct pt_span state;

    if (!pt_json_member_string(attributes, "state", &state)) {
        return;
    }
    for (unsigned i = 0; i < PT_REPORT_STATES; i++) {
        seen->consents[i] += pt_span_is(state, states[i]);
    }
}

void pt_report_note(struct pt_reports_seen *seen, const struct pt_event_fields *fields)
{
    if (!pt_json_exists(fields->attributes)) {
        return;
    }
    if (!seen->is_any) {
        *seen = (struct pt_reports_seen){.is_any = true};
    }
    if (pt_span_is(fields->event_name, "playtrace_self_test")) {
        note_self_test(seen, fields->attributes);
    } else if (pt_span_is(fields->event_name, "playtrace_dropped")) {
        note_dropped(seen, fields->attributes);
    } else if (pt_span_is(fields->event_name, "playtrace_consent")) {
        note_consent(seen, fields->attributes);
    }
}

void pt_reports_init(struct pt_reports *reports, struct pt_metrics *metrics)
{
    char label[48];

    for (unsigned i = 0; i < 2; i++) {
        reports->self_tests[i] = pt_metrics_get(
            metrics, PT_COUNTER, "playtrace_client_self_tests_total",
            i ? "ok=\"true\"" : "ok=\"false\"", "self-tests that clients made when they opened");
    }
    for (unsigned i = 0; i < PT_REPORT_STATES; i++) {
        snprintf(label, sizeof(label), "state=\"%s\"", states[i]);
        reports->consents[i] =
            pt_metrics_get(metrics, PT_COUNTER, "playtrace_client_consents_total", label,
                           "decisions that ended consent: for some purposes (given) or for all");
    }
    for (unsigned i = 0; i < PT_REPORT_REASONS; i++) {
        snprintf(label, sizeof(label), "reason=\"%s\"", reasons[i]);
        reports->dropped[i] = pt_metrics_get(metrics, PT_COUNTER, "playtrace_client_dropped_total",
                                             label, "events that clients lost, as they report it");
    }
}

void pt_reports_add(struct pt_reports *reports, const struct pt_reports_seen *seen)
{
    if (!seen->is_any) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        pt_metric_add(reports->self_tests[i], seen->self_tests[i]);
    }
    for (unsigned i = 0; i < PT_REPORT_STATES; i++) {
        pt_metric_add(reports->consents[i], seen->consents[i]);
    }
    for (unsigned i = 0; i < PT_REPORT_REASONS; i++) {
        pt_metric_add(reports->dropped[i], (int64_t)seen->dropped[i]);
    }
}
