/*
 * yaml.h - reading a YAML document as a tree that knows its lines
 *
 * Settings and import mappings are YAML. The tree lives in the caller's arena and holds
 * text as written: what "10" or "true" means is for the reader to say. Anchors, aliases,
 * tags, keys that are not scalars, equal keys and a second document are refused, so that a small
 * file is a small tree. Errors read "NAME:LINE: what".
 */
#ifndef PT_BASE_YAML_H
#define PT_BASE_YAML_H

#include "base/error.h"
#include "base/mem.h"

#define PT_YAML_BYTES_MAX (1u << 20)
#define PT_YAML_DEPTH_MAX 32

enum pt_yaml_kind {
    PT_YAML_SCALAR,
    PT_YAML_LIST,
    PT_YAML_MAP,
};

struct pt_yaml {
    enum pt_yaml_kind kind;
    bool is_quoted;              /* a scalar in quotes, or a block: never null */
    unsigned line;               /* from 1; in a map, its key's */
    const char *text;            /* a scalar's text, NUL-terminated (holds no other NUL) */
    const char *key;             /* its key, where it stands in a map; else NULL */
    const struct pt_yaml *child; /* first entry of a list or map */
    const struct pt_yaml *next;  /* next entry beside it */
};

/*
 * Parse `text`; `name` (a file's name) is for messages. An empty document gives NULL in
 * `root_out`. PT_INVALID, PT_TOO_BIG, PT_NO_MEMORY.
 */
enum pt_code pt_yaml_parse(struct pt_arena *arena, struct pt_span text, const char *name,
                           const struct pt_yaml **root_out, struct pt_error *err) PT_MUST_USE;

/* The entry of a map, or NULL where absent; NULL for a `map` that is NULL or no map. */
const struct pt_yaml *pt_yaml_member(const struct pt_yaml *map, const char *key);

/* "", ~ and null without quotes, or no value at all. */
bool pt_yaml_is_null(const struct pt_yaml *node);

/* "a list", "a map", "a value": for messages. */
const char *pt_yaml_kind_name(enum pt_yaml_kind kind);

/*
 * The candidate nearest to `text` by edits, or NULL where none is near enough to be meant.
 * For messages: "did you mean …?".
 */
const char *pt_nearest_name(const char *text, const char *const *candidates, size_t count);

#endif
