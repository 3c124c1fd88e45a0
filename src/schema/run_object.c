/*
 * run_object.c - what is asked of an object's members
 *
 * One pass over the members drives properties, patternProperties, additionalProperties,
 * propertyNames and required together.
 */
#include "schema/run.h"

#include "schema/keywords.h"

static const struct pt_property *
find_property(const struct pt_schema *p, const struct pt_object_rule *rule, struct pt_span key)
{
    uint32_t slot = pt_key_hash(key.data, key.size) >> rule->table.shift & rule->table.mask;

    for (;; slot = (slot + 1) & rule->table.mask) {
        uint32_t index = p->slots[rule->table.first + slot];
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

        if (property->required != UINT32_MAX && !pt_run_is_marked(seen, property->required)) {
            pt_run_fail(r, s->node, s->place, "required", "member \"%.80s\" is missing",
                        r->schema->texts + property->key.at);
            if (pt_run_stops(r)) {
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

        if (!pt_run_matches(r, pattern->regex, key)) {
            continue;
        }
        *is_known = true;
        if (pattern->node != PT_NODE_TRUE &&
            !pt_run_below(r, pattern->node, value, place, s->scope)) {
            ok = false;
            if (pt_run_stops(r)) {
                return false;
            }
        }
    }
    if (rule->names != PT_NODE_NONE && rule->names != PT_NODE_TRUE &&
        !pt_run_node(r, rule->names, place->key, place, s->scope, NULL)) {
        ok = false;
    }
    if (r->is_too_complex) {
        return false;
    }
    if (!*is_known && rule->additional != PT_NODE_NONE) {
        *is_known = true;
        if (rule->is_closed) {
            return pt_run_fail(r, s->node, place, "additionalProperties",
                               "the schema does not know this member");
        }
        if (rule->additional != PT_NODE_TRUE &&
            !pt_run_below(r, rule->additional, value, place, s->scope)) {
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
                pt_run_mark(seen, property->required);
            }
            if (property->node != PT_NODE_NONE) {
                is_known = true;
                if (property->node != PT_NODE_TRUE &&
                    !pt_run_below(r, property->node, value, &place, s->scope)) {
                    ok = false;
                    if (pt_run_stops(r)) {
                        return false;
                    }
                }
            }
        }
        if (!(is_plain && (is_known || rule->additional == PT_NODE_NONE)) &&
            !run_other_member(r, s, rule, &place, value, &is_known)) {
            ok = false;
            if (pt_run_stops(r)) {
                return false;
            }
        }
        if (s->marks && is_known) {
            pt_run_mark(s->marks, index);
        }
    }
    return ok;
}

bool pt_run_object(struct run *r, const struct subject *s, const struct pt_object_rule *rule)
{
    uint32_t count = pt_walk_count(r->tape, s->at);
    uint32_t used = r->scratch->used;
    uint32_t seen_words = (rule->required_count + 63) / 64;
    uint64_t few[2] = {0, 0};
    uint64_t *seen = few;
    bool is_missing = false;
    bool ok = true;

    if (!pt_run_spend(r, (uint64_t)count * (2 + rule->pattern_count))) {
        return false;
    }
    if (count < rule->members_min) {
        ok = pt_run_fail(r, s->node, s->place, "minProperties",
                         "it has %u members, at least %u are needed", count, rule->members_min);
    } else if (count > rule->members_max) {
        ok = pt_run_fail(r, s->node, s->place, "maxProperties",
                         "it has %u members, at most %u are taken", count, rule->members_max);
    }
    if (!ok && pt_run_stops(r)) {
        return false;
    }
    if (seen_words > 2) {
        seen = pt_run_words(r, seen_words);
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
    if (is_missing && (ok || !pt_run_stops(r))) {
        ok = fail_required(r, s, rule, seen);
    }
    r->scratch->used = used;
    return ok;
}

bool pt_run_has_member(struct run *r, uint32_t at, struct pt_name name)
{
    uint32_t cursor = at + 1;
    uint32_t end = pt_walk_end(r->tape, at);

    if (!pt_run_spend(r, 1 + pt_walk_count(r->tape, at))) {
        return false;
    }
    while (cursor < end) {
        struct pt_span key = pt_walk_string(r->tape, r->strings, cursor);

        if (key.size == name.bytes && memcmp(key.data, r->schema->texts + name.at, key.size) == 0) {
            return true;
        }
        cursor = pt_walk_skip(r->tape, cursor + 1);
    }
    return false;
}

bool pt_run_dependent_required(struct run *r, const struct subject *s, const struct pt_insn *insn)
{
    bool ok = true;

    if (!pt_run_has_member(r, s->at, r->schema->keys[insn->a])) {
        return true;
    }
    for (uint32_t i = 0; i < insn->c; i++) {
        struct pt_name name = r->schema->keys[insn->b + i];

        if (!pt_run_has_member(r, s->at, name)) {
            ok = pt_run_fail(r, s->node, s->place, pt_keywords[insn->detail].name,
                             "member \"%.60s\" is missing beside \"%.60s\"",
                             r->schema->texts + name.at,
                             r->schema->texts + r->schema->keys[insn->a].at);
            if (pt_run_stops(r)) {
                return false;
            }
        }
    }
    return ok;
}

bool pt_run_unevaluated_properties(struct run *r, const struct subject *s,
                                   const struct pt_insn *insn)
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
        uint32_t value = cursor + 1;

        place.key = cursor;
        cursor = pt_walk_skip(r->tape, value);
        if (pt_run_is_marked(s->marks, index)) {
            continue;
        }
        pt_run_mark(s->marks, index);
        if (insn->detail) {
            ok = pt_run_fail(r, s->node, &place, "unevaluatedProperties",
                             "no schema knows this member");
        } else if (!pt_run_node(r, insn->a, value, &place, s->scope, NULL)) {
            ok = false;
        }
        if (!ok && pt_run_stops(r)) {
            return false;
        }
    }
    return ok;
}
