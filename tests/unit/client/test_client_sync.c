/*
 * test_client_sync.c - what sync confirmed is on disk, while a request hangs too; reports of health
 *
 * Method: a worker whose request hangs in a transport that asks should_stop as the real one does;
 * the files are read from outside, as a kill would leave them. Reports are read from the bodies
 * that the server of fake.h gets.
 */
#include "fake.h"

#include "core/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- a request that hangs ---- */

struct hanging {
    atomic_bool is_hanging; /* a request is there */
    atomic_bool may_end;
    bool asks; /* asks should_stop, as a transport must */
};

static void post_hanging(void *http, const struct playtrace_http_request *request,
                         struct playtrace_http_response *response)
{
    struct hanging *h = http;

    h->is_hanging = true;
    while (!h->may_end && !(h->asks && request->should_stop(request->stop_ctx))) {
        usleep(1000);
    }
    response->status = 0;
}

static struct playtrace *open_hanging(struct hanging *h, const char *dir)
{
    struct playtrace_platform platform;
    struct playtrace_options options = fake_worker_options(&platform, dir, h, post_hanging);
    struct playtrace *p = NULL;

    options.report_health = false;
    options.batch_events_max = 1;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    return p;
}

static void await_hanging(struct hanging *h)
{
    while (!h->is_hanging) {
        usleep(1000);
    }
}

/* Events that a client opened now would find: on a copy, since the directory is locked. */
static uint64_t count_on_disk(const char *dir)
{
    char *copy = pt_test_dir_create();
    char *command = pt_strf("cp %s/* %s/", dir, copy);
    struct fake *fake = fake_create();
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    PT_CHECK(system(command) == 0); /* NOLINT: a copy in a test */
    p = fake_open(fake, copy);
    playtrace_stats(p, &stats);
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_free(command);
    pt_test_dir_remove(copy);
    return stats.recovered;
}

static void sync_does_not_wait_for_the_network(void **state)
{
    char *dir = pt_test_dir_create();
    struct hanging h = {.asks = true};
    struct playtrace *p = open_hanging(&h, dir);

    (void)state;
    fake_track(p, 1);
    await_hanging(&h);
    for (unsigned i = 1; i <= 5; i++) {
        fake_track(p, 10);
        PT_CHECK(playtrace_sync(p, 60000) == PLAYTRACE_OK);
        PT_CHECK(count_on_disk(dir) == 1 + i * 10);
    }
    h.may_end = true;
    (void)playtrace_close(p, 0);
    pt_test_dir_remove(dir);
}

static size_t ring_bytes(struct playtrace *p)
{
    size_t bytes = 0;

    pt_client_lock(p);
    bytes = p->active_bytes;
    pt_client_unlock(p);
    return bytes;
}

static void the_ring_is_written_while_a_request_hangs(void **state)
{
    char *dir = pt_test_dir_create();
    struct hanging h = {.asks = true};
    struct playtrace *p = open_hanging(&h, dir);
    struct playtrace_stats stats;

    (void)state;
    fake_track(p, 1);
    await_hanging(&h);
    /* Far more than the ring holds. */
    for (unsigned i = 0; i < 40; i++) {
        fake_track(p, 100);
        while (ring_bytes(p) > p->half_bytes / 2) {
            usleep(1000);
        }
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_ring == 0);
    h.may_end = true;
    (void)playtrace_close(p, 0);
    PT_CHECK(count_on_disk(dir) == 4001);
    pt_test_dir_remove(dir);
}

static void sync_gives_up_when_its_time_is_over(void **state)
{
    char *dir = pt_test_dir_create();
    struct hanging h = {.asks = false};
    struct playtrace *p = open_hanging(&h, dir);

    (void)state;
    fake_track(p, 1);
    await_hanging(&h);
    fake_track(p, 1);
    PT_CHECK(playtrace_sync(p, 30) == PLAYTRACE_QUEUED);
    h.may_end = true;
    PT_CHECK(playtrace_sync(p, 60000) == PLAYTRACE_OK);
    (void)playtrace_close(p, 0);
    pt_test_dir_remove(dir);
}

#define SYNC_THREADS 4

struct syncing {
    pthread_t thread;
    struct playtrace *p;
    atomic_uint *confirmed;
};

static void *track_and_sync(void *arg)
{
    struct syncing *s = arg;

    for (unsigned i = 0; i < 25; i++) {
        fake_track(s->p, 3);
        PT_CHECK(playtrace_sync(s->p, 60000) == PLAYTRACE_OK);
        atomic_fetch_add(s->confirmed, 3);
    }
    return NULL;
}

static void many_threads_sync_at_once(void **state)
{
    char *dir = pt_test_dir_create();
    struct hanging h = {.asks = true};
    struct playtrace *p = open_hanging(&h, dir);
    struct syncing threads[SYNC_THREADS];
    atomic_uint confirmed = 0;

    (void)state;
    for (unsigned i = 0; i < SYNC_THREADS; i++) {
        threads[i].p = p;
        threads[i].confirmed = &confirmed;
        PT_CHECK(pthread_create(&threads[i].thread, NULL, track_and_sync, &threads[i]) == 0);
    }
    for (unsigned i = 0; i < SYNC_THREADS; i++) {
        PT_CHECK(pthread_join(threads[i].thread, NULL) == 0);
    }
    PT_CHECK(confirmed == 75 * SYNC_THREADS && count_on_disk(dir) == confirmed);
    h.may_end = true;
    (void)playtrace_close(p, 0);
    pt_test_dir_remove(dir);
}

static unsigned synced;
static bool syncs_fail;

static int count_sync(void *ctx, void *file)
{
    (void)ctx;
    (void)file;
    synced++;
    return syncs_fail ? -1 : 0;
}

static void sync_syncs_what_was_written_and_says_when_it_failed(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = NULL;
    struct playtrace_stats stats;

    (void)state;
    fake->platform.file_sync = count_sync;
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_sync(NULL, 0) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK);
    fake_track(p, 3);
    synced = 0;
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK && synced == 1);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK && synced == 1); /* nothing new */
    fake_track(p, 1);
    PT_CHECK(playtrace_track_with(p, "buy", NULL, PLAYTRACE_PRIORITY_HIGH, NULL) == PLAYTRACE_OK);
    syncs_fail = true;
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_IO);
    syncs_fail = false;
    playtrace_stats(p, &stats);
    PT_CHECK(stats.io_failures > 0 && stats.queued == 5);
    synced = 0;
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK && synced >= 2); /* both lanes, again */
    fake_kill_files_at(fake, 1);
    p->platform = fake->platform;
    fake_track(p, 1);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_IO);
    fake_kill_files_at(fake, 0);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK && count_on_disk(dir) == 6);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_NONE) == PLAYTRACE_OK);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_NO_CONSENT);
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* ---- reports ---- */

struct reports {
    unsigned self_tests;
    char self_test[512];
    unsigned drops;
    unsigned long by_reason[3]; /* ring, budget, refused */
    bool refuses;               /* all events, reports included */
};

static bool read_reports(struct fake *fake, uint32_t events,
                         struct playtrace_http_response *response)
{
    struct reports *r = fake->answer_arg;

    for (const char *at = fake->last_body; (at = strstr(at, "\"event_name\":\"playtrace_")) != NULL;
         at++) {
        const char *attributes = strstr(at, "\"attributes\":");

        PT_CHECK(attributes != NULL);
        attributes += strlen("\"attributes\":");
        if (strncmp(at + 14, "playtrace_self_test", 19) == 0) {
            r->self_tests++;
            (void)snprintf(r->self_test, sizeof(r->self_test), "%.*s",
                           (int)(strchr(attributes, '}') - attributes + 1), attributes);
        } else {
            char reason[16];
            unsigned long count = 0;
            static const char *const names[] = {"ring", "budget", "refused"};

            PT_CHECK(
                sscanf(attributes, "{\"reason\":\"%15[a-z]\",\"count\":%lu}", reason, &count) == 2);
            r->drops++;
            for (size_t i = 0; i < 3; i++) {
                r->by_reason[i] += strcmp(reason, names[i]) == 0 ? count : 0;
            }
        }
    }
    if (r->refuses) {
        fake_receipt(response, 0, events);
    }
    return r->refuses;
}

static struct playtrace *open_reporting(struct fake *fake, const char *dir, uint64_t budget,
                                        enum playtrace_consent consent)
{
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    options.report_health = true;
    options.consent = consent;
    options.queue_bytes_max = budget;
    options.signing_secret = "secret";
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    return p;
}

static int wrong_hmac(void *ctx, const void *key, size_t key_bytes, const void *data, size_t bytes,
                      uint8_t out[32])
{
    (void)ctx;
    (void)key;
    (void)key_bytes;
    (void)data;
    (void)bytes;
    memset(out, 1, 32);
    return 0;
}

static void each_open_tests_itself_once(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct reports r = {0};
    struct playtrace *p = NULL;

    (void)state;
    fake->answer = read_reports;
    fake->answer_arg = &r;
    p = open_reporting(fake, dir, 1u << 20, PLAYTRACE_CONSENT_NONE);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_NO_CONSENT && r.self_tests == 0);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 3; i++) {
        fake_track(p, 1);
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
        (void)playtrace_flush(p, 1000);
    }
    PT_CHECK(r.self_tests == 1);
    PT_CHECK(strstr(r.self_test, "\"ok\":true") && strstr(r.self_test, "\"hmac\":true") &&
             strstr(r.self_test, "\"seal\":null") && strstr(r.self_test, "\"recovered\":0"));
    fake_track(p, 4);
    fake_check_balance(p);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    fake->platform.hmac_sha256 = wrong_hmac;
    fake->wall_us = 0; /* a clock that was never set */
    p = open_reporting(fake, dir, 1u << 20, PLAYTRACE_CONSENT_GIVEN);
    (void)playtrace_flush(p, 1000);
    (void)playtrace_flush(p, 1000);
    PT_CHECK(r.self_tests == 2);
    PT_CHECK(strstr(r.self_test, "\"ok\":false") && strstr(r.self_test, "\"hmac\":false") &&
             strstr(r.self_test, "\"clock\":false") && strstr(r.self_test, "\"recovered\":4"));
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void what_was_dropped_is_told_when_there_is_room(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct reports r = {0};
    struct playtrace *p = open_reporting(fake, dir, 300000, PLAYTRACE_CONSENT_GIVEN);
    struct playtrace_stats stats;

    (void)state;
    fake->answer = read_reports;
    fake->answer_arg = &r;
    for (unsigned i = 0; i < 20; i++) {
        fake_track(p, 100);
        (void)playtrace_flush(p, 0);
        fake_advance_ms(fake, 20000);
    }
    while (playtrace_track(p, "tick", NULL) == PLAYTRACE_OK) {
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_budget > 500 && stats.dropped_ring == 1);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 100000) == PLAYTRACE_OK);
    p = open_reporting(fake, dir, 300000, PLAYTRACE_CONSENT_GIVEN);
    (void)playtrace_flush(p, 1000);
    (void)playtrace_flush(p, 1000);
    PT_CHECK(r.drops >= 2 && r.by_reason[0] == 1 && r.by_reason[1] > 500);
    PT_CHECK(r.by_reason[1] + fake->taken_count >= 2000);
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void refused_reports_breed_no_reports(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct reports r = {.refuses = true};
    struct playtrace *p = open_reporting(fake, dir, 1u << 20, PLAYTRACE_CONSENT_GIVEN);

    (void)state;
    fake->answer = read_reports;
    fake->answer_arg = &r;
    fake_track(p, 1);
    for (unsigned i = 0; i < 500; i++) {
        fake_advance_ms(fake, 20000);
        (void)playtrace_pump(p);
    }
    PT_CHECK(r.drops >= 1 && r.drops < 8 && r.by_reason[2] >= 2);
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_does_not_wait_for_the_network),
        cmocka_unit_test(the_ring_is_written_while_a_request_hangs),
        cmocka_unit_test(sync_gives_up_when_its_time_is_over),
        cmocka_unit_test(many_threads_sync_at_once),
        cmocka_unit_test(sync_syncs_what_was_written_and_says_when_it_failed),
        cmocka_unit_test(each_open_tests_itself_once),
        cmocka_unit_test(what_was_dropped_is_told_when_there_is_room),
        cmocka_unit_test(refused_reports_breed_no_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
