/*
 * parser.c - one HTTP/1.x request out of bytes
 *
 * Lines are taken whole, one after the other, and only then looked at: a line's
 * verdict cannot depend on how it arrived. RFC 9112 (framing) and RFC 9110 (fields);
 * the clauses are named where we are stricter than they ask, or where it matters.
 */
#include "http/parser.h"

#include "base/crypto.h"
#include "base/error.h"

#include <stddef.h>

#define METHOD_BYTES_MAX 32u

enum byte_class {
    IS_TOKEN = 1,  /* tchar: method and field names */
    IS_VALUE = 2,  /* field values: visible, obs-text, space, tab */
    IS_TARGET = 4, /* request target: visible ASCII without '#' */
    IS_HOST = 8,   /* Host: reg-name, IP literal, port */
};

/* clang-format off */
#define T IS_TOKEN
#define V IS_VALUE
#define G IS_TARGET
#define H IS_HOST
#define VG (V | G)
#define VGH (V | G | H)
#define TVG (T | V | G)
#define ALL (T | V | G | H)
static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /*      !    "   #      $    %    &    '    (    )    *    +    ,    -    .    / */
    V,    ALL, VG, T | V, ALL, ALL, ALL, ALL, VGH, VGH, ALL, ALL, VGH, ALL, ALL, VG,
    ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, VGH, VGH, VG, VGH, VG, VG,
    VG, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
    /*                                                    [   \    ]    ^    _ */
    ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, VGH, VG, VGH, TVG, ALL,
    TVG, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
    /*                                                    {   |    }   ~ */
    ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, VG, TVG, VG, ALL, 0,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
#undef T
#undef V
#undef G
#undef H
#undef VG
#undef VGH
#undef TVG
#undef ALL
/* clang-format on */

void pt_http_parser_init(struct pt_http_parser *parser, uint32_t header_bytes_max)
{
    memset(parser, 0, offsetof(struct pt_http_parser, fields));
    parser->header_bytes_max = header_bytes_max;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20u) : byte;
}

bool pt_http_same_name(struct pt_span a, struct pt_span b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

static bool is_name(struct pt_span text, const char *name)
{
    return pt_http_same_name(text, pt_span_str(name));
}

static enum pt_http_progress refuse(struct pt_http_parser *parser, int status, const char *code,
                                    const char *detail)
{
    parser->phase = PT_HTTP_PHASE_REFUSED;
    parser->status = status;
    parser->code = code;
    parser->detail = detail;
    return PT_HTTP_REFUSED;
}

static enum pt_http_progress refuse_bad(struct pt_http_parser *parser, const char *detail)
{
    return refuse(parser, 400, "bad_request", detail);
}

/* Bytes from `at` that are of that class, up to `end`. */
static size_t span_of_class(const uint8_t *data, size_t at, size_t end, enum byte_class wanted)
{
    size_t i = at;

    while (i < end && (classes[data[i]] & (unsigned)wanted)) {
        i++;
    }
    return i - at;
}

bool pt_http_is_method(struct pt_span text)
{
    return text.size > 0 && text.size <= METHOD_BYTES_MAX &&
           span_of_class(text.data, 0, text.size, IS_TOKEN) == text.size;
}

bool pt_http_is_target(struct pt_span text)
{
    return text.size > 0 && span_of_class(text.data, 0, text.size, IS_TARGET) == text.size;
}

bool pt_http_is_host(struct pt_span text)
{
    return span_of_class(text.data, 0, text.size, IS_HOST) == text.size;
}

static struct pt_http_text text_of(size_t at, size_t end)
{
    return (struct pt_http_text){.at = (uint32_t)at, .bytes = (uint32_t)(end - at)};
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/*
 * The line from parser->at whose line feed comes before `limit`: *end_out is where its
 * text ends (before CR LF). MORE where there is none yet.
 */
static enum pt_http_progress take_line(struct pt_http_parser *parser, const uint8_t *data,
                                       size_t limit, size_t *start_out, size_t *end_out)
{
    const uint8_t *feed = NULL;
    size_t end = 0;

    if (parser->scanned < parser->at) {
        parser->scanned = parser->at;
    }
    if (parser->scanned < limit) {
        feed = memchr(data + parser->scanned, '\n', limit - parser->scanned);
    }
    if (!feed) {
        parser->scanned = limit > parser->scanned ? limit : parser->scanned;
        return PT_HTTP_MORE;
    }
    end = (size_t)(feed - data);
    if (end == parser->at || data[end - 1] != '\r') {
        return refuse_bad(parser, "a line must end in CR LF");
    }
    *start_out = parser->at;
    *end_out = end - 1;
    parser->at = end + 1;
    return PT_HTTP_READY;
}

/* "http://host/path?query" or "/path?query", from `at` to `end`. */
static enum pt_http_progress parse_target(struct pt_http_parser *parser, const uint8_t *data,
                                          size_t at, size_t end)
{
    size_t path = at;
    size_t path_end = 0;
    const uint8_t *mark = NULL;

    if (data[at] != '/' && !(data[at] == '*' && end == at + 1)) {
        struct pt_span text = pt_span_of(data + at, end - at);
        size_t scheme_bytes = 0;

        if (text.size > 7 && is_name(pt_span_of(text.data, 7), "http://")) {
            scheme_bytes = 7;
        } else if (text.size > 8 && is_name(pt_span_of(text.data, 8), "https://")) {
            scheme_bytes = 8;
        } else {
            return refuse_bad(parser, "the request target must be a path or an http URL");
        }
        path = at + scheme_bytes;
        path += span_of_class(data, path, end, IS_HOST);
        if (path == at + scheme_bytes || path == end || data[path] != '/') {
            return refuse_bad(parser, "the request target must name a host and a path");
        }
        parser->authority = text_of(at + scheme_bytes, path);
    }
    mark = memchr(data + path, '?', end - path);
    path_end = mark ? (size_t)(mark - data) : end;
    parser->path = text_of(path, path_end);
    parser->query = mark ? text_of(path_end + 1, end) : text_of(end, end);
    return PT_HTTP_READY;
}

static enum pt_http_progress parse_request_line(struct pt_http_parser *parser, const uint8_t *data,
                                                size_t start, size_t end)
{
    size_t at = start + span_of_class(data, start, end, IS_TOKEN);
    size_t target = 0;

    if (at == start || at - start > METHOD_BYTES_MAX || at == end || data[at] != ' ') {
        return refuse_bad(parser, "the request line must start with a method and a space");
    }
    parser->method = text_of(start, at);
    target = at + 1;
    at = target + span_of_class(data, target, end, IS_TARGET);
    if (at == target || at == end || data[at] != ' ') {
        return refuse_bad(parser, "the request target is missing or holds a byte that it must not");
    }
    if (end - at != 9 || memcmp(data + at + 1, "HTTP/", 5) != 0 || !is_digit(data[at + 6]) ||
        data[at + 7] != '.' || !is_digit(data[at + 8])) {
        return refuse_bad(parser, "the request line must end in the HTTP version");
    }
    if (data[at + 6] != '1') {
        return refuse(parser, 505, "http_version", "this server speaks HTTP/1.1");
    }
    parser->is_http_1_0 = data[at + 8] == '0';
    return parse_target(parser, data, target, at);
}

static enum pt_http_progress take_content_length(struct pt_http_parser *parser,
                                                 struct pt_span value)
{
    uint64_t length = 0;

    if (value.size == 0 || value.size > 18) {
        return refuse_bad(parser, "Content-Length must be a number of at most 18 digits");
    }
    for (size_t i = 0; i < value.size; i++) {
        if (!is_digit(value.data[i])) {
            return refuse_bad(parser, "Content-Length must be digits alone");
        }
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (parser->has_content_length) {
        /* Also where both say the same (RFC 9110 8.6 allows that): one is added by nobody sound. */
        return refuse_bad(parser, "there are two Content-Length fields");
    }
    parser->has_content_length = true;
    parser->content_length = length;
    return PT_HTTP_READY;
}

static enum pt_http_progress take_transfer_encoding(struct pt_http_parser *parser,
                                                    struct pt_span value)
{
    /* A second one would mean "chunked, chunked". */
    if (parser->has_transfer_encoding || !is_name(value, "chunked")) {
        return refuse(parser, 501, "not_implemented",
                      "the only Transfer-Encoding taken is chunked, once");
    }
    parser->has_transfer_encoding = true;
    parser->is_chunked = true;
    return PT_HTTP_READY;
}

static void take_connection(struct pt_http_parser *parser, struct pt_span value)
{
    size_t at = 0;

    while (at < value.size) {
        size_t start = at;
        size_t end = 0;

        while (at < value.size && value.data[at] != ',') {
            at++;
        }
        end = at++;
        while (start < end && (value.data[start] == ' ' || value.data[start] == '\t')) {
            start++;
        }
        while (end > start && (value.data[end - 1] == ' ' || value.data[end - 1] == '\t')) {
            end--;
        }
        if (is_name(pt_span_of(value.data + start, end - start), "close")) {
            parser->has_close = true;
        }
    }
}

/* The fields that decide about framing and about the connection. */
static enum pt_http_progress take_field(struct pt_http_parser *parser, struct pt_span name,
                                        struct pt_span value)
{
    switch (name.size) {
    case 4:
        if (is_name(name, "host")) {
            if (parser->has_host) {
                return refuse_bad(parser, "there are two Host fields");
            }
            if (span_of_class(value.data, 0, value.size, IS_HOST) != value.size) {
                return refuse_bad(parser, "Host holds a byte that it must not");
            }
            parser->has_host = true;
            parser->host = parser->fields[parser->field_count - 1].value;
        }
        break;
    case 6:
        if (is_name(name, "expect")) {
            if (!is_name(value, "100-continue")) {
                return refuse(parser, 417, "expectation_failed",
                              "the only Expect taken is 100-continue");
            }
            parser->expects_continue = true;
        }
        break;
    case 10:
        if (is_name(name, "connection")) {
            take_connection(parser, value);
        }
        break;
    case 14:
        if (is_name(name, "content-length")) {
            return take_content_length(parser, value);
        }
        break;
    case 17:
        if (is_name(name, "transfer-encoding")) {
            return take_transfer_encoding(parser, value);
        }
        break;
    default:
        break;
    }
    return PT_HTTP_READY;
}

/* "Name: value" from `start` to `end`, which is not empty. */
static enum pt_http_progress split_field(struct pt_http_parser *parser, const uint8_t *data,
                                         size_t start, size_t end, struct pt_http_field *field_out)
{
    size_t colon = 0;
    size_t value = 0;

    if (data[start] == ' ' || data[start] == '\t') {
        return refuse_bad(parser, "a header field must not be folded over lines");
    }
    colon = start + span_of_class(data, start, end, IS_TOKEN);
    if (colon == start || colon == end || data[colon] != ':') {
        /* White space before the colon included: RFC 9112 5.1 demands 400. */
        return refuse_bad(parser, "a header field must be a name, a colon and a value");
    }
    value = colon + 1;
    if (span_of_class(data, value, end, IS_VALUE) != end - value) {
        return refuse_bad(parser, "a header value holds a control byte");
    }
    while (value < end && (data[value] == ' ' || data[value] == '\t')) {
        value++;
    }
    while (end > value && (data[end - 1] == ' ' || data[end - 1] == '\t')) {
        end--;
    }
    field_out->name = text_of(start, colon);
    field_out->value = text_of(value, end);
    return PT_HTTP_READY;
}

static enum pt_http_progress parse_field(struct pt_http_parser *parser, const uint8_t *data,
                                         size_t start, size_t end)
{
    struct pt_http_field field;
    enum pt_http_progress progress = split_field(parser, data, start, end, &field);

    if (progress == PT_HTTP_REFUSED) {
        return progress;
    }
    if (parser->field_count == PT_HTTP_FIELDS_MAX) {
        return refuse(parser, 431, "header_too_large", "there are more than 64 header fields");
    }
    parser->fields[parser->field_count++] = field;
    return take_field(parser, pt_span_of(data + field.name.at, field.name.bytes),
                      pt_span_of(data + field.value.at, field.value.bytes));
}

/* The empty line was read: what the fields mean together. */
static enum pt_http_progress finish_head(struct pt_http_parser *parser, const uint8_t *data)
{
    if (!parser->has_host && !parser->is_http_1_0) {
        return refuse_bad(parser, "Host is missing");
    }
    if (parser->authority.bytes && parser->has_host &&
        !pt_http_same_name(pt_span_of(data + parser->authority.at, parser->authority.bytes),
                           pt_span_of(data + parser->host.at, parser->host.bytes))) {
        /* RFC 9112 3.2.2 lets the target win; whoever looked at Host would be deceived. */
        return refuse_bad(parser, "Host is not the host of the request target");
    }
    if (parser->is_chunked && (parser->has_content_length || parser->is_http_1_0)) {
        /* RFC 9112 6.1 and 6.3: the sign of a smuggled request. */
        return refuse_bad(parser, "Transfer-Encoding with Content-Length, or in HTTP/1.0");
    }
    parser->is_kept_alive = !parser->is_http_1_0 && !parser->has_close;
    parser->expects_continue = parser->expects_continue && !parser->is_http_1_0;
    parser->head_bytes = parser->at;
    parser->phase = parser->is_chunked ? PT_HTTP_PHASE_CHUNK_SIZE : PT_HTTP_PHASE_BODY_LENGTH;
    return PT_HTTP_READY;
}

static enum pt_http_progress parse_head_line(struct pt_http_parser *parser, const uint8_t *data,
                                             size_t start, size_t end)
{
    if (parser->phase == PT_HTTP_PHASE_FIELDS) {
        return parse_field(parser, data, start, end);
    }
    if (end == start) {
        /* One empty line before a request is let pass: RFC 9112 2.2. */
        if (parser->has_empty_line) {
            return refuse_bad(parser, "there is no request line");
        }
        parser->has_empty_line = true;
        return PT_HTTP_READY;
    }
    parser->phase = PT_HTTP_PHASE_FIELDS;
    return parse_request_line(parser, data, start, end);
}

enum pt_http_progress pt_http_parse_head(struct pt_http_parser *parser, const uint8_t *data,
                                         size_t size)
{
    size_t limit = size < parser->header_bytes_max ? size : parser->header_bytes_max;
    size_t start = 0;
    size_t end = 0;

    if (parser->phase == PT_HTTP_PHASE_REFUSED) {
        return PT_HTTP_REFUSED;
    }
    pt_assert(parser->phase <= PT_HTTP_PHASE_FIELDS);
    for (;;) {
        enum pt_http_progress progress = take_line(parser, data, limit, &start, &end);

        if (progress == PT_HTTP_MORE && size >= parser->header_bytes_max) {
            return refuse(parser, 431, "header_too_large",
                          "the request line and headers are too large");
        }
        if (progress != PT_HTTP_READY) {
            return progress;
        }
        if (end == start && parser->phase == PT_HTTP_PHASE_FIELDS) {
            return finish_head(parser, data);
        }
        if (parse_head_line(parser, data, start, end) == PT_HTTP_REFUSED) {
            return PT_HTTP_REFUSED;
        }
    }
}

static enum pt_http_progress refuse_body_size(struct pt_http_parser *parser)
{
    return refuse(parser, 413, "body_too_large", "the body is larger than this address takes");
}

static enum pt_http_progress parse_chunk_size(struct pt_http_parser *parser, const uint8_t *data,
                                              size_t size, size_t body_bytes_max)
{
    size_t line_max = parser->at + PT_HTTP_CHUNK_LINE_BYTES_MAX;
    size_t start = 0;
    size_t end = 0;
    size_t at = 0;
    uint64_t bytes = 0;
    enum pt_http_progress progress =
        take_line(parser, data, size < line_max ? size : line_max, &start, &end);

    if (progress == PT_HTTP_MORE && size >= line_max) {
        return refuse_bad(parser, "a chunk's size line is too long");
    }
    if (progress != PT_HTTP_READY) {
        return progress;
    }
    for (at = start; at < end && pt_hex_digit(data[at]) >= 0; at++) {
        if (at - start == 15) {
            return refuse_body_size(parser);
        }
        bytes = bytes * 16 + (uint64_t)pt_hex_digit(data[at]);
    }
    if (at == start || (at < end && data[at] != ';') ||
        span_of_class(data, at, end, IS_VALUE) != end - at) {
        return refuse_bad(parser, "a chunk's size must be hexadecimal digits");
    }
    parser->extension_bytes += (uint32_t)(end - at);
    if (parser->extension_bytes > PT_HTTP_EXTENSION_BYTES_MAX) {
        return refuse_bad(parser, "the chunk extensions are too long");
    }
    if (bytes > body_bytes_max - parser->body_bytes) {
        return refuse_body_size(parser);
    }
    parser->chunk_left_bytes = bytes;
    parser->phase = bytes ? PT_HTTP_PHASE_CHUNK_DATA : PT_HTTP_PHASE_TRAILERS;
    return PT_HTTP_READY;
}

/* Trailer fields are checked and dropped; nothing here asks for them. */
static enum pt_http_progress parse_trailer(struct pt_http_parser *parser, const uint8_t *data,
                                           size_t size)
{
    size_t line_max = parser->at + (parser->header_bytes_max - parser->trailer_bytes);
    size_t start = 0;
    size_t end = 0;
    struct pt_http_field field;
    enum pt_http_progress progress =
        take_line(parser, data, size < line_max ? size : line_max, &start, &end);

    if (progress == PT_HTTP_MORE && size >= line_max) {
        return refuse(parser, 431, "header_too_large", "the trailer fields are too large");
    }
    if (progress != PT_HTTP_READY) {
        return progress;
    }
    parser->trailer_bytes += (uint32_t)(parser->at - start);
    if (end == start) {
        parser->phase = PT_HTTP_PHASE_DONE;
        return PT_HTTP_READY;
    }
    return split_field(parser, data, start, end, &field);
}

static enum pt_http_progress parse_chunk_data(struct pt_http_parser *parser, uint8_t *data,
                                              size_t size)
{
    uint8_t *to = data + parser->head_bytes + parser->body_bytes;
    size_t bytes = size - parser->at;

    if (bytes > parser->chunk_left_bytes) {
        bytes = (size_t)parser->chunk_left_bytes;
    }
    if (bytes && to != data + parser->at) {
        memmove(to, data + parser->at, bytes);
    }
    parser->at += bytes;
    parser->body_bytes += bytes;
    parser->chunk_left_bytes -= bytes;
    if (parser->chunk_left_bytes) {
        return PT_HTTP_MORE;
    }
    parser->phase = PT_HTTP_PHASE_CHUNK_END;
    return PT_HTTP_READY;
}

static enum pt_http_progress parse_chunk_end(struct pt_http_parser *parser, const uint8_t *data,
                                             size_t size)
{
    size_t left_bytes = size - parser->at;

    if (left_bytes < 2) {
        return PT_HTTP_MORE;
    }
    if (data[parser->at] != '\r' || data[parser->at + 1] != '\n') {
        return refuse_bad(parser, "a chunk must end in CR LF");
    }
    parser->at += 2;
    parser->phase = PT_HTTP_PHASE_CHUNK_SIZE;
    return PT_HTTP_READY;
}

static enum pt_http_progress parse_chunk_step(struct pt_http_parser *parser, uint8_t *data,
                                              size_t size, size_t body_bytes_max)
{
    if (parser->phase == PT_HTTP_PHASE_CHUNK_SIZE) {
        return parse_chunk_size(parser, data, size, body_bytes_max);
    }
    if (parser->phase == PT_HTTP_PHASE_CHUNK_DATA) {
        return parse_chunk_data(parser, data, size);
    }
    if (parser->phase == PT_HTTP_PHASE_CHUNK_END) {
        return parse_chunk_end(parser, data, size);
    }
    return parse_trailer(parser, data, size);
}

/* Close the gap between the decoded body and what is not parsed yet. */
static void close_gap(struct pt_http_parser *parser, uint8_t *data, size_t *size_io)
{
    size_t body_end = parser->head_bytes + parser->body_bytes;
    size_t gap = parser->at - body_end;

    if (gap) {
        memmove(data + body_end, data + parser->at, *size_io - parser->at);
        *size_io -= gap;
        parser->at -= gap;
        parser->scanned = parser->at;
    }
}

enum pt_http_progress pt_http_parse_body(struct pt_http_parser *parser, uint8_t *data,
                                         size_t *size_io, size_t body_bytes_max)
{
    enum pt_http_progress progress = PT_HTTP_READY;

    if (parser->phase == PT_HTTP_PHASE_REFUSED) {
        return PT_HTTP_REFUSED;
    }
    pt_assert(parser->phase >= PT_HTTP_PHASE_BODY_LENGTH);
    if (parser->phase == PT_HTTP_PHASE_BODY_LENGTH) {
        if (parser->content_length > body_bytes_max) {
            return refuse_body_size(parser);
        }
        if (*size_io - parser->head_bytes < parser->content_length) {
            return PT_HTTP_MORE;
        }
        parser->body_bytes = (size_t)parser->content_length;
        parser->at = parser->head_bytes + parser->body_bytes;
        parser->phase = PT_HTTP_PHASE_DONE;
    }
    while (parser->phase != PT_HTTP_PHASE_DONE && progress == PT_HTTP_READY) {
        progress = parse_chunk_step(parser, data, *size_io, body_bytes_max);
    }
    if (progress == PT_HTTP_MORE) {
        close_gap(parser, data, size_io);
    }
    return progress;
}
