/*
 * lanes.h - the queues on disk, one a priority, within one budget
 *
 * Only client/core includes this. One thread at a time, under the client's work lock. Each lane
 * is a pt_client_queue with files of its own. They share `bytes_max`: where it is reached, the
 * oldest segment of a lower lane makes room for a higher lane; within a lane, and between lanes
 * of one rank, the newest event is refused, because what is stored was promised before.
 */
#ifndef PT_CLIENT_LANES_H
#define PT_CLIENT_LANES_H

#include "core/queue.h"

/* In the order in which they are sent. */
enum pt_client_lane {
    PT_CLIENT_LANE_HIGH = 0,
    PT_CLIENT_LANE_EXPOSURES, /* of the purpose "experiments"; ranks with HIGH */
    PT_CLIENT_LANE_NORMAL,
    PT_CLIENT_LANE_LOW,
    PT_CLIENT_LANES,
};

#define PT_CLIENT_LANES_ALL ((1u << PT_CLIENT_LANES) - 1)
#define PT_CLIENT_LANE_NONE UINT32_MAX /* of a frame that has left the ring already */

struct pt_client_lanes {
    struct pt_client_queue queues[PT_CLIENT_LANES];
    struct pt_client_sealer sealer;
    struct pt_client_lastframe format_file;
    uint32_t format;    /* as on disk; 0: no file, which means 1 */
    uint64_t bytes_max; /* of all segments */
    bool is_pinned;     /* a batch of `pinned_lane` is on its way: its segment stays */
    unsigned pinned_lane;
    uint64_t evicted;     /* events that gave way so far */
    uint64_t damaged;     /* damage outside of the lanes' own files so far */
    uint64_t io_failures; /* likewise */
};

/*
 * Read what `dir` holds; changes no file, so that an open that fails leaves all as it was.
 * `segments` is storage for PT_CLIENT_LANES * PT_CLIENT_SEGMENTS_MAX, `scratch` for at least twice
 * a frame; all is borrowed, `scratch` and `key` (NULL: none) for the call only. PLAYTRACE_VERSION,
 * PLAYTRACE_KEY; PLAYTRACE_IO: the directory cannot be read. Then pt_client_lanes_tidy(); pair with
 * pt_client_lanes_close().
 */
enum playtrace_status pt_client_lanes_open(struct pt_client_lanes *lanes,
                                           const struct playtrace_platform *platform,
                                           const char *dir, uint64_t bytes_max, const uint8_t *key,
                                           struct pt_client_segment *segments, char *scratch,
                                           size_t scratch_bytes);
/* Cut torn tails and remove what is settled; before anything else. False: a file operation failed.
 */
bool pt_client_lanes_tidy(struct pt_client_lanes *lanes);
void pt_client_lanes_close(struct pt_client_lanes *lanes);

/* Over all lanes. */
uint64_t pt_client_lanes_events(const struct pt_client_lanes *lanes);
uint64_t pt_client_lanes_bytes(const struct pt_client_lanes *lanes);

/* Bytes of frames that `lane` still takes, what lower lanes would give way counted in. */
uint64_t pt_client_lanes_room(const struct pt_client_lanes *lanes, unsigned lane);

/* Would `lane` take more once the batch on its way is settled? */
bool pt_client_lanes_is_room_pinned(const struct pt_client_lanes *lanes, unsigned lane);

/* As pt_client_queue_append(); at most pt_client_lanes_room() bytes. */
bool pt_client_lanes_append(struct pt_client_lanes *lanes, unsigned lane, const void *frames,
                            size_t bytes, uint32_t events);

/*
 * As pt_client_queue_peek(), from `first_lane` (PT_CLIENT_LANES: none is preferred), else from
 * the first lane that holds something. The batch is pinned until pt_client_lanes_unpin().
 */
bool pt_client_lanes_peek(struct pt_client_lanes *lanes, unsigned first_lane, char *out,
                          size_t out_bytes, uint32_t events_max, int64_t oldest_ms,
                          struct pt_client_batch *batch_out);
void pt_client_lanes_unpin(struct pt_client_lanes *lanes);
void pt_client_lanes_ack(struct pt_client_lanes *lanes, const struct pt_client_batch *batch);

/* Remove all files of the lanes in `lane_mask` (bits 1 << lane). False: repeat. */
bool pt_client_lanes_purge(struct pt_client_lanes *lanes, unsigned lane_mask);

/* fsync what is not acknowledged. False: failed. */
bool pt_client_lanes_sync(struct pt_client_lanes *lanes);

/* What went wrong since the last call. */
struct pt_client_lanes_losses {
    uint64_t evicted;
    uint64_t aged;
    uint64_t damaged;
    uint64_t io_failures;
};
void pt_client_lanes_take_losses(struct pt_client_lanes *lanes,
                                 struct pt_client_lanes_losses *losses_out);

/*
 * Frames in the ring carry their lane where the checksum will stand. Take those of the lanes in
 * `lane_mask` out of `frames`; returns how many there were.
 */
uint32_t pt_client_frames_drop(char *frames, size_t *bytes, unsigned lane_mask);

#endif
