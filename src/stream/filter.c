/*
 * filter.c - one filter in memory before all runs of ids
 */
#include "stream/filter.h"

#include "base/mem.h"

#include <assert.h>

#define LINES_A_PAGE 64u
#define LOAD_AT_FIRST 0.55

static_assert(sizeof(struct pt_filter_line) == 64, "a line of the filter is a line of the cache");

enum pt_code pt_filter_init(struct pt_filter *filter, uint64_t ids, uint8_t span,
                            struct pt_error *err)
{
    uint64_t lines = (uint64_t)((double)ids / LOAD_AT_FIRST / PT_FILTER_SLOTS) + 1;

    *filter = (struct pt_filter){.span = span};
    lines = (lines + LINES_A_PAGE - 1) / LINES_A_PAGE * LINES_A_PAGE;
    if (lines > UINT32_MAX - LINES_A_PAGE) {
        return pt_fail(err, PT_TOO_BIG, "a filter for %llu event ids", (unsigned long long)ids);
    }
    filter->lines = pt_alloc_pages((size_t)lines * sizeof(*filter->lines));
    if (!filter->lines) {
        return pt_fail(err, PT_NO_MEMORY, "a filter for %llu event ids", (unsigned long long)ids);
    }
    filter->line_count = (uint32_t)lines;
    return PT_OK;
}

void pt_filter_release(struct pt_filter *filter)
{
    pt_free_pages(filter->lines, (size_t)filter->line_count * sizeof(*filter->lines));
    *filter = (struct pt_filter){0};
}

static bool is_live(const struct pt_filter *filter, uint8_t tag)
{
    return (uint8_t)(filter->now - tag) <= filter->span;
}

static uint8_t older(const struct pt_filter *filter, uint8_t a, uint8_t b)
{
    return (uint8_t)(filter->now - a) > (uint8_t)(filter->now - b) ? a : b;
}

/*
 * A line loses what is older than the window. Both lines are swept before they are compared:
 * entries that only look like a load would send new ones to lines that are full in truth.
 */
static void sweep(const struct pt_filter *filter, struct pt_filter_line *line)
{
    unsigned kept = 0;
    uint8_t oldest = filter->now;

    for (unsigned i = 0; i < line->count; i++) {
        uint8_t tag = line->tags[i];

        line->prints[kept] = line->prints[i];
        line->tags[kept] = tag;
        if (is_live(filter, tag)) {
            oldest = older(filter, oldest, tag);
            kept++;
        }
    }
    for (unsigned i = kept; i < line->count; i++) {
        line->prints[i] = 0;
    }
    line->count = (uint8_t)kept;
    line->oldest = oldest;
}

bool pt_filter_add(struct pt_filter *filter, uint64_t hash, uint8_t tag)
{
    uint16_t print = pt_filter_print_of(hash);
    uint32_t at = pt_filter_line_of(filter, hash);
    struct pt_filter_line *line = &filter->lines[at];
    struct pt_filter_line *other = &filter->lines[pt_filter_other_line(at, print)];

    if (line->count && !is_live(filter, line->oldest)) {
        sweep(filter, line);
    }
    if (other->count && !is_live(filter, other->oldest)) {
        sweep(filter, other);
    }
    line = other->count < line->count ? other : line;
    if (line->count == PT_FILTER_SLOTS) {
        return false;
    }
    line->oldest = line->count ? older(filter, line->oldest, tag) : tag;
    line->prints[line->count] = print;
    line->tags[line->count++] = tag;
    return true;
}

/* Whether one of the line's prints is `print`: four at a time, by the carry out of a zero lane. */
static bool may_hold(const struct pt_filter_line *line, uint16_t print)
{
    const uint64_t ones = UINT64_C(0x0001000100010001);
    uint64_t zero = 0;

    for (unsigned i = 0; i < PT_FILTER_SLOTS / 4; i++) {
        uint64_t lanes;

        memcpy(&lanes, &line->prints[4 * i], 8);
        lanes ^= ones * print;
        zero |= (lanes - ones) & ~lanes;
    }
    return (zero & ones << 15) != 0;
}

static unsigned collect(const struct pt_filter *filter, const struct pt_filter_line *line,
                        uint16_t print, uint8_t *tags, unsigned found)
{
    for (unsigned i = 0; i < line->count; i++) {
        uint8_t tag = line->tags[i];
        unsigned at = found;

        if (line->prints[i] != print || !is_live(filter, tag)) {
            continue;
        }
        /* Newest first: by age, each tag once. */
        while (at > 0 && (uint8_t)(filter->now - tags[at - 1]) > (uint8_t)(filter->now - tag)) {
            at--;
        }
        if (at > 0 && tags[at - 1] == tag) {
            continue;
        }
        memmove(tags + at + 1, tags + at, found - at);
        tags[at] = tag;
        found++;
    }
    return found;
}

unsigned pt_filter_find(const struct pt_filter *filter, uint64_t hash,
                        uint8_t tags_out[PT_FILTER_FOUND_MAX])
{
    uint16_t print = pt_filter_print_of(hash);
    uint32_t at = pt_filter_line_of(filter, hash);
    const struct pt_filter_line *line = &filter->lines[at];
    const struct pt_filter_line *other = &filter->lines[pt_filter_other_line(at, print)];
    unsigned found = 0;

    if (may_hold(line, print)) {
        found = collect(filter, line, print, tags_out, found);
    }
    if (may_hold(other, print)) {
        found = collect(filter, other, print, tags_out, found);
    }
    return found;
}
