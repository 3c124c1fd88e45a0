/*
 * feed_peer.h - a client of answers that stay open, in HTTP/1 or HTTP/2
 *
 * For test_http_feed.c alone: plain bytes for HTTP/1, nghttp2's client for HTTP/2. What it needs of
 * memory is not the server's, so that a sweep of failed allocations meets the server only.
 */
#ifndef PT_TESTS_FEED_PEER_H
#define PT_TESTS_FEED_PEER_H

#include "check.h"
#include "loopback.h"

#include "base/mem.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define EARS_MAX 32u
#define PEER_WINDOW_MAX 0x7fffffffu

/* One answer of a peer's. */
struct ear {
    bool has_ended; /* in HTTP/2: by END_STREAM */
    bool is_reset;
    size_t size;
    char text[16384]; /* head and body; in HTTP/2 "name: value\r\n" … "\r\n" and the body */
};

struct peer {
    int fd;
    nghttp2_session *session; /* NULL: HTTP/1 */
    bool has_goaway;
    unsigned ear_count;
    struct ear ears[EARS_MAX];
};

static void ear_put(struct ear *ear, const void *data, size_t bytes)
{
    assert_true(ear->size + bytes < sizeof(ear->text));
    memcpy(ear->text + ear->size, data, bytes);
    ear->size += bytes;
    ear->text[ear->size] = '\0';
}

static struct ear *ear_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *ctx)
{
    struct ear *ear = ear_of(session, frame->hd.stream_id);

    (void)flags;
    (void)ctx;
    ear_put(ear, name, name_bytes);
    ear_put(ear, ": ", 2);
    ear_put(ear, value, value_bytes);
    ear_put(ear, "\r\n", 2);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t bytes, void *ctx)
{
    (void)flags;
    (void)ctx;
    ear_put(ear_of(session, id), data, bytes);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct peer *peer = ctx;
    struct ear *ear = NULL;

    if (frame->hd.type == NGHTTP2_GOAWAY) {
        peer->has_goaway = true;
    }
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        ear = ear_of(session, frame->hd.stream_id);
        if (frame->hd.type == NGHTTP2_HEADERS) {
            ear_put(ear, "\r\n", 2);
        }
        ear->has_ended = ear->has_ended || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t why, void *ctx)
{
    struct ear *ear = ear_of(session, id);

    (void)why;
    (void)ctx;
    ear->is_reset = !ear->has_ended;
    return 0;
}

static void peer_send(struct peer *peer)
{
    const uint8_t *data = NULL;
    ssize_t bytes = 0;

    while ((bytes = nghttp2_session_mem_send(peer->session, &data)) > 0) {
        (void)!send(peer->fd, data, (size_t)bytes, MSG_NOSIGNAL); /* a server may have left */
    }
}

/* `window`: how much the peer takes unasked; in HTTP/1 its socket. MAX: all, in a small socket. */
static struct peer *peer_open(uint16_t port, bool is_h2, unsigned window)
{
    struct peer *peer = pt_alloc_zero(sizeof(*peer));
    const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    nghttp2_session_callbacks *callbacks = NULL;
    int size = window == PEER_WINDOW_MAX ? 4096 : (int)window;

    assert_non_null(peer);
    peer->fd = pt_test_socket();
    if (window == PEER_WINDOW_MAX || (!is_h2 && window < 65535)) {
        setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    assert_true(pt_test_dial(peer->fd, port));
    if (is_h2) {
        assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        assert_int_equal(nghttp2_session_client_new(&peer->session, callbacks, peer), 0);
        nghttp2_session_callbacks_del(callbacks);
        assert_int_equal(nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, &settings, 1),
                         0);
        if (window == PEER_WINDOW_MAX) {
            assert_int_equal(
                nghttp2_submit_window_update(peer->session, NGHTTP2_FLAG_NONE, 0, 0x40000000), 0);
        }
    }
    return peer;
}

static void peer_close(struct peer *peer)
{
    nghttp2_session_del(peer->session);
    close(peer->fd);
    pt_free(peer);
}

/* Ask; in HTTP/1 once a connection. The answer's ear. */
static struct ear *peer_ask(struct peer *peer, const char *method, const char *path)
{
    struct ear *ear = &peer->ears[peer->ear_count++];

    assert_true(peer->ear_count <= EARS_MAX);
    if (peer->session) {
        const char *texts[] = {":method", method, ":scheme",    "http",
                               ":path",   path,   ":authority", "a"};
        nghttp2_nv fields[4];

        for (size_t i = 0; i < 4; i++) {
            fields[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)texts[2 * i],
                                     (uint8_t *)(uintptr_t)texts[2 * i + 1], strlen(texts[2 * i]),
                                     strlen(texts[2 * i + 1]), NGHTTP2_NV_FLAG_NONE};
        }
        assert_true(nghttp2_submit_request(peer->session, NULL, fields, 4, NULL, ear) > 0);
        peer_send(peer);
    } else {
        char text[128];
        int bytes = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, path);

        assert_int_equal(send(peer->fd, text, (size_t)bytes, MSG_NOSIGNAL), bytes);
    }
    return ear;
}

/* More bytes; false at the end of the connection, however it ends. */
static bool peer_read(struct peer *peer)
{
    uint8_t data[4096];
    ssize_t n = recv(peer->fd, data, sizeof(data), 0);

    if (n <= 0) {
        peer->ears[0].has_ended = peer->ears[0].has_ended || (!peer->session && n == 0);
        return false;
    }
    if (peer->session) {
        assert_int_equal(nghttp2_session_mem_recv(peer->session, data, (size_t)n), n);
        peer_send(peer);
    } else {
        ear_put(&peer->ears[0], data, (size_t)n);
    }
    return true;
}

static void peer_hear(struct peer *peer, struct ear *ear, const char *text)
{
    while (!strstr(ear->text, text)) {
        if (!peer_read(peer)) {
            fail_msg("\"%s\" is not in: %s", text, ear->text);
        }
    }
}

/* Read on to the answer's end. */
static void peer_hear_all(struct peer *peer, struct ear *ear)
{
    while (!ear->has_ended && !ear->is_reset && peer_read(peer)) {
    }
}

#endif
