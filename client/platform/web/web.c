/*
 * web.c - the platform table of a browser, in front of playtrace.jslib
 *
 * What JavaScript does stands here as functions of integers and pointers, so that this file is
 * plain C99 and any compiler reads it. A handle is a small number in the place of a pointer.
 */
#include "platform/web/playtrace_web.h"

#include "platform/aes_gcm.h"
#include "platform/sha256.h"

#include <stdlib.h>
#include <string.h>

/* ---- what playtrace.jslib has ---- */

extern void playtrace_js_load(const char *dir);
extern int playtrace_js_load_state(const char *dir);
extern int playtrace_js_is_stored(const char *dir);
extern int playtrace_js_dir_is_there(const char *dir);
extern int playtrace_js_dir_lock(const char *dir);
extern void playtrace_js_dir_unlock(int lock);
extern int playtrace_js_list(const char *dir); /* takes the names down; their count or -1 */
extern void playtrace_js_list_name(int index, char *name_out, int name_bytes);
extern int playtrace_js_file_open(const char *path, int mode);
extern double playtrace_js_file_size(int file);
extern int playtrace_js_file_append(int file, const void *data, int bytes);
extern int playtrace_js_file_read(int file, double offset, void *buffer, int bytes);
extern int playtrace_js_file_truncate(int file, double bytes);
extern int playtrace_js_file_sync(int file);
extern void playtrace_js_file_close(int file);
extern int playtrace_js_file_rename(const char *from, const char *to);
extern int playtrace_js_file_remove(const char *path);
extern double playtrace_js_wall_ms(void);
extern double playtrace_js_mono_ms(void);
extern int playtrace_js_random(void *buffer, int bytes);
extern int playtrace_js_http_create(void);
extern void playtrace_js_http_destroy(int http);
extern int playtrace_js_http_start(int http, const char *method, const char *url,
                                   const char *const *headers, int header_count, const void *body,
                                   int body_bytes, int answer_bytes_max, double timeout_ms);
extern int playtrace_js_http_is_done(int http);
extern int playtrace_js_http_status(int http);
extern int playtrace_js_http_body(int http, char *out, int bytes_max); /* -1: longer than that */
extern void playtrace_js_http_header(int http, const char *name, char *out, int bytes);
extern void playtrace_js_http_cancel(int http);
extern void playtrace_js_watch(void (*on_hide)(void *client), void (*on_show)(void *client),
                               void *client);

static void *handle_of(int number)
{
    return (void *)(intptr_t)number;
}

static int number_of(void *handle)
{
    return (int)(intptr_t)handle;
}

/* ---- clock, randomness, memory ---- */

static int64_t wall_us(void *ctx)
{
    (void)ctx;
    return (int64_t)(playtrace_js_wall_ms() * 1000);
}

static int64_t mono_us(void *ctx)
{
    (void)ctx;
    return (int64_t)(playtrace_js_mono_ms() * 1000);
}

static int random_bytes(void *ctx, void *buffer, size_t bytes)
{
    (void)ctx;
    return playtrace_js_random(buffer, (int)bytes);
}

/* Nothing that is waited for comes while this thread waits. */
static void sleep_ms(void *ctx, uint32_t ms)
{
    (void)ctx;
    (void)ms;
}

static void *alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void release(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

/* ---- files ---- */

static int dir_create(void *ctx, const char *path)
{
    (void)ctx;
    return playtrace_js_dir_is_there(path) ? 0 : -1;
}

static int dir_list(void *ctx, const char *path, void (*each)(void *arg, const char *name),
                    void *arg)
{
    int count = playtrace_js_list(path);
    char name[256];

    (void)ctx;
    for (int i = 0; i < count; i++) {
        playtrace_js_list_name(i, name, (int)sizeof(name));
        each(arg, name);
    }
    return count < 0 ? -1 : 0;
}

static int dir_lock(void *ctx, const char *path, void **lock_out)
{
    int lock = playtrace_js_dir_lock(path);

    (void)ctx;
    *lock_out = lock > 0 ? handle_of(lock) : NULL;
    if (lock > 0) {
        return 0;
    }
    return lock == 0 ? 1 : -1;
}

static void dir_unlock(void *ctx, void *lock)
{
    (void)ctx;
    playtrace_js_dir_unlock(number_of(lock));
}

static int file_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    int file = playtrace_js_file_open(path, (int)mode);

    (void)ctx;
    *file_out = file > 0 ? handle_of(file) : NULL;
    return file > 0 ? 0 : -1;
}

static int64_t file_size(void *ctx, void *file)
{
    (void)ctx;
    return (int64_t)playtrace_js_file_size(number_of(file));
}

static int file_append(void *ctx, void *file, const void *data, size_t bytes)
{
    (void)ctx;
    return playtrace_js_file_append(number_of(file), data, (int)bytes);
}

static int64_t file_read(void *ctx, void *file, uint64_t offset, void *buffer, size_t bytes)
{
    (void)ctx;
    return playtrace_js_file_read(number_of(file), (double)offset, buffer, (int)bytes);
}

static int file_truncate(void *ctx, void *file, uint64_t bytes)
{
    (void)ctx;
    return playtrace_js_file_truncate(number_of(file), (double)bytes);
}

static int file_sync(void *ctx, void *file)
{
    (void)ctx;
    return playtrace_js_file_sync(number_of(file));
}

static void file_close(void *ctx, void *file)
{
    (void)ctx;
    playtrace_js_file_close(number_of(file));
}

static int file_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return playtrace_js_file_rename(from, to);
}

static int file_remove(void *ctx, const char *path)
{
    (void)ctx;
    return playtrace_js_file_remove(path);
}

/* ---- HTTP ---- */

struct transport {
    int number;
    struct playtrace_http_response *response; /* of the request on its way */
};

static void *http_create(void *ctx)
{
    struct transport *transport = calloc(1, sizeof(*transport));

    (void)ctx;
    if (transport) {
        transport->number = playtrace_js_http_create();
    }
    return transport;
}

static void http_destroy(void *http)
{
    struct transport *transport = http;

    if (transport) {
        playtrace_js_http_destroy(transport->number);
        free(transport);
    }
}

static int http_start(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response)
{
    struct transport *transport = http;

    if (request->on_body) {
        return -1; /* answers that never end are for platforms with threads */
    }
    transport->response = response;
    return playtrace_js_http_start(transport->number, request->method ? request->method : "POST",
                                   request->url, request->headers, (int)request->header_count,
                                   request->body, (int)request->body_bytes,
                                   (int)response->body_bytes_max, (double)request->timeout_ms);
}

static bool http_is_done(void *http)
{
    struct transport *transport = http;
    struct playtrace_http_response *response = transport->response;
    int number = transport->number;
    int bytes = 0;

    if (!playtrace_js_http_is_done(number)) {
        return false;
    }
    transport->response = NULL;
    response->status = playtrace_js_http_status(number);
    bytes = playtrace_js_http_body(number, response->body, (int)response->body_bytes_max);
    response->is_truncated = bytes < 0;
    response->body_bytes = bytes < 0 ? response->body_bytes_max : (size_t)bytes;
    playtrace_js_http_header(number, "Retry-After", response->retry_after,
                             (int)sizeof(response->retry_after));
    playtrace_js_http_header(number, "ETag", response->etag, (int)sizeof(response->etag));
    playtrace_js_http_header(number, "Content-Type", response->content_type,
                             (int)sizeof(response->content_type));
    playtrace_js_http_header(number, "traceresponse", response->traceresponse,
                             (int)sizeof(response->traceresponse));
    playtrace_js_http_header(number, "Date", response->date, (int)sizeof(response->date));
    return true;
}

static void http_cancel(void *http)
{
    struct transport *transport = http;

    transport->response = NULL;
    playtrace_js_http_cancel(transport->number);
}

/* ---- the page's life ---- */

static void on_hide(void *client)
{
    (void)playtrace_pause(client); /* the ring is written, and a send is due */
    (void)playtrace_pump(client);
}

static void on_show(void *client)
{
    (void)playtrace_resume(client);
    (void)playtrace_pump(client);
}

void playtrace_web_watch(struct playtrace *p)
{
    playtrace_js_watch(on_hide, on_show, p);
}

void playtrace_web_load(const char *dir)
{
    playtrace_js_load(dir);
}

enum playtrace_web_state playtrace_web_load_state(const char *dir)
{
    return (enum playtrace_web_state)playtrace_js_load_state(dir);
}

bool playtrace_web_is_stored(const char *dir)
{
    return playtrace_js_is_stored(dir) != 0;
}

void playtrace_platform_web_init(struct playtrace_platform *platform)
{
    memset(platform, 0, sizeof(*platform));
    platform->wall_us = wall_us;
    platform->mono_us = mono_us;
    platform->random = random_bytes;
    platform->sleep_ms = sleep_ms;
    platform->alloc = alloc;
    platform->release = release;
    platform->dir_create = dir_create;
    platform->dir_list = dir_list;
    platform->dir_lock = dir_lock;
    platform->dir_unlock = dir_unlock;
    platform->file_open = file_open;
    platform->file_size = file_size;
    platform->file_append = file_append;
    platform->file_read = file_read;
    platform->file_truncate = file_truncate;
    platform->file_sync = file_sync;
    platform->file_close = file_close;
    platform->file_rename = file_rename;
    platform->file_remove = file_remove;
    platform->http_create = http_create;
    platform->http_destroy = http_destroy;
    platform->http_start = http_start;
    platform->http_is_done = http_is_done;
    platform->http_cancel = http_cancel;
    platform->hmac_sha256 = pt_client_hmac_sha256;
    platform->seal = pt_client_aes_gcm_seal;
    platform->unseal = pt_client_aes_gcm_unseal;
}

/* The default table of this build. */
void playtrace_platform_posix_init(struct playtrace_platform *platform)
{
    playtrace_platform_web_init(platform);
}
