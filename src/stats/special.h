/*
 * special.h - the special functions under the statistics
 *
 * Only src/stats includes this (and its tests). Everything here is Boost.Math behind
 * special_boost.cc; no function throws, sets errno or prints. Pure: any thread. Arguments outside
 * a function's domain give NaN, poles and overflow give infinities. Both tails
 * are computed as they stand, so that a tail of 1e-200 keeps its digits; no sf is 1 - cdf.
 */
#ifndef PT_STATS_SPECIAL_H
#define PT_STATS_SPECIAL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Standard normal: density, P(Z <= x), P(Z > x). Relative error below 1e-12 in both tails. */
double pt_norm_pdf(double x);
double pt_norm_cdf(double x);
double pt_norm_sf(double x);
/* x with cdf(x) = p, and x with sf(x) = p. p = 0 and 1 give infinities. */
double pt_norm_quantile(double p);
double pt_norm_quantile_upper(double p);

/* Chi-square with df > 0 degrees of freedom (regularised incomplete gamma). */
double pt_chi2_cdf(double x, double df);
double pt_chi2_sf(double x, double df);

/* Beta(a, b), a and b > 0: density, I_x(a, b), 1 - I_x(a, b), and their inverses. */
double pt_beta_pdf(double x, double a, double b);
double pt_beta_cdf(double x, double a, double b);
double pt_beta_sf(double x, double a, double b);
double pt_beta_quantile(double p, double a, double b);
double pt_beta_quantile_upper(double p, double a, double b);

/*
 * The same for the logit u = ln(x / (1 - x)) of a Beta(a, b) variable. x near 1 keeps its
 * digits here, because 1 - x is never formed by subtraction.
 */
double pt_logit_beta_pdf(double u, double a, double b);
double pt_logit_beta_log_pdf_kernel(double u, double a, double b); /* without the constant */
double pt_logit_beta_cdf(double u, double a, double b);
double pt_logit_beta_sf(double u, double a, double b);

/*
 * The integral of f from marks[0] to marks[count - 1], in panels that at first end at the marks
 * (finite, not falling) and are halved where the error is largest, by the Gauss-Kronrod rule of 31
 * points. Stops when the estimated error is below `relative_error` of the sum, or with
 * PT_INTEGRATE_PANELS_MAX panels.
 */
#define PT_INTEGRATE_PANELS_MAX 256
double pt_integrate(double (*f)(const void *ctx, double x), const void *ctx, const double *marks,
                    size_t count, double relative_error);

#ifdef __cplusplus
}
#endif

#endif
