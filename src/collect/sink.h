/*
 * sink.h - where a decoded request goes
 *
 * Three functions, and two who have them: commit.c, which makes it durable, and received.c, which
 * keeps it in memory for a game's own tests. collect.c knows neither from the other.
 */
#ifndef PT_COLLECT_SINK_H
#define PT_COLLECT_SINK_H

#include "collect/decode.h"
#include "http/http.h"

struct pt_sink {
    void *ctx; /* borrowed */
    /*
     * Take what the decoder holds, all of it or nothing, and answer `request` now or later, with
     * the decoder's answer as 202 or with the reason why not. PT_AGAIN: nothing was taken, and the
     * request is still the caller's. Any loop thread.
     */
    enum pt_code (*add)(void *ctx, struct pt_http_request *request,
                        const struct pt_decoder *decoder, struct pt_error *err);
    /*
     * The same for events of our own, which no request waits for: returns once they are as durable
     * as they will be, so not for a loop thread. PT_AGAIN, PT_FULL: later.
     */
    enum pt_code (*keep)(void *ctx, const struct pt_decoder *decoder, struct pt_error *err);
    /* NULL: it takes events. Otherwise why not, static text. Any thread. */
    const char *(*unready)(const void *ctx);
};

#endif
