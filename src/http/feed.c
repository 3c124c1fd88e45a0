/*
 * feed.c - answers that stay open
 *
 * WHO HOLDS A FEED. Its owner, until pt_http_feed_close(); its request, until the peer, the
 * server or the owner ends it; and the loop's queue while it is in there. The last one frees it.
 * The owner's side and the loop's meet under the feed's mutex and nowhere else: what is appended
 * waits in `pending` until the loop takes it. Once `is_gone` is set no thread touches the loop
 * any more, so an owner may keep its feed longer than the server lives. Lock order: an owner's
 * own lock, then the feed's; the loop holds no other lock when it takes one.
 */
#include "http/loop.h"

#define CHUNK_BYTES ((size_t)4096)
/* A buffer larger than that is not kept for the next bytes. */
#define KEPT_BYTES ((size_t)1024)

struct pt_http_feed {
    struct pt_http_loop *loop;
    atomic_uint holders;
    /* The loop's own, but for its first value; NULL once it is gone. */
    struct pt_http_request *request;
    struct pt_http_feed *queue_next; /* the queue's */

    pthread_mutex_t mutex; /* guards all that follows */
    struct pt_buf pending;
    bool is_ended;  /* the owner has nothing more to say */
    bool is_cut;    /* the peer has missed something: no use in going on */
    bool is_gone;   /* nobody sends it any more */
    bool is_queued; /* in the loop's queue */
};

static struct pt_http_feed *create(struct pt_http_request *request)
{
    struct pt_http_feed *feed = pt_alloc_zero(sizeof(*feed));

    if (!feed) {
        return NULL;
    }
    if (pthread_mutex_init(&feed->mutex, NULL)) {
        pt_free(feed);
        return NULL;
    }
    feed->loop = request->conn->loop;
    feed->request = request;
    atomic_init(&feed->holders, 2); /* owner and request */
    pt_buf_init(&feed->pending, feed->loop->server->limits.feed_bytes_max);
    return feed;
}

static void drop(struct pt_http_feed *feed)
{
    if (atomic_fetch_sub_explicit(&feed->holders, 1, memory_order_acq_rel) == 1) {
        pt_buf_release(&feed->pending);
        pthread_mutex_destroy(&feed->mutex);
        pt_free(feed);
    }
}

/* With the mutex held: tell the loop, once, that there is news. */
static void push(struct pt_http_feed *feed)
{
    struct pt_http_loop *loop = feed->loop;
    struct pt_http_feed *head = NULL;

    if (feed->is_gone || feed->is_queued) {
        return;
    }
    feed->is_queued = true;
    atomic_fetch_add_explicit(&feed->holders, 1, memory_order_relaxed);
    head = atomic_load_explicit(&loop->feed_queue, memory_order_relaxed);
    do {
        feed->queue_next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->feed_queue, &head, feed,
                                                    memory_order_release, memory_order_relaxed));
    if (!head) {
        pt_http_loop_wake(loop);
    }
}

/* Room for one more among the server's feeds. */
static bool count_in(struct pt_http_server *server)
{
    if (atomic_fetch_add_explicit(&server->feeds, 1, memory_order_relaxed) <
        server->limits.feeds_max) {
        return true;
    }
    atomic_fetch_sub_explicit(&server->feeds, 1, memory_order_relaxed);
    return false;
}

/* Instead of a feed: why there is none. */
static void refuse(struct pt_http_request *request, const char *why)
{
    static const struct pt_http_header_out retry = {"Retry-After", "1"};

    pt_http_answer_write_error(request, 503, "unavailable", why, &retry, 1);
}

struct pt_http_feed *pt_http_feed_open(struct pt_http_request *request, const char *content_type,
                                       const struct pt_http_header_out *headers,
                                       size_t header_count)
{
    struct pt_http_server *server = request->conn->loop->server;
    struct pt_http_feed *feed = NULL;

    pt_http_answer_claim(request);
    if (request->is_head) {
        request->is_endless = true;
        pt_http_answer_write(request, 200, content_type, (struct pt_span){0}, headers,
                             header_count);
    } else if (pt_http_is_draining(request->conn)) {
        refuse(request, "the server is stopping");
    } else if (!count_in(server)) {
        refuse(request, "the server has as many open streams as it takes");
    } else {
        feed = create(request);
        if (!feed) {
            atomic_fetch_sub_explicit(&server->feeds, 1, memory_order_relaxed);
            refuse(request, "the server is out of memory");
        } else {
            request->is_endless = true;
            request->feed = feed;
            pt_http_answer_write(request, 200, content_type, (struct pt_span){0}, headers,
                                 header_count);
            feed->is_cut = !request->stream && request->conn->out.size == 0; /* no memory */
        }
    }
    pt_http_answer_give(request);
    return feed;
}

bool pt_http_feed_append(struct pt_http_feed *feed, struct pt_span bytes)
{
    bool is_open = false;

    pthread_mutex_lock(&feed->mutex);
    if (!feed->is_gone && !feed->is_cut) {
        pt_assert(!feed->is_ended);
        pt_buf_append(&feed->pending, bytes.data, bytes.size);
        feed->is_cut = feed->pending.has_failed;
        is_open = !feed->is_cut;
        push(feed);
    }
    pthread_mutex_unlock(&feed->mutex);
    return is_open;
}

bool pt_http_feed_is_open(struct pt_http_feed *feed)
{
    bool is_open = false;

    pthread_mutex_lock(&feed->mutex);
    is_open = !feed->is_gone && !feed->is_cut;
    pthread_mutex_unlock(&feed->mutex);
    return is_open;
}

void pt_http_feed_close(struct pt_http_feed *feed)
{
    if (!feed) {
        return;
    }
    pthread_mutex_lock(&feed->mutex);
    feed->is_ended = true;
    push(feed);
    pthread_mutex_unlock(&feed->mutex);
    drop(feed);
}

/* ---- the loop's side ---- */

/* With the mutex held. */
static enum pt_http_feed_news news_of(const struct pt_http_feed *feed)
{
    if (feed->is_cut) {
        return PT_HTTP_FEED_CUT;
    }
    if (feed->pending.size > 0) {
        return PT_HTTP_FEED_BYTES;
    }
    return feed->is_ended ? PT_HTTP_FEED_END : PT_HTTP_FEED_NOTHING;
}

/* With the mutex held: the first `bytes` of what waits. */
static void move_out(struct pt_buf *pending, uint8_t *to, size_t bytes)
{
    memcpy(to, pending->data, bytes);
    pending->size -= bytes;
    memmove(pending->data, pending->data + bytes, pending->size);
    if (pending->size == 0 && pending->capacity > KEPT_BYTES) {
        pt_buf_release(pending);
    }
}

enum pt_http_feed_news pt_http_feed_read(struct pt_http_feed *feed, uint8_t *to, size_t bytes,
                                         size_t *count_out)
{
    enum pt_http_feed_news news = PT_HTTP_FEED_NOTHING;

    *count_out = 0;
    pthread_mutex_lock(&feed->mutex);
    news = news_of(feed);
    if (news == PT_HTTP_FEED_BYTES) {
        *count_out = feed->pending.size < bytes ? feed->pending.size : bytes;
        move_out(&feed->pending, to, *count_out);
    }
    pthread_mutex_unlock(&feed->mutex);
    return news;
}

enum pt_http_feed_news pt_http_feed_take(struct pt_http_feed *feed, struct pt_buf *out)
{
    enum pt_http_feed_news news = PT_HTTP_FEED_NOTHING;
    uint8_t *to = NULL;
    size_t bytes = 0;

    pthread_mutex_lock(&feed->mutex);
    news = news_of(feed);
    if (news == PT_HTTP_FEED_BYTES) {
        bytes = feed->pending.size < CHUNK_BYTES ? feed->pending.size : CHUNK_BYTES;
        to = pt_buf_reserve(out, bytes);
        if (to) {
            move_out(&feed->pending, to, bytes);
            out->size += bytes;
        } else {
            feed->is_cut = true; /* no memory: what cannot be sent is missed */
            news = PT_HTTP_FEED_CUT;
        }
    }
    pthread_mutex_unlock(&feed->mutex);
    return news;
}

bool pt_http_feed_is_cut(struct pt_http_feed *feed)
{
    bool is_cut = false;

    pthread_mutex_lock(&feed->mutex);
    is_cut = feed->is_cut;
    pthread_mutex_unlock(&feed->mutex);
    return is_cut;
}

void pt_http_feed_leave(struct pt_http_request *request)
{
    struct pt_http_feed *feed = request->feed;

    if (!feed) {
        return;
    }
    request->feed = NULL;
    feed->request = NULL;
    atomic_fetch_sub_explicit(&feed->loop->server->feeds, 1, memory_order_relaxed);
    pthread_mutex_lock(&feed->mutex);
    feed->is_gone = true;
    pt_buf_release(&feed->pending);
    pthread_mutex_unlock(&feed->mutex);
    drop(feed);
}

void pt_http_feeds_run(struct pt_http_loop *loop)
{
    struct pt_http_feed *next =
        atomic_exchange_explicit(&loop->feed_queue, NULL, memory_order_acquire);

    while (next) {
        struct pt_http_feed *feed = next;

        next = feed->queue_next;
        /* Before it is looked at: what is appended from now on queues it anew. */
        pthread_mutex_lock(&feed->mutex);
        feed->is_queued = false;
        pthread_mutex_unlock(&feed->mutex);
        if (feed->request) {
            pt_http_conn_fed(feed->request);
        }
        drop(feed);
    }
}

void pt_http_feeds_release(struct pt_http_loop *loop)
{
    struct pt_http_feed *next = atomic_exchange(&loop->feed_queue, NULL);

    while (next) {
        struct pt_http_feed *feed = next;

        next = feed->queue_next;
        drop(feed);
    }
}
