/*
 * test_json_schema.c - JSON Schema means here what its test suite says
 *
 * Method: every case of the shared part of JSON-Schema-Test-Suite, draft-07 and 2020-12, optional
 * ones as well; optional/format/ with formats asserted, as the suite has it. `remotes/` answers for
 * http://localhost:1234/. A case that fails and is not in the table of known ones fails the test,
 * and so does one in the table that passes.
 */
#include "base/io.h"
#include "check.h"
#include "schema/schema.h"

#include <inttypes.h>
#include <stdio.h>

#define SUITE PT_SOURCE_DIR "/../shared/conformance/json-schema-test-suite"
#define REMOTES "http://localhost:1234/"
#define FILE_BYTES_MAX (1u << 20)
#define FILES_MAX 256

/* Stands for a number beyond uint64, which our parser refuses together with its document. */
#define BIGNUM "\"@bignum@\""

/* Optional cases that fail, each with the reason. NULL: all that are in the file or the group. */
static const struct known {
    const char *draft;
    const char *file;
    const char *group;
    const char *test;
    const char *why;
} known[] = {
    {"draft7", "optional/bignum.json", "integer", NULL,
     "integers beyond uint64 are refused when a document is read"},
    {"draft7", "optional/bignum.json", "number", NULL, "as above"},
    {"draft7", "optional/bignum.json", "string", NULL, "as above"},
    {"draft7", "optional/bignum.json", "minimum integer comparison", NULL, "as above"},
    {"draft2020-12", "optional/bignum.json", "integer", NULL, "as above"},
    {"draft2020-12", "optional/bignum.json", "number", NULL, "as above"},
    {"draft2020-12", "optional/bignum.json", "string", NULL, "as above"},
    {"draft2020-12", "optional/bignum.json", "minimum integer comparison", NULL, "as above"},
    {"draft7", "optional/content.json", "validation of string-encoded content based on media type",
     "an invalid JSON document",
     "contentMediaType and contentEncoding only annotate, as 2020-12 has it"},
    {"draft7", "optional/content.json", "validation of binary string-encoding",
     "an invalid base64 string (% is not a valid character)", "as above"},
    {"draft7", "optional/content.json", "validation of binary-encoded media type documents",
     "a validly-encoded invalid JSON document", "as above"},
    {"draft7", "optional/content.json", "validation of binary-encoded media type documents",
     "an invalid base64 string that is valid JSON", "as above"},
};

static unsigned known_seen[sizeof(known) / sizeof(known[0])];

struct counts {
    unsigned passed;
    unsigned required;
    unsigned known;
    unsigned failed;
};

static struct counts counts;

static enum pt_code resolve(void *ctx, const char *uri, struct pt_buf *json_out,
                            struct pt_error *err)
{
    char path[512];
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    (void)ctx;
    if (strncmp(uri, REMOTES, sizeof(REMOTES) - 1) != 0) {
        return pt_fail(err, PT_NOT_FOUND, "%s is not served", uri);
    }
    snprintf(path, sizeof(path), SUITE "/remotes/%s", uri + sizeof(REMOTES) - 1);
    code = pt_io_read_all(pt_io_posix(), path, FILE_BYTES_MAX, 1, &data, &size, err);
    if (!code) {
        pt_buf_append(json_out, data, size);
    }
    pt_free(data);
    return code;
}

/* Puts BIGNUM where an integer of over 19 digits stands; returns whether there was one. */
static void replace_bignums(struct pt_span in, struct pt_buf *out)
{
    bool in_string = false;
    size_t at = 0;

    while (at < in.size) {
        uint8_t c = in.data[at];

        if (!in_string && (c == '-' || (c >= '0' && c <= '9'))) {
            size_t end = at + 1;
            bool is_integer = true;

            while (end < in.size && strchr("0123456789+-.eE", in.data[end])) {
                is_integer = is_integer && !strchr(".eE", in.data[end]);
                end++;
            }
            if (is_integer && end - at > 20) {
                pt_buf_append_str(out, BIGNUM);
            } else {
                pt_buf_append(out, in.data + at, end - at);
            }
            at = end;
            continue;
        }
        if (in_string && c == '\\') {
            pt_buf_append(out, in.data + at, 2);
            at += 2;
            continue;
        }
        in_string ^= c == '"';
        pt_buf_append_byte(out, c);
        at++;
    }
}

static bool holds_bignum(struct pt_json value)
{
    struct pt_buf text;
    struct pt_jsonw w;
    bool holds = false;

    pt_buf_init(&text, FILE_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_value(&w, value);
    pt_buf_append_byte(&text, 0);
    holds = strstr((const char *)text.data, BIGNUM) != NULL;
    pt_buf_release(&text);
    return holds;
}

static int find_known(const char *draft, const char *file, struct pt_span group,
                      struct pt_span test)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].draft, draft) == 0 && strcmp(known[i].file, file) == 0 &&
            (!known[i].group || pt_span_is(group, known[i].group)) &&
            (!known[i].test || pt_span_is(test, known[i].test))) {
            return (int)i;
        }
    }
    return -1;
}

static void judge(const char *draft, const char *file, struct pt_span group, struct pt_span test,
                  bool is_right, const char *why)
{
    int index = find_known(draft, file, group, test);

    if (index >= 0 && !is_right) {
        counts.known++;
        known_seen[index]++;
        return;
    }
    if (index < 0 && is_right) {
        counts.passed++;
        counts.required += strncmp(file, "optional/", 9) != 0;
        return;
    }
    counts.failed++;
    print_message("%s: %s/%s: %.*s: %.*s %s\n", is_right ? "PASSES, and is listed" : "FAILS", draft,
                  file, PT_SPAN_ARG(group), PT_SPAN_ARG(test), why);
}

static void run_group(const char *draft, const char *file, struct pt_json group,
                      struct pt_schema_scratch *scratch)
{
    static struct pt_schema_errors errors;
    struct pt_schema_options options = {
        .draft = strcmp(draft, "draft7") == 0 ? PT_SCHEMA_DRAFT_7 : PT_SCHEMA_DRAFT_2020_12,
        .assert_formats = strncmp(file, "optional/format/", 16) == 0,
        .resolve = resolve,
    };
    struct pt_json schema_json = pt_json_member(group, "schema");
    struct pt_schema *schema = NULL;
    struct pt_error err = {0};
    struct pt_span name = {NULL, 0};
    struct pt_buf text;
    struct pt_jsonw w;
    enum pt_code compiled = PT_OK;

    PT_CHECK(pt_json_member_string(group, "description", &name));
    pt_buf_init(&text, FILE_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_value(&w, schema_json);
    compiled = pt_schema_compile(&schema, pt_buf_span(&text), &options, &err);
    for (struct pt_json_iter it = pt_json_iterate(pt_json_member(group, "tests"));
         pt_json_next(&it);) {
        struct pt_json data = pt_json_member(it.value, "data");
        struct pt_span test = {NULL, 0};
        bool wanted = false;
        enum pt_code got = compiled;

        PT_CHECK(pt_json_member_string(it.value, "description", &test));
        PT_CHECK(pt_json_member_bool(it.value, "valid", &wanted));
        if (!got && !holds_bignum(schema_json) && !holds_bignum(data)) {
            enum pt_code quick = pt_schema_validate_first(schema, data, scratch, &errors);

            PT_CHECK(errors.count == (quick != PT_OK));
            got = pt_schema_validate(schema, data, scratch, &errors);
            /* All ways to ask give one answer, and a refusal has a reason. */
            PT_CHECK(quick == got);
            PT_CHECK((errors.count > 0) == (got != PT_OK));
            judge(draft, file, name, test, got == (wanted ? PT_OK : PT_INVALID),
                  got == PT_TOO_BIG ? "(too complex)" : "");
        } else {
            judge(draft, file, name, test, false, compiled ? err.text : "(number refused)");
        }
    }
    pt_schema_destroy(schema);
    pt_buf_release(&text);
}

static void run_file(const char *draft, const char *file, struct pt_schema_scratch *scratch)
{
    struct pt_json_parser *parser = pt_json_parser_create(FILE_BYTES_MAX);
    char path[512];
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_json root;
    struct pt_error err = {0};
    struct pt_buf text;

    snprintf(path, sizeof(path), SUITE "/tests/%s/%s", draft, file);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, FILE_BYTES_MAX, 1, &data, &size, &err), err);
    pt_buf_init(&text, 2 * FILE_BYTES_MAX);
    replace_bignums(pt_span_of(data, size), &text);
    PT_CHECK(pt_buf_reserve(&text, PT_JSON_PADDING) != NULL);
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&text), &root, NULL, &err), err);
    for (struct pt_json_iter it = pt_json_iterate(root); pt_json_next(&it);) {
        run_group(draft, file, it.value, scratch);
    }
    pt_buf_release(&text);
    pt_free(data);
    pt_json_parser_destroy(parser);
}

struct files {
    const char *prefix;
    char *names[FILES_MAX];
    size_t count;
};

static void take_file(void *ctx, const char *name, bool is_dir)
{
    struct files *files = ctx;
    size_t bytes = strlen(name);

    if (!is_dir && bytes > 5 && strcmp(name + bytes - 5, ".json") == 0) {
        PT_CHECK(files->count < FILES_MAX);
        files->names[files->count++] = pt_strf("%s%s", files->prefix, name);
    }
}

static void run_draft(const char *draft)
{
    static const char *const folders[] = {"", "optional/", "optional/format/"};
    struct pt_schema_scratch *scratch = pt_schema_scratch_create();
    struct files files = {.count = 0};
    struct pt_error err = {0};

    memset(&counts, 0, sizeof(counts));
    memset(known_seen, 0, sizeof(known_seen));
    for (size_t i = 0; i < 3; i++) {
        char path[512];
        enum pt_code code = PT_OK;

        snprintf(path, sizeof(path), SUITE "/tests/%s/%s", draft, folders[i]);
        files.prefix = folders[i];
        code = pt_io_posix()->list(NULL, path, take_file, &files, &err);
        if (code == PT_NOT_FOUND) {
            print_message("skipped: %s is not there\n", path);
            pt_schema_scratch_destroy(scratch);
            skip();
        }
        PT_CHECK_OK(code, err);
    }
    for (size_t i = 0; i < files.count; i++) {
        run_file(draft, files.names[i], scratch);
        pt_free(files.names[i]);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].draft, draft) == 0 && known_seen[i] == 0) {
            print_message("listed, and never seen: %s/%s: %s\n", draft, known[i].file,
                          known[i].group);
            counts.failed++;
        }
    }
    print_message("%s: %u files, %u cases pass (%u of them required), %u optional ones fail as "
                  "listed, %u others fail\n",
                  draft, (unsigned)files.count, counts.passed, counts.required, counts.known,
                  counts.failed);
    pt_schema_scratch_destroy(scratch);
    PT_CHECK(counts.failed == 0);
}

static void draft_7_holds(void **state)
{
    (void)state;
    run_draft("draft7");
}

static void draft_2020_12_holds(void **state)
{
    (void)state;
    run_draft("draft2020-12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draft_7_holds),
        cmocka_unit_test(draft_2020_12_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
