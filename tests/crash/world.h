/*
 * world.h - collector, log, stream engine and table in one process, and a script for them
 *
 * Opened in the order of `serve`, on any pt_io; the wall clock is the test's. Events are numbers,
 * which their ids tell, so that what is in the table can be counted by event.
 */
#ifndef PT_TEST_CRASH_WORLD_H
#define PT_TEST_CRASH_WORLD_H

#include "check.h"
#include "collect/collect.h"
#include "loopback.h"
#include "powercut.h"
#include "seed.h"
#include "stream/stream.h"

#include "base/mem.h"
#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define SEGMENT_BYTES ((uint64_t)1 << 20)

/* ---- the world ---- */

struct world {
    char *root;
    char *log_dir;
    char *dead_dir;
    char *state_dir;
    char *lake_dir;
    char *keys_dir;
    struct pt_powercut *cut;
    struct pt_io *io;
    struct pt_clock clock;
    _Atomic int64_t now_us; /* asked by all threads */
    bool is_acked[EVENTS_MAX];
    bool is_sent[EVENTS_MAX];
    unsigned acked_bad;
    unsigned compactions; /* that went well, as … */
    unsigned expiries;    /* … these did */
    /* What runs; NULL where it does not. */
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_keys *keys;
    struct pt_pseudonyms *pseudonyms;
    struct pt_lake *lake;
    struct pt_log *log;
    struct pt_log *dead;
    struct pt_stream *stream;
    struct pt_http_server *server;
    struct pt_collect *collect;
    bool is_up;
};

static int64_t world_wall_us(void *ctx)
{
    return ((struct world *)ctx)->now_us;
}

static int64_t world_mono_us(void *ctx)
{
    (void)ctx;
    return pt_clock_mono_us(pt_clock_system());
}

/* With a file system whose power can go, or the real one. */
static inline void world_init(struct world *w, bool has_powercut)
{
    char *top = pt_test_dir_create();

    *w = (struct world){.root = pt_strf("%s/data", top)};
    pt_free(top);
    PT_CHECK(pt_io_mkdir(pt_io_posix(), w->root, NULL) == PT_OK);
    w->log_dir = pt_strf("%s/log", w->root);
    w->dead_dir = pt_strf("%s/dlq", w->root);
    w->state_dir = pt_strf("%s/state", w->root);
    w->lake_dir = pt_strf("%s/lake/events", w->root);
    w->keys_dir = pt_strf("%s/keys", w->root);
    w->cut = has_powercut ? pt_powercut_create(w->root) : NULL;
    w->io = w->cut ? pt_powercut_io(w->cut) : pt_io_posix();
    w->clock = (struct pt_clock){.ctx = w, .wall_us = world_wall_us, .mono_us = world_mono_us};
    /* Today, as files' ages are the real ones; at twenty past, for the script counts minutes. */
    w->now_us =
        pt_clock_wall_us(pt_clock_system()) / 3600000000 * 3600000000 + 20 * INT64_C(60000000);
}

static inline void world_release(struct world *w)
{
    char *top = pt_strf("%.*s", (int)(strrchr(w->root, '/') - w->root), w->root);

    pt_powercut_destroy(w->cut);
    pt_test_dir_remove(top);
    pt_free(w->root);
    pt_free(w->log_dir);
    pt_free(w->dead_dir);
    pt_free(w->state_dir);
    pt_free(w->lake_dir);
    pt_free(w->keys_dir);
}

static inline enum pt_code open_logs(struct world *w, struct pt_error *err)
{
    struct pt_checkpoint_summary checkpoint;
    struct pt_log_options options;
    struct pt_ledger_note note;
    uint8_t bytes[PT_LOG_NOTE_BYTES];
    enum pt_code code = pt_stream_read_checkpoint(w->io, w->state_dir, &checkpoint, err);

    pt_log_options_default(&options);
    options.segment_bytes = SEGMENT_BYTES;
    options.free_bytes_min = 0;
    options.synced_offset = checkpoint.log_offset;
    if (!code) {
        code = pt_log_open(&w->log, w->io, &w->clock, w->log_dir, &options, err);
    }
    if (!code) {
        pt_log_last_note(w->log, bytes);
        pt_ledger_note_decode(bytes, &note);
        options.synced_offset = note.dead;
        code = pt_log_open(&w->dead, w->io, &w->clock, w->dead_dir, &options, err);
    }
    return code;
}

/* In the order of `serve`. */
static inline enum pt_code open_parts(struct world *w, struct pt_error *err)
{
    struct pt_file *probe = NULL;
    bool is_fresh = pt_io_open(w->io, w->log_dir, PT_OPEN_READ, &probe, NULL) == PT_NOT_FOUND;
    enum pt_code code = pt_pseudonyms_open(&w->pseudonyms, w->io, w->keys_dir, is_fresh, err);

    pt_io_close(w->io, probe);
    if (!code) {
        code = pt_lake_open(&w->lake, w->io, &w->clock, w->lake_dir, err);
    }
    if (!code) {
        code = open_logs(w, err);
    }
    if (!code) {
        code = pt_io_mkdir(w->io, w->state_dir, err);
    }
    if (!code) {
        code = pt_io_sync_dir(w->io, w->root, err);
    }
    if (!code) {
        const struct pt_stream_parts parts = {
            .io = w->io,
            .clock = &w->clock,
            .config = w->config,
            .metrics = w->metrics,
            .keys = w->keys,
            .log = w->log,
            .lake = w->lake,
            .log_dir = w->log_dir,
            .state_dir = w->state_dir,
        };

        code = pt_stream_open(&w->stream, &parts, err);
    }
    return code;
}

static inline enum pt_code open_door(struct world *w, struct pt_error *err)
{
    struct pt_http_limits limits;
    struct pt_collect_parts parts = {
        .clock = &w->clock,
        .config = w->config,
        .metrics = w->metrics,
        .pseudonyms = w->pseudonyms,
        .keys = w->keys,
        .log = w->log,
        .dead_letters = w->dead,
        .dead_letters_dir = w->dead_dir,
        .io = w->io,
    };
    enum pt_code code = PT_OK;

    pt_http_limits_default(&limits);
    limits.threads = 1;
    code = pt_http_server_open(&w->server, "127.0.0.1:0", &limits, pt_clock_system(), err);
    if (!code) {
        code = pt_collect_open(&w->collect, &parts, limits.threads, err);
    }
    if (!code) {
        code = pt_collect_routes(w->collect, w->server, err);
    }
    if (!code) {
        pt_collect_on_commit(w->collect, pt_stream_wake, w->stream);
        code = pt_stream_start(w->stream, err);
    }
    return code ? code : pt_http_server_start(w->server, err);
}

static inline void world_down(struct world *w)
{
    struct pt_error err = {0};

    if (w->server) {
        pt_http_server_drain(w->server, 1000);
    }
    pt_collect_close(w->collect);
    pt_http_server_close(w->server);
    if (w->stream) {
        enum pt_code code = pt_stream_stop(w->stream, &err);

        (void)code; /* on a disk that is gone the last commit fails */
    }
    pt_stream_close(w->stream);
    pt_log_close(w->log);
    pt_log_close(w->dead);
    pt_lake_close(w->lake);
    pt_pseudonyms_close(w->pseudonyms);
    pt_keys_close(w->keys);
    pt_metrics_destroy(w->metrics);
    pt_config_destroy(w->config);
    w->collect = NULL;
    w->server = NULL;
    w->stream = NULL;
    w->log = NULL;
    w->dead = NULL;
    w->lake = NULL;
    w->pseudonyms = NULL;
    w->keys = NULL;
    w->metrics = NULL;
    w->config = NULL;
    w->is_up = false;
}

static inline enum pt_code world_up(struct world *w, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    w->config = pt_config_create();
    w->metrics = pt_metrics_create();
    PT_CHECK(pt_config_set(w->config, "stream.checkpoint_ms", "3600000", "test", err) == PT_OK);
    code = pt_keys_open(&w->keys, w->io, &w->clock, NULL, NULL, 0, err);
    if (!code) {
        code = open_parts(w, err);
    }
    if (!code) {
        code = open_door(w, err);
    }
    w->is_up = code == PT_OK;
    if (code) {
        world_down(w);
    }
    return code;
}

/* ---- sending ---- */

/* Half of the ids are of version 7, and near each other; half of version 4, and anywhere. */
static inline void put_id(struct pt_buf *body, unsigned n)
{
    if (n % 2) {
        pt_buf_appendf(body, "%08x-1c2d-4e5f-8a9b-%012x", n * 2654435761U, n);
    } else {
        pt_buf_appendf(body, "01998ab0-0000-7cc3-98c4-%012x", n);
    }
}

/* Every third of another day, so that a checkpoint has several files. */
static inline void put_events(struct pt_buf *body, const unsigned *numbers, unsigned count,
                              unsigned bad)
{
    pt_buf_append_str(body, "{\"events\":[");
    for (unsigned i = 0; i < count + bad; i++) {
        pt_buf_append_str(body, i ? "," : "");
        if (i >= count) {
            pt_buf_append_str(body, "{\"event_name\":\"nobody\"}");
            continue;
        }
        pt_buf_append_str(body, "{\"event_id\":\"");
        put_id(body, numbers[i]);
        pt_buf_appendf(body,
                       "\",\"event_name\":\"tick\",\"occurred_at\":\"2026-09-%02uT10:00:00Z\","
                       "\"user_id\":\"u%u\",\"session_id\":\"s\",\"attributes\":{\"n\":%u}}",
                       20 + numbers[i] % 3 / 2, numbers[i] % 5, numbers[i]);
    }
    pt_buf_append_str(body, "]}");
}

/* The status, or 0 where there was no answer. */
static inline int post(struct world *w, struct pt_span body)
{
    uint16_t port = pt_test_port(pt_http_server_url(w->server));
    int fd = pt_test_connect(port);
    struct pt_buf out;
    char answer[1024] = "";
    size_t got = 0;
    ssize_t n = 0;

    pt_buf_init(&out, 1 << 20);
    pt_buf_appendf(&out,
                   "POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   body.size);
    pt_buf_append(&out, body.data, body.size);
    PT_CHECK(send(fd, out.data, out.size, MSG_NOSIGNAL) == (ssize_t)out.size);
    while (got < sizeof(answer) - 1 &&
           (n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0) {
        got += (size_t)n;
    }
    answer[got] = '\0';
    (void)close(fd);
    pt_buf_release(&out);
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

static inline bool send_list(struct world *w, const unsigned *numbers, unsigned count, unsigned bad)
{
    struct pt_buf body;
    int status = 0;

    pt_buf_init(&body, 1 << 20);
    put_events(&body, numbers, count, bad);
    for (unsigned i = 0; i < count; i++) {
        PT_CHECK(numbers[i] < EVENTS_MAX);
        w->is_sent[numbers[i]] = true;
    }
    status = post(w, pt_buf_span(&body));
    PT_CHECK(status == 202 || status == 503 || status == 507);
    if (status == 202) {
        for (unsigned i = 0; i < count; i++) {
            w->is_acked[numbers[i]] = true;
        }
        w->acked_bad += bad;
    }
    pt_buf_release(&body);
    return status == 202;
}

/* Events first … first + count - 1, and `bad` that are refused. Whether they were acknowledged. */
static inline bool send_events(struct world *w, unsigned first, unsigned count, unsigned bad)
{
    unsigned numbers[EVENTS_MAX];

    PT_CHECK(first + count <= EVENTS_MAX);
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = first + i;
    }
    return send_list(w, numbers, count, bad);
}

/* ---- the promise ---- */

/* How often each event is in the table. */
static inline void count_rows(struct world *w, unsigned times[EVENTS_MAX])
{
    static struct pt_duck *duck; /* for all runs: opening one takes 20 ms */
    struct pt_lake_snapshot snapshot;
    struct pt_duck_result *result = NULL;
    struct pt_error err = {0};
    struct pt_buf sql;

    memset(times, 0, EVENTS_MAX * sizeof(*times));
    pt_buf_init(&sql, 1 << 20);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), w->lake_dir, &snapshot, &err), err);
    if (!duck) {
        PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    }
    pt_buf_append_str(&sql, "SELECT event_id::VARCHAR, user_id FROM ");
    pt_lake_scan_sql(&snapshot, &sql);
    pt_buf_append_byte(&sql, 0);
    PT_CHECK_OK(pt_duck_query(duck, (const char *)sql.data, &result, &err), err);
    while (pt_duck_next(result)) {
        struct pt_span id = pt_duck_value_at(result, 0).text;
        char last[13] = "";
        unsigned long n = 0;

        PT_CHECK(id.size == 36);
        memcpy(last, id.data + 24, 12);
        n = strtoul(last, NULL, 16);
        PT_CHECK(n < EVENTS_MAX && w->is_sent[n]);
        times[n]++;
    }
    pt_duck_result_close(result);
    pt_lake_snapshot_release(&snapshot);
    pt_buf_release(&sql);
}

static inline void check_ledger(struct world *w, uint64_t rows)
{
    struct pt_checkpoint_summary now;
    struct pt_ledger_note note;
    struct pt_error err = {0};
    uint8_t bytes[PT_LOG_NOTE_BYTES];

    PT_CHECK_OK(pt_stream_read_checkpoint(w->io, w->state_dir, &now, &err), err);
    pt_log_last_note(w->log, bytes);
    pt_ledger_note_decode(bytes, &note);
    assert_int_equal(now.log_offset, pt_log_end(w->log));
    assert_int_equal(now.stored + now.duplicates, now.log_offset);
    assert_int_equal(now.stored, rows);
    assert_int_equal(pt_lake_row_count(w->lake), rows);
    assert_int_equal(note.received, pt_log_end(w->log) + pt_log_end(w->dead));
    assert_int_equal(note.dead, pt_log_end(w->dead));
    PT_CHECK(pt_log_end(w->dead) >= w->acked_bad);
}

static inline void check_promise(struct world *w)
{
    unsigned times[EVENTS_MAX];
    struct pt_error err = {0};
    uint64_t rows = 0;

    PT_CHECK_OK(world_up(w, &err), err);
    PT_CHECK_OK(pt_stream_checkpoint(w->stream, &err), err);
    count_rows(w, times);
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        if (times[i] > 1) {
            fail_msg("event %u is in the table %u times", i, times[i]);
        }
        if (w->is_acked[i] && times[i] == 0) {
            fail_msg("event %u was acknowledged and is not in the table", i);
        }
        rows += times[i];
    }
    check_ledger(w, rows);
    /* What the games still hold comes again, and some of it twice. */
    for (unsigned i = 0; i < EVENTS_MAX; i += 8) {
        for (unsigned round = 0; round < 2 && w->is_sent[i]; round++) {
            unsigned count = 0;

            while (i + count < EVENTS_MAX && count < 8 && w->is_sent[i + count]) {
                count++;
            }
            PT_CHECK(send_events(w, i, count, 0));
        }
    }
    PT_CHECK_OK(pt_stream_checkpoint(w->stream, &err), err);
    count_rows(w, times);
    rows = 0;
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        assert_int_equal(times[i], w->is_sent[i]);
        rows += times[i];
    }
    check_ledger(w, rows);
    world_down(w);
}

#endif
