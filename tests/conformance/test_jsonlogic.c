/*
 * test_jsonlogic.c - the JsonLogic organisation's suites, and the examples of flagd's schemas
 *
 * Promise: every classic case (compatible.json) gives its result; every flag file and every
 * targeting rule among flagd's examples gets the verdict of flagd's schema from lint. The other
 * suites sharpen the language or add to it: how many of them hold is printed. Skipped where the
 * suites are absent.
 */
#include "check.h"

#include "flag/flag.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define SHARED PT_SOURCE_DIR "/../shared/conformance/"

static bool read_whole(const char *path, struct pt_buf *text)
{
    FILE *file = fopen(path, "rb");
    uint8_t *room = NULL;

    if (!file) {
        return false;
    }
    room = pt_buf_reserve(text, 4u << 20);
    assert_non_null(room);
    memset(room, 0, 4u << 20);
    text->size = fread(room, 1, (4u << 20) - PT_JSON_PADDING, file);
    fclose(file);
    return true;
}

static bool is_same(struct pt_json a, struct pt_json b)
{
    if (pt_json_is_number(a) && pt_json_is_number(b)) {
        return pt_json_double(a) == pt_json_double(b);
    }
    if (pt_json_type(a) != pt_json_type(b)) {
        return false;
    }
    switch (pt_json_type(a)) {
    case PT_JSON_STRING:
        return pt_span_equal(pt_json_string(a), pt_json_string(b));
    case PT_JSON_BOOL:
        return pt_json_bool(a) == pt_json_bool(b);
    case PT_JSON_ARRAY:
    case PT_JSON_OBJECT: {
        struct pt_json_iter x = pt_json_iterate(a);
        struct pt_json_iter y = pt_json_iterate(b);

        if (pt_json_count(a) != pt_json_count(b)) {
            return false;
        }
        while (pt_json_next(&x) && pt_json_next(&y)) {
            if (!is_same(x.value, y.value)) {
                return false;
            }
        }
        return true;
    }
    case PT_JSON_NULL:
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        break;
    }
    return true;
}

/* Runs one case; tells the answer in `text`. */
static bool holds(struct pt_json test, struct pt_json_parser *parser, struct pt_buf *text)
{
    struct pt_jsonw w;
    struct pt_json answer;
    struct pt_json result;
    struct pt_error err;

    pt_buf_reset(text);
    pt_jsonw_init(&w, text);
    PT_CHECK_OK(pt_flag_logic(test, &w, &err), err);
    assert_non_null(pt_buf_reserve(text, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(text), &answer, NULL, &err), err);
    result = pt_json_member(answer, "result");
    if (pt_json_exists(pt_json_member(test, "error"))) {
        return pt_json_exists(pt_json_member(answer, "error"));
    }
    return pt_json_exists(result) && is_same(result, pt_json_member(test, "result"));
}

/* False where the file is not there. `must_hold`: each case that does not is told, and fails. */
static bool run_suite(const char *name, bool must_hold, unsigned *held, unsigned *count)
{
    struct pt_json_parser *tests_parser = pt_json_parser_create(4u << 20);
    struct pt_json_parser *parser = pt_json_parser_create(4u << 20);
    struct pt_buf file;
    struct pt_buf text;
    struct pt_json tests;
    struct pt_error err;
    char *path = pt_strf(SHARED "jsonlogic/suites/%s", name);
    bool is_there = false;
    unsigned failed = 0;

    pt_buf_init(&file, 8u << 20);
    pt_buf_init(&text, 4u << 20);
    is_there = read_whole(path, &file);
    *held = 0;
    *count = 0;
    if (is_there) {
        PT_CHECK_OK(pt_json_parse(tests_parser, pt_buf_span(&file), &tests, NULL, &err), err);
        for (struct pt_json_iter it = pt_json_iterate(tests); pt_json_next(&it);) {
            if (pt_json_type(it.value) != PT_JSON_OBJECT) {
                continue; /* a heading */
            }
            (*count)++;
            if (holds(it.value, parser, &text)) {
                (*held)++;
            } else if (must_hold) {
                struct pt_span what = {0};

                (void)pt_json_member_string(it.value, "description", &what);
                print_message("%.*s gives %.*s\n", PT_SPAN_ARG(what),
                              PT_SPAN_ARG(pt_buf_span(&text)));
                failed++;
            }
        }
    }
    pt_free(path);
    pt_buf_release(&text);
    pt_buf_release(&file);
    pt_json_parser_destroy(parser);
    pt_json_parser_destroy(tests_parser);
    assert_int_equal(failed, 0);
    return is_there;
}

static void every_classic_case_holds(void **state)
{
    unsigned held = 0;
    unsigned count = 0;

    (void)state;
    if (!run_suite("compatible.json", true, &held, &count)) {
        print_message("skipped: %s is not there\n", SHARED "jsonlogic");
        skip();
    }
    assert_true(count >= 160);
    print_message("compatible.json: %u of %u hold\n", held, count);
}

/* Nothing here must hold but that it ends, and says which do. */
static void other_suites_are_counted(void **state)
{
    static const char *const names[] = {
        "arithmetic/divide.json",
        "arithmetic/minus.json",
        "arithmetic/modulo.json",
        "arithmetic/multiply.json",
        "arithmetic/plus.json",
        "array/all.json",
        "array/filter.json",
        "array/map.json",
        "array/merge.json",
        "array/none.json",
        "array/reduce.json",
        "array/some.json",
        "comparison/greaterThan.json",
        "comparison/greaterThanEquals.json",
        "comparison/lessThan.json",
        "comparison/lessThanEquals.json",
        "comparison/softEquals.json",
        "comparison/softNotEquals.json",
        "comparison/strictEquals.json",
        "comparison/strictNotEquals.json",
        "control/and.json",
        "control/doublebang.json",
        "control/if.json",
        "control/not.json",
        "control/or.json",
        "string/cat.json",
        "string/in.json",
        "string/substr.json",
        "truthiness.json",
        "var.extra.json",
        "iterators.extra.json",
        "additional.json",
        "chained.json",
        "coalesce.json",
        "exists.json",
        "scopes.json",
        "throw.json",
        "try.json",
        "val.json",
        "val-compat.json",
    };
    unsigned all_held = 0;
    unsigned all = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unsigned held = 0;
        unsigned count = 0;

        if (!run_suite(names[i], false, &held, &count)) {
            print_message("skipped: %s is not there\n", SHARED "jsonlogic");
            skip();
        }
        print_message("%s: %u of %u hold\n", names[i], held, count);
        all_held += held;
        all += count;
    }
    print_message("beyond the classic language: %u of %u hold\n", all_held, all);
    assert_true(all_held > 240); /* the classic operators keep what they had */
}

/* ---- flagd's schemas ---- */

static unsigned lint_folder(const char *folder, bool is_valid)
{
    char *path = pt_strf(SHARED "flagd-schemas/%s", folder);
    DIR *dir = opendir(path);
    unsigned count = 0;

    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        struct pt_buf text;
        struct pt_buf report;
        struct pt_jsonw w;
        struct pt_error err;
        bool verdict = false;
        char *name = NULL;

        if (!strstr(entry->d_name, ".json")) {
            continue;
        }
        name = pt_strf("%s/%s", path, entry->d_name);
        pt_buf_init(&text, 8u << 20);
        pt_buf_init(&report, 8u << 20);
        pt_jsonw_init(&w, &report);
        assert_true(read_whole(name, &text));
        PT_CHECK_OK(pt_flags_lint(pt_buf_span(&text), &w, &verdict, &err), err);
        if (verdict != is_valid) {
            fail_msg("%s: %.*s", name, PT_SPAN_ARG(pt_buf_span(&report)));
        }
        count++;
        pt_buf_release(&report);
        pt_buf_release(&text);
        pt_free(name);
    }
    if (dir) {
        closedir(dir);
    }
    pt_free(path);
    return count;
}

static void lint_agrees_with_flagd_schemas(void **state)
{
    static const struct {
        const char *folder;
        bool is_valid;
    } folders[] = {
        {"test/flagd/positive", true},      {"test/flags/positive", true},
        {"test/flags/negative", false},     {"test/targeting/positive", true},
        {"test/targeting/negative", false},
    };
    unsigned count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        count += lint_folder(folders[i].folder, folders[i].is_valid);
    }
    if (count == 0) {
        print_message("skipped: %s is not there\n", SHARED "flagd-schemas");
        skip();
    }
    print_message("flagd's schemas: %u examples have the right verdict\n", count);
    assert_true(count >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_classic_case_holds),
        cmocka_unit_test(other_suites_are_counted),
        cmocka_unit_test(lint_agrees_with_flagd_schemas),
    };

    pt_log_set_level(PT_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
