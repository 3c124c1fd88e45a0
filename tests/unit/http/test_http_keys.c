/*
 * test_http_keys.c - a key opens what its scopes say, and nothing else
 *
 * Method: a real server on loopback with a route for each scope; requests with and without keys,
 * with an expired one, through a proxy; the key file is changed and broken while the server runs.
 */
#include "check.h"
#include "http/keys.h"
#include "loopback.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "observe/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct pt_keys *keys;
static struct pt_http_server *server;
static char *dir;
static char *path;

static void handle(void *ctx, struct pt_http_request *request)
{
    if (pt_keys_admit(keys, request, *(const enum pt_scope *)ctx)) {
        pt_http_respond(request, 200, "text/plain", pt_span_str("yes"), NULL, 0);
    }
}

/* The ticket of the key that was sent; `ticket_of` is the handler's last one. */
static char ticket_of[PT_TICKET_BYTES];

static void give_ticket(void *ctx, struct pt_http_request *request)
{
    (void)ctx;
    if (pt_keys_admit(keys, request, PT_SCOPE_FLAGS)) {
        pt_keys_ticket(keys, request, "doors", ticket_of);
        pt_http_respond(request, 200, "text/plain", pt_span_str("yes"), NULL, 0);
    }
}

/* The query is the ticket, for doors or for windows. */
static void take_ticket(void *ctx, struct pt_http_request *request)
{
    if (pt_keys_admit_ticket(keys, request, PT_SCOPE_FLAGS, ctx, pt_http_query(request))) {
        pt_http_respond(request, 200, "text/plain", pt_span_str("yes"), NULL, 0);
    }
}

/* Status of GET `route` with the header lines `extra` ("" or lines with CR LF). */
static int ask(const char *route, const char *extra)
{
    char text[1024];
    size_t used = 0;
    int fd = pt_test_connect(pt_test_port(pt_http_server_url(server)));
    int size = snprintf(text, sizeof(text),
                        "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", route, extra);

    PT_CHECK(write(fd, text, (size_t)size) == size);
    for (ssize_t got = 1; got > 0 && used < sizeof(text) - 1; used += (size_t)got) {
        got = read(fd, text + used, sizeof(text) - 1 - used);
        PT_CHECK(got >= 0);
    }
    text[used] = '\0';
    close(fd);
    PT_CHECK(strncmp(text, "HTTP/1.1 ", 9) == 0);
    return (int)strtol(text + 9, NULL, 10);
}

static struct pt_key_info key_info(const char *key, unsigned scopes, int64_t expires_at_us)
{
    struct pt_key_info info = {.scopes = scopes, .expires_at_us = expires_at_us};

    snprintf(info.id, sizeof(info.id), "%.8s", key);
    snprintf(info.name, sizeof(info.name), "for a test");
    pt_sha256(pt_span_str(key), info.digest);
    return info;
}

static void write_keys(const struct pt_key_info *infos, size_t count)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_key_file_write(pt_io_posix(), path, infos, count, &err), err);
    pt_keys_reload(keys);
}

static void without_keys_only_this_machine_may(void **state)
{
    (void)state;
    write_keys(NULL, 0);
    PT_CHECK(ask("/events", "") == 200);
    PT_CHECK(ask("/admin", "") == 200);
    PT_CHECK(ask("/events", "Authorization: Bearer whatever\r\n") == 200);
    PT_CHECK(ask("/events", "X-Forwarded-For: 1.2.3.4\r\n") == 403);
    PT_CHECK(ask("/admin", "Forwarded: for=1.2.3.4\r\n") == 403);
}

static void a_key_opens_its_scopes(void **state)
{
    const struct pt_key_info infos[] = {
        key_info("events-key", PT_SCOPE_EVENTS, INT64_MAX),
        key_info("admin-key", PT_SCOPE_ADMIN, INT64_MAX),
        key_info("old-key", PT_SCOPE_EVENTS, 1000),
    };

    (void)state;
    write_keys(infos, 3);
    PT_CHECK(ask("/events", "") == 401);
    PT_CHECK(ask("/events", "Authorization: Bearer events-key\r\n") == 200);
    PT_CHECK(ask("/events", "authorization: bearer events-key\r\n") == 200);
    PT_CHECK(ask("/events", "Authorization: Bearer events-kex\r\n") == 401);
    PT_CHECK(ask("/events", "Authorization: Bearer events-key2\r\n") == 401);
    PT_CHECK(ask("/events", "Authorization: Basic events-key\r\n") == 401);
    PT_CHECK(ask("/events", "Authorization: Bearer old-key\r\n") == 401);
    PT_CHECK(ask("/events", "Authorization: Bearer admin-key\r\n") == 200);
    PT_CHECK(ask("/admin", "Authorization: Bearer events-key\r\n") == 403);
    PT_CHECK(ask("/admin", "Authorization: Bearer admin-key\r\n") == 200);
    PT_CHECK(ask("/admin", "Authorization: Bearer events-key\r\nX-Forwarded-For: 1.1.1.1\r\n") ==
             403);
    PT_CHECK(ask("/admin", "Authorization: Bearer admin-key\r\nX-Forwarded-For: 1.1.1.1\r\n") ==
             200);
    PT_CHECK(ask("/admin", "") == 401);
    PT_CHECK(ask("/registry", "") == 200); /* no key carries it: open to this machine */
    PT_CHECK(ask("/registry", "Authorization: Bearer events-key\r\n") == 403);
}

static void keys_rotate_while_the_server_runs(void **state)
{
    struct pt_key_info infos[] = {
        key_info("first", PT_SCOPE_EVENTS, INT64_MAX),
        key_info("second", PT_SCOPE_EVENTS, INT64_MAX),
    };

    (void)state;
    write_keys(infos, 1);
    PT_CHECK(ask("/events", "Authorization: Bearer second\r\n") == 401);
    write_keys(infos, 2);
    PT_CHECK(ask("/events", "Authorization: Bearer first\r\n") == 200);
    PT_CHECK(ask("/events", "Authorization: Bearer second\r\n") == 200);
    write_keys(infos + 1, 1);
    PT_CHECK(ask("/events", "Authorization: Bearer first\r\n") == 401);
    PT_CHECK(ask("/events", "Authorization: Bearer second\r\n") == 200);
}

static void a_broken_file_leaves_the_keys(void **state)
{
    static const char *const broken[] = {
        "",
        "{\"format\":1}",
        "{\"format\":2,\"keys\":[]}",
        "{\"format\":1,\"keys\":[{\"id\":\"a\",\"name\":\"n\",\"sha256\":\"zz\",\"scopes\":["
        "\"events\"],"
        "\"created_at\":\"2026-01-01T00:00:00Z\",\"expires_at\":null}]}",
    };
    const struct pt_key_info info = key_info("good", PT_SCOPE_EVENTS, INT64_MAX);
    struct pt_error err = {0};
    struct pt_keys *fresh = NULL;

    (void)state;
    write_keys(&info, 1);
    pt_log_set_level(PT_LOG_ERROR + 1);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str(broken[i]), 0, &err), err);
        pt_keys_reload(keys);
        PT_CHECK(ask("/events", "Authorization: Bearer good\r\n") == 200);
        PT_CHECK(ask("/events", "") == 401);
        PT_CHECK(pt_keys_open(&fresh, pt_io_posix(), pt_clock_system(), path, NULL, 0, &err) ==
                 PT_INVALID);
        PT_CHECK(strstr(err.text, path) != NULL);
    }
    pt_log_set_level(PT_LOG_INFO);
}

static void what_is_written_is_read(void **state)
{
    const struct pt_key_info info =
        key_info("a-secret-key", PT_SCOPE_EVENTS | PT_SCOPE_REGISTRY, 123456789);
    struct pt_key_info *infos = NULL;
    struct pt_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    size_t count = 0;

    (void)state;
    write_keys(&info, 1);
    PT_CHECK_OK(pt_key_file_read(pt_io_posix(), path, &infos, &count, &err), err);
    PT_CHECK(count == 1 && infos[0].scopes == info.scopes && infos[0].expires_at_us == 123456789);
    PT_CHECK(memcmp(infos[0].digest, info.digest, sizeof(info.digest)) == 0);
    pt_free(infos);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &data, &size, &err), err);
    PT_CHECK(strstr((char *)data, "a-secret") && !strstr((char *)data, "a-secret-key"));
    pt_free(data);
}

static void a_ticket_opens_one_door_as_long_as_its_key_lives(void **state)
{
    struct pt_key_info infos[] = {
        key_info("flags-key", PT_SCOPE_FLAGS, INT64_MAX),
        key_info("events-key", PT_SCOPE_EVENTS, INT64_MAX),
        key_info("admin-key", PT_SCOPE_ADMIN, INT64_MAX),
    };
    char first[PT_TICKET_BYTES];
    char door[64];
    char window[64];

    (void)state;
    /* Nothing asks for a key: there is no ticket, and none is needed. */
    write_keys(NULL, 0);
    PT_CHECK(ask("/ticket", "") == 200 && ticket_of[0] == '\0');
    PT_CHECK(ask("/door", "") == 200);
    PT_CHECK(ask("/door?anything", "") == 200);
    PT_CHECK(ask("/door", "X-Forwarded-For: 1.2.3.4\r\n") == 403);
    write_keys(infos, 3);
    PT_CHECK(ask("/ticket", "Authorization: Bearer flags-key\r\n") == 200);
    PT_CHECK(strlen(ticket_of) == PT_TICKET_BYTES - 1 && !strstr(ticket_of, "flags-key"));
    snprintf(first, sizeof(first), "%s", ticket_of);
    snprintf(door, sizeof(door), "/door?%s", first);
    snprintf(window, sizeof(window), "/window?%s", first);
    PT_CHECK(ask(door, "") == 200);
    PT_CHECK(ask(door, "X-Forwarded-For: 1.2.3.4\r\n") == 200);
    PT_CHECK(ask(window, "") == 401); /* another purpose */
    PT_CHECK(ask("/door", "") == 401);
    PT_CHECK(ask("/door?00000000000000000000000000000000", "") == 401);
    PT_CHECK(ask("/door?flags-key", "") == 401); /* the key itself is no ticket */
    PT_CHECK(ask("/door", "Authorization: Bearer flags-key\r\n") == 200);
    PT_CHECK(ask("/door", "Authorization: Bearer events-key\r\n") == 403);
    /* The ticket is no key. */
    {
        char header[96];

        snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", first);
        PT_CHECK(ask("/ticket", header) == 401);
    }
    PT_CHECK(ask("/ticket", "Authorization: Bearer flags-key\r\n") == 200);
    PT_CHECK(strcmp(ticket_of, first) == 0); /* the same, so that an address stays one */
    PT_CHECK(ask("/ticket", "Authorization: Bearer admin-key\r\n") == 200);
    PT_CHECK(strcmp(ticket_of, first) != 0);
    snprintf(window, sizeof(window), "/door?%s", ticket_of);
    PT_CHECK(ask(window, "") == 200);
    /* The key is revoked, narrowed, expired: the ticket is nothing any more. */
    write_keys(infos + 1, 2);
    PT_CHECK(ask(door, "") == 200); /* no key carries the scope: open to this machine */
    PT_CHECK(ask(door, "X-Forwarded-For: 1.2.3.4\r\n") == 403);
    infos[0].expires_at_us = 1000;
    write_keys(infos, 3);
    PT_CHECK(ask(door, "X-Forwarded-For: 1.2.3.4\r\n") == 403);
    infos[0].expires_at_us = INT64_MAX;
    infos[0].scopes = PT_SCOPE_EVENTS;
    infos[1].scopes = PT_SCOPE_FLAGS;
    write_keys(infos, 3);
    PT_CHECK(ask(door, "") == 401);
}

int main(void)
{
    static const enum pt_scope events = PT_SCOPE_EVENTS;
    static const enum pt_scope registry = PT_SCOPE_REGISTRY;
    static const enum pt_scope admin = PT_SCOPE_ADMIN;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keys_only_this_machine_may),
        cmocka_unit_test(a_key_opens_its_scopes),
        cmocka_unit_test(keys_rotate_while_the_server_runs),
        cmocka_unit_test(a_broken_file_leaves_the_keys),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_ticket_opens_one_door_as_long_as_its_key_lives),
    };
    static const char doors[] = "doors";
    static const char windows[] = "windows";
    struct pt_http_limits limits;
    struct pt_error err = {0};
    int failed = 1;

    dir = pt_test_dir_create();
    path = pt_strf("%s/api_keys.json", dir);
    pt_http_limits_default(&limits);
    limits.threads = 1;
    if (pt_keys_open(&keys, pt_io_posix(), pt_clock_system(), path, NULL, 0, &err) == PT_OK &&
        pt_http_server_open(&server, "127.0.0.1:0", &limits, pt_clock_system(), &err) == PT_OK &&
        pt_http_route(server, "GET", "/events", 0, handle, (void *)&events, &err) == PT_OK &&
        pt_http_route(server, "GET", "/registry", 0, handle, (void *)&registry, &err) == PT_OK &&
        pt_http_route(server, "GET", "/admin", 0, handle, (void *)&admin, &err) == PT_OK &&
        pt_http_route(server, "GET", "/ticket", 0, give_ticket, NULL, &err) == PT_OK &&
        pt_http_route(server, "GET", "/door", 0, take_ticket, (void *)doors, &err) == PT_OK &&
        pt_http_route(server, "GET", "/window", 0, take_ticket, (void *)windows, &err) == PT_OK &&
        pt_http_server_start(server, &err) == PT_OK) {
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        pt_http_server_drain(server, 1000);
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    pt_http_server_close(server);
    pt_keys_close(keys);
    pt_free(path);
    pt_test_dir_remove(dir);
    return failed;
}
