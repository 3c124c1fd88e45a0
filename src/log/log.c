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
 * - What an opening makes of all that: open.c.
 */
#include "log/log_inside.h"

#include "base/rng.h"

/* A batch over this gains less from PT_LOG_ZERO_AHEAD_BYTES than the zeros cost. */
#define ZERO_AHEAD_BATCH_BYTES_MAX ((size_t)32 << 10)

void pt_log_publish_synced(struct pt_log *log)
{
    pthread_mutex_lock(&log->note_lock);
    memcpy(log->synced_note, log->last.note, sizeof(log->synced_note));
    pthread_mutex_unlock(&log->note_lock);
    atomic_store_explicit(&log->synced_end, log->last.offset, memory_order_release);
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

enum pt_code pt_log_reserve_live(struct pt_log *log, size_t count, struct pt_error *err)
{
    size_t capacity = log->live_capacity ? log->live_capacity : 16;
    struct pt_live_segment *grown = NULL;

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
                         : pt_strf("%s/" PT_LOG_NEW_NAME, log->dir);
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
    char *name = pt_strf("%s/" PT_LOG_NEW_NAME, log->dir);

    if (name && pt_io_unlink(log->io, name, NULL)) {
        /* The error that led here is the one to report. */
    }
    pt_free(name);
}

enum pt_code pt_log_start_segment(struct pt_log *log, uint64_t sequence, uint64_t base_offset,
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
    enum pt_code code = pt_log_reserve_live(log, log->live_count + 1, err);

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
    log->live[log->live_count++] = (struct pt_live_segment){
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
    struct pt_live_segment oldest = log->live[0];
    bool is_kept =
        log->spare_count < PT_LOG_SPARES_MAX && oldest.bytes <= log->options.segment_bytes;
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
    return room_bytes < PT_LOG_ZERO_AHEAD_BYTES ? (size_t)room_bytes : PT_LOG_ZERO_AHEAD_BYTES;
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
        code = pt_log_start_segment(log, log->last.info.sequence + 1, log->last.offset, err);
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
        pt_log_publish_synced(log);
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
    pt_log_publish_synced(log);
    log->is_broken = false;

out:
    pt_cursor_release(&cursor);
    return code;
}
