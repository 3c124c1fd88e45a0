/*
 * test_client_lanes.c - priorities, the budget that they share, age, sealed records, versions
 *
 * Method: the client over real files and the server of fake.h, pumped; files are read, changed
 * and compared from outside; file calls are killed at every place in turn.
 */
#include "disk.h"
#include "fake.h"

#include "core/client.h"
#include "wire/frame.h"

#include <fcntl.h>
#include <unistd.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const uint8_t key_a[PLAYTRACE_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const uint8_t key_b[PLAYTRACE_KEY_BYTES] = "0123456789abcdef0123456789abcdf";

static bool busy_with_a_date(struct fake *fake, uint32_t events,
                             struct playtrace_http_response *response)
{
    const int64_t *ahead_s = fake->answer_arg;

    if (ahead_s) {
        fake_date(fake, *ahead_s, response);
    }
    return fake_busy(fake, events, response);
}

static void track_with(struct playtrace *p, const char *name, enum playtrace_priority priority)
{
    PT_CHECK(playtrace_track_with(p, name, "{\"n\":1}", priority, NULL) == PLAYTRACE_OK);
}

static void high_goes_first_and_a_batch_is_of_one_lane(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    char id[PLAYTRACE_ID_TEXT_BYTES];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        track_with(p, "beat", PLAYTRACE_PRIORITY_LOW);
        PT_CHECK(playtrace_track(p, "level", NULL) == PLAYTRACE_OK);
        track_with(p, "buy", PLAYTRACE_PRIORITY_HIGH);
    }
    PT_CHECK(pt_client_track(p, "seen", NULL, PT_CLIENT_LANE_EXPOSURES, id) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->requests == 4 && fake->taken_count == 10);
    PT_CHECK(fake->batch_sizes[0] == 3 && fake->batch_sizes[1] == 1 && fake->batch_sizes[2] == 3);
    for (size_t i = 0; i < 10; i++) {
        PT_CHECK(strcmp(fake->taken[i].name, i < 3   ? "buy"
                                             : i < 4 ? "seen"
                                             : i < 7 ? "level"
                                                     : "beat") == 0);
        /* Within a lane the order is that of track(). */
        PT_CHECK(i % 3 == 0 || i < 1 || i > 2 || fake->taken[i].seq > fake->taken[i - 1].seq);
    }
    PT_CHECK(strcmp(fake->taken[3].event_id, id) == 0);
    PT_CHECK(playtrace_track_with(p, "x", NULL, (enum playtrace_priority)7, id) ==
             PLAYTRACE_INVALID);
    PT_CHECK(id[0] == '\0');
    fake_end(fake, p, dir);
}

/* One that waits in each lane: all go out when the interval is over, the lowest too. */
static void an_interval_sends_what_all_lanes_hold(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);

    (void)state;
    for (unsigned interval = 1; interval <= 3; interval++) {
        track_with(p, "beat", PLAYTRACE_PRIORITY_LOW);
        track_with(p, "level", PLAYTRACE_PRIORITY_NORMAL);
        track_with(p, "purchase", PLAYTRACE_PRIORITY_HIGH);
        track_with(p, "experiment_exposure", PLAYTRACE_PRIORITY_NORMAL);
        (void)playtrace_flush(p, 0);
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED);
        PT_CHECK(fake->requests == (interval - 1) * 4);
        fake_advance_ms(fake, 10001);
        for (unsigned i = 1; i <= 4; i++) {
            /* One that comes meanwhile waits for the next interval: no request for it alone. */
            if (interval == 2 && i == 2) {
                track_with(p, "purchase", PLAYTRACE_PRIORITY_HIGH);
            }
            (void)playtrace_pump(p);
        }
        PT_CHECK(fake->requests == interval * 4);
        PT_CHECK(playtrace_pump(p) == (interval == 2 ? PLAYTRACE_QUEUED : PLAYTRACE_OK));
        PT_CHECK(fake->requests == interval * 4);
    }
    PT_CHECK(fake_count_taken(fake, "beat") == 3 && fake_count_taken(fake, "purchase") == 4);
    fake_end(fake, p, dir);
}

static unsigned appends;

static int count_append(void *ctx, void *file, const void *data, size_t bytes)
{
    struct playtrace_platform real;

    playtrace_platform_posix_init(&real);
    appends++;
    return real.file_append(ctx, file, data, bytes);
}

static void a_mixed_burst_is_one_write_a_lane(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;

    (void)state;
    fake->platform.file_append = count_append;
    p = fake_open(fake, dir);
    for (unsigned round = 0; round < 2; round++) {
        appends = 0;
        for (unsigned i = 0; i < 60; i++) {
            track_with(p, "tick", (enum playtrace_priority)(i % 3));
        }
        (void)playtrace_flush(p, 0);
        PT_CHECK(appends == (round == 0 ? 4 : 3)); /* the first time also the file `format` */
    }
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake_count_taken(fake, "tick") == 120);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

/* A hundred events before each of so many drains. */
static void fill(struct playtrace *p, const char *name, enum playtrace_priority priority,
                 unsigned drains)
{
    for (unsigned i = 0; i < drains; i++) {
        for (unsigned k = 0; k < 100; k++) {
            track_with(p, name, priority);
        }
        (void)playtrace_flush(p, 0);
        fake_check_balance(p);
    }
}

static void a_full_budget_lets_the_lower_lane_give_way(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;
    uint64_t evicted_low = 0;

    (void)state;
    options.queue_bytes_max = 600000;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fill(p, "beat", PLAYTRACE_PRIORITY_LOW, 25);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_budget > 0 && stats.dropped_evicted == 0);
    PT_CHECK(stats.queued_bytes <= 600000 && stats.queued_bytes > 590000);
    fill(p, "level", PLAYTRACE_PRIORITY_NORMAL, 1);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_evicted > 0 && stats.queued_bytes <= 600000);
    evicted_low = stats.dropped_evicted;
    fill(p, "level", PLAYTRACE_PRIORITY_NORMAL, 25);
    playtrace_stats(p, &stats);
    /* Nothing low is left, and the normal lane refuses its own newest. */
    PT_CHECK(stats.dropped_evicted + stats.dropped_budget > 2500 && p->lanes.queues[3].events == 0);
    PT_CHECK(stats.dropped_evicted > evicted_low);
    evicted_low = stats.dropped_evicted;
    fill(p, "beat", PLAYTRACE_PRIORITY_LOW, 1);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_evicted == evicted_low && p->lanes.queues[3].events == 0);
    fill(p, "buy", PLAYTRACE_PRIORITY_HIGH, 3);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_evicted > evicted_low && stats.queued_bytes <= 600000);
    PT_CHECK(playtrace_flush(p, 100000) == PLAYTRACE_OK);
    fake_check_balance(p);
    PT_CHECK(fake_count_taken(fake, "buy") == 300); /* the purchases are all there */
    playtrace_stats(p, &stats);
    PT_CHECK(stats.delivered == fake->taken_count);
    fake_end(fake, p, dir);
}

struct on_its_way {
    struct playtrace *p;
    unsigned tracked;
};

/* While the batch of low events is on its way, purchases fill the budget. */
static bool fill_and_take(struct fake *fake, uint32_t events,
                          struct playtrace_http_response *response)
{
    struct on_its_way *way = fake->answer_arg;

    (void)events;
    (void)response;
    if (fake->requests == 1) {
        PT_CHECK(way->p->lanes.is_pinned);
        for (unsigned i = 0; i < 12; i++) {
            for (unsigned k = 0; k < 100; k++) {
                track_with(way->p, "buy", PLAYTRACE_PRIORITY_HIGH);
                way->tracked++;
            }
            (void)pt_client_drain(way->p); /* as should_stop has it done */
        }
    }
    return false;
}

static void what_is_on_its_way_does_not_give_way(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct on_its_way way = {0};
    struct playtrace_stats stats;
    unsigned low = 0;

    (void)state;
    options.queue_bytes_max = 600000;
    options.ring_bytes = 1u << 20;
    PT_CHECK(playtrace_open(&way.p, &options) == PLAYTRACE_OK);
    fill(way.p, "beat", PLAYTRACE_PRIORITY_LOW, 25);
    playtrace_stats(way.p, &stats);
    low = (unsigned)stats.queued;
    fake->answer = fill_and_take;
    fake->answer_arg = &way;
    PT_CHECK(playtrace_flush(way.p, 100000) == PLAYTRACE_OK); /* the low ones are settled */
    PT_CHECK(playtrace_flush(way.p, 100000) == PLAYTRACE_OK);
    playtrace_stats(way.p, &stats);
    PT_CHECK(way.tracked == 1200 && fake_count_taken(fake, "buy") == 1200);
    PT_CHECK(stats.dropped_evicted > 0 &&
             fake_count_taken(fake, "beat") == low - stats.dropped_evicted);
    fake_check_balance(way.p);
    PT_CHECK(playtrace_close(way.p, 0) == PLAYTRACE_OK);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void too_old_is_given_up_only_where_it_cannot_be_sent(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;
    int64_t ahead_s = -31 * DAY_MS / 1000; /* the player has set the clock */

    (void)state;
    fake_track(p, 7);
    (void)playtrace_flush(p, 0);
    fake_advance_ms(fake, 31 * DAY_MS);
    fake_track(p, 5);
    (void)playtrace_flush(p, 0);
    fake->answer = busy_with_a_date;
    (void)playtrace_flush(p, 400000); /* nobody says what time it is */
    fake->answer_arg = &ahead_s;
    fake_advance_ms(fake, 400000);
    (void)playtrace_flush(p, 400000);
    ahead_s = 0;
    fake_advance_ms(fake, 400000);
    (void)playtrace_flush(p, 1);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_age == 0 && stats.queued == 12); /* the first try had all of them */
    PT_CHECK(stats.send_attempts >= 3);
    (void)playtrace_flush(p, 400000);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_age == 7 && stats.queued == 5);
    fake_check_balance(p);
    fake->answer = NULL;
    PT_CHECK(playtrace_flush(p, 400000) == PLAYTRACE_OK);
    PT_CHECK(fake_count_taken(fake, "tick") == 5);
    /* A server that answers gets whatever there is. */
    fake_track(p, 3);
    (void)playtrace_flush(p, 0);
    fake_advance_ms(fake, 31 * DAY_MS);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake_count_taken(fake, "tick") == 8);
    fake_end(fake, p, dir);
}

/* While the bad event of the low lane is looked for, purchases come in. */
static bool refuse_bad(struct fake *fake, uint32_t events, struct playtrace_http_response *response)
{
    struct on_its_way *way = fake->answer_arg;
    bool is_bad = strstr(fake->last_body, "\"event_name\":\"bad\"") != NULL;

    (void)events;
    PT_CHECK(playtrace_track_with(way->p, "buy", NULL, PLAYTRACE_PRIORITY_HIGH, NULL) ==
             PLAYTRACE_OK);
    (void)pt_client_drain(way->p);
    way->tracked++;
    PT_CHECK(way->tracked < 100);
    if (is_bad) {
        fake_reply(response, 400, "{\"code\":\"unreadable\",\"detail\":\"\"}");
    }
    return is_bad;
}

static void a_bad_event_is_found_though_higher_ones_come_in(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct on_its_way way = {.p = fake_open(fake, dir)};
    struct playtrace_stats stats;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        track_with(way.p, i == 23 ? "bad" : "beat", PLAYTRACE_PRIORITY_LOW);
    }
    fake->answer = refuse_bad;
    fake->answer_arg = &way;
    PT_CHECK(playtrace_flush(way.p, 100000) == PLAYTRACE_OK);
    fake->answer = NULL;
    PT_CHECK(playtrace_flush(way.p, 100000) == PLAYTRACE_OK);
    playtrace_stats(way.p, &stats);
    PT_CHECK(stats.unreadable == 1 && fake_count_taken(fake, "beat") == 39);
    PT_CHECK(fake_count_taken(fake, "buy") == way.tracked && fake_count_taken(fake, "bad") == 0);
    fake_check_balance(way.p);
    PT_CHECK(playtrace_close(way.p, 0) == PLAYTRACE_OK);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* ---- sealed records and versions ---- */

/* Names and contents of all files in `dir`, as one value. */
static uint32_t fingerprint(const char *dir)
{
    DIR *list = opendir(dir);
    const struct dirent *entry = NULL;
    uint32_t sum = 0;

    PT_CHECK(list != NULL);
    while ((entry = readdir(list)) != NULL) {
        size_t bytes = 0;
        char *content = disk_read(dir, entry->d_name, &bytes);

        if (content) {
            sum += pt_crc32c(pt_crc32c(0, entry->d_name, strlen(entry->d_name)), content, bytes);
        }
        pt_free(content);
    }
    (void)closedir(list);
    return sum;
}

static enum playtrace_status open_with_key(struct fake *fake, const char *dir, const uint8_t *key,
                                           struct playtrace **p_out)
{
    struct playtrace_options options = fake_options(fake, dir);

    options.queue_key = key;
    return playtrace_open(p_out, &options);
}

static void sealed_events_are_read_only_with_their_key(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;
    size_t bytes = 0;
    uint32_t before = 0;

    (void)state;
    /* Some plain ones first: a game that begins to use a key loses nothing. */
    p = fake_open(fake, dir);
    fake_track(p, 2);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    PT_CHECK(open_with_key(fake, dir, key_a, &p) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 300; i++) {
        PT_CHECK(playtrace_track(p, "secret_boss", "{\"n\":1}") == PLAYTRACE_OK);
    }
    track_with(p, "buy", PLAYTRACE_PRIORITY_HIGH);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    PT_CHECK(!disk_holds(dir, "secret_boss", &bytes) && bytes > 0);
    before = fingerprint(dir);
    PT_CHECK(open_with_key(fake, dir, key_b, &p) == PLAYTRACE_KEY && !p);
    PT_CHECK(open_with_key(fake, dir, NULL, &p) == PLAYTRACE_KEY && !p);
    PT_CHECK(fingerprint(dir) == before);
    PT_CHECK(open_with_key(fake, dir, key_a, &p) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK);
    PT_CHECK(fake_count_taken(fake, "secret_boss") == 300 && fake_count_taken(fake, "buy") == 1);
    PT_CHECK(fake_count_taken(fake, "tick") == 2);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    /* An empty queue takes any key. */
    PT_CHECK(open_with_key(fake, dir, key_b, &p) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    PT_CHECK(strcmp(playtrace_status_name(PLAYTRACE_KEY), "KEY") == 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void a_flipped_byte_costs_one_sealed_event(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/queue-00000001.log", dir);
    struct fake *fake = fake_create();

    (void)state;
    for (long at = 0; at < 900; at += 7) {
        struct playtrace *p = NULL;
        struct playtrace_stats stats;

        fake->taken_count = 0;
        PT_CHECK(open_with_key(fake, dir, key_a, &p) == PLAYTRACE_OK);
        fake_track(p, 4);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
        for (unsigned number = 1; access(path, F_OK) != 0; number++) {
            pt_free(path); /* each round's segment has a number of its own */
            path = pt_strf("%s/queue-%08u.log", dir, number);
        }
        PT_CHECK(disk_flip(path, at));
        PT_CHECK(open_with_key(fake, dir, key_a, &p) == PLAYTRACE_OK);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.damaged == 1 && stats.recovered == 3);
        PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK);
        PT_CHECK(fake->taken_count == 3);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    }
    pt_free(path);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* NIST's test case 14 for AES-GCM: key, nonce and text are zeros. */
static void the_seal_is_aes_256_gcm(void **state)
{
    static const uint8_t zeros[PLAYTRACE_KEY_BYTES] = {0};
    static const uint8_t expected[32] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                         0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18,
                                         0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                         0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    struct playtrace_platform platform;
    uint8_t sealed[32];

    (void)state;
    playtrace_platform_posix_init(&platform);
    PT_CHECK(platform.seal(platform.crypto_ctx, zeros, zeros, zeros, 16, sealed) == 0);
    PT_CHECK(memcmp(sealed, expected, sizeof(expected)) == 0);
    PT_CHECK(platform.unseal(platform.crypto_ctx, zeros, zeros, sealed, 32, sealed) == 0);
    PT_CHECK(memcmp(sealed, zeros, 16) == 0);
    for (size_t bit = 0; bit < 256; bit++) {
        memcpy(sealed, expected, sizeof(sealed));
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        PT_CHECK(platform.unseal(platform.crypto_ctx, zeros, zeros, sealed, 32, sealed) == -1);
    }
    PT_CHECK(platform.unseal(platform.crypto_ctx, zeros, zeros, sealed, 15, sealed) == -1);
}

static void a_key_needs_a_platform_that_seals(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;

    (void)state;
    fake->platform.unseal = NULL;
    PT_CHECK(open_with_key(fake, dir, key_a, &p) == PLAYTRACE_INVALID);
    PT_CHECK(open_with_key(fake, dir, NULL, &p) == PLAYTRACE_OK);
    fake_end(fake, p, dir);
}

static int no_random(void *ctx, void *buffer, size_t bytes)
{
    (void)ctx;
    (void)buffer;
    (void)bytes;
    return -1;
}

static void without_randomness_nothing_is_sealed_and_nothing_lost(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;
    struct playtrace_stats stats;

    (void)state;
    PT_CHECK(open_with_key(fake, dir, key_a, &p) == PLAYTRACE_OK);
    p->platform.random = no_random;
    fake_track(p, 10);
    (void)playtrace_flush(p, 0);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.queued == 10 && stats.queued_bytes == 0 && stats.io_failures > 0);
    p->platform.random = fake->real.random;
    PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK);
    PT_CHECK(fake_count_taken(fake, "tick") == 10);
    fake_end(fake, p, dir);
}

static void a_newer_queue_is_left_alone(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/format", dir);
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    uint8_t frame[PT_FRAME_HEADER_BYTES + 4];
    FILE *file = NULL;
    size_t bytes = 0;
    uint32_t before = 0;

    (void)state;
    track_with(p, "buy", PLAYTRACE_PRIORITY_HIGH);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    PT_CHECK(access(path, F_OK) == 0);
    pt_put_u32(frame + PT_FRAME_HEADER_BYTES, 3);
    pt_frame_header(frame + PT_FRAME_HEADER_BYTES, 4, frame);
    file = fopen(path, "wb");
    PT_CHECK(file && fwrite(frame, 1, sizeof(frame), file) == sizeof(frame) && fclose(file) == 0);
    before = fingerprint(dir);
    PT_CHECK(open_with_key(fake, dir, NULL, &p) == PLAYTRACE_VERSION && !p);
    PT_CHECK(fingerprint(dir) == before && disk_holds(dir, "buy", &bytes));
    PT_CHECK(strcmp(playtrace_status_name(PLAYTRACE_VERSION), "VERSION") == 0);
    /* A damaged file says nothing of the kind. */
    PT_CHECK(truncate(path, 5) == 0);
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK && fake_count_taken(fake, "buy") == 1);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    pt_free(path);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void withdrawn_consent_empties_all_lanes(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    size_t bytes = 0;

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        track_with(p, "trace_of_me", (enum playtrace_priority)(i % 3));
    }
    (void)playtrace_flush(p, 0);
    PT_CHECK(disk_holds(dir, "trace_of_me", &bytes));
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(!disk_holds(dir, "trace_of_me", &bytes) && pt_client_lanes_events(&p->lanes) == 0);
    fake_check_balance(p);
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void frames_of_a_lane_leave_the_ring(void **state)
{
    static const uint32_t lanes[] = {0, 1, PT_CLIENT_LANE_NONE, 1, 2, 3, 1};
    char frames[512];
    size_t bytes = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++) {
        pt_put_u32((uint8_t *)frames + bytes, (uint32_t)(10 + i));
        pt_put_u32((uint8_t *)frames + bytes + 4, lanes[i]);
        memset(frames + bytes + 8, (int)('a' + i), 10 + i);
        bytes += 18 + i;
    }
    PT_CHECK(pt_client_frames_drop(frames, &bytes, 1u << PT_CLIENT_LANE_EXPOSURES) == 3);
    PT_CHECK(bytes == 18 + 22 + 23 && frames[8] == 'a' && frames[18 + 8] == 'e' &&
             frames[18 + 22 + 8] == 'f' && !memchr(frames, 'b', sizeof(frames) / 4));
}

/* ---- kills ---- */

/* True: the run was cut short at `call`. Whatever was flushed to the files before is sent after. */
static bool run_killed_at(unsigned call, const uint8_t *key)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;
    char kept[60][PLAYTRACE_ID_TEXT_BYTES];
    size_t kept_count = 0;
    bool was_dead = false;

    fake_kill_files_at(fake, call);
    if (open_with_key(fake, dir, key, &p) == PLAYTRACE_OK) {
        for (unsigned i = 0; i < 10 && !fake->is_dead; i++) {
            char ids[6][PLAYTRACE_ID_TEXT_BYTES];

            for (unsigned k = 0; k < 6; k++) {
                (void)playtrace_track_with(p, "tick", NULL, (enum playtrace_priority)(k % 3),
                                           ids[k]);
            }
            if (playtrace_sync(p, 0) == PLAYTRACE_OK) {
                memcpy(kept[kept_count], ids, sizeof(ids));
                kept_count += 6;
            }
            if (i % 3 == 2) {
                (void)playtrace_flush(p, 5);
            }
        }
        was_dead = fake->is_dead;
        (void)playtrace_close(p, 0);
    }
    was_dead = was_dead || fake->is_dead;
    fake_kill_files_at(fake, 0);
    PT_CHECK(open_with_key(fake, dir, key, &p) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 100000) == PLAYTRACE_OK);
    for (size_t i = 0; i < kept_count; i++) {
        bool is_there = false;

        for (size_t k = 0; k < fake->taken_count && !is_there; k++) {
            is_there = strcmp(fake->taken[k].event_id, kept[i]) == 0;
        }
        PT_CHECK(is_there);
    }
    PT_CHECK(was_dead || kept_count == 60);
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
    return was_dead;
}

static void a_kill_at_any_file_call_loses_nothing_that_was_synced(void **state)
{
    static const uint8_t *const keys[] = {NULL, key_a};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        unsigned call = 1;

        while (run_killed_at(call, keys[i])) {
            call++;
        }
        PT_CHECK(call > 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(high_goes_first_and_a_batch_is_of_one_lane),
        cmocka_unit_test(an_interval_sends_what_all_lanes_hold),
        cmocka_unit_test(a_mixed_burst_is_one_write_a_lane),
        cmocka_unit_test(a_full_budget_lets_the_lower_lane_give_way),
        cmocka_unit_test(what_is_on_its_way_does_not_give_way),
        cmocka_unit_test(too_old_is_given_up_only_where_it_cannot_be_sent),
        cmocka_unit_test(a_bad_event_is_found_though_higher_ones_come_in),
        cmocka_unit_test(sealed_events_are_read_only_with_their_key),
        cmocka_unit_test(a_flipped_byte_costs_one_sealed_event),
        cmocka_unit_test(the_seal_is_aes_256_gcm),
        cmocka_unit_test(a_key_needs_a_platform_that_seals),
        cmocka_unit_test(without_randomness_nothing_is_sealed_and_nothing_lost),
        cmocka_unit_test(a_newer_queue_is_left_alone),
        cmocka_unit_test(withdrawn_consent_empties_all_lanes),
        cmocka_unit_test(frames_of_a_lane_leave_the_ring),
        cmocka_unit_test(a_kill_at_any_file_call_loses_nothing_that_was_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
