/*
 * stats.h - what a data file holds, column by column, and its description as JSON
 *
 * Only src/lake includes this. Bounds are in Iceberg's single-value binary form: integers and
 * times little-endian, strings UTF-8 cut to 16 characters, a UUID its 16 bytes.
 */
#ifndef PT_LAKE_STATS_H
#define PT_LAKE_STATS_H

#include "lake/columns.h"
#include "wire/frame.h"

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
    unsigned column_count; /* set by the parser: an older program knew the first columns only */
    struct pt_column_stats columns[PT_COLUMN_COUNT];
};

/* What was seen of a column so far. Texts are borrowed from the rows. */
struct pt_extremes {
    bool has_value;
    int64_t least;
    int64_t most;
    struct pt_span first; /* by bytes, which for UTF-8 is by code point */
    struct pt_span last;
    uint64_t first_key; /* their first eight bytes as a number, which mostly decides */
    uint64_t last_key;
    uint8_t top_bits[2]; /* of each half of a UUID: bit 0 where a 0 was seen, bit 1 where a 1 was */
};

/* Counts and bounds under way; all zero at first. */
struct pt_file_stats {
    uint64_t null_counts[PT_COLUMN_COUNT];
    struct pt_extremes seen[PT_COLUMN_COUNT];
};

/* Slow half of pt_file_stats_take(): a text that may be a new extreme. */
void pt_extremes_take_bytes(struct pt_extremes *seen, struct pt_span bytes, uint64_t key);

/* The first eight bytes as a number: less or greater as the bytes are, where not equal. */
static inline uint64_t pt_bytes_key(struct pt_span bytes)
{
    uint8_t head[8] = {0};

    if (bytes.size >= sizeof(head)) {
        return __builtin_bswap64(pt_get_u64(bytes.data));
    }
    if (bytes.size > 0) {
        memcpy(head, bytes.data, bytes.size);
    }
    return __builtin_bswap64(pt_get_u64(head));
}

/*
 * One cell of `column`, which is of `kind`; each row of the file is to be added once to each
 * column. Inlined into the loop that has the cell at hand.
 */
static inline void pt_file_stats_take(struct pt_file_stats *file, unsigned column,
                                      enum pt_column_kind kind, struct pt_cell cell)
{
    struct pt_extremes *seen = &file->seen[column];
    uint64_t key = 0;

    if (cell.is_null) {
        file->null_counts[column]++;
        return;
    }
    if (kind == PT_COLUMN_TIME || kind == PT_COLUMN_LONG || kind == PT_COLUMN_BOOL) {
        if (!seen->has_value || cell.integer < seen->least) {
            seen->least = cell.integer;
        }
        if (!seen->has_value || cell.integer > seen->most) {
            seen->most = cell.integer;
        }
        seen->has_value = true;
        return;
    }
    key = pt_bytes_key(cell.bytes);
    if (!seen->has_value || key <= seen->first_key || key >= seen->last_key) {
        pt_extremes_take_bytes(seen, cell.bytes, key);
    }
    if (kind == PT_COLUMN_UUID) {
        seen->top_bits[0] |= (uint8_t)(1u << (cell.bytes.data[0] >> 7));
        seen->top_bits[1] |= (uint8_t)(1u << (cell.bytes.data[8] >> 7));
    }
}

/* Null counts and bounds of all columns; file_bytes are left as they are. */
void pt_file_stats_finish(const struct pt_file_stats *file,
                          struct pt_column_stats stats_out[PT_COLUMN_COUNT]);

/* The bounds alone, of a text; `upper` false gives the lower one. */
struct pt_bound pt_text_bound(struct pt_span text, bool upper);

/* One JSON object; what pt_data_file_parse() reads. */
void pt_data_file_write(const struct pt_data_file *file, struct pt_jsonw *w);
/* `file_out->path` is borrowed from `json`. PT_CORRUPT where it is not such an object. */
enum pt_code pt_data_file_parse(struct pt_json json, struct pt_data_file *file_out,
                                struct pt_error *err) PT_MUST_USE;

#endif
