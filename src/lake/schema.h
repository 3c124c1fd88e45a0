/*
 * schema.h - the columns that the table has, beside those that this program writes
 *
 * Only src/lake includes this. A table may have fewer columns than this program writes (an older
 * one made it) and others beside them (somebody added them). Ours are found by name, and those of
 * PT_COLUMN_FIXED by their field id too, so that a renamed or dropped one is noticed.
 */
#ifndef PT_LAKE_SCHEMA_H
#define PT_LAKE_SCHEMA_H

#include "lake/stats.h"

#define PT_COLUMN_FIXED 19 /* the first ones, whose field id is their index plus one */

struct pt_schema {
    int32_t schema_id;
    struct pt_lake_column *columns; /* in the table's order */
    size_t count;
    int32_t field_ids[PT_COLUMN_COUNT]; /* of our columns; 0: the table lacks it */
    bool lacks_columns;
};

/*
 * The schema with `schema_id` in table metadata; texts lie in `arena`. PT_INVALID where a column
 * of ours was renamed, dropped, made another type, or one that we cannot fill is required.
 */
enum pt_code pt_schema_read(struct pt_schema *schema_out, struct pt_json root, int64_t schema_id,
                            struct pt_arena *arena, struct pt_error *err) PT_MUST_USE;

/* DuckDB's type for one of Iceberg's, in `arena`; NULL for a nested or unknown one. */
const char *pt_schema_sql_type(struct pt_span iceberg_type, struct pt_arena *arena);

/* The schema of a new table as Iceberg's JSON: our columns. */
void pt_schema_write_first(struct pt_jsonw *w);

/*
 * The schema `root` has now, as number `schema_id`, with our missing columns and, where `name` is
 * not NULL, that optional one of Iceberg's type `type` at the end. `last_id` is the greatest field
 * id ever used and is advanced.
 */
void pt_schema_write_next(struct pt_jsonw *w, const struct pt_schema *schema, struct pt_json root,
                          int32_t schema_id, int64_t *last_id, const char *name, const char *type);

#endif
