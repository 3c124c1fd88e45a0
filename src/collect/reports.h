/*
 * reports.h - what clients tell about themselves, as metrics
 *
 * A client of ours sends playtrace_self_test once an open, playtrace_dropped where it lost events,
 * and playtrace_consent when consent ends (client/README.md). They are events like any other;
 * here they are counted on their way, so that a dashboard shows them without a query. A batch
 * that is sent twice counts twice.
 */
#ifndef PT_COLLECT_REPORTS_H
#define PT_COLLECT_REPORTS_H

#include "observe/observe.h"
#include "schema/schema.h"

/* Reasons of playtrace_dropped that have a series of their own; the last is any other. */
#define PT_REPORT_REASONS 8
#define PT_REPORT_STATES 2 /* of playtrace_consent: "given" for fewer purposes, "withdrawn" */

/* Of one request. */
struct pt_reports_seen {
    bool is_any; /* else the rest is not set */
    uint32_t self_tests[2];
    uint32_t consents[PT_REPORT_STATES];
    uint64_t dropped[PT_REPORT_REASONS];
};

/* Is it one of the three? Cheap: it is asked for each event. */
static inline bool pt_report_is_one(struct pt_span event_name)
{
    return event_name.size >= 17 && event_name.size <= 19 &&
           memcmp(event_name.data, "playtrace_", 10) == 0;
}
void pt_report_note(struct pt_reports_seen *seen, const struct pt_event_fields *fields);

/* The counters; made once, used by all threads. */
struct pt_reports {
    struct pt_metric *self_tests[2];
    struct pt_metric *consents[PT_REPORT_STATES];
    struct pt_metric *dropped[PT_REPORT_REASONS];
};
void pt_reports_init(struct pt_reports *reports, struct pt_metrics *metrics);
void pt_reports_add(struct pt_reports *reports, const struct pt_reports_seen *seen);

#endif
