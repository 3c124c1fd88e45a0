/*
 * json_check.c - where a text stops being JSON
 *
 * A strict RFC 8259 recogniser with a stack of one bit a level, no recursion and no memory.
 * The fast parser says only that a document is wrong; this says where.
 */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct checker {
    const uint8_t *data;
    size_t size;
    size_t at;
    const char *reason;
};

static bool fail_at(struct checker *c, size_t at, const char *reason)
{
    c->at = at;
    c->reason = reason;
    return false;
}

static void skip_space(struct checker *c)
{
    while (c->at < c->size && (c->data[c->at] == ' ' || c->data[c->at] == '\t' ||
                               c->data[c->at] == '\n' || c->data[c->at] == '\r')) {
        c->at++;
    }
}

static bool is_digit(const struct checker *c)
{
    return c->at < c->size && c->data[c->at] >= '0' && c->data[c->at] <= '9';
}

static bool check_hex4(struct checker *c, uint32_t *unit_out)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++, c->at++) {
        uint8_t byte = c->at < c->size ? c->data[c->at] : 0;
        uint32_t digit = 0;

        if (byte >= '0' && byte <= '9') {
            digit = (uint32_t)(byte - '0');
        } else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f') {
            digit = (uint32_t)((byte | 0x20) - 'a') + 10;
        } else {
            return fail_at(c, c->at, "\\u needs four hexadecimal digits");
        }
        unit = unit << 4 | digit;
    }
    *unit_out = unit;
    return true;
}

static bool check_escape(struct checker *c)
{
    size_t start = c->at++;
    uint8_t byte = c->at < c->size ? c->data[c->at] : 0;
    uint32_t unit = 0;

    if (byte == 'u') {
        c->at++;
        if (!check_hex4(c, &unit)) {
            return false;
        }
        if (unit >= 0xdc00 && unit <= 0xdfff) {
            return fail_at(c, start, "a low surrogate stands alone");
        }
        if (unit >= 0xd800 && unit <= 0xdbff) {
            if (c->size - c->at < 2 || c->data[c->at] != '\\' || c->data[c->at + 1] != 'u') {
                return fail_at(c, start, "a high surrogate stands alone");
            }
            c->at += 2;
            if (!check_hex4(c, &unit)) {
                return false;
            }
            if (unit < 0xdc00 || unit > 0xdfff) {
                return fail_at(c, start, "a high surrogate stands alone");
            }
        }
        return true;
    }
    if (byte == 0 || !strchr("\"\\/bfnrt", byte)) {
        return fail_at(c, c->at, "unknown escape in a string");
    }
    c->at++;
    return true;
}

static bool check_utf8(struct checker *c)
{
    const uint8_t *p = c->data + c->at;
    size_t left = c->size - c->at;
    size_t length = 0;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        length = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        length = 3;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        length = 4;
    }
    if (length == 0 || left < length) {
        return fail_at(c, c->at, "invalid UTF-8");
    }
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return fail_at(c, c->at, "invalid UTF-8");
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return fail_at(c, c->at, "invalid UTF-8");
    }
    c->at += length;
    return true;
}

static bool check_string(struct checker *c)
{
    c->at++;
    while (c->at < c->size) {
        uint8_t byte = c->data[c->at];

        if (byte == '"') {
            c->at++;
            return true;
        }
        if (byte == '\\') {
            if (!check_escape(c)) {
                return false;
            }
        } else if (byte < 0x20) {
            return fail_at(c, c->at, "a control character in a string must be escaped");
        } else if (byte < 0x80) {
            c->at++;
        } else if (!check_utf8(c)) {
            return false;
        }
    }
    return fail_at(c, c->at, "the text ends inside a string");
}

/* Whether the sound number in [start, end) fits int64, uint64 or double, as the parser wants it. */
static bool fits(const struct checker *c, size_t start, size_t end, bool is_integer)
{
    char text[1100];
    size_t bytes = end - start;

    if (bytes >= sizeof(text)) {
        return !is_integer; /* a long fraction is fine, and no such exponent is written */
    }
    memcpy(text, c->data + start, bytes);
    text[bytes] = '\0';
    errno = 0;
    if (!is_integer) {
        return isfinite(strtod(text, NULL));
    }
    if (text[0] == '-') {
        (void)strtoll(text, NULL, 10);
    } else {
        (void)strtoull(text, NULL, 10);
    }
    return errno != ERANGE;
}

static bool check_number(struct checker *c)
{
    size_t start = c->at;
    bool is_integer = true;

    if (c->data[c->at] == '-') {
        c->at++;
    }
    if (!is_digit(c)) {
        return fail_at(c, c->at, "a digit is missing in a number");
    }
    if (c->data[c->at] == '0') {
        c->at++;
        if (is_digit(c)) {
            return fail_at(c, c->at, "a number begins with 0");
        }
    }
    while (is_digit(c)) {
        c->at++;
    }
    if (c->at < c->size && c->data[c->at] == '.') {
        is_integer = false;
        c->at++;
        if (!is_digit(c)) {
            return fail_at(c, c->at, "a digit must follow the decimal point");
        }
        while (is_digit(c)) {
            c->at++;
        }
    }
    if (c->at < c->size && (c->data[c->at] | 0x20) == 'e') {
        is_integer = false;
        c->at++;
        if (c->at < c->size && (c->data[c->at] == '+' || c->data[c->at] == '-')) {
            c->at++;
        }
        if (!is_digit(c)) {
            return fail_at(c, c->at, "a digit is missing in an exponent");
        }
        while (is_digit(c)) {
            c->at++;
        }
    }
    if (!fits(c, start, c->at, is_integer)) {
        return fail_at(c, start, "a number is out of range");
    }
    return true;
}

static bool check_word(struct checker *c, const char *word)
{
    size_t length = strlen(word);

    if (c->size - c->at < length || memcmp(c->data + c->at, word, length) != 0) {
        return fail_at(c, c->at, "a value is expected here");
    }
    c->at += length;
    return true;
}

static bool check_scalar(struct checker *c)
{
    switch (c->data[c->at]) {
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        if (c->data[c->at] == '-' || is_digit(c)) {
            return check_number(c);
        }
        return fail_at(c, c->at, "a value is expected here");
    }
}

static bool check_key(struct checker *c)
{
    skip_space(c);
    if (c->at >= c->size || c->data[c->at] != '"') {
        return fail_at(c, c->at, "a key in double quotes is expected here");
    }
    if (!check_string(c)) {
        return false;
    }
    skip_space(c);
    if (c->at >= c->size || c->data[c->at] != ':') {
        return fail_at(c, c->at, "a colon is expected here");
    }
    c->at++;
    return true;
}

static bool check_document(struct checker *c)
{
    uint8_t is_object[PT_JSON_DEPTH_MAX + 1] = {0};
    unsigned depth = 0;

    for (;;) {
        /* A value begins here. */
        skip_space(c);
        if (c->at >= c->size) {
            return fail_at(c, c->at, "the text ends too early");
        }
        if (c->data[c->at] == '{' || c->data[c->at] == '[') {
            bool object = c->data[c->at] == '{';
            size_t start = c->at++;

            skip_space(c);
            if (c->at >= c->size || c->data[c->at] != (object ? '}' : ']')) {
                if (depth == PT_JSON_DEPTH_MAX) {
                    return fail_at(c, start, "nested too deeply");
                }
                is_object[++depth] = object;
                if (object && !check_key(c)) {
                    return false;
                }
                continue;
            }
            c->at++;
        } else if (!check_scalar(c)) {
            return false;
        }
        /* A value has ended: close what closes, then go on behind a comma. */
        for (;;) {
            skip_space(c);
            if (depth == 0) {
                return c->at == c->size ? true
                                        : fail_at(c, c->at, "more text follows the document");
            }
            if (c->at >= c->size) {
                return fail_at(c, c->at, "the text ends too early");
            }
            if (c->data[c->at] == (is_object[depth] ? '}' : ']')) {
                c->at++;
                depth--;
                continue;
            }
            if (c->data[c->at] != ',') {
                return fail_at(c, c->at,
                               is_object[depth] ? "a comma or } is expected here"
                                                : "a comma or ] is expected here");
            }
            c->at++;
            if (is_object[depth] && !check_key(c)) {
                return false;
            }
            break;
        }
    }
}

bool pt_json_check(struct pt_span json, size_t *offset_out, const char **reason_out)
{
    struct checker c = {.data = json.data, .size = json.size};
    bool ok = check_document(&c);

    *offset_out = c.at;
    *reason_out = ok ? "" : c.reason;
    return ok;
}
