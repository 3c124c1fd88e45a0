/*
 * logic_flagd.c - what flagd adds to JSONLogic: versions and buckets
 *
 * flagd's specification of custom operations; SemVer 2.0.0 for the order of versions.
 */
#include "flag/logic.h"
#include "flag/murmur3.h"

#define VERSION_BYTES_MAX 4096u

/* ---- versions ---- */

static bool is_identifier_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-';
}

static bool is_numeric(struct pt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.size > 0;
}

/* The part before the first dot; `rest` goes on behind it. */
static struct pt_span next_identifier(struct pt_span *rest)
{
    const uint8_t *dot = rest->size > 0 ? memchr(rest->data, '.', rest->size) : NULL;
    struct pt_span part = pt_span_of(rest->data, dot ? (size_t)(dot - rest->data) : rest->size);

    *rest = dot ? pt_span_of(dot + 1, rest->size - part.size - 1) : pt_span_of(NULL, 0);
    return part;
}

/* Identifiers between dots, none empty; of a prerelease, numbers without leading zeros. */
static bool are_identifiers(struct pt_span text, bool is_prerelease)
{
    do {
        bool has_dot = memchr(text.data, '.', text.size) != NULL;
        struct pt_span part = next_identifier(&text);

        if (part.size == 0 ||
            (is_prerelease && is_numeric(part) && part.size > 1 && part.data[0] == '0')) {
            return false;
        }
        for (size_t i = 0; i < part.size; i++) {
            if (!is_identifier_byte(part.data[i])) {
                return false;
            }
        }
        if (has_dot && text.size == 0) {
            return false;
        }
    } while (text.size > 0);
    return true;
}

static bool read_part(struct pt_span digits, uint64_t *part_out)
{
    uint64_t part = 0;

    if (!is_numeric(digits) || digits.size > 18 || (digits.size > 1 && digits.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        part = part * 10 + (uint64_t)(digits.data[i] - '0');
    }
    *part_out = part;
    return true;
}

static struct pt_span cut_at(struct pt_span *text, uint8_t mark, bool *is_there_out)
{
    const uint8_t *at = text->size > 0 ? memchr(text->data, mark, text->size) : NULL;
    struct pt_span behind = {0};

    *is_there_out = at != NULL;
    if (at) {
        behind = pt_span_of(at + 1, text->size - (size_t)(at - text->data) - 1);
        text->size = (size_t)(at - text->data);
    }
    return behind;
}

bool pt_semver_parse(struct pt_span text, struct pt_semver *version_out)
{
    struct pt_semver version = {0};
    struct pt_span build;
    bool has_build = false;
    bool has_prerelease = false;
    unsigned count = 0;

    if (text.size > 0 && (text.data[0] | 0x20) == 'v') {
        text = pt_span_of(text.data + 1, text.size - 1);
    }
    build = cut_at(&text, '+', &has_build);
    version.prerelease = cut_at(&text, '-', &has_prerelease);
    if ((has_build && (build.size == 0 || !are_identifiers(build, false))) ||
        (has_prerelease &&
         (version.prerelease.size == 0 || !are_identifiers(version.prerelease, true)))) {
        return false;
    }
    do {
        if (count == 3 || !read_part(next_identifier(&text), &version.part[count])) {
            return false;
        }
        count++;
    } while (text.data);
    *version_out = version;
    return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_identifiers(struct pt_span a, struct pt_span b)
{
    bool is_a_numeric = is_numeric(a);
    size_t bytes = a.size < b.size ? a.size : b.size;
    int order = 0;

    if (is_a_numeric != is_numeric(b)) {
        return is_a_numeric ? -1 : 1;
    }
    if (is_a_numeric && a.size != b.size) {
        return a.size < b.size ? -1 : 1; /* no leading zeros */
    }
    order = bytes > 0 ? memcmp(a.data, b.data, bytes) : 0;
    order = order != 0 ? order : compare_numbers(a.size, b.size);
    return (order > 0) - (order < 0);
}

int pt_semver_compare(const struct pt_semver *a, const struct pt_semver *b)
{
    struct pt_span rest_a = a->prerelease;
    struct pt_span rest_b = b->prerelease;

    for (unsigned i = 0; i < 3; i++) {
        int order = compare_numbers(a->part[i], b->part[i]);

        if (order != 0) {
            return order;
        }
    }
    if (!rest_a.size || !rest_b.size) {
        return (rest_b.size > 0) - (rest_a.size > 0); /* a prerelease comes before its release */
    }
    while (rest_a.size > 0 && rest_b.size > 0) {
        int order = compare_identifiers(next_identifier(&rest_a), next_identifier(&rest_b));

        if (order != 0) {
            return order;
        }
    }
    return (rest_a.size > 0) - (rest_b.size > 0);
}

static const char *const operators[] = {"=", "!=", "<", "<=", ">", ">=", "^", "~"};

bool pt_semver_is_operator(struct pt_span op)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (pt_span_is(op, operators[i])) {
            return true;
        }
    }
    return false;
}

static bool holds(const struct pt_semver *a, struct pt_span op, const struct pt_semver *b)
{
    int order = pt_semver_compare(a, b);

    switch (op.data[0]) {
    case '=':
        return order == 0;
    case '!':
        return order != 0;
    case '<':
        return op.size == 2 ? order <= 0 : order < 0;
    case '>':
        return op.size == 2 ? order >= 0 : order > 0;
    case '^':
        return a->part[0] == b->part[0];
    default: /* '~' */
        return a->part[0] == b->part[0] && a->part[1] == b->part[1];
    }
}

/* A version is a text, or a number as it is written: 1 is "1", 1.2 is "1.2". */
static bool version_of(const struct pt_logic_value *value, struct pt_buf *text,
                       struct pt_semver *version_out)
{
    if (value->kind != PT_LOGIC_STRING && value->kind != PT_LOGIC_NUMBER) {
        return false;
    }
    pt_logic_append_text(text, value, false);
    return pt_semver_parse(pt_buf_span(text), version_out);
}

struct pt_logic_value pt_logic_sem_ver(const struct pt_logic_value *args, uint32_t count)
{
    struct pt_logic_value result = pt_logic_null();
    struct pt_semver a;
    struct pt_semver b;
    struct pt_buf texts[2];

    pt_buf_init(&texts[0], VERSION_BYTES_MAX);
    pt_buf_init(&texts[1], VERSION_BYTES_MAX);
    if (count == 3 && args[1].kind == PT_LOGIC_STRING && pt_semver_is_operator(args[1].text) &&
        version_of(&args[0], &texts[0], &a) && version_of(&args[2], &texts[1], &b)) {
        result = pt_logic_bool(holds(&a, args[1].text, &b));
    }
    pt_buf_release(&texts[0]);
    pt_buf_release(&texts[1]);
    return result;
}

/* ---- buckets ---- */

uint32_t pt_fractional_bucket(struct pt_span key, const uint32_t *weights, uint32_t count,
                              uint32_t total)
{
    uint64_t bucket = ((uint64_t)pt_murmur3_32(key, 0) * total) >> 32;
    uint64_t above = 0;

    for (uint32_t i = 0; i < count; i++) {
        above += weights[i];
        if (bucket < above) {
            return i;
        }
    }
    return count;
}
