/*
 * power.c - power, sample size and minimum detectable effect by normal theory
 */
#include "stats/power.h"

#include "stats/special.h"

#include <math.h>

static const struct pt_sample_size undefined_size = {NAN, NAN, NAN, NAN, NAN};

static bool is_share(double p)
{
    return p > 0 && p < 1;
}

static bool is_positive(double x)
{
    return x > 0 && isfinite(x);
}

/* Power of a normal test whose statistic has mean `shift`, with error `alpha`. */
static double power_of(double shift, double alpha, enum pt_alternative alternative)
{
    double z = pt_norm_quantile_upper(alternative == PT_TWO_SIDED ? alpha / 2 : alpha);

    switch (alternative) {
    case PT_TWO_SIDED:
        return pt_norm_sf(z - shift) + pt_norm_cdf(-z - shift);
    case PT_LARGER:
        return pt_norm_sf(z - shift);
    case PT_SMALLER:
        return pt_norm_cdf(-z - shift);
    }
    return NAN;
}

struct shift_problem {
    double alpha;
    double power;
};

static double two_sided_excess(const void *ctx, double shift)
{
    const struct shift_problem *p = ctx;

    return power_of(shift, p->alpha, PT_TWO_SIDED) - p->power;
}

/*
 * The shift > 0 with which the test has the power. In a two-sided test the far tail adds to it, so
 * the one-sided solution is an upper bound; NaN where even no shift has that much power.
 */
static double shift_for_power(double alpha, double power, bool is_two_sided)
{
    double high =
        pt_norm_quantile_upper(is_two_sided ? alpha / 2 : alpha) + pt_norm_quantile(power);
    struct shift_problem problem = {alpha, power};

    if (!is_two_sided) {
        return high > 0 ? high : NAN;
    }
    if (power <= alpha) {
        return NAN;
    }
    return pt_root(two_sided_excess, &problem, 0, fmax(high, 1e-3) + 1);
}

/* Whether an effect of that sign can be found by that alternative. */
static bool is_reachable(double effect, enum pt_alternative alternative)
{
    return (effect > 0 && alternative != PT_SMALLER) || (effect < 0 && alternative != PT_LARGER);
}

static struct pt_sample_size sizes_of(double n_a, double ratio)
{
    return (struct pt_sample_size){n_a, ratio * n_a, ceil(n_a), ceil(ratio * n_a), NAN};
}

/* ---- arcsine ---- */

double pt_cohen_h(double p0, double p1)
{
    if (!(p0 >= 0 && p0 <= 1) || !(p1 >= 0 && p1 <= 1)) {
        return NAN;
    }
    /* asin sqrt p1 - asin sqrt p0 = asin of a difference of products cancels less, but by
     * the tangent of half angles it does not cancel at all. */
    double cross = (p1 - p0) / (sqrt(p1 * (1 - p0)) + sqrt(p0 * (1 - p1)));
    double dot = sqrt(p0 * p1) + sqrt((1 - p0) * (1 - p1));

    return p0 == p1 ? 0 : 2 * atan2(cross, dot);
}

/* sqrt of n_a n_b/(n_a + n_b) without overflow. */
static double harmonic_root(double n_a, double n_b)
{
    return sqrt(n_a / (n_a + n_b) * n_b);
}

double pt_power_arcsine(double p0, double p1, double n_a, double n_b, double alpha,
                        enum pt_alternative alternative)
{
    if (!is_positive(n_a) || !is_positive(n_b) || !is_share(alpha)) {
        return NAN;
    }
    return power_of(pt_cohen_h(p0, p1) * harmonic_root(n_a, n_b), alpha, alternative);
}

struct pt_sample_size pt_sample_size_arcsine(double p0, double p1, double alpha, double power,
                                             double ratio, enum pt_alternative alternative)
{
    double h = pt_cohen_h(p0, p1);

    if (!is_share(alpha) || !is_share(power) || !is_positive(ratio) ||
        !is_reachable(h, alternative)) {
        return undefined_size;
    }
    double shift = shift_for_power(alpha, power, alternative == PT_TWO_SIDED);
    struct pt_sample_size size = sizes_of(shift * shift / (h * h) * (1 + 1 / ratio), ratio);

    size.achieved_power = pt_power_arcsine(p0, p1, size.n_a, size.n_b, alpha, alternative);
    return size;
}

struct pt_mde_arcsine pt_mde_arcsine(double p0, double n_a, double n_b, double alpha, double power,
                                     int sided)
{
    struct pt_mde_arcsine mde = {NAN, NAN, NAN};

    if (!is_positive(n_a) || !is_positive(n_b) || !is_share(alpha) || !is_share(power) ||
        !(p0 >= 0 && p0 <= 1)) {
        return mde;
    }
    double angle = asin(sqrt(p0));

    mde.h = shift_for_power(alpha, power, sided == 2) / harmonic_root(n_a, n_b);
    if (angle + mde.h / 2 <= acos(-1.0) / 2) {
        double up = sin(angle + mde.h / 2);

        mde.p1_up = up * up;
    }
    if (angle - mde.h / 2 >= 0) {
        double down = sin(angle - mde.h / 2);

        mde.p1_down = down * down;
    }
    return mde;
}

/* ---- normal approximation ---- */

/* Standard deviations of one control unit's worth under the null and the alternative: the
 * difference's standard error is either over sqrt(n_a). */
struct spread {
    double null;
    double alternative;
};

static struct spread spread_of(double p0, double p1, double ratio, enum pt_null_variance null)
{
    double mean = (p0 + ratio * p1) / (1 + ratio);
    struct spread s;

    s.alternative = sqrt(p0 * (1 - p0) + p1 * (1 - p1) / ratio);
    s.null = null == PT_NULL_POOLED ? sqrt(mean * (1 - mean) * (1 + 1 / ratio)) : s.alternative;
    return s;
}

struct pt_sample_size pt_sample_size_prop(double p0, double p1, double alpha, double power,
                                          double ratio, int sided, enum pt_null_variance null)
{
    if (!(p0 >= 0 && p0 <= 1) || !(p1 >= 0 && p1 <= 1) || p0 == p1 || !is_share(alpha) ||
        !is_share(power) || !is_positive(ratio)) {
        return undefined_size;
    }
    struct spread s = spread_of(p0, p1, ratio, null);
    double reach =
        pt_norm_quantile_upper(alpha / sided) * s.null + pt_norm_quantile(power) * s.alternative;

    if (!(reach > 0)) {
        return undefined_size;
    }
    struct pt_sample_size size = sizes_of(reach * reach / ((p1 - p0) * (p1 - p0)), ratio);

    size.achieved_power = pt_power_prop(p0, p1, size.n_a, size.n_b, alpha, sided, null);
    return size;
}

double pt_power_prop(double p0, double p1, double n_a, double n_b, double alpha, int sided,
                     enum pt_null_variance null)
{
    if (!(p0 >= 0 && p0 <= 1) || !(p1 >= 0 && p1 <= 1) || !is_positive(n_a) || !is_positive(n_b) ||
        !is_share(alpha)) {
        return NAN;
    }
    struct spread s = spread_of(p0, p1, n_b / n_a, null);
    double z = pt_norm_quantile_upper(alpha / sided) * s.null / s.alternative;
    double shift = fabs(p1 - p0) * sqrt(n_a) / s.alternative;

    return pt_norm_sf(z - shift) + (sided == 2 ? pt_norm_cdf(-z - shift) : 0);
}

struct mde_problem {
    double p0;
    double n_a;
    double ratio;
    double z_alpha;
    double z_power;
    enum pt_null_variance null;
};

static double mde_excess(const void *ctx, double p1)
{
    const struct mde_problem *p = ctx;
    struct spread s = spread_of(p->p0, p1, p->ratio, p->null);

    return fabs(p1 - p->p0) * sqrt(p->n_a) - p->z_alpha * s.null - p->z_power * s.alternative;
}

struct pt_mde_prop pt_mde_prop(double p0, double n_a, double n_b, double alpha, double power,
                               int sided, enum pt_null_variance null)
{
    struct pt_mde_prop mde = {NAN, NAN};

    if (!is_share(p0) || !is_positive(n_a) || !is_positive(n_b) || !is_share(alpha) ||
        !is_share(power)) {
        return mde;
    }
    struct mde_problem problem = {
        p0, n_a, n_b / n_a, pt_norm_quantile_upper(alpha / sided), pt_norm_quantile(power), null};

    mde.p1_up = pt_root(mde_excess, &problem, p0, 1);
    mde.p1_down = pt_root(mde_excess, &problem, 0, p0);
    return mde;
}

/* ---- z for means ---- */

double pt_power_z(double difference, double var_a, double var_b, double n_a, double n_b,
                  double alpha, enum pt_alternative alternative)
{
    double se = sqrt(var_a / n_a + var_b / n_b);

    if (!isfinite(difference) || !(var_a >= 0) || !(var_b >= 0) || !is_positive(n_a) ||
        !is_positive(n_b) || !is_positive(se) || !is_share(alpha)) {
        return NAN;
    }
    return power_of(difference / se, alpha, alternative);
}

struct pt_sample_size pt_sample_size_z(double difference, double var_a, double var_b, double alpha,
                                       double power, double ratio, enum pt_alternative alternative)
{
    if (!(var_a >= 0) || !(var_b >= 0) || !is_positive(var_a + var_b) || !is_share(alpha) ||
        !is_share(power) || !is_positive(ratio) || !isfinite(difference) ||
        !is_reachable(difference, alternative)) {
        return undefined_size;
    }
    double shift = shift_for_power(alpha, power, alternative == PT_TWO_SIDED) / difference;
    struct pt_sample_size size = sizes_of(shift * shift * (var_a + var_b / ratio), ratio);

    size.achieved_power =
        pt_power_z(difference, var_a, var_b, size.n_a, size.n_b, alpha, alternative);
    return size;
}

double pt_mde_z(double var_a, double var_b, double n_a, double n_b, double alpha, double power,
                int sided)
{
    if (!(var_a >= 0) || !(var_b >= 0) || !is_positive(var_a + var_b) || !is_positive(n_a) ||
        !is_positive(n_b) || !is_share(alpha) || !is_share(power)) {
        return NAN;
    }
    return shift_for_power(alpha, power, sided == 2) * sqrt(var_a / n_a + var_b / n_b);
}

double pt_ratio_unit_variance(const struct pt_ratio_arm *arm)
{
    double ratio = arm->mean_num / arm->mean_den;
    double residual = arm->var_num - 2 * ratio * arm->cov + ratio * ratio * arm->var_den;

    return arm->mean_den == 0 ? NAN : fmax(0, residual) / (arm->mean_den * arm->mean_den);
}

/* ---- several arms ---- */

struct pt_arms_size
pt_sample_size_arms(const double *shares, size_t arms, enum pt_comparisons comparisons,
                    bool is_bonferroni, double alpha,
                    struct pt_sample_size (*size_of)(const void *ctx, double ratio, double alpha),
                    const void *ctx, double *n_out)
{
    struct pt_arms_size result = {0, NAN, NAN, NAN};
    double sum = 0;
    double total = 0;

    for (size_t i = 0; i < arms; i++) {
        n_out[i] = NAN;
        sum += is_positive(shares[i]) ? shares[i] : NAN;
    }
    if (arms < 2 || isnan(sum) || !is_share(alpha)) {
        return result;
    }
    result.comparisons = comparisons == PT_CONTROL_VS_ALL ? arms - 1 : arms * (arms - 1) / 2;
    result.alpha_each = is_bonferroni ? alpha / (double)result.comparisons : alpha;
    for (size_t i = 0; i < (comparisons == PT_CONTROL_VS_ALL ? 1 : arms); i++) {
        for (size_t k = 0; k < arms; k++) {
            /* All against all: either arm of a pair may be the one that wins. */
            if (k != i && (comparisons == PT_ALL_VS_ALL || k > i)) {
                struct pt_sample_size pair = size_of(ctx, shares[k] / shares[i], result.alpha_each);

                total = pair.n_a_real > 0 ? fmax(total, pair.n_a_real * (sum / shares[i])) : NAN;
                if (isnan(total)) {
                    return result;
                }
            }
        }
    }
    result.n_total_real = total;
    result.n_total = 0;
    for (size_t i = 0; i < arms; i++) {
        /* A whole number that rounding has lifted by its last digits stays that number. */
        n_out[i] = ceil(total * (shares[i] / sum) * (1 - 1e-14));
        result.n_total += n_out[i];
    }
    return result;
}
