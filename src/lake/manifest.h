/*
 * manifest.h - Iceberg v2 manifests and manifest lists, as bytes
 *
 * Only src/lake includes this. A manifest lists data files, a manifest list lists the manifests of
 * one snapshot. Nothing here does I/O: files are read and written by table.c and commit.c.
 */
#ifndef PT_LAKE_MANIFEST_H
#define PT_LAKE_MANIFEST_H

#include "lake/stats.h"

/* A line of a manifest list. */
struct pt_manifest {
    const char *path; /* as the table writes it; borrowed (an arena's, when read) */
    int64_t bytes;
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
    const char *location;        /* of the table, put before relative paths */
    int64_t snapshot_id;
    int64_t sequence;
};

struct pt_manifest_sums {
    uint64_t files;
    uint64_t rows;
    uint64_t bytes;
};

/*
 * A manifest of `files` (the JSON array of pt_lake_write(), not empty), all added. Fills
 * `manifest_out` but for its path.
 */
enum pt_code pt_manifest_build(const struct pt_manifest_context *context, struct pt_json files,
                               struct pt_buf *out, struct pt_manifest *manifest_out,
                               struct pt_manifest_sums *sums_out, struct pt_error *err) PT_MUST_USE;

struct pt_manifest_source {
    const struct pt_manifest *manifest;
    struct pt_span file;
};

/* Whether this program wrote the manifest, so that it can be merged. */
bool pt_manifest_is_ours(struct pt_span file);

/* One manifest of all live files of others, which this program wrote: none added, all existing. */
enum pt_code pt_manifest_merge(const struct pt_manifest_context *context,
                               const struct pt_manifest_source *sources, size_t count,
                               struct pt_buf *out, struct pt_manifest *manifest_out,
                               struct pt_error *err) PT_MUST_USE;

struct pt_manifest_entry {
    bool is_live;     /* not deleted */
    int64_t sequence; /* data sequence number */
    const char *path; /* borrowed until the callback returns */
    int64_t rows;
    int64_t bytes;
};

/* Calls `each` for every entry; its PT_OK goes on, anything else ends the walk and is returned. */
enum pt_code pt_manifest_each(const struct pt_manifest *manifest, struct pt_span file,
                              enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry,
                                                   struct pt_error *err),
                              void *ctx, struct pt_error *err) PT_MUST_USE;

/* `parent_id` 0: none. */
enum pt_code pt_manifest_list_build(const struct pt_manifest *manifests, size_t count,
                                    int64_t snapshot_id, int64_t parent_id, int64_t sequence,
                                    struct pt_buf *out, struct pt_error *err) PT_MUST_USE;

/* The lines lie in `arena`. PT_INVALID where the table has row-level deletes. */
enum pt_code pt_manifest_list_parse(struct pt_span file, struct pt_arena *arena,
                                    struct pt_manifest **manifests_out, size_t *count_out,
                                    struct pt_error *err) PT_MUST_USE;

#endif
