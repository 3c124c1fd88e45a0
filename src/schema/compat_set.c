/*
 * compat_set.c - several schemas that one value is held to
 *
 * Where a set cannot say what a value is held to (a pattern that cannot be matched, a condition not
 * decided, more items than fit), it leaves the constraint out: it then takes more than it should,
 * and the proof that a reader takes all of it is harder, never wrong.
 */
#include "schema/compat_node.h"

#define ITEMS_MAX 256
#define DEPTH_MAX 400

void compat_set_init(struct compat_set *set, struct compat_node at)
{
    *set = (struct compat_set){.types = COMPAT_ANY, .at = at};
}

static bool is_same_place(const struct compat_node *a, const struct compat_node *b)
{
    return a->value.tape == b->value.tape && a->value.at == b->value.at;
}

static struct compat_item *push(struct compat_checker *ck, struct compat_set *set,
                                struct compat_node node)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (is_same_place(&set->items[i].node, &node)) {
            return NULL;
        }
    }
    if (!compat_spend(ck, 1 + set->count / 4)) {
        return NULL;
    }
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? set->capacity * 2 : 4;
        struct compat_item *items = NULL;

        if (capacity <= ITEMS_MAX) {
            items = compat_take(ck, capacity * sizeof(*items));
        }
        if (!items) {
            set->is_cut = true;
            return NULL;
        }
        if (set->count > 0) {
            memcpy(items, set->items, set->count * sizeof(*items));
        }
        set->items = items;
        set->capacity = capacity;
    }
    set->items[set->count] = (struct compat_item){.node = node};
    return &set->items[set->count++];
}

static void add(struct compat_checker *ck, struct compat_set *set, struct compat_node node,
                uint32_t depth);

static void add_list(struct compat_checker *ck, struct compat_set *set,
                     const struct compat_node *node, const char *keyword, uint32_t depth)
{
    struct pt_json list = compat_keyword(ck, node, keyword);
    struct pt_json_iter it;
    uint32_t index = 0;

    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        add(ck, set, compat_element(ck, node, keyword, index++, it.value), depth);
    }
}

static bool is_single(struct pt_json list)
{
    return pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY && pt_json_count(list) == 1;
}

static void add(struct compat_checker *ck, struct compat_set *set, struct compat_node node,
                uint32_t depth)
{
    struct compat_node target;
    struct compat_item *item = NULL;
    uint32_t index = set->count;

    if (!pt_json_exists(node.value)) {
        return;
    }
    if (pt_json_type(node.value) == PT_JSON_BOOL) {
        set->is_false = set->is_false || !pt_json_bool(node.value);
        return;
    }
    if (pt_json_type(node.value) != PT_JSON_OBJECT || depth > DEPTH_MAX) {
        return;
    }
    item = push(ck, set, node);
    if (!item) {
        return; /* there already, which also ends circles of $ref */
    }
    if (compat_follow(ck, &node, &target)) {
        add(ck, set, target, depth + 1);
    }
    if (compat_is_only_ref(ck, &node)) {
        return;
    }
    set->types &= compat_types(compat_keyword(ck, &node, "type"));
    add_list(ck, set, &node, "allOf", depth + 1);
    if (is_single(compat_keyword(ck, &node, "anyOf"))) {
        set->items[index].is_any_used = true;
        add_list(ck, set, &node, "anyOf", depth + 1);
    }
    if (is_single(compat_keyword(ck, &node, "oneOf"))) {
        set->items[index].is_one_used = true;
        add_list(ck, set, &node, "oneOf", depth + 1);
    }
}

void compat_set_add(struct compat_checker *ck, struct compat_set *set, struct compat_node node)
{
    add(ck, set, node, 0);
}

void compat_set_add_set(struct compat_checker *ck, struct compat_set *set,
                        const struct compat_set *more)
{
    set->types &= more->types;
    set->is_false = set->is_false || more->is_false;
    set->is_cut = set->is_cut || more->is_cut;
    for (uint32_t i = 0; i < more->count; i++) {
        struct compat_item *item = push(ck, set, more->items[i].node);

        if (item) {
            *item = more->items[i];
        }
    }
}

/* ---- members and elements ---------------------------------------------------- */

static void add_member(struct compat_checker *ck, const struct compat_node *node,
                       struct pt_span key, struct compat_set *out)
{
    struct pt_json patterns = compat_keyword(ck, node, "patternProperties");
    struct pt_json additional = compat_keyword(ck, node, "additionalProperties");
    struct pt_json unevaluated = compat_keyword(ck, node, "unevaluatedProperties");
    struct pt_json property = {0};
    bool is_mentioned = false;

    if (key.data) {
        property = compat_find(ck, compat_keyword(ck, node, "properties"), key);
    }
    if (pt_json_exists(property)) {
        compat_set_add(ck, out, compat_member(ck, node, "properties", key, property));
        is_mentioned = true;
    }
    if (key.data && pt_json_exists(patterns) && pt_json_type(patterns) == PT_JSON_OBJECT) {
        struct pt_json_iter it = pt_json_iterate(patterns);

        while (pt_json_next(&it)) {
            enum compat_answer answer = compat_matches(ck, it.key, key);

            is_mentioned = is_mentioned || answer != COMPAT_NO;
            if (answer == COMPAT_YES) {
                compat_set_add(ck, out,
                               compat_member(ck, node, "patternProperties", it.key, it.value));
            }
        }
    }
    if (!is_mentioned && pt_json_exists(additional)) {
        compat_set_add(ck, out, compat_child(ck, node, "additionalProperties", additional));
    }
    if (pt_json_exists(unevaluated) && !pt_json_exists(additional) && !is_mentioned &&
        compat_looks_at(ck, node, key) == COMPAT_NO) {
        compat_set_add(ck, out, compat_child(ck, node, "unevaluatedProperties", unevaluated));
    }
}

void compat_set_member(struct compat_checker *ck, const struct compat_set *set, struct pt_span key,
                       struct compat_set *out)
{
    compat_set_init(out, set->at);
    for (uint32_t i = 0; i < set->count; i++) {
        add_member(ck, &set->items[i].node, key, out);
    }
    if (out->count > 0) {
        out->at = out->items[0].node;
    }
}

static bool may_look_at_elements(struct compat_checker *ck, const struct compat_node *node)
{
    static const char *const applicators[] = {"contains", "allOf", "anyOf",      "oneOf",
                                              "if",       "$ref",  "not",        "dependentSchemas",
                                              "then",     "else",  "$dynamicRef"};

    for (size_t i = 0; i < sizeof(applicators) / sizeof(applicators[0]); i++) {
        if (pt_json_exists(compat_keyword(ck, node, applicators[i]))) {
            return true;
        }
    }
    return false;
}

void compat_set_element(struct compat_checker *ck, const struct compat_set *set, uint32_t index,
                        struct compat_set *out)
{
    compat_set_init(out, set->at);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct compat_node *node = &set->items[i].node;
        struct pt_json unevaluated = compat_keyword(ck, node, "unevaluatedItems");
        struct compat_list list;

        compat_list_of(ck, node, &list);
        if (index < list.prefix_count) {
            compat_spend(ck, index / 4);
            compat_set_add(ck, out,
                           compat_element(ck, node, list.prefix_key, index,
                                          pt_json_element(list.prefix, index)));
        } else if (pt_json_exists(list.rest.value)) {
            compat_set_add(ck, out, list.rest);
        } else if (pt_json_exists(unevaluated) && !may_look_at_elements(ck, node)) {
            compat_set_add(ck, out, compat_child(ck, node, "unevaluatedItems", unevaluated));
        }
    }
    if (out->count > 0) {
        out->at = out->items[0].node;
    }
}

/* ---- facts -------------------------------------------------------------------- */

static bool has_word(struct compat_checker *ck, struct pt_json list, struct pt_span word)
{
    struct pt_json_iter it;

    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY ||
        !compat_spend(ck, 1 + pt_json_count(list) / 4)) {
        return false;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        if (pt_json_type(it.value) == PT_JSON_STRING &&
            pt_span_equal(pt_json_string(it.value), word)) {
            return true;
        }
    }
    return false;
}

bool compat_set_requires(struct compat_checker *ck, const struct compat_set *set,
                         struct pt_span key)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (has_word(ck, compat_keyword(ck, &set->items[i].node, "required"), key)) {
            return true;
        }
    }
    return false;
}

bool compat_set_bound(struct compat_checker *ck, const struct compat_set *set, const char *keyword,
                      bool is_lower, struct pt_number *bound_out)
{
    bool has_bound = false;

    for (uint32_t i = 0; i < set->count; i++) {
        struct pt_json value = compat_keyword(ck, &set->items[i].node, keyword);
        struct pt_number bound;

        if (!pt_json_exists(value) || !pt_json_is_number(value)) {
            continue;
        }
        bound = compat_number(value);
        if (!has_bound || (is_lower ? pt_number_compare(bound, *bound_out) > 0
                                    : pt_number_compare(bound, *bound_out) < 0)) {
            *bound_out = bound;
        }
        has_bound = true;
    }
    return has_bound;
}

bool compat_set_has_text(struct compat_checker *ck, const struct compat_set *set,
                         const char *keyword, struct pt_span text)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct pt_json value = compat_keyword(ck, &set->items[i].node, keyword);

        if (pt_json_exists(value) && pt_json_type(value) == PT_JSON_STRING &&
            pt_span_equal(pt_json_string(value), text)) {
            return true;
        }
    }
    return false;
}

bool compat_set_has(struct compat_checker *ck, const struct compat_set *set, const char *keyword)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (pt_json_exists(compat_keyword(ck, &set->items[i].node, keyword))) {
            return true;
        }
    }
    return false;
}

static uint8_t type_of(struct pt_json value)
{
    switch (pt_json_type(value)) {
    case PT_JSON_NULL:
        return COMPAT_NULL;
    case PT_JSON_BOOL:
        return COMPAT_BOOL;
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        return pt_number_is_integer(compat_number(value)) ? COMPAT_INTEGER : COMPAT_FRACTION;
    case PT_JSON_STRING:
        return COMPAT_STRING;
    case PT_JSON_ARRAY:
        return COMPAT_ARRAY;
    case PT_JSON_OBJECT:
        break;
    }
    return COMPAT_OBJECT;
}

/* Whether nothing in the set is known to refuse the value. */
static bool may_hold(struct compat_checker *ck, const struct compat_set *set, struct pt_json value)
{
    if (!(type_of(value) & set->types)) {
        return false;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        if (compat_evaluate(ck, value, &set->items[i].node) == COMPAT_NO) {
            return false;
        }
    }
    return true;
}

bool compat_set_values(struct compat_checker *ck, const struct compat_set *set,
                       struct pt_json **values_out, uint32_t *count_out)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct pt_json list = compat_keyword(ck, &set->items[i].node, "enum");
        struct pt_json only = compat_keyword(ck, &set->items[i].node, "const");
        bool is_list = pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY;
        struct pt_json_iter it;

        if (!is_list && !pt_json_exists(only)) {
            continue;
        }
        *count_out = 0;
        *values_out =
            compat_take(ck, (1 + (is_list ? pt_json_count(list) : 0)) * sizeof(**values_out));
        if (!*values_out) {
            return false;
        }
        if (!is_list) {
            if (may_hold(ck, set, only)) {
                (*values_out)[(*count_out)++] = only;
            }
            return true;
        }
        it = pt_json_iterate(list);
        while (pt_json_next(&it)) {
            if (may_hold(ck, set, it.value)) {
                (*values_out)[(*count_out)++] = it.value;
            }
        }
        return true;
    }
    return false;
}

/* ---- emptiness ------------------------------------------------------------------ */

static bool is_count_crossed(struct compat_checker *ck, const struct compat_set *set,
                             const char *least, const char *most)
{
    struct pt_number low;
    struct pt_number high;

    return compat_set_bound(ck, set, least, true, &low) &&
           compat_set_bound(ck, set, most, false, &high) && pt_number_compare(low, high) > 0;
}

static bool are_numbers_empty(struct compat_checker *ck, const struct compat_set *set)
{
    struct pt_number low[2];
    struct pt_number high[2];
    bool has_low[2];
    bool has_high[2];

    has_low[0] = compat_set_bound(ck, set, "minimum", true, &low[0]);
    has_low[1] = compat_set_bound(ck, set, "exclusiveMinimum", true, &low[1]);
    has_high[0] = compat_set_bound(ck, set, "maximum", false, &high[0]);
    has_high[1] = compat_set_bound(ck, set, "exclusiveMaximum", false, &high[1]);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            int order = has_low[i] && has_high[j] ? pt_number_compare(low[i], high[j]) : -1;

            if (order > 0 || (order == 0 && (i > 0 || j > 0))) {
                return true;
            }
        }
    }
    return false;
}

static bool is_object_empty(struct compat_checker *ck, const struct compat_set *set)
{
    if (is_count_crossed(ck, set, "minProperties", "maxProperties")) {
        return true;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        struct pt_json required = compat_keyword(ck, &set->items[i].node, "required");
        struct pt_json_iter it;

        if (!pt_json_exists(required) || pt_json_type(required) != PT_JSON_ARRAY) {
            continue;
        }
        it = pt_json_iterate(required);
        while (pt_json_next(&it)) {
            struct compat_set member;

            if (pt_json_type(it.value) != PT_JSON_STRING) {
                continue;
            }
            compat_set_member(ck, set, pt_json_string(it.value), &member);
            if (compat_set_is_empty(ck, &member)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_array_empty(struct compat_checker *ck, const struct compat_set *set)
{
    struct pt_number least;
    uint32_t count = 0;

    if (is_count_crossed(ck, set, "minItems", "maxItems")) {
        return true;
    }
    if (!compat_set_bound(ck, set, "minItems", true, &least) ||
        !pt_number_to_count(least, UINT32_MAX, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count && i < 64; i++) {
        struct compat_set element;

        compat_set_element(ck, set, i, &element);
        if (compat_set_is_empty(ck, &element)) {
            return true;
        }
    }
    return false;
}

/* Every branch of an anyOf or a oneOf contradicts the rest. */
static bool are_branches_empty(struct compat_checker *ck, const struct compat_set *set,
                               uint32_t item, const char *keyword)
{
    struct pt_json list = compat_keyword(ck, &set->items[item].node, keyword);
    struct pt_json_iter it;
    uint32_t index = 0;

    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return false;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        struct compat_set branch;

        compat_set_init(&branch, set->at);
        compat_set_add_set(ck, &branch, set);
        if (item < branch.count) {
            branch.items[item].is_any_used |= keyword[0] == 'a';
            branch.items[item].is_one_used |= keyword[0] == 'o';
            branch.items[item].one_branch =
                keyword[0] == 'o' ? index : branch.items[item].one_branch;
        }
        compat_set_add(ck, &branch,
                       compat_element(ck, &set->items[item].node, keyword, index++, it.value));
        if (!compat_set_is_empty(ck, &branch)) {
            return false;
        }
    }
    return index > 0;
}

static bool is_refused_by_not(struct compat_checker *ck, const struct compat_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct pt_json refused = compat_keyword(ck, &set->items[i].node, "not");
        struct compat_node node;
        bool is_all = false;

        if (!pt_json_exists(refused)) {
            continue;
        }
        node = compat_child(ck, &set->items[i].node, "not", refused);
        ck->exactness++;
        is_all = compat_subset_quietly(ck, set, &node);
        ck->exactness--;
        if (is_all) {
            return true;
        }
    }
    return false;
}

bool compat_set_is_empty(struct compat_checker *ck, const struct compat_set *set)
{
    struct pt_json *values = NULL;
    uint32_t count = 0;
    uint8_t types = set->types;
    bool is_empty = false;

    if (set->is_false || types == 0) {
        return true;
    }
    if (ck->depth > DEPTH_MAX / 4 || !compat_spend(ck, 4)) {
        return false;
    }
    ck->depth++;
    if (compat_set_values(ck, set, &values, &count)) {
        is_empty = count == 0;
        goto out;
    }
    if (types & (COMPAT_INTEGER | COMPAT_FRACTION) && are_numbers_empty(ck, set)) {
        types &= (uint8_t) ~(COMPAT_INTEGER | COMPAT_FRACTION);
    }
    if (types & COMPAT_STRING && is_count_crossed(ck, set, "minLength", "maxLength")) {
        types &= (uint8_t)~COMPAT_STRING;
    }
    if (types == COMPAT_OBJECT && is_object_empty(ck, set)) {
        types = 0;
    }
    if (types == COMPAT_ARRAY && is_array_empty(ck, set)) {
        types = 0;
    }
    is_empty = types == 0;
    for (uint32_t i = 0; i < set->count && !is_empty; i++) {
        is_empty = (!set->items[i].is_any_used && are_branches_empty(ck, set, i, "anyOf")) ||
                   (!set->items[i].is_one_used && are_branches_empty(ck, set, i, "oneOf"));
    }
    is_empty = is_empty || is_refused_by_not(ck, set);

out:
    ck->depth--;
    return is_empty;
}
