/*
 * duck.c - DuckDB behind our types: opened, asked in SQL, its results row by row
 *
 * What a value is: duck_value.c. How rows become Parquet: duck_parquet.c.
 */
#include "lake/duck_inside.h"

/* ---- errors ---- */

static enum pt_code code_of(duckdb_error_type type, const char *text)
{
    if (strstr(text, "No space left") || strstr(text, "Disk quota exceeded")) {
        return PT_FULL;
    }
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY) {
        return PT_NO_MEMORY;
    }
    if (type == DUCKDB_ERROR_IO || type == DUCKDB_ERROR_PERMISSION || type == DUCKDB_ERROR_FATAL ||
        type == DUCKDB_ERROR_INTERNAL || type == DUCKDB_ERROR_CONNECTION) {
        return PT_IO;
    }
    return PT_INVALID;
}

/* DuckDB's message on one line, without its picture of the statement ("LINE 1: … ^"). */
static enum pt_code fail_duck(struct pt_error *err, duckdb_error_type type, const char *text)
{
    char line[PT_ERROR_TEXT_BYTES];
    size_t used = 0;
    const char *picture = text ? strstr(text, "\n\nLINE ") : NULL;

    if (!text) {
        return pt_fail(err, PT_IO, "DuckDB failed without a message");
    }
    for (const char *at = text; *at && at != picture && used + 1 < sizeof(line); at++) {
        bool is_space = *at == '\n' || *at == '\r' || *at == '\t' || *at == ' ';

        if (!is_space) {
            line[used++] = *at;
        } else if (used > 0 && line[used - 1] != ' ') {
            line[used++] = ' ';
        }
    }
    line[used] = '\0';
    return pt_fail(err, code_of(type, text), "%s", line);
}

enum pt_code pt_duck_fail(struct pt_error *err, duckdb_result *result)
{
    return fail_duck(err, duckdb_result_error_type(result), duckdb_result_error(result));
}

/* ---- open, close, run ---- */

static enum pt_code set_option(duckdb_config config, const char *name, const char *value,
                               struct pt_error *err)
{
    if (duckdb_set_config(config, name, value) == DuckDBError) {
        return pt_fail(err, PT_IO, "DuckDB does not take the setting %s=%s", name, value);
    }
    return PT_OK;
}

enum pt_code pt_duck_open(struct pt_duck **duck_out, unsigned threads, struct pt_error *err)
{
    struct pt_duck *duck = NULL;
    duckdb_config config = NULL;
    char *open_error = NULL;
    char number[16];
    enum pt_code code = PT_OK;

    *duck_out = NULL;
    duck = pt_alloc_zero(sizeof(*duck));
    if (!duck || duckdb_create_config(&config) == DuckDBError) {
        code = pt_fail(err, PT_NO_MEMORY, "open DuckDB");
        goto out;
    }
    /* An extension that is not built in must not be fetched from the network behind our back. */
    code = set_option(config, "autoinstall_known_extensions", "false", err);
    if (!code) {
        code = set_option(config, "autoload_known_extensions", "false", err);
    }
    if (!code && threads > 0) {
        snprintf(number, sizeof(number), "%u", threads);
        code = set_option(config, "threads", number, err);
    }
    if (code) {
        goto out;
    }
    if (duckdb_open_ext(NULL, &duck->database, config, &open_error) == DuckDBError ||
        duckdb_connect(duck->database, &duck->connection) == DuckDBError) {
        code = pt_fail(err, PT_IO, "open DuckDB: %s", open_error ? open_error : "no connection");
        goto out;
    }
    /* No spill files in whatever directory the program happens to stand in. */
    code = pt_duck_run(duck, "SET TimeZone='UTC'; SET temp_directory=''", err);
    if (code) {
        goto out;
    }
    *duck_out = duck;
    duck = NULL;

out:
    duckdb_free(open_error);
    duckdb_destroy_config(&config);
    pt_duck_close(duck);
    return code;
}

void pt_duck_close(struct pt_duck *duck)
{
    if (duck) {
        duckdb_disconnect(&duck->connection);
        duckdb_close(&duck->database);
        pt_free(duck->feed.hex);
        pt_free(duck);
    }
}

enum pt_code pt_duck_run(struct pt_duck *duck, const char *sql, struct pt_error *err)
{
    duckdb_result result;
    enum pt_code code = PT_OK;

    if (duckdb_query(duck->connection, sql, &result) == DuckDBError) {
        code = pt_duck_fail(err, &result);
    }
    duckdb_destroy_result(&result);
    return code;
}

void pt_duck_interrupt(struct pt_duck *duck)
{
    duckdb_interrupt(duck->connection);
}

/* ---- results ---- */

static enum pt_code bind_params(duckdb_prepared_statement statement,
                                const struct pt_duck_param *params, size_t count,
                                struct pt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        idx_t index = 0;
        duckdb_state state = DuckDBSuccess;

        if (duckdb_bind_parameter_index(statement, &index, params[i].name) == DuckDBError) {
            continue; /* the statement does not use it */
        }
        if (params[i].value) {
            state = duckdb_bind_varchar(statement, index, params[i].value);
        } else {
            state = duckdb_bind_null(statement, index);
        }
        if (state == DuckDBError) {
            return pt_fail(err, PT_INVALID, "parameter %s cannot be bound", params[i].name);
        }
    }
    return PT_OK;
}

static enum pt_code execute(struct pt_duck *duck, const char *sql,
                            const struct pt_duck_param *params, size_t count,
                            duckdb_result *result_out, struct pt_error *err)
{
    duckdb_prepared_statement statement = NULL;
    enum pt_code code = PT_OK;

    if (count == 0) {
        /* Not prepared, so that several statements may stand in one text. */
        if (duckdb_query(duck->connection, sql, result_out) == DuckDBError) {
            code = pt_duck_fail(err, result_out);
        }
        return code;
    }
    if (duckdb_prepare(duck->connection, sql, &statement) == DuckDBError) {
        code = fail_duck(err, DUCKDB_ERROR_PARSER, duckdb_prepare_error(statement));
        goto out;
    }
    code = bind_params(statement, params, count, err);
    if (code) {
        goto out;
    }
    if (duckdb_execute_prepared(statement, result_out) == DuckDBError) {
        code = pt_duck_fail(err, result_out);
    }

out:
    duckdb_destroy_prepare(&statement);
    return code;
}

enum pt_code pt_duck_query_with(struct pt_duck *duck, const char *sql,
                                const struct pt_duck_param *params, size_t count,
                                struct pt_duck_result **result_out, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = PT_OK;

    *result_out = NULL;
    result = pt_alloc_zero(sizeof(*result));
    if (!result) {
        return pt_fail(err, PT_NO_MEMORY, "query");
    }
    code = execute(duck, sql, params, count, &result->result, err);
    if (code) {
        goto out;
    }
    result->column_count = (size_t)duckdb_column_count(&result->result);
    result->columns = pt_alloc_zero((result->column_count + 1) * sizeof(*result->columns));
    if (!result->columns) {
        result->column_count = 0;
        code = pt_fail(err, PT_NO_MEMORY, "query");
        goto out;
    }
    for (size_t i = 0; i < result->column_count; i++) {
        result->columns[i].type = duckdb_column_type(&result->result, i);
        result->columns[i].logical_type = duckdb_column_logical_type(&result->result, i);
    }
    *result_out = result;
    result = NULL;

out:
    pt_duck_result_close(result);
    return code;
}

enum pt_code pt_duck_query(struct pt_duck *duck, const char *sql,
                           struct pt_duck_result **result_out, struct pt_error *err)
{
    return pt_duck_query_with(duck, sql, NULL, 0, result_out, err);
}

void pt_duck_result_close(struct pt_duck_result *result)
{
    if (result) {
        for (size_t i = 0; i < result->column_count; i++) {
            duckdb_destroy_logical_type(&result->columns[i].logical_type);
            duckdb_free(result->columns[i].text);
        }
        pt_free(result->columns);
        duckdb_destroy_data_chunk(&result->chunk);
        duckdb_destroy_result(&result->result);
        pt_free(result);
    }
}

size_t pt_duck_column_count(const struct pt_duck_result *result)
{
    return result->column_count;
}

const char *pt_duck_column_name(const struct pt_duck_result *result, size_t column)
{
    pt_assert(column < result->column_count);
    /* DuckDB's signature lacks const; the call only reads. */
    return duckdb_column_name((duckdb_result *)&result->result, column);
}

static bool is_number(duckdb_type type)
{
    return (type >= DUCKDB_TYPE_TINYINT && type <= DUCKDB_TYPE_DOUBLE) ||
           type == DUCKDB_TYPE_HUGEINT || type == DUCKDB_TYPE_UHUGEINT ||
           type == DUCKDB_TYPE_DECIMAL;
}

bool pt_duck_column_is_number(const struct pt_duck_result *result, size_t column)
{
    pt_assert(column < result->column_count);
    return is_number(result->columns[column].type);
}

bool pt_duck_next(struct pt_duck_result *result)
{
    result->row++;
    if (result->chunk && result->row < result->row_count) {
        return true;
    }
    do {
        duckdb_destroy_data_chunk(&result->chunk);
        result->chunk = duckdb_fetch_chunk(result->result);
        result->row = 0;
        result->row_count = result->chunk ? duckdb_data_chunk_get_size(result->chunk) : 0;
    } while (result->chunk && result->row_count == 0);
    if (!result->chunk) {
        return false;
    }
    for (size_t i = 0; i < result->column_count; i++) {
        result->columns[i].vector = duckdb_data_chunk_get_vector(result->chunk, i);
    }
    return true;
}

/* ---- SQL ---- */

static void append_quoted(struct pt_buf *sql, const char *text, char quote)
{
    pt_buf_append_byte(sql, (uint8_t)quote);
    for (const char *at = text; *at; at++) {
        if (*at == quote) {
            pt_buf_append_byte(sql, (uint8_t)quote);
        }
        pt_buf_append_byte(sql, (uint8_t)*at);
    }
    pt_buf_append_byte(sql, (uint8_t)quote);
}

void pt_sql_append_text(struct pt_buf *sql, const char *text)
{
    append_quoted(sql, text, '\'');
}

void pt_sql_append_name(struct pt_buf *sql, const char *name)
{
    append_quoted(sql, name, '"');
}
