/*
 * aes_gcm.h - AES-256-GCM in plain C, for platforms without a library for it
 *
 * FIPS 197 and NIST SP 800-38D, nonces of 12 bytes, no additional data. The default platform has
 * OpenSSL's; the web has this, because the browser's own answers later, by a promise. The S-box is
 * a table, so a process on the same processor core could learn of the key from the cache's times:
 * it keeps a save directory from being read, not a secret from its own machine.
 */
#ifndef PT_CLIENT_AES_GCM_H
#define PT_CLIENT_AES_GCM_H

#include <stddef.h>
#include <stdint.h>

#define PT_CLIENT_AES_KEY_BYTES 32
#define PT_CLIENT_GCM_NONCE_BYTES 12
#define PT_CLIENT_GCM_TAG_BYTES 16

/* As struct playtrace_platform has them; `ctx` is not looked at. */
int pt_client_aes_gcm_seal(void *ctx, const uint8_t key[PT_CLIENT_AES_KEY_BYTES],
                           const uint8_t nonce[PT_CLIENT_GCM_NONCE_BYTES], const void *plain,
                           size_t bytes, void *out);
int pt_client_aes_gcm_unseal(void *ctx, const uint8_t key[PT_CLIENT_AES_KEY_BYTES],
                             const uint8_t nonce[PT_CLIENT_GCM_NONCE_BYTES], const void *sealed,
                             size_t bytes, void *out);

#endif
