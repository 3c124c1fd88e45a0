/*
 * test_exposure_map.c - whose events are exposures: read whole, or each mistake with its line
 *
 * Promise: what a mapping cannot mean is refused where it stands; a mapping belongs to what a
 * plan's hash covers, but for one that says only the default. Method: a sound plan with one line
 * added.
 */
#include "check.h"

#include "experiment/plan.h"

#include <stdio.h>

static struct pt_error err;

static const char sound[] = "experiment: shop\n"                                  /* 1 */
                            "hypothesis: it sells more\n"                         /* 2 */
                            "variants: {control: 1, clear: 1}\n"                  /* 3 */
                            "minimum_effect: {absolute: 0.02, baseline: 0.35}\n"  /* 4 */
                            "analysis: {type: fixed}\n"                           /* 5 */
                            "metrics:\n"                                          /* 6 */
                            "  primary: {name: m, type: conversion, event: e}\n"; /* 7 */

static enum pt_code read_with(const char *exposures, struct pt_plan *plan, struct pt_buf *problems)
{
    char text[2048];
    enum pt_code code = PT_OK;

    snprintf(text, sizeof(text), "%s%s", sound, exposures);
    pt_buf_reset(problems);
    code = pt_plan_read(plan, pt_span_str(text), "p", problems, &err);
    pt_buf_append_byte(problems, 0);
    return code;
}

static void every_mistake_has_its_line(void **state)
{
    static const struct {
        const char *exposures;
        const char *said;
    } cases[] = {
        {"exposures: unleash", "p:8: \"exposures\" is a value; it must be a map"},
        {"exposures: {flag: f}", "p:8: \"source\" must be one of playtrace, opentelemetry"},
        {"exposures: {source: [unleash], flag: f}", "p:8: \"source\" must be one of"},
        {"exposures:\n  source: unlesh\n  flag: f",
         "p:9: \"source\" is \"unlesh\"; it must be one of playtrace, opentelemetry, launchdarkly, "
         "unleash (did you mean unleash?)"},
        {"exposures:\n  source: unleash", "p:8: \"flag\" is missing; it must be the flag's key in "
                                          "unleash"},
        {"exposures:\n  source: unleash\n  flag:", "p:10: \"flag\" must be a text"},
        {"exposures:\n  source: unleash\n  flag: \"\"", "p:10: \"flag\" must be a text"},
        {"exposures:\n  source: playtrace\n  flag: f", "p:10: \"flag\" belongs to other sources"},
        {"exposures:\n  source: unleash\n  flag: f\n  set: s",
         "p:11: \"set\" belongs to opentelemetry alone"},
        {"exposures:\n  source: unleash\n  flagg: f",
         "p:10: \"exposures\" has no field \"flagg\"; did you mean \"flag\"?"},
        {"exposures:\n  source: unleash\n  flag: f\n  variants: [a, b]",
         "p:11: \"variants\" must be a map"},
        {"exposures:\n  source: unleash\n  flag: f\n  variants:\n    control: a\n    cleer: b",
         "p:13: the plan has no variant \"cleer\"; it has control, clear"},
        {"exposures:\n  source: unleash\n  flag: f\n  variants: {control: [1]}",
         "p:11: \"control\" must be a text"},
        {"exposures:\n  source: unleash\n  flag: f\n  variants: {control: on, clear: on}",
         "p:11: \"on\" is both control and clear"},
        {"exposures:\n  source: unleash\n  flag: f\n  variants: {control: clear}",
         "p:11: \"clear\" is both control and clear"},
    };
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_buf problems;
    char long_flag[300];

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK(read_with(cases[i].exposures, plan, &problems) == PT_INVALID);
        if (!strstr((const char *)problems.data, cases[i].said)) {
            fail_msg("%s: \"%s\" is not in\n%s", cases[i].exposures, cases[i].said,
                     (const char *)problems.data);
        }
    }
    snprintf(long_flag, sizeof(long_flag), "exposures: {source: unleash, flag: %0200d}", 1);
    PT_CHECK(read_with(long_flag, plan, &problems) == PT_INVALID);
    PT_CHECK(strstr((const char *)problems.data, "\"flag\" has 200 bytes; at most 127 fit"));
    pt_buf_release(&problems);
    pt_free(plan);
}

static void what_was_said_is_there(void **state)
{
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    const struct pt_exposure_map *map = &plan->exposures;
    struct pt_buf problems;

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    PT_CHECK_OK(read_with("", plan, &problems), err);
    PT_CHECK(pt_exposure_map_is_plain(map) && map->variant_count == 2);
    PT_CHECK_OK(read_with("exposures: {source: playtrace}", plan, &problems), err);
    PT_CHECK(pt_exposure_map_is_plain(map));
    PT_CHECK_OK(read_with("exposures: {source: opentelemetry, flag: f, set: s, event: e, variants: "
                          "{clear: true}}",
                          plan, &problems),
                err);
    PT_CHECK(!pt_exposure_map_is_plain(map) && map->source == PT_EXPOSURE_OPENTELEMETRY);
    assert_string_equal(map->flag, "f");
    assert_string_equal(map->set, "s");
    assert_string_equal(map->event, "e");
    assert_string_equal(map->variants[0].ours, "control");
    assert_string_equal(map->variants[0].theirs, "control");
    assert_string_equal(map->variants[1].ours, "clear");
    assert_string_equal(map->variants[1].theirs, "true");
    pt_buf_release(&problems);
    pt_free(plan);
}

static void hash_with(const char *exposures, char hex[2 * PT_SHA256_BYTES + 1])
{
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_buf problems;

    pt_buf_init(&problems, 1u << 16);
    PT_CHECK_OK(read_with(exposures, plan, &problems), err);
    PT_CHECK_OK(pt_plan_hash(plan, hex, &err), err);
    pt_buf_release(&problems);
    pt_free(plan);
}

static void the_hash_covers_a_mapping(void **state)
{
    static const char *const different[] = {
        "",
        "exposures: {source: playtrace, variants: {clear: new}}",
        "exposures: {source: playtrace, event: shown}",
        "exposures: {source: unleash, flag: f}",
        "exposures: {source: launchdarkly, flag: f}",
        "exposures: {source: opentelemetry, flag: f}",
        "exposures: {source: opentelemetry, flag: f, set: s}",
        "exposures: {source: unleash, flag: g}",
        "exposures: {source: unleash, flag: f, event: e}",
        "exposures: {source: unleash, flag: f, variants: {control: x}}",
    };
    char hex[sizeof(different) / sizeof(different[0])][2 * PT_SHA256_BYTES + 1];
    char same[2 * PT_SHA256_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
        hash_with(different[i], hex[i]);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(hex[i], hex[j]);
        }
    }
    hash_with("exposures: {source: playtrace, variants: {clear: clear}}", same);
    assert_string_equal(same, hex[0]);
    hash_with("exposures: {flag: f, variants: {clear: clear}, source: unleash}", same);
    assert_string_equal(same, hex[3]);
}

static void the_short_form_is_source_and_flag(void **state)
{
    static const char *const wrong[] = {"",  "unleash",   "unleash:",   ":f", "playtrace:f",
                                        "x", "Unleash:f", "unleashed:f"};
    struct pt_exposure_map *map = pt_alloc(sizeof(*map));

    (void)state;
    PT_CHECK_OK(pt_exposure_map_parse(map, "launchdarkly:a:b", &err), err);
    PT_CHECK(map->source == PT_EXPOSURE_LAUNCHDARKLY && map->variant_count == 0);
    assert_string_equal(map->flag, "a:b");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        PT_CHECK(pt_exposure_map_parse(map, wrong[i], &err) == PT_INVALID);
    }
    pt_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_has_its_line),
        cmocka_unit_test(what_was_said_is_there),
        cmocka_unit_test(the_hash_covers_a_mapping),
        cmocka_unit_test(the_short_form_is_source_and_flag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
