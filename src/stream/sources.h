/*
 * sources.h - event time, a source of records at a time
 *
 * A source is a log that is read in order: the embedded log is one, each partition of a distributed
 * one would be one. Each knows the greatest event time it has given; the watermark stands
 * `delay` behind the least of those, sources aside that have been silent for longer than the idle
 * time while another one spoke. One thread.
 *
 * No clock but the collector's moves time far: an event from the future counts with its receipt.
 * And where the collector's own clock, by which records are appended, had run ahead by more than
 * an hour and came back, the source's time comes back with it: everything would be late for as long
 * as it was wrong. Dead letters sent again carry their first receipt, which may be long ago.
 */
#ifndef PT_STREAM_SOURCES_H
#define PT_STREAM_SOURCES_H

#include "base/json.h"

#include <stdint.h>

#define PT_SOURCES_MAX 64
#define PT_SOURCE_NAME_BYTES_MAX 63
#define PT_NO_EVENT_TIME INT64_MIN
#define PT_MINUTE_US INT64_C(60000000)

struct pt_source {
    char name[PT_SOURCE_NAME_BYTES_MAX + 1];
    int64_t max_event_time_us; /* PT_NO_EVENT_TIME: nothing yet */
    int64_t received_us;       /* when its newest batch was appended */
};

struct pt_sources {
    struct pt_source items[PT_SOURCES_MAX];
    uint32_t count;
    int64_t delay_us;
    uint64_t resets; /* times a source's time came back */
};

void pt_sources_init(struct pt_sources *sources, int64_t delay_us);

/* The source of that name, added where it is new; NULL: there are PT_SOURCES_MAX others. */
struct pt_source *pt_sources_get(struct pt_sources *sources, const char *name);

/*
 * A batch of the source was appended at that time. True: time came back, so that what was kept of
 * later minutes is of no use.
 */
bool pt_sources_batch(struct pt_sources *sources, struct pt_source *source, int64_t appended_us);

/* An event of that batch: time goes on to it, but never past its receipt. */
static inline void pt_source_note(struct pt_source *source, int64_t event_time_us,
                                  int64_t received_us)
{
    int64_t time_us = event_time_us < received_us ? event_time_us : received_us;

    if (time_us > source->max_event_time_us) {
        source->max_event_time_us = time_us;
    }
}

/* PT_NO_EVENT_TIME: no event yet. */
int64_t pt_sources_watermark(const struct pt_sources *sources);
/* The greatest event time of all. */
int64_t pt_sources_newest(const struct pt_sources *sources);
bool pt_sources_is_idle(const struct pt_sources *sources, const struct pt_source *source);

/* As a JSON array, for the checkpoint; and back (false: not one). */
void pt_sources_describe(const struct pt_sources *sources, struct pt_jsonw *w);
bool pt_sources_load(struct pt_sources *sources, struct pt_json array);

/* The minute that a time lies in, as minutes since 1970, rounded down. */
static inline int64_t pt_minute_of(int64_t time_us)
{
    return time_us / PT_MINUTE_US - (time_us % PT_MINUTE_US < 0);
}

#endif
