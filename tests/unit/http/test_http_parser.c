/*
 * test_http_parser.c - what is a request, what is refused and with which status
 *
 * Method: tables of requests. Each is fed whole, then in two parts split at every
 * position, then byte by byte: the outcome must be the same. Then seeded damage to
 * good requests, where the sanitizers watch and whole and split must still agree.
 */
#include "check.h"

#include "base/mem.h"
#include "base/rng.h"
#include "http/parser.h"

#include <stdio.h>

#define HEADER_MAX 1024u
#define BODY_MAX 64u
#define HOST "Host: a\r\n"

struct outcome {
    int status;        /* 0: whole; -1: more bytes are wanted; else refused */
    size_t wire_bytes; /* of them all, how many were fed when it ended */
    uint32_t field_count;
    bool is_kept_alive;
    bool expects_continue;
    char method[40];
    char path[128];
    char query[128];
    char body[128];
};

static void copy_text(char *to, size_t to_bytes, const uint8_t *data, size_t bytes)
{
    PT_CHECK(bytes < to_bytes);
    memcpy(to, data, bytes);
    to[bytes] = '\0';
}

/* Bytes of a heap block of exactly their size, so that ASan sees a read past them. */
static uint8_t *grow_exactly(uint8_t *data, size_t size, const uint8_t *more, size_t more_bytes)
{
    uint8_t *grown = pt_alloc(size + more_bytes + 1);

    PT_CHECK(grown);
    if (size) {
        memcpy(grown, data, size);
    }
    memcpy(grown + size, more, more_bytes);
    pt_free(data);
    return pt_realloc(grown, size + more_bytes);
}

/* Feed `request` in parts of `first` bytes and then `step` bytes. */
static void feed(const uint8_t *request, size_t bytes, size_t first, size_t step,
                 struct outcome *outcome)
{
    struct pt_http_parser parser;
    enum pt_http_progress progress = PT_HTTP_MORE;
    bool is_head_done = false;
    uint8_t *data = NULL;
    size_t size = 0;
    size_t fed = 0;

    memset(outcome, 0, sizeof(*outcome));
    memset(&parser, 0xa5, sizeof(parser));
    pt_http_parser_init(&parser, HEADER_MAX);
    while (progress == PT_HTTP_MORE && fed < bytes) {
        size_t part = fed == 0 ? first : step;

        part = part < bytes - fed ? part : bytes - fed;
        data = grow_exactly(data, size, request + fed, part);
        size += part;
        fed += part;
        if (!is_head_done) {
            progress = pt_http_parse_head(&parser, data, size);
            is_head_done = progress == PT_HTTP_READY;
            if (is_head_done) {
                outcome->field_count = parser.field_count;
                outcome->is_kept_alive = parser.is_kept_alive;
                outcome->expects_continue = parser.expects_continue;
                copy_text(outcome->method, sizeof(outcome->method), data + parser.method.at,
                          parser.method.bytes);
                copy_text(outcome->path, sizeof(outcome->path), data + parser.path.at,
                          parser.path.bytes < 127 ? parser.path.bytes : 127);
                copy_text(outcome->query, sizeof(outcome->query), data + parser.query.at,
                          parser.query.bytes < 127 ? parser.query.bytes : 127);
            }
        }
        if (is_head_done) {
            progress = pt_http_parse_body(&parser, data, &size, BODY_MAX);
        }
    }
    if (progress == PT_HTTP_READY) {
        copy_text(outcome->body, sizeof(outcome->body), data + parser.head_bytes,
                  parser.body_bytes);
        PT_CHECK(parser.at <= size);
        outcome->wire_bytes = fed - (size - parser.at);
    } else {
        outcome->status = progress == PT_HTTP_REFUSED ? parser.status : -1;
        PT_CHECK(progress != PT_HTTP_REFUSED || (parser.code && parser.detail));
    }
    pt_free(data);
}

static void feed_whole(const char *request, struct outcome *outcome)
{
    feed((const uint8_t *)request, strlen(request), strlen(request), 1, outcome);
}

/* However it is cut, the outcome is that of the whole. */
static void check_splits(const uint8_t *request, size_t bytes, const struct outcome *whole)
{
    struct outcome split;

    for (size_t first = 1; first <= bytes; first++) {
        size_t step = first == 1 ? 1 : bytes;

        feed(request, bytes, first, step, &split);
        if (memcmp(&split, whole, sizeof(split)) != 0) {
            fail_msg("split at %zu: %d instead of %d: %.*s", first, split.status, whole->status,
                     (int)bytes, (const char *)request);
        }
    }
}

struct good {
    const char *request; /* what follows "|" is not the request's */
    const char *method;
    const char *path;
    const char *query;
    const char *body;
    bool closes;
};

static const struct good goods[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", false},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", false},
    {"GET /a/b?c=d&e?f HTTP/1.1\r\n" HOST "\r\n", "GET", "/a/b", "c=d&e?f", "", false},
    {"GET /a%20b? HTTP/1.1\r\n" HOST "\r\n", "GET", "/a%20b", "", "", false},
    {"GET http://h.example:80/a?b HTTP/1.1\r\nHost: H.example:80\r\n\r\n", "GET", "/a", "b", "",
     false},
    {"GET HTTPS://[::1]/ HTTP/1.1\r\nHost: [::1]\r\n\r\n", "GET", "/", "", "", false},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS", "*", "", "", false},
    {"GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: a, Close ,b\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", "GET", "/", "", "", false},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", "", false},
    {"GET / HTTP/1.1\r\nhOsT:\t a.b:80 \t\r\nX:\x80\xff\t!\r\n\r\n", "GET", "/", "", "", false},
    {"PO-ST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc|def", "PO-ST", "/x", "", "abc",
     false},
    {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 0003\r\n\r\nabc|", "POST", "/x", "", "abc",
     false},
    {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n|", "POST", "/x", "", "", false},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n|G", "POST", "/", "",
     "", false},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
     "3\r\nabc\r\n0000A;x=\"y\"\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n|GET /",
     "POST", "/", "", "abc0123456789\r", false},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "2\r\n\r\n\r\n0;last\r\nX-Sum: 1\r\nY:\r\n\r\n|",
     "POST", "/", "", "\r\n", false},
};

static void sound_requests_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        const char *mark = strchr(goods[i].request, '|');
        size_t own_bytes = mark ? (size_t)(mark - goods[i].request) : strlen(goods[i].request);
        char request[512];
        size_t bytes = own_bytes;
        struct outcome outcome;

        memcpy(request, goods[i].request, own_bytes);
        if (mark) {
            memcpy(request + own_bytes, mark + 1, strlen(mark + 1));
            bytes += strlen(mark + 1);
        }
        feed((const uint8_t *)request, bytes, bytes, 1, &outcome);
        if (outcome.status) {
            fail_msg("refused with %d: %s", outcome.status, goods[i].request);
        }
        assert_string_equal(outcome.method, goods[i].method);
        assert_string_equal(outcome.path, goods[i].path);
        assert_string_equal(outcome.query, goods[i].query);
        assert_string_equal(outcome.body, goods[i].body);
        assert_int_equal(outcome.is_kept_alive, !goods[i].closes);
        assert_int_equal(outcome.wire_bytes, own_bytes);
        check_splits((const uint8_t *)request, bytes, &outcome);
    }
}

#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

static const struct {
    const char *request;
    int status;
} bads[] = {
    /* the request line */
    {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"GET /\r\n", 400},
    {"GET\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.10\r\n" HOST "\r\n", 400},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"\x16\x03\x01\x02\n", 400}, /* TLS */
    /* header fields */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nX: host\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X : 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X@: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: 1\r\n 2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: 1\r\n\t2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n X: 1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: 1\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "\r\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x08\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Expect: the best\r\n\r\n", 417},
    /* framing */
    {POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
    {POST "Content-Length: 3, 3\r\n\r\nabc", 400},
    {POST "Content-Length: +3\r\n\r\nabc", 400},
    {POST "Content-Length: -3\r\n\r\nabc", 400},
    {POST "Content-Length: 0x3\r\n\r\nabc", 400},
    {POST "Content-Length: 3 3\r\n\r\nabc", 400},
    {POST "Content-Length:\r\n\r\nabc", 400},
    {POST "Content-Length: 18446744073709551619\r\n\r\nabc", 400},
    {POST "Content-Length: 65\r\n\r\n", 413},
    {POST "Content-Length: 999999999999999999\r\n\r\n", 413},
    {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: gzip\r\n\r\n", 501},
    {POST "Transfer-Encoding: identity\r\n\r\n", 501},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {POST "Transfer-Encoding:\x0b"
          "chunked\r\n\r\n",
     400},
    /* the same body meant to be read in two ways, and a field meant to be overlooked */
    {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST", 400},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: chun\xa0ked\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 501},
    {POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding\n: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer\x80-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Content-Length : 3\r\n\r\nabc", 400},
    {POST "Content\x00-Length: 3\r\n\r\nabc", -1}, /* a C string ends there */
    {POST "Content-Length: 3\xa0\r\n\r\nabc", 400},
    {POST "Content-Length: \xb2\r\n\r\nabc", 400},
    {POST "Content-Length: 1_0\r\n\r\nabc", 400},
    {"GET http://b/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://a:81/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://b/x HTTP/1.0\r\n" HOST "\r\n", 400},
    /* chunks */
    {CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n", 400},
    {CHUNKED "3\r\nabc\r\n0\n\r\n", 400},
    {CHUNKED "3\r\nabc0\r\n\r\n", 400},
    {CHUNKED "0_3\r\nabc\r\n", 400},
    {CHUNKED "3,3\r\nabc\r\n", 400},
    {CHUNKED "\t3\r\nabc\r\n", 400},
    {CHUNKED "\r\n", 400},
    {CHUNKED "g\r\n", 400},
    {CHUNKED " 3\r\nabc\r\n", 400},
    {CHUNKED "3 \r\nabc\r\n", 400},
    {CHUNKED "0x3\r\nabc\r\n", 400},
    {CHUNKED "-1\r\n", 400},
    {CHUNKED "3\nabc\r\n", 400},
    {CHUNKED "3;a\x01\r\nabc\r\n", 400},
    {CHUNKED "3;a\rb\r\nabc\r\n", 400},
    {CHUNKED "3\r\nabcd\r\n", 400},
    {CHUNKED "3\r\nabc\n\n", 400},
    {CHUNKED "3;" LONG "\r\nabc\r\n", 400},
    {CHUNKED "41\r\n", 413},
    {CHUNKED "1\r\na\r\n40\r\n", 413},
    {CHUNKED "ffffffffffffffff\r\n", 413},
    {CHUNKED "10000000000000000\r\n", 413},
    {CHUNKED "0\r\nX\r\n\r\n", 400},
    {CHUNKED "0\r\nX : 1\r\n\r\n", 400},
    {CHUNKED "0\r\nX: 1\n\r\n", 400},
    {CHUNKED "0\r\nX: " LONG LONG LONG LONG "\r\n\r\n", 431},
    /* sizes */
    {"GET /" LONG LONG LONG LONG " HTTP/1.1\r\n" HOST "\r\n", 431},
    {"GET / HTTP/1.1\r\n" HOST "X: " LONG LONG LONG LONG "\r\n\r\n", 431},
    {"GET / HTTP/1.1\r\n" HOST "X: " LONG "\r\nX: " LONG "\r\nX: " LONG "\r\nX: " LONG "\r\n\r\n",
     431},
    /* not whole */
    {"GET / HTTP/1.1\r\n" HOST "\r", -1},
    {POST "Content-Length: 3\r\n\r\nab", -1},
    {CHUNKED "3\r\nabc\r\n0\r\n", -1},
    {CHUNKED "3\r\nabc\r\n0\r\n\r", -1},
};

static void everything_else_is_refused_with_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct outcome outcome;

        feed_whole(bads[i].request, &outcome);
        if (outcome.status != bads[i].status) {
            fail_msg("%d instead of %d: %s", outcome.status, bads[i].status, bads[i].request);
        }
        check_splits((const uint8_t *)bads[i].request, strlen(bads[i].request), &outcome);
    }
}

static void the_head_and_its_fields_have_exact_limits(void **state)
{
    char request[HEADER_MAX + 64];
    struct outcome outcome;

    (void)state;
    for (size_t bytes = HEADER_MAX - 2; bytes <= HEADER_MAX + 2; bytes++) {
        int n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST "X: ");

        memset(request + n, 'x', bytes - (size_t)n - 4);
        memcpy(request + bytes - 4, "\r\n\r\n", 5);
        feed_whole(request, &outcome);
        assert_int_equal(outcome.status, bytes <= HEADER_MAX ? 0 : 431);
    }
    for (unsigned fields = PT_HTTP_FIELDS_MAX - 1; fields <= PT_HTTP_FIELDS_MAX + 1; fields++) {
        size_t at = (size_t)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST);

        for (unsigned i = 1; i < fields; i++) {
            at += (size_t)snprintf(request + at, sizeof(request) - at, "a:%u\r\n", i);
        }
        memcpy(request + at, "\r\n", 3);
        feed_whole(request, &outcome);
        assert_int_equal(outcome.status, fields <= PT_HTTP_FIELDS_MAX ? 0 : 431);
        assert_int_equal(outcome.field_count, fields <= PT_HTTP_FIELDS_MAX ? fields : 0);
    }
}

/* Many extensions, each short enough, must end somewhere. */
static void chunk_extensions_have_a_sum(void **state)
{
    char request[8192] = CHUNKED;
    size_t at = strlen(request);
    struct outcome outcome;

    (void)state;
    for (unsigned i = 0; i < 25; i++) {
        at += (size_t)snprintf(request + at, sizeof(request) - at, "1;%0200d\r\nx\r\n", 0);
    }
    feed_whole(request, &outcome);
    assert_int_equal(outcome.status, 400);
}

static void expectation_is_told(void **state)
{
    struct outcome outcome;

    (void)state;
    feed_whole(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", &outcome);
    PT_CHECK(outcome.status == 0 && outcome.expects_continue);
    feed_whole("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", &outcome);
    PT_CHECK(outcome.status == 0 && !outcome.expects_continue);
}

static void damage(uint8_t *request, size_t *bytes_io, struct pt_rng *rng)
{
    static const char alphabet[] = "\r\n\r\n :;,0a\t\x00\x7f\xff-";
    uint64_t hits = 1 + pt_rng_below(rng, 2);

    while (hits--) {
        size_t at = (size_t)pt_rng_below(rng, *bytes_io);
        uint8_t byte = (uint8_t)alphabet[pt_rng_below(rng, sizeof(alphabet) - 1)];

        switch (pt_rng_below(rng, 4)) {
        case 0:
            request[at] = byte;
            break;
        case 1: /* one more */
            memmove(request + at + 1, request + at, *bytes_io - at);
            request[at] = byte;
            (*bytes_io)++;
            break;
        case 2: /* one less */
            memmove(request + at, request + at + 1, *bytes_io - at - 1);
            (*bytes_io)--;
            break;
        default:
            request[at] = (uint8_t)pt_rng_next(rng);
            break;
        }
    }
}

static void damaged_requests_are_judged_alike_however_cut(void **state)
{
    struct pt_rng rng;
    unsigned refused = 0;
    unsigned whole_count = 0;

    (void)state;
    pt_rng_seed(&rng, 20261101);
    for (unsigned round = 0; round < 20000; round++) {
        const char *source = goods[pt_rng_below(&rng, sizeof(goods) / sizeof(goods[0]))].request;
        uint8_t request[512];
        size_t bytes = strlen(source);
        struct outcome whole;
        struct outcome split;

        memcpy(request, source, bytes);
        damage(request, &bytes, &rng);
        feed(request, bytes, bytes, 1, &whole);
        refused += whole.status > 0;
        whole_count += whole.status == 0;
        feed(request, bytes, 1 + (size_t)pt_rng_below(&rng, bytes),
             1 + (size_t)pt_rng_below(&rng, 9), &split);
        if (memcmp(&whole, &split, sizeof(whole)) != 0) {
            fail_msg("round %u: whole %d, split %d: %.*s", round, whole.status, split.status,
                     (int)bytes, (const char *)request);
        }
    }
    PT_CHECK(refused > 2000 && whole_count > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_requests_are_understood),
        cmocka_unit_test(everything_else_is_refused_with_its_status),
        cmocka_unit_test(the_head_and_its_fields_have_exact_limits),
        cmocka_unit_test(chunk_extensions_have_a_sum),
        cmocka_unit_test(expectation_is_told),
        cmocka_unit_test(damaged_requests_are_judged_alike_however_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
