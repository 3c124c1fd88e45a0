/*
 * test_page.c - a report's numbers, names and plan read as they should
 *
 * Promise: numbers have their sign, unit and separators, what is no number is a dash, names are
 * text and never markup, and the indented plan is the same JSON. Method: tables of values, and the
 * indented text without its white space.
 */
#include "check.h"

#include "experiment/readout_page.h"
#include "experiment/svg.h"

#include <math.h>

#define MINUS "\xe2\x88\x92"
#define DASH "\xe2\x80\x93"
#define SPACE "\xc2\xa0"

static struct pt_buf buf;

static void is(const char *want)
{
    pt_buf_append_byte(&buf, 0);
    assert_false(buf.has_failed);
    assert_string_equal((const char *)buf.data, want);
    pt_buf_reset(&buf);
}

static void numbers_have_sign_and_unit(void **state)
{
    static const struct {
        double value;
        bool is_share;
        const char *number;
        const char *difference;
    } cases[] = {
        {0.182, true, "18.20" SPACE "%", "+18.20" SPACE "pp"},
        {-0.0082, true, MINUS "0.82" SPACE "%", MINUS "0.82" SPACE "pp"},
        {0, true, "0.00" SPACE "%", "0.00" SPACE "pp"},
        {51.0309, false, "51.031", "+51.031"},
        {-1234567, false, MINUS "1.2346e+06", MINUS "1.2346e+06"},
        {NAN, true, DASH, DASH},
        {HUGE_VAL, false, DASH, DASH},
        {-HUGE_VAL, true, DASH, DASH},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pt_html_number(&buf, cases[i].value, cases[i].is_share);
        is(cases[i].number);
        pt_html_difference(&buf, cases[i].value, cases[i].is_share);
        is(cases[i].difference);
    }
}

static void counts_and_p_are_short(void **state)
{
    static const struct {
        double count;
        const char *text;
    } counts[] = {{0, "0"},           {999, "999"}, {1000, "1,000"},
                  {44700, "44,700"},  {NAN, "0"},   {9007199254740992, "9,007,199,254,740,992"},
                  {123456, "123,456"}};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        pt_html_count(&buf, counts[i].count);
        is(counts[i].text);
    }
    pt_html_p_is(&buf, 0.00862);
    is("p = 0.0086");
    pt_html_p_is(&buf, 1e-9);
    is("p &lt;" SPACE "0.0001");
    pt_html_p(&buf, 0);
    is("&lt;" SPACE "0.0001");
    pt_html_p(&buf, NAN);
    is(DASH);
}

static void metrics_are_said_and_escaped(void **state)
{
    struct pt_plan_metric metric = {.kind = PT_PLAN_MEAN,
                                    .sum = {"<b>buy", "price&tax"},
                                    .denominator = {"buy", ""},
                                    .days = 7,
                                    .winsorise = 0.999};

    (void)state;
    pt_html_metric(&buf, &metric);
    is("price&amp;tax of &lt;b&gt;buy a player within 7 days, capped at the 99.9" SPACE
       "% quantile");
    metric.kind = PT_PLAN_RATIO;
    metric.winsorise = 1;
    metric.days = 1;
    pt_html_metric(&buf, &metric);
    is("price&amp;tax of &lt;b&gt;buy / number of buy within 1 day");
    metric.kind = PT_PLAN_RETENTION;
    pt_html_metric(&buf, &metric);
    is("came back on day 1");
}

/* Without white space outside strings the indented text is what it was made from. */
static void indented_json_is_the_same(void **state)
{
    static const char json[] =
        "{\"a\":[1,2],\"b\":[{\"c\":\"x, [y] {z} \\\"q\\\": \\\\\"},{}],\"d\":{"
        "\"e\":null},\"f\":[]}";
    char packed[256];
    size_t size = 0;
    bool is_text = false;

    (void)state;
    pt_html_json(&buf, json);
    pt_buf_append_byte(&buf, 0);
    assert_true(strstr((const char *)buf.data, "\n    {\n") ||
                strstr((const char *)buf.data, "\n  &quot;b&quot;: [\n"));
    for (const char *at = (const char *)buf.data; *at; at++) {
        char one = *at;

        if (strncmp(at, "&quot;", 6) == 0) {
            one = '"';
            at += 5;
        }
        if (one == '\\') {
            packed[size++] = one;
            one = *++at;
            if (strncmp(at, "&quot;", 6) == 0) {
                one = '"';
                at += 5;
            }
        } else if (one == '"') {
            is_text = !is_text;
        } else if (!is_text && (one == ' ' || one == '\n')) {
            continue;
        }
        packed[size++] = one;
    }
    packed[size] = '\0';
    assert_string_equal(packed, json);
    pt_buf_reset(&buf);
}

static void axes_have_round_numbers(void **state)
{
    struct pt_svg svg = {.x_high = 1.92, .y_low = -3.1, .y_high = 4.4};

    (void)state;
    pt_svg_begin(&svg, &buf, 300, "a & b");
    pt_svg_x_ticks(&svg);
    pt_svg_y_grid(&svg, 1, " pp");
    pt_svg_end(&svg);
    pt_buf_append_byte(&buf, 0);
    assert_false(buf.has_failed);
    for (size_t i = 0; i < 4; i++) {
        static const char *const labels[] = {">0<", ">0.5<", ">1<", ">1.5<"};

        assert_non_null(strstr((const char *)buf.data, labels[i]));
    }
    assert_null(strstr((const char *)buf.data, ">2<"));
    assert_non_null(strstr((const char *)buf.data, ">" MINUS "2 pp<"));
    assert_non_null(strstr((const char *)buf.data, ">4 pp<"));
    assert_non_null(strstr((const char *)buf.data, "a &amp; b"));
    pt_buf_reset(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_sign_and_unit),   cmocka_unit_test(counts_and_p_are_short),
        cmocka_unit_test(metrics_are_said_and_escaped), cmocka_unit_test(indented_json_is_the_same),
        cmocka_unit_test(axes_have_round_numbers),
    };
    int failed = 0;

    pt_buf_init(&buf, 1u << 16);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_buf_release(&buf);
    return failed;
}
