/*
 * metric.c - the metrics of sql/, and what their header comments say
 *
 * A file of sql/ is a metric where its header has a line "-- columns:"; the others are steps of
 * an experiment's analysis and need tables that only that has.
 */
#include "query/query.h"
#include "query/sql_files.h"

#define METRIC_TEXT_BYTES_MAX (64u << 10)

static struct pt_span trim(struct pt_span text)
{
    while (text.size && text.data[0] == ' ') {
        text = pt_span_of(text.data + 1, text.size - 1);
    }
    while (text.size && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

/* What stands before the first `mark`, which must be there; `rest` goes on behind it. */
static bool split(struct pt_span *rest, char mark, struct pt_span *before_out)
{
    const uint8_t *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;

    if (!at) {
        return false;
    }
    *before_out = trim(pt_span_of(rest->data, (size_t)(at - rest->data)));
    *rest = pt_span_of(at + 1, rest->size - (size_t)(at - rest->data) - 1);
    return true;
}

/* "NAME = DEFAULT: help" */
static enum pt_code take_param(struct pt_sql_metric *metric, struct pt_span text,
                               struct pt_error *err)
{
    struct pt_sql_metric_param *param = NULL;
    struct pt_span name = {0};
    struct pt_span value = {0};

    if (metric->param_count == PT_SQL_METRIC_PARAMS_MAX || !split(&text, '=', &name) ||
        !split(&text, ':', &value)) {
        return pt_fail(err, PT_INVALID,
                       "metric %s: a line \"-- param\" is not NAME = DEFAULT: help", metric->name);
    }
    param = &metric->params[metric->param_count];
    param->name = pt_arena_strdup(&metric->arena, name);
    param->help = pt_arena_strdup(&metric->arena, trim(text));
    param->default_value = value.size ? pt_arena_strdup(&metric->arena, value) : NULL;
    if (!param->name || !param->help || (value.size && !param->default_value)) {
        return pt_fail(err, PT_NO_MEMORY, "read metric %s", metric->name);
    }
    metric->param_count++;
    return PT_OK;
}

static bool has_prefix(struct pt_span text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static enum pt_code take_header(struct pt_sql_metric *metric, struct pt_error *err)
{
    static const char param_mark[] = "-- param ";
    bool has_columns = false;
    struct pt_span rest = pt_span_str(metric->sql);
    struct pt_span line = {0};
    enum pt_code code = PT_OK;

    while (!code && split(&rest, '\n', &line) && has_prefix(line, "--")) {
        if (!metric->help) {
            metric->help =
                pt_arena_strdup(&metric->arena, trim(pt_span_of(line.data + 2, line.size - 2)));
            code =
                metric->help ? PT_OK : pt_fail(err, PT_NO_MEMORY, "read metric %s", metric->name);
        } else if (has_prefix(line, param_mark)) {
            size_t size = sizeof(param_mark) - 1;

            code = take_param(metric, pt_span_of(line.data + size, line.size - size), err);
        }
        has_columns |= has_prefix(line, "-- columns:");
    }
    if (!code && !has_columns) {
        code = pt_fail(err, PT_NOT_FOUND, "no metric is called %s", metric->name);
    }
    return code;
}

enum pt_code pt_sql_metric_load(struct pt_sql_metric *metric, const char *name,
                                struct pt_error *err)
{
    memset(metric, 0, sizeof(*metric));
    pt_arena_init(&metric->arena, METRIC_TEXT_BYTES_MAX);
    for (const struct pt_sql_file *file = pt_sql_files; file->name; file++) {
        if (strcmp(file->name, name) == 0) {
            metric->name = file->name;
            metric->sql = file->text;
            return take_header(metric, err);
        }
    }
    return pt_fail(err, PT_NOT_FOUND, "no metric is called %s", name);
}

void pt_sql_metric_release(struct pt_sql_metric *metric)
{
    pt_arena_release(&metric->arena);
    memset(metric, 0, sizeof(*metric));
}
