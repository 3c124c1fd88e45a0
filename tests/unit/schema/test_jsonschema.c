/*
 * test_jsonschema.c - every refusal says where and why; nothing that is asked takes for ever
 *
 * Method: tables of schema, value and the wanted errors; schemas that are wrong with the text that
 * must name the place; schemas and values built to explode; every allocation of a compilation
 * failing once. What the keywords mean is the business of tests/conformance.
 */
#include "base/json.h"
#include "check.h"
#include "schema/schema.h"

#include <stdio.h>
#include <time.h>

#define TEXT_BYTES_MAX (4u << 20)

static struct pt_schema_scratch *scratch;
static struct pt_json_parser *parser;
static struct pt_schema_errors errors;

static int set_up(void **state)
{
    (void)state;
    scratch = pt_schema_scratch_create();
    parser = pt_json_parser_create(TEXT_BYTES_MAX);
    return scratch && parser ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    pt_schema_scratch_destroy(scratch);
    pt_json_parser_destroy(parser);
    return 0;
}

static struct pt_schema *compile(const char *json, const struct pt_schema_options *options)
{
    struct pt_schema *schema = NULL;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_schema_compile(&schema, pt_span_str(json), options, &err), err);
    return schema;
}

static enum pt_code check_text(const struct pt_schema *schema, struct pt_span json)
{
    struct pt_buf text;
    struct pt_json value;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    pt_buf_init(&text, TEXT_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_append(&text, json.data, json.size);
    PT_CHECK(pt_buf_reserve(&text, PT_JSON_PADDING) != NULL);
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&text), &value, NULL, &err), err);
    code = pt_schema_validate(schema, value, scratch, &errors);
    pt_buf_release(&text);
    return code;
}

static enum pt_code check_json(const char *schema_json, const char *value,
                               const struct pt_schema_options *options)
{
    struct pt_schema *schema = compile(schema_json, options);
    enum pt_code code = check_text(schema, pt_span_str(value));

    pt_schema_destroy(schema);
    return code;
}

static void an_error_names_place_keyword_and_reason(void **state)
{
    static const struct {
        const char *schema;
        const char *value;
        const char *instance;
        const char *place;
        const char *keyword;
        const char *detail;
    } cases[] = {
        {"{\"type\":\"object\"}", "[]", "", "/type", "type", "it must be object, not array"},
        {"{\"type\":[\"null\",\"number\"]}", "\"x\"", "", "/type", "type",
         "it must be number or null, not string"},
        {"{\"type\":\"integer\"}", "1.5", "", "/type", "type", "it must be integer, not number"},
        {"{\"properties\":{\"a/b\":{\"items\":{\"minimum\":3}}}}", "{\"a/b\":[3,2]}", "/a~1b/1",
         "/properties/a~1b/items/minimum", "minimum", "the number is too small"},
        {"{\"exclusiveMaximum\":3}", "3", "", "/exclusiveMaximum", "exclusiveMaximum",
         "the number is too large"},
        {"{\"multipleOf\":0.01}", "0.015", "", "/multipleOf", "multipleOf",
         "it is no multiple of what is asked for"},
        {"{\"minLength\":2}", "\"\xf0\x9f\x92\xa9\"", "", "/minLength", "minLength",
         "it has 1 characters, at least 2 are needed"},
        {"{\"maxLength\":1}", "\"\xc3\xa9\xc3\xa9\"", "", "/maxLength", "maxLength",
         "it has 2 characters, at most 1 are taken"},
        {"{\"pattern\":\"^a+$\"}", "\"b\"", "", "/pattern", "pattern",
         "it does not match the pattern"},
        {"{\"enum\":[1,\"a\"]}", "2", "", "/enum", "enum",
         "it is none of the 2 values that are allowed"},
        {"{\"const\":{\"a\":1}}", "{}", "", "/const", "const",
         "it is not the one value that is allowed"},
        {"{\"required\":[\"a\"]}", "{}", "", "/required", "required", "member \"a\" is missing"},
        {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"b\":1}", "/b",
         "/additionalProperties", "additionalProperties", "the schema does not know this member"},
        {"{\"properties\":{\"a\":false}}", "{\"a\":1}", "/a", "/properties/a", "false",
         "nothing is allowed here"},
        {"{\"minProperties\":1}", "{}", "", "/minProperties", "minProperties",
         "it has 0 members, at least 1 are needed"},
        {"{\"maxItems\":1}", "[1,2]", "", "/maxItems", "maxItems",
         "it has 2 elements, at most 1 are taken"},
        {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", "", "/uniqueItems",
         "uniqueItems", "two of its elements are equal"},
        {"{\"contains\":{\"const\":1}}", "[2]", "", "/contains", "contains",
         "0 elements are of the kind that it must contain, at least 1 are needed"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "", "/dependentRequired",
         "dependentRequired", "member \"b\" is missing beside \"a\""},
        {"{\"not\":{}}", "1", "", "/not", "not", "it fits the schema that it must not fit"},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":2}]}", "1", "", "/anyOf", "anyOf",
         "it fits none of the 2 schemas"},
        {"{\"oneOf\":[{\"type\":\"null\"},{},{\"minimum\":0}]}", "1", "", "/oneOf", "oneOf",
         "it fits both schema 1 and schema 2, counted from 0"},
        {"{\"unevaluatedProperties\":false}", "{\"a\":1}", "/a", "/unevaluatedProperties",
         "unevaluatedProperties", "no schema knows this member"},
        {"{\"$defs\":{\"d\":{\"type\":\"null\"}},\"items\":{\"$ref\":\"#/$defs/d\"}}", "[null,1]",
         "/1", "/$defs/d/type", "type", "it must be null, not integer"},
        {"{\"$ref\":\"http://json-schema.org/draft-07/schema#\"}", "{\"minLength\":-1}",
         "/minLength",
         "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger/minimum",
         "minimum", "the number is too small"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK(check_json(cases[i].schema, cases[i].value, NULL) == PT_INVALID);
        assert_int_equal(errors.count, 1);
        assert_string_equal(errors.list[0].instance, cases[i].instance);
        assert_string_equal(errors.list[0].schema, cases[i].place);
        assert_string_equal(errors.list[0].keyword, cases[i].keyword);
        assert_string_equal(errors.list[0].detail, cases[i].detail);
    }
}

static void all_errors_are_told_up_to_a_number(void **state)
{
    char text[256] = "[";

    (void)state;
    PT_CHECK(check_json("{\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"minimum\":2}},"
                        "\"required\":[\"c\",\"d\"]}",
                        "{\"a\":1,\"b\":1}", NULL) == PT_INVALID);
    assert_int_equal(errors.count, 4);
    PT_CHECK(!errors.is_cut);
    for (int i = 0; i < 40; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s1", i ? "," : "");
    }
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "]");
    PT_CHECK(check_json("{\"items\":{\"type\":\"null\"}}", text, NULL) == PT_INVALID);
    assert_int_equal(errors.count, PT_SCHEMA_ERRORS_MAX);
    PT_CHECK(errors.is_cut);
}

static void a_long_pointer_is_cut_at_a_character(void **state)
{
    char value[2048] = "{\"";

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(value + strlen(value), sizeof(value) - strlen(value), "\xc3\xa9");
    }
    snprintf(value + strlen(value), sizeof(value) - strlen(value), "\":1}");
    PT_CHECK(check_json("{\"additionalProperties\":false}", value, NULL) == PT_INVALID);
    PT_CHECK(strlen(errors.list[0].instance) < sizeof(errors.list[0].instance));
    PT_CHECK(strcmp(errors.list[0].instance + strlen(errors.list[0].instance) - 3, "...") == 0);
    PT_CHECK(((uint8_t)errors.list[0].instance[strlen(errors.list[0].instance) - 4] & 0xc0) ==
             0x80);
}

static void a_wrong_schema_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *schema;
        const char *text; /* must stand in the message */
    } cases[] = {
        {"", "not JSON at byte 0"},
        {"{\"type\":", "not JSON at byte 8"},
        {"5", "a schema is an object or a boolean, not integer"},
        {"{\"type\":\"strnig\"}", "schema #/type:"},
        {"{\"properties\":{\"x\":{\"items\":[{}]}}}", "schema #/properties/x/items:"},
        {"{\"properties\":[]}", "schema #/properties:"},
        {"{\"properties\":{\"x\":1}}", "\"x\" is not a schema"},
        {"{\"required\":[1]}", "schema #/required:"},
        {"{\"minLength\":-1}", "schema #/minLength:"},
        {"{\"minLength\":1.5}", "schema #/minLength:"},
        {"{\"multipleOf\":0}", "schema #/multipleOf:"},
        {"{\"pattern\":\"(\"}", "schema #/pattern:"},
        {"{\"pattern\":\"\\\\Z\"}", "an escape that ECMA-262 does not have"},
        {"{\"patternProperties\":{\"*\":{}}}", "schema #/patternProperties:"},
        {"{\"enum\":1}", "schema #/enum:"},
        {"{\"allOf\":[]}", "schema #/allOf:"},
        {"{\"allOf\":[1]}", "schema #/allOf:"},
        {"{\"if\":1}", "schema #/if:"},
        {"{\"uniqueItems\":1}", "schema #/uniqueItems:"},
        {"{\"dependentRequired\":{\"a\":1}}", "schema #/dependentRequired:"},
        {"{\"format\":1}", "schema #/format:"},
        {"{\"$id\":1}", "schema #/$id:"},
        {"{\"$schema\":1}", "schema #/$schema:"},
        {"{\"$schema\":\"http://nowhere.invalid/s\"}", "neither draft-07 nor 2020-12"},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}",
         "neither draft-07 nor 2020-12"},
        {"{\"$ref\":1}", "schema #/$ref:"},
        {"{\"$ref\":\"#/nowhere\"}", "there is nothing at this place"},
        {"{\"$ref\":\"#nowhere\"}", "there is no anchor of this name"},
        {"{\"$ref\":\"http://nowhere.invalid/\"}", "is no document that is known here"},
        {"{\"items\":{\"$ref\":\"#/$defs/a%\"}}", "not well escaped"},
        {"{\"$ref\":\"#\"}", "would never end"},
        {"{\"$defs\":{\"unused\":{\"type\":\"strnig\"}}}", "schema #/$defs/unused/type:"},
        {"{\"$defs\":{\"a\":{\"not\":{\"$ref\":\"#/$defs/b\"}},\"b\":{\"if\":{\"allOf\":[{\"$ref\":"
         "\"#/$defs/a\"}]}}}}",
         "would never end"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_schema *schema = NULL;
        struct pt_error err = {0};

        assert_int_equal(pt_schema_compile(&schema, pt_span_str(cases[i].schema), NULL, &err),
                         PT_INVALID);
        PT_CHECK(schema == NULL);
        if (!strstr(err.text, cases[i].text)) {
            fail_msg("%s: wanted \"%s\", got \"%s\"", cases[i].schema, cases[i].text, err.text);
        }
    }
}

/* `count` definitions, each of which asks the next one twice. */
static void explosive_schema(struct pt_buf *text, unsigned count, const char *how)
{
    pt_buf_append_str(text, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (unsigned i = 0; i < count; i++) {
        pt_buf_appendf(text,
                       "\"d%u\":{\"%s\":[{\"$ref\":\"#/$defs/d%u\"},{\"$ref\":\"#/$defs/d%u\"}]},",
                       i, how, i + 1, i + 1);
    }
    pt_buf_appendf(text, "\"d%u\":{\"type\":\"string\"}}}", count);
    pt_buf_append_byte(text, 0);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void an_explosive_schema_is_too_complex_in_time(void **state)
{
    static const struct {
        unsigned count;
        const char *how;
    } cases[] = {{40, "anyOf"}, {40, "oneOf"}, {40, "allOf"}, {2000, "allOf"}, {60, "oneOf"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_buf text;
        double start = seconds();

        pt_buf_init(&text, TEXT_BYTES_MAX);
        explosive_schema(&text, cases[i].count, cases[i].how);
        assert_int_equal(check_json((const char *)text.data, "1", NULL), PT_TOO_BIG);
        assert_string_equal(errors.list[errors.count - 1].keyword, "limit");
        PT_CHECK(seconds() - start < 20);
        pt_buf_release(&text);
    }
}

static void nested(struct pt_buf *text, unsigned depth, const char *open, const char *close)
{
    for (unsigned i = 0; i < depth; i++) {
        pt_buf_append_str(text, open);
    }
    for (unsigned i = 0; i < depth; i++) {
        pt_buf_append_str(text, close);
    }
    pt_buf_append_byte(text, 0);
}

static void not_of_what_is_too_complex_is_not_valid(void **state)
{
    struct pt_buf inner;
    char *json = NULL;

    (void)state;
    pt_buf_init(&inner, TEXT_BYTES_MAX);
    explosive_schema(&inner, 40, "oneOf");
    json =
        pt_strf("{\"not\":{\"$ref\":\"#/$defs/x\"},\"$defs\":{\"x\":{\"$id\":\"http://x.y/\",%s}}",
                (const char *)inner.data + 1);
    PT_CHECK(json != NULL);
    assert_int_equal(check_json(json, "1", NULL), PT_TOO_BIG);
    pt_free(json);
    pt_buf_release(&inner);
}

static void a_deep_value_is_within_the_depth(void **state)
{
    struct pt_buf text;

    (void)state;
    pt_buf_init(&text, TEXT_BYTES_MAX);
    nested(&text, 64, "[", "]");
    assert_int_equal(check_json("{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}",
                                (const char *)text.data, NULL),
                     PT_OK);
    /* The metaschema goes through six schemas a level. */
    pt_buf_reset(&text);
    for (int i = 0; i < 60; i++) {
        pt_buf_append_str(&text, "{\"not\":");
    }
    pt_buf_append_str(&text, "true");
    for (int i = 0; i < 60; i++) {
        pt_buf_append_str(&text, "}");
    }
    pt_buf_append_byte(&text, 0);
    assert_int_equal(check_json("{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}",
                                (const char *)text.data, NULL),
                     PT_OK);
    pt_buf_release(&text);
}

static void a_pattern_cannot_hang(void **state)
{
    static const char *const patterns[] = {
        "^(a+)+$", "^(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)(.*)(.*)x",
    };
    struct pt_buf value;

    (void)state;
    pt_buf_init(&value, TEXT_BYTES_MAX);
    pt_buf_append_str(&value, "\"");
    for (int i = 0; i < 60000; i++) {
        pt_buf_append_str(&value, "a");
    }
    pt_buf_append_str(&value, "!\"");
    pt_buf_append_byte(&value, 0);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        char *schema = pt_strf("{\"pattern\":\"%s\"}", patterns[i]);
        double start = seconds();
        enum pt_code code = PT_OK;

        PT_CHECK(schema != NULL);
        code = check_json(schema, (const char *)value.data, NULL);
        /* Some are seen to fail at once, since no 'b', 'x' or capital stands in the text. */
        PT_CHECK(code == PT_TOO_BIG || code == PT_INVALID);
        PT_CHECK(i > 1 || code == PT_TOO_BIG);
        PT_CHECK(seconds() - start < 20);
        pt_free(schema);
    }
    pt_buf_release(&value);
}

static void unique_items_are_told_apart_in_linear_work(void **state)
{
    struct pt_buf value;
    struct pt_schema *schema = compile("{\"uniqueItems\":true}", NULL);

    (void)state;
    pt_buf_init(&value, TEXT_BYTES_MAX);
    pt_buf_append_str(&value, "[");
    for (unsigned i = 0; i < 100000; i++) {
        pt_buf_appendf(&value, "%s{\"a\":%u,\"b\":[%u.5]}", i ? "," : "", i, i);
    }
    pt_buf_append_str(&value, "]");
    assert_int_equal(check_text(schema, pt_buf_span(&value)), PT_OK);
    value.size--;
    pt_buf_append_str(&value, ",{\"b\":[77.5],\"a\":77.0}]");
    assert_int_equal(check_text(schema, pt_buf_span(&value)), PT_INVALID);
    pt_schema_destroy(schema);
    pt_buf_release(&value);
}

static void numbers_are_compared_exactly(void **state)
{
    static const struct {
        const char *schema;
        const char *value;
        bool is_valid;
    } cases[] = {
        {"{\"const\":9007199254740993}", "9007199254740993", true},
        {"{\"const\":9007199254740992}", "9007199254740993", false},
        {"{\"const\":9007199254740992.0}", "9007199254740993", false},
        {"{\"const\":1}", "1.0", true},
        {"{\"const\":0}", "-0.0", true},
        {"{\"maximum\":18446744073709551615}", "18446744073709551615", true},
        {"{\"maximum\":18446744073709551614}", "18446744073709551615", false},
        {"{\"maximum\":-9223372036854775808}", "-9223372036854775808", true},
        {"{\"minimum\":-9223372036854775807}", "-9223372036854775808", false},
        {"{\"exclusiveMinimum\":9223372036854775807}", "9223372036854775808", true},
        {"{\"minimum\":1.5}", "1", false},
        {"{\"minimum\":-1.5}", "-1", true},
        {"{\"maximum\":-1.5}", "-1", false},
        {"{\"maximum\":1e300}", "18446744073709551615", true},
        {"{\"multipleOf\":0.01}", "19.99", true},
        {"{\"multipleOf\":0.01}", "4.35", true},
        {"{\"multipleOf\":0.01}", "4.355", false},
        {"{\"multipleOf\":0.1}", "0.3", true},
        {"{\"multipleOf\":1e-8}", "12391239123", true},
        {"{\"multipleOf\":0.123456789}", "1e308", false},
        {"{\"multipleOf\":0.5}", "1e308", true},
        {"{\"multipleOf\":3}", "-9.0", true},
        {"{\"multipleOf\":3}", "18446744073709551615", true},
        {"{\"multipleOf\":1e300}", "5", false},
        {"{\"multipleOf\":1e-300}", "5", true},
        {"{\"type\":\"integer\"}", "1e20", true},
        {"{\"maxLength\":2.0}", "\"ab\"", true},
        {"{\"maxLength\":1e30}", "\"ab\"", true},
        {"{\"minItems\":1e30}", "[1]", false},
        {"{\"enum\":[[1,{\"a\":2}]]}", "[1.0,{\"a\":2e0}]", true},
        {"{\"enum\":[{\"a\":1,\"b\":2}]}", "{\"a\":1,\"a\":1}", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (check_json(cases[i].schema, cases[i].value, NULL) !=
            (cases[i].is_valid ? PT_OK : PT_INVALID)) {
            fail_msg("%s over %s", cases[i].schema, cases[i].value);
        }
    }
}

/* ---- documents ---- */

static enum pt_code serve(void *ctx, const char *uri, struct pt_buf *json_out, struct pt_error *err)
{
    unsigned *asked = ctx;

    ++*asked;
    if (strcmp(uri, "http://games.example/types/id.json") == 0) {
        pt_buf_append_str(json_out,
                          "{\"type\":\"string\",\"$defs\":{\"short\":{\"maxLength\":3}}}");
        return PT_OK;
    }
    if (strncmp(uri, "http://chain.example/", 21) == 0) {
        pt_buf_appendf(json_out, "{\"$ref\":\"%sx\"}", uri);
        return PT_OK;
    }
    if (strcmp(uri, "http://broken.example/") == 0) {
        return pt_fail(err, PT_IO, "the disk is on fire");
    }
    return PT_NOT_FOUND;
}

static void references_go_through_the_resolver(void **state)
{
    unsigned asked = 0;
    struct pt_schema_options options = {
        .resolve = serve,
        .resolve_ctx = &asked,
        .base_uri = "http://games.example/events/quest.json",
    };
    struct pt_schema *schema = NULL;
    struct pt_error err = {0};

    (void)state;
    schema = compile("{\"properties\":{\"a\":{\"$ref\":\"../types/id.json\"},\"b\":{\"$ref\":"
                     "\"/types/./id.json#/$defs/short\"}}}",
                     &options);
    assert_int_equal(asked, 1);
    PT_CHECK(check_text(schema, pt_span_str("{\"a\":\"long\",\"b\":\"abc\"}")) == PT_OK);
    PT_CHECK(check_text(schema, pt_span_str("{\"a\":1,\"b\":\"abcd\"}")) == PT_INVALID);
    assert_string_equal(errors.list[0].schema, "http://games.example/types/id.json#/type");
    assert_string_equal(errors.list[1].schema,
                        "http://games.example/types/id.json#/$defs/short/maxLength");
    pt_schema_destroy(schema);
    /* Documents that refer to documents without an end, and one that cannot be had. */
    assert_int_equal(pt_schema_compile(&schema, pt_span_str("{\"$ref\":\"http://chain.example/\"}"),
                                       &options, &err),
                     PT_TOO_BIG);
    assert_int_equal(pt_schema_compile(&schema,
                                       pt_span_str("{\"$ref\":\"http://broken.example/\"}"),
                                       &options, &err),
                     PT_IO);
    PT_CHECK(strstr(err.text, "the disk is on fire") != NULL);
}

static void draft_and_formats_follow_the_options(void **state)
{
    const struct pt_schema_options old = {.draft = PT_SCHEMA_DRAFT_7};
    const struct pt_schema_options strict = {.assert_formats = true};

    (void)state;
    PT_CHECK(check_json("{\"items\":[{\"type\":\"null\"}]}", "[1]", &old) == PT_INVALID);
    PT_CHECK(check_json("{\"prefixItems\":[{\"type\":\"null\"}]}", "[1]", &old) == PT_OK);
    PT_CHECK(check_json("{\"prefixItems\":[{\"type\":\"null\"}]}", "[1]", NULL) == PT_INVALID);
    /* $schema speaks louder than the option. */
    PT_CHECK(check_json("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                        "\"prefixItems\":[{\"type\":\"null\"}]}",
                        "[1]", &old) == PT_INVALID);
    PT_CHECK(check_json("{\"format\":\"uuid\"}", "\"x\"", NULL) == PT_OK);
    PT_CHECK(check_json("{\"format\":\"uuid\"}", "\"x\"", &strict) == PT_INVALID);
    PT_CHECK(check_json("{\"format\":\"colour\"}", "\"x\"", &strict) == PT_OK);
}

static void no_allocation_that_fails_does_harm(void **state)
{
    static const char json[] =
        "{\"$id\":\"http://x.y/"
        "\",\"$defs\":{\"a\":{\"$anchor\":\"n\",\"enum\":[\"a\",1,{\"b\":[]}]}},"
        "\"properties\":{\"p\":{\"pattern\":\"(a|b)c\"},\"q\":{\"$ref\":\"#n\"}},\"required\":["
        "\"p\"],"
        "\"patternProperties\":{\"^x\":{\"items\":{\"$dynamicRef\":\"#n\"}}},\"allOf\":[{\"$ref\":"
        "\"http://json-schema.org/draft-07/schema\"}]}";
    bool fired = true;
    unsigned nth = 1;

    (void)state;
    for (; fired; nth++) {
        struct pt_schema *schema = NULL;
        struct pt_error err = {0};
        enum pt_code code = PT_OK;

        pt_mem_fail_after(nth);
        code = pt_schema_compile(&schema, pt_span_str(json), NULL, &err);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(code == PT_OK ? schema != NULL : schema == NULL && err.text[0] != '\0');
        PT_CHECK(fired || code == PT_OK);
        pt_schema_destroy(schema);
    }
    PT_CHECK(nth > 20);
}

static void validating_allocates_nothing(void **state)
{
    static const char json[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"(x|y)+z\"},\"b\":{"
        "\"uniqueItems\":"
        "true,\"items\":{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}}},"
        "\"patternProperties\":{\"q$\":{\"format\":\"date-time\"}},\"unevaluatedProperties\":"
        "false}";
    const char *value = "{\"a\":\"xyz\",\"b\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,\"a\"],\"q\":"
                        "\"2026-11-01T00:00:00Z\"}";
    const struct pt_schema_options strict = {.assert_formats = true};
    struct pt_schema *schema = compile(json, &strict);
    struct pt_buf text;
    struct pt_json root;

    (void)state;
    pt_buf_init(&text, 4096);
    pt_buf_append_str(&text, value);
    PT_CHECK(pt_buf_reserve(&text, PT_JSON_PADDING) != NULL);
    PT_CHECK(pt_json_parse(parser, pt_buf_span(&text), &root, NULL, NULL) == PT_OK);
    pt_mem_fail_after(1);
    PT_CHECK(pt_schema_validate(schema, root, scratch, &errors) == PT_OK);
    PT_CHECK(!pt_mem_fault_fired());
    pt_mem_fail_after(0);
    pt_buf_release(&text);
    pt_schema_destroy(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_place_keyword_and_reason),
        cmocka_unit_test(all_errors_are_told_up_to_a_number),
        cmocka_unit_test(a_long_pointer_is_cut_at_a_character),
        cmocka_unit_test(a_wrong_schema_is_refused_by_its_place),
        cmocka_unit_test(an_explosive_schema_is_too_complex_in_time),
        cmocka_unit_test(not_of_what_is_too_complex_is_not_valid),
        cmocka_unit_test(a_deep_value_is_within_the_depth),
        cmocka_unit_test(a_pattern_cannot_hang),
        cmocka_unit_test(unique_items_are_told_apart_in_linear_work),
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(references_go_through_the_resolver),
        cmocka_unit_test(draft_and_formats_follow_the_options),
        cmocka_unit_test(no_allocation_that_fails_does_harm),
        cmocka_unit_test(validating_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
