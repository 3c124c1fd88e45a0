/*
 * log.h - the durable commit log
 *
 * A log is a directory of preallocated, recycled segments holding checksummed
 * batches of opaque records (docs/formats/log.md). Records are numbered from 0:
 * the offset of a record is the count of records before it, for ever. A batch
 * carries its writer's note, which lets the collector keep its ledger in the same
 * write. One writer (thread) and any number of readers, in this process or another.
 *
 * Promise: when pt_log_sync() returns PT_OK, every batch appended before it reads
 * back whole and in order after any crash. A torn batch at the end is cut at open;
 * damage before the checkpoint is PT_CORRUPT, reported with file and position, never skipped.
 */
#ifndef PT_LOG_LOG_H
#define PT_LOG_LOG_H

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"

#define PT_LOG_NOTE_BYTES 32
#define PT_LOG_BATCH_BYTES_MAX (16u << 20)

struct pt_log;

struct pt_log_options {
    uint64_t segment_bytes;   /* 1 MiB to 32 GiB; a batch never spans two */
    uint64_t retention_bytes; /* kept behind pt_log_release()'s offset */
    uint64_t synced_offset;   /* damage below this offset is PT_CORRUPT; 0 where not known */
    uint64_t free_bytes_min;  /* with less free space an append is PT_FULL */
};

void pt_log_options_default(struct pt_log_options *options);

/*
 * Open or create for writing; one writer a directory (the caller holds the directory's lock). What
 * is found whole is made durable before this returns. PT_CORRUPT: something that was synced is
 * damaged or missing; `err` names file and byte, and nothing was changed.
 */
enum pt_code pt_log_open(struct pt_log **log_out, struct pt_io *io, struct pt_clock *clock,
                         const char *dir, const struct pt_log_options *options,
                         struct pt_error *err) PT_MUST_USE;
void pt_log_close(struct pt_log *log); /* does not sync; NULL is fine */

/*
 * Append one batch: `count` records laid out one after another in `records`, record i
 * being `sizes[i]` bytes. count may be 0 (a note alone). `*offset_out` is the offset of the first.
 * PT_FULL and PT_NO_MEMORY change nothing and may be tried again; PT_TOO_BIG (over
 * PT_LOG_BATCH_BYTES_MAX or a segment, header and sizes included) changes nothing; after PT_IO
 * the log is broken: all it still does is answer PT_IO and close.
 */
enum pt_code pt_log_append(struct pt_log *log, struct pt_span records, const uint32_t *sizes,
                           uint32_t count, const uint8_t note[PT_LOG_NOTE_BYTES],
                           uint64_t *offset_out, struct pt_error *err) PT_MUST_USE;

/* Make all appended batches durable. A failure breaks the log: what is on disk is unknown. */
enum pt_code pt_log_sync(struct pt_log *log, struct pt_error *err) PT_MUST_USE;

/* One past the newest appended record; the writer's thread. */
uint64_t pt_log_end(const struct pt_log *log);
/* One past the newest synced record; any thread. */
uint64_t pt_log_synced_end(const struct pt_log *log);
/* The newest batch's note (all zero in an empty log); the writer's thread. */
void pt_log_last_note(const struct pt_log *log, uint8_t note_out[PT_LOG_NOTE_BYTES]);
/* The newest synced batch's note; any thread. */
void pt_log_synced_note(struct pt_log *log, uint8_t note_out[PT_LOG_NOTE_BYTES]);

/*
 * Cut everything from record `offset` on (a batch's first offset, or the end), durably. Before the
 * first append. PT_INVALID: inside a batch, or past the end. PT_NOT_FOUND: recycled. Readers that
 * are open on the part that is cut must seek again.
 */
enum pt_code pt_log_cut(struct pt_log *log, uint64_t offset, struct pt_error *err) PT_MUST_USE;

/*
 * Whole segments that end at or before `offset` and are past retention may be recycled. The
 * offset is taken over by the next append; any thread.
 */
void pt_log_release(struct pt_log *log, uint64_t offset);

/* ---- reading ---- */

struct pt_log_reader;

struct pt_log_batch {
    uint64_t offset;        /* of the first record */
    uint32_t count;         /* records */
    int64_t appended_at_us; /* the writer's wall clock */
    const uint8_t *note;    /* PT_LOG_NOTE_BYTES */
    const uint8_t *records; /* count records, one after another */
    const uint32_t *sizes;  /* bytes of each */
    size_t records_bytes;   /* their sum */
};

/*
 * Reads the directory itself; needs no writer and no lock. Starts at the oldest record.
 * PT_NOT_FOUND: no log there (yet). Memory: one buffer, at most PT_LOG_BATCH_BYTES_MAX.
 */
enum pt_code pt_log_reader_open(struct pt_log_reader **reader_out, struct pt_io *io,
                                const char *dir, struct pt_error *err) PT_MUST_USE;
void pt_log_reader_close(struct pt_log_reader *reader);

/* The oldest offset still there. */
uint64_t pt_log_reader_start(struct pt_log_reader *reader);

/*
 * Put the reader at the batch that holds `offset` (or at the note-only batches before it), or the
 * end. PT_NOT_FOUND: it was recycled. PT_INVALID: past the end. A failure leaves the reader where
 * it was.
 */
enum pt_code pt_log_reader_seek(struct pt_log_reader *reader, uint64_t offset,
                                struct pt_error *err) PT_MUST_USE;

/*
 * The next whole batch whose records all lie below `limit` (UINT64_MAX: as far as it is whole).
 * PT_NOT_FOUND at the end: call again later. PT_CORRUPT names segment and position: the batch is
 * damaged though later or synced ones show that it was whole once (any other `limit` than
 * UINT64_MAX says that the log is synced up to there; pass pt_log_synced_end()). PT_FENCED: the
 * writer recycled the segment before it was read; seek to pt_log_reader_start() or give up.
 * A note-only batch that stands at `limit` comes once the limit has passed it.
 * The batch is borrowed until the next call.
 */
enum pt_code pt_log_reader_next(struct pt_log_reader *reader, uint64_t limit,
                                struct pt_log_batch *batch_out, struct pt_error *err) PT_MUST_USE;

/* ---- copying ---- */

/*
 * Copy the log in `from` into the directory `to`, which is there and holds no segment of a greater
 * number: the segments from the one that holds record `offset` (or the oldest that is there) up to
 * the newest whole batch, each batch verified, all synced. A writer may go on meanwhile. The
 * offsets that the copy starts and ends at are given. PT_AGAIN: a segment was recycled meanwhile,
 * start over. PT_CORRUPT as pt_log_reader_next(); PT_NOT_FOUND: no log there.
 */
enum pt_code pt_log_copy(struct pt_io *io, const char *from, const char *to, uint64_t offset,
                         uint64_t *start_out, uint64_t *end_out, struct pt_error *err) PT_MUST_USE;

#endif
