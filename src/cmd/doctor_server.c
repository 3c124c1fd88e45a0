/*
 * doctor_server.c - `playtrace doctor`: a running server, asked over HTTP
 *
 * libcurl by itself, since the client's transport only posts. The answers' Date is compared with
 * our clock at the middle of the request.
 */
#include "cmd/doctor.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX 4096
#define TIMEOUT_MS 5000L

struct answer {
    long status;         /* 0: none */
    char why[256];       /* where there is none */
    int64_t date_us;     /* INT64_MIN where it had none */
    int64_t asked_at_us; /* the middle of the request, by our clock */
    uint8_t body[ANSWER_BYTES_MAX + PT_JSON_PADDING];
    size_t body_bytes;
};

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct answer *answer = ctx;
    size_t bytes = size * count;
    size_t room = ANSWER_BYTES_MAX - answer->body_bytes;

    memcpy(answer->body + answer->body_bytes, data, bytes < room ? bytes : room);
    answer->body_bytes += bytes < room ? bytes : room;
    return bytes;
}

static size_t take_header(char *data, size_t size, size_t count, void *ctx)
{
    struct answer *answer = ctx;
    size_t bytes = size * count;
    char text[64];

    if (bytes > 5 && bytes - 5 < sizeof(text) && strncasecmp(data, "Date:", 5) == 0) {
        time_t date = 0;

        snprintf(text, sizeof(text), "%.*s", (int)(bytes - 5), data + 5);
        date = curl_getdate(text, NULL);
        /* It was cut to whole seconds. */
        answer->date_us = date > 0 ? (int64_t)date * 1000000 + 500000 : INT64_MIN;
    }
    return bytes;
}

static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://") + 3;

    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

static void ask(struct pt_doctor *doctor, const char *url, const char *path, struct answer *answer)
{
    CURL *easy = curl_easy_init();
    size_t size = strlen(url);
    char *whole = NULL;
    int64_t began_us = pt_clock_wall_us(doctor->clock);
    CURLcode result = CURLE_FAILED_INIT;

    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    *answer = (struct answer){.date_us = INT64_MIN};
    whole = pt_strf("%.*s%s", (int)size, url, path);
    if (easy && whole && curl_easy_setopt(easy, CURLOPT_URL, whole) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOPROXY, is_loopback(url) ? "*" : NULL) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer) == CURLE_OK) {
        result = curl_easy_perform(easy);
    }
    if (result == CURLE_OK) {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
    } else {
        snprintf(answer->why, sizeof(answer->why), "%s", curl_easy_strerror(result));
    }
    answer->asked_at_us = began_us + (pt_clock_wall_us(doctor->clock) - began_us) / 2;
    curl_easy_cleanup(easy);
    pt_free(whole);
}

/* A text member of the answer's object; false where there is none. */
static bool member(struct answer *answer, const char *key, char *text_out, size_t room)
{
    struct pt_json_parser *parser = pt_json_parser_create(ANSWER_BYTES_MAX);
    struct pt_json root;
    struct pt_span text;
    bool found = parser &&
                 pt_json_parse(parser, pt_span_of(answer->body, answer->body_bytes), &root, NULL,
                               NULL) == PT_OK &&
                 pt_json_type(root) == PT_JSON_OBJECT && pt_json_member_string(root, key, &text);

    if (found) {
        snprintf(text_out, room, "%.*s", PT_SPAN_ARG(text));
    }
    pt_json_parser_destroy(parser);
    return found;
}

static void compare_clocks(struct pt_doctor *doctor, const struct answer *answer)
{
    int64_t ahead_us = answer->asked_at_us - answer->date_us;
    int64_t off_us = ahead_us < 0 ? -ahead_us : ahead_us;
    char span[32];

    if (answer->date_us == INT64_MIN) {
        return;
    }
    if (off_us > PT_DOCTOR_CLOCK_WARN_US) {
        pt_doctor_say(doctor, off_us > PT_DOCTOR_CLOCK_FAIL_US ? PT_VERDICT_FAIL : PT_VERDICT_WARN,
                      "clock", "set both by a time server (chrony or systemd-timesyncd)",
                      "this machine's is %s %s the server's", pt_doctor_span(off_us, span),
                      ahead_us > 0 ? "ahead of" : "behind");
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "clock", NULL, "agrees with the server's");
    }
}

static void check_version(struct pt_doctor *doctor, struct answer *answer)
{
    char version[64];

    if (!member(answer, "version", version, sizeof(version))) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "server", "is this address Playtrace's?",
                      "/healthz does not tell a version");
    } else if (strcmp(version, PT_VERSION) != 0) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "server", "use the program that the server runs",
                      "it is version %s, and this program is %s", version, PT_VERSION);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "server", NULL, "version %s", version);
    }
}

static void ask_server(struct pt_doctor *doctor, const char *url, bool is_guess)
{
    struct answer answer;
    char detail[300];

    ask(doctor, url, "/readyz", &answer);
    if (answer.status == 0) {
        pt_doctor_say(doctor, is_guess ? PT_VERDICT_WARN : PT_VERDICT_FAIL, "server",
                      is_guess ? "if it listens elsewhere, give --url URL"
                               : "start it, or look at address, firewall and certificate",
                      "%s does not answer: %s", url, answer.why);
        return;
    }
    if (answer.status == 200) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "server", NULL, "%s takes events", url);
    } else {
        if (!member(&answer, "detail", detail, sizeof(detail))) {
            snprintf(detail, sizeof(detail), "/readyz answers %ld", answer.status);
        }
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "server", "its log lines on standard error say more",
                      "%s takes no events: %s", url, detail);
    }
    compare_clocks(doctor, &answer);
    ask(doctor, url, "/healthz", &answer);
    check_version(doctor, &answer);
}

void pt_doctor_check_server(struct pt_doctor *doctor)
{
    const char *listen = pt_config_string(doctor->config, PT_CONFIG_server_listen);
    const char *port = strrchr(listen, ':');
    bool is_tls = *pt_config_string(doctor->config, PT_CONFIG_server_tls_certificate) != '\0';
    char *url = NULL;

    if (doctor->url) {
        ask_server(doctor, doctor->url, false);
        return;
    }
    /* Its certificate is for a name that we do not know: no guess over TLS. */
    if (doctor->server_pid == 0 || is_tls || !port || strcmp(port, ":0") == 0) {
        return;
    }
    url = strncmp(listen, "0.0.0.0:", 8) == 0 ? pt_strf("http://127.0.0.1%s", port)
                                              : pt_strf("http://%s", listen);
    if (url) {
        ask_server(doctor, url, true);
    }
    pt_free(url);
}
