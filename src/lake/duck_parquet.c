/*
 * duck_parquet.c - rows into a Parquet file
 *
 * Rows go in through a table function that hands DuckDB chunks whose strings point at the
 * caller's text: measured cheapest, no table and no copy between rows and the Parquet writer.
 * DuckDB opens and writes files itself, past pt_io, so a simulated disk does not see
 * Parquet data; lake.c syncs those files through pt_io.
 *
 * Whatever runs once a row or a cell is static here or inline in a header.
 */
#include "lake/duck_inside.h"

#define CHUNK_ROWS 2048 /* DuckDB's vector size */
#define TEXT_AHEAD 512u
#define PIECE_ROWS 64 /* of a chunk, taken column by column while they are in the first cache */
#define HEX_BYTES (2 * PT_PSEUDONYM_BYTES)
#define SQL_BYTES_MAX (1u << 20)

static duckdb_type duck_type(enum pt_column_kind kind)
{
    switch (kind) {
    case PT_COLUMN_UUID:
        return DUCKDB_TYPE_UUID;
    case PT_COLUMN_HEX:
    case PT_COLUMN_TEXT:
        return DUCKDB_TYPE_VARCHAR;
    case PT_COLUMN_TIME:
        return DUCKDB_TYPE_TIMESTAMP_TZ;
    case PT_COLUMN_LONG:
        return DUCKDB_TYPE_BIGINT;
    case PT_COLUMN_BOOL:
        return DUCKDB_TYPE_BOOLEAN;
    }
    pt_assert(false);
    return DUCKDB_TYPE_INVALID;
}

static void feed_bind(duckdb_bind_info info)
{
    const struct pt_duck_feed *feed = duckdb_bind_get_extra_info(info);

    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        duckdb_logical_type type = duckdb_create_logical_type(duck_type(pt_columns[i].kind));

        duckdb_bind_add_result_column(info, pt_columns[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_cardinality(info, feed->count, true);
}

static void feed_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

/* Short strings lie in the vector itself; long ones stay where they are. */
static void point_at(duckdb_string_t *string, struct pt_span text)
{
    if (text.size <= sizeof(string->value.inlined.inlined)) {
        memset(string, 0, sizeof(*string));
        string->value.inlined.length = (uint32_t)text.size;
        if (text.size > 0) {
            memcpy(string->value.inlined.inlined, text.data, text.size);
        }
    } else {
        string->value.pointer.length = (uint32_t)text.size;
        memcpy(string->value.pointer.prefix, text.data, sizeof(string->value.pointer.prefix));
        string->value.pointer.ptr = (char *)(uintptr_t)text.data;
    }
}

/* 32 lower-case digits of 16 bytes. */
static void write_hex(const uint8_t *bytes, char *hex)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < PT_PSEUDONYM_BYTES; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* Where a chunk's cells go, by column. */
struct places {
    void *cells[PT_COLUMN_COUNT];
    uint64_t *validity[PT_COLUMN_COUNT]; /* NULL where the column is required */
    char *hex[PT_COLUMN_COUNT];          /* of HEX columns: text of the whole chunk */
};

static inline void put_cell(enum pt_column_kind kind, struct pt_cell cell, void *cells, size_t at,
                            char *hex)
{
    switch (kind) {
    case PT_COLUMN_UUID:
        ((duckdb_hugeint *)cells)[at] = (duckdb_hugeint){
            .upper = (int64_t)(__builtin_bswap64(pt_get_u64(cell.bytes.data)) ^ 1ull << 63),
            .lower = __builtin_bswap64(pt_get_u64(cell.bytes.data + 8)),
        };
        break;
    case PT_COLUMN_HEX:
        write_hex(cell.bytes.data, hex + at * HEX_BYTES);
        point_at((duckdb_string_t *)cells + at, pt_span_of(hex + at * HEX_BYTES, HEX_BYTES));
        break;
    case PT_COLUMN_TEXT:
        point_at((duckdb_string_t *)cells + at, cell.bytes);
        break;
    case PT_COLUMN_TIME:
    case PT_COLUMN_LONG:
        ((int64_t *)cells)[at] = cell.integer;
        break;
    case PT_COLUMN_BOOL:
        ((bool *)cells)[at] = cell.integer != 0;
        break;
    }
}

/*
 * `count` rows, at most 64, from place `at` of the chunk on, a multiple of 64. `column` and `kind`
 * are constants where this is inlined. Counts and bounds are taken on the way.
 */
static inline void fill_column(const struct pt_duck_feed *feed, const struct places *places,
                               size_t at, size_t count, enum pt_column_index column,
                               enum pt_column_kind kind)
{
    const uint32_t *order = feed->order + feed->at + at;
    void *cells = places->cells[column];
    char *hex = places->hex[column];
    uint64_t nulls = 0;

    for (size_t i = 0; i < count; i++) {
        struct pt_cell cell = pt_cell_of(&feed->rows[order[i]], column);

        pt_file_stats_take(feed->stats, column, kind, cell);
        if (cell.is_null) {
            nulls |= UINT64_C(1) << i;
        } else {
            put_cell(kind, cell, cells, at + i, hex);
        }
    }
    if (nulls) {
        places->validity[column][at / 64] &= ~nulls;
    }
}

/*
 * Rows lie in memory as they were read, long ago for the caches: ask for those of two pieces ahead,
 * and for the text of the next piece, whose rows have come by now.
 */
static void fetch_ahead(const struct pt_duck_feed *feed, size_t at)
{
    const uint32_t line = 64;

    for (size_t i = at + 2 * PIECE_ROWS; i < at + 3 * PIECE_ROWS && i < feed->count; i++) {
        const char *row = (const char *)&feed->rows[feed->order[i]];

        for (size_t byte = 0; byte < sizeof(struct pt_row); byte += line) {
            __builtin_prefetch(row + byte, 0, 2);
        }
    }
    for (size_t i = at + PIECE_ROWS; i < at + 2 * PIECE_ROWS && i < feed->count; i++) {
        const struct pt_event *event = &feed->rows[feed->order[i]].event;

        /* Of a record the short texts stand together, and the attributes behind them. */
        __builtin_prefetch(event->event_name.data, 0, 2);
        __builtin_prefetch(event->session_id.data, 0, 2);
        for (uint32_t byte = 0; byte < event->attributes.size && byte < TEXT_AHEAD; byte += line) {
            __builtin_prefetch(event->attributes.data + byte, 0, 2);
        }
    }
}

static void feed_chunk(duckdb_function_info info, duckdb_data_chunk chunk)
{
    struct pt_duck_feed *feed = duckdb_function_get_extra_info(info);
    size_t left = feed->count - feed->at;
    size_t count = left < CHUNK_ROWS ? left : CHUNK_ROWS;
    struct places places = {0};
    char *hex = feed->hex;

    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);

        places.cells[i] = duckdb_vector_get_data(vector);
        if (!pt_columns[i].is_required) {
            duckdb_vector_ensure_validity_writable(vector);
            places.validity[i] = duckdb_vector_get_validity(vector);
        }
        if (pt_columns[i].kind == PT_COLUMN_HEX) {
            /* Each such column has its own part, which lives until the next chunk is asked for. */
            places.hex[i] = hex;
            hex += (size_t)CHUNK_ROWS * HEX_BYTES;
        }
    }
    for (size_t at = 0; at < count; at += PIECE_ROWS) {
        size_t piece = count - at < PIECE_ROWS ? count - at : PIECE_ROWS;

        fetch_ahead(feed, feed->at + at);
#define X(index, name, kind, is_required)                                                          \
    fill_column(feed, &places, at, piece, PT_COLUMN_##index, PT_COLUMN_##kind);
        PT_COLUMN_TABLE(X)
#undef X
    }
    feed->at += count;
    duckdb_data_chunk_set_size(chunk, count);
}

static enum pt_code register_feed(struct pt_duck *duck, struct pt_error *err)
{
    duckdb_table_function function = NULL;
    unsigned hex_columns = 0;
    enum pt_code code = PT_OK;

    if (duck->has_feed) {
        return PT_OK;
    }
    pt_assert(duckdb_vector_size() == CHUNK_ROWS);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        hex_columns += pt_columns[i].kind == PT_COLUMN_HEX;
    }
    duck->feed.hex = pt_alloc((size_t)hex_columns * CHUNK_ROWS * HEX_BYTES);
    if (!duck->feed.hex) {
        return pt_fail(err, PT_NO_MEMORY, "write Parquet");
    }
    function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "pt_rows");
    duckdb_table_function_set_extra_info(function, &duck->feed, NULL);
    duckdb_table_function_set_bind(function, feed_bind);
    duckdb_table_function_set_init(function, feed_init);
    duckdb_table_function_set_function(function, feed_chunk);
    if (duckdb_register_table_function(duck->connection, function) == DuckDBError) {
        code = pt_fail(err, PT_IO, "DuckDB does not take the table function pt_rows");
        pt_free(duck->feed.hex);
        duck->feed.hex = NULL;
    }
    duckdb_destroy_table_function(&function);
    duck->has_feed = code == PT_OK;
    return code;
}

static void copy_sql(struct pt_buf *sql, const int32_t field_ids[PT_COLUMN_COUNT], const char *path)
{
    pt_buf_append_str(sql, "COPY (SELECT * FROM pt_rows()) TO ");
    pt_sql_append_text(sql, path);
    /*
     * The file has its final name at once: no snapshot knows it yet. Level 1 takes 12 to 25 % less
     * CPU than DuckDB's choice (3) for 0.98 to 1.02 of the bytes, and row groups of half the usual
     * rows 4 to 7 % less for up to 1.01; compaction writes better ones (bench/stream).
     */
    pt_buf_append_str(
        sql, " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 61440, "
             "USE_TMP_FILE false, RETURN_STATS true, FIELD_IDS {");
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        pt_buf_appendf(sql, "%s%s: %d", i ? ", " : "", pt_columns[i].name, field_ids[i]);
    }
    pt_buf_append_str(sql, "})");
    pt_buf_append_byte(sql, '\0');
}

/* The column that DuckDB's statistics call by its quoted name; PT_COLUMN_COUNT where none. */
static unsigned column_of(struct pt_span quoted)
{
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        size_t size = strlen(pt_columns[i].name);

        if (pt_span_is(quoted, pt_columns[i].name) ||
            (quoted.size == size + 2 && memcmp(quoted.data + 1, pt_columns[i].name, size) == 0)) {
            return i;
        }
    }
    return PT_COLUMN_COUNT;
}

/* MAP(column name -> MAP(statistic -> text)): take column_size_bytes of each column. */
static void take_column_bytes(duckdb_vector map, struct pt_data_file *file)
{
    const duckdb_list_entry *columns = duckdb_vector_get_data(map);
    duckdb_vector pairs = duckdb_list_vector_get_child(map);
    duckdb_vector names = duckdb_struct_vector_get_child(pairs, 0);
    duckdb_vector inner = duckdb_struct_vector_get_child(pairs, 1);
    const duckdb_list_entry *statistics = duckdb_vector_get_data(inner);
    duckdb_vector inner_pairs = duckdb_list_vector_get_child(inner);
    duckdb_vector keys = duckdb_struct_vector_get_child(inner_pairs, 0);
    duckdb_vector values = duckdb_struct_vector_get_child(inner_pairs, 1);

    for (idx_t i = columns[0].offset; i < columns[0].offset + columns[0].length; i++) {
        unsigned column = column_of(pt_duck_string_at(names, i));
        idx_t end = statistics[i].offset + statistics[i].length;

        for (idx_t k = statistics[i].offset; column < PT_COLUMN_COUNT && k < end; k++) {
            if (pt_span_is(pt_duck_string_at(keys, k), "column_size_bytes")) {
                char number[24];
                struct pt_span text = pt_duck_string_at(values, k);

                snprintf(number, sizeof(number), "%.*s", PT_SPAN_ARG(text));
                file->columns[column].file_bytes = strtoull(number, NULL, 10);
            }
        }
    }
}

/* RETURN_STATS gives one row: filename, count, file_size_bytes, footer_size_bytes,
 * column_statistics, … */
static enum pt_code take_sizes(duckdb_result *result, size_t rows, struct pt_data_file *file,
                               struct pt_error *err)
{
    duckdb_data_chunk chunk = duckdb_fetch_chunk(*result);
    enum pt_code code = PT_OK;

    if (!chunk || duckdb_data_chunk_get_size(chunk) != 1 ||
        duckdb_data_chunk_get_column_count(chunk) < 5 ||
        ((uint64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1)))[0] != rows) {
        code = pt_fail(err, PT_IO, "DuckDB did not report the %zu rows that it was given", rows);
        goto out;
    }
    file->rows = rows;
    file->bytes = ((uint64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2)))[0];
    if (!pt_duck_is_null(duckdb_data_chunk_get_vector(chunk, 4), 0)) {
        take_column_bytes(duckdb_data_chunk_get_vector(chunk, 4), file);
    }

out:
    duckdb_destroy_data_chunk(&chunk);
    return code;
}

enum pt_code pt_duck_write_parquet(struct pt_duck *duck, const struct pt_row *rows,
                                   const uint32_t *order, size_t count,
                                   const int32_t field_ids[PT_COLUMN_COUNT], const char *path,
                                   struct pt_data_file *file, struct pt_error *err)
{
    struct pt_file_stats stats = {0};
    struct pt_buf sql;
    duckdb_result result = {0};
    enum pt_code code = PT_OK;

    pt_assert(count > 0);
    pt_buf_init(&sql, SQL_BYTES_MAX);
    code = register_feed(duck, err);
    if (code) {
        goto out;
    }
    duck->feed.rows = rows;
    duck->feed.order = order;
    duck->feed.count = count;
    duck->feed.at = 0;
    duck->feed.stats = &stats;
    copy_sql(&sql, field_ids, path);
    if (sql.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "write %s", path);
        goto out;
    }
    if (duckdb_query(duck->connection, (const char *)sql.data, &result) == DuckDBError) {
        code = pt_duck_fail(err, &result);
        code = pt_error_prefix(err, code, "write %s", path);
        goto out;
    }
    code = take_sizes(&result, count, file, err);
    pt_file_stats_finish(&stats, file->columns);

out:
    duckdb_destroy_result(&result);
    pt_buf_release(&sql);
    return code;
}
