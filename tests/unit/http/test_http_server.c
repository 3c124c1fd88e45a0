/*
 * test_http_server.c - the server over real loopback sockets
 *
 * Method: a plain blocking client writes bytes and reads answers. Handlers answer at once,
 * or put their request into a box that the test, which is another thread, empties when
 * it likes: that is how a group commit answers.
 */
#include "check.h"
#include "loopback.h"

#include "base/mem.h"
#include "http/http.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOST "Host: a\r\n"
#define BOX_MAX 2048
#define BIG_BYTES ((size_t)6 * 1024 * 1024)

/* ---- the server under test ---- */

struct box {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct pt_http_request *requests[BOX_MAX];
    size_t count;
};

struct fixture {
    struct pt_http_server *server;
    struct pt_http_limits limits;
    struct box box;
    uint16_t port;
    atomic_uint by_loop[16];
};

/* Tells all that a handler can know; the body's spare bytes are read, for ASan's sake. */
static void echo(void *ctx, struct pt_http_request *request)
{
    struct fixture *f = ctx;
    struct pt_span body = pt_http_body(request);
    struct pt_buf out;
    unsigned spare = 0;

    for (size_t i = 0; i < 64; i++) {
        spare += body.data[body.size + i];
    }
    (void)spare;
    atomic_fetch_add(&f->by_loop[pt_http_loop_index(request)], 1);
    pt_buf_init(&out, 1 << 24);
    pt_buf_appendf(&out, "%.*s %.*s rest=%.*s query=%.*s peer=%s%s x=%.*s body=%zu:",
                   PT_SPAN_ARG(pt_http_method(request)), PT_SPAN_ARG(pt_http_path(request)),
                   PT_SPAN_ARG(pt_http_path_rest(request)), PT_SPAN_ARG(pt_http_query(request)),
                   pt_http_peer(request), pt_http_peer_is_loopback(request) ? "!" : "",
                   PT_SPAN_ARG(pt_http_header(request, "x-Test")), body.size);
    pt_buf_append(&out, body.data, body.size);
    pt_http_respond(request, 200, "text/plain", pt_buf_span(&out),
                    &(struct pt_http_header_out){"X-Evil", "a\r\nX-More: b"}, 1);
    pt_buf_release(&out);
}

static void later(void *ctx, struct pt_http_request *request)
{
    struct box *box = &((struct fixture *)ctx)->box;

    pthread_mutex_lock(&box->mutex);
    pt_assert(box->count < BOX_MAX);
    box->requests[box->count++] = request;
    pthread_cond_signal(&box->filled);
    pthread_mutex_unlock(&box->mutex);
}

static void big(void *ctx, struct pt_http_request *request)
{
    uint8_t *data = pt_alloc(BIG_BYTES);

    (void)ctx;
    pt_assert(data);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        data[i] = (uint8_t)(i * 31 >> 8);
    }
    pt_http_respond(request, 200, "application/octet-stream", pt_span_of(data, BIG_BYTES), NULL, 0);
    pt_free(data);
}

static void full(void *ctx, struct pt_http_request *request)
{
    (void)ctx;
    pt_http_respond_error(request, 507, "disk_full", "no space for %d \"events\"", 3);
}

/* Wait until the box holds `count`, take them all. */
static void take_box(struct fixture *f, struct pt_http_request **requests, size_t count)
{
    pthread_mutex_lock(&f->box.mutex);
    while (f->box.count < count) {
        pthread_cond_wait(&f->box.filled, &f->box.mutex);
    }
    assert_int_equal(f->box.count, count);
    memcpy(requests, f->box.requests, count * sizeof(*requests));
    f->box.count = 0;
    pthread_mutex_unlock(&f->box.mutex);
}

static struct fixture *fixture_create(void)
{
    struct fixture *f = pt_alloc_zero(sizeof(*f));

    assert_non_null(f);
    pt_http_limits_default(&f->limits);
    f->limits.body_bytes_max = 1024 * 1024;
    pthread_mutex_init(&f->box.mutex, NULL);
    pthread_cond_init(&f->box.filled, NULL);
    return f;
}

static void fixture_start(struct fixture *f)
{
    static const struct {
        const char *method;
        const char *path;
        uint32_t body_bytes_max;
        pt_http_handler *handler;
    } routes[] = {
        {"GET", "/echo", 0, echo},
        {"POST", "/echo", 1u << 30, echo},
        {"POST", "/small", 10, echo},
        {"GET", "/p/*", 0, echo},
        {"GET", "/p/exact", 0, echo},
        {"PUT", "/p/deeper/*", 0, echo},
        {"POST", "/later", 1u << 20, later},
        {"GET", "/later", 0, later},
        {"GET", "/big", 0, big},
        {"GET", "/full", 0, full},
    };
    struct pt_error err;

    PT_CHECK_OK(pt_http_server_open(&f->server, "127.0.0.1:0", &f->limits, pt_clock_system(), &err),
                err);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        PT_CHECK_OK(pt_http_route(f->server, routes[i].method, routes[i].path,
                                  routes[i].body_bytes_max, routes[i].handler, f, &err),
                    err);
    }
    PT_CHECK_OK(pt_http_server_start(f->server, &err), err);
    f->port = pt_test_port(pt_http_server_url(f->server));
}

static void fixture_destroy(struct fixture *f)
{
    pt_http_server_close(f->server);
    pthread_mutex_destroy(&f->box.mutex);
    pthread_cond_destroy(&f->box.filled);
    pt_free(f);
}

static struct fixture *fixture_open(void)
{
    struct fixture *f = fixture_create();

    fixture_start(f);
    return f;
}

/* ---- the client ---- */

struct client {
    int fd;
    size_t size;
    char data[65536];
};

struct answer {
    int status; /* 0: the connection was closed instead */
    char head[2048];
    size_t body_bytes;
    char body[16384];
};

static struct client *client_open(const struct fixture *f)
{
    struct client *client = pt_alloc_zero(sizeof(*client));

    assert_non_null(client);
    client->fd = pt_test_socket();
    if (!pt_test_dial(client->fd, f->port)) {
        close(client->fd);
        pt_free(client);
        return NULL;
    }
    return client;
}

static void client_close(struct client *client)
{
    if (client) {
        close(client->fd);
        pt_free(client);
    }
}

static void client_send_bytes(struct client *client, const void *data, size_t bytes)
{
    size_t sent = 0;

    while (sent < bytes) {
        ssize_t n = send(client->fd, (const char *)data + sent, bytes - sent, MSG_NOSIGNAL);

        assert_true(n > 0);
        sent += (size_t)n;
    }
}

static void client_send(struct client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

/* More bytes; false at the end of the stream. A reset fails the test: the peer would lose data. */
static bool client_read(struct client *client)
{
    ssize_t n =
        recv(client->fd, client->data + client->size, sizeof(client->data) - 1 - client->size, 0);

    if (n < 0) {
        fail_msg("recv: %s", strerror(errno));
    }
    client->size += (size_t)n;
    client->data[client->size] = '\0';
    return n > 0;
}

static bool client_is_closed(struct client *client)
{
    return client->size == 0 && !client_read(client);
}

/* The next answer. `is_head`: no body follows whatever the head says. */
static void client_answer_of(struct client *client, bool is_head, struct answer *answer)
{
    char *head_end = NULL;
    const char *length = NULL;
    size_t total = 0;

    memset(answer, 0, sizeof(*answer));
    while ((head_end = strstr(client->data, "\r\n\r\n")) == NULL) {
        if (!client_read(client)) {
            assert_int_equal(client->size, 0);
            return;
        }
    }
    total = (size_t)(head_end - client->data) + 4;
    assert_true(total < sizeof(answer->head));
    memcpy(answer->head, client->data, total);
    assert_memory_equal(answer->head, "HTTP/1.1 ", 9);
    answer->status = (int)strtol(answer->head + 9, NULL, 10);
    length = strstr(answer->head, "\r\nContent-Length: ");
    answer->body_bytes = length && !is_head ? strtoul(length + 18, NULL, 10) : 0;
    assert_true(answer->body_bytes < sizeof(answer->body));
    total += answer->body_bytes;
    while (client->size < total) {
        assert_true(client_read(client));
    }
    memcpy(answer->body, client->data + total - answer->body_bytes, answer->body_bytes);
    memmove(client->data, client->data + total, client->size - total + 1);
    client->size -= total;
}

static void client_answer(struct client *client, struct answer *answer)
{
    client_answer_of(client, false, answer);
}

static bool closes(const struct answer *answer)
{
    return strstr(answer->head, "\r\nConnection: close\r\n") != NULL;
}

static int64_t mono_ms(void)
{
    return pt_clock_mono_us(pt_clock_system()) / 1000;
}

/* Wait for a statistic that another thread is about to change. */
static void wait_for_open(const struct fixture *f, uint64_t count)
{
    struct pt_http_stats stats = {0};

    for (int i = 0; i < 5000; i++) {
        pt_http_server_stats(f->server, &stats);
        if (stats.connections_open == count) {
            return;
        }
        pt_test_sleep_ms(1);
    }
    fail_msg("%" PRIu64 " connections are open instead of %" PRIu64, stats.connections_open, count);
}

/* ---- the tests ---- */

static void a_handler_sees_its_request(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct answer answer;

    (void)state;
    client_send(client, "POST /echo?a=b&c HTTP/1.1\r\n" HOST
                        "X-TEST:  one \r\nX-Test: two\r\nContent-Length: 5\r\n\r\nhello");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body,
                        "POST /echo rest= query=a=b&c peer=127.0.0.1! x=one body=5:hello");
    PT_CHECK(strstr(answer.head, "HTTP/1.1 200 OK\r\nDate: ") == answer.head);
    PT_CHECK(strstr(answer.head, " GMT\r\nContent-Length: "));
    PT_CHECK(strstr(answer.head, "\r\nContent-Type: text/plain\r\n"));
    PT_CHECK(strstr(answer.head, "\r\nX-Evil: a  X-More: b\r\n"));
    PT_CHECK(!closes(&answer) && !strstr(answer.head, "traceresponse"));

    client_send(client, "GET /p/a/b HTTP/1.1\r\n" HOST "\r\n");
    client_answer(client, &answer);
    assert_string_equal(answer.body, "GET /p/a/b rest=a/b query= peer=127.0.0.1! x= body=0:");
    client_send(client, "GET /p/exact HTTP/1.1\r\n" HOST "\r\n");
    client_answer(client, &answer);
    assert_string_equal(answer.body, "GET /p/exact rest= query= peer=127.0.0.1! x= body=0:");
    client_close(client);
    fixture_destroy(f);
}

/* So that a peer can tell whose answer it got (client/core/exchange.c). */
static void a_trace_goes_back_with_the_answer(void **state)
{
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct answer answer;
    char text[512];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "TraceParent: %s\r\n\r\n",
                       i == 0 ? "/echo" : "/nowhere", trace);
        client_send(client, text);
        client_answer(client, &answer);
        assert_int_equal(answer.status, i == 0 ? 200 : 404);
        (void)snprintf(text, sizeof(text), "\r\ntraceresponse: %s\r\n", trace);
        PT_CHECK(strstr(answer.head, text));
    }
    (void)snprintf(text, sizeof(text), "GET /echo HTTP/1.1\r\n" HOST "traceparent: %s-more\r\n\r\n",
                   trace);
    client_send(client, text);
    client_answer(client, &answer);
    PT_CHECK(answer.status == 200 && !strstr(answer.head, "traceresponse"));
    /* Refused unread. */
    (void)snprintf(text, sizeof(text),
                   "GET /echo HTTP/1.1\r\n" HOST "traceparent: %s\r\nBad Header: x\r\n\r\n", trace);
    client_send(client, text);
    client_answer(client, &answer);
    PT_CHECK(answer.status == 400 && !strstr(answer.head, "traceresponse"));
    client_close(client);
    fixture_destroy(f);
}

static void head_is_get_without_the_body(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct answer answer;
    char length[64];

    (void)state;
    client_send(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(client, &answer);
    /* The method is in the body: one letter more in "HEAD". */
    (void)snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", answer.body_bytes + 1);
    client_send(client, "HEAD /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer_of(client, true, &answer);
    assert_int_equal(answer.status, 200);
    PT_CHECK(strstr(answer.head, length));
    client_send(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 200);
    client_close(client);
    fixture_destroy(f);
}

static void wrong_requests_get_their_status_and_the_right_end(void **state)
{
    static const struct {
        const char *request;
        int status;
        bool closes;
        const char *code;
        const char *header;
    } cases[] = {
        {"GET /no HTTP/1.1\r\n" HOST "\r\n", 404, false, "not_found", ""},
        {"POST /no HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab", 404, true, "not_found", ""},
        {"GET /echo/ HTTP/1.1\r\n" HOST "\r\n", 404, false, "not_found", ""},
        {"GET /p HTTP/1.1\r\n" HOST "\r\n", 404, false, "not_found", ""},
        {"PUT /echo HTTP/1.1\r\n" HOST "\r\n", 405, false, "method_not_allowed",
         "\r\nAllow: GET, HEAD, POST\r\n"},
        {"GET /small HTTP/1.1\r\n" HOST "\r\n", 405, false, "method_not_allowed",
         "\r\nAllow: POST\r\n"},
        {"GET /p/deeper/x HTTP/1.1\r\n" HOST "\r\n", 405, false, "method_not_allowed",
         "\r\nAllow: PUT\r\n"},
        {"get /echo HTTP/1.1\r\n" HOST "\r\n", 405, false, "method_not_allowed", ""},
        {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413, true, "body_too_large",
         ""},
        {"GET /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", 413, true, "body_too_large",
         ""},
        {"POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n6\r\n",
         413, true, "body_too_large", ""},
        {"GET /echo HTTP/1.1\r\n\r\n", 400, true, "bad_request", ""},
        {"GET /echo HTTP/1.1\n", 400, true, "bad_request", ""},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400, true, "bad_request", ""},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: br\r\n\r\n", 501, true,
         "not_implemented", ""},
        {"GET /echo HTTP/3.0\r\n" HOST "\r\n", 505, true, "http_version", ""},
        {"GET /full HTTP/1.1\r\n" HOST "\r\n", 507, false, "disk_full", ""},
        {"GET /full HTTP/1.0\r\n\r\n", 507, true, "disk_full", ""},
    };
    struct fixture *f = fixture_open();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client *client = client_open(f);
        struct answer answer;
        char start[64];

        client_send(client, cases[i].request);
        client_answer(client, &answer);
        if (answer.status != cases[i].status) {
            fail_msg("%d instead of %d: %s", answer.status, cases[i].status, cases[i].request);
        }
        assert_int_equal(closes(&answer), cases[i].closes);
        (void)snprintf(start, sizeof(start), "{\"code\":\"%s\",\"detail\":\"", cases[i].code);
        PT_CHECK(strncmp(answer.body, start, strlen(start)) == 0);
        PT_CHECK(strstr(answer.head, "\r\nContent-Type: application/json\r\n"));
        PT_CHECK(strstr(answer.head, cases[i].header));
        if (cases[i].closes) {
            PT_CHECK(client_is_closed(client));
        } else {
            client_send(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
            client_answer(client, &answer);
            assert_int_equal(answer.status, 200);
        }
        client_close(client);
    }
    wait_for_open(f, 0);
    fixture_destroy(f);
}

static void a_large_header_is_431(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct answer answer;
    char x[4096];

    (void)state;
    memset(x, 'x', sizeof(x));
    client_send(client, "GET /echo HTTP/1.1\r\n" HOST "X: ");
    for (unsigned i = 0; i < 4; i++) {
        client_send_bytes(client, x, sizeof(x));
    }
    client_answer(client, &answer);
    assert_int_equal(answer.status, 431);
    PT_CHECK(client_is_closed(client));
    client_close(client);
    fixture_destroy(f);
}

/* A client that sends all before it reads must still find the answer, not a reset. */
static void a_large_body_is_refused_before_it_is_read_and_the_answer_arrives(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct answer answer;
    uint8_t *body = pt_alloc_zero(8 << 20);

    (void)state;
    PT_CHECK(body);
    client_send(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8388608\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 413);
    client_close(client);

    client = client_open(f);
    client_send(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8388608\r\n\r\n");
    client_send_bytes(client, body, 8 << 20);
    client_answer(client, &answer);
    assert_int_equal(answer.status, 413);
    PT_CHECK(client_is_closed(client));
    client_close(client);
    pt_free(body);
    fixture_destroy(f);
}

/* Bodies of all sizes around the buffers' classes, whole and chunked, in odd pieces. */
static void bodies_arrive_whole(void **state)
{
    static const size_t sizes[] = {1,     63,    64,     3900,   4032,   4033,   4096,
                                   16000, 65536, 262000, 262144, 300000, 1048576};
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    uint8_t *body = pt_alloc(1048576);
    char head[256];

    (void)state;
    PT_CHECK(body);
    for (size_t i = 0; i < 1048576; i++) {
        body[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t bytes = sizes[i / 2];
        size_t piece = i % 2 ? 70000 : bytes;
        struct pt_http_request *request = NULL;
        struct pt_span got;
        struct answer answer;

        (void)snprintf(head, sizeof(head), "Content-Length: %zu", bytes);
        client_send(client, "POST /later HTTP/1.1\r\n" HOST);
        client_send(client, i % 2 ? "Transfer-Encoding: chunked" : head);
        client_send(client, "\r\n\r\n");
        for (size_t at = 0; at < bytes; at += piece) {
            size_t part = bytes - at < piece ? bytes - at : piece;

            (void)snprintf(head, sizeof(head), "%zx\r\n", part);
            client_send(client, i % 2 ? head : "");
            client_send_bytes(client, body + at, part);
            client_send(client, i % 2 ? "\r\n" : "");
        }
        client_send(client, i % 2 ? "0\r\n\r\n" : "");
        take_box(f, &request, 1);
        got = pt_http_body(request);
        assert_int_equal(got.size, bytes);
        assert_memory_equal(got.data, body, bytes);
        pt_http_respond(request, 204, NULL, (struct pt_span){0}, NULL, 0);
        client_answer(client, &answer);
        assert_int_equal(answer.status, 204);
        PT_CHECK(!strstr(answer.head, "Content-Length"));
    }
    pt_free(body);
    client_close(client);
    fixture_destroy(f);
}

static void continue_is_sent_where_the_body_is_wanted(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct answer answer;

    (void)state;
    client_send(client,
                "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 100);
    client_send(client, "ab");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 200);
    /* The body is here already, or is not wanted: none. */
    client_send(client, "POST /echo HTTP/1.1\r\n" HOST
                        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 200);
    client_send(client, "POST /small HTTP/1.1\r\n" HOST
                        "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 413);
    PT_CHECK(client_is_closed(client));
    client_close(client);
    fixture_destroy(f);
}

#define GROUP 64
#define ROUNDS 50

static void *answer_groups(void *arg)
{
    struct fixture *f = arg;
    struct pt_http_request *requests[GROUP];

    for (unsigned round = 0; round < ROUNDS; round++) {
        take_box(f, requests, GROUP);
        for (size_t i = 0; i < GROUP; i++) {
            struct pt_span body = pt_http_body(requests[i]);
            uint8_t copy[64];

            memcpy(copy, body.data, body.size);
            pt_http_respond(requests[i], 202, "text/plain", pt_span_of(copy, body.size), NULL, 0);
        }
    }
    return NULL;
}

static void groups_are_answered_by_another_thread(void **state)
{
    struct fixture *f = fixture_create();
    struct client *clients[GROUP];
    struct pt_http_stats stats;
    pthread_t thread;

    (void)state;
    f->limits.threads = 3;
    fixture_start(f);
    assert_int_equal(pthread_create(&thread, NULL, answer_groups, f), 0);
    for (size_t i = 0; i < GROUP; i++) {
        clients[i] = client_open(f);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < GROUP; i++) {
            char request[256];

            (void)snprintf(request, sizeof(request),
                           "POST /later HTTP/1.1\r\n" HOST "traceparent: 00-%032u-%016u-01\r\n"
                           "Content-Length: 8\r\n\r\n%04u%04u",
                           i, round, round, i);
            client_send(clients[i], request);
        }
        for (unsigned i = 0; i < GROUP; i++) {
            struct answer answer;
            char expected[96];

            client_answer(clients[i], &answer);
            (void)snprintf(expected, sizeof(expected), "\r\ntraceresponse: 00-%032u-%016u-01\r\n",
                           i, round);
            PT_CHECK(strstr(answer.head, expected));
            (void)snprintf(expected, sizeof(expected), "%04u%04u", round, i);
            assert_int_equal(answer.status, 202);
            assert_string_equal(answer.body, expected);
        }
    }
    pthread_join(thread, NULL);
    pt_http_server_stats(f->server, &stats);
    assert_int_equal(stats.connections_accepted, GROUP);
    assert_int_equal(stats.connections_open, GROUP);
    assert_int_equal(stats.requests, GROUP * ROUNDS);
    assert_int_equal(stats.responses_by_class[2], GROUP * ROUNDS);
    PT_CHECK(stats.bytes_in > stats.requests * 50 && stats.bytes_out > stats.requests * 60);
    for (size_t i = 0; i < GROUP; i++) {
        client_close(clients[i]);
    }
    fixture_destroy(f);
}

/* A connection's second request must not reach a handler before the first is answered. */
static void pipelined_requests_wait_their_turn(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct pt_http_request *request = NULL;
    struct answer answer;

    (void)state;
    client_send(client, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n1"
                        "POST /later HTTP/1.1\r\n" HOST
                        "Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n"
                        "GET /echo HTTP/1.1\r\n" HOST "\r\n"
                        "POST /later HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n3");
    for (unsigned i = 1; i <= 3; i++) {
        if (i == 3) {
            client_answer(client, &answer);
            assert_memory_equal(answer.body, "GET /echo", 9);
            client_send(client, "3");
        }
        take_box(f, &request, 1);
        pt_test_sleep_ms(20);
        pthread_mutex_lock(&f->box.mutex);
        assert_int_equal(f->box.count, 0);
        pthread_mutex_unlock(&f->box.mutex);
        assert_int_equal(pt_http_body(request).data[0], '0' + i);
        pt_http_respond(request, 200, "text/plain", pt_span_of(&"0123"[i], 1), NULL, 0);
        client_answer(client, &answer);
        assert_int_equal(answer.body[0], '0' + i);
    }
    client_close(client);
    fixture_destroy(f);
}

static void *send_burst(void *arg)
{
    struct client *client = arg;

    for (unsigned i = 0; i < 2000; i++) {
        char request[128];

        (void)snprintf(request, sizeof(request), "GET /echo?%u HTTP/1.1\r\n" HOST "\r\n", i);
        client_send(client, request);
    }
    return NULL;
}

static void a_burst_of_pipelined_requests_is_answered_in_order(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, send_burst, client), 0);
    for (unsigned i = 0; i < 2000; i++) {
        struct answer answer;
        char expected[32];

        client_answer(client, &answer);
        (void)snprintf(expected, sizeof(expected), " query=%u ", i);
        PT_CHECK(strstr(answer.body, expected));
    }
    pthread_join(thread, NULL);
    client_close(client);
    fixture_destroy(f);
}

static void connections_end_when_either_side_says_so(void **state)
{
    static const char *const requests[] = {
        "GET /echo HTTP/1.0\r\n\r\n",
        "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        /* What follows the last request is not answered, and does no harm. */
        "GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET /echo HTTP/1.1\r\n\r\n",
    };
    struct fixture *f = fixture_open();

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct client *client = client_open(f);
        struct answer answer;

        client_send(client, requests[i]);
        client_answer(client, &answer);
        assert_int_equal(answer.status, 200);
        PT_CHECK(closes(&answer));
        PT_CHECK(client_is_closed(client));
        client_close(client);
    }
    wait_for_open(f, 0);
    fixture_destroy(f);
}

static void slow_peers_run_out_of_time(void **state)
{
    static const struct {
        const char *sent;
        int status; /* 0: closed without a word */
        int64_t least_ms;
    } cases[] = {
        {"", 0, 400},
        {"G", 408, 100},
        {"GET /echo HTTP/1.1\r\n" HOST, 408, 100},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcd", 408, 200},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab", 408, 200},
    };
    struct fixture *f = fixture_create();

    (void)state;
    f->limits.header_timeout_ms = 100;
    f->limits.body_timeout_ms = 200;
    f->limits.idle_timeout_ms = 400;
    fixture_start(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t start_ms = mono_ms(); /* the limit runs from the accept */
        struct client *client = client_open(f);
        struct answer answer;

        client_send(client, cases[i].sent);
        client_answer(client, &answer);
        assert_int_equal(answer.status, cases[i].status);
        PT_CHECK(mono_ms() - start_ms >= cases[i].least_ms - 1);
        PT_CHECK(client_is_closed(client));
        client_close(client);
    }
    wait_for_open(f, 0);
    fixture_destroy(f);
}

/* A drop every 30 ms must not push the deadline away. */
static void a_trickle_of_header_bytes_runs_out_of_time(void **state)
{
    struct fixture *f = fixture_create();
    struct client *client = NULL;
    struct pollfd poll_fd = {.events = POLLIN};
    int64_t start_ms = 0;
    struct answer answer;

    (void)state;
    f->limits.header_timeout_ms = 200;
    fixture_start(f);
    client = client_open(f);
    start_ms = mono_ms();
    client_send(client, "GET /echo HTTP/1.1\r\nX: ");
    poll_fd.fd = client->fd;
    while (poll(&poll_fd, 1, 30) == 0 && mono_ms() - start_ms < 10000) {
        client_send(client, "x");
    }
    PT_CHECK(mono_ms() - start_ms < 9000);
    client_answer(client, &answer);
    assert_int_equal(answer.status, 408);
    client_close(client);
    fixture_destroy(f);
}

static void a_slow_reader_gets_all_of_a_large_answer(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    size_t body_at = 0;
    size_t got = 0;

    (void)state;
    client_send(client, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n");
    pt_test_sleep_ms(50);
    while (!body_at) {
        const char *end = NULL;

        assert_true(client_read(client));
        end = strstr(client->data, "\r\n\r\n");
        body_at = end ? (size_t)(end - client->data) + 4 : 0;
    }
    memmove(client->data, client->data + body_at, client->size - body_at);
    client->size -= body_at;
    while (got < BIG_BYTES) {
        size_t take = client->size < BIG_BYTES - got ? client->size : BIG_BYTES - got;

        for (size_t i = 0; i < take; i++) {
            if ((uint8_t)client->data[i] != (uint8_t)((got + i) * 31 >> 8)) {
                fail_msg("byte %zu differs", got + i);
            }
        }
        memmove(client->data, client->data + take, client->size - take);
        client->size -= take;
        got += take;
        client->data[client->size] = '\0';
        if (got < BIG_BYTES) {
            assert_true(client_read(client));
        }
    }
    {
        struct answer answer;

        client_answer(client, &answer);
        assert_memory_equal(answer.body, "GET /echo", 9);
    }
    client_close(client);
    fixture_destroy(f);
}

static void a_reader_that_stops_is_closed(void **state)
{
    struct fixture *f = fixture_create();
    struct client *client = NULL;

    (void)state;
    f->limits.write_timeout_ms = 150;
    fixture_start(f);
    client = client_open(f);
    client_send(client, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    assert_true(client_read(client));
    wait_for_open(f, 0); /* though the client is still there */
    client_close(client);
    fixture_destroy(f);
}

static void a_connection_over_the_limit_gets_503(void **state)
{
    struct fixture *f = fixture_create();
    struct client *first = NULL;
    struct client *second = NULL;
    struct answer answer;

    (void)state;
    f->limits.connections_max = 1;
    fixture_start(f);
    first = client_open(f);
    client_send(first, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(first, &answer);
    assert_int_equal(answer.status, 200);
    second = client_open(f);
    client_send(second, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(second, &answer);
    assert_int_equal(answer.status, 503);
    PT_CHECK(closes(&answer) && strstr(answer.head, "\r\nRetry-After: 1\r\n"));
    PT_CHECK(strncmp(answer.body, "{\"code\":\"unavailable\"", 21) == 0);
    PT_CHECK(client_is_closed(second));
    client_close(second);
    client_close(first);
    wait_for_open(f, 0);
    first = client_open(f);
    client_send(first, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(first, &answer);
    assert_int_equal(answer.status, 200);
    client_close(first);
    fixture_destroy(f);
}

/*
 * Out of descriptors, a connection waits in the kernel and the loop must neither spin nor forget
 * it. The client's socket is there before the limit falls; connect() needs no other.
 */
static void without_descriptors_accepting_waits(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = pt_alloc_zero(sizeof(*client));
    struct rlimit before;
    struct rlimit none;
    struct answer answer;
    clock_t used = 0;

    (void)state;
    assert_non_null(client);
    client->fd = pt_test_socket();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    used = clock();
    assert_true(pt_test_dial(client->fd, f->port));
    client_send(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    pt_test_sleep_ms(350);
    used = clock() - used;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    PT_CHECK(used < CLOCKS_PER_SEC / 10);
    client_answer(client, &answer);
    assert_int_equal(answer.status, 200);
    client_close(client);
    fixture_destroy(f);
}

/* One more connection; returns the loop that serves it. */
static unsigned open_and_ask(struct fixture *f, struct client **client_out)
{
    struct answer answer;
    unsigned before[4];
    unsigned index = 0;

    for (unsigned i = 0; i < 4; i++) {
        before[i] = atomic_load(&f->by_loop[i]);
    }
    *client_out = client_open(f);
    client_send(*client_out, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(*client_out, &answer);
    assert_int_equal(answer.status, 200);
    while (index < 3 && atomic_load(&f->by_loop[index]) == before[index]) {
        index++;
    }
    return index;
}

static void few_connections_are_spread_evenly(void **state)
{
    struct fixture *f = fixture_create();
    struct client *clients[8];
    unsigned loops[8];
    unsigned emptied = 0;

    (void)state;
    f->limits.threads = 4;
    fixture_start(f);
    for (size_t i = 0; i < 8; i++) {
        loops[i] = open_and_ask(f, &clients[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(atomic_load(&f->by_loop[i]), 2);
    }
    /* Those of one loop leave, and the next two go there: a mere taking of turns would not. */
    emptied = loops[2];
    for (size_t i = 0; i < 8; i++) {
        if (loops[i] == emptied) {
            client_close(clients[i]);
            clients[i] = NULL;
        }
    }
    wait_for_open(f, 6);
    for (size_t i = 0; i < 8; i++) {
        if (!clients[i]) {
            assert_int_equal(open_and_ask(f, &clients[i]), emptied);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        client_close(clients[i]);
    }
    fixture_destroy(f);
}

static void a_peer_that_leaves_takes_nothing_with_it(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        struct client *client = client_open(f);
        struct pt_http_request *request = NULL;
        const struct linger reset = {.l_onoff = 1};

        client_send(client, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcmore");
        take_box(f, &request, 1);
        if (with_reset) {
            setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        client_close(client);
        pt_test_sleep_ms(50);
        PT_CHECK(pt_span_is(pt_http_body(request), "abc"));
        PT_CHECK(pt_span_is(pt_http_path(request), "/later"));
        PT_CHECK(pt_span_is(pt_http_header(request, "Host"), "a"));
        wait_for_open(f, 1);
        pt_http_respond(request, 200, "text/plain", pt_span_str("lost"), NULL, 0);
        wait_for_open(f, 0);
    }
    fixture_destroy(f);
}

static void a_peer_that_closes_half_still_gets_its_answer(void **state)
{
    struct fixture *f = fixture_open();
    struct client *client = client_open(f);
    struct pt_http_request *request = NULL;
    struct answer answer;

    (void)state;
    client_send(client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    shutdown(client->fd, SHUT_WR);
    take_box(f, &request, 1);
    pt_test_sleep_ms(20);
    pt_http_respond(request, 200, "text/plain", pt_span_str("kept"), NULL, 0);
    client_answer(client, &answer);
    assert_string_equal(answer.body, "kept");
    PT_CHECK(client_is_closed(client));
    client_close(client);
    wait_for_open(f, 0);
    fixture_destroy(f);
}

/* Answers when told to drain: 100 ms later, so that drain has to wait. */
static void *answer_late(void *arg)
{
    pt_test_sleep_ms(100);
    pt_http_respond(arg, 202, NULL, (struct pt_span){0}, NULL, 0);
    return NULL;
}

static void drain_answers_what_was_read_and_closes(void **state)
{
    struct fixture *f = fixture_open();
    struct client *idle = client_open(f);
    struct client *busy = client_open(f);
    struct pt_http_request *request = NULL;
    struct answer answer;
    int64_t start_ms = 0;
    pthread_t thread;

    (void)state;
    client_send(idle, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_answer(idle, &answer);
    client_send(busy, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    take_box(f, &request, 1);
    start_ms = mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, answer_late, request), 0);
    pt_http_server_drain(f->server, 10000);
    PT_CHECK(mono_ms() - start_ms >= 99 && mono_ms() - start_ms < 9000);
    pthread_join(thread, NULL);
    client_answer(busy, &answer);
    assert_int_equal(answer.status, 202);
    PT_CHECK(closes(&answer));
    PT_CHECK(client_is_closed(busy));
    PT_CHECK(client_is_closed(idle));
    PT_CHECK(!client_open(f)); /* nobody listens */
    client_close(busy);
    client_close(idle);
    pt_http_server_drain(f->server, 10000); /* again: nothing left to do */
    fixture_destroy(f);
}

static void drain_ends_at_its_deadline_and_late_answers_are_dropped(void **state)
{
    struct fixture *f = fixture_open();
    struct client *waiting = client_open(f);
    struct client *half = client_open(f);
    struct pt_http_request *request = NULL;
    int64_t start_ms = 0;

    (void)state;
    client_send(half, "GET /echo HTTP/1.1\r\n");
    client_send(waiting, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    take_box(f, &request, 1);
    start_ms = mono_ms();
    pt_http_server_drain(f->server, 150);
    PT_CHECK(mono_ms() - start_ms >= 149 && mono_ms() - start_ms < 5000);
    PT_CHECK(client_is_closed(half));
    PT_CHECK(client_is_closed(waiting));
    PT_CHECK(pt_span_is(pt_http_path(request), "/later")); /* still ours */
    pt_http_respond(request, 200, NULL, (struct pt_span){0}, NULL, 0);
    wait_for_open(f, 0);
    client_close(half);
    client_close(waiting);
    fixture_destroy(f);
}

static void addresses_are_checked(void **state)
{
    static const char *const bad[] = {
        "",          "127.0.0.1",   "127.0.0.1:", ":80",      "127.0.0.1:65536", "127.0.0.1:080800",
        "::1:80",    "[::1]80",     "[]:80",      "[::g]:80", "1.2.3:80",        "127.0.0.1:8o",
        "a.b.c.d:1", "127.0.0.1:-1"};
    struct pt_http_limits limits;
    struct pt_http_server *server = NULL;
    struct pt_http_server *other = NULL;
    struct pt_error err;

    (void)state;
    pt_http_limits_default(&limits);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        PT_CHECK(pt_http_server_open(&server, bad[i], &limits, pt_clock_system(), &err) ==
                 PT_INVALID);
        PT_CHECK(!server && strstr(err.text, bad[i]));
    }
    PT_CHECK_OK(pt_http_server_open(&server, "127.0.0.1:0", &limits, pt_clock_system(), &err), err);
    PT_CHECK(strncmp(pt_http_server_url(server), "http://127.0.0.1:", 17) == 0);
    PT_CHECK(pt_http_server_open(&other, pt_http_server_url(server) + 7, &limits, pt_clock_system(),
                                 &err) == PT_IO);
    PT_CHECK(strstr(err.text, pt_http_server_url(server) + 7));
    PT_CHECK(!other);
    PT_CHECK(pt_http_route(server, "GET", "no", 0, echo, NULL, &err) == PT_INVALID);
    PT_CHECK_OK(pt_http_route(server, "GET", "/a", 0, echo, NULL, &err), err);
    PT_CHECK(pt_http_route(server, "GET", "/a", 0, echo, NULL, &err) == PT_INVALID);
    pt_http_server_close(server); /* never started */
    /* Where the machine has IPv6. */
    if (pt_http_server_open(&server, "[::1]:0", &limits, pt_clock_system(), &err) == PT_OK) {
        PT_CHECK(strncmp(pt_http_server_url(server), "http://[::1]:", 13) == 0);
        pt_http_server_close(server);
    }
    pt_http_server_close(NULL);
}

static void no_failed_allocation_leaves_anything_behind(void **state)
{
    struct pt_http_limits limits;
    bool has_fired = true;

    (void)state;
    pt_http_limits_default(&limits);
    for (unsigned nth = 1; has_fired; nth++) {
        struct pt_http_server *server = NULL;
        enum pt_code code = PT_OK;

        pt_mem_fail_after(nth);
        code = pt_http_server_open(&server, "127.0.0.1:0", &limits, pt_clock_system(), NULL);
        if (code == PT_OK) {
            code = pt_http_route(server, "GET", "/a", 0, echo, NULL, NULL);
        }
        has_fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        assert_int_equal(code, has_fired ? PT_NO_MEMORY : PT_OK);
        pt_http_server_close(server);
    }
}

/* With the server running: whichever allocation fails, one answer is lost at most. */
static void a_request_without_memory_harms_no_other(void **state)
{
    struct fixture *f = fixture_create();

    (void)state;
    f->limits.threads = 1;
    fixture_start(f);
    for (unsigned nth = 1; nth <= 8; nth++) {
        struct client *client = NULL;
        struct answer answer;

        pt_mem_fail_after(0);
        client = client_open(f);
        client_send(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
        client_answer(client, &answer);
        assert_int_equal(answer.status, 200);
        pt_mem_fail_after(nth);
        client_send(client, "GET /no HTTP/1.1\r\n" HOST "\r\n");
        client_answer(client, &answer);
        PT_CHECK(answer.status == 404 || answer.status == 503 || answer.status == 0);
        client_close(client);
    }
    pt_mem_fail_after(0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_sees_its_request),
        cmocka_unit_test(a_trace_goes_back_with_the_answer),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(wrong_requests_get_their_status_and_the_right_end),
        cmocka_unit_test(a_large_header_is_431),
        cmocka_unit_test(a_large_body_is_refused_before_it_is_read_and_the_answer_arrives),
        cmocka_unit_test(bodies_arrive_whole),
        cmocka_unit_test(continue_is_sent_where_the_body_is_wanted),
        cmocka_unit_test(groups_are_answered_by_another_thread),
        cmocka_unit_test(pipelined_requests_wait_their_turn),
        cmocka_unit_test(a_burst_of_pipelined_requests_is_answered_in_order),
        cmocka_unit_test(connections_end_when_either_side_says_so),
        cmocka_unit_test(slow_peers_run_out_of_time),
        cmocka_unit_test(a_trickle_of_header_bytes_runs_out_of_time),
        cmocka_unit_test(a_slow_reader_gets_all_of_a_large_answer),
        cmocka_unit_test(a_reader_that_stops_is_closed),
        cmocka_unit_test(a_connection_over_the_limit_gets_503),
        cmocka_unit_test(without_descriptors_accepting_waits),
        cmocka_unit_test(few_connections_are_spread_evenly),
        cmocka_unit_test(a_peer_that_leaves_takes_nothing_with_it),
        cmocka_unit_test(a_peer_that_closes_half_still_gets_its_answer),
        cmocka_unit_test(drain_answers_what_was_read_and_closes),
        cmocka_unit_test(drain_ends_at_its_deadline_and_late_answers_are_dropped),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(no_failed_allocation_leaves_anything_behind),
        cmocka_unit_test(a_request_without_memory_harms_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
