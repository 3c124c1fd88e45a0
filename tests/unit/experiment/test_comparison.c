/*
 * test_comparison.c - one treatment against control, several strata, several treatments
 *
 * Promise: a comparison is the textbook's where there is one stratum, Cochran's average of
 * differences where there are several, and says in words why it is none; what all treatments come
 * to follows from theirs alone; sizes are held to the ratio of their own epoch. Method: figures
 * worked out by hand, raw values behind moments, and every combination of two verdicts.
 */
#include "check.h"

#include "experiment/readout_metric.h"

#include <math.h>
#include <stdio.h>

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * (1 + fabs(b));
}

/* Moments of `n` units of which `ones` are 1. */
static struct pt_moments share(double ones, double n)
{
    double p = ones / n;

    return (struct pt_moments){.n = n, .mean_x = p, .sxx = n * p * (1 - p)};
}

static void strata_are_averaged_never_thrown_together(void **state)
{
    struct pt_plan_metric metric = {.kind = PT_PLAN_CONVERSION, .winsorise = 1};
    struct pt_stratum strata[3] = {{{share(540, 900), share(70, 100)}},
                                   {{share(50, 500), share(100, 500)}},
                                   {{share(1, 1), {.n = 0}}}};
    const struct pt_stratum thrown_together = {{share(590, 1400), share(170, 600)}};
    struct pt_readout_metric m;
    double weights[2] = {90, 250};
    double null_variance =
        90.0 * 90 * 0.61 * 0.39 * (1.0 / 900 + 1.0 / 100) + 250.0 * 250 * 0.15 * 0.85 * (2.0 / 500);

    (void)state;
    pt_readout_metric_test(&metric, strata, 3, &m);
    PT_CHECK(is_near(m.estimate, (weights[0] * 0.1 + weights[1] * 0.1) / 340));
    PT_CHECK(is_near(m.z, 0.1 / (sqrt(null_variance) / 340)));
    PT_CHECK(!m.is_plain && m.units[0] == 1401 && m.units[1] == 600);
    pt_readout_metric_test(&metric, &thrown_together, 1, &m);
    PT_CHECK(is_near(m.estimate, 170.0 / 600 - 590.0 / 1400) && m.estimate < 0);
    pt_readout_metric_test(&metric, strata, 1, &m);
    PT_CHECK(m.is_plain && is_near(m.value[0], 0.6) && is_near(m.value[1], 0.7));
}

static void no_test_has_its_words(void **state)
{
    struct pt_plan_metric conversion = {.kind = PT_PLAN_CONVERSION, .winsorise = 1};
    struct pt_plan_metric ratio = {.kind = PT_PLAN_RATIO, .winsorise = 1};
    struct pt_plan_metric mean = {.kind = PT_PLAN_MEAN, .winsorise = 1};
    const struct {
        const struct pt_plan_metric *metric;
        struct pt_stratum stratum;
        const char *said;
    } cases[] = {
        {&conversion, {{{.n = 0}, {.n = 0}}}, "no unit's window"},
        {&conversion, {{share(1, 1), share(1, 1)}}, "fewer than two"},
        {&conversion, {{share(0, 50), share(0, 50)}}, "same value"},
        {&conversion, {{share(50, 50), share(50, 50)}}, "same value"},
        {&mean, {{{.n = 5, .mean_x = 3}, {.n = 5, .mean_x = 3}}}, "same value"},
        {&ratio, {{{.n = 5, .mean_x = 3}, {.n = 5, .mean_x = 3}}}, "nothing to divide by"},
        {&mean, {{{.n = 5, .sxx = NAN}, {.n = 5, .sxx = 1}}}, "out of range"},
        {&mean, {{{.n = 5, .mean_x = HUGE_VAL, .sxx = 1}, {.n = 5, .sxx = 1}}}, "out of range"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_readout_metric m;

        pt_readout_metric_test(cases[i].metric, &cases[i].stratum, 1, &m);
        if (!isnan(m.z) || !strstr(m.note, cases[i].said)) {
            fail_msg("case %zu: z = %g, \"%s\"", i, m.z, m.note);
        }
    }
}

static struct pt_moments of_values(const double *x, const double *y, size_t n)
{
    struct pt_moments sum = {0};

    for (size_t i = 0; i < n; i++) {
        struct pt_moments one = {.n = 1, .mean_x = x[i], .mean_y = y[i]};

        pt_moments_add(&sum, &one);
    }
    return sum;
}

static void moments_of_all_give_those_of_payers(void **state)
{
    const double x[] = {0, 5, 0, 0, 7, 12, 0, 4, 0, 0};
    const double pays[] = {0, 1, 0, 0, 1, 1, 0, 1, 0, 0};
    const double same[] = {0, 3, 0, 3, 0, 0, 3, 0, 0, 0};
    const double same_pays[] = {0, 1, 0, 1, 0, 0, 1, 0, 0, 0};
    struct pt_moments m = of_values(x, pays, 10);
    struct pt_hurdle_arm arm = pt_moments_hurdle(&m);

    (void)state;
    PT_CHECK(arm.users == 10 && arm.payers == 4 && is_near(arm.amount_mean, 7));
    PT_CHECK(is_near(arm.amount_var, (4.0 + 0 + 25 + 9) / 3));
    m = of_values(same, same_pays, 10);
    arm = pt_moments_hurdle(&m);
    PT_CHECK(arm.payers == 3 && is_near(arm.amount_mean, 3) && arm.amount_var == 0);
    m = (struct pt_moments){.n = 10};
    arm = pt_moments_hurdle(&m);
    PT_CHECK(arm.payers == 0 && isnan(arm.amount_mean) && isnan(arm.amount_var));
}

static void all_verdicts_follow_from_those_of_treatments(void **state)
{
    const enum pt_verdict go_on = PT_VERDICT_CONTINUE;
    const enum pt_verdict shown = PT_VERDICT_EFFECT;
    const enum pt_verdict futile = PT_VERDICT_FUTILITY;
    const enum pt_verdict open_end = PT_VERDICT_INCONCLUSIVE;
    const struct {
        enum pt_verdict of[2];
        bool is_good[2];
        enum pt_verdict all;
    } cases[] = {
        {{go_on, go_on}, {true, true}, go_on},        {{shown, go_on}, {true, false}, shown},
        {{shown, go_on}, {false, true}, go_on},       {{shown, shown}, {false, false}, shown},
        {{shown, futile}, {false, true}, futile},     {{futile, go_on}, {true, true}, go_on},
        {{futile, futile}, {true, true}, futile},     {{open_end, futile}, {true, true}, open_end},
        {{open_end, shown}, {true, false}, open_end}, {{open_end, shown}, {true, true}, shown},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PT_CHECK(pt_readout_overall(cases[i].of, cases[i].is_good, 2) == cases[i].all);
    }
    /* One treatment decides alone, whichever way it went. */
    for (int v = PT_VERDICT_CONTINUE; v <= PT_VERDICT_INCONCLUSIVE; v++) {
        enum pt_verdict one = (enum pt_verdict)v;
        bool is_good = false;

        PT_CHECK(pt_readout_overall(&one, &is_good, 1) == one);
    }
}

static void sizes_are_held_to_their_own_ratio(void **state)
{
    struct pt_plan plan = {.arm_count = 3, .weight = {1, 1, 1}};
    const double ramp[] = {8, 1, 1};
    const double closed[] = {1, 1, 0};
    const double first[] = {800, 100, 100};
    const double second[] = {300, 300, 300};
    const double none[] = {500, 500, 0};
    struct pt_measure_ratio sum = {0};
    struct pt_measure_ratio wrong = {0};
    struct pt_measure_ratio leak = {0};

    (void)state;
    pt_measure_ratio_add(&sum, &plan, ramp, first);
    pt_measure_ratio_add(&sum, &plan, plan.weight, second);
    pt_measure_ratio_add(&sum, &plan, closed, none);
    PT_CHECK(sum.df == 5 && fabs(sum.chi2) < 1e-9);
    PT_CHECK(pt_measure_ratio_chi2_p(&sum) > 0.999 && pt_measure_ratio_sequential_p(&sum) == 1);
    pt_measure_ratio_add(&wrong, &plan, plan.weight, first);
    PT_CHECK(pt_measure_ratio_chi2_p(&wrong) < 1e-9);
    PT_CHECK(pt_measure_ratio_sequential_p(&wrong) < 1e-9);
    pt_measure_ratio_add(&leak, &plan, closed, second);
    PT_CHECK(pt_measure_ratio_chi2_p(&leak) == 0 && pt_measure_ratio_sequential_p(&leak) == 0);
    PT_CHECK(isnan(pt_measure_ratio_chi2_p(&(struct pt_measure_ratio){0})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strata_are_averaged_never_thrown_together),
        cmocka_unit_test(no_test_has_its_words),
        cmocka_unit_test(moments_of_all_give_those_of_payers),
        cmocka_unit_test(all_verdicts_follow_from_those_of_treatments),
        cmocka_unit_test(sizes_are_held_to_their_own_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
