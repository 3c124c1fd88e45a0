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

bool compat_enter(struct compat_checker *ck, const struct compat_set *writer,
                  const struct compat_node *reader, bool is_quiet)
{
    bool is_fine = false;

    ck->level++;
    is_fine =
        is_quiet ? compat_subset_quietly(ck, writer, reader) : compat_subset(ck, writer, reader);
    ck->level--;
    return is_fine;
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
        return compat_check_values(ck, writer, reader, values, count);
    }
    is_fine = compat_check_reference(ck, writer, reader);
    if (compat_is_only_ref(ck, reader)) {
        return is_fine;
    }
    if (!compat_check_type(ck, writer, reader)) {
        return false; /* what else is different follows from that */
    }
    is_fine = compat_check_enum(ck, writer, reader) && is_fine;
    if (writer->types & (COMPAT_INTEGER | COMPAT_FRACTION)) {
        is_fine = compat_check_number(ck, writer, reader) && is_fine;
    }
    if (writer->types & COMPAT_STRING) {
        is_fine = compat_check_string(ck, writer, reader) && is_fine;
    }
    if (writer->types & COMPAT_OBJECT) {
        is_fine = compat_check_object(ck, writer, reader) && is_fine;
    }
    if (writer->types & COMPAT_ARRAY) {
        is_fine = compat_check_array(ck, writer, reader) && is_fine;
    }
    return compat_check_combined(ck, writer, reader) && is_fine;
}

/* The writer's first anyOf or oneOf whose branches have not been chosen from; NULL: none. */
static const char *find_split(struct compat_checker *ck, const struct compat_set *writer,
                              uint32_t *item_out)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        *item_out = i;
        if (!writer->items[i].is_one_used &&
            pt_json_exists(compat_branches_of(ck, &writer->items[i].node, "oneOf"))) {
            return "oneOf";
        }
        if (!writer->items[i].is_any_used &&
            pt_json_exists(compat_branches_of(ck, &writer->items[i].node, "anyOf"))) {
            return "anyOf";
        }
    }
    return NULL;
}

static bool check_split(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader, const char *keyword, uint32_t item)
{
    const struct compat_node *node = &writer->items[item].node;
    struct pt_json list = compat_branches_of(ck, node, keyword);
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
    if (pt_json_exists(compat_branches_of(ck, reader, "oneOf")) ||
        pt_json_exists(compat_branches_of(ck, reader, "anyOf")) ||
        pt_json_exists(compat_branches_of(ck, reader, "allOf"))) {
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
