/*
 * bayes_hurdle.c - revenue a user: who pays, and how much
 */
#include "stats/bayes_dist.h"

#include "stats/special.h"

#include <assert.h>
#include <math.h>

#define TAIL 1e-20
#define PANELS 20 /* of 10 nodes each, over the range of the share of payers */

struct arm {
    struct pt_mixture mixture;
    struct pt_dist dist;
};

/*
 * v given p is N(p m, p^2 s^2). The Beta density of p, taken at Gauss-Legendre nodes in the logit,
 * gives the weights; they are scaled to sum to 1, which takes away what the ends leave out (1e-20).
 */
static bool build(struct arm *arm, const struct pt_dist *share, double mean, double variance)
{
    double points[PT_GAUSS_POINTS];
    double weights[PT_GAUSS_POINTS];
    double least = pt_beta_quantile(TAIL, share->a, share->b);
    double most = pt_beta_quantile(TAIL, share->b, share->a); /* of 1 - p */
    double low = log(least) - log1p(-least);
    double high = log1p(-most) - log(most);
    double width = (high - low) / PANELS;
    double sum = 0;
    size_t count = 0;

    pt_gauss_legendre(points, weights);
    for (size_t panel = 0; panel < PANELS; panel++) {
        for (size_t i = 0; i < PT_GAUSS_POINTS; i++) {
            double u = low + ((double)panel + 0.5 + points[i] / 2) * width;
            double weight = pt_dist_pdf(share, u) * weights[i] * width / 2;
            double p = pt_dist_value(share, u);

            if (weight > 1e-25) {
                arm->mixture.weight[count] = weight;
                arm->mixture.mean[count] = p * mean;
                arm->mixture.sd[count] = p * sqrt(variance);
                sum += weight;
                count++;
            }
        }
    }
    arm->mixture.count = count;
    if (!(fabs(sum - 1) < 1e-6)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        arm->mixture.weight[i] /= sum;
    }
    pt_dist_init_mixture(&arm->dist, &arm->mixture);
    return true;
}

static_assert(PANELS * PT_GAUSS_POINTS <= PT_MIXTURE_MAX, "the nodes fit the mixture");

/* ---- quantiles ---- */

struct problem {
    const struct pt_mixture *a; /* NULL: b alone */
    const struct pt_mixture *b;
    double probability;
};

/* P(b - a <= x) - probability: a sum over all pairs of components. */
static double excess(const void *ctx, double x)
{
    const struct problem *p = ctx;
    double sum = 0;

    for (size_t i = 0; i < p->b->count; i++) {
        if (!p->a) {
            sum += p->b->weight[i] * pt_norm_cdf((x - p->b->mean[i]) / p->b->sd[i]);
            continue;
        }
        for (size_t k = 0; k < p->a->count; k++) {
            double weight = p->a->weight[k] * p->b->weight[i];

            if (weight > 1e-17) {
                double off = x - p->b->mean[i] + p->a->mean[k];

                sum += weight * 0.5 *
                       erfc(-off / (hypot(p->a->sd[k], p->b->sd[i]) * 1.41421356237309504880));
            }
        }
    }
    return sum - p->probability;
}

static struct pt_interval interval_of(const struct arm *a, const struct arm *b, double level)
{
    struct problem problem = {a ? &a->mixture : NULL, &b->mixture, (1 - level) / 2};
    double low = b->dist.u_low - (a ? a->dist.u_high : 0);
    double high = b->dist.u_high - (a ? a->dist.u_low : 0);
    struct pt_interval interval;

    interval.low = pt_root(excess, &problem, low, high);
    problem.probability = (1 + level) / 2;
    interval.high = pt_root(excess, &problem, low, high);
    return interval;
}

static enum pt_code build_arm(struct arm *arm, const struct pt_hurdle_arm *data,
                              const struct pt_hurdle_prior *prior, size_t at, struct pt_error *err)
{
    struct pt_dist share;
    struct pt_posterior beta = {PT_POSTERIOR_BETA, prior->a + data->payers,
                                prior->b + (data->users - data->payers)};
    bool has_prior = !isnan(prior->amount_mean);
    double mean = data->amount_mean;
    double variance = data->amount_var / data->payers;

    if (!(data->users >= 0) || !(data->payers >= 0) || !(data->payers <= data->users) ||
        !pt_dist_init(&share, beta)) {
        return pt_fail(err, PT_INVALID,
                       "arm %zu: %g payers of %g users with prior Beta(%g, %g) is no posterior; "
                       "prior parameters are at least 0.1",
                       at, data->payers, data->users, prior->a, prior->b);
    }
    if (data->payers >= 2 && data->amount_var > 0 && isfinite(mean)) {
        struct pt_normal_posterior post =
            pt_normal_update(prior->amount_mean, prior->amount_var, mean, variance, 0.95);

        mean = post.mean;
        variance = post.variance;
    } else if (has_prior && data->payers < 2) {
        mean = prior->amount_mean; /* one amount has no variance to be weighed by */
        variance = prior->amount_var;
    } else {
        return pt_fail(err, PT_INVALID,
                       "arm %zu: at least 2 payers with amounts that differ are needed, or a prior "
                       "for the amount",
                       at);
    }
    if (!isfinite(mean) || !(variance > 0) || !build(arm, &share, mean, variance)) {
        return pt_fail(err, PT_INVALID, "arm %zu: the prior of the amount is none", at);
    }
    return PT_OK;
}

enum pt_code pt_hurdle_compare(const struct pt_hurdle_arm *arms, size_t count,
                               const struct pt_hurdle_prior *prior, double level,
                               struct pt_hurdle_result *out, struct pt_interval *difference_out,
                               double *expected_max_out, struct pt_error *err)
{
    struct arm built[PT_BAYES_ARMS_MAX];
    struct pt_dist dists[PT_BAYES_ARMS_MAX];
    size_t best = 0;

    if (count < 2 || count > PT_BAYES_ARMS_MAX) {
        return pt_fail(err, PT_INVALID, "arms: %zu of them; there are 2 to %d", count,
                       PT_BAYES_ARMS_MAX);
    }
    if (!(level > 0 && level < 1)) {
        return pt_fail(err, PT_INVALID, "level: %g is not above 0 and below 1", level);
    }
    for (size_t i = 0; i < count; i++) {
        enum pt_code code = build_arm(&built[i], &arms[i], prior, i, err);

        if (code) {
            return code;
        }
        dists[i] = built[i].dist;
    }
    for (size_t i = 0; i < count; i++) {
        out[i].mean = dists[i].mean;
        out[i].sd = dists[i].sd;
        out[i].interval = interval_of(NULL, &built[i], level);
        out[i].prob_best = pt_dist_prob_best(dists, count, i);
        out[i].expected_loss = pt_dist_loss(dists, count, i);
        best = out[i].expected_loss < out[best].expected_loss ? i : best;
    }
    if (difference_out) {
        *difference_out = interval_of(&built[0], &built[1], level);
    }
    *expected_max_out = out[best].mean + out[best].expected_loss;
    return PT_OK;
}
