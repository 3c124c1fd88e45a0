/*
 * conn_h2.c - an HTTP/2 connection and its socket
 *
 * What is to be sent goes out before more is read, so a peer that reads nothing is not
 * listened to either, and what it makes us write stays within one buffer.
 *
 * TIMERS. WRITE: the socket is full, or the peer grants no window for an answer that waits. BODY:
 * a request is not whole; each stream has its own deadline, and at the latest two lengths of
 * the timer after it began the stream is told 408. IDLE: nothing is under way.
 */
#include "http/h2.h"

#include <errno.h>

#define READ_BYTES ((size_t)32 * 1024)
/* An empty output buffer larger than that is not kept. */
#define KEPT_OUT_BYTES ((size_t)4096)

enum pump {
    PUMP_EMPTY,   /* all is sent */
    PUMP_BLOCKED, /* the socket is full */
    PUMP_GONE,    /* the connection was destroyed */
};

static enum pump pump_out(struct pt_http_conn *conn)
{
    for (;;) {
        ssize_t sent = 0;

        if (conn->out_sent == conn->out.size) {
            conn->out_sent = 0;
            pt_buf_reset(&conn->out);
            if (!pt_http_h2_fill(conn->h2, &conn->out)) {
                pt_http_conn_destroy(conn);
                return PUMP_GONE;
            }
            if (conn->out.size == 0) {
                if (conn->out.capacity > KEPT_OUT_BYTES) {
                    pt_buf_release(&conn->out);
                }
                return PUMP_EMPTY;
            }
        }
        sent = pt_http_conn_send(conn, conn->out.data + conn->out_sent,
                                 conn->out.size - conn->out_sent);
        if (sent > 0) {
            conn->out_sent += (size_t)sent;
            pt_http_conn_progress(conn, (size_t)sent);
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return PUMP_BLOCKED;
        } else if (sent == 0 || errno != EINTR) {
            pt_http_conn_destroy(conn);
            return PUMP_GONE;
        }
    }
}

/* One read; false: the connection was destroyed. */
static bool receive(struct pt_http_conn *conn)
{
    size_t capacity = 0;
    uint8_t *data = pt_http_pool_take(&conn->loop->pool, READ_BYTES, &capacity);
    ssize_t got = 0;
    int errnum = 0;

    if (!data) {
        pt_http_conn_destroy(conn);
        return false;
    }
    got = pt_http_conn_recv(conn, data, capacity);
    errnum = errno;
    if (got > 0) {
        pt_http_count(&conn->loop->counters.bytes_in, (uint64_t)got);
        /* A short read has emptied a socket, but not a TLS record's buffer. */
        conn->is_readable = conn->tls || (size_t)got == capacity || conn->has_eof;
        if (!conn->closes && !pt_http_h2_receive(conn->h2, data, (size_t)got)) {
            conn->closes = true;
        }
    } else if (got < 0 && (errnum == EAGAIN || errnum == EWOULDBLOCK)) {
        conn->is_readable = false;
    } else if (got == 0 || errnum != EINTR) {
        pt_http_conn_destroy(conn);
    }
    pt_http_pool_give(&conn->loop->pool, data, capacity);
    return conn->state == PT_HTTP_STREAMING;
}

static void arm_timer(struct pt_http_conn *conn, enum pump pump)
{
    if (pump == PUMP_BLOCKED || pt_http_h2_is_answering(conn->h2)) {
        pt_http_loop_timer(conn, PT_HTTP_TIMER_WRITE);
    } else if (pt_http_h2_is_receiving(conn->h2)) {
        pt_http_loop_timer(conn, PT_HTTP_TIMER_BODY);
    } else if (pt_http_h2_handling(conn->h2) || pt_http_h2_is_feeding(conn->h2)) {
        pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
    } else {
        pt_http_loop_timer(conn, PT_HTTP_TIMER_IDLE);
    }
}

void pt_http_conn_h2_run(struct pt_http_conn *conn)
{
    enum pump pump = PUMP_EMPTY;

    if (!conn->closes && !pt_http_h2_check_deadlines(conn->h2)) {
        conn->closes = true;
    }
    for (unsigned steps = 0;; steps++) {
        /* What came before the end of serving is still answered. */
        if (pt_http_is_draining(conn) && !conn->is_readable) {
            pt_http_h2_drain(conn->h2);
        }
        pump = pump_out(conn);
        if (pump == PUMP_GONE) {
            return;
        }
        if (pump == PUMP_EMPTY && (conn->closes || pt_http_h2_is_over(conn->h2))) {
            conn->lingers = true;
            pt_http_conn_end(conn);
            return;
        }
        if (pump == PUMP_BLOCKED && pt_http_is_draining(conn) &&
            pt_http_h2_has_feeds_alone(conn->h2)) {
            pt_http_conn_destroy(conn); /* the peer does not read: what it misses has no end */
            return;
        }
        if (pump == PUMP_BLOCKED || !conn->is_readable) {
            break;
        }
        if (steps == PT_HTTP_STEPS_A_TURN) {
            pt_http_loop_again(conn);
            break;
        }
        if (!receive(conn)) {
            return;
        }
    }
    arm_timer(conn, pump);
}

void pt_http_conn_h2_start(struct pt_http_conn *conn)
{
    conn->state = PT_HTTP_STREAMING;
    conn->h2 = pt_http_h2_create(conn);
    if (!conn->h2) {
        pt_http_conn_destroy(conn);
        return;
    }
    if (conn->end > conn->begin &&
        !pt_http_h2_receive(conn->h2, conn->data + conn->begin, conn->end - conn->begin)) {
        conn->closes = true;
    }
    conn->end = conn->begin;
}

void pt_http_conn_h2_expired(struct pt_http_conn *conn, enum pt_http_timer timer)
{
    if (timer == PT_HTTP_TIMER_BODY) {
        pt_http_conn_h2_run(conn); /* looks at the deadlines */
    } else if (timer == PT_HTTP_TIMER_IDLE) {
        pt_http_h2_drain(conn->h2);
        pt_http_conn_h2_run(conn);
    } else {
        pt_http_conn_destroy(conn);
    }
}
