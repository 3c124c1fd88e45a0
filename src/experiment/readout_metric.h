/*
 * readout_metric.h - the tests of a readout's metrics
 *
 * Private to src/experiment.
 */
#ifndef PT_EXPERIMENT_READOUT_METRIC_H
#define PT_EXPERIMENT_READOUT_METRIC_H

#include "experiment/readout.h"

/* Values, difference and z of one metric; `note` where there is no test. */
void pt_readout_metric_test(const struct pt_plan_metric *metric, const struct pt_moments arms[2],
                            struct pt_readout_metric *out);

/* Values, differences, z and (BAYESIAN) the posterior of the primary one, from r->measure. */
void pt_readout_metric_tests(struct pt_readout *r);

/* p, adjusted p and intervals of all metrics, once r->look is judged. */
enum pt_code pt_readout_metric_families(struct pt_readout *r, struct pt_error *err) PT_MUST_USE;

/* The always-valid test of one difference; one-sided in the plan's direction where it has one. */
struct pt_msprt pt_readout_msprt(const struct pt_plan *plan, double estimate, double se,
                                 double tau2);

#endif
