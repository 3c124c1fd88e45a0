/*
 * reader.c - reading the log beside its writer
 *
 * The reader shares nothing with the writer but the files, and any of them may change at
 * any moment: a batch may be half written, a segment may become a spare and be written anew.
 * So bytes count only with their checksum and their place in the chain, and a verdict that
 * something is damaged or gone is reached only after the evidence is in and the batch was
 * looked at once more: the writer may have been between two steps.
 *
 * The end of a segment is told from damage by the next segment, whose header names where the
 * chain stood when it was started.
 */
#include "log/log.h"

#include "log/reader.h"

#define RACES_MAX 16 /* a segment was recycled between listing and opening */

struct pt_log_reader {
    struct pt_io *io;
    char *dir; /* owned */
    struct pt_cursor cursor;
    uint64_t start; /* the oldest offset when last looked at */
    /* Where the rest of the segment was searched for proof of damage without finding any. */
    uint64_t searched_sequence;
    uint64_t searched_position;
};

/* ---- which segments there are ---- */

struct range {
    bool is_empty;
    uint64_t first;
    uint64_t last;
};

static void widen_range(void *ctx, const char *name, bool is_dir)
{
    struct range *range = ctx;
    uint64_t sequence = 0;

    if (is_dir || !pt_segment_name_parse(name, &sequence)) {
        return;
    }
    if (range->is_empty || sequence < range->first) {
        range->first = sequence;
    }
    if (range->is_empty || sequence > range->last) {
        range->last = sequence;
    }
    range->is_empty = false;
}

static enum pt_code list_range(struct pt_log_reader *reader, struct range *range_out,
                               struct pt_error *err)
{
    *range_out = (struct range){.is_empty = true};
    return pt_io_list(reader->io, reader->dir, widen_range, range_out, err);
}

/* Open the oldest segment in `cursor`; recycling may take it away in between, so look again. */
static enum pt_code open_oldest(struct pt_log_reader *reader, struct pt_cursor *cursor,
                                struct pt_error *err)
{
    enum pt_code code = PT_NOT_FOUND;
    uint64_t tried = 0;

    for (int race = 0; race < RACES_MAX; race++) {
        struct range range;
        enum pt_code listed = list_range(reader, &range, err);

        if (listed) {
            return listed;
        }
        if (range.is_empty) {
            return pt_fail(err, PT_NOT_FOUND, "%s: no log there", reader->dir);
        }
        if (code == PT_CORRUPT && tried == range.first) {
            return code; /* it is still there, and still damaged */
        }
        tried = range.first;
        code = pt_cursor_open(cursor, reader->dir, tried, PT_OPEN_READ, err);
        if (code != PT_NOT_FOUND && code != PT_CORRUPT) {
            return code;
        }
    }
    return code;
}

enum pt_code pt_log_reader_open(struct pt_log_reader **reader_out, struct pt_io *io,
                                const char *dir, struct pt_error *err)
{
    struct pt_log_reader *reader = NULL;
    enum pt_code code = PT_OK;

    *reader_out = NULL;
    reader = pt_alloc_zero(sizeof(*reader));
    if (!reader) {
        return pt_fail(err, PT_NO_MEMORY, "read log %s", dir);
    }
    reader->io = io;
    pt_cursor_init(&reader->cursor, io);
    reader->dir = pt_strdup(dir);
    if (!reader->dir) {
        code = pt_fail(err, PT_NO_MEMORY, "read log %s", dir);
        goto out;
    }
    code = open_oldest(reader, &reader->cursor, err);
    if (code) {
        goto out;
    }
    reader->start = reader->cursor.info.base_offset;
    *reader_out = reader;
    reader = NULL; /* now the caller's */

out:
    pt_log_reader_close(reader);
    return code;
}

void pt_log_reader_close(struct pt_log_reader *reader)
{
    if (reader) {
        pt_cursor_release(&reader->cursor);
        pt_free(reader->dir);
        pt_free(reader);
    }
}

uint64_t pt_log_reader_start(struct pt_log_reader *reader)
{
    struct pt_cursor oldest;

    pt_cursor_init(&oldest, reader->io);
    if (!open_oldest(reader, &oldest, NULL)) {
        reader->start = oldest.info.base_offset;
    }
    pt_cursor_release(&oldest);
    return reader->start;
}

/* ---- from batch to batch ---- */

static void swap_cursors(struct pt_cursor *a, struct pt_cursor *b)
{
    struct pt_cursor kept = *a;

    *a = *b;
    *b = kept;
}

static enum pt_code report_gone(struct pt_log_reader *reader, const struct pt_cursor *cursor,
                                struct pt_error *err)
{
    return pt_fail(err, PT_FENCED,
                   "%s: offset %llu was recycled or cut before it was read; the log starts at %llu",
                   cursor->path, (unsigned long long)cursor->offset,
                   (unsigned long long)pt_log_reader_start(reader));
}

static enum pt_code report_damage(const struct pt_cursor *cursor, struct pt_error *err)
{
    return pt_fail(err, PT_CORRUPT, "%s: byte %llu: the batch at offset %llu is damaged",
                   cursor->path, (unsigned long long)cursor->position,
                   (unsigned long long)cursor->offset);
}

/*
 * No whole batch at the cursor and no segment behind it. Whether that is the end of the log, or
 * a batch is missing that the limit, or a later batch, shows to have been there.
 */
static enum pt_code is_batch_missing(struct pt_log_reader *reader, struct pt_cursor *cursor,
                                     uint64_t limit, bool *is_missing_out, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    *is_missing_out = limit != UINT64_MAX && cursor->offset < limit;
    if (*is_missing_out || (reader->searched_sequence == cursor->info.sequence &&
                            reader->searched_position == cursor->position)) {
        return PT_OK;
    }
    code = pt_cursor_is_damage_proven(cursor, is_missing_out, err);
    if (!code && !*is_missing_out) {
        reader->searched_sequence = cursor->info.sequence;
        reader->searched_position = cursor->position;
    }
    return code;
}

/*
 * Neither a batch nor the segment that would follow was found. `opened` is what opening the next
 * segment gave: PT_OK for one that starts elsewhere in the chain. PT_OK: there is a batch now.
 */
static enum pt_code judge(struct pt_log_reader *reader, struct pt_cursor *cursor, uint64_t limit,
                          enum pt_code opened, struct pt_batch_header *header_out,
                          const uint8_t **raw_out, struct pt_error *err)
{
    bool is_missing = opened != PT_NOT_FOUND;
    bool is_same = false;
    enum pt_code code = PT_OK;

    if (!is_missing) {
        code = is_batch_missing(reader, cursor, limit, &is_missing, err);
        if (code) {
            return code;
        }
    }
    /* The evidence is in: now look again. */
    code = pt_cursor_peek(cursor, header_out, raw_out, err);
    if (code != PT_NOT_FOUND) {
        return code;
    }
    code = pt_cursor_is_same_life(cursor, &is_same, err);
    if (code) {
        return code;
    }
    if (!is_same) {
        return report_gone(reader, cursor, err);
    }
    if (opened == PT_CORRUPT) {
        return PT_CORRUPT; /* `err` names the header of the next segment */
    }
    return is_missing ? report_damage(cursor, err)
                      : pt_fail(err, PT_NOT_FOUND, "%s: end of the log at offset %llu",
                                cursor->path, (unsigned long long)cursor->offset);
}

/* The batch at the cursor, which goes on to the next segment where one ends. */
static enum pt_code peek_across(struct pt_log_reader *reader, struct pt_cursor *cursor,
                                uint64_t limit, struct pt_batch_header *header_out,
                                const uint8_t **raw_out, struct pt_error *err)
{
    struct pt_cursor next;
    enum pt_code code = PT_OK;

    pt_cursor_init(&next, reader->io);
    for (;;) {
        code = pt_cursor_peek(cursor, header_out, raw_out, err);
        if (code != PT_NOT_FOUND) {
            break;
        }
        code = pt_cursor_open(&next, reader->dir, cursor->info.sequence + 1, PT_OPEN_READ, err);
        if (!code && next.info.previous == cursor->chain &&
            next.info.previous_bytes == cursor->position &&
            next.info.base_offset == cursor->offset) {
            swap_cursors(cursor, &next);
            continue;
        }
        if (!code || code == PT_NOT_FOUND || code == PT_CORRUPT) {
            code = judge(reader, cursor, limit, code, header_out, raw_out, err);
        }
        break;
    }
    pt_cursor_release(&next);
    return code;
}

enum pt_code pt_log_reader_next(struct pt_log_reader *reader, uint64_t limit,
                                struct pt_log_batch *batch_out, struct pt_error *err)
{
    struct pt_cursor *cursor = &reader->cursor;
    struct pt_batch_header header = {0};
    const uint8_t *raw = NULL;
    enum pt_code code = PT_OK;

    if (cursor->offset < limit) {
        code = peek_across(reader, cursor, limit, &header, &raw, err);
        if (code) {
            return code;
        }
    }
    if (cursor->offset >= limit || header.count > limit - header.base_offset) {
        return pt_fail(err, PT_NOT_FOUND, "%s: offset %llu: up to the limit of %llu all was read",
                       cursor->path, (unsigned long long)cursor->offset, (unsigned long long)limit);
    }
    *batch_out = (struct pt_log_batch){
        .offset = header.base_offset,
        .count = header.count,
        .appended_at_us = header.appended_at_us,
        .note = raw + PT_BATCH_NOTE_AT,
        .records = raw + PT_BATCH_HEADER_BYTES + (size_t)header.count * 4,
        .sizes = (const uint32_t *)(const void *)(raw + PT_BATCH_HEADER_BYTES),
        .records_bytes = header.records_bytes,
    };
    pt_cursor_pass(cursor, &header);
    return PT_OK;
}

/* ---- seek ---- */

/*
 * Open the segment in which to look for `offset`: the newest that starts before it, so that
 * note-only batches at the offset itself are met too. PT_AGAIN: the segments changed meanwhile.
 */
static enum pt_code open_segment_of(struct pt_log_reader *reader, uint64_t offset,
                                    struct pt_cursor *cursor, struct pt_error *err)
{
    struct range range;
    enum pt_code code = list_range(reader, &range, err);

    if (code) {
        return code;
    }
    if (range.is_empty) {
        return pt_fail(err, PT_NOT_FOUND, "%s: no log there", reader->dir);
    }
    for (uint64_t sequence = range.last;; sequence--) {
        code = pt_cursor_open(cursor, reader->dir, sequence, PT_OPEN_READ, err);
        if (code == PT_NOT_FOUND) {
            return sequence == range.last
                       ? pt_fail(err, PT_AGAIN, "%s: segments changed", reader->dir)
                       : PT_AGAIN;
        }
        if (code || cursor->info.base_offset < offset || sequence == range.first) {
            break;
        }
    }
    if (!code && cursor->info.base_offset > offset) {
        code = pt_fail(err, PT_NOT_FOUND,
                       "log %s: offset %llu was recycled; the log starts at %llu", reader->dir,
                       (unsigned long long)offset, (unsigned long long)cursor->info.base_offset);
    }
    return code;
}

static enum pt_code walk_to(struct pt_log_reader *reader, uint64_t offset, struct pt_cursor *cursor,
                            struct pt_error *err)
{
    for (;;) {
        struct pt_batch_header header = {0};
        const uint8_t *raw = NULL;
        enum pt_code code = peek_across(reader, cursor, UINT64_MAX, &header, &raw, err);

        if (code == PT_NOT_FOUND) {
            return cursor->offset == offset
                       ? PT_OK
                       : pt_fail(err, PT_INVALID,
                                 "%s: offset %llu is past the end of the log at %llu "
                                 "(byte %llu)",
                                 cursor->path, (unsigned long long)offset,
                                 (unsigned long long)cursor->offset,
                                 (unsigned long long)cursor->position);
        }
        if (code) {
            return code;
        }
        if (header.base_offset == offset || header.base_offset + header.count > offset) {
            return PT_OK;
        }
        pt_cursor_pass(cursor, &header);
    }
}

enum pt_code pt_log_reader_seek(struct pt_log_reader *reader, uint64_t offset, struct pt_error *err)
{
    struct pt_cursor cursor;
    enum pt_code code = PT_AGAIN;

    pt_cursor_init(&cursor, reader->io);
    for (int race = 0; race < RACES_MAX; race++) {
        code = open_segment_of(reader, offset, &cursor, err);
        if (code == PT_CORRUPT) {
            continue; /* perhaps recycled between its opening and the reading of its header */
        }
        if (!code) {
            code = walk_to(reader, offset, &cursor, err);
        }
        if (code != PT_AGAIN && code != PT_FENCED) {
            break;
        }
    }
    if (!code) {
        swap_cursors(&reader->cursor, &cursor);
    }
    pt_cursor_release(&cursor);
    return code;
}

/* ---- for copy.c ---- */

enum pt_code pt_log_reader_to_segment(struct pt_log_reader *reader, uint64_t offset,
                                      struct pt_error *err)
{
    struct pt_cursor cursor;
    struct range range;
    enum pt_code code = list_range(reader, &range, err);

    pt_cursor_init(&cursor, reader->io);
    if (!code && range.is_empty) {
        code = pt_fail(err, PT_NOT_FOUND, "%s: no log there", reader->dir);
    }
    for (uint64_t sequence = range.last; !code; sequence--) {
        code = pt_cursor_open(&cursor, reader->dir, sequence, PT_OPEN_READ, err);
        if (code == PT_NOT_FOUND || code == PT_CORRUPT) {
            bool is_there = code == PT_CORRUPT && sequence != range.first;

            code = is_there ? code : PT_AGAIN; /* the oldest may be recycled at this moment */
        }
        if (code || cursor.info.base_offset <= offset || sequence == range.first) {
            break;
        }
    }
    if (!code) {
        swap_cursors(&reader->cursor, &cursor);
    }
    pt_cursor_release(&cursor);
    return code;
}

const struct pt_cursor *pt_log_reader_cursor(const struct pt_log_reader *reader)
{
    return &reader->cursor;
}
