/*
 * stand_ins.c - for 32 bits: what the default platform has of libraries that are not here
 *
 * The transport never answers: tests that reach libcurl are left out, the others bring one of
 * their own. Sealing is a keystream of HMACs with an HMAC as its tag, so that a wrong key, a wrong
 * nonce and a changed byte are noticed as AES-GCM notices them. It is for tests alone.
 */
#include "platform/posix.h"
#include "platform/sha256.h"
#include "playtrace.h"

#include <string.h>

#define TAG_BYTES 16
#define NONCE_BYTES 12

void *playtrace_http_curl_create(void *unused)
{
    (void)unused;
    return NULL;
}

void playtrace_http_curl_destroy(void *transport)
{
    (void)transport;
}

void playtrace_http_curl_post(void *transport, const struct playtrace_http_request *request,
                              struct playtrace_http_response *response)
{
    (void)transport;
    (void)request;
    response->status = 0;
}

static void mix(const uint8_t *key, const uint8_t *nonce, const uint8_t *from, size_t bytes,
                uint8_t *to)
{
    uint8_t stream[PT_CLIENT_SHA256_BYTES];
    uint8_t place[NONCE_BYTES + 4];

    memcpy(place, nonce, NONCE_BYTES);
    for (size_t i = 0; i < bytes; i++) {
        if (i % sizeof(stream) == 0) {
            uint32_t number = (uint32_t)(i / sizeof(stream));

            memcpy(place + NONCE_BYTES, &number, sizeof(number));
            (void)pt_client_hmac_sha256(NULL, key, PLAYTRACE_KEY_BYTES, place, sizeof(place),
                                        stream);
        }
        to[i] = (uint8_t)(from[i] ^ stream[i % sizeof(stream)]);
    }
}

static void make_tag(const uint8_t *key, const uint8_t *nonce, const uint8_t *sealed, size_t bytes,
                     uint8_t tag[PT_CLIENT_SHA256_BYTES])
{
    uint8_t both[NONCE_BYTES + PT_CLIENT_SHA256_BYTES];

    memcpy(both, nonce, NONCE_BYTES);
    (void)pt_client_hmac_sha256(NULL, key, PLAYTRACE_KEY_BYTES, sealed, bytes, both + NONCE_BYTES);
    (void)pt_client_hmac_sha256(NULL, key, PLAYTRACE_KEY_BYTES, both, sizeof(both), tag);
}

static int seal(void *ctx, const uint8_t key[PLAYTRACE_KEY_BYTES], const uint8_t nonce[NONCE_BYTES],
                const void *plain, size_t bytes, void *out)
{
    uint8_t tag[PT_CLIENT_SHA256_BYTES];

    (void)ctx;
    mix(key, nonce, plain, bytes, out);
    make_tag(key, nonce, out, bytes, tag);
    memcpy((uint8_t *)out + bytes, tag, TAG_BYTES);
    return 0;
}

static int unseal(void *ctx, const uint8_t key[PLAYTRACE_KEY_BYTES],
                  const uint8_t nonce[NONCE_BYTES], const void *sealed, size_t bytes, void *out)
{
    uint8_t tag[PT_CLIENT_SHA256_BYTES];

    (void)ctx;
    if (bytes < TAG_BYTES) {
        return -1;
    }
    make_tag(key, nonce, sealed, bytes - TAG_BYTES, tag);
    if (memcmp((const uint8_t *)sealed + bytes - TAG_BYTES, tag, TAG_BYTES) != 0) {
        return -1;
    }
    mix(key, nonce, sealed, bytes - TAG_BYTES, out);
    return 0;
}

void pt_client_crypto_openssl_init(struct playtrace_platform *platform)
{
    platform->seal = seal;
    platform->unseal = unseal;
    platform->hmac_sha256 = pt_client_hmac_sha256;
}

/* Nothing: batches go out as they are. */
void pt_client_compress_zlib_init(struct playtrace_platform *platform)
{
    (void)platform;
}
