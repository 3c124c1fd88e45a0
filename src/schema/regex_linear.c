/*
 * regex_linear.c - patterns that need no backtracking
 *
 * Of what games write in `pattern`, most is of the form ^[a-z][a-z0-9_]*$ or ^q_[0-9]{4}$: ASCII
 * characters and classes with counts, where no class shares a character with what may follow it,
 * so that taking as much as possible is always right. Ten to twenty times as fast as a call into
 * PCRE2.
 */
#include "schema/regex.h"

struct set {
    uint64_t bits[2]; /* ASCII */
};

struct reader {
    struct pt_span text;
    size_t at;
};

static bool set_has(const struct set *set, uint8_t c)
{
    return c < 128 && (set->bits[c >> 6] >> (c & 63) & 1);
}

static void set_add(struct set *set, uint8_t first, uint8_t last)
{
    for (unsigned c = first; c <= last; c++) {
        set->bits[c >> 6] |= UINT64_C(1) << (c & 63);
    }
}

static bool sets_meet(const struct set *a, const struct set *b)
{
    return (a->bits[0] & b->bits[0]) != 0 || (a->bits[1] & b->bits[1]) != 0;
}

static int peek(const struct reader *r)
{
    return r->at < r->text.size ? r->text.data[r->at] : -1;
}

/* `\d`, `\w` or an escaped punctuation mark, the backslash taken; a single character is in *single.
 */
static bool take_escape(struct reader *r, struct set *set, int *single)
{
    int c = peek(r);

    *single = -1;
    r->at++;
    if (c == 'd') {
        set_add(set, '0', '9');
        return true;
    }
    if (c == 'w') {
        set_add(set, '0', '9');
        set_add(set, 'A', 'Z');
        set_add(set, 'a', 'z');
        set_add(set, '_', '_');
        return true;
    }
    if (c <= 0 || c >= 128 || !strchr("^$\\.*+?()[]{}|/-_:@,;=!#%&~\"'<> ", c)) {
        return false;
    }
    *single = c;
    set_add(set, (uint8_t)c, (uint8_t)c);
    return true;
}

static bool take_class(struct reader *r, struct set *set)
{
    if (peek(r) == '^' || peek(r) == ']') {
        return false;
    }
    for (;;) {
        int first = peek(r);
        int last = 0;

        r->at++;
        if (first == ']') {
            return true;
        }
        if (first <= 0 || first >= 128) {
            return false;
        }
        if (first == '\\' && !take_escape(r, set, &first)) {
            return false;
        }
        if (peek(r) != '-' || r->at + 1 >= r->text.size || r->text.data[r->at + 1] == ']') {
            if (first >= 0) {
                set_add(set, (uint8_t)first, (uint8_t)first);
            }
            continue;
        }
        r->at++;
        last = peek(r);
        r->at++;
        if (last == '\\' && !take_escape(r, set, &last)) {
            return false;
        }
        /* Ranges from or to a class, or backwards, are for the general way to judge. */
        if (first < 0 || last <= 0 || last >= 128 || last < first) {
            return false;
        }
        set_add(set, (uint8_t)first, (uint8_t)last);
    }
}

static bool take_number(struct reader *r, uint32_t *out)
{
    size_t start = r->at;

    *out = 0;
    while (peek(r) >= '0' && peek(r) <= '9' && r->at - start < 6) {
        *out = *out * 10 + (uint32_t)(r->text.data[r->at++] - '0');
    }
    return r->at > start && *out <= 65535;
}

static bool take_count(struct reader *r, uint32_t *min, uint32_t *max)
{
    int c = peek(r);

    *min = *max = 1;
    if (c == '*' || c == '+' || c == '?') {
        r->at++;
        *min = c == '+';
        *max = c == '?' ? 1 : UINT32_MAX;
    } else if (c == '{') {
        r->at++;
        if (!take_number(r, min)) {
            return false;
        }
        *max = *min;
        if (peek(r) == ',') {
            r->at++;
            *max = UINT32_MAX;
            if (peek(r) != '}' && (!take_number(r, max) || *max < *min)) {
                return false;
            }
        }
        if (peek(r) != '}') {
            return false;
        }
        r->at++;
    } else {
        return true;
    }
    /* A count upon a count, or a lazy one. */
    return peek(r) != '*' && peek(r) != '+' && peek(r) != '?' && peek(r) != '{';
}

static bool take_atom(struct reader *r, struct set *set)
{
    int c = peek(r);
    int ignored = 0;

    r->at++;
    if (c == '[') {
        return take_class(r, set);
    }
    if (c == '\\') {
        return take_escape(r, set, &ignored);
    }
    if (c <= 0 || c >= 128 || strchr("^$.*+?()]{}|", c)) {
        return false;
    }
    set_add(set, (uint8_t)c, (uint8_t)c);
    return true;
}

/* Greed is right where what a part may take can not begin what follows it. */
static bool is_deterministic(const struct pt_linear *linear, const struct set *sets)
{
    for (uint32_t i = 0; i < linear->part_count; i++) {
        if (linear->parts[i].min == linear->parts[i].max) {
            continue;
        }
        for (uint32_t j = i + 1; j < linear->part_count; j++) {
            if (sets_meet(&sets[i], &sets[j])) {
                return false;
            }
            if (linear->parts[j].min > 0) {
                break;
            }
        }
    }
    return true;
}

static bool set_class(struct pt_linear *linear, struct set *classes, unsigned *class_count,
                      const struct set *set, struct pt_linear_part *part)
{
    unsigned index = 0;
    unsigned members = 0;

    for (unsigned c = 0; c < 128; c++) {
        if (set_has(set, (uint8_t)c)) {
            part->character = (uint8_t)c;
            members++;
        }
    }
    if (members == 1) {
        return true;
    }
    while (index < *class_count && memcmp(&classes[index], set, sizeof(*set)) != 0) {
        index++;
    }
    if (index == PT_LINEAR_CLASSES_MAX) {
        return false;
    }
    part->class_bit = (uint8_t)(1u << index);
    if (index == *class_count) {
        classes[(*class_count)++] = *set;
        for (unsigned c = 0; c < 128; c++) {
            linear->classes[c] |= set_has(set, (uint8_t)c) ? part->class_bit : 0;
        }
    }
    return true;
}

/* Texts of one length, such as UUIDs, are matched by one class bit a character. */
static void set_fixed(struct pt_linear *linear, unsigned class_count)
{
    uint32_t bytes = 0;

    if (!linear->is_anchored_at_end || linear->bytes_min > PT_LINEAR_FIXED_MAX) {
        return;
    }
    for (uint32_t i = 0; i < linear->part_count; i++) {
        struct pt_linear_part *part = &linear->parts[i];
        uint8_t bit = part->class_bit;

        if (part->min != part->max) {
            return;
        }
        /* A single character becomes a class of its own, the same one each time. */
        for (uint32_t j = 0; j < i && bit == 0; j++) {
            if (!linear->parts[j].class_bit && linear->parts[j].character == part->character &&
                linear->parts[j].min > 0) {
                bit = linear->fixed[linear->parts[j].fixed_at];
            }
        }
        if (bit == 0) {
            if (class_count == PT_LINEAR_CLASSES_MAX) {
                return;
            }
            bit = (uint8_t)(1u << class_count++);
            linear->classes[part->character] |= bit;
        }
        part->fixed_at = bytes;
        memset(linear->fixed + bytes, bit, part->min);
        bytes += part->min;
    }
    linear->fixed_bytes = bytes;
}

bool pt_linear_compile(struct pt_linear *linear, struct pt_span pattern)
{
    struct set sets[PT_LINEAR_PARTS_MAX] = {{{0, 0}}};
    struct set classes[PT_LINEAR_CLASSES_MAX] = {{{0, 0}}};
    unsigned class_count = 0;
    struct reader r = {pattern, 1};

    memset(linear, 0, sizeof(*linear));
    if (pattern.size == 0 || pattern.data[0] != '^') {
        return false;
    }
    while (r.at < pattern.size) {
        struct pt_linear_part *part = &linear->parts[linear->part_count];
        struct set *set = &sets[linear->part_count];

        if (peek(&r) == '$' && r.at + 1 == pattern.size) {
            linear->is_anchored_at_end = true;
            break;
        }
        if (linear->part_count == PT_LINEAR_PARTS_MAX) {
            return false;
        }
        *set = (struct set){{0, 0}};
        if (!take_atom(&r, set) || !take_count(&r, &part->min, &part->max) ||
            !set_class(linear, classes, &class_count, set, part)) {
            return false;
        }
        linear->bytes_min += part->min;
        linear->part_count++;
    }
    if (!is_deterministic(linear, sets)) {
        return false;
    }
    set_fixed(linear, class_count);
    return true;
}

bool pt_linear_match(const struct pt_linear *linear, struct pt_span text)
{
    const uint8_t *p = text.data;
    const uint8_t *end = text.data + text.size;

    if (linear->fixed_bytes > 0) {
        uint8_t wrong = 0;

        if (text.size != linear->fixed_bytes) {
            return false;
        }
        for (size_t i = 0; i < text.size; i++) {
            wrong |= linear->fixed[i] & (uint8_t)~linear->classes[p[i]];
        }
        return !wrong;
    }
    if (text.size < linear->bytes_min) {
        return false;
    }
    for (uint32_t i = 0; i < linear->part_count; i++) {
        const struct pt_linear_part *part = &linear->parts[i];
        size_t room = (size_t)(end - p);
        size_t max = part->max < room ? part->max : room;
        size_t taken = 0;

        if (room < part->min) {
            return false;
        }
        if (part->class_bit && part->min == part->max) {
            uint8_t all = part->class_bit;

            /* Without a branch a character: a sound text is the common case. */
            for (; taken < max; taken++) {
                all &= linear->classes[p[taken]];
            }
            if (!all) {
                return false;
            }
        } else if (part->class_bit) {
            while (taken < max && (linear->classes[p[taken]] & part->class_bit)) {
                taken++;
            }
        } else {
            while (taken < max && p[taken] == part->character) {
                taken++;
            }
        }
        if (taken < part->min) {
            return false;
        }
        p += taken;
    }
    return !linear->is_anchored_at_end || p == end;
}
