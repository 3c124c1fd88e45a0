/*
 * track.c - one event from the game into the ring
 *
 * The ring is two halves: track() writes frames into the active one, the drain swaps them and
 * writes the other to the queue. So a drain is one write call, and track() never waits for it.
 * Only the length of a frame's header is set here; where the checksum will stand, the lane
 * stands until the drain computes it.
 */
#include "core/client.h"
#include "core/json.h"

#include "wire/frame.h"
#include "wire/rfc3339.h"
#include "wire/uuid.h"

#include <string.h>

/* How long the first event of a burst waits for others, so that a burst is one write. */
#define DRAIN_DELAY_US 10000

/* The members around the variable parts: all are ASCII. */
#define PART_ID "{\"event_id\":\""
#define PART_NAME "\",\"event_name\":\""
#define PART_TIME "\",\"occurred_at\":\""
#define PART_SEQ "\",\"seq\":"
#define PART_ATTRIBUTES ",\"attributes\":"
#define TEXT_BYTES(literal) (sizeof(literal) - 1)

static bool name_is_valid(const char *name, size_t *bytes_out)
{
    size_t bytes = 0;

    while (name[bytes] != '\0') {
        char c = name[bytes];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '_' || c == '.';

        if (bytes == PLAYTRACE_NAME_BYTES_MAX || !(is_letter || (is_other && bytes > 0))) {
            return false;
        }
        bytes++;
    }
    *bytes_out = bytes;
    return bytes > 0;
}

/* Decimal digits of `value`, without a NUL; returns their count. */
static size_t put_number(uint64_t value, char digits_out[20])
{
    char reversed[20];
    size_t count = 0;

    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++) {
        digits_out[i] = reversed[count - 1 - i];
    }
    return count;
}

static char *put(char *to, const char *text, size_t bytes)
{
    memcpy(to, text, bytes);
    return to + bytes;
}

struct parts {
    const char *name;
    size_t name_bytes;
    const char *attributes; /* NULL: none */
    size_t attributes_bytes;
    char seq[20];
    size_t seq_bytes;
    enum pt_client_lane lane;
};

static size_t event_bytes(const struct playtrace *p, const struct parts *parts)
{
    return TEXT_BYTES(PART_ID) + PT_UUID_TEXT_BYTES + TEXT_BYTES(PART_NAME) + parts->name_bytes +
           TEXT_BYTES(PART_TIME) + PT_RFC3339_TEXT_BYTES + TEXT_BYTES(PART_SEQ) + parts->seq_bytes +
           p->identity_bytes +
           (parts->attributes ? TEXT_BYTES(PART_ATTRIBUTES) + parts->attributes_bytes : 0) + 1;
}

static void put_event(const struct playtrace *p, const struct parts *parts, const char *event_id,
                      int64_t wall_us, char *to)
{
    char time[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(wall_us, time);
    to = put(to, PART_ID, TEXT_BYTES(PART_ID));
    to = put(to, event_id, PT_UUID_TEXT_BYTES);
    to = put(to, PART_NAME, TEXT_BYTES(PART_NAME));
    to = put(to, parts->name, parts->name_bytes);
    to = put(to, PART_TIME, TEXT_BYTES(PART_TIME));
    to = put(to, time, PT_RFC3339_TEXT_BYTES);
    to = put(to, PART_SEQ, TEXT_BYTES(PART_SEQ));
    to = put(to, parts->seq, parts->seq_bytes);
    to = put(to, p->identity, p->identity_bytes);
    if (parts->attributes) {
        to = put(to, PART_ATTRIBUTES, TEXT_BYTES(PART_ATTRIBUTES));
        to = put(to, parts->attributes, parts->attributes_bytes);
    }
    *to = '}';
}

/* The caller holds `lock`. */
static enum playtrace_status put_in_ring(struct playtrace *p, struct parts *parts,
                                         char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    int64_t wall_us = 0;
    size_t bytes = 0;
    char *frame = p->active + p->active_bytes;
    bool has_worker = !p->options.without_worker; /* `worker` is not for the worker's eyes */

    if (p->state.consent != PLAYTRACE_CONSENT_GIVEN) {
        return PLAYTRACE_NO_CONSENT;
    }
    parts->seq_bytes = put_number(p->seq, parts->seq);
    bytes = event_bytes(p, parts);
    if (bytes > PLAYTRACE_EVENT_BYTES_MAX) {
        return PLAYTRACE_INVALID;
    }
    p->seq++;
    if (p->half_bytes - p->active_bytes < PT_FRAME_HEADER_BYTES + bytes) {
        p->stats.dropped_ring++;
        return PLAYTRACE_DROPPED;
    }
    wall_us = p->platform.wall_us(p->platform.clock_ctx);
    pt_client_uuid(p, wall_us, event_id_out);
    pt_put_u32((uint8_t *)frame, (uint32_t)bytes);
    pt_put_u32((uint8_t *)frame + 4, (uint32_t)parts->lane);
    put_event(p, parts, event_id_out, wall_us, frame + PT_FRAME_HEADER_BYTES);
    p->active_bytes += PT_FRAME_HEADER_BYTES + bytes;
    p->active_events++;
    p->stats.tracked++;
    p->stats.queued++;
    if (!has_worker) {
        return PLAYTRACE_OK;
    }
    if (p->active_events == 1) {
        p->drain_due_us = pt_client_now_us(p) + DRAIN_DELAY_US;
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    } else if (p->active_bytes > p->half_bytes / 2 && p->drain_due_us > 0) {
        p->drain_due_us = 0; /* at once */
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    }
    return PLAYTRACE_OK;
}

enum playtrace_status pt_client_put(struct playtrace *p, const char *name,
                                    const char *attributes_json, enum pt_client_lane lane)
{
    struct parts parts = {.name = name, .name_bytes = strlen(name), .lane = lane};
    char event_id[PLAYTRACE_ID_TEXT_BYTES];

    parts.attributes = attributes_json;
    parts.attributes_bytes = strlen(attributes_json);
    return put_in_ring(p, &parts, event_id);
}

enum playtrace_status pt_client_track(struct playtrace *p, const char *name,
                                      const char *attributes_json, enum pt_client_lane lane,
                                      char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    struct parts parts = {0};
    enum playtrace_status status = PLAYTRACE_OK;

    event_id_out[0] = '\0';
    if (!p || !name || !name_is_valid(name, &parts.name_bytes)) {
        return PLAYTRACE_INVALID;
    }
    parts.name = name;
    parts.lane = lane;
    if (attributes_json) {
        parts.attributes = attributes_json;
        parts.attributes_bytes =
            pt_client_text_bytes(attributes_json, PLAYTRACE_EVENT_BYTES_MAX + 1);
        if (parts.attributes_bytes > PLAYTRACE_EVENT_BYTES_MAX ||
            !pt_client_json_is_object(attributes_json, parts.attributes_bytes,
                                      PLAYTRACE_ATTRIBUTE_DEPTH_MAX)) {
            return PLAYTRACE_INVALID;
        }
    }
    pt_client_lock(p);
    status = put_in_ring(p, &parts, event_id_out);
    pt_client_unlock(p);
    return status;
}

enum playtrace_status playtrace_track(struct playtrace *p, const char *name,
                                      const char *attributes_json)
{
    char event_id[PLAYTRACE_ID_TEXT_BYTES];

    return pt_client_track(p, name, attributes_json, PT_CLIENT_LANE_NORMAL, event_id);
}

enum playtrace_status playtrace_track_id(struct playtrace *p, const char *name,
                                         const char *attributes_json,
                                         char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    return pt_client_track(p, name, attributes_json, PT_CLIENT_LANE_NORMAL, event_id_out);
}

enum playtrace_status playtrace_track_with(struct playtrace *p, const char *name,
                                           const char *attributes_json,
                                           enum playtrace_priority priority,
                                           char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    enum pt_client_lane lane = PT_CLIENT_LANE_NORMAL;
    char event_id[PLAYTRACE_ID_TEXT_BYTES];

    switch (priority) {
    case PLAYTRACE_PRIORITY_LOW:
        lane = PT_CLIENT_LANE_LOW;
        break;
    case PLAYTRACE_PRIORITY_NORMAL:
        break;
    case PLAYTRACE_PRIORITY_HIGH:
        lane = PT_CLIENT_LANE_HIGH;
        break;
    default:
        if (event_id_out) {
            event_id_out[0] = '\0';
        }
        return PLAYTRACE_INVALID;
    }
    return pt_client_track(p, name, attributes_json, lane, event_id_out ? event_id_out : event_id);
}
