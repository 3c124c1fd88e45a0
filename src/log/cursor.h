/*
 * cursor.h - a walk over the batches of one segment file
 *
 * Only src/log includes this. Memory: one buffer that grows to the largest batch met, at
 * most PT_LOG_BATCH_BYTES_MAX. One thread owns a cursor. It borrows io; nothing it reads
 * is believed before its checksum, so a file that is written or recycled meanwhile is safe.
 */
#ifndef PT_LOG_CURSOR_H
#define PT_LOG_CURSOR_H

#include "log/segment.h"

struct pt_cursor {
    struct pt_io *io;
    struct pt_file *file; /* owned; NULL when not open */
    char *path;           /* owned */
    struct pt_segment_info info;
    uint64_t position;               /* of the next batch */
    uint64_t offset;                 /* of the next record */
    uint64_t chain;                  /* what the next batch must name as its previous */
    uint8_t note[PT_LOG_NOTE_BYTES]; /* of the newest batch passed, or the segment's */
    uint8_t *buffer;                 /* owned; holds bytes of the file from buffer_at on */
    size_t buffer_capacity;
    uint64_t buffer_at;
    size_t buffer_bytes;
    bool is_at_tail; /* the batch at `position` was not whole when last looked at */
};

void pt_cursor_init(struct pt_cursor *cursor, struct pt_io *io);
void pt_cursor_release(struct pt_cursor *cursor);

/*
 * Open the segment, with `flags` as for pt_io_open, and stand before its first batch. The file
 * that was open is closed, but only on success. PT_NOT_FOUND: no such segment.
 */
enum pt_code pt_cursor_open(struct pt_cursor *cursor, const char *dir, uint64_t sequence,
                            unsigned flags, struct pt_error *err) PT_MUST_USE;

/* Whether the file of that name still is the life that was opened; the open file cannot tell. */
enum pt_code pt_cursor_is_same_life(struct pt_cursor *cursor, bool *is_same_out,
                                    struct pt_error *err) PT_MUST_USE;

/*
 * The batch at `position`, whole and of this chain; does not move. `*raw_out` and the batch are
 * borrowed until the next call. PT_NOT_FOUND: none (yet).
 */
enum pt_code pt_cursor_peek(struct pt_cursor *cursor, struct pt_batch_header *header_out,
                            const uint8_t **raw_out, struct pt_error *err) PT_MUST_USE;
/* Step over the batch that pt_cursor_peek() gave. */
void pt_cursor_pass(struct pt_cursor *cursor, const struct pt_batch_header *header);

/*
 * Whether the rest of the file proves that a batch once stood whole at `position`: a later
 * batch of this life says that more than that was synced before it was written.
 */
enum pt_code pt_cursor_is_damage_proven(struct pt_cursor *cursor, bool *is_proven_out,
                                        struct pt_error *err) PT_MUST_USE;

#endif
