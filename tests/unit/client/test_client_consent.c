/*
 * test_client_consent.c - what the player decides holds, on the disk and on the wire
 *
 * Method: the public functions with the fake clock and server; the directory is read back as
 * bytes, every request body is searched, and each file call in turn is the process's last.
 */
#include "disk.h"
#include "fake.h"

#include "wire/frame.h"

#include <fcntl.h>
#include <unistd.h>

static void check_last_body(struct fake *fake, const char *part)
{
    if (!strstr(fake->last_body, part)) {
        fail_msg("%s is not in %s", part, fake->last_body);
    }
}

/* The directory is as it is for a player who withdrew: lock and state, and no id in them. */
static void check_nothing_but_the_decision(const char *dir, const char *install_id)
{
    size_t bytes = 0;

    PT_CHECK(!disk_holds(dir, install_id, &bytes) && bytes == 0);
    PT_CHECK(!disk_holds(dir, "player", &bytes));
    PT_CHECK(!disk_holds(dir, "tick", &bytes));
    PT_CHECK(!disk_holds(dir, "playtrace_consent", &bytes));
}

static void a_withdrawal_is_told_once_with_its_ids(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_consent_record record;

    (void)state;
    PT_CHECK(playtrace_set_consent_for(p, PLAYTRACE_PURPOSES_ALL, "2026-\"11\"") == PLAYTRACE_OK);
    fake_track(p, 2);
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
    fake_track(p, 3);
    fake_advance_ms(fake, 1500);
    PT_CHECK(playtrace_set_consent_for(p, 0, "v3") == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
    PT_CHECK(fake->requests == 2 && fake->taken_count == 3);
    PT_CHECK(strcmp(fake->taken[2].name, "playtrace_consent") == 0);
    PT_CHECK(strcmp(fake->taken[2].install_id, fake->taken[0].install_id) == 0);
    PT_CHECK(strcmp(fake->taken[2].session_id, fake->taken[0].session_id) == 0);
    PT_CHECK(strcmp(fake->taken[2].user_id, "player") == 0 && fake->taken[2].seq == 5);
    check_last_body(fake, "\"attributes\":{\"state\":\"withdrawn\",\"purposes\":[],"
                          "\"policy_version\":\"v3\","
                          "\"decided_at\":\"2026-11-01T12:00:01.500000Z\"}}]}");
    check_nothing_but_the_decision(dir, fake->taken[0].install_id);
    /* The same again, time, and restarts change nothing. */
    for (unsigned i = 0; i < 3; i++) {
        PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
        PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
        fake_advance_ms(fake, 3600000);
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK);
        PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_NO_CONSENT);
        PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
        p = fake_open(fake, dir);
    }
    playtrace_get_consent_record(p, &record);
    PT_CHECK(record.consent == PLAYTRACE_CONSENT_WITHDRAWN && record.purposes == 0);
    PT_CHECK(strcmp(record.policy_version, "v3") == 0);
    PT_CHECK(record.decided_us == INT64_C(1793534401500000));
    PT_CHECK(fake->requests == 2);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    check_nothing_but_the_decision(dir, fake->taken[0].install_id);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void nothing_given_nothing_told(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    (void)state;
    options.consent = PLAYTRACE_CONSENT_NONE;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_set_consent_for(p, 0, "v1") == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_NO_CONSENT);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    /* "Not decided" again after given: forgotten, but no withdrawal. */
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_WITHDRAWN);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    fake_track(p, 1);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_NONE) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_OK);
    PT_CHECK(fake->requests == 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void offline_the_notice_waits_over_restarts(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;
    size_t bytes = 0;

    (void)state;
    fake->answer = fake_busy;
    fake_track(p, 3);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 3; i++) {
        PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_QUEUED);
        PT_CHECK(!disk_holds(dir, "tick", &bytes) && bytes > 0);
        p = fake_open(fake, dir);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.recovered == 1 && stats.queued == 1);
        fake_check_balance(p);
    }
    fake->answer = NULL;
    fake_advance_ms(fake, 600000);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK); /* without being asked to flush */
    PT_CHECK(fake->taken_count == 1 && fake->taken[0].times == 1);
    PT_CHECK(strcmp(fake->taken[0].name, "playtrace_consent") == 0);
    fake_check_balance(p);
    check_nothing_but_the_decision(dir, fake->taken[0].install_id);
    fake_end(fake, p, dir);
}

/* Given, withdrawn, given … without a network: each end is told of, in order, before what follows.
 */
static void every_withdrawal_is_told_even_if_consent_came_back(void **state)
{
    enum { ROUNDS = 5 };
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);

    (void)state;
    fake->answer = fake_busy;
    for (unsigned i = 0; i < ROUNDS; i++) {
        PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
        fake_track(p, 1);
        PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    }
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    fake_track(p, 1);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    fake->answer = NULL;
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == ROUNDS + 1);
    for (unsigned i = 0; i <= ROUNDS; i++) {
        PT_CHECK(strcmp(fake->taken[i].name, i < ROUNDS ? "playtrace_consent" : "tick") == 0);
        for (unsigned k = 0; k < i; k++) {
            PT_CHECK(strcmp(fake->taken[i].install_id, fake->taken[k].install_id) != 0);
        }
    }
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void notices_have_a_bound_and_the_newest_stay(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;
    size_t bytes = 0;

    (void)state;
    fake->answer = fake_busy;
    for (unsigned i = 0; i < 200; i++) {
        char policy[8];

        (void)snprintf(policy, sizeof(policy), "v%u", i);
        PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
        PT_CHECK(playtrace_set_consent_for(p, 0, policy) == PLAYTRACE_OK);
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.queued > 10 && stats.dropped_budget == 200 - stats.queued);
    fake_check_balance(p);
    PT_CHECK(!disk_holds(dir, "\"v0\"", &bytes) && bytes <= 40000);
    PT_CHECK(disk_holds(dir, "\"v199\"", &bytes));
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void purposes_are_taken_back_one_by_one(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_consent_record record;
    size_t bytes = 0;

    (void)state;
    PT_CHECK(playtrace_track(p, "experiment_exposure", "{\"variant\":\"b\"}") == PLAYTRACE_OK);
    PT_CHECK(playtrace_set_consent_for(p, PLAYTRACE_PURPOSE_ANALYTICS, NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "experiment_exposure", NULL) == PLAYTRACE_NO_CONSENT);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
    PT_CHECK(!disk_holds(dir, "experiment_exposure", &bytes));
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 2 && strcmp(fake->taken[0].name, "playtrace_consent") == 0);
    PT_CHECK(strcmp(fake->taken[1].name, "tick") == 0);
    PT_CHECK(strcmp(fake->taken[0].install_id, fake->taken[1].install_id) == 0);
    /* More is no withdrawal, and a new policy alone is a new record. */
    fake_advance_ms(fake, 1000);
    PT_CHECK(playtrace_set_consent_for(p, PLAYTRACE_PURPOSES_ALL, "v2") == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "experiment_exposure", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 3);
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    playtrace_get_consent_record(p, &record);
    PT_CHECK(record.purposes == PLAYTRACE_PURPOSES_ALL && strcmp(record.policy_version, "v2") == 0);
    PT_CHECK(record.decided_us == INT64_C(1793534401000000));
    PT_CHECK(playtrace_set_consent_for(p, PLAYTRACE_PURPOSE_EXPERIMENTS, "v2") == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
    PT_CHECK(playtrace_track(p, "experiment_exposure", NULL) == PLAYTRACE_OK);
    fake->answer = fake_busy; /* to see the notice's body */
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_QUEUED);
    check_last_body(fake, "{\"state\":\"given\",\"purposes\":[\"experiments\"],"
                          "\"policy_version\":\"v2\",");
    fake->answer = NULL;
    fake_advance_ms(fake, 600000);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 5);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void wrong_decisions_change_nothing(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    char long_policy[PLAYTRACE_POLICY_BYTES_MAX + 2];

    (void)state;
    memset(long_policy, 'x', sizeof(long_policy));
    long_policy[sizeof(long_policy) - 1] = '\0';
    PT_CHECK(playtrace_set_consent_for(p, 4, NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent_for(p, 0, long_policy) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent_for(p, 0, "\xff") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent_for(p, 0, "") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent(p, (enum playtrace_consent)3) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_consent_for(NULL, 0, NULL) == PLAYTRACE_INVALID);
    playtrace_get_consent_record(p, NULL);
    PT_CHECK(playtrace_get_consent(NULL) == PLAYTRACE_CONSENT_NONE);
    PT_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_GIVEN);
    fake_end(fake, p, dir);
}

/* Killed at any file call of a withdrawal: either the old decision stands, whole, or the next open
 * ends what was begun: one notice, and nothing else. */
static void a_withdrawal_killed_halfway_is_finished_by_the_next_open(void **state)
{
    bool was_dead = true;
    unsigned finished = 0;

    (void)state;
    for (unsigned call = 1; was_dead; call++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace *p = fake_open(fake, dir);
        size_t bytes = 0;

        fake_track(p, 10);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
        fake_kill_files_at(fake, UINT32_MAX);
        p = fake_open(fake, dir);
        fake_kill_files_at(fake, call);
        (void)playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN);
        PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
        was_dead = fake->is_dead;
        fake->answer = fake_busy;
        (void)playtrace_close(p, 0);
        fake->answer = NULL;
        fake_kill_files_at(fake, 0);
        p = fake_open(fake, dir);
        PT_CHECK(playtrace_flush(p, 600000) == PLAYTRACE_OK);
        if (playtrace_get_consent(p) == PLAYTRACE_CONSENT_GIVEN) {
            PT_CHECK(was_dead && fake->taken_count == 10);
            PT_CHECK(!disk_holds(dir, "playtrace_consent", &bytes));
        } else {
            finished++;
            PT_CHECK(fake->taken_count == 1 && fake->taken[0].times == 1);
            PT_CHECK(strcmp(fake->taken[0].name, "playtrace_consent") == 0);
            check_nothing_but_the_decision(dir, fake->taken[0].install_id);
        }
        (void)playtrace_close(p, 0);
        fake_destroy(fake);
        pt_test_dir_remove(dir);
        PT_CHECK(call < 40);
    }
    PT_CHECK(finished > 3);
}

/* The same for one purpose of two: what was kept for the other is not touched. */
static void a_purpose_taken_back_halfway_is_gone_after_the_next_open(void **state)
{
    bool was_dead = true;
    unsigned finished = 0;

    (void)state;
    for (unsigned call = 1; was_dead; call++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace *p = NULL;
        struct playtrace_consent_record record;
        size_t bytes = 0;

        fake_kill_files_at(fake, UINT32_MAX);
        p = fake_open(fake, dir);
        fake_track(p, 5);
        PT_CHECK(playtrace_track(p, "experiment_exposure", NULL) == PLAYTRACE_OK);
        PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK);
        fake->answer = fake_busy;
        fake_kill_files_at(fake, call);
        (void)playtrace_set_consent_for(p, PLAYTRACE_PURPOSE_ANALYTICS, NULL);
        was_dead = fake->is_dead;
        (void)playtrace_close(p, 0);
        fake->answer = NULL;
        fake_kill_files_at(fake, 0);
        p = fake_open(fake, dir);
        playtrace_get_consent_record(p, &record);
        if (record.purposes == PLAYTRACE_PURPOSE_ANALYTICS) {
            finished++;
            PT_CHECK(!disk_holds(dir, "experiment_exposure", &bytes));
        }
        PT_CHECK(playtrace_flush(p, 600000) == PLAYTRACE_OK);
        PT_CHECK(fake_count_taken(fake, "tick") == 5);
        PT_CHECK(fake_count_taken(fake, "experiment_exposure") == (record.purposes == 1 ? 0u : 1u));
        PT_CHECK(fake_count_taken(fake, "playtrace_consent") == (record.purposes == 1 ? 1u : 0u));
        PT_CHECK(!disk_holds(dir, "playtrace_consent", &bytes));
        (void)playtrace_close(p, 0);
        fake_destroy(fake);
        pt_test_dir_remove(dir);
        PT_CHECK(call < 40);
    }
    PT_CHECK(finished > 1);
}

/* Answered, and killed at any file call while the notice leaves: it may be sent twice, not lost. */
static void a_kill_after_the_receipt_repeats_the_notice_at_most(void **state)
{
    bool was_dead = true;

    (void)state;
    for (unsigned call = 1; was_dead; call++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace *p = fake_open(fake, dir);

        fake_kill_files_at(fake, UINT32_MAX);
        (void)playtrace_close(p, 0);
        p = fake_open(fake, dir);
        PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
        fake_kill_files_at(fake, call);
        (void)playtrace_flush(p, 100);
        was_dead = fake->is_dead;
        (void)playtrace_close(p, 0);
        fake_kill_files_at(fake, 0);
        p = fake_open(fake, dir);
        (void)playtrace_flush(p, 600000);
        PT_CHECK(fake->taken_count == 1 && fake->taken[0].times <= 2);
        check_nothing_but_the_decision(dir, fake->taken[0].install_id);
        (void)playtrace_close(p, 0);
        fake_destroy(fake);
        pt_test_dir_remove(dir);
    }
}

/* A directory as version 1 of the format left it. */
static void a_state_of_version_1_is_read(void **state)
{
    (void)state;
    for (unsigned consent = 0; consent <= 2; consent++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace_consent_record record;
        struct playtrace *p = NULL;
        uint8_t frame[PT_FRAME_HEADER_BYTES + 28] = {0};
        uint8_t *payload = frame + PT_FRAME_HEADER_BYTES;
        char *path = pt_strf("%s/state", dir);
        int file = open(path, O_WRONLY | O_CREAT, 0600);

        payload[0] = 1;
        payload[1] = (uint8_t)consent;
        payload[2] = consent == 1;
        pt_put_u64(payload + 4, consent == 1 ? 41 : 0);
        memset(payload + 12, consent == 1 ? 0xab : 0, 16);
        pt_frame_header(payload, 28, frame);
        PT_CHECK(file >= 0 && write(file, frame, sizeof(frame)) == (ssize_t)sizeof(frame));
        PT_CHECK(write(file, frame, sizeof(frame)) == (ssize_t)sizeof(frame) && close(file) == 0);
        for (unsigned round = 0; round < 3; round++) {
            p = fake_open(fake, dir);
            playtrace_get_consent_record(p, &record);
            PT_CHECK(record.consent == (enum playtrace_consent)consent);
            PT_CHECK(record.purposes == (consent == 1 ? 3u : 0u) && record.decided_us == 0);
            if (consent == 1) {
                fake_track(p, 1);
                PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
                PT_CHECK(fake->taken[round].boot == 42 + (int64_t)round);
                PT_CHECK(strcmp(fake->taken[round].install_id,
                                "abababab-abab-abab-abab-abababababab") == 0);
            }
            PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
        }
        pt_free(path);
        fake_destroy(fake);
        pt_test_dir_remove(dir);
    }
}

/* A clock that goes back between two decisions: the order of decisions stays. */
static void a_clock_that_goes_back_keeps_the_newest_decision(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_consent_record before;
    struct playtrace_consent_record after;

    (void)state;
    playtrace_get_consent_record(p, &before);
    fake->wall_us -= INT64_C(365) * 86400 * 1000000;
    fake->answer = fake_busy;
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    playtrace_get_consent_record(p, &after);
    PT_CHECK(before.decided_us == INT64_C(1793534400000000));
    PT_CHECK(after.decided_us == before.decided_us + 1);
    (void)playtrace_close(p, 0);
    fake->answer = NULL;
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_WITHDRAWN);
    PT_CHECK(playtrace_close(p, 600000) == PLAYTRACE_OK && fake->taken_count == 1);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* A time beyond all clocks in the file: the next decision is later still, and is told. */
static void a_time_beyond_all_clocks_is_brought_back(void **state)
{
    static const int64_t times[] = {INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace_consent_record before;
        struct playtrace_consent_record after;
        struct playtrace *p = NULL;
        uint8_t frame[PT_FRAME_HEADER_BYTES + 104] = {0};
        uint8_t *payload = frame + PT_FRAME_HEADER_BYTES;
        char *path = pt_strf("%s/state", dir);
        int file = open(path, O_WRONLY | O_CREAT, 0600);

        payload[0] = 2;
        payload[1] = PLAYTRACE_CONSENT_GIVEN;
        payload[2] = 1;
        payload[3] = PLAYTRACE_PURPOSES_ALL;
        memset(payload + 12, 0xab, 16);
        pt_put_u64(payload + 28, (uint64_t)times[i]);
        pt_frame_header(payload, 104, frame);
        PT_CHECK(file >= 0 && write(file, frame, sizeof(frame)) == (ssize_t)sizeof(frame));
        PT_CHECK(close(file) == 0);
        p = fake_open(fake, dir);
        playtrace_get_consent_record(p, &before);
        PT_CHECK(before.consent == PLAYTRACE_CONSENT_GIVEN);
        PT_CHECK(before.decided_us == (times[i] < 0 ? 0 : INT64_C(253402300799999999)));
        PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
        playtrace_get_consent_record(p, &after);
        PT_CHECK(after.decided_us > before.decided_us);
        PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK && fake->taken_count == 1);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
        pt_free(path);
        fake_destroy(fake);
        pt_test_dir_remove(dir);
    }
}

/* A file that cannot be removed holds up neither the decision nor its notice. */
static void a_notice_leaves_though_a_file_stays(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    char *stuck = pt_strf("%s/queue-00000077.log", dir);
    char *inside = pt_strf("%s/x", stuck);
    int file = -1;

    (void)state;
    PT_CHECK(mkdir(stuck, 0700) == 0);
    file = open(inside, O_WRONLY | O_CREAT, 0600);
    PT_CHECK(file >= 0 && close(file) == 0);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_IO);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 1 && fake->requests == 1);
    PT_CHECK(unlink(inside) == 0 && rmdir(stuck) == 0);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    pt_free(stuck);
    pt_free(inside);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

/* A notice is sealed on disk like any record, and the wrong key opens neither. */
static void with_a_key_the_notice_is_sealed(void **state)
{
    static const uint8_t keys[2][PLAYTRACE_KEY_BYTES] = {{1, 2, 3}, {9}};
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    size_t bytes = 0;

    (void)state;
    options.queue_key = keys[0];
    fake->answer = fake_busy;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 3);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    PT_CHECK(!disk_holds(dir, "player", &bytes) && bytes > 0);
    options.queue_key = keys[1];
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_KEY);
    options.queue_key = NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_KEY);
    options.queue_key = keys[0];
    fake->answer = NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_close(p, 600000) == PLAYTRACE_OK && fake->taken_count == 1);
    PT_CHECK(strcmp(fake->taken[0].user_id, "player") == 0);
    check_nothing_but_the_decision(dir, fake->taken[0].install_id);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_withdrawal_is_told_once_with_its_ids),
        cmocka_unit_test(nothing_given_nothing_told),
        cmocka_unit_test(offline_the_notice_waits_over_restarts),
        cmocka_unit_test(every_withdrawal_is_told_even_if_consent_came_back),
        cmocka_unit_test(notices_have_a_bound_and_the_newest_stay),
        cmocka_unit_test(purposes_are_taken_back_one_by_one),
        cmocka_unit_test(wrong_decisions_change_nothing),
        cmocka_unit_test(a_withdrawal_killed_halfway_is_finished_by_the_next_open),
        cmocka_unit_test(a_purpose_taken_back_halfway_is_gone_after_the_next_open),
        cmocka_unit_test(a_kill_after_the_receipt_repeats_the_notice_at_most),
        cmocka_unit_test(a_state_of_version_1_is_read),
        cmocka_unit_test(a_clock_that_goes_back_keeps_the_newest_decision),
        cmocka_unit_test(a_time_beyond_all_clocks_is_brought_back),
        cmocka_unit_test(a_notice_leaves_though_a_file_stays),
        cmocka_unit_test(with_a_key_the_notice_is_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
