/*
 * test_client_threads.c - any call from any thread at any moment, until close
 *
 * Method: eight threads track while others flush, pump, sync, pause, ask for flags, and change
 * consent, user and session as their seeds say, over a transport that is slow, fails, and gives up
 * when asked; the queue is sealed in every third round. At a moment that the seed chooses they are
 * called off and the client is closed, with or without time to deliver; some of it is still on its
 * way then. No count is lost. ThreadSanitizer sees the rest.
 */
#include "fake.h"
#include "seed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define TRACKERS 8
#define OTHERS 4
#define ROUNDS 40

struct round {
    struct playtrace *p;
    uint64_t seed;
    atomic_bool is_over;
    atomic_uint next_thread;
    atomic_uint tracked;
    atomic_uint accepted; /* by the server's receipts */
    atomic_uint said;     /* lines of the log */
};

/* xorshift64: a generator a thread. */
static uint64_t roll(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

static uint64_t seed_of(struct round *round)
{
    uint64_t thread = atomic_fetch_add(&round->next_thread, 1);

    return (round->seed + thread) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void rest(uint64_t us)
{
    struct timespec time = {0, (long)us * 1000};

    (void)nanosleep(&time, NULL);
}

/* ---- the network: whoever sends calls this, one at a time ---- */

struct network {
    struct round *round;
    uint64_t state;
    struct playtrace_http_response *answer_to; /* of an asynchronous exchange */
    bool is_for_flags;
    unsigned events;
    unsigned polls;
};

static const char flags_json[] =
    "{\"flags\":[{\"key\":\"shop\",\"value\":true,\"variant\":\"on\",\"reason\":\"SPLIT\","
    "\"metadata\":{\"experiment\":\"shop_1\",\"epoch\":1,\"version\":2}},"
    "{\"key\":\"speed\",\"value\":1.5,\"variant\":\"fast\",\"reason\":\"STATIC\"}]}";

static unsigned count_events(const struct playtrace_http_request *request)
{
    static const char mark[] = "\"event_id\"";
    const char *body = request->body;
    unsigned events = 0;

    for (size_t i = 0; i + sizeof(mark) <= request->body_bytes; i++) {
        events += memcmp(body + i, mark, sizeof(mark) - 1) == 0 ? 1 : 0;
    }
    return events;
}

static void network_answer(struct network *network, unsigned events,
                           struct playtrace_http_response *response)
{
    switch (roll(&network->state, 8)) {
    case 0:
        fake_reply(response, 500, "<html>");
        break;
    case 1:
        response->status = 0;
        break;
    case 2:
        fake_receipt(response, 0, 0);
        break;
    default:
        if (network->is_for_flags) {
            fake_reply(response, 200, flags_json);
            break;
        }
        fake_receipt(response, events, 0);
        atomic_fetch_add(&network->round->accepted, events);
        break;
    }
}

static bool is_for_flags(const struct playtrace_http_request *request)
{
    return strstr(request->url, "/v1/events") == NULL;
}

static void network_post(void *http, const struct playtrace_http_request *request,
                         struct playtrace_http_response *response)
{
    struct network *network = http;

    network->is_for_flags = is_for_flags(request);
    for (uint64_t left = roll(&network->state, 8); left > 0; left--) {
        rest(200);
        if (request->should_stop(request->stop_ctx)) {
            return;
        }
    }
    network_answer(network, count_events(request), response);
}

static int network_start(void *http, const struct playtrace_http_request *request,
                         struct playtrace_http_response *response)
{
    struct network *network = http;

    PT_CHECK(!network->answer_to);
    network->answer_to = response;
    network->is_for_flags = is_for_flags(request);
    network->events = count_events(request);
    network->polls = (unsigned)roll(&network->state, 4);
    return 0;
}

static bool network_is_done(void *http)
{
    struct network *network = http;

    if (network->polls > 0) {
        network->polls--;
        return false;
    }
    network_answer(network, network->events, network->answer_to);
    network->answer_to = NULL;
    return true;
}

static void network_cancel(void *http)
{
    ((struct network *)http)->answer_to = NULL;
}

/* ---- the game ---- */

static enum playtrace_status track_typed(struct playtrace *p, uint64_t *state, char *id_out)
{
    struct playtrace_event event;

    playtrace_event_init(&event, "level_end");
    PT_CHECK(playtrace_event_add_int(&event, "level", 7) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_string(&event, "map", "forest") == PLAYTRACE_OK);
    playtrace_event_set_priority(&event, (enum playtrace_priority)roll(state, 3));
    return playtrace_track_event(p, &event, id_out);
}

static void *track(void *arg)
{
    struct round *round = arg;
    uint64_t state = seed_of(round);
    char id[PLAYTRACE_ID_TEXT_BYTES];

    while (!atomic_load(&round->is_over)) {
        enum playtrace_status status = PLAYTRACE_OK;

        if (roll(&state, 2) == 0) {
            status = playtrace_track(round->p, "tick", "{\"level\":7}");
        } else {
            status = track_typed(round->p, &state, id);
            PT_CHECK((status == PLAYTRACE_OK) == (id[0] != '\0'));
        }
        PT_CHECK(status == PLAYTRACE_OK || status == PLAYTRACE_DROPPED ||
                 status == PLAYTRACE_NO_CONSENT);
        if (status == PLAYTRACE_OK) {
            atomic_fetch_add(&round->tracked, 1);
        }
        (void)playtrace_flag_bool(round->p, "shop", false);
        if (roll(&state, 16) == 0) {
            rest(roll(&state, 300));
        }
    }
    return NULL;
}

static void *meddle(void *arg)
{
    struct round *round = arg;
    struct playtrace *p = round->p;
    uint64_t state = seed_of(round);
    char id[PLAYTRACE_ID_TEXT_BYTES];
    struct playtrace_stats stats;
    struct playtrace_consent_record record;
    char text[32];

    while (!atomic_load(&round->is_over)) {
        switch (roll(&state, 18)) {
        case 0:
            (void)playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN);
            PT_CHECK(playtrace_get_consent(p) <= PLAYTRACE_CONSENT_WITHDRAWN);
            break;
        case 1:
        case 2:
        case 3:
            (void)playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN);
            break;
        case 4:
            (void)playtrace_flush(p, (uint32_t)roll(&state, 20));
            break;
        case 5:
            (void)playtrace_pump(p);
            break;
        case 6:
            (void)playtrace_sync(p, (uint32_t)roll(&state, 20));
            break;
        case 7:
            PT_CHECK(playtrace_set_user(p, roll(&state, 2) ? "someone" : NULL) == PLAYTRACE_OK);
            break;
        case 8:
            PT_CHECK(playtrace_session_start(p) == PLAYTRACE_OK);
            break;
        case 9:
            playtrace_session_id(p, id);
            PT_CHECK(strlen(id) == PLAYTRACE_ID_TEXT_BYTES - 1);
            break;
        case 10:
            (void)playtrace_set_consent_for(p, 1 + (unsigned)roll(&state, 3), "policy-7");
            playtrace_get_consent_record(p, &record);
            break;
        case 11:
        case 12:
            (void)playtrace_pause(p);
            break;
        case 13:
            (void)playtrace_resume(p);
            break;
        case 14:
            (void)playtrace_flags_refresh(p, (uint32_t)roll(&state, 10));
            break;
        case 15:
            PT_CHECK(playtrace_set_flag_context(p, roll(&state, 2) ? "{\"level\":3}" : NULL) ==
                     PLAYTRACE_OK);
            break;
        case 16:
            (void)playtrace_flag_string(p, "shop", "none", text, sizeof(text));
            (void)playtrace_flag_double(p, "speed", 1.0);
            (void)playtrace_flags_generation(p);
            break;
        default:
            playtrace_stats(p, &stats);
            break;
        }
        rest(roll(&state, 2000));
    }
    return NULL;
}

/* The worker may be between two of its steps: then a later look balances. */
static void check_balance(struct playtrace *p)
{
    for (unsigned look = 0; look < 5000 && !fake_balances(p); look++) {
        rest(1000);
    }
    fake_check_balance(p);
}

static void hear(void *ctx, enum playtrace_log_level level, const char *text)
{
    struct round *round = ctx;

    PT_CHECK(level >= PLAYTRACE_LOG_ERROR && level <= PLAYTRACE_LOG_INFO && text[0] != '\0');
    atomic_fetch_add(&round->said, 1);
}

static void play_round(uint64_t seed)
{
    static const uint8_t key[PLAYTRACE_KEY_BYTES] = "thirty-two bytes that are a key";
    char *dir = pt_test_dir_create();
    struct round round = {.seed = seed};
    uint64_t state = seed * 2654435761u + 1;
    struct network network = {.round = &round, .state = seed + 1};
    struct playtrace_platform platform;
    struct playtrace_options options = fake_worker_options(&platform, dir, &network, network_post);
    struct playtrace_stats stats;
    enum playtrace_status status = PLAYTRACE_OK;
    pthread_t threads[TRACKERS + OTHERS];

    if (seed % 2 == 1) {
        platform.http_start = network_start;
        platform.http_is_done = network_is_done;
        platform.http_cancel = network_cancel;
    }
    options.without_worker = seed % 5 == 4;
    options.sync_at_close = false;
    options.queue_key = seed % 3 == 2 ? key : NULL;
    options.log = hear;
    options.log_ctx = &round;
    options.session_timeout_ms = 1;
    options.flags_poll_ms = 1000;
    options.flush_interval_ms = 5;
    options.batch_events_max = 50;
    options.retry_base_ms = 1;
    options.retry_cap_ms = 4;
    options.queue_bytes_max = 256u * 1024; /* is reached */
    options.ring_bytes = 4 * PLAYTRACE_EVENT_BYTES_MAX;
    PT_CHECK(playtrace_open(&round.p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < TRACKERS + OTHERS; i++) {
        PT_CHECK(pthread_create(&threads[i], NULL, i < TRACKERS ? track : meddle, &round) == 0);
    }
    rest(20000 + roll(&state, 200000));
    atomic_store(&round.is_over, true);
    for (unsigned i = 0; i < TRACKERS + OTHERS; i++) {
        PT_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    PT_CHECK(playtrace_sync(round.p, 20000) != PLAYTRACE_INVALID);
    playtrace_stats(round.p, &stats);
    PT_CHECK(stats.tracked >= atomic_load(&round.tracked));
    check_balance(round.p);
    status = playtrace_close(round.p, (uint32_t)roll(&state, 30));
    PT_CHECK(status == PLAYTRACE_OK || status == PLAYTRACE_QUEUED);
    PT_CHECK(!network.answer_to && atomic_load(&round.accepted) >= stats.delivered);
    pt_test_dir_remove(dir);
}

static void any_call_may_come_at_any_moment(void **state)
{
    uint64_t seed = pt_test_seed();

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        play_round(seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_come_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
