/*
 * duck_value.c - a value of a DuckDB result as one of ours
 *
 * Truth values, integers, doubles and text are taken as they lie. All else (decimals, times, lists,
 * structs, …) is text, as DuckDB itself would write it: each such value is made anew from the
 * vector, since the library shows no vector as text.
 */
#include "lake/duck_inside.h"

#define NESTING_MAX 32 /* lists in lists: deeper ones are shown as "…" */

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
        text = pt_duck_string_at(vector, row);
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

    if (pt_duck_is_null(vector, row)) {
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

static struct pt_span text_of(struct pt_duck_column *column, idx_t row)
{
    duckdb_value value = value_of(column->vector, column->logical_type, row, 0);

    duckdb_free(column->text);
    column->text = duckdb_get_varchar(value);
    duckdb_destroy_value(&value);
    return pt_span_str(column->text ? column->text : "");
}

struct pt_duck_value pt_duck_value_at(struct pt_duck_result *result, size_t index)
{
    struct pt_duck_column *column = NULL;
    const void *data = NULL;
    struct pt_duck_value value = {.kind = PT_DUCK_NULL};

    pt_assert(index < result->column_count && result->chunk);
    column = &result->columns[index];
    data = duckdb_vector_get_data(column->vector);
    if (pt_duck_is_null(column->vector, result->row) || column->type == DUCKDB_TYPE_SQLNULL) {
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
        value.text = pt_duck_string_at(column->vector, result->row);
    } else {
        value.kind = PT_DUCK_TEXT;
        value.text = text_of(column, result->row);
    }
    return value;
}
