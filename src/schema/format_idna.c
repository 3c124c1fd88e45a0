/*
 * format_idna.c - host names: RFC 1123, and IDNA2008 (RFC 5890-5893) for labels beyond ASCII
 *
 * A label is LDH, an A-label ("xn--" and Punycode, RFC 3492) or, where asked, a U-label. An A-label
 * is held to what it decodes to. Normal form C is not checked: of what the suite tests it is the
 * one rule that needs decomposition tables.
 */
#include "schema/format.h"

#include "schema/idna_table.h"

#define LABEL_BYTES_MAX 63
#define NAME_BYTES_MAX 253
#define NAME_SIZE_MAX ((size_t)4 * NAME_BYTES_MAX) /* in UTF-8 */
/* A label's code points: no label of 63 bytes in Punycode has more. */
#define POINTS_MAX 64

/* The bits of idna_ranges. */
#define IS_PVALID(bits) ((bits)&1u)
#define IS_MARK(bits) ((bits) >> 1 & 1u)
#define IS_VIRAMA(bits) ((bits) >> 2 & 1u)
#define JOINING(bits) ((bits) >> 3 & 7u)
#define BIDI(bits) ((bits) >> 6 & 7u)
#define SCRIPT(bits) ((bits) >> 9 & 3u)

enum joining { JOIN_DUAL = 1, JOIN_LEFT, JOIN_RIGHT, JOIN_TRANSPARENT };
enum bidi { BIDI_L = 1, BIDI_R_AL, BIDI_AN, BIDI_EN, BIDI_NSM, BIDI_OTHER };
enum script { SCRIPT_GREEK = 1, SCRIPT_HEBREW, SCRIPT_KANA_HAN };

struct label {
    uint32_t points[POINTS_MAX];
    unsigned bits[POINTS_MAX];
    size_t count;
};

static unsigned bits_of(uint32_t c)
{
    size_t low = 0;
    size_t high = sizeof(idna_ranges) / sizeof(idna_ranges[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (c > idna_ranges[middle].last) {
            low = middle + 1;
        } else if (c < idna_ranges[middle].first) {
            high = middle;
        } else {
            return idna_ranges[middle].bits;
        }
    }
    return 0;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* ---- Punycode ---- */

static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first)
{
    uint32_t k = 0;

    delta = is_first ? delta / 700 : delta / 2;
    delta += delta / count;
    for (; delta > 455; k += 36) {
        delta /= 35;
    }
    return k + 36 * delta / (delta + 38);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
}

static bool punycode_decode(struct pt_span text, struct label *label)
{
    uint32_t n = 128;
    uint32_t i = 0;
    uint32_t bias = 72;
    size_t at = 0;

    label->count = 0;
    for (size_t j = text.size; j > 0; j--) {
        if (text.data[j - 1] == '-') {
            at = j;
            break;
        }
    }
    for (size_t j = 0; j + 1 < at; j++) {
        label->points[label->count++] = lower(text.data[j]);
    }
    while (at < text.size) {
        uint32_t start = i;
        uint32_t weight = 1;

        for (uint32_t k = 36;; k += 36) {
            uint8_t c = at < text.size ? lower(text.data[at++]) : 0;
            uint32_t digit = 0;
            uint32_t t = threshold(k, bias);

            if (c >= 'a' && c <= 'z') {
                digit = (uint32_t)(c - 'a');
            } else if (c >= '0' && c <= '9') {
                digit = (uint32_t)(c - '0') + 26;
            } else {
                return false;
            }
            if (digit > (INT32_MAX - i) / weight) {
                return false;
            }
            i += digit * weight;
            if (digit < t) {
                break;
            }
            if (weight > INT32_MAX / (36 - t)) {
                return false;
            }
            weight *= 36 - t;
        }
        if (label->count == POINTS_MAX) {
            return false;
        }
        bias = adapt(i - start, (uint32_t)label->count + 1, start == 0);
        n += i / ((uint32_t)label->count + 1);
        i %= (uint32_t)label->count + 1;
        if (n > 0x10ffff || (n >= 0xd800 && n <= 0xdfff)) {
            return false;
        }
        memmove(&label->points[i + 1], &label->points[i],
                (label->count - i) * sizeof(label->points[0]));
        label->points[i++] = n;
        label->count++;
    }
    return label->count > 0;
}

/* The Punycode of `label` into `text`; its size, or 0 where it is over `bytes_max`. */
static size_t punycode_encode(const struct label *label, uint8_t *text, size_t bytes_max)
{
    uint32_t n = 128;
    uint32_t delta = 0;
    uint32_t bias = 72;
    size_t bytes = 0;
    uint32_t handled = 0;
    uint32_t basic = 0;

    for (size_t i = 0; i < label->count; i++) {
        if (label->points[i] < 128) {
            if (bytes == bytes_max) {
                return 0;
            }
            text[bytes++] = (uint8_t)label->points[i];
        }
    }
    basic = handled = (uint32_t)bytes;
    if (basic > 0) {
        if (bytes == bytes_max) {
            return 0;
        }
        text[bytes++] = '-';
    }
    while (handled < label->count) {
        uint32_t next = UINT32_MAX;

        for (size_t i = 0; i < label->count; i++) {
            if (label->points[i] >= n && label->points[i] < next) {
                next = label->points[i];
            }
        }
        delta += (next - n) * (handled + 1); /* at most 0x110000 * 64 */
        n = next;
        for (size_t i = 0; i < label->count; i++) {
            if (label->points[i] < n) {
                delta++;
            } else if (label->points[i] == n) {
                uint32_t q = delta;

                for (uint32_t k = 36;; k += 36) {
                    uint32_t t = threshold(k, bias);
                    uint32_t digit = q < t ? q : t + (q - t) % (36 - t);

                    if (bytes == bytes_max) {
                        return 0;
                    }
                    text[bytes++] = (uint8_t)(digit < 26 ? 'a' + digit : '0' + digit - 26);
                    if (q < t) {
                        break;
                    }
                    q = (q - t) / (36 - t);
                }
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled++;
            }
        }
        delta++;
        n++;
    }
    return bytes;
}

/* ---- RFC 5892 appendix A ---- */

static bool joiner_is_fine(const struct label *label, size_t at)
{
    size_t before = at;
    size_t after = at + 1;

    if (at > 0 && IS_VIRAMA(label->bits[at - 1])) {
        return true;
    }
    if (label->points[at] == 0x200d) {
        return false;
    }
    while (before > 0 && JOINING(label->bits[before - 1]) == JOIN_TRANSPARENT) {
        before--;
    }
    while (after < label->count && JOINING(label->bits[after]) == JOIN_TRANSPARENT) {
        after++;
    }
    if (before == 0 || after == label->count) {
        return false;
    }
    return (JOINING(label->bits[before - 1]) == JOIN_LEFT ||
            JOINING(label->bits[before - 1]) == JOIN_DUAL) &&
           (JOINING(label->bits[after]) == JOIN_RIGHT || JOINING(label->bits[after]) == JOIN_DUAL);
}

static bool has_between(const struct label *label, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < label->count; i++) {
        if (label->points[i] >= first && label->points[i] <= last) {
            return true;
        }
    }
    return false;
}

static bool context_is_fine(const struct label *label, size_t at)
{
    uint32_t c = label->points[at];
    bool has_before = at > 0;
    bool has_after = at + 1 < label->count;

    if (c == 0x200c || c == 0x200d) {
        return joiner_is_fine(label, at);
    }
    if (c == 0xb7) {
        return has_before && has_after && label->points[at - 1] == 'l' &&
               label->points[at + 1] == 'l';
    }
    if (c == 0x375) {
        return has_after && SCRIPT(label->bits[at + 1]) == SCRIPT_GREEK;
    }
    if (c == 0x5f3 || c == 0x5f4) {
        return has_before && SCRIPT(label->bits[at - 1]) == SCRIPT_HEBREW;
    }
    if (c == 0x30fb) {
        for (size_t i = 0; i < label->count; i++) {
            if (label->points[i] != 0x30fb && SCRIPT(label->bits[i]) == SCRIPT_KANA_HAN) {
                return true;
            }
        }
        return false;
    }
    if (c >= 0x660 && c <= 0x669) {
        return !has_between(label, 0x6f0, 0x6f9);
    }
    if (c >= 0x6f0 && c <= 0x6f9) {
        return !has_between(label, 0x660, 0x669);
    }
    return IS_PVALID(label->bits[at]);
}

static bool is_u_label(struct label *label)
{
    for (size_t i = 0; i < label->count; i++) {
        label->bits[i] = bits_of(label->points[i]);
    }
    if (label->count == 0 || label->points[0] == '-' || label->points[label->count - 1] == '-' ||
        (label->count >= 4 && label->points[2] == '-' && label->points[3] == '-') ||
        IS_MARK(label->bits[0])) {
        return false;
    }
    for (size_t i = 0; i < label->count; i++) {
        if (!context_is_fine(label, i)) {
            return false;
        }
    }
    return true;
}

/* ---- RFC 5893: text that runs both ways ---- */

static bool has_right_to_left(const struct label *label)
{
    for (size_t i = 0; i < label->count; i++) {
        if (BIDI(label->bits[i]) == BIDI_R_AL || BIDI(label->bits[i]) == BIDI_AN) {
            return true;
        }
    }
    return false;
}

static bool bidi_is_fine(const struct label *label)
{
    unsigned first = BIDI(label->bits[0]);
    unsigned last = 0;
    unsigned seen = 0;
    size_t end = label->count;

    for (size_t i = 0; i < label->count; i++) {
        seen |= 1u << BIDI(label->bits[i]);
    }
    while (end > 0 && BIDI(label->bits[end - 1]) == BIDI_NSM) {
        end--;
    }
    if (end == 0) {
        return false;
    }
    last = BIDI(label->bits[end - 1]);
    if (first == BIDI_R_AL) {
        return !(seen & 1u << BIDI_L) &&
               (last == BIDI_R_AL || last == BIDI_EN || last == BIDI_AN) &&
               !(seen & 1u << BIDI_EN && seen & 1u << BIDI_AN);
    }
    return first == BIDI_L && !(seen & (1u << BIDI_R_AL | 1u << BIDI_AN)) &&
           (last == BIDI_L || last == BIDI_EN);
}

/* ---- names ---- */

static bool is_ldh(const struct label *label)
{
    for (size_t i = 0; i < label->count; i++) {
        uint32_t c = label->points[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c == '-' && i > 0 && i + 1 < label->count))) {
            return false;
        }
    }
    return label->count > 0 && label->count <= LABEL_BYTES_MAX;
}

/* "xn--…" as it stands in `label`; becomes what it decodes to. */
static bool take_a_label(struct label *label)
{
    uint8_t text[LABEL_BYTES_MAX];
    uint8_t again[LABEL_BYTES_MAX];
    size_t bytes = label->count - 4;
    bool has_beyond_ascii = false;

    for (size_t i = 0; i < bytes; i++) {
        text[i] = lower((uint8_t)label->points[i + 4]);
    }
    if (!punycode_decode(pt_span_of(text, bytes), label)) {
        return false;
    }
    for (size_t i = 0; i < label->count; i++) {
        has_beyond_ascii = has_beyond_ascii || label->points[i] >= 128;
    }
    return has_beyond_ascii && punycode_encode(label, again, sizeof(again)) == bytes &&
           memcmp(text, again, bytes) == 0 && is_u_label(label);
}

/* Checks one label and adds its size in ASCII to *name_bytes. */
static bool take_label(struct label *label, bool is_idn, size_t *name_bytes)
{
    bool is_ascii = true;
    uint8_t text[LABEL_BYTES_MAX];
    size_t bytes = 0;

    for (size_t i = 0; i < label->count; i++) {
        is_ascii = is_ascii && label->points[i] < 128;
    }
    if (!is_ascii) {
        if (!is_idn || !is_u_label(label)) {
            return false;
        }
        bytes = punycode_encode(label, text, LABEL_BYTES_MAX - 4);
        *name_bytes += bytes + 4;
        return bytes > 0;
    }
    if (!is_ldh(label)) {
        return false;
    }
    *name_bytes += label->count;
    if (label->count >= 4 && label->points[2] == '-' && label->points[3] == '-') {
        /* RFC 5891 4.2.3.1: two hyphens there mark an A-label and nothing else. */
        return (label->points[0] | 0x20) == 'x' && (label->points[1] | 0x20) == 'n' &&
               take_a_label(label);
    }
    for (size_t i = 0; i < label->count; i++) {
        label->bits[i] = bits_of(lower((uint8_t)label->points[i]));
    }
    return true;
}

static bool is_separator(uint32_t c, bool is_idn)
{
    return c == '.' || (is_idn && (c == 0x3002 || c == 0xff0e || c == 0xff61));
}

bool pt_format_host(struct pt_span text, bool is_idn)
{
    struct label label = {.count = 0};
    size_t at = 0;
    size_t name_bytes = 0;
    bool has_rtl = false;
    bool is_bidi_fine = true;
    bool ends = false;

    if (text.size == 0 || text.size > NAME_SIZE_MAX) {
        return false;
    }
    while (!ends) {
        uint32_t c = 0;

        ends = at == text.size;
        if (!ends) {
            c = pt_utf8_next(text, &at);
        }
        if (!ends && !is_separator(c, is_idn)) {
            if (label.count == POINTS_MAX) {
                return false;
            }
            label.points[label.count++] = c;
            continue;
        }
        if (!take_label(&label, is_idn, &name_bytes)) {
            return false;
        }
        has_rtl = has_rtl || has_right_to_left(&label);
        is_bidi_fine = is_bidi_fine && bidi_is_fine(&label);
        label.count = 0;
        name_bytes += !ends;
    }
    /* The rule binds every label of a name as soon as one of them runs from right to left. */
    return name_bytes <= NAME_BYTES_MAX && (!has_rtl || is_bidi_fine);
}
