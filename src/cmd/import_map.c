/*
 * import_map.c - reading a mapping file, and finding its columns in a header
 *
 * docs/import.md is the format. The mapping is read once into an arena; columns are found by
 * name in each file's header; import_row.c follows what was read.
 */
#include "cmd/import_map.h"

#include <string.h>

#define MAP_ARENA_BYTES (64u << 20)
#define MAP_BYTES_MAX PT_YAML_BYTES_MAX
#define VALUE_BYTES_MAX (1u << 20)

const char *const pt_import_text_fields[TEXT_FIELD_COUNT] = {
    "user_id", "session_id", "install_id", "platform", "build_id", "mechanic_version",
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

static const struct pt_map_column *add_column(struct pt_import_map *map, struct pt_span name,
                                              unsigned line)
{
    struct pt_map_column *column = zeroed(map, sizeof(*column));

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
                                const struct pt_map_column **column_out, struct pt_error *err)
{
    if (!node || node->kind != PT_YAML_SCALAR) {
        return node ? wrong(map, node, "a column's name belongs here", err)
                    : pt_fail(err, PT_INVALID, "%s: a column is missing", map->path);
    }
    *column_out = add_column(map, pt_span_str(node->text), node->line);
    return *column_out ? PT_OK : no_memory(map, err);
}

static enum pt_code add_part(struct pt_import_map *map, struct pt_map_part ***end,
                             const struct pt_map_column *column, const char *text, size_t size,
                             struct pt_error *err)
{
    struct pt_map_part *part = zeroed(map, sizeof(*part));

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
                                   struct pt_map_template *template, struct pt_error *err)
{
    struct pt_map_part **end = &template->parts;
    const char *at = node->text;

    while (*at) {
        size_t literal = strcspn(at, "{");
        const struct pt_map_column *column = NULL;
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
                                  struct pt_map_template **template_out, struct pt_error *err)
{
    struct pt_map_template **end = template_out;
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
                               bool has_targets, struct pt_map_word **words_out,
                               struct pt_error *err)
{
    enum pt_yaml_kind wanted = has_targets ? PT_YAML_MAP : PT_YAML_LIST;
    const struct pt_yaml *entry = node;
    struct pt_map_word **end = words_out;

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
        **end = (struct pt_map_word){.text = has_targets ? entry->key : entry->text,
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
                                   struct pt_map_condition *condition, struct pt_error *err)
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
                                    struct pt_map_condition **conditions_out, struct pt_error *err)
{
    bool is_list = node && node->kind == PT_YAML_LIST;
    struct pt_map_condition **end = conditions_out;

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
                              struct pt_map_event *event, struct pt_error *err)
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
                              struct pt_map_event *event, struct pt_error *err)
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
        event->time_unit = (enum pt_map_time_unit)i;
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
                               struct pt_map_attribute *attribute, struct pt_error *err)
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
        attribute->kind = (enum pt_map_attribute_kind)(ATTRIBUTE_STRING + i);
    }
    return read_column(map, pt_yaml_member(node, "column"), &attribute->column, err);
}

static enum pt_code read_attributes(struct pt_import_map *map, const struct pt_yaml *node,
                                    struct pt_map_attribute **attributes_out, struct pt_error *err)
{
    struct pt_map_attribute **end = attributes_out;

    if (node && node->kind != PT_YAML_MAP) {
        return wrong(map, node, "a map of key to value belongs here", err);
    }
    for (const struct pt_yaml *entry = node ? node->child : NULL; entry; entry = entry->next) {
        struct pt_map_attribute *attribute = NULL;
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
                                     struct pt_map_event *event, struct pt_error *err)
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
                               struct pt_map_event *event, struct pt_error *err)
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
        code = read_template(map, pt_yaml_member(node, pt_import_text_fields[i]), &event->texts[i],
                             err);
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
    struct pt_map_event **end = &map->events;
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

static enum pt_code unknown_column(const struct pt_import_map *map,
                                   const struct pt_map_column *column,
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
    for (struct pt_map_column *column = map->columns; column; column = column->next) {
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
