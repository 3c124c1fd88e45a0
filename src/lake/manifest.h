/*
 * manifest.h - Iceberg v2 manifests and manifest lists, as bytes
 *
 * Only src/lake includes this. A manifest lists data files, a manifest list lists the manifests of
 * one snapshot. Nothing here does I/O: files are read and written by table.c and commit.c. Other
 * programs' files are read too: fields are found by their names, blocks may be compressed.
 */
#ifndef PT_LAKE_MANIFEST_H
#define PT_LAKE_MANIFEST_H

#include "lake/stats.h"

/* A line of a manifest list. */
struct pt_manifest {
    const char *path; /* as the table writes it; borrowed (an arena's, when read) */
    int64_t bytes;
    int32_t spec_id;      /* partition spec of its files */
    bool has_deletes;     /* lists delete files, not data files */
    int64_t sequence;     /* of the snapshot that added the manifest */
    int64_t min_sequence; /* the least data sequence number in it */
    int64_t added_snapshot_id;
    int32_t added_files;
    int32_t existing_files;
    int32_t deleted_files;
    int64_t added_rows;
    int64_t existing_rows;
    int64_t deleted_rows;
    bool has_days; /* the next two are known */
    int32_t day_min;
    int32_t day_max;
};

/* What manifests of one commit share. */
struct pt_manifest_context {
    struct pt_span table_schema; /* JSON of the table's schema */
    int32_t schema_id;
    const int32_t *field_ids; /* of our columns, in their order */
    const char *location;     /* of the table, put before relative paths */
    int64_t snapshot_id;
    int64_t sequence;
};

struct pt_manifest_sums {
    uint64_t files;
    uint64_t rows;
    uint64_t bytes;
};

struct pt_manifest_entry {
    bool is_live;     /* not deleted */
    bool has_deletes; /* a delete file, not a data file */
    bool is_parquet;
    int64_t sequence; /* data sequence number */
    const char *path; /* borrowed until the callback returns, as are the bounds */
    int64_t rows;
    int64_t bytes;
    bool has_day;
    int32_t day;
    const void *data_file; /* for pt_manifest_bound() */
};

/* Calls `each` for every entry; its PT_OK goes on, anything else ends the walk and is returned. */
enum pt_code pt_manifest_each(const struct pt_manifest *manifest, struct pt_span file,
                              enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry,
                                                   struct pt_error *err),
                              void *ctx, struct pt_error *err) PT_MUST_USE;

/* A bound of the column with that field id, as Iceberg's single-value form; false where none. */
bool pt_manifest_bound(const struct pt_manifest_entry *entry, int32_t field_id, bool upper,
                       struct pt_span *bound_out);
/* Of "value_counts" or "null_value_counts"; false where it is not said. */
bool pt_manifest_count(const struct pt_manifest_entry *entry, const char *counts, int32_t field_id,
                       int64_t *count_out);

/* ---- writing: one manifest, from descriptions of new files and from other manifests ---- */

struct pt_manifest_writer;

/* What is made goes to `out`. Pair with pt_manifest_writer_destroy(), also after failures. */
enum pt_code pt_manifest_writer_create(struct pt_manifest_writer **writer_out,
                                       const struct pt_manifest_context *context,
                                       struct pt_buf *out, struct pt_error *err) PT_MUST_USE;
void pt_manifest_writer_destroy(struct pt_manifest_writer *writer);

/* Each of `files`, the JSON array of pt_lake_write(), as added. */
enum pt_code pt_manifest_writer_add(struct pt_manifest_writer *writer, struct pt_json files,
                                    struct pt_error *err) PT_MUST_USE;
/*
 * The live entries of another manifest: existing, or deleted where `drops` (NULL: none) says so.
 * Sequence numbers stay what they are.
 */
enum pt_code pt_manifest_writer_take(struct pt_manifest_writer *writer,
                                     const struct pt_manifest *manifest, struct pt_span file,
                                     bool (*drops)(void *ctx,
                                                   const struct pt_manifest_entry *entry),
                                     void *ctx, struct pt_error *err) PT_MUST_USE;
/* Ends it and fills `manifest_out` but for its path; `added_out` sums what was added. */
enum pt_code pt_manifest_writer_finish(struct pt_manifest_writer *writer,
                                       struct pt_manifest *manifest_out,
                                       struct pt_manifest_sums *added_out,
                                       struct pt_error *err) PT_MUST_USE;

/* ---- manifest lists ---- */

/* `parent_id` 0: none. */
enum pt_code pt_manifest_list_build(const struct pt_manifest *manifests, size_t count,
                                    int64_t snapshot_id, int64_t parent_id, int64_t sequence,
                                    struct pt_buf *out, struct pt_error *err) PT_MUST_USE;

/* The lines lie in `arena`. */
enum pt_code pt_manifest_list_parse(struct pt_span file, struct pt_arena *arena,
                                    struct pt_manifest **manifests_out, size_t *count_out,
                                    struct pt_error *err) PT_MUST_USE;

#endif
