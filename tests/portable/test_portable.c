/*
 * test_portable.c - events: the core keeps its promises where there are no threads and no POSIX
 *
 * Method: a machine in memory (machine.h), one thread, the client pumped by hand. The same source
 * is built by gcc, clang, for 32 bits under ASan and UBSan, as WebAssembly for Node, and linked for
 * Windows. Each promise has its larger test in tests/unit/client; here is what a smaller size_t,
 * another libc and another ABI could break.
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

static void every_event_arrives_once_and_in_order(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    long seq = -1;

    for (unsigned i = 0; i < 5; i++) { /* a burst of 210 fits in the ring */
        machine_track(p, 210);
        machine_deliver(m, p);
    }
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 1050);
    for (size_t i = 0; i < m->taken_count; i++) {
        MACHINE_CHECK(strcmp(m->taken[i].name, "tick") != 0 || m->taken[i].seq > seq);
        seq = m->taken[i].seq > seq ? m->taken[i].seq : seq;
    }
    MACHINE_CHECK(strcmp(m->url, "http://127.0.0.1:1/v1/events") == 0);
    MACHINE_CHECK(strstr(m->body, "\"occurred_at\":\"2026-11-01T12:00:") != NULL);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void what_was_written_outlives_a_kill(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    struct playtrace_stats stats;

    machine_track(p, 40);
    MACHINE_CHECK(playtrace_flush(p, 0) == PLAYTRACE_QUEUED);
    machine_track(p, 7); /* still in memory: gone */
    machine_kill(m);
    p = machine_open(m);
    playtrace_stats(p, &stats);
    MACHINE_CHECK(stats.recovered == 40 && stats.damaged == 0);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 40);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    p = machine_open(m);
    playtrace_stats(p, &stats);
    MACHINE_CHECK(stats.recovered == stats.queued && machine_count_taken(m, "tick", 1) == 40);
    MACHINE_CHECK(playtrace_close(p, 0) <= PLAYTRACE_QUEUED);
    machine_destroy(m);
}

/* Make a queue of 3 events, change its file by `change`, and count what comes of it. */
static unsigned survivors(void (*change)(struct machine_file *file, size_t at), size_t at,
                          size_t *bytes_out)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    struct machine_file *file = NULL;
    unsigned count = 0;

    machine_track(p, 3);
    MACHINE_CHECK(playtrace_flush(p, 0) == PLAYTRACE_QUEUED);
    machine_kill(m);
    file = machine_find(m, "queue-00000001.log");
    MACHINE_CHECK(file != NULL);
    *bytes_out = file->bytes;
    if (change) {
        change(file, at);
    }
    p = machine_open(m);
    machine_track(p, 1);
    machine_deliver(m, p);
    count = machine_count_taken(m, "tick", 1);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
    return count - 1;
}

static void cut(struct machine_file *file, size_t at)
{
    file->bytes = at;
}

static void flip(struct machine_file *file, size_t at)
{
    file->data[at] ^= 0x10;
}

static void a_tail_torn_anywhere_costs_only_the_torn_event(void)
{
    size_t bytes = 0;

    MACHINE_CHECK(survivors(NULL, 0, &bytes) == 3);
    for (size_t at = 0; at <= bytes; at += 5) {
        unsigned whole = (unsigned)(at * 3 / bytes); /* the three are of one length */

        MACHINE_CHECK(survivors(cut, at, &bytes) == whole);
    }
}

static void a_flipped_byte_costs_only_its_event(void)
{
    size_t bytes = 0;

    MACHINE_CHECK(survivors(NULL, 0, &bytes) == 3);
    for (size_t at = 0; at < bytes; at += 7) {
        MACHINE_CHECK(survivors(flip, at, &bytes) == 2);
    }
}

/* ---- the server ---- */

struct trouble {
    unsigned next;
    unsigned repeats;
};

static bool answer_trouble(struct machine *m, const char *body, unsigned events,
                           struct playtrace_http_response *response)
{
    struct trouble *trouble = m->answer_arg;

    (void)body;
    (void)events;
    if (trouble->repeats > 0 && trouble->next % 9 == 8) {
        trouble->repeats--;
        trouble->next = 0;
    }
    if (trouble->repeats == 0) {
        return false;
    }
    switch (trouble->next++ % 9) {
    case 0:
        machine_reply(response, 500, "{\"accepted\":3}");
        return true;
    case 1:
        machine_reply(response, 429, "{\"code\":\"rate\"}");
        memcpy(response->retry_after, "7", 2);
        return true;
    case 2:
        machine_reply(response, 200, "<html>please log in</html>");
        return true;
    case 3:
        machine_reply(response, 202, "{\"accepted\":1,\"rejected\":[]}"); /* of how many? */
        return true;
    case 4:
        machine_reply(response, 202, "{\"accepted\":100,\"rej");
        return true;
    case 5:
        machine_reply(response, 302, "");
        return true;
    case 6:
        response->status = 0;
        return true;
    default:
        machine_reply(response, 400, "<html>bad request</html>");
        return true;
    }
}

static void nothing_but_a_receipt_takes_events_away(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    struct trouble trouble = {0, 3};
    struct playtrace_stats stats;

    m->answer = answer_trouble;
    m->answer_arg = &trouble;
    machine_track(p, 250);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 250);
    playtrace_stats(p, &stats);
    MACHINE_CHECK(stats.retries >= 16 && stats.refused + stats.unreadable == 0);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static bool answer_retry_after(struct machine *m, const char *body, unsigned events,
                               struct playtrace_http_response *response)
{
    (void)body;
    (void)events;
    if (m->requests > 1) {
        return false;
    }
    machine_reply(response, 503, "{\"code\":\"busy\",\"detail\":\"later\"}");
    memcpy(response->retry_after, "7200", 5);
    return true;
}

static void retry_after_is_the_least_wait(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);

    m->answer = answer_retry_after;
    machine_track(p, 100);
    for (unsigned i = 0; i < 7190; i++) {
        MACHINE_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED);
        machine_advance_ms(m, 1000);
    }
    MACHINE_CHECK(m->requests == 1);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 100);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static bool answer_poison(struct machine *m, const char *body, unsigned events,
                          struct playtrace_http_response *response)
{
    (void)m;
    (void)events;
    if (!strstr(body, "\"event_name\":\"poison\"")) {
        return false;
    }
    machine_reply(response, 400, "{\"code\":\"bad_request\",\"detail\":\"cannot be read\"}");
    return true;
}

static void a_batch_that_cannot_be_read_is_split(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    struct playtrace_stats stats;

    m->answer = answer_poison;
    machine_track(p, 33);
    MACHINE_CHECK(playtrace_track(p, "poison", NULL) == PLAYTRACE_OK);
    machine_track(p, 50);
    machine_deliver(m, p);
    playtrace_stats(p, &stats);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 83 &&
                  machine_count_taken(m, "poison", 1) == 0);
    MACHINE_CHECK(stats.unreadable == 1);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

/* Tracked while the request is on its way, so the queue and the ring move under it. */
static void a_transport_that_answers_later_is_waited_for(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = NULL;
    unsigned tracked = 0;
    int64_t slept_ms = 0;

    machine_be_asynchronous(m, 7);
    p = machine_open(m);
    for (unsigned i = 0; i < 200; i++) {
        machine_track(p, 20);
        tracked += 20;
        (void)playtrace_pump(p);
        machine_advance_ms(m, 16);
    }
    MACHINE_CHECK(m->slept_ms == 0 && m->requests > 10);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == tracked);

    m->polls_each = 1000000; /* never: the request has its time, and then again */
    machine_track(p, 100);
    (void)playtrace_pump(p);
    MACHINE_CHECK(m->request != NULL);
    machine_advance_ms(m, 15001);
    (void)playtrace_pump(p);
    MACHINE_CHECK(!m->request && m->cancelled == 1);
    m->polls_each = 2;
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == tracked + 100);

    m->polls_each = 1000000;
    machine_track(p, 100);
    (void)playtrace_pump(p);
    MACHINE_CHECK(m->request != NULL);
    slept_ms = m->slept_ms;
    MACHINE_CHECK(playtrace_close(p, 300) == PLAYTRACE_QUEUED);
    MACHINE_CHECK(!m->request && m->slept_ms - slept_ms <= 310);
    m->polls_each = 0;
    p = machine_open(m);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == tracked + 200);
    MACHINE_CHECK(playtrace_close(p, 0) <= PLAYTRACE_QUEUED);
    machine_destroy(m);
}

static void withdrawn_consent_stops_a_request_on_its_way(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = NULL;

    machine_be_asynchronous(m, 50);
    p = machine_open(m);
    machine_track(p, 100);
    (void)playtrace_pump(p);
    MACHINE_CHECK(m->request != NULL);
    MACHINE_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    (void)playtrace_pump(p);
    MACHINE_CHECK(m->cancelled == 1 && machine_count_taken(m, "tick", 1) == 0);
    m->polls_each = 1;
    for (unsigned i = 0; i < 200; i++) {
        (void)playtrace_pump(p);
        machine_advance_ms(m, 60000);
    }
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 0 && machine_count_files(m, "queue-") == 0);
    MACHINE_CHECK(m->taken_count == 1 && machine_count_taken(m, "playtrace_consent", 1) == 1);
    machine_check_balance(p);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

/* ---- edges of sizes and clocks ---- */

/* Each libc has its own printf(). */
static void numbers_read_back_as_they_were(void)
{
    static const double numbers[] = {0,     0.1,    -0.1,   1.0 / 3, 81.5, 1e15,          1e16,
                                     1e300, 1e-300, 5e-324, 2.5e-7,  -1e9, 123456.789012, 0.3};
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    struct playtrace_event e;
    double zero = 0;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const char *text = NULL;
        volatile double back = 0;

        playtrace_event_init(&e, "number");
        MACHINE_CHECK(playtrace_event_add_int(&e, "i", INT64_MIN) == PLAYTRACE_OK);
        MACHINE_CHECK(playtrace_event_add_uint(&e, "u", UINT64_MAX) == PLAYTRACE_OK);
        MACHINE_CHECK(playtrace_event_add_double(&e, "nan", zero / zero) == PLAYTRACE_INVALID);
        MACHINE_CHECK(playtrace_event_add_double(&e, "inf", 1 / zero) == PLAYTRACE_INVALID);
        MACHINE_CHECK(playtrace_event_add_bool(&e, "b", true) == PLAYTRACE_OK);
        MACHINE_CHECK(playtrace_event_add_string(&e, "s", "\xc3\xa9\"") == PLAYTRACE_OK);
        MACHINE_CHECK(playtrace_event_add_double(&e, "d", numbers[i]) == PLAYTRACE_OK);
        MACHINE_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_OK && e.refused == 2);
        machine_deliver(m, p);
        text = strstr(m->body, "{\"i\":-9223372036854775808,\"u\":18446744073709551615,"
                               "\"b\":true,\"s\":\"\xc3\xa9\\\"\",\"d\":");
        MACHINE_CHECK(text != NULL);
        text = strstr(text, "\"d\":") + 4;
        back = strtod(text, NULL);
        MACHINE_CHECK(back == numbers[i] && strchr("}0123456789-", text[0]) != NULL);
    }
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void what_is_too_long_is_refused_and_harms_nothing(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    char *text = malloc(PLAYTRACE_EVENT_BYTES_MAX * 2);
    char name[PLAYTRACE_NAME_BYTES_MAX + 2];

    MACHINE_CHECK(text != NULL);
    memset(name, 'a', sizeof(name));
    name[PLAYTRACE_NAME_BYTES_MAX] = '\0';
    MACHINE_CHECK(playtrace_track(p, name, NULL) == PLAYTRACE_OK);
    name[PLAYTRACE_NAME_BYTES_MAX] = 'a';
    name[PLAYTRACE_NAME_BYTES_MAX + 1] = '\0';
    MACHINE_CHECK(playtrace_track(p, name, NULL) == PLAYTRACE_INVALID);
    memset(text, 'x', PLAYTRACE_EVENT_BYTES_MAX * 2);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + PLAYTRACE_EVENT_BYTES_MAX * 2 - 3, "\"}", 3);
    MACHINE_CHECK(playtrace_track(p, "tick", text) == PLAYTRACE_INVALID);
    memcpy(text + PLAYTRACE_EVENT_BYTES_MAX - 1000, "\"}", 3);
    MACHINE_CHECK(playtrace_track(p, "tick", text) == PLAYTRACE_OK);
    MACHINE_CHECK(playtrace_track(p, "tick", "{\"a\":1e999}") != PLAYTRACE_DROPPED);
    MACHINE_CHECK(playtrace_track(p, "tick", "{\"a\":nan}") == PLAYTRACE_INVALID);
    MACHINE_CHECK(playtrace_track(p, "tick", "{\"a\":\"\xc3\"}") == PLAYTRACE_INVALID);
    MACHINE_CHECK(playtrace_track(NULL, "tick", NULL) == PLAYTRACE_INVALID);
    machine_deliver(m, p);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    free(text);
    machine_destroy(m);
}

static void a_wall_clock_that_jumps_stops_nothing(void)
{
    static const int64_t walls[] = {0, INT64_C(253402300799000000), INT64_C(-1000000),
                                    INT64_C(4294967296000000), INT64_C(1793534400000000)};
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);

    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
        m->wall_us = walls[i];
        m->mono_us += INT64_C(1) << 40;
        machine_track(p, 120);
        machine_deliver(m, p);
        MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 120 * (unsigned)(i + 1));
    }
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void one_client_a_directory_and_threads_only_where_there_are_some(void)
{
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = machine_open(m);
    struct playtrace *second = NULL;

    MACHINE_CHECK(playtrace_open(&second, &options) == PLAYTRACE_BUSY && !second);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    options.without_worker = false;
    MACHINE_CHECK(playtrace_open(&second, &options) == PLAYTRACE_INVALID && !second);
    MACHINE_CHECK(playtrace_close(NULL, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void the_memory_is_taken_at_open_and_bounded(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    size_t at_open = m->block_bytes;

    for (unsigned i = 0; i < 20; i++) {
        machine_track(p, 100);
        machine_deliver(m, p);
    }
    MACHINE_CHECK(m->block_bytes == at_open);
    MACHINE_CHECK(at_open <= 2u << 20);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

int main(void)
{
    static const struct machine_test tests[] = {
        MACHINE_TEST(every_event_arrives_once_and_in_order),
        MACHINE_TEST(what_was_written_outlives_a_kill),
        MACHINE_TEST(a_tail_torn_anywhere_costs_only_the_torn_event),
        MACHINE_TEST(a_flipped_byte_costs_only_its_event),
        MACHINE_TEST(nothing_but_a_receipt_takes_events_away),
        MACHINE_TEST(retry_after_is_the_least_wait),
        MACHINE_TEST(a_batch_that_cannot_be_read_is_split),
        MACHINE_TEST(a_transport_that_answers_later_is_waited_for),
        MACHINE_TEST(withdrawn_consent_stops_a_request_on_its_way),
        MACHINE_TEST(numbers_read_back_as_they_were),
        MACHINE_TEST(what_is_too_long_is_refused_and_harms_nothing),
        MACHINE_TEST(a_wall_clock_that_jumps_stops_nothing),
        MACHINE_TEST(one_client_a_directory_and_threads_only_where_there_are_some),
        MACHINE_TEST(the_memory_is_taken_at_open_and_bounded),
    };

    machine_run(tests, sizeof(tests) / sizeof(tests[0]));
    return 0;
}
