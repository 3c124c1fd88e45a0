/*
 * compile_object.c - the keywords for objects, gathered into one rule
 */
#include "schema/compile.h"

static struct pt_property *find_property(struct compiler *c, const struct pt_object_rule *rule,
                                         struct pt_span key)
{
    for (uint32_t i = 0; i < rule->property_count; i++) {
        struct pt_property *property =
            AT(c->properties, struct pt_property, rule->property_first + i);

        if (property->key.bytes == key.size &&
            memcmp(c->texts.data + property->key.at, key.data, key.size) == 0) {
            return property;
        }
    }
    return NULL;
}

static enum pt_code add_property(struct compiler *c, struct pt_object_rule *rule,
                                 struct pt_span key, uint32_t node, uint32_t required)
{
    struct pt_property property = {pt_compile_name(c, key), node, required};

    if (c->texts.has_failed || !pt_compile_push(&c->properties, &property, sizeof(property))) {
        return pt_compile_too_big(c);
    }
    rule->property_count++;
    return PT_OK;
}

static enum pt_code take_properties(struct compiler *c, const struct source *source,
                                    struct pt_object_rule *rule)
{
    struct pt_json value = source->values[PT_KW_PROPERTIES];
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_type(value) != PT_JSON_OBJECT) {
        return FAIL(source, "properties", "it must be an object of schemas");
    }
    for (it = pt_json_iterate(value); !code && pt_json_next(&it);) {
        if (!pt_compile_is_schema(it.value)) {
            return FAIL(source, "properties", "\"%.64s\" is not a schema",
                        (const char *)it.key.data);
        }
        code = add_property(c, rule, it.key, pt_compile_node_at(c, source, it.value), UINT32_MAX);
    }
    return code;
}

/* Equal names are rare and cost nothing: a second one is never found in the table. */
static enum pt_code take_required(struct compiler *c, const struct source *source,
                                  struct pt_object_rule *rule)
{
    struct pt_json value = source->values[PT_KW_REQUIRED];
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_type(value) != PT_JSON_ARRAY) {
        return FAIL(source, "required", "it must be an array of names");
    }
    if (pt_json_count(value) > PT_REQUIRED_MAX) {
        return pt_location_fail(&c->docs, source->location, "required", c->err, PT_TOO_BIG,
                                "more than %u names", PT_REQUIRED_MAX);
    }
    for (it = pt_json_iterate(value); !code && pt_json_next(&it);) {
        struct pt_property *property = NULL;

        if (pt_json_type(it.value) != PT_JSON_STRING) {
            return FAIL(source, "required", "it must be an array of names");
        }
        property = find_property(c, rule, pt_json_string(it.value));
        if (property && property->required != UINT32_MAX) {
            continue;
        }
        if (property) {
            property->required = rule->required_count++;
        } else {
            code = add_property(c, rule, pt_json_string(it.value), PT_NODE_NONE,
                                rule->required_count++);
        }
    }
    return code;
}

static enum pt_code take_patterns(struct compiler *c, const struct source *source,
                                  struct pt_object_rule *rule)
{
    struct pt_json value = source->values[PT_KW_PATTERN_PROPERTIES];
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    rule->pattern_first = COUNT(c->patterns, struct pt_pattern_property);
    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_type(value) != PT_JSON_OBJECT) {
        return FAIL(source, "patternProperties", "it must be an object of schemas");
    }
    for (it = pt_json_iterate(value); !code && pt_json_next(&it);) {
        struct pt_pattern_property pattern = {0, 0};

        if (!pt_compile_is_schema(it.value)) {
            return FAIL(source, "patternProperties", "a member is not a schema");
        }
        code = pt_compile_regex(c, source, "patternProperties", it.key, &pattern.regex);
        pattern.node = pt_compile_node_at(c, source, it.value);
        if (!code && !pt_compile_push(&c->patterns, &pattern, sizeof(pattern))) {
            code = pt_compile_too_big(c);
        }
        rule->pattern_count++;
    }
    return code;
}

enum pt_code pt_compile_object(struct compiler *c, const struct source *source,
                               struct pt_node *node)
{
    static const enum pt_keyword keywords[] = {
        PT_KW_PROPERTIES,
        PT_KW_REQUIRED,
        PT_KW_PATTERN_PROPERTIES,
        PT_KW_PROPERTY_NAMES,
        PT_KW_MIN_PROPERTIES,
        PT_KW_MAX_PROPERTIES,
        PT_KW_ADDITIONAL_PROPERTIES,
    };
    struct pt_object_rule rule = {
        .property_first = COUNT(c->properties, struct pt_property),
        .members_max = UINT32_MAX,
        .is_closed = pt_compile_is_false(source->values[PT_KW_ADDITIONAL_PROPERTIES]),
    };
    bool is_there = false;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        is_there = is_there || pt_compile_has(source, keywords[i]);
    }
    if (!is_there) {
        return PT_OK;
    }
    code = take_properties(c, source, &rule);
    if (!code) {
        code = take_required(c, source, &rule);
    }
    if (!code) {
        code = take_patterns(c, source, &rule);
    }
    if (!code) {
        code = pt_compile_schema(c, source, PT_KW_ADDITIONAL_PROPERTIES, &rule.additional);
    }
    if (!code) {
        code = pt_compile_schema(c, source, PT_KW_PROPERTY_NAMES, &rule.names);
    }
    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MIN_PROPERTIES, &rule.members_min);
    }
    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MAX_PROPERTIES, &rule.members_max);
    }
    if (code) {
        return code;
    }
    if (!pt_compile_table(c, &AT(c->properties, struct pt_property, rule.property_first)->key,
                          sizeof(struct pt_property), rule.property_count, &rule.table) ||
        !pt_compile_push(&c->objects, &rule, sizeof(rule))) {
        return pt_compile_too_big(c);
    }
    return pt_compile_emit(c, node,
                           (struct pt_insn){PT_OP_OBJECT, PT_TYPE_OBJECT, 0,
                                            COUNT(c->objects, struct pt_object_rule) - 1, 0, 0});
}

/* One entry of dependentRequired, or of dependencies where it is an array. */
static enum pt_code add_dependent_required(struct compiler *c, const struct source *source,
                                           enum pt_keyword keyword, struct pt_span key,
                                           struct pt_json names, struct pt_node *node)
{
    struct pt_name own = pt_compile_name(c, key);
    uint32_t first = COUNT(c->keys, struct pt_name);
    struct pt_json_iter it;

    if (pt_json_type(names) != PT_JSON_ARRAY) {
        return FAIL(source, pt_compile_keyword(keyword), "each member must be an array of names");
    }
    pt_compile_push(&c->keys, &own, sizeof(own));
    for (it = pt_json_iterate(names); pt_json_next(&it);) {
        struct pt_name name;

        if (pt_json_type(it.value) != PT_JSON_STRING) {
            return FAIL(source, pt_compile_keyword(keyword),
                        "each member must be an array of names");
        }
        name = pt_compile_name(c, pt_json_string(it.value));
        pt_compile_push(&c->keys, &name, sizeof(name));
    }
    if (c->keys.has_failed || c->texts.has_failed) {
        return pt_compile_too_big(c);
    }
    return pt_compile_emit(c, node,
                           (struct pt_insn){PT_OP_DEPENDENT_REQUIRED, PT_TYPE_OBJECT,
                                            (uint16_t)keyword, first, first + 1,
                                            COUNT(c->keys, struct pt_name) - first - 1});
}

static enum pt_code add_dependent_schema(struct compiler *c, const struct source *source,
                                         enum pt_keyword keyword, struct pt_span key,
                                         struct pt_json schema, struct pt_node *node)
{
    struct pt_name own = pt_compile_name(c, key);
    uint32_t first = COUNT(c->keys, struct pt_name);

    if (!pt_compile_is_schema(schema)) {
        return FAIL(source, pt_compile_keyword(keyword), "\"%.64s\" is not a schema",
                    (const char *)key.data);
    }
    if (c->texts.has_failed || !pt_compile_push(&c->keys, &own, sizeof(own))) {
        return pt_compile_too_big(c);
    }
    return pt_compile_emit(c, node,
                           (struct pt_insn){PT_OP_DEPENDENT_SCHEMA, PT_TYPE_OBJECT,
                                            (uint16_t)keyword, first,
                                            pt_compile_node_at(c, source, schema), 0});
}

enum pt_code pt_compile_dependent(struct compiler *c, const struct source *source,
                                  struct pt_node *node)
{
    static const enum pt_keyword keywords[] = {PT_KW_DEPENDENT_REQUIRED, PT_KW_DEPENDENT_SCHEMAS,
                                               PT_KW_DEPENDENCIES};
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < 3 && !code; i++) {
        struct pt_json value = source->values[keywords[i]];
        struct pt_json_iter it;

        if (!pt_json_exists(value)) {
            continue;
        }
        if (pt_json_type(value) != PT_JSON_OBJECT) {
            return FAIL(source, pt_compile_keyword(keywords[i]), "it must be an object");
        }
        for (it = pt_json_iterate(value); !code && pt_json_next(&it);) {
            bool is_names =
                keywords[i] == PT_KW_DEPENDENT_REQUIRED ||
                (keywords[i] == PT_KW_DEPENDENCIES && pt_json_type(it.value) == PT_JSON_ARRAY);

            code = is_names ? add_dependent_required(c, source, keywords[i], it.key, it.value, node)
                            : add_dependent_schema(c, source, keywords[i], it.key, it.value, node);
        }
    }
    return code;
}
