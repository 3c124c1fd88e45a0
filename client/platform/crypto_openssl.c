/*
 * crypto_openssl.c - the default platform's cryptography: OpenSSL's
 */
#include "platform/posix.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define TAG_BYTES 16

static int seal(void *ctx, const uint8_t key[PLAYTRACE_KEY_BYTES], const uint8_t nonce[12],
                const void *plain, size_t bytes, void *out)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t *to = out;
    int used = 0;
    int rest = 0;
    bool is_done = false;

    (void)ctx;
    is_done = cipher && bytes <= INT_MAX &&
              EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_EncryptUpdate(cipher, to, &used, plain, (int)bytes) == 1 &&
              EVP_EncryptFinal_ex(cipher, to + used, &rest) == 1 &&
              EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, to + bytes) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return is_done ? 0 : -1;
}

static int unseal(void *ctx, const uint8_t key[PLAYTRACE_KEY_BYTES], const uint8_t nonce[12],
                  const void *sealed, size_t bytes, void *out)
{
    EVP_CIPHER_CTX *cipher = NULL;
    uint8_t tag[TAG_BYTES];
    uint8_t *to = out;
    int used = 0;
    int rest = 0;
    bool is_done = false;

    (void)ctx;
    if (bytes < TAG_BYTES || bytes > INT_MAX) {
        return -1;
    }
    bytes -= TAG_BYTES;
    memcpy(tag, (const uint8_t *)sealed + bytes, TAG_BYTES);
    cipher = EVP_CIPHER_CTX_new();
    is_done = cipher && EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_DecryptUpdate(cipher, to, &used, sealed, (int)bytes) == 1 &&
              EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
              EVP_DecryptFinal_ex(cipher, to + used, &rest) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return is_done ? 0 : -1;
}

static int hmac_sha256(void *ctx, const void *key, size_t key_bytes, const void *data, size_t bytes,
                       uint8_t out[32])
{
    unsigned out_bytes = 32;

    (void)ctx;
    return key_bytes <= INT_MAX &&
                   HMAC(EVP_sha256(), key, (int)key_bytes, data, bytes, out, &out_bytes) &&
                   out_bytes == 32
               ? 0
               : -1;
}

void pt_client_crypto_openssl_init(struct playtrace_platform *platform)
{
    platform->hmac_sha256 = hmac_sha256;
    platform->seal = seal;
    platform->unseal = unseal;
}
