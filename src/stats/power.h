/*
 * power.h - power, sample size, minimum detectable effect
 *
 * Part of stats.h. `alpha` is the whole type I error of the test: both tails together in a
 * two-sided one. `ratio` is n_b / n_a. Real sample sizes solve power(n) = power exactly; whole ones
 * are each rounded up, and the achieved power is that of the whole sizes. NaN where no size
 * reaches the power: no effect, the wrong direction, a two-sided power not above alpha.
 * Probabilities outside (0, 1), sizes or a ratio not above 0 give NaN throughout.
 */
#ifndef PT_STATS_POWER_H
#define PT_STATS_POWER_H

#include "base/error.h"
#include "stats/means.h"
#include "stats/types.h"

struct pt_sample_size {
    double n_a_real;
    double n_b_real;
    double n_a;
    double n_b;
    double achieved_power;
};

/* ---- proportions, on the arcsine scale ---- */

/* h = 2 asin sqrt p1 - 2 asin sqrt p0. Cohen, Statistical Power Analysis for the Behavioral
 * Sciences, 2nd ed. 1988, (6.2.1). */
double pt_cohen_h(double p0, double p1);

/* Power of the test on h with n_a and n_b units; two-sided counts both tails. Cohen 1988, 6.5. */
double pt_power_arcsine(double p0, double p1, double n_a, double n_b, double alpha,
                        enum pt_alternative alternative);
struct pt_sample_size pt_sample_size_arcsine(double p0, double p1, double alpha, double power,
                                             double ratio, enum pt_alternative alternative);
/* The h > 0 that has the power, and the proportions at that distance above and below p0: NaN where
 * the angle leaves [0, pi/2]. */
struct pt_mde_arcsine {
    double h;
    double p1_up;
    double p1_down;
};
struct pt_mde_arcsine pt_mde_arcsine(double p0, double n_a, double n_b, double alpha, double power,
                                     int sided);

/* ---- proportions, by the normal approximation ---- */

/*
 * z test with the pooled or the unpooled variance under the null: n_a = [z_{alpha/sided} s_0 +
 * z_{1-power} s_1]^2/(p1 - p0)^2, s_1^2 = p0 (1 - p0) + p1 (1 - p1)/ratio, s_0^2 = pbar (1 - pbar)
 * (1 + 1/ratio) with the mean proportion pbar (pooled) or s_1^2. Size and minimum effect leave the
 * far tail out (R's power.prop.test); the power counts it when sided is 2. Fleiss, Levin, Paik
 * 2003, (4.14) and 4.3.
 */
enum pt_null_variance {
    PT_NULL_POOLED,
    PT_NULL_UNPOOLED,
};
struct pt_sample_size pt_sample_size_prop(double p0, double p1, double alpha, double power,
                                          double ratio, int sided, enum pt_null_variance null);
double pt_power_prop(double p0, double p1, double n_a, double n_b, double alpha, int sided,
                     enum pt_null_variance null);
/* The nearest p1 above and below p0 with the power; NaN where there is none in [0, 1]. */
struct pt_mde_prop {
    double p1_up;
    double p1_down;
};
struct pt_mde_prop pt_mde_prop(double p0, double n_a, double n_b, double alpha, double power,
                               int sided, enum pt_null_variance null);

/* ---- means ---- */

/*
 * Two-sample t test of equal variances by the noncentral t distribution: d is the standardised
 * difference, df = n_a + n_b - 2 (not rounded while solving), noncentrality
 * d sqrt(n_a n_b/(n_a + n_b)). Cohen 1988, 2.5; statsmodels TTestIndPower.
 */
double pt_power_t(double d, double n_a, double n_b, double alpha, enum pt_alternative alternative);
struct pt_sample_size pt_sample_size_t(double d, double alpha, double power, double ratio,
                                       enum pt_alternative alternative);
/* d > 0; sided 1 is LARGER. */
double pt_mde_t(double n_a, double n_b, double alpha, double power, int sided);

/*
 * z test of an absolute difference with known variances of one unit, which may differ between the
 * arms; both tails count. It serves means, CUPED means and, with pt_ratio_unit_variance(),
 * ratio metrics. Chow, Shao, Wang, Sample Size Calculations in Clinical Research, 2nd ed.
 * 2008, 3.2.
 */
double pt_power_z(double difference, double var_a, double var_b, double n_a, double n_b,
                  double alpha, enum pt_alternative alternative);
struct pt_sample_size pt_sample_size_z(double difference, double var_a, double var_b, double alpha,
                                       double power, double ratio, enum pt_alternative alternative);
/* Difference > 0 that has the power. */
double pt_mde_z(double var_a, double var_b, double n_a, double n_b, double alpha, double power,
                int sided);
/* The variance that one unit brings to a ratio of means: V(R) n of pt_ratio_metric(). */
double pt_ratio_unit_variance(const struct pt_ratio_arm *arm);

/* ---- several arms ---- */

/*
 * Total size for several arms at given shares (>= 2, > 0, the first is control): the largest that
 * any of the comparisons needs, each arm rounded up. `size_of` gives the sample size of one
 * comparison at a ratio n_b/n_a and an alpha: bind any of the functions above. BONFERRONI divides
 * alpha by the number of comparisons (Dunn, JASA 56 (1961) 52-64).
 */
enum pt_comparisons {
    PT_CONTROL_VS_ALL,
    PT_ALL_VS_ALL,
};
struct pt_arms_size {
    size_t comparisons;
    double alpha_each;
    double n_total;
    double n_total_real; /* before the arms are rounded up */
};
struct pt_arms_size
pt_sample_size_arms(const double *shares, size_t arms, enum pt_comparisons comparisons,
                    bool is_bonferroni, double alpha,
                    struct pt_sample_size (*size_of)(const void *ctx, double ratio, double alpha),
                    const void *ctx, double *n_out);

#endif
