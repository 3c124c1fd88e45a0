/*
 * fields.c - the fields of a YAML map, and all that is wrong with them
 */
#include "experiment/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define DAYS_MAX 3650

void pt_fields_wrong(struct pt_fields *r, unsigned line, const char *format, ...)
{
    char text[768];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pt_buf_appendf(r->problems, "%s:%u: %s\n", r->file, line, text);
    r->problem_count++;
}

bool pt_fields_check(struct pt_fields *r, const struct pt_yaml *map, const char *what,
                     const char *const *names, size_t count)
{
    if (map->kind != PT_YAML_MAP) {
        pt_fields_wrong(r, map->line, "%s is %s; it must be a map of fields", what,
                        pt_yaml_kind_name(map->kind));
        return false;
    }
    for (const struct pt_yaml *field = map->child; field; field = field->next) {
        bool is_known = false;
        const char *near = NULL;

        for (size_t i = 0; i < count && !is_known; i++) {
            is_known = strcmp(field->key, names[i]) == 0;
        }
        if (!is_known) {
            near = pt_nearest_name(field->key, names, count);
            pt_fields_wrong(r, field->line, "%s has no field \"%s\"%s%s%s", what, field->key,
                            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        }
    }
    return true;
}

const struct pt_yaml *pt_fields_get(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                                    const char *needed)
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    if (field && !pt_yaml_is_null(field)) {
        return field;
    }
    if (field) {
        pt_fields_wrong(r, field->line, "\"%s\" has no value%s%s", key,
                        needed ? "; it must be " : "", needed ? needed : "");
    } else if (needed) {
        pt_fields_wrong(r, map->line, "\"%s\" is missing; it must be %s", key, needed);
    }
    return NULL;
}

void pt_fields_text(struct pt_fields *r, const struct pt_yaml *map, const char *key, char *out,
                    size_t bytes, const char *needed)
{
    const struct pt_yaml *field = pt_fields_get(r, map, key, needed);

    if (!field) {
        return;
    }
    if (field->kind != PT_YAML_SCALAR) {
        pt_fields_wrong(r, field->line, "\"%s\" is %s; it must be a text", key,
                        pt_yaml_kind_name(field->kind));
    } else if (strlen(field->text) >= bytes) {
        pt_fields_wrong(r, field->line, "\"%s\" has %zu bytes; at most %zu fit", key,
                        strlen(field->text), bytes - 1);
    } else {
        snprintf(out, bytes, "%s", field->text);
    }
}

bool pt_fields_parse_number(const char *text, double *out)
{
    char *end = NULL;

    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out);
}

bool pt_fields_scalar(struct pt_fields *r, const struct pt_yaml *field, const char *key,
                      double *out, const char *right)
{
    if (field->kind != PT_YAML_SCALAR) {
        pt_fields_wrong(r, field->line, "\"%s\" is %s; it must be %s", key,
                        pt_yaml_kind_name(field->kind), right);
        return false;
    }
    if (!pt_fields_parse_number(field->text, out)) {
        pt_fields_wrong(r, field->line, "\"%s\" is \"%s\", not a finite number; it must be %s", key,
                        field->text, right);
        return false;
    }
    return true;
}

void pt_fields_number(struct pt_fields *r, const struct pt_yaml *map, const char *key, double low,
                      bool is_closed, double high, double *out, const char *right, bool is_needed)
{
    const struct pt_yaml *field = pt_fields_get(r, map, key, is_needed ? right : NULL);
    double value = 0;

    if (!field || !pt_fields_scalar(r, field, key, &value, right)) {
        return;
    }
    if (!(is_closed ? value >= low : value > low) || !(value < high)) {
        pt_fields_wrong(r, field->line, "\"%s\" is %s; it must be %s", key, field->text, right);
        return;
    }
    *out = value;
}

void pt_fields_days(struct pt_fields *r, const struct pt_yaml *map, const char *key, int64_t low,
                    int64_t *out, bool is_needed)
{
    const char *right = "whole days such as 7d";
    const struct pt_yaml *field = pt_fields_get(r, map, key, is_needed ? right : NULL);
    char *end = NULL;
    long value = 0;

    if (!field) {
        return;
    }
    if (field->kind == PT_YAML_SCALAR) {
        errno = 0;
        value = strtol(field->text, &end, 10);
        end += *end == 'd' && end != field->text;
        if (end != field->text && *end == 0 && errno == 0 && value >= low && value <= DAYS_MAX) {
            *out = value;
            return;
        }
    }
    pt_fields_wrong(r, field->line, "\"%s\" is %s%s%s; it must be %s, %" PRId64 " to %d", key,
                    field->kind == PT_YAML_SCALAR ? "\"" : "",
                    field->kind == PT_YAML_SCALAR ? field->text : pt_yaml_kind_name(field->kind),
                    field->kind == PT_YAML_SCALAR ? "\"" : "", right, low, DAYS_MAX);
}

size_t pt_fields_word_at(struct pt_fields *r, const struct pt_yaml *field, const char *key,
                         const char *const *words, size_t count, size_t fallback)
{
    char list[256] = "";
    size_t used = 0;
    const char *near = NULL;

    for (size_t i = 0; i < count; i++) {
        if (field->kind == PT_YAML_SCALAR && strcmp(field->text, words[i]) == 0) {
            return i;
        }
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    near = field->kind == PT_YAML_SCALAR ? pt_nearest_name(field->text, words, count) : NULL;
    pt_fields_wrong(r, field->line, "\"%s\" is \"%s\"; it must be one of %s%s%s%s", key,
                    field->kind == PT_YAML_SCALAR ? field->text : pt_yaml_kind_name(field->kind),
                    list, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return fallback;
}

size_t pt_fields_word(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                      const char *const *words, size_t count, size_t fallback)
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    return field ? pt_fields_word_at(r, field, key, words, count, fallback) : fallback;
}

void pt_fields_refuse(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                      const char *why)
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    if (field) {
        pt_fields_wrong(r, field->line, "\"%s\" %s", key, why);
    }
}
