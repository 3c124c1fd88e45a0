/*
 * simulate_world.c - who installs, who comes back, and when they play
 *
 * No session comes within 15 minutes of midnight, so that a corrected clock's milliseconds
 * never move an event to another day. Sessions of a player lie at least 12 minutes apart.
 */
#include "cmd/simulate.h"

#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PURPOSE_PLAN UINT32_MAX
#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define WINDOW_START_US (15 * MINUTE_US)         /* first session of a day */
#define WINDOW_US (INT64_C(23) * 60 * MINUTE_US) /* the last one begins by 23:15 */
#define SESSION_ROOM_US (30 * MINUTE_US)         /* a session is over by then */
#define SKEW_MIN_US (1 * MINUTE_US)
#define SKEW_MAX_US (INT64_C(3) * 24 * 60 * MINUTE_US)

/* Of 1000 devices, players, sessions. */
#define SKEWED_PERMILLE 50
#define MODDED_PERMILLE 10
#define OFFLINE_PERMILLE 60
#define DUPLICATE_PERMILLE 30
#define KILL_PLAYING_PERMILLE 20
#define KILL_SENDING_PERMILLE 10

/* The chance to be seen on day N after the install; beyond the table it fades by 4 % a day. */
static const double retention[] = {1.0, 0.42, 0.33, 0.28, 0.25, 0.22, 0.20, 0.18};
#define RETENTION_DAYS (sizeof(retention) / sizeof(retention[0]))
#define RETENTION_FADE 0.96

static double retention_of(uint32_t day)
{
    double chance = retention[day < RETENTION_DAYS ? day : RETENTION_DAYS - 1];

    for (uint32_t d = RETENTION_DAYS; d <= day; d++) {
        chance *= RETENTION_FADE;
    }
    return chance;
}

/* splitmix64's finalizer: near inputs give far outputs. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void pt_sim_rng(struct pt_rng *rng, const struct pt_sim_world *world, uint32_t player,
                uint32_t purpose)
{
    pt_rng_seed(rng, mix(mix(world->seed) ^ ((uint64_t)player << 32 | purpose)));
}

void pt_sim_user_id(const struct pt_sim_world *world, uint32_t player, char text[40])
{
    snprintf(text, 40, "bot-%" PRIx64 "-%07u", world->seed, player);
}

static bool draw(struct pt_rng *rng, uint32_t permille)
{
    return pt_rng_below(rng, 1000) < permille;
}

static enum pt_sim_fault draw_fault(struct pt_rng *rng, bool is_first)
{
    uint32_t at = (uint32_t)pt_rng_below(rng, 1000);
    uint32_t limit = is_first ? 0 : OFFLINE_PERMILLE; /* who installs has a network */

    if (at < limit) {
        return PT_SIM_FAULT_OFFLINE;
    }
    limit += DUPLICATE_PERMILLE;
    if (at < limit) {
        return PT_SIM_FAULT_DUPLICATE;
    }
    limit += KILL_PLAYING_PERMILLE;
    if (at < limit) {
        return PT_SIM_FAULT_KILL_PLAYING;
    }
    limit += KILL_SENDING_PERMILLE;
    return at < limit ? PT_SIM_FAULT_KILL_SENDING : PT_SIM_FAULT_NONE;
}

/* 1, 2 or 3 sessions; two on average. */
static uint32_t draw_session_count(struct pt_rng *rng)
{
    uint64_t at = pt_rng_below(rng, 10);

    return at < 3 ? 1 : at < 7 ? 2 : 3;
}

/*
 * Walks through one player's life. With `sessions` NULL it only counts, which leaves the
 * generator as it was: the second walk is the same.
 */
static uint32_t plan_player(const struct pt_sim_world *world, uint32_t index,
                            struct pt_sim_session *sessions)
{
    struct pt_sim_player *player = &world->players[index];
    struct pt_rng rng;
    uint32_t count = 0;

    pt_sim_rng(&rng, world, index, PURPOSE_PLAN);
    player->install_day = (uint32_t)pt_rng_below(&rng, world->days);
    player->level = 1;
    if (draw(&rng, SKEWED_PERMILLE)) {
        int64_t size = (SKEW_MIN_US + (int64_t)pt_rng_below(&rng, SKEW_MAX_US - SKEW_MIN_US)) /
                       SECOND_US * SECOND_US;

        player->skew_us = draw(&rng, 500) ? size : -size;
    }
    bool is_modded = draw(&rng, MODDED_PERMILLE);

    for (uint32_t day = player->install_day; day < world->days; day++) {
        uint32_t today = 0;

        if (pt_rng_unit(&rng) >= retention_of(day - player->install_day)) {
            continue;
        }
        today = draw_session_count(&rng);
        for (uint32_t i = 0; i < today; i++) {
            int64_t part_us = WINDOW_US / today;
            int64_t start_us =
                part_us * i + (int64_t)pt_rng_below(&rng, (uint64_t)(part_us - SESSION_ROOM_US));
            enum pt_sim_fault fault = draw_fault(&rng, count == 0);

            if (sessions) {
                sessions[count] = (struct pt_sim_session){
                    .start_us = (world->first_day + day) * PT_DAY_US + WINDOW_START_US +
                                start_us / SECOND_US * SECOND_US,
                    .player = index,
                    .number = (uint16_t)count,
                    .day = (uint8_t)day,
                    .fault = (uint8_t)fault,
                    .is_modded = is_modded,
                };
            }
            count++;
        }
    }
    player->session_count = count;
    return count;
}

static int by_start(const void *a, const void *b)
{
    const struct pt_sim_session *x = a;
    const struct pt_sim_session *y = b;

    if (x->start_us != y->start_us) {
        return x->start_us < y->start_us ? -1 : 1;
    }
    return x->player < y->player ? -1 : x->player > y->player;
}

bool pt_sim_world_init(struct pt_sim_world *world, const struct pt_sim_options *options,
                       int64_t end_day)
{
    size_t at = 0;

    *world = (struct pt_sim_world){
        .player_count = options->players,
        .days = options->days,
        .first_day = end_day - options->days,
        .seed = options->seed,
    };
    world->players = pt_alloc_zero(world->player_count * sizeof(*world->players));
    if (!world->players) {
        return false;
    }
    for (uint32_t i = 0; i < options->players; i++) {
        world->session_count += plan_player(world, i, NULL);
    }
    world->sessions = pt_alloc(world->session_count * sizeof(*world->sessions));
    if (!world->sessions) {
        pt_sim_world_release(world);
        return false;
    }
    for (uint32_t i = 0; i < options->players; i++) {
        at += plan_player(world, i, world->sessions + at);
    }
    pt_assert(at == world->session_count);
    qsort(world->sessions, world->session_count, sizeof(*world->sessions), by_start);
    return true;
}

void pt_sim_world_release(struct pt_sim_world *world)
{
    for (size_t i = 0; world->players && i < world->player_count; i++) {
        pt_sim_files_release(&world->players[i]);
    }
    pt_free(world->players);
    pt_free(world->sessions);
    *world = (struct pt_sim_world){0};
}
