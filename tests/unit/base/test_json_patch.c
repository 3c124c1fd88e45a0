/*
 * test_json_patch.c - a patch does what RFC 6902 and RFC 7396 say, whole or not at all
 *
 * Method: the examples of both RFCs' appendices, and tables of our own for what they leave out;
 * results are compared as text, since the order of members is kept. Then hostile patches, and each
 * allocation fails in turn.
 */
#include "base/json_patch.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pt_json_parser *parser;

/* Document and patch from text; the document from a padded heap copy. */
static enum pt_code patch_text(const char *document, const char *patch_json,
                               enum pt_json_patch_kind kind, struct pt_buf *out,
                               struct pt_error *err)
{
    size_t size = strlen(document);
    uint8_t *copy = pt_alloc_zero(size + PT_JSON_PADDING);
    struct pt_json_patch *patch = NULL;
    struct pt_json root;
    enum pt_code code = PT_NO_MEMORY;

    if (!copy) {
        return code;
    }
    memcpy(copy, document, size);
    code = pt_json_patch_create(&patch, pt_span_str(patch_json), kind, err);
    if (!code) {
        code = pt_json_parse(parser, pt_span_of(copy, size), &root, NULL, err);
    }
    if (!code) {
        code = pt_json_patch_apply(patch, root, out, err);
    }
    pt_json_patch_destroy(patch);
    pt_free(copy);
    return code;
}

static void expect(const char *document, const char *patch_json, enum pt_json_patch_kind kind,
                   const char *result)
{
    struct pt_error err = {0};
    struct pt_buf out;
    enum pt_code code = PT_OK;

    pt_buf_init(&out, 1 << 20);
    pt_buf_append_str(&out, "before");
    code = patch_text(document, patch_json, kind, &out, &err);
    pt_buf_append_byte(&out, 0);
    if (result && code) {
        fail_msg("%s with %s: %s", document, patch_json, err.text);
    }
    if (!result && code != PT_INVALID) {
        fail_msg("%s with %s: taken, gives %s", document, patch_json, (const char *)out.data);
    }
    if (strcmp((const char *)out.data + 6, result ? result : "") != 0) {
        fail_msg("%s with %s: gives %s, not %s", document, patch_json, (const char *)out.data + 6,
                 result ? result : "nothing");
    }
    pt_buf_release(&out);
}

/* RFC 6902, appendix A; no result: it must not apply. */
static void the_examples_of_rfc_6902(void **state)
{
    static const struct {
        const char *document;
        const char *patch;
        const char *result;
    } cases[] = {
        /* A.1 to A.7 */
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
         "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
         "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
         "{\"foo\":\"bar\"}"},
        {"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
         "{\"foo\":[\"bar\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}",
         "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
         "{\"baz\":\"boo\",\"foo\":\"bar\"}"},
        {"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
         "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
         "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}"},
        {"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
         "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
         "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"},
        /* A.8 and A.9 */
        {"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
         "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},"
         "{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
         "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"},
        {"{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL},
        /* A.10 to A.13 */
        {"{\"foo\":\"bar\"}",
         "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
         "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
         "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", NULL},
        {"{\"foo\":\"bar\"}",
         "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"op\":\"remove\"}]", NULL},
        /* A.14 to A.16 */
        {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
         "{\"/\":9,\"~1\":10}"},
        {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", NULL},
        {"{\"foo\":[\"bar\"]}",
         "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
         "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].document, cases[i].patch, PT_JSON_PATCH_AUTO, cases[i].result);
    }
}

/* RFC 7396, appendix A. */
static void the_examples_of_rfc_7396(void **state)
{
    static const struct {
        const char *document;
        const char *patch;
        const char *result;
    } cases[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        /* Section 3. */
        {"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
         "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
         "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\","
         "\"author\":{\"familyName\":null},\"tags\":[\"example\"]}",
         "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
         "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].document, cases[i].patch, PT_JSON_PATCH_MERGE, cases[i].result);
    }
    expect("{\"a\":1}", "{\"a\":null,\"b\":[null]}", PT_JSON_PATCH_AUTO, "{\"b\":[null]}");
}

static void what_the_examples_leave_out(void **state)
{
    static const struct {
        const char *document;
        const char *ops;
        const char *result;
    } cases[] = {
        {"{\"a\":1}", "[]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":[2]}]", "[2]"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":null}]", "null"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":1.0}}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}"},
        {"{\"\":1}", "[{\"op\":\"remove\",\"path\":\"/\"}]", "{}"},
        {"{\"a/b\":1,\"m~n\":2}",
         "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"replace\",\"path\":\"/"
         "m~0n\",\"value\":3}]",
         "{\"m~n\":3}"},
        {"{\"\\u0000\":1}", "[{\"op\":\"move\",\"from\":\"/\\u0000\",\"path\":\"/x\"}]",
         "{\"x\":1}"},
        {"[1,2,3]", "[{\"op\":\"add\",\"path\":\"/3\",\"value\":4}]", "[1,2,3,4]"},
        {"[1,2,3]", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":0}]", "[0,1,2,3]"},
        {"[1,2,3]",
         "[{\"op\":\"remove\",\"path\":\"/2\"},{\"op\":\"add\",\"path\":\"/-\",\"value\":9}]",
         "[1,2,9]"},
        {"[1,2,3]",
         "[{\"op\":\"replace\",\"path\":\"/2\",\"value\":9},"
         "{\"op\":\"add\",\"path\":\"/-\",\"value\":10}]",
         "[1,2,9,10]"},
        {"{\"0\":1}",
         "[{\"op\":\"add\",\"path\":\"/0\",\"value\":2},"
         "{\"op\":\"add\",\"path\":\"/01\",\"value\":3},"
         "{\"op\":\"add\",\"path\":\"/-\",\"value\":4}]",
         "{\"0\":2,\"01\":3,\"-\":4}"},
        /* A copy is one: what happens to it does not happen to the original. */
        {"{\"a\":{\"b\":[1]}}",
         "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},"
         "{\"op\":\"add\",\"path\":\"/c/b/-\",\"value\":2},{\"op\":\"remove\",\"path\":\"/a/b/"
         "0\"}]",
         "{\"a\":{\"b\":[]},\"c\":{\"b\":[1,2]}}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/a\"}]",
         "{\"a\":{\"b\":1,\"a\":{\"b\":1}}}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/a\"}]", "{\"a\":1}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]",
         "{\"b\":2,\"a\":1}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"\"}]", "1"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"\"}]",
         "{\"a\":1,\"b\":2}"},
        /* Of equal keys the last one counts. */
        {"{\"a\":1,\"b\":2,\"a\":3}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":3}]",
         "{\"a\":3,\"b\":2}"},
        /* Equality. */
        {"{\"a\":{\"x\":1,\"y\":[true,null,\"s\"]}}",
         "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"y\":[true,null,\"s\"],\"x\":1e0}}]",
         "{\"a\":{\"x\":1,\"y\":[true,null,\"s\"]}}"},
        {"[9007199254740993]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":9007199254740992.0}]",
         NULL},
        {"[18446744073709551615]",
         "[{\"op\":\"test\",\"path\":\"/0\",\"value\":18446744073709551615}]",
         "[18446744073709551615]"},
        {"[18446744073709551615]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":-1}]", NULL},
        {"[1.5]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":1}]", NULL},
        {"[\"\\u00e9\"]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":\"é\"}]", "[\"é\"]"},
        {"[{\"a\":1}]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":{\"b\":1}}]", NULL},
        {"[[1,2]]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":[2,1]}]", NULL},
        {"[[1,2]]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":[1]}]", NULL},
        {"[null]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":false}]", NULL},
        {"[[]]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":{}}]", NULL},
        /* What does not apply. */
        {"[1]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":1}]", NULL},
        {"[1]", "[{\"op\":\"add\",\"path\":\"/00\",\"value\":1}]", NULL},
        {"[1]", "[{\"op\":\"add\",\"path\":\"/1e0\",\"value\":1}]", NULL},
        {"[1]", "[{\"op\":\"replace\",\"path\":\"/-\",\"value\":1}]", NULL},
        {"[1]", "[{\"op\":\"remove\",\"path\":\"/-\"}]", NULL},
        {"[1]", "[{\"op\":\"remove\",\"path\":\"/1\"}]", NULL},
        {"[1]", "[{\"op\":\"add\",\"path\":\"/4294967296\",\"value\":1}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/b\",\"path\":\"/c\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/c\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/x/y\"}]", NULL},
        /* All or nothing. */
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"remove\",\"path\":\"/a\"}]",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].document, cases[i].ops, PT_JSON_PATCH_OPS, cases[i].result);
    }
}

static void what_is_no_patch_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *patch;
        const char *says;
    } cases[] = {
        {"", "byte 0"},
        {"[{]", "byte 2"},
        {"17", "array"},
        {"\"x\"", "array"},
        {"[1]", "operation 0: must be an object"},
        {"[{\"op\":\"test\",\"path\":\"\",\"value\":1},{}]", "operation 1: \"op\" must be"},
        {"[{\"op\":\"Add\",\"path\":\"\",\"value\":1}]", "\"op\" must be"},
        {"[{\"op\":7,\"path\":\"\",\"value\":1}]", "\"op\" must be"},
        {"[{\"op\":\"add\",\"value\":1}]", "needs \"path\""},
        {"[{\"op\":\"add\",\"path\":null,\"value\":1}]", "needs \"path\""},
        {"[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", "begins with /"},
        {"[{\"op\":\"add\",\"path\":\"/a~\",\"value\":1}]", "~0"},
        {"[{\"op\":\"add\",\"path\":\"/a~2\",\"value\":1}]", "~0"},
        {"[{\"op\":\"add\",\"path\":\"/a\"}]", "needs \"value\""},
        {"[{\"op\":\"test\",\"path\":\"/a\"}]", "needs \"value\""},
        {"[{\"op\":\"move\",\"path\":\"/a\"}]", "needs \"from\""},
        {"[{\"op\":\"copy\",\"path\":\"/a\",\"from\":1}]", "needs \"from\""},
        {"[{\"op\":\"move\",\"path\":\"/a/b\",\"from\":\"/a\"}]", "into itself"},
        {"[{\"op\":\"move\",\"path\":\"/a\",\"from\":\"\"}]", "into itself"},
        {"[{\"op\":\"remove\",\"path\":\"\"}]", "whole document"},
        {"[{\"op\":\"add\",\"path\":\"/a\",\"path\":\"/b\",\"value\":1}]", "twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_error err = {0};
        struct pt_json_patch *patch = NULL;

        PT_CHECK(pt_json_patch_create(&patch, pt_span_str(cases[i].patch), PT_JSON_PATCH_AUTO,
                                      &err) == PT_INVALID);
        PT_CHECK(!patch);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].patch, err.text);
        }
    }
}

/* The message names operation and path; a value of the document is in no message. */
static void a_failure_names_the_operation_and_no_value(void **state)
{
    struct pt_error err = {0};
    struct pt_buf out;

    (void)state;
    pt_buf_init(&out, 1 << 20);
    PT_CHECK(patch_text("{\"a\":\"secret\"}",
                        "[{\"op\":\"add\",\"path\":\"/b\",\"value\":1},"
                        "{\"op\":\"test\",\"path\":\"/a\",\"value\":\"guess\"}]",
                        PT_JSON_PATCH_AUTO, &out, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "operation 1 (test /a)") && !strstr(err.text, "secret"));
    PT_CHECK(patch_text("{\"a\":{\"b\":1}}", "[{\"op\":\"remove\",\"path\":\"/a/c/d\"}]",
                        PT_JSON_PATCH_AUTO, &out, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "/a/c is not there") != NULL);
    PT_CHECK(out.size == 0);
    pt_buf_release(&out);
}

static void append_many(struct pt_buf *text, const char *piece, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        pt_buf_append_str(text, piece);
    }
}

static void nothing_explodes(void **state)
{
    struct pt_error err = {0};
    struct pt_buf patch;
    struct pt_buf document;
    struct pt_buf out;

    (void)state;
    pt_buf_init(&patch, 1 << 20);
    pt_buf_init(&document, 1 << 22);
    pt_buf_init(&out, 1 << 20);

    /* Doubling 60 times would be 10^18 values. */
    pt_buf_append_byte(&patch, '[');
    append_many(&patch, "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"},", 60);
    pt_buf_append_str(&patch, "{\"op\":\"test\",\"path\":\"/b\",\"value\":0}]");
    pt_buf_append_byte(&patch, 0);
    PT_CHECK(patch_text("{\"a\":[1]}", (const char *)patch.data, PT_JSON_PATCH_AUTO, &out, &err) ==
             PT_TOO_BIG);

    /* Each round a level deeper. */
    pt_buf_reset(&patch);
    pt_buf_append_byte(&patch, '[');
    append_many(&patch,
                "{\"op\":\"add\",\"path\":\"/b\",\"value\":{}},"
                "{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/a\"},"
                "{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"},",
                70);
    patch.size--;
    pt_buf_append_str(&patch, "]");
    pt_buf_append_byte(&patch, 0);
    PT_CHECK(patch_text("{\"a\":1}", (const char *)patch.data, PT_JSON_PATCH_AUTO, &out, &err) ==
             PT_TOO_BIG);
    PT_CHECK(strstr(err.text, "deeper") != NULL);

    /* Too many operations, too many steps of a pointer, too large a result. */
    pt_buf_reset(&patch);
    pt_buf_append_byte(&patch, '[');
    append_many(&patch, "{\"op\":\"remove\",\"path\":\"/a\"},", PT_JSON_PATCH_OPS_MAX);
    pt_buf_append_str(&patch, "{\"op\":\"remove\",\"path\":\"/a\"}]");
    pt_buf_append_byte(&patch, 0);
    PT_CHECK(patch_text("{}", (const char *)patch.data, PT_JSON_PATCH_AUTO, &out, &err) ==
             PT_TOO_BIG);
    pt_buf_reset(&patch);
    pt_buf_append_str(&patch, "[{\"op\":\"remove\",\"path\":\"");
    append_many(&patch, "/", 100000);
    pt_buf_append_str(&patch, "\"}]");
    pt_buf_append_byte(&patch, 0);
    PT_CHECK(patch_text("{}", (const char *)patch.data, PT_JSON_PATCH_AUTO, &out, &err) ==
             PT_TOO_BIG);
    out.bytes_max = 8;
    PT_CHECK(patch_text("{}", "{\"key\":\"value\"}", PT_JSON_PATCH_AUTO, &out, &err) == PT_TOO_BIG);
    PT_CHECK(out.size == 0 && !out.has_failed);
    out.bytes_max = 1 << 20;

    /* 50,000 members that a test compares in the worst order. */
    pt_buf_append_byte(&document, '{');
    pt_buf_reset(&patch);
    pt_buf_append_str(&patch, "[{\"op\":\"test\",\"path\":\"\",\"value\":{");
    for (unsigned i = 0; i < 50000; i++) {
        pt_buf_appendf(&document, "%s\"k%u\":1", i ? "," : "", i);
        pt_buf_appendf(&patch, "%s\"k%u\":1", i ? "," : "", 49999 - i);
    }
    pt_buf_append_str(&document, "}");
    pt_buf_append_byte(&document, 0);
    pt_buf_append_str(&patch, "}}]");
    pt_buf_append_byte(&patch, 0);
    PT_CHECK(!patch.has_failed && !document.has_failed);
    PT_CHECK(patch_text((const char *)document.data, (const char *)patch.data, PT_JSON_PATCH_AUTO,
                        &out, &err) == PT_TOO_BIG);
    PT_CHECK(strstr(err.text, "work") != NULL);
    /* In the order of the document it is no work at all. */
    PT_CHECK_OK(patch_text((const char *)document.data,
                           "[{\"op\":\"remove\",\"path\":\"/k49999\"}]", PT_JSON_PATCH_AUTO, &out,
                           &err),
                err);
    pt_buf_release(&patch);
    pt_buf_release(&document);
    pt_buf_release(&out);
}

static void a_patch_serves_many_documents(void **state)
{
    struct pt_error err = {0};
    struct pt_json_patch *patch = NULL;
    struct pt_buf out;

    (void)state;
    pt_buf_init(&out, 1 << 20);
    PT_CHECK_OK(pt_json_patch_create(&patch,
                                     pt_span_str("[{\"op\":\"move\",\"from\":\"/userId\","
                                                 "\"path\":\"/user_id\"}]"),
                                     PT_JSON_PATCH_AUTO, &err),
                err);
    for (unsigned i = 0; i < 1000; i++) {
        char text[128] = {0};
        char wanted[64];
        int size = snprintf(text, 64, "{\"userId\":\"u%u\",\"a\":%u}", i, i);
        struct pt_json root;

        PT_CHECK_OK(pt_json_parse(parser, pt_span_of(text, (size_t)size), &root, NULL, &err), err);
        pt_buf_reset(&out);
        PT_CHECK_OK(pt_json_patch_apply(patch, root, &out, &err), err);
        snprintf(wanted, sizeof(wanted), "{\"a\":%u,\"user_id\":\"u%u\"}", i, i);
        PT_CHECK(pt_span_is(pt_buf_span(&out), wanted));
    }
    pt_json_patch_destroy(patch);
    pt_buf_release(&out);
}

static void each_allocation_may_fail(void **state)
{
    bool has_fired = true;
    unsigned nth = 1;

    (void)state;
    for (; has_fired; nth++) {
        struct pt_error err = {0};
        struct pt_buf out;
        enum pt_code code = PT_OK;

        pt_buf_init(&out, 1 << 20);
        pt_mem_fail_after(nth);
        code = patch_text("{\"a\":[1,{\"b\":2}]}",
                          "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},"
                          "{\"op\":\"add\",\"path\":\"/a/-\",\"value\":3}]",
                          PT_JSON_PATCH_AUTO, &out, &err);
        has_fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(has_fired ? code == PT_NO_MEMORY || code == PT_TOO_BIG : code == PT_OK);
        PT_CHECK((code == PT_OK) == (out.size > 0));
        pt_buf_release(&out);
    }
    PT_CHECK(nth > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_6902),
        cmocka_unit_test(the_examples_of_rfc_7396),
        cmocka_unit_test(what_the_examples_leave_out),
        cmocka_unit_test(what_is_no_patch_is_refused_with_its_place),
        cmocka_unit_test(a_failure_names_the_operation_and_no_value),
        cmocka_unit_test(nothing_explodes),
        cmocka_unit_test(a_patch_serves_many_documents),
        cmocka_unit_test(each_allocation_may_fail),
    };
    int failed = 0;

    parser = pt_json_parser_create(1 << 22);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_json_parser_destroy(parser);
    return failed;
}
