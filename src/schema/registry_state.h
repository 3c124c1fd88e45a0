/*
 * registry_state.h - what the files of the registry share
 *
 * A state is built by its only owner (replay, or a change under way), then published and never
 * changed again; the last one to release it frees it. Entries (texts and compiled programs) live as
 * long as the registry.
 */
#ifndef PT_SCHEMA_REGISTRY_STATE_H
#define PT_SCHEMA_REGISTRY_STATE_H

#include "schema/registry.h"

#include <pthread.h>
#include <stdatomic.h>

/* A schema with its id. Immutable once compiled. */
struct pt_registry_entry {
    struct pt_registry_entry *next; /* of all */
    uint32_t id;
    char *json; /* minified, as it was registered */
    size_t json_bytes;
    char *canonical; /* members sorted, references behind it: what makes it the same */
    size_t canonical_bytes;
    uint64_t hash;
    struct pt_registry_reference references[PT_REGISTRY_REFERENCES_MAX]; /* texts owned */
    const struct pt_registry_entry *targets[PT_REGISTRY_REFERENCES_MAX];
    uint32_t reference_count;
    struct pt_schema *schema;
};

struct registry_subject {
    struct pt_span name;
    struct pt_registry_version *versions; /* in order */
    uint32_t count;
    uint32_t capacity;
    uint32_t last_version; /* ever given */
    bool has_mode;
    enum pt_compat_mode mode;
};

struct registry_state {
    _Atomic uint32_t references;
    struct pt_arena arena;
    struct registry_subject *subjects; /* by name */
    uint32_t subject_count;
    uint32_t subject_capacity;
    struct pt_registry_entry **entries; /* those that a version has, by id */
    uint32_t entry_count;
    uint32_t *slots; /* hash of the name -> index + 1; made when published */
    uint32_t slot_mask;
    enum pt_compat_mode mode;
    uint32_t last_id;
};

/* With one reference, the caller's. NULL without memory. `from` may be NULL. */
struct registry_state *registry_state_copy(const struct registry_state *from) PT_MUST_USE;
void registry_state_release(struct registry_state *state); /* NULL is fine */
/* Make the tables by which readers look up; the state is finished. */
enum pt_code registry_state_finish(struct registry_state *state) PT_MUST_USE;

/* By the sorted names; works on an unfinished state. */
struct registry_subject *registry_subject(const struct registry_state *state, struct pt_span name);
struct registry_subject *registry_subject_add(struct registry_state *state, struct pt_span name);
void registry_subject_remove(struct registry_state *state, struct registry_subject *subject);
struct pt_registry_version *registry_version_add(struct registry_state *state,
                                                 struct registry_subject *subject);
struct pt_registry_version *registry_version(const struct registry_subject *subject,
                                             uint32_t version);
/* The newest that is not deleted; NULL: none. */
struct pt_registry_version *registry_latest(const struct registry_subject *subject);

/* ---- texts (registry_text.c) ---- */

/* Minified as it stands, and with sorted members. PT_INVALID: not JSON, or neither object nor
 * boolean. */
enum pt_code registry_minify(struct pt_span json, struct pt_buf *minified, struct pt_buf *canonical,
                             struct pt_schemaver *self_out, bool *has_self_out,
                             struct pt_error *err) PT_MUST_USE;

void registry_entry_destroy(struct pt_registry_entry *entry); /* NULL is fine */

/* For compilers and comparers: finds the documents that an entry refers to. `ctx` is the entry. */
enum pt_code registry_resolve(void *ctx, const char *uri, struct pt_buf *json_out,
                              struct pt_error *err);
enum pt_code registry_compile(struct pt_registry_entry *entry, struct pt_error *err) PT_MUST_USE;

/* ---- the registry itself ---- */

/*
 * LOCKS. `writer` is held through a change, disk and all; `publish` only to take or to give the
 * current state. Order: writer, then publish. `generation` is changed under publish, and read
 * without it.
 */
struct pt_registry {
    struct pt_io *io;
    char *dir; /* NULL: in memory alone */
    char *path;
    struct pt_file *file;
    uint64_t end_bytes; /* what is sound of the file */
    bool needs_cut;     /* bytes behind it are unknown */
    pthread_mutex_t writer;
    struct pt_registry_entry *entries; /* all, the newest first; guarded by writer */
    uint32_t entry_count;
    pthread_mutex_t publish;
    struct registry_state *current; /* guarded by publish; replaced under writer too */
    _Atomic uint64_t generation;    /* release after current is set, acquire by readers */
    struct pt_json_parser *empty_parser;
    struct pt_json empty; /* {} */
};

/* One record of the file. */
struct registry_change {
    enum { CHANGE_REGISTER, CHANGE_DELETE, CHANGE_MODE, CHANGE_NUMBERS } kind;
    struct pt_span subject;
    uint32_t version;
    bool is_permanent;
    bool has_mode;
    enum pt_compat_mode mode;
    struct pt_schemaver schemaver;
    const struct pt_registry_entry *entry;
};

/* ---- registry_file.c ---- */

/* False without memory; the state is then thrown away. */
bool registry_apply(struct registry_state *state, const struct registry_change *change) PT_MUST_USE;
/* Write and sync; after a failure the file holds what it held. `with_entry`: the schema's text goes
 * along. */
enum pt_code registry_store(struct pt_registry *registry, const struct registry_change *change,
                            bool with_entry, struct pt_error *err) PT_MUST_USE;
/* A new entry of the text, without an id; not compiled. */
enum pt_code registry_make_entry(struct pt_span json, struct pt_registry_entry **entry_out,
                                 struct pt_schemaver *self_out, bool *has_self_out,
                                 struct pt_error *err) PT_MUST_USE;
enum pt_code registry_add_reference(struct pt_registry_entry *entry, struct pt_span name,
                                    struct pt_span subject, uint32_t version,
                                    const struct pt_registry_entry *target,
                                    struct pt_error *err) PT_MUST_USE;
void registry_own_entry(struct pt_registry *registry, struct pt_registry_entry *entry);

/* ---- registry.c ---- */

enum pt_compat_mode registry_mode_of(const struct registry_state *state,
                                     const struct registry_subject *subject);

static inline bool registry_is_live(const struct registry_subject *subject)
{
    return subject && registry_latest(subject);
}

#endif
