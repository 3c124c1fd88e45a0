/*
 * test_json.c - what is JSON is read whole, what is not is refused with its place
 *
 * Method: tables; a round trip through the writer; and the public JSONTestSuite (skipped where
 * it is not there), on which the parser and the checker must agree case by case.
 */
#include "base/json.h"
#include "check.h"

#include "base/io.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pt_json_parser *parser;

/* Parses `text` from a padded heap copy, so that a read past the padding is an ASan report. */
static enum pt_code parse(const char *text, size_t size, struct pt_json *root, size_t *offset,
                          struct pt_error *err)
{
    uint8_t *copy = pt_alloc_zero(size + PT_JSON_PADDING);
    enum pt_code code = PT_OK;

    assert_non_null(copy);
    memcpy(copy, text, size);
    code = pt_json_parse(parser, pt_span_of(copy, size), root, offset, err);
    pt_free(copy);
    return code;
}

static void reads_every_type(void **state)
{
    static const char text[] =
        "{\"a\":[1,-2,18446744073709551615,1.5,true,false,null,\"x\\u0000y\"],"
        "\"b\":{\"c\":{}},\"b2\":9223372036854775807,\"a2\":[]}";
    struct pt_json root;
    struct pt_json a;
    struct pt_error err = {0};
    int64_t number = 0;

    (void)state;
    PT_CHECK_OK(parse(text, strlen(text), &root, NULL, &err), err);
    PT_CHECK(pt_json_type(root) == PT_JSON_OBJECT && pt_json_count(root) == 4);
    a = pt_json_member(root, "a");
    PT_CHECK(pt_json_count(a) == 8);
    PT_CHECK(pt_json_int(pt_json_element(a, 0)) == 1);
    PT_CHECK(pt_json_int(pt_json_element(a, 1)) == -2);
    PT_CHECK(pt_json_type(pt_json_element(a, 2)) == PT_JSON_UINT);
    PT_CHECK(pt_json_uint(pt_json_element(a, 2)) == UINT64_MAX);
    PT_CHECK(pt_json_double(pt_json_element(a, 3)) == 1.5);
    PT_CHECK(pt_json_bool(pt_json_element(a, 4)) && !pt_json_bool(pt_json_element(a, 5)));
    PT_CHECK(pt_json_type(pt_json_element(a, 6)) == PT_JSON_NULL);
    PT_CHECK(pt_span_equal(pt_json_string(pt_json_element(a, 7)), pt_span_of("x\0y", 3)));
    PT_CHECK(!pt_json_exists(pt_json_element(a, 8)));
    PT_CHECK(pt_json_member_int(root, "b2", &number) && number == INT64_MAX);
    PT_CHECK(!pt_json_exists(pt_json_member(root, "nothing")));
}

static void the_last_of_equal_keys_counts(void **state)
{
    struct pt_json root;
    int64_t value = 0;

    (void)state;
    PT_CHECK(parse("{\"a\":1,\"a\":2}", 13, &root, NULL, NULL) == PT_OK);
    PT_CHECK(pt_json_member_int(root, "a", &value) && value == 2);
}

static void a_mistake_is_placed(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {
        {"", 0},           {"{", 1},
        {"{\"a\":1,}", 7}, {"[1,2", 4},
        {"[1 2]", 3},      {"{\"a\" 1}", 5},
        {"[1]]", 3},       {"[01]", 2},
        {"[1.]", 3},       {"[tru]", 1},
        {"[\"\\x\"]", 3},  {"[\"\\ud800\"]", 2},
        {"[\"a\tb\"]", 3}, {"[\"\xff\"]", 2},
        {"[1e999]", 1},    {"[123456789012345678901234567890]", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_json root;
        struct pt_error err = {0};
        size_t offset = 999;

        if (parse(cases[i].text, strlen(cases[i].text), &root, &offset, &err) != PT_INVALID ||
            offset != cases[i].offset) {
            fail_msg("%s: offset %zu, text \"%s\"", cases[i].text, offset, err.text);
        }
    }
}

static void depth_is_bounded(void **state)
{
    char text[2 * PT_JSON_DEPTH_MAX + 8];
    struct pt_json root;
    size_t offset = 0;

    (void)state;
    for (size_t depth = PT_JSON_DEPTH_MAX - 2; depth <= PT_JSON_DEPTH_MAX + 2; depth++) {
        enum pt_code code = PT_OK;

        memset(text, '[', depth);
        text[depth] = '1';
        memset(text + depth + 1, ']', depth);
        code = parse(text, 2 * depth + 1, &root, &offset, NULL);
        PT_CHECK(code == (depth <= PT_JSON_DEPTH_MAX ? PT_OK : PT_INVALID));
    }
}

static void what_is_written_reads_back(void **state)
{
    static const char text[] =
        "{\"s\":\"q\\\"b\\\\n\\nt\\tu\\u0001e\xc3\xa9\",\"i\":-9223372036854775808,"
        "\"u\":18446744073709551615,\"d\":[0.1,1e300,-2.5,1e-7],\"o\":{},\"n\":null,\"t\":true}";
    struct pt_json root;
    struct pt_buf buf;
    struct pt_buf again;
    struct pt_jsonw w;

    (void)state;
    pt_buf_init(&buf, 4096);
    pt_buf_init(&again, 4096);
    PT_CHECK(parse(text, strlen(text), &root, NULL, NULL) == PT_OK);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_value(&w, root);
    PT_CHECK(!buf.has_failed && w.depth == 0);
    PT_CHECK(parse((char *)buf.data, buf.size, &root, NULL, NULL) == PT_OK);
    pt_jsonw_init(&w, &again);
    pt_jsonw_value(&w, root);
    PT_CHECK(pt_span_equal(pt_buf_span(&buf), pt_buf_span(&again)));
    PT_CHECK(memmem(buf.data, buf.size, "-9223372036854775808", 20) != NULL);
    pt_buf_release(&buf);
    pt_buf_release(&again);
}

/* Powers of ten and their neighbours: where a digit more begins; printf is the reference. */
static void whole_numbers_are_written_whole(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        for (int off = -1; off <= 1; off++) {
            uint64_t value = power + (uint64_t)off;
            char expected[64];
            struct pt_buf buf;
            struct pt_jsonw w;

            pt_buf_init(&buf, 128);
            pt_jsonw_init(&w, &buf);
            pt_jsonw_array(&w);
            pt_jsonw_uint(&w, value);
            pt_jsonw_int(&w, -(int64_t)(value >> 1));
            pt_jsonw_bool(&w, off > 0);
            pt_jsonw_array_end(&w);
            pt_buf_append_byte(&buf, 0);
            snprintf(expected, sizeof(expected), "[%llu,%lld,%s]", (unsigned long long)value,
                     -(long long)(value >> 1), off > 0 ? "true" : "false");
            assert_string_equal((char *)buf.data, expected);
            pt_buf_release(&buf);
        }
    }
}

static void doubles_round_trip(void **state)
{
    static const double values[] = {0.1,  1.0 / 3,  DBL_MAX, DBL_MIN, 5e-324, -0.0,
                                    1e21, 123456.5, 4.99,    1e15,    1e16,   9007199254740993.0};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[40] = {0};
        size_t size = pt_double_format(text, values[i]);
        struct pt_json root;

        PT_CHECK(size < 32);
        PT_CHECK(strtod(text, NULL) == values[i]);
        PT_CHECK(parse(text, size, &root, NULL, NULL) == PT_OK);
        PT_CHECK(pt_json_type(root) == PT_JSON_DOUBLE);
    }
}

/* Digits of the mantissa, zeros at its ends left out. */
static size_t significant_digits(const char *text)
{
    char digits[40];
    size_t count = 0;

    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text >= '0' && *text <= '9' && (count > 0 || *text != '0') && count < sizeof(digits)) {
            digits[count++] = *text;
        }
    }
    while (count > 0 && digits[count - 1] == '0') {
        count--;
    }
    return count;
}

/* What printf needs to read back is the reference: the fewest digits of all. */
static void short_decimals_stay_short(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        static const double scales[] = {1, 10, 100, 1000, 10000};
        char text[40] = {0};
        char shortest[40];
        double value = 0;
        int digits = 1;

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        value = (double)(random >> (14 + random % 50)) / scales[random % 5];
        value = random >> 63 ? -value : value;
        text[pt_double_format(text, value)] = '\0';
        PT_CHECK(strtod(text, NULL) == value);
        PT_CHECK(strpbrk(text, ".e") != NULL); /* a double, and read back as one */
        /* Longer ones are Grisu2's, which misses the shortest in one of a thousand. */
        if (random % 5 < 4 && fabs(value) < 1e11) {
            do {
                snprintf(shortest, sizeof(shortest), "%.*e", digits - 1, value);
            } while (strtod(shortest, NULL) != value && digits++ < 17);
            PT_CHECK(significant_digits(text) == significant_digits(shortest));
        }
    }
}

/* Every byte at every place of texts of every length up to some words; a byte alone is the
 * reference. */
static void strings_are_escaped_byte_by_byte(void **state)
{
    struct pt_buf whole;
    struct pt_buf single;
    uint8_t text[40];

    (void)state;
    pt_buf_init(&whole, 4096);
    pt_buf_init(&single, 4096);
    for (size_t size = 1; size < sizeof(text); size++) {
        for (size_t at = 0; at < size; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                uint8_t value = (uint8_t)byte;
                struct pt_jsonw w;
                size_t middle = 0;

                memset(text, 'x', size);
                text[at] = value;
                pt_buf_reset(&whole);
                pt_buf_reset(&single);
                pt_jsonw_init(&w, &whole);
                pt_jsonw_string(&w, pt_span_of(text, size));
                pt_jsonw_init(&w, &single);
                pt_jsonw_string(&w, pt_span_of(&value, 1));
                middle = single.size - 2;
                PT_CHECK(whole.size == size - 1 + middle + 2);
                PT_CHECK(whole.data[0] == '"' && whole.data[whole.size - 1] == '"');
                PT_CHECK(memcmp(whole.data + 1, text, at) == 0);
                PT_CHECK(memcmp(whole.data + 1 + at, single.data + 1, middle) == 0);
                PT_CHECK(memcmp(whole.data + 1 + at + middle, text + at + 1, size - at - 1) == 0);
                if (byte < 0x80) {
                    struct pt_json root;

                    PT_CHECK(parse((char *)whole.data, whole.size, &root, NULL, NULL) == PT_OK);
                    pt_buf_reset(&single);
                    pt_jsonw_init(&w, &single);
                    pt_jsonw_parsed(&w, pt_json_string(root));
                    PT_CHECK(pt_span_equal(pt_buf_span(&whole), pt_buf_span(&single)));
                }
            }
        }
    }
    pt_buf_release(&whole);
    pt_buf_release(&single);
}

static void invalid_utf8_is_replaced_when_written(void **state)
{
    struct pt_buf buf;
    struct pt_jsonw w;

    (void)state;
    pt_buf_init(&buf, 64);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_string(&w, pt_span_of("a\xc3(b\xed\xa0\x80", 7));
    PT_CHECK(!pt_json_check(pt_span_of("\"\xc3(\"", 4), &(size_t){0}, &(const char *){0}));
    PT_CHECK(pt_json_check(pt_buf_span(&buf), &(size_t){0}, &(const char *){0}));
    pt_buf_release(&buf);
}

struct suite {
    char path[512];
    unsigned accepted;
    unsigned refused;
    unsigned bad;
};

static void run_case(void *ctx, const char *name, bool is_dir)
{
    struct suite *suite = ctx;
    char path[1024];
    uint8_t *data = NULL;
    size_t size = 0;
    size_t offset = 0;
    const char *reason = NULL;
    struct pt_json root;
    struct pt_error err = {0};
    bool parsed = false;

    if (is_dir || !strstr(name, ".json")) {
        return;
    }
    snprintf(path, sizeof(path), "%s/%s", suite->path, name);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, PT_JSON_PADDING, &data, &size, &err),
                err);
    parsed = pt_json_parse(parser, pt_span_of(data, size), &root, &offset, &err) == PT_OK;
    if (parsed != pt_json_check(pt_span_of(data, size), &offset, &reason)) {
        print_error("%s: parser %s, checker says %zu %s\n", name, parsed ? "takes it" : "refuses",
                    offset, reason);
        suite->bad++;
    }
    if ((name[0] == 'y' && !parsed) || (name[0] == 'n' && parsed)) {
        print_error("%s: %s\n", name, parsed ? "taken" : err.text);
        suite->bad++;
    }
    suite->accepted += parsed;
    suite->refused += !parsed;
    pt_free(data);
}

static void json_test_suite(void **state)
{
    struct suite suite = {0};

    (void)state;
    snprintf(suite.path, sizeof(suite.path),
             "%s/../shared/conformance/json-test-suite/test_parsing", PT_SOURCE_DIR);
    if (pt_io_list(pt_io_posix(), suite.path, run_case, &suite, NULL) == PT_NOT_FOUND) {
        print_message("JSONTestSuite is not there: skipped\n");
        skip();
    }
    print_message("JSONTestSuite: %u taken, %u refused\n", suite.accepted, suite.refused);
    PT_CHECK(suite.bad == 0 && suite.accepted + suite.refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(the_last_of_equal_keys_counts),
        cmocka_unit_test(a_mistake_is_placed),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(whole_numbers_are_written_whole),
        cmocka_unit_test(doubles_round_trip),
        cmocka_unit_test(short_decimals_stay_short),
        cmocka_unit_test(strings_are_escaped_byte_by_byte),
        cmocka_unit_test(invalid_utf8_is_replaced_when_written),
        cmocka_unit_test(json_test_suite),
    };
    int failed = 0;

    parser = pt_json_parser_create(1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_json_parser_destroy(parser);
    return failed;
}
