/*
 * run_value.c - what is asked of a string or a number
 */
#include "schema/run.h"

#include "schema/equal.h"

/* Longer texts cost steps, which the long way counts. */
#define LEAF_BYTES_MAX 256

bool pt_run_enum(struct run *r, uint32_t at, unsigned type, const struct pt_enum_rule *rule)
{
    const struct pt_schema *p = r->schema;

    if (type == PT_TYPE_STRING) {
        struct pt_span text = pt_walk_string(r->tape, r->strings, at);
        uint32_t slot = 0;

        if (rule->string_count == 0) {
            return false;
        }
        slot = pt_key_hash(text.data, text.size) >> rule->table.shift & rule->table.mask;
        for (;; slot = (slot + 1) & rule->table.mask) {
            uint32_t index = p->slots[rule->table.first + slot];
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

bool pt_run_range(struct run *r, const struct subject *s, const struct pt_range_rule *rule)
{
    bool ok = true;

    if (rule->has_min) {
        int order = compare_to(r, s->at, rule->min);

        if (order < 0 || (order == 0 && rule->is_min_exclusive)) {
            ok = pt_run_fail(r, s->node, s->place,
                             rule->is_min_exclusive ? "exclusiveMinimum" : "minimum",
                             "the number is too small");
        }
    }
    if (rule->has_max) {
        int order = compare_to(r, s->at, rule->max);

        if (order > 0 || (order == 0 && rule->is_max_exclusive)) {
            ok = pt_run_fail(r, s->node, s->place,
                             rule->is_max_exclusive ? "exclusiveMaximum" : "maximum",
                             "the number is too large");
        }
    }
    return ok;
}

/* Code points of checked UTF-8: its bytes but for those of the form 10xxxxxx, eight at a time. */
static size_t count_points(struct pt_span text)
{
    size_t points = text.size;
    size_t at = 0;

    for (; text.size - at >= 8; at += 8) {
        uint64_t word = 0;

        memcpy(&word, text.data + at, 8);
        word = word >> 7 & ~word >> 6 & UINT64_C(0x0101010101010101);
        points -= (size_t)(word * UINT64_C(0x0101010101010101) >> 56);
    }
    for (; at < text.size; at++) {
        points -= (text.data[at] & 0xc0) == 0x80;
    }
    return points;
}

/* A code point has one to four bytes: mostly the number of bytes decides. */
static inline bool length_is_plain(struct pt_span text, const struct pt_insn *insn)
{
    return text.size <= insn->c && text.size >= insn->a;
}

bool pt_run_length(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    struct pt_span text = pt_walk_string(r->tape, r->strings, s->at);
    size_t points = 0;

    if (length_is_plain(text, insn)) {
        return true;
    }
    if (!pt_run_spend(r, text.size / 16)) {
        return false;
    }
    points = count_points(text);
    if (points < insn->b) {
        return pt_run_fail(r, s->node, s->place, "minLength",
                           "it has %zu characters, at least %u are needed", points, insn->b);
    }
    return points <= insn->c ||
           pt_run_fail(r, s->node, s->place, "maxLength",
                       "it has %zu characters, at most %u are taken", points, insn->c);
}

bool pt_run_matches(struct run *r, uint32_t regex, struct pt_span text)
{
    enum pt_match match =
        pt_regex_match(r->schema->regexes[regex], text, r->scratch->regex, &r->steps);

    if (match == PT_MATCH_TOO_COMPLEX) {
        return pt_run_too_complex(r);
    }
    return match == PT_MATCH_YES;
}

/* A string or number under one instruction; what needs a closer look is false as well. */
static inline bool holds(struct run *r, const struct pt_insn *insn, uint32_t at, unsigned type)
{
    const struct pt_schema *p = r->schema;

    if (insn->op == PT_OP_LENGTH) {
        struct pt_span text = pt_walk_string(r->tape, r->strings, at);
        size_t points = 0;

        if (length_is_plain(text, insn)) {
            return true;
        }
        points = text.size <= LEAF_BYTES_MAX ? count_points(text) : 0;
        return points >= insn->b && points <= insn->c && points > 0;
    }
    if (insn->op == PT_OP_ENUM) {
        return pt_run_enum(r, at, type, &p->enums[insn->a]);
    }
    if (insn->op == PT_OP_NUMBER_RANGE) {
        const struct pt_range_rule *rule = &p->ranges[insn->a];

        return !((rule->has_min && compare_to(r, at, rule->min) < rule->is_min_exclusive) ||
                 (rule->has_max && -compare_to(r, at, rule->max) < rule->is_max_exclusive));
    }
    if (insn->op == PT_OP_PATTERN) {
        return pt_run_matches(r, insn->a, pt_walk_string(r->tape, r->strings, at));
    }
    if (insn->op == PT_OP_FORMAT) {
        struct pt_span text = pt_walk_string(r->tape, r->strings, at);

        return text.size <= LEAF_BYTES_MAX && pt_format_check((enum pt_format)insn->a, text);
    }
    return false;
}

bool pt_run_leaf(struct run *r, const struct pt_node *node, uint32_t at, unsigned type)
{
    const struct pt_insn *insn = r->schema->insns + node->insn_first;
    const struct pt_insn *end = insn + node->insn_count;

    for (; insn < end; insn++) {
        if ((insn->types & type) && !holds(r, insn, at, type)) {
            return false;
        }
    }
    return true;
}
