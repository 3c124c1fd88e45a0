/*
 * compact.h - many small files of a day become few big ones, sorted
 *
 * For each day of event_time the small data files are read, their rows sorted by event_name,
 * user_id and event_time, and written as files of about a target size; one snapshot with Iceberg's
 * operation "replace" puts each new file in the place of the old ones. It carries the checkpoint
 * number of its parent, so the stream engine goes on as if nothing had been.
 *
 * Promise: the table's rows are the same before and after. Before the commit the new file is read
 * back: its rows must be as many as the old files' and their hashes have the same sum, or nothing
 * is committed. The old files stay until the last snapshot that names them is expired. A crash
 * leaves files that no snapshot names. Whoever commits beside it is not held up: a commit that
 * finds the table changed looks again, and where one of the old files has gone, the new one is
 * given up.
 *
 * Memory, beside what the room's other parts need: about `memory_bytes`, however big the day is.
 * Of one table one compactor runs at a time, whatever the process.
 */
#ifndef PT_LAKE_COMPACT_H
#define PT_LAKE_COMPACT_H

#include "base/clock.h"
#include "base/io.h"

struct pt_compactor;

/* One new file, or with `is_dry_run` what would become one. */
struct pt_compacted {
    int64_t day; /* since 1970-01-01 */
    uint64_t files_in;
    uint64_t rows;
    uint64_t bytes_in;
    uint64_t bytes_out; /* 0: dry run */
    const char *path;   /* relative to the table; NULL: dry run */
};

struct pt_compact_options {
    uint64_t target_file_bytes; /* 0: 128 MiB */
    uint64_t memory_bytes;      /* 0: 1 GiB; 1.5 KiB a row, so it bounds the rows of a file */
    unsigned files_min;         /* small files that a past day must have; 0: 2 */
    unsigned files_min_today;   /* the same of the present day, and of days to come */
    bool is_thorough;           /* take files together however different their sizes */
    bool has_day;               /* that day alone */
    int64_t day;
    bool is_dry_run;
    void (*each)(void *ctx, const struct pt_compacted *made); /* NULL: nobody wants to know */
    void *ctx;
};

struct pt_compact_result {
    uint64_t snapshots; /* files made, which is one a snapshot */
    uint64_t files_in;
    uint64_t rows;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t conflicts; /* given up, because a file of theirs was replaced or removed meanwhile */
    bool was_stopped;
};

/* `dir` is the table's; nothing is read yet. Pair with pt_compactor_close(). */
enum pt_code pt_compactor_open(struct pt_compactor **compactor_out, struct pt_io *io,
                               struct pt_clock *clock, const char *dir,
                               struct pt_error *err) PT_MUST_USE;
void pt_compactor_close(struct pt_compactor *compactor); /* NULL is fine */

/*
 * Compact what there is to compact. PT_NOT_FOUND: no table. PT_FENCED: another compactor is at
 * work. Where one day fails the others are still done; the first failure is returned, and what was
 * committed before stands in `result`.
 */
enum pt_code pt_compactor_run(struct pt_compactor *compactor,
                              const struct pt_compact_options *options,
                              struct pt_compact_result *result, struct pt_error *err) PT_MUST_USE;

/* Any thread, once: a run that is under way ends soon, later ones do nothing. */
void pt_compactor_stop(struct pt_compactor *compactor);

#endif
