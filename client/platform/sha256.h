/*
 * sha256.h - SHA-256 and HMAC-SHA256 in plain C, for platforms without a library for them
 *
 * FIPS 180-4 and RFC 2104. No table depends on the key, no branch on data. The default platform
 * has OpenSSL's; the web has this, because the browser's own answers later, by a promise.
 */
#ifndef PT_CLIENT_SHA256_H
#define PT_CLIENT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define PT_CLIENT_SHA256_BYTES 32

struct pt_client_sha256 {
    uint32_t state[8];
    uint64_t bytes; /* taken so far */
    uint8_t block[64];
};

void pt_client_sha256_init(struct pt_client_sha256 *hash);
void pt_client_sha256_add(struct pt_client_sha256 *hash, const void *data, size_t bytes);
/* `hash` is to be initialised again before it takes more. */
void pt_client_sha256_end(struct pt_client_sha256 *hash, uint8_t out[PT_CLIENT_SHA256_BYTES]);

/* As struct playtrace_platform has it; `ctx` is not looked at. Always 0. */
int pt_client_hmac_sha256(void *ctx, const void *key, size_t key_bytes, const void *data,
                          size_t bytes, uint8_t out[PT_CLIENT_SHA256_BYTES]);

#endif
