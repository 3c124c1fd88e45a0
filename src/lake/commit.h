/*
 * commit.h - one snapshot more, and files that no snapshot names
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_COMMIT_H
#define PT_LAKE_COMMIT_H

#include "lake/table.h"

/* Manifests smaller than the second are merged into one once there are as many as the first. */
#define PT_MANIFESTS_MERGE_COUNT 100
#define PT_MANIFEST_SMALL_BYTES (8 << 20)

/*
 * Add `files`, not empty, as one snapshot. As pt_table_publish() for failures; where it
 * is PT_FENCED or nothing was published, the files written on the way are removed.
 */
enum pt_code pt_table_append(struct pt_table *table, struct pt_json files, uint64_t checkpoint,
                             int64_t now_ms, struct pt_error *err) PT_MUST_USE;

/* Remove what no kept snapshot names; `*removed_out` counts data files. */
enum pt_code pt_table_remove_orphans(struct pt_table *table, uint64_t *removed_out,
                                     struct pt_error *err) PT_MUST_USE;

#endif
