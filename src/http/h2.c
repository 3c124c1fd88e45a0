/*
 * h2.c - HTTP/2 for one connection, by nghttp2, without its socket
 *
 * nghttp2 frames, compresses and checks the protocol (RFC 9113, and of RFC 9110 what it calls
 * messaging: pseudo-headers, lower-case names, no connection fields, content-length against the
 * data). Here stands what it leaves to the server: bounds, bodies, routes and answers.
 *
 * PURSE. A frame header is looked at before nghttp2 sees it, so that every kind costs, those too
 * that nghttp2 ignores. What opens or fills a request is free in the end; the rest is paid for.
 * Rapid reset (CVE-2023-44487), SETTINGS and PING floods, empty DATA and CONTINUATION,
 * WINDOW_UPDATE by the byte, priority churn all come to the same sum.
 */
#include "http/h2.h"

#include <nghttp2/nghttp2.h>

#define WINDOW_BYTES (256 * 1024)
#define CONNECTION_WINDOW_BYTES (1024 * 1024)
#define FILL_BYTES ((size_t)64 * 1024)
#define TRUSTED_BYTES ((size_t)256 * 1024)
#define BODY_BYTES_FIRST ((size_t)4096)
#define FRAME_HEAD_BYTES 9u
/* Content type, date and length, and what a handler and CORS add. */
#define ANSWER_FIELDS_MAX (4u + PT_HTTP_ANSWER_HEADERS_MAX + PT_HTTP_CORS_FIELDS_MAX)

#define PURSE_MAX 256
#define PURSE_A_SECOND 32
#define PURSE_A_REQUEST 3
#define COST_EMPTY 4
#define COST_RESET 4
#define COST_BROKEN 8
/* How long the rest of a request is taken and forgotten after its answer. */
#define LINGER_US 5000000
/* A header block that goes on so far beyond its limit is not a mistake. */
#define HEADER_EXCESS 4u

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
    struct pt_http_field answer_fields[ANSWER_FIELDS_MAX];
    size_t answer_body_at;
    size_t answer_sent; /* of the body */
};

struct pt_http_h2 {
    struct pt_http_conn *conn;
    nghttp2_session *session;
    struct pt_http_stream *streams;
    uint32_t stream_count;
    uint32_t handling;
    uint32_t receiving;
    uint32_t answering;
    size_t held_bytes; /* the streams' counted bytes */
    size_t held_bytes_max;
    int64_t next_deadline_us; /* no stream's is earlier */
    bool is_draining;
    bool has_failed;

    /* The purse, and where in the byte stream the next frame header is. */
    int purse;
    int64_t purse_filled_us;
    uint32_t preface_left;
    uint32_t payload_left;
    uint32_t frame_head_bytes;
    uint8_t frame_head[FRAME_HEAD_BYTES];
};

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

/* So many bytes more for that stream; false where a bound forbids it. */
static bool hold(struct pt_http_stream *stream, size_t bytes)
{
    struct pt_http_h2 *h2 = stream->h2;

    if (h2->held_bytes + bytes > h2->held_bytes_max ||
        !pt_http_memory_take(h2->conn->loop, bytes)) {
        return false;
    }
    h2->held_bytes += bytes;
    stream->counted_bytes += bytes;
    return true;
}

/* An answer is there already: it is counted, whatever the bounds say. */
static void hold_answer(struct pt_http_stream *stream)
{
    stream->h2->conn->loop->memory_bytes += stream->answer.capacity;
    stream->h2->held_bytes += stream->answer.capacity;
    stream->counted_bytes += stream->answer.capacity;
}

static void free_stream(struct pt_http_stream *stream)
{
    struct pt_http_h2 *h2 = stream->h2;

    *(stream->prev ? &stream->prev->next : &h2->streams) = stream->next;
    if (stream->next) {
        stream->next->prev = stream->prev;
    }
    h2->stream_count--;
    h2->held_bytes -= stream->counted_bytes;
    pt_http_memory_give(h2->conn->loop, stream->counted_bytes);
    pt_buf_release(&stream->head);
    pt_buf_release(&stream->answer);
    pt_free(stream->body);
    pt_free(stream);
}

static void set_deadline(struct pt_http_stream *stream, int64_t left_us)
{
    stream->deadline_us = stream->h2->conn->loop->now_us + left_us;
    if (stream->deadline_us < stream->h2->next_deadline_us) {
        stream->h2->next_deadline_us = stream->deadline_us;
    }
}

static struct pt_http_stream *make_stream(struct pt_http_h2 *h2, int32_t id)
{
    const struct pt_http_limits *limits = &h2->conn->loop->server->limits;
    struct pt_http_stream *stream = pt_alloc_zero(sizeof(*stream));

    if (!stream) {
        return NULL;
    }
    stream->h2 = h2;
    stream->id = id;
    stream->request.conn = h2->conn;
    stream->request.stream = stream;
    /* Names and values of a list within its limit take less than the list counts. */
    pt_buf_init(&stream->head, limits->header_bytes_max);
    pt_buf_init(&stream->answer, PT_HTTP_ANSWER_BYTES_MAX);
    stream->next = h2->streams;
    if (h2->streams) {
        h2->streams->prev = stream;
    }
    h2->streams = stream;
    h2->stream_count++;
    if (!hold(stream, sizeof(*stream))) {
        free_stream(stream);
        return NULL;
    }
    h2->receiving++;
    set_deadline(stream, (int64_t)limits->header_timeout_ms * 1000);
    return stream;
}

/* The request needs nothing more from the peer. */
static void set_whole(struct pt_http_stream *stream)
{
    if (!stream->is_whole) {
        stream->is_whole = true;
        stream->h2->receiving--;
    }
}

static void set_sent(struct pt_http_stream *stream)
{
    if (stream->is_answered && !stream->is_sent) {
        stream->is_sent = true;
        stream->h2->answering--;
    }
}

static void set_gone(struct pt_http_stream *stream)
{
    set_whole(stream);
    set_sent(stream);
    stream->is_gone = true;
    if (!stream->is_handling) {
        free_stream(stream);
    }
}

/* ---- the head of a request ---- */

static struct pt_span span_of(const struct pt_http_stream *stream, struct pt_http_text text)
{
    return pt_span_of(stream->head.data + text.at, text.bytes);
}

struct pt_span pt_http_stream_header(const struct pt_http_stream *stream, struct pt_span name)
{
    for (uint32_t i = 0; i < stream->field_count; i++) {
        if (pt_http_same_name(span_of(stream, stream->fields[i].name), name)) {
            return span_of(stream, stream->fields[i].value);
        }
    }
    return (struct pt_span){0};
}

static void refuse_head(struct pt_http_stream *stream, int status, const char *code,
                        const char *detail)
{
    if (!stream->head_status) {
        stream->head_status = status;
        stream->head_code = code;
        stream->head_detail = detail;
    }
}

static struct pt_http_text keep(struct pt_http_stream *stream, struct pt_span text)
{
    struct pt_http_text kept = {(uint32_t)stream->head.size, (uint32_t)text.size};

    pt_buf_append(&stream->head, text.data, text.size);
    return kept;
}

/* Digits alone, as in HTTP/1; nghttp2 has compared them with the data. */
static void take_content_length(struct pt_http_stream *stream, struct pt_span value)
{
    uint64_t length = 0;

    for (size_t i = 0; i < value.size && i < 18; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            refuse_head(stream, 400, "bad_request", "content-length must be digits alone");
            return;
        }
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    stream->has_content_length = true;
    stream->content_length = value.size <= 18 ? length : UINT64_MAX;
}

static void take_field(struct pt_http_stream *stream, struct pt_span name, struct pt_span value)
{
    struct pt_http_field *field = NULL;

    if (name.size && name.data[0] == ':') {
        struct pt_http_text text = keep(stream, value);

        if (pt_span_is(name, ":method")) {
            stream->method = text;
        } else if (pt_span_is(name, ":path")) {
            stream->target = text;
        } else if (pt_span_is(name, ":authority")) {
            stream->authority = text;
        }
        return;
    }
    if (stream->field_count == PT_HTTP_FIELDS_MAX) {
        refuse_head(stream, 431, "header_too_large", "there are more than 64 header fields");
        return;
    }
    field = &stream->fields[stream->field_count++];
    field->name = keep(stream, name);
    field->value = keep(stream, value);
    if (pt_span_is(name, "content-length")) {
        take_content_length(stream, value);
    } else if (pt_span_is(name, "transfer-encoding")) {
        refuse_head(stream, 400, "bad_request", "HTTP/2 has no Transfer-Encoding");
    } else if (pt_span_is(name, "expect")) {
        stream->expects_continue = pt_http_same_name(value, pt_span_str("100-continue"));
        if (!stream->expects_continue) {
            refuse_head(stream, 417, "expectation_failed", "the only Expect taken is 100-continue");
        }
    }
}

/* What nghttp2 lets pass and HTTP/1's parser does not. */
static void check_head(struct pt_http_stream *stream)
{
    struct pt_span target = span_of(stream, stream->target);
    struct pt_span authority = span_of(stream, stream->authority);
    struct pt_span host = pt_http_stream_header(stream, pt_span_str("host"));
    unsigned hosts = 0;

    for (uint32_t i = 0; i < stream->field_count; i++) {
        hosts += pt_span_is(span_of(stream, stream->fields[i].name), "host") ? 1 : 0;
    }
    if (stream->head.has_failed) {
        refuse_head(stream, 503, "unavailable", "the server is out of memory");
    } else if (!pt_http_is_method(span_of(stream, stream->method))) {
        refuse_head(stream, 400, "bad_request", ":method must be a token");
    } else if (!pt_http_is_target(target) || (target.data[0] != '/' && !pt_span_is(target, "*"))) {
        refuse_head(stream, 400, "bad_request", ":path must be a path");
    } else if (hosts > 1 || !pt_http_is_host(authority) || !pt_http_is_host(host) ||
               (hosts == 1 && stream->authority.bytes && !pt_http_same_name(authority, host))) {
        refuse_head(stream, 400, "bad_request", ":authority and host must name one host");
    }
}

static void split_target(struct pt_http_stream *stream)
{
    struct pt_http_request *request = &stream->request;
    struct pt_span target = span_of(stream, stream->target);
    const uint8_t *mark = memchr(target.data, '?', target.size);
    size_t path_bytes = mark ? (size_t)(mark - target.data) : target.size;

    request->method = span_of(stream, stream->method);
    request->path = pt_span_of(target.data, path_bytes);
    request->query = mark ? pt_span_of(mark + 1, target.size - path_bytes - 1)
                          : pt_span_of(target.data + target.size, 0);
    request->is_head = pt_span_is(request->method, "HEAD");
}

/* ---- answers ---- */

static void put_field(struct pt_http_stream *stream, const char *name, struct pt_span value)
{
    struct pt_buf *out = &stream->answer;
    struct pt_http_field *field = &stream->answer_fields[stream->answer_field_count++];

    pt_assert(stream->answer_field_count <= ANSWER_FIELDS_MAX);
    field->name = (struct pt_http_text){(uint32_t)out->size, (uint32_t)strlen(name)};
    for (; *name; name++) {
        pt_buf_append_byte(out, (uint8_t)(*name >= 'A' && *name <= 'Z' ? *name | 0x20 : *name));
    }
    field->value = (struct pt_http_text){(uint32_t)out->size, (uint32_t)value.size};
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];

        pt_buf_append_byte(out, byte < 0x20 || byte == 0x7f ? ' ' : byte);
    }
}

void pt_http_stream_answer(struct pt_http_stream *stream, int status, const char *content_type,
                           struct pt_span body, const struct pt_http_header_out *headers,
                           size_t header_count)
{
    struct pt_buf *out = &stream->answer;
    struct pt_http_header_out cors[PT_HTTP_CORS_FIELDS_MAX];
    size_t cors_count = pt_http_cors_fields(&stream->request, cors);
    char number[24];

    stream->status = status;
    stream->answer_field_count = 0;
    pt_buf_reset(out);
    (void)pt_buf_reserve(out, body.size + 512);
    (void)snprintf(number, sizeof(number), "%03d", status);
    put_field(stream, ":status", pt_span_str(number));
    put_field(stream, "date", pt_span_str(pt_http_date(stream->h2->conn->loop->server->clock)));
    if (status != 204 && status != 304) {
        (void)snprintf(number, sizeof(number), "%zu", body.size);
        put_field(stream, "content-length", pt_span_str(number));
    }
    if (content_type) {
        put_field(stream, "content-type", pt_span_str(content_type));
    }
    for (size_t i = 0; i < header_count; i++) {
        put_field(stream, headers[i].name, pt_span_str(headers[i].value));
    }
    for (size_t i = 0; i < cors_count; i++) {
        put_field(stream, cors[i].name, pt_span_str(cors[i].value));
    }
    stream->answer_body_at = out->size;
    if (body.size && !stream->request.is_head) {
        pt_buf_append(out, body.data, body.size);
    }
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
    memcpy(to, stream->answer.data + at, count);
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
    nghttp2_nv fields[ANSWER_FIELDS_MAX];
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_answer};
    int result = 0;

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
    hold_answer(stream);
    result =
        nghttp2_submit_response(h2->session, stream->id, fields, stream->answer_field_count,
                                stream->answer.size > stream->answer_body_at ? &provider : NULL);
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

/* Room for that many bytes of body and the spare ones behind it. */
static bool reserve_body(struct pt_http_stream *stream, size_t bytes)
{
    size_t capacity = stream->body_capacity;
    uint8_t *body = NULL;

    bytes += PT_HTTP_SPARE_BYTES;
    if (bytes <= capacity) {
        return true;
    }
    capacity = capacity * 2 > BODY_BYTES_FIRST ? capacity * 2 : BODY_BYTES_FIRST;
    capacity = capacity > bytes ? capacity : bytes;
    if (!hold(stream, capacity - stream->body_capacity)) {
        return false;
    }
    body = pt_realloc(stream->body, capacity);
    if (!body) {
        return false; /* counted until the stream ends */
    }
    stream->body = body;
    stream->body_capacity = capacity;
    return true;
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
    set_deadline(stream, (int64_t)loop->server->limits.body_timeout_ms * 1000);
    pt_http_count(&loop->counters.requests, 1);
    check_head(stream);
    if (stream->head_status) {
        refuse(stream, stream->head_status, stream->head_code, stream->head_detail);
        return;
    }
    split_target(stream);
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
    if (announced && !reserve_body(stream, announced)) {
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
    set_whole(stream);
    h2->purse = h2->purse + PURSE_A_REQUEST < PURSE_MAX ? h2->purse + PURSE_A_REQUEST : PURSE_MAX;
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
        stream = make_stream(h2, frame->hd.stream_id);
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
        h2->purse = -1; /* receive() says so to the peer */
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    stream->list_bytes += (uint32_t)(name_bytes + value_bytes + 32);
    if (stream->list_bytes > limit) {
        refuse_head(stream, 431, "header_too_large", "the headers are too large");
    } else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && !stream->head_status) {
        take_field(stream, pt_span_of(name, name_bytes), pt_span_of(value, value_bytes));
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
        refuse_head(stream, 400, "bad_request", "a header field holds a byte that it must not");
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
    } else if (!reserve_body(stream, stream->body_bytes + bytes)) {
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
    h2->purse -= COST_BROKEN;
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
        h2->purse -= COST_RESET; /* work for nothing */
    }
    (void)nghttp2_session_set_stream_user_data(h2->session, id, NULL);
    set_gone(stream);
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
            set_sent(stream);
            set_deadline(stream, body_us < LINGER_US ? body_us : LINGER_US);
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
    nghttp2_option_set_max_outbound_ack(option, PURSE_MAX);
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
    h2->purse = PURSE_MAX;
    h2->purse_filled_us = conn->loop->now_us;
    h2->preface_left = PT_HTTP_H2_PREFACE_BYTES;
    h2->next_deadline_us = INT64_MAX;
    /* Two bodies of the largest kind, or many small ones; and the streams themselves. */
    h2->held_bytes_max = 2 * ((size_t)limits->body_bytes_max + PT_HTTP_SPARE_BYTES) +
                         PT_HTTP_STREAMS_MAX * (sizeof(struct pt_http_stream) + BODY_BYTES_FIRST);
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
        free_stream(h2->streams);
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
            set_gone(stream);
        }
    }
    nghttp2_session_del(h2->session);
    h2->session = NULL;
}

/* ---- bytes ---- */

static void fill_purse(struct pt_http_h2 *h2)
{
    int64_t passed_us = h2->conn->loop->now_us - h2->purse_filled_us;
    int64_t earned = passed_us > 10000000 ? PURSE_MAX : passed_us * PURSE_A_SECOND / 1000000;

    if (earned > 0) {
        h2->purse = h2->purse + earned < PURSE_MAX ? (int)(h2->purse + earned) : PURSE_MAX;
        h2->purse_filled_us = h2->conn->loop->now_us;
    }
}

static int cost_of_frame(const uint8_t head[FRAME_HEAD_BYTES], uint32_t payload_bytes)
{
    bool is_padded = (head[4] & NGHTTP2_FLAG_PADDED) != 0;

    switch (head[3]) {
    case NGHTTP2_DATA:
        if (payload_bytes == 0) {
            return head[4] & NGHTTP2_FLAG_END_STREAM ? 0 : COST_EMPTY;
        }
        return is_padded && payload_bytes <= 256 ? 1 : 0; /* may be padding alone */
    case NGHTTP2_CONTINUATION:
        return payload_bytes == 0 ? COST_EMPTY : 1;
    default:
        return 1;
    }
}

/*
 * Pay for the frames that begin in these bytes. Returns how many bytes may be read: all, or
 * those before the frame that cannot be paid.
 */
static size_t pay(struct pt_http_h2 *h2, const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t left = size - at;
        uint32_t *skip = h2->preface_left ? &h2->preface_left : &h2->payload_left;

        if (*skip) {
            size_t count = left < *skip ? left : *skip;

            *skip -= (uint32_t)count;
            at += count;
            continue;
        }
        h2->frame_head[h2->frame_head_bytes++] = data[at++];
        if (h2->frame_head_bytes < FRAME_HEAD_BYTES) {
            continue;
        }
        h2->frame_head_bytes = 0;
        h2->payload_left = (uint32_t)h2->frame_head[0] << 16 | (uint32_t)h2->frame_head[1] << 8 |
                           h2->frame_head[2];
        h2->purse -= cost_of_frame(h2->frame_head, h2->payload_left);
        if (h2->purse < 0) {
            return at;
        }
    }
    return size;
}

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

    fill_purse(h2);
    paid = pay(h2, data, size);
    taken = nghttp2_session_mem_recv(h2->session, data, paid);
    if (h2->purse < 0) {
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
        h2->purse += h2->purse < PURSE_MAX ? 1 : 0;
        pt_buf_append(out, data, (size_t)bytes);
    }
    return !out->has_failed && !h2->has_failed;
}

void pt_http_h2_answered(struct pt_http_h2 *h2, struct pt_http_stream *stream)
{
    stream->is_handling = false;
    h2->handling--;
    if (stream->is_gone) {
        free_stream(stream);
    } else {
        submit_answer(stream);
    }
}

void pt_http_h2_drain(struct pt_http_h2 *h2)
{
    if (!h2->is_draining) {
        h2->is_draining = true;
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
    return h2->answering > 0;
}

bool pt_http_h2_is_over(const struct pt_http_h2 *h2)
{
    return !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
}
