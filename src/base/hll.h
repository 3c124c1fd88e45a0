/*
 * hll.h - how many different values there were, from a few kilobytes
 *
 * HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) over 64-bit hashes: 2^bits registers of a
 * byte, standard error 1.04 / sqrt(2^bits): 3.25 % at 10 bits, 1.63 % at 12. Read by the estimator
 * of Ertl 2017 ("New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6),
 * which needs no correction by range. Two sketches are united by the greater of each register. The
 * registers are the caller's, zero at first; whether they are shared is the caller's business.
 */
#ifndef PT_BASE_HLL_H
#define PT_BASE_HLL_H

#include <stdint.h>

#define PT_HLL_BITS_MAX 16

/* The register that `hash` belongs to, and the rank that it should have at least. */
static inline uint32_t pt_hll_place(uint64_t hash, unsigned bits, uint8_t *rank_out)
{
    uint64_t rest = hash << bits | (UINT64_C(1) << (bits - 1));

    *rank_out = (uint8_t)(__builtin_clzll(rest) + 1);
    return (uint32_t)(hash >> (64 - bits));
}

static inline void pt_hll_add(uint8_t *registers, unsigned bits, uint64_t hash)
{
    uint8_t rank = 0;
    uint32_t at = pt_hll_place(hash, bits, &rank);

    if (registers[at] < rank) {
        registers[at] = rank;
    }
}

/* Into `registers` what either holds. */
void pt_hll_unite(uint8_t *registers, const uint8_t *other, unsigned bits);

double pt_hll_estimate(const uint8_t *registers, unsigned bits);

#endif
