/*
 * open.c - the writer opens a log: which segments are there, where the last one ends
 *
 * What makes the end of the log safe after a crash:
 *
 * - What does not verify there was never synced and is cut by writing over it. Stale batches
 *   behind the cut chain to a checksum that no new batch can have, because each opening writes a
 *   random writer id into its batches.
 * - Whole batches found above the checkpoint are written again before they are trusted: after a
 *   failed fdatasync Linux keeps the pages as clean, so the bytes read may be only in memory.
 */
#include "log/log_inside.h"

#include "base/rng.h"

#define SEGMENT_BYTES_MIN ((uint64_t)1 << 20)
#define SEGMENT_BYTES_MAX ((uint64_t)32 << 30) /* positions are kept as u32 multiples of 8 */

void pt_log_options_default(struct pt_log_options *options)
{
    *options = (struct pt_log_options){
        .segment_bytes = (uint64_t)64 << 20,
        .retention_bytes = (uint64_t)1 << 30,
        .synced_offset = 0,
        .free_bytes_min = (uint64_t)64 << 20,
    };
}

/* ---- what is in the directory ---- */

struct found {
    struct pt_log *log;
    bool has_new_file;
    bool has_failed;  /* no memory */
    uint64_t *excess; /* spares over the bound, or of another size */
    size_t excess_count;
};

static void note_entry(void *ctx, const char *name, bool is_dir)
{
    struct found *found = ctx;
    struct pt_log *log = found->log;
    uint64_t sequence = 0;

    if (is_dir) {
        return;
    }
    if (pt_segment_name_parse(name, &sequence)) {
        if (pt_log_reserve_live(log, log->live_count + 1, NULL)) {
            found->has_failed = true;
            return;
        }
        log->live[log->live_count++] = (struct pt_live_segment){.sequence = sequence};
    } else if (pt_spare_name_parse(name, &sequence)) {
        uint64_t *grown = NULL;

        if (log->spare_count < PT_LOG_SPARES_MAX) {
            log->spares[log->spare_count++] = sequence;
            return;
        }
        grown = pt_realloc(found->excess, (found->excess_count + 1) * sizeof(*grown));
        if (!grown) {
            found->has_failed = true;
            return;
        }
        found->excess = grown;
        found->excess[found->excess_count++] = sequence;
    } else if (strcmp(name, PT_LOG_NEW_NAME) == 0) {
        found->has_new_file = true;
    }
}

static int compare_sequence(const void *a, const void *b)
{
    const struct pt_live_segment *first = a;
    const struct pt_live_segment *second = b;

    return (first->sequence > second->sequence) - (first->sequence < second->sequence);
}

static enum pt_code remove_spare(struct pt_log *log, uint64_t sequence, struct pt_error *err)
{
    char *name = pt_spare_path(log->dir, sequence);
    enum pt_code code = name ? pt_io_unlink(log->io, name, err)
                             : pt_fail(err, PT_NO_MEMORY, "log %s: remove a spare", log->dir);

    pt_free(name);
    return code;
}

/* Spares of a larger segment_bytes setting are of no use: a segment is never cut to size. */
static enum pt_code drop_larger_spares(struct pt_log *log, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < log->spare_count && !code;) {
        struct pt_file *file = NULL;
        uint64_t bytes = 0;
        char *name = pt_spare_path(log->dir, log->spares[i]);

        code = name ? pt_io_open(log->io, name, PT_OPEN_READ, &file, err)
                    : pt_fail(err, PT_NO_MEMORY, "log %s: look at a spare", log->dir);
        if (!code) {
            code = pt_io_size(log->io, file, &bytes, err);
        }
        pt_io_close(log->io, file);
        pt_free(name);
        if (!code && bytes > log->options.segment_bytes) {
            code = remove_spare(log, log->spares[i], err);
            log->spares[i] = log->spares[--log->spare_count];
        } else {
            i++;
        }
    }
    return code;
}

static enum pt_code list_directory(struct pt_log *log, struct pt_error *err)
{
    struct found found = {.log = log};
    enum pt_code code = pt_io_list(log->io, log->dir, note_entry, &found, err);

    if (!code && found.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "log %s: list of segments", log->dir);
    }
    for (size_t i = 0; i < found.excess_count && !code; i++) {
        code = remove_spare(log, found.excess[i], err);
    }
    if (!code && found.has_new_file) {
        char *name = pt_strf("%s/" PT_LOG_NEW_NAME, log->dir);

        code = name ? pt_io_unlink(log->io, name, err)
                    : pt_fail(err, PT_NO_MEMORY, "log %s: remove " PT_LOG_NEW_NAME, log->dir);
        pt_free(name);
    }
    if (!code) {
        code = drop_larger_spares(log, err);
    }
    if (!code && log->live_count > 1) {
        qsort(log->live, log->live_count, sizeof(*log->live), compare_sequence);
    }
    pt_free(found.excess);
    return code;
}

/* The headers of all segments: consecutive, and each one sound. Leaves log->last on the last. */
static enum pt_code read_headers(struct pt_log *log, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < log->live_count; i++) {
        struct pt_live_segment *segment = &log->live[i];
        bool is_last = i + 1 == log->live_count;

        if (i > 0 && segment->sequence != segment[-1].sequence + 1) {
            return pt_fail(err, PT_CORRUPT, "log %s: segment %llu is missing", log->dir,
                           (unsigned long long)segment[-1].sequence + 1);
        }
        code = pt_cursor_open(&log->last, log->dir, segment->sequence,
                              is_last ? PT_OPEN_WRITE : PT_OPEN_READ, err);
        if (code) {
            return code;
        }
        segment->base_offset = log->last.info.base_offset;
        segment->bytes = log->last.info.bytes;
        if (i > 0 && segment->base_offset < segment[-1].base_offset) {
            return pt_fail(err, PT_CORRUPT,
                           "%s: byte 24: starts at offset %llu, before segment %llu",
                           log->last.path, (unsigned long long)segment->base_offset,
                           (unsigned long long)segment[-1].sequence);
        }
    }
    return PT_OK;
}

/* ---- the end of the last segment ---- */

/* Walk log->last to its end, and make what is found there durable. */
static enum pt_code recover_last(struct pt_log *log, struct pt_error *err)
{
    struct pt_cursor *last = &log->last;
    uint64_t file_bytes = 0;
    bool is_proven = false;
    enum pt_code code = PT_OK;

    for (;;) {
        struct pt_batch_header header = {0};
        const uint8_t *raw = NULL;

        code = pt_cursor_peek(last, &header, &raw, err);
        if (code) {
            break;
        }
        if (header.base_offset + header.count >= log->options.synced_offset) {
            code = pt_io_write(log->io, last->file, last->position, raw,
                               (size_t)pt_batch_bytes(header.count, header.records_bytes), err);
            if (code) {
                return code;
            }
        }
        pt_cursor_pass(last, &header);
    }
    if (code != PT_NOT_FOUND) {
        return code;
    }
    if (last->offset < log->options.synced_offset) {
        return pt_fail(
            err, PT_CORRUPT,
            "%s: byte %llu: a batch is damaged: the readable part ends at offset %llu, but "
            "records below offset %llu were synced",
            last->path, (unsigned long long)last->position, (unsigned long long)last->offset,
            (unsigned long long)log->options.synced_offset);
    }
    code = pt_cursor_is_damage_proven(last, &is_proven, err);
    if (code) {
        return code;
    }
    if (is_proven) {
        return pt_fail(
            err, PT_CORRUPT,
            "%s: byte %llu: the batch at offset %llu is damaged: a later batch shows that "
            "it was synced",
            last->path, (unsigned long long)last->position, (unsigned long long)last->offset);
    }
    code = pt_io_size(log->io, last->file, &file_bytes, err);
    if (code) {
        return code;
    }
    if (file_bytes < last->info.bytes) {
        /* A cut was interrupted. Without space now, the append that needs it will say so. */
        code = pt_io_allocate(log->io, last->file, last->info.bytes, err);
        if (code && code != PT_FULL) {
            return code;
        }
    }
    code = pt_io_sync(log->io, last->file, err);
    if (code) {
        return code;
    }
    log->synced_bytes = last->position;
    log->filled_bytes = last->position;
    return PT_OK;
}

/* ---- open, close ---- */

static enum pt_code open_directory(struct pt_log *log, struct pt_error *err)
{
    enum pt_code code = pt_io_mkdir(log->io, log->dir, err);

    if (code) {
        return code;
    }
    code = list_directory(log, err);
    if (code) {
        return code;
    }
    if (log->live_count > 0) {
        /* A name that is visible need not be durable: one killed before its sync left it so. */
        code = pt_io_sync_parent(log->io, log->dir, err);
        if (!code) {
            code = pt_io_sync_dir(log->io, log->dir, err);
        }
        if (!code) {
            code = read_headers(log, err);
        }
        return code ? code : recover_last(log, err);
    }
    if (log->options.synced_offset > 0) {
        return pt_fail(err, PT_CORRUPT,
                       "log %s: holds no segment, but records below offset %llu were "
                       "synced",
                       log->dir, (unsigned long long)log->options.synced_offset);
    }
    code = pt_io_sync_parent(log->io, log->dir, err);
    return code ? code : pt_log_start_segment(log, 0, 0, err);
}

enum pt_code pt_log_open(struct pt_log **log_out, struct pt_io *io, struct pt_clock *clock,
                         const char *dir, const struct pt_log_options *options,
                         struct pt_error *err)
{
    struct pt_log *log = NULL;
    enum pt_code code = PT_OK;

    *log_out = NULL;
    if (options->segment_bytes < SEGMENT_BYTES_MIN || options->segment_bytes > SEGMENT_BYTES_MAX) {
        return pt_fail(err, PT_INVALID, "log %s: segments of %llu bytes; possible are %llu to %llu",
                       dir, (unsigned long long)options->segment_bytes,
                       (unsigned long long)SEGMENT_BYTES_MIN,
                       (unsigned long long)SEGMENT_BYTES_MAX);
    }
    log = pt_alloc_zero(sizeof(*log));
    if (!log) {
        return pt_fail(err, PT_NO_MEMORY, "open log %s", dir);
    }
    pthread_mutex_init(&log->note_lock, NULL);
    log->io = io;
    log->clock = clock;
    log->options = *options;
    log->options.segment_bytes &= ~(uint64_t)7;
    pt_cursor_init(&log->last, io);
    pt_buf_init(&log->batch, PT_LOG_BATCH_BYTES_MAX + PT_LOG_ZERO_AHEAD_BYTES);
    log->dir = pt_strdup(dir);
    if (!log->dir) {
        code = pt_fail(err, PT_NO_MEMORY, "open log %s", dir);
        goto out;
    }
    code = pt_random_bytes(&log->writer_id, sizeof(log->writer_id), err);
    if (code) {
        goto out;
    }
    code = open_directory(log, err);
    if (code) {
        goto out;
    }
    atomic_init(&log->released, 0);
    pt_log_publish_synced(log);
    *log_out = log;
    log = NULL; /* now the caller's */

out:
    pt_log_close(log);
    return code;
}

void pt_log_close(struct pt_log *log)
{
    if (!log) {
        return;
    }
    pt_cursor_release(&log->last);
    pt_buf_release(&log->batch);
    pthread_mutex_destroy(&log->note_lock);
    pt_free(log->live);
    pt_free(log->dir);
    pt_free(log);
}
