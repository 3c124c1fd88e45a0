/*
 * compat_combined.c - the reader's allOf, anyOf, oneOf, not, if and $ref
 */
#include "schema/compat_node.h"

/* ---- combined schemas ---------------------------------------------------------------------- */

struct pt_json compat_branches_of(struct compat_checker *ck, const struct compat_node *node,
                                  const char *keyword)
{
    struct pt_json list = compat_keyword(ck, node, keyword);

    return pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY ? list : (struct pt_json){0};
}

static bool check_all_of(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    struct pt_json list = compat_branches_of(ck, reader, "allOf");
    struct pt_json_iter it;
    uint32_t index = 0;
    bool is_fine = true;

    if (!pt_json_exists(list)) {
        return true;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        struct compat_node branch = compat_element(ck, reader, "allOf", index++, it.value);

        is_fine = compat_subset(ck, writer, &branch) && is_fine;
    }
    return is_fine;
}

static bool is_disjoint(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *other)
{
    struct compat_set meet;

    compat_set_init(&meet, writer->at);
    compat_set_add_set(ck, &meet, writer);
    compat_set_add(ck, &meet, *other);
    return compat_set_is_empty(ck, &meet);
}

/*
 * A value of a branch of the writer's oneOf is no value of the other branches: so it is none of
 * what they cover.
 */
static bool is_left_out(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *other)
{
    bool is_out = false;

    for (uint32_t i = 0; i < writer->count && !is_out; i++) {
        struct pt_json list = compat_branches_of(ck, &writer->items[i].node, "oneOf");
        struct pt_json_iter it;
        uint32_t index = 0;

        if (!pt_json_exists(list) || !writer->items[i].is_one_used) {
            continue;
        }
        it = pt_json_iterate(list);
        while (pt_json_next(&it) && !is_out) {
            struct compat_node branch =
                compat_element(ck, &writer->items[i].node, "oneOf", index, it.value);
            struct compat_set set;

            if (index++ == writer->items[i].one_branch) {
                continue;
            }
            compat_set_init(&set, *other);
            compat_set_add(ck, &set, *other);
            ck->exactness++;
            is_out = compat_subset_quietly(ck, &set, &branch);
            ck->exactness--;
        }
    }
    return is_out;
}

/* `skip`: the branch that takes the writer's values. */
static bool are_others_apart(struct compat_checker *ck, const struct compat_set *writer,
                             const struct compat_node *reader, struct pt_json list, uint32_t skip)
{
    struct pt_json_iter it = pt_json_iterate(list);
    uint32_t index = 0;

    while (pt_json_next(&it)) {
        struct compat_node branch = compat_element(ck, reader, "oneOf", index, it.value);

        if (index++ != skip && !is_disjoint(ck, writer, &branch) &&
            !is_left_out(ck, writer, &branch)) {
            return false;
        }
    }
    return true;
}

static bool fits_a_branch(struct compat_checker *ck, const struct compat_set *writer,
                          const struct compat_node *reader, const char *keyword,
                          struct pt_json list)
{
    bool is_one = keyword[0] == 'o';
    struct pt_json_iter it = pt_json_iterate(list);
    uint32_t index = 0;

    while (pt_json_next(&it)) {
        struct compat_node branch = compat_element(ck, reader, keyword, index, it.value);

        if (compat_subset_quietly(ck, writer, &branch) &&
            (!is_one || are_others_apart(ck, writer, reader, list, index))) {
            return true;
        }
        index++;
    }
    return false;
}

static const char *branches_kind(struct compat_checker *ck, const struct compat_set *writer,
                                 const char *keyword, uint32_t count)
{
    static const char *const keywords[] = {"anyOf", "oneOf", "allOf"};

    for (uint32_t i = 0; i < writer->count; i++) {
        for (size_t k = 0; k < sizeof(keywords) / sizeof(keywords[0]); k++) {
            struct pt_json list = compat_branches_of(ck, &writer->items[i].node, keywords[k]);

            if (!pt_json_exists(list)) {
                continue;
            }
            if (strcmp(keywords[k], keyword) != 0 && keyword[0] == 'o') {
                return "COMBINED_TYPE_CHANGED";
            }
            return pt_json_count(list) > count ? "SUM_TYPE_NARROWED"
                                               : "COMBINED_TYPE_SUBSCHEMAS_CHANGED";
        }
    }
    return "COMBINED_TYPE_SUBSCHEMAS_CHANGED";
}

static bool check_branches(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader, const char *keyword)
{
    struct pt_json list = compat_branches_of(ck, reader, keyword);
    bool is_fine = true;

    if (!pt_json_exists(list)) {
        return true;
    }
    if (fits_a_branch(ck, writer, reader, keyword, list)) {
        return true;
    }
    /* Type by type: ["string", "null"] against a branch for each. */
    for (unsigned bit = 1; bit <= COMPAT_OBJECT && is_fine; bit <<= 1) {
        struct compat_set part = *writer;

        part.types = (uint8_t)(writer->types & bit);
        if (bit == COMPAT_FRACTION || !(writer->types & bit)) {
            continue;
        }
        if (bit == COMPAT_INTEGER) {
            part.types = writer->types & (COMPAT_INTEGER | COMPAT_FRACTION);
        }
        part.is_split = true;
        is_fine = part.types != writer->types && fits_a_branch(ck, &part, reader, keyword, list);
    }
    if (is_fine) {
        return true;
    }
    if (pt_json_count(list) == 1 && ck->trials == 0) {
        struct compat_node only = compat_element(ck, reader, keyword, 0, pt_json_element(list, 0));

        return compat_subset(ck, writer, &only);
    }
    return compat_refuse(
        ck, writer, reader, "", branches_kind(ck, writer, keyword, pt_json_count(list)),
        keyword[0] == 'o' ? "some of what the writer's schema takes may fit no branch of oneOf, "
                            "or more than one"
                          : "some of what the writer's schema takes may fit no branch of %s",
        keyword);
}

static bool check_not(struct compat_checker *ck, const struct compat_set *writer,
                      const struct compat_node *reader)
{
    struct pt_json refused = compat_keyword(ck, reader, "not");
    struct compat_node node;
    struct compat_set set;
    const char *kind = "NOT_TYPE_EXTENDED";
    bool is_fine = false;

    if (!pt_json_exists(refused)) {
        return true;
    }
    node = compat_child(ck, reader, "not", refused);
    compat_set_init(&set, node);
    compat_set_add(ck, &set, node);
    ck->exactness++;
    for (uint32_t i = 0; i < writer->count && !is_fine; i++) {
        struct pt_json given = compat_keyword(ck, &writer->items[i].node, "not");
        struct compat_node other;

        if (pt_json_exists(given)) {
            other = compat_child(ck, &writer->items[i].node, "not", given);
            is_fine = compat_subset_quietly(ck, &set, &other);
        }
    }
    is_fine = is_fine || is_disjoint(ck, writer, &node);
    ck->exactness--;
    return is_fine || compat_refuse(ck, writer, reader, "/not", kind,
                                    "the writer's schema may take what is refused here");
}

static bool is_subset_with(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *more, const struct compat_node *reader)
{
    struct compat_set set;

    compat_set_init(&set, writer->at);
    compat_set_add_set(ck, &set, writer);
    compat_set_add(ck, &set, *more);
    set.is_split = true;
    return compat_subset_quietly(ck, &set, reader);
}

/* The reader's `if` is one of the writer's: then `then` and `else` are asked with it. */
static bool follows_by_condition(struct compat_checker *ck, const struct compat_set *writer,
                                 const struct compat_node *condition,
                                 const struct compat_node *then,
                                 const struct compat_node *otherwise)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct compat_node *node = &writer->items[i].node;
        struct compat_node mine = compat_child(ck, node, "if", compat_keyword(ck, node, "if"));
        struct compat_node my_then;
        struct compat_node my_else;

        if (!pt_json_exists(mine.value) || !compat_schema_equal(ck, &mine, condition)) {
            continue;
        }
        my_then = compat_child(ck, node, "then", compat_keyword(ck, node, "then"));
        my_else = compat_child(ck, node, "else", compat_keyword(ck, node, "else"));
        if (is_subset_with(ck, writer, &my_then, then) &&
            is_subset_with(ck, writer, &my_else, otherwise)) {
            return true;
        }
    }
    return false;
}

static bool check_condition(struct compat_checker *ck, const struct compat_set *writer,
                            const struct compat_node *reader)
{
    struct compat_node condition = compat_child(ck, reader, "if", compat_keyword(ck, reader, "if"));
    struct compat_node then = compat_child(ck, reader, "then", compat_keyword(ck, reader, "then"));
    struct compat_node otherwise =
        compat_child(ck, reader, "else", compat_keyword(ck, reader, "else"));
    bool is_apart = false;

    if (!pt_json_exists(condition.value)) {
        return true;
    }
    ck->exactness++;
    is_apart = is_disjoint(ck, writer, &condition);
    ck->exactness--;
    if ((is_apart || is_subset_with(ck, writer, &condition, &then)) &&
        compat_subset_quietly(ck, writer, &otherwise)) {
        return true;
    }
    if (follows_by_condition(ck, writer, &condition, &then, &otherwise)) {
        return true;
    }
    ck->exactness++;
    is_apart = compat_subset_quietly(ck, writer, &condition);
    ck->exactness--;
    if (is_apart && compat_subset_quietly(ck, writer, &then)) {
        return true;
    }
    return compat_refuse(ck, writer, reader, "/if", "CONDITION_CHANGED",
                         "what the writer's schema takes may fail this condition's then or else");
}

bool compat_check_reference(struct compat_checker *ck, const struct compat_set *writer,
                            const struct compat_node *reader)
{
    struct compat_node target;

    if (pt_json_exists(compat_keyword(ck, reader, "$dynamicRef"))) {
        return compat_refuse(ck, writer, reader, "/$dynamicRef", "REFERENCE_NOT_FOLLOWED",
                             "where a $dynamicRef leads depends on the value: nothing can be "
                             "proven of it");
    }
    if (!pt_json_exists(compat_keyword(ck, reader, "$ref"))) {
        return true;
    }
    if (!compat_follow(ck, reader, &target)) {
        return compat_refuse(ck, writer, reader, "/$ref", "REFERENCE_NOT_FOLLOWED",
                             "this $ref leads to nothing that is known");
    }
    return compat_subset(ck, writer, &target);
}

bool compat_check_combined(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    bool is_fine = check_all_of(ck, writer, reader);

    is_fine = check_branches(ck, writer, reader, "anyOf") && is_fine;
    is_fine = check_branches(ck, writer, reader, "oneOf") && is_fine;
    is_fine = check_not(ck, writer, reader) && is_fine;
    return check_condition(ck, writer, reader) && is_fine;
}
