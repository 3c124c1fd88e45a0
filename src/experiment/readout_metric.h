/*
 * readout_metric.h - the tests of a readout's metrics
 *
 * Private to src/experiment. Shares: pooled z, Newcombe's interval. Means: Welch. Ratios: the delta
 * method. A covariate (CUPED): Welch on the adjusted values. A z of all kinds is estimate over
 * standard error, so that looks and families treat them alike.
 *
 * Where a plan's epochs have ratios of their own, each epoch is a stratum: differences within the
 * epochs are averaged with the weights n_0 n_i/(n_0 + n_i) of Cochran, Biometrics 10 (1954)
 * 417-451. So units of one epoch are never compared with those of another (Simpson's paradox under
 * a ramp: Crook, Frasca, Kohavi, Longbotham, KDD 2009), and the information, the sum of the
 * weights, only grows.
 */
#ifndef PT_EXPERIMENT_READOUT_METRIC_H
#define PT_EXPERIMENT_READOUT_METRIC_H

#include "experiment/readout.h"

/* One epoch's control and treatment. */
struct pt_stratum {
    struct pt_moments arms[2];
};

/* Values, difference and z of one comparison; `note` where there is no test. */
void pt_readout_metric_test(const struct pt_plan_metric *metric, const struct pt_stratum *strata,
                            size_t count, struct pt_readout_metric *out);

/*
 * The strata of a metric and a treatment (from 0). Epochs of the same ratio are one, so that all
 * units are where the ratio never changes.
 */
size_t pt_readout_strata(const struct pt_plan *plan, const struct pt_measure *measure,
                         size_t metric, size_t treatment,
                         struct pt_stratum out[PT_MEASURE_EPOCHS_MAX]);

/* Which stratum each of the measured epochs is in; the number of strata, at least 1. */
size_t pt_readout_strata_of(const struct pt_plan *plan, const struct pt_measure *measure,
                            size_t out[PT_MEASURE_EPOCHS_MAX]);

/* Values, differences and z of all metrics and treatments, from r->measure. */
void pt_readout_metric_tests(struct pt_readout *r);

/* p of the primary metric for one treatment, as the plan's alternative has it. */
double pt_readout_primary_p(const struct pt_readout *r, size_t treatment);

/* p, adjusted p and intervals of all metrics, once r->look is judged. */
enum pt_code pt_readout_metric_families(struct pt_readout *r, struct pt_error *err) PT_MUST_USE;

/* Adjust over the treatments. */
enum pt_code pt_readout_adjust(const struct pt_plan *plan, const double *p, double *adjusted_out,
                               struct pt_error *err) PT_MUST_USE;

/* The always-valid test of one difference, in the direction of the alternative. */
struct pt_msprt pt_readout_msprt(enum pt_alternative alternative, double alpha, double estimate,
                                 double se, double tau2);

/* ---- readout_judge.c ---- */

/* The verdict of each treatment and of all, from r->metrics; `is_over`: the plan ends here. */
enum pt_code pt_readout_judge(struct pt_readout *r, double days, bool is_over,
                              struct pt_error *err) PT_MUST_USE;
/* A treatment whose looks have ended: shown, or futile where that is binding. */
bool pt_readout_arm_is_over(const struct pt_plan *plan, const struct pt_look *last,
                            size_t treatment);
/* Of all treatments' verdicts; `is_good`: it was shown in the hoped-for direction. */
enum pt_verdict pt_readout_overall(const enum pt_verdict *verdicts, const bool *is_good,
                                   size_t count);
/* What to give to everybody, from verdicts and guardrails. */
const char *pt_readout_choose(const struct pt_readout *r);

/* ---- readout_bounds.c ---- */

/* Upper and lower bound of r->look.arms[treatment], the looks before it as they were recorded. */
enum pt_code pt_readout_bounds(struct pt_readout *r, size_t treatment,
                               struct pt_error *err) PT_MUST_USE;
/* Inference of a treatment that was shown at this look. */
enum pt_code pt_readout_after_stop(struct pt_readout *r, size_t treatment,
                                   struct pt_error *err) PT_MUST_USE;
/* Of a treatment that has_stagewise: p as the plan's alternative has it, and the median-unbiased
 * difference. */
double pt_readout_stagewise_p(const struct pt_readout *r, size_t treatment);
double pt_readout_stagewise_effect(const struct pt_readout *r, size_t treatment);

/* ---- readout_bayes.c ---- */

/* r->posterior of the primary metric; where an arm has none, all is NaN. */
enum pt_code pt_readout_bayes(struct pt_readout *r, struct pt_error *err) PT_MUST_USE;

#endif
