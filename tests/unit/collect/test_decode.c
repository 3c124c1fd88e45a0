/*
 * test_decode.c - every event of a body is either a record or a dead letter with a receipt
 *
 * Method: bodies with known content are decoded; records are read back with the reader of the
 * stream engine; nothing of what is written may hold a raw id.
 */
#include "check.h"
#include "collect/decode.h"

#include "wire/event.h"
#include "wire/rfc3339.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1793534400000000) /* 2026-11-01T12:00:00Z */
#define GOOD                                                                                       \
    "{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\",\"event_name\":\"a\","                 \
    "\"occurred_at\":\"2026-11-01T11:59:00Z\",\"user_id\":\"alice@example.com\","                  \
    "\"session_id\":\"s\",\"install_id\":\"device-1\",\"attributes\":{ \"x\" : [1, 2.50] }}"

static struct pt_decoder *decoder;
static struct pt_pseudonyms *pseudonyms;
static const struct pt_place place = {.country = {'S', 'E'}, .city = "Boxholm"};
static struct pt_decode_env env = {
    .limits =
        {
            .events_max = 5,
            .record_bytes_max = 1 << 20,
            .clock_tolerance_us = 5000000,
            .event_age_us_max = 400 * PT_DAY_US,
            .attributes_max = 3,
            .depth_max = 2,
            .key_bytes_max = 8,
            .value_bytes_max = 10,
        },
};

static enum pt_code decode(enum pt_body_kind kind, const char *body, struct pt_error *err)
{
    static uint8_t padded[65536];
    size_t size = strlen(body);

    assert_true(size + PT_JSON_PADDING < sizeof(padded));
    memcpy(padded, body, size);
    memset(padded + size, 0xff, PT_JSON_PADDING);
    return pt_decode_body(decoder, kind, pt_span_of(padded, size), NOW, &place, &env, err);
}

static bool holds(const struct pt_buf *buf, const char *text)
{
    return memmem(buf->data, buf->size, text, strlen(text)) != NULL;
}

static void a_good_event_becomes_a_record(void **state)
{
    struct pt_error err = {0};
    struct pt_event event;
    uint8_t pseudonym[PT_PSEUDONYM_BYTES];

    (void)state;
    PT_CHECK_OK(decode(PT_BODY_JSON, "{\"events\":[" GOOD "]}", &err), err);
    assert_int_equal(decoder->record_sizes.count, 1);
    assert_int_equal(decoder->record_sizes.values[0], decoder->records.size);
    PT_CHECK(pt_event_decode(decoder->records.data, decoder->records.size, &event));
    PT_CHECK(event.received_at_us == NOW && event.event_time_us == NOW - 60000000);
    PT_CHECK(event.clock_skew_us == 0 && event.has_install);
    PT_CHECK(event.attributes.size == 13 &&
             memcmp(event.attributes.data, "{\"x\":[1,2.5]}", 13) == 0);
    pt_pseudonym_user(pseudonyms, pt_span_str("alice@example.com"), pseudonym);
    PT_CHECK(memcmp(event.user, pseudonym, sizeof(pseudonym)) == 0);
    PT_CHECK(memcmp(event.country, "SE", 2) == 0 && event.city.size == 7 && event.region.size == 0);
    PT_CHECK(!holds(&decoder->records, "alice") && !holds(&decoder->records, "device-1"));
    PT_CHECK(holds(&decoder->answer, "\"accepted\":1"));
}

static void a_bad_event_harms_no_other(void **state)
{
    struct pt_error err = {0};
    struct pt_json_parser *parser = pt_json_parser_create(1 << 20);
    struct pt_json answer;
    struct pt_json receipt;
    int64_t index = 0;

    (void)state;
    PT_CHECK_OK(decode(PT_BODY_JSON,
                       "{\"events\":[" GOOD
                       ",{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398e\","
                       "\"user_id\":\"alice@example.com\",\"email\":\"bob@example.com\","
                       "\"install_id\":{\"serial\":\"device-1\"}}," GOOD ",17]}",
                       &err),
                err);
    assert_int_equal(decoder->record_sizes.count, 2);
    assert_int_equal(decoder->dead_sizes.count, 2);
    assert_int_equal(decoder->dead_sizes.values[0] + decoder->dead_sizes.values[1],
                     decoder->dead.size);
    PT_CHECK(!holds(&decoder->dead, "alice") && !holds(&decoder->dead, "bob"));
    PT_CHECK(!holds(&decoder->dead, "device-1") && !holds(&decoder->dead, "17}"));
    assert_non_null(pt_buf_reserve(&decoder->answer, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&decoder->answer), &answer, NULL, &err), err);
    PT_CHECK(pt_json_count(pt_json_member(answer, "rejected")) == 2);
    receipt = pt_json_element(pt_json_member(answer, "rejected"), 0);
    PT_CHECK(pt_json_member_int(receipt, "index", &index) && index == 1);
    PT_CHECK(pt_json_type(pt_json_member(receipt, "event_id")) == PT_JSON_STRING);
    receipt = pt_json_element(pt_json_member(answer, "rejected"), 1);
    PT_CHECK(pt_json_type(pt_json_member(receipt, "event_id")) == PT_JSON_NULL);
    pt_json_parser_destroy(parser);
}

static void a_body_that_cannot_be_read_is_refused_whole(void **state)
{
    static const struct {
        enum pt_body_kind kind;
        const char *body;
        const char *says;
    } cases[] = {
        {PT_BODY_JSON, "{\"events\":[" GOOD ",", "byte"},
        {PT_BODY_JSON, "[" GOOD "]", "must be"},
        {PT_BODY_JSON, "{\"event\":[]}", "/events"},
        {PT_BODY_JSON, "{\"events\":{}}", "/events"},
        {PT_BODY_JSON, "{\"sent_at\":1,\"events\":[]}", "/sent_at"},
        {PT_BODY_JSON, "", "byte 0"},
        {PT_BODY_NDJSON, GOOD "\n{\"event_id\":\n" GOOD, "line 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_error err = {0};

        PT_CHECK(decode(cases[i].kind, cases[i].body, &err) == PT_INVALID);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].body, err.text);
        }
    }
}

static void lines_are_events(void **state)
{
    struct pt_error err = {0};

    (void)state;
    PT_CHECK_OK(decode(PT_BODY_NDJSON, GOOD "\r\n\n" GOOD "\n[]\n", &err), err);
    assert_int_equal(decoder->record_sizes.count, 2);
    assert_int_equal(decoder->dead_sizes.count, 1);
}

static void too_many_events_are_too_many(void **state)
{
    struct pt_error err = {0};

    (void)state;
    PT_CHECK(decode(PT_BODY_JSON, "{\"events\":[1,2,3,4,5]}", &err) == PT_OK);
    PT_CHECK(decode(PT_BODY_JSON, "{\"events\":[1,2,3,4,5,6]}", &err) == PT_TOO_BIG);
}

static void clocks_are_corrected(void **state)
{
    const int64_t none = INT64_MIN;
    const int64_t hour = INT64_C(3600000000);
    const struct {
        int64_t occurred;
        int64_t sent;
        int64_t time;
        int64_t skew;
    } cases[] = {
        {NOW - hour, NOW - 1000, NOW - hour, 0},                   /* a good clock is believed */
        {NOW - hour, none, NOW - hour, 0},                         /* nothing to compare with */
        {NOW - 3 * hour, NOW - 2 * hour, NOW - hour, -2 * hour},   /* slow by two hours */
        {NOW + 47 * hour, NOW + 48 * hour, NOW - hour, 48 * hour}, /* fast by two days */
        {hour, 2 * hour, NOW - hour, 2 * hour - NOW},              /* 1970, but running */
        {hour, NOW + hour, NOW, hour},           /* set between the two: received */
        {NOW + hour, NOW - hour, NOW, -hour},    /* occurs after it was sent */
        {NOW + hour, none, NOW, hour},           /* the future, unsent */
        {NOW + 1000000, none, NOW + 1000000, 0}, /* within tolerance */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = 0;
        int64_t skew = 0;

        pt_correct_clock(cases[i].occurred, cases[i].sent, NOW, &env.limits, &time, &skew);
        if (time != cases[i].time || skew != cases[i].skew) {
            fail_msg("case %zu: time off by %lld, skew %lld", i, (long long)(time - cases[i].time),
                     (long long)skew);
        }
    }
}

/* By the clock that nobody can set, whatever the wall clock did between the event and the request.
 */
static void a_jump_of_the_wall_clock_is_corrected(void **state)
{
    const int64_t none = PT_EVENT_NO_NUMBER;
    const int64_t minute = INT64_C(60000000);
    const int64_t day = 1440 * minute;
    const struct {
        int64_t occurred;
        struct pt_mono_claim event;
        struct pt_mono_claim sent;
        bool is_taken;
        int64_t time;
        int64_t skew;
    } cases[] = {
        {NOW - day, {5, 3}, {5 + minute, 3}, true, NOW - minute, minute - day}, /* was a day back */
        {NOW + day, {5, 3}, {5 + minute, 3}, true, NOW - minute, minute + day}, /* a day ahead */
        {0, {5, 3}, {5 + 40 * day, 3}, true, NOW - 40 * day, 40 * day - NOW},   /* 1970 */
        {NOW - minute - 1000, {5, 3}, {5 + minute, 3}, true, NOW - minute - 1000, 0}, /* believed */
        {NOW, {0, 0}, {0, 0}, true, NOW, 0},
        {NOW - day, {5, 3}, {5 + minute, 4}, false, 0, 0}, /* another start */
        {NOW - day, {5, none}, {5 + minute, none}, false, 0, 0},
        {NOW - day, {none, 3}, {5 + minute, 3}, false, 0, 0},
        {NOW - day, {5, 3}, {none, 3}, false, 0, 0},
        {NOW - day, {5, 3}, {4, 3}, false, 0, 0},         /* sent before it happened */
        {NOW - day, {0, 3}, {INT64_MAX, 3}, false, 0, 0}, /* absurd */
        {NOW - day, {INT64_MAX, 3}, {0, 3}, false, 0, 0},
        {INT64_MAX, {5, 3}, {5, 3}, true, NOW, INT64_MAX - NOW},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = 0;
        int64_t skew = 0;

        if (pt_correct_by_mono(cases[i].occurred, cases[i].event, cases[i].sent, NOW, &env.limits,
                               &time, &skew) != cases[i].is_taken ||
            time != cases[i].time || skew != cases[i].skew) {
            fail_msg("case %zu: time off by %lld, skew %lld", i, (long long)(time - cases[i].time),
                     (long long)skew);
        }
    }
}

/* The same through a body: the record has the time, a dead letter the claims. */
static void a_request_says_what_its_other_clock_says(void **state)
{
    static const struct {
        const char *head;
        const char *mono;
        int64_t time;
    } cases[] = {
        {"\"sent_mono_us\":90000000,\"boot\":2,", ",\"mono_us\":30000000,\"boot\":2",
         NOW - 60000000},
        {"\"sent_mono_us\":90000000,\"boot\":2,", ",\"mono_us\":30000000,\"boot\":1", 0},
        {"\"sent_mono_us\":90000000,", ",\"mono_us\":30000000,\"boot\":2", 0},
        {"\"boot\":2,", ",\"mono_us\":30000000,\"boot\":2", 0},
        {"", ",\"mono_us\":30000000,\"boot\":2", 0},
        {"\"sent_mono_us\":90000000,\"boot\":2,", ",\"boot\":2", 0},
    };
    struct pt_error err = {0};
    char body[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_event event;

        snprintf(body, sizeof(body),
                 "{%s\"sent_at\":\"2026-11-01T12:00:00Z\",\"events\":[{\"event_id\":"
                 "\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\",\"event_name\":\"n\","
                 "\"occurred_at\":\"2026-10-01T00:00:00Z\",\"user_id\":\"u\","
                 "\"session_id\":\"s\"%s}]}",
                 cases[i].head, cases[i].mono);
        PT_CHECK_OK(decode(PT_BODY_JSON, body, &err), err);
        PT_CHECK(decoder->record_sizes.count == 1);
        PT_CHECK(pt_event_decode(decoder->records.data, decoder->records.size, &event));
        if (event.event_time_us != (cases[i].time ? cases[i].time : event.occurred_at_us)) {
            fail_msg("case %zu: %lld", i, (long long)event.event_time_us);
        }
    }
    PT_CHECK_OK(decode(PT_BODY_JSON,
                       "{\"sent_mono_us\":90000000,\"boot\":2,\"events\":[{\"mono_us\":77}]}",
                       &err),
                err);
    PT_CHECK(decoder->dead_sizes.count == 1);
    PT_CHECK(holds(&decoder->dead, "\"sent_mono_us\":90000000,\"boot\":2,"));
    PT_CHECK(holds(&decoder->dead, "\"event\":{\"mono_us\":77}"));
    PT_CHECK_OK(decode(PT_BODY_JSON, "{\"events\":[{\"mono_us\":-1}]}", &err), err);
    PT_CHECK(holds(&decoder->answer, "\"/mono_us\""));
    PT_CHECK(decode(PT_BODY_JSON, "{\"sent_mono_us\":-1,\"events\":[]}", &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "/sent_mono_us"));
    PT_CHECK(decode(PT_BODY_JSON, "{\"boot\":\"2\",\"events\":[]}", &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "/boot"));
}

static void what_clients_report_is_counted(void **state)
{
    static const struct {
        const char *name;
        const char *attributes;
    } events[] = {
        {"playtrace_self_test", "{\"ok\":true,\"open_us\":90}"},
        {"playtrace_self_test", "{\"ok\":false}"},
        {"playtrace_self_test", "{\"ok\":1}"},
        {"playtrace_self_tesT", "{\"ok\":true}"},
        {"playtrace_dropped", "{\"reason\":\"age\",\"count\":5}"},
        {"playtrace_dropped", "{\"reason\":\"age\",\"count\":2}"},
        {"playtrace_dropped", "{\"reason\":\"gremlins\",\"count\":3}"},
        {"playtrace_dropped", "{\"reason\":\"ring\",\"count\":9223372036854775807}"},
        {"playtrace_dropped", "{\"reason\":\"ring\",\"count\":-4}"},
        {"playtrace_dropped", "{\"count\":4}"},
        {"playtrace_consent", "{\"state\":\"withdrawn\",\"purposes\":[]}"},
        {"playtrace_consent", "{}"},
        {"playtrace_consent", NULL},
    };
    struct pt_reports reports = {0};
    struct pt_metrics *metrics = pt_metrics_create();
    struct pt_error err = {0};
    struct pt_buf text;

    (void)state;
    PT_CHECK(metrics != NULL);
    pt_reports_init(&reports, metrics);
    pt_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        char body[1024];

        snprintf(body, sizeof(body),
                 "{\"events\":[{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\","
                 "\"event_name\":\"%s\",\"occurred_at\":\"2026-11-01T11:59:00Z\","
                 "\"user_id\":\"u\",\"session_id\":\"s\"%s%s}]}",
                 events[i].name, events[i].attributes ? ",\"attributes\":" : "",
                 events[i].attributes ? events[i].attributes : "");
        PT_CHECK_OK(decode(PT_BODY_JSON, body, &err), err);
        PT_CHECK(decoder->record_sizes.count == 1);
        pt_reports_add(&reports, &decoder->reports);
    }
    /* Refused ones count for nothing, and what one request said is not said again. */
    PT_CHECK_OK(decode(PT_BODY_JSON,
                       "{\"events\":[{\"event_name\":\"playtrace_self_test\",\"attributes\":"
                       "{\"ok\":true}}]}",
                       &err),
                err);
    pt_reports_add(&reports, &decoder->reports);
    pt_metrics_render(metrics, &text);
    PT_CHECK(holds(&text, "playtrace_client_self_tests_total{ok=\"true\"} 1\n"));
    PT_CHECK(holds(&text, "playtrace_client_self_tests_total{ok=\"false\"} 1\n"));
    PT_CHECK(holds(&text, "playtrace_client_dropped_total{reason=\"age\"} 7\n"));
    PT_CHECK(holds(&text, "playtrace_client_dropped_total{reason=\"other\"} 3\n"));
    PT_CHECK(holds(&text, "playtrace_client_dropped_total{reason=\"ring\"} 1000000000\n"));
    PT_CHECK(holds(&text, "playtrace_client_dropped_total{reason=\"budget\"} 0\n"));
    PT_CHECK(holds(&text, "playtrace_client_consents_total{state=\"withdrawn\"} 1\n"));
    PT_CHECK(holds(&text, "playtrace_client_consents_total{state=\"given\"} 0\n"));
    pt_buf_release(&text);
    pt_metrics_destroy(metrics);
}

static void attributes_are_bounded(void **state)
{
    static const struct {
        const char *attributes;
        const char *code; /* NULL: taken */
        const char *pointer;
    } cases[] = {
        {"{}", NULL, NULL},
        {"{\"a\":1,\"b\":[1,2],\"c\":\"0123456789\"}", NULL, NULL},
        {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", "too_many", "\"/attributes\""},
        {"{\"b\":[[1]]}", "too_deep", "\"/attributes/b\""},
        {"{\"b\":[[]]}", "too_deep", "\"/attributes/b\""},
        {"{\"123456789\":1}", "too_long", "\"/attributes\""},
        {"{\"a\":{\"123456789\":1}}", "too_long", "\"/attributes/a\""},
        {"{\"a\":\"01234567890\"}", "too_long", "\"/attributes/a\""},
        {"{\"o o\":\"01234567890\"}", "too_long", "\"/attributes\""},
        {"{\"k1\":1,\"k2\":1}", "too_many_keys", "\"/attributes/k2\""}, /* a, b, c, o o, k1 */
        {"{\"k1\":1,\"a\":2}", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[1024];
        struct pt_error err = {0};

        snprintf(body, sizeof(body),
                 "{\"events\":[{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\","
                 "\"event_name\":\"bounded\",\"occurred_at\":\"2026-11-01T11:59:00Z\","
                 "\"user_id\":\"u\",\"session_id\":\"s\",\"attributes\":%s}]}",
                 cases[i].attributes);
        PT_CHECK_OK(decode(PT_BODY_JSON, body, &err), err);
        PT_CHECK(decoder->record_sizes.count + decoder->dead_sizes.count == 1);
        if (decoder->record_sizes.count != (cases[i].code ? 0u : 1u) ||
            (cases[i].code && (!holds(&decoder->answer, cases[i].code) ||
                               !holds(&decoder->answer, cases[i].pointer)))) {
            fail_msg("%s: %.*s", cases[i].attributes, PT_SPAN_ARG(pt_buf_span(&decoder->answer)));
        }
    }
}

static const char *reason_of(const char *name, const char *version, const char *attributes)
{
    static char code[64];
    char body[1024];
    struct pt_error err = {0};
    const char *at = NULL;

    snprintf(body, sizeof(body),
             "{\"events\":[{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\","
             "\"event_name\":\"%s\",\"occurred_at\":\"2026-11-01T11:59:00Z\","
             "\"user_id\":\"u\",\"session_id\":\"s\"%s%s}]}",
             name, version, attributes);
    PT_CHECK_OK(decode(PT_BODY_JSON, body, &err), err);
    if (decoder->record_sizes.count == 1) {
        return "";
    }
    pt_buf_append_byte(&decoder->answer, 0);
    at = strstr((const char *)decoder->answer.data, "\"code\":\"");
    assert_non_null(at);
    snprintf(code, sizeof(code), "%.*s", (int)strcspn(at + 8, "\""), at + 8);
    return code;
}

static void attributes_are_held_to_the_schema_of_their_event(void **state)
{
    static const char *const versions[] = {
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"],"
        "\"additionalProperties\":false}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"},"
        "\"b\":{\"type\":\"string\"}},\"additionalProperties\":false}",
    };
    struct pt_registry *registry = NULL;
    struct pt_error err = {0};

    (void)state;
    PT_CHECK_OK(pt_registry_open(&registry, pt_io_posix(), NULL, &err), err);
    PT_CHECK_OK(pt_decoder_use_registry(decoder, registry, &err), err);
    assert_string_equal(reason_of("held", "", ""), ""); /* no schema, no reason */
    for (size_t i = 0; i < 2; i++) {
        struct pt_registry_schema schema = {.json = pt_span_str(versions[i])};
        struct pt_registry_fault fault = {0};
        struct pt_compat_report report;
        uint32_t id = 0;
        uint32_t version = 0;

        if (pt_registry_register(registry, pt_span_str("held"), &schema, &id, &version, &report,
                                 &fault)) {
            fail_msg("%s", fault.text);
        }
        assert_int_equal(version, i + 1);
        if (i == 0) {
            assert_string_equal(reason_of("held", "", ",\"attributes\":{\"a\":1}"), "");
            assert_string_equal(reason_of("held", "", ",\"attributes\":{\"a\":1.5}"),
                                "schema_violation");
            PT_CHECK(holds(&decoder->answer, "\"/attributes/a\""));
            PT_CHECK(holds(&decoder->dead, "\"schema_version\":1"));
            assert_string_equal(reason_of("held", "", ""), "schema_violation"); /* a is missing */
        }
    }
    assert_string_equal(reason_of("held", "", ""), "");
    assert_string_equal(reason_of("held", "", ",\"attributes\":{\"a\":1.5}"), "");
    assert_string_equal(reason_of("held", "", ",\"attributes\":{\"b\":1}"), "schema_violation");
    assert_string_equal(
        reason_of("held", ",\"schema_version\":\"1\"", ",\"attributes\":{\"a\":1.5}"),
        "schema_violation");
    assert_string_equal(
        reason_of("held", ",\"schema_version\":\"2\"", ",\"attributes\":{\"a\":1.5}"), "");
    assert_string_equal(reason_of("held", ",\"schema_version\":\"9\"", ""),
                        "unknown_schema_version");
    assert_string_equal(reason_of("free", "", ",\"attributes\":{\"b\":1}"), "");
    pt_decoder_destroy(decoder);
    pt_registry_close(registry);
    decoder = pt_decoder_create(1 << 20, 1 << 20);
    assert_non_null(decoder);
}

static void many_values_are_estimated_and_warned_of(void **state)
{
    struct pt_metrics *metrics = pt_metrics_create();
    struct pt_cardinality *cardinality = pt_cardinality_create(2, 1000, metrics);
    struct pt_cardinality_name name = pt_cardinality_name(pt_span_str("n"));
    struct pt_cardinality_name other = pt_cardinality_name(pt_span_str("m"));
    struct pt_span key = pt_span_str("k");
    struct pt_sketch *sketch = pt_cardinality_key(cardinality, &name, key);
    double values = 0;

    (void)state;
    assert_non_null(sketch);
    PT_CHECK(pt_cardinality_key(cardinality, &name, key) == sketch);
    PT_CHECK(pt_cardinality_key(cardinality, &name, pt_span_str("k2")));
    PT_CHECK(!pt_cardinality_key(cardinality, &name, pt_span_str("k3")));
    PT_CHECK(pt_cardinality_key(cardinality, &other, pt_span_str("k3")));
    pt_log_set_level(PT_LOG_ERROR);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            char text[16];
            int size = snprintf(text, sizeof(text), "v%d", i);

            pt_cardinality_value(cardinality, sketch, &name, key, pt_span_of(text, (size_t)size));
        }
    }
    pt_log_set_level(PT_LOG_INFO);
    values = pt_cardinality_estimate(cardinality, name.text, key);
    PT_CHECK(values > 18000 && values < 22000); /* three standard errors */
    PT_CHECK(pt_metric_read(pt_metrics_get(metrics, PT_GAUGE, "playtrace_collect_wide_attributes",
                                           NULL, "")) == 1);
    pt_cardinality_destroy(cardinality);
    pt_metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_event_becomes_a_record),
        cmocka_unit_test(a_bad_event_harms_no_other),
        cmocka_unit_test(a_body_that_cannot_be_read_is_refused_whole),
        cmocka_unit_test(lines_are_events),
        cmocka_unit_test(too_many_events_are_too_many),
        cmocka_unit_test(clocks_are_corrected),
        cmocka_unit_test(a_jump_of_the_wall_clock_is_corrected),
        cmocka_unit_test(a_request_says_what_its_other_clock_says),
        cmocka_unit_test(what_clients_report_is_counted),
        cmocka_unit_test(attributes_are_bounded),
        cmocka_unit_test(attributes_are_held_to_the_schema_of_their_event),
        cmocka_unit_test(many_values_are_estimated_and_warned_of),
    };
    struct pt_error err = {0};
    char *dir = pt_test_dir_create();
    int failed = 1;

    decoder = pt_decoder_create(1 << 20, 1 << 20);
    env.cardinality = pt_cardinality_create(5, 1000, NULL);
    if (decoder && pt_pseudonyms_open(&pseudonyms, pt_io_posix(), dir, true, &err) == PT_OK) {
        env.pseudonyms = pseudonyms;
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    }
    pt_cardinality_destroy(env.cardinality);
    pt_pseudonyms_close(pseudonyms);
    pt_decoder_destroy(decoder);
    pt_test_dir_remove(dir);
    return failed;
}
