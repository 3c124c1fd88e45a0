/*
 * idset_inside.h - what the files of the id set share
 */
#ifndef PT_STREAM_IDSET_INSIDE_H
#define PT_STREAM_IDSET_INSIDE_H

#include "stream/filter.h"
#include "stream/idset.h"
#include "stream/idset_open.h"
#include "stream/merge.h"
#include "stream/run.h"

/* Runs in the order of their ids' arrival. */
struct pt_runs {
    struct pt_run **items;
    size_t count;
    size_t capacity;
};

struct pt_idset {
    struct pt_io *io; /* borrowed */
    char *dir;
    unsigned window_hours;
    unsigned tag_hours; /* hours that share a tag in the filter */
    bool is_approximate;
    struct pt_id_key key;
    struct pt_open_ids open;
    struct pt_runs runs;
    struct pt_filter filter; /* holds every id of `runs` and, unless it is short, of `open` */
    bool is_filter_short; /* an open id found no room: made anew before the open table is cleared */
    uint32_t newest_bucket;
    size_t files_open;
    unsigned files_written; /* in file names: a second try never writes over a live run */
    struct pt_merger *merger;
    uint64_t block_reads;
    uint64_t merges;
    uint64_t merge_failures;
    struct pt_error merge_failure; /* the last one, so that it is logged once */
};

/* Whether a bucket's last moment lies a whole window before the newest bucket's first. */
static inline bool pt_idset_is_old(const struct pt_idset *set, uint32_t bucket)
{
    return set->newest_bucket > set->window_hours &&
           bucket < set->newest_bucket - set->window_hours;
}

static inline uint8_t pt_idset_tag(const struct pt_idset *set, uint32_t bucket)
{
    return (uint8_t)(bucket / set->tag_hours);
}

enum pt_code pt_runs_add(struct pt_runs *runs, struct pt_run *run, struct pt_error *err);

/* A new filter with every id of `runs`, read from their hashes. Pair with pt_filter_release(). */
enum pt_code pt_idset_make_filter(const struct pt_idset *set, const struct pt_runs *runs,
                                  struct pt_filter *filter_out, struct pt_error *err);

#endif
