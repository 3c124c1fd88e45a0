/*
 * cmd_query.c - playtrace query: a metric of sql/, or any SQL over the table
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "query/query.h"
#include "query/sql_files.h"
#include "wire/rfc3339.h"

#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 64

/* What a metric's parameter is called on the command line, and what was given for it. */
struct given {
    char name[64];     /* "--as-of" */
    const char *param; /* "as_of"; lives as long as the metric that is loaded */
    const char *value;
    char help[256];
};

struct request {
    const char *name; /* of the metric; NULL with --sql */
    const char *sql;
    const char *data;
    const char *format_text;
    const char *snapshot_text;
    const char *time_text;
    enum pt_query_format format;
    struct pt_lake_at at;
    struct pt_sql_metric metric;
    struct given given[PT_SQL_METRIC_PARAMS_MAX];
};

static void list_metrics(FILE *out)
{
    fputs("metrics:\n", out);
    for (const struct pt_sql_file *file = pt_sql_files; file->name; file++) {
        struct pt_sql_metric metric;

        if (!pt_sql_metric_load(&metric, file->name, NULL)) {
            fprintf(out, "  %-22s %s\n", metric.name, metric.help);
        }
        pt_sql_metric_release(&metric);
    }
    fputs("`playtrace query NAME --help` tells a metric's parameters\n", out);
}

/* The first argument that is no option: which parameters there are depends on it. */
static const char *find_name(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            return argv[i];
        }
        if (strcmp(argv[i], "--") == 0) {
            return i + 1 < argc ? argv[i + 1] : NULL;
        }
        if (!strchr(argv[i], '=') && strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) {
            i++; /* all our other options have a value */
        }
    }
    return NULL;
}

static void name_option(struct given *given, const struct pt_sql_metric_param *param)
{
    snprintf(given->name, sizeof(given->name), "--%s", param->name);
    for (char *at = given->name; *at; at++) {
        *at = *at == '_' ? '-' : *at;
    }
    given->param = param->name;
    given->value = NULL;
    if (param->default_value) {
        snprintf(given->help, sizeof(given->help), "%s (default: %s)", param->help,
                 param->default_value);
    } else {
        snprintf(given->help, sizeof(given->help), "%s", param->help);
    }
}

/* Which snapshot is asked for; false after the mistake was said. */
static bool parse_at(struct request *request)
{
    const char *time_text = request->time_text;

    request->at.kind = PT_LAKE_AT_CURRENT;
    if (request->snapshot_text && time_text) {
        pt_cmd_say("query: --snapshot and --as-of-time exclude each other");
        return false;
    }
    if (request->snapshot_text) {
        request->at.kind = PT_LAKE_AT_SNAPSHOT;
        return pt_cmd_parse_int("query: --snapshot", request->snapshot_text, 1, INT64_MAX,
                                &request->at.snapshot_id);
    }
    if (time_text) {
        request->at.kind = PT_LAKE_AT_TIME;
        if (!pt_rfc3339_parse(time_text, strlen(time_text), &request->at.time_us)) {
            pt_cmd_say("query: --as-of-time %s: it is a time such as 2026-11-01T12:00:00Z",
                       time_text);
            return false;
        }
    }
    return true;
}

/* -1 to go on, or the exit code. */
static int parse(struct request *request, int argc, char **argv)
{
    struct pt_option options[OPTIONS_MAX] = {
        {"--sql", "SQL", "any SQL; the table is called events", &request->sql, NULL},
        {"--data", "DIR", "the data directory", &request->data, NULL},
        {"--format", "FORMAT", "table, json or csv (default: table)", &request->format_text, NULL},
        {"--snapshot", "ID", "ask that snapshot of the table (`playtrace lake snapshots`)",
         &request->snapshot_text, NULL},
        {"--as-of-time", "TIME", "ask the snapshot that was current then (2026-11-01T12:00:00Z)",
         &request->time_text, NULL},
    };
    size_t option_count = 5;
    char about[512];
    struct pt_command_line line = {
        .usage = "playtrace query NAME [--param value…] | --sql \"…\" [--data DIR] "
                 "[--format table|json|csv] [--snapshot ID | --as-of-time TIME]",
        .options = options,
        .positional = &request->name,
        .positional_max = 1,
    };
    const char *name = find_name(argc, argv);
    int code = 0;

    snprintf(about, sizeof(about),
             "Ask the table: a metric by its name (without one, `playtrace query` lists them), "
             "or any SQL.");
    if (name) {
        enum pt_code found = pt_sql_metric_load(&request->metric, name, NULL);

        if (found) {
            pt_cmd_say("query: %s: there is no such metric", name);
            list_metrics(stderr);
            return PT_EXIT_USAGE;
        }
        snprintf(about, sizeof(about), "%s. sql/%s.sql defines it.", request->metric.help, name);
        for (size_t i = 0; i < request->metric.param_count; i++) {
            struct given *given = &request->given[i];

            name_option(given, &request->metric.params[i]);
            options[option_count++] =
                (struct pt_option){given->name, "VALUE", given->help, &given->value, NULL};
        }
    }
    line.about = about;
    code = pt_command_line_parse(&line, argc, argv);
    if (code >= 0) {
        return code;
    }
    if (!request->name && !request->sql) {
        pt_cmd_say("query: a metric's name or --sql is needed; usage: %s", line.usage);
        list_metrics(stderr);
        return PT_EXIT_USAGE;
    }
    if (request->name && request->sql) {
        pt_cmd_say("query: a metric's name and --sql exclude each other");
        return PT_EXIT_USAGE;
    }
    request->format = PT_QUERY_TABLE;
    if (request->format_text && !pt_query_format_parse(request->format_text, &request->format)) {
        pt_cmd_say("query: --format %s: it is table, json or csv", request->format_text);
        return PT_EXIT_USAGE;
    }
    return parse_at(request) ? -1 : PT_EXIT_USAGE;
}

static bool write_out(void *ctx, const void *data, size_t bytes)
{
    return fwrite(data, 1, bytes, ctx) == bytes;
}

static enum pt_code ask(struct pt_query *query, const struct request *request,
                        struct pt_duck_result **result_out, struct pt_error *err)
{
    struct pt_duck_param params[PT_SQL_METRIC_PARAMS_MAX];
    size_t count = 0;

    if (request->sql) {
        return pt_query_sql(query, request->sql, result_out, err);
    }
    for (size_t i = 0; i < request->metric.param_count; i++) {
        if (request->given[i].value) {
            params[count++] = (struct pt_duck_param){.name = request->given[i].param,
                                                     .value = request->given[i].value};
        }
    }
    return pt_query_metric(query, request->name, params, count, result_out, err);
}

static void ignore_entry(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
}

static enum pt_code answer(const struct request *request, struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    struct pt_query *query = NULL;
    struct pt_duck_result *result = NULL;
    char *temporary = NULL;
    enum pt_code code = pt_data_dir_init(&dir, pt_cmd_data_dir(request->data), err);

    if (!code) {
        /* A table that is not there yet is empty; a directory that is not there is a slip. */
        code = pt_io_list(pt_io_posix(), dir.root, ignore_entry, NULL, err);
    }
    if (code) {
        goto out;
    }
    temporary = pt_strf("%s/query-tmp", dir.root);
    if (!temporary) {
        code = pt_fail(err, PT_NO_MEMORY, "open the table");
        goto out;
    }
    code = pt_query_open_at(&query, pt_io_posix(), dir.lake, &request->at, temporary, err);
    if (code) {
        goto out;
    }
    if (pt_query_snapshot(query)->snapshot_id == 0) {
        pt_cmd_say("query: %s has no committed events yet", dir.root);
    }
    code = ask(query, request, &result, err);
    if (!code) {
        code = pt_query_render(result, request->format, write_out, stdout, err);
    }
    if (!code && fflush(stdout) != 0) {
        code = pt_fail(err, PT_IO, "standard output cannot be written");
    }

out:
    pt_duck_result_close(result);
    pt_query_close(query);
    pt_free(temporary);
    pt_data_dir_release(&dir);
    return code;
}

int pt_cmd_query(int argc, char **argv)
{
    struct request request = {0};
    struct pt_error err = {0};
    int code = parse(&request, argc, argv);

    if (code < 0) {
        code = answer(&request, &err) ? pt_cmd_failed("query", &err) : PT_EXIT_OK;
    }
    pt_sql_metric_release(&request.metric);
    return code;
}
