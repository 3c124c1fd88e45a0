/*
 * registry_http.c - the registry's routes, under /registry
 *
 * What only looks something up is answered on the loop thread, from that thread's reader. What
 * changes something or compares schemas goes, whole, to one thread of the API's own: jobs are done
 * in the order in which they came, and the loop threads wait for no disk and no comparison. The
 * queue is bounded; over it a request gets 503 with Retry-After.
 */
#include "schema/registry_request.h"

#include <pthread.h>

#define PREFIX "/registry/"
#define CONTENT_TYPE "application/vnd.schemaregistry.v1+json"
#define QUEUE_MAX 64

struct job {
    struct job *next;
    struct pt_http_request *request;
};

struct pt_registry_api {
    struct pt_keys *keys;        /* NULL: loopback peers alone */
    struct registry_desk *desks; /* one a loop thread */
    uint32_t desk_count;
    struct registry_desk worker; /* the thread's */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first; /* guarded by lock */
    struct job *last;
    uint32_t waiting;
    bool is_stopping;
};

static void respond(struct registry_desk *desk, struct pt_http_request *request)
{
    static const char none[] = "{\"error_code\":50001,\"message\":\"no memory for the answer\"}";
    const struct pt_http_header_out retry = {"Retry-After", "1"};

    if (desk->answer.has_failed) {
        pt_http_respond(request, 500, CONTENT_TYPE, pt_span_of(none, sizeof(none) - 1), NULL, 0);
    } else {
        pt_http_respond(request, desk->status, CONTENT_TYPE, pt_buf_span(&desk->answer), &retry,
                        desk->status == 503 ? 1 : 0);
    }
}

/* False: the request was answered. */
static bool admit(struct pt_registry_api *api, struct registry_desk *desk,
                  struct pt_http_request *request)
{
    if (api->keys) {
        return pt_keys_admit(api->keys, request, PT_SCOPE_REGISTRY);
    }
    if (pt_http_peer_is_loopback(request)) {
        return true;
    }
    registry_fail(desk, 40301, "the registry is open to this machine alone");
    respond(desk, request);
    return false;
}

static void answer(struct registry_desk *desk, struct pt_http_request *request)
{
    registry_answer(desk, pt_http_method(request), pt_http_path_rest(request),
                    pt_http_query(request), pt_http_body(request));
    respond(desk, request);
}

static void handle_get(void *ctx, struct pt_http_request *request)
{
    struct pt_registry_api *api = ctx;
    struct registry_desk *desk = &api->desks[pt_http_loop_index(request)];

    if (admit(api, desk, request)) {
        answer(desk, request);
    }
}

static void *run(void *ctx)
{
    struct pt_registry_api *api = ctx;

    pthread_mutex_lock(&api->lock);
    while (!api->is_stopping) {
        struct job *job = api->first;

        if (!job) {
            pthread_cond_wait(&api->wake, &api->lock);
            continue;
        }
        api->first = job->next;
        api->last = api->first ? api->last : NULL;
        api->waiting--;
        pthread_mutex_unlock(&api->lock);
        answer(&api->worker, job->request);
        pt_free(job);
        pthread_mutex_lock(&api->lock);
    }
    pthread_mutex_unlock(&api->lock);
    return NULL;
}

/* The request's own storage stays until it is answered, so that nothing is copied. */
static void handle_work(void *ctx, struct pt_http_request *request)
{
    struct pt_registry_api *api = ctx;
    struct registry_desk *desk = &api->desks[pt_http_loop_index(request)];
    struct job *job = NULL;
    bool is_taken = false;

    if (!admit(api, desk, request)) {
        return;
    }
    job = pt_alloc_zero(sizeof(*job));
    pthread_mutex_lock(&api->lock);
    if (job && api->waiting < QUEUE_MAX && !api->is_stopping) {
        job->request = request;
        if (api->last) {
            api->last->next = job;
        } else {
            api->first = job;
        }
        api->last = job;
        api->waiting++;
        is_taken = true;
        pthread_cond_signal(&api->wake);
    }
    pthread_mutex_unlock(&api->lock);
    if (!is_taken) {
        pt_free(job);
        registry_fail(desk, 50301, "the registry has %u requests waiting: try again", QUEUE_MAX);
        respond(desk, request);
    }
}

/* ---- open and close
 * --------------------------------------------------------------------------------- */

static enum pt_code add_routes(struct pt_registry_api *api, struct pt_http_server *server,
                               struct pt_error *err)
{
    static const struct {
        const char *method;
        uint32_t body_bytes_max;
        pt_http_handler *handler;
    } routes[] = {
        {"GET", 0, handle_get},
        {"POST", REGISTRY_BODY_BYTES_MAX, handle_work},
        {"PUT", 65536, handle_work},
        {"DELETE", 65536, handle_work},
    };

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        enum pt_code code =
            pt_http_route_admin(server, routes[i].method, PREFIX "*", routes[i].body_bytes_max,
                                routes[i].handler, api, err);

        if (code) {
            return code;
        }
    }
    return PT_OK;
}

enum pt_code pt_registry_routes(struct pt_registry_api **api_out, struct pt_http_server *server,
                                struct pt_registry *registry, struct pt_keys *keys,
                                uint32_t loop_threads, struct pt_error *err)
{
    struct pt_registry_api *api = pt_alloc_zero(sizeof(*api));
    enum pt_code code = PT_OK;
    int errnum = 0;

    *api_out = NULL;
    if (!api) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the registry's routes");
    }
    api->keys = keys;
    pthread_mutex_init(&api->lock, NULL);
    pthread_cond_init(&api->wake, NULL);
    api->desks = pt_alloc_zero(loop_threads * sizeof(*api->desks));
    if (!api->desks || !registry_desk_open(&api->worker, registry)) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the registry's routes");
        goto out;
    }
    for (; api->desk_count < loop_threads; api->desk_count++) {
        if (!registry_desk_open(&api->desks[api->desk_count], registry)) {
            registry_desk_close(&api->desks[api->desk_count]);
            code = pt_fail(err, PT_NO_MEMORY, "no memory for the registry's routes");
            goto out;
        }
    }
    code = add_routes(api, server, err);
    if (code) {
        goto out;
    }
    errnum = pthread_create(&api->thread, NULL, run, api);
    if (errnum) {
        code = pt_fail_errno(err, errnum, "start the registry's thread");
        goto out;
    }
    api->has_thread = true;
    *api_out = api;
    api = NULL;

out:
    pt_registry_api_close(api);
    return code;
}

void pt_registry_api_stop(struct pt_registry_api *api)
{
    if (!api || !api->has_thread) {
        return;
    }
    pthread_mutex_lock(&api->lock);
    api->is_stopping = true;
    pthread_cond_signal(&api->wake);
    pthread_mutex_unlock(&api->lock);
    pthread_join(api->thread, NULL);
    api->has_thread = false;
    while (api->first) {
        struct job *job = api->first;

        api->first = job->next;
        registry_fail(&api->worker, 50301, "the server is stopping");
        respond(&api->worker, job->request);
        pt_free(job);
    }
    api->last = NULL;
}

void pt_registry_api_close(struct pt_registry_api *api)
{
    if (!api) {
        return;
    }
    pt_registry_api_stop(api);
    for (uint32_t i = 0; i < api->desk_count; i++) {
        registry_desk_close(&api->desks[i]);
    }
    registry_desk_close(&api->worker);
    pt_free(api->desks);
    pthread_mutex_destroy(&api->lock);
    pthread_cond_destroy(&api->wake);
    pt_free(api);
}
