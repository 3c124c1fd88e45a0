/*
 * registry.h - the schemas of a game's events: subjects, versions, ids, and what may follow what
 *
 * A subject is an event name; its schema describes the event's `attributes`. Registering a schema
 * that is the same but for blanks and the order of members gives the same id. A new version must be
 * compatible with the one before it (or with all, transitively) as the subject's mode says.
 * Confluent's words and error codes throughout, since its clients talk to us (registry_http.c).
 *
 * Promise: what register, delete and set_mode acknowledged with PT_OK is there after any crash,
 * whole; what they refused may not be, and never half (docs/formats/registry.md).
 *
 * THREADS. Any thread may call the functions that take a registry; those that change something wait
 * for the disk and for each other. A reader belongs to one thread and sees an immutable state:
 * looking something up costs one atomic load, and never waits for a writer.
 */
#ifndef PT_SCHEMA_REGISTRY_H
#define PT_SCHEMA_REGISTRY_H

#include "base/clock.h"
#include "base/io.h"
#include "http/http.h"
#include "http/keys.h"
#include "schema/compat.h"
#include "schema/schema.h"

#define PT_REGISTRY_SUBJECT_BYTES_MAX 255
#define PT_REGISTRY_SCHEMA_BYTES_MAX (384u << 10) /* minified */
#define PT_REGISTRY_SCHEMAS_MAX 20000
#define PT_REGISTRY_VERSIONS_MAX 1000 /* of one subject */
#define PT_REGISTRY_REFERENCES_MAX 32
/* Of a subject's live versions, how many an event without a version is tried against, newest first.
 */
#define PT_REGISTRY_TRIED_MAX 64

struct pt_registry;
struct pt_registry_reader;

/* MODEL-REVISION-ADDITION. */
struct pt_schemaver {
    uint32_t model;
    uint32_t revision;
    uint32_t addition;
};

bool pt_schemaver_parse(struct pt_span text, struct pt_schemaver *out);

/* A schema that another one refers to: `name` is what its $ref says. */
struct pt_registry_reference {
    struct pt_span name;
    struct pt_span subject;
    uint32_t version;
};

/* What a caller gives; borrowed. */
struct pt_registry_schema {
    struct pt_span json;
    const struct pt_registry_reference *references;
    uint32_t reference_count;
    struct pt_span schemaver; /* empty: the schema's self.version, or what the comparison says */
};

/* Why something was refused, in Confluent's numbers: 40401, 409, 42201, … */
struct pt_registry_fault {
    int error_code;
    char text[PT_ERROR_TEXT_BYTES];
};

/*
 * Open DIR/schemas.log, or an empty registry that lives in memory alone where `dir` is NULL. A
 * record torn by a crash is cut; damage before the end is PT_CORRUPT. `io` is borrowed.
 */
enum pt_code pt_registry_open(struct pt_registry **registry_out, struct pt_io *io, const char *dir,
                              struct pt_error *err) PT_MUST_USE;
/* All readers are gone. NULL is fine. */
void pt_registry_close(struct pt_registry *registry);

/*
 * Register a version. The same schema again is no new version. PT_INVALID with 409: not compatible,
 * `report_out` says why; 42201: no sound JSON Schema; PT_IO and PT_FULL with 50001: nothing is
 * registered.
 */
enum pt_code pt_registry_register(struct pt_registry *registry, struct pt_span subject,
                                  const struct pt_registry_schema *schema, uint32_t *id_out,
                                  uint32_t *version_out, struct pt_compat_report *report_out,
                                  struct pt_registry_fault *fault_out) PT_MUST_USE;

/* The version of the subject that has this schema: 40401, 40403 where there is none. */
enum pt_code pt_registry_lookup(struct pt_registry *registry, struct pt_span subject,
                                const struct pt_registry_schema *schema, bool with_deleted,
                                uint32_t *id_out, uint32_t *version_out,
                                struct pt_registry_fault *fault_out) PT_MUST_USE;

/*
 * Would registering succeed? `version` 0: against what the mode asks for; otherwise against that
 * one alone (PT_REGISTRY_LATEST for the newest). PT_OK with report_out->is_compatible either way.
 */
#define PT_REGISTRY_LATEST UINT32_MAX
enum pt_code pt_registry_check(struct pt_registry *registry, struct pt_span subject,
                               uint32_t version, const struct pt_registry_schema *schema,
                               struct pt_compat_report *report_out,
                               struct pt_registry_fault *fault_out) PT_MUST_USE;

/*
 * Delete a version, or (version 0) the subject. Softly at first: it is not offered any more, its id
 * stays. Then, `is_permanent`, for good. 42206: another schema refers to it. The deleted numbers go
 * to `versions_out` (room for PT_REGISTRY_VERSIONS_MAX).
 */
enum pt_code pt_registry_delete(struct pt_registry *registry, struct pt_span subject,
                                uint32_t version, bool is_permanent, uint32_t *versions_out,
                                uint32_t *count_out,
                                struct pt_registry_fault *fault_out) PT_MUST_USE;

/* The mode of a subject, of all others (subject empty); `mode` NULL: forget it (back to the
 * default). */
enum pt_code pt_registry_set_mode(struct pt_registry *registry, struct pt_span subject,
                                  const enum pt_compat_mode *mode,
                                  struct pt_registry_fault *fault_out) PT_MUST_USE;

/* ---- readers: one thread each ---- */

/* NULL without memory. Before pt_registry_close() comes pt_registry_reader_destroy(). */
struct pt_registry_reader *pt_registry_reader_create(struct pt_registry *registry) PT_MUST_USE;
void pt_registry_reader_destroy(struct pt_registry_reader *reader); /* NULL is fine */

/*
 * Take the newest state. What the functions below gave before must not be used after it: once a
 * batch or a request.
 */
void pt_registry_reader_refresh(struct pt_registry_reader *reader);

/* A live version, borrowed from the reader's state. */
struct pt_registry_version {
    uint32_t version;
    uint32_t id;
    struct pt_schemaver schemaver;
    struct pt_span json;
    const struct pt_schema *schema;
    bool is_deleted; /* softly */
    const struct pt_registry_entry *entry;
};

/*
 * The version of `subject` that `version` names: "" the newest live one, "3" by number, "1-0-2" by
 * SchemaVer. NULL: the subject is unknown, or has no such live version; *is_known_out tells which.
 */
const struct pt_registry_version *pt_registry_find(struct pt_registry_reader *reader,
                                                   struct pt_span subject, struct pt_span version,
                                                   bool *is_known_out);

enum pt_registry_verdict {
    PT_REGISTRY_UNKNOWN, /* the event name has no schema: nothing to hold it to */
    PT_REGISTRY_VALID,
    PT_REGISTRY_INVALID,    /* errors_out says why, by the newest version or by the one named */
    PT_REGISTRY_NO_VERSION, /* the event names a version that is not there */
};

/*
 * Hold an event's attributes (absent: an empty object) to its schema. With a version: to that one.
 * Without: to any live version, the newest first, so that an older build of a game is not refused
 * for a change that was taken for compatible. *version_out is the one that it fits, or that refused
 * it; 0 otherwise. No allocation. `errors_out` may be NULL.
 */
enum pt_registry_verdict pt_registry_check_event(struct pt_registry_reader *reader,
                                                 struct pt_span event_name, struct pt_span version,
                                                 struct pt_json attributes,
                                                 struct pt_schema_scratch *scratch,
                                                 uint32_t *version_out,
                                                 struct pt_schema_errors *errors_out);

/* ---- for the routes: what a state holds ---- */

uint32_t pt_registry_subject_count(const struct pt_registry_reader *reader);
/* By name. `is_deleted_out`: all of its versions are softly deleted (or it has none: only a mode).
 */
struct pt_span pt_registry_subject_at(const struct pt_registry_reader *reader, uint32_t index,
                                      bool *is_deleted_out);
/* All versions in order, the softly deleted among them; NULL and 0 where the subject is unknown. */
const struct pt_registry_version *pt_registry_versions(const struct pt_registry_reader *reader,
                                                       struct pt_span subject, uint32_t *count_out);
/* The mode that holds for the subject (empty: the global one); false in *is_own_out: it has none of
 * its own. */
enum pt_compat_mode pt_registry_mode(const struct pt_registry_reader *reader,
                                     struct pt_span subject, bool *is_own_out);
/* Calls `each` for every version that has the schema `id`; false: there is no such id. */
bool pt_registry_by_id(const struct pt_registry_reader *reader, uint32_t id,
                       struct pt_span *json_out, const struct pt_registry_entry **entry_out,
                       void (*each)(void *ctx, struct pt_span subject,
                                    const struct pt_registry_version *version),
                       void *ctx);
uint32_t pt_registry_reference_count(const struct pt_registry_entry *entry);
struct pt_registry_reference pt_registry_reference_at(const struct pt_registry_entry *entry,
                                                      uint32_t index);

/* ---- routes under /registry ---- */

struct pt_registry_api;

/*
 * Register the routes, all of them admin routes that want a key of the registry scope (`keys` NULL:
 * a peer on loopback). What has to wait for the disk or to compare runs on a thread of the API's
 * own. `registry` and `keys` are borrowed and outlive the API.
 */
enum pt_code pt_registry_routes(struct pt_registry_api **api_out, struct pt_http_server *server,
                                struct pt_registry *registry, struct pt_keys *keys,
                                uint32_t loop_threads, struct pt_error *err) PT_MUST_USE;
/*
 * Stop the thread: what waits is answered 503. After pt_http_server_drain(), before
 * pt_http_server_close(). NULL is fine.
 */
void pt_registry_api_stop(struct pt_registry_api *api);
/* After pt_http_server_close(). NULL is fine. */
void pt_registry_api_close(struct pt_registry_api *api);

#endif
