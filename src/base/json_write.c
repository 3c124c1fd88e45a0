/*
 * json_write.c - writing JSON
 */
#include "base/json.h"

#include <math.h>

void pt_jsonw_init(struct pt_jsonw *w, struct pt_buf *buf)
{
    *w = (struct pt_jsonw){.buf = buf};
}

static void separate(struct pt_jsonw *w)
{
    if (w->needs_comma) {
        pt_buf_append_byte(w->buf, ',');
    }
    w->needs_comma = true;
}

void pt_jsonw_object(struct pt_jsonw *w)
{
    separate(w);
    pt_buf_append_byte(w->buf, '{');
    w->depth++;
    w->needs_comma = false;
}

void pt_jsonw_object_end(struct pt_jsonw *w)
{
    pt_assert(w->depth > 0);
    pt_buf_append_byte(w->buf, '}');
    w->depth--;
    w->needs_comma = true;
}

void pt_jsonw_array(struct pt_jsonw *w)
{
    separate(w);
    pt_buf_append_byte(w->buf, '[');
    w->depth++;
    w->needs_comma = false;
}

void pt_jsonw_array_end(struct pt_jsonw *w)
{
    pt_assert(w->depth > 0);
    pt_buf_append_byte(w->buf, ']');
    w->depth--;
    w->needs_comma = true;
}

void pt_jsonw_key_span(struct pt_jsonw *w, struct pt_span key)
{
    pt_jsonw_string(w, key);
    pt_buf_append_byte(w->buf, ':');
    w->needs_comma = false;
}

void pt_jsonw_key(struct pt_jsonw *w, const char *key)
{
    pt_jsonw_key_span(w, pt_span_str(key));
}

/* Bytes of the sound UTF-8 sequence at `p`, or 0. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

    if (p[0] < 0xc2 || p[0] > 0xf4 || left < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return length;
}

static void append_escaped(struct pt_buf *buf, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";

    switch (byte) {
    case '"':
        pt_buf_append(buf, "\\\"", 2);
        break;
    case '\\':
        pt_buf_append(buf, "\\\\", 2);
        break;
    case '\n':
        pt_buf_append(buf, "\\n", 2);
        break;
    case '\r':
        pt_buf_append(buf, "\\r", 2);
        break;
    case '\t':
        pt_buf_append(buf, "\\t", 2);
        break;
    case '\b':
        pt_buf_append(buf, "\\b", 2);
        break;
    case '\f':
        pt_buf_append(buf, "\\f", 2);
        break;
    default: {
        char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

        pt_buf_append(buf, text, sizeof(text));
    }
    }
}

void pt_jsonw_string(struct pt_jsonw *w, struct pt_span text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;

    separate(w);
    pt_buf_append_byte(w->buf, '"');
    while (at < end) {
        const uint8_t *run = at;

        while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') {
            at++;
        }
        if (at > run) {
            pt_buf_append(w->buf, run, (size_t)(at - run));
        }
        if (at == end) {
            break;
        }
        if (*at < 0x80) {
            append_escaped(w->buf, *at++);
        } else {
            size_t length = utf8_length(at, (size_t)(end - at));

            if (length) {
                pt_buf_append(w->buf, at, length);
                at += length;
            } else {
                pt_buf_append(w->buf, "\xef\xbf\xbd", 3);
                at++;
            }
        }
    }
    pt_buf_append_byte(w->buf, '"');
}

void pt_jsonw_str(struct pt_jsonw *w, const char *text)
{
    pt_jsonw_string(w, pt_span_str(text));
}

/* Decimal digits of `value`, written backwards from `end`; returns where they begin. */
static char *digits_before(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return end;
}

void pt_jsonw_int(struct pt_jsonw *w, int64_t value)
{
    char text[24];
    char *end = text + sizeof(text);
    char *start = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);

    if (value < 0) {
        *--start = '-';
    }
    separate(w);
    pt_buf_append(w->buf, start, (size_t)(end - start));
}

void pt_jsonw_uint(struct pt_jsonw *w, uint64_t value)
{
    char text[24];
    char *end = text + sizeof(text);
    char *start = digits_before(end, value);

    separate(w);
    pt_buf_append(w->buf, start, (size_t)(end - start));
}

void pt_jsonw_double(struct pt_jsonw *w, double value)
{
    char text[32];

    if (!isfinite(value)) {
        pt_jsonw_null(w);
        return;
    }
    separate(w);
    pt_buf_append(w->buf, text, pt_double_format(text, value));
}

void pt_jsonw_bool(struct pt_jsonw *w, bool value)
{
    separate(w);
    pt_buf_append_str(w->buf, value ? "true" : "false");
}

void pt_jsonw_null(struct pt_jsonw *w)
{
    separate(w);
    pt_buf_append(w->buf, "null", 4);
}

void pt_jsonw_raw(struct pt_jsonw *w, struct pt_span json)
{
    separate(w);
    pt_buf_append(w->buf, json.data, json.size);
}

/* Recursion is bounded by the parser's depth limit. */
void pt_jsonw_value(struct pt_jsonw *w, struct pt_json value)
{
    struct pt_json_iter it;

    switch (pt_json_type(value)) {
    case PT_JSON_NULL:
        pt_jsonw_null(w);
        break;
    case PT_JSON_BOOL:
        pt_jsonw_bool(w, pt_json_bool(value));
        break;
    case PT_JSON_INT:
        pt_jsonw_int(w, pt_json_int(value));
        break;
    case PT_JSON_UINT:
        pt_jsonw_uint(w, pt_json_uint(value));
        break;
    case PT_JSON_DOUBLE:
        pt_jsonw_double(w, pt_json_double(value));
        break;
    case PT_JSON_STRING:
        pt_jsonw_string(w, pt_json_string(value));
        break;
    case PT_JSON_ARRAY:
        pt_jsonw_array(w);
        for (it = pt_json_iterate(value); pt_json_next(&it);) {
            pt_jsonw_value(w, it.value);
        }
        pt_jsonw_array_end(w);
        break;
    case PT_JSON_OBJECT:
        pt_jsonw_object(w);
        for (it = pt_json_iterate(value); pt_json_next(&it);) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
        pt_jsonw_object_end(w);
        break;
    }
}
