/*
 * test_query.c - the metrics say what their definitions say, in every format
 *
 * Method: tables of a few hand-made players, for whom retention, funnel, revenue and sessions are
 * known; answers are compared as CSV and JSON, byte for byte.
 */
#include "check.h"

#include "query/query.h"
#include "query/sql_files.h"
#include "wire/rfc3339.h"

#include <stdio.h>

#define EVENTS_MAX 64

static struct pt_error err;

/* ---- a table of hand-made events ---- */

struct fixture {
    char *dir;
    struct pt_row rows[EVENTS_MAX];
    size_t count;
    struct pt_query *query;
};

static struct pt_text text(const char *string)
{
    return (struct pt_text){string, string ? (uint32_t)strlen(string) : 0};
}

static struct pt_event *add(struct fixture *f, char user, const char *session, const char *name,
                            const char *time)
{
    struct pt_event *event = &f->rows[f->count].event;

    PT_CHECK(f->count < EVENTS_MAX);
    memset(event, 0, sizeof(*event));
    PT_CHECK(pt_rfc3339_parse(time, strlen(time), &event->event_time_us));
    f->count++;
    event->event_id[0] = (uint8_t)f->count;
    event->user[0] = (uint8_t)user;
    event->occurred_at_us = event->event_time_us;
    event->received_at_us = event->event_time_us;
    event->seq = PT_EVENT_NO_NUMBER;
    event->boot = PT_EVENT_NO_NUMBER;
    event->event_name = text(name);
    event->session_id = text(session);
    return event;
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->dir = pt_test_dir_create();
}

/* Commit what was added, and open a session over it. */
static void open_query(struct fixture *f)
{
    struct pt_lake *lake = NULL;
    struct pt_json_parser *parser = pt_json_parser_create(1u << 24);
    struct pt_json files = {0};
    struct pt_jsonw w;
    struct pt_buf buf;
    size_t size = 0;

    pt_buf_init(&buf, 1u << 24);
    PT_CHECK_OK(pt_lake_open(&lake, pt_io_posix(), pt_clock_system(), f->dir, &err), err);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_array(&w);
    PT_CHECK_OK(pt_lake_write(lake, f->rows, f->count, 1, &w, &err), err);
    pt_jsonw_array_end(&w);
    size = buf.size;
    PT_CHECK(pt_buf_reserve(&buf, PT_JSON_PADDING) != NULL);
    PT_CHECK_OK(pt_json_parse(parser, pt_span_of(buf.data, size), &files, NULL, &err), err);
    PT_CHECK_OK(pt_lake_commit(lake, files, 1, &err), err);
    pt_lake_close(lake);
    pt_json_parser_destroy(parser);
    pt_buf_release(&buf);
    PT_CHECK_OK(pt_query_open(&f->query, pt_io_posix(), f->dir, NULL, &err), err);
}

static void teardown(struct fixture *f)
{
    pt_query_close(f->query);
    pt_test_dir_remove(f->dir);
}

static bool append_piece(void *ctx, const void *data, size_t bytes)
{
    pt_buf_append(ctx, data, bytes);
    return true;
}

static char *rendered(struct pt_duck_result *result, enum pt_query_format format)
{
    struct pt_buf buf;
    char *copy = NULL;

    pt_buf_init(&buf, 1u << 26);
    PT_CHECK_OK(pt_query_render(result, format, append_piece, &buf, &err), err);
    copy = pt_strndup((const char *)buf.data, buf.size);
    assert_non_null(copy);
    pt_buf_release(&buf);
    pt_duck_result_close(result);
    return copy;
}

/* CSV of a metric with at most two parameters, its CRLF as '\n'. */
static void check_metric(struct fixture *f, const char *name, const char *param, const char *value,
                         const char *param2, const char *value2, const char *expected)
{
    struct pt_duck_param params[2] = {{param, value}, {param2, value2}};
    size_t count = (param ? 1u : 0u) + (param2 ? 1u : 0u);
    struct pt_duck_result *result = NULL;
    char *answer = NULL;
    char *to = NULL;

    PT_CHECK_OK(pt_query_metric(f->query, name, params, count, &result, &err), err);
    answer = rendered(result, PT_QUERY_CSV);
    to = answer;
    for (const char *from = answer; *from; from++) {
        if (*from != '\r') {
            *to++ = *from;
        }
    }
    *to = '\0';
    assert_string_equal(answer, expected);
    pt_free(answer);
}

static void check_sql(struct fixture *f, const char *sql, enum pt_query_format format,
                      const char *expected)
{
    struct pt_duck_result *result = NULL;
    char *answer = NULL;

    PT_CHECK_OK(pt_query_sql(f->query, sql, &result, &err), err);
    answer = rendered(result, format);
    assert_string_equal(answer, expected);
    pt_free(answer);
}

/* ---- metrics ---- */

static void retention_counts_first_days_and_leaves_out_the_young(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    /* a, b, c begin on the 1st; a and b are back on the 2nd, a in its last microsecond. */
    add(&f, 'a', "1", "session_start", "2026-11-01T23:59:59.999999Z");
    add(&f, 'a', "2", "session_start", "2026-11-02T23:59:59.999999Z");
    add(&f, 'b', "1", "session_start", "2026-11-01T00:00:00Z");
    add(&f, 'b', "2", "session_start", "2026-11-02T00:00:00Z");
    add(&f, 'b', "2", "level_start", "2026-11-02T00:00:01Z"); /* counts once */
    add(&f, 'c', "1", "session_start", "2026-11-01T12:00:00Z");
    add(&f, 'c', "2", "session_start", "2026-11-03T00:00:00Z"); /* a day late */
    /* d begins on the 2nd, comes back on the 3rd, which is not over. */
    add(&f, 'd', "1", "session_start", "2026-11-02T06:00:00Z");
    add(&f, 'd', "2", "session_start", "2026-11-03T06:00:00Z");
    open_query(&f);
    check_metric(&f, "retention", NULL, NULL, NULL, NULL,
                 "cohort_day,cohort_size,day,retained,rate\n"
                 "2026-11-01,3,1,2,0.6666666666666666\n"
                 "all,3,1,2,0.6666666666666666\n");
    /* Once the 3rd has passed, the cohort of the 2nd joins day 1; day 2 of the 1st was 1 of 3. */
    check_metric(&f, "retention", "as_of", "2026-11-04", "days", "0, 1,2",
                 "cohort_day,cohort_size,day,retained,rate\n"
                 "2026-11-01,3,0,3,1.0\n"
                 "2026-11-02,1,0,1,1.0\n"
                 "all,4,0,4,1.0\n"
                 "2026-11-01,3,1,2,0.6666666666666666\n"
                 "2026-11-02,1,1,1,1.0\n"
                 "all,4,1,3,0.75\n"
                 "2026-11-01,3,2,1,0.3333333333333333\n"
                 "all,3,2,1,0.3333333333333333\n");
    /* One microsecond before that the 3rd is not over. */
    check_metric(&f, "retention", "as_of", "2026-11-03 23:59:59.999999+00", NULL, NULL,
                 "cohort_day,cohort_size,day,retained,rate\n"
                 "2026-11-01,3,1,2,0.6666666666666666\n"
                 "all,3,1,2,0.6666666666666666\n");
    teardown(&f);
}

static void a_funnel_needs_order_and_time(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    /* a: all three in order. */
    add(&f, 'a', "1", "open", "2026-11-01T00:00:00Z");
    add(&f, 'a', "1", "look", "2026-11-01T00:00:01Z");
    add(&f, 'a', "1", "buy", "2026-11-01T00:00:02Z");
    /* b: wrong order. */
    add(&f, 'b', "1", "look", "2026-11-01T00:00:00Z");
    add(&f, 'b', "1", "open", "2026-11-01T00:00:01Z");
    add(&f, 'b', "1", "buy", "2026-11-01T00:00:02Z");
    /* c: too late after the first open, in time after the second. */
    add(&f, 'c', "1", "open", "2026-11-01T00:00:00Z");
    add(&f, 'c', "1", "look", "2026-11-01T00:00:01Z");
    add(&f, 'c', "2", "open", "2026-11-09T00:00:00Z");
    add(&f, 'c', "2", "look", "2026-11-09T00:00:01Z");
    add(&f, 'c', "2", "buy", "2026-11-09T00:00:02Z");
    /* d: buys too late for the look of the first open, and has no look in between. */
    add(&f, 'd', "1", "open", "2026-11-01T00:00:00Z");
    add(&f, 'd', "1", "look", "2026-11-01T00:00:01Z");
    add(&f, 'd', "1", "open", "2026-11-08T00:00:00Z");
    add(&f, 'd', "1", "buy", "2026-11-08T00:00:01Z");
    /* e: of one time; seq decides. f: the same, the other way round. */
    add(&f, 'e', "1", "open", "2026-11-01T00:00:00Z")->seq = 1;
    add(&f, 'e', "1", "look", "2026-11-01T00:00:00Z")->seq = 2;
    add(&f, 'f', "1", "open", "2026-11-01T00:00:00Z")->seq = 2;
    add(&f, 'f', "1", "look", "2026-11-01T00:00:00Z")->seq = 1;
    /* g: exactly seven days is in time. */
    add(&f, 'g', "1", "open", "2026-11-01T00:00:00Z");
    add(&f, 'g', "1", "look", "2026-11-01T00:00:01Z");
    add(&f, 'g', "1", "buy", "2026-11-08T00:00:00Z");
    open_query(&f);
    check_metric(&f, "funnel", "steps", "open,look,buy", NULL, NULL,
                 "step,event_name,users,rate_from_first,rate_from_previous\n"
                 "1,open,7,1.0,1.0\n"
                 "2,look,5,0.7142857142857143,0.7142857142857143\n"
                 "3,buy,3,0.42857142857142855,0.6\n");
    check_metric(&f, "funnel", "steps", "open,look,buy", "within", "1 hour",
                 "step,event_name,users,rate_from_first,rate_from_previous\n"
                 "1,open,7,1.0,1.0\n"
                 "2,look,5,0.7142857142857143,0.7142857142857143\n"
                 "3,buy,2,0.2857142857142857,0.4\n");
    /* The same name twice needs two events: c and d have them. */
    check_metric(&f, "funnel", "steps", "open, open", "within", "30 days",
                 "step,event_name,users,rate_from_first,rate_from_previous\n"
                 "1,open,7,1.0,1.0\n"
                 "2,open,2,0.2857142857142857,0.2857142857142857\n");
    check_metric(&f, "funnel", "steps", "it's;DROP,buy", NULL, NULL,
                 "step,event_name,users,rate_from_first,rate_from_previous\n"
                 "1,it's;DROP,0,,\n"
                 "2,buy,0,,\n");
    teardown(&f);
}

static void revenue_adds_exactly_and_apart_by_currency(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    add(&f, 'a', "1", "purchase", "2026-11-01T01:00:00Z")->attributes =
        text("{\"price\":0.1,\"currency\":\"USD\"}");
    add(&f, 'a', "1", "purchase", "2026-11-01T02:00:00Z")->attributes =
        text("{\"price\":0.2,\"currency\":\"USD\"}");
    add(&f, 'b', "1", "purchase", "2026-11-01T03:00:00Z")->attributes =
        text("{\"price\":5,\"currency\":\"EUR\"}");
    add(&f, 'c', "1", "level_start", "2026-11-01T03:00:00Z");
    add(&f, 'c', "1", "level_start", "2026-11-02T03:00:00Z");
    add(&f, 'c', "1", "purchase", "2026-11-03T03:00:00Z")->attributes =
        text("{\"price\":\"much\",\"currency\":\"USD\",\"item\":{\"cost\":1.25}}");
    open_query(&f);
    check_metric(&f, "revenue", NULL, NULL, NULL, NULL,
                 "day,currency,payers,purchases,revenue,active_users,arpdau,arppu\n"
                 "2026-11-01,EUR,1,1,5.0,3,1.6666666666666667,5.0\n"
                 "2026-11-01,USD,1,2,0.3,3,0.09999999999999999,0.3\n"
                 "2026-11-02,EUR,0,0,0.0,1,0.0,\n"
                 "2026-11-02,USD,0,0,0.0,1,0.0,\n"
                 "2026-11-03,EUR,0,0,0.0,1,0.0,\n"
                 "2026-11-03,USD,1,1,0.0,1,0.0,0.0\n");
    check_metric(&f, "revenue", "price_key", "$.item.cost", "currency_key", "none",
                 "day,currency,payers,purchases,revenue,active_users,arpdau,arppu\n"
                 "2026-11-01,,2,3,0.0,3,0.0,0.0\n"
                 "2026-11-02,,0,0,0.0,1,0.0,\n"
                 "2026-11-03,,1,1,1.25,1,1.25,1.25\n");
    check_metric(&f, "revenue", "event", "nothing", NULL, NULL,
                 "day,currency,payers,purchases,revenue,active_users,arpdau,arppu\n"
                 "2026-11-01,,0,0,0.0,3,0.0,\n"
                 "2026-11-02,,0,0,0.0,1,0.0,\n"
                 "2026-11-03,,0,0,0.0,1,0.0,\n");
    teardown(&f);
}

static void sessions_belong_to_the_day_they_begin(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    add(&f, 'a', "1", "x", "2026-11-01T23:59:00Z");
    add(&f, 'a', "1", "x", "2026-11-02T00:01:00.5Z"); /* 120.5 s, over midnight */
    add(&f, 'b', "1", "x", "2026-11-01T10:00:00Z");   /* the same id, another player */
    add(&f, 'b', "2", "x", "2026-11-01T11:00:00Z");
    add(&f, 'b', "2", "x", "2026-11-01T11:00:10Z");
    add(&f, 'b', "2", "x", "2026-11-01T11:00:05Z");
    add(&f, 'c', "1", "x", "2026-11-02T11:00:05Z");
    open_query(&f);
    check_metric(&f, "sessions", NULL, NULL, NULL, NULL,
                 "day,sessions,users,median_seconds,mean_seconds,events_per_session\n"
                 "2026-11-01,3,2,10.0,43.5,2.0\n"
                 "2026-11-02,1,1,0.0,0.0,1.0\n");
    teardown(&f);
}

static void an_empty_table_gives_answers_too(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_query_open(&f.query, pt_io_posix(), f.dir, NULL, &err), err);
    PT_CHECK(pt_query_snapshot(f.query)->snapshot_id == 0);
    check_metric(&f, "retention", NULL, NULL, NULL, NULL,
                 "cohort_day,cohort_size,day,retained,rate\n");
    check_metric(&f, "funnel", "steps", "a,b", NULL, NULL,
                 "step,event_name,users,rate_from_first,rate_from_previous\n1,a,0,,\n2,b,0,,\n");
    check_metric(&f, "revenue", NULL, NULL, NULL, NULL,
                 "day,currency,payers,purchases,revenue,active_users,arpdau,arppu\n");
    check_metric(&f, "sessions", NULL, NULL, NULL, NULL,
                 "day,sessions,users,median_seconds,mean_seconds,events_per_session\n");
    check_sql(&f, "SELECT count(*) AS n FROM events", PT_QUERY_JSON, "[\n{\"n\":0}\n]\n");
    check_sql(&f, "SELECT * FROM events", PT_QUERY_JSON, "[]\n");
    teardown(&f);
}

/* ---- parameters ---- */

static void metrics_document_their_parameters(void **state)
{
    size_t count = 0;

    (void)state;
    for (const struct pt_sql_file *file = pt_sql_files; file->name; file++) {
        struct pt_sql_metric metric;

        if (pt_sql_metric_load(&metric, file->name, &err) == PT_NOT_FOUND) {
            pt_sql_metric_release(&metric); /* a step of an experiment's analysis */
            continue;
        }
        PT_CHECK(strlen(metric.help) > 10 && strlen(metric.help) < 120);
        for (size_t i = 0; i < metric.param_count; i++) {
            char *use = pt_strf("$%s", metric.params[i].name);

            PT_CHECK(strstr(metric.sql, use) != NULL && strlen(metric.params[i].help) > 10);
            pt_free(use);
        }
        count++;
        pt_sql_metric_release(&metric);
    }
    PT_CHECK(count >= 4);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *sql;
        const char *said;
    } wrong[] = {
        {"SELEC 1", "syntax error"},
        {"SELECT * FROM nowhere", "nowhere"},
        {"SELECT 'x'::INTEGER", "Could not convert"},
    };
    struct pt_duck_param param = {"hours", "1"};
    struct pt_duck_result *result = NULL;
    struct fixture f;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_query_open(&f.query, pt_io_posix(), f.dir, NULL, &err), err);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        PT_CHECK(pt_query_sql(f.query, wrong[i].sql, &result, &err) == PT_INVALID);
        PT_CHECK(result == NULL && strstr(err.text, wrong[i].said) && !strchr(err.text, '\n'));
    }
    PT_CHECK(pt_query_metric(f.query, "nothing", NULL, 0, &result, &err) == PT_NOT_FOUND);
    PT_CHECK(pt_query_metric(f.query, "retention", &param, 1, &result, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "days, as_of") != NULL);
    param = (struct pt_duck_param){"days", "1,x"};
    PT_CHECK(pt_query_metric(f.query, "retention", &param, 1, &result, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "'x'") != NULL);
    teardown(&f);
}

/* ---- formats ---- */

static void values_are_written_in_every_format(void **state)
{
    static const char sql[] =
        "SELECT * FROM (VALUES "
        "(1, 9007199254740993, 0.5, 1.10::DECIMAL(9,2), 'a,\"b\"\n', true, "
        " DATE '2026-11-01', TIMESTAMPTZ '2026-11-01 10:00:00.25+02', [1, NULL], {'k': 'v'}, "
        " 170141183460469231731687303715884105727::HUGEINT), "
        "(2, -1, 'nan'::DOUBLE, -0.05, '', NULL, NULL, NULL, NULL, NULL, -5)) "
        "AS t(i, big, d, dec, txt, yes, day, moment, list, map, huge)";
    struct fixture f;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_query_open(&f.query, pt_io_posix(), f.dir, NULL, &err), err);
    check_sql(&f, sql, PT_QUERY_JSON,
              "[\n"
              "{\"i\":1,\"big\":9007199254740993,\"d\":0.5,\"dec\":1.10,"
              "\"txt\":\"a,\\\"b\\\"\\n\",\"yes\":true,\"day\":\"2026-11-01\","
              "\"moment\":\"2026-11-01 08:00:00.25+00\",\"list\":\"[1, NULL]\","
              "\"map\":\"{'k': v}\",\"huge\":170141183460469231731687303715884105727},\n"
              "{\"i\":2,\"big\":-1,\"d\":null,\"dec\":-0.05,\"txt\":\"\",\"yes\":null,"
              "\"day\":null,\"moment\":null,\"list\":null,\"map\":null,\"huge\":-5}\n"
              "]\n");
    check_sql(&f, sql, PT_QUERY_CSV,
              "i,big,d,dec,txt,yes,day,moment,list,map,huge\r\n"
              "1,9007199254740993,0.5,1.10,\"a,\"\"b\"\"\n\",true,2026-11-01,"
              "2026-11-01 08:00:00.25+00,\"[1, NULL]\",{'k': v},"
              "170141183460469231731687303715884105727\r\n"
              "2,-1,,-0.05,\"\",,,,,,-5\r\n");
    check_sql(
        &f,
        "SELECT * FROM (VALUES ('ä\x1b[2J', 1234567.5::DOUBLE, 3, true), ('b', 0.00012346, NULL, "
        "NULL)) AS t(name, amount, n, \"a long head\")",
        PT_QUERY_TABLE,
        "name         amount  n  a long head\n"
        "--------  ---------  -  -----------\n"
        "ä\\x1b[2J  1234567.5  3  true\n"
        "b         0.0001235  -  -\n");
    teardown(&f);
}

/* Several chunks of rows, and pieces of output larger than one write. */
static void many_rows_stream(void **state)
{
    struct fixture f;
    struct pt_duck_result *result = NULL;
    char *answer = NULL;
    size_t lines = 0;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_query_open(&f.query, pt_io_posix(), f.dir, NULL, &err), err);
    PT_CHECK_OK(pt_query_sql(f.query,
                             "SELECT range AS n, 'row ' || range AS name FROM range(100000)",
                             &result, &err),
                err);
    answer = rendered(result, PT_QUERY_CSV);
    for (const char *at = strchr(answer, '\n'); at; at = strchr(at + 1, '\n')) {
        lines++;
    }
    PT_CHECK(lines == 100001);
    PT_CHECK(strstr(answer, "\r\n99999,row 99999\r\n") != NULL);
    pt_free(answer);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retention_counts_first_days_and_leaves_out_the_young),
        cmocka_unit_test(a_funnel_needs_order_and_time),
        cmocka_unit_test(revenue_adds_exactly_and_apart_by_currency),
        cmocka_unit_test(sessions_belong_to_the_day_they_begin),
        cmocka_unit_test(an_empty_table_gives_answers_too),
        cmocka_unit_test(metrics_document_their_parameters),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(values_are_written_in_every_format),
        cmocka_unit_test(many_rows_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
