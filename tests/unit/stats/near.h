/*
 * near.h - a number is what it should be, within a relative error
 */
#ifndef PT_TEST_STATS_NEAR_H
#define PT_TEST_STATS_NEAR_H

#include "check.h"

#include <math.h>

static inline void near_at(const char *file, int line, double got, double want, double allowed)
{
    if (!(fabs(got - want) <= allowed)) {
        print_error("got %.17g, want %.17g, off by %.3g, allowed %.3g\n", got, want,
                    fabs(got - want), allowed);
        _fail(file, line);
    }
}

#define near(got, want, relative)                                                                  \
    near_at(__FILE__, __LINE__, (got), (want), (relative)*fabs((double)(want)))
#define near_abs(got, want, absolute) near_at(__FILE__, __LINE__, (got), (want), (absolute))

#endif
