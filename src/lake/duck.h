/*
 * duck.h - rows into Parquet, for src/lake only
 *
 * The rest of what duck.c offers is public and stands in lake.h.
 */
#ifndef PT_LAKE_DUCK_H
#define PT_LAKE_DUCK_H

#include "lake/stats.h"

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

#endif
