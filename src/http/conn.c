/*
 * conn.c - one connection: receive, parse, hand over, send, and again
 *
 * A connection is registered edge-triggered with its loop once, and remembers in
 * is_readable whether the socket may hold more. While a request is with a handler
 * nothing is read: what the peer sends meanwhile waits in the kernel, so pipelined
 * bytes are bounded by one receive buffer and the socket's.
 */
#include "http/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Steps of one connection before the others of its loop have their turn. */
#define STEPS_A_TURN 32
/* A body whose size is only announced gets no more memory than that before it arrives. */
#define TRUSTED_BYTES ((size_t)256 * 1024)
/* An answer buffer larger than that is not kept for the next answer. */
#define KEPT_OUT_BYTES 4096
#define SCRAP_BYTES ((size_t)64 * 1024)

static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

static bool is_draining(const struct pt_http_conn *conn)
{
    return atomic_load_explicit(&conn->loop->server->life, memory_order_acquire) >=
           PT_HTTP_DRAINING;
}

static void give_buffer_back(struct pt_http_conn *conn)
{
    pt_http_pool_give(&conn->loop->pool, conn->data, conn->capacity);
    conn->data = NULL;
    conn->capacity = 0;
    conn->begin = 0;
    conn->end = 0;
}

static void close_socket(struct pt_http_conn *conn)
{
    if (conn->fd >= 0) {
        close(conn->fd);
        conn->fd = -1;
    }
}

void pt_http_conn_release(struct pt_http_conn *conn)
{
    close_socket(conn);
    give_buffer_back(conn);
    pt_buf_release(&conn->out);
    pt_http_accept_forget(conn);
}

static void destroy(struct pt_http_conn *conn)
{
    struct pt_http_loop *loop = conn->loop;

    pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
    *(conn->prev ? &conn->prev->next : &loop->all) = conn->next;
    if (conn->next) {
        conn->next->prev = conn->prev;
    }
    pt_http_conn_release(conn);
    conn->state = PT_HTTP_DEAD;
    conn->dead_next = loop->dead;
    loop->dead = conn;
}

/* The last answer is sent. A socket closed over unread bytes resets, and the peer may lose it. */
static void end(struct pt_http_conn *conn)
{
    if (!conn->lingers && !conn->is_readable && conn->end <= conn->begin + conn->parser.at) {
        destroy(conn);
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
    if (conn->out.capacity > KEPT_OUT_BYTES) {
        pt_buf_release(&conn->out);
    } else {
        pt_buf_reset(&conn->out);
    }
    pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE);
    if (conn->closes) {
        end(conn);
        return;
    }
    conn->begin += conn->parser.at;
    conn->wanted_bytes = conn->parser.at;
    conn->is_head_done = false;
    pt_http_parser_init(&conn->parser, conn->loop->server->limits.header_bytes_max);
    conn->state = PT_HTTP_READING;
}

/* Send what is left of the answer. */
static void flush(struct pt_http_conn *conn)
{
    conn->state = PT_HTTP_WRITING;
    while (conn->out_sent < conn->out.size) {
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_sent,
                            conn->out.size - conn->out_sent, MSG_NOSIGNAL);

        if (sent > 0) {
            conn->out_sent += (size_t)sent;
            pt_http_count(&conn->loop->counters.bytes_out, (uint64_t)sent);
            pt_http_loop_timer(conn, PT_HTTP_TIMER_NONE); /* progress: from the start again */
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            pt_http_loop_timer(conn, PT_HTTP_TIMER_WRITE);
            return;
        } else if (sent == 0 || errno != EINTR) {
            destroy(conn);
            return;
        }
    }
    finish(conn);
}

static void send_answer(struct pt_http_conn *conn)
{
    if (conn->out.size > 0) {
        pt_http_count(&conn->loop->counters.responses_by_class[conn->status / 100], 1);
    }
    flush(conn);
}

/* Answer by ourselves and close: the peer's framing is not to be trusted, or not wanted. */
static void refuse(struct pt_http_conn *conn, int status, const char *code, const char *detail)
{
    static const struct pt_http_header_out retry = {"Retry-After", "1"};
    struct pt_span method = {0};

    if (conn->data) {
        method = pt_span_of(conn->data + conn->begin + conn->parser.method.at,
                            conn->parser.method.bytes);
    }
    conn->closes = true;
    conn->lingers = true;
    pt_http_answer_write_error(conn, pt_span_is(method, "HEAD"), status, code, detail, &retry,
                               status == 503 ? 1 : 0);
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
        refuse(conn, 503, "unavailable", "the server is out of memory");
        return;
    }
    room = conn->capacity - PT_HTTP_SPARE_BYTES - conn->end;
    pt_assert(room > 0);
    got = recv(conn->fd, conn->data + conn->end, room, 0);
    if (got > 0) {
        conn->end += (size_t)got;
        pt_http_count(&conn->loop->counters.bytes_in, (uint64_t)got);
        /* A short read has emptied the socket, but for the end of the stream behind it. */
        conn->is_readable = (size_t)got == room || conn->has_eof;
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->is_readable = false;
    } else if (got == 0 || errno != EINTR) {
        destroy(conn); /* nothing whole is left to answer */
    }
}

static void send_continue(struct pt_http_conn *conn)
{
    const size_t bytes = sizeof(continue_text) - 1;
    ssize_t sent = send(conn->fd, continue_text, bytes, MSG_NOSIGNAL);

    if (sent > 0) {
        pt_http_count(&conn->loop->counters.bytes_out, (uint64_t)sent);
    }
    /* EAGAIN: a peer that reads nothing may do without (RFC 9110 10.1.1); half of it is a mess. */
    if (sent != (ssize_t)bytes && (sent >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))) {
        destroy(conn);
    }
}

/* The head is whole: find the route; answers by itself where there is none. */
static void take_head(struct pt_http_conn *conn)
{
    char allow[128];
    struct pt_http_header_out header = {"Allow", allow};
    struct pt_http_request *request = &conn->request;
    const struct pt_http_parser *parser = &conn->parser;
    const uint8_t *data = conn->data + conn->begin;
    int status = 0;

    conn->is_head_done = true;
    conn->closes = !parser->is_kept_alive;
    pt_http_count(&conn->loop->counters.requests, 1);
    request->method = pt_span_of(data + parser->method.at, parser->method.bytes);
    request->path = pt_span_of(data + parser->path.at, parser->path.bytes);
    request->is_head = pt_span_is(request->method, "HEAD");
    conn->route = pt_http_route_find(conn->loop->server, request->method, request->path, &status,
                                     allow, sizeof(allow));
    if (conn->route) {
        return;
    }
    if (pt_http_parser_has_body(parser)) {
        conn->closes = true;
        conn->lingers = true;
    }
    if (status == 404) {
        pt_http_answer_write_error(conn, request->is_head, 404, "not_found",
                                   "there is nothing at this address", NULL, 0);
    } else {
        pt_http_answer_write_error(conn, request->is_head, 405, "method_not_allowed",
                                   "this address does not take that method", &header, 1);
    }
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
    loop->handling = conn;
    conn->route->handler(conn->route->ctx, request);
    if (loop->handling) {
        loop->handling = NULL; /* another thread answers: `conn` may be in the queue already */
    } else {
        send_answer(conn);
    }
}

/* Go on with what was received; false: more bytes are needed. */
static bool advance(struct pt_http_conn *conn)
{
    enum pt_http_progress progress = PT_HTTP_READY;
    size_t size = conn->end - conn->begin;

    if (size == 0) {
        return false;
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
    if (is_draining(conn)) {
        destroy(conn);
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
        destroy(conn);
        return;
    }
    got = recv(conn->fd, scrap, capacity, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->is_readable = false;
    } else if (got == 0 || (got < 0 && errno != EINTR)) {
        destroy(conn);
    }
    pt_http_pool_give(&conn->loop->pool, scrap, capacity);
}

void pt_http_conn_run(struct pt_http_conn *conn)
{
    unsigned steps = 0;

    while (conn->state == PT_HTTP_READING || conn->state == PT_HTTP_LINGERING) {
        if (steps++ == STEPS_A_TURN) {
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
        destroy(conn);
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

void pt_http_conn_event(struct pt_http_conn *conn, uint32_t events)
{
    const uint32_t left = EPOLLHUP | EPOLLERR;

    if (conn->state == PT_HTTP_DEAD) {
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | left)) {
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
    if (conn->state == PT_HTTP_WRITING && (events & (EPOLLOUT | left))) {
        flush(conn);
    }
    pt_http_conn_run(conn);
}

void pt_http_conn_answered(struct pt_http_conn *conn)
{
    pt_assert(conn->state == PT_HTTP_HANDLING);
    if (conn->fd < 0) {
        destroy(conn); /* the peer left meanwhile */
        return;
    }
    send_answer(conn);
    pt_http_conn_run(conn);
}

void pt_http_conn_expired(struct pt_http_conn *conn)
{
    if (conn->state == PT_HTTP_READING && conn->end > conn->begin) {
        refuse(conn, 408, "timeout",
               conn->is_head_done ? "the body took too long" : "the headers took too long");
        pt_http_conn_run(conn);
    } else {
        destroy(conn);
    }
}

void pt_http_conn_drain(struct pt_http_conn *conn)
{
    if (conn->state == PT_HTTP_READING) {
        conn->is_readable = true;
        pt_http_conn_run(conn);
    }
}

void pt_http_conn_cut(struct pt_http_conn *conn)
{
    if (conn->state == PT_HTTP_HANDLING) {
        close_socket(conn);
    } else {
        destroy(conn);
    }
}
