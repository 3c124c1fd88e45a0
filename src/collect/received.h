/*
 * received.h - the test double's memory: the newest events, as they were sent
 *
 * `playtrace serve --ephemeral` puts it where group commit stands otherwise. Events have been
 * through the very same decoding and get the same receipts; then they are kept in memory, up to a
 * number and a number of bytes, the oldest making room.
 *
 * PERSONAL DATA. A game's test compares what it sent with what arrived, so ids and all other
 * fields stand here as they were sent, which nothing else in the server does. They are in
 * this process's heap and nowhere else: no file, no log line, no metric. Who may read them is
 * decided by collect.c (a key, or loopback).
 */
#ifndef PT_COLLECT_RECEIVED_H
#define PT_COLLECT_RECEIVED_H

#include "collect/sink.h"
#include "observe/observe.h"

struct pt_received;

struct pt_received_limits {
    size_t events_max;
    size_t bytes_max; /* of all events kept; a single larger one is dropped at once */
};

/* NULL without memory. `metrics` is borrowed. Pair with pt_received_destroy(). */
struct pt_received *pt_received_create(const struct pt_received_limits *limits,
                                       struct pt_metrics *metrics) PT_MUST_USE;
void pt_received_destroy(struct pt_received *received);

/* For struct pt_decode_env: notes an event in the decoder for pt_received_add(). */
bool pt_received_watch(struct pt_decoder *decoder, const struct pt_decoded *decoded);

/* Keep what the decoder noted. PT_NO_MEMORY keeps nothing of it. Any thread. */
enum pt_code pt_received_take(struct pt_received *received, const struct pt_decoder *decoder,
                              struct pt_error *err) PT_MUST_USE;

struct pt_sink pt_received_sink(struct pt_received *received);

struct pt_received_filter {
    bool is_bad;               /* refused events, else taken ones */
    struct pt_span event_name; /* size 0: any */
    size_t limit;              /* at most so many, the newest; in the order of arrival */
};

#define PT_RECEIVED_LIMIT 1000u

/*
 * From "status=bad&event_name=N&limit=N", each optional: good ones, of any name, PT_RECEIVED_LIMIT.
 * False: nothing of the kind. `event_name` is the filter's storage.
 */
bool pt_received_filter_parse(struct pt_span query, char event_name[PT_EVENT_NAME_BYTES_MAX],
                              struct pt_received_filter *filter) PT_MUST_USE;

/*
 * Append {"total":N,"dropped":N,"events":[…]}: how many of what is kept passes the filter, how many
 * events were dropped for room since the last clear, and the events. `out` fails where it is too
 * small. Any thread.
 */
void pt_received_list(struct pt_received *received, const struct pt_received_filter *filter,
                      struct pt_buf *out);

/* Forget all, and the count of dropped ones. Any thread. */
void pt_received_clear(struct pt_received *received);

#endif
