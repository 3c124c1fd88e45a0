/*
 * rows_duck.c - the yardstick: DuckDB's COPY of rows in memory to one Parquet file
 *
 * The table function fills chunks from rows that are ready in memory and does nothing else: ids are
 * numbers already, pseudonyms text already, and strings are pointed at.
 */
#include "stream/rows_duck.h"

#include "wire/event.h"

#include <duckdb.h>
#include <sys/stat.h>

#define COLUMNS 19
#define TEXTS 11
#define CHUNK_ROWS 2048
#define HEX_BYTES 32

struct row {
    duckdb_hugeint event_id;
    int64_t times[3];
    int64_t numbers[3]; /* seq, boot, clock_skew_us; INT64_MIN is NULL */
    bool is_late;
    struct pt_text texts[TEXTS]; /* size 0 is NULL */
};

struct bench_duck {
    duckdb_database database;
    duckdb_connection connection;
    struct row *rows;
    size_t row_count;
    size_t at;
    char *hex;
};

enum kind { ID, TEXT, TIME, NUMBER, BOOL };

static const struct {
    const char *name;
    enum kind kind;
    int place; /* among the texts, times or numbers of a row */
} columns[COLUMNS] = {
    {"event_id", ID, 0},
    {"event_name", TEXT, 0},
    {"event_time", TIME, 0},
    {"occurred_at", TIME, 1},
    {"received_at", TIME, 2},
    {"user_id", TEXT, 1},
    {"session_id", TEXT, 2},
    {"seq", NUMBER, 0},
    {"install_id", TEXT, 3},
    {"boot", NUMBER, 1},
    {"build_id", TEXT, 4},
    {"platform", TEXT, 5},
    {"mechanic_version", TEXT, 6},
    {"attributes", TEXT, 7},
    {"clock_skew_us", NUMBER, 2},
    {"is_late", BOOL, 0},
    {"country", TEXT, 8},
    {"region", TEXT, 9},
    {"city", TEXT, 10},
};

static const duckdb_type types[] = {
    [ID] = DUCKDB_TYPE_UUID,       [TEXT] = DUCKDB_TYPE_VARCHAR, [TIME] = DUCKDB_TYPE_TIMESTAMP_TZ,
    [NUMBER] = DUCKDB_TYPE_BIGINT, [BOOL] = DUCKDB_TYPE_BOOLEAN,
};

static void bind_rows(duckdb_bind_info info)
{
    for (int i = 0; i < COLUMNS; i++) {
        duckdb_logical_type type = duckdb_create_logical_type(types[columns[i].kind]);

        duckdb_bind_add_result_column(info, columns[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
}

static void init_rows(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

static void put_text(duckdb_string_t *string, struct pt_text text)
{
    if (text.size <= sizeof(string->value.inlined.inlined)) {
        memset(string, 0, sizeof(*string));
        string->value.inlined.length = text.size;
        memcpy(string->value.inlined.inlined, text.data, text.size);
    } else {
        string->value.pointer.length = text.size;
        memcpy(string->value.pointer.prefix, text.data, sizeof(string->value.pointer.prefix));
        string->value.pointer.ptr = (char *)(uintptr_t)text.data;
    }
}

static void fill(const struct row *rows, size_t count, int column, duckdb_vector vector)
{
    void *data = duckdb_vector_get_data(vector);
    int place = columns[column].place;
    uint64_t *validity = NULL;

    duckdb_vector_ensure_validity_writable(vector);
    validity = duckdb_vector_get_validity(vector);
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];

        switch (columns[column].kind) {
        case ID:
            ((duckdb_hugeint *)data)[i] = row->event_id;
            break;
        case TEXT:
            if (row->texts[place].size) {
                put_text((duckdb_string_t *)data + i, row->texts[place]);
            } else {
                duckdb_validity_set_row_invalid(validity, i);
            }
            break;
        case TIME:
            ((int64_t *)data)[i] = row->times[place];
            break;
        case NUMBER:
            if (row->numbers[place] != INT64_MIN) {
                ((int64_t *)data)[i] = row->numbers[place];
            } else {
                duckdb_validity_set_row_invalid(validity, i);
            }
            break;
        case BOOL:
            ((bool *)data)[i] = row->is_late;
            break;
        }
    }
}

static void give_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
    struct bench_duck *duck = duckdb_function_get_extra_info(info);
    size_t left = duck->row_count - duck->at;
    size_t count = left < CHUNK_ROWS ? left : CHUNK_ROWS;

    for (int i = 0; i < COLUMNS; i++) {
        fill(duck->rows + duck->at, count, i, duckdb_data_chunk_get_vector(chunk, (idx_t)i));
    }
    duck->at += count;
    duckdb_data_chunk_set_size(chunk, count);
}

static void run(struct bench_duck *duck, const char *sql)
{
    duckdb_result result;

    if (duckdb_query(duck->connection, sql, &result) == DuckDBError) {
        fprintf(stderr, "bench: %s: %s\n", sql, duckdb_result_error(&result));
        exit(1);
    }
    duckdb_destroy_result(&result);
}

struct bench_duck *bench_duck_open(void)
{
    struct bench_duck *duck = pt_alloc_zero(sizeof(*duck));
    duckdb_table_function function = duckdb_create_table_function();

    bench_must(duck && duckdb_open(NULL, &duck->database) != DuckDBError &&
                   duckdb_connect(duck->database, &duck->connection) != DuckDBError,
               "DuckDB");
    run(duck, "SET threads=1");
    duckdb_table_function_set_name(function, "bench_rows");
    duckdb_table_function_set_extra_info(function, duck, NULL);
    duckdb_table_function_set_bind(function, bind_rows);
    duckdb_table_function_set_init(function, init_rows);
    duckdb_table_function_set_function(function, give_rows);
    bench_must(duckdb_register_table_function(duck->connection, function) != DuckDBError,
               "the table function");
    duckdb_destroy_table_function(&function);
    return duck;
}

void bench_duck_close(struct bench_duck *duck)
{
    duckdb_disconnect(&duck->connection);
    duckdb_close(&duck->database);
    pt_free(duck->rows);
    pt_free(duck->hex);
    pt_free(duck);
}

static uint64_t big_endian(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static struct pt_text hex_of(const uint8_t *bytes, char *hex)
{
    for (int i = 0; i < HEX_BYTES; i++) {
        hex[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
    }
    return (struct pt_text){.data = hex, .size = HEX_BYTES};
}

static void take_event(struct row *row, const struct pt_event *event, char *hex)
{
    const char *platform = pt_platform_name(event->platform);
    struct pt_text none = {0};

    *row = (struct row){
        .event_id = {.upper = (int64_t)(big_endian(event->event_id) ^ 1ull << 63),
                     .lower = big_endian(event->event_id + 8)},
        .times = {event->event_time_us, event->occurred_at_us, event->received_at_us},
        .numbers = {event->seq, event->boot,
                    event->clock_skew_us ? event->clock_skew_us : INT64_MIN},
        .texts = {event->event_name, hex_of(event->user, hex), event->session_id,
                  event->has_install ? hex_of(event->install, hex + HEX_BYTES) : none,
                  event->build_id,
                  platform ? (struct pt_text){.data = platform, .size = (uint32_t)strlen(platform)}
                           : none,
                  event->mechanic_version, event->attributes, none, event->region, event->city},
    };
}

void bench_duck_take(struct bench_duck *duck, const struct bench_records *records)
{
    const uint8_t *at = records->data;

    if (!duck->rows) {
        duck->rows = pt_alloc(records->count * sizeof(*duck->rows));
        duck->hex = pt_alloc(records->count * HEX_BYTES * 2);
        bench_must(duck->rows && duck->hex, "memory");
    }
    duck->row_count = records->count;
    for (size_t i = 0; i < records->count; i++) {
        struct pt_event event;

        bench_must(pt_event_decode(at, records->sizes[i], &event), "a record");
        take_event(&duck->rows[i], &event, duck->hex + i * HEX_BYTES * 2);
        at += records->sizes[i];
    }
}

double bench_duck_copy(struct bench_duck *duck, const char *path, const char *options)
{
    char *sql = pt_strf("COPY (SELECT * FROM bench_rows()) TO '%s' (FORMAT parquet, "
                        "COMPRESSION zstd%s)",
                        path, options);
    double start = 0;

    bench_must(sql, "memory");
    duck->at = 0;
    start = bench_cpu_seconds();
    run(duck, sql);
    start = bench_cpu_seconds() - start;
    pt_free(sql);
    return start;
}

uint64_t bench_file_bytes(const char *path)
{
    struct stat status;

    bench_must(stat(path, &status) == 0, path);
    return (uint64_t)status.st_size;
}
