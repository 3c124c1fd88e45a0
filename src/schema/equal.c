/*
 * equal.c - JSON values compared by what they mean
 *
 * Recursion is as deep as the values, PT_JSON_DEPTH_MAX at most.
 */
#include "schema/equal.h"

#include "base/json_walk.h"
#include "schema/number.h"

static bool spend(uint64_t *steps, uint64_t cost)
{
    if (*steps <= cost) {
        *steps = 0;
        return false;
    }
    *steps -= cost;
    return true;
}

static bool is_number(char kind)
{
    return kind == 'l' || kind == 'u' || kind == 'd';
}

static struct pt_span string_at(struct pt_json value, uint32_t at)
{
    return pt_walk_string(value.tape, value.strings, at);
}

static bool arrays_equal(struct pt_json a, struct pt_json b, uint64_t *steps)
{
    uint32_t end = pt_walk_end(a.tape, a.at);

    a.at++;
    b.at++;
    while (a.at < end) {
        if (!pt_values_equal(a, b, steps)) {
            return false;
        }
        a.at = pt_walk_skip(a.tape, a.at);
        b.at = pt_walk_skip(b.tape, b.at);
    }
    return true;
}

/* The value of `key` in `object`, looked for from *cursor on and around; 0 where absent. */
static uint32_t find_member(struct pt_json object, struct pt_span key, uint32_t *cursor,
                            uint64_t *steps)
{
    uint32_t first = object.at + 1;
    uint32_t end = pt_walk_end(object.tape, object.at);
    uint32_t start = *cursor < end ? *cursor : first;
    uint32_t at = start;

    do {
        uint32_t value = at + 1;

        if (!spend(steps, 1)) {
            return 0;
        }
        *cursor = pt_walk_skip(object.tape, value);
        if (pt_span_equal(string_at(object, at), key)) {
            return value;
        }
        at = *cursor < end ? *cursor : first;
    } while (at != start);
    return 0;
}

/* Whether all keys of `a` are keys of `b`, and, where asked, their values equal. */
static bool members_in(struct pt_json a, struct pt_json b, uint64_t *steps, bool with_values)
{
    uint32_t end = pt_walk_end(a.tape, a.at);
    uint32_t at = a.at + 1;
    uint32_t cursor = b.at + 1;

    while (at < end) {
        struct pt_json in_a = {a.tape, a.strings, at + 1};
        struct pt_json in_b = {b.tape, b.strings, find_member(b, string_at(a, at), &cursor, steps)};

        if (in_b.at == 0 || (with_values && !pt_values_equal(in_a, in_b, steps))) {
            return false;
        }
        at = pt_walk_skip(a.tape, at + 1);
    }
    return true;
}

bool pt_values_equal(struct pt_json a, struct pt_json b, uint64_t *steps)
{
    char kind = pt_walk_kind(a.tape, a.at);
    char other = pt_walk_kind(b.tape, b.at);

    if (!spend(steps, 1)) {
        return false;
    }
    if (is_number(kind)) {
        return is_number(other) &&
               pt_number_compare(pt_number_at(a.tape, a.at), pt_number_at(b.tape, b.at)) == 0;
    }
    if (kind != other) {
        return false;
    }
    switch (kind) {
    case '"': {
        struct pt_span text = string_at(a, a.at);

        return spend(steps, text.size / 64) && pt_span_equal(text, string_at(b, b.at));
    }
    case '[':
        return pt_walk_count(a.tape, a.at) == pt_walk_count(b.tape, b.at) &&
               arrays_equal(a, b, steps);
    case '{':
        if (pt_walk_count(a.tape, a.at) != pt_walk_count(b.tape, b.at)) {
            return false;
        }
        if (pt_walk_count(a.tape, a.at) == 0) {
            return true;
        }
        /* The keys both ways: one that stands twice must not stand for another one. */
        return members_in(a, b, steps, true) && members_in(b, a, steps, false);
    default:
        return true;
    }
}

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 31) * UINT64_C(0x7fb5d329728ea185);
    hash = (hash ^ hash >> 27) * UINT64_C(0x81dadef4bc2dd44d);
    return hash ^ hash >> 33;
}

static uint64_t hash_string(struct pt_span text, uint64_t *steps)
{
    uint64_t hash = text.size * UINT64_C(0x9e3779b97f4a7c15);

    if (!spend(steps, text.size / 64)) {
        return 0;
    }
    for (size_t i = 0; i < text.size; i += 8) {
        uint64_t word = 0;

        memcpy(&word, text.data + i, text.size - i < 8 ? text.size - i : 8);
        hash = mix(hash ^ word);
    }
    return hash;
}

uint64_t pt_value_hash(struct pt_json value, uint64_t *steps)
{
    char kind = pt_walk_kind(value.tape, value.at);
    uint64_t hash = (uint64_t)kind;
    uint32_t end = 0;

    if (!spend(steps, 1)) {
        return 0;
    }
    if (is_number(kind)) {
        return mix(pt_number_hash(pt_number_at(value.tape, value.at)));
    }
    if (kind == '"') {
        return hash_string(string_at(value, value.at), steps);
    }
    if (kind != '[' && kind != '{') {
        return mix(hash);
    }
    end = pt_walk_end(value.tape, value.at);
    value.at++;
    while (value.at < end) {
        if (kind == '[') {
            hash = mix(hash + pt_value_hash(value, steps));
        } else {
            uint64_t key = hash_string(string_at(value, value.at), steps);

            /* A sum: members stand in any order. */
            value.at++;
            hash += mix(key ^ mix(pt_value_hash(value, steps)));
        }
        value.at = pt_walk_skip(value.tape, value.at);
    }
    return hash;
}
