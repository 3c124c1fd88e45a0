/*
 * commit.c - group commit: one sync answers many requests
 *
 * ORDER. Dead letters are appended and synced before the log's batch is written, and the
 * batch's note holds their count. So after any crash the dead letters behind the last note are
 * exactly those that nobody was told of, and opening cuts them: no dead letter is lost,
 * none is counted twice, and received = accepted + dead holds at every batch.
 *
 * A refusal by a full disk comes before anything was written of the batch; dead letters
 * written just before it stay and are counted as received with the next batch.
 */
#include "collect/commit.h"

#include "wire/frame.h"

#include <pthread.h>
#include <stdatomic.h>

/* Who waits in pt_commit_keep(); under the lock. */
struct keeper {
    enum pt_code code;
    bool is_done;
};

struct waiter {
    struct pt_http_request *request; /* one of the two is there */
    struct keeper *keeper;
    size_t record_bytes;
    uint32_t record_count;
    size_t dead_bytes;
    uint32_t dead_count;
    size_t answer_bytes;
};

/* What the loop threads fill while the commit thread writes the other one. */
struct group {
    struct pt_buf records;
    struct pt_buf record_sizes; /* u32 each */
    struct pt_buf dead;
    struct pt_buf dead_sizes; /* u32 each */
    struct pt_buf answers;
    struct pt_buf waiters; /* struct waiter each */
};

struct pt_commit {
    struct pt_log *log;          /* borrowed, the commit thread's */
    struct pt_log *dead_letters; /* borrowed, the commit thread's */
    size_t in_flight_bytes_max;
    size_t batch_bytes_goal; /* a log batch is closed beyond this, so that it never outgrows a
                                segment */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t kept; /* a keeper is done */
    struct group groups[2];
    struct group *open;             /* under `lock` */
    bool is_closing;                /* under `lock` */
    _Atomic size_t in_flight_bytes; /* in both groups */
    _Atomic bool is_full;           /* the last try met a full disk */
    _Atomic bool is_broken;         /* the log failed: only a restart helps */
    _Atomic uint64_t counted_dead;  /* written by the commit thread: by the newest synced note */
    uint64_t received;              /* the commit thread's */
    void (*wake)(void *ctx);
    void *wake_ctx;
    struct pt_metric *accepted_total;
    struct pt_metric *dead_total;
    struct pt_metric *groups_total;
    struct pt_metric *requests_total;
};

void pt_ledger_note_encode(const struct pt_ledger_note *note, uint8_t bytes_out[PT_LOG_NOTE_BYTES])
{
    memset(bytes_out, 0, PT_LOG_NOTE_BYTES);
    pt_put_u64(bytes_out, note->received);
    pt_put_u64(bytes_out + 8, note->dead);
}

void pt_ledger_note_decode(const uint8_t bytes[PT_LOG_NOTE_BYTES], struct pt_ledger_note *note_out)
{
    note_out->received = pt_get_u64(bytes);
    note_out->dead = pt_get_u64(bytes + 8);
}

static void group_init(struct group *group)
{
    /* The in-flight limit bounds the bytes; these are the ceilings behind it. */
    pt_buf_init(&group->records, SIZE_MAX / 2);
    pt_buf_init(&group->record_sizes, SIZE_MAX / 2);
    pt_buf_init(&group->dead, SIZE_MAX / 2);
    pt_buf_init(&group->dead_sizes, SIZE_MAX / 2);
    pt_buf_init(&group->answers, SIZE_MAX / 2);
    pt_buf_init(&group->waiters, SIZE_MAX / 2);
}

static void group_reset(struct group *group)
{
    pt_buf_reset(&group->records);
    pt_buf_reset(&group->record_sizes);
    pt_buf_reset(&group->dead);
    pt_buf_reset(&group->dead_sizes);
    pt_buf_reset(&group->answers);
    pt_buf_reset(&group->waiters);
}

static void group_release(struct group *group)
{
    pt_buf_release(&group->records);
    pt_buf_release(&group->record_sizes);
    pt_buf_release(&group->dead);
    pt_buf_release(&group->dead_sizes);
    pt_buf_release(&group->answers);
    pt_buf_release(&group->waiters);
}

/* Reserve first, append after: a group holds all of a request or nothing. */
static bool group_add(struct group *group, struct pt_http_request *request, struct keeper *keeper,
                      const struct pt_decoder *decoder)
{
    struct waiter waiter = {
        .request = request,
        .keeper = keeper,
        .record_bytes = decoder->records.size,
        .record_count = decoder->record_sizes.count,
        .dead_bytes = decoder->dead.size,
        .dead_count = decoder->dead_sizes.count,
        .answer_bytes = decoder->answer.size,
    };
    size_t record_sizes_bytes = waiter.record_count * sizeof(uint32_t);
    size_t dead_sizes_bytes = waiter.dead_count * sizeof(uint32_t);

    if (!pt_buf_reserve(&group->records, waiter.record_bytes) ||
        !pt_buf_reserve(&group->record_sizes, record_sizes_bytes) ||
        !pt_buf_reserve(&group->dead, waiter.dead_bytes) ||
        !pt_buf_reserve(&group->dead_sizes, dead_sizes_bytes) ||
        !pt_buf_reserve(&group->answers, waiter.answer_bytes) ||
        !pt_buf_reserve(&group->waiters, sizeof(waiter))) {
        group->records.has_failed = false;
        group->record_sizes.has_failed = false;
        group->dead.has_failed = false;
        group->dead_sizes.has_failed = false;
        group->answers.has_failed = false;
        group->waiters.has_failed = false;
        return false;
    }
    pt_buf_append(&group->records, decoder->records.data, waiter.record_bytes);
    pt_buf_append(&group->record_sizes, decoder->record_sizes.values, record_sizes_bytes);
    pt_buf_append(&group->dead, decoder->dead.data, waiter.dead_bytes);
    pt_buf_append(&group->dead_sizes, decoder->dead_sizes.values, dead_sizes_bytes);
    pt_buf_append(&group->answers, decoder->answer.data, waiter.answer_bytes);
    pt_buf_append(&group->waiters, &waiter, sizeof(waiter));
    return true;
}

static enum pt_code add(struct pt_commit *commit, struct pt_http_request *request,
                        struct keeper *keeper, const struct pt_decoder *decoder,
                        struct pt_error *err)
{
    size_t bytes = decoder->records.size + decoder->dead.size + decoder->answer.size;
    bool is_first = false;
    enum pt_code code = PT_OK;

    if (atomic_load(&commit->is_broken)) {
        return pt_fail(err, PT_AGAIN, "the log failed; the server has to be restarted");
    }
    if (atomic_load(&commit->in_flight_bytes) + bytes > commit->in_flight_bytes_max) {
        return pt_fail(err, PT_AGAIN, "too much is waiting for the disk");
    }
    pthread_mutex_lock(&commit->lock);
    is_first = commit->open->waiters.size == 0;
    if (group_add(commit->open, request, keeper, decoder)) {
        atomic_fetch_add(&commit->in_flight_bytes, bytes);
        if (is_first) {
            pthread_cond_signal(&commit->filled);
        }
    } else {
        code = pt_fail(err, PT_AGAIN, "no memory for one more request");
    }
    pthread_mutex_unlock(&commit->lock);
    return code;
}

enum pt_code pt_commit_add(struct pt_commit *commit, struct pt_http_request *request,
                           const struct pt_decoder *decoder, struct pt_error *err)
{
    return add(commit, request, NULL, decoder, err);
}

enum pt_code pt_commit_keep(struct pt_commit *commit, const struct pt_decoder *decoder,
                            struct pt_error *err)
{
    struct keeper keeper = {PT_OK, false};
    enum pt_code code = add(commit, NULL, &keeper, decoder, err);

    if (code) {
        return code;
    }
    pthread_mutex_lock(&commit->lock);
    while (!keeper.is_done) {
        pthread_cond_wait(&commit->kept, &commit->lock);
    }
    pthread_mutex_unlock(&commit->lock);
    return keeper.code ? pt_fail(err, keeper.code,
                                 keeper.code == PT_FULL ? "no space to keep events"
                                                        : "the log could not be written")
                       : PT_OK;
}

/* Where the next batch begins in a group, and what it takes of it. */
struct slice {
    size_t waiter;
    size_t record_at;
    size_t record_bytes;
    size_t record_index;
    uint32_t record_count;
    size_t dead_at;
    size_t dead_bytes;
    size_t dead_index;
    uint32_t dead_count;
};

static const struct waiter *waiter_at(const struct group *group, size_t index)
{
    return (const struct waiter *)(const void *)group->waiters.data + index;
}

/* The next slice of whole requests up to the goal; false at the end. */
static bool next_slice(const struct group *group, size_t bytes_goal, struct slice *slice)
{
    size_t count = group->waiters.size / sizeof(struct waiter);

    slice->record_at += slice->record_bytes;
    slice->record_index += slice->record_count;
    slice->dead_at += slice->dead_bytes;
    slice->dead_index += slice->dead_count;
    slice->record_bytes = 0;
    slice->record_count = 0;
    slice->dead_bytes = 0;
    slice->dead_count = 0;
    if (slice->waiter == count) {
        return false;
    }
    do {
        const struct waiter *waiter = waiter_at(group, slice->waiter++);

        slice->record_bytes += waiter->record_bytes;
        slice->record_count += waiter->record_count;
        slice->dead_bytes += waiter->dead_bytes;
        slice->dead_count += waiter->dead_count;
    } while (slice->waiter < count && slice->record_bytes + slice->dead_bytes +
                                              waiter_at(group, slice->waiter)->record_bytes +
                                              waiter_at(group, slice->waiter)->dead_bytes <=
                                          bytes_goal);
    return true;
}

static enum pt_code append_dead(struct pt_commit *commit, const struct group *group,
                                struct pt_error *err)
{
    static const uint8_t no_note[PT_LOG_NOTE_BYTES];
    struct slice slice = {0};
    uint64_t offset = 0;
    enum pt_code code = PT_OK;

    if (group->dead.size == 0) {
        return PT_OK;
    }
    while (next_slice(group, commit->batch_bytes_goal, &slice)) {
        if (slice.dead_count == 0) {
            continue;
        }
        code = pt_log_append(
            commit->dead_letters, pt_span_of(group->dead.data + slice.dead_at, slice.dead_bytes),
            (const uint32_t *)(const void *)group->dead_sizes.data + slice.dead_index,
            slice.dead_count, no_note, &offset, err);
        if (code) {
            break;
        }
        commit->received += slice.dead_count;
    }
    /* What was appended before a full disk is kept, and counted. */
    if (!code || code == PT_FULL) {
        struct pt_error sync_err = {0};
        enum pt_code sync_code = pt_log_sync(commit->dead_letters, &sync_err);

        if (sync_code) {
            code = sync_code;
            if (err) {
                *err = sync_err;
            }
        }
    }
    return code;
}

static enum pt_code append_records(struct pt_commit *commit, const struct group *group,
                                   struct pt_error *err)
{
    struct slice slice = {0};
    uint64_t offset = 0;
    enum pt_code code = PT_OK;

    while (!code && next_slice(group, commit->batch_bytes_goal, &slice)) {
        struct pt_ledger_note note = {
            .received = commit->received + slice.record_count,
            .dead = pt_log_end(commit->dead_letters),
        };
        uint8_t bytes[PT_LOG_NOTE_BYTES];

        if (slice.record_count == 0 && slice.dead_count == 0) {
            continue;
        }
        pt_ledger_note_encode(&note, bytes);
        code = pt_log_append(
            commit->log, pt_span_of(group->records.data + slice.record_at, slice.record_bytes),
            (const uint32_t *)(const void *)group->record_sizes.data + slice.record_index,
            slice.record_count, bytes, &offset, err);
        if (!code) {
            commit->received += slice.record_count;
        }
    }
    if (!code || code == PT_FULL) {
        struct pt_error sync_err = {0};
        enum pt_code sync_code = pt_log_sync(commit->log, &sync_err);

        if (sync_code) {
            code = sync_code;
            if (err) {
                *err = sync_err;
            }
        }
    }
    return code;
}

static void tell_keeper(struct pt_commit *commit, struct keeper *keeper, enum pt_code code)
{
    pthread_mutex_lock(&commit->lock);
    keeper->code = code;
    keeper->is_done = true;
    pthread_cond_broadcast(&commit->kept);
    pthread_mutex_unlock(&commit->lock);
}

static void answer_group(struct pt_commit *commit, struct group *group, enum pt_code code)
{
    static const struct pt_http_header_out retry = {"Retry-After", "10"};
    size_t count = group->waiters.size / sizeof(struct waiter);
    size_t answer_at = 0;

    for (size_t i = 0; i < count; i++) {
        const struct waiter *waiter = waiter_at(group, i);

        if (waiter->keeper) {
            tell_keeper(commit, waiter->keeper, code);
        } else if (!code) {
            pt_http_respond(waiter->request, 202, "application/json",
                            pt_span_of(group->answers.data + answer_at, waiter->answer_bytes), NULL,
                            0);
        } else if (code == PT_FULL) {
            static const char body[] = "{\"code\":\"disk_full\",\"detail\":\"no space to keep "
                                       "events; nothing of this request is promised, send it again "
                                       "later\"}";

            pt_http_respond(waiter->request, 507, "application/json",
                            pt_span_of(body, sizeof(body) - 1), &retry, 1);
        } else {
            pt_http_respond_error(waiter->request, 503, "log_failed",
                                  "the log could not be written (%s); nothing of this request is "
                                  "promised, send it again later",
                                  pt_code_name(code));
        }
        answer_at += waiter->answer_bytes;
    }
}

static void write_group(struct pt_commit *commit, struct group *group)
{
    struct pt_error err = {0};
    uint64_t records_before = pt_log_end(commit->log);
    uint64_t dead_before = pt_log_end(commit->dead_letters);
    size_t bytes = group->records.size + group->dead.size + group->answers.size;
    enum pt_code code = PT_OK;

    if (atomic_load(&commit->is_broken)) {
        code = pt_fail(&err, PT_IO, "the log failed before");
    } else {
        code = append_dead(commit, group, &err);
        if (!code) {
            code = append_records(commit, group, &err);
        }
        if (!code) {
            atomic_store(&commit->counted_dead, pt_log_end(commit->dead_letters));
        }
    }
    if (code == PT_FULL) {
        if (!atomic_exchange(&commit->is_full, true)) {
            pt_log_line(PT_LOG_ERROR, "collect", NULL, "events are refused: %s", err.text);
        }
    } else if (code) {
        if (!atomic_exchange(&commit->is_broken, true)) {
            pt_log_line(PT_LOG_ERROR, "collect", NULL, "the log failed; restart the server: %s",
                        err.text);
        }
    } else if (atomic_exchange(&commit->is_full, false)) {
        pt_log_line(PT_LOG_INFO, "collect", NULL, "there is space again: events are accepted");
    }
    if (!code || code == PT_FULL) { /* else nobody knows what is on the disk, and nobody was told */
        pt_metric_add(commit->accepted_total, (int64_t)(pt_log_end(commit->log) - records_before));
        pt_metric_add(commit->dead_total,
                      (int64_t)(pt_log_end(commit->dead_letters) - dead_before));
    }
    pt_metric_add(commit->groups_total, 1);
    pt_metric_add(commit->requests_total, (int64_t)(group->waiters.size / sizeof(struct waiter)));
    answer_group(commit, group, code);
    if (commit->wake && pt_log_end(commit->log) != records_before) {
        commit->wake(commit->wake_ctx);
    }
    group_reset(group);
    atomic_fetch_sub(&commit->in_flight_bytes, bytes);
}

static void *run(void *arg)
{
    struct pt_commit *commit = arg;

    pthread_mutex_lock(&commit->lock);
    for (;;) {
        struct group *group = commit->open;

        if (group->waiters.size == 0) {
            if (commit->is_closing) {
                break;
            }
            pthread_cond_wait(&commit->filled, &commit->lock);
            continue;
        }
        commit->open = group == &commit->groups[0] ? &commit->groups[1] : &commit->groups[0];
        pthread_mutex_unlock(&commit->lock);
        write_group(commit, group);
        pthread_mutex_lock(&commit->lock);
    }
    pthread_mutex_unlock(&commit->lock);
    return NULL;
}

enum pt_code pt_commit_open(struct pt_commit **commit_out, struct pt_log *log,
                            struct pt_log *dead_letters, size_t in_flight_bytes_max,
                            size_t batch_bytes_goal, struct pt_metrics *metrics,
                            struct pt_error *err)
{
    struct pt_commit *commit = pt_alloc_zero(sizeof(*commit));
    uint8_t bytes[PT_LOG_NOTE_BYTES];
    struct pt_ledger_note note;
    int errnum = 0;

    *commit_out = NULL;
    if (!commit) {
        return pt_fail(err, PT_NO_MEMORY, "start the commit thread");
    }
    commit->log = log;
    commit->dead_letters = dead_letters;
    commit->in_flight_bytes_max = in_flight_bytes_max;
    commit->batch_bytes_goal = batch_bytes_goal;
    pt_log_last_note(log, bytes);
    pt_ledger_note_decode(bytes, &note);
    commit->received = note.received;
    atomic_init(&commit->counted_dead, note.dead);
    commit->accepted_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_collect_events_total",
                       "verdict=\"accepted\"", "events that were answered for since the start");
    commit->dead_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_collect_events_total", "verdict=\"dead\"",
                       "events that were answered for since the start");
    commit->groups_total = pt_metrics_get(metrics, PT_COUNTER, "playtrace_collect_groups_total",
                                          NULL, "group commits");
    commit->requests_total = pt_metrics_get(metrics, PT_COUNTER, "playtrace_collect_requests_total",
                                            NULL, "requests that went through a group commit");
    pthread_mutex_init(&commit->lock, NULL);
    pthread_cond_init(&commit->filled, NULL);
    pthread_cond_init(&commit->kept, NULL);
    group_init(&commit->groups[0]);
    group_init(&commit->groups[1]);
    commit->open = &commit->groups[0];
    errnum = pthread_create(&commit->thread, NULL, run, commit);
    if (errnum) {
        pt_commit_close(commit);
        return pt_fail_errno(err, errnum, "start the commit thread");
    }
    commit->has_thread = true;
    *commit_out = commit;
    return PT_OK;
}

const char *pt_commit_unready(const struct pt_commit *commit)
{
    if (atomic_load(&commit->is_broken)) {
        return "the log failed; the server has to be restarted";
    }
    return atomic_load(&commit->is_full) ? "there is no space to keep events" : NULL;
}

static enum pt_code sink_add(void *ctx, struct pt_http_request *request,
                             const struct pt_decoder *decoder, struct pt_error *err)
{
    return pt_commit_add(ctx, request, decoder, err);
}

static enum pt_code sink_keep(void *ctx, const struct pt_decoder *decoder, struct pt_error *err)
{
    return pt_commit_keep(ctx, decoder, err);
}

static const char *sink_unready(const void *ctx)
{
    return pt_commit_unready(ctx);
}

struct pt_sink pt_commit_sink(struct pt_commit *commit)
{
    return (struct pt_sink){
        .ctx = commit, .add = sink_add, .keep = sink_keep, .unready = sink_unready};
}

uint64_t pt_commit_counted_dead(const struct pt_commit *commit)
{
    return atomic_load(&commit->counted_dead);
}

void pt_commit_on_commit(struct pt_commit *commit, void (*wake)(void *ctx), void *ctx)
{
    commit->wake = wake;
    commit->wake_ctx = ctx;
}

void pt_commit_close(struct pt_commit *commit)
{
    if (!commit) {
        return;
    }
    if (commit->has_thread) {
        pthread_mutex_lock(&commit->lock);
        commit->is_closing = true;
        pthread_cond_signal(&commit->filled);
        pthread_mutex_unlock(&commit->lock);
        pthread_join(commit->thread, NULL);
    }
    group_release(&commit->groups[0]);
    group_release(&commit->groups[1]);
    pthread_cond_destroy(&commit->kept);
    pthread_cond_destroy(&commit->filled);
    pthread_mutex_destroy(&commit->lock);
    pt_free(commit);
}
