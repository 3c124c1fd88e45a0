/*
 * large_shapes.c - Beta and Gamma with large shapes, by Temme's uniform expansions
 *
 * BETA. With r = a + b, x0 = a/r, y0 = b/r and eta of the sign of x - x0,
 *
 *     eta^2/2 = -x0 ln(x/x0) - y0 ln(y/y0)
 *     I_x(a, b) = erfc(-eta sqrt(r/2))/2 + exp(-r eta^2/2)/sqrt(2 pi r) (c_0 + O(1/r))
 *     c_0 = 1/eta - sqrt(x0 y0)/(x - x0)
 *
 * GAMMA. With lambda = x/a and eta of the sign of lambda - 1,
 *
 *     eta^2/2 = lambda - 1 - ln lambda
 *     P(a, x) = erfc(-eta sqrt(a/2))/2 + exp(-a eta^2/2)/sqrt(2 pi a) (c_0 + O(1/a))
 *     c_0 = 1/eta - 1/(lambda - 1)
 *
 * Temme, Special Functions, 1996, 11.2.4 and 11.3.3.2; NIST DLMF 8.12 and 8.18. What follows c_0 is
 * below a^(-3/2)/500. The logarithms are taken less their first terms, which cancel; the densities
 * have Stirling's series in them.
 */
#include "stats/large_shapes.h"

#include "stats/special.h"

#include <float.h>
#include <math.h>

#define NEWTON_STEPS_MAX 100
#define ONE_OVER_ROOT_TWO_PI 0.398942280401432677939946059934382L
#define CENTER 1e-9L /* below it c_0 is its limit */

/* ln(1 + t) - t. */
static long double log1p_less(long double t)
{
    long double sum = 0;
    long double power = t;

    if (fabsl(t) > 0.01L) {
        return log1pl(t) - t;
    }
    for (int k = 2; k <= 12; k++) {
        power *= -t;
        sum += power / k;
    }
    return sum;
}

/* ln Gamma(x) less Stirling's main part, for x above a million. */
static long double stirling_rest(long double x)
{
    return 1 / (12 * x);
}

struct place {
    long double r;
    long double root; /* sqrt(x0 y0) */
    long double off;  /* x - x0 */
    long double half; /* eta^2/2 */
    long double eta;
    long double x0;
};

static struct place place_of(double u, double a, double b)
{
    long double r = (long double)a + b;
    long double x0 = a / r;
    long double y0 = b / r;
    long double away = (long double)u - logl((long double)a / b);
    /* x - x0 = x0 (1 - x) (e^away - 1), without a difference of near numbers. */
    long double off = x0 * expm1l(away) / (1 + expl((long double)u));
    struct place p = {r, sqrtl(x0 * y0), off, 0, 0, x0};

    p.half = -x0 * log1p_less(off / x0) - y0 * log1p_less(-off / y0);
    p.eta = copysignl(sqrtl(2 * p.half), off);
    return p;
}

double pt_beta_large_pdf(double u, double a, double b)
{
    struct place p = place_of(u, a, b);
    long double rest = stirling_rest(p.r) - stirling_rest(a) - stirling_rest(b);

    return (double)(ONE_OVER_ROOT_TWO_PI * p.root * expl(rest - p.r * p.half) * sqrtl(p.r));
}

double pt_beta_large_tail(double u, double a, double b, bool is_upper)
{
    struct place p = place_of(u, a, b);
    long double c0 =
        fabsl(p.eta) > CENTER ? 1 / p.eta - p.root / p.off : (1 - 2 * p.x0) / (3 * p.root);
    long double sign = is_upper ? 1 : -1;
    long double main_part = erfcl(sign * p.eta * sqrtl(p.r / 2)) / 2;
    long double correction = expl(-p.r * p.half) * ONE_OVER_ROOT_TWO_PI / sqrtl(p.r) * c0;

    return (double)fmaxl(0, main_part - sign * correction);
}

double pt_beta_large_logit(double x)
{
    return (double)(logl((long double)x) - log1pl(-(long double)x));
}

/* ---- gamma ---- */

struct gamma_place {
    long double off;  /* lambda - 1 */
    long double half; /* eta^2/2 */
    long double eta;
};

static struct gamma_place gamma_place_of(double x, double a)
{
    struct gamma_place p = {((long double)x - a) / a, 0, 0};

    p.half = -log1p_less(p.off);
    p.eta = copysignl(sqrtl(2 * p.half), p.off);
    return p;
}

double pt_gamma_large_pdf(double x, double a)
{
    struct gamma_place p = gamma_place_of(x, a);

    return (double)(ONE_OVER_ROOT_TWO_PI * sqrtl(a) * expl(-a * p.half - stirling_rest(a)) / x);
}

double pt_gamma_large_tail(double x, double a, bool is_upper)
{
    struct gamma_place p = gamma_place_of(x, a);
    long double c0 = fabsl(p.eta) > CENTER ? 1 / p.eta - 1 / p.off : 1 / 3.0L;
    long double sign = is_upper ? 1 : -1;
    long double main_part = erfcl(sign * p.eta * sqrtl(a / 2.0L)) / 2;
    long double correction = expl(-a * p.half) * ONE_OVER_ROOT_TWO_PI / sqrtl(a) * c0;

    return (double)fmaxl(0, main_part - sign * correction);
}

/* ---- quantiles ---- */

/* Beta(a, b) in the logit, or Gamma(a) where b is 0. */
static double tail_of(double place, double a, double b, bool is_upper)
{
    return b > 0 ? pt_beta_large_tail(place, a, b, is_upper)
                 : pt_gamma_large_tail(place, a, is_upper);
}

/*
 * Newton's method on the logarithm of the smaller tail, which is log-concave, from the normal's
 * quantile, which is near. A step to where the tail underflows is taken half way back.
 */
static double quantile_of(double p, double a, double b, bool is_upper, double center, double sd)
{
    bool is_other = p > 0.5;
    bool side = is_upper != is_other;
    double wanted = is_other ? 1 - p : p;
    double z = pt_norm_quantile_upper(wanted);
    double place = center + (side ? z : -z) * sd;

    if (wanted == 0) {
        return side ? INFINITY : -INFINITY;
    }
    for (int i = 0; i < NEWTON_STEPS_MAX; i++) {
        double tail = tail_of(place, a, b, side);
        double density = b > 0 ? pt_beta_large_pdf(place, a, b) : pt_gamma_large_pdf(place, a);

        if (!(tail > 0) || !(density > 0)) {
            place = (place + center) / 2;
            continue;
        }
        double step = log(tail / wanted) * tail / density;

        place += side ? step : -step;
        if (fabs(step) <= 4 * DBL_EPSILON * (fabs(place) + sd * 1e-3)) {
            break;
        }
    }
    return place;
}

double pt_beta_large_quantile(double p, double a, double b, bool is_upper)
{
    return quantile_of(p, a, b, is_upper, (double)logl((long double)a / b),
                       (double)sqrtl(((long double)a + b) / a / b));
}

double pt_gamma_large_quantile(double p, double a, bool is_upper)
{
    return quantile_of(p, a, 0, is_upper, a, sqrt(a));
}
