/*
 * duck.c - DuckDB behind our types: SQL, and rows into Parquet
 *
 * Rows go in through a table function that hands DuckDB chunks whose strings point at the
 * caller's text: measured cheapest, no table and no copy between rows and the Parquet writer.
 * DuckDB opens and writes files itself, past pt_io, so a simulated disk does not see
 * Parquet data; lake.c syncs those files through pt_io.
 */
#include "lake/duck.h"

#include "base/crypto.h"

#include <duckdb.h>

#include <inttypes.h>
#include <math.h>

#define CHUNK_ROWS 2048 /* DuckDB's vector size */
#define TEXT_AHEAD 512u
#define PIECE_ROWS 64 /* of a chunk, taken column by column while they are in the first cache */
#define HEX_BYTES (2 * PT_PSEUDONYM_BYTES)
#define SQL_BYTES_MAX (1u << 20)
#define NESTING_MAX 32 /* lists in lists: deeper ones are shown as "…" */

/* What the table function pt_rows() gives out. */
struct feed {
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
    struct feed feed;
    bool has_feed; /* pt_rows() is registered */
};

struct column {
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
    struct column *columns;
};

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

static enum pt_code fail_result(struct pt_error *err, duckdb_result *result)
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
        code = fail_result(err, &result);
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
            code = fail_result(err, result_out);
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
        code = fail_result(err, result_out);
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

/* ---- values ---- */

static bool is_null(duckdb_vector vector, idx_t row)
{
    uint64_t *validity = duckdb_vector_get_validity(vector);

    return validity && !duckdb_validity_row_is_valid(validity, row);
}

static struct pt_span string_at(duckdb_vector vector, idx_t row)
{
    duckdb_string_t *string = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;

    return pt_span_of(duckdb_string_t_data(string), duckdb_string_t_length(*string));
}

/* True where a value of an integer type fits int64_t. */
static bool integer_at(duckdb_type type, const void *data, idx_t row, int64_t *integer_out)
{
    const duckdb_hugeint *huge = NULL;

    if (type == DUCKDB_TYPE_TINYINT) {
        *integer_out = (int64_t)((const int8_t *)data)[row]; /* NOLINT: the sign is meant */
    } else if (type == DUCKDB_TYPE_SMALLINT) {
        *integer_out = ((const int16_t *)data)[row];
    } else if (type == DUCKDB_TYPE_INTEGER) {
        *integer_out = ((const int32_t *)data)[row];
    } else if (type == DUCKDB_TYPE_BIGINT) {
        *integer_out = ((const int64_t *)data)[row];
    } else if (type == DUCKDB_TYPE_UTINYINT) {
        *integer_out = ((const uint8_t *)data)[row];
    } else if (type == DUCKDB_TYPE_USMALLINT) {
        *integer_out = ((const uint16_t *)data)[row];
    } else if (type == DUCKDB_TYPE_UINTEGER) {
        *integer_out = ((const uint32_t *)data)[row];
    } else if (type == DUCKDB_TYPE_UBIGINT && ((const uint64_t *)data)[row] <= INT64_MAX) {
        *integer_out = (int64_t)((const uint64_t *)data)[row];
    } else if (type == DUCKDB_TYPE_HUGEINT) {
        huge = (const duckdb_hugeint *)data + row;
        if (!(huge->upper == 0 && huge->lower <= INT64_MAX) &&
            !(huge->upper == -1 && huge->lower > INT64_MAX)) {
            return false;
        }
        *integer_out = (int64_t)huge->lower;
    } else {
        return false;
    }
    return true;
}

static duckdb_value decimal_value(duckdb_logical_type type, const void *data, idx_t row)
{
    duckdb_decimal decimal = {.width = duckdb_decimal_width(type),
                              .scale = duckdb_decimal_scale(type)};
    duckdb_type internal = duckdb_decimal_internal_type(type);
    int64_t integer = 0;

    if (internal == DUCKDB_TYPE_HUGEINT) {
        decimal.value = ((const duckdb_hugeint *)data)[row];
    } else {
        (void)integer_at(internal, data, row, &integer);
        decimal.value = (duckdb_hugeint){.lower = (uint64_t)integer, .upper = integer < 0 ? -1 : 0};
    }
    return duckdb_create_decimal(decimal);
}

static duckdb_value enum_value(duckdb_logical_type type, const void *data, idx_t row)
{
    int64_t index = 0;
    char *name = NULL;
    duckdb_value value = NULL;

    (void)integer_at(duckdb_enum_internal_type(type), data, row, &index);
    name = duckdb_enum_dictionary_value(type, (idx_t)index);
    value = duckdb_create_varchar(name ? name : "");
    duckdb_free(name);
    return value;
}

/* DuckDB keeps a UUID with its top bit flipped, so that it sorts as a signed number. */
static duckdb_value uuid_value(duckdb_hugeint stored)
{
    return duckdb_create_uuid(
        (duckdb_uhugeint){.lower = stored.lower, .upper = (uint64_t)stored.upper ^ 1ull << 63});
}

/* A value of a type without parts; NULL for types that this function does not know. */
static duckdb_value scalar_value(duckdb_vector vector, duckdb_logical_type type, idx_t row)
{
    const void *data = duckdb_vector_get_data(vector);
    duckdb_type id = duckdb_get_type_id(type);
    struct pt_span text = {0};
    int64_t integer = 0;

    if (integer_at(id, data, row, &integer)) {
        return duckdb_create_int64(integer);
    }
    if (id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_BLOB || id == DUCKDB_TYPE_BIT) {
        text = string_at(vector, row);
    }
#define AT(c_type) (((const c_type *)data)[row])
    switch ((int)id) {
    case DUCKDB_TYPE_BOOLEAN:
        return duckdb_create_bool(AT(bool));
    case DUCKDB_TYPE_UBIGINT:
        return duckdb_create_uint64(AT(uint64_t));
    case DUCKDB_TYPE_HUGEINT:
        return duckdb_create_hugeint(AT(duckdb_hugeint));
    case DUCKDB_TYPE_UHUGEINT:
        return duckdb_create_uhugeint(AT(duckdb_uhugeint));
    case DUCKDB_TYPE_FLOAT:
        return duckdb_create_float(AT(float));
    case DUCKDB_TYPE_DOUBLE:
        return duckdb_create_double(AT(double));
    case DUCKDB_TYPE_DECIMAL:
        return decimal_value(type, data, row);
    case DUCKDB_TYPE_VARCHAR:
        return duckdb_create_varchar_length((const char *)text.data, text.size);
    case DUCKDB_TYPE_BLOB:
        return duckdb_create_blob(text.data, text.size);
    case DUCKDB_TYPE_BIT:
        return duckdb_create_bit((duckdb_bit){.data = (uint8_t *)text.data, .size = text.size});
    case DUCKDB_TYPE_UUID:
        return uuid_value(AT(duckdb_hugeint));
    case DUCKDB_TYPE_DATE:
        return duckdb_create_date(AT(duckdb_date));
    case DUCKDB_TYPE_TIME:
        return duckdb_create_time(AT(duckdb_time));
    case DUCKDB_TYPE_TIME_NS:
        return duckdb_create_time_ns(AT(duckdb_time_ns));
    case DUCKDB_TYPE_TIME_TZ:
        return duckdb_create_time_tz_value(AT(duckdb_time_tz));
    case DUCKDB_TYPE_TIMESTAMP:
        return duckdb_create_timestamp(AT(duckdb_timestamp));
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return duckdb_create_timestamp_tz(AT(duckdb_timestamp));
    case DUCKDB_TYPE_TIMESTAMP_S:
        return duckdb_create_timestamp_s(AT(duckdb_timestamp_s));
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return duckdb_create_timestamp_ms(AT(duckdb_timestamp_ms));
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return duckdb_create_timestamp_ns(AT(duckdb_timestamp_ns));
    case DUCKDB_TYPE_INTERVAL:
        return duckdb_create_interval(AT(duckdb_interval));
    case DUCKDB_TYPE_ENUM:
        return enum_value(type, data, row);
    default:
        return NULL;
    }
#undef AT
}

static duckdb_value value_of(duckdb_vector vector, duckdb_logical_type type, idx_t row,
                             unsigned depth);

static void destroy_values(duckdb_value *values, idx_t count)
{
    for (idx_t i = 0; values && i < count; i++) {
        duckdb_destroy_value(&values[i]);
    }
    pt_free(values);
}

/* Values of child rows from..from+count-1, each of `type`. */
static duckdb_value *child_values(duckdb_vector child, duckdb_logical_type type, idx_t from,
                                  idx_t count, unsigned depth)
{
    duckdb_value *values = pt_alloc_zero((size_t)(count + 1) * sizeof(duckdb_value));

    for (idx_t i = 0; values && i < count; i++) {
        values[i] = value_of(child, type, from + i, depth + 1);
    }
    return values;
}

static duckdb_value list_value(duckdb_vector vector, duckdb_logical_type type, idx_t row,
                               unsigned depth)
{
    bool is_array = duckdb_get_type_id(type) == DUCKDB_TYPE_ARRAY;
    duckdb_logical_type child_type =
        is_array ? duckdb_array_type_child_type(type) : duckdb_list_type_child_type(type);
    duckdb_vector child =
        is_array ? duckdb_array_vector_get_child(vector) : duckdb_list_vector_get_child(vector);
    idx_t count = is_array ? duckdb_array_type_array_size(type) : 0;
    idx_t from = is_array ? row * count : 0;
    duckdb_value *values = NULL;
    duckdb_value value = NULL;

    if (!is_array) {
        const duckdb_list_entry *entry =
            (const duckdb_list_entry *)duckdb_vector_get_data(vector) + row;

        from = entry->offset;
        count = entry->length;
    }
    values = child_values(child, child_type, from, count, depth);
    if (values) {
        value = is_array ? duckdb_create_array_value(child_type, values, count)
                         : duckdb_create_list_value(child_type, values, count);
    }
    destroy_values(values, count);
    duckdb_destroy_logical_type(&child_type);
    return value;
}

static duckdb_value map_value(duckdb_vector vector, duckdb_logical_type type, idx_t row,
                              unsigned depth)
{
    const duckdb_list_entry *entry =
        (const duckdb_list_entry *)duckdb_vector_get_data(vector) + row;
    duckdb_vector pairs = duckdb_list_vector_get_child(vector);
    duckdb_logical_type key_type = duckdb_map_type_key_type(type);
    duckdb_logical_type value_type = duckdb_map_type_value_type(type);
    duckdb_value *keys = child_values(duckdb_struct_vector_get_child(pairs, 0), key_type,
                                      entry->offset, entry->length, depth);
    duckdb_value *values = child_values(duckdb_struct_vector_get_child(pairs, 1), value_type,
                                        entry->offset, entry->length, depth);
    duckdb_value value = NULL;

    if (keys && values) {
        value = duckdb_create_map_value(type, keys, values, entry->length);
    }
    destroy_values(keys, entry->length);
    destroy_values(values, entry->length);
    duckdb_destroy_logical_type(&key_type);
    duckdb_destroy_logical_type(&value_type);
    return value;
}

static duckdb_value struct_value(duckdb_vector vector, duckdb_logical_type type, idx_t row,
                                 unsigned depth)
{
    idx_t count = duckdb_struct_type_child_count(type);
    duckdb_value *values = pt_alloc_zero((size_t)(count + 1) * sizeof(duckdb_value));
    duckdb_value value = NULL;

    for (idx_t i = 0; values && i < count; i++) {
        duckdb_logical_type child_type = duckdb_struct_type_child_type(type, i);

        values[i] = value_of(duckdb_struct_vector_get_child(vector, i), child_type, row, depth + 1);
        duckdb_destroy_logical_type(&child_type);
    }
    if (values) {
        value = duckdb_create_struct_value(type, values);
    }
    destroy_values(values, count);
    return value;
}

/* A union's vector is a struct: its tag, then one child a member. */
static duckdb_value union_value(duckdb_vector vector, duckdb_logical_type type, idx_t row,
                                unsigned depth)
{
    const uint8_t *tags = duckdb_vector_get_data(duckdb_struct_vector_get_child(vector, 0));
    duckdb_logical_type member = duckdb_union_type_member_type(type, tags[row]);
    duckdb_value value = value_of(duckdb_struct_vector_get_child(vector, (idx_t)tags[row] + 1),
                                  member, row, depth + 1);

    duckdb_destroy_logical_type(&member);
    return value;
}

/* A value that DuckDB can write as text; "…" for what it cannot. */
static duckdb_value value_of(duckdb_vector vector, duckdb_logical_type type, idx_t row,
                             unsigned depth)
{
    duckdb_value value = NULL;

    if (is_null(vector, row)) {
        return duckdb_create_null_value();
    }
    if (depth >= NESTING_MAX) {
        return duckdb_create_varchar("…");
    }
    switch ((int)duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
        value = list_value(vector, type, row, depth);
        break;
    case DUCKDB_TYPE_MAP:
        value = map_value(vector, type, row, depth);
        break;
    case DUCKDB_TYPE_STRUCT:
        value = struct_value(vector, type, row, depth);
        break;
    case DUCKDB_TYPE_UNION:
        value = union_value(vector, type, row, depth);
        break;
    default:
        value = scalar_value(vector, type, row);
        break;
    }
    return value ? value : duckdb_create_varchar("…");
}

static struct pt_span text_of(struct column *column, idx_t row)
{
    duckdb_value value = value_of(column->vector, column->logical_type, row, 0);

    duckdb_free(column->text);
    column->text = duckdb_get_varchar(value);
    duckdb_destroy_value(&value);
    return pt_span_str(column->text ? column->text : "");
}

struct pt_duck_value pt_duck_value_at(struct pt_duck_result *result, size_t index)
{
    struct column *column = NULL;
    const void *data = NULL;
    struct pt_duck_value value = {.kind = PT_DUCK_NULL};

    pt_assert(index < result->column_count && result->chunk);
    column = &result->columns[index];
    data = duckdb_vector_get_data(column->vector);
    if (is_null(column->vector, result->row) || column->type == DUCKDB_TYPE_SQLNULL) {
        return value;
    }
    if (column->type == DUCKDB_TYPE_BOOLEAN) {
        value.kind = PT_DUCK_BOOL;
        value.boolean = ((const bool *)data)[result->row];
    } else if (integer_at(column->type, data, result->row, &value.integer)) {
        value.kind = PT_DUCK_INT;
    } else if (column->type == DUCKDB_TYPE_DOUBLE) {
        value.kind = PT_DUCK_DOUBLE;
        value.number = ((const double *)data)[result->row];
    } else if (column->type == DUCKDB_TYPE_FLOAT) {
        value.kind = PT_DUCK_DOUBLE;
        value.number = (double)((const float *)data)[result->row];
    } else if (column->type == DUCKDB_TYPE_VARCHAR) {
        value.kind = PT_DUCK_TEXT;
        value.text = string_at(column->vector, result->row);
    } else {
        value.kind = PT_DUCK_TEXT;
        value.text = text_of(column, result->row);
    }
    return value;
}

/* ---- rows into Parquet ---- */

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
    const struct feed *feed = duckdb_bind_get_extra_info(info);

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
static inline void fill_column(const struct feed *feed, const struct places *places, size_t at,
                               size_t count, enum pt_column_index column, enum pt_column_kind kind)
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
static void fetch_ahead(const struct feed *feed, size_t at)
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
    struct feed *feed = duckdb_function_get_extra_info(info);
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

void pt_sql_append_text(struct pt_buf *sql, const char *text)
{
    pt_buf_append_byte(sql, '\'');
    for (const char *at = text; *at; at++) {
        if (*at == '\'') {
            pt_buf_append_byte(sql, '\'');
        }
        pt_buf_append_byte(sql, (uint8_t)*at);
    }
    pt_buf_append_byte(sql, '\'');
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
        unsigned column = column_of(string_at(names, i));
        idx_t end = statistics[i].offset + statistics[i].length;

        for (idx_t k = statistics[i].offset; column < PT_COLUMN_COUNT && k < end; k++) {
            if (pt_span_is(string_at(keys, k), "column_size_bytes")) {
                char number[24];
                struct pt_span text = string_at(values, k);

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
    if (!is_null(duckdb_data_chunk_get_vector(chunk, 4), 0)) {
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
        code = fail_result(err, &result);
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
