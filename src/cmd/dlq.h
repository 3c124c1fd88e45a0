/*
 * dlq.h - what `playtrace dlq list`, `show` and `replay` share
 */
#ifndef PT_CMD_DLQ_H
#define PT_CMD_DLQ_H

#include "base/json.h"
#include "wire/uuid.h"

#include <stdio.h>

int pt_dlq_list(int argc, char **argv);
int pt_dlq_show(int argc, char **argv);
int pt_dlq_replay(int argc, char **argv);

/* ---- which dead letters (dlq_read.c) ---- */

/* As given on the command line; NULL: not given. */
struct pt_dlq_options {
    const char *data;
    const char *code;
    const char *event_name;
    const char *since;
    const char *until;
    const char *from;
    const char *limit;
};

/* The lines of a struct pt_option table for them. */
#define PT_DLQ_OPTIONS(o)                                                                          \
    {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &(o)->data,    \
     NULL},                                                                                        \
        {"--code", "CODE", "refused as this, such as missing_field", &(o)->code, NULL},            \
        {"--event-name", "NAME", "events of this name", &(o)->event_name, NULL},                   \
        {"--since", "TIME", "received then or later: RFC 3339, a date, or 90m, 24h, 7d ago",       \
         &(o)->since, NULL},                                                                       \
        {"--until", "TIME", "received before then", &(o)->until, NULL},                            \
        {"--from", "OFFSET", "first dead letter (default the oldest)", &(o)->from, NULL},          \
    {                                                                                              \
        "--limit", "N", "at most so many", &(o)->limit, NULL                                       \
    }

struct pt_dlq_filter {
    const char *code;       /* NULL: any */
    const char *event_name; /* NULL: any */
    int64_t since_us;       /* INT64_MIN: any */
    int64_t until_us;       /* INT64_MAX: any */
    bool has_from;
    uint64_t from;
    uint64_t limit;
};

/* False after the mistake was said. */
bool pt_dlq_filter_init(struct pt_dlq_filter *filter, const struct pt_dlq_options *options);

/* One dead letter; texts are borrowed until the next one is read, and empty where absent. */
struct pt_dlq_letter {
    uint64_t offset;
    struct pt_span text; /* the JSON object as it stands in the log */
    struct pt_json json; /* the same, parsed */
    struct pt_span received_at;
    struct pt_span code;
    struct pt_span pointer;
    struct pt_span detail;
    struct pt_span event_name; /* of the event */
    struct pt_json event;      /* exists */
};

struct pt_dlq;

/* The dead letters in `dir` (DATA/dlq). PT_NOT_FOUND: filter->from is gone. */
enum pt_code pt_dlq_open(struct pt_dlq **dlq_out, const char *dir,
                         const struct pt_dlq_filter *filter, struct pt_error *err) PT_MUST_USE;
void pt_dlq_close(struct pt_dlq *dlq); /* NULL is fine */
/* The next one that the filter lets through; PT_NOT_FOUND at the end. */
enum pt_code pt_dlq_next(struct pt_dlq *dlq, struct pt_dlq_letter *letter_out,
                         struct pt_error *err) PT_MUST_USE;

/* ---- printing (dlq_print.c) ---- */

/*
 * Text of an event for a terminal: control characters become ?, and what is longer than `columns`
 * characters is cut and ends in …; with `pads` it is filled up with spaces.
 */
void pt_dlq_print_text(FILE *out, struct pt_span text, int columns, bool pads);
/* JSON with a member or element a line. */
void pt_dlq_print_pretty(FILE *out, struct pt_json value, unsigned indent);
/* A line for each place at which the two differ; returns how many there are. */
unsigned pt_dlq_print_diff(FILE *out, struct pt_json before, struct pt_json after);

/* ---- the table (dlq_table.c) ---- */

#define PT_DLQ_IDS_MAX 10000 /* asked for together */

enum pt_dlq_known {
    PT_DLQ_NEW,
    PT_DLQ_IN_TABLE,
    PT_DLQ_REPEATED, /* it was asked for before */
};

struct pt_dlq_id {
    bool is_there; /* false: the event has none, and `known` stays */
    uint8_t bytes[PT_UUID_BYTES];
    enum pt_dlq_known known;
};

struct pt_dlq_table;

/* The current snapshot of the table in `lake_dir`. */
enum pt_code pt_dlq_table_open(struct pt_dlq_table **table_out, const char *lake_dir,
                               struct pt_error *err) PT_MUST_USE;
void pt_dlq_table_close(struct pt_dlq_table *table); /* NULL is fine */
/* Sets `known` of each id. */
enum pt_code pt_dlq_table_ask(struct pt_dlq_table *table, struct pt_dlq_id *ids, size_t count,
                              struct pt_error *err) PT_MUST_USE;

/* ---- the schemas of a data directory, for a dry run (dlq_schemas.c) ---- */

struct pt_registry;

/*
 * What DATA/registry holds now, in a copy: a server may be writing there. NULL in `registry_out`
 * where there is none. Pair with pt_registry_close().
 */
enum pt_code pt_dlq_schemas_open(struct pt_registry **registry_out, const char *registry_dir,
                                 struct pt_error *err) PT_MUST_USE;

/* ---- the server (dlq_send.c) ---- */

struct pt_dlq_sender;

enum pt_code pt_dlq_sender_open(struct pt_dlq_sender **sender_out, const char *url,
                                const char *api_key, struct pt_error *err) PT_MUST_USE;
void pt_dlq_sender_close(struct pt_dlq_sender *sender); /* NULL is fine */
/*
 * POST `body` to `path`, again while the server says "later". The answer is borrowed until the
 * next call and has PT_JSON_PADDING readable bytes behind it. PT_OK: the status is 2xx, 400 or 413;
 * anything else is PT_IO with what it means.
 */
enum pt_code pt_dlq_sender_post(struct pt_dlq_sender *sender, const char *path, struct pt_span body,
                                int *status_out, struct pt_span *answer_out,
                                struct pt_error *err) PT_MUST_USE;

#endif
