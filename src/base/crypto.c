/*
 * crypto.c - SHA-256 and HMAC-SHA256 (OpenSSL), and checksums (xxHash)
 *
 * Setting a key up costs more than the digest of a short text (measured: HMAC() 0.5 M/s,
 * a context that keeps its key 3 M/s and more), so a pt_hmac holds the two SHA-256 states
 * behind the inner and outer pad (RFC 2104) and copies them for each message.
 */
#include "base/crypto.h"

#include "base/mem.h"

#define XXH_INLINE_ALL
/* SHA256_* are marked deprecated in OpenSSL 3 in favour of EVP, which allocates a context. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <xxhash.h>

#define BLOCK_BYTES 64

struct pt_hmac {
    SHA256_CTX inner;
    SHA256_CTX outer;
};

void pt_sha256(struct pt_span data, uint8_t digest_out[PT_SHA256_BYTES])
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, data.data, data.size);
    SHA256_Final(digest_out, &ctx);
}

struct pt_hmac *pt_hmac_create(struct pt_span key)
{
    struct pt_hmac *hmac = pt_alloc_zero(sizeof(*hmac));
    uint8_t block[BLOCK_BYTES] = {0};

    if (!hmac) {
        return NULL;
    }
    if (key.size > BLOCK_BYTES) {
        pt_sha256(key, block);
    } else if (key.size) {
        memcpy(block, key.data, key.size);
    }
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36;
    }
    SHA256_Init(&hmac->inner);
    SHA256_Update(&hmac->inner, block, BLOCK_BYTES);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    SHA256_Init(&hmac->outer);
    SHA256_Update(&hmac->outer, block, BLOCK_BYTES);
    OPENSSL_cleanse(block, sizeof(block));
    return hmac;
}

void pt_hmac_destroy(struct pt_hmac *hmac)
{
    if (hmac) {
        OPENSSL_cleanse(hmac, sizeof(*hmac));
        pt_free(hmac);
    }
}

void pt_hmac_sha256_parts(const struct pt_hmac *hmac, const struct pt_span *parts, size_t count,
                          uint8_t digest_out[PT_SHA256_BYTES])
{
    SHA256_CTX ctx = hmac->inner;
    uint8_t inner[PT_SHA256_BYTES];

    for (size_t i = 0; i < count; i++) {
        SHA256_Update(&ctx, parts[i].data, parts[i].size);
    }
    SHA256_Final(inner, &ctx);
    ctx = hmac->outer;
    SHA256_Update(&ctx, inner, sizeof(inner));
    SHA256_Final(digest_out, &ctx);
}

void pt_hmac_sha256(const struct pt_hmac *hmac, struct pt_span data,
                    uint8_t digest_out[PT_SHA256_BYTES])
{
    pt_hmac_sha256_parts(hmac, &data, 1, digest_out);
}

bool pt_equal_constant_time(struct pt_span a, struct pt_span b)
{
    return a.size == b.size && CRYPTO_memcmp(a.data, b.data, a.size) == 0;
}

uint64_t pt_checksum64(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

uint64_t pt_checksum64_pair(const void *first, size_t first_bytes, const void *second,
                            size_t second_bytes)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, first, first_bytes);
    XXH3_64bits_update(&state, second, second_bytes);
    return XXH3_64bits_digest(&state);
}

struct pt_checksum {
    XXH3_state_t *state; /* owned by xxHash's allocator: it needs 64-byte alignment */
};

struct pt_checksum *pt_checksum_create(void)
{
    struct pt_checksum *sum = pt_alloc(sizeof(*sum));

    if (sum) {
        sum->state = XXH3_createState();
        if (!sum->state) {
            pt_free(sum);
            return NULL;
        }
        XXH3_64bits_reset(sum->state);
    }
    return sum;
}

void pt_checksum_destroy(struct pt_checksum *sum)
{
    if (sum) {
        XXH3_freeState(sum->state);
        pt_free(sum);
    }
}

void pt_checksum_add(struct pt_checksum *sum, const void *data, size_t bytes)
{
    XXH3_64bits_update(sum->state, data, bytes);
}

uint64_t pt_checksum_value(const struct pt_checksum *sum)
{
    return XXH3_64bits_digest(sum->state);
}

void pt_hex_encode(const void *data, size_t bytes, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = data;

    for (size_t i = 0; i < bytes; i++) {
        text[2 * i] = digits[at[i] >> 4];
        text[2 * i + 1] = digits[at[i] & 15];
    }
    text[2 * bytes] = '\0';
}

bool pt_percent_decode(struct pt_span text, bool is_form, uint8_t *out, size_t room,
                       size_t *size_out)
{
    size_t size = 0;
    size_t at = 0;
    bool is_sound = true;

    while (at < text.size && size < room) {
        uint8_t byte = text.data[at++];

        if (byte == '%') {
            int high = at + 1 < text.size ? pt_hex_digit(text.data[at]) : -1;
            int low = at + 1 < text.size ? pt_hex_digit(text.data[at + 1]) : -1;

            if (high >= 0 && low >= 0) {
                byte = (uint8_t)(high << 4 | low);
                at += 2;
            } else {
                is_sound = false;
            }
        } else if (byte == '+' && is_form) {
            byte = ' ';
        }
        out[size++] = byte;
    }
    *size_out = size;
    return is_sound && at == text.size;
}
