/*
 * route.c - which handler a method and a path belong to
 *
 * The longest path that matches decides, then the method; an exact path goes before a
 * prefix of its length. A walk over the table: a server has some forty routes.
 */
#include "http/loop.h"

static bool path_matches(const struct pt_http_route *route, struct pt_span path)
{
    if (route->is_prefix ? path.size < route->path_bytes : path.size != route->path_bytes) {
        return false;
    }
    return memcmp(path.data, route->path, route->path_bytes) == 0;
}

static bool is_better(const struct pt_http_route *route, const struct pt_http_route *best)
{
    if (route->path_bytes != best->path_bytes) {
        return route->path_bytes > best->path_bytes;
    }
    return !route->is_prefix && best->is_prefix;
}

static bool is_same_path(const struct pt_http_route *a, const struct pt_http_route *b)
{
    return a->is_prefix == b->is_prefix && a->path_bytes == b->path_bytes &&
           memcmp(a->path, b->path, a->path_bytes) == 0;
}

static bool is_method(const struct pt_http_route *route, struct pt_span method)
{
    return pt_span_is(method, route->method) ||
           (pt_span_is(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

static void list_methods(const struct pt_http_server *server, bool shows_admin,
                         const struct pt_http_route *best, char *allow_out, size_t allow_bytes)
{
    size_t used = 0;

    allow_out[0] = '\0';
    for (size_t i = 0; i < server->route_count; i++) {
        const struct pt_http_route *route = &server->routes[i];

        if ((shows_admin || !route->is_admin) && is_same_path(route, best) && used < allow_bytes) {
            int n = snprintf(allow_out + used, allow_bytes - used, "%s%s%s", used ? ", " : "",
                             route->method, strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
            used += n > 0 ? (size_t)n : 0;
        }
    }
}

void pt_http_route_find(const struct pt_http_server *server, bool shows_admin,
                        struct pt_span method, struct pt_span path, struct pt_http_found *found)
{
    const struct pt_http_route *best = NULL;

    found->route = NULL;
    for (size_t i = 0; i < server->route_count; i++) {
        const struct pt_http_route *route = &server->routes[i];

        if ((shows_admin || !route->is_admin) && path_matches(route, path) &&
            (!best || is_better(route, best))) {
            best = route;
        }
    }
    for (size_t i = 0; best && i < server->route_count; i++) {
        const struct pt_http_route *route = &server->routes[i];

        /* A route of HEAD's own goes before GET's. */
        if ((shows_admin || !route->is_admin) && is_same_path(route, best) &&
            is_method(route, method) && (!found->route || pt_span_is(method, route->method))) {
            found->route = route;
        }
    }
    found->is_admin = best && (found->route ? found->route->is_admin : best->is_admin);
    found->status = best ? 405 : 404;
    if (best && !found->route) {
        list_methods(server, shows_admin, best, found->allow, sizeof(found->allow));
    }
}

static enum pt_code add_route(struct pt_http_server *server, bool is_admin, const char *method,
                              const char *path, uint32_t body_bytes_max, pt_http_handler *handler,
                              void *ctx, struct pt_error *err)
{
    size_t path_bytes = strlen(path);
    struct pt_http_route route = {.handler = handler, .ctx = ctx, .is_admin = is_admin};
    struct pt_http_route *routes = NULL;

    pt_assert(!server->is_started);
    if (path[0] != '/' || method[0] == '\0') {
        return pt_fail(err, PT_INVALID, "route %s %s: a path starts with '/'", method, path);
    }
    route.is_prefix = path_bytes >= 2 && strcmp(path + path_bytes - 2, "/*") == 0;
    route.path_bytes = path_bytes - (route.is_prefix ? 1 : 0);
    route.body_bytes_max = body_bytes_max < server->limits.body_bytes_max
                               ? body_bytes_max
                               : server->limits.body_bytes_max;
    route.method = pt_strdup(method);
    route.path = pt_strndup(path, route.path_bytes);
    routes = pt_realloc(server->routes, (server->route_count + 1) * sizeof(*routes));
    if (routes) {
        server->routes = routes;
    }
    if (!routes || !route.method || !route.path) {
        pt_free(route.method);
        pt_free(route.path);
        return pt_fail(err, PT_NO_MEMORY, "route %s %s", method, path);
    }
    for (size_t i = 0; i < server->route_count; i++) {
        if (is_same_path(&routes[i], &route) && strcmp(routes[i].method, method) == 0) {
            pt_free(route.method);
            pt_free(route.path);
            return pt_fail(err, PT_INVALID, "route %s %s is there already", method, path);
        }
    }
    routes[server->route_count++] = route;
    return PT_OK;
}

enum pt_code pt_http_route(struct pt_http_server *server, const char *method, const char *path,
                           uint32_t body_bytes_max, pt_http_handler *handler, void *ctx,
                           struct pt_error *err)
{
    return add_route(server, false, method, path, body_bytes_max, handler, ctx, err);
}

enum pt_code pt_http_route_admin(struct pt_http_server *server, const char *method,
                                 const char *path, uint32_t body_bytes_max,
                                 pt_http_handler *handler, void *ctx, struct pt_error *err)
{
    return add_route(server, true, method, path, body_bytes_max, handler, ctx, err);
}
