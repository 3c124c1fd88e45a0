/*
 * test_experiment.c - from rows of the table to the readout
 *
 * Promise: sizes, maturity and conversions are those of the rows, users of two variants are
 * excluded and reported, a sample-ratio mismatch blocks the verdict. Method: hand-made rows go
 * through the real table (Parquet, Iceberg) and the real SQL; expected counts are worked out by
 * hand or by the generator.
 */
#include "check.h"

#include "experiment/experiment.h"
#include "query/query.h"

#include <math.h>
#include <stdio.h>

#define DAY_US INT64_C(86400000000)
#define HOUR_US INT64_C(3600000000)
#define DAY0 (INT64_C(20454) * DAY_US) /* 2026-01-01T00:00:00Z */
#define ROWS_MAX 1100000

static struct pt_error err;

struct fixture {
    char *dir;
    struct pt_row *rows;
    size_t count;
    int64_t received_us; /* of rows to come; 0: when they happened */
    struct pt_query *query;
    struct pt_experiment_report *report;
};

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->dir = pt_test_dir_create();
    f->rows = pt_alloc(sizeof(*f->rows) * ROWS_MAX);
    f->report = pt_alloc_zero(sizeof(*f->report));
    assert_non_null(f->rows);
    assert_non_null(f->report);
}

static void teardown(struct fixture *f)
{
    pt_experiment_report_release(f->report);
    pt_query_close(f->query);
    pt_free(f->report);
    pt_free(f->rows);
    pt_test_dir_remove(f->dir);
}

static struct pt_text text(const char *string)
{
    return (struct pt_text){string, string ? (uint32_t)strlen(string) : 0};
}

static void event(struct fixture *f, uint32_t user, const char *name, int64_t at_us,
                  const char *attributes)
{
    struct pt_row *row = &f->rows[f->count];

    assert_true(f->count < ROWS_MAX);
    *row = (struct pt_row){.event = {.event_time_us = at_us,
                                     .occurred_at_us = at_us,
                                     .received_at_us = f->received_us ? f->received_us : at_us,
                                     .seq = PT_EVENT_NO_NUMBER,
                                     .boot = PT_EVENT_NO_NUMBER,
                                     .event_name = text(name),
                                     .session_id = text("s"),
                                     .attributes = text(attributes)}};
    for (unsigned i = 0; i < 4; i++) {
        row->event.event_id[i] = (uint8_t)(f->count >> (8 * i));
        row->event.user[i] = (uint8_t)(user >> (8 * i));
    }
    f->count++;
}

static void expose(struct fixture *f, uint32_t user, const char *variant, int64_t at_us)
{
    event(f, user, "experiment_exposure", at_us,
          strcmp(variant, "a") == 0   ? "{\"experiment\":\"x\",\"variant\":\"a\"}"
          : strcmp(variant, "b") == 0 ? "{\"experiment\":\"x\",\"variant\":\"b\"}"
                                      : "{\"experiment\":\"x\",\"variant\":\"c\"}");
}

static void commit(struct fixture *f)
{
    struct pt_lake *lake = NULL;
    struct pt_buf files;
    struct pt_jsonw w;
    struct pt_json root = {0};
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    char *lake_dir = pt_strf("%s/lake", f->dir);
    size_t size = 0;

    pt_buf_init(&files, 16u << 20);
    pt_jsonw_init(&w, &files);
    PT_CHECK_OK(pt_lake_open(&lake, pt_io_posix(), pt_clock_system(), lake_dir, &err), err);
    pt_jsonw_array(&w);
    PT_CHECK_OK(pt_lake_write(lake, f->rows, f->count, 1, &w, &err), err);
    pt_jsonw_array_end(&w);
    size = files.size;
    assert_non_null(pt_buf_reserve(&files, PT_JSON_PADDING));
    memset(files.data + size, 0, PT_JSON_PADDING);
    PT_CHECK_OK(pt_json_parse(parser, pt_span_of(files.data, size), &root, NULL, &err), err);
    PT_CHECK_OK(pt_lake_commit(lake, root, 1, &err), err);
    pt_lake_close(lake);
    pt_json_parser_destroy(parser);
    pt_buf_release(&files);
    PT_CHECK_OK(pt_query_open(&f->query, pt_io_posix(), lake_dir, NULL, &err), err);
    pt_free(lake_dir);
}

static struct pt_experiment_request request_of(const char *metrics)
{
    struct pt_experiment_request request = {
        .name = "x", .ratio_control = 1, .ratio_treatment = 1, .alpha = 0.05};

    PT_CHECK_OK(pt_experiment_metrics_parse(metrics, request.metrics, &request.metric_count, &err),
                err);
    return request;
}

static enum pt_code analyze(struct fixture *f, const struct pt_experiment_request *request)
{
    pt_experiment_report_release(f->report);
    return pt_experiment_analyze(f->query, request, f->report, &err);
}

static void check_arm(struct pt_proportion arm, double size, double successes)
{
    if (arm.size != size || arm.successes != successes) {
        fail_msg("got %g of %g, want %g of %g", arm.successes, arm.size, successes, size);
    }
}

/* Promise: who counts, as worked out by hand for a dozen players. */
static void small_table(void **state)
{
    (void)state;
    struct fixture f;
    struct pt_experiment_request request;
    static const char buy[] = "{\"price\":1}";

    setup(&f);
    /* a: 1 returns on day 1 and day 7; 2 only within the day of exposure; 3 returns on day 2. */
    expose(&f, 1, "a", DAY0 + 23 * HOUR_US);
    event(&f, 1, "session_start", DAY0 + DAY_US, NULL); /* the first microsecond of day 1 */
    event(&f, 1, "session_start", DAY0 + 7 * DAY_US + HOUR_US, NULL);
    expose(&f, 2, "a", DAY0 + HOUR_US);
    event(&f, 2, "purchase", DAY0 + 2 * HOUR_US, buy);
    event(&f, 2, "session_end", DAY0 + DAY_US - 1, NULL); /* the last microsecond of day 0 */
    expose(&f, 3, "a", DAY0);
    event(&f, 3, "purchase", DAY0 - 1, buy); /* before the exposure */
    event(&f, 3, "session_start", DAY0 + 2 * DAY_US, NULL);
    /* b: 4 is exposed twice, the first time counts; 5 buys exactly when the window ends; 6 is
     * fresh. */
    expose(&f, 4, "b", DAY0 + 5 * DAY_US);
    expose(&f, 4, "b", DAY0 + 6 * DAY_US);
    event(&f, 4, "purchase", DAY0 + 6 * DAY_US, buy);
    expose(&f, 5, "b", DAY0 + HOUR_US);
    event(&f, 5, "purchase", DAY0 + DAY_US + HOUR_US, buy);
    event(&f, 5, "session_start", DAY0 + DAY_US + HOUR_US, NULL);
    expose(&f, 6, "b", DAY0 + 8 * DAY_US);
    /* 7 saw both, 8 none by name, 9 another experiment; 10 is nobody's. */
    expose(&f, 7, "a", DAY0);
    expose(&f, 7, "b", DAY0 + HOUR_US);
    event(&f, 8, "experiment_exposure", DAY0, "{\"experiment\":\"x\"}");
    event(&f, 9, "experiment_exposure", DAY0, "{\"experiment\":\"y\",\"variant\":\"a\"}");
    event(&f, 10, "session_start", DAY0 + 8 * DAY_US + 12 * HOUR_US, NULL); /* the newest */
    commit(&f);

    request = request_of("retention:1,retention:7,conversion:purchase:1d");
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_int_equal(f.report->variant_count, 2);
    assert_string_equal(f.report->request.control, "a");
    assert_string_equal(f.report->request.treatment, "b");
    assert_int_equal(f.report->variants[0].units, 3);
    assert_int_equal(f.report->variants[1].units, 3);
    assert_int_equal(f.report->mixed_units, 1);
    assert_int_equal(f.report->exposures.unnamed, 1);
    assert_true(f.report->first_us == DAY0 && f.report->last_us == DAY0 + 8 * DAY_US);
    assert_true(f.report->request.as_of_us == DAY0 + 8 * DAY_US + 12 * HOUR_US);
    check_arm(f.report->results[0].control, 3, 1);
    check_arm(f.report->results[0].treatment, 2, 2); /* 6: day 1 has not passed; 4 bought on it */
    assert_int_equal(f.report->results[0].immature, 1);
    check_arm(f.report->results[1].control, 3, 1);
    check_arm(f.report->results[1].treatment, 1, 0); /* 5 alone is old enough */
    assert_int_equal(f.report->results[1].immature, 2);
    check_arm(f.report->results[2].control, 3, 1);   /* 2; the purchase of 3 came too early */
    check_arm(f.report->results[2].treatment, 2, 0); /* 4 and 5 bought when the window had ended */
    assert_int_equal(f.report->decision, PT_EXPERIMENT_INCONCLUSIVE);

    /* Looked at from the end of day 2 after the newest exposure, all are mature for day 1. */
    request.as_of_us = DAY0 + 10 * DAY_US;
    PT_CHECK_OK(analyze(&f, &request), err);
    check_arm(f.report->results[0].treatment, 3, 2);
    request.as_of_us = DAY0 + 10 * DAY_US - 1;
    PT_CHECK_OK(analyze(&f, &request), err);
    check_arm(f.report->results[0].treatment, 2, 2);

    /* Roles by name; before anything has passed there is nothing to decide. */
    request.control = "b";
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_string_equal(f.report->request.treatment, "a");
    request.as_of_us = DAY0 + 1;
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_int_equal(f.report->decision, PT_EXPERIMENT_INCONCLUSIVE);
    assert_true(isnan(f.report->results[0].test.p_value));
    teardown(&f);
}

/* Promise: what cannot be compared is refused with what there is. */
static void what_cannot_be_compared(void **state)
{
    (void)state;
    struct fixture f;
    struct pt_experiment_request request = request_of("retention:1");

    setup(&f);
    expose(&f, 1, "a", DAY0);
    expose(&f, 2, "b", DAY0);
    expose(&f, 3, "c", DAY0);
    event(&f, 4, "experiment_exposure", DAY0, "{\"experiment\":\"solo\",\"variant\":\"a\"}");
    event(&f, 5, "experiment_exposure", DAY0, "{\"experiment\":\"it's;--\",\"variant\":\"p\"}");
    event(&f, 6, "experiment_exposure", DAY0, "{\"experiment\":\"it's;--\",\"variant\":\"q'\"}");
    commit(&f);
    assert_int_equal(analyze(&f, &request), PT_INVALID);
    assert_non_null(strstr(err.text, "name the treatment, there are 3 variants: a, b, c"));
    request.treatment = "c";
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_string_equal(f.report->request.control, "a");
    assert_int_equal(f.report->variant_count, 3);
    request.treatment = "a";
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_string_equal(f.report->request.control, "b");
    request.control = "a";
    assert_int_equal(analyze(&f, &request), PT_INVALID);
    request.control = "zebra";
    assert_int_equal(analyze(&f, &request), PT_INVALID);
    assert_non_null(strstr(err.text, "a, b, c"));
    request = request_of("retention:1");
    request.name = "solo";
    assert_int_equal(analyze(&f, &request), PT_INVALID);
    request.name = "never";
    assert_int_equal(analyze(&f, &request), PT_NOT_FOUND);
    /* Names are data, whatever is in them. */
    request.name = "it's;--";
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_string_equal(f.report->request.treatment, "q'");
    request.name = "x' OR '1'='1";
    assert_int_equal(analyze(&f, &request), PT_NOT_FOUND);
    request = request_of("retention:1");
    request.alpha = NAN;
    request.treatment = "b";
    assert_int_equal(analyze(&f, &request), PT_INVALID);
    teardown(&f);
}

/* `size` users of a variant from `first` on, of whom `day1` and `day7` return; all received at
 * once. */
static void cohort(struct fixture *f, uint32_t first, const char *variant, uint32_t size,
                   uint32_t day1, uint32_t day7)
{
    for (uint32_t i = 0; i < size; i++) {
        expose(f, first + i, variant, DAY0 + 12 * HOUR_US);
        if (i < day1) {
            event(f, first + i, "session_start", DAY0 + DAY_US + 12 * HOUR_US, NULL);
        }
        if (i >= size - day7) {
            event(f, first + i, "session_start", DAY0 + 7 * DAY_US + 12 * HOUR_US, NULL);
        }
    }
}

/* Promise: Cookie Cats' published readout, with the mismatch that blocks the verdict. */
static void cookie_cats(void **state)
{
    (void)state;
    struct fixture f;
    struct pt_experiment_request request = request_of("retention:1,retention:7");
    struct pt_buf out;
    struct pt_jsonw w;
    struct pt_json root;
    struct pt_json_parser *parser = pt_json_parser_create(1u << 20);

    setup(&f);
    f.received_us = DAY0 + 300 * DAY_US; /* imported long afterwards */
    cohort(&f, 0, "a", 44700, 20034, 8502);
    cohort(&f, 1000000, "b", 45489, 20119, 8279);
    commit(&f);
    PT_CHECK_OK(analyze(&f, &request), err);
    check_arm(f.report->results[0].control, 44700, 20034);
    check_arm(f.report->results[0].treatment, 45489, 20119);
    check_arm(f.report->results[1].control, 44700, 8502);
    check_arm(f.report->results[1].treatment, 45489, 8279);
    assert_true(fabs(f.report->results[0].test.p_value - 0.07440965529691887) < 1e-12);
    assert_true(fabs(f.report->results[1].test.p_value - 0.0015542499756142857) < 1e-12);
    assert_true(fabs(f.report->srm.chi2 - 6.9024) < 1e-4 && f.report->has_srm);
    assert_int_equal(f.report->decision, PT_EXPERIMENT_INVALID);

    pt_buf_init(&out, 1u << 20);
    pt_experiment_report_table(f.report, &out);
    pt_buf_append_byte(&out, 0);
    print_message("%s", (char *)out.data);
    assert_non_null(strstr((char *)out.data, "44.82 %"));
    assert_non_null(strstr((char *)out.data, "18.20 %"));
    assert_non_null(strstr((char *)out.data, "chi-square 6.90 (1 df), p = 0.0086: MISMATCH"));
    assert_non_null(strstr((char *)out.data, "decision: invalid: sample ratio mismatch"));
    pt_buf_reset(&out);
    pt_jsonw_init(&w, &out);
    pt_experiment_report_json(f.report, &w);
    size_t size = out.size;

    assert_non_null(pt_buf_reserve(&out, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_span_of(out.data, size), &root, NULL, &err), err);
    struct pt_json day7 = pt_json_element(pt_json_member(root, "metrics"), 1);

    assert_true(pt_json_double(pt_json_member(day7, "p_value")) ==
                f.report->results[1].test.p_value);
    assert_int_equal(pt_json_int(pt_json_member(pt_json_member(day7, "treatment"), "conversions")),
                     8279);
    pt_buf_release(&out);
    pt_json_parser_destroy(parser);

    /* With the ratio that was really drawn the verdict stands, and day 7 says: keep. */
    request = request_of("retention:7");
    request.ratio_control = 44700;
    request.ratio_treatment = 45489;
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_int_equal(f.report->decision, PT_EXPERIMENT_KEEP_CONTROL);
    request.control = "b";
    request.treatment = "a";
    request.ratio_control = 45489;
    request.ratio_treatment = 44700;
    PT_CHECK_OK(analyze(&f, &request), err);
    assert_int_equal(f.report->decision, PT_EXPERIMENT_SHIP_TREATMENT);
    teardown(&f);
}

/* Promise: the metric syntax takes what it says and nothing else. */
static void metric_syntax(void **state)
{
    (void)state;
    struct pt_experiment_metric metrics[PT_EXPERIMENT_METRICS_MAX];
    size_t count = 0;
    static const char *const bad[] = {
        "",
        "retention",
        "retention:",
        "retention:0",
        "retention:x",
        "retention:1:2",
        "retention:-1",
        "retention:9999",
        "conversion:",
        "conversion:buy:",
        "conversion:buy:7",
        "conversion:buy:0d",
        "conversion:buy:7h",
        "revenue",
        "retention:1,",
        ",retention:1",
        "retention:1 ",
        "retention:1,retention:2,retention:3,retention:4,retention:5,retention:6,retention:7,"
        "retention:8,retention:9,retention:1,retention:1,retention:1,retention:1,retention:1,"
        "retention:1,retention:1,retention:1",
    };

    PT_CHECK_OK(pt_experiment_metrics_parse("retention:7,conversion,conversion:level_end:30d",
                                            metrics, &count, &err),
                err);
    assert_int_equal(count, 3);
    assert_true(metrics[0].kind == PT_EXPERIMENT_RETENTION && metrics[0].days == 7);
    assert_true(metrics[1].kind == PT_EXPERIMENT_CONVERSION && metrics[1].days == 7);
    assert_string_equal(metrics[1].event_name, "purchase");
    assert_true(metrics[2].days == 30);
    assert_string_equal(metrics[2].event_name, "level_end");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (pt_experiment_metrics_parse(bad[i], metrics, &count, &err) != PT_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metric_syntax),
        cmocka_unit_test(small_table),
        cmocka_unit_test(what_cannot_be_compared),
        cmocka_unit_test(cookie_cats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
