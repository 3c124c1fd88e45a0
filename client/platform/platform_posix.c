/*
 * platform_posix.c - the default platform table: clock, randomness, memory
 */
#include "platform/posix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_us(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t wall_us(void *ctx)
{
    (void)ctx;
    return clock_us(CLOCK_REALTIME);
}

static int64_t mono_us(void *ctx)
{
    (void)ctx;
#ifdef CLOCK_BOOTTIME
    return clock_us(CLOCK_BOOTTIME); /* Linux's CLOCK_MONOTONIC stands still while it sleeps */
#else
    return clock_us(CLOCK_MONOTONIC);
#endif
}

static int random_bytes(void *ctx, void *buffer, size_t bytes)
{
    char *to = buffer;

    (void)ctx;
    while (bytes > 0) {
        ssize_t got = getrandom(to, bytes, 0);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return -1;
        }
        to += got;
        bytes -= (size_t)got;
    }
    return 0;
}

static void sleep_ms(void *ctx, uint32_t ms)
{
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    (void)ctx;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void *alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void release(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

void playtrace_platform_posix_init(struct playtrace_platform *platform)
{
    memset(platform, 0, sizeof(*platform));
    platform->wall_us = wall_us;
    platform->mono_us = mono_us;
    platform->random = random_bytes;
    platform->sleep_ms = sleep_ms;
    platform->alloc = alloc;
    platform->release = release;
    pt_client_files_posix_init(platform);
    pt_client_threads_posix_init(platform);
    pt_client_crypto_openssl_init(platform);
    pt_client_compress_zlib_init(platform);
    platform->http_create = playtrace_http_curl_create;
    platform->http_destroy = playtrace_http_curl_destroy;
    platform->http_post = playtrace_http_curl_post;
}
