/*
 * always_valid.h - inference that may be looked at after every unit
 *
 * Part of stats.h. d = mean_b - mean_a, V = var_a/n_a + var_b/n_b (proportions: p (1 - p)/n each).
 * p-values hold at all times at once: P(some p_n <= alpha) <= alpha, and an interval sequence
 * covers the effect at all times at once with probability 1 - alpha. Zero or undefined V gives NaN.
 */
#ifndef PT_STATS_ALWAYS_VALID_H
#define PT_STATS_ALWAYS_VALID_H

#include "base/error.h"
#include "stats/types.h"

/*
 * Mixture sequential probability ratio test with the mixture N(theta0, tau2) over the effect:
 * log_lambda = 1/2 ln(V/(V + tau2)) + tau2 (d - theta0)^2/(2 V (V + tau2)),
 * p = min(1, 1/lambda); interval d -+ sqrt(V (V + tau2)/tau2 (2 ln(1/alpha) + ln((V + tau2)/V))).
 * Robbins, Annals of Mathematical Statistics 41 (1970) 1397-1409; Johari, Koomen, Pekelis, Walsh,
 * Operations Research 70 (2022) 1806-1821. The normal approximation of d is what it needs to be
 * valid from the first look on.
 */
struct pt_msprt {
    double difference;
    double variance;
    double log_lambda;
    double p_value;
    struct pt_interval interval;
};
struct pt_msprt pt_msprt(double difference, double variance, double tau2, double theta0,
                         double alpha);
struct pt_msprt pt_msprt_means(struct pt_sample a, struct pt_sample b, double tau2, double theta0,
                               double alpha);
struct pt_msprt pt_msprt_proportions(struct pt_proportion a, struct pt_proportion b, double tau2,
                                     double theta0, double alpha);

/*
 * Against theta <= 0: the mixture is half-normal on theta > 0 with scale tau, which adds
 * ln(2 Phi(d tau/sqrt(V (V + tau2)))) to log_lambda. Only log_lambda and p_value are set.
 */
struct pt_msprt pt_msprt_one_sided(struct pt_sample a, struct pt_sample b, double tau2);

/*
 * Add a look to the ones before: p_value becomes the smallest so far, the interval the intersection
 * so far, which may become empty (low > high). Start from PT_MSPRT_RUNNING_START.
 */
struct pt_msprt_running {
    double p_value;
    struct pt_interval interval;
};
#define PT_MSPRT_RUNNING_START ((struct pt_msprt_running){1, {-HUGE_VAL, HUGE_VAL}})
struct pt_msprt_running pt_msprt_run(struct pt_msprt_running before, const struct pt_msprt *look);

/*
 * Asymptotic confidence sequence: n = n_a + n_b, a = alpha (sided 2) or 2 alpha (sided 1),
 * rho2 = (-2 ln a + ln(-2 ln a + 1))/target_n, which is narrowest near n = target_n;
 * half-width sqrt(V) sqrt(2 (n rho2 + 1)/(n rho2) L) with L = ln(sqrt(n rho2 + 1)/a) for sided 2,
 * ln(1 + sqrt(n rho2 + 1)/a) for sided 1 (lower bound only). p_value: the least alpha, at
 * that rho2, whose interval leaves 0 out. Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
 * Annals of Statistics 52 (2024) 2613-2640 (arXiv 2103.06476).
 */
struct pt_confidence_sequence {
    double difference;
    double se;
    double rho2;
    double half_width;
    struct pt_interval interval;
    double p_value;
};
struct pt_confidence_sequence pt_asymptotic_cs(double difference, double se, double n, double alpha,
                                               double target_n, int sided);

/*
 * Sequential sample-ratio test: Dirichlet-multinomial mixture against the planned weights,
 * lambda = B(c w + n)/B(c w) / prod w_i^n_i with the multivariate beta function and prior
 * parameters c w_i, sum w = 1, c = `concentration`; a large c looks for small deviations. 1/lambda
 * at a look, least so far, is a p-value that may be looked at after every unit. Lindon, Malek,
 * Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022. NaN where counts or weights
 * make no sense.
 */
#define PT_SSRM_CONCENTRATION 10000.0
double pt_ssrm_log_lambda(const double *sizes, const double *weights, size_t arms,
                          double concentration);

#endif
