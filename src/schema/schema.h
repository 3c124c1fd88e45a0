/*
 * schema.h - is this JSON value an event, and does it hold to its schema?
 *
 * EVENT. The base schema (schemas/game_event/1-0-0.json), checked in C in one pass over the
 * members. Pure functions: any thread.
 *
 * JSON SCHEMA. A schema (draft-07 or 2020-12) is compiled once to a flat program; a program is
 * immutable and may be run by any number of threads, each with its own scratch. Running allocates
 * nothing. Both are bounded: a schema or a value that asks for more work than the limits
 * give is PT_TOO_BIG, never a wait and never "valid".
 */
#ifndef PT_SCHEMA_SCHEMA_H
#define PT_SCHEMA_SCHEMA_H

#include "base/json.h"
#include "wire/event.h"

#define PT_EVENT_NAME_BYTES_MAX 64
#define PT_USER_ID_BYTES_MAX 256
#define PT_SESSION_ID_BYTES_MAX 128
#define PT_VERSION_BYTES_MAX 64
#define PT_ATTRIBUTES_BYTES_MAX 65536

/* What the schema found in an event; spans and values are borrowed from the parser. */
struct pt_event_fields {
    uint8_t event_id[PT_UUID_BYTES];
    bool has_event_id; /* set as soon as event_id itself is sound, even in a refused event */
    struct pt_span event_name;
    int64_t occurred_at_us;
    struct pt_span user_id; /* raw: personal data */
    struct pt_span session_id;
    struct pt_span install_id;       /* raw; empty: absent */
    struct pt_span build_id;         /* empty: absent */
    struct pt_span mechanic_version; /* empty: absent */
    struct pt_span schema_version;   /* "3" or "1-0-2"; empty: absent */
    enum pt_platform platform;
    int64_t seq;               /* or PT_EVENT_NO_NUMBER */
    int64_t boot;              /* or PT_EVENT_NO_NUMBER */
    int64_t mono_us;           /* or PT_EVENT_NO_NUMBER */
    struct pt_json attributes; /* may be absent */
};

/* Why an event was refused. No text holds a value of the event. */
struct pt_problem {
    const char *code; /* stable: "missing_field", "wrong_type", "invalid_uuid", … */
    char pointer[96]; /* RFC 6901, within the event: "/occurred_at"; "" is the event itself */
    char detail[192]; /* a sentence for people */
};

/* True: `fields_out` is whole. False: `problem_out` names the first problem. */
bool pt_schema_check_event(struct pt_json event, struct pt_event_fields *fields_out,
                           struct pt_problem *problem_out);

/* ---- JSON Schema ---- */

#define PT_SCHEMA_BYTES_MAX (1u << 20) /* one document */
#define PT_SCHEMA_DOCUMENTS_MAX 64     /* the schema and all that it refers to */
#define PT_SCHEMA_NODES_MAX (1u << 16) /* schemas and subschemas of all of them */
#define PT_SCHEMA_DEPTH_MAX 768        /* schemas inside one another while one value is checked */
#define PT_SCHEMA_STEPS_MAX 4000000u   /* work for one value; a step is some 12 ns */
#define PT_SCHEMA_ERRORS_MAX 32        /* kept for one value */

enum pt_schema_draft {
    PT_SCHEMA_DRAFT_DEFAULT, /* 2020-12 */
    PT_SCHEMA_DRAFT_7,
    PT_SCHEMA_DRAFT_2020_12,
};

struct pt_schema;
struct pt_schema_scratch;

struct pt_schema_options {
    enum pt_schema_draft draft; /* of a document without $schema */
    bool assert_formats;        /* `format` is an assertion, whatever the vocabulary says */
    const char *base_uri;       /* where the document came from; NULL: nowhere */
    /*
     * Gives the document of `uri` (absolute, without a fragment): append its bytes to `json_out`.
     * PT_NOT_FOUND where there is none; other failures end the compilation. NULL: only the
     * metaschemas of both drafts are known, which are built in.
     */
    enum pt_code (*resolve)(void *ctx, const char *uri, struct pt_buf *json_out,
                            struct pt_error *err);
    void *resolve_ctx;
};

/*
 * Compile `json` (no padding needed). `options` may be NULL. PT_INVALID names the place in the
 * schema and what is wrong there: not JSON, a keyword of the wrong form, a $ref that leads nowhere
 * or around in a circle, a pattern that is not ECMA-262. PT_TOO_BIG, PT_NO_MEMORY, what `resolve`
 * gave. Pair with pt_schema_destroy().
 */
enum pt_code pt_schema_compile(struct pt_schema **schema_out, struct pt_span json,
                               const struct pt_schema_options *options,
                               struct pt_error *err) PT_MUST_USE;
void pt_schema_destroy(struct pt_schema *schema); /* NULL is fine */

/* Work space of one thread: any schemas, one value at a time. NULL without memory. */
struct pt_schema_scratch *pt_schema_scratch_create(void) PT_MUST_USE;
void pt_schema_scratch_destroy(struct pt_schema_scratch *scratch); /* NULL is fine */

/* One reason why a value is refused. `detail` holds no text of the value; `instance` holds its
 * keys. */
struct pt_schema_error {
    char instance[256]; /* RFC 6901, within the value; over its size it ends in "..." */
    char schema[256];   /* where the keyword stands: a pointer, behind "URI#" in another document */
    const char *keyword; /* static text: "minLength" */
    char detail[160];    /* a sentence for people */
};

struct pt_schema_errors {
    uint32_t count; /* of `list` */
    bool is_cut;    /* there were more */
    struct pt_schema_error list[PT_SCHEMA_ERRORS_MAX];
};

/*
 * PT_OK: `value` is valid. PT_INVALID: it is not; `errors_out` (NULL: stop at the first mistake and
 * tell nothing) says why. PT_TOO_BIG: it needs more depth or work than the limits give, and the
 * last error says so.
 */
enum pt_code pt_schema_validate(const struct pt_schema *schema, struct pt_json value,
                                struct pt_schema_scratch *scratch,
                                struct pt_schema_errors *errors_out) PT_MUST_USE;

/* As pt_schema_validate(), but it stops at the first error: errors_out->count is 0 or 1. */
enum pt_code pt_schema_validate_first(const struct pt_schema *schema, struct pt_json value,
                                      struct pt_schema_scratch *scratch,
                                      struct pt_schema_errors *errors_out) PT_MUST_USE;

#endif
