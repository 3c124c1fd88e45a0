/*
 * test_http_feed.c - answers that stay open, in HTTP/1 and HTTP/2
 *
 * Promise: what is appended by any thread arrives whole and in order; a peer that leaves, one that
 * does not read, the owner and the drain end a feed, and nothing else does; a feed may outlive its
 * server. Method: clients over real sockets, plain bytes for HTTP/1 and nghttp2's client for
 * HTTP/2; every case runs in both.
 */
#include "check.h"

#include "feed_peer.h"
#include "http/http.h"

#include <pthread.h>
#include <stdatomic.h>

#define FEEDS_MAX 256u
#define HOUR_US INT64_C(3600000000)

/* The system's clock, and what a test lets pass at once. */
static _Atomic int64_t skipped_us;

static int64_t wall_us(void *ctx)
{
    (void)ctx;
    return pt_clock_wall_us(pt_clock_system());
}

static int64_t mono_us(void *ctx)
{
    (void)ctx;
    return pt_clock_mono_us(pt_clock_system()) + atomic_load(&skipped_us);
}

static struct pt_clock test_clock = {.wall_us = wall_us, .mono_us = mono_us};

/* ---- the server under test ---- */

struct fixture {
    struct pt_http_server *server;
    struct pt_http_limits limits;
    uint16_t port;
    pthread_mutex_t mutex; /* guards all below */
    struct pt_http_feed *feeds[FEEDS_MAX];
    size_t feed_count;
    struct pt_http_request *boxed;
};

static struct pt_http_feed *open_feed(struct pt_http_request *request)
{
    static const struct pt_http_header_out header = {"X-Test", "yes"};

    return pt_http_feed_open(request, "text/event-stream", &header, 1);
}

static void feed(void *ctx, struct pt_http_request *request)
{
    struct fixture *f = ctx;
    struct pt_http_feed *opened = NULL;

    pthread_mutex_lock(&f->mutex);
    opened = open_feed(request);
    if (opened) {
        pt_assert(f->feed_count < FEEDS_MAX);
        f->feeds[f->feed_count++] = opened;
        (void)pt_http_feed_append(opened, pt_span_str("hello\n"));
    }
    pthread_mutex_unlock(&f->mutex);
}

static void later(void *ctx, struct pt_http_request *request)
{
    struct fixture *f = ctx;

    pthread_mutex_lock(&f->mutex);
    f->boxed = request;
    pthread_mutex_unlock(&f->mutex);
}

static void once(void *ctx, struct pt_http_request *request)
{
    (void)ctx;
    pt_http_respond(request, 200, "text/plain", pt_span_str("once"), NULL, 0);
}

static struct fixture *fixture_create(void)
{
    struct fixture *f = pt_alloc_zero(sizeof(*f));

    assert_non_null(f);
    pt_http_limits_default(&f->limits);
    pthread_mutex_init(&f->mutex, NULL);
    return f;
}

static void fixture_start(struct fixture *f)
{
    struct pt_error err;

    PT_CHECK_OK(pt_http_server_open(&f->server, "127.0.0.1:0", &f->limits, &test_clock, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/feed", 0, feed, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/later", 0, later, f, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/once", 0, once, f, &err), err);
    PT_CHECK_OK(pt_http_server_start(f->server, &err), err);
    f->port = pt_test_port(pt_http_server_url(f->server));
}

static struct fixture *fixture_open(void)
{
    struct fixture *f = fixture_create();

    fixture_start(f);
    return f;
}

/* The owner's side of all feeds. */
static void close_feeds(struct fixture *f)
{
    pthread_mutex_lock(&f->mutex);
    while (f->feed_count > 0) {
        pt_http_feed_close(f->feeds[--f->feed_count]);
    }
    pthread_mutex_unlock(&f->mutex);
}

static void fixture_destroy(struct fixture *f)
{
    pt_http_server_close(f->server);
    close_feeds(f);
    pthread_mutex_destroy(&f->mutex);
    pt_free(f);
}

/* The feed that was opened as the i-th; the owner's, as long as it is not closed. */
static struct pt_http_feed *feed_at(struct fixture *f, size_t i)
{
    struct pt_http_feed *opened = NULL;

    pthread_mutex_lock(&f->mutex); /* its handler holds it until the feed is here */
    opened = i < f->feed_count ? f->feeds[i] : NULL;
    pthread_mutex_unlock(&f->mutex);
    assert_non_null(opened);
    return opened;
}

/* The server counts so many open feeds and connections; UINT64_MAX: any number. */
static void wait_for(const struct fixture *f, uint64_t feeds, uint64_t connections)
{
    struct pt_http_stats stats = {0};

    for (int i = 0; i < 20000; i++) {
        pt_http_server_stats(f->server, &stats);
        if (stats.feeds_open == feeds &&
            (connections == UINT64_MAX || stats.connections_open == connections)) {
            return;
        }
        pt_test_sleep_ms(1);
    }
    fail_msg("%d feeds and %d connections are open", (int)stats.feeds_open,
             (int)stats.connections_open);
}

/* ---- the tests ---- */

struct producer {
    struct fixture *f;
    char name;
    size_t count; /* of feeds */
};

#define WORDS 40

static void *produce(void *arg)
{
    const struct producer *producer = arg;

    for (unsigned i = 0; i < WORDS; i++) {
        char word[16];
        int bytes = snprintf(word, sizeof(word), "%c%u\n", producer->name, i);

        for (size_t at = 0; at < producer->count; at++) {
            pt_assert(
                pt_http_feed_append(feed_at(producer->f, at), pt_span_of(word, (size_t)bytes)));
        }
    }
    return NULL;
}

/* Every word of the producer's, once and in order. */
static void check_words(const struct ear *ear, char name)
{
    const char *at = strstr(ear->text, "hello\n");

    for (unsigned i = 0; i < WORDS; i++) {
        char word[16];

        (void)snprintf(word, sizeof(word), "\n%c%u\n", name, i);
        at = at ? strstr(at, word) : NULL;
        PT_CHECK(at && !strstr(at + 1, word));
    }
}

static void every_word_reaches_every_peer_in_order(void **state)
{
    struct fixture *f = fixture_open();
    struct peer *peers[100];
    struct producer producers[2] = {{f, 'a', 0}, {f, 'b', 0}};
    pthread_t threads[2];
    struct pt_http_stats stats;
    unsigned ears = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        bool is_h2 = i % 25 == 0;

        peers[i] = peer_open(f->port, is_h2, 65535);
        for (unsigned round = 0; round < (is_h2 ? EARS_MAX : 1); round++) {
            peer_hear(peers[i], peer_ask(peers[i], "GET", "/feed"), "\r\n\r\nhello\n");
            ears++;
        }
    }
    (void)feed_at(f, ears - 1);
    pt_http_server_stats(f->server, &stats);
    assert_int_equal(stats.feeds_open, ears);
    for (unsigned i = 0; i < 2; i++) {
        producers[i].count = ears;
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    close_feeds(f);
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned at = 0; at < peers[i]->ear_count; at++) {
            struct ear *ear = &peers[i]->ears[at];

            peer_hear_all(peers[i], ear);
            PT_CHECK(ear->has_ended && !ear->is_reset);
            check_words(ear, 'a');
            check_words(ear, 'b');
        }
        if (peers[i]->session) { /* its connection goes on */
            peers[i]->ear_count = 0;
            memset(&peers[i]->ears[0], 0, sizeof(peers[i]->ears[0]));
            peer_hear(peers[i], peer_ask(peers[i], "GET", "/once"), "\r\n\r\nonce");
        }
        peer_close(peers[i]);
    }
    wait_for(f, 0, 0);
    fixture_destroy(f);
}

static void the_head_has_no_length_and_head_is_answered(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct peer *peer = peer_open(f->port, is_h2, 65535);
        struct ear *ear = peer_ask(peer, "GET", "/feed");

        peer_hear(peer, ear, "hello\n");
        PT_CHECK(strstr(ear->text, is_h2 ? ":status: 200\r\n" : "HTTP/1.1 200 OK\r\n"));
        PT_CHECK(strstr(ear->text, is_h2 ? "x-test: yes\r\n" : "X-Test: yes\r\n"));
        PT_CHECK(strstr(ear->text, ": text/event-stream\r\n"));
        PT_CHECK(!strstr(ear->text, "ength:"));
        PT_CHECK(is_h2 || strstr(ear->text, "\r\nConnection: close\r\n"));
        peer_close(peer);
        peer = peer_open(f->port, is_h2, 65535);
        ear = peer_ask(peer, "HEAD", "/feed");
        peer_hear_all(peer, ear);
        PT_CHECK(ear->has_ended && strstr(ear->text, ": text/event-stream\r\n"));
        PT_CHECK(!strstr(ear->text, "ength:") && !strstr(ear->text, "hello"));
        peer_close(peer);
    }
    wait_for(f, 0, 0);
    fixture_destroy(f);
}

/* By closing, by half closing (HTTP/1), by a reset of the stream (HTTP/2). */
static void a_peer_that_leaves_ends_its_feed(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (int how = 0; how < 4; how++) {
        bool is_h2 = how >= 2;
        struct peer *peer = peer_open(f->port, is_h2, 65535);

        peer_hear(peer, peer_ask(peer, "GET", "/feed"), "hello\n");
        PT_CHECK(pt_http_feed_is_open(feed_at(f, 0)));
        if (how == 1) {
            shutdown(peer->fd, SHUT_WR);
        } else if (how == 3) {
            nghttp2_submit_rst_stream(peer->session, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL);
            peer_send(peer);
        } else {
            peer_close(peer);
        }
        wait_for(f, 0, how == 3 ? 1 : 0);
        PT_CHECK(!pt_http_feed_is_open(feed_at(f, 0)));
        PT_CHECK(!pt_http_feed_append(feed_at(f, 0), pt_span_str("to nobody")));
        if (how == 1 || how == 3) {
            peer_close(peer);
        }
        close_feeds(f);
    }
    wait_for(f, 0, 0);
    fixture_destroy(f);
}

static void a_peer_that_does_not_read_is_cut_off(void **state)
{
    struct fixture *f = fixture_create();
    static char block[4096];

    (void)state;
    memset(block, 'x', sizeof(block));
    f->limits.feed_bytes_max = 64 * 1024;
    fixture_start(f);
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct peer *peer = peer_open(f->port, is_h2, is_h2 ? 0 : 4096);
        struct ear *ear = peer_ask(peer, "GET", "/feed");
        size_t taken = 0;

        wait_for(f, 1, 1);
        while (taken < ((size_t)64 << 20) &&
               pt_http_feed_append(feed_at(f, 0), pt_span_of(block, sizeof(block)))) {
            taken += sizeof(block);
        }
        PT_CHECK(taken < (size_t)64 << 20);
        wait_for(f, 0, UINT64_MAX);
        PT_CHECK(!pt_http_feed_append(feed_at(f, 0), pt_span_str("more")));
        close_feeds(f);
        if (is_h2) { /* the stream alone: the connection serves others */
            peer_hear_all(peer, ear);
            PT_CHECK(ear->is_reset);
            nghttp2_submit_window_update(peer->session, NGHTTP2_FLAG_NONE, 0, 65535);
            ear = peer_ask(peer, "HEAD", "/once");
            peer_hear(peer, ear, ":status: 200\r\n");
        }
        peer_close(peer);
    }
    wait_for(f, 0, 0);
    fixture_destroy(f);
}

/* A little that is not taken: the time for writing is over some day. */
static void a_peer_that_stands_still_is_closed(void **state)
{
    struct fixture *f = fixture_create();
    struct peer *peer = NULL;

    (void)state;
    f->limits.write_timeout_ms = 100;
    fixture_start(f);
    peer = peer_open(f->port, true, 0);
    (void)peer_ask(peer, "GET", "/feed"); /* "hello" finds no window */
    while (peer_read(peer)) {
    }
    wait_for(f, 0, 0);
    peer_close(peer);
    fixture_destroy(f);
}

/* Hours in which nobody says anything: they end a connection without a feed, and no other. */
static void silence_ends_nothing(void **state)
{
    struct fixture *f = fixture_create();

    (void)state;
    f->limits.threads = 1;
    fixture_start(f);
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct peer *peer = peer_open(f->port, is_h2, 65535);
        struct ear *ear = peer_ask(peer, "GET", "/feed");

        peer_hear(peer, ear, "hello\n");
        for (unsigned round = 0; round < 3; round++) {
            struct peer *idle = peer_open(f->port, is_h2, 65535);
            char word[16];

            peer_hear(idle, peer_ask(idle, "GET", "/once"), "once");
            atomic_fetch_add(&skipped_us, HOUR_US);
            (void)snprintf(word, sizeof(word), "word %u\n", round);
            PT_CHECK(pt_http_feed_append(feed_at(f, 0), pt_span_str(word)));
            peer_hear(peer, ear, word);
            while (peer_read(idle)) {
            }
            peer_close(idle);
            PT_CHECK(pt_http_feed_is_open(feed_at(f, 0)));
        }
        close_feeds(f);
        peer_hear_all(peer, ear);
        PT_CHECK(ear->has_ended);
        peer_close(peer);
    }
    wait_for(f, 0, 0);
    fixture_destroy(f);
}

static void there_are_so_many_and_no_more(void **state)
{
    struct fixture *f = fixture_create();
    struct peer *peers[2];

    (void)state;
    f->limits.feeds_max = 2;
    fixture_start(f);
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        peers[is_h2] = peer_open(f->port, is_h2, 65535);
        peer_hear(peers[is_h2], peer_ask(peers[is_h2], "GET", "/feed"), "hello\n");
    }
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct peer *peer = peer_open(f->port, is_h2, 65535);
        struct ear *ear = peer_ask(peer, "GET", "/feed");

        peer_hear(peer, ear, "as many open streams");
        PT_CHECK(strstr(ear->text, is_h2 ? ":status: 503\r\n" : "HTTP/1.1 503 "));
        PT_CHECK(strstr(ear->text, is_h2 ? "retry-after: 1\r\n" : "Retry-After: 1\r\n"));
        PT_CHECK(is_h2 || !strstr(ear->text, "Connection: close"));
        peer_close(peer);
    }
    pthread_mutex_lock(&f->mutex);
    assert_int_equal(f->feed_count, 2);
    pthread_mutex_unlock(&f->mutex);
    peer_close(peers[0]);
    wait_for(f, 1, 1);
    peers[0] = peer_open(f->port, false, 65535);
    peer_hear(peers[0], peer_ask(peers[0], "GET", "/feed"), "hello\n");
    peer_close(peers[0]);
    peer_close(peers[1]);
    fixture_destroy(f);
}

/* Until the sockets are full: nothing goes out any more. */
static void wait_for_stillness(const struct fixture *f)
{
    struct pt_http_stats stats = {0};
    uint64_t before = 1;

    while (stats.bytes_out != before) {
        before = stats.bytes_out;
        pt_test_sleep_ms(200);
        pt_http_server_stats(f->server, &stats);
    }
}

/*
 * Listeners of both kinds, and three that do not read, the last with windows of any size: the
 * drain, which would wait for an hour, ends them all. Whoever comes afterwards finds the door
 * closed.
 */
static void the_drain_ends_feeds(void **state)
{
    struct fixture *f = fixture_create();
    struct peer *peers[5];
    static char block[4096];

    (void)state;
    f->limits.feed_bytes_max = 1u << 26;
    f->limits.write_timeout_ms = 3600000; /* it would end them too */
    fixture_start(f);
    for (unsigned i = 0; i < 5; i++) {
        bool is_deaf = i >= 2;

        peers[i] = peer_open(f->port, i % 2 || i == 4,
                             !is_deaf ? 65535
                             : i % 2  ? 0
                             : i == 4 ? PEER_WINDOW_MAX
                                      : 4096);
        (void)peer_ask(peers[i], "GET", "/feed");
        if (!is_deaf) {
            peer_hear(peers[i], &peers[i]->ears[0], "hello\n");
        }
        wait_for(f, i + 1, i + 1);
    }
    for (unsigned i = 0; i < 4096; i++) { /* more than the sockets hold */
        PT_CHECK(pt_http_feed_append(feed_at(f, 2), pt_span_of(block, sizeof(block))));
        PT_CHECK(pt_http_feed_append(feed_at(f, 4), pt_span_of(block, sizeof(block))));
    }
    wait_for_stillness(f);
    pt_http_server_drain(f->server, 3600000);
    wait_for(f, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        peer_hear_all(peers[i], &peers[i]->ears[0]);
        PT_CHECK(peers[i]->ears[0].has_ended);
    }
    PT_CHECK(peers[1]->has_goaway);
    for (unsigned i = 0; i < 5; i++) {
        PT_CHECK(!pt_http_feed_append(feed_at(f, i), pt_span_str("too late")));
        peer_close(peers[i]);
    }
    fixture_destroy(f);
}

static struct pt_http_request *take_boxed(struct fixture *f)
{
    struct pt_http_request *request = NULL;

    while (!request) {
        pt_test_sleep_ms(1);
        pthread_mutex_lock(&f->mutex);
        request = f->boxed;
        f->boxed = NULL;
        pthread_mutex_unlock(&f->mutex);
    }
    return request;
}

/* Opened long after the handler returned, by another thread, with the peer there or gone. */
static void a_feed_may_be_opened_later(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (int how = 0; how < 4; how++) {
        bool is_h2 = how % 2;
        bool leaves = how >= 2;
        struct peer *peer = peer_open(f->port, is_h2, 65535);
        struct ear *ear = peer_ask(peer, "GET", "/later");
        struct pt_http_request *request = take_boxed(f);
        struct pt_http_feed *opened = NULL;

        if (leaves) {
            peer_close(peer);
            pt_test_sleep_ms(20);
        }
        opened = open_feed(request);
        assert_non_null(opened);
        (void)pt_http_feed_append(opened, pt_span_str("at "));
        (void)pt_http_feed_append(opened, pt_span_str("last\n"));
        if (!leaves) {
            peer_hear(peer, ear, "\r\n\r\nat last\n");
            pt_http_feed_close(opened);
            peer_hear_all(peer, ear);
            PT_CHECK(ear->has_ended);
            peer_close(peer);
        } else {
            wait_for(f, 0, 0);
            PT_CHECK(!pt_http_feed_is_open(opened));
            pt_http_feed_close(opened);
        }
    }
    wait_for(f, 0, 0);
    fixture_destroy(f);
}

static void hear_or_end(struct peer *peer, struct ear *ear, const char *text)
{
    while (!strstr(ear->text, text) && !strstr(ear->text, "503") && !ear->is_reset &&
           !ear->has_ended && peer_read(peer)) {
    }
}

/* Peers come and go, words come without end, and the server stops in the midst of it. */
static atomic_bool is_over;

static void *append_without_end(void *arg)
{
    struct fixture *f = arg;

    while (!atomic_load(&is_over)) {
        pthread_mutex_lock(&f->mutex);
        for (size_t i = f->feed_count; i > 0; i--) {
            if (!pt_http_feed_append(f->feeds[i - 1], pt_span_str("word\n"))) {
                pt_http_feed_close(f->feeds[i - 1]);
                f->feeds[i - 1] = f->feeds[--f->feed_count];
            }
        }
        pthread_mutex_unlock(&f->mutex);
    }
    return NULL;
}

static void *come_and_go(void *arg)
{
    struct fixture *f = arg;

    for (unsigned i = 0; i < 50; i++) {
        struct peer *peer = peer_open(f->port, i % 2, 65535);

        /* It may be cut off at once: words come faster than anyone reads. */
        hear_or_end(peer, peer_ask(peer, "GET", "/feed"), "hello\n");
        peer_close(peer);
    }
    return NULL;
}

static void all_of_it_at_once(void **state)
{
    struct fixture *f = fixture_open();
    struct peer *stays = peer_open(f->port, false, 65535);
    pthread_t threads[4];

    (void)state;
    atomic_store(&is_over, false);
    peer_hear(stays, peer_ask(stays, "GET", "/feed"), "hello\n");
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < 2 ? append_without_end : come_and_go, f), 0);
    }
    pthread_join(threads[2], NULL);
    pthread_join(threads[3], NULL);
    /* Closed without a drain, while words still come: the owner's pointers stay good. */
    pt_http_server_close(f->server);
    f->server = NULL;
    atomic_store(&is_over, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    peer_close(stays);
    fixture_destroy(f);
}

/* Whichever allocation fails, one feed is lost at most, and all is given back. */
static void no_failed_allocation_harms_the_server(void **state)
{
    struct fixture *f = fixture_create();

    (void)state;
    f->limits.threads = 1;
    fixture_start(f);
    for (unsigned nth = 1; nth <= 60; nth++) {
        for (int kind = 0; kind < 4; kind++) {
            struct peer *peer = peer_open(f->port, kind % 2, 65535);
            bool is_late = kind >= 2; /* it fails in what is appended, not in opening */

            if (is_late) {
                peer_hear(peer, peer_ask(peer, "GET", "/feed"), "hello\n");
            }
            pt_mem_fail_after(nth);
            if (is_late) {
                (void)pt_http_feed_append(feed_at(f, 0), pt_span_str("word\n"));
            } else {
                (void)peer_ask(peer, "GET", "/feed");
            }
            hear_or_end(peer, &peer->ears[0], is_late ? "word\n" : "hello\n");
            pt_mem_fail_after(0);
            peer_close(peer);
            close_feeds(f);
            wait_for(f, 0, 0);
        }
    }
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_reaches_every_peer_in_order),
        cmocka_unit_test(the_head_has_no_length_and_head_is_answered),
        cmocka_unit_test(a_peer_that_leaves_ends_its_feed),
        cmocka_unit_test(a_peer_that_does_not_read_is_cut_off),
        cmocka_unit_test(a_peer_that_stands_still_is_closed),
        cmocka_unit_test(silence_ends_nothing),
        cmocka_unit_test(there_are_so_many_and_no_more),
        cmocka_unit_test(the_drain_ends_feeds),
        cmocka_unit_test(a_feed_may_be_opened_later),
        cmocka_unit_test(all_of_it_at_once),
        cmocka_unit_test(no_failed_allocation_harms_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
