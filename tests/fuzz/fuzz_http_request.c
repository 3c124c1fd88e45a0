/*
 * fuzz_http_request.c - HTTP/1 requests: any bytes, however cut, get one verdict
 *
 * The first byte says how the rest is cut. Requests are parsed one behind the other, as
 * from a connection; each also in one piece, and both outcomes must agree.
 */
#include "base/error.h"
#include "http/parser.h"

#include <stdlib.h>

#define HEADER_BYTES_MAX 2048u
#define BODY_BYTES_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One request out of the first `size` bytes, which arrive `step` at a time; bytes decode in place.
 */
static enum pt_http_progress parse(struct pt_http_parser *parser, uint8_t *bytes, size_t size,
                                   size_t step, size_t *wire_bytes_out)
{
    enum pt_http_progress progress = PT_HTTP_MORE;
    size_t given = 0; /* of the wire */
    size_t held = 0;  /* what the parser sees of it */
    bool has_head = false;

    pt_http_parser_init(parser, HEADER_BYTES_MAX);
    while (progress == PT_HTTP_MORE && given < size) {
        size_t count = size - given < step ? size - given : step;

        memmove(bytes + held, bytes + given, count);
        given += count;
        held += count;
        if (!has_head) {
            progress = pt_http_parse_head(parser, bytes, held);
            has_head = progress == PT_HTTP_READY;
        }
        if (has_head) {
            progress = pt_http_parse_body(parser, bytes, &held, BODY_BYTES_MAX);
        }
        pt_assert(held <= given && (progress == PT_HTTP_REFUSED || parser->at <= held));
    }
    *wire_bytes_out = given - (held - parser->at);
    return progress;
}

static void check_head(const struct pt_http_parser *parser)
{
    pt_assert(parser->head_bytes <= HEADER_BYTES_MAX && parser->body_bytes <= BODY_BYTES_MAX);
    pt_assert(parser->path.at + parser->path.bytes <= parser->head_bytes);
    pt_assert(parser->query.at + parser->query.bytes <= parser->head_bytes);
    pt_assert(parser->field_count <= PT_HTTP_FIELDS_MAX);
    for (uint32_t i = 0; i < parser->field_count; i++) {
        pt_assert(parser->fields[i].name.bytes > 0);
        pt_assert(parser->fields[i].value.at + parser->fields[i].value.bytes <= parser->head_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size ? (size_t)data[0] % 64 + 1 : 1;
    size_t at = 1;

    for (unsigned requests = 0; at < size && requests < 16; requests++) {
        struct pt_http_parser cut;
        struct pt_http_parser whole;
        size_t left = size - at;
        size_t cut_wire = 0;
        size_t whole_wire = 0;
        uint8_t *first = malloc(left);
        uint8_t *second = malloc(left);
        enum pt_http_progress progress = PT_HTTP_MORE;

        pt_assert(first && second);
        memcpy(first, data + at, left);
        memcpy(second, data + at, left);
        progress = parse(&cut, first, left, step, &cut_wire);
        pt_assert(progress == parse(&whole, second, left, left, &whole_wire));
        if (progress == PT_HTTP_REFUSED) {
            pt_assert(cut.status == whole.status && cut.status >= 400 && cut.detail);
        } else if (progress == PT_HTTP_READY) {
            check_head(&cut);
            pt_assert(cut_wire == whole_wire && cut_wire > 0);
            pt_assert(cut.body_bytes == whole.body_bytes);
            pt_assert(memcmp(first, second, cut.head_bytes + cut.body_bytes) == 0);
            at += cut_wire;
        }
        free(first);
        free(second);
        if (progress != PT_HTTP_READY) {
            break;
        }
    }
    return 0;
}
