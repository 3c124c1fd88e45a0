/*
 * stats_special.c - `playtrace stats`: special functions and distributions
 */
#include "cmd/stats_call.h"
#include "stats/special.h"

#include <math.h>

static const char *const tails[] = {"lower", "upper", NULL};

/* p and tail, as every quantile has them; true for the lower one. */
static bool quantile_inputs(struct stats_call *call, double *p)
{
    *p = stats_number(call, "p");
    return stats_choice(call, "tail", tails, 0) == 0;
}

static void put_tails(struct stats_call *call, double cdf, double sf)
{
    stats_put(call, "cdf", cdf);
    stats_put(call, "sf", sf);
}

static void norm_dist(struct stats_call *call)
{
    double x = stats_real(call, "x");

    if (stats_ready(call)) {
        stats_put(call, "pdf", pt_norm_pdf(x));
        put_tails(call, pt_norm_cdf(x), pt_norm_sf(x));
        stats_put(call, "log_cdf", pt_norm_log_cdf(x));
        stats_put(call, "log_sf", pt_norm_log_sf(x));
    }
}

static void norm_log_sf(struct stats_call *call)
{
    double x = stats_real(call, "x");

    if (stats_ready(call)) {
        stats_put(call, "log_sf", pt_norm_log_sf(x));
    }
}

static void norm_quantile(struct stats_call *call)
{
    double p = NAN;
    bool is_lower = quantile_inputs(call, &p);

    if (stats_ready(call)) {
        stats_put(call, "x", is_lower ? pt_norm_quantile(p) : pt_norm_quantile_upper(p));
    }
}

static void erf_of(struct stats_call *call)
{
    double x = stats_real(call, "x");

    if (stats_ready(call)) {
        stats_put(call, "erf", pt_erf(x));
        stats_put(call, "erfc", pt_erfc(x));
    }
}

static void t_dist(struct stats_call *call)
{
    double x = stats_real(call, "x");
    double df = stats_real(call, "df");

    if (stats_ready(call)) {
        stats_put(call, "pdf", pt_t_pdf(x, df));
        put_tails(call, pt_t_cdf(x, df), pt_t_sf(x, df));
    }
}

static void t_quantile(struct stats_call *call)
{
    double p = NAN;
    bool is_lower = quantile_inputs(call, &p);
    double df = stats_real(call, "df");

    if (stats_ready(call)) {
        stats_put(call, "x", is_lower ? pt_t_quantile(p, df) : pt_t_quantile_upper(p, df));
    }
}

static void nct_dist(struct stats_call *call)
{
    double x = stats_real(call, "x");
    double df = stats_real(call, "df");
    double delta = stats_number(call, "delta");

    if (stats_ready(call)) {
        put_tails(call, pt_nct_cdf(x, df, delta), pt_nct_sf(x, df, delta));
    }
}

static void chi2_dist(struct stats_call *call)
{
    double x = stats_real(call, "x");
    double df = stats_number(call, "df");

    if (stats_ready(call)) {
        stats_put(call, "pdf", pt_chi2_pdf(x, df));
        put_tails(call, pt_chi2_cdf(x, df), pt_chi2_sf(x, df));
    }
}

static void chi2_quantile(struct stats_call *call)
{
    double p = NAN;
    bool is_lower = quantile_inputs(call, &p);
    double df = stats_number(call, "df");

    if (stats_ready(call)) {
        stats_put(call, "x", is_lower ? pt_chi2_quantile(p, df) : pt_chi2_quantile_upper(p, df));
    }
}

static void f_dist(struct stats_call *call)
{
    double x = stats_real(call, "x");
    double df1 = stats_number(call, "df1");
    double df2 = stats_number(call, "df2");

    if (stats_ready(call)) {
        stats_put(call, "pdf", pt_f_pdf(x, df1, df2));
        put_tails(call, pt_f_cdf(x, df1, df2), pt_f_sf(x, df1, df2));
    }
}

static void f_quantile(struct stats_call *call)
{
    double p = NAN;
    bool is_lower = quantile_inputs(call, &p);
    double df1 = stats_number(call, "df1");
    double df2 = stats_number(call, "df2");

    if (stats_ready(call)) {
        stats_put(call, "x",
                  is_lower ? pt_f_quantile(p, df1, df2) : pt_f_quantile_upper(p, df1, df2));
    }
}

static void beta_dist(struct stats_call *call)
{
    double x = stats_number(call, "x");
    double a = stats_number(call, "a");
    double b = stats_number(call, "b");

    if (stats_ready(call)) {
        stats_put(call, "pdf", pt_beta_pdf(x, a, b));
        put_tails(call, pt_beta_cdf(x, a, b), pt_beta_sf(x, a, b));
    }
}

static void beta_quantile(struct stats_call *call)
{
    double p = NAN;
    bool is_lower = quantile_inputs(call, &p);
    double a = stats_number(call, "a");
    double b = stats_number(call, "b");

    if (stats_ready(call)) {
        stats_put(call, "x",
                  is_lower ? pt_beta_quantile(p, a, b) : pt_beta_quantile_upper(p, a, b));
    }
}

static void gamma_inc(struct stats_call *call)
{
    double a = stats_number(call, "a");
    double x = stats_real(call, "x");

    if (stats_ready(call)) {
        stats_put(call, "P", pt_gamma_p(a, x));
        stats_put(call, "Q", pt_gamma_q(a, x));
    }
}

static void lgamma_of(struct stats_call *call)
{
    double x = stats_number(call, "x");

    if (stats_ready(call)) {
        stats_put(call, "value", pt_lgamma(x));
    }
}

static void lbeta_of(struct stats_call *call)
{
    double a = stats_number(call, "a");
    double b = stats_number(call, "b");

    if (stats_ready(call)) {
        stats_put(call, "value", pt_lbeta(a, b));
    }
}

const struct stats_function stats_special_functions[] = {
    {"norm_dist", norm_dist},
    {"norm_log_sf", norm_log_sf},
    {"norm_quantile", norm_quantile},
    {"erf", erf_of},
    {"t_dist", t_dist},
    {"t_quantile", t_quantile},
    {"nct_dist", nct_dist},
    {"chi2_dist", chi2_dist},
    {"chi2_quantile", chi2_quantile},
    {"f_dist", f_dist},
    {"f_quantile", f_quantile},
    {"beta_dist", beta_dist},
    {"beta_quantile", beta_quantile},
    {"gamma_inc", gamma_inc},
    {"lgamma", lgamma_of},
    {"lbeta", lbeta_of},
    {NULL, NULL},
};
