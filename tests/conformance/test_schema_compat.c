/*
 * test_schema_compat.c - the verdicts of Confluent's compatibility checker on its own examples
 *
 * Method: every pair of ../shared/conformance/schema-registry-compat is compared as BACKWARD, under
 * the strict and under the lenient policy, and the verdict must be the published one, but for those
 * listed in `differences`, each of which docs/schema-compatibility.md argues. For incompatible
 * pairs at least one reason must bear the name of one of the published incompatible changes, but
 * for `other_words`. Skipped where the suite is not there.
 */
#include "check.h"

#include "base/io.h"
#include "base/json.h"
#include "schema/compat.h"

#include <stdio.h>

#define SUITE PT_SOURCE_DIR "/../shared/conformance/schema-registry-compat/"
#define FILE_BYTES_MAX (4u << 20)

/* "FILE: description": our verdict is the other one. */
static const char *const differences[] = {
    NULL,
};

/* The same change under another name: what does not fit inside the branch, not that the branch does
 * not. */
static const char *const other_words[] = {
    "diff-schema-examples.json: Detect changes to composed schema type",
    "diff-schema-examples.json: Detect changes to validation criteria in composed schema type",
    "diff-combined-schema-examples.json: Detect incompatible change from anyOf to oneOf schema "
    "with "
    "fewer properties",
    "diff-combined-schema-examples.json: Detect incompatible change from oneOf to allOf schema",
    "diff-schema-examples-2020-12.json: Detect changes to composed schema type",
    "diff-schema-examples-2020-12.json: Detect changes to validation criteria in composed schema "
    "type",
    NULL,
};

struct counts {
    unsigned cases;
    unsigned lenient;
    unsigned compatible;
    unsigned named;
    unsigned different;
};

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++) {
        if (strcmp(*list, name) == 0) {
            return true;
        }
    }
    return false;
}

static void write_value(struct pt_buf *buf, struct pt_json value)
{
    struct pt_jsonw w;

    pt_buf_init(buf, FILE_BYTES_MAX);
    pt_jsonw_init(&w, buf);
    pt_jsonw_value(&w, value);
    PT_CHECK(!buf->has_failed);
}

static bool has_published_kind(const struct pt_compat_report *report, struct pt_json changes)
{
    struct pt_json_iter it = pt_json_iterate(changes);

    while (pt_json_next(&it)) {
        struct pt_span text = pt_json_string(it.value);

        for (uint32_t i = 0; i < report->count; i++) {
            size_t size = strlen(report->reasons[i].kind);

            if (text.size > size && memcmp(text.data, report->reasons[i].kind, size) == 0 &&
                text.data[size] == ' ') {
                return true;
            }
        }
    }
    return false;
}

static void print_reasons(const char *name, const struct pt_compat_report *report)
{
    print_message("%s: %s\n", name, report->is_compatible ? "compatible" : "incompatible");
    for (uint32_t i = 0; i < report->count; i++) {
        print_message("    %s %s -> %s: %s\n", report->reasons[i].kind,
                      report->reasons[i].old_pointer, report->reasons[i].new_pointer,
                      report->reasons[i].detail);
    }
}

static void compare(const struct pt_buf *older, const struct pt_buf *newer, bool is_lenient,
                    struct pt_compat_report *report)
{
    struct pt_compat_document documents[2] = {{.json = pt_buf_span(older)},
                                              {.json = pt_buf_span(newer)}};
    struct pt_error err = {0};

    PT_CHECK_OK(
        pt_compat_check(&documents[0], &documents[1], PT_COMPAT_BACKWARD, is_lenient, report, &err),
        err);
}

/* Returns the number of mistakes. */
static unsigned run_case(const char *file, struct pt_json item, struct counts *counts)
{
    static struct pt_compat_report report;
    struct pt_span description;
    struct pt_buf older;
    struct pt_buf newer;
    bool expected = false;
    bool expected_lenient = false;
    unsigned mistakes = 0;
    char name[256];

    PT_CHECK(pt_json_member_string(item, "description", &description));
    PT_CHECK(pt_json_member_bool(item, "compatible", &expected));
    expected_lenient = expected;
    (void)pt_json_member_bool(item, "compatible_lenient", &expected_lenient);
    snprintf(name, sizeof(name), "%s: %.*s", file, PT_SPAN_ARG(description));
    write_value(&older, pt_json_member(item, "original_schema"));
    write_value(&newer, pt_json_member(item, "update_schema"));
    counts->cases++;
    counts->compatible += expected ? 1 : 0;
    compare(&older, &newer, false, &report);
    if (is_listed(differences, name)) {
        counts->different++;
        mistakes += report.is_compatible == expected ? 1 : 0; /* the list is out of date */
    } else if (report.is_compatible != expected) {
        print_reasons(name, &report);
        mistakes++;
    } else if (!expected) {
        if (has_published_kind(&report, pt_json_member(item, "changes"))) {
            counts->named++;
        } else if (!is_listed(other_words, name)) {
            print_reasons(name, &report);
            mistakes++;
        }
    }
    compare(&older, &newer, true, &report);
    counts->lenient++;
    if (report.is_compatible != expected_lenient) {
        print_message("lenient: ");
        print_reasons(name, &report);
        mistakes++;
    }
    pt_buf_release(&older);
    pt_buf_release(&newer);
    return mistakes;
}

static bool run_file(const char *file, struct counts *counts, unsigned *mistakes)
{
    struct pt_json_parser *parser = pt_json_parser_create(FILE_BYTES_MAX);
    struct pt_error err = {0};
    struct pt_json root;
    struct pt_json_iter it;
    uint8_t *data = NULL;
    size_t size = 0;
    char path[512];
    enum pt_code code = PT_OK;

    snprintf(path, sizeof(path), "%s%s", SUITE, file);
    code = pt_io_read_all(pt_io_posix(), path, FILE_BYTES_MAX, PT_JSON_PADDING, &data, &size, &err);
    if (code == PT_NOT_FOUND) {
        pt_json_parser_destroy(parser);
        return false;
    }
    PT_CHECK_OK(code, err);
    PT_CHECK(parser != NULL);
    PT_CHECK_OK(pt_json_parse(parser, pt_span_of(data, size), &root, NULL, &err), err);
    it = pt_json_iterate(root);
    while (pt_json_next(&it)) {
        *mistakes += run_case(file, it.value, counts);
    }
    pt_json_parser_destroy(parser);
    pt_free(data);
    return true;
}

static void gives_the_published_verdicts(void **state)
{
    static const char *const files[] = {
        "diff-schema-examples.json",
        "diff-combined-schema-examples.json",
        "diff-schema-examples-2020-12.json",
        "diff-combined-schema-examples-2020-12.json",
    };
    struct counts counts = {0};
    unsigned mistakes = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!run_file(files[i], &counts, &mistakes)) {
            print_message("skipped: %s is not there\n", SUITE);
            skip();
        }
    }
    print_message("%u pairs (%u compatible), %u different; %u of %u refusals in the same words\n",
                  counts.cases, counts.compatible, counts.different, counts.named,
                  counts.cases - counts.compatible);
    PT_CHECK(counts.cases == 156);
    PT_CHECK(mistakes == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
