/*
 * stats.h - the mathematics of experiments, on sufficient statistics
 *
 * Pure functions: no I/O, no memory, no state; any thread. A is control, B is treatment; an effect
 * is B - A, so a positive statistic favours B. Counts are doubles that hold whole numbers (exact to
 * 2^53). What is undefined is NaN: a standard error of zero gives no z and no p; an input that
 * makes no sense (more successes than units, no unit, a level outside (0, 1), a NaN) makes
 * every field of the result NaN. Nothing is clipped to [0, 1] or [-1, 1] unless it says so.
 * The source of every formula is named at its function; tests hold all of them to reference values.
 */
#ifndef PT_STATS_STATS_H
#define PT_STATS_STATS_H

#include <stdbool.h>
#include <stddef.h>

enum pt_alternative {
    PT_TWO_SIDED,
    PT_LARGER,  /* B > A */
    PT_SMALLER, /* B < A */
};

/* One arm with a yes-or-no outcome: 0 <= successes <= size. */
struct pt_proportion {
    double successes;
    double size;
};

struct pt_interval {
    double low;
    double high;
};

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
 * Two independent Beta-Binomial arms under one Beta(prior_a, prior_b), each prior parameter at
 * least 0.1: posteriors Beta(prior_a + x, prior_b + n - x), equal-tailed credible intervals, P(B >
 * A) and P(A > B) each computed as it stands, and the expected losses loss_a = E[max(p_b - p_a, 0)]
 * of choosing A, loss_b = E[max(p_a - p_b, 0)] of choosing B. An arm may be empty (size 0): its
 * posterior is the prior. Quadrature in the logit, where all integrands are log-concave; about
 * 1e-12 relative, checked to 1e-10. Stucchio, Bayesian A/B Testing at VWO, 2015; Gelman et al.,
 * Bayesian Data Analysis, 3rd ed., 2.4.
 */
struct pt_beta_posterior {
    double alpha;
    double beta;
    double mean;
    struct pt_interval interval;
};
struct pt_beta_comparison {
    struct pt_beta_posterior a;
    struct pt_beta_posterior b;
    double prob_b_gt_a;
    double prob_a_gt_b;
    double expected_loss_a;
    double expected_loss_b;
    double mean_difference;
    double sd_difference;
};
struct pt_beta_comparison pt_beta_binomial(struct pt_proportion a, struct pt_proportion b,
                                           double prior_a, double prior_b, double level);

#endif
