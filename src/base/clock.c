/*
 * clock.c - the system's clocks
 */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_wall_us(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_REALTIME);
}

static int64_t system_mono_us(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_MONOTONIC);
}

struct pt_clock *pt_clock_system(void)
{
    static struct pt_clock system = {
        .ctx = NULL,
        .wall_us = system_wall_us,
        .mono_us = system_mono_us,
    };

    return &system;
}
