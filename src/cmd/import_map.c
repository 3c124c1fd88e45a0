/*
 * import_map.c - a mapping file, and what it makes of a row
 *
 * docs/import.md is the format. The mapping is read once into an arena; columns are found by
 * name in each file's header. A value that the collector can judge (a time, a name, an id) is
 * sent as it stands, so that a wrong one ends in the dead letters with its reason.
 */
#include "cmd/import.h"

#include "wire/rfc3339.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_ARENA_BYTES (64u << 20)
#define MAP_BYTES_MAX PT_YAML_BYTES_MAX
#define NAME_BYTES_MAX 64 /* of event_name, when sanitised */
#define VALUE_BYTES_MAX (1u << 20)

/* A column by name; `index` is set by bind. */
struct column {
    const char *name;
    unsigned line;
    size_t index;
    struct column *next;
};

/* Text with columns in it: "{userid}-d1". */
struct part {
    struct pt_span literal;
    const struct column *column; /* NULL: the literal */
    struct part *next;
};

struct template
{
    struct part *parts;
    struct template *next; /* taken where this one gives nothing */
};

struct word {
    const char *text;
    const char *to; /* what replaces it, in a map of names */
    struct word *next;
};

struct condition {
    const struct column *column;
    enum { CONDITION_EQUALS, CONDITION_NOT_EQUALS, CONDITION_EMPTY, CONDITION_NOT_EMPTY } kind;
    struct word *words;
    struct condition *next;
};

enum time_unit {
    UNIT_TEXT, /* RFC 3339, or a date and time that is taken as UTC */
    UNIT_S,
    UNIT_MS,
    UNIT_US,
};

enum attribute_kind {
    ATTRIBUTE_CONSTANT, /* JSON that does not change */
    ATTRIBUTE_TEMPLATE,
    ATTRIBUTE_STRING,
    ATTRIBUTE_INT,
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_BOOL,
    ATTRIBUTE_JSON,
};

struct attribute {
    const char *key;
    enum attribute_kind kind;
    const char *json; /* a constant */
    struct template *value;
    const struct column *column;
    struct attribute *next;
};

/* Fields that are plain text in the event, in the order in which they are written. */
enum text_field {
    TEXT_USER_ID,
    TEXT_SESSION_ID,
    TEXT_INSTALL_ID,
    TEXT_PLATFORM,
    TEXT_BUILD_ID,
    TEXT_MECHANIC_VERSION,
    TEXT_FIELD_COUNT,
};

static const char *const text_fields[TEXT_FIELD_COUNT] = {
    "user_id", "session_id", "install_id", "platform", "build_id", "mechanic_version",
};

struct map_event {
    struct condition *conditions;
    struct template *name;
    bool has_sanitized_name;
    struct word *names;
    struct template *time;
    enum time_unit time_unit;
    struct template *plus;
    struct template *texts[TEXT_FIELD_COUNT];
    struct template *seq;
    struct attribute *attributes;
    const struct column *json; /* attributes_from */
    struct word *excluded;     /* its members that are left out */
    struct map_event *next;
};

struct pt_import_map {
    struct pt_arena arena;
    char *path;
    char delimiter;
    struct word *nulls; /* values that stand for nothing */
    struct column *columns;
    struct map_event *events;
    size_t event_count;
    struct pt_json_parser *parser;
    struct pt_buf text;  /* an expanded template */
    struct pt_buf other; /* a second one beside it */
};

/* ---- reading the mapping ---- */

static enum pt_code no_memory(const struct pt_import_map *map, struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "read %s", map->path);
}

static enum pt_code wrong(const struct pt_import_map *map, const struct pt_yaml *node,
                          const char *what, struct pt_error *err)
{
    return pt_fail(err, PT_INVALID, "%s:%u: %s%s%s", map->path, node->line,
                   node->key ? node->key : "", node->key ? ": " : "", what);
}

static void *zeroed(struct pt_import_map *map, size_t bytes)
{
    void *memory = pt_arena_alloc(&map->arena, bytes);

    if (memory) {
        memset(memory, 0, bytes);
    }
    return memory;
}

static enum pt_code check_keys(const struct pt_import_map *map, const struct pt_yaml *node,
                               const char *const *keys, size_t count, struct pt_error *err)
{
    if (!node || node->kind != PT_YAML_MAP) {
        return PT_OK;
    }
    for (const struct pt_yaml *entry = node->child; entry; entry = entry->next) {
        const char *nearest = NULL;
        bool is_known = false;

        for (size_t i = 0; i < count; i++) {
            is_known = is_known || strcmp(entry->key, keys[i]) == 0;
        }
        if (is_known) {
            continue;
        }
        nearest = pt_nearest_name(entry->key, keys, count);
        return pt_fail(err, PT_INVALID, "%s:%u: no key is called '%s' here%s%s%s", map->path,
                       entry->line, entry->key, nearest ? "; did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
    }
    return PT_OK;
}

#define CHECK_KEYS(map, node, err, ...)                                                            \
    check_keys((map), (node), (const char *const[]){__VA_ARGS__},                                  \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), (err))

static const struct column *add_column(struct pt_import_map *map, struct pt_span name,
                                       unsigned line)
{
    struct column *column = zeroed(map, sizeof(*column));

    if (!column) {
        return NULL;
    }
    column->name = pt_arena_strdup(&map->arena, name);
    column->line = line;
    column->next = map->columns;
    map->columns = column;
    return column->name ? column : NULL;
}

static enum pt_code read_column(struct pt_import_map *map, const struct pt_yaml *node,
                                const struct column **column_out, struct pt_error *err)
{
    if (!node || node->kind != PT_YAML_SCALAR) {
        return node ? wrong(map, node, "a column's name belongs here", err)
                    : pt_fail(err, PT_INVALID, "%s: a column is missing", map->path);
    }
    *column_out = add_column(map, pt_span_str(node->text), node->line);
    return *column_out ? PT_OK : no_memory(map, err);
}

static enum pt_code add_part(struct pt_import_map *map, struct part ***end,
                             const struct column *column, const char *text, size_t size,
                             struct pt_error *err)
{
    struct part *part = zeroed(map, sizeof(*part));

    if (!part) {
        return no_memory(map, err);
    }
    part->column = column;
    part->literal = pt_span_of(text, size);
    **end = part;
    *end = &part->next;
    return PT_OK;
}

/* "{name}" is a column, "{{" a brace. */
static enum pt_code parse_template(struct pt_import_map *map, const struct pt_yaml *node,
                                   struct template *template, struct pt_error *err)
{
    struct part **end = &template->parts;
    const char *at = node->text;

    while (*at) {
        size_t literal = strcspn(at, "{");
        const struct column *column = NULL;
        const char *close = NULL;
        enum pt_code code = PT_OK;

        if (at[literal] == '{' && at[literal + 1] == '{') {
            code = add_part(map, &end, NULL, at, literal + 1, err);
            at += literal + 2;
        } else if (literal > 0) {
            code = add_part(map, &end, NULL, at, literal, err);
            at += literal;
        } else {
            close = strchr(at, '}');
            if (!close) {
                return wrong(map, node, "a '{' is not closed; '{{' stands for itself", err);
            }
            column = add_column(map, pt_span_of(at + 1, (size_t)(close - at - 1)), node->line);
            code = column ? add_part(map, &end, column, NULL, 0, err) : no_memory(map, err);
            at = close + 1;
        }
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

/* A template, or a list of them of which the first that gives text is taken. */
static enum pt_code read_template(struct pt_import_map *map, const struct pt_yaml *node,
                                  struct template **template_out, struct pt_error *err)
{
    struct template **end = template_out;
    const struct pt_yaml *entry = node;

    if (!node) {
        return PT_OK;
    }
    if (node->kind == PT_YAML_LIST) {
        entry = node->child;
    }
    for (; entry; entry = node->kind == PT_YAML_LIST ? entry->next : NULL) {
        enum pt_code code = PT_OK;

        if (entry->kind != PT_YAML_SCALAR) {
            return wrong(map, node, "text such as \"{column}\" belongs here", err);
        }
        *end = zeroed(map, sizeof(**end));
        if (!*end) {
            return no_memory(map, err);
        }
        code = parse_template(map, entry, *end, err);
        if (code) {
            return code;
        }
        end = &(*end)->next;
    }
    return PT_OK;
}

/* A value or a list of values; or, with `has_targets`, a map of one to another. */
static enum pt_code read_words(struct pt_import_map *map, const struct pt_yaml *node,
                               bool has_targets, struct word **words_out, struct pt_error *err)
{
    enum pt_yaml_kind wanted = has_targets ? PT_YAML_MAP : PT_YAML_LIST;
    const struct pt_yaml *entry = node;
    struct word **end = words_out;

    if (!node) {
        return PT_OK;
    }
    if (node->kind == wanted) {
        entry = node->child;
    } else if (has_targets || node->kind != PT_YAML_SCALAR) {
        return wrong(map, node, has_targets ? "a map belongs here" : "values belong here", err);
    }
    for (; entry; entry = node->kind == wanted ? entry->next : NULL) {
        if (entry->kind != PT_YAML_SCALAR) {
            return wrong(map, entry, "a value belongs here", err);
        }
        *end = zeroed(map, sizeof(**end));
        if (!*end) {
            return no_memory(map, err);
        }
        **end = (struct word){.text = has_targets ? entry->key : entry->text,
                              .to = has_targets ? entry->text : NULL};
        end = &(*end)->next;
    }
    return PT_OK;
}

static bool is_true(const struct pt_yaml *node)
{
    return node->kind == PT_YAML_SCALAR && strcmp(node->text, "true") == 0;
}

static enum pt_code read_condition(struct pt_import_map *map, const struct pt_yaml *node,
                                   struct condition *condition, struct pt_error *err)
{
    const struct pt_yaml *equals = pt_yaml_member(node, "equals");
    const struct pt_yaml *not_equals = pt_yaml_member(node, "not_equals");
    const struct pt_yaml *empty = pt_yaml_member(node, "empty");
    enum pt_code code = CHECK_KEYS(map, node, err, "column", "equals", "not_equals", "empty");

    if (code) {
        return code;
    }
    if (node->kind != PT_YAML_MAP ||
        (equals != NULL) + (not_equals != NULL) + (empty != NULL) != 1) {
        return wrong(map, node,
                     "a condition is {column: NAME, equals: VALUE}, or not_equals:, "
                     "or empty: true or false",
                     err);
    }
    code = read_column(map, pt_yaml_member(node, "column"), &condition->column, err);
    if (code) {
        return code;
    }
    if (empty) {
        condition->kind = is_true(empty) ? CONDITION_EMPTY : CONDITION_NOT_EMPTY;
        return PT_OK;
    }
    condition->kind = equals ? CONDITION_EQUALS : CONDITION_NOT_EQUALS;
    return read_words(map, equals ? equals : not_equals, false, &condition->words, err);
}

/* One condition or a list of which all must hold. */
static enum pt_code read_conditions(struct pt_import_map *map, const struct pt_yaml *node,
                                    struct condition **conditions_out, struct pt_error *err)
{
    bool is_list = node && node->kind == PT_YAML_LIST;
    struct condition **end = conditions_out;

    for (const struct pt_yaml *entry = is_list ? node->child : node; entry;
         entry = is_list ? entry->next : NULL) {
        enum pt_code code = PT_OK;

        *end = zeroed(map, sizeof(**end));
        if (!*end) {
            return no_memory(map, err);
        }
        code = read_condition(map, entry, *end, err);
        if (code) {
            return code;
        }
        end = &(*end)->next;
    }
    return PT_OK;
}

static enum pt_code read_name(struct pt_import_map *map, const struct pt_yaml *node,
                              struct map_event *event, struct pt_error *err)
{
    const struct pt_yaml *sanitize = NULL;
    enum pt_code code = PT_OK;

    if (node->kind != PT_YAML_MAP) {
        return read_template(map, node, &event->name, err);
    }
    code = CHECK_KEYS(map, node, err, "value", "sanitize", "names");
    if (code) {
        return code;
    }
    if (!pt_yaml_member(node, "value")) {
        return wrong(map, node, "value: is missing", err);
    }
    sanitize = pt_yaml_member(node, "sanitize");
    event->has_sanitized_name = sanitize && is_true(sanitize);
    code = read_words(map, pt_yaml_member(node, "names"), true, &event->names, err);
    return code ? code : read_template(map, pt_yaml_member(node, "value"), &event->name, err);
}

static enum pt_code read_time(struct pt_import_map *map, const struct pt_yaml *node,
                              struct map_event *event, struct pt_error *err)
{
    static const char *const units[] = {"text", "s", "ms", "us"};
    const struct pt_yaml *unit = NULL;
    enum pt_code code = PT_OK;

    if (node->kind != PT_YAML_MAP) {
        return read_template(map, node, &event->time, err);
    }
    code = CHECK_KEYS(map, node, err, "value", "unit", "plus");
    if (code) {
        return code;
    }
    if (!pt_yaml_member(node, "value")) {
        return wrong(map, node, "value: is missing", err);
    }
    unit = pt_yaml_member(node, "unit");
    if (unit) {
        size_t i = 0;

        while (i < 4 && (unit->kind != PT_YAML_SCALAR || strcmp(unit->text, units[i]) != 0)) {
            i++;
        }
        if (i == 4) {
            return wrong(map, unit, "is one of text, s, ms, us", err);
        }
        event->time_unit = (enum time_unit)i;
    }
    code = read_template(map, pt_yaml_member(node, "plus"), &event->plus, err);
    return code ? code : read_template(map, pt_yaml_member(node, "value"), &event->time, err);
}

/* Bare numbers, true and false are themselves; all else is text. */
static const char *constant_json(const struct pt_yaml *node)
{
    size_t offset = 0;
    const char *reason = NULL;

    if (node->is_quoted || strcmp(node->text, "null") == 0) {
        return NULL;
    }
    return pt_json_check(pt_span_str(node->text), &offset, &reason) && node->text[0] != '"' &&
                   node->text[0] != '[' && node->text[0] != '{'
               ? node->text
               : NULL;
}

static enum pt_code read_typed(struct pt_import_map *map, const struct pt_yaml *node,
                               struct attribute *attribute, struct pt_error *err)
{
    static const char *const kinds[] = {"string", "int", "float", "bool", "json"};
    const struct pt_yaml *type = pt_yaml_member(node, "type");
    enum pt_code code = CHECK_KEYS(map, node, err, "column", "type");

    if (code) {
        return code;
    }
    attribute->kind = ATTRIBUTE_STRING;
    if (type) {
        size_t i = 0;

        while (i < 5 && (type->kind != PT_YAML_SCALAR || strcmp(type->text, kinds[i]) != 0)) {
            i++;
        }
        if (i == 5) {
            return wrong(map, type, "is one of string, int, float, bool, json", err);
        }
        attribute->kind = (enum attribute_kind)(ATTRIBUTE_STRING + i);
    }
    return read_column(map, pt_yaml_member(node, "column"), &attribute->column, err);
}

static enum pt_code read_attributes(struct pt_import_map *map, const struct pt_yaml *node,
                                    struct attribute **attributes_out, struct pt_error *err)
{
    struct attribute **end = attributes_out;

    if (node && node->kind != PT_YAML_MAP) {
        return wrong(map, node, "a map of key to value belongs here", err);
    }
    for (const struct pt_yaml *entry = node ? node->child : NULL; entry; entry = entry->next) {
        struct attribute *attribute = NULL;
        enum pt_code code = PT_OK;

        if (pt_yaml_is_null(entry)) {
            continue;
        }
        attribute = zeroed(map, sizeof(*attribute));
        if (!attribute) {
            return no_memory(map, err);
        }
        attribute->key = entry->key;
        if (entry->kind == PT_YAML_MAP) {
            code = read_typed(map, entry, attribute, err);
        } else if (entry->kind == PT_YAML_SCALAR && constant_json(entry)) {
            attribute->json = entry->text;
        } else {
            attribute->kind = ATTRIBUTE_TEMPLATE;
            code = read_template(map, entry, &attribute->value, err);
        }
        if (code) {
            return code;
        }
        *end = attribute;
        end = &attribute->next;
    }
    return PT_OK;
}

static enum pt_code read_json_source(struct pt_import_map *map, const struct pt_yaml *node,
                                     struct map_event *event, struct pt_error *err)
{
    enum pt_code code = CHECK_KEYS(map, node, err, "column", "exclude");

    if (code || !node) {
        return code;
    }
    if (node->kind != PT_YAML_MAP) {
        return wrong(map, node, "say {column: NAME, exclude: [KEY, …]}", err);
    }
    code = read_column(map, pt_yaml_member(node, "column"), &event->json, err);
    return code ? code
                : read_words(map, pt_yaml_member(node, "exclude"), false, &event->excluded, err);
}

static enum pt_code read_event(struct pt_import_map *map, const struct pt_yaml *node,
                               struct map_event *event, struct pt_error *err)
{
    const struct pt_yaml *name = pt_yaml_member(node, "event_name");
    const struct pt_yaml *time = pt_yaml_member(node, "occurred_at");
    enum pt_code code = CHECK_KEYS(map, node, err, "when", "event_name", "occurred_at", "user_id",
                                   "session_id", "install_id", "seq", "platform", "build_id",
                                   "mechanic_version", "attributes", "attributes_from");

    if (code) {
        return code;
    }
    if (!name || !time || !pt_yaml_member(node, "user_id") || !pt_yaml_member(node, "session_id")) {
        return wrong(map, node, "an event needs event_name, occurred_at, user_id and session_id",
                     err);
    }
    code = read_conditions(map, pt_yaml_member(node, "when"), &event->conditions, err);
    if (!code) {
        code = read_name(map, name, event, err);
    }
    if (!code) {
        code = read_time(map, time, event, err);
    }
    for (size_t i = 0; !code && i < TEXT_FIELD_COUNT; i++) {
        code = read_template(map, pt_yaml_member(node, text_fields[i]), &event->texts[i], err);
    }
    if (!code) {
        code = read_template(map, pt_yaml_member(node, "seq"), &event->seq, err);
    }
    if (!code) {
        code = read_attributes(map, pt_yaml_member(node, "attributes"), &event->attributes, err);
    }
    return code ? code : read_json_source(map, pt_yaml_member(node, "attributes_from"), event, err);
}

static enum pt_code read_delimiter(struct pt_import_map *map, const struct pt_yaml *node,
                                   struct pt_error *err)
{
    if (!node) {
        return PT_OK;
    }
    if (node->kind == PT_YAML_SCALAR && strcmp(node->text, "tab") == 0) {
        map->delimiter = '\t';
        return PT_OK;
    }
    if (node->kind != PT_YAML_SCALAR || strlen(node->text) != 1 ||
        strchr("\"\r\n", node->text[0])) {
        return wrong(map, node, "is one character, or the word tab", err);
    }
    map->delimiter = node->text[0];
    return PT_OK;
}

static enum pt_code read_root(struct pt_import_map *map, const struct pt_yaml *root,
                              struct pt_error *err)
{
    const struct pt_yaml *events = pt_yaml_member(root, "events");
    struct map_event **end = &map->events;
    enum pt_code code = CHECK_KEYS(map, root, err, "delimiter", "null_values", "events");

    if (code) {
        return code;
    }
    if (!events || events->kind != PT_YAML_LIST || !events->child) {
        return pt_fail(err, PT_INVALID, "%s: events: is missing: a list of what a row becomes",
                       map->path);
    }
    code = read_delimiter(map, pt_yaml_member(root, "delimiter"), err);
    if (!code) {
        code = read_words(map, pt_yaml_member(root, "null_values"), false, &map->nulls, err);
    }
    for (const struct pt_yaml *entry = events->child; !code && entry; entry = entry->next) {
        *end = zeroed(map, sizeof(**end));
        if (!*end) {
            return no_memory(map, err);
        }
        code = read_event(map, entry, *end, err);
        end = &(*end)->next;
        map->event_count++;
    }
    return code;
}

enum pt_code pt_import_map_load(struct pt_import_map **map_out, struct pt_io *io, const char *path,
                                struct pt_error *err)
{
    struct pt_import_map *map = pt_alloc_zero(sizeof(*map));
    const struct pt_yaml *root = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    *map_out = NULL;
    if (!map) {
        return pt_fail(err, PT_NO_MEMORY, "read %s", path);
    }
    pt_arena_init(&map->arena, MAP_ARENA_BYTES);
    pt_buf_init(&map->text, VALUE_BYTES_MAX);
    pt_buf_init(&map->other, VALUE_BYTES_MAX);
    map->path = pt_strdup(path);
    map->parser = pt_json_parser_create(PT_IMPORT_ROW_BYTES_MAX);
    if (!map->path || !map->parser) {
        code = pt_fail(err, PT_NO_MEMORY, "read %s", path);
        goto out;
    }
    code = pt_io_read_all(io, path, MAP_BYTES_MAX, 1, &data, &size, err);
    if (code) {
        goto out;
    }
    code = pt_yaml_parse(&map->arena, pt_span_of(data, size), path, &root, err);
    if (code) {
        goto out;
    }
    code = read_root(map, root, err);
    if (code) {
        goto out;
    }
    *map_out = map;
    map = NULL;

out:
    pt_import_map_destroy(map);
    pt_free(data);
    return code;
}

void pt_import_map_destroy(struct pt_import_map *map)
{
    if (!map) {
        return;
    }
    pt_json_parser_destroy(map->parser);
    pt_buf_release(&map->text);
    pt_buf_release(&map->other);
    pt_arena_release(&map->arena);
    pt_free(map->path);
    pt_free(map);
}

char pt_import_map_delimiter(const struct pt_import_map *map)
{
    return map->delimiter;
}

size_t pt_import_map_event_count(const struct pt_import_map *map)
{
    return map->event_count;
}

/* ---- one file's header ---- */

static enum pt_code unknown_column(const struct pt_import_map *map, const struct column *column,
                                   const struct pt_import_reader *header, struct pt_error *err)
{
    char *names[PT_IMPORT_COLUMNS_MAX] = {NULL};
    const char *candidates[PT_IMPORT_COLUMNS_MAX] = {NULL};
    const char *nearest = NULL;
    size_t count = 0;
    enum pt_code code = PT_INVALID;

    for (; count < header->field_count; count++) {
        struct pt_span name = pt_import_field(header, count);

        names[count] = pt_strndup((const char *)name.data, name.size);
        if (!names[count]) {
            break;
        }
        candidates[count] = names[count];
    }
    nearest = pt_nearest_name(column->name, candidates, count);
    code = pt_fail(err, PT_INVALID, "%s:%u: %s has no column '%s'%s%s%s", map->path, column->line,
                   header->name, column->name, nearest ? "; did you mean '" : "",
                   nearest ? nearest : "", nearest ? "'?" : "");
    for (size_t i = 0; i < count; i++) {
        pt_free(names[i]);
    }
    return code;
}

enum pt_code pt_import_map_bind(struct pt_import_map *map, const struct pt_import_reader *header,
                                struct pt_error *err)
{
    for (struct column *column = map->columns; column; column = column->next) {
        size_t i = 0;

        while (i < header->field_count && !pt_span_is(pt_import_field(header, i), column->name)) {
            i++;
        }
        if (i == header->field_count) {
            return unknown_column(map, column, header, err);
        }
        column->index = i;
    }
    return PT_OK;
}

/* ---- one row ---- */

static bool has_word(const struct word *words, struct pt_span text)
{
    for (; words; words = words->next) {
        if (pt_span_is(text, words->text)) {
            return true;
        }
    }
    return false;
}

/* The column's text; empty for a value that stands for nothing. */
static struct pt_span value_of(const struct pt_import_map *map, const struct pt_import_reader *row,
                               const struct column *column)
{
    struct pt_span text = pt_import_field(row, column->index);

    return has_word(map->nulls, text) ? pt_span_of(NULL, 0) : text;
}

static void expand(const struct pt_import_map *map, const struct pt_import_reader *row,
                   const struct template *template, struct pt_buf *out)
{
    pt_buf_reset(out);
    for (; template && out->size == 0; template = template->next) {
        for (const struct part *part = template->parts; part; part = part->next) {
            struct pt_span text = part->column ? value_of(map, row, part->column) : part->literal;

            pt_buf_append(out, text.data, text.size);
        }
    }
}

static bool holds(const struct pt_import_map *map, const struct pt_import_reader *row,
                  const struct condition *condition)
{
    for (; condition; condition = condition->next) {
        struct pt_span text = value_of(map, row, condition->column);
        bool is_held = false;

        switch (condition->kind) {
        case CONDITION_EQUALS:
            is_held = has_word(condition->words, text);
            break;
        case CONDITION_NOT_EQUALS:
            is_held = !has_word(condition->words, text);
            break;
        case CONDITION_EMPTY:
            is_held = text.size == 0;
            break;
        case CONDITION_NOT_EMPTY:
            is_held = text.size > 0;
            break;
        }
        if (!is_held) {
            return false;
        }
    }
    return true;
}

/* Letters, digits, '_' and '.', a letter first, 64 at most. */
static void sanitize_name(struct pt_buf *name)
{
    if (name->size == 0) {
        return;
    }
    if (!isalpha(name->data[0])) {
        uint8_t first = name->data[name->size - 1];

        pt_buf_append_byte(name, first);
        if (name->has_failed) {
            return;
        }
        memmove(name->data + 2, name->data + 1, name->size - 2);
        name->data[1] = name->data[0];
        name->data[0] = 'e';
    }
    if (name->size > NAME_BYTES_MAX) {
        name->size = NAME_BYTES_MAX;
    }
    for (size_t i = 0; i < name->size; i++) {
        if (name->data[i] >= 0x80 || (!isalnum(name->data[i]) && name->data[i] != '.')) {
            name->data[i] = '_';
        }
    }
}

static void write_name(struct pt_import_map *map, const struct pt_import_reader *row,
                       const struct map_event *event, struct pt_jsonw *w)
{
    expand(map, row, event->name, &map->text);
    for (const struct word *word = event->names; word; word = word->next) {
        if (pt_span_is(pt_buf_span(&map->text), word->text)) {
            pt_buf_reset(&map->text);
            pt_buf_append_str(&map->text, word->to);
            break;
        }
    }
    if (event->has_sanitized_name) {
        sanitize_name(&map->text);
    }
    pt_jsonw_key(w, "event_name");
    pt_jsonw_string(w, pt_buf_span(&map->text));
}

static bool text_to_int(struct pt_buf *text, int64_t *number_out)
{
    char *end = NULL;
    long long number = 0;

    pt_buf_append_byte(text, 0);
    if (text->has_failed) {
        return false;
    }
    text->size--;
    if (text->size == 0 || isspace(text->data[0]) || memchr(text->data, 0, text->size)) {
        return false;
    }
    errno = 0;
    number = strtoll((const char *)text->data, &end, 10);
    *number_out = number;
    return errno == 0 && *end == '\0';
}

/* "2023-02-05 07:54:58.262", "2023-02-05": UTC where no offset is written. */
static bool text_to_time(struct pt_span text, int64_t *time_us_out)
{
    enum { DATE = 10, TIME = 19, ROOM = 64 };
    static const char midnight[TIME - DATE] = {'T', '0', '0', ':', '0', '0', ':', '0', '0'};
    char whole[ROOM];
    size_t size = text.size;
    size_t at = TIME;

    if (size < DATE || size > ROOM - DATE) {
        return false;
    }
    memcpy(whole, text.data, size);
    if (size == DATE) {
        memcpy(whole + DATE, midnight, sizeof(midnight));
        size = TIME;
    }
    if (whole[DATE] == ' ') {
        whole[DATE] = 'T';
    }
    if (size > TIME && whole[TIME] == '.') {
        at++;
        while (at < size && isdigit((unsigned char)whole[at])) {
            at++;
        }
    }
    if (at == size) {
        whole[size++] = 'Z';
    }
    return pt_rfc3339_parse(whole, size, time_us_out);
}

/* "1d", "-30m", "250ms"; nothing is 0. */
static bool text_to_duration(struct pt_buf *text, int64_t *us_out)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {
        {"us", 1},       {"ms", 1000},      {"s", 1000000},
        {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000},
    };
    size_t digits = text->size;
    int64_t number = 0;
    struct pt_buf part = *text;

    *us_out = 0;
    if (text->size == 0) {
        return true;
    }
    while (digits > 0 && isalpha(text->data[digits - 1])) {
        digits--;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (pt_span_is(pt_span_of(text->data + digits, text->size - digits), units[i].name)) {
            char copy[24];

            if (digits == 0 || digits >= sizeof(copy)) {
                return false;
            }
            memcpy(copy, text->data, digits);
            part = (struct pt_buf){.data = (uint8_t *)copy,
                                   .size = digits,
                                   .capacity = sizeof(copy),
                                   .bytes_max = sizeof(copy)};
            return text_to_int(&part, &number) &&
                   !__builtin_mul_overflow(number, units[i].us, us_out);
        }
    }
    return false;
}

static bool find_time(struct pt_import_map *map, const struct pt_import_reader *row,
                      const struct map_event *event, int64_t *time_us_out)
{
    static const int64_t unit_us[] = {[UNIT_S] = 1000000, [UNIT_MS] = 1000, [UNIT_US] = 1};
    int64_t plus_us = 0;

    expand(map, row, event->time, &map->text);
    expand(map, row, event->plus, &map->other);
    if (!text_to_duration(&map->other, &plus_us)) {
        return false;
    }
    if (event->time_unit == UNIT_TEXT) {
        if (!text_to_time(pt_buf_span(&map->text), time_us_out)) {
            return false;
        }
    } else {
        int64_t number = 0;

        if (!text_to_int(&map->text, &number) ||
            __builtin_mul_overflow(number, unit_us[event->time_unit], time_us_out)) {
            return false;
        }
    }
    return !__builtin_add_overflow(*time_us_out, plus_us, time_us_out);
}

/* A time that cannot be read is sent as it stands: the collector refuses it and says why. */
static void write_time(struct pt_import_map *map, const struct pt_import_reader *row,
                       const struct map_event *event, struct pt_jsonw *w)
{
    char text[PT_RFC3339_TEXT_BYTES + 1];
    int64_t time_us = 0;

    pt_jsonw_key(w, "occurred_at");
    if (find_time(map, row, event, &time_us)) {
        pt_rfc3339_format(time_us, text);
        pt_jsonw_str(w, text);
    } else {
        pt_jsonw_string(w, pt_buf_span(&map->text));
    }
}

static void write_texts(struct pt_import_map *map, const struct pt_import_reader *row,
                        const struct map_event *event, struct pt_jsonw *w)
{
    for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) {
        if (!event->texts[i]) {
            continue;
        }
        expand(map, row, event->texts[i], &map->text);
        if (map->text.size > 0 || i == TEXT_USER_ID || i == TEXT_SESSION_ID) {
            pt_jsonw_key(w, text_fields[i]);
            pt_jsonw_string(w, pt_buf_span(&map->text));
        }
    }
    if (event->seq) {
        int64_t seq = 0;

        expand(map, row, event->seq, &map->text);
        if (map->text.size == 0) {
            return;
        }
        pt_jsonw_key(w, "seq");
        if (text_to_int(&map->text, &seq)) {
            pt_jsonw_int(w, seq);
        } else {
            pt_jsonw_string(w, pt_buf_span(&map->text));
        }
    }
}

static enum pt_code cannot_be(const struct pt_import_reader *row, const struct column *column,
                              const char *what, struct pt_error *err)
{
    struct pt_span text = pt_import_field(row, column->index);

    return pt_fail(err, PT_INVALID, "%s:%" PRIu64 ": column '%s': '%.*s' is no %s", row->name,
                   row->row_line, column->name, (int)(text.size < 40 ? text.size : 40),
                   (const char *)text.data, what);
}

static bool text_to_double(struct pt_buf *text, double *number_out)
{
    char *end = NULL;

    pt_buf_append_byte(text, 0);
    if (text->has_failed) {
        return false;
    }
    text->size--;
    if (!memchr("+-.0123456789", text->data[0], 13) || memchr(text->data, 0, text->size)) {
        return false;
    }
    *number_out = strtod((const char *)text->data, &end);
    return *end == '\0' && *number_out - *number_out == 0.0; /* finite */
}

static bool text_to_bool(struct pt_span text, bool *value_out)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "f", "t"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (text.size == strlen(words[i]) &&
            strncasecmp((const char *)text.data, words[i], text.size) == 0) {
            *value_out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static enum pt_code write_column(struct pt_import_map *map, const struct pt_import_reader *row,
                                 const struct attribute *attribute, struct pt_jsonw *w,
                                 struct pt_error *err)
{
    struct pt_span text = value_of(map, row, attribute->column);
    struct pt_json json;
    int64_t integer = 0;
    double number = 0;
    bool truth = false;

    if (text.size == 0) {
        return PT_OK;
    }
    pt_buf_reset(&map->text);
    pt_buf_append(&map->text, text.data, text.size);
    pt_jsonw_key(w, attribute->key);
    switch (attribute->kind) {
    case ATTRIBUTE_INT:
        if (!text_to_int(&map->text, &integer)) {
            return cannot_be(row, attribute->column, "whole number", err);
        }
        pt_jsonw_int(w, integer);
        break;
    case ATTRIBUTE_FLOAT:
        if (!text_to_double(&map->text, &number)) {
            return cannot_be(row, attribute->column, "number", err);
        }
        pt_jsonw_double(w, number);
        break;
    case ATTRIBUTE_BOOL:
        if (!text_to_bool(text, &truth)) {
            return cannot_be(row, attribute->column, "true or false", err);
        }
        pt_jsonw_bool(w, truth);
        break;
    case ATTRIBUTE_JSON:
        if (pt_json_parse(map->parser, text, &json, NULL, NULL)) {
            return cannot_be(row, attribute->column, "JSON", err);
        }
        pt_jsonw_value(w, json);
        break;
    case ATTRIBUTE_STRING:
    case ATTRIBUTE_TEMPLATE:
    case ATTRIBUTE_CONSTANT:
        pt_jsonw_string(w, text);
        break;
    }
    return PT_OK;
}

static enum pt_code write_json_source(struct pt_import_map *map, const struct pt_import_reader *row,
                                      const struct map_event *event, struct pt_jsonw *w,
                                      struct pt_error *err)
{
    struct pt_span text;
    struct pt_json root;
    struct pt_json_iter it;

    if (!event->json) {
        return PT_OK;
    }
    text = value_of(map, row, event->json);
    if (text.size == 0) {
        return PT_OK;
    }
    if (pt_json_parse(map->parser, text, &root, NULL, NULL) ||
        pt_json_type(root) != PT_JSON_OBJECT) {
        return cannot_be(row, event->json, "JSON object", err);
    }
    it = pt_json_iterate(root);
    while (pt_json_next(&it)) {
        if (!has_word(event->excluded, it.key)) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
    }
    return PT_OK;
}

static enum pt_code write_attributes(struct pt_import_map *map, const struct pt_import_reader *row,
                                     const struct map_event *event, struct pt_jsonw *w,
                                     struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (!event->attributes && !event->json) {
        return PT_OK;
    }
    pt_jsonw_key(w, "attributes");
    pt_jsonw_object(w);
    for (const struct attribute *attribute = event->attributes; attribute && !code;
         attribute = attribute->next) {
        if (attribute->kind == ATTRIBUTE_CONSTANT) {
            pt_jsonw_key(w, attribute->key);
            pt_jsonw_raw(w, pt_span_str(attribute->json));
        } else if (attribute->kind == ATTRIBUTE_TEMPLATE) {
            expand(map, row, attribute->value, &map->text);
            if (map->text.size > 0) {
                pt_jsonw_key(w, attribute->key);
                pt_jsonw_string(w, pt_buf_span(&map->text));
            }
        } else {
            code = write_column(map, row, attribute, w, err);
        }
    }
    if (!code) {
        code = write_json_source(map, row, event, w, err);
    }
    pt_jsonw_object_end(w);
    return code;
}

enum pt_code pt_import_map_event(struct pt_import_map *map, const struct pt_import_reader *row,
                                 size_t index, const char *event_id, struct pt_jsonw *w,
                                 bool *is_wanted_out, struct pt_error *err)
{
    const struct map_event *event = map->events;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < index; i++) {
        event = event->next;
    }
    *is_wanted_out = holds(map, row, event->conditions);
    if (!*is_wanted_out) {
        return PT_OK;
    }
    pt_jsonw_object(w);
    pt_jsonw_key(w, "event_id");
    pt_jsonw_str(w, event_id);
    write_name(map, row, event, w);
    write_time(map, row, event, w);
    write_texts(map, row, event, w);
    code = write_attributes(map, row, event, w, err);
    pt_jsonw_object_end(w);
    if (!code && (w->buf->has_failed || map->text.has_failed || map->other.has_failed)) {
        code =
            pt_fail(err, PT_NO_MEMORY, "%s:%" PRIu64 ": the row's event", row->name, row->row_line);
    }
    return code;
}
