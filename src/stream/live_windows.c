/*
 * live_windows.c - live windows as JSON
 *
 * Series are sorted once an answer by what they are grouped by; each window then adds its counts
 * up by group.
 */
#include "stream/live_json.h"

#include "base/hll.h"

#include <stdlib.h>

static const struct {
    const char *name;
    unsigned dimension;
} dimensions[] = {
    {"event_name", PT_LIVE_EVENT_NAME},
    {"platform", PT_LIVE_PLATFORM},
    {"build_id", PT_LIVE_BUILD},
    {"variant", PT_LIVE_VARIANT},
};

#define DIMENSIONS (sizeof(dimensions) / sizeof(dimensions[0]))

unsigned pt_live_dimension(struct pt_span name)
{
    for (size_t i = 0; i < DIMENSIONS; i++) {
        if (pt_span_is(name, dimensions[i].name)) {
            return dimensions[i].dimension;
        }
    }
    return 0;
}

struct group {
    uint32_t series; /* one of it, which has its texts */
    uint64_t events; /* in the window that is being written */
};

/* Series by what they are grouped by. */
struct grouping {
    unsigned by;
    uint32_t *group_of; /* PT_SERIES_MAX: index in `groups`, or NO_GROUP */
    struct group *groups;
    uint32_t count;
};

#define NO_GROUP UINT32_MAX

/* For qsort, which passes nothing of ours; one request at a time has the lock. */
static const struct pt_windows *sorted_windows;
static unsigned sorted_by;

static int compare_text(struct pt_text a, struct pt_text b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_series(const struct pt_series *a, const struct pt_series *b, unsigned by)
{
    int order = 0;

    if (by & PT_LIVE_EVENT_NAME) {
        order = compare_text(pt_series_name(a), pt_series_name(b));
    }
    if (!order && (by & PT_LIVE_PLATFORM)) {
        order = (int)a->platform - (int)b->platform;
    }
    if (!order && (by & PT_LIVE_BUILD)) {
        order = compare_text(pt_series_build(a), pt_series_build(b));
    }
    if (!order && (by & PT_LIVE_VARIANT)) {
        order = compare_text(pt_series_experiment(a), pt_series_experiment(b));
        order = order ? order : compare_text(pt_series_variant(a), pt_series_variant(b));
    }
    return order;
}

static int compare_indexes(const void *left, const void *right)
{
    const struct pt_series *series = sorted_windows->series;

    return compare_series(&series[*(const uint32_t *)left], &series[*(const uint32_t *)right],
                          sorted_by);
}

static bool grouping_init(struct grouping *grouping, const struct pt_windows *windows, unsigned by)
{
    uint32_t *order = pt_alloc(PT_SERIES_MAX * sizeof(*order));
    uint32_t count = 0;

    *grouping = (struct grouping){.by = by};
    grouping->group_of = pt_alloc(PT_SERIES_MAX * sizeof(*grouping->group_of));
    grouping->groups = pt_alloc(PT_SERIES_MAX * sizeof(*grouping->groups));
    if (!order || !grouping->group_of || !grouping->groups) {
        pt_free(order);
        return false;
    }
    for (uint32_t i = 0; i < windows->series_end; i++) {
        const struct pt_series *series = &windows->series[i];

        grouping->group_of[i] = NO_GROUP;
        /* By variant alone, what is no exposure stands nowhere. */
        if (series->total && (by != PT_LIVE_VARIANT || series->experiment_bytes)) {
            order[count++] = i;
        }
    }
    sorted_windows = windows;
    sorted_by = by;
    qsort(order, count, sizeof(*order), compare_indexes);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || compare_indexes(&order[i - 1], &order[i]) != 0) {
            grouping->groups[grouping->count++] = (struct group){.series = order[i]};
        }
        grouping->group_of[order[i]] = grouping->count - 1;
    }
    pt_free(order);
    return true;
}

static void grouping_release(struct grouping *grouping)
{
    pt_free(grouping->group_of);
    pt_free(grouping->groups);
}

static int compare_events(const void *left, const void *right)
{
    const struct group *a = *(const struct group *const *)left;
    const struct group *b = *(const struct group *const *)right;

    if (a->events != b->events) {
        return a->events < b->events ? 1 : -1;
    }
    return (a->series > b->series) - (a->series < b->series);
}

static void put_group(struct pt_jsonw *w, const struct pt_windows *windows,
                      const struct group *group, unsigned by)
{
    const struct pt_series *series = &windows->series[group->series];

    pt_jsonw_object(w);
    if (by & PT_LIVE_EVENT_NAME) {
        pt_live_put_text(w, "event_name", pt_series_name(series));
    }
    if (by & PT_LIVE_PLATFORM) {
        pt_live_put_platform(w, series->platform);
    }
    if (by & PT_LIVE_BUILD) {
        pt_live_put_text(w, "build_id", pt_series_build(series));
    }
    if (by & PT_LIVE_VARIANT) {
        pt_live_put_text(w, "experiment", pt_series_experiment(series));
        pt_live_put_text(w, "variant", pt_series_variant(series));
    }
    pt_jsonw_member_uint(w, "events", group->events);
    pt_jsonw_object_end(w);
}

/* The greatest groups of a window; `rest` counts what the others hold. */
static void put_groups(struct pt_jsonw *w, const struct pt_windows *windows,
                       const struct pt_window *window, struct grouping *grouping, uint32_t limit)
{
    const uint32_t *counts = pt_windows_counts(windows, window);
    const struct group *shown[PT_SERIES_MAX];
    uint32_t count = 0;
    uint64_t rest = window->other;

    for (uint32_t i = 0; i < grouping->count; i++) {
        grouping->groups[i].events = 0;
    }
    for (uint32_t i = 0; i < windows->series_end; i++) {
        if (counts[i] && grouping->group_of[i] != NO_GROUP) {
            grouping->groups[grouping->group_of[i]].events += counts[i];
        }
    }
    for (uint32_t i = 0; i < grouping->count; i++) {
        if (grouping->groups[i].events) {
            shown[count++] = &grouping->groups[i];
        }
    }
    qsort(shown, count, sizeof(struct group *), compare_events);
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        if (i < limit) {
            put_group(w, windows, shown[i], grouping->by);
        } else {
            rest += shown[i]->events;
        }
    }
    if (rest) {
        pt_jsonw_object(w);
        pt_jsonw_key(w, "other");
        pt_jsonw_bool(w, true);
        pt_jsonw_member_uint(w, "events", rest);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static bool is_final(const struct pt_account *account, int64_t minute)
{
    return account->watermark_us != PT_NO_EVENT_TIME &&
           (minute + 1) * PT_MINUTE_US <= account->watermark_us;
}

static void put_window(struct pt_jsonw *w, const struct pt_account *account,
                       const struct pt_window *window, struct grouping *groupings,
                       const struct pt_live_question *question)
{
    const struct pt_windows *windows = &account->windows;

    pt_jsonw_object(w);
    pt_live_put_time(w, "minute", window->minute * PT_MINUTE_US);
    pt_jsonw_key(w, "final");
    pt_jsonw_bool(w, is_final(account, window->minute));
    pt_jsonw_member_uint(w, "corrections", window->corrections);
    pt_jsonw_member_uint(w, "events", window->events);
    pt_jsonw_member_uint(w, "late", window->late);
    pt_jsonw_member_uint(
        w, "players",
        (uint64_t)(pt_hll_estimate(pt_windows_players(windows, window), PT_PLAYERS_BITS) + 0.5));
    if (question->by) {
        pt_jsonw_key(w, "groups");
        put_groups(w, windows, window, &groupings[0], question->limit);
    } else {
        for (size_t i = 0; i < DIMENSIONS; i++) {
            char key[32] = "by_";

            memcpy(key + 3, dimensions[i].name, strlen(dimensions[i].name) + 1);
            pt_jsonw_key(w, key);
            put_groups(w, windows, window, &groupings[i], question->limit);
        }
    }
    pt_jsonw_object_end(w);
}

static void put_sources(struct pt_jsonw *w, const struct pt_sources *sources)
{
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < sources->count; i++) {
        const struct pt_source *source = &sources->items[i];

        pt_jsonw_object(w);
        pt_jsonw_key(w, "source");
        pt_jsonw_str(w, source->name);
        pt_live_put_time(w, "max_event_time", source->max_event_time_us);
        pt_jsonw_key(w, "idle");
        pt_jsonw_bool(w, pt_sources_is_idle(sources, source));
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

/* Distinct players of all the windows that are answered. */
static uint64_t players_of(const struct pt_windows *windows, int64_t first, int64_t last)
{
    uint8_t registers[PT_PLAYERS_REGISTERS] = {0};

    for (int64_t minute = first; minute <= last; minute++) {
        const struct pt_window *window = pt_windows_at(windows, minute);

        if (window) {
            pt_hll_unite(registers, pt_windows_players(windows, window), PT_PLAYERS_BITS);
        }
    }
    return (uint64_t)(pt_hll_estimate(registers, PT_PLAYERS_BITS) + 0.5);
}

bool pt_live_put(struct pt_jsonw *w, const struct pt_account *account,
                 const struct pt_live_question *question)
{
    const struct pt_windows *windows = &account->windows;
    bool is_empty = windows->newest == PT_NO_MINUTE;
    int64_t last = is_empty ? -1 : windows->newest;
    int64_t first = is_empty ? 0 : last - (int64_t)question->minutes + 1;
    size_t count = question->by ? 1 : DIMENSIONS;
    struct grouping groupings[DIMENSIONS] = {0};
    bool has_memory = true;

    for (size_t i = 0; i < count && has_memory; i++) {
        has_memory = grouping_init(&groupings[i], windows,
                                   question->by ? question->by : dimensions[i].dimension);
    }
    pt_jsonw_object(w);
    pt_live_put_time(w, "watermark", account->watermark_us);
    pt_jsonw_member_uint(w, "watermark_delay_ms", (uint64_t)(account->sources.delay_us / 1000));
    pt_jsonw_key(w, "sources");
    put_sources(w, &account->sources);
    pt_jsonw_member_uint(w, "minutes_kept", windows->minutes);
    pt_jsonw_member_uint(w, "players", players_of(windows, first, last));
    pt_jsonw_key(w, "players_standard_error");
    pt_jsonw_double(w, PT_PLAYERS_ERROR);
    pt_jsonw_member_uint(w, "too_old", windows->too_old);
    pt_jsonw_member_uint(w, "ahead", windows->ahead);
    pt_jsonw_key(w, "windows");
    pt_jsonw_array(w);
    for (int64_t minute = first; has_memory && minute <= last; minute++) {
        const struct pt_window *window = pt_windows_at(windows, minute);

        if (window) {
            put_window(w, account, window, groupings, question);
        }
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
    for (size_t i = 0; i < count; i++) {
        grouping_release(&groupings[i]);
    }
    return has_memory;
}
