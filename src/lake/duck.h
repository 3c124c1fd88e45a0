/*
 * duck.h - rows into Parquet, and Parquet files into a sorted one, for src/lake only
 *
 * The rest of what DuckDB does for us is public and stands in lake.h.
 */
#ifndef PT_LAKE_DUCK_H
#define PT_LAKE_DUCK_H

#include "lake/stats.h"

/* ---- duck_parquet.c ---- */

/*
 * Write rows[order[0..count-1]], count >= 1, as one Parquet file at `path` (replaced where it
 * exists) with the table's field ids of our columns. DuckDB writes the file itself, past pt_io;
 * nothing is synced. On failure the file may be there in part. The rows' text is borrowed until the
 * call returns. Sets rows, bytes and columns of `file`.
 */
enum pt_code pt_duck_write_parquet(struct pt_duck *duck, const struct pt_row *rows,
                                   const uint32_t *order, size_t count,
                                   const int32_t field_ids[PT_COLUMN_COUNT], const char *path,
                                   struct pt_data_file *file, struct pt_error *err) PT_MUST_USE;

/* ---- duck_sort.c ---- */

struct pt_sort_column {
    const char *name;
    int32_t field_id;
};

struct pt_sort {
    const char *from; /* SQL that gives the rows and may follow FROM */
    const struct pt_sort_column *columns;
    size_t column_count;
    const char *path; /* the file to make, replaced where it exists */
};

/* Equal for equal rows in any order, and for others only by a chance of 2^-64. */
struct pt_rows_digest {
    uint64_t rows;
    char hashes[48]; /* the sum of the rows' hashes, decimal */
};

/*
 * An in-memory database for big sorts: one thread, about `memory_bytes`, what does not fit goes to
 * files in `spill_dir`, which it removes.
 */
enum pt_code pt_duck_open_sorter(struct pt_duck **duck_out, uint64_t memory_bytes,
                                 const char *spill_dir, struct pt_error *err) PT_MUST_USE;
/* Any thread: what runs now fails soon; nothing, where nothing runs. */
void pt_duck_interrupt(struct pt_duck *duck);

enum pt_code pt_duck_digest(struct pt_duck *duck, const struct pt_sort *sort,
                            struct pt_rows_digest *digest_out, struct pt_error *err) PT_MUST_USE;
/*
 * Write the rows, `rows` of them, to `sort->path`, by event_name, user_id, event_time, as one row
 * group; nothing is synced. On failure the file may be there in part. PT_NO_MEMORY: fewer rows may
 * do.
 */
enum pt_code pt_duck_sort(struct pt_duck *duck, const struct pt_sort *sort, uint64_t rows,
                          struct pt_error *err) PT_MUST_USE;
/* Read the file at `sort->path` back: its rows, and statistics of our columns into `file_out`. */
enum pt_code pt_duck_describe(struct pt_duck *duck, const struct pt_sort *sort,
                              struct pt_rows_digest *digest_out, struct pt_data_file *file_out,
                              struct pt_error *err) PT_MUST_USE;

#endif
