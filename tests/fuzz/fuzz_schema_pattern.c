/*
 * fuzz_schema_pattern.c - patterns: the small loop and PCRE2 agree, and no text makes either run on
 *
 * Input: the pattern up to the first line end, then the text; both as JSON strings' insides. A
 * pattern in a group, (?:…), is never one for the small loop, so that it asks PCRE2.
 */
#include "schema/regex.h"

#include "base/json.h"

#define STEPS 2000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pt_regex_space *space;

static void compare(struct pt_span pattern, struct pt_span text)
{
    struct pt_regex *direct = NULL;
    struct pt_regex *general = NULL;
    struct pt_buf grouped;
    uint64_t steps = STEPS;

    pt_buf_init(&grouped, 1 << 17);
    pt_buf_append_str(&grouped, "(?:");
    pt_buf_append(&grouped, pattern.data, pattern.size);
    pt_buf_append_str(&grouped, ")");
    if (pt_regex_compile(&direct, pattern, NULL) == PT_OK) {
        enum pt_match is = pt_regex_match(direct, text, space, &steps);

        pt_assert(steps <= STEPS);
        if (pt_regex_compile(&general, pt_buf_span(&grouped), NULL) == PT_OK) {
            enum pt_match other = PT_MATCH_NO;

            steps = STEPS;
            other = pt_regex_match(general, text, space, &steps);
            pt_assert(is == other || is == PT_MATCH_TOO_COMPLEX || other == PT_MATCH_TOO_COMPLEX);
        }
    }
    pt_regex_destroy(direct);
    pt_regex_destroy(general);
    pt_buf_release(&grouped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_json_parser *parser;
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    struct pt_buf text;
    struct pt_json root;

    if (!end || size > 1 << 14) {
        return 0;
    }
    if (!parser) {
        parser = pt_json_parser_create(1 << 17);
        space = pt_regex_space_create();
        pt_assert(parser && space);
    }
    /* By way of JSON, which gives checked UTF-8. */
    pt_buf_init(&text, 1 << 17);
    pt_buf_append_str(&text, "[\"");
    pt_buf_append(&text, data, (size_t)(end - data));
    pt_buf_append_str(&text, "\",\"");
    pt_buf_append(&text, end + 1, size - (size_t)(end + 1 - data));
    pt_buf_append_str(&text, "\"]");
    if (pt_buf_reserve(&text, PT_JSON_PADDING) &&
        pt_json_parse(parser, pt_buf_span(&text), &root, NULL, NULL) == PT_OK &&
        pt_json_count(root) == 2 && pt_json_type(pt_json_element(root, 0)) == PT_JSON_STRING &&
        pt_json_type(pt_json_element(root, 1)) == PT_JSON_STRING) {
        compare(pt_json_string(pt_json_element(root, 0)), pt_json_string(pt_json_element(root, 1)));
    }
    pt_buf_release(&text);
    return 0;
}
