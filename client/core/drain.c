/*
 * drain.c - from the ring to the queue on disk
 */
#include "core/client.h"

#include "wire/frame.h"

#include <string.h>

/* After a file failed: not at once again. */
#define REPEAT_DELAY_US 1000000

void pt_client_publish(struct playtrace *p)
{
    uint64_t events = pt_client_lanes_events(&p->lanes);
    struct pt_client_lanes_losses losses;

    pt_client_lanes_take_losses(&p->lanes, &losses);
    pt_client_lock(p);
    p->stats.queued = events + p->spare_events + p->active_events + p->notice_count;
    p->stats.queued_bytes = pt_client_lanes_bytes(&p->lanes);
    p->ready_events = events;
    p->stats.dropped_evicted += losses.evicted;
    p->stats.dropped_age += losses.aged;
    p->stats.damaged += losses.damaged;
    p->stats.io_failures += losses.io_failures;
    pt_client_health_plan(p);
    pt_client_unlock(p);
}

/* What withdrawn consent must empty. */
static bool purge(struct playtrace *p)
{
    uint64_t events = 0;
    bool is_clean = false;
    unsigned lanes = 0;
    uint32_t dropped = 0;
    bool is_silent = false;

    pt_client_lock(p);
    lanes = p->purge_lanes;
    pt_client_unlock(p);
    if (!p->is_sending_notice) {
        pt_client_exchange_cancel(p);
        p->sending.events = 0;
    }
    pt_client_lanes_unpin(&p->lanes);
    events = pt_client_events_of(&p->lanes, lanes);
    is_clean = pt_client_lanes_purge(&p->lanes, lanes);
    dropped = pt_client_frames_drop(p->spare, &p->spare_bytes, lanes);
    p->spare_events -= dropped;
    p->failures = 0;
    p->suspects = 0;
    p->is_repeat = false;
    pt_client_lock(p);
    p->stats.withdrawn += events + dropped;
    p->is_purge_due = !is_clean || p->purge_lanes != lanes;
    p->purge_lanes = p->is_purge_due ? p->purge_lanes : 0;
    p->is_backing_off = false;
    if (p->notice_count > 0) {
        p->send_due_us = pt_client_now_us(p); /* the request that was cancelled is no failure */
    }
    is_silent = p->notice_count == 0 && p->state.purposes == 0;
    pt_client_unlock(p);
    if (is_silent) {
        pt_client_exchange_hang_up(p);
    }
    return is_clean;
}

static bool save_state(struct playtrace *p)
{
    struct pt_client_state state;
    bool is_saved = false;

    pt_client_lock(p);
    state = p->state;
    p->is_state_dirty = false;
    pt_client_unlock(p);
    is_saved = pt_client_state_save(&p->state_file, &state, true);
    if (!is_saved) {
        pt_client_lock(p);
        p->is_state_dirty = true;
        p->stats.io_failures++;
        pt_client_unlock(p);
    }
    return is_saved;
}

static void swap_halves(struct playtrace *p)
{
    char *empty = p->spare;

    pt_client_lock(p);
    p->spare = p->active;
    p->spare_bytes = p->active_bytes;
    p->spare_events = p->active_events;
    p->active = empty;
    p->active_bytes = 0;
    p->active_events = 0;
    p->drain_due_us = INT64_MAX;
    pt_client_unlock(p);
}

/* Frames of one lane on their way from the spare half into one write. */
struct gathering {
    unsigned lane;
    size_t bytes;
    uint32_t events;
    uint32_t dropped; /* the budget has no room for them */
    bool is_waiting;  /* for the batch on its way, which may make room */
};

/* Append the frame's event to what is gathered. False: it could not be sealed. */
static bool gather_frame(struct playtrace *p, struct gathering *g, const char *payload,
                         uint32_t bytes)
{
    uint8_t *frame = (uint8_t *)p->gathered + g->bytes;

    if (p->lanes.sealer.has_key) {
        if (!pt_client_seal(&p->lanes.sealer, payload, bytes, frame + PT_FRAME_HEADER_BYTES)) {
            p->lanes.io_failures++;
            return false;
        }
        bytes += PT_CLIENT_SEAL_BYTES;
    } else {
        memcpy(frame + PT_FRAME_HEADER_BYTES, payload, bytes);
    }
    pt_frame_header(frame + PT_FRAME_HEADER_BYTES, bytes, frame);
    g->bytes += PT_FRAME_HEADER_BYTES + bytes;
    g->events++;
    return true;
}

/*
 * Gather from `*from` on what one write takes; `*from` is where to go on. Frames that are dropped
 * are marked so at once, those that are gathered only when they are written.
 */
static bool gather(struct playtrace *p, struct gathering *g, size_t *from)
{
    uint64_t room = pt_client_lanes_room(&p->lanes, g->lane);
    size_t extra = p->lanes.sealer.has_key ? PT_CLIENT_SEAL_BYTES : 0;

    g->bytes = 0;
    g->events = 0;
    while (*from < p->spare_bytes) {
        uint8_t *frame = (uint8_t *)p->spare + *from;
        uint32_t bytes = pt_get_u32(frame);
        size_t need = PT_FRAME_HEADER_BYTES + bytes + extra;

        if (pt_get_u32(frame + 4) == g->lane) {
            if (g->bytes + need > p->half_bytes) {
                return true;
            }
            if (g->bytes + need > room) {
                if (pt_client_lanes_is_room_pinned(&p->lanes, g->lane)) {
                    g->is_waiting = true;
                    return true;
                }
                pt_put_u32(frame + 4, PT_CLIENT_LANE_NONE);
                g->dropped++;
            } else if (!gather_frame(p, g, (const char *)frame + PT_FRAME_HEADER_BYTES, bytes)) {
                return false;
            }
        }
        *from += PT_FRAME_HEADER_BYTES + bytes;
    }
    return true;
}

/* What is gathered is written: its frames stand before `to`. */
static void mark_written(struct playtrace *p, unsigned lane, size_t from, size_t to)
{
    while (from < to) {
        uint8_t *frame = (uint8_t *)p->spare + from;

        if (pt_get_u32(frame + 4) == lane) {
            pt_put_u32(frame + 4, PT_CLIENT_LANE_NONE);
        }
        from += PT_FRAME_HEADER_BYTES + pt_get_u32(frame);
    }
}

/* False: frames of the lane are still in the spare half. */
static bool write_lane(struct playtrace *p, struct gathering *g)
{
    size_t from = 0;

    while (from < p->spare_bytes && !g->is_waiting) {
        size_t start = from;

        if (!gather(p, g, &from)) {
            return false;
        }
        if (g->events > 0 &&
            !pt_client_lanes_append(&p->lanes, g->lane, p->gathered, g->bytes, g->events)) {
            return false;
        }
        mark_written(p, g->lane, start, from);
        p->spare_events -= g->events;
    }
    return !g->is_waiting;
}

/* One write a lane, as a rule. False: the spare half is not empty yet. */
static bool write_spare(struct playtrace *p)
{
    bool is_empty = true;
    uint32_t dropped = 0;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES && p->spare_events > 0; lane++) {
        struct gathering g = {.lane = lane};

        is_empty = write_lane(p, &g) && is_empty;
        p->spare_events -= g.dropped;
        dropped += g.dropped;
    }
    if (dropped > 0) {
        pt_client_lock(p);
        p->stats.dropped_budget += dropped;
        pt_client_unlock(p);
        pt_client_log(p, PLAYTRACE_LOG_ERROR, PT_CLIENT_LOG_DROP,
                      "%lu events are lost: the queue has reached options.queue_bytes_max; is the "
                      "server out of reach for long?",
                      (unsigned long)dropped);
    }
    if (is_empty) {
        p->spare_bytes = 0;
        p->spare_events = 0;
    }
    return is_empty;
}

bool pt_client_drain(struct playtrace *p)
{
    bool is_purge_due = false;
    bool is_state_dirty = false;
    bool is_notices_dirty = false;
    bool is_decision_new = false;
    bool is_flags_file_due = false;
    bool is_sound = true;

    pt_client_lock(p);
    is_purge_due = p->is_purge_due;
    is_state_dirty = p->is_state_dirty;
    is_notices_dirty = p->is_notices_dirty;
    is_decision_new = p->is_decision_new;
    p->is_decision_new = false;
    is_flags_file_due = p->flags.is_removal_due;
    pt_client_unlock(p);
    if (is_decision_new) {
        pt_client_exchange_cancel(p);
    }
    /* The decision first, and before it what tells of it (consent.c): a kill in between leaves
     * "withdrawn" beside files, and the next open removes them. */
    if (is_notices_dirty) {
        is_sound = pt_client_notices_save(p);
    }
    if (is_state_dirty) {
        is_sound = save_state(p) && is_sound;
    }
    if (is_purge_due) {
        is_sound = purge(p) && is_sound;
    }
    if (is_flags_file_due) {
        is_sound = pt_client_flags_purge(p) && is_sound;
    }
    /* An earlier drain's leftover goes first, so that the queue keeps the order of track(). */
    if (write_spare(p)) {
        pt_client_health(p);
        swap_halves(p);
        is_sound = write_spare(p) && is_sound;
    } else {
        is_sound = false;
    }
    if (!is_sound) {
        pt_client_lock(p);
        p->drain_due_us = pt_client_now_us(p) + REPEAT_DELAY_US;
        pt_client_unlock(p);
    }
    pt_client_publish(p);
    return is_sound;
}
