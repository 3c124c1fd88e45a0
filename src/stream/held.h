/*
 * held.h - the rows read since the last checkpoint, and the records behind them
 *
 * Only stream.c includes this. Records are copied once, a batch at a time, and rows point into the
 * copies. Memory is kept from one checkpoint to the next, since new pages cost more than what is
 * done with them, until pt_held_trim() gives it back. One thread.
 */
#ifndef PT_STREAM_HELD_H
#define PT_STREAM_HELD_H

#include "lake/lake.h"

struct pt_held_block;

struct pt_held {
    struct pt_row *rows; /* owned; `count` of them are held, `capacity` fit */
    size_t count;
    size_t capacity;
    size_t record_bytes;          /* copied since the last reset */
    struct pt_held_block *blocks; /* owned; the first `block_count` */
    size_t block_count;
    size_t block_capacity;
    size_t block_at; /* the block that is being filled */
};

void pt_held_init(struct pt_held *held);
void pt_held_release(struct pt_held *held);

/*
 * A copy of `bytes` of records, and room for `rows` rows behind the `count` that are held. Returns
 * the copy; NULL without memory, nothing is changed then.
 */
uint8_t *pt_held_copy(struct pt_held *held, const uint8_t *records, size_t bytes,
                      size_t rows) PT_MUST_USE;

/* Nothing is held any more; memory is kept. */
void pt_held_reset(struct pt_held *held);
/* The same, and memory is given back. */
void pt_held_trim(struct pt_held *held);

#endif
