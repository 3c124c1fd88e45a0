/*
 * commit.h - one snapshot more: files added, files removed
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_COMMIT_H
#define PT_LAKE_COMMIT_H

#include "lake/table.h"

/* Manifests smaller than the second are merged into one once there are as many as the first. */
#define PT_MANIFESTS_MERGE_COUNT 100
#define PT_MANIFEST_SMALL_BYTES (8 << 20)

enum pt_operation {
    PT_OPERATION_APPEND,    /* adds rows */
    PT_OPERATION_REPLACE,   /* the same rows in other files: as many rows go as come */
    PT_OPERATION_OVERWRITE, /* rows go or change */
};

/* What a commit does to the table's current snapshot, whichever that is when it succeeds. */
struct pt_change {
    enum pt_operation operation;
    struct pt_json added;       /* descriptions as of pt_lake_write(); absent or empty: none */
    const char *const *removed; /* data files by their place now, as pt_lake_read() gives them */
    size_t removed_count;
    uint64_t checkpoint;        /* 0: the number that the table has goes on */
    uint64_t checkpoint_before; /* where `checkpoint` is set: what the table must be at */
};

/*
 * Put the change into the table as one snapshot. Where somebody else has changed the table
 * meanwhile, it is read anew and the change tried again, a bounded number of times:
 *
 *   PT_FENCED   a file to be removed is no longer in the table, the table is not at
 *               `checkpoint_before`, or it is another table: nothing is changed;
 *   PT_AGAIN    others were faster each time: nothing is changed;
 *   PT_INVALID  the table is one that this program may not write to, or a replacement
 *               does not have the rows of what it replaces: nothing is changed;
 *   PT_CORRUPT  an added file is gone or not of its size: nothing is changed.
 *
 * Any other failure leaves open whether the change is in the table: load it again and look. Files
 * written on the way (manifests) are removed where nothing was published. The removed data files
 * stay on the disk until their last snapshot expires.
 */
enum pt_code pt_table_commit(struct pt_table *table, const struct pt_change *change, int64_t now_ms,
                             struct pt_error *err) PT_MUST_USE;

#endif
