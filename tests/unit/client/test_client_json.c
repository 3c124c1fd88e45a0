/*
 * test_client_json.c - what the client lets into a batch, and what it takes for a receipt
 *
 * Method: tables of sound and damaged texts; each accepted attribute text must also pass
 * base/json.h, a parser that shares no code with the client, and every prefix of a sound text
 * must be refused.
 */
#include "check.h"

#include "base/json.h"
#include "base/mem.h"
#include "core/json.h"
#include "core/retry.h"

#include <string.h>

static bool is_object(const char *text)
{
    return pt_client_json_is_object(text, strlen(text), 32);
}

static const char *const sound[] = {
    "{}",
    " { } ",
    "{\"a\":1}",
    "{\"a\":-0,\"b\":-0.0e+10,\"c\":1E5,\"d\":18446744073709551615,\"e\":-9223372036854775808}",
    "{\"a\":[1,\"x\",null,true,false,{\"b\":[]}]}",
    "{\"\\u00e9\\ud83d\\ude00\\n\\/\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
    "{\"a\":1.7e307,\"b\":0.000e-400}",
};

static void sound_attributes_pass_and_their_prefixes_do_not(void **state)
{
    struct pt_json_parser *parser = pt_json_parser_create(1u << 16);

    (void)state;
    for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++) {
        char padded[256 + PT_JSON_PADDING] = {0};
        size_t bytes = strlen(sound[i]);
        struct pt_json root = {0};
        struct pt_error err = {0};

        PT_CHECK(is_object(sound[i]));
        memcpy(padded, sound[i], bytes);
        PT_CHECK_OK(
            pt_json_parse(parser, (struct pt_span){(uint8_t *)padded, bytes}, &root, NULL, &err),
            err);
        while (bytes > 0 && sound[i][bytes - 1] == ' ') {
            bytes--;
        }
        for (size_t cut = 0; cut < bytes; cut++) {
            PT_CHECK(!pt_client_json_is_object(sound[i], cut, 32));
        }
    }
    pt_json_parser_destroy(parser);
}

static void unsound_attributes_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "1",
        "null",
        "{}{}",
        "{} x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":1e309}",
        "{\"a\":18446744073709551616}",
        "{\"a\":-9223372036854775809}",
        "{\"a\":99999999999999999999999}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xe2\x82\"}",
        "{\"a\":[1 2]}",
        "{\"a\":[1,]}",
        "{\"a\":tru}",
        "{\"a\":1]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (is_object(bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void depth_is_limited(void **state)
{
    char text[512] = {0};

    (void)state;
    for (unsigned depth = 1; depth < 40; depth++) {
        size_t used = 0;

        for (unsigned i = 0; i < depth; i++) {
            memcpy(text + used, "{\"a\":", 5);
            used += 5;
        }
        text[used++] = '1';
        memset(text + used, '}', depth);
        used += depth;
        PT_CHECK(pt_client_json_is_object(text, used, 32) == (depth <= 32));
    }
}

static void only_a_receipt_is_a_receipt(void **state)
{
    static const struct {
        const char *body;
        bool is_receipt;
        uint64_t accepted;
        uint64_t rejected;
    } cases[] = {
        {"{\"accepted\":3,\"rejected\":[]}", true, 3, 0},
        {" {\"rejected\" : [ {\"index\":0,\"detail\":\"}],{\"} , {} ],\n\"accepted\":0 }\n", true,
         0, 2},
        {"{\"x\":{\"accepted\":9},\"accepted\":1,\"rejected\":[{\"a\":[1]}],\"y\":null}", true, 1,
         1},
        {"{}", false, 0, 0},
        {"{\"accepted\":3}", false, 0, 0},
        {"{\"rejected\":[]}", false, 0, 0},
        {"{\"accepted\":3,\"accepted\":3,\"rejected\":[]}", false, 0, 0},
        {"{\"accepted\":-3,\"rejected\":[]}", false, 0, 0},
        {"{\"accepted\":3.5,\"rejected\":[]}", false, 0, 0},
        {"{\"accepted\":3e1,\"rejected\":[]}", false, 0, 0},
        {"{\"accepted\":\"3\",\"rejected\":[]}", false, 0, 0},
        {"{\"accepted\":3,\"rejected\":0}", false, 0, 0},
        {"{\"accepted\":3,\"rejected\":[1]}", false, 0, 0},
        {"{\"accepted\":3,\"rejected\":[{]}", false, 0, 0},
        {"{\"accepted\":3,\"rejected\":[]} <html>", false, 0, 0},
        {"[{\"accepted\":3,\"rejected\":[]}]", false, 0, 0},
        {"<html>accepted rejected</html>", false, 0, 0},
        {"", false, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_client_receipt receipt = {0};
        size_t bytes = strlen(cases[i].body);

        if (pt_client_receipt_parse(cases[i].body, bytes, &receipt) != cases[i].is_receipt) {
            fail_msg("judged wrongly: %s", cases[i].body);
        }
        if (cases[i].is_receipt) {
            PT_CHECK(receipt.accepted == cases[i].accepted);
            PT_CHECK(receipt.rejected == cases[i].rejected);
            for (size_t cut = 0; cut + 3 < bytes; cut++) {
                PT_CHECK(!pt_client_receipt_parse(cases[i].body, cut, &receipt));
            }
        }
    }
}

static void only_our_errors_are_ours(void **state)
{
    static const char ours[] = "{\"detail\":\"x\",\"code\":\"bad_json\"}";
    static const char nested[] = "{\"error\":{\"code\":\"x\"}}";
    static const char number[] = "{\"code\":400}";
    static const char html[] = "<html>400 Bad Request</html>";

    (void)state;
    PT_CHECK(pt_client_refusal_is_ours(ours, sizeof(ours) - 1));
    PT_CHECK(!pt_client_refusal_is_ours(nested, sizeof(nested) - 1));
    PT_CHECK(!pt_client_refusal_is_ours(number, sizeof(number) - 1));
    PT_CHECK(!pt_client_refusal_is_ours(html, sizeof(html) - 1));
    PT_CHECK(!pt_client_refusal_is_ours("", 0));
}

static void escaped_text_reads_back(void **state)
{
    char text[128];
    char out[6 * sizeof(text) + 2 + PT_JSON_PADDING] = {0};
    struct pt_json_parser *parser = pt_json_parser_create(1u << 16);
    struct pt_json root = {0};
    struct pt_error err = {0};
    struct pt_span back = {0};
    size_t bytes = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)i;
    }
    out[0] = '"';
    bytes = pt_client_json_escape(text, sizeof(text), out + 1);
    out[bytes + 1] = '"';
    PT_CHECK_OK(
        pt_json_parse(parser, (struct pt_span){(uint8_t *)out, bytes + 2}, &root, NULL, &err), err);
    back = pt_json_string(root);
    PT_CHECK(back.size == sizeof(text) && memcmp(back.data, text, sizeof(text)) == 0);
    pt_json_parser_destroy(parser);
}

static void retry_after_is_read(void **state)
{
    static const struct {
        const char *value;
        int64_t seconds;
    } cases[] = {
        {"", 0},
        {"0", 0},
        {"7", 7},
        {"120", 120},
        {"999999999999999999999", 86400},
        {"-5", 0},
        {"5s", 0},
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10},
        {"Sun, 06 Nov 1994 08:49:27 GMT", 0},
        {"Sun, 06 Xxx 1994 08:49:47 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:47 CET", 0},
        {"Sun, 06 Nov 2094 08:49:47 GMT", 86400},
    };
    static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    static const int64_t wall_us = INT64_C(784111777000000); /* the same */

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t wait_us = pt_client_retry_after_us(cases[i].value, "", wall_us);
        /* The server's date counts where there is one, whatever the device's clock says. */
        int64_t by_date_us =
            pt_client_retry_after_us(cases[i].value, date, wall_us + INT64_C(86400000000));

        if (by_date_us != wait_us) {
            fail_msg("%s: %lld us by the server's date", cases[i].value, (long long)by_date_us);
        }
        if (wait_us != cases[i].seconds * 1000000) {
            fail_msg("%s: %lld us", cases[i].value, (long long)wait_us);
        }
    }
}

static void back_off_doubles_up_to_its_cap(void **state)
{
    (void)state;
    PT_CHECK(pt_client_retry_span_us(1, 1000, 300000) == 1000000);
    PT_CHECK(pt_client_retry_span_us(2, 1000, 300000) == 2000000);
    PT_CHECK(pt_client_retry_span_us(9, 1000, 300000) == 256000000);
    PT_CHECK(pt_client_retry_span_us(10, 1000, 300000) == 300000000);
    PT_CHECK(pt_client_retry_span_us(UINT32_MAX, 1000, 300000) == 300000000);
    PT_CHECK(pt_client_retry_span_us(UINT32_MAX, 0, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_attributes_pass_and_their_prefixes_do_not),
        cmocka_unit_test(unsound_attributes_are_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(only_a_receipt_is_a_receipt),
        cmocka_unit_test(only_our_errors_are_ours),
        cmocka_unit_test(escaped_text_reads_back),
        cmocka_unit_test(retry_after_is_read),
        cmocka_unit_test(back_off_doubles_up_to_its_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
