/*
 * h2_stream.c - one request of HTTP/2 and its answer
 *
 * Texts of the head stand one behind the other in one buffer, as in HTTP/1; so do those of
 * the answer, with its body behind them.
 */
#include "http/h2_inside.h"

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
void pt_h2_hold_answer(struct pt_http_stream *stream)
{
    stream->h2->conn->loop->memory_bytes += stream->answer.capacity;
    stream->h2->held_bytes += stream->answer.capacity;
    stream->counted_bytes += stream->answer.capacity;
}

void pt_h2_stream_free(struct pt_http_stream *stream)
{
    struct pt_http_h2 *h2 = stream->h2;

    *(stream->prev ? &stream->prev->next : &h2->streams) = stream->next;
    if (stream->next) {
        stream->next->prev = stream->prev;
    }
    h2->stream_count--;
    pt_http_feed_leave(&stream->request);
    h2->held_bytes -= stream->counted_bytes;
    pt_http_memory_give(h2->conn->loop, stream->counted_bytes);
    pt_buf_release(&stream->head);
    pt_buf_release(&stream->answer);
    pt_free(stream->body);
    pt_free(stream);
}

void pt_h2_set_deadline(struct pt_http_stream *stream, int64_t left_us)
{
    stream->deadline_us = stream->h2->conn->loop->now_us + left_us;
    if (stream->deadline_us < stream->h2->next_deadline_us) {
        stream->h2->next_deadline_us = stream->deadline_us;
    }
}

struct pt_http_stream *pt_h2_stream_create(struct pt_http_h2 *h2, int32_t id)
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
        pt_h2_stream_free(stream);
        return NULL;
    }
    h2->receiving++;
    pt_h2_set_deadline(stream, (int64_t)limits->header_timeout_ms * 1000);
    return stream;
}

/* The request needs nothing more from the peer. */
void pt_h2_set_whole(struct pt_http_stream *stream)
{
    if (!stream->is_whole) {
        stream->is_whole = true;
        stream->h2->receiving--;
    }
}

void pt_h2_set_sent(struct pt_http_stream *stream)
{
    if (stream->is_answered && !stream->is_sent) {
        stream->is_sent = true;
        stream->h2->answering--;
        pt_h2_set_waiting(stream, false);
    }
}

void pt_h2_set_waiting(struct pt_http_stream *stream, bool is_waiting)
{
    if (stream->is_waiting != is_waiting) {
        stream->is_waiting = is_waiting;
        stream->h2->waiting = is_waiting ? stream->h2->waiting + 1 : stream->h2->waiting - 1;
    }
}

void pt_h2_set_gone(struct pt_http_stream *stream)
{
    pt_h2_set_whole(stream);
    pt_h2_set_sent(stream);
    stream->is_gone = true;
    if (!stream->is_handling) {
        pt_h2_stream_free(stream);
    }
}

/* Room for that many bytes of body and the spare ones behind it. */
bool pt_h2_reserve_body(struct pt_http_stream *stream, size_t bytes)
{
    size_t capacity = stream->body_capacity;
    uint8_t *body = NULL;

    bytes += PT_HTTP_SPARE_BYTES;
    if (bytes <= capacity) {
        return true;
    }
    capacity = capacity * 2 > PT_H2_BODY_BYTES_FIRST ? capacity * 2 : PT_H2_BODY_BYTES_FIRST;
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

/* ---- the head of a request ---- */

static struct pt_span span_of(const struct pt_http_stream *stream, struct pt_http_text text)
{
    return stream->head.data ? pt_span_of(stream->head.data + text.at, text.bytes)
                             : (struct pt_span){0};
}

struct pt_span pt_http_stream_header(const struct pt_http_stream *stream, struct pt_span name)
{
    for (uint32_t i = 0; i < stream->field_count; i++) {
        if (pt_http_same_name(span_of(stream, stream->fields[i].name), name)) {
            return span_of(stream, stream->fields[i].value);
        }
    }
    if (pt_http_same_name(name, pt_span_str("host"))) {
        return span_of(stream, stream->authority); /* RFC 9113 8.3.1: one stands for the other */
    }
    return (struct pt_span){0};
}

void pt_h2_refuse_head(struct pt_http_stream *stream, int status, const char *code,
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
            pt_h2_refuse_head(stream, 400, "bad_request", "content-length must be digits alone");
            return;
        }
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    stream->has_content_length = true;
    stream->content_length = value.size <= 18 ? length : UINT64_MAX;
}

void pt_h2_take_field(struct pt_http_stream *stream, struct pt_span name, struct pt_span value)
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
        pt_h2_refuse_head(stream, 431, "header_too_large", "there are more than 64 header fields");
        return;
    }
    field = &stream->fields[stream->field_count++];
    field->name = keep(stream, name);
    field->value = keep(stream, value);
    if (pt_span_is(name, "content-length")) {
        take_content_length(stream, value);
    } else if (pt_span_is(name, "transfer-encoding")) {
        pt_h2_refuse_head(stream, 400, "bad_request", "HTTP/2 has no Transfer-Encoding");
    } else if (pt_span_is(name, "expect")) {
        stream->expects_continue = pt_http_same_name(value, pt_span_str("100-continue"));
        if (!stream->expects_continue) {
            pt_h2_refuse_head(stream, 417, "expectation_failed",
                              "the only Expect taken is 100-continue");
        }
    }
}

/* What nghttp2 lets pass and HTTP/1's parser does not. */
void pt_h2_check_head(struct pt_http_stream *stream)
{
    struct pt_span target = span_of(stream, stream->target);
    struct pt_span authority = span_of(stream, stream->authority);
    struct pt_span host = pt_http_stream_header(stream, pt_span_str("host"));
    unsigned hosts = 0;

    for (uint32_t i = 0; i < stream->field_count; i++) {
        hosts += pt_span_is(span_of(stream, stream->fields[i].name), "host") ? 1 : 0;
    }
    if (stream->head.has_failed) {
        pt_h2_refuse_head(stream, 503, "unavailable", "the server is out of memory");
    } else if (!pt_http_is_method(span_of(stream, stream->method))) {
        pt_h2_refuse_head(stream, 400, "bad_request", ":method must be a token");
    } else if (!target.data || !pt_http_is_target(target) ||
               (*target.data != '/' && !pt_span_is(target, "*"))) {
        pt_h2_refuse_head(stream, 400, "bad_request", ":path must be a path");
    } else if (hosts > 1 || !pt_http_is_host(authority) || !pt_http_is_host(host) ||
               (hosts == 1 && stream->authority.bytes && !pt_http_same_name(authority, host))) {
        pt_h2_refuse_head(stream, 400, "bad_request", ":authority and host must name one host");
    }
}

void pt_h2_split_target(struct pt_http_stream *stream)
{
    struct pt_http_request *request = &stream->request;
    struct pt_span target = span_of(stream, stream->target);
    const uint8_t *mark = target.data ? memchr(target.data, '?', target.size) : NULL;
    size_t path_bytes = mark ? (size_t)(mark - target.data) : target.size;

    request->method = span_of(stream, stream->method);
    request->path = pt_span_of(target.data, path_bytes);
    request->query = mark ? pt_span_of(mark + 1, target.size - path_bytes - 1)
                          : pt_span_of(target.data + target.size, 0);
    request->is_head = pt_span_is(request->method, "HEAD");
}

/* ---- the answer ---- */

static void put_field(struct pt_http_stream *stream, const char *name, struct pt_span value)
{
    struct pt_buf *out = &stream->answer;
    struct pt_http_field *field = &stream->answer_fields[stream->answer_field_count++];

    pt_assert(stream->answer_field_count <= PT_H2_ANSWER_FIELDS_MAX);
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
    if (status != 204 && status != 304 && !stream->request.is_endless) {
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
