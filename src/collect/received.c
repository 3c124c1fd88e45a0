/*
 * received.c - the test double's memory: the newest events, as they were sent
 *
 * WHAT IS KEPT, one JSON object an event, minified:
 *
 *     good  the event's members as sent, then event_time, received_at, clock_skew_us and, where
 * known, country, region, city: what the table would say. A member that was sent under one of these
 * names gives way. bad   {"received_at","index","event_id","code","pointer","detail","event"}: the
 * receipt, and the event as sent.
 *
 * A decoder's `seen` buffer holds a request's entries until the whole body was read: a struct
 * entry_head, the event's name, the JSON.
 */
#include "collect/received.h"

#include "base/crypto.h"
#include "wire/rfc3339.h"

#include <pthread.h>

struct entry_head {
    uint32_t name_bytes;
    uint32_t json_bytes;
    bool is_bad;
};

/* One allocation each: the name, then the JSON. */
struct entry {
    uint8_t *text;
    struct entry_head head;
};

struct pt_received {
    struct pt_received_limits limits;
    pthread_mutex_t lock; /* of everything below */
    struct entry *ring;   /* limits.events_max of them */
    size_t first;         /* the oldest one */
    size_t count;
    size_t bytes;
    uint64_t dropped;
    struct pt_metric *accepted_total;
    struct pt_metric *dead_total;
    struct pt_metric *dropped_total;
    struct pt_metric *kept; /* gauge */
};

/* ---- one event ---- */

/* Whether the collector itself says this of a good event. */
static bool is_ours(struct pt_span key)
{
    static const char *const names[] = {"event_time", "received_at", "clock_skew_us",
                                        "country",    "region",      "city"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pt_span_is(key, names[i])) {
            return true;
        }
    }
    return false;
}

static void write_time(struct pt_jsonw *w, const char *key, int64_t time_us)
{
    char text[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(time_us, text);
    pt_jsonw_key(w, key);
    pt_jsonw_str(w, text);
}

static void write_place(struct pt_jsonw *w, const char *key, const char *text, size_t bytes)
{
    if (bytes > 0) {
        pt_jsonw_key(w, key);
        pt_jsonw_string(w, pt_span_of(text, bytes));
    }
}

static bool write_good(struct pt_jsonw *w, const struct pt_decoded *decoded)
{
    struct pt_event event;

    if (!pt_event_decode(decoded->record.data, decoded->record.size, &event)) {
        return false;
    }
    pt_jsonw_object(w);
    for (struct pt_json_iter it = pt_json_iterate(decoded->event); pt_json_next(&it);) {
        if (!is_ours(it.key)) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
    }
    write_time(w, "event_time", event.event_time_us);
    write_time(w, "received_at", event.received_at_us);
    pt_jsonw_key(w, "clock_skew_us");
    pt_jsonw_int(w, event.clock_skew_us);
    write_place(w, "country", event.country, event.country[0] ? sizeof(event.country) : 0);
    write_place(w, "region", event.region.data, event.region.size);
    write_place(w, "city", event.city.data, event.city.size);
    pt_jsonw_object_end(w);
    return true;
}

static void write_bad(struct pt_jsonw *w, const struct pt_decoded *decoded)
{
    pt_jsonw_object(w);
    write_time(w, "received_at", decoded->received_at_us);
    pt_decode_write_receipt(w, decoded->index, decoded->fields, decoded->problem);
    pt_jsonw_key(w, "event");
    pt_jsonw_value(w, decoded->event);
    pt_jsonw_object_end(w);
}

bool pt_received_watch(struct pt_decoder *decoder, const struct pt_decoded *decoded)
{
    struct pt_buf *seen = &decoder->seen;
    size_t at = seen->size;
    struct entry_head head = {.is_bad = decoded->problem != NULL};
    struct pt_span name = {0};
    struct pt_jsonw w;

    if (pt_json_type(decoded->event) == PT_JSON_OBJECT) {
        pt_json_member_string(decoded->event, "event_name", &name);
    }
    pt_buf_append(seen, &head, sizeof(head));
    pt_buf_append(seen, name.data, name.size);
    pt_jsonw_init(&w, seen);
    if (head.is_bad) {
        write_bad(&w, decoded);
    } else if (!write_good(&w, decoded)) {
        return false;
    }
    if (seen->has_failed) {
        return false;
    }
    head.name_bytes = (uint32_t)name.size;
    head.json_bytes = (uint32_t)(seen->size - at - sizeof(head) - name.size);
    memcpy(seen->data + at, &head, sizeof(head));
    return true;
}

/* ---- all events ---- */

struct pt_received *pt_received_create(const struct pt_received_limits *limits,
                                       struct pt_metrics *metrics)
{
    static const char events_help[] = "events that were answered for since the start";
    struct pt_received *received = pt_alloc_zero(sizeof(*received));

    if (!received) {
        return NULL;
    }
    received->limits = *limits;
    received->ring = pt_alloc_zero(limits->events_max * sizeof(*received->ring));
    if (!received->ring) {
        pt_free(received);
        return NULL;
    }
    pthread_mutex_init(&received->lock, NULL);
    if (metrics) {
        received->accepted_total =
            pt_metrics_get(metrics, PT_COUNTER, "playtrace_collect_events_total",
                           "verdict=\"accepted\"", events_help);
        received->dead_total = pt_metrics_get(metrics, PT_COUNTER, "playtrace_collect_events_total",
                                              "verdict=\"dead\"", events_help);
        received->dropped_total =
            pt_metrics_get(metrics, PT_COUNTER, "playtrace_received_dropped_total", NULL,
                           "events that made room for newer ones");
        received->kept = pt_metrics_get(metrics, PT_GAUGE, "playtrace_received_events", NULL,
                                        "events that GET /api/v1/received can show");
    }
    return received;
}

static void forget_oldest(struct pt_received *received)
{
    struct entry *entry = &received->ring[received->first];
    size_t bytes = (size_t)entry->head.name_bytes + entry->head.json_bytes;

    pt_free(entry->text);
    *entry = (struct entry){0};
    received->bytes -= bytes;
    received->first = (received->first + 1) % received->limits.events_max;
    received->count--;
}

void pt_received_clear(struct pt_received *received)
{
    pthread_mutex_lock(&received->lock);
    while (received->count > 0) {
        forget_oldest(received);
    }
    received->dropped = 0;
    pt_metric_set(received->kept, 0);
    pthread_mutex_unlock(&received->lock);
}

void pt_received_destroy(struct pt_received *received)
{
    if (received) {
        pt_received_clear(received);
        pthread_mutex_destroy(&received->lock);
        pt_free(received->ring);
        pt_free(received);
    }
}

/* `text` becomes the store's. */
static void keep(struct pt_received *received, uint8_t *text, const struct entry_head *head)
{
    size_t bytes = (size_t)head->name_bytes + head->json_bytes;

    while (received->count > 0 && (received->count == received->limits.events_max ||
                                   received->bytes + bytes > received->limits.bytes_max)) {
        forget_oldest(received);
        received->dropped++;
        pt_metric_add(received->dropped_total, 1);
    }
    if (bytes > received->limits.bytes_max) {
        pt_free(text);
        received->dropped++;
        pt_metric_add(received->dropped_total, 1);
        return;
    }
    received->ring[(received->first + received->count) % received->limits.events_max] =
        (struct entry){.text = text, .head = *head};
    received->count++;
    received->bytes += bytes;
}

/* The entry at `*at` of a decoder's `seen`; false at the end. Moves `*at` behind it. */
static bool next_seen(const struct pt_buf *seen, size_t *at, struct entry_head *head_out,
                      const uint8_t **text_out)
{
    if (*at == seen->size) {
        return false;
    }
    memcpy(head_out, seen->data + *at, sizeof(*head_out));
    *text_out = seen->data + *at + sizeof(*head_out);
    *at += sizeof(*head_out) + head_out->name_bytes + head_out->json_bytes;
    return true;
}

enum pt_code pt_received_take(struct pt_received *received, const struct pt_decoder *decoder,
                              struct pt_error *err)
{
    size_t count = (size_t)decoder->record_sizes.count + decoder->dead_sizes.count;
    uint8_t **texts = pt_alloc_zero((count + 1) * sizeof(*texts));
    const uint8_t *text = NULL;
    struct entry_head head;
    size_t copied = 0;
    bool is_whole = texts != NULL;

    /* Copied before anything is kept, so that a request is there as a whole or not at all. */
    for (size_t at = 0; is_whole && next_seen(&decoder->seen, &at, &head, &text); copied++) {
        size_t bytes = (size_t)head.name_bytes + head.json_bytes;

        pt_assert(copied < count);
        texts[copied] = pt_alloc(bytes);
        is_whole = texts[copied] != NULL;
        if (is_whole) {
            memcpy(texts[copied], text, bytes);
        }
    }
    if (!is_whole) {
        for (size_t i = 0; texts && i < copied; i++) {
            pt_free(texts[i]);
        }
        pt_free(texts);
        return pt_fail(err, PT_NO_MEMORY, "keep %zu events", count);
    }
    pthread_mutex_lock(&received->lock);
    for (size_t at = 0, i = 0; next_seen(&decoder->seen, &at, &head, &text); i++) {
        keep(received, texts[i], &head);
    }
    pt_metric_set(received->kept, (int64_t)received->count);
    pthread_mutex_unlock(&received->lock);
    pt_metric_add(received->accepted_total, decoder->record_sizes.count);
    pt_metric_add(received->dead_total, decoder->dead_sizes.count);
    pt_free(texts);
    return PT_OK;
}

static bool passes(const struct entry *entry, const struct pt_received_filter *filter)
{
    return entry->head.is_bad == filter->is_bad &&
           (filter->event_name.size == 0 ||
            pt_span_equal(pt_span_of(entry->text, entry->head.name_bytes), filter->event_name));
}

void pt_received_list(struct pt_received *received, const struct pt_received_filter *filter,
                      struct pt_buf *out)
{
    struct pt_jsonw w;
    size_t total = 0;
    size_t skip = 0;

    pthread_mutex_lock(&received->lock);
    for (size_t i = 0; i < received->count; i++) {
        total +=
            passes(&received->ring[(received->first + i) % received->limits.events_max], filter);
    }
    skip = total > filter->limit ? total - filter->limit : 0;
    pt_jsonw_init(&w, out);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "total");
    pt_jsonw_uint(&w, total);
    pt_jsonw_key(&w, "dropped");
    pt_jsonw_uint(&w, received->dropped);
    pt_jsonw_key(&w, "events");
    pt_jsonw_array(&w);
    for (size_t i = 0; i < received->count && !out->has_failed; i++) {
        const struct entry *entry =
            &received->ring[(received->first + i) % received->limits.events_max];

        if (passes(entry, filter) && (skip == 0 || skip-- == 0)) {
            pt_jsonw_raw(&w,
                         pt_span_of(entry->text + entry->head.name_bytes, entry->head.json_bytes));
        }
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
    pthread_mutex_unlock(&received->lock);
}

/* ---- GET /api/v1/received?… ---- */

/* One NAME=VALUE of GET /api/v1/received. */
static bool take_parameter(struct pt_span name, struct pt_span value, char *event_name,
                           struct pt_received_filter *filter)
{
    size_t size = 0;

    if (pt_span_is(name, "status")) {
        filter->is_bad = pt_span_is(value, "bad");
        return filter->is_bad || pt_span_is(value, "good");
    }
    if (pt_span_is(name, "event_name")) {
        if (!pt_percent_decode(value, true, (uint8_t *)event_name, PT_EVENT_NAME_BYTES_MAX,
                               &size)) {
            return false;
        }
        filter->event_name = pt_span_of(event_name, size);
        return true;
    }
    if (!pt_span_is(name, "limit") || value.size == 0 || value.size > 9) {
        return false;
    }
    filter->limit = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }
        filter->limit = filter->limit * 10 + (size_t)(value.data[i] - '0');
    }
    return true;
}

bool pt_received_filter_parse(struct pt_span query, char event_name[PT_EVENT_NAME_BYTES_MAX],
                              struct pt_received_filter *filter)
{
    struct pt_span name;
    struct pt_span value;

    *filter = (struct pt_received_filter){.limit = PT_RECEIVED_LIMIT};
    while (pt_http_query_next(&query, &name, &value)) {
        if (!value.data || !take_parameter(name, value, event_name, filter)) {
            return false;
        }
    }
    return true;
}

/* ---- as a sink ---- */

static enum pt_code sink_add(void *ctx, struct pt_http_request *request,
                             const struct pt_decoder *decoder, struct pt_error *err)
{
    if (pt_received_take(ctx, decoder, err)) {
        return PT_AGAIN;
    }
    pt_http_respond(request, 202, "application/json", pt_buf_span(&decoder->answer), NULL, 0);
    return PT_OK;
}

static enum pt_code sink_keep(void *ctx, const struct pt_decoder *decoder, struct pt_error *err)
{
    return pt_received_take(ctx, decoder, err);
}

static const char *sink_unready(const void *ctx)
{
    (void)ctx;
    return NULL; /* what is full makes room */
}

struct pt_sink pt_received_sink(struct pt_received *received)
{
    return (struct pt_sink){
        .ctx = received, .add = sink_add, .keep = sink_keep, .unready = sink_unready};
}
