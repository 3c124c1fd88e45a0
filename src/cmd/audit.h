/*
 * audit.h - the recount behind `playtrace audit`
 *
 * Every figure is counted anew from the primary files: batches and records of the log, dead
 * letters, id runs, rows of the table. Nothing is taken from a running server; a
 * server may run meanwhile. Memory is bounded: ids go to a temporary file, joins are DuckDB's.
 */
#ifndef PT_CMD_AUDIT_H
#define PT_CMD_AUDIT_H

#include "cmd/data_dir.h"
#include "collect/collect.h"
#include "stream/stream.h"

#include <stdio.h>

struct pt_audit {
    const struct pt_data_dir *dir;
    unsigned dedup_hours;
    bool is_json;
    unsigned checks;      /* made */
    unsigned differences; /* found */
    struct pt_buf lines;  /* JSON array of checks under way, for --format json */
    struct pt_jsonw w;

    /* Counted. */
    uint64_t log_start;  /* oldest offset still in the log */
    uint64_t accepted;   /* end offset of the log */
    uint64_t received;   /* of the newest note */
    uint64_t noted_dead; /* of the newest note */
    uint64_t dead;       /* end offset of the dead letters */
    uint64_t stored;     /* rows of the table */
    uint64_t duplicates; /* of the checkpoint, recounted where the log is whole */
    uint64_t logged_ids; /* records below the checkpoint that went into the id file */
    struct pt_checkpoint_summary checkpoint;
    char ids_path[64]; /* temporary file, one id a line; empty: none */
    FILE *ids;
};

/* One line of the result: prints it, or keeps it for JSON. */
void pt_audit_check(struct pt_audit *audit, bool ok, const char *what, const char *format, ...)
    PT_PRINTF(4, 5);

/* Checkpoint and snapshot that belong together, though a server may be committing. */
enum pt_code pt_audit_read_state(struct pt_audit *audit, struct pt_lake_snapshot *snapshot_out,
                                 struct pt_error *err) PT_MUST_USE;
enum pt_code pt_audit_log(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_audit_dead_letters(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_audit_id_runs(struct pt_audit *audit, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_audit_table(struct pt_audit *audit, const struct pt_lake_snapshot *snapshot,
                            struct pt_error *err) PT_MUST_USE;

#endif
