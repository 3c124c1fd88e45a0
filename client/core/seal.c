/*
 * seal.c - records that only the holder of options.queue_key can read
 */
#include "core/seal.h"

#include <string.h>

void pt_client_sealer_init(struct pt_client_sealer *sealer,
                           const struct playtrace_platform *platform, const uint8_t *key)
{
    memset(sealer, 0, sizeof(*sealer));
    sealer->platform = platform;
    if (key) {
        sealer->has_key = true;
        memcpy(sealer->key, key, sizeof(sealer->key));
    }
}

static bool next_nonce(struct pt_client_sealer *sealer, uint8_t *nonce_out)
{
    const struct playtrace_platform *platform = sealer->platform;

    if (sealer->nonces_left == 0) {
        if (platform->random(platform->clock_ctx, sealer->nonces, sizeof(sealer->nonces)) != 0) {
            return false;
        }
        sealer->nonces_left = sizeof(sealer->nonces);
    }
    sealer->nonces_left -= PT_CLIENT_NONCE_BYTES;
    memcpy(nonce_out, sealer->nonces + sealer->nonces_left, PT_CLIENT_NONCE_BYTES);
    return true;
}

bool pt_client_seal(struct pt_client_sealer *sealer, const void *plain, size_t bytes, void *out)
{
    const struct playtrace_platform *platform = sealer->platform;
    uint8_t *to = out;

    if (!next_nonce(sealer, to + 1)) {
        return false;
    }
    to[0] = PT_CLIENT_SEAL_MARK;
    return platform->seal(platform->crypto_ctx, sealer->key, to + 1, plain, bytes,
                          to + 1 + PT_CLIENT_NONCE_BYTES) == 0;
}

bool pt_client_unseal(struct pt_client_sealer *sealer, const void *sealed, size_t bytes, void *out,
                      size_t *plain_bytes_out)
{
    const struct playtrace_platform *platform = sealer->platform;
    const uint8_t *from = sealed;
    uint8_t nonce[PT_CLIENT_NONCE_BYTES];

    if (!sealer->has_key || bytes <= PT_CLIENT_SEAL_BYTES) {
        return false;
    }
    memcpy(nonce, from + 1, sizeof(nonce));
    bytes -= 1 + sizeof(nonce);
    memmove(out, from + 1 + sizeof(nonce), bytes);
    *plain_bytes_out = bytes - PT_CLIENT_TAG_BYTES;
    return platform->unseal(platform->crypto_ctx, sealer->key, nonce, out, bytes, out) == 0;
}
