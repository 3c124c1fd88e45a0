/*
 * import_row.c - what a mapping makes of a row
 *
 * A value that the collector can judge (a time, a name, an id) is sent as it stands, so that a
 * wrong one ends in the dead letters with its reason. An attribute has no other judge than its
 * type here, so a wrong one is an error.
 */
#include "cmd/import_map.h"

#include "wire/rfc3339.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES_MAX 64 /* of event_name, when sanitised */

static bool has_word(const struct pt_map_word *words, struct pt_span text)
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
                               const struct pt_map_column *column)
{
    struct pt_span text = pt_import_field(row, column->index);

    return has_word(map->nulls, text) ? pt_span_of(NULL, 0) : text;
}

static void expand(const struct pt_import_map *map, const struct pt_import_reader *row,
                   const struct pt_map_template *template, struct pt_buf *out)
{
    pt_buf_reset(out);
    for (; template && out->size == 0; template = template->next) {
        for (const struct pt_map_part *part = template->parts; part; part = part->next) {
            struct pt_span text = part->column ? value_of(map, row, part->column) : part->literal;

            pt_buf_append(out, text.data, text.size);
        }
    }
}

static bool holds(const struct pt_import_map *map, const struct pt_import_reader *row,
                  const struct pt_map_condition *condition)
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
                       const struct pt_map_event *event, struct pt_jsonw *w)
{
    expand(map, row, event->name, &map->text);
    for (const struct pt_map_word *word = event->names; word; word = word->next) {
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
                      const struct pt_map_event *event, int64_t *time_us_out)
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
                       const struct pt_map_event *event, struct pt_jsonw *w)
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
                        const struct pt_map_event *event, struct pt_jsonw *w)
{
    for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) {
        if (!event->texts[i]) {
            continue;
        }
        expand(map, row, event->texts[i], &map->text);
        if (map->text.size > 0 || i == TEXT_USER_ID || i == TEXT_SESSION_ID) {
            pt_jsonw_key(w, pt_import_text_fields[i]);
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

static enum pt_code cannot_be(const struct pt_import_reader *row,
                              const struct pt_map_column *column, const char *what,
                              struct pt_error *err)
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
    if (memchr(text->data, 0, text->size) || !strchr("+-.0123456789", text->data[0])) {
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
                                 const struct pt_map_attribute *attribute, struct pt_jsonw *w,
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
                                      const struct pt_map_event *event, struct pt_jsonw *w,
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
                                     const struct pt_map_event *event, struct pt_jsonw *w,
                                     struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (!event->attributes && !event->json) {
        return PT_OK;
    }
    pt_jsonw_key(w, "attributes");
    pt_jsonw_object(w);
    for (const struct pt_map_attribute *attribute = event->attributes; attribute && !code;
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
    const struct pt_map_event *event = map->events;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < index; i++) {
        event = event->next;
    }
    *is_wanted_out = holds(map, row, event->conditions);
    if (!*is_wanted_out) {
        return PT_OK;
    }
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "event_id", event_id);
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
