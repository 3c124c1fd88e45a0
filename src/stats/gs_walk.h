/*
 * gs_walk.h - a Brownian motion with drift, looked at now and then
 *
 * Private to src/stats. A walk holds the density of B on the continuation region of the last look,
 * as masses g_i at nodes x_i. From there the probability to be above or below any b
 * at the next look is a sum over the nodes; then the region of that look is set and the density
 * carried over. Nodes are Gauss-Legendre points on panels of at most two standard deviations of the
 * shorter of the two increments around a look: the integrand is smooth on that scale, and
 * the error of a step is about 1e-12 of its value.
 */
#ifndef PT_STATS_GS_WALK_H
#define PT_STATS_GS_WALK_H

#include "base/error.h"
#include "stats/types.h"

struct pt_gs_walk {
    double *x; /* nodes, rising; owned */
    double *g; /* mass at each */
    size_t count;
    size_t capacity;
    double *next_x; /* where the next look's are built; owned */
    double *next_g;
    double t;
    double drift;
    double reach; /* nodes are left out further than this many sd from the drift */
};

/* Starts at B = b at time t. `reach` >= 9 decides how extreme a later probability stays exact. */
enum pt_code pt_gs_walk_init(struct pt_gs_walk *walk, double t, double b, double drift,
                             double reach, struct pt_error *err) PT_MUST_USE;
void pt_gs_walk_release(struct pt_gs_walk *walk);

/* P(not stopped before, B(t) >= b), and with <= b. `t` is after the walk's time. */
double pt_gs_walk_above(const struct pt_gs_walk *walk, double t, double b);
double pt_gs_walk_below(const struct pt_gs_walk *walk, double t, double b);
/* The density of B(t) at b, not stopped before. */
double pt_gs_walk_density(const struct pt_gs_walk *walk, double t, double b);

/*
 * Go to time t and keep only low < B(t) < high (either may be infinite). `next_t` is the look after
 * it, which decides how fine the nodes are.
 */
enum pt_code pt_gs_walk_advance(struct pt_gs_walk *walk, double t, double next_t, double low,
                                double high, struct pt_error *err) PT_MUST_USE;

/*
 * The b with pt_gs_walk_above(t, b) = mass, or with _below, for a walk that began at B = 0, t = 0:
 * infinite where mass is 0, NaN where there is not that much mass.
 */
double pt_gs_walk_solve_above(const struct pt_gs_walk *walk, double t, double mass);
double pt_gs_walk_solve_below(const struct pt_gs_walk *walk, double t, double mass);

#endif
