/*
 * validate.c - a compiled schema run over a parsed value
 *
 * run_node() checks one value against one node; it calls itself for what lies deeper in the value and for
 * schemas combined in place, at most PT_SCHEMA_DEPTH_MAX deep. Each call and each member costs steps.
 * When depth or steps run out `is_too_complex` is set and everything returns false; the verdict
 * looks at that first, so that a "not" cannot make a valid value of it.
 *
 * MARKS. Where a schema asks for what was not evaluated, a bit for each member or element of the value is
 * handed down to all schemas that look at the same value; a schema that may fail without harm (a branch of
 * anyOf, the condition of an if) writes into a set of its own, which is added when it holds.
 *
 * Marks, seen bits of large `required` lists and hash tables of uniqueItems are words on a stack in the
 * scratch. Nothing else is stored: the path to a value is a chain of frames on the C stack, read
 * only when an error is written down.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/json_walk.h"
#include "schema/equal.h"
#include "schema/keywords.h"
#include "schema/program.h"

/* 8 MiB, touched as far as it is needed: marks of 64 Mi members, or uniqueItems over 400,000. */
#define SCRATCH_WORDS (1u << 20)
/* Up to here elements are compared with each other, without a hash table. */
#define UNIQUE_PAIRS_MAX 12u

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

static bool run_node(struct run *r, uint32_t index, uint32_t at, const struct place *place,
                     const struct scope *scope, uint64_t *marks);

/* ---- errors ---- */

struct writer {
    char *text;
    size_t bytes;
    size_t bytes_max; /* without the NUL */
    bool is_cut;
};

static void write_text(struct writer *w, const char *text, size_t bytes)
{
    if (bytes > w->bytes_max - w->bytes) {
        bytes = w->bytes_max - w->bytes;
        w->is_cut = true;
    }
    memcpy(w->text + w->bytes, text, bytes);
    w->bytes += bytes;
}

static void write_token(struct writer *w, struct pt_span token)
{
    write_text(w, "/", 1);
    for (size_t i = 0; i < token.size && !w->is_cut; i++) {
        char c = (char)token.data[i];

        if (c == '~' || c == '/') {
            write_text(w, c == '~' ? "~0" : "~1", 2);
        } else {
            write_text(w, &c, 1);
        }
    }
}

/* Ends the text; a cut one ends in "...", at a whole UTF-8 character. */
static void write_end(struct writer *w)
{
    if (w->is_cut) {
        w->bytes = w->bytes_max - 3;
        while (w->bytes > 0 && ((uint8_t)w->text[w->bytes] & 0xc0) == 0x80) {
            w->bytes--;
        }
        memcpy(w->text + w->bytes, "...", 3);
        w->bytes += 3;
    }
    w->text[w->bytes] = '\0';
}

/* Recursion: as deep as the value, 64 at most. */
static void write_place(struct writer *w, const struct run *r, const struct place *place)
{
    if (!place) {
        return;
    }
    write_place(w, r, place->above);
    if (place->key) {
        write_token(w, pt_walk_string(r->tape, r->strings, place->key));
    } else {
        char digits[12];

        snprintf(digits, sizeof(digits), "%u", place->index);
        write_token(w, pt_span_str(digits));
    }
}

static bool fail(struct run *r, const struct pt_node *node, const struct place *place,
                 const char *keyword, const char *format, ...) PT_PRINTF(5, 6)
    __attribute__((cold, noinline));

/* Writes an error down where anybody wants it; returns false. */
static bool fail(struct run *r, const struct pt_node *node, const struct place *place,
                 const char *keyword, const char *format, ...)
{
    struct pt_schema_error *error = NULL;
    struct writer w = {.bytes_max = sizeof(error->instance) - 1};
    const char *location = r->schema->texts + node->location;
    va_list args;

    if (r->quiet > 0 || !r->errors) {
        return false;
    }
    if (r->errors->count == PT_SCHEMA_ERRORS_MAX) {
        r->errors->is_cut = true;
        return false;
    }
    error = &r->errors->list[r->errors->count++];
    w.text = error->instance;
    write_place(&w, r, place);
    write_end(&w);
    w = (struct writer){.text = error->schema, .bytes_max = sizeof(error->schema) - 1};
    write_text(&w, location, strlen(location));
    if (keyword[0]) {
        write_token(&w, pt_span_str(keyword));
    }
    write_end(&w);
    error->keyword = keyword[0] ? keyword : "false";
    va_start(args, format);
    vsnprintf(error->detail, sizeof(error->detail), format, args);
    va_end(args);
    return false;
}

static bool too_complex(struct run *r)
{
    r->is_too_complex = true;
    return false;
}

static inline bool stops(const struct run *r)
{
    return r->stops_first || r->quiet > 0 || r->is_too_complex;
}

static inline bool spend(struct run *r, uint64_t steps)
{
    if (r->steps < steps) {
        r->steps = 0;
        return too_complex(r);
    }
    r->steps -= steps;
    return true;
}

/* `count` zeroed words, released by setting scratch->used back; NULL where there are not that many. */
static uint64_t *take_words(struct run *r, uint32_t count)
{
    struct pt_schema_scratch *scratch = r->scratch;
    uint64_t *words = scratch->words + scratch->used;

    if (count > SCRATCH_WORDS - scratch->used || !spend(r, count / 8)) {
        too_complex(r);
        return NULL;
    }
    memset(words, 0, count * sizeof(*words));
    scratch->used += count;
    return words;
}

static inline void mark(uint64_t *marks, uint32_t index)
{
    marks[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline bool is_marked(const uint64_t *marks, uint32_t index)
{
    return marks[index / 64] >> (index % 64) & 1;
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
    uint64_t *marks = s->marks ? take_words(r, words) : NULL;
    bool holds = false;

    if (s->marks && !marks) {
        return false;
    }
    r->quiet++;
    holds = run_node(r, node, s->at, s->place, s->scope, marks);
    r->quiet--;
    for (uint32_t i = 0; holds && i < words; i++) {
        s->marks[i] |= marks[i];
    }
    r->scratch->used = used;
    return holds;
}

/* ---- values ---- */

static inline unsigned type_of(const uint64_t *tape, uint32_t at)
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

static bool fail_type(struct run *r, const struct subject *s)
{
    static const char *const names[] = {"null", "boolean", "integer", NULL, "string", "array",
                                        "object"};
    char wanted[64] = "";
    size_t bytes = 0;
    unsigned types = s->node->types;
    const char *found = s->type == PT_TYPE_FRACTION ? "number" : "null";

    if ((types & PT_TYPE_NUMBER) == PT_TYPE_NUMBER) {
        bytes = (size_t)snprintf(wanted, sizeof(wanted), "number");
        types &= ~(unsigned)PT_TYPE_NUMBER;
    }
    for (unsigned i = 0; i < 7; i++) {
        if (types >> i & 1 && names[i]) {
            bytes += (size_t)snprintf(wanted + bytes, sizeof(wanted) - bytes, "%s%s",
                                      bytes ? " or " : "", names[i]);
        }
        if (s->type >> i & 1 && names[i]) {
            found = names[i];
        }
    }
    return fail(r, s->node, s->place, "type", "it must be %s, not %s", wanted, found);
}

static bool check_enum(struct run *r, uint32_t at, unsigned type, const struct pt_enum_rule *rule)
{
    const struct pt_schema *p = r->schema;

    if (type == PT_TYPE_STRING) {
        struct pt_span text = pt_walk_string(r->tape, r->strings, at);
        uint32_t slot = 0;

        if (rule->string_count == 0) {
            return false;
        }
        slot = pt_key_hash(text.data, text.size) & rule->slot_mask;
        for (;; slot = (slot + 1) & rule->slot_mask) {
            uint32_t index = p->slots[rule->slot_first + slot];
            const struct pt_name *name = NULL;

            if (index == UINT32_MAX) {
                return false;
            }
            name = &p->keys[rule->string_first + index];
            if (name->bytes == text.size &&
                pt_bytes_equal((const uint8_t *)p->texts + name->at, text.data, text.size)) {
                return true;
            }
        }
    }
    for (uint32_t i = 0; i < rule->other_count; i++) {
        if (pt_values_equal((struct pt_json){r->tape, r->strings, at},
                            (struct pt_json){p->constant_tape, p->constant_strings,
                                             p->lists[rule->other_first + i]},
                            &r->steps)) {
            return true;
        }
    }
    return false;
}

static inline int compare_to(const struct run *r, uint32_t at, struct pt_number limit)
{
    if (pt_walk_kind(r->tape, at) == 'l' && limit.kind == 'l') {
        int64_t value = (int64_t)r->tape[at + 1];

        return value < limit.as.i ? -1 : value > limit.as.i;
    }
    if (pt_walk_kind(r->tape, at) == 'd' && limit.kind == 'l' && limit.as.i <= INT64_C(1) << 53 &&
        limit.as.i >= -(INT64_C(1) << 53)) {
        double value = pt_walk_double(r->tape, at);
        double other = (double)limit.as.i; /* exact */

        return value < other ? -1 : value > other;
    }
    return pt_number_compare(pt_number_at(r->tape, at), limit);
}

static bool run_range(struct run *r, const struct subject *s, const struct pt_range_rule *rule)
{
    bool ok = true;

    if (rule->has_min) {
        int order = compare_to(r, s->at, rule->min);

        if (order < 0 || (order == 0 && rule->is_min_exclusive)) {
            ok = fail(r, s->node, s->place,
                      rule->is_min_exclusive ? "exclusiveMinimum" : "minimum",
                      "the number is too small");
        }
    }
    if (rule->has_max) {
        int order = compare_to(r, s->at, rule->max);

        if (order > 0 || (order == 0 && rule->is_max_exclusive)) {
            ok = fail(r, s->node, s->place,
                      rule->is_max_exclusive ? "exclusiveMaximum" : "maximum",
                      "the number is too large");
        }
    }
    return ok;
}

static bool run_length(struct run *r, const struct subject *s, uint32_t min, uint32_t max)
{
    struct pt_span text = pt_walk_string(r->tape, r->strings, s->at);
    size_t points = 0;

    /* A code point has one to four bytes: mostly the number of bytes decides. */
    if (text.size <= max && text.size >= (uint64_t)min * 4) {
        return true;
    }
    if (!spend(r, text.size / 16)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        points += (text.data[i] & 0xc0) != 0x80;
    }
    if (points < min) {
        return fail(r, s->node, s->place, "minLength", "it has %zu characters, at least %u are needed",
                    points, min);
    }
    return points <= max || fail(r, s->node, s->place, "maxLength",
                                 "it has %zu characters, at most %u are taken", points, max);
}

static bool matches(struct run *r, uint32_t regex, struct pt_span text)
{
    enum pt_match match =
        pt_regex_match(r->schema->regexes[regex], text, r->scratch->regex, &r->steps);

    if (match == PT_MATCH_TOO_COMPLEX) {
        return too_complex(r);
    }
    return match == PT_MATCH_YES;
}

/*
 * The common case of run_node(): a node that looks at a string or a number alone, without a frame
 * and without errors. False sends the caller the long way, which says what is wrong.
 */
static inline bool run_leaf(struct run *r, const struct pt_node *node, uint32_t at)
{
    const struct pt_schema *p = r->schema;
    const struct pt_insn *insn = p->insns + node->insn_first;
    const struct pt_insn *end = insn + node->insn_count;
    unsigned type = type_of(r->tape, at);

    if (!(node->types & type)) {
        return false;
    }
    for (; insn < end; insn++) {
        if (!(insn->types & type)) {
            continue;
        }
        if (insn->op == PT_OP_LENGTH) {
            size_t bytes = pt_walk_string(r->tape, r->strings, at).size;

            /* A code point has one to four bytes: mostly the number of bytes decides. */
            if (bytes > insn->c || bytes < (uint64_t)insn->b * 4) {
                struct pt_span text = pt_walk_string(r->tape, r->strings, at);
                size_t points = 0;

                if (bytes < insn->b || bytes > 256) {
                    return false;
                }
                for (size_t i = 0; i < bytes; i++) {
                    points += (text.data[i] & 0xc0) != 0x80;
                }
                if (points < insn->b || points > insn->c) {
                    return false;
                }
            }
        } else if (insn->op == PT_OP_ENUM) {
            if (!check_enum(r, at, type, &p->enums[insn->a])) {
                return false;
            }
        } else if (insn->op == PT_OP_NUMBER_RANGE) {
            const struct pt_range_rule *rule = &p->ranges[insn->a];

            if ((rule->has_min && compare_to(r, at, rule->min) < rule->is_min_exclusive) ||
                (rule->has_max && -compare_to(r, at, rule->max) < rule->is_max_exclusive)) {
                return false;
            }
        } else if (insn->op == PT_OP_PATTERN) {
            if (!matches(r, insn->a, pt_walk_string(r->tape, r->strings, at))) {
                return false;
            }
        } else {
            struct pt_span text = pt_walk_string(r->tape, r->strings, at);

            if (text.size > 256 || !pt_format_check((enum pt_format)insn->a, text)) {
                return false;
            }
        }
    }
    return true;
}

/* A member's value or an element, which has no marks to set. */
static inline bool run_below(struct run *r, uint32_t index, uint32_t at, const struct place *place,
                             const struct scope *scope)
{
    const struct pt_node *node = &r->schema->nodes[index];

    return ((node->flags & PT_NODE_LEAF) && run_leaf(r, node, at)) ||
           run_node(r, index, at, place, scope, NULL);
}

/* ---- objects ---- */

static const struct pt_property *find_property(const struct pt_schema *p,
                                               const struct pt_object_rule *rule,
                                               struct pt_span key)
{
    uint32_t slot = pt_key_hash(key.data, key.size) & rule->slot_mask;

    for (;; slot = (slot + 1) & rule->slot_mask) {
        uint32_t index = p->slots[rule->slot_first + slot];
        const struct pt_property *property = NULL;

        if (index == UINT32_MAX) {
            return NULL;
        }
        property = &p->properties[rule->property_first + index];
        if (property->key.bytes == key.size &&
            pt_bytes_equal((const uint8_t *)p->texts + property->key.at, key.data, key.size)) {
            return property;
        }
    }
}

static bool fail_required(struct run *r, const struct subject *s, const struct pt_object_rule *rule,
                          const uint64_t *seen)
{
    for (uint32_t i = 0; i < rule->property_count; i++) {
        const struct pt_property *property = &r->schema->properties[rule->property_first + i];

        if (property->required != UINT32_MAX && !is_marked(seen, property->required)) {
            fail(r, s->node, s->place, "required", "member \"%.80s\" is missing",
                 r->schema->texts + property->key.at);
            if (stops(r)) {
                break;
            }
        }
    }
    return false;
}

/* What patternProperties, propertyNames and additionalProperties have to say about a member. */
static bool run_other_member(struct run *r, const struct subject *s,
                             const struct pt_object_rule *rule, const struct place *place,
                             uint32_t value, bool *is_known)
{
    struct pt_span key = pt_walk_string(r->tape, r->strings, place->key);
    bool ok = true;

    for (uint32_t i = 0; i < rule->pattern_count; i++) {
        const struct pt_pattern_property *pattern = &r->schema->patterns[rule->pattern_first + i];

        if (!matches(r, pattern->regex, key)) {
            continue;
        }
        *is_known = true;
        if (pattern->node != PT_NODE_TRUE &&
            !run_below(r, pattern->node, value, place, s->scope)) {
            ok = false;
            if (stops(r)) {
                return false;
            }
        }
    }
    if (rule->names != PT_NODE_NONE && rule->names != PT_NODE_TRUE &&
        !run_node(r, rule->names, place->key, place, s->scope, NULL)) {
        ok = false;
    }
    if (r->is_too_complex) {
        return false;
    }
    if (!*is_known && rule->additional != PT_NODE_NONE) {
        *is_known = true;
        if (rule->is_closed) {
            return fail(r, s->node, place, "additionalProperties",
                        "the schema does not know this member");
        }
        if (rule->additional != PT_NODE_TRUE &&
            !run_below(r, rule->additional, value, place, s->scope)) {
            ok = false;
        }
    }
    return ok;
}

static bool run_members(struct run *r, const struct subject *s, const struct pt_object_rule *rule,
                        uint64_t *seen)
{
    const struct pt_schema *p = r->schema;
    const struct pt_property *properties = p->properties + rule->property_first;
    const struct pt_property *last = properties + rule->property_count;
    const struct pt_property *next = properties;
    const bool is_plain = rule->pattern_count == 0 && rule->names == PT_NODE_NONE;
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    bool ok = true;

    for (uint32_t index = 0; cursor < end; index++) {
        struct pt_span key = pt_walk_string(r->tape, r->strings, cursor);
        const struct pt_property *property = NULL;
        uint32_t value = cursor + 1;
        bool is_known = false;

        place.key = cursor;
        cursor = pt_walk_skip(r->tape, value);
        /* Senders write members in one order, mostly the schema's. */
        if (next < last && next->key.bytes == key.size &&
            pt_bytes_equal((const uint8_t *)p->texts + next->key.at, key.data, key.size)) {
            property = next++;
        } else {
            property = find_property(p, rule, key);
            next = property ? property + 1 : next;
        }
        if (property) {
            if (property->required != UINT32_MAX) {
                mark(seen, property->required);
            }
            if (property->node != PT_NODE_NONE) {
                is_known = true;
                if (property->node != PT_NODE_TRUE &&
                    !run_below(r, property->node, value, &place, s->scope)) {
                    ok = false;
                    if (stops(r)) {
                        return false;
                    }
                }
            }
        }
        if (!(is_plain && (is_known || rule->additional == PT_NODE_NONE)) &&
            !run_other_member(r, s, rule, &place, value, &is_known)) {
            ok = false;
            if (stops(r)) {
                return false;
            }
        }
        if (s->marks && is_known) {
            mark(s->marks, index);
        }
    }
    return ok;
}

static bool run_object(struct run *r, const struct subject *s, const struct pt_object_rule *rule)
{
    uint32_t count = pt_walk_count(r->tape, s->at);
    uint32_t used = r->scratch->used;
    uint32_t seen_words = (rule->required_count + 63) / 64;
    uint64_t few[2] = {0, 0};
    uint64_t *seen = few;
    bool is_missing = false;
    bool ok = true;

    if (!spend(r, (uint64_t)count * (2 + rule->pattern_count))) {
        return false;
    }
    if (count < rule->members_min) {
        ok = fail(r, s->node, s->place, "minProperties",
                  "it has %u members, at least %u are needed", count, rule->members_min);
    } else if (count > rule->members_max) {
        ok = fail(r, s->node, s->place, "maxProperties", "it has %u members, at most %u are taken",
                  count, rule->members_max);
    }
    if (!ok && stops(r)) {
        return false;
    }
    if (seen_words > 2) {
        seen = take_words(r, seen_words);
        if (!seen) {
            return false;
        }
    }
    if (!run_members(r, s, rule, seen)) {
        ok = false;
    }
    for (uint32_t i = 0; i < seen_words && !is_missing; i++) {
        uint32_t left = rule->required_count - i * 64;

        is_missing = seen[i] != (left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1);
    }
    if (is_missing && (ok || !stops(r))) {
        ok = fail_required(r, s, rule, seen);
    }
    r->scratch->used = used;
    return ok;
}

static bool has_member(struct run *r, uint32_t at, struct pt_name name)
{
    uint32_t cursor = at + 1;
    uint32_t end = pt_walk_end(r->tape, at);

    if (!spend(r, 1 + pt_walk_count(r->tape, at))) {
        return false;
    }
    while (cursor < end) {
        struct pt_span key = pt_walk_string(r->tape, r->strings, cursor);

        if (key.size == name.bytes &&
            memcmp(key.data, r->schema->texts + name.at, key.size) == 0) {
            return true;
        }
        cursor = pt_walk_skip(r->tape, cursor + 1);
    }
    return false;
}

static bool run_dependent_required(struct run *r, const struct subject *s,
                                   const struct pt_insn *insn)
{
    bool ok = true;

    if (!has_member(r, s->at, r->schema->keys[insn->a])) {
        return true;
    }
    for (uint32_t i = 0; i < insn->c; i++) {
        struct pt_name name = r->schema->keys[insn->b + i];

        if (!has_member(r, s->at, name)) {
            ok = fail(r, s->node, s->place, pt_keywords[insn->detail].name,
                      "member \"%.60s\" is missing beside \"%.60s\"", r->schema->texts + name.at,
                      r->schema->texts + r->schema->keys[insn->a].at);
            if (stops(r)) {
                return false;
            }
        }
    }
    return ok;
}

static bool run_unevaluated_properties(struct run *r, const struct subject *s,
                                       const struct pt_insn *insn)
{
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    bool ok = true;

    if (!spend(r, pt_walk_count(r->tape, s->at))) {
        return false;
    }
    for (uint32_t index = 0; cursor < end; index++) {
        uint32_t value = cursor + 1;

        place.key = cursor;
        cursor = pt_walk_skip(r->tape, value);
        if (is_marked(s->marks, index)) {
            continue;
        }
        mark(s->marks, index);
        if (insn->detail) {
            ok = fail(r, s->node, &place, "unevaluatedProperties",
                      "no schema knows this member");
        } else if (!run_node(r, insn->a, value, &place, s->scope, NULL)) {
            ok = false;
        }
        if (!ok && stops(r)) {
            return false;
        }
    }
    return ok;
}

/* ---- arrays ---- */

static bool run_array(struct run *r, const struct subject *s, const struct pt_array_rule *rule)
{
    uint32_t count = pt_walk_count(r->tape, s->at);
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    bool ok = true;

    if (count < rule->elements_min) {
        ok = fail(r, s->node, s->place, "minItems", "it has %u elements, at least %u are needed",
                  count, rule->elements_min);
    } else if (count > rule->elements_max) {
        ok = fail(r, s->node, s->place, "maxItems", "it has %u elements, at most %u are taken",
                  count, rule->elements_max);
    }
    if ((!ok && stops(r)) || !spend(r, (uint64_t)count * 2)) {
        return false;
    }
    for (uint32_t index = 0; cursor < end; index++) {
        uint32_t node = index < rule->prefix_count
                            ? r->schema->lists[rule->prefix_first + index]
                            : rule->rest;
        uint32_t value = cursor;

        cursor = pt_walk_skip(r->tape, value);
        if (node == PT_NODE_NONE) {
            break;
        }
        if (s->marks) {
            mark(s->marks, index);
        }
        if (node == PT_NODE_TRUE) {
            continue;
        }
        place.index = index;
        if (index >= rule->prefix_count && rule->is_closed) {
            ok = fail(r, s->node, s->place, "items", "it has %u elements, at most %u are taken",
                      count, rule->prefix_count);
            break;
        }
        if (!run_below(r, node, value, &place, s->scope)) {
            ok = false;
            if (stops(r)) {
                return false;
            }
        }
    }
    return ok;
}

static bool run_contains(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    uint32_t found = 0;
    uint32_t used = r->scratch->used;

    r->quiet++;
    for (uint32_t index = 0; cursor < end && !r->is_too_complex; index++) {
        uint32_t value = cursor;

        cursor = pt_walk_skip(r->tape, value);
        place.index = index;
        if (run_node(r, insn->a, value, &place, s->scope, NULL)) {
            found++;
            if (s->marks) {
                mark(s->marks, index);
            } else if (found > insn->c || (found >= insn->b && insn->c == UINT32_MAX)) {
                break;
            }
        }
    }
    r->quiet--;
    r->scratch->used = used;
    if (found < insn->b) {
        return fail(r, s->node, s->place, insn->b == 1 ? "contains" : "minContains",
                    "%u elements are of the kind that it must contain, at least %u are needed",
                    found, insn->b);
    }
    return found <= insn->c ||
           fail(r, s->node, s->place, "maxContains",
                "over %u elements are of the kind that it may contain", insn->c);
}

static bool run_unevaluated_items(struct run *r, const struct subject *s,
                                  const struct pt_insn *insn)
{
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    bool ok = true;

    if (!spend(r, pt_walk_count(r->tape, s->at))) {
        return false;
    }
    for (uint32_t index = 0; cursor < end; index++) {
        uint32_t value = cursor;

        cursor = pt_walk_skip(r->tape, value);
        if (is_marked(s->marks, index)) {
            continue;
        }
        mark(s->marks, index);
        place.index = index;
        if (insn->detail) {
            ok = fail(r, s->node, &place, "unevaluatedItems", "no schema knows this element");
        } else if (!run_node(r, insn->a, value, &place, s->scope, NULL)) {
            ok = false;
        }
        if (!ok && stops(r)) {
            return false;
        }
    }
    return ok;
}

static bool fail_unique(struct run *r, const struct subject *s)
{
    return fail(r, s->node, s->place, "uniqueItems", "two of its elements are equal");
}

static bool are_equal(struct run *r, uint32_t a, uint32_t b)
{
    return pt_values_equal((struct pt_json){r->tape, r->strings, a},
                           (struct pt_json){r->tape, r->strings, b}, &r->steps);
}

static bool run_unique_few(struct run *r, const struct subject *s)
{
    uint32_t end = pt_walk_end(r->tape, s->at);

    for (uint32_t a = s->at + 1; a < end; a = pt_walk_skip(r->tape, a)) {
        for (uint32_t b = pt_walk_skip(r->tape, a); b < end; b = pt_walk_skip(r->tape, b)) {
            if (are_equal(r, a, b)) {
                return fail_unique(r, s);
            }
        }
    }
    return true;
}

static bool run_unique(struct run *r, const struct subject *s)
{
    uint32_t count = pt_walk_count(r->tape, s->at);
    uint32_t end = pt_walk_end(r->tape, s->at);
    uint32_t used = r->scratch->used;
    uint32_t size = 32;
    uint64_t *table = NULL;
    bool ok = true;

    if (count <= UNIQUE_PAIRS_MAX) {
        return run_unique_few(r, s);
    }
    while (size < 2 * count && size < SCRATCH_WORDS) {
        size *= 2;
    }
    if (size < count + count / 4) {
        return too_complex(r);
    }
    table = take_words(r, size);
    if (!table) {
        return false;
    }
    /* A slot is an element's hash above its index on the tape, which is never 0. */
    for (uint32_t at = s->at + 1; ok && at < end; at = pt_walk_skip(r->tape, at)) {
        uint32_t hash = (uint32_t)pt_value_hash(
            (struct pt_json){r->tape, r->strings, at}, &r->steps);
        uint32_t slot = hash & (size - 1);

        while (ok && table[slot] != 0) {
            if (!spend(r, 1)) {
                return false;
            }
            if (table[slot] >> 32 == hash && are_equal(r, (uint32_t)table[slot], at)) {
                ok = fail_unique(r, s);
            }
            slot = (slot + 1) & (size - 1);
        }
        table[slot] = (uint64_t)hash << 32 | at;
    }
    r->scratch->used = used;
    return ok;
}

/* ---- schemas combined ---- */

static uint32_t dynamic_target(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    uint32_t target = insn->a;

    /* From the innermost outwards: what is found last is the outermost. */
    for (const struct scope *scope = s->scope; scope; scope = scope->above) {
        if (!spend(r, 1 + r->schema->anchor_count / 8)) {
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
        if (!run_node(r, r->schema->lists[insn->b + i], s->at, s->place, s->scope, s->marks)) {
            ok = false;
            if (stops(r)) {
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
    return holds || fail(r, s->node, s->place, "anyOf", "it fits none of the %u schemas", insn->c);
}

static bool run_one_of(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    uint32_t first = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < insn->c && count < 2 && !r->is_too_complex; i++) {
        if (run_branch(r, s, r->schema->lists[insn->b + i])) {
            if (count++ == 1) {
                return fail(r, s->node, s->place, "oneOf",
                            "it fits both schema %u and schema %u, counted from 0", first, i);
            }
            first = i;
        }
    }
    return count == 1 ||
           fail(r, s->node, s->place, "oneOf", "it fits none of the %u schemas", insn->c);
}

static bool run_not(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    struct subject unmarked = *s;
    uint32_t used = r->scratch->used;
    bool holds = false;

    /* Its marks are thrown away, but inside it they may be asked for: nodes that ask take their own. */
    unmarked.marks = NULL;
    holds = run_branch(r, &unmarked, insn->a);
    r->scratch->used = used;
    return !holds || fail(r, s->node, s->place, "not", "it fits the schema that it must not fit");
}

static bool run_if(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    uint32_t next = run_branch(r, s, insn->a) ? insn->b : insn->c;

    if (r->is_too_complex) {
        return false;
    }
    return next == PT_NODE_NONE || run_node(r, next, s->at, s->place, s->scope, s->marks);
}

/* ---- a node ---- */

static bool run_insn(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    const struct pt_schema *p = r->schema;

    switch ((enum pt_op)insn->op) {
    case PT_OP_FALSE:
        return fail(r, s->node, s->place, "", "nothing is allowed here");
    case PT_OP_CONST:
        return pt_values_equal((struct pt_json){r->tape, r->strings, s->at},
                               (struct pt_json){p->constant_tape, p->constant_strings, insn->a},
                               &r->steps) ||
               fail(r, s->node, s->place, "const", "it is not the one value that is allowed");
    case PT_OP_ENUM:
        return check_enum(r, s->at, s->type, &p->enums[insn->a]) ||
               fail(r, s->node, s->place, "enum", "it is none of the %u values that are allowed",
                    p->enums[insn->a].string_count + p->enums[insn->a].other_count);
    case PT_OP_NUMBER_RANGE:
        return run_range(r, s, &p->ranges[insn->a]);
    case PT_OP_MULTIPLE_OF:
        return (spend(r, 16) &&
                pt_number_is_multiple(pt_number_at(r->tape, s->at), p->numbers[insn->a])) ||
               fail(r, s->node, s->place, "multipleOf", "it is no multiple of what is asked for");
    case PT_OP_LENGTH:
        return run_length(r, s, insn->b, insn->c);
    case PT_OP_PATTERN:
        return matches(r, insn->a, pt_walk_string(r->tape, r->strings, s->at)) ||
               fail(r, s->node, s->place, "pattern", "it does not match the pattern");
    case PT_OP_FORMAT: {
        struct pt_span text = pt_walk_string(r->tape, r->strings, s->at);

        return (spend(r, 1 + text.size / 4) && pt_format_check((enum pt_format)insn->a, text)) ||
               fail(r, s->node, s->place, "format", "it is not of the format %s",
                    pt_format_name((enum pt_format)insn->a));
    }
    case PT_OP_OBJECT:
        return run_object(r, s, &p->objects[insn->a]);
    case PT_OP_ARRAY:
        return run_array(r, s, &p->arrays[insn->a]);
    case PT_OP_UNIQUE_ITEMS:
        return run_unique(r, s);
    case PT_OP_CONTAINS:
        return run_contains(r, s, insn);
    case PT_OP_DEPENDENT_REQUIRED:
        return run_dependent_required(r, s, insn);
    case PT_OP_DEPENDENT_SCHEMA:
        return !has_member(r, s->at, p->keys[insn->a]) ||
               run_node(r, insn->b, s->at, s->place, s->scope, s->marks);
    case PT_OP_REF:
        return run_node(r, insn->a, s->at, s->place, s->scope, s->marks);
    case PT_OP_DYNAMIC_REF:
        return run_node(r, dynamic_target(r, s, insn), s->at, s->place, s->scope, s->marks);
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
        return run_unevaluated_items(r, s, insn);
    case PT_OP_UNEVALUATED_PROPERTIES:
        return run_unevaluated_properties(r, s, insn);
    }
    return too_complex(r);
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
            if (stops(r)) {
                break;
            }
        }
    }
    return ok;
}

/* A node that asks for what was not evaluated collects marks of its own and adds them to the outer ones. */
static bool run_with_marks(struct run *r, struct subject *s)
{
    uint32_t used = r->scratch->used;
    uint32_t words = mark_words(r, s->at);
    uint64_t *outer = s->marks;
    bool ok = false;

    s->marks = take_words(r, words);
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

static bool run_node(struct run *r, uint32_t index, uint32_t at, const struct place *place,
                     const struct scope *scope, uint64_t *marks)
{
    const struct pt_node *node = &r->schema->nodes[index];
    struct subject s = {node, at, type_of(r->tape, at), place, scope, marks};
    struct scope own = {scope, node->resource};
    bool ok = true;

    if (!spend(r, 1 + node->insn_count)) {
        return false;
    }
    if (!(node->types & s.type)) {
        ok = fail_type(r, &s);
        if (stops(r)) {
            return false;
        }
    }
    if (node->insn_count == 0) {
        return ok;
    }
    if (r->depth == 0) {
        return too_complex(r);
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
    scratch->words = pt_alloc(SCRATCH_WORDS * sizeof(*scratch->words));
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
    is_valid = run_node(&r, schema->root, value.at, NULL, NULL, NULL);
    if (r.is_too_complex || r.steps == 0) {
        r.quiet = 0;
        if (errors && (errors->count == PT_SCHEMA_ERRORS_MAX || stops_first)) {
            errors->count -= errors->count > 0;
            errors->is_cut = !stops_first;
        }
        fail(&r, &schema->nodes[schema->root], NULL, "",
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
