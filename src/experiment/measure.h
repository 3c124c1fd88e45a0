/*
 * measure.h - a plan's metrics from the table: sufficient statistics of all of them in one query
 *
 * Private to src/experiment. The statement is put together from the plan, every name as an SQL
 * literal; it reads the exposures once and the units' events once. A unit's metric counts when its
 * window has fully passed at `as_of`. Means and centred sums come from the table by variant,
 * epoch and day of first exposure and are added up here without loss (Chan, Golub, LeVeque 1983).
 */
#ifndef PT_EXPERIMENT_MEASURE_H
#define PT_EXPERIMENT_MEASURE_H

#include "experiment/plan.h"

struct pt_duck_result;
struct pt_query;

/* n units, means of x and y, sums of centred squares and products. x is the unit's value; y a
 * ratio's denominator, CUPED's covariate, or (hurdle) 1 where the value is not 0. */
struct pt_moments {
    double n;
    double mean_x;
    double mean_y;
    double sxx;
    double syy;
    double sxy;
};
void pt_moments_add(struct pt_moments *sum, const struct pt_moments *more);
struct pt_proportion pt_moments_proportion(const struct pt_moments *m);
struct pt_sample pt_moments_sample(const struct pt_moments *m);
struct pt_ratio_arm pt_moments_ratio(const struct pt_moments *m);
struct pt_cuped_arm pt_moments_cuped(const struct pt_moments *m);
/* Payers, mean and variance of their amounts out of those of all units. */
struct pt_hurdle_arm pt_moments_hurdle(const struct pt_moments *m);

#define PT_MEASURE_EPOCHS_MAX 64
#define PT_MEASURE_SEGMENTS_MAX 5

struct pt_measure_day {
    int64_t day; /* of first exposure, since 1970 */
    uint64_t units[PT_PLAN_ARMS_MAX];
};

/* The primary metric of the units that were first exposed on a day in an epoch. */
struct pt_measure_cell {
    size_t day; /* places in `days` and `epochs` */
    size_t epoch;
    struct pt_moments primary[PT_PLAN_ARMS_MAX];
};

struct pt_measure_epoch {
    char name[64]; /* "" where the exposures name none */
    double units[PT_PLAN_ARMS_MAX];
    double p_value;
    struct pt_moments *metrics; /* of metric m and arm a at m * PT_PLAN_ARMS_MAX + a; owned */
};

struct pt_measure_segment {
    char kind[16]; /* platform, build, country, day, epoch */
    char name[64];
    double units[PT_PLAN_ARMS_MAX];
    double p_value; /* times the number of segments looked at, at most 1 */
};

struct pt_measure {
    int64_t as_of_us;
    int64_t first_us; /* first exposure; 0 where there is none */
    uint64_t units[PT_PLAN_ARMS_MAX];
    uint64_t several_units; /* seen in several variants, excluded */
    uint64_t other_units;   /* of variants that the plan does not know, left out */
    struct pt_exposure_counts exposures;
    struct pt_moments metrics[PT_PLAN_METRICS_MAX][PT_PLAN_ARMS_MAX]; /* all epochs together */
    double caps[PT_PLAN_METRICS_MAX]; /* of winsorised metrics, else NaN */
    struct pt_measure_day *days;      /* rising; owned */
    size_t day_count;
    struct pt_measure_cell *cells; /* rising by day; owned */
    size_t cell_count;
    struct pt_measure_epoch epochs[PT_MEASURE_EPOCHS_MAX];
    size_t epoch_count;
};

/*
 * Do sizes fit the planned weights? Epochs are added up: chi-squares with their degrees of
 * freedom, and log lambdas of the sequential test, whose product over independent parts is again
 * one (pt_ssrm_log_lambda()). Units of a variant that an epoch does not give out fit nothing.
 */
struct pt_measure_ratio {
    double df;
    double chi2;
    double log_lambda;
};
void pt_measure_ratio_add(struct pt_measure_ratio *sum, const struct pt_plan *plan,
                          const double *weights, const double *units);
double pt_measure_ratio_chi2_p(const struct pt_measure_ratio *ratio);
double pt_measure_ratio_sequential_p(const struct pt_measure_ratio *ratio);

/* `as_of_us` 0: the newest receipt of an event. Release in any case. */
enum pt_code pt_measure_plan(struct pt_query *query, const struct pt_plan *plan, int64_t as_of_us,
                             struct pt_measure *out, struct pt_error *err) PT_MUST_USE;
void pt_measure_release(struct pt_measure *measure);

/* Where the sample ratio breaks: the worst segments first. */
enum pt_code pt_measure_segments(struct pt_query *query, const struct pt_plan *plan,
                                 int64_t as_of_us,
                                 struct pt_measure_segment out[PT_MEASURE_SEGMENTS_MAX],
                                 size_t *count_out, struct pt_error *err) PT_MUST_USE;

/* The primary metric over all players of the table, each anchored at his first event. */
enum pt_code pt_measure_baseline(struct pt_query *query, const struct pt_plan *plan,
                                 struct pt_moments *out, struct pt_error *err) PT_MUST_USE;

/* Players a day over the last (at most) 28 full days of the table. */
struct pt_measure_traffic {
    double days; /* full days that were looked at */
    double new_users;
    double active_users;
};
enum pt_code pt_measure_traffic(struct pt_query *query, struct pt_measure_traffic *out,
                                struct pt_error *err) PT_MUST_USE;

/* The first event experiment_started of the name by receipt: its plan, and when; "" where there is
 * none. */
struct pt_measure_start {
    char plan_hash[2 * PT_SHA256_BYTES + 1];
    int64_t received_us;
};
enum pt_code pt_measure_start(struct pt_query *query, const char *experiment,
                              struct pt_measure_start *out, struct pt_error *err) PT_MUST_USE;

/* Exposures (events) of an experiment in the table; `epoch` NULL: of all of them. */
enum pt_code pt_measure_exposures(struct pt_query *query, const char *experiment, const char *epoch,
                                  uint64_t *count_out, struct pt_error *err) PT_MUST_USE;

/* Ask what is in `sql`, which gets a 0 behind it. */
enum pt_code pt_measure_ask(struct pt_query *query, struct pt_buf *sql,
                            struct pt_duck_result **rows_out, struct pt_error *err) PT_MUST_USE;

#endif
