/*
 * fuzz_schema_compile.c - any bytes as a JSON Schema: refused with a text, or a program that runs
 */
#include "schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was compiled is run over the schema itself, as good a value as any. */
static void run(const struct pt_schema *schema, struct pt_span json)
{
    static struct pt_json_parser *parser;
    static struct pt_schema_scratch *scratch;
    static struct pt_schema_errors errors;
    struct pt_buf text;
    struct pt_json value;
    enum pt_code code = PT_OK;

    if (!parser) {
        parser = pt_json_parser_create(1 << 17);
        scratch = pt_schema_scratch_create();
        pt_assert(parser && scratch);
    }
    pt_buf_init(&text, 1 << 17);
    pt_buf_append(&text, json.data, json.size);
    pt_assert(pt_buf_reserve(&text, PT_JSON_PADDING));
    pt_assert(pt_json_parse(parser, pt_buf_span(&text), &value, NULL, NULL) == PT_OK);
    code = pt_schema_validate(schema, value, scratch, &errors);
    pt_assert(code == PT_OK || code == PT_INVALID || code == PT_TOO_BIG);
    pt_assert((code == PT_OK) == (errors.count == 0));
    pt_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16) {
        return 0;
    }
    for (int draft = PT_SCHEMA_DRAFT_7; draft <= PT_SCHEMA_DRAFT_2020_12; draft++) {
        struct pt_schema_options options = {
            .draft = (enum pt_schema_draft)draft,
            .assert_formats = true,
            .base_uri = "http://localhost/",
        };
        struct pt_error err = {0};
        struct pt_schema *schema = NULL;
        enum pt_code code = pt_schema_compile(&schema, pt_span_of(data, size), &options, &err);

        pt_assert((code == PT_OK) == (schema != NULL));
        pt_assert(code == PT_OK || err.text[0]);
        if (schema) {
            run(schema, pt_span_of(data, size));
        }
        pt_schema_destroy(schema);
    }
    return 0;
}
