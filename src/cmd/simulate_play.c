/*
 * simulate_play.c - one session of one bot
 *
 * The bot opens the client, plays levels, perhaps buys, and closes it. Only what the client
 * took and keeps becomes truth: a killed app loses what was in memory, by contract.
 */
#include "cmd/simulate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MILLISECOND_US INT64_C(1000)
#define SECOND_US INT64_C(1000000)
#define FLUSH_MS 5000
#define PURPOSE_DELIVER (UINT32_MAX - 1)
#define DELIVER_TRIES 5

/* The game: chances in 1000. */
#define TUTORIAL_PERMILLE 900       /* completed in the first session */
#define TUTORIAL_AGAIN_PERMILLE 250 /* by those who come back to it */
#define WIN_PERMILLE_FIRST 800      /* on level 1; 15 less on each further one, down to 350 */
#define WIN_PERMILLE_STEP 15
#define WIN_PERMILLE_LAST 350
#define PURCHASE_PERMILLE_A 22 /* a session */
#define PURCHASE_PERMILLE_B 31 /* the experiment's effect: 1.4 times as often */

static const struct price {
    const char *sku;
    int64_t cents;
} prices[] = {
    {"gems_80", 99}, {"gems_80", 99}, {"gems_500", 499}, {"starter", 299}, {"gems_1200", 999},
};

struct play {
    struct pt_sim_worker *worker;
    const struct pt_sim_session *session;
    struct pt_sim_player *player;
    struct pt_sim_device device;
    struct pt_rng rng; /* what the bot does; the device's generator makes ids */
    struct playtrace *client;
    struct pt_sim_event events[PT_SIM_SESSION_EVENTS_MAX];
    size_t count;      /* taken by the client */
    size_t kept_count; /* of these, on the device's disk for certain */
    int64_t seq;
    size_t kill_at; /* killed when this many were taken; SIZE_MAX: not */
};

static bool draw(struct play *play, uint32_t permille)
{
    return pt_rng_below(&play->rng, 1000) < permille;
}

static void pass_time(struct play *play, uint32_t least_s, uint32_t most_s)
{
    uint64_t ms =
        UINT64_C(1000) * least_s + pt_rng_below(&play->rng, UINT64_C(1000) * (most_s - least_s));

    play->device.now_us += (int64_t)ms * MILLISECOND_US;
}

/* The events of a killed app that was about to write: on disk up to here. */
static void write_queue(struct play *play)
{
    enum playtrace_status status = playtrace_flush(play->client, 0);

    if (status == PLAYTRACE_OK || status == PLAYTRACE_QUEUED) {
        play->kept_count = play->count;
    }
}

static bool is_over(const struct play *play)
{
    return play->device.is_killed || play->count == PT_SIM_SESSION_EVENTS_MAX;
}

static void track(struct play *play, enum pt_sim_name name, int64_t cents, const char *attributes)
{
    struct pt_sim_event *event = &play->events[play->count];
    enum playtrace_status status = PLAYTRACE_OK;

    if (is_over(play)) {
        return;
    }
    status = playtrace_track_id(play->client, pt_sim_name_text(name), attributes, event->event_id);
    if (status == PLAYTRACE_OK) {
        event->name = name;
        event->seq = play->seq;
        event->true_us = play->device.now_us;
        event->cents = cents;
        snprintf(event->attributes, sizeof(event->attributes), "%s", attributes ? attributes : "");
        play->count++;
    } else {
        play->worker->tally.lost++;
    }
    play->seq++;
    if (play->count == play->kill_at) {
        play->device.is_killed = true;
    } else if (play->count + 2 == play->kill_at) {
        write_queue(play);
    }
}

/* ---- the flag ---- */

static enum pt_sim_variant parse_variant(struct pt_sim_worker *worker, size_t bytes)
{
    struct pt_json root;
    struct pt_span variant;
    struct pt_error err;

    if (pt_json_parse(worker->parser, pt_span_of(worker->body.data, bytes), &root, NULL, &err) ||
        pt_json_type(root) != PT_JSON_OBJECT || !pt_json_member_string(root, "variant", &variant)) {
        return PT_SIM_VARIANT_NONE;
    }
    return pt_span_is(variant, "a")   ? PT_SIM_VARIANT_A
           : pt_span_is(variant, "b") ? PT_SIM_VARIANT_B
                                      : PT_SIM_VARIANT_NONE;
}

static enum pt_sim_variant ask_variant(struct pt_sim_worker *worker, uint32_t player_index)
{
    enum { ANSWER_BYTES_MAX = 4096 };
    char user_id[40];
    char body[128];
    uint8_t *answer = NULL;
    size_t bytes = 0;
    int size = 0;

    pt_sim_user_id(worker->world, player_index, user_id);
    size = snprintf(body, sizeof(body), "{\"context\":{\"targetingKey\":\"%s\"}}", user_id);
    pt_buf_reset(&worker->body);
    answer = pt_buf_reserve(&worker->body, ANSWER_BYTES_MAX + PT_JSON_PADDING);
    if (!answer || pt_sim_post(worker, worker->url_flag, pt_span_of(body, (size_t)size),
                               (char *)answer, ANSWER_BYTES_MAX, &bytes) != 200) {
        return PT_SIM_VARIANT_NONE;
    }
    memset(answer + bytes, 0, PT_JSON_PADDING);
    return parse_variant(worker, bytes);
}

static void meet_experiment(struct play *play)
{
    struct pt_sim_player *player = play->player;
    char attributes[PT_SIM_ATTRIBUTES_BYTES];

    player->variant = ask_variant(play->worker, play->session->player);
    if (player->variant == PT_SIM_VARIANT_NONE) {
        return;
    }
    play->worker->has_flag = true;
    snprintf(attributes, sizeof(attributes),
             "{\"experiment\":\"" PT_SIM_EXPERIMENT "\",\"variant\":\"%s\"}",
             player->variant == PT_SIM_VARIANT_B ? "b" : "a");
    track(play, PT_SIM_EXPOSURE, 0, attributes);
}

/* ---- the game ---- */

static void play_level(struct play *play)
{
    uint32_t level = play->player->level;
    uint32_t fall = WIN_PERMILLE_STEP * (level - 1);
    uint32_t win = fall < WIN_PERMILLE_FIRST - WIN_PERMILLE_LAST ? WIN_PERMILLE_FIRST - fall
                                                                 : WIN_PERMILLE_LAST;
    char attributes[PT_SIM_ATTRIBUTES_BYTES];
    int64_t begun_us = 0;
    bool has_won = draw(play, win);

    pass_time(play, 2, 10);
    snprintf(attributes, sizeof(attributes), "{\"level\":%u}", level);
    track(play, PT_SIM_LEVEL_START, 0, attributes);
    begun_us = play->device.now_us;
    pass_time(play, 20, 90);
    snprintf(attributes, sizeof(attributes),
             "{\"level\":%u,\"result\":\"%s\",\"won\":%s,\"seconds\":%" PRId64 "}", level,
             has_won ? "win" : "lose", has_won ? "true" : "false",
             (play->device.now_us - begun_us) / SECOND_US);
    track(play, PT_SIM_LEVEL_END, 0, attributes);
    if (has_won) {
        play->player->level++;
    }
}

static void shop(struct play *play)
{
    uint32_t chance =
        play->player->variant == PT_SIM_VARIANT_B ? PURCHASE_PERMILLE_B : PURCHASE_PERMILLE_A;
    const struct price *price =
        &prices[pt_rng_below(&play->rng, sizeof(prices) / sizeof(prices[0]))];
    char attributes[PT_SIM_ATTRIBUTES_BYTES];

    if (!draw(play, chance)) {
        return;
    }
    pass_time(play, 3, 20);
    snprintf(attributes, sizeof(attributes),
             "{\"sku\":\"%s\",\"price\":%" PRId64 ".%02" PRId64 ",\"currency\":\"USD\"}",
             price->sku, price->cents / 100, price->cents % 100);
    track(play, PT_SIM_PURCHASE, price->cents, attributes);
}

static void play_tutorial(struct play *play)
{
    pass_time(play, 1, 5);
    track(play, PT_SIM_TUTORIAL_START, 0, NULL);
    pass_time(play, 30, 90);
    if (draw(play, play->session->number == 0 ? TUTORIAL_PERMILLE : TUTORIAL_AGAIN_PERMILLE)) {
        play->player->has_tutorial = true;
        track(play, PT_SIM_TUTORIAL_COMPLETE, 0, NULL);
    }
}

static void play_game(struct play *play)
{
    int64_t begun_us = play->device.now_us;
    uint32_t rounds = 3 + (uint32_t)pt_rng_below(&play->rng, 5);
    char attributes[PT_SIM_ATTRIBUTES_BYTES];

    track(play, PT_SIM_SESSION_START, 0, NULL);
    if (play->session->number == 0) {
        pass_time(play, 1, 3);
        meet_experiment(play);
    }
    if (!play->player->has_tutorial) {
        play_tutorial(play);
    }
    for (uint32_t i = 0; play->player->has_tutorial && i < rounds; i++) {
        play_level(play);
    }
    shop(play);
    pass_time(play, 1, 10);
    snprintf(attributes, sizeof(attributes), "{\"seconds\":%" PRId64 "}",
             (play->device.now_us - begun_us) / SECOND_US);
    track(play, PT_SIM_SESSION_END, 0, attributes);
}

/* ---- the client ---- */

enum playtrace_status pt_sim_client_open(struct pt_sim_device *device, uint32_t player_index,
                                         struct playtrace **client_out)
{
    static const char *const platforms[] = {"ios", "android", "android", "pc", "web"};
    struct pt_sim_worker *worker = device->worker;
    struct playtrace_options options;
    struct playtrace_platform table;
    char user_id[40];
    char dir[PLAYTRACE_URL_BYTES_MAX];

    pt_sim_user_id(worker->world, player_index, user_id);
    snprintf(dir, sizeof(dir), "%s/%s",
             worker->options->queue_dir ? worker->options->queue_dir : "memory", user_id);
    worker->scratch_used = 0;
    pt_sim_device_platform(device, &table);
    playtrace_options_init(&options);
    options.url = worker->options->url;
    options.api_key = worker->options->api_key;
    options.queue_dir = dir;
    options.user_id = user_id;
    options.build_id = "1.4.2";
    options.platform = platforms[player_index % (sizeof(platforms) / sizeof(platforms[0]))];
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.without_worker = true;
    options.sync_at_close = false;
    options.report_health = false; /* the truth holds the game's events only */
    options.flush_ignores_retry = true;
    options.retry_base_ms = 20;
    options.retry_cap_ms = 1000;
    options.flags_enabled = false;
    options.platform_table = &table;
    return playtrace_open(client_out, &options);
}

static void set_faults(struct play *play)
{
    switch ((enum pt_sim_fault)play->session->fault) {
    case PT_SIM_FAULT_NONE:
        break;
    case PT_SIM_FAULT_OFFLINE:
        play->device.is_offline = true;
        break;
    case PT_SIM_FAULT_DUPLICATE:
        play->device.loses_answer = true;
        break;
    case PT_SIM_FAULT_KILL_SENDING:
        play->device.dies_sending = true;
        break;
    case PT_SIM_FAULT_KILL_PLAYING:
        /* Two events before, what there is goes to disk: the last ones are lost. */
        play->kill_at = 4 + (size_t)pt_rng_below(&play->rng, 6);
        break;
    }
}

static enum pt_code send_and_close(struct play *play)
{
    enum playtrace_status status = PLAYTRACE_OK;

    play->device.is_sending = true;
    if (!play->device.is_killed) {
        write_queue(play);
    }
    if (!play->device.is_killed && !play->device.is_offline) {
        status = playtrace_flush(play->client, FLUSH_MS);
    }
    play->player->is_pending =
        status != PLAYTRACE_OK || play->device.is_killed || play->device.is_offline;
    playtrace_close(play->client, 0);
    return PT_OK;
}

/* Sessions of one player are hours apart in simulated time: this waits hardly ever. */
static void await_turn(const struct pt_sim_player *player, uint32_t number)
{
    const struct timespec pause = {.tv_nsec = 200000};

    while (atomic_load_explicit(&player->sessions_done, memory_order_acquire) != number) {
        nanosleep(&pause, NULL);
    }
}

enum pt_code pt_sim_play(struct pt_sim_worker *worker, const struct pt_sim_session *session)
{
    struct play play = {
        .worker = worker,
        .session = session,
        .player = &worker->world->players[session->player],
        .kill_at = SIZE_MAX,
    };
    char session_id[PLAYTRACE_ID_TEXT_BYTES];
    enum playtrace_status status = PLAYTRACE_OK;
    enum pt_code code = PT_OK;

    await_turn(play.player, session->number);
    play.device = (struct pt_sim_device){
        .worker = worker, .player = play.player, .now_us = session->start_us};
    pt_sim_rng(&play.rng, worker->world, session->player, 2u * session->number);
    pt_sim_rng(&play.device.rng, worker->world, session->player, 2u * session->number + 1);
    set_faults(&play);
    status = pt_sim_client_open(&play.device, session->player, &play.client);
    if (status != PLAYTRACE_OK) {
        code = pt_fail(&worker->err, PT_IO, "open the client: %s", playtrace_status_name(status));
        goto out;
    }
    playtrace_session_id(play.client, session_id);
    play_game(&play);
    code = send_and_close(&play);
    if (code) {
        goto out;
    }
    if (play.kept_count < play.count && session->fault != PT_SIM_FAULT_KILL_PLAYING) {
        worker->tally.lost += play.count - play.kept_count;
    }
    code = pt_sim_note(worker, session, session_id, play.events, play.kept_count,
                       play.player->skew_us);
    if (code) {
        goto out;
    }
    if (session->is_modded) {
        code = pt_sim_play_modded(worker, session, play.device.now_us + SECOND_US);
    }

out:
    atomic_store_explicit(&play.player->sessions_done, session->number + 1u, memory_order_release);
    return code;
}

bool pt_sim_deliver(struct pt_sim_worker *worker, uint32_t player_index)
{
    struct pt_sim_player *player = &worker->world->players[player_index];
    struct pt_sim_device device = {.worker = worker, .player = player, .is_sending = true};

    pt_sim_rng(&device.rng, worker->world, player_index, PURPOSE_DELIVER);
    for (unsigned i = 0; i < DELIVER_TRIES && player->is_pending; i++) {
        struct playtrace *client = NULL;

        if (pt_sim_client_open(&device, player_index, &client) != PLAYTRACE_OK) {
            return false;
        }
        player->is_pending = playtrace_flush(client, FLUSH_MS) != PLAYTRACE_OK;
        playtrace_close(client, 0);
    }
    return !player->is_pending;
}
