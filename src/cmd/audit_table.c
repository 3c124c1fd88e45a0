/*
 * audit_table.c - recount the table, row by row, against log and checkpoint
 *
 * Rows and ids are compared in a DuckDB database in the temporary directory, under a fixed limit
 * of memory: what does not fit goes to disk.
 */
#include "cmd/audit.h"

#include "base/host.h"
#include "base/mem.h"
#include "base/tree.h"

#include <inttypes.h>

#define MEMORY_LIMIT "256MB"

/* ---- asking ---- */

/* The first columns of the first row as counts. */
static enum pt_code ask(struct pt_duck *duck, const char *sql, int64_t *values_out, size_t count,
                        struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    enum pt_code code = pt_duck_query(duck, sql, &result, err);

    memset(values_out, 0, count * sizeof(*values_out));
    if (!code && pt_duck_next(result)) {
        for (size_t i = 0; i < count; i++) {
            struct pt_duck_value value = pt_duck_value_at(result, i);

            values_out[i] = value.kind == PT_DUCK_INT ? value.integer : 0;
        }
    }
    pt_duck_result_close(result);
    return code;
}

/* One finding a row of `sql`, whose first column is the text to name; ok where there is none. */
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

/* ---- files ---- */

/* PT_CORRUPT: it cannot be read as what the manifest says. */
static enum pt_code check_file(const struct pt_lake_snapshot *snapshot, size_t i,
                               bool *is_sealed_out, struct pt_error *err)
{
    struct pt_host_file look;
    uint64_t named = 0;
    uint64_t bytes = 0;
    uint64_t sum = 0;
    const char *path = snapshot->files[i];
    enum pt_code code = pt_host_look(path, &look, err);

    if (code == PT_NOT_FOUND) {
        return pt_fail(err, PT_CORRUPT, "%s with %" PRIu64 " rows is missing", path,
                       snapshot->file_rows[i]);
    }
    if (!code && look.bytes != snapshot->file_bytes[i]) {
        return pt_fail(err, PT_CORRUPT, "%s has %" PRIu64 " bytes, the manifest says %" PRIu64,
                       path, look.bytes, snapshot->file_bytes[i]);
    }
    *is_sealed_out = pt_lake_file_sum(path, &named);
    if (!code && *is_sealed_out) {
        code = pt_file_sum(pt_io_posix(), path, &bytes, &sum, err);
        if (!code && sum != named) {
            code = pt_fail(err, PT_CORRUPT,
                           "%s: its bytes are not those that were written: their checksum is "
                           "%016" PRIx64,
                           path, sum);
        }
    }
    return code;
}

/* Each file by size and checksum, before DuckDB meets a missing one. */
static bool check_files(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot)
{
    bool is_whole = true;
    size_t sealed = 0;

    for (size_t i = 0; i < snapshot->file_count; i++) {
        struct pt_error err = {0};
        bool is_sealed = false;

        if (check_file(snapshot, i, &is_sealed, &err)) {
            pt_audit_check(audit, false, "table", "%s", err.text);
            is_whole = false;
        }
        sealed += is_sealed;
    }
    if (is_whole) {
        pt_audit_check(audit, true, "table",
                       "%zu files are there at their size, %zu with the "
                       "checksum in their name",
                       snapshot->file_count, sealed);
    }
    return is_whole;
}

/* ---- rows ---- */

static enum pt_code run_sql(struct pt_duck *duck, struct pt_buf *sql, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pt_buf_append_byte(sql, 0);
    code = sql->has_failed ? pt_fail(err, PT_NO_MEMORY, "audit the table")
                           : pt_duck_run(duck, (const char *)sql->data, err);
    pt_buf_reset(sql);
    return code;
}

/* `events`: the table; `logged`: what the log holds below the checkpoint, with its row if any. */
static enum pt_code open_views(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                               struct pt_duck *duck, struct pt_error *err)
{
    struct pt_buf sql;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, 64u << 20);
    pt_buf_appendf(&sql,
                   "SET memory_limit='" MEMORY_LIMIT "'; SET preserve_insertion_order=false; "
                   "SET temp_directory='%s/spill'; ATTACH '%s/audit.duckdb' AS audit; USE audit; "
                   "CREATE TEMP VIEW events AS SELECT * FROM ",
                   audit->temp, audit->temp);
    pt_lake_scan_sql(snapshot, &sql);
    code = run_sql(duck, &sql, err);
    if (!code) {
        pt_buf_appendf(&sql,
                       "CREATE TABLE records AS SELECT * FROM read_csv('%s/log.csv', header=false, "
                       "auto_detect=false, columns={'id':'UUID','place':'BIGINT','minute':'BIGINT',"
                       "'at':'BIGINT'})",
                       audit->temp);
        code = run_sql(duck, &sql, err);
    }
    if (!code) {
        /* Of twins in the table, which are named elsewhere, one: the join must not multiply. */
        pt_buf_append_str(
            &sql, "CREATE TABLE logged AS SELECT records.*, row_at FROM records LEFT JOIN "
                  "(SELECT event_id, min(epoch_us(received_at)) AS row_at FROM events WHERE "
                  "event_id IN (SELECT id FROM records) GROUP BY ALL) ON event_id = id");
        code = run_sql(duck, &sql, err);
    }
    pt_buf_release(&sql);
    return code;
}

static enum pt_code count_rows(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                               struct pt_duck *duck, struct pt_error *err)
{
    const struct pt_checkpoint_summary *checkpoint = &audit->checkpoint;
    int64_t counts[3];
    int64_t checksum = 0;
    enum pt_code code = ask(duck,
                            "SELECT count(*), count(*) FILTER (is_late), "
                            "max(epoch_us(event_time)) FROM events",
                            counts, 3, err);

    if (code) {
        return code;
    }
    audit->stored = (uint64_t)counts[0];
    pt_audit_check(
        audit, audit->stored == snapshot->row_count && audit->stored == checkpoint->stored, "table",
        "%" PRIu64 " rows; the snapshot says %" PRIu64 ", the checkpoint %" PRIu64, audit->stored,
        snapshot->row_count, checkpoint->stored);
    pt_audit_check(audit, (uint64_t)counts[1] == checkpoint->late, "table",
                   "%" PRId64 " rows are late; the checkpoint says %" PRIu64, counts[1],
                   checkpoint->late);
    pt_audit_check(audit, audit->stored == 0 || counts[2] == checkpoint->max_event_time_us, "table",
                   "the newest event_time is %" PRId64 " us; the checkpoint says %" PRId64,
                   counts[2], checkpoint->max_event_time_us);
    /* Touches every column of every row, so that damage within a file shows itself. */
    return ask(duck, "SELECT (bit_xor(hash(events)) >> 1)::BIGINT FROM events", &checksum, 1, err);
}

/* The files whose own count is not the manifest's. */
static enum pt_code count_files(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                                struct pt_duck *duck, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *result = NULL;
    size_t at = 0;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, 64u << 20);
    for (size_t i = 0; i < snapshot->file_count; i++) {
        pt_buf_append_str(&sql,
                          i ? "," : "SELECT file_name, num_rows FROM parquet_file_metadata([");
        pt_sql_append_text(&sql, snapshot->files[i]);
    }
    pt_buf_append_str(&sql, "])");
    pt_buf_append_byte(&sql, 0);
    if (snapshot->file_count) {
        code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "audit the table")
                              : pt_duck_query(duck, (const char *)sql.data, &result, err);
    }
    while (!code && result && pt_duck_next(result)) {
        struct pt_duck_value name = pt_duck_value_at(result, 0);
        int64_t rows = 0;

        /* They come in the order of the list; look on from the last one. */
        for (size_t tries = 0; tries < snapshot->file_count; tries++) {
            if (pt_span_is(name.text, snapshot->files[at])) {
                break;
            }
            at = (at + 1) % snapshot->file_count;
        }
        rows = pt_duck_value_at(result, 1).integer;
        if ((uint64_t)rows != snapshot->file_rows[at]) {
            pt_audit_check(audit, false, "table",
                           "%s has %" PRId64 " rows, the manifest says %" PRIu64,
                           snapshot->files[at], rows, snapshot->file_rows[at]);
        }
    }
    pt_duck_result_close(result);
    pt_buf_release(&sql);
    return code;
}

/* ---- ids ---- */

/* No event is two rows within the window: rows of one id are at least that far apart. */
static enum pt_code find_doubled(struct pt_audit *audit, struct pt_duck *duck, struct pt_error *err)
{
    char sql[640];
    enum pt_code code = pt_duck_run(duck,
                                    "CREATE TABLE doubled AS SELECT event_id FROM events GROUP BY "
                                    "event_id HAVING count(*) > 1",
                                    err);

    if (code) {
        return code;
    }
    snprintf(sql, sizeof(sql),
             "SELECT event_id::VARCHAR || ' (received ' || string_agg(received_at::VARCHAR, ', ' "
             "ORDER BY received_at) || ')' FROM (SELECT event_id, received_at, received_at - "
             "lag(received_at) OVER (PARTITION BY event_id ORDER BY received_at) AS apart FROM "
             "events WHERE event_id IN (SELECT event_id FROM doubled)) GROUP BY event_id HAVING "
             "min(apart) < INTERVAL '%u hours' LIMIT %d",
             audit->dedup_hours, PT_AUDIT_NAMED_MAX);
    return name_rows(audit, duck, sql, "more than one row:", "no event is two rows", err);
}

/*
 * Rows that the log must hold and does not. Where it reaches back to its beginning these are all
 * rows; else those received after its first batch was appended, for what is received is appended
 * later, unless the clock was set back.
 */
static enum pt_code find_unlogged(struct pt_audit *audit, struct pt_duck *duck,
                                  struct pt_error *err)
{
    char sql[320];
    int64_t since = audit->log_start == 0 ? INT64_MIN : audit->log_start_us;

    if (audit->log_start > 0 && (!audit->is_clock_steady || audit->log_ids == 0)) {
        return PT_OK;
    }
    snprintf(sql, sizeof(sql),
             "SELECT event_id::VARCHAR FROM events ANTI JOIN records ON event_id = id WHERE "
             "epoch_us(received_at) > %" PRId64 " LIMIT %d",
             since == INT64_MIN ? -INT64_MAX : since, PT_AUDIT_NAMED_MAX);
    return name_rows(audit, duck, sql, "a row, but not in the log:",
                     audit->log_start == 0
                         ? "every row is an event of the log"
                         : "every row received since the log begins is an event of the log",
                     err);
}

static enum pt_code compare_ids(struct pt_audit *audit, struct pt_duck *duck, struct pt_error *err)
{
    enum pt_code code =
        name_rows(audit, duck,
                  "SELECT id::VARCHAR || ' (offset ' || min(place) || ')' FROM logged WHERE row_at "
                  "IS NULL GROUP BY id ORDER BY min(place) LIMIT 10",
                  "in the log, but no row:", "every event of the log is a row", err);

    if (!code) {
        code = find_doubled(audit, duck, err);
    }
    return code ? code : find_unlogged(audit, duck, err);
}

enum pt_code pt_audit_table(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                            struct pt_error *err)
{
    struct pt_duck *duck = NULL;
    enum pt_code code = PT_OK;

    if (!check_files(audit, snapshot)) {
        return PT_OK;
    }
    code = pt_duck_open(&duck, 1, err);
    if (!code) {
        code = open_views(audit, snapshot, duck, err);
    }
    if (!code) {
        code = count_files(audit, snapshot, duck, err);
    }
    if (!code) {
        code = count_rows(audit, snapshot, duck, err);
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
