/*
 * compat_array.c - what a reader asks of an array, against what a writer promises
 */
#include "schema/compat_node.h"

#include <stdio.h>

#define NO_LIMIT UINT32_MAX

/* How many of the writer's schemas say something about this element themselves. */
static uint32_t longest_prefix(struct compat_checker *ck, const struct compat_set *writer)
{
    uint32_t longest = 0;

    for (uint32_t i = 0; i < writer->count; i++) {
        struct compat_list list;

        compat_list_of(ck, &writer->items[i].node, &list);
        longest = list.prefix_count > longest ? list.prefix_count : longest;
    }
    return longest;
}

/* No array of the writer's is longer. */
static uint32_t longest_array(struct compat_checker *ck, const struct compat_set *writer,
                              uint32_t prefix_count)
{
    struct pt_number bound;
    uint32_t most = NO_LIMIT;

    if (!compat_set_bound(ck, writer, "maxItems", false, &bound) ||
        !pt_number_to_count(bound, NO_LIMIT - 1, &most)) {
        most = NO_LIMIT;
    }
    for (uint32_t i = 0; i <= prefix_count && i < most; i++) {
        struct compat_set element;

        compat_set_element(ck, writer, i, &element);
        if (element.is_false) {
            most = i;
        }
    }
    return most;
}

static bool check_element(struct compat_checker *ck, const struct compat_set *writer,
                          const struct compat_list *wanted, const struct compat_node *reader,
                          uint32_t index, uint32_t mine)
{
    const char *kind = NULL;
    struct compat_set element;
    struct compat_node node = wanted->rest;

    compat_set_element(ck, writer, index, &element);
    if (index < wanted->prefix_count) {
        node = compat_element(ck, reader, wanted->prefix_key, index,
                              pt_json_element(wanted->prefix, index));
        compat_spend(ck, index / 4);
    }
    if (index < wanted->prefix_count && index < mine) {
        return compat_enter(ck, &element, &node, false);
    }
    if (compat_enter(ck, &element, &node, true)) {
        return true;
    }
    if (index < wanted->prefix_count) {
        kind = element.count == 0 ? "ITEM_ADDED_TO_OPEN_CONTENT_MODEL"
                                  : "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL";
    } else {
        kind = compat_is_false(&node) ? "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL"
                                      : "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL";
    }
    return compat_refuse(ck, &element, &node, "", kind,
                         "what the writer's schema takes as element %u does not fit", index);
}

/* additionalItems does nothing without items; a change of it is held against the schema
 * nevertheless. */
static bool check_idle(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader)
{
    struct pt_json wanted = compat_keyword(ck, reader, "additionalItems");
    struct compat_node node = compat_child(ck, reader, "additionalItems", wanted);

    if (!pt_json_exists(wanted) || pt_json_exists(compat_keyword(ck, reader, "items")) ||
        ck->exactness > 0) {
        return true;
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json given = compat_keyword(ck, &writer->items[i].node, "additionalItems");
        struct compat_set set;

        if (pt_json_exists(given) &&
            !pt_json_exists(compat_keyword(ck, &writer->items[i].node, "items"))) {
            compat_set_init(&set,
                            compat_child(ck, &writer->items[i].node, "additionalItems", given));
            compat_set_add(ck, &set, set.at);
            return compat_enter(ck, &set, &node, false);
        }
    }
    return true;
}

static bool check_rest(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader, const struct compat_node *wanted,
                       const char *key, bool is_list, uint32_t from)
{
    struct compat_set rest;
    const char *kind = "SCHEMA_ADDED";

    (void)reader;
    compat_set_element(ck, writer, from, &rest);
    if (rest.count > 0 && !compat_is_false(wanted)) {
        return compat_enter(ck, &rest, wanted, false);
    }
    if (compat_enter(ck, &rest, wanted, true)) {
        return true;
    }
    if (strcmp(key, "unevaluatedItems") == 0) {
        kind = compat_is_false(wanted) ? "UNEVALUATED_ITEMS_REMOVED" : "UNEVALUATED_ITEMS_NARROWED";
    } else if (is_list || compat_is_false(wanted)) {
        kind = compat_is_false(wanted) ? "ADDITIONAL_ITEMS_REMOVED" : "ADDITIONAL_ITEMS_NARROWED";
    }
    return compat_refuse(ck, &rest, wanted, "", kind,
                         "elements that the writer's schema takes from %u on do not fit", from);
}

static bool check_elements(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    struct compat_list wanted;
    uint32_t mine = longest_prefix(ck, writer);
    uint32_t most = 0;
    uint32_t count = 0;
    bool is_fine = true;

    compat_list_of(ck, reader, &wanted);
    if (!pt_json_exists(wanted.rest.value)) {
        wanted.rest_key = "unevaluatedItems";
        wanted.rest =
            compat_child(ck, reader, wanted.rest_key, compat_keyword(ck, reader, wanted.rest_key));
    }
    count = mine > wanted.prefix_count ? mine : wanted.prefix_count;
    most = longest_array(ck, writer, count);
    for (uint32_t i = 0; i < count && i < most && !ck->is_too_complex; i++) {
        is_fine = check_element(ck, writer, &wanted, reader, i, mine) && is_fine;
    }
    if (most > count) {
        is_fine = check_rest(ck, writer, reader, &wanted.rest, wanted.rest_key,
                             wanted.prefix_count > 0, count) &&
                  is_fine;
    }
    return check_idle(ck, writer, reader) && is_fine;
}

/* ---- contains ------------------------------------------------------------------------ */

static struct pt_number count_keyword(struct compat_checker *ck, const struct compat_node *node,
                                      const char *keyword, uint64_t otherwise)
{
    struct pt_json value = compat_keyword(ck, node, keyword);
    struct pt_number number = compat_count(otherwise);

    return pt_json_exists(value) && pt_json_is_number(value) ? compat_number(value) : number;
}

/* At least `least` elements fit: a contains of the writer's says so, or all elements do. */
static bool has_enough(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *wanted, struct pt_number least)
{
    struct pt_number count;
    struct compat_set element;

    if (pt_number_compare(least, (struct pt_number){.kind = 'l'}) <= 0) {
        return true;
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;
        struct compat_node given =
            compat_child(ck, node, "contains", compat_keyword(ck, node, "contains"));
        struct compat_set set;

        if (!pt_json_exists(given.value) ||
            pt_number_compare(count_keyword(ck, node, "minContains", 1), least) < 0) {
            continue;
        }
        compat_set_init(&set, given);
        compat_set_add(ck, &set, given);
        if (compat_enter(ck, &set, wanted, true)) {
            return true;
        }
    }
    if (longest_prefix(ck, writer) > 0 || !compat_set_bound(ck, writer, "minItems", true, &count) ||
        pt_number_compare(count, least) < 0) {
        return false;
    }
    compat_set_element(ck, writer, 0, &element);
    return compat_enter(ck, &element, wanted, true);
}

static bool has_few(struct compat_checker *ck, const struct compat_set *writer,
                    const struct compat_node *wanted, struct pt_number most)
{
    struct pt_number count;
    struct compat_set element;
    struct compat_set set;

    if (compat_set_bound(ck, writer, "maxItems", false, &count) &&
        pt_number_compare(count, most) <= 0) {
        return true;
    }
    compat_set_init(&set, *wanted);
    compat_set_add(ck, &set, *wanted);
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;
        struct compat_node given =
            compat_child(ck, node, "contains", compat_keyword(ck, node, "contains"));

        if (pt_json_exists(given.value) &&
            pt_number_compare(count_keyword(ck, node, "maxContains", UINT64_MAX), most) <= 0 &&
            compat_enter(ck, &set, &given, true)) {
            return true;
        }
    }
    if (longest_prefix(ck, writer) > 0) {
        return false;
    }
    compat_set_element(ck, writer, 0, &element);
    compat_set_add_set(ck, &element, &set);
    return compat_set_is_empty(ck, &element);
}

static bool check_contains(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    struct compat_node wanted =
        compat_child(ck, reader, "contains", compat_keyword(ck, reader, "contains"));
    struct pt_number least = count_keyword(ck, reader, "minContains", 1);
    struct pt_number most = count_keyword(ck, reader, "maxContains", UINT64_MAX);
    bool has_given = compat_set_has(ck, writer, "contains");
    bool is_enough = false;
    bool is_few = false;

    if (!pt_json_exists(wanted.value)) {
        return true;
    }
    /* What follows is about the elements that fit, so that a default does not help. */
    ck->exactness++;
    is_enough = has_enough(ck, writer, &wanted, least);
    is_few = !pt_json_exists(compat_keyword(ck, reader, "maxContains")) ||
             has_few(ck, writer, &wanted, most);
    ck->exactness--;
    if (!is_enough) {
        bool has_least = pt_json_exists(compat_keyword(ck, reader, "minContains"));

        return compat_refuse(ck, writer, reader, has_least ? "/minContains" : "/contains",
                             !has_given                                  ? "CONTAINS_ADDED"
                             : !has_least                                ? "CONTAINS_CHANGED"
                             : compat_set_has(ck, writer, "minContains") ? "MIN_CONTAINS_INCREASED"
                                                                         : "MIN_CONTAINS_ADDED",
                             "arrays that the writer's schema takes may not contain enough");
    }
    return is_few ||
           compat_refuse(ck, writer, reader, "/maxContains",
                         compat_set_has(ck, writer, "maxContains") ? "MAX_CONTAINS_DECREASED"
                                                                   : "MAX_CONTAINS_ADDED",
                         "arrays that the writer's schema takes may contain too many");
}

static bool check_unique(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    struct pt_json wanted = compat_keyword(ck, reader, "uniqueItems");
    struct pt_number most;

    if (!pt_json_exists(wanted) || pt_json_type(wanted) != PT_JSON_BOOL || !pt_json_bool(wanted)) {
        return true;
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json given = compat_keyword(ck, &writer->items[i].node, "uniqueItems");

        if (pt_json_exists(given) && pt_json_type(given) == PT_JSON_BOOL && pt_json_bool(given)) {
            return true;
        }
    }
    if (compat_set_bound(ck, writer, "maxItems", false, &most) &&
        pt_number_compare(most, (struct pt_number){.kind = 'l', .as.i = 1}) <= 0) {
        return true;
    }
    return compat_refuse(ck, writer, reader, "/uniqueItems", "UNIQUE_ITEMS_ADDED",
                         "elements may be equal under the writer's schema, and may not be here");
}

bool compat_check_array(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader)
{
    uint64_t none = 0;
    uint64_t longest = longest_array(ck, writer, longest_prefix(ck, writer));
    bool is_fine = check_elements(ck, writer, reader);

    is_fine =
        compat_check_bound(ck, writer, reader, "minItems", "MIN_ITEMS", true, &none) && is_fine;
    is_fine = compat_check_bound(ck, writer, reader, "maxItems", "MAX_ITEMS", false,
                                 longest == NO_LIMIT ? NULL : &longest) &&
              is_fine;
    is_fine = check_contains(ck, writer, reader) && is_fine;
    return check_unique(ck, writer, reader) && is_fine;
}
