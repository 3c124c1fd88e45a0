/*
 * parser.h - one HTTP/1.x request out of bytes
 *
 * Only src/http and its tests include this. A parser does no I/O and keeps no
 * pointer: the caller holds the bytes of one request, from its first one on, adds
 * to their end, and asks again; where the bytes were cut makes no difference to
 * the outcome. Everything found is told as offsets from the request's first byte,
 * so the bytes may move between calls. Strict: what RFC 9112 lets a server accept
 * for old peers' sake and a proxy might read differently is refused.
 */
#ifndef PT_HTTP_PARSER_H
#define PT_HTTP_PARSER_H

#include "base/span.h"

/* More header fields than that are refused with 431. */
#define PT_HTTP_FIELDS_MAX 64
/* A chunk's size line with its extensions; and all extensions of one body. */
#define PT_HTTP_CHUNK_LINE_BYTES_MAX 256u
#define PT_HTTP_EXTENSION_BYTES_MAX 4096u

enum pt_http_progress {
    PT_HTTP_MORE,    /* sound so far, but not whole */
    PT_HTTP_READY,   /* whole */
    PT_HTTP_REFUSED, /* status, code and detail say why; the parser is at its end */
};

struct pt_http_text {
    uint32_t at;
    uint32_t bytes;
};

struct pt_http_field {
    struct pt_http_text name;
    struct pt_http_text value; /* without the white space around it */
};

enum pt_http_phase {
    PT_HTTP_PHASE_REQUEST_LINE,
    PT_HTTP_PHASE_FIELDS,
    PT_HTTP_PHASE_BODY_LENGTH,
    PT_HTTP_PHASE_CHUNK_SIZE,
    PT_HTTP_PHASE_CHUNK_DATA,
    PT_HTTP_PHASE_CHUNK_END,
    PT_HTTP_PHASE_TRAILERS,
    PT_HTTP_PHASE_DONE,
    PT_HTTP_PHASE_REFUSED,
};

struct pt_http_parser {
    enum pt_http_phase phase;
    uint32_t header_bytes_max;
    size_t at;      /* first byte not parsed */
    size_t scanned; /* no line feed from `at` to here */

    /* Sound once the head is READY. */
    size_t head_bytes; /* with the empty line; the body starts here */
    struct pt_http_text method;
    struct pt_http_text path;
    struct pt_http_text query;
    struct pt_http_text authority; /* of a target in absolute form; else empty */
    uint64_t content_length;       /* 0 where there is none, or chunked */
    bool is_http_1_0;
    bool has_content_length;
    bool is_chunked;
    bool is_kept_alive; /* the peer lets the connection live on */
    bool expects_continue;

    /* Sound once the body is READY. */
    size_t body_bytes; /* decoded; they stand at head_bytes */

    /* Where it is REFUSED: static text. */
    int status;
    const char *code;
    const char *detail;

    /* Private. */
    bool has_host;
    struct pt_http_text host;
    bool has_transfer_encoding;
    bool has_close;
    bool has_empty_line;
    uint64_t chunk_left_bytes;
    uint32_t extension_bytes;
    uint32_t trailer_bytes;

    uint32_t field_count;
    struct pt_http_field fields[PT_HTTP_FIELDS_MAX]; /* last: not cleared by init */
};

void pt_http_parser_init(struct pt_http_parser *parser, uint32_t header_bytes_max);

/*
 * The request line and header fields. `data` holds the request's first `size` bytes.
 * A head longer than header_bytes_max is REFUSED with 431.
 */
enum pt_http_progress pt_http_parse_head(struct pt_http_parser *parser, const uint8_t *data,
                                         size_t size);

/*
 * The body, after the head was READY. Chunks are decoded in place: the bytes behind the
 * decoded part move up and *size_io shrinks while the body is not whole. When READY, the
 * request ends at parser->at, and what follows belongs to the next one. A body
 * over `body_bytes_max` is REFUSED with 413, from its Content-Length where it has one.
 */
enum pt_http_progress pt_http_parse_body(struct pt_http_parser *parser, uint8_t *data,
                                         size_t *size_io, size_t body_bytes_max);

/* Whether a body of at least one byte, or a chunked one, follows the head. */
static inline bool pt_http_parser_has_body(const struct pt_http_parser *parser)
{
    return parser->is_chunked || parser->content_length > 0;
}

/* What a head may name, by the same rules for HTTP/1 and HTTP/2; is_host: also the empty text. */
bool pt_http_is_method(struct pt_span text);
bool pt_http_is_target(struct pt_span text);
bool pt_http_is_host(struct pt_span text);

/* ASCII letters of any case are equal; the rest must be the same. */
bool pt_http_same_name(struct pt_span a, struct pt_span b);

#endif
