/*
 * trials.h - experiments played out player by player, and what each way of looking makes of them
 *
 * A trial is a game of some four weeks: players come by day, more at weekends and never evenly, a
 * coin gives each a variant, and he converts or not. Every rule looks as a readout does: the pooled
 * z test, bounds at the information that there is and not at the planned one, the mixture SPRT with
 * the standard error at hand. So the rates hold for whole numbers of real players, not for the
 * normal processes that the boundaries were computed from. The same seed gives the same trials.
 */
#ifndef PT_BENCH_TRIALS_H
#define PT_BENCH_TRIALS_H

#include "stats/stats.h"

#include <stdint.h>

#define TRIAL_DAYS 28     /* as planned */
#define TRIAL_DAYS_MAX 60 /* days until the planned information is there, at most */
#define TRIAL_LOOKS_MAX 10
#define TRIAL_ALPHA 0.05 /* two-sided, for every rule */
#define TRIAL_POWER 0.8
#define TRIAL_BASELINE 0.2 /* share that converts in control */
#define TRIAL_EFFECT 0.03  /* what the sizes are planned for */

enum trial_kind {
    TRIAL_FIXED,        /* one test at the planned end */
    TRIAL_SPENDING,     /* group sequential, by an error spending function */
    TRIAL_ALWAYS_VALID, /* mixture SPRT, tau the planned effect */
    TRIAL_BAYESIAN,     /* P(either is better) >= 0.95, flat prior, normal posterior */
    TRIAL_NAIVE,        /* the fixed test at each look, the first p < alpha counts */
};

struct trial_rule {
    const char *key;   /* for scripts */
    const char *title; /* for people */
    enum trial_kind kind;
    size_t looks; /* at equal parts of the information; 0: at the end of each day */
    struct pt_spending spending;
};

extern const struct trial_rule trial_rules[];
extern const size_t trial_rule_count;

struct trial_result {
    uint64_t runs;
    uint64_t calls; /* trials that were called: there is a difference */
    uint64_t wrong; /* of them those that called the worse variant the better one */
    double players; /* planned, both variants together */
    double used;    /* mean of players at the end of a trial */
    double looks;   /* mean of looks at a trial that was never called */
    uint64_t called_by_day[TRIAL_DAYS_MAX]; /* cumulative over days; the last holds `calls` */
};

/* Plays `runs` trials in which treatment converts `effect` more than TRIAL_BASELINE. */
enum pt_code trials_run(const struct trial_rule *rule, uint64_t runs, uint64_t seed, double effect,
                        struct trial_result *out, struct pt_error *err) PT_MUST_USE;

#endif
