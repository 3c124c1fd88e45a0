/*
 * query.c - sessions over the table's current snapshot
 */
#include "query/query.h"

#define SQL_BYTES_MAX (256u << 20) /* the view names every data file */

struct pt_query {
    struct pt_duck *duck;
    struct pt_lake_snapshot snapshot;
};

/* A data file that is gone: DuckDB speaks of patterns. Takes and gives the code of a failure. */
static enum pt_code explain(const struct pt_query *query, enum pt_code code, struct pt_error *err)
{
    if (!code || !err || !strstr(err->text, "No files found that match the pattern")) {
        return code;
    }
    for (size_t i = 0; i < query->snapshot.file_count; i++) {
        if (strstr(err->text, query->snapshot.files[i])) {
            return pt_fail(err, PT_CORRUPT,
                           "%s, a data file of the table, is missing: put it back from a backup; "
                           "`playtrace audit` names all that are",
                           query->snapshot.files[i]);
        }
    }
    return code;
}

static enum pt_code prepare(struct pt_query *query, const char *temporary_dir, struct pt_error *err)
{
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, SQL_BYTES_MAX);
    if (temporary_dir) {
        pt_buf_append_str(&sql, "SET temp_directory=");
        pt_sql_append_text(&sql, temporary_dir);
        pt_buf_append_str(&sql, ";\n");
    }
    pt_buf_append_str(&sql, "CREATE VIEW events AS SELECT * FROM ");
    pt_lake_scan_sql(&query->snapshot, &sql);
    pt_buf_append_byte(&sql, '\0');
    if (sql.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "name the table's %zu files", query->snapshot.file_count);
    } else {
        code = explain(query, pt_duck_run(query->duck, (const char *)sql.data, err), err);
    }
    pt_buf_release(&sql);
    return code;
}

enum pt_code pt_query_open(struct pt_query **query_out, struct pt_io *io, const char *lake_dir,
                           const char *temporary_dir, struct pt_error *err)
{
    const struct pt_lake_at current = {.kind = PT_LAKE_AT_CURRENT};

    return pt_query_open_at(query_out, io, lake_dir, &current, temporary_dir, err);
}

enum pt_code pt_query_open_at(struct pt_query **query_out, struct pt_io *io, const char *lake_dir,
                              const struct pt_lake_at *at, const char *temporary_dir,
                              struct pt_error *err)
{
    struct pt_query *query = NULL;
    enum pt_code code = PT_OK;

    *query_out = NULL;
    query = pt_alloc_zero(sizeof(*query));
    if (!query) {
        return pt_fail(err, PT_NO_MEMORY, "open the table");
    }
    code = pt_lake_read_at(io, lake_dir, at, &query->snapshot, err);
    if (!code) {
        code = pt_duck_open(&query->duck, 0, err);
    }
    if (!code) {
        code = prepare(query, temporary_dir, err);
    }
    if (code) {
        goto out;
    }
    *query_out = query;
    query = NULL;

out:
    pt_query_close(query);
    return code;
}

void pt_query_close(struct pt_query *query)
{
    if (query) {
        pt_duck_close(query->duck);
        pt_lake_snapshot_release(&query->snapshot);
        pt_free(query);
    }
}

const struct pt_lake_snapshot *pt_query_snapshot(const struct pt_query *query)
{
    return &query->snapshot;
}

enum pt_code pt_query_sql(struct pt_query *query, const char *sql,
                          struct pt_duck_result **result_out, struct pt_error *err)
{
    return explain(query, pt_duck_query(query->duck, sql, result_out, err), err);
}

/* The place of `name` in the metric's parameters; fails with the names that there are. */
static enum pt_code find_param(const struct pt_sql_metric *metric, const char *name, size_t *at_out,
                               struct pt_error *err)
{
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < metric->param_count; i++) {
        int size = 0;

        if (strcmp(metric->params[i].name, name) == 0) {
            *at_out = i;
            return PT_OK;
        }
        size = snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
                        metric->params[i].name);
        used = used + (size_t)size < sizeof(known) ? used + (size_t)size : sizeof(known) - 1;
    }
    return pt_fail(err, PT_INVALID, "%s has no parameter %s; it has: %s", metric->name, name,
                   metric->param_count ? known : "none");
}

enum pt_code pt_query_metric(struct pt_query *query, const char *name,
                             const struct pt_duck_param *params, size_t count,
                             struct pt_duck_result **result_out, struct pt_error *err)
{
    struct pt_duck_param bound[PT_SQL_METRIC_PARAMS_MAX];
    struct pt_sql_metric metric;
    enum pt_code code = pt_sql_metric_load(&metric, name, err);

    *result_out = NULL;
    for (size_t i = 0; !code && i < metric.param_count; i++) {
        bound[i] = (struct pt_duck_param){.name = metric.params[i].name,
                                          .value = metric.params[i].default_value};
    }
    for (size_t i = 0; !code && i < count; i++) {
        size_t at = 0;

        code = find_param(&metric, params[i].name, &at, err);
        if (!code) {
            bound[at].value = params[i].value;
        }
    }
    if (!code) {
        code =
            pt_duck_query_with(query->duck, metric.sql, bound, metric.param_count, result_out, err);
        code = explain(query, code, err);
    }
    pt_sql_metric_release(&metric);
    return code;
}
