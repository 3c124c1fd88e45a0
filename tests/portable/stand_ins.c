/*
 * stand_ins.c - for 32 bits: what the default platform has of libraries that are not here
 *
 * The transport never answers: tests that reach libcurl are left out, the others bring one of
 * their own. Nothing is compressed. Cryptography is the client's own, as in a browser.
 */
#include "platform/aes_gcm.h"
#include "platform/posix.h"
#include "platform/sha256.h"
#include "playtrace.h"

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

void pt_client_crypto_openssl_init(struct playtrace_platform *platform)
{
    platform->hmac_sha256 = pt_client_hmac_sha256;
    platform->seal = pt_client_aes_gcm_seal;
    platform->unseal = pt_client_aes_gcm_unseal;
}

void pt_client_compress_zlib_init(struct playtrace_platform *platform)
{
    (void)platform;
}
