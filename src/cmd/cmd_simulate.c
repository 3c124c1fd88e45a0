/*
 * cmd_simulate.c - `playtrace simulate`: a synthetic game with known truth
 *
 * Worker threads take the planned sessions in the order of simulated time; when all are
 * played, every device that still holds events comes back online. simulate.h tells the rest.
 */
#include "cmd/cmd.h"

#include "cmd/simulate.h"

#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_PAUSE_US 250000
#define LINES_BYTES_MAX (2u << 20)
#define BODY_BYTES_MAX (64u << 10)
#define ANSWER_BYTES_MAX 4096

struct simulation {
    struct pt_sim_options options;
    struct pt_sim_world world;
    struct pt_sim_truth *truth;
    struct pt_sim_worker *workers;
    pthread_t *threads;
    _Atomic size_t next_session;
    _Atomic size_t next_player; /* to deliver for */
    _Atomic uint64_t events;    /* for the progress line */
    _Atomic uint64_t undelivered;
    _Atomic uint32_t running; /* threads of the phase */
    _Atomic bool has_failed;
};

struct thread {
    struct simulation *simulation;
    struct pt_sim_worker *worker;
    bool is_delivering;
};

/* ---- workers ---- */

static void worker_release(struct pt_sim_worker *worker)
{
    pt_json_parser_destroy(worker->parser);
    pt_buf_release(&worker->lines);
    pt_buf_release(&worker->body);
    pt_free(worker->url_flag);
    pt_free(worker->url_events);
    pt_free(worker->header_key);
    pt_free(worker->scratch);
    if (worker->transport) {
        playtrace_http_curl_destroy(worker->transport);
    }
}

static enum pt_code worker_init(struct pt_sim_worker *worker, struct simulation *simulation,
                                struct pt_error *err)
{
    const struct pt_sim_options *options = &simulation->options;

    *worker = (struct pt_sim_worker){
        .options = options,
        .world = &simulation->world,
        .truth = simulation->truth,
        .clock = pt_clock_system(),
        .transport = playtrace_http_curl_create(NULL),
        .parser = pt_json_parser_create(BODY_BYTES_MAX),
        .url_flag = pt_strf("%s/ofrep/v1/evaluate/flags/" PT_SIM_EXPERIMENT, options->url),
        .url_events = pt_strf("%s/v1/events", options->url),
        .header_key =
            options->api_key ? pt_strf("Authorization: Bearer %s", options->api_key) : NULL,
        .scratch = pt_alloc(PT_SIM_SCRATCH_BYTES),
    };
    playtrace_platform_posix_init(&worker->posix);
    pt_buf_init(&worker->lines, LINES_BYTES_MAX);
    pt_buf_init(&worker->body, BODY_BYTES_MAX);
    if (!worker->transport || !worker->parser || !worker->url_flag || !worker->url_events ||
        (options->api_key && !worker->header_key) || !worker->scratch) {
        return pt_fail(err, PT_NO_MEMORY, "start a worker");
    }
    return PT_OK;
}

static enum pt_code play_sessions(struct simulation *simulation, struct pt_sim_worker *worker)
{
    for (;;) {
        size_t at = atomic_fetch_add(&simulation->next_session, 1);
        uint64_t before = worker->tally.events;
        enum pt_code code = PT_OK;

        if (at >= simulation->world.session_count || atomic_load(&simulation->has_failed)) {
            break;
        }
        code = pt_sim_play(worker, &simulation->world.sessions[at]);
        if (code) {
            return code;
        }
        atomic_fetch_add(&simulation->events, worker->tally.events - before);
    }
    if (worker->truth && worker->lines.size > 0) {
        return pt_sim_truth_append(worker->truth, &worker->lines, &worker->err);
    }
    return PT_OK;
}

static void deliver_rest(struct simulation *simulation, struct pt_sim_worker *worker)
{
    for (;;) {
        size_t at = atomic_fetch_add(&simulation->next_player, 1);

        if (at >= simulation->world.player_count) {
            return;
        }
        if (simulation->world.players[at].is_pending && !pt_sim_deliver(worker, (uint32_t)at)) {
            atomic_fetch_add(&simulation->undelivered, 1);
        }
    }
}

static void *run_thread(void *arg)
{
    struct thread *thread = arg;

    if (thread->is_delivering) {
        deliver_rest(thread->simulation, thread->worker);
    } else if (play_sessions(thread->simulation, thread->worker)) {
        atomic_store(&thread->simulation->has_failed, true);
    }
    atomic_fetch_sub(&thread->simulation->running, 1);
    return NULL;
}

static void show_progress(struct simulation *simulation, int64_t begun_us)
{
    size_t at = atomic_load(&simulation->next_session);
    uint64_t events = atomic_load(&simulation->events);
    int64_t used_us = pt_clock_mono_us(pt_clock_system()) - begun_us + 1;
    uint32_t day = simulation->world.days;

    if (at < simulation->world.session_count) {
        day = simulation->world.sessions[at].day + 1u;
    }
    fprintf(stderr, "\rsimulate: day %u of %u, %" PRIu64 " events, %" PRIu64 " a second ", day,
            simulation->world.days, events, events * 1000000 / (uint64_t)used_us);
    fflush(stderr);
}

/* Runs every worker through one phase. False where no thread could be started. */
static bool run_phase(struct simulation *simulation, bool is_delivering, int64_t begun_us)
{
    struct thread threads[PT_SIM_WORKERS_MAX];
    bool has_terminal = isatty(STDERR_FILENO);
    uint32_t started = 0;

    atomic_store(&simulation->running, simulation->options.workers);
    for (uint32_t i = 0; i < simulation->options.workers; i++) {
        threads[i] = (struct thread){.simulation = simulation,
                                     .worker = &simulation->workers[i],
                                     .is_delivering = is_delivering};
        if (pthread_create(&simulation->threads[i], NULL, run_thread, &threads[i]) != 0) {
            atomic_fetch_sub(&simulation->running, simulation->options.workers - started);
            break;
        }
        started++;
    }
    while (has_terminal && atomic_load(&simulation->running) > 0) {
        show_progress(simulation, begun_us);
        usleep(PROGRESS_PAUSE_US);
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(simulation->threads[i], NULL);
    }
    if (has_terminal) {
        fputs("\r\033[K", stderr);
    }
    return started > 0;
}

/* ---- the whole ---- */

static int check_server(struct pt_sim_worker *worker)
{
    char answer[ANSWER_BYTES_MAX];
    char time[PT_RFC3339_TEXT_BYTES + 1];
    char body[128];
    size_t bytes = 0;
    int size = 0;
    int status = 0;

    pt_rfc3339_format(pt_clock_wall_us(worker->clock), time);
    size = snprintf(body, sizeof(body), "{\"sent_at\":\"%s\",\"events\":[]}", time);
    status = pt_sim_post(worker, worker->url_events, pt_span_of(body, (size_t)size), answer,
                         sizeof(answer), &bytes);
    if (status == 0) {
        pt_cmd_say("simulate: %s does not answer; is `playtrace serve` running there?",
                   worker->options->url);
        return PT_EXIT_FAILED;
    }
    if (status == 401 || status == 403) {
        pt_cmd_say("simulate: %s refuses the API key (%d); give one with --api-key",
                   worker->options->url, status);
        return PT_EXIT_FAILED;
    }
    return PT_EXIT_OK;
}

static void add_tally(struct pt_sim_tally *sum, const struct pt_sim_tally *tally)
{
    sum->events += tally->events;
    for (size_t i = 0; i < PT_SIM_NAME_COUNT; i++) {
        sum->by_name[i] += tally->by_name[i];
    }
    for (size_t i = 0; i < PT_SIM_DAYS_MAX; i++) {
        sum->purchases[i] += tally->purchases[i];
        sum->cents[i] += tally->cents[i];
    }
    for (size_t i = 0; i < PT_SIM_BAD_COUNT; i++) {
        sum->bad[i] += tally->bad[i];
    }
    sum->bad_uncertain += tally->bad_uncertain;
    sum->requests += tally->requests;
    sum->unexpected += tally->unexpected;
    sum->lost += tally->lost;
}

static int worker_failed(const struct simulation *simulation)
{
    for (uint32_t i = 0; i < simulation->options.workers; i++) {
        if (simulation->workers[i].err.text[0]) {
            return pt_cmd_failed("simulate", &simulation->workers[i].err);
        }
    }
    pt_cmd_say("simulate: a worker stopped");
    return PT_EXIT_FAILED;
}

/* What went wrong without ending the simulation. */
static int say_shortfalls(const struct simulation *simulation, const struct pt_sim_tally *sum)
{
    uint64_t undelivered = atomic_load(&simulation->undelivered);
    bool has_flag = false;
    int exit_code = PT_EXIT_OK;

    for (uint32_t i = 0; i < simulation->options.workers; i++) {
        has_flag = has_flag || simulation->workers[i].has_flag;
    }
    if (!has_flag) {
        pt_cmd_say("simulate: the flag " PT_SIM_EXPERIMENT
                   " could not be had: everybody plays the default, and nobody is exposed");
    }
    if (undelivered > 0) {
        pt_cmd_say("simulate: the queues of %" PRIu64 " devices could not be delivered",
                   undelivered);
        exit_code = PT_EXIT_FAILED;
    }
    if (sum->lost > 0) {
        pt_cmd_say("simulate: the client library took no hold of %" PRIu64 " events", sum->lost);
        exit_code = PT_EXIT_FAILED;
    }
    if (sum->unexpected > 0) {
        pt_cmd_say("simulate: %" PRIu64 " requests of modded clients got another answer than "
                   "they should have",
                   sum->unexpected);
        exit_code = PT_EXIT_FAILED;
    }
    return exit_code;
}

static int checkpoint(struct pt_sim_worker *worker)
{
    char answer[ANSWER_BYTES_MAX];
    size_t bytes = 0;
    char *url = pt_strf("%s/api/v1/checkpoint", worker->options->url);
    int status =
        url ? pt_sim_post(worker, url, pt_span_of("", 0), answer, sizeof(answer), &bytes) : 0;

    pt_free(url);
    if (status < 200 || status > 299) {
        pt_cmd_say("simulate: the checkpoint was answered with %d %.*s", status, (int)bytes,
                   answer);
        return PT_EXIT_FAILED;
    }
    return PT_EXIT_OK;
}

static int run(struct simulation *simulation)
{
    int64_t begun_us = pt_clock_mono_us(pt_clock_system());
    struct pt_sim_tally sum = {0};
    int exit_code = PT_EXIT_OK;
    double seconds = 0;

    if (!run_phase(simulation, false, begun_us)) {
        pt_cmd_say("simulate: no thread could be started");
        return PT_EXIT_FAILED;
    }
    if (atomic_load(&simulation->has_failed)) {
        return worker_failed(simulation);
    }
    run_phase(simulation, true, begun_us);
    seconds = (double)(pt_clock_mono_us(pt_clock_system()) - begun_us) / 1e6;
    for (uint32_t i = 0; i < simulation->options.workers; i++) {
        add_tally(&sum, &simulation->workers[i].tally);
    }
    exit_code = say_shortfalls(simulation, &sum);
    if (simulation->truth) {
        struct pt_error err;

        if (pt_sim_truth_finish(simulation->truth, &simulation->world, &sum, &err)) {
            return pt_cmd_failed("simulate", &err);
        }
    }
    printf("simulate: %" PRIu64 " events of %zu players on %u days in %.1f s: %.0f events/s, "
           "%" PRIu64 " requests, seed %" PRIu64 "\n",
           sum.events, simulation->world.player_count, simulation->world.days, seconds,
           (double)sum.events / seconds, sum.requests, simulation->world.seed);
    fflush(stdout);
    return exit_code;
}

static int simulate(struct simulation *simulation, bool has_checkpoint)
{
    struct pt_sim_options *options = &simulation->options;
    int64_t today = pt_day_of(pt_clock_wall_us(pt_clock_system()));
    struct pt_error err = {0};
    uint32_t ready = 0;
    int exit_code = PT_EXIT_FAILED;

    simulation->workers = pt_alloc_zero(options->workers * sizeof(*simulation->workers));
    simulation->threads = pt_alloc_zero(options->workers * sizeof(*simulation->threads));
    if (!simulation->workers || !simulation->threads ||
        !pt_sim_world_init(&simulation->world, options, today)) {
        pt_cmd_say("simulate: no memory for %u players", options->players);
        goto out;
    }
    if ((options->queue_dir && pt_io_mkdir(pt_io_posix(), options->queue_dir, &err)) ||
        (options->truth_dir && pt_sim_truth_open(&simulation->truth, options->truth_dir, &err))) {
        pt_cmd_failed("simulate", &err);
        goto out;
    }
    for (; ready < options->workers; ready++) {
        if (worker_init(&simulation->workers[ready], simulation, &err)) {
            worker_release(&simulation->workers[ready]);
            pt_cmd_failed("simulate", &err);
            goto out;
        }
    }
    exit_code = check_server(&simulation->workers[0]);
    if (exit_code == PT_EXIT_OK) {
        exit_code = run(simulation);
    }
    if (exit_code == PT_EXIT_OK && has_checkpoint) {
        exit_code = checkpoint(&simulation->workers[0]);
    }

out:
    for (uint32_t i = 0; i < ready; i++) {
        worker_release(&simulation->workers[i]);
    }
    pt_sim_truth_close(simulation->truth);
    pt_sim_world_release(&simulation->world);
    pt_free(simulation->workers);
    pt_free(simulation->threads);
    return exit_code;
}

/* The URL without the slash that people leave at its end. */
static char *base_url(const char *url)
{
    size_t size = strlen(url);

    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    return pt_strndup(url, size);
}

struct arguments {
    const char *url;
    const char *players;
    const char *days;
    const char *seed;
    const char *workers;
    const char *data_dir;
    bool has_checkpoint;
};

/* False after the mistake has been said. */
static bool take_numbers(const struct arguments *arguments, struct pt_sim_options *options)
{
    int64_t players = 0;
    int64_t days = 0;
    int64_t workers = 0;
    int64_t seed = 0;

    if (!pt_cmd_parse_int("--players", arguments->players, 1, PT_SIM_PLAYERS_MAX, &players) ||
        !pt_cmd_parse_int("--days", arguments->days, 1, PT_SIM_DAYS_MAX, &days) ||
        !pt_cmd_parse_int("--workers", arguments->workers, 1, PT_SIM_WORKERS_MAX, &workers) ||
        (arguments->seed && !pt_cmd_parse_int("--seed", arguments->seed, 0, INT64_MAX, &seed))) {
        return false;
    }
    if (!arguments->seed) {
        struct pt_error err;
        uint32_t number = 0;

        if (pt_random_bytes(&number, sizeof(number), &err)) {
            pt_cmd_failed("simulate", &err);
            return false;
        }
        seed = number;
    }
    options->players = (uint32_t)players;
    options->days = (uint32_t)days;
    options->workers = (uint32_t)workers;
    options->seed = (uint64_t)seed;
    return true;
}

static int play(const struct arguments *arguments, struct simulation *simulation)
{
    char *url = NULL;
    int exit_code = PT_EXIT_FAILED;

    if (!arguments->url) {
        pt_cmd_say("simulate: --url is needed: where does `playtrace serve` listen?");
        return PT_EXIT_USAGE;
    }
    if (!take_numbers(arguments, &simulation->options)) {
        return PT_EXIT_USAGE;
    }
    url = base_url(arguments->url);
    if (!url) {
        pt_cmd_say("simulate: no memory");
        return PT_EXIT_FAILED;
    }
    simulation->options.url = url;
    exit_code = simulate(simulation, arguments->has_checkpoint);
    pt_free(url);
    return exit_code;
}

int pt_cmd_simulate(int argc, char **argv)
{
    static struct simulation simulation;
    struct pt_sim_options *options = &simulation.options;
    struct arguments arguments = {.players = "20000", .days = "14", .workers = "16"};
    const char *verb = NULL;
    const struct pt_option table[] = {
        {"--url", "URL", "the server, such as http://127.0.0.1:8080", &arguments.url, NULL},
        {"--players", "N", "players who install the game (20000)", &arguments.players, NULL},
        {"--days", "N", "days that are played, up to last midnight UTC (14)", &arguments.days,
         NULL},
        {"--seed", "N", "same seed, same game (default: a new one, which is printed)",
         &arguments.seed, NULL},
        {"--truth", "DIR", "write events.csv and truth.json there", &options->truth_dir, NULL},
        {"--workers", "N", "connections that play at once (16)", &arguments.workers, NULL},
        {"--queue-dir", "DIR", "keep the devices' queues there as files (default: in memory)",
         &options->queue_dir, NULL},
        {"--api-key", "KEY", "the key of the game", &options->api_key, NULL},
        {"--checkpoint", NULL, "ask the server to commit in the end", NULL,
         &arguments.has_checkpoint},
        {"--data", "DIR", "verify: the server's data directory", &arguments.data_dir, NULL},
        {0},
    };
    struct pt_command_line line = {
        .usage = "playtrace simulate --url URL [OPTION…] | simulate verify --truth DIR --data DIR",
        .about =
            "Play a game of bots through the real client library: installs, retention, levels,\n"
            "purchases, an experiment with an effect, and everything that goes wrong on the way:\n"
            "offline spells, kills, duplicate sends, wrong clocks, malformed events.\n"
            "`simulate verify` compares the table with the truth, row for row.",
        .options = table,
        .positional = &verb,
        .positional_max = 1,
    };
    int exit_code = pt_command_line_parse(&line, argc, argv);

    if (exit_code >= 0) {
        return exit_code;
    }
    if (line.positional_count == 0) {
        return play(&arguments, &simulation);
    }
    if (strcmp(verb, "verify") != 0) {
        pt_cmd_say("simulate: %s: say `simulate` or `simulate verify`", verb);
        return PT_EXIT_USAGE;
    }
    if (!options->truth_dir) {
        pt_cmd_say("simulate verify: --truth is needed");
        return PT_EXIT_USAGE;
    }
    return pt_sim_verify(options->truth_dir, pt_cmd_data_dir(arguments.data_dir));
}
