/*
 * lake_inside.h - what lake.h's functions for writers share
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_LAKE_INSIDE_H
#define PT_LAKE_LAKE_INSIDE_H

#include "lake/commit.h"
#include "lake/duck.h"

/*
 * In the table's directory: held by a compaction while it makes files that no snapshot names yet,
 * and by whoever removes such files.
 */
#define PT_COMPACT_LOCK "compact.lock"

struct pt_lake {
    struct pt_io *io;
    struct pt_clock *clock;
    struct pt_table table;
    struct pt_duck *duck; /* NULL until something is written */
    bool is_stale;        /* a failed commit left open which version is current */
    uint64_t checkpoint;  /* what this handle's engine knows the table to be at */
    struct {
        uint64_t checkpoint; /* the number that was written last */
        char **paths;        /* owned: its files, while it may yet be written again */
        size_t count;
    } written;
    uint64_t tried; /* a number that it may be at as well, since a commit failed */
};

int64_t pt_lake_now_ms(struct pt_lake *lake);

/* Read the table as it is now; what is visible is made durable, since it is built upon. */
enum pt_code pt_lake_refresh(struct pt_lake *lake, struct pt_error *err) PT_MUST_USE;

/* The DuckDB of this handle, opened at the first call. */
enum pt_code pt_lake_duck(struct pt_lake *lake, struct pt_duck **duck_out,
                          struct pt_error *err) PT_MUST_USE;

/* pt_table_commit(), after pt_lake_refresh() where a failed commit made that necessary. */
enum pt_code pt_lake_change(struct pt_lake *lake, const struct pt_change *change,
                            struct pt_error *err) PT_MUST_USE;

#endif
