/*
 * log_inside.h - the writer, as log.c and open.c share it
 *
 * Only these two include it.
 */
#ifndef PT_LOG_LOG_INSIDE_H
#define PT_LOG_LOG_INSIDE_H

#include "log/cursor.h"

#include <pthread.h>
#include <stdatomic.h>

#define PT_LOG_SPARES_MAX 2
#define PT_LOG_NEW_NAME "new.tmp" /* of a file that is to become a segment */

/*
 * The first write to a preallocated block costs a journal entry at the next sync. A small
 * batch in such blocks brings this many zeros along, which pays that once for many batches
 * (measured: docs/formats/log.md). Larger batches would gain less than the zeros cost.
 */
#define PT_LOG_ZERO_AHEAD_BYTES ((size_t)256 << 10)

struct pt_live_segment {
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

    struct pt_live_segment *live; /* owned; oldest first, none missing; the last is written */
    size_t live_count;
    size_t live_capacity;
    uint64_t spares[PT_LOG_SPARES_MAX]; /* sequences in the names of the spares */
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

/* All that was appended is durable: readers may have it. */
void pt_log_publish_synced(struct pt_log *log);

/* Room in log->live for `count` segments. */
enum pt_code pt_log_reserve_live(struct pt_log *log, size_t count,
                                 struct pt_error *err) PT_MUST_USE;

/* Segment `sequence` from `base_offset` on, behind log->last if that is open; becomes log->last. */
enum pt_code pt_log_start_segment(struct pt_log *log, uint64_t sequence, uint64_t base_offset,
                                  struct pt_error *err) PT_MUST_USE;

#endif
