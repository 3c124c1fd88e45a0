/*
 * test_commit.c - a 202 is a promise that was kept on disk; without it there is none
 *
 * Method: the collector with its commit thread behind a real server on loopback, over logs whose
 * files fail: sync only, or the Nth change and all that follow. Clients count what they
 * were told; the logs are then opened again with the real file system, and hold at least that.
 */
#include "check.h"
#include "collect/collect.h"
#include "fault_io.h"
#include "loopback.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENDERS 8
#define GOOD                                                                                       \
    "{\"event_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\",\"event_name\":\"a\","                 \
    "\"occurred_at\":\"2026-11-01T11:59:00Z\",\"user_id\":\"alice\",\"session_id\":\"s\"}"
#define BAD "{\"event_name\":\"a\"}"

/* ---- files that fail ---- */

static _Atomic unsigned syncs;          /* so far */
static _Atomic unsigned fail_sync_from; /* 0: never */
static _Atomic unsigned sync_delay_us;  /* so that requests gather into a group */
static _Atomic bool is_disk_full;

static enum pt_code counted_sync(void *ctx, struct pt_file *file, struct pt_error *err)
{
    unsigned nth = atomic_fetch_add(&syncs, 1) + 1;
    unsigned from = atomic_load(&fail_sync_from);

    usleep(atomic_load(&sync_delay_us));
    if (from && nth >= from) {
        return pt_fail(err, PT_IO, "planted: fdatasync failed");
    }
    return pt_io_posix()->sync(ctx, file, err);
}

static enum pt_code scarce_free_bytes(void *ctx, const char *path, uint64_t *bytes_out,
                                      struct pt_error *err)
{
    if (atomic_load(&is_disk_full)) {
        *bytes_out = 0;
        return PT_OK;
    }
    return pt_io_posix()->free_bytes(ctx, path, bytes_out, err);
}

static struct pt_io *failing_io(void)
{
    static struct pt_io io;

    io = *pt_io_posix();
    io.sync = counted_sync;
    io.free_bytes = scarce_free_bytes;
    atomic_store(&syncs, 0);
    atomic_store(&fail_sync_from, 0);
    atomic_store(&sync_delay_us, 0);
    atomic_store(&is_disk_full, false);
    return &io;
}

/* ---- the front door ---- */

struct door {
    char *dir;
    char *log_dir;
    char *dead_dir;
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_keys *keys;
    struct pt_pseudonyms *pseudonyms;
    struct pt_log *log;
    struct pt_log *dead_letters;
    struct pt_http_server *server;
    struct pt_collect *collect;
    uint16_t port;
};

static struct pt_log *open_log(struct pt_io *io, const char *dir)
{
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};

    pt_log_options_default(&options);
    options.segment_bytes = 1 << 20;
    options.free_bytes_min = 1;
    PT_CHECK_OK(pt_log_open(&log, io, pt_clock_system(), dir, &options, &err), err);
    return log;
}

static void door_open_on(struct door *door, struct pt_io *io)
{
    struct pt_http_limits limits;
    struct pt_error err = {0};
    struct pt_collect_parts parts = {.clock = pt_clock_system()};

    door->log = open_log(io, door->log_dir);
    door->dead_letters = open_log(io, door->dead_dir);
    parts.config = door->config = pt_config_create();
    parts.metrics = door->metrics = pt_metrics_create();
    PT_CHECK_OK(pt_pseudonyms_open_ephemeral(&door->pseudonyms, &err), err);
    PT_CHECK_OK(pt_keys_open(&door->keys, io, pt_clock_system(), NULL, NULL, 0, &err), err);
    parts.pseudonyms = door->pseudonyms;
    parts.keys = door->keys;
    parts.log = door->log;
    parts.dead_letters = door->dead_letters;
    pt_http_limits_default(&limits);
    PT_CHECK_OK(pt_http_server_open(&door->server, "127.0.0.1:0", &limits, pt_clock_system(), &err),
                err);
    PT_CHECK_OK(pt_collect_open(&door->collect, &parts, limits.threads, &err), err);
    PT_CHECK_OK(pt_collect_routes(door->collect, door->server, &err), err);
    PT_CHECK_OK(pt_http_server_start(door->server, &err), err);
    door->port = pt_test_port(pt_http_server_url(door->server));
}

static void door_open(struct door *door, struct pt_io *io)
{
    *door = (struct door){.dir = pt_test_dir_create()};
    door->log_dir = pt_strf("%s/log", door->dir);
    door->dead_dir = pt_strf("%s/dlq", door->dir);
    door_open_on(door, io);
}

static void door_shut(struct door *door)
{
    pt_http_server_drain(door->server, 1000);
    pt_collect_close(door->collect);
    pt_http_server_close(door->server);
    pt_log_close(door->log);
    pt_log_close(door->dead_letters);
    pt_pseudonyms_close(door->pseudonyms);
    pt_keys_close(door->keys);
    pt_metrics_destroy(door->metrics);
    pt_config_destroy(door->config);
}

static void door_remove(struct door *door)
{
    pt_free(door->log_dir);
    pt_free(door->dead_dir);
    pt_test_dir_remove(door->dir);
}

/* What a restart finds: the same logs, the ledger in balance. */
static void door_recount(struct door *door, uint64_t *records_out, uint64_t *dead_out)
{
    uint8_t bytes[PT_LOG_NOTE_BYTES];
    struct pt_ledger_note note;

    door_open_on(door, pt_io_posix());
    *records_out = pt_log_end(door->log);
    *dead_out = pt_log_end(door->dead_letters);
    pt_log_last_note(door->log, bytes);
    pt_ledger_note_decode(bytes, &note);
    PT_CHECK(note.dead == *dead_out);
    PT_CHECK(note.received == *records_out + *dead_out);
    PT_CHECK(pt_collect_unready(door->collect) == NULL);
    door_shut(door);
}

static int64_t accepted(struct door *door)
{
    return pt_metric_read(pt_metrics_get(
        door->metrics, PT_COUNTER, "playtrace_collect_events_total", "verdict=\"accepted\"", ""));
}

/* One request on a connection of its own; the status, or 0 where there was no answer. */
static int post(uint16_t port, const char *events, char *answer, size_t answer_bytes)
{
    char request[2048];
    int size = snprintf(request, sizeof(request),
                        "POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                        "Content-Length: %zu\r\n\r\n{\"events\":[%s]}",
                        strlen(events) + strlen("{\"events\":[]}"), events);
    int fd = pt_test_socket();
    size_t got = 0;
    int status = 0;

    if (pt_test_dial(fd, port) && send(fd, request, (size_t)size, MSG_NOSIGNAL) == size) {
        ssize_t n = 0;

        while (got < answer_bytes - 1 &&
               (n = recv(fd, answer + got, answer_bytes - 1 - got, 0)) > 0) {
            got += (size_t)n;
        }
    }
    answer[got] = '\0';
    close(fd);
    if (strncmp(answer, "HTTP/1.1 ", 9) == 0) {
        status = (int)strtol(answer + 9, NULL, 10);
    }
    return status;
}

struct sender {
    pthread_t thread;
    uint16_t port;
    unsigned requests;
    unsigned by_status[600];
    bool is_broken; /* a 202 came after a 503 */
};

static void *send_many(void *arg)
{
    struct sender *sender = arg;
    char answer[2048];

    for (unsigned i = 0; i < sender->requests; i++) {
        int status = post(sender->port, GOOD "," BAD, answer, sizeof(answer));

        sender->is_broken |= status == 202 && sender->by_status[503] > 0;
        sender->by_status[status > 0 && status < 600 ? status : 0]++;
    }
    return NULL;
}

/* ---- the promises ---- */

static void after_a_failed_sync_nothing_is_accepted(void **state)
{
    (void)state;
    /* A group syncs its dead letters, then the log: each of both is the one that fails. */
    for (unsigned nth = 1; nth <= 6; nth++) {
        struct door door;
        struct sender senders[SENDERS] = {0};
        struct sender sum = {0};
        char answer[2048];
        uint64_t records = 0;
        uint64_t dead = 0;

        door_open(&door, failing_io());
        PT_CHECK(pt_collect_unready(door.collect) == NULL);
        atomic_store(&sync_delay_us, 3000);
        atomic_store(&fail_sync_from, atomic_load(&syncs) + nth);
        for (int i = 0; i < SENDERS; i++) {
            senders[i].port = door.port;
            senders[i].requests = 10;
            PT_CHECK(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]) == 0);
        }
        for (int i = 0; i < SENDERS; i++) {
            pthread_join(senders[i].thread, NULL);
            sum.is_broken |= senders[i].is_broken;
            sum.by_status[202] += senders[i].by_status[202];
            sum.by_status[503] += senders[i].by_status[503];
        }
        /* Every request was answered, and by nothing else. */
        assert_int_equal(sum.by_status[202] + sum.by_status[503], SENDERS * 10);
        PT_CHECK(sum.by_status[503] > 0 && !sum.is_broken);
        PT_CHECK(nth > 2 || sum.by_status[202] == 0);
        PT_CHECK(nth < 3 || sum.by_status[202] > 0);
        PT_CHECK(accepted(&door) == sum.by_status[202]);
        PT_CHECK(pt_collect_unready(door.collect) != NULL);
        /* The disk being well again changes nothing: what a failed sync left behind is unknown. */
        atomic_store(&fail_sync_from, 0);
        PT_CHECK(post(door.port, GOOD, answer, sizeof(answer)) == 503);
        PT_CHECK(strstr(answer, "Retry-After") || strstr(answer, "again"));
        PT_CHECK(pt_collect_unready(door.collect) != NULL);
        door_shut(&door);
        door_recount(&door, &records, &dead);
        PT_CHECK(records >= sum.by_status[202] && dead >= sum.by_status[202]);
        door_remove(&door);
    }
}

static void no_single_fault_loses_an_acknowledged_event(void **state)
{
    bool fired = true;
    unsigned nth = 1;

    (void)state;
    for (; fired; nth++) {
        struct door door;
        char answer[2048];
        const char *const bodies[] = {GOOD "," GOOD, BAD, GOOD "," BAD};
        const unsigned good[] = {2, 0, 1};
        const unsigned bad[] = {0, 1, 1};
        unsigned acked_good = 0;
        unsigned acked_bad = 0;
        uint64_t records = 0;
        uint64_t dead = 0;
        int first_refusal = 3;

        door_open(&door, pt_fault_io(0));
        pt_fault_io(nth); /* counts anew: what opening changed is not of interest */
        for (int i = 0; i < 3; i++) {
            int status = post(door.port, bodies[i], answer, sizeof(answer));

            PT_CHECK(status == 202 || status == 503);
            PT_CHECK(status == 503 || i < first_refusal);
            if (status == 202) {
                acked_good += good[i];
                acked_bad += bad[i];
            } else if (first_refusal == 3) {
                first_refusal = i;
            }
        }
        fired = pt_fault_io_fired();
        PT_CHECK(fired == (first_refusal < 3));
        PT_CHECK(fired == (pt_collect_unready(door.collect) != NULL));
        pt_fault_io(0);
        door_shut(&door);
        door_recount(&door, &records, &dead);
        PT_CHECK(records >= acked_good && dead >= acked_bad);
        door_remove(&door);
    }
    PT_CHECK(nth > 8); /* three requests: at least a write and a sync for each of five batches */
}

static void a_full_disk_is_507_until_there_is_space(void **state)
{
    struct door door;
    char answer[2048];
    uint64_t records = 0;
    uint64_t dead = 0;
    unsigned acked = 0;

    (void)state;
    door_open(&door, failing_io());
    PT_CHECK(post(door.port, GOOD, answer, sizeof(answer)) == 202);
    acked++;
    atomic_store(&is_disk_full, true);
    /* The segment at hand has its blocks already: it may be filled, but no new one is begun. */
    for (int i = 0; i < 20000; i++) {
        int status = post(door.port, GOOD "," GOOD "," GOOD "," GOOD, answer, sizeof(answer));

        if (status == 507) {
            break;
        }
        PT_CHECK(status == 202);
        acked += 4;
    }
    PT_CHECK(strncmp(answer, "HTTP/1.1 507", 12) == 0 && strstr(answer, "Retry-After: 10"));
    PT_CHECK(strstr(answer, "disk_full") != NULL);
    PT_CHECK(pt_collect_unready(door.collect) != NULL);
    atomic_store(&is_disk_full, false);
    PT_CHECK(post(door.port, GOOD, answer, sizeof(answer)) == 202); /* by itself */
    acked++;
    PT_CHECK(pt_collect_unready(door.collect) == NULL);
    door_shut(&door);
    door_recount(&door, &records, &dead);
    PT_CHECK(records >= acked && dead == 0);
    door_remove(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_failed_sync_nothing_is_accepted),
        cmocka_unit_test(no_single_fault_loses_an_acknowledged_event),
        cmocka_unit_test(a_full_disk_is_507_until_there_is_space),
    };

    pt_log_set_level(PT_LOG_ERROR + 1); /* the planted faults are said otherwise */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
