/*
 * crypto.h - SHA-256 and HMAC-SHA256 (OpenSSL), checksums (xxHash), hexadecimal digits
 */
#ifndef PT_BASE_CRYPTO_H
#define PT_BASE_CRYPTO_H

#include "base/error.h"
#include "base/span.h"

#define PT_SHA256_BYTES 32

void pt_sha256(struct pt_span data, uint8_t digest_out[PT_SHA256_BYTES]);

/* A keyed context: the key is set up once. Never changed by use, so any thread may use it. */
struct pt_hmac;
struct pt_hmac *pt_hmac_create(struct pt_span key) PT_MUST_USE; /* NULL without memory */
void pt_hmac_destroy(struct pt_hmac *hmac);
void pt_hmac_sha256(const struct pt_hmac *hmac, struct pt_span data,
                    uint8_t digest_out[PT_SHA256_BYTES]);

/* The same over `count` pieces as if they were one. */
void pt_hmac_sha256_parts(const struct pt_hmac *hmac, const struct pt_span *parts, size_t count,
                          uint8_t digest_out[PT_SHA256_BYTES]);

/* Equal, in time that depends on the size alone. */
bool pt_equal_constant_time(struct pt_span a, struct pt_span b);

uint64_t pt_checksum64(const void *data, size_t bytes); /* XXH3-64, seed 0 */
/* The same over two pieces as if they were one. */
uint64_t pt_checksum64_pair(const void *first, size_t first_bytes, const void *second,
                            size_t second_bytes);

/* The same over bytes that come piece by piece. */
struct pt_checksum;
struct pt_checksum *pt_checksum_create(void) PT_MUST_USE; /* NULL without memory */
void pt_checksum_destroy(struct pt_checksum *sum);
void pt_checksum_add(struct pt_checksum *sum, const void *data, size_t bytes);
uint64_t pt_checksum_value(const struct pt_checksum *sum);

/* Lower-case hex with a final NUL: `text` has room for 2 * bytes + 1. */
void pt_hex_encode(const void *data, size_t bytes, char *text);

/* What a hexadecimal digit of either case stands for; -1 for any other byte. */
static inline int pt_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * "%2F" becomes "/", and in a form's value (`is_form`) "+" a space. A percent sign that is no
 * escape stands for itself. At most `room` bytes go to `out`: text.size are enough. False: there
 * was such a percent sign, or not room for all; *size_out is right nevertheless.
 */
bool pt_percent_decode(struct pt_span text, bool is_form, uint8_t *out, size_t room,
                       size_t *size_out);

#endif
