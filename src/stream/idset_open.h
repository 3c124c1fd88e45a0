/*
 * idset_open.h - the ids since the last checkpoint: an open table, exact, in memory
 *
 * Entries stand in the order they came in; slots (open addressing) hold 32 bits of the hash and the
 * entry's place, so that an id that is not there costs one look. Its place follows a seeded hash.
 */
#ifndef PT_STREAM_IDSET_OPEN_H
#define PT_STREAM_IDSET_OPEN_H

#include "base/error.h"
#include "stream/id.h"

struct pt_open_id {
    struct pt_id id;
    uint64_t hash;
    uint32_t bucket; /* hour it was last seen in */
};

struct pt_open_ids {
    uint64_t *slots;   /* high half: of the hash; low half: place in entries + 1; 0: empty */
    size_t slot_count; /* a power of two */
    struct pt_open_id *entries;
    size_t count;
    size_t capacity; /* three quarters of the slots */
};

enum pt_code pt_open_ids_init(struct pt_open_ids *open, struct pt_error *err) PT_MUST_USE;
void pt_open_ids_release(struct pt_open_ids *open);

/* NULL: not there. */
struct pt_open_id *pt_open_ids_find(const struct pt_open_ids *open, struct pt_id id, uint64_t hash);

/* Room for one more. */
enum pt_code pt_open_ids_reserve(struct pt_open_ids *open, struct pt_error *err) PT_MUST_USE;

/* An id that is not there; room was reserved. */
void pt_open_ids_put(struct pt_open_ids *open, struct pt_id id, uint64_t hash, uint32_t bucket);

void pt_open_ids_clear(struct pt_open_ids *open);

#endif
