/*
 * format.c - the formats of JSON Schema: times, mail addresses, IP addresses, pointers
 */
#include "schema/format.h"

#include "schema/regex.h"

static const char *const names[PT_FORMAT_COUNT] = {
    [PT_FORMAT_DATE_TIME] = "date-time",
    [PT_FORMAT_DATE] = "date",
    [PT_FORMAT_TIME] = "time",
    [PT_FORMAT_DURATION] = "duration",
    [PT_FORMAT_EMAIL] = "email",
    [PT_FORMAT_IDN_EMAIL] = "idn-email",
    [PT_FORMAT_HOSTNAME] = "hostname",
    [PT_FORMAT_IDN_HOSTNAME] = "idn-hostname",
    [PT_FORMAT_IPV4] = "ipv4",
    [PT_FORMAT_IPV6] = "ipv6",
    [PT_FORMAT_URI] = "uri",
    [PT_FORMAT_URI_REFERENCE] = "uri-reference",
    [PT_FORMAT_IRI] = "iri",
    [PT_FORMAT_IRI_REFERENCE] = "iri-reference",
    [PT_FORMAT_URI_TEMPLATE] = "uri-template",
    [PT_FORMAT_UUID] = "uuid",
    [PT_FORMAT_JSON_POINTER] = "json-pointer",
    [PT_FORMAT_RELATIVE_JSON_POINTER] = "relative-json-pointer",
    [PT_FORMAT_REGEX] = "regex",
};

enum pt_format pt_format_parse(struct pt_span name)
{
    for (int i = 0; i < PT_FORMAT_COUNT; i++) {
        if (pt_span_is(name, names[i])) {
            return (enum pt_format)i;
        }
    }
    return PT_FORMAT_COUNT;
}

const char *pt_format_name(enum pt_format format)
{
    return names[format];
}

uint32_t pt_utf8_next(struct pt_span text, size_t *at)
{
    const uint8_t *p = text.data + *at;

    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *at += 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *at += 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
           (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* ---- RFC 3339 ---- */

/* Two digits at `p`, or 99 and more. */
static unsigned two_digits(const uint8_t *p)
{
    unsigned tens = (unsigned)p[0] - '0';
    unsigned ones = (unsigned)p[1] - '0';

    return tens > 9 || ones > 9 ? 999 : tens * 10 + ones;
}

static bool is_date(const uint8_t *p)
{
    static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned century = two_digits(p);
    unsigned year = two_digits(p + 2);
    unsigned month = two_digits(p + 5);
    unsigned day = two_digits(p + 8);
    unsigned last = 0;

    if (century > 99 || year > 99 || p[4] != '-' || p[7] != '-' || month < 1 || month > 12) {
        return false;
    }
    last = days[month];
    if (month == 2 && (year != 0 ? year % 4 == 0 : century % 4 == 0)) {
        last = 29;
    }
    return day >= 1 && day <= last;
}

/* full-time: a leap second is one only where it is 23:59:60 in UTC. */
static bool is_time(struct pt_span text)
{
    const uint8_t *p = text.data;
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
    unsigned minutes_utc = 0;
    size_t at = 8;

    if (text.size < 9) {
        return false;
    }
    hour = two_digits(p);
    minute = two_digits(p + 3);
    second = two_digits(p + 6);
    if (hour > 23 || minute > 59 || second > 60 || p[2] != ':' || p[5] != ':') {
        return false;
    }
    if (p[at] == '.') {
        size_t start = ++at;

        while (at < text.size && is_digit(p[at])) {
            at++;
        }
        if (at == start || at == text.size) {
            return false;
        }
    }
    minutes_utc = hour * 60 + minute;
    if (p[at] == 'Z' || p[at] == 'z') {
        if (at + 1 != text.size) {
            return false;
        }
    } else {
        unsigned offset = 0;

        if ((p[at] != '+' && p[at] != '-') || at + 6 != text.size || p[at + 3] != ':' ||
            two_digits(p + at + 1) > 23 || two_digits(p + at + 4) > 59) {
            return false;
        }
        offset = two_digits(p + at + 1) * 60 + two_digits(p + at + 4);
        minutes_utc = (minutes_utc + (p[at] == '+' ? 1440 - offset : offset)) % 1440;
    }
    return second < 60 || minutes_utc == 1439;
}

static bool is_date_time(struct pt_span text)
{
    return text.size >= 20 && is_date(text.data) && (text.data[10] | 0x20) == 't' &&
           is_time(pt_span_of(text.data + 11, text.size - 11));
}

/*
 * Digits and units in order. RFC 3339 appendix A lets no unit be left out between two that are
 * there. Moves *at behind them; returns how many there were, or -1.
 */
static int take_units(struct pt_span text, size_t *at, const char *units)
{
    int count = 0;

    while (*at < text.size && is_digit(text.data[*at])) {
        const char *unit = NULL;

        while (*at < text.size && is_digit(text.data[*at])) {
            ++*at;
        }
        if (*at == text.size || !text.data[*at]) {
            return -1;
        }
        unit = strchr(units, text.data[*at]);
        if (!unit || (count > 0 && unit != units)) {
            return -1;
        }
        units = unit + 1;
        ++*at;
        count++;
    }
    return count;
}

static bool is_duration(struct pt_span text)
{
    size_t at = 1;
    int dates = 0;

    if (text.size < 3 || text.data[0] != 'P') {
        return false;
    }
    if (text.data[text.size - 1] == 'W') {
        return take_units(text, &at, "W") == 1 && at == text.size;
    }
    dates = take_units(text, &at, "YMD");
    if (dates < 0) {
        return false;
    }
    if (at == text.size) {
        return dates > 0;
    }
    if (text.data[at++] != 'T') {
        return false;
    }
    return take_units(text, &at, "HMS") > 0 && at == text.size;
}

/* ---- mail, RFC 5321 and 6531 ---- */

static bool is_atom_char(uint8_t c, bool is_idn)
{
    return is_alnum(c) || (c != 0 && c < 0x80 && strchr("!#$%&'*+-/=?^_`{|}~", c)) ||
           (is_idn && c >= 0x80);
}

static bool is_quoted_local(struct pt_span local, bool is_idn)
{
    for (size_t i = 1; i + 1 < local.size; i++) {
        uint8_t c = local.data[i];

        if (c == '\\') {
            c = local.data[++i];
            if (i + 1 >= local.size || c < 0x20 || c > 0x7e) {
                return false;
            }
        } else if (c == '"' || c < 0x20 || c == 0x7f || (c >= 0x80 && !is_idn)) {
            return false;
        }
    }
    return local.size >= 2 && local.data[local.size - 1] == '"';
}

static bool is_local(struct pt_span local, bool is_idn)
{
    if (local.size == 0 || local.size > 64) {
        return false;
    }
    if (local.data[0] == '"') {
        return is_quoted_local(local, is_idn);
    }
    for (size_t i = 0; i < local.size; i++) {
        if (local.data[i] == '.' ? i == 0 || i + 1 == local.size || local.data[i - 1] == '.'
                                 : !is_atom_char(local.data[i], is_idn)) {
            return false;
        }
    }
    return true;
}

/* Letters, digits and hyphens in labels; RFC 5321 asks nothing of what they mean. */
static bool is_ldh_domain(struct pt_span domain)
{
    size_t label = 0;

    if (domain.size == 0 || domain.size > 253) {
        return false;
    }
    for (size_t i = 0; i <= domain.size; i++) {
        if (i == domain.size || domain.data[i] == '.') {
            if (label == 0 || label > 63 || domain.data[i - 1] == '-') {
                return false;
            }
            label = 0;
        } else if (is_alnum(domain.data[i]) || (domain.data[i] == '-' && label > 0)) {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_mail_domain(struct pt_span domain, bool is_idn)
{
    if (domain.size > 2 && domain.data[0] == '[' && domain.data[domain.size - 1] == ']') {
        struct pt_span literal = pt_span_of(domain.data + 1, domain.size - 2);

        if (literal.size > 5 && memcmp(literal.data, "IPv6:", 5) == 0) {
            return pt_format_ipv6(pt_span_of(literal.data + 5, literal.size - 5));
        }
        return pt_format_ipv4(literal);
    }
    return is_ldh_domain(domain) || (is_idn && pt_format_host(domain, true));
}

static bool is_email(struct pt_span text, bool is_idn)
{
    size_t at = text.size;

    while (at > 0 && text.data[at - 1] != '@') {
        at--;
    }
    return at > 0 && is_local(pt_span_of(text.data, at - 1), is_idn) &&
           is_mail_domain(pt_span_of(text.data + at, text.size - at), is_idn);
}

/* ---- IP addresses ---- */

bool pt_format_ipv4(struct pt_span text)
{
    unsigned parts = 0;
    size_t at = 0;

    for (;;) {
        size_t start = at;
        unsigned value = 0;

        while (at < text.size && is_digit(text.data[at]) && at - start < 4) {
            value = value * 10 + (unsigned)(text.data[at++] - '0');
        }
        if (at == start || value > 255 || (at - start > 1 && text.data[start] == '0')) {
            return false;
        }
        parts++;
        if (at == text.size) {
            return parts == 4;
        }
        if (text.data[at++] != '.') {
            return false;
        }
    }
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

bool pt_format_ipv6(struct pt_span text)
{
    unsigned groups = 0;
    bool has_gap = false;
    size_t at = 0;

    if (text.size >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        has_gap = true;
        at = 2;
    }
    while (at < text.size) {
        size_t start = at;

        while (at < text.size && is_hex(text.data[at])) {
            at++;
        }
        if (at < text.size && text.data[at] == '.') {
            groups += 2;
            return pt_format_ipv4(pt_span_of(text.data + start, text.size - start)) &&
                   (has_gap ? groups < 8 : groups == 8);
        }
        if (at == start || at - start > 4 || ++groups > 8) {
            return false;
        }
        if (at == text.size) {
            break;
        }
        if (text.data[at++] != ':' || at == text.size) {
            return false;
        }
        if (text.data[at] == ':') {
            if (has_gap) {
                return false;
            }
            has_gap = true;
            at++;
        }
    }
    return has_gap ? groups < 8 : groups == 8;
}

/* ---- the rest ---- */

static bool is_uuid(struct pt_span text)
{
    /* The value of a hexadecimal digit plus one; 0 for all else. */
    static const uint8_t digits[256] = {
        ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
        ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
        ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
    };
    unsigned count = 0;

    if (text.size != 36 || text.data[8] != '-' || text.data[13] != '-' || text.data[18] != '-' ||
        text.data[23] != '-') {
        return false;
    }
    for (size_t i = 0; i < 36; i++) {
        count += digits[text.data[i]];
    }
    return count == 32;
}

static bool is_json_pointer(struct pt_span text)
{
    if (text.size > 0 && text.data[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '~' &&
            (i + 1 == text.size || (text.data[i + 1] != '0' && text.data[i + 1] != '1'))) {
            return false;
        }
    }
    return true;
}

static bool is_relative_json_pointer(struct pt_span text)
{
    size_t at = 0;

    while (at < text.size && is_digit(text.data[at])) {
        at++;
    }
    if (at == 0 || (at > 1 && text.data[0] == '0')) {
        return false;
    }
    if (at + 1 == text.size && text.data[at] == '#') {
        return true;
    }
    return is_json_pointer(pt_span_of(text.data + at, text.size - at));
}

bool pt_format_check(enum pt_format format, struct pt_span text)
{
    switch (format) {
    case PT_FORMAT_DATE_TIME:
        return is_date_time(text);
    case PT_FORMAT_DATE:
        return text.size == 10 && is_date(text.data);
    case PT_FORMAT_TIME:
        return is_time(text);
    case PT_FORMAT_DURATION:
        return is_duration(text);
    case PT_FORMAT_EMAIL:
        return is_email(text, false);
    case PT_FORMAT_IDN_EMAIL:
        return is_email(text, true);
    case PT_FORMAT_HOSTNAME:
        return pt_format_host(text, false);
    case PT_FORMAT_IDN_HOSTNAME:
        return pt_format_host(text, true);
    case PT_FORMAT_IPV4:
        return pt_format_ipv4(text);
    case PT_FORMAT_IPV6:
        return pt_format_ipv6(text);
    case PT_FORMAT_URI:
        return pt_format_uri(text, false, false);
    case PT_FORMAT_URI_REFERENCE:
        return pt_format_uri(text, false, true);
    case PT_FORMAT_IRI:
        return pt_format_uri(text, true, false);
    case PT_FORMAT_IRI_REFERENCE:
        return pt_format_uri(text, true, true);
    case PT_FORMAT_URI_TEMPLATE:
        return pt_format_uri_template(text);
    case PT_FORMAT_UUID:
        return is_uuid(text);
    case PT_FORMAT_JSON_POINTER:
        return is_json_pointer(text);
    case PT_FORMAT_RELATIVE_JSON_POINTER:
        return is_relative_json_pointer(text);
    case PT_FORMAT_REGEX:
        return pt_regex_check(text);
    case PT_FORMAT_COUNT:
        break;
    }
    return true;
}
