/*
 * send.c - from the queue to the server, and what its answers mean
 *
 * Only an answer that is certainly the server's own takes events out of the queue: 202 whose
 * receipt counts exactly the events sent, or 400 or 413 with a JSON error for a single event.
 * All else (proxies, captive portals, truncated answers, resets) is a failure, and the batch
 * stays. That may send events twice; they carry their event_id, and the server drops repeats.
 */
#include "core/client.h"
#include "core/json.h"
#include "core/retry.h"

#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BODY_HEAD "{\"sent_at\":\""
#define BODY_EVENTS "\"events\":["
#define READ_FAILED_DELAY_US 1000000
#define SAID_BYTES_MAX 120
/* A server that can read none of so many events in a row is itself the suspect. */
#define UNREADABLE_RUN_MAX 3

enum verdict {
    VERDICT_SETTLED,    /* every event has its receipt */
    VERDICT_SPLIT,      /* the server cannot take the batch as a whole */
    VERDICT_AGAIN,      /* at once, as it is or signed by another time */
    VERDICT_UNREADABLE, /* the one event sent cannot be read by the server */
    VERDICT_LATER,
    VERDICT_MUCH_LATER, /* the key is wrong: asking often helps nobody */
};

/*
 * Put the head before the events and the tail behind them; returns where the body starts, and its
 * bytes. Both clocks are told: where the wall clock is set between an event and its request, the
 * other one says how long that was. A notice may be of an earlier start: the wall clock must do.
 */
static char *wrap_body(struct playtrace *p, size_t events_bytes, size_t *body_bytes_out)
{
    char time[PT_RFC3339_TEXT_BYTES + 1];
    char head[PT_CLIENT_BODY_HEAD_BYTES];
    char *start = NULL;
    size_t head_bytes = 0;

    pt_rfc3339_format(pt_client_wall_us(p), time);
    time[PT_RFC3339_TEXT_BYTES] = '\0';
    if (p->is_sending_notice) {
        head_bytes = (size_t)snprintf(head, sizeof(head), BODY_HEAD "%s\"," BODY_EVENTS, time);
    } else {
        uint64_t boot = 0;

        pt_client_lock(p);
        boot = p->state.boot;
        pt_client_unlock(p);
        head_bytes = (size_t)snprintf(head, sizeof(head),
                                      BODY_HEAD "%s\",\"sent_mono_us\":%" PRIu64
                                                ",\"boot\":%" PRIu64 "," BODY_EVENTS,
                                      time, pt_client_mono_us(p), boot);
    }
    start = p->body + PT_CLIENT_BODY_HEAD_BYTES - head_bytes;
    memcpy(start, head, head_bytes);
    memcpy(p->body + PT_CLIENT_BODY_HEAD_BYTES + events_bytes, "]}", 2);
    *body_bytes_out = head_bytes + events_bytes + 2;
    return start;
}

/*
 * May it be the packing that was refused, by the server or by something on the way? Then the batch
 * goes out plain before anything is concluded. If that is refused alike, packing is not to blame.
 */
static bool packing_is_in_doubt(struct playtrace *p, int status, bool is_ours)
{
    bool is_about_body = status == 400 || status == 415;
    bool is_strange = status > 401 && status < 500 && status != 407 && status != 408 &&
                      status != 413 && status != 429 && !is_ours;

    if (is_about_body || is_strange) {
        p->is_plain_due = p->is_packed;
    }
    return is_about_body && p->is_packed;
}

static enum verdict judge(struct playtrace *p, const struct playtrace_http_response *response,
                          uint32_t events, struct pt_client_receipt *receipt_out)
{
    bool is_ours =
        !response->is_truncated && pt_client_refusal_is_ours(response->body, response->body_bytes);

    if (packing_is_in_doubt(p, response->status, is_ours)) {
        return VERDICT_AGAIN;
    }
    switch (response->status) {
    case 202:
        if (response->is_truncated && events > 1) {
            return VERDICT_SPLIT; /* half the events give a shorter receipt */
        }
        if (!response->is_truncated &&
            pt_client_receipt_parse(response->body, response->body_bytes, receipt_out) &&
            receipt_out->accepted + receipt_out->rejected == events) {
            return VERDICT_SETTLED;
        }
        return VERDICT_LATER;
    case 400:
        if (!is_ours) {
            return VERDICT_LATER;
        }
        return events > 1 ? VERDICT_SPLIT : VERDICT_UNREADABLE;
    case 413:
        if (events > 1) {
            return VERDICT_SPLIT; /* a proxy's limit too; splitting loses nothing */
        }
        return is_ours ? VERDICT_UNREADABLE : VERDICT_MUCH_LATER;
    case 403:
        if (p->options.signing_secret && pt_client_sign_learn(p, response->date)) {
            return VERDICT_AGAIN;
        }
        return VERDICT_MUCH_LATER;
    case 401:
        return VERDICT_MUCH_LATER;
    default:
        return VERDICT_LATER;
    }
}

/* Bytes of a server's text that a line of the log takes. */
static size_t clip(size_t bytes)
{
    return bytes < SAID_BYTES_MAX ? bytes : SAID_BYTES_MAX;
}

/* What somebody can do about an answer that settles nothing. */
static const char *advice(int status)
{
    switch (status) {
    case 401:
        return "; look at options.api_key";
    case 403:
        return "; look at options.api_key and options.signing_secret";
    case 404:
    case 405:
        return "; look at options.url";
    case 413:
        return "; something on the way takes no event of this size";
    default:
        return status >= 300 && status < 400 ? "; options.url must be the final address" : "";
    }
}

static void say_failed(struct playtrace *p, const struct playtrace_http_response *response,
                       bool is_long, int64_t wait_us)
{
    enum playtrace_log_level level = is_long ? PLAYTRACE_LOG_ERROR : PLAYTRACE_LOG_INFO;
    long wait_ms = (long)(wait_us / 1000);
    struct pt_client_refusal why;

    if (response->status == 0) {
        pt_client_log(p, level, PT_CLIENT_LOG_SERVER,
                      "%s gave no whole answer; the events wait, next try in %ld ms", p->url,
                      wait_ms);
    } else if (pt_client_refusal_parse(response->body, response->body_bytes, &why)) {
        pt_client_log(p, level, PT_CLIENT_LOG_SERVER,
                      "%s answered %d, %.*s: %.*s; the events wait, next try in %ld ms%s", p->url,
                      response->status, (int)clip(why.code.bytes), why.code.text,
                      (int)clip(why.detail.bytes), why.detail.text, wait_ms,
                      advice(response->status));
    } else {
        pt_client_log(p, level, PT_CLIENT_LOG_SERVER,
                      "%s answered %d, which is no receipt; the events wait, next try in %ld ms%s",
                      p->url, response->status, wait_ms, advice(response->status));
    }
}

/* `object` holds code and detail. */
static void say_refused(struct playtrace *p, uint64_t refused, uint32_t events,
                        const struct pt_client_text *object)
{
    struct pt_client_refusal why;

    (void)pt_client_refusal_parse(object->text, object->bytes, &why);
    pt_client_log(p, PLAYTRACE_LOG_ERROR, PT_CLIENT_LOG_SERVER,
                  "the server refused %lu of %lu events; the first: %.*s: %.*s",
                  (unsigned long)refused, (unsigned long)events, (int)clip(why.code.bytes),
                  why.code.text, (int)clip(why.detail.bytes), why.detail.text);
}

/* Full jitter; Retry-After is the least, and a little is added so that not all come at once. */
static int64_t back_off(struct playtrace *p, bool is_long,
                        const struct playtrace_http_response *response)
{
    const struct playtrace_options *options = &p->options;
    int64_t least_us = pt_client_retry_after_us(response->retry_after, response->date,
                                                p->platform.wall_us(p->platform.clock_ctx));
    int64_t wait_us = 0;

    p->failures++;
    p->is_repeat = true;
    p->has_learned_time = false;
    p->round_lane = 0; /* the highest lane first again */
    pt_client_lock(p);
    if (is_long) {
        int64_t cap_us = (int64_t)options->retry_cap_ms * 1000;

        wait_us = cap_us / 2 + (int64_t)pt_client_random_below(p, (uint64_t)(cap_us / 2));
    } else {
        wait_us = (int64_t)pt_client_random_below(
            p, (uint64_t)pt_client_retry_span_us(p->failures, options->retry_base_ms,
                                                 options->retry_cap_ms));
    }
    if (wait_us < least_us) {
        wait_us =
            least_us + (int64_t)pt_client_random_below(p, (uint64_t)options->retry_base_ms * 1000);
    }
    p->send_due_us = pt_client_now_us(p) + wait_us;
    p->is_backing_off = true;
    p->is_told_to_wait = is_long || least_us > 0;
    pt_client_unlock(p);
    return wait_us;
}

/* The server has answered for the oldest notice. */
static void settle_notice(struct playtrace *p, uint64_t accepted, uint64_t rejected,
                          uint64_t unreadable)
{
    bool is_last = false;

    p->failures = 0;
    p->is_repeat = false;
    p->has_learned_time = false;
    pt_client_notice_ack(p); /* whoever sees it counted as sent finds no id on disk any more */
    pt_client_lock(p);
    p->stats.delivered += accepted;
    p->stats.refused += rejected;
    p->stats.unreadable += unreadable;
    p->stats.queued--;
    p->is_backing_off = false;
    p->send_due_us = pt_client_now_us(p); /* what stands behind it has waited for it */
    is_last = p->notice_count == 0 && p->state.purposes == 0;
    pt_client_unlock(p);
    if (is_last) {
        pt_client_exchange_hang_up(p); /* an idle connection would still tell of the player */
    }
}

/*
 * An interval sends what all lanes hold, a batch a lane: what waits below an emptied lane goes out
 * at once, and what comes in above it meanwhile is the next interval's. 0: the round is over.
 */
static unsigned next_of_round(const struct playtrace *p, unsigned lane)
{
    const struct pt_client_queue *queues = p->lanes.queues;

    if (queues[lane].events > 0) {
        return 0;
    }
    do {
        lane++;
    } while (lane < PT_CLIENT_LANES && queues[lane].events == 0);
    return lane < PT_CLIENT_LANES ? lane : 0;
}

/* The events of `batch` have left the queue. */
static void settle(struct playtrace *p, const struct pt_client_batch *batch, uint64_t accepted,
                   uint64_t rejected, uint64_t unreadable)
{
    pt_client_lanes_ack(&p->lanes, batch);
    if (unreadable > 0 || batch->events >= p->suspects) {
        p->suspects = 0; /* found, or none: full batches again */
    } else {
        p->suspects -= batch->events;
        p->batch_limit = (p->suspects + 1) / 2;
    }
    p->failures = 0;
    p->is_repeat = false;
    p->has_learned_time = false;
    p->unreadable_run = unreadable > 0 ? p->unreadable_run + 1 : 0;
    p->round_lane = next_of_round(p, batch->lane);
    pt_client_lock(p);
    p->stats.delivered += accepted;
    p->stats.refused += rejected;
    p->stats.unreadable += unreadable;
    p->is_backing_off = false;
    p->send_due_us = pt_client_now_us(p);
    if (p->suspects == 0 && p->round_lane == 0) {
        p->send_due_us += (int64_t)p->options.flush_interval_ms * 1000;
    }
    pt_client_unlock(p);
}

/* The next request goes out at once. */
static void send_again(struct playtrace *p)
{
    p->is_repeat = true;
    pt_client_lock(p);
    p->is_backing_off = false;
    p->send_due_us = pt_client_now_us(p);
    pt_client_unlock(p);
}

static void split(struct playtrace *p, const struct pt_client_batch *batch)
{
    p->suspects = batch->events;
    p->suspect_lane = batch->lane;
    p->batch_limit = batch->events / 2;
    send_again(p);
}

/*
 * Events that no server could read are rare, for each was checked; a server that refuses all it
 * gets is not, on the day of a bad release. From the fourth such event in a row on there is a long
 * wait before the next, so that the day costs some events and not the queue.
 */
static void slow_down(struct playtrace *p, const struct playtrace_http_response *response)
{
    if (p->unreadable_run > UNREADABLE_RUN_MAX) {
        (void)back_off(p, true, response);
        p->is_repeat = false;
    }
}

static bool may_send(struct playtrace *p)
{
    bool is_allowed = false;

    pt_client_lock(p);
    is_allowed = p->state.purposes != 0 && !p->is_purge_due;
    pt_client_unlock(p);
    return is_allowed;
}

/* Keep what the server says that the time is. */
static void note_date(struct playtrace *p, const char *date)
{
    if (pt_client_http_date_us(date, &p->date_us)) {
        p->date_mono_us = pt_client_now_us(p);
    }
}

/*
 * Events are old by the device's clock alone, and who plays with that, offline, would lose them
 * all: so only where a server of this run has said the same time.
 */
static bool clock_is_confirmed(struct playtrace *p, int64_t wall_us)
{
    int64_t server_us = p->date_us + pt_client_now_us(p) - p->date_mono_us;

    return p->date_us > 0 && wall_us < server_us + PT_DAY_US && wall_us > server_us - PT_DAY_US;
}

/* Suspects go first, so that the one bad event is found before anything else is asked. */
static bool peek(struct playtrace *p, struct pt_client_batch *batch_out)
{
    uint64_t age_ms = p->options.queue_age_max_ms;
    int64_t now_us = p->platform.wall_us(p->platform.clock_ctx);
    int64_t now_ms = now_us / 1000;
    int64_t oldest_ms = 0;

    if (p->suspects > 0 && p->lanes.queues[p->suspect_lane].events == 0) {
        p->suspects = 0;
    }
    if (p->failures > 0 && age_ms > 0 && now_ms > 0 && age_ms < (uint64_t)now_ms &&
        clock_is_confirmed(p, now_us)) {
        oldest_ms = now_ms - (int64_t)age_ms;
    }
    return pt_client_lanes_peek(&p->lanes, p->suspects > 0 ? p->suspect_lane : p->round_lane,
                                p->body + PT_CLIENT_BODY_HEAD_BYTES, PLAYTRACE_BATCH_BYTES_MAX,
                                p->suspects > 0 ? p->batch_limit : p->options.batch_events_max,
                                oldest_ms, batch_out);
}

/* The answer to the batch in p->sending. */
static enum pt_client_step finish(struct playtrace *p,
                                  const struct playtrace_http_response *response)
{
    struct pt_client_receipt receipt = {0};
    struct pt_client_batch batch = p->sending;
    enum pt_client_step step = PT_CLIENT_STEP_SENT;
    enum verdict verdict = VERDICT_LATER;
    bool is_notice = false;

    if (batch.events == 0) {
        return PT_CLIENT_STEP_NOTHING; /* consent ended meanwhile, and the queue is empty */
    }
    p->sending.events = 0;
    is_notice = p->is_sending_notice;
    p->is_sending_notice = false;
    pt_client_lanes_unpin(&p->lanes);
    note_date(p, response->date);
    verdict = judge(p, response, batch.events, &receipt);
    switch (verdict) {
    case VERDICT_SETTLED:
        if (receipt.rejected > 0) {
            say_refused(p, receipt.rejected, batch.events, &receipt.first);
        }
        if (is_notice) {
            settle_notice(p, receipt.accepted, receipt.rejected, 0);
        } else {
            settle(p, &batch, receipt.accepted, receipt.rejected, 0);
        }
        break;
    case VERDICT_UNREADABLE:
        say_refused(p, 1, 1, &(struct pt_client_text){response->body, response->body_bytes});
        if (is_notice) {
            settle_notice(p, 0, 0, 1);
        } else {
            settle(p, &batch, 0, 0, 1);
            slow_down(p, response);
        }
        break;
    case VERDICT_SPLIT:
        split(p, &batch);
        break;
    case VERDICT_AGAIN:
        send_again(p);
        break;
    case VERDICT_LATER:
    case VERDICT_MUCH_LATER:
        say_failed(p, response, verdict == VERDICT_MUCH_LATER,
                   back_off(p, verdict == VERDICT_MUCH_LATER, response));
        step = PT_CLIENT_STEP_FAILED;
        break;
    }
    pt_client_publish(p);
    return step;
}

/* Exchange the body for a packed one, where that makes it smaller by more than the header costs;
 * returns it. What is split goes plain, so that an answer is about the events alone. */
static char *pack(struct playtrace *p, char *body, size_t *bytes_io)
{
    size_t header_bytes = strlen(p->content_encoding) + 2;
    char *packed = p->packed ? p->packed + PT_CLIENT_SIGN_ROOM_BYTES : NULL;
    size_t packed_bytes = 0;
    size_t bytes_max = PT_CLIENT_PACKED_BYTES_MAX;

    p->is_packed = false;
    if (!packed || p->is_plain_due || p->suspects > 0 || *bytes_io <= header_bytes) {
        return body;
    }
    if (*bytes_io - header_bytes < bytes_max) {
        bytes_max = *bytes_io - header_bytes;
    }
    packed_bytes =
        p->platform.compress(p->platform.compress_ctx, body, *bytes_io, packed, bytes_max);
    if (packed_bytes == 0 || packed_bytes > bytes_max) {
        return body;
    }
    *bytes_io = packed_bytes;
    p->is_packed = true;
    return packed;
}

static enum pt_client_step post(struct playtrace *p, uint32_t timeout_ms)
{
    struct pt_client_call call = {
        .method = "POST",
        .url = p->url,
        .headers = {"Content-Type: application/json", "Accept: application/json"},
        .header_count = 2,
        .answer = p->answer,
        .answer_bytes_max = PT_CLIENT_ANSWER_BYTES_MAX,
        .timeout_ms = timeout_ms,
        .finish = finish,
    };
    char *body = wrap_body(p, p->sending.bytes, &call.body_bytes);
    bool is_signed = false;

    body = pack(p, body, &call.body_bytes);
    call.body = body;
    if (p->is_packed) {
        call.headers[call.header_count++] = p->content_encoding;
    }
    if (p->options.signing_secret) {
        is_signed = pt_client_sign(p, body, call.body_bytes, p->signature);
    }
    if (is_signed) {
        call.headers[call.header_count++] = p->signature;
    }
    pt_client_lock(p);
    p->stats.io_failures += p->options.signing_secret && !is_signed ? 1 : 0;
    p->stats.send_attempts++;
    p->stats.retries += p->is_repeat ? 1 : 0;
    pt_client_unlock(p);
    return pt_client_exchange_begin(p, &call);
}

enum pt_client_step pt_client_send(struct playtrace *p, uint32_t timeout_ms)
{
    struct pt_client_batch *batch = &p->sending;

    memset(batch, 0, sizeof(*batch));
    batch->bytes = pt_client_notice_peek(p, p->body + PT_CLIENT_BODY_HEAD_BYTES);
    if (batch->bytes > 0) {
        batch->events = 1;
        p->is_sending_notice = true;
        return post(p, p->platform.http_start ? p->options.request_timeout_ms : timeout_ms);
    }
    if (!may_send(p)) {
        return PT_CLIENT_STEP_NOTHING;
    }
    if (!peek(p, batch)) {
        batch->events = 0;
        pt_client_lock(p);
        p->is_backing_off = true;
        p->send_due_us = pt_client_now_us(p) + READ_FAILED_DELAY_US;
        pt_client_unlock(p);
        pt_client_publish(p);
        return PT_CLIENT_STEP_FAILED;
    }
    if (batch->events == 0) {
        pt_client_publish(p);
        return PT_CLIENT_STEP_NOTHING;
    }
    /* An asynchronous request outlives the flush that began it. */
    return post(p, p->platform.http_start ? p->options.request_timeout_ms : timeout_ms);
}
