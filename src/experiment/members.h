/*
 * members.h - members of a JSON object: times, lists of numbers, intervals
 *
 * Private to src/experiment; members of one value are base/json.h's.
 */
#ifndef PT_EXPERIMENT_MEMBERS_H
#define PT_EXPERIMENT_MEMBERS_H

#include "base/json.h"
#include "stats/stats.h"
#include "wire/rfc3339.h"

static inline void pt_member_time(struct pt_jsonw *w, const char *key, int64_t time_us)
{
    char text[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(time_us, text);
    pt_jsonw_member_str(w, key, text);
}

static inline void pt_member_list(struct pt_jsonw *w, const char *key, const double *values,
                                  size_t count)
{
    pt_jsonw_key(w, key);
    pt_jsonw_array(w);
    for (size_t i = 0; i < count; i++) {
        pt_jsonw_double(w, values[i]);
    }
    pt_jsonw_array_end(w);
}

static inline void pt_member_pair(struct pt_jsonw *w, const char *key, double low, double high)
{
    pt_member_list(w, key, (const double[]){low, high}, 2);
}

static inline void pt_member_interval(struct pt_jsonw *w, const char *key,
                                      struct pt_interval interval)
{
    pt_member_pair(w, key, interval.low, interval.high);
}

#endif
