/*
 * audit_table.c - recount the table, row by row, against log and checkpoint
 */
#include "cmd/audit.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMED_MAX 10

/* The first column of the first row as a count. */
static enum pt_code ask_count(struct pt_duck *duck, const char *sql, uint64_t *count_out,
                              struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = pt_duck_query(duck, sql, &result, err);

    *count_out = 0;
    if (!code && pt_duck_next(result)) {
        struct pt_duck_value value = pt_duck_value_at(result, 0);

        *count_out = value.kind == PT_DUCK_INT ? (uint64_t)value.integer : 0;
    }
    pt_duck_result_close(result);
    return code;
}

/* One check a row of `sql`, whose first column is the text to name; ok where there is none. */
static enum pt_code name_rows(struct pt_audit *audit, struct pt_duck *duck, const char *sql,
                              const char *complaint, const char *praise, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    unsigned named = 0;
    enum pt_code code = pt_duck_query(duck, sql, &result, err);

    while (!code && pt_duck_next(result)) {
        struct pt_duck_value value = pt_duck_value_at(result, 0);

        pt_audit_check(audit, false, "table", "%s %.*s", complaint, PT_SPAN_ARG(value.text));
        named++;
    }
    pt_duck_result_close(result);
    if (!code && !named) {
        pt_audit_check(audit, true, "table", "%s", praise);
    }
    return code;
}

/* Files by name and size, before DuckDB meets a missing one. */
static bool check_files(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot)
{
    bool is_whole = true;

    for (size_t i = 0; i < snapshot->file_count; i++) {
        struct stat status;

        if (stat(snapshot->files[i], &status) != 0) {
            pt_audit_check(audit, false, "table", "%s with %" PRIu64 " rows is missing",
                           snapshot->files[i], snapshot->file_rows[i]);
            is_whole = false;
        } else if ((uint64_t)status.st_size != snapshot->file_bytes[i]) {
            pt_audit_check(audit, false, "table", "%s has %lld bytes, the manifest says %" PRIu64,
                           snapshot->files[i], (long long)status.st_size, snapshot->file_bytes[i]);
            is_whole = false;
        }
    }
    if (is_whole) {
        pt_audit_check(audit, true, "table", "%zu files are there at their size",
                       snapshot->file_count);
    }
    return is_whole;
}

static enum pt_code open_views(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                               struct pt_duck *duck, struct pt_error *err)
{
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, 64u << 20);
    pt_buf_append_str(&sql,
                      "SET temp_directory='/tmp/playtrace-audit.tmp'; SET memory_limit='2GB'; "
                      "CREATE VIEW events AS SELECT * FROM ");
    pt_lake_scan_sql(snapshot, &sql);
    pt_buf_appendf(&sql,
                   "; CREATE TABLE logged AS SELECT id, count(*) AS times FROM read_csv('%s', "
                   "header=false, auto_detect=false, columns={'id':'UUID'}) GROUP BY id;",
                   audit->ids_path);
    pt_buf_append_byte(&sql, 0);
    code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "audit the table")
                          : pt_duck_run(duck, (const char *)sql.data, err);
    pt_buf_release(&sql);
    return code;
}

/* Each id of the log's read part is a row; where the log reaches back to 0, also the reverse. */
static enum pt_code compare_ids(struct pt_audit *audit, struct pt_duck *duck, struct pt_error *err)
{
    char sql[512];
    uint64_t repeated = 0;
    enum pt_code code = PT_OK;

    code = name_rows(audit, duck,
                     "SELECT id::VARCHAR FROM logged ANTI JOIN events ON event_id = id LIMIT 10",
                     "in the log, but no row:", "every event of the log is a row", err);
    if (!code) {
        snprintf(sql, sizeof(sql),
                 "SELECT event_id::VARCHAR || ' (' || count(*) || ' rows)' FROM events GROUP BY "
                 "event_id HAVING count(*) > 1 AND max(received_at) - min(received_at) < INTERVAL "
                 "'%u hours' LIMIT %d",
                 audit->dedup_hours, NAMED_MAX);
        code = name_rows(audit, duck, sql, "more than one row:", "no event is two rows", err);
    }
    if (!code && audit->log_start == 0) {
        code = name_rows(
            audit, duck,
            "SELECT event_id::VARCHAR FROM events ANTI JOIN logged ON event_id = id LIMIT 10",
            "a row, but not in the log:", "every row is an event of the log", err);
        if (!code) {
            code = ask_count(duck,
                             "SELECT (SELECT coalesce(sum(times), 0)::BIGINT FROM logged) - "
                             "(SELECT count(*) FROM events)",
                             &repeated, err);
        }
        if (!code) {
            pt_audit_check(audit, repeated == audit->checkpoint.duplicates, "duplicates",
                           "%" PRIu64 " in the log, the checkpoint counts %" PRIu64, repeated,
                           audit->checkpoint.duplicates);
        }
    }
    return code;
}

enum pt_code pt_audit_table(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                            struct pt_error *err)
{
    struct pt_duck *duck = NULL;
    uint64_t checksum = 0;
    enum pt_code code = PT_OK;

    if (!check_files(audit, snapshot)) {
        return PT_OK;
    }
    code = pt_duck_open(&duck, 1, err);
    if (!code) {
        code = open_views(audit, snapshot, duck, err);
    }
    if (!code) {
        code = ask_count(duck, "SELECT count(*) FROM events", &audit->stored, err);
    }
    if (!code) {
        pt_audit_check(
            audit,
            audit->stored == snapshot->row_count && audit->stored == audit->checkpoint.stored,
            "table", "%" PRIu64 " rows; the snapshot says %" PRIu64 ", the checkpoint %" PRIu64,
            audit->stored, snapshot->row_count, audit->checkpoint.stored);
        /* Touches every column of every row, so that damage within a file shows itself. */
        code = ask_count(duck, "SELECT (bit_xor(hash(events)) >> 1)::BIGINT FROM events", &checksum,
                         err);
    }
    if (!code) {
        code = compare_ids(audit, duck, err);
    }
    if (code == PT_CORRUPT || code == PT_INVALID || code == PT_IO) {
        /* DuckDB could not read a file that is there: that is a finding. */
        pt_audit_check(audit, false, "table", "%s", err->text);
        code = PT_OK;
    }
    pt_duck_close(duck);
    return code;
}
