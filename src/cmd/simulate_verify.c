/*
 * simulate_verify.c - does the table hold what was played, and nothing else?
 *
 * DuckDB reads events.csv beside the table's snapshot and joins them by event_id; the sums of
 * truth.json are put into tables of their own and compared with what SQL makes of the
 * stored rows. Every check is one query that gives: how many things differ, how many there are,
 * and an example.
 */
#include "cmd/simulate.h"

#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "lake/lake.h"
#include "log/log.h"
#include "query/query.h"
#include "wire/rfc3339.h"
#include <assert.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRUTH_BYTES_MAX (16u << 20)
#define SQL_BYTES_MAX (64u << 20)

struct verify {
    const char *truth_dir;
    struct pt_data_dir dir;
    struct pt_duck *duck;
    struct pt_json_parser *parser;
    uint8_t *truth_text;
    struct pt_json truth;
    struct pt_buf sql;
    bool has_difference;
};

struct check {
    const char *name;
    const char *sql; /* one row: differing, in all, example */
};

/* t: the truth, s: what is stored. Times are microseconds, days are 86,400,000,000 of them. */
static const struct check checks[] = {
    {"rows", "SELECT abs(t.n - s.n), s.n, 'the truth has ' || t.n || ' rows' "
             "FROM (SELECT count(*) n FROM truth) t, (SELECT count(*) n FROM stored) s"},
    {"each event_id once",
     "SELECT count(*) - count(DISTINCT event_id), count(*), NULL FROM stored"},
    {"no event is missing",
     "SELECT count(*), (SELECT count(*) FROM truth), any_value(event_id)::VARCHAR "
     "FROM truth ANTI JOIN stored USING (event_id)"},
    {"no event is invented",
     "SELECT count(*), (SELECT count(*) FROM stored), any_value(event_id)::VARCHAR "
     "FROM stored ANTI JOIN truth USING (event_id)"},
    {"name, session and seq",
     "SELECT count(*) FILTER (t.event_name <> s.event_name OR t.session_id <> s.session_id OR "
     "t.seq IS DISTINCT FROM s.seq), count(*), NULL "
     "FROM truth t JOIN stored s USING (event_id)"},
    {"attributes", "SELECT count(*) FILTER (t.attributes IS DISTINCT FROM s.attributes), count(*), "
                   "any_value(t.attributes || ' became ' || coalesce(s.attributes, 'nothing')) "
                   "FILTER (t.attributes IS DISTINCT FROM s.attributes) "
                   "FROM truth t JOIN stored s USING (event_id)"},
    {"the device's time",
     "SELECT count(*) FILTER (t.occurred_at_us <> s.occurred_at_us), count(*), NULL "
     "FROM truth t JOIN stored s USING (event_id)"},
    {"the true time, where the clock was right",
     "SELECT count(*) FILTER (t.true_time_us <> s.event_time_us), count(*), NULL "
     "FROM truth t JOIN stored s USING (event_id) WHERE t.true_time_us = t.occurred_at_us"},
    {"the true time within 10 s, where the clock was wrong",
     "SELECT count(*) FILTER (abs(t.true_time_us - s.event_time_us) > 10000000), count(*), "
     "'off by up to ' || max(abs(t.true_time_us - s.event_time_us)) || ' us' "
     "FROM truth t JOIN stored s USING (event_id) WHERE t.true_time_us <> t.occurred_at_us"},
    {"the true day", "SELECT count(*) FILTER (t.true_time_us // 86400000000 <> "
                     "s.event_time_us // 86400000000), count(*), NULL "
                     "FROM truth t JOIN stored s USING (event_id)"},
    {"one pseudonym a player",
     "SELECT greatest(abs(count(*) - count(DISTINCT a)), abs(count(*) - count(DISTINCT b))), "
     "count(*), NULL FROM (SELECT DISTINCT t.user_id a, s.user_id b "
     "FROM truth t JOIN stored s USING (event_id))"},
    {"counts by name",
     "SELECT count(*) FILTER (t.n IS DISTINCT FROM s.n), count(*), "
     "any_value(event_name || ': ' || coalesce(s.n, 0)) FILTER (t.n IS DISTINCT FROM s.n) "
     "FROM (SELECT * FROM truth_names WHERE n > 0) t FULL JOIN "
     "(SELECT event_name, count(*) n FROM stored GROUP BY 1) s USING (event_name)"},
    {"retention by cohort and day",
     "WITH days AS (SELECT DISTINCT user_id, event_time_us // 86400000000 d FROM stored), "
     "firsts AS (SELECT user_id, min(d) cohort FROM days GROUP BY 1), "
     "s AS (SELECT cohort, d - cohort AS n, count(*) players FROM days JOIN firsts USING (user_id) "
     "GROUP BY ALL) "
     "SELECT count(*) FILTER (coalesce(t.players, 0) <> coalesce(s.players, 0)), count(*), "
     "any_value('day ' || n || ' of cohort ' || cohort) "
     "FILTER (coalesce(t.players, 0) <> coalesce(s.players, 0)) "
     "FROM truth_retention t FULL JOIN s USING (cohort, n) WHERE n <= 30"},
    {"purchases and revenue by day, in cents",
     "WITH s AS (SELECT event_time_us // 86400000000 d, count(*) n, "
     "sum(CAST(regexp_extract(attributes, '\"price\":([0-9.]+)', 1) AS DECIMAL(12, 2)) * 100) c "
     "FROM stored WHERE event_name = 'purchase' GROUP BY 1) "
     "SELECT count(*) FILTER (coalesce(t.n, 0) <> coalesce(s.n, 0) OR coalesce(t.c, 0) <> "
     "coalesce(s.c, 0)), count(*), "
     "sum(s.c)::BIGINT || ' cents in all' "
     "FROM truth_revenue t FULL JOIN s USING (d)"},
    {"exposed players and converters by variant",
     "WITH e AS (SELECT user_id, arg_min(regexp_extract(attributes, '\"variant\":\"([a-z]+)\"', "
     "1), "
     "event_time_us) variant, min(event_time_us) since FROM stored "
     "WHERE event_name = 'experiment_exposure' GROUP BY 1), "
     "p AS (SELECT e.user_id, min(s.event_time_us) - any_value(e.since) AS waited FROM e "
     "JOIN stored s ON s.user_id = e.user_id AND s.event_name = 'purchase' AND "
     "s.event_time_us >= e.since GROUP BY 1), "
     "s AS (SELECT variant, count(*) users, count(p.user_id) converters, "
     "count(*) FILTER (p.waited < 7 * 86400000000) in_time "
     "FROM e LEFT JOIN p USING (user_id) GROUP BY 1) "
     "SELECT count(*) FILTER ((t.users, t.converters, t.in_time) IS DISTINCT FROM "
     "(s.users, s.converters, s.in_time)), count(*), "
     "string_agg(variant || ': ' || s.converters || ' of ' || s.users, ', ' ORDER BY variant) "
     "FROM (SELECT * FROM truth_experiment WHERE users > 0) t FULL JOIN s USING (variant)"},
};

static_assert(PT_SIM_CONVERSION_DAYS == 7, "the experiment's check has 7 days");
static_assert(PT_SIM_SKEW_TOLERANCE_US == 10000000, "the skew check has 10 s");

/* ---- preparing ---- */

static enum pt_code no_truth(const struct verify *verify, struct pt_error *err)
{
    return pt_fail(err, PT_INVALID, "%s/truth.json is not what `playtrace simulate` writes",
                   verify->truth_dir);
}

static enum pt_code load_truth(struct verify *verify, struct pt_error *err)
{
    char *path = pt_strf("%s/truth.json", verify->truth_dir);
    size_t size = 0;
    enum pt_code code = PT_OK;

    verify->parser = pt_json_parser_create(TRUTH_BYTES_MAX);
    if (!path || !verify->parser) {
        code = pt_fail(err, PT_NO_MEMORY, "read the truth");
        goto out;
    }
    code = pt_io_read_all(pt_io_posix(), path, TRUTH_BYTES_MAX, PT_JSON_PADDING,
                          &verify->truth_text, &size, err);
    if (code) {
        goto out;
    }
    code = pt_json_parse(verify->parser, pt_span_of(verify->truth_text, size), &verify->truth, NULL,
                         err);
    if (!code && pt_json_type(verify->truth) != PT_JSON_OBJECT) {
        code = no_truth(verify, err);
    }

out:
    pt_free(path);
    return code;
}

/* Doubles quotes, as SQL text has it. */
static void append_quoted(struct pt_buf *sql, struct pt_span text)
{
    pt_buf_append_byte(sql, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'') {
            pt_buf_append_byte(sql, '\'');
        }
        pt_buf_append_byte(sql, text.data[i]);
    }
    pt_buf_append_byte(sql, '\'');
}

static enum pt_code run_sql(struct verify *verify, struct pt_error *err)
{
    pt_buf_append_byte(&verify->sql, 0);
    if (verify->sql.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "write a query");
    }
    return pt_duck_run(verify->duck, (const char *)verify->sql.data, err);
}

static bool day_of(struct pt_json object, int64_t *day_out)
{
    struct pt_span text;
    char time[32];
    int64_t time_us = 0;
    int size = 0;

    if (!pt_json_member_string(object, "day", &text)) {
        return false;
    }
    size = snprintf(time, sizeof(time), "%.*sT00:00:00Z", PT_SPAN_ARG(text));
    if (size < 0 || (size_t)size >= sizeof(time) ||
        !pt_rfc3339_parse(time, (size_t)size, &time_us)) {
        return false;
    }
    *day_out = pt_day_of(time_us);
    return true;
}

static bool list_of(struct pt_json object, const char *key, struct pt_json_iter *it_out)
{
    struct pt_json list = pt_json_member(object, key);

    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return false;
    }
    *it_out = pt_json_iterate(list);
    return true;
}

static bool append_names(struct verify *verify)
{
    struct pt_json names = pt_json_member(verify->truth, "by_name");
    struct pt_json_iter it;

    if (!pt_json_exists(names) || pt_json_type(names) != PT_JSON_OBJECT) {
        return false;
    }
    it = pt_json_iterate(names);
    while (pt_json_next(&it)) {
        if (pt_json_type(it.value) != PT_JSON_INT) {
            return false;
        }
        pt_buf_append_str(&verify->sql, "INSERT INTO truth_names VALUES (");
        append_quoted(&verify->sql, it.key);
        pt_buf_appendf(&verify->sql, ", %" PRId64 ");\n", pt_json_int(it.value));
    }
    return true;
}

static bool append_retention(struct verify *verify)
{
    struct pt_json_iter cohorts;

    if (!list_of(verify->truth, "retention", &cohorts)) {
        return false;
    }
    while (pt_json_next(&cohorts)) {
        struct pt_json_iter days;
        int64_t first = 0;
        int64_t installs = 0;
        int64_t n = 0;

        if (pt_json_type(cohorts.value) != PT_JSON_OBJECT || !day_of(cohorts.value, &first) ||
            !pt_json_member_int(cohorts.value, "installs", &installs) ||
            !list_of(cohorts.value, "retained", &days)) {
            return false;
        }
        pt_buf_appendf(&verify->sql,
                       "INSERT INTO truth_retention VALUES (%" PRId64 ", 0, %" PRId64 ");\n", first,
                       installs);
        while (pt_json_next(&days)) {
            if (pt_json_type(days.value) != PT_JSON_INT) {
                return false;
            }
            n++;
            pt_buf_appendf(&verify->sql,
                           "INSERT INTO truth_retention VALUES (%" PRId64 ", %" PRId64 ", %" PRId64
                           ");\n",
                           first, n, pt_json_int(days.value));
        }
    }
    return true;
}

static bool append_revenue(struct verify *verify)
{
    struct pt_json_iter it;

    if (!list_of(verify->truth, "revenue", &it)) {
        return false;
    }
    while (pt_json_next(&it)) {
        int64_t day = 0;
        int64_t purchases = 0;
        int64_t cents = 0;

        if (pt_json_type(it.value) != PT_JSON_OBJECT || !day_of(it.value, &day) ||
            !pt_json_member_int(it.value, "purchases", &purchases) ||
            !pt_json_member_int(it.value, "cents", &cents)) {
            return false;
        }
        pt_buf_appendf(&verify->sql,
                       "INSERT INTO truth_revenue VALUES (%" PRId64 ", %" PRId64 ", %" PRId64
                       ");\n",
                       day, purchases, cents);
    }
    return true;
}

static bool append_experiment(struct verify *verify)
{
    struct pt_json experiment = pt_json_member(verify->truth, "experiment");
    struct pt_json_iter it;

    if (!pt_json_exists(experiment) || pt_json_type(experiment) != PT_JSON_OBJECT ||
        !list_of(experiment, "variants", &it)) {
        return false;
    }
    while (pt_json_next(&it)) {
        struct pt_span variant;
        int64_t users = 0;
        int64_t converters = 0;
        int64_t in_time = 0;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "variant", &variant) ||
            !pt_json_member_int(it.value, "users", &users) ||
            !pt_json_member_int(it.value, "converters", &converters) ||
            !pt_json_member_int(it.value, "converters_in_time", &in_time)) {
            return false;
        }
        pt_buf_append_str(&verify->sql, "INSERT INTO truth_experiment VALUES (");
        append_quoted(&verify->sql, variant);
        pt_buf_appendf(&verify->sql, ", %" PRId64 ", %" PRId64 ", %" PRId64 ");\n", users,
                       converters, in_time);
    }
    return true;
}

static enum pt_code load_sums(struct verify *verify, struct pt_error *err)
{
    pt_buf_reset(&verify->sql);
    pt_buf_append_str(&verify->sql,
                      "CREATE TABLE truth_names (event_name VARCHAR, n BIGINT);\n"
                      "CREATE TABLE truth_retention (cohort BIGINT, n BIGINT, players BIGINT);\n"
                      "CREATE TABLE truth_revenue (d BIGINT, n BIGINT, c BIGINT);\n"
                      "CREATE TABLE truth_experiment (variant VARCHAR, users BIGINT, "
                      "converters BIGINT, in_time BIGINT);\n");
    if (!append_names(verify) || !append_retention(verify) || !append_revenue(verify) ||
        !append_experiment(verify)) {
        return no_truth(verify, err);
    }
    return run_sql(verify, err);
}

static enum pt_code load_events(struct verify *verify, struct pt_error *err)
{
    char *path = pt_strf("%s/events.csv", verify->truth_dir);

    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "read the truth");
    }
    pt_buf_reset(&verify->sql);
    pt_buf_append_str(&verify->sql, "CREATE TABLE truth AS SELECT * FROM read_csv(");
    append_quoted(&verify->sql, pt_span_str(path));
    pt_buf_append_str(
        &verify->sql,
        ", header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
        "columns = {'event_id': 'UUID', 'event_name': 'VARCHAR', 'user_id': 'VARCHAR', "
        "'session_id': 'VARCHAR', 'seq': 'BIGINT', 'true_time_us': 'BIGINT', "
        "'occurred_at_us': 'BIGINT', 'attributes': 'VARCHAR'})");
    pt_free(path);
    return run_sql(verify, err);
}

static enum pt_code load_table(struct verify *verify, struct pt_error *err)
{
    struct pt_lake_snapshot snapshot;
    enum pt_code code = pt_lake_read(pt_io_posix(), verify->dir.lake, &snapshot, err);

    if (code) {
        return code;
    }
    pt_buf_reset(&verify->sql);
    pt_buf_append_str(&verify->sql,
                      "CREATE TABLE stored AS SELECT event_id, event_name, user_id, session_id, "
                      "seq, epoch_us(event_time) AS event_time_us, "
                      "epoch_us(occurred_at) AS occurred_at_us, attributes FROM ");
    pt_lake_scan_sql(&snapshot, &verify->sql);
    pt_lake_snapshot_release(&snapshot);
    return run_sql(verify, err);
}

/* ---- checking ---- */

static void say(struct verify *verify, const char *name, int64_t differing, int64_t total,
                struct pt_span example)
{
    bool is_ok = differing == 0;

    verify->has_difference = verify->has_difference || !is_ok;
    if (is_ok) {
        printf("ok       %s: %" PRId64, name, total);
    } else {
        printf("DIFFERS: %s: %" PRId64 " of %" PRId64, name, differing, total);
    }
    if (example.size > 0) {
        printf(" (%.*s)", PT_SPAN_ARG(example));
    }
    putchar('\n');
}

static enum pt_code run_check(struct verify *verify, const struct check *check,
                              struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    struct pt_duck_value values[3];
    enum pt_code code = pt_duck_query(verify->duck, check->sql, &result, err);

    if (code) {
        return pt_error_prefix(err, code, "%s", check->name);
    }
    if (!pt_duck_next(result)) {
        code = pt_fail(err, PT_INVALID, "%s: the check gave nothing", check->name);
        goto out;
    }
    for (size_t i = 0; i < 3; i++) {
        values[i] = pt_duck_value_at(result, i);
    }
    if (values[0].kind != PT_DUCK_INT || values[1].kind != PT_DUCK_INT) {
        code = pt_fail(err, PT_INVALID, "%s: the check gave no number", check->name);
        goto out;
    }
    say(verify, check->name, values[0].integer, values[1].integer,
        values[2].kind == PT_DUCK_TEXT ? values[2].text : pt_span_of(NULL, 0));

out:
    pt_duck_result_close(result);
    return code;
}

static enum pt_code count_dead_letters(const struct verify *verify, int64_t *count_out,
                                       struct pt_error *err)
{
    struct pt_log_reader *reader = NULL;
    enum pt_code code = pt_log_reader_open(&reader, pt_io_posix(), verify->dir.dlq, err);

    *count_out = 0;
    if (!code) {
        code = pt_log_reader_seek(reader, pt_log_reader_start(reader), err);
    }
    while (!code) {
        struct pt_log_batch batch;

        code = pt_log_reader_next(reader, UINT64_MAX, &batch, err);
        if (!code) {
            *count_out += batch.count;
        }
    }
    pt_log_reader_close(reader);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

/* A body whose answer was lost may have left its dead letters twice. */
static enum pt_code check_dead_letters(struct verify *verify, struct pt_error *err)
{
    int64_t expected = 0;
    int64_t again = 0;
    int64_t found = 0;
    char example[64];
    enum pt_code code = count_dead_letters(verify, &found, err);

    if (code) {
        return code;
    }
    if (!pt_json_member_int(verify->truth, "dead_letters", &expected) ||
        !pt_json_member_int(verify->truth, "dead_letters_sent_again", &again)) {
        return no_truth(verify, err);
    }
    snprintf(example, sizeof(example), "the truth has %" PRId64 " to %" PRId64, expected,
             expected + again);
    say(verify, "dead letters",
        found < expected           ? expected - found
        : found > expected + again ? found - expected - again
                                   : 0,
        found, pt_span_str(again > 0 || found != expected ? example : ""));
    return PT_OK;
}

/* The metrics that people see, from a session as `playtrace query` opens it. */
static enum pt_code check_metrics(struct verify *verify, struct pt_error *err)
{
    static const struct {
        const char *name;
        enum pt_code (*run)(struct pt_query *query, struct pt_json truth,
                            struct pt_sim_finding *finding, struct pt_error *err);
    } metrics[] = {
        {"`query retention` says the same, in rows", pt_sim_verify_retention},
        {"`query revenue` says the same, in rows", pt_sim_verify_revenue},
    };
    struct pt_query *query = NULL;
    enum pt_code code = pt_query_open(&query, pt_io_posix(), verify->dir.lake, NULL, err);

    for (size_t i = 0; !code && i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        struct pt_sim_finding finding = {0};

        code = metrics[i].run(query, verify->truth, &finding, err);
        if (!code) {
            say(verify, metrics[i].name, (int64_t)finding.differing, (int64_t)finding.total,
                pt_span_str(finding.example));
        }
    }
    pt_query_close(query);
    return code;
}

static enum pt_code verify_all(struct verify *verify, const char *data_dir, struct pt_error *err)
{
    enum pt_code code = pt_data_dir_init(&verify->dir, data_dir, err);

    if (!code) {
        code = load_truth(verify, err);
    }
    if (!code) {
        code = pt_duck_open(&verify->duck, 0, err);
    }
    if (!code) {
        code = load_sums(verify, err);
    }
    if (!code) {
        code = load_events(verify, err);
    }
    if (!code) {
        code = load_table(verify, err);
    }
    for (size_t i = 0; !code && i < sizeof(checks) / sizeof(checks[0]); i++) {
        code = run_check(verify, &checks[i], err);
    }
    if (!code) {
        code = check_metrics(verify, err);
    }
    return code ? code : check_dead_letters(verify, err);
}

int pt_sim_verify(const char *truth_dir, const char *data_dir)
{
    struct verify verify = {.truth_dir = truth_dir};
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    pt_buf_init(&verify.sql, SQL_BYTES_MAX);
    code = verify_all(&verify, data_dir, &err);
    pt_buf_release(&verify.sql);
    pt_duck_close(verify.duck);
    pt_json_parser_destroy(verify.parser);
    pt_free(verify.truth_text);
    pt_data_dir_release(&verify.dir);
    if (code) {
        return pt_cmd_failed("simulate verify", &err);
    }
    if (verify.has_difference) {
        pt_cmd_say("simulate verify: the table is not what was played");
        return PT_EXIT_FAILED;
    }
    return PT_EXIT_OK;
}
