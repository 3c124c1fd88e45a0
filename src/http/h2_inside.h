/*
 * h2_inside.h - the inside of HTTP/2: streams, their memory, the purse
 *
 * Only h2.c, h2_stream.c and h2_purse.c include this. nghttp2 is h2.c's alone; here are the
 * requests and answers that it carries, and what a connection may cost.
 */
#ifndef PT_HTTP_H2_INSIDE_H
#define PT_HTTP_H2_INSIDE_H

#include "http/h2.h"

#define PT_H2_FRAME_HEAD_BYTES 9u
#define PT_H2_BODY_BYTES_FIRST ((size_t)4096)
/* Status, content type, date and length, and what a handler and CORS add. */
#define PT_H2_ANSWER_FIELDS_MAX (4u + PT_HTTP_ANSWER_HEADERS_MAX + PT_HTTP_CORS_FIELDS_MAX)

#define PT_H2_PURSE_MAX 256
#define PT_H2_EARNED_A_REQUEST 3
#define PT_H2_COST_RESET 4
#define PT_H2_COST_BROKEN 8

/* What frames that carry nothing may still cost; below 0 it is over. */
struct pt_h2_purse {
    int amount;
    int64_t filled_us;
    /* Where in the byte stream the next frame header is. */
    uint32_t preface_left;
    uint32_t payload_left;
    uint32_t frame_head_bytes;
    uint8_t frame_head[PT_H2_FRAME_HEAD_BYTES];
};

struct pt_http_stream {
    struct pt_http_request request;
    struct pt_http_h2 *h2;
    struct pt_http_stream *prev;
    struct pt_http_stream *next;
    int32_t id;
    int64_t deadline_us; /* to be whole by then */
    bool is_head_done;
    bool is_whole;    /* all of the request is here */
    bool is_handling; /* with a handler */
    bool is_answered; /* an answer was given to nghttp2 */
    bool is_sent;     /* and nghttp2 has sent it whole */
    bool is_waiting;  /* a feed: nghttp2 asks for no more before it is told that there is some */
    bool is_gone;     /* nghttp2 knows it no more */
    bool expects_continue;
    const struct pt_http_route *route;
    size_t counted_bytes; /* of the connection's and the loop's memory */

    /* The request's head: texts in `head`, names in lower case. */
    struct pt_buf head;
    uint32_t list_bytes; /* as RFC 9113 6.5.2 counts */
    uint32_t field_count;
    struct pt_http_field fields[PT_HTTP_FIELDS_MAX];
    struct pt_http_text method;
    struct pt_http_text target;
    struct pt_http_text authority;
    int head_status; /* 0: sound so far */
    const char *head_code;
    const char *head_detail;
    bool has_content_length;
    uint64_t content_length;

    uint8_t *body;
    size_t body_bytes;
    size_t body_capacity;

    /* The answer: texts, then the body, in `answer`. */
    struct pt_buf answer;
    int status;
    uint32_t answer_field_count;
    struct pt_http_field answer_fields[PT_H2_ANSWER_FIELDS_MAX];
    size_t answer_body_at;
    size_t answer_sent; /* of the body */
};

struct pt_http_h2 {
    struct pt_http_conn *conn;
    struct nghttp2_session *session;
    struct pt_http_stream *streams;
    uint32_t stream_count;
    uint32_t handling;
    uint32_t receiving;
    uint32_t answering;
    uint32_t waiting;  /* of those, feeds of which all there is was sent */
    size_t held_bytes; /* the streams' counted bytes */
    size_t held_bytes_max;
    int64_t next_deadline_us; /* no stream's is earlier */
    bool is_draining;
    bool has_failed;

    struct pt_h2_purse purse;
};

/* ---- h2_purse.c ---- */

void pt_h2_purse_init(struct pt_h2_purse *purse, int64_t now_us);
/* What time has earned. */
void pt_h2_purse_fill(struct pt_h2_purse *purse, int64_t now_us);
void pt_h2_purse_earn(struct pt_h2_purse *purse, int amount);
/*
 * Pay for the frames that begin in these bytes. Returns how many bytes may be read: all, or
 * those up to the head of the frame that could not be paid.
 */
size_t pt_h2_purse_pay(struct pt_h2_purse *purse, const uint8_t *data, size_t size);

/* ---- h2_stream.c ---- */

/* NULL: no memory, or a bound forbids it. */
struct pt_http_stream *pt_h2_stream_create(struct pt_http_h2 *h2, int32_t id) PT_MUST_USE;
void pt_h2_stream_free(struct pt_http_stream *stream);
void pt_h2_set_deadline(struct pt_http_stream *stream, int64_t left_us);
/* The request needs nothing more from the peer. */
void pt_h2_set_whole(struct pt_http_stream *stream);
/* The answer needs nothing more from us. */
void pt_h2_set_sent(struct pt_http_stream *stream);
void pt_h2_set_waiting(struct pt_http_stream *stream, bool is_waiting);
/* nghttp2 knows it no more: freed, unless it is with a handler. */
void pt_h2_set_gone(struct pt_http_stream *stream);
/* An answer was written: it is counted, whatever the bounds say. */
void pt_h2_hold_answer(struct pt_http_stream *stream);
/* Room for that many bytes of body and the spare ones behind it; false where there is none. */
bool pt_h2_reserve_body(struct pt_http_stream *stream, size_t bytes) PT_MUST_USE;

/* One field of the head, pseudo-headers too; the first mistake stays in stream->head_status. */
void pt_h2_take_field(struct pt_http_stream *stream, struct pt_span name, struct pt_span value);
void pt_h2_refuse_head(struct pt_http_stream *stream, int status, const char *code,
                       const char *detail);
/* All fields are here: what nghttp2 lets pass and HTTP/1's parser does not. */
void pt_h2_check_head(struct pt_http_stream *stream);
/* After a sound head: method, path, query of the request. */
void pt_h2_split_target(struct pt_http_stream *stream);

#endif
