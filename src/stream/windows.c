/*
 * windows.c - the last minutes as they happen: counts and players online
 *
 * The counts stand a window after another, so that a window is cleared by one memset and a row
 * costs one look into the table of series and one addition. Series are told apart by the 64-bit
 * hash of their texts: two of 4,096 agree by chance with odds below 1 in 10^12.
 */
#include "stream/windows.h"

#include "base/crypto.h"
#include "base/hll.h"

#include <assert.h>
#include <string.h>

#define SLOTS (PT_SERIES_MAX * 2)
#define MINUTE_MAX (INT64_C(1) << 40) /* far beyond any year that a time can name */
#define TEXT_BYTES_MAX 128            /* of one text of a series; longer ones are `other` */

static_assert(PT_SERIES_MAX < UINT16_MAX, "a slot holds an index and 0");

enum pt_code pt_windows_init(struct pt_windows *windows, uint32_t minutes, struct pt_error *err)
{
    *windows = (struct pt_windows){.minutes = minutes, .newest = PT_NO_MINUTE};
    windows->windows = pt_alloc_zero(minutes * sizeof(*windows->windows));
    windows->counts = pt_alloc_zero((size_t)minutes * PT_SERIES_MAX * sizeof(*windows->counts));
    windows->players = pt_alloc_zero((size_t)minutes * PT_PLAYERS_REGISTERS);
    windows->series = pt_alloc_zero(PT_SERIES_MAX * sizeof(*windows->series));
    windows->slots = pt_alloc_zero(SLOTS * sizeof(*windows->slots));
    if (!windows->windows || !windows->counts || !windows->players || !windows->series ||
        !windows->slots) {
        return pt_fail(err, PT_NO_MEMORY, "keep %u live windows", minutes);
    }
    for (uint32_t i = 0; i < minutes; i++) {
        windows->windows[i].minute = PT_NO_MINUTE;
    }
    return PT_OK;
}

void pt_windows_release(struct pt_windows *windows)
{
    for (uint32_t i = 0; windows->series && i < windows->series_end; i++) {
        pt_free(windows->series[i].texts);
    }
    pt_free(windows->windows);
    pt_free(windows->counts);
    pt_free(windows->players);
    pt_free(windows->series);
    pt_free(windows->slots);
    *windows = (struct pt_windows){0};
}

/* ---- windows ---- */

static size_t place_of(const struct pt_windows *windows, int64_t minute)
{
    int64_t rest = minute % (int64_t)windows->minutes;

    return (size_t)(rest < 0 ? rest + (int64_t)windows->minutes : rest);
}

static uint32_t *counts_at(const struct pt_windows *windows, size_t place)
{
    return windows->counts + place * PT_SERIES_MAX;
}

const struct pt_window *pt_windows_at(const struct pt_windows *windows, int64_t minute)
{
    const struct pt_window *window = &windows->windows[place_of(windows, minute)];

    return window->minute == minute && minute != PT_NO_MINUTE ? window : NULL;
}

const uint32_t *pt_windows_counts(const struct pt_windows *windows, const struct pt_window *window)
{
    return counts_at(windows, (size_t)(window - windows->windows));
}

const uint8_t *pt_windows_players(const struct pt_windows *windows, const struct pt_window *window)
{
    return windows->players + (size_t)(window - windows->windows) * PT_PLAYERS_REGISTERS;
}

static void clear(struct pt_windows *windows, struct pt_window *window)
{
    size_t place = (size_t)(window - windows->windows);
    uint32_t *counts = counts_at(windows, place);

    if (window->minute == PT_NO_MINUTE) {
        return; /* its memory was never touched */
    }
    for (uint32_t i = 0; i < windows->series_end; i++) {
        windows->series[i].total -= counts[i];
    }
    memset(counts, 0, windows->series_end * sizeof(*counts));
    memset(windows->players + place * PT_PLAYERS_REGISTERS, 0, PT_PLAYERS_REGISTERS);
    *window = (struct pt_window){.minute = PT_NO_MINUTE};
}

/* ---- series ---- */

static uint16_t *slot_of(const struct pt_windows *windows, uint64_t hash)
{
    size_t at = hash & (SLOTS - 1);

    while (windows->slots[at] && windows->series[windows->slots[at] - 1].hash != hash) {
        at = (at + 1) & (SLOTS - 1);
    }
    return &windows->slots[at];
}

/* Series that no window counts go, and the table is made anew. */
static void drop_unused(struct pt_windows *windows)
{
    uint32_t end = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < windows->series_end; i++) {
        struct pt_series *series = &windows->series[i];

        if (series->total == 0) {
            pt_free(series->texts);
            *series = (struct pt_series){0};
        } else {
            end = i + 1;
            count++;
        }
    }
    if (count == windows->series_count) {
        return;
    }
    windows->series_end = end;
    windows->series_count = count;
    memset(windows->slots, 0, SLOTS * sizeof(*windows->slots));
    for (uint32_t i = 0; i < end; i++) {
        if (windows->series[i].total) {
            *slot_of(windows, windows->series[i].hash) = (uint16_t)(i + 1);
        }
    }
}

static bool fits(const struct pt_event *event, const struct pt_exposure *exposure)
{
    return event->event_name.size <= TEXT_BYTES_MAX && event->build_id.size <= TEXT_BYTES_MAX &&
           exposure->experiment.size <= TEXT_BYTES_MAX && exposure->variant.size <= TEXT_BYTES_MAX;
}

static char *append(char *to, struct pt_text text)
{
    if (text.size) {
        memcpy(to, text.data, text.size);
    }
    return to + text.size;
}

/* A free place for a series, or NULL. */
static struct pt_series *free_series(struct pt_windows *windows)
{
    if (windows->series_end < PT_SERIES_MAX) {
        return &windows->series[windows->series_end++];
    }
    for (uint32_t i = 0; windows->series_count < PT_SERIES_MAX && i < PT_SERIES_MAX; i++) {
        if (!windows->series[i].texts) {
            return &windows->series[i];
        }
    }
    return NULL;
}

static struct pt_series *add_series(struct pt_windows *windows, uint64_t hash,
                                    const struct pt_event *event,
                                    const struct pt_exposure *exposure)
{
    struct pt_series *series = NULL;
    char *texts = NULL;

    if (!fits(event, exposure)) {
        return NULL;
    }
    texts = pt_alloc((size_t)event->event_name.size + event->build_id.size +
                     exposure->experiment.size + exposure->variant.size + 1);
    series = texts ? free_series(windows) : NULL;
    if (!series) {
        pt_free(texts);
        return NULL;
    }
    *series = (struct pt_series){
        .hash = hash,
        .texts = texts,
        .platform = event->platform,
        .name_bytes = (uint8_t)event->event_name.size,
        .build_bytes = (uint8_t)event->build_id.size,
        .experiment_bytes = (uint8_t)exposure->experiment.size,
        .variant_bytes = (uint8_t)exposure->variant.size,
    };
    texts = append(texts, event->event_name);
    texts = append(texts, event->build_id);
    texts = append(texts, exposure->experiment);
    append(texts, exposure->variant);
    windows->series_count++;
    return series;
}

static struct pt_text text_at(const struct pt_series *series, size_t at, uint8_t bytes)
{
    return (struct pt_text){.data = series->texts + at, .size = bytes};
}

struct pt_text pt_series_name(const struct pt_series *series)
{
    return text_at(series, 0, series->name_bytes);
}

struct pt_text pt_series_build(const struct pt_series *series)
{
    return text_at(series, series->name_bytes, series->build_bytes);
}

struct pt_text pt_series_experiment(const struct pt_series *series)
{
    return text_at(series, (size_t)series->name_bytes + series->build_bytes,
                   series->experiment_bytes);
}

struct pt_text pt_series_variant(const struct pt_series *series)
{
    return text_at(series,
                   (size_t)series->name_bytes + series->build_bytes + series->experiment_bytes,
                   series->variant_bytes);
}

static uint64_t hash_of(const struct pt_event *event, uint64_t name_hash, uint64_t build_hash,
                        const struct pt_exposure *exposure)
{
    uint64_t hash = pt_bytes_mix(name_hash, build_hash + (uint64_t)event->platform);

    if (exposure->experiment.size || exposure->variant.size) {
        hash =
            pt_bytes_mix(hash, pt_checksum64(exposure->experiment.data, exposure->experiment.size));
        hash = pt_bytes_mix(hash, pt_checksum64(exposure->variant.data, exposure->variant.size));
    }
    return hash;
}

/* ---- rows ---- */

void pt_windows_advance(struct pt_windows *windows, int64_t minute)
{
    if (windows->newest != PT_NO_MINUTE && minute <= windows->newest) {
        return;
    }
    for (uint32_t i = 0; i < windows->minutes; i++) {
        struct pt_window *window = &windows->windows[i];

        if (window->minute != PT_NO_MINUTE &&
            window->minute <= minute - (int64_t)windows->minutes) {
            clear(windows, window);
        }
    }
    windows->newest = minute;
    windows->last = NULL;
    drop_unused(windows);
}

void pt_windows_rewind(struct pt_windows *windows, int64_t minute)
{
    for (uint32_t i = 0; i < windows->minutes; i++) {
        struct pt_window *window = &windows->windows[i];

        if (window->minute > minute || (window->minute != PT_NO_MINUTE &&
                                        window->minute <= minute - (int64_t)windows->minutes)) {
            clear(windows, window);
        }
    }
    windows->newest = minute;
    windows->last = NULL;
    drop_unused(windows);
}

/* The window of a minute that is kept; NULL where it is not. */
static struct pt_window *window_for(struct pt_windows *windows, int64_t minute)
{
    struct pt_window *window = NULL;

    if (minute > windows->newest) {
        windows->ahead++;
        return NULL;
    }
    if (minute <= windows->newest - (int64_t)windows->minutes) {
        windows->too_old++;
        return NULL;
    }
    window = &windows->windows[place_of(windows, minute)];
    window->minute = minute;
    windows->last = window;
    return window;
}

void pt_windows_add(struct pt_windows *windows, int64_t minute, const struct pt_event *event,
                    uint64_t name_hash, uint64_t build_hash, const struct pt_exposure *exposure,
                    bool is_late, bool is_final)
{
    struct pt_window *window = windows->last;
    uint64_t player = 0;
    uint64_t hash = 0;
    uint16_t *slot = NULL;
    struct pt_series *series = NULL;
    size_t place = 0;

    if (!window || window->minute != minute) {
        window = window_for(windows, minute);
        if (!window) {
            return;
        }
    }
    place = (size_t)(window - windows->windows);
    window->events++;
    window->late += is_late;
    window->corrections += is_final;
    memcpy(&player, event->user, sizeof(player));
    pt_hll_add(windows->players + place * PT_PLAYERS_REGISTERS, PT_PLAYERS_BITS,
               pt_bytes_mix(player, 0));
    hash = hash_of(event, name_hash, build_hash, exposure);
    slot = slot_of(windows, hash);
    if (*slot) {
        series = &windows->series[*slot - 1];
    } else {
        series = add_series(windows, hash, event, exposure);
        if (!series) {
            window->other++;
            return;
        }
        *slot = (uint16_t)(series - windows->series + 1);
    }
    series->total++;
    counts_at(windows, place)[series - windows->series]++;
}

/* ---- state ---- */

static void put_text(struct pt_buf *out, struct pt_text text)
{
    pt_bytes_put_text(out, pt_span_of(text.data, text.size));
}

void pt_windows_encode(const struct pt_windows *windows, struct pt_buf *out)
{
    uint32_t live = 0;

    pt_bytes_put(out, windows->too_old);
    pt_bytes_put(out, windows->ahead);
    pt_bytes_put(out, windows->series_count);
    for (uint32_t i = 0; i < windows->series_end; i++) {
        const struct pt_series *series = &windows->series[i];

        if (series->total) {
            pt_bytes_put(out, (uint64_t)series->platform);
            put_text(out, pt_series_name(series));
            put_text(out, pt_series_build(series));
            put_text(out, pt_series_experiment(series));
            put_text(out, pt_series_variant(series));
        }
    }
    for (uint32_t i = 0; i < windows->minutes; i++) {
        live += windows->windows[i].minute != PT_NO_MINUTE;
    }
    pt_bytes_put(out, live);
    pt_bytes_put_signed(out, windows->newest);
    for (uint32_t i = 0; i < windows->minutes; i++) {
        const struct pt_window *window = &windows->windows[i];
        const uint32_t *counts = counts_at(windows, i);

        if (window->minute == PT_NO_MINUTE) {
            continue;
        }
        pt_bytes_put_signed(out, window->minute);
        pt_bytes_put(out, window->events);
        pt_bytes_put(out, window->other);
        pt_bytes_put(out, window->late);
        pt_bytes_put(out, window->corrections);
        for (uint32_t s = 0; s < windows->series_end; s++) {
            if (windows->series[s].total) {
                pt_bytes_put(out, counts[s]);
            }
        }
        pt_buf_append(out, windows->players + (size_t)i * PT_PLAYERS_REGISTERS,
                      PT_PLAYERS_REGISTERS);
    }
}

static struct pt_text get_text(struct pt_bytes *in)
{
    struct pt_span span = pt_bytes_get_text(in);

    return (struct pt_text){.data = (const char *)span.data, .size = (uint32_t)span.size};
}

static enum pt_code decode_series(struct pt_windows *windows, struct pt_bytes *in,
                                  struct pt_error *err)
{
    uint64_t count = pt_bytes_get(in);

    if (count > PT_SERIES_MAX) {
        in->is_bad = true;
    }
    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        struct pt_event event = {0};
        struct pt_exposure exposure = {0};
        uint64_t platform = pt_bytes_get(in);
        uint64_t hash = 0;
        uint16_t *slot = NULL;
        struct pt_series *series = NULL;

        event.platform = (enum pt_platform)(platform <= PT_PLATFORM_WEB ? platform : 0);
        event.event_name = get_text(in);
        event.build_id = get_text(in);
        exposure.experiment = get_text(in);
        exposure.variant = get_text(in);
        if (in->is_bad || !fits(&event, &exposure)) {
            in->is_bad = true;
            break;
        }
        hash = hash_of(&event, pt_checksum64(event.event_name.data, event.event_name.size),
                       pt_checksum64(event.build_id.data, event.build_id.size), &exposure);
        slot = slot_of(windows, hash);
        if (*slot) {
            in->is_bad = true;
            break;
        }
        series = add_series(windows, hash, &event, &exposure);
        if (!series) {
            return pt_fail(err, PT_NO_MEMORY, "read the live windows");
        }
        *slot = (uint16_t)(series - windows->series + 1);
    }
    return PT_OK;
}

static void decode_window(struct pt_windows *windows, struct pt_bytes *in)
{
    int64_t minute = pt_bytes_get_signed(in);
    bool is_kept = !in->is_bad && minute <= windows->newest &&
                   minute > windows->newest - (int64_t)windows->minutes;
    size_t place = is_kept ? place_of(windows, minute) : 0;
    struct pt_window window = {.minute = minute};
    struct pt_span players = {0};

    window.events = pt_bytes_get(in);
    window.other = pt_bytes_get(in);
    window.late = pt_bytes_get(in);
    window.corrections = pt_bytes_get(in);
    for (uint32_t s = 0; s < windows->series_end; s++) {
        uint32_t count = (uint32_t)pt_bytes_get(in);

        if (is_kept) {
            counts_at(windows, place)[s] = count;
            windows->series[s].total += count;
        }
    }
    players = pt_bytes_take(in, PT_PLAYERS_REGISTERS);
    if (is_kept && !in->is_bad) {
        memcpy(windows->players + place * PT_PLAYERS_REGISTERS, players.data, players.size);
        windows->windows[place] = window;
    }
}

enum pt_code pt_windows_decode(struct pt_windows *windows, struct pt_bytes *in,
                               struct pt_error *err)
{
    uint64_t live = 0;
    enum pt_code code = PT_OK;

    windows->too_old = pt_bytes_get(in);
    windows->ahead = pt_bytes_get(in);
    code = decode_series(windows, in, err);
    if (code) {
        return code;
    }
    live = pt_bytes_get(in);
    windows->newest = pt_bytes_get_signed(in);
    if (live && (windows->newest < -MINUTE_MAX || windows->newest > MINUTE_MAX)) {
        in->is_bad = true;
    }
    for (uint64_t i = 0; i < live && !in->is_bad; i++) {
        decode_window(windows, in);
    }
    if (in->is_bad) {
        return pt_fail(err, PT_CORRUPT, "the live windows are cut short or hold nonsense");
    }
    drop_unused(windows); /* fewer minutes are kept than when they were written */
    return PT_OK;
}
