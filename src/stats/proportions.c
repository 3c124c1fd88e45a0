/*
 * proportions.c - tests and intervals for proportions
 */
#include "stats/proportions.h"

#include "stats/special.h"

#include <math.h>

static bool is_level(double level)
{
    return level > 0 && level < 1;
}

static bool is_proportion(struct pt_proportion arm)
{
    return isfinite(arm.size) && arm.size > 0 && arm.successes >= 0 && arm.successes <= arm.size;
}

/* The upper (1 - level)/2 quantile: from the small tail, so that a level near 1 keeps its digits.
 */
static double two_sided_z(double level)
{
    return pt_norm_quantile_upper((1 - level) / 2);
}

static double rate(struct pt_proportion arm)
{
    return arm.successes / arm.size;
}

/* p (1 - p) / n, with 1 - p counted from the failures. */
static double rate_variance(struct pt_proportion arm)
{
    return rate(arm) * ((arm.size - arm.successes) / arm.size) / arm.size;
}

static struct pt_interval undefined_interval(void)
{
    return (struct pt_interval){NAN, NAN};
}

struct pt_prop_test pt_prop_ztest(struct pt_proportion a, struct pt_proportion b, bool is_pooled,
                                  enum pt_alternative alternative)
{
    struct pt_prop_test test = {NAN, NAN, NAN, NAN};

    if (!is_proportion(a) || !is_proportion(b)) {
        return test;
    }
    test.difference = rate(b) - rate(a);
    if (is_pooled) {
        double n = a.size + b.size;
        double successes = a.successes + b.successes;
        double variance = (successes / n) * ((n - successes) / n);

        test.se = sqrt(variance * (1 / a.size + 1 / b.size));
    } else {
        test.se = sqrt(rate_variance(a) + rate_variance(b));
    }
    if (test.se == 0) {
        return test;
    }
    test.z = test.difference / test.se;
    switch (alternative) {
    case PT_TWO_SIDED:
        test.p_value = fmin(1, 2 * pt_norm_sf(fabs(test.z)));
        break;
    case PT_LARGER:
        test.p_value = pt_norm_sf(test.z);
        break;
    case PT_SMALLER:
        test.p_value = pt_norm_cdf(test.z);
        break;
    }
    return test;
}

struct pt_interval pt_prop_wilson(struct pt_proportion arm, double level)
{
    struct pt_interval interval;

    if (!is_proportion(arm) || !is_level(level)) {
        return undefined_interval();
    }
    double z = two_sided_z(level);
    double z2 = z * z;
    double center = arm.successes + z2 / 2;
    double spread = z * sqrt(arm.successes * ((arm.size - arm.successes) / arm.size) + z2 / 4);

    interval.low = arm.successes == 0 ? 0 : (center - spread) / (arm.size + z2);
    interval.high = arm.successes == arm.size ? 1 : (center + spread) / (arm.size + z2);
    return interval;
}

struct pt_interval pt_prop_wald(struct pt_proportion arm, double level)
{
    if (!is_proportion(arm) || !is_level(level)) {
        return undefined_interval();
    }
    double half = two_sided_z(level) * sqrt(rate_variance(arm));

    return (struct pt_interval){rate(arm) - half, rate(arm) + half};
}

struct pt_interval pt_prop_agresti_coull(struct pt_proportion arm, double level)
{
    if (!is_proportion(arm) || !is_level(level)) {
        return undefined_interval();
    }
    double z2 = two_sided_z(level) * two_sided_z(level);

    return pt_prop_wald((struct pt_proportion){arm.successes + z2 / 2, arm.size + z2}, level);
}

struct pt_interval pt_prop_clopper_pearson(struct pt_proportion arm, double level)
{
    if (!is_proportion(arm) || !is_level(level)) {
        return undefined_interval();
    }
    double tail = (1 - level) / 2;
    double x = arm.successes;
    double rest = arm.size - arm.successes;

    return (struct pt_interval){
        x == 0 ? 0 : pt_beta_quantile(tail, x, rest + 1),
        rest == 0 ? 1 : pt_beta_quantile_upper(tail, x + 1, rest),
    };
}

struct pt_interval pt_prop_jeffreys(struct pt_proportion arm, double level)
{
    if (!is_proportion(arm) || !is_level(level)) {
        return undefined_interval();
    }
    double tail = (1 - level) / 2;
    double x = arm.successes;
    double rest = arm.size - arm.successes;

    return (struct pt_interval){
        x == 0 ? 0 : pt_beta_quantile(tail, x + 0.5, rest + 0.5),
        rest == 0 ? 1 : pt_beta_quantile_upper(tail, x + 0.5, rest + 0.5),
    };
}

static struct pt_interval wald_interval(struct pt_proportion a, struct pt_proportion b, double z)
{
    double difference = rate(b) - rate(a);
    double half = z * sqrt(rate_variance(a) + rate_variance(b));

    return (struct pt_interval){difference - half, difference + half};
}

static struct pt_interval newcombe_interval(struct pt_proportion a, struct pt_proportion b,
                                            double level)
{
    double difference = rate(b) - rate(a);
    struct pt_interval of_a = pt_prop_wilson(a, level);
    struct pt_interval of_b = pt_prop_wilson(b, level);

    return (struct pt_interval){
        difference - hypot(rate(b) - of_b.low, of_a.high - rate(a)),
        difference + hypot(of_b.high - rate(b), rate(a) - of_a.low),
    };
}

struct pt_interval pt_prop_diff_interval(struct pt_proportion a, struct pt_proportion b,
                                         double level, enum pt_diff_method method)
{
    struct pt_proportion more_a = {a.successes + 1, a.size + 2};
    struct pt_proportion more_b = {b.successes + 1, b.size + 2};

    if (!is_proportion(a) || !is_proportion(b) || !is_level(level)) {
        return undefined_interval();
    }
    switch (method) {
    case PT_DIFF_WALD:
        return wald_interval(a, b, two_sided_z(level));
    case PT_DIFF_NEWCOMBE:
        return newcombe_interval(a, b, level);
    case PT_DIFF_AGRESTI_CAFFO:
        return wald_interval(more_a, more_b, two_sided_z(level));
    }
    return undefined_interval();
}

struct pt_uplift pt_prop_uplift(struct pt_proportion a, struct pt_proportion b, double level)
{
    struct pt_uplift result = {NAN, NAN, undefined_interval(), NAN, undefined_interval()};

    if (!is_proportion(a) || !is_proportion(b) || !is_level(level) || a.successes == 0) {
        return result;
    }
    double z = two_sided_z(level);
    double mean_a = rate(a);
    double mean_b = rate(b);
    double relative_a = rate_variance(a) / (mean_a * mean_a);

    result.uplift = (mean_b - mean_a) / mean_a;
    result.se = sqrt(rate_variance(b) / (mean_a * mean_a) +
                     (mean_b / mean_a) * (mean_b / mean_a) * relative_a);
    result.interval.low = result.uplift - z * result.se;
    result.interval.high = result.uplift + z * result.se;
    if (b.successes > 0) {
        double log_ratio = log(mean_b / mean_a);

        result.se_log_ratio = sqrt(relative_a + rate_variance(b) / (mean_b * mean_b));
        result.log_interval.low = expm1(log_ratio - z * result.se_log_ratio);
        result.log_interval.high = expm1(log_ratio + z * result.se_log_ratio);
    }
    return result;
}
