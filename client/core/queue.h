/*
 * queue.h - the events on disk that the server has not yet answered for
 *
 * Only client/core includes this. One thread at a time, under the client's work lock. Promise:
 * a record whose append returned true is peeked again after any kill of the process until it is
 * acknowledged; damage costs the damaged records and no others. Bytes: docs/formats/queue.md.
 */
#ifndef PT_CLIENT_QUEUE_H
#define PT_CLIENT_QUEUE_H

#include "core/lastframe.h"
#include "playtrace.h"

#define PT_CLIENT_SEGMENTS_MAX 1024
#define PT_CLIENT_PATH_BYTES (PLAYTRACE_URL_BYTES_MAX + 64)

struct pt_client_segment {
    uint32_t number; /* the file's name */
    uint32_t events; /* not yet acknowledged */
    uint64_t bytes;  /* of the file; a frame ends there */
};

struct pt_client_queue {
    const struct playtrace_platform *platform; /* borrowed */
    const char *dir;                           /* borrowed */
    struct pt_client_lastframe cursor_file;
    struct pt_client_segment *segments; /* borrowed: PT_CLIENT_SEGMENTS_MAX of them */
    size_t segment_count;               /* oldest first; the last one is appended to */
    uint64_t cursor_bytes;              /* acknowledged bytes of the oldest segment */
    uint32_t last_number;               /* highest ever used, here or in the cursor file */
    uint32_t dirty_number;              /* lowest segment written since sync; 0: none */
    bool is_sealed;                     /* the last segment takes no more */
    void *append_file;                  /* the last segment's, or NULL */
    void *read_file;                    /* the oldest segment's where it is not the last */
    uint64_t bytes;                     /* of all segments */
    uint64_t bytes_max;
    uint64_t segment_bytes_max;
    uint64_t events;      /* not yet acknowledged */
    uint64_t damaged;     /* runs of damaged bytes met so far */
    uint64_t io_failures; /* file operations that failed so far */
};

/* One batch as peek found it. */
struct pt_client_batch {
    uint32_t events;
    size_t bytes;       /* of JSON text */
    uint64_t end_bytes; /* for ack */
};

/*
 * Read what `dir` holds; a torn tail is cut. `segments` is storage for PT_CLIENT_SEGMENTS_MAX,
 * `scratch` for at least twice a frame; both borrowed, `scratch` for the call only. False: the
 * directory cannot be read. Pair with pt_client_queue_close().
 */
bool pt_client_queue_open(struct pt_client_queue *q, const struct playtrace_platform *platform,
                          const char *dir, uint64_t bytes_max, struct pt_client_segment *segments,
                          char *scratch, size_t scratch_bytes);
void pt_client_queue_close(struct pt_client_queue *q);

/* Bytes of frames that the budget still takes. */
uint64_t pt_client_queue_room(const struct pt_client_queue *q);

/*
 * Append whole frames with one write call. False: nothing of them will be peeked, the queue is
 * as before, and the call may be repeated.
 */
bool pt_client_queue_append(struct pt_client_queue *q, const void *frames, size_t bytes,
                            uint32_t events);

/*
 * The oldest 1..events_max payloads, joined by commas, into `out`, which holds at least one
 * frame. False: the file could not be read. An empty batch: nothing is queued.
 */
bool pt_client_queue_peek(struct pt_client_queue *q, char *out, size_t out_bytes,
                          uint32_t events_max, struct pt_client_batch *batch_out);

/* The batch, as the last peek gave it, is settled. Not durable against loss of power: then it is
 * sent again, and the server knows its event_ids. */
void pt_client_queue_ack(struct pt_client_queue *q, const struct pt_client_batch *batch);

/* Remove every segment and the cursor. False: a file is still there; repeat. */
bool pt_client_queue_purge(struct pt_client_queue *q);

/* fsync what is not acknowledged. False: failed. */
bool pt_client_queue_sync(struct pt_client_queue *q);

#endif
