/*
 * compile_value.c - constants, counts, tables; the keywords for strings and numbers
 */
#include "schema/compile.h"

#include "base/json_walk.h"

/* Up to here a table is tried until no two names want one slot. */
#define PERFECT_NAMES_MAX 64u

/* Copies the value at `at` to the program's own tape; its index there. */
static uint32_t push_constant(struct compiler *c, struct pt_json value)
{
    uint32_t at = value.at;
    uint32_t end = pt_walk_skip(value.tape, at);
    uint32_t first = (uint32_t)(c->tape.size / sizeof(uint64_t));
    uint32_t shift = first - at; /* modulo 2^32: an index on the old tape becomes one on the new */

    while (at < end) {
        uint64_t word = value.tape[at];
        char kind = pt_walk_kind(value.tape, at);

        if (kind == '"') {
            struct pt_span text = pt_walk_string(value.tape, value.strings, at);
            uint32_t size = (uint32_t)text.size;

            word = (uint64_t)'"' << 56 | c->strings.size;
            pt_buf_append(&c->strings, &size, sizeof(size));
            pt_buf_append(&c->strings, text.data, text.size);
            pt_buf_append_byte(&c->strings, 0);
        } else if (kind == '{' || kind == '[' || kind == '}' || kind == ']') {
            word = (word & ~UINT64_C(0xffffffff)) | (uint32_t)((uint32_t)word + shift);
        }
        pt_buf_append(&c->tape, &word, sizeof(word));
        at++;
        if (kind == 'l' || kind == 'u' || kind == 'd') {
            pt_buf_append(&c->tape, &value.tape[at], sizeof(word));
            at++;
        }
    }
    return first;
}

/* Fills `table` with the names' indexes; false where two of them want the same slot. */
static bool fill_slots(const uint32_t *hashes, uint32_t count, uint32_t *table, uint32_t mask,
                       uint32_t shift)
{
    bool is_perfect = true;

    memset(table, 0xff, ((size_t)mask + 1) * sizeof(*table));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = hashes[i] >> shift & mask;

        while (table[slot] != UINT32_MAX) {
            is_perfect = false;
            slot = (slot + 1) & mask;
        }
        table[slot] = i;
    }
    return is_perfect;
}

bool pt_compile_table(struct compiler *c, const struct pt_name *names, size_t stride,
                      uint32_t count, struct pt_table *table_out)
{
    uint32_t slots = 2;
    uint32_t factor = count <= PERFECT_NAMES_MAX ? 4 : 1;
    uint32_t first = COUNT(c->slots, uint32_t);
    uint32_t *hashes = NULL;
    uint32_t *table = NULL;
    uint32_t shift = 0;

    while (slots < 4 * count) {
        slots *= 2;
    }
    if (!pt_buf_reserve(&c->slots, (size_t)slots * factor * sizeof(uint32_t))) {
        return false;
    }
    hashes = pt_alloc(((size_t)count + 1) * sizeof(*hashes));
    if (!hashes) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pt_name *name =
            (const struct pt_name *)(const void *)((const char *)names + i * stride);

        hashes[i] = pt_key_hash(c->texts.data + name->at, name->bytes);
    }
    table = AT(c->slots, uint32_t, first);
    while (!fill_slots(hashes, count, table, slots - 1, shift) && factor > 1) {
        if (shift++ == 20) {
            slots *= 2;
            factor /= 2;
            shift = 0;
        }
    }
    pt_free(hashes);
    c->slots.size += slots * sizeof(uint32_t);
    *table_out = (struct pt_table){first, slots - 1, shift};
    return true;
}

enum pt_code pt_compile_count(struct compiler *c, const struct source *source,
                              enum pt_keyword keyword, uint32_t *out)
{
    struct pt_json value = source->values[keyword];
    struct pt_number number;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_is_number(value)) {
        number = pt_number_at(value.tape, value.at);
        if (pt_number_to_count(number, UINT32_MAX - 1, out)) {
            return PT_OK;
        }
        if (pt_number_is_integer(number) &&
            pt_number_compare(number, (struct pt_number){'l', {0}}) > 0) {
            *out = UINT32_MAX; /* more than any value here can have */
            return PT_OK;
        }
    }
    return FAIL(source, pt_compile_keyword(keyword), "it must be a whole number from 0 on");
}

/* ---- keywords ---- */

static unsigned type_bit(struct pt_span name)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {
        {"null", PT_TYPE_NULL},     {"boolean", PT_TYPE_BOOL},  {"integer", PT_TYPE_INTEGER},
        {"number", PT_TYPE_NUMBER}, {"string", PT_TYPE_STRING}, {"array", PT_TYPE_ARRAY},
        {"object", PT_TYPE_OBJECT},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (pt_span_is(name, types[i].name)) {
            return types[i].bits;
        }
    }
    return 0;
}

enum pt_code pt_compile_type(struct compiler *c, const struct source *source, struct pt_node *node)
{
    struct pt_json value = source->values[PT_KW_TYPE];
    unsigned types = 0;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (pt_json_type(value) == PT_JSON_STRING) {
        types = type_bit(pt_json_string(value));
    } else if (pt_json_type(value) == PT_JSON_ARRAY) {
        struct pt_json_iter it = pt_json_iterate(value);

        while (pt_json_next(&it)) {
            unsigned bit =
                pt_json_type(it.value) == PT_JSON_STRING ? type_bit(pt_json_string(it.value)) : 0;

            if (bit == 0) {
                types = 0;
                break;
            }
            types |= bit;
        }
    }
    if (types == 0) {
        return FAIL(source, "type",
                    "it must be null, boolean, integer, number, string, array or object, or a list "
                    "of these");
    }
    node->types = (uint8_t)types;
    return PT_OK;
}

enum pt_code pt_compile_const_enum(struct compiler *c, const struct source *source,
                                   struct pt_node *node)
{
    struct pt_json value = source->values[PT_KW_ENUM];
    struct pt_enum_rule rule = {.string_first = COUNT(c->keys, struct pt_name)};
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (pt_compile_has(source, PT_KW_CONST)) {
        uint32_t constant = push_constant(c, source->values[PT_KW_CONST]);

        code =
            pt_compile_emit(c, node, (struct pt_insn){PT_OP_CONST, PT_TYPE_ANY, 0, constant, 0, 0});
    }
    if (code || !pt_json_exists(value)) {
        return code;
    }
    if (pt_json_type(value) != PT_JSON_ARRAY) {
        return FAIL(source, "enum", "it must be an array");
    }
    for (it = pt_json_iterate(value); pt_json_next(&it);) {
        if (pt_json_type(it.value) == PT_JSON_STRING) {
            struct pt_name name = pt_compile_name(c, pt_json_string(it.value));

            pt_compile_push(&c->keys, &name, sizeof(name));
            rule.string_count++;
        }
    }
    rule.other_first = COUNT(c->lists, uint32_t);
    for (it = pt_json_iterate(value); pt_json_next(&it);) {
        if (pt_json_type(it.value) != PT_JSON_STRING) {
            uint32_t constant = push_constant(c, it.value);

            pt_compile_push(&c->lists, &constant, sizeof(constant));
            rule.other_count++;
        }
    }
    if (c->keys.has_failed || c->lists.has_failed || c->texts.has_failed ||
        !pt_compile_table(c, AT(c->keys, struct pt_name, rule.string_first), sizeof(struct pt_name),
                          rule.string_count, &rule.table) ||
        !pt_compile_push(&c->enums, &rule, sizeof(rule))) {
        return pt_compile_too_big(c);
    }
    return pt_compile_emit(c, node,
                           (struct pt_insn){PT_OP_ENUM, PT_TYPE_ANY, 0,
                                            COUNT(c->enums, struct pt_enum_rule) - 1, 0, 0});
}

static enum pt_code take_limit(struct compiler *c, const struct source *source,
                               enum pt_keyword keyword, struct pt_number *out, bool *has_out)
{
    struct pt_json value = source->values[keyword];

    *has_out = pt_json_exists(value);
    if (!*has_out) {
        return PT_OK;
    }
    if (!pt_json_is_number(value)) {
        return FAIL(source, pt_compile_keyword(keyword), "it must be a number");
    }
    *out = pt_number_at(value.tape, value.at);
    return PT_OK;
}

enum pt_code pt_compile_number(struct compiler *c, const struct source *source,
                               struct pt_node *node)
{
    struct pt_range_rule rule = {.has_min = false};
    struct pt_range_rule strict = {.has_min = false};
    struct pt_number multiple = {'l', {0}};
    bool has_multiple = false;
    enum pt_code code = take_limit(c, source, PT_KW_MINIMUM, &rule.min, &rule.has_min);

    if (!code) {
        code = take_limit(c, source, PT_KW_MAXIMUM, &rule.max, &rule.has_max);
    }
    if (!code) {
        code = take_limit(c, source, PT_KW_EXCLUSIVE_MINIMUM, &strict.min, &strict.has_min);
    }
    if (!code) {
        code = take_limit(c, source, PT_KW_EXCLUSIVE_MAXIMUM, &strict.max, &strict.has_max);
    }
    if (!code) {
        code = take_limit(c, source, PT_KW_MULTIPLE_OF, &multiple, &has_multiple);
    }
    if (!code && has_multiple && pt_number_compare(multiple, (struct pt_number){'l', {0}}) <= 0) {
        code = FAIL(source, "multipleOf", "it must be over 0");
    }
    if (!code && (rule.has_min || rule.has_max)) {
        if (!pt_compile_push(&c->ranges, &rule, sizeof(rule))) {
            return pt_compile_too_big(c);
        }
        code = pt_compile_emit(c, node,
                               (struct pt_insn){PT_OP_NUMBER_RANGE, PT_TYPE_NUMBER, 0,
                                                COUNT(c->ranges, struct pt_range_rule) - 1, 0, 0});
    }
    if (!code && (strict.has_min || strict.has_max)) {
        strict.is_min_exclusive = true;
        strict.is_max_exclusive = true;
        if (!pt_compile_push(&c->ranges, &strict, sizeof(strict))) {
            return pt_compile_too_big(c);
        }
        code = pt_compile_emit(c, node,
                               (struct pt_insn){PT_OP_NUMBER_RANGE, PT_TYPE_NUMBER, 0,
                                                COUNT(c->ranges, struct pt_range_rule) - 1, 0, 0});
    }
    if (!code && has_multiple) {
        if (!pt_compile_push(&c->numbers, &multiple, sizeof(multiple))) {
            return pt_compile_too_big(c);
        }
        code = pt_compile_emit(c, node,
                               (struct pt_insn){PT_OP_MULTIPLE_OF, PT_TYPE_NUMBER, 0,
                                                COUNT(c->numbers, struct pt_number) - 1, 0, 0});
    }
    return code;
}

enum pt_code pt_compile_regex(struct compiler *c, const struct source *source, const char *keyword,
                              struct pt_span pattern, uint32_t *index_out)
{
    struct pt_regex *regex = NULL;
    struct pt_error why = {0};
    enum pt_code code = pt_regex_compile(&regex, pattern, &why);

    if (code) {
        return pt_location_fail(&c->docs, source->location, keyword, c->err, code,
                                "not an ECMA-262 pattern that is supported: %.160s", why.text);
    }
    if (!pt_compile_push(&c->regexes, &regex, sizeof(struct pt_regex *))) {
        pt_regex_destroy(regex);
        return pt_compile_too_big(c);
    }
    *index_out = COUNT(c->regexes, struct pt_regex *) - 1;
    return PT_OK;
}

enum pt_code pt_compile_string(struct compiler *c, const struct source *source,
                               struct pt_node *node)
{
    uint32_t min = 0;
    uint32_t max = UINT32_MAX;
    uint32_t regex = 0;
    enum pt_code code = pt_compile_count(c, source, PT_KW_MIN_LENGTH, &min);

    if (!code) {
        code = pt_compile_count(c, source, PT_KW_MAX_LENGTH, &max);
    }
    if (!code && (min > 0 || max < UINT32_MAX)) {
        /* As many bytes as are at least `min` code points, whatever they are. */
        uint32_t bytes = min <= 1 ? min : min > UINT32_MAX / 4 ? UINT32_MAX : min * 4;

        code = pt_compile_emit(c, node,
                               (struct pt_insn){PT_OP_LENGTH, PT_TYPE_STRING, 0, bytes, min, max});
    }
    if (!code && pt_compile_has(source, PT_KW_FORMAT)) {
        struct pt_json value = source->values[PT_KW_FORMAT];
        enum pt_format format = PT_FORMAT_COUNT;

        if (pt_json_type(value) != PT_JSON_STRING) {
            return FAIL(source, "format", "it must be a string");
        }
        format = pt_format_parse(pt_json_string(value));
        if (format != PT_FORMAT_COUNT &&
            (c->assert_formats ||
             source->resource->dialect.vocabularies & PT_VOCABULARY_FORMAT_ASSERTION)) {
            code = pt_compile_emit(c, node,
                                   (struct pt_insn){PT_OP_FORMAT, PT_TYPE_STRING, 0, format, 0, 0});
        }
    }
    if (!code && pt_compile_has(source, PT_KW_PATTERN)) {
        struct pt_json value = source->values[PT_KW_PATTERN];

        if (pt_json_type(value) != PT_JSON_STRING) {
            return FAIL(source, "pattern", "it must be a string");
        }
        code = pt_compile_regex(c, source, "pattern", pt_json_string(value), &regex);
        if (!code) {
            code = pt_compile_emit(c, node,
                                   (struct pt_insn){PT_OP_PATTERN, PT_TYPE_STRING, 0, regex, 0, 0});
        }
    }
    return code;
}
