/*
 * tls.h - TLS for the HTTP server, by OpenSSL
 *
 * Only src/http includes this. A struct pt_http_tls is the certificate in use; any
 * thread may ask it for connections while one other thread reloads it. A struct pt_tls_conn
 * is one connection's and belongs to its loop. TLS 1.2 with forward secrecy and AEAD, or 1.3.
 */
#ifndef PT_HTTP_TLS_H
#define PT_HTTP_TLS_H

#include "base/error.h"
#include "base/io.h"

#include <sys/types.h>

struct pt_http_tls;
struct pt_tls_conn;

/* PT_INVALID names the file and what is wrong. Pair with pt_http_tls_close(). */
enum pt_code pt_http_tls_open(struct pt_http_tls **tls_out, struct pt_io *io,
                              const char *certificate_path, const char *key_path,
                              struct pt_error *err) PT_MUST_USE;
void pt_http_tls_close(struct pt_http_tls *tls); /* NULL is fine; connections live on */

/* As pt_http_server_reload_tls(). */
enum pt_code pt_http_tls_reload(struct pt_http_tls *tls, bool *has_changed_out,
                                struct pt_error *err) PT_MUST_USE;

/* `fd` is borrowed and does not block. NULL without memory. Pair with pt_tls_conn_release(). */
struct pt_tls_conn *pt_tls_conn_create(struct pt_http_tls *tls, int fd) PT_MUST_USE;
void pt_tls_conn_release(struct pt_tls_conn *conn); /* NULL is fine */

enum pt_tls_progress {
    PT_TLS_DONE,
    PT_TLS_WAIT, /* for the next event of the socket, of either kind */
    PT_TLS_FAILED,
};

/* Go on with the handshake. */
enum pt_tls_progress pt_tls_conn_accept(struct pt_tls_conn *conn);
/* After DONE: whether HTTP/2 was agreed on (ALPN). */
bool pt_tls_conn_is_h2(const struct pt_tls_conn *conn);

/* As recv() and send(): 0 is the end, -1 with EAGAIN to wait, -1 with EPROTO for all else. */
ssize_t pt_tls_conn_read(struct pt_tls_conn *conn, void *data, size_t bytes);
ssize_t pt_tls_conn_write(struct pt_tls_conn *conn, const void *data, size_t bytes);

/* Say that no more comes, as far as the socket takes it. */
void pt_tls_conn_finish(struct pt_tls_conn *conn);

#endif
