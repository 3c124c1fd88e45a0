/*
 * table.h - the table's metadata: which version is current, and what it says
 *
 * Only src/lake includes this. The metadata is one JSON document a version,
 * metadata/vN.metadata.json; the greatest N is current. Publishing N+1 is one rename that
 * fails where N+1 exists, so of two writers one wins.
 */
#ifndef PT_LAKE_TABLE_H
#define PT_LAKE_TABLE_H

#include "lake/manifest.h"

#define PT_SNAPSHOTS_MAX 256    /* kept in the metadata; older ones are expired by commits */
#define PT_METADATA_LOG_MAX 100 /* metadata files kept behind the current one */
#define PT_METADATA_BYTES_MAX (64u << 20)
#define PT_MANIFEST_BYTES_MAX (256u << 20)

struct pt_table {
    struct pt_io *io; /* borrowed */
    char *dir;        /* owned: as given, for all I/O */
    struct pt_json_parser *parser;
    uint8_t *text; /* owned: the current document, which `root` points into */
    struct pt_json root;
    uint64_t version; /* N */
    char *location;   /* owned: what stands before the table's paths in its files */
    int64_t last_sequence;
    int64_t last_updated_ms;
    int64_t snapshot_id;   /* 0: none */
    uint64_t checkpoint;   /* of the newest snapshot that carries one */
    struct pt_arena arena; /* holds the manifests */
    struct pt_manifest *manifests;
    size_t manifest_count;
    uint64_t row_count;
    uint64_t file_count;
};

/* Nothing is read yet. Pair with pt_table_release(). */
enum pt_code pt_table_init(struct pt_table *table, struct pt_io *io, const char *dir,
                           struct pt_error *err) PT_MUST_USE;
void pt_table_release(struct pt_table *table);

/* Read the current version and its manifest list. PT_NOT_FOUND: there is no table. */
enum pt_code pt_table_load(struct pt_table *table, struct pt_error *err) PT_MUST_USE;

/* Put v1 in place, without snapshots. PT_INVALID: somebody else has done so meanwhile. */
enum pt_code pt_table_create(struct pt_table *table, int64_t now_ms,
                             struct pt_error *err) PT_MUST_USE;

/* Where a path written in the table's files is now: our directory in place of the location. */
char *pt_table_path(const struct pt_table *table, struct pt_span written) PT_MUST_USE;
/* "DIR/relative" and "LOCATION/relative"; NULL without memory. */
char *pt_table_local(const struct pt_table *table, const char *relative) PT_MUST_USE;
char *pt_table_written(const struct pt_table *table, const char *relative) PT_MUST_USE;

struct pt_snapshot {
    int64_t id;
    int64_t sequence;
    int64_t timestamp_ms;
    uint64_t checkpoint;
    const char *manifest_list; /* relative to the table */
    struct pt_manifest_sums added;
    uint64_t days_changed;
};

/*
 * Put version N+1 in place with `snapshot` as current one, then load it. PT_FENCED: somebody
 * else published meanwhile. Any other failure leaves open which version is current: load again.
 * Snapshots and metadata files that N+1 no longer names are then deleted, as far as that works.
 */
enum pt_code pt_table_publish(struct pt_table *table, const struct pt_snapshot *snapshot,
                              struct pt_error *err) PT_MUST_USE;

/* A new file with `content`, synced; the directory is not. */
enum pt_code pt_table_write_file(struct pt_io *io, const char *path, struct pt_span content,
                                 struct pt_error *err) PT_MUST_USE;

/* The manifest list at `written` (a path as the table writes it), parsed into `arena`. */
enum pt_code pt_table_read_list(const struct pt_table *table, struct pt_span written,
                                struct pt_arena *arena, struct pt_manifest **manifests_out,
                                size_t *count_out, struct pt_error *err) PT_MUST_USE;

/* The table's schema of ours as Iceberg's JSON. */
void pt_table_schema_write(struct pt_jsonw *w);

#endif
