/*
 * moments.c - what is added up: moments of units, and how well sizes fit their ratio
 */
#include "experiment/measure.h"
#include "stats/special.h"

#include <math.h>

void pt_moments_add(struct pt_moments *sum, const struct pt_moments *more)
{
    double n = sum->n + more->n;
    double dx = more->mean_x - sum->mean_x;
    double dy = more->mean_y - sum->mean_y;
    double weight = n > 0 ? sum->n * more->n / n : 0;

    if (more->n == 0) {
        return;
    }
    sum->sxx += more->sxx + weight * dx * dx;
    sum->syy += more->syy + weight * dy * dy;
    sum->sxy += more->sxy + weight * dx * dy;
    sum->mean_x += dx * more->n / n;
    sum->mean_y += dy * more->n / n;
    sum->n = n;
}

struct pt_proportion pt_moments_proportion(const struct pt_moments *m)
{
    return (struct pt_proportion){round(m->mean_x * m->n), m->n};
}

struct pt_sample pt_moments_sample(const struct pt_moments *m)
{
    return (struct pt_sample){m->n, m->mean_x, m->n > 1 ? m->sxx / (m->n - 1) : NAN};
}

struct pt_ratio_arm pt_moments_ratio(const struct pt_moments *m)
{
    double df = m->n - 1;

    return (struct pt_ratio_arm){m->n, m->mean_x, m->mean_y, m->sxx / df, m->syy / df, m->sxy / df};
}

struct pt_cuped_arm pt_moments_cuped(const struct pt_moments *m)
{
    double df = m->n - 1;

    return (struct pt_cuped_arm){m->n, m->mean_x, m->mean_y, m->sxx / df, m->syy / df, m->sxy / df};
}

struct pt_hurdle_arm pt_moments_hurdle(const struct pt_moments *m)
{
    double payers = round(m->mean_y * m->n);
    double mean = payers > 0 ? m->mean_x * m->n / payers : NAN;
    /* Sum of squares around the payers' mean: around the units' mean, less what those who did not
     * pay add to it. */
    double squares = m->sxx - m->n * m->mean_x * m->mean_x * (m->n - payers) / payers;

    /* Equal amounts leave rounding. */
    squares = squares > 1e-12 * m->sxx ? squares : 0;
    return (struct pt_hurdle_arm){m->n, payers, mean, payers > 1 ? squares / (payers - 1) : NAN};
}

/* ---- sample ratio ---- */

void pt_measure_ratio_add(struct pt_measure_ratio *sum, const struct pt_plan *plan,
                          const double *weights, const double *units)
{
    double given[PT_PLAN_ARMS_MAX];
    double sizes[PT_PLAN_ARMS_MAX];
    size_t count = 0;
    double total = 0;

    for (size_t i = 0; i < plan->arm_count; i++) {
        if (weights[i] > 0) {
            given[count] = weights[i];
            sizes[count++] = units[i];
            total += units[i];
        } else if (units[i] > 0) {
            sum->df += 1;
            sum->chi2 = sum->log_lambda = HUGE_VAL;
        }
    }
    if (count > 1 && total > 0) {
        struct pt_srm test = pt_srm_test(sizes, given, count, NULL);

        sum->df += test.df;
        sum->chi2 += test.chi2;
        sum->log_lambda += pt_ssrm_log_lambda(sizes, given, count, PT_SSRM_CONCENTRATION);
    }
}

double pt_measure_ratio_chi2_p(const struct pt_measure_ratio *ratio)
{
    return ratio->df > 0 ? pt_chi2_sf(ratio->chi2, ratio->df) : NAN;
}

double pt_measure_ratio_sequential_p(const struct pt_measure_ratio *ratio)
{
    return fmin(1, exp(-ratio->log_lambda));
}
