/*
 * aes_gcm.c - AES-256-GCM in plain C, for platforms without a library for it
 */
#include "platform/aes_gcm.h"

#include <string.h>

#define BLOCK_BYTES 16
#define ROUNDS 14

/* FIPS 197, 5.1.1. */
static const uint8_t substitutes[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

struct gcm {
    uint8_t round_keys[(ROUNDS + 1) * BLOCK_BYTES];
    uint64_t subkey[2]; /* H of SP 800-38D, high half first */
    uint64_t hash[2];
    uint8_t counter[BLOCK_BYTES];
};

static uint8_t twice(uint8_t byte)
{
    return (uint8_t)(byte << 1 ^ (byte >> 7) * 0x1b);
}

/* FIPS 197, 5.2, for eight words of key. */
static void expand_key(const uint8_t *key, uint8_t *round_keys)
{
    uint8_t round_constant = 1;

    memcpy(round_keys, key, PT_CLIENT_AES_KEY_BYTES);
    for (size_t at = PT_CLIENT_AES_KEY_BYTES; at < (ROUNDS + 1) * BLOCK_BYTES; at += 4) {
        uint8_t word[4];

        memcpy(word, round_keys + at - 4, 4);
        if (at % PT_CLIENT_AES_KEY_BYTES == 0) {
            uint8_t first = word[0];

            word[0] = (uint8_t)(substitutes[word[1]] ^ round_constant);
            word[1] = substitutes[word[2]];
            word[2] = substitutes[word[3]];
            word[3] = substitutes[first];
            round_constant = twice(round_constant);
        } else if (at % PT_CLIENT_AES_KEY_BYTES == 16) {
            for (size_t i = 0; i < 4; i++) {
                word[i] = substitutes[word[i]];
            }
        }
        for (size_t i = 0; i < 4; i++) {
            round_keys[at + i] = (uint8_t)(round_keys[at + i - PT_CLIENT_AES_KEY_BYTES] ^ word[i]);
        }
    }
}

static void add_round_key(uint8_t *state, const uint8_t *round_key)
{
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        state[i] ^= round_key[i];
    }
}

/* FIPS 197, 5.1; the state is column after column. */
static void encrypt_block(const uint8_t *round_keys, const uint8_t in[BLOCK_BYTES],
                          uint8_t out[BLOCK_BYTES])
{
    uint8_t state[BLOCK_BYTES];

    memcpy(state, in, BLOCK_BYTES);
    add_round_key(state, round_keys);
    for (size_t round = 1; round <= ROUNDS; round++) {
        uint8_t next[BLOCK_BYTES];

        for (size_t i = 0; i < BLOCK_BYTES; i++) {
            next[i] = substitutes[state[(i + 4 * (i % 4)) % BLOCK_BYTES]]; /* rows are shifted */
        }
        for (size_t column = 0; column < BLOCK_BYTES && round < ROUNDS; column += 4) {
            uint8_t *c = next + column;
            uint8_t all = (uint8_t)(c[0] ^ c[1] ^ c[2] ^ c[3]);
            uint8_t first = c[0];

            for (size_t i = 0; i < 4; i++) {
                uint8_t after = i < 3 ? c[i + 1] : first;

                c[i] = (uint8_t)(c[i] ^ all ^ twice((uint8_t)(c[i] ^ after)));
            }
        }
        memcpy(state, next, BLOCK_BYTES);
        add_round_key(state, round_keys + round * BLOCK_BYTES);
    }
    memcpy(out, state, BLOCK_BYTES);
}

static uint64_t get_big(const uint8_t *at)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static void put_big(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

/* SP 800-38D, 6.3: hash = (hash ^ block) * subkey, bit by bit and without a branch on them. */
static void hash_block(struct gcm *gcm, const uint8_t block[BLOCK_BYTES])
{
    uint64_t x[2] = {gcm->hash[0] ^ get_big(block), gcm->hash[1] ^ get_big(block + 8)};
    uint64_t v[2] = {gcm->subkey[0], gcm->subkey[1]};
    uint64_t z[2] = {0, 0};

    for (unsigned bit = 0; bit < 128; bit++) {
        uint64_t is_set = 0 - (x[bit / 64] >> (63 - bit % 64) & 1);
        uint64_t is_carried = 0 - (v[1] & 1);

        z[0] ^= v[0] & is_set;
        z[1] ^= v[1] & is_set;
        v[1] = v[1] >> 1 | v[0] << 63;
        v[0] = v[0] >> 1 ^ (is_carried & UINT64_C(0xe100000000000000));
    }
    memcpy(gcm->hash, z, sizeof(z));
}

static void hash_text(struct gcm *gcm, const uint8_t *text, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BLOCK_BYTES) {
        uint8_t block[BLOCK_BYTES] = {0};
        size_t part = bytes - at < BLOCK_BYTES ? bytes - at : BLOCK_BYTES;

        memcpy(block, text + at, part);
        hash_block(gcm, block);
    }
}

static void start(struct gcm *gcm, const uint8_t *key, const uint8_t *nonce)
{
    uint8_t block[BLOCK_BYTES] = {0};

    memset(gcm, 0, sizeof(*gcm));
    expand_key(key, gcm->round_keys);
    encrypt_block(gcm->round_keys, block, block);
    gcm->subkey[0] = get_big(block);
    gcm->subkey[1] = get_big(block + 8);
    memcpy(gcm->counter, nonce, PT_CLIENT_GCM_NONCE_BYTES);
    gcm->counter[BLOCK_BYTES - 1] = 1;
}

/* Both directions; `to` may be `from`. The counter's last four bytes never wrap here. */
static void mix(struct gcm *gcm, const uint8_t *from, size_t bytes, uint8_t *to)
{
    uint8_t counter[BLOCK_BYTES];
    uint8_t stream[BLOCK_BYTES];

    memcpy(counter, gcm->counter, BLOCK_BYTES);
    for (size_t i = 0; i < bytes; i++) {
        if (i % BLOCK_BYTES == 0) {
            for (size_t digit = BLOCK_BYTES - 1;
                 digit >= PT_CLIENT_GCM_NONCE_BYTES && ++counter[digit] == 0; digit--) {
            }
            encrypt_block(gcm->round_keys, counter, stream);
        }
        to[i] = (uint8_t)(from[i] ^ stream[i % BLOCK_BYTES]);
    }
}

static void make_tag(struct gcm *gcm, const uint8_t *sealed, size_t bytes, uint8_t *tag)
{
    uint8_t lengths[BLOCK_BYTES] = {0};

    hash_text(gcm, sealed, bytes);
    put_big(lengths + 8, (uint64_t)bytes * 8);
    hash_block(gcm, lengths);
    encrypt_block(gcm->round_keys, gcm->counter, tag);
    put_big(tag, get_big(tag) ^ gcm->hash[0]);
    put_big(tag + 8, get_big(tag + 8) ^ gcm->hash[1]);
}

int pt_client_aes_gcm_seal(void *ctx, const uint8_t key[PT_CLIENT_AES_KEY_BYTES],
                           const uint8_t nonce[PT_CLIENT_GCM_NONCE_BYTES], const void *plain,
                           size_t bytes, void *out)
{
    struct gcm gcm;

    (void)ctx;
    start(&gcm, key, nonce);
    mix(&gcm, plain, bytes, out);
    make_tag(&gcm, out, bytes, (uint8_t *)out + bytes);
    return 0;
}

int pt_client_aes_gcm_unseal(void *ctx, const uint8_t key[PT_CLIENT_AES_KEY_BYTES],
                             const uint8_t nonce[PT_CLIENT_GCM_NONCE_BYTES], const void *sealed,
                             size_t bytes, void *out)
{
    struct gcm gcm;
    uint8_t tag[PT_CLIENT_GCM_TAG_BYTES];
    uint8_t differs = 0;

    (void)ctx;
    if (bytes < PT_CLIENT_GCM_TAG_BYTES) {
        return -1;
    }
    bytes -= PT_CLIENT_GCM_TAG_BYTES;
    start(&gcm, key, nonce);
    make_tag(&gcm, sealed, bytes, tag);
    for (size_t i = 0; i < sizeof(tag); i++) {
        differs |= (uint8_t)(tag[i] ^ ((const uint8_t *)sealed)[bytes + i]);
    }
    if (differs) {
        return -1;
    }
    mix(&gcm, sealed, bytes, out);
    return 0;
}
