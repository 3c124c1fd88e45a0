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
#define PART_MONO ",\"mono_us\":"
#define PART_ATTRIBUTES ",\"attributes\":"
#define TEXT_BYTES(literal) (sizeof(literal) - 1)

bool pt_client_name_is_valid(const char *name, size_t *bytes_out)
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

size_t pt_client_put_number(uint64_t value, char digits_out[20])
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

static size_t event_bytes(const struct playtrace *p, const struct pt_client_event *event)
{
    return TEXT_BYTES(PART_ID) + PT_UUID_TEXT_BYTES + TEXT_BYTES(PART_NAME) + event->name_bytes +
           TEXT_BYTES(PART_TIME) + PT_RFC3339_TEXT_BYTES + TEXT_BYTES(PART_SEQ) + event->seq_bytes +
           TEXT_BYTES(PART_MONO) + event->mono_bytes + p->identity_bytes +
           (event->attributes ? TEXT_BYTES(PART_ATTRIBUTES) + event->attributes_bytes : 0) + 1;
}

static void put_event(const struct playtrace *p, const struct pt_client_event *event,
                      const char *event_id, int64_t wall_us, char *to)
{
    char time[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(wall_us, time);
    to = put(to, PART_ID, TEXT_BYTES(PART_ID));
    to = put(to, event_id, PT_UUID_TEXT_BYTES);
    to = put(to, PART_NAME, TEXT_BYTES(PART_NAME));
    to = put(to, event->name, event->name_bytes);
    to = put(to, PART_TIME, TEXT_BYTES(PART_TIME));
    to = put(to, time, PT_RFC3339_TEXT_BYTES);
    to = put(to, PART_SEQ, TEXT_BYTES(PART_SEQ));
    to = put(to, event->seq, event->seq_bytes);
    to = put(to, PART_MONO, TEXT_BYTES(PART_MONO));
    to = put(to, event->mono, event->mono_bytes);
    to = put(to, p->identity, p->identity_bytes);
    if (event->attributes) {
        to = put(to, PART_ATTRIBUTES, TEXT_BYTES(PART_ATTRIBUTES));
        to = put(to, event->attributes, event->attributes_bytes);
    }
    *to = '}';
}

size_t pt_client_event_render(struct playtrace *p, struct pt_client_event *event, char *to,
                              size_t bytes_max, char event_id_out[PLAYTRACE_ID_TEXT_BYTES],
                              bool *is_full_out)
{
    int64_t wall_us = 0;
    size_t bytes = 0;

    *is_full_out = false;
    event->seq_bytes = pt_client_put_number(p->seq, event->seq);
    event->mono_bytes = pt_client_put_number(pt_client_mono_us(p), event->mono);
    bytes = event_bytes(p, event);
    if (bytes > PLAYTRACE_EVENT_BYTES_MAX) {
        return 0;
    }
    p->seq++;
    if (bytes > bytes_max) {
        *is_full_out = true;
        return 0;
    }
    wall_us = pt_client_wall_us(p);
    pt_client_uuid(p, wall_us, event_id_out);
    put_event(p, event, event_id_out, wall_us, to);
    return bytes;
}

/* The caller holds `lock`. */
static enum playtrace_status put_in_ring(struct playtrace *p, struct pt_client_event *event,
                                         char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    size_t left = p->half_bytes - p->active_bytes;
    size_t bytes = 0;
    bool is_full = false;
    bool has_worker = !p->options.without_worker; /* `worker` is not for the worker's eyes */
    char *frame = p->active + p->active_bytes;

    if (event->name_bytes == TEXT_BYTES(PT_CLIENT_EXPOSURE_NAME) &&
        memcmp(event->name, PT_CLIENT_EXPOSURE_NAME, TEXT_BYTES(PT_CLIENT_EXPOSURE_NAME)) == 0) {
        event->lane = PT_CLIENT_LANE_EXPOSURES; /* also one that the game makes itself */
    }
    if (!pt_client_may(p, event->lane == PT_CLIENT_LANE_EXPOSURES ? PLAYTRACE_PURPOSE_EXPERIMENTS
                                                                  : PLAYTRACE_PURPOSE_ANALYTICS)) {
        return PLAYTRACE_NO_CONSENT;
    }
    bytes = pt_client_event_render(p, event, frame + PT_FRAME_HEADER_BYTES,
                                   left > PT_FRAME_HEADER_BYTES ? left - PT_FRAME_HEADER_BYTES : 0,
                                   event_id_out, &is_full);
    if (is_full) {
        p->stats.dropped_ring++;
        return PLAYTRACE_DROPPED;
    }
    if (bytes == 0) {
        return PLAYTRACE_INVALID;
    }
    pt_put_u32((uint8_t *)frame, (uint32_t)bytes);
    pt_put_u32((uint8_t *)frame + 4, (uint32_t)event->lane);
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
    struct pt_client_event event = {0};
    char event_id[PLAYTRACE_ID_TEXT_BYTES];

    event.name = name;
    event.name_bytes = strlen(name);
    event.lane = lane;
    event.attributes = attributes_json;
    event.attributes_bytes = strlen(attributes_json);
    return put_in_ring(p, &event, event_id);
}

enum playtrace_status pt_client_invalid(struct playtrace *p, const char *name, const char *why,
                                        size_t offset)
{
    char shown[PLAYTRACE_NAME_BYTES_MAX + 1];
    size_t bytes = 0;

    if (!pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    /* What goes to a log is plain ASCII, whatever came. */
    for (; name && name[bytes] != '\0' && bytes + 1 < sizeof(shown); bytes++) {
        shown[bytes] = (char)(name[bytes] < ' ' || name[bytes] > '~' ? '?' : name[bytes]);
    }
    shown[bytes] = '\0';
    pt_client_lock(p);
    p->stats.invalid++;
    pt_client_unlock(p);
    if (offset == SIZE_MAX) {
        pt_client_log(p, PLAYTRACE_LOG_WARNING, PT_CLIENT_LOG_CALL, "event \"%s\" not taken: %s",
                      shown, why);
    } else {
        pt_client_log(p, PLAYTRACE_LOG_WARNING, PT_CLIENT_LOG_CALL,
                      "event \"%s\" not taken: attributes, byte %lu: %s", shown,
                      (unsigned long)offset, why);
    }
    pt_client_log_deliver(p);
    return PLAYTRACE_INVALID;
}

enum playtrace_status pt_client_track_event(struct playtrace *p, struct pt_client_event *event,
                                            char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    enum playtrace_status status = PLAYTRACE_OK;

    pt_client_lock(p);
    status = put_in_ring(p, event, event_id_out);
    pt_client_unlock(p);
    if (status == PLAYTRACE_INVALID) {
        return pt_client_invalid(p, event->name,
                                 "with ids and times it is longer than 32768 bytes: send less, or "
                                 "several events",
                                 SIZE_MAX);
    }
    if (status == PLAYTRACE_DROPPED) {
        pt_client_log(p, PLAYTRACE_LOG_ERROR, PT_CLIENT_LOG_DROP,
                      "event \"%.*s\" is lost: the ring in memory is full; is the disk slow, does "
                      "nobody call playtrace_pump(), or is options.ring_bytes too small?",
                      (int)event->name_bytes, event->name);
        pt_client_log_deliver(p);
    }
    return status;
}

enum playtrace_status pt_client_track(struct playtrace *p, const char *name,
                                      const char *attributes_json, enum pt_client_lane lane,
                                      char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    struct pt_client_event event = {0};
    char event_id[PLAYTRACE_ID_TEXT_BYTES];
    struct pt_client_json_fault fault;

    if (event_id_out) {
        event_id_out[0] = '\0';
    }
    if (!pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    if (!name || !pt_client_name_is_valid(name, &event.name_bytes)) {
        return pt_client_invalid(p, name, PT_CLIENT_WHY_NAME, SIZE_MAX);
    }
    event.name = name;
    event.lane = lane;
    if (attributes_json) {
        event.attributes = attributes_json;
        event.attributes_bytes =
            pt_client_text_bytes(attributes_json, PLAYTRACE_EVENT_BYTES_MAX + 1);
        if (event.attributes_bytes > PLAYTRACE_EVENT_BYTES_MAX) {
            return pt_client_invalid(p, name, "longer than 32768 bytes: send less",
                                     PLAYTRACE_EVENT_BYTES_MAX);
        }
        if (!pt_client_json_check(attributes_json, event.attributes_bytes,
                                  PLAYTRACE_ATTRIBUTE_DEPTH_MAX, true, &fault)) {
            return pt_client_invalid(p, name, fault.why, fault.offset);
        }
    }
    return pt_client_track_event(p, &event, event_id_out ? event_id_out : event_id);
}

bool pt_client_lane_of(enum playtrace_priority priority, enum pt_client_lane *lane_out)
{
    switch (priority) {
    case PLAYTRACE_PRIORITY_LOW:
        *lane_out = PT_CLIENT_LANE_LOW;
        return true;
    case PLAYTRACE_PRIORITY_NORMAL:
        *lane_out = PT_CLIENT_LANE_NORMAL;
        return true;
    case PLAYTRACE_PRIORITY_HIGH:
        *lane_out = PT_CLIENT_LANE_HIGH;
        return true;
    }
    return false;
}

bool pt_client_track_has_room(const struct playtrace *p, size_t attributes_bytes)
{
    struct pt_client_event event = {0};

    event.name_bytes = PLAYTRACE_NAME_BYTES_MAX;
    event.attributes = "";
    event.attributes_bytes = attributes_bytes;
    event.seq_bytes = sizeof(event.seq);
    event.mono_bytes = sizeof(event.mono);
    return p->half_bytes - p->active_bytes >= PT_FRAME_HEADER_BYTES + event_bytes(p, &event);
}

enum playtrace_status playtrace_track(struct playtrace *p, const char *name,
                                      const char *attributes_json)
{
    return pt_client_track(p, name, attributes_json, PT_CLIENT_LANE_NORMAL, NULL);
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

    if (!pt_client_lane_of(priority, &lane)) {
        if (event_id_out) {
            event_id_out[0] = '\0';
        }
        return pt_client_invalid(p, name, PT_CLIENT_WHY_PRIORITY, SIZE_MAX);
    }
    return pt_client_track(p, name, attributes_json, lane, event_id_out);
}
