/*
 * events.h - request bodies for the collector's benchmarks
 *
 * Events of a quest game, some 450 bytes each, random and repeatable: every event has an id of its
 * own, every body its own players. All that one generator makes is valid for Playtrace's base
 * schema and for the fixed table of the ideal node, so that both can be sent the same events.
 */
#ifndef PT_BENCH_EVENTS_H
#define PT_BENCH_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_EVENT_BYTES_MAX 640

struct bench_events {
    uint64_t state;   /* the seed at first */
    uint64_t players; /* that bodies are drawn from; 0: 200,000 */
};

/* The names that events have; NULL ends them. And the JSON Schema that holds their attributes. */
extern const char *const bench_event_names[];
extern const char bench_attributes_schema[];

uint64_t bench_random(struct bench_events *events);

/*
 * One body of `count` events of `players` players, taking turns. With `has_envelope` it is
 * {"sent_at":…,"events":[…]}, else the array alone. `out` has room for count + 1 events of
 * BENCH_EVENT_BYTES_MAX; returns the length. `sent_at_us_out` (may be NULL) is a moment after the
 * last event.
 */
size_t bench_body(struct bench_events *events, int count, int players, bool has_envelope, char *out,
                  int64_t *sent_at_us_out);

#endif
