/*
 * exchange.c - one request and its answer, by whichever transport the platform has
 */
#include "core/client.h"

#include <string.h>

#define TRACEPARENT "traceparent: "

/* Consent ended, close has no time left, or it is not urgent and something else is. */
static bool is_over(struct playtrace *p)
{
    bool is_over_now = false;

    pt_client_lock(p);
    is_over_now = p->is_decision_new || (p->is_purge_due && !p->is_sending_notice) ||
                  (p->is_stopping && pt_client_now_us(p) >= p->stop_us) ||
                  (p->exchange.call.yields && (p->is_stopping || p->flushers > 0));
    pt_client_unlock(p);
    return is_over_now;
}

/* Asked by http_post every few milliseconds, in the thread that holds work_lock. */
static bool should_stop(void *client)
{
    struct playtrace *p = client;

    pt_client_serve(p); /* events do not wait in memory for the answer */
    return p->exchange.is_cancelled || is_over(p);
}

/* The worker sleeps until `poll_due_us`; the caller holds work_lock. */
static void set_poll_due(struct playtrace *p, int64_t due_us)
{
    pt_client_lock(p);
    p->poll_due_us = due_us;
    pt_client_unlock(p);
}

static bool has_transport(struct playtrace *p)
{
    if (!p->http && p->platform.http_create) {
        p->http = p->platform.http_create(p->platform.http_ctx);
        p->is_http_owned = p->http != NULL;
    }
    return p->http || !p->platform.http_create;
}

/* A trace of its own for each try, marked as sampled (W3C Trace Context, 2.2). */
static void make_traceparent(struct playtrace *p, char *out)
{
    static const char name[] = TRACEPARENT "00-";
    static const char hex[] = "0123456789abcdef";
    uint8_t random[24];

    pt_client_lock(p);
    pt_client_random(p, random, sizeof(random));
    pt_client_unlock(p);
    memcpy(out, name, sizeof(name) - 1);
    out += sizeof(name) - 1;
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i == 16) {
            *out++ = '-';
        }
        *out++ = hex[random[i] >> 4];
        *out++ = hex[random[i] & 15];
    }
    memcpy(out, "-01", 4);
}

static void prepare(struct playtrace *p, const struct pt_client_call *call)
{
    struct pt_client_exchange *x = &p->exchange;
    uint32_t connect_ms = p->options.connect_timeout_ms;

    memset(x, 0, sizeof(*x));
    x->call = *call;
    for (size_t i = 0; i < call->header_count && i < PT_CLIENT_CALL_HEADERS_MAX; i++) {
        x->headers[i] = call->headers[i];
        x->request.header_count++;
    }
    make_traceparent(p, x->traceparent);
    x->headers[x->request.header_count++] = x->traceparent;
    if (p->authorization[0] != '\0') {
        x->headers[x->request.header_count++] = p->authorization;
    }
    x->request.method = call->method;
    x->request.url = call->url;
    x->request.headers = x->headers;
    x->request.body = call->body;
    x->request.body_bytes = call->body_bytes;
    x->request.connect_timeout_ms = connect_ms < call->timeout_ms ? connect_ms : call->timeout_ms;
    x->request.timeout_ms = call->timeout_ms;
    x->request.wants_new_connection = p->is_connection_bad;
    p->is_connection_bad = false;
    x->request.should_stop = should_stop;
    x->request.stop_ctx = p;
    x->response.body = call->answer;
    x->response.body_bytes_max = call->answer_bytes_max;
    x->until_us = pt_client_now_us(p) + (int64_t)call->timeout_ms * 1000;
}

/*
 * Is the answer to another request? A proxy that answered one request twice is one answer behind
 * from then on, and would settle batches that the server never saw. The trace id tells.
 */
static bool is_to_another(const struct pt_client_exchange *x)
{
    const char *asked = x->traceparent + sizeof(TRACEPARENT) - 1 + 3;
    const char *answered = x->response.traceresponse;

    return strlen(answered) == 55 && memcmp(asked, answered + 3, 32) != 0;
}

void pt_client_exchange_hang_up(struct playtrace *p)
{
    if (p->is_http_owned && !p->exchange.is_under_way) {
        p->platform.http_destroy(p->http);
        p->http = NULL;
        p->is_http_owned = false;
    }
}

static enum pt_client_step end(struct playtrace *p)
{
    struct playtrace_http_response *response = &p->exchange.response;

    p->exchange.is_under_way = false;
    set_poll_due(p, INT64_MAX);
    /* A transport of somebody else's may have filled them to the brim. */
    response->retry_after[sizeof(response->retry_after) - 1] = '\0';
    response->etag[sizeof(response->etag) - 1] = '\0';
    response->content_type[sizeof(response->content_type) - 1] = '\0';
    response->date[sizeof(response->date) - 1] = '\0';
    response->traceresponse[sizeof(response->traceresponse) - 1] = '\0';
    if (is_to_another(&p->exchange)) {
        response->status = 0;
        p->is_connection_bad = true; /* all answers on it would be late */
    }
    if (response->body_bytes > response->body_bytes_max) {
        response->body_bytes = 0;
        response->status = 0;
    }
    return p->exchange.call.finish(p, response);
}

static enum pt_client_step end_without_answer(struct playtrace *p)
{
    p->exchange.response.status = 0;
    return end(p);
}

enum pt_client_step pt_client_exchange_begin(struct playtrace *p, const struct pt_client_call *call)
{
    struct pt_client_exchange *x = &p->exchange;

    if (x->is_under_way) {
        return PT_CLIENT_STEP_WAITING;
    }
    prepare(p, call);
    x->is_under_way = true;
    if (!has_transport(p)) {
        return end_without_answer(p);
    }
    if (p->platform.http_start) {
        if (p->platform.http_start(p->http, &x->request, &x->response) != 0) {
            return end_without_answer(p);
        }
        return pt_client_exchange_poll(p);
    }
    x->is_blocking = true;
    p->platform.http_post(p->http, &x->request, &x->response);
    x->is_blocking = false;
    return x->is_cancelled ? end_without_answer(p) : end(p);
}

enum pt_client_step pt_client_exchange_poll(struct playtrace *p)
{
    if (!p->exchange.is_under_way) {
        return PT_CLIENT_STEP_NOTHING;
    }
    if (p->platform.http_is_done(p->http)) {
        return end(p);
    }
    if (is_over(p) || pt_client_now_us(p) >= p->exchange.until_us) {
        p->platform.http_cancel(p->http);
        return end_without_answer(p);
    }
    set_poll_due(p, pt_client_now_us(p) + (int64_t)PT_CLIENT_POLL_MS * 1000);
    return PT_CLIENT_STEP_WAITING;
}

void pt_client_exchange_cancel(struct playtrace *p)
{
    if (!p->exchange.is_under_way) {
        return;
    }
    if (p->exchange.is_blocking) {
        p->exchange.is_cancelled = true; /* begin is further down in this thread's calls */
        return;
    }
    p->platform.http_cancel(p->http);
    (void)end_without_answer(p);
}
