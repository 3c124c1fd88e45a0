/*
 * experiment.h - read an experiment out: sizes, rates, tests, a decision
 *
 * Exposures are events named experiment_exposure with attributes {"experiment":NAME,
 * "variant":V}; the unit is the user. A unit's first exposure is its anchor; a unit seen in several
 * variants is counted, excluded and reported. Metrics are yes or no for each unit and count only
 * units whose time has fully passed. Two variants are compared, control (A) and treatment (B);
 * others are named and left out. A sample-ratio mismatch blocks the verdict.
 *
 * The SQL is sql/experiment_*.sql; names of experiments and events reach it as bound
 * parameters, never as SQL text. The mathematics is stats/stats.h. Functions here keep no state.
 */
#ifndef PT_EXPERIMENT_EXPERIMENT_H
#define PT_EXPERIMENT_EXPERIMENT_H

#include "base/json.h"
#include "base/mem.h"
#include "experiment/exposure.h"
#include "stats/stats.h"

struct pt_query;

#define PT_EXPERIMENT_METRICS_MAX 16
#define PT_EXPERIMENT_VARIANTS_MAX 64
/* A sample-ratio p-value below it raises the flag (Fabijan et al. 2019: strict, since it is looked
 * at often). */
#define PT_EXPERIMENT_SRM_ALPHA 0.01

enum pt_experiment_metric_kind {
    PT_EXPERIMENT_RETENTION,  /* any event on the UTC day of first exposure + days */
    PT_EXPERIMENT_CONVERSION, /* an event of a name within days * 24 h of the first exposure */
};

struct pt_experiment_metric {
    enum pt_experiment_metric_kind kind;
    int64_t days;
    char event_name[128]; /* CONVERSION */
};

/*
 * "retention:N", or "conversion[:EVENT[:Wd]]" (default purchase, 7d), or several of them with
 * commas between. PT_INVALID says what is wrong and what would be right.
 */
enum pt_code pt_experiment_metrics_parse(const char *text,
                                         struct pt_experiment_metric metrics_out[],
                                         size_t *count_out, struct pt_error *err) PT_MUST_USE;

struct pt_experiment_request {
    const char *name;
    const char *control;   /* NULL: "control" where there is one, else the first by name */
    const char *treatment; /* NULL: the other one, where there are two */
    struct pt_experiment_metric metrics[PT_EXPERIMENT_METRICS_MAX]; /* the first decides */
    size_t metric_count;
    double ratio_control; /* planned weights, 1 and 1 for half and half */
    double ratio_treatment;
    double alpha;                     /* of the two-sided test; intervals have level 1 - alpha */
    struct pt_exposure_map exposures; /* of any variants; all zeros: events experiment_exposure */
    int64_t as_of_us; /* UTC; what lies later counts as not passed. 0: the newest receipt */
};

enum pt_experiment_decision {
    PT_EXPERIMENT_SHIP_TREATMENT,
    PT_EXPERIMENT_KEEP_CONTROL,
    PT_EXPERIMENT_INCONCLUSIVE,
    PT_EXPERIMENT_INVALID, /* sample-ratio mismatch */
};

struct pt_experiment_result {
    struct pt_experiment_metric metric;
    struct pt_proportion control; /* conversions of mature units */
    struct pt_proportion treatment;
    uint64_t immature;           /* units of both variants whose time has not passed */
    struct pt_prop_test test;    /* pooled, two-sided */
    struct pt_interval interval; /* of the difference, Newcombe */
    struct pt_uplift uplift;
    struct pt_beta_comparison bayes; /* prior Beta(1, 1) */
};

struct pt_experiment_variant {
    const char *name; /* the report's storage */
    uint64_t units;
};

struct pt_experiment_report {
    struct pt_experiment_request request; /* as it was carried out; its texts are the report's */
    struct pt_experiment_variant variants[PT_EXPERIMENT_VARIANTS_MAX]; /* all, by name */
    size_t variant_count;
    size_t control; /* indices into variants */
    size_t treatment;
    uint64_t mixed_units; /* seen in several variants, excluded */
    struct pt_exposure_counts exposures;
    int64_t first_us; /* first exposures: the earliest, the latest */
    int64_t last_us;
    struct pt_srm srm;
    double srm_expected[2];
    bool has_srm; /* the ratio does not fit the plan */
    struct pt_experiment_result results[PT_EXPERIMENT_METRICS_MAX];
    size_t result_count;
    enum pt_experiment_decision decision;
    char sentence[512];    /* the decision and why, for people */
    struct pt_arena arena; /* private */
};

/*
 * Analyse over a session that nobody else uses meanwhile. PT_NOT_FOUND: there is no exposure of
 * that name. PT_INVALID: a named variant was not seen, or which two to compare is not clear; the
 * message lists what there is. Release the report in any case.
 */
enum pt_code pt_experiment_analyze(struct pt_query *query,
                                   const struct pt_experiment_request *request,
                                   struct pt_experiment_report *report_out,
                                   struct pt_error *err) PT_MUST_USE;
void pt_experiment_report_release(struct pt_experiment_report *report);

/* "ship treatment", "keep control", "inconclusive", "invalid: sample ratio mismatch"; static. */
const char *pt_experiment_decision_text(enum pt_experiment_decision decision);

/* For people; ends with a newline. */
void pt_experiment_report_table(const struct pt_experiment_report *report, struct pt_buf *out);
/* For machines: full precision, null for what is undefined. */
void pt_experiment_report_json(const struct pt_experiment_report *report, struct pt_jsonw *w);

#endif
