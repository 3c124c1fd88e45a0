/*
 * machine.c - a whole machine in memory: files, clock, randomness, and a server; no threads
 */
#include "machine.h"

#include "platform/aes_gcm.h"
#include "platform/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void machine_check_failed(const char *condition, const char *file, int line)
{
    printf("%s:%d: error: not so: %s\n", file, line, condition);
    fflush(stdout);
    exit(1);
}

/* ---- clock, randomness, memory ---- */

static int64_t wall_us(void *ctx)
{
    return ((struct machine *)ctx)->wall_us;
}

static int64_t mono_us(void *ctx)
{
    return ((struct machine *)ctx)->mono_us;
}

void machine_advance_ms(struct machine *m, int64_t ms)
{
    m->wall_us += ms * 1000;
    m->mono_us += ms * 1000;
}

static void sleep_ms(void *ctx, uint32_t ms)
{
    struct machine *m = ctx;

    m->slept_ms += ms;
    machine_advance_ms(m, ms);
}

/* A generator of xorshift's family: good enough for ids that only must differ. */
static int random_bytes(void *ctx, void *buffer, size_t bytes)
{
    struct machine *m = ctx;
    unsigned char *to = buffer;

    for (size_t i = 0; i < bytes; i++) {
        m->random_state ^= m->random_state << 13;
        m->random_state ^= m->random_state >> 7;
        m->random_state ^= m->random_state << 17;
        to[i] = (unsigned char)(m->random_state >> 32);
    }
    return 0;
}

static void *alloc(void *ctx, size_t bytes)
{
    struct machine *m = ctx;

    for (size_t i = 0; i < MACHINE_BLOCKS_MAX; i++) {
        if (!m->blocks[i]) {
            m->blocks[i] = malloc(bytes);
            MACHINE_CHECK(m->blocks[i] != NULL);
            memset(m->blocks[i], 0xa5, bytes); /* nobody may count on zeros */
            m->block_bytes += bytes;
            return m->blocks[i];
        }
    }
    return NULL;
}

static void release(void *ctx, void *memory)
{
    struct machine *m = ctx;
    bool is_known = !memory;

    for (size_t i = 0; i < MACHINE_BLOCKS_MAX && !is_known; i++) {
        if (m->blocks[i] == memory) {
            m->blocks[i] = NULL;
            is_known = true;
        }
    }
    MACHINE_CHECK(is_known);
    free(memory);
}

/* ---- files ---- */

/* False: the call fails. */
static bool may_change(struct machine *m)
{
    return ++m->file_calls != m->fail_call;
}

static struct machine_file *find_path(struct machine *m, const char *path)
{
    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        if (!m->files[i].is_removed && strcmp(m->files[i].path, path) == 0) {
            return &m->files[i];
        }
    }
    return NULL;
}

static void forget(struct machine_file *file)
{
    if (file->handles > 0) {
        file->is_removed = true;
        return;
    }
    free(file->data);
    memset(file, 0, sizeof(*file));
}

struct machine_file *machine_find(struct machine *m, const char *name)
{
    char path[MACHINE_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "save/%s", name);
    return find_path(m, path);
}

unsigned machine_count_files(struct machine *m, const char *prefix)
{
    unsigned count = 0;

    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        count += m->files[i].path[0] && !m->files[i].is_removed &&
                 strncmp(m->files[i].path + 5, prefix, strlen(prefix)) == 0;
    }
    return count;
}

static int dir_create(void *ctx, const char *path)
{
    (void)ctx;
    return path[0] ? 0 : -1;
}

static int dir_list(void *ctx, const char *path, void (*each)(void *arg, const char *name),
                    void *arg)
{
    struct machine *m = ctx;
    size_t bytes = strlen(path);

    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        struct machine_file *file = &m->files[i];

        if (!file->is_removed && strncmp(file->path, path, bytes) == 0 &&
            file->path[bytes] == '/') {
            char name[MACHINE_PATH_BYTES];

            (void)snprintf(name, sizeof(name), "%s", file->path + bytes + 1);
            each(arg, name); /* may remove the file */
        }
    }
    return 0;
}

static int dir_lock(void *ctx, const char *path, void **lock_out)
{
    struct machine *m = ctx;

    (void)path;
    *lock_out = NULL;
    if (m->is_locked) {
        return 1;
    }
    m->is_locked = true;
    *lock_out = m;
    return 0;
}

static void dir_unlock(void *ctx, void *lock)
{
    MACHINE_CHECK(lock == ctx);
    ((struct machine *)ctx)->is_locked = false;
}

static int file_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    struct machine *m = ctx;
    struct machine_file *file = find_path(m, path);

    *file_out = NULL;
    if (mode != PLAYTRACE_FILE_READ && !may_change(m)) {
        return -1;
    }
    if (!file && mode == PLAYTRACE_FILE_READ) {
        return -1;
    }
    for (size_t i = 0; i < MACHINE_FILES_MAX && !file; i++) {
        if (!m->files[i].path[0]) {
            file = &m->files[i];
            (void)snprintf(file->path, sizeof(file->path), "%s", path);
        }
    }
    MACHINE_CHECK(file != NULL);
    if (mode == PLAYTRACE_FILE_REPLACE) {
        file->bytes = 0;
    }
    file->handles++;
    *file_out = file;
    return 0;
}

static int64_t file_size(void *ctx, void *handle)
{
    (void)ctx;
    return (int64_t)((struct machine_file *)handle)->bytes;
}

static int file_append(void *ctx, void *handle, const void *data, size_t bytes)
{
    struct machine_file *file = handle;
    bool is_whole = may_change(ctx);

    if (!is_whole) {
        bytes /= 2;
    }
    if (file->bytes + bytes > file->capacity) {
        file->capacity = (file->bytes + bytes) * 2;
        file->data = realloc(file->data, file->capacity);
        MACHINE_CHECK(file->data != NULL);
    }
    if (bytes > 0) {
        memcpy(file->data + file->bytes, data, bytes);
    }
    file->bytes += bytes;
    return is_whole ? 0 : -1;
}

static int64_t file_read(void *ctx, void *handle, uint64_t offset, void *buffer, size_t bytes)
{
    struct machine_file *file = handle;

    (void)ctx;
    if (offset >= file->bytes) {
        return 0;
    }
    if (bytes > file->bytes - offset) {
        bytes = (size_t)(file->bytes - offset);
    }
    memcpy(buffer, file->data + offset, bytes);
    return (int64_t)bytes;
}

static int file_truncate(void *ctx, void *handle, uint64_t bytes)
{
    struct machine_file *file = handle;

    if (!may_change(ctx) || bytes > file->bytes) {
        return -1;
    }
    file->bytes = (size_t)bytes;
    return 0;
}

static int file_sync(void *ctx, void *handle)
{
    (void)handle;
    return may_change(ctx) ? 0 : -1;
}

static void file_close(void *ctx, void *handle)
{
    struct machine_file *file = handle;

    (void)ctx;
    MACHINE_CHECK(file->handles > 0);
    file->handles--;
    if (file->is_removed && file->handles == 0) {
        forget(file);
    }
}

static int file_remove(void *ctx, const char *path)
{
    struct machine_file *file = find_path(ctx, path);

    if (!may_change(ctx)) {
        return -1;
    }
    if (file) {
        forget(file);
    }
    return 0;
}

static int file_rename(void *ctx, const char *from, const char *to)
{
    struct machine_file *file = find_path(ctx, from);
    struct machine_file *before = find_path(ctx, to);

    if (!file || !may_change(ctx)) {
        return -1;
    }
    if (before) {
        forget(before);
    }
    (void)snprintf(file->path, sizeof(file->path), "%s", to);
    return 0;
}

/* ---- the server ---- */

void machine_reply(struct playtrace_http_response *response, int status, const char *body)
{
    size_t bytes = strlen(body);

    MACHINE_CHECK(bytes <= response->body_bytes_max);
    memcpy(response->body, body, bytes);
    response->body_bytes = bytes;
    response->status = status;
}

/* The client's own text, so this need not be a parser: an event starts with {"event_id":" and no
 * string can hold that without backslashes. */
static const char *next_event(const char *from)
{
    return strstr(from, "{\"event_id\":\"");
}

static void copy_text(const char *event, const char *key, char *out, size_t out_bytes)
{
    const char *from = strstr(event, key);
    const char *to = NULL;

    MACHINE_CHECK(from != NULL);
    from += strlen(key);
    to = strchr(from, '"');
    MACHINE_CHECK(to && (size_t)(to - from) < out_bytes);
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
}

static void take_event(struct machine *m, const char *event)
{
    struct machine_taken *taken = &m->taken[m->taken_count];
    const char *seq = strstr(event, "\"seq\":");

    MACHINE_CHECK(seq && m->taken_count < MACHINE_TAKEN_MAX);
    memset(taken, 0, sizeof(*taken));
    copy_text(event, "{\"event_id\":\"", taken->event_id, sizeof(taken->event_id));
    copy_text(event, "\"event_name\":\"", taken->name, sizeof(taken->name));
    taken->seq = strtol(seq + 6, NULL, 10);
    taken->times = 1;
    for (size_t i = m->taken_count; i > 0; i--) {
        if (strcmp(m->taken[i - 1].event_id, taken->event_id) == 0) {
            m->taken[i - 1].times++;
            return;
        }
    }
    m->taken_count++;
}

static void serve(struct machine *m, const struct playtrace_http_request *request,
                  struct playtrace_http_response *response)
{
    unsigned events = 0;
    char receipt[64];

    MACHINE_CHECK(request->body_bytes < sizeof(m->body));
    if (request->body_bytes > 0) {
        memcpy(m->body, request->body, request->body_bytes);
    }
    m->body_bytes = request->body_bytes;
    m->body[m->body_bytes] = '\0';
    (void)snprintf(m->url, sizeof(m->url), "%s", request->url);
    m->headers[0] = '\0';
    for (size_t i = 0; i < request->header_count; i++) {
        size_t used = strlen(m->headers);

        (void)snprintf(m->headers + used, sizeof(m->headers) - used, "%s\n", request->headers[i]);
    }
    m->requests++;
    for (const char *at = next_event(m->body); at; at = next_event(at + 1)) {
        events++;
    }
    if (m->answer && m->answer(m, m->body, events, response)) {
        return;
    }
    for (const char *at = next_event(m->body); at; at = next_event(at + 1)) {
        take_event(m, at);
    }
    (void)snprintf(receipt, sizeof(receipt), "{\"accepted\":%u,\"rejected\":[]}", events);
    machine_reply(response, 202, receipt);
}

static void http_post(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response)
{
    serve(http, request, response);
}

static int http_start(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response)
{
    struct machine *m = http;

    MACHINE_CHECK(!m->request && !m->sent);
    m->request = request;
    m->response = response;
    m->polls_left = m->polls_each;
    m->sent = malloc(request->body_bytes + 1);
    MACHINE_CHECK(m->sent != NULL);
    if (request->body_bytes > 0) {
        memcpy(m->sent, request->body, request->body_bytes);
    }
    return 0;
}

static void end_request(struct machine *m)
{
    free(m->sent);
    m->sent = NULL;
    m->request = NULL;
    m->response = NULL;
}

static bool http_is_done(void *http)
{
    struct machine *m = http;

    MACHINE_CHECK(m->request != NULL);
    if (m->polls_left > 0) {
        m->polls_left--;
        return false;
    }
    /* The request stayed in place, byte for byte. */
    MACHINE_CHECK(m->request->body_bytes == 0 ||
                  memcmp(m->sent, m->request->body, m->request->body_bytes) == 0);
    serve(m, m->request, m->response);
    end_request(m);
    return true;
}

static void http_cancel(void *http)
{
    struct machine *m = http;

    MACHINE_CHECK(m->request != NULL);
    m->cancelled++;
    end_request(m);
}

void machine_be_asynchronous(struct machine *m, unsigned polls_each)
{
    m->platform.http_post = NULL;
    m->platform.http_start = http_start;
    m->platform.http_is_done = http_is_done;
    m->platform.http_cancel = http_cancel;
    m->polls_each = polls_each;
}

/* ---- life ---- */

struct machine *machine_create(void)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct playtrace_platform *platform = NULL;

    MACHINE_CHECK(m != NULL);
    platform = &m->platform;
    m->wall_us = INT64_C(1793534400000000); /* 2026-11-01T12:00:00Z */
    m->mono_us = INT64_C(1) << 33;          /* more than 32 bits hold */
    m->random_state = UINT64_C(88172645463325252);
    platform->clock_ctx = m;
    platform->wall_us = wall_us;
    platform->mono_us = mono_us;
    platform->random = random_bytes;
    platform->sleep_ms = sleep_ms;
    platform->memory_ctx = m;
    platform->alloc = alloc;
    platform->release = release;
    platform->file_ctx = m;
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
    platform->hmac_sha256 = pt_client_hmac_sha256;
    platform->seal = pt_client_aes_gcm_seal;
    platform->unseal = pt_client_aes_gcm_unseal;
    platform->http_ctx = m;
    platform->http_post = http_post;
    return m;
}

struct playtrace_options machine_options(struct machine *m)
{
    struct playtrace_options options;

    playtrace_options_init(&options);
    options.url = "http://127.0.0.1:1/";
    options.queue_dir = "save";
    options.user_id = "player";
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.without_worker = true;
    options.report_health = false; /* the tests count events and requests */
    options.flags_enabled = false;
    options.platform_table = &m->platform;
    return options;
}

struct playtrace *machine_open(struct machine *m)
{
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;

    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    return p;
}

void machine_kill(struct machine *m)
{
    for (size_t i = 0; i < MACHINE_BLOCKS_MAX; i++) {
        free(m->blocks[i]);
        m->blocks[i] = NULL;
    }
    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        m->files[i].handles = 0;
        if (m->files[i].is_removed) {
            forget(&m->files[i]);
        }
    }
    m->is_locked = false;
    end_request(m);
}

void machine_destroy(struct machine *m)
{
    MACHINE_CHECK(!m->request); /* else its storage is gone while it is on its way */
    for (size_t i = 0; i < MACHINE_BLOCKS_MAX; i++) {
        MACHINE_CHECK(m->blocks[i] == NULL); /* else the client leaks */
    }
    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        MACHINE_CHECK(m->files[i].handles == 0);
        free(m->files[i].data);
    }
    free(m);
}

/* ---- what the tests do with it ---- */

void machine_track(struct playtrace *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        MACHINE_CHECK(playtrace_track(p, "tick", "{\"n\":1,\"text\":\"\\u00e9 {\\\"\"}") ==
                      PLAYTRACE_OK);
    }
}

void machine_check_balance(struct playtrace *p)
{
    struct playtrace_stats s;

    playtrace_stats(p, &s);
    MACHINE_CHECK(s.tracked + s.recovered == s.queued + s.delivered + s.refused + s.unreadable +
                                                 s.dropped_budget + s.dropped_evicted +
                                                 s.dropped_age + s.withdrawn);
}

void machine_deliver(struct machine *m, struct playtrace *p)
{
    for (unsigned i = 0; i < 100000; i++) {
        if (playtrace_pump(p) == PLAYTRACE_OK) {
            machine_check_balance(p);
            return;
        }
        machine_advance_ms(m, 1000);
    }
    machine_check_failed("everything is delivered", __FILE__, __LINE__);
}

unsigned machine_count_taken(struct machine *m, const char *name, unsigned times_max)
{
    unsigned count = 0;

    for (size_t i = 0; i < m->taken_count; i++) {
        MACHINE_CHECK(m->taken[i].times <= times_max);
        count += strcmp(m->taken[i].name, name) == 0;
    }
    return count;
}

void machine_run(const struct machine_test *tests, size_t count)
{
    printf("%u bits\n", (unsigned)sizeof(void *) * 8);
    for (size_t i = 0; i < count; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        tests[i].run();
        printf("[       OK ] %s\n", tests[i].name);
    }
}
