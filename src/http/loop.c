/*
 * loop.c - one loop thread: epoll, the queue from other threads, timers
 *
 * Everything is edge-triggered and registered once, so a request costs three system
 * calls: epoll_wait, recv, send. The wake-up descriptor is edge-triggered too and
 * never read: each write is an edge.
 */
#include "http/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_A_TURN 128

/* The loop that the calling thread runs; NULL in every other thread. */
static _Thread_local struct pt_http_loop *this_loop;

void pt_http_loop_wake(struct pt_http_loop *loop)
{
    /* Fails only when the counter is full, and then the loop has been woken. */
    (void)eventfd_write(loop->wake_fd, 1);
}

void pt_http_loop_push(struct pt_http_request *request)
{
    struct pt_http_loop *loop = request->conn->loop;
    struct pt_http_request *head = atomic_load_explicit(&loop->queue, memory_order_relaxed);

    do {
        request->queue_next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->queue, &head, request,
                                                    memory_order_release, memory_order_relaxed));
    /* `request` may be gone by now; the loop lives until all are answered. */
    if (!head) {
        pt_http_loop_wake(loop);
    }
}

bool pt_http_loop_take_inside(struct pt_http_request *request)
{
    if (this_loop && this_loop->handling == request) {
        this_loop->handling = NULL;
        return true;
    }
    return false;
}

static void timer_unlink(struct pt_http_conn *conn)
{
    struct pt_http_timer_list *list = &conn->loop->timers[conn->timer];

    *(conn->timer_prev ? &conn->timer_prev->timer_next : &list->first) = conn->timer_next;
    *(conn->timer_next ? &conn->timer_next->timer_prev : &list->last) = conn->timer_prev;
    conn->timer = PT_HTTP_TIMER_NONE;
}

void pt_http_loop_timer(struct pt_http_conn *conn, enum pt_http_timer timer)
{
    struct pt_http_timer_list *list = NULL;

    if (conn->timer == timer) {
        return;
    }
    if (conn->timer != PT_HTTP_TIMER_NONE) {
        timer_unlink(conn);
    }
    if (timer == PT_HTTP_TIMER_NONE) {
        return;
    }
    list = &conn->loop->timers[timer];
    conn->timer = timer;
    conn->deadline_us = conn->loop->now_us + list->length_us;
    conn->timer_next = NULL;
    conn->timer_prev = list->last;
    *(list->last ? &list->last->timer_next : &list->first) = conn;
    list->last = conn;
}

void pt_http_loop_again(struct pt_http_conn *conn)
{
    if (!conn->is_again) {
        conn->is_again = true;
        conn->again_next = conn->loop->again;
        conn->loop->again = conn;
    }
}

/* How long epoll may sleep, in ms; -1 for ever. */
static int sleep_ms(const struct pt_http_loop *loop)
{
    int64_t deadline_us = INT64_MAX;
    int64_t left_us = 0;

    if (loop->again) {
        return 0;
    }
    for (unsigned i = 0; i < PT_HTTP_TIMERS; i++) {
        if (loop->timers[i].first && loop->timers[i].first->deadline_us < deadline_us) {
            deadline_us = loop->timers[i].first->deadline_us;
        }
    }
    if (loop->index == 0 && loop->server->is_listen_paused &&
        loop->server->listen_resume_us < deadline_us) {
        deadline_us = loop->server->listen_resume_us;
    }
    if (deadline_us == INT64_MAX) {
        return -1;
    }
    left_us = deadline_us - pt_clock_mono_us(loop->server->clock);
    if (left_us <= 0) {
        return 0;
    }
    return left_us < 60000000 ? (int)((left_us + 999) / 1000) : 60000;
}

/* What is queued, oldest first. */
static void run_queue(struct pt_http_loop *loop)
{
    struct pt_http_request *newest =
        atomic_exchange_explicit(&loop->queue, NULL, memory_order_acquire);
    struct pt_http_request *oldest = NULL;

    while (newest) {
        struct pt_http_request *next = newest->queue_next;

        newest->queue_next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct pt_http_request *request = oldest;

        oldest = request->queue_next;
        if (request->conn->state == PT_HTTP_NEW) {
            pt_http_conn_start(request->conn);
        } else {
            pt_http_conn_answered(request);
        }
    }
}

static void run_again(struct pt_http_loop *loop)
{
    struct pt_http_conn *list = loop->again;

    loop->again = NULL;
    while (list) {
        struct pt_http_conn *conn = list;

        list = conn->again_next;
        conn->is_again = false;
        pt_http_conn_run(conn);
    }
}

static void run_timers(struct pt_http_loop *loop)
{
    for (unsigned i = 0; i < PT_HTTP_TIMERS; i++) {
        struct pt_http_conn *conn = NULL;

        while ((conn = loop->timers[i].first) != NULL && conn->deadline_us <= loop->now_us) {
            timer_unlink(conn);
            pt_http_conn_expired(conn, (enum pt_http_timer)i);
        }
    }
    if (loop->index == 0 && loop->server->is_listen_paused &&
        loop->server->listen_resume_us <= loop->now_us) {
        pt_http_accept_resume(loop->server);
    }
}

static void for_all(struct pt_http_loop *loop, void (*each)(struct pt_http_conn *conn))
{
    struct pt_http_conn *next = NULL;

    for (struct pt_http_conn *conn = loop->all; conn; conn = next) {
        next = conn->next; /* `each` may end `conn`, and no other */
        each(conn);
    }
}

/* True: the thread is to end. */
static bool follow_life(struct pt_http_loop *loop)
{
    int life = atomic_load_explicit(&loop->server->life, memory_order_acquire);

    if (life >= PT_HTTP_DRAINING && !loop->has_drained) {
        loop->has_drained = true;
        if (loop->index == 0) {
            pt_http_accept_stop(loop->server);
        }
        for_all(loop, pt_http_conn_drain);
    }
    if (life >= PT_HTTP_CUT && !atomic_load_explicit(&loop->has_cut, memory_order_relaxed)) {
        for_all(loop, pt_http_conn_cut);
        atomic_store_explicit(&loop->has_cut, true, memory_order_release);
        (void)eventfd_write(loop->server->drain_fd, 1);
    }
    return life >= PT_HTTP_STOP;
}

/* Not sooner than here: an event of this turn may still name a connection that has ended. */
static void free_dead(struct pt_http_loop *loop)
{
    struct pt_http_conn **link = &loop->dead;

    while (*link) {
        struct pt_http_conn *conn = *link;

        if (conn->is_again) {
            link = &conn->dead_next;
        } else {
            *link = conn->dead_next;
            pt_free(conn);
        }
    }
}

static bool is_listener(const struct pt_http_server *server, const void *what)
{
    return what == &server->listeners[PT_HTTP_MAIN] || what == &server->listeners[PT_HTTP_ADMIN];
}

void *pt_http_loop_main(void *arg)
{
    struct pt_http_loop *loop = arg;
    struct epoll_event events[EVENTS_A_TURN];
    bool is_over = false;

    this_loop = loop;
    while (!is_over) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, sleep_ms(loop));
        bool is_woken = false;

        pt_assert(count >= 0 || errno == EINTR);
        loop->now_us = pt_clock_mono_us(loop->server->clock);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;

            if (what == loop) {
                is_woken = true;
            } else if (is_listener(loop->server, what)) {
                pt_http_accept(what);
            } else {
                pt_http_conn_event(what, events[i].events);
            }
        }
        run_again(loop);
        if (is_woken) {
            run_queue(loop);
            pt_http_feeds_run(loop);
        }
        run_timers(loop);
        is_over = follow_life(loop);
        free_dead(loop);
    }
    this_loop = NULL;
    return NULL;
}

void pt_http_loop_release(struct pt_http_loop *loop)
{
    struct pt_http_request *request = atomic_exchange(&loop->queue, NULL);
    struct pt_http_conn *conn = NULL;

    while (request) {
        struct pt_http_request *next = request->queue_next;

        conn = request->conn;
        if (conn->state == PT_HTTP_NEW) { /* the others are in `all` */
            pt_http_conn_release(conn);
            pt_free(conn);
        }
        request = next;
    }
    while (loop->all) {
        conn = loop->all;
        loop->all = conn->next;
        pt_http_conn_release(conn);
        pt_free(conn);
    }
    pt_http_feeds_release(loop);
    loop->again = NULL;
    while (loop->dead) {
        conn = loop->dead;
        loop->dead = conn->dead_next;
        pt_free(conn);
    }
    pt_http_pool_release(&loop->pool);
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
}
