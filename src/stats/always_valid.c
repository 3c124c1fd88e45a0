/*
 * always_valid.c - mixture SPRT, confidence sequences, sequential sample-ratio test
 */
#include "stats/always_valid.h"

#include "stats/special.h"

#include <math.h>

struct pt_msprt pt_msprt(double difference, double variance, double tau2, double theta0,
                         double alpha)
{
    struct pt_msprt result = {difference, variance, NAN, NAN, {NAN, NAN}};

    if (!(variance > 0) || !isfinite(variance) || !isfinite(difference) || !(tau2 > 0) ||
        !isfinite(tau2) || !isfinite(theta0) || !(alpha > 0 && alpha < 1)) {
        return result;
    }
    /* ln((V + tau2)/V), and how much of (d - theta0)^2/V counts. */
    double log_ratio = log1p(tau2 / variance);
    double share = tau2 / (variance + tau2);
    double off = difference - theta0;
    double half = sqrt(variance / share * (2 * log(1 / alpha) + log_ratio));

    result.log_lambda = 0.5 * (share * (off * off / variance) - log_ratio);
    result.p_value = fmin(1, exp(-result.log_lambda));
    result.interval.low = difference - half;
    result.interval.high = difference + half;
    return result;
}

static double mean_variance(struct pt_sample arm)
{
    bool is_sound = isfinite(arm.size) && arm.size >= 1 && isfinite(arm.mean) && arm.variance >= 0;

    return is_sound ? arm.variance / arm.size : NAN;
}

struct pt_msprt pt_msprt_means(struct pt_sample a, struct pt_sample b, double tau2, double theta0,
                               double alpha)
{
    return pt_msprt(b.mean - a.mean, mean_variance(a) + mean_variance(b), tau2, theta0, alpha);
}

static double rate_variance(struct pt_proportion arm)
{
    bool is_sound =
        isfinite(arm.size) && arm.size > 0 && arm.successes >= 0 && arm.successes <= arm.size;

    return is_sound ? arm.successes / arm.size * ((arm.size - arm.successes) / arm.size) / arm.size
                    : NAN;
}

struct pt_msprt pt_msprt_proportions(struct pt_proportion a, struct pt_proportion b, double tau2,
                                     double theta0, double alpha)
{
    return pt_msprt(b.successes / b.size - a.successes / a.size,
                    rate_variance(a) + rate_variance(b), tau2, theta0, alpha);
}

struct pt_msprt pt_msprt_one_sided(struct pt_sample a, struct pt_sample b, double tau2)
{
    struct pt_msprt result = pt_msprt_means(a, b, tau2, 0, 0.5);
    double v = result.variance;

    result.interval = (struct pt_interval){NAN, NAN};
    if (!isnan(result.log_lambda)) {
        double z = result.difference / sqrt(v) * sqrt(tau2 / (v + tau2));

        result.log_lambda += log(2) + pt_norm_log_cdf(z);
        result.p_value = fmin(1, exp(-result.log_lambda));
    }
    return result;
}

struct pt_msprt_running pt_msprt_run(struct pt_msprt_running before, const struct pt_msprt *look)
{
    /* fmin and fmax pass over a look that is NaN: it has said nothing. */
    return (struct pt_msprt_running){
        fmin(before.p_value, look->p_value),
        {fmax(before.interval.low, look->interval.low),
         fmin(before.interval.high, look->interval.high)},
    };
}

struct pt_confidence_sequence pt_asymptotic_cs(double difference, double se, double n, double alpha,
                                               double target_n, int sided)
{
    struct pt_confidence_sequence cs = {difference, se, NAN, NAN, {NAN, NAN}, NAN};
    double a = sided == 1 ? 2 * alpha : alpha;

    if (!isfinite(difference) || !(n > 0) || !isfinite(n) || !(alpha > 0) || !(a < 1) ||
        !(target_n > 0) || !isfinite(target_n) || (sided != 1 && sided != 2)) {
        return cs;
    }
    cs.rho2 = (-2 * log(a) + log(-2 * log(a) + 1)) / target_n;
    if (!(se > 0) || !isfinite(se)) {
        return cs;
    }
    double grown = n * cs.rho2 + 1;
    double log_term = sided == 2 ? log(sqrt(grown) / a) : log1p(sqrt(grown) / a);
    double factor = 2 * grown / (n * cs.rho2);
    double needed =
        difference / se * (difference / se) / factor; /* the log term that leaves 0 out */

    cs.half_width = se * sqrt(factor * log_term);
    cs.interval.low = difference - cs.half_width;
    cs.interval.high = sided == 2 ? difference + cs.half_width : INFINITY;
    if (sided == 2) {
        cs.p_value = fmin(1, sqrt(grown) * exp(-needed));
    } else {
        cs.p_value = difference > 0 ? fmin(1, sqrt(grown) / expm1(needed) / 2) : 1;
    }
    return cs;
}

double pt_ssrm_log_lambda(const double *sizes, const double *weights, size_t arms,
                          double concentration)
{
    double weight_sum = 0;
    double total = 0;
    double log_lambda = 0;

    if (arms < 2 || !(concentration > 0) || !isfinite(concentration)) {
        return NAN;
    }
    for (size_t i = 0; i < arms; i++) {
        if (!(weights[i] > 0) || !isfinite(weights[i]) || !(sizes[i] >= 0) || !isfinite(sizes[i])) {
            return NAN;
        }
        weight_sum += weights[i];
    }
    /*
     * The multivariate beta function as a product of two-parameter ones (arm i against all before
     * it), each by the function that does not cancel: ln B(a + n, b + m) - ln B(a, b), and
     * the multinomial part as n ln w + m ln v.
     */
    double prior = 0;

    for (size_t i = 0; i < arms; i++) {
        double own = concentration * weights[i] / weight_sum;

        if (i > 0) {
            double share = own / (own + prior);

            log_lambda += pt_lbeta(own + sizes[i], prior + total) - pt_lbeta(own, prior) -
                          (sizes[i] * log(share) + total * log1p(-share));
        }
        prior += own;
        total += sizes[i];
    }
    return log_lambda;
}
