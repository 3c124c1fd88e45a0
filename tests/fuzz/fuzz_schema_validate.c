/*
 * fuzz_schema_validate.c - a schema and a value: every way to ask gives one answer
 *
 * Input: the schema up to the first line end, then the value.
 */
#include "schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct pt_schema *schema, struct pt_json value)
{
    static struct pt_schema_scratch *scratch;
    static struct pt_schema_errors errors;
    enum pt_code all = PT_OK;
    enum pt_code first = PT_OK;

    if (!scratch) {
        scratch = pt_schema_scratch_create();
        pt_assert(scratch);
    }
    all = pt_schema_validate(schema, value, scratch, &errors);
    pt_assert((all == PT_OK) == (errors.count == 0));
    for (uint32_t i = 0; i < errors.count; i++) {
        pt_assert(errors.list[i].keyword && errors.list[i].detail[0]);
        pt_assert(memchr(errors.list[i].instance, 0, sizeof(errors.list[i].instance)));
    }
    first = pt_schema_validate_first(schema, value, scratch, &errors);
    pt_assert(errors.count == (first != PT_OK));
    /* The way that tells all may run out of work where the short one has its answer already. */
    pt_assert(first == all || all == PT_TOO_BIG);
    pt_assert(pt_schema_validate(schema, value, scratch, NULL) == first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_json_parser *parser;
    const struct pt_schema_options options = {.assert_formats = true};
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    struct pt_schema *schema = NULL;
    struct pt_buf text;
    struct pt_json value;
    size_t left = 0;

    if (!end || size > 1 << 16) {
        return 0;
    }
    if (!parser) {
        parser = pt_json_parser_create(1 << 17);
        pt_assert(parser);
    }
    left = size - (size_t)(end + 1 - data);
    pt_buf_init(&text, 1 << 17);
    pt_buf_append(&text, end + 1, left);
    if (pt_buf_reserve(&text, PT_JSON_PADDING) &&
        pt_json_parse(parser, pt_buf_span(&text), &value, NULL, NULL) == PT_OK &&
        pt_schema_compile(&schema, pt_span_of(data, (size_t)(end - data)), &options, NULL) ==
            PT_OK) {
        run(schema, value);
    }
    pt_schema_destroy(schema);
    pt_buf_release(&text);
    return 0;
}
