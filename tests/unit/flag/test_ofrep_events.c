/*
 * test_ofrep_events.c - clients of OFREP hear at once that the flags have changed
 *
 * Promise: the bulk answer names a stream; on it every change of the set in force is told, once, to
 * everyone; who missed one, by a lost connection or before the first, is told on coming back.
 * Method: plain blocking clients of a real loopback server, a clock of the test's own.
 */
#include "check.h"
#include "loopback.h"

#include "base/crypto.h"
#include "flag/flag.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLAG(key, value)                                                                           \
    "{\"flags\":{\"" key "\":{\"state\":\"ENABLED\",\"variants\":{\"a\":" value "},"               \
    "\"defaultVariant\":\"a\"}}}"
#define ANN "{\"context\":{\"targetingKey\":\"ann\"}}"

static int64_t test_now_us;

static int64_t now(void *ctx)
{
    (void)ctx;
    return test_now_us;
}

static struct pt_clock test_clock = {.wall_us = now, .mono_us = now};

struct fixture {
    struct pt_flags *flags;
    struct pt_metrics *metrics;
    struct pt_keys *keys;
    struct pt_http_server *server;
    struct pt_flag_api *api;
    struct pt_http_limits limits;
    uint16_t port;
};

static void load(struct fixture *f, const char *json)
{
    struct pt_error err;

    PT_CHECK_OK(pt_flags_load(f->flags, pt_span_str(json), &err), err);
}

/* `key` NULL: none is asked for. */
static void setup(struct fixture *f, const char *setting, const char *key)
{
    struct pt_error err;

    *f = (struct fixture){0};
    test_now_us = (int64_t)1771622898 * 1000000;
    pt_http_limits_default(&f->limits);
    f->flags = pt_flags_create(pt_io_posix(), &test_clock);
    f->metrics = pt_metrics_create();
    assert_non_null(f->flags);
    assert_non_null(f->metrics);
    load(f, FLAG("x", "1"));
    if (key) {
        PT_CHECK_OK(pt_keys_open(&f->keys, pt_io_posix(), pt_clock_system(), NULL, &key, 1, &err),
                    err);
    }
    PT_CHECK_OK(pt_http_server_open(&f->server, "127.0.0.1:0", &f->limits, pt_clock_system(), &err),
                err);
    PT_CHECK_OK(
        pt_flag_routes(&f->api, f->server, f->flags, f->keys, f->limits.threads, f->metrics, &err),
        err);
    PT_CHECK_OK(pt_flag_api_offer_events(f->api, f->server, &test_clock, setting, &err), err);
    PT_CHECK_OK(pt_http_server_start(f->server, &err), err);
    f->port = pt_test_port(pt_http_server_url(f->server));
}

static void teardown(struct fixture *f)
{
    pt_http_server_drain(f->server, 3600000); /* with open streams: they end */
    pt_http_server_close(f->server);
    pt_flag_api_close(f->api);
    pt_keys_close(f->keys);
    pt_metrics_destroy(f->metrics);
    pt_flags_destroy(f->flags);
}

/* ---- the client ---- */

struct client {
    int fd;
    size_t size;
    char text[8192];
};

static void client_open(struct client *client, uint16_t port, const char *request)
{
    *client = (struct client){.fd = pt_test_connect(port)};
    assert_int_equal(send(client->fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

/* One read; false at the end. */
static bool client_read(struct client *client)
{
    ssize_t n =
        recv(client->fd, client->text + client->size, sizeof(client->text) - 1 - client->size, 0);

    client->size += n > 0 ? (size_t)n : 0;
    client->text[client->size] = '\0';
    return n > 0;
}

static void client_hear(struct client *client, const char *text)
{
    while (!strstr(client->text, text)) {
        if (!client_read(client)) {
            fail_msg("\"%s\" is not in: %s", text, client->text);
        }
    }
}

/* GET a stream; `last` NULL or its Last-Event-ID. */
static void listen_to(struct client *client, const struct fixture *f, const char *target,
                      const char *last)
{
    char request[512];

    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n%s%s%s\r\n", target,
                   last ? "Last-Event-ID: " : "", last ? last : "", last ? "\r\n" : "");
    client_open(client, f->port, request);
}

/* The bulk answer, whole; its status. */
static int bulk(struct client *client, const struct fixture *f, const char *headers)
{
    char request[512];

    (void)snprintf(request, sizeof(request),
                   "POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s"
                   "Content-Length: %zu\r\n\r\n" ANN,
                   headers, strlen(ANN));
    client_open(client, f->port, request);
    while (client_read(client)) {
    }
    close(client->fd);
    return (int)strtol(client->text + 9, NULL, 10);
}

/* What stands between `before` and the next quotation mark. */
static void cut(const struct client *client, const char *before, char *out, size_t bytes)
{
    const char *at = strstr(client->text, before);

    assert_non_null(at);
    at += strlen(before);
    (void)snprintf(out, bytes, "%.*s", (int)strcspn(at, "\""), at);
}

static void id_of(const char *json, char id[17])
{
    (void)snprintf(id, 17, "%016llx", (unsigned long long)pt_checksum64(json, strlen(json)));
}

/* Exactly this block, with this event's time in seconds. */
static void hear_event(struct client *client, const char *json, long long seconds)
{
    char id[17];
    char event[256];

    id_of(json, id);
    (void)snprintf(event, sizeof(event),
                   "id: %s\nevent: message\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"%s\","
                   "\"lastModified\":%lld}\n\n",
                   id, id, seconds);
    client_hear(client, event);
}

/* ---- the tests ---- */

static void a_change_is_told_once_to_everyone(void **state)
{
    struct fixture f;
    static struct client clients[3];
    struct client *first = &clients[0];
    char target[128];
    char id[17];
    char text[64];
    struct pt_buf metrics;

    (void)state;
    setup(&f, "on", NULL);
    assert_int_equal(bulk(first, &f, ""), 200);
    PT_CHECK(strstr(first->text,
                    "\"metadata\":{},\"eventStreams\":[{\"type\":\"sse\",\"endpoint\":{"
                    "\"requestUri\":\"/ofrep/v1/events?since="));
    PT_CHECK(strstr(first->text, "\"},\"inactivityDelaySec\":120}]}"));
    cut(first, "\"requestUri\":\"", target, sizeof(target));
    for (unsigned i = 0; i < 3; i++) {
        listen_to(&clients[i], &f, target, NULL);
        client_hear(&clients[i], "\n\n");
        PT_CHECK(strstr(clients[i].text, "\r\nContent-Type: text/event-stream\r\n"));
        PT_CHECK(strstr(clients[i].text, "\r\nCache-Control: no-store\r\n"));
        /* What it knows is in force: its id, and no event. */
        id_of(FLAG("x", "1"), id);
        (void)snprintf(text, sizeof(text), "\nid: %s\n\n", id);
        client_hear(&clients[i], text);
        PT_CHECK(!strstr(clients[i].text, "data:"));
    }
    pt_flag_api_tick(f.api);
    load(&f, FLAG("x", "1")); /* the same bytes are no change */
    pt_flag_api_tick(f.api);
    test_now_us += 5000000;
    load(&f, FLAG("x", "2"));
    pt_flag_api_tick(f.api);
    pt_flag_api_tick(f.api);
    load(&f, FLAG("x", "3"));
    pt_flag_api_tick(f.api);
    for (unsigned i = 0; i < 3; i++) {
        const char *event = NULL;

        hear_event(&clients[i], FLAG("x", "3"), 1771622903);
        hear_event(&clients[i], FLAG("x", "2"), 1771622903);
        event = strstr(clients[i].text, "data:");
        event = strstr(event + 1, "data:");
        PT_CHECK(event && !strstr(event + 1, "data:"));
        close(clients[i].fd);
    }
    pt_buf_init(&metrics, 1u << 20);
    pt_metrics_render(f.metrics, &metrics);
    pt_buf_append_byte(&metrics, 0);
    PT_CHECK(strstr((char *)metrics.data, "playtrace_flag_change_events_total 6\n"));
    pt_buf_release(&metrics);
    teardown(&f);
}

/* What a client brings back decides whether it is told; a restart of the server changes nothing. */
static void who_missed_a_change_is_told_on_coming_back(void **state)
{
    static const struct {
        const char *last;  /* "old", "new", NULL: none, or as it is */
        const char *since; /* the same */
        bool is_told;
    } cases[] = {
        {"old", "old", true}, {"new", "old", false}, {"old", "new", true},      {NULL, "old", true},
        {NULL, "new", false}, {NULL, NULL, true},    {"nonsense", "new", true},
    };
    struct fixture f;

    (void)state;
    setup(&f, "on", NULL);
    load(&f, FLAG("x", "2")); /* nobody has ticked: the first who comes finds out */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct client client;
        const char *texts[2] = {cases[i].last, cases[i].since};
        char ids[2][17] = {"", ""};
        char target[128];

        for (unsigned k = 0; k < 2; k++) {
            if (texts[k] && strcmp(texts[k], "old") == 0) {
                id_of(FLAG("x", "1"), ids[k]);
            } else if (texts[k] && strcmp(texts[k], "new") == 0) {
                id_of(FLAG("x", "2"), ids[k]);
            } else if (texts[k]) {
                (void)snprintf(ids[k], sizeof(ids[k]), "%s", texts[k]);
            }
        }
        (void)snprintf(target, sizeof(target), "/ofrep/v1/events%s%s", texts[1] ? "?a=&since=" : "",
                       ids[1]);
        listen_to(&client, &f, target, texts[0] ? ids[0] : NULL);
        client_hear(&client, "\n\n");
        if ((strstr(client.text, "data:") != NULL) != cases[i].is_told) {
            fail_msg("case %zu: %s", i, client.text);
        }
        if (cases[i].is_told) {
            hear_event(&client, FLAG("x", "2"), 1771622898);
        }
        close(client.fd);
    }
    teardown(&f);
}

/* Proxies and the kernel notice who is gone by what is sent to them. */
static void silence_is_broken_now_and_then(void **state)
{
    struct fixture f;
    static struct client client;
    const char *at = NULL;

    (void)state;
    setup(&f, "on", NULL);
    listen_to(&client, &f, "/ofrep/v1/events", NULL);
    client_hear(&client, "\n\n");
    for (unsigned second = 0; second < 45; second++) {
        test_now_us += 1000000;
        pt_flag_api_tick(f.api);
    }
    client_hear(&client, "\n\n:\n\n:\n\n:\n\n");
    at = strstr(client.text, "\n\n:\n\n:\n\n:\n\n");
    PT_CHECK(!strchr(at + 11, ':'));
    close(client.fd);
    teardown(&f);
}

/* The tag is that of the flags: a client whose flags stay gets 304, whatever else has changed. */
static void the_tag_does_not_follow_the_stream(void **state)
{
    struct fixture f;
    static struct client client;
    char tag[64];
    char header[96];

    (void)state;
    setup(&f, "on", NULL);
    assert_int_equal(bulk(&client, &f, ""), 200);
    cut(&client, "ETag: \"", tag, sizeof(tag));
    (void)snprintf(header, sizeof(header), "If-None-Match: \"%s\"\r\n", tag);
    assert_int_equal(bulk(&client, &f, header), 304);
    load(&f, FLAG("x", "1") "\n"); /* another file with the same flags */
    assert_int_equal(bulk(&client, &f, header), 304);
    load(&f, FLAG("x", "2"));
    assert_int_equal(bulk(&client, &f, header), 200);
    teardown(&f);
}

static void a_ticket_stands_in_for_the_key(void **state)
{
    struct fixture f;
    static struct client client;
    char target[128];

    (void)state;
    setup(&f, "on", "a-secret-key");
    assert_int_equal(bulk(&client, &f, ""), 401);
    assert_int_equal(bulk(&client, &f, "Authorization: Bearer a-secret-key\r\n"), 200);
    cut(&client, "\"requestUri\":\"", target, sizeof(target));
    PT_CHECK(strstr(target, "&ticket=") && !strstr(target, "secret"));
    listen_to(&client, &f, target, NULL); /* as an EventSource does: the address alone */
    client_hear(&client, "\n\n");
    PT_CHECK(strncmp(client.text, "HTTP/1.1 200 ", 13) == 0);
    load(&f, FLAG("x", "2"));
    pt_flag_api_tick(f.api);
    hear_event(&client, FLAG("x", "2"), 1771622898);
    close(client.fd);
    *strstr(target, "&ticket=") = '\0';
    listen_to(&client, &f, target, NULL);
    client_hear(&client, "\"code\":\"unauthorized\"");
    PT_CHECK(strncmp(client.text, "HTTP/1.1 401 ", 13) == 0);
    close(client.fd);
    teardown(&f);
}

static void the_setting_decides_what_is_offered(void **state)
{
    static const char *const wrong[] = {
        "",
        "yes",
        "https://",
        "ftp://play.example",
        "play.example",
        "https:///flags",
        "http://a b",
        "https://play.example/?a=b",
    };
    struct fixture f;
    static struct client client;

    (void)state;
    setup(&f, "off", NULL);
    assert_int_equal(bulk(&client, &f, ""), 200);
    PT_CHECK(!strstr(client.text, "eventStreams"));
    listen_to(&client, &f, "/ofrep/v1/events", NULL);
    client_hear(&client, "\"code\":\"not_found\"");
    close(client.fd);
    pt_flag_api_tick(f.api);
    teardown(&f);
    for (unsigned i = 0; i < 2; i++) {
        setup(&f, i ? "https://play.example/flags/" : "https://play.example/flags", NULL);
        assert_int_equal(bulk(&client, &f, ""), 200);
        PT_CHECK(strstr(client.text,
                        "{\"type\":\"sse\",\"url\":\"https://play.example/flags/ofrep/v1/"
                        "events?since="));
        teardown(&f);
    }
    setup(&f, "off", NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pt_error err = {0};

        if (pt_flag_api_offer_events(f.api, f.server, &test_clock, wrong[i], &err) != PT_INVALID ||
            !strstr(err.text, "on, off, or the address")) {
            fail_msg("\"%s\": %s", wrong[i], err.text);
        }
    }
    teardown(&f);
}

/* Whichever allocation fails: a client hears the event, or is told no, or its connection ends. */
static void no_failed_allocation_harms_the_others(void **state)
{
    struct fixture f;
    static struct client client;
    static struct client other;

    (void)state;
    setup(&f, "on", NULL);
    listen_to(&other, &f, "/ofrep/v1/events", NULL);
    client_hear(&other, "data:");
    for (unsigned nth = 1; nth <= 40; nth++) {
        pt_mem_fail_after(nth);
        listen_to(&client, &f, "/ofrep/v1/events", NULL);
        while (!strstr(client.text, "data:") && !strstr(client.text, "503") &&
               client_read(&client)) {
        }
        pt_mem_fail_after(0);
        close(client.fd);
        pt_flag_api_tick(f.api);
    }
    load(&f, FLAG("x", "2"));
    pt_flag_api_tick(f.api);
    hear_event(&other, FLAG("x", "2"), 1771622898);
    close(other.fd);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_told_once_to_everyone),
        cmocka_unit_test(who_missed_a_change_is_told_on_coming_back),
        cmocka_unit_test(silence_is_broken_now_and_then),
        cmocka_unit_test(the_tag_does_not_follow_the_stream),
        cmocka_unit_test(a_ticket_stands_in_for_the_key),
        cmocka_unit_test(the_setting_decides_what_is_offered),
        cmocka_unit_test(no_failed_allocation_harms_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
