/*
 * metric.c - what --metric says
 */
#include "experiment/experiment.h"

#include "base/span.h"

#include <stdio.h>

#define DAYS_MAX 3650

/* 1 to 4 digits, at most DAYS_MAX. */
static bool parse_days(struct pt_span text, int64_t *days_out)
{
    int64_t days = 0;

    if (text.size == 0 || text.size > 4) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        days = days * 10 + (text.data[i] - '0');
    }
    *days_out = days;
    return days <= DAYS_MAX;
}

/* What stands before the next `separator`; `rest` moves behind it. */
static struct pt_span next_part(struct pt_span *rest, char separator)
{
    const uint8_t *at = rest->size > 0 ? memchr(rest->data, separator, rest->size) : NULL;
    size_t bytes = at ? (size_t)(at - rest->data) : rest->size;
    struct pt_span part = pt_span_of(rest->data, bytes);

    *rest = at ? pt_span_of(at + 1, rest->size - bytes - 1) : pt_span_of(NULL, 0);
    return part;
}

static bool parse_conversion(struct pt_span rest, struct pt_experiment_metric *metric)
{
    struct pt_span event = pt_span_str("purchase");
    struct pt_span window = pt_span_str("7d");

    if (rest.data) {
        event = next_part(&rest, ':');
    }
    if (rest.data) {
        window = rest;
    }
    if (event.size == 0 || event.size >= sizeof(metric->event_name) || window.size < 2 ||
        window.data[window.size - 1] != 'd') {
        return false;
    }
    snprintf(metric->event_name, sizeof(metric->event_name), "%.*s", PT_SPAN_ARG(event));
    metric->kind = PT_EXPERIMENT_CONVERSION;
    return parse_days(pt_span_of(window.data, window.size - 1), &metric->days) && metric->days > 0;
}

static bool parse_one(struct pt_span text, struct pt_experiment_metric *metric)
{
    struct pt_span rest = text;
    struct pt_span kind = next_part(&rest, ':');

    memset(metric, 0, sizeof(*metric));
    if (pt_span_is(kind, "retention")) {
        metric->kind = PT_EXPERIMENT_RETENTION;
        return parse_days(rest, &metric->days) && metric->days > 0;
    }
    return pt_span_is(kind, "conversion") && parse_conversion(rest, metric);
}

enum pt_code pt_experiment_metrics_parse(const char *text,
                                         struct pt_experiment_metric metrics_out[],
                                         size_t *count_out, struct pt_error *err)
{
    struct pt_span rest = pt_span_str(text);
    size_t count = 0;

    do {
        struct pt_span part = next_part(&rest, ',');

        if (count == PT_EXPERIMENT_METRICS_MAX) {
            return pt_fail(err, PT_INVALID, "at most %d metrics", PT_EXPERIMENT_METRICS_MAX);
        }
        if (!parse_one(part, &metrics_out[count])) {
            return pt_fail(err, PT_INVALID,
                           "\"%.*s\" is no metric; write retention:N (N days from 1) or "
                           "conversion:EVENT:Wd (W days), with commas between several",
                           PT_SPAN_ARG(part));
        }
        count++;
    } while (rest.data);
    *count_out = count;
    return PT_OK;
}
