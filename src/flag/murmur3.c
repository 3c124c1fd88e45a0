/*
 * murmur3.c - MurmurHash3 x86 32-bit
 */
#include "flag/murmur3.h"

static uint32_t rotate_left(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static uint32_t scramble(uint32_t block)
{
    return rotate_left(block * 0xcc9e2d51u, 15) * 0x1b873593u;
}

uint32_t pt_murmur3_32(struct pt_span data, uint32_t seed)
{
    size_t whole = data.size - data.size % 4;
    uint32_t hash = seed;
    uint32_t tail = 0;

    for (size_t i = 0; i < whole; i += 4) {
        const uint8_t *b = data.data + i;
        uint32_t block =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;

        hash = rotate_left(hash ^ scramble(block), 13) * 5 + 0xe6546b64u;
    }
    for (size_t i = data.size; i > whole; i--) {
        tail = tail << 8 | data.data[i - 1];
    }
    /* A tail of 0 scrambles to 0, so whole blocks need no case of their own. */
    hash ^= scramble(tail);
    hash ^= (uint32_t)data.size;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}
