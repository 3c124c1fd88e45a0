/*
 * columns.h - the table's columns, and a row's cell in each
 *
 * Only src/lake includes this. A column's Iceberg field id is its index plus one and never
 * changes (docs/formats/lake.md); new columns go at the end.
 */
#ifndef PT_LAKE_COLUMNS_H
#define PT_LAKE_COLUMNS_H

#include "lake/lake.h"

enum pt_column_kind {
    PT_COLUMN_UUID, /* 16 bytes */
    PT_COLUMN_HEX,  /* 16 bytes, text in the table: 32 lower-case hex digits */
    PT_COLUMN_TEXT,
    PT_COLUMN_TIME, /* UTC microseconds */
    PT_COLUMN_LONG,
    PT_COLUMN_BOOL,
};

enum pt_column_index {
    PT_COLUMN_EVENT_ID,
    PT_COLUMN_EVENT_NAME,
    PT_COLUMN_EVENT_TIME,
    PT_COLUMN_OCCURRED_AT,
    PT_COLUMN_RECEIVED_AT,
    PT_COLUMN_USER_ID,
    PT_COLUMN_SESSION_ID,
    PT_COLUMN_SEQ,
    PT_COLUMN_INSTALL_ID,
    PT_COLUMN_BOOT,
    PT_COLUMN_BUILD_ID,
    PT_COLUMN_PLATFORM,
    PT_COLUMN_MECHANIC_VERSION,
    PT_COLUMN_ATTRIBUTES,
    PT_COLUMN_CLOCK_SKEW_US,
    PT_COLUMN_IS_LATE,
    PT_COLUMN_COUNTRY,
    PT_COLUMN_REGION,
    PT_COLUMN_CITY,
    PT_COLUMN_COUNT,
};

struct pt_column {
    const char *name;
    enum pt_column_kind kind;
    bool is_required;
};

extern const struct pt_column pt_columns[PT_COLUMN_COUNT];

/* "uuid", "string", "timestamptz", "long" or "boolean". */
const char *pt_column_iceberg_type(enum pt_column_kind kind);
/* The same for DuckDB: "UUID", "VARCHAR", … */
const char *pt_column_sql_type(enum pt_column_kind kind);

struct pt_cell {
    bool is_null;
    int64_t integer;      /* TIME, LONG, BOOL */
    struct pt_span bytes; /* UUID and HEX (16 bytes), TEXT; borrowed from the row */
};

/* The cells of `column` in rows[order[0..count-1]]. A column at a time: the choice is made once. */
void pt_cells_gather(unsigned column, const struct pt_row *rows, const uint32_t *order,
                     size_t count, struct pt_cell *cells_out);

#endif
