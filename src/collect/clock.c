/*
 * clock.c - when did it happen, by clocks that may be wrong?
 *
 * Apart from decode.c, whose loop over the attributes gets slower by a sixth when this is inlined
 * beside it (bench/collect).
 */
#include "collect/decode.h"

void pt_correct_clock(int64_t occurred_at_us, int64_t sent_at_us, int64_t received_at_us,
                      const struct pt_decode_limits *limits, int64_t *event_time_us_out,
                      int64_t *skew_us_out)
{
    int64_t skew_us = sent_at_us == PT_NO_TIME ? 0 : sent_at_us - received_at_us;

    *skew_us_out = 0;
    *event_time_us_out = occurred_at_us;
    if (skew_us > limits->clock_tolerance_us || skew_us < -limits->clock_tolerance_us) {
        /* Both times come from the same wrong clock, so their difference is right. */
        int64_t age_us = sent_at_us - occurred_at_us;

        *skew_us_out = skew_us;
        if (age_us < -limits->clock_tolerance_us || age_us > limits->event_age_us_max) {
            age_us = 0; /* the clock was set between the two: the receipt is the best guess */
        }
        *event_time_us_out = received_at_us - (age_us < 0 ? 0 : age_us);
    } else if (occurred_at_us > received_at_us + limits->clock_tolerance_us) {
        *skew_us_out = occurred_at_us - received_at_us;
        *event_time_us_out = received_at_us;
    }
}

bool pt_correct_by_mono(int64_t occurred_at_us, struct pt_mono_claim event,
                        struct pt_mono_claim sent, int64_t received_at_us,
                        const struct pt_decode_limits *limits, int64_t *event_time_us_out,
                        int64_t *skew_us_out)
{
    int64_t age_us = 0;
    int64_t off_us = 0;

    if (event.mono_us < 0 || sent.mono_us < 0 || event.boot < 0 || event.boot != sent.boot) {
        return false; /* PT_EVENT_NO_NUMBER is below 0 */
    }
    age_us = sent.mono_us - event.mono_us;
    if (age_us < 0 || age_us > limits->event_age_us_max) {
        return false;
    }
    off_us = occurred_at_us - (received_at_us - age_us);
    if (off_us > limits->clock_tolerance_us || off_us < -limits->clock_tolerance_us) {
        *event_time_us_out = received_at_us - age_us;
        *skew_us_out = off_us;
    } else {
        *event_time_us_out = occurred_at_us;
        *skew_us_out = 0;
    }
    return true;
}
