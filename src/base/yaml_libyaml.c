/*
 * yaml_libyaml.c - the one file that knows libyaml
 *
 * libyaml's events are turned into the tree of yaml.h. Aliases are refused, not followed:
 * a document of a kilobyte may otherwise stand for gigabytes.
 */
#include "base/yaml.h"

#include <yaml.h>

struct builder {
    yaml_parser_t parser;
    struct pt_arena *arena;
    const char *name;
    struct pt_error *err;
};

/* A list or map whose entries are being read. */
struct level {
    struct pt_yaml *node;
    struct pt_yaml *last; /* newest entry */
    const char *key;      /* read, and its value is not yet there */
    unsigned key_line;
};

static unsigned line_of(yaml_mark_t mark)
{
    return (unsigned)mark.line + 1;
}

/* libyaml tells where it noticed and, mostly, where the thing began. */
static enum pt_code parser_failed(struct builder *b)
{
    const yaml_parser_t *parser = &b->parser;

    if (parser->error == YAML_MEMORY_ERROR) {
        return pt_fail(b->err, PT_NO_MEMORY, "read %s", b->name);
    }
    if (parser->error == YAML_READER_ERROR) {
        return pt_fail(b->err, PT_INVALID, "%s: byte %zu: %s", b->name, parser->problem_offset,
                       parser->problem);
    }
    return pt_fail(b->err, PT_INVALID, "%s:%u: %s%s%s", b->name, line_of(parser->problem_mark),
                   parser->problem, parser->context ? ", " : "",
                   parser->context ? parser->context : "");
}

static struct pt_yaml *node_create(struct builder *b, const yaml_event_t *event,
                                   enum pt_yaml_kind kind)
{
    struct pt_yaml *node = pt_arena_alloc(b->arena, sizeof(*node));

    if (node) {
        *node = (struct pt_yaml){.kind = kind, .line = line_of(event->start_mark)};
    }
    return node;
}

static enum pt_code scalar_text(struct builder *b, const yaml_event_t *event, const char **text_out)
{
    struct pt_span text = pt_span_of(event->data.scalar.value, event->data.scalar.length);

    if (text.size > 0 && memchr(text.data, 0, text.size)) {
        return pt_fail(b->err, PT_INVALID, "%s:%u: text holds a NUL character", b->name,
                       line_of(event->start_mark));
    }
    *text_out = pt_arena_strdup(b->arena, text);
    return *text_out ? PT_OK : pt_fail(b->err, PT_NO_MEMORY, "read %s", b->name);
}

/* Put `node` where the innermost list or map awaits it. */
static enum pt_code attach(struct builder *b, struct level *level, struct pt_yaml *node)
{
    pt_assert(level->node);
    if (level->node->kind == PT_YAML_MAP) {
        const struct pt_yaml *twin = pt_yaml_member(level->node, level->key);

        if (twin) {
            return pt_fail(b->err, PT_INVALID, "%s:%u: key '%s' is already there in line %u",
                           b->name, level->key_line, level->key, twin->line);
        }
        node->key = level->key;
        node->line = level->key_line; /* where a person looks for it */
        level->key = NULL;
    }
    if (level->last) {
        level->last->next = node;
    } else {
        level->node->child = node;
    }
    level->last = node;
    return PT_OK;
}

static enum pt_code refuse(struct builder *b, const yaml_event_t *event, const char *what)
{
    return pt_fail(b->err, PT_INVALID, "%s:%u: %s", b->name, line_of(event->start_mark), what);
}

/* Anchors and tags, which we have no use for. */
static bool has_extras(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return false;
    }
}

struct tree {
    struct level levels[PT_YAML_DEPTH_MAX];
    size_t depth;
    struct pt_yaml *root;
    bool is_done;
};

static enum pt_code take_value(struct builder *b, struct tree *tree, const yaml_event_t *event)
{
    struct level *level = tree->depth > 0 ? &tree->levels[tree->depth - 1] : NULL;
    bool is_key = level && level->node && level->node->kind == PT_YAML_MAP && !level->key;
    enum pt_yaml_kind kind = event->type == YAML_SCALAR_EVENT           ? PT_YAML_SCALAR
                             : event->type == YAML_SEQUENCE_START_EVENT ? PT_YAML_LIST
                                                                        : PT_YAML_MAP;
    struct pt_yaml *node = NULL;
    enum pt_code code = PT_OK;

    if (has_extras(event)) {
        return refuse(b, event, "anchors and tags are not taken");
    }
    if (is_key && kind != PT_YAML_SCALAR) {
        return refuse(b, event, "a key must be a plain word");
    }
    if (is_key) {
        level->key_line = line_of(event->start_mark);
        return scalar_text(b, event, &level->key);
    }
    node = node_create(b, event, kind);
    if (!node) {
        return pt_fail(b->err, PT_NO_MEMORY, "read %s", b->name);
    }
    if (kind == PT_YAML_SCALAR) {
        node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        code = scalar_text(b, event, &node->text);
        if (code) {
            return code;
        }
    }
    if (level) {
        code = attach(b, level, node);
        if (code) {
            return code;
        }
    } else if (tree->root) {
        return refuse(b, event, "a second document is not taken");
    } else {
        tree->root = node;
    }
    if (kind != PT_YAML_SCALAR) {
        if (tree->depth == PT_YAML_DEPTH_MAX) {
            return refuse(b, event, "nested too deeply");
        }
        tree->levels[tree->depth++] = (struct level){.node = node};
    }
    return PT_OK;
}

static enum pt_code take_event(struct builder *b, struct tree *tree, const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_value(b, tree, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        tree->depth--;
        return PT_OK;
    case YAML_ALIAS_EVENT:
        return refuse(b, event, "aliases are not taken");
    case YAML_STREAM_END_EVENT:
        tree->is_done = true;
        return PT_OK;
    default:
        return PT_OK;
    }
}

enum pt_code pt_yaml_parse(struct pt_arena *arena, struct pt_span text, const char *name,
                           const struct pt_yaml **root_out, struct pt_error *err)
{
    struct builder b = {.arena = arena, .name = name, .err = err};
    struct tree tree = {.depth = 0};
    enum pt_code code = PT_OK;

    *root_out = NULL;
    if (text.size > PT_YAML_BYTES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "%s: larger than %u bytes", name, PT_YAML_BYTES_MAX);
    }
    if (!yaml_parser_initialize(&b.parser)) {
        return pt_fail(err, PT_NO_MEMORY, "read %s", name);
    }
    yaml_parser_set_input_string(&b.parser, text.data ? text.data : (const unsigned char *)"",
                                 text.size);
    while (!code && !tree.is_done) {
        yaml_event_t event;

        if (!yaml_parser_parse(&b.parser, &event)) {
            code = parser_failed(&b);
            break;
        }
        code = take_event(&b, &tree, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&b.parser);
    if (!code && tree.root && !pt_yaml_is_null(tree.root)) {
        *root_out = tree.root;
    }
    return code;
}

const struct pt_yaml *pt_yaml_member(const struct pt_yaml *map, const char *key)
{
    if (!map || map->kind != PT_YAML_MAP) {
        return NULL;
    }
    for (const struct pt_yaml *entry = map->child; entry; entry = entry->next) {
        if (strcmp(entry->key, key) == 0) {
            return entry;
        }
    }
    return NULL;
}

bool pt_yaml_is_null(const struct pt_yaml *node)
{
    return !node || (node->kind == PT_YAML_SCALAR && !node->is_quoted &&
                     (!node->text || node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
                      strcmp(node->text, "null") == 0));
}

const char *pt_yaml_kind_name(enum pt_yaml_kind kind)
{
    switch (kind) {
    case PT_YAML_SCALAR:
        return "a value";
    case PT_YAML_LIST:
        return "a list";
    case PT_YAML_MAP:
        return "a map";
    }
    return "?";
}
