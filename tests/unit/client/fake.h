/*
 * fake.h - a clock that moves only when told, a server in memory, and files that die
 *
 * struct fake holds the default platform table with clock, HTTP and (on demand) file functions
 * replaced. The server reads each body with base/json.h, an independent parser, and remembers
 * how often it took each event_id and in which order. One thread, but for http_post.
 */
#ifndef PT_TEST_CLIENT_FAKE_H
#define PT_TEST_CLIENT_FAKE_H

#include "check.h"
#include "playtrace.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FAKE_EVENTS_MAX 4096

struct fake_event {
    char event_id[PLAYTRACE_ID_TEXT_BYTES];
    char session_id[PLAYTRACE_ID_TEXT_BYTES];
    char install_id[PLAYTRACE_ID_TEXT_BYTES];
    char user_id[64];
    char name[PLAYTRACE_NAME_BYTES_MAX + 1];
    int64_t seq;
    int64_t boot;
    unsigned times; /* how often it was taken */
};

struct fake {
    struct playtrace_platform platform;
    struct playtrace_platform real;
    int64_t wall_us;
    int64_t mono_us;
    int64_t slept_ms;

    /* The server: answers the request itself where this returns true, else takes the events. */
    bool (*answer)(struct fake *fake, uint32_t events, struct playtrace_http_response *response);
    void *answer_arg;
    /* Any other request than POST /v1/events: 404 where this is NULL. */
    void (*other)(struct fake *fake, const struct playtrace_http_request *request,
                  struct playtrace_http_response *response);
    void *other_arg;
    /* As an asynchronous transport: how often it says that it is not done; -1: for ever. */
    int polls_before_answer;
    int polls_left;
    const struct playtrace_http_request *under_way;
    struct playtrace_http_response *answer_to;
    unsigned cancels;
    unsigned requests;
    uint32_t batch_sizes[FAKE_EVENTS_MAX];
    uint32_t refuse_each; /* > 0: the receipt refuses every Nth event of a batch */
    struct fake_event taken[FAKE_EVENTS_MAX];
    size_t taken_count;
    char *last_body; /* owned, NUL-terminated */

    /* Files: the Nth call that changes something fails, half done, and all after it. 0: never. */
    unsigned file_calls;
    unsigned file_calls_max;
    bool is_dead;
};

static inline int64_t fake_wall_us(void *ctx)
{
    return ((struct fake *)ctx)->wall_us;
}

static inline int64_t fake_mono_us(void *ctx)
{
    return ((struct fake *)ctx)->mono_us;
}

static inline void fake_advance_ms(struct fake *fake, int64_t ms)
{
    fake->wall_us += ms * 1000;
    fake->mono_us += ms * 1000;
}

static inline void fake_sleep_ms(void *ctx, uint32_t ms)
{
    struct fake *fake = ctx;

    fake->slept_ms += ms;
    fake_advance_ms(fake, ms);
}

static inline void fake_text(struct pt_json event, const char *key, char *out, size_t out_bytes)
{
    struct pt_span text = {0};

    PT_CHECK(pt_json_member_string(event, key, &text));
    PT_CHECK(text.size < out_bytes);
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

static inline void fake_take(struct fake *fake, struct pt_json value)
{
    struct fake_event event = {0};
    char text[64];

    fake_text(value, "event_id", event.event_id, sizeof(event.event_id));
    fake_text(value, "session_id", event.session_id, sizeof(event.session_id));
    fake_text(value, "install_id", event.install_id, sizeof(event.install_id));
    fake_text(value, "user_id", event.user_id, sizeof(event.user_id));
    fake_text(value, "event_name", event.name, sizeof(event.name));
    fake_text(value, "occurred_at", text, sizeof(text));
    PT_CHECK(pt_json_member_int(value, "seq", &event.seq));
    PT_CHECK(pt_json_member_int(value, "boot", &event.boot));
    for (size_t i = 0; i < fake->taken_count; i++) {
        if (strcmp(fake->taken[i].event_id, event.event_id) == 0) {
            fake->taken[i].times++;
            return;
        }
    }
    PT_CHECK(fake->taken_count < FAKE_EVENTS_MAX);
    event.times = 1;
    fake->taken[fake->taken_count++] = event;
}

static inline void fake_reply(struct playtrace_http_response *response, int status,
                              const char *body)
{
    size_t bytes = strlen(body);

    PT_CHECK(bytes <= response->body_bytes_max);
    memcpy(response->body, body, bytes);
    response->body_bytes = bytes;
    response->status = status;
}

/* The value of the request's header that begins with `name`, as "Name: "; NULL: it has none. */
static inline const char *fake_header(const struct playtrace_http_request *request,
                                      const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strncmp(request->headers[i], name, strlen(name)) == 0) {
            return request->headers[i] + strlen(name);
        }
    }
    return NULL;
}

/* The Date of an answer, by a server whose clock is `ahead_s` before the device's. */
static inline void fake_date(const struct fake *fake, int64_t ahead_s,
                             struct playtrace_http_response *response)
{
    time_t now = (time_t)(fake->wall_us / 1000000 + ahead_s);
    struct tm parts;

    PT_CHECK(gmtime_r(&now, &parts) != NULL);
    PT_CHECK(strftime(response->date, sizeof(response->date), "%a, %d %b %Y %H:%M:%S GMT", &parts) >
             0);
}

static inline void fake_receipt(struct playtrace_http_response *response, uint32_t accepted,
                                uint32_t rejected)
{
    char body[16384];
    int used = snprintf(body, sizeof(body), "{\"accepted\":%u,\"rejected\":[", (unsigned)accepted);

    for (uint32_t i = 0; i < rejected; i++) {
        used += snprintf(body + used, sizeof(body) - (size_t)used,
                         "%s{\"index\":%u,\"code\":\"invalid\",\"detail\":\"{[\\\"]}\"}",
                         i > 0 ? "," : "", (unsigned)i);
    }
    (void)snprintf(body + used, sizeof(body) - (size_t)used, "]}");
    fake_reply(response, 202, body);
}

/* An `answer`: not now. */
static inline bool fake_busy(struct fake *fake, uint32_t events,
                             struct playtrace_http_response *response)
{
    (void)fake;
    (void)events;
    fake_reply(response, 503, "{\"code\":\"busy\",\"detail\":\"\"}");
    return true;
}

static inline void fake_post(void *http, const struct playtrace_http_request *request,
                             struct playtrace_http_response *response)
{
    struct fake *fake = http;
    struct pt_json_parser *parser = NULL;
    struct pt_json root = {0};
    struct pt_json events = {0};
    struct pt_error err = {0};
    uint32_t count = 0;
    uint32_t refused = 0;
    char sent_at[64];

    if (!strstr(request->url, "/v1/events") || strcmp(request->method, "POST") != 0) {
        if (fake->other) {
            fake->other(fake, request, response);
        } else {
            fake_reply(response, 404, "{\"code\":\"not_found\"}");
        }
        return;
    }
    parser = pt_json_parser_create(1u << 20);
    pt_free(fake->last_body);
    fake->last_body = pt_alloc(request->body_bytes + PT_JSON_PADDING);
    memcpy(fake->last_body, request->body, request->body_bytes);
    memset(fake->last_body + request->body_bytes, 0, PT_JSON_PADDING);
    PT_CHECK_OK(pt_json_parse(parser,
                              (struct pt_span){(uint8_t *)fake->last_body, request->body_bytes},
                              &root, NULL, &err),
                err);
    fake_text(root, "sent_at", sent_at, sizeof(sent_at));
    events = pt_json_member(root, "events");
    count = pt_json_count(events);
    PT_CHECK(count > 0);
    PT_CHECK(fake->requests < FAKE_EVENTS_MAX);
    fake->batch_sizes[fake->requests++] = count;
    if (!fake->answer || !fake->answer(fake, count, response)) {
        struct pt_json_iter it = pt_json_iterate(events);

        for (uint32_t i = 1; pt_json_next(&it); i++) {
            if (fake->refuse_each > 0 && i % fake->refuse_each == 0) {
                refused++;
            } else {
                fake_take(fake, it.value);
            }
        }
        fake_receipt(response, count - refused, refused);
    }
    pt_json_parser_destroy(parser);
}

/* ---- the same server behind an asynchronous transport ---- */

static inline int fake_start(void *http, const struct playtrace_http_request *request,
                             struct playtrace_http_response *response)
{
    struct fake *fake = http;

    PT_CHECK(!fake->under_way); /* exactly one request a client */
    if (fake->polls_before_answer < -1) {
        return -1;
    }
    fake->under_way = request;
    fake->answer_to = response;
    fake->polls_left = fake->polls_before_answer;
    return 0;
}

static inline bool fake_is_done(void *http)
{
    struct fake *fake = http;

    PT_CHECK(fake->under_way != NULL);
    if (fake->polls_left != 0) {
        fake->polls_left -= fake->polls_left > 0 ? 1 : 0;
        return false;
    }
    fake_post(fake, fake->under_way, fake->answer_to);
    fake->under_way = NULL;
    return true;
}

static inline void fake_cancel(void *http)
{
    struct fake *fake = http;

    PT_CHECK(fake->under_way != NULL);
    fake->under_way = NULL;
    fake->cancels++;
}

static inline void fake_be_asynchronous(struct fake *fake, int polls_before_answer)
{
    fake->platform.http_post = NULL;
    fake->platform.http_start = fake_start;
    fake->platform.http_is_done = fake_is_done;
    fake->platform.http_cancel = fake_cancel;
    fake->polls_before_answer = polls_before_answer;
}

/* ---- files that die ---- */

/* True: this call still works. The call at which the process dies is half done. */
static inline bool fake_is_alive(struct fake *fake, bool *is_last_out)
{
    *is_last_out = false;
    if (fake->is_dead) {
        return false;
    }
    if (++fake->file_calls == fake->file_calls_max) {
        fake->is_dead = true;
        *is_last_out = true;
    }
    return true;
}

static inline int fake_file_append(void *ctx, void *file, const void *data, size_t bytes)
{
    struct fake *fake = ctx;
    bool is_last = false;

    if (!fake_is_alive(fake, &is_last)) {
        return -1;
    }
    if (fake->real.file_append(NULL, file, data, is_last ? bytes / 2 : bytes) != 0) {
        return -1;
    }
    return is_last ? -1 : 0;
}

static inline int fake_file_rename(void *ctx, const char *from, const char *to)
{
    bool is_last = false;

    if (!fake_is_alive(ctx, &is_last)) {
        return -1;
    }
    return is_last ? -1 : ((struct fake *)ctx)->real.file_rename(NULL, from, to);
}

static inline int fake_file_remove(void *ctx, const char *path)
{
    bool is_last = false;

    if (!fake_is_alive(ctx, &is_last)) {
        return -1;
    }
    return is_last ? -1 : ((struct fake *)ctx)->real.file_remove(NULL, path);
}

static inline int fake_file_open(void *ctx, const char *path, enum playtrace_file_mode mode,
                                 void **file_out)
{
    bool is_last = false;

    if (mode != PLAYTRACE_FILE_READ && !fake_is_alive(ctx, &is_last)) {
        return -1;
    }
    return is_last ? -1 : ((struct fake *)ctx)->real.file_open(NULL, path, mode, file_out);
}

static inline int fake_file_truncate(void *ctx, void *file, uint64_t bytes)
{
    bool is_last = false;

    if (!fake_is_alive(ctx, &is_last)) {
        return -1;
    }
    return is_last ? -1 : ((struct fake *)ctx)->real.file_truncate(NULL, file, bytes);
}

/* From now on the platform's only way out is `post`, and what it gets is not packed. */
static inline void fake_transport(struct playtrace_platform *platform, void *http,
                                  void (*post)(void *http,
                                               const struct playtrace_http_request *request,
                                               struct playtrace_http_response *response))
{
    platform->http_ctx = http;
    platform->http_create = NULL;
    platform->http_destroy = NULL;
    platform->http_post = post;
    platform->compress = NULL;
}

/* Options for a client with its worker and the machine's clock, whose only way out is `post`. */
static inline struct playtrace_options
fake_worker_options(struct playtrace_platform *platform, const char *dir, void *http,
                    void (*post)(void *http, const struct playtrace_http_request *request,
                                 struct playtrace_http_response *response))
{
    struct playtrace_options options;

    playtrace_platform_posix_init(platform);
    fake_transport(platform, http, post);
    playtrace_options_init(&options);
    options.url = "http://127.0.0.1:1/";
    options.queue_dir = dir;
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.platform_table = platform;
    return options;
}

static inline struct fake *fake_create(void)
{
    struct fake *fake = pt_alloc_zero(sizeof(*fake));

    PT_CHECK(fake != NULL);
    playtrace_platform_posix_init(&fake->real);
    fake->platform = fake->real;
    fake->platform.clock_ctx = fake;
    fake->platform.wall_us = fake_wall_us;
    fake->platform.mono_us = fake_mono_us;
    fake->platform.sleep_ms = fake_sleep_ms;
    fake_transport(&fake->platform, fake, fake_post);
    fake->wall_us = INT64_C(1793534400000000); /* 2026-11-01T12:00:00Z */
    fake->mono_us = 1000000;
    return fake;
}

/* `call` 0: files work again. */
static inline void fake_kill_files_at(struct fake *fake, unsigned call)
{
    fake->file_calls = 0;
    fake->file_calls_max = call;
    fake->is_dead = false;
    fake->platform.file_ctx = fake;
    fake->platform.file_append = fake_file_append;
    fake->platform.file_rename = fake_file_rename;
    fake->platform.file_remove = fake_file_remove;
    fake->platform.file_open = fake_file_open;
    fake->platform.file_truncate = fake_file_truncate;
}

static inline void fake_destroy(struct fake *fake)
{
    pt_free(fake->last_body);
    pt_free(fake);
}

/* Options for a client of this fake, pumped by the test. */
static inline struct playtrace_options fake_options(struct fake *fake, const char *dir)
{
    struct playtrace_options options;

    playtrace_options_init(&options);
    options.url = "http://127.0.0.1:1/";
    options.queue_dir = dir;
    options.user_id = "player";
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.without_worker = true;
    options.sync_at_close = false;
    options.flags_enabled = false;
    options.report_health = false;
    options.platform_table = &fake->platform;
    return options;
}

static inline struct playtrace *fake_open(struct fake *fake, const char *dir)
{
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;

    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    return p;
}

/* Close a client that has nothing to send any more, and put everything away. */
static inline void fake_end(struct fake *fake, struct playtrace *p, char *dir)
{
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static inline void fake_track(struct playtrace *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        PT_CHECK(playtrace_track(p, "tick", "{\"n\":1}") == PLAYTRACE_OK);
    }
}

/* How many of the taken events are `name`; each of them came once. */
static inline size_t fake_count_taken(const struct fake *fake, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->taken_count; i++) {
        PT_CHECK(fake->taken[i].times == 1);
        count += strcmp(fake->taken[i].name, name) == 0;
    }
    return count;
}

static inline void fake_check_each_once(const struct fake *fake, size_t count)
{
    PT_CHECK(fake->taken_count == count);
    for (size_t i = 0; i < count; i++) {
        PT_CHECK(fake->taken[i].times == 1);
    }
}

/* The same, and in the order in which one session tracked them. */
static inline void fake_check_all_in_order(const struct fake *fake, size_t count)
{
    fake_check_each_once(fake, count);
    for (size_t i = 0; i < count; i++) {
        PT_CHECK(fake->taken[i].seq == (int64_t)i);
    }
}

/* The double entry that playtrace.h promises. */
static inline bool fake_balances(struct playtrace *p)
{
    struct playtrace_stats s;

    playtrace_stats(p, &s);
    return s.tracked + s.recovered == s.queued + s.delivered + s.refused + s.unreadable +
                                          s.dropped_budget + s.dropped_evicted + s.dropped_age +
                                          s.withdrawn;
}

static inline void fake_check_balance(struct playtrace *p)
{
    PT_CHECK(fake_balances(p));
}

#endif
