/*
 * json_write.c - writing JSON
 */
#include "base/json.h"

#include "base/json_tape.h"

#include <assert.h>
#include <math.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the first character of a word is its lowest byte");

#define ONES UINT64_C(0x0101010101010101)

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

/* Neither control character nor quote, backslash or part of a longer sequence: eight bytes at once.
 */
static bool is_plain_word(uint64_t word)
{
    uint64_t quote = word ^ (ONES * '"');
    uint64_t backslash = word ^ (ONES * '\\');
    /* x - 0x01 sets the high bit of a byte that is 0, x - 0x20 of one below 0x20. A borrow
     * may set more, but only above a byte that is one. */
    uint64_t hits = (word - ONES * 0x20) | (quote - ONES) | (backslash - ONES) | word;

    return !(hits & (ONES * 0x80));
}

/*
 * Copies the bytes at the start of `text` that go into a JSON string as they are; returns how many.
 * Words may overlap at the end, which saves the loop over the last bytes.
 */
static size_t copy_plain(uint8_t *to, const uint8_t *text, size_t bytes)
{
    size_t at = 0;
    uint64_t word = 0;

    for (; at + sizeof(word) <= bytes; at += sizeof(word)) {
        memcpy(&word, text + at, sizeof(word));
        if (!is_plain_word(word)) {
            break;
        }
        memcpy(to + at, &word, sizeof(word));
    }
    if (at < bytes && at + sizeof(word) > bytes && bytes >= sizeof(word)) {
        memcpy(&word, text + bytes - sizeof(word), sizeof(word));
        if (is_plain_word(word)) {
            memcpy(to + bytes - sizeof(word), &word, sizeof(word));
            return bytes;
        }
    }
    while (at < bytes && text[at] >= 0x20 && text[at] < 0x80 && text[at] != '"' &&
           text[at] != '\\') {
        to[at] = text[at];
        at++;
    }
    return at;
}

/* The rest of a string behind its plain start. */
static void append_rest(struct pt_buf *buf, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint8_t *to = pt_buf_reserve(buf, (size_t)(end - at));
        size_t plain = to ? copy_plain(to, at, (size_t)(end - at)) : 0;

        if (!to) {
            break;
        }
        buf->size += plain;
        at += plain;
        if (at == end) {
            break;
        }
        if (*at < 0x80) {
            append_escaped(buf, *at++);
        } else {
            size_t length = utf8_length(at, (size_t)(end - at));

            if (length) {
                pt_buf_append(buf, at, length);
                at += length;
            } else {
                pt_buf_append(buf, "\xef\xbf\xbd", 3);
                at++;
            }
        }
    }
}

/* A key is a string with a colon behind it. */
static void append_string(struct pt_jsonw *w, struct pt_span text, bool is_key)
{
    uint8_t *start = pt_buf_reserve(w->buf, text.size + 4); /* comma, quotes, colon */
    uint8_t *at = start;
    size_t plain = 0;

    if (!start) {
        return;
    }
    if (w->needs_comma) {
        *at++ = ',';
    }
    *at++ = '"';
    plain = copy_plain(at, text.data, text.size);
    at += plain;
    if (plain < text.size) {
        w->buf->size += (size_t)(at - start);
        append_rest(w->buf, text.data + plain, text.data + text.size);
        start = pt_buf_reserve(w->buf, 2);
        at = start;
        if (!start) {
            return;
        }
    }
    *at++ = '"';
    if (is_key) {
        *at++ = ':';
    }
    w->buf->size += (size_t)(at - start);
    w->needs_comma = !is_key;
}

void pt_jsonw_string(struct pt_jsonw *w, struct pt_span text)
{
    append_string(w, text, false);
}

void pt_jsonw_key_span(struct pt_jsonw *w, struct pt_span key)
{
    append_string(w, key, true);
}

void pt_jsonw_key(struct pt_jsonw *w, const char *key)
{
    pt_jsonw_key_span(w, pt_span_str(key));
}

/* Sets the high bit of each byte that must be escaped, and perhaps of some above the first such. */
static uint64_t escaped_bytes(uint64_t word)
{
    uint64_t quote = word ^ (ONES * '"');
    uint64_t backslash = word ^ (ONES * '\\');

    return (((word - ONES * 0x20) & ~word) | ((quote - ONES) & ~quote) |
            ((backslash - ONES) & ~backslash)) &
           (ONES * 0x80);
}

/* The lowest `bytes` bytes of a word; 0 and 8 and more are fine. */
static uint64_t low_bytes(size_t bytes)
{
    return bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * bytes)) - 1;
}

/* Sixteen bytes at once, the slack included: no branch asks how long a short string is. */
void pt_jsonw_parsed(struct pt_jsonw *w, struct pt_span text)
{
    uint8_t *start = pt_buf_reserve(w->buf, text.size + 3 + PT_JSON_STRING_SLACK);
    uint8_t *at = start;

    if (!start) {
        return;
    }
    *at = ',';
    at += w->needs_comma;
    *at++ = '"';
    for (size_t done = 0; done < text.size; done += 16) {
        size_t left = text.size - done;
        uint64_t words[2];

        memcpy(words, text.data + done, sizeof(words));
        if ((escaped_bytes(words[0]) & low_bytes(left)) |
            (escaped_bytes(words[1]) & low_bytes(left > 8 ? left - 8 : 0))) {
            append_string(w, text, false);
            return;
        }
        memcpy(at + done, words, sizeof(words));
    }
    at += text.size;
    *at++ = '"';
    w->buf->size += (size_t)(at - start);
    w->needs_comma = true;
}

void pt_jsonw_str(struct pt_jsonw *w, const char *text)
{
    pt_jsonw_string(w, pt_span_str(text));
}

#define NUMBER_BYTES_MAX 32

/* Eight decimal digits of a number below 10^8, the first in the lowest byte: three steps halve it.
 */
static uint64_t eight_digits(uint32_t value)
{
    uint64_t fours = (value / 10000) | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = ((fours * 10486) >> 20) & UINT64_C(0x7f0000007f);
    uint64_t twos = ((fours - 100 * hundreds) << 16) + hundreds;
    uint64_t tens = ((twos * 103) >> 10) & UINT64_C(0x000f000f000f000f);

    return tens + ((twos - 10 * tens) << 8);
}

/* Decimal digits of `value` at `at`, where 24 bytes are; returns where they end. */
static uint8_t *put_digits(uint8_t *at, uint64_t value)
{
    uint64_t digits = 0;
    unsigned zeros = 0;

    if (value >= 100000000) {
        at = put_digits(at, value / 100000000);
        digits = eight_digits((uint32_t)(value % 100000000)) | ONES * '0';
        memcpy(at, &digits, sizeof(digits));
        return at + 8;
    }
    digits = eight_digits((uint32_t)value);
    zeros = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8;
    digits = (digits | ONES * '0') >> (8 * zeros);
    memcpy(at, &digits, sizeof(digits));
    return at + 8 - zeros;
}

static void append_number(struct pt_jsonw *w, bool is_negative, uint64_t magnitude)
{
    uint8_t *start = pt_buf_reserve(w->buf, NUMBER_BYTES_MAX);
    uint8_t *at = start;

    if (!start) {
        return;
    }
    *at = ',';
    at += w->needs_comma;
    *at = '-';
    at += is_negative;
    at = put_digits(at, magnitude);
    w->buf->size += (size_t)(at - start);
    w->needs_comma = true;
}

void pt_jsonw_int(struct pt_jsonw *w, int64_t value)
{
    append_number(w, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void pt_jsonw_uint(struct pt_jsonw *w, uint64_t value)
{
    append_number(w, false, value);
}

/*
 * Most numbers of a game are decimals with few digits. Where value is the double nearest to n /
 * 1000 with n below 10^15, that decimal reads back as value, and no other one of at most 15 digits
 * does: it is the shortest. The division is as exact as that needs, since IEEE 754 rounds it
 * correctly.
 */
static size_t format_short(uint8_t *text, double value)
{
    uint8_t *at = text;
    double magnitude = fabs(value);
    uint64_t thousandths = 0;
    unsigned part = 0;

    if (!(magnitude < 1e11)) {
        return 0;
    }
    thousandths = (uint64_t)(magnitude * 1000 + 0.5);
    if ((double)thousandths / 1000 != magnitude) {
        return 0;
    }
    *at = '-';
    at += signbit(value) != 0;
    at = put_digits(at, thousandths / 1000);
    part = (unsigned)(thousandths % 1000);
    *at++ = '.';
    *at++ = (uint8_t)('0' + part / 100);
    if (part % 100) {
        *at++ = (uint8_t)('0' + part / 10 % 10);
    }
    if (part % 10) {
        *at++ = (uint8_t)('0' + part % 10);
    }
    return (size_t)(at - text);
}

size_t pt_double_format(char *text, double value)
{
    size_t length = format_short((uint8_t *)text, value);

    return length ? length : pt_double_format_long(text, value);
}

void pt_jsonw_double(struct pt_jsonw *w, double value)
{
    uint8_t *start = NULL;

    if (!isfinite(value)) {
        pt_jsonw_null(w);
        return;
    }
    start = pt_buf_reserve(w->buf, 1 + NUMBER_BYTES_MAX);
    if (start) {
        *start = ',';
        w->buf->size += w->needs_comma;
        w->buf->size += pt_double_format((char *)start + w->needs_comma, value);
        w->needs_comma = true;
    }
}

void pt_jsonw_bool(struct pt_jsonw *w, bool value)
{
    static const char words[2][8] = {"false", "true"};
    uint8_t *start = pt_buf_reserve(w->buf, 1 + sizeof(words[0]));

    if (start) {
        *start = ',';
        memcpy(start + w->needs_comma, words[value], sizeof(words[0]));
        w->buf->size += 5 + (size_t)w->needs_comma - value;
        w->needs_comma = true;
    }
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
