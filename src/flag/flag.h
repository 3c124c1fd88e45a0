/*
 * flag.h - feature flags in flagd's format: load, evaluate, serve over OFREP
 *
 * A flag set comes from one JSON file, {"flags":{KEY:{state,variants,defaultVariant,targeting,
 * metadata}},"$evaluators":{…},"metadata":{…}}, and is compiled when it is loaded: evaluating
 * parses nothing but the context. Targeting is JSONLogic with flagd's operators (logic.h). What no
 * flag file may look like leaves the set as it was. A single rule that cannot work (an operator
 * that there is not, a $ref to nothing) does not take the other flags with it: its flag answers
 * PARSE_ERROR where the rule is reached, as in flagd, and `flags lint` tells it beforehand.
 *
 * Any number of threads evaluate while one loads.
 */
#ifndef PT_FLAG_FLAG_H
#define PT_FLAG_FLAG_H

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/http.h"
#include "http/keys.h"
#include "observe/observe.h"

#define PT_FLAGS_FILE_BYTES_MAX (16u << 20)

/* OpenFeature's names by pt_flag_type_parse(); ANY checks nothing. */
enum pt_flag_type {
    PT_FLAG_ANY,
    PT_FLAG_BOOLEAN,
    PT_FLAG_STRING,
    PT_FLAG_INTEGER, /* a number without a fraction */
    PT_FLAG_FLOAT,   /* any number */
    PT_FLAG_OBJECT,
};

enum pt_flag_reason {
    PT_FLAG_REASON_STATIC,
    PT_FLAG_REASON_TARGETING_MATCH,
    PT_FLAG_REASON_SPLIT, /* an allocation epoch assigned the unit */
    PT_FLAG_REASON_DEFAULT,
    PT_FLAG_REASON_DISABLED,
    PT_FLAG_REASON_ERROR,
    PT_FLAG_REASON_COUNT,
};

enum pt_flag_error {
    PT_FLAG_ERROR_NONE,
    PT_FLAG_ERROR_FLAG_NOT_FOUND,
    PT_FLAG_ERROR_PARSE_ERROR,
    PT_FLAG_ERROR_TYPE_MISMATCH,
    PT_FLAG_ERROR_TARGETING_KEY_MISSING,
    PT_FLAG_ERROR_INVALID_CONTEXT,
    PT_FLAG_ERROR_GENERAL,
};

/* Why the default variant was given although the flag is on (docs/flags.md). */
enum pt_flag_gate {
    PT_FLAG_GATE_NONE,
    PT_FLAG_GATE_HOLDOUT,
    PT_FLAG_GATE_LAYER,
    PT_FLAG_GATE_PREREQUISITE,
    PT_FLAG_GATE_ROLLOUT,
};

const char *pt_flag_reason_name(enum pt_flag_reason reason); /* "TARGETING_MATCH"; static storage */
const char *pt_flag_error_name(enum pt_flag_error error);    /* "FLAG_NOT_FOUND"; static storage */
/* "boolean", "string", "integer", "float", "object"; false for anything else. */
bool pt_flag_type_parse(struct pt_span text, enum pt_flag_type *type_out);

struct pt_flag_evaluation {
    enum pt_flag_reason reason;
    enum pt_flag_error error; /* not NONE exactly where the reason is ERROR */
    bool has_value;           /* false: the caller's own default holds */
    /*
     * The targeting rule wanted a targetingKey and the context has none. As in flagd that gives the
     * default variant; OFREP, where a targetingKey is required, answers TARGETING_KEY_MISSING.
     */
    bool is_targeting_key_missing;
    struct pt_span value;   /* JSON */
    struct pt_span variant; /* its name; size 0 where there is none */
    /* A JSON object: the set's, overridden by the flag's, with epoch, gate or "override". */
    struct pt_span metadata;
    enum pt_flag_gate gate;  /* a unit with one takes no part in the flag's experiment */
    struct pt_span gated_by; /* the holdout or the prerequisite; the flag set's, do not read it */
    uint32_t epoch;          /* that assigned the unit; 0: none did */
    bool is_override;        /* the targeting named the variant of a flag that epochs assign */
    char detail[256];        /* for people, where there is an error; NUL-terminated */
};

struct pt_flags;

/*
 * An empty set. `io` and `clock` ($flagd.timestamp) are borrowed. NULL without memory. Pair with
 * pt_flags_destroy().
 */
struct pt_flags *pt_flags_create(struct pt_io *io, struct pt_clock *clock) PT_MUST_USE;
void pt_flags_destroy(struct pt_flags *flags);

/* Replace the set by that of a file's bytes (copied). PT_INVALID tells the first mistake. */
enum pt_code pt_flags_load(struct pt_flags *flags, struct pt_span json,
                           struct pt_error *err) PT_MUST_USE;
/* The same from a file, whose path is kept for pt_flags_reload(), also where loading fails. */
enum pt_code pt_flags_load_file(struct pt_flags *flags, const char *path,
                                struct pt_error *err) PT_MUST_USE;
/*
 * Read the file again, and load it if its bytes changed. For a timer: cheap when nothing did. A
 * change is logged; a broken file is logged once, as long as it stays the same, and the old set
 * stays. A file that is gone is PT_NOT_FOUND, and the old set stays. Any thread.
 */
enum pt_code pt_flags_reload(struct pt_flags *flags, bool *has_changed_out,
                             struct pt_error *err) PT_MUST_USE;
size_t pt_flags_count(struct pt_flags *flags);
const char *pt_flags_file(const struct pt_flags *flags); /* the path; NULL: there is none */

/* What tells the set in force from others. Any thread. */
struct pt_flags_version {
    uint64_t checksum; /* of the file's bytes: the same after a restart */
    int64_t since_us;  /* wall time at which they were taken */
};
void pt_flags_version(struct pt_flags *flags, struct pt_flags_version *version_out);

/*
 * Evaluate one flag. `context` is a parsed JSON value, or an absent one for no context. Never
 * fails: what goes wrong is in `evaluation_out`. Its spans point into `scratch`, which is reset,
 * and live as long as that stays untouched. Any thread, each with its own scratch.
 */
void pt_flags_evaluate(struct pt_flags *flags, struct pt_span key, struct pt_json context,
                       enum pt_flag_type type, struct pt_buf *scratch,
                       struct pt_flag_evaluation *evaluation_out);

/*
 * Evaluate every flag of the set, by key ascending, all of one set, as pt_flags_evaluate() does.
 * `take` gets each; its spans live until it returns. `metadata_out` is the set's own, in `scratch`
 * after the last one. False without memory.
 */
bool pt_flags_evaluate_all(struct pt_flags *flags, struct pt_json context, struct pt_buf *scratch,
                           void (*take)(void *ctx, struct pt_span key,
                                        const struct pt_flag_evaluation *evaluation),
                           void *ctx, struct pt_span *metadata_out);

/*
 * Check a file's bytes: every mistake, not only the first, and what loads but is surely not meant.
 * Writes {"valid":…, "flags":N,"errors":[{"flag","pointer","detail"}],"warnings":[the same]} to
 * `report`. False in `is_valid_out` where there is an error.
 */
enum pt_code pt_flags_lint(struct pt_span json, struct pt_jsonw *report, bool *is_valid_out,
                           struct pt_error *err) PT_MUST_USE;

/*
 * One JSONLogic rule over data, as scripts and suites want it: {"rule":…,"data":…} gives
 * {"result":…} or {"error":…}, appended to `w`. `line` is parsed JSON.
 */
enum pt_code pt_flag_logic(struct pt_json line, struct pt_jsonw *w,
                           struct pt_error *err) PT_MUST_USE;

/* ---- OFREP ---- */

struct pt_flag_api;

/*
 * Register POST /ofrep/v1/evaluate/flags/{key} and /ofrep/v1/evaluate/flags, with ETag and 304
 * (OpenFeature Remote Evaluation Protocol 0.3).
 * `loop_threads` is the server's. `flags`, `keys` and `metrics` are borrowed; `keys` NULL asks for
 * none, `metrics` may be NULL. Pair
 * with pt_flag_api_close() after the server is closed.
 */
enum pt_code pt_flag_routes(struct pt_flag_api **api_out, struct pt_http_server *server,
                            struct pt_flags *flags, struct pt_keys *keys, uint32_t loop_threads,
                            struct pt_metrics *metrics, struct pt_error *err) PT_MUST_USE;

/*
 * Exposures. An evaluation that a targeting rule or an epoch decided (TARGETING_MATCH, SPLIT), of a
 * flag whose metadata names an "experiment", for a targetingKey that no gate holds back, is told to
 * `take`; a default, a static or a disabled flag's variant, and one that a rule names where epochs
 * assign, was given to nobody by chance. The bulk
 * route tells only under PT_FLAG_EXPOSE_ALL: who asks for all flags caches them and has shown none
 * yet. On a loop thread, with the flag set held: `take` must not wait.
 */
enum pt_flag_expose {
    PT_FLAG_EXPOSE_OFF,
    PT_FLAG_EXPOSE_SINGLE,
    PT_FLAG_EXPOSE_ALL,
};
bool pt_flag_expose_parse(struct pt_span text, enum pt_flag_expose *expose_out); /* "off", … */

/* Borrowed for the call. */
struct pt_flag_exposure {
    struct pt_span key;
    struct pt_span unit; /* the targetingKey */
    struct pt_span experiment;
    struct pt_span variant;
    struct pt_span version; /* metadata's "version" and "epoch", JSON scalars; size 0: none */
    struct pt_span epoch;
    struct pt_json context;
};

/* Before the server is started; `ctx` is borrowed until the routes are closed. */
enum pt_code pt_flag_api_expose(struct pt_flag_api *api, enum pt_flag_expose expose,
                                void (*take)(void *ctx, const struct pt_flag_exposure *exposure),
                                void *ctx, struct pt_error *err) PT_MUST_USE;

void pt_flag_api_close(struct pt_flag_api *api); /* NULL is fine */

/*
 * After pt_flag_routes(), before the server starts: register GET /ofrep/v1/events, a stream of
 * server-sent events that tells its clients when another set is in force, and let the bulk answer
 * offer it ("eventStreams", ADR-0008 of the protocol). `setting` is flag.events: "on", "off", or
 * the address at which clients reach the server; PT_INVALID says what is wrong with it.
 */
enum pt_code pt_flag_api_offer_events(struct pt_flag_api *api, struct pt_http_server *server,
                                      struct pt_clock *clock, const char *setting,
                                      struct pt_error *err) PT_MUST_USE;
/*
 * Tell the streams of a set that is new since the last call, and now and then that they are alive.
 * To be called by one thread, after pt_flags_reload(), every second or so.
 */
void pt_flag_api_tick(struct pt_flag_api *api);

#endif
