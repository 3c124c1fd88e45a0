/*
 * test_client_storm.c - eight threads track while others flush, sync, pause and change the session
 *
 * Method: five lives in one queue directory, each closed at a moment that chance chooses, against a
 * server that fails, hangs and sends events back to wait. Every event that a thread was told to be
 * taken must have reached the server in the end. Under TSan no access may race.
 */
#include "fake.h"
#include "seed.h"

#include "base/rng.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define TRACKERS 8
#define LIVES 5
#define EVENTS_EACH 300 /* a tracker and life */
#define EVENTS_MAX (TRACKERS * LIVES * EVENTS_EACH)
#define SLOTS 65536

/* ---- the server: which ids it has taken ---- */

struct server {
    pthread_mutex_t lock;
    struct pt_rng rng;
    char taken[SLOTS][PLAYTRACE_ID_TEXT_BYTES]; /* by open addressing */
    bool is_kind;
};

static uint32_t slot_of(const char *id)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < PLAYTRACE_ID_TEXT_BYTES - 1; i++) {
        hash = (hash ^ (uint8_t)id[i]) * 16777619u;
    }
    return hash % SLOTS;
}

/* Its place, or an empty one. */
static char *find_taken(struct server *server, const char *id)
{
    uint32_t slot = slot_of(id);

    while (server->taken[slot][0] != '\0' &&
           memcmp(server->taken[slot], id, PLAYTRACE_ID_TEXT_BYTES - 1) != 0) {
        slot = (slot + 1) % SLOTS;
    }
    return server->taken[slot];
}

static void take_all(struct server *server, const struct playtrace_http_request *request,
                     struct playtrace_http_response *response)
{
    static const char mark[] = "\"event_id\":\"";
    const char *at = request->body;
    const char *end = at + request->body_bytes;
    unsigned count = 0;

    while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
        at += sizeof(mark) - 1;
        memcpy(find_taken(server, at), at, PLAYTRACE_ID_TEXT_BYTES - 1);
        count++;
    }
    fake_receipt(response, count, 0);
}

static void post(void *http, const struct playtrace_http_request *request,
                 struct playtrace_http_response *response)
{
    struct server *server = http;
    uint64_t choice = 0;

    pthread_mutex_lock(&server->lock);
    choice = server->is_kind ? 99 : pt_rng_below(&server->rng, 100);
    if (choice < 15) {
        fake_reply(response, 503, "{\"code\":\"busy\",\"detail\":\"\"}");
    } else if (choice >= 30) {
        take_all(server, request, response);
    }
    pthread_mutex_unlock(&server->lock);
    for (unsigned i = 0; choice >= 15 && choice < 30 && i < 20; i++) {
        usleep(500);
        if (request->should_stop(request->stop_ctx)) {
            return;
        }
    }
}

/* ---- the game's threads ---- */

struct game {
    struct playtrace *p;
    atomic_bool is_over;
    atomic_uint taken;
    char ids[EVENTS_MAX][PLAYTRACE_ID_TEXT_BYTES];
};

struct thread {
    pthread_t handle;
    struct game *game;
    struct pt_rng rng;
};

static void *track(void *arg)
{
    struct thread *t = arg;

    for (unsigned i = 0; i < EVENTS_EACH;) {
        char id[PLAYTRACE_ID_TEXT_BYTES];
        enum playtrace_status status =
            playtrace_track_with(t->game->p, "level_end", "{\"level\":7,\"won\":true}",
                                 (enum playtrace_priority)pt_rng_below(&t->rng, 3), id);

        if (status == PLAYTRACE_OK) {
            memcpy(t->game->ids[atomic_fetch_add(&t->game->taken, 1)], id, sizeof(id));
            i++;
        } else {
            PT_CHECK(status == PLAYTRACE_DROPPED); /* the ring is full: a moment later */
            usleep(200);
        }
        if (i % 16 == 0) {
            usleep((useconds_t)pt_rng_below(&t->rng, 500));
        }
    }
    return NULL;
}

static void *flush_at_random(void *arg)
{
    struct thread *t = arg;

    while (!t->game->is_over) {
        (void)playtrace_flush(t->game->p, (uint32_t)pt_rng_below(&t->rng, 5));
        usleep((useconds_t)pt_rng_below(&t->rng, 1000));
    }
    return NULL;
}

static void *sync_at_random(void *arg)
{
    struct thread *t = arg;

    while (!t->game->is_over) {
        enum playtrace_status status =
            playtrace_sync(t->game->p, (uint32_t)pt_rng_below(&t->rng, 20));

        PT_CHECK(status == PLAYTRACE_OK || status == PLAYTRACE_QUEUED);
        usleep((useconds_t)pt_rng_below(&t->rng, 1000));
    }
    return NULL;
}

static void *pause_at_random(void *arg)
{
    struct thread *t = arg;

    while (!t->game->is_over) {
        (void)playtrace_pause(t->game->p);
        usleep((useconds_t)pt_rng_below(&t->rng, 1000));
        (void)playtrace_resume(t->game->p);
        usleep((useconds_t)pt_rng_below(&t->rng, 1000));
    }
    return NULL;
}

static void *look_and_change(void *arg)
{
    struct thread *t = arg;
    struct playtrace_stats stats;
    char id[PLAYTRACE_ID_TEXT_BYTES];

    while (!t->game->is_over) {
        PT_CHECK(playtrace_set_user(t->game->p, pt_rng_below(&t->rng, 2) ? "other" : NULL) ==
                 PLAYTRACE_OK);
        PT_CHECK(playtrace_session_start(t->game->p) == PLAYTRACE_OK);
        playtrace_session_id(t->game->p, id);
        playtrace_stats(t->game->p, &stats);
        usleep((useconds_t)pt_rng_below(&t->rng, 1000));
    }
    return NULL;
}

static struct playtrace *open_client(struct server *server, const char *dir)
{
    struct playtrace_platform platform;
    struct playtrace_options options = fake_worker_options(&platform, dir, server, post);
    struct playtrace *p = NULL;

    options.flags_enabled = false;
    options.flush_interval_ms = 2;
    options.batch_events_max = 50;
    options.retry_base_ms = 1;
    options.retry_cap_ms = 5;
    options.sync_at_close = false;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    return p;
}

static void live(struct game *game, struct pt_rng *rng)
{
    static void *(*const others[])(void *) = {flush_at_random, sync_at_random, pause_at_random,
                                              look_and_change};
    enum { OTHERS = sizeof(others) / sizeof(others[0]) };
    struct thread threads[TRACKERS + OTHERS];

    game->is_over = false;
    for (unsigned i = 0; i < TRACKERS + OTHERS; i++) {
        threads[i].game = game;
        pt_rng_seed(&threads[i].rng, pt_rng_next(rng));
        PT_CHECK(pthread_create(&threads[i].handle, NULL,
                                i < TRACKERS ? track : others[i - TRACKERS], &threads[i]) == 0);
    }
    for (unsigned i = 0; i < TRACKERS + OTHERS; i++) {
        if (i == TRACKERS) {
            game->is_over = true;
        }
        PT_CHECK(pthread_join(threads[i].handle, NULL) == 0);
    }
}

static void no_event_that_was_taken_is_lost(void **state)
{
    struct server *server = pt_alloc_zero(sizeof(*server));
    struct game *game = pt_alloc_zero(sizeof(*game));
    char *dir = pt_test_dir_create();
    struct pt_rng rng;
    unsigned lost = 0;

    (void)state;
    PT_CHECK(server && game && pthread_mutex_init(&server->lock, NULL) == 0);
    pt_rng_seed(&rng, pt_test_seed());
    pt_rng_seed(&server->rng, pt_rng_next(&rng));
    for (unsigned i = 0; i < LIVES; i++) {
        enum playtrace_status status = PLAYTRACE_OK;

        game->p = open_client(server, dir);
        live(game, &rng);
        status = playtrace_close(game->p, (uint32_t)pt_rng_below(&rng, 10));
        PT_CHECK(status == PLAYTRACE_OK || status == PLAYTRACE_QUEUED);
    }
    server->is_kind = true;
    game->p = open_client(server, dir);
    PT_CHECK(playtrace_close(game->p, 60000) == PLAYTRACE_OK);
    for (unsigned i = 0; i < game->taken; i++) {
        lost += find_taken(server, game->ids[i])[0] == '\0';
    }
    PT_CHECK(lost == 0 && game->taken == EVENTS_MAX);
    pthread_mutex_destroy(&server->lock);
    pt_test_dir_remove(dir);
    pt_free(game);
    pt_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_event_that_was_taken_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
