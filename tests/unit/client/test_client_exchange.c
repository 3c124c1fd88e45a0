/*
 * test_client_exchange.c - one request at a time, whoever owns the network
 *
 * Method: the server in memory behind an asynchronous transport that answers after so many polls,
 * or never; it fails the test when a second request is begun, or polled where there is none. The
 * clock moves only when told.
 */
#include "fake.h"

static void pump_never_waits_for_an_answer(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_stats stats;
    struct playtrace *p = NULL;
    unsigned pumps = 0;

    (void)state;
    fake_be_asynchronous(fake, 7);
    p = fake_open(fake, dir);
    fake_track(p, 250);
    while (playtrace_pump(p) != PLAYTRACE_OK) {
        if (pumps == 3) { /* while the first batch is on its way */
            PT_CHECK(fake->under_way && fake->requests == 0);
            fake_track(p, 1);
        }
        PT_CHECK(++pumps < 100);
        fake_advance_ms(fake, pumps < 20 ? 1 : 1000);
    }
    PT_CHECK(fake->slept_ms == 0 && fake->taken_count == 251);
    PT_CHECK(fake->requests == 3 && fake->batch_sizes[0] == 100 && fake->batch_sizes[2] == 51);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.delivered == 251 && stats.send_attempts == 3 && stats.retries == 0);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void flush_and_close_wait_within_their_limits(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    (void)state;
    fake_be_asynchronous(fake, 20);
    p = fake_open(fake, dir);
    fake_track(p, 10);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK && fake->taken_count == 10);
    PT_CHECK(fake->slept_ms > 0 && fake->slept_ms <= 200);
    fake->polls_before_answer = -1;
    fake_track(p, 10);
    fake->slept_ms = 0;
    PT_CHECK(playtrace_flush(p, 300) == PLAYTRACE_QUEUED && fake->under_way);
    PT_CHECK(fake->slept_ms >= 290 && fake->slept_ms <= 310 && fake->cancels == 0);
    fake->polls_left = 0; /* the answer comes between the two flushes: nothing is sent twice */
    PT_CHECK(playtrace_flush(p, 300) == PLAYTRACE_OK && fake->requests == 2);
    PT_CHECK(fake->taken_count == 20 && fake->taken[19].times == 1);

    fake_track(p, 10);
    fake->slept_ms = 0;
    PT_CHECK(playtrace_close(p, 300) == PLAYTRACE_QUEUED);
    PT_CHECK(fake->slept_ms <= 310 && fake->cancels == 1 && !fake->under_way);
    fake->polls_before_answer = 0;
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_flush(p, 300) == PLAYTRACE_OK && fake->taken_count == 30);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.recovered == 10 && stats.delivered == 10);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void a_transport_that_never_answers_is_given_up(void **state)
{
    static const int manners[] = {-1, -2}; /* never done; cannot even begin */

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace_stats stats;
        struct playtrace *p = NULL;

        fake_be_asynchronous(fake, manners[i]);
        p = fake_open(fake, dir);
        fake_track(p, 10);
        fake_advance_ms(fake, 10000);
        for (unsigned pumps = 0; pumps < 40; pumps++) { /* 40 s: more than one request's time */
            PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED);
            fake_advance_ms(fake, 1000);
        }
        playtrace_stats(p, &stats);
        PT_CHECK(stats.send_attempts >= 2 && stats.retries == stats.send_attempts - 1);
        PT_CHECK(fake->cancels >= (manners[i] == -1 ? 1 : 0) && stats.queued == 10);
        fake->polls_before_answer = 0;
        fake->polls_left = 0;
        for (unsigned pumps = 0; playtrace_pump(p) != PLAYTRACE_OK; pumps++) {
            PT_CHECK(pumps < 310); /* no wait is longer than 300 s */
            fake_advance_ms(fake, 1000);
        }
        PT_CHECK(fake->taken_count == 10 && fake->taken[0].times == 1);
        fake_check_balance(p);
        fake_end(fake, p, dir);
    }
}

static void withdrawn_consent_cancels_the_request(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    (void)state;
    fake_be_asynchronous(fake, -1);
    p = fake_open(fake, dir);
    fake_track(p, 100);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->under_way);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(fake->cancels == 1 && !fake->under_way && fake->taken_count == 0);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.withdrawn == 100 && stats.queued == 1); /* what tells of it */
    fake->polls_before_answer = 0;
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    fake_track(p, 5);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK && fake->taken_count == 6);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void the_worker_polls(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options;
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    (void)state;
    fake_be_asynchronous(fake, 3);
    fake->platform.clock_ctx = NULL; /* the worker needs a clock that moves */
    fake->platform.wall_us = fake->real.wall_us;
    fake->platform.mono_us = fake->real.mono_us;
    fake->platform.sleep_ms = fake->real.sleep_ms;
    options = fake_options(fake, dir);
    options.without_worker = false;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 300);
    PT_CHECK(playtrace_flush(p, 20000) == PLAYTRACE_OK);
    fake_track(p, 300);
    PT_CHECK(playtrace_close(p, 20000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 600 && fake->requests >= 6);

    fake->polls_before_answer = -1;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 100);
    do {
        (void)playtrace_flush(p, 5);
        playtrace_stats(p, &stats);
    } while (stats.send_attempts == 0);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    /* What tells the server so is on its way by now, and never answered either. */
    PT_CHECK(playtrace_close(p, 20) == PLAYTRACE_QUEUED);
    PT_CHECK(fake->cancels >= 1 && !fake->under_way && fake->taken_count == 600);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* A proxy that answered one request twice: from then on each answer is to the request before. */
static void late_post(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response)
{
    struct fake *fake = http;
    char *late = fake->answer_arg;
    const char *header = fake_header(request, "traceparent: ");
    char trace[64];

    (void)snprintf(trace, sizeof(trace), "%s", header ? header : "");
    if (request->wants_new_connection) {
        late[0] = '\0';
    }
    if (late[0] != '\0') {
        fake_receipt(response, 100, 0); /* and the request is lost */
        memcpy(response->traceresponse, late, sizeof(trace));
    } else {
        fake_post(http, request, response);
        memcpy(response->traceresponse, trace, sizeof(trace));
    }
    memcpy(late, trace, sizeof(trace));
}

static void an_answer_to_another_request_settles_nothing(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_stats stats;
    struct playtrace *p = NULL;
    char late[64] = "";

    (void)state;
    fake->answer_arg = late;
    fake->platform.http_post = late_post;
    p = fake_open(fake, dir);
    fake_track(p, 300);
    PT_CHECK(playtrace_flush(p, 60000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 300 && fake->requests == 3);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.send_attempts == 5 && stats.retries == 2);
    fake_end(fake, p, dir);
}

static void a_table_without_a_whole_transport_is_refused(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    (void)state;
    fake->platform.http_post = NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID && !p);
    fake_be_asynchronous(fake, 0);
    fake->platform.http_cancel = NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID && !p);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pump_never_waits_for_an_answer),
        cmocka_unit_test(flush_and_close_wait_within_their_limits),
        cmocka_unit_test(a_transport_that_never_answers_is_given_up),
        cmocka_unit_test(withdrawn_consent_cancels_the_request),
        cmocka_unit_test(the_worker_polls),
        cmocka_unit_test(an_answer_to_another_request_settles_nothing),
        cmocka_unit_test(a_table_without_a_whole_transport_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
