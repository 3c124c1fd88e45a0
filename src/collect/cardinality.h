/*
 * cardinality.h - what attributes a game may send before its table becomes unusable
 *
 * Bounds of one event (attribute count, depth, key and value length) are checked by decode.c; here
 * is what needs memory across events: the distinct keys an event name, and a HyperLogLog
 * (Flajolet, Fusy, Gandouet, Meunier 2007; 1,024 registers, standard error 3.25 %) a key that warns
 * before a set of text values explodes. Any thread; asking about a known key takes no lock.
 * In memory: a restart begins anew.
 */
#ifndef PT_COLLECT_CARDINALITY_H
#define PT_COLLECT_CARDINALITY_H

#include "base/error.h"
#include "base/span.h"
#include "observe/observe.h"

struct pt_cardinality;

/* `keys_max`: distinct keys an event name; `warn_values`: distinct text values a key before the warning. */
struct pt_cardinality *pt_cardinality_create(uint32_t keys_max, uint32_t warn_values,
                                             struct pt_metrics *metrics) PT_MUST_USE;
void pt_cardinality_destroy(struct pt_cardinality *cardinality);

/*
 * Note that an event of that name carries `key`. False: the name has keys_max others already, or
 * the table is full.
 */
bool pt_cardinality_key(struct pt_cardinality *cardinality, struct pt_span event_name,
                        struct pt_span key);

/* Count a text value of a key that pt_cardinality_key() took. */
void pt_cardinality_value(struct pt_cardinality *cardinality, struct pt_span event_name,
                          struct pt_span key, struct pt_span value);

/* Estimated distinct values of a key; 0 where it is unknown. */
double pt_cardinality_estimate(struct pt_cardinality *cardinality, struct pt_span event_name,
                               struct pt_span key);

#endif
