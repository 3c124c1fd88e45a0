/*
 * json.c - the little JSON that the client must read and write itself
 */
#include "core/json.h"

#include <string.h>

#define ANSWER_DEPTH_MAX 32
#define LONE_SURROGATE "half of a surrogate pair"

struct scan {
    const char *at;
    const char *end;
    unsigned depth_left;
    const char *why; /* the first thing that was found wrong, or NULL */
};

static bool fail(struct scan *s, const char *why)
{
    if (!s->why) {
        s->why = why;
    }
    return false;
}

static bool scan_value(struct scan *s);

static void skip_space(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r')) {
        s->at++;
    }
}

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

static bool take_word(struct scan *s, const char *word, size_t bytes)
{
    if ((size_t)(s->end - s->at) < bytes || memcmp(s->at, word, bytes) != 0) {
        return false;
    }
    s->at += bytes;
    return true;
}

/* Unicode 15, table 3-7. */
size_t pt_client_utf8_sequence(const char *at, size_t bytes)
{
    const unsigned char *text = (const unsigned char *)at;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t need = 0;

    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] >= 0xc2 && text[0] <= 0xdf) {
        need = 2;
    } else if (text[0] >= 0xe0 && text[0] <= 0xef) {
        need = 3;
        low = text[0] == 0xe0 ? 0xa0 : low;
        high = text[0] == 0xed ? 0x9f : high;
    } else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
        need = 4;
        low = text[0] == 0xf0 ? 0x90 : low;
        high = text[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (bytes < need || text[1] < low || text[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < need; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return need;
}

bool pt_client_utf8_is_valid(const char *text, size_t bytes)
{
    size_t at = 0;

    while (at < bytes) {
        size_t step = pt_client_utf8_sequence(text + at, bytes - at);

        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

/* The four digits after \u; -1 where they are not. */
static int scan_hex4(struct scan *s)
{
    int value = 0;

    if (s->end - s->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = *s->at++;

        if (c >= '0' && c <= '9') {
            value = value * 16 + (c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value * 16 + (c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            value = value * 16 + (c - 'A' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

static bool scan_escape(struct scan *s)
{
    int unit = 0;

    if (s->at == s->end) {
        return false;
    }
    switch (*s->at++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return true;
    case 'u':
        break;
    default:
        return fail(s, "an escape that JSON does not have");
    }
    unit = scan_hex4(s);
    if (unit < 0) {
        return fail(s, "\\u needs four hexadecimal digits");
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        return fail(s, LONE_SURROGATE);
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (!take(s, '\\') || !take(s, 'u')) {
            return fail(s, LONE_SURROGATE);
        }
        unit = scan_hex4(s);
        return (unit >= 0xdc00 && unit <= 0xdfff) || fail(s, LONE_SURROGATE);
    }
    return true;
}

static bool scan_string(struct scan *s)
{
    if (!take(s, '"')) {
        return fail(s, "a text in double quotes belongs here");
    }
    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at;

        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < 0x20) {
            return fail(s, "a control character within a text: write it as \\u00xx");
        }
        if (c == '\\') {
            s->at++;
            if (!scan_escape(s)) {
                return false;
            }
        } else if (c < 0x80) {
            s->at++;
        } else {
            size_t step = pt_client_utf8_sequence(s->at, (size_t)(s->end - s->at));

            if (step == 0) {
                return fail(s, "bytes that are not UTF-8");
            }
            s->at += step;
        }
    }
    return fail(s, "the text ends within a string");
}

static size_t scan_digits(struct scan *s)
{
    const char *start = s->at;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return (size_t)(s->at - start);
}

/* An integer fits where its magnitude is at most 2^63 (negative) or 2^64 - 1. */
static bool integer_fits(const char *digits, size_t count, bool is_negative)
{
    uint64_t value = 0;
    uint64_t limit = is_negative ? UINT64_C(1) << 63 : UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        uint64_t digit = (uint64_t)(digits[i] - '0');

        if (value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    return true;
}

static bool scan_number(struct scan *s)
{
    bool is_negative = take(s, '-');
    bool is_integer = true;
    const char *digits = s->at;
    size_t count = scan_digits(s);
    long exponent = 0;

    if (count == 0) {
        return fail(s, "not a JSON value (NaN and infinite numbers are none)");
    }
    if (count > 1 && digits[0] == '0') {
        return fail(s, "a number that starts with 0");
    }
    if (take(s, '.')) {
        is_integer = false;
        if (scan_digits(s) == 0) {
            return fail(s, "digits belong behind the decimal point");
        }
    }
    if (take(s, 'e') || take(s, 'E')) {
        bool is_minus = take(s, '-');
        const char *start = NULL;

        is_integer = false;
        if (!is_minus) {
            (void)take(s, '+');
        }
        start = s->at;
        if (scan_digits(s) == 0) {
            return fail(s, "digits belong into the exponent");
        }
        for (const char *c = start; c < s->at && exponent < 100000; c++) {
            exponent = exponent * 10 + (*c - '0');
        }
        exponent = is_minus ? -exponent : exponent;
    }
    if (is_integer) {
        return integer_fits(digits, count, is_negative) ||
               fail(s, "an integer that 64 bits do not hold");
    }
    /* Below 1e308 whatever the digits are; the largest double is some 1.8e308. */
    return exponent + (long)(count < 100000 ? count : 100000) <= 308 ||
           fail(s, "a number too large for a double");
}

static bool scan_array(struct scan *s)
{
    skip_space(s);
    if (take(s, ']')) {
        return true;
    }
    for (;;) {
        if (!scan_value(s)) {
            return false;
        }
        skip_space(s);
        if (take(s, ']')) {
            return true;
        }
        if (!take(s, ',')) {
            return fail(s, "\",\" or \"]\" belongs here");
        }
    }
}

/* A member's name and colon; the value follows. */
static bool scan_name(struct scan *s, const char **name_out, size_t *bytes_out)
{
    skip_space(s);
    *name_out = s->at + 1;
    if (!scan_string(s)) {
        return false;
    }
    *bytes_out = (size_t)(s->at - *name_out) - 1;
    skip_space(s);
    if (!take(s, ':')) {
        return fail(s, "\":\" belongs here");
    }
    skip_space(s);
    return true;
}

static bool scan_object(struct scan *s)
{
    const char *name = NULL;
    size_t name_bytes = 0;

    skip_space(s);
    if (take(s, '}')) {
        return true;
    }
    for (;;) {
        if (!scan_name(s, &name, &name_bytes) || !scan_value(s)) {
            return false;
        }
        skip_space(s);
        if (take(s, '}')) {
            return true;
        }
        if (!take(s, ',')) {
            return fail(s, "\",\" or \"}\" belongs here");
        }
    }
}

static bool scan_value(struct scan *s)
{
    bool is_sound = false;

    skip_space(s);
    if (s->at == s->end) {
        return fail(s, "the text ends where a value belongs");
    }
    switch (*s->at) {
    case '{':
    case '[':
        if (s->depth_left == 0) {
            return fail(s, "nested too deep");
        }
        s->depth_left--;
        is_sound = *s->at++ == '{' ? scan_object(s) : scan_array(s);
        s->depth_left++;
        return is_sound;
    case '"':
        return scan_string(s);
    case 't':
        return take_word(s, "true", 4);
    case 'f':
        return take_word(s, "false", 5);
    case 'n':
        return take_word(s, "null", 4);
    default:
        return scan_number(s);
    }
}

bool pt_client_json_check(const char *text, size_t bytes, unsigned depth_max, bool is_object,
                          struct pt_client_json_fault *fault_out)
{
    struct scan s = {text, text + bytes, depth_max, NULL};
    bool is_sound = false;

    skip_space(&s);
    if (is_object && (s.at == s.end || *s.at != '{')) {
        is_sound = fail(&s, "attributes are one JSON object, {\"key\":value,...}");
    } else {
        is_sound = scan_value(&s);
        if (is_sound) {
            skip_space(&s);
        }
        is_sound = is_sound && (s.at == s.end || fail(&s, "something follows the value's end"));
    }
    fault_out->offset = (size_t)(s.at - text);
    fault_out->why = s.why ? s.why : "not JSON";
    return is_sound;
}

bool pt_client_json_is_object(const char *text, size_t bytes, unsigned depth_max)
{
    struct pt_client_json_fault fault;

    return pt_client_json_check(text, bytes, depth_max, true, &fault);
}

size_t pt_client_json_escape(const char *text, size_t bytes, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *to = out;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20) {
            to[0] = '\\';
            to[1] = 'u';
            to[2] = '0';
            to[3] = '0';
            to[4] = hex[c >> 4];
            to[5] = hex[c & 15];
            to += 6;
        } else {
            *to++ = (char)c;
        }
    }
    return (size_t)(to - out);
}

size_t pt_client_json_escaped_bytes(const char *text, size_t bytes)
{
    size_t count = bytes;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        count += c == '"' || c == '\\' ? 1 : c < 0x20 ? 5 : 0;
    }
    return count;
}

static bool is_named(const char *name, size_t bytes, const char *want)
{
    return bytes == strlen(want) && memcmp(name, want, bytes) == 0;
}

/* A plain count: digits only, within 18 of them. */
static bool scan_count(struct scan *s, uint64_t *count_out)
{
    const char *digits = s->at;
    size_t bytes = scan_digits(s);

    if (bytes == 0 || bytes > 18 || (bytes > 1 && digits[0] == '0')) {
        return false;
    }
    *count_out = 0;
    for (size_t i = 0; i < bytes; i++) {
        *count_out = *count_out * 10 + (uint64_t)(digits[i] - '0');
    }
    return true;
}

/* An array of objects: how many, and the first. */
static bool scan_object_count(struct scan *s, uint64_t *count_out, struct pt_client_text *first_out)
{
    *count_out = 0;
    *first_out = (struct pt_client_text){"", 0};
    if (!take(s, '[')) {
        return false;
    }
    skip_space(s);
    if (take(s, ']')) {
        return true;
    }
    for (;;) {
        const char *object = NULL;

        skip_space(s);
        object = s->at;
        if (s->at == s->end || *s->at != '{' || !scan_value(s)) {
            return false;
        }
        if ((*count_out)++ == 0) {
            *first_out = (struct pt_client_text){object, (size_t)(s->at - object)};
        }
        skip_space(s);
        if (take(s, ']')) {
            return true;
        }
        if (!take(s, ',')) {
            return false;
        }
    }
}

bool pt_client_receipt_parse(const char *body, size_t bytes, struct pt_client_receipt *receipt_out)
{
    struct scan s = {body, body + bytes, ANSWER_DEPTH_MAX, NULL};
    unsigned accepted_seen = 0;
    unsigned rejected_seen = 0;

    if (!pt_client_json_is_object(body, bytes, ANSWER_DEPTH_MAX)) {
        return false;
    }
    skip_space(&s);
    (void)take(&s, '{');
    skip_space(&s);
    if (take(&s, '}')) {
        return false;
    }
    do {
        const char *name = NULL;
        size_t name_bytes = 0;
        bool is_sound = scan_name(&s, &name, &name_bytes);

        if (is_sound && is_named(name, name_bytes, "accepted")) {
            accepted_seen++;
            is_sound = scan_count(&s, &receipt_out->accepted);
        } else if (is_sound && is_named(name, name_bytes, "rejected")) {
            rejected_seen++;
            is_sound = scan_object_count(&s, &receipt_out->rejected, &receipt_out->first);
        } else if (is_sound) {
            is_sound = scan_value(&s);
        }
        if (!is_sound) {
            return false;
        }
        skip_space(&s);
    } while (take(&s, ','));
    /* The whole was well-formed; 3.5 or 3e1 as a count leaves something before the brace. */
    return take(&s, '}') && accepted_seen == 1 && rejected_seen == 1;
}

/* The inside of the first text member `name` of the object `body`, escapes as they stand. */
static bool find_text(const char *body, size_t bytes, const char *want, struct pt_client_text *out)
{
    struct scan s = {body, body + bytes, ANSWER_DEPTH_MAX, NULL};

    *out = (struct pt_client_text){"", 0};
    if (!pt_client_json_is_object(body, bytes, ANSWER_DEPTH_MAX)) {
        return false;
    }
    skip_space(&s);
    (void)take(&s, '{');
    skip_space(&s);
    if (take(&s, '}')) {
        return false;
    }
    do {
        const char *name = NULL;
        size_t name_bytes = 0;
        const char *value = NULL;

        if (!scan_name(&s, &name, &name_bytes)) {
            return false;
        }
        value = s.at;
        if (!scan_value(&s)) {
            return false;
        }
        if (is_named(name, name_bytes, want) && *value == '"') {
            *out = (struct pt_client_text){value + 1, (size_t)(s.at - value) - 2};
            return true;
        }
        skip_space(&s);
    } while (take(&s, ','));
    return false;
}

bool pt_client_refusal_parse(const char *body, size_t bytes, struct pt_client_refusal *refusal_out)
{
    (void)find_text(body, bytes, "detail", &refusal_out->detail);
    return find_text(body, bytes, "code", &refusal_out->code);
}

bool pt_client_refusal_is_ours(const char *body, size_t bytes)
{
    struct pt_client_text code;

    return find_text(body, bytes, "code", &code);
}
