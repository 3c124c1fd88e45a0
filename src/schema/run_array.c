/*
 * run_array.c - what is asked of an array's elements
 */
#include "schema/run.h"

#include "schema/equal.h"

/* Up to here elements are compared with each other, without a hash table. */
#define UNIQUE_PAIRS_MAX 12u

bool pt_run_array(struct run *r, const struct subject *s, const struct pt_array_rule *rule)
{
    uint32_t count = pt_walk_count(r->tape, s->at);
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    bool ok = true;

    if (count < rule->elements_min) {
        ok = pt_run_fail(r, s->node, s->place, "minItems",
                         "it has %u elements, at least %u are needed", count, rule->elements_min);
    } else if (count > rule->elements_max) {
        ok = pt_run_fail(r, s->node, s->place, "maxItems",
                         "it has %u elements, at most %u are taken", count, rule->elements_max);
    }
    if ((!ok && pt_run_stops(r)) || !pt_run_spend(r, (uint64_t)count * 2)) {
        return false;
    }
    for (uint32_t index = 0; cursor < end; index++) {
        uint32_t node =
            index < rule->prefix_count ? r->schema->lists[rule->prefix_first + index] : rule->rest;
        uint32_t value = cursor;

        cursor = pt_walk_skip(r->tape, value);
        if (node == PT_NODE_NONE) {
            break;
        }
        if (s->marks) {
            pt_run_mark(s->marks, index);
        }
        if (node == PT_NODE_TRUE) {
            continue;
        }
        place.index = index;
        if (index >= rule->prefix_count && rule->is_closed) {
            ok = pt_run_fail(r, s->node, s->place, "items",
                             "it has %u elements, at most %u are taken", count, rule->prefix_count);
            break;
        }
        if (!pt_run_below(r, node, value, &place, s->scope)) {
            ok = false;
            if (pt_run_stops(r)) {
                return false;
            }
        }
    }
    return ok;
}

bool pt_run_contains(struct run *r, const struct subject *s, const struct pt_insn *insn)
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
        if (pt_run_node(r, insn->a, value, &place, s->scope, NULL)) {
            found++;
            if (s->marks) {
                pt_run_mark(s->marks, index);
            } else if (found > insn->c || (found >= insn->b && insn->c == UINT32_MAX)) {
                break;
            }
        }
    }
    r->quiet--;
    r->scratch->used = used;
    if (found < insn->b) {
        return pt_run_fail(
            r, s->node, s->place, insn->b == 1 ? "contains" : "minContains",
            "%u elements are of the kind that it must contain, at least %u are needed", found,
            insn->b);
    }
    return found <= insn->c ||
           pt_run_fail(r, s->node, s->place, "maxContains",
                       "over %u elements are of the kind that it may contain", insn->c);
}

bool pt_run_unevaluated_items(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    struct place place = {.above = s->place};
    uint32_t cursor = s->at + 1;
    uint32_t end = pt_walk_end(r->tape, s->at);
    bool ok = true;

    pt_assert(s->marks);
    if (!pt_run_spend(r, pt_walk_count(r->tape, s->at))) {
        return false;
    }
    for (uint32_t index = 0; cursor < end; index++) {
        uint32_t value = cursor;

        cursor = pt_walk_skip(r->tape, value);
        if (pt_run_is_marked(s->marks, index)) {
            continue;
        }
        pt_run_mark(s->marks, index);
        place.index = index;
        if (insn->detail) {
            ok =
                pt_run_fail(r, s->node, &place, "unevaluatedItems", "no schema knows this element");
        } else if (!pt_run_node(r, insn->a, value, &place, s->scope, NULL)) {
            ok = false;
        }
        if (!ok && pt_run_stops(r)) {
            return false;
        }
    }
    return ok;
}

static bool fail_unique(struct run *r, const struct subject *s)
{
    return pt_run_fail(r, s->node, s->place, "uniqueItems", "two of its elements are equal");
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

bool pt_run_unique(struct run *r, const struct subject *s)
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
    while (size < 2 * count && size < PT_SCRATCH_WORDS) {
        size *= 2;
    }
    if (size < count + count / 4) {
        return pt_run_too_complex(r);
    }
    table = pt_run_words(r, size);
    if (!table) {
        return false;
    }
    /* A slot is an element's hash above its index on the tape, which is never 0. */
    for (uint32_t at = s->at + 1; ok && at < end; at = pt_walk_skip(r->tape, at)) {
        uint32_t hash =
            (uint32_t)pt_value_hash((struct pt_json){r->tape, r->strings, at}, &r->steps);
        uint32_t slot = hash & (size - 1);

        while (ok && table[slot] != 0) {
            if (!pt_run_spend(r, 1)) {
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
