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
    pt_client_lock(p);
    p->stats.queued = p->queue.events + p->spare_events + p->active_events;
    p->stats.queued_bytes = p->queue.bytes;
    p->ready_events = p->queue.events;
    p->stats.damaged += p->queue.damaged;
    p->stats.io_failures += p->queue.io_failures;
    p->queue.damaged = 0;
    p->queue.io_failures = 0;
    pt_client_unlock(p);
}

/* What withdrawn consent must empty. */
static bool purge(struct playtrace *p)
{
    uint64_t events = 0;
    bool is_clean = false;

    pt_client_exchange_cancel(p);
    p->sending.events = 0;
    events = p->queue.events + p->spare_events;
    is_clean = pt_client_queue_purge(&p->queue);
    memset(p->spare, 0, p->spare_bytes);
    p->spare_bytes = 0;
    p->spare_events = 0;
    p->failures = 0;
    p->suspects = 0;
    p->is_repeat = false;
    pt_client_lock(p);
    p->stats.withdrawn += events;
    p->is_purge_due = !is_clean;
    p->is_backing_off = false;
    pt_client_unlock(p);
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

/* Compute the checksums of the spare half's frames; drop the newest that the budget refuses. */
static void finish_spare(struct playtrace *p)
{
    uint64_t room = pt_client_queue_room(&p->queue);
    size_t at = 0;
    uint32_t events = 0;

    while (events < p->spare_events) {
        uint8_t *frame = (uint8_t *)p->spare + at;
        uint32_t bytes = pt_get_u32(frame);

        if (at + PT_FRAME_HEADER_BYTES + bytes > room) {
            break;
        }
        pt_frame_header(frame + PT_FRAME_HEADER_BYTES, bytes, frame);
        at += PT_FRAME_HEADER_BYTES + bytes;
        events++;
    }
    if (events < p->spare_events) {
        pt_client_lock(p);
        p->stats.dropped_budget += p->spare_events - events;
        pt_client_unlock(p);
    }
    p->spare_bytes = at;
    p->spare_events = events;
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

/* False: the spare half is still full. */
static bool write_spare(struct playtrace *p)
{
    if (p->spare_events == 0) {
        return true;
    }
    finish_spare(p);
    if (p->spare_events > 0 &&
        !pt_client_queue_append(&p->queue, p->spare, p->spare_bytes, p->spare_events)) {
        return false;
    }
    p->spare_bytes = 0;
    p->spare_events = 0;
    return true;
}

bool pt_client_drain(struct playtrace *p)
{
    bool is_purge_due = false;
    bool is_state_dirty = false;
    bool is_sound = true;

    pt_client_lock(p);
    is_purge_due = p->is_purge_due;
    is_state_dirty = p->is_state_dirty;
    pt_client_unlock(p);
    /* The decision first: a kill in between leaves "withdrawn" beside files, and the next open
     * removes them. */
    if (is_state_dirty) {
        is_sound = save_state(p);
    }
    if (is_purge_due) {
        is_sound = purge(p) && is_sound;
    }
    /* An earlier drain's leftover goes first, so that the queue keeps the order of track(). */
    if (write_spare(p)) {
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
