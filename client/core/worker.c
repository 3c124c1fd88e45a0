/*
 * worker.c - when to write and when to send: by a thread, by the game's pump, or until a deadline
 */
#include "core/client.h"

#define WAIT_MS_MAX 3600000

uint64_t pt_client_settled(const struct playtrace *p)
{
    const struct playtrace_stats *stats = &p->stats;

    return stats->delivered + stats->refused + stats->unreadable + stats->dropped_budget +
           stats->dropped_evicted + stats->dropped_age + stats->withdrawn;
}

/* The caller holds `lock`. */
static bool send_is_due(const struct playtrace *p, int64_t now_us)
{
    if (!pt_client_has_work(p)) {
        return false;
    }
    if (now_us >= p->send_due_us) {
        return true;
    }
    return !p->is_backing_off &&
           (p->flushers > 0 || p->ready_events >= p->options.batch_events_max);
}

/* Go on with the request on its way, or send a batch. The caller holds work_lock. */
static enum pt_client_step advance(struct playtrace *p, uint32_t timeout_ms)
{
    return p->exchange.is_under_way ? pt_client_exchange_poll(p) : pt_client_send(p, timeout_ms);
}

/* Without consent nothing is sent but the news that it ended. The caller holds `lock`. */
static bool may_deliver(const struct playtrace *p)
{
    return p->state.purposes != 0 || p->stats.queued > 0;
}

/* One look: write what is due, ask for flags and send one batch if they are due. The caller
 * holds work_lock. */
static void step(struct playtrace *p)
{
    bool is_due = false;
    bool is_flags_due = false;
    int64_t now_us = 0;

    (void)pt_client_drain(p);
    pt_client_serve_sync(p);
    if (pt_client_exchange_poll(p) == PT_CLIENT_STEP_WAITING) {
        return;
    }
    pt_client_lock(p);
    now_us = pt_client_now_us(p);
    is_due = send_is_due(p, now_us);
    is_flags_due = now_us >= pt_client_flags_due_us(p);
    pt_client_unlock(p);
    if (is_flags_due &&
        pt_client_flags_fetch(p, p->options.request_timeout_ms) == PT_CLIENT_STEP_WAITING) {
        return;
    }
    if (is_due) {
        (void)pt_client_send(p, p->options.request_timeout_ms);
    }
}

static uint32_t wait_ms(int64_t wait_us)
{
    int64_t ms = wait_us / 1000 + 1;

    return ms > WAIT_MS_MAX ? WAIT_MS_MAX : (uint32_t)ms;
}

void pt_client_worker_run(void *client)
{
    struct playtrace *p = client;

    pt_client_lock(p);
    while (!p->is_stopping) {
        int64_t now_us = pt_client_now_us(p);
        int64_t due_us = p->drain_due_us;
        int64_t flags_due_us = pt_client_flags_due_us(p);
        bool is_waiting = p->poll_due_us != INT64_MAX;

        if (now_us >= p->drain_due_us || p->sync_asked != p->sync_done ||
            (is_waiting ? now_us >= p->poll_due_us
                        : send_is_due(p, now_us) || now_us >= flags_due_us)) {
            pt_client_unlock(p);
            pt_client_work_lock(p);
            step(p);
            pt_client_work_unlock(p);
            pt_client_lock(p);
            if (p->flushers > 0) {
                p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
            }
            continue;
        }
        if (is_waiting) {
            due_us = p->poll_due_us < due_us ? p->poll_due_us : due_us;
        } else {
            if (pt_client_has_work(p) && p->send_due_us < due_us) {
                due_us = p->send_due_us;
            }
            due_us = flags_due_us < due_us ? flags_due_us : due_us;
        }
        p->platform.cond_wait(p->platform.thread_ctx, p->changed, p->lock,
                              due_us == INT64_MAX ? WAIT_MS_MAX : wait_ms(due_us - now_us));
    }
    {
        int64_t left_us = p->stop_us - pt_client_now_us(p);

        pt_client_unlock(p);
        pt_client_work_lock(p);
        p->stop_status = pt_client_deliver(p, left_us > 0 ? (uint32_t)(left_us / 1000) : 0);
        pt_client_work_unlock(p);
    }
}

enum playtrace_status pt_client_deliver(struct playtrace *p, uint32_t timeout_ms)
{
    int64_t start_us = pt_client_now_us(p);
    int64_t slept_us = 0; /* a clock that stands still ends nothing */
    uint64_t target = 0;
    bool had_notices = false;

    (void)pt_client_drain(p); /* what it has to tell of itself counts, too */
    pt_client_lock(p);
    target = p->stats.tracked + p->stats.recovered;
    had_notices = p->notice_count > 0;
    pt_client_unlock(p);
    for (;;) {
        int64_t now_us = 0;
        int64_t left_us = 0;
        int64_t wait_us = 0;
        bool is_done = false;
        bool is_allowed = false;

        (void)pt_client_drain(p);
        pt_client_lock(p);
        now_us = pt_client_now_us(p);
        is_done = p->stats.queued == 0 || pt_client_settled(p) >= target;
        is_allowed = may_deliver(p);
        wait_us = 0;
        if (p->poll_due_us != INT64_MAX) {
            wait_us = p->poll_due_us - now_us;
        } else if (p->is_backing_off) {
            wait_us = p->send_due_us - now_us;
        }
        pt_client_unlock(p);
        if (!is_allowed) {
            return had_notices ? PLAYTRACE_OK : PLAYTRACE_NO_CONSENT;
        }
        if (is_done) {
            return PLAYTRACE_OK;
        }
        left_us = (int64_t)timeout_ms * 1000 -
                  (now_us - start_us > slept_us ? now_us - start_us : slept_us);
        if (left_us <= 0 || wait_us >= left_us) {
            return PLAYTRACE_QUEUED;
        }
        if (wait_us > 0) {
            uint32_t ms = wait_ms(wait_us);

            pt_client_work_unlock(p);
            p->platform.sleep_ms(p->platform.clock_ctx, ms);
            pt_client_work_lock(p);
            slept_us += (int64_t)ms * 1000;
        } else {
            uint32_t left_ms = wait_ms(left_us);

            if (left_ms > p->options.request_timeout_ms) {
                left_ms = p->options.request_timeout_ms;
            }
            if (advance(p, left_ms) == PT_CLIENT_STEP_NOTHING) {
                return PLAYTRACE_QUEUED;
            }
        }
    }
}

/* A flush may skip the back-off timer once, at its start. The caller holds `lock`. */
static void skip_retry_timer(struct playtrace *p)
{
    if (p->options.flush_ignores_retry) {
        p->is_backing_off = false;
        p->send_due_us = pt_client_now_us(p);
    }
}

/* Ask the worker, and wait for what it does. */
static enum playtrace_status flush_by_worker(struct playtrace *p, uint32_t timeout_ms)
{
    enum playtrace_status status = PLAYTRACE_QUEUED;
    int64_t until_us = 0;
    uint64_t target = 0;
    bool had_notices = false;

    pt_client_lock(p);
    until_us = pt_client_now_us(p) + (int64_t)timeout_ms * 1000;
    target = p->stats.tracked + p->stats.recovered;
    had_notices = p->notice_count > 0;
    if (timeout_ms > 0) {
        skip_retry_timer(p);
        p->flushers++;
    }
    if (p->active_events > 0) {
        p->drain_due_us = 0;
    }
    p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    for (;;) {
        int64_t now_us = pt_client_now_us(p);

        if (!may_deliver(p)) {
            status = had_notices ? PLAYTRACE_OK : PLAYTRACE_NO_CONSENT;
            break;
        }
        if (p->stats.queued == 0 || pt_client_settled(p) >= target) {
            status = PLAYTRACE_OK;
            break;
        }
        if (now_us >= until_us || (p->is_backing_off && p->send_due_us > until_us)) {
            break;
        }
        p->platform.cond_wait(p->platform.thread_ctx, p->changed, p->lock,
                              wait_ms(until_us - now_us));
    }
    if (timeout_ms > 0) {
        p->flushers--;
    }
    pt_client_unlock(p);
    return status;
}

enum playtrace_status playtrace_flush(struct playtrace *p, uint32_t timeout_ms)
{
    enum playtrace_status status = PLAYTRACE_OK;

    if (!pt_client_is_usable_for_work(p)) {
        return PLAYTRACE_INVALID;
    }
    if (p->worker) {
        return flush_by_worker(p, timeout_ms);
    }
    pt_client_work_lock(p);
    pt_client_lock(p);
    p->flushers++; /* a request for flags gives way */
    if (timeout_ms > 0) {
        skip_retry_timer(p);
    }
    pt_client_unlock(p);
    status = pt_client_deliver(p, timeout_ms);
    pt_client_lock(p);
    p->flushers--;
    pt_client_unlock(p);
    pt_client_work_unlock(p);
    return status;
}

enum playtrace_status playtrace_pump(struct playtrace *p)
{
    bool is_queued = false;

    if (!pt_client_is_usable_for_work(p)) {
        return PLAYTRACE_INVALID;
    }
    pt_client_work_lock(p);
    step(p);
    pt_client_lock(p);
    is_queued = p->stats.queued > 0;
    pt_client_unlock(p);
    pt_client_work_unlock(p);
    return is_queued ? PLAYTRACE_QUEUED : PLAYTRACE_OK;
}
