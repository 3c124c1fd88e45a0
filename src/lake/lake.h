/*
 * lake.h - the Apache Iceberg table of Parquet files
 *
 * One Iceberg v2 table `events` in a directory (DIR/metadata, DIR/data), partitioned by
 * day(event_time); docs/formats/lake.md gives columns and field ids. The stream engine
 * writes data files first (pt_lake_write), puts their descriptions into its checkpoint,
 * and commits them as one snapshot that carries the checkpoint's number (pt_lake_commit).
 * Committing the same number again changes nothing, which is what recovery relies on.
 * One stream engine writes rows; beside it other processes of ours (compaction, expiry) and other
 * Iceberg writers may commit: each commit looks whether the table has changed meanwhile, and then
 * tries again on what is there. Readers see whole snapshots only.
 */
#ifndef PT_LAKE_LAKE_H
#define PT_LAKE_LAKE_H

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/event.h"

struct pt_lake;

struct pt_row {
    struct pt_event event; /* text fields borrowed from the caller until the write returns */
    bool is_late;          /* behind the watermark when it was read */
};

/*
 * Open the table in `dir` for writing; create it, with its first metadata file, where absent. One
 * of an older program gets the columns it lacks. One thread a handle; any number of handles.
 */
enum pt_code pt_lake_open(struct pt_lake **lake_out, struct pt_io *io, struct pt_clock *clock,
                          const char *dir, struct pt_error *err) PT_MUST_USE;
void pt_lake_close(struct pt_lake *lake);

/* The checkpoint number that the current snapshot carries; 0 where there is no snapshot. */
uint64_t pt_lake_checkpoint(const struct pt_lake *lake);
/* Rows of the current snapshot (total-records of its summary). */
uint64_t pt_lake_row_count(const struct pt_lake *lake);

/*
 * Write `rows` as Parquet files, one a day of event_time, rows in the order given, each file
 * synced, then the directories. They belong to no snapshot yet. Appends one JSON object a file to
 * `files` (an array under way): path relative to the table, day, rows, bytes, and statistics a
 * column: all that pt_lake_commit() needs. File names hold `checkpoint` and the
 * file's checksum, so that repeating a write with the same rows gives the same files; with others,
 * the commit removes what it does not name. After a failure nothing is in the table, and what was
 * appended to `files` is to be dropped. PT_INVALID for a number that is in the table already;
 * PT_FULL. DuckDB writes the files itself, past `io`, which only syncs them: `io` must be the real
 * file system.
 */
enum pt_code pt_lake_write(struct pt_lake *lake, const struct pt_row *rows, size_t count,
                           uint64_t checkpoint, struct pt_jsonw *files,
                           struct pt_error *err) PT_MUST_USE;

/*
 * Add the described files (the JSON array that pt_lake_write() filled; may be empty: then
 * nothing happens) as one snapshot carrying `checkpoint`. PT_OK without change where the current
 * snapshot's number is already >= `checkpoint`. What others have committed meanwhile stays.
 * PT_FENCED where another stream engine has committed a checkpoint meanwhile, or it is another
 * table; PT_AGAIN where others were faster each time; PT_INVALID where another program made it a
 * table that this one may not write to (docs/formats/lake.md, "Other writers").
 */
enum pt_code pt_lake_commit(struct pt_lake *lake, struct pt_json files, uint64_t checkpoint,
                            struct pt_error *err) PT_MUST_USE;

/* Nothing will be written for a while: give DuckDB's memory back; the next write opens it again. */
void pt_lake_rest(struct pt_lake *lake);

/*
 * Remove data files of the stream engine beyond the table's checkpoint (left by a crash). The
 * engine only, at its start, nothing pending.
 */
enum pt_code pt_lake_remove_orphans(struct pt_lake *lake, uint64_t *removed_out,
                                    struct pt_error *err) PT_MUST_USE;

/* ---- keeping the table small; any process, beside a running engine ---- */

/* A snapshot goes that is older than the age, or that is not among the newest `kept_max`. */
struct pt_lake_expiry {
    int64_t age_us;        /* -1: none goes for its age */
    uint32_t kept_max;     /* 0: none goes for its place */
    int64_t orphan_age_us; /* files that no snapshot names and that are as old go too; -1: none */
    bool is_dry_run;       /* count only */
};

struct pt_lake_expired {
    uint64_t snapshots;
    uint64_t data_files;     /* that only those snapshots named */
    uint64_t metadata_files; /* their manifests and manifest lists */
    uint64_t orphans;        /* files that no snapshot named at all */
    uint64_t bytes;          /* of all these files */
};

/*
 * Take snapshots out of the table, then delete the files that no snapshot names any more. Always
 * kept: the current snapshot, those of other branches and of tags, and files that the stream
 * engine's newest checkpoint may still be to commit. A crash at any point is safe: what it
 * leaves are orphans. PT_AGAIN as of pt_lake_commit(). PT_INVALID where a catalogue keeps the
 * table too: snapshots have then expired, orphans are left alone.
 */
enum pt_code pt_lake_expire(struct pt_lake *lake, const struct pt_lake_expiry *rule,
                            struct pt_lake_expired *expired_out, struct pt_error *err) PT_MUST_USE;

/*
 * Add an optional column of one of Iceberg's primitive types ("string", "decimal(9,2)"), at the
 * end. Rows that are there have NULL in it; no file is rewritten. PT_INVALID where the name is
 * taken (in any case) or no name, or the type is none.
 */
enum pt_code pt_lake_add_column(struct pt_lake *lake, const char *name, const char *type,
                                struct pt_error *err) PT_MUST_USE;

/* ---- reading: any process, no lock ---- */

/* A column of the table; files that lack it give NULLs. */
struct pt_lake_column {
    int32_t field_id; /* Iceberg's; files are read by it */
    const char *name;
    const char *sql_type; /* DuckDB's; NULL: a type that is not read here, such as a list */
    bool is_required;
};

struct pt_lake_snapshot {
    int64_t snapshot_id; /* 0: the table has no snapshot, or there is no table */
    uint64_t checkpoint; /* the number it carries */
    uint64_t row_count;
    size_t file_count;
    char **files;         /* absolute paths of its data files, oldest first */
    uint64_t *file_rows;  /* records of each, as the manifests say */
    uint64_t *file_bytes; /* size of each, as the manifests say */
    struct pt_lake_column *columns;
    size_t column_count;
    struct pt_arena names; /* holds the columns */
};

/* The current snapshot of the table in `dir`; an absent table gives an empty snapshot. */
enum pt_code pt_lake_read(struct pt_io *io, const char *dir, struct pt_lake_snapshot *snapshot_out,
                          struct pt_error *err) PT_MUST_USE;

/* Which snapshot: the current one, one by its id, or the one that was current at a time. */
struct pt_lake_at {
    enum { PT_LAKE_AT_CURRENT, PT_LAKE_AT_SNAPSHOT, PT_LAKE_AT_TIME } kind;
    int64_t snapshot_id;
    int64_t time_us;
};

/*
 * As pt_lake_read(); PT_INVALID where the table has no such snapshot, or has it no longer, and
 * where its rows cannot be read right: row-level deletes, or files that are not Parquet, of
 * another program.
 */
enum pt_code pt_lake_read_at(struct pt_io *io, const char *dir, const struct pt_lake_at *at,
                             struct pt_lake_snapshot *snapshot_out,
                             struct pt_error *err) PT_MUST_USE;
void pt_lake_snapshot_release(struct pt_lake_snapshot *snapshot);

/* ---- backup: any process, no lock ---- */

/* The files that a reader of the current snapshot needs; none of them ever changes. */
struct pt_lake_files {
    uint64_t version;    /* of the metadata; 0: there is no table, and no file */
    int64_t snapshot_id; /* 0: none yet */
    uint64_t checkpoint;
    uint64_t row_count;
    char **paths; /* relative to the table, the metadata first, then manifests, then data */
    size_t count;
};

enum pt_code pt_lake_list_files(struct pt_io *io, const char *dir, struct pt_lake_files *files_out,
                                struct pt_error *err) PT_MUST_USE;
void pt_lake_files_release(struct pt_lake_files *files);

/*
 * The XXH3-64 of a data file as it was written, which its name tells; false for files of other
 * programs, and of playtrace before it did so.
 */
bool pt_lake_file_sum(const char *path, uint64_t *sum_out);

/*
 * Write to `to`/metadata the metadata of the table in `from`, its current snapshot alone, as it
 * must be for any reader where the table stands in the absolute directory `place`. Data files are
 * the caller's business; `from` is not changed. All synced.
 */
enum pt_code pt_lake_relocate(struct pt_io *io, const char *from, const char *to, const char *place,
                              struct pt_error *err) PT_MUST_USE;

/* ---- is it whole? ---- */

struct pt_lake_verdict {
    uint64_t snapshots;
    uint64_t manifests;
    uint64_t files;
    uint64_t rows;   /* of the current snapshot */
    uint64_t faults; /* reported */
};

/*
 * Hold the table in `dir` to itself: metadata, manifest lists, manifests, data files (there, of
 * their size, with a footer that counts the manifest's rows), totals and logs. With `reads_data`
 * every value is read too: checksums, nulls, bounds and days must be what names and manifests say.
 * Each fault is reported with its file, what is wrong and what to do; one file is looked at at a
 * time. What another process lets expire meanwhile is no fault. PT_NOT_FOUND: there is no table.
 */
enum pt_code
pt_lake_verify(struct pt_io *io, const char *dir, bool reads_data,
               void (*report)(void *ctx, const char *file, const char *what, const char *advice),
               void *ctx, struct pt_lake_verdict *verdict_out, struct pt_error *err) PT_MUST_USE;

/* ---- the table's history ---- */

struct pt_lake_event {
    int64_t snapshot_id;
    int64_t parent_id; /* 0: none */
    int64_t time_us;
    const char *operation; /* "append", "replace", "overwrite", "delete"; "" where not said */
    uint64_t checkpoint;   /* its own, or that of the nearest ancestor with one */
    int64_t added_rows;    /* -1, as all that follow: another program did not say */
    int64_t rows;
    int64_t files;
    int64_t bytes;
    bool is_current;
};

struct pt_lake_history {
    struct pt_lake_event *events; /* as the table lists them: oldest first */
    size_t count;
    struct pt_arena arena; /* holds them */
};

/* All snapshots of the table in `dir`. PT_NOT_FOUND: there is none. Release also after failures. */
enum pt_code pt_lake_read_history(struct pt_io *io, const char *dir,
                                  struct pt_lake_history *history_out,
                                  struct pt_error *err) PT_MUST_USE;
void pt_lake_history_release(struct pt_lake_history *history);

struct pt_lake_place {
    char *location;      /* as other programs name the table */
    char *metadata_path; /* its current metadata file, which every Iceberg reader takes */
    int64_t snapshot_id; /* 0: none */
    uint64_t row_count;
    uint64_t file_count;
};

/* PT_NOT_FOUND: there is no table. Pair with pt_lake_place_release(). */
enum pt_code pt_lake_locate(struct pt_io *io, const char *dir, struct pt_lake_place *place_out,
                            struct pt_error *err) PT_MUST_USE;
void pt_lake_place_release(struct pt_lake_place *place);

/*
 * As pt_lake_read(), but only the files that may hold the user: never one too few, now and then one
 * too many (docs/formats/lake.md). `files_out` counts the files of the whole snapshot. An index
 * that is missing is made.
 */
enum pt_code pt_lake_files_of_user(struct pt_io *io, const char *dir,
                                   const uint8_t user[PT_PSEUDONYM_BYTES],
                                   struct pt_lake_snapshot *snapshot_out, uint64_t *files_out,
                                   struct pt_error *err) PT_MUST_USE;

/*
 * SQL that gives the snapshot's rows and may follow FROM: "read_parquet(['…','…'], …)" with the
 * table's columns by field id, or "(SELECT …)" without rows that has the table's columns and types
 * where there is no file. Appends to `sql`.
 */
void pt_lake_scan_sql(const struct pt_lake_snapshot *snapshot, struct pt_buf *sql);

/* ---- DuckDB, for the rooms that ask questions of the table: duck.c, duck_value.c ---- */

struct pt_duck;

/* An in-memory database with the given number of threads (0: DuckDB's choice). One thread a handle.
 */
enum pt_code pt_duck_open(struct pt_duck **duck_out, unsigned threads,
                          struct pt_error *err) PT_MUST_USE;
void pt_duck_close(struct pt_duck *duck);
/*
 * Run statements, results dropped. Errors carry DuckDB's own message: PT_INVALID where the SQL is
 * wrong, PT_FULL, PT_NO_MEMORY, else PT_IO. DuckDB opens files itself, past pt_io.
 */
enum pt_code pt_duck_run(struct pt_duck *duck, const char *sql, struct pt_error *err) PT_MUST_USE;

enum pt_duck_kind {
    PT_DUCK_NULL,
    PT_DUCK_BOOL,
    PT_DUCK_INT,
    PT_DUCK_DOUBLE,
    PT_DUCK_TEXT, /* everything else, as DuckDB writes it: times, decimals, integers over 64 bits */
};

struct pt_duck_value {
    enum pt_duck_kind kind;
    bool boolean;
    int64_t integer;
    double number;
    struct pt_span text; /* borrowed until the next row */
};

struct pt_duck_result; /* rows of one statement */
/* The rows of `sql` (of its last statement), all computed; `duck` outlives the result. */
enum pt_code pt_duck_query(struct pt_duck *duck, const char *sql,
                           struct pt_duck_result **result_out, struct pt_error *err) PT_MUST_USE;

struct pt_duck_param {
    const char *name;  /* "days" for $days */
    const char *value; /* bound as text, never pasted into the SQL; NULL is SQL's NULL */
};

/*
 * As pt_duck_query(), for one statement with parameters. A name that the statement does not use
 * is passed over; a parameter without value is PT_INVALID.
 */
enum pt_code pt_duck_query_with(struct pt_duck *duck, const char *sql,
                                const struct pt_duck_param *params, size_t count,
                                struct pt_duck_result **result_out,
                                struct pt_error *err) PT_MUST_USE;
void pt_duck_result_close(struct pt_duck_result *result);
/* Append 'text' as an SQL string literal, quotes doubled. */
void pt_sql_append_text(struct pt_buf *sql, const char *text);
/* Append "name" as an SQL name, quotes doubled. */
void pt_sql_append_name(struct pt_buf *sql, const char *name);
size_t pt_duck_column_count(const struct pt_duck_result *result);
const char *pt_duck_column_name(const struct pt_duck_result *result, size_t column);
bool pt_duck_column_is_number(const struct pt_duck_result *result, size_t column);
/* True while there is a row; values through pt_duck_value_at(). */
bool pt_duck_next(struct pt_duck_result *result);
struct pt_duck_value pt_duck_value_at(struct pt_duck_result *result, size_t column);

#endif
