/*
 * rows_duck.h - the yardstick: DuckDB's COPY of rows in memory to one Parquet file
 */
#ifndef PT_BENCH_ROWS_DUCK_H
#define PT_BENCH_ROWS_DUCK_H

#include "stream/records.h"

struct bench_duck;

/* DuckDB in memory, one thread, with a table function over the rows of `records`. */
struct bench_duck *bench_duck_open(void);
void bench_duck_close(struct bench_duck *duck);

/* Take over the records as they are now: rows as DuckDB wants them. Text stays in the records. */
void bench_duck_take(struct bench_duck *duck, const struct bench_records *records);

/* COPY to `path`, Parquet with zstd, `options` (", ROW_GROUP_SIZE …") behind; CPU seconds of it. */
double bench_duck_copy(struct bench_duck *duck, const char *path, const char *options);

/* Bytes of the file. */
uint64_t bench_file_bytes(const char *path);

#endif
