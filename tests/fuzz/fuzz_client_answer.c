/*
 * fuzz_client_answer.c - whatever a server answers, no event leaves the queue but by its word, and
 * all are delivered once it is sound
 *
 * The input is a byte of options, then answers in the order of the requests, to batches and to
 * questions for flags alike: a byte for the status, a byte for what else there is, then headers
 * (a length and so many bytes each) and a body (two bytes of length); a '#' in a body stands for
 * the number of events in the batch. Where the input ends the server takes everything. simdjson is
 * the judge of receipts: the client may settle nothing that it does not confirm. The bodies are
 * also read as a stream of changes, whole and byte by byte, to the same end.
 */
#include "reused_machine.h"

#include "base/json.h"
#include "core/client.h"
#include "core/json.h"
#include "core/retry.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EVENTS 7
#define DAY_US INT64_C(86400000000)

static const int statuses[] = {202, 202, 202, 200, 400, 413, 403, 429, 503, 0,   401,
                               415, 204, 302, 304, 404, 405, 408, 410, 500, 507, 999};

enum has {
    HAS_RETRY_AFTER = 1,
    HAS_ETAG = 2,
    HAS_CONTENT_TYPE = 4,
    HAS_DATE = 8,
    HAS_TRACE = 16,       /* of the input's choice */
    HAS_OWN_TRACE = 32,   /* as a sound server sends it back */
    HAS_MORE = 64,        /* the body is truncated */
    HAS_PLACEHOLDER = 128 /* '#' counts */
};

struct input {
    const uint8_t *at;
    size_t left;
};

/* What the last answer to a batch allows. */
struct allowed {
    bool is_receipt;
    uint64_t accepted;
    uint64_t rejected;
    bool is_unreadable;
};

static struct {
    struct machine *machine;
    struct playtrace *p;
    struct pt_json_parser *parser;
    struct input input;
    struct allowed allowed;
    unsigned answers;
} game;

static uint8_t take_byte(void)
{
    if (game.input.left == 0) {
        return 0;
    }
    game.input.left--;
    return *game.input.at++;
}

static size_t take_bytes(size_t bytes, const uint8_t **bytes_out)
{
    if (bytes > game.input.left) {
        bytes = game.input.left;
    }
    *bytes_out = game.input.at;
    game.input.at += bytes;
    game.input.left -= bytes;
    return bytes;
}

/* As a transport would: a value that does not fit is none, and no control byte gets through. */
static void take_header(char *out, size_t out_bytes)
{
    const uint8_t *bytes = NULL;
    size_t count = take_bytes(take_byte(), &bytes);

    if (count >= out_bytes) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = (char)(bytes[i] < ' ' ? ' ' : bytes[i]);
    }
    out[count] = '\0';
}

static void take_body(struct playtrace_http_response *response, unsigned events, bool has_counts)
{
    size_t wanted = take_byte();
    const uint8_t *bytes = NULL;
    size_t count = 0;

    wanted = wanted << 8 | take_byte();
    count = take_bytes(wanted, &bytes);
    for (size_t i = 0; i < count; i++) {
        char digits[16] = {(char)bytes[i], '\0'};
        size_t digit_count = 1;

        if (has_counts && bytes[i] == '#') {
            digit_count = (size_t)snprintf(digits, sizeof(digits), "%u", events);
        }
        if (response->body_bytes + digit_count > response->body_bytes_max) {
            response->is_truncated = true;
            return;
        }
        memcpy(response->body + response->body_bytes, digits, digit_count);
        response->body_bytes += digit_count;
    }
}

static struct pt_json parse(const struct playtrace_http_response *response, bool *is_object_out)
{
    static char padded[(1u << 16) + PT_JSON_PADDING];
    struct pt_json root = {0};
    struct pt_error err = {0};

    *is_object_out = false;
    if (response->body_bytes <= 1u << 16) {
        memcpy(padded, response->body, response->body_bytes);
        memset(padded + response->body_bytes, 0, PT_JSON_PADDING);
        *is_object_out = pt_json_parse(game.parser, pt_span_of(padded, response->body_bytes), &root,
                                       NULL, &err) == PT_OK &&
                         pt_json_type(root) == PT_JSON_OBJECT;
    }
    return root;
}

/* What may come of this answer, by an independent reader. */
static struct allowed judge(const struct playtrace_http_response *response, unsigned events)
{
    struct allowed allowed = {0};
    bool is_object = false;
    struct pt_json root = parse(response, &is_object);
    struct pt_json rejected = {0};
    int64_t accepted = 0;
    struct pt_span code;

    if (!is_object || response->is_truncated) {
        return allowed;
    }
    rejected = pt_json_member(root, "rejected");
    if (response->status == 202 && pt_json_member_int(root, "accepted", &accepted) &&
        accepted >= 0 && rejected.tape && pt_json_type(rejected) == PT_JSON_ARRAY) {
        allowed.accepted = (uint64_t)accepted;
        allowed.rejected = pt_json_count(rejected);
        allowed.is_receipt = allowed.accepted + allowed.rejected == events;
    }
    allowed.is_unreadable = (response->status == 400 || response->status == 413) && events == 1 &&
                            pt_json_member_string(root, "code", &code);
    return allowed;
}

static const char *own_trace(const struct playtrace_http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strncmp(request->headers[i], "traceparent: ", 13) == 0) {
            return request->headers[i] + 13;
        }
    }
    return "";
}

static void answer_soundly(struct playtrace_http_response *response, unsigned events)
{
    char receipt[64];

    (void)snprintf(receipt, sizeof(receipt), "{\"accepted\":%u,\"rejected\":[]}", events);
    if (events > 0) {
        machine_reply(response, 202, receipt);
    } else {
        machine_reply(response, 404, "{\"code\":\"not_found\",\"detail\":\"no flags here\"}");
    }
}

static void read_as_stream(const struct playtrace_http_response *response)
{
    static struct pt_client_stream whole;
    static struct pt_client_stream pieces;
    bool is_new = false;

    memset(&whole, 0, sizeof(whole));
    memset(&pieces, 0, sizeof(pieces));
    for (size_t i = 0; i < response->body_bytes; i++) {
        is_new |= pt_client_stream_read(&pieces, response->body + i, 1);
    }
    pt_assert(pt_client_stream_read(&whole, response->body, response->body_bytes) == is_new);
    pt_assert(strcmp(whole.last_id, pieces.last_id) == 0 && whole.retry_ms == pieces.retry_ms);
}

static void post(void *http, const struct playtrace_http_request *request,
                 struct playtrace_http_response *response)
{
    bool is_batch = strstr(request->url, "/v1/events") != NULL;
    unsigned events = 0;
    uint8_t has = 0;

    (void)http;
    pt_assert(game.answers++ < 100000);
    if (is_batch) { /* a notice of consent is one event, in no queue */
        events = game.p->sending.events > 0 ? (unsigned)game.p->sending.events : 1u;
    }
    if (game.input.left == 0) {
        answer_soundly(response, events);
    } else {
        response->status = statuses[take_byte() % (sizeof(statuses) / sizeof(statuses[0]))];
        has = take_byte();
        if (has & HAS_RETRY_AFTER) {
            take_header(response->retry_after, sizeof(response->retry_after));
        }
        if (has & HAS_ETAG) {
            take_header(response->etag, sizeof(response->etag));
        }
        if (has & HAS_CONTENT_TYPE) {
            take_header(response->content_type, sizeof(response->content_type));
        }
        if (has & HAS_DATE) {
            take_header(response->date, sizeof(response->date));
        }
        if (has & HAS_TRACE) {
            take_header(response->traceresponse, sizeof(response->traceresponse));
        }
        take_body(response, events, (has & HAS_PLACEHOLDER) != 0);
        response->is_truncated |= (has & HAS_MORE) != 0;
        read_as_stream(response);
    }
    if (has & HAS_OWN_TRACE) {
        (void)snprintf(response->traceresponse, sizeof(response->traceresponse), "%s",
                       own_trace(request));
    }
    if (is_batch) {
        game.allowed = judge(response, events);
    }
}

/* One step of the client, and what left the queue by it. */
static void step(struct playtrace_stats *before)
{
    struct playtrace_stats after;
    uint64_t unreadable = 0;

    memset(&game.allowed, 0, sizeof(game.allowed));
    (void)playtrace_pump(game.p);
    playtrace_stats(game.p, &after);
    unreadable = after.unreadable - before->unreadable;
    pt_assert(unreadable == 0 || (unreadable == 1 && game.allowed.is_unreadable));
    if (after.delivered != before->delivered || after.refused != before->refused) {
        pt_assert(game.allowed.is_receipt);
        pt_assert(after.delivered - before->delivered == game.allowed.accepted);
        pt_assert(after.refused - before->refused == game.allowed.rejected);
    }
    pt_assert(after.withdrawn == 0 && after.dropped_budget == 0 && after.dropped_ring == 0);
    pt_assert(after.tracked + after.recovered ==
              after.queued + after.delivered + after.refused + after.unreadable);
    *before = after;
}

static void ask_for_flags(void)
{
    static const char *const keys[] = {"a", "b", "new_shop", ""};
    struct playtrace_flag_details details;
    char text[64];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t bytes = 0;

        (void)playtrace_flag_bool(game.p, keys[i], false);
        (void)playtrace_flag_int(game.p, keys[i], 7);
        (void)playtrace_flag_double(game.p, keys[i], 0.5);
        bytes = playtrace_flag_string(game.p, keys[i], "none", text, sizeof(text));
        pt_assert(strlen(text) == (bytes < sizeof(text) ? bytes : sizeof(text) - 1));
        (void)playtrace_flag_json(game.p, keys[i], "{}", text, sizeof(text));
        (void)playtrace_flag_details(game.p, keys[i], &details);
        pt_assert(memchr(details.variant, '\0', sizeof(details.variant)) != NULL);
    }
}

static void read_values(const uint8_t *data, size_t size)
{
    char value[64];
    size_t bytes = size < sizeof(value) - 1 ? size : sizeof(value) - 1;
    int64_t wait_us = 0;

    memcpy(value, data, bytes);
    value[bytes] = '\0';
    wait_us = pt_client_retry_after_us(value, value, INT64_C(1793534400000000));
    pt_assert(wait_us >= 0 && wait_us <= DAY_US);
    wait_us = pt_client_retry_after_us(value, "", INT64_C(1793534400000000));
    pt_assert(wait_us >= 0 && wait_us <= DAY_US);
}

static void prepare(void)
{
    game.machine = reused_machine_create(post);
    game.parser = pt_json_parser_create(1u << 17);
    pt_assert(game.parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct playtrace_options options;
    struct playtrace_platform platform;
    struct playtrace_stats stats = {0};

    if (size < 1 || size > 1 << 14) {
        return 0;
    }
    if (!game.machine) {
        prepare();
    }
    read_values(data + 1, size - 1);
    game.input = (struct input){data + 1, size - 1};
    game.answers = 0;
    platform = game.machine->platform;
    if (data[0] & 1) {
        struct playtrace_platform posix;

        playtrace_platform_posix_init(&posix);
        platform.compress = posix.compress;
        platform.content_encoding = posix.content_encoding;
    }
    options = machine_options(game.machine);
    options.platform_table = &platform;
    options.signing_secret = data[0] & 2 ? "secret" : NULL;
    options.flags_enabled = (data[0] & 4) != 0;
    options.batch_events_max = data[0] & 8 ? 2 : 100;
    options.report_health = false;
    options.flush_interval_ms = 1;
    pt_assert(playtrace_open(&game.p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < EVENTS; i++) {
        pt_assert(playtrace_track(game.p, "level_end", "{\"n\":1}") == PLAYTRACE_OK);
    }
    playtrace_stats(game.p, &stats);
    for (unsigned steps = 0; game.input.left > 0 && steps < 2000; steps++) {
        step(&stats);
        ask_for_flags();
        machine_advance_ms(game.machine, 1000 + (int64_t)steps * 1000);
    }
    game.input.left = 0;
    for (unsigned steps = 0; stats.queued > 0; steps++) {
        pt_assert(steps < 100); /* the longest wait is a day and a second */
        machine_advance_ms(game.machine, 7200000);
        step(&stats);
    }
    pt_assert(stats.delivered + stats.refused + stats.unreadable == stats.tracked);
    pt_assert(playtrace_close(game.p, 0) == PLAYTRACE_OK);
    reused_machine_clear(game.machine);
    return 0;
}
