/*
 * tls.c - TLS for the HTTP server, by OpenSSL
 *
 * RELOAD. Each look reads both files. Their digest must be new, and the same as in the look
 * before, so that a pair of which only one file has been replaced is let be; a digest is tried
 * once. Connections keep the context with which they began.
 *
 * Sockets are written without MSG_NOSIGNAL, which OpenSSL cannot pass: loop threads block every
 * signal, so a closed socket is EPIPE and nothing else.
 */
#include "http/tls.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>

#define FILE_BYTES_MAX ((size_t)1024 * 1024)

struct pt_http_tls {
    struct pt_io *io;       /* borrowed */
    char *certificate_path; /* owned */
    char *key_path;         /* owned */
    pthread_mutex_t mutex;
    SSL_CTX *context;                   /* guarded by mutex */
    uint8_t seen[2 * PT_SHA256_BYTES];  /* the last look's digests; the reloading thread's */
    uint8_t tried[2 * PT_SHA256_BYTES]; /* those last tried */
};

/* One SSL object: the struct is ours so that no other file sees OpenSSL. */
struct pt_tls_conn {
    SSL *ssl;
    bool has_failed; /* nothing may be sent any more, not even a farewell */
};

static const uint8_t offered[] = "\x02h2\x08http/1.1";

static int choose_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_bytes, const uint8_t *in,
                           unsigned in_bytes, void *arg)
{
    uint8_t *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_bytes, offered, sizeof(offered) - 1, in, in_bytes) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* An encrypted key: there is nobody to type its password. */
static int no_password(char *text, int bytes, int is_writing, void *ctx)
{
    (void)text;
    (void)bytes;
    (void)is_writing;
    *(bool *)ctx = true;
    return -1;
}

/* The newest entry of OpenSSL's queue as text; empties the queue. */
static const char *openssl_says(char *text, size_t bytes)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    (void)snprintf(text, bytes, "%s", reason ? reason : "unknown reason");
    ERR_clear_error();
    return text;
}

static enum pt_code take_certificate(SSL_CTX *context, const char *path, struct pt_span text,
                                     struct pt_error *err)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
    X509 *certificate = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    char why[128];
    enum pt_code code = PT_OK;

    if (!bio) {
        code = pt_fail(err, PT_NO_MEMORY, "read %s", path);
        goto out;
    }
    if (!certificate) {
        code = pt_fail(err, PT_INVALID, "%s: holds no certificate in PEM form (%s)", path,
                       openssl_says(why, sizeof(why)));
        goto out;
    }
    if (SSL_CTX_use_certificate(context, certificate) != 1) {
        code = pt_fail(err, PT_INVALID, "%s: the certificate cannot be used: %s", path,
                       openssl_says(why, sizeof(why)));
        goto out;
    }
    /* Those behind it are its chain. */
    for (;;) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (!next) {
            unsigned long last = ERR_peek_last_error();

            if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
                code = pt_fail(err, PT_INVALID, "%s: a certificate of the chain is broken: %s",
                               path, openssl_says(why, sizeof(why)));
            }
            ERR_clear_error();
            break;
        }
        if (SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            code = pt_fail(err, PT_INVALID, "%s: a certificate of the chain cannot be used: %s",
                           path, openssl_says(why, sizeof(why)));
            break;
        }
    }

out:
    X509_free(certificate);
    BIO_free(bio);
    return code;
}

static enum pt_code take_key(SSL_CTX *context, const char *path, struct pt_span text,
                             const char *certificate_path, struct pt_error *err)
{
    bool is_encrypted = false;
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, &is_encrypted) : NULL;
    char why[128];
    enum pt_code code = PT_OK;

    if (!bio) {
        code = pt_fail(err, PT_NO_MEMORY, "read %s", path);
    } else if (is_encrypted) {
        code = pt_fail(err, PT_INVALID,
                       "%s: the key is encrypted; store it without a password, readable by the "
                       "server alone",
                       path);
    } else if (!key) {
        code = pt_fail(err, PT_INVALID, "%s: holds no private key in PEM form (%s)", path,
                       openssl_says(why, sizeof(why)));
    } else if (SSL_CTX_use_PrivateKey(context, key) != 1 ||
               SSL_CTX_check_private_key(context) != 1) {
        code = pt_fail(err, PT_INVALID, "%s: the key does not match the certificate in %s", path,
                       certificate_path);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(bio);
    return code;
}

/* A context out of both files' text. */
static enum pt_code make_context(const struct pt_http_tls *tls, struct pt_span certificate,
                                 struct pt_span key, SSL_CTX **context_out, struct pt_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    enum pt_code code = PT_OK;

    *context_out = NULL;
    /* Of TLS 1.2 only what HTTP/2 allows too (RFC 9113 9.2.2). */
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        code = pt_fail(err, PT_NO_MEMORY, "make a TLS context");
        goto out;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets need no memory here */
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_read_ahead(context, 1); /* one read a record instead of two */
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    code = take_certificate(context, tls->certificate_path, certificate, err);
    if (!code) {
        code = take_key(context, tls->key_path, key, tls->certificate_path, err);
    }
    if (!code) {
        *context_out = context;
        context = NULL;
    }

out:
    ERR_clear_error();
    SSL_CTX_free(context);
    return code;
}

/* Text on the heap that held a key is cleared first. */
static void free_text(uint8_t *text, size_t bytes)
{
    if (text) {
        OPENSSL_cleanse(text, bytes);
        pt_free(text);
    }
}

static enum pt_code read_file(const struct pt_http_tls *tls, const char *path, uint8_t **text_out,
                              size_t *bytes_out, struct pt_error *err)
{
    enum pt_code code = pt_io_read_all(tls->io, path, FILE_BYTES_MAX, 1, text_out, bytes_out, err);

    return code ? pt_error_prefix(err, code, "TLS") : PT_OK;
}

/* `is_first`: whatever is there is taken. */
static enum pt_code look(struct pt_http_tls *tls, bool is_first, bool *has_changed_out,
                         struct pt_error *err)
{
    uint8_t *certificate = NULL;
    uint8_t *key = NULL;
    size_t certificate_bytes = 0;
    size_t key_bytes = 0;
    uint8_t digest[2 * PT_SHA256_BYTES] = {0};
    bool is_still = false;
    SSL_CTX *context = NULL;
    SSL_CTX *old = NULL;
    enum pt_code read_code =
        read_file(tls, tls->certificate_path, &certificate, &certificate_bytes, err);
    enum pt_code code = PT_OK;

    *has_changed_out = false;
    if (!read_code) {
        read_code = read_file(tls, tls->key_path, &key, &key_bytes, err);
    }
    if (read_code == PT_NO_MEMORY) {
        code = is_first ? read_code : PT_OK; /* next time */
        goto out;
    }
    if (!read_code) {
        pt_sha256(pt_span_of(certificate, certificate_bytes), digest);
        pt_sha256(pt_span_of(key, key_bytes), digest + PT_SHA256_BYTES);
    } /* else all zero: a state like any other */
    is_still = memcmp(digest, tls->seen, sizeof(digest)) == 0;
    memcpy(tls->seen, digest, sizeof(digest));
    if (!is_first && (!is_still || memcmp(digest, tls->tried, sizeof(digest)) == 0)) {
        goto out;
    }
    memcpy(tls->tried, digest, sizeof(digest));
    code = read_code;
    if (!code) {
        code = make_context(tls, pt_span_of(certificate, certificate_bytes),
                            pt_span_of(key, key_bytes), &context, err);
    }
    if (code) {
        goto out;
    }
    pthread_mutex_lock(&tls->mutex);
    old = tls->context;
    tls->context = context;
    pthread_mutex_unlock(&tls->mutex);
    SSL_CTX_free(old);
    *has_changed_out = true;

out:
    free_text(certificate, certificate_bytes);
    free_text(key, key_bytes);
    return code;
}

enum pt_code pt_http_tls_open(struct pt_http_tls **tls_out, struct pt_io *io,
                              const char *certificate_path, const char *key_path,
                              struct pt_error *err)
{
    struct pt_http_tls *tls = pt_alloc_zero(sizeof(*tls));
    bool has_changed = false;
    enum pt_code code = PT_OK;

    *tls_out = NULL;
    if (!tls) {
        return pt_fail(err, PT_NO_MEMORY, "set up TLS");
    }
    pthread_mutex_init(&tls->mutex, NULL);
    tls->io = io;
    tls->certificate_path = pt_strdup(certificate_path);
    tls->key_path = pt_strdup(key_path);
    if (!tls->certificate_path || !tls->key_path) {
        code = pt_fail(err, PT_NO_MEMORY, "set up TLS");
        goto out;
    }
    code = look(tls, true, &has_changed, err);
    if (code) {
        goto out;
    }
    *tls_out = tls;
    tls = NULL;

out:
    pt_http_tls_close(tls);
    return code;
}

void pt_http_tls_close(struct pt_http_tls *tls)
{
    if (!tls) {
        return;
    }
    SSL_CTX_free(tls->context);
    pthread_mutex_destroy(&tls->mutex);
    pt_free(tls->certificate_path);
    pt_free(tls->key_path);
    pt_free(tls);
}

enum pt_code pt_http_tls_reload(struct pt_http_tls *tls, bool *has_changed_out,
                                struct pt_error *err)
{
    return look(tls, false, has_changed_out, err);
}

struct pt_tls_conn *pt_tls_conn_create(struct pt_http_tls *tls, int fd)
{
    struct pt_tls_conn *conn = pt_alloc_zero(sizeof(*conn));

    if (!conn) {
        return NULL;
    }
    pthread_mutex_lock(&tls->mutex);
    conn->ssl = SSL_new(tls->context); /* holds the context from here on */
    pthread_mutex_unlock(&tls->mutex);
    if (!conn->ssl || SSL_set_fd(conn->ssl, fd) != 1) {
        ERR_clear_error();
        pt_tls_conn_release(conn);
        return NULL;
    }
    SSL_set_accept_state(conn->ssl);
    return conn;
}

void pt_tls_conn_release(struct pt_tls_conn *conn)
{
    if (conn) {
        SSL_free(conn->ssl);
        pt_free(conn);
    }
}

/* What a call's result means; the queue of errors is a thread's and must be empty before. */
static ssize_t judge(struct pt_tls_conn *conn, int result)
{
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        conn->has_failed = true;
        ERR_clear_error();
        errno = EPROTO;
        return -1;
    }
}

enum pt_tls_progress pt_tls_conn_accept(struct pt_tls_conn *conn)
{
    int result = SSL_do_handshake(conn->ssl);

    if (result == 1) {
        return PT_TLS_DONE;
    }
    return judge(conn, result) < 0 && errno == EAGAIN ? PT_TLS_WAIT : PT_TLS_FAILED;
}

bool pt_tls_conn_is_h2(const struct pt_tls_conn *conn)
{
    const uint8_t *name = NULL;
    unsigned bytes = 0;

    SSL_get0_alpn_selected(conn->ssl, &name, &bytes);
    return pt_span_is(pt_span_of(name, bytes), "h2");
}

ssize_t pt_tls_conn_read(struct pt_tls_conn *conn, void *data, size_t bytes)
{
    int got = SSL_read(conn->ssl, data, bytes < INT_MAX ? (int)bytes : INT_MAX);

    return got > 0 ? got : judge(conn, got);
}

ssize_t pt_tls_conn_write(struct pt_tls_conn *conn, const void *data, size_t bytes)
{
    int sent = SSL_write(conn->ssl, data, bytes < INT_MAX ? (int)bytes : INT_MAX);

    return sent > 0 ? sent : judge(conn, sent);
}

void pt_tls_conn_finish(struct pt_tls_conn *conn)
{
    if (!conn->has_failed && SSL_is_init_finished(conn->ssl)) {
        (void)SSL_shutdown(conn->ssl);
        ERR_clear_error();
    }
}
