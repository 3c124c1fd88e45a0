/*
 * run.h - one value on its way through a program
 *
 * Private to the files that run a program (validate.c and run_*.c); validate.c tells how they play
 * together. All functions return false where the value does not hold, having written down why where
 * somebody wants to know.
 */
#ifndef PT_SCHEMA_RUN_H
#define PT_SCHEMA_RUN_H

#include "base/json_walk.h"
#include "schema/program.h"

/* 8 MiB, touched as far as it is needed: marks of 64 Mi members, or uniqueItems over 400,000. */
#define PT_SCRATCH_WORDS (1u << 20)

struct pt_schema_scratch {
    struct pt_regex_space *regex;
    uint64_t *words;
    uint32_t used; /* words */
};

/* How the value was reached: the chain from the root. */
struct place {
    const struct place *above;
    uint32_t key;   /* where on the tape its key is, or 0 */
    uint32_t index; /* in an array */
};

/* The schema resources that were entered: the dynamic scope. */
struct scope {
    const struct scope *above;
    uint32_t resource;
};

struct run {
    const struct pt_schema *schema;
    const uint64_t *tape;
    const uint8_t *strings;
    struct pt_schema_scratch *scratch;
    struct pt_schema_errors *errors; /* NULL: only the verdict is wanted */
    uint64_t steps;                  /* left */
    uint32_t depth;                  /* left */
    uint32_t quiet;                  /* in how many branches that may fail without harm */
    bool stops_first;
    bool is_too_complex;
};

/* What is checked, and whence. */
struct subject {
    const struct pt_node *node;
    uint32_t at;
    uint32_t type; /* enum pt_type_bit */
    const struct place *place;
    const struct scope *scope;
    uint64_t *marks; /* NULL: nobody asks */
};

/* ---- run_report.c ---- */

/* Writes an error down, unless nobody wants it; returns false. `keyword` is static text. */
bool pt_run_fail(struct run *r, const struct pt_node *node, const struct place *place,
                 const char *keyword, const char *format, ...) PT_PRINTF(5, 6)
    __attribute__((cold, noinline));
/* The same for a value of a type that `s->node` does not take. */
bool pt_run_fail_type(struct run *r, const struct subject *s);

/* ---- validate.c ---- */

/* `value` at `at` against a node. `marks` has a bit for each of its members, or is NULL. */
bool pt_run_node(struct run *r, uint32_t index, uint32_t at, const struct place *place,
                 const struct scope *scope, uint64_t *marks);

/* `count` zeroed words, given back by setting scratch->used to what it was; NULL: too complex. */
uint64_t *pt_run_words(struct run *r, uint32_t count);

/* ---- run_value.c: strings and numbers ---- */

/*
 * The common case of pt_run_node(): a node that looks at a string or a number alone, without a
 * frame and without errors. False sends the caller the long way, which says what is wrong.
 */
bool pt_run_leaf(struct run *r, const struct pt_node *node, uint32_t at, unsigned type);
bool pt_run_enum(struct run *r, uint32_t at, unsigned type, const struct pt_enum_rule *rule);
bool pt_run_range(struct run *r, const struct subject *s, const struct pt_range_rule *rule);
bool pt_run_length(struct run *r, const struct subject *s, const struct pt_insn *insn);
bool pt_run_matches(struct run *r, uint32_t regex, struct pt_span text);

/* ---- run_object.c ---- */

bool pt_run_object(struct run *r, const struct subject *s, const struct pt_object_rule *rule);
bool pt_run_has_member(struct run *r, uint32_t at, struct pt_name name);
bool pt_run_dependent_required(struct run *r, const struct subject *s, const struct pt_insn *insn);
bool pt_run_unevaluated_properties(struct run *r, const struct subject *s,
                                   const struct pt_insn *insn);

/* ---- run_array.c ---- */

bool pt_run_array(struct run *r, const struct subject *s, const struct pt_array_rule *rule);
bool pt_run_contains(struct run *r, const struct subject *s, const struct pt_insn *insn);
bool pt_run_unique(struct run *r, const struct subject *s);
bool pt_run_unevaluated_items(struct run *r, const struct subject *s, const struct pt_insn *insn);

/* ---- for all of them ---- */

static inline bool pt_run_too_complex(struct run *r)
{
    r->is_too_complex = true;
    return false;
}

/* Whether the first mistake is enough. */
static inline bool pt_run_stops(const struct run *r)
{
    return r->stops_first || r->quiet > 0 || r->is_too_complex;
}

static inline bool pt_run_spend(struct run *r, uint64_t steps)
{
    if (r->steps < steps) {
        r->steps = 0;
        return pt_run_too_complex(r);
    }
    r->steps -= steps;
    return true;
}

static inline void pt_run_mark(uint64_t *marks, uint32_t index)
{
    marks[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline bool pt_run_is_marked(const uint64_t *marks, uint32_t index)
{
    return marks[index / 64] >> (index % 64) & 1;
}

static inline unsigned pt_run_type(const uint64_t *tape, uint32_t at)
{
    switch (pt_walk_kind(tape, at)) {
    case '"':
        return PT_TYPE_STRING;
    case 'l':
    case 'u':
        return PT_TYPE_INTEGER;
    case 'd': {
        double value = pt_walk_double(tape, at);

        /* Beyond 2^53 every double is whole. */
        if (value >= 9007199254740992.0 || value <= -9007199254740992.0) {
            return PT_TYPE_INTEGER;
        }
        return (double)(int64_t)value == value ? PT_TYPE_INTEGER : PT_TYPE_FRACTION;
    }
    case 't':
    case 'f':
        return PT_TYPE_BOOL;
    case '{':
        return PT_TYPE_OBJECT;
    case '[':
        return PT_TYPE_ARRAY;
    default:
        return PT_TYPE_NULL;
    }
}

/* A member's value or an element, which has no marks to set. */
static inline bool pt_run_below(struct run *r, uint32_t index, uint32_t at,
                                const struct place *place, const struct scope *scope)
{
    const struct pt_node *node = &r->schema->nodes[index];

    unsigned type = pt_run_type(r->tape, at);

    if ((node->flags & PT_NODE_LEAF) && (node->types & type) &&
        (node->insn_count == 0 || pt_run_leaf(r, node, at, type))) {
        return true;
    }
    return pt_run_node(r, index, at, place, scope, NULL);
}

#endif
