/*
 * test_ofrep.c - the single-flag route of OFREP over a real loopback server
 *
 * Promise: status, error code and body are those of the protocol (service/openapi.yaml, 0.3).
 * Method: a plain blocking client; every answer must be the exact JSON; several clients at once
 * while the file changes.
 */
#include "check.h"
#include "loopback.h"

#include "flag/flag.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char definitions[] =
    "{\"flags\":{"
    "\"on\":{\"state\":\"ENABLED\",\"variants\":{\"yes\":true,\"no\":false},"
    "\"defaultVariant\":\"yes\",\"metadata\":{\"team\":\"ui\"}},"
    "\"off\":{\"state\":\"DISABLED\",\"variants\":{\"yes\":true},\"defaultVariant\":\"yes\"},"
    "\"none\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1}},"
    "\"a "
    "b/\\u00e9\":{\"state\":\"ENABLED\",\"variants\":{\"x\":{\"k\":[1]}},\"defaultVariant\":\"x\"},"
    "\"ab\":{\"state\":\"ENABLED\",\"variants\":{\"a\":\"A\",\"w\":\"W\"},\"defaultVariant\":\"w\","
    "\"targeting\":{\"fractional\":[[\"a\",1]]}},"
    "\"zero\":{\"state\":\"ENABLED\",\"variants\":{\"a\":\"A\",\"w\":\"W\"},\"defaultVariant\":"
    "\"w\","
    "\"targeting\":{\"fractional\":[[\"a\",0]]}},"
    "\"mail\":{\"state\":\"ENABLED\",\"variants\":{\"a\":\"A\"},"
    "\"targeting\":{\"fractional\":[{\"var\":\"email\"},[\"a\"]]}}}}";

struct fixture {
    struct pt_flags *flags;
    struct pt_metrics *metrics;
    struct pt_http_server *server;
    struct pt_flag_api *api;
    uint16_t port;
};

static void setup(struct fixture *f)
{
    struct pt_error err;
    struct pt_http_limits limits;

    pt_http_limits_default(&limits);
    limits.threads = 2;
    f->flags = pt_flags_create(pt_io_posix(), pt_clock_system());
    f->metrics = pt_metrics_create();
    assert_non_null(f->flags);
    assert_non_null(f->metrics);
    PT_CHECK_OK(pt_flags_load(f->flags, pt_span_str(definitions), &err), err);
    PT_CHECK_OK(pt_http_server_open(&f->server, "127.0.0.1:0", &limits, pt_clock_system(), &err),
                err);
    PT_CHECK_OK(
        pt_flag_routes(&f->api, f->server, f->flags, NULL, limits.threads, f->metrics, &err), err);
    PT_CHECK_OK(pt_http_server_start(f->server, &err), err);
    f->port = pt_test_port(pt_http_server_url(f->server));
}

static void teardown(struct fixture *f)
{
    pt_http_server_drain(f->server, 1000);
    pt_http_server_close(f->server);
    pt_flag_api_close(f->api);
    pt_metrics_destroy(f->metrics);
    pt_flags_destroy(f->flags);
}

/*
 * One request on a connection of its own; the status, and the answer's body in `body`. `tag` NULL,
 * or what to send as If-None-Match, replaced by the answer's ETag.
 */
static int ask_path(uint16_t port, const char *path, const char *sent, char tag[32], char *body,
                    size_t bytes)
{
    char text[8192];
    size_t size = 0;
    ssize_t got = 0;
    int fd = pt_test_connect(port);
    const char *end;
    const char *found;

    snprintf(text, sizeof(text),
             "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIf-None-Match: %s\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             path, tag ? tag : "\"none\"", strlen(sent), sent);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    while (size + 1 < sizeof(text) &&
           (got = recv(fd, text + size, sizeof(text) - 1 - size, 0)) > 0) {
        size += (size_t)got;
    }
    close(fd);
    text[size] = 0;
    end = strstr(text, "\r\n\r\n");
    assert_true(strncmp(text, "HTTP/1.1 ", 9) == 0 && end);
    snprintf(body, bytes, "%s", end + 4);
    found = strstr(text, "\r\nETag: ");
    if (tag) {
        assert_true(found && found < end);
        snprintf(tag, 32, "%.*s", (int)strcspn(found + 8, "\r"), found + 8);
    }
    return (int)strtol(text + 9, NULL, 10);
}

static int ask(uint16_t port, const char *key, const char *sent, char *body, size_t bytes)
{
    char path[256];

    snprintf(path, sizeof(path), "/ofrep/v1/evaluate/flags/%s", key);
    return ask_path(port, path, sent, NULL, body, bytes);
}

#define FAILURE(key, code, detail)                                                                 \
    "{\"key\":\"" key "\",\"errorCode\":\"" code "\",\"errorDetails\":\"" detail "\"}"

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *sent;
        int status;
        const char *body; /* starts with */
    } cases[] = {
        {"on", "{\"context\":{\"targetingKey\":\"u\"}}", 200,
         "{\"key\":\"on\",\"reason\":\"STATIC\",\"variant\":\"yes\",\"value\":true,"
         "\"metadata\":{\"team\":\"ui\"}}"},
        {"on", "{\"context\":{}}", 200, "{\"key\":\"on\",\"reason\":\"STATIC\""},
        {"off", "{\"context\":{\"targetingKey\":\"u\"}}", 200,
         "{\"key\":\"off\",\"reason\":\"DISABLED\",\"metadata\":{}}"},
        {"none", "{\"context\":{\"targetingKey\":\"u\"}}", 200,
         "{\"key\":\"none\",\"reason\":\"UNKNOWN\",\"metadata\":{}}"},
        {"zero", "{\"context\":{\"targetingKey\":\"u\"}}", 200,
         "{\"key\":\"zero\",\"reason\":\"UNKNOWN\",\"variant\":\"w\",\"value\":\"W\""},
        {"ab", "{\"context\":{\"targetingKey\":\"u\"}}", 200,
         "{\"key\":\"ab\",\"reason\":\"TARGETING_MATCH\",\"variant\":\"a\",\"value\":\"A\""},
        {"a%20b%2f%C3%a9", "{\"context\":{\"targetingKey\":\"u\"}}", 200,
         "{\"key\":\"a b/\xc3\xa9\",\"reason\":\"STATIC\",\"variant\":\"x\",\"value\":{\"k\":[1]}"},
        {"gone", "{\"context\":{\"targetingKey\":\"u\"}}", 404,
         FAILURE("gone", "FLAG_NOT_FOUND", "there is no such flag")},
        {"", "{\"context\":{\"targetingKey\":\"u\"}}", 404, "{\"key\":\"\",\"errorCode\":\"FLAG_N"},
        {"a%2", "{\"context\":{}}", 400, "{\"key\":\"a%2\",\"errorCode\":\"PARSE_ERROR\""},
        {"a%zz", "{\"context\":{}}", 400, "{\"key\":\"a%zz\",\"errorCode\":\"PARSE_ERROR\""},
        {"on", "", 400, "{\"key\":\"on\",\"errorCode\":\"PARSE_ERROR\""},
        {"on", "{\"context\":", 400, "{\"key\":\"on\",\"errorCode\":\"PARSE_ERROR\""},
        {"on", "[]", 400, FAILURE("on", "PARSE_ERROR", "the body must be a JSON object")},
        {"on", "{}", 400, "{\"key\":\"on\",\"errorCode\":\"INVALID_CONTEXT\""},
        {"on", "{\"context\":3}", 400, "{\"key\":\"on\",\"errorCode\":\"INVALID_CONTEXT\""},
        {"on", "{\"context\":{\"targetingKey\":3}}", 400,
         FAILURE("on", "INVALID_CONTEXT", "targetingKey must be a string")},
        {"mail", "{\"context\":{\"targetingKey\":\"u\",\"email\":[]}}", 200,
         "{\"key\":\"mail\",\"reason\":\"TARGETING_MATCH\""},
        {"ab", "{\"context\":{}}", 400, "{\"key\":\"ab\",\"errorCode\":\"TARGETING_KEY_MISSING\""},
        {"mail", "{\"context\":{}}", 400,
         "{\"key\":\"mail\",\"errorCode\":\"TARGETING_KEY_MISSING\""},
        {"mail", "{\"context\":{\"email\":\"x\"}}", 200,
         "{\"key\":\"mail\",\"reason\":\"TARGETING_MATCH\",\"variant\":\"a\""},
    };
    struct fixture f;
    struct pt_buf text;

    setup(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[2048];
        int status = ask(f.port, cases[i].key, cases[i].sent, body, sizeof(body));

        if (status != cases[i].status || strncmp(body, cases[i].body, strlen(cases[i].body)) != 0) {
            fail_msg("%s %s: %d %s", cases[i].key, cases[i].sent, status, body);
        }
    }
    pt_buf_init(&text, 1u << 20);
    pt_metrics_render(f.metrics, &text);
    pt_buf_append_byte(&text, 0);
    assert_non_null(
        strstr((char *)text.data, "playtrace_flag_evaluations_total{reason=\"DISABLED\"} 1\n"));
    pt_buf_release(&text);
    teardown(&f);
}

#define ALL "/ofrep/v1/evaluate/flags"

/*
 * Promise: the bulk route evaluates every flag, each with its own failure; its ETag stays with the
 * context and the flags, 304 comes for it, and a change of either brings another.
 */
static void all_flags_at_once(void **state)
{
    static const char ann[] = "{\"context\":{\"targetingKey\":\"u\"}}";
    struct fixture f;
    struct pt_error err;
    char body[4096];
    char tag[32] = "";
    char again[32] = "";
    char other[32] = "";

    (void)state;
    setup(&f);
    assert_int_equal(ask_path(f.port, ALL, ann, tag, body, sizeof(body)), 200);
    assert_true(strncmp(body, "{\"flags\":[{\"key\":", 17) == 0);
    assert_non_null(strstr(body, "{\"key\":\"ab\",\"reason\":\"TARGETING_MATCH\""));
    assert_non_null(strstr(body, "{\"key\":\"off\",\"reason\":\"DISABLED\",\"metadata\":{}}"));
    assert_non_null(strstr(body, "{\"key\":\"on\",\"reason\":\"STATIC\",\"variant\":\"yes\""));
    assert_non_null(strstr(body, "],\"metadata\":{"));
    snprintf(again, sizeof(again), "%s", tag);
    assert_int_equal(ask_path(f.port, ALL, ann, again, body, sizeof(body)), 304);
    assert_string_equal(body, "");
    assert_string_equal(again, tag);
    /* Without a targetingKey the flags that need one fail, the others do not. */
    assert_int_equal(ask_path(f.port, ALL, "{\"context\":{}}", other, body, sizeof(body)), 200);
    assert_non_null(strstr(body, "{\"key\":\"ab\",\"errorCode\":\"TARGETING_KEY_MISSING\""));
    assert_non_null(strstr(body, "{\"key\":\"on\",\"reason\":\"STATIC\""));
    assert_string_not_equal(other, tag);
    PT_CHECK_OK(pt_flags_load(f.flags,
                              pt_span_str("{\"flags\":{\"x\":{\"state\":\"ENABLED\","
                                          "\"variants\":{\"a\":1},\"defaultVariant\":\"a\"}}}"),
                              &err),
                err);
    assert_int_equal(ask_path(f.port, ALL, ann, again, body, sizeof(body)), 200);
    assert_string_not_equal(again, tag);
    /* What is wrong with the whole request. */
    assert_int_equal(ask_path(f.port, ALL, "{\"context\":3}", NULL, body, sizeof(body)), 400);
    assert_true(strncmp(body, "{\"errorCode\":\"INVALID_CONTEXT\"", 30) == 0);
    assert_int_equal(ask_path(f.port, ALL, "[", NULL, body, sizeof(body)), 400);
    assert_true(strncmp(body, "{\"errorCode\":\"PARSE_ERROR\"", 26) == 0);
    teardown(&f);
}

struct client {
    uint16_t port;
    bool is_wrong;
};

static void *ask_many(void *arg)
{
    struct client *client = arg;
    char body[2048];

    for (int i = 0; i < 150 && !client->is_wrong; i++) {
        client->is_wrong = ask(client->port, "ab", "{\"context\":{\"targetingKey\":\"u\"}}", body,
                               sizeof(body)) != 200 ||
                           !strstr(body, "\"variant\":\"a\",\"value\":\"A\"");
    }
    return NULL;
}

/* Promise: loops share no parser, and a reload in between shows one set or the other. */
static void many_at_once(void **state)
{
    (void)state;
    struct fixture f;
    struct client clients[4];
    pthread_t threads[4];
    struct pt_error err;

    setup(&f);
    for (int i = 0; i < 4; i++) {
        clients[i] = (struct client){.port = f.port};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &clients[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        PT_CHECK_OK(pt_flags_load(f.flags, pt_span_str(definitions), &err), err);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(clients[i].is_wrong);
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(all_flags_at_once),
        cmocka_unit_test(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
