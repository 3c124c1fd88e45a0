/*
 * stream.c - exactly-once processing
 *
 * COMMIT of checkpoint N. (1) the rows become Parquet files, (2) the open ids become sorted runs,
 * (3) state/checkpoint-N.json, which names both and the log offset behind them, is renamed into
 * place, (4) the table gets a snapshot that carries N. A crash before (3) leaves files that nobody
 * names: they are removed and the log is read again from the last checkpoint. A crash after (3) is
 * rolled forward: the files are known, and committing N twice changes nothing.
 *
 * A step that fails for want of space, or because the disk does, is tried again; the log keeps what
 * was not committed, and the collector is not stopped. Damage in the log stops the engine.
 */
#include "stream/stream.h"

#include "stream/account.h"
#include "stream/checkpoint.h"
#include "stream/held.h"
#include "stream/idset.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* Records held in memory for one checkpoint, beside the limit on rows. */
#define RECORD_BYTES_MAX (128u << 20)
#define PIECE_RECORDS                                                                              \
    PT_ACCOUNT_PIECE /* decoded, then looked up: their rows and ids stay in the first cache */
#define FILES_BYTES_MAX (64u << 20)
#define WAITING_MAX 64
#define RETRY_US 1000000
#define IDLE_US 10000000 /* after so long without a record, memory is given back */

struct pt_stream {
    struct pt_stream_parts parts;
    int64_t checkpoint_us;
    size_t rows_max;

    /* The engine thread's own. */
    struct pt_idset *set;
    struct pt_account *account; /* time, live windows, sequence numbers, the ledger */
    struct pt_log_reader *reader;
    struct pt_json_parser *parser; /* for the files of a checkpoint */
    struct pt_json runs_found;     /* of the checkpoint that was found; borrowed from the parser */
    struct pt_held held;           /* rows read since the last checkpoint */
    struct pt_checkpoint_summary
        now;                    /* as if a checkpoint were made now; number: the last one made */
    uint64_t committed_offset;  /* log offset of the last checkpoint in place */
    struct pt_buf files;        /* JSON array of the files that the table has yet to get */
    bool has_pending;           /* `files` belongs to checkpoint now.number */
    int64_t last_checkpoint_us; /* monotonic */
    int64_t retry_at_us;        /* monotonic; 0: nothing failed */
    int64_t busy_at_us;         /* monotonic: when a record was last read; 0: memory was trimmed */

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t done;
    bool is_woken; /* under `lock`, as all below */
    bool is_closing;
    bool is_stopped;   /* the thread has ended, or the engine met an error that it cannot mend */
    uint64_t asked;    /* tickets of checkpoints asked for … */
    uint64_t answered; /* … and done */
    struct pt_error failure; /* why is_stopped, or why the last commit failed; code PT_OK: fine */
    struct pt_http_request *waiting[WAITING_MAX];
    size_t waiting_count;

    struct pt_metric *stored_total;
    struct pt_metric *duplicates_total;
    struct pt_metric *late_total;
    struct pt_metric *checkpoints_total;
    struct pt_metric *checkpoint_number;
    struct pt_metric *lag_records;
    struct pt_metric *stopped;
};

/* ---- reading the log ---- */

/*
 * `count` records from log offset `offset` on become rows behind those that are held, but for
 * duplicates. `records` are copies; there is room for the rows.
 */
static enum pt_code take_records(struct pt_stream *stream, const uint8_t *records,
                                 const uint32_t *sizes, uint32_t count, uint64_t offset,
                                 struct pt_error *err)
{
    struct pt_row *rows = stream->held.rows + stream->held.count;
    size_t kept = 0;
    enum pt_code code = PT_OK;

    /* Decoded where they will stand, and their places in the id set fetched meanwhile. */
    for (uint32_t i = 0; i < count; i++) {
        if (!pt_event_decode(records, sizes[i], &rows[i].event)) {
            return pt_fail(err, PT_CORRUPT,
                           "log offset %" PRIu64 ": a record of %" PRIu32 " bytes is no event",
                           offset + i, sizes[i]);
        }
        pt_idset_prefetch(stream->set, rows[i].event.event_id);
        pt_account_expect(stream->account, i, &rows[i].event);
        records += sizes[i];
    }
    pt_account_lock(stream->account);
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = false;

        code = pt_idset_add(stream->set, rows[i].event.event_id, rows[i].event.received_at_us,
                            &is_new, err);
        if (code) {
            code = pt_error_prefix(err, code, "log offset %" PRIu64, offset + i);
            break;
        }
        rows[i].is_late = pt_account_event(stream->account, i, &rows[i].event, is_new);
        if (is_new) {
            stream->now.late += rows[i].is_late;
            if (kept < i) {
                rows[kept] = rows[i];
            }
            kept++;
        }
    }
    pt_account_unlock(stream->account);
    if (code) {
        return code;
    }
    stream->held.count += kept;
    stream->now.stored += kept;
    stream->now.duplicates += count - kept;
    stream->now.max_event_time_us = pt_account_newest(stream->account);
    stream->now.log_offset = offset + count;
    return PT_OK;
}

static enum pt_code take_batch(struct pt_stream *stream, const struct pt_log_batch *batch,
                               struct pt_error *err)
{
    const uint8_t *records = batch->records;
    size_t bytes = batch->records_bytes;
    uint32_t at = 0;
    enum pt_code code = PT_OK;

    /* After a restart the reader stands at the batch that holds the offset. */
    for (; at < batch->count && batch->offset + at < stream->now.log_offset; at++) {
        records += batch->sizes[at];
        bytes -= batch->sizes[at];
    }
    code = pt_account_batch(stream->account, batch, batch->count - at, err);
    if (code || at == batch->count) {
        return code;
    }
    records = pt_held_copy(&stream->held, records, bytes, batch->count - at);
    if (!records) {
        return pt_fail(err, PT_NO_MEMORY, "hold %zu rows", stream->held.count + batch->count - at);
    }
    while (at < batch->count) {
        uint32_t left = batch->count - at;
        uint32_t count = left < PIECE_RECORDS ? left : PIECE_RECORDS;

        code = take_records(stream, records, batch->sizes + at, count, batch->offset + at, err);
        if (code) {
            return code;
        }
        for (uint32_t i = 0; i < count; i++) {
            records += batch->sizes[at + i];
        }
        at += count;
    }
    return PT_OK;
}

static bool has_room(const struct pt_stream *stream)
{
    return stream->held.count < stream->rows_max && stream->held.record_bytes < RECORD_BYTES_MAX;
}

/* Take batches until the synced end or until a checkpoint is due by size. */
static enum pt_code read_log(struct pt_stream *stream, struct pt_error *err)
{
    while (has_room(stream)) {
        struct pt_log_batch batch;
        uint64_t limit = pt_log_synced_end(stream->parts.log);
        enum pt_code code = PT_OK;

        if (stream->now.log_offset >= limit) {
            return PT_OK;
        }
        code = pt_log_reader_next(stream->reader, limit, &batch, err);
        if (code == PT_NOT_FOUND) {
            return PT_OK;
        }
        if (code) {
            return code;
        }
        code = take_batch(stream, &batch, err);
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

/* ---- committing ---- */

static enum pt_code commit_pending(struct pt_stream *stream, struct pt_error *err)
{
    struct pt_json files;
    enum pt_code code = PT_OK;

    if (!stream->has_pending) {
        return PT_OK;
    }
    if (!pt_buf_reserve(&stream->files, PT_JSON_PADDING)) {
        return pt_fail(err, PT_NO_MEMORY, "commit checkpoint %" PRIu64, stream->now.number);
    }
    code = pt_json_parse(stream->parser, pt_buf_span(&stream->files), &files, NULL, err);
    if (!code) {
        code = pt_lake_commit(stream->parts.lake, files, stream->now.number, err);
    }
    if (code) {
        return pt_error_prefix(err, code, "commit checkpoint %" PRIu64 " to the table",
                               stream->now.number);
    }
    stream->has_pending = false;
    pt_buf_reset(&stream->files);
    return PT_OK;
}

/* After the table has the checkpoint's files: what only served to get there may go. */
static void tidy(struct pt_stream *stream)
{
    struct pt_error err = {0};

    pt_log_release(stream->parts.log, stream->committed_offset);
    if (pt_checkpoint_remove_old(stream->parts.io, stream->parts.state_dir, stream->now.number,
                                 &err) ||
        pt_idset_remove_stale(stream->set, &err)) {
        /* It costs space, not truth, and the next checkpoint tries again. */
        pt_log_line(PT_LOG_WARN, "stream", NULL, "old state was not removed: %s", err.text);
    }
    pt_idset_report(stream->set, stream->parts.metrics);
}

static enum pt_code write_checkpoint(struct pt_stream *stream, struct pt_error *err)
{
    struct pt_checkpoint_summary next = stream->now;
    uint64_t lake_before = stream->now.lake_checkpoint;
    struct pt_checkpoint_account account;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    next.number++;
    pt_buf_reset(&stream->files);
    pt_jsonw_init(&w, &stream->files);
    pt_jsonw_array(&w);
    if (stream->held.count) {
        code = pt_lake_write(stream->parts.lake, stream->held.rows, stream->held.count, next.number,
                             &w, err);
        if (code) {
            return code;
        }
        next.lake_checkpoint = next.number;
    }
    pt_jsonw_array_end(&w);
    if (stream->files.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "describe the files of checkpoint %" PRIu64, next.number);
    }
    code = pt_idset_write(stream->set, next.number, err);
    if (code) {
        return code;
    }
    code = pt_account_prepare(stream->account, next.number, &account, err);
    if (code) {
        return code;
    }
    code = pt_checkpoint_write(stream->parts.io, stream->parts.state_dir, &next, lake_before,
                               stream->set, pt_buf_span(&stream->files), &account, err);
    if (code) {
        return code;
    }
    pt_account_committed(stream->account, next.number);
    stream->now = next;
    stream->committed_offset = next.log_offset;
    stream->has_pending = stream->held.count > 0;
    pt_metric_add(stream->stored_total, (int64_t)stream->held.count);
    pt_held_reset(&stream->held);
    return PT_OK;
}

/* Everything read so far becomes part of the table. Nothing to do is done at once. */
static enum pt_code checkpoint(struct pt_stream *stream, struct pt_error *err)
{
    enum pt_code code = commit_pending(stream, err);

    if (!code && stream->now.log_offset != stream->committed_offset) {
        code = write_checkpoint(stream, err);
        if (code) {
            return pt_error_prefix(err, code, "checkpoint %" PRIu64, stream->now.number + 1);
        }
        code = commit_pending(stream, err);
        if (!code) {
            tidy(stream);
            pt_metric_add(stream->checkpoints_total, 1);
        }
    }
    pt_metric_set(stream->checkpoint_number, (int64_t)stream->now.number);
    return code;
}

/* ---- the thread ---- */

/* Errors that go away by themselves: space comes back, a disk recovers. */
static bool is_passing(enum pt_code code)
{
    return code == PT_FULL || code == PT_IO || code == PT_AGAIN || code == PT_NO_MEMORY;
}

static void note_failure(struct pt_stream *stream, enum pt_code code, const struct pt_error *err,
                         bool stops)
{
    bool is_news = false;

    pthread_mutex_lock(&stream->lock);
    is_news = stream->failure.code != code || stops;
    stream->failure = *err;
    stream->failure.code = code;
    stream->is_stopped = stream->is_stopped || stops;
    pthread_mutex_unlock(&stream->lock);
    if (is_news) {
        pt_log_line(PT_LOG_ERROR, "stream", NULL, "%s: %s",
                    stops ? "the engine has stopped; events are still kept in the log"
                          : "a commit failed and will be tried again",
                    err->text);
    }
    pt_metric_set(stream->stopped, stops);
}

static void answer_waiting(struct pt_stream *stream, uint64_t ticket)
{
    struct pt_http_request *waiting[WAITING_MAX];
    struct pt_checkpoint_summary now = stream->now;
    struct pt_error failure;
    size_t count = 0;

    pthread_mutex_lock(&stream->lock);
    failure = stream->failure;
    if (ticket > stream->answered) {
        stream->answered = ticket;
    }
    if (stream->answered == stream->asked || stream->is_stopped) {
        count = stream->waiting_count;
        for (size_t i = 0; i < count; i++) {
            waiting[i] = stream->waiting[i];
        }
        stream->waiting_count = 0;
    }
    pthread_cond_broadcast(&stream->done);
    pthread_mutex_unlock(&stream->lock);
    for (size_t i = 0; i < count; i++) {
        char body[256];
        int size =
            snprintf(body, sizeof(body),
                     "{\"checkpoint\":%" PRIu64 ",\"log_offset\":%" PRIu64 ",\"stored\":%" PRIu64
                     ",\"duplicates\":%" PRIu64 ",\"late\":%" PRIu64 "}",
                     now.number, now.log_offset, now.stored, now.duplicates, now.late);

        if (failure.code) {
            pt_http_respond_error(waiting[i], 503, "checkpoint_failed", "%s", failure.text);
        } else {
            pt_http_respond(waiting[i], 200, "application/json", pt_span_of(body, (size_t)size),
                            NULL, 0);
        }
    }
}

/* A quiet server holds on to no more than it needs to go on. */
static void rest(struct pt_stream *stream, int64_t now_us)
{
    if (stream->busy_at_us && now_us - stream->busy_at_us >= IDLE_US && !stream->held.count) {
        pt_held_trim(&stream->held);
        pt_lake_rest(stream->parts.lake);
        pt_mem_trim();
        stream->busy_at_us = 0;
    }
}

/* Read, and commit where it is due or `must_commit`. False: the engine cannot go on. */
static bool step(struct pt_stream *stream, bool must_commit)
{
    struct pt_error err = {0};

    for (;;) {
        int64_t now_us = pt_clock_mono_us(stream->parts.clock);
        uint64_t duplicates = stream->now.duplicates;
        uint64_t late = stream->now.late;
        uint64_t offset = stream->now.log_offset;
        enum pt_code code = read_log(stream, &err);
        bool is_due = !has_room(stream) || must_commit ||
                      now_us - stream->last_checkpoint_us >= stream->checkpoint_us;

        pt_metric_add(stream->duplicates_total, (int64_t)(stream->now.duplicates - duplicates));
        pt_metric_add(stream->late_total, (int64_t)(stream->now.late - late));
        pt_metric_set(stream->lag_records,
                      (int64_t)(pt_log_synced_end(stream->parts.log) - stream->committed_offset));
        if (code) {
            note_failure(stream, code, &err, true);
            return false;
        }
        pt_account_read(stream->account, stream->now.log_offset);
        if (stream->now.log_offset != offset) {
            stream->busy_at_us = now_us;
        }
        rest(stream, now_us);
        if (!is_due || (now_us < stream->retry_at_us && !must_commit)) {
            return true;
        }
        bool was_full = !has_room(stream);
        code = checkpoint(stream, &err);
        stream->last_checkpoint_us = now_us;
        if (code) {
            stream->retry_at_us = now_us + RETRY_US;
            note_failure(stream, code, &err, !is_passing(code));
            return is_passing(code);
        }
        stream->retry_at_us = 0;
        pthread_mutex_lock(&stream->lock);
        stream->failure = (struct pt_error){0};
        pthread_mutex_unlock(&stream->lock);
        if (!was_full) {
            return true;
        }
    }
}

static void wait_for_work(struct pt_stream *stream)
{
    struct timespec until;

    /* Under `lock`. The condition's clock is the monotonic one. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    if (!stream->is_woken) {
        pthread_cond_timedwait(&stream->wake, &stream->lock, &until);
    }
}

static bool is_approximate(const struct pt_config *config)
{
    return strcmp(pt_config_string(config, PT_CONFIG_stream_dedup_mode), "approximate") == 0;
}

/* The rest of recovery, which takes the longer the more there is: the front door is open already.
 */
static enum pt_code recover(struct pt_stream *stream, struct pt_error *err)
{
    uint64_t removed = 0;
    enum pt_code code = PT_OK;

    if (stream->now.number) {
        code = pt_idset_load(stream->set, stream->runs_found, err);
    }
    if (!code && is_approximate(stream->parts.config)) {
        pt_idset_set_approximate(stream->set);
    }
    if (!code) {
        pt_idset_report(stream->set, stream->parts.metrics);
        code = pt_idset_remove_stale(stream->set, err);
    }
    if (!code) {
        code = pt_lake_remove_orphans(stream->parts.lake, &removed, err);
    }
    if (!code) {
        pt_log_release(stream->parts.log, stream->committed_offset);
        code = pt_log_reader_open(&stream->reader, stream->parts.io, stream->parts.log_dir, err);
    }
    return code ? code : pt_log_reader_seek(stream->reader, stream->committed_offset, err);
}

static void *run(void *arg)
{
    struct pt_stream *stream = arg;
    struct pt_error err = {0};
    enum pt_code code = recover(stream, &err);
    bool goes_on = code == PT_OK;
    bool is_last = false;

    if (code) {
        note_failure(stream, code, &err, true);
    }
    while (goes_on && !is_last) {
        uint64_t ticket = 0;
        bool is_asked = false;

        pthread_mutex_lock(&stream->lock);
        if (!stream->is_closing && stream->asked == stream->answered) {
            wait_for_work(stream);
        }
        stream->is_woken = false;
        is_last = stream->is_closing;
        ticket = stream->asked;
        is_asked = stream->asked != stream->answered;
        pthread_mutex_unlock(&stream->lock);
        goes_on = step(stream, is_asked || is_last);
        if (is_asked || !goes_on) {
            answer_waiting(stream, ticket);
        }
    }
    pthread_mutex_lock(&stream->lock);
    stream->is_stopped = true;
    pthread_mutex_unlock(&stream->lock);
    answer_waiting(stream, 0);
    return NULL;
}

void pt_stream_wake(void *arg)
{
    struct pt_stream *stream = arg;

    pthread_mutex_lock(&stream->lock);
    stream->is_woken = true;
    pthread_cond_signal(&stream->wake);
    pthread_mutex_unlock(&stream->lock);
}

enum pt_code pt_stream_checkpoint(struct pt_stream *stream, struct pt_error *err)
{
    uint64_t ticket = 0;
    enum pt_code code = PT_OK;

    pthread_mutex_lock(&stream->lock);
    ticket = ++stream->asked;
    stream->is_woken = true;
    pthread_cond_signal(&stream->wake);
    while (!stream->is_stopped && stream->answered < ticket) {
        pthread_cond_wait(&stream->done, &stream->lock);
    }
    code = stream->failure.code;
    if (code && err) {
        *err = stream->failure;
    } else if (!code && stream->answered < ticket) {
        code = pt_fail(err, PT_FENCED, "the stream engine is not running");
    }
    pthread_mutex_unlock(&stream->lock);
    return code;
}

static void handle_checkpoint(void *ctx, struct pt_http_request *request)
{
    struct pt_stream *stream = ctx;
    struct pt_error failure = {0};
    bool is_taken = false;

    if (!pt_keys_admit(stream->parts.keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    pthread_mutex_lock(&stream->lock);
    if (!stream->is_stopped && stream->waiting_count < WAITING_MAX) {
        stream->waiting[stream->waiting_count++] = request;
        stream->asked++;
        stream->is_woken = true;
        pthread_cond_signal(&stream->wake);
        is_taken = true;
    } else if (stream->is_stopped) {
        failure = stream->failure;
    }
    pthread_mutex_unlock(&stream->lock);
    if (!is_taken) {
        pt_http_respond_error(request, 503, "checkpoint_failed", "%s",
                              failure.code ? failure.text
                                           : "the stream engine is stopping, or too many wait");
    }
}

enum pt_code pt_stream_routes(struct pt_stream *stream, struct pt_http_server *server,
                              struct pt_error *err)
{
    enum pt_code code = pt_http_route_admin(server, "POST", "/api/v1/checkpoint", 1024,
                                            handle_checkpoint, stream, err);

    return code ? code : pt_account_routes(stream->account, server, err);
}

/* ---- recovery ---- */

static enum pt_code roll_forward(struct pt_stream *stream, const struct pt_checkpoint *found,
                                 struct pt_error *err)
{
    uint64_t in_table = pt_lake_checkpoint(stream->parts.lake);
    const struct pt_checkpoint_summary *s = &found->summary;

    if (in_table == s->lake_checkpoint) {
        return PT_OK;
    }
    if (s->lake_checkpoint == s->number && in_table == found->lake_before) {
        return pt_lake_commit(stream->parts.lake, found->files, s->number, err);
    }
    return pt_fail(err, PT_CORRUPT,
                   "state and table disagree: the newest checkpoint is %" PRIu64
                   " and expects the table at %" PRIu64 ", the table is at %" PRIu64
                   ". One of %s and the table was put back alone: restore both from one backup",
                   s->number, s->lake_checkpoint, in_table, stream->parts.state_dir);
}

/*
 * What must be known before anything is accepted: that checkpoint, table and log agree. None of it
 * grows with log, table or state.
 */
static enum pt_code read_checkpoint(struct pt_stream *stream, struct pt_error *err)
{
    struct pt_checkpoint found;
    enum pt_code code =
        pt_checkpoint_read(stream->parts.io, stream->parts.state_dir, stream->parser, &found, err);

    if (code) {
        return code;
    }
    code = roll_forward(stream, &found, err);
    if (code) {
        return code;
    }
    code = pt_account_load(stream->account, &found, err);
    if (code) {
        return code;
    }
    stream->now = found.summary;
    stream->runs_found = found.runs;
    stream->committed_offset = found.summary.log_offset;
    if (pt_log_synced_end(stream->parts.log) < stream->committed_offset) {
        return pt_fail(err, PT_CORRUPT,
                       "the log ends at offset %" PRIu64 ", but the checkpoint has read to %" PRIu64
                       ": the log was put back or cut; restore log and state from one backup",
                       pt_log_synced_end(stream->parts.log), stream->committed_offset);
    }
    return PT_OK;
}

enum pt_code pt_stream_open(struct pt_stream **stream_out, const struct pt_stream_parts *parts,
                            struct pt_error *err)
{
    struct pt_stream *stream = pt_alloc_zero(sizeof(*stream));
    pthread_condattr_t monotonic;
    char *ids_dir = pt_strf("%s/ids", parts->state_dir);
    enum pt_code code = PT_OK;

    *stream_out = NULL;
    if (!stream || !ids_dir) {
        pt_free(stream);
        pt_free(ids_dir);
        return pt_fail(err, PT_NO_MEMORY, "open the stream engine");
    }
    stream->parts = *parts;
    stream->checkpoint_us = pt_config_int(parts->config, PT_CONFIG_stream_checkpoint_ms) * 1000;
    stream->rows_max = (size_t)pt_config_int(parts->config, PT_CONFIG_stream_checkpoint_rows);
    stream->last_checkpoint_us = pt_clock_mono_us(parts->clock);
    pt_held_init(&stream->held);
    pt_buf_init(&stream->files, FILES_BYTES_MAX);
    pthread_mutex_init(&stream->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->wake, &monotonic);
    pthread_cond_init(&stream->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    stream->stored_total =
        pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_stream_stored_total", NULL,
                       "rows committed since the start");
    stream->duplicates_total =
        pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_stream_duplicates_total", NULL,
                       "records dropped because their event_id was seen before");
    stream->late_total = pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_stream_late_total",
                                        NULL, "rows behind the watermark; stored, marked late");
    stream->checkpoints_total =
        pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_stream_checkpoints_total", NULL,
                       "checkpoints committed since the start");
    stream->checkpoint_number =
        pt_metrics_get(parts->metrics, PT_GAUGE, "playtrace_stream_checkpoint", NULL,
                       "number of the newest checkpoint");
    stream->lag_records = pt_metrics_get(parts->metrics, PT_GAUGE, "playtrace_stream_lag_records",
                                         NULL, "records in the log that no checkpoint holds yet");
    stream->stopped = pt_metrics_get(parts->metrics, PT_GAUGE, "playtrace_stream_stopped", NULL,
                                     "1: the engine met an error that it cannot mend");
    stream->parser = pt_json_parser_create(256u << 20);
    if (!stream->parser) {
        code = pt_fail(err, PT_NO_MEMORY, "open the stream engine");
    }
    if (!code) {
        code = pt_idset_open(&stream->set, parts->io, ids_dir,
                             (unsigned)pt_config_int(parts->config, PT_CONFIG_stream_dedup_hours),
                             err);
    }
    if (!code) {
        code = pt_account_open(&stream->account, parts, err);
    }
    if (!code) {
        code = pt_io_sync_dir(parts->io, parts->state_dir, err);
    }
    if (!code) {
        code = read_checkpoint(stream, err);
    }
    if (!code && !is_approximate(parts->config) &&
        strcmp(pt_config_string(parts->config, PT_CONFIG_stream_dedup_mode), "exact") != 0) {
        code =
            pt_fail(err, PT_INVALID, "stream.dedup_mode is \"%s\"; it may be exact or approximate",
                    pt_config_string(parts->config, PT_CONFIG_stream_dedup_mode));
    }
    pt_free(ids_dir);
    if (code) {
        pt_stream_close(stream);
        return code;
    }
    *stream_out = stream;
    return PT_OK;
}

enum pt_code pt_stream_start(struct pt_stream *stream, struct pt_error *err)
{
    int errnum = pthread_create(&stream->thread, NULL, run, stream);

    if (errnum) {
        return pt_fail_errno(err, errnum, "start the stream engine");
    }
    stream->has_thread = true;
    return PT_OK;
}

enum pt_code pt_stream_stop(struct pt_stream *stream, struct pt_error *err)
{
    if (stream->has_thread) {
        pthread_mutex_lock(&stream->lock);
        stream->is_closing = true;
        stream->is_woken = true;
        pthread_cond_signal(&stream->wake);
        pthread_mutex_unlock(&stream->lock);
        pthread_join(stream->thread, NULL);
        stream->has_thread = false;
    }
    if (stream->failure.code && err) {
        *err = stream->failure;
    }
    return stream->failure.code;
}

void pt_stream_close(struct pt_stream *stream)
{
    if (stream) {
        pt_assert(!stream->has_thread);
        pt_log_reader_close(stream->reader);
        pt_idset_close(stream->set);
        pt_account_close(stream->account);
        pt_json_parser_destroy(stream->parser);
        pt_held_release(&stream->held);
        pt_buf_release(&stream->files);
        pthread_cond_destroy(&stream->wake);
        pthread_cond_destroy(&stream->done);
        pthread_mutex_destroy(&stream->lock);
        pt_free(stream);
    }
}
