/*
 * import_map.h - a mapping in memory
 *
 * Only import_map.c, which reads it, and import_row.c, which follows it, include this.
 * Everything but the three buffers lives in the mapping's arena.
 */
#ifndef PT_CMD_IMPORT_MAP_H
#define PT_CMD_IMPORT_MAP_H

#include "cmd/import.h"

/* A column by name; `index` is set by bind. */
struct pt_map_column {
    const char *name;
    unsigned line;
    size_t index;
    struct pt_map_column *next;
};

/* Text with columns in it: "{userid}-d1". */
struct pt_map_part {
    struct pt_span literal;
    const struct pt_map_column *column; /* NULL: the literal */
    struct pt_map_part *next;
};

struct pt_map_template {
    struct pt_map_part *parts;
    struct pt_map_template *next; /* taken where this one gives nothing */
};

struct pt_map_word {
    const char *text;
    const char *to; /* what replaces it, in a map of names */
    struct pt_map_word *next;
};

struct pt_map_condition {
    const struct pt_map_column *column;
    enum { CONDITION_EQUALS, CONDITION_NOT_EQUALS, CONDITION_EMPTY, CONDITION_NOT_EMPTY } kind;
    struct pt_map_word *words;
    struct pt_map_condition *next;
};

enum pt_map_time_unit {
    UNIT_TEXT, /* RFC 3339, or a date and time that is taken as UTC */
    UNIT_S,
    UNIT_MS,
    UNIT_US,
};

enum pt_map_attribute_kind {
    ATTRIBUTE_CONSTANT, /* JSON that does not change */
    ATTRIBUTE_TEMPLATE,
    ATTRIBUTE_STRING,
    ATTRIBUTE_INT,
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_BOOL,
    ATTRIBUTE_JSON,
};

struct pt_map_attribute {
    const char *key;
    enum pt_map_attribute_kind kind;
    const char *json; /* a constant */
    struct pt_map_template *value;
    const struct pt_map_column *column;
    struct pt_map_attribute *next;
};

/* Fields that are plain text in the event, in the order in which they are written. */
enum pt_map_text_field {
    TEXT_USER_ID,
    TEXT_SESSION_ID,
    TEXT_INSTALL_ID,
    TEXT_PLATFORM,
    TEXT_BUILD_ID,
    TEXT_MECHANIC_VERSION,
    TEXT_FIELD_COUNT,
};

extern const char *const pt_import_text_fields[TEXT_FIELD_COUNT];

struct pt_map_event {
    struct pt_map_condition *conditions;
    struct pt_map_template *name;
    bool has_sanitized_name;
    struct pt_map_word *names;
    struct pt_map_template *time;
    enum pt_map_time_unit time_unit;
    struct pt_map_template *plus;
    struct pt_map_template *texts[TEXT_FIELD_COUNT];
    struct pt_map_template *seq;
    struct pt_map_attribute *attributes;
    const struct pt_map_column *json; /* attributes_from */
    struct pt_map_word *excluded;     /* its members that are left out */
    struct pt_map_event *next;
};

struct pt_import_map {
    struct pt_arena arena;
    char *path;
    char delimiter;
    struct pt_map_word *nulls; /* values that stand for nothing */
    struct pt_map_column *columns;
    struct pt_map_event *events;
    size_t event_count;
    struct pt_json_parser *parser;
    struct pt_buf text;  /* an expanded template */
    struct pt_buf other; /* a second one beside it */
};

#endif
