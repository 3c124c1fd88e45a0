/*
 * compile_array.c - the keywords for arrays, gathered into one rule
 */
#include "schema/compile.h"

static enum pt_code take_items(struct compiler *c, const struct source *source,
                               struct pt_array_rule *rule)
{
    enum pt_keyword rest = PT_KW_ITEMS;
    enum pt_code code = PT_OK;
    bool is_2020 = source->resource->dialect.draft == PT_DRAFT_2020_12;

    if (pt_compile_has(source, PT_KW_PREFIX_ITEMS)) {
        rule->has_prefix = true;
        code = pt_compile_list(c, source, PT_KW_PREFIX_ITEMS, &rule->prefix_first,
                               &rule->prefix_count);
    } else if (pt_compile_has(source, PT_KW_ITEMS) && !is_2020 &&
               pt_json_type(source->values[PT_KW_ITEMS]) == PT_JSON_ARRAY) {
        rule->has_prefix = true;
        rest = PT_KW_ADDITIONAL_ITEMS;
        code = pt_compile_list(c, source, PT_KW_ITEMS, &rule->prefix_first, &rule->prefix_count);
    }
    if (code) {
        return code;
    }
    rule->is_closed = pt_compile_is_false(source->values[rest]);
    return pt_compile_schema(c, source, rest, &rule->rest);
}

static enum pt_code compile_contains(struct compiler *c, const struct source *source,
                                     struct pt_node *node)
{
    uint32_t min = 1;
    uint32_t max = UINT32_MAX;
    uint32_t contains = PT_NODE_NONE;
    enum pt_code code = pt_compile_schema(c, source, PT_KW_CONTAINS, &contains);

    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MIN_CONTAINS, &min);
    }
    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MAX_CONTAINS, &max);
    }
    if (code || contains == PT_NODE_NONE) {
        return code;
    }
    return pt_compile_emit(c, node,
                           (struct pt_insn){PT_OP_CONTAINS, PT_TYPE_ARRAY, 0, contains, min, max});
}

enum pt_code pt_compile_array(struct compiler *c, const struct source *source, struct pt_node *node)
{
    struct pt_array_rule rule = {.rest = PT_NODE_NONE, .elements_max = UINT32_MAX};
    struct pt_json unique = source->values[PT_KW_UNIQUE_ITEMS];
    enum pt_code code = take_items(c, source, &rule);

    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MIN_ITEMS, &rule.elements_min);
    }
    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MAX_ITEMS, &rule.elements_max);
    }
    if (!code && (rule.has_prefix || rule.rest != PT_NODE_NONE || rule.elements_min > 0 ||
                  rule.elements_max < UINT32_MAX)) {
        if (!pt_compile_push(&c->arrays, &rule, sizeof(rule))) {
            return pt_compile_too_big(c);
        }
        code = pt_compile_emit(c, node,
                               (struct pt_insn){PT_OP_ARRAY, PT_TYPE_ARRAY, 0,
                                                COUNT(c->arrays, struct pt_array_rule) - 1, 0, 0});
    }
    if (!code && pt_json_exists(unique)) {
        if (pt_json_type(unique) != PT_JSON_BOOL) {
            return FAIL(source, "uniqueItems", "it must be true or false");
        }
        if (pt_json_bool(unique)) {
            code = pt_compile_emit(c, node,
                                   (struct pt_insn){PT_OP_UNIQUE_ITEMS, PT_TYPE_ARRAY, 0, 0, 0, 0});
        }
    }
    return code ? code : compile_contains(c, source, node);
}
