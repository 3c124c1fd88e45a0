/*
 * validate.c - a compiled schema run over a parsed value
 *
 * pt_run_node() checks one value against one node; it calls itself for what lies deeper in the
 * value and for schemas combined in place, at most PT_SCHEMA_DEPTH_MAX deep. Each call and each
 * member costs steps. When depth or steps run out `is_too_complex` is set and everything returns
 * false; the verdict looks at that first, so that a "not" cannot make a valid value of it.
 *
 * MARKS. Where a schema asks for what was not evaluated, a bit for each member or element of the
 * value is handed down to all schemas that look at the same value; a schema that may fail without
 * harm (a branch of anyOf, the condition of an if) writes into a set of its own, which is added
 * when it holds.
 *
 * Marks, seen bits of large `required` lists and hash tables of uniqueItems are words on a stack in
 * the scratch. Nothing else is stored: the path to a value is a chain of frames on the C stack,
 * read only when an error is written down.
 */
#include "schema/run.h"

#include "schema/equal.h"

/* `count` zeroed words, released by setting scratch->used back; NULL where there are not that many.
 */
uint64_t *pt_run_words(struct run *r, uint32_t count)
{
    struct pt_schema_scratch *scratch = r->scratch;
    uint64_t *words = scratch->words + scratch->used;

    if (count > PT_SCRATCH_WORDS - scratch->used || !pt_run_spend(r, count / 8)) {
        pt_run_too_complex(r);
        return NULL;
    }
    memset(words, 0, count * sizeof(*words));
    scratch->used += count;
    return words;
}

static uint32_t mark_words(const struct run *r, uint32_t at)
{
    return pt_walk_count(r->tape, at) / 64 + 1;
}

/* A schema that may fail without harm: no errors, and its marks only where it holds. */
static bool run_branch(struct run *r, const struct subject *s, uint32_t node)
{
    uint32_t used = r->scratch->used;
    uint32_t words = s->marks ? mark_words(r, s->at) : 0;
    uint64_t *marks = s->marks ? pt_run_words(r, words) : NULL;
    bool holds = false;

    if (s->marks && !marks) {
        return false;
    }
    r->quiet++;
    holds = pt_run_node(r, node, s->at, s->place, s->scope, marks);
    r->quiet--;
    for (uint32_t i = 0; holds && i < words; i++) {
        s->marks[i] |= marks[i];
    }
    r->scratch->used = used;
    return holds;
}

/* ---- schemas combined ---- */

static uint32_t dynamic_target(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    uint32_t target = insn->a;

    /* From the innermost outwards: what is found last is the outermost. */
    for (const struct scope *scope = s->scope; scope; scope = scope->above) {
        if (!pt_run_spend(r, 1 + r->schema->anchor_count / 8)) {
            return target;
        }
        for (uint32_t i = 0; i < r->schema->anchor_count; i++) {
            const struct pt_dynamic_anchor *anchor = &r->schema->anchors[i];

            if (anchor->resource == scope->resource && anchor->name == insn->b) {
                target = anchor->node;
            }
        }
    }
    return target;
}

static bool run_all_of(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    bool ok = true;

    for (uint32_t i = 0; i < insn->c; i++) {
        if (!pt_run_node(r, r->schema->lists[insn->b + i], s->at, s->place, s->scope, s->marks)) {
            ok = false;
            if (pt_run_stops(r)) {
                return false;
            }
        }
    }
    return ok;
}

static bool run_any_of(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    bool holds = false;

    for (uint32_t i = 0; i < insn->c && !r->is_too_complex; i++) {
        if (run_branch(r, s, r->schema->lists[insn->b + i])) {
            holds = true;
            if (!s->marks) {
                break;
            }
        }
    }
    return holds ||
           pt_run_fail(r, s->node, s->place, "anyOf", "it fits none of the %u schemas", insn->c);
}

static bool run_one_of(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    uint32_t first = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < insn->c && count < 2 && !r->is_too_complex; i++) {
        if (run_branch(r, s, r->schema->lists[insn->b + i])) {
            if (count++ == 1) {
                return pt_run_fail(r, s->node, s->place, "oneOf",
                                   "it fits both schema %u and schema %u, counted from 0", first,
                                   i);
            }
            first = i;
        }
    }
    return count == 1 ||
           pt_run_fail(r, s->node, s->place, "oneOf", "it fits none of the %u schemas", insn->c);
}

static bool run_not(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    struct subject unmarked = *s;
    uint32_t used = r->scratch->used;
    bool holds = false;

    /* Its marks are thrown away, but inside it they may be asked for: nodes that ask take their
     * own. */
    unmarked.marks = NULL;
    holds = run_branch(r, &unmarked, insn->a);
    r->scratch->used = used;
    return !holds ||
           pt_run_fail(r, s->node, s->place, "not", "it fits the schema that it must not fit");
}

static bool run_if(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    uint32_t next = run_branch(r, s, insn->a) ? insn->b : insn->c;

    if (r->is_too_complex) {
        return false;
    }
    return next == PT_NODE_NONE || pt_run_node(r, next, s->at, s->place, s->scope, s->marks);
}

/* ---- a node ---- */

static bool run_insn(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    const struct pt_schema *p = r->schema;

    switch ((enum pt_op)insn->op) {
    case PT_OP_FALSE:
        return pt_run_fail(r, s->node, s->place, "", "nothing is allowed here");
    case PT_OP_CONST:
        return pt_values_equal((struct pt_json){r->tape, r->strings, s->at},
                               (struct pt_json){p->constant_tape, p->constant_strings, insn->a},
                               &r->steps) ||
               pt_run_fail(r, s->node, s->place, "const",
                           "it is not the one value that is allowed");
    case PT_OP_ENUM:
        return pt_run_enum(r, s->at, s->type, &p->enums[insn->a]) ||
               pt_run_fail(r, s->node, s->place, "enum",
                           "it is none of the %u values that are allowed",
                           p->enums[insn->a].string_count + p->enums[insn->a].other_count);
    case PT_OP_NUMBER_RANGE:
        return pt_run_range(r, s, &p->ranges[insn->a]);
    case PT_OP_MULTIPLE_OF:
        return (pt_run_spend(r, 16) &&
                pt_number_is_multiple(pt_number_at(r->tape, s->at), p->numbers[insn->a])) ||
               pt_run_fail(r, s->node, s->place, "multipleOf",
                           "it is no multiple of what is asked for");
    case PT_OP_LENGTH:
        return pt_run_length(r, s, insn);
    case PT_OP_PATTERN:
        return pt_run_matches(r, insn->a, pt_walk_string(r->tape, r->strings, s->at)) ||
               pt_run_fail(r, s->node, s->place, "pattern", "it does not match the pattern");
    case PT_OP_FORMAT: {
        struct pt_span text = pt_walk_string(r->tape, r->strings, s->at);

        return (pt_run_spend(r, 1 + text.size / 4) &&
                pt_format_check((enum pt_format)insn->a, text)) ||
               pt_run_fail(r, s->node, s->place, "format", "it is not of the format %s",
                           pt_format_name((enum pt_format)insn->a));
    }
    case PT_OP_OBJECT:
        return pt_run_object(r, s, &p->objects[insn->a]);
    case PT_OP_ARRAY:
        return pt_run_array(r, s, &p->arrays[insn->a]);
    case PT_OP_UNIQUE_ITEMS:
        return pt_run_unique(r, s);
    case PT_OP_CONTAINS:
        return pt_run_contains(r, s, insn);
    case PT_OP_DEPENDENT_REQUIRED:
        return pt_run_dependent_required(r, s, insn);
    case PT_OP_DEPENDENT_SCHEMA:
        return !pt_run_has_member(r, s->at, p->keys[insn->a]) ||
               pt_run_node(r, insn->b, s->at, s->place, s->scope, s->marks);
    case PT_OP_REF:
        return pt_run_node(r, insn->a, s->at, s->place, s->scope, s->marks);
    case PT_OP_DYNAMIC_REF:
        return pt_run_node(r, dynamic_target(r, s, insn), s->at, s->place, s->scope, s->marks);
    case PT_OP_ALL_OF:
        return run_all_of(r, s, insn);
    case PT_OP_ANY_OF:
        return run_any_of(r, s, insn);
    case PT_OP_ONE_OF:
        return run_one_of(r, s, insn);
    case PT_OP_NOT:
        return run_not(r, s, insn);
    case PT_OP_IF:
        return run_if(r, s, insn);
    case PT_OP_UNEVALUATED_ITEMS:
        return pt_run_unevaluated_items(r, s, insn);
    case PT_OP_UNEVALUATED_PROPERTIES:
        return pt_run_unevaluated_properties(r, s, insn);
    }
    return pt_run_too_complex(r);
}

static bool run_insns(struct run *r, const struct subject *s)
{
    const struct pt_insn *insn = r->schema->insns + s->node->insn_first;
    const struct pt_insn *end = insn + s->node->insn_count;
    bool ok = true;

    for (; insn < end; insn++) {
        if (!(insn->types & s->type)) {
            continue;
        }
        /* What failed has evaluated nothing; to say so of its members would be noise. */
        if (!ok && insn->op >= PT_OP_UNEVALUATED_ITEMS) {
            break;
        }
        if (!run_insn(r, s, insn)) {
            ok = false;
            if (pt_run_stops(r)) {
                break;
            }
        }
    }
    return ok;
}

/* A node that asks for what was not evaluated collects marks of its own and adds them to the outer
 * ones. */
static bool run_with_marks(struct run *r, struct subject *s)
{
    uint32_t used = r->scratch->used;
    uint32_t words = mark_words(r, s->at);
    uint64_t *outer = s->marks;
    bool ok = false;

    s->marks = pt_run_words(r, words);
    if (!s->marks) {
        return false;
    }
    ok = run_insns(r, s);
    for (uint32_t i = 0; ok && outer && i < words; i++) {
        outer[i] |= s->marks[i];
    }
    r->scratch->used = used;
    return ok;
}

bool pt_run_node(struct run *r, uint32_t index, uint32_t at, const struct place *place,
                 const struct scope *scope, uint64_t *marks)
{
    const struct pt_node *node = &r->schema->nodes[index];
    struct subject s = {node, at, pt_run_type(r->tape, at), place, scope, marks};
    struct scope own = {scope, node->resource};
    bool ok = true;

    if (!pt_run_spend(r, 1 + node->insn_count)) {
        return false;
    }
    if (!(node->types & s.type)) {
        ok = pt_run_fail_type(r, &s);
        if (pt_run_stops(r)) {
            return false;
        }
    }
    if (node->insn_count == 0) {
        return ok;
    }
    if (r->depth == 0) {
        return pt_run_too_complex(r);
    }
    r->depth--;
    if (r->schema->has_dynamic && (!scope || scope->resource != node->resource)) {
        s.scope = &own;
    }
    if (node->flags & s.type & (PT_NODE_UNEVALUATED_ITEMS | PT_NODE_UNEVALUATED_PROPERTIES)) {
        ok = run_with_marks(r, &s) && ok;
    } else {
        ok = run_insns(r, &s) && ok;
    }
    r->depth++;
    return ok && !r->is_too_complex;
}

/* ---- the room's functions ---- */

struct pt_schema_scratch *pt_schema_scratch_create(void)
{
    struct pt_schema_scratch *scratch = pt_alloc_zero(sizeof(*scratch));

    if (!scratch) {
        return NULL;
    }
    scratch->regex = pt_regex_space_create();
    scratch->words = pt_alloc(PT_SCRATCH_WORDS * sizeof(*scratch->words));
    if (!scratch->regex || !scratch->words) {
        pt_schema_scratch_destroy(scratch);
        return NULL;
    }
    return scratch;
}

void pt_schema_scratch_destroy(struct pt_schema_scratch *scratch)
{
    if (scratch) {
        pt_regex_space_destroy(scratch->regex);
        pt_free(scratch->words);
        pt_free(scratch);
    }
}

static enum pt_code validate(const struct pt_schema *schema, struct pt_json value,
                             struct pt_schema_scratch *scratch, struct pt_schema_errors *errors,
                             bool stops_first)
{
    struct run r = {
        .schema = schema,
        .tape = value.tape,
        .strings = value.strings,
        .scratch = scratch,
        .errors = errors,
        .steps = PT_SCHEMA_STEPS_MAX,
        .depth = PT_SCHEMA_DEPTH_MAX,
        .stops_first = stops_first,
    };
    bool is_valid = false;

    scratch->used = 0;
    if (errors) {
        errors->count = 0;
        errors->is_cut = false;
    }
    is_valid = pt_run_node(&r, schema->root, value.at, NULL, NULL, NULL);
    if (r.is_too_complex || r.steps == 0) {
        r.quiet = 0;
        r.is_too_complex = false;
        r.steps = 1;
        if (errors && (errors->count == PT_SCHEMA_ERRORS_MAX || stops_first)) {
            errors->count -= errors->count > 0;
            errors->is_cut = !stops_first;
        }
        pt_run_fail(&r, &schema->nodes[schema->root], NULL, "",
                    "checking it needs more depth or work than one value is given");
        if (errors) {
            errors->list[errors->count - 1].keyword = "limit";
        }
        return PT_TOO_BIG;
    }
    return is_valid ? PT_OK : PT_INVALID;
}

enum pt_code pt_schema_validate(const struct pt_schema *schema, struct pt_json value,
                                struct pt_schema_scratch *scratch,
                                struct pt_schema_errors *errors_out)
{
    return validate(schema, value, scratch, errors_out, errors_out == NULL);
}

enum pt_code pt_schema_validate_first(const struct pt_schema *schema, struct pt_json value,
                                      struct pt_schema_scratch *scratch,
                                      struct pt_schema_errors *errors_out)
{
    return validate(schema, value, scratch, errors_out, true);
}
