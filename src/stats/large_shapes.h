/*
 * large_shapes.h - Beta and Gamma distributions with large shapes
 *
 * Private to src/stats. Boost sums continued fractions whose length grows like the square root of
 * the shapes: milliseconds at 10^10, and a wrong end beyond 10^12. From PT_LARGE_SHAPE on (the
 * smaller of the two of a Beta) uniform asymptotic expansions take over: relative error about 1e-11
 * in both tails up to 10^10, then the rounding of the place itself, 1e-9 at 10^13.
 */
#ifndef PT_STATS_LARGE_SHAPES_H
#define PT_STATS_LARGE_SHAPES_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PT_LARGE_SHAPE 2e6

/* Of the logit u of a Beta(a, b) variable: density, P(U <= u) or (is_upper) P(U > u), and the u
 * with that probability. */
double pt_beta_large_pdf(double u, double a, double b);
double pt_beta_large_tail(double u, double a, double b, bool is_upper);
double pt_beta_large_quantile(double p, double a, double b, bool is_upper);

/* Gamma(a, rate 1): density, P(X <= x) or (is_upper) P(X > x), and the x with that probability. */
double pt_gamma_large_pdf(double x, double a);
double pt_gamma_large_tail(double x, double a, bool is_upper);
double pt_gamma_large_quantile(double p, double a, bool is_upper);

/* The logit of x in (0, 1) as far as it matters here. */
double pt_beta_large_logit(double x);

#ifdef __cplusplus
}
#endif

#endif
