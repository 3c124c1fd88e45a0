/*
 * plan.h - an experiment's plan: what will be measured, when, and what will stop it
 *
 * A plan is a YAML file (docs/experiments.md names every field). Reading it finds all mistakes at
 * once, each with its line. The canonical form is one JSON document with every default filled in;
 * its SHA-256 is the plan's identity: comments and order of the file do not count. The first
 * variant is control, each of the others (a treatment) is compared with it. Pure but for memory.
 */
#ifndef PT_EXPERIMENT_PLAN_H
#define PT_EXPERIMENT_PLAN_H

#include "base/crypto.h"
#include "base/json.h"
#include "base/mem.h"
#include "experiment/exposure.h"
#include "stats/stats.h"

#include <math.h>

#define PT_PLAN_METRICS_MAX 32
#define PT_PLAN_LOOKS_MAX 100
#define PT_PLAN_ARMS_MAX 9 /* control and up to 8 treatments */
#define PT_PLAN_TREATMENTS_MAX (PT_PLAN_ARMS_MAX - 1)
#define PT_PLAN_EPOCHS_MAX 16
#define PT_PLAN_NAME_BYTES 128
#define PT_PLAN_BYTES_MAX (256u << 10)

enum pt_plan_kind {
    PT_PLAN_RETENTION,  /* any event on the UTC day of first exposure + days */
    PT_PLAN_CONVERSION, /* an event within the window */
    PT_PLAN_MEAN,       /* mean over units of the sum of a field of an event within the window */
    PT_PLAN_COUNT,      /* mean over units of the number of events within the window */
    PT_PLAN_RATIO,      /* a sum over another sum, both over the units of an arm */
};

enum pt_plan_role {
    PT_PLAN_PRIMARY,
    PT_PLAN_SECONDARY,
    PT_PLAN_GUARDRAIL,
};

/* What is added up for a unit: a number in the attributes of an event, or 1 where `field` is "". */
struct pt_plan_sum {
    char event[PT_PLAN_NAME_BYTES];
    char field[PT_PLAN_NAME_BYTES];
};

/* What a Bayesian plan takes a unit's value for. */
enum pt_plan_model {
    PT_PLAN_NORMAL,  /* its mean, by the central limit; shares are Beta-Binomial */
    PT_PLAN_HURDLE,  /* MEAN: who pays at all, and how much those who do */
    PT_PLAN_POISSON, /* COUNT: Gamma-Poisson */
};

/* The covariate: what a unit did in the days before its first exposure. */
struct pt_plan_cuped {
    int64_t days; /* 0: none */
    struct pt_plan_sum sum;
    bool is_share;      /* 1 with any such event, else the sum */
    double correlation; /* that the planned size counts on; 0: none */
};

struct pt_plan_metric {
    char name[PT_PLAN_NAME_BYTES];
    enum pt_plan_role role;
    enum pt_plan_kind kind;
    struct pt_plan_sum sum;
    struct pt_plan_sum denominator; /* RATIO */
    int64_t days;                   /* RETENTION: which day; else the window, in days of 24 h */
    double winsorise; /* MEAN, COUNT: the quantile that caps a unit's value; 1: none */
    enum pt_plan_model model;
    struct pt_plan_cuped cuped;
    bool harm_is_increase; /* GUARDRAIL: harm is B > A */
    double margin;         /* GUARDRAIL: how much harm is borne, in the metric's unit */
};

enum pt_plan_correction {
    PT_PLAN_NO_CORRECTION,
    PT_PLAN_BONFERRONI,
    PT_PLAN_HOLM,
    PT_PLAN_BH,
};

enum pt_plan_analysis {
    PT_PLAN_FIXED,
    PT_PLAN_GROUP_SEQUENTIAL,
    PT_PLAN_ALWAYS_VALID,
    PT_PLAN_BAYESIAN,
};

/* An allocation epoch with a ratio of its own; a weight of 0: the variant is not given out in it.
 */
struct pt_plan_epoch {
    char name[64];
    double weight[PT_PLAN_ARMS_MAX];
};

struct pt_plan {
    char name[PT_PLAN_NAME_BYTES];
    char hypothesis[1024];
    enum pt_alternative alternative;
    enum pt_plan_correction treatment_correction; /* over the treatments, of the primary metric */
    char variant[PT_PLAN_ARMS_MAX][PT_PLAN_NAME_BYTES]; /* the first is control */
    double weight[PT_PLAN_ARMS_MAX];
    size_t arm_count;
    struct pt_plan_epoch epochs[PT_PLAN_EPOCHS_MAX]; /* others have the weights above */
    size_t epoch_count;
    size_t amended_count; /* of these, the last ones: added after the start, not part of the form */
    double alpha;
    double power;
    double effect; /* absolute, or relative where is_relative; above 0 */
    bool is_relative;
    bool counts_active;     /* traffic: active_users, else new_users */
    bool is_smaller_better; /* of a two-sided plan; else the alternative says it */
    double baseline;        /* of the primary metric in control; NaN: from the table */
    double baseline_sd;     /* of one unit, for measured metrics; NaN: from the table */
    double sample_ratio_alpha;
    enum pt_plan_correction correction;
    enum pt_plan_analysis analysis;
    double looks[PT_PLAN_LOOKS_MAX]; /* GROUP_SEQUENTIAL, rising, the last is 1; else just 1 */
    size_t look_count;
    struct pt_spending spending;
    bool has_futility;
    struct pt_spending futility;
    bool is_binding;
    double prior_a; /* BAYESIAN: Beta prior of shares */
    double prior_b;
    double probability; /* BAYESIAN: stop when P(better) reaches it ... */
    double loss;        /* ... and the expected loss is at most this; 0: no such condition */
    int64_t days_min;   /* stopping: no verdict before so many days after the first exposure */
    int64_t days_max;   /* inconclusive after so many; 0: no end */
    struct pt_plan_metric metrics[PT_PLAN_METRICS_MAX]; /* the first is the primary one */
    size_t metric_count;
    struct pt_exposure_map exposures; /* which events count as exposures */
};

/*
 * Read a plan. PT_INVALID: `problems` holds all that is wrong, one line each, "NAME:LINE: what is
 * wrong; what would be right". `name` is the file's, for messages.
 */
enum pt_code pt_plan_read(struct pt_plan *plan_out, struct pt_span yaml, const char *name,
                          struct pt_buf *problems, struct pt_error *err) PT_MUST_USE;

/* The canonical form: one JSON object, every field in a fixed order. */
void pt_plan_write(const struct pt_plan *plan, struct pt_jsonw *w);
/* Lower-case hex of the SHA-256 of the canonical form. PT_NO_MEMORY. */
enum pt_code pt_plan_hash(const struct pt_plan *plan, char hex_out[2 * PT_SHA256_BYTES + 1],
                          struct pt_error *err) PT_MUST_USE;

/* The words of the YAML, static. */
const char *pt_plan_kind_name(enum pt_plan_kind kind);
const char *pt_plan_role_name(enum pt_plan_role role);
const char *pt_plan_analysis_name(enum pt_plan_analysis analysis);
const char *pt_plan_alternative_name(enum pt_alternative alternative);
const char *pt_plan_correction_name(enum pt_plan_correction correction);
const char *pt_plan_spending_name(enum pt_spending_kind kind);
const char *pt_plan_model_name(enum pt_plan_model model);

static inline size_t pt_plan_treatments(const struct pt_plan *plan)
{
    return plan->arm_count - 1;
}
/* The level of one treatment's own test where alpha is split evenly (Bonferroni). */
static inline double pt_plan_alpha_each(const struct pt_plan *plan)
{
    return plan->treatment_correction == PT_PLAN_NO_CORRECTION
               ? plan->alpha
               : plan->alpha / (double)pt_plan_treatments(plan);
}
/* The information of the first planned look after `t`, or of the last one. */
double pt_plan_next_look(const struct pt_plan *plan, double t);
/* The weights of an epoch, planned or amended. */
const double *pt_plan_weights(const struct pt_plan *plan, const char *epoch);
static inline bool pt_plan_is_share(enum pt_plan_kind kind)
{
    return kind == PT_PLAN_RETENTION || kind == PT_PLAN_CONVERSION;
}
static inline int pt_plan_sided(const struct pt_plan *plan)
{
    return plan->alternative == PT_TWO_SIDED ? 2 : 1;
}
/* 1, or -1 where smaller is the hypothesis: z times it is large when the hypothesis is true. */
static inline double pt_plan_sign(const struct pt_plan *plan)
{
    return plan->alternative == PT_SMALLER ? -1 : 1;
}

/* z in the hypothesis' direction, from either side where it has none. */
static inline double pt_plan_directed(const struct pt_plan *plan, double z)
{
    return plan->alternative == PT_TWO_SIDED ? fabs(z) : pt_plan_sign(plan) * z;
}

/* 1, or -1 where less of the primary metric is better. */
static inline double pt_plan_good(const struct pt_plan *plan)
{
    return plan->alternative == PT_SMALLER || plan->is_smaller_better ? -1 : 1;
}

/* ---- sizes and boundaries ---- */

/* What the sizes stand on: fixed at start. */
struct pt_plan_basis {
    double baseline; /* mean of the primary metric in control */
    double sd;       /* of one unit; for a ratio, that of its linearised unit value */
};

struct pt_plan_design {
    double effect; /* absolute, signed as the hypothesis has it (above 0 when two-sided) */
    double fixed[PT_PLAN_ARMS_MAX]; /* units an arm of a design with one look, whole */
    double units[PT_PLAN_ARMS_MAX]; /* units an arm at t = 1, whole */
    double units_total;
    double inflation;
    double alpha; /* of one treatment's own test */
    double drift; /* E[z] at t = 1 under the effect, in the hypothesis' direction */
    double se;    /* of one treatment's estimate at t = 1 */
    double tau2;  /* ALWAYS_VALID: the mixture's variance, the square of the effect */
    double z_upper[PT_PLAN_LOOKS_MAX];   /* infinite: nothing is spent yet */
    double z_lower[PT_PLAN_LOOKS_MAX];   /* futility; -infinite: none */
    double exit_null[PT_PLAN_LOOKS_MAX]; /* P(stop for effect at the look), null and effect */
    double exit_effect[PT_PLAN_LOOKS_MAX];
    double units_null; /* expected sample size, all arms together */
    double units_effect;
};

/* PT_INVALID: no size reaches the power, and why. */
enum pt_code pt_plan_design(const struct pt_plan *plan, struct pt_plan_basis basis,
                            struct pt_plan_design *out, struct pt_error *err) PT_MUST_USE;

/* The bound of the always-valid test on |z| (or z, one-sided) at the variance V of the estimate. */
double pt_plan_always_bound(const struct pt_plan *plan, double alpha, double variance, double tau2);

#endif
