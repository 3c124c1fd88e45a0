/*
 * http.h - the HTTP server
 *
 * A few loop threads (epoll); strict HTTP/1.1, one request of a connection at a time
 * (pipelined ones wait), and HTTP/2, up to 100 at a time; both over TLS where there is
 * a certificate. A handler sees no difference. It runs on a loop thread, must
 * not block, and answers now or later: pt_http_respond() may be called from any
 * thread, once a request. Many answers given in a row by another thread cost one
 * wake-up a loop. Memory is bounded by the limits below, a connection's and all together.
 */
#ifndef PT_HTTP_HTTP_H
#define PT_HTTP_HTTP_H

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

struct pt_http_server;
struct pt_http_request;
struct pt_io;

struct pt_http_limits {
    uint32_t threads;           /* loop threads, 1.. */
    uint32_t connections_max;   /* over it, a new connection gets 503 and is closed */
    uint32_t header_bytes_max;  /* request line and headers: 431 */
    uint32_t body_bytes_max;    /* any route's own limit is at most this: 413 */
    uint32_t header_timeout_ms; /* from the first byte of a request to its last header: 408 */
    uint32_t body_timeout_ms;   /* from the headers to the last byte of the body: 408 */
    uint32_t idle_timeout_ms;   /* between requests: closed silently */
    uint32_t write_timeout_ms;  /* less than 4 KiB of progress in sending: closed */
    /* Requests and unsent answers of all connections; over it 503 with Retry-After. */
    uint64_t memory_bytes_max;
    uint32_t feeds_max;      /* answers that stay open; over it 503 with Retry-After */
    uint32_t feed_bytes_max; /* what one of them may have unsent; over it the peer is cut off */
};

void pt_http_limits_default(struct pt_http_limits *limits);

/*
 * Listen on "127.0.0.1:8080", "[::1]:8080", port 0 for a free one; nothing is accepted
 * before pt_http_server_start(). PT_INVALID for an address that does not parse, PT_IO
 * with the address where it cannot be had. `clock` is borrowed.
 */
enum pt_code pt_http_server_open(struct pt_http_server **server_out, const char *address,
                                 const struct pt_http_limits *limits, struct pt_clock *clock,
                                 struct pt_error *err) PT_MUST_USE;

typedef void pt_http_handler(void *ctx, struct pt_http_request *request);

/*
 * Before start. `path` is exact, or ends in "/" and a star for a prefix ("/ofrep/v1/flags/ *"
 * without the space); the longest match wins. A known path with another method is answered 405
 * with Allow, an unknown path 404, both as {"code","detail"}. HEAD is served by GET's route.
 * `body_bytes_max` 0: a body is refused.
 */
enum pt_code pt_http_route(struct pt_http_server *server, const char *method, const char *path,
                           uint32_t body_bytes_max, pt_http_handler *handler, void *ctx,
                           struct pt_error *err) PT_MUST_USE;

/*
 * The same for an admin route: nobody from outside needs it. It is served by the admin listener;
 * where there is none, by the main one if that is on loopback, and is 404 otherwise. No other
 * origin is ever allowed to read it.
 */
enum pt_code pt_http_route_admin(struct pt_http_server *server, const char *method,
                                 const char *path, uint32_t body_bytes_max,
                                 pt_http_handler *handler, void *ctx,
                                 struct pt_error *err) PT_MUST_USE;

/* Before start: a second address, which serves all routes, the admin ones among them. */
enum pt_code pt_http_server_listen_admin(struct pt_http_server *server, const char *address,
                                         struct pt_error *err) PT_MUST_USE;

/*
 * Before start: TLS 1.2 and 1.3 on the main listener (and on the admin listener where that
 * is not on loopback). Both files are PEM, the certificate's with its chain behind it.
 * PT_INVALID names the file and what is wrong with it. `io` is borrowed, the paths are copied.
 */
enum pt_code pt_http_server_use_tls(struct pt_http_server *server, struct pt_io *io,
                                    const char *certificate_path, const char *key_path,
                                    struct pt_error *err) PT_MUST_USE;

struct pt_http_certificate {
    int64_t not_before_us;
    int64_t not_after_us;
};

/* Whether pt_http_server_use_tls() would take the pair, and how long it is valid; for diagnosis. */
enum pt_code pt_http_certificate_check(struct pt_io *io, const char *certificate_path,
                                       const char *key_path,
                                       struct pt_http_certificate *certificate_out,
                                       struct pt_error *err) PT_MUST_USE;

/*
 * To be called every second or so, by one thread: new files are taken for new connections
 * once they have stood still from one call to the next. PT_OK with *has_changed_out false:
 * nothing new. Anything else: the new pair is broken, the old one stays in use; told once
 * a change. Without TLS nothing happens.
 */
enum pt_code pt_http_server_reload_tls(struct pt_http_server *server, bool *has_changed_out,
                                       struct pt_error *err) PT_MUST_USE;

/*
 * Before start: pages of these origins ("https://game.example", or "*" alone for all) may use
 * the public routes from a browser (CORS). PT_INVALID names what is no origin.
 */
enum pt_code pt_http_server_allow_origins(struct pt_http_server *server, const char *const *origins,
                                          size_t count, struct pt_error *err) PT_MUST_USE;

enum pt_code pt_http_server_start(struct pt_http_server *server, struct pt_error *err) PT_MUST_USE;

/* "http://127.0.0.1:39411" or "https://…": what is really listened on; the server's storage. */
const char *pt_http_server_url(const struct pt_http_server *server);
/* The same of the admin listener; NULL where there is none. */
const char *pt_http_server_admin_url(const struct pt_http_server *server);

/*
 * Stop accepting, answer what was read (requests under way are waited for up to `drain_ms`),
 * close connections with "Connection: close" on their last answer, or GOAWAY.
 */
void pt_http_server_drain(struct pt_http_server *server, uint32_t drain_ms);

/*
 * Every request must have been answered (no thread is inside pt_http_respond() any more) or
 * drained away (and nobody answers it afterwards); frees all. NULL is fine.
 */
void pt_http_server_close(struct pt_http_server *server);

/* ---- inside a handler; the request lives until it is answered ---- */

struct pt_span pt_http_method(const struct pt_http_request *request);
/* Without the query; as sent, percent signs and all. */
struct pt_span pt_http_path(const struct pt_http_request *request);
struct pt_span pt_http_path_rest(const struct pt_http_request *request); /* behind a prefix route */
struct pt_span pt_http_query(const struct pt_http_request *request);     /* without '?' */
/*
 * Take the next NAME=VALUE off the front of a query; false where none is left. Both as sent:
 * pt_percent_decode() is for what may be escaped. value_out->data is NULL where there is no '='.
 */
bool pt_http_query_next(struct pt_span *query, struct pt_span *name_out, struct pt_span *value_out);
/* The first NAME=VALUE's value, as sent; its data is NULL where there is none. */
struct pt_span pt_http_query_value(struct pt_span query, const char *name);
/* Value of a header, name in any case; several fields joined are not: the first. Empty: absent. */
struct pt_span pt_http_header(const struct pt_http_request *request, const char *name);
/* The whole body; at least 64 readable bytes follow it (PT_JSON_PADDING). */
struct pt_span pt_http_body(const struct pt_http_request *request);
/* The peer's address as text, "127.0.0.1"; the request's storage. */
const char *pt_http_peer(const struct pt_http_request *request);
bool pt_http_peer_is_loopback(const struct pt_http_request *request);
/* Which loop thread runs the handler, 0..threads-1: an index for per-thread scratch. */
uint32_t pt_http_loop_index(const struct pt_http_request *request);

struct pt_http_header_out {
    const char *name;
    const char *value;
};

/*
 * Answer. `content_type` NULL where there is no body. `headers` may be NULL when
 * `header_count` is 0, and it is at most 16. Everything is copied before it returns; `request` is
 * gone afterwards. Any thread. Cannot fail as far as the caller is concerned: a peer that left is
 * dropped.
 */
void pt_http_respond(struct pt_http_request *request, int status, const char *content_type,
                     struct pt_span body, const struct pt_http_header_out *headers,
                     size_t header_count);

/* {"code":…,"detail":…} as application/json; detail printf's way. */
void pt_http_respond_error(struct pt_http_request *request, int status, const char *code,
                           const char *detail_format, ...) PT_PRINTF(4, 5);

/* ---- answers that stay open ---- */

struct pt_http_feed;

/*
 * Instead of pt_http_respond(): answer 200 without a length, whose body grows as long as it is
 * open. `request` is gone afterwards. In HTTP/1 the connection ends with it. NULL: it was answered
 * otherwise, with 503 where there are limits.feeds_max already, no memory, or the server stops;
 * HEAD gets the head alone. No timeout ends a feed that has nothing to say. It ends when its peer
 * leaves (in HTTP/1 closing its sending side is leaving), takes nothing for write_timeout_ms,
 * or has limits.feed_bytes_max waiting; when the server drains, at once; and by its owner,
 * whoever has the pointer. Any thread. Pair with pt_http_feed_close().
 *
 * A peer that is gone without a word is found out by what is sent to it: the owner should append
 * something now and then, such as a comment of server-sent events.
 */
struct pt_http_feed *pt_http_feed_open(struct pt_http_request *request, const char *content_type,
                                       const struct pt_http_header_out *headers,
                                       size_t header_count) PT_MUST_USE;
/*
 * Send a copy of `bytes` behind what was appended before. False: it has ended, and nothing of it
 * is sent. True promises nothing: the peer may be gone. Any thread; does not block.
 */
bool pt_http_feed_append(struct pt_http_feed *feed, struct pt_span bytes);
/* Whether there is still a peer, as far as is known. Any thread. */
bool pt_http_feed_is_open(struct pt_http_feed *feed);
/*
 * What was appended is sent, then it ends. `feed` is gone afterwards. NULL is fine. Also after the
 * server was closed.
 */
void pt_http_feed_close(struct pt_http_feed *feed);

/* Counters since the server was opened, for /metrics. Any thread. */
struct pt_http_stats {
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t feeds_open;
    uint64_t requests;
    uint64_t responses_by_class[6]; /* [2] counts 2xx … */
    uint64_t bytes_in;
    uint64_t bytes_out;
};
void pt_http_server_stats(const struct pt_http_server *server, struct pt_http_stats *stats_out);

#endif
