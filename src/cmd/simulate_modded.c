/*
 * simulate_modded.c - a client that is not ours: good and bad events in one body
 *
 * Some players run a modified game that posts by itself. Its good events must land, its bad
 * ones become dead letters, one each; now and then its whole body is broken and must be
 * refused whole.
 */
#include "cmd/simulate.h"

#include "wire/rfc3339.h"
#include "wire/uuid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define GOOD_COUNT 5
#define POST_TRIES 40
#define POST_PAUSE_US 100000
#define ANSWER_BYTES_MAX 16384
#define BROKEN_PERMILLE 200 /* bodies that end in the middle */
#define PURPOSE_MODDED 0x40000000u

static const char *const bads[PT_SIM_BAD_COUNT] = {
    [PT_SIM_BAD_UUID] = "event_id is no UUID",
    [PT_SIM_BAD_NO_NAME] = "event_name is missing",
    [PT_SIM_BAD_NAME] = "event_name has other characters",
    [PT_SIM_BAD_USER_TYPE] = "user_id is a number",
    [PT_SIM_BAD_TIME] = "occurred_at is no time",
    [PT_SIM_BAD_PLATFORM] = "platform is unknown",
    [PT_SIM_BAD_ATTRIBUTES] = "attributes is a list",
};

const char *pt_sim_bad_text(enum pt_sim_bad bad)
{
    return bads[bad];
}

int pt_sim_post(struct pt_sim_worker *worker, const char *url, struct pt_span body, char *answer,
                size_t answer_bytes_max, size_t *answer_bytes_out)
{
    const char *headers[2] = {"Content-Type: application/json", worker->header_key};
    struct playtrace_http_request request = {
        .url = url,
        .headers = headers,
        .header_count = worker->header_key ? 2 : 1,
        .body = body.data,
        .body_bytes = body.size,
        .connect_timeout_ms = 5000,
        .timeout_ms = 15000,
    };
    struct playtrace_http_response response = {.body = answer, .body_bytes_max = answer_bytes_max};

    playtrace_http_curl_post(worker->transport, &request, &response);
    *answer_bytes_out = response.body_bytes;
    return response.status;
}

struct body {
    struct pt_jsonw w;
    struct pt_rng rng;
    char user_id[40];
    char session_id[64];
    int64_t now_us;
};

static void next_id(struct body *body, char text[PT_UUID_TEXT_BYTES + 1])
{
    uint8_t random[16];
    uint8_t uuid[PT_UUID_BYTES];
    uint64_t first = pt_rng_next(&body->rng);
    uint64_t second = pt_rng_next(&body->rng);

    memcpy(random, &first, sizeof(first));
    memcpy(random + 8, &second, sizeof(second));
    pt_uuid_v7(body->now_us / 1000, random, uuid);
    pt_uuid_format(uuid, text);
}

/* One event; `bad` PT_SIM_BAD_COUNT: a good one. */
static void add_event(struct body *body, enum pt_sim_bad bad, struct pt_sim_event *event)
{
    struct pt_jsonw *w = &body->w;
    char time[PT_RFC3339_TEXT_BYTES + 1];

    body->now_us += SECOND_US;
    next_id(body, event->event_id);
    event->name = PT_SIM_LEVEL_END;
    event->seq = -1;
    event->true_us = body->now_us;
    snprintf(event->attributes, sizeof(event->attributes), "{\"level\":%u,\"modded\":true}",
             (unsigned)pt_rng_below(&body->rng, 1000) + 1);
    pt_rfc3339_format(body->now_us, time);
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "event_id",
                        bad == PT_SIM_BAD_UUID ? "0000-not-a-uuid" : event->event_id);
    if (bad != PT_SIM_BAD_NO_NAME) {
        pt_jsonw_member_str(w, "event_name",
                            bad == PT_SIM_BAD_NAME ? "9 lives!" : pt_sim_name_text(event->name));
    }
    pt_jsonw_member_str(w, "occurred_at", bad == PT_SIM_BAD_TIME ? "yesterday" : time);
    if (bad == PT_SIM_BAD_USER_TYPE) {
        pt_jsonw_member_int(w, "user_id", 42);
    } else {
        pt_jsonw_member_str(w, "user_id", body->user_id);
    }
    pt_jsonw_member_str(w, "session_id", body->session_id);
    pt_jsonw_member_str(w, "platform", bad == PT_SIM_BAD_PLATFORM ? "toaster" : "pc");
    pt_jsonw_key(w, "attributes");
    pt_jsonw_raw(w, pt_span_str(bad == PT_SIM_BAD_ATTRIBUTES ? "[1,2]" : event->attributes));
    pt_jsonw_object_end(w);
}

/* Sends until there is an answer other than "later"; `*unanswered_out` tries may have arrived. */
static int post_until_answered(struct pt_sim_worker *worker, size_t *bytes_out,
                               unsigned *unanswered_out, char *answer)
{
    int status = 0;

    *unanswered_out = 0;
    for (unsigned i = 0; i < POST_TRIES; i++) {
        status = pt_sim_post(worker, worker->url_events, pt_buf_span(&worker->body), answer,
                             ANSWER_BYTES_MAX, bytes_out);
        if (status != 0 && status != 429 && status < 500) {
            break;
        }
        *unanswered_out += status == 0 ? 1 : 0;
        usleep(POST_PAUSE_US);
    }
    return status;
}

/* {"accepted":5,"rejected":[…]} */
static bool answer_is(struct pt_sim_worker *worker, char *answer, size_t bytes, int64_t accepted,
                      uint32_t rejected)
{
    struct pt_json root;
    struct pt_json list;
    struct pt_error err;
    int64_t number = -1;

    memset(answer + bytes, 0, PT_JSON_PADDING);
    if (pt_json_parse(worker->parser, pt_span_of(answer, bytes), &root, NULL, &err) ||
        pt_json_type(root) != PT_JSON_OBJECT || !pt_json_member_int(root, "accepted", &number)) {
        return false;
    }
    list = pt_json_member(root, "rejected");
    return number == accepted && pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY &&
           pt_json_count(list) == rejected;
}

static void send_broken(struct pt_sim_worker *worker, char *answer)
{
    size_t bytes = 0;
    unsigned unanswered = 0;

    pt_buf_reset(&worker->body);
    pt_buf_append_str(&worker->body,
                      "{\"sent_at\":\"2026-01-01T00:00:00Z\",\"events\":[{\"event_id\":");
    if (post_until_answered(worker, &bytes, &unanswered, answer) != 400) {
        worker->tally.unexpected++;
    }
}

static enum pt_code send_mixed(struct pt_sim_worker *worker, const struct pt_sim_session *session,
                               struct body *body, char *answer)
{
    struct pt_sim_event goods[GOOD_COUNT];
    struct pt_sim_event bad;
    enum pt_sim_bad reasons[GOOD_COUNT];
    uint32_t bad_count = 1 + (uint32_t)pt_rng_below(&body->rng, GOOD_COUNT);
    char sent_at[PT_RFC3339_TEXT_BYTES + 1];
    size_t bytes = 0;
    unsigned unanswered = 0;

    pt_buf_reset(&worker->body);
    pt_jsonw_init(&body->w, &worker->body);
    pt_jsonw_object(&body->w);
    pt_rfc3339_format(pt_clock_wall_us(worker->clock), sent_at);
    pt_jsonw_member_str(&body->w, "sent_at", sent_at);
    pt_jsonw_key(&body->w, "events");
    pt_jsonw_array(&body->w);
    for (uint32_t i = 0; i < GOOD_COUNT; i++) {
        if (i < bad_count) {
            reasons[i] = (enum pt_sim_bad)pt_rng_below(&body->rng, PT_SIM_BAD_COUNT);
            add_event(body, reasons[i], &bad);
        }
        goods[i] = (struct pt_sim_event){0};
        add_event(body, PT_SIM_BAD_COUNT, &goods[i]);
    }
    pt_jsonw_array_end(&body->w);
    pt_jsonw_object_end(&body->w);
    if (worker->body.has_failed) {
        return pt_fail(&worker->err, PT_NO_MEMORY, "write a request");
    }
    if (post_until_answered(worker, &bytes, &unanswered, answer) != 202 ||
        !answer_is(worker, answer, bytes, GOOD_COUNT, bad_count)) {
        worker->tally.unexpected++;
        return PT_OK;
    }
    for (uint32_t i = 0; i < bad_count; i++) {
        worker->tally.bad[reasons[i]]++;
    }
    worker->tally.bad_uncertain += (uint64_t)bad_count * unanswered;
    return pt_sim_note(worker, session, body->session_id, goods, GOOD_COUNT, 0);
}

enum pt_code pt_sim_play_modded(struct pt_sim_worker *worker, const struct pt_sim_session *session,
                                int64_t true_us)
{
    char answer[ANSWER_BYTES_MAX + PT_JSON_PADDING];
    struct body body = {.now_us = true_us};

    pt_sim_rng(&body.rng, worker->world, session->player, PURPOSE_MODDED + session->number);
    pt_sim_user_id(worker->world, session->player, body.user_id);
    snprintf(body.session_id, sizeof(body.session_id), "%s-modded-%u", body.user_id,
             session->number);
    if (pt_rng_below(&body.rng, 1000) < BROKEN_PERMILLE) {
        send_broken(worker, answer);
    }
    return send_mixed(worker, session, &body, answer);
}
