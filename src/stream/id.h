/*
 * id.h - an event id as two numbers, its seeded hash, and its order
 *
 * Ids are ordered as their sixteen bytes are, so UUIDv7 ids stand in the order of their time. The
 * hash is strongly universal (multiply-shift over 32-bit words, Dietzfelbinger 1996), so whoever
 * does not know the seed cannot choose two ids that collide more often than by chance; a mixer
 * behind it (splitmix64's) keeps many ids in a pattern, such as a counter, from crowding some
 * lines.
 */
#ifndef PT_STREAM_ID_H
#define PT_STREAM_ID_H

#include "wire/uuid.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

struct pt_id {
    uint64_t hi; /* bytes 0 to 7, big-endian */
    uint64_t lo; /* bytes 8 to 15 */
};

/* Of a hash only these high bits are kept in files and asked for in the filter. */
#define PT_ID_HASH_BITS 44
#define PT_ID_HASH_DROPPED (64 - PT_ID_HASH_BITS)

struct pt_id_key {
    uint64_t seed;
    uint64_t word[10]; /* two independent rows of four factors and an addend */
};

/* The same key from the same seed, on every machine. */
void pt_id_key_init(struct pt_id_key *key, uint64_t seed);

static inline struct pt_id pt_id_of(const uint8_t bytes[PT_UUID_BYTES])
{
    struct pt_id id;

    memcpy(&id.hi, bytes, 8);
    memcpy(&id.lo, bytes + 8, 8);
    id.hi = be64toh(id.hi);
    id.lo = be64toh(id.lo);
    return id;
}

static inline void pt_id_put(struct pt_id id, uint8_t bytes[PT_UUID_BYTES])
{
    uint64_t hi = htobe64(id.hi);
    uint64_t lo = htobe64(id.lo);

    memcpy(bytes, &hi, 8);
    memcpy(bytes + 8, &lo, 8);
}

static inline bool pt_id_less(struct pt_id a, struct pt_id b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

static inline bool pt_id_equal(struct pt_id a, struct pt_id b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static inline uint64_t pt_id_hash(const struct pt_id_key *key, struct pt_id id)
{
    const uint64_t *w = key->word;
    uint64_t a = id.hi >> 32;
    uint64_t b = id.hi & UINT32_MAX;
    uint64_t c = id.lo >> 32;
    uint64_t d = id.lo & UINT32_MAX;
    uint64_t high = w[0] * a + w[1] * b + w[2] * c + w[3] * d + w[4];
    uint64_t low = w[5] * a + w[6] * b + w[7] * c + w[8] * d + w[9];
    uint64_t z = (high & ~(uint64_t)UINT32_MAX) | low >> 32;

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Sort ascending; `spare` has room for `count` too. Linear but for ids that nearly all agree. */
void pt_ids_sort(struct pt_id *ids, struct pt_id *spare, size_t count);

#endif
