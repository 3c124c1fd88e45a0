/*
 * test_client_curl.c - the default platform against a real socket
 *
 * Method: a server of some hundred lines in a thread, on a free loopback port. It reads whole
 * requests, keeps connections alive, and misbehaves on demand.
 */
#include "check.h"
#include "playtrace.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum manner {
    MANNER_RECEIPT,  /* 202 with a receipt for all */
    MANNER_CONTINUE, /* 103 first, then the receipt, in chunks */
    MANNER_BUSY,     /* 429 with Retry-After: 7 */
    MANNER_HTML,     /* 200 and a page */
    MANNER_HALF,     /* half a receipt, then the connection ends */
    MANNER_RESET,    /* the connection ends before any answer */
    MANNER_HANG,     /* no answer */
    MANNER_REDIRECT, /* 307 to itself */
    MANNER_LONG,     /* a receipt followed by a megabyte of blanks */
    MANNER_HEADERS,  /* 200 with every header that the client reads */
    MANNER_GZIP,     /* 200 and "{}\n", packed */
    MANNER_PARTS,    /* 200 with a body in three parts, some milliseconds apart, without end */
};

struct server {
    int listener;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    enum manner manner;
    bool is_stopping;
    unsigned connections;
    unsigned requests;
    unsigned events;
    char head[4096]; /* of the last request */
};

static bool is_stopping(struct server *server)
{
    bool is_over = false;

    pthread_mutex_lock(&server->lock);
    is_over = server->is_stopping;
    pthread_mutex_unlock(&server->lock);
    return is_over;
}

/* Wait for bytes; false when the server is to stop. */
static bool wait_readable(struct server *server, int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    while (poll(&poller, 1, 10) == 0) {
        if (is_stopping(server)) {
            return false;
        }
    }
    return true;
}

/* One request into `buffer`; returns the body's start, NULL where the connection ended. */
static char *read_request(struct server *server, int fd, char *buffer, size_t buffer_bytes)
{
    size_t used = 0;

    for (;;) {
        ssize_t got = 0;
        char *end = NULL;
        const char *length = NULL;

        if (!wait_readable(server, fd)) {
            return NULL;
        }
        got = recv(fd, buffer + used, buffer_bytes - used - 1, 0);
        if (got <= 0) {
            return NULL;
        }
        used += (size_t)got;
        buffer[used] = '\0';
        end = strstr(buffer, "\r\n\r\n");
        if (!end) {
            continue;
        }
        length = strcasestr(buffer, "\r\nContent-Length:");
        if (used >= (size_t)(end + 4 - buffer) + (length ? strtoul(length + 17, NULL, 10) : 0)) {
            *end = '\0';
            return end + 4;
        }
    }
}

/* A client that ran out of patience has left: no fault of this thread, which could not tell it. */
static void answer(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void answer_receipt(int fd, unsigned events, bool is_chunked, size_t blanks)
{
    char body[64];
    char head[512];
    int bytes = snprintf(body, sizeof(body), "{\"accepted\":%u,\"rejected\":[]}", events);

    if (is_chunked) {
        answer(fd, "HTTP/1.1 103 Early Hints\r\nRetry-After: 99\r\n\r\n");
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\n%.5s\r\n%x\r\n%s\r\n0\r\n\r\n",
                       body, (unsigned)bytes - 5, body + 5);
        answer(fd, head);
        return;
    }
    (void)snprintf(head, sizeof(head), "HTTP/1.1 202 Accepted\r\nContent-Length: %zu\r\n\r\n%s",
                   (size_t)bytes + blanks, body);
    answer(fd, head);
    while (blanks > 0) {
        static const char spaces[] = "                                                        ";
        size_t part = blanks < sizeof(spaces) - 1 ? blanks : sizeof(spaces) - 1;

        if (send(fd, spaces, part, MSG_NOSIGNAL) < 0) {
            return;
        }
        blanks -= part;
    }
}

/* "{}\n" as gzip packs it. */
static void answer_gzip(int fd)
{
    static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0, 0,
                                           0,    0x03, 0xab, 0xae, 0xe5, 0x02, 0, 0x06,
                                           0xb0, 0xa1, 0xdd, 0x03, 0,    0,    0};

    answer(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 23\r\n\r\n");
    (void)send(fd, packed, sizeof(packed), MSG_NOSIGNAL);
}

/* Three parts, each after the one before was surely taken, and then nothing more. */
static void answer_parts(struct server *server, int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    answer(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (unsigned i = 0; i < 3; i++) {
        (void)poll(&poller, 1, 20);
        answer(fd, "data: x\n\n");
    }
    (void)wait_readable(server, fd); /* until the client leaves */
}

/* False: the connection ends. */
static bool serve_one(struct server *server, int fd, char *buffer, size_t buffer_bytes)
{
    char *body = read_request(server, fd, buffer, buffer_bytes);
    enum manner manner = MANNER_RECEIPT;
    unsigned events = 0;

    if (!body) {
        return false;
    }
    for (const char *at = strstr(body, "\"event_id\""); at; at = strstr(at + 1, "\"event_id\"")) {
        events++;
    }
    pthread_mutex_lock(&server->lock);
    manner = server->manner;
    server->requests++;
    if (manner == MANNER_RECEIPT || manner == MANNER_CONTINUE) {
        server->events += events;
    }
    (void)snprintf(server->head, sizeof(server->head), "%s", buffer);
    pthread_mutex_unlock(&server->lock);
    switch (manner) {
    case MANNER_RECEIPT:
    case MANNER_CONTINUE:
    case MANNER_LONG:
        answer_receipt(fd, events, manner == MANNER_CONTINUE, manner == MANNER_LONG ? 1 << 20 : 0);
        return true;
    case MANNER_BUSY:
        answer(fd, "HTTP/1.1 429 Too Many Requests\r\nretry-after:  7 \r\n"
                   "Content-Length: 15\r\n\r\n{\"code\":\"busy\"}");
        return true;
    case MANNER_HTML:
        answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>");
        return true;
    case MANNER_REDIRECT:
        answer(fd, "HTTP/1.1 307 Moved\r\nLocation: /v1/events\r\nContent-Length: 0\r\n\r\n");
        return true;
    case MANNER_HALF:
        answer(fd, "HTTP/1.1 202 Accepted\r\nContent-Length: 30\r\n\r\n{\"accepted\":3");
        return false;
    case MANNER_HANG:
        while (wait_readable(server, fd) && recv(fd, buffer, buffer_bytes, 0) > 0) {
        }
        return false;
    case MANNER_HEADERS:
        answer(
            fd,
            "HTTP/1.1 100 Continue\r\nETag: \"old\"\r\n\r\n"
            "HTTP/1.1 200 OK\r\netag:  W/\"a b\" \r\nCONTENT-TYPE: application/json\r\n"
            "Retry-After: 3\r\ntraceresponse: 00-1-2-01\r\nDate: Sun, 01 Nov 2026 12:00:00 GMT\r\n"
            "Content-Length: 2\r\n\r\n{}");
        return true;
    case MANNER_GZIP:
        answer_gzip(fd);
        return true;
    case MANNER_PARTS:
        answer_parts(server, fd);
        return false;
    case MANNER_RESET:
        break;
    }
    return false;
}

static void *serve(void *arg)
{
    struct server *server = arg;
    size_t buffer_bytes = 1u << 20;
    char *buffer = pt_alloc(buffer_bytes);

    while (wait_readable(server, server->listener)) {
        int fd = accept(server->listener, NULL, NULL);

        if (fd < 0) {
            continue;
        }
        pthread_mutex_lock(&server->lock);
        server->connections++;
        pthread_mutex_unlock(&server->lock);
        while (serve_one(server, fd, buffer, buffer_bytes)) {
        }
        (void)close(fd);
    }
    pt_free(buffer);
    return NULL;
}

static struct server *server_start(void)
{
    struct server *server = pt_alloc_zero(sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PT_CHECK(server->listener >= 0);
    PT_CHECK(bind(server->listener, (struct sockaddr *)&address, bytes) == 0);
    PT_CHECK(listen(server->listener, 16) == 0);
    PT_CHECK(getsockname(server->listener, (struct sockaddr *)&address, &bytes) == 0);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u",
                   (unsigned)ntohs(address.sin_port));
    PT_CHECK(pthread_mutex_init(&server->lock, NULL) == 0);
    PT_CHECK(pthread_create(&server->thread, NULL, serve, server) == 0);
    return server;
}

static void server_behave(struct server *server, enum manner manner)
{
    pthread_mutex_lock(&server->lock);
    server->manner = manner;
    pthread_mutex_unlock(&server->lock);
}

/* The counts can be read without the lock afterwards. */
static void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    pthread_mutex_unlock(&server->lock);
    PT_CHECK(pthread_join(server->thread, NULL) == 0);
    (void)close(server->listener);
}

static void server_free(struct server *server)
{
    (void)pthread_mutex_destroy(&server->lock);
    pt_free(server);
}

/* The server here reads plain text. */
static const struct playtrace_platform *plain_platform(void)
{
    static struct playtrace_platform platform;

    playtrace_platform_posix_init(&platform);
    platform.compress = NULL;
    return &platform;
}

static struct playtrace_options options_for(const struct server *server, const char *dir)
{
    struct playtrace_options options;

    playtrace_options_init(&options);
    options.flags_enabled = false;
    options.url = server->url;
    options.queue_dir = dir;
    options.user_id = "player";
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.flush_interval_ms = 50;
    options.retry_base_ms = 10;
    options.retry_cap_ms = 40;
    options.request_timeout_ms = 300;
    options.platform_table = plain_platform();
    options.report_health = false;
    return options;
}

static void events_arrive_over_one_connection(void **state)
{
    char *dir = pt_test_dir_create();
    struct server *server = server_start();
    struct playtrace_options options = options_for(server, dir);
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    (void)state;
    options.api_key = "key-1";
    options.request_timeout_ms = 5000;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 1000; i++) {
        while (playtrace_track(p, "tick", "{\"a\":1}") == PLAYTRACE_DROPPED) {
            (void)playtrace_flush(p, 10);
        }
        if (i == 500) {
            PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK);
            server_behave(server, MANNER_CONTINUE);
        }
    }
    PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.delivered == stats.tracked && stats.queued == 0);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    server_stop(server);
    PT_CHECK(server->connections == 1 && server->events == stats.delivered);
    PT_CHECK(strncmp(server->head, "POST /v1/events HTTP/1.1\r\n", 26) == 0);
    PT_CHECK(strstr(server->head, "\r\nAuthorization: Bearer key-1") != NULL);
    PT_CHECK(strstr(server->head, "\r\nContent-Type: application/json") != NULL);
    PT_CHECK(strstr(server->head, "Expect") == NULL);
    server_free(server);
    pt_test_dir_remove(dir);
}

static void no_manner_of_failing_loses_events(void **state)
{
    static const enum manner manners[] = {MANNER_BUSY, MANNER_HTML, MANNER_HALF,    MANNER_RESET,
                                          MANNER_HANG, MANNER_LONG, MANNER_REDIRECT};

    (void)state;
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        char *dir = pt_test_dir_create();
        struct server *server = server_start();
        struct playtrace_options options = options_for(server, dir);
        struct playtrace_stats stats;
        struct playtrace *p = NULL;

        server_behave(server, manners[i]);
        options.flush_ignores_retry = true;
        if (manners[i] != MANNER_HANG) {
            options.request_timeout_ms = 10000; /* these end by themselves */
        }
        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        for (unsigned k = 0; k < 3; k++) {
            PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
        }
        do { /* once, unless the machine stood still all the while */
            PT_CHECK(playtrace_flush(p, 700) == PLAYTRACE_QUEUED);
            playtrace_stats(p, &stats);
        } while (stats.send_attempts == 0);
        PT_CHECK(stats.delivered == 0 && stats.queued == 3);
        if (manners[i] == MANNER_BUSY) {
            PT_CHECK(stats.send_attempts <= 2); /* 7 s were asked for; one more by the flush */
        }
        server_behave(server, MANNER_RECEIPT);
        PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.delivered == 3 && stats.retries > 0);
        PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
        server_stop(server);
        /* A receipt that came after 300 ms was not waited for: the same events came again. */
        PT_CHECK(manners[i] == MANNER_HANG ? server->events >= 3 : server->events == 3);
        server_free(server);
        pt_test_dir_remove(dir);
    }
}

static void nobody_listening_keeps_the_events(void **state)
{
    char *dir = pt_test_dir_create();
    struct server *server = server_start();
    struct playtrace_options options = options_for(server, dir);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;

    (void)state;
    server_stop(server);
    options.without_worker = true;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_QUEUED);
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.recovered == 1);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    server_free(server);
    pt_test_dir_remove(dir);
}

static void many_clients_share_one_transport(void **state)
{
    char *dir = pt_test_dir_create();
    struct server *server = server_start();
    struct playtrace_options options = options_for(server, dir);
    struct playtrace_platform platform;

    (void)state;
    platform = *plain_platform();
    platform.http_create = NULL;
    platform.http_ctx = playtrace_http_curl_create(NULL);
    PT_CHECK(platform.http_ctx != NULL);
    options.platform_table = &platform;
    options.without_worker = true;
    options.sync_at_close = false;
    options.request_timeout_ms = 5000;
    for (unsigned i = 0; i < 50; i++) {
        struct playtrace *p = NULL;

        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        for (unsigned k = 0; k < 10; k++) {
            PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
        }
        PT_CHECK(playtrace_flush(p, 5000) == PLAYTRACE_OK);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    }
    playtrace_http_curl_destroy(platform.http_ctx);
    server_stop(server);
    PT_CHECK(server->connections == 1 && server->requests == 50 && server->events == 500);
    server_free(server);
    pt_test_dir_remove(dir);
}

struct parts {
    const struct playtrace_http_response *response;
    char text[64];
    size_t bytes;
    size_t bytes_max; /* then no more is wanted */
};

static bool take_part(void *body_ctx, const char *data, size_t bytes)
{
    struct parts *parts = body_ctx;

    PT_CHECK(parts->response->status == 200);
    PT_CHECK(strcmp(parts->response->content_type, "text/event-stream") == 0);
    PT_CHECK(parts->bytes + bytes < sizeof(parts->text));
    memcpy(parts->text + parts->bytes, data, bytes);
    parts->bytes += bytes;
    return parts->bytes < parts->bytes_max;
}

static void the_transport_reads_headers_and_streams(void **state)
{
    static const char *const headers[] = {"If-None-Match: \"v1\""};
    struct server *server = server_start();
    void *transport = playtrace_http_curl_create(NULL);
    char body[16];
    struct playtrace_http_response response = {.body = body, .body_bytes_max = sizeof(body)};
    struct parts parts = {.response = &response, .bytes_max = 27};
    struct playtrace_http_request request = {.method = "GET",
                                             .url = server->url,
                                             .headers = headers,
                                             .header_count = 1,
                                             .connect_timeout_ms = 5000,
                                             .timeout_ms = 10000};

    (void)state;
    server_behave(server, MANNER_HEADERS);
    playtrace_http_curl_post(transport, &request, &response);
    PT_CHECK(response.status == 200 && response.body_bytes == 2);
    PT_CHECK(memcmp(response.body, "{}", 2) == 0 && !response.is_truncated);
    PT_CHECK(strcmp(response.etag, "W/\"a b\"") == 0);
    PT_CHECK(strcmp(response.content_type, "application/json") == 0);
    PT_CHECK(strcmp(response.retry_after, "3") == 0);
    PT_CHECK(strcmp(response.traceresponse, "00-1-2-01") == 0);
    PT_CHECK(strcmp(response.date, "Sun, 01 Nov 2026 12:00:00 GMT") == 0);
    PT_CHECK(strncmp(server->head, "GET / HTTP/1.1\r\n", 16) == 0);
    PT_CHECK(strstr(server->head, "\r\nIf-None-Match: \"v1\"") != NULL);

    server_behave(server, MANNER_GZIP);
    memset(&response, 0, sizeof(response));
    response.body = body;
    response.body_bytes_max = 2;
    playtrace_http_curl_post(transport, &request, &response);
    PT_CHECK(response.status == 200 && response.body_bytes == 2 && response.is_truncated);
    PT_CHECK(memcmp(response.body, "{}", 2) == 0 && response.etag[0] == '\0');

    server_behave(server, MANNER_PARTS);
    request.on_body = take_part;
    request.body_ctx = &parts;
    request.timeout_ms = 0;
    playtrace_http_curl_post(transport, &request, &response);
    PT_CHECK(response.status == 0); /* we ended it */
    PT_CHECK(parts.bytes == 27 && memcmp(parts.text, "data: x\n\ndata: x\n\n", 18) == 0);

    request.method = NULL; /* POST again, with the same handle and an empty body */
    request.on_body = NULL;
    request.timeout_ms = 10000;
    response.body_bytes = 0;
    server_behave(server, MANNER_HTML);
    playtrace_http_curl_post(transport, &request, &response);
    PT_CHECK(response.status == 200 && strncmp(server->head, "POST / HTTP/1.1\r\n", 17) == 0);

    /* The first, one after the stream that was left, one that is asked for and kept. */
    request.wants_new_connection = true;
    playtrace_http_curl_post(transport, &request, &response);
    request.wants_new_connection = false;
    playtrace_http_curl_post(transport, &request, &response);
    PT_CHECK(response.status == 200);
    playtrace_http_curl_destroy(transport);
    server_stop(server);
    PT_CHECK(server->connections == 3);
    server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_arrive_over_one_connection),
        cmocka_unit_test(no_manner_of_failing_loses_events),
        cmocka_unit_test(nobody_listening_keeps_the_events),
        cmocka_unit_test(many_clients_share_one_transport),
        cmocka_unit_test(the_transport_reads_headers_and_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
