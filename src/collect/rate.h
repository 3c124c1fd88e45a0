/*
 * rate.h - how much one sender may send
 *
 * A token bucket for each of many senders, in a table of fixed size: a sender is known by a keyed
 * hash, never by its address or key. When a set of the table is full the bucket that was unused
 * longest makes room, so that many senders cost memory no more than few. Any thread.
 */
#ifndef PT_COLLECT_RATE_H
#define PT_COLLECT_RATE_H

#include "base/error.h"
#include "base/span.h"

struct pt_rate;

/* `per_second` tokens flow in, up to `burst`. NULL without memory. */
struct pt_rate *pt_rate_create(uint32_t per_second, uint32_t burst) PT_MUST_USE;
void pt_rate_destroy(struct pt_rate *rate);

/*
 * Take `amount` tokens for `sender` at `now_us` (monotonic). More than `burst` at once is let
 * through when the bucket is full and leaves a debt. False: nothing is taken; try after
 * `*retry_s_out` seconds (at least 1).
 */
bool pt_rate_take(struct pt_rate *rate, struct pt_span sender, uint32_t amount, int64_t now_us,
                  uint32_t *retry_s_out);

#endif
