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

/* ---- files ---- */

static void note_fault(void *ctx, const char *file, const char *what, const char *advice)
{
    (void)advice; /* `playtrace lake verify` says it; here the whole is looked at */
    pt_audit_check(ctx, false, "table", "%s: %s", file, what);
}

/* Metadata, manifests and data files against each other, every value read. */
static enum pt_code verify_table(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_lake_verdict verdict;
    unsigned differences = audit->differences;
    enum pt_code code =
        pt_lake_verify(pt_io_posix(), audit->dir->lake, true, note_fault, audit, &verdict, err);

    if (code == PT_NOT_FOUND) {
        return PT_OK; /* no table yet */
    }
    if (!code && audit->differences == differences) {
        pt_audit_check(audit, true, "table", "%" PRIu64 " files say what its metadata says of them",
                       verdict.files);
    }
    return code;
}

/*
 * Each file by the checksum in its name. `present` becomes the snapshot without the files that are
 * not there, so that the rows of the others can be counted and the missing ones named.
 */
static enum pt_code check_sums(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                               struct pt_lake_snapshot *present, struct pt_error *err)
{
    size_t sealed = 0;
    unsigned differences = audit->differences;

    *present = *snapshot;
    present->file_count = 0;
    present->files = pt_alloc_zero((snapshot->file_count + 1) * sizeof(char *));
    if (!present->files) {
        return pt_fail(err, PT_NO_MEMORY, "audit the table");
    }
    for (size_t i = 0; i < snapshot->file_count; i++) {
        char *path = snapshot->files[i];
        struct pt_host_file look;
        uint64_t named = 0;
        uint64_t bytes = 0;
        uint64_t sum = 0;
        enum pt_code code = PT_OK;

        if (pt_host_look(path, &look, NULL)) {
            continue;
        }
        present->files[present->file_count++] = path;
        if (!pt_lake_file_sum(path, &named)) {
            continue;
        }
        sealed++;
        code = pt_file_sum(pt_io_posix(), path, &bytes, &sum, err);
        if (code && code != PT_NOT_FOUND) {
            return code;
        }
        if (!code && sum != named) {
            pt_audit_check(audit, false, "table",
                           "%s: its bytes are not those that were written: their checksum is "
                           "%016" PRIx64,
                           path, sum);
        }
    }
    if (audit->differences == differences) {
        pt_audit_check(audit, true, "table", "%zu of its %zu files have the checksum in their name",
                       sealed, snapshot->file_count);
    }
    return PT_OK;
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

/* A database in the temporary directory, with the table as `events`. */
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
    pt_buf_release(&sql);
    return code;
}

static enum pt_code count_rows(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                               struct pt_duck *duck, struct pt_error *err)
{
    const struct pt_checkpoint_summary *checkpoint = &audit->checkpoint;
    int64_t counts[3];
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
    /* A clock that came back may have set it back, never beyond the rows. */
    pt_audit_check(audit, audit->stored == 0 || counts[2] >= checkpoint->max_event_time_us, "table",
                   "the newest event_time is %" PRId64 " us; the checkpoint says %" PRId64,
                   counts[2], checkpoint->max_event_time_us);
    return PT_OK;
}

enum pt_code pt_audit_table(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                            struct pt_error *err)
{
    struct pt_duck *duck = NULL;
    struct pt_lake_snapshot present = {0};
    enum pt_code code = verify_table(audit, err);

    if (!code) {
        code = check_sums(audit, snapshot, &present, err);
    }
    if (!code) {
        code = pt_duck_open(&duck, 1, err);
    }
    if (!code) {
        code = open_views(audit, &present, duck, err);
    }
    if (!code) {
        code = count_rows(audit, snapshot, duck, err);
    }
    if (!code) {
        code = pt_audit_ids(audit, duck, err);
    }
    if (code == PT_CORRUPT || code == PT_INVALID || code == PT_IO) {
        /* DuckDB could not read a file that is there: that is a finding. */
        pt_audit_check(audit, false, "table", "%s", err->text);
        code = PT_OK;
    }
    pt_duck_close(duck);
    pt_free(present.files);
    return code;
}
