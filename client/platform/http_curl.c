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

struct transport {
    CURLM *multi;
    CURL *easy;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_is_ready = false; /* written once, under curl_once */

static void start_curl(void)
{
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct playtrace_http_response *response = arg;
    size_t bytes = size * count;
    size_t room = response->body_bytes_max - response->body_bytes;

    if (bytes > room) {
        response->is_truncated = true; /* read on, so that the connection can be used again */
    }
    room = bytes < room ? bytes : room;
    memcpy(response->body + response->body_bytes, data, room);
    response->body_bytes += room;
    return bytes;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct playtrace_http_response *response = arg;
    size_t bytes = size * count;
    size_t from = sizeof(name) - 1;
    size_t to = bytes;

    if (bytes >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        response->retry_after[0] = '\0'; /* a new answer; the one before was 1xx */
    }
    if (bytes < from || strncasecmp(data, name, from) != 0) {
        return bytes;
    }
    while (from < to && (data[from] == ' ' || data[from] == '\t')) {
        from++;
    }
    while (to > from && (unsigned char)data[to - 1] <= ' ') {
        to--;
    }
    if (to - from < sizeof(response->retry_after)) {
        memcpy(response->retry_after, data + from, to - from);
        response->retry_after[to - from] = '\0';
    }
    return bytes;
}

/* What is the same for every request. */
static bool prepare(CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
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

static bool set_request(CURL *easy, const struct playtrace_http_request *request,
                        struct playtrace_http_response *response, struct curl_slist *headers)
{
    return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
           /* A proxy of the environment is for the network, not for this machine. */
           curl_easy_setopt(easy, CURLOPT_NOPROXY, is_loopback(request->url) ? "*" : NULL) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, response) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, response) == CURLE_OK;
}

/* Run the one transfer to its end; true: a whole answer came. */
static bool run(struct transport *transport, const struct playtrace_http_request *request)
{
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
        if (curl_multi_poll(transport->multi, NULL, 0, LOOK_UP_MS, NULL) != CURLM_OK) {
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

void playtrace_http_curl_post(void *handle, const struct playtrace_http_request *request,
                              struct playtrace_http_response *response)
{
    struct transport *transport = handle;
    struct curl_slist *headers = NULL;
    sigset_t before;
    bool was_pending = false;
    long status = 0;

    response->status = 0;
    if (!transport) {
        return;
    }
    headers = make_headers(request);
    if (!headers || !set_request(transport->easy, request, response, headers)) {
        goto out;
    }
    block_sigpipe(&before, &was_pending);
    if (curl_multi_add_handle(transport->multi, transport->easy) == CURLM_OK) {
        if (run(transport, request) &&
            curl_easy_getinfo(transport->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK) {
            response->status = (int)status;
        }
        (void)curl_multi_remove_handle(transport->multi, transport->easy);
    }
    restore_sigpipe(&before, was_pending);

out:
    curl_slist_free_all(headers);
}
