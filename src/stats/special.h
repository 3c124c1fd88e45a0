/*
 * special.h - the special functions under the statistics
 *
 * `playtrace stats` gives them out, the rest of src/stats stands on them. Everything here is
 * Boost.Math behind special_boost.cc; no function throws, sets errno or prints. Pure: any thread.
 * Shapes of Beta and F end at 1e17. Arguments outside a function's domain give NaN, poles and
 * overflow give infinities. Both tails are computed as they stand, so that a tail of 1e-200 keeps
 * its digits; no sf is 1 - cdf. What the functions are: Abramowitz and Stegun, chapters 6, 7 and
 * 26; NIST DLMF, chapters 5, 7 and 8.
 */
#ifndef PT_STATS_SPECIAL_H
#define PT_STATS_SPECIAL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Standard normal: density, P(Z <= x), P(Z > x), and their logarithms, which do not underflow.
 * Relative error below 1e-12 in both tails. */
double pt_norm_pdf(double x);
double pt_norm_cdf(double x);
double pt_norm_sf(double x);
double pt_norm_log_cdf(double x);
double pt_norm_log_sf(double x);
/* x with cdf(x) = p, and x with sf(x) = p. p = 0 and 1 give infinities. */
double pt_norm_quantile(double p);
double pt_norm_quantile_upper(double p);

double pt_erf(double x);
double pt_erfc(double x);

/* Student's t with df > 0 degrees of freedom; infinite df is the normal. */
double pt_t_pdf(double x, double df);
double pt_t_cdf(double x, double df);
double pt_t_sf(double x, double df);
double pt_t_quantile(double p, double df);
double pt_t_quantile_upper(double p, double df);

/*
 * Noncentral t: P(T <= x) and P(T > x) for T = (Z + delta)/sqrt(chi2_df/df), as the integral of
 * Phi(x s - delta) over the density of s = sqrt(chi2_df/df). All terms are positive, so
 * both tails keep their digits. Johnson, Kotz, Balakrishnan, Continuous Univariate
 * Distributions 2, 2nd ed. 1995, (31.10).
 */
double pt_nct_cdf(double x, double df, double delta);
double pt_nct_sf(double x, double df, double delta);

/* Chi-square with df > 0 degrees of freedom (regularised incomplete gamma). */
double pt_chi2_pdf(double x, double df);
double pt_chi2_cdf(double x, double df);
double pt_chi2_sf(double x, double df);
double pt_chi2_quantile(double p, double df);
double pt_chi2_quantile_upper(double p, double df);

/* Fisher's F with df1, df2 > 0 degrees of freedom. */
double pt_f_pdf(double x, double df1, double df2);
double pt_f_cdf(double x, double df1, double df2);
double pt_f_sf(double x, double df1, double df2);
double pt_f_quantile(double p, double df1, double df2);
double pt_f_quantile_upper(double p, double df1, double df2);

/* Regularised incomplete gamma P(a, x), Q(a, x), a > 0, x >= 0; ln Gamma(x); ln B(a, b). */
double pt_gamma_p(double a, double x);
double pt_gamma_q(double a, double x);
/* x with P(a, x) = p, and with Q(a, x) = p. */
double pt_gamma_p_inverse(double a, double p);
double pt_gamma_q_inverse(double a, double p);
/* dP/dx: the density of a Gamma(a, rate 1) variable. */
double pt_gamma_pdf(double a, double x);
double pt_lgamma(double x);
double pt_lbeta(double a, double b);

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

/* Points and weights of the Gauss-Legendre rule of 10 points on [-1, 1]. */
#define PT_GAUSS_POINTS 10
void pt_gauss_legendre(double points_out[PT_GAUSS_POINTS], double weights_out[PT_GAUSS_POINTS]);

/*
 * The root of a continuous f in [low, high] (finite), f having a different sign at the two ends,
 * else NaN: Alefeld, Potra, Shi, algorithm 748, ACM TOMS 21 (1995) 327-344. At most
 * PT_ROOT_CALLS_MAX calls; ends when the bracket is 2^-50 of its place. The rough one ends at
 * 2^-40: for an f that is an integral, whose rounding would be chased.
 */
#define PT_ROOT_CALLS_MAX 200
double pt_root(double (*f)(const void *ctx, double x), const void *ctx, double low, double high);
double pt_root_rough(double (*f)(const void *ctx, double x), const void *ctx, double low,
                     double high);

#ifdef __cplusplus
}
#endif

#endif
