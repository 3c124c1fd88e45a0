/*
 * script.h - what the sweeps play in the world of world.h, and from where to where
 */
#ifndef PT_TEST_CRASH_SCRIPT_H
#define PT_TEST_CRASH_SCRIPT_H

#include "lake/compact.h"
#include "world.h"

#include <pthread.h>

enum step_kind {
    SEND,           /* events first … first + count - 1, and `bad` that are refused */
    CHECKPOINT,     /* commit */
    WAIT,           /* `count` minutes pass */
    RESTART,        /* stop and start, as SIGTERM does */
    COMPACT,        /* all small files of each day into one */
    COMPACT_BESIDE, /* the same in a thread, while events `first` … are sent and committed */
    EXPIRE,         /* all snapshots but two, and every file that none names */
    EXPIRE_BESIDE,  /* all snapshots but one in a thread, while events are sent as above */
};

struct step {
    enum step_kind kind;
    unsigned first;
    unsigned count;
    unsigned bad;
};

static const struct step script[] = {
    {SEND, 0, 4, 1},           {CHECKPOINT, 0, 0, 0},
    {SEND, 0, 4, 0}, /* the same again */
    {SEND, 4, 3, 0},           {CHECKPOINT, 0, 0, 0},
    {SEND, 2, 6, 0},           {CHECKPOINT, 0, 0, 0},
    {SEND, 8, 2, 1},           {CHECKPOINT, 0, 0, 0},
    {SEND, 10, 2, 0},          {SEND, 10, 2, 0},
    {CHECKPOINT, 0, 0, 0},     {WAIT, 0, 50, 0}, /* over the hour's edge */
    {SEND, 9, 6, 0},           {CHECKPOINT, 0, 0, 0},
    {RESTART, 0, 0, 0},        {SEND, 0, 16, 0},
    {CHECKPOINT, 0, 0, 0},     {COMPACT, 0, 0, 0},
    {SEND, 14, 4, 0},          {CHECKPOINT, 0, 0, 0},
    {EXPIRE, 0, 0, 0},         {COMPACT_BESIDE, 16, 3, 0},
    {EXPIRE_BESIDE, 17, 3, 0}, {WAIT, 0, 70, 0},
    {SEND, 18, 2, 1},          {CHECKPOINT, 0, 0, 0},
    {SEND, 20, 2, 0}, /* left for the restart to find */
    {RESTART, 0, 0, 0},        {SEND, 0, 24, 0},
};

/* ---- playing it ---- */

static void *compact(void *arg)
{
    struct world *w = arg;
    const struct pt_compact_options options = {
        .files_min = 2, .files_min_today = 2, .is_thorough = true};
    struct pt_compactor *compactor = NULL;
    struct pt_compact_result result;
    struct pt_error err = {0};
    enum pt_code code = pt_compactor_open(&compactor, w->io, &w->clock, w->lake_dir, &err);

    if (!code) {
        code = pt_compactor_run(compactor, &options, &result, &err);
    }
    pt_compactor_close(compactor);
    w->compactions += code == PT_OK;
    return NULL;
}

static void expire(struct world *w, const struct pt_lake_expiry *rule)
{
    struct pt_lake *lake = NULL;
    struct pt_lake_expired expired;
    struct pt_error err = {0};
    enum pt_code code = pt_lake_open(&lake, w->io, &w->clock, w->lake_dir, &err);

    if (!code) {
        code = pt_lake_expire(lake, rule, &expired, &err);
    }
    pt_lake_close(lake);
    w->expiries += code == PT_OK && expired.snapshots > 0;
}

static void *expire_most(void *arg)
{
    expire(arg, &(struct pt_lake_expiry){.age_us = -1, .kept_max = 1, .orphan_age_us = -1});
    return NULL;
}

static void play_beside(struct world *w, const struct step *step, void *(*other)(void *arg))
{
    pthread_t thread;
    struct pt_error err = {0};

    PT_CHECK(pthread_create(&thread, NULL, other, w) == 0);
    for (unsigned i = 0; i < step->count; i++) {
        (void)send_events(w, step->first + i, 1, 0);
        (void)!pt_stream_checkpoint(w->stream, &err);
    }
    PT_CHECK(pthread_join(thread, NULL) == 0);
}

static void play_step(struct world *w, const struct step *step, bool restarts_on_trouble)
{
    struct pt_error err = {0};

    if (step->kind == RESTART || (!w->is_up && restarts_on_trouble)) {
        world_down(w);
        (void)!world_up(w, &err);
    }
    if (!w->is_up) {
        return;
    }
    switch (step->kind) {
    case SEND:
        (void)send_events(w, step->first, step->count, step->bad);
        break;
    case CHECKPOINT:
        (void)!pt_stream_checkpoint(w->stream, &err);
        break;
    case WAIT:
        w->now_us += step->count * INT64_C(60000000);
        break;
    case COMPACT:
        (void)compact(w);
        break;
    case COMPACT_BESIDE:
        play_beside(w, step, compact);
        break;
    case EXPIRE:
        /* Nobody commits meanwhile, so that no file is too young. */
        expire(w, &(struct pt_lake_expiry){.age_us = -1, .kept_max = 2, .orphan_age_us = 0});
        break;
    case EXPIRE_BESIDE:
        play_beside(w, step, expire_most);
        break;
    case RESTART:
        break;
    }
}

/* From step `from` to the end, or until trouble has come where nobody restarts; the next step. */
static size_t play(struct world *w, size_t from, bool restarts_on_trouble)
{
    size_t count = sizeof(script) / sizeof(script[0]);
    struct pt_error err = {0};

    (void)!world_up(w, &err);
    while (from < count && (restarts_on_trouble || !w->cut || !pt_powercut_fired(w->cut))) {
        play_step(w, &script[from++], restarts_on_trouble);
    }
    world_down(w);
    return from;
}

/* ---- sweeping ---- */

/* Where the last run met with trouble, told when its test is over. */
static char place[512];

static int tell_place(void **state)
{
    (void)state;
    print_message("seed %" PRIu64 ", last: %s\n", pt_test_seed(), place);
    return 0;
}

/* Every place in a full sweep, else every `stride`th from one that the seed chooses. */
static unsigned step_of(unsigned stride)
{
#ifdef __SANITIZE_THREAD__
    stride *= 8;
#elif defined(__SANITIZE_ADDRESS__)
    stride *= 2;
#endif
    return pt_test_stride(stride);
}

#endif
