/*
 * group_sequential.h - designs with looks: boundaries, power, analysis
 *
 * Part of stats.h. Looks at information fractions t_1 < ... < t_K, each > 0; information is the
 * inverse variance of the estimate over its planned maximum, and t may end below 1 (not all
 * looks yet) or above (more data than planned). B_k = Z_k sqrt(t_k) has independent increments,
 * B_k ~ N(drift t_k, t_k); the drift is E[Z] at t = 1. Sided 1 stops when Z_k >= c_k; sided 2 when
 * |Z_k| >= c_k, and both boundaries count in every later look.
 *
 * Probabilities by recursive numerical integration: Armitage, McPherson, Rowe, JRSS A 132 (1969)
 * 235-244; Jennison, Turnbull, Group Sequential Methods, 2000, ch. 19; here on Gauss-Legendre
 * panels (gs_walk.h). Functions give PT_INVALID with the reason for a design that is none, and
 * PT_NO_MEMORY; results are then not written.
 */
#ifndef PT_STATS_GROUP_SEQUENTIAL_H
#define PT_STATS_GROUP_SEQUENTIAL_H

#include "base/error.h"
#include "stats/types.h"

#define PT_GS_LOOKS_MAX 1000
/* Information must rise by at least this share of itself from look to look. */
#define PT_GS_STEP_MIN 1e-5

/*
 * Error spending, cumulative: f(0) = 0, f(t) = alpha from t = 1 on. Lan, DeMets, Biometrika 70
 * (1983) 659-663; Hwang, Shih, DeCani, Statistics in Medicine 9 (1990) 1439-1445 (`param` gamma);
 * Kim, DeMets, Biometrika 74 (1987) 149-154 (`param` rho > 0). In two-sided designs f is
 * the total over both sides, and the O'Brien-Fleming type is twice the one-sided function of
 * alpha/2; OBF_TOTAL is the one-sided function of the whole alpha. USER lists f at each look.
 */
enum pt_spending_kind {
    PT_SPEND_LAN_DEMETS_OBF,
    PT_SPEND_LAN_DEMETS_OBF_TOTAL,
    PT_SPEND_LAN_DEMETS_POCOCK,
    PT_SPEND_HWANG_SHIH_DECANI,
    PT_SPEND_KIM_DEMETS,
    PT_SPEND_USER,
};
struct pt_spending {
    enum pt_spending_kind kind;
    double param;
    const double *cumulative; /* USER: borrowed */
    size_t cumulative_count;
};
/* f(t); NaN for USER, for t < 0 and for a param that is none. */
double pt_gs_spent(const struct pt_spending *spending, double alpha, int sided, double t);

/* Boundaries that spend alpha: P0(first exit at look k) = f(t_k) - f(t_{k-1}). */
struct pt_gs_design {
    struct pt_spending spending;
    double alpha;
    int sided;                /* 1 or 2 */
    const double *t;          /* borrowed, `looks` of them */
    const double *spending_t; /* NULL: t. Else f runs on this scale (calendar time) */
    size_t looks;
};
/*
 * z_out[k] is the upper bound c_k, infinite where nothing is spent, never capped;
 * cumulative_out[k] (may be NULL) is f. Unplanned looks need nothing else: f is taken at the
 * information that there is. On the p scale a bound is pt_norm_sf(c_k), on the drift scale
 * c_k/sqrt(t_k), on the effect scale c_k times the standard error at the look.
 */
enum pt_code pt_gs_bounds(const struct pt_gs_design *design, double *z_out, double *cumulative_out,
                          struct pt_error *err) PT_MUST_USE;

/*
 * Classical shapes c_k = C (t_k/t_K)^(shape - 1/2) with total error alpha: Pocock (shape 1/2),
 * Biometrika 64 (1977) 191-199; O'Brien, Fleming (0), Biometrics 35 (1979) 549-556; Wang,
 * Tsiatis (any), Biometrics 43 (1987) 193-199. `z_lower` (NULL: none, K - 1 of them, sided 1) are
 * fixed futility bounds that are obeyed.
 */
enum pt_code pt_gs_classical(const double *t, size_t looks, double alpha, int sided, double shape,
                             const double *z_lower, double *constant_out, double *z_out,
                             struct pt_error *err) PT_MUST_USE;

/* The bound `interim_z` at all looks but the last, whose bound uses up alpha. Haybittle, British
 * Journal of Radiology 44 (1971) 793-797; Peto et al., British Journal of Cancer 34 (1976)
 * 585-612. `spent_out` is the error before the last look. */
enum pt_code pt_gs_haybittle_peto(const double *t, size_t looks, double alpha, int sided,
                                  double interim_z, double *final_z_out, double *spent_out,
                                  struct pt_error *err) PT_MUST_USE;

/* Boundaries for the functions below. z_lower NULL: none when sided is 1, -z_upper when 2. */
struct pt_gs_region {
    const double *t;
    const double *z_upper;
    const double *z_lower;
    size_t looks;
    int sided;
};

/*
 * First exits at each look under `drift` (arrays of `looks`, either may be NULL), and
 * E[t at stopping], the last look always stopping: times the largest sample it is the expected
 * sample size. Jennison, Turnbull 2000, 19.3.
 */
enum pt_code pt_gs_exits(const struct pt_gs_region *region, double drift, double *upper_out,
                         double *lower_out, double *expected_t_out,
                         struct pt_error *err) PT_MUST_USE;

/*
 * The drift with which the design has `power`; `counts_both`: exits on either side count, else
 * those at the upper boundary alone. drift^2/(z_{alpha/sided} + z_{1-power})^2 is the inflation of
 * the sample size over a fixed design.
 */
enum pt_code pt_gs_drift_for_power(const struct pt_gs_region *region, double power,
                                   bool counts_both, double *drift_out,
                                   struct pt_error *err) PT_MUST_USE;

/*
 * One-sided design with efficacy bounds b_k by alpha spending and futility bounds a_k by beta
 * spending: P_drift(first exit below at look k) = increment of beta with the efficacy bounds in
 * force. Binding: the efficacy bounds take the futility bounds into account, else they
 * ignore them, and type I error holds whatever is done about futility. The drift is
 * the one at which a_K = b_K, with power 1 - beta. Pampallona, Tsiatis, Kim, Drug Information
 * Journal 35 (2001) 1113-1121; Jennison, Turnbull 2000, 4.
 */
struct pt_gs_futility {
    const double *t;
    size_t looks;
    double alpha;
    double beta;
    struct pt_spending alpha_spending;
    struct pt_spending beta_spending;
    bool is_binding;
};
enum pt_code pt_gs_futility(const struct pt_gs_futility *design, double *drift_out,
                            double *z_upper_out, double *z_lower_out,
                            struct pt_error *err) PT_MUST_USE;

/*
 * Inference after stopping at `look` (0-based) with z, by the stagewise ordering: earlier upper
 * exits are more extreme. p_upper = P0(upper exit before) + P0(reach this look, Z >= z); the median
 * unbiased drift and the ends of the interval are where that probability under the drift is 1/2,
 * (1 - level)/2, (1 + level)/2. Armitage 1957; Tsiatis, Rosner, Mehta, Biometrics 40 (1984)
 * 797-803; Jennison, Turnbull 2000, 8.
 */
struct pt_gs_stagewise {
    double p_upper;
    double p_two_sided;
    double median_unbiased_drift;
    struct pt_interval drift;
    double mle_drift;
};
enum pt_code pt_gs_stagewise(const struct pt_gs_region *region, size_t look, double z, double level,
                             struct pt_gs_stagewise *out, struct pt_error *err) PT_MUST_USE;

/* Repeated confidence interval for the drift: (z -+ c_k)/sqrt(t_k). Jennison, Turnbull,
 * JRSS B 51 (1989) 305-361. */
struct pt_interval pt_gs_repeated_interval(double z, double z_upper, double t);

/*
 * Conditional power with one look to come, at t = 1 with the bound `final_z`: P(Z_1 >= final_z)
 * given z at t < 1, under `drift`, under the trend z/sqrt t, under 0, and predictive power
 * with a flat prior. Lan, Simon, Halperin, Sequential Analysis 1 (1982) 207-219; Spiegelhalter,
 * Freedman, Blackburn, Controlled Clinical Trials 7 (1986) 8-17.
 */
struct pt_gs_conditional {
    double under_drift;
    double under_trend;
    double under_null;
    double predictive;
};
struct pt_gs_conditional pt_gs_conditional_power(double t, double z, double final_z, double drift);

/* Given z at `look` (0-based), the probability of the first upper exit at each later look under
 * `drift`: upper_out has room for looks - look - 1. */
enum pt_code pt_gs_conditional_exits(const struct pt_gs_region *region, size_t look, double z,
                                     double drift, double *upper_out,
                                     struct pt_error *err) PT_MUST_USE;

#endif
