/*
 * bytes.h - numbers of state as few bytes, and back
 *
 * A varint is a little-endian base-128 number (7 bits a byte, the high bit says that more follow).
 * Writing sticks its errors in the buffer. Reading never passes the end: a place that was asked for
 * more than there is, or for a varint over 64 bits, is_bad and gives zeros from then on.
 */
#ifndef PT_STREAM_BYTES_H
#define PT_STREAM_BYTES_H

#include "base/mem.h"
#include "base/span.h"

struct pt_bytes {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
};

static inline struct pt_bytes pt_bytes_of(struct pt_span span)
{
    return (struct pt_bytes){.at = span.data, .end = span.data + span.size};
}

static inline void pt_bytes_put(struct pt_buf *out, uint64_t value)
{
    uint8_t *to = pt_buf_reserve(out, 10);

    if (!to) {
        return;
    }
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    out->size = (size_t)(to - out->data);
}

/* Of either sign: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
static inline void pt_bytes_put_signed(struct pt_buf *out, int64_t value)
{
    pt_bytes_put(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static inline void pt_bytes_put_text(struct pt_buf *out, struct pt_span text)
{
    pt_bytes_put(out, text.size);
    pt_buf_append(out, text.data, text.size);
}

static inline uint64_t pt_bytes_get(struct pt_bytes *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    in->is_bad = true;
    in->at = in->end;
    return 0;
}

static inline int64_t pt_bytes_get_signed(struct pt_bytes *in)
{
    uint64_t value = pt_bytes_get(in);

    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

/* `size` bytes where they stand; an empty span where there are not so many. */
static inline struct pt_span pt_bytes_take(struct pt_bytes *in, uint64_t size)
{
    struct pt_span span = {0};

    if (size > (size_t)(in->end - in->at)) {
        in->is_bad = true;
        in->at = in->end;
        return span;
    }
    span = pt_span_of(in->at, (size_t)size);
    in->at += size;
    return span;
}

static inline struct pt_span pt_bytes_get_text(struct pt_bytes *in)
{
    return pt_bytes_take(in, pt_bytes_get(in));
}

/* For keys of hash tables: spreads what two hashes know over all bits. */
static inline uint64_t pt_bytes_mix(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ (b << 32 | b >> 32)) * UINT64_C(0x9e3779b97f4a7c15);

    h = (h ^ h >> 32 ^ b) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

#endif
