/*
 * gs_walk.c - a Brownian motion with drift, looked at now and then
 */
#include "stats/gs_walk.h"

#include "base/mem.h"
#include "stats/special.h"

#include <math.h>

#define ROOT_TWO 1.41421356237309504880
#define ONE_OVER_ROOT_TWO_PI 0.39894228040143267794
#define PANEL_SDS 2.0 /* width of a panel: 10 points leave an error of about 1e-12 */
#define NEWTON_STEPS_MAX 100
#define CUT_SDS 8.7 /* a normal tail of 1.7e-18 */

enum pt_code pt_gs_walk_init(struct pt_gs_walk *walk, double t, double b, double drift,
                             double reach, struct pt_error *err)
{
    *walk = (struct pt_gs_walk){.t = t, .drift = drift, .reach = reach, .capacity = 256};
    walk->x = pt_alloc(walk->capacity * sizeof(double));
    walk->g = pt_alloc(walk->capacity * sizeof(double));
    walk->next_x = pt_alloc(walk->capacity * sizeof(double));
    walk->next_g = pt_alloc(walk->capacity * sizeof(double));
    if (!walk->x || !walk->g || !walk->next_x || !walk->next_g) {
        pt_gs_walk_release(walk);
        return pt_fail(err, PT_NO_MEMORY, "group-sequential integration");
    }
    walk->x[0] = b;
    walk->g[0] = 1;
    walk->count = 1;
    return PT_OK;
}

void pt_gs_walk_release(struct pt_gs_walk *walk)
{
    pt_free(walk->x);
    pt_free(walk->g);
    pt_free(walk->next_x);
    pt_free(walk->next_g);
    walk->x = NULL;
    walk->g = NULL;
    walk->next_x = NULL;
    walk->next_g = NULL;
}

/* Room for `count` nodes; what stands in x and g stays. */
static bool grow(struct pt_gs_walk *walk, size_t count)
{
    double **arrays[] = {&walk->x, &walk->g, &walk->next_x, &walk->next_g};

    if (count <= walk->capacity) {
        return true;
    }
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        double *more = pt_realloc(*arrays[i], count * sizeof(double));

        if (!more) {
            return false;
        }
        *arrays[i] = more;
    }
    walk->capacity = count;
    return true;
}

/* Sum of g_i Phi(sign (b - x_i - drift dt)/sd). */
static double tail(const struct pt_gs_walk *walk, double t, double b, double sign)
{
    double dt = t - walk->t;
    double scale = sign / sqrt(2 * dt);
    double at = b - walk->drift * dt;
    double sum = 0;

    for (size_t i = 0; i < walk->count; i++) {
        sum += walk->g[i] * erfc((walk->x[i] - at) * scale);
    }
    return 0.5 * sum;
}

double pt_gs_walk_below(const struct pt_gs_walk *walk, double t, double b)
{
    return tail(walk, t, b, 1);
}

double pt_gs_walk_above(const struct pt_gs_walk *walk, double t, double b)
{
    return tail(walk, t, b, -1);
}

static double density(const struct pt_gs_walk *walk, double dt, double b, size_t first, size_t end)
{
    double scale = 1 / sqrt(2 * dt);
    double at = b - walk->drift * dt;
    double sum = 0;

    for (size_t i = first; i < end; i++) {
        double u = (walk->x[i] - at) * scale;

        sum += walk->g[i] * exp(-u * u);
    }
    return sum * scale * (ONE_OVER_ROOT_TWO_PI * ROOT_TWO);
}

double pt_gs_walk_density(const struct pt_gs_walk *walk, double t, double b)
{
    return density(walk, t - walk->t, b, 0, walk->count);
}

enum pt_code pt_gs_walk_advance(struct pt_gs_walk *walk, double t, double next_t, double low,
                                double high, struct pt_error *err)
{
    double points[PT_GAUSS_POINTS];
    double weights[PT_GAUSS_POINTS];
    double dt = t - walk->t;
    double sd = sqrt(dt);
    double center = walk->drift * t;
    double width = PANEL_SDS * sqrt(fmin(dt, next_t - t));
    /*
     * The density at b comes from sources around b minus its share of the way, b dt/t, with an sd
     * below that of the step: beyond this many sd of the step there is nothing.
     */
    double cut = (CUT_SDS + walk->reach * sqrt(dt / t)) * sd;
    size_t first = 0;
    size_t end = 0;
    size_t count = 0;

    low = fmax(low, center - walk->reach * sqrt(t));
    high = fmin(high, center + walk->reach * sqrt(t));
    if (!(low < high)) {
        walk->count = 0; /* nothing goes on */
        walk->t = t;
        return PT_OK;
    }
    size_t panels = (size_t)ceil((high - low) / width);

    if (!grow(walk, panels * PT_GAUSS_POINTS)) {
        return pt_fail(err, PT_NO_MEMORY, "group-sequential integration");
    }
    pt_gauss_legendre(points, weights);
    width = (high - low) / (double)panels;
    for (size_t p = 0; p < panels; p++) {
        double middle = low + ((double)p + 0.5) * width;

        for (size_t i = 0; i < PT_GAUSS_POINTS; i++) {
            double b = middle + points[i] * width / 2;
            double from = b - walk->drift * dt;

            while (first < walk->count && walk->x[first] < from - cut) {
                first++;
            }
            while (end < walk->count && walk->x[end] <= from + cut) {
                end++;
            }
            walk->next_x[count] = b;
            walk->next_g[count] = density(walk, dt, b, first, end) * weights[i] * width / 2;
            count++;
        }
    }
    double *x = walk->x;
    double *g = walk->g;

    walk->x = walk->next_x;
    walk->g = walk->next_g;
    walk->next_x = x;
    walk->next_g = g;
    walk->count = count;
    walk->t = t;
    return PT_OK;
}

/*
 * A place beyond the one where the mass is, from which the tail can be seen: the quantile of the
 * normal that was never cut, or, where looks are close, that of the last step alone from the
 * outermost node.
 */
static double start_of(const struct pt_gs_walk *walk, double t, double mass, double sign)
{
    double dt = t - walk->t;
    double total = 0;
    double edge = walk->x[sign > 0 ? 0 : walk->count - 1];

    for (size_t i = 0; i < walk->count; i++) {
        total += walk->g[i];
    }
    double uncut = walk->drift * t - sign * pt_norm_quantile_upper(mass) * sqrt(t);
    double step =
        edge + walk->drift * dt - sign * pt_norm_quantile_upper(fmin(mass / total, 1)) * sqrt(dt);

    return sign > 0 ? fmax(uncut, step) : fmin(uncut, step);
}

/*
 * Newton's method on the logarithm of the tail. The tail of a density cut out of a normal one is
 * log- concave (Prekopa 1973), so from beyond the root the steps go one way and do not overshoot.
 * `sign` 1: the mass below b.
 */
static double solve(const struct pt_gs_walk *walk, double t, double mass, double sign)
{
    if (!(mass > 0) || walk->count == 0) {
        return mass == 0 ? -sign * INFINITY : NAN;
    }
    double b = start_of(walk, t, mass, sign);

    for (int i = 0; i < NEWTON_STEPS_MAX; i++) {
        double there = tail(walk, t, b, sign);
        double slope = pt_gs_walk_density(walk, t, b);

        if (!(there > 0) || !(slope > 0)) {
            return NAN;
        }
        double step = log(mass / there) * there / slope;

        b += sign * step;
        if (fabs(step) <= 1e-14 * (fabs(b) + sqrt(t))) {
            return b;
        }
        /* Past the other end of everything: there is not that much mass. */
        if (fabs(b - walk->drift * t) > 60 * sqrt(t)) {
            return NAN;
        }
    }
    return b;
}

double pt_gs_walk_solve_below(const struct pt_gs_walk *walk, double t, double mass)
{
    return solve(walk, t, mass, 1);
}

double pt_gs_walk_solve_above(const struct pt_gs_walk *walk, double t, double mass)
{
    return solve(walk, t, mass, -1);
}
