/*
 * conn.c - one connection: receive, parse, hand over, send, and again
 *
 * A connection is registered edge-triggered with its loop once, and remembers in
 * is_readable whether the socket may hold more. While a request is with a handler
 * nothing is read: what the peer sends meanwhile waits in the kernel, so pipelined
 * bytes are bounded by one receive buffer and the socket's.
 */
#include "http/h2.h"
#include "http/loop.h"
#include "http/tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A body whose size is only announced gets no more memory than that before it arrives. */
#define TRUSTED_BYTES ((size_t)256 * 1024)
/* An answer buffer larger than that is not kept for the next answer. */
#define KEPT_OUT_BYTES 4096
#define SCRAP_BYTES ((size_t)64 * 1024)

static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void give_buffer_back(struct pt_http_conn *conn)
{
    pt_http_pool_give(&conn->loop->pool, conn->data, conn->capacity);
    pt_http_memory_give(conn->loop, conn->capacity);
    conn->data = NULL;
    conn->capacity = 0;
    conn->begin = 0;
    conn->end = 0;
}

static void close_socket(struct pt_http_conn *conn)
{
    if (conn->fd >= 0) {
        if (conn->tls) {
            pt_tls_conn_finish(conn->tls);
        }
        close(conn->fd);
        conn->fd = -1;
    }
}

/* An unsent answer no longer counts. */
static void uncount_out(struct pt_http_conn *conn)
{
    pt_http_memory_give(conn->loop, conn->out_counted_bytes);
    conn->out_counted_bytes = 0;
}

void pt_http_conn_release(struct pt_http_conn *conn)
{
    close_socket(conn);
    pt_http_feed_leave(&conn->request);
    give_buffer_back(conn);
    uncount_out(conn);
    pt_buf_release(&conn->out);
    pt_tls_conn_release(conn->tls);
    conn->tls = NULL;
    pt_http_h2_release(conn->h2);
    conn->h2 = NULL;
    pt_http_accept_forget(conn);
}

void pt_http_conn_destroy(struct pt_http_conn *conn)
{
    struct pt_http_loop *loop = conn->loop;

    pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
    if (conn->h2 && pt_http_h2_handling(conn->h2) > 0) {
        /* Until the last of its requests is answered. */
        if (conn->fd >= 0) {
            close_socket(conn);
            pt_http_h2_abandon(conn->h2);
        }
        conn->state = PT_HTTP_HANDLING;
        return;
    }
    *(conn->prev ? &conn->prev->next : &loop->all) = conn->next;
    if (conn->next) {
        conn->next->prev = conn->prev;
    }
    pt_http_conn_release(conn);
    conn->state = PT_HTTP_DEAD;
    conn->dead_next = loop->dead;
    loop->dead = conn;
}

ssize_t pt_http_conn_recv(struct pt_http_conn *conn, void *data, size_t bytes)
{
    return conn->tls ? pt_tls_conn_read(conn->tls, data, bytes) : recv(conn->fd, data, bytes, 0);
}

ssize_t pt_http_conn_send(struct pt_http_conn *conn, const void *data, size_t bytes)
{
    return conn->tls ? pt_tls_conn_write(conn->tls, data, bytes)
                     : send(conn->fd, data, bytes, MSG_NOSIGNAL);
}

void pt_http_conn_progress(struct pt_http_conn *conn, size_t bytes)
{
    pt_http_count(&conn->loop->counters.bytes_out, (uint64_t)bytes);
    conn->progress_bytes += bytes;
    if (conn->timer != PT_HTTP_TIMER_WRITE) {
        conn->progress_bytes = 0;
    } else if (conn->progress_bytes >= PT_HTTP_PROGRESS_BYTES) {
        conn->progress_bytes = 0;
        pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE); /* from the start again */
    }
}

/* The last answer is sent. A socket closed over unread bytes resets, and the peer may lose it. */
void pt_http_conn_end(struct pt_http_conn *conn)
{
    if (conn->tls) {
        pt_tls_conn_finish(conn->tls);
    }
    if (!conn->lingers && !conn->is_readable && conn->end <= conn->begin + conn->parser.at) {
        pt_http_conn_destroy(conn);
        return;
    }
    give_buffer_back(conn);
    (void)shutdown(conn->fd, SHUT_WR);
    conn->state = PT_HTTP_LINGERING;
    conn->is_readable = true;
    pt_http_loop_timer(conn, PT_HTTP_TIMER_LINGER);
}

/* The answer is sent: make ready for the next request. */
static void finish(struct pt_http_conn *conn)
{
    conn->out_sent = 0;
    uncount_out(conn);
    conn->request.allow_origin = NULL;
    if (conn->out.capacity > KEPT_OUT_BYTES) {
        pt_buf_release(&conn->out);
    } else {
        pt_buf_reset(&conn->out);
    }
    pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
    if (conn->closes) {
        pt_http_conn_end(conn);
        return;
    }
    conn->begin += conn->parser.at;
    conn->wanted_bytes = conn->parser.at;
    conn->is_head_done = false;
    pt_http_parser_init(&conn->parser, conn->loop->server->limits.header_bytes_max);
    conn->state = PT_HTTP_READING;
}

/*
 * All that was there of a feed is sent. True: there is more. What the peer sends behind its request
 * is not read, and its FIN is its farewell: nobody half-closes a connection to listen on.
 */
static bool refill(struct pt_http_conn *conn)
{
    enum pt_http_feed_news news = PT_HTTP_FEED_END;

    conn->out_sent = 0;
    uncount_out(conn);
    pt_buf_reset(&conn->out);
    if (!conn->has_eof && !pt_http_is_draining(conn)) {
        news = pt_http_feed_take(conn->request.feed, &conn->out);
    }
    switch (news) {
    case PT_HTTP_FEED_BYTES:
        return true;
    case PT_HTTP_FEED_NOTHING:
        give_buffer_back(conn);
        pt_buf_release(&conn->out);
        pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
        conn->state = PT_HTTP_FEEDING;
        break;
    case PT_HTTP_FEED_END:
        pt_http_feed_leave(&conn->request);
        break;
    case PT_HTTP_FEED_CUT:
        pt_http_conn_destroy(conn);
        break;
    }
    return false;
}

/* Send what is there of the answer; false: not all went out, or the connection is gone. */
static bool send_out(struct pt_http_conn *conn)
{
    while (conn->out_sent < conn->out.size) {
        ssize_t sent = pt_http_conn_send(conn, conn->out.data + conn->out_sent,
                                         conn->out.size - conn->out_sent);

        if (sent > 0) {
            conn->out_sent += (size_t)sent;
            pt_http_conn_progress(conn, (size_t)sent);
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!conn->out_counted_bytes) {
                conn->out_counted_bytes = conn->out.capacity;
                conn->loop->memory_bytes += conn->out.capacity; /* it is there: no question */
            }
            pt_http_loop_timer(conn, PT_HTTP_TIMER_WRITE);
            return false;
        } else if (sent == 0 || errno != EINTR) {
            pt_http_conn_destroy(conn);
            return false;
        }
    }
    return true;
}

/* Send what is left of the answer. */
static void flush(struct pt_http_conn *conn)
{
    conn->state = PT_HTTP_WRITING;
    do {
        if (!send_out(conn)) {
            return;
        }
    } while (conn->request.feed && refill(conn));
    if (conn->state == PT_HTTP_WRITING) {
        finish(conn);
    }
}

void pt_http_conn_watch(struct pt_http_conn *conn)
{
    unsigned limit_ms = conn->loop->server->limits.write_timeout_ms;

    /* Else the kernel repeats for a quarter of an hour what nobody acknowledges. */
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms));
}

static void send_answer(struct pt_http_conn *conn)
{
    if (conn->out.size > 0) {
        pt_http_count(&conn->loop->counters.responses_by_class[conn->status / 100], 1);
    }
    if (conn->request.feed) {
        pt_http_conn_watch(conn);
    }
    flush(conn);
}

/* Answer by ourselves and close: the peer's framing is not to be trusted, or not wanted. */
static void refuse(struct pt_http_conn *conn, int status, const char *code, const char *detail)
{
    static const struct pt_http_header_out retry = {"Retry-After", "1"};

    if (conn->data) {
        struct pt_span method = pt_span_of(conn->data + conn->begin + conn->parser.method.at,
                                           conn->parser.method.bytes);

        conn->request.is_head = pt_span_is(method, "HEAD");
    }
    conn->closes = true;
    conn->lingers = true;
    pt_http_answer_write_error(&conn->request, status, code, detail, &retry, status == 503 ? 1 : 0);
    send_answer(conn);
}

static void refuse_parsed(struct pt_http_conn *conn)
{
    refuse(conn, conn->parser.status, conn->parser.code, conn->parser.detail);
}

/* Room for a request of `bytes`, whose first bytes we have; false without memory. */
static bool reserve(struct pt_http_conn *conn, size_t bytes)
{
    size_t size = conn->end - conn->begin;
    size_t bound = conn->capacity * 2 > TRUSTED_BYTES ? conn->capacity * 2 : TRUSTED_BYTES;
    size_t capacity = 0;
    uint8_t *data = NULL;

    bytes += PT_HTTP_SPARE_BYTES;
    if (conn->begin + bytes <= conn->capacity) {
        return true;
    }
    if (bytes <= conn->capacity) {
        memmove(conn->data, conn->data + conn->begin, size);
        conn->begin = 0;
        conn->end = size;
        return true;
    }
    if (conn->end + PT_HTTP_SPARE_BYTES < conn->capacity && conn->begin == 0 && bytes > bound &&
        conn->capacity >= TRUSTED_BYTES) {
        return true; /* what is announced is far off; fill what there is first */
    }
    data = pt_http_pool_take(&conn->loop->pool, bytes < bound ? bytes : bound, &capacity);
    if (!data) {
        return false;
    }
    if (!pt_http_memory_take(conn->loop, capacity)) {
        if (capacity > PT_HTTP_BUFFER_BYTES_MIN) {
            pt_http_pool_give(&conn->loop->pool, data, capacity);
            return false;
        }
        conn->loop->memory_bytes += capacity;
    }
    if (size) {
        memcpy(data, conn->data + conn->begin, size);
    }
    give_buffer_back(conn);
    conn->data = data;
    conn->capacity = capacity;
    conn->end = size;
    return true;
}

/* Bytes of the request at hand, as far as we can know. */
static size_t expected_bytes(const struct pt_http_conn *conn)
{
    size_t size = conn->end - conn->begin;

    if (!conn->data) {
        /* One byte more: a read that does not fill the buffer has emptied the socket. */
        size_t bytes = conn->wanted_bytes + 1;
        return bytes < TRUSTED_BYTES ? bytes : TRUSTED_BYTES;
    }
    if (conn->is_head_done && !conn->parser.is_chunked) {
        return conn->parser.head_bytes + (size_t)conn->parser.content_length;
    }
    /* Unknown: fill the buffer, then double it. */
    return conn->begin + size + PT_HTTP_SPARE_BYTES < conn->capacity ? size + 1 : size * 2;
}

/* One read from the socket. */
static void receive(struct pt_http_conn *conn)
{
    size_t room = 0;
    ssize_t got = 0;

    if (conn->begin == conn->end) {
        conn->begin = 0;
        conn->end = 0;
    }
    if (!reserve(conn, expected_bytes(conn))) {
        refuse(conn, 503, "unavailable", "the server holds as many bytes as it may");
        return;
    }
    room = conn->capacity - PT_HTTP_SPARE_BYTES - conn->end;
    pt_assert(room > 0);
    got = pt_http_conn_recv(conn, conn->data + conn->end, room);
    if (got > 0) {
        conn->end += (size_t)got;
        pt_http_count(&conn->loop->counters.bytes_in, (uint64_t)got);
        /* A short read has emptied a socket, but for the end of the stream behind it. */
        conn->is_readable = conn->tls || (size_t)got == room || conn->has_eof;
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->is_readable = false;
    } else if (got == 0 || errno != EINTR) {
        pt_http_conn_destroy(conn); /* nothing whole is left to answer */
    }
}

static void send_continue(struct pt_http_conn *conn)
{
    const size_t bytes = sizeof(continue_text) - 1;
    ssize_t sent = pt_http_conn_send(conn, continue_text, bytes);

    if (sent > 0) {
        pt_http_count(&conn->loop->counters.bytes_out, (uint64_t)sent);
    }
    /* EAGAIN: a peer that reads nothing may do without (RFC 9110 10.1.1); half of it is a mess. */
    if (sent != (ssize_t)bytes &&
        (sent >= 0 || conn->tls || (errno != EAGAIN && errno != EWOULDBLOCK))) {
        pt_http_conn_destroy(conn);
    }
}

/* The head is whole: find the route; answers by itself where there is none. */
static void take_head(struct pt_http_conn *conn)
{
    struct pt_http_found found;
    struct pt_http_request *request = &conn->request;
    const struct pt_http_parser *parser = &conn->parser;
    const uint8_t *data = conn->data + conn->begin;

    conn->is_head_done = true;
    conn->closes = !parser->is_kept_alive;
    pt_http_count(&conn->loop->counters.requests, 1);
    request->method = pt_span_of(data + parser->method.at, parser->method.bytes);
    request->path = pt_span_of(data + parser->path.at, parser->path.bytes);
    request->is_head = pt_span_is(request->method, "HEAD");
    pt_http_route_find(conn->loop->server, conn->listener->shows_admin, request->method,
                       request->path, &found);
    pt_http_cors_take(request, &found);
    conn->route = found.route;
    if (conn->route) {
        return;
    }
    if (pt_http_parser_has_body(parser)) {
        conn->closes = true;
        conn->lingers = true;
    }
    pt_http_answer_unrouted(request, &found);
    send_answer(conn);
}

/* The request is whole and its bytes stay where they are until it is answered. */
static void hand_over(struct pt_http_conn *conn)
{
    struct pt_http_loop *loop = conn->loop;
    struct pt_http_request *request = &conn->request;
    const struct pt_http_parser *parser = &conn->parser;
    const uint8_t *data = conn->data + conn->begin;
    size_t route_bytes = conn->route->is_prefix ? conn->route->path_bytes : parser->path.bytes;

    request->method = pt_span_of(data + parser->method.at, parser->method.bytes);
    request->path = pt_span_of(data + parser->path.at, parser->path.bytes);
    request->path_rest =
        pt_span_of(request->path.data + route_bytes, request->path.size - route_bytes);
    request->query = pt_span_of(data + parser->query.at, parser->query.bytes);
    request->body = pt_span_of(data + parser->head_bytes, parser->body_bytes);
    atomic_store_explicit(&request->is_answered, false, memory_order_relaxed);
    pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
    conn->state = PT_HTTP_HANDLING;
    loop->handling = request;
    conn->route->handler(conn->route->ctx, request);
    if (loop->handling) {
        loop->handling = NULL; /* another thread answers: `conn` may be in the queue already */
    } else {
        send_answer(conn);
    }
}

/*
 * Whether the first bytes of a plain connection are HTTP/2's preface, as of a client that knows
 * (RFC 9113 3.3). READY: they are. MORE: they may be.
 */
static enum pt_http_progress look_for_preface(const struct pt_http_conn *conn, size_t size)
{
    size_t bytes = size < PT_HTTP_H2_PREFACE_BYTES ? size : PT_HTTP_H2_PREFACE_BYTES;

    if (conn->tls || memcmp(conn->data + conn->begin, PT_HTTP_H2_PREFACE, bytes) != 0) {
        return PT_HTTP_REFUSED;
    }
    return bytes == PT_HTTP_H2_PREFACE_BYTES ? PT_HTTP_READY : PT_HTTP_MORE;
}

/* Go on with what was received; false: more bytes are needed. */
static bool advance(struct pt_http_conn *conn)
{
    enum pt_http_progress progress = PT_HTTP_READY;
    size_t size = conn->end - conn->begin;

    if (size == 0) {
        return false;
    }
    if (conn->is_fresh) {
        progress = look_for_preface(conn, size);
        if (progress == PT_HTTP_MORE) {
            return false;
        }
        conn->is_fresh = false;
        if (progress == PT_HTTP_READY) {
            pt_http_conn_h2_start(conn);
            give_buffer_back(conn);
            return true;
        }
    }
    if (!conn->is_head_done) {
        progress = pt_http_parse_head(&conn->parser, conn->data + conn->begin, size);
        if (progress == PT_HTTP_READY) {
            take_head(conn);
            if (conn->state != PT_HTTP_READING) {
                return true;
            }
            if (!conn->is_head_done) {
                return true; /* no such address: answered, and the next may be here */
            }
        }
    }
    if (progress == PT_HTTP_READY) {
        progress = pt_http_parse_body(&conn->parser, conn->data + conn->begin, &size,
                                      conn->route->body_bytes_max);
        conn->end = conn->begin + size;
    }
    if (progress == PT_HTTP_READY) {
        hand_over(conn);
    } else if (progress == PT_HTTP_REFUSED) {
        refuse_parsed(conn);
    } else if (conn->is_head_done && conn->parser.expects_continue) {
        conn->parser.expects_continue = false;
        if (size == conn->parser.head_bytes) {
            send_continue(conn);
        }
    }
    return progress != PT_HTTP_MORE || conn->state == PT_HTTP_DEAD;
}

/* Nothing to do before the next event: what may it take? */
static void wait_for_bytes(struct pt_http_conn *conn)
{
    if (conn->end > conn->begin) {
        pt_http_loop_timer(conn, conn->is_head_done ? PT_HTTP_TIMER_BODY : PT_HTTP_TIMER_HEADER);
        return;
    }
    if (pt_http_is_draining(conn)) {
        pt_http_conn_destroy(conn);
        return;
    }
    give_buffer_back(conn);
    pt_http_loop_timer(conn, PT_HTTP_TIMER_IDLE);
}

/* Lingering: read and forget, until the peer closes or the timer does. */
static void throw_away(struct pt_http_conn *conn)
{
    size_t capacity = 0;
    uint8_t *scrap = pt_http_pool_take(&conn->loop->pool, SCRAP_BYTES, &capacity);
    ssize_t got = 0;

    if (!scrap) {
        pt_http_conn_destroy(conn);
        return;
    }
    got = recv(conn->fd, scrap, capacity, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->is_readable = false;
    } else if (got == 0 || (got < 0 && errno != EINTR)) {
        pt_http_conn_destroy(conn);
    }
    pt_http_pool_give(&conn->loop->pool, scrap, capacity);
}

/* Go on with the TLS handshake; false: wait, or it is over. */
static bool shake_hands(struct pt_http_conn *conn)
{
    switch (pt_tls_conn_accept(conn->tls)) {
    case PT_TLS_WAIT:
        return false;
    case PT_TLS_FAILED:
        pt_http_conn_destroy(conn);
        return false;
    case PT_TLS_DONE:
        break;
    }
    conn->state = PT_HTTP_READING;
    conn->is_readable = true;
    if (pt_tls_conn_is_h2(conn->tls)) {
        pt_http_conn_h2_start(conn);
    }
    return true;
}

void pt_http_conn_run(struct pt_http_conn *conn)
{
    unsigned steps = 0;

    if (conn->state == PT_HTTP_SHAKING && !shake_hands(conn)) {
        return;
    }
    while (conn->state == PT_HTTP_READING || conn->state == PT_HTTP_LINGERING) {
        if (steps++ == PT_HTTP_STEPS_A_TURN) {
            pt_http_loop_again(conn);
            return;
        }
        if (conn->state == PT_HTTP_LINGERING) {
            if (!conn->is_readable) {
                return;
            }
            throw_away(conn);
        } else if (!advance(conn)) {
            if (!conn->is_readable) {
                wait_for_bytes(conn);
                return;
            }
            receive(conn);
        }
    }
    if (conn->state == PT_HTTP_STREAMING) {
        pt_http_conn_h2_run(conn);
    }
}

void pt_http_conn_start(struct pt_http_conn *conn)
{
    struct pt_http_loop *loop = conn->loop;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = conn};

    conn->state = PT_HTTP_READING;
    conn->prev = NULL;
    conn->next = loop->all;
    if (loop->all) {
        loop->all->prev = conn;
    }
    loop->all = conn;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        pt_http_conn_destroy(conn);
        return;
    }
    if (conn->listener->is_tls) {
        conn->tls = pt_tls_conn_create(loop->server->tls, conn->fd);
        if (!conn->tls) {
            pt_http_conn_destroy(conn);
            return;
        }
        conn->state = PT_HTTP_SHAKING;
        pt_http_loop_timer(conn, PT_HTTP_TIMER_HEADER);
        return;
    }
    if (conn->is_refused) {
        refuse(conn, 503, "unavailable", "the server has as many connections as it takes");
        return;
    }
    /* The registration tells at once what has come already. */
    pt_http_loop_timer(conn, PT_HTTP_TIMER_IDLE);
    if (loop->has_drained) {
        pt_http_conn_drain(conn); /* accepted last, and late here */
    }
}

/* HTTP/1: its answer is one that stays open. */
static bool has_feed(const struct pt_http_conn *conn)
{
    return (conn->state == PT_HTTP_FEEDING || conn->state == PT_HTTP_WRITING) && conn->request.feed;
}

void pt_http_conn_event(struct pt_http_conn *conn, uint32_t events)
{
    const uint32_t left = EPOLLHUP | EPOLLERR;

    if (conn->state == PT_HTTP_DEAD) {
        return;
    }
    /* TLS may have to send before it can receive, and the reverse. */
    if (conn->tls || events & (EPOLLIN | EPOLLRDHUP | left)) {
        conn->is_readable = true;
    }
    if (events & (EPOLLRDHUP | left)) {
        conn->has_eof = true;
    }
    if (conn->state == PT_HTTP_HANDLING) {
        /* RDHUP alone is half a close: such a peer may still want its answer. */
        if (events & left) {
            close_socket(conn);
        }
        return;
    }
    if (has_feed(conn) && conn->has_eof) {
        pt_http_conn_destroy(conn);
        return;
    }
    if (conn->state == PT_HTTP_WRITING && (conn->tls || events & (EPOLLOUT | left))) {
        flush(conn);
    }
    pt_http_conn_run(conn);
}

static void h2_answered(struct pt_http_conn *conn, struct pt_http_stream *stream)
{
    pt_http_h2_answered(conn->h2, stream);
    if (conn->state == PT_HTTP_STREAMING) {
        pt_http_conn_h2_run(conn);
    } else if (conn->state == PT_HTTP_HANDLING && pt_http_h2_handling(conn->h2) == 0) {
        pt_http_conn_destroy(conn); /* the peer had left, and that was the last */
    }
}

void pt_http_conn_answered(struct pt_http_request *request)
{
    struct pt_http_conn *conn = request->conn;

    if (request->stream) {
        h2_answered(conn, request->stream);
        return;
    }
    pt_assert(conn->state == PT_HTTP_HANDLING);
    if (conn->fd < 0) {
        pt_http_conn_destroy(conn); /* the peer left meanwhile */
        return;
    }
    send_answer(conn);
    pt_http_conn_run(conn);
}

void pt_http_conn_fed(struct pt_http_request *request)
{
    struct pt_http_conn *conn = request->conn;

    if (request->stream) {
        if (conn->state == PT_HTTP_STREAMING) {
            pt_http_h2_fed(conn->h2, request->stream);
            pt_http_conn_h2_run(conn);
        }
    } else if (conn->state == PT_HTTP_FEEDING) {
        flush(conn);
        pt_http_conn_run(conn);
    } else if (has_feed(conn) && pt_http_feed_is_cut(request->feed)) {
        pt_http_conn_destroy(conn); /* it does not read, and has missed something */
    }
}

void pt_http_conn_expired(struct pt_http_conn *conn, enum pt_http_timer timer)
{
    if (conn->state == PT_HTTP_STREAMING) {
        pt_http_conn_h2_expired(conn, timer);
    } else if (conn->state == PT_HTTP_READING && conn->end > conn->begin) {
        refuse(conn, 408, "timeout",
               conn->is_head_done ? "the body took too long" : "the headers took too long");
        pt_http_conn_run(conn);
    } else {
        pt_http_conn_destroy(conn);
    }
}

void pt_http_conn_drain(struct pt_http_conn *conn)
{
    if (conn->state == PT_HTTP_READING || conn->state == PT_HTTP_STREAMING) {
        conn->is_readable = true;
        pt_http_conn_run(conn);
    } else if (conn->state == PT_HTTP_FEEDING) {
        flush(conn); /* ends it */
        pt_http_conn_run(conn);
    } else if (has_feed(conn)) {
        pt_http_conn_destroy(conn); /* the peer does not read */
    }
}

void pt_http_conn_cut(struct pt_http_conn *conn)
{
    if (conn->state == PT_HTTP_HANDLING) {
        close_socket(conn);
    } else {
        pt_http_conn_destroy(conn);
    }
}
