/*
 * compat_object.c - what a reader asks of an object, against what a writer promises
 *
 * Names fall into three kinds: those that either schema spells out, those that a pattern of the
 * writer's matches, and all others. For each kind the set of what the writer asks of such a member
 * is held against each schema that the reader has for it.
 */
#include "schema/compat_node.h"

#include <stdio.h>

static struct pt_json map_of(struct compat_checker *ck, const struct compat_node *node,
                             const char *keyword)
{
    struct pt_json map = compat_keyword(ck, node, keyword);

    return pt_json_exists(map) && pt_json_type(map) == PT_JSON_OBJECT ? map : (struct pt_json){0};
}

static struct pt_json list_of(struct compat_checker *ck, const struct compat_node *node,
                              const char *keyword)
{
    struct pt_json list = compat_keyword(ck, node, keyword);

    return pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY ? list : (struct pt_json){0};
}

/* Whether the writer's own schemas have the name among their properties. */
static bool is_spelt_out(struct compat_checker *ck, const struct compat_set *writer,
                         struct pt_span key)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        if (pt_json_exists(
                compat_find(ck, map_of(ck, &writer->items[i].node, "properties"), key))) {
            return true;
        }
    }
    return false;
}

static bool is_required(struct compat_checker *ck, const struct compat_node *reader,
                        struct pt_span key)
{
    struct pt_json list = list_of(ck, reader, "required");
    struct pt_json_iter it;

    if (!pt_json_exists(list)) {
        return false;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        if (pt_json_type(it.value) == PT_JSON_STRING &&
            pt_span_equal(pt_json_string(it.value), key)) {
            return true;
        }
    }
    return false;
}

static bool has_default(struct compat_checker *ck, const struct compat_node *reader,
                        struct pt_span key)
{
    struct compat_node node = compat_member(ck, reader, "properties", key,
                                            compat_find(ck, map_of(ck, reader, "properties"), key));
    struct compat_node target;

    for (int hops = 0; hops < 8; hops++) {
        if (!pt_json_exists(node.value) || pt_json_type(node.value) != PT_JSON_OBJECT) {
            return false;
        }
        if (pt_json_exists(compat_find(ck, node.value, pt_span_str("default")))) {
            return true;
        }
        if (!compat_follow(ck, &node, &target)) {
            return false;
        }
        node = target;
    }
    return false;
}

/* ---- one name --------------------------------------------------------------------- */

/* The reader spells the name out and the writer does not. */
static bool check_added(struct compat_checker *ck, const struct compat_set *member,
                        const struct compat_node *reader, const struct compat_node *wanted,
                        struct pt_span key)
{
    const char *kind = "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL";

    if (compat_enter(ck, member, wanted, true)) {
        return true;
    }
    if (member->count > 0 && ck->is_lenient) {
        return compat_enter(ck, member, wanted,
                            false); /* openness is forgiven, another type is not */
    }
    if (member->count == 0) {
        kind = !is_required(ck, reader, key) ? "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
               : has_default(ck, reader, key)
                   ? "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL"
                   : "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL";
    }
    return compat_refuse(ck, member, wanted, "", kind,
                         member->count == 0
                             ? "the writer's schema lets any \"%.*s\" through, this one does not"
                             : "what the writer's schema lets through as \"%.*s\" does not fit",
                         PT_SPAN_ARG(key));
}

/* The writer spells the name out and the reader does not. */
static bool check_removed(struct compat_checker *ck, const struct compat_set *member,
                          const struct compat_node *wanted, struct pt_span key)
{
    const char *kind = compat_is_false(wanted)
                           ? "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"
                           : "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL";

    if (ck->is_lenient && !compat_is_false(wanted)) {
        return compat_enter(ck, member, wanted, false);
    }
    return compat_enter(ck, member, wanted, true) ||
           compat_refuse(ck, member, wanted, "", kind,
                         "\"%.*s\" is no property here any more, and what is taken in its place "
                         "does not fit",
                         PT_SPAN_ARG(key));
}

/* Every schema that the reader has for this name. */
static bool check_name(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader, struct pt_span key, bool is_mine)
{
    struct pt_json property = compat_find(ck, map_of(ck, reader, "properties"), key);
    struct pt_json patterns = map_of(ck, reader, "patternProperties");
    struct pt_json additional = compat_keyword(ck, reader, "additionalProperties");
    struct pt_json unevaluated = compat_keyword(ck, reader, "unevaluatedProperties");
    struct compat_set member;
    struct compat_node wanted;
    bool is_known = pt_json_exists(property);
    bool is_fine = true;

    compat_set_member(ck, writer, key, &member);
    if (is_known) {
        wanted = compat_member(ck, reader, "properties", key, property);
        is_fine = is_mine ? compat_enter(ck, &member, &wanted, false)
                          : check_added(ck, &member, reader, &wanted, key);
    }
    if (pt_json_exists(patterns)) {
        struct pt_json_iter it = pt_json_iterate(patterns);

        while (pt_json_next(&it)) {
            enum compat_answer match = compat_matches(ck, it.key, key);

            if (match != COMPAT_NO) {
                wanted = compat_member(ck, reader, "patternProperties", it.key, it.value);
                is_fine = check_removed(ck, &member, &wanted, key) && is_fine;
            }
            /* A match that is not certain: what is behind it is asked, too. */
            is_known = is_known || match == COMPAT_YES;
        }
    }
    if (!is_known && pt_json_exists(additional)) {
        wanted = compat_child(ck, reader, "additionalProperties", additional);
        is_fine = check_removed(ck, &member, &wanted, key) && is_fine;
    }
    if (!is_known && pt_json_exists(unevaluated) &&
        compat_looks_at(ck, reader, key) != COMPAT_YES) {
        wanted = compat_child(ck, reader, "unevaluatedProperties", unevaluated);
        is_fine = check_removed(ck, &member, &wanted, key) && is_fine;
    }
    return is_fine;
}

static bool check_names(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader)
{
    struct pt_json properties = map_of(ck, reader, "properties");
    struct pt_json_iter it;
    bool is_fine = true;

    if (pt_json_exists(properties)) {
        it = pt_json_iterate(properties);
        while (pt_json_next(&it)) {
            is_fine =
                check_name(ck, writer, reader, it.key, is_spelt_out(ck, writer, it.key)) && is_fine;
        }
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json mine = map_of(ck, &writer->items[i].node, "properties");

        if (!pt_json_exists(mine)) {
            continue;
        }
        it = pt_json_iterate(mine);
        while (pt_json_next(&it)) {
            if (!pt_json_exists(compat_find(ck, properties, it.key))) {
                is_fine = check_name(ck, writer, reader, it.key, true) && is_fine;
            }
        }
    }
    return is_fine;
}

/* ---- names that a pattern of the writer's matches ------------------------------------- */

static void add_pattern(struct compat_checker *ck, const struct compat_set *writer,
                        struct pt_span pattern, struct compat_set *out)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;
        struct pt_json found = compat_find(ck, map_of(ck, node, "patternProperties"), pattern);

        if (pt_json_exists(found)) {
            compat_set_add(ck, out, compat_member(ck, node, "patternProperties", pattern, found));
        }
    }
}

static bool check_pattern(struct compat_checker *ck, const struct compat_set *writer,
                          const struct compat_node *reader, struct pt_span pattern)
{
    struct pt_json patterns = map_of(ck, reader, "patternProperties");
    struct pt_json additional = compat_keyword(ck, reader, "additionalProperties");
    struct pt_json unevaluated = compat_keyword(ck, reader, "unevaluatedProperties");
    bool is_covered = pt_json_exists(compat_find(ck, patterns, pattern));
    struct compat_set member;
    struct compat_node wanted;
    bool is_fine = true;

    compat_set_init(&member, writer->at);
    add_pattern(ck, writer, pattern, &member);
    member.is_split = true;
    if (pt_json_exists(patterns)) {
        struct pt_json_iter it = pt_json_iterate(patterns);

        while (pt_json_next(&it)) {
            struct compat_set meet = member;

            /* A name that both match is held to both, where the writer has both. */
            if (!pt_span_equal(it.key, pattern)) {
                compat_set_init(&meet, writer->at);
                compat_set_add_set(ck, &meet, &member);
                add_pattern(ck, writer, it.key, &meet);
                meet.is_split = true;
            }
            wanted = compat_member(ck, reader, "patternProperties", it.key, it.value);
            is_fine = compat_enter(ck, &meet, &wanted, false) && is_fine;
        }
    }
    if (!is_covered && pt_json_exists(additional)) {
        wanted = compat_child(ck, reader, "additionalProperties", additional);
        is_fine = check_removed(ck, &member, &wanted, pattern) && is_fine;
    }
    if (!is_covered && !pt_json_exists(additional) && pt_json_exists(unevaluated)) {
        wanted = compat_child(ck, reader, "unevaluatedProperties", unevaluated);
        is_fine = check_removed(ck, &member, &wanted, pattern) && is_fine;
    }
    return is_fine;
}

static bool has_pattern(struct compat_checker *ck, const struct compat_set *writer,
                        struct pt_span pattern, uint32_t before)
{
    for (uint32_t i = 0; i < before; i++) {
        if (pt_json_exists(compat_find(ck, map_of(ck, &writer->items[i].node, "patternProperties"),
                                       pattern))) {
            return true;
        }
    }
    return false;
}

static bool check_patterns(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    bool is_fine = true;

    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json mine = map_of(ck, &writer->items[i].node, "patternProperties");
        struct pt_json_iter it;

        if (!pt_json_exists(mine)) {
            continue;
        }
        it = pt_json_iterate(mine);
        while (pt_json_next(&it)) {
            if (!has_pattern(ck, writer, it.key, i)) {
                is_fine = check_pattern(ck, writer, reader, it.key) && is_fine;
            }
        }
    }
    return is_fine;
}

/* ---- all other names ------------------------------------------------------------------- */

static bool check_rest(struct compat_checker *ck, const struct compat_set *rest,
                       const struct compat_node *wanted, const char *removed, const char *narrowed)
{
    if (rest->count > 0 && !compat_is_false(wanted)) {
        return compat_enter(ck, rest, wanted, false);
    }
    return compat_enter(ck, rest, wanted, true) ||
           compat_refuse(ck, rest, wanted, "", compat_is_false(wanted) ? removed : narrowed,
                         compat_is_false(wanted)
                             ? "properties that nobody names were taken, and are refused here"
                             : "any property that nobody names was taken, and only some are here");
}

static bool check_others(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    struct pt_json patterns = map_of(ck, reader, "patternProperties");
    struct pt_json additional = compat_keyword(ck, reader, "additionalProperties");
    struct pt_json unevaluated = compat_keyword(ck, reader, "unevaluatedProperties");
    struct pt_span nobody = {0};
    struct compat_set rest;
    struct compat_node wanted;
    bool is_fine = true;

    compat_set_member(ck, writer, nobody, &rest);
    if (rest.is_false) {
        return true;
    }
    if (pt_json_exists(patterns)) {
        struct pt_json_iter it = pt_json_iterate(patterns);

        while (pt_json_next(&it)) {
            if (!has_pattern(ck, writer, it.key, writer->count)) {
                wanted = compat_member(ck, reader, "patternProperties", it.key, it.value);
                is_fine = check_rest(ck, &rest, &wanted, "PATTERN_PROPERTY_ADDED",
                                     "PATTERN_PROPERTY_ADDED") &&
                          is_fine;
            }
        }
    }
    if (pt_json_exists(additional)) {
        wanted = compat_child(ck, reader, "additionalProperties", additional);
        return check_rest(ck, &rest, &wanted, "ADDITIONAL_PROPERTIES_REMOVED",
                          "ADDITIONAL_PROPERTIES_NARROWED") &&
               is_fine;
    }
    if (pt_json_exists(unevaluated) && compat_looks_at(ck, reader, nobody) != COMPAT_YES) {
        wanted = compat_child(ck, reader, "unevaluatedProperties", unevaluated);
        return check_rest(ck, &rest, &wanted, "UNEVALUATED_PROPERTIES_REMOVED",
                          "UNEVALUATED_PROPERTIES_NARROWED") &&
               is_fine;
    }
    return is_fine;
}

/* ---- required, dependencies, names, counts ---------------------------------------------- */

static bool check_required_name(struct compat_checker *ck, const struct compat_set *writer,
                                const struct compat_node *reader, struct pt_span key,
                                uint32_t index)
{
    struct pt_json property = compat_find(ck, map_of(ck, reader, "properties"), key);
    const char *kind = "REQUIRED_ATTRIBUTE_ADDED";
    struct compat_set member;
    char more[32];

    if (compat_set_requires(ck, writer, key) ||
        (ck->exactness == 0 && has_default(ck, reader, key))) {
        return true;
    }
    snprintf(more, sizeof(more), "/required/%u", index);
    if (pt_json_exists(property) && !is_spelt_out(ck, writer, key)) {
        compat_set_member(ck, writer, key, &member);
        kind = member.count == 0 && !member.is_false
                   ? "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
                   : "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL";
    }
    return compat_refuse(ck, writer, reader, more, kind,
                         "\"%.*s\" is required, without a default, and was not", PT_SPAN_ARG(key));
}

static bool check_required(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    struct pt_json list = list_of(ck, reader, "required");
    bool is_fine = true;
    uint32_t index = 0;
    struct pt_json_iter it;

    if (!pt_json_exists(list)) {
        return true;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        if (pt_json_type(it.value) == PT_JSON_STRING) {
            is_fine =
                check_required_name(ck, writer, reader, pt_json_string(it.value), index) && is_fine;
        }
        index++;
    }
    return is_fine;
}

/* Whether no object of the writer's has this member at all. */
static bool is_forbidden(struct compat_checker *ck, const struct compat_set *writer,
                         struct pt_span key)
{
    struct compat_set member;

    compat_set_member(ck, writer, key, &member);
    return member.is_false;
}

/* What the writer asks for where the member `key` is there, under either draft's keyword. */
static struct pt_json dependency_of(struct compat_checker *ck, const struct compat_node *node,
                                    struct pt_span key, bool is_list, const char **keyword_out)
{
    const char *const keywords[] = {is_list ? "dependentRequired" : "dependentSchemas",
                                    "dependencies"};

    for (size_t i = 0; i < 2; i++) {
        struct pt_json found = compat_find(ck, map_of(ck, node, keywords[i]), key);

        if (pt_json_exists(found) && (pt_json_type(found) == PT_JSON_ARRAY) == is_list) {
            *keyword_out = keywords[i];
            return found;
        }
    }
    return (struct pt_json){0};
}

static bool is_among(struct pt_json list, struct pt_span word)
{
    struct pt_json_iter it = pt_json_iterate(list);

    while (pt_json_next(&it)) {
        if (pt_json_type(it.value) == PT_JSON_STRING &&
            pt_span_equal(pt_json_string(it.value), word)) {
            return true;
        }
    }
    return false;
}

static bool needs_already(struct compat_checker *ck, const struct compat_set *writer,
                          struct pt_span key, struct pt_span word, bool *has_list_out)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        const char *keyword = NULL;
        struct pt_json given = dependency_of(ck, &writer->items[i].node, key, true, &keyword);

        *has_list_out = *has_list_out || pt_json_exists(given);
        if (pt_json_exists(given) && is_among(given, word)) {
            return true;
        }
    }
    return compat_set_requires(ck, writer, word);
}

static bool check_dependent_list(struct compat_checker *ck, const struct compat_set *writer,
                                 const struct compat_node *reader, const char *more,
                                 struct pt_span key, struct pt_json list)
{
    struct pt_json_iter it = pt_json_iterate(list);

    while (pt_json_next(&it)) {
        bool has_list = false;

        if (pt_json_type(it.value) != PT_JSON_STRING || !compat_spend(ck, 4) ||
            needs_already(ck, writer, key, pt_json_string(it.value), &has_list)) {
            continue;
        }
        return compat_refuse(ck, writer, reader, more,
                             has_list ? "DEPENDENCY_ARRAY_EXTENDED" : "DEPENDENCY_ARRAY_ADDED",
                             "\"%.*s\" is required where \"%.*s\" is there, and was not",
                             PT_SPAN_ARG(pt_json_string(it.value)), PT_SPAN_ARG(key));
    }
    return true;
}

static bool check_dependent_schema(struct compat_checker *ck, const struct compat_set *writer,
                                   const struct compat_node *reader, const char *more,
                                   const struct compat_node *wanted, struct pt_span key)
{
    struct compat_set with;

    compat_set_init(&with, writer->at);
    compat_set_add_set(ck, &with, writer);
    for (uint32_t i = 0; i < writer->count; i++) {
        const char *keyword = NULL;
        struct pt_json given = dependency_of(ck, &writer->items[i].node, key, false, &keyword);

        if (pt_json_exists(given)) {
            compat_set_add(ck, &with,
                           compat_member(ck, &writer->items[i].node, keyword, key, given));
        }
    }
    with.is_split = true;
    return compat_subset_quietly(ck, &with, wanted) ||
           compat_refuse(ck, writer, reader, more, "DEPENDENCY_SCHEMA_ADDED",
                         "more is asked for where \"%.*s\" is there than was", PT_SPAN_ARG(key));
}

static bool check_dependencies(struct compat_checker *ck, const struct compat_set *writer,
                               const struct compat_node *reader, const char *keyword)
{
    struct pt_json map = map_of(ck, reader, keyword);
    bool is_fine = true;
    struct pt_json_iter it;

    if (!pt_json_exists(map)) {
        return true;
    }
    it = pt_json_iterate(map);
    while (pt_json_next(&it)) {
        char more[160];

        snprintf(more, sizeof(more), "/%s/%.*s", keyword, PT_SPAN_ARG(it.key));
        if (is_forbidden(ck, writer, it.key)) {
            continue;
        }
        if (pt_json_type(it.value) == PT_JSON_ARRAY) {
            is_fine = check_dependent_list(ck, writer, reader, more, it.key, it.value) && is_fine;
        } else {
            struct compat_node wanted = compat_member(ck, reader, keyword, it.key, it.value);

            is_fine = check_dependent_schema(ck, writer, reader, more, &wanted, it.key) && is_fine;
        }
    }
    return is_fine;
}

/* True: there is no other name than those spelt out, all of which the schema takes. */
static bool are_names_known(struct compat_checker *ck, const struct compat_set *writer,
                            const struct compat_node *names)
{
    struct compat_set rest;

    compat_set_member(ck, writer, (struct pt_span){0}, &rest);
    if (!rest.is_false) {
        return false;
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;
        struct pt_json properties = map_of(ck, node, "properties");
        struct pt_json_iter it;

        if (pt_json_exists(compat_keyword(ck, node, "patternProperties"))) {
            return false;
        }
        if (!pt_json_exists(properties)) {
            continue;
        }
        it = pt_json_iterate(properties);
        while (pt_json_next(&it)) {
            if (!is_forbidden(ck, writer, it.key) &&
                compat_evaluate_text(ck, it.key, names) != COMPAT_YES) {
                return false;
            }
        }
    }
    return true;
}

static bool check_property_names(struct compat_checker *ck, const struct compat_set *writer,
                                 const struct compat_node *reader)
{
    struct compat_node wanted =
        compat_child(ck, reader, "propertyNames", compat_keyword(ck, reader, "propertyNames"));
    struct compat_set names;

    if (!pt_json_exists(wanted.value)) {
        return true;
    }
    compat_set_init(&names, writer->at);
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;

        compat_set_add(
            ck, &names,
            compat_child(ck, node, "propertyNames", compat_keyword(ck, node, "propertyNames")));
    }
    names.types &= COMPAT_STRING;
    names.is_split = true;
    return compat_enter(ck, &names, &wanted, true) || are_names_known(ck, writer, &wanted) ||
           compat_refuse(ck, writer, reader, "/propertyNames",
                         compat_set_has(ck, writer, "propertyNames") ? "PROPERTY_NAMES_CHANGED"
                                                                     : "PROPERTY_NAMES_ADDED",
                         "names that the writer's schema takes may be refused here");
}

/* How many members there are at least, and at most where the objects are closed. */
static uint64_t least_members(struct compat_checker *ck, const struct compat_set *writer)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json list = list_of(ck, &writer->items[i].node, "required");
        uint64_t count = pt_json_exists(list) ? pt_json_count(list) : 0;

        most = count > most ? count : most;
    }
    return most;
}

static bool count_closed(struct compat_checker *ck, const struct compat_set *writer,
                         uint64_t *count_out)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;
        struct compat_node additional = compat_child(
            ck, node, "additionalProperties", compat_keyword(ck, node, "additionalProperties"));
        struct pt_json properties = map_of(ck, node, "properties");

        if (compat_is_false(&additional) &&
            !pt_json_exists(compat_keyword(ck, node, "patternProperties"))) {
            *count_out = pt_json_exists(properties) ? pt_json_count(properties) : 0;
            return true;
        }
    }
    return false;
}

bool compat_check_object(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    uint64_t least = least_members(ck, writer);
    uint64_t most = 0;
    bool is_closed = count_closed(ck, writer, &most);
    bool is_fine = check_names(ck, writer, reader);

    is_fine = check_patterns(ck, writer, reader) && is_fine;
    is_fine = check_others(ck, writer, reader) && is_fine;
    is_fine = check_required(ck, writer, reader) && is_fine;
    is_fine = check_dependencies(ck, writer, reader, "dependencies") && is_fine;
    is_fine = check_dependencies(ck, writer, reader, "dependentRequired") && is_fine;
    is_fine = check_dependencies(ck, writer, reader, "dependentSchemas") && is_fine;
    is_fine = check_property_names(ck, writer, reader) && is_fine;
    is_fine =
        compat_check_bound(ck, writer, reader, "minProperties", "MIN_PROPERTIES", true, &least) &&
        is_fine;
    return compat_check_bound(ck, writer, reader, "maxProperties", "MAX_PROPERTIES", false,
                              is_closed ? &most : NULL) &&
           is_fine;
}
