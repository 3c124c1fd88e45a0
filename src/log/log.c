/*
 * log.c - the writer: append, sync, next segment, retention, cut
 *
 * A crash may come between any two calls. What keeps each step safe:
 *
 * - A segment is made under another name (a new file, or a spare: a segment that retention
 *   gave up). Its header is synced before the rename, the rename before the first batch, and
 *   the segment before it is synced before all that. So every segment but the last is whole,
 *   and the last one's header always is.
 * - A segment becomes a spare by a rename that is synced before its header is written anew:
 *   no crash brings an overwritten file back under its old name.
 * - At the end of the log, what does not verify was never synced and is cut by writing over
 *   it. Stale batches behind the cut chain to a checksum that no new batch can have, because
 *   each opening writes a random writer id into its batches.
 * - Whole batches found above the checkpoint are written again before they are trusted: after a
 *   failed fdatasync Linux keeps the pages as clean, so the bytes read may be only in memory.
 */
#include "log/log.h"

#include "base/crypto.h"
#include "base/rng.h"
#include "log/cursor.h"

#include <pthread.h>
#include <stdatomic.h>

#define SEGMENT_BYTES_MIN ((uint64_t)1 << 20)
#define SEGMENT_BYTES_MAX ((uint64_t)32 << 30) /* positions are kept as u32 multiples of 8 */
#define SPARES_MAX 2
#define NEW_NAME "new.tmp"

/*
 * The first write to a preallocated block costs a journal entry at the next sync. A small
 * batch in such blocks brings this many zeros along, which pays that once for many batches
 * (measured: docs/formats/log.md). Larger batches would gain less than the zeros cost.
 */
#define ZERO_AHEAD_BYTES ((size_t)256 << 10)
#define ZERO_AHEAD_BATCH_BYTES_MAX ((size_t)32 << 10)

struct live_segment {
    uint64_t sequence;
    uint64_t base_offset;
    uint64_t bytes;
};

struct pt_log {
    struct pt_io *io;
    struct pt_clock *clock;
    char *dir; /* owned */
    struct pt_log_options options;
    uint64_t writer_id;

    struct live_segment *live; /* owned; oldest first, consecutive sequences; the last is written */
    size_t live_count;
    size_t live_capacity;
    uint64_t spares[SPARES_MAX]; /* sequences in the names of the spares */
    size_t spare_count;

    struct pt_cursor last; /* stands at the end of the log: where the next batch goes */
    uint64_t synced_bytes; /* of the last segment */
    uint64_t filled_bytes; /* blocks of the last segment before this were written once */
    struct pt_buf batch;   /* the batch being assembled */
    bool has_appended;
    bool is_broken;             /* a write or sync failed: what is on disk is unknown */
    bool is_retention_due;      /* a segment may have become free since it was last looked at */
    uint64_t taken_over_offset; /* the released offset at that time */

    _Atomic uint64_t synced_end; /* written by the writer's thread, read by any */
    _Atomic uint64_t released;   /* written by any thread, read by the writer's */

    pthread_mutex_t note_lock; /* over synced_note alone */
    uint8_t synced_note[PT_LOG_NOTE_BYTES];
};

/* All that was appended is durable. */
static void publish_synced(struct pt_log *log)
{
    pthread_mutex_lock(&log->note_lock);
    memcpy(log->synced_note, log->last.note, sizeof(log->synced_note));
    pthread_mutex_unlock(&log->note_lock);
    atomic_store_explicit(&log->synced_end, log->last.offset, memory_order_release);
}

void pt_log_options_default(struct pt_log_options *options)
{
    *options = (struct pt_log_options){
        .segment_bytes = (uint64_t)64 << 20,
        .retention_bytes = (uint64_t)1 << 30,
        .synced_offset = 0,
        .free_bytes_min = (uint64_t)64 << 20,
    };
}

/* Space and memory may come back and nothing was changed; all else ends this log. */
static enum pt_code break_unless_passing(struct pt_log *log, enum pt_code code)
{
    if (code && code != PT_FULL && code != PT_NO_MEMORY) {
        log->is_broken = true;
    }
    return code;
}

static enum pt_code check_usable(const struct pt_log *log, struct pt_error *err)
{
    if (log->is_broken) {
        return pt_fail(err, PT_IO, "log %s: an earlier write failed; it must be opened again",
                       log->dir);
    }
    return PT_OK;
}

static enum pt_code reserve_live(struct pt_log *log, size_t count, struct pt_error *err)
{
    size_t capacity = log->live_capacity ? log->live_capacity : 16;
    struct live_segment *grown = NULL;

    while (capacity < count) {
        capacity *= 2;
    }
    if (capacity == log->live_capacity) {
        return PT_OK;
    }
    grown = pt_realloc(log->live, capacity * sizeof(*grown));
    if (!grown) {
        return pt_fail(err, PT_NO_MEMORY, "log %s: list of segments", log->dir);
    }
    log->live = grown;
    log->live_capacity = capacity;
    return PT_OK;
}

/* ---- a new last segment ---- */

/* A file to become the next segment, open, `bytes` long, under `*name_out`. */
static enum pt_code take_file(struct pt_log *log, struct pt_file **file_out, char **name_out,
                              bool *is_spare_out, struct pt_error *err)
{
    uint64_t bytes = log->options.segment_bytes;
    struct pt_file *file = NULL;
    char *name = NULL;
    enum pt_code code = PT_OK;

    *is_spare_out = log->spare_count > 0;
    name = *is_spare_out ? pt_spare_path(log->dir, log->spares[log->spare_count - 1])
                         : pt_strf("%s/" NEW_NAME, log->dir);
    if (!name) {
        code = pt_fail(err, PT_NO_MEMORY, "log %s: start a segment", log->dir);
        goto out;
    }
    code =
        pt_io_open(log->io, name, PT_OPEN_WRITE | (*is_spare_out ? 0 : PT_OPEN_CREATE), &file, err);
    if (code) {
        goto out;
    }
    /* Does nothing to a spare of the same size, and completes one of a smaller setting. */
    code = pt_io_allocate(log->io, file, bytes, err);
    if (code) {
        goto out;
    }
    *file_out = file;
    *name_out = name;
    return PT_OK;

out:
    pt_io_close(log->io, file);
    pt_free(name);
    return code;
}

/* Best effort: what stays is removed when the log is opened next. */
static void discard_new_file(struct pt_log *log)
{
    char *name = pt_strf("%s/" NEW_NAME, log->dir);

    if (name && pt_io_unlink(log->io, name, NULL)) {
        /* The error that led here is the one to report. */
    }
    pt_free(name);
}

/* Segment `sequence` from `base_offset` on, behind log->last if that is open; becomes log->last. */
static enum pt_code start_segment(struct pt_log *log, uint64_t sequence, uint64_t base_offset,
                                  struct pt_error *err)
{
    uint8_t block[PT_SEGMENT_HEADER_BYTES];
    struct pt_segment_info info = {
        .sequence = sequence,
        .base_offset = base_offset,
        .created_at_us = pt_clock_wall_us(log->clock),
        .bytes = log->options.segment_bytes,
    };
    struct pt_file *file = NULL;
    char *name = NULL;
    char *path = NULL;
    bool is_spare = false;
    bool is_renamed = false;
    enum pt_code code = reserve_live(log, log->live_count + 1, err);

    if (code) {
        goto out;
    }
    if (log->last.file) {
        info.previous = log->last.chain;
        info.previous_bytes = log->last.position;
        memcpy(info.note, log->last.note, sizeof(info.note));
    }
    code = pt_random_bytes(&info.id, sizeof(info.id), err);
    if (code) {
        goto out;
    }
    path = pt_segment_path(log->dir, sequence);
    if (!path) {
        code = pt_fail(err, PT_NO_MEMORY, "log %s: start a segment", log->dir);
        goto out;
    }
    code = take_file(log, &file, &name, &is_spare, err);
    if (code) {
        goto out;
    }
    pt_segment_encode(&info, block);
    code = pt_io_write(log->io, file, 0, block, sizeof(block), err);
    if (code) {
        goto out;
    }
    code = pt_io_sync(log->io, file, err);
    if (code) {
        goto out;
    }
    code = pt_io_rename(log->io, name, path, err);
    if (code) {
        goto out;
    }
    is_renamed = true;
    log->spare_count -= is_spare ? 1 : 0;
    code = pt_io_sync_dir(log->io, log->dir, err);
    if (code) {
        code = pt_error_prefix(err, PT_IO, "log %s", log->dir); /* not as before: never PT_FULL */
        goto out;
    }
    pt_io_close(log->io, log->last.file);
    pt_free(log->last.path);
    log->last.file = file;
    log->last.path = path;
    file = NULL;
    path = NULL;
    log->last.info = info;
    log->last.position = PT_SEGMENT_HEADER_BYTES;
    log->last.offset = base_offset;
    log->last.chain = info.checksum;
    log->synced_bytes = PT_SEGMENT_HEADER_BYTES;
    /* A spare is a segment that was filled. */
    log->filled_bytes = is_spare ? info.bytes : PT_SEGMENT_HEADER_BYTES;
    log->live[log->live_count++] = (struct live_segment){
        .sequence = sequence, .base_offset = base_offset, .bytes = info.bytes};
    log->is_retention_due = true;

out:
    pt_io_close(log->io, file);
    if (code && !is_spare && !is_renamed) {
        discard_new_file(log);
    }
    pt_free(name);
    pt_free(path);
    return is_renamed && code ? PT_IO : code;
}

/* ---- open ---- */

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
        if (reserve_live(log, log->live_count + 1, NULL)) {
            found->has_failed = true;
            return;
        }
        log->live[log->live_count++] = (struct live_segment){.sequence = sequence};
    } else if (pt_spare_name_parse(name, &sequence)) {
        uint64_t *grown = NULL;

        if (log->spare_count < SPARES_MAX) {
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
    } else if (strcmp(name, NEW_NAME) == 0) {
        found->has_new_file = true;
    }
}

static int compare_sequence(const void *a, const void *b)
{
    const struct live_segment *first = a;
    const struct live_segment *second = b;

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
        char *name = pt_strf("%s/" NEW_NAME, log->dir);

        code = name ? pt_io_unlink(log->io, name, err)
                    : pt_fail(err, PT_NO_MEMORY, "log %s: remove " NEW_NAME, log->dir);
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
        struct live_segment *segment = &log->live[i];
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

static enum pt_code sync_parent(struct pt_io *io, const char *dir, struct pt_error *err)
{
    size_t bytes = strlen(dir);
    char *parent = NULL;
    enum pt_code code = PT_OK;

    while (bytes > 1 && dir[bytes - 1] == '/') {
        bytes--;
    }
    while (bytes > 0 && dir[bytes - 1] != '/') {
        bytes--;
    }
    while (bytes > 1 && dir[bytes - 1] == '/') {
        bytes--;
    }
    parent = bytes > 0 ? pt_strndup(dir, bytes) : pt_strdup(".");
    code = parent ? pt_io_sync_dir(io, parent, err)
                  : pt_fail(err, PT_NO_MEMORY, "log %s: create", dir);
    pt_free(parent);
    return code;
}

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
        code = sync_parent(log->io, log->dir, err);
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
    code = sync_parent(log->io, log->dir, err);
    return code ? code : start_segment(log, 0, 0, err);
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
    pt_buf_init(&log->batch, PT_LOG_BATCH_BYTES_MAX + ZERO_AHEAD_BYTES);
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
    publish_synced(log);
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

/* ---- retention ---- */

/* How many of the oldest segments nobody needs any more. */
static size_t count_recyclable(const struct pt_log *log, uint64_t released)
{
    size_t count = 0;
    uint64_t kept_bytes = 0;

    while (count + 1 < log->live_count && log->live[count + 1].base_offset <= released) {
        count++;
    }
    while (count > 0 && kept_bytes < log->options.retention_bytes) {
        kept_bytes += log->live[--count].bytes;
    }
    return count;
}

static enum pt_code recycle_oldest(struct pt_log *log, struct pt_error *err)
{
    struct live_segment oldest = log->live[0];
    bool is_kept = log->spare_count < SPARES_MAX && oldest.bytes <= log->options.segment_bytes;
    char *path = pt_segment_path(log->dir, oldest.sequence);
    char *name = pt_spare_path(log->dir, oldest.sequence);
    enum pt_code code = PT_OK;

    if (!path || !name) {
        code = pt_fail(err, PT_NO_MEMORY, "log %s: recycle a segment", log->dir);
        goto out;
    }
    code = is_kept ? pt_io_rename(log->io, path, name, err) : pt_io_unlink(log->io, path, err);
    if (code) {
        goto out;
    }
    log->live_count--;
    memmove(log->live, log->live + 1, log->live_count * sizeof(*log->live));
    if (is_kept) {
        log->spares[log->spare_count++] = oldest.sequence;
    }
    /* Before anything is written into it, and before the next: a hole would look like damage. */
    code = pt_io_sync_dir(log->io, log->dir, err);
    if (code) {
        code = pt_error_prefix(err, PT_IO, "log %s", log->dir);
    }

out:
    pt_free(path);
    pt_free(name);
    return code;
}

static enum pt_code apply_retention(struct pt_log *log, struct pt_error *err)
{
    uint64_t released = atomic_load_explicit(&log->released, memory_order_relaxed);
    enum pt_code code = PT_OK;

    if (released == log->taken_over_offset && !log->is_retention_due) {
        return PT_OK;
    }
    for (size_t count = count_recyclable(log, released); count > 0 && !code; count--) {
        code = recycle_oldest(log, err);
    }
    if (!code) {
        log->taken_over_offset = released;
        log->is_retention_due = false;
    }
    return code;
}

void pt_log_release(struct pt_log *log, uint64_t offset)
{
    atomic_store_explicit(&log->released, offset, memory_order_relaxed);
}

/* ---- append and sync ---- */

static enum pt_code check_batch(const struct pt_log *log, struct pt_span records,
                                const uint32_t *sizes, uint32_t count, struct pt_error *err)
{
    uint64_t room_bytes = log->options.segment_bytes - PT_SEGMENT_HEADER_BYTES;
    uint64_t sum_bytes = 0;

    room_bytes = room_bytes < PT_LOG_BATCH_BYTES_MAX ? room_bytes : PT_LOG_BATCH_BYTES_MAX;
    if (records.size > room_bytes || pt_batch_bytes(count, records.size) > room_bytes) {
        return pt_fail(err, PT_TOO_BIG,
                       "log %s: a batch of %zu bytes in %u records; at most %llu bytes", log->dir,
                       records.size, count, (unsigned long long)room_bytes);
    }
    for (uint32_t i = 0; i < count; i++) {
        sum_bytes += sizes[i];
    }
    pt_assert(sum_bytes == records.size);
    return PT_OK;
}

static enum pt_code check_free_space(const struct pt_log *log, struct pt_error *err)
{
    uint64_t free_bytes = 0;
    enum pt_code code = PT_OK;

    if (log->options.free_bytes_min == 0) {
        return PT_OK;
    }
    code = pt_io_free_bytes(log->io, log->dir, &free_bytes, err);
    if (!code && free_bytes < log->options.free_bytes_min) {
        code =
            pt_fail(err, PT_FULL, "log %s: %llu bytes are free on the device; %llu must stay free",
                    log->dir, (unsigned long long)free_bytes,
                    (unsigned long long)log->options.free_bytes_min);
    }
    return code;
}

/* Bytes of zeros that go behind a batch of `bytes` in the same write. */
static size_t zero_ahead_bytes(const struct pt_log *log, size_t bytes)
{
    uint64_t end = log->last.position + bytes;
    uint64_t room_bytes = log->last.info.bytes - end;

    if (end <= log->filled_bytes || bytes > ZERO_AHEAD_BATCH_BYTES_MAX) {
        return 0;
    }
    return room_bytes < ZERO_AHEAD_BYTES ? (size_t)room_bytes : ZERO_AHEAD_BYTES;
}

static enum pt_code write_batch(struct pt_log *log, struct pt_batch_header *header,
                                const uint32_t *sizes, const uint8_t *records, struct pt_error *err)
{
    static const uint8_t zeros[8];
    struct pt_cursor *last = &log->last;
    size_t bytes = (size_t)pt_batch_bytes(header->count, header->records_bytes);
    size_t ahead_bytes = zero_ahead_bytes(log, bytes);
    uint8_t *batch = NULL;
    enum pt_code code = PT_OK;

    pt_buf_reset(&log->batch);
    batch = pt_buf_reserve(&log->batch, bytes + ahead_bytes);
    if (!batch) {
        return pt_fail(err, PT_NO_MEMORY, "log %s: a batch of %zu bytes", log->dir, bytes);
    }
    pt_batch_encode(header, sizes, records, batch);
    memset(batch + bytes, 0, ahead_bytes);
    code = pt_io_write(log->io, last->file, last->position, batch, bytes + ahead_bytes, err);
    if (code == PT_FULL &&
        pt_io_write(log->io, last->file, last->position, zeros, sizeof(zeros), NULL)) {
        /* What was refused must not come back as a batch after a crash. */
        return pt_error_prefix(err, PT_IO, "log %s: take back a batch", log->dir);
    }
    if (!code && last->position + bytes + ahead_bytes > log->filled_bytes) {
        log->filled_bytes = last->position + bytes + ahead_bytes;
    }
    return code;
}

enum pt_code pt_log_append(struct pt_log *log, struct pt_span records, const uint32_t *sizes,
                           uint32_t count, const uint8_t note[PT_LOG_NOTE_BYTES],
                           uint64_t *offset_out, struct pt_error *err)
{
    struct pt_batch_header header = {.count = count};
    uint64_t bytes = 0;
    enum pt_code code = check_usable(log, err);

    if (code) {
        return code;
    }
    code = check_batch(log, records, sizes, count, err);
    if (code) {
        return code;
    }
    code = apply_retention(log, err);
    if (code) {
        return break_unless_passing(log, code);
    }
    code = check_free_space(log, err);
    if (code) {
        return break_unless_passing(log, code);
    }
    bytes = pt_batch_bytes(count, records.size);
    if (log->last.position + bytes > log->last.info.bytes) {
        code = pt_log_sync(log, err);
        if (code) {
            return code;
        }
        code = start_segment(log, log->last.info.sequence + 1, log->last.offset, err);
        if (code) {
            return break_unless_passing(log, code);
        }
    }
    header.records_bytes = (uint32_t)records.size;
    header.position = log->last.position;
    header.synced_bytes = log->synced_bytes;
    header.base_offset = log->last.offset;
    header.appended_at_us = pt_clock_wall_us(log->clock);
    header.segment_id = log->last.info.id;
    header.writer_id = log->writer_id;
    header.previous = log->last.chain;
    memcpy(header.note, note, sizeof(header.note));
    code = write_batch(log, &header, sizes, records.data, err);
    if (code) {
        return break_unless_passing(log, code);
    }
    pt_cursor_pass(&log->last, &header);
    log->has_appended = true;
    *offset_out = header.base_offset;
    return PT_OK;
}

enum pt_code pt_log_sync(struct pt_log *log, struct pt_error *err)
{
    enum pt_code code = check_usable(log, err);

    if (code) {
        return code;
    }
    if (log->synced_bytes < log->last.position) {
        code = pt_io_sync(log->io, log->last.file, err);
        if (code) {
            log->is_broken = true;
            return PT_IO; /* PT_FULL would say that nothing was changed */
        }
        log->synced_bytes = log->last.position;
        publish_synced(log);
    }
    return PT_OK;
}

uint64_t pt_log_end(const struct pt_log *log)
{
    return log->last.offset;
}

uint64_t pt_log_synced_end(const struct pt_log *log)
{
    return atomic_load_explicit(&log->synced_end, memory_order_acquire);
}

void pt_log_last_note(const struct pt_log *log, uint8_t note_out[PT_LOG_NOTE_BYTES])
{
    memcpy(note_out, log->last.note, PT_LOG_NOTE_BYTES);
}

void pt_log_synced_note(struct pt_log *log, uint8_t note_out[PT_LOG_NOTE_BYTES])
{
    pthread_mutex_lock(&log->note_lock);
    memcpy(note_out, log->synced_note, PT_LOG_NOTE_BYTES);
    pthread_mutex_unlock(&log->note_lock);
}

/* ---- cut ---- */

/* Put `cursor` at the batch that starts at `offset`, which lies in the segment it is open on. */
static enum pt_code find_batch(struct pt_cursor *cursor, uint64_t offset, struct pt_error *err)
{
    for (;;) {
        struct pt_batch_header header = {0};
        const uint8_t *raw = NULL;
        enum pt_code code = pt_cursor_peek(cursor, &header, &raw, err);

        if (code == PT_NOT_FOUND) {
            return pt_fail(err, PT_CORRUPT, "%s: byte %llu: the batch at offset %llu is damaged",
                           cursor->path, (unsigned long long)cursor->position,
                           (unsigned long long)cursor->offset);
        }
        if (code) {
            return code;
        }
        if (header.base_offset + header.count > offset) {
            return header.base_offset == offset
                       ? PT_OK
                       : pt_fail(err, PT_INVALID, "%s: offset %llu is inside the batch at %llu",
                                 cursor->path, (unsigned long long)offset,
                                 (unsigned long long)header.base_offset);
        }
        pt_cursor_pass(cursor, &header);
    }
}

static enum pt_code remove_newest(struct pt_log *log, struct pt_error *err)
{
    char *path = pt_segment_path(log->dir, log->live[log->live_count - 1].sequence);
    enum pt_code code = path ? pt_io_unlink(log->io, path, err)
                             : pt_fail(err, PT_NO_MEMORY, "log %s: cut", log->dir);

    pt_free(path);
    if (code) {
        return code;
    }
    log->live_count--;
    return pt_io_sync_dir(log->io, log->dir, err);
}

enum pt_code pt_log_cut(struct pt_log *log, uint64_t offset, struct pt_error *err)
{
    struct pt_cursor cursor;
    size_t index = 0;
    enum pt_code code = check_usable(log, err);

    pt_assert(!log->has_appended);
    pt_cursor_init(&cursor, log->io);
    if (code || offset == log->last.offset) {
        goto out;
    }
    if (offset > log->last.offset) {
        code = pt_fail(err, PT_INVALID, "log %s: cannot be cut at offset %llu: it ends at %llu",
                       log->dir, (unsigned long long)offset, (unsigned long long)log->last.offset);
        goto out;
    }
    if (offset < log->live[0].base_offset) {
        code = pt_fail(err, PT_NOT_FOUND, "log %s: cannot be cut at offset %llu: it starts at %llu",
                       log->dir, (unsigned long long)offset,
                       (unsigned long long)log->live[0].base_offset);
        goto out;
    }
    while (index + 1 < log->live_count && log->live[index + 1].base_offset <= offset) {
        index++;
    }
    code = pt_cursor_open(&cursor, log->dir, log->live[index].sequence, PT_OPEN_WRITE, err);
    if (code) {
        goto out;
    }
    code = find_batch(&cursor, offset, err);
    if (code) {
        goto out;
    }
    log->is_broken = true; /* until all of it is done */
    while (log->live_count > index + 1) {
        code = remove_newest(log, err);
        if (code) {
            goto out;
        }
    }
    /*
     * A shorter file takes all later batches away at once. Zeros would go to the disk in any
     * order, and a batch left behind them would look like proof that those before were damaged.
     */
    code = pt_io_truncate(log->io, cursor.file, cursor.position, err);
    if (code) {
        goto out;
    }
    code = pt_io_allocate(log->io, cursor.file, cursor.info.bytes, err);
    if (code && code != PT_FULL) { /* an append that needs the space will say so */
        goto out;
    }
    code = pt_io_sync(log->io, cursor.file, err);
    if (code) {
        goto out;
    }
    pt_cursor_release(&log->last);
    log->last = cursor;
    pt_cursor_init(&cursor, log->io);
    log->synced_bytes = log->last.position;
    log->filled_bytes = log->last.position;
    publish_synced(log);
    log->is_broken = false;

out:
    pt_cursor_release(&cursor);
    return code;
}
