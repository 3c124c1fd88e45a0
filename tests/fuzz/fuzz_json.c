/*
 * fuzz_json.c - parser and checker agree; what is taken is written and reads back as the same text
 */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_json_parser *parser;
    struct pt_buf text;
    struct pt_buf first;
    struct pt_buf second;
    struct pt_jsonw w;
    struct pt_json root;
    size_t offset = 0;
    const char *reason = NULL;

    if (!parser) {
        parser = pt_json_parser_create(1 << 20);
        pt_assert(parser);
    }
    pt_buf_init(&text, 1 << 20);
    pt_buf_init(&first, 1 << 23);
    pt_buf_init(&second, 1 << 23);
    pt_buf_append(&text, data, size);
    if (size <= (1 << 16) && pt_buf_reserve(&text, PT_JSON_PADDING)) {
        bool taken = pt_json_parse(parser, pt_buf_span(&text), &root, &offset, NULL) == PT_OK;

        pt_assert(taken == pt_json_check(pt_buf_span(&text), &offset, &reason));
        pt_assert(offset <= size);
        if (taken) {
            pt_jsonw_init(&w, &first);
            pt_jsonw_value(&w, root);
            pt_assert(!first.has_failed && pt_buf_reserve(&first, PT_JSON_PADDING));
            pt_assert(pt_json_parse(parser, pt_buf_span(&first), &root, NULL, NULL) == PT_OK);
            pt_jsonw_init(&w, &second);
            pt_jsonw_value(&w, root);
            pt_assert(pt_span_equal(pt_buf_span(&first), pt_buf_span(&second)));
        }
    }
    pt_buf_release(&text);
    pt_buf_release(&first);
    pt_buf_release(&second);
    return 0;
}
