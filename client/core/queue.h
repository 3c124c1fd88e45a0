/*
 * queue.h - the events of one lane on disk that the server has not yet answered for
 *
 * Only client/core includes this. One thread at a time, under the client's work lock. Promise:
 * a record whose append returned true is peeked again after any kill of the process until it is
 * acknowledged or evicted; damage costs the damaged records and no others. Bytes:
 * docs/formats/queue.md.
 */
#ifndef PT_CLIENT_QUEUE_H
#define PT_CLIENT_QUEUE_H

#include "core/lastframe.h"
#include "core/seal.h"
#include "playtrace.h"

#define PT_CLIENT_SEGMENTS_MAX 1024
#define PT_CLIENT_PATH_BYTES (PLAYTRACE_URL_BYTES_MAX + 64)

struct pt_client_segment {
    uint32_t number; /* the file's name */
    uint32_t events; /* not yet acknowledged */
    uint64_t bytes;  /* of the file; a frame ends there */
    bool is_torn;    /* between scan and tidy: the file goes on behind its last sound frame */
};

struct pt_client_queue {
    const struct playtrace_platform *platform; /* borrowed */
    const char *dir;                           /* borrowed */
    const char *name;                          /* borrowed: the segments are NAME-NNNNNNNN.log */
    struct pt_client_sealer *sealer;           /* borrowed */
    struct pt_client_lastframe cursor_file;
    uint32_t cursor_number;             /* as scan found it */
    struct pt_client_segment *segments; /* borrowed: PT_CLIENT_SEGMENTS_MAX of them */
    size_t segment_count;               /* oldest first; the last one is appended to */
    uint64_t cursor_bytes;              /* acknowledged bytes of the oldest segment */
    uint32_t last_number;               /* highest ever used, here or in the cursor file */
    uint32_t dirty_number;              /* lowest segment written since sync; 0: none */
    bool is_sealed;                     /* the last segment takes no more */
    void *append_file;                  /* the last segment's, or NULL */
    void *read_file;                    /* the oldest segment's where it is not the last */
    uint64_t bytes;                     /* of all segments */
    uint64_t segment_bytes_max;
    uint64_t events;      /* not yet acknowledged */
    uint64_t damaged;     /* runs of damaged bytes met so far */
    uint64_t aged;        /* events that peek found too old and left out so far */
    uint64_t io_failures; /* file operations that failed so far */
};

/* One batch as peek found it. */
struct pt_client_batch {
    unsigned lane; /* enum pt_client_lane; set by pt_client_lanes_peek() */
    uint32_t segment;
    uint32_t events;
    size_t bytes;       /* of JSON text */
    uint64_t end_bytes; /* for ack */
};

/*
 * An empty queue. `segments` is storage for PT_CLIENT_SEGMENTS_MAX; all that is pointed to is
 * borrowed. Then note() each name in the directory, scan(), tidy(). Pair with
 * pt_client_queue_close().
 */
void pt_client_queue_init(struct pt_client_queue *q, const struct playtrace_platform *platform,
                          const char *dir, const char *name, const char *cursor_name,
                          uint64_t segment_bytes_max, struct pt_client_sealer *sealer,
                          struct pt_client_segment *segments);
void pt_client_queue_close(struct pt_client_queue *q);

/* Is `file_name` one of this queue's segments? Then it is kept in mind for scan(). */
bool pt_client_queue_note(struct pt_client_queue *q, const char *file_name);

/*
 * Read what was noted; changes no file. `scratch` holds at least twice a frame. PLAYTRACE_KEY:
 * there are sealed records that the sealer's key does not open. PLAYTRACE_IO: a file could not be
 * read.
 */
enum playtrace_status pt_client_queue_scan(struct pt_client_queue *q, char *scratch,
                                           size_t scratch_bytes);

/* Cut torn tails and remove what is settled. False: a file operation failed. */
bool pt_client_queue_tidy(struct pt_client_queue *q);

/* Is there no place for another segment, where one is needed? */
bool pt_client_queue_is_full(const struct pt_client_queue *q);

/*
 * Append whole frames with one write call. False: nothing of them will be peeked, the queue is
 * as before, and the call may be repeated.
 */
bool pt_client_queue_append(struct pt_client_queue *q, const void *frames, size_t bytes,
                            uint32_t events);

/*
 * The oldest 1..events_max payloads, unsealed and joined by commas, into `out`, which holds at
 * least one frame. Events older than `oldest_ms` (by the time in their id) before the first
 * younger one leave the queue and are counted in `aged`. False: the file could not be read. An
 * empty batch: nothing is queued.
 */
bool pt_client_queue_peek(struct pt_client_queue *q, char *out, size_t out_bytes,
                          uint32_t events_max, int64_t oldest_ms,
                          struct pt_client_batch *batch_out);

/* The batch, as the last peek gave it, is settled. Not durable against loss of power: then it is
 * sent again, and the server knows its event_ids. */
void pt_client_queue_ack(struct pt_client_queue *q, const struct pt_client_batch *batch);

/* Remove one segment (0: the oldest), settled or not; returns the events lost with it. */
uint32_t pt_client_queue_evict(struct pt_client_queue *q, size_t index);

/* Remove every segment and the cursor. False: a file is still there; repeat. */
bool pt_client_queue_purge(struct pt_client_queue *q);

/* fsync what is not acknowledged. False: failed. */
bool pt_client_queue_sync(struct pt_client_queue *q);

#endif
