/*
 * idset.h - which event ids were seen: exact, durable, bounded in time
 *
 * Ids since the last checkpoint stand in an open table in memory. A checkpoint writes them as an
 * immutable sorted run into the bucket (hour of receipt) they were last seen in; a thread merges
 * the runs of a bucket as they grow; buckets older than the window are dropped whole. Before all
 * runs stands one filter in memory: it skips reads, the sorted ids decide. One thread calls; the
 * merging thread (merge.h) shares nothing with it.
 *
 * Promise: an id seen less than `window_hours` ago is found, also after a crash, provided that the
 * caller's checkpoint names the runs that pt_idset_write() left.
 */
#ifndef PT_STREAM_IDSET_H
#define PT_STREAM_IDSET_H

#include "base/io.h"
#include "base/json.h"
#include "wire/uuid.h"

struct pt_idset;
struct pt_metrics;

/* `dir` holds the run files; created where absent. */
enum pt_code pt_idset_open(struct pt_idset **set_out, struct pt_io *io, const char *dir,
                           unsigned window_hours, struct pt_error *err) PT_MUST_USE;
void pt_idset_close(struct pt_idset *set);

/*
 * Approximate mode, from now on: the filter alone decides and runs keep no ids, only hashes. A new
 * id is taken for a seen one, and its event dropped, with the probability that pt_idset_stats()
 * tells and this logs. Runs written so hold no ids to decide by: after a return to exact mode the
 * filter still answers for them until they are dropped.
 */
void pt_idset_set_approximate(struct pt_idset *set);

/*
 * Take over the runs that a checkpoint names (the array pt_idset_describe() wrote). Headers,
 * indexes and hashes are verified; a block of ids is when it is read. PT_INVALID: a newer playtrace
 * wrote one.
 */
enum pt_code pt_idset_load(struct pt_idset *set, struct pt_json runs,
                           struct pt_error *err) PT_MUST_USE;

/*
 * Note `id`, received at `received_at_us`. `*is_new_out` false: it was seen before. Times may go
 * back a little; an id is kept by the latest time seen so far, and a twin renews it. PT_CORRUPT
 * names file and block.
 */
enum pt_code pt_idset_add(struct pt_idset *set, const uint8_t id[PT_UUID_BYTES],
                          int64_t received_at_us, bool *is_new_out,
                          struct pt_error *err) PT_MUST_USE;

/*
 * Many at once, in order: what each needs of memory is fetched while others are worked on. On
 * failure those before `*done_out` are noted and the rest are not.
 */
enum pt_code pt_idset_add_batch(struct pt_idset *set, const uint8_t *const *ids,
                                const int64_t *received_at_us, size_t count, bool *is_new_out,
                                size_t *done_out, struct pt_error *err) PT_MUST_USE;

/* Hint that `id` will be asked for soon: its cache lines are fetched. */
void pt_idset_prefetch(const struct pt_idset *set, const uint8_t id[PT_UUID_BYTES]);

/* Ids in the open table. */
size_t pt_idset_open_count(const struct pt_idset *set);

/*
 * Write the open table as runs named by `checkpoint`, take what was merged, forget old buckets.
 * Synced when it returns. It may be repeated for the same number. On failure the set is as before.
 * A merge that failed is logged and tried again, and is no failure here.
 */
enum pt_code pt_idset_write(struct pt_idset *set, uint64_t checkpoint,
                            struct pt_error *err) PT_MUST_USE;

/* The live runs as a JSON array, for the checkpoint. */
void pt_idset_describe(const struct pt_idset *set, struct pt_jsonw *runs);

/*
 * Remove run files that neither the set names nor a merge is writing. Only once a checkpoint names
 * what the set does.
 */
enum pt_code pt_idset_remove_stale(struct pt_idset *set, struct pt_error *err) PT_MUST_USE;

/* Wait for the merge that runs, if one does: for tests and measurements. */
void pt_idset_wait_merge(struct pt_idset *set);

struct pt_idset_stats {
    uint64_t ids; /* in runs */
    uint64_t runs;
    uint64_t disk_bytes;
    uint64_t memory_bytes;   /* filter, indexes, open table */
    uint64_t block_reads;    /* since open, as all below */
    uint64_t merges;         /* taken */
    uint64_t merge_failures; /* each was or will be tried again */
    double false_rate;       /* how likely the filter takes a new id for a seen one */
};
void pt_idset_stats(const struct pt_idset *set, struct pt_idset_stats *stats_out);

/* The same as metrics, playtrace_dedup_…. */
void pt_idset_report(const struct pt_idset *set, struct pt_metrics *metrics);

#endif
