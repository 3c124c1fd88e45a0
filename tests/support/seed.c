/*
 * seed.c - random choices that can be made again, and how long a test may look
 */
#include "seed.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t pt_test_seed(void)
{
    static uint64_t seed;

    if (seed == 0) {
        const char *given = getenv("PT_SEED");

        seed = given && *given ? strtoull(given, NULL, 10)
                               : (uint64_t)pt_clock_wall_us(pt_clock_system()) % 1000000000;
        seed += seed == 0;
        printf("seed %" PRIu64 " (PT_SEED=%" PRIu64 " replays it)\n", seed, seed);
        (void)fflush(stdout);
    }
    return seed;
}

bool pt_test_is_full(void)
{
    const char *sweep = getenv("PT_SWEEP");

    return sweep && strcmp(sweep, "full") == 0;
}
