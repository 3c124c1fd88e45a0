/*
 * means.c - t and z tests from sufficient statistics, relative differences, ratio metrics
 */
#include "stats/means.h"

#include "stats/special.h"

#include <math.h>

static const struct pt_interval undefined_interval = {NAN, NAN};
static const struct pt_mean_test undefined_test = {NAN, NAN, NAN, NAN, NAN, {NAN, NAN}};

static bool is_level(double level)
{
    return level > 0 && level < 1;
}

static bool is_sample(struct pt_sample arm)
{
    return isfinite(arm.size) && arm.size >= 2 && isfinite(arm.mean) && isfinite(arm.variance) &&
           arm.variance >= 0;
}

/* Test and interval of an estimate whose standard error has `df` degrees of freedom. */
static struct pt_mean_test conclude(double estimate, double se, double df,
                                    enum pt_alternative alternative, double level)
{
    struct pt_mean_test test = {estimate, se, NAN, df, NAN, undefined_interval};
    double tail = alternative == PT_TWO_SIDED ? (1 - level) / 2 : 1 - level;

    if (!(se > 0) || !isfinite(se) || !isfinite(estimate)) {
        return test;
    }
    double half = pt_t_quantile_upper(tail, df) * se;

    test.statistic = estimate / se;
    test.interval.low = alternative == PT_SMALLER ? -INFINITY : estimate - half;
    test.interval.high = alternative == PT_LARGER ? INFINITY : estimate + half;
    switch (alternative) {
    case PT_TWO_SIDED:
        test.p_value = fmin(1, 2 * pt_t_sf(fabs(test.statistic), df));
        break;
    case PT_LARGER:
        test.p_value = pt_t_sf(test.statistic, df);
        break;
    case PT_SMALLER:
        test.p_value = pt_t_cdf(test.statistic, df);
        break;
    }
    return test;
}

static double welch_df(struct pt_sample a, struct pt_sample b)
{
    double va = a.variance / a.size;
    double vb = b.variance / b.size;
    /* As shares of the sum: squares of tiny variances would underflow. */
    double share_a = va / (va + vb);
    double share_b = vb / (va + vb);

    return 1 / (share_a * share_a / (a.size - 1) + share_b * share_b / (b.size - 1));
}

struct pt_mean_test pt_t_test(struct pt_sample a, struct pt_sample b, bool is_equal_variance,
                              enum pt_alternative alternative, double level)
{
    double variance = NAN;
    double df = NAN;

    if (!is_sample(a) || !is_sample(b) || !is_level(level)) {
        return undefined_test;
    }
    if (is_equal_variance) {
        df = a.size + b.size - 2;
        variance = ((a.size - 1) * a.variance + (b.size - 1) * b.variance) / df *
                   (1 / a.size + 1 / b.size);
    } else {
        df = welch_df(a, b);
        variance = a.variance / a.size + b.variance / b.size;
    }
    return conclude(b.mean - a.mean, sqrt(variance), df, alternative, level);
}

struct pt_mean_test pt_z_test_means(struct pt_sample a, struct pt_sample b,
                                    enum pt_alternative alternative, double level)
{
    if (!is_sample(a) || !is_sample(b) || !is_level(level)) {
        return undefined_test;
    }
    return conclude(b.mean - a.mean, sqrt(a.variance / a.size + b.variance / b.size), INFINITY,
                    alternative, level);
}

/* Standard error of b/a - 1 from the variances of the two means. */
static double uplift_se(double a, double var_a, double b, double var_b)
{
    double ratio = b / a;

    return sqrt(var_b + ratio * ratio * var_a) / fabs(a);
}

struct pt_mean_test pt_relative_test(struct pt_sample a, struct pt_sample b,
                                     enum pt_alternative alternative, double level)
{
    if (!is_sample(a) || !is_sample(b) || !is_level(level) || a.mean == 0) {
        return undefined_test;
    }
    double se = uplift_se(a.mean, a.variance / a.size, b.mean, b.variance / b.size);

    return conclude((b.mean - a.mean) / fabs(a.mean), se, welch_df(a, b), alternative, level);
}

struct pt_uplift pt_mean_uplift(struct pt_sample a, struct pt_sample b, double level)
{
    struct pt_uplift result = {NAN, NAN, undefined_interval, NAN, undefined_interval};

    if (!is_sample(a) || !is_sample(b) || !is_level(level) || a.mean == 0) {
        return result;
    }
    double z = pt_norm_quantile_upper((1 - level) / 2);
    double var_a = a.variance / a.size;
    double var_b = b.variance / b.size;

    result.uplift = (b.mean - a.mean) / a.mean;
    result.se = uplift_se(a.mean, var_a, b.mean, var_b);
    result.interval.low = result.uplift - z * result.se;
    result.interval.high = result.uplift + z * result.se;
    if (b.mean / a.mean > 0) {
        double log_ratio = log(b.mean / a.mean);

        result.se_log_ratio = hypot(sqrt(var_a) / a.mean, sqrt(var_b) / b.mean);
        result.log_interval.low = expm1(log_ratio - z * result.se_log_ratio);
        result.log_interval.high = expm1(log_ratio + z * result.se_log_ratio);
    }
    return result;
}

/* ---- ratio metrics ---- */

static bool is_ratio_arm(const struct pt_ratio_arm *arm)
{
    return isfinite(arm->size) && arm->size >= 2 && isfinite(arm->mean_num) &&
           isfinite(arm->mean_den) && arm->mean_den != 0 && isfinite(arm->var_num) &&
           arm->var_num >= 0 && isfinite(arm->var_den) && arm->var_den >= 0 && isfinite(arm->cov);
}

/* The variance of num - R den over n den^2: one form of the delta method that squares no small
 * denominator twice. Rounding below zero is zero. */
static double ratio_variance(const struct pt_ratio_arm *arm)
{
    double ratio = arm->mean_num / arm->mean_den;
    double residual = arm->var_num - 2 * ratio * arm->cov + ratio * ratio * arm->var_den;

    return fmax(0, residual) / (arm->mean_den * arm->mean_den) / arm->size;
}

struct pt_ratio_test pt_ratio_metric(const struct pt_ratio_arm *a, const struct pt_ratio_arm *b,
                                     enum pt_alternative alternative, double level)
{
    struct pt_ratio_test result = {NAN, NAN, NAN, NAN, undefined_test, NAN, NAN};

    if (!is_ratio_arm(a) || !is_ratio_arm(b) || !is_level(level)) {
        return result;
    }
    double var_a = ratio_variance(a);
    double var_b = ratio_variance(b);

    result.ratio_a = a->mean_num / a->mean_den;
    result.ratio_b = b->mean_num / b->mean_den;
    result.se_a = sqrt(var_a);
    result.se_b = sqrt(var_b);
    result.difference = conclude(result.ratio_b - result.ratio_a, sqrt(var_a + var_b), INFINITY,
                                 alternative, level);
    if (result.ratio_a != 0) {
        result.uplift = (result.ratio_b - result.ratio_a) / result.ratio_a;
        result.uplift_se = uplift_se(result.ratio_a, var_a, result.ratio_b, var_b);
    }
    return result;
}

/* ---- CUPED ---- */

static bool is_cuped_arm(const struct pt_cuped_arm *arm)
{
    return isfinite(arm->size) && arm->size >= 2 && isfinite(arm->mean_y) &&
           isfinite(arm->mean_x) && isfinite(arm->var_y) && arm->var_y >= 0 &&
           isfinite(arm->var_x) && arm->var_x >= 0 && isfinite(arm->cov);
}

static double cuped_theta(const struct pt_cuped_arm *a, const struct pt_cuped_arm *b,
                          enum pt_theta_method method)
{
    double sxy = (a->size - 1) * a->cov + (b->size - 1) * b->cov;
    double sxx = (a->size - 1) * a->var_x + (b->size - 1) * b->var_x;

    if (method == PT_THETA_TOTAL) {
        /* Two arms' between parts: n_a n_b/(n_a + n_b) times the product of the differences. */
        double weight = a->size / (a->size + b->size) * b->size;
        double dx = b->mean_x - a->mean_x;

        sxy += weight * dx * (b->mean_y - a->mean_y);
        sxx += weight * dx * dx;
    }
    return sxx > 0 ? sxy / sxx : 0;
}

static struct pt_sample adjust(const struct pt_cuped_arm *arm, double theta, double grand_x)
{
    double variance = arm->var_y - 2 * theta * arm->cov + theta * theta * arm->var_x;

    return (struct pt_sample){arm->size, arm->mean_y - theta * (arm->mean_x - grand_x),
                              fmax(0, variance)};
}

static double tail_probability(double z, enum pt_alternative alternative)
{
    switch (alternative) {
    case PT_TWO_SIDED:
        return fmin(1, 2 * pt_norm_sf(fabs(z)));
    case PT_LARGER:
        return pt_norm_sf(z);
    case PT_SMALLER:
        return pt_norm_cdf(z);
    }
    return NAN;
}

struct pt_cuped pt_cuped(const struct pt_cuped_arm *a, const struct pt_cuped_arm *b,
                         enum pt_theta_method method, enum pt_alternative alternative, double level)
{
    struct pt_cuped result = {NAN, {NAN, NAN, NAN}, {NAN, NAN, NAN}, undefined_test, NAN, NAN, NAN,
                              NAN};

    if (!is_cuped_arm(a) || !is_cuped_arm(b) || !is_level(level)) {
        return result;
    }
    double share_b = b->size / (a->size + b->size);
    double grand_x = a->mean_x + share_b * (b->mean_x - a->mean_x);

    result.theta = cuped_theta(a, b, method);
    result.a = adjust(a, result.theta, grand_x);
    result.b = adjust(b, result.theta, grand_x);
    result.test = pt_t_test(result.a, result.b, false, alternative, level);
    result.p_value_z = tail_probability(result.test.statistic, alternative);
    result.unadjusted_difference = b->mean_y - a->mean_y;
    result.unadjusted_se = sqrt(a->var_y / a->size + b->var_y / b->size);
    if (result.unadjusted_se > 0) {
        double ratio = result.test.se / result.unadjusted_se;

        result.variance_reduction = 1 - ratio * ratio;
    }
    return result;
}

/*
 * The relative difference g = (B - A)/|a| of adjusted means A, B over the unadjusted mean a of
 * control: dg/dB = 1/|a|, and in control's units dg = -(dA + g sign(a) da)/|a|.
 */
static struct pt_mean_test relative_of(double difference, double base, double var_a, double var_b,
                                       double var_base, double cov_a_base, double df,
                                       enum pt_alternative alternative, double level)
{
    if (base == 0) {
        return undefined_test;
    }
    double g = difference / fabs(base);
    double slope = base > 0 ? g : -g;
    double control = var_a + 2 * slope * cov_a_base + slope * slope * var_base;

    return conclude(g, sqrt(var_b + fmax(0, control)) / fabs(base), df, alternative, level);
}

struct pt_mean_test pt_cuped_relative(const struct pt_cuped_arm *a, const struct pt_cuped_arm *b,
                                      enum pt_theta_method method, enum pt_alternative alternative,
                                      double level)
{
    struct pt_cuped adjusted = pt_cuped(a, b, method, alternative, level);

    if (isnan(adjusted.theta)) {
        return undefined_test;
    }
    return relative_of(adjusted.test.estimate, a->mean_y, adjusted.a.variance / a->size,
                       adjusted.b.variance / b->size, a->var_y / a->size,
                       (a->var_y - adjusted.theta * a->cov) / a->size, adjusted.test.df,
                       alternative, level);
}

/* ---- CUPED of a ratio ---- */

/* Weights that turn the four variables of one arm into the linearised ratio after exposure
 * (is_before false) or before it. */
static void linearise(const struct pt_ratio_cuped_arm *arm, bool is_before,
                      double weights_out[PT_RATIO_VARIABLES])
{
    size_t m = is_before ? PT_RATIO_M0 : PT_RATIO_M;
    size_t d = is_before ? PT_RATIO_D0 : PT_RATIO_D;

    for (size_t i = 0; i < PT_RATIO_VARIABLES; i++) {
        weights_out[i] = 0;
    }
    weights_out[m] = 1 / arm->mean[d];
    weights_out[d] = -arm->mean[m] / arm->mean[d] / arm->mean[d];
}

static double product(const struct pt_ratio_cuped_arm *arm, const double v[], const double w[])
{
    double sum = 0;

    for (size_t i = 0; i < PT_RATIO_VARIABLES; i++) {
        for (size_t k = 0; k < PT_RATIO_VARIABLES; k++) {
            sum += v[i] * w[k] * arm->cov[i][k];
        }
    }
    return sum;
}

/* Variances and covariance of the two linearised ratios. */
struct linear {
    double after;
    double before;
    double cov;
    double ratio;
    double ratio_before;
};

static struct linear linear_of(const struct pt_ratio_cuped_arm *arm)
{
    double v[PT_RATIO_VARIABLES];
    double w[PT_RATIO_VARIABLES];

    linearise(arm, false, v);
    linearise(arm, true, w);
    return (struct linear){product(arm, v, v), product(arm, w, w), product(arm, v, w),
                           arm->mean[PT_RATIO_M] / arm->mean[PT_RATIO_D],
                           arm->mean[PT_RATIO_M0] / arm->mean[PT_RATIO_D0]};
}

static bool is_ratio_cuped_arm(const struct pt_ratio_cuped_arm *arm)
{
    bool is_sound = isfinite(arm->size) && arm->size >= 2 && arm->mean[PT_RATIO_D] != 0 &&
                    arm->mean[PT_RATIO_D0] != 0;

    for (size_t i = 0; i < PT_RATIO_VARIABLES; i++) {
        is_sound = is_sound && isfinite(arm->mean[i]) && arm->cov[i][i] >= 0;
        for (size_t k = 0; k < PT_RATIO_VARIABLES; k++) {
            is_sound = is_sound && isfinite(arm->cov[i][k]);
        }
    }
    return is_sound;
}

struct pt_ratio_cuped pt_ratio_cuped(const struct pt_ratio_cuped_arm *a,
                                     const struct pt_ratio_cuped_arm *b, double theta,
                                     enum pt_alternative alternative, double level)
{
    struct pt_ratio_cuped result = {NAN, undefined_test, undefined_test};

    if (!is_ratio_cuped_arm(a) || !is_ratio_cuped_arm(b) || !is_level(level) || isinf(theta)) {
        return result;
    }
    struct linear of_a = linear_of(a);
    struct linear of_b = linear_of(b);
    double before = of_a.before + of_b.before;

    if (isnan(theta)) {
        theta = before > 0 ? (of_a.cov + of_b.cov) / before : 0;
    }
    double var_a = (of_a.after - 2 * theta * of_a.cov + theta * theta * of_a.before) / a->size;
    double var_b = (of_b.after - 2 * theta * of_b.cov + theta * theta * of_b.before) / b->size;
    double difference = of_b.ratio - of_a.ratio - theta * (of_b.ratio_before - of_a.ratio_before);

    var_a = fmax(0, var_a);
    var_b = fmax(0, var_b);
    result.theta = theta;
    result.difference = conclude(difference, sqrt(var_a + var_b), INFINITY, alternative, level);
    result.relative =
        relative_of(difference, of_a.ratio, var_a, var_b, of_a.after / a->size,
                    (of_a.after - theta * of_a.cov) / a->size, INFINITY, alternative, level);
    return result;
}
