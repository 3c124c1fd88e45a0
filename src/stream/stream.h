/*
 * stream.h - exactly-once processing: the log becomes rows of the table
 *
 * One thread reads the log in order, drops event ids that were seen within the dedup
 * window, marks late rows, and commits: Parquet files → id runs → one checkpoint
 * file put in place by one rename (the commit point) → the Iceberg snapshot that carries the
 * checkpoint's number. Each step is synced; recovery repeats the last one.
 *
 * Promise: whatever is killed, each event_id of the log is one row of the table.
 */
#ifndef PT_STREAM_STREAM_H
#define PT_STREAM_STREAM_H

#include "base/clock.h"
#include "base/config.h"
#include "base/io.h"
#include "http/http.h"
#include "http/keys.h"
#include "lake/lake.h"
#include "log/log.h"
#include "observe/observe.h"

struct pt_stream;

/* All borrowed; they outlive the engine. */
struct pt_stream_parts {
    struct pt_io *io;
    struct pt_clock *clock;
    const struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_keys *keys; /* for the routes; may be NULL where there are none */
    struct pt_log *log;   /* asked for its synced end, told what may be recycled */
    struct pt_lake *lake; /* the engine is its only writer */
    const char *log_dir;
    const char *state_dir;
};

/* What the newest whole checkpoint says. */
struct pt_checkpoint_summary {
    uint64_t number;     /* 0: there is none */
    uint64_t log_offset; /* records before it are in the table, or were duplicates */
    uint64_t stored;
    uint64_t duplicates;
    uint64_t late;             /* of the stored */
    uint64_t lake_checkpoint;  /* number of the newest checkpoint that added rows */
    int64_t max_event_time_us; /* INT64_MIN where there is none */
    uint64_t pending_files;    /* files that this checkpoint adds to the table */
    uint64_t id_runs;          /* files of event ids that it stands on */
};

/* Of all time, or of a minute. received = accepted + dead_lettered; accepted = stored + duplicate
 * where nothing is in flight. */
struct pt_ledger_counts {
    uint64_t received;
    uint64_t dead_lettered;
    uint64_t accepted;
    uint64_t stored;
    uint64_t duplicate;
    uint64_t late; /* of the stored */
};

struct pt_ledger_minute {
    int64_t minute; /* since 1970: of the log batch that brought the events */
    struct pt_ledger_counts counts;
    uint64_t in_flight; /* read, but in no checkpoint yet; 0 in what is read from files */
};

struct pt_ledger_summary {
    uint64_t checkpoint;            /* whose state this is; 0: there is none */
    uint64_t log_offset;            /* records read; the log's others are in flight */
    struct pt_ledger_counts total;  /* since the table began */
    struct pt_ledger_counts before; /* of these, in no minute: before there was a ledger */
};

/*
 * The ledger as of the newest whole checkpoint: each minute that touches [from_us, to_us), in
 * order, as far back as stream.ledger_days, and the totals. Any process; memory: 72 bytes a minute.
 */
enum pt_code pt_stream_read_ledger(struct pt_io *io, const char *state_dir, int64_t from_us,
                                   int64_t to_us,
                                   void (*each)(void *ctx, const struct pt_ledger_minute *minute),
                                   void *ctx, struct pt_ledger_summary *summary_out,
                                   struct pt_error *err) PT_MUST_USE;

/* Any process; PT_CORRUPT where files are there but none is whole; absent gives number 0. */
enum pt_code pt_stream_read_checkpoint(struct pt_io *io, const char *state_dir,
                                       struct pt_checkpoint_summary *summary_out,
                                       struct pt_error *err) PT_MUST_USE;

/*
 * Verify each id run in `state_dir` wholly (header, checksum, order). `damaged` is called with the
 * reason for each that is not sound; a run that a running engine removes meanwhile is passed over.
 * Any process.
 */
enum pt_code pt_stream_verify_runs(struct pt_io *io, const char *state_dir,
                                   void (*damaged)(void *ctx, const char *reason), void *ctx,
                                   uint64_t *runs_out, uint64_t *ids_out,
                                   struct pt_error *err) PT_MUST_USE;

/* What the newest whole checkpoint stands on: what a backup must hold. */
struct pt_state_files {
    struct pt_checkpoint_summary checkpoint; /* number 0: there is none, and no file */
    uint64_t lake_before;                    /* the table's number before this checkpoint's files */
    char **paths; /* relative to the state directory; none ever changes */
    size_t count;
    char **pending; /* data files that the checkpoint adds, relative to the table */
    size_t pending_count;
    uint64_t pending_rows; /* in those */
};

/* Any process. Pair with pt_state_files_release(), which takes a zeroed struct too. */
enum pt_code pt_stream_list_files(struct pt_io *io, const char *state_dir,
                                  struct pt_state_files *files_out,
                                  struct pt_error *err) PT_MUST_USE;
void pt_state_files_release(struct pt_state_files *files);

/*
 * Give each id of the runs that the newest whole checkpoint names, in no order, with its bucket
 * (hours since 1970, of when it was last seen). `each` returning anything but PT_OK ends it.
 * PT_CORRUPT names the run. `*is_exact_out` false: a run holds hashes alone (approximate mode),
 * whose ids are left out. Any process, bounded memory; PT_NOT_FOUND where a running engine has
 * merged them meanwhile.
 */
enum pt_code pt_stream_read_ids(struct pt_io *io, const char *state_dir,
                                enum pt_code (*each)(void *ctx, const uint8_t id[PT_UUID_BYTES],
                                                     uint32_t bucket, struct pt_error *err),
                                void *ctx, bool *is_exact_out, struct pt_error *err) PT_MUST_USE;

/*
 * Read the newest whole checkpoint and commit its files if the table has not got them. PT_CORRUPT,
 * with an explanation, where checkpoint, table and log disagree. It takes no longer with more
 * log, table or state.
 */
enum pt_code pt_stream_open(struct pt_stream **stream_out, const struct pt_stream_parts *parts,
                            struct pt_error *err) PT_MUST_USE;

/*
 * Start the thread. It loads the ids, removes what no checkpoint names, and then reads on; damage
 * that it meets stops the engine as damage in the log does: it is logged, and the log keeps all.
 */
enum pt_code pt_stream_start(struct pt_stream *stream, struct pt_error *err) PT_MUST_USE;

/* There is more in the log. Any thread. */
void pt_stream_wake(void *stream);

/*
 * Process all that is synced in the log now and commit it; waits for it. Any thread but an HTTP
 * loop. The error that stopped the engine, if one did.
 */
enum pt_code pt_stream_checkpoint(struct pt_stream *stream, struct pt_error *err) PT_MUST_USE;

/* POST /api/v1/checkpoint. */
enum pt_code pt_stream_routes(struct pt_stream *stream, struct pt_http_server *server,
                              struct pt_error *err) PT_MUST_USE;

/* Commit what the log holds and stop the thread; then close. `*err` tells of a last commit that
 * failed. */
enum pt_code pt_stream_stop(struct pt_stream *stream, struct pt_error *err) PT_MUST_USE;
void pt_stream_close(struct pt_stream *stream);

#endif
