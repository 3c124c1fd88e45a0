/*
 * retention.c - how long dead letters are kept
 *
 * The log tells neither when a segment was written nor how large it is, so the batches are read,
 * each once: all of them after a start, later what is new. They are summed up in marks, a mark
 * being a run of batches that came within a thousandth of the limits; so releasing is exact to
 * that.
 */
#include "collect/retention.h"

#include <inttypes.h>

#define MARKS_MAX 4096
#define MARKS_GOAL 1024 /* a limit is cut into so many */
#define MARK_BYTES_MIN (64u << 10)
#define BATCH_OVERHEAD_BYTES 128u /* header and padding, about */
#define TICK_US 100000

struct mark {
    uint64_t offset;       /* of its first dead letter */
    uint64_t bytes_before; /* read before it */
    int64_t oldest_us;     /* when its batches were appended */
    int64_t newest_us;
};

struct pt_retention {
    struct pt_io *io;
    struct pt_clock *clock;
    struct pt_log *log;
    char *dir;
    struct pt_retention_options options;
    struct pt_log_reader *reader; /* NULL until the first tick */
    size_t mark_count;
    uint64_t read_bytes;  /* in all */
    uint64_t read_offset; /* one past the last dead letter read */
    uint64_t due_offset;  /* what is before it may go */
    uint64_t released;    /* what the log was told */
    bool has_failed;      /* and it was logged */
    struct pt_metric *released_offset;
    struct mark marks[MARKS_MAX]; /* of what is not due yet, oldest first */
};

enum pt_code pt_retention_open(struct pt_retention **retention_out, struct pt_io *io,
                               struct pt_clock *clock, struct pt_log *dead_letters, const char *dir,
                               const struct pt_retention_options *options,
                               struct pt_metrics *metrics, struct pt_error *err)
{
    struct pt_retention *retention = pt_alloc_zero(sizeof(*retention));

    *retention_out = NULL;
    pt_assert(options->age_us > 0 && options->bytes_max > 0);
    if (!retention) {
        return pt_fail(err, PT_NO_MEMORY, "keep the dead letters");
    }
    retention->io = io;
    retention->clock = clock;
    retention->log = dead_letters;
    retention->options = *options;
    retention->dir = pt_strdup(dir);
    retention->released_offset =
        pt_metrics_get(metrics, PT_GAUGE, "playtrace_dead_letters_released", NULL,
                       "dead letters that retention released, the offset of the next one");
    if (!retention->dir) {
        pt_retention_close(retention);
        return pt_fail(err, PT_NO_MEMORY, "keep the dead letters");
    }
    *retention_out = retention;
    return PT_OK;
}

void pt_retention_close(struct pt_retention *retention)
{
    if (retention) {
        pt_log_reader_close(retention->reader);
        pt_free(retention->dir);
        pt_free(retention);
    }
}

/* ---- reading ---- */

/* Clocks that jump make many marks: two become one, at half the exactness. */
static void thin_out(struct pt_retention *retention)
{
    struct mark *marks = retention->marks;

    for (size_t i = 0; i < MARKS_MAX / 2; i++) {
        struct mark first = marks[2 * i];
        struct mark second = marks[2 * i + 1];

        first.oldest_us = second.oldest_us < first.oldest_us ? second.oldest_us : first.oldest_us;
        first.newest_us = second.newest_us > first.newest_us ? second.newest_us : first.newest_us;
        marks[i] = first;
    }
    retention->mark_count = MARKS_MAX / 2;
}

static bool fits(const struct pt_retention *retention, const struct mark *mark, int64_t time_us)
{
    uint64_t bytes = retention->options.bytes_max / MARKS_GOAL;
    int64_t span_us = retention->options.age_us / MARKS_GOAL;

    return retention->read_bytes - mark->bytes_before <
               (bytes > MARK_BYTES_MIN ? bytes : MARK_BYTES_MIN) &&
           time_us - mark->oldest_us <= span_us && mark->newest_us - time_us <= span_us;
}

static void note_batch(struct pt_retention *retention, const struct pt_log_batch *batch)
{
    int64_t time_us = batch->appended_at_us;
    struct mark *mark = NULL;

    if (retention->mark_count > 0) {
        mark = &retention->marks[retention->mark_count - 1];
    }
    if (!mark || !fits(retention, mark, time_us)) {
        if (retention->mark_count == MARKS_MAX) {
            thin_out(retention);
        }
        mark = &retention->marks[retention->mark_count++];
        *mark = (struct mark){.offset = batch->offset,
                              .bytes_before = retention->read_bytes,
                              .oldest_us = time_us,
                              .newest_us = time_us};
    }
    mark->oldest_us = time_us < mark->oldest_us ? time_us : mark->oldest_us;
    mark->newest_us = time_us > mark->newest_us ? time_us : mark->newest_us;
    retention->read_bytes +=
        batch->records_bytes + (uint64_t)batch->count * sizeof(uint32_t) + BATCH_OVERHEAD_BYTES;
    retention->read_offset = batch->offset + batch->count;
}

static enum pt_code read_new(struct pt_retention *retention, struct pt_error *err)
{
    int64_t until_us = pt_clock_mono_us(retention->clock) + TICK_US;
    uint64_t limit = pt_log_synced_end(retention->log);
    enum pt_code code = PT_OK;

    if (!retention->reader) {
        code = pt_log_reader_open(&retention->reader, retention->io, retention->dir, err);
    }
    while (!code && retention->read_offset < limit) {
        struct pt_log_batch batch;

        code = pt_log_reader_next(retention->reader, limit, &batch, err);
        if (!code) {
            note_batch(retention, &batch);
        }
        if (pt_clock_mono_us(retention->clock) > until_us) {
            break; /* the rest at the next tick */
        }
    }
    return code == PT_NOT_FOUND ? PT_OK : code;
}

/* ---- releasing ---- */

static void find_due(struct pt_retention *retention)
{
    int64_t cutoff_us = pt_clock_wall_us(retention->clock) - retention->options.age_us;
    size_t count = 0;

    for (; count < retention->mark_count; count++) {
        const struct mark *mark = &retention->marks[count];
        bool is_over = retention->read_bytes - mark->bytes_before > retention->options.bytes_max;

        if (!is_over && mark->newest_us >= cutoff_us) {
            break;
        }
        retention->due_offset =
            count + 1 < retention->mark_count ? mark[1].offset : retention->read_offset;
    }
    retention->mark_count -= count;
    memmove(retention->marks, retention->marks + count,
            retention->mark_count * sizeof(struct mark));
}

void pt_retention_tick(struct pt_retention *retention, uint64_t counted)
{
    struct pt_error err = {0};
    uint64_t offset = 0;

    if (read_new(retention, &err)) {
        /* The next tick goes on where it can; until then everything is kept. */
        if (!retention->has_failed) {
            pt_log_line(PT_LOG_WARN, "collect", NULL,
                        "retention cannot read the dead letters, they are kept: %s", err.text);
        }
        retention->has_failed = true;
        return;
    }
    retention->has_failed = false;
    find_due(retention);
    offset = retention->due_offset < counted ? retention->due_offset : counted;
    if (offset > retention->released) {
        retention->released = offset;
        pt_log_release(retention->log, offset);
        pt_metric_set(retention->released_offset, (int64_t)offset);
        pt_log_line(PT_LOG_DEBUG, "collect", NULL,
                    "dead letters before %" PRIu64 " may be recycled", offset);
    }
}
