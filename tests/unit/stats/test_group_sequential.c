/*
 * test_group_sequential.c - boundaries spend what they should, and published constants come out
 *
 * Promise: whatever the looks, the exit probabilities of the bounds are the increments of the
 * spending function; constants are those of Jennison and Turnbull (2000), tables 2.1, 2.3; designs
 * that are none are refused by name. Method: tables, bounds fed back into exit probabilities, a
 * failing allocator.
 */
#include "near.h"

#include "base/mem.h"
#include "stats/special.h"
#include "stats/stats.h"

#define LOOKS_MAX 40

static const struct pt_spending obf = {PT_SPEND_LAN_DEMETS_OBF, NAN, NULL, 0};

static void published_constants(void **state)
{
    (void)state;
    static const struct {
        size_t looks;
        double pocock;
        double obrien_fleming;
    } cases[] = {{2, 2.178, 1.977}, {5, 2.413, 2.040}, {10, 2.555, 2.087}, {20, 2.672, 2.126}};
    double t[LOOKS_MAX];
    double z[LOOKS_MAX];
    double constant = NAN;
    struct pt_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t looks = cases[i].looks;

        for (size_t k = 0; k < looks; k++) {
            t[k] = (double)(k + 1) / (double)looks;
        }
        PT_CHECK_OK(pt_gs_classical(t, looks, 0.05, 2, 0.5, NULL, &constant, z, &err), err);
        near_abs(constant, cases[i].pocock, 0.0006);
        PT_CHECK_OK(pt_gs_classical(t, looks, 0.05, 2, 0, NULL, &constant, z, &err), err);
        near_abs(constant, cases[i].obrien_fleming, 0.0006);
        near(z[looks - 1], constant, 1e-15);
    }
}

/* Looks that come as they come: close together, far apart, past the plan, many. */
static void bounds_spend_the_increments(void **state)
{
    (void)state;
    static const struct {
        double t[8];
        size_t looks;
    } plans[] = {
        {{1}, 1},
        {{0.3, 0.30001, 1}, 3},
        {{0.001, 0.5, 0.5001, 0.52, 1}, 5},
        {{0.2, 0.4, 0.6, 0.8, 1, 1.3}, 6},
        {{0.11, 0.19, 0.37, 0.38, 0.6, 0.61, 0.9, 0.95}, 8},
    };
    static const struct pt_spending spendings[] = {
        {PT_SPEND_LAN_DEMETS_OBF, NAN, NULL, 0},   {PT_SPEND_LAN_DEMETS_POCOCK, NAN, NULL, 0},
        {PT_SPEND_HWANG_SHIH_DECANI, -4, NULL, 0}, {PT_SPEND_HWANG_SHIH_DECANI, 0, NULL, 0},
        {PT_SPEND_KIM_DEMETS, 3, NULL, 0},
    };
    double z[8];
    double cumulative[8];
    double upper[8];
    double lower[8];
    struct pt_error err;

    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        for (size_t s = 0; s < sizeof(spendings) / sizeof(spendings[0]); s++) {
            for (int sided = 1; sided <= 2; sided++) {
                size_t looks = plans[i].looks;
                struct pt_gs_design design = {spendings[s], 0.05, sided, plans[i].t, NULL, looks};
                struct pt_gs_region region = {plans[i].t, z, NULL, looks, sided};
                double expected = NAN;

                PT_CHECK_OK(pt_gs_bounds(&design, z, cumulative, &err), err);
                PT_CHECK_OK(pt_gs_exits(&region, 0, upper, lower, &expected, &err), err);
                for (size_t k = 0; k < looks; k++) {
                    double increment = cumulative[k] - (k > 0 ? cumulative[k - 1] : 0);

                    near_abs(upper[k] + lower[k], increment, 1e-12);
                }
                assert_true(expected > 0 && expected <= plans[i].t[looks - 1]);
            }
        }
    }
}

/* The first look's bound is a quantile, however little is spent; nothing spent is an infinite one.
 */
static void extreme_bounds(void **state)
{
    (void)state;
    double cumulative[] = {0, 1e-30, 1.0001e-30, 0.025};
    double t[] = {0.1, 0.2, 0.3, 1};
    struct pt_gs_design design = {{PT_SPEND_USER, NAN, cumulative, 4}, 0.025, 1, t, NULL, 4};
    double z[4];
    struct pt_error err;

    PT_CHECK_OK(pt_gs_bounds(&design, z, NULL, &err), err);
    assert_true(isinf(z[0]));
    near(z[1], pt_norm_quantile_upper(1e-30), 1e-11);
    assert_true(z[2] > 11 && z[2] < 15);
    near(z[3], pt_norm_quantile_upper(0.025), 1e-11);
}

/* The drift for a power has it, mirrored too; one look to come is the closed form. */
static void power_and_drift(void **state)
{
    (void)state;
    double t[] = {0.25, 0.5, 0.75, 1};
    double z[4];
    double upper[4];
    double lower[4];
    double drift = NAN;
    double sum = 0;
    struct pt_gs_design design = {obf, 0.05, 2, t, NULL, 4};
    struct pt_gs_region region = {t, z, NULL, 4, 2};
    struct pt_error err;

    PT_CHECK_OK(pt_gs_bounds(&design, z, NULL, &err), err);
    PT_CHECK_OK(pt_gs_drift_for_power(&region, 0.9, false, &drift, &err), err);
    PT_CHECK_OK(pt_gs_exits(&region, drift, upper, lower, NULL, &err), err);
    for (size_t k = 0; k < 4; k++) {
        sum += upper[k];
    }
    near(sum, 0.9, 1e-11);
    /* Mirrored drift, mirrored exits. */
    double mirrored[4];

    PT_CHECK_OK(pt_gs_exits(&region, -drift, upper, mirrored, NULL, &err), err);
    sum = 0;
    for (size_t k = 0; k < 4; k++) {
        sum += mirrored[k];
    }
    near(sum, 0.9, 1e-11);

    double later[3];

    PT_CHECK_OK(pt_gs_conditional_exits(&region, 2, 3, 4, later, &err), err);
    near(later[0], pt_gs_conditional_power(0.75, 3, z[3], 4).under_drift, 1e-12);
}

static void futility_meets_at_the_end(void **state)
{
    (void)state;
    double t[] = {0.2, 0.45, 0.7, 1};
    double a[4];
    double b[4];
    double upper[4];
    double lower[4];
    double drift = NAN;
    struct pt_error err;

    for (int binding = 0; binding < 2; binding++) {
        struct pt_gs_futility design = {
            t, 4, 0.025, 0.2, obf, {PT_SPEND_HWANG_SHIH_DECANI, -2, NULL, 0}, binding};
        struct pt_gs_region region = {t, b, a, 4, 1};
        double power = 0;
        double error = 0;
        double spent = 0;

        PT_CHECK_OK(pt_gs_futility(&design, &drift, b, a, &err), err);
        near(a[3], b[3], 0);
        PT_CHECK_OK(pt_gs_exits(&region, drift, upper, lower, NULL, &err), err);
        for (size_t k = 0; k < 4; k++) {
            power += upper[k];
            spent += lower[k];
            near_abs(spent, pt_gs_spent(&design.beta_spending, 0.2, 1, t[k]), 1e-9);
        }
        near(power, 0.8, 1e-9);
        PT_CHECK_OK(pt_gs_exits(&region, 0, upper, lower, NULL, &err), err);
        for (size_t k = 0; k < 4; k++) {
            error += upper[k];
        }
        /* Bounds that are not obeyed in the design leave some alpha unused when they are. */
        assert_true(binding ? fabs(error - 0.025) < 1e-11 : error < 0.0249);
    }
}

/* At the first look the stagewise p is the usual one, and the interval the usual interval. */
static void stagewise(void **state)
{
    (void)state;
    double t[] = {0.5, 1};
    double z_upper[] = {2.797, 1.977};
    struct pt_gs_region region = {t, z_upper, NULL, 2, 2};
    struct pt_gs_stagewise r;
    struct pt_error err;

    PT_CHECK_OK(pt_gs_stagewise(&region, 0, 3, 0.95, &r, &err), err);
    near(r.p_upper, pt_norm_sf(3), 1e-12);
    near(r.median_unbiased_drift, 3 / sqrt(0.5), 1e-10);
    near(r.drift.low, (3 - 1.9599639845400545) / sqrt(0.5), 1e-10);
    PT_CHECK_OK(pt_gs_stagewise(&region, 1, 2, 0.95, &r, &err), err);
    assert_true(r.drift.low < r.median_unbiased_drift && r.median_unbiased_drift < r.mle_drift);
    assert_int_equal(pt_gs_stagewise(&region, 2, 2, 0.95, &r, &err), PT_INVALID);
    assert_string_equal(err.text, "look: 3 of 2");
    assert_true(isnan(pt_gs_repeated_interval(NAN, 2, 1).low));
    assert_true(isnan(pt_gs_conditional_power(1, 2, 2, 2).under_null));
}

static void refused_designs(void **state)
{
    (void)state;
    const struct {
        struct pt_gs_design design;
        const char *says;
    } cases[] = {
        {{obf, 0.05, 2, (double[]){0.5, 0.4}, NULL, 2}, "t[1]: 0.4 comes after 0.5"},
        {{obf, 0.05, 2, (double[]){0.5, 0.5}, NULL, 2}, "must rise"},
        {{obf, 0.05, 2, (double[]){0, 0.5}, NULL, 2}, "t[0]: 0 is not a number above 0"},
        {{obf, 0.05, 2, (double[]){0.5, NAN}, NULL, 2}, "t[1]"},
        {{obf, 0.05, 2, (double[]){0.5, INFINITY}, NULL, 2}, "t[1]"},
        {{obf, 0.05, 2, (double[]){0.5, 0.500001}, NULL, 2}, "too close"},
        {{obf, 0.05, 2, NULL, NULL, 0}, "0 looks"},
        {{obf, 0, 2, (double[]){0.5, 1}, NULL, 2}, "alpha: 0"},
        {{obf, 1, 2, (double[]){0.5, 1}, NULL, 2}, "alpha: 1"},
        {{obf, NAN, 2, (double[]){0.5, 1}, NULL, 2}, "alpha"},
        {{obf, 0.05, 3, (double[]){0.5, 1}, NULL, 2}, "sided: 3"},
        {{{PT_SPEND_KIM_DEMETS, -1, NULL, 0}, 0.05, 1, (double[]){0.5, 1}, NULL, 2}, "param"},
        {{{PT_SPEND_HWANG_SHIH_DECANI, NAN, NULL, 0}, 0.05, 1, (double[]){0.5, 1}, NULL, 2},
         "param"},
        {{{PT_SPEND_USER, NAN, (double[]){0.03, 0.02}, 2}, 0.05, 1, (double[]){0.5, 1}, NULL, 2},
         "must not fall"},
        {{{PT_SPEND_USER, NAN, (double[]){0.03, 0.06}, 2}, 0.05, 1, (double[]){0.5, 1}, NULL, 2},
         "pass 0.05"},
        {{{PT_SPEND_USER, NAN, (double[]){0.03}, 1}, 0.05, 1, (double[]){0.5, 1}, NULL, 2},
         "1 values for 2 looks"},
    };
    double z[2];
    struct pt_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(pt_gs_bounds(&cases[i].design, z, NULL, &err), PT_INVALID);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].says);
        }
    }
    double final_z = 0;
    double spent = 0;

    assert_int_equal(
        pt_gs_haybittle_peto((double[]){0.5, 1}, 2, 0.05, 2, 1.5, &final_z, &spent, &err),
        PT_INVALID);
    struct pt_gs_region region = {(double[]){0.5, 1}, (double[]){2, 1}, (double[]){1, 1.5}, 2, 1};

    assert_int_equal(pt_gs_exits(&region, 0, NULL, NULL, NULL, &err), PT_INVALID);
    region.z_lower = NULL;
    assert_int_equal(pt_gs_exits(&region, NAN, NULL, NULL, NULL, &err), PT_INVALID);
    assert_int_equal(pt_gs_drift_for_power(&region, 0.01, false, &spent, &err), PT_INVALID);
}

/* Promise: any allocation may fail; nothing leaks, and the code says so. */
static void no_memory(void **state)
{
    (void)state;
    double t[] = {0.2, 0.45, 0.7, 1};
    struct pt_gs_futility design = {t, 4, 0.025, 0.2, obf, obf, true};
    double a[4];
    double b[4];
    double drift = NAN;
    bool fired = true;

    for (unsigned nth = 1; fired && nth < 200; nth++) {
        struct pt_error err;

        pt_mem_fail_after(nth);
        enum pt_code code = pt_gs_futility(&design, &drift, b, a, &err);

        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        assert_int_equal(code, fired ? PT_NO_MEMORY : PT_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_constants),
        cmocka_unit_test(bounds_spend_the_increments),
        cmocka_unit_test(extreme_bounds),
        cmocka_unit_test(power_and_drift),
        cmocka_unit_test(futility_meets_at_the_end),
        cmocka_unit_test(stagewise),
        cmocka_unit_test(refused_designs),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
