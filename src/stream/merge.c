/*
 * merge.c - runs of one bucket become one, in the background
 */
#include "stream/merge.h"

#include "stream/run.h"

#include <pthread.h>

/* How often a running job looks whether it should end. */
#define IDS_BETWEEN_LOOKS 4096u

struct pt_merger {
    struct pt_io *io;
    char *dir;
    /* Written while idle, read by the thread while busy. */
    char *inputs[PT_MERGE_INPUTS_MAX];
    size_t input_count;
    char *output;

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* nothing is called while it is held */
    pthread_cond_t changed;
    enum pt_merge_state state; /* under `lock`, as all below */
    bool is_closing;
    enum pt_code code;
    struct pt_error failure;
};

struct input {
    struct pt_id head;
    struct pt_run_cursor *cursor;
};

struct job {
    struct pt_run *runs[PT_MERGE_INPUTS_MAX];
    struct pt_run_cursor cursors[PT_MERGE_INPUTS_MAX];
    size_t count;
    struct input inputs[PT_MERGE_INPUTS_MAX]; /* a heap, the least head first */
    size_t live;
    struct pt_run_writer *writer;
};

static bool should_end(struct pt_merger *merger)
{
    bool ends = false;

    pthread_mutex_lock(&merger->lock);
    ends = merger->is_closing;
    pthread_mutex_unlock(&merger->lock);
    return ends;
}

static void sink_down(struct job *job, size_t at)
{
    struct input moved = job->inputs[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= job->live) {
            break;
        }
        if (child + 1 < job->live &&
            pt_id_less(job->inputs[child + 1].head, job->inputs[child].head)) {
            child++;
        }
        if (!pt_id_less(job->inputs[child].head, moved.head)) {
            break;
        }
        job->inputs[at] = job->inputs[child];
        at = child;
    }
    job->inputs[at] = moved;
}

/* The next value of the least input; an input that has ended leaves the heap. */
static enum pt_code advance(struct job *job, struct pt_error *err)
{
    struct input *least = &job->inputs[0];
    enum pt_code code = pt_run_cursor_next(least->cursor, &least->head, err);

    if (code == PT_NOT_FOUND) {
        *least = job->inputs[--job->live];
        code = PT_OK;
    }
    if (!code && job->live > 1) {
        sink_down(job, 0);
    }
    return code;
}

static enum pt_code open_inputs(struct job *job, bool is_hashes, struct pt_error *err)
{
    job->live = 0;
    for (size_t i = 0; i < job->count; i++) {
        struct input *input = &job->inputs[job->live++];
        enum pt_code code = PT_OK;

        input->cursor = &job->cursors[i];
        pt_run_cursor_close(input->cursor);
        code = pt_run_cursor_open(input->cursor, job->runs[i], is_hashes, err);
        if (!code) {
            code = pt_run_cursor_next(input->cursor, &input->head, err);
        }
        if (code) {
            return code == PT_NOT_FOUND
                       ? pt_fail(err, PT_CORRUPT, "id run %s holds nothing", job->runs[i]->path)
                       : code;
        }
    }
    for (size_t i = job->live / 2; i-- > 0;) {
        sink_down(job, i);
    }
    return PT_OK;
}

static enum pt_code merge_list(struct pt_merger *merger, struct job *job, bool is_hashes,
                               struct pt_error *err)
{
    unsigned looked = 0;
    enum pt_code code = open_inputs(job, is_hashes, err);

    while (!code && job->live) {
        struct pt_id id = job->inputs[0].head;

        if (is_hashes) {
            pt_run_writer_put_hash(job->writer, id.hi << PT_ID_HASH_DROPPED);
        } else {
            pt_run_writer_put_id(job->writer, id);
        }
        code = advance(job, err);
        if (!code && ++looked == IDS_BETWEEN_LOOKS) {
            looked = 0;
            if (should_end(merger)) {
                code = pt_fail(err, PT_AGAIN, "the merge was ended early");
            } else if (pt_run_writer_code(job->writer)) {
                return PT_OK; /* finish tells why */
            }
        }
    }
    return code;
}

static enum pt_code merge(struct pt_merger *merger, struct job *job, struct pt_error *err)
{
    const struct pt_run_header *first = NULL;
    uint32_t level = 0;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < merger->input_count; i++) {
        code = pt_run_open(&job->runs[i], merger->io, merger->dir, merger->inputs[i], err);
        if (code) {
            return code;
        }
        job->count++;
        level = job->runs[i]->header.level > level ? job->runs[i]->header.level : level;
    }
    first = &job->runs[0]->header;
    code = pt_run_writer_open(&job->writer, merger->io, merger->dir, merger->output, first->bucket,
                              level + 1, first->has_ids, first->seed, err);
    if (code) {
        return code;
    }
    if (first->has_ids) {
        code = merge_list(merger, job, false, err);
    }
    if (!code) {
        code = merge_list(merger, job, true, err);
    }
    return code ? code : pt_run_writer_finish(job->writer, err);
}

static enum pt_code do_job(struct pt_merger *merger, struct pt_error *err)
{
    struct job *job = pt_alloc_zero(sizeof(*job));
    enum pt_code code = job ? merge(merger, job, err) : PT_NO_MEMORY;

    if (!job) {
        return pt_fail(err, PT_NO_MEMORY, "merge id runs");
    }
    pt_run_writer_close(job->writer);
    for (size_t i = 0; i < job->count; i++) {
        pt_run_cursor_close(&job->cursors[i]);
        pt_run_close(job->runs[i]);
    }
    pt_free(job);
    return code;
}

static void *work(void *arg)
{
    struct pt_merger *merger = arg;

    pthread_mutex_lock(&merger->lock);
    for (;;) {
        struct pt_error err = {0};
        enum pt_code code = PT_OK;

        while (!merger->is_closing && merger->state != PT_MERGE_BUSY) {
            pthread_cond_wait(&merger->changed, &merger->lock);
        }
        if (merger->is_closing) {
            break;
        }
        pthread_mutex_unlock(&merger->lock);
        code = do_job(merger, &err);
        pthread_mutex_lock(&merger->lock);
        merger->code = code;
        merger->failure = err;
        merger->state = PT_MERGE_DONE;
        pthread_cond_broadcast(&merger->changed);
    }
    pthread_mutex_unlock(&merger->lock);
    return NULL;
}

struct pt_merger *pt_merger_create(struct pt_io *io, const char *dir)
{
    struct pt_merger *merger = pt_alloc_zero(sizeof(*merger));

    if (!merger || !(merger->dir = pt_strdup(dir))) {
        pt_free(merger);
        return NULL;
    }
    merger->io = io;
    pthread_mutex_init(&merger->lock, NULL);
    pthread_cond_init(&merger->changed, NULL);
    return merger;
}

static void forget_job(struct pt_merger *merger)
{
    for (size_t i = 0; i < merger->input_count; i++) {
        pt_free(merger->inputs[i]);
    }
    pt_free(merger->output);
    merger->input_count = 0;
    merger->output = NULL;
}

void pt_merger_destroy(struct pt_merger *merger)
{
    if (!merger) {
        return;
    }
    if (merger->has_thread) {
        pthread_mutex_lock(&merger->lock);
        merger->is_closing = true;
        pthread_cond_broadcast(&merger->changed);
        pthread_mutex_unlock(&merger->lock);
        pthread_join(merger->thread, NULL);
    }
    forget_job(merger);
    pthread_cond_destroy(&merger->changed);
    pthread_mutex_destroy(&merger->lock);
    pt_free(merger->dir);
    pt_free(merger);
}

enum pt_merge_state pt_merger_state(struct pt_merger *merger)
{
    enum pt_merge_state state;

    pthread_mutex_lock(&merger->lock);
    state = merger->state;
    pthread_mutex_unlock(&merger->lock);
    return state;
}

enum pt_code pt_merger_start(struct pt_merger *merger, const char *const *inputs, size_t count,
                             const char *output, struct pt_error *err)
{
    pt_assert(pt_merger_state(merger) == PT_MERGE_IDLE);
    pt_assert(count > 0 && count <= PT_MERGE_INPUTS_MAX);
    forget_job(merger);
    merger->output = pt_strdup(output);
    for (size_t i = 0; merger->output && i < count; i++) {
        merger->inputs[i] = pt_strdup(inputs[i]);
        if (!merger->inputs[i]) {
            break;
        }
        merger->input_count++;
    }
    if (merger->input_count < count) {
        forget_job(merger);
        return pt_fail(err, PT_NO_MEMORY, "merge id runs");
    }
    if (!merger->has_thread) {
        int errnum = pthread_create(&merger->thread, NULL, work, merger);

        if (errnum) {
            forget_job(merger);
            return pt_fail_errno(err, errnum, "start the thread that merges id runs");
        }
        merger->has_thread = true;
    }
    pthread_mutex_lock(&merger->lock);
    merger->state = PT_MERGE_BUSY;
    pthread_cond_broadcast(&merger->changed);
    pthread_mutex_unlock(&merger->lock);
    return PT_OK;
}

size_t pt_merger_input_count(const struct pt_merger *merger)
{
    return merger->input_count;
}

const char *pt_merger_input(const struct pt_merger *merger, size_t index)
{
    return merger->inputs[index];
}

const char *pt_merger_output(const struct pt_merger *merger)
{
    return merger->output;
}

enum pt_code pt_merger_take(struct pt_merger *merger, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pthread_mutex_lock(&merger->lock);
    pt_assert(merger->state == PT_MERGE_DONE);
    merger->state = PT_MERGE_IDLE;
    code = merger->code;
    if (err) {
        *err = merger->failure;
    }
    pthread_mutex_unlock(&merger->lock);
    return code;
}

void pt_merger_wait(struct pt_merger *merger)
{
    pthread_mutex_lock(&merger->lock);
    while (merger->state == PT_MERGE_BUSY) {
        pthread_cond_wait(&merger->changed, &merger->lock);
    }
    pthread_mutex_unlock(&merger->lock);
}
