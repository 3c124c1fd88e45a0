/*
 * fuzz_http_h2.c - HTTP/2: any frames leave the memory's account even, and its bounds kept
 *
 * Bytes go into the layer without a socket; handlers answer at once, or when the input says so,
 * also after their stream is gone. The first byte says how the rest is cut, the second whether the
 * preface is put before it. Between pieces time passes and what is to be sent is taken away.
 */
#include "http/h2.h"

#include <stdlib.h>

#define LATER_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pt_http_server server;
static struct pt_http_loop loop;
static struct pt_http_request *later[LATER_MAX];
static size_t later_count;

/* As pt_http_respond() inside a handler: this thread runs no loop, so it is done by hand. */
static void answer_now(void *ctx, struct pt_http_request *request)
{
    struct pt_span body = pt_http_body(request);

    (void)ctx;
    pt_assert(body.data[body.size + PT_HTTP_SPARE_BYTES - 1] == 0 || body.size > 0);
    pt_http_stream_answer(request->stream, 200, "text/plain", body, NULL, 0);
    loop.handling = NULL;
}

static void answer_later(void *ctx, struct pt_http_request *request)
{
    (void)ctx;
    pt_assert(later_count < LATER_MAX);
    later[later_count++] = request;
}

static void answer_one(struct pt_http_h2 *h2)
{
    if (later_count > 0) {
        struct pt_http_request *request = later[--later_count];

        pt_http_stream_answer(request->stream, 404, "text/plain", pt_http_header(request, "x"),
                              NULL, 0);
        pt_http_h2_answered(h2, request->stream);
    }
}

static void set_up(void)
{
    if (server.route_count == 0) {
        pt_http_limits_default(&server.limits);
        server.limits.header_bytes_max = 2048;
        server.limits.body_bytes_max = 65536;
        server.clock = pt_clock_system();
        loop.server = &server;
        loop.memory_bytes_max = 4u << 20;
        if (pt_http_route(&server, "POST", "/a", 65536, answer_now, NULL, NULL) ||
            pt_http_route(&server, "GET", "/a", 0, answer_now, NULL, NULL) ||
            pt_http_route(&server, "POST", "/b/*", 1000, answer_later, NULL, NULL) ||
            pt_http_route(&server, "GET", "/b/*", 0, answer_later, NULL, NULL)) {
            abort();
        }
    }
    loop.now_us = 1000000;
    later_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pt_http_listener listener;
    struct pt_http_conn *conn = NULL;
    struct pt_buf out;
    bool is_open = true;
    size_t at = 2;

    if (size < 2) {
        return 0;
    }
    set_up();
    conn = calloc(1, sizeof(*conn));
    pt_assert(conn);
    conn->loop = &loop;
    conn->listener = &listener;
    conn->h2 = pt_http_h2_create(conn);
    pt_assert(conn->h2);
    pt_buf_init(&out, 1u << 24);
    if (data[1] % 4) {
        is_open = pt_http_h2_receive(conn->h2, (const uint8_t *)PT_HTTP_H2_PREFACE,
                                     PT_HTTP_H2_PREFACE_BYTES);
    }
    while (is_open && at < size) {
        size_t piece = (size_t)data[0] * 16 + 1;

        piece = size - at < piece ? size - at : piece;
        is_open = pt_http_h2_receive(conn->h2, data + at, piece);
        at += piece;
        loop.now_us += (int64_t)data[1] * 1000;
        is_open = is_open && pt_http_h2_check_deadlines(conn->h2);
        pt_buf_reset(&out);
        pt_assert(pt_http_h2_fill(conn->h2, &out));
        pt_assert(out.size < (1u << 20));
        pt_assert(loop.memory_bytes <= 4u << 20);
        if (data[at - 1] & 1) {
            answer_one(conn->h2);
        }
    }
    if (data[0] & 1) {
        pt_http_h2_drain(conn->h2);
        pt_buf_reset(&out);
        pt_assert(pt_http_h2_fill(conn->h2, &out));
    }
    pt_assert(pt_http_h2_handling(conn->h2) == later_count);
    if (later_count > 0 && (data[1] & 1)) {
        pt_http_h2_abandon(conn->h2);
    }
    while (later_count > 0) {
        answer_one(conn->h2);
    }
    pt_http_h2_release(conn->h2);
    pt_assert(loop.memory_bytes == 0);
    pt_buf_release(&out);
    free(conn);
    return 0;
}
