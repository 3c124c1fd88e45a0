/*
 * observe.h - counters, gauges, and structured log lines
 *
 * Counters are lock-free; any thread adds. The registry renders Prometheus' text
 * format. A log line is one JSON object on standard error:
 * {"time":…,"level":…,"stage":…,"message":…,…fields}. No raw user id, address or
 * attribute value is ever logged.
 */
#ifndef PT_OBSERVE_OBSERVE_H
#define PT_OBSERVE_OBSERVE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdatomic.h>

enum pt_metric_kind {
    PT_COUNTER,
    PT_GAUGE,
};

struct pt_metric {
    _Atomic int64_t value; /* relaxed: a reader may be a moment late */
};

struct pt_metrics;

struct pt_metrics *pt_metrics_create(void) PT_MUST_USE; /* NULL without memory */
void pt_metrics_destroy(struct pt_metrics *metrics);

/*
 * The metric of that name and label text (`labels` is NULL or like "code=\"invalid_uuid\"");
 * asking again gives the same one. `name` follows Prometheus' rules; counters end in _total. Lives
 * as long as the registry. NULL without memory, or past 10,000 metrics.
 */
struct pt_metric *pt_metrics_get(struct pt_metrics *metrics, enum pt_metric_kind kind,
                                 const char *name, const char *labels,
                                 const char *help) PT_MUST_USE;

static inline void pt_metric_add(struct pt_metric *metric, int64_t amount)
{
    if (metric) {
        atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
    }
}
static inline void pt_metric_set(struct pt_metric *metric, int64_t value)
{
    if (metric) {
        atomic_store_explicit(&metric->value, value, memory_order_relaxed);
    }
}
static inline int64_t pt_metric_read(const struct pt_metric *metric)
{
    return metric ? atomic_load_explicit(&metric->value, memory_order_relaxed) : 0;
}

/* Append the whole registry in Prometheus' text format 0.0.4, sorted by name, then labels. */
void pt_metrics_render(struct pt_metrics *metrics, struct pt_buf *out);

enum pt_log_level {
    PT_LOG_DEBUG,
    PT_LOG_INFO,
    PT_LOG_WARN,
    PT_LOG_ERROR,
};

/* Lines below `level` are dropped; INFO at first. Before threads start. */
void pt_log_set_level(enum pt_log_level level);
bool pt_log_level_parse(const char *text, enum pt_log_level *level_out);

/*
 * One line, written with one write(2), so that lines of threads never mix.
 * `fields` is NULL or a JSON fragment such as "\"offset\":12,\"segment\":\"…\"" that
 * the caller has built with pt_jsonw.
 */
void pt_log_line(enum pt_log_level level, const char *stage, const char *fields,
                 const char *message_format, ...) PT_PRINTF(4, 5);

#endif
