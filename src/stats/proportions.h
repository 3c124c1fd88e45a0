/*
 * proportions.h - tests and intervals for counts: proportions, contingency tables, sample ratios
 *
 * Part of stats.h.
 */
#ifndef PT_STATS_PROPORTIONS_H
#define PT_STATS_PROPORTIONS_H

#include "stats/types.h"

/*
 * z test for two proportions, z = (p_b - p_a) / se without continuity correction. Pooled:
 * se^2 = p (1 - p)(1/n_a + 1/n_b) with the common p; else p_a (1 - p_a)/n_a + p_b (1 - p_b)/n_b.
 * Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, 3rd ed. 2003, 3.2.
 */
struct pt_prop_test {
    double difference;
    double se;
    double z;
    double p_value;
};
struct pt_prop_test pt_prop_ztest(struct pt_proportion a, struct pt_proportion b, bool is_pooled,
                                  enum pt_alternative alternative);

/*
 * Interval for p_b - p_a. WALD: the unpooled normal one. NEWCOMBE: hybrid score from Wilson's
 * limits of each arm, method 10 of Newcombe, Statistics in Medicine 17 (1998) 873-890.
 * AGRESTI_CAFFO: Wald after one success and one failure more in each arm, The American Statistician
 * 54 (2000) 280-288.
 */
enum pt_diff_method {
    PT_DIFF_WALD,
    PT_DIFF_NEWCOMBE,
    PT_DIFF_AGRESTI_CAFFO,
};
struct pt_interval pt_prop_diff_interval(struct pt_proportion a, struct pt_proportion b,
                                         double level, enum pt_diff_method method);

/* Wilson's score interval for one proportion; exactly 0 or 1 at the end where x = 0 or x = n.
 * Wilson, JASA 22 (1927) 209-212. */
struct pt_interval pt_prop_wilson(struct pt_proportion arm, double level);

/* Wald's interval for one proportion, not clipped. */
struct pt_interval pt_prop_wald(struct pt_proportion arm, double level);

/* Agresti and Coull, The American Statistician 52 (1998) 119-126: Wald around the center of
 * Wilson's interval, with n + z^2 units; not clipped. */
struct pt_interval pt_prop_agresti_coull(struct pt_proportion arm, double level);

/* The exact interval of Clopper and Pearson, Biometrika 26 (1934) 404-413, by Beta quantiles. */
struct pt_interval pt_prop_clopper_pearson(struct pt_proportion arm, double level);

/* Equal tails of Beta(x + 1/2, n - x + 1/2); 0 at x = 0 and 1 at x = n. Brown, Cai, DasGupta,
 * Statistical Science 16 (2001) 101-133, 3.1.3. */
struct pt_interval pt_prop_jeffreys(struct pt_proportion arm, double level);

/*
 * Relative uplift p_b / p_a - 1 by the delta method: on the ratio itself, and on its logarithm
 * (the better one where p_a is small). NaN where p_a is 0; the log interval where p_b is 0.
 * Deng, Knoblich, Lu, Applying the Delta Method in Metric Analytics, KDD 2018, 3.1.
 */
struct pt_uplift {
    double uplift;
    double se;
    struct pt_interval interval;
    double se_log_ratio;
    struct pt_interval log_interval;
};
struct pt_uplift pt_prop_uplift(struct pt_proportion a, struct pt_proportion b, double level);

/*
 * Sample-ratio mismatch: do the sizes of `count` >= 2 arms fit the planned weights (> 0)? Pearson's
 * chi-square and the likelihood-ratio G, both with count - 1 degrees of freedom, upper tail.
 * `expected_out` may be NULL, else has room for `count`. All-zero sizes: NaN. Fabijan et al.,
 * Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD 2019.
 */
struct pt_srm {
    double df;
    double chi2;
    double p_value;
    double g;
    double g_p_value;
};
struct pt_srm pt_srm_test(const double *sizes, const double *weights, size_t count,
                          double *expected_out);

/*
 * Independence in the table of successes and failures of `count` >= 2 arms: Pearson's chi-square
 * and G with count - 1 degrees of freedom. `is_yates` (two arms): each |O - E| is
 * reduced by min(1/2, |O - E|), for the chi-square alone. All or none converted: NaN. Agresti,
 * Categorical Data Analysis, 3rd ed. 2013, 3.2; Yates, JRSS Supplement 1 (1934) 217-235.
 */
struct pt_srm pt_chi2_independence(const struct pt_proportion *arms, size_t count, bool is_yates);

/*
 * Fisher's exact test of two proportions, by the hypergeometric distribution with all margins
 * fixed. Two-sided: the sum over the tables that are not likelier than the observed one (equal
 * within 1e-7, as R's fisher.test has it). LARGER: b converts more. `odds_ratio` is the table's
 * own (successes_b failures_a) / (failures_b successes_a). At most PT_FISHER_UNITS_MAX units, else
 * NaN: the chi-square test says the same there. Fisher, Statistical Methods for
 * Research Workers, 5th ed. 1934, 21.02; Agresti 2013, 3.5.
 */
#define PT_FISHER_UNITS_MAX 1e10
struct pt_fisher {
    double p_value;
    double odds_ratio;
};
struct pt_fisher pt_fisher_exact(struct pt_proportion a, struct pt_proportion b,
                                 enum pt_alternative alternative);

#endif
