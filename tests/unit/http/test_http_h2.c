/*
 * test_http_h2.c - HTTP/2 over real loopback sockets: same requests, same answers, and bounds
 *
 * Method: a client of our own writes frames byte by byte, sound ones and others (literal HPACK
 * fields, so that anything can be said), and reads frames back; only the header blocks of answers
 * are decoded by nghttp2. Handlers answer at once, or when the test, another thread, says so.
 */
#include "check.h"
#include "loopback.h"

#include "base/mem.h"
#include "http/http.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BOX_MAX 512
#define BIG_BYTES ((size_t)3 * 1024 * 1024)
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define CALM 11u /* ENHANCE_YOUR_CALM */

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };

/* ---- the server under test ---- */

struct fixture {
    struct pt_http_server *server;
    struct pt_http_limits limits;
    uint16_t port;
    atomic_uint handled;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct pt_http_request *box[BOX_MAX];
    size_t boxed;
};

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
    atomic_fetch_add(&f->handled, 1);
    pt_buf_init(&out, 1u << 24);
    pt_buf_appendf(&out, "%.*s %.*s rest=%.*s query=%.*s peer=%s host=%.*s x=%.*s body=%zu:",
                   PT_SPAN_ARG(pt_http_method(request)), PT_SPAN_ARG(pt_http_path(request)),
                   PT_SPAN_ARG(pt_http_path_rest(request)), PT_SPAN_ARG(pt_http_query(request)),
                   pt_http_peer(request), PT_SPAN_ARG(pt_http_header(request, "Host")),
                   PT_SPAN_ARG(pt_http_header(request, "X-Test")), body.size);
    pt_buf_append(&out, body.data, body.size);
    if (out.has_failed) {
        pt_http_respond_error(request, 500, "no_memory", "there is no memory for an echo");
    } else {
        pt_http_respond(request, 200, "text/plain", pt_buf_span(&out),
                        &(struct pt_http_header_out){"X-Evil", "a\r\nX-More: b"}, 1);
    }
    pt_buf_release(&out);
}

/* Says nothing of the body but that there is room for it. */
static void sum(void *ctx, struct pt_http_request *request)
{
    struct fixture *f = ctx;

    atomic_fetch_add(&f->handled, 1);
    pt_http_respond(request, 204, NULL, (struct pt_span){0}, NULL, 0);
}

static void later(void *ctx, struct pt_http_request *request)
{
    struct fixture *f = ctx;

    atomic_fetch_add(&f->handled, 1);
    pthread_mutex_lock(&f->mutex);
    pt_assert(f->boxed < BOX_MAX);
    f->box[f->boxed++] = request;
    pthread_cond_signal(&f->filled);
    pthread_mutex_unlock(&f->mutex);
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

/* Wait for `count` requests with handlers and take them. */
static void take_box(struct fixture *f, struct pt_http_request **requests, size_t count)
{
    pthread_mutex_lock(&f->mutex);
    while (f->boxed < count) {
        pthread_cond_wait(&f->filled, &f->mutex);
    }
    memcpy(requests, f->box, count * sizeof(*requests));
    f->boxed -= count;
    memmove(f->box, f->box + count, f->boxed * sizeof(*f->box));
    pthread_mutex_unlock(&f->mutex);
}

static struct fixture *fixture_create(void)
{
    struct fixture *f = pt_alloc_zero(sizeof(*f));

    assert_non_null(f);
    pt_http_limits_default(&f->limits);
    f->limits.body_bytes_max = 2 * 1024 * 1024;
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->filled, NULL);
    return f;
}

static void fixture_start(struct fixture *f)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_http_server_open(&f->server, "127.0.0.1:0", &f->limits, pt_clock_system(), &err),
                err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/echo", 0, echo, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "POST", "/echo", 1u << 21, echo, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "POST", "/sum", 1u << 16, sum, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "POST", "/small", 10, echo, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/p/*", 0, echo, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/later", 0, later, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/big", 0, big, f, &err), err);
    PT_CHECK_OK(pt_http_server_start(f->server, &err), err);
    f->port = pt_test_port(pt_http_server_url(f->server));
}

static struct fixture *fixture_open(void)
{
    struct fixture *f = fixture_create();

    fixture_start(f);
    return f;
}

static void fixture_destroy(struct fixture *f)
{
    pt_http_server_close(f->server);
    pthread_mutex_destroy(&f->mutex);
    pthread_cond_destroy(&f->filled);
    pt_free(f);
}

/* ---- the client ---- */

struct client {
    int fd;
    struct pt_buf out;   /* frames not sent yet */
    struct pt_buf block; /* a header block under construction */
    nghttp2_hd_inflater *inflater;
    /* The frame read last. */
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    uint32_t size;
    uint8_t payload[16384];
    char fields[4096]; /* "name: value\n" of HEADERS */
    int status;
    bool sees_windows; /* next_frame() gives WINDOW_UPDATE too */
};

static void put_frame(struct client *c, uint8_t type, uint8_t flags, uint32_t stream,
                      const void *payload, size_t size)
{
    const uint8_t head[9] = {(uint8_t)(size >> 16),
                             (uint8_t)(size >> 8),
                             (uint8_t)size,
                             type,
                             flags,
                             (uint8_t)(stream >> 24),
                             (uint8_t)(stream >> 16),
                             (uint8_t)(stream >> 8),
                             (uint8_t)stream};

    pt_buf_append(&c->out, head, sizeof(head));
    pt_buf_append(&c->out, payload, size);
}

static void send_out(struct client *c)
{
    size_t sent = 0;

    while (sent < c->out.size) {
        ssize_t n = send(c->fd, c->out.data + sent, c->out.size - sent, MSG_NOSIGNAL);

        if (n <= 0) {
            break; /* a server that has had enough; what it said is read next */
        }
        sent += (size_t)n;
    }
    pt_buf_reset(&c->out);
}

static struct client *client_open(const struct fixture *f)
{
    struct client *c = pt_alloc_zero(sizeof(*c));

    assert_non_null(c);
    c->fd = pt_test_connect(f->port);
    pt_buf_init(&c->out, 1u << 26);
    pt_buf_init(&c->block, 1u << 20);
    assert_int_equal(nghttp2_hd_inflate_new(&c->inflater), 0);
    pt_buf_append(&c->out, PREFACE, 24);
    put_frame(c, SETTINGS, 0, 0, NULL, 0);
    return c;
}

static void client_close(struct client *c)
{
    nghttp2_hd_inflate_del(c->inflater);
    pt_buf_release(&c->out);
    pt_buf_release(&c->block);
    close(c->fd);
    pt_free(c);
}

static void put_text(struct pt_buf *out, const char *text, size_t bytes)
{
    assert_true(bytes < 127 + 16384);
    if (bytes < 127) {
        pt_buf_append_byte(out, (uint8_t)bytes);
    } else {
        size_t rest = bytes - 127;

        pt_buf_append_byte(out, 127);
        for (; rest >= 128; rest >>= 7) {
            pt_buf_append_byte(out, (uint8_t)(rest | 128));
        }
        pt_buf_append_byte(out, (uint8_t)rest);
    }
    pt_buf_append(out, text, bytes);
}

static void field(struct client *c, const char *name, const char *value)
{
    pt_buf_append_byte(&c->block, 0); /* literal, not indexed */
    put_text(&c->block, name, strlen(name));
    put_text(&c->block, value, strlen(value));
}

/* The pseudo-header fields of a request. */
static void pseudo(struct client *c, const char *method, const char *path)
{
    pt_buf_reset(&c->block);
    field(c, ":method", method);
    field(c, ":scheme", "http");
    field(c, ":path", path);
    field(c, ":authority", "a.example");
}

static void put_head(struct client *c, uint32_t stream, bool is_last)
{
    put_frame(c, HEADERS, (uint8_t)(END_HEADERS | (is_last ? END_STREAM : 0)), stream,
              c->block.data, c->block.size);
}

static void get(struct client *c, uint32_t stream, const char *path)
{
    pseudo(c, "GET", path);
    put_head(c, stream, true);
}

static void post(struct client *c, uint32_t stream, const char *path, const char *body)
{
    pseudo(c, "POST", path);
    put_head(c, stream, false);
    put_frame(c, DATA, END_STREAM, stream, body, strlen(body));
}

static bool read_bytes(struct client *c, void *data, size_t bytes)
{
    size_t got = 0;

    while (got < bytes) {
        ssize_t n = recv(c->fd, (char *)data + got, bytes - got, 0);

        if (n <= 0) {
            return false;
        }
        got += (size_t)n;
    }
    return true;
}

static void decode_fields(struct client *c)
{
    const uint8_t *at = c->payload;
    size_t left = c->size;
    size_t used = 0;

    c->fields[0] = '\0';
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, at, left, 1);

        assert_true(n >= 0);
        at += n;
        left -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            used += (size_t)snprintf(c->fields + used, sizeof(c->fields) - used, "%s: %s\n",
                                     nv.name, nv.value);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(c->inflater);
            break;
        }
    }
    assert_memory_equal(c->fields, ":status: ", 9);
    c->status = (int)strtol(c->fields + 9, NULL, 10);
}

/* The next frame but for SETTINGS and WINDOW_UPDATE; false: the connection has ended. */
static bool next_frame(struct client *c)
{
    uint8_t head[9];

    send_out(c);
    do {
        if (!read_bytes(c, head, sizeof(head))) {
            return false;
        }
        c->size = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        c->type = head[3];
        c->flags = head[4];
        c->stream =
            (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        assert_true(c->size <= sizeof(c->payload));
        if (!read_bytes(c, c->payload, c->size)) {
            return false;
        }
    } while (c->type == SETTINGS || (c->type == WINDOW && !c->sees_windows));
    if (c->type == HEADERS) {
        decode_fields(c);
    }
    return true;
}

/* The whole answer on `stream`, nothing else expected: its status, body in payload; -1: reset. */
static int answer(struct client *c, uint32_t stream)
{
    do {
        assert_true(next_frame(c));
    } while (c->type == PING);
    assert_int_equal(c->stream, stream);
    if (c->type == RST) {
        return -1;
    }
    assert_int_equal(c->type, HEADERS);
    if (!(c->flags & END_STREAM)) {
        assert_true(next_frame(c));
        assert_int_equal(c->type, DATA);
        assert_int_equal(c->stream, stream);
        assert_true(c->flags & END_STREAM);
        c->payload[c->size] = '\0';
    } else {
        c->payload[0] = '\0';
    }
    return c->status;
}

static uint32_t number_at(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* Read to the end; the code of the GOAWAY that was among it, or UINT32_MAX. */
static uint32_t goaway(struct client *c)
{
    uint32_t code = UINT32_MAX;

    while (next_frame(c)) {
        if (c->type == GOAWAY) {
            code = number_at(c->payload + 4);
        }
    }
    return code;
}

static void wait_for_open(const struct fixture *f, uint64_t count)
{
    struct pt_http_stats stats = {0};

    for (int i = 0; i < 10000; i++) {
        pt_http_server_stats(f->server, &stats);
        if (stats.connections_open == count) {
            return;
        }
        pt_test_sleep_ms(1);
    }
    fail_msg("%d connections are open", (int)stats.connections_open);
}

/* ---- the tests ---- */

static void a_handler_sees_its_request(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);

    (void)state;
    pseudo(c, "POST", "/echo?a=b&c");
    field(c, "x-test", "one");
    field(c, "content-length", "5");
    put_head(c, 1, false);
    put_frame(c, DATA, 0, 1, "he", 2);
    put_frame(c, DATA, END_STREAM, 1, "llo", 3);
    assert_int_equal(answer(c, 1), 200);
    assert_string_equal((char *)c->payload, "POST /echo rest= query=a=b&c peer=127.0.0.1 "
                                            "host=a.example x=one body=5:hello");
    PT_CHECK(strstr(c->fields, "\ndate: ") && strstr(c->fields, " GMT\n"));
    PT_CHECK(strstr(c->fields, "\ncontent-type: text/plain\n"));
    PT_CHECK(strstr(c->fields, "\nx-evil: a  X-More: b\n"));
    get(c, 3, "/p/a/b");
    assert_int_equal(answer(c, 3), 200);
    PT_CHECK(strstr((char *)c->payload, "GET /p/a/b rest=a/b"));
    pseudo(c, "HEAD", "/echo");
    put_head(c, 5, true);
    assert_int_equal(answer(c, 5), 200);
    PT_CHECK(c->payload[0] == '\0' && !strstr(c->fields, "content-length: 0\n"));
    client_close(c);
    fixture_destroy(f);
}

static void many_requests_are_answered_in_any_order(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);
    struct pt_http_request *requests[100];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        uint32_t first = 200 * round + 1;

        for (uint32_t i = 0; i < 100; i++) {
            get(c, first + 2 * i, "/later");
        }
        send_out(c);
        take_box(f, requests, 100);
        for (uint32_t i = 0; i < 100; i++) {
            pt_http_respond(requests[99 - i], 200, "text/plain", pt_span_str("late"), NULL, 0);
        }
        for (uint32_t i = 0; i < 100; i++) {
            do {
                assert_true(next_frame(c));
            } while (c->type == HEADERS);
            assert_int_equal(c->type, DATA);
            assert_memory_equal(c->payload, "late", 4);
        }
    }
    client_close(c);
    fixture_destroy(f);
}

static void mistakes_get_their_status(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *name;
        const char *value;
        int status;
    } cases[] = {
        {"GET", "/no", "x", "y", 404},           {"PUT", "/echo", "x", "y", 405},
        {"GET", "/echo/", "x", "y", 404},        {"POST", "/small", "content-length", "11", 413},
        {"GET", "/echo", "expect", "cake", 417}, {"GET", "/echo", "x", "y", 413},
    };
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);
    uint32_t stream = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++, stream += 2) {
        pseudo(c, cases[i].method, cases[i].path);
        field(c, cases[i].name, cases[i].value);
        put_head(c, stream, false);
        put_frame(c, DATA, END_STREAM, stream, "01234567890", 11);
        assert_int_equal(answer(c, stream), cases[i].status);
        PT_CHECK(strstr((char *)c->payload, "\"code\""));
    }
    /* Without content-length the data say it. */
    post(c, stream, "/small", "01234567890");
    assert_int_equal(answer(c, stream), 413);
    assert_int_equal(atomic_load(&f->handled), 0);
    post(c, stream + 2, "/small", "0123456789");
    assert_int_equal(answer(c, stream + 2), 200);
    client_close(c);
    fixture_destroy(f);
}

/* Header lists: over the limit is 431, far over it is an attack. */
static void header_lists_are_bounded(void **state)
{
    struct fixture *f = fixture_create();
    struct client *c = NULL;
    char value[1001];

    (void)state;
    f->limits.header_bytes_max = 4096;
    fixture_start(f);
    c = client_open(f);
    memset(value, 'v', 1000);
    value[1000] = '\0';
    pseudo(c, "GET", "/echo");
    for (unsigned i = 0; i < 5; i++) {
        field(c, "x", value);
    }
    put_head(c, 1, true);
    assert_int_equal(answer(c, 1), 431);
    pseudo(c, "GET", "/echo");
    for (unsigned i = 0; i < 65; i++) {
        field(c, "x", "");
    }
    put_head(c, 3, true);
    assert_int_equal(answer(c, 3), 431);
    /* One field of 1000 bytes into the table, then a byte for each repetition. */
    pseudo(c, "GET", "/echo");
    pt_buf_append_byte(&c->block, 0x40);
    put_text(&c->block, "x", 1);
    put_text(&c->block, value, 1000);
    for (unsigned i = 0; i < 5000; i++) {
        pt_buf_append_byte(&c->block, 0x80 | 62);
    }
    put_head(c, 5, true);
    assert_int_equal(goaway(c), CALM);
    assert_int_equal(atomic_load(&f->handled), 0);
    client_close(c);
    fixture_destroy(f);
}

/* What a proxy could turn into two requests of HTTP/1, or into another one. */
static void smuggled_heads_reach_no_handler(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *name; /* NULL: none more */
        const char *value;
        const char *body;
    } cases[] = {
        {"POST", "/echo", "x", "a\r\nTransfer-Encoding: chunked", ""},
        {"POST", "/echo", "x", "a\nb: c", ""},
        {"POST", "/echo", "x", "a\rb", ""},
        {"POST", "/echo", "x\r\nb", "c", ""},
        {"POST", "/echo", "x: y\r\nz", "c", ""},
        {"POST", "/echo", "x y", "c", ""},
        {"POST", "/echo", "X", "upper", ""},
        {"POST", "/echo", "", "nameless", ""},
        {"POST", "/echo", "transfer-encoding", "chunked", "0\r\n\r\nGET /echo HTTP/1.1\r\n"},
        {"POST", "/echo", "connection", "transfer-encoding", ""},
        {"POST", "/echo", "proxy-connection", "close", ""},
        {"POST", "/echo", "keep-alive", "1", ""},
        {"POST", "/echo", "upgrade", "h2c", ""},
        {"POST", "/echo", "te", "gzip", ""},
        {"POST", "/echo", "content-length", "3", "abcd"},
        {"POST", "/echo", "content-length", "5", "abcd"},
        {"POST", "/echo", "content-length", "+4", "abcd"},
        {"POST", "/echo", "content-length", "4,4", "abcd"},
        {"POST", "/echo", "content-length", "", "abcd"},
        {"POST", "/echo", "host", "b.example", ""},
        {"POST", "/echo", "host", "a b", ""},
        {"POST", "/echo", ":path", "/echo", ""},
        {"POST", "/echo", ":unknown", "x", ""},
        {"POST", "/echo HTTP/1.1\r\nX: y", NULL, NULL, ""},
        {"POST", "/echo x", NULL, NULL, ""},
        {"POST", "/echo\t", NULL, NULL, ""},
        {"POST", "http://a.example/echo", NULL, NULL, ""},
        {"POST", "echo", NULL, NULL, ""},
        {"POST", "", NULL, NULL, ""},
        {"POST /echo HTTP/1.1\r\nX:", "/echo", NULL, NULL, ""},
        {"PO ST", "/echo", NULL, NULL, ""},
        {"", "/echo", NULL, NULL, ""},
        {"CONNECT", "/echo", NULL, NULL, ""},
    };
    struct fixture *f = fixture_open();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client *c = client_open(f);
        int status = 0;

        pseudo(c, cases[i].method, cases[i].path);
        if (cases[i].name) {
            field(c, cases[i].name, cases[i].value);
        }
        put_head(c, 1, false);
        put_frame(c, DATA, END_STREAM, 1, cases[i].body, strlen(cases[i].body));
        if (next_frame(c)) {
            status = c->type == HEADERS ? c->status : -1;
        }
        if (atomic_load(&f->handled) != 0 || (status != 400 && status != -1)) {
            fail_msg("case %zu was answered with %d", i, status);
        }
        client_close(c);
    }
    fixture_destroy(f);
}

/* Two hosts, no host, two content-lengths; and a trailer that no field may be. */
static void the_rest_of_the_smuggling_table(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);

    (void)state;
    pseudo(c, "POST", "/echo");
    field(c, "host", "a.example");
    field(c, "host", "a.example");
    put_head(c, 1, true);
    PT_CHECK(answer(c, 1) != 200);
    pseudo(c, "POST", "/echo");
    field(c, "content-length", "0");
    field(c, "content-length", "0");
    put_head(c, 3, true);
    PT_CHECK(answer(c, 3) != 200);
    pseudo(c, "POST", "/echo");
    put_head(c, 5, false);
    pt_buf_reset(&c->block);
    field(c, "x", "a\r\nb");
    put_head(c, 5, true);
    PT_CHECK(answer(c, 5) != 200);
    assert_int_equal(atomic_load(&f->handled), 0);
    /* A sound trailer is dropped. */
    pseudo(c, "POST", "/echo");
    field(c, "host", "A.example");
    put_head(c, 7, false);
    pt_buf_reset(&c->block);
    field(c, "x-test", "trailer");
    put_head(c, 7, true);
    assert_int_equal(answer(c, 7), 200);
    PT_CHECK(strstr((char *)c->payload, "host=A.example x= body=0:"));
    client_close(c);
    fixture_destroy(f);
}

static void put_flood(struct client *c, unsigned kind, uint32_t i)
{
    static const uint8_t zeros[64];
    static const uint8_t setting[6] = {0, 4, 0, 0, 255, 255};
    static const uint8_t one[4] = {0, 0, 0, 1};

    switch (kind) {
    case 0: /* rapid reset, CVE-2023-44487 */
        get(c, 3 + 2 * i, "/later");
        put_frame(c, RST, 0, 3 + 2 * i, "\0\0\0\x08", 4);
        break;
    case 1: /* the same with requests that never end */
        pseudo(c, "POST", "/echo");
        put_head(c, 3 + 2 * i, false);
        put_frame(c, RST, 0, 3 + 2 * i, "\0\0\0\x08", 4);
        break;
    case 2:
        put_frame(c, SETTINGS, 0, 0, setting, sizeof(setting));
        break;
    case 3:
        put_frame(c, PING, 0, 0, zeros, 8);
        break;
    case 4:
        put_frame(c, DATA, 0, 1, NULL, 0);
        break;
    case 5:
        put_frame(c, DATA, PADDED, 1, zeros, 1);
        break;
    case 6:
        put_frame(c, PRIORITY, 0, 3, "\0\0\0\0\x10", 5);
        break;
    case 7:
        put_frame(c, WINDOW, 0, 0, one, 4);
        break;
    case 8:
        put_frame(c, 99, 0, 0, NULL, 0); /* a type that nobody knows */
        break;
    case 9:
        put_frame(c, SETTINGS, ACK, 0, NULL, 0);
        break;
    default: /* more streams than there may be */
        pseudo(c, "POST", "/echo");
        put_head(c, 3 + 2 * i, false);
        break;
    }
}

static void floods_end_the_connection(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (unsigned kind = 0; kind <= 10; kind++) {
        struct client *c = client_open(f);
        uint32_t code = 0;

        pseudo(c, "POST", "/echo");
        put_head(c, 1, false);
        for (uint32_t i = 0; i < 5000; i++) {
            put_flood(c, kind, i);
        }
        code = goaway(c);
        /* Too many unknown SETTINGS acknowledgements are wrong for their own sake. */
        if (code != CALM && !(kind == 9 && code != UINT32_MAX && code != 0)) {
            fail_msg("flood %u ended with %u", kind, code);
        }
        client_close(c);
    }
    PT_CHECK(atomic_load(&f->handled) < 200);
    /* Those that were reset with a handler are answered into nothing. */
    while (f->boxed > 0) {
        struct pt_http_request *request = NULL;

        take_box(f, &request, 1);
        pt_http_respond(request, 200, NULL, (struct pt_span){0}, NULL, 0);
    }
    wait_for_open(f, 0);
    fixture_destroy(f);
}

/* An endless header block: CONTINUATION without END_HEADERS. */
static void endless_header_blocks_end_the_connection(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct client *c = client_open(f);
        static char filler[8000];

        pseudo(c, "GET", "/echo");
        put_frame(c, HEADERS, END_STREAM, 1, c->block.data, c->block.size);
        memset(filler, 'f', sizeof(filler) - 1);
        for (unsigned i = 0; i < 400; i++) {
            pt_buf_reset(&c->block);
            field(c, "x", kind ? filler : "");
            put_frame(c, CONTINUATION, 0, 1, c->block.data, kind ? c->block.size : 0);
        }
        PT_CHECK(goaway(c) != 0);
        client_close(c);
    }
    assert_int_equal(atomic_load(&f->handled), 0);
    fixture_destroy(f);
}

static void streams_are_bounded_with_those_that_were_reset(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);
    struct pt_http_request *requests[100];

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        get(c, 1 + 2 * i, "/later");
    }
    send_out(c);
    take_box(f, requests, 100);
    /* The peer forgets 20 of them; the handlers do not. */
    for (uint32_t i = 0; i < 20; i++) {
        put_frame(c, RST, 0, 1 + 2 * i, "\0\0\0\x08", 4);
    }
    get(c, 201, "/echo");
    assert_true(next_frame(c));
    assert_int_equal(c->type, RST);
    assert_int_equal(c->stream, 201);
    assert_int_equal(number_at(c->payload), 7); /* REFUSED_STREAM: safe to try again */
    for (uint32_t i = 0; i < 100; i++) {
        pt_http_respond(requests[i], 204, NULL, (struct pt_span){0}, NULL, 0);
    }
    for (uint32_t i = 20; i < 100; i++) {
        assert_int_equal(answer(c, 1 + 2 * i), 204);
    }
    get(c, 203, "/echo");
    assert_int_equal(answer(c, 203), 200);
    client_close(c);
    fixture_destroy(f);
}

/* A large answer goes out as the peer grants windows, beside small ones. */
static void answers_follow_the_window(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);
    size_t got = 0;
    size_t granted = 0;
    bool is_over = false;

    (void)state;
    get(c, 1, "/big");
    while (!is_over) {
        assert_true(next_frame(c));
        if (c->type == HEADERS) {
            assert_int_equal(c->status, 200);
            continue;
        }
        assert_int_equal(c->type, DATA);
        if (c->stream == 3) {
            continue;
        }
        for (size_t i = 0; i < c->size; i++) {
            if (c->payload[i] != (uint8_t)((got + i) * 31 >> 8)) {
                fail_msg("byte %zu differs", got + i);
            }
        }
        got += c->size;
        granted += c->size;
        is_over = (c->flags & END_STREAM) != 0;
        if (granted >= 32768 && !is_over) {
            const uint8_t more[4] = {(uint8_t)(granted >> 24), (uint8_t)(granted >> 16),
                                     (uint8_t)(granted >> 8), (uint8_t)granted};

            put_frame(c, WINDOW, 0, 0, more, 4);
            put_frame(c, WINDOW, 0, 1, more, 4);
            granted = 0;
        }
        if (got > BIG_BYTES / 2 && got <= BIG_BYTES / 2 + 16384 && c->stream == 1) {
            get(c, 3, "/later");
            send_out(c);
            {
                struct pt_http_request *request = NULL;

                take_box(f, &request, 1);
                pt_http_respond(request, 200, NULL, (struct pt_span){0}, NULL, 0);
            }
        }
    }
    assert_int_equal(got, BIG_BYTES);
    client_close(c);
    fixture_destroy(f);
}

/* Within the windows that the server grants, and beside a body that is forgotten. */
static void large_bodies_arrive_whole(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);
    static uint8_t piece[16384];
    size_t windows[2] = {1048576, 262144}; /* the connection's, stream 3's */

    (void)state;
    put_frame(c, SETTINGS, ACK, 0, NULL, 0);
    pseudo(c, "POST", "/small");
    field(c, "content-length", "16384");
    put_head(c, 1, false);
    assert_int_equal(answer(c, 1), 413); /* and what follows of it is forgotten */
    put_frame(c, DATA, END_STREAM, 1, piece, sizeof(piece));
    windows[0] -= sizeof(piece);
    pseudo(c, "POST", "/echo");
    put_head(c, 3, false);
    c->sees_windows = true;
    for (unsigned i = 0; i < 64; i++) {
        while (windows[0] < sizeof(piece) || windows[1] < sizeof(piece)) {
            assert_true(next_frame(c));
            assert_int_equal(c->type, WINDOW);
            windows[c->stream ? 1 : 0] += number_at(c->payload);
        }
        put_frame(c, DATA, i == 63 ? END_STREAM : 0, 3, piece, sizeof(piece));
        windows[0] -= sizeof(piece);
        windows[1] -= sizeof(piece);
    }
    c->sees_windows = false;
    assert_true(next_frame(c));
    assert_int_equal(c->type, HEADERS);
    assert_int_equal(c->status, 200);
    assert_true(next_frame(c));
    PT_CHECK(strstr((char *)c->payload, "body=1048576:"));
    client_close(c);
    fixture_destroy(f);
}

static void slow_peers_run_out_of_time(void **state)
{
    struct fixture *f = fixture_create();
    struct client *c = NULL;

    (void)state;
    f->limits.header_timeout_ms = 100;
    f->limits.body_timeout_ms = 200;
    f->limits.write_timeout_ms = 300;
    f->limits.idle_timeout_ms = 400;
    fixture_start(f);
    /* nothing at all, then a part of the preface */
    c = client_open(f);
    pt_buf_reset(&c->out);
    PT_CHECK(!next_frame(c));
    client_close(c);
    c = client_open(f);
    c->out.size = 10;
    send_out(c);
    PT_CHECK(recv(c->fd, c->payload, 12, MSG_WAITALL) == 12 &&
             memcmp(c->payload, "HTTP/1.1 408", 12) == 0);
    client_close(c);
    /* no request */
    c = client_open(f);
    assert_int_equal(goaway(c), 0);
    client_close(c);
    /* half a header block */
    c = client_open(f);
    pseudo(c, "GET", "/echo");
    put_frame(c, HEADERS, END_STREAM, 1, c->block.data, 5);
    assert_int_equal(goaway(c), CALM);
    client_close(c);
    /* half a body, while others are served */
    c = client_open(f);
    pseudo(c, "POST", "/echo");
    put_head(c, 1, false);
    put_frame(c, DATA, 0, 1, "x", 1);
    get(c, 3, "/echo");
    assert_int_equal(answer(c, 3), 200);
    assert_int_equal(answer(c, 1), 408);
    client_close(c);
    /* an answer for which there is never a window */
    c = client_open(f);
    get(c, 1, "/big");
    while (next_frame(c)) {
    }
    client_close(c);
    wait_for_open(f, 0);
    fixture_destroy(f);
}

/* Bytes by drops keep a body no longer alive than silence does. */
static void a_trickle_runs_out_of_time(void **state)
{
    struct fixture *f = fixture_create();
    struct client *c = NULL;
    struct pollfd poll_fd = {.events = POLLIN};
    unsigned drops = 0;

    (void)state;
    f->limits.body_timeout_ms = 200;
    fixture_start(f);
    c = client_open(f);
    pseudo(c, "POST", "/echo");
    put_head(c, 1, false);
    send_out(c);
    poll_fd.fd = c->fd;
    for (; drops < 300; drops++) {
        put_frame(c, DATA, 0, 1, "x", 1);
        send_out(c);
        pt_test_sleep_ms(20);
        /* The server's own first frames come at once. */
        if (drops > 3 && poll(&poll_fd, 1, 0) == 1 && next_frame(c)) {
            break;
        }
    }
    PT_CHECK(c->type == HEADERS && c->status == 408);
    client_close(c);
    fixture_destroy(f);
}

static void a_peer_that_leaves_takes_nothing_with_it(void **state)
{
    struct fixture *f = fixture_open();
    struct client *c = client_open(f);
    struct pt_http_request *requests[3];

    (void)state;
    get(c, 1, "/later");
    get(c, 3, "/later");
    get(c, 5, "/later");
    send_out(c);
    take_box(f, requests, 3);
    pt_http_respond(requests[0], 200, "text/plain", pt_span_str("one"), NULL, 0);
    client_close(c);
    pt_test_sleep_ms(50);
    pt_http_respond(requests[1], 200, "text/plain", pt_span_str("two"), NULL, 0);
    pt_test_sleep_ms(20);
    wait_for_open(f, 1);
    pt_http_respond(requests[2], 200, "text/plain", pt_span_str("three"), NULL, 0);
    wait_for_open(f, 0);
    fixture_destroy(f);
}

static void *answer_late(void *arg)
{
    struct fixture *f = arg;
    struct pt_http_request *request = NULL;

    take_box(f, &request, 1);
    pt_test_sleep_ms(100);
    pt_http_respond(request, 200, "text/plain", pt_span_str("late"), NULL, 0);
    return NULL;
}

static void drain_says_goaway_and_answers_what_was_read(void **state)
{
    struct fixture *f = fixture_open();
    struct client *idle = client_open(f);
    struct client *c = client_open(f);
    pthread_t thread;

    (void)state;
    get(idle, 1, "/echo");
    assert_int_equal(answer(idle, 1), 200);
    get(c, 1, "/later");
    send_out(c);
    while (atomic_load(&f->handled) < 2) {
        pt_test_sleep_ms(1);
    }
    pthread_create(&thread, NULL, answer_late, f);
    pt_http_server_drain(f->server, 10000);
    pthread_join(thread, NULL);
    assert_int_equal(goaway(idle), 0);
    assert_true(next_frame(c));
    assert_int_equal(c->type, GOAWAY);
    assert_int_equal(number_at(c->payload), 1);
    assert_int_equal(answer(c, 1), 200);
    PT_CHECK(!next_frame(c));
    client_close(c);
    client_close(idle);
    fixture_destroy(f);
}

/*
 * Fifteen requests of 62,000 bytes together want 930,000, within the connection's window, and over
 * what it may hold. All have begun before the first body comes, so that what has no room is told
 * 503 and not REFUSED_STREAM, wherever the reads of the server cut the frames.
 */
static void a_connection_holds_a_bounded_sum_of_bodies(void **state)
{
    enum { COUNT = 15, PIECES = 4 };
    struct fixture *f = fixture_create();
    struct client *c = NULL;
    static uint8_t piece[15500];
    unsigned refused = 0;

    (void)state;
    f->limits.body_bytes_max = 64 * 1024;
    fixture_start(f);
    c = client_open(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        pseudo(c, "POST", "/sum");
        put_head(c, 1 + 2 * i, false);
    }
    for (uint32_t i = 0; i < COUNT * PIECES; i++) {
        put_frame(c, DATA, 0, 1 + 2 * (i / PIECES), piece, sizeof(piece));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        put_frame(c, DATA, END_STREAM, 1 + 2 * i, NULL, 0);
    }
    for (unsigned answers = 0; answers < COUNT;) {
        assert_true(next_frame(c));
        PT_CHECK(c->type == HEADERS || c->type == DATA);
        if (c->type == HEADERS) {
            answers++;
            refused += c->status == 503;
            PT_CHECK(c->status == 204 ||
                     (c->status == 503 && strstr(c->fields, "\nretry-after: 1\n")));
        }
    }
    PT_CHECK(refused > 0 && refused < COUNT);
    assert_int_equal(atomic_load(&f->handled), COUNT - refused);
    client_close(c);
    fixture_destroy(f);
}

/* Where there is no room for a request itself, it may be tried again: either way it is told so. */
static void a_connection_holds_a_bounded_sum_of_requests(void **state)
{
    struct fixture *f = fixture_create();
    struct client *c = NULL;
    static uint8_t piece[16000];
    unsigned refused = 0;

    (void)state;
    f->limits.body_bytes_max = 64 * 1024;
    fixture_start(f);
    c = client_open(f);
    for (uint32_t i = 0; i < 60; i++) {
        pseudo(c, "POST", "/sum");
        put_head(c, 1 + 2 * i, false);
        put_frame(c, DATA, 0, 1 + 2 * i, piece, sizeof(piece));
    }
    put_frame(c, PING, 0, 0, "12345678", 8);
    do {
        assert_true(next_frame(c));
        if (c->type == HEADERS) {
            assert_int_equal(c->status, 503);
            PT_CHECK(strstr(c->fields, "\nretry-after: 1\n"));
            refused++;
        } else if (c->type == RST) {
            assert_int_equal(number_at(c->payload), 7); /* REFUSED_STREAM */
            refused++;
        }
    } while (c->type != PING);
    PT_CHECK(refused > 0 && refused < 60);
    client_close(c);
    fixture_destroy(f);
}

/* ---- without memory: the client's own must not be what fails, so these use none ---- */

/* The end of what comes, be it a reset; false: it stays open, and nothing comes. */
static bool has_ended(int fd)
{
    uint8_t rest[4096];
    ssize_t n = 0;

    do {
        n = recv(fd, rest, sizeof(rest), 0);
    } while (n > 0);
    return n == 0 || errno == ECONNRESET;
}

/* Stream 1 was answered or reset, or the connection has ended. */
static bool is_settled(int fd)
{
    static uint8_t payload[16384];
    uint8_t head[9];

    while (recv(fd, head, sizeof(head), MSG_WAITALL) == sizeof(head)) {
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        bool is_last =
            head[3] == RST || ((head[3] == HEADERS || head[3] == DATA) && (head[4] & END_STREAM));

        if (size > sizeof(payload) || /* no frame: HTTP/1's 503 */
            recv(fd, payload, size, MSG_WAITALL) != (ssize_t)size) {
            break;
        }
        if (is_last && number_at(head + 5) == 1) {
            return true;
        }
    }
    return has_ended(fd);
}

/* Read up to the first frame of `type`. */
static bool has_read_up_to(int fd, uint8_t type)
{
    uint8_t head[9];
    uint8_t payload[64];

    do {
        if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head) ||
            head[2] > sizeof(payload) ||
            recv(fd, payload, head[2], MSG_WAITALL) != (ssize_t)head[2]) {
            return false;
        }
    } while (head[3] != type);
    return true;
}

/*
 * Whichever allocation fails, from the accept on or from the request on: the request is answered,
 * or its stream is reset, or its connection ends; and the next is served.
 */
static void no_failed_allocation_harms_the_server(void **state)
{
    static const uint8_t hello[] = PREFACE "\0\0\0\x04\0\0\0\0";
    static const uint8_t ping[] = {0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t request[] = {0,    0,    15,  HEADERS, END_STREAM | END_HEADERS,
                                      0,    0,    0,   1,       0x82,
                                      0x86, 0x04, 5,   '/',     'e',
                                      'c',  'h',  'o', 0x01,    4,
                                      'h',  'o',  's', 't'};
    struct fixture *f = fixture_create();

    (void)state;
    f->limits.threads = 1;
    fixture_start(f);
    for (int is_late = 0; is_late < 2; is_late++) {
        bool has_fired = true;

        for (unsigned nth = 1; has_fired; nth++) {
            int fd = -1;

            if (is_late) {
                fd = pt_test_connect(f->port);
                PT_CHECK(send(fd, hello, sizeof(hello), MSG_NOSIGNAL) == sizeof(hello));
                PT_CHECK(send(fd, ping, sizeof(ping), MSG_NOSIGNAL) == sizeof(ping));
                PT_CHECK(has_read_up_to(fd, PING));
                pt_mem_fail_after(nth);
            } else {
                pt_mem_fail_after(nth);
                fd = pt_test_connect(f->port);
                (void)send(fd, hello, sizeof(hello), MSG_NOSIGNAL); /* it may be gone already */
            }
            (void)send(fd, request, sizeof(request), MSG_NOSIGNAL);
            if (!is_settled(fd)) {
                fail_msg("nothing came when allocation %u failed (%d)", nth, is_late);
            }
            has_fired = pt_mem_fault_fired();
            pt_mem_fail_after(0);
            PT_CHECK(has_fired || nth > 10); /* it has reached the server at all */
            close(fd);
        }
    }
    {
        struct client *c = client_open(f);

        get(c, 1, "/echo");
        assert_int_equal(answer(c, 1), 200);
        client_close(c);
    }
    wait_for_open(f, 0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_sees_its_request),
        cmocka_unit_test(many_requests_are_answered_in_any_order),
        cmocka_unit_test(mistakes_get_their_status),
        cmocka_unit_test(header_lists_are_bounded),
        cmocka_unit_test(smuggled_heads_reach_no_handler),
        cmocka_unit_test(the_rest_of_the_smuggling_table),
        cmocka_unit_test(floods_end_the_connection),
        cmocka_unit_test(endless_header_blocks_end_the_connection),
        cmocka_unit_test(streams_are_bounded_with_those_that_were_reset),
        cmocka_unit_test(answers_follow_the_window),
        cmocka_unit_test(large_bodies_arrive_whole),
        cmocka_unit_test(slow_peers_run_out_of_time),
        cmocka_unit_test(a_trickle_runs_out_of_time),
        cmocka_unit_test(a_peer_that_leaves_takes_nothing_with_it),
        cmocka_unit_test(drain_says_goaway_and_answers_what_was_read),
        cmocka_unit_test(a_connection_holds_a_bounded_sum_of_bodies),
        cmocka_unit_test(a_connection_holds_a_bounded_sum_of_requests),
        cmocka_unit_test(no_failed_allocation_harms_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
