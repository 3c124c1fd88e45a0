/*
 * cors.c - which pages of other origins may use the public routes from a browser
 *
 * The Fetch standard's CORS protocol (3.2). Off unless origins are configured: then not a
 * byte of an answer differs. Credentials in cookies are never allowed, so "*" is as good as a
 * list: what guards the routes is a key in a header, which the page must know anyway.
 */
#include "http/loop.h"

#define ORIGINS_MAX 1024u
#define ORIGIN_BYTES_MAX 512u

static const char allowed_headers[] =
    "Authorization, Content-Type, Content-Encoding, "
    "X-Playtrace-Signature, traceparent, If-None-Match, Last-Event-ID";

/* "https://game.example" or "http://localhost:8000": as a browser writes it, so no path. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");

    if (strcmp(text, "*") == 0 || strcmp(text, "null") == 0) {
        return true;
    }
    if (!host || host == text || strlen(text) > ORIGIN_BYTES_MAX) {
        return false;
    }
    host += 3;
    return *host && strcspn(host, "/?#@ \t") == strlen(host) && !strchr(text, '*');
}

enum pt_code pt_http_server_allow_origins(struct pt_http_server *server, const char *const *origins,
                                          size_t count, struct pt_error *err)
{
    pt_assert(!server->is_started && !server->origins);
    if (count == 0) {
        return PT_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_origin(origins[i])) {
            return pt_fail(err, PT_INVALID,
                           "'%s' is not an origin: write it as a browser does, such as "
                           "https://game.example or http://localhost:8000, or * for all",
                           origins[i]);
        }
    }
    if (count > ORIGINS_MAX) {
        return pt_fail(err, PT_INVALID, "there are more than %u origins", ORIGINS_MAX);
    }
    server->origins = pt_alloc_zero(count * sizeof(*server->origins));
    if (!server->origins) {
        return pt_fail(err, PT_NO_MEMORY, "allow origins");
    }
    for (; server->origin_count < count; server->origin_count++) {
        server->origins[server->origin_count] = pt_strdup(origins[server->origin_count]);
        if (!server->origins[server->origin_count]) {
            return pt_fail(err, PT_NO_MEMORY, "allow origins");
        }
    }
    return PT_OK;
}

void pt_http_origins_release(struct pt_http_server *server)
{
    for (size_t i = 0; i < server->origin_count; i++) {
        pt_free(server->origins[i]);
    }
    pt_free(server->origins);
    server->origins = NULL;
    server->origin_count = 0;
}

static const char *find_origin(const struct pt_http_server *server, struct pt_span origin)
{
    for (size_t i = 0; i < server->origin_count; i++) {
        /* Byte by byte: the browser has put it into its one form already. */
        if (strcmp(server->origins[i], "*") == 0 || pt_span_is(origin, server->origins[i])) {
            return server->origins[i];
        }
    }
    return NULL;
}

void pt_http_cors_take(struct pt_http_request *request, const struct pt_http_found *found)
{
    const struct pt_http_server *server = request->conn->loop->server;
    struct pt_span origin = {0};

    request->allow_origin = NULL;
    if (server->origin_count == 0 || found->is_admin) {
        return;
    }
    origin = pt_http_header(request, "Origin");
    if (origin.size) {
        request->allow_origin = find_origin(server, origin);
    }
}

size_t pt_http_cors_fields(const struct pt_http_request *request,
                           struct pt_http_header_out fields[PT_HTTP_CORS_FIELDS_MAX])
{
    size_t count = 0;

    if (request->conn->loop->server->origin_count == 0) {
        return 0;
    }
    /* Without an Origin too: a cache must not give that answer to a page (Fetch 3.2.6). */
    fields[count++] = (struct pt_http_header_out){"Vary", "Origin"};
    if (request->allow_origin) {
        fields[count++] =
            (struct pt_http_header_out){"Access-Control-Allow-Origin", request->allow_origin};
        fields[count++] = (struct pt_http_header_out){"Access-Control-Expose-Headers",
                                                      "Date, ETag, Retry-After, traceresponse"};
    }
    return count;
}

static bool is_preflight(const struct pt_http_request *request, const struct pt_http_found *found)
{
    return found->status == 405 && !found->is_admin &&
           request->conn->loop->server->origin_count > 0 &&
           pt_span_is(request->method, "OPTIONS") && pt_http_header(request, "Origin").size > 0 &&
           pt_http_header(request, "Access-Control-Request-Method").size > 0;
}

void pt_http_answer_unrouted(struct pt_http_request *request, const struct pt_http_found *found)
{
    const struct pt_http_header_out allow = {"Allow", found->allow};
    const struct pt_http_header_out preflight[] = {
        {"Access-Control-Allow-Methods", found->allow},
        {"Access-Control-Allow-Headers", allowed_headers},
        {"Access-Control-Max-Age", "7200"},
    };

    if (found->status == 404) {
        pt_http_answer_write_error(request, 404, "not_found", "there is nothing at this address",
                                   NULL, 0);
    } else if (!is_preflight(request, found)) {
        pt_http_answer_write_error(request, 405, "method_not_allowed",
                                   "this address does not take that method", &allow, 1);
    } else if (!request->allow_origin) {
        pt_http_answer_write_error(request, 403, "origin_not_allowed",
                                   "server.cors_origins does not name this page's origin", NULL, 0);
    } else {
        pt_http_answer_write(request, 204, NULL, (struct pt_span){0}, preflight,
                             sizeof(preflight) / sizeof(preflight[0]));
    }
}
