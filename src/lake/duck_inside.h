/*
 * duck_inside.h - what the files around DuckDB share
 *
 * Only duck.c, duck_value.c and duck_parquet.c include this, and nothing else duckdb.h.
 */
#ifndef PT_LAKE_DUCK_INSIDE_H
#define PT_LAKE_DUCK_INSIDE_H

#include "lake/duck.h"

#include <duckdb.h>

/* What the table function pt_rows() gives out. */
struct pt_duck_feed {
    const struct pt_row *rows;
    const uint32_t *order;
    size_t count;
    size_t at;
    char *hex;                   /* owned: the hex text of one chunk's HEX columns */
    struct pt_file_stats *stats; /* of the rows given out so far */
};

struct pt_duck {
    duckdb_database database;
    duckdb_connection connection;
    struct pt_duck_feed feed;
    bool has_feed; /* pt_rows() is registered */
};

struct pt_duck_column {
    duckdb_type type;
    duckdb_logical_type logical_type; /* owned */
    duckdb_vector vector;             /* of the current chunk */
    char *text;                       /* duckdb_free: of the last value shown as text */
};

struct pt_duck_result {
    duckdb_result result;
    duckdb_data_chunk chunk; /* NULL before the first row */
    idx_t row;
    idx_t row_count; /* of the chunk */
    size_t column_count;
    struct pt_duck_column *columns;
};

/* The result's error as ours: the class, and DuckDB's message on one line. */
enum pt_code pt_duck_fail(struct pt_error *err, duckdb_result *result);

static inline bool pt_duck_is_null(duckdb_vector vector, idx_t row)
{
    uint64_t *validity = duckdb_vector_get_validity(vector);

    return validity && !duckdb_validity_row_is_valid(validity, row);
}

/* Of a text or blob; borrowed from the vector. */
static inline struct pt_span pt_duck_string_at(duckdb_vector vector, idx_t row)
{
    duckdb_string_t *string = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;

    return pt_span_of(duckdb_string_t_data(string), duckdb_string_t_length(*string));
}

#endif
