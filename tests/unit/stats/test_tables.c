/*
 * test_tables.c - Fisher's exact test and independence
 *
 * Promise: Fisher's p is what counting all tables gives, to 1e-11 in both tails, from ten units to
 * 100,000. Method: values by exact rational arithmetic (40 digits for the large tables), agreeing
 * with SciPy 1.17 fisher_exact; identities for the rest.
 */
#include "near.h"

#include "stats/special.h"
#include "stats/stats.h"

static void fisher_counts_all_tables(void **state)
{
    (void)state;
    static const struct {
        struct pt_proportion a;
        struct pt_proportion b;
        double two_sided;
        double larger;
        double smaller;
    } cases[] = {
        {{1, 10}, {7, 12}, 0.030959752321981424, 0.026315789473684211, 0.99845201238390093},
        {{0, 10}, {0, 12}, 1, 1, 1},
        {{3, 10}, {3, 10}, 1, 0.68575851393188854, 0.68575851393188854},
        {{40, 1000}, {62, 1020}, 0.041639356471656494, 0.020822189062569535, 0.98753574565941982},
        {{20034, 44700},
         {20119, 45489},
         0.074707233724352334,
         0.9633361475165066,
         0.037752455340568929},
        {{5, 100000},
         {60, 100000},
         4.8334145314104713e-13,
         2.4167072657052356e-13,
         0.99999999999998056},
        {{0, 50}, {9, 50}, 0.0026342044002590447, 0.0013171022001295223, 1},
        {{10, 10}, {3, 9}, 0.0030959752321981424, 1, 0.0030959752321981424},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        near(pt_fisher_exact(cases[i].a, cases[i].b, PT_TWO_SIDED).p_value, cases[i].two_sided,
             2e-11);
        near(pt_fisher_exact(cases[i].a, cases[i].b, PT_LARGER).p_value, cases[i].larger, 2e-11);
        near(pt_fisher_exact(cases[i].a, cases[i].b, PT_SMALLER).p_value, cases[i].smaller, 2e-11);
        /* The other way round the tails change places. */
        near(pt_fisher_exact(cases[i].b, cases[i].a, PT_SMALLER).p_value, cases[i].larger, 2e-11);
    }
    near(pt_fisher_exact((struct pt_proportion){1, 10}, (struct pt_proportion){7, 12}, PT_LARGER)
             .odds_ratio,
         7.0 * 9 / (5 * 1), 1e-15);
}

/* Promise: ten thousand million units end soon and agree with the chi-square there. */
static void fisher_ends_on_large_tables(void **state)
{
    (void)state;
    struct pt_proportion a = {1e9, 5e9};
    struct pt_proportion b = {1e9 + 60000, 5e9};
    struct pt_proportion arms[] = {a, b};
    double exact = pt_fisher_exact(a, b, PT_TWO_SIDED).p_value;
    double chi2 = pt_chi2_independence(arms, 2, false).p_value;

    near(exact, chi2, 1e-3);
    b.successes = 2e9;
    assert_true(pt_fisher_exact(a, b, PT_TWO_SIDED).p_value < 1e-300);
    assert_true(isnan(
        pt_fisher_exact((struct pt_proportion){1, 9e9}, (struct pt_proportion){1, 9e9}, PT_LARGER)
            .p_value));
    assert_true(isnan(
        pt_fisher_exact((struct pt_proportion){1.5, 9}, (struct pt_proportion){1, 9}, PT_LARGER)
            .p_value));
    assert_true(isnan(
        pt_fisher_exact((struct pt_proportion){10, 9}, (struct pt_proportion){1, 9}, PT_LARGER)
            .p_value));
}

/* Promise: the 2 x 2 chi-square is the pooled z test squared; G is near it; a table without
 * variation is undefined. */
static void independence(void **state)
{
    (void)state;
    struct pt_proportion arms[] = {{400, 1000}, {452, 1020}, {430, 990}};
    struct pt_srm two = pt_chi2_independence(arms, 2, false);
    double z = pt_prop_ztest(arms[0], arms[1], true, PT_TWO_SIDED).z;

    near(two.chi2, z * z, 1e-12);
    near(two.p_value, 2 * pt_norm_sf(fabs(z)), 1e-12);
    near(two.g, two.chi2, 0.01);
    assert_true(pt_chi2_independence(arms, 2, true).chi2 < two.chi2);
    near(pt_chi2_independence(arms, 3, false).df, 2, 0);
    assert_true(isnan(pt_chi2_independence(arms, 3, true).chi2));
    assert_true(isnan(pt_chi2_independence(arms, 1, false).chi2));
    for (double rate = 0; rate <= 1; rate++) {
        struct pt_proportion flat[] = {{rate * 10, 10}, {rate * 12, 12}};

        assert_true(isnan(pt_chi2_independence(flat, 2, false).p_value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fisher_counts_all_tables),
        cmocka_unit_test(fisher_ends_on_large_tables),
        cmocka_unit_test(independence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
