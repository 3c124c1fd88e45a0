/*
 * measure.h - what the programs of bench/ measure with: clocks in seconds, and an order for medians
 */
#ifndef PT_BENCH_MEASURE_H
#define PT_BENCH_MEASURE_H

#include <time.h>

static inline double measure_seconds(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* For qsort() of doubles. */
static inline int measure_compare(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;

    return (first > second) - (first < second);
}

#endif
