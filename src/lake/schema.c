/*
 * schema.c - the columns that the table has, beside those that this program writes
 */
#include "lake/schema.h"

#include <inttypes.h>

static bool is_name(struct pt_span text, const char *name)
{
    return pt_span_is(text, name);
}

/* "decimal(9,2)" and "decimal(9, 2)" alike. */
static const char *decimal_type(struct pt_span type, struct pt_arena *arena)
{
    char text[32];
    unsigned precision = 0;
    unsigned scale = 0;

    if (type.size >= sizeof(text)) {
        return NULL;
    }
    snprintf(text, sizeof(text), "%.*s", PT_SPAN_ARG(type));
    if (sscanf(text, "decimal(%u ,%u)", &precision, &scale) != 2 || precision == 0 ||
        precision > 38 || scale > precision) {
        return NULL;
    }
    return pt_arena_strf(arena, "DECIMAL(%u,%u)", precision, scale);
}

const char *pt_schema_sql_type(struct pt_span iceberg_type, struct pt_arena *arena)
{
    static const struct {
        const char *iceberg;
        const char *sql;
    } types[] = {
        {"boolean", "BOOLEAN"}, {"int", "INTEGER"},         {"long", "BIGINT"},
        {"float", "FLOAT"},     {"double", "DOUBLE"},       {"date", "DATE"},
        {"time", "TIME"},       {"timestamp", "TIMESTAMP"}, {"timestamptz", "TIMESTAMPTZ"},
        {"string", "VARCHAR"},  {"uuid", "UUID"},           {"binary", "BLOB"},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (is_name(iceberg_type, types[i].iceberg)) {
            return types[i].sql;
        }
    }
    return decimal_type(iceberg_type, arena);
}

/* ---- reading ---- */

static struct pt_json find_schema(struct pt_json root, int64_t schema_id)
{
    struct pt_json schemas = pt_json_member(root, "schemas");
    struct pt_json found = {0};
    struct pt_json_iter it;
    int64_t id = 0;

    if (pt_json_exists(schemas) && pt_json_type(schemas) == PT_JSON_ARRAY) {
        for (it = pt_json_iterate(schemas); pt_json_next(&it);) {
            if (pt_json_type(it.value) == PT_JSON_OBJECT &&
                pt_json_member_int(it.value, "schema-id", &id) && id == schema_id) {
                found = it.value;
            }
        }
    }
    return found;
}

/* One of the table's columns: take it, and hold it to ours where it is one of ours. */
static enum pt_code take_field(struct pt_schema *schema, struct pt_json field,
                               struct pt_arena *arena, struct pt_error *err)
{
    struct pt_lake_column *column = &schema->columns[schema->count];
    struct pt_json type = {0};
    struct pt_span name = {0};
    struct pt_span type_name = {0};
    int64_t id = 0;
    unsigned ours = 0;

    if (pt_json_type(field) != PT_JSON_OBJECT || !pt_json_member_int(field, "id", &id) || id <= 0 ||
        id > INT32_MAX || !pt_json_member_string(field, "name", &name) ||
        !pt_json_member_bool(field, "required", &column->is_required)) {
        return pt_fail(err, PT_CORRUPT, "the table's schema has a field without id, name or type");
    }
    type = pt_json_member(field, "type");
    if (pt_json_exists(type) && pt_json_type(type) == PT_JSON_STRING) {
        type_name = pt_json_string(type);
    }
    column->field_id = (int32_t)id;
    column->name = pt_arena_strdup(arena, name);
    column->sql_type = pt_schema_sql_type(type_name, arena);
    if (!column->name) {
        return pt_fail(err, PT_NO_MEMORY, "read the table's schema");
    }
    while (ours < PT_COLUMN_COUNT && !is_name(name, pt_columns[ours].name)) {
        ours++;
    }
    if (id <= PT_COLUMN_FIXED && ours != (unsigned)id - 1) {
        return pt_fail(err, PT_INVALID,
                       "the table's column %s (field %" PRId64 ") is called %s now: rename it back",
                       pt_columns[id - 1].name, id, column->name);
    }
    if (ours < PT_COLUMN_COUNT &&
        !is_name(type_name, pt_column_iceberg_type(pt_columns[ours].kind))) {
        return pt_fail(err, PT_INVALID, "the table's column %s is of type %.*s now, not %s",
                       column->name, PT_SPAN_ARG(type_name),
                       pt_column_iceberg_type(pt_columns[ours].kind));
    }
    if (ours == PT_COLUMN_COUNT && column->is_required) {
        return pt_fail(err, PT_INVALID,
                       "the table has a required column %s, which this program cannot fill: make "
                       "it optional",
                       column->name);
    }
    if (ours < PT_COLUMN_COUNT) {
        schema->field_ids[ours] = column->field_id;
    }
    schema->count++;
    return PT_OK;
}

enum pt_code pt_schema_read(struct pt_schema *schema_out, struct pt_json root, int64_t schema_id,
                            struct pt_arena *arena, struct pt_error *err)
{
    struct pt_json schema = find_schema(root, schema_id);
    struct pt_json fields = {0};
    struct pt_json_iter it;
    int64_t last_id = 0;
    enum pt_code code = PT_OK;

    memset(schema_out, 0, sizeof(*schema_out));
    if (pt_json_exists(schema)) {
        fields = pt_json_member(schema, "fields");
    }
    if (!pt_json_exists(fields) || pt_json_type(fields) != PT_JSON_ARRAY ||
        !pt_json_member_int(root, "last-column-id", &last_id)) {
        return pt_fail(err, PT_CORRUPT, "the table has no schema %" PRId64, schema_id);
    }
    schema_out->schema_id = (int32_t)schema_id;
    schema_out->columns =
        pt_arena_alloc(arena, (pt_json_count(fields) + 1) * sizeof(*schema_out->columns));
    if (!schema_out->columns) {
        return pt_fail(err, PT_NO_MEMORY, "read the table's schema");
    }
    for (it = pt_json_iterate(fields); !code && pt_json_next(&it);) {
        code = take_field(schema_out, it.value, arena, err);
    }
    for (unsigned i = 0; !code && i < PT_COLUMN_COUNT; i++) {
        if (schema_out->field_ids[i]) {
            continue;
        }
        if (i < PT_COLUMN_FIXED && last_id > (int64_t)i) {
            code = pt_fail(err, PT_INVALID,
                           "the table's column %s (field %u) was dropped by another program, and "
                           "cannot be brought back under its field id: restore the table's "
                           "metadata of before",
                           pt_columns[i].name, i + 1);
        }
        schema_out->lacks_columns = true;
    }
    return code;
}

/* ---- writing ---- */

static void write_field(struct pt_jsonw *w, int64_t id, const char *name, bool is_required,
                        const char *type)
{
    pt_jsonw_object(w);
    pt_jsonw_member_int(w, "id", id);
    pt_jsonw_member_str(w, "name", name);
    pt_jsonw_member_bool(w, "required", is_required);
    pt_jsonw_member_str(w, "type", type);
    pt_jsonw_object_end(w);
}

static void write_head(struct pt_jsonw *w, int32_t schema_id)
{
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "type", "struct");
    pt_jsonw_member_int(w, "schema-id", schema_id);
    pt_jsonw_key(w, "fields");
    pt_jsonw_array(w);
}

void pt_schema_write_first(struct pt_jsonw *w)
{
    write_head(w, 0);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        write_field(w, i + 1, pt_columns[i].name, pt_columns[i].is_required,
                    pt_column_iceberg_type(pt_columns[i].kind));
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}

void pt_schema_write_next(struct pt_jsonw *w, const struct pt_schema *schema, struct pt_json root,
                          int32_t schema_id, int64_t *last_id, const char *name, const char *type)
{
    struct pt_json now = find_schema(root, schema->schema_id);
    struct pt_json_iter it;

    write_head(w, schema_id);
    for (it = pt_json_iterate(pt_json_member(now, "fields")); pt_json_next(&it);) {
        pt_jsonw_value(w, it.value);
    }
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        if (!schema->field_ids[i]) {
            /* Rows that are there lack it: it can only be optional. */
            write_field(w, ++*last_id, pt_columns[i].name, false,
                        pt_column_iceberg_type(pt_columns[i].kind));
        }
    }
    if (name) {
        write_field(w, ++*last_id, name, false, type);
    }
    pt_jsonw_array_end(w);
    for (it = pt_json_iterate(now); pt_json_next(&it);) {
        if (!pt_span_is(it.key, "type") && !pt_span_is(it.key, "schema-id") &&
            !pt_span_is(it.key, "fields")) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
    }
    pt_jsonw_object_end(w);
}
