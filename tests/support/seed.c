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

unsigned pt_test_stride(unsigned usual)
{
    const char *sweep = getenv("PT_SWEEP");
    unsigned long stride = 0;

    if (!sweep || !*sweep) {
        return usual;
    }
    if (strcmp(sweep, "full") == 0) {
        return 1;
    }
    stride = strtoul(sweep, NULL, 10);
    return stride > 0 && stride < 1000000 ? (unsigned)stride : usual;
}
