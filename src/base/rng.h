/*
 * rng.h - randomness: the system's, and a seeded one for tests and simulations
 *
 * The seeded generator is xoshiro256** (Blackman and Vigna 2018), seeded through
 * splitmix64; the same seed gives the same numbers on every machine. Not for secrets.
 */
#ifndef PT_BASE_RNG_H
#define PT_BASE_RNG_H

#include "base/error.h"

#include <stdint.h>

/* Fill with bytes from the operating system; fit for keys. */
enum pt_code pt_random_bytes(void *data, size_t bytes, struct pt_error *err) PT_MUST_USE;

struct pt_rng {
    uint64_t state[4];
};

void pt_rng_seed(struct pt_rng *rng, uint64_t seed);
uint64_t pt_rng_next(struct pt_rng *rng);
uint64_t pt_rng_below(struct pt_rng *rng, uint64_t bound); /* 0..bound-1, unbiased; bound > 0 */
double pt_rng_unit(struct pt_rng *rng);                    /* [0, 1) */

#endif
