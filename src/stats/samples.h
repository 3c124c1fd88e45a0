/*
 * samples.h - statistics that need the raw values, and quantiles
 *
 * Part of stats.h. The values are borrowed and not changed; what they need is
 * allocated and freed within the call (PT_NO_MEMORY). PT_INVALID names a value that is no finite
 * number, or an arm with too few.
 */
#ifndef PT_STATS_SAMPLES_H
#define PT_STATS_SAMPLES_H

#include "base/error.h"
#include "stats/means.h"
#include "stats/types.h"

/* One arm's raw values. */
struct pt_values {
    const double *values;
    size_t count;
};

/*
 * Mann and Whitney's rank test, Annals of Mathematical Statistics 18 (1947) 50-60. u_b counts
 * pairs with b > a, ties one half. Normal approximation with the tie correction, with continuity
 * correction (p_corrected) and without. p_exact (NaN where there are ties, or with more than
 * PT_RANK_EXACT_PAIRS pairs) by the recursion of the null distribution, two-sided =
 * min(1, twice the smaller tail). All values equal: p NaN.
 */
#define PT_RANK_EXACT_PAIRS 10000
struct pt_rank_test {
    double u_a;
    double u_b;
    double p_corrected;
    double p_uncorrected;
    double p_exact;
};
enum pt_code pt_mann_whitney(struct pt_values a, struct pt_values b,
                             enum pt_alternative alternative, struct pt_rank_test *out,
                             struct pt_error *err) PT_MUST_USE;

/*
 * The quantile of probability q in (0, 1), type 7 of Hyndman and Fan, The American Statistician 50
 * (1996) 361-365 (R's and NumPy's default), with the standard error of Maritz and Jarrett, JASA 73
 * (1978) 194-196: the sd of the m-th order statistic, m = [q n + 1/2], of the sample's own
 * distribution, by probabilities of Beta(m, n - m + 1) as the paper has them (some packages take
 * m - 1 and n - m). The difference of two arms is treated as normal.
 */
struct pt_quantile_test {
    double quantile_a;
    double quantile_b;
    double se_a;
    double se_b;
    struct pt_mean_test difference;
};
enum pt_code pt_quantile_diff(struct pt_values a, struct pt_values b, double q,
                              enum pt_alternative alternative, double level,
                              struct pt_quantile_test *out, struct pt_error *err) PT_MUST_USE;

/*
 * The same from limits that a query gives: the order statistics at the ranks (1-based) of a
 * distribution-free interval with probability `level`, which pt_quantile_ranks() names; then
 * se = (high - low)/(2 z). Woodruff, JASA 47 (1952) 635-646. Ranks are NaN where the sample is too
 * small to hold the interval.
 */
struct pt_quantile_ranks {
    double low;
    double high;
};
struct pt_quantile_ranks pt_quantile_ranks(double size, double q, double level);

struct pt_quantile_limits {
    double quantile;
    double low;
    double high;
};
struct pt_quantile_test pt_quantile_limits_diff(struct pt_quantile_limits a,
                                                struct pt_quantile_limits b, double limits_level,
                                                enum pt_alternative alternative, double level);

/*
 * Winsorised means: values below the `low` quantile of both arms together are raised to it, values
 * above the `high` quantile lowered to it (type 7; 0 and 1 leave a side alone), then Welch's
 * test. One pair of limits for both arms, because limits of an arm's own would hide an effect in
 * the tail. Tukey, Annals of Mathematical Statistics 33 (1962) 1-67; Kohavi, Tang, Xu, Trustworthy
 * Online Controlled Experiments, 2020, ch. 22.
 */
struct pt_winsorized {
    double limit_low;
    double limit_high;
    struct pt_sample a;
    struct pt_sample b;
    struct pt_mean_test test;
};
enum pt_code pt_winsorized_test(struct pt_values a, struct pt_values b, double low, double high,
                                enum pt_alternative alternative, double level,
                                struct pt_winsorized *out, struct pt_error *err) PT_MUST_USE;

#endif
