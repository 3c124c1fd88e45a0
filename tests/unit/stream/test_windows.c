/*
 * test_windows.c - live windows count every row once, stay small, and survive a checkpoint
 *
 * Method: random rows of few and of very many names, players and minutes, late and early ones; a
 * plain model counts the same; state is written, read and compared; then cut and turned byte by
 * byte.
 */
#include "check.h"
#include "stream/sources.h"
#include "stream/windows.h"

#include "base/crypto.h"
#include "base/hll.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUTES 10
#define NOW INT64_C(29000000) /* a minute of 2025 */

static const struct pt_exposure no_exposure;

static struct pt_text text_of(const char *text)
{
    return (struct pt_text){.data = text, .size = (uint32_t)strlen(text)};
}

static void add(struct pt_windows *windows, int64_t minute, const char *name, const char *build,
                enum pt_platform platform, uint64_t player, const struct pt_exposure *exposure)
{
    struct pt_event event = {
        .event_name = text_of(name), .build_id = text_of(build), .platform = platform};

    memcpy(event.user, &player, sizeof(player));
    pt_windows_add(windows, minute, &event, pt_checksum64(name, strlen(name)),
                   pt_checksum64(build, strlen(build)), exposure, false, false);
}

static void init(struct pt_windows *windows)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_windows_init(windows, MINUTES, &err), err);
}

/* Rows of a minute whose series has that name and platform. */
static uint64_t count_of(const struct pt_windows *windows, int64_t minute, const char *name,
                         enum pt_platform platform)
{
    const struct pt_window *window = pt_windows_at(windows, minute);
    uint64_t sum = 0;

    for (uint32_t i = 0; window && i < windows->series_end; i++) {
        const struct pt_series *series = &windows->series[i];
        struct pt_text text = series->total ? pt_series_name(series) : text_of("");

        if (text.size == strlen(name) && memcmp(text.data, name, text.size) == 0 &&
            series->platform == platform) {
            sum += pt_windows_counts(windows, window)[i];
        }
    }
    return sum;
}

static void rows_are_counted_as_a_model_counts_them(void **state)
{
    enum { NAMES = 7, PLATFORMS = 6, SPAN = 40 };
    static uint64_t model[SPAN][NAMES][PLATFORMS];
    static const char *const names[NAMES] = {"a", "b", "c", "level_end", "x.y", "q", "z"};
    struct pt_windows windows;
    struct pt_rng rng;
    uint64_t left_out = 0;
    int64_t newest = 0;

    (void)state;
    pt_rng_seed(&rng, 7);
    init(&windows);
    for (int i = 0; i < 20000; i++) {
        int64_t at = (int64_t)((uint64_t)i * SPAN / 20000) - (int64_t)(pt_rng_next(&rng) % 14);
        size_t name = pt_rng_next(&rng) % NAMES;
        size_t platform = pt_rng_next(&rng) % PLATFORMS;

        at = at < 0 ? 0 : at;
        newest = at > newest ? at : newest;
        pt_windows_advance(&windows, NOW + at);
        add(&windows, NOW + at, names[name], "1", (enum pt_platform)platform, (uint64_t)i,
            &no_exposure);
        if (at > newest - MINUTES) {
            model[at][name][platform]++;
        } else {
            left_out++;
        }
    }
    PT_CHECK(left_out > 0);
    assert_int_equal(windows.too_old, left_out);
    for (int64_t at = newest - MINUTES + 1; at <= newest; at++) {
        uint64_t sum = 0;

        for (size_t name = 0; name < NAMES; name++) {
            for (size_t platform = 0; platform < PLATFORMS; platform++) {
                assert_int_equal(
                    count_of(&windows, NOW + at, names[name], (enum pt_platform)platform),
                    model[at][name][platform]);
                sum += model[at][name][platform];
            }
        }
        assert_int_equal(pt_windows_at(&windows, NOW + at)->events, sum);
    }
    PT_CHECK(!pt_windows_at(&windows, NOW + newest - MINUTES));
    pt_windows_release(&windows);
}

static void names_without_end_do_not_grow_it(void **state)
{
    struct pt_windows windows;
    char name[32];

    (void)state;
    init(&windows);
    pt_windows_advance(&windows, NOW);
    for (uint64_t i = 0; i < 3 * PT_SERIES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%d", (int)i);
        add(&windows, NOW, name, "1", PT_PLATFORM_IOS, i, &no_exposure);
    }
    assert_int_equal(windows.series_count, PT_SERIES_MAX);
    assert_int_equal(pt_windows_at(&windows, NOW)->other, 2 * PT_SERIES_MAX);
    assert_int_equal(pt_windows_at(&windows, NOW)->events, 3 * PT_SERIES_MAX);
    /* A minute later half of them are heard of again; later still the others have gone. */
    pt_windows_advance(&windows, NOW + 1);
    for (uint64_t i = 0; i < PT_SERIES_MAX; i += 2) {
        (void)snprintf(name, sizeof(name), "n%d", (int)i);
        add(&windows, NOW + 1, name, "1", PT_PLATFORM_IOS, i, &no_exposure);
    }
    pt_windows_advance(&windows, NOW + MINUTES);
    assert_int_equal(windows.series_count, PT_SERIES_MAX / 2);
    add(&windows, NOW + MINUTES, "new", "1", PT_PLATFORM_IOS, 1, &no_exposure);
    assert_int_equal(count_of(&windows, NOW + MINUTES, "new", PT_PLATFORM_IOS), 1);
    assert_int_equal(count_of(&windows, NOW + 1, "n2", PT_PLATFORM_IOS), 1);
    pt_windows_advance(&windows, NOW + 1000 * MINUTES);
    assert_int_equal(windows.series_count, 0);
    pt_windows_release(&windows);
}

static void old_and_future_minutes_make_no_window(void **state)
{
    struct pt_windows windows;

    (void)state;
    init(&windows);
    pt_windows_advance(&windows, NOW);
    add(&windows, 0, "a", "", PT_PLATFORM_NONE, 1, &no_exposure); /* 1970 */
    add(&windows, -1, "a", "", PT_PLATFORM_NONE, 1, &no_exposure);
    add(&windows, NOW - 40 * 1440, "a", "", PT_PLATFORM_NONE, 1, &no_exposure);
    assert_int_equal(windows.too_old, 3);
    add(&windows, NOW + 75 * 525960, "a", "", PT_PLATFORM_NONE, 1, &no_exposure); /* 2100 */
    assert_int_equal(windows.ahead, 1);
    for (int64_t at = NOW - 2 * MINUTES; at < NOW + 2 * MINUTES; at++) {
        PT_CHECK(!pt_windows_at(&windows, at));
    }
    /* A clock that was wrong for a while and came back takes its windows along. */
    pt_windows_advance(&windows, NOW + 525960);
    add(&windows, NOW + 525960, "a", "", PT_PLATFORM_NONE, 1, &no_exposure);
    pt_windows_rewind(&windows, NOW + 1);
    PT_CHECK(!pt_windows_at(&windows, NOW + 525960));
    add(&windows, NOW + 1, "a", "", PT_PLATFORM_NONE, 1, &no_exposure);
    assert_int_equal(pt_windows_at(&windows, NOW + 1)->events, 1);
    pt_windows_release(&windows);
}

static void players_are_estimated_within_the_stated_error(void **state)
{
    static const uint64_t sizes[] = {0, 1, 10, 1000, 9000, 20000, 100000, 1000000};
    uint8_t registers[PT_PLAYERS_REGISTERS];
    double squares = 0;
    unsigned runs = 0;

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
            double error = 0;

            memset(registers, 0, sizeof(registers));
            for (uint64_t i = 0; i < sizes[s]; i++) {
                pt_hll_add(registers, PT_PLAYERS_BITS, pt_bytes_mix(i * 17 + 1, seed));
            }
            error = pt_hll_estimate(registers, PT_PLAYERS_BITS) - (double)sizes[s];
            if (sizes[s] < 2) {
                PT_CHECK(fabs(error) < 0.01);
                continue;
            }
            error /= (double)sizes[s];
            PT_CHECK(fabs(error) < 5 * PT_PLAYERS_ERROR);
            squares += error * error;
            runs++;
        }
    }
    PT_CHECK(sqrt(squares / runs) < 1.3 * PT_PLAYERS_ERROR);
}

static void united_sketches_count_each_player_once(void **state)
{
    uint8_t one[PT_PLAYERS_REGISTERS] = {0};
    uint8_t two[PT_PLAYERS_REGISTERS] = {0};
    uint8_t both[PT_PLAYERS_REGISTERS] = {0};

    (void)state;
    for (uint64_t i = 0; i < 30000; i++) {
        uint64_t hash = pt_bytes_mix(i, 3);

        pt_hll_add(i < 20000 ? one : two, PT_PLAYERS_BITS, hash);
        if (i > 10000 && i < 20000) {
            pt_hll_add(two, PT_PLAYERS_BITS, hash);
        }
        pt_hll_add(both, PT_PLAYERS_BITS, hash);
    }
    pt_hll_unite(one, two, PT_PLAYERS_BITS);
    assert_memory_equal(one, both, sizeof(both));
}

static void fill(struct pt_windows *windows)
{
    const struct pt_exposure exposure = {text_of("shop"), text_of("b")};

    for (int64_t at = 0; at < MINUTES; at++) {
        pt_windows_advance(windows, NOW + at);
        for (uint64_t i = 0; i < 50; i++) {
            add(windows, NOW + at, i % 3 ? "level_end" : "purchase", i % 2 ? "1.0" : "",
                (enum pt_platform)(i % 6), i * 7, i % 5 ? &no_exposure : &exposure);
        }
    }
    add(windows, 5, "a", "", PT_PLATFORM_NONE, 1, &no_exposure);
}

static void state_comes_back_as_it_was(void **state)
{
    struct pt_windows windows;
    struct pt_windows again;
    struct pt_buf first;
    struct pt_buf second;
    struct pt_bytes in;
    struct pt_error err = {0};

    (void)state;
    pt_buf_init(&first, 1 << 24);
    pt_buf_init(&second, 1 << 24);
    init(&windows);
    init(&again);
    fill(&windows);
    pt_windows_encode(&windows, &first);
    in = pt_bytes_of(pt_buf_span(&first));
    PT_CHECK_OK(pt_windows_decode(&again, &in, &err), err);
    PT_CHECK(in.at == in.end);
    pt_windows_encode(&again, &second);
    PT_CHECK(pt_span_equal(pt_buf_span(&first), pt_buf_span(&second)));
    assert_int_equal(count_of(&again, NOW + 3, "purchase", PT_PLATFORM_IOS),
                     count_of(&windows, NOW + 3, "purchase", PT_PLATFORM_IOS));
    /* It goes on counting in the same series. */
    add(&again, NOW + 3, "purchase", "", PT_PLATFORM_NONE, 1, &no_exposure);
    assert_int_equal(again.series_count, windows.series_count);
    pt_windows_release(&again);

    /* Fewer minutes are kept from now on. */
    PT_CHECK_OK(pt_windows_init(&again, 5, &err), err);
    in = pt_bytes_of(pt_buf_span(&first));
    PT_CHECK_OK(pt_windows_decode(&again, &in, &err), err);
    PT_CHECK(!pt_windows_at(&again, NOW + MINUTES - 6));
    assert_int_equal(pt_windows_at(&again, NOW + MINUTES - 5)->events, 50);
    pt_windows_release(&again);
    pt_windows_release(&windows);
    pt_buf_release(&first);
    pt_buf_release(&second);
}

/* Damage is found by the checkpoint's checksum; here it must only not be followed out of bounds. */
static void damaged_state_is_refused_or_harmless(void **state)
{
    struct pt_windows windows;
    struct pt_buf text;
    struct pt_rng rng;

    (void)state;
    pt_rng_seed(&rng, 11);
    pt_buf_init(&text, 1 << 24);
    init(&windows);
    fill(&windows);
    pt_windows_encode(&windows, &text);
    pt_windows_release(&windows);
    for (int round = 0; round < 400; round++) {
        size_t at = pt_rng_next(&rng) % (round % 2 ? text.size : 200);
        uint8_t before = text.data[at];
        struct pt_bytes in;

        init(&windows);
        if (round < 100) {
            in = pt_bytes_of(pt_span_of(text.data, at));
            PT_CHECK(pt_windows_decode(&windows, &in, NULL) == PT_CORRUPT);
        } else {
            text.data[at] = (uint8_t)pt_rng_next(&rng);
            in = pt_bytes_of(pt_buf_span(&text));
            if (pt_windows_decode(&windows, &in, NULL) == PT_OK) {
                pt_windows_advance(&windows, NOW + MINUTES + 2);
            }
            text.data[at] = before;
        }
        pt_windows_release(&windows);
    }
    pt_buf_release(&text);
}

/* ---- time ---- */

/* A batch appended when its one event was received. */
static bool note(struct pt_sources *sources, struct pt_source *source, int64_t event_us,
                 int64_t received_us)
{
    bool is_back = pt_sources_batch(sources, source, received_us);

    pt_source_note(source, event_us, received_us);
    return is_back;
}

static void the_watermark_stands_behind_the_slowest_source_that_speaks(void **state)
{
    const int64_t t = NOW * PT_MINUTE_US;
    struct pt_sources sources;
    struct pt_source *a = NULL;
    struct pt_source *b = NULL;

    (void)state;
    pt_sources_init(&sources, 2 * PT_MINUTE_US);
    a = pt_sources_get(&sources, "a");
    assert_true(pt_sources_watermark(&sources) == PT_NO_EVENT_TIME);
    note(&sources, a, t, t);
    assert_true(pt_sources_watermark(&sources) == t - 2 * PT_MINUTE_US);
    b = pt_sources_get(&sources, "b");
    assert_true(pt_sources_watermark(&sources) == t - 2 * PT_MINUTE_US); /* b never spoke */
    note(&sources, b, t - PT_MINUTE_US, t);
    assert_true(pt_sources_watermark(&sources) == t - 3 * PT_MINUTE_US);
    note(&sources, a, t + PT_MINUTE_US, t + PT_MINUTE_US);
    assert_true(pt_sources_watermark(&sources) == t - 3 * PT_MINUTE_US);
    note(&sources, a, t + 3 * PT_MINUTE_US, t + 3 * PT_MINUTE_US);
    assert_true(pt_sources_is_idle(&sources, b));
    assert_true(pt_sources_watermark(&sources) == t + PT_MINUTE_US);
    assert_true(pt_sources_newest(&sources) == t + 3 * PT_MINUTE_US);
}

static void no_clock_but_the_collectors_moves_time_far(void **state)
{
    const int64_t t = NOW * PT_MINUTE_US;
    const int64_t century = 75 * 525960 * PT_MINUTE_US;
    struct pt_sources sources;
    struct pt_source *source = NULL;

    (void)state;
    pt_sources_init(&sources, 0);
    source = pt_sources_get(&sources, "log");
    PT_CHECK(!note(&sources, source, t, t));
    PT_CHECK(!note(&sources, source, t + century, t + 1)); /* a device in 2100 */
    assert_true(pt_sources_watermark(&sources) == t + 1);
    PT_CHECK(!note(&sources, source, 0, t + 2)); /* a device in 1970 */
    assert_true(pt_sources_watermark(&sources) == t + 1);
    /* A few minutes back and forth are no reason to turn back. */
    PT_CHECK(!note(&sources, source, t - 30 * PT_MINUTE_US, t - 30 * PT_MINUTE_US));
    assert_true(pt_sources_watermark(&sources) == t + 1);
    /* Nor is a dead letter of last week that is sent again. */
    PT_CHECK(!pt_sources_batch(&sources, source, t + 3));
    pt_source_note(source, t - 10000 * PT_MINUTE_US, t - 9999 * PT_MINUTE_US);
    assert_true(pt_sources_watermark(&sources) == t + 1);
    /* The collector itself in 2100, and back. */
    PT_CHECK(!note(&sources, source, t + century, t + century));
    PT_CHECK(note(&sources, source, t + 5, t + 9));
    assert_true(pt_sources_watermark(&sources) == t + 9);
    assert_int_equal(sources.resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_counted_as_a_model_counts_them),
        cmocka_unit_test(names_without_end_do_not_grow_it),
        cmocka_unit_test(old_and_future_minutes_make_no_window),
        cmocka_unit_test(players_are_estimated_within_the_stated_error),
        cmocka_unit_test(united_sketches_count_each_player_once),
        cmocka_unit_test(state_comes_back_as_it_was),
        cmocka_unit_test(damaged_state_is_refused_or_harmless),
        cmocka_unit_test(the_watermark_stands_behind_the_slowest_source_that_speaks),
        cmocka_unit_test(no_clock_but_the_collectors_moves_time_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
