/*
 * seal.h - records that only the holder of options.queue_key can read
 *
 * Only client/core includes this. A sealed payload is the mark, a nonce of 12 random bytes, the
 * event's text under AES-256-GCM, and the tag of 16 bytes. The nonce is random because a count
 * would start again after a kill; 2^32 records under one key are far beyond a game's life.
 */
#ifndef PT_CLIENT_SEAL_H
#define PT_CLIENT_SEAL_H

#include "playtrace.h"

#define PT_CLIENT_SEAL_MARK 0x01
#define PT_CLIENT_NONCE_BYTES 12
#define PT_CLIENT_TAG_BYTES 16
#define PT_CLIENT_SEAL_BYTES (1 + PT_CLIENT_NONCE_BYTES + PT_CLIENT_TAG_BYTES)

struct pt_client_sealer {
    const struct playtrace_platform *platform; /* borrowed */
    bool has_key;
    uint8_t key[PLAYTRACE_KEY_BYTES];
    uint8_t nonces[32 * PT_CLIENT_NONCE_BYTES]; /* one call for randomness gives 32 */
    size_t nonces_left;                         /* bytes */
};

/* `key` is copied; NULL: nothing is sealed, and what is sealed cannot be read. */
void pt_client_sealer_init(struct pt_client_sealer *sealer,
                           const struct playtrace_platform *platform, const uint8_t *key);

/* Write `bytes` + PT_CLIENT_SEAL_BYTES to `out`. False: no randomness, or the platform failed. */
bool pt_client_seal(struct pt_client_sealer *sealer, const void *plain, size_t bytes, void *out);

/*
 * Write the text in `sealed` to `out`, which may be `sealed` itself and has room for `bytes`.
 * False: no key, not this key, or changed.
 */
bool pt_client_unseal(struct pt_client_sealer *sealer, const void *sealed, size_t bytes, void *out,
                      size_t *plain_bytes_out);

#endif
