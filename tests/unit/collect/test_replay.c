/*
 * test_replay.c - a repaired dead letter becomes the record that the event would have been
 *
 * Method: the same event is sent whole and with a misspelt member; the dead letter of the latter is
 * repaired by a patch and replayed a week later: the two records must be the same bytes. Then what
 * is no dead letter, and what is still wrong.
 */
#include "check.h"
#include "collect/replay.h"

#include "base/json_patch.h"
#include "wire/rfc3339.h"

#include <stdio.h>

#define NOW INT64_C(1793534400000000) /* 2026-11-01T12:00:00Z */
#define PSEUDONYM "00112233445566778899aabbccddeeff"
#define LETTER(event) "{\"received_at\":\"2026-11-01T12:00:00Z\",\"event\":" event "}"
#define EVENT(user)                                                                                \
    "{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\",\"event_name\":\"a\","                 \
    "\"occurred_at\":\"2026-11-01T11:59:00Z\",\"user_id\":\"" user "\",\"session_id\":\"s\"}"

static struct pt_decoder *decoder;
static struct pt_pseudonyms *pseudonyms;
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

static struct pt_span padded(const char *text, size_t size)
{
    static uint8_t bytes[65536];

    assert_true(size + PT_JSON_PADDING < sizeof(bytes));
    memcpy(bytes, text, size);
    memset(bytes + size, 0xff, PT_JSON_PADDING);
    return pt_span_of(bytes, size);
}

static enum pt_code decode(const char *body, const struct pt_place *place, struct pt_error *err)
{
    return pt_decode_body(decoder, PT_BODY_JSON, padded(body, strlen(body)), NOW, place, &env, err);
}

static enum pt_code replay(const char *body, int64_t now_us, struct pt_error *err)
{
    return pt_decode_replay(decoder, padded(body, strlen(body)), now_us, &env, err);
}

/* The only dead letter that the decoder holds, with its event patched; a request of /api/v1/replay.
 */
static void repair(const char *patch_text, struct pt_buf *body)
{
    struct pt_json_parser *parser = pt_json_parser_create(1 << 20);
    struct pt_json_patch *patch = NULL;
    struct pt_error err = {0};
    struct pt_json letter;
    struct pt_jsonw w;

    assert_int_equal(decoder->dead_sizes.count, 1);
    PT_CHECK_OK(pt_json_parse(parser, padded((const char *)decoder->dead.data, decoder->dead.size),
                              &letter, NULL, &err),
                err);
    PT_CHECK_OK(pt_json_patch_create(&patch, pt_span_str(patch_text), PT_JSON_PATCH_AUTO, &err),
                err);
    pt_jsonw_init(&w, body);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "events");
    pt_jsonw_array(&w);
    pt_jsonw_object(&w);
    for (struct pt_json_iter it = pt_json_iterate(letter); pt_json_next(&it);) {
        pt_jsonw_key_span(&w, it.key);
        if (pt_span_is(it.key, "event")) {
            PT_CHECK_OK(pt_json_patch_apply(patch, it.value, body, &err), err);
            w.needs_comma = true;
        } else {
            pt_jsonw_value(&w, it.value);
        }
    }
    pt_jsonw_object_end(&w);
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(body, 0);
    PT_CHECK(!body->has_failed);
    pt_json_patch_destroy(patch);
    pt_json_parser_destroy(parser);
}

static void a_repaired_event_is_what_it_would_have_been(void **state)
{
    static const struct {
        const char *sent_at; /* of a device whose clock is right, wrong, or not told */
        struct pt_place place;
    } cases[] = {
        {"\"sent_at\":\"2026-11-01T12:00:00Z\",", {.country = {'S', 'E'}, .city = "Boxholm"}},
        {"\"sent_at\":\"2031-05-05T05:05:05.5Z\",", {.country = {'J', 'P'}, .region = "東京都"}},
        {"", {.city = ""}},
        /* Its clock was set after the event, and the other one tells. */
        {"\"sent_at\":\"2026-11-01T12:00:00Z\",\"sent_mono_us\":90000000,\"boot\":2,",
         {.city = ""}},
    };
    static const char format[] =
        "{%s\"events\":[{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\",\"event_name\":"
        "\"a\",\"occurred_at\":\"2031-05-05T05:04:00Z\",\"%s\":\"alice\",\"session_id\":\"s\","
        "\"seq\":3,\"boot\":2,\"mono_us\":60000000,"
        "\"install_id\":\"device-1\",\"attributes\":{\"x\":[1,2.5]}}]}";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_error err = {0};
        struct pt_buf wanted;
        struct pt_buf body;
        char text[1024];

        pt_buf_init(&wanted, 1 << 20);
        pt_buf_init(&body, 1 << 20);
        snprintf(text, sizeof(text), format, cases[i].sent_at, "user_id");
        PT_CHECK_OK(decode(text, &cases[i].place, &err), err);
        assert_int_equal(decoder->record_sizes.count, 1);
        if (i == 3) {
            struct pt_event event;

            PT_CHECK(pt_event_decode(decoder->records.data, decoder->records.size, &event));
            PT_CHECK(event.event_time_us == NOW - 30000000);
        }
        pt_buf_append(&wanted, decoder->records.data, decoder->records.size);

        snprintf(text, sizeof(text), format, cases[i].sent_at, "userId");
        PT_CHECK_OK(decode(text, &cases[i].place, &err), err);
        repair("[{\"op\":\"move\",\"from\":\"/userId\",\"path\":\"/user_id\"}]", &body);
        PT_CHECK_OK(replay((const char *)body.data, NOW + 7 * PT_DAY_US, &err), err);
        assert_int_equal(decoder->record_sizes.count, 1);
        PT_CHECK(pt_span_equal(pt_buf_span(&decoder->records), pt_buf_span(&wanted)));
        pt_buf_release(&wanted);
        pt_buf_release(&body);
    }
}

static void what_is_still_refused_is_no_second_dead_letter(void **state)
{
    static const struct {
        const char *event;
        const char *says;
    } cases[] = {
        {EVENT("alice"), "\"invalid_pseudonym\",\"pointer\":\"/user_id\""},
        {EVENT("00112233445566778899AABBCCDDEEFF"), "invalid_pseudonym"},
        {EVENT("00112233445566778899aabbccddeef"), "invalid_pseudonym"},
        {EVENT("00112233445566778899aabbccddeefff"), "invalid_pseudonym"},
        {EVENT("0011223344556677889-aabbccddeeff"), "invalid_pseudonym"},
        {"{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\",\"event_name\":\"a\","
         "\"occurred_at\":\"2026-11-01T11:59:00Z\",\"user_id\":\"" PSEUDONYM
         "\",\"session_id\":\"s\","
         "\"install_id\":\"device-1\"}",
         "\"pointer\":\"/install_id\""},
        {"{\"user_id\":\"" PSEUDONYM "\"}", "missing_field"},
        {"\"" PSEUDONYM "\"", "wrong_type"},
        {"null", "wrong_type"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_error err = {0};
        char body[1024];

        snprintf(body, sizeof(body), "{\"events\":[" LETTER("%s") "," LETTER(EVENT(PSEUDONYM)) "]}",
                 cases[i].event);
        PT_CHECK_OK(replay(body, NOW, &err), err);
        assert_int_equal(decoder->record_sizes.count, 1);
        assert_int_equal(decoder->dead_sizes.count, 0);
        assert_int_equal(decoder->dead.size, 0);
        pt_buf_append_byte(&decoder->answer, 0);
        if (!strstr((const char *)decoder->answer.data, cases[i].says)) {
            fail_msg("%s: %s", cases[i].event, (const char *)decoder->answer.data);
        }
    }
}

static void what_is_no_dead_letter_is_refused_whole(void **state)
{
    static const struct {
        const char *body;
        const char *says;
    } cases[] = {
        {"", "byte 0"},
        {"[]", "must be"},
        {"{\"events\":{}}", "must be"},
        {"{\"events\":[17]}", "/events/0"},
        {"{\"events\":[" LETTER(EVENT(PSEUDONYM)) ",{\"event\":{}}]}",
         "/events/1 has no received_at"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:00Z\"}]}", "/events/0 has no event"},
        {"{\"events\":[{\"received_at\":\"yesterday\",\"event\":{}}]}", "/events/0/received_at"},
        {"{\"events\":[{\"received_at\":\"1969-11-01T12:00:00Z\",\"event\":{}}]}",
         "/events/0/received_at"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:09Z\",\"event\":{}}]}", "future"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:00Z\",\"sent_at\":1,\"event\":{}}]}",
         "sent_at"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:00Z\",\"boot\":\"2\",\"event\":{}}]}",
         "/events/0/boot"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:00Z\",\"sent_mono_us\":-1,"
         "\"event\":{}}]}",
         "/events/0/sent_mono_us"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:00Z\",\"country\":\"SWE\",\"event\":{}}]"
         "}",
         "country"},
        {"{\"events\":[{\"received_at\":\"2026-11-01T12:00:00Z\",\"city\":[],\"event\":{}}]}",
         "city"},
    };
    struct pt_error err = {0};
    static const char many[] = "{\"events\":[" LETTER("{}") "," LETTER("{}") "," LETTER(
        "{}") "," LETTER("{}") "," LETTER("{}") "," LETTER("{}") "]}";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK(replay(cases[i].body, NOW, &err) == PT_INVALID);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].body, err.text);
        }
    }
    PT_CHECK(replay(many, NOW, &err) == PT_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repaired_event_is_what_it_would_have_been),
        cmocka_unit_test(what_is_still_refused_is_no_second_dead_letter),
        cmocka_unit_test(what_is_no_dead_letter_is_refused_whole),
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
