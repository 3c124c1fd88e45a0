/*
 * stats.h - the mathematics of experiments
 *
 * One header a topic; this one has them all. Pure functions: no I/O, no state, any thread. What is
 * undefined is NaN: a standard error of zero gives no z and no p; an input that makes no
 * sense (more successes than units, no unit, a level outside (0, 1), a NaN) makes every field of
 * the result NaN. Functions that work on a list or on raw data return enum pt_code and say in `err`
 * what is wrong with it. Nothing is clipped to [0, 1] or [-1, 1] unless it says so. Every
 * loop has a bound. The source of every formula is named at its function; tests hold all of them to
 * reference values (docs/statistics.md explains the methods).
 */
#ifndef PT_STATS_STATS_H
#define PT_STATS_STATS_H

#include "stats/always_valid.h"
#include "stats/bayes.h"
#include "stats/group_sequential.h"
#include "stats/means.h"
#include "stats/multiple.h"
#include "stats/power.h"
#include "stats/proportions.h"
#include "stats/samples.h"
#include "stats/types.h"

#endif
