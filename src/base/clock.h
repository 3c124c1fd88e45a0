/*
 * clock.h - time, behind a table of functions
 *
 * wall_us: UTC microseconds since 1970-01-01; may jump. mono_us: microseconds that
 * never go back; zero means nothing. Any thread may call both.
 */
#ifndef PT_BASE_CLOCK_H
#define PT_BASE_CLOCK_H

#include <stdint.h>

struct pt_clock {
    void *ctx;
    int64_t (*wall_us)(void *ctx);
    int64_t (*mono_us)(void *ctx);
};

struct pt_clock *pt_clock_system(void); /* static storage */

static inline int64_t pt_clock_wall_us(struct pt_clock *clock)
{
    return clock->wall_us(clock->ctx);
}

static inline int64_t pt_clock_mono_us(struct pt_clock *clock)
{
    return clock->mono_us(clock->ctx);
}

#endif
