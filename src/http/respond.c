/*
 * respond.c - answers, from any thread
 *
 * An answer is written whole, head and body, into the connection's buffer, or the HTTP/2
 * stream's, by whoever gives it. Inside the handler the loop then sends it at once;
 * anywhere else the request goes through its loop's queue.
 */
#include "http/h2.h"
#include "http/loop.h"

#include "base/json.h"

#include <stdarg.h>

#define DATE_BYTES 29  /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define TRACE_BYTES 55 /* of a traceparent of version 00 */
#define HEAD_BYTES 320 /* status line and our own fields, but for the content type */
#define DETAIL_BYTES ((size_t)512)

struct date_cache {
    int64_t second;
    char text[DATE_BYTES + 1];
};

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Status"; /* the phrase means nothing to a client (RFC 9112 4) */
    }
}

/* IMF-fixdate (RFC 9110 5.6.7), made anew once a second and thread. */
const char *pt_http_date(struct pt_clock *clock)
{
    static _Thread_local struct date_cache cache = {
        .second = INT64_MIN,
        .text = "Thu, 01 Jan 1970 00:00:00 GMT",
    };
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t second = pt_clock_wall_us(clock) / 1000000;
    time_t when = (time_t)second;
    struct tm tm;

    if (cache.second != second && gmtime_r(&when, &tm) && tm.tm_year >= 0 && tm.tm_year < 8000) {
        char text[80];

        (void)snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                       tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
        memcpy(cache.text, text, DATE_BYTES);
        cache.second = second;
    }
    return cache.text;
}

static uint8_t *put(uint8_t *to, const char *text, size_t bytes)
{
    memcpy(to, text, bytes);
    return to + bytes;
}

#define PUT_LITERAL(to, literal) put((to), (literal), sizeof(literal) - 1)

/* A name or value of a field: a control byte would end it, and give away the answer. */
static uint8_t *put_field_text(uint8_t *to, const char *text)
{
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        *to++ = byte < 0x20 || byte == 0x7f ? ' ' : byte;
    }
    return to;
}

static uint8_t *put_field(uint8_t *to, const char *name, const char *value)
{
    to = put_field_text(to, name);
    to = PUT_LITERAL(to, ": ");
    to = put_field_text(to, value);
    return PUT_LITERAL(to, "\r\n");
}

static uint8_t *put_number(uint8_t *to, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return put(to, digits + at, sizeof(digits) - at);
}

/*
 * The trace of the request goes back with the answer (traceresponse, W3C Trace Context 2): over
 * HTTP/1 a peer can tell by nothing else that an answer is to its request, where a proxy between
 * has lost count. HTTP/2 has its streams.
 */
static uint8_t *put_trace(uint8_t *to, const struct pt_http_request *request)
{
    struct pt_span trace = {0};

    if (!request->conn->lingers) { /* else it is refused unread */
        trace = pt_http_header(request, "traceparent");
    }
    if (trace.size != TRACE_BYTES) {
        return to;
    }
    to = PUT_LITERAL(to, "traceresponse: ");
    to = put(to, (const char *)trace.data, trace.size);
    return PUT_LITERAL(to, "\r\n");
}

static uint8_t *put_head(uint8_t *to, struct pt_http_conn *conn, int status,
                         const char *content_type, size_t body_bytes)
{
    const char *reason = reason_of(status);

    to = PUT_LITERAL(to, "HTTP/1.1 ");
    to = put_number(to, (uint64_t)status);
    *to++ = ' ';
    to = put(to, reason, strlen(reason));
    to = PUT_LITERAL(to, "\r\nDate: ");
    to = put(to, pt_http_date(conn->loop->server->clock), DATE_BYTES);
    if (status != 204 && status != 304 && !conn->request.is_endless) {
        to = PUT_LITERAL(to, "\r\nContent-Length: ");
        to = put_number(to, body_bytes);
    }
    to = PUT_LITERAL(to, "\r\n");
    if (conn->closes) {
        to = PUT_LITERAL(to, "Connection: close\r\n");
    }
    if (content_type) {
        to = put_field(to, "Content-Type", content_type);
    }
    return to;
}

static void write_http1(struct pt_http_request *request, int status, const char *content_type,
                        struct pt_span body, const struct pt_http_header_out *headers,
                        size_t header_count)
{
    struct pt_http_conn *conn = request->conn;
    struct pt_http_header_out cors[PT_HTTP_CORS_FIELDS_MAX];
    size_t cors_count = pt_http_cors_fields(request, cors);
    struct pt_buf *out = &conn->out;
    size_t room = HEAD_BYTES + body.size + (content_type ? strlen(content_type) : 0);
    uint8_t *start = NULL;
    uint8_t *to = NULL;

    conn->status = status;
    if (request->is_endless || /* its end is the connection's (RFC 9112 6.3) */
        atomic_load_explicit(&conn->loop->server->life, memory_order_relaxed) >= PT_HTTP_DRAINING) {
        conn->closes = true;
    }
    for (size_t i = 0; i < header_count; i++) {
        room += strlen(headers[i].name) + strlen(headers[i].value) + 4;
    }
    for (size_t i = 0; i < cors_count; i++) {
        room += strlen(cors[i].name) + strlen(cors[i].value) + 4;
    }
    pt_buf_reset(out);
    start = pt_buf_reserve(out, room);
    if (!start) {
        pt_buf_reset(out);
        conn->closes = true; /* no answer at all: the peer sees a closed connection */
        return;
    }
    to = put_head(start, conn, status, content_type, body.size);
    to = put_trace(to, request);
    for (size_t i = 0; i < header_count; i++) {
        to = put_field(to, headers[i].name, headers[i].value);
    }
    for (size_t i = 0; i < cors_count; i++) {
        to = put_field(to, cors[i].name, cors[i].value);
    }
    to = PUT_LITERAL(to, "\r\n");
    if (body.size && !request->is_head) {
        to = put(to, (const char *)body.data, body.size);
    }
    out->size += (size_t)(to - start);
}

void pt_http_answer_write(struct pt_http_request *request, int status, const char *content_type,
                          struct pt_span body, const struct pt_http_header_out *headers,
                          size_t header_count)
{
    pt_assert(status >= 200 && status <= 599);
    pt_assert(body.size == 0 || (status != 204 && status != 304));
    pt_assert(header_count <= PT_HTTP_ANSWER_HEADERS_MAX);
    if (request->stream) {
        pt_http_stream_answer(request->stream, status, content_type, body, headers, header_count);
    } else {
        write_http1(request, status, content_type, body, headers, header_count);
    }
}

void pt_http_answer_write_error(struct pt_http_request *request, int status, const char *code,
                                const char *detail, const struct pt_http_header_out *headers,
                                size_t header_count)
{
    struct pt_buf body;
    struct pt_jsonw w;

    pt_buf_init(&body, 8 * DETAIL_BYTES);
    pt_jsonw_init(&w, &body);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "code");
    pt_jsonw_str(&w, code);
    pt_jsonw_key(&w, "detail");
    pt_jsonw_str(&w, detail);
    pt_jsonw_object_end(&w);
    if (body.has_failed) {
        pt_buf_reset(&body);
    }
    pt_http_answer_write(request, status, "application/json", pt_buf_span(&body), headers,
                         header_count);
    pt_buf_release(&body);
}

/* Inside the handler its caller sends; from anywhere else the loop must be told. */
void pt_http_answer_give(struct pt_http_request *request)
{
    if (!pt_http_loop_take_inside(request)) {
        pt_http_loop_push(request);
    }
}

void pt_http_answer_claim(struct pt_http_request *request)
{
    pt_assert(!atomic_exchange_explicit(&request->is_answered, true, memory_order_relaxed));
}

void pt_http_respond(struct pt_http_request *request, int status, const char *content_type,
                     struct pt_span body, const struct pt_http_header_out *headers,
                     size_t header_count)
{
    pt_http_answer_claim(request);
    pt_http_answer_write(request, status, content_type, body, headers, header_count);
    pt_http_answer_give(request);
}

void pt_http_respond_error(struct pt_http_request *request, int status, const char *code,
                           const char *detail_format, ...)
{
    char detail[DETAIL_BYTES];
    va_list args;

    va_start(args, detail_format);
    (void)vsnprintf(detail, sizeof(detail), detail_format, args);
    va_end(args);
    pt_http_answer_claim(request);
    pt_http_answer_write_error(request, status, code, detail, NULL, 0);
    pt_http_answer_give(request);
}
