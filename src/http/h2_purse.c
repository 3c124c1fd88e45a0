/*
 * h2_purse.c - what HTTP/2's frames may cost
 *
 * A frame header is looked at before nghttp2 sees it, so that every kind costs, those too that
 * nghttp2 ignores. What opens or fills a request is free in the end; the rest is paid for.
 * Rapid reset (CVE-2023-44487), SETTINGS and PING floods, empty DATA and CONTINUATION,
 * WINDOW_UPDATE by the byte, priority churn all come to the same sum.
 */
#include "http/h2_inside.h"

#define EARNED_A_SECOND 32
#define COST_EMPTY 4
/* A padded frame no longer than that may hold padding alone. */
#define PADDING_BYTES_MAX 256u

enum {
    DATA = 0,
    CONTINUATION = 9,
    FLAG_END_STREAM = 1,
    FLAG_PADDED = 8,
};

void pt_h2_purse_init(struct pt_h2_purse *purse, int64_t now_us)
{
    *purse = (struct pt_h2_purse){
        .amount = PT_H2_PURSE_MAX,
        .filled_us = now_us,
        .preface_left = PT_HTTP_H2_PREFACE_BYTES,
    };
}

void pt_h2_purse_earn(struct pt_h2_purse *purse, int amount)
{
    purse->amount =
        purse->amount + amount < PT_H2_PURSE_MAX ? purse->amount + amount : PT_H2_PURSE_MAX;
}

void pt_h2_purse_fill(struct pt_h2_purse *purse, int64_t now_us)
{
    int64_t passed_us = now_us - purse->filled_us;
    int64_t earned = passed_us > 60000000 ? PT_H2_PURSE_MAX : passed_us * EARNED_A_SECOND / 1000000;

    if (earned > 0) {
        pt_h2_purse_earn(purse, (int)earned);
        purse->filled_us = now_us;
    }
}

static int cost_of_frame(const uint8_t head[PT_H2_FRAME_HEAD_BYTES], uint32_t payload_bytes)
{
    if (head[3] == CONTINUATION && payload_bytes == 0) {
        return COST_EMPTY;
    }
    if (head[3] != DATA) {
        return 1;
    }
    if (payload_bytes == 0) {
        return head[4] & FLAG_END_STREAM ? 0 : COST_EMPTY;
    }
    return (head[4] & FLAG_PADDED) && payload_bytes <= PADDING_BYTES_MAX ? 1 : 0;
}

size_t pt_h2_purse_pay(struct pt_h2_purse *purse, const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t left = size - at;
        uint32_t *skip = purse->preface_left ? &purse->preface_left : &purse->payload_left;

        if (*skip) {
            size_t count = left < *skip ? left : *skip;

            *skip -= (uint32_t)count;
            at += count;
            continue;
        }
        purse->frame_head[purse->frame_head_bytes++] = data[at++];
        if (purse->frame_head_bytes < PT_H2_FRAME_HEAD_BYTES) {
            continue;
        }
        purse->frame_head_bytes = 0;
        purse->payload_left = (uint32_t)purse->frame_head[0] << 16 |
                              (uint32_t)purse->frame_head[1] << 8 | purse->frame_head[2];
        purse->amount -= cost_of_frame(purse->frame_head, purse->payload_left);
        if (purse->amount < 0) {
            return at;
        }
    }
    return size;
}
