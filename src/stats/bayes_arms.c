/*
 * bayes_arms.c - several posteriors: the best one, losses, differences
 */
#include "stats/bayes_dist.h"

#include "stats/special.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define SHAPE_MIN 0.1  /* flatter tails than e^(0.1 u) do not end within LOGIT_MAX */
#define SHAPE_MAX 1e16 /* counts end at 2^53 */
#define U_MAX 700.0    /* e^-700 is still a normal double */
#define TAIL 1e-80     /* what is left out beyond the ends: a hopeless arm keeps its digits */
#define NORMAL_SDS 19  /* the same for a normal */
#define INTEGRAL_ERROR 1e-12
/* Of a probability whose place is looked for: rounding is at 1e-12. */
#define QUANTILE_ERROR 1e-10
#define MARKS_EACH 7

static double logit(double x, double rest)
{
    return fmin(fmax(log(x) - log(rest), -U_MAX), U_MAX);
}

bool pt_dist_init(struct pt_dist *dist, struct pt_posterior posterior)
{
    double a = posterior.a;
    double b = posterior.b;

    *dist = (struct pt_dist){.kind = posterior.kind, .a = a, .b = b};
    if (!isfinite(a) || !isfinite(b)) {
        return false;
    }
    switch (posterior.kind) {
    case PT_POSTERIOR_BETA:
        if (!(a >= SHAPE_MIN && a <= SHAPE_MAX && b >= SHAPE_MIN && b <= SHAPE_MAX)) {
            return false;
        }
        dist->mean = a / (a + b);
        dist->sd = sqrt(dist->mean * (b / (a + b)) / (a + b + 1));
        dist->u_mean = log(a / b);
        dist->u_sd = sqrt((a + b) / a / b);
        dist->u_low = logit(pt_beta_quantile(TAIL, a, b), 1);
        /* 1 - x by the mirrored distribution, so that x near 1 keeps its digits. */
        dist->u_high = -logit(pt_beta_quantile(TAIL, b, a), 1);
        dist->u_low = dist->u_low > -1 ? dist->u_mean - NORMAL_SDS * dist->u_sd : dist->u_low;
        dist->u_high = dist->u_high < 1 ? dist->u_mean + NORMAL_SDS * dist->u_sd : dist->u_high;
        return true;
    case PT_POSTERIOR_NORMAL:
        if (!(b > 0)) {
            return false;
        }
        dist->mean = dist->u_mean = a;
        dist->sd = dist->u_sd = sqrt(b);
        dist->u_low = a - NORMAL_SDS * dist->sd;
        dist->u_high = a + NORMAL_SDS * dist->sd;
        return true;
    case PT_POSTERIOR_GAMMA:
        if (!(a >= SHAPE_MIN && a <= SHAPE_MAX && b > 0)) {
            return false;
        }
        dist->mean = a / b;
        dist->sd = sqrt(a) / b;
        dist->u_mean = log(a / b);
        dist->u_sd = 1 / sqrt(a);
        dist->u_low = fmax(log(pt_gamma_p_inverse(a, TAIL)), -U_MAX) - log(b);
        dist->u_high = log(pt_gamma_q_inverse(a, TAIL)) - log(b);
        return true;
    }
    return false;
}

void pt_dist_init_mixture(struct pt_dist *dist, const struct pt_mixture *mixture)
{
    double mean = 0;
    double square = 0;
    double low = INFINITY;
    double high = -INFINITY;

    for (size_t i = 0; i < mixture->count; i++) {
        mean += mixture->weight[i] * mixture->mean[i];
    }
    for (size_t i = 0; i < mixture->count; i++) {
        double off = mixture->mean[i] - mean;

        square += mixture->weight[i] * (off * off + mixture->sd[i] * mixture->sd[i]);
        low = fmin(low, mixture->mean[i] - NORMAL_SDS * mixture->sd[i]);
        high = fmax(high, mixture->mean[i] + NORMAL_SDS * mixture->sd[i]);
    }
    *dist = (struct pt_dist){.mixture = mixture,
                             .mean = mean,
                             .sd = sqrt(square),
                             .u_mean = mean,
                             .u_sd = sqrt(square),
                             .u_low = low,
                             .u_high = high};
}

double pt_dist_value(const struct pt_dist *dist, double u)
{
    if (!dist->mixture && dist->kind == PT_POSTERIOR_BETA) {
        double e = exp(-fabs(u));

        return u > 0 ? 1 / (1 + e) : e / (1 + e);
    }
    return !dist->mixture && dist->kind == PT_POSTERIOR_GAMMA ? exp(u) : u;
}

double pt_dist_slope(const struct pt_dist *dist, double u)
{
    if (!dist->mixture && dist->kind == PT_POSTERIOR_BETA) {
        double e = exp(-fabs(u));

        return e / ((1 + e) * (1 + e));
    }
    return !dist->mixture && dist->kind == PT_POSTERIOR_GAMMA ? exp(u) : 1;
}

static double mixture_tail(const struct pt_mixture *mixture, double x, double sign)
{
    double sum = 0;

    for (size_t i = 0; i < mixture->count; i++) {
        sum += mixture->weight[i] *
               erfc(sign * (x - mixture->mean[i]) / (mixture->sd[i] * 1.41421356237309504880));
    }
    return 0.5 * sum;
}

static double mixture_pdf(const struct pt_mixture *mixture, double x)
{
    double sum = 0;

    for (size_t i = 0; i < mixture->count; i++) {
        sum += mixture->weight[i] * pt_norm_pdf((x - mixture->mean[i]) / mixture->sd[i]) /
               mixture->sd[i];
    }
    return sum;
}

double pt_dist_pdf(const struct pt_dist *dist, double u)
{
    if (dist->mixture) {
        return mixture_pdf(dist->mixture, u);
    }
    switch (dist->kind) {
    case PT_POSTERIOR_BETA:
        return pt_logit_beta_pdf(u, dist->a, dist->b);
    case PT_POSTERIOR_NORMAL:
        return pt_norm_pdf((u - dist->a) / dist->sd) / dist->sd;
    case PT_POSTERIOR_GAMMA:
        return pt_gamma_pdf(dist->a, dist->b * exp(u)) * dist->b * exp(u);
    }
    return NAN;
}

double pt_dist_cdf(const struct pt_dist *dist, double u)
{
    if (!dist->mixture && dist->kind == PT_POSTERIOR_BETA) {
        return pt_logit_beta_cdf(u, dist->a, dist->b);
    }
    return pt_dist_cdf_at(dist, pt_dist_value(dist, u));
}

double pt_dist_sf(const struct pt_dist *dist, double u)
{
    if (!dist->mixture && dist->kind == PT_POSTERIOR_BETA) {
        return pt_logit_beta_sf(u, dist->a, dist->b);
    }
    return pt_dist_sf_at(dist, pt_dist_value(dist, u));
}

double pt_dist_cdf_at(const struct pt_dist *dist, double x)
{
    if (dist->mixture) {
        return mixture_tail(dist->mixture, x, -1);
    }
    switch (dist->kind) {
    case PT_POSTERIOR_BETA:
        return pt_beta_cdf(x, dist->a, dist->b);
    case PT_POSTERIOR_NORMAL:
        return pt_norm_cdf((x - dist->a) / dist->sd);
    case PT_POSTERIOR_GAMMA:
        return x > 0 ? pt_gamma_p(dist->a, dist->b * x) : 0;
    }
    return NAN;
}

double pt_dist_sf_at(const struct pt_dist *dist, double x)
{
    if (dist->mixture) {
        return mixture_tail(dist->mixture, x, 1);
    }
    switch (dist->kind) {
    case PT_POSTERIOR_BETA:
        return pt_beta_sf(x, dist->a, dist->b);
    case PT_POSTERIOR_NORMAL:
        return pt_norm_sf((x - dist->a) / dist->sd);
    case PT_POSTERIOR_GAMMA:
        return x > 0 ? pt_gamma_q(dist->a, dist->b * x) : 1;
    }
    return NAN;
}

/* ---- the best of several ---- */

struct problem {
    const struct pt_dist *dists;
    size_t count;
    size_t i;
    double shift; /* of the value: differences */
    double factor;
};

static int by_value(const void *one, const void *two)
{
    double x = *(const double *)one;
    double y = *(const double *)two;

    return (x > y) - (x < y);
}

/* Over [low, high], with panels that end around every distribution's middle. */
static double integrate(double (*f)(const void *ctx, double u), const struct problem *p, double low,
                        double high, double error)
{
    static const double steps[MARKS_EACH] = {-8, -4, -1.5, 0, 1.5, 4, 8};
    double marks[PT_BAYES_ARMS_MAX * MARKS_EACH + 2];
    size_t count = 0;

    if (!(low < high)) {
        return 0;
    }
    marks[count++] = low;
    marks[count++] = high;
    for (size_t i = 0; i < p->count; i++) {
        /* A density narrower than the rounding of its place is rough at that scale. */
        error = fmax(error, 8 * DBL_EPSILON * fabs(p->dists[i].u_mean) / p->dists[i].u_sd);
        for (size_t k = 0; k < MARKS_EACH; k++) {
            double mark = p->dists[i].u_mean + steps[k] * p->dists[i].u_sd;

            marks[count++] = fmin(fmax(mark, low), high);
        }
    }
    qsort(marks, count, sizeof(marks[0]), by_value);
    return pt_integrate(f, p, marks, count, error);
}

static double best_integrand(const void *ctx, double u)
{
    const struct problem *p = ctx;
    double product = pt_dist_pdf(&p->dists[p->i], u);

    for (size_t j = 0; j < p->count && product > 0; j++) {
        if (j != p->i) {
            product *= pt_dist_cdf(&p->dists[j], u);
        }
    }
    return product;
}

double pt_dist_prob_best(const struct pt_dist *dists, size_t count, size_t i)
{
    struct problem problem = {dists, count, i, 0, 1};

    return fmin(
        1, integrate(best_integrand, &problem, dists[i].u_low, dists[i].u_high, INTEGRAL_ERROR));
}

/* F_i (1 - product of the others' F) dx/du. */
static double loss_integrand(const void *ctx, double u)
{
    const struct problem *p = ctx;
    double log_product = 0;
    double own = pt_dist_cdf(&p->dists[p->i], u) * pt_dist_slope(&p->dists[p->i], u);

    if (own == 0) {
        return 0;
    }
    for (size_t j = 0; j < p->count; j++) {
        if (j != p->i) {
            log_product += log1p(-fmin(1, pt_dist_sf(&p->dists[j], u)));
        }
    }
    return own * -expm1(log_product);
}

double pt_dist_loss(const struct pt_dist *dists, size_t count, size_t i)
{
    struct problem problem = {dists, count, i, 0, 1};
    double high = -INFINITY;

    for (size_t j = 0; j < count; j++) {
        high = j == i ? high : fmax(high, dists[j].u_high);
    }
    return integrate(loss_integrand, &problem, dists[i].u_low, high, INTEGRAL_ERROR);
}

bool pt_best_of(const struct pt_posterior *arms, size_t count, double *prob_out, double *loss_out,
                double *expected_max_out)
{
    struct pt_dist dists[PT_BAYES_ARMS_MAX];
    bool is_sound = count >= 2 && count <= PT_BAYES_ARMS_MAX;
    size_t best = 0;

    *expected_max_out = NAN;
    for (size_t i = 0; i < count; i++) {
        prob_out[i] = NAN;
        loss_out[i] = NAN;
        is_sound = is_sound && arms[i].kind == arms[0].kind && pt_dist_init(&dists[i], arms[i]);
    }
    if (!is_sound) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        prob_out[i] = pt_dist_prob_best(dists, count, i);
        loss_out[i] = pt_dist_loss(dists, count, i);
        best = loss_out[i] < loss_out[best] ? i : best;
    }
    *expected_max_out = dists[best].mean + loss_out[best];
    return true;
}

/* ---- differences ---- */

struct quantile_problem {
    struct problem inner;
    double probability;
    bool is_uplift;
};

/* f_a(u) P(b <= factor a + shift): the distribution function of b - a, or of b/a. */
static double below_integrand(const void *ctx, double u)
{
    const struct problem *p = ctx;
    double limit = p->factor * pt_dist_value(&p->dists[0], u) + p->shift;

    return pt_dist_pdf(&p->dists[0], u) * pt_dist_cdf_at(&p->dists[1], limit);
}

static double quantile_excess(const void *ctx, double x)
{
    const struct quantile_problem *q = ctx;
    struct problem p = q->inner;

    p.factor = q->is_uplift ? 1 + x : 1;
    p.shift = q->is_uplift ? 0 : x;
    return integrate(below_integrand, &p, p.dists[0].u_low, p.dists[0].u_high, QUANTILE_ERROR) -
           q->probability;
}

/* The quantile, from a bracket that is widened until it holds it. */
static double quantile(const struct quantile_problem *q, double start, double step, double least)
{
    double low = fmax(start - step, least);
    double high = start + step;

    for (int i = 0; i < 60 && low > least && quantile_excess(q, low) > 0; i++) {
        step *= 2;
        low = fmax(low - step, least);
    }
    for (int i = 0; i < 60 && quantile_excess(q, high) < 0; i++) {
        step *= 2;
        high += step;
    }
    return pt_root_rough(quantile_excess, q, low, high);
}

struct pt_posterior_intervals pt_posterior_diff(struct pt_posterior a, struct pt_posterior b,
                                                double level)
{
    struct pt_posterior_intervals result = {{NAN, NAN}, {NAN, NAN}};
    struct pt_dist dists[2];

    if (a.kind != b.kind || !pt_dist_init(&dists[0], a) || !pt_dist_init(&dists[1], b) ||
        !(level > 0 && level < 1)) {
        return result;
    }
    double tail = (1 - level) / 2;
    double sd = hypot(dists[0].sd, dists[1].sd);
    double middle = dists[1].mean - dists[0].mean;
    double z = pt_norm_quantile_upper(tail);
    double least = a.kind == PT_POSTERIOR_BETA ? -1 : -INFINITY;
    struct quantile_problem q = {{dists, 2, 0, 0, 1}, tail, false};

    if (a.kind == PT_POSTERIOR_NORMAL) {
        result.difference = (struct pt_interval){middle - z * sd, middle + z * sd};
        return result;
    }
    result.difference.low = quantile(&q, middle - z * sd, sd, least);
    q.probability = 1 - tail;
    result.difference.high = quantile(&q, middle + z * sd, sd, least);
    q.is_uplift = true;
    double uplift = dists[1].mean / dists[0].mean;
    double spread = uplift * hypot(dists[0].sd / dists[0].mean, dists[1].sd / dists[1].mean);

    result.uplift.high = quantile(&q, uplift - 1 + z * spread, spread, -1);
    q.probability = tail;
    result.uplift.low = quantile(&q, fmax(uplift - 1 - z * spread, -0.999), spread, -1);
    return result;
}
