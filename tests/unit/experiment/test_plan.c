/*
 * test_plan.c - a plan is read whole or every mistake in it is named with its line
 *
 * Promise: each mistake has its line and what would be right; the hash depends on what a plan says,
 * not on how it is written; designs have the error and power that were planned; what the journal
 * was given comes back. Method: a sound plan with one line changed a case; simulation; a directory.
 */
#include "check.h"

#include "experiment/journal.h"
#include "experiment/simulate.h"
#include "stats/special.h"

#include <math.h>
#include <stdio.h>

static struct pt_error err;

/* Lines of a sound plan; a case puts another text in the place of one. */
static const char *const sound[] = {
    "experiment: shop",                                                              /* 1 */
    "hypothesis: it sells more",                                                     /* 2 */
    "alternative: larger",                                                           /* 3 */
    "variants: {a: 1, b: 1}",                                                        /* 4 */
    "alpha: 0.05",                                                                   /* 5 */
    "power: 0.8",                                                                    /* 6 */
    "minimum_effect: {absolute: 0.02, baseline: 0.35}",                              /* 7 */
    "metrics:",                                                                      /* 8 */
    "  primary: {name: m, type: conversion, event: purchase}",                       /* 9 */
    "  secondary: [{name: s, type: mean, event: purchase, field: price}]",           /* 10 */
    "  guardrails: [{name: g, type: retention, day: 1, harm: decrease}]",            /* 11 */
    "analysis: {type: group_sequential, looks: [0.5, 1], spending: obrien_fleming}", /* 12 */
};
#define LINES (sizeof(sound) / sizeof(sound[0]))

static void put_together(struct pt_buf *text, unsigned line, const char *instead)
{
    pt_buf_reset(text);
    for (unsigned i = 0; i < LINES; i++) {
        pt_buf_appendf(text, "%s\n", i + 1 == line ? instead : sound[i]);
    }
}

static enum pt_code read_with(unsigned line, const char *instead, struct pt_plan *plan,
                              struct pt_buf *problems)
{
    struct pt_buf text;
    enum pt_code code = PT_OK;

    pt_buf_init(&text, 1u << 16);
    put_together(&text, line, instead);
    pt_buf_reset(problems);
    code = pt_plan_read(plan, pt_buf_span(&text), "p", problems, &err);
    pt_buf_append_byte(problems, 0);
    pt_buf_release(&text);
    return code;
}

static void every_mistake_has_its_line(void **state)
{
    static const struct {
        unsigned line;
        const char *instead;
        const char *said;
    } cases[] = {
        {1, "experiment: a/b", "p:1: \"experiment\" is \"a/b\""},
        {1, "experiment: shop\nexperimnt: x", "p:2: the plan has no field \"experimnt\""},
        {2, "hypothesis:", "p:2: \"hypothesis\" has no value"},
        {3, "alternative: bigger", "p:3: \"alternative\" is \"bigger\"; it must be one of"},
        {4, "variants: {a: 0, b: 1}", "p:4: the weight of \"a\" is 0; it must be above 0"},
        {4, "variants: {a: nan, b: 1}", "p:4: \"a\" is \"nan\", not a finite number"},
        {4, "variants: {a: inf, b: 1}", "p:4: \"a\" is \"inf\", not a finite number"},
        {4, "variants: {a: 1}", "p:4: there is 1 variant; a plan compares control with 1 to 8"},
        {4, "variants: [a, b]", "p:4: \"variants\" is a list"},
        {5, "alpha: 0", "p:5: \"alpha\" is 0"},
        {5, "alpha: 1", "p:5: \"alpha\" is 1"},
        {5, "alpha: -1e-3", "p:5: \"alpha\" is -1e-3"},
        {5, "alpha: [1]", "p:5: \"alpha\" is a list"},
        {6, "power: 0.01", "\"power\" (0.01) must be above \"alpha\""},
        {7, "minimum_effect: {absolute: -1}", "p:7: \"absolute\" is -1"},
        {7, "minimum_effect: {}", "p:7: \"minimum_effect\" has neither"},
        {7, "", "\"minimum_effect\" is missing"},
        {8, "metric:", "p:8: the plan has no field \"metric\"; did you mean \"metrics\"?"},
        {9, "  primary: {name: m, type: conversion}", "p:9: \"event\" is missing"},
        {9, "  primary: {name: s, type: count, event: e}",
         "p:10: there are two metrics named \"s\""},
        {10, "  secondary: {name: s}", "p:10: \"secondary\" is a map"},
        {10, "  secondary: [{name: s, type: mean, event: e, field: f, winsorise: 2}]",
         "p:10: \"winsorise\" is 2"},
        {11, "  guardrails: [{name: g, type: retention, day: 1d, harm: up}]",
         "p:11: \"harm\" is \"up\""},
        {12, "analysis: {type: fixed, looks: [1]}",
         "p:12: \"looks\" belongs to group_sequential, not to fixed"},
        {12, "analysis: {type: group_sequential, looks: [0.5, 0.5, 1]}",
         "p:12: look 2 at 0.5 is not after the one before"},
        {12, "analysis: {type: group_sequential, looks: [0.5]}", "p:12: the last look is at 0.5"},
        {12, "analysis: {type: group_sequential, looks: [nan, 1]}", "not a finite number"},
        {12, "analysis: {type: group_sequential, looks: [1], spending: kim_demets, parameter: 0}",
         "p:12: \"parameter\" is 0"},
        {12, "analysis: {type: bayesian, prior: [0, 1]}", "p:12: \"prior\" must be"},
        {12, "analysis: 5", "p:12: analysis is a value; it must be a map"},
    };
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_buf problems;

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    PT_CHECK_OK(read_with(0, "", plan, &problems), err);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK(read_with(cases[i].line, cases[i].instead, plan, &problems) == PT_INVALID);
        if (!strstr((const char *)problems.data, cases[i].said)) {
            fail_msg("%s: \"%s\" is not in\n%s", cases[i].instead, cases[i].said,
                     (const char *)problems.data);
        }
    }
    pt_buf_release(&problems);
    pt_free(plan);
}

static void the_hash_is_of_the_meaning(void **state)
{
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_buf problems;
    char one[65];
    char other[65];

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    PT_CHECK_OK(read_with(0, "", plan, &problems), err);
    PT_CHECK_OK(pt_plan_hash(plan, one, &err), err);
    PT_CHECK_OK(read_with(5, "# five of a hundred\nalpha: 5e-2", plan, &problems), err);
    PT_CHECK_OK(pt_plan_hash(plan, other, &err), err);
    assert_string_equal(one, other);
    PT_CHECK_OK(read_with(5, "alpha: 0.051", plan, &problems), err);
    PT_CHECK_OK(pt_plan_hash(plan, other, &err), err);
    assert_string_not_equal(one, other);
    pt_buf_release(&problems);
    pt_free(plan);
}

static void designs_meet_what_was_planned(void **state)
{
    static const char *const analyses[] = {
        "analysis: {type: fixed}",
        "analysis: {type: group_sequential, looks: [0.3, 0.6, 1], spending: pocock}",
        ("analysis: {type: group_sequential, looks: [0.3, 0.6, 1], "
         "futility: {spending: kim_demets, parameter: 2}}"),
    };
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_plan_design *design = pt_alloc(sizeof(*design));
    struct pt_plan_basis basis = {0.35, sqrt(0.35 * 0.65)};
    struct pt_plan_simulated simulated;
    struct pt_buf problems;

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    for (size_t i = 0; i < 3; i++) {
        PT_CHECK_OK(read_with(12, analyses[i], plan, &problems), err);
        PT_CHECK_OK(pt_plan_design(plan, basis, design, &err), err);
        PT_CHECK(design->units[0] >= design->fixed[0]);
        PT_CHECK_OK(pt_plan_simulate(plan, design, 20000, 3, design->effect, 1, &simulated, &err),
                    err);
        /* Futility that is not binding and is obeyed leaves the error below alpha. */
        PT_CHECK(simulated.stop_effect[0] < 0.05 + 4 * simulated.error[0]);
        PT_CHECK(plan->has_futility ||
                 fabs(simulated.stop_effect[0] - 0.05) < 4 * simulated.error[0]);
        PT_CHECK(fabs(simulated.stop_effect[1] - 0.8) < 4 * simulated.error[1]);
    }
    basis.sd = 0;
    PT_CHECK(pt_plan_design(plan, basis, design, &err) == PT_INVALID);
    basis = (struct pt_plan_basis){0.99, 0.1};
    PT_CHECK(pt_plan_design(plan, basis, design, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "no share between 0 and 1") != NULL);
    pt_buf_release(&problems);
    pt_free(design);
    pt_free(plan);
}

/* The one-sided always-valid bound is where the half-normal mixture's p is alpha. */
static void the_always_valid_bound_is_the_tests_own(void **state)
{
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_buf problems;
    double variance = 0.003;
    double tau2 = 0.02;
    struct pt_sample a = {1000, 0, 1.5};
    struct pt_sample b = {1000, 0, 1.5};

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    PT_CHECK_OK(read_with(12, "analysis: {type: always_valid}", plan, &problems), err);
    b.mean = pt_plan_always_bound(plan, plan->alpha, variance, tau2) * sqrt(variance);
    PT_CHECK(fabs(pt_msprt_one_sided(a, b, tau2).p_value - plan->alpha) < 1e-9);
    plan->alternative = PT_TWO_SIDED;
    b.mean = pt_plan_always_bound(plan, plan->alpha, variance, tau2) * sqrt(variance);
    PT_CHECK(fabs(pt_msprt_means(a, b, tau2, 0, plan->alpha).p_value - plan->alpha) < 1e-9);
    pt_buf_release(&problems);
    pt_free(plan);
}

static void looks_come_back_as_they_were_recorded(void **state)
{
    struct pt_plan *plan = pt_alloc(sizeof(*plan));
    struct pt_started *started = pt_alloc(sizeof(*started));
    struct pt_look look = {.as_of_us = 1767225600000000,
                           .units = 100,
                           .t = 0.25,
                           .arms = {{.units = 101,
                                     .t = 0.25,
                                     .estimate = 0.01,
                                     .se = 0.02,
                                     .z = 0.5,
                                     .z_upper = HUGE_VAL,
                                     .z_lower = -0.7,
                                     .alpha_spent = 1e-9,
                                     .p_value = NAN,
                                     .interval = {-HUGE_VAL, HUGE_VAL}}},
                           .is_planned = true};
    struct pt_buf problems;
    struct pt_buf text;
    char *dir = pt_test_dir_create();

    (void)state;
    pt_buf_init(&problems, 1u << 16);
    pt_buf_init(&text, 1u << 16);
    put_together(&text, 0, "");
    PT_CHECK_OK(read_with(0, "", plan, &problems), err);
    PT_CHECK(pt_started_open(pt_io_posix(), dir, "shop", started, &err) == PT_NOT_FOUND);
    PT_CHECK(pt_started_open(pt_io_posix(), dir, "../shop", started, &err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_started_create(pt_io_posix(), pt_clock_system(), dir, plan, pt_buf_span(&text),
                                  (struct pt_plan_basis){0.35, 0.5}, 3, NULL, &err),
                err);
    PT_CHECK(pt_started_create(pt_io_posix(), pt_clock_system(), dir, plan, pt_buf_span(&text),
                               (struct pt_plan_basis){0.35, 0.5}, 3, NULL, &err) == PT_INVALID);
    PT_CHECK_OK(pt_started_open(pt_io_posix(), dir, "shop", started, &err), err);
    PT_CHECK(started->late_exposures == 3 && started->look_count == 0);
    PT_CHECK_OK(pt_started_add_look(pt_io_posix(), pt_clock_system(), dir, started, &look, &err),
                err);
    PT_CHECK_OK(pt_started_open(pt_io_posix(), dir, "shop", started, &err), err);
    PT_CHECK(started->look_count == 1);
    PT_CHECK(started->looks[0].as_of_us == look.as_of_us && started->looks[0].t == look.t);
    PT_CHECK(started->looks[0].units == 100 && started->looks[0].arms[0].units == 101);
    PT_CHECK(started->looks[0].arms[0].z_upper == HUGE_VAL);
    PT_CHECK(started->looks[0].arms[0].z_lower == -0.7);
    PT_CHECK(started->looks[0].arms[0].alpha_spent == 1e-9 && started->looks[0].is_planned);
    pt_buf_release(&text);
    pt_buf_release(&problems);
    pt_free(started);
    pt_free(plan);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_has_its_line),
        cmocka_unit_test(the_hash_is_of_the_meaning),
        cmocka_unit_test(designs_meet_what_was_planned),
        cmocka_unit_test(the_always_valid_bound_is_the_tests_own),
        cmocka_unit_test(looks_come_back_as_they_were_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
