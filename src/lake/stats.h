/*
 * stats.h - what a data file holds, column by column, and its description as JSON
 *
 * Only src/lake includes this. Bounds are in Iceberg's single-value binary form: integers and
 * times little-endian, strings UTF-8 cut to 16 characters, a UUID its 16 bytes.
 */
#ifndef PT_LAKE_STATS_H
#define PT_LAKE_STATS_H

#include "lake/columns.h"

#define PT_BOUND_CHARACTERS_MAX 16
#define PT_BOUND_BYTES_MAX (4 * PT_BOUND_CHARACTERS_MAX)

struct pt_bound {
    bool is_set;
    uint8_t size;
    uint8_t data[PT_BOUND_BYTES_MAX];
};

struct pt_column_stats {
    uint64_t file_bytes; /* compressed, in the file; 0 where not known */
    uint64_t null_count;
    struct pt_bound lower; /* <= every value */
    struct pt_bound upper; /* >= every value; not set where no such text of 16 characters exists */
};

struct pt_data_file {
    struct pt_span path; /* relative to the table's directory */
    int64_t day;         /* since 1970-01-01, UTC */
    uint64_t rows;
    uint64_t bytes;
    struct pt_column_stats columns[PT_COLUMN_COUNT];
};

/* Null counts and bounds of all columns over rows[order[0..count-1]]; file_bytes are left as they
 * are. */
void pt_file_stats_take(struct pt_column_stats stats[PT_COLUMN_COUNT], const struct pt_row *rows,
                        const uint32_t *order, size_t count);

/* The bounds alone, of a text; `upper` false gives the lower one. */
struct pt_bound pt_text_bound(struct pt_span text, bool upper);

/* One JSON object; what pt_data_file_parse() reads. */
void pt_data_file_write(const struct pt_data_file *file, struct pt_jsonw *w);
/* `file_out->path` is borrowed from `json`. PT_CORRUPT where it is not such an object. */
enum pt_code pt_data_file_parse(struct pt_json json, struct pt_data_file *file_out,
                                struct pt_error *err) PT_MUST_USE;

#endif
