/*
 * h2.h - HTTP/2 for one connection, by nghttp2, without its socket
 *
 * Only src/http and its tests include this. Bytes go in and come out; in between
 * streams become requests, which handlers answer like those of HTTP/1. All of it belongs to
 * the connection's loop, but for what pt_http_stream_answer() writes while a request
 * is with a handler. Bounds: 100 streams, those counted whose peer has reset them while a
 * handler works; header list and bodies as in HTTP/1; bytes held by one connection; and a
 * purse of frames that carry nothing (resets, settings, pings, empty ones), which
 * time and whole requests fill: a peer that empties it gets GOAWAY ENHANCE_YOUR_CALM.
 */
#ifndef PT_HTTP_H2_H
#define PT_HTTP_H2_H

#include "http/loop.h"

#define PT_HTTP_STREAMS_MAX 100u
#define PT_HTTP_H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PT_HTTP_H2_PREFACE_BYTES 24u

/* NULL without memory. Pair with pt_http_h2_release(). */
struct pt_http_h2 *pt_http_h2_create(struct pt_http_conn *conn) PT_MUST_USE;
/* Frees all streams, also those with handlers: the loops have ended, or there are none. */
void pt_http_h2_release(struct pt_http_h2 *h2); /* NULL is fine */

/*
 * The peer's next bytes; handlers run inside. False: the peer broke the protocol or
 * exhausted its purse; what pt_http_h2_fill() still gives is to be sent, then it is over.
 */
bool pt_http_h2_receive(struct pt_http_h2 *h2, const uint8_t *data, size_t size) PT_MUST_USE;

/*
 * Append to `out` what is to be sent, some 64 KiB at most; nothing appended: nothing can be
 * sent now. False: no memory.
 */
bool pt_http_h2_fill(struct pt_http_h2 *h2, struct pt_buf *out) PT_MUST_USE;

/* That stream's request was answered by another thread. */
void pt_http_h2_answered(struct pt_http_h2 *h2, struct pt_http_stream *stream);

/* That stream's feed has news. */
void pt_http_h2_fed(struct pt_http_h2 *h2, struct pt_http_stream *stream);

/* No new streams: GOAWAY; while the server drains, feeds end. */
void pt_http_h2_drain(struct pt_http_h2 *h2);

/* The socket is gone: forget all but the requests that are with handlers. */
void pt_http_h2_abandon(struct pt_http_h2 *h2);

/* Requests that did not arrive whole in time get 408; false as for receive. */
bool pt_http_h2_check_deadlines(struct pt_http_h2 *h2) PT_MUST_USE;

/* Requests with handlers. */
size_t pt_http_h2_handling(const struct pt_http_h2 *h2);
/* Some requests have not arrived whole. */
bool pt_http_h2_is_receiving(const struct pt_http_h2 *h2);
/* Some answers were given and not all that there is of them is sent. */
bool pt_http_h2_is_answering(const struct pt_http_h2 *h2);
/* Nothing but answers that stay open is left to send. */
bool pt_http_h2_has_feeds_alone(const struct pt_http_h2 *h2);
/* Some answers stay open. */
bool pt_http_h2_is_feeding(const struct pt_http_h2 *h2);
/* Neither side has anything more to say. */
bool pt_http_h2_is_over(const struct pt_http_h2 *h2);

/* ---- for request.c and respond.c ---- */

struct pt_span pt_http_stream_header(const struct pt_http_stream *stream, struct pt_span name);
/* Any thread, while the request is with its handler; else the loop. */
void pt_http_stream_answer(struct pt_http_stream *stream, int status, const char *content_type,
                           struct pt_span body, const struct pt_http_header_out *headers,
                           size_t header_count);

#endif
