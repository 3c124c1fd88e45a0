/*
 * lake_compact.c - playtrace lake compact: few sorted files of the table's many small ones, now
 */
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/lake_verbs.h"
#include "cmd/serve_maintenance.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct telling {
    bool is_json;
    bool is_dry_run;
    struct pt_buf text;
    struct pt_jsonw w;
};

static void tell_json(struct telling *telling, const char *day, const struct pt_compacted *made)
{
    struct pt_jsonw *w = &telling->w;

    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "day", day);
    pt_jsonw_member_uint(w, "files", made->files_in);
    pt_jsonw_member_uint(w, "rows", made->rows);
    pt_jsonw_member_uint(w, "bytes_before", made->bytes_in);
    if (made->path) {
        pt_jsonw_member_uint(w, "bytes_after", made->bytes_out);
        pt_jsonw_member_str(w, "path", made->path);
    }
    pt_jsonw_object_end(w);
}

static void tell(void *ctx, const struct pt_compacted *made)
{
    struct telling *telling = ctx;
    char day[11];

    pt_day_format(made->day, day);
    if (telling->is_json) {
        tell_json(telling, day, made);
    } else if (telling->is_dry_run) {
        printf("%s: %" PRIu64 " files, %" PRIu64 " rows, %" PRIu64 " bytes would become one\n", day,
               made->files_in, made->rows, made->bytes_in);
    } else {
        printf("%s: %" PRIu64 " files, %" PRIu64 " rows, %" PRIu64 " bytes became %s, %" PRIu64
               " bytes\n",
               day, made->files_in, made->rows, made->bytes_in, made->path, made->bytes_out);
        fflush(stdout);
    }
}

static void finish(struct telling *telling, const struct pt_compact_result *result)
{
    struct pt_jsonw *w = &telling->w;

    if (!telling->is_json) {
        if (result->snapshots == 0 && result->conflicts == 0) {
            printf("nothing to compact\n");
        }
        if (result->conflicts > 0) {
            printf("%" PRIu64 " given up, because the table had changed meanwhile; try again\n",
                   result->conflicts);
        }
        return;
    }
    pt_jsonw_array_end(w);
    pt_jsonw_member_uint(w, "files_made", result->snapshots);
    pt_jsonw_member_uint(w, "files_replaced", result->files_in);
    pt_jsonw_member_uint(w, "rows", result->rows);
    pt_jsonw_member_uint(w, "bytes_before", result->bytes_in);
    if (!telling->is_dry_run) {
        pt_jsonw_member_uint(w, "bytes_after", result->bytes_out);
    }
    pt_jsonw_member_uint(w, "conflicts", result->conflicts);
    pt_jsonw_member_bool(w, "dry_run", telling->is_dry_run);
    pt_jsonw_object_end(w);
    printf("%.*s\n", (int)telling->text.size, (const char *)telling->text.data);
}

/* "2026-11-01" as a day; says what is wrong. */
static bool parse_day(const char *text, int64_t *day_out)
{
    char time[32];
    int64_t time_us = 0;

    snprintf(time, sizeof(time), "%.20sT00:00:00Z", text);
    if (strlen(text) != 10 || !pt_rfc3339_parse(time, strlen(time), &time_us)) {
        pt_cmd_say("lake compact: --day %s: it is a date of UTC, such as 2026-11-01", text);
        return false;
    }
    *day_out = pt_day_of(time_us);
    return true;
}

static int run(const char *data, struct pt_compact_options *options, struct telling *telling)
{
    struct pt_data_dir dir = {0};
    struct pt_compactor *compactor = NULL;
    struct pt_compact_result result = {0};
    struct pt_error err = {0};
    enum pt_code code = pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err);

    options->each = tell;
    options->ctx = telling;
    pt_jsonw_init(&telling->w, &telling->text);
    pt_jsonw_object(&telling->w);
    pt_jsonw_key(&telling->w, "compacted");
    pt_jsonw_array(&telling->w);
    if (!code) {
        code = pt_compactor_open(&compactor, pt_io_posix(), pt_clock_system(), dir.lake, &err);
    }
    if (!code) {
        code = pt_compactor_run(compactor, options, &result, &err);
        if (code == PT_NOT_FOUND) {
            code = pt_fail(&err, PT_NOT_FOUND, "%s has no table: nothing was ever stored there",
                           dir.root);
        } else if (!code || result.snapshots > 0) {
            finish(telling, &result);
        }
    }
    pt_compactor_close(compactor);
    pt_data_dir_release(&dir);
    return code ? pt_cmd_failed("lake compact", &err) : PT_EXIT_OK;
}

int pt_lake_verb_compact(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *day = NULL;
    const char *format = "table";
    struct pt_compact_options compact = {0};
    struct telling telling = {0};
    struct pt_config *config = NULL;
    bool is_dry_run = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--config", "FILE", "settings, YAML; lake.target_file_bytes, lake.compact_memory_bytes",
         &config_path, NULL},
        {"--day", "DATE", "the files of that day of event_time alone, such as 2026-11-01", &day,
         NULL},
        {"--dry-run", NULL, "only say what would be done", NULL, &is_dry_run},
        {"--format", "FORMAT", "table or json", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace lake compact [--day DATE] [--dry-run] [--data DIR] [--format json]",
        .about = "Make few files, sorted by event_name, user_id and event_time, of each day's "
                 "small ones.\nThe rows stay the same, which is checked before each commit; "
                 "`serve` may run meanwhile\nand does the same by itself, if not as thoroughly. "
                 "Replaced files go when their\nsnapshots expire.",
        .options = options,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
        pt_cmd_say("lake compact: --format %s: it may be table or json", format);
        return PT_EXIT_USAGE;
    }
    config = pt_cmd_config(config_path);
    if (!config) {
        return PT_EXIT_USAGE;
    }
    pt_maintenance_options(config, &compact);
    pt_config_destroy(config);
    compact.files_min = 0;
    compact.files_min_today = 0;
    compact.is_thorough = true;
    compact.is_dry_run = is_dry_run;
    compact.has_day = day != NULL;
    if (day && !parse_day(day, &compact.day)) {
        return PT_EXIT_USAGE;
    }
    telling.is_json = strcmp(format, "json") == 0;
    telling.is_dry_run = is_dry_run;
    pt_buf_init(&telling.text, 64u << 20);
    status = run(data, &compact, &telling);
    pt_buf_release(&telling.text);
    return status;
}
