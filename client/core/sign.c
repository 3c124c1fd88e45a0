/*
 * sign.c - X-Playtrace-Signature: t=UNIX,v1=HEX
 */
#include "core/sign.h"

#include "core/client.h"
#include "core/retry.h"

#include <stdio.h>
#include <string.h>

/* A clock is wrong when it is off by more than this: a tenth of the server's default window. */
#define CLOCK_ERROR_US_MAX INT64_C(30000000)
#define DIGEST_BYTES 32

static int64_t server_now_us(struct playtrace *p)
{
    return p->platform.wall_us(p->platform.clock_ctx) + p->server_ahead_us;
}

bool pt_client_sign(struct playtrace *p, char *body, size_t bytes,
                    char header_out[PT_CLIENT_SIGNATURE_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    int64_t now_us = server_now_us(p);
    char time[PT_CLIENT_SIGN_ROOM_BYTES];
    int time_bytes =
        snprintf(time, sizeof(time), "%lld.", (long long)(now_us > 0 ? now_us / 1000000 : 0));
    char *from = body - time_bytes;
    uint8_t digest[DIGEST_BYTES];
    int used = 0;

    memcpy(from, time, (size_t)time_bytes);
    if (p->platform.hmac_sha256(p->platform.crypto_ctx, p->signing_secret,
                                strlen(p->signing_secret), from, bytes + (size_t)time_bytes,
                                digest) != 0) {
        return false;
    }
    used = snprintf(header_out, PT_CLIENT_SIGNATURE_BYTES,
                    "X-Playtrace-Signature: t=%.*s,v1=", time_bytes - 1, time);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        header_out[used++] = hex[digest[i] >> 4];
        header_out[used++] = hex[digest[i] & 15];
    }
    header_out[used] = '\0';
    return true;
}

bool pt_client_sign_learn(struct playtrace *p, const char *date)
{
    int64_t date_us = 0;
    int64_t error_us = 0;

    if (p->has_learned_time || !pt_client_http_date_us(date, &date_us)) {
        return false;
    }
    error_us = date_us - server_now_us(p);
    if (error_us <= CLOCK_ERROR_US_MAX && error_us >= -CLOCK_ERROR_US_MAX) {
        return false;
    }
    p->server_ahead_us += error_us;
    p->has_learned_time = true; /* once before each wait: a server may say anything */
    return true;
}
