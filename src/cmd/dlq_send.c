/*
 * dlq_send.c - requests of `playtrace dlq replay` to the running server
 */
#include "cmd/dlq.h"

#include "playtrace.h"

#include <unistd.h>

#define ANSWER_BYTES_MAX (4u << 20)
#define TRIES_MAX 60
#define PAUSE_US_MIN 100000
#define PAUSE_US_MAX 2000000

struct pt_dlq_sender {
    char *url; /* without a slash at its end */
    char *key_header;
    void *transport;
    char *answer;
    bool was_answered; /* somebody is there */
};

enum pt_code pt_dlq_sender_open(struct pt_dlq_sender **sender_out, const char *url,
                                const char *api_key, struct pt_error *err)
{
    struct pt_dlq_sender *sender = pt_alloc_zero(sizeof(*sender));
    size_t size = strlen(url);

    *sender_out = NULL;
    if (!sender) {
        return pt_fail(err, PT_NO_MEMORY, "open the sender");
    }
    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    sender->url = pt_strndup(url, size);
    sender->key_header = api_key ? pt_strf("Authorization: Bearer %s", api_key) : NULL;
    sender->transport = playtrace_http_curl_create(NULL);
    sender->answer = pt_alloc(ANSWER_BYTES_MAX + PT_JSON_PADDING);
    if (!sender->url || (api_key && !sender->key_header) || !sender->transport || !sender->answer) {
        pt_dlq_sender_close(sender);
        return pt_fail(err, PT_NO_MEMORY, "open the sender");
    }
    *sender_out = sender;
    return PT_OK;
}

void pt_dlq_sender_close(struct pt_dlq_sender *sender)
{
    if (!sender) {
        return;
    }
    if (sender->transport) {
        playtrace_http_curl_destroy(sender->transport);
    }
    pt_free(sender->url);
    pt_free(sender->key_header);
    pt_free(sender->answer);
    pt_free(sender);
}

static enum pt_code explain(const struct pt_dlq_sender *sender, const char *path,
                            const struct playtrace_http_response *response, struct pt_error *err)
{
    int shown = response->body_bytes < 200 ? (int)response->body_bytes : 200;

    switch (response->status) {
    case 0:
        return pt_fail(err, PT_IO, "%s does not answer; is `playtrace serve` running there?",
                       sender->url);
    case 401:
    case 403:
        return pt_fail(err, PT_IO,
                       "%s refuses the request (%d); give an admin key with --api-key "
                       "(`playtrace keys create --scope admin` makes one)",
                       sender->url, response->status);
    case 404:
        return pt_fail(err, PT_IO,
                       "%s has no %s; if the server has an address of its own for "
                       "administrators (server.admin_listen), give that with --url",
                       sender->url, path);
    default:
        return pt_fail(err, PT_IO, "%s%s answers %d: %.*s", sender->url, path, response->status,
                       shown, response->body);
    }
}

enum pt_code pt_dlq_sender_post(struct pt_dlq_sender *sender, const char *path, struct pt_span body,
                                int *status_out, struct pt_span *answer_out, struct pt_error *err)
{
    const char *headers[2] = {"Content-Type: application/json", sender->key_header};
    struct playtrace_http_response response = {.body = sender->answer,
                                               .body_bytes_max = ANSWER_BYTES_MAX};
    char *url = pt_strf("%s%s", sender->url, path);
    struct playtrace_http_request request = {
        .url = url,
        .headers = headers,
        .header_count = sender->key_header ? 2 : 1,
        .body = body.data ? body.data : (const uint8_t *)"",
        .body_bytes = body.size,
        .connect_timeout_ms = 5000,
        .timeout_ms = 60000,
    };
    uint32_t pause_us = PAUSE_US_MIN;

    if (!url) {
        return pt_fail(err, PT_NO_MEMORY, "send a request");
    }
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        response.body_bytes = 0;
        response.is_truncated = false;
        playtrace_http_curl_post(sender->transport, &request, &response);
        if (response.status != 0 && response.status != 429 && response.status < 500) {
            break;
        }
        if (response.status == 0 && !sender->was_answered && i == 4) {
            break; /* nobody was ever there */
        }
        usleep(pause_us);
        pause_us = pause_us < PAUSE_US_MAX / 2 ? pause_us * 2 : PAUSE_US_MAX;
    }
    pt_free(url);
    sender->was_answered = sender->was_answered || response.status != 0;
    memset(sender->answer + response.body_bytes, 0, PT_JSON_PADDING);
    *status_out = response.status;
    *answer_out = pt_span_of(sender->answer, response.body_bytes);
    if (response.is_truncated) {
        return pt_fail(err, PT_IO, "%s%s answers with more than %u bytes", sender->url, path,
                       ANSWER_BYTES_MAX);
    }
    if ((response.status >= 200 && response.status < 300) || response.status == 400 ||
        response.status == 413) {
        return PT_OK;
    }
    return explain(sender, path, &response, err);
}
