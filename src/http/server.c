/*
 * server.c - open, start, drain, close
 *
 * LIFE. server->life goes from OPEN over DRAINING and CUT to STOP; each loop looks at it
 * once a turn, and is woken after every change. Drain returns early when the
 * last connection has gone and the listening socket is closed.
 */
#include "http/loop.h"
#include "http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define POOL_KEPT_BYTES ((size_t)8 * 1024 * 1024)
/* How long a closed-for-writing connection may still send before it is cut off. */
#define LINGER_MS 5000
/* Drain looks again at least that often. */
#define DRAIN_LOOK_MS 100

void pt_http_limits_default(struct pt_http_limits *limits)
{
    *limits = (struct pt_http_limits){
        .threads = 2,
        .connections_max = 20000,
        .header_bytes_max = 16 * 1024,
        .body_bytes_max = 16 * 1024 * 1024,
        .header_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .idle_timeout_ms = 75000,
        .write_timeout_ms = 30000,
        .memory_bytes_max = (uint64_t)512 * 1024 * 1024,
        .feeds_max = 5000,
        .feed_bytes_max = 16 * 1024,
    };
}

static enum pt_code parse_port(const char *text, in_port_t *port_out)
{
    unsigned long port = 0;

    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || at - text == 5) {
            return PT_INVALID;
        }
        port = port * 10 + (unsigned long)(*at - '0');
    }
    if (!*text || port > 65535) {
        return PT_INVALID;
    }
    *port_out = htons((uint16_t)port);
    return PT_OK;
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static enum pt_code parse_address(const char *address, union pt_http_address *out,
                                  struct pt_error *err)
{
    const char *colon = strrchr(address, ':');
    size_t bytes = colon ? (size_t)(colon - address) : 0;
    bool is_in6 = bytes > 2 && address[0] == '[' && address[bytes - 1] == ']';
    char host[INET6_ADDRSTRLEN + 2];
    in_port_t port = 0;

    *out = (union pt_http_address){0};
    if (colon && bytes < sizeof(host) && parse_port(colon + 1, &port) == PT_OK) {
        memcpy(host, address, bytes);
        host[bytes - (is_in6 ? 1 : 0)] = '\0';
        if (is_in6 && inet_pton(AF_INET6, host + 1, &out->in6.sin6_addr) == 1) {
            out->in6.sin6_family = AF_INET6;
            out->in6.sin6_port = port;
            return PT_OK;
        }
        if (!is_in6 && inet_pton(AF_INET, host, &out->in4.sin_addr) == 1) {
            out->in4.sin_family = AF_INET;
            out->in4.sin_port = port;
            return PT_OK;
        }
    }
    return pt_fail(err, PT_INVALID,
                   "listen on '%s': not an address and port like 127.0.0.1:8080 or [::1]:8080",
                   address);
}

static bool is_loopback(const union pt_http_address *address)
{
    if (address->any.sa_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
    }
    return (ntohl(address->in4.sin_addr.s_addr) >> 24) == 127;
}

/* What was really bound, as a URL. */
static enum pt_code read_url(struct pt_http_listener *listener, struct pt_error *err)
{
    const char *scheme = listener->is_tls ? "https" : "http";
    union pt_http_address address = {0};
    socklen_t bytes = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "";

    if (getsockname(listener->fd, &address.any, &bytes) != 0) {
        return pt_fail_errno(err, errno, "read the address listened on");
    }
    listener->is_loopback = is_loopback(&address);
    if (address.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &address.in6.sin6_addr, host, sizeof(host));
        (void)snprintf(listener->url, sizeof(listener->url), "%s://[%s]:%u", scheme, host,
                       (unsigned)ntohs(address.in6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &address.in4.sin_addr, host, sizeof(host));
        (void)snprintf(listener->url, sizeof(listener->url), "%s://%s:%u", scheme, host,
                       (unsigned)ntohs(address.in4.sin_port));
    }
    return PT_OK;
}

static enum pt_code listen_on(struct pt_http_listener *listener, const char *text,
                              struct pt_error *err)
{
    union pt_http_address address;
    const int on = 1;
    enum pt_code code = parse_address(text, &address, err);
    bool is_in6 = address.any.sa_family == AF_INET6;

    if (code) {
        return code;
    }
    listener->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Accepted sockets inherit TCP_NODELAY: one system call less for each. */
    if (listener->fd < 0 ||
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        bind(listener->fd, &address.any, is_in6 ? sizeof(address.in6) : sizeof(address.in4)) != 0 ||
        listen(listener->fd, BACKLOG) != 0) {
        int errnum = errno;
        return pt_fail(err, PT_IO, "listen on %s: %s", text, strerror(errnum));
    }
    return read_url(listener, err);
}

enum pt_code pt_http_server_listen_admin(struct pt_http_server *server, const char *address,
                                         struct pt_error *err)
{
    pt_assert(!server->is_started && server->listeners[PT_HTTP_ADMIN].fd < 0);
    return listen_on(&server->listeners[PT_HTTP_ADMIN], address, err);
}

enum pt_code pt_http_server_use_tls(struct pt_http_server *server, struct pt_io *io,
                                    const char *certificate_path, const char *key_path,
                                    struct pt_error *err)
{
    pt_assert(!server->is_started && !server->tls);
    return pt_http_tls_open(&server->tls, io, certificate_path, key_path, err);
}

enum pt_code pt_http_server_reload_tls(struct pt_http_server *server, bool *has_changed_out,
                                       struct pt_error *err)
{
    *has_changed_out = false;
    return server->tls ? pt_http_tls_reload(server->tls, has_changed_out, err) : PT_OK;
}

static enum pt_code open_loop(struct pt_http_loop *loop, struct pt_error *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
    const struct pt_http_limits *limits = &loop->server->limits;

    loop->memory_bytes_max = limits->memory_bytes_max / limits->threads;
    loop->timers[PT_HTTP_TIMER_HEADER].length_us = (int64_t)limits->header_timeout_ms * 1000;
    loop->timers[PT_HTTP_TIMER_BODY].length_us = (int64_t)limits->body_timeout_ms * 1000;
    loop->timers[PT_HTTP_TIMER_IDLE].length_us = (int64_t)limits->idle_timeout_ms * 1000;
    loop->timers[PT_HTTP_TIMER_WRITE].length_us = (int64_t)limits->write_timeout_ms * 1000;
    loop->timers[PT_HTTP_TIMER_LINGER].length_us = (int64_t)LINGER_MS * 1000;
    pt_http_pool_init(&loop->pool, POOL_KEPT_BYTES);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0) {
        return pt_fail_errno(err, errno, "open an HTTP loop");
    }
    return PT_OK;
}

enum pt_code pt_http_server_open(struct pt_http_server **server_out, const char *address,
                                 const struct pt_http_limits *limits, struct pt_clock *clock,
                                 struct pt_error *err)
{
    struct pt_http_server *server = NULL;
    enum pt_code code = PT_OK;

    *server_out = NULL;
    if (limits->threads == 0 || limits->connections_max == 0 || limits->header_bytes_max == 0) {
        return pt_fail(err, PT_INVALID,
                       "HTTP limits: threads, connections and header bytes must be above 0");
    }
    server = pt_alloc_zero(sizeof(*server));
    if (!server) {
        return pt_fail(err, PT_NO_MEMORY, "open the HTTP server");
    }
    server->limits = *limits;
    server->clock = clock;
    for (unsigned i = 0; i < PT_HTTP_LISTENERS; i++) {
        server->listeners[i].server = server;
        server->listeners[i].fd = -1;
    }
    server->drain_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->drain_fd < 0) {
        code = pt_fail_errno(err, errno, "open the HTTP server");
        goto out;
    }
    server->loops = pt_alloc_zero(limits->threads * sizeof(*server->loops));
    if (!server->loops) {
        code = pt_fail(err, PT_NO_MEMORY, "open the HTTP server");
        goto out;
    }
    for (uint32_t i = 0; i < limits->threads; i++) {
        server->loops[i].server = server;
        server->loops[i].index = i;
        server->loops[i].epoll_fd = -1;
        server->loops[i].wake_fd = -1;
    }
    for (uint32_t i = 0; i < limits->threads; i++) {
        code = open_loop(&server->loops[i], err);
        if (code) {
            goto out;
        }
    }
    code = listen_on(&server->listeners[PT_HTTP_MAIN], address, err);
    if (code) {
        goto out;
    }
    *server_out = server;
    server = NULL; /* now the caller's */

out:
    pt_http_server_close(server);
    return code;
}

/* Signals are for the program's main thread. */
static enum pt_code start_thread(struct pt_http_loop *loop, struct pt_error *err)
{
    sigset_t all;
    sigset_t before;
    int errnum = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errnum = pthread_create(&loop->thread, NULL, pt_http_loop_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum) {
        return pt_fail_errno(err, errnum, "start an HTTP thread");
    }
    loop->is_running = true;
    return PT_OK;
}

static void set_life(struct pt_http_server *server, enum pt_http_life life)
{
    atomic_store_explicit(&server->life, (int)life, memory_order_release);
    for (uint32_t i = 0; i < server->limits.threads; i++) {
        if (server->loops[i].is_running) {
            pt_http_loop_wake(&server->loops[i]);
        }
    }
}

static void stop_threads(struct pt_http_server *server)
{
    set_life(server, PT_HTTP_STOP);
    for (uint32_t i = 0; i < server->limits.threads; i++) {
        if (server->loops[i].is_running) {
            pthread_join(server->loops[i].thread, NULL);
            server->loops[i].is_running = false;
        }
    }
}

/* TLS and the admin listener are known by now: who is what. */
static enum pt_code settle_listeners(struct pt_http_server *server, struct pt_error *err)
{
    struct pt_http_listener *main_listener = &server->listeners[PT_HTTP_MAIN];
    struct pt_http_listener *admin = &server->listeners[PT_HTTP_ADMIN];

    main_listener->shows_admin = admin->fd < 0 && main_listener->is_loopback;
    admin->shows_admin = true;
    main_listener->is_tls = server->tls != NULL;
    admin->is_tls = server->tls != NULL && !admin->is_loopback;
    for (unsigned i = 0; i < PT_HTTP_LISTENERS; i++) {
        struct pt_http_listener *listener = &server->listeners[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

        if (listener->fd < 0) {
            continue;
        }
        if (epoll_ctl(server->loops[0].epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) != 0) {
            return pt_fail_errno(err, errno, "accept on %s", listener->url);
        }
        if (read_url(listener, err)) {
            return PT_IO;
        }
    }
    return PT_OK;
}

enum pt_code pt_http_server_start(struct pt_http_server *server, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pt_assert(!server->is_started);
    server->is_started = true;
    atomic_store(&server->is_listening, true);
    code = settle_listeners(server, err);
    /* Loop 0 last: once it accepts, the others are there to be given connections. */
    for (uint32_t i = server->limits.threads; i > 0 && !code; i--) {
        code = start_thread(&server->loops[i - 1], err);
    }
    if (code) {
        stop_threads(server);
    }
    return code;
}

const char *pt_http_server_url(const struct pt_http_server *server)
{
    return server->listeners[PT_HTTP_MAIN].url;
}

const char *pt_http_server_admin_url(const struct pt_http_server *server)
{
    const struct pt_http_listener *admin = &server->listeners[PT_HTTP_ADMIN];

    return *admin->url ? admin->url : NULL;
}

static bool has_drained(const struct pt_http_server *server)
{
    return !atomic_load_explicit(&server->is_listening, memory_order_acquire) &&
           atomic_load_explicit(&server->connections, memory_order_acquire) == 0;
}

static bool have_all_cut(const struct pt_http_server *server)
{
    for (uint32_t i = 0; i < server->limits.threads; i++) {
        if (!atomic_load_explicit(&server->loops[i].has_cut, memory_order_acquire)) {
            return false;
        }
    }
    return true;
}

/* Sleep until a loop has news, but no longer than `wait_ms`. */
static void wait_for_news(struct pt_http_server *server, int64_t wait_ms)
{
    struct pollfd poll_fd = {.fd = server->drain_fd, .events = POLLIN};
    eventfd_t count = 0;

    (void)poll(&poll_fd, 1, wait_ms < DRAIN_LOOK_MS ? (int)wait_ms : DRAIN_LOOK_MS);
    (void)eventfd_read(server->drain_fd, &count);
}

void pt_http_server_drain(struct pt_http_server *server, uint32_t drain_ms)
{
    int64_t deadline_us = pt_clock_mono_us(server->clock) + (int64_t)drain_ms * 1000;
    int life = atomic_load_explicit(&server->life, memory_order_acquire);

    if (!server->is_started || life >= PT_HTTP_CUT) {
        return;
    }
    set_life(server, PT_HTTP_DRAINING);
    while (!has_drained(server)) {
        int64_t left_us = deadline_us - pt_clock_mono_us(server->clock);

        if (left_us <= 0) {
            break;
        }
        wait_for_news(server, (left_us + 999) / 1000);
    }
    set_life(server, PT_HTTP_CUT);
    while (!have_all_cut(server)) {
        wait_for_news(server, DRAIN_LOOK_MS);
    }
}

void pt_http_server_close(struct pt_http_server *server)
{
    if (!server) {
        return;
    }
    if (server->loops) {
        stop_threads(server);
        for (uint32_t i = 0; i < server->limits.threads; i++) {
            pt_http_loop_release(&server->loops[i]);
        }
    }
    for (unsigned i = 0; i < PT_HTTP_LISTENERS; i++) {
        if (server->listeners[i].fd >= 0) {
            close(server->listeners[i].fd);
        }
    }
    if (server->drain_fd >= 0) {
        close(server->drain_fd);
    }
    for (size_t i = 0; i < server->route_count; i++) {
        pt_free(server->routes[i].method);
        pt_free(server->routes[i].path);
    }
    pt_http_tls_close(server->tls);
    pt_http_origins_release(server);
    pt_free(server->routes);
    pt_free(server->loops);
    pt_free(server);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void pt_http_server_stats(const struct pt_http_server *server, struct pt_http_stats *stats_out)
{
    *stats_out = (struct pt_http_stats){
        .connections_accepted = read_counter(&server->accepted),
        .connections_open = atomic_load_explicit(&server->connections, memory_order_relaxed),
        .feeds_open = atomic_load_explicit(&server->feeds, memory_order_relaxed),
    };
    for (uint32_t i = 0; i < server->limits.threads; i++) {
        const struct pt_http_counters *counters = &server->loops[i].counters;

        stats_out->requests += read_counter(&counters->requests);
        stats_out->bytes_in += read_counter(&counters->bytes_in);
        stats_out->bytes_out += read_counter(&counters->bytes_out);
        for (unsigned class = 0; class < 6; class ++) {
            stats_out->responses_by_class[class] +=
                read_counter(&counters->responses_by_class[class]);
        }
    }
}
