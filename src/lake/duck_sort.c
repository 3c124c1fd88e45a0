/*
 * duck_sort.c - Parquet files into a sorted one, and what that one holds
 *
 * ONE ROW GROUP A FILE. A row group has a dictionary of its own a column, and sorted by event_name
 * first, a player stands in every row group. Measured on a million events of the benchmarks, 52.9
 * bytes each as DuckDB writes them unsorted: 48.7 in one row group, 60.6 in two, 62.8 in four. What
 * that costs is memory, some 1.5 KiB a row, which bounds the rows of a file (compact.c).
 */
#include "lake/duck.h"

#include "wire/uuid.h"

#include <inttypes.h>

#define SQL_BYTES_MAX (16u << 20)
#define CHUNK_ROWS 2048 /* DuckDB's vector size, by which it counts a row group */
#define ZSTD_LEVEL 9    /* 3: 12 % bigger; 12: 2 % smaller for a third more of CPU */

enum pt_code pt_duck_open_sorter(struct pt_duck **duck_out, uint64_t memory_bytes,
                                 const char *spill_dir, struct pt_error *err)
{
    struct pt_buf sql;
    enum pt_code code = pt_duck_open(duck_out, 1, err);

    if (code) {
        return code;
    }
    pt_buf_init(&sql, SQL_BYTES_MAX);
    /* The order of rows that are equal in all keys is nobody's: keeping it costs memory. */
    pt_buf_appendf(&sql,
                   "SET memory_limit = '%" PRIu64 "KiB'; SET preserve_insertion_order = false; "
                   "SET temp_directory = ",
                   memory_bytes / 1024);
    pt_sql_append_text(&sql, spill_dir);
    pt_buf_append_byte(&sql, '\0');
    code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "open DuckDB")
                          : pt_duck_run(*duck_out, (const char *)sql.data, err);
    pt_buf_release(&sql);
    if (code) {
        pt_duck_close(*duck_out);
        *duck_out = NULL;
    }
    return code;
}

/* "name", quotes doubled. */
static void append_name(struct pt_buf *sql, const char *name)
{
    pt_buf_append_byte(sql, '"');
    for (const char *at = name; *at; at++) {
        if (*at == '"') {
            pt_buf_append_byte(sql, '"');
        }
        pt_buf_append_byte(sql, (uint8_t)*at);
    }
    pt_buf_append_byte(sql, '"');
}

static void append_names(struct pt_buf *sql, const struct pt_sort *sort)
{
    for (size_t i = 0; i < sort->column_count; i++) {
        pt_buf_append_str(sql, i ? ", " : "");
        append_name(sql, sort->columns[i].name);
    }
}

/* ---- the digest ---- */

/* count(*) and the sum of the hashes, the first two columns of what is asked. */
static void append_digest(struct pt_buf *sql, const struct pt_sort *sort)
{
    pt_buf_append_str(sql, "SELECT count(*), coalesce(sum(hash(");
    append_names(sql, sort);
    pt_buf_append_str(sql, ")), 0)::VARCHAR");
}

static void take_digest(struct pt_duck_result *result, struct pt_rows_digest *digest_out)
{
    struct pt_duck_value hashes = pt_duck_value_at(result, 1);

    snprintf(digest_out->hashes, sizeof(digest_out->hashes), "%.*s", PT_SPAN_ARG(hashes.text));
    digest_out->rows = (uint64_t)pt_duck_value_at(result, 0).integer;
}

/* One row is expected. */
static enum pt_code ask_row(struct pt_duck *duck, struct pt_buf *sql,
                            struct pt_duck_result **result_out, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    *result_out = NULL;
    pt_buf_append_byte(sql, '\0');
    if (sql->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "ask for the rows of a file");
    }
    code = pt_duck_query(duck, (const char *)sql->data, result_out, err);
    if (!code && !pt_duck_next(*result_out)) {
        code = pt_fail(err, PT_IO, "DuckDB gives no row for an aggregate");
    }
    return code;
}

enum pt_code pt_duck_digest(struct pt_duck *duck, const struct pt_sort *sort,
                            struct pt_rows_digest *digest_out, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    *digest_out = (struct pt_rows_digest){0};
    pt_buf_init(&sql, SQL_BYTES_MAX);
    append_digest(&sql, sort);
    pt_buf_appendf(&sql, " FROM %s", sort->from);
    code = ask_row(duck, &sql, &result, err);
    if (!code) {
        take_digest(result, digest_out);
    }
    pt_duck_result_close(result);
    pt_buf_release(&sql);
    return code;
}

/* ---- sorting ---- */

static void copy_sql(struct pt_buf *sql, const struct pt_sort *sort, uint64_t rows)
{
    pt_buf_append_str(sql, "COPY (SELECT ");
    append_names(sql, sort);
    pt_buf_appendf(sql, " FROM %s ORDER BY event_name, user_id, event_time) TO ", sort->from);
    pt_sql_append_text(sql, sort->path);
    /*
     * The encodings of Parquet's second version would make it 2 % smaller at best, and Iceberg's
     * vectorized reader, Spark's default, refuses them.
     */
    pt_buf_appendf(sql,
                   " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL %d, PARQUET_VERSION v1, "
                   "ROW_GROUP_SIZE %" PRIu64 ", USE_TMP_FILE false, FIELD_IDS {",
                   ZSTD_LEVEL, rows + CHUNK_ROWS);
    for (size_t i = 0; i < sort->column_count; i++) {
        pt_buf_append_str(sql, i ? ", " : "");
        append_name(sql, sort->columns[i].name);
        pt_buf_appendf(sql, ": %" PRId32, sort->columns[i].field_id);
    }
    pt_buf_append_str(sql, "})");
    pt_buf_append_byte(sql, '\0');
}

enum pt_code pt_duck_sort(struct pt_duck *duck, const struct pt_sort *sort, uint64_t rows,
                          struct pt_error *err)
{
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, SQL_BYTES_MAX);
    copy_sql(&sql, sort, rows);
    code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "sort rows")
                          : pt_duck_run(duck, (const char *)sql.data, err);
    pt_buf_release(&sql);
    return code ? pt_error_prefix(err, code, "write %s", sort->path) : PT_OK;
}

/* ---- what a file holds ---- */

#define VALUES_A_COLUMN 5 /* count, least, most, and of a UUID the least and most of digit 20 */

static void append_column(struct pt_buf *sql, unsigned column)
{
    const char *name = pt_columns[column].name;

    switch (pt_columns[column].kind) {
    case PT_COLUMN_TEXT:
    case PT_COLUMN_HEX:
        pt_buf_appendf(sql, ", count(%s), min(%s), max(%s), NULL, NULL", name, name, name);
        break;
    case PT_COLUMN_UUID:
        /* The digit tells the top bit of the second half. */
        pt_buf_appendf(sql,
                       ", count(%s), min(%s)::VARCHAR, max(%s)::VARCHAR, "
                       "min(substr(%s::VARCHAR, 20, 1)), max(substr(%s::VARCHAR, 20, 1))",
                       name, name, name, name, name);
        break;
    case PT_COLUMN_TIME:
        pt_buf_appendf(sql, ", count(%s), epoch_us(min(%s)), epoch_us(max(%s)), NULL, NULL", name,
                       name, name);
        break;
    case PT_COLUMN_LONG:
        pt_buf_appendf(sql, ", count(%s), min(%s), max(%s), NULL, NULL", name, name, name);
        break;
    case PT_COLUMN_BOOL:
        pt_buf_appendf(sql, ", count(%s), min(%s::TINYINT), max(%s::TINYINT), NULL, NULL", name,
                       name, name);
        break;
    }
}

static uint8_t top_bit(struct pt_span digit)
{
    return digit.data[0] >= '8' ? 2 : 1;
}

static bool take_ids(struct pt_span first, struct pt_span last, struct pt_span digit_least,
                     struct pt_span digit_most, uint8_t ids[2][PT_UUID_BYTES],
                     struct pt_extremes *seen)
{
    if (!pt_uuid_parse((const char *)first.data, first.size, ids[0]) ||
        !pt_uuid_parse((const char *)last.data, last.size, ids[1]) || digit_least.size != 1 ||
        digit_most.size != 1) {
        return false;
    }
    seen->first = pt_span_of(ids[0], PT_UUID_BYTES);
    seen->last = pt_span_of(ids[1], PT_UUID_BYTES);
    seen->top_bits[0] = (uint8_t)(1u << (ids[0][0] >> 7) | 1u << (ids[1][0] >> 7));
    seen->top_bits[1] = (uint8_t)(top_bit(digit_least) | top_bit(digit_most));
    return true;
}

/* Counts and bounds from the row of pt_duck_describe(). */
static enum pt_code take_columns(struct pt_duck_result *result, struct pt_data_file *file,
                                 struct pt_error *err)
{
    struct pt_file_stats stats = {0};
    uint8_t ids[PT_COLUMN_COUNT][2][PT_UUID_BYTES];

    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        struct pt_extremes *seen = &stats.seen[i];
        struct pt_duck_value values[VALUES_A_COLUMN];

        for (unsigned k = 0; k < VALUES_A_COLUMN; k++) {
            values[k] = pt_duck_value_at(result, 2 + (size_t)i * VALUES_A_COLUMN + k);
        }
        stats.null_counts[i] = file->rows - (uint64_t)values[0].integer;
        seen->has_value = values[0].integer > 0 && pt_columns[i].kind != PT_COLUMN_HEX;
        seen->least = values[1].integer;
        seen->most = values[2].integer;
        seen->first = values[1].text;
        seen->last = values[2].text;
        if (seen->has_value && pt_columns[i].kind == PT_COLUMN_UUID &&
            !take_ids(values[1].text, values[2].text, values[3].text, values[4].text, ids[i],
                      seen)) {
            return pt_fail(err, PT_CORRUPT, "bounds of %s", pt_columns[i].name);
        }
    }
    pt_file_stats_finish(&stats, file->columns);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        /* Text already, while the statistics of rows take its bytes. */
        if (pt_columns[i].kind == PT_COLUMN_HEX && file->columns[i].null_count < file->rows) {
            file->columns[i].lower = pt_text_bound(stats.seen[i].first, false);
            file->columns[i].upper = pt_text_bound(stats.seen[i].last, true);
        }
    }
    return PT_OK;
}

static void append_file(struct pt_buf *sql, const struct pt_sort *sort)
{
    pt_buf_append_str(sql, "read_parquet(");
    pt_sql_append_text(sql, sort->path);
    pt_buf_append_str(sql, ", hive_partitioning = false)");
}

/* Bytes of the columns, from the file's footer. */
static enum pt_code take_sizes(struct pt_duck *duck, const struct pt_sort *sort,
                               struct pt_data_file *file, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, SQL_BYTES_MAX);
    pt_buf_append_str(&sql, "SELECT path_in_schema, sum(total_compressed_size)::BIGINT "
                            "FROM parquet_metadata(");
    pt_sql_append_text(&sql, sort->path);
    pt_buf_append_str(&sql, ") GROUP BY 1");
    pt_buf_append_byte(&sql, '\0');
    code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "read a file's footer")
                          : pt_duck_query(duck, (const char *)sql.data, &result, err);
    while (!code && pt_duck_next(result)) {
        struct pt_duck_value name = pt_duck_value_at(result, 0);

        for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
            if (pt_span_is(name.text, pt_columns[i].name)) {
                file->columns[i].file_bytes = (uint64_t)pt_duck_value_at(result, 1).integer;
            }
        }
    }
    pt_duck_result_close(result);
    pt_buf_release(&sql);
    return code;
}

enum pt_code pt_duck_describe(struct pt_duck *duck, const struct pt_sort *sort,
                              struct pt_rows_digest *digest_out, struct pt_data_file *file_out,
                              struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    *digest_out = (struct pt_rows_digest){0};
    pt_buf_init(&sql, SQL_BYTES_MAX);
    append_digest(&sql, sort);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        append_column(&sql, i);
    }
    pt_buf_append_str(&sql, " FROM ");
    append_file(&sql, sort);
    code = ask_row(duck, &sql, &result, err);
    if (code) {
        goto out;
    }
    take_digest(result, digest_out);
    file_out->rows = digest_out->rows;
    code = take_columns(result, file_out, err);
    if (!code) {
        code = take_sizes(duck, sort, file_out, err);
    }

out:
    pt_duck_result_close(result);
    pt_buf_release(&sql);
    return code;
}
