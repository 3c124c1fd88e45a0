/*
 * compat.c - is every value of one JSON Schema a value of another?
 *
 * compat_subset() asks of a set of writer's schemas (compat_node.h) whether all that it takes is
 * taken by one schema of the reader. Each keyword of the reader must follow from what the set says;
 * a keyword that looks at strings alone does not matter where the set takes no strings. Where
 * nothing follows at once, the writer's anyOf, oneOf and if are taken apart, branch by branch, and
 * each branch is asked with the rest.
 *
 * RECURSION. A question that is being answered already is taken for answered "yes" where the value
 * looked at has become smaller since (a member, an element): that is induction over the value's
 * depth. Where it has not, the schemas go in a circle without looking at anything, and the answer
 * is no.
 *
 * BOUNDS. Every step is paid for out of STEPS_MAX, all memory is one arena; when either ends, so
 * does the comparison, with TOO_COMPLEX.
 */
#include "schema/compat_node.h"

#include "schema/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define STEPS_MAX 4000000u
#define ARENA_BYTES_MAX (64u << 20)
#define DEPTH_MAX 160

static bool check_schema(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader);

/* ---- modes --------------------------------------------------------------------- */

static const char *const mode_names[] = {
    [PT_COMPAT_NONE] = "NONE",
    [PT_COMPAT_BACKWARD] = "BACKWARD",
    [PT_COMPAT_BACKWARD_TRANSITIVE] = "BACKWARD_TRANSITIVE",
    [PT_COMPAT_FORWARD] = "FORWARD",
    [PT_COMPAT_FORWARD_TRANSITIVE] = "FORWARD_TRANSITIVE",
    [PT_COMPAT_FULL] = "FULL",
    [PT_COMPAT_FULL_TRANSITIVE] = "FULL_TRANSITIVE",
};

const char *pt_compat_mode_name(enum pt_compat_mode mode)
{
    return mode_names[mode];
}

bool pt_compat_mode_parse(struct pt_span name, enum pt_compat_mode *mode_out)
{
    for (size_t i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
        if (name.size == strlen(mode_names[i]) &&
            strncasecmp((const char *)name.data, mode_names[i], name.size) == 0) {
            *mode_out = (enum pt_compat_mode)i;
            return true;
        }
    }
    return false;
}

bool pt_compat_mode_is_transitive(enum pt_compat_mode mode)
{
    return mode == PT_COMPAT_BACKWARD_TRANSITIVE || mode == PT_COMPAT_FORWARD_TRANSITIVE ||
           mode == PT_COMPAT_FULL_TRANSITIVE;
}

/* ---- reasons --------------------------------------------------------------------- */

/* What Confluent's lenient policy lets pass. */
static bool is_lenient_kind(const char *kind)
{
    static const char *const kinds[] = {
        "ADDITIONAL_PROPERTIES_NARROWED",
        "ADDITIONAL_PROPERTIES_REMOVED",
        "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL",
        "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL",
        "UNEVALUATED_PROPERTIES_NARROWED",
        "UNEVALUATED_PROPERTIES_REMOVED",
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i], kind) == 0) {
            return true;
        }
    }
    return false;
}

bool compat_refuse(struct compat_checker *ck, const struct compat_set *writer,
                   const struct compat_node *reader, const char *more, const char *kind,
                   const char *format, ...)
{
    struct pt_compat_report *report = ck->report;
    struct pt_compat_reason *reason = NULL;
    bool is_writer_old = ck->writer == 0;
    va_list args;

    if (ck->is_lenient && ck->exactness == 0 && is_lenient_kind(kind)) {
        return true;
    }
    if (ck->trials > 0 || ck->is_too_complex) {
        return false;
    }
    if (report->count == PT_COMPAT_REASONS_MAX) {
        report->is_cut = true;
        return false;
    }
    reason = &report->reasons[report->count];
    *reason = (struct pt_compat_reason){.kind = kind, .direction = ck->direction};
    compat_pointer(ck, &writer->at, "", is_writer_old ? reason->old_pointer : reason->new_pointer);
    compat_pointer(ck, reader, more, is_writer_old ? reason->new_pointer : reason->old_pointer);
    va_start(args, format);
    vsnprintf(reason->detail, sizeof(reason->detail), format, args);
    va_end(args);
    for (uint32_t i = 0; i < report->count; i++) {
        const struct pt_compat_reason *other = &report->reasons[i];

        if (strcmp(other->kind, kind) == 0 && strcmp(other->direction, reason->direction) == 0 &&
            strcmp(other->old_pointer, reason->old_pointer) == 0 &&
            strcmp(other->new_pointer, reason->new_pointer) == 0) {
            return false; /* said already */
        }
    }
    report->count++;
    return false;
}

bool compat_subset_quietly(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader)
{
    bool is_subset = false;

    ck->trials++;
    is_subset = compat_subset(ck, writer, reader);
    ck->trials--;
    return is_subset;
}

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

static bool check_string(struct compat_checker *ck, const struct compat_set *writer,
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

static bool check_type(struct compat_checker *ck, const struct compat_set *writer,
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
static bool check_enum(struct compat_checker *ck, const struct compat_set *writer,
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
static bool check_values(struct compat_checker *ck, const struct compat_set *writer,
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

/* ---- combined schemas ---------------------------------------------------------------------- */

static struct pt_json list_of(struct compat_checker *ck, const struct compat_node *node,
                              const char *keyword)
{
    struct pt_json list = compat_keyword(ck, node, keyword);

    return pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY ? list : (struct pt_json){0};
}

static bool check_all_of(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    struct pt_json list = list_of(ck, reader, "allOf");
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
        struct pt_json list = list_of(ck, &writer->items[i].node, "oneOf");
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
            struct pt_json list = list_of(ck, &writer->items[i].node, keywords[k]);

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
    struct pt_json list = list_of(ck, reader, keyword);
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

static bool check_reference(struct compat_checker *ck, const struct compat_set *writer,
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

/* ---- the question ------------------------------------------------------------------------------
 */

/* All keywords of one reader's schema; the writer's branches as they stand. */
static bool check_schema(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader)
{
    struct pt_json *values = NULL;
    uint32_t count = 0;
    bool is_fine = true;

    if (compat_set_values(ck, writer, &values, &count)) {
        return check_values(ck, writer, reader, values, count);
    }
    is_fine = check_reference(ck, writer, reader);
    if (compat_is_only_ref(ck, reader)) {
        return is_fine;
    }
    if (!check_type(ck, writer, reader)) {
        return false; /* what else is different follows from that */
    }
    is_fine = check_enum(ck, writer, reader) && is_fine;
    if (writer->types & (COMPAT_INTEGER | COMPAT_FRACTION)) {
        for (int i = 0; i < 4; i++) {
            is_fine = check_edge(ck, writer, reader, i & 1, i & 2) && is_fine;
        }
        is_fine = check_multiple(ck, writer, reader) && is_fine;
    }
    if (writer->types & COMPAT_STRING) {
        is_fine = check_string(ck, writer, reader) && is_fine;
    }
    if (writer->types & COMPAT_OBJECT) {
        is_fine = compat_check_object(ck, writer, reader) && is_fine;
    }
    if (writer->types & COMPAT_ARRAY) {
        is_fine = compat_check_array(ck, writer, reader) && is_fine;
    }
    is_fine = check_all_of(ck, writer, reader) && is_fine;
    is_fine = check_branches(ck, writer, reader, "anyOf") && is_fine;
    is_fine = check_branches(ck, writer, reader, "oneOf") && is_fine;
    is_fine = check_not(ck, writer, reader) && is_fine;
    return check_condition(ck, writer, reader) && is_fine;
}

/* The writer's first anyOf or oneOf whose branches have not been chosen from; NULL: none. */
static const char *find_split(struct compat_checker *ck, const struct compat_set *writer,
                              uint32_t *item_out)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        *item_out = i;
        if (!writer->items[i].is_one_used &&
            pt_json_exists(list_of(ck, &writer->items[i].node, "oneOf"))) {
            return "oneOf";
        }
        if (!writer->items[i].is_any_used &&
            pt_json_exists(list_of(ck, &writer->items[i].node, "anyOf"))) {
            return "anyOf";
        }
    }
    return NULL;
}

static bool check_split(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader, const char *keyword, uint32_t item)
{
    const struct compat_node *node = &writer->items[item].node;
    struct pt_json list = list_of(ck, node, keyword);
    struct pt_json_iter it;
    uint32_t index = 0;
    uint32_t fitting = 0;

    if (!pt_json_exists(list)) {
        return false; /* the steps ended */
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        struct compat_set branch;
        struct compat_node at = compat_element(ck, node, keyword, index, it.value);

        compat_set_init(&branch, at);
        compat_set_add_set(ck, &branch, writer);
        if (item < branch.count) {
            branch.items[item].is_one_used |= keyword[0] == 'o';
            branch.items[item].is_any_used |= keyword[0] == 'a';
            branch.items[item].one_branch =
                keyword[0] == 'o' ? index : branch.items[item].one_branch;
        }
        index++;
        compat_set_add(ck, &branch, at);
        branch.is_split = true;
        fitting += compat_subset_quietly(ck, &branch, reader) ? 1 : 0;
        if (index != fitting && ck->trials > 0) {
            return false;
        }
    }
    if (fitting == index) {
        return true;
    }
    if (pt_json_exists(list_of(ck, reader, "oneOf")) ||
        pt_json_exists(list_of(ck, reader, "anyOf")) ||
        pt_json_exists(list_of(ck, reader, "allOf"))) {
        return check_schema(ck, writer, reader); /* its reasons say it better */
    }
    return compat_refuse(ck, writer, reader, "",
                         fitting > 0 ? "SUM_TYPE_NARROWED" : "COMBINED_TYPE_SUBSCHEMAS_CHANGED",
                         "%u of the %u branches of the writer's %s do not fit", index - fitting,
                         index, keyword);
}

static bool is_same_question(const struct compat_frame *frame, const struct compat_set *writer,
                             const struct compat_node *reader)
{
    const struct compat_set *set = frame->set;

    if (frame->reader.value.tape != reader->value.tape ||
        frame->reader.value.at != reader->value.at || set->count != writer->count ||
        set->types != writer->types || set->is_cut != writer->is_cut) {
        return false;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const struct compat_item *a = &set->items[i];
        const struct compat_item *b = &writer->items[i];

        if (a->node.value.tape != b->node.value.tape || a->node.value.at != b->node.value.at ||
            a->is_any_used != b->is_any_used || a->is_one_used != b->is_one_used ||
            a->one_branch != b->one_branch) {
            return false;
        }
    }
    return true;
}

static bool is_trivial(const struct compat_node *reader, bool *answer_out)
{
    if (!pt_json_exists(reader->value)) {
        *answer_out = true;
        return true;
    }
    if (pt_json_type(reader->value) == PT_JSON_BOOL && pt_json_bool(reader->value)) {
        *answer_out = true;
        return true;
    }
    if (pt_json_type(reader->value) == PT_JSON_OBJECT && pt_json_count(reader->value) == 0) {
        *answer_out = true;
        return true;
    }
    *answer_out = false;
    return pt_json_type(reader->value) != PT_JSON_OBJECT &&
           pt_json_type(reader->value) != PT_JSON_BOOL;
}

static bool is_said_already(struct compat_checker *ck, const struct compat_set *writer,
                            const struct compat_node *reader)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        if (compat_schema_equal(ck, &writer->items[i].node, reader)) {
            return true;
        }
    }
    return false;
}

/*
 * Schemas that exclude each other take nothing, and nothing fits everywhere. Where a document says
 * so outright it is a mistake rather than a promise, and one of the schemas has to fit by itself.
 */
static bool check_contradiction(struct compat_checker *ck, const struct compat_set *writer,
                                const struct compat_node *reader)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        struct compat_set one;

        compat_set_init(&one, writer->items[i].node);
        compat_set_add(ck, &one, writer->items[i].node);
        if (one.types != 0 && compat_subset_quietly(ck, &one, reader)) {
            return true;
        }
    }
    return compat_refuse(ck, writer, reader, "", "TYPE_CHANGED",
                         "the writer's schema takes no type at all, and no part of it fits");
}

static bool answer(struct compat_checker *ck, const struct compat_set *writer,
                   const struct compat_node *reader)
{
    uint32_t item = 0;
    const char *split = NULL;

    if (writer->types == 0) {
        return writer->is_split || check_contradiction(ck, writer, reader);
    }
    split = find_split(ck, writer, &item);
    if (split) {
        bool is_fine = false;

        ck->trials++;
        is_fine = check_schema(ck, writer, reader);
        ck->trials--;
        return is_fine || check_split(ck, writer, reader, split, item);
    }
    return check_schema(ck, writer, reader);
}

bool compat_subset(struct compat_checker *ck, const struct compat_set *writer,
                   const struct compat_node *reader)
{
    struct compat_frame frame = {ck->frames, writer, *reader, ck->level};
    bool is_fine = false;

    if (is_trivial(reader, &is_fine) || writer->is_false) {
        return is_fine || writer->is_false;
    }
    if (!compat_spend(ck, 8) || ck->depth >= DEPTH_MAX) {
        ck->is_too_complex = true;
        return false;
    }
    if (pt_json_type(reader->value) == PT_JSON_BOOL) {
        return compat_set_is_empty(ck, writer) ||
               compat_refuse(ck, writer, reader, "", "TYPE_NARROWED",
                             "nothing is taken here any more");
    }
    for (const struct compat_frame *up = ck->frames; up; up = up->up) {
        compat_spend(ck, 1);
        if (is_same_question(up, writer, reader)) {
            return up->level < ck->level;
        }
    }
    if (is_said_already(ck, writer, reader)) {
        return true;
    }
    ck->depth++;
    ck->frames = &frame;
    is_fine = answer(ck, writer, reader);
    ck->frames = frame.up;
    ck->depth--;
    return is_fine && !ck->is_too_complex;
}

void pt_compat_write_reasons(struct pt_jsonw *w, const struct pt_compat_report *report)
{
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < report->count; i++) {
        const struct pt_compat_reason *reason = &report->reasons[i];

        pt_jsonw_object(w);
        pt_jsonw_key(w, "kind");
        pt_jsonw_str(w, reason->kind);
        pt_jsonw_key(w, "direction");
        pt_jsonw_str(w, reason->direction);
        pt_jsonw_key(w, "old");
        pt_jsonw_str(w, reason->old_pointer);
        pt_jsonw_key(w, "new");
        pt_jsonw_str(w, reason->new_pointer);
        pt_jsonw_key(w, "detail");
        pt_jsonw_str(w, reason->detail);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

/* ---- entry
 * ---------------------------------------------------------------------------------------- */

static void compare(struct compat_checker *ck, uint32_t writer, const char *direction)
{
    struct compat_node from = compat_root(ck, writer);
    struct compat_node to = compat_root(ck, 1 - writer);
    struct compat_set set;
    uint32_t known = ck->report->count;

    ck->writer = writer;
    ck->direction = direction;
    ck->steps = STEPS_MAX;
    ck->is_too_complex = false;
    if (!ck->sources[0]->resolve && !ck->sources[1]->resolve &&
        (pt_span_equal(ck->sources[0]->json, ck->sources[1]->json) ||
         compat_json_equal(ck, from.value, to.value))) {
        return; /* the same text means the same */
    }
    compat_set_init(&set, from);
    compat_set_add(ck, &set, from);
    if (!compat_subset(ck, &set, &to)) {
        ck->report->is_compatible = false;
        if (ck->report->count == known && !ck->is_too_complex) {
            (void)compat_refuse(
                ck, &set, &to, "", "NOT_PROVEN",
                "nothing was found that breaks, and nothing that proves it will not");
        }
    }
    if (ck->is_too_complex) {
        ck->report->is_compatible = false;
        ck->is_too_complex = false;
        ck->trials = 0;
        (void)compat_refuse(ck, &set, &to, "", "TOO_COMPLEX",
                            "the two schemas ask for more work than a comparison may take");
    }
}

struct compat_checker *compat_checker_create(void)
{
    struct compat_checker *ck = pt_alloc_zero(sizeof(*ck));

    if (ck) {
        pt_arena_init(&ck->arena, ARENA_BYTES_MAX);
        ck->steps = STEPS_MAX;
    }
    return ck;
}

void compat_checker_destroy(struct compat_checker *ck)
{
    for (uint32_t i = 0; i < ck->regex_count; i++) {
        pt_regex_destroy(ck->regexes[i].regex);
    }
    pt_regex_space_destroy(ck->regex_space);
    for (uint32_t i = 0; i < ck->document_count; i++) {
        pt_json_parser_destroy(ck->documents[i].parser);
        pt_buf_release(&ck->documents[i].json);
    }
    pt_arena_release(&ck->arena);
    pt_free(ck);
}

static enum pt_code open_pair(struct compat_checker *ck, struct pt_error *err)
{
    static const char *const names[] = {"the older schema", "the newer schema"};

    for (uint32_t i = 0; i < 2; i++) {
        uint32_t index = 0;
        enum pt_code code = compat_document_add(ck, ck->sources[i]->json, "", i, &index, err);

        if (code) {
            return pt_error_prefix(err, code, "%s", names[i]);
        }
    }
    return PT_OK;
}

enum pt_code pt_compat_check(const struct pt_compat_document *older,
                             const struct pt_compat_document *newer, enum pt_compat_mode mode,
                             bool is_lenient, struct pt_compat_report *report_out,
                             struct pt_error *err)
{
    bool is_backward = mode == PT_COMPAT_BACKWARD || mode == PT_COMPAT_BACKWARD_TRANSITIVE;
    bool is_forward = mode == PT_COMPAT_FORWARD || mode == PT_COMPAT_FORWARD_TRANSITIVE;
    bool is_full = mode == PT_COMPAT_FULL || mode == PT_COMPAT_FULL_TRANSITIVE;
    struct compat_checker *ck = compat_checker_create();
    enum pt_code code = PT_OK;

    *report_out = (struct pt_compat_report){.is_compatible = true};
    if (!ck) {
        return pt_fail(err, PT_NO_MEMORY, "compare two schemas");
    }
    ck->sources[0] = older;
    ck->sources[1] = newer;
    ck->report = report_out;
    ck->is_lenient = is_lenient;
    code = open_pair(ck, err);
    if (code) {
        goto out;
    }
    if (is_backward || is_full) {
        compare(ck, 0, "backward");
    }
    if (is_forward || is_full) {
        compare(ck, 1, "forward");
    }
    if (ck->is_out_of_memory) {
        code = pt_fail(err, PT_NO_MEMORY, "compare two schemas");
    }

out:
    compat_checker_destroy(ck);
    return code;
}
