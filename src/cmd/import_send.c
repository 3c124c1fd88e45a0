/*
 * import_send.c - batches over HTTP, and the receipts that come back
 *
 * A batch that is too large for the server, or that it cannot read, is sent again in halves
 * until the event that is to blame stands alone. Answers that mean "later" are repeated.
 */
#include "cmd/import.h"

#include "cmd/cmd.h"

#include "base/clock.h"
#include "wire/rfc3339.h"

#include "playtrace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BATCH_EVENTS_MAX 500
#define BATCH_BYTES_MAX (1u << 20)
#define BUFFER_BYTES_MAX (64u << 20) /* a row's events on top of a batch */
#define ANSWER_BYTES_MAX (1u << 20)
#define TRIES_MAX 60
#define PAUSE_US_MIN 100000
#define PAUSE_US_MAX 2000000

struct pt_import_sender {
    char *url;
    char *header_key;
    void *transport;
    struct pt_json_parser *parser;
    struct pt_buf events; /* one after another, each without comma */
    struct pt_jsonw w;
    struct pt_buf body;
    char *answer;
    size_t ends[BATCH_EVENTS_MAX];    /* of each event in `events` */
    uint64_t lines[BATCH_EVENTS_MAX]; /* where it came from */
    size_t count;
    const char *file;
    struct pt_import_counts *counts;
};

enum pt_code pt_import_sender_open(struct pt_import_sender **sender_out, const char *url,
                                   const char *api_key, struct pt_error *err)
{
    struct pt_import_sender *sender = pt_alloc_zero(sizeof(*sender));
    size_t size = strlen(url);

    *sender_out = NULL;
    if (!sender) {
        return pt_fail(err, PT_NO_MEMORY, "open the sender");
    }
    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    pt_buf_init(&sender->events, BUFFER_BYTES_MAX);
    pt_buf_init(&sender->body, BUFFER_BYTES_MAX);
    sender->url = pt_strf("%.*s/v1/events", (int)size, url);
    sender->header_key = api_key ? pt_strf("Authorization: Bearer %s", api_key) : NULL;
    sender->transport = playtrace_http_curl_create(NULL);
    sender->parser = pt_json_parser_create(ANSWER_BYTES_MAX);
    sender->answer = pt_alloc(ANSWER_BYTES_MAX + PT_JSON_PADDING);
    if (!sender->url || (api_key && !sender->header_key) || !sender->transport || !sender->parser ||
        !sender->answer) {
        pt_import_sender_close(sender);
        return pt_fail(err, PT_NO_MEMORY, "open the sender");
    }
    *sender_out = sender;
    return PT_OK;
}

void pt_import_sender_close(struct pt_import_sender *sender)
{
    if (!sender) {
        return;
    }
    if (sender->transport) {
        playtrace_http_curl_destroy(sender->transport);
    }
    pt_json_parser_destroy(sender->parser);
    pt_buf_release(&sender->events);
    pt_buf_release(&sender->body);
    pt_free(sender->url);
    pt_free(sender->header_key);
    pt_free(sender->answer);
    pt_free(sender);
}

void pt_import_sender_begin(struct pt_import_sender *sender, const char *file,
                            struct pt_import_counts *counts)
{
    pt_assert(sender->count == 0);
    sender->file = file;
    sender->counts = counts;
}

/* ---- one request ---- */

static void build_body(struct pt_import_sender *sender, size_t first, size_t count)
{
    size_t begin = first > 0 ? sender->ends[first - 1] : 0;
    char sent_at[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(pt_clock_wall_us(pt_clock_system()), sent_at);
    pt_buf_reset(&sender->body);
    pt_buf_appendf(&sender->body, "{\"sent_at\":\"%s\",\"events\":[", sent_at);
    for (size_t i = first; i < first + count; i++) {
        if (i > first) {
            pt_buf_append_byte(&sender->body, ',');
        }
        pt_buf_append(&sender->body, sender->events.data + begin, sender->ends[i] - begin);
        begin = sender->ends[i];
    }
    pt_buf_append_str(&sender->body, "]}");
}

static int post(struct pt_import_sender *sender, size_t *bytes_out)
{
    const char *headers[2] = {"Content-Type: application/json", sender->header_key};
    struct playtrace_http_request request = {
        .url = sender->url,
        .headers = headers,
        .header_count = sender->header_key ? 2 : 1,
        .body = sender->body.data,
        .body_bytes = sender->body.size,
        .connect_timeout_ms = 5000,
        .timeout_ms = 60000,
    };
    struct playtrace_http_response response = {.body = sender->answer,
                                               .body_bytes_max = ANSWER_BYTES_MAX};

    playtrace_http_curl_post(sender->transport, &request, &response);
    *bytes_out = response.body_bytes;
    memset(sender->answer + response.body_bytes, 0, PT_JSON_PADDING);
    return response.status;
}

static int post_until_answered(struct pt_import_sender *sender, size_t *bytes_out)
{
    uint32_t pause_us = PAUSE_US_MIN;
    int status = 0;

    for (unsigned i = 0; i < TRIES_MAX; i++) {
        status = post(sender, bytes_out);
        if (status != 0 && status != 429 && status < 500) {
            break;
        }
        if (status == 0 && sender->counts->sent == 0 && i == 4) {
            break; /* nobody was ever there */
        }
        usleep(pause_us);
        pause_us = pause_us < PAUSE_US_MAX / 2 ? pause_us * 2 : PAUSE_US_MAX;
    }
    return status;
}

/* ---- the answer ---- */

static void show(struct pt_import_sender *sender, uint64_t line, const char *what,
                 struct pt_span code, struct pt_span detail)
{
    if (sender->counts->shown < PT_IMPORT_RECEIPTS_MAX) {
        pt_cmd_say("%s:%" PRIu64 ": %s: %.*s: %.*s", sender->file, line, what, PT_SPAN_ARG(code),
                   PT_SPAN_ARG(detail));
    } else if (sender->counts->shown == PT_IMPORT_RECEIPTS_MAX) {
        pt_cmd_say("%s: further reasons are not shown", sender->file);
    }
    sender->counts->shown++;
}

static enum pt_code take_receipts(struct pt_import_sender *sender, size_t first, size_t count,
                                  size_t bytes, struct pt_error *err)
{
    struct pt_json root;
    struct pt_json list;
    struct pt_json_iter it;
    int64_t accepted = 0;
    uint64_t rejected = 0;

    if (pt_json_parse(sender->parser, pt_span_of(sender->answer, bytes), &root, NULL, NULL) ||
        pt_json_type(root) != PT_JSON_OBJECT || !pt_json_member_int(root, "accepted", &accepted)) {
        return pt_fail(err, PT_IO, "%s answers with something that is no receipt", sender->url);
    }
    list = pt_json_member(root, "rejected");
    if (pt_json_exists(list) && pt_json_type(list) == PT_JSON_ARRAY) {
        it = pt_json_iterate(list);
        while (pt_json_next(&it)) {
            struct pt_span code = pt_span_str("?");
            struct pt_span detail = pt_span_str("");
            int64_t index = 0;

            rejected++;
            if (pt_json_type(it.value) == PT_JSON_OBJECT &&
                pt_json_member_int(it.value, "index", &index) && index >= 0 &&
                (uint64_t)index < count) {
                pt_json_member_string(it.value, "code", &code);
                pt_json_member_string(it.value, "detail", &detail);
                show(sender, sender->lines[first + (size_t)index], "rejected", code, detail);
            }
        }
    }
    if (accepted < 0 || (uint64_t)accepted + rejected != count) {
        return pt_fail(err, PT_IO,
                       "%s: %zu events were sent, but %" PRId64 " accepted and %" PRIu64
                       " rejected",
                       sender->url, count, accepted, rejected);
    }
    sender->counts->sent += count;
    sender->counts->accepted += (uint64_t)accepted;
    sender->counts->rejected += rejected;
    return PT_OK;
}

static enum pt_code refused(const struct pt_import_sender *sender, int status, size_t bytes,
                            struct pt_error *err)
{
    int shown = bytes < 200 ? (int)bytes : 200;

    if (status == 0) {
        return pt_fail(err, PT_IO, "%s does not answer; is `playtrace serve` running there?",
                       sender->url);
    }
    if (status == 401 || status == 403) {
        return pt_fail(err, PT_IO, "%s refuses the API key (%d); give one with --api-key",
                       sender->url, status);
    }
    return pt_fail(err, PT_IO, "%s answers %d: %.*s", sender->url, status, shown, sender->answer);
}

static enum pt_code send_range(struct pt_import_sender *sender, size_t first, size_t count,
                               struct pt_error *err)
{
    size_t bytes = 0;
    int status = 0;
    enum pt_code code = PT_OK;

    build_body(sender, first, count);
    if (sender->body.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "write a request");
    }
    status = post_until_answered(sender, &bytes);
    if (status == 202) {
        return take_receipts(sender, first, count, bytes, err);
    }
    if (status != 400 && status != 413) {
        return refused(sender, status, bytes, err);
    }
    if (count == 1) {
        show(sender, sender->lines[first], "unreadable", pt_span_str("the server says"),
             pt_span_of(sender->answer, bytes < 200 ? bytes : 200));
        sender->counts->unreadable++;
        return PT_OK;
    }
    /* Depth: the logarithm of a batch. */
    code = send_range(sender, first, count / 2, err);
    return code ? code : send_range(sender, first + count / 2, count - count / 2, err);
}

/* ---- the batch ---- */

struct pt_jsonw *pt_import_sender_event(struct pt_import_sender *sender)
{
    pt_jsonw_init(&sender->w, &sender->events);
    return &sender->w;
}

void pt_import_sender_drop(struct pt_import_sender *sender)
{
    sender->events.size = sender->count > 0 ? sender->ends[sender->count - 1] : 0;
}

enum pt_code pt_import_sender_keep(struct pt_import_sender *sender, uint64_t line,
                                   struct pt_error *err)
{
    sender->lines[sender->count] = line;
    sender->ends[sender->count] = sender->events.size;
    sender->count++;
    if (sender->count == BATCH_EVENTS_MAX || sender->events.size >= BATCH_BYTES_MAX) {
        return pt_import_sender_flush(sender, err);
    }
    return PT_OK;
}

enum pt_code pt_import_sender_flush(struct pt_import_sender *sender, struct pt_error *err)
{
    size_t count = sender->count;

    if (count == 0) {
        return PT_OK;
    }
    sender->count = 0;
    enum pt_code code = send_range(sender, 0, count, err);
    pt_buf_reset(&sender->events);
    return code;
}
