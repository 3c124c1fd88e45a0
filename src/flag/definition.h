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
#include "flag/logic.h"

#define PT_FLAG_NO_VARIANT UINT32_MAX
#define PT_FLAG_NO_INDEX UINT32_MAX

struct pt_flag_govern;  /* govern.h */
struct pt_flag_holdout; /* govern.h */

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
    uint32_t default_variant;         /* PT_FLAG_NO_VARIANT: the caller's default */
    const struct pt_logic *targeting; /* NULL: none */
    struct pt_span metadata;          /* a JSON object */
    struct pt_flag_govern *govern;    /* NULL: nothing stands above flagd's format */
    uint32_t list_index;              /* in a file whose flags are a list */
};

struct pt_flag_set {
    struct pt_arena arena;
    struct pt_flag_definition *flags; /* by key, ascending */
    size_t count;
    struct pt_span metadata; /* the set's own */
    struct pt_flag_holdout *holdouts;
    uint32_t holdout_count;
    unsigned broken_count;  /* flags' rules that fail where they are reached … */
    char first_broken[256]; /* … and the first one's flag and reason */
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

/* The variant's index, of equal names the last one's; PT_FLAG_NO_VARIANT where there is none. */
uint32_t pt_flag_find_variant(const struct pt_flag_definition *flag, struct pt_span name);

/* ---- between definition.c, logic_compile.c and govern.c ---- */

struct pt_flag_compiler {
    struct pt_flag_set *set;
    struct pt_span flag; /* the one being compiled */
    char pointer[512];   /* where in the document; cut when it is deeper than that */
    size_t pointer_bytes;
    unsigned error_count;
    unsigned warning_count;
    struct pt_error *first;    /* the first error, may be NULL */
    struct pt_jsonw *errors;   /* NULL unless linting */
    struct pt_jsonw *warnings; /* NULL unless linting */
    bool has_no_memory;
    /* Of the rule being compiled. */
    struct pt_json evaluators; /* "$evaluators"; absent: none */
    bool is_rule_alone;        /* lint of a file that is one targeting rule */
    unsigned ref_depth;
    unsigned logic_depth;
    uint32_t logic_nodes;
    /* Rules that will fail where they are reached. */
    unsigned broken_count;
    char first_broken[256]; /* the first one's flag and reason */
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
int pt_flag_compare_spans(struct pt_span a, struct pt_span b); /* byte by byte */

/* A rule is wrong, but the file loads: remember it for the server's log. */
void pt_flag_note_broken(struct pt_flag_compiler *c, const char *detail);

#endif
