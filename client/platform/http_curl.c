/*
 * http_curl.c - the default transport: one libcurl handle, kept for its connection
 *
 * The transfer runs in curl's multi interface, because that can be asked every few milliseconds
 * whether to go on: the plain one looks up once a second.
 */
#include "platform/posix.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LOOK_UP_MS 20
#define LOOK_UP_STREAM_MS 100 /* an event stream is open for hours: wake the device less often */

struct transport {
    CURLM *multi;
    CURL *easy;
};

/* What the callbacks of one transfer work on. */
struct transfer {
    CURL *easy;
    const struct playtrace_http_request *request;
    struct playtrace_http_response *response;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_is_ready = false; /* written once, under curl_once */

static void start_curl(void)
{
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static int status_of(CURL *easy)
{
    long status = 0;

    return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? (int)status : 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    const struct transfer *transfer = arg;
    struct playtrace_http_response *response = transfer->response;
    size_t bytes = size * count;
    size_t room = response->body_bytes_max - response->body_bytes;

    if (transfer->request->on_body) {
        response->status = status_of(transfer->easy);
        /* Any other count than was handed over ends the transfer. */
        return transfer->request->on_body(transfer->request->body_ctx, data, bytes) ? bytes
                                                                                    : bytes + 1;
    }
    if (bytes > room) {
        response->is_truncated = true; /* read on, so that the connection can be used again */
    }
    room = bytes < room ? bytes : room;
    if (room > 0) {
        memcpy(response->body + response->body_bytes, data, room);
        response->body_bytes += room;
    }
    return bytes;
}

/* The value of the line, if it is the header `name` (with its colon) and the value fits. */
static void take_value(const char *line, size_t bytes, const char *name, char *out,
                       size_t out_bytes)
{
    size_t from = strlen(name);
    size_t to = bytes;

    if (bytes < from || strncasecmp(line, name, from) != 0) {
        return;
    }
    while (from < to && (line[from] == ' ' || line[from] == '\t')) {
        from++;
    }
    while (to > from && (unsigned char)line[to - 1] <= ' ') {
        to--;
    }
    if (to - from < out_bytes) {
        memcpy(out, line + from, to - from);
        out[to - from] = '\0';
    }
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct playtrace_http_response *response = ((const struct transfer *)arg)->response;
    size_t bytes = size * count;

    if (bytes >= 5 && memcmp(data, "HTTP/", 5) == 0) { /* a new answer; the one before was 1xx */
        response->retry_after[0] = '\0';
        response->etag[0] = '\0';
        response->content_type[0] = '\0';
        response->date[0] = '\0';
        response->traceresponse[0] = '\0';
    }
    take_value(data, bytes, "retry-after:", response->retry_after, sizeof(response->retry_after));
    take_value(data, bytes, "etag:", response->etag, sizeof(response->etag));
    take_value(data, bytes, "content-type:", response->content_type,
               sizeof(response->content_type));
    take_value(data, bytes, "date:", response->date, sizeof(response->date));
    take_value(data, bytes, "traceresponse:", response->traceresponse,
               sizeof(response->traceresponse));
    return bytes;
}

/* What is the same for every request. */
static bool prepare(CURL *easy)
{
    /* An answer that a proxy has packed is unpacked, where curl was built with zlib. */
    (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "playtrace-client/" PT_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK;
}

void *playtrace_http_curl_create(void *unused)
{
    struct transport *transport = NULL;

    (void)unused;
    (void)pthread_once(&curl_once, start_curl);
    if (!curl_is_ready) {
        return NULL;
    }
    transport = calloc(1, sizeof(*transport));
    if (!transport) {
        return NULL;
    }
    transport->multi = curl_multi_init();
    transport->easy = curl_easy_init();
    if (!transport->multi || !transport->easy || !prepare(transport->easy)) {
        playtrace_http_curl_destroy(transport);
        transport = NULL;
    }
    return transport;
}

void playtrace_http_curl_destroy(void *handle)
{
    struct transport *transport = handle;

    if (!transport) {
        return;
    }
    curl_easy_cleanup(transport->easy);
    if (transport->multi) {
        (void)curl_multi_cleanup(transport->multi);
    }
    free(transport);
}

static bool is_loopback(const char *url)
{
    return strncmp(url, "http://127.", 11) == 0 || strncmp(url, "http://localhost", 16) == 0 ||
           strncmp(url, "http://[::1]", 12) == 0;
}

static struct curl_slist *make_headers(const struct playtrace_http_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no wait for 100-continue */

    for (size_t i = 0; list && i < request->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(list, request->headers[i]);

        if (!longer) {
            curl_slist_free_all(list);
        }
        list = longer;
    }
    return list;
}

static bool set_method(CURL *easy, const struct playtrace_http_request *request)
{
    if (request->method && strcmp(request->method, "GET") == 0) {
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "") ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes) ==
               CURLE_OK;
}

static bool set_request(CURL *easy, const struct playtrace_http_request *request,
                        struct transfer *transfer, struct curl_slist *headers)
{
    return set_method(easy, request) &&
           curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
           /* A proxy of the environment is for the network, not for this machine. */
           curl_easy_setopt(easy, CURLOPT_NOPROXY, is_loopback(request->url) ? "*" : NULL) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK;
}

/* Run the one transfer to its end; true: a whole answer came. */
static bool run(struct transport *transport, const struct playtrace_http_request *request)
{
    int look_up_ms = request->on_body ? LOOK_UP_STREAM_MS : LOOK_UP_MS;
    int running = 1;
    int left = 0;
    const CURLMsg *message = NULL;

    for (;;) {
        if (curl_multi_perform(transport->multi, &running) != CURLM_OK) {
            return false;
        }
        if (running == 0) {
            break;
        }
        if (request->should_stop && request->should_stop(request->stop_ctx)) {
            return false;
        }
        if (curl_multi_poll(transport->multi, NULL, 0, look_up_ms, NULL) != CURLM_OK) {
            return false;
        }
    }
    message = curl_multi_info_read(transport->multi, &left);
    return message && message->msg == CURLMSG_DONE && message->data.result == CURLE_OK;
}

/*
 * A peer that closes while TLS writes raises SIGPIPE, which would end the game: keep it from
 * this thread, and swallow the one that came.
 */
static void block_sigpipe(sigset_t *before_out, bool *was_pending_out)
{
    sigset_t pipe_only;
    sigset_t pending;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    *was_pending_out = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, before_out);
}

static void restore_sigpipe(const sigset_t *before, bool was_pending)
{
    static const struct timespec at_once = {0, 0};
    sigset_t pipe_only;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    if (!was_pending) {
        (void)sigtimedwait(&pipe_only, NULL, &at_once);
    }
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Connections are kept by the multi handle. */
static bool has_multi(struct transport *transport, bool is_new)
{
    if (is_new && transport->multi) {
        (void)curl_multi_cleanup(transport->multi);
        transport->multi = NULL;
    }
    if (!transport->multi) {
        transport->multi = curl_multi_init();
    }
    return transport->multi;
}

void playtrace_http_curl_post(void *handle, const struct playtrace_http_request *request,
                              struct playtrace_http_response *response)
{
    struct transport *transport = handle;
    struct transfer transfer = {NULL, request, response};
    struct curl_slist *headers = NULL;
    sigset_t before;
    bool was_pending = false;
    bool is_whole = false;

    response->status = 0;
    if (!transport || !has_multi(transport, request->wants_new_connection)) {
        return;
    }
    transfer.easy = transport->easy;
    headers = make_headers(request);
    if (!headers || !set_request(transport->easy, request, &transfer, headers)) {
        goto out;
    }
    block_sigpipe(&before, &was_pending);
    if (curl_multi_add_handle(transport->multi, transport->easy) == CURLM_OK) {
        is_whole = run(transport, request);
        response->status = is_whole ? status_of(transport->easy) : 0;
        (void)curl_multi_remove_handle(transport->multi, transport->easy);
    }
    restore_sigpipe(&before, was_pending);

out:
    curl_slist_free_all(headers);
}
