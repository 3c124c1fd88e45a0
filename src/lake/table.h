/*
 * table.h - the table's metadata: which version is current, what it says, and the next one
 *
 * Only src/lake includes this. The metadata is one JSON document a version,
 * metadata/vN.metadata.json; the greatest N is current. Publishing N+1 is one rename that
 * fails where N+1 exists, so of two writers one wins, and the other looks again.
 */
#ifndef PT_LAKE_TABLE_H
#define PT_LAKE_TABLE_H

#include "lake/manifest.h"
#include "lake/schema.h"

#define PT_METADATA_LOG_MAX 100 /* metadata files kept behind the current one, by default */
#define PT_METADATA_BYTES_MAX (64u << 20)
#define PT_MANIFEST_BYTES_MAX (256u << 20)
#define PT_LIST_ARENA_BYTES_MAX (256u << 20)
#define PT_CHECKPOINT_KEY "playtrace.checkpoint" /* in summaries and in the table's properties */

struct pt_table {
    struct pt_io *io; /* borrowed */
    char *dir;        /* owned: as given, for all I/O */
    struct pt_json_parser *parser;
    uint8_t *text; /* owned: the current document, which `root` points into */
    struct pt_json root;
    uint64_t version; /* N */
    char uuid[64];    /* of the table; stays when other members are read anew */
    char *location;   /* owned: what stands before the table's paths in its files */
    int64_t last_sequence;
    int64_t last_updated_ms;
    int64_t snapshot_id;   /* 0: none */
    uint64_t checkpoint;   /* of the newest snapshot that carries one */
    struct pt_arena arena; /* holds what follows */
    struct pt_schema schema;
    const char *read_only; /* why this program may not write to it; NULL: it may */
    struct pt_manifest *manifests;
    size_t manifest_count;
    uint64_t row_count;
    uint64_t file_count;
};

/* Nothing is read yet. Pair with pt_table_release(). */
enum pt_code pt_table_init(struct pt_table *table, struct pt_io *io, const char *dir,
                           struct pt_error *err) PT_MUST_USE;
void pt_table_release(struct pt_table *table);

/*
 * Read the current version and its manifest list. PT_NOT_FOUND: there is no table. PT_FENCED:
 * it is another table than the one that was read before.
 */
enum pt_code pt_table_load(struct pt_table *table, struct pt_error *err) PT_MUST_USE;
/* The greatest N that is there. PT_NOT_FOUND: there is no table. */
enum pt_code pt_table_newest(const struct pt_table *table, uint64_t *version_out,
                             struct pt_error *err) PT_MUST_USE;
/* The document of version N alone, without manifests; for verify.c. */
enum pt_code pt_table_read_version(struct pt_table *table, uint64_t version,
                                   struct pt_error *err) PT_MUST_USE;
/* As pt_table_load() has done, of version N alone; for table_write.c. */
enum pt_code pt_table_load_version(struct pt_table *table, uint64_t version,
                                   struct pt_error *err) PT_MUST_USE;

/* PT_INVALID, with the reason, where this program may not write to the table. */
enum pt_code pt_table_check_writable(const struct pt_table *table,
                                     struct pt_error *err) PT_MUST_USE;

/* ---- paths; NULL without memory ---- */

/* Where a path written in the table's files is now: our directory in place of the location. */
char *pt_table_path(const struct pt_table *table, struct pt_span written) PT_MUST_USE;
/* "DIR/relative" and "LOCATION/relative". */
char *pt_table_local(const struct pt_table *table, const char *relative) PT_MUST_USE;
char *pt_table_written(const struct pt_table *table, const char *relative) PT_MUST_USE;
char *pt_table_metadata_path(const struct pt_table *table, uint64_t version) PT_MUST_USE;

/* ---- what the metadata says ---- */

/* N of "vN.metadata.json"; 0 for any other name. */
uint64_t pt_table_version_of(const char *name);
/* The snapshot, or an absent value. */
struct pt_json pt_table_find_snapshot(const struct pt_table *table, int64_t id);
/* A number of a snapshot's summary, where all values are strings; false where absent. */
bool pt_snapshot_number(struct pt_json snapshot, const char *key, uint64_t *number_out);
/* The checkpoint number of a snapshot, or of its nearest ancestor that carries one. */
uint64_t pt_table_checkpoint_of(const struct pt_table *table, int64_t snapshot_id);
/* A property as text; absent: false. */
bool pt_table_property(const struct pt_table *table, const char *key, struct pt_span *value_out);
/* The member as an array that can be iterated; absent where it is none. */
struct pt_json pt_table_array(const struct pt_table *table, const char *key);

/* The manifest list at `written` (a path as the table writes it), parsed into `arena`. */
enum pt_code pt_table_read_list(const struct pt_table *table, struct pt_span written,
                                struct pt_arena *arena, struct pt_manifest **manifests_out,
                                size_t *count_out, struct pt_error *err) PT_MUST_USE;
/* The bytes of a manifest, on the heap. */
enum pt_code pt_table_read_manifest(const struct pt_table *table,
                                    const struct pt_manifest *manifest, uint8_t **data_out,
                                    size_t *size_out, struct pt_error *err) PT_MUST_USE;
/* Calls `each` for every entry of those manifests; an error names the manifest's file. */
enum pt_code pt_table_each(const struct pt_table *table, const struct pt_manifest *manifests,
                           size_t count,
                           enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry,
                                                struct pt_error *err),
                           void *ctx, struct pt_error *err) PT_MUST_USE;

/* ---- writing ---- */

/* Put v1 in place, without snapshots. PT_INVALID: somebody else has done so meanwhile. */
enum pt_code pt_table_create(struct pt_table *table, int64_t now_ms,
                             struct pt_error *err) PT_MUST_USE;

struct pt_snapshot {
    int64_t id;
    int64_t sequence;
    const char *operation; /* "append", "replace", "overwrite" */
    uint64_t checkpoint;
    const char *manifest_list; /* relative to the table */
    struct pt_manifest_sums added;
    struct pt_manifest_sums removed;
    uint64_t days_changed;
};

/* What the next version changes; all zero but the time: nothing. */
struct pt_update {
    int64_t now_ms;
    const struct pt_snapshot *snapshot; /* becomes the current one */
    const int64_t *expired;             /* ids of snapshots that are left out, ascending */
    size_t expired_count;
    bool adds_columns;       /* a new schema: our missing columns, and the next */
    const char *column_name; /* NULL: none beside ours */
    const char *column_type; /* Iceberg's */
};

/* The document that says so; failures stick in its buffer. For table_write.c. */
void pt_table_write_next(const struct pt_table *table, const struct pt_update *update,
                         struct pt_jsonw *w);
/* How many of the oldest metadata files the next version no longer names. */
uint32_t pt_table_dropped_metadata(const struct pt_table *table);

/*
 * Put version N+1 in place, then load it. PT_AGAIN: somebody else published meanwhile; nothing is
 * changed. Any other failure leaves open which version is current: load again. Metadata
 * files that N+1 no longer names are then deleted, as far as that works.
 */
enum pt_code pt_table_publish(struct pt_table *table, const struct pt_update *update,
                              struct pt_error *err) PT_MUST_USE;

/* A new file with `content`, synced; the directory is not. */
enum pt_code pt_table_write_file(struct pt_io *io, const char *path, struct pt_span content,
                                 struct pt_error *err) PT_MUST_USE;

#endif
