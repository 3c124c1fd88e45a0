/*
 * metrics.c - counters and gauges, and Prometheus' text of them
 *
 * FORMAT (Prometheus text 0.0.4): for each name "# HELP name help", "# TYPE name kind",
 * then one "name{labels} value" line a label text.
 *
 * The registry is an array sorted by name, then labels: getting a metric is for start-up,
 * so inserting into the middle does not matter, and rendering is a walk.
 */
#include "observe/observe.h"

#include <pthread.h>

#define METRICS_MAX 10000u

struct entry {
    struct pt_metric metric; /* first: what the caller holds */
    enum pt_metric_kind kind;
    char *name;
    char *labels; /* "" for none */
    char *help;
};

struct pt_metrics {
    pthread_mutex_t mutex; /* over all below; values are read and added without it */
    struct entry **entries;
    size_t count;
    size_t capacity;
};

struct pt_metrics *pt_metrics_create(void)
{
    struct pt_metrics *metrics = pt_alloc_zero(sizeof(*metrics));

    if (metrics && pthread_mutex_init(&metrics->mutex, NULL) != 0) {
        pt_free(metrics);
        metrics = NULL;
    }
    return metrics;
}

static void entry_destroy(struct entry *entry)
{
    if (entry) {
        pt_free(entry->name);
        pt_free(entry->labels);
        pt_free(entry->help);
        pt_free(entry);
    }
}

void pt_metrics_destroy(struct pt_metrics *metrics)
{
    if (!metrics) {
        return;
    }
    for (size_t i = 0; i < metrics->count; i++) {
        entry_destroy(metrics->entries[i]);
    }
    pt_free(metrics->entries);
    pthread_mutex_destroy(&metrics->mutex);
    pt_free(metrics);
}

/* [a-zA-Z_:][a-zA-Z0-9_:]* */
static bool is_metric_name(const char *name)
{
    for (const char *at = name; *at; at++) {
        bool is_letter =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_' || *at == ':';
        bool is_digit = *at >= '0' && *at <= '9';

        if (!is_letter && (!is_digit || at == name)) {
            return false;
        }
    }
    return name[0] != '\0';
}

static int compare(const struct entry *entry, const char *name, const char *labels)
{
    int order = strcmp(entry->name, name);

    return order ? order : strcmp(entry->labels, labels);
}

/* Where that metric is, or would stand. */
static size_t find(const struct pt_metrics *metrics, const char *name, const char *labels)
{
    size_t low = 0;
    size_t high = metrics->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(metrics->entries[middle], name, labels) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct entry *entry_create(enum pt_metric_kind kind, const char *name, const char *labels,
                                  const char *help)
{
    struct entry *entry = pt_alloc_zero(sizeof(*entry));

    if (!entry) {
        return NULL;
    }
    entry->kind = kind;
    entry->name = pt_strdup(name);
    entry->labels = pt_strdup(labels);
    entry->help = pt_strdup(help);
    if (!entry->name || !entry->labels || !entry->help) {
        entry_destroy(entry);
        return NULL;
    }
    return entry;
}

static const size_t slot_bytes = sizeof(void *); /* of the array of pointers */

static bool grow(struct pt_metrics *metrics)
{
    size_t capacity = metrics->capacity ? metrics->capacity * 2 : 64;
    struct entry **entries = NULL;

    if (metrics->count < metrics->capacity) {
        return true;
    }
    entries = pt_realloc(metrics->entries, capacity * slot_bytes);
    if (!entries) {
        return false;
    }
    metrics->entries = entries;
    metrics->capacity = capacity;
    return true;
}

struct pt_metric *pt_metrics_get(struct pt_metrics *metrics, enum pt_metric_kind kind,
                                 const char *name, const char *labels, const char *help)
{
    struct pt_metric *metric = NULL;
    struct entry *entry = NULL;
    size_t at = 0;

    pt_assert(is_metric_name(name));
    labels = labels ? labels : "";
    pthread_mutex_lock(&metrics->mutex);
    at = find(metrics, name, labels);
    if (at < metrics->count && compare(metrics->entries[at], name, labels) == 0) {
        pt_assert(metrics->entries[at]->kind == kind);
        metric = &metrics->entries[at]->metric;
        goto out;
    }
    if (metrics->count == METRICS_MAX || !grow(metrics)) {
        goto out;
    }
    entry = entry_create(kind, name, labels, help ? help : "");
    if (!entry) {
        goto out;
    }
    memmove(metrics->entries + at + 1, metrics->entries + at, (metrics->count - at) * slot_bytes);
    metrics->entries[at] = entry;
    metrics->count++;
    metric = &entry->metric;

out:
    pthread_mutex_unlock(&metrics->mutex);
    return metric;
}

/* Only a backslash and a line feed are escaped in a help text. */
static void render_help(struct pt_buf *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\\') {
            pt_buf_append_str(out, "\\\\");
        } else if (*help == '\n') {
            pt_buf_append_str(out, "\\n");
        } else {
            pt_buf_append_byte(out, (uint8_t)*help);
        }
    }
}

void pt_metrics_render(struct pt_metrics *metrics, struct pt_buf *out)
{
    const char *name = "";

    pthread_mutex_lock(&metrics->mutex);
    for (size_t i = 0; i < metrics->count; i++) {
        const struct entry *entry = metrics->entries[i];
        long long value = (long long)pt_metric_read(&entry->metric);

        if (strcmp(name, entry->name) != 0) {
            name = entry->name;
            pt_buf_appendf(out, "# HELP %s ", name);
            render_help(out, entry->help);
            pt_buf_appendf(out, "\n# TYPE %s %s\n", name,
                           entry->kind == PT_COUNTER ? "counter" : "gauge");
        }
        if (entry->labels[0]) {
            pt_buf_appendf(out, "%s{%s} %lld\n", name, entry->labels, value);
        } else {
            pt_buf_appendf(out, "%s %lld\n", name, value);
        }
    }
    pthread_mutex_unlock(&metrics->mutex);
}
