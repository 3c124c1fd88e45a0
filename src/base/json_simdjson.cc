/*
 * json_simdjson.cc - simdjson's DOM parser behind C
 *
 * simdjson leaves a document as a "tape" of 64-bit words and a buffer of strings, a layout that
 * its documentation fixes (doc/tape.md). json.c walks it, so that reading a value costs no call
 * into C++ and no copy.
 */
#include "base/json_tape.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <simdjson.h>

struct pt_json_parser {
    simdjson::dom::parser parser;

    explicit pt_json_parser(size_t bytes_max) : parser(bytes_max)
    {
    }
};

extern "C" {

struct pt_json_parser *pt_json_parser_create(size_t document_bytes_max)
{
    struct pt_json_parser *parser = new (std::nothrow) pt_json_parser(document_bytes_max);

    return parser;
}

void pt_json_parser_destroy(struct pt_json_parser *parser)
{
    delete parser;
}

enum pt_tape_result pt_json_tape_parse(struct pt_json_parser *parser, const uint8_t *json,
                                       size_t bytes, uint32_t depth_max, const uint64_t **tape_out,
                                       const uint8_t **strings_out)
{
    simdjson::dom::parser &dom = parser->parser;
    simdjson::error_code code = simdjson::SUCCESS;

    if (dom.capacity() == 0 || dom.max_depth() != depth_max) {
        code =
            dom.allocate(std::min(std::max(bytes, size_t(65536)), dom.max_capacity()), depth_max);
    }
    if (code == simdjson::SUCCESS) {
        code = dom.parse(json, bytes, false).error();
    }
    if (code == simdjson::CAPACITY) {
        return PT_TAPE_TOO_BIG;
    }
    if (code == simdjson::MEMALLOC) {
        return PT_TAPE_NO_MEMORY;
    }
    if (code != simdjson::SUCCESS) {
        return PT_TAPE_INVALID;
    }
    *tape_out = dom.doc.tape.get();
    *strings_out = dom.doc.string_buf.get();
    return PT_TAPE_OK;
}

/*
 * Most numbers of a game are decimals with few digits. Where value is the double nearest to n /
 * 1000 with n below 10^15, that decimal reads back as value, and no other one of at most 15 digits
 * does: it is the shortest. The division is exact enough because IEEE 754 rounds it correctly.
 */
static size_t format_short(char *text, double value)
{
    char *at = text;
    char digits[20];
    size_t count = 0;
    double magnitude = std::signbit(value) ? -value : value;
    uint64_t thousands = 0;
    uint64_t whole = 0;
    unsigned part = 0;

    if (!(magnitude < 1e11)) {
        return 0;
    }
    thousands = static_cast<uint64_t>(magnitude * 1000 + 0.5);
    if (static_cast<double>(thousands) / 1000 != magnitude) {
        return 0;
    }
    if (std::signbit(value)) {
        *at++ = '-';
    }
    whole = thousands / 1000;
    part = static_cast<unsigned>(thousands % 1000);
    do {
        digits[count++] = static_cast<char>('0' + whole % 10);
        whole /= 10;
    } while (whole);
    while (count > 0) {
        *at++ = digits[--count];
    }
    *at++ = '.';
    *at++ = static_cast<char>('0' + part / 100);
    if (part % 100) {
        *at++ = static_cast<char>('0' + part / 10 % 10);
    }
    if (part % 10) {
        *at++ = static_cast<char>('0' + part % 10);
    }
    return static_cast<size_t>(at - text);
}

size_t pt_double_format(char *text, double value)
{
    size_t length = format_short(text, value);

    if (length == 0) {
        length = static_cast<size_t>(simdjson::internal::to_chars(text, text + 32, value) - text);
    }
    return length;
}
}
