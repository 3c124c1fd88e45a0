/*
 * special_boost.cc - special.h by Boost.Math, the only file that knows it
 *
 * The policy turns every error into NaN or infinity; try/catch is there for what a policy
 * does not reach (quadrature, memory), because no exception may cross into C.
 * Boost computes doubles in long double by default, which is where the digits beyond 1e-12 come
 * from.
 */
#include "stats/special.h"

#include "stats/large_shapes.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/tools/toms748_solve.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace
{

namespace bm = boost::math;
namespace bp = boost::math::policies;

using quiet =
    bp::policy<bp::domain_error<bp::ignore_error>, bp::pole_error<bp::ignore_error>,
               bp::overflow_error<bp::ignore_error>, bp::underflow_error<bp::ignore_error>,
               bp::denorm_error<bp::ignore_error>, bp::rounding_error<bp::ignore_error>,
               bp::evaluation_error<bp::ignore_error>,
               bp::indeterminate_result_error<bp::ignore_error>>;

const double nan_value = std::numeric_limits<double>::quiet_NaN();
const double infinity = std::numeric_limits<double>::infinity();
const double shape_max = 1e17; /* no count gets there, and Boost's searches do not end there */
const double root_two = 1.41421356237309504880;

template <class F> double guarded(F f)
{
    try {
        return f();
    } catch (...) {
        return nan_value;
    }
}

bool is_shape(double a, double b)
{
    return a > 0 && b > 0 && a <= shape_max && b <= shape_max;
}

bool is_large(double a, double b)
{
    return std::fmin(a, b) > PT_LARGE_SHAPE;
}

/* x of a logit. */
double from_logit(double u)
{
    return 1 / (1 + std::exp(-u));
}

/* The smaller of x and 1 - x for the logit u, without cancellation. */
double small_side(double u)
{
    double e = std::exp(-std::fabs(u));

    return e / (1 + e);
}

} // namespace

double pt_norm_pdf(double x)
{
    return 0.39894228040143267794 * std::exp(-0.5 * x * x);
}

double pt_norm_cdf(double x)
{
    return pt_norm_sf(-x);
}

double pt_norm_sf(double x)
{
    if (std::isnan(x)) {
        return nan_value;
    }
    return guarded([&] {
        /* x / sqrt(2) in long double: its rounding would be magnified x * x times. */
        return static_cast<double>(
            0.5L *
            bm::erfc(static_cast<long double>(x) / 1.414213562373095048801688724209698L, quiet()));
    });
}

double pt_norm_quantile(double p)
{
    return -pt_norm_quantile_upper(p);
}

double pt_norm_quantile_upper(double p)
{
    if (!(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (p == 0 || p == 1) {
        return p == 0 ? infinity : -infinity;
    }
    return guarded([&] { return root_two * bm::erfc_inv(2 * p, quiet()); });
}

/*
 * ln of the lower tail. Below -12 the tail is phi(x)/|x| times a continued fraction,
 * whose logarithm does not underflow: with u = -x, sf = phi(u)/(u + 1/(u + 2/(u + 3/(u + ...))));
 * Abramowitz and Stegun 26.2.14. Above, log1p keeps the digits of a value just below 0.
 */
double pt_norm_log_cdf(double x)
{
    if (std::isnan(x)) {
        return nan_value;
    }
    if (x > -12) {
        return x > 0 ? std::log1p(-pt_norm_sf(x)) : std::log(pt_norm_cdf(x));
    }
    double u = -x;
    double fraction = u;

    for (int k = 40; k >= 1; k--) {
        fraction = u + k / fraction;
    }
    return -0.5 * u * u - 0.91893853320467274178 - std::log(fraction);
}

double pt_norm_log_sf(double x)
{
    return pt_norm_log_cdf(-x);
}

double pt_erf(double x)
{
    return std::isnan(x) ? nan_value : guarded([&] { return bm::erf(x, quiet()); });
}

double pt_erfc(double x)
{
    return std::isnan(x) ? nan_value : guarded([&] { return bm::erfc(x, quiet()); });
}

/*
 * Student's t by the incomplete beta function: sf(x) = I_{df/(df + x^2)}(df/2, 1/2)/2 for x > 0.
 * The argument or its complement is taken, whichever is the smaller, so that neither cancels.
 */
double pt_t_sf(double x, double df)
{
    if (!(df > 0) || std::isnan(x)) {
        return nan_value;
    }
    if (std::isinf(df)) {
        return pt_norm_sf(x);
    }
    if (std::isinf(x)) {
        return x > 0 ? 0 : 1;
    }
    return guarded([&] {
        long double square = static_cast<long double>(x) * x;
        long double n = df;
        long double tail = n > square ? bm::ibetac(0.5L, n / 2, square / (n + square), quiet()) / 2
                                      : bm::ibeta(n / 2, 0.5L, n / (n + square), quiet()) / 2;

        return static_cast<double>(x > 0 ? tail : 1 - tail);
    });
}

double pt_t_cdf(double x, double df)
{
    return pt_t_sf(-x, df);
}

double pt_t_pdf(double x, double df)
{
    if (!(df > 0) || std::isnan(x)) {
        return nan_value;
    }
    if (std::isinf(df)) {
        return pt_norm_pdf(x);
    }
    return guarded([&] {
        long double n = df;
        long double square = static_cast<long double>(x) * x;

        /* Gamma((n + 1)/2)/Gamma(n/2) as one ratio: the two functions overflow. */
        return static_cast<double>(std::exp(-(n + 1) / 2 * std::log1p(square / n)) /
                                   (bm::tgamma_delta_ratio(n / 2, 0.5L, quiet()) *
                                    std::sqrt(n * 3.141592653589793238462643383279502884L)));
    });
}

/* x of the upper tail p <= 1/2, so x >= 0. */
static double t_upper(double p, double df)
{
    return guarded([&] {
        long double rest = 0; /* 1 - n/(n + x^2), without cancellation */
        long double n = df;
        long double share =
            bm::ibeta_inv(n / 2, 0.5L, 2 * static_cast<long double>(p), &rest, quiet());

        return static_cast<double>(std::sqrt(n * rest / share));
    });
}

double pt_t_quantile_upper(double p, double df)
{
    if (!(p >= 0 && p <= 1) || !(df > 0)) {
        return nan_value;
    }
    if (p == 0 || p == 1) {
        return p == 0 ? infinity : -infinity;
    }
    if (std::isinf(df)) {
        return pt_norm_quantile_upper(p);
    }
    return p > 0.5 ? -t_upper(1 - p, df) : t_upper(p, df);
}

double pt_t_quantile(double p, double df)
{
    return -pt_t_quantile_upper(p, df);
}

double pt_chi2_pdf(double x, double df)
{
    if (!(df > 0) || !std::isfinite(df) || !(x >= 0)) {
        return nan_value;
    }
    return pt_gamma_pdf(df / 2, x / 2) / 2;
}

double pt_chi2_quantile(double p, double df)
{
    return 2 * pt_gamma_p_inverse(df / 2, p);
}

double pt_chi2_quantile_upper(double p, double df)
{
    return 2 * pt_gamma_q_inverse(df / 2, p);
}

double pt_chi2_cdf(double x, double df)
{
    if (!(df > 0) || !std::isfinite(df) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || std::isinf(x)) {
        return x <= 0 ? 0 : 1;
    }
    return pt_gamma_p(df / 2, x / 2);
}

double pt_chi2_sf(double x, double df)
{
    if (!(df > 0) || !std::isfinite(df) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || std::isinf(x)) {
        return x <= 0 ? 1 : 0;
    }
    return pt_gamma_q(df / 2, x / 2);
}

double pt_gamma_p(double a, double x)
{
    if (!(a > 0) || !std::isfinite(a) || !(x >= 0)) {
        return nan_value;
    }
    if (std::isinf(x)) {
        return 1;
    }
    return a > PT_LARGE_SHAPE ? pt_gamma_large_tail(x, a, false)
                              : guarded([&] { return bm::gamma_p(a, x, quiet()); });
}

double pt_gamma_q(double a, double x)
{
    if (!(a > 0) || !std::isfinite(a) || !(x >= 0)) {
        return nan_value;
    }
    if (std::isinf(x)) {
        return 0;
    }
    return a > PT_LARGE_SHAPE ? pt_gamma_large_tail(x, a, true)
                              : guarded([&] { return bm::gamma_q(a, x, quiet()); });
}

double pt_gamma_p_inverse(double a, double p)
{
    if (!(a > 0) || !std::isfinite(a) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (a > PT_LARGE_SHAPE) {
        return p == 0 ? 0 : p == 1 ? infinity : pt_gamma_large_quantile(p, a, false);
    }
    return p == 1 ? infinity : guarded([&] { return bm::gamma_p_inv(a, p, quiet()); });
}

double pt_gamma_q_inverse(double a, double p)
{
    if (!(a > 0) || !std::isfinite(a) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (a > PT_LARGE_SHAPE) {
        return p == 1 ? 0 : p == 0 ? infinity : pt_gamma_large_quantile(p, a, true);
    }
    return p == 0 ? infinity : guarded([&] { return bm::gamma_q_inv(a, p, quiet()); });
}

double pt_gamma_pdf(double a, double x)
{
    if (!(a > 0) || !std::isfinite(a) || !(x >= 0)) {
        return nan_value;
    }
    if (x == 0) {
        return a < 1 ? infinity : a == 1 ? 1 : 0;
    }
    if (std::isinf(x)) {
        return 0;
    }
    return a > PT_LARGE_SHAPE ? pt_gamma_large_pdf(x, a)
                              : guarded([&] { return bm::gamma_p_derivative(a, x, quiet()); });
}

double pt_lgamma(double x)
{
    return std::isnan(x) ? nan_value : guarded([&] { return bm::lgamma(x, quiet()); });
}

/* ln Gamma(x) less Stirling's main part, x >= 100: three terms are exact to 1e-17. */
static long double stirling_rest(long double x)
{
    return (1 / 12.0L - (1 / 360.0L - 1 / (1260.0L * x * x)) / (x * x)) / x;
}

/*
 * ln Gamma(a) + ln Gamma(b) - ln Gamma(a + b) cancels where the parameters differ in size. With
 * both large, Stirling's main parts are put together by hand; with one small, Boost's ratio
 * of two gamma functions does it.
 */
double pt_lbeta(double a, double b)
{
    long double small = std::fmin(a, b);
    long double large = std::fmax(a, b);

    if (!is_shape(a, b)) {
        return nan_value;
    }
    if (small >= 100) {
        long double share = small / (small + large);

        return static_cast<double>(0.918938533204672741780329736406L - 0.5L * std::log(large) +
                                   (small - 0.5L) * std::log(share) + large * std::log1p(-share) +
                                   stirling_rest(small) + stirling_rest(large) -
                                   stirling_rest(small + large));
    }
    return guarded([&] {
        long double ratio = bm::tgamma_delta_ratio(large, small, quiet());

        return static_cast<double>(bm::lgamma(small, quiet()) + std::log(ratio));
    });
}

/*
 * F by the incomplete beta function: cdf(x) = I_y(df1/2, df2/2) with y = df1 x/(df1 x + df2). y or
 * 1 - y is taken, whichever is the smaller.
 */
double pt_f_cdf(double x, double df1, double df2)
{
    if (!is_shape(df1, df2) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || std::isinf(x)) {
        return x <= 0 ? 0 : 1;
    }
    if (is_large(df1 / 2, df2 / 2)) {
        return pt_beta_large_tail(std::log(x) + std::log(df1 / df2), df1 / 2, df2 / 2, false);
    }
    return guarded([&] {
        long double p = static_cast<long double>(df1) * x;
        long double q = df2;
        long double value = p < q ? bm::ibeta(df1 / 2.0L, df2 / 2.0L, p / (p + q), quiet())
                                  : bm::ibetac(df2 / 2.0L, df1 / 2.0L, q / (p + q), quiet());

        return static_cast<double>(value);
    });
}

double pt_f_sf(double x, double df1, double df2)
{
    if (!is_shape(df1, df2) || std::isnan(x)) {
        return nan_value;
    }
    return x > 0 ? pt_f_cdf(1 / x, df2, df1) : 1;
}

double pt_f_pdf(double x, double df1, double df2)
{
    if (!is_shape(df1, df2) || !(x >= 0)) {
        return nan_value;
    }
    if (x == 0) {
        return df1 < 2 ? infinity : df1 == 2 ? 1 : 0;
    }
    return guarded([&] {
        long double p = static_cast<long double>(df1) * x;
        long double q = df2;
        /* The density of y is the same from either end: give the smaller of y and 1 - y. */
        long double density =
            p < q ? bm::ibeta_derivative(df1 / 2.0L, df2 / 2.0L, p / (p + q), quiet())
                  : bm::ibeta_derivative(df2 / 2.0L, df1 / 2.0L, q / (p + q), quiet());

        return static_cast<double>(density * (p / (p + q)) * (q / (p + q)) / x);
    });
}

/* y/(1 - y) df2/df1 from the y that the beta quantile gives together with 1 - y. */
double pt_f_quantile(double p, double df1, double df2)
{
    if (!is_shape(df1, df2) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (is_large(df1 / 2, df2 / 2)) {
        return std::exp(pt_beta_large_quantile(p, df1 / 2, df2 / 2, false)) * (df2 / df1);
    }
    return guarded([&] {
        long double rest = 0;
        long double y =
            bm::ibeta_inv(df1 / 2.0L, df2 / 2.0L, static_cast<long double>(p), &rest, quiet());

        return static_cast<double>(y / rest * df2 / df1);
    });
}

double pt_f_quantile_upper(double p, double df1, double df2)
{
    if (!is_shape(df1, df2) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (is_large(df1 / 2, df2 / 2)) {
        return std::exp(pt_beta_large_quantile(p, df1 / 2, df2 / 2, true)) * (df2 / df1);
    }
    return guarded([&] {
        long double rest = 0;
        long double y =
            bm::ibetac_inv(df1 / 2.0L, df2 / 2.0L, static_cast<long double>(p), &rest, quiet());

        return static_cast<double>(y / rest * df2 / df1);
    });
}

double pt_beta_pdf(double x, double a, double b)
{
    if (!is_shape(a, b) || !(x >= 0 && x <= 1)) {
        return nan_value;
    }
    if ((x == 0 && a < 1) || (x == 1 && b < 1)) {
        return infinity;
    }
    if (is_large(a, b)) {
        return x == 0 || x == 1 ? 0
                                : pt_beta_large_pdf(pt_beta_large_logit(x), a, b) / (x * (1 - x));
    }
    return guarded([&] { return bm::pdf(bm::beta_distribution<double, quiet>(a, b), x); });
}

double pt_beta_cdf(double x, double a, double b)
{
    if (!is_shape(a, b) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    if (is_large(a, b)) {
        return pt_beta_large_tail(pt_beta_large_logit(x), a, b, false);
    }
    return guarded([&] { return bm::ibeta(a, b, x, quiet()); });
}

double pt_beta_sf(double x, double a, double b)
{
    if (!is_shape(a, b) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 1 : 0;
    }
    if (is_large(a, b)) {
        return pt_beta_large_tail(pt_beta_large_logit(x), a, b, true);
    }
    return guarded([&] { return bm::ibetac(a, b, x, quiet()); });
}

double pt_beta_quantile(double p, double a, double b)
{
    if (!is_shape(a, b) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (is_large(a, b)) {
        return from_logit(pt_beta_large_quantile(p, a, b, false));
    }
    return guarded([&] { return bm::ibeta_inv(a, b, p, quiet()); });
}

double pt_beta_quantile_upper(double p, double a, double b)
{
    if (!is_shape(a, b) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    if (is_large(a, b)) {
        return from_logit(pt_beta_large_quantile(p, a, b, true));
    }
    return guarded([&] { return bm::ibetac_inv(a, b, p, quiet()); });
}

/* The density of the logit is that of x times dx/du = x (1 - x). */
double pt_logit_beta_pdf(double u, double a, double b)
{
    double t = small_side(u);

    if (!is_shape(a, b) || std::isnan(u)) {
        return nan_value;
    }
    if (is_large(a, b)) {
        return pt_beta_large_pdf(u, a, b);
    }
    return guarded([&] {
        double density =
            u > 0 ? bm::ibeta_derivative(b, a, t, quiet()) : bm::ibeta_derivative(a, b, t, quiet());
        return density * t * (1 - t);
    });
}

double pt_logit_beta_log_pdf_kernel(double u, double a, double b)
{
    double rest = std::log1p(std::exp(-std::fabs(u)));
    double log_x = u > 0 ? -rest : u - rest;
    double log_y = u > 0 ? -u - rest : -rest;

    return a * log_x + b * log_y;
}

double pt_logit_beta_cdf(double u, double a, double b)
{
    double t = small_side(u);

    if (!is_shape(a, b) || std::isnan(u)) {
        return nan_value;
    }
    if (is_large(a, b)) {
        return pt_beta_large_tail(u, a, b, false);
    }
    return guarded(
        [&] { return u > 0 ? bm::ibetac(b, a, t, quiet()) : bm::ibeta(a, b, t, quiet()); });
}

double pt_logit_beta_sf(double u, double a, double b)
{
    return pt_logit_beta_cdf(-u, b, a);
}

/*
 * s = sqrt(chi2/df) has density df s g(df s^2/2), g that of Gamma(df/2); its sd is about
 * 1/sqrt(2 df) around 1, and Phi(x s - delta) is a step near delta/x that the marks hold.
 */
namespace
{
/* From here on Abramowitz and Stegun 26.7.10 is right to 1e-15, and the density of s is narrower
 * than the rounding of its place. */
const double nct_large_df = 1e8;

double nct_large_z(double x, double df, double delta)
{
    return (x * (1 - 1 / (4 * df)) - delta) / std::sqrt(1 + x * x / (2 * df));
}

struct nct_problem {
    double x;
    double df;
    double delta;
    bool is_upper;
};

double nct_integrand(const void *ctx, double s)
{
    const auto *p = static_cast<const nct_problem *>(ctx);
    double z = p->x * s - p->delta;
    double phi = 0.5 * std::erfc(p->is_upper ? z / root_two : -z / root_two);

    return phi == 0 ? 0 : phi * p->df * s * pt_gamma_pdf(p->df / 2, p->df * s * s / 2);
}

double nct_tail(double x, double df, double delta, bool is_upper)
{
    nct_problem problem{x, df, delta, is_upper};
    double sd = 1 / std::sqrt(2 * df);
    /* Where the density has fallen to 1e-40 or so on either side. */
    double low = std::sqrt(pt_gamma_p_inverse(df / 2, 1e-40) * 2 / df);
    double high = std::sqrt(pt_gamma_q_inverse(df / 2, 1e-40) * 2 / df);
    double step = x == 0 ? 1 : delta / x;
    double width = x == 0 ? 1 : 8 / std::fabs(x);
    std::array<double, 9> marks{low,          1 - 4 * sd,    1,   1 + 4 * sd, step - width, step,
                                step + width, (low + 1) / 2, high};

    for (double &mark : marks) {
        mark = std::fmin(std::fmax(mark, low), high);
    }
    std::sort(marks.begin(), marks.end());
    return pt_integrate(nct_integrand, &problem, marks.data(), marks.size(), 1e-12);
}
} // namespace

double pt_nct_cdf(double x, double df, double delta)
{
    if (!(df > 0) || !std::isfinite(delta) || std::isnan(x)) {
        return nan_value;
    }
    if (std::isinf(df) || std::isinf(x)) {
        return pt_norm_cdf(x - delta);
    }
    if (df > nct_large_df) {
        return pt_norm_cdf(nct_large_z(x, df, delta));
    }
    return nct_tail(x, df, delta, false);
}

double pt_nct_sf(double x, double df, double delta)
{
    if (!(df > 0) || !std::isfinite(delta) || std::isnan(x)) {
        return nan_value;
    }
    if (std::isinf(df) || std::isinf(x)) {
        return pt_norm_sf(x - delta);
    }
    if (df > nct_large_df) {
        return pt_norm_sf(nct_large_z(x, df, delta));
    }
    return nct_tail(x, df, delta, true);
}

/*
 * Global adaptive quadrature as in QUADPACK's QAG (Piessens et al. 1983): always halve the panel
 * with the largest error. Boost's own recursion asks each half for half of the tolerance and
 * then chases the integrand's rounding: measured 30 s where this takes milliseconds.
 */
double pt_integrate(double (*f)(const void *ctx, double x), const void *ctx, const double *marks,
                    size_t count, double relative_error)
{
    using rule = bm::quadrature::gauss_kronrod<double, 31, quiet>;
    struct panel {
        double low;
        double high;
        double value;
        double error;
    };
    std::array<panel, PT_INTEGRATE_PANELS_MAX> panels;
    size_t used = 0;
    /* On [-1, 1], because the rule does not scale its error with the interval. */
    auto apply = [&](double low, double high) {
        double half = (high - low) / 2;
        double middle = low + half;
        double error = 0;
        double value = rule::integrate([&](double t) { return half * f(ctx, middle + half * t); },
                                       -1.0, 1.0, 0, 0, &error);
        return panel{low, high, value, error};
    };

    return guarded([&] {
        for (size_t i = 0; i + 1 < count && used < panels.size(); i++) {
            if (marks[i] < marks[i + 1]) {
                panels[used++] = apply(marks[i], marks[i + 1]);
            }
        }
        for (;;) {
            double sum = 0;
            double error = 0;
            size_t worst = 0;

            for (size_t i = 0; i < used; i++) {
                sum += panels[i].value;
                error += panels[i].error;
                worst = panels[i].error > panels[worst].error ? i : worst;
            }
            if (!(error > relative_error * std::fabs(sum)) || used == panels.size()) {
                return sum;
            }
            panel whole = panels[worst];
            double middle = whole.low + (whole.high - whole.low) / 2;

            panels[worst] = apply(whole.low, middle);
            panels[used++] = apply(middle, whole.high);
        }
    });
}

void pt_gauss_legendre(double points_out[PT_GAUSS_POINTS], double weights_out[PT_GAUSS_POINTS])
{
    using rule = bm::quadrature::gauss<double, PT_GAUSS_POINTS>;
    const auto &points = rule::abscissa(); /* the positive half, rising */
    const auto &weights = rule::weights();
    size_t half = PT_GAUSS_POINTS / 2;

    for (size_t i = 0; i < half; i++) {
        points_out[half + i] = points[i];
        points_out[half - 1 - i] = -points[i];
        weights_out[half + i] = weights[i];
        weights_out[half - 1 - i] = weights[i];
    }
}

static double root_to(double (*f)(const void *ctx, double x), const void *ctx, double low,
                      double high, unsigned bits)
{
    if (!std::isfinite(low) || !std::isfinite(high) || !(low <= high)) {
        return nan_value;
    }
    return guarded([&] {
        double at_low = f(ctx, low);
        double at_high = f(ctx, high);
        boost::uintmax_t calls = PT_ROOT_CALLS_MAX;

        if (at_low == 0 || at_high == 0) {
            return at_low == 0 ? low : high;
        }
        if (!(at_low < 0 && at_high > 0) && !(at_low > 0 && at_high < 0)) {
            return nan_value;
        }
        auto bracket = bm::tools::toms748_solve(
            [&](double x) { return f(ctx, x); }, low, high, at_low, at_high,
            bm::tools::eps_tolerance<double>(bits), calls, quiet());
        return bracket.first + (bracket.second - bracket.first) / 2;
    });
}

double pt_root(double (*f)(const void *ctx, double x), const void *ctx, double low, double high)
{
    return root_to(f, ctx, low, high, 50);
}

double pt_root_rough(double (*f)(const void *ctx, double x), const void *ctx, double low,
                     double high)
{
    return root_to(f, ctx, low, high, 40);
}
