/*
 * cursor.c - a walk over the batches of one segment file
 *
 * Batches are small (most hold one request's events), so the file is read in chunks of
 * 256 KiB and batches are checked where they lie. At the tail, where a reader polls, only
 * a batch's header is read until it looks like one.
 */
#include "log/cursor.h"

#include "wire/frame.h"

#define CHUNK_BYTES ((size_t)256 << 10)

void pt_cursor_init(struct pt_cursor *cursor, struct pt_io *io)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->io = io;
}

void pt_cursor_release(struct pt_cursor *cursor)
{
    pt_io_close(cursor->io, cursor->file);
    pt_free(cursor->path);
    pt_free(cursor->buffer);
    pt_cursor_init(cursor, cursor->io);
}

/* What lies behind the end of the file reads as zero: a file cut short ends the readable part. */
static enum pt_code read_zero_filled(struct pt_io *io, struct pt_file *file, uint64_t at,
                                     uint8_t *data, size_t bytes, struct pt_error *err)
{
    size_t read_bytes = 0;
    enum pt_code code = pt_io_read(io, file, at, data, bytes, &read_bytes, err);

    if (!code && read_bytes < bytes) {
        memset(data + read_bytes, 0, bytes - read_bytes);
    }
    return code;
}

static enum pt_code read_info(struct pt_io *io, struct pt_file *file, const char *path,
                              struct pt_segment_info *info_out, struct pt_error *err)
{
    uint8_t block[PT_SEGMENT_HEADER_BYTES];
    enum pt_code code = read_zero_filled(io, file, 0, block, sizeof(block), err);

    return code ? code : pt_segment_decode(block, path, info_out, err);
}

enum pt_code pt_cursor_open(struct pt_cursor *cursor, const char *dir, uint64_t sequence,
                            unsigned flags, struct pt_error *err)
{
    struct pt_segment_info info = {0};
    struct pt_file *file = NULL;
    enum pt_code code = PT_OK;
    char *path = pt_segment_path(dir, sequence);

    if (!path) {
        code = pt_fail(err, PT_NO_MEMORY, "open a segment of %s", dir);
        goto out;
    }
    code = pt_io_open(cursor->io, path, flags, &file, err);
    if (code) {
        goto out;
    }
    code = read_info(cursor->io, file, path, &info, err);
    if (code) {
        goto out;
    }
    if (info.sequence != sequence) {
        code = pt_fail(err, PT_CORRUPT, "%s: byte 16: the header is that of segment %llu", path,
                       (unsigned long long)info.sequence);
        goto out;
    }
    pt_io_close(cursor->io, cursor->file);
    pt_free(cursor->path);
    cursor->file = file;
    cursor->path = path;
    file = NULL;
    path = NULL;
    cursor->info = info;
    cursor->position = PT_SEGMENT_HEADER_BYTES;
    cursor->offset = info.base_offset;
    cursor->chain = info.checksum;
    memcpy(cursor->note, info.note, sizeof(cursor->note));
    cursor->buffer_bytes = 0;
    cursor->is_at_tail = false;

out:
    pt_io_close(cursor->io, file);
    pt_free(path);
    return code;
}

enum pt_code pt_cursor_is_same_life(struct pt_cursor *cursor, bool *is_same_out,
                                    struct pt_error *err)
{
    struct pt_segment_info info = {0};
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(cursor->io, cursor->path, PT_OPEN_READ, &file, err);

    *is_same_out = false;
    if (!code) {
        code = read_info(cursor->io, file, cursor->path, &info, err);
    }
    pt_io_close(cursor->io, file);
    if (code == PT_NOT_FOUND || code == PT_CORRUPT || code == PT_INVALID) {
        return PT_OK; /* recycled, or a header that is being written anew */
    }
    *is_same_out = !code && info.checksum == cursor->info.checksum;
    return code;
}

/* Make `bytes` from `at` on readable at `*data_out`; at least a chunk is fetched at once. */
static enum pt_code fetch(struct pt_cursor *cursor, uint64_t at, size_t bytes, size_t chunk_bytes,
                          const uint8_t **data_out, struct pt_error *err)
{
    size_t want_bytes = bytes > chunk_bytes ? bytes : chunk_bytes;
    enum pt_code code = PT_OK;

    if (at >= cursor->buffer_at && at - cursor->buffer_at <= cursor->buffer_bytes &&
        bytes <= cursor->buffer_bytes - (size_t)(at - cursor->buffer_at)) {
        *data_out = cursor->buffer + (at - cursor->buffer_at);
        return PT_OK;
    }
    if (at < cursor->info.bytes && want_bytes > cursor->info.bytes - at) {
        want_bytes = (size_t)(cursor->info.bytes - at); /* no use in reading behind the batches */
    }
    want_bytes = want_bytes > bytes ? want_bytes : bytes;
    cursor->buffer_bytes = 0;
    if (want_bytes > cursor->buffer_capacity) {
        size_t capacity = want_bytes > CHUNK_BYTES ? want_bytes : CHUNK_BYTES;
        uint8_t *grown = NULL;

        pt_free(cursor->buffer); /* nothing in it is wanted; a realloc would copy it */
        cursor->buffer = NULL;
        cursor->buffer_capacity = 0;
        grown = pt_alloc(capacity);
        if (!grown) {
            return pt_fail(err, PT_NO_MEMORY, "read %s", cursor->path);
        }
        cursor->buffer = grown;
        cursor->buffer_capacity = capacity;
    }
    code = read_zero_filled(cursor->io, cursor->file, at, cursor->buffer, want_bytes, err);
    if (code) {
        return code;
    }
    cursor->buffer_at = at;
    cursor->buffer_bytes = want_bytes;
    *data_out = cursor->buffer;
    return PT_OK;
}

static enum pt_code peek_once(struct pt_cursor *cursor, struct pt_batch_header *header_out,
                              const uint8_t **raw_out, struct pt_error *err)
{
    uint64_t at = cursor->position;
    size_t chunk_bytes = cursor->is_at_tail ? PT_BATCH_HEADER_BYTES : CHUNK_BYTES;
    size_t bytes = 0;
    const uint8_t *raw = NULL;
    enum pt_code code = PT_OK;

    if (cursor->info.bytes < PT_BATCH_HEADER_BYTES ||
        at > cursor->info.bytes - PT_BATCH_HEADER_BYTES) {
        return PT_NOT_FOUND; /* the segment is full */
    }
    code = fetch(cursor, at, PT_BATCH_HEADER_BYTES, chunk_bytes, &raw, err);
    if (code) {
        return code;
    }
    if (!pt_batch_peek(raw, &cursor->info, at, header_out) ||
        header_out->base_offset != cursor->offset || header_out->previous != cursor->chain) {
        return PT_NOT_FOUND;
    }
    bytes = (size_t)pt_batch_bytes(header_out->count, header_out->records_bytes);
    code = fetch(cursor, at, bytes, CHUNK_BYTES, &raw, err);
    if (code) {
        return code;
    }
    /* The body may have been fetched later than the header: only what lies here now counts. */
    if (!pt_batch_peek(raw, &cursor->info, at, header_out) ||
        header_out->base_offset != cursor->offset || header_out->previous != cursor->chain ||
        pt_batch_bytes(header_out->count, header_out->records_bytes) != bytes ||
        !pt_batch_verify(raw, header_out)) {
        return PT_NOT_FOUND;
    }
    *raw_out = raw;
    return PT_OK;
}

enum pt_code pt_cursor_peek(struct pt_cursor *cursor, struct pt_batch_header *header_out,
                            const uint8_t **raw_out, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (cursor->is_at_tail) {
        cursor->buffer_bytes = 0; /* read before the batch was written */
    }
    code = peek_once(cursor, header_out, raw_out, err);
    if (code == PT_NOT_FOUND && !cursor->is_at_tail) {
        cursor->is_at_tail = true;
        cursor->buffer_bytes = 0;
        code = peek_once(cursor, header_out, raw_out, err);
    }
    if (!code) {
        cursor->is_at_tail = false;
    }
    return code;
}

void pt_cursor_pass(struct pt_cursor *cursor, const struct pt_batch_header *header)
{
    cursor->position += pt_batch_bytes(header->count, header->records_bytes);
    cursor->offset += header->count;
    cursor->chain = header->checksum;
    memcpy(cursor->note, header->note, sizeof(cursor->note));
}

/* The next position from `at` on where a batch's header may stand; the file's end where none does.
 */
static enum pt_code find_candidate(struct pt_cursor *cursor, uint64_t at, uint64_t *at_out,
                                   struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (; at + PT_BATCH_HEADER_BYTES <= cursor->info.bytes; at += 8) {
        const uint8_t *data = NULL;
        const uint8_t *end = NULL;

        code = fetch(cursor, at, PT_BATCH_HEADER_BYTES, CHUNK_BYTES, &data, err);
        if (code) {
            return code;
        }
        end = cursor->buffer + cursor->buffer_bytes - PT_BATCH_HEADER_BYTES;
        for (; data <= end; data += 8, at += 8) {
            if (pt_get_u32(data) == PT_BATCH_MAGIC) {
                *at_out = at;
                return PT_OK;
            }
        }
        at -= 8; /* the header at `at` reaches into the next chunk */
    }
    *at_out = cursor->info.bytes;
    return PT_OK;
}

enum pt_code pt_cursor_is_damage_proven(struct pt_cursor *cursor, bool *is_proven_out,
                                        struct pt_error *err)
{
    uint64_t at = cursor->position + 8;
    enum pt_code code = PT_OK;

    *is_proven_out = false;
    cursor->buffer_bytes = 0;
    while (!code && !*is_proven_out) {
        struct pt_batch_header header = {0};
        const uint8_t *raw = NULL;
        uint64_t bytes = 0;

        code = find_candidate(cursor, at, &at, err);
        if (code || at == cursor->info.bytes) {
            break;
        }
        code = fetch(cursor, at, PT_BATCH_HEADER_BYTES, CHUNK_BYTES, &raw, err);
        if (code || !pt_batch_peek(raw, &cursor->info, at, &header)) {
            at += 8;
            continue;
        }
        bytes = pt_batch_bytes(header.count, header.records_bytes);
        code = fetch(cursor, at, (size_t)bytes, CHUNK_BYTES, &raw, err);
        if (code || !pt_batch_verify(raw, &header)) {
            at += 8;
            continue;
        }
        *is_proven_out = header.synced_bytes > cursor->position;
        at += bytes;
    }
    cursor->buffer_bytes = 0;
    return code;
}
