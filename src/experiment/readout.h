/*
 * readout.h - a planned experiment: forecast before, readout after
 *
 * The forecast says what a plan will cost; the readout measures the metrics, checks the sample
 * ratio first, carries out the analysis that was planned and gives a verdict. A look that the plan
 * does not know is refused. The caller records a look (pt_started_add_look()) before he shows it.
 */
#ifndef PT_EXPERIMENT_READOUT_H
#define PT_EXPERIMENT_READOUT_H

#include "experiment/journal.h"
#include "experiment/measure.h"
#include "experiment/simulate.h"

/* ---- before ---- */

struct pt_forecast {
    struct pt_plan_basis basis;
    bool is_from_table; /* the basis; else as the plan gives it */
    struct pt_plan_design design;
    struct pt_measure_traffic traffic;
    double days;       /* until the last unit is exposed, at the plan's traffic; NaN: not known */
    int64_t days_then; /* until its window has passed */
};

/* `query` may be NULL: the plan must give the basis then, and days are not known. */
enum pt_code pt_forecast_make(struct pt_query *query, const struct pt_plan *plan,
                              struct pt_forecast *out, struct pt_error *err) PT_MUST_USE;
void pt_forecast_table(const struct pt_plan *plan, const struct pt_forecast *forecast,
                       struct pt_buf *out);
void pt_forecast_json(const struct pt_plan *plan, const struct pt_forecast *forecast,
                      struct pt_jsonw *w);

/* ---- after ---- */

/* One treatment against control. */
struct pt_readout_metric {
    double units[2]; /* of control and treatment, whose window has passed */
    double
        value[2]; /* share, mean or ratio of each arm; adjusted where CUPED or strata adjust it */
    double variance[2]; /* of the values */
    double estimate;    /* treatment - control */
    double se;
    double z;
    double df;      /* of z's distribution; infinite: normal */
    double reduced; /* CUPED: the share of the variance that the covariate took away, else NaN */
    bool is_plain;  /* neither strata nor a covariate */
    double p_value; /* as the analysis has it; of a guardrail, that harm goes beyond its margin */
    double p_adjusted;
    double level; /* of the interval */
    struct pt_interval interval;
    double uplift; /* relative */
    bool is_shown; /* secondary: p_adjusted is below what the look has; guardrail: it is harmed */
    char note[96]; /* why there is no test, or "" */
};

/* BAYESIAN, else NaN. */
struct pt_readout_posterior {
    double better[PT_PLAN_TREATMENTS_MAX]; /* P(treatment is higher than control) */
    double best[PT_PLAN_ARMS_MAX]; /* P(arm is best); best is least where smaller is hoped for */
    double loss[PT_PLAN_ARMS_MAX]; /* expected, of choosing the arm */
    struct pt_interval difference[PT_PLAN_TREATMENTS_MAX]; /* credible, level 1 - alpha */
};

struct pt_readout {
    const struct pt_started *started; /* borrowed */
    struct pt_measure measure;        /* owned */
    struct pt_measure_ratio ratio;
    double ratio_p;            /* of the chi-square */
    double ratio_sequential_p; /* of the test that may be looked at always */
    double srm_p;              /* the one that decides, over epochs */
    bool has_srm;              /* the ratio does not fit: the verdict is invalid */
    struct pt_measure_segment segments[PT_MEASURE_SEGMENTS_MAX];
    size_t segment_count;
    struct pt_measure_start start; /* as the table has it */
    bool has_metrics;              /* false: nothing of the outcome was looked at */
    bool is_repeat;                /* of a look that the journal has */
    bool is_recordable;            /* `look` is new and belongs into the journal */
    bool has_changed;              /* the table gives other figures than the recorded look */
    size_t look_number;            /* from 1 */
    struct pt_look look;
    double nominal_alpha; /* what this look has for secondary metrics */
    struct pt_readout_posterior posterior;
    struct pt_gs_stagewise stagewise[PT_PLAN_TREATMENTS_MAX]; /* GROUP_SEQUENTIAL, once stopped */
    bool has_stagewise[PT_PLAN_TREATMENTS_MAX];
    struct pt_readout_metric metrics[PT_PLAN_METRICS_MAX][PT_PLAN_TREATMENTS_MAX];
    const char *ship; /* the variant to give to everybody once the verdict is a stop, else NULL */
    char why[PT_PLAN_TREATMENTS_MAX][256]; /* each treatment's verdict in words */
    char reason[4096];
};

enum pt_readout_mode {
    PT_READOUT_LOOK,            /* a planned look, or an earlier one again */
    PT_READOUT_SPEND_UNPLANNED, /* under a spending function, any look */
    PT_READOUT_REPEAT,          /* the last recorded look again, whatever the table has now */
};

/*
 * PT_INVALID: the look is refused, and why. PT_CORRUPT: the table's experiment_started is of
 * another plan than the journal's. Release in any case. `as_of_us` 0: the newest receipt of an
 * event.
 */
enum pt_code pt_readout_run(struct pt_query *query, const struct pt_started *started,
                            int64_t as_of_us, enum pt_readout_mode mode, struct pt_readout *out,
                            struct pt_error *err) PT_MUST_USE;
void pt_readout_release(struct pt_readout *readout);

void pt_readout_table(const struct pt_readout *readout, struct pt_buf *out);
void pt_readout_json(const struct pt_readout *readout, struct pt_jsonw *w);
/* One self-contained page; every name in it is escaped. */
void pt_readout_html(const struct pt_readout *readout, struct pt_buf *out);

#endif
