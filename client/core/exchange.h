/*
 * exchange.h - one request and its answer, by whichever transport the platform has
 *
 * Only client/core includes this; the caller of each function holds work_lock. Promise: at most
 * one request of a client is on its way, and each that was begun ends with exactly one call of
 * its `finish`, also when it is cancelled, runs out of time, or could not be made (status 0).
 *
 * With http_post the exchange is over when begin returns. With http_start begin returns
 * PT_CLIENT_STEP_WAITING, and whoever has time calls poll every few milliseconds: the pump once a
 * call, the worker, flush and close until their time is up. Between two polls work_lock is free.
 */
#ifndef PT_CLIENT_EXCHANGE_H
#define PT_CLIENT_EXCHANGE_H

#include "playtrace.h"

#define PT_CLIENT_CALL_HEADERS_MAX 6
#define PT_CLIENT_POLL_MS 5 /* how often an asynchronous transport is asked */

/* What one look at the queue and the network came to. */
enum pt_client_step {
    PT_CLIENT_STEP_SENT,    /* a request is answered as it should be: go on */
    PT_CLIENT_STEP_NOTHING, /* nothing is queued, or nothing may be sent */
    PT_CLIENT_STEP_FAILED,  /* back-off, or files failed */
    PT_CLIENT_STEP_WAITING, /* a request is on its way: poll */
};

/* What to ask. All that it points to stays in place until `finish` is called. */
struct pt_client_call {
    const char *method; /* "POST" or "GET" */
    const char *url;
    /* "Name: value", beside Authorization and traceparent, which every request carries */
    const char *headers[PT_CLIENT_CALL_HEADERS_MAX];
    size_t header_count;
    const void *body;
    size_t body_bytes;
    char *answer; /* storage for the answer's body */
    size_t answer_bytes_max;
    uint32_t timeout_ms;
    bool yields; /* it is given up where somebody flushes or closes: events go first */
    /* Judge the answer. May not begin another exchange; its result is begin's or poll's. */
    enum pt_client_step (*finish)(struct playtrace *p,
                                  const struct playtrace_http_response *response);
};

struct pt_client_exchange {
    bool is_under_way;
    bool is_blocking;  /* http_post is running, in this thread */
    bool is_cancelled; /* and is to give up */
    int64_t until_us;  /* when an asynchronous request has had its time */
    struct pt_client_call call;
    struct playtrace_http_request request;
    struct playtrace_http_response response;
    const char *headers[PT_CLIENT_CALL_HEADERS_MAX + 2];
    char traceparent[72];
};

/*
 * Make a request. Where another is on its way this one is not taken (no `finish`), and the answer
 * is PT_CLIENT_STEP_WAITING: look at p->exchange.is_under_way before.
 */
enum pt_client_step pt_client_exchange_begin(struct playtrace *p,
                                             const struct pt_client_call *call);

/* Look after the request on its way; PT_CLIENT_STEP_NOTHING where there is none. */
enum pt_client_step pt_client_exchange_poll(struct playtrace *p);

/* The request on its way, if any, ends now: as if no answer had come. */
void pt_client_exchange_cancel(struct playtrace *p);

/* Close the connections of a transport of our own, where no request is on its way. */
void pt_client_exchange_hang_up(struct playtrace *p);

#endif
