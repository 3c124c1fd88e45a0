/*
 * verify_data.c - is a Parquet file what its manifest entry says
 *
 * DuckDB reads the file. The entry's bounds become conditions of one statement, so that a file is
 * read once, whatever is asked of it.
 */
#include "lake/verify_data.h"

#include "lake/lake_inside.h"
#include "wire/frame.h"
#include "wire/rfc3339.h"
#include "wire/uuid.h"

#include <inttypes.h>

#define SQL_BYTES_MAX (4u << 20)

struct pt_data_check {
    const struct pt_schema *schema; /* borrowed */
    struct pt_duck *duck;
    struct pt_buf sql;
    const char **names; /* of what each value of the answer is about */
    size_t name_count;
};

enum pt_code pt_data_check_create(struct pt_data_check **check_out, const struct pt_schema *schema,
                                  struct pt_error *err)
{
    struct pt_data_check *check = pt_alloc_zero(sizeof(*check));
    enum pt_code code = PT_OK;

    *check_out = check;
    if (!check) {
        return pt_fail(err, PT_NO_MEMORY, "verify data files");
    }
    check->schema = schema;
    pt_buf_init(&check->sql, SQL_BYTES_MAX);
    check->names = pt_alloc_zero((3 * schema->count + 2) * sizeof(*check->names));
    code = check->names ? pt_duck_open(&check->duck, 1, err)
                        : pt_fail(err, PT_NO_MEMORY, "verify data files");
    return code;
}

void pt_data_check_destroy(struct pt_data_check *check)
{
    if (check) {
        pt_duck_close(check->duck);
        pt_buf_release(&check->sql);
        pt_free(check->names);
        pt_free(check);
    }
}

/* ---- conditions ---- */

/* "column >= bound" for the types whose single-value form is known here; nothing for others. */
static bool append_condition(struct pt_buf *sql, const struct pt_lake_column *column,
                             struct pt_span bound, bool upper)
{
    const char *sign = upper ? " <= " : " >= ";
    const char *type = column->sql_type;
    char uuid[PT_UUID_TEXT_BYTES + 1];

    if (strcmp(type, "BIGINT") == 0 && bound.size == 8) {
        pt_sql_append_name(sql, column->name);
        pt_buf_appendf(sql, "%s%" PRId64, sign, (int64_t)pt_get_u64(bound.data));
    } else if (strcmp(type, "TIMESTAMPTZ") == 0 && bound.size == 8) {
        pt_buf_append_str(sql, "epoch_us(");
        pt_sql_append_name(sql, column->name);
        pt_buf_appendf(sql, ")%s%" PRId64, sign, (int64_t)pt_get_u64(bound.data));
    } else if (strcmp(type, "INTEGER") == 0 && bound.size == 4) {
        pt_sql_append_name(sql, column->name);
        pt_buf_appendf(sql, "%s%" PRId32, sign, (int32_t)pt_get_u32(bound.data));
    } else if (strcmp(type, "UUID") == 0 && bound.size == PT_UUID_BYTES) {
        pt_uuid_format(bound.data, uuid);
        pt_sql_append_name(sql, column->name);
        pt_buf_appendf(sql, "%s'%s'::UUID", sign, uuid);
    } else if (strcmp(type, "VARCHAR") == 0) {
        pt_buf_append_str(sql, "encode(");
        pt_sql_append_name(sql, column->name);
        pt_buf_appendf(sql, ")%s'", sign);
        for (size_t i = 0; i < bound.size; i++) {
            pt_buf_appendf(sql, "\\x%02X", bound.data[i]);
        }
        pt_buf_append_str(sql, "'::BLOB");
    } else {
        return false;
    }
    return true;
}

static void append_bound(struct pt_data_check *check, const struct pt_lake_column *column,
                         const struct pt_manifest_entry *entry, bool upper)
{
    struct pt_buf *sql = &check->sql;
    struct pt_span bound = {0};
    size_t before = sql->size;

    if (!pt_manifest_bound(entry, column->field_id, upper, &bound)) {
        return;
    }
    pt_buf_append_str(sql, ", coalesce(bool_and(");
    if (append_condition(sql, column, bound, upper)) {
        pt_buf_append_str(sql, "), true)");
        check->names[check->name_count++] = column->name;
    } else {
        sql->size = before;
    }
}

/* Nulls as counted, or none where the column is required. */
static void append_nulls(struct pt_data_check *check, const struct pt_lake_column *column,
                         const struct pt_manifest_entry *entry)
{
    int64_t nulls = 0;

    if (!pt_manifest_count(entry, "null_value_counts", column->field_id, &nulls) &&
        !column->is_required) {
        return;
    }
    pt_buf_append_str(&check->sql, ", count(*) - count(");
    pt_sql_append_name(&check->sql, column->name);
    pt_buf_appendf(&check->sql, ") = %" PRId64 "%s", nulls,
                   column->is_required && nulls ? " AND false" : "");
    check->names[check->name_count++] = column->name;
}

static void append_source(struct pt_data_check *check, const char *path)
{
    char *files[1] = {(char *)(uintptr_t)path};
    struct pt_lake_snapshot one = {.files = files,
                                   .file_count = 1,
                                   .columns = check->schema->columns,
                                   .column_count = check->schema->count};

    pt_buf_append_str(&check->sql, " FROM ");
    pt_lake_scan_sql(&one, &check->sql);
}

static void write_sql(struct pt_data_check *check, const char *path,
                      const struct pt_manifest_entry *entry)
{
    struct pt_buf *sql = &check->sql;
    char day[11];

    pt_buf_reset(sql);
    check->name_count = 0;
    pt_buf_append_str(sql, "SELECT count(*)");
    for (size_t i = 0; i < check->schema->count; i++) {
        const struct pt_lake_column *column = &check->schema->columns[i];

        if (column->sql_type) {
            append_nulls(check, column, entry);
            append_bound(check, column, entry, false);
            append_bound(check, column, entry, true);
        }
    }
    if (entry->has_day) {
        pt_day_format(entry->day, day);
        pt_buf_appendf(sql, ", coalesce(bool_and(event_time::DATE = DATE '%s'), true)", day);
        check->names[check->name_count++] = "event_time (the day of its partition)";
    }
    /* Every value of every column is decoded: damage within a file shows itself here. */
    pt_buf_append_str(sql, ", bit_xor(hash(every))");
    append_source(check, path);
    pt_buf_append_str(sql, " AS every");
    pt_buf_append_byte(sql, '\0');
}

/* ---- asking ---- */

static enum pt_code ask(struct pt_data_check *check, struct pt_duck_result **result_out,
                        struct pt_error *err)
{
    enum pt_code code = PT_OK;

    *result_out = NULL;
    if (check->sql.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "verify data files");
    }
    code = pt_duck_query(check->duck, (const char *)check->sql.data, result_out, err);
    if (code && code != PT_NO_MEMORY) {
        /* DuckDB cannot read a file that is there: that is the finding. */
        char text[PT_ERROR_TEXT_BYTES];

        snprintf(text, sizeof(text), "%s", err->text);
        code = pt_fail(err, PT_CORRUPT, "it cannot be read: %s", text);
    }
    if (!code && !pt_duck_next(*result_out)) {
        code = pt_fail(err, PT_CORRUPT, "it cannot be read: no answer");
    }
    return code;
}

static enum pt_code check_rows(struct pt_duck_result *result, const struct pt_manifest_entry *entry,
                               struct pt_error *err)
{
    struct pt_duck_value rows = pt_duck_value_at(result, 0);

    if (rows.kind != PT_DUCK_INT || rows.integer != entry->rows) {
        return pt_fail(err, PT_CORRUPT, "it has %" PRId64 " rows, its manifest says %" PRId64,
                       rows.integer, entry->rows);
    }
    return PT_OK;
}

static enum pt_code check_footer(struct pt_data_check *check, const char *path,
                                 const struct pt_manifest_entry *entry, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = PT_OK;

    pt_buf_reset(&check->sql);
    pt_buf_append_str(&check->sql, "SELECT num_rows FROM parquet_file_metadata(");
    pt_sql_append_text(&check->sql, path);
    pt_buf_append_str(&check->sql, ")");
    pt_buf_append_byte(&check->sql, '\0');
    code = ask(check, &result, err);
    if (!code) {
        code = check_rows(result, entry, err);
    }
    pt_duck_result_close(result);
    return code;
}

enum pt_code pt_data_check_file(struct pt_data_check *check, const char *path,
                                const struct pt_manifest_entry *entry, bool reads_data,
                                struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = PT_OK;

    if (entry->has_deletes || !entry->is_parquet) {
        return PT_OK; /* another program's: readers of ours refuse it with a reason */
    }
    code = check_footer(check, path, entry, err);
    if (code || !reads_data) {
        return code;
    }
    write_sql(check, path, entry);
    code = ask(check, &result, err);
    if (!code) {
        code = check_rows(result, entry, err);
    }
    for (size_t i = 0; !code && i < check->name_count; i++) {
        struct pt_duck_value holds = pt_duck_value_at(result, i + 1);

        if (holds.kind != PT_DUCK_BOOL || !holds.boolean) {
            code = pt_fail(err, PT_CORRUPT,
                           "its values of %s are not within what its manifest says (bounds, nulls "
                           "or day)",
                           check->names[i]);
        }
    }
    pt_duck_result_close(result);
    return code;
}
