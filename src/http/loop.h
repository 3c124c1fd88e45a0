/*
 * loop.h - the inside of the HTTP server: loops, connections, requests
 *
 * Only src/http includes this. A loop is one thread with its epoll set; a connection
 * belongs to one loop from its first event to its last. Three things come to a loop
 * from other threads: through its queue connections that loop 0 has accepted for it (by their
 * own request), and requests that were answered elsewhere; through a second queue feeds, answers
 * that stay open, which have news (feed.c).
 *
 * WHO TOUCHES WHAT. All of a connection is its loop's, but while a request is with a
 * handler it and its answer are the handler's, and whoever it handed the request to; the
 * queue hands them back. In HTTP/1 (PT_HTTP_HANDLING) that is conn->request, `out`, `status`
 * and `closes`, and the receive buffer does not move meanwhile; in HTTP/2 it is the
 * stream's request and answer. Counters have one writer, their loop, and any reader.
 *
 * MEMORY. Each loop may hold an equal part of limits.memory_bytes_max in receive buffers,
 * HTTP/2 streams and answers that their peers do not take; connections are spread evenly, and no
 * thread has to ask another. The smallest buffer is counted, but never refused, so that
 * every connection can still be told 503.
 */
#ifndef PT_HTTP_LOOP_H
#define PT_HTTP_LOOP_H

#include "http/http.h"
#include "http/parser.h"
#include "http/pool.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

/* Readable bytes behind a body: what the JSON parser wants. */
#define PT_HTTP_SPARE_BYTES 64u
/* An answer, head and body. */
#define PT_HTTP_ANSWER_BYTES_MAX ((size_t)1 << 30)

#define PT_HTTP_ANSWER_HEADERS_MAX 16u
/* A peer that takes less than that in write_timeout_ms makes no progress. */
#define PT_HTTP_PROGRESS_BYTES 4096u
/* Steps of one connection before the others of its loop have their turn. */
#define PT_HTTP_STEPS_A_TURN 32u

struct pt_http_conn;
struct pt_http_feed;
struct pt_http_h2;
struct pt_http_loop;
struct pt_http_stream;
struct pt_http_tls;
struct pt_tls_conn;

union pt_http_address {
    struct sockaddr_in6 in6; /* first, and the largest: {0} clears all */
    struct sockaddr_in in4;
    struct sockaddr any;
};

struct pt_http_route {
    char *method;
    char *path; /* of a prefix: with the last '/', without the star */
    size_t path_bytes;
    bool is_prefix;
    bool is_admin;
    uint32_t body_bytes_max;
    pt_http_handler *handler;
    void *ctx;
};

/* What the routes say about a method and a path. */
struct pt_http_found {
    const struct pt_http_route *route; /* NULL: `status` says why */
    int status;                        /* 404 or 405 */
    bool is_admin;                     /* the path's, where it is known */
    char allow[128];                   /* with 405: the methods */
};

struct pt_http_request {
    struct pt_http_conn *conn;
    struct pt_http_stream *stream;      /* HTTP/2; NULL: HTTP/1, the connection's own */
    struct pt_http_request *queue_next; /* in the loop's queue */
    const char *allow_origin;           /* CORS: whose page may read the answer; NULL: none */
    struct pt_http_feed *feed;          /* the answer stays open; NULL: it does not, or no more */
    struct pt_span method;
    struct pt_span path;
    struct pt_span path_rest;
    struct pt_span query;
    struct pt_span body;
    bool is_head;
    bool is_endless; /* the answer has no length: a feed's, or HEAD's of one */
    atomic_bool is_answered;
};

enum pt_http_conn_state {
    PT_HTTP_NEW,       /* accepted, not yet with its loop */
    PT_HTTP_SHAKING,   /* the TLS handshake is under way */
    PT_HTTP_READING,   /* between requests, or a request is coming in */
    PT_HTTP_HANDLING,  /* with a handler; or HTTP/2, gone, and some are with a handler */
    PT_HTTP_STREAMING, /* HTTP/2: all of it at the same time */
    PT_HTTP_WRITING,   /* the peer takes the answer slowly */
    PT_HTTP_FEEDING,   /* HTTP/1: the answer stays open, and all there is of it is sent */
    PT_HTTP_LINGERING, /* answered and shut down; what still comes in is thrown away */
    PT_HTTP_DEAD,      /* to be freed at the end of the loop's turn */
};

/*
 * A connection waits for at most one of these. Each has one fixed length, so a list in
 * order of arming is in order of expiry.
 */
enum pt_http_timer {
    PT_HTTP_TIMER_HEADER,
    PT_HTTP_TIMER_BODY,
    PT_HTTP_TIMER_IDLE,
    PT_HTTP_TIMER_WRITE,
    PT_HTTP_TIMER_LINGER,
    PT_HTTP_TIMERS,
    PT_HTTP_TIMER_NONE = PT_HTTP_TIMERS,
};

struct pt_http_conn {
    struct pt_http_request request;
    struct pt_http_loop *loop;
    const struct pt_http_listener *listener;
    struct pt_tls_conn *tls;   /* NULL: plain */
    struct pt_http_h2 *h2;     /* NULL: HTTP/1 */
    struct pt_http_conn *prev; /* all connections of the loop */
    struct pt_http_conn *next;
    struct pt_http_conn *timer_prev;
    struct pt_http_conn *timer_next;
    struct pt_http_conn *again_next;
    struct pt_http_conn *dead_next;
    int64_t deadline_us;
    int fd; /* -1: the peer left while a request was with a handler */
    enum pt_http_conn_state state;
    enum pt_http_timer timer;
    bool is_readable; /* the socket may hold bytes that we have not read */
    bool has_eof;     /* the peer has said that it sends no more */
    bool is_again;    /* on the loop's list of those that used up their turn */
    bool is_head_done;
    bool is_fresh;   /* nothing was parsed yet: HTTP/2's preface may come */
    bool is_refused; /* over connections_max: 503 at once */
    bool closes;     /* no request after this one */
    bool lingers;    /* bytes may be unread when it closes: not with a reset */
    int status;      /* of the answer in `out` */

    /* Received: the request's first byte is at data + begin; bytes up to data + end. */
    uint8_t *data;
    size_t capacity;
    size_t begin;
    size_t end;
    size_t wanted_bytes; /* size of the last request: the next buffer's size */

    /* To send: what `out` holds from out_sent on. */
    struct pt_buf out;
    size_t out_sent;
    size_t out_counted_bytes; /* of the loop's memory, once the peer proved slow */
    size_t progress_bytes;    /* sent since the write timer was armed */

    const struct pt_http_route *route;
    bool is_loopback;
    char peer[INET6_ADDRSTRLEN];
    struct pt_http_parser parser; /* last: its field table is large and mostly cold */
};

struct pt_http_timer_list {
    struct pt_http_conn *first;
    struct pt_http_conn *last;
    int64_t length_us;
};

struct pt_http_counters {
    _Atomic uint64_t requests;
    _Atomic uint64_t responses_by_class[6];
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
};

struct pt_http_loop {
    struct pt_http_server *server;
    uint32_t index;
    pthread_t thread;
    bool is_running;
    int epoll_fd;
    int wake_fd; /* eventfd, edge-triggered, never read */

    /*
     * Pushed by any thread, newest first; the loop takes it whole. Who finds it empty
     * writes wake_fd, so a group of answers costs one wake-up.
     */
    _Atomic(struct pt_http_request *) queue;
    _Atomic(struct pt_http_feed *) feed_queue; /* in the same way */
    atomic_uint connections; /* those given to this loop; loop 0 picks the least */
    atomic_bool has_cut;     /* has seen PT_HTTP_CUT and closed what it has */

    /* The loop thread's own. */
    int64_t now_us; /* when this turn began */
    struct pt_http_conn *all;
    struct pt_http_conn *again;
    struct pt_http_conn *dead;
    struct pt_http_timer_list timers[PT_HTTP_TIMERS];
    struct pt_http_request *handling; /* whose handler runs now; NULL once it has answered */
    bool has_drained;                 /* has seen PT_HTTP_DRAINING */
    uint64_t memory_bytes;
    uint64_t memory_bytes_max;
    struct pt_http_pool pool;
    struct pt_http_counters counters;
};

enum pt_http_life {
    PT_HTTP_OPEN,
    PT_HTTP_DRAINING, /* no new connections; a connection's next answer is its last */
    PT_HTTP_CUT,      /* close what is left, but for requests with a handler */
    PT_HTTP_STOP,     /* the threads end */
};

struct pt_http_listener {
    struct pt_http_server *server;
    int fd; /* loop 0's after start; -1 where there is none, and once drained */
    bool is_tls;
    bool is_loopback;
    bool shows_admin;
    char url[INET6_ADDRSTRLEN + 32];
};

enum pt_http_listener_index {
    PT_HTTP_MAIN,
    PT_HTTP_ADMIN,
    PT_HTTP_LISTENERS,
};

struct pt_http_server {
    struct pt_http_limits limits;
    struct pt_clock *clock; /* borrowed */
    struct pt_http_listener listeners[PT_HTTP_LISTENERS];
    struct pt_http_tls *tls; /* NULL: none */
    char **origins;          /* CORS; none: off */
    size_t origin_count;
    int drain_fd; /* eventfd: the last connection has gone, or a loop has cut */
    bool is_started;
    bool is_listen_paused;    /* loop 0's: out of descriptors */
    int64_t listen_resume_us; /* loop 0's */
    uint32_t next_loop;       /* loop 0's: where the search for the idlest starts */
    atomic_int life;          /* enum pt_http_life, only ever upwards */
    atomic_uint connections;
    atomic_uint feeds;
    atomic_bool is_listening;
    _Atomic uint64_t accepted;
    struct pt_http_loop *loops;
    struct pt_http_route *routes;
    size_t route_count;
};

/* ---- loop.c ---- */

/* The pthread function; `arg` is a struct pt_http_loop. */
void *pt_http_loop_main(void *arg);
void pt_http_loop_wake(struct pt_http_loop *loop);
/* After its thread has ended, or before it began: closes and frees its connections. */
void pt_http_loop_release(struct pt_http_loop *loop);
/* Put a request, or a new connection by its request, into its loop's queue. Any thread. */
void pt_http_loop_push(struct pt_http_request *request);
/*
 * Whether the calling thread is inside that request's handler; the answer is then
 * sent by the handler's caller, without the queue. True once.
 */
bool pt_http_loop_take_inside(struct pt_http_request *request);
/* Arm a timer from now on; nothing where it is armed already. NONE disarms. */
void pt_http_loop_timer(struct pt_http_conn *conn, enum pt_http_timer timer);
/* Come back to that connection in the next turn. */
void pt_http_loop_again(struct pt_http_conn *conn);

/* One writer a counter, so no locked instruction. */
static inline void pt_http_count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* False: it would be over the loop's part; nothing is counted. */
static inline bool pt_http_memory_take(struct pt_http_loop *loop, size_t bytes)
{
    if (loop->memory_bytes + bytes > loop->memory_bytes_max) {
        return false;
    }
    loop->memory_bytes += bytes;
    return true;
}

static inline void pt_http_memory_give(struct pt_http_loop *loop, size_t bytes)
{
    pt_assert(loop->memory_bytes >= bytes);
    loop->memory_bytes -= bytes;
}

static inline bool pt_http_is_draining(const struct pt_http_conn *conn)
{
    return atomic_load_explicit(&conn->loop->server->life, memory_order_acquire) >=
           PT_HTTP_DRAINING;
}

/* ---- conn.c, on the connection's loop ---- */

void pt_http_conn_start(struct pt_http_conn *conn);
void pt_http_conn_event(struct pt_http_conn *conn, uint32_t events);
/* Go on as far as the received bytes reach. */
void pt_http_conn_run(struct pt_http_conn *conn);
/* Another thread has answered: send it. */
void pt_http_conn_answered(struct pt_http_request *request);
/* That request's feed has news. */
void pt_http_conn_fed(struct pt_http_request *request);
void pt_http_conn_expired(struct pt_http_conn *conn, enum pt_http_timer timer);
/* Draining: between requests, look once more for one, then close. */
void pt_http_conn_drain(struct pt_http_conn *conn);
/* Close now; a request with a handler stays until it is answered. */
void pt_http_conn_cut(struct pt_http_conn *conn);
/* Release what it holds and the descriptor; the memory itself is the loop's to free. */
void pt_http_conn_release(struct pt_http_conn *conn);

/* For conn_h2.c. End it now; with requests at their handlers only the socket closes. */
void pt_http_conn_destroy(struct pt_http_conn *conn);
/* All is sent: shut down, so that the peer gets it. */
void pt_http_conn_end(struct pt_http_conn *conn);
/* recv() and send(), through TLS where there is one: 0 is the end, EAGAIN as usual. */
ssize_t pt_http_conn_recv(struct pt_http_conn *conn, void *data, size_t bytes);
ssize_t pt_http_conn_send(struct pt_http_conn *conn, const void *data, size_t bytes);
/* It carries a feed: a peer that has vanished without a word is to be noticed. */
void pt_http_conn_watch(struct pt_http_conn *conn);
/* So much was sent: a full step of progress starts the write timer anew. */
void pt_http_conn_progress(struct pt_http_conn *conn, size_t bytes);

/* ---- feed.c, on the feed's loop ---- */

enum pt_http_feed_news {
    PT_HTTP_FEED_BYTES,   /* some bytes were taken */
    PT_HTTP_FEED_NOTHING, /* there are none now */
    PT_HTTP_FEED_END,     /* there will be none */
    PT_HTTP_FEED_CUT,     /* the peer has missed some: it is cut off */
};

/* Take up to `bytes`; appended to `out` as many as suit. */
enum pt_http_feed_news pt_http_feed_read(struct pt_http_feed *feed, uint8_t *to, size_t bytes,
                                         size_t *count_out);
enum pt_http_feed_news pt_http_feed_take(struct pt_http_feed *feed, struct pt_buf *out);
bool pt_http_feed_is_cut(struct pt_http_feed *feed);
/* Nobody sends it any more: its owner is told so. Nothing where the request has none. */
void pt_http_feed_leave(struct pt_http_request *request);
/* What has news. */
void pt_http_feeds_run(struct pt_http_loop *loop);
/* After the loop's connections were released. */
void pt_http_feeds_release(struct pt_http_loop *loop);

/* ---- conn_h2.c, on the connection's loop ---- */

/* It speaks HTTP/2 from its first byte on; what was received is handed over. */
void pt_http_conn_h2_start(struct pt_http_conn *conn);
void pt_http_conn_h2_run(struct pt_http_conn *conn);
void pt_http_conn_h2_expired(struct pt_http_conn *conn, enum pt_http_timer timer);

/* ---- accept.c, on loop 0 ---- */

/* Accept what waits and give it to the loops. */
void pt_http_accept(struct pt_http_listener *listener);
void pt_http_accept_stop(struct pt_http_server *server);
/* After PT_HTTP_LISTEN_PAUSE_US, listen again. */
void pt_http_accept_resume(struct pt_http_server *server);
/* The connection is gone; the counts go down. */
void pt_http_accept_forget(struct pt_http_conn *conn);

/* ---- route.c ---- */

/* Admin routes are found where the listener shows them. */
void pt_http_route_find(const struct pt_http_server *server, bool shows_admin,
                        struct pt_span method, struct pt_span path, struct pt_http_found *found);

/* ---- cors.c ---- */

#define PT_HTTP_CORS_FIELDS_MAX 3u

/* Look at the request's Origin: sets request->allow_origin. The head must be readable. */
void pt_http_cors_take(struct pt_http_request *request, const struct pt_http_found *found);
/* What every answer to that request carries besides; returns how many. */
size_t pt_http_cors_fields(const struct pt_http_request *request,
                           struct pt_http_header_out fields[PT_HTTP_CORS_FIELDS_MAX]);
void pt_http_origins_release(struct pt_http_server *server);

/* ---- respond.c ---- */

/*
 * Write an answer into the connection's buffer, or the stream's; in HTTP/1, conn->closes, which
 * draining sets too, gives its Connection field. Without memory `out` stays empty and
 * conn->closes is set.
 */
void pt_http_answer_write(struct pt_http_request *request, int status, const char *content_type,
                          struct pt_span body, const struct pt_http_header_out *headers,
                          size_t header_count);
void pt_http_answer_write_error(struct pt_http_request *request, int status, const char *code,
                                const char *detail, const struct pt_http_header_out *headers,
                                size_t header_count);
/* Before it is written: the request is answered once. */
void pt_http_answer_claim(struct pt_http_request *request);
/* After it was written: to its sender, whoever that is. */
void pt_http_answer_give(struct pt_http_request *request);
/* No route: 404, 405, or the answer to a browser's preflight. */
void pt_http_answer_unrouted(struct pt_http_request *request, const struct pt_http_found *found);
/* "Sun, 06 Nov 1994 08:49:37 GMT", made once a second and thread. */
const char *pt_http_date(struct pt_clock *clock);

#endif
