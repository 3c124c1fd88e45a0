/*
 * query.h - questions to the table: the metrics of sql/, and any SQL
 *
 * A session is an embedded DuckDB with one view, `events`, over the snapshot that was current when
 * the session was opened; later commits do not change its answers. Any number of processes
 * may have sessions, beside a running `serve`. One thread a session. Results are lake.h's
 * struct pt_duck_result; render.c writes them for people and for programs.
 */
#ifndef PT_QUERY_QUERY_H
#define PT_QUERY_QUERY_H

#include "lake/lake.h"

/* ---- metrics: the files of sql/, which are built into the program ---- */

#define PT_SQL_METRIC_PARAMS_MAX 16

struct pt_sql_metric_param {
    const char *name;          /* "as_of" for $as_of */
    const char *default_value; /* NULL: SQL's NULL */
    const char *help;
};

struct pt_sql_metric {
    const char *name;
    const char *help; /* one line */
    const char *sql;
    struct pt_sql_metric_param params[PT_SQL_METRIC_PARAMS_MAX];
    size_t param_count;
    struct pt_arena arena; /* holds the texts */
};

/*
 * Read the header comment of metric `name`: its first line is the help; lines
 * "-- param NAME = DEFAULT: help" are parameters, and a line "-- columns:" says that the file is a
 * metric at all. PT_NOT_FOUND where there is no such one. Pair with pt_sql_metric_release(), also
 * after a failure.
 */
enum pt_code pt_sql_metric_load(struct pt_sql_metric *metric, const char *name,
                                struct pt_error *err) PT_MUST_USE;
void pt_sql_metric_release(struct pt_sql_metric *metric);

/* ---- sessions ---- */

struct pt_query;

/*
 * Open a session over the table in `lake_dir` (DATA/lake/events). A table that is not there
 * gives a session whose `events` has no rows. Intermediate results larger than memory go to
 * `temporary_dir` (NULL: not at all), which is made only then and removed again.
 */
enum pt_code pt_query_open(struct pt_query **query_out, struct pt_io *io, const char *lake_dir,
                           const char *temporary_dir, struct pt_error *err) PT_MUST_USE;
/* The same over another snapshot than the current one; PT_INVALID where there is none such. */
enum pt_code pt_query_open_at(struct pt_query **query_out, struct pt_io *io, const char *lake_dir,
                              const struct pt_lake_at *at, const char *temporary_dir,
                              struct pt_error *err) PT_MUST_USE;
void pt_query_close(struct pt_query *query); /* NULL is fine */

/* The snapshot that the session answers from; borrowed. */
const struct pt_lake_snapshot *pt_query_snapshot(const struct pt_query *query);

/* Rows of any SQL. PT_INVALID with DuckDB's message where it is wrong. Pair with
 * pt_duck_result_close(). */
enum pt_code pt_query_sql(struct pt_query *query, const char *sql,
                          struct pt_duck_result **result_out, struct pt_error *err) PT_MUST_USE;

/*
 * Rows of a metric. `params` override defaults and are bound, never pasted. PT_NOT_FOUND:
 * no such metric; PT_INVALID: no such parameter, or a value that does not fit.
 */
enum pt_code pt_query_metric(struct pt_query *query, const char *name,
                             const struct pt_duck_param *params, size_t count,
                             struct pt_duck_result **result_out, struct pt_error *err) PT_MUST_USE;

/* ---- rendering ---- */

enum pt_query_format {
    PT_QUERY_TABLE, /* aligned columns for people; numbers to four places, control characters shown
                     */
    PT_QUERY_JSON,  /* one array of row objects; numbers exact */
    PT_QUERY_CSV,   /* RFC 4180 with a header; NULL is empty, an empty text is "" */
};

/* "table", "json" or "csv"; false for anything else. */
bool pt_query_format_parse(const char *text, enum pt_query_format *format_out);

/*
 * Write all rows through `write`, in pieces; it returns false to end it (PT_IO). A table is held in
 * memory to find its widths, at most 1 GiB (PT_TOO_BIG); the others stream.
 */
enum pt_code pt_query_render(struct pt_duck_result *result, enum pt_query_format format,
                             bool (*write)(void *ctx, const void *data, size_t bytes), void *ctx,
                             struct pt_error *err) PT_MUST_USE;

#endif
