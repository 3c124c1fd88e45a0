/*
 * sdk_driver.c - a game in a hundred lines: tracks so many events, delivers them, says how it went
 *
 *     sdk_driver url=URL dir=QUEUE_DIR [events=N] [manner=worker|pump|async] [secret=…] [key=…]
 *                [clock_s=N] [limit_s=N] [request_ms=N]
 *
 * Each event is a "tick" with {"n":0 .. N-1}. Waits and limits are short, because the server it
 * talks to misbehaves on purpose. `clock_s` is how far its clock is ahead of the machine's. Prints
 * the client's statistics as one JSON object; exits 0 when everything was delivered in time.
 */
#include "playtrace.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- libcurl behind http_start: what an engine's own transport looks like ---- */

struct async {
    void *curl;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    bool is_done;
    bool is_cancelled;
    struct playtrace_http_request request; /* a copy: should_stop is ours */
    struct playtrace_http_response *response;
};

static bool is_cancelled(void *ctx)
{
    struct async *async = ctx;
    bool is_over = false;

    (void)pthread_mutex_lock(&async->lock);
    is_over = async->is_cancelled;
    (void)pthread_mutex_unlock(&async->lock);
    return is_over;
}

static void *async_run(void *arg)
{
    struct async *async = arg;

    playtrace_http_curl_post(async->curl, &async->request, async->response);
    (void)pthread_mutex_lock(&async->lock);
    async->is_done = true;
    (void)pthread_mutex_unlock(&async->lock);
    return NULL;
}

static int async_start(void *http, const struct playtrace_http_request *request,
                       struct playtrace_http_response *response)
{
    struct async *async = http;

    async->request = *request;
    async->request.should_stop = is_cancelled;
    async->request.stop_ctx = async;
    async->response = response;
    async->is_done = false;
    async->is_cancelled = false;
    return pthread_create(&async->thread, NULL, async_run, async) == 0 ? 0 : -1;
}

static bool async_is_done(void *http)
{
    struct async *async = http;
    bool is_done = false;

    (void)pthread_mutex_lock(&async->lock);
    is_done = async->is_done;
    (void)pthread_mutex_unlock(&async->lock);
    if (is_done) {
        (void)pthread_join(async->thread, NULL);
    }
    return is_done;
}

static void async_cancel(void *http)
{
    struct async *async = http;

    (void)pthread_mutex_lock(&async->lock);
    async->is_cancelled = true;
    (void)pthread_mutex_unlock(&async->lock);
    (void)pthread_join(async->thread, NULL);
}

/* ---- the game ---- */

static double now_s(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Let the client work for a moment. */
static void work(struct playtrace *p, bool is_pumped)
{
    static const struct timespec moment = {0, 2000000};

    (void)(is_pumped ? playtrace_pump(p) : playtrace_flush(p, 20));
    (void)nanosleep(&moment, NULL);
}

static bool play(struct playtrace *p, unsigned events, double limit_s, bool is_pumped)
{
    double until_s = now_s() + limit_s;
    struct playtrace_stats stats;

    for (unsigned i = 0; i < events; i++) {
        char attributes[96];

        (void)snprintf(attributes, sizeof(attributes), "{\"n\":%u,\"map\":\"forest_%u\"}", i,
                       i % 7);
        while (playtrace_track(p, "tick", attributes) != PLAYTRACE_OK) {
            if (now_s() > until_s) {
                return false;
            }
            work(p, is_pumped);
        }
    }
    do {
        work(p, is_pumped);
        playtrace_stats(p, &stats);
    } while (stats.queued > 0 && now_s() < until_s);
    return stats.queued == 0;
}

static void report(struct playtrace *p)
{
    struct playtrace_stats s;

    playtrace_stats(p, &s);
    (void)printf("{\"tracked\":%llu,\"recovered\":%llu,\"queued\":%llu,\"delivered\":%llu,"
                 "\"refused\":%llu,\"unreadable\":%llu,\"dropped_ring\":%llu,"
                 "\"dropped_budget\":%llu,\"withdrawn\":%llu,\"send_attempts\":%llu,"
                 "\"retries\":%llu,\"io_failures\":%llu}\n",
                 (unsigned long long)s.tracked, (unsigned long long)s.recovered,
                 (unsigned long long)s.queued, (unsigned long long)s.delivered,
                 (unsigned long long)s.refused, (unsigned long long)s.unreadable,
                 (unsigned long long)s.dropped_ring, (unsigned long long)s.dropped_budget,
                 (unsigned long long)s.withdrawn, (unsigned long long)s.send_attempts,
                 (unsigned long long)s.retries, (unsigned long long)s.io_failures);
}

/* The value of the argument `name=value`, else `absent`. */
static const char *argument(int argc, char **argv, const char *name, const char *absent)
{
    size_t bytes = strlen(name);

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, bytes) == 0 && argv[i][bytes] == '=') {
            return argv[i] + bytes + 1;
        }
    }
    return absent;
}

static int64_t clock_ahead_us = 0; /* set before any thread starts */
static int64_t (*real_wall_us)(void *clock_ctx);

static int64_t wrong_wall_us(void *clock_ctx)
{
    return real_wall_us(clock_ctx) + clock_ahead_us;
}

int main(int argc, char **argv)
{
    const char *manner = argument(argc, argv, "manner", "worker");
    bool is_async = strcmp(manner, "async") == 0;
    bool is_pumped = is_async || strcmp(manner, "pump") == 0;
    struct async async = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct playtrace_platform platform;
    struct playtrace_options options;
    struct playtrace *p = NULL;
    enum playtrace_status status = PLAYTRACE_OK;
    bool is_done = false;

    playtrace_platform_posix_init(&platform);
    clock_ahead_us = strtoll(argument(argc, argv, "clock_s", "0"), NULL, 10) * 1000000;
    real_wall_us = platform.wall_us;
    platform.wall_us = wrong_wall_us;
    if (is_async) {
        async.curl = playtrace_http_curl_create(NULL);
        platform.http_ctx = &async;
        platform.http_create = NULL;
        platform.http_post = NULL;
        platform.http_start = async_start;
        platform.http_is_done = async_is_done;
        platform.http_cancel = async_cancel;
    }
    playtrace_options_init(&options);
    options.url = argument(argc, argv, "url", NULL);
    options.queue_dir = argument(argc, argv, "dir", NULL);
    options.signing_secret = argument(argc, argv, "secret", NULL);
    options.api_key = argument(argc, argv, "key", NULL);
    options.user_id = "player-1";
    options.platform = "pc";
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.without_worker = is_pumped;
    options.flush_interval_ms = 50;
    options.retry_base_ms = 2;
    options.retry_cap_ms = 40;
    options.connect_timeout_ms = 2000;
    options.request_timeout_ms =
        (uint32_t)strtoul(argument(argc, argv, "request_ms", "400"), NULL, 10);
    options.platform_table = &platform;
    status = playtrace_open(&p, &options);
    if (status) {
        (void)fprintf(stderr, "sdk_driver: open: %s\n", playtrace_status_name(status));
        return 1;
    }
    is_done = play(p, (unsigned)strtoul(argument(argc, argv, "events", "0"), NULL, 10),
                   strtod(argument(argc, argv, "limit_s", "50"), NULL), is_pumped);
    report(p);
    status = playtrace_close(p, 100);
    playtrace_http_curl_destroy(async.curl);
    return is_done && status == PLAYTRACE_OK ? 0 : 1;
}
