/*
 * compat_equal.c - are these two values, or these two schemas, the same
 *
 * Schemas are the same where each keyword that bears on what is valid stands in both and says the
 * same. Where the question costs more than is left to spend, or nests too deep, they are not the
 * same: whoever asks takes that for the worse.
 */
#include "schema/compat_node.h"

#define DEPTH_MAX 128

static bool is_number(struct pt_json value)
{
    return pt_json_is_number(value);
}

static bool json_equal(struct compat_checker *ck, struct pt_json a, struct pt_json b)
{
    struct pt_json_iter it;
    struct pt_json_iter other;

    if (!compat_spend(ck, 1)) {
        return false;
    }
    if (is_number(a) || is_number(b)) {
        return is_number(a) && is_number(b) &&
               pt_number_compare(compat_number(a), compat_number(b)) == 0;
    }
    if (pt_json_type(a) != pt_json_type(b)) {
        return false;
    }
    switch (pt_json_type(a)) {
    case PT_JSON_BOOL:
        return pt_json_bool(a) == pt_json_bool(b);
    case PT_JSON_STRING:
        return pt_span_equal(pt_json_string(a), pt_json_string(b));
    case PT_JSON_ARRAY:
        if (pt_json_count(a) != pt_json_count(b)) {
            return false;
        }
        it = pt_json_iterate(a);
        other = pt_json_iterate(b);
        while (pt_json_next(&it) && pt_json_next(&other)) {
            if (!json_equal(ck, it.value, other.value)) {
                return false;
            }
        }
        return true;
    case PT_JSON_OBJECT:
        if (pt_json_count(a) != pt_json_count(b)) {
            return false;
        }
        it = pt_json_iterate(a);
        while (pt_json_next(&it)) {
            struct pt_json found = compat_find(ck, b, it.key);

            if (!pt_json_exists(found) || !json_equal(ck, it.value, found)) {
                return false;
            }
        }
        return true;
    case PT_JSON_NULL:
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        break;
    }
    return true;
}

/* A document's nesting is bounded by the reader (PT_JSON_DEPTH_MAX), and so is the recursion. */
bool compat_json_equal(struct compat_checker *ck, struct pt_json a, struct pt_json b)
{
    return json_equal(ck, a, b);
}

/* What a member of a schema holds. */
enum keyword_kind {
    KIND_VALUE,
    KIND_SCHEMA,
    KIND_SCHEMA_MAP,
    KIND_SCHEMA_LIST,
    KIND_SCHEMA_OR_LIST,
    KIND_REF,
    KIND_NOTHING, /* it does not change what is valid */
};

static enum keyword_kind kind_of(struct pt_span keyword)
{
    static const struct {
        const char *name;
        enum keyword_kind kind;
    } table[] = {
        {"$ref", KIND_REF},
        {"$schema", KIND_NOTHING},
        {"$id", KIND_NOTHING},
        {"$anchor", KIND_NOTHING},
        {"$comment", KIND_NOTHING},
        {"title", KIND_NOTHING},
        {"description", KIND_NOTHING},
        {"default", KIND_NOTHING},
        {"examples", KIND_NOTHING},
        {"readOnly", KIND_NOTHING},
        {"writeOnly", KIND_NOTHING},
        {"deprecated", KIND_NOTHING},
        {"definitions", KIND_NOTHING},
        {"$defs", KIND_NOTHING},
        {"properties", KIND_SCHEMA_MAP},
        {"patternProperties", KIND_SCHEMA_MAP},
        {"dependentSchemas", KIND_SCHEMA_MAP},
        {"additionalProperties", KIND_SCHEMA},
        {"additionalItems", KIND_SCHEMA},
        {"unevaluatedProperties", KIND_SCHEMA},
        {"unevaluatedItems", KIND_SCHEMA},
        {"propertyNames", KIND_SCHEMA},
        {"contains", KIND_SCHEMA},
        {"not", KIND_SCHEMA},
        {"if", KIND_SCHEMA},
        {"then", KIND_SCHEMA},
        {"else", KIND_SCHEMA},
        {"items", KIND_SCHEMA_OR_LIST},
        {"prefixItems", KIND_SCHEMA_LIST},
        {"allOf", KIND_SCHEMA_LIST},
        {"anyOf", KIND_SCHEMA_LIST},
        {"oneOf", KIND_SCHEMA_LIST},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (pt_span_is(keyword, table[i].name)) {
            return table[i].kind;
        }
    }
    return KIND_VALUE;
}

/* Pairs of schemas held against each other already, further up. */
struct pair {
    const struct pair *up;
    struct pt_json a;
    struct pt_json b;
    uint32_t depth;
};

static bool schema_equal(struct compat_checker *ck, const struct compat_node *a,
                         const struct compat_node *b, const struct pair *up);

static struct compat_node inside(const struct compat_node *node, struct pt_json value)
{
    struct compat_node child = *node;
    struct pt_span id;

    child.value = value;
    if (pt_json_type(value) == PT_JSON_OBJECT && pt_json_member_string(value, "$id", &id) &&
        id.size > 0 && id.data[0] != '#') {
        child.resource = value;
        child.resource_path = child.path;
    }
    return child;
}

static bool list_equal(struct compat_checker *ck, const struct compat_node *a, struct pt_json x,
                       const struct compat_node *b, struct pt_json y, const struct pair *up)
{
    struct pt_json_iter it;
    struct pt_json_iter other;

    if (pt_json_type(x) != PT_JSON_ARRAY || pt_json_type(y) != PT_JSON_ARRAY ||
        pt_json_count(x) != pt_json_count(y)) {
        return false;
    }
    it = pt_json_iterate(x);
    other = pt_json_iterate(y);
    while (pt_json_next(&it) && pt_json_next(&other)) {
        struct compat_node left = inside(a, it.value);
        struct compat_node right = inside(b, other.value);

        if (!schema_equal(ck, &left, &right, up)) {
            return false;
        }
    }
    return true;
}

static bool map_equal(struct compat_checker *ck, const struct compat_node *a, struct pt_json x,
                      const struct compat_node *b, struct pt_json y, const struct pair *up)
{
    struct pt_json_iter it;

    if (pt_json_type(x) != PT_JSON_OBJECT || pt_json_type(y) != PT_JSON_OBJECT ||
        pt_json_count(x) != pt_json_count(y)) {
        return false;
    }
    it = pt_json_iterate(x);
    while (pt_json_next(&it)) {
        struct pt_json found = compat_find(ck, y, it.key);
        struct compat_node left = inside(a, it.value);
        struct compat_node right;

        if (!pt_json_exists(found)) {
            return false;
        }
        right = inside(b, found);
        if (!schema_equal(ck, &left, &right, up)) {
            return false;
        }
    }
    return true;
}

static bool keyword_equal(struct compat_checker *ck, const struct compat_node *a,
                          const struct compat_node *b, struct pt_span key, struct pt_json x,
                          struct pt_json y, const struct pair *up)
{
    struct compat_node left = inside(a, x);
    struct compat_node right = inside(b, y);

    switch (kind_of(key)) {
    case KIND_SCHEMA:
        return schema_equal(ck, &left, &right, up);
    case KIND_SCHEMA_MAP:
        return map_equal(ck, a, x, b, y, up);
    case KIND_SCHEMA_LIST:
        return list_equal(ck, a, x, b, y, up);
    case KIND_SCHEMA_OR_LIST:
        return pt_json_type(x) == PT_JSON_ARRAY ? list_equal(ck, a, x, b, y, up)
                                                : schema_equal(ck, &left, &right, up);
    case KIND_REF:
        return compat_follow(ck, a, &left) && compat_follow(ck, b, &right) &&
               schema_equal(ck, &left, &right, up);
    case KIND_VALUE:
        return compat_json_equal(ck, x, y);
    case KIND_NOTHING:
        break;
    }
    return true;
}

/* Every keyword of `a` that counts is in `b` and says the same. */
static bool is_covered(struct compat_checker *ck, const struct compat_node *a,
                       const struct compat_node *b, bool is_names_only, const struct pair *up)
{
    struct pt_json_iter it = pt_json_iterate(a->value);

    while (pt_json_next(&it)) {
        struct pt_json other;

        if (kind_of(it.key) == KIND_NOTHING) {
            continue;
        }
        other = compat_find(ck, b->value, it.key);
        if (!pt_json_exists(other) ||
            (!is_names_only && !keyword_equal(ck, a, b, it.key, it.value, other, up))) {
            return false;
        }
    }
    return true;
}

/* What $dynamicRef means depends on how one came there. */
static bool is_dynamic(struct pt_json schema)
{
    return pt_json_exists(pt_json_member(schema, "$dynamicRef")) ||
           pt_json_exists(pt_json_member(schema, "$dynamicAnchor"));
}

static bool schema_equal(struct compat_checker *ck, const struct compat_node *a,
                         const struct compat_node *b, const struct pair *up)
{
    struct pair pair = {up, a->value, b->value, up ? up->depth + 1 : 0};

    if (!compat_spend(ck, 2) || pair.depth > DEPTH_MAX) {
        return false;
    }
    if (!pt_json_exists(a->value) || !pt_json_exists(b->value) ||
        pt_json_type(a->value) != pt_json_type(b->value)) {
        return false;
    }
    if (pt_json_type(a->value) != PT_JSON_OBJECT) {
        return compat_json_equal(ck, a->value, b->value);
    }
    for (const struct pair *seen = up; seen; seen = seen->up) {
        if (seen->a.tape == a->value.tape && seen->a.at == a->value.at &&
            seen->b.tape == b->value.tape && seen->b.at == b->value.at) {
            return true; /* a circle of $ref that has shown no difference */
        }
    }
    return compat_is_2020(ck, a) == compat_is_2020(ck, b) && !is_dynamic(a->value) &&
           !is_dynamic(b->value) && is_covered(ck, b, a, true, NULL) &&
           is_covered(ck, a, b, false, &pair);
}

bool compat_schema_equal(struct compat_checker *ck, const struct compat_node *a,
                         const struct compat_node *b)
{
    return schema_equal(ck, a, b, NULL);
}
