/*
 * windows.h - the last minutes as they happen: counts and players online
 *
 * A window is a minute of event time. It counts rows by series (event name, platform, build and,
 * for exposures, experiment and variant) and estimates how many players they came from
 * (HyperLogLog, PT_PLAYERS_ERROR standard error). The last `minutes` windows up to the newest
 * minute are kept; a row of an older minute is counted in `too_old` and nowhere else. A window is
 * final when the watermark has passed its end; rows that come later still correct it, and it counts
 * them.
 *
 * Bounded whatever comes: at most PT_SERIES_MAX series at a time (what is over counts in the
 * window's `other`), `minutes` windows. A series goes when no kept window counts it. One thread.
 */
#ifndef PT_STREAM_WINDOWS_H
#define PT_STREAM_WINDOWS_H

#include "base/json.h"
#include "stream/bytes.h"
#include "wire/event.h"

#define PT_PLAYERS_BITS 12
#define PT_PLAYERS_REGISTERS (1u << PT_PLAYERS_BITS)
#define PT_PLAYERS_ERROR 0.0163 /* 1.04 / sqrt(registers) */
#define PT_SERIES_MAX 4096
#define PT_NO_MINUTE INT64_MIN

struct pt_series {
    uint64_t hash;
    uint64_t total; /* in all kept windows; 0: free */
    char *texts;    /* owned: event name, build, experiment, variant, one after another */
    enum pt_platform platform;
    uint8_t name_bytes;
    uint8_t build_bytes;
    uint8_t experiment_bytes;
    uint8_t variant_bytes;
};

struct pt_window {
    int64_t minute;       /* since 1970; PT_NO_MINUTE: none */
    uint64_t events;      /* rows */
    uint64_t other;       /* of these, in no series */
    uint64_t late;        /* of these, behind the watermark */
    uint64_t corrections; /* of these, since the window was final */
};

struct pt_windows {
    uint32_t minutes;          /* kept */
    int64_t newest;            /* minute; PT_NO_MINUTE: nothing yet */
    uint64_t too_old;          /* rows left out: their window was gone */
    uint64_t ahead;            /* rows left out: their minute is yet to come */
    struct pt_window *windows; /* minute m at m mod minutes */
    uint32_t *counts;          /* PT_SERIES_MAX a window */
    uint8_t *players;          /* PT_PLAYERS_REGISTERS a window */
    struct pt_series *series;  /* PT_SERIES_MAX */
    uint32_t series_end;       /* one past the last that is in use */
    uint32_t series_count;     /* in use */
    uint16_t *slots;           /* open addressing: index in `series` + 1 */
    struct pt_window *last;    /* the window of the last row */
};

/* PT_NO_MEMORY. Pair with pt_windows_release(), also after a failure. */
enum pt_code pt_windows_init(struct pt_windows *windows, uint32_t minutes,
                             struct pt_error *err) PT_MUST_USE;
void pt_windows_release(struct pt_windows *windows);

/* What an exposure names; sizes 0 for any other event. */
struct pt_exposure {
    struct pt_text experiment;
    struct pt_text variant;
};

/*
 * Count a row in the window of `minute`. `name_hash` and `build_hash`: pt_checksum64() of the two
 * texts. `is_final`: the watermark has passed the minute's end. Without memory for one more
 * series the row counts in `other`.
 */
void pt_windows_add(struct pt_windows *windows, int64_t minute, const struct pt_event *event,
                    uint64_t name_hash, uint64_t build_hash, const struct pt_exposure *exposure,
                    bool is_late, bool is_final);

/* Make `minute` the newest; those behind it by `minutes` go. Nothing where it is older already. */
void pt_windows_advance(struct pt_windows *windows, int64_t minute);
/* Forget the windows after `minute`: the clock that made them was wrong. */
void pt_windows_rewind(struct pt_windows *windows, int64_t minute);

/* The kept window of that minute, or NULL. */
const struct pt_window *pt_windows_at(const struct pt_windows *windows, int64_t minute);
const uint32_t *pt_windows_counts(const struct pt_windows *windows, const struct pt_window *window);
const uint8_t *pt_windows_players(const struct pt_windows *windows, const struct pt_window *window);
struct pt_text pt_series_name(const struct pt_series *series);
struct pt_text pt_series_build(const struct pt_series *series);
struct pt_text pt_series_experiment(const struct pt_series *series);
struct pt_text pt_series_variant(const struct pt_series *series);

/* State of the checkpoint (docs/formats/checkpoint.md), and back; PT_CORRUPT, PT_NO_MEMORY. */
void pt_windows_encode(const struct pt_windows *windows, struct pt_buf *out);
enum pt_code pt_windows_decode(struct pt_windows *windows, struct pt_bytes *in,
                               struct pt_error *err) PT_MUST_USE;

#endif
