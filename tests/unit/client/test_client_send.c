/*
 * test_client_send.c - events leave the queue by receipt only, and requests keep their distance
 *
 * Method: a server in memory that answers as each case says, a clock that moves only when told;
 * the client is pumped by hand. Then: which events does the server have, how often, and when
 * were the requests.
 */
#include "fake.h"

struct script {
    int status; /* 0: no answer came */
    const char *body;
    const char *retry_after;
    unsigned times; /* how many requests it answers; then events are taken */
};

static bool answer_script(struct fake *fake, uint32_t events,
                          struct playtrace_http_response *response)
{
    struct script *script = fake->answer_arg;

    (void)events;
    if (script->times == 0) {
        return false;
    }
    script->times--;
    if (script->body) {
        fake_reply(response, script->status, script->body);
    }
    response->status = script->status;
    if (script->retry_after) {
        (void)snprintf(response->retry_after, sizeof(response->retry_after), "%s",
                       script->retry_after);
    }
    return true;
}

static void batches_go_out_in_order_by_size_and_by_time(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;

    (void)state;
    fake_track(p, 30);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->requests == 0);
    fake_advance_ms(fake, 9999);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->requests == 0);
    fake_advance_ms(fake, 1);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK && fake->requests == 1);
    fake_track(p, 250);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->batch_sizes[1] == 100);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->batch_sizes[2] == 100);
    PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->requests == 3);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK && fake->batch_sizes[3] == 50);
    fake_check_all_in_order(fake, 280);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.tracked == 280 && stats.delivered == 280 && stats.queued == 0);
    PT_CHECK(stats.send_attempts == 4 && stats.retries == 0 && stats.queued_bytes == 0);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void a_batch_keeps_its_size_in_bytes(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    char *attributes = pt_alloc(20100);

    (void)state;
    memcpy(attributes, "{\"x\":\"", 6);
    memset(attributes + 6, 'x', 20000);
    memcpy(attributes + 20006, "\"}", 3);
    for (unsigned i = 0; i < 40; i++) {
        PT_CHECK(playtrace_track(p, "big", attributes) == PLAYTRACE_OK);
        PT_CHECK(playtrace_flush(p, 0) == PLAYTRACE_QUEUED);
    }
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    for (unsigned i = 0; i < fake->requests; i++) {
        PT_CHECK(fake->batch_sizes[i] <= 12);
    }
    fake_check_all_in_order(fake, 40);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    pt_free(attributes);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void nothing_but_a_receipt_settles(void **state)
{
    static const struct script cases[] = {
        {0, NULL, NULL, 3},
        {200, "{\"accepted\":10,\"rejected\":[]}", NULL, 3},
        {200, "<html>Sign in to the hotel's network</html>", NULL, 3},
        {202, "<html>accepted rejected</html>", NULL, 3},
        {202, "", NULL, 3},
        {202, "{\"accepted\":10,\"rejected\":[]", NULL, 3},
        {202, "{\"accepted\":9,\"rejected\":[]}", NULL, 3},
        {202, "{\"accepted\":10,\"rejected\":[{}]}", NULL, 3},
        {204, "", NULL, 3},
        {301, "", NULL, 3},
        {400, "<html>400 Bad Request</html>", NULL, 3},
        {401, "{\"code\":\"unauthorized\"}", NULL, 3},
        {403, "{\"code\":\"forbidden\"}", NULL, 3},
        {404, "{\"code\":\"not_found\"}", NULL, 3},
        {408, "", NULL, 3},
        {415, "{\"code\":\"x\"}", NULL, 3},
        {429, "{\"code\":\"x\"}", "1", 3},
        {500, "{\"accepted\":10,\"rejected\":[]}", NULL, 3},
        {503, "{\"code\":\"x\"}", "2", 3},
        {507, "{\"code\":\"x\"}", NULL, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct script script = cases[i];
        struct playtrace *p = fake_open(fake, dir);
        struct playtrace_stats stats;

        fake->answer = answer_script;
        fake->answer_arg = &script;
        fake_track(p, 10);
        for (unsigned tries = 0; tries < 1000 && playtrace_pump(p) != PLAYTRACE_OK; tries++) {
            playtrace_stats(p, &stats);
            PT_CHECK(stats.queued == 10);
            fake_advance_ms(fake, 10000);
        }
        fake_check_all_in_order(fake, 10);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.send_attempts == 4 && stats.retries == 3 && stats.delivered == 10);
        fake_check_balance(p);
        fake_end(fake, p, dir);
    }
}

/* When, in milliseconds after the failure, the next request goes out. */
static int64_t wait_after_failures(const struct script *failure, unsigned failures)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct script script = *failure;
    struct playtrace *p = fake_open(fake, dir);
    int64_t waited_ms = 0;

    script.times = failures;
    fake->answer = answer_script;
    fake->answer_arg = &script;
    fake_track(p, 1);
    while (script.times > 0) {
        fake_advance_ms(fake, 1000);
        (void)playtrace_pump(p);
    }
    while (playtrace_pump(p) != PLAYTRACE_OK) {
        PT_CHECK(waited_ms < 1000000);
        fake_advance_ms(fake, 50);
        waited_ms += 50;
    }
    fake_end(fake, p, dir);
    return waited_ms;
}

static void back_off_has_full_jitter_and_a_cap(void **state)
{
    static const struct script failure = {503, "", NULL, 0};
    static const struct {
        unsigned failures;
        int64_t span_ms;
    } cases[] = {{1, 1000}, {3, 4000}, {12, 300000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t least = INT64_MAX;
        int64_t most = 0;

        for (unsigned round = 0; round < 40; round++) {
            int64_t waited = wait_after_failures(&failure, cases[i].failures);

            least = waited < least ? waited : least;
            most = waited > most ? waited : most;
            PT_CHECK(waited <= cases[i].span_ms + 50);
        }
        /* Uniform over the span: 40 draws miss a quarter of it once in 100,000. */
        PT_CHECK(least < cases[i].span_ms / 4 && most > cases[i].span_ms * 3 / 4 - 50);
    }
}

static void retry_after_is_the_least_wait(void **state)
{
    static const struct script seconds = {429, "", "120", 0};
    static const struct script date = {503, "", "Sun, 01 Nov 2026 12:10:00 GMT", 0};
    static const struct script denied = {401, "", NULL, 0};

    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        int64_t waited = wait_after_failures(&seconds, 1);

        PT_CHECK(waited >= 120000 && waited <= 121050);
        waited = wait_after_failures(&denied, 1);
        PT_CHECK(waited >= 149950 && waited <= 300050);
    }
    /* Ten minutes after the fake clock's start, less what passed until the failure. */
    PT_CHECK(wait_after_failures(&date, 1) >= 500000);
}

static void a_wall_clock_that_jumps_changes_no_wait(void **state)
{
    static const int64_t jumps_us[] = {INT64_C(315360000000000), -INT64_C(315360000000000) * 2};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct script script = {429, "{\"code\":\"rate\"}", "99999999999999999999", 1};
        struct playtrace *p = fake_open(fake, dir);

        fake->answer = answer_script;
        fake->answer_arg = &script;
        fake_track(p, 100);
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->requests == 1);
        fake->wall_us += jumps_us[i];
        fake_advance_ms(fake, 86399000); /* whatever was asked for, a day at most */
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED && fake->requests == 1);
        fake_advance_ms(fake, 2100);
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_OK && fake->requests == 2);
        fake_check_all_in_order(fake, 100);
        fake_end(fake, p, dir);
    }
}

static void flush_waits_only_as_long_as_it_may(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct script script = {503, "", "60", 1};
    struct playtrace *p = NULL;

    (void)state;
    fake->answer = answer_script;
    fake->answer_arg = &script;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 5);
    PT_CHECK(playtrace_flush(p, 5000) == PLAYTRACE_QUEUED);
    PT_CHECK(fake->requests == 1 && fake->slept_ms == 0); /* 60 s would not fit: no use waiting */
    PT_CHECK(playtrace_flush(p, 5000) == PLAYTRACE_QUEUED && fake->requests == 1);
    PT_CHECK(playtrace_flush(p, 62000) == PLAYTRACE_OK && fake->requests == 2);
    PT_CHECK(fake->slept_ms >= 60000);
    fake_check_all_in_order(fake, 5);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);

    options.flush_ignores_retry = true;
    script.times = 1;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 5);
    PT_CHECK(playtrace_flush(p, 5000) == PLAYTRACE_QUEUED && fake->requests == 3);
    PT_CHECK(playtrace_flush(p, 5000) == PLAYTRACE_OK && fake->requests == 4);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);

    /* A clock that stands still must not make flush endless. */
    fake->platform.sleep_ms = fake->real.sleep_ms;
    options.retry_base_ms = 5;
    options.retry_cap_ms = 5;
    script.retry_after = NULL;
    script.times = 1000;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 5);
    PT_CHECK(playtrace_flush(p, 30) == PLAYTRACE_QUEUED);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

struct poison {
    const char *name; /* the server answers `status` to each batch that holds this name */
    int status;
    const char *body;
};

static bool answer_poison(struct fake *fake, uint32_t events,
                          struct playtrace_http_response *response)
{
    const struct poison *poison = fake->answer_arg;

    (void)events;
    if (!strstr(fake->last_body, poison->name)) {
        return false;
    }
    fake_reply(response, poison->status, poison->body);
    return true;
}

static void splitting_isolates_what_the_server_cannot_read(void **state)
{
    static const struct poison poisons[] = {
        {"\"poison\"", 400, "{\"code\":\"bad_json\",\"detail\":\"x\"}"},
        {"\"poison\"", 413, "{\"code\":\"too_large\",\"detail\":\"x\"}"},
    };

    (void)state;
    for (unsigned bad = 0; bad < 200; bad++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct poison poison = poisons[bad % 2];
        struct playtrace *p = fake_open(fake, dir);
        struct playtrace_stats stats;
        unsigned other = (bad * 7 + 3) % 100; /* a second one, often in the same batch */
        unsigned bads = other == bad ? 1 : 2;

        fake->answer = answer_poison;
        fake->answer_arg = &poison;
        for (unsigned i = 0; i < 200; i++) {
            bool is_bad = i == bad || i == other;

            PT_CHECK(playtrace_track(p, is_bad ? "poison" : "fine", NULL) == PLAYTRACE_OK);
        }
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
        PT_CHECK(fake->taken_count == 200 - bads && fake->slept_ms == 0);
        for (size_t i = 0; i < fake->taken_count; i++) {
            PT_CHECK(fake->taken[i].times == 1 && strcmp(fake->taken[i].name, "fine") == 0);
        }
        playtrace_stats(p, &stats);
        PT_CHECK(stats.unreadable == bads && stats.delivered == 200 - bads);
        PT_CHECK(fake->requests < 40);
        fake_check_balance(p);
        fake_end(fake, p, dir);
    }
}

/* On the day of a bad release the server says to everything that it cannot read it. */
static void a_server_that_reads_nothing_costs_few_events(void **state)
{
    static const struct poison everything = {"events", 400, "{\"code\":\"bad\",\"detail\":\"x\"}"};
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct poison poison = everything;
    struct playtrace_stats stats;
    struct playtrace *p = fake_open(fake, dir);
    unsigned requests = 0;

    (void)state;
    fake->answer = answer_poison;
    fake->answer_arg = &poison;
    fake_track(p, 300);
    for (unsigned seconds = 0; seconds < 3600; seconds++) {
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED);
        fake_advance_ms(fake, 1000);
    }
    playtrace_stats(p, &stats);
    /* Three at once, then one each 150 to 300 s. */
    PT_CHECK(stats.unreadable >= 3 + 11 && stats.unreadable <= 3 + 25);
    requests = fake->requests;
    PT_CHECK(requests < 300);
    fake->answer = NULL; /* it is put right */
    for (unsigned seconds = 0; playtrace_pump(p) != PLAYTRACE_OK; seconds++) {
        PT_CHECK(seconds < 400);
        fake_advance_ms(fake, 1000);
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.delivered == 300 - stats.unreadable && fake->requests < requests + 20);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void a_proxys_413_splits_and_then_waits(void **state)
{
    static const struct poison html = {"\"poison\"", 413, "<html>413</html>"};
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct poison poison = html;
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;

    (void)state;
    fake->answer = answer_poison;
    fake->answer_arg = &poison;
    fake_track(p, 3);
    PT_CHECK(playtrace_track(p, "poison", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_QUEUED);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.delivered == 3 && stats.unreadable == 0 && stats.queued == 1);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static bool answer_truncated(struct fake *fake, uint32_t events,
                             struct playtrace_http_response *response)
{
    (void)fake;
    if (events <= 10) {
        return false;
    }
    fake_reply(response, 202, "{\"accepted\":0,\"rejected\":[{");
    response->is_truncated = true;
    return true;
}

static void a_receipt_too_long_to_hold_halves_the_batch(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);

    (void)state;
    fake->answer = answer_truncated;
    fake_track(p, 100);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    fake_check_all_in_order(fake, 100);
    fake_end(fake, p, dir);
}

static void refused_events_leave_by_their_receipt(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;

    (void)state;
    fake->refuse_each = 3;
    fake_track(p, 100);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.refused == 33 && stats.delivered == 67 && fake->requests == 1);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void what_was_not_sent_is_sent_by_the_next_open(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct script offline = {0, NULL, NULL, UINT32_MAX};
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    (void)state;
    fake->answer = answer_script;
    fake->answer_arg = &offline;
    for (unsigned round = 0; round < 5; round++) {
        p = fake_open(fake, dir);
        fake_track(p, 50);
        PT_CHECK(playtrace_close(p, 100) == PLAYTRACE_QUEUED);
    }
    offline.times = 0;
    p = fake_open(fake, dir);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.recovered == 250 && stats.queued == 250);
    fake_track(p, 50);
    PT_CHECK(playtrace_close(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(fake->taken_count == 300);
    for (size_t i = 0; i < 300; i++) {
        PT_CHECK(fake->taken[i].times == 1 && fake->taken[i].seq == (int64_t)(i % 50));
        PT_CHECK(fake->taken[i].boot == (int64_t)(i / 50) + 1);
        PT_CHECK(strcmp(fake->taken[i].install_id, fake->taken[0].install_id) == 0);
        PT_CHECK((strcmp(fake->taken[i].session_id, fake->taken[i / 50 * 50].session_id) == 0));
    }
    PT_CHECK(strcmp(fake->taken[0].session_id, fake->taken[50].session_id) != 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void a_full_budget_drops_the_newest_and_counts(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;

    (void)state;
    options.queue_bytes_max = 50000;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 20; i++) {
        fake_track(p, 50);
        (void)playtrace_flush(p, 0);
        fake_check_balance(p);
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.queued_bytes <= 50000 && stats.queued_bytes > 49000);
    PT_CHECK(stats.dropped_budget > 0 && stats.queued + stats.dropped_budget == 1000);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    fake_check_all_in_order(fake, (size_t)(1000 - stats.dropped_budget));
    fake_end(fake, p, dir);
}

static void a_full_ring_drops_and_shows_it_in_the_sequence(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;
    unsigned taken = 0;

    (void)state;
    while (playtrace_track(p, "tick", NULL) == PLAYTRACE_OK) {
        taken++;
    }
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_DROPPED);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    PT_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_ring == 2 && stats.tracked == taken + 1);
    PT_CHECK(fake->taken[taken].seq == (int64_t)taken + 2); /* two are missing before it */
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

#define KILL_EVENTS 200

/* One life that dies at the Nth file call, then one that delivers. */
static bool run_killed_at(unsigned call)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    char ids[KILL_EVENTS][PLAYTRACE_ID_TEXT_BYTES] = {{0}};
    bool is_written[KILL_EVENTS] = {false};
    struct playtrace *p = NULL;
    bool was_dead = false;

    fake_kill_files_at(fake, call);
    options.batch_events_max = 7;
    if (playtrace_open(&p, &options) == PLAYTRACE_OK) {
        for (unsigned i = 0; i < KILL_EVENTS && !fake->is_dead; i++) {
            PT_CHECK(playtrace_track_id(p, "tick", NULL, ids[i]) == PLAYTRACE_OK);
            if (i % 5 == 4) {
                (void)playtrace_flush(p, 0);
                for (unsigned k = i - 4; k <= i && !fake->is_dead; k++) {
                    is_written[k] = true;
                }
            }
            if (i % 10 == 9 && !fake->is_dead) {
                (void)playtrace_pump(p);
            }
        }
        (void)playtrace_close(p, 0);
    }
    was_dead = fake->is_dead;
    playtrace_platform_posix_init(&fake->real);
    fake_kill_files_at(fake, 0);
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_close(p, 10000) == PLAYTRACE_OK);
    for (unsigned i = 0; i < KILL_EVENTS; i++) {
        bool is_taken = false;

        for (size_t k = 0; k < fake->taken_count; k++) {
            is_taken = is_taken || strcmp(fake->taken[k].event_id, ids[i]) == 0;
        }
        PT_CHECK(is_taken || !is_written[i]);
    }
    fake_destroy(fake);
    pt_test_dir_remove(dir);
    return was_dead;
}

static void a_kill_at_any_file_call_loses_no_written_event(void **state)
{
    unsigned call = 1;

    (void)state;
    while (run_killed_at(call)) {
        call++;
    }
    PT_CHECK(call > 50);
}

struct said {
    char text[1024];
    unsigned count;
    enum playtrace_log_level level;
};

static void hear(void *ctx, enum playtrace_log_level level, const char *text)
{
    struct said *said = ctx;

    said->count++;
    said->level = level;
    (void)snprintf(said->text, sizeof(said->text), "%s", text);
}

static void what_the_server_refuses_is_said(void **state)
{
    static const struct {
        struct script script;
        enum playtrace_log_level level;
        const char *text;
    } cases[] = {
        {{202,
          "{\"accepted\":8,\"rejected\":[{\"index\":0,\"code\":\"bad_time\",\"detail\":\"say "
          "\\\"when\\\"\"},"
          "{\"code\":\"x\"}]}",
          NULL, 1},
         PLAYTRACE_LOG_ERROR,
         "the server refused 2 of 10 events; the first: bad_time: say \\\"when\\\""},
        {{202, "{\"accepted\":0,\"rejected\":[{},{},{},{},{},{},{},{},{},{\"code\":7}]}", NULL, 1},
         PLAYTRACE_LOG_ERROR,
         "the server refused 10 of 10 events; the first: : "},
        {{401, "{\"code\":\"unauthorized\",\"detail\":\"no such key\"}", NULL, 1},
         PLAYTRACE_LOG_ERROR,
         "http://127.0.0.1:1/v1/events answered 401, unauthorized: no such key; the events wait"},
        {{302, "<html>", NULL, 1},
         PLAYTRACE_LOG_INFO,
         "http://127.0.0.1:1/v1/events answered 302, which is no receipt; the events wait"},
        {{0, NULL, NULL, 1},
         PLAYTRACE_LOG_INFO,
         "http://127.0.0.1:1/v1/events gave no whole answer; the events wait, next try in "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = pt_test_dir_create();
        struct fake *fake = fake_create();
        struct playtrace_options options = fake_options(fake, dir);
        struct script script = cases[i].script;
        struct said said = {.count = 0};
        struct playtrace *p = NULL;

        options.log = hear;
        options.log_ctx = &said;
        fake->answer = answer_script;
        fake->answer_arg = &script;
        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        fake_track(p, 10);
        (void)playtrace_flush(p, 1);
        PT_CHECK(said.count == 1 && said.level == cases[i].level);
        PT_CHECK(strncmp(said.text, cases[i].text, strlen(cases[i].text)) == 0);
        if (script.status == 401) {
            PT_CHECK(strstr(said.text, "options.api_key") != NULL);
        }
        fake_check_balance(p);
        (void)playtrace_close(p, 0);
        fake_destroy(fake);
        pt_test_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_go_out_in_order_by_size_and_by_time),
        cmocka_unit_test(a_batch_keeps_its_size_in_bytes),
        cmocka_unit_test(nothing_but_a_receipt_settles),
        cmocka_unit_test(back_off_has_full_jitter_and_a_cap),
        cmocka_unit_test(retry_after_is_the_least_wait),
        cmocka_unit_test(a_wall_clock_that_jumps_changes_no_wait),
        cmocka_unit_test(flush_waits_only_as_long_as_it_may),
        cmocka_unit_test(splitting_isolates_what_the_server_cannot_read),
        cmocka_unit_test(a_server_that_reads_nothing_costs_few_events),
        cmocka_unit_test(a_proxys_413_splits_and_then_waits),
        cmocka_unit_test(a_receipt_too_long_to_hold_halves_the_batch),
        cmocka_unit_test(what_the_server_refuses_is_said),
        cmocka_unit_test(refused_events_leave_by_their_receipt),
        cmocka_unit_test(what_was_not_sent_is_sent_by_the_next_open),
        cmocka_unit_test(a_full_budget_drops_the_newest_and_counts),
        cmocka_unit_test(a_full_ring_drops_and_shows_it_in_the_sequence),
        cmocka_unit_test(a_kill_at_any_file_call_loses_no_written_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
