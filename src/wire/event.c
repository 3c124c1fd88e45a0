/*
 * event.c - the compact binary form of an event
 *
 * FORMAT (docs/formats/event.md), version 1, little-endian:
 *
 *      0  u8   version  1
 *      1  u8   flags    bit 0: the install pseudonym is there
 *      2  u8   platform enum pt_platform
 *      3  u8   0
 *      4  u32  attributes bytes
 *      8  u16  event_name, 10 session_id, 12 build_id, 14 mechanic_version: bytes of each
 *     16  16   event_id
 *     32  16   user pseudonym
 *     48  i64  event_time_us
 *     56  i64  occurred_at_us
 *     64  i64  received_at_us
 *     72  i64  clock_skew_us
 *     80  i64  seq   (INT64_MIN: none)
 *     88  i64  boot  (INT64_MIN: none)
 *     96  2    country, ISO 3166-1 alpha-2, or zeros
 *     98  u16  region, 100 city: bytes of each
 *    102  u16  0
 *    104  16   install pseudonym, only with flag bit 0
 *          …   event_name, session_id, build_id, mechanic_version, attributes, region, city
 */
#include "wire/event.h"

#include "wire/frame.h"

#include <string.h>

#define EVENT_VERSION 1
#define FLAG_INSTALL 1u
#define FIXED_BYTES 104u

static const char *const platform_names[] = {NULL, "ios", "android", "pc", "console", "web"};

const char *pt_platform_name(enum pt_platform platform)
{
    return (unsigned)platform <= PT_PLATFORM_WEB ? platform_names[platform] : NULL;
}

enum pt_platform pt_platform_parse(const char *text, size_t bytes)
{
    for (int i = PT_PLATFORM_IOS; i <= PT_PLATFORM_WEB; i++) {
        if (strlen(platform_names[i]) == bytes && memcmp(platform_names[i], text, bytes) == 0) {
            return (enum pt_platform)i;
        }
    }
    return PT_PLATFORM_NONE;
}

size_t pt_event_encoded_bytes(const struct pt_event *event)
{
    return FIXED_BYTES + (event->has_install ? PT_PSEUDONYM_BYTES : 0) +
           (size_t)event->event_name.size + event->session_id.size + event->build_id.size +
           event->mechanic_version.size + event->attributes.size + event->region.size +
           event->city.size;
}

static uint8_t *put_text(uint8_t *at, struct pt_text text)
{
    if (text.size) {
        memcpy(at, text.data, text.size);
    }
    return at + text.size;
}

size_t pt_event_encode(const struct pt_event *event, uint8_t *record_out)
{
    uint8_t *at = record_out + FIXED_BYTES;

    record_out[0] = EVENT_VERSION;
    record_out[1] = event->has_install ? FLAG_INSTALL : 0;
    record_out[2] = (uint8_t)event->platform;
    record_out[3] = 0;
    pt_put_u32(record_out + 4, event->attributes.size);
    pt_put_u16(record_out + 8, (uint16_t)event->event_name.size);
    pt_put_u16(record_out + 10, (uint16_t)event->session_id.size);
    pt_put_u16(record_out + 12, (uint16_t)event->build_id.size);
    pt_put_u16(record_out + 14, (uint16_t)event->mechanic_version.size);
    memcpy(record_out + 16, event->event_id, PT_UUID_BYTES);
    memcpy(record_out + 32, event->user, PT_PSEUDONYM_BYTES);
    pt_put_u64(record_out + 48, (uint64_t)event->event_time_us);
    pt_put_u64(record_out + 56, (uint64_t)event->occurred_at_us);
    pt_put_u64(record_out + 64, (uint64_t)event->received_at_us);
    pt_put_u64(record_out + 72, (uint64_t)event->clock_skew_us);
    pt_put_u64(record_out + 80, (uint64_t)event->seq);
    pt_put_u64(record_out + 88, (uint64_t)event->boot);
    memcpy(record_out + 96, event->country, sizeof(event->country));
    pt_put_u16(record_out + 98, (uint16_t)event->region.size);
    pt_put_u16(record_out + 100, (uint16_t)event->city.size);
    pt_put_u16(record_out + 102, 0);
    if (event->has_install) {
        memcpy(at, event->install, PT_PSEUDONYM_BYTES);
        at += PT_PSEUDONYM_BYTES;
    }
    at = put_text(at, event->event_name);
    at = put_text(at, event->session_id);
    at = put_text(at, event->build_id);
    at = put_text(at, event->mechanic_version);
    at = put_text(at, event->attributes);
    at = put_text(at, event->region);
    at = put_text(at, event->city);
    return (size_t)(at - record_out);
}

/* Where the next text begins, or NULL where it does not fit. */
static const uint8_t *get_text(const uint8_t *at, const uint8_t *end, uint32_t size,
                               struct pt_text *text_out)
{
    if (!at || (size_t)(end - at) < size) {
        return NULL;
    }
    text_out->data = (const char *)at;
    text_out->size = size;
    return at + size;
}

bool pt_event_decode(const uint8_t *record, size_t bytes, struct pt_event *event_out)
{
    const uint8_t *at = record + FIXED_BYTES;
    const uint8_t *end = record + bytes;

    if (bytes < FIXED_BYTES || record[0] != EVENT_VERSION || record[2] > PT_PLATFORM_WEB) {
        return false;
    }
    event_out->platform = (enum pt_platform)record[2];
    event_out->has_install = record[1] & FLAG_INSTALL;
    memcpy(event_out->event_id, record + 16, PT_UUID_BYTES);
    memcpy(event_out->user, record + 32, PT_PSEUDONYM_BYTES);
    event_out->event_time_us = (int64_t)pt_get_u64(record + 48);
    event_out->occurred_at_us = (int64_t)pt_get_u64(record + 56);
    event_out->received_at_us = (int64_t)pt_get_u64(record + 64);
    event_out->clock_skew_us = (int64_t)pt_get_u64(record + 72);
    event_out->seq = (int64_t)pt_get_u64(record + 80);
    event_out->boot = (int64_t)pt_get_u64(record + 88);
    memcpy(event_out->country, record + 96, sizeof(event_out->country));
    memset(event_out->install, 0, sizeof(event_out->install));
    if (event_out->has_install) {
        if ((size_t)(end - at) < PT_PSEUDONYM_BYTES) {
            return false;
        }
        memcpy(event_out->install, at, PT_PSEUDONYM_BYTES);
        at += PT_PSEUDONYM_BYTES;
    }
    at = get_text(at, end, pt_get_u16(record + 8), &event_out->event_name);
    at = get_text(at, end, pt_get_u16(record + 10), &event_out->session_id);
    at = get_text(at, end, pt_get_u16(record + 12), &event_out->build_id);
    at = get_text(at, end, pt_get_u16(record + 14), &event_out->mechanic_version);
    at = get_text(at, end, pt_get_u32(record + 4), &event_out->attributes);
    at = get_text(at, end, pt_get_u16(record + 98), &event_out->region);
    at = get_text(at, end, pt_get_u16(record + 100), &event_out->city);
    return at == end;
}
