/*
 * bayes.h - posteriors of arms, which one is best, and what a wrong choice costs
 *
 * Part of stats.h. Arms are independent. loss_a = E[max(b - a, 0)] is the expected loss of choosing
 * A, loss_b = E[max(a - b, 0)] that of choosing B; with several arms the loss of arm i is
 * E[max over the others] - its own, where positive. Gelman et al., Bayesian Data
 * Analysis, 3rd ed. 2013, 2; Stucchio, Bayesian A/B Testing at VWO, 2015 (losses).
 */
#ifndef PT_STATS_BAYES_H
#define PT_STATS_BAYES_H

#include "base/error.h"
#include "stats/types.h"

#define PT_BAYES_ARMS_MAX 16

/*
 * Two independent Beta-Binomial arms under one Beta(prior_a, prior_b), each prior parameter at
 * least 0.1: posteriors Beta(prior_a + x, prior_b + n - x), equal-tailed credible intervals, P(B >
 * A) and P(A > B) each computed as it stands, and the expected losses. An arm may be empty (size
 * 0): its posterior is the prior. Quadrature in the logit, where all integrands are log-concave;
 * about 1e-12 relative, checked to 1e-10.
 */
struct pt_beta_posterior {
    double alpha;
    double beta;
    double mean;
    struct pt_interval interval;
};
struct pt_beta_comparison {
    struct pt_beta_posterior a;
    struct pt_beta_posterior b;
    double prob_b_gt_a;
    double prob_a_gt_b;
    double expected_loss_a;
    double expected_loss_b;
    double mean_difference;
    double sd_difference;
};
struct pt_beta_comparison pt_beta_binomial(struct pt_proportion a, struct pt_proportion b,
                                           double prior_a, double prior_b, double level);

/* A posterior: BETA (alpha, beta), NORMAL (mean, variance), GAMMA (shape, rate). */
enum pt_posterior_kind {
    PT_POSTERIOR_BETA,
    PT_POSTERIOR_NORMAL,
    PT_POSTERIOR_GAMMA,
};
struct pt_posterior {
    enum pt_posterior_kind kind;
    double a;
    double b;
};

/*
 * Of 2 to PT_BAYES_ARMS_MAX arms of one kind: P(arm is best), its expected loss (arrays of
 * `count`), and E[max]. One-dimensional quadrature of positive terms: P(best) = integral of f_i
 * times the others' F, loss = integral of F_i (1 - product of the others' F). False, and NaN in all
 * results, where a posterior is none; Beta and Gamma shapes from 0.1 up.
 */
bool pt_best_of(const struct pt_posterior *arms, size_t count, double *prob_out, double *loss_out,
                double *expected_max_out);

/* Equal-tailed intervals of b - a and of b/a - 1 (NaN for normals), by root finding over
 * quadrature. */
struct pt_posterior_intervals {
    struct pt_interval difference;
    struct pt_interval uplift;
};
struct pt_posterior_intervals pt_posterior_diff(struct pt_posterior a, struct pt_posterior b,
                                                double level);

/* Conjugate normal: prior N(prior_mean, prior_var) (NaN: flat), data mean with variance
 * `variance_of_mean`. Gelman et al. 2013, (2.10). */
struct pt_normal_posterior {
    double mean;
    double variance;
    struct pt_interval interval;
    double prob_gt_zero;
    double expected_loss_zero; /* E[max(x, 0)]: of staying at 0, such as keeping control */
    double expected_loss_own;  /* E[max(-x, 0)] */
};
struct pt_normal_posterior pt_normal_update(double prior_mean, double prior_var, double mean,
                                            double variance_of_mean, double level);

/* Two normal posteriors N(mean, variance): closed forms. */
struct pt_normal_comparison {
    double difference;
    double sd;
    double prob_b_gt_a;
    double expected_loss_a;
    double expected_loss_b;
    struct pt_interval interval;
};
struct pt_normal_comparison pt_normal_compare(double mean_a, double var_a, double mean_b,
                                              double var_b, double level);

/*
 * Gamma-Poisson: counts `sum` over an exposure (units, or units times days), prior
 * Gamma(shape, rate): posterior Gamma(shape + sum, rate + exposure). P(B > A) is
 * I_{rate_a/(rate_a + rate_b)}(shape_a, shape_b) for the posteriors. Gelman et al. 2013, 2.6.
 */
struct pt_rate {
    double sum;
    double exposure;
};
struct pt_gamma_posterior {
    double shape;
    double rate;
    double mean;
    struct pt_interval interval;
};
struct pt_gamma_comparison {
    struct pt_gamma_posterior a;
    struct pt_gamma_posterior b;
    double prob_b_gt_a;
    double prob_a_gt_b;
    double expected_loss_a;
    double expected_loss_b;
    double mean_difference;
    double sd_difference;
    struct pt_posterior_intervals intervals;
};
struct pt_gamma_comparison pt_gamma_poisson(struct pt_rate a, struct pt_rate b, double prior_shape,
                                            double prior_rate, double level);

/*
 * Hurdle model for revenue a user: v = p m, the share of payers p ~ Beta(prior_a + payers,
 * prior_b + users - payers), the mean m of a payer's amount normal around its sample mean with
 * variance variance/payers, under a normal prior (NaN: flat). The normal is the central limit's:
 * some tens of payers are needed, and no form of the amounts is assumed. p's posterior is a set of
 * nodes, so v is a mixture of normals and everything below is a finite sum. Mullahy, Journal of
 * Econometrics 33 (1986) 341-365 (hurdle models). At least 2 payers an arm, or a proper prior.
 */
struct pt_hurdle_prior {
    double a;
    double b;
    double amount_mean;
    double amount_var;
};
struct pt_hurdle_arm {
    double users;
    double payers;
    double amount_mean; /* over payers */
    double amount_var;  /* divisor payers - 1 */
};
struct pt_hurdle_result {
    double mean;
    double sd;
    struct pt_interval interval;
    double prob_best;
    double expected_loss;
};
/* PT_INVALID names the arm and what is wrong with it. `difference_out` (may be NULL): equal-tailed
 * interval of arm 1 - arm 0. */
enum pt_code pt_hurdle_compare(const struct pt_hurdle_arm *arms, size_t count,
                               const struct pt_hurdle_prior *prior, double level,
                               struct pt_hurdle_result *out, struct pt_interval *difference_out,
                               double *expected_max_out, struct pt_error *err) PT_MUST_USE;

#endif
