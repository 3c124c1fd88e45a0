/*
 * engine.c - the POSIX table for engines that own the network: no libcurl, OpenSSL or zlib
 *
 * Stands in for http_curl.c, crypto_openssl.c and compress_zlib.c, so that the library needs the C
 * library alone and loads on every machine that the engine runs on. HTTP is the engine's: it sets
 * http_create and http_start; without them every request fails and events wait on disk. Signatures
 * and sealed queues are the plain C ones, batches go out unpacked unless the engine packs.
 */
#include "platform/aes_gcm.h"
#include "platform/posix.h"
#include "platform/sha256.h"

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
