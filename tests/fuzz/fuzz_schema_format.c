/*
 * fuzz_schema_format.c - any text against every format; what implies what holds
 */
#include "schema/format.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct pt_span text)
{
    bool is[PT_FORMAT_COUNT];

    for (int i = 0; i < PT_FORMAT_COUNT; i++) {
        is[i] = pt_format_check((enum pt_format)i, text);
    }
    pt_assert(!is[PT_FORMAT_URI] || (is[PT_FORMAT_URI_REFERENCE] && is[PT_FORMAT_IRI]));
    pt_assert(!is[PT_FORMAT_URI_REFERENCE] || is[PT_FORMAT_IRI_REFERENCE]);
    pt_assert(!is[PT_FORMAT_IRI] || is[PT_FORMAT_IRI_REFERENCE]);
    pt_assert(!is[PT_FORMAT_HOSTNAME] || is[PT_FORMAT_IDN_HOSTNAME]);
    pt_assert(!is[PT_FORMAT_EMAIL] || is[PT_FORMAT_IDN_EMAIL]);
    pt_assert(!is[PT_FORMAT_IPV4] || !is[PT_FORMAT_IPV6]);
    pt_assert(!is[PT_FORMAT_UUID] || text.size == 36);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_json_parser *parser;
    struct pt_buf text;
    struct pt_json root;

    if (size > 4096) {
        return 0;
    }
    if (!parser) {
        parser = pt_json_parser_create(1 << 17);
        pt_assert(parser);
    }
    /* By way of JSON, which gives checked UTF-8; a copy of its exact size shows a read past it. */
    pt_buf_init(&text, 1 << 17);
    pt_buf_append_str(&text, "\"");
    pt_buf_append(&text, data, size);
    pt_buf_append_str(&text, "\"");
    if (pt_buf_reserve(&text, PT_JSON_PADDING) &&
        pt_json_parse(parser, pt_buf_span(&text), &root, NULL, NULL) == PT_OK &&
        pt_json_type(root) == PT_JSON_STRING) {
        struct pt_span string = pt_json_string(root);
        char *exact = pt_alloc(string.size);

        pt_assert(exact);
        memcpy(exact, string.data, string.size);
        check(pt_span_of(exact, string.size));
        pt_free(exact);
    }
    pt_buf_release(&text);
    return 0;
}
