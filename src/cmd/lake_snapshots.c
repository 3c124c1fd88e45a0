/*
 * lake_snapshots.c - playtrace lake snapshots: what the table was, and when
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/lake_verbs.h"
#include "query/query.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>

#define SQL_BYTES_MAX (256u << 20)

static bool write_out(void *ctx, const void *data, size_t bytes)
{
    return fwrite(data, 1, bytes, ctx) == bytes;
}

static void append_number(struct pt_buf *sql, int64_t number)
{
    if (number < 0) {
        pt_buf_append_str(sql, ", NULL::BIGINT");
    } else {
        pt_buf_appendf(sql, ", %" PRId64 "::BIGINT", number);
    }
}

/* The list as SQL, so that it is rendered as every answer is. Ids are text: 63 bits are more than
 * what many readers of JSON keep of a number. */
static void append_rows(const struct pt_lake_history *history, struct pt_buf *sql)
{
    char time[PT_RFC3339_TEXT_BYTES + 1];

    pt_buf_append_str(sql, "SELECT * FROM (VALUES ('', '', '', 0, NULL::BIGINT, NULL::BIGINT, "
                           "NULL::BIGINT, NULL::BIGINT, false, '')");
    for (size_t i = 0; i < history->count; i++) {
        const struct pt_lake_event *event = &history->events[i];

        pt_rfc3339_format(event->time_us, time);
        pt_buf_appendf(sql, ", ('%" PRId64 "', '%s', ", event->snapshot_id, time);
        pt_sql_append_text(sql, event->operation);
        pt_buf_appendf(sql, ", %" PRIu64, event->checkpoint);
        append_number(sql, event->added_rows);
        append_number(sql, event->rows);
        append_number(sql, event->files);
        append_number(sql, event->bytes);
        pt_buf_appendf(sql, ", %s, ", event->is_current ? "true" : "false");
        if (event->parent_id) {
            pt_buf_appendf(sql, "'%" PRId64 "')", event->parent_id);
        } else {
            pt_buf_append_str(sql, "NULL)");
        }
    }
    pt_buf_append_str(sql,
                      ") AS t(snapshot_id, time, operation, checkpoint, added_records, records, "
                      "files, bytes, current, parent_id) OFFSET 1");
    pt_buf_append_byte(sql, '\0');
}

static enum pt_code list(const char *data, enum pt_query_format format, struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    struct pt_lake_history history = {0};
    struct pt_duck *duck = NULL;
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    enum pt_code code = pt_data_dir_init(&dir, data, err);

    pt_buf_init(&sql, SQL_BYTES_MAX);
    if (!code) {
        code = pt_lake_read_history(pt_io_posix(), dir.lake, &history, err);
    }
    if (!code) {
        append_rows(&history, &sql);
        code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "list %zu snapshots", history.count)
                              : pt_duck_open(&duck, 1, err);
    }
    if (!code) {
        code = pt_duck_query(duck, (const char *)sql.data, &result, err);
    }
    if (!code) {
        code = pt_query_render(result, format, write_out, stdout, err);
    }
    pt_duck_result_close(result);
    pt_duck_close(duck);
    pt_lake_history_release(&history);
    pt_buf_release(&sql);
    pt_data_dir_release(&dir);
    return code;
}

int pt_lake_verb_snapshots(int argc, char **argv)
{
    const char *data = NULL;
    const char *format_text = NULL;
    enum pt_query_format format = PT_QUERY_TABLE;
    struct pt_error err = {0};
    const struct pt_option options[] = {
        {"--data", "DIR", "the data directory", &data, NULL},
        {"--format", "FORMAT", "table, json or csv (default: table)", &format_text, NULL},
        {0},
    };
    struct pt_command_line line = {
        .usage = "playtrace lake snapshots [--data DIR] [--format table|json|csv]",
        .about = "List the table's snapshots, oldest first: what was committed when, and how large "
                 "the table was then. `playtrace query --snapshot ID` asks one of them.",
        .options = options,
    };
    int code = pt_command_line_parse(&line, argc, argv);

    if (code >= 0) {
        return code;
    }
    if (format_text && !pt_query_format_parse(format_text, &format)) {
        pt_cmd_say("lake snapshots: --format %s: it is table, json or csv", format_text);
        return PT_EXIT_USAGE;
    }
    return list(pt_cmd_data_dir(data), format, &err) ? pt_cmd_failed("lake snapshots", &err)
                                                     : PT_EXIT_OK;
}
