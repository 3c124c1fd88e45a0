/*
 * test_log_threads.c - readers beside the writer, each on its own thread
 *
 * Method: one reader follows to the synced end, and the writer recycles what it has read; another
 * has no limit and is waited for by nobody. Run under TSan, this also checks the atomics.
 */
#include "log_world.h"

#include <pthread.h>
#include <sched.h>

struct race {
    struct world *world;
    _Atomic bool is_done;
    _Atomic uint64_t read_end; /* what the following reader has behind it */
};

/* cmocka cannot fail a test from another thread: pt_assert() ends the program instead. */
static void *follow(void *ctx)
{
    struct race *race = ctx;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};
    struct pt_error err;
    uint64_t end = 0;

    pt_assert(pt_log_reader_open(&reader, race->world->io, WORLD_DIR, &err) == PT_OK);
    for (;;) {
        bool is_done = race->is_done; /* before the limit, so that the last batches are seen */
        uint64_t limit = pt_log_synced_end(race->world->log);
        enum pt_code code = pt_log_reader_next(reader, limit, &batch, &err);

        if (code == PT_NOT_FOUND && is_done) {
            break;
        }
        if (code == PT_NOT_FOUND) {
            continue;
        }
        pt_assert(code == PT_OK);
        pt_assert(batch.offset == end);
        pt_assert(batch_is_sound(&batch));
        end += batch.count;
        race->read_end = end;
    }
    pt_assert(end == pt_log_end(race->world->log));
    pt_log_reader_close(reader);
    return NULL;
}

/* To the first batch there is. It may be recycled between the two calls. */
static uint64_t seek_start(struct pt_log_reader *reader, struct pt_error *err)
{
    uint64_t start = 0;
    enum pt_code code = PT_OK;

    do {
        start = pt_log_reader_start(reader);
        code = pt_log_reader_seek(reader, start, err);
    } while (code == PT_NOT_FOUND || code == PT_FENCED);
    pt_assert(code == PT_OK);
    return start;
}

/* A reader without a limit, that nobody waits for: it may be overtaken, but never misled. */
static void *stray(void *ctx)
{
    struct race *race = ctx;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};
    struct pt_error err;
    uint64_t end = 0;

    pt_assert(pt_log_reader_open(&reader, race->world->io, WORLD_DIR, &err) == PT_OK);
    end = seek_start(reader, &err);
    while (!race->is_done) {
        enum pt_code code = pt_log_reader_next(reader, UINT64_MAX, &batch, &err);

        if (code == PT_FENCED) {
            end = seek_start(reader, &err);
            continue;
        }
        if (code == PT_NOT_FOUND) {
            continue;
        }
        pt_assert(code == PT_OK);
        pt_assert(batch.offset == end);
        pt_assert(batch_is_sound(&batch));
        end += batch.count;
    }
    pt_log_reader_close(reader);
    return NULL;
}

static void readers_beside_the_writer_see_all_in_order(void **state)
{
    struct world world;
    struct race race = {.world = &world};
    pthread_t threads[2];
    struct pt_rng rng;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    pt_rng_seed(&rng, 4);
    PT_CHECK(pthread_create(&threads[0], NULL, follow, &race) == 0);
    PT_CHECK(pthread_create(&threads[1], NULL, stray, &race) == 0);
    for (unsigned i = 0; i < 1500; i++) {
        PT_CHECK_OK(world_append(&world, (uint32_t)pt_rng_below(&rng, 5),
                                 (uint32_t)pt_rng_below(&rng, 9000)),
                    world.err);
        if (pt_rng_below(&rng, 3) == 0) {
            PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
        }
        if (i % 250 == 249) { /* some segments on: what a starved reader never read stays */
            PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
            while (race.read_end < pt_log_synced_end(world.log)) {
                sched_yield();
            }
        }
        pt_log_release(world.log, race.read_end);
    }
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    race.is_done = true;
    PT_CHECK(pthread_join(threads[0], NULL) == 0);
    PT_CHECK(pthread_join(threads[1], NULL) == 0);
    PT_CHECK(world_read(&world, UINT64_MAX).start > 0);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_beside_the_writer_see_all_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
