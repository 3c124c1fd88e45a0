/*
 * test_compat.c - "compatible" is a proof, and every refusal says where
 *
 * Method: tables of pairs with the verdict, the first reason's kind and its place; pairs drawn at
 * random, of which those called compatible are held to values drawn at random (a value that the
 * writer's schema takes and the reader's refuses is a mistake); pairs made to explode or to go in
 * circles, which must end.
 */
#include "check.h"

#include "base/json.h"
#include "schema/compat.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct pt_compat_report report;

static void check_pair(const char *older, const char *newer, enum pt_compat_mode mode)
{
    struct pt_compat_document documents[2] = {{.json = pt_span_str(older)},
                                              {.json = pt_span_str(newer)}};
    struct pt_error err = {0};

    PT_CHECK_OK(pt_compat_check(&documents[0], &documents[1], mode, false, &report, &err), err);
    PT_CHECK(report.is_compatible == (report.count == 0));
}

/* `kind` NULL: compatible. */
struct pair {
    const char *older;
    const char *newer;
    const char *kind;
    const char *new_pointer;
};

#define D20 "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\""

static const struct pair pairs[] = {
    /* Types. */
    {"{\"type\":\"integer\"}", "{\"type\":\"number\"}", NULL, NULL},
    {"{\"type\":\"number\"}", "{\"type\":\"integer\"}", "TYPE_NARROWED", "#"},
    {"{\"type\":\"number\",\"multipleOf\":2}", "{\"type\":\"integer\"}", NULL, NULL},
    {"{}", "{\"type\":\"string\"}", "TYPE_NARROWED", "#"},
    {"{\"type\":[\"string\",\"null\"]}", "{\"type\":\"string\"}", "SUM_TYPE_NARROWED", "#"},
    {"false", "{\"type\":\"string\"}", NULL, NULL},
    {"{\"type\":\"string\"}", "false", "TYPE_NARROWED", "#"},
    {"{\"type\":\"boolean\"}", "{\"enum\":[true,false,1]}", NULL, NULL},
    {"{\"type\":\"null\"}", "{\"const\":null}", NULL, NULL},
    /* A keyword that looks at other types does not count. */
    {"{\"type\":\"number\"}", "{\"type\":\"number\",\"maxLength\":3}", NULL, NULL},
    {"{\"type\":\"string\"}", "{\"maximum\":3}", NULL, NULL},
    /* Numbers. */
    {"{\"type\":\"integer\",\"exclusiveMinimum\":4}", "{\"minimum\":5}", NULL, NULL},
    {"{\"type\":\"number\",\"exclusiveMinimum\":4}", "{\"minimum\":5}", "MINIMUM_ADDED",
     "#/minimum"},
    {"{\"type\":\"number\",\"minimum\":4}", "{\"exclusiveMinimum\":4}", "EXCLUSIVE_MINIMUM_ADDED",
     "#/exclusiveMinimum"},
    {"{\"type\":\"integer\",\"maximum\":4.5}", "{\"maximum\":4}", NULL, NULL},
    {"{\"type\":\"number\",\"multipleOf\":0.1}", "{\"multipleOf\":0.3}", "MULTIPLE_OF_EXPANDED",
     "#/multipleOf"},
    {"{\"type\":\"number\",\"multipleOf\":0.3}", "{\"multipleOf\":0.1}", NULL, NULL},
    {"{\"type\":\"integer\"}", "{\"multipleOf\":0.5}", NULL, NULL},
    {"{\"type\":\"number\",\"maximum\":9007199254740993}",
     "{\"type\":\"number\",\"maximum\":9007199254740992}", "MAXIMUM_DECREASED", "#/maximum"},
    /* Strings. */
    {"{\"type\":\"string\"}", "{\"format\":\"uuid\"}", "FORMAT_ADDED", "#/format"},
    {"{\"type\":\"string\"}", "{\"format\":\"no-such-format\"}", NULL, NULL},
    {"{\"type\":\"string\",\"pattern\":\"^a\"}", "{\"pattern\":\"^b\"}", "PATTERN_CHANGED",
     "#/pattern"},
    {"{\"enum\":[\"ab\",\"ac\"]}", "{\"pattern\":\"^a[bc]$\",\"maxLength\":2}", NULL, NULL},
    {"{\"enum\":[\"ab\",\"b\"]}", "{\"pattern\":\"^a\"}", "ENUM_ARRAY_CHANGED", "#"},
    /* Constants. */
    {"{\"const\":1}", "{\"enum\":[1.0,2]}", NULL, NULL},
    {"{\"enum\":[1,2]}", "{\"const\":1}", "ENUM_ARRAY_NARROWED", "#/enum"},
    {"{\"enum\":[1,\"a\"],\"type\":\"string\"}", "{\"const\":\"a\"}", NULL, NULL},
    {"{\"const\":{\"a\":1}}",
     "{\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"integer\"}}}", NULL, NULL},
    /* Objects. */
    {"{\"type\":\"object\",\"required\":[\"a\"]}", "{\"minProperties\":1}", NULL, NULL},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}",
     "{\"maxProperties\":2}", NULL, NULL},
    {"{\"type\":\"object\",\"properties\":{\"a\":{}},\"additionalProperties\":false}",
     "{\"properties\":{\"a\":{},\"b\":{\"type\":\"string\"}},\"additionalProperties\":false,"
     "\"required\":[\"b\"]}",
     "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", "#/required/0"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{}},\"additionalProperties\":false}",
     "{\"properties\":{\"a\":{},\"b\":{\"type\":\"string\",\"default\":\"x\"}},"
     "\"additionalProperties\":false,\"required\":[\"b\"]}",
     NULL, NULL},
    {"{\"properties\":{\"a/b~\":{\"type\":\"string\"}}}",
     "{\"properties\":{\"a/b~\":{\"type\":\"string\",\"maxLength\":3}}}", "MAX_LENGTH_ADDED",
     "#/properties/a~1b~0/maxLength"},
    {"{\"additionalProperties\":false,\"patternProperties\":{\"^S_\":{\"type\":\"string\"}}}",
     "{\"additionalProperties\":{\"type\":\"string\"}}", NULL, NULL},
    {"{\"patternProperties\":{\"^S_\":{\"type\":\"string\"}}}",
     "{\"patternProperties\":{\"^S\":{\"type\":\"string\"}}}", "PATTERN_PROPERTY_ADDED",
     "#/patternProperties/^S"},
    {"{\"properties\":{\"aa\":{}},\"additionalProperties\":false}",
     "{\"propertyNames\":{\"minLength\":2}}", NULL, NULL},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}",
     "{\"propertyNames\":{\"minLength\":2}}", "PROPERTY_NAMES_ADDED", "#/propertyNames"},
    {"{\"required\":[\"b\"]}", "{\"dependencies\":{\"a\":[\"b\"]}}", NULL, NULL},
    {"{\"properties\":{\"a\":false}}", "{\"dependencies\":{\"a\":[\"b\"]}}", NULL, NULL},
    {"{" D20 ",\"dependentSchemas\":{\"a\":{\"required\":[\"b\",\"c\"]}}}",
     "{" D20 ",\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", NULL, NULL},
    {"{" D20 ",\"allOf\":[{\"properties\":{\"a\":{\"type\":\"string\"}}}],"
     "\"unevaluatedProperties\":false}",
     "{" D20 ",\"properties\":{\"a\":{\"type\":\"string\"}},\"additionalProperties\":false}", NULL,
     NULL},
    {"{" D20 ",\"anyOf\":[{\"properties\":{\"a\":{}}},{}],\"unevaluatedProperties\":false}",
     "{" D20 ",\"additionalProperties\":false}", "COMBINED_TYPE_SUBSCHEMAS_CHANGED", "#"},
    /* Arrays. */
    {"{\"type\":\"array\",\"maxItems\":1}", "{\"uniqueItems\":true}", NULL, NULL},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1}",
     "{\"contains\":{\"type\":\"number\"}}", NULL, NULL},
    {"{\"type\":\"array\",\"items\":[{\"type\":\"string\"}],\"additionalItems\":false}",
     "{\"maxItems\":1}", NULL, NULL},
    {"{" D20 ",\"contains\":{\"type\":\"string\"},\"unevaluatedItems\":false}",
     "{" D20 ",\"items\":false}", "ADDITIONAL_ITEMS_REMOVED", "#/items"},
    /* Combined. */
    {"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "{\"type\":[\"null\",\"string\"]}",
     NULL, NULL},
    {"{\"type\":[\"null\",\"string\"]}", "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}",
     NULL, NULL},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}",
     "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", NULL, NULL},
    {"{\"type\":\"integer\"}", "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}",
     "COMBINED_TYPE_SUBSCHEMAS_CHANGED", "#"},
    {"{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
     "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]},{\"type\":\"string\"}]}", NULL,
     NULL},
    {"{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
     "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]},{\"required\":[\"c\"]}]}",
     "COMBINED_TYPE_SUBSCHEMAS_CHANGED", "#"},
    {"{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"x\"}},\"required\":[\"k\"]}",
     "{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"x\"}}},{\"properties\":{\"k\":{\"const\":"
     "\"y\"}}}]}",
     NULL, NULL},
    {"{\"type\":\"string\"}", "{\"not\":{\"type\":\"number\"}}", NULL, NULL},
    {"{\"not\":{\"type\":\"number\"}}", "{\"not\":{\"type\":\"integer\"}}", NULL, NULL},
    {"{\"not\":{\"type\":\"integer\"}}", "{\"not\":{\"type\":\"number\"}}", "NOT_TYPE_EXTENDED",
     "#/not"},
    /* A default does not help where the opposite is asked. */
    {"{\"not\":{\"required\":[\"a\"]}}", "{\"not\":{\"properties\":{\"a\":{\"default\":1}}}}",
     "NOT_TYPE_EXTENDED", "#/not"},
    {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\",\"c\"]}}",
     "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", NULL, NULL},
    {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}",
     "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\",\"c\"]}}", "CONDITION_CHANGED",
     "#/if"},
    {"{\"required\":[\"b\"],\"type\":\"object\"}",
     "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", NULL, NULL},
    /* References. */
    {"{\"definitions\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/definitions/"
     "n\"},\"v\":{\"type\":"
     "\"integer\"}}}},\"$ref\":\"#/definitions/n\"}",
     "{\"definitions\":{\"m\":{\"properties\":{\"next\":{\"$ref\":\"#/definitions/"
     "m\"},\"v\":{\"type\":"
     "\"number\"}}}},\"$ref\":\"#/definitions/m\"}",
     NULL, NULL},
    {"{\"definitions\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/definitions/"
     "n\"},\"v\":{\"type\":"
     "\"number\"}}}},\"$ref\":\"#/definitions/n\"}",
     "{\"definitions\":{\"m\":{\"properties\":{\"next\":{\"$ref\":\"#/definitions/"
     "m\"},\"v\":{\"type\":"
     "\"integer\"}}}},\"$ref\":\"#/definitions/m\"}",
     "TYPE_NARROWED", "#/definitions/m/properties/v"},
    {"{" D20 ",\"$defs\":{\"s\":{\"$anchor\":\"here\",\"type\":\"string\"}},\"$ref\":\"#here\"}",
     "{\"type\":\"string\"}", NULL, NULL},
    {"{\"definitions\":{\"a b\":{\"type\":\"string\"}},\"$ref\":\"#/definitions/a%20b\"}",
     "{\"type\":\"string\"}", NULL, NULL},
    {"{" D20 ",\"$defs\":{\"s\":{\"$id\":\"https://x.example/s\",\"type\":\"string\"}},\"$ref\":"
     "\"https://x.example/s\"}",
     "{\"type\":\"string\"}", NULL, NULL},
    {"{\"type\":\"string\"}", "{\"$ref\":\"elsewhere.json\"}", "REFERENCE_NOT_FOLLOWED", "#/$ref"},
    {"{\"$ref\":\"elsewhere.json\"}", "{\"type\":\"string\"}", "TYPE_NARROWED", "#"},
    /* In draft-07 nothing beside a $ref counts; later it does. */
    {"{\"definitions\":{\"s\":{}},\"$ref\":\"#/definitions/s\",\"type\":\"string\"}",
     "{\"type\":\"string\"}", "TYPE_NARROWED", "#"},
    {"{" D20 ",\"$defs\":{\"s\":{}},\"$ref\":\"#/$defs/s\",\"type\":\"string\"}",
     "{\"type\":\"string\"}", NULL, NULL},
    /* Circles that look at nothing. */
    {"{\"type\":\"string\"}", "{\"$ref\":\"#\"}", "?", NULL},
    {"{\"type\":\"string\"}", "{\"allOf\":[{\"$ref\":\"#\"}]}", "?", NULL},
    {"{\"$ref\":\"#\"}", "{\"type\":\"string\"}", "TYPE_NARROWED", "#"},
};

static void each_pair_gets_its_verdict(void **state)
{
    unsigned mistakes = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct pair *pair = &pairs[i];
        bool is_fine = false;

        check_pair(pair->older, pair->newer, PT_COMPAT_BACKWARD);
        if (!pair->kind) {
            is_fine = report.is_compatible;
        } else if (pair->kind[0] == '?') {
            is_fine = !report.is_compatible || report.count == 0;
        } else {
            is_fine = !report.is_compatible && strcmp(report.reasons[0].kind, pair->kind) == 0 &&
                      (!pair->new_pointer ||
                       strcmp(report.reasons[0].new_pointer, pair->new_pointer) == 0);
        }
        if (!is_fine) {
            mistakes++;
            print_message("%s\n  -> %s\n  should be %s, is %s %s\n", pair->older, pair->newer,
                          pair->kind ? pair->kind : "compatible",
                          report.count ? report.reasons[0].kind : "compatible",
                          report.count ? report.reasons[0].new_pointer : "");
        }
        check_pair(pair->older, pair->older, PT_COMPAT_FULL);
        PT_CHECK(report.is_compatible); /* everything is compatible with itself */
    }
    PT_CHECK(mistakes == 0);
}

static void the_modes_ask_in_their_direction(void **state)
{
    static const char narrow[] = "{\"type\":\"integer\"}";
    static const char wide[] = "{\"type\":\"number\"}";

    (void)state;
    check_pair(narrow, wide, PT_COMPAT_BACKWARD);
    PT_CHECK(report.is_compatible);
    check_pair(narrow, wide, PT_COMPAT_FORWARD);
    PT_CHECK(!report.is_compatible && strcmp(report.reasons[0].direction, "forward") == 0);
    check_pair(narrow, wide, PT_COMPAT_FULL_TRANSITIVE);
    PT_CHECK(!report.is_compatible && report.count == 1);
    check_pair(narrow, "{\"type\":\"string\"}", PT_COMPAT_NONE);
    PT_CHECK(report.is_compatible);
    check_pair(wide, "{\"type\":\"string\"}", PT_COMPAT_FULL);
    PT_CHECK(report.count == 2);
    for (int mode = PT_COMPAT_NONE; mode <= PT_COMPAT_FULL_TRANSITIVE; mode++) {
        enum pt_compat_mode parsed = PT_COMPAT_NONE;

        PT_CHECK(pt_compat_mode_parse(pt_span_str(pt_compat_mode_name((enum pt_compat_mode)mode)),
                                      &parsed));
        PT_CHECK((int)parsed == mode);
    }
}

static void what_is_no_schema_is_refused(void **state)
{
    static const char *const texts[] = {"", "[]", "1", "{\"type\"", "\"x\"", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pt_compat_document good = {.json = pt_span_str("{}")};
        struct pt_compat_document bad = {.json = pt_span_str(texts[i])};
        struct pt_error err = {0};

        PT_CHECK(pt_compat_check(&bad, &good, PT_COMPAT_FULL, false, &report, &err) == PT_INVALID);
        PT_CHECK(strstr(err.text, "older") != NULL);
        PT_CHECK(pt_compat_check(&good, &bad, PT_COMPAT_FULL, false, &report, &err) == PT_INVALID);
        PT_CHECK(strstr(err.text, "newer") != NULL);
    }
}

/* ---- random pairs ------------------------------------------------------------------- */

static uint64_t seed_state;

static uint32_t pick(uint32_t count)
{
    seed_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % count);
}

static const char *one_of(const char *const *list, uint32_t count)
{
    return list[pick(count)];
}

static void draw_schema(struct pt_buf *out, unsigned depth);

static void draw_map(struct pt_buf *out, const char *const *keys, uint32_t key_count,
                     unsigned depth)
{
    bool is_first = true;

    pt_buf_append_byte(out, '{');
    for (uint32_t i = 0; i < key_count; i++) {
        if (pick(2)) {
            pt_buf_appendf(out, "%s\"%s\":", is_first ? "" : ",", keys[i]);
            draw_schema(out, depth);
            is_first = false;
        }
    }
    pt_buf_append_byte(out, '}');
}

static void draw_list(struct pt_buf *out, unsigned depth)
{
    uint32_t count = 1 + pick(3);

    pt_buf_append_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        pt_buf_append_str(out, i ? "," : "");
        draw_schema(out, depth);
    }
    pt_buf_append_byte(out, ']');
}

static void draw_keyword(struct pt_buf *out, unsigned depth)
{
    static const char *const types[] = {"\"string\"",
                                        "\"integer\"",
                                        "\"number\"",
                                        "\"object\"",
                                        "\"array\"",
                                        "\"null\"",
                                        "\"boolean\"",
                                        "[\"string\",\"null\"]",
                                        "[\"integer\",\"object\"]"};
    static const char *const values[] = {"1", "\"a\"", "null", "true", "[1]", "{\"a\":1}", "2.5"};
    static const char *const counts[] = {
        "minLength",     "maxLength", "minItems", "maxItems",         "minProperties",
        "maxProperties", "minimum",   "maximum",  "exclusiveMinimum", "exclusiveMaximum"};
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    static const char *const singles[] = {
        "not",  "items",         "additionalProperties",  "contains",        "if", "then",
        "else", "propertyNames", "unevaluatedProperties", "unevaluatedItems"};
    static const char *const names[] = {"a", "b", "ab"};
    static const char *const patterns[] = {"^a", "b$"};

    switch (pick(depth > 0 ? 12 : 6)) {
    case 0:
    case 1:
        pt_buf_appendf(out, "\"type\":%s", one_of(types, 9));
        break;
    case 2:
        pt_buf_appendf(out, "\"%s\":%u", one_of(counts, 10), pick(4));
        break;
    case 3:
        pt_buf_appendf(out, "\"enum\":[%s,%s]", one_of(values, 7), one_of(values, 7));
        break;
    case 4:
        pt_buf_appendf(out, "\"required\":[\"%s\"]", one_of(names, 3));
        break;
    case 5:
        pt_buf_appendf(out, pick(2) ? "\"multipleOf\":%u" : "\"minContains\":%u", 1 + pick(4));
        break;
    case 6:
    case 7:
        pt_buf_append_str(out, "\"properties\":");
        draw_map(out, names, 3, depth - 1);
        break;
    case 8:
        pt_buf_append_str(out, "\"patternProperties\":");
        draw_map(out, patterns, 2, depth - 1);
        break;
    case 9:
        pt_buf_appendf(out, "\"%s\":", one_of(lists, 3));
        draw_list(out, depth - 1);
        break;
    case 10:
        if (pick(3) == 0) {
            pt_buf_append_str(out, "\"prefixItems\":");
            draw_list(out, depth - 1);
            break;
        }
        if (pick(3) == 0) {
            pt_buf_append_str(out, "\"dependentSchemas\":");
            draw_map(out, names, 3, depth - 1);
            break;
        }
        if (pick(4) == 0) {
            pt_buf_append_str(out, "\"$ref\":\"#\"");
            break;
        }
        if (pick(3) == 0) {
            pt_buf_append_str(out, "\"uniqueItems\":true");
            break;
        }
        pt_buf_append_str(out, "\"dependentRequired\":{\"a\":[\"b\"]}");
        break;
    default:
        pt_buf_appendf(out, "\"%s\":", one_of(singles, 10));
        draw_schema(out, depth - 1);
        break;
    }
}

/* Members may be doubled: the last one holds, for all that read them. */
static void draw_schema(struct pt_buf *out, unsigned depth)
{
    uint32_t count = pick(4);

    if (pick(8) == 0) {
        pt_buf_append_str(out, pick(2) ? "true" : "false");
        return;
    }
    pt_buf_append_byte(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        pt_buf_append_str(out, i ? "," : "");
        draw_keyword(out, depth);
    }
    pt_buf_append_byte(out, '}');
}

static void draw_value(struct pt_buf *out, unsigned depth)
{
    static const char *const plain[] = {"null", "true", "false", "0",    "1",     "2",
                                        "3",    "2.5",  "-1",    "\"\"", "\"a\"", "\"abcd\""};
    static const char *const keys[] = {"a", "b", "ab", "c"};
    uint32_t kind = pick(depth > 0 ? 4 : 1);
    bool is_first = true;

    if (kind < 2) {
        pt_buf_append_str(out, one_of(plain, 12));
    } else if (kind == 2) {
        uint32_t count = pick(4);

        pt_buf_append_byte(out, '[');
        for (uint32_t i = 0; i < count; i++) {
            pt_buf_append_str(out, i ? "," : "");
            draw_value(out, depth - 1);
        }
        pt_buf_append_byte(out, ']');
    } else {
        pt_buf_append_byte(out, '{');
        for (uint32_t i = 0; i < 4; i++) {
            if (pick(2)) {
                pt_buf_appendf(out, "%s\"%s\":", is_first ? "" : ",", keys[i]);
                draw_value(out, depth - 1);
                is_first = false;
            }
        }
        pt_buf_append_byte(out, '}');
    }
}

static void draw_document(struct pt_buf *out)
{
    struct pt_buf body;

    pt_buf_init(&body, 1 << 20);
    do {
        pt_buf_reset(&body);
        draw_schema(&body, 3);
    } while (body.size < 3);
    pt_buf_reset(out);
    if (body.data[0] == '{') {
        pt_buf_appendf(out, "{%s%s%.*s", D20, body.size > 2 ? "," : "", (int)body.size - 1,
                       (const char *)body.data + 1);
    } else {
        pt_buf_append(out, body.data, body.size);
    }
    pt_buf_release(&body);
}

/* A small change to a document is nearer to what people do than two drawn apart: one keyword is
 * added. */
static void change_document(const struct pt_buf *from, struct pt_buf *out)
{
    pt_buf_reset(out);
    if (from->data[0] != '{' || pick(4) == 0) {
        draw_document(out);
        return;
    }
    pt_buf_append(out, from->data, from->size - 1);
    pt_buf_append_byte(out, ',');
    draw_keyword(out, 2);
    pt_buf_append_byte(out, '}');
}

static struct pt_schema *compile(const struct pt_buf *text)
{
    const struct pt_schema_options options = {.assert_formats = true};
    struct pt_schema *schema = NULL;

    return pt_schema_compile(&schema, pt_buf_span(text), &options, NULL) == PT_OK ? schema : NULL;
}

struct tally {
    unsigned pairs;
    unsigned compatible;
    unsigned values;
    unsigned too_complex;
};

static void hold_to_values(const struct pt_schema *writer, const struct pt_schema *reader,
                           const struct pt_buf *older, const struct pt_buf *newer,
                           struct pt_schema_scratch *scratch, struct pt_json_parser *parser,
                           struct tally *tally)
{
    struct pt_buf text;

    pt_buf_init(&text, 1 << 20);
    for (unsigned i = 0; i < 60; i++) {
        struct pt_json value;

        pt_buf_reset(&text);
        draw_value(&text, 3);
        PT_CHECK(pt_buf_reserve(&text, PT_JSON_PADDING) != NULL);
        PT_CHECK(pt_json_parse(parser, pt_buf_span(&text), &value, NULL, NULL) == PT_OK);
        if (pt_schema_validate(writer, value, scratch, NULL) != PT_OK) {
            continue;
        }
        tally->values++;
        if (pt_schema_validate(reader, value, scratch, NULL) == PT_INVALID) {
            fail_msg("called compatible, and it is not:\n%.*s\n%.*s\n%.*s", (int)older->size,
                     (const char *)older->data, (int)newer->size, (const char *)newer->data,
                     (int)text.size, (const char *)text.data);
        }
    }
    pt_buf_release(&text);
}

static void compatible_is_never_wrong(void **state)
{
    const char *rounds_text = getenv("PT_COMPAT_ROUNDS");
    unsigned rounds = rounds_text ? (unsigned)strtoul(rounds_text, NULL, 10) : 8000;
    struct pt_schema_scratch *scratch = pt_schema_scratch_create();
    struct pt_json_parser *parser = pt_json_parser_create(1 << 20);
    struct tally tally = {0};
    struct pt_buf older;
    struct pt_buf newer;

    (void)state;
    PT_CHECK(scratch && parser);
    pt_buf_init(&older, 1 << 20);
    pt_buf_init(&newer, 1 << 20);
    for (unsigned round = 0; round < rounds; round++) {
        struct pt_schema *writer = NULL;
        struct pt_schema *reader = NULL;

        seed_state = round;
        draw_document(&older);
        change_document(&older, &newer);
        if (pick(2)) {
            struct pt_buf swap = older;

            older = newer;
            newer = swap;
        }
        writer = compile(&older);
        reader = writer ? compile(&newer) : NULL;
        if (reader) {
            struct pt_compat_document documents[2] = {{.json = pt_buf_span(&older)},
                                                      {.json = pt_buf_span(&newer)}};

            PT_CHECK(pt_compat_check(&documents[0], &documents[1], PT_COMPAT_BACKWARD, false,
                                     &report, NULL) == PT_OK);
            tally.pairs++;
            tally.compatible += report.is_compatible ? 1 : 0;
            for (uint32_t i = 0; i < report.count; i++) {
                tally.too_complex += strcmp(report.reasons[i].kind, "TOO_COMPLEX") == 0 ? 1 : 0;
            }
            if (report.is_compatible) {
                hold_to_values(writer, reader, &older, &newer, scratch, parser, &tally);
            }
        }
        pt_schema_destroy(writer);
        pt_schema_destroy(reader);
    }
    print_message("%u pairs, %u compatible, %u values held to them, %u too complex\n", tally.pairs,
                  tally.compatible, tally.values, tally.too_complex);
    PT_CHECK(tally.pairs > rounds / 3 && tally.compatible > tally.pairs / 20);
    PT_CHECK(tally.values > tally.compatible);
    PT_CHECK(tally.too_complex * 50 < tally.pairs);
    pt_buf_release(&older);
    pt_buf_release(&newer);
    pt_json_parser_destroy(parser);
    pt_schema_scratch_destroy(scratch);
}

/* ---- bounds ---------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* {"anyOf":[S,S,S]}, S the same one level deeper, `leaf` at the end. */
static void write_tree(struct pt_buf *out, const char *keyword, unsigned depth, const char *leaf)
{
    if (depth == 0) {
        pt_buf_append_str(out, leaf);
        return;
    }
    pt_buf_appendf(out, "{\"%s\":[", keyword);
    for (unsigned i = 0; i < 3; i++) {
        pt_buf_append_str(out, i ? "," : "");
        write_tree(out, keyword, depth - 1, leaf);
    }
    pt_buf_append_str(out, "]}");
}

static void every_comparison_ends(void **state)
{
    static const char *const keywords[] = {"anyOf", "oneOf", "allOf"};
    struct pt_buf older;
    struct pt_buf newer;
    double longest = 0;

    (void)state;
    pt_buf_init(&older, 1 << 20);
    pt_buf_init(&newer, 1 << 20);
    for (unsigned i = 0; i < 9; i++) {
        struct pt_compat_document documents[2];
        double start = seconds();

        pt_buf_reset(&older);
        pt_buf_reset(&newer);
        write_tree(&older, keywords[i / 3], 7,
                   "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}}}");
        write_tree(&newer, keywords[i % 3], 7,
                   "{\"type\":\"object\",\"properties\":{\"b\":{\"$ref\":\"#\"}}}");
        documents[0] = (struct pt_compat_document){.json = pt_buf_span(&older)};
        documents[1] = (struct pt_compat_document){.json = pt_buf_span(&newer)};
        PT_CHECK(pt_compat_check(&documents[0], &documents[1], PT_COMPAT_FULL, false, &report,
                                 NULL) == PT_OK);
        longest = seconds() - start > longest ? seconds() - start : longest;
    }
    /* Many names: each is looked for among all. */
    pt_buf_reset(&older);
    pt_buf_append_str(&older, "{\"properties\":{");
    for (unsigned i = 0; i < 20000; i++) {
        pt_buf_appendf(&older, "%s\"k%u\":{\"type\":\"string\"}", i ? "," : "", i);
    }
    pt_buf_append_str(&older, "}}");
    {
        struct pt_compat_document documents[2] = {
            {.json = pt_buf_span(&older)},
            {.json = pt_span_str("{\"properties\":{\"k1\":{\"type\":\"null\"}}}")},
        };
        double start = seconds();

        PT_CHECK(pt_compat_check(&documents[0], &documents[1], PT_COMPAT_FULL, false, &report,
                                 NULL) == PT_OK);
        PT_CHECK(!report.is_compatible);
        longest = seconds() - start > longest ? seconds() - start : longest;
    }
    print_message("the longest comparison took %.2f s\n", longest);
    PT_CHECK(longest < 30); /* unbounded, they would take ages */
    pt_buf_release(&older);
    pt_buf_release(&newer);
}

static void no_memory_is_never_compatible(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned nth = 1; fired; nth++) {
        struct pt_compat_document documents[2] = {
            {.json = pt_span_str("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}")},
            {.json =
                 pt_span_str("{\"properties\":{\"a\":{\"pattern\":\"^a\"}},\"type\":\"object\"}")},
        };
        enum pt_code code = PT_OK;

        pt_mem_fail_after(nth);
        code =
            pt_compat_check(&documents[0], &documents[1], PT_COMPAT_BACKWARD, false, &report, NULL);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(code == PT_OK || code == PT_NO_MEMORY);
        PT_CHECK(code != PT_OK || !report.is_compatible);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_gets_its_verdict),
        cmocka_unit_test(the_modes_ask_in_their_direction),
        cmocka_unit_test(what_is_no_schema_is_refused),
        cmocka_unit_test(compatible_is_never_wrong),
        cmocka_unit_test(every_comparison_ends),
        cmocka_unit_test(no_memory_is_never_compatible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
