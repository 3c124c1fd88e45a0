/*
 * test_http_query.c - the words of a path and of a query
 *
 * Promise: a query falls apart into its names and values wherever it is cut, and an escape is
 * undone where it is one and stands for itself where it is none.
 *
 * Method: texts with what is expected of them; what is decoded lies at the end of an allocation of
 * its very size, so that a byte read behind it is found by the sanitizers.
 */
#include "check.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "http/http.h"

#define AS_SENT false
#define AS_FORM true
#define ALL SIZE_MAX

static void escapes_are_undone(void **state)
{
    static const struct {
        const char *text;
        bool is_form;
        size_t room;
        const char *decoded;
        bool is_sound;
    } cases[] = {
        {"", AS_SENT, ALL, "", true},
        {"plain", AS_SENT, ALL, "plain", true},
        {"%41%5a%7E", AS_SENT, ALL, "AZ~", true},
        {"a%2Fb%25c", AS_SENT, ALL, "a/b%c", true},
        {"%2541", AS_SENT, ALL, "%41", true}, /* once, not twice */
        {"1+1", AS_SENT, ALL, "1+1", true},
        {"1+1%2B1", AS_FORM, ALL, "1 1+1", true},
        {"%", AS_SENT, ALL, "%", false},
        {"%4", AS_SENT, ALL, "%4", false},
        {"%g1%41", AS_SENT, ALL, "%g1A", false},
        {"%1g", AS_SENT, ALL, "%1g", false},
        {"50%+off", AS_FORM, ALL, "50% off", false},
        {"%%41", AS_SENT, ALL, "%A", false},
        {"%41%42%43", AS_SENT, 3, "ABC", true},
        {"%41%42%43", AS_SENT, 2, "AB", false},
        {"abc", AS_SENT, 0, "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = strlen(cases[i].text);
        size_t room = cases[i].room == ALL ? bytes : cases[i].room;
        uint8_t *text = pt_alloc(bytes + 1);
        uint8_t *out = pt_alloc(room + 1);
        size_t size = ALL;

        PT_CHECK(text && out);
        memcpy(text + 1, cases[i].text, bytes);
        PT_CHECK(pt_percent_decode(pt_span_of(text + 1, bytes), cases[i].is_form, out + 1, room,
                                   &size) == cases[i].is_sound);
        if (!pt_span_is(pt_span_of(out + 1, size), cases[i].decoded)) {
            fail_msg("%s became %.*s", cases[i].text, (int)size, (const char *)out + 1);
        }
        pt_free(text);
        pt_free(out);
    }
}

static void a_query_falls_apart(void **state)
{
    struct pt_span query = pt_span_str("a=1&bb=&c&=d&&e=f=g&");
    static const char *const parts[][2] = {{"a", "1"}, {"bb", ""}, {"c", NULL},
                                           {"", "d"},  {"", NULL}, {"e", "f=g"}};
    struct pt_span name;
    struct pt_span value;

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        PT_CHECK(pt_http_query_next(&query, &name, &value));
        PT_CHECK(pt_span_is(name, parts[i][0]));
        PT_CHECK(!value.data == !parts[i][1] && pt_span_is(value, parts[i][1]));
    }
    PT_CHECK(!pt_http_query_next(&query, &name, &value));
    query = (struct pt_span){0};
    PT_CHECK(!pt_http_query_next(&query, &name, &value));
}

static void a_value_is_found_by_its_name(void **state)
{
    struct pt_span query = pt_span_str("keys=0&key&key=a%20b&key=c&=e&last=");

    (void)state;
    PT_CHECK(pt_span_is(pt_http_query_value(query, "key"), "a%20b"));
    PT_CHECK(pt_span_is(pt_http_query_value(query, "keys"), "0"));
    PT_CHECK(pt_http_query_value(query, "last").data != NULL);
    PT_CHECK(pt_http_query_value(query, "last").size == 0);
    PT_CHECK(pt_http_query_value(query, "ke").data == NULL);
    PT_CHECK(pt_http_query_value(query, "0").data == NULL);
    PT_CHECK(pt_http_query_value((struct pt_span){0}, "key").data == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(a_query_falls_apart),
        cmocka_unit_test(a_value_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
