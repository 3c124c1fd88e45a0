/*
 * simulate.h - what a plan would really do, over and over
 *
 * Others include it through readout.h.
 */
#ifndef PT_EXPERIMENT_SIMULATE_H
#define PT_EXPERIMENT_SIMULATE_H

#include "experiment/plan.h"

struct pt_plan_simulated {
    uint64_t runs;
    double stop_effect[2]; /* share of runs in which any treatment was shown: null, effect */
    double stop_futility[2];
    double units[2]; /* mean sample size at the end, all arms together */
    double error[2]; /* Monte-Carlo standard errors of stop_effect */
    double units_error[2];
    double
        first_shown; /* share of effect runs in which the treatment with the effect was shown ... */
    double first_shown_error;
    double first_shipped; /* ... and was the one that would be shipped */
    double wrong;         /* share of effect runs in which a treatment without effect was shown */
    double naive;         /* share of null runs that a fixed test at every look would have called */
    double naive_error;
    size_t looks;
};
/*
 * `runs` experiments by normal approximation of the primary metric's process, all arms with their
 * shared control, once without an effect and once with `effect` (absolute, in the hypothesis'
 * direction) in the first treatment alone. Plans without looks of their own (always_valid,
 * bayesian) are looked at `looks` times, evenly. The same seed gives the same figures.
 */
enum pt_code pt_plan_simulate(const struct pt_plan *plan, const struct pt_plan_design *design,
                              uint64_t runs, uint64_t seed, double effect, size_t looks,
                              struct pt_plan_simulated *out, struct pt_error *err) PT_MUST_USE;

#endif
