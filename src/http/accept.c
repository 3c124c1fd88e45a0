/*
 * accept.c - new connections, on loop 0
 *
 * One acceptor gives each connection to the loop that has the fewest. Listening
 * sockets of their own (SO_REUSEPORT) would leave the spread to a hash, and a few
 * connections of a load balancer may then all meet on one loop.
 */
#include "http/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
/* Connections over connections_max that are told so with care; further ones just closed. */
#define REFUSALS_MAX 64u
#define LISTEN_PAUSE_US 100000

static const char busy_text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                "Retry-After: 1\r\nConnection: close\r\n\r\n";

static void set_peer(struct pt_http_conn *conn, const union pt_http_address *address)
{
    const struct in6_addr *in6 = &address->in6.sin6_addr;

    if (address->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &address->in4.sin_addr, conn->peer, sizeof(conn->peer));
        conn->is_loopback = (ntohl(address->in4.sin_addr.s_addr) >> 24) == 127;
    } else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6)) {
        (void)inet_ntop(AF_INET, &in6->s6_addr[12], conn->peer, sizeof(conn->peer));
        conn->is_loopback = in6->s6_addr[12] == 127;
    } else if (address->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, in6, conn->peer, sizeof(conn->peer));
        conn->is_loopback = IN6_IS_ADDR_LOOPBACK(in6);
    }
}

/* The loop with the fewest connections; among equals they take turns. */
static struct pt_http_loop *idlest_loop(struct pt_http_server *server)
{
    struct pt_http_loop *best = &server->loops[server->next_loop];
    unsigned best_count = atomic_load_explicit(&best->connections, memory_order_relaxed);

    for (uint32_t i = 1; i < server->limits.threads; i++) {
        struct pt_http_loop *loop =
            &server->loops[(server->next_loop + i) % server->limits.threads];
        unsigned count = atomic_load_explicit(&loop->connections, memory_order_relaxed);

        if (count < best_count) {
            best = loop;
            best_count = count;
        }
    }
    server->next_loop = (best->index + 1) % server->limits.threads;
    return best;
}

static void watch_listeners(struct pt_http_server *server, uint32_t events)
{
    for (unsigned i = 0; i < PT_HTTP_LISTENERS; i++) {
        struct pt_http_listener *listener = &server->listeners[i];
        struct epoll_event event = {.events = events, .data.ptr = listener};

        if (listener->fd >= 0) {
            (void)epoll_ctl(server->loops[0].epoll_fd, EPOLL_CTL_MOD, listener->fd, &event);
        }
    }
}

static void pause_listening(struct pt_http_server *server)
{
    watch_listeners(server, 0);
    server->is_listen_paused = true;
    server->listen_resume_us = pt_clock_mono_us(server->clock) + LISTEN_PAUSE_US;
}

void pt_http_accept_resume(struct pt_http_server *server)
{
    server->is_listen_paused = false;
    watch_listeners(server, EPOLLIN);
}

static void refuse_at_once(int fd, bool is_tls)
{
    if (!is_tls) { /* a handshake only to refuse would cost more than the request */
        (void)send(fd, busy_text, sizeof(busy_text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    (void)shutdown(fd, SHUT_WR);
    close(fd);
}

/* Takes over `fd`. */
static void take_connection(const struct pt_http_listener *listener, int fd,
                            const union pt_http_address *address)
{
    struct pt_http_server *server = listener->server;
    unsigned open = atomic_load_explicit(&server->connections, memory_order_relaxed);
    struct pt_http_conn *conn = NULL;

    pt_http_count(&server->accepted, 1);
    if (open < server->limits.connections_max + (listener->is_tls ? 0 : REFUSALS_MAX)) {
        conn = pt_alloc_zero(sizeof(*conn));
    }
    if (!conn) {
        refuse_at_once(fd, listener->is_tls);
        return;
    }
    conn->fd = fd;
    conn->listener = listener;
    conn->is_fresh = true;
    conn->is_refused = open >= server->limits.connections_max;
    conn->loop = idlest_loop(server);
    conn->state = PT_HTTP_NEW;
    conn->timer = PT_HTTP_TIMER_NONE;
    conn->request.conn = conn;
    pt_buf_init(&conn->out, PT_HTTP_ANSWER_BYTES_MAX);
    pt_http_parser_init(&conn->parser, server->limits.header_bytes_max);
    set_peer(conn, address);
    atomic_fetch_add_explicit(&server->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&conn->loop->connections, 1, memory_order_relaxed);
    if (conn->loop->index == 0) {
        pt_http_conn_start(conn);
    } else {
        pt_http_loop_push(&conn->request);
    }
}

void pt_http_accept(struct pt_http_listener *listener)
{
    for (unsigned i = 0; i < ACCEPTS_A_TURN && listener->fd >= 0; i++) {
        union pt_http_address address = {0};
        socklen_t bytes = sizeof(address);
        int fd = accept4(listener->fd, &address.any, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take_connection(listener, fd, &address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_listening(
                listener->server); /* else the waiting connection would wake us without end */
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one connection failed before it was accepted */
    }
}

void pt_http_accept_stop(struct pt_http_server *server)
{
    for (unsigned i = 0; i < PT_HTTP_LISTENERS; i++) {
        struct pt_http_listener *listener = &server->listeners[i];

        if (listener->fd >= 0) {
            pt_http_accept(listener);
            close(listener->fd);
            listener->fd = -1;
        }
    }
    atomic_store_explicit(&server->is_listening, false, memory_order_release);
    (void)eventfd_write(server->drain_fd, 1);
}

void pt_http_accept_forget(struct pt_http_conn *conn)
{
    struct pt_http_server *server = conn->loop->server;

    atomic_fetch_sub_explicit(&conn->loop->connections, 1, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&server->connections, 1, memory_order_acq_rel) == 1 &&
        atomic_load_explicit(&server->life, memory_order_relaxed) >= PT_HTTP_DRAINING) {
        (void)eventfd_write(server->drain_fd, 1);
    }
}
