/*
 * json_simdjson.cc - simdjson's DOM parser behind C
 *
 * simdjson leaves a document as a "tape" of 64-bit words and a buffer of strings, a layout that
 * its documentation fixes (doc/tape.md). json.c walks it, so that reading a value costs no call
 * into C++ and no copy.
 */
#include "base/json_tape.h"

#include <algorithm>
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

size_t pt_double_format_long(char *text, double value)
{
    return static_cast<size_t>(simdjson::internal::to_chars(text, text + 32, value) - text);
}
}
