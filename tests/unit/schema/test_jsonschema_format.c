/*
 * test_jsonschema_format.c - what each format takes and refuses
 *
 * Method: tables from the texts of the RFCs; tests/conformance has the suite's own cases, here
 * stand the formats that its shared part leaves out, and the corners that reading the grammar
 * suggests.
 */
#include "check.h"
#include "schema/format.h"
#include "schema/regex.h"

#include <string.h>

struct text_case {
    enum pt_format format;
    const char *text;
    bool is_taken;
};

static void check_all(const struct text_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pt_format_check(cases[i].format, pt_span_str(cases[i].text)) != cases[i].is_taken) {
            fail_msg("%s: \"%s\" is %s", pt_format_name(cases[i].format), cases[i].text,
                     cases[i].is_taken ? "refused" : "taken");
        }
    }
}

#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof((cases)[0]))

static void uris(void **state)
{
    static const struct text_case cases[] = {
        {PT_FORMAT_URI, "http://foo.bar/?baz=qux#quux", true},
        {PT_FORMAT_URI, "http://foo.com/blah_(wikipedia)_blah#cite-1", true},
        {PT_FORMAT_URI, "http://foo.bar/?q=Test%20URL-encoded%20stuff", true},
        {PT_FORMAT_URI, "http://xn--nw2a.xn--j6w193g/", true},
        {PT_FORMAT_URI, "http://-.~_!$&'()*+,;=:%40:80%2f::::::@example.com", true},
        {PT_FORMAT_URI, "http://223.255.255.254", true},
        {PT_FORMAT_URI, "ftp://ftp.is.co.za/rfc/rfc1808.txt", true},
        {PT_FORMAT_URI, "ldap://[2001:db8::7]/c=GB?objectClass?one", true},
        {PT_FORMAT_URI, "mailto:John.Doe@example.com", true},
        {PT_FORMAT_URI, "news:comp.infosystems.www.servers.unix", true},
        {PT_FORMAT_URI, "tel:+1-816-555-1212", true},
        {PT_FORMAT_URI, "urn:oasis:names:specification:docbook:dtd:xml:4.1.2", true},
        {PT_FORMAT_URI, "http://example.com:/", true},
        {PT_FORMAT_URI, "http://[v1.a:b]/", true},
        {PT_FORMAT_URI, "file:///etc/hosts", true},
        {PT_FORMAT_URI, "a:", true},
        {PT_FORMAT_URI, "//foo.bar/?baz=qux#quux", false},
        {PT_FORMAT_URI, "/abc", false},
        {PT_FORMAT_URI, "\\\\WINDOWS\\fileshare", false},
        {PT_FORMAT_URI, "abc", false},
        {PT_FORMAT_URI, "", false},
        {PT_FORMAT_URI, "http:// shouldfail.com", false},
        {PT_FORMAT_URI, ":// should fail", false},
        {PT_FORMAT_URI, "bar,baz:foo", false},
        {PT_FORMAT_URI, "1a:b", false},
        {PT_FORMAT_URI, "https://[@example.org/test.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar\\.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar<>.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar{}.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar^.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar`.txt", false},
        {PT_FORMAT_URI, "https://example.org/foo bar.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar|.txt", false},
        {PT_FORMAT_URI, "https://example.org/foobar\".txt", false},
        {PT_FORMAT_URI, "http://example.com/%4", false},
        {PT_FORMAT_URI, "http://example.com/%zz", false},
        {PT_FORMAT_URI, "http://a@b@c/", false},
        {PT_FORMAT_URI, "http://example.com:80a/", false},
        {PT_FORMAT_URI, "http://[::1", false},
        {PT_FORMAT_URI, "http://[::1]a/", false},
        {PT_FORMAT_URI, "http://[v.a]/", false},
        {PT_FORMAT_URI, "http://[fe80::1%25en0]/", false},
        {PT_FORMAT_URI, "http://example.com/\xc3\xa9", false},
        {PT_FORMAT_URI, "http://example.com/a#b#c", false},
        {PT_FORMAT_URI, "http://example.com/[", false},
        {PT_FORMAT_URI_REFERENCE, "//foo.bar/?baz=qux#quux", true},
        {PT_FORMAT_URI_REFERENCE, "/abc", true},
        {PT_FORMAT_URI_REFERENCE, "abc", true},
        {PT_FORMAT_URI_REFERENCE, "", true},
        {PT_FORMAT_URI_REFERENCE, "#frag", true},
        {PT_FORMAT_URI_REFERENCE, "?q", true},
        {PT_FORMAT_URI_REFERENCE, "a/b:c", true},
        {PT_FORMAT_URI_REFERENCE, "./a:b", true},
        {PT_FORMAT_URI_REFERENCE, "1a:b", false},
        {PT_FORMAT_URI_REFERENCE, "#frag\\ment", false},
        {PT_FORMAT_URI_REFERENCE, "\\\\WINDOWS\\fileshare", false},
        {PT_FORMAT_URI_REFERENCE, "/\xc3\xa9", false},
        {PT_FORMAT_IRI_REFERENCE,
         "//\xc6\x92\xc3\xb8\xc3\xb8.\xc3\x9f\xc3\xa5r/?\xe2\x88\x82=1#\xc3\xbc", true},
        {PT_FORMAT_IRI_REFERENCE, "/\xc3\xa2\xcf\x80\xcf\x80", true},
        {PT_FORMAT_IRI_REFERENCE, "\xc3\xa2\xcf\x80\xcf\x80", true},
        {PT_FORMAT_IRI_REFERENCE, "#\xc6\x92r\xc3\xa4gm\xc3\xaant", true},
        {PT_FORMAT_IRI_REFERENCE, "#\xc6\x92r\xc3\xa4g\\m\xc3\xaant", false},
        {PT_FORMAT_IRI_REFERENCE, "\\\\WINDOWS\\fil\xc3\xab\xc3\x9f", false},
        /* Private use stands in a query alone. */
        {PT_FORMAT_IRI, "http://a/?\xee\x80\x80", true},
        {PT_FORMAT_IRI, "http://a/\xee\x80\x80", false},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void mail_addresses(void **state)
{
    static const struct text_case cases[] = {
        {PT_FORMAT_EMAIL, "joe.bloggs@example.com", true},
        {PT_FORMAT_EMAIL, "te~st@example.com", true},
        {PT_FORMAT_EMAIL, "~test@example.com", true},
        {PT_FORMAT_EMAIL, "test~@example.com", true},
        {PT_FORMAT_EMAIL, "te.s.t@example.com", true},
        {PT_FORMAT_EMAIL, "a+b=c@localhost", true},
        {PT_FORMAT_EMAIL, "\"joe bloggs\"@example.com", true},
        {PT_FORMAT_EMAIL, "\"joe..bloggs\"@example.com", true},
        {PT_FORMAT_EMAIL, "\"joe@bloggs\"@example.com", true},
        {PT_FORMAT_EMAIL, "\"a\\\"b\"@example.com", true},
        {PT_FORMAT_EMAIL, "joe.bloggs@[127.0.0.1]", true},
        {PT_FORMAT_EMAIL, "joe.bloggs@[IPv6:::1]", true},
        {PT_FORMAT_EMAIL, "2962", false},
        {PT_FORMAT_EMAIL, "", false},
        {PT_FORMAT_EMAIL, "@", false},
        {PT_FORMAT_EMAIL, "@example.com", false},
        {PT_FORMAT_EMAIL, "a@", false},
        {PT_FORMAT_EMAIL, ".test@example.com", false},
        {PT_FORMAT_EMAIL, "test.@example.com", false},
        {PT_FORMAT_EMAIL, "te..st@example.com", false},
        {PT_FORMAT_EMAIL, "a b@example.com", false},
        {PT_FORMAT_EMAIL, "\"a\"b\"@example.com", false},
        {PT_FORMAT_EMAIL, "\"a\\\"@example.com", false},
        {PT_FORMAT_EMAIL, "\"@example.com", false},
        {PT_FORMAT_EMAIL, "joe.bloggs@invalid=domain.com", false},
        {PT_FORMAT_EMAIL, "joe.bloggs@[127.0.0.300]", false},
        {PT_FORMAT_EMAIL, "joe.bloggs@[IPv6:1]", false},
        {PT_FORMAT_EMAIL, "joe@-a.com", false},
        {PT_FORMAT_EMAIL, "joe@a-.com", false},
        {PT_FORMAT_EMAIL, "joe@a..com", false},
        {PT_FORMAT_EMAIL, "joe@a.com.", false},
        {PT_FORMAT_EMAIL, "a@b@example.com", false},
        {PT_FORMAT_EMAIL, "user1@a.com, user2@a.com", false},
        {PT_FORMAT_EMAIL, "\"Winston Smith\" <winston@a.com>", false},
        {PT_FORMAT_EMAIL, "\xc3\xa9@example.com", false},
        {PT_FORMAT_EMAIL, "joe@example.com\n", false},
        {PT_FORMAT_EMAIL,
         "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbabcde@example.com", false},
        {PT_FORMAT_IDN_EMAIL, "\xc3\xa9@\xc3\xa9.example", true},
        {PT_FORMAT_IDN_EMAIL, "a@\xe3\x80\x82", false},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void dates_and_times(void **state)
{
    static const struct text_case cases[] = {
        {PT_FORMAT_DATE, "1963-06-19", true},
        {PT_FORMAT_DATE, "2020-01-31", true},
        {PT_FORMAT_DATE, "2020-02-29", true},
        {PT_FORMAT_DATE, "2000-02-29", true},
        {PT_FORMAT_DATE, "0000-02-29", true},
        {PT_FORMAT_DATE, "2021-02-29", false},
        {PT_FORMAT_DATE, "1900-02-29", false},
        {PT_FORMAT_DATE, "2020-02-30", false},
        {PT_FORMAT_DATE, "2020-04-31", false},
        {PT_FORMAT_DATE, "2020-13-01", false},
        {PT_FORMAT_DATE, "2020-00-01", false},
        {PT_FORMAT_DATE, "2020-01-00", false},
        {PT_FORMAT_DATE, "06/19/1963", false},
        {PT_FORMAT_DATE, "2013-350", false},
        {PT_FORMAT_DATE, "1998-1-20", false},
        {PT_FORMAT_DATE, "1998-01-1", false},
        {PT_FORMAT_DATE, "20230328", false},
        {PT_FORMAT_DATE, "2023-W01", false},
        {PT_FORMAT_DATE, "2023-W13-2", false},
        {PT_FORMAT_DATE, "1963-06-1\xe0\xa7\xaa", false},
        {PT_FORMAT_DATE, "2020-11-28T23:55:45Z", false},
        {PT_FORMAT_DATE, " 1963-06-19", false},
        {PT_FORMAT_DATE, "1963-06-19\n", false},
        {PT_FORMAT_DATE, "", false},
        {PT_FORMAT_TIME, "12:00:00.Z", false},
        {PT_FORMAT_TIME, "12:00:00.5", false},
        {PT_FORMAT_TIME, "12:00:00+01:00:00", false},
        {PT_FORMAT_DATE_TIME, "1998-12-31T23:59:60+00:00", true},
        {PT_FORMAT_DATE_TIME, "2026-11-01 12:00:00Z", false},
        {PT_FORMAT_DATE_TIME, "2026-11-01T12:00:00", false},
        {PT_FORMAT_DURATION, "P1Y3D", false},
        {PT_FORMAT_DURATION, "P1W1D", false},
        {PT_FORMAT_DURATION, "PW", false},
        {PT_FORMAT_DURATION, "P1YT1S", true},
        {PT_FORMAT_DURATION, "P1DT", false},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void pointers_and_the_rest(void **state)
{
    static const struct text_case cases[] = {
        {PT_FORMAT_JSON_POINTER, "", true},
        {PT_FORMAT_JSON_POINTER, "/", true},
        {PT_FORMAT_JSON_POINTER, "/foo/bar~0/baz~1/%a", true},
        {PT_FORMAT_JSON_POINTER, "/foo//bar", true},
        {PT_FORMAT_JSON_POINTER, "/foo/-", true},
        {PT_FORMAT_JSON_POINTER, "/i\\j k\"l", true},
        {PT_FORMAT_JSON_POINTER, "/~1.1", true},
        {PT_FORMAT_JSON_POINTER, "/foo/bar~", false},
        {PT_FORMAT_JSON_POINTER, "/~2", false},
        {PT_FORMAT_JSON_POINTER, "#", false},
        {PT_FORMAT_JSON_POINTER, "#/a", false},
        {PT_FORMAT_JSON_POINTER, "a", false},
        {PT_FORMAT_JSON_POINTER, "0", false},
        {PT_FORMAT_JSON_POINTER, "a/a", false},
        {PT_FORMAT_REGEX, "([abc])+\\s+$", true},
        {PT_FORMAT_REGEX, "^(abc]", false},
        {PT_FORMAT_REGEX, "^\\S(|(.|\\n)*\\S)\\Z", false},
        {PT_FORMAT_REGEX, "\\a", false},
        {PT_FORMAT_REGEX, "a**", false},
        {PT_FORMAT_REGEX, "a++", false},
        {PT_FORMAT_REGEX, "[z-a]", false},
        {PT_FORMAT_REGEX, "(?>a)", false},
        {PT_FORMAT_REGEX, "(?i)a", false},
        {PT_FORMAT_REGEX, "(*ACCEPT)", false},
        {PT_FORMAT_REGEX, "[[:alpha:]]", true},
        {PT_FORMAT_REGEX, "(?<year>\\d{4})-\\k<year>", true},
        {PT_FORMAT_REGEX, "\\p{Script=Greek}", true},
        {PT_FORMAT_REGEX, "\\p{Nonsense}", false},
        {PT_FORMAT_REGEX, "", true},
        {PT_FORMAT_IPV6, "::1.2.3.4", true},
        {PT_FORMAT_IPV6, "1:2:3:4:5:6:7::", true},
        {PT_FORMAT_IPV6, "::2:3:4:5:6:7:8", true},
        {PT_FORMAT_IPV6, "1:2:3:4:5:6:7:8::", false},
        {PT_FORMAT_IPV6, "1:2:3:4:5:6:7:1.2.3.4", false},
        {PT_FORMAT_IPV6, ":", false},
        {PT_FORMAT_IPV6, ":::", false},
        {PT_FORMAT_IPV6, "", false},
        {PT_FORMAT_IPV4, "1.2.3.4.", false},
        {PT_FORMAT_IPV4, "0001.2.3.4", false},
    };

    (void)state;
    CHECK_ALL(cases);
}

/* ---- patterns ---- */

static void patterns_mean_what_ecma_262_says(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } cases[] = {
        {"^a*$", "aaa", true},
        {"^a*$", "aab", false},
        {"a", "xax", true},
        {"^.$", "\n", false},
        {"^.$", "\xe2\x80\xa8", false},
        {"^.$", "\xf0\x9f\x90\xb2", true},
        {"^\xf0\x9f\x90\xb2*$", "\xf0\x9f\x90\xb2\xf0\x9f\x90\xb2", true},
        {"^\\ud83d\\udc32$", "\xf0\x9f\x90\xb2", true},
        {"^\\u{1f432}$", "\xf0\x9f\x90\xb2", true},
        {"^[^]$", "\n", true},
        {"[]", "a", false},
        {"^[\\s\\S]$", "\n", true},
        {"^[^\\s]$", "\xc2\xa0", false},
        {"^[\\w-]+$", "a-b", true},
        {"^[a-]+$", "a-", true},
        {"^[\\]a]+$", "]a", true},
        {"^[[]$", "[", true},
        {"^\\x41\\u0042\\cJ\\0?$", "AB\n", true},
        {"^(a)?b\\1$", "b", true},
        {"^(?=a)\\w(?!b)", "ac", true},
        {"(?<=a)b", "ab", true},
        {"(?<!a)b", "ab", false},
        {"^{$", "{", true},
        {"^a{2}$", "aa", true},
        {"^a{,2}$", "a{,2}", true},
        {"^\\P{L}$", "1", true},
        {"^[\\p{Lu}\\d]+$", "A1", true},
        {"^[\\b]$", "\b", true},
        {"\\bfoo\\b", "a foo b", true},
        {"^\\p{Assigned}$", "a", true},
        {"^\\-\\@\\/$", "-@/", true},
        {"^[0-9a-f]{8}-[0-9a-f]{4}$", "01234567-89ab", true},
        {"^[0-9a-f]{8}-[0-9a-f]{4}$", "01234567-89aB", false},
        {"^q_[0-9]{4}$", "q_0001", true},
        {"^q_[0-9]{4}$", "q_00011", false},
        {"^[a-z][a-z0-9_]*$", "snake_case9", true},
        {"^[a-z][a-z0-9_]*$", "Snake", false},
        {"^a?a$", "a", true},
        {"^\\d{1,3}\\.\\d+$", "12.5", true},
        {"^x-", "x-anything", true},
        {"^a{0}b$", "b", true},
        {"^\\d+$", "\xe0\xa7\xaa", false},
    };
    struct pt_regex_space *space = pt_regex_space_create();

    (void)state;
    PT_CHECK(space != NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_regex *regex = NULL;
        struct pt_error err = {0};
        uint64_t steps = 1000000;

        if (pt_regex_compile(&regex, pt_span_str(cases[i].pattern), &err)) {
            fail_msg("%s: %s", cases[i].pattern, err.text);
        }
        if (pt_regex_match(regex, pt_span_str(cases[i].text), space, &steps) !=
            (cases[i].matches ? PT_MATCH_YES : PT_MATCH_NO)) {
            fail_msg("%s over \"%s\"", cases[i].pattern, cases[i].text);
        }
        pt_regex_destroy(regex);
    }
    pt_regex_space_destroy(space);
}

/* The small loop is meant for these and no others: what it cannot decide by one character is not
 * its. */
static void plain_patterns_take_the_small_loop(void **state)
{
    static const char *const plain[] = {
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "^q_[0-9]{4}$",
        "^[a-z][a-z0-9_]*$",
        "^\\d+\\.\\d+\\.\\d+$",
        "^x-",
        "^\\w{3,16}$",
    };
    static const char *const others[] = {
        "a",     "^a|b$", "^(a)$",      "^.$",       "^[^a]$", "^a?a$",
        "^a*?$", "^\\s$", "^\xc3\xa9$", "^[a-z]*b$", "",
    };
    struct pt_linear linear;

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        PT_CHECK(pt_linear_compile(&linear, pt_span_str(plain[i])));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        PT_CHECK(!pt_linear_compile(&linear, pt_span_str(others[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris),
        cmocka_unit_test(mail_addresses),
        cmocka_unit_test(dates_and_times),
        cmocka_unit_test(pointers_and_the_rest),
        cmocka_unit_test(patterns_mean_what_ecma_262_says),
        cmocka_unit_test(plain_patterns_take_the_small_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
