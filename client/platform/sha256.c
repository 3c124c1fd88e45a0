/*
 * sha256.c - SHA-256 and HMAC-SHA256 in plain C, for platforms without a library for them
 */
#include "platform/sha256.h"

#include <string.h>

#define BLOCK_BYTES 64

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractions of the cube roots of the first 64 primes.
 */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static uint32_t get_big(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_big(uint8_t *at, uint32_t word)
{
    at[0] = (uint8_t)(word >> 24);
    at[1] = (uint8_t)(word >> 16);
    at[2] = (uint8_t)(word >> 8);
    at[3] = (uint8_t)word;
}

/* FIPS 180-4, 6.2.2; the letters are the standard's. */
static void take_block(uint32_t state[8], const uint8_t block[BLOCK_BYTES])
{
    uint32_t schedule[64];
    uint32_t v[8];

    for (size_t t = 0; t < 16; t++) {
        schedule[t] = get_big(block + t * 4);
    }
    for (size_t t = 16; t < 64; t++) {
        uint32_t w2 = schedule[t - 2];
        uint32_t w15 = schedule[t - 15];

        schedule[t] = (rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10) + schedule[t - 7] +
                      (rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3) + schedule[t - 16];
    }
    memcpy(v, state, sizeof(v));
    for (size_t t = 0; t < 64; t++) {
        uint32_t e = v[4];
        uint32_t a = v[0];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + round_constants[t] + schedule[t];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

void pt_client_sha256_init(struct pt_client_sha256 *hash)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(hash->state, start, sizeof(start));
    hash->bytes = 0;
}

void pt_client_sha256_add(struct pt_client_sha256 *hash, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    size_t used = (size_t)(hash->bytes % BLOCK_BYTES);

    hash->bytes += bytes;
    while (bytes > 0) {
        size_t part = BLOCK_BYTES - used;

        if (part > bytes) {
            part = bytes;
        }
        memcpy(hash->block + used, from, part);
        from += part;
        bytes -= part;
        used += part;
        if (used == BLOCK_BYTES) {
            take_block(hash->state, hash->block);
            used = 0;
        }
    }
}

void pt_client_sha256_end(struct pt_client_sha256 *hash, uint8_t out[PT_CLIENT_SHA256_BYTES])
{
    static const uint8_t padding[BLOCK_BYTES] = {0x80};
    uint64_t bits = hash->bytes * 8;
    size_t used = (size_t)(hash->bytes % BLOCK_BYTES);
    uint8_t length[8];

    put_big(length, (uint32_t)(bits >> 32));
    put_big(length + 4, (uint32_t)bits);
    pt_client_sha256_add(hash, padding, used < 56 ? 56 - used : 120 - used);
    pt_client_sha256_add(hash, length, sizeof(length));
    for (size_t i = 0; i < 8; i++) {
        put_big(out + i * 4, hash->state[i]);
    }
}

int pt_client_hmac_sha256(void *ctx, const void *key, size_t key_bytes, const void *data,
                          size_t bytes, uint8_t out[PT_CLIENT_SHA256_BYTES])
{
    struct pt_client_sha256 hash;
    uint8_t block[BLOCK_BYTES] = {0};

    (void)ctx;
    if (key_bytes > BLOCK_BYTES) {
        pt_client_sha256_init(&hash);
        pt_client_sha256_add(&hash, key, key_bytes);
        pt_client_sha256_end(&hash, block);
    } else if (key_bytes > 0) {
        memcpy(block, key, key_bytes);
    }
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36;
    }
    pt_client_sha256_init(&hash);
    pt_client_sha256_add(&hash, block, BLOCK_BYTES);
    pt_client_sha256_add(&hash, data, bytes);
    pt_client_sha256_end(&hash, out);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    pt_client_sha256_init(&hash);
    pt_client_sha256_add(&hash, block, BLOCK_BYTES);
    pt_client_sha256_add(&hash, out, PT_CLIENT_SHA256_BYTES);
    pt_client_sha256_end(&hash, out);
    return 0;
}
