/*
 * document.c - a flag file as a list of parts
 */
#include "flag/document.h"

#include "base/crypto.h"
#include "flag/flag.h"

#define LINE_CHARS_MAX 88 /* what is longer is broken over lines */
#define TEXT_BYTES_MAX (2 * PT_FLAGS_FILE_BYTES_MAX)

enum pt_code pt_flag_text_open(struct pt_flag_text *text, struct pt_span json, struct pt_error *err)
{
    *text = (struct pt_flag_text){.parser = pt_json_parser_create(TEXT_BYTES_MAX)};
    pt_buf_init(&text->bytes, TEXT_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_append(&text->bytes, json.data, json.size);
    if (!text->parser || !pt_buf_reserve(&text->bytes, PT_JSON_PADDING)) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the flags");
    }
    return pt_json_parse(text->parser, pt_buf_span(&text->bytes), &text->root, NULL, err);
}

void pt_flag_text_close(struct pt_flag_text *text)
{
    pt_json_parser_destroy(text->parser);
    pt_buf_release(&text->bytes);
    *text = (struct pt_flag_text){0};
}

/* The slot of that name: where it is, or where it would go. */
static uint32_t *slot_of(const struct pt_flag_parts *parts, bool is_flag, struct pt_span name)
{
    size_t mask = 2 * parts->capacity - 1;
    size_t at = (size_t)pt_checksum64(name.data, name.size) + is_flag;

    for (;; at++) {
        uint32_t *slot = &parts->slots[at & mask];
        const struct pt_flag_part *part = *slot > 0 ? &parts->items[*slot - 1] : NULL;

        if (!part || (part->is_flag == is_flag && pt_span_equal(part->name, name))) {
            return slot;
        }
    }
}

static bool grow(struct pt_flag_parts *parts)
{
    size_t capacity = parts->capacity > 0 ? 2 * parts->capacity : 64; /* a power of two */
    struct pt_flag_part *items = pt_arena_alloc(parts->arena, capacity * sizeof(*items));
    uint32_t *slots = pt_arena_alloc(parts->arena, 2 * capacity * sizeof(*slots));

    if (!items || !slots) {
        return false;
    }
    if (parts->items) {
        memcpy(items, parts->items, parts->count * sizeof(*items));
    }
    memset(slots, 0, 2 * capacity * sizeof(*slots));
    parts->items = items;
    parts->slots = slots;
    parts->capacity = capacity;
    for (size_t i = 0; i < parts->count; i++) {
        *slot_of(parts, items[i].is_flag, items[i].name) = (uint32_t)i + 1;
    }
    return true;
}

struct pt_flag_part *pt_flag_parts_find(const struct pt_flag_parts *parts, bool is_flag,
                                        struct pt_span name)
{
    uint32_t index = parts->count > 0 ? *slot_of(parts, is_flag, name) : 0;

    return index > 0 ? &parts->items[index - 1] : NULL;
}

struct pt_flag_part *pt_flag_parts_put(struct pt_flag_parts *parts, bool is_flag,
                                       struct pt_span name)
{
    struct pt_flag_part *part = pt_flag_parts_find(parts, is_flag, name);

    if (part) {
        return part;
    }
    name = pt_flag_keep(parts->arena, name);
    if (!name.data || (parts->count == parts->capacity && !grow(parts))) {
        return NULL;
    }
    pt_assert(parts->items); /* there is room */
    part = &parts->items[parts->count++];
    *part = (struct pt_flag_part){.is_flag = is_flag, .name = name};
    *slot_of(parts, is_flag, name) = (uint32_t)parts->count;
    return part;
}

struct pt_span pt_flag_keep(struct pt_arena *arena, struct pt_span text)
{
    char *copy = pt_arena_strdup(arena, text);

    return pt_span_of(copy, copy ? text.size : 0);
}

struct pt_span pt_flag_keep_buf(struct pt_arena *arena, struct pt_buf *buf)
{
    struct pt_span kept =
        buf->has_failed ? pt_span_of(NULL, 0) : pt_flag_keep(arena, pt_buf_span(buf));

    pt_buf_release(buf);
    return kept;
}

struct pt_span pt_flag_minify(struct pt_arena *arena, struct pt_json value)
{
    struct pt_buf buf;
    struct pt_jsonw w;

    pt_buf_init(&buf, TEXT_BYTES_MAX);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_value(&w, value);
    return pt_flag_keep_buf(arena, &buf);
}

/* ---- reading ---- */

static enum pt_code take(struct pt_flag_parts *parts, bool is_flag, struct pt_span name,
                         struct pt_json value, struct pt_error *err)
{
    struct pt_flag_part *part = pt_flag_parts_put(parts, is_flag, name);

    if (part) {
        part->json = pt_flag_minify(parts->arena, value);
    }
    return part && part->json.size > 0 ? PT_OK : pt_fail(err, PT_NO_MEMORY, "no memory for flags");
}

enum pt_code pt_flag_parts_read(struct pt_flag_parts *parts, struct pt_json root,
                                struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (pt_json_type(root) != PT_JSON_OBJECT) {
        return pt_fail(err, PT_INVALID, "a flag file is an object with \"flags\"");
    }
    for (struct pt_json_iter it = pt_json_iterate(root); !code && pt_json_next(&it);) {
        bool is_list = pt_json_type(it.value) == PT_JSON_ARRAY;

        if (!pt_span_is(it.key, "flags")) {
            code = take(parts, false, it.key, it.value, err);
            continue;
        }
        if (!is_list && pt_json_type(it.value) != PT_JSON_OBJECT) {
            return pt_fail(err, PT_INVALID, "\"flags\" must be an object of flags by key");
        }
        for (struct pt_json_iter flag = pt_json_iterate(it.value); !code && pt_json_next(&flag);) {
            struct pt_span key = flag.key;

            if (is_list && (pt_json_type(flag.value) != PT_JSON_OBJECT ||
                            !pt_json_member_string(flag.value, "key", &key))) {
                return pt_fail(err, PT_INVALID,
                               "a flag in a list must be an object with a \"key\"");
            }
            code = take(parts, true, key, flag.value, err);
        }
    }
    return code;
}

struct pt_json pt_flag_metadata(struct pt_json flag)
{
    struct pt_json metadata = {0};

    if (pt_json_type(flag) == PT_JSON_OBJECT) {
        metadata = pt_json_member(flag, "metadata");
    }
    return pt_json_exists(metadata) && pt_json_type(metadata) == PT_JSON_OBJECT
               ? metadata
               : (struct pt_json){0};
}

uint64_t pt_flag_version(struct pt_json flag)
{
    struct pt_json metadata = pt_flag_metadata(flag);
    int64_t version = 0;

    if (!pt_json_exists(metadata) || !pt_json_member_int(metadata, "version", &version)) {
        return 0;
    }
    return version > 0 ? (uint64_t)version : 0;
}

/* ---- writing ---- */

static void indent(struct pt_buf *out, unsigned depth)
{
    pt_buf_append_byte(out, '\n');
    for (unsigned i = 0; i < depth; i++) {
        pt_buf_append_str(out, "  ");
    }
}

static void write_pretty(struct pt_buf *out, struct pt_json value, unsigned depth, bool is_open);

/* Members and elements, each on a line of its own or all on one. */
static void write_items(struct pt_buf *out, struct pt_json value, unsigned depth, bool is_open)
{
    bool is_object = pt_json_type(value) == PT_JSON_OBJECT;
    bool is_first = true;

    pt_buf_append_byte(out, is_object ? '{' : '[');
    for (struct pt_json_iter it = pt_json_iterate(value); pt_json_next(&it); is_first = false) {
        struct pt_jsonw w;

        pt_buf_append_str(out, is_first ? "" : is_open ? "," : ", ");
        if (is_open) {
            indent(out, depth + 1);
        }
        if (is_object) {
            pt_jsonw_init(&w, out);
            pt_jsonw_string(&w, it.key);
            pt_buf_append_str(out, ": ");
        }
        write_pretty(out, it.value, depth + 1, is_open);
    }
    if (is_open && !is_first) {
        indent(out, depth);
    }
    pt_buf_append_byte(out, is_object ? '}' : ']');
}

/* On one line what fits there; within a line, nothing is broken. */
static void write_pretty(struct pt_buf *out, struct pt_json value, unsigned depth, bool is_open)
{
    enum pt_json_type type = pt_json_type(value);
    size_t start = out->size;
    struct pt_jsonw w;

    if (type != PT_JSON_OBJECT && type != PT_JSON_ARRAY) {
        pt_jsonw_init(&w, out);
        pt_jsonw_value(&w, value);
        return;
    }
    write_items(out, value, depth, false);
    if (is_open && !out->has_failed && out->size - start > LINE_CHARS_MAX - 2 * (size_t)depth) {
        out->size = start;
        write_items(out, value, depth, true);
    }
}

static enum pt_code write_part(struct pt_buf *file, const struct pt_flag_part *part, unsigned depth,
                               struct pt_error *err)
{
    struct pt_flag_text text;
    struct pt_jsonw w;
    enum pt_code code = pt_flag_text_open(&text, part->json, err);

    if (!code) {
        indent(file, depth);
        pt_jsonw_init(&w, file);
        pt_jsonw_string(&w, part->name);
        pt_buf_append_str(file, ": ");
        write_pretty(file, text.root, depth, true);
    }
    pt_flag_text_close(&text);
    return code;
}

/* The flags, or the other members, from `from` on and before `to`. */
static enum pt_code write_parts(struct pt_buf *file, const struct pt_flag_parts *parts, size_t from,
                                size_t to, bool is_flag, const char **comma, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (size_t i = from; i < to && !code; i++) {
        const struct pt_flag_part *part = &parts->items[i];

        if (part->json.size > 0 && part->is_flag == is_flag) {
            pt_buf_append_str(file, *comma);
            *comma = ",";
            code = write_part(file, part, is_flag ? 2 : 1, err);
        }
    }
    return code;
}

enum pt_code pt_flag_parts_write(const struct pt_flag_parts *parts, struct pt_buf *file,
                                 struct pt_error *err)
{
    const char *comma = "";
    const char *flag_comma = "";
    size_t first_flag = 0;
    enum pt_code code = PT_OK;

    while (first_flag < parts->count && !parts->items[first_flag].is_flag) {
        first_flag++;
    }
    /* The members that stood before the flags, the flags, the members behind them. */
    pt_buf_append_byte(file, '{');
    code = write_parts(file, parts, 0, first_flag, false, &comma, err);
    pt_buf_append_str(file, comma);
    indent(file, 1);
    pt_buf_append_str(file, "\"flags\": {");
    code = code ? code : write_parts(file, parts, first_flag, parts->count, true, &flag_comma, err);
    if (*flag_comma) {
        indent(file, 1);
    }
    pt_buf_append_byte(file, '}');
    comma = ",";
    code = code ? code : write_parts(file, parts, first_flag, parts->count, false, &comma, err);
    pt_buf_append_str(file, "\n}\n");
    if (!code && file->has_failed) {
        code = pt_fail(err, PT_TOO_BIG, "the flags would be larger than a flag file may be");
    }
    return code;
}

/* ---- pointers ---- */

void pt_flag_pointer_write(struct pt_jsonw *w, const struct pt_flag_part *part)
{
    struct pt_buf pointer;

    pt_buf_init(&pointer, TEXT_BYTES_MAX);
    pt_buf_append_str(&pointer, part->is_flag ? "/flags/" : "/");
    for (size_t i = 0; i < part->name.size; i++) {
        uint8_t byte = part->name.data[i];

        if (byte == '~' || byte == '/') {
            pt_buf_append_byte(&pointer, '~');
            byte = byte == '~' ? '0' : '1';
        }
        pt_buf_append_byte(&pointer, byte);
    }
    w->buf->has_failed = w->buf->has_failed || pointer.has_failed;
    pt_jsonw_string(w, pt_buf_span(&pointer));
    pt_buf_release(&pointer);
}

bool pt_flag_pointer_read(struct pt_arena *arena, struct pt_span pointer, bool *is_flag_out,
                          struct pt_span *name_out)
{
    const struct pt_span flags = pt_span_str("/flags/");
    uint8_t *name = pt_arena_alloc(arena, pointer.size + 1);
    size_t bytes = 0;

    *is_flag_out = pointer.size >= flags.size && memcmp(pointer.data, flags.data, flags.size) == 0;
    if (!name || pointer.size == 0 || pointer.data[0] != '/') {
        return false;
    }
    for (size_t i = *is_flag_out ? flags.size : 1; i < pointer.size; i++) {
        name[bytes] = pointer.data[i];
        if (name[bytes] == '~' && i + 1 < pointer.size) {
            name[bytes] = pointer.data[++i] == '0' ? '~' : '/';
        }
        bytes++;
    }
    *name_out = pt_span_of(name, bytes);
    return true;
}
