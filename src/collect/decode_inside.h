/*
 * decode_inside.h - what decode.c and decode_refused.c share
 *
 * Only these two include it.
 */
#ifndef PT_COLLECT_DECODE_INSIDE_H
#define PT_COLLECT_DECODE_INSIDE_H

#include "collect/decode.h"

/* False: no memory. */
static inline bool pt_sizes_add(struct pt_sizes *sizes, size_t bytes)
{
    if (sizes->count == sizes->capacity) {
        uint32_t capacity = sizes->capacity ? sizes->capacity * 2 : 256;
        uint32_t *values = pt_realloc(sizes->values, capacity * sizeof(*values));

        if (!values) {
            return false;
        }
        sizes->values = values;
        sizes->capacity = capacity;
    }
    sizes->values[sizes->count++] = (uint32_t)bytes;
    return true;
}

/*
 * The event at hand is refused for `problem`: a receipt, and a dead letter unless it is replayed,
 * since that one has its letter. PT_TOO_BIG: the request's records are over the limit.
 * PT_NO_MEMORY.
 */
enum pt_code pt_decode_refuse(struct pt_decode_batch *batch, struct pt_json event,
                              const struct pt_event_fields *fields,
                              const struct pt_problem *problem, struct pt_error *err) PT_MUST_USE;

#endif
