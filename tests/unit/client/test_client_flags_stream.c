/*
 * test_client_flags_stream.c - changes are heard over the stream, and whatever it does hurts nobody
 *
 * Method: the client with its two threads, over a transport in memory whose stream does what each
 * case says: it stays open and tells of changes, ends, refuses, or is no stream at all. Waits are
 * for what must come, so that a slow machine only waits longer.
 */
#include "fake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define THREADS 6
#define WAIT_MS 20000

enum manner {
    MANNER_OPEN,   /* tells of each change, until it is asked to stop */
    MANNER_ENDS,   /* greets and ends */
    MANNER_REFUSE, /* 401 */
    MANNER_PAGE,   /* 200, but a page */
    MANNER_HANGS,  /* no answer at all */
    MANNER_FULL,   /* 503, with Retry-After */
};

/* The server: what the flags are, and who asked how. */
struct service {
    atomic_uint version; /* the flag's value */
    atomic_int manner;
    atomic_uint posts;
    atomic_uint gets;
    atomic_uint open_streams;
    atomic_uint whole_asks; /* without If-None-Match */
    atomic_uint resumes;    /* streams that named the last event */
    atomic_uint keys_leaked;
    atomic_int ahead_s; /* of the client's clock before the real one */
};

static void rest_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};

    (void)nanosleep(&time, NULL);
}

static int64_t clock_us(void *ctx)
{
    struct service *service = ctx;
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ((int64_t)now.tv_sec + atomic_load(&service->ahead_s)) * 1000000 + now.tv_nsec / 1000;
}

/* Wait until `*counter` has reached `least`. */
static void await(atomic_uint *counter, unsigned least)
{
    for (unsigned waited = 0; atomic_load(counter) < least; waited += 2) {
        PT_CHECK(waited < WAIT_MS);
        rest_ms(2);
    }
}

static void await_no_stream(struct service *service)
{
    for (unsigned waited = 0; atomic_load(&service->open_streams) > 0; waited += 2) {
        PT_CHECK(waited < WAIT_MS);
        rest_ms(2);
    }
}

static void await_value(struct playtrace *p, int64_t wanted)
{
    for (unsigned waited = 0; playtrace_flag_int(p, "version", -1) != wanted; waited += 2) {
        PT_CHECK(waited < WAIT_MS);
        rest_ms(2);
    }
}

static bool has_header(const struct playtrace_http_request *request, const char *start)
{
    return fake_header(request, start) != NULL;
}

static bool tell(const struct playtrace_http_request *request, const char *text)
{
    return request->on_body(request->body_ctx, text, strlen(text));
}

/* The stream's connection, in the stream's thread. */
static void serve_stream(struct service *service, const struct playtrace_http_request *request,
                         struct playtrace_http_response *response)
{
    enum manner manner = (enum manner)atomic_load(&service->manner);
    unsigned known = atomic_load(&service->version);

    atomic_fetch_add(&service->gets, 1);
    atomic_fetch_add(&service->resumes, has_header(request, "Last-Event-ID: e") ? 1 : 0);
    atomic_fetch_add(&service->keys_leaked, has_header(request, "Authorization") ? 1 : 0);
    PT_CHECK(strcmp(request->url, "http://127.0.0.1:1/ofrep/v1/events?since=e1") == 0);
    PT_CHECK(strcmp(request->method, "GET") == 0 && request->timeout_ms == 0);
    response->status = 200;
    if (manner == MANNER_FULL) {
        response->status = 503;
        (void)snprintf(response->retry_after, sizeof(response->retry_after), "30");
        return;
    }
    if (manner == MANNER_REFUSE) {
        response->status = 401;
    }
    (void)snprintf(response->content_type, sizeof(response->content_type), "%s",
                   manner == MANNER_PAGE ? "text/html" : "text/event-stream; charset=utf-8");
    if (manner == MANNER_REFUSE || manner == MANNER_PAGE) {
        PT_CHECK(!tell(request, "<html>data: {\"type\":\"refetchEvaluation\"}\n\n"));
    } else if (manner != MANNER_HANGS) {
        PT_CHECK(tell(request, "retry: 5\nid: e1\n\n"));
    }
    if (manner == MANNER_OPEN || manner == MANNER_HANGS) {
        atomic_fetch_add(&service->open_streams, 1);
        while (!request->should_stop(request->stop_ctx)) {
            if (manner == MANNER_OPEN && atomic_load(&service->version) != known) {
                known = atomic_load(&service->version);
                (void)tell(request, "id: e2\nevent: message\ndata: {\"type\":\"refetchEvaluat");
                (void)tell(request, "ion\",\"etag\":\"e2\"}\n\n");
            } else if (manner == MANNER_OPEN) {
                (void)tell(request, ":\n\n"); /* its heart beats often */
            }
            rest_ms(1);
        }
        atomic_fetch_sub(&service->open_streams, 1);
        response->status = 0;
    }
}

static void serve_flags(struct service *service, const struct playtrace_http_request *request,
                        struct playtrace_http_response *response)
{
    unsigned version = atomic_load(&service->version);
    char body[512];
    char etag[32];
    char asked[64];

    (void)snprintf(etag, sizeof(etag), "\"v%u\"", version);
    (void)snprintf(asked, sizeof(asked), "If-None-Match: %s", etag);
    atomic_fetch_add(&service->posts, 1);
    atomic_fetch_add(&service->whole_asks, has_header(request, "If-None-Match") ? 0 : 1);
    (void)snprintf(response->etag, sizeof(response->etag), "%s", etag);
    if (has_header(request, asked)) {
        response->status = 304;
        return;
    }
    (void)snprintf(body, sizeof(body),
                   "{\"flags\":[{\"key\":\"version\",\"reason\":\"SPLIT\",\"variant\":\"v%u\","
                   "\"value\":%u,\"metadata\":{\"experiment\":\"e\"}}],\"eventStreams\":[{\"type\":"
                   "\"sse\",\"endpoint\":{\"requestUri\":\"/ofrep/v1/events?since=e1\"}}]}",
                   version, version);
    fake_reply(response, 200, body);
}

static void serve(void *http, const struct playtrace_http_request *request,
                  struct playtrace_http_response *response)
{
    struct service *service = *(struct service **)http;

    if (strstr(request->url, "/ofrep/v1/events")) {
        serve_stream(service, request, response);
    } else if (strstr(request->url, "/ofrep/")) {
        serve_flags(service, request, response);
    } else {
        response->status = 503;
    }
}

static void *connect_to(void *http_ctx)
{
    struct service **transport = pt_alloc(sizeof(*transport));

    *transport = http_ctx;
    return transport;
}

static void disconnect(void *transport)
{
    pt_free(transport);
}

struct set {
    char *dir;
    struct service service;
    struct playtrace_platform platform;
    struct playtrace_options options;
    struct playtrace *p;
};

static struct set *set_open(enum manner manner)
{
    struct set *set = pt_alloc_zero(sizeof(*set));

    PT_CHECK(set != NULL);
    set->dir = pt_test_dir_create();
    atomic_store(&set->service.version, 1);
    atomic_store(&set->service.manner, (int)manner);
    playtrace_platform_posix_init(&set->platform);
    set->platform.http_ctx = &set->service;
    set->platform.http_create = connect_to;
    set->platform.http_destroy = disconnect;
    set->platform.http_post = serve;
    set->platform.clock_ctx = &set->service;
    set->platform.mono_us = clock_us;
    playtrace_options_init(&set->options);
    set->options.url = "http://127.0.0.1:1";
    set->options.api_key = "key-1";
    set->options.queue_dir = set->dir;
    set->options.user_id = "player";
    set->options.consent = PLAYTRACE_CONSENT_GIVEN;
    set->options.sync_at_close = false;
    set->options.report_health = false;
    set->options.retry_base_ms = 5;
    set->options.retry_cap_ms = 20;
    set->options.flags_poll_ms = 0; /* what changes, changes by the stream */
    set->options.platform_table = &set->platform;
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_OK);
    return set;
}

static void set_close(struct set *set)
{
    PT_CHECK(playtrace_close(set->p, 0) != PLAYTRACE_IO);
    PT_CHECK(atomic_load(&set->service.open_streams) == 0);
    PT_CHECK(atomic_load(&set->service.keys_leaked) == 0);
    pt_test_dir_remove(set->dir);
    pt_free(set);
}

static void a_change_is_heard(void **state)
{
    struct set *set = set_open(MANNER_OPEN);
    unsigned posts = 0;

    (void)state;
    await_value(set->p, 1);
    await(&set->service.open_streams, 1);
    for (unsigned version = 2; version < 5; version++) {
        atomic_store(&set->service.version, version);
        await_value(set->p, version);
    }
    posts = atomic_load(&set->service.posts);
    PT_CHECK(posts == 4 && atomic_load(&set->service.gets) == 1);
    set_close(set);
}

static void a_connection_that_ends_is_made_again_from_where_it_was(void **state)
{
    struct set *set = set_open(MANNER_ENDS);

    (void)state;
    await(&set->service.gets, 6);
    PT_CHECK(atomic_load(&set->service.resumes) >= 5);
    atomic_store(&set->service.manner, (int)MANNER_OPEN);
    await(&set->service.open_streams, 1);
    atomic_store(&set->service.version, 2);
    await_value(set->p, 2);
    set_close(set);
}

/* After some refusals the address is asked for again: its ticket may be old. */
static void what_is_no_stream_is_given_up(void **state)
{
    static const enum manner manners[] = {MANNER_REFUSE, MANNER_PAGE};

    (void)state;
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        struct set *set = set_open(manners[i]);

        await(&set->service.gets, 9);
        await(&set->service.whole_asks, 3);
        PT_CHECK(playtrace_flag_int(set->p, "version", -1) == 1);
        PT_CHECK(playtrace_flags_generation(set->p) == 1);
        atomic_store(&set->service.manner, (int)MANNER_OPEN);
        await(&set->service.open_streams, 1);
        atomic_store(&set->service.version, 2);
        await_value(set->p, 2);
        set_close(set);
    }
}

static void pause_consent_and_close_end_the_stream(void **state)
{
    static const enum manner manners[] = {MANNER_OPEN, MANNER_HANGS};

    (void)state;
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        struct set *set = set_open(manners[i]);

        await(&set->service.open_streams, 1);
        PT_CHECK(playtrace_pause(set->p) == PLAYTRACE_OK);
        await_no_stream(&set->service);
        PT_CHECK(playtrace_resume(set->p) == PLAYTRACE_OK);
        await(&set->service.open_streams, 1);
        PT_CHECK(playtrace_set_consent_for(set->p, PLAYTRACE_PURPOSE_ANALYTICS, NULL) ==
                 PLAYTRACE_OK);
        PT_CHECK(playtrace_flag_int(set->p, "version", -1) == -1);
        await_no_stream(&set->service);
        PT_CHECK(playtrace_set_consent_for(set->p, PLAYTRACE_PURPOSES_ALL, NULL) == PLAYTRACE_OK);
        await(&set->service.open_streams, 1);
        set_close(set);
    }
}

static void without_the_option_or_a_transport_of_its_own_nobody_listens(void **state)
{
    struct set *set = set_open(MANNER_OPEN);
    struct service *transport = &set->service;

    (void)state;
    await(&set->service.open_streams, 1);
    PT_CHECK(playtrace_close(set->p, 0) != PLAYTRACE_IO);
    for (unsigned i = 0; i < 2; i++) {
        set->options.flags_stream = i != 0;
        if (i == 1) { /* one transport, which the game shares out */
            set->platform.http_create = NULL;
            set->platform.http_ctx = &transport;
        }
        set->options.flags_poll_ms = 5;
        atomic_store(&set->service.gets, 0);
        PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_OK);
        atomic_fetch_add(&set->service.version, 1);
        await_value(set->p, atomic_load(&set->service.version)); /* by polls */
        PT_CHECK(playtrace_close(set->p, 0) != PLAYTRACE_IO);
        PT_CHECK(atomic_load(&set->service.gets) == 0);
    }
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_OK);
    set_close(set);
}

/* A minute without a sign of life, and a new connection is made. */
static void a_silent_connection_is_given_up(void **state)
{
    struct set *set = set_open(MANNER_HANGS);

    (void)state;
    await(&set->service.open_streams, 1);
    atomic_store(&set->service.manner, (int)MANNER_OPEN);
    atomic_fetch_add(&set->service.ahead_s, 50);
    rest_ms(30);
    PT_CHECK(atomic_load(&set->service.gets) == 1);
    atomic_fetch_add(&set->service.ahead_s, 15);
    await(&set->service.gets, 2);
    await(&set->service.open_streams, 1);
    atomic_store(&set->service.version, 2);
    await_value(set->p, 2);
    set_close(set);
}

static void a_full_server_is_asked_again_when_it_says(void **state)
{
    struct set *set = set_open(MANNER_FULL);

    (void)state;
    await(&set->service.gets, 1);
    atomic_fetch_add(&set->service.ahead_s, 25);
    PT_CHECK(playtrace_resume(set->p) == PLAYTRACE_OK); /* looks, and finds that it is too early */
    rest_ms(30);
    PT_CHECK(atomic_load(&set->service.gets) == 1);
    atomic_store(&set->service.manner, (int)MANNER_OPEN);
    for (unsigned waited = 0; atomic_load(&set->service.open_streams) == 0; waited += 2) {
        PT_CHECK(waited < WAIT_MS);
        atomic_fetch_add(&set->service.ahead_s, 10);
        PT_CHECK(playtrace_resume(set->p) == PLAYTRACE_OK);
        rest_ms(2);
    }
    set_close(set);
}

static void polls_are_rarer_while_the_stream_is_open(void **state)
{
    struct set *set = set_open(MANNER_OPEN);

    (void)state;
    PT_CHECK(playtrace_close(set->p, 0) != PLAYTRACE_IO);
    set->options.flags_poll_ms = 2000;
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_OK);
    await(&set->service.open_streams, 1);
    PT_CHECK(playtrace_flags_refresh(set->p, WAIT_MS) ==
             PLAYTRACE_OK); /* planned with the stream */
    atomic_store(&set->service.posts, 0);
    atomic_fetch_add(&set->service.ahead_s, 10);
    PT_CHECK(playtrace_resume(set->p) == PLAYTRACE_OK); /* the worker looks at the clock */
    rest_ms(30);
    PT_CHECK(atomic_load(&set->service.posts) == 0);
    atomic_fetch_add(&set->service.ahead_s, 15);
    PT_CHECK(playtrace_resume(set->p) == PLAYTRACE_OK);
    await(&set->service.posts, 1);
    set_close(set);
}

/* ---- from many threads ---- */

struct crowd {
    struct set *set;
    atomic_bool is_over;
    atomic_uint calls;
};

static void *disturb(void *arg)
{
    static const char *const contexts[] = {NULL, "{\"level\":1}", "{\"level\":2}"};
    struct crowd *crowd = arg;
    struct playtrace *p = crowd->set->p;
    struct playtrace_flag_details details;
    char text[64];

    for (unsigned i = 0; !atomic_load(&crowd->is_over); i++) {
        int64_t value = playtrace_flag_int(p, "version", -1);

        PT_CHECK(value >= -1 && value <= 1000);
        PT_CHECK(playtrace_flag_string(p, "version", "x", text, sizeof(text)) == 1);
        PT_CHECK(playtrace_flag_details(p, "version", &details) == PLAYTRACE_OK);
        (void)playtrace_flags_generation(p);
        switch (i % 64) {
        case 10:
            PT_CHECK(playtrace_set_user(p, i % 128 < 64 ? "player" : "other") == PLAYTRACE_OK);
            break;
        case 20:
            PT_CHECK(playtrace_set_flag_context(p, contexts[i % 3]) == PLAYTRACE_OK);
            break;
        case 30:
            (void)playtrace_flags_refresh(p, 2);
            break;
        case 40:
            (void)playtrace_flush(p, 1);
            break;
        case 50:
            (void)playtrace_session_start(p);
            break;
        case 60:
            (void)playtrace_set_consent_for(
                p, i % 256 < 64 ? PLAYTRACE_PURPOSE_ANALYTICS : PLAYTRACE_PURPOSES_ALL, NULL);
            break;
        default:
            break;
        }
        atomic_fetch_add(&crowd->calls, 1);
    }
    return NULL;
}

static void any_call_from_any_thread(void **state)
{
    struct set *set = set_open(MANNER_OPEN);
    struct crowd crowd = {.set = set};
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        PT_CHECK(pthread_create(&threads[i], NULL, disturb, &crowd) == 0);
    }
    for (unsigned i = 0; atomic_load(&crowd.calls) < 3000; i++) {
        atomic_store(&set->service.version, 2 + i % 900);
        atomic_store(&set->service.manner, (int)(i / 8 % 3));
        rest_ms(2);
    }
    atomic_store(&crowd.is_over, true);
    for (unsigned i = 0; i < THREADS; i++) {
        PT_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    PT_CHECK(playtrace_set_consent_for(set->p, PLAYTRACE_PURPOSES_ALL, NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_set_user(set->p, "last") == PLAYTRACE_OK);
    atomic_store(&set->service.manner, (int)MANNER_OPEN);
    await_value(set->p, atomic_load(&set->service.version));
    set_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_heard),
        cmocka_unit_test(a_connection_that_ends_is_made_again_from_where_it_was),
        cmocka_unit_test(what_is_no_stream_is_given_up),
        cmocka_unit_test(pause_consent_and_close_end_the_stream),
        cmocka_unit_test(without_the_option_or_a_transport_of_its_own_nobody_listens),
        cmocka_unit_test(a_silent_connection_is_given_up),
        cmocka_unit_test(a_full_server_is_asked_again_when_it_says),
        cmocka_unit_test(polls_are_rarer_while_the_stream_is_open),
        cmocka_unit_test(any_call_from_any_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
