/*
 * test_client_misuse.c - calls that must not be made: statuses, never crashes, and said
 *
 * Method: NULL and nonsense for every function, in every build. Calls after close and from a signal
 * handler are caught by builds without NDEBUG; elsewhere they may hang, so those tests are skipped.
 */
#include "fake.h"

#include <pthread.h>
#include <signal.h>

static void null_is_a_status(void **state)
{
    struct playtrace_flag_details details;
    struct playtrace_consent_record record;
    struct playtrace_event e;
    struct playtrace_stats stats;
    char id[PLAYTRACE_ID_TEXT_BYTES] = "x";
    char text[8];

    (void)state;
    playtrace_event_init(&e, "tick");
    PT_CHECK(playtrace_open(NULL, NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track(NULL, "tick", NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track_id(NULL, "tick", NULL, id) == PLAYTRACE_INVALID && id[0] == '\0');
    PT_CHECK(playtrace_track_id(NULL, "tick", NULL, NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track_with(NULL, "tick", NULL, PLAYTRACE_PRIORITY_HIGH, NULL) ==
             PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track_with(NULL, NULL, NULL, (enum playtrace_priority)9, NULL) ==
             PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track_event(NULL, &e, NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_user(NULL, "u") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent(NULL, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent_for(NULL, 3, "v") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_get_consent(NULL) == PLAYTRACE_CONSENT_NONE);
    playtrace_get_consent_record(NULL, &record);
    playtrace_get_consent_record(NULL, NULL);
    PT_CHECK(playtrace_session_start(NULL) == PLAYTRACE_INVALID);
    playtrace_session_id(NULL, id);
    playtrace_session_id(NULL, NULL);
    PT_CHECK(playtrace_pause(NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_resume(NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_sync(NULL, 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flush(NULL, 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_pump(NULL) == PLAYTRACE_INVALID);
    playtrace_stats(NULL, &stats);
    playtrace_stats(NULL, NULL);
    PT_CHECK(stats.tracked == 0);
    PT_CHECK(playtrace_flag_bool(NULL, "f", true));
    PT_CHECK(playtrace_flag_int(NULL, "f", 7) == 7);
    PT_CHECK(playtrace_flag_string(NULL, "f", "d", text, sizeof(text)) == 1 && text[0] == 'd');
    PT_CHECK(playtrace_flag_details(NULL, "f", &details) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flags_refresh(NULL, 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flags_generation(NULL) == 0);
    PT_CHECK(playtrace_close(NULL, 1) == PLAYTRACE_OK);
    PT_CHECK(strcmp(playtrace_status_name((enum playtrace_status)99), "unknown") == 0);
}

static struct playtrace *signalled;
static int raise_in; /* the Nth lock from now on is interrupted; 0: none */
static volatile sig_atomic_t handled;
static void (*lock_for_real)(void *ctx, void *mutex);

static void on_signal(int number)
{
    (void)number;
    handled = playtrace_track(signalled, "tick", NULL) == PLAYTRACE_INVALID &&
                      playtrace_flush(signalled, 10) == PLAYTRACE_INVALID &&
                      playtrace_set_consent(signalled, PLAYTRACE_CONSENT_NONE) == PLAYTRACE_INVALID
                  ? 1
                  : -1;
}

/* A signal strikes while the lock is held. */
static void lock_and_raise(void *ctx, void *mutex)
{
    lock_for_real(ctx, mutex);
    if (raise_in > 0 && --raise_in == 0) {
        (void)raise(SIGUSR1);
    }
}

static char said[512];

static void say(void *ctx, enum playtrace_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)snprintf(said, sizeof(said), "%s", text);
}

static bool is_looked_for(void)
{
#ifdef NDEBUG
    print_message("only builds without NDEBUG look\n");
    return false;
#else
    return true;
#endif
}

static void a_call_from_a_signal_handler_is_refused(void **state)
{
    char *dir = NULL;
    struct fake *fake = NULL;
    struct playtrace_options options;
    struct sigaction action = {0};
    struct playtrace_stats stats;
    unsigned before = playtrace_misuse_count();

    (void)state;
    if (!is_looked_for()) {
        PT_CHECK(before == 0);
        skip();
    }
    dir = pt_test_dir_create();
    fake = fake_create();
    lock_for_real = fake->platform.mutex_lock;
    fake->platform.mutex_lock = lock_and_raise;
    options = fake_options(fake, dir);
    options.log = say;
    action.sa_handler = on_signal;
    PT_CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    PT_CHECK(playtrace_open(&signalled, &options) == PLAYTRACE_OK);
    raise_in = 1;
    PT_CHECK(playtrace_track(signalled, "tick", NULL) == PLAYTRACE_OK); /* is not harmed */
    PT_CHECK(handled == 1);
    PT_CHECK(playtrace_misuse_count() == before + 3);
    PT_CHECK(playtrace_pump(signalled) == PLAYTRACE_OK || fake->taken_count == 0);
    PT_CHECK(strstr(said, "3 calls were refused: made after close, or from a signal handler"));
    PT_CHECK(playtrace_track(signalled, "tick", NULL) == PLAYTRACE_OK);
    playtrace_stats(signalled, &stats);
    PT_CHECK(stats.tracked == 2 && playtrace_get_consent(signalled) == PLAYTRACE_CONSENT_GIVEN);
    PT_CHECK(playtrace_close(signalled, 1000) == PLAYTRACE_OK && fake->taken_count == 2);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void a_call_after_close_is_refused(void **state)
{
    char *dir = NULL;
    struct fake *fake = NULL;
    struct playtrace *p = NULL;
    struct playtrace_stats stats;
    unsigned before = playtrace_misuse_count();

    (void)state;
    if (!is_looked_for()) {
        skip();
    }
    dir = pt_test_dir_create();
    fake = fake_create();
    for (unsigned round = 0; round < 100; round++) { /* an address comes back as a new client */
        p = fake_open(fake, dir);
        PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
        PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    }
    PT_CHECK(playtrace_misuse_count() == before);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flush(p, 10) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_NONE) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_close(p, 10) == PLAYTRACE_INVALID); /* twice */
    PT_CHECK(playtrace_flag_bool(p, "f", true));
    playtrace_stats(p, &stats);
    PT_CHECK(stats.tracked == 0);
    PT_CHECK(playtrace_misuse_count() == before + 7);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* Eight threads with nothing but bad input: each call is counted, nothing is stored. */
static void *track_badly(void *arg)
{
    static const char *const bad[] = {"[]", "{\"a\":NaN}", "{\"a\":\"\xff\"}", "{\"a\":1e999}", ""};

    for (unsigned i = 0; i < 2000; i++) {
        struct playtrace_event e;

        PT_CHECK(playtrace_track(arg, "tick", bad[i % 5]) == PLAYTRACE_INVALID);
        PT_CHECK(playtrace_track(arg, "\xff", NULL) == PLAYTRACE_INVALID);
        playtrace_event_init(&e, "no name");
        PT_CHECK(playtrace_track_event(arg, &e, NULL) == PLAYTRACE_INVALID);
    }
    return NULL;
}

static void bad_input_from_many_threads_is_counted(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;
    pthread_t threads[8];

    (void)state;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 8; i++) {
        PT_CHECK(pthread_create(&threads[i], NULL, track_badly, p) == 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        PT_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.invalid == 48000 && stats.tracked == 0 && stats.queued == 0);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK && fake->requests == 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* The wall clock runs wild, back and forth over centuries: every event stays an event. */
static void a_wild_wall_clock_loses_nothing(void **state)
{
    static const int64_t walls_us[] = {0,
                                       -1,
                                       INT64_C(4102444800000000),
                                       1,
                                       INT64_C(1793534400000000),
                                       INT64_C(253402300799999999),
                                       INT64_C(-62135596800000000)};
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);

    (void)state;
    for (size_t i = 0; i < sizeof(walls_us) / sizeof(walls_us[0]); i++) {
        fake->wall_us = walls_us[i];
        fake_track(p, 1);
        fake->mono_us += 60000000;
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK);
        /* The server refuses what lies before 1970. */
        PT_CHECK(strstr(fake->last_body, "\"occurred_at\":\"0") == NULL);
        PT_CHECK(strstr(fake->last_body, "\"occurred_at\":\"1969") == NULL);
        PT_CHECK(strstr(fake->last_body, "\"sent_at\":\"0") == NULL);
    }
    PT_CHECK(fake->taken_count == sizeof(walls_us) / sizeof(walls_us[0]));
    fake_end(fake, p, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_a_status),
        cmocka_unit_test(a_call_from_a_signal_handler_is_refused),
        cmocka_unit_test(a_call_after_close_is_refused),
        cmocka_unit_test(bad_input_from_many_threads_is_counted),
        cmocka_unit_test(a_wild_wall_clock_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
