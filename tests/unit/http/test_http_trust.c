/*
 * test_http_trust.c - TLS, browsers of other origins, admin routes, the sum of memory
 *
 * Method: a real server on loopback; a certificate made here; OpenSSL's client over it. Plain
 * requests go over a bare socket, and what comes back is compared as text.
 */
#include "check.h"
#include "loopback.h"

#include "base/io.h"
#include "base/mem.h"
#include "http/http.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n"

static char *dir;
static char *certificate_path;
static char *key_path;

/* ---- certificates ---- */

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

static void write_bio(const char *path, BIO *bio)
{
    char *text = NULL;
    long bytes = BIO_get_mem_data(bio, &text);
    struct pt_error err = {0};

    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(text, (size_t)bytes), 0, &err), err);
    BIO_free(bio);
}

static void write_text(const char *path, const char *text)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str(text), 0, &err), err);
}

static void write_key(const char *path, EVP_PKEY *key, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PT_CHECK(PEM_write_bio_PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                                      (void *)(uintptr_t)password) == 1);
    write_bio(path, bio);
}

/* Self-signed, with that name. */
static void write_certificate(const char *path, EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    BIO *bio = BIO_new(BIO_s_mem());

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    PT_CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    PT_CHECK(PEM_write_bio_X509(bio, certificate) == 1);
    X509_free(certificate);
    write_bio(path, bio);
}

static void write_pair(const char *name)
{
    EVP_PKEY *key = make_key();

    write_certificate(certificate_path, key, name);
    write_key(key_path, key, NULL);
    EVP_PKEY_free(key);
}

/* ---- the server under test ---- */

struct fixture {
    struct pt_http_server *server;
    struct pt_http_limits limits;
    bool has_tls;
    const char *admin; /* address, or NULL */
    const char *origins[2];
    size_t origin_count;
};

static void hello(void *ctx, struct pt_http_request *request)
{
    (void)ctx;
    pt_http_respond(request, 200, "text/plain", pt_span_str("hello"), NULL, 0);
}

static void big(void *ctx, struct pt_http_request *request)
{
    const size_t bytes = (size_t)8 * 1024 * 1024;
    uint8_t *data = pt_alloc_zero(bytes);

    (void)ctx;
    pt_assert(data);
    pt_http_respond(request, 200, "application/octet-stream", pt_span_of(data, bytes), NULL, 0);
    pt_free(data);
}

/* An answer that stays open; the last one, for the test to go on with. */
static _Atomic(struct pt_http_feed *) last_feed;

static void open_feed(void *ctx, struct pt_http_request *request)
{
    struct pt_http_feed *feed = pt_http_feed_open(request, "text/event-stream", NULL, 0);

    (void)ctx;
    if (feed) {
        (void)pt_http_feed_append(feed, pt_span_str("hello\n"));
        atomic_store(&last_feed, feed);
    }
}

static void fixture_start(struct fixture *f, const char *address)
{
    struct pt_error err = {0};

    if (f->limits.threads == 0) {
        pt_http_limits_default(&f->limits);
    }
    PT_CHECK_OK(pt_http_server_open(&f->server, address, &f->limits, pt_clock_system(), &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/hello", 0, hello, NULL, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "POST", "/hello", 1u << 24, hello, NULL, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/big", 0, big, NULL, &err), err);
    PT_CHECK_OK(pt_http_route(f->server, "GET", "/feed", 0, open_feed, NULL, &err), err);
    PT_CHECK_OK(pt_http_route_admin(f->server, "POST", "/admin", 10, hello, NULL, &err), err);
    PT_CHECK_OK(pt_http_route_admin(f->server, "DELETE", "/hello", 0, hello, NULL, &err), err);
    if (f->has_tls) {
        PT_CHECK_OK(
            pt_http_server_use_tls(f->server, pt_io_posix(), certificate_path, key_path, &err),
            err);
    }
    if (f->admin) {
        PT_CHECK_OK(pt_http_server_listen_admin(f->server, f->admin, &err), err);
    }
    PT_CHECK_OK(pt_http_server_allow_origins(f->server, f->origins, f->origin_count, &err), err);
    PT_CHECK_OK(pt_http_server_start(f->server, &err), err);
}

static int dial(const char *url)
{
    return pt_test_connect(pt_test_port(url));
}

/* Send, read to the end; the answer stays in `text`. Its status. */
static int ask(const char *url, const char *request, char *text, size_t room)
{
    int fd = dial(url);
    size_t used = 0;

    PT_CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
    PT_CHECK(send(fd, "Connection: close\r\n\r\n", 21, MSG_NOSIGNAL) == 21);
    for (;;) {
        ssize_t n = recv(fd, text + used, room - 1 - used, 0);

        PT_CHECK(n >= 0);
        if (n <= 0) {
            break;
        }
        used += (size_t)n;
    }
    text[used] = '\0';
    close(fd);
    return used > 9 ? (int)strtol(text + 9, NULL, 10) : 0;
}

static int64_t mono_ms(void)
{
    return pt_clock_mono_us(pt_clock_system()) / 1000;
}

/* ---- TLS ---- */

struct secure {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

/* NULL `protocol`: none offered. False: the handshake failed. */
static bool secure_open(struct secure *secure, const char *url, int max_version,
                        const char *protocol)
{
    secure->fd = dial(url);
    secure->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(secure->context, 0);
    SSL_CTX_set_min_proto_version(secure->context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(secure->context, max_version);
    secure->ssl = SSL_new(secure->context);
    SSL_set_fd(secure->ssl, secure->fd);
    if (protocol) {
        uint8_t list[32];

        list[0] = (uint8_t)strlen(protocol);
        memcpy(list + 1, protocol, list[0]);
        SSL_set_alpn_protos(secure->ssl, list, list[0] + 1u);
    }
    return SSL_connect(secure->ssl) == 1;
}

static void secure_send(struct secure *secure, const char *text)
{
    PT_CHECK(SSL_write(secure->ssl, text, (int)strlen(text)) == (int)strlen(text));
}

static void secure_close(struct secure *secure)
{
    SSL_free(secure->ssl);
    SSL_CTX_free(secure->context);
    close(secure->fd);
    ERR_clear_error();
}

/* The name in the certificate that the server shows to a new connection. */
static void name_shown(const char *url, char *name, size_t room)
{
    struct secure secure;
    X509 *certificate = NULL;

    PT_CHECK(secure_open(&secure, url, TLS1_3_VERSION, NULL));
    certificate = SSL_get1_peer_certificate(secure.ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, (int)room);
    X509_free(certificate);
    secure_close(&secure);
}

/* Plain text to a TLS port is closed, by a reset where some of it was not read, and not answered.
 */
static void plain_text_is_not_answered(const char *url)
{
    static const char request[] = GET("/hello") "Connection: close\r\n\r\n";
    int fd = dial(url);
    uint8_t bytes[512];
    size_t got = 0;
    ssize_t n = 0;

    PT_CHECK(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1);
    while ((n = recv(fd, bytes + got, sizeof(bytes) - got, 0)) > 0) {
        got += (size_t)n;
    }
    PT_CHECK(n == 0 || errno == ECONNRESET);
    PT_CHECK(got == 0 || (got == 7 && bytes[0] == 21)); /* an alert at most */
    close(fd);
}

static void tls_carries_requests_of_1_2_and_up(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct fixture f = {.has_tls = true};
    struct secure secure;
    char text[512];

    (void)state;
    write_pair("first");
    fixture_start(&f, "127.0.0.1:0");
    PT_CHECK(strncmp(pt_http_server_url(f.server), "https://127.0.0.1:", 18) == 0);
    for (size_t i = 0; i < 2; i++) {
        PT_CHECK(secure_open(&secure, pt_http_server_url(f.server), versions[i], "http/1.1"));
        for (unsigned round = 0; round < 3; round++) {
            int n = 0;

            /* by drops: each its own record */
            for (const char *at = GET("/hello") "\r\n"; *at; at++) {
                PT_CHECK(SSL_write(secure.ssl, at, 1) == 1);
            }
            n = SSL_read(secure.ssl, text, sizeof(text) - 1);
            PT_CHECK(n > 0);
            text[n > 0 ? n : 0] = '\0';
            PT_CHECK(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0 &&
                     strstr(text, "\r\n\r\nhello"));
        }
        secure_close(&secure);
    }
    PT_CHECK(!secure_open(&secure, pt_http_server_url(f.server), TLS1_1_VERSION, NULL));
    secure_close(&secure);
    PT_CHECK(!secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, "spdy/1"));
    secure_close(&secure);
    PT_CHECK(secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, "h2"));
    PT_CHECK(SSL_read(secure.ssl, text, 9) == 9 && text[3] == 4); /* SETTINGS */
    secure_close(&secure);
    plain_text_is_not_answered(pt_http_server_url(f.server));
    pt_http_server_close(f.server);
}

static void a_large_answer_goes_through_tls(void **state)
{
    struct fixture f = {.has_tls = true};
    struct secure secure;
    static char text[65536];
    size_t got = 0;
    int n = 0;

    (void)state;
    write_pair("first");
    fixture_start(&f, "127.0.0.1:0");
    PT_CHECK(secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, NULL));
    secure_send(&secure, GET("/big") "Connection: close\r\n\r\n");
    pt_test_sleep_ms(50);
    while ((n = SSL_read(secure.ssl, text, sizeof(text))) > 0) {
        got += (size_t)n;
    }
    PT_CHECK(SSL_get_error(secure.ssl, n) == SSL_ERROR_ZERO_RETURN); /* a farewell, no cut */
    PT_CHECK(got > (size_t)8 * 1024 * 1024);
    secure_close(&secure);
    pt_http_server_close(f.server);
}

/* Read on until `text` was received. */
static void secure_hear(struct secure *secure, const char *text)
{
    char got[1024] = "";

    for (int used = 0, n = 0; !strstr(got, text); used += n) {
        n = SSL_read(secure->ssl, got + used, (int)sizeof(got) - 1 - used);
        PT_CHECK(n > 0);
    }
}

/* Words over TLS, a peer that leaves there, and a drain that says farewell. */
static void an_answer_that_stays_open_goes_through_tls(void **state)
{
    struct fixture f = {.has_tls = true};
    struct secure secure;
    struct pt_http_feed *feed = NULL;
    char byte = 0;
    int n = 0;

    (void)state;
    write_pair("first");
    fixture_start(&f, "127.0.0.1:0");
    for (unsigned round = 0; round < 2; round++) {
        atomic_store(&last_feed, NULL);
        PT_CHECK(secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, "http/1.1"));
        secure_send(&secure, GET("/feed") "\r\n");
        secure_hear(&secure, "\r\n\r\nhello\n");
        while (!(feed = atomic_load(&last_feed))) {
            pt_test_sleep_ms(1);
        }
        PT_CHECK(pt_http_feed_append(feed, pt_span_str("one\n")));
        secure_hear(&secure, "one\n");
        if (round == 0) {
            secure_close(&secure);
            while (pt_http_feed_is_open(feed)) {
                pt_test_sleep_ms(1);
            }
        } else {
            pt_http_server_drain(f.server, 3600000);
            PT_CHECK(!pt_http_feed_is_open(feed));
            n = SSL_read(secure.ssl, &byte, 1);
            PT_CHECK(n <= 0 && SSL_get_error(secure.ssl, n) == SSL_ERROR_ZERO_RETURN);
            secure_close(&secure);
        }
        pt_http_feed_close(feed);
    }
    pt_http_server_close(f.server);
}

static void a_new_pair_is_taken_and_a_broken_one_is_not(void **state)
{
    struct fixture f = {.has_tls = true};
    struct pt_error err = {0};
    const char *url = NULL;
    bool has_changed = false;
    char name[64];
    EVP_PKEY *key = make_key();

    (void)state;
    write_pair("first");
    fixture_start(&f, "127.0.0.1:0");
    url = pt_http_server_url(f.server);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(!has_changed);
    /* In the midst of a change: nothing, as long as it goes on. */
    write_certificate(certificate_path, key, "second");
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(!has_changed);
    write_key(key_path, key, NULL);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(!has_changed);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(has_changed);
    name_shown(url, name, sizeof(name));
    assert_string_equal(name, "second");
    /* Broken: told once, and the old pair stays. */
    write_text(certificate_path, "no certificate");
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(pt_http_server_reload_tls(f.server, &has_changed, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, certificate_path) && !has_changed);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(unlink(key_path) == 0);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK(pt_http_server_reload_tls(f.server, &has_changed, &err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    name_shown(url, name, sizeof(name));
    assert_string_equal(name, "second");
    write_pair("third");
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    PT_CHECK_OK(pt_http_server_reload_tls(f.server, &has_changed, &err), err);
    name_shown(url, name, sizeof(name));
    assert_string_equal(name, "third");
    EVP_PKEY_free(key);
    pt_http_server_close(f.server);
}

static void a_wrong_pair_is_explained(void **state)
{
    struct pt_http_limits limits;
    struct pt_error err = {0};
    EVP_PKEY *key = make_key();

    (void)state;
    pt_http_limits_default(&limits);
    for (unsigned kind = 0; kind < 6; kind++) {
        struct pt_http_server *server = NULL;
        const char *culprit = kind < 2 ? certificate_path : key_path;
        const char *says = NULL;

        write_pair("first");
        if (kind == 0) {
            unlink(certificate_path);
            says = "No such file";
        } else if (kind == 1) {
            write_text(certificate_path, "-----BEGIN CERTIFICATE-----\nxx\n");
            says = "holds no certificate in PEM form";
        } else if (kind == 2) {
            unlink(key_path);
            says = "No such file";
        } else if (kind == 3) {
            write_text(key_path, "");
            says = "holds no private key in PEM form";
        } else if (kind == 4) {
            write_key(key_path, key, NULL);
            says = "does not match the certificate in";
        } else {
            write_key(key_path, key, "secret");
            says = "the key is encrypted";
        }
        PT_CHECK_OK(pt_http_server_open(&server, "127.0.0.1:0", &limits, pt_clock_system(), &err),
                    err);
        PT_CHECK(pt_http_server_use_tls(server, pt_io_posix(), certificate_path, key_path, &err) !=
                 PT_OK);
        if (!strstr(err.text, culprit) || !strstr(err.text, says)) {
            fail_msg("kind %u: %s", kind, err.text);
        }
        pt_http_server_close(server);
    }
    EVP_PKEY_free(key);
}

/* Nothing, half a ClientHello, a handshake without a request: each has its time. */
static void slow_handshakes_run_out_of_time(void **state)
{
    static const char *const sent[] = {"", "\x16\x03\x01\x02", "\x16\x03\x01\x00\x80\x01"};
    struct fixture f = {.has_tls = true};
    struct secure secure;
    char byte = 0;

    (void)state;
    write_pair("first");
    pt_http_limits_default(&f.limits);
    f.limits.header_timeout_ms = 200;
    f.limits.idle_timeout_ms = 300;
    fixture_start(&f, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        int64_t start_ms = mono_ms(); /* the limit runs from the accept */
        int fd = dial(pt_http_server_url(f.server));

        PT_CHECK(send(fd, sent[i], i == 2 ? 6 : strlen(sent[i]), MSG_NOSIGNAL) >= 0);
        PT_CHECK(recv(fd, &byte, 1, 0) <= 0);
        PT_CHECK(mono_ms() - start_ms >= 199 && mono_ms() - start_ms < 10000);
        close(fd);
    }
    PT_CHECK(secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, NULL));
    PT_CHECK(SSL_read(secure.ssl, &byte, 1) <= 0);
    secure_close(&secure);
    pt_http_server_close(f.server);
}

static void no_failed_allocation_harms_tls(void **state)
{
    struct fixture f = {.has_tls = true};
    struct secure secure;

    (void)state;
    write_pair("first");
    fixture_start(&f, "127.0.0.1:0");
    for (unsigned nth = 1; nth < 8; nth++) {
        char text[256];

        pt_mem_fail_after(nth);
        if (secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, NULL)) {
            (void)SSL_write(secure.ssl, GET("/hello") "\r\n", sizeof(GET("/hello")) + 1);
            (void)SSL_read(secure.ssl, text, sizeof(text));
        }
        pt_mem_fail_after(0);
        secure_close(&secure);
    }
    PT_CHECK(secure_open(&secure, pt_http_server_url(f.server), TLS1_3_VERSION, NULL));
    secure_close(&secure);
    pt_http_server_close(f.server);
}

/* ---- CORS ---- */

#define PREFLIGHT(path, origin, method)                                                            \
    "OPTIONS " path " HTTP/1.1\r\nHost: a\r\nOrigin: " origin                                      \
    "\r\nAccess-Control-Request-Method: " method                                                   \
    "\r\nAccess-Control-Request-Headers: content-type\r\n"

static void pages_of_named_origins_may_ask(void **state)
{
    struct fixture f = {.origins = {"https://game.example", "http://localhost:8000"},
                        .origin_count = 2};
    const char *url = NULL;
    char text[2048];

    (void)state;
    fixture_start(&f, "127.0.0.1:0");
    url = pt_http_server_url(f.server);
    assert_int_equal(
        ask(url, PREFLIGHT("/hello", "https://game.example", "POST"), text, sizeof(text)), 204);
    PT_CHECK(strstr(text, "\r\nAccess-Control-Allow-Origin: https://game.example\r\n"));
    PT_CHECK(strstr(text, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST"));
    PT_CHECK(strstr(
        text,
        "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, "
        "Content-Encoding, X-Playtrace-Signature, traceparent, If-None-Match, Last-Event-ID\r\n"));
    PT_CHECK(strstr(text, "\r\nVary: Origin\r\n"));
    assert_int_equal(
        ask(url, GET("/hello") "Origin: http://localhost:8000\r\n", text, sizeof(text)), 200);
    PT_CHECK(strstr(text, "\r\nAccess-Control-Allow-Origin: http://localhost:8000\r\n"));
    /* What is refused must be readable too. */
    assert_int_equal(ask(url, GET("/no") "Origin: http://localhost:8000\r\n", text, sizeof(text)),
                     404);
    PT_CHECK(strstr(text, "\r\nAccess-Control-Allow-Origin: http://localhost:8000\r\n"));
    assert_int_equal(ask(url, GET("/hello") "Origin: https://game.example\r\nContent-Length: 5\r\n",
                         text, sizeof(text)),
                     413);
    PT_CHECK(strstr(text, "\r\nAccess-Control-Allow-Origin: https://game.example\r\n"));
    /* Others, and those that only look like them. */
    assert_int_equal(
        ask(url, PREFLIGHT("/hello", "https://game.example.evil", "POST"), text, sizeof(text)),
        403);
    PT_CHECK(!strstr(text, "Access-Control-Allow-Origin"));
    assert_int_equal(ask(url, GET("/hello") "Origin: http://game.example\r\n", text, sizeof(text)),
                     200);
    PT_CHECK(!strstr(text, "Access-Control") && strstr(text, "\r\nVary: Origin\r\n"));
    /* Admin routes are nobody's, an OPTIONS without Origin is just a method. */
    assert_int_equal(
        ask(url, PREFLIGHT("/admin", "https://game.example", "POST"), text, sizeof(text)), 405);
    PT_CHECK(!strstr(text, "Access-Control"));
    assert_int_equal(ask(url, "OPTIONS /hello HTTP/1.1\r\nHost: a\r\n", text, sizeof(text)), 405);
    pt_http_server_close(f.server);
}

static void a_star_is_for_all_and_nothing_is_nothing(void **state)
{
    struct fixture all = {.origins = {"*"}, .origin_count = 1};
    struct fixture none = {0};
    static const char *const bad[] = {"game.example", "https://a/", "https://a/b",
                                      "https://*.a",  "https://",   "a b://c d"};
    struct pt_error err = {0};
    char text[2048];

    (void)state;
    fixture_start(&all, "127.0.0.1:0");
    fixture_start(&none, "127.0.0.1:0");
    assert_int_equal(ask(pt_http_server_url(all.server), GET("/hello") "Origin: https://x\r\n",
                         text, sizeof(text)),
                     200);
    PT_CHECK(strstr(text, "\r\nAccess-Control-Allow-Origin: *\r\n"));
    assert_int_equal(ask(pt_http_server_url(none.server), PREFLIGHT("/hello", "https://x", "POST"),
                         text, sizeof(text)),
                     405);
    PT_CHECK(!strstr(text, "Access-Control") && !strstr(text, "Vary"));
    pt_http_server_close(all.server);
    pt_http_server_close(none.server);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pt_http_limits limits;
        struct pt_http_server *server = NULL;

        pt_http_limits_default(&limits);
        PT_CHECK_OK(pt_http_server_open(&server, "127.0.0.1:0", &limits, pt_clock_system(), &err),
                    err);
        PT_CHECK(pt_http_server_allow_origins(server, &bad[i], 1, &err) == PT_INVALID);
        PT_CHECK(strstr(err.text, bad[i]));
        pt_http_server_close(server);
    }
}

/* ---- admin routes ---- */

#define POST_ADMIN "POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"

static void admin_routes_keep_to_their_listener(void **state)
{
    struct fixture alone = {0};
    struct fixture parted = {.admin = "127.0.0.1:0"};
    struct fixture open = {0};
    struct fixture secret = {.admin = "127.0.0.1:0", .has_tls = true};
    char text[2048];
    const char *url = NULL;

    (void)state;
    fixture_start(&alone, "127.0.0.1:0");
    PT_CHECK(!pt_http_server_admin_url(alone.server));
    assert_int_equal(ask(pt_http_server_url(alone.server), POST_ADMIN, text, sizeof(text)), 200);
    pt_http_server_close(alone.server);

    fixture_start(&parted, "127.0.0.1:0");
    url = pt_http_server_url(parted.server);
    assert_int_equal(ask(url, POST_ADMIN, text, sizeof(text)), 404);
    assert_int_equal(ask(url, "PUT /hello HTTP/1.1\r\nHost: a\r\n", text, sizeof(text)), 405);
    PT_CHECK(strstr(text, "\r\nAllow: GET, HEAD, POST\r\n"));
    assert_int_equal(ask(url, "DELETE /hello HTTP/1.1\r\nHost: a\r\n", text, sizeof(text)), 405);
    url = pt_http_server_admin_url(parted.server);
    assert_int_equal(ask(url, POST_ADMIN, text, sizeof(text)), 200);
    assert_int_equal(ask(url, "DELETE /hello HTTP/1.1\r\nHost: a\r\n", text, sizeof(text)), 200);
    assert_int_equal(ask(url, GET("/hello"), text, sizeof(text)), 200);
    pt_http_server_drain(parted.server, 1000);
    pt_http_server_close(parted.server);

    fixture_start(&open, "0.0.0.0:0");
    assert_int_equal(ask(pt_http_server_url(open.server), POST_ADMIN, text, sizeof(text)), 404);
    pt_http_server_close(open.server);

    write_pair("first");
    fixture_start(&secret, "127.0.0.1:0");
    url = pt_http_server_admin_url(secret.server);
    PT_CHECK(strncmp(url, "http://127.0.0.1:", 17) == 0);
    assert_int_equal(ask(url, POST_ADMIN, text, sizeof(text)), 200);
    pt_http_server_close(secret.server);
}

/* ---- memory ---- */

static void wait_for_none(struct pt_http_server *server)
{
    struct pt_http_stats stats = {.connections_open = 1};

    for (unsigned tries = 0; stats.connections_open && tries < 1000; tries++) {
        pt_test_sleep_ms(10);
        pt_http_server_stats(server, &stats);
    }
    assert_int_equal(stats.connections_open, 0);
}

static void all_connections_together_hold_a_bounded_sum(void **state)
{
    struct fixture f = {0};
    enum { COUNT = 8 };
    int fds[COUNT];
    static uint8_t half[1024 * 1024];
    unsigned refused = 0;
    char text[2048];

    (void)state;
    pt_http_limits_default(&f.limits);
    f.limits.threads = 1;
    f.limits.memory_bytes_max = (uint64_t)8 * 1024 * 1024;
    f.limits.body_timeout_ms = 20000;
    fixture_start(&f, "127.0.0.1:0");
    for (unsigned i = 0; i < COUNT; i++) {
        static const char head[] =
            "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n";

        fds[i] = dial(pt_http_server_url(f.server));
        PT_CHECK(send(fds[i], head, sizeof(head) - 1, MSG_NOSIGNAL) == sizeof(head) - 1);
        for (size_t sent = 0; sent < sizeof(half);) {
            ssize_t n = send(fds[i], half + sent, sizeof(half) - sent, MSG_NOSIGNAL);

            if (n <= 0) {
                break; /* it was refused already */
            }
            sent += (size_t)n;
        }
    }
    for (unsigned tries = 0; refused < 2 && tries < 1000; tries++) {
        pt_test_sleep_ms(10);
        for (unsigned i = 0; i < COUNT; i++) {
            ssize_t n = recv(fds[i], text, sizeof(text) - 1, MSG_DONTWAIT);

            if (n > 0) {
                text[n] = '\0';
                PT_CHECK(strncmp(text, "HTTP/1.1 503 ", 13) == 0);
                PT_CHECK(strstr(text, "\r\nRetry-After: 1\r\n"));
                refused++;
            }
        }
    }
    PT_CHECK(refused >= 2 && refused < COUNT);
    /* Small requests are served all the while. */
    assert_int_equal(ask(pt_http_server_url(f.server), GET("/hello"), text, sizeof(text)), 200);
    for (unsigned i = 0; i < COUNT; i++) {
        close(fds[i]);
    }
    wait_for_none(f.server);
    /* And large ones again, once there is room. */
    {
        static char large[3 * 1024 * 1024];
        size_t head = (size_t)snprintf(large, sizeof(large),
                                       "POST /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                       "Content-Length: %d\r\n\r\n",
                                       2 * 1024 * 1024);
        int fd = dial(pt_http_server_url(f.server));
        size_t total = head + (size_t)2 * 1024 * 1024;

        for (size_t sent = 0; sent < total;) {
            ssize_t n = send(fd, large + sent, total - sent, MSG_NOSIGNAL);

            assert_true(n > 0);
            sent += (size_t)n;
        }
        PT_CHECK(recv(fd, text, 13, MSG_WAITALL) == 13 && memcmp(text, "HTTP/1.1 200 ", 13) == 0);
        close(fd);
    }
    pt_http_server_close(f.server);
}

/* A byte now and then is no progress. */
static void a_reader_by_drops_is_closed(void **state)
{
    struct fixture f = {0};
    int fd = -1;
    const int small = 4096;
    char byte = 0;
    bool is_open = true;

    (void)state;
    pt_http_limits_default(&f.limits);
    f.limits.write_timeout_ms = 300;
    fixture_start(&f, "127.0.0.1:0");
    fd = dial(pt_http_server_url(f.server));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    PT_CHECK(send(fd, GET("/big") "\r\n", sizeof(GET("/big")) + 1, MSG_NOSIGNAL) > 0);
    for (int i = 0; i < 500 && is_open; i++) {
        struct pt_http_stats stats = {0};

        (void)recv(fd, &byte, 1, MSG_DONTWAIT);
        pt_test_sleep_ms(20);
        pt_http_server_stats(f.server, &stats);
        is_open = stats.connections_open > 0;
    }
    PT_CHECK(!is_open);
    close(fd);
    pt_http_server_close(f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_carries_requests_of_1_2_and_up),
        cmocka_unit_test(a_large_answer_goes_through_tls),
        cmocka_unit_test(an_answer_that_stays_open_goes_through_tls),
        cmocka_unit_test(a_new_pair_is_taken_and_a_broken_one_is_not),
        cmocka_unit_test(a_wrong_pair_is_explained),
        cmocka_unit_test(slow_handshakes_run_out_of_time),
        cmocka_unit_test(no_failed_allocation_harms_tls),
        cmocka_unit_test(pages_of_named_origins_may_ask),
        cmocka_unit_test(a_star_is_for_all_and_nothing_is_nothing),
        cmocka_unit_test(admin_routes_keep_to_their_listener),
        cmocka_unit_test(all_connections_together_hold_a_bounded_sum),
        cmocka_unit_test(a_reader_by_drops_is_closed),
    };
    int failed = 0;

    signal(SIGPIPE, SIG_IGN); /* OpenSSL's client writes without MSG_NOSIGNAL */
    dir = pt_test_dir_create();
    certificate_path = pt_strf("%s/certificate.pem", dir);
    key_path = pt_strf("%s/key.pem", dir);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_free(certificate_path);
    pt_free(key_path);
    pt_test_dir_remove(dir);
    return failed;
}
