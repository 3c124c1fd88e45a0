/*
 * signature.c - X-Playtrace-Signature
 */
#include "collect/signature.h"

#define TIME_DIGITS_MAX 12

/* The value of `name` in a list "a=1,b=2"; size 0 where it is not there. */
static struct pt_span find_part(struct pt_span header, const char *name)
{
    size_t name_bytes = strlen(name);
    size_t at = 0;

    while (at < header.size) {
        const uint8_t *comma = memchr(header.data + at, ',', header.size - at);
        size_t end = comma ? (size_t)(comma - header.data) : header.size;

        while (at < end && header.data[at] == ' ') {
            at++;
        }
        if (end - at > name_bytes && memcmp(header.data + at, name, name_bytes) == 0 &&
            header.data[at + name_bytes] == '=') {
            at += name_bytes + 1;
            return pt_span_of(header.data + at, end - at);
        }
        at = end + 1;
    }
    return (struct pt_span){0};
}

static bool parse_seconds(struct pt_span text, int64_t *seconds_out)
{
    int64_t seconds = 0;

    if (text.size == 0 || text.size > TIME_DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        seconds = seconds * 10 + (text.data[i] - '0');
    }
    *seconds_out = seconds;
    return true;
}

static bool parse_digest(struct pt_span text, uint8_t digest_out[PT_SHA256_BYTES])
{
    if (text.size != (size_t)2 * PT_SHA256_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint8_t digit = 0;

        if (c >= '0' && c <= '9') {
            digit = (uint8_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint8_t)((c | 0x20) - 'a' + 10);
        } else {
            return false;
        }
        digest_out[i / 2] = (uint8_t)(i % 2 ? digest_out[i / 2] | digit : digit << 4);
    }
    return true;
}

const char *pt_signature_check(struct pt_span header, struct pt_span body, int64_t now_us,
                               int64_t window_us, struct pt_hmac *const *secrets, size_t count)
{
    struct pt_span time = find_part(header, "t");
    uint8_t sent[PT_SHA256_BYTES];
    int64_t seconds = 0;
    bool is_good = false;

    if (header.size == 0) {
        return "the request is not signed: X-Playtrace-Signature is missing";
    }
    if (!parse_seconds(time, &seconds) || !parse_digest(find_part(header, "v1"), sent)) {
        return "X-Playtrace-Signature must be t=UNIX,v1=HEX with 64 hexadecimal digits";
    }
    if (seconds * 1000000 < now_us - window_us || seconds * 1000000 > now_us + window_us) {
        return "the signature's time is too far from ours: it may be a copy, or the clock is wrong";
    }
    for (size_t i = 0; i < count; i++) {
        const struct pt_span parts[] = {time, pt_span_of(".", 1), body};
        uint8_t digest[PT_SHA256_BYTES];

        pt_hmac_sha256_parts(secrets[i], parts, 3, digest);
        is_good |= pt_equal_constant_time(pt_span_of(digest, sizeof(digest)),
                                          pt_span_of(sent, sizeof(sent)));
    }
    return is_good ? NULL : "the signature does not fit the body";
}
