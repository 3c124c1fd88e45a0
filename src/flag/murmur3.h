/*
 * murmur3.h - MurmurHash3 x86 32-bit, the hash of flagd's `fractional`
 *
 * Written from the algorithm that Austin Appleby published (SMHasher, public domain). The
 * same bytes and seed give the same hash on every machine. Not for secrets.
 */
#ifndef PT_FLAG_MURMUR3_H
#define PT_FLAG_MURMUR3_H

#include "base/span.h"

uint32_t pt_murmur3_32(struct pt_span data, uint32_t seed);

#endif
