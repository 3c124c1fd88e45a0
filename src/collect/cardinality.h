/*
 * cardinality.h - what attributes a game may send before its table becomes unusable
 *
 * Bounds of one event (attribute count, depth, key and value length) are checked by decode.c; here
 * is what needs memory across events: the distinct keys an event name, and a HyperLogLog
 * (base/hll.h; 1,024 registers, standard error 3.25 %) a key that warns before a set of text values
 * explodes. Any thread; asking about a known key takes no lock.
 * In memory: a restart begins anew.
 */
#ifndef PT_COLLECT_CARDINALITY_H
#define PT_COLLECT_CARDINALITY_H

#include "base/error.h"
#include "base/span.h"
#include "observe/observe.h"

struct pt_cardinality;

/* `keys_max`: distinct keys an event name; `warn_values`: distinct text values a key before the
 * warning. */
struct pt_cardinality *pt_cardinality_create(uint32_t keys_max, uint32_t warn_values,
                                             struct pt_metrics *metrics) PT_MUST_USE;
void pt_cardinality_destroy(struct pt_cardinality *cardinality);

/* An event name, hashed once for all keys of the event. `text` is borrowed. */
struct pt_cardinality_name {
    struct pt_span text;
    uint64_t hash;
};
struct pt_cardinality_name pt_cardinality_name(struct pt_span event_name);

/*
 * Note that an event of that name carries `key`. Gives the key's sketch, which lives as long as
 * `cardinality`; NULL: the name has keys_max others already, or the table is full.
 */
struct pt_sketch;
struct pt_sketch *pt_cardinality_key(struct pt_cardinality *cardinality,
                                     const struct pt_cardinality_name *name, struct pt_span key);

/* Count a text value of the key whose sketch pt_cardinality_key() gave. */
void pt_cardinality_value(struct pt_cardinality *cardinality, struct pt_sketch *sketch,
                          const struct pt_cardinality_name *name, struct pt_span key,
                          struct pt_span value);

/* Estimated distinct values of a key; 0 where it is unknown. */
double pt_cardinality_estimate(struct pt_cardinality *cardinality, struct pt_span event_name,
                               struct pt_span key);

#endif
