/*
 * sync.c - the sync point, and what goes on while a request is on its way
 *
 * A caller of sync takes a ticket under `lock`; whoever holds work_lock next (the worker, or the
 * request's thread from within should_stop) writes the ring, syncs the files, and answers all
 * tickets taken before it began.
 */
#include "core/client.h"

void pt_client_serve_sync(struct playtrace *p)
{
    uint64_t ticket = 0;
    bool is_asked = false;
    bool is_sound = false;

    pt_client_lock(p);
    ticket = p->sync_asked;
    is_asked = p->sync_done < ticket;
    pt_client_unlock(p);
    if (!is_asked) {
        return;
    }
    is_sound = pt_client_drain(p) && pt_client_lanes_sync(&p->lanes);
    pt_client_publish(p);
    pt_client_lock(p);
    p->sync_done = ticket;
    if (is_sound) {
        p->sync_sound = ticket;
    }
    if (p->changed) {
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    }
    pt_client_unlock(p);
}

void pt_client_serve(struct playtrace *p)
{
    bool is_drain_due = false;

    pt_client_lock(p);
    is_drain_due =
        p->options.without_worker ? p->active_events > 0 : pt_client_now_us(p) >= p->drain_due_us;
    is_drain_due = is_drain_due && !p->is_purge_due;
    pt_client_unlock(p);
    if (is_drain_due) {
        (void)pt_client_drain(p);
    }
    pt_client_serve_sync(p);
}

/* The caller holds `lock`, and a worker runs. */
static void wait_for(struct playtrace *p, uint64_t ticket, uint32_t timeout_ms)
{
    int64_t until_us = pt_client_now_us(p) + (int64_t)timeout_ms * 1000;

    p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    while (p->sync_done < ticket) {
        int64_t left_us = until_us - pt_client_now_us(p);

        if (left_us <= 0) {
            return;
        }
        p->platform.cond_wait(p->platform.thread_ctx, p->changed, p->lock,
                              (uint32_t)(left_us / 1000) + 1);
    }
}

enum playtrace_status playtrace_sync(struct playtrace *p, uint32_t timeout_ms)
{
    enum playtrace_status status = PLAYTRACE_QUEUED;
    uint64_t ticket = 0;

    if (!pt_client_is_usable_for_work(p)) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    if (p->state.consent != PLAYTRACE_CONSENT_GIVEN) {
        pt_client_unlock(p);
        return PLAYTRACE_NO_CONSENT;
    }
    ticket = ++p->sync_asked;
    if (p->worker) {
        wait_for(p, ticket, timeout_ms);
    } else {
        pt_client_unlock(p);
        pt_client_work_lock(p);
        pt_client_serve_sync(p);
        pt_client_work_unlock(p);
        pt_client_lock(p);
    }
    if (p->sync_sound >= ticket) {
        status = PLAYTRACE_OK;
    } else if (p->sync_done >= ticket) {
        status = PLAYTRACE_IO;
    }
    pt_client_unlock(p);
    return status;
}
