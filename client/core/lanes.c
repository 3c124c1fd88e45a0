/*
 * lanes.c - the queues on disk, one a priority, within one budget
 *
 * FORMAT (docs/formats/queue.md). The last frame of `format` (lastframe.h) holds
 *
 *     0  u32  version of the directory: 2
 *
 * It is written before the first lane but the normal one, and before the first sealed record.
 * Where it is absent the directory is of version 1, which the normal lane's plain records are.
 */
#include "core/lanes.h"

#include "wire/frame.h"

#include <string.h>

#define FORMAT_VERSION 2u
#define FORMAT_PAYLOAD_BYTES 4
#define SEGMENT_BYTES_MIN 262144u
#define RANKS 3

static const struct {
    const char *name;
    const char *cursor_name;
    unsigned rank;
} lane_table[PT_CLIENT_LANES] = {
    {"high", "cursor-high", 2},
    {"exposures", "cursor-exposures", 2},
    {"queue", "cursor", 1},
    {"low", "cursor-low", 0},
};

/* ---- open and close ---- */

static void note_name(void *arg, const char *name)
{
    struct pt_client_lanes *lanes = arg;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        if (pt_client_queue_note(&lanes->queues[lane], name)) {
            return;
        }
    }
}

static bool format_is_known(struct pt_client_lanes *lanes)
{
    uint8_t payload[FORMAT_PAYLOAD_BYTES] = {0};
    bool is_damaged = false;

    if (pt_client_lastframe_load(&lanes->format_file, payload, &is_damaged)) {
        lanes->format = pt_get_u32(payload);
    }
    lanes->damaged += is_damaged ? 1 : 0;
    return lanes->format <= FORMAT_VERSION;
}

static bool format_write(struct pt_client_lanes *lanes)
{
    uint8_t payload[FORMAT_PAYLOAD_BYTES];

    pt_put_u32(payload, FORMAT_VERSION);
    if (!pt_client_lastframe_store(&lanes->format_file, payload, true)) {
        lanes->io_failures++;
        return false;
    }
    lanes->format = FORMAT_VERSION;
    return true;
}

enum playtrace_status pt_client_lanes_open(struct pt_client_lanes *lanes,
                                           const struct playtrace_platform *platform,
                                           const char *dir, uint64_t bytes_max, const uint8_t *key,
                                           struct pt_client_segment *segments, char *scratch,
                                           size_t scratch_bytes)
{
    uint64_t segment_bytes_max = bytes_max / (PT_CLIENT_SEGMENTS_MAX / 2);
    enum playtrace_status status = PLAYTRACE_OK;

    memset(lanes, 0, sizeof(*lanes));
    lanes->bytes_max = bytes_max;
    pt_client_sealer_init(&lanes->sealer, platform, key);
    lanes->format_file.platform = platform;
    lanes->format_file.dir = dir;
    lanes->format_file.name = "format";
    lanes->format_file.payload_bytes = FORMAT_PAYLOAD_BYTES;
    if (segment_bytes_max < SEGMENT_BYTES_MIN) {
        segment_bytes_max = SEGMENT_BYTES_MIN;
    }
    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        pt_client_queue_init(&lanes->queues[lane], platform, dir, lane_table[lane].name,
                             lane_table[lane].cursor_name, segment_bytes_max, &lanes->sealer,
                             segments + (size_t)lane * PT_CLIENT_SEGMENTS_MAX);
    }
    if (!format_is_known(lanes)) {
        return PLAYTRACE_VERSION;
    }
    if (platform->dir_list(platform->file_ctx, dir, note_name, lanes) != 0) {
        return PLAYTRACE_IO;
    }
    for (unsigned lane = 0; lane < PT_CLIENT_LANES && !status; lane++) {
        status = pt_client_queue_scan(&lanes->queues[lane], scratch, scratch_bytes);
    }
    return status;
}

bool pt_client_lanes_tidy(struct pt_client_lanes *lanes)
{
    bool is_tidy = true;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES && is_tidy; lane++) {
        is_tidy = pt_client_queue_tidy(&lanes->queues[lane]);
    }
    return is_tidy;
}

void pt_client_lanes_close(struct pt_client_lanes *lanes)
{
    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        pt_client_queue_close(&lanes->queues[lane]);
    }
    memset(&lanes->sealer, 0, sizeof(lanes->sealer));
}

/* ---- budget ---- */

uint64_t pt_client_lanes_events(const struct pt_client_lanes *lanes)
{
    uint64_t events = 0;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        events += lanes->queues[lane].events;
    }
    return events;
}

uint64_t pt_client_lanes_bytes(const struct pt_client_lanes *lanes)
{
    uint64_t bytes = 0;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        bytes += lanes->queues[lane].bytes;
    }
    return bytes;
}

/* The oldest segment of `lane` that may be evicted; segment_count: none may. */
static size_t first_evictable(const struct pt_client_lanes *lanes, unsigned lane)
{
    return lanes->is_pinned && lanes->pinned_lane == lane && lanes->queues[lane].segment_count > 0
               ? 1
               : 0;
}

uint64_t pt_client_lanes_room(const struct pt_client_lanes *lanes, unsigned lane)
{
    uint64_t held = 0; /* by segments that stay */

    if (pt_client_queue_is_full(&lanes->queues[lane])) {
        return 0;
    }
    for (unsigned other = 0; other < PT_CLIENT_LANES; other++) {
        const struct pt_client_queue *q = &lanes->queues[other];

        if (lane_table[other].rank >= lane_table[lane].rank) {
            held += q->bytes;
        } else if (first_evictable(lanes, other) == 1) {
            held += q->segments[0].bytes;
        }
    }
    return held < lanes->bytes_max ? lanes->bytes_max - held : 0;
}

bool pt_client_lanes_is_room_pinned(const struct pt_client_lanes *lanes, unsigned lane)
{
    return lanes->is_pinned && lane_table[lanes->pinned_lane].rank <= lane_table[lane].rank;
}

/* Let the oldest segment of the lowest lane below `lane` go. False: there is none. */
static bool evict_below(struct pt_client_lanes *lanes, unsigned lane)
{
    for (unsigned rank = 0; rank < lane_table[lane].rank; rank++) {
        for (unsigned other = 0; other < PT_CLIENT_LANES; other++) {
            struct pt_client_queue *q = &lanes->queues[other];
            size_t index = first_evictable(lanes, other);

            if (lane_table[other].rank == rank && index < q->segment_count) {
                lanes->evicted += pt_client_queue_evict(q, index);
                return true;
            }
        }
    }
    return false;
}

bool pt_client_lanes_append(struct pt_client_lanes *lanes, unsigned lane, const void *frames,
                            size_t bytes, uint32_t events)
{
    if (lanes->format == 0 && (lane != PT_CLIENT_LANE_NORMAL || lanes->sealer.has_key) &&
        !format_write(lanes)) {
        return false;
    }
    while (pt_client_lanes_bytes(lanes) + bytes > lanes->bytes_max) {
        if (!evict_below(lanes, lane)) {
            return false;
        }
    }
    return pt_client_queue_append(&lanes->queues[lane], frames, bytes, events);
}

/* ---- peek and ack ---- */

bool pt_client_lanes_peek(struct pt_client_lanes *lanes, unsigned first_lane, char *out,
                          size_t out_bytes, uint32_t events_max, int64_t oldest_ms,
                          struct pt_client_batch *batch_out)
{
    unsigned lane = first_lane;

    for (unsigned i = 0; i <= PT_CLIENT_LANES; i++) {
        if (lane < PT_CLIENT_LANES && lanes->queues[lane].events > 0) {
            if (!pt_client_queue_peek(&lanes->queues[lane], out, out_bytes, events_max, oldest_ms,
                                      batch_out)) {
                return false;
            }
            if (batch_out->events > 0) {
                batch_out->lane = lane;
                lanes->is_pinned = true;
                lanes->pinned_lane = lane;
                return true;
            }
        }
        lane = i;
    }
    memset(batch_out, 0, sizeof(*batch_out));
    return true;
}

void pt_client_lanes_unpin(struct pt_client_lanes *lanes)
{
    lanes->is_pinned = false;
}

void pt_client_lanes_ack(struct pt_client_lanes *lanes, const struct pt_client_batch *batch)
{
    pt_client_queue_ack(&lanes->queues[batch->lane], batch);
}

/* ---- purge, sync, losses ---- */

bool pt_client_lanes_purge(struct pt_client_lanes *lanes, unsigned lane_mask)
{
    bool is_clean = true;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        if (lane_mask & (1u << lane)) {
            is_clean = pt_client_queue_purge(&lanes->queues[lane]) && is_clean;
        }
    }
    if (lane_mask == PT_CLIENT_LANES_ALL) {
        is_clean = pt_client_lastframe_remove(&lanes->format_file) && is_clean;
        lanes->format = 0;
    }
    return is_clean;
}

bool pt_client_lanes_sync(struct pt_client_lanes *lanes)
{
    bool is_synced = true;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        is_synced = pt_client_queue_sync(&lanes->queues[lane]) && is_synced;
    }
    return is_synced;
}

void pt_client_lanes_take_losses(struct pt_client_lanes *lanes,
                                 struct pt_client_lanes_losses *losses_out)
{
    losses_out->evicted = lanes->evicted;
    losses_out->aged = 0;
    losses_out->damaged = lanes->damaged;
    losses_out->io_failures = lanes->io_failures;
    lanes->evicted = 0;
    lanes->damaged = 0;
    lanes->io_failures = 0;
    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        struct pt_client_queue *q = &lanes->queues[lane];

        losses_out->aged += q->aged;
        losses_out->damaged += q->damaged;
        losses_out->io_failures += q->io_failures;
        q->aged = 0;
        q->damaged = 0;
        q->io_failures = 0;
    }
}

uint32_t pt_client_frames_drop(char *frames, size_t *bytes, unsigned lane_mask)
{
    size_t kept_bytes = 0;
    uint32_t dropped = 0;

    for (size_t at = 0; at < *bytes;) {
        const uint8_t *frame = (const uint8_t *)frames + at;
        size_t frame_bytes = PT_FRAME_HEADER_BYTES + (size_t)pt_get_u32(frame);
        uint32_t lane = pt_get_u32(frame + 4);

        if (lane < PT_CLIENT_LANES && (lane_mask & (1u << lane))) {
            dropped++;
        } else if (lane < PT_CLIENT_LANES) {
            memmove(frames + kept_bytes, frame, frame_bytes);
            kept_bytes += frame_bytes;
        }
        at += frame_bytes;
    }
    memset(frames + kept_bytes, 0, *bytes - kept_bytes);
    *bytes = kept_bytes;
    return dropped;
}
