/*
 * fuzz_patch.c - any patch on any document gives JSON, or changes nothing and says why
 *
 * The input is a patch, a newline, and a document. Merge Patch and JSON Patch are both tried.
 */
#include "base/json_patch.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(struct pt_json_parser *parser, struct pt_span text, struct pt_span document,
                  enum pt_json_patch_kind kind)
{
    struct pt_json_patch *patch = NULL;
    struct pt_buf padded;
    struct pt_buf result;
    struct pt_json root;
    struct pt_error err = {0};
    size_t offset = 0;
    const char *reason = NULL;

    pt_buf_init(&padded, 1 << 20);
    pt_buf_init(&result, 1 << 20);
    pt_buf_append(&padded, document.data, document.size);
    if (pt_json_patch_create(&patch, text, kind, &err) == PT_OK &&
        pt_buf_reserve(&padded, PT_JSON_PADDING) &&
        pt_json_parse(parser, pt_buf_span(&padded), &root, NULL, &err) == PT_OK) {
        if (pt_json_patch_apply(patch, root, &result, &err) == PT_OK) {
            pt_assert(pt_json_check(pt_buf_span(&result), &offset, &reason));
        } else {
            pt_assert(result.size == 0 && err.text[0]);
        }
    }
    pt_json_patch_destroy(patch);
    pt_buf_release(&padded);
    pt_buf_release(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_json_parser *parser;
    const uint8_t *newline = memchr(data, '\n', size);

    if (!parser) {
        parser = pt_json_parser_create(1 << 20);
        pt_assert(parser);
    }
    if (newline && size <= 1 << 14) {
        struct pt_span text = pt_span_of(data, (size_t)(newline - data));
        struct pt_span document = pt_span_of(newline + 1, size - text.size - 1);

        apply(parser, text, document, PT_JSON_PATCH_OPS);
        apply(parser, text, document, PT_JSON_PATCH_MERGE);
    }
    return 0;
}
