/*
 * audit.h - the recount behind `playtrace audit`
 *
 * Every figure is counted anew from the primary files: batches and records of the log, dead
 * letters, id runs, rows of the table. Nothing is taken from a running server; a server may run
 * meanwhile. Memory is bounded at any size: ids go through files in a temporary directory, and
 * comparisons are DuckDB's, under a limit, with the rest on disk.
 */
#ifndef PT_CMD_AUDIT_H
#define PT_CMD_AUDIT_H

#include "cmd/data_dir.h"
#include "collect/collect.h"
#include "stream/stream.h"

#include <stdio.h>

#define PT_AUDIT_NAMED_MAX 10 /* ids named for one kind of difference */

struct pt_audit_finding {
    bool is_ok;
    const char *what; /* static */
    char *text;       /* owned */
};

struct pt_audit {
    const struct pt_data_dir *dir;
    unsigned dedup_hours;
    int64_t ledger_days;
    const char *temp; /* directory of our own for temporary files */
    struct pt_audit_finding *findings;
    size_t finding_count;
    size_t finding_capacity;
    unsigned differences; /* findings that are not ok */
    bool has_failed;      /* no memory for a finding */

    /* Counted. */
    struct pt_checkpoint_summary checkpoint;
    uint64_t log_start;    /* oldest offset still in the log */
    int64_t log_start_us;  /* when its first batch was appended */
    int64_t log_end_us;    /* and its last */
    bool is_clock_steady;  /* appended_at never goes back */
    uint64_t accepted;     /* end offset of the log */
    uint64_t received;     /* of the newest note */
    uint64_t noted_dead;   /* of the newest note */
    uint64_t dead;         /* end offset of the dead letters */
    uint64_t dead_start;   /* oldest dead letter still there */
    uint64_t stored;       /* rows of the table */
    uint64_t log_ids;      /* records of the log below the checkpoint */
    FILE *csv;             /* the file being written */
    int64_t oldest_bucket; /* hour of the oldest run */
    uint64_t run_ids;      /* ids in the runs */
    bool is_exact;         /* the runs hold ids, not only hashes of them */
    struct pt_ledger_summary ledger;
    struct pt_ledger_counts minutes; /* the sum of the ledger's minutes */
    int64_t first_minute;            /* of the ledger; 0: it has none */
    int64_t last_minute;
};

/* One result. `what` is static. */
void pt_audit_check(struct pt_audit *audit, bool ok, const char *what, const char *format, ...)
    PT_PRINTF(4, 5);
void pt_audit_forget(struct pt_audit *audit); /* all results; the counts start anew */

/* Checkpoint and snapshot that belong together, though a server may be committing. */
enum pt_code pt_audit_read_state(struct pt_audit *audit, struct pt_lake_snapshot *snapshot_out,
                                 struct pt_error *err) PT_MUST_USE;
/* Also writes the ids below the checkpoint to TEMP/log.csv: id, offset, minute, received at. */
enum pt_code pt_audit_log(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_audit_dead_letters(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
/* Also writes TEMP/runs.csv: id, bucket. */
enum pt_code pt_audit_id_runs(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
/* Also writes TEMP/ledger.csv: minute, accepted, stored, duplicate. */
enum pt_code pt_audit_ledger(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_audit_table(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                            struct pt_error *err) PT_MUST_USE;

/* `events` stands in `duck`, whose database is in TEMP: compare ids, read from the CSV files. */
enum pt_code pt_audit_ids(struct pt_audit *audit, struct pt_duck *duck,
                          struct pt_error *err) PT_MUST_USE;

#endif
