/*
 * copy.c - a copy of a log that may be written meanwhile
 *
 * Batches are read as any reader reads them, so that only whole ones, each of them verified, are
 * written, at the place where they were: the copy is the log as a crash at that moment might have
 * left it. Segments are recycled in place, so they are never linked.
 */
#include "log/log.h"

#include "log/reader.h"

#define PIECE_BYTES ((size_t)1 << 20)

struct copy {
    struct pt_io *io;
    const char *to;
    struct pt_file *file; /* of the segment being written */
    struct pt_segment_info info;
    struct pt_buf piece; /* batches not yet written … */
    uint64_t piece_at;   /* … which belong here */
};

static enum pt_code flush_piece(struct copy *copy, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (copy->piece.size) {
        code = pt_io_write(copy->io, copy->file, copy->piece_at, copy->piece.data, copy->piece.size,
                           err);
        copy->piece_at += copy->piece.size;
        pt_buf_reset(&copy->piece);
    }
    return code;
}

static enum pt_code end_segment(struct copy *copy, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (!copy->file) {
        return PT_OK;
    }
    code = flush_piece(copy, err);
    if (!code) {
        code = pt_io_truncate(copy->io, copy->file, copy->info.bytes, err);
    }
    if (!code) {
        code = pt_io_sync(copy->io, copy->file, err);
    }
    pt_io_close(copy->io, copy->file);
    copy->file = NULL;
    return code;
}

static enum pt_code begin_segment(struct copy *copy, const struct pt_segment_info *info,
                                  struct pt_error *err)
{
    uint8_t block[PT_SEGMENT_HEADER_BYTES];
    char *path = pt_segment_path(copy->to, info->sequence);
    enum pt_code code = end_segment(copy, err);

    if (!path && !code) {
        code = pt_fail(err, PT_NO_MEMORY, "copy a log to %s", copy->to);
    }
    if (!code) {
        copy->info = *info;
        pt_segment_encode(&copy->info, block);
        if (copy->info.checksum != info->checksum) {
            code = pt_fail(err, PT_INVALID,
                           "segment %llu has a header that this program does not know wholly",
                           (unsigned long long)info->sequence);
        }
    }
    if (!code) {
        code = pt_io_open(copy->io, path, PT_OPEN_WRITE | PT_OPEN_CREATE, &copy->file, err);
    }
    if (!code) {
        code = pt_io_truncate(copy->io, copy->file, 0, err);
    }
    if (!code) {
        code = pt_io_write(copy->io, copy->file, 0, block, sizeof(block), err);
    }
    copy->piece_at = PT_SEGMENT_HEADER_BYTES;
    pt_free(path);
    return code;
}

/* The reader has passed to the segment of `info`, maybe over some that hold no batch. */
static enum pt_code go_to_segment(struct copy *copy, const char *from,
                                  const struct pt_segment_info *info, struct pt_error *err)
{
    struct pt_cursor empty;
    enum pt_code code = PT_OK;

    pt_cursor_init(&empty, copy->io);
    while (!code && copy->info.sequence + 1 < info->sequence) {
        code = pt_cursor_open(&empty, from, copy->info.sequence + 1, PT_OPEN_READ, err);
        if (!code) {
            code = begin_segment(copy, &empty.info, err);
        } else if (code == PT_NOT_FOUND || code == PT_CORRUPT) {
            code = PT_AGAIN; /* recycled meanwhile */
        }
    }
    pt_cursor_release(&empty);
    return code ? code : begin_segment(copy, info, err);
}

static enum pt_code add_batch(struct copy *copy, const struct pt_log_batch *batch,
                              const struct pt_cursor *cursor, struct pt_error *err)
{
    const uint8_t *raw = (const uint8_t *)(const void *)batch->sizes - PT_BATCH_HEADER_BYTES;
    size_t bytes = (size_t)pt_batch_bytes(batch->count, batch->records_bytes);
    enum pt_code code = PT_OK;

    if (copy->piece.size + bytes > PIECE_BYTES) {
        code = flush_piece(copy, err);
    }
    if (code) {
        return code;
    }
    /* Batches stand without gaps, so a piece is one write. */
    pt_assert(copy->piece_at + copy->piece.size + bytes == cursor->position);
    pt_buf_append(&copy->piece, raw, bytes);
    return copy->piece.has_failed ? pt_fail(err, PT_NO_MEMORY, "copy a log to %s", copy->to)
                                  : PT_OK;
}

enum pt_code pt_log_copy(struct pt_io *io, const char *from, const char *to, uint64_t offset,
                         uint64_t *start_out, uint64_t *end_out, struct pt_error *err)
{
    struct copy copy = {.io = io, .to = to};
    struct pt_log_reader *reader = NULL;
    const struct pt_cursor *cursor = NULL;
    struct pt_log_batch batch;
    enum pt_code code = PT_OK;

    *start_out = 0;
    *end_out = 0;
    pt_buf_init(&copy.piece, PT_LOG_BATCH_BYTES_MAX + PIECE_BYTES);
    code = pt_log_reader_open(&reader, io, from, err);
    if (!code) {
        code = pt_log_reader_to_segment(reader, offset, err);
    }
    if (code) {
        goto out;
    }
    cursor = pt_log_reader_cursor(reader);
    *start_out = cursor->info.base_offset;
    *end_out = cursor->info.base_offset;
    code = begin_segment(&copy, &cursor->info, err);
    while (!code) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, err);
        if (!code && cursor->info.sequence != copy.info.sequence) {
            code = go_to_segment(&copy, from, &cursor->info, err);
        }
        if (!code) {
            code = add_batch(&copy, &batch, cursor, err);
            *end_out = batch.offset + batch.count;
        }
    }
    if (code == PT_NOT_FOUND) {
        code = end_segment(&copy, err);
    } else if (code == PT_FENCED) {
        code = PT_AGAIN; /* recycled before it was read */
    }
    if (!code) {
        code = pt_io_sync_dir(io, to, err);
    }

out:
    pt_io_close(io, copy.file);
    pt_buf_release(&copy.piece);
    pt_log_reader_close(reader);
    return code;
}
