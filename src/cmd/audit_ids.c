/*
 * audit_ids.c - ids of log, id runs and table against each other, and minutes against the ledger
 *
 * Bounded memory at any size: each of the three is dealt by the hash of its ids into files in the
 * temporary directory, at most FILES_MAX (an open one costs memory), and the files are compared one
 * after another, in several rounds where they are bigger than STEP_IDS. An id is in one step alone,
 * whichever of the three it comes from.
 */
#include "cmd/audit.h"

#include "base/host.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STEP_IDS 500000u
#define FILES_MAX 64u
#define HOUR_US INT64_C(3600000000)
#define MINUTE_US INT64_C(60000000)
#define SQL_BYTES_MAX ((size_t)64 << 10)

enum question { UNSTORED, DOUBLED, UNLOGGED, SEEN_ALONE, UNSEEN, QUESTION_COUNT };

static const struct {
    const char *what;
    const char *complaint;
} words[QUESTION_COUNT] = {
    [UNSTORED] = {"table", "in the log, but no row:"},
    [DOUBLED] = {"table", "more than one row:"},
    [UNLOGGED] = {"table", "a row, but not in the log:"},
    [SEEN_ALONE] = {"id runs", "an id that was seen, but no row:"},
    [UNSEEN] = {"id runs", "a row, but in no id run:"},
};

struct comparison {
    struct pt_audit *audit;
    struct pt_duck *duck;
    struct pt_buf sql;
    unsigned files;
    unsigned rounds;
    bool asks[QUESTION_COUNT];
    char *questions[QUESTION_COUNT]; /* SQL that names ids */
    unsigned named[QUESTION_COUNT];
};

static enum pt_code run(struct comparison *comparison, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pt_buf_append_byte(&comparison->sql, 0);
    code = comparison->sql.has_failed
               ? pt_fail(err, PT_NO_MEMORY, "compare ids")
               : pt_duck_run(comparison->duck, (const char *)comparison->sql.data, err);
    pt_buf_reset(&comparison->sql);
    return code;
}

/* ---- dealing ---- */

static enum pt_code deal(struct comparison *comparison, const char *columns, const char *from,
                         const char *name, struct pt_error *err)
{
    const char *temp = comparison->audit->temp;

    pt_buf_appendf(&comparison->sql,
                   "COPY (SELECT %s, (hash(id) %% %u)::INTEGER AS file FROM %s) TO '%s/%s' (FORMAT "
                   "parquet, COMPRESSION 'uncompressed', PARTITION_BY (file))",
                   columns, comparison->files, from, temp, name);
    return run(comparison, err);
}

static enum pt_code deal_all(struct comparison *comparison, struct pt_error *err)
{
    struct pt_audit *audit = comparison->audit;
    char from[512];
    enum pt_code code = deal(comparison, "id, received",
                             "(SELECT event_id AS id, epoch_us(received_at) AS received FROM "
                             "events)",
                             "rows", err);

    if (!code) {
        snprintf(from, sizeof(from),
                 "read_csv('%s/log.csv', header=false, auto_detect=false, columns={'id':'UUID',"
                 "'place':'BIGINT','minute':'BIGINT','received':'BIGINT'})",
                 audit->temp);
        code = deal(comparison, "id, place, minute, received", from, "records", err);
    }
    if (!code) {
        snprintf(from, sizeof(from),
                 "read_csv('%s/runs.csv', header=false, auto_detect=false, columns={'id':'UUID',"
                 "'bucket':'BIGINT'})",
                 audit->temp);
        code = deal(comparison, "id", from, "seen", err);
    }
    if (!code) {
        pt_buf_appendf(&comparison->sql,
                       "CREATE TABLE counted (minute BIGINT, accepted BIGINT, stored BIGINT); "
                       "CREATE TABLE ledger AS SELECT * FROM read_csv('%s/ledger.csv', "
                       "header=false, auto_detect=false, columns={'minute':'BIGINT',"
                       "'accepted':'BIGINT','stored':'BIGINT','duplicate':'BIGINT'})",
                       audit->temp);
        code = run(comparison, err);
    }
    return code;
}

/* Take one file's share of this round as table `name`; no file is an empty table. */
static enum pt_code take(struct comparison *comparison, const char *columns, const char *name,
                         const char *empty, unsigned file, unsigned round, struct pt_error *err)
{
    char *dir = pt_strf("%s/%s/file=%u", comparison->audit->temp, name, file);
    struct pt_host_file look;
    enum pt_code code = PT_OK;

    if (!dir) {
        return pt_fail(err, PT_NO_MEMORY, "compare ids");
    }
    pt_buf_appendf(&comparison->sql, "CREATE OR REPLACE TABLE %s AS SELECT %s FROM ", name,
                   columns);
    if (pt_host_look(dir, &look, NULL)) {
        pt_buf_appendf(&comparison->sql, "(SELECT %s) WHERE false", empty);
    } else {
        pt_buf_appendf(&comparison->sql,
                       "read_parquet('%s/*.parquet', hive_partitioning=false) WHERE hash(id) // %u "
                       "%% %u = %u",
                       dir, comparison->files, comparison->rounds, round);
    }
    code = run(comparison, err);
    pt_free(dir);
    return code;
}

/* ---- asking ---- */

/*
 * Rows that the log must hold and does not: where it reaches back to its beginning these are all
 * rows; else those received after its first batch was appended, for what is received is appended
 * later, unless the clock was set back. Rows that the id runs must hold: those received since the
 * oldest of their hours is over, or a twin of them would be stored again.
 */
static enum pt_code write_questions(struct comparison *comparison, struct pt_error *err)
{
    struct pt_audit *audit = comparison->audit;
    char **questions = comparison->questions;

    comparison->asks[UNSTORED] = true;
    comparison->asks[DOUBLED] = true;
    comparison->asks[UNLOGGED] =
        audit->log_start == 0 || (audit->is_clock_steady && audit->log_ids > 0);
    comparison->asks[SEEN_ALONE] = audit->run_ids > 0;
    comparison->asks[UNSEEN] = audit->run_ids > 0 && audit->is_exact;
    questions[UNSTORED] =
        pt_strf("SELECT id::VARCHAR || ' (offset ' || min(place) || ')' FROM records ANTI JOIN "
                "rows USING (id) GROUP BY id ORDER BY min(place) LIMIT %d",
                PT_AUDIT_NAMED_MAX);
    questions[DOUBLED] = pt_strf(
        "SELECT id::VARCHAR || ' (received ' || string_agg(make_timestamp(received)::VARCHAR, ', ' "
        "ORDER BY received) || ')' FROM (SELECT id, received, received - lag(received) OVER "
        "(PARTITION BY id ORDER BY received) AS apart FROM rows WHERE id IN (SELECT id FROM rows "
        "GROUP BY id HAVING count(*) > 1)) GROUP BY id HAVING min(apart) < %" PRId64 " LIMIT %d",
        audit->dedup_hours * HOUR_US, PT_AUDIT_NAMED_MAX);
    questions[UNLOGGED] =
        pt_strf("SELECT id::VARCHAR FROM (SELECT id FROM rows WHERE received > %" PRId64
                ") ANTI JOIN records USING (id) LIMIT %d",
                audit->log_start ? audit->log_start_us : -INT64_MAX, PT_AUDIT_NAMED_MAX);
    questions[SEEN_ALONE] = pt_strf("SELECT id::VARCHAR FROM seen ANTI JOIN rows USING (id) "
                                    "LIMIT %d",
                                    PT_AUDIT_NAMED_MAX);
    questions[UNSEEN] =
        pt_strf("SELECT id::VARCHAR FROM (SELECT id FROM rows WHERE received >= %" PRId64
                ") ANTI JOIN seen USING (id) LIMIT %d",
                (audit->oldest_bucket + 1) * HOUR_US, PT_AUDIT_NAMED_MAX);
    for (unsigned i = 0; i < QUESTION_COUNT; i++) {
        if (!questions[i]) {
            return pt_fail(err, PT_NO_MEMORY, "compare ids");
        }
    }
    return PT_OK;
}

/* A finding for each row, whose first column is the text, up to the bound. */
static enum pt_code name_rows(struct comparison *comparison, enum question question,
                              struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    unsigned *named = &comparison->named[question];
    enum pt_code code = PT_OK;

    if (!comparison->asks[question] || *named == PT_AUDIT_NAMED_MAX) {
        return PT_OK;
    }
    code = pt_duck_query(comparison->duck, comparison->questions[question], &result, err);
    while (!code && *named < PT_AUDIT_NAMED_MAX && pt_duck_next(result)) {
        struct pt_duck_value value = pt_duck_value_at(result, 0);

        pt_audit_check(comparison->audit, false, words[question].what, "%s %.*s",
                       words[question].complaint, PT_SPAN_ARG(value.text));
        ++*named;
    }
    pt_duck_result_close(result);
    return code;
}

static enum pt_code compare_step(struct comparison *comparison, unsigned file, unsigned round,
                                 struct pt_error *err)
{
    enum pt_code code = take(comparison, "id, received", "rows",
                             "uuid() AS id, 0::BIGINT AS received", file, round, err);

    if (!code) {
        code = take(comparison, "id, place, minute, received", "records",
                    "uuid() AS id, 0::BIGINT AS place, 0::BIGINT AS minute, 0::BIGINT AS received",
                    file, round, err);
    }
    if (!code) {
        code = take(comparison, "id", "seen", "uuid() AS id", file, round, err);
    }
    for (unsigned i = 0; !code && i < QUESTION_COUNT; i++) {
        code = name_rows(comparison, (enum question)i, err);
    }
    if (!code) {
        /* Stored is a record whose id and time of receipt a row has; the others are duplicates. */
        pt_buf_append_str(&comparison->sql,
                          "INSERT INTO counted SELECT minute, count(*), count(DISTINCT s.id) FROM "
                          "records LEFT JOIN (SELECT DISTINCT id, received FROM rows WHERE id IN "
                          "(SELECT id FROM records)) AS s ON records.id = s.id AND "
                          "records.received = s.received GROUP BY minute");
        code = run(comparison, err);
    }
    return code;
}

/* ---- the ledger's minutes ---- */

/* The first that lies wholly in the log, and that the ledger must hold. */
static int64_t first_whole_minute(const struct pt_audit *audit)
{
    int64_t first = audit->last_minute - (audit->ledger_days - 1) * 1440;

    if (audit->log_start > 0 && first <= audit->log_start_us / MINUTE_US) {
        first = audit->log_start_us / MINUTE_US + 1;
    }
    if (audit->ledger.before.accepted > 0 && first <= audit->first_minute) {
        first = audit->first_minute + 1;
    }
    return first;
}

static enum pt_code compare_minutes(struct comparison *comparison, struct pt_error *err)
{
    struct pt_audit *audit = comparison->audit;
    struct pt_duck_result *result = NULL;
    unsigned named = 0;
    enum pt_code code = PT_OK;

    if (audit->ledger.checkpoint != audit->checkpoint.number ||
        (audit->log_start > 0 && !audit->is_clock_steady) ||
        (audit->ledger.before.accepted > 0 && audit->first_minute == 0)) {
        return PT_OK;
    }
    pt_buf_appendf(
        &comparison->sql,
        "WITH log AS (SELECT minute, sum(accepted) AS accepted, sum(stored) AS stored FROM counted "
        "GROUP BY minute), compared AS (SELECT minute, coalesce(ledger.accepted, 0) AS a, "
        "coalesce(ledger.stored, 0) AS s, coalesce(ledger.duplicate, 0) AS d, "
        "coalesce(log.accepted, 0) AS ca, coalesce(log.stored, 0) AS cs FROM log FULL JOIN ledger "
        "USING (minute)) SELECT strftime(make_timestamp(minute * %" PRId64
        "), '%%Y-%%m-%%dT%%H:%%MZ') || ': the ledger has ' || a || ' accepted, ' || s || ' stored, "
        "' || d || ' duplicates; counted are ' || ca || ', ' || cs || ', ' || (ca - cs) FROM "
        "compared WHERE minute >= %" PRId64
        " AND (a <> ca OR s <> cs OR d <> ca - cs) ORDER BY minute LIMIT %d",
        MINUTE_US, first_whole_minute(audit), PT_AUDIT_NAMED_MAX);
    pt_buf_append_byte(&comparison->sql, 0);
    code = comparison->sql.has_failed
               ? pt_fail(err, PT_NO_MEMORY, "compare ids")
               : pt_duck_query(comparison->duck, (const char *)comparison->sql.data, &result, err);
    while (!code && pt_duck_next(result)) {
        struct pt_duck_value value = pt_duck_value_at(result, 0);

        pt_audit_check(audit, false, "ledger", "minute %.*s", PT_SPAN_ARG(value.text));
        named++;
    }
    pt_duck_result_close(result);
    if (!code && !named) {
        pt_audit_check(audit, true, "ledger",
                       "its minutes are those of the log, as far as the log reaches back");
    }
    return code;
}

/* ---- all of it ---- */

static void praise(struct comparison *comparison)
{
    struct pt_audit *audit = comparison->audit;
    const char *const texts[QUESTION_COUNT] = {
        [UNSTORED] = "every event of the log is a row",
        [DOUBLED] = "no event is two rows",
        [UNLOGGED] = audit->log_start == 0
                         ? "every row is an event of the log"
                         : "every row received since the log begins is an event of the log",
        [SEEN_ALONE] = "every id that was seen is a row",
        [UNSEEN] = "every row of their hours is in them",
    };

    for (unsigned i = 0; i < QUESTION_COUNT; i++) {
        if (comparison->asks[i] && !comparison->named[i]) {
            pt_audit_check(audit, true, words[i].what, "%s", texts[i]);
        }
    }
}

enum pt_code pt_audit_ids(struct pt_audit *audit, struct pt_duck *duck, struct pt_error *err)
{
    struct comparison comparison = {.audit = audit, .duck = duck};
    uint64_t most = audit->stored > audit->log_ids ? audit->stored : audit->log_ids;
    uint64_t steps = (most > audit->run_ids ? most : audit->run_ids) / STEP_IDS + 1;
    enum pt_code code = PT_OK;

    comparison.files = steps < FILES_MAX ? (unsigned)steps : FILES_MAX;
    comparison.rounds = (unsigned)((steps + comparison.files - 1) / comparison.files);
    pt_buf_init(&comparison.sql, SQL_BYTES_MAX);
    code = write_questions(&comparison, err);
    if (!code) {
        code = deal_all(&comparison, err);
    }
    for (unsigned file = 0; !code && file < comparison.files; file++) {
        for (unsigned round = 0; !code && round < comparison.rounds; round++) {
            code = compare_step(&comparison, file, round, err);
        }
    }
    if (!code) {
        praise(&comparison);
        code = compare_minutes(&comparison, err);
    }
    for (unsigned i = 0; i < QUESTION_COUNT; i++) {
        pt_free(comparison.questions[i]);
    }
    pt_buf_release(&comparison.sql);
    return code;
}
