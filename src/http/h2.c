/*
 * h2.c - HTTP/2 for one connection, by nghttp2, without its socket
 *
 * nghttp2 frames, compresses and checks the protocol (RFC 9113, and of RFC 9110 what it calls
 * messaging: pseudo-headers, lower-case names, no connection fields, content-length against the
 * data). Here stands what it leaves to the server: bounds, bodies, routes and answers.
 */
#include "http/h2_inside.h"

#include <nghttp2/nghttp2.h>

#define WINDOW_BYTES (256 * 1024)
#define CONNECTION_WINDOW_BYTES (1024 * 1024)
#define FILL_BYTES ((size_t)64 * 1024)
#define TRUSTED_BYTES ((size_t)256 * 1024)

/* How long the rest of a request is taken and forgotten after its answer. */
#define LINGER_US 5000000
/* A header block that goes on so far beyond its limit is not a mistake. */
#define HEADER_EXCESS 4u

/* ---- memory: all of nghttp2's comes from base/ too ---- */

static void *mem_alloc(size_t bytes, void *ctx)
{
    (void)ctx;
    return pt_alloc(bytes ? bytes : 1);
}

static void mem_free(void *memory, void *ctx)
{
    (void)ctx;
    pt_free(memory);
}

static void *mem_calloc(size_t count, size_t bytes, void *ctx)
{
    (void)ctx;
    if (bytes && count > SIZE_MAX / bytes) {
        return NULL;
    }
    return pt_alloc_zero(bytes && count ? count * bytes : 1);
}

static void *mem_realloc(void *memory, size_t bytes, void *ctx)
{
    (void)ctx;
    return pt_realloc(memory, bytes ? bytes : 1);
}

/* ---- answers ---- */

/* The same of an answer that stays open. */
static ssize_t read_feed(struct pt_http_stream *stream, uint8_t *to, size_t bytes, uint32_t *flags)
{
    enum pt_http_feed_news news = PT_HTTP_FEED_END;
    size_t count = 0;

    if (!pt_http_is_draining(stream->h2->conn)) {
        news = pt_http_feed_read(stream->request.feed, to, bytes, &count);
    }
    switch (news) {
    case PT_HTTP_FEED_BYTES:
        break;
    case PT_HTTP_FEED_NOTHING:
        pt_h2_set_waiting(stream, true);
        return NGHTTP2_ERR_DEFERRED;
    case PT_HTTP_FEED_END:
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        break;
    case PT_HTTP_FEED_CUT:
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    }
    return (ssize_t)count;
}

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *to, size_t bytes,
                           uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct pt_http_stream *stream = source->ptr;
    size_t at = stream->answer_body_at + stream->answer_sent;
    size_t left = stream->answer.size - at;
    size_t count = left < bytes ? left : bytes;

    (void)session;
    (void)id;
    (void)ctx;
    if (stream->request.feed) {
        return read_feed(stream, to, bytes, flags);
    }
    if (count) {
        memcpy(to, stream->answer.data + at, count);
    }
    stream->answer_sent += count;
    if (count == left) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)count;
}

/* A failure of nghttp2 other than of the peer's: no memory. */
static void fail(struct pt_http_h2 *h2, int result)
{
    if (result != 0) {
        h2->has_failed = true;
    }
}

static void reset_stream(struct pt_http_h2 *h2, int32_t id, uint32_t why)
{
    fail(h2, nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, why));
}

/* The stream's answer is written: give it to nghttp2. */
static void submit_answer(struct pt_http_stream *stream)
{
    struct pt_http_h2 *h2 = stream->h2;
    nghttp2_nv fields[PT_H2_ANSWER_FIELDS_MAX];
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_answer};
    bool has_body = false;
    int result = 0;

    if (stream->request.feed) {
        pt_http_conn_watch(h2->conn);
    }
    if (stream->answer.has_failed) {
        reset_stream(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    for (uint32_t i = 0; i < stream->answer_field_count; i++) {
        const struct pt_http_field *field = &stream->answer_fields[i];

        fields[i] = (nghttp2_nv){
            .name = stream->answer.data + field->name.at,
            .value = stream->answer.data + field->value.at,
            .namelen = field->name.bytes,
            .valuelen = field->value.bytes,
            .flags = NGHTTP2_NV_FLAG_NONE,
        };
    }
    pt_h2_hold_answer(stream);
    has_body = stream->request.feed || stream->answer.size > stream->answer_body_at;
    result = nghttp2_submit_response(h2->session, stream->id, fields, stream->answer_field_count,
                                     has_body ? &provider : NULL);
    fail(h2, result);
    if (result == 0) {
        stream->is_answered = true;
        h2->answering++;
        pt_http_count(&h2->conn->loop->counters.responses_by_class[stream->status / 100], 1);
    }
}

/* An answer of the server's own; what the peer still sends of the request is not wanted. */
static void refuse(struct pt_http_stream *stream, int status, const char *code, const char *detail)
{
    static const struct pt_http_header_out retry = {"Retry-After", "1"};

    pt_http_answer_write_error(&stream->request, status, code, detail, &retry,
                               status == 503 ? 1 : 0);
    submit_answer(stream);
}

/* ---- requests ---- */

static void hand_over(struct pt_http_stream *stream)
{
    static const uint8_t no_body[PT_HTTP_SPARE_BYTES];
    struct pt_http_h2 *h2 = stream->h2;
    struct pt_http_loop *loop = h2->conn->loop;
    struct pt_http_request *request = &stream->request;
    const struct pt_http_route *route = stream->route;
    size_t route_bytes = route->is_prefix ? route->path_bytes : request->path.size;

    request->path_rest =
        pt_span_of(request->path.data + route_bytes, request->path.size - route_bytes);
    request->body = pt_span_of(stream->body ? stream->body : no_body, stream->body_bytes);
    atomic_store_explicit(&request->is_answered, false, memory_order_relaxed);
    stream->is_handling = true;
    h2->handling++;
    loop->handling = request;
    route->handler(route->ctx, request);
    if (loop->handling) {
        loop->handling = NULL; /* another thread answers */
    } else {
        stream->is_handling = false;
        h2->handling--;
        submit_answer(stream);
    }
}

static void send_continue(struct pt_http_stream *stream)
{
    static uint8_t name[] = ":status";
    static uint8_t value[] = "100";
    const nghttp2_nv field = {name, value, sizeof(name) - 1, sizeof(value) - 1,
                              NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};

    fail(stream->h2, nghttp2_submit_headers(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                            NULL, &field, 1, NULL) < 0);
}

/* All header fields are here. */
static void take_head(struct pt_http_stream *stream)
{
    struct pt_http_conn *conn = stream->h2->conn;
    struct pt_http_loop *loop = conn->loop;
    struct pt_http_found found = {0};
    size_t announced = 0;

    stream->is_head_done = true;
    pt_h2_set_deadline(stream, (int64_t)loop->server->limits.body_timeout_ms * 1000);
    pt_http_count(&loop->counters.requests, 1);
    pt_h2_check_head(stream);
    if (stream->head_status) {
        refuse(stream, stream->head_status, stream->head_code, stream->head_detail);
        return;
    }
    pt_h2_split_target(stream);
    pt_http_route_find(loop->server, conn->listener->shows_admin, stream->request.method,
                       stream->request.path, &found);
    pt_http_cors_take(&stream->request, &found);
    stream->route = found.route;
    if (!found.route) {
        pt_http_answer_unrouted(&stream->request, &found);
        submit_answer(stream);
        return;
    }
    if (stream->has_content_length && stream->content_length > found.route->body_bytes_max) {
        refuse(stream, 413, "body_too_large", "the body is larger than this address takes");
        return;
    }
    announced = stream->has_content_length && stream->content_length < TRUSTED_BYTES
                    ? (size_t)stream->content_length
                    : 0;
    if (announced && !pt_h2_reserve_body(stream, announced)) {
        refuse(stream, 503, "unavailable", "the server is out of memory");
    } else if (stream->expects_continue && !stream->is_whole) {
        send_continue(stream);
    }
}

/* The peer has ended its side. */
static void take_end(struct pt_http_stream *stream)
{
    struct pt_http_h2 *h2 = stream->h2;

    if (stream->is_whole) {
        return;
    }
    pt_h2_set_whole(stream);
    pt_h2_purse_earn(&h2->purse, PT_H2_EARNED_A_REQUEST);
    if (!stream->is_answered) {
        hand_over(stream);
    }
}

/* ---- nghttp2's callbacks ---- */

static struct pt_http_stream *find_stream(struct pt_http_h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct pt_http_h2 *h2 = ctx;
    struct pt_http_stream *stream = NULL;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    if (h2->stream_count < PT_HTTP_STREAMS_MAX) {
        stream = pt_h2_stream_create(h2, frame->hd.stream_id);
    }
    if (!stream) {
        reset_stream(h2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM); /* may be tried again */
        return 0;
    }
    (void)nghttp2_session_set_stream_user_data(session, stream->id, stream);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *ctx)
{
    struct pt_http_h2 *h2 = ctx;
    struct pt_http_stream *stream = find_stream(h2, frame->hd.stream_id);
    uint32_t limit = h2->conn->loop->server->limits.header_bytes_max;

    (void)session;
    (void)flags;
    if (!stream || frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    if (name_bytes + value_bytes + 32 > (size_t)limit * HEADER_EXCESS - stream->list_bytes) {
        h2->purse.amount = -1; /* receive() says so to the peer */
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    stream->list_bytes += (uint32_t)(name_bytes + value_bytes + 32);
    if (stream->list_bytes > limit) {
        pt_h2_refuse_head(stream, 431, "header_too_large", "the headers are too large");
    } else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && !stream->head_status) {
        pt_h2_take_field(stream, pt_span_of(name, name_bytes), pt_span_of(value, value_bytes));
    } /* trailers are checked and dropped */
    return 0;
}

/* A name or value that HTTP/1 could not carry, or that would split a message there. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_bytes, const uint8_t *value,
                             size_t value_bytes, uint8_t flags, void *ctx)
{
    struct pt_http_stream *stream = find_stream(ctx, frame->hd.stream_id);

    (void)session;
    (void)name;
    (void)name_bytes;
    (void)value;
    (void)value_bytes;
    (void)flags;
    if (stream) {
        pt_h2_refuse_head(stream, 400, "bad_request",
                          "a header field holds a byte that it must not");
        if (stream->is_head_done && !stream->is_whole) {
            reset_stream(ctx, stream->id, NGHTTP2_PROTOCOL_ERROR); /* a trailer */
        }
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t bytes, void *ctx)
{
    struct pt_http_stream *stream = find_stream(ctx, id);

    (void)session;
    (void)flags;
    if (!stream || stream->is_answered || !stream->route) {
        return 0; /* refused: what still comes is not wanted */
    }
    if (bytes > stream->route->body_bytes_max - stream->body_bytes) {
        refuse(stream, 413, "body_too_large", "the body is larger than this address takes");
    } else if (!pt_h2_reserve_body(stream, stream->body_bytes + bytes)) {
        refuse(stream, 503, "unavailable", "the server holds as many bytes as it may");
    } else {
        memcpy(stream->body + stream->body_bytes, data, bytes);
        stream->body_bytes += bytes;
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct pt_http_stream *stream = NULL;

    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    stream = find_stream(ctx, frame->hd.stream_id);
    if (!stream) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        take_head(stream);
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        take_end(stream);
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int why,
                            void *ctx)
{
    struct pt_http_h2 *h2 = ctx;

    (void)session;
    (void)frame;
    (void)why;
    h2->purse.amount -= PT_H2_COST_BROKEN;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t why, void *ctx)
{
    struct pt_http_h2 *h2 = ctx;
    struct pt_http_stream *stream = find_stream(h2, id);

    (void)session;
    if (!stream) {
        return 0;
    }
    if (why != NGHTTP2_NO_ERROR && (stream->is_handling || !stream->is_whole)) {
        h2->purse.amount -= PT_H2_COST_RESET; /* work for nothing */
    }
    (void)nghttp2_session_set_stream_user_data(h2->session, id, NULL);
    pt_h2_set_gone(stream);
    return 0;
}

/*
 * An answer is out. Where its request was not whole the rest is not wanted (RFC 9113 8.1), but
 * clients are known that lose the answer when the stream is reset behind it; so it is taken
 * and forgotten for a while.
 */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct pt_http_h2 *h2 = ctx;
    struct pt_http_stream *stream = NULL;
    int64_t body_us = (int64_t)h2->conn->loop->server->limits.body_timeout_ms * 1000;

    (void)session;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        stream = find_stream(h2, frame->hd.stream_id);
        if (stream) {
            pt_h2_set_sent(stream);
            pt_h2_set_deadline(stream, body_us < LINGER_US ? body_us : LINGER_US);
        }
    }
    return 0;
}

/* ---- life ---- */

static enum pt_code make_session(struct pt_http_h2 *h2)
{
    nghttp2_mem mem = {NULL, mem_alloc, mem_free, mem_calloc, mem_realloc};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    enum pt_code code = PT_NO_MEMORY;

    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        goto out;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, PT_H2_PURSE_MAX);
    if (nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &mem) == 0) {
        code = PT_OK;
    }

out:
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return code;
}

struct pt_http_h2 *pt_http_h2_create(struct pt_http_conn *conn)
{
    const struct pt_http_limits *limits = &conn->loop->server->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, PT_HTTP_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes_max},
    };
    struct pt_http_h2 *h2 = pt_alloc_zero(sizeof(*h2));

    if (!h2) {
        return NULL;
    }
    h2->conn = conn;
    pt_h2_purse_init(&h2->purse, conn->loop->now_us);
    h2->next_deadline_us = INT64_MAX;
    /* Two bodies of the largest kind, or many small ones; and the streams themselves. */
    h2->held_bytes_max =
        2 * ((size_t)limits->body_bytes_max + PT_HTTP_SPARE_BYTES) +
        PT_HTTP_STREAMS_MAX * (sizeof(struct pt_http_stream) + PT_H2_BODY_BYTES_FIRST);
    if (make_session(h2) ||
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof(settings) / sizeof(settings[0])) != 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW_BYTES) != 0) {
        pt_http_h2_release(h2);
        return NULL;
    }
    return h2;
}

void pt_http_h2_release(struct pt_http_h2 *h2)
{
    if (!h2) {
        return;
    }
    while (h2->streams) {
        pt_h2_stream_free(h2->streams);
    }
    nghttp2_session_del(h2->session);
    pt_free(h2);
}

void pt_http_h2_abandon(struct pt_http_h2 *h2)
{
    struct pt_http_stream *next = NULL;

    for (struct pt_http_stream *stream = h2->streams; stream; stream = next) {
        next = stream->next;
        if (!stream->is_gone) {
            pt_h2_set_gone(stream);
        }
    }
    nghttp2_session_del(h2->session);
    h2->session = NULL;
}

/* ---- bytes ---- */

/* Say why it ends; always false. */
static bool give_up(struct pt_http_h2 *h2, uint32_t why)
{
    fail(h2, nghttp2_session_terminate_session(h2->session, why));
    return false;
}

bool pt_http_h2_receive(struct pt_http_h2 *h2, const uint8_t *data, size_t size)
{
    size_t paid = 0;
    ssize_t taken = 0;

    pt_h2_purse_fill(&h2->purse, h2->conn->loop->now_us);
    paid = pt_h2_purse_pay(&h2->purse, data, size);
    taken = nghttp2_session_mem_recv(h2->session, data, paid);
    if (h2->purse.amount < 0) {
        return give_up(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (taken != (ssize_t)paid || h2->has_failed) {
        return give_up(h2, taken == NGHTTP2_ERR_NOMEM || h2->has_failed ? NGHTTP2_INTERNAL_ERROR
                           : taken == NGHTTP2_ERR_FLOODED               ? NGHTTP2_ENHANCE_YOUR_CALM
                                                                        : NGHTTP2_PROTOCOL_ERROR);
    }
    return true;
}

bool pt_http_h2_fill(struct pt_http_h2 *h2, struct pt_buf *out)
{
    while (out->size < FILL_BYTES) {
        const uint8_t *data = NULL;
        ssize_t bytes = nghttp2_session_mem_send(h2->session, &data);

        if (bytes < 0) {
            return false;
        }
        if (bytes == 0) {
            break;
        }
        /* Frames of data pay for the WINDOW_UPDATE that they may cause. */
        pt_h2_purse_earn(&h2->purse, 1);
        pt_buf_append(out, data, (size_t)bytes);
    }
    return !out->has_failed && !h2->has_failed;
}

void pt_http_h2_answered(struct pt_http_h2 *h2, struct pt_http_stream *stream)
{
    stream->is_handling = false;
    h2->handling--;
    if (stream->is_gone) {
        pt_h2_stream_free(stream);
    } else {
        submit_answer(stream);
    }
}

void pt_http_h2_fed(struct pt_http_h2 *h2, struct pt_http_stream *stream)
{
    if (!stream->is_answered || stream->is_sent) {
        return;
    }
    if (pt_http_feed_is_cut(stream->request.feed)) {
        reset_stream(h2, stream->id, NGHTTP2_CANCEL);
    } else if (stream->is_waiting) {
        pt_h2_set_waiting(stream, false);
        fail(h2, nghttp2_session_resume_data(h2->session, stream->id));
    }
}

/* The end needs no window of the peer's but nghttp2 waits for one: where there is none, a reset. */
static void end_feeds(struct pt_http_h2 *h2)
{
    for (struct pt_http_stream *stream = h2->streams; stream; stream = stream->next) {
        if (!stream->is_answered || stream->is_sent || !stream->request.feed) {
            continue;
        }
        if (nghttp2_session_get_stream_remote_window_size(h2->session, stream->id) <= 0 ||
            nghttp2_session_get_remote_window_size(h2->session) <= 0) {
            reset_stream(h2, stream->id, NGHTTP2_CANCEL);
        } else {
            pt_http_h2_fed(h2, stream);
        }
    }
}

void pt_http_h2_drain(struct pt_http_h2 *h2)
{
    if (!h2->is_draining) {
        h2->is_draining = true;
        if (pt_http_is_draining(h2->conn)) {
            end_feeds(h2);
        }
        fail(h2, nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                       nghttp2_session_get_last_proc_stream_id(h2->session),
                                       NGHTTP2_NO_ERROR, NULL, 0));
    }
}

bool pt_http_h2_check_deadlines(struct pt_http_h2 *h2)
{
    int64_t now_us = h2->conn->loop->now_us;
    int64_t next_us = INT64_MAX;

    if (now_us < h2->next_deadline_us) {
        return true;
    }
    for (struct pt_http_stream *stream = h2->streams; stream; stream = stream->next) {
        if (stream->is_whole || (stream->is_answered && !stream->is_sent)) {
            continue;
        }
        if (stream->deadline_us > now_us) {
            next_us = stream->deadline_us < next_us ? stream->deadline_us : next_us;
        } else if (stream->is_sent) {
            reset_stream(h2, stream->id, NGHTTP2_NO_ERROR);
            stream->deadline_us = INT64_MAX;
        } else if (stream->is_head_done) {
            refuse(stream, 408, "timeout", "the body took too long");
        } else {
            /* In the midst of a header block no other frame may come: it holds up all. */
            return give_up(h2, NGHTTP2_ENHANCE_YOUR_CALM);
        }
    }
    h2->next_deadline_us = next_us;
    return true;
}

size_t pt_http_h2_handling(const struct pt_http_h2 *h2)
{
    return h2->handling;
}

bool pt_http_h2_is_receiving(const struct pt_http_h2 *h2)
{
    return h2->receiving > 0;
}

bool pt_http_h2_is_answering(const struct pt_http_h2 *h2)
{
    return h2->answering > h2->waiting;
}

bool pt_http_h2_has_feeds_alone(const struct pt_http_h2 *h2)
{
    for (const struct pt_http_stream *stream = h2->streams; stream; stream = stream->next) {
        if (!stream->is_sent && !(stream->is_answered && stream->request.feed)) {
            return false;
        }
    }
    return h2->answering > 0;
}

bool pt_http_h2_is_feeding(const struct pt_http_h2 *h2)
{
    return h2->waiting > 0;
}

bool pt_http_h2_is_over(const struct pt_http_h2 *h2)
{
    return !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
}
