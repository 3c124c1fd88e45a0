/*
 * filter.h - one filter in memory before all runs of ids
 *
 * A blocked table of 16-bit fingerprints, each with the age of its id, so that an id that no run
 * holds costs one look at two neighbouring lines, however many runs there are, and one that is
 * there names its bucket. It skips reads and never decides (but in approximate mode). A Bloom
 * filter before each run would be looked at once a run: 25 cache misses an id at 24 h, and 25 times
 * as many false alarms.
 *
 * LAYOUT: lines of 64 bytes: 20 u16 fingerprints, 20 u8 tags, u8 count, u8 tag of the last sweep.
 * An id has two lines of one 4 KiB page and goes where there is more room. An old entry is swept
 * when its line is full. One thread.
 */
#ifndef PT_STREAM_FILTER_H
#define PT_STREAM_FILTER_H

#include "base/error.h"
#include "stream/id.h"

#define PT_FILTER_SLOTS 20u
#define PT_FILTER_FOUND_MAX (2u * PT_FILTER_SLOTS)
/* Above this share of live entries a line without room becomes likely. */
#define PT_FILTER_LOAD_MAX 0.85

struct pt_filter_line {
    uint16_t prints[PT_FILTER_SLOTS]; /* 0: empty; filled from the front */
    uint8_t tags[PT_FILTER_SLOTS];
    uint8_t count;
    uint8_t oldest; /* of the tags; without entries it says nothing */
    uint8_t spare[2];
};

struct pt_filter {
    struct pt_filter_line *lines; /* owned; page-aligned */
    uint32_t line_count;          /* a multiple of 64 */
    uint8_t now;                  /* the newest tag */
    uint8_t span;                 /* a tag that is older than this is swept */
};

/* Empty, with room for `ids` and a good deal more; `span` as above. Pair with release. */
enum pt_code pt_filter_init(struct pt_filter *filter, uint64_t ids, uint8_t span,
                            struct pt_error *err) PT_MUST_USE;
void pt_filter_release(struct pt_filter *filter);

/* False: there is no room in either line. The filter has to be made anew, larger. */
bool pt_filter_add(struct pt_filter *filter, uint64_t hash, uint8_t tag);

/* The tags of entries like this one, each once, newest first; most often none. */
unsigned pt_filter_find(const struct pt_filter *filter, uint64_t hash,
                        uint8_t tags_out[PT_FILTER_FOUND_MAX]);

static inline uint64_t pt_filter_capacity(const struct pt_filter *filter)
{
    return (uint64_t)filter->line_count * PT_FILTER_SLOTS;
}

/* How likely a new id looks like a seen one while `live` entries are in it. */
static inline double pt_filter_false_rate(const struct pt_filter *filter, uint64_t live)
{
    double load = (double)live / (double)pt_filter_capacity(filter);

    return 2.0 * PT_FILTER_SLOTS * (load < 1 ? load : 1) / 65535.0;
}

/* The line an id asks for first, by the top of its hash: ascending hashes ask for ascending lines.
 */
static inline uint32_t pt_filter_line_of(const struct pt_filter *filter, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * filter->line_count >> 32);
}

static inline uint16_t pt_filter_print_of(uint64_t hash)
{
    uint64_t kept = hash >> PT_ID_HASH_DROPPED;
    uint16_t print = (uint16_t)(kept * UINT64_C(0x9e3779b97f4a7c15) >> 48);

    return print ? print : 1;
}

static inline uint32_t pt_filter_other_line(uint32_t line, uint16_t print)
{
    return line ^ (1 + print % 63u);
}

/* Always inline: gcc 12 takes a function that only prefetches for one without effect, and drops
 * calls. */
__attribute__((always_inline)) static inline void pt_filter_prefetch(const struct pt_filter *filter,
                                                                     uint64_t hash)
{
    uint32_t line = pt_filter_line_of(filter, hash);

    __builtin_prefetch(&filter->lines[line], 1);
    __builtin_prefetch(&filter->lines[pt_filter_other_line(line, pt_filter_print_of(hash))], 1);
}

#endif
