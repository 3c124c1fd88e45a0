/*
 * dlq_table.c - which event ids the table holds already
 */
#include "cmd/dlq.h"

#include "query/query.h"

struct pt_dlq_table {
    struct pt_query *query;
    struct pt_buf sql;
};

static enum pt_code run(struct pt_dlq_table *table, const char *text, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = pt_query_sql(table->query, text, &result, err);

    pt_duck_result_close(result);
    return code;
}

enum pt_code pt_dlq_table_open(struct pt_dlq_table **table_out, const char *lake_dir,
                               struct pt_error *err)
{
    struct pt_dlq_table *table = pt_alloc_zero(sizeof(*table));
    enum pt_code code = PT_OK;

    *table_out = NULL;
    if (!table) {
        return pt_fail(err, PT_NO_MEMORY, "ask the table");
    }
    pt_buf_init(&table->sql, PT_DLQ_IDS_MAX * 64 + 1024);
    code = pt_query_open(&table->query, pt_io_posix(), lake_dir, NULL, err);
    if (!code) {
        code = run(table, "CREATE TEMP TABLE chunk(i BIGINT, id UUID)", err);
    }
    if (!code) {
        code = run(table, "CREATE TEMP TABLE asked(id UUID)", err);
    }
    if (code) {
        pt_dlq_table_close(table);
        return code;
    }
    *table_out = table;
    return PT_OK;
}

void pt_dlq_table_close(struct pt_dlq_table *table)
{
    if (table) {
        pt_query_close(table->query);
        pt_buf_release(&table->sql);
        pt_free(table);
    }
}

/* False: there is no id to ask for. */
static bool write_insert(struct pt_buf *sql, const struct pt_dlq_id *ids, size_t count)
{
    bool is_first = true;

    pt_buf_reset(sql);
    pt_buf_append_str(sql, "INSERT INTO chunk VALUES ");
    for (size_t i = 0; i < count; i++) {
        char text[PT_UUID_TEXT_BYTES + 1];

        if (ids[i].is_there) {
            pt_uuid_format(ids[i].bytes, text);
            pt_buf_appendf(sql, "%s(%zu,'%s')", is_first ? "" : ",", i, text);
            is_first = false;
        }
    }
    pt_buf_append_byte(sql, '\0');
    return !is_first;
}

static enum pt_code mark(struct pt_dlq_table *table, struct pt_dlq_id *ids, size_t count,
                         struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = pt_query_sql(
        table->query,
        "WITH found AS (SELECT i, id IN (SELECT event_id FROM events) AS is_row, id IN (SELECT id "
        "FROM asked) OR i > min(i) OVER (PARTITION BY id) AS is_repeated FROM chunk) "
        "SELECT i, is_row FROM found WHERE is_row OR is_repeated",
        &result, err);

    while (!code && pt_duck_next(result)) {
        struct pt_duck_value at = pt_duck_value_at(result, 0);
        struct pt_duck_value is_row = pt_duck_value_at(result, 1);

        pt_assert(at.kind == PT_DUCK_INT && (size_t)at.integer < count);
        ids[at.integer].known =
            is_row.kind == PT_DUCK_BOOL && is_row.boolean ? PT_DLQ_IN_TABLE : PT_DLQ_REPEATED;
    }
    pt_duck_result_close(result);
    return code;
}

enum pt_code pt_dlq_table_ask(struct pt_dlq_table *table, struct pt_dlq_id *ids, size_t count,
                              struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pt_assert(count <= PT_DLQ_IDS_MAX);
    if (!write_insert(&table->sql, ids, count)) {
        return PT_OK;
    }
    if (table->sql.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "ask the table");
    }
    code = run(table, "DELETE FROM chunk", err);
    if (!code) {
        code = run(table, (const char *)table->sql.data, err);
    }
    if (!code) {
        code = mark(table, ids, count, err);
    }
    return code ? code : run(table, "INSERT INTO asked SELECT DISTINCT id FROM chunk", err);
}
