/*
 * bayes.c - two Beta-Binomial arms
 *
 * All four integrals run over u, the logit of the proportion:
 *
 *     P(B > A)           = integral of f_A(u) S_B(u)
 *     E[max(b - a, 0)]   = integral of F_A(u) S_B(u) x (1 - x)
 *
 * with density f, distribution function F and S = 1 - F of the logit of a Beta variable.
 * Every factor is positive, so nothing cancels and a probability of 1e-200 keeps its
 * digits; every factor is log-concave in u, so each integrand has one peak. The peak is found
 * first, the ends are put where the integrand has fallen by e^-50, and adaptive quadrature works
 * between.
 */
#include "stats/bayes.h"

#include "stats/special.h"

#include <math.h>

#define LOGIT_MAX 700.0     /* e^-700 is still a normal double */
#define NEGLIGIBLE_LOG 50.0 /* e^-50 = 2e-22 of the peak: below the rounding of the sum */
#define SIZE_MAX_EXACT 9007199254740992.0 /* 2^53 */
#define PRIOR_MIN 0.1 /* flatter tails than e^(0.1 u) do not end within LOGIT_MAX */
#define INTEGRAL_ERROR                                                                             \
    1e-11 /* estimated, by the difference of two rules; the true one is smaller */

enum kind {
    DENSITY_TIMES_SURVIVAL, /* f of `low` times S of `high`: P(high > low) */
    GAIN,                   /* F of `low` times S of `high` times dx/du: E[max(high - low, 0)] */
};

struct shape {
    double alpha;
    double beta;
    double mode; /* of the logit's density */
    double sd;   /* of the logit, by the curvature at the mode */
};

struct problem {
    struct shape low;
    struct shape high;
    enum kind kind;
};

static struct shape shape_of(const struct pt_beta_posterior *posterior)
{
    double a = posterior->alpha;
    double b = posterior->beta;

    /* The logit's density is x^a (1 - x)^b up to a constant: mode x = a/(a + b), curvature ab/(a +
     * b). */
    return (struct shape){a, b, log(a / b), sqrt((a + b) / a / b)};
}

static double slope_factor(double u)
{
    double e = exp(-fabs(u));

    return e / ((1 + e) * (1 + e));
}

static double integrand(const void *ctx, double u)
{
    const struct problem *p = ctx;
    double survival = pt_logit_beta_sf(u, p->high.alpha, p->high.beta);

    if (p->kind == DENSITY_TIMES_SURVIVAL) {
        return pt_logit_beta_pdf(u, p->low.alpha, p->low.beta) * survival;
    }
    return pt_logit_beta_cdf(u, p->low.alpha, p->low.beta) * survival * slope_factor(u);
}

/* ln of a tail; where the tail underflows, the density's kernel relative to the mode, which falls
 * alike. */
static double log_tail(double tail, double u, const struct shape *shape)
{
    if (tail > 0) {
        return log(tail);
    }
    return pt_logit_beta_log_pdf_kernel(u, shape->alpha, shape->beta) -
           pt_logit_beta_log_pdf_kernel(shape->mode, shape->alpha, shape->beta);
}

static double log_integrand(const struct problem *p, double u)
{
    double survival = log_tail(pt_logit_beta_sf(u, p->high.alpha, p->high.beta), u, &p->high);

    if (p->kind == DENSITY_TIMES_SURVIVAL) {
        return pt_logit_beta_log_pdf_kernel(u, p->low.alpha, p->low.beta) -
               pt_logit_beta_log_pdf_kernel(p->low.mode, p->low.alpha, p->low.beta) + survival;
    }
    return log_tail(pt_logit_beta_cdf(u, p->low.alpha, p->low.beta), u, &p->low) + survival +
           log(slope_factor(u));
}

/* The place of the one maximum, roughly: quadrature only needs to be near it. */
static double peak(const struct problem *p)
{
    double reach = 10 * fmax(p->low.sd, p->high.sd) + 2;
    double left = fmax(-LOGIT_MAX, fmin(p->low.mode, p->high.mode) - reach);
    double right = fmin(LOGIT_MAX, fmax(p->low.mode, p->high.mode) + reach);
    double fine = 0.05 * fmin(p->low.sd, p->high.sd);

    while (right - left > fine && right - left > 1e-9) {
        double one = left + (right - left) * 0.382;
        double two = left + (right - left) * 0.618;

        if (log_integrand(p, one) < log_integrand(p, two)) {
            left = one;
        } else {
            right = two;
        }
    }
    return (left + right) / 2;
}

/* Where, from the peak in the direction of `step`, the integrand has become negligible. */
static double cut(const struct problem *p, double top, double step)
{
    double floor_log = log_integrand(p, top) - NEGLIGIBLE_LOG;
    double inside = top;
    double outside = top + step;

    while (fabs(outside) < LOGIT_MAX && log_integrand(p, outside) > floor_log) {
        step *= 2;
        inside = outside;
        outside = inside + step;
    }
    if (fabs(outside) > LOGIT_MAX) {
        outside = copysign(LOGIT_MAX, step);
    }
    for (int i = 0; i < 6; i++) {
        double middle = (inside + outside) / 2;

        if (log_integrand(p, middle) > floor_log) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    return outside;
}

/*
 * The integral between the cuts, in pieces that end at the peak and around the narrower arm:
 * an arm of a million beside an empty one makes a step that a first coarse look would miss.
 */
static double solve(const struct problem *p)
{
    double narrow = fmin(p->low.sd, p->high.sd);
    double top = peak(p);
    double low = cut(p, top, -narrow);
    double high = cut(p, top, narrow);
    const struct shape *step = p->low.sd < p->high.sd ? &p->low : &p->high;
    double marks[] = {low,
                      fmin(top, step->mode - 10 * step->sd),
                      fmin(top, step->mode),
                      top,
                      fmax(top, step->mode),
                      fmax(top, step->mode + 10 * step->sd),
                      high};
    size_t count = sizeof(marks) / sizeof(marks[0]);

    for (size_t i = 0; i < count; i++) {
        marks[i] = fmin(fmax(marks[i], low), high);
    }
    return pt_integrate(integrand, p, marks, count, INTEGRAL_ERROR);
}

static struct pt_beta_posterior posterior_of(struct pt_proportion arm, double prior_a,
                                             double prior_b, double level)
{
    struct pt_beta_posterior posterior;
    double tail = (1 - level) / 2;

    posterior.alpha = prior_a + arm.successes;
    posterior.beta = prior_b + (arm.size - arm.successes);
    posterior.mean = posterior.alpha / (posterior.alpha + posterior.beta);
    posterior.interval.low = pt_beta_quantile(tail, posterior.alpha, posterior.beta);
    posterior.interval.high = pt_beta_quantile_upper(tail, posterior.alpha, posterior.beta);
    return posterior;
}

static double variance(const struct pt_beta_posterior *posterior)
{
    double sum = posterior->alpha + posterior->beta;

    return posterior->mean * (posterior->beta / sum) / (sum + 1);
}

static bool is_arm(struct pt_proportion arm)
{
    return arm.size >= 0 && arm.size <= SIZE_MAX_EXACT && arm.successes >= 0 &&
           arm.successes <= arm.size;
}

struct pt_beta_comparison pt_beta_binomial(struct pt_proportion a, struct pt_proportion b,
                                           double prior_a, double prior_b, double level)
{
    struct pt_beta_posterior none = {NAN, NAN, NAN, {NAN, NAN}};
    struct pt_beta_comparison result = {none, none, NAN, NAN, NAN, NAN, NAN, NAN};

    if (!is_arm(a) || !is_arm(b) || !(prior_a >= PRIOR_MIN) || !(prior_b >= PRIOR_MIN) ||
        !(prior_a <= SIZE_MAX_EXACT) || !(prior_b <= SIZE_MAX_EXACT) || !(level > 0 && level < 1)) {
        return result;
    }
    result.a = posterior_of(a, prior_a, prior_b, level);
    result.b = posterior_of(b, prior_a, prior_b, level);
    result.mean_difference = result.b.mean - result.a.mean;
    result.sd_difference = sqrt(variance(&result.a) + variance(&result.b));

    struct problem b_over_a = {shape_of(&result.a), shape_of(&result.b), DENSITY_TIMES_SURVIVAL};
    struct problem a_over_b = {shape_of(&result.b), shape_of(&result.a), DENSITY_TIMES_SURVIVAL};

    result.prob_b_gt_a = fmin(1, solve(&b_over_a));
    result.prob_a_gt_b = fmin(1, solve(&a_over_b));
    b_over_a.kind = GAIN;
    a_over_b.kind = GAIN;
    result.expected_loss_a = solve(&b_over_a);
    result.expected_loss_b = solve(&a_over_b);
    return result;
}
