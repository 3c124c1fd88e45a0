/*
 * compile.c - JSON Schema documents become a program
 *
 * A list of work: the root's location first, then whatever a keyword of a compiled node leads to,
 * until none is left; so a node's instructions stand together, $ref costs an index, and recursion
 * in schemas costs nothing. Every schema of the root document is compiled, referred to or not, so
 * that a mistake in an unused definition is found as well. At the end a search over the edges that
 * consume no part of the value ($ref, allOf, …) refuses circles, which would run for ever.
 */
#include "schema/compile.h"

#define ARENA_BYTES_MAX (256u << 20)
#define LIST_BYTES_MAX (32u << 20)

enum pt_code pt_compile_too_big(struct compiler *c)
{
    return pt_fail(c->err, PT_TOO_BIG,
                   "the schema and what it refers to are over the limits of a compiled schema, or "
                   "there is no memory");
}

bool pt_compile_push(struct pt_buf *list, const void *entry, size_t bytes)
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

struct pt_name pt_compile_name(struct compiler *c, struct pt_span text)
{
    struct pt_name name = {(uint32_t)c->texts.size, (uint32_t)text.size};

    push_text(c, text.data, text.size);
    return name;
}

const char *pt_compile_keyword(enum pt_keyword keyword)
{
    return pt_keywords[keyword].name;
}

/* ---- nodes ---- */

uint32_t pt_compile_location(struct compiler *c, uint32_t location)
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
    if (index >= PT_SCHEMA_NODES_MAX || !pt_compile_push(&c->nodes, &node, sizeof(node)) ||
        !pt_compile_push(&c->work, &location, sizeof(location))) {
        c->nodes.has_failed = true;
        return PT_NODE_NONE;
    }
    place->node = index;
    return index;
}

uint32_t pt_compile_node_at(struct compiler *c, const struct source *source, struct pt_json value)
{
    uint32_t location = pt_documents_location(&c->docs, source->location, value.at);

    pt_assert(location != PT_LOCATION_NONE);
    return pt_compile_location(c, location);
}

bool pt_compile_is_schema(struct pt_json value)
{
    return pt_json_type(value) == PT_JSON_BOOL || pt_json_type(value) == PT_JSON_OBJECT;
}

bool pt_compile_has(const struct source *source, enum pt_keyword keyword)
{
    return pt_json_exists(source->values[keyword]);
}

enum pt_code pt_compile_emit(struct compiler *c, struct pt_node *node, struct pt_insn insn)
{
    if (!pt_compile_push(&c->insns, &insn, sizeof(insn)) || node->insn_count == UINT16_MAX) {
        return pt_compile_too_big(c);
    }
    node->insn_count++;
    return PT_OK;
}

enum pt_code pt_compile_schema(struct compiler *c, const struct source *source,
                               enum pt_keyword keyword, uint32_t *node_out)
{
    struct pt_json value = source->values[keyword];

    *node_out = PT_NODE_NONE;
    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (!pt_compile_is_schema(value)) {
        return FAIL(source, pt_compile_keyword(keyword),
                    "it must be a schema: an object or a boolean");
    }
    *node_out = pt_compile_node_at(c, source, value);
    return PT_OK;
}

bool pt_compile_is_false(struct pt_json value)
{
    return pt_json_exists(value) && pt_json_type(value) == PT_JSON_BOOL && !pt_json_bool(value);
}

enum pt_code pt_compile_list(struct compiler *c, const struct source *source,
                             enum pt_keyword keyword, uint32_t *first_out, uint32_t *count_out)
{
    struct pt_json value = source->values[keyword];
    struct pt_json_iter it;

    *first_out = COUNT(c->lists, uint32_t);
    *count_out = 0;
    if (pt_json_type(value) != PT_JSON_ARRAY) {
        return FAIL(source, pt_compile_keyword(keyword), "it must be an array of schemas");
    }
    for (it = pt_json_iterate(value); pt_json_next(&it);) {
        uint32_t node = 0;

        if (!pt_compile_is_schema(it.value)) {
            return FAIL(source, pt_compile_keyword(keyword), "element %u is not a schema",
                        *count_out);
        }
        node = pt_compile_node_at(c, source, it.value);
        if (!pt_compile_push(&c->lists, &node, sizeof(node))) {
            return pt_compile_too_big(c);
        }
        ++*count_out;
    }
    return PT_OK;
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
        return FAIL(source, pt_compile_keyword(keyword), "it must be a string");
    }
    code = pt_documents_follow(&c->docs, source->location, pt_json_string(value), &location,
                               &anchor, &why);
    if (code) {
        code = code == PT_NOT_FOUND ? PT_INVALID : code;
        return pt_location_fail(&c->docs, source->location, pt_compile_keyword(keyword), c->err,
                                code, "\"%.80s\" leads nowhere: %.160s",
                                (const char *)pt_json_string(value).data, why.text);
    }
    insn.a = pt_compile_location(c, location);
    if (keyword == PT_KW_DYNAMIC_REF && anchor.size > 0) {
        uint32_t count = COUNT(c->dynamic_names, struct pt_span);

        insn.op = PT_OP_DYNAMIC_REF;
        for (insn.b = 0; insn.b < count; insn.b++) {
            if (pt_span_equal(*AT(c->dynamic_names, struct pt_span, insn.b), anchor)) {
                break;
            }
        }
        if (insn.b == count && !pt_compile_push(&c->dynamic_names, &anchor, sizeof(anchor))) {
            return pt_compile_too_big(c);
        }
    }
    return pt_compile_emit(c, node, insn);
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

        if (!pt_compile_has(source, lists[i].keyword)) {
            continue;
        }
        code = pt_compile_list(c, source, lists[i].keyword, &first, &count);
        if (!code && count == 0) {
            return FAIL(source, pt_compile_keyword(lists[i].keyword), "it must hold a schema");
        }
        if (!code) {
            code = pt_compile_emit(
                c, node, (struct pt_insn){(uint8_t)lists[i].op, PT_TYPE_ANY, 0, 0, first, count});
        }
    }
    if (!code && pt_compile_has(source, PT_KW_NOT)) {
        code = pt_compile_schema(c, source, PT_KW_NOT, &insn.a);
        code = code ? code : pt_compile_emit(c, node, insn);
    }
    insn.op = PT_OP_IF;
    if (!code && pt_compile_has(source, PT_KW_IF)) {
        code = pt_compile_schema(c, source, PT_KW_IF, &insn.a);
        code = code ? code : pt_compile_schema(c, source, PT_KW_THEN, &insn.b);
        code = code ? code : pt_compile_schema(c, source, PT_KW_ELSE, &insn.c);
        code = code ? code : pt_compile_emit(c, node, insn);
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

        code = pt_compile_schema(c, source, kinds[i].keyword, &rest);
        if (code || rest == PT_NODE_NONE) {
            continue;
        }
        node->flags |= (uint8_t)kinds[i].type;
        code = pt_compile_emit(
            c, node,
            (struct pt_insn){(uint8_t)kinds[i].op, (uint8_t)kinds[i].type,
                             pt_compile_is_false(source->values[kinds[i].keyword]), rest, 0, 0});
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

        if (keyword != PT_KW_COUNT && (pt_keywords[keyword].vocabulary & dialect->vocabularies ||
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
        pt_compile_type,   pt_compile_const_enum, pt_compile_number,    pt_compile_string,
        pt_compile_object, pt_compile_array,      pt_compile_dependent,
    };
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !code; i++) {
        code = steps[i](c, source, node);
    }
    if (!code && pt_compile_has(source, PT_KW_RECURSIVE_REF)) {
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
        code = pt_compile_emit(c, &node, (struct pt_insn){PT_OP_FALSE, PT_TYPE_ANY, 0, 0, 0, 0});
    } else {
        code = FAIL(&source, NULL, "a schema is an object or a boolean, not %s",
                    pt_json_type_name(pt_json_type(source.schema)));
    }
    if (!code && c->texts.has_failed) {
        code = pt_compile_too_big(c);
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
            pt_compile_location(c, anchor.location);
        }
    }
}

static enum pt_code compile_all(struct compiler *c, uint32_t root)
{
    uint32_t done = 0;
    uint32_t locations = pt_documents_location_count(&c->docs);
    enum pt_code code = PT_OK;

    pt_compile_location(c, root);
    for (uint32_t i = 0; i < locations; i++) {
        if (pt_location(&c->docs, i)->document == pt_location(&c->docs, root)->document) {
            pt_compile_location(c, i);
        }
    }
    while (!code && done < COUNT(c->work, uint32_t)) {
        code = compile_node(c, *AT(c->work, uint32_t, done));
        done++;
        if (!code && done == COUNT(c->work, uint32_t)) {
            queue_dynamic_anchors(c);
        }
        if (!code && (c->nodes.has_failed || c->tape.has_failed || c->strings.has_failed)) {
            code = pt_compile_too_big(c);
        }
    }
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
        return pt_compile_too_big(c);
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
        &c->nodes,  &c->insns, &c->texts,   &c->properties, &c->patterns,      &c->objects,
        &c->arrays, &c->enums, &c->ranges,  &c->numbers,    &c->keys,          &c->lists,
        &c->slots,  &c->tape,  &c->strings, &c->work,       &c->dynamic_names, &c->regexes,
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
    pt_compile_push(&c->nodes, &everything, sizeof(everything));
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
    code = pt_compile_refuse_circles(c);
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
