/*
 * idset.h - which event ids were seen: exact, durable, bounded in time
 *
 * Ids since the last checkpoint stand in an open table in memory. A checkpoint writes
 * them as an immutable sorted run into the bucket (hour of receipt) they were first seen
 * in; runs of a bucket are merged as they grow; buckets older than the window are dropped
 * whole. Before each run stand its least and greatest id and a blocked Bloom filter: both
 * only ever skip reads, the sorted ids decide. One thread.
 *
 * Promise: an id added less than `window_hours` ago is found, also after a crash, provided that the
 * caller's checkpoint names the runs that pt_idset_write() left.
 */
#ifndef PT_STREAM_IDSET_H
#define PT_STREAM_IDSET_H

#include "base/io.h"
#include "base/json.h"
#include "wire/uuid.h"

struct pt_idset;

/* `dir` holds the run files; created where absent. */
enum pt_code pt_idset_open(struct pt_idset **set_out, struct pt_io *io, const char *dir,
                           unsigned window_hours, struct pt_error *err) PT_MUST_USE;
void pt_idset_close(struct pt_idset *set);

/* Take over the runs that a checkpoint names (the array pt_idset_describe() wrote); each is
 * verified. */
enum pt_code pt_idset_load(struct pt_idset *set, struct pt_json runs,
                           struct pt_error *err) PT_MUST_USE;

/*
 * Note `id`, received at `received_at_us`. `*is_new_out` false: it was seen before. Times may go
 * back a little; an id is kept by the latest time seen so far.
 */
enum pt_code pt_idset_add(struct pt_idset *set, const uint8_t id[PT_UUID_BYTES],
                          int64_t received_at_us, bool *is_new_out,
                          struct pt_error *err) PT_MUST_USE;

/* Hint that `id` will be asked for soon: its cache lines are fetched. */
void pt_idset_prefetch(const struct pt_idset *set, const uint8_t id[PT_UUID_BYTES]);

/* Ids in the open table. */
size_t pt_idset_open_count(const struct pt_idset *set);

/*
 * Write the open table as runs named by `checkpoint`, merge what is due, forget old buckets. Synced
 * when it returns. It may be repeated for the same number. On failure the set is as before.
 */
enum pt_code pt_idset_write(struct pt_idset *set, uint64_t checkpoint,
                            struct pt_error *err) PT_MUST_USE;

/* The live runs as a JSON array, for the checkpoint. */
void pt_idset_describe(const struct pt_idset *set, struct pt_jsonw *runs);

/* Remove run files that the set does not name. Only once a checkpoint names what it does. */
enum pt_code pt_idset_remove_stale(struct pt_idset *set, struct pt_error *err) PT_MUST_USE;

struct pt_idset_stats {
    uint64_t ids; /* in runs */
    uint64_t runs;
    uint64_t disk_bytes;
    uint64_t memory_bytes; /* filters and indexes */
    uint64_t block_reads;  /* since open */
};
void pt_idset_stats(const struct pt_idset *set, struct pt_idset_stats *stats_out);

#endif
