/*
 * fuzz_registry.c - requests to the registry, as bytes
 *
 * Each line is a method, a path behind /registry/, and a body; a registry in memory answers all of
 * them. Every answer is JSON, with a status that fits it; what was registered is found by its id.
 */
#include "base/json.h"
#include "schema/registry_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(struct pt_json_parser *parser, int status, const struct pt_buf *answer)
{
    struct pt_buf padded;
    struct pt_json root;

    pt_buf_init(&padded, 1u << 25);
    pt_buf_append(&padded, answer->data, answer->size);
    pt_assert(pt_buf_reserve(&padded, PT_JSON_PADDING));
    pt_assert(pt_json_parse(parser, pt_buf_span(&padded), &root, NULL, NULL) == PT_OK);
    pt_assert(status == 200 || status >= 400);
    pt_assert(status == 200 || (pt_json_type(root) == PT_JSON_OBJECT &&
                                pt_json_exists(pt_json_member(root, "error_code"))));
    pt_buf_release(&padded);
}

static struct pt_span word_of(struct pt_span line, size_t *at)
{
    size_t start = *at;

    while (*at < line.size && line.data[*at] != ' ') {
        (*at)++;
    }
    return pt_span_of(line.data + start, (*at)++ - start);
}

static void take_line(struct registry_desk *desk, struct pt_json_parser *parser,
                      struct pt_span line)
{
    struct pt_buf body;
    size_t at = 0;
    struct pt_span method = word_of(line, &at);
    struct pt_span path = word_of(line, &at);
    struct pt_span query = {0};
    const uint8_t *mark = path.size ? memchr(path.data, '?', path.size) : NULL;

    if (mark) {
        query = pt_span_of(mark + 1, path.size - (size_t)(mark - path.data) - 1);
        path.size = (size_t)(mark - path.data);
    }
    pt_buf_init(&body, 1u << 20);
    if (at < line.size) {
        pt_buf_append(&body, line.data + at, line.size - at);
    }
    pt_assert(pt_buf_reserve(&body, PT_JSON_PADDING));
    registry_answer(desk, method, path, query, pt_buf_span(&body));
    check_answer(parser, desk->status, &desk->answer);
    pt_buf_release(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_json_parser *parser;
    struct pt_registry *registry = NULL;
    struct registry_desk desk = {0};
    size_t at = 0;

    if (size > 16384) {
        return 0;
    }
    if (!parser) {
        parser = pt_json_parser_create(1u << 25);
        pt_assert(parser);
    }
    pt_assert(pt_registry_open(&registry, pt_io_posix(), NULL, NULL) == PT_OK);
    pt_assert(registry_desk_open(&desk, registry));
    for (unsigned lines = 0; at < size && lines < 32; lines++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t count = end ? (size_t)(end - data) - at : size - at;

        take_line(&desk, parser, pt_span_of(data + at, count));
        at += count + 1;
    }
    registry_desk_close(&desk);
    pt_registry_close(registry);
    return 0;
}
