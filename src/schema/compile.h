/*
 * compile.h - a schema on its way into a program
 *
 * Private to compile.c, which tells how they play together, and compile_*.c. Functions that fail
 * have filled the compiler's error.
 */
#ifndef PT_SCHEMA_COMPILE_H
#define PT_SCHEMA_COMPILE_H

#include "schema/documents.h"
#include "schema/program.h"

struct compiler {
    struct pt_documents docs;
    bool assert_formats;
    struct pt_error *err;
    struct pt_buf nodes;
    struct pt_buf insns;
    struct pt_buf texts;
    struct pt_buf properties;
    struct pt_buf patterns;
    struct pt_buf objects;
    struct pt_buf arrays;
    struct pt_buf enums;
    struct pt_buf ranges;
    struct pt_buf numbers;
    struct pt_buf keys;
    struct pt_buf lists;
    struct pt_buf slots;
    struct pt_buf regexes; /* struct pt_regex *; owned until they move to the schema */
    struct pt_buf tape;
    struct pt_buf strings;
    struct pt_buf work;          /* u32: locations, by node - 1 */
    struct pt_buf dynamic_names; /* struct pt_span: anchors that a $dynamicRef asks for */
};

/* One schema object on its way: its keywords' values, absent where it has none or the dialect no
 * use. */
struct source {
    uint32_t location;
    struct pt_json schema;
    struct pt_json values[PT_KW_COUNT];
    const struct pt_resource *resource;
};

/* An entry of a list, and how many there are. */
#define AT(list, type, index) ((type *)(void *)(list).data + (index))
#define COUNT(list, type) ((uint32_t)((list).size / sizeof(type)))

/* Refuse what a keyword of `source` says. */
#define FAIL(source, keyword, ...)                                                                 \
    pt_location_fail(&c->docs, (source)->location, keyword, c->err, PT_INVALID, __VA_ARGS__)

/* ---- compile.c ---- */

enum pt_code pt_compile_too_big(struct compiler *c);
/* Append an entry; false without room. */
bool pt_compile_push(struct pt_buf *list, const void *entry, size_t bytes);
struct pt_name pt_compile_name(struct compiler *c, struct pt_span text);
const char *pt_compile_keyword(enum pt_keyword keyword);
bool pt_compile_has(const struct source *source, enum pt_keyword keyword);
enum pt_code pt_compile_emit(struct compiler *c, struct pt_node *node, struct pt_insn insn);

bool pt_compile_is_schema(struct pt_json value);
bool pt_compile_is_false(struct pt_json value);
/* The node of the schema at a location, queued where it is a new one; NONE where there are too
 * many. */
uint32_t pt_compile_location(struct compiler *c, uint32_t location);
/* The node of a schema that stands directly in a keyword of `source`. */
uint32_t pt_compile_node_at(struct compiler *c, const struct source *source, struct pt_json value);
/* The node of a keyword that is a schema; NONE where it is absent. */
enum pt_code pt_compile_schema(struct compiler *c, const struct source *source,
                               enum pt_keyword keyword, uint32_t *node_out);
/* The nodes of a keyword that is an array of schemas, in `lists`. */
enum pt_code pt_compile_list(struct compiler *c, const struct source *source,
                             enum pt_keyword keyword, uint32_t *first_out, uint32_t *count_out);

/* ---- compile_value.c ---- */

/*
 * A hash table over `count` names that stand `stride` bytes apart. At most a quarter full; small
 * ones may have 16 slots a name if that leaves each alone in its slot.
 */
bool pt_compile_table(struct compiler *c, const struct pt_name *names, size_t stride,
                      uint32_t count, struct pt_table *table_out);
/* A keyword that is a count; *out stays where it is absent. */
enum pt_code pt_compile_count(struct compiler *c, const struct source *source,
                              enum pt_keyword keyword, uint32_t *out);
enum pt_code pt_compile_regex(struct compiler *c, const struct source *source, const char *keyword,
                              struct pt_span pattern, uint32_t *index_out);
enum pt_code pt_compile_type(struct compiler *c, const struct source *source, struct pt_node *node);
enum pt_code pt_compile_const_enum(struct compiler *c, const struct source *source,
                                   struct pt_node *node);
enum pt_code pt_compile_number(struct compiler *c, const struct source *source,
                               struct pt_node *node);
enum pt_code pt_compile_string(struct compiler *c, const struct source *source,
                               struct pt_node *node);

/* ---- compile_object.c, compile_array.c ---- */

enum pt_code pt_compile_object(struct compiler *c, const struct source *source,
                               struct pt_node *node);
enum pt_code pt_compile_dependent(struct compiler *c, const struct source *source,
                                  struct pt_node *node);
enum pt_code pt_compile_array(struct compiler *c, const struct source *source,
                              struct pt_node *node);

/* ---- compile_circle.c ---- */

/* Refuses a circle of references that goes into no part of the value. */
enum pt_code pt_compile_refuse_circles(struct compiler *c);

#endif
