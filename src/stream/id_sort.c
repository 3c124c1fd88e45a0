/*
 * id_sort.c - ids in order, by radix
 *
 * A pass of counting over the highest bits that differ puts nearly all in place: 33 bits tell
 * millions of random ids apart. What still agrees there (UUIDv7 ids of one moment among UUIDv4
 * ones, or ids that somebody made alike) is sorted as a group of its own by the bits below, so
 * no choice of ids makes it slow: each level takes at least 16 of the 128 bits.
 */
#include "stream/id.h"

#include "base/rng.h"

#define SMALL 48u
#define LARGE 32768u
#define DIGIT_BITS_MAX 11u

void pt_id_key_init(struct pt_id_key *key, uint64_t seed)
{
    struct pt_rng rng;

    pt_rng_seed(&rng, seed);
    key->seed = seed;
    for (size_t i = 0; i < sizeof(key->word) / sizeof(key->word[0]); i++) {
        key->word[i] = pt_rng_next(&rng);
    }
}

static void sort_small(struct pt_id *ids, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct pt_id id = ids[i];
        size_t at = i;

        while (at > 0 && pt_id_less(id, ids[at - 1])) {
            ids[at] = ids[at - 1];
            at--;
        }
        ids[at] = id;
    }
}

static uint64_t half(struct pt_id id, bool is_lo)
{
    return is_lo ? id.lo : id.hi;
}

/* One stable pass by a digit. False: all have the same one, nothing was moved. */
static bool scatter(const struct pt_id *from, struct pt_id *to, size_t count, bool is_lo,
                    unsigned shift, unsigned bits)
{
    uint32_t starts[1u << DIGIT_BITS_MAX] = {0};
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    uint32_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        starts[half(from[i], is_lo) >> shift & mask]++;
    }
    if (starts[half(from[0], is_lo) >> shift & mask] == count) {
        return false;
    }
    for (size_t digit = 0; digit <= mask; digit++) {
        uint32_t here = starts[digit];

        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[starts[half(from[i], is_lo) >> shift & mask]++] = from[i];
    }
    return true;
}

void pt_ids_sort(struct pt_id *ids, struct pt_id *spare, size_t count)
{
    bool is_lo = false;
    uint64_t differs = 0;
    unsigned bits = count >= LARGE ? 11 : 8;
    unsigned passes = count >= LARGE ? 3 : 2;
    unsigned top = 0;
    unsigned shift = 0;
    struct pt_id *from = ids;
    struct pt_id *to = spare;

    if (count < SMALL) {
        sort_small(ids, count);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        differs |= ids[i].hi ^ ids[0].hi;
    }
    if (!differs) {
        is_lo = true;
        for (size_t i = 1; i < count; i++) {
            differs |= ids[i].lo ^ ids[0].lo;
        }
    }
    if (!differs) {
        return;
    }
    top = 64 - (unsigned)__builtin_clzll(differs);
    shift = top > bits * passes ? top - bits * passes : 0;
    for (unsigned pass = 0; pass < passes; pass++) {
        unsigned at = shift + pass * bits;

        if (at < 64 && scatter(from, to, count, is_lo, at, bits)) {
            struct pt_id *swap = from;

            from = to;
            to = swap;
        }
    }
    if (from != ids) {
        memcpy(ids, from, count * sizeof(*ids));
    }
    if (shift == 0 && is_lo) {
        return;
    }
    for (size_t start = 0; start < count;) {
        uint64_t digits = half(ids[start], is_lo) >> shift;
        size_t end = start + 1;

        while (end < count && half(ids[end], is_lo) >> shift == digits) {
            end++;
        }
        if (end - start > 1) {
            pt_ids_sort(ids + start, spare + start, end - start);
        }
        start = end;
    }
}
