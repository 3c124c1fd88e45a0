/*
 * test_received.c - the test double shows what was sent, in order, and forgets only the oldest
 *
 * Method: bodies are decoded by the very decoder of the front door with the store's watch on; what
 * the store lists is parsed and compared. Room is made scarce to see which events make room, and
 * memory to see that a request is kept whole or not at all.
 */
#include "check.h"
#include "collect/received.h"

#include "wire/rfc3339.h"

#include <stdio.h>

#define NOW INT64_C(1793534400000000) /* 2026-11-01T12:00:00Z */
#define EVENT(id, name)                                                                            \
    "{\"event_id\":\"017F22E2-79b0-7cc3-98c4-dc0c0c0739" id "\",\"event_name\":\"" name "\","      \
    "\"occurred_at\":\"2026-11-01T13:59:00+02:00\",\"user_id\":\"alice@example.com\","             \
    "\"session_id\":\"s\",\"seq\":7,\"install_id\":\"device-1\",\"platform\":\"pc\","              \
    "\"attributes\":{\"x\":[1,2.5]}}"
#define BAD(name) "{\"event_name\":\"" name "\",\"user_id\":\"bob@example.com\"}"

static struct pt_decoder *decoder;
static struct pt_pseudonyms *pseudonyms;
static struct pt_json_parser *parser;
static const struct pt_place place = {.country = {'S', 'E'}, .city = "Boxholm"};
static struct pt_decode_env env = {
    .watch = pt_received_watch,
    .limits =
        {
            .events_max = 100,
            .record_bytes_max = 1 << 20,
            .clock_tolerance_us = 5000000,
            .event_age_us_max = 400 * PT_DAY_US,
            .attributes_max = 10,
            .depth_max = 4,
            .key_bytes_max = 64,
            .value_bytes_max = 1000,
        },
};

static void decode(const char *events)
{
    static uint8_t padded[65536];
    struct pt_error err = {0};
    int size =
        snprintf((char *)padded, sizeof(padded) - PT_JSON_PADDING, "{\"events\":[%s]}", events);

    PT_CHECK(size > 0 && (size_t)size < sizeof(padded) - PT_JSON_PADDING);
    PT_CHECK_OK(pt_decode_body(decoder, PT_BODY_JSON, pt_span_of(padded, (size_t)size), NOW, &place,
                               &env, &err),
                err);
}

static struct pt_received *open_store(size_t events_max, size_t bytes_max)
{
    const struct pt_received_limits limits = {.events_max = events_max, .bytes_max = bytes_max};
    struct pt_received *received = pt_received_create(&limits, NULL);

    assert_non_null(received);
    return received;
}

static void send(struct pt_received *received, const char *events)
{
    struct pt_error err = {0};

    decode(events);
    PT_CHECK_OK(pt_received_take(received, decoder, &err), err);
}

static struct pt_json ask(struct pt_received *received, const char *query)
{
    static struct pt_buf out;
    struct pt_received_filter filter;
    char name[PT_EVENT_NAME_BYTES_MAX];
    struct pt_json answer;
    struct pt_error err = {0};

    pt_buf_release(&out);
    pt_buf_init(&out, 1 << 20);
    PT_CHECK(pt_received_filter_parse(pt_span_str(query), name, &filter));
    pt_received_list(received, &filter, &out);
    PT_CHECK(!out.has_failed && pt_buf_reserve(&out, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&out), &answer, NULL, &err), err);
    return answer;
}

static int64_t number(struct pt_json answer, const char *key)
{
    int64_t value = -1;

    PT_CHECK(pt_json_member_int(answer, key, &value));
    return value;
}

static bool is_text(struct pt_json object, const char *key, const char *text)
{
    struct pt_span value = {0};

    return pt_json_member_string(object, key, &value) && pt_span_is(value, text);
}

static struct pt_json nth(struct pt_json answer, uint32_t index)
{
    struct pt_json event = pt_json_element(pt_json_member(answer, "events"), index);

    PT_CHECK(pt_json_exists(event));
    return event;
}

static void a_good_event_stands_as_it_was_sent(void **state)
{
    struct pt_received *received = open_store(10, 1 << 20);
    struct pt_json answer;
    struct pt_json event;

    (void)state;
    send(received, EVENT("8f", "level_end"));
    answer = ask(received, "status=good");
    PT_CHECK(number(answer, "total") == 1 && number(answer, "dropped") == 0);
    event = nth(answer, 0);
    PT_CHECK(is_text(event, "event_id", "017F22E2-79b0-7cc3-98c4-dc0c0c07398f"));
    PT_CHECK(is_text(event, "occurred_at", "2026-11-01T13:59:00+02:00"));
    PT_CHECK(is_text(event, "user_id", "alice@example.com"));
    PT_CHECK(is_text(event, "install_id", "device-1") && is_text(event, "platform", "pc"));
    PT_CHECK(number(event, "seq") == 7);
    PT_CHECK(pt_json_count(pt_json_member(pt_json_member(event, "attributes"), "x")) == 2);
    /* And what the collector made of it. */
    PT_CHECK(is_text(event, "event_time", "2026-11-01T11:59:00.000000Z"));
    PT_CHECK(is_text(event, "received_at", "2026-11-01T12:00:00.000000Z"));
    PT_CHECK(number(event, "clock_skew_us") == 0);
    PT_CHECK(is_text(event, "country", "SE") && is_text(event, "city", "Boxholm"));
    PT_CHECK(!pt_json_exists(pt_json_member(event, "region")));
    PT_CHECK(!pt_json_exists(pt_json_member(event, "build_id"))); /* was not sent */
    PT_CHECK(number(ask(received, "status=bad"), "total") == 0);
    pt_received_destroy(received);
}

static void a_bad_event_stands_with_its_receipt(void **state)
{
    struct pt_received *received = open_store(10, 1 << 20);
    struct pt_json event;

    (void)state;
    send(received, EVENT("8f", "a") "," BAD("a") ",17," EVENT("8e", "b"));
    PT_CHECK(number(ask(received, ""), "total") == 2);
    event = nth(ask(received, "status=bad"), 0);
    PT_CHECK(number(event, "index") == 1 && is_text(event, "code", "missing_field"));
    PT_CHECK(pt_json_type(pt_json_member(event, "event_id")) == PT_JSON_NULL);
    PT_CHECK(pt_json_exists(pt_json_member(event, "detail")));
    PT_CHECK(is_text(pt_json_member(event, "event"), "user_id", "bob@example.com"));
    event = nth(ask(received, "status=bad"), 1);
    PT_CHECK(number(event, "index") == 2 && number(event, "event") == 17);
    /* By name, in both. */
    PT_CHECK(number(ask(received, "status=bad&event_name=a"), "total") == 1);
    PT_CHECK(number(ask(received, "event_name=b"), "total") == 1);
    PT_CHECK(number(ask(received, "event_name=%62&status=good"), "total") == 1);
    PT_CHECK(number(ask(received, "event_name=c"), "total") == 0);
    pt_received_destroy(received);
}

static void the_limit_gives_the_newest_in_order(void **state)
{
    struct pt_received *received = open_store(10, 1 << 20);
    struct pt_json answer;

    (void)state;
    send(received, EVENT("01", "a") "," EVENT("02", "b"));
    send(received, EVENT("03", "c") "," EVENT("04", "d"));
    answer = ask(received, "limit=2");
    PT_CHECK(number(answer, "total") == 4);
    PT_CHECK(pt_json_count(pt_json_member(answer, "events")) == 2);
    PT_CHECK(is_text(nth(answer, 0), "event_name", "c") &&
             is_text(nth(answer, 1), "event_name", "d"));
    answer = ask(received, "limit=0");
    PT_CHECK(number(answer, "total") == 4);
    PT_CHECK(pt_json_count(pt_json_member(answer, "events")) == 0);
    pt_received_destroy(received);
}

static void the_oldest_make_room_and_are_counted(void **state)
{
    struct pt_received *received = open_store(3, 1 << 20);
    struct pt_json answer;

    (void)state;
    for (int round = 0; round < 5; round++) {
        send(received, EVENT("01", "a") "," EVENT("02", "b") "," BAD("c"));
    }
    send(received, EVENT("03", "newest"));
    answer = ask(received, "status=good");
    PT_CHECK(number(answer, "total") == 2 && number(answer, "dropped") == 13);
    PT_CHECK(is_text(nth(answer, 0), "event_name", "b"));
    PT_CHECK(is_text(nth(answer, 1), "event_name", "newest"));
    PT_CHECK(number(ask(received, "status=bad"), "total") == 1);
    pt_received_clear(received);
    answer = ask(received, "");
    PT_CHECK(number(answer, "total") == 0 && number(answer, "dropped") == 0);
    send(received, EVENT("04", "a"));
    PT_CHECK(number(ask(received, ""), "total") == 1);
    pt_received_destroy(received);
}

static void bytes_are_bounded_too(void **state)
{
    struct pt_received *received = open_store(1000, 2000); /* an event takes some 400 bytes */
    struct pt_json answer;
    char huge[3000];

    (void)state;
    for (int i = 0; i < 20; i++) {
        send(received, EVENT("01", "a"));
    }
    answer = ask(received, "");
    PT_CHECK(number(answer, "total") >= 3 && number(answer, "total") <= 6);
    PT_CHECK(number(answer, "total") + number(answer, "dropped") == 20);
    /* One that can never fit makes room in vain and is counted. */
    snprintf(huge, sizeof(huge), "{\"event_name\":\"a\",\"note\":\"%0*d\"}", 2500, 0);
    send(received, huge);
    PT_CHECK(number(ask(received, "status=bad"), "total") == 0);
    PT_CHECK(number(ask(received, ""), "dropped") == 21);
    pt_received_destroy(received);
}

static void nothing_but_the_three_parameters_is_understood(void **state)
{
    static const char *const queries[] = {
        "status",
        "status=",
        "status=ugly",
        "limit=",
        "limit=-1",
        "limit=1x",
        "limit=1e3",
        "limit=9999999999",
        "event_name=%4",
        "event_name=%zz",
        "name=a",
        "&",
        "=",
        "status=good&&limit=1",
        "event_name=0123456789012345678901234567890123456789012345678901234567890123x",
    };
    struct pt_received_filter filter;
    char name[PT_EVENT_NAME_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        if (pt_received_filter_parse(pt_span_str(queries[i]), name, &filter)) {
            fail_msg("%s was understood", queries[i]);
        }
    }
    PT_CHECK(pt_received_filter_parse((struct pt_span){0}, name, &filter));
    PT_CHECK(!filter.is_bad && filter.event_name.size == 0 && filter.limit == PT_RECEIVED_LIMIT);
}

static void without_memory_a_request_is_kept_whole_or_not_at_all(void **state)
{
    struct pt_received *received = open_store(100, 1 << 20);
    bool fired = true;
    int64_t kept = 0;

    (void)state;
    for (unsigned nth_call = 1; fired; nth_call++) {
        enum pt_code code = PT_OK;

        decode(EVENT("01", "a") "," BAD("b") "," EVENT("02", "c"));
        pt_mem_fail_after(nth_call);
        code = pt_received_take(received, decoder, NULL);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(fired ? code == PT_NO_MEMORY : code == PT_OK);
        kept += fired ? 0 : 1;
        PT_CHECK(number(ask(received, "status=good"), "total") == 2 * kept);
        PT_CHECK(number(ask(received, "status=bad"), "total") == kept);
    }
    PT_CHECK(kept == 1);
    pt_received_destroy(received);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_event_stands_as_it_was_sent),
        cmocka_unit_test(a_bad_event_stands_with_its_receipt),
        cmocka_unit_test(the_limit_gives_the_newest_in_order),
        cmocka_unit_test(the_oldest_make_room_and_are_counted),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(nothing_but_the_three_parameters_is_understood),
        cmocka_unit_test(without_memory_a_request_is_kept_whole_or_not_at_all),
    };
    struct pt_error err = {0};
    int failed = 1;

    decoder = pt_decoder_create(1 << 20, 1 << 20);
    parser = pt_json_parser_create(1 << 20);
    env.cardinality = pt_cardinality_create(100, 1000, NULL);
    if (decoder && parser && pt_pseudonyms_open_ephemeral(&pseudonyms, &err) == PT_OK) {
        env.pseudonyms = pseudonyms;
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    }
    pt_cardinality_destroy(env.cardinality);
    pt_pseudonyms_close(pseudonyms);
    pt_json_parser_destroy(parser);
    pt_decoder_destroy(decoder);
    return failed;
}
