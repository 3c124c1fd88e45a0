/*
 * power_t.c - power, sample size and minimum effect of the two-sample t test
 *
 * Searches start from the normal solution, which is close: every call of the noncentral t costs
 * some tens of microseconds.
 */
#include "stats/power.h"

#include "stats/special.h"

#include <math.h>

#define DOUBLINGS_MAX 200

double pt_power_t(double d, double n_a, double n_b, double alpha, enum pt_alternative alternative)
{
    double df = n_a + n_b - 2;

    if (!isfinite(d) || !(n_a > 0) || !(n_b > 0) || !(df > 0) || !isfinite(df) ||
        !(alpha > 0 && alpha < 1)) {
        return NAN;
    }
    double delta = d * sqrt(n_a / (n_a + n_b) * n_b);
    double t = pt_t_quantile_upper(alternative == PT_TWO_SIDED ? alpha / 2 : alpha, df);

    switch (alternative) {
    case PT_TWO_SIDED:
        return pt_nct_sf(t, df, delta) + pt_nct_cdf(-t, df, delta);
    case PT_LARGER:
        return pt_nct_sf(t, df, delta);
    case PT_SMALLER:
        return pt_nct_cdf(-t, df, delta);
    }
    return NAN;
}

struct problem {
    double d;
    double n_a;
    double n_b;
    double ratio;
    double alpha;
    double power;
    enum pt_alternative alternative;
};

static double excess_by_log_size(const void *ctx, double log_n)
{
    const struct problem *p = ctx;
    double n_a = exp(log_n);

    return pt_power_t(p->d, n_a, p->ratio * n_a, p->alpha, p->alternative) - p->power;
}

struct pt_sample_size pt_sample_size_t(double d, double alpha, double power, double ratio,
                                       enum pt_alternative alternative)
{
    struct pt_sample_size size = pt_sample_size_z(d, 1, 1, alpha, power, ratio, alternative);
    struct problem problem = {d, NAN, NAN, ratio, alpha, power, alternative};
    double least = log(2 / (1 + ratio)) + 1e-9; /* df just above 0 */

    if (isnan(size.n_a_real)) {
        return size;
    }
    /* t needs a few units more than z; the power rises with the size. */
    double low = fmax(least, log(size.n_a_real));
    double high = low;
    double step = 0.01;

    for (int i = 0; i < DOUBLINGS_MAX && excess_by_log_size(&problem, low) > 0 && low > least;
         i++) {
        low = fmax(least, low - step);
        step *= 2;
    }
    for (int i = 0; i < DOUBLINGS_MAX && !(excess_by_log_size(&problem, high) >= 0); i++) {
        low = high;
        high += step;
        step *= 2;
    }
    double n_a =
        low < high ? exp(pt_root_rough(excess_by_log_size, &problem, low, high)) : exp(low);

    size.n_a_real = n_a;
    size.n_b_real = ratio * n_a;
    size.n_a = ceil(n_a);
    size.n_b = ceil(ratio * n_a);
    size.achieved_power = pt_power_t(d, size.n_a, size.n_b, alpha, alternative);
    return size;
}

static double excess_by_effect(const void *ctx, double d)
{
    const struct problem *p = ctx;

    return pt_power_t(d, p->n_a, p->n_b, p->alpha, p->alternative) - p->power;
}

double pt_mde_t(double n_a, double n_b, double alpha, double power, int sided)
{
    double start = pt_mde_z(1, 1, n_a, n_b, alpha, power, sided);
    struct problem problem = {
        NAN, n_a, n_b, NAN, alpha, power, sided == 2 ? PT_TWO_SIDED : PT_LARGER};
    double low = 0;
    double high = start;

    if (isnan(start) || !(n_a + n_b > 2)) {
        return NAN;
    }
    for (int i = 0; i < DOUBLINGS_MAX && excess_by_effect(&problem, high) < 0; i++) {
        low = high;
        high *= 1.25;
    }
    return pt_root_rough(excess_by_effect, &problem, low, high);
}
