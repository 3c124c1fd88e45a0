/*
 * duck.h - rows into Parquet, for src/lake only
 *
 * The rest of what duck.c offers is public and stands in lake.h.
 */
#ifndef PT_LAKE_DUCK_H
#define PT_LAKE_DUCK_H

#include "lake/columns.h"

struct pt_parquet_sizes {
    uint64_t file_bytes;
    uint64_t column_bytes[PT_COLUMN_COUNT]; /* compressed; 0 where DuckDB does not say */
};

/*
 * Write rows[order[0..count-1]], count >= 1, as one Parquet file at `path` (replaced where it
 * exists) with the table's field ids. DuckDB writes the file itself, past pt_io; nothing is synced.
 * On failure the file may be there in part. The rows' text is borrowed until the call returns.
 */
enum pt_code pt_duck_write_parquet(struct pt_duck *duck, const struct pt_row *rows,
                                   const uint32_t *order, size_t count, const char *path,
                                   struct pt_parquet_sizes *sizes_out,
                                   struct pt_error *err) PT_MUST_USE;

#endif
