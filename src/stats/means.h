/*
 * means.h - tests and intervals for means, ratios of means, and means adjusted by a covariate
 *
 * Part of stats.h. Everything works on sufficient statistics. Intervals belong to the
 * alternative: two-sided ones cut (1 - level)/2 off each side; LARGER gives [estimate - q se, inf),
 * SMALLER (-inf, estimate + q se]. Variances below 0, sizes below 2 and a level outside (0, 1)
 * give NaN throughout; a standard error of 0 gives no statistic, no p and no interval.
 */
#ifndef PT_STATS_MEANS_H
#define PT_STATS_MEANS_H

#include "stats/proportions.h"
#include "stats/types.h"

struct pt_mean_test {
    double estimate;
    double se;
    double statistic; /* t or z */
    double df;        /* infinite for z */
    double p_value;
    struct pt_interval interval;
};

/*
 * Two-sample t test of mean_b - mean_a. Welch: Biometrika 34 (1947) 28-35, degrees of freedom of
 * Satterthwaite, Biometrics Bulletin 2 (1946) 110-114; `is_equal_variance`: Student's with the
 * pooled variance.
 */
struct pt_mean_test pt_t_test(struct pt_sample a, struct pt_sample b, bool is_equal_variance,
                              enum pt_alternative alternative, double level);

/* The same with Welch's standard error and normal quantiles. */
struct pt_mean_test pt_z_test_means(struct pt_sample a, struct pt_sample b,
                                    enum pt_alternative alternative, double level);

/*
 * Test of the relative difference (mean_b - mean_a)/|mean_a| by the delta method,
 * se^2 = V_b/a^2 + b^2 V_a/a^4, with Welch's degrees of freedom of the absolute difference.
 * NaN where mean_a is 0. Deng, Knoblich, Lu, KDD 2018, 3.1.
 */
struct pt_mean_test pt_relative_test(struct pt_sample a, struct pt_sample b,
                                     enum pt_alternative alternative, double level);

/* Relative uplift mean_b / mean_a - 1, as pt_prop_uplift() has it; the log interval is NaN where
 * the means differ in sign. */
struct pt_uplift pt_mean_uplift(struct pt_sample a, struct pt_sample b, double level);

/*
 * One arm of a metric that is a ratio of means, such as revenue a session with the user as the
 * unit: moments of numerator and denominator over the units. The ratio's variance by the delta
 * method: (var_num/my^2 - 2 mx cov/my^3 + mx^2 var_den/my^4)/n. Deng et al., KDD 2018, 3.2.
 */
struct pt_ratio_arm {
    double size;
    double mean_num;
    double mean_den;
    double var_num;
    double var_den;
    double cov;
};
struct pt_ratio_test {
    double ratio_a;
    double ratio_b;
    double se_a;
    double se_b;
    struct pt_mean_test difference; /* normal */
    double uplift;
    double uplift_se;
};
struct pt_ratio_test pt_ratio_metric(const struct pt_ratio_arm *a, const struct pt_ratio_arm *b,
                                     enum pt_alternative alternative, double level);

/*
 * CUPED: the outcome y adjusted by a covariate x measured before exposure. theta = S_xy/S_xx.
 * WITHIN: sums of squares within the arms (the common slope of an analysis of covariance); TOTAL:
 * the slope over all units together, as the paper has it. Adjusted mean =
 * mean_y - theta (mean_x - grand mean of x), adjusted variance = var_y - 2 theta cov + theta^2
 * var_x; then Welch. Constant x: theta is 0. Deng, Xu, Kohavi, Walker, WSDM 2013, 3.
 */
enum pt_theta_method {
    PT_THETA_WITHIN,
    PT_THETA_TOTAL,
};
struct pt_cuped_arm {
    double size;
    double mean_y;
    double mean_x;
    double var_y;
    double var_x;
    double cov;
};
struct pt_cuped {
    double theta;
    struct pt_sample a; /* adjusted */
    struct pt_sample b;
    struct pt_mean_test test; /* Welch on the adjusted arms */
    double p_value_z;         /* the same statistic against the normal */
    double unadjusted_difference;
    double unadjusted_se;
    double variance_reduction; /* 1 - (se/unadjusted_se)^2 */
};
struct pt_cuped pt_cuped(const struct pt_cuped_arm *a, const struct pt_cuped_arm *b,
                         enum pt_theta_method method, enum pt_alternative alternative,
                         double level);

/*
 * CUPED's relative uplift: adjusted difference over the unadjusted mean of control, by the delta
 * method with the covariance of the two. Deng et al., KDD 2018, 3.1, over WSDM 2013, 3.
 */
struct pt_mean_test pt_cuped_relative(const struct pt_cuped_arm *a, const struct pt_cuped_arm *b,
                                      enum pt_theta_method method, enum pt_alternative alternative,
                                      double level);

/*
 * CUPED of a ratio metric: numerator and denominator after exposure (m, d) and before it (m0, d0),
 * each arm's means and covariances in that order. With the linearised unit values
 * (m - R d)/mean_d and (m0 - R0 d0)/mean_d0, theta is cov/var over both arms, or `theta` where that
 * is not NaN. The relative uplift's variance is that of both linearised ratios over control's.
 */
enum {
    PT_RATIO_M,
    PT_RATIO_D,
    PT_RATIO_M0,
    PT_RATIO_D0,
    PT_RATIO_VARIABLES,
};
struct pt_ratio_cuped_arm {
    double size;
    double mean[PT_RATIO_VARIABLES];
    double cov[PT_RATIO_VARIABLES][PT_RATIO_VARIABLES]; /* divisor size - 1; symmetric */
};
struct pt_ratio_cuped {
    double theta;
    struct pt_mean_test difference; /* of the adjusted ratios, normal */
    struct pt_mean_test relative;   /* over control's |ratio|, normal */
};
struct pt_ratio_cuped pt_ratio_cuped(const struct pt_ratio_cuped_arm *a,
                                     const struct pt_ratio_cuped_arm *b, double theta,
                                     enum pt_alternative alternative, double level);

#endif
