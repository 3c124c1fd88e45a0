/*
 * json_tape.c - base/json_tape.h without simdjson, so that its readers can be built for 32 bits
 *
 * Debian has simdjson as a 64-bit shared library alone. pt_json_check() says whether the text is a
 * document; this lays it out as the tape that json.c walks (simdjson's doc/tape.md): 64-bit words,
 * the kind in the highest byte, and strings as a u32 length, the bytes and a NUL. Slow and simple.
 */
#include "base/json_tape.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pt_json_parser {
    uint64_t *tape;
    uint8_t *strings;
    const uint8_t *at;
    size_t count;        /* words on the tape */
    size_t string_bytes; /* bytes in `strings` */
    size_t bytes_max;
};

struct pt_json_parser *pt_json_parser_create(size_t document_bytes_max)
{
    struct pt_json_parser *parser = calloc(1, sizeof(*parser));

    if (parser) {
        parser->bytes_max = document_bytes_max;
    }
    return parser;
}

void pt_json_parser_destroy(struct pt_json_parser *parser)
{
    if (parser) {
        free(parser->tape);
        free(parser->strings);
        free(parser);
    }
}

static void put(struct pt_json_parser *parser, char kind, uint64_t value)
{
    parser->tape[parser->count++] = (uint64_t)(uint8_t)kind << 56 | value;
}

static void skip_space(struct pt_json_parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n' ||
           *parser->at == '\r') {
        parser->at++;
    }
}

static uint32_t take_hex(struct pt_json_parser *parser)
{
    char digits[5] = {0};

    memcpy(digits, parser->at, 4);
    parser->at += 4;
    return (uint32_t)strtoul(digits, NULL, 16);
}

static void put_utf8(struct pt_json_parser *parser, uint32_t code)
{
    uint8_t *to = parser->strings + parser->string_bytes;
    unsigned tail = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};

    to[0] = (uint8_t)(leads[tail] | code >> (6 * tail));
    for (unsigned i = 1; i <= tail; i++) {
        to[i] = (uint8_t)(0x80 | (code >> (6 * (tail - i)) & 0x3f));
    }
    parser->string_bytes += tail + 1;
}

static void take_escape(struct pt_json_parser *parser)
{
    static const char names[] = "bfnrt\"\\/";
    static const char values[] = "\b\f\n\r\t\"\\/";
    char name = (char)*parser->at++;
    uint32_t code = 0;

    if (name != 'u') {
        parser->strings[parser->string_bytes++] = (uint8_t)values[strchr(names, name) - names];
        return;
    }
    code = take_hex(parser);
    if (code >= 0xd800 && code < 0xdc00) {
        parser->at += 2; /* the low half's \u: pt_json_check() has seen it */
        code = 0x10000 + ((code - 0xd800) << 10) + (take_hex(parser) - 0xdc00);
    }
    put_utf8(parser, code);
}

static void take_string(struct pt_json_parser *parser)
{
    size_t start = parser->string_bytes;
    uint32_t bytes = 0;

    put(parser, '"', start);
    parser->string_bytes += sizeof(bytes);
    parser->at++;
    while (*parser->at != '"') {
        if (*parser->at == '\\') {
            parser->at++;
            take_escape(parser);
        } else {
            parser->strings[parser->string_bytes++] = *parser->at++;
        }
    }
    parser->at++;
    bytes = (uint32_t)(parser->string_bytes - start - sizeof(bytes));
    memcpy(parser->strings + start, &bytes, sizeof(bytes));
    parser->strings[parser->string_bytes++] = '\0';
}

static void take_number(struct pt_json_parser *parser)
{
    char text[512];
    size_t bytes = strspn((const char *)parser->at, "+-.0123456789eE");
    double number = 0;
    uint64_t word = 0;

    if (bytes >= sizeof(text)) {
        bytes = sizeof(text) - 1;
    }
    memcpy(text, parser->at, bytes);
    text[bytes] = '\0';
    parser->at += strspn((const char *)parser->at, "+-.0123456789eE");
    if (strpbrk(text, ".eE")) {
        number = strtod(text, NULL);
        memcpy(&word, &number, sizeof(word));
        put(parser, 'd', 0);
    } else if (text[0] != '-' && strtoull(text, NULL, 10) > INT64_MAX) {
        word = strtoull(text, NULL, 10);
        put(parser, 'u', 0);
    } else {
        word = (uint64_t)strtoll(text, NULL, 10);
        put(parser, 'l', 0);
    }
    parser->tape[parser->count++] = word;
}

static void take_value(struct pt_json_parser *parser);

static void take_container(struct pt_json_parser *parser, char open, char close)
{
    size_t start = parser->count;
    uint64_t members = 0;

    put(parser, open, 0);
    parser->at++;
    skip_space(parser);
    while (*parser->at != (uint8_t)close) {
        if (open == '{') {
            take_string(parser);
            skip_space(parser);
            parser->at++; /* the colon */
        }
        take_value(parser);
        members++;
        skip_space(parser);
        if (*parser->at == ',') {
            parser->at++;
            skip_space(parser);
        }
    }
    parser->at++;
    put(parser, close, start);
    parser->tape[start] |= members << 32 | parser->count;
}

static void take_value(struct pt_json_parser *parser)
{
    skip_space(parser);
    switch (*parser->at) {
    case '{':
        take_container(parser, '{', '}');
        break;
    case '[':
        take_container(parser, '[', ']');
        break;
    case '"':
        take_string(parser);
        break;
    case 't':
        parser->at += 4;
        put(parser, 't', 0);
        break;
    case 'f':
        parser->at += 5;
        put(parser, 'f', 0);
        break;
    case 'n':
        parser->at += 4;
        put(parser, 'n', 0);
        break;
    default:
        take_number(parser);
        break;
    }
}

enum pt_tape_result pt_json_tape_parse(struct pt_json_parser *parser, const uint8_t *json,
                                       size_t bytes, uint32_t depth_max, const uint64_t **tape_out,
                                       const uint8_t **strings_out)
{
    struct pt_span text = {json, bytes};
    const char *reason = NULL;
    size_t offset = 0;

    (void)depth_max; /* pt_json_check() knows the same */
    if (bytes > parser->bytes_max) {
        return PT_TAPE_TOO_BIG;
    }
    if (!pt_json_check(text, &offset, &reason)) {
        return PT_TAPE_INVALID;
    }
    free(parser->tape);
    free(parser->strings);
    /* A value is at least a byte and a comma and at most two words; a string at most its own bytes,
     * and its quotes, plus a length and a NUL. */
    parser->tape = malloc((bytes + 2) * 2 * sizeof(uint64_t));
    parser->strings = malloc(bytes * 3 + 64);
    if (!parser->tape || !parser->strings) {
        return PT_TAPE_NO_MEMORY;
    }
    parser->count = 0;
    parser->string_bytes = 0;
    parser->at = json;
    put(parser, 'r', 0);
    take_value(parser);
    put(parser, 'r', 0);
    *tape_out = parser->tape;
    *strings_out = parser->strings;
    return PT_TAPE_OK;
}

/* Any digits that read back; our tests ask for no shorter ones. */
size_t pt_double_format_long(char *text, double value)
{
    return (size_t)snprintf(text, 32, "%.17g", value);
}
