/*
 * compat_value.c - bounds, numbers, strings, types and constants, of writer's set and reader
 *
 * Each compat_check_*() says whether what the reader's schema asks of one kind of value follows
 * from the writer's set, and refuses with the reason where it does not.
 */
#include "schema/compat_node.h"

#include "schema/format.h"

#include <stdio.h>

/* ---- bounds ------------------------------------------------------------------------ */

static void number_text(struct pt_number number, char text[40])
{
    if (number.kind == 'l') {
        snprintf(text, 40, "%lld", (long long)number.as.i);
    } else if (number.kind == 'u') {
        snprintf(text, 40, "%llu", (unsigned long long)number.as.u);
    } else {
        text[pt_double_format(text, number.as.d)] = '\0';
    }
}

static const char *bound_kind(const char *kind, bool is_added, bool is_lower)
{
    static const struct {
        const char *kind;
        const char *added;
        const char *changed;
    } table[] = {
        {"MINIMUM", "MINIMUM_ADDED", "MINIMUM_INCREASED"},
        {"MAXIMUM", "MAXIMUM_ADDED", "MAXIMUM_DECREASED"},
        {"EXCLUSIVE_MINIMUM", "EXCLUSIVE_MINIMUM_ADDED", "EXCLUSIVE_MINIMUM_INCREASED"},
        {"EXCLUSIVE_MAXIMUM", "EXCLUSIVE_MAXIMUM_ADDED", "EXCLUSIVE_MAXIMUM_DECREASED"},
        {"MIN_LENGTH", "MIN_LENGTH_ADDED", "MIN_LENGTH_INCREASED"},
        {"MAX_LENGTH", "MAX_LENGTH_ADDED", "MAX_LENGTH_DECREASED"},
        {"MIN_ITEMS", "MIN_ITEMS_ADDED", "MIN_ITEMS_INCREASED"},
        {"MAX_ITEMS", "MAX_ITEMS_ADDED", "MAX_ITEMS_DECREASED"},
        {"MIN_PROPERTIES", "MIN_PROPERTIES_ADDED", "MIN_PROPERTIES_INCREASED"},
        {"MAX_PROPERTIES", "MAX_PROPERTIES_ADDED", "MAX_PROPERTIES_DECREASED"},
        {"MIN_CONTAINS", "MIN_CONTAINS_ADDED", "MIN_CONTAINS_INCREASED"},
        {"MAX_CONTAINS", "MAX_CONTAINS_ADDED", "MAX_CONTAINS_DECREASED"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].kind, kind) == 0) {
            return is_added ? table[i].added : table[i].changed;
        }
    }
    return is_lower ? "MINIMUM_INCREASED" : "MAXIMUM_DECREASED";
}

bool compat_check_bound(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader, const char *keyword, const char *kind,
                        bool is_lower, uint64_t *implied)
{
    struct pt_json value = compat_keyword(ck, reader, keyword);
    struct pt_number wanted;
    struct pt_number given;
    bool has_given = false;
    char more[40];
    char text[40];
    char was[40];

    if (!pt_json_exists(value) || !pt_json_is_number(value)) {
        return true;
    }
    wanted = compat_number(value);
    has_given = compat_set_bound(ck, writer, keyword, is_lower, &given);
    if (has_given && (is_lower ? pt_number_compare(given, wanted) >= 0
                               : pt_number_compare(given, wanted) <= 0)) {
        return true;
    }
    if (implied) {
        struct pt_number count = compat_count(*implied);

        if (is_lower ? pt_number_compare(count, wanted) >= 0
                     : pt_number_compare(count, wanted) <= 0) {
            return true;
        }
    }
    snprintf(more, sizeof(more), "/%s", keyword);
    number_text(wanted, text);
    if (!has_given) {
        return compat_refuse(ck, writer, reader, more, bound_kind(kind, true, is_lower),
                             "%s %s is asked for, and the writer's schema has no such bound",
                             keyword, text);
    }
    number_text(given, was);
    return compat_refuse(ck, writer, reader, more, bound_kind(kind, false, is_lower),
                         "%s goes from %s to %s", keyword, was, text);
}

/* ---- numbers ------------------------------------------------------------------------- */

struct edge {
    struct pt_number at;
    bool is_exclusive;
    bool exists;
};

/* Among integers, > 4 is >= 5 and >= 4.5 is >= 5. */
static void to_integer(struct edge *edge, bool is_lower)
{
    const double exact_max = 9007199254740992.0;
    int64_t step = 0;

    if (!edge->exists) {
        return;
    }
    if (edge->at.kind == 'd') {
        double value = edge->at.as.d;
        int64_t whole = 0;

        if (!(value > -exact_max && value < exact_max)) {
            return;
        }
        whole = (int64_t)value;
        if ((double)whole != value) {
            whole += is_lower ? (value > 0 ? 1 : 0) : (value < 0 ? -1 : 0);
            edge->is_exclusive = false;
        }
        edge->at = (struct pt_number){.kind = 'l', .as.i = whole};
    }
    step = is_lower ? 1 : -1;
    if (edge->is_exclusive && edge->at.kind == 'l' && edge->at.as.i < INT64_MAX &&
        edge->at.as.i > INT64_MIN) {
        edge->at.as.i += step;
        edge->is_exclusive = false;
    }
}

/* The tighter of the plain and the exclusive bound. */
static struct edge edge_of(struct compat_checker *ck, const struct compat_set *set, bool is_lower)
{
    struct edge plain = {0};
    struct edge strict = {.is_exclusive = true};

    plain.exists = compat_set_bound(ck, set, is_lower ? "minimum" : "maximum", is_lower, &plain.at);
    strict.exists = compat_set_bound(ck, set, is_lower ? "exclusiveMinimum" : "exclusiveMaximum",
                                     is_lower, &strict.at);
    if (plain.exists && strict.exists) {
        int order = pt_number_compare(strict.at, plain.at);

        return order == 0 || (is_lower ? order > 0 : order < 0) ? strict : plain;
    }
    return plain.exists ? plain : strict;
}

static bool check_edge(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader, bool is_lower, bool is_exclusive)
{
    static const char *const keywords[2][2] = {{"maximum", "exclusiveMaximum"},
                                               {"minimum", "exclusiveMinimum"}};
    static const char *const kinds[2][2] = {{"MAXIMUM", "EXCLUSIVE_MAXIMUM"},
                                            {"MINIMUM", "EXCLUSIVE_MINIMUM"}};
    const char *keyword = keywords[is_lower][is_exclusive];
    struct pt_json value = compat_keyword(ck, reader, keyword);
    struct edge given = edge_of(ck, writer, is_lower);
    struct edge wanted = {.is_exclusive = is_exclusive, .exists = true};
    struct pt_number same;
    bool has_same = false;
    int order = 0;
    char more[40];
    char text[40];

    if (!pt_json_exists(value) || !pt_json_is_number(value)) {
        return true;
    }
    wanted.at = compat_number(value);
    number_text(wanted.at, text);
    if (!(writer->types & COMPAT_FRACTION)) {
        to_integer(&given, is_lower);
        to_integer(&wanted, is_lower);
    }
    if (given.exists) {
        order = pt_number_compare(given.at, wanted.at) * (is_lower ? 1 : -1);
        if (order > 0 || (order == 0 && (given.is_exclusive || !wanted.is_exclusive))) {
            return true;
        }
    }
    has_same = compat_set_bound(ck, writer, keyword, is_lower, &same);
    snprintf(more, sizeof(more), "/%s", keyword);
    return compat_refuse(
        ck, writer, reader, more, bound_kind(kinds[is_lower][is_exclusive], !has_same, is_lower),
        "numbers that the writer's schema takes are outside of %s %s", keyword, text);
}

static bool check_multiple(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    static const struct pt_number one = {.kind = 'l', .as.i = 1};
    struct pt_json value = compat_keyword(ck, reader, "multipleOf");
    struct pt_number wanted;
    const char *kind = "MULTIPLE_OF_ADDED";

    if (!pt_json_exists(value) || !pt_json_is_number(value) || pt_json_double(value) <= 0) {
        return true;
    }
    wanted = compat_number(value);
    if (!(writer->types & COMPAT_FRACTION) && pt_number_is_multiple(one, wanted)) {
        return true;
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json given = compat_keyword(ck, &writer->items[i].node, "multipleOf");

        if (!pt_json_exists(given) || !pt_json_is_number(given) || pt_json_double(given) <= 0) {
            continue;
        }
        if (pt_number_is_multiple(compat_number(given), wanted)) {
            return true;
        }
        kind = pt_number_is_multiple(wanted, compat_number(given)) ? "MULTIPLE_OF_EXPANDED"
                                                                   : "MULTIPLE_OF_CHANGED";
    }
    return compat_refuse(ck, writer, reader, "/multipleOf", kind,
                         "not every number that the writer's schema takes is a multiple of this");
}

bool compat_check_number(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    bool is_fine = true;

    for (int i = 0; i < 4; i++) {
        is_fine = check_edge(ck, writer, reader, i & 1, i & 2) && is_fine;
    }
    return check_multiple(ck, writer, reader) && is_fine;
}

/* ---- strings -------------------------------------------------------------------------- */

static bool check_text(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader, const char *keyword, const char *added,
                       const char *changed)
{
    struct pt_json value = compat_keyword(ck, reader, keyword);
    char more[24];

    if (!pt_json_exists(value) || pt_json_type(value) != PT_JSON_STRING ||
        compat_set_has_text(ck, writer, keyword, pt_json_string(value))) {
        return true;
    }
    snprintf(more, sizeof(more), "/%s", keyword);
    return compat_refuse(ck, writer, reader, more,
                         compat_set_has(ck, writer, keyword) ? changed : added,
                         "the writer's schema does not ask for this %s", keyword);
}

/* An unknown format asserts nothing. */
static bool check_format(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    struct pt_json value = compat_keyword(ck, reader, "format");

    if (!pt_json_exists(value) || pt_json_type(value) != PT_JSON_STRING ||
        pt_format_parse(pt_json_string(value)) == PT_FORMAT_COUNT) {
        return true;
    }
    return check_text(ck, writer, reader, "format", "FORMAT_ADDED", "FORMAT_CHANGED");
}

bool compat_check_string(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    uint64_t none = 0;
    bool is_fine = compat_check_bound(ck, writer, reader, "minLength", "MIN_LENGTH", true, &none);

    is_fine =
        compat_check_bound(ck, writer, reader, "maxLength", "MAX_LENGTH", false, NULL) && is_fine;
    is_fine =
        check_text(ck, writer, reader, "pattern", "PATTERN_ADDED", "PATTERN_CHANGED") && is_fine;
    return check_format(ck, writer, reader) && is_fine;
}

/* ---- types and constants ---------------------------------------------------------------- */

static const char *type_kind(struct compat_checker *ck, const struct compat_set *writer,
                             uint8_t reader_types)
{
    if (!(writer->types & reader_types)) {
        return "TYPE_CHANGED";
    }
    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json type = compat_keyword(ck, &writer->items[i].node, "type");

        if (pt_json_exists(type) && pt_json_type(type) == PT_JSON_ARRAY) {
            return "SUM_TYPE_NARROWED";
        }
    }
    return "TYPE_NARROWED";
}

static bool is_integral(struct compat_checker *ck, const struct compat_set *writer)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        struct pt_json given = compat_keyword(ck, &writer->items[i].node, "multipleOf");

        if (pt_json_exists(given) && pt_json_is_number(given) && pt_json_double(given) > 0 &&
            pt_number_is_integer(compat_number(given))) {
            return true;
        }
    }
    return false;
}

bool compat_check_type(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader)
{
    uint8_t types = compat_types(compat_keyword(ck, reader, "type"));
    uint8_t left = writer->types & (uint8_t)~types;

    if (left == 0 || (left == COMPAT_FRACTION && is_integral(ck, writer))) {
        return true;
    }
    return compat_refuse(ck, writer, reader, "", type_kind(ck, writer, types),
                         "the writer's schema takes types that the reader's refuses");
}

static bool is_listed(struct compat_checker *ck, const struct compat_node *reader, bool value,
                      bool is_null)
{
    struct pt_json list = compat_keyword(ck, reader, "enum");
    struct pt_json_iter it;

    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return true;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        if (is_null ? pt_json_type(it.value) == PT_JSON_NULL
                    : pt_json_type(it.value) == PT_JSON_BOOL && pt_json_bool(it.value) == value) {
            return true;
        }
    }
    return false;
}

/* The writer has no list of its own (compat_subset() has dealt with that): few types are lists by
 * nature. */
bool compat_check_enum(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader)
{
    struct pt_json only = compat_keyword(ck, reader, "const");

    if (!pt_json_exists(only) && !pt_json_exists(compat_keyword(ck, reader, "enum"))) {
        return true;
    }
    if (!(writer->types & (uint8_t) ~(COMPAT_NULL | COMPAT_BOOL)) &&
        (!(writer->types & COMPAT_NULL) || is_listed(ck, reader, false, true)) &&
        (!(writer->types & COMPAT_BOOL) ||
         (is_listed(ck, reader, false, false) && is_listed(ck, reader, true, false))) &&
        (!pt_json_exists(only) ||
         (writer->types == COMPAT_NULL && pt_json_type(only) == PT_JSON_NULL))) {
        return true;
    }
    return compat_refuse(ck, writer, reader, pt_json_exists(only) ? "/const" : "/enum",
                         "PRODUCT_TYPE_EXTENDED",
                         "values are listed now, and the writer's schema takes others");
}

/* Each of the writer's values by itself. */
bool compat_check_values(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader, const struct pt_json *values,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        enum compat_answer answer = compat_evaluate(ck, values[i], reader);

        if (answer == COMPAT_YES) {
            continue;
        }
        if (pt_json_exists(compat_keyword(ck, reader, "enum")) ||
            pt_json_exists(compat_keyword(ck, reader, "const"))) {
            return compat_refuse(ck, writer, reader, "/enum", "ENUM_ARRAY_NARROWED",
                                 "value %u of the writer's list is not in the reader's", i);
        }
        return compat_refuse(ck, writer, reader, "", "ENUM_ARRAY_CHANGED",
                             "value %u of the writer's list is %s the reader's schema", i,
                             answer == COMPAT_NO ? "refused by" : "not known to be taken by");
    }
    return true;
}
