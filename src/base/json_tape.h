/*
 * json_tape.h - the border between json.c and the one C++ file behind it
 *
 * Only base/ includes it. It stands alone, so that C++ need not read our C headers; the functions
 * that json.h declares too are the same ones.
 */
#ifndef PT_BASE_JSON_TAPE_H
#define PT_BASE_JSON_TAPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pt_tape_result {
    PT_TAPE_OK,
    PT_TAPE_INVALID,
    PT_TAPE_TOO_BIG,
    PT_TAPE_NO_MEMORY,
};

struct pt_json_parser;

struct pt_json_parser *pt_json_parser_create(size_t document_bytes_max);
void pt_json_parser_destroy(struct pt_json_parser *parser);
/* Grisu2: any finite double; at least 32 bytes of room; returns the length. */
size_t pt_double_format_long(char *text, double value);

/* Parses in place; PT_JSON_PADDING bytes behind `json` are read. */
enum pt_tape_result pt_json_tape_parse(struct pt_json_parser *parser, const uint8_t *json,
                                       size_t bytes, uint32_t depth_max, const uint64_t **tape_out,
                                       const uint8_t **strings_out);

#ifdef __cplusplus
}
#endif
#endif
