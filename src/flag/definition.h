/*
 * definition.h - a compiled flag set
 *
 * Only src/flag includes this. A set is built once from a file's bytes and then
 * only read. Everything hangs in one arena, so it goes away at one stroke.
 */
#ifndef PT_FLAG_DEFINITION_H
#define PT_FLAG_DEFINITION_H

#include "base/json.h"
#include "base/mem.h"

#define PT_FLAG_NO_VARIANT UINT32_MAX

enum pt_flag_expr_kind {
    PT_FLAG_EXPR_TEXT,     /* a literal */
    PT_FLAG_EXPR_VAR,      /* a member of the context, by path */
    PT_FLAG_EXPR_FLAG_KEY, /* {"var":"$flagd.flagKey"} */
    PT_FLAG_EXPR_CAT,      /* children, one after the other */
};

/* A bucketing expression. */
struct pt_flag_expr {
    enum pt_flag_expr_kind kind;
    bool is_string;                /* TEXT: a JSON string, not a number or boolean written out */
    struct pt_span text;           /* TEXT: the literal; VAR: the whole path, for messages */
    struct pt_span *path;          /* VAR: the path's parts */
    struct pt_flag_expr *children; /* CAT: the arguments; VAR: the default, if any */
    uint32_t path_count;
    uint32_t child_count;
};

struct pt_flag_bucket {
    uint32_t variant;
    uint32_t weight;
};

struct pt_flag_fractional {
    struct pt_flag_expr *key; /* NULL: flag key and targetingKey */
    struct pt_flag_bucket *buckets;
    uint32_t bucket_count;
    uint32_t total_weight; /* <= INT32_MAX, the specification's limit */
};

enum pt_flag_value_kind {
    PT_FLAG_VALUE_BOOLEAN,
    PT_FLAG_VALUE_STRING,
    PT_FLAG_VALUE_NUMBER,
    PT_FLAG_VALUE_OBJECT,
};

struct pt_flag_variant {
    struct pt_span name;
    struct pt_span json; /* the value, minified */
    bool is_whole;       /* a number without a fraction */
};

struct pt_flag_definition {
    struct pt_span key;
    bool is_enabled;
    enum pt_flag_value_kind kind;
    struct pt_flag_variant *variants;
    uint32_t variant_count;
    uint32_t default_variant;              /* PT_FLAG_NO_VARIANT: the caller's default */
    struct pt_flag_fractional *fractional; /* NULL: no targeting */
    struct pt_span metadata;               /* a JSON object */
};

struct pt_flag_set {
    struct pt_arena arena;
    struct pt_flag_definition *flags; /* by key, ascending */
    size_t count;
    struct pt_span metadata; /* the set's own */
};

/*
 * Compile. `report` NULL: stops at nothing, but returns PT_INVALID with the first mistake in `err`.
 * Otherwise every finding goes to `report` as objects in two arrays, "errors" and "warnings", and
 * the return is PT_OK where the file could be judged. `*set_out` is NULL unless it is sound.
 */
enum pt_code pt_flag_set_compile(struct pt_span json, struct pt_flag_set **set_out,
                                 struct pt_jsonw *report, bool *is_valid_out,
                                 struct pt_error *err) PT_MUST_USE;
void pt_flag_set_destroy(struct pt_flag_set *set); /* NULL is fine */

/* NULL where there is none. */
const struct pt_flag_definition *pt_flag_set_find(const struct pt_flag_set *set,
                                                  struct pt_span key);

/* ---- between definition.c and fractional.c ---- */

struct pt_flag_compiler {
    struct pt_flag_set *set;
    struct pt_span flag; /* the one being compiled */
    char pointer[512];   /* where in the document; cut when it is deeper than that */
    size_t pointer_bytes;
    unsigned error_count;
    struct pt_error *first;    /* the first error, may be NULL */
    struct pt_jsonw *errors;   /* NULL unless linting */
    struct pt_jsonw *warnings; /* NULL unless linting */
    bool has_no_memory;
};

/* Go down to a member or element; returns what to give pt_flag_up() to come back. */
size_t pt_flag_down(struct pt_flag_compiler *c, struct pt_span key);
size_t pt_flag_down_str(struct pt_flag_compiler *c, const char *key);
size_t pt_flag_down_index(struct pt_flag_compiler *c, uint32_t index);
void pt_flag_up(struct pt_flag_compiler *c, size_t mark);

void pt_flag_report(struct pt_flag_compiler *c, const char *format, ...) PT_PRINTF(2, 3);
void pt_flag_warn(struct pt_flag_compiler *c, const char *format, ...) PT_PRINTF(2, 3);
/* A mistake by the format's schema that evaluation nevertheless defines: an error of lint alone. */
void pt_flag_report_strict(struct pt_flag_compiler *c, const char *format, ...) PT_PRINTF(2, 3);

/* From the arena; NULL after has_no_memory was set. */
void *pt_flag_room(struct pt_flag_compiler *c, size_t bytes);
struct pt_span pt_flag_copy(struct pt_flag_compiler *c, struct pt_span text);

/* The whole "targeting" of `flag`, whose variants are compiled; NULL for none or after a report. */
struct pt_flag_fractional *pt_flag_compile_targeting(struct pt_flag_compiler *c,
                                                     const struct pt_flag_definition *flag,
                                                     struct pt_json targeting);

/*
 * Pick the variant. `key_buf` is scratch for the bucketing key. False: the context cannot be
 * used, and `err` says why. PT_FLAG_NO_VARIANT where the rule gives none.
 */
bool pt_flag_pick(const struct pt_flag_definition *flag, struct pt_json context,
                  struct pt_buf *key_buf, uint32_t *variant_out, bool *is_key_missing_out,
                  struct pt_error *err);

#endif
