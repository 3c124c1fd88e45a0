/*
 * compile.c - JSON Schema documents become a program
 *
 * A list of work: the root's location first, then whatever a keyword of a compiled node leads to, until
 * none is left; so a node's instructions stand together, $ref costs an index, and recursion in schemas costs
 * nothing. Every schema of the root document is compiled, referred to or not, so that a mistake in
 * an unused definition is found as well. At the end a search over the edges that consume no part
 * of the value ($ref, allOf, …) refuses circles, which would run for ever.
 */
#include "schema/documents.h"

#include <stdio.h>

#include "base/json_walk.h"
#include "schema/program.h"

#define ARENA_BYTES_MAX (256u << 20)
#define LIST_BYTES_MAX (32u << 20)

struct compiler {
    struct pt_documents docs;
    bool assert_formats;
    struct pt_error *err;
    struct pt_buf nodes;
    struct pt_buf insns;
    struct pt_buf texts;
    struct pt_buf properties;
    struct pt_buf patterns;
    struct pt_buf objects;
    struct pt_buf arrays;
    struct pt_buf enums;
    struct pt_buf ranges;
    struct pt_buf numbers;
    struct pt_buf keys;
    struct pt_buf lists;
    struct pt_buf slots;
    struct pt_buf regexes; /* struct pt_regex *; owned until they move to the schema */
    struct pt_buf tape;
    struct pt_buf strings;
    struct pt_buf work;    /* u32: locations, by node - 1 */
    struct pt_buf dynamic_names; /* struct pt_span: anchors that a $dynamicRef asks for */
};

/* One schema object on its way: its keywords' values, absent where it has none or the dialect no use. */
struct source {
    uint32_t location;
    struct pt_json schema;
    struct pt_json values[PT_KW_COUNT];
    const struct pt_resource *resource;
};

#define AT(list, type, index) ((type *)(void *)(list).data + (index))
#define COUNT(list, type) ((uint32_t)((list).size / sizeof(type)))

static enum pt_code too_big(struct compiler *c)
{
    return pt_fail(c->err, PT_TOO_BIG,
                   "the schema and what it refers to are over the limits of a compiled schema, or "
                   "there is no memory");
}

static bool push(struct pt_buf *list, const void *entry, size_t bytes)
{
    pt_buf_append(list, entry, bytes);
    return !list->has_failed;
}

static uint32_t push_text(struct compiler *c, const void *data, size_t bytes)
{
    uint32_t at = (uint32_t)c->texts.size;

    pt_buf_append(&c->texts, data, bytes);
    pt_buf_append_byte(&c->texts, 0);
    return at;
}

static struct pt_name push_name(struct compiler *c, struct pt_span text)
{
    struct pt_name name = {(uint32_t)c->texts.size, (uint32_t)text.size};

    push_text(c, text.data, text.size);
    return name;
}

#define FAIL(source, keyword, ...)                                                                 \
    pt_location_fail(&c->docs, (source)->location, keyword, c->err, PT_INVALID, __VA_ARGS__)

static const char *kw(enum pt_keyword keyword)
{
    return pt_keywords[keyword].name;
}

/* ---- nodes ---- */

/* The node of the schema at `location`, queued where it is a new one; NONE where there are too many. */
static uint32_t node_of_location(struct compiler *c, uint32_t location)
{
    struct pt_location *place = pt_location(&c->docs, location);
    struct pt_json schema = pt_location_value(&c->docs, location);
    struct pt_node node = {0};
    uint32_t index = 0;

    if (place->node != PT_NODE_NONE) {
        return place->node;
    }
    if (pt_json_type(schema) == PT_JSON_BOOL && pt_json_bool(schema)) {
        place->node = PT_NODE_TRUE;
        return PT_NODE_TRUE;
    }
    index = COUNT(c->nodes, struct pt_node);
    if (index >= PT_SCHEMA_NODES_MAX || !push(&c->nodes, &node, sizeof(node)) ||
        !push(&c->work, &location, sizeof(location))) {
        c->nodes.has_failed = true;
        return PT_NODE_NONE;
    }
    place->node = index;
    return index;
}

/* The node of a schema that stands directly in a keyword of `source`. */
static uint32_t node_at(struct compiler *c, const struct source *source, struct pt_json value)
{
    uint32_t location = pt_documents_location(&c->docs, source->location, value.at);

    pt_assert(location != PT_LOCATION_NONE);
    return node_of_location(c, location);
}

static bool is_schema(struct pt_json value)
{
    return pt_json_type(value) == PT_JSON_BOOL || pt_json_type(value) == PT_JSON_OBJECT;
}

static bool has(const struct source *source, enum pt_keyword keyword)
{
    return pt_json_exists(source->values[keyword]);
}

static enum pt_code emit(struct compiler *c, struct pt_node *node, struct pt_insn insn)
{
    if (!push(&c->insns, &insn, sizeof(insn)) || node->insn_count == UINT16_MAX) {
        return too_big(c);
    }
    node->insn_count++;
    return PT_OK;
}

/* ---- values ---- */

/* Copies the value at `at` to the program's own tape; its index there. */
static uint32_t push_constant(struct compiler *c, struct pt_json value)
{
    uint32_t at = value.at;
    uint32_t end = pt_walk_skip(value.tape, at);
    uint32_t first = (uint32_t)(c->tape.size / sizeof(uint64_t));
    uint32_t shift = first - at; /* modulo 2^32: an index on the old tape becomes one on the new */

    while (at < end) {
        uint64_t word = value.tape[at];
        char kind = pt_walk_kind(value.tape, at);

        if (kind == '"') {
            struct pt_span text = pt_walk_string(value.tape, value.strings, at);
            uint32_t size = (uint32_t)text.size;

            word = (uint64_t)'"' << 56 | c->strings.size;
            pt_buf_append(&c->strings, &size, sizeof(size));
            pt_buf_append(&c->strings, text.data, text.size);
            pt_buf_append_byte(&c->strings, 0);
        } else if (kind == '{' || kind == '[' || kind == '}' || kind == ']') {
            word = (word & ~UINT64_C(0xffffffff)) | (uint32_t)((uint32_t)word + shift);
        }
        pt_buf_append(&c->tape, &word, sizeof(word));
        at++;
        if (kind == 'l' || kind == 'u' || kind == 'd') {
            pt_buf_append(&c->tape, &value.tape[at], sizeof(word));
            at++;
        }
    }
    return first;
}

/* A hash table over `count` names, in `slots`: indexes, NONE where empty. At most a quarter full. */
static bool push_slots(struct compiler *c, const struct pt_name *names, size_t stride,
                       uint32_t count, uint32_t *first_out, uint32_t *mask_out)
{
    uint32_t size = 2;
    uint32_t first = COUNT(c->slots, uint32_t);
    uint32_t *table = NULL;

    while (size < 4 * count) {
        size *= 2;
    }
    if (!pt_buf_reserve(&c->slots, size * sizeof(uint32_t))) {
        return false;
    }
    table = AT(c->slots, uint32_t, first);
    memset(table, 0xff, size * sizeof(uint32_t));
    c->slots.size += size * sizeof(uint32_t);
    for (uint32_t i = 0; i < count; i++) {
        const struct pt_name *name =
            (const struct pt_name *)(const void *)((const char *)names + i * stride);
        uint32_t slot = pt_key_hash(c->texts.data + name->at, name->bytes) & (size - 1);

        while (table[slot] != UINT32_MAX) {
            slot = (slot + 1) & (size - 1);
        }
        table[slot] = i;
    }
    *first_out = first;
    *mask_out = size - 1;
    return true;
}

static enum pt_code take_count(struct compiler *c, const struct source *source,
                               enum pt_keyword keyword, uint32_t *out)
{
    struct pt_json value = source->values[keyword];
    struct pt_number number;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_is_number(value)) {
        number = pt_number_at(value.tape, value.at);
        if (pt_number_to_count(number, UINT32_MAX - 1, out)) {
            return PT_OK;
        }
        if (pt_number_is_integer(number) &&
            pt_number_compare(number, (struct pt_number){'l', {0}}) > 0) {
            *out = UINT32_MAX; /* more than any value here can have */
            return PT_OK;
        }
    }
    return FAIL(source, kw(keyword), "it must be a whole number from 0 on");
}

/* ---- keywords ---- */

static unsigned type_bit(struct pt_span name)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {
        {"null", PT_TYPE_NULL},     {"boolean", PT_TYPE_BOOL},    {"integer", PT_TYPE_INTEGER},
        {"number", PT_TYPE_NUMBER}, {"string", PT_TYPE_STRING},   {"array", PT_TYPE_ARRAY},
        {"object", PT_TYPE_OBJECT},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (pt_span_is(name, types[i].name)) {
            return types[i].bits;
        }
    }
    return 0;
}

static enum pt_code compile_type(struct compiler *c, const struct source *source,
                                 struct pt_node *node)
{
    struct pt_json value = source->values[PT_KW_TYPE];
    unsigned types = 0;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_type(value) == PT_JSON_STRING) {
        types = type_bit(pt_json_string(value));
    } else if (pt_json_type(value) == PT_JSON_ARRAY) {
        struct pt_json_iter it = pt_json_iterate(value);

        while (pt_json_next(&it)) {
            unsigned bit = pt_json_type(it.value) == PT_JSON_STRING
                               ? type_bit(pt_json_string(it.value))
                               : 0;

            if (bit == 0) {
                types = 0;
                break;
            }
            types |= bit;
        }
    }
    if (types == 0) {
        return FAIL(source, "type",
                    "it must be null, boolean, integer, number, string, array or object, or a list "
                    "of these");
    }
    node->types = (uint8_t)types;
    return PT_OK;
}

static enum pt_code compile_const_enum(struct compiler *c, const struct source *source,
                                       struct pt_node *node)
{
    struct pt_json value = source->values[PT_KW_ENUM];
    struct pt_enum_rule rule = {.string_first = COUNT(c->keys, struct pt_name)};
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (has(source, PT_KW_CONST)) {
        uint32_t constant = push_constant(c, source->values[PT_KW_CONST]);

        code = emit(c, node, (struct pt_insn){PT_OP_CONST, PT_TYPE_ANY, 0, constant, 0, 0});
    }
    if (code || !pt_json_exists(value)) {
        return code;
    }
    if (pt_json_type(value) != PT_JSON_ARRAY) {
        return FAIL(source, "enum", "it must be an array");
    }
    for (it = pt_json_iterate(value); pt_json_next(&it);) {
        if (pt_json_type(it.value) == PT_JSON_STRING) {
            struct pt_name name = push_name(c, pt_json_string(it.value));

            push(&c->keys, &name, sizeof(name));
            rule.string_count++;
        }
    }
    rule.other_first = COUNT(c->lists, uint32_t);
    for (it = pt_json_iterate(value); pt_json_next(&it);) {
        if (pt_json_type(it.value) != PT_JSON_STRING) {
            uint32_t constant = push_constant(c, it.value);

            push(&c->lists, &constant, sizeof(constant));
            rule.other_count++;
        }
    }
    if (c->keys.has_failed || c->lists.has_failed || c->texts.has_failed ||
        !push_slots(c, AT(c->keys, struct pt_name, rule.string_first), sizeof(struct pt_name),
                    rule.string_count, &rule.slot_first, &rule.slot_mask) ||
        !push(&c->enums, &rule, sizeof(rule))) {
        return too_big(c);
    }
    return emit(c, node,
                (struct pt_insn){PT_OP_ENUM, PT_TYPE_ANY, 0,
                                 COUNT(c->enums, struct pt_enum_rule) - 1, 0, 0});
}

static enum pt_code take_limit(struct compiler *c, const struct source *source,
                               enum pt_keyword keyword, struct pt_number *out, bool *has_out)
{
    struct pt_json value = source->values[keyword];

    *has_out = pt_json_exists(value);
    if (!*has_out) {
        return PT_OK;
    }
    if (!pt_json_is_number(value)) {
        return FAIL(source, kw(keyword), "it must be a number");
    }
    *out = pt_number_at(value.tape, value.at);
    return PT_OK;
}

static enum pt_code compile_number(struct compiler *c, const struct source *source,
                                   struct pt_node *node)
{
    struct pt_range_rule rule = {.has_min = false};
    struct pt_range_rule strict = {.has_min = false};
    struct pt_number multiple = {'l', {0}};
    bool has_multiple = false;
    enum pt_code code = take_limit(c, source, PT_KW_MINIMUM, &rule.min, &rule.has_min);

    if (!code) {
        code = take_limit(c, source, PT_KW_MAXIMUM, &rule.max, &rule.has_max);
    }
    if (!code) {
        code = take_limit(c, source, PT_KW_EXCLUSIVE_MINIMUM, &strict.min, &strict.has_min);
    }
    if (!code) {
        code = take_limit(c, source, PT_KW_EXCLUSIVE_MAXIMUM, &strict.max, &strict.has_max);
    }
    if (!code) {
        code = take_limit(c, source, PT_KW_MULTIPLE_OF, &multiple, &has_multiple);
    }
    if (!code && has_multiple &&
        pt_number_compare(multiple, (struct pt_number){'l', {0}}) <= 0) {
        code = FAIL(source, "multipleOf", "it must be over 0");
    }
    if (!code && (rule.has_min || rule.has_max)) {
        if (!push(&c->ranges, &rule, sizeof(rule))) {
            return too_big(c);
        }
        code = emit(c, node,
                    (struct pt_insn){PT_OP_NUMBER_RANGE, PT_TYPE_NUMBER, 0,
                                     COUNT(c->ranges, struct pt_range_rule) - 1, 0, 0});
    }
    if (!code && (strict.has_min || strict.has_max)) {
        strict.is_min_exclusive = true;
        strict.is_max_exclusive = true;
        if (!push(&c->ranges, &strict, sizeof(strict))) {
            return too_big(c);
        }
        code = emit(c, node,
                    (struct pt_insn){PT_OP_NUMBER_RANGE, PT_TYPE_NUMBER, 0,
                                     COUNT(c->ranges, struct pt_range_rule) - 1, 0, 0});
    }
    if (!code && has_multiple) {
        if (!push(&c->numbers, &multiple, sizeof(multiple))) {
            return too_big(c);
        }
        code = emit(c, node,
                    (struct pt_insn){PT_OP_MULTIPLE_OF, PT_TYPE_NUMBER, 0,
                                     COUNT(c->numbers, struct pt_number) - 1, 0, 0});
    }
    return code;
}

static enum pt_code push_regex(struct compiler *c, const struct source *source, const char *keyword,
                               struct pt_span pattern, uint32_t *index_out)
{
    struct pt_regex *regex = NULL;
    struct pt_error why = {0};
    enum pt_code code = pt_regex_compile(&regex, pattern, &why);

    if (code) {
        return pt_location_fail(&c->docs, source->location, keyword, c->err, code,
                                "not an ECMA-262 pattern that is supported: %.160s", why.text);
    }
    if (!push(&c->regexes, &regex, sizeof(regex))) {
        pt_regex_destroy(regex);
        return too_big(c);
    }
    *index_out = COUNT(c->regexes, struct pt_regex *) - 1;
    return PT_OK;
}

static enum pt_code compile_string(struct compiler *c, const struct source *source,
                                   struct pt_node *node)
{
    uint32_t min = 0;
    uint32_t max = UINT32_MAX;
    uint32_t regex = 0;
    enum pt_code code = take_count(c, source, PT_KW_MIN_LENGTH, &min);

    if (!code) {
        code = take_count(c, source, PT_KW_MAX_LENGTH, &max);
    }
    if (!code && (min > 0 || max < UINT32_MAX)) {
        code = emit(c, node, (struct pt_insn){PT_OP_LENGTH, PT_TYPE_STRING, 0, 0, min, max});
    }
    if (!code && has(source, PT_KW_FORMAT)) {
        struct pt_json value = source->values[PT_KW_FORMAT];
        enum pt_format format = PT_FORMAT_COUNT;

        if (pt_json_type(value) != PT_JSON_STRING) {
            return FAIL(source, "format", "it must be a string");
        }
        format = pt_format_parse(pt_json_string(value));
        if (format != PT_FORMAT_COUNT &&
            (c->assert_formats ||
             source->resource->dialect.vocabularies & PT_VOCABULARY_FORMAT_ASSERTION)) {
            code = emit(c, node,
                        (struct pt_insn){PT_OP_FORMAT, PT_TYPE_STRING, 0, format, 0, 0});
        }
    }
    if (!code && has(source, PT_KW_PATTERN)) {
        struct pt_json value = source->values[PT_KW_PATTERN];

        if (pt_json_type(value) != PT_JSON_STRING) {
            return FAIL(source, "pattern", "it must be a string");
        }
        code = push_regex(c, source, "pattern", pt_json_string(value), &regex);
        if (!code) {
            code = emit(c, node, (struct pt_insn){PT_OP_PATTERN, PT_TYPE_STRING, 0, regex, 0, 0});
        }
    }
    return code;
}

/* ---- objects ---- */

static struct pt_property *find_property(struct compiler *c, const struct pt_object_rule *rule,
                                         struct pt_span key)
{
    for (uint32_t i = 0; i < rule->property_count; i++) {
        struct pt_property *property = AT(c->properties, struct pt_property, rule->property_first + i);

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
    struct pt_property property = {push_name(c, key), node, required};

    if (c->texts.has_failed || !push(&c->properties, &property, sizeof(property))) {
        return too_big(c);
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
        if (!is_schema(it.value)) {
            return FAIL(source, "properties", "\"%.64s\" is not a schema",
                        (const char *)it.key.data);
        }
        code = add_property(c, rule, it.key, node_at(c, source, it.value), UINT32_MAX);
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

        if (!is_schema(it.value)) {
            return FAIL(source, "patternProperties", "a member is not a schema");
        }
        code = push_regex(c, source, "patternProperties", it.key, &pattern.regex);
        pattern.node = node_at(c, source, it.value);
        if (!code && !push(&c->patterns, &pattern, sizeof(pattern))) {
            code = too_big(c);
        }
        rule->pattern_count++;
    }
    return code;
}

static enum pt_code take_schema(struct compiler *c, const struct source *source,
                                enum pt_keyword keyword, uint32_t *node_out)
{
    struct pt_json value = source->values[keyword];

    *node_out = PT_NODE_NONE;
    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (!is_schema(value)) {
        return FAIL(source, kw(keyword), "it must be a schema: an object or a boolean");
    }
    *node_out = node_at(c, source, value);
    return PT_OK;
}

static bool is_false(struct pt_json value)
{
    return pt_json_exists(value) && pt_json_type(value) == PT_JSON_BOOL && !pt_json_bool(value);
}

static enum pt_code compile_object(struct compiler *c, const struct source *source,
                                   struct pt_node *node)
{
    static const enum pt_keyword keywords[] = {
        PT_KW_PROPERTIES,     PT_KW_REQUIRED,       PT_KW_PATTERN_PROPERTIES,
        PT_KW_PROPERTY_NAMES, PT_KW_MIN_PROPERTIES, PT_KW_MAX_PROPERTIES,
        PT_KW_ADDITIONAL_PROPERTIES,
    };
    struct pt_object_rule rule = {
        .property_first = COUNT(c->properties, struct pt_property),
        .members_max = UINT32_MAX,
        .is_closed = is_false(source->values[PT_KW_ADDITIONAL_PROPERTIES]),
    };
    bool is_there = false;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        is_there = is_there || has(source, keywords[i]);
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
        code = take_schema(c, source, PT_KW_ADDITIONAL_PROPERTIES, &rule.additional);
    }
    if (!code) {
        code = take_schema(c, source, PT_KW_PROPERTY_NAMES, &rule.names);
    }
    if (!code) {
        code = take_count(c, source, PT_KW_MIN_PROPERTIES, &rule.members_min);
    }
    if (!code) {
        code = take_count(c, source, PT_KW_MAX_PROPERTIES, &rule.members_max);
    }
    if (code) {
        return code;
    }
    if (!push_slots(c, &AT(c->properties, struct pt_property, rule.property_first)->key,
                    sizeof(struct pt_property), rule.property_count, &rule.slot_first,
                    &rule.slot_mask) ||
        !push(&c->objects, &rule, sizeof(rule))) {
        return too_big(c);
    }
    return emit(c, node,
                (struct pt_insn){PT_OP_OBJECT, PT_TYPE_OBJECT, 0,
                                 COUNT(c->objects, struct pt_object_rule) - 1, 0, 0});
}

/* One entry of dependentRequired, or of dependencies where it is an array. */
static enum pt_code add_dependent_required(struct compiler *c, const struct source *source,
                                           enum pt_keyword keyword, struct pt_span key,
                                           struct pt_json names, struct pt_node *node)
{
    struct pt_name own = push_name(c, key);
    uint32_t first = COUNT(c->keys, struct pt_name);
    struct pt_json_iter it;

    if (pt_json_type(names) != PT_JSON_ARRAY) {
        return FAIL(source, kw(keyword), "each member must be an array of names");
    }
    push(&c->keys, &own, sizeof(own));
    for (it = pt_json_iterate(names); pt_json_next(&it);) {
        struct pt_name name;

        if (pt_json_type(it.value) != PT_JSON_STRING) {
            return FAIL(source, kw(keyword), "each member must be an array of names");
        }
        name = push_name(c, pt_json_string(it.value));
        push(&c->keys, &name, sizeof(name));
    }
    if (c->keys.has_failed || c->texts.has_failed) {
        return too_big(c);
    }
    return emit(c, node,
                (struct pt_insn){PT_OP_DEPENDENT_REQUIRED, PT_TYPE_OBJECT, (uint16_t)keyword, first,
                                 first + 1, COUNT(c->keys, struct pt_name) - first - 1});
}

static enum pt_code add_dependent_schema(struct compiler *c, const struct source *source,
                                         enum pt_keyword keyword, struct pt_span key,
                                         struct pt_json schema, struct pt_node *node)
{
    struct pt_name own = push_name(c, key);
    uint32_t first = COUNT(c->keys, struct pt_name);

    if (!is_schema(schema)) {
        return FAIL(source, kw(keyword), "\"%.64s\" is not a schema", (const char *)key.data);
    }
    if (c->texts.has_failed || !push(&c->keys, &own, sizeof(own))) {
        return too_big(c);
    }
    return emit(c, node,
                (struct pt_insn){PT_OP_DEPENDENT_SCHEMA, PT_TYPE_OBJECT, (uint16_t)keyword, first,
                                 node_at(c, source, schema), 0});
}

static enum pt_code compile_dependent(struct compiler *c, const struct source *source,
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
            return FAIL(source, kw(keywords[i]), "it must be an object");
        }
        for (it = pt_json_iterate(value); !code && pt_json_next(&it);) {
            bool is_names = keywords[i] == PT_KW_DEPENDENT_REQUIRED ||
                            (keywords[i] == PT_KW_DEPENDENCIES &&
                             pt_json_type(it.value) == PT_JSON_ARRAY);

            code = is_names ? add_dependent_required(c, source, keywords[i], it.key, it.value, node)
                            : add_dependent_schema(c, source, keywords[i], it.key, it.value, node);
        }
    }
    return code;
}

/* ---- arrays ---- */

/* The nodes of an array of schemas, in `lists`. */
static enum pt_code take_list(struct compiler *c, const struct source *source,
                              enum pt_keyword keyword, uint32_t *first_out, uint32_t *count_out)
{
    struct pt_json value = source->values[keyword];
    struct pt_json_iter it;

    *first_out = COUNT(c->lists, uint32_t);
    *count_out = 0;
    if (pt_json_type(value) != PT_JSON_ARRAY) {
        return FAIL(source, kw(keyword), "it must be an array of schemas");
    }
    for (it = pt_json_iterate(value); pt_json_next(&it);) {
        uint32_t node = 0;

        if (!is_schema(it.value)) {
            return FAIL(source, kw(keyword), "element %u is not a schema", *count_out);
        }
        node = node_at(c, source, it.value);
        if (!push(&c->lists, &node, sizeof(node))) {
            return too_big(c);
        }
        ++*count_out;
    }
    return PT_OK;
}

static enum pt_code take_items(struct compiler *c, const struct source *source,
                               struct pt_array_rule *rule)
{
    enum pt_keyword rest = PT_KW_ITEMS;
    enum pt_code code = PT_OK;
    bool is_2020 = source->resource->dialect.draft == PT_DRAFT_2020_12;

    if (has(source, PT_KW_PREFIX_ITEMS)) {
        rule->has_prefix = true;
        code = take_list(c, source, PT_KW_PREFIX_ITEMS, &rule->prefix_first, &rule->prefix_count);
    } else if (has(source, PT_KW_ITEMS) && !is_2020 &&
               pt_json_type(source->values[PT_KW_ITEMS]) == PT_JSON_ARRAY) {
        rule->has_prefix = true;
        rest = PT_KW_ADDITIONAL_ITEMS;
        code = take_list(c, source, PT_KW_ITEMS, &rule->prefix_first, &rule->prefix_count);
    }
    if (code) {
        return code;
    }
    rule->is_closed = is_false(source->values[rest]);
    return take_schema(c, source, rest, &rule->rest);
}

static enum pt_code compile_contains(struct compiler *c, const struct source *source,
                                     struct pt_node *node)
{
    uint32_t min = 1;
    uint32_t max = UINT32_MAX;
    uint32_t contains = PT_NODE_NONE;
    enum pt_code code = take_schema(c, source, PT_KW_CONTAINS, &contains);

    if (!code) {
        code = take_count(c, source, PT_KW_MIN_CONTAINS, &min);
    }
    if (!code) {
        code = take_count(c, source, PT_KW_MAX_CONTAINS, &max);
    }
    if (code || contains == PT_NODE_NONE) {
        return code;
    }
    return emit(c, node, (struct pt_insn){PT_OP_CONTAINS, PT_TYPE_ARRAY, 0, contains, min, max});
}

static enum pt_code compile_array(struct compiler *c, const struct source *source,
                                  struct pt_node *node)
{
    struct pt_array_rule rule = {.rest = PT_NODE_NONE, .elements_max = UINT32_MAX};
    struct pt_json unique = source->values[PT_KW_UNIQUE_ITEMS];
    enum pt_code code = take_items(c, source, &rule);

    if (!code) {
        code = take_count(c, source, PT_KW_MIN_ITEMS, &rule.elements_min);
    }
    if (!code) {
        code = take_count(c, source, PT_KW_MAX_ITEMS, &rule.elements_max);
    }
    if (!code && (rule.has_prefix || rule.rest != PT_NODE_NONE || rule.elements_min > 0 ||
                  rule.elements_max < UINT32_MAX)) {
        if (!push(&c->arrays, &rule, sizeof(rule))) {
            return too_big(c);
        }
        code = emit(c, node,
                    (struct pt_insn){PT_OP_ARRAY, PT_TYPE_ARRAY, 0,
                                     COUNT(c->arrays, struct pt_array_rule) - 1, 0, 0});
    }
    if (!code && pt_json_exists(unique)) {
        if (pt_json_type(unique) != PT_JSON_BOOL) {
            return FAIL(source, "uniqueItems", "it must be true or false");
        }
        if (pt_json_bool(unique)) {
            code = emit(c, node, (struct pt_insn){PT_OP_UNIQUE_ITEMS, PT_TYPE_ARRAY, 0, 0, 0, 0});
        }
    }
    return code ? code : compile_contains(c, source, node);
}

/* ---- references and combinations ---- */

static enum pt_code compile_reference(struct compiler *c, const struct source *source,
                                      enum pt_keyword keyword, struct pt_node *node)
{
    struct pt_json value = source->values[keyword];
    struct pt_insn insn = {PT_OP_REF, PT_TYPE_ANY, 0, 0, 0, 0};
    struct pt_error why = {0};
    struct pt_span anchor;
    uint32_t location = 0;
    enum pt_code code = PT_OK;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_type(value) != PT_JSON_STRING) {
        return FAIL(source, kw(keyword), "it must be a string");
    }
    code = pt_documents_follow(&c->docs, source->location, pt_json_string(value), &location,
                               &anchor, &why);
    if (code) {
        code = code == PT_NOT_FOUND ? PT_INVALID : code;
        return pt_location_fail(&c->docs, source->location, kw(keyword), c->err, code,
                                "\"%.80s\" leads nowhere: %.160s",
                                (const char *)pt_json_string(value).data, why.text);
    }
    insn.a = node_of_location(c, location);
    if (keyword == PT_KW_DYNAMIC_REF && anchor.size > 0) {
        uint32_t count = COUNT(c->dynamic_names, struct pt_span);

        insn.op = PT_OP_DYNAMIC_REF;
        for (insn.b = 0; insn.b < count; insn.b++) {
            if (pt_span_equal(*AT(c->dynamic_names, struct pt_span, insn.b), anchor)) {
                break;
            }
        }
        if (insn.b == count && !push(&c->dynamic_names, &anchor, sizeof(anchor))) {
            return too_big(c);
        }
    }
    return emit(c, node, insn);
}

static enum pt_code compile_combinations(struct compiler *c, const struct source *source,
                                         struct pt_node *node)
{
    static const struct {
        enum pt_keyword keyword;
        enum pt_op op;
    } lists[] = {
        {PT_KW_ALL_OF, PT_OP_ALL_OF},
        {PT_KW_ANY_OF, PT_OP_ANY_OF},
        {PT_KW_ONE_OF, PT_OP_ONE_OF},
    };
    struct pt_insn insn = {PT_OP_NOT, PT_TYPE_ANY, 0, 0, 0, 0};
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < 3 && !code; i++) {
        uint32_t first = 0;
        uint32_t count = 0;

        if (!has(source, lists[i].keyword)) {
            continue;
        }
        code = take_list(c, source, lists[i].keyword, &first, &count);
        if (!code && count == 0) {
            return FAIL(source, kw(lists[i].keyword), "it must hold a schema");
        }
        if (!code) {
            code = emit(c, node,
                        (struct pt_insn){(uint8_t)lists[i].op, PT_TYPE_ANY, 0, 0, first, count});
        }
    }
    if (!code && has(source, PT_KW_NOT)) {
        code = take_schema(c, source, PT_KW_NOT, &insn.a);
        code = code ? code : emit(c, node, insn);
    }
    insn.op = PT_OP_IF;
    if (!code && has(source, PT_KW_IF)) {
        code = take_schema(c, source, PT_KW_IF, &insn.a);
        code = code ? code : take_schema(c, source, PT_KW_THEN, &insn.b);
        code = code ? code : take_schema(c, source, PT_KW_ELSE, &insn.c);
        code = code ? code : emit(c, node, insn);
    }
    return code;
}

static enum pt_code compile_unevaluated(struct compiler *c, const struct source *source,
                                        struct pt_node *node)
{
    static const struct {
        enum pt_keyword keyword;
        enum pt_op op;
        enum pt_type_bit type;
    } kinds[] = {
        {PT_KW_UNEVALUATED_ITEMS, PT_OP_UNEVALUATED_ITEMS, PT_TYPE_ARRAY},
        {PT_KW_UNEVALUATED_PROPERTIES, PT_OP_UNEVALUATED_PROPERTIES, PT_TYPE_OBJECT},
    };
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < 2 && !code; i++) {
        uint32_t rest = 0;

        code = take_schema(c, source, kinds[i].keyword, &rest);
        if (code || rest == PT_NODE_NONE) {
            continue;
        }
        node->flags |= (uint8_t)kinds[i].type;
        code = emit(c, node,
                    (struct pt_insn){(uint8_t)kinds[i].op, (uint8_t)kinds[i].type,
                                     is_false(source->values[kinds[i].keyword]), rest, 0, 0});
    }
    return code;
}

/* ---- a schema ---- */

static void read_keywords(struct compiler *c, struct source *source)
{
    const struct pt_dialect *dialect = &source->resource->dialect;
    struct pt_json_iter it = pt_json_iterate(source->schema);
    struct pt_json ref = {0};

    memset(source->values, 0, sizeof(source->values));
    while (pt_json_next(&it)) {
        enum pt_keyword keyword = pt_keyword_find(it.key, dialect->draft);

        if (keyword != PT_KW_COUNT &&
            (pt_keywords[keyword].vocabulary & dialect->vocabularies ||
             (keyword == PT_KW_FORMAT && c->assert_formats))) {
            source->values[keyword] = it.value;
        }
    }
    ref = source->values[PT_KW_REF];
    if (dialect->draft == PT_DRAFT_7 && pt_json_exists(ref)) {
        memset(source->values, 0, sizeof(source->values));
        source->values[PT_KW_REF] = ref;
    }
}

static enum pt_code compile_keywords(struct compiler *c, const struct source *source,
                                     struct pt_node *node)
{
    static enum pt_code (*const steps[])(struct compiler *, const struct source *,
                                         struct pt_node *) = {
        compile_type,  compile_const_enum, compile_number,       compile_string,
        compile_object, compile_array,     compile_dependent,
    };
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !code; i++) {
        code = steps[i](c, source, node);
    }
    if (!code && has(source, PT_KW_RECURSIVE_REF)) {
        code = FAIL(source, "$recursiveRef", "2019-09 is read without it; use 2020-12");
    }
    code = code ? code : compile_reference(c, source, PT_KW_REF, node);
    code = code ? code : compile_reference(c, source, PT_KW_DYNAMIC_REF, node);
    code = code ? code : compile_combinations(c, source, node);
    /* Last: they ask what all others have looked at. */
    return code ? code : compile_unevaluated(c, source, node);
}

static bool is_leaf(const struct compiler *c, const struct pt_node *node)
{
    for (uint32_t i = 0; i < node->insn_count; i++) {
        enum pt_op op = (enum pt_op)AT(c->insns, struct pt_insn, node->insn_first + i)->op;

        if (op != PT_OP_ENUM && op != PT_OP_NUMBER_RANGE && op != PT_OP_LENGTH &&
            op != PT_OP_PATTERN && op != PT_OP_FORMAT) {
            return false;
        }
    }
    return true;
}

static enum pt_code compile_node(struct compiler *c, uint32_t location)
{
    struct source source = {.location = location};
    struct pt_location place = *pt_location(&c->docs, location);
    const char *uri = c->docs.documents[place.document].uri;
    struct pt_node node = {
        .insn_first = COUNT(c->insns, struct pt_insn),
        .types = PT_TYPE_ANY,
        .resource = place.resource,
        .location = (uint32_t)c->texts.size,
    };
    struct pt_resource resource = *pt_resource(&c->docs, place.resource);
    enum pt_code code = PT_OK;

    if (uri[0]) {
        pt_buf_appendf(&c->texts, "%s#", uri);
    }
    push_text(c, place.pointer, strlen(place.pointer));
    source.schema = pt_location_value(&c->docs, location);
    source.resource = &resource;
    if (pt_json_type(source.schema) == PT_JSON_OBJECT) {
        read_keywords(c, &source);
        code = compile_keywords(c, &source, &node);
    } else if (pt_json_type(source.schema) == PT_JSON_BOOL) {
        code = emit(c, &node, (struct pt_insn){PT_OP_FALSE, PT_TYPE_ANY, 0, 0, 0, 0});
    } else {
        code = FAIL(&source, NULL, "a schema is an object or a boolean, not %s",
                    pt_json_type_name(pt_json_type(source.schema)));
    }
    if (!code && c->texts.has_failed) {
        code = too_big(c);
    }
    if (!code) {
        node.flags |= is_leaf(c, &node) ? PT_NODE_LEAF : 0;
        *AT(c->nodes, struct pt_node, place.node) = node;
    }
    return code;
}

/* Every schema with a $dynamicAnchor that some $dynamicRef asks for may be jumped to. */
static void queue_dynamic_anchors(struct compiler *c)
{
    uint32_t names = COUNT(c->dynamic_names, struct pt_span);
    uint32_t count = COUNT(c->docs.anchors, struct pt_anchor);

    for (uint32_t i = 0; i < count && names > 0; i++) {
        struct pt_anchor anchor = *AT(c->docs.anchors, struct pt_anchor, i);

        if (anchor.is_dynamic) {
            node_of_location(c, anchor.location);
        }
    }
}

static enum pt_code compile_all(struct compiler *c, uint32_t root)
{
    uint32_t done = 0;
    uint32_t locations = pt_documents_location_count(&c->docs);
    enum pt_code code = PT_OK;

    node_of_location(c, root);
    for (uint32_t i = 0; i < locations; i++) {
        if (pt_location(&c->docs, i)->document == pt_location(&c->docs, root)->document) {
            node_of_location(c, i);
        }
    }
    while (!code && done < COUNT(c->work, uint32_t)) {
        code = compile_node(c, *AT(c->work, uint32_t, done));
        done++;
        if (!code && done == COUNT(c->work, uint32_t)) {
            queue_dynamic_anchors(c);
        }
        if (!code && (c->nodes.has_failed || c->tape.has_failed || c->strings.has_failed)) {
            code = too_big(c);
        }
    }
    return code;
}

/* ---- circles ---- */

/* The nodes that look at the same value as this instruction does: `index`, or NONE behind the last. */
static uint32_t next_in_place(const struct compiler *c, const struct pt_insn *insn, uint32_t index)
{
    switch ((enum pt_op)insn->op) {
    case PT_OP_REF:
    case PT_OP_DYNAMIC_REF:
    case PT_OP_NOT:
        return index == 0 ? insn->a : PT_NODE_NONE;
    case PT_OP_DEPENDENT_SCHEMA:
        return index == 0 ? insn->b : PT_NODE_NONE;
    case PT_OP_ALL_OF:
    case PT_OP_ANY_OF:
    case PT_OP_ONE_OF:
        return index < insn->c ? *AT(c->lists, uint32_t, insn->b + index) : PT_NODE_NONE;
    case PT_OP_IF: {
        const uint32_t nodes[] = {insn->a, insn->b == PT_NODE_NONE ? PT_NODE_TRUE : insn->b,
                                  insn->c == PT_NODE_NONE ? PT_NODE_TRUE : insn->c};

        return index < 3 ? nodes[index] : PT_NODE_NONE;
    }
    case PT_OP_FALSE:
    case PT_OP_CONST:
    case PT_OP_ENUM:
    case PT_OP_NUMBER_RANGE:
    case PT_OP_MULTIPLE_OF:
    case PT_OP_LENGTH:
    case PT_OP_PATTERN:
    case PT_OP_FORMAT:
    case PT_OP_OBJECT:
    case PT_OP_ARRAY:
    case PT_OP_UNIQUE_ITEMS:
    case PT_OP_CONTAINS:
    case PT_OP_DEPENDENT_REQUIRED:
    case PT_OP_UNEVALUATED_ITEMS:
    case PT_OP_UNEVALUATED_PROPERTIES:
        break;
    }
    return PT_NODE_NONE;
}

/* Where the search stands in a node that it has entered and not left. */
struct visit {
    uint32_t node;
    uint32_t insn;
    uint32_t index;
};

/* A node on a circle of edges that consume nothing, or NONE. `state`: 0 new, 1 entered, 2 left. */
static uint32_t find_circle(const struct compiler *c, uint8_t *state, struct visit *stack)
{
    uint32_t count = COUNT(c->nodes, struct pt_node);

    for (uint32_t start = 0; start < count; start++) {
        uint32_t depth = 0;

        if (state[start] != 0) {
            continue;
        }
        state[start] = 1;
        stack[depth++] = (struct visit){start, 0, 0};
        while (depth > 0) {
            struct visit *top = &stack[depth - 1];
            const struct pt_node *node = AT(c->nodes, struct pt_node, top->node);
            uint32_t next = PT_NODE_NONE;

            if (top->insn == node->insn_count) {
                state[top->node] = 2;
                depth--;
                continue;
            }
            next = next_in_place(c, AT(c->insns, struct pt_insn, node->insn_first + top->insn),
                                 top->index++);
            if (next == PT_NODE_NONE) {
                top->insn++;
                top->index = 0;
            } else if (state[next] == 1) {
                return next;
            } else if (state[next] == 0) {
                state[next] = 1;
                stack[depth++] = (struct visit){next, 0, 0};
            }
        }
    }
    return PT_NODE_NONE;
}

static enum pt_code refuse_circles(struct compiler *c)
{
    uint32_t count = COUNT(c->nodes, struct pt_node);
    uint8_t *state = pt_alloc_zero(count);
    struct visit *stack = pt_alloc(count * sizeof(*stack));
    enum pt_code code = PT_OK;

    if (!state || !stack) {
        code = pt_fail(c->err, PT_NO_MEMORY, "no memory to compile the schema");
    } else {
        uint32_t node = find_circle(c, state, stack);

        if (node != PT_NODE_NONE) {
            code = pt_location_fail(&c->docs, *AT(c->work, uint32_t, node - 1), NULL, c->err,
                                    PT_INVALID,
                                    "references lead from here back to here without going into "
                                    "the value: checking would never end");
        }
    }
    pt_free(state);
    pt_free(stack);
    return code;
}

/* ---- the program ---- */

static void *keep(struct pt_schema *schema, const struct pt_buf *list)
{
    /* Eight bytes more, so that reading a word at a key's start stays inside. */
    void *copy = pt_arena_alloc(&schema->arena, list->size + 8);

    if (copy && list->size) {
        memcpy(copy, list->data, list->size);
    }
    return copy;
}

static enum pt_code keep_anchors(struct compiler *c, struct pt_schema *schema)
{
    uint32_t names = COUNT(c->dynamic_names, struct pt_span);
    uint32_t count = COUNT(c->docs.anchors, struct pt_anchor);

    schema->has_dynamic = names > 0;
    schema->anchors = pt_arena_alloc(&schema->arena, (count + 1) * sizeof(*schema->anchors));
    if (!schema->anchors) {
        return too_big(c);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pt_anchor anchor = *AT(c->docs.anchors, struct pt_anchor, i);

        for (uint32_t name = 0; anchor.is_dynamic && name < names; name++) {
            if (pt_span_equal(*AT(c->dynamic_names, struct pt_span, name), anchor.name)) {
                schema->anchors[schema->anchor_count++] = (struct pt_dynamic_anchor){
                    anchor.resource, name, pt_location(&c->docs, anchor.location)->node};
            }
        }
    }
    return PT_OK;
}

static enum pt_code build(struct compiler *c, uint32_t root, struct pt_schema *schema)
{
    schema->nodes = keep(schema, &c->nodes);
    schema->insns = keep(schema, &c->insns);
    schema->texts = keep(schema, &c->texts);
    schema->properties = keep(schema, &c->properties);
    schema->patterns = keep(schema, &c->patterns);
    schema->objects = keep(schema, &c->objects);
    schema->arrays = keep(schema, &c->arrays);
    schema->enums = keep(schema, &c->enums);
    schema->ranges = keep(schema, &c->ranges);
    schema->numbers = keep(schema, &c->numbers);
    schema->keys = keep(schema, &c->keys);
    schema->lists = keep(schema, &c->lists);
    schema->slots = keep(schema, &c->slots);
    schema->constant_tape = keep(schema, &c->tape);
    schema->constant_strings = keep(schema, &c->strings);
    schema->regexes = keep(schema, &c->regexes);
    if (!schema->nodes || !schema->insns || !schema->texts || !schema->properties ||
        !schema->patterns || !schema->objects || !schema->arrays || !schema->enums ||
        !schema->ranges || !schema->numbers || !schema->keys || !schema->lists || !schema->slots ||
        !schema->constant_tape || !schema->constant_strings || !schema->regexes) {
        return pt_fail(c->err, PT_NO_MEMORY, "no memory for the compiled schema");
    }
    schema->regex_count = COUNT(c->regexes, struct pt_regex *);
    pt_buf_reset(&c->regexes); /* they are the schema's now */
    schema->root = pt_location(&c->docs, root)->node;
    return keep_anchors(c, schema);
}

static struct pt_buf *const *all_lists(struct compiler *c, struct pt_buf *lists[18])
{
    struct pt_buf *const all[] = {
        &c->nodes,   &c->insns, &c->texts, &c->properties, &c->patterns,      &c->objects,
        &c->arrays,  &c->enums, &c->ranges, &c->numbers,   &c->keys,          &c->lists,
        &c->slots,   &c->tape,  &c->strings, &c->work,     &c->dynamic_names, &c->regexes,
    };

    memcpy(lists, all, sizeof(all));
    return lists;
}

static void compiler_release(struct compiler *c)
{
    struct pt_buf *lists[18];

    for (uint32_t i = 0; i < COUNT(c->regexes, struct pt_regex *); i++) {
        pt_regex_destroy(*AT(c->regexes, struct pt_regex *, i));
    }
    all_lists(c, lists);
    for (size_t i = 0; i < 18; i++) {
        pt_buf_release(lists[i]);
    }
    pt_documents_release(&c->docs);
    pt_free(c);
}

static struct compiler *compiler_create(const struct pt_schema_options *options,
                                        struct pt_error *err)
{
    struct compiler *c = pt_alloc_zero(sizeof(*c));
    struct pt_node everything = {.types = PT_TYPE_ANY};
    struct pt_buf *lists[18];

    if (!c) {
        return NULL;
    }
    pt_documents_init(&c->docs, options);
    c->assert_formats = options->assert_formats;
    c->err = err;
    all_lists(c, lists);
    for (size_t i = 0; i < 18; i++) {
        pt_buf_init(lists[i], LIST_BYTES_MAX);
        /* So that an empty list, too, is a pointer; where this fails, so does the first push. */
        (void)pt_buf_reserve(lists[i], 64);
    }
    push(&c->nodes, &everything, sizeof(everything));
    return c;
}

enum pt_code pt_schema_compile(struct pt_schema **schema_out, struct pt_span json,
                               const struct pt_schema_options *options, struct pt_error *err)
{
    static const struct pt_schema_options defaults;
    struct compiler *c = compiler_create(options ? options : &defaults, err);
    struct pt_schema *schema = pt_alloc_zero(sizeof(*schema));
    uint32_t root = 0;
    enum pt_code code = PT_OK;

    *schema_out = NULL;
    if (!c || !schema) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory to compile a schema");
        goto out;
    }
    pt_arena_init(&schema->arena, ARENA_BYTES_MAX);
    code = pt_documents_add(&c->docs, json, &root, err);
    if (code) {
        goto out;
    }
    code = compile_all(c, root);
    if (code) {
        goto out;
    }
    code = refuse_circles(c);
    if (code) {
        goto out;
    }
    code = build(c, root, schema);
    if (code) {
        goto out;
    }
    *schema_out = schema;
    schema = NULL;

out:
    pt_schema_destroy(schema);
    if (c) {
        compiler_release(c);
    }
    return code;
}

void pt_schema_destroy(struct pt_schema *schema)
{
    if (schema) {
        for (uint32_t i = 0; i < schema->regex_count; i++) {
            pt_regex_destroy(schema->regexes[i]);
        }
        pt_arena_release(&schema->arena);
        pt_free(schema);
    }
}
