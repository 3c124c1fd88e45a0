/*
 * request.c - what a handler may ask about its request
 */
#include "http/h2.h"
#include "http/loop.h"

struct pt_span pt_http_method(const struct pt_http_request *request)
{
    return request->method;
}

struct pt_span pt_http_path(const struct pt_http_request *request)
{
    return request->path;
}

struct pt_span pt_http_path_rest(const struct pt_http_request *request)
{
    return request->path_rest;
}

struct pt_span pt_http_query(const struct pt_http_request *request)
{
    return request->query;
}

bool pt_http_query_next(struct pt_span *query, struct pt_span *name_out, struct pt_span *value_out)
{
    struct pt_span rest = *query;
    const uint8_t *mark = NULL;
    const uint8_t *equals = NULL;
    size_t size = 0;

    if (rest.size == 0) {
        return false;
    }
    mark = memchr(rest.data, '&', rest.size);
    size = mark ? (size_t)(mark - rest.data) : rest.size;
    equals = memchr(rest.data, '=', size);
    *name_out = pt_span_of(rest.data, equals ? (size_t)(equals - rest.data) : size);
    *value_out = equals ? pt_span_of(equals + 1, size - name_out->size - 1) : (struct pt_span){0};
    *query = mark ? pt_span_of(mark + 1, rest.size - size - 1) : (struct pt_span){0};
    return true;
}

struct pt_span pt_http_query_value(struct pt_span query, const char *name)
{
    struct pt_span found;
    struct pt_span value;

    while (pt_http_query_next(&query, &found, &value)) {
        if (value.data && pt_span_is(found, name)) {
            return value;
        }
    }
    return (struct pt_span){0};
}

struct pt_span pt_http_header(const struct pt_http_request *request, const char *name)
{
    const struct pt_http_conn *conn = request->conn;
    const struct pt_http_parser *parser = &conn->parser;
    const uint8_t *data = NULL;
    struct pt_span wanted = pt_span_str(name);

    if (request->stream) {
        return pt_http_stream_header(request->stream, wanted);
    }
    data = conn->data + conn->begin;
    for (uint32_t i = 0; i < parser->field_count; i++) {
        const struct pt_http_field *field = &parser->fields[i];

        if (field->name.bytes == wanted.size &&
            pt_http_same_name(pt_span_of(data + field->name.at, field->name.bytes), wanted)) {
            return pt_span_of(data + field->value.at, field->value.bytes);
        }
    }
    return (struct pt_span){0};
}

struct pt_span pt_http_body(const struct pt_http_request *request)
{
    return request->body;
}

const char *pt_http_peer(const struct pt_http_request *request)
{
    return request->conn->peer;
}

bool pt_http_peer_is_loopback(const struct pt_http_request *request)
{
    return request->conn->is_loopback;
}

uint32_t pt_http_loop_index(const struct pt_http_request *request)
{
    return request->conn->loop->index;
}
