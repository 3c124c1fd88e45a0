/*
 * format_uri.c - RFC 3986 URIs, RFC 3987 IRIs, RFC 6570 templates
 */
#include "schema/format.h"

/* Classes of ASCII characters. */
enum {
    UNRESERVED = 1,
    SUB_DELIM = 2,
    PCHAR_MORE = 4, /* ':' '@' */
    HEX = 8,
    SCHEME = 16, /* behind the first letter */
};

static unsigned class_of(uint8_t c)
{
    unsigned bits = 0;
    bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    bool is_digit = c >= '0' && c <= '9';

    if (is_letter || is_digit) {
        bits = UNRESERVED | SCHEME;
        return is_digit || (c | 0x20) <= 'f' ? bits | HEX : bits;
    }
    switch (c) {
    case '-':
    case '.':
        return UNRESERVED | SCHEME;
    case '_':
    case '~':
        return UNRESERVED;
    case '+':
        return SUB_DELIM | SCHEME;
    case '!':
    case '$':
    case '&':
    case '\'':
    case '(':
    case ')':
    case '*':
    case ',':
    case ';':
    case '=':
        return SUB_DELIM;
    case ':':
    case '@':
        return PCHAR_MORE;
    default:
        return 0;
    }
}

static bool is_hex(uint8_t c)
{
    return class_of(c) & HEX;
}

static bool is_ucschar(uint32_t c)
{
    return (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xf900 && c <= 0xfdcf) ||
           (c >= 0xfdf0 && c <= 0xffef) ||
           (c >= 0x10000 && c <= 0xefffd && (c & 0xffff) <= 0xfffd &&
            (c < 0xe0000 || c >= 0xe1000));
}

static bool is_private(uint32_t c)
{
    return (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xf0000 && (c & 0xffff) <= 0xfffd);
}

/*
 * Whether all of `text` are characters of `classes`, of `more`, percent-encoded bytes, or, in an
 * IRI, characters beyond ASCII.
 */
static bool all_of(struct pt_span text, unsigned classes, const char *more, bool is_iri,
                   bool takes_private)
{
    size_t at = 0;

    while (at < text.size) {
        uint8_t c = text.data[at];

        if (c >= 0x80) {
            uint32_t point = pt_utf8_next(text, &at);

            if (!is_iri || !(is_ucschar(point) || (takes_private && is_private(point)))) {
                return false;
            }
            continue;
        }
        if (c == '%') {
            if (text.size - at < 3 || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2])) {
                return false;
            }
            at += 3;
            continue;
        }
        if (!(class_of(c) & classes) && (c == 0 || !strchr(more, c))) {
            return false;
        }
        at++;
    }
    return true;
}

static size_t find(struct pt_span text, const char *any_of)
{
    size_t at = 0;

    while (at < text.size && (text.data[at] == 0 || !strchr(any_of, text.data[at]))) {
        at++;
    }
    return at;
}

static struct pt_span cut(struct pt_span text, size_t from, size_t to)
{
    return pt_span_of(text.data + from, to - from);
}

static bool is_ip_literal(struct pt_span text)
{
    if (text.size > 0 && (text.data[0] | 0x20) == 'v') {
        size_t dot = find(text, ".");

        if (dot < 2 || dot + 1 >= text.size) {
            return false;
        }
        for (size_t i = 1; i < dot; i++) {
            if (!is_hex(text.data[i])) {
                return false;
            }
        }
        for (size_t i = dot + 1; i < text.size; i++) {
            if (!(class_of(text.data[i]) & (UNRESERVED | SUB_DELIM)) && text.data[i] != ':') {
                return false;
            }
        }
        return true;
    }
    return pt_format_ipv6(text);
}

static bool is_authority(struct pt_span text, bool is_iri)
{
    size_t at_sign = text.size;
    size_t port = 0;

    for (size_t i = 0; i < text.size && at_sign == text.size; i++) {
        if (text.data[i] == '@') {
            at_sign = i;
        }
    }
    if (at_sign < text.size) {
        if (!all_of(cut(text, 0, at_sign), UNRESERVED | SUB_DELIM, ":", is_iri, false)) {
            return false;
        }
        text = cut(text, at_sign + 1, text.size);
    }
    if (text.size > 0 && text.data[0] == '[') {
        size_t end = find(text, "]");

        if (end == text.size || !is_ip_literal(cut(text, 1, end))) {
            return false;
        }
        port = end + 1;
        if (port < text.size && text.data[port] != ':') {
            return false;
        }
    } else {
        port = find(text, ":");
        if (!all_of(cut(text, 0, port), UNRESERVED | SUB_DELIM, "", is_iri, false)) {
            return false;
        }
    }
    for (size_t i = port + 1; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Length of "scheme:" with its colon, or 0. */
static size_t scheme_bytes(struct pt_span text)
{
    size_t colon = find(text, ":/?#");

    if (colon == text.size || text.data[colon] != ':' || colon == 0 ||
        (text.data[0] | 0x20) < 'a' || (text.data[0] | 0x20) > 'z') {
        return 0;
    }
    for (size_t i = 1; i < colon; i++) {
        if (!(class_of(text.data[i]) & SCHEME)) {
            return 0;
        }
    }
    return colon + 1;
}

bool pt_format_uri(struct pt_span text, bool is_iri, bool is_reference)
{
    size_t scheme = scheme_bytes(text);
    size_t hash = 0;
    size_t question = 0;
    const unsigned pchar = UNRESERVED | SUB_DELIM | PCHAR_MORE;

    if (scheme == 0 && !is_reference) {
        return false;
    }
    text = cut(text, scheme, text.size);
    hash = find(text, "#");
    if (hash < text.size && !all_of(cut(text, hash + 1, text.size), pchar, "/?", is_iri, false)) {
        return false;
    }
    text = cut(text, 0, hash);
    question = find(text, "?");
    if (question < text.size &&
        !all_of(cut(text, question + 1, text.size), pchar, "/?", is_iri, true)) {
        return false;
    }
    text = cut(text, 0, question);
    if (text.size >= 2 && text.data[0] == '/' && text.data[1] == '/') {
        size_t slash = 0;

        text = cut(text, 2, text.size);
        slash = find(text, "/");
        if (!is_authority(cut(text, 0, slash), is_iri)) {
            return false;
        }
        text = cut(text, slash, text.size);
    } else if (scheme == 0) {
        /* The first segment of a relative path has no colon: it would read as a scheme. */
        size_t colon = find(text, ":/");

        if (colon < text.size && text.data[colon] == ':') {
            return false;
        }
    }
    return all_of(text, pchar, "/", is_iri, false);
}

/* ---- templates ---- */

/* Length of the varspec at the start of `text`, or 0. */
static size_t varspec_bytes(struct pt_span text)
{
    size_t at = 0;
    bool may_dot = false;

    for (;;) {
        uint8_t c = at < text.size ? text.data[at] : 0;

        if ((class_of(c) & UNRESERVED && c != '-' && c != '.' && c != '~')) {
            at++;
            may_dot = true;
        } else if (c == '%' && text.size - at >= 3 && is_hex(text.data[at + 1]) &&
                   is_hex(text.data[at + 2])) {
            at += 3;
            may_dot = true;
        } else if (c == '.' && may_dot) {
            at++;
            may_dot = false;
        } else {
            break;
        }
    }
    if (at == 0 || !may_dot) {
        return 0;
    }
    if (at < text.size && text.data[at] == '*') {
        return at + 1;
    }
    if (at < text.size && text.data[at] == ':') {
        size_t start = ++at;

        while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') {
            at++;
        }
        return at == start || at - start > 4 || text.data[start] == '0' ? 0 : at;
    }
    return at;
}

static bool is_expression(struct pt_span text)
{
    if (text.size > 0 && text.data[0] && strchr("+#./;?&=,!@|", text.data[0])) {
        /* The last five are reserved for extensions that RFC 6570 does not define. */
        if (strchr("=,!@|", text.data[0])) {
            return false;
        }
        text = cut(text, 1, text.size);
    }
    for (;;) {
        size_t bytes = varspec_bytes(text);

        if (bytes == 0) {
            return false;
        }
        if (bytes == text.size) {
            return true;
        }
        if (text.data[bytes] != ',') {
            return false;
        }
        text = cut(text, bytes + 1, text.size);
    }
}

bool pt_format_uri_template(struct pt_span text)
{
    size_t at = 0;

    while (at < text.size) {
        uint8_t c = text.data[at];

        if (c == '{') {
            struct pt_span rest = cut(text, at + 1, text.size);
            size_t end = find(rest, "}");

            if (end == rest.size || !is_expression(cut(rest, 0, end))) {
                return false;
            }
            at += end + 2;
        } else if (c >= 0x80) {
            uint32_t point = pt_utf8_next(text, &at);

            if (!is_ucschar(point) && !is_private(point)) {
                return false;
            }
        } else if (c == '%') {
            if (text.size - at < 3 || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2])) {
                return false;
            }
            at += 3;
        } else if (c <= ' ' || c == 0x7f || strchr("\"<>\\^`|}", c)) {
            return false;
        } else {
            at++;
        }
    }
    return true;
}
