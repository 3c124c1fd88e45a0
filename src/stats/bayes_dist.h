/*
 * bayes_dist.h - one posterior as the quadratures need it
 *
 * Private to src/stats. Functions are in a coordinate u in which the density is smooth on the
 * whole line: the logit for Beta, the logarithm for Gamma, the value itself else.
 */
#ifndef PT_STATS_BAYES_DIST_H
#define PT_STATS_BAYES_DIST_H

#include "stats/bayes.h"

/* A mixture of normals. */
#define PT_MIXTURE_MAX 200
struct pt_mixture {
    double weight[PT_MIXTURE_MAX];
    double mean[PT_MIXTURE_MAX];
    double sd[PT_MIXTURE_MAX];
    size_t count;
};

struct pt_dist {
    enum pt_posterior_kind kind;
    double a;
    double b;
    const struct pt_mixture *mixture; /* where not NULL, the rest does not count */
    double mean;
    double sd;
    double u_mean; /* roughly the middle, the spread and the ends in u */
    double u_sd;
    double u_low;
    double u_high;
};

/* False where the parameters are none. */
bool pt_dist_init(struct pt_dist *dist, struct pt_posterior posterior);
void pt_dist_init_mixture(struct pt_dist *dist, const struct pt_mixture *mixture);

double pt_dist_value(const struct pt_dist *dist, double u); /* u -> value */
double pt_dist_slope(const struct pt_dist *dist, double u); /* d value/du */
double pt_dist_pdf(const struct pt_dist *dist, double u);   /* density of u */
double pt_dist_cdf(const struct pt_dist *dist, double u);
double pt_dist_sf(const struct pt_dist *dist, double u);
double pt_dist_cdf_at(const struct pt_dist *dist, double x); /* of the value */
double pt_dist_sf_at(const struct pt_dist *dist, double x);

/* P(i is best), and the expected loss of choosing i, of `count` distributions of one kind. */
double pt_dist_prob_best(const struct pt_dist *dists, size_t count, size_t i);
double pt_dist_loss(const struct pt_dist *dists, size_t count, size_t i);

/* E[max(x, 0)] of a normal. */
double pt_normal_gain(double mean, double sd);

#endif
