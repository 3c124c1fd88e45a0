/*
 * bayes_normal.c - normal and Gamma-Poisson posteriors
 */
#include "stats/bayes_dist.h"

#include "stats/special.h"

#include <math.h>

static double upper_tail(const void *ctx, double z)
{
    (void)ctx;
    return pt_norm_sf(z);
}

/*
 * sd times the integral of the upper tail from -mean/sd: phi(z) - z sf(z) cancels in the far tail,
 * and there the integral is taken as it stands.
 */
double pt_normal_gain(double mean, double sd)
{
    double z = -mean / sd;
    double marks[] = {z, z + 1, z + 4, z + 12};

    if (!(sd > 0)) {
        return fmax(mean, 0);
    }
    return sd * (z > 3 ? pt_integrate(upper_tail, NULL, marks, 4, 1e-12)
                       : pt_norm_pdf(z) - z * pt_norm_sf(z));
}

struct pt_normal_posterior pt_normal_update(double prior_mean, double prior_var, double mean,
                                            double variance_of_mean, double level)
{
    struct pt_normal_posterior post = {NAN, NAN, {NAN, NAN}, NAN, NAN, NAN};
    bool is_flat = isnan(prior_mean) && isnan(prior_var);

    if (!isfinite(mean) || !(variance_of_mean > 0) || !isfinite(variance_of_mean) ||
        !(level > 0 && level < 1)) {
        return post;
    }
    if (is_flat) {
        post.mean = mean;
        post.variance = variance_of_mean;
    } else if (isfinite(prior_mean) && prior_var > 0 && isfinite(prior_var)) {
        double weight = prior_var / (prior_var + variance_of_mean); /* of the data */

        post.mean = prior_mean + weight * (mean - prior_mean);
        post.variance = weight * variance_of_mean;
    } else {
        return post;
    }
    double sd = sqrt(post.variance);
    double half = pt_norm_quantile_upper((1 - level) / 2) * sd;

    post.interval = (struct pt_interval){post.mean - half, post.mean + half};
    post.prob_gt_zero = pt_norm_cdf(post.mean / sd);
    post.expected_loss_zero = pt_normal_gain(post.mean, sd);
    post.expected_loss_own = pt_normal_gain(-post.mean, sd);
    return post;
}

struct pt_normal_comparison pt_normal_compare(double mean_a, double var_a, double mean_b,
                                              double var_b, double level)
{
    struct pt_normal_comparison result = {NAN, NAN, NAN, NAN, NAN, {NAN, NAN}};

    if (!isfinite(mean_a) || !isfinite(mean_b) || !(var_a >= 0) || !(var_b >= 0) ||
        !(var_a + var_b > 0) || !isfinite(var_a + var_b) || !(level > 0 && level < 1)) {
        return result;
    }
    double half = pt_norm_quantile_upper((1 - level) / 2);

    result.difference = mean_b - mean_a;
    result.sd = sqrt(var_a + var_b);
    result.prob_b_gt_a = pt_norm_cdf(result.difference / result.sd);
    result.expected_loss_a = pt_normal_gain(result.difference, result.sd);
    result.expected_loss_b = pt_normal_gain(-result.difference, result.sd);
    result.interval.low = result.difference - half * result.sd;
    result.interval.high = result.difference + half * result.sd;
    return result;
}

/* ---- Gamma-Poisson ---- */

static struct pt_gamma_posterior gamma_posterior(struct pt_rate arm, double shape, double rate,
                                                 double level)
{
    double tail = (1 - level) / 2;
    struct pt_gamma_posterior post;

    post.shape = shape + arm.sum;
    post.rate = rate + arm.exposure;
    post.mean = post.shape / post.rate;
    post.interval.low = pt_gamma_p_inverse(post.shape, tail) / post.rate;
    post.interval.high = pt_gamma_q_inverse(post.shape, tail) / post.rate;
    return post;
}

static bool is_rate(struct pt_rate arm)
{
    return isfinite(arm.sum) && arm.sum >= 0 && isfinite(arm.exposure) && arm.exposure >= 0;
}

struct pt_gamma_comparison pt_gamma_poisson(struct pt_rate a, struct pt_rate b, double prior_shape,
                                            double prior_rate, double level)
{
    const struct pt_gamma_posterior none = {NAN, NAN, NAN, {NAN, NAN}};
    struct pt_gamma_comparison result = {
        none, none, NAN, NAN, NAN, NAN, NAN, NAN, {{NAN, NAN}, {NAN, NAN}}};
    struct pt_dist dists[2];

    if (!is_rate(a) || !is_rate(b) || !(prior_shape > 0) || !(prior_rate > 0) ||
        !(level > 0 && level < 1)) {
        return result;
    }
    result.a = gamma_posterior(a, prior_shape, prior_rate, level);
    result.b = gamma_posterior(b, prior_shape, prior_rate, level);

    struct pt_posterior of_a = {PT_POSTERIOR_GAMMA, result.a.shape, result.a.rate};
    struct pt_posterior of_b = {PT_POSTERIOR_GAMMA, result.b.shape, result.b.rate};
    double share = result.a.rate / (result.a.rate + result.b.rate);

    if (!pt_dist_init(&dists[0], of_a) || !pt_dist_init(&dists[1], of_b)) {
        return result;
    }
    result.prob_b_gt_a = pt_beta_cdf(share, result.a.shape, result.b.shape);
    result.prob_a_gt_b = pt_beta_sf(share, result.a.shape, result.b.shape);
    result.expected_loss_a = pt_dist_loss(dists, 2, 0);
    result.expected_loss_b = pt_dist_loss(dists, 2, 1);
    result.mean_difference = result.b.mean - result.a.mean;
    result.sd_difference = hypot(dists[0].sd, dists[1].sd);
    result.intervals = pt_posterior_diff(of_a, of_b, level);
    return result;
}
