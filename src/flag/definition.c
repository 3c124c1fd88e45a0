/*
 * definition.c - compile a flag file
 */
#include "flag/definition.h"

#include "flag/document.h"
#include "flag/flag.h"
#include "flag/govern.h"

#include <stdarg.h>
#include <stdlib.h>

/* Listed by lint; rules that refer to themselves have no end of them. */
#define FINDINGS_MAX 5000u
#define ARENA_BYTES_MAX ((size_t)256 << 20)

/* ---- where we are, and what is wrong there ---- */

static void pointer_byte(struct pt_flag_compiler *c, char byte)
{
    if (c->pointer_bytes + 1 < sizeof(c->pointer)) {
        c->pointer[c->pointer_bytes++] = byte;
        c->pointer[c->pointer_bytes] = 0;
    }
}

size_t pt_flag_down(struct pt_flag_compiler *c, struct pt_span key)
{
    size_t mark = c->pointer_bytes;

    pointer_byte(c, '/');
    for (size_t i = 0; i < key.size; i++) {
        /* RFC 6901: ~ and / are escaped. */
        if (key.data[i] == '~' || key.data[i] == '/') {
            pointer_byte(c, '~');
            pointer_byte(c, key.data[i] == '~' ? '0' : '1');
        } else {
            pointer_byte(c, (char)key.data[i]);
        }
    }
    return mark;
}

size_t pt_flag_down_str(struct pt_flag_compiler *c, const char *key)
{
    return pt_flag_down(c, pt_span_str(key));
}

size_t pt_flag_down_index(struct pt_flag_compiler *c, uint32_t index)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", index);
    return pt_flag_down_str(c, text);
}

void pt_flag_up(struct pt_flag_compiler *c, size_t mark)
{
    c->pointer_bytes = mark;
    c->pointer[mark] = 0;
}

static void write_finding(const struct pt_flag_compiler *c, struct pt_jsonw *w, const char *detail)
{
    pt_jsonw_object(w);
    pt_jsonw_key(w, "flag");
    if (c->flag.size > 0) {
        pt_jsonw_string(w, c->flag);
    } else {
        pt_jsonw_null(w);
    }
    pt_jsonw_member_str(w, "pointer", c->pointer);
    pt_jsonw_member_str(w, "detail", detail);
    pt_jsonw_object_end(w);
}

static void report_text(struct pt_flag_compiler *c, const char *detail)
{
    if (c->error_count++ == 0) {
        if (c->flag.size > 0) {
            (void)pt_fail(c->first, PT_INVALID, "flag \"%.*s\", at %s: %s", PT_SPAN_ARG(c->flag),
                          c->pointer, detail);
        } else if (c->pointer_bytes > 0) {
            (void)pt_fail(c->first, PT_INVALID, "at %s: %s", c->pointer, detail);
        } else {
            (void)pt_fail(c->first, PT_INVALID, "%s", detail);
        }
    }
    if (c->errors && c->error_count <= FINDINGS_MAX) {
        write_finding(c, c->errors, detail);
    } else if (c->errors && c->error_count == FINDINGS_MAX + 1) {
        write_finding(c, c->errors, "there are more mistakes than are listed");
    }
}

/* The text of a finding; longer ones are cut. */
#define FORMAT_DETAIL(detail, format)                                                              \
    char detail[384];                                                                              \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    vsnprintf(detail, sizeof(detail), format, args);                                               \
    va_end(args)

void pt_flag_report(struct pt_flag_compiler *c, const char *format, ...)
{
    FORMAT_DETAIL(detail, format);
    report_text(c, detail);
}

void pt_flag_report_strict(struct pt_flag_compiler *c, const char *format, ...)
{
    FORMAT_DETAIL(detail, format);
    if (c->errors) {
        report_text(c, detail);
    }
}

void pt_flag_warn(struct pt_flag_compiler *c, const char *format, ...)
{
    FORMAT_DETAIL(detail, format);
    if (c->warnings && c->warning_count++ < FINDINGS_MAX) {
        write_finding(c, c->warnings, detail);
    }
}

void *pt_flag_room(struct pt_flag_compiler *c, size_t bytes)
{
    void *room = pt_arena_alloc(&c->set->arena, bytes > 0 ? bytes : 1);

    if (!room) {
        c->has_no_memory = true;
    }
    return room;
}

struct pt_span pt_flag_copy(struct pt_flag_compiler *c, struct pt_span text)
{
    uint8_t *room = pt_flag_room(c, text.size);

    if (!room) {
        return pt_span_of(NULL, 0);
    }
    if (text.size > 0) {
        memcpy(room, text.data, text.size);
    }
    return pt_span_of(room, text.size);
}

void pt_flag_note_broken(struct pt_flag_compiler *c, const char *detail)
{
    if (c->broken_count++ == 0) {
        snprintf(c->first_broken, sizeof(c->first_broken), "flag \"%.*s\": %s",
                 (int)(c->flag.size < 80 ? c->flag.size : 80), (const char *)c->flag.data, detail);
    }
}

/* ---- the parts of a flag ---- */

static struct pt_span copy_json(struct pt_flag_compiler *c, struct pt_json value)
{
    struct pt_span copy = pt_flag_minify(&c->set->arena, value);

    c->has_no_memory = c->has_no_memory || copy.size == 0;
    return copy;
}

static bool is_metadata_value(struct pt_json value)
{
    enum pt_json_type type = pt_json_type(value);

    return type == PT_JSON_STRING || type == PT_JSON_BOOL || pt_json_is_number(value);
}

static void check_metadata(struct pt_flag_compiler *c, struct pt_json metadata)
{
    if (pt_json_type(metadata) != PT_JSON_OBJECT) {
        pt_flag_report(c, "metadata must be an object, this is %s",
                       pt_json_type_name(pt_json_type(metadata)));
        return;
    }
    struct pt_json_iter it = pt_json_iterate(metadata);

    while (pt_json_next(&it)) {
        size_t mark = pt_flag_down(c, it.key);

        if (!is_metadata_value(it.value)) {
            pt_flag_report(c, "metadata values are strings, numbers or booleans, this is %s",
                           pt_json_type_name(pt_json_type(it.value)));
        }
        pt_flag_up(c, mark);
    }
}

/* A member that only configures, or that an evaluation writes itself. */
static bool is_left_out(struct pt_span key, bool is_governed)
{
    return pt_flag_is_config_key(key) ||
           (is_governed && (pt_span_is(key, "epoch") || pt_span_is(key, "gate") ||
                            pt_span_is(key, "prerequisite")));
}

static void write_members(struct pt_jsonw *w, struct pt_json object, struct pt_json but_not_in,
                          bool is_governed)
{
    struct pt_json_iter it = pt_json_iterate(object);

    while (pt_json_next(&it)) {
        bool is_overridden =
            pt_json_exists(but_not_in) && pt_json_exists(pt_json_member_span(but_not_in, it.key));

        if (!is_overridden && !is_left_out(it.key, is_governed)) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
    }
}

/* The set's metadata with the flag's over it, written out once for all evaluations. */
static struct pt_span merge_metadata(struct pt_flag_compiler *c, struct pt_json of_set,
                                     struct pt_json of_flag, bool is_governed)
{
    struct pt_buf buf;
    struct pt_jsonw w;
    struct pt_span merged;
    bool has_flag = pt_json_exists(of_flag) && pt_json_type(of_flag) == PT_JSON_OBJECT;

    pt_buf_init(&buf, PT_FLAGS_FILE_BYTES_MAX);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_object(&w);
    if (pt_json_exists(of_set) && pt_json_type(of_set) == PT_JSON_OBJECT) {
        write_members(&w, of_set, has_flag ? of_flag : (struct pt_json){0}, is_governed);
    }
    if (has_flag) {
        write_members(&w, of_flag, (struct pt_json){0}, is_governed);
    }
    pt_jsonw_object_end(&w);
    merged = pt_flag_keep_buf(&c->set->arena, &buf);
    c->has_no_memory = c->has_no_memory || merged.size == 0;
    return merged;
}

static bool value_kind(struct pt_json value, enum pt_flag_value_kind *kind_out)
{
    switch (pt_json_type(value)) {
    case PT_JSON_BOOL:
        *kind_out = PT_FLAG_VALUE_BOOLEAN;
        return true;
    case PT_JSON_STRING:
        *kind_out = PT_FLAG_VALUE_STRING;
        return true;
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        *kind_out = PT_FLAG_VALUE_NUMBER;
        return true;
    case PT_JSON_OBJECT:
        *kind_out = PT_FLAG_VALUE_OBJECT;
        return true;
    case PT_JSON_NULL:
    case PT_JSON_ARRAY:
        return false;
    }
    return false;
}

static bool is_whole(struct pt_json value)
{
    double number;

    if (!pt_json_is_number(value)) {
        return false;
    }
    number = pt_json_double(value);
    /* Beyond 2^53 every double is whole. */
    return number < -9007199254740992.0 || number > 9007199254740992.0 ||
           number == (double)(int64_t)number;
}

static void compile_variants(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                             struct pt_json variants)
{
    uint32_t count = 0;

    if (!pt_json_exists(variants) || pt_json_type(variants) != PT_JSON_OBJECT ||
        pt_json_count(variants) == 0) {
        pt_flag_report(c, "\"variants\" must be an object with at least one member");
        return;
    }
    flag->variants = pt_flag_room(c, pt_json_count(variants) * sizeof(*flag->variants));
    if (!flag->variants) {
        return;
    }
    struct pt_json_iter it = pt_json_iterate(variants);

    while (pt_json_next(&it)) {
        struct pt_flag_variant *variant = &flag->variants[count];
        enum pt_flag_value_kind kind = PT_FLAG_VALUE_BOOLEAN;
        size_t mark = pt_flag_down_str(c, "variants");

        (void)pt_flag_down(c, it.key);
        if (it.key.size == 0) {
            pt_flag_report(c, "a variant needs a name");
        }
        if (!value_kind(it.value, &kind)) {
            pt_flag_report(c, "a variant is a boolean, a string, a number or an object, this is %s",
                           pt_json_type_name(pt_json_type(it.value)));
        } else if (count > 0 && kind != flag->kind) {
            pt_flag_report(c, "all variants of a flag have one type, this is %s",
                           pt_json_type_name(pt_json_type(it.value)));
        }
        if (count == 0) {
            flag->kind = kind;
        }
        variant->name = pt_flag_copy(c, it.key);
        variant->json = copy_json(c, it.value);
        variant->is_whole = is_whole(it.value);
        count++;
        pt_flag_up(c, mark);
    }
    flag->variant_count = count;
}

uint32_t pt_flag_find_variant(const struct pt_flag_definition *flag, struct pt_span name)
{
    /* From the end: of equal names the last counts, as in JSON.parse. */
    for (uint32_t i = flag->variant_count; i > 0; i--) {
        if (pt_span_equal(flag->variants[i - 1].name, name)) {
            return i - 1;
        }
    }
    return PT_FLAG_NO_VARIANT;
}

static void compile_default(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                            struct pt_json name)
{
    size_t mark = pt_flag_down_str(c, "defaultVariant");

    flag->default_variant = PT_FLAG_NO_VARIANT;
    if (pt_json_exists(name) && pt_json_type(name) == PT_JSON_STRING) {
        flag->default_variant = pt_flag_find_variant(flag, pt_json_string(name));
        if (flag->default_variant == PT_FLAG_NO_VARIANT && flag->variant_count > 0) {
            pt_flag_report(c, "there is no variant \"%.*s\"", PT_SPAN_ARG(pt_json_string(name)));
        }
    } else if (pt_json_exists(name) && pt_json_type(name) != PT_JSON_NULL) {
        pt_flag_report(c, "\"defaultVariant\" must be a variant's name or null, this is %s",
                       pt_json_type_name(pt_json_type(name)));
    }
    pt_flag_up(c, mark);
}

static void compile_state(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                          struct pt_json state)
{
    bool is_text = pt_json_exists(state) && pt_json_type(state) == PT_JSON_STRING;
    size_t mark = pt_flag_down_str(c, "state");

    flag->is_enabled = is_text && pt_span_is(pt_json_string(state), "ENABLED");
    if (!flag->is_enabled && !(is_text && pt_span_is(pt_json_string(state), "DISABLED"))) {
        pt_flag_report(c, "\"state\" must be \"ENABLED\" or \"DISABLED\"");
    }
    pt_flag_up(c, mark);
}

static void check_members(struct pt_flag_compiler *c, struct pt_json object,
                          const char *const *known, size_t known_count)
{
    struct pt_json_iter it = pt_json_iterate(object);

    while (pt_json_next(&it)) {
        bool is_known = false;

        for (size_t i = 0; i < known_count; i++) {
            is_known = is_known || pt_span_is(it.key, known[i]);
        }
        if (!is_known) {
            size_t mark = pt_flag_down(c, it.key);

            pt_flag_warn(c, "the format has no such member, it has no effect");
            pt_flag_up(c, mark);
        }
    }
}

/* Names in the places that a rule's result comes from: they must be variants. */
static void lint_result(struct pt_flag_compiler *c, const struct pt_flag_definition *flag,
                        struct pt_json rule)
{
    struct pt_json_iter it;
    uint32_t count = 0;

    if (pt_json_type(rule) == PT_JSON_STRING || pt_json_type(rule) == PT_JSON_BOOL) {
        struct pt_span name = pt_json_type(rule) == PT_JSON_STRING ? pt_json_string(rule)
                              : pt_json_bool(rule)                 ? pt_span_str("true")
                                                                   : pt_span_str("false");

        if (pt_flag_find_variant(flag, name) == PT_FLAG_NO_VARIANT) {
            pt_flag_report_strict(c, "there is no variant \"%.*s\"", PT_SPAN_ARG(name));
        }
        return;
    }
    if (pt_json_type(rule) != PT_JSON_OBJECT || pt_json_count(rule) != 1) {
        return;
    }
    it = pt_json_iterate(rule);
    if (!pt_json_next(&it) || pt_json_type(it.value) != PT_JSON_ARRAY) {
        return;
    }
    count = pt_json_count(it.value);
    size_t mark = pt_flag_down(c, it.key);
    bool is_if = pt_span_is(it.key, "if") || pt_span_is(it.key, "?:");

    for (uint32_t i = 0; i < count && (is_if || pt_span_is(it.key, "fractional")); i++) {
        struct pt_json part = pt_json_element(it.value, i);
        size_t inner = pt_flag_down_index(c, i);

        /* Of an `if` with one argument that is the condition itself. */
        if (is_if && (i % 2 == 1 || (i == count - 1 && count > 1))) {
            lint_result(c, flag, part);
        } else if (!is_if && pt_json_type(part) == PT_JSON_ARRAY && pt_json_count(part) > 0) {
            (void)pt_flag_down_index(c, 0);
            lint_result(c, flag, pt_json_element(part, 0));
        }
        pt_flag_up(c, inner);
    }
    pt_flag_up(c, mark);
}

static void compile_targeting(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                              struct pt_json targeting)
{
    if (pt_json_type(targeting) != PT_JSON_OBJECT) {
        pt_flag_report(c, "targeting must be an object, this is %s",
                       pt_json_type_name(pt_json_type(targeting)));
        return;
    }
    if (pt_json_count(targeting) == 0) {
        return; /* {} is no targeting */
    }
    flag->targeting = pt_logic_compile(c, targeting);
    if (flag->variant_count > 0 && c->errors) {
        lint_result(c, flag, targeting);
    }
}

static void compile_flag(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                         struct pt_span key, struct pt_json json, struct pt_json set_metadata)
{
    static const char *const known[] = {"state",     "variants", "defaultVariant",
                                        "targeting", "metadata", "key"};
    struct pt_json metadata;
    struct pt_json targeting;

    *flag = (struct pt_flag_definition){
        .key = pt_flag_copy(c, key),
        .list_index = PT_FLAG_NO_INDEX,
    };
    flag->default_variant = PT_FLAG_NO_VARIANT;
    if (key.size == 0) {
        pt_flag_report(c, "a flag needs a key");
    }
    if (pt_json_type(json) != PT_JSON_OBJECT) {
        pt_flag_report(c, "a flag must be an object, this is %s",
                       pt_json_type_name(pt_json_type(json)));
        return;
    }
    check_members(c, json, known, sizeof(known) / sizeof(known[0]));
    compile_state(c, flag, pt_json_member(json, "state"));
    compile_variants(c, flag, pt_json_member(json, "variants"));
    compile_default(c, flag, pt_json_member(json, "defaultVariant"));
    targeting = pt_json_member(json, "targeting");
    if (pt_json_exists(targeting)) {
        size_t mark = pt_flag_down_str(c, "targeting");

        compile_targeting(c, flag, targeting);
        pt_flag_up(c, mark);
    }
    metadata = pt_json_member(json, "metadata");
    if (pt_json_exists(metadata)) {
        size_t mark = pt_flag_down_str(c, "metadata");

        check_metadata(c, metadata);
        pt_flag_compile_govern(c, flag, metadata, targeting);
        pt_flag_up(c, mark);
    } else {
        pt_flag_compile_govern(c, flag, metadata, targeting);
    }
    flag->metadata = merge_metadata(c, set_metadata, metadata, flag->govern != NULL);
}

/* ---- the set ---- */

int pt_flag_compare_spans(struct pt_span a, struct pt_span b)
{
    size_t bytes = a.size < b.size ? a.size : b.size;
    int order = bytes > 0 ? memcmp(a.data, b.data, bytes) : 0;

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_flags(const void *a, const void *b)
{
    const struct pt_flag_definition *one = a;
    const struct pt_flag_definition *two = b;

    return pt_flag_compare_spans(one->key, two->key);
}

static void compile_flags(struct pt_flag_compiler *c, struct pt_json flags, struct pt_json metadata)
{
    struct pt_flag_set *set = c->set;
    uint32_t index = 0;

    set->flags = pt_flag_room(c, pt_json_count(flags) * sizeof(*set->flags));
    if (!set->flags) {
        return;
    }
    struct pt_json_iter it = pt_json_iterate(flags);
    bool is_list = pt_json_type(flags) == PT_JSON_ARRAY;

    while (pt_json_next(&it)) {
        struct pt_span key = it.key;
        size_t mark = is_list ? pt_flag_down_index(c, index) : pt_flag_down(c, key);

        if (is_list && (pt_json_type(it.value) != PT_JSON_OBJECT ||
                        !pt_json_member_string(it.value, "key", &key))) {
            pt_flag_report(c, "a flag in a list must be an object with a \"key\"");
        } else {
            c->flag = key;
            compile_flag(c, &set->flags[set->count], key, it.value, metadata);
            set->flags[set->count].list_index = is_list ? index : PT_FLAG_NO_INDEX;
            set->count++;
        }
        c->flag = pt_span_of(NULL, 0);
        index++;
        pt_flag_up(c, mark);
    }
    if (c->has_no_memory) {
        return;
    }
    qsort(set->flags, set->count, sizeof(*set->flags), compare_flags);
    for (size_t i = 1; i < set->count; i++) {
        if (compare_flags(&set->flags[i - 1], &set->flags[i]) == 0) {
            pt_flag_report(c, "flag \"%.*s\" is defined twice", PT_SPAN_ARG(set->flags[i].key));
        }
    }
}

/* The shared rules. They are compiled where flags refer to them; here they are looked at. */
static void compile_evaluators(struct pt_flag_compiler *c, struct pt_json evaluators)
{
    size_t mark = pt_flag_down_str(c, "$evaluators");

    if (pt_json_type(evaluators) != PT_JSON_OBJECT) {
        pt_flag_report(c, "\"$evaluators\" must be an object of rules by name, this is %s",
                       pt_json_type_name(pt_json_type(evaluators)));
        pt_flag_up(c, mark);
        return;
    }
    c->evaluators = evaluators;
    for (struct pt_json_iter it = pt_json_iterate(evaluators); c->errors && pt_json_next(&it);) {
        size_t inner = pt_flag_down(c, it.key);

        (void)pt_logic_compile(c, it.value);
        pt_flag_up(c, inner);
    }
    pt_flag_up(c, mark);
}

/* One member, and none that a flag file has. */
static bool is_rule(struct pt_json root)
{
    return pt_json_count(root) == 1 && !pt_json_exists(pt_json_member(root, "flags")) &&
           !pt_json_exists(pt_json_member(root, "metadata")) &&
           !pt_json_exists(pt_json_member(root, "$schema")) &&
           !pt_json_exists(pt_json_member(root, "$evaluators"));
}

static void compile_root(struct pt_flag_compiler *c, struct pt_json root)
{
    static const char *const known[] = {"$schema", "$evaluators", "flags", "metadata"};
    struct pt_json flags;
    struct pt_json metadata;
    size_t mark;

    if (pt_json_type(root) != PT_JSON_OBJECT) {
        pt_flag_report(c, "a flag file is an object with \"flags\", this is %s",
                       pt_json_type_name(pt_json_type(root)));
        return;
    }
    if (c->errors && is_rule(root)) {
        c->is_rule_alone = true;
        (void)pt_logic_compile(c, root); /* lint takes a targeting rule alone, too */
        return;
    }
    check_members(c, root, known, sizeof(known) / sizeof(known[0]));
    metadata = pt_json_member(root, "metadata");
    if (pt_json_exists(metadata)) {
        mark = pt_flag_down_str(c, "metadata");
        check_metadata(c, metadata);
        pt_flag_compile_holdouts(c, metadata);
        pt_flag_up(c, mark);
    }
    c->set->metadata = merge_metadata(c, metadata, (struct pt_json){0}, false);
    if (pt_json_exists(pt_json_member(root, "$evaluators"))) {
        compile_evaluators(c, pt_json_member(root, "$evaluators"));
    }
    flags = pt_json_member(root, "flags");
    mark = pt_flag_down_str(c, "flags");
    if (!pt_json_exists(flags) ||
        (pt_json_type(flags) != PT_JSON_OBJECT && pt_json_type(flags) != PT_JSON_ARRAY)) {
        pt_flag_report(c, "\"flags\" must be an object of flags by key");
    } else {
        compile_flags(c, flags, metadata);
    }
    pt_flag_up(c, mark);
    if (!c->has_no_memory) {
        pt_flag_check_govern(c);
    }
}

enum pt_code pt_flag_set_compile(struct pt_span json, struct pt_flag_set **set_out,
                                 struct pt_jsonw *report, bool *is_valid_out, struct pt_error *err)
{
    struct pt_flag_compiler c = {.first = err};
    struct pt_json_parser *parser = NULL;
    struct pt_json root;
    struct pt_jsonw errors;
    struct pt_jsonw warnings;
    struct pt_buf text;
    struct pt_buf error_buf;
    struct pt_buf warning_buf;
    struct pt_error parse_error;
    enum pt_code code = PT_OK;

    *set_out = NULL;
    pt_buf_init(&text, PT_FLAGS_FILE_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_init(&error_buf, PT_FLAGS_FILE_BYTES_MAX);
    pt_buf_init(&warning_buf, PT_FLAGS_FILE_BYTES_MAX);
    pt_jsonw_init(&errors, &error_buf);
    pt_jsonw_init(&warnings, &warning_buf);
    if (json.size > PT_FLAGS_FILE_BYTES_MAX) {
        code = pt_fail(err, PT_TOO_BIG, "a flag file has at most %u bytes, this has %zu",
                       PT_FLAGS_FILE_BYTES_MAX, json.size);
        goto out;
    }
    parser = pt_json_parser_create(PT_FLAGS_FILE_BYTES_MAX);
    c.set = pt_alloc_zero(sizeof(*c.set));
    uint8_t *room = pt_buf_reserve(&text, json.size + PT_JSON_PADDING);
    if (!parser || !c.set || !room) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the flags");
        goto out;
    }
    if (json.size > 0) {
        memcpy(room, json.data, json.size);
    }
    memset(room + json.size, 0, PT_JSON_PADDING);
    pt_arena_init(&c.set->arena, ARENA_BYTES_MAX);
    if (report) {
        c.errors = &errors;
        c.warnings = &warnings;
        pt_jsonw_array(&errors);
        pt_jsonw_array(&warnings);
    }
    code = pt_json_parse(parser, pt_span_of(room, json.size), &root, NULL, &parse_error);
    if (code == PT_OK) {
        compile_root(&c, root);
    } else if (code == PT_INVALID) {
        pt_flag_report(&c, "%s", parse_error.text);
        code = PT_OK;
    } else {
        code = pt_fail(err, code, "%s", parse_error.text);
        goto out;
    }
    if (c.has_no_memory) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the flags");
        goto out;
    }
    *is_valid_out = c.error_count == 0;
    if (report) {
        pt_jsonw_array_end(&errors);
        pt_jsonw_array_end(&warnings);
        pt_jsonw_object(report);
        pt_jsonw_member_bool(report, "valid", c.error_count == 0);
        pt_jsonw_member_uint(report, "flags", c.set->count);
        pt_jsonw_key(report, "errors");
        pt_jsonw_raw(report, pt_buf_span(&error_buf));
        pt_jsonw_key(report, "warnings");
        pt_jsonw_raw(report, pt_buf_span(&warning_buf));
        pt_jsonw_object_end(report);
        if (error_buf.has_failed || warning_buf.has_failed || report->buf->has_failed) {
            code = pt_fail(err, PT_NO_MEMORY, "no memory for the findings");
            goto out;
        }
    } else if (c.error_count > 0) {
        code = PT_INVALID; /* `err` has held the first one since */
    }
    if (c.error_count == 0) {
        c.set->broken_count = c.broken_count;
        memcpy(c.set->first_broken, c.first_broken, sizeof(c.first_broken));
        *set_out = c.set;
        c.set = NULL;
    }

out:
    pt_flag_set_destroy(c.set);
    pt_json_parser_destroy(parser);
    pt_buf_release(&warning_buf);
    pt_buf_release(&error_buf);
    pt_buf_release(&text);
    return code;
}

void pt_flag_set_destroy(struct pt_flag_set *set)
{
    if (set) {
        pt_arena_release(&set->arena);
        pt_free(set);
    }
}

const struct pt_flag_definition *pt_flag_set_find(const struct pt_flag_set *set, struct pt_span key)
{
    size_t low = 0;
    size_t high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = pt_flag_compare_spans(set->flags[middle].key, key);

        if (order == 0) {
            return &set->flags[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
