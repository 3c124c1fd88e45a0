/*
 * test_client_life.c - what the game sees: consent, identity, refused arguments, threads
 *
 * Method: the public functions only, with the fake clock and server; the disk is read back as
 * bytes. The threaded tests use the real clock and run under TSan as well.
 */
#include "disk.h"
#include "fake.h"

#include "wire/uuid.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void without_consent_nothing_is_stored_or_sent(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    size_t bytes = 0;

    (void)state;
    options.consent = PLAYTRACE_CONSENT_NONE;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_NONE);
    for (unsigned i = 0; i < 100; i++) {
        PT_CHECK(playtrace_track(p, "secret_event", NULL) == PLAYTRACE_NO_CONSENT);
        fake_advance_ms(fake, 1000);
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK);
    }
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_NO_CONSENT);
    PT_CHECK(!disk_holds(dir, "secret_event", &bytes) && bytes == 0);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    PT_CHECK(!disk_holds(dir, "secret_event", &bytes) && bytes == 0);
    PT_CHECK(fake->requests == 0);

    /* Given later, it is kept, also against the option; the sequence starts there. */
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_GIVEN);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 2 && fake->taken[0].seq == 0 && fake->taken[0].boot == 1);
    PT_CHECK(fake->taken[1].seq == 0 && fake->taken[1].boot == 2);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void withdrawing_leaves_no_bytes(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;
    size_t bytes = 0;

    (void)state;
    fake_track(p, 10);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    p = fake_open(fake, dir);
    for (unsigned i = 0; i < 30; i++) {
        PT_CHECK(playtrace_track(p, "secret_event", NULL) == PLAYTRACE_OK);
        (void)playtrace_flush(p, 0);
    }
    PT_CHECK(playtrace_track(p, "secret_event", NULL) == PLAYTRACE_OK); /* still in the ring */
    PT_CHECK(disk_holds(dir, "secret_event", &bytes));
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(!disk_holds(dir, "secret_event", &bytes) && bytes > 0); /* the notice */
    PT_CHECK(playtrace_track(p, "secret_event", NULL) == PLAYTRACE_NO_CONSENT);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.withdrawn == 41 && stats.queued == 1 && stats.queued_bytes == 0);
    fake_check_balance(p);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->requests == 1 && fake->taken_count == 1);
    PT_CHECK(!disk_holds(dir, "secret_event", &bytes) && bytes == 0);
    /* The decision outlives the process, whatever the option says; giving it again makes a new
     * install. */
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_WITHDRAWN);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 2 && fake->taken[1].boot == 1 && fake->taken[1].seq == 0);
    PT_CHECK(strcmp(fake->taken[0].install_id, fake->taken[1].install_id) != 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void ids_are_unique_and_version_7(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    char session[PLAYTRACE_ID_TEXT_BYTES];
    char id[PLAYTRACE_ID_TEXT_BYTES];
    uint8_t uuid[PT_UUID_BYTES];
    int64_t ms = 0;

    (void)state;
    for (unsigned i = 0; i < 1500; i++) {
        PT_CHECK(playtrace_track_id(p, "tick", NULL, id) == PLAYTRACE_OK);
        PT_CHECK(pt_uuid_parse(id, strlen(id), uuid));
        PT_CHECK(uuid[6] >> 4 == 7 && uuid[8] >> 6 == 2);
        ms = 0;
        for (unsigned k = 0; k < 6; k++) {
            ms = ms << 8 | uuid[k];
        }
        PT_CHECK(ms == fake->wall_us / 1000);
        if (i % 100 == 99) {
            PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
            PT_CHECK(strcmp(fake->taken[i].event_id, id) == 0);
        }
    }
    PT_CHECK(fake->taken_count == 1500); /* the fake server counts distinct ids */
    playtrace_session_id(p, session);
    PT_CHECK(strcmp(session, fake->taken[0].session_id) == 0);
    PT_CHECK(pt_uuid_parse(session, strlen(session), uuid) && uuid[6] >> 4 == 7);
    fake_end(fake, p, dir);
}

static void a_session_counts_from_zero_and_users_change(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    (void)state;
    options.user_id = NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 3);
    PT_CHECK(playtrace_set_user(p, "a\"b\\\n\xc3\xa9") == PLAYTRACE_OK);
    fake_track(p, 1);
    PT_CHECK(playtrace_session_start(p) == PLAYTRACE_OK);
    fake_track(p, 2);
    PT_CHECK(playtrace_set_user(p, NULL) == PLAYTRACE_OK);
    fake_track(p, 1);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 7);
    for (size_t i = 0; i < 7; i++) {
        const struct fake_event *event = &fake->taken[i];

        PT_CHECK(event->seq == (int64_t)(i < 4 ? i : i - 4));
        PT_CHECK(strcmp(event->session_id, fake->taken[i < 4 ? 0 : 4].session_id) == 0);
        PT_CHECK(strcmp(event->user_id, i >= 3 && i < 6 ? "a\"b\\\n\xc3\xa9" : event->install_id) ==
                 0);
    }
    PT_CHECK(strcmp(fake->taken[0].session_id, fake->taken[4].session_id) != 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void an_event_has_every_field(void **state)
{
    static const char *const parts[] = {
        ("{\"sent_at\":\"2026-11-01T12:00:01.500000Z\",\"sent_mono_us\":2500000,\"boot\":1,"
         "\"events\":[{\"event_id\":\""),
        "\"mono_us\":1000000,",
        "\"event_name\":\"level.end_2\"",
        "\"occurred_at\":\"2026-11-01T12:00:00.000000Z\"",
        "\"seq\":0",
        "\"user_id\":\"player\"",
        "\"boot\":1",
        "\"build_id\":\"1.2 \\\"beta\\\"\"",
        "\"platform\":\"pc\"",
        "\"mechanic_version\":\"m3\"",
        "\"attributes\":{ \"level\": 7, \"won\": true }}",
    };
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    (void)state;
    options.build_id = "1.2 \"beta\"";
    options.platform = "pc";
    options.mechanic_version = "m3";
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "level.end_2", "{ \"level\": 7, \"won\": true }") == PLAYTRACE_OK);
    fake_advance_ms(fake, 1500);
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!strstr(fake->last_body, parts[i])) {
            fail_msg("%s is not in %s", parts[i], fake->last_body);
        }
    }
    fake_end(fake, p, dir);
}

static void wrong_events_are_refused_and_leave_no_trace(void **state)
{
    static const struct {
        const char *name;
        const char *attributes;
    } cases[] = {
        {NULL, NULL},
        {"", NULL},
        {"1up", NULL},
        {"_x", NULL},
        {".x", NULL},
        {"a b", NULL},
        {"a-b", NULL},
        {"a\"b", NULL},
        {"caf\xc3\xa9", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
        {"ok", ""},
        {"ok", "[]"},
        {"ok", "7"},
        {"ok", "{\"a\":NaN}"},
        {"ok", "{\"a\":1}}"},
        {"ok", "{\"a\":1},\"event_id\":\"x\""},
        {"ok", "{\"a\":\"\xff\"}"},
    };
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    char *big = pt_alloc(PLAYTRACE_EVENT_BYTES_MAX + 100);
    size_t fits = 0;
    char id[PLAYTRACE_ID_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (playtrace_track_id(p, cases[i].name, cases[i].attributes, id) != PLAYTRACE_INVALID ||
            id[0] != '\0') {
            fail_msg("taken: %s %s", cases[i].name, cases[i].attributes);
        }
    }
    /* The largest attributes that pass make an event of exactly the limit. */
    for (size_t bytes = PLAYTRACE_EVENT_BYTES_MAX + 20; fits == 0; bytes--) {
        memset(big, ' ', bytes);
        big[0] = '{';
        memcpy(big + bytes - 1, "}", 2);
        if (playtrace_track(p, "ok", big) == PLAYTRACE_OK) {
            fits = bytes;
        }
    }
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK && fake->taken_count == 1);
    PT_CHECK(fake->taken[0].seq == 0);
    PT_CHECK(strlen(strstr(fake->last_body, "{\"event_id\"")) == PLAYTRACE_EVENT_BYTES_MAX + 2);
    PT_CHECK(playtrace_track(NULL, "ok", NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_user(p, "") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_user(p, "\xff") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flush(NULL, 0) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_pump(NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_close(NULL, 0) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    pt_free(big);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void wrong_options_are_refused(void **state)
{
    char *dir = pt_test_dir_create();
    char *missing = pt_strf("%s/no/such", dir);
    char long_text[PLAYTRACE_URL_BYTES_MAX + 10];
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;

    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    for (unsigned i = 0; i < 17; i++) {
        struct playtrace_options options = fake_options(fake, dir);
        enum playtrace_status expected = PLAYTRACE_INVALID;

        switch (i) {
        case 0:
            options.url = NULL;
            break;
        case 1:
            options.url = "ftp://x";
            break;
        case 2:
            options.url = "http://a\r\nX: y";
            break;
        case 3:
            options.queue_dir = NULL;
            break;
        case 4:
            options.queue_dir = long_text;
            break;
        case 5:
            options.user_id = "";
            break;
        case 6:
            options.user_id = long_text;
            break;
        case 7:
            options.build_id = "\xc3";
            break;
        case 8:
            options.platform = "amiga";
            break;
        case 9:
            options.api_key = "a\r\nX-Evil: 1";
            break;
        case 10:
            options.batch_events_max = 0;
            break;
        case 11:
            options.batch_events_max = PLAYTRACE_BATCH_EVENTS_MAX + 1;
            break;
        case 12:
            options.ring_bytes = 1000;
            break;
        case 13:
            options.consent = (enum playtrace_consent)7;
            break;
        case 14:
            options.queue_dir = missing;
            expected = PLAYTRACE_IO;
            break;
        case 15:
            options.mechanic_version = long_text;
            break;
        default:
            options.request_timeout_ms = 0;
            break;
        }
        PT_CHECK(playtrace_open(&p, &options) == expected && p == NULL);
    }
    PT_CHECK(playtrace_open(&p, NULL) == PLAYTRACE_INVALID);
    fake_destroy(fake);
    pt_free(missing);
    pt_test_dir_remove(dir);
}

static void one_client_a_directory(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *first = fake_open(fake, dir);
    struct playtrace *second = NULL;

    (void)state;
    PT_CHECK(playtrace_open(&second, &options) == PLAYTRACE_BUSY && second == NULL);
    PT_CHECK(playtrace_close(first, 0) == PLAYTRACE_OK);
    PT_CHECK(playtrace_open(&second, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(second, 0) == PLAYTRACE_OK);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

struct counted {
    struct fake *fake;
    unsigned allocs;
    unsigned alloc_max; /* this one fails; 0: none */
};

static void *counted_alloc(void *ctx, size_t bytes)
{
    struct counted *counted = ctx;

    counted->allocs++;
    return counted->allocs == counted->alloc_max ? NULL : malloc(bytes);
}

static void counted_release(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static void memory_is_taken_at_open_only(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct counted counted = {fake, 0, 1};
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    unsigned after_open = 0;

    (void)state;
    fake->platform.memory_ctx = &counted;
    fake->platform.alloc = counted_alloc;
    fake->platform.release = counted_release;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_NO_MEMORY && p == NULL);
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    after_open = counted.allocs;
    for (unsigned i = 0; i < 10; i++) {
        fake_track(p, 200);
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    }
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(counted.allocs == after_open);
    fake_end(fake, p, dir);
}

/* A machine without threads: mutexes and conditions do not exist. */
static void it_runs_without_threads(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    (void)state;
    fake->platform.mutex_create = NULL;
    options.without_worker = false;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID);
    options.without_worker = true;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 10);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK && fake->taken_count == 10);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* ---- with the worker thread and the real clock ---- */

#define THREADS 4
#define EVENTS_EACH 500

static void use_real_clock(struct fake *fake)
{
    fake->platform.wall_us = fake->real.wall_us;
    fake->platform.mono_us = fake->real.mono_us;
    fake->platform.sleep_ms = fake->real.sleep_ms;
}

struct tracker {
    struct playtrace *p;
    unsigned taken;
    unsigned dropped;
};

static void *track_many(void *arg)
{
    struct tracker *tracker = arg;

    for (unsigned i = 0; i < EVENTS_EACH; i++) {
        struct playtrace_stats stats;
        enum playtrace_status status = playtrace_track(tracker->p, "tick", "{\"a\":[1,2,3]}");

        if (status == PLAYTRACE_OK) {
            tracker->taken++;
        } else if (status == PLAYTRACE_DROPPED) {
            tracker->dropped++;
        }
        if (i % 50 == 0) {
            playtrace_stats(tracker->p, &stats);
            (void)playtrace_set_user(tracker->p, i % 100 == 0 ? "one" : "two");
            (void)playtrace_flush(tracker->p, i % 200 == 0 ? 5 : 0);
        }
    }
    return NULL;
}

static void threads_may_track_at_once(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct tracker trackers[THREADS] = {{0}};
    pthread_t threads[THREADS];
    bool *seen = NULL;
    unsigned taken = 0;
    unsigned dropped = 0;

    (void)state;
    use_real_clock(fake);
    options.without_worker = false;
    options.flush_interval_ms = 5;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        trackers[i].p = p;
        PT_CHECK(pthread_create(&threads[i], NULL, track_many, &trackers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        PT_CHECK(pthread_join(threads[i], NULL) == 0);
        taken += trackers[i].taken;
        dropped += trackers[i].dropped;
    }
    PT_CHECK(taken + dropped == THREADS * EVENTS_EACH);
    PT_CHECK(playtrace_flush(p, 20000) == PLAYTRACE_OK);
    fake_check_balance(p);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == taken);
    seen = pt_alloc_zero(THREADS * EVENTS_EACH * sizeof(*seen));
    for (size_t i = 0; i < fake->taken_count; i++) {
        PT_CHECK(fake->taken[i].times == 1);
        PT_CHECK(!seen[fake->taken[i].seq]);
        seen[fake->taken[i].seq] = true;
        PT_CHECK(i == 0 || fake->taken[i].seq > fake->taken[i - 1].seq);
    }
    pt_free(seen);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* A server that does not answer until it is told to stop. */
static void hang(void *http, const struct playtrace_http_request *request,
                 struct playtrace_http_response *response)
{
    struct fake *fake = http;

    response->status = 0;
    __atomic_add_fetch(&fake->requests, 1, __ATOMIC_SEQ_CST);
    for (uint32_t ms = 0; ms < request->timeout_ms && !request->should_stop(request->stop_ctx);
         ms++) {
        fake->real.sleep_ms(NULL, 1);
    }
}

static void close_and_withdrawal_end_a_request_that_hangs(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    int64_t start_us = 0;
    size_t bytes = 0;

    (void)state;
    use_real_clock(fake);
    fake->platform.http_post = hang;
    options.without_worker = false;
    options.flush_interval_ms = 1;
    for (unsigned round = 0; round < 2; round++) {
        bool is_withdrawn = round == 1;

        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        fake_track(p, 3);
        __atomic_store_n(&fake->requests, 0, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&fake->requests, __ATOMIC_SEQ_CST) == 0) {
            fake->real.sleep_ms(NULL, 1);
        }
        PT_CHECK(playtrace_flush(p, 20) == PLAYTRACE_QUEUED);
        start_us = fake->real.mono_us(NULL);
        if (is_withdrawn) {
            PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
            PT_CHECK(!disk_holds(dir, "tick", &bytes));
        }
        PT_CHECK(playtrace_close(p, 50) == PLAYTRACE_QUEUED);    /* the news of it, that time */
        PT_CHECK(fake->real.mono_us(NULL) - start_us < 5000000); /* the request had 15 s */
    }
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void the_worker_writes_without_being_asked(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    size_t bytes = 0;
    unsigned tries = 0;

    (void)state;
    use_real_clock(fake);
    options.without_worker = false;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "precious", NULL) == PLAYTRACE_OK);
    while (!disk_holds(dir, "precious", &bytes)) {
        PT_CHECK(tries++ < 5000);
        fake->real.sleep_ms(NULL, 1);
    }
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK && fake->taken_count == 1);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void *toggle_consent(void *arg)
{
    struct tracker *tracker = arg;

    for (unsigned i = 0; i < 40; i++) {
        PT_CHECK(playtrace_set_consent(tracker->p, i % 2 == 0
                                                       ? PLAYTRACE_CONSENT_WITHDRAWN
                                                       : PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    }
    PT_CHECK(playtrace_set_consent(tracker->p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    return NULL;
}

static void consent_may_change_while_threads_track(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct tracker trackers[THREADS] = {{0}};
    pthread_t threads[THREADS];
    struct playtrace_stats stats;
    size_t bytes = 0;

    (void)state;
    use_real_clock(fake);
    options.without_worker = false;
    options.flush_interval_ms = 1;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        trackers[i].p = p;
        PT_CHECK(pthread_create(&threads[i], NULL, i == 0 ? toggle_consent : track_many,
                                &trackers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        PT_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    PT_CHECK(playtrace_flush(p, 10000) != PLAYTRACE_QUEUED); /* what told of each withdrawal */
    playtrace_stats(p, &stats);
    PT_CHECK(stats.queued == 0);
    fake_check_balance(p);
    PT_CHECK(!disk_holds(dir, "tick", &bytes) && bytes == 0);
    fake_end(fake, p, dir);
}

/* 30 s in the background keep the session; one millisecond more ends it. */
static void a_long_pause_ends_the_session(void **state)
{
    static const struct {
        int64_t away_ms;
        bool is_new;
    } cases[] = {{0, false}, {30000, false}, {30001, true}, {86400000, true}};
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    int64_t seq = 0;
    size_t bytes = 0;

    (void)state;
    PT_CHECK(playtrace_resume(p) == PLAYTRACE_OK); /* was never away */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char before[PLAYTRACE_ID_TEXT_BYTES];
        char after[PLAYTRACE_ID_TEXT_BYTES];

        playtrace_session_id(p, before);
        PT_CHECK(playtrace_track(p, "away", NULL) == PLAYTRACE_OK);
        PT_CHECK(playtrace_pause(p) == PLAYTRACE_OK);
        PT_CHECK(disk_holds(dir, "away", &bytes));   /* nothing waits for the next frame */
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK); /* and it is sent before its time */
        PT_CHECK(playtrace_track(p, "away", NULL) == PLAYTRACE_OK); /* the music goes on */
        fake_advance_ms(fake, cases[i].away_ms / 2);
        PT_CHECK(playtrace_pause(p) == PLAYTRACE_OK); /* twice: the first counts */
        fake_advance_ms(fake, cases[i].away_ms - cases[i].away_ms / 2);
        fake->wall_us -= INT64_C(7200000000); /* whatever the wall clock says */
        PT_CHECK(playtrace_resume(p) == PLAYTRACE_OK);
        playtrace_session_id(p, after);
        PT_CHECK((strcmp(before, after) != 0) == cases[i].is_new);
        seq = cases[i].is_new ? 0 : seq + 2;
        fake_track(p, 1);
        PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
        PT_CHECK(fake->taken[fake->taken_count - 1].seq == seq++);
    }
    PT_CHECK(playtrace_pause(NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_resume(NULL) == PLAYTRACE_INVALID);
    fake_end(fake, p, dir);
}

static bool answer_none(struct fake *fake, uint32_t events,
                        struct playtrace_http_response *response)
{
    (void)events;
    response->status = fake->answer_arg ? 503 : 0;
    if (fake->answer_arg) {
        (void)snprintf(response->retry_after, sizeof(response->retry_after), "600");
    }
    return true;
}

/* The network was away with the game: back again, nothing waits for a timer of then. But what the
 * server asked for holds. */
static void coming_back_ends_the_back_off(void **state)
{
    (void)state;
    for (int is_asked = 0; is_asked < 2; is_asked++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace *p = fake_open(fake, dir);
        unsigned before = 0;

        fake->answer = answer_none;
        fake->answer_arg = is_asked ? fake : NULL;
        fake_track(p, 1);
        PT_CHECK(playtrace_pause(p) == PLAYTRACE_OK);
        for (int i = 0; i < 20; i++) { /* back-off at its cap */
            (void)playtrace_pump(p);
            fake_advance_ms(fake, is_asked ? 1 : 600000);
        }
        (void)playtrace_pump(p);
        before = fake->requests;
        PT_CHECK(before >= (is_asked ? 1u : 10u));
        (void)playtrace_pump(p);
        PT_CHECK(fake->requests == before); /* not its time */
        fake->answer = NULL;
        PT_CHECK(playtrace_resume(p) == PLAYTRACE_OK);
        (void)playtrace_pump(p);
        PT_CHECK(fake->requests == before + (is_asked ? 0 : 1));
        PT_CHECK(playtrace_close(p, 0) == (is_asked ? PLAYTRACE_QUEUED : PLAYTRACE_OK));
        fake_destroy(fake);
        pt_test_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_consent_nothing_is_stored_or_sent),
        cmocka_unit_test(withdrawing_leaves_no_bytes),
        cmocka_unit_test(ids_are_unique_and_version_7),
        cmocka_unit_test(a_session_counts_from_zero_and_users_change),
        cmocka_unit_test(an_event_has_every_field),
        cmocka_unit_test(a_long_pause_ends_the_session),
        cmocka_unit_test(coming_back_ends_the_back_off),
        cmocka_unit_test(wrong_events_are_refused_and_leave_no_trace),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(one_client_a_directory),
        cmocka_unit_test(memory_is_taken_at_open_only),
        cmocka_unit_test(it_runs_without_threads),
        cmocka_unit_test(threads_may_track_at_once),
        cmocka_unit_test(close_and_withdrawal_end_a_request_that_hangs),
        cmocka_unit_test(the_worker_writes_without_being_asked),
        cmocka_unit_test(consent_may_change_while_threads_track),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
