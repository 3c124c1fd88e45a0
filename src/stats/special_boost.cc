/*
 * special_boost.cc - special.h by Boost.Math, the only file that knows it
 *
 * The policy turns every error into NaN or infinity; try/catch is there for what a policy
 * does not reach (quadrature, memory), because no exception may cross into C.
 * Boost computes doubles in long double by default, which is where the digits beyond 1e-12 come
 * from.
 */
#include "stats/special.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>

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
    return a > 0 && b > 0 && std::isfinite(a) && std::isfinite(b);
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

double pt_chi2_cdf(double x, double df)
{
    if (!(df > 0) || !std::isfinite(df) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || std::isinf(x)) {
        return x <= 0 ? 0 : 1;
    }
    return guarded([&] { return bm::gamma_p(df / 2, x / 2, quiet()); });
}

double pt_chi2_sf(double x, double df)
{
    if (!(df > 0) || !std::isfinite(df) || std::isnan(x)) {
        return nan_value;
    }
    if (x <= 0 || std::isinf(x)) {
        return x <= 0 ? 1 : 0;
    }
    return guarded([&] { return bm::gamma_q(df / 2, x / 2, quiet()); });
}

double pt_beta_pdf(double x, double a, double b)
{
    if (!is_shape(a, b) || !(x >= 0 && x <= 1)) {
        return nan_value;
    }
    if ((x == 0 && a < 1) || (x == 1 && b < 1)) {
        return infinity;
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
    return guarded([&] { return bm::ibetac(a, b, x, quiet()); });
}

double pt_beta_quantile(double p, double a, double b)
{
    if (!is_shape(a, b) || !(p >= 0 && p <= 1)) {
        return nan_value;
    }
    return guarded([&] { return bm::ibeta_inv(a, b, p, quiet()); });
}

double pt_beta_quantile_upper(double p, double a, double b)
{
    if (!is_shape(a, b) || !(p >= 0 && p <= 1)) {
        return nan_value;
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
    return guarded(
        [&] { return u > 0 ? bm::ibetac(b, a, t, quiet()) : bm::ibeta(a, b, t, quiet()); });
}

double pt_logit_beta_sf(double u, double a, double b)
{
    return pt_logit_beta_cdf(-u, b, a);
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
    auto apply = [&](double low, double high) {
        double error = 0;
        double value =
            rule::integrate([&](double x) { return f(ctx, x); }, low, high, 0, 0, &error);
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
