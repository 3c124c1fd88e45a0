/*
 * registry_request.c - Confluent Schema Registry's REST interface: a request in, an answer out
 *
 * A request is read apart here and handed to registry_request_get.c or registry_request_work.c.
 * Answers are in Confluent's form: {"error_code","message"} for what failed, with the codes that
 * its clients know.
 */
#include "schema/registry_request_inside.h"

#include "base/crypto.h"

#include <stdarg.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX (16u << 20)

/* ---- answers ------------------------------------------------------------------------ */

void registry_begin(struct registry_desk *desk)
{
    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&desk->w, &desk->answer);
    desk->status = 200;
}

void registry_fail(struct registry_desk *desk, int error_code, const char *format, ...)
{
    char text[PT_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    registry_begin(desk);
    desk->status = error_code < 1000 ? error_code : error_code / 100;
    pt_jsonw_object(&desk->w);
    pt_jsonw_key(&desk->w, "error_code");
    pt_jsonw_int(&desk->w, error_code);
    pt_jsonw_key(&desk->w, "message");
    pt_jsonw_str(&desk->w, text);
    pt_jsonw_object_end(&desk->w);
}

/* ---- requests ------------------------------------------------------------------------- */

/* The path's words, percent signs resolved; false for a broken escape, too many words, or an empty
 * one. */
static bool read_path(struct registry_call *call, struct pt_span path)
{
    size_t at = 0;

    if (!pt_buf_reserve(&call->text, path.size + 1)) {
        return false;
    }
    while (path.size > 0 && path.data[path.size - 1] == '/') {
        path.size--;
    }
    while (at < path.size) {
        uint8_t *start = call->text.data + call->text.size;
        const uint8_t *slash = memchr(path.data + at, '/', path.size - at);
        size_t sent = slash ? (size_t)(slash - path.data) - at : path.size - at;
        size_t size = 0;

        if (!pt_percent_decode(pt_span_of(path.data + at, sent), false, start, sent, &size) ||
            size == 0 || call->word_count == REGISTRY_WORDS_MAX) {
            return false;
        }
        at += sent + 1;
        call->words[call->word_count++] = pt_span_of(start, size);
        call->text.size += size;
    }
    return true;
}

bool registry_is_word(const struct registry_call *call, uint32_t index, const char *word)
{
    return index < call->word_count && pt_span_is(call->words[index], word);
}

bool registry_has_flag(struct pt_span query, const char *name)
{
    struct pt_span found;
    struct pt_span value;

    while (pt_http_query_next(&query, &found, &value)) {
        if (pt_span_is(found, name) && pt_span_is(value, "true")) {
            return true;
        }
    }
    return false;
}

bool registry_read_version(struct registry_desk *desk, struct pt_span text, uint32_t *version_out)
{
    uint64_t number = 0;

    if (pt_span_is(text, "latest") || pt_span_is(text, "-1")) {
        *version_out = PT_REGISTRY_LATEST;
        return true;
    }
    for (size_t i = 0; i < text.size && number < INT32_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            number = 0;
            break;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (number == 0 || number > INT32_MAX) {
        registry_fail(
            desk, 42202,
            "The specified version '%.*s' is not a valid version id. Allowed values are between "
            "[1, 2^31-1] and the string \"latest\"",
            PT_SPAN_ARG(text));
        return false;
    }
    *version_out = (uint32_t)number;
    return true;
}

/* ---- the desk ------------------------------------------------------------------------- */

void registry_answer(struct registry_desk *desk, struct pt_span method, struct pt_span path,
                     struct pt_span query, struct pt_span body)
{
    struct registry_call call = {.method = method, .query = query, .body = body};

    registry_begin(desk);
    pt_buf_init(&call.text, 65536);
    if (!read_path(&call, path)) {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    } else if (pt_span_is(method, "GET") || pt_span_is(method, "HEAD")) {
        registry_get(desk, &call);
    } else {
        registry_work(desk, &call);
    }
    pt_buf_release(&call.text);
}

bool registry_desk_open(struct registry_desk *desk, struct pt_registry *registry)
{
    desk->registry = registry;
    pt_buf_init(&desk->answer, ANSWER_BYTES_MAX);
    desk->parser = pt_json_parser_create(REGISTRY_BODY_BYTES_MAX);
    desk->reader = pt_registry_reader_create(registry);
    return desk->parser && desk->reader;
}

void registry_desk_close(struct registry_desk *desk)
{
    pt_json_parser_destroy(desk->parser);
    pt_registry_reader_destroy(desk->reader);
    pt_buf_release(&desk->answer);
}
