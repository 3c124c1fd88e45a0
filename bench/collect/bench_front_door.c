/*
 * bench_front_door.c - the collector alone, as a server to measure
 *
 * HTTP, collector and log as `serve` opens them, but nothing behind the log: what is synced is
 * given free at once, so that the log goes round in a few segments. Besides /v1/events there is
 * /echo, which takes any body and answers after a group commit of one short record a request: what
 * the HTTP server costs without the collector's work. Prints where it listens, and ends with
 * SIGTERM.
 *
 *     bench_front_door DIRECTORY THREADS [CERTIFICATE KEY]
 */
#include "collect/collect.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define BODY_BYTES_MAX (8u << 20)
#define ECHO_RECORD_BYTES 64
#define ECHO_GROUP_MAX 4096

struct echo {
    struct pt_log *log;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct pt_http_request *waiting[ECHO_GROUP_MAX]; /* under `lock`, as all below */
    uint32_t count;
    bool is_closing;
};

struct door {
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_keys *keys;
    struct pt_pseudonyms *pseudonyms;
    struct pt_log *log;
    struct pt_log *dead_letters;
    struct pt_http_server *server;
    struct pt_collect *collect;
    struct echo echo;
};

static void must_ok(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench_front_door: %s\n", err->text);
        exit(1);
    }
}

static struct pt_log *open_log(const char *dir, const char *name)
{
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};
    char *path = pt_strf("%s/%s", dir, name);

    pt_log_options_default(&options);
    options.retention_bytes = 0;
    must_ok(path ? pt_log_open(&log, pt_io_posix(), pt_clock_system(), path, &options, &err)
                 : pt_fail(&err, PT_NO_MEMORY, "open %s", name),
            &err);
    pt_free(path);
    return log;
}

/* ---- /echo ---- */

static void echo_commit(struct echo *echo, struct pt_http_request **group, uint32_t count)
{
    static uint8_t records[ECHO_GROUP_MAX * ECHO_RECORD_BYTES];
    static uint32_t sizes[ECHO_GROUP_MAX];
    static const uint8_t note[PT_LOG_NOTE_BYTES];
    struct pt_error err = {0};
    uint64_t offset = 0;

    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = ECHO_RECORD_BYTES;
    }
    must_ok(pt_log_append(echo->log, pt_span_of(records, (size_t)count * ECHO_RECORD_BYTES), sizes,
                          count, note, &offset, &err),
            &err);
    must_ok(pt_log_sync(echo->log, &err), &err);
    pt_log_release(echo->log, pt_log_synced_end(echo->log));
    for (uint32_t i = 0; i < count; i++) {
        pt_http_respond(group[i], 202, NULL, pt_span_of(NULL, 0), NULL, 0);
    }
}

static void *echo_run(void *arg)
{
    struct echo *echo = arg;
    static struct pt_http_request *group[ECHO_GROUP_MAX];

    pthread_mutex_lock(&echo->lock);
    while (echo->count > 0 || !echo->is_closing) {
        uint32_t count = echo->count;

        if (count == 0) {
            pthread_cond_wait(&echo->filled, &echo->lock);
            continue;
        }
        memcpy(group, echo->waiting, count * sizeof(struct pt_http_request *));
        echo->count = 0;
        pthread_mutex_unlock(&echo->lock);
        echo_commit(echo, group, count);
        pthread_mutex_lock(&echo->lock);
    }
    pthread_mutex_unlock(&echo->lock);
    return NULL;
}

static void handle_echo(void *ctx, struct pt_http_request *request)
{
    struct echo *echo = ctx;
    bool is_taken = false;

    pthread_mutex_lock(&echo->lock);
    if (echo->count < ECHO_GROUP_MAX) {
        echo->waiting[echo->count++] = request;
        is_taken = true;
        if (echo->count == 1) {
            pthread_cond_signal(&echo->filled);
        }
    }
    pthread_mutex_unlock(&echo->lock);
    if (!is_taken) {
        pt_http_respond_error(request, 503, "overloaded", "too many requests wait");
    }
}

/* ---- the rest ---- */

static void handle_metrics(void *ctx, struct pt_http_request *request)
{
    struct door *door = ctx;
    struct pt_buf text;

    pt_buf_init(&text, 1u << 20);
    pt_metrics_render(door->metrics, &text);
    pt_http_respond(request, 200, "text/plain", pt_buf_span(&text), NULL, 0);
    pt_buf_release(&text);
}

static void give_free(void *ctx)
{
    struct pt_log *log = ctx;

    pt_log_release(log, pt_log_synced_end(log));
}

static void open_door(struct door *door, const char *dir, const char *threads, char **tls)
{
    struct pt_collect_parts parts = {.clock = pt_clock_system()};
    struct pt_http_limits limits;
    struct pt_error err = {0};
    char *keys_dir = pt_strf("%s/keys", dir);

    pt_log_set_level(PT_LOG_WARN);
    pt_http_limits_default(&limits);
    limits.threads = (uint32_t)strtoul(threads, NULL, 10);
    door->config = pt_config_create();
    door->metrics = pt_metrics_create();
    must_ok(door->config && door->metrics && keys_dir ? PT_OK : PT_NO_MEMORY, &err);
    must_ok(pt_keys_open(&door->keys, pt_io_posix(), pt_clock_system(), NULL, NULL, 0, &err), &err);
    must_ok(pt_pseudonyms_open(&door->pseudonyms, pt_io_posix(), keys_dir, true, &err), &err);
    door->log = open_log(dir, "log");
    door->dead_letters = open_log(dir, "dlq");
    door->echo.log = open_log(dir, "echo");
    must_ok(pt_http_server_open(&door->server, "127.0.0.1:0", &limits, pt_clock_system(), &err),
            &err);
    if (tls[0] && tls[1]) {
        must_ok(pt_http_server_use_tls(door->server, pt_io_posix(), tls[0], tls[1], &err), &err);
    }
    parts.config = door->config;
    parts.metrics = door->metrics;
    parts.pseudonyms = door->pseudonyms;
    parts.keys = door->keys;
    parts.log = door->log;
    parts.dead_letters = door->dead_letters;
    must_ok(pt_collect_open(&door->collect, &parts, limits.threads, &err), &err);
    pt_collect_on_commit(door->collect, give_free, door->log);
    must_ok(pt_collect_routes(door->collect, door->server, &err), &err);
    must_ok(pt_http_route(door->server, "POST", "/echo", BODY_BYTES_MAX, handle_echo, &door->echo,
                          &err),
            &err);
    must_ok(pt_http_route(door->server, "GET", "/metrics", 0, handle_metrics, door, &err), &err);
    pthread_mutex_init(&door->echo.lock, NULL);
    pthread_cond_init(&door->echo.filled, NULL);
    pt_free(keys_dir);
}

int main(int argc, char **argv)
{
    static struct door door;
    struct pt_error err = {0};
    sigset_t signals;
    int received = 0;

    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: bench_front_door DIRECTORY THREADS [CERTIFICATE KEY]\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    open_door(&door, argv[1], argv[2], argv + 3);
    if (pthread_create(&door.echo.thread, NULL, echo_run, &door.echo)) {
        perror("bench_front_door");
        return 1;
    }
    must_ok(pt_http_server_start(door.server, &err), &err);
    printf("listening on %s\n", pt_http_server_url(door.server));
    fflush(stdout);
    sigwait(&signals, &received);
    pt_http_server_drain(door.server, 1000);
    pt_collect_close(door.collect);
    pthread_mutex_lock(&door.echo.lock);
    door.echo.is_closing = true;
    pthread_cond_signal(&door.echo.filled);
    pthread_mutex_unlock(&door.echo.lock);
    pthread_join(door.echo.thread, NULL);
    pt_http_server_close(door.server);
    pt_log_close(door.log);
    pt_log_close(door.dead_letters);
    pt_log_close(door.echo.log);
    pt_pseudonyms_close(door.pseudonyms);
    pt_keys_close(door.keys);
    pt_metrics_destroy(door.metrics);
    pt_config_destroy(door.config);
    return 0;
}
