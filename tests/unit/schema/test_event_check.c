/*
 * test_event_check.c - an event that the base schema allows is taken, any other is refused by name
 *
 * Method: one sound event; each case replaces or adds one member and says which code and pointer
 * the receipt must have.
 */
#include "check.h"
#include "schema/schema.h"

#include <stdio.h>
#include <string.h>

static struct pt_json_parser *parser;

static bool check(const char *text, struct pt_event_fields *fields, struct pt_problem *problem)
{
    static uint8_t padded[8192];
    struct pt_json root;
    struct pt_error err = {0};
    size_t size = strlen(text);

    assert_true(size + PT_JSON_PADDING < sizeof(padded));
    memset(padded, 0, sizeof(padded));
    memcpy(padded, text, size);
    PT_CHECK_OK(pt_json_parse(parser, pt_span_of(padded, size), &root, NULL, &err), err);
    return pt_schema_check_event(root, fields, problem);
}

#define ID "\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\""
#define NAME "\"event_name\":\"level_end\""
#define TIME "\"occurred_at\":\"2026-11-01T12:00:00Z\""
#define WHO "\"user_id\":\"u\",\"session_id\":\"s\""

static void a_sound_event_is_taken(void **state)
{
    struct pt_event_fields f;
    struct pt_problem problem;

    (void)state;
    PT_CHECK(check("{" ID "," NAME "," TIME "," WHO "}", &f, &problem));
    PT_CHECK(f.has_event_id && f.event_id[0] == 0x01 && f.event_id[15] == 0x8f);
    PT_CHECK(pt_span_is(f.event_name, "level_end") && pt_span_is(f.user_id, "u"));
    PT_CHECK(f.seq == PT_EVENT_NO_NUMBER && f.boot == PT_EVENT_NO_NUMBER);
    PT_CHECK(f.platform == PT_PLATFORM_NONE && !pt_json_exists(f.attributes));
    PT_CHECK(
        check("{" ID "," NAME "," TIME "," WHO
              ",\"platform\":\"web\",\"seq\":0,\"boot\":7,\"install_id\":\"i\",\"build_id\":"
              "\"1.2\",\"mechanic_version\":\"m\",\"received_at\":\"2026-11-01T12:00:01+01:00\","
              "\"attributes\":{\"a\":[{}]}}",
              &f, &problem));
    PT_CHECK(f.platform == PT_PLATFORM_WEB && f.seq == 0 && f.boot == 7);
    PT_CHECK(pt_json_exists(f.attributes) && pt_span_is(f.build_id, "1.2"));
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *code;
        const char *pointer;
    } cases[] = {
        {"[]", "wrong_type", ""},
        {"3", "wrong_type", ""},
        {"{" NAME "," TIME "," WHO "}", "missing_field", "/event_id"},
        {"{" ID "," TIME "," WHO "}", "missing_field", "/event_name"},
        {"{" ID "," NAME "," WHO "}", "missing_field", "/occurred_at"},
        {"{" ID "," NAME "," TIME ",\"session_id\":\"s\"}", "missing_field", "/user_id"},
        {"{" ID "," NAME "," TIME ",\"user_id\":\"u\"}", "missing_field", "/session_id"},
        {"{\"event_id\":\"x\"," NAME "," TIME "," WHO "}", "invalid_uuid", "/event_id"},
        {"{\"event_id\":7," NAME "," TIME "," WHO "}", "wrong_type", "/event_id"},
        {"{" ID ",\"event_name\":\"\"," TIME "," WHO "}", "empty", "/event_name"},
        {"{" ID ",\"event_name\":\"1st\"," TIME "," WHO "}", "invalid_name", "/event_name"},
        {"{" ID ",\"event_name\":\"a b\"," TIME "," WHO "}", "invalid_name", "/event_name"},
        {"{" ID "," NAME ",\"occurred_at\":\"yesterday\"," WHO "}", "invalid_time", "/occurred_at"},
        {"{" ID "," NAME ",\"occurred_at\":\"1969-12-31T23:59:59Z\"," WHO "}", "out_of_range",
         "/occurred_at"},
        {"{" ID "," NAME "," TIME ",\"user_id\":5,\"session_id\":\"s\"}", "wrong_type", "/user_id"},
        {"{" ID "," NAME "," TIME ",\"user_id\":\"a\\u0000b\",\"session_id\":\"s\"}",
         "invalid_value", "/user_id"},
        {"{" ID "," NAME "," TIME "," WHO ",\"platform\":\"amiga\"}", "invalid_platform",
         "/platform"},
        {"{" ID "," NAME "," TIME "," WHO ",\"seq\":-1}", "out_of_range", "/seq"},
        {"{" ID "," NAME "," TIME "," WHO ",\"seq\":\"1\"}", "wrong_type", "/seq"},
        {"{" ID "," NAME "," TIME "," WHO ",\"attributes\":[]}", "wrong_type", "/attributes"},
        {"{" ID "," NAME "," TIME "," WHO ",\"level\":3}", "unknown_field", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_event_fields fields;
        struct pt_problem problem;

        if (check(cases[i].text, &fields, &problem) || strcmp(problem.code, cases[i].code) != 0 ||
            strcmp(problem.pointer, cases[i].pointer) != 0 || !problem.detail[0]) {
            fail_msg("%s: %s at \"%s\": %s", cases[i].text, problem.code, problem.pointer,
                     problem.detail);
        }
    }
}

static void lengths_are_bounded(void **state)
{
    char text[2048];
    char long_text[600];
    struct pt_event_fields fields;
    struct pt_problem problem;

    (void)state;
    for (int length = 255; length <= 257; length++) {
        memset(long_text, 'x', sizeof(long_text));
        long_text[length] = '\0';
        snprintf(text, sizeof(text),
                 "{" ID "," NAME "," TIME ",\"user_id\":\"%s\",\"session_id\":\"s\"}", long_text);
        PT_CHECK(check(text, &fields, &problem) == (length <= PT_USER_ID_BYTES_MAX));
    }
    PT_CHECK(strcmp(problem.code, "too_long") == 0);
    PT_CHECK(strstr(problem.detail, "xxx") == NULL); /* no value of the event in the text */
}

static void the_id_is_known_though_another_field_is_wrong(void **state)
{
    struct pt_event_fields fields;
    struct pt_problem problem;

    (void)state;
    PT_CHECK(!check("{\"seq\":-1," NAME "," TIME "," WHO "," ID "}", &fields, &problem));
    PT_CHECK(fields.has_event_id && strcmp(problem.pointer, "/seq") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_event_is_taken),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(the_id_is_known_though_another_field_is_wrong),
    };
    int failed = 0;

    parser = pt_json_parser_create(1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_json_parser_destroy(parser);
    return failed;
}
