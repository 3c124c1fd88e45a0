/*
 * seal.h - a data file's name tells its checksum
 *
 * Only src/lake includes this. Parquet as DuckDB writes it holds no checksum, so a changed byte may
 * go unnoticed for ever, or change a number. "…/ckpt-00000012.parquet" becomes
 * "…/ckpt-00000012.0123456789abcdef.parquet", the XXH3-64 of the file: whatever program rewrites
 * Iceberg's metadata, the name stays. pt_lake_file_sum() (lake.h) reads it back.
 */
#ifndef PT_LAKE_SEAL_H
#define PT_LAKE_SEAL_H

#include "base/io.h"

/*
 * The file DIR/`*name` (heap; a name that ends in .parquet, relative to `dir`) is whole: sync it,
 * name it by its checksum, and sync the directory it is in. `*name` is replaced by the new one,
 * also on the heap. On a failure the file may have either name.
 */
enum pt_code pt_data_seal(struct pt_io *io, const char *dir, char **name, uint64_t *bytes_out,
                          struct pt_error *err) PT_MUST_USE;

#endif
