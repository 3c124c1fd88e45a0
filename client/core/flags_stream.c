/*
 * flags_stream.c - hear at once that the flags have changed: server-sent events
 *
 * OFREP 0.3, ADR-0008: the bulk answer names an address; GET it, and it stays open. An event
 * {"type":"refetchEvaluation"} says that there is news, never what. A thread of its own with a
 * transport of its own does nothing but listen. A connection that says nothing for a minute (the
 * server's heart beats every 15 s) is given up; so is one whose answer is no event stream. Until
 * there is another, polls are as frequent as without.
 *
 * The key is not sent: the address holds a ticket where one is needed, and may name another host.
 */
#include "core/client.h"
#include "core/retry.h"

#include <stdio.h>
#include <string.h>

#define SILENCE_US 60000000
#define RETRY_MS 1000u
#define RETRY_MS_MAX 60000u
/* A connection that held so long was no failure. */
#define SOUND_US 10000000
/* All clients hear of a change in the same instant. */
#define SPREAD_US 500000

/* ---- the address ---- */

/* Bytes of "https://host:port" at the start of `url`; 0 where there is none. */
static size_t origin_bytes(const char *url)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    size_t host = scheme > 0 ? strcspn(url + scheme, "/?#") : 0;

    return host > 0 ? scheme + host : 0;
}

static bool is_printable(const char *text)
{
    while (*text > ' ' && *text <= '~') {
        text++;
    }
    return *text == '\0';
}

void pt_client_flags_stream_url(const struct pt_client_flags_index *index, const char *server,
                                char out[PT_CLIENT_STREAM_URL_BYTES])
{
    size_t origin = 0;
    size_t rest = 0;

    out[0] = '\0';
    if (index->stream.bytes == 0 || index->flag_count == 0) {
        return; /* who has no flags needs no connection for them */
    }
    if (index->is_stream_relative) {
        if (index->origin.bytes > 0) {
            origin = pt_client_json_unescape(index->text + index->origin.at, index->origin.bytes,
                                             out, PT_CLIENT_STREAM_URL_BYTES);
        } else {
            origin = origin_bytes(server);
            memcpy(out, server, origin);
        }
    }
    if (origin < PT_CLIENT_STREAM_URL_BYTES) {
        rest = pt_client_json_unescape(index->text + index->stream.at, index->stream.bytes,
                                       out + origin, PT_CLIENT_STREAM_URL_BYTES - origin);
    }
    /* Not from a connection that nobody can listen to, to one that everybody can. */
    if (origin + rest >= PT_CLIENT_STREAM_URL_BYTES || !is_printable(out) ||
        origin_bytes(out) == 0 || (index->is_stream_relative && out[origin] != '/') ||
        (strncmp(server, "https:", 6) == 0 && strncmp(out, "https:", 6) != 0)) {
        out[0] = '\0';
    }
}

/* ---- the events ---- */

/* The value of the field `name` in the line, without one space; NULL: it is another field. */
static const char *field(const struct pt_client_stream *s, const char *name)
{
    size_t bytes = strlen(name);
    const char *value = s->line + bytes + 1;

    if (strncmp(s->line, name, bytes) != 0 || s->line[bytes] != ':') {
        return NULL;
    }
    return *value == ' ' ? value + 1 : value;
}

static void take_data(struct pt_client_stream *s, const char *value)
{
    size_t bytes = strlen(value);
    size_t room = sizeof(s->data) - s->data_bytes;

    if (s->data_bytes > 0 && room > 1) {
        s->data[s->data_bytes++] = '\n';
        room--;
    }
    if (bytes < room) {
        memcpy(s->data + s->data_bytes, value, bytes);
        s->data_bytes += bytes;
    }
}

static void take_retry(struct pt_client_stream *s, const char *value)
{
    uint32_t ms = 0;

    if (*value == '\0' || value[strspn(value, "0123456789")] != '\0') {
        return;
    }
    for (; *value != '\0' && ms < RETRY_MS_MAX; value++) {
        ms = ms * 10 + (uint32_t)(*value - '0');
    }
    s->retry_ms = ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
}

/* The empty line that ends an event. True: the flags have changed. */
static bool end_event(struct pt_client_stream *s)
{
    bool is_news = s->data_bytes > 0 && !s->is_other_event &&
                   pt_client_flags_is_refetch(s->data, s->data_bytes);

    memcpy(s->last_id, s->id, sizeof(s->last_id));
    s->data_bytes = 0;
    s->is_other_event = false;
    return is_news;
}

/* One whole line. True: the flags have changed. */
static bool take_line(struct pt_client_stream *s)
{
    const char *value = NULL;

    if (s->is_line_cut) {
        return false;
    }
    s->line[s->line_bytes] = '\0';
    if (s->line_bytes == 0) {
        return end_event(s);
    }
    if ((value = field(s, "data")) != NULL) {
        take_data(s, value);
    } else if ((value = field(s, "event")) != NULL) {
        s->is_other_event = strcmp(value, "message") != 0;
    } else if ((value = field(s, "retry")) != NULL) {
        take_retry(s, value);
    } else if ((value = field(s, "id")) != NULL && is_printable(value) &&
               strlen(value) < sizeof(s->id)) {
        memcpy(s->id, value, strlen(value) + 1);
    }
    return false;
}

bool pt_client_stream_read(struct pt_client_stream *s, const char *data, size_t bytes)
{
    bool is_news = false;

    for (size_t i = 0; i < bytes; i++) {
        char c = data[i];
        bool is_second = c == '\n' && s->was_return;

        s->was_return = c == '\r';
        if (is_second) {
            continue;
        }
        if (c == '\r' || c == '\n') {
            is_news = take_line(s) || is_news;
            s->line_bytes = 0;
            s->is_line_cut = false;
        } else if (s->line_bytes < sizeof(s->line) - 1) {
            s->line[s->line_bytes++] = c;
        } else {
            s->is_line_cut = true;
        }
    }
    return is_news;
}

/* ---- the connection ---- */

static bool take_body(void *ctx, const char *data, size_t bytes)
{
    static const char type[] = "text/event-stream";
    struct pt_client_stream *s = ctx;
    struct playtrace *p = s->client;
    bool is_first = !s->is_open;
    bool is_news = false;

    if (s->response.status != 200 ||
        strncmp(s->response.content_type, type, sizeof(type) - 1) != 0) {
        return false;
    }
    s->is_open = true;
    is_news = pt_client_stream_read(s, data, bytes);
    pt_client_lock(p);
    p->flags.stream_heard_us = pt_client_now_us(p);
    p->flags.is_stream_up = true;
    /* A server that gives no ids cannot tell what was missed between two connections. */
    if (is_news || (is_first && s->last_id[0] == '\0' && p->flags.stream_failures > 0)) {
        p->flags.is_told = true;
        p->flags.due_us = pt_client_now_us(p) + (int64_t)pt_client_random_below(p, SPREAD_US);
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    }
    pt_client_unlock(p);
    return true;
}

/* Is there an address to listen to, and may it be used? The caller holds `lock`. */
static bool is_wanted(const struct playtrace *p)
{
    return pt_client_flags_may_use(p) && p->flags.is_confirmed && p->flags.stream_url[0] != '\0' &&
           p->paused_us == INT64_MIN;
}

static bool should_stop(void *ctx)
{
    const struct pt_client_stream *s = ctx;
    struct playtrace *p = s->client;
    bool is_over = false;

    pt_client_lock(p);
    is_over = p->is_stopping || !is_wanted(p) ||
              pt_client_now_us(p) - p->flags.stream_heard_us > SILENCE_US;
    pt_client_unlock(p);
    return is_over;
}

/* Listen until it ends, without a lock. */
static void listen_once(struct playtrace *p, struct pt_client_stream *s)
{
    struct playtrace_http_request request = {0};
    const char *headers[3] = {"Accept: text/event-stream", "Cache-Control: no-cache", NULL};
    char last_id[PT_CLIENT_STREAM_ID_BYTES + 24];

    s->line_bytes = 0;
    s->is_line_cut = false;
    s->was_return = false;
    s->data_bytes = 0;
    s->is_other_event = false;
    s->is_open = false;
    memset(&s->response, 0, sizeof(s->response));
    if (!s->http) {
        s->http = p->platform.http_create(p->platform.http_ctx);
    }
    if (!s->http) {
        return;
    }
    request.method = "GET";
    request.url = s->url;
    request.headers = headers;
    request.header_count = 2;
    if (s->last_id[0] != '\0') {
        (void)snprintf(last_id, sizeof(last_id), "Last-Event-ID: %s", s->last_id);
        headers[request.header_count++] = last_id;
    }
    request.connect_timeout_ms = p->options.connect_timeout_ms;
    request.should_stop = should_stop;
    request.stop_ctx = s;
    request.on_body = take_body;
    request.body_ctx = s;
    p->platform.http_post(s->http, &request, &s->response);
}

/* It failed: when to try again. The caller holds `lock`. */
static void back_off(struct playtrace *p, const struct pt_client_stream *s, int64_t began_us)
{
    struct pt_client_flags *flags = &p->flags;
    int64_t now_us = pt_client_now_us(p);
    uint32_t base_ms = s->retry_ms > 0 ? s->retry_ms : RETRY_MS;
    int64_t wait_us = pt_client_retry_after_us(s->response.retry_after, s->response.date,
                                               p->platform.wall_us(p->platform.clock_ctx));
    int64_t span_us = 0;

    flags->stream_failures =
        s->is_open && now_us - began_us > SOUND_US ? 1 : flags->stream_failures + 1;
    span_us = pt_client_retry_span_us(flags->stream_failures, base_ms, p->options.retry_cap_ms);
    wait_us = wait_us > span_us / 2 ? wait_us : span_us / 2;
    flags->stream_due_us =
        now_us + wait_us + (int64_t)pt_client_random_below(p, (uint64_t)(span_us / 2));
    if (!s->is_open && flags->stream_failures % 4 == 0) {
        flags->is_address_old = true; /* its ticket, perhaps: ask for another */
        flags->due_us = now_us;
    }
}

/* The connection is over. The caller holds `lock`. */
static void end(struct playtrace *p, const struct pt_client_stream *s, int64_t began_us)
{
    struct pt_client_flags *flags = &p->flags;

    if (is_wanted(p)) {
        back_off(p, s, began_us);
    } else {
        flags->stream_due_us = pt_client_now_us(p); /* we ended it: at once when that is over */
    }
    if (flags->is_stream_up && p->options.flags_poll_ms > 0) {
        int64_t poll_us = pt_client_now_us(p) + (int64_t)p->options.flags_poll_ms * 1000;

        flags->due_us = flags->due_us < poll_us ? flags->due_us : poll_us;
    }
    flags->is_stream_up = false;
    p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
}

void pt_client_flags_stream_run(void *client)
{
    struct playtrace *p = client;
    struct pt_client_flags *flags = &p->flags;
    struct pt_client_stream *s = flags->stream;

    pt_client_lock(p);
    while (!p->is_stopping) {
        int64_t now_us = pt_client_now_us(p);

        if (!is_wanted(p) || now_us < flags->stream_due_us) {
            int64_t wait_ms = is_wanted(p) ? (flags->stream_due_us - now_us) / 1000 + 1 : 3600000;

            p->platform.cond_wait(p->platform.thread_ctx, flags->stream_changed, p->lock,
                                  wait_ms < 3600000 ? (uint32_t)wait_ms : 3600000u);
            continue;
        }
        memcpy(s->url, flags->stream_url, sizeof(s->url));
        flags->stream_heard_us = now_us;
        pt_client_unlock(p);
        listen_once(p, s);
        pt_client_lock(p);
        end(p, s, now_us);
    }
    pt_client_unlock(p);
}
