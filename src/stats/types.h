/*
 * types.h - what the statistics share: arms, intervals, alternatives
 *
 * Part of stats.h. A is control, B is treatment; an effect is B - A, so a positive statistic
 * favours B. Counts are doubles that hold whole numbers (exact to 2^53).
 */
#ifndef PT_STATS_TYPES_H
#define PT_STATS_TYPES_H

#include <stdbool.h>
#include <stddef.h>

enum pt_alternative {
    PT_TWO_SIDED,
    PT_LARGER,  /* B > A */
    PT_SMALLER, /* B < A */
};

/* One arm with a yes-or-no outcome: 0 <= successes <= size. */
struct pt_proportion {
    double successes;
    double size;
};

/* One arm with a measured outcome: `variance` has the divisor size - 1. */
struct pt_sample {
    double size;
    double mean;
    double variance;
};

struct pt_interval {
    double low;
    double high;
};

#endif
