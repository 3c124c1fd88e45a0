/*
 * test_power.c - sample sizes, power and minimum effects agree with each other
 *
 * Promise: the size that is asked for has the power, the minimum effect has it too, whatever the
 * method; and what cannot be reached is NaN. Method: there and back again, over a table.
 */
#include "near.h"

#include "stats/stats.h"

static void published_size(void **state)
{
    (void)state;
    struct pt_sample_size size = pt_sample_size_arcsine(0.35, 0.37, 0.05, 0.8, 1, PT_TWO_SIDED);

    near(size.n_a, 9041, 0);
    near(size.n_b, 9041, 0);
    near(pt_power_arcsine(0.35, 0.37, 9041, 9041, 0.05, PT_TWO_SIDED), size.achieved_power, 1e-15);
    assert_true(pt_power_arcsine(0.35, 0.37, 9040, 9040, 0.05, PT_TWO_SIDED) < 0.8);
}

static void there_and_back(void **state)
{
    (void)state;
    static const struct {
        double p0, p1, alpha, power, ratio;
    } cases[] = {
        {0.35, 0.37, 0.05, 0.8, 1},     {0.02, 0.025, 0.01, 0.9, 2},  {0.5, 0.48, 0.1, 0.7, 0.5},
        {0.001, 0.002, 0.001, 0.95, 9}, {0.97, 0.975, 0.05, 0.85, 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int null = 0; null < 2; null++) {
            enum pt_null_variance method = null ? PT_NULL_UNPOOLED : PT_NULL_POOLED;
            struct pt_sample_size size =
                pt_sample_size_prop(cases[i].p0, cases[i].p1, cases[i].alpha, cases[i].power,
                                    cases[i].ratio, 1, method);
            struct pt_mde_prop mde = pt_mde_prop(cases[i].p0, size.n_a_real, size.n_b_real,
                                                 cases[i].alpha, cases[i].power, 1, method);

            near(pt_power_prop(cases[i].p0, cases[i].p1, size.n_a_real, size.n_b_real,
                               cases[i].alpha, 1, method),
                 cases[i].power, 1e-12);
            near(cases[i].p1 > cases[i].p0 ? mde.p1_up : mde.p1_down, cases[i].p1, 1e-11);
            assert_true(size.achieved_power >= cases[i].power);
        }
        for (int sided = 1; sided <= 2; sided++) {
            enum pt_alternative alternative = sided == 2 ? PT_TWO_SIDED : PT_LARGER;
            struct pt_sample_size z = pt_sample_size_z(0.3, 4, 5, cases[i].alpha, cases[i].power,
                                                       cases[i].ratio, alternative);
            struct pt_sample_size t =
                pt_sample_size_t(0.3, cases[i].alpha, cases[i].power, cases[i].ratio, alternative);

            near(pt_power_z(0.3, 4, 5, z.n_a_real, z.n_b_real, cases[i].alpha, alternative),
                 cases[i].power, 1e-12);
            near(pt_mde_z(4, 5, z.n_a_real, z.n_b_real, cases[i].alpha, cases[i].power, sided), 0.3,
                 1e-12);
            near(pt_power_t(0.3, t.n_a_real, t.n_b_real, cases[i].alpha, alternative),
                 cases[i].power, 1e-10);
            near(pt_mde_t(t.n_a_real, t.n_b_real, cases[i].alpha, cases[i].power, sided), 0.3,
                 1e-9);
        }
    }
}

/* A ratio over a constant denominator of 1 is a mean. */
static void ratio_unit_variance(void **state)
{
    (void)state;
    struct pt_ratio_arm arm = {2, 5, 1, 7, 0, 0};

    near(pt_ratio_unit_variance(&arm), 7, 1e-15);
    arm.mean_den = 0;
    assert_true(isnan(pt_ratio_unit_variance(&arm)));
}

static struct pt_sample_size of_means(const void *ctx, double ratio, double alpha)
{
    (void)ctx;
    return pt_sample_size_z(0.3, 100, 100, alpha, 0.85, ratio, PT_TWO_SIDED);
}

static void several_arms(void **state)
{
    (void)state;
    double n[4];
    struct pt_sample_size two = of_means(NULL, 1, 0.05);
    struct pt_arms_size arms =
        pt_sample_size_arms((double[]){1, 1, 1}, 3, PT_ALL_VS_ALL, false, 0.05, of_means, NULL, n);

    near(n[0], two.n_a, 0);
    near(arms.n_total, 3 * two.n_a, 0);
    assert_int_equal(arms.comparisons, 3);
    /* Half to control: 1/0.5 + 1/0.25 = 6 against 4. */
    arms = pt_sample_size_arms((double[]){0.5, 0.25, 0.25}, 3, PT_CONTROL_VS_ALL, false, 0.05,
                               of_means, NULL, n);
    near(arms.n_total, two.n_a_real * 2 * 1.5, 1e-4);
    near(n[0], 2 * n[1], 1e-4);
    arms = pt_sample_size_arms((double[]){1, 1, 1, 1}, 4, PT_CONTROL_VS_ALL, true, 0.05, of_means,
                               NULL, n);
    near(arms.alpha_each, 0.05 / 3, 1e-15);
    near(n[3], of_means(NULL, 1, 0.05 / 3).n_a, 0);
    arms =
        pt_sample_size_arms((double[]){1, 0}, 2, PT_CONTROL_VS_ALL, true, 0.05, of_means, NULL, n);
    assert_true(isnan(arms.n_total) && isnan(n[0]));
    assert_true(isnan(
        pt_sample_size_arms((double[]){1}, 1, PT_CONTROL_VS_ALL, true, 0.05, of_means, NULL, n)
            .n_total));
}

static void unreachable_is_nan(void **state)
{
    (void)state;
    assert_true(isnan(pt_sample_size_arcsine(0.3, 0.3, 0.05, 0.8, 1, PT_TWO_SIDED).n_a));
    assert_true(isnan(pt_sample_size_arcsine(0.3, 0.4, 0.05, 0.8, 1, PT_SMALLER).n_a));
    assert_true(isnan(pt_sample_size_arcsine(0.3, 0.4, 0.05, 0.04, 1, PT_TWO_SIDED).n_a));
    assert_true(isnan(pt_sample_size_arcsine(0.3, 0.4, 0.05, 0.8, 0, PT_TWO_SIDED).n_a));
    assert_true(isnan(pt_sample_size_arcsine(0.3, 1.4, 0.05, 0.8, 1, PT_TWO_SIDED).n_a));
    assert_true(isnan(pt_sample_size_prop(0.3, 0.4, 1, 0.8, 1, 2, PT_NULL_POOLED).n_a));
    assert_true(isnan(pt_sample_size_t(0, 0.05, 0.8, 1, PT_TWO_SIDED).n_a));
    assert_true(isnan(pt_sample_size_t(-0.1, 0.05, 0.8, 1, PT_LARGER).n_a));
    assert_true(isnan(pt_mde_t(1, 1, 0.05, 0.8, 2)));
    assert_true(isnan(pt_power_t(0.1, 1, 1, 0.05, PT_TWO_SIDED)));
    assert_true(isnan(pt_power_z(0.1, 0, 0, 10, 10, 0.05, PT_TWO_SIDED)));
    assert_true(isnan(pt_mde_prop(0.5, 3, 3, 0.001, 0.9, 2, PT_NULL_POOLED).p1_up));
    /* Tiny and huge effects end: a size beyond any use, and two units. */
    assert_true(pt_sample_size_t(1e-9, 0.05, 0.8, 1, PT_TWO_SIDED).n_a > 1e19);
    near(pt_sample_size_t(50, 0.05, 0.8, 1, PT_TWO_SIDED).n_a, 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_size),      cmocka_unit_test(there_and_back),
        cmocka_unit_test(ratio_unit_variance), cmocka_unit_test(several_arms),
        cmocka_unit_test(unreachable_is_nan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
