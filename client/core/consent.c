/*
 * consent.c - the player's decision, and the events that tell the server of its end
 *
 * FORMAT (docs/formats/queue.md). The file `consent` is a run of frames (wire/frame.h), the oldest
 * first, each a notice that no receipt has settled yet:
 *
 *     0  i64  decided  the decision that it tells of, as in `state`
 *     8       the event playtrace_consent as JSON text, or sealed (seal.h)
 *
 * A withdrawal is made durable in this order: notice, state, removal of what was kept. Killed
 * before the state was written, the old decision stands, and the next open drops the notice, which
 * is newer than the state. Killed after it, the next open finishes the removal. Memory holds what
 * the file holds, or is about to hold.
 */
#include "core/client.h"
#include "core/json.h"

#include "wire/frame.h"
#include "wire/rfc3339.h"

#include <stdio.h>
#include <string.h>

#define NOTICE_NAME "playtrace_consent"
#define NOTICE_HEAD_BYTES 8
#define ATTRIBUTES_BYTES_MAX (160 + 6 * PLAYTRACE_POLICY_BYTES_MAX)

/* ---- notices ---- */

/* The caller holds `lock`. */
static void notice_drop_first(struct playtrace *p)
{
    size_t bytes = PT_FRAME_HEADER_BYTES + pt_get_u32((const uint8_t *)p->notices);

    p->notices_bytes -= bytes;
    memmove(p->notices, p->notices + bytes, p->notices_bytes);
    memset(p->notices + p->notices_bytes, 0, bytes);
    p->notice_count--;
    p->is_notices_dirty = true;
}

/* How the sentence goes on: the purposes that are left. */
static size_t render_attributes(const struct pt_client_state *state, char *out)
{
    char policy[6 * PLAYTRACE_POLICY_BYTES_MAX + 1];
    char time[PT_RFC3339_TEXT_BYTES + 1];
    bool has_policy = state->policy_version[0] != '\0';

    policy[pt_client_json_escape(state->policy_version, strlen(state->policy_version), policy)] =
        '\0';
    pt_rfc3339_format(state->decided_us, time);
    return (size_t)snprintf(out, ATTRIBUTES_BYTES_MAX,
                            "{\"state\":\"%s\",\"purposes\":[%s%s]%s%s%s,\"decided_at\":\"%.*s\"}",
                            state->consent == PLAYTRACE_CONSENT_GIVEN ? "given" : "withdrawn",
                            state->purposes & PLAYTRACE_PURPOSE_ANALYTICS ? "\"analytics\"" : "",
                            state->purposes & PLAYTRACE_PURPOSE_EXPERIMENTS ? "\"experiments\""
                                                                            : "",
                            has_policy ? ",\"policy_version\":\"" : "", policy,
                            has_policy ? "\"" : "", (int)PT_RFC3339_TEXT_BYTES, time);
}

/* With the ids as they still are. The caller holds `lock`. */
static void notice_add(struct playtrace *p, const struct pt_client_state *decision)
{
    struct pt_client_event event = {0};
    char attributes[ATTRIBUTES_BYTES_MAX];
    char event_id[PLAYTRACE_ID_TEXT_BYTES];
    size_t bytes = 0;
    bool is_full = false;

    event.name = NOTICE_NAME;
    event.name_bytes = sizeof(NOTICE_NAME) - 1;
    event.attributes = attributes;
    event.attributes_bytes = render_attributes(decision, attributes);
    while (PT_CLIENT_NOTICES_BYTES_MAX - p->notices_bytes <
           PT_CLIENT_IDENTITY_BYTES_MAX + ATTRIBUTES_BYTES_MAX + 256) {
        notice_drop_first(p); /* the newest decisions count most */
        p->stats.dropped_budget++;
        p->stats.queued--;
    }
    {
        char *frame = p->notices + p->notices_bytes;
        char *payload = frame + PT_FRAME_HEADER_BYTES;

        pt_put_u64((uint8_t *)payload, (uint64_t)decision->decided_us);
        bytes = pt_client_event_render(p, &event, payload + NOTICE_HEAD_BYTES,
                                       PT_CLIENT_NOTICES_BYTES_MAX - p->notices_bytes -
                                           PT_FRAME_HEADER_BYTES - NOTICE_HEAD_BYTES,
                                       event_id, &is_full);
        pt_frame_header(payload, (uint32_t)(NOTICE_HEAD_BYTES + bytes), (uint8_t *)frame);
    }
    p->notices_bytes += PT_FRAME_HEADER_BYTES + NOTICE_HEAD_BYTES + bytes;
    p->notice_count++;
    p->is_notices_dirty = true;
    p->stats.tracked++;
    p->stats.queued++;
}

static void make_path(const struct playtrace *p, const char *name, char path[PT_CLIENT_PATH_BYTES])
{
    (void)snprintf(path, PT_CLIENT_PATH_BYTES, "%s/%s", p->dir, name);
}

/* Put one notice of the file behind those in memory. False: the key does not open it. */
static bool take_notice(struct playtrace *p, const uint8_t *payload, uint32_t bytes)
{
    uint8_t *frame = (uint8_t *)p->notices + p->notices_bytes;
    uint8_t *to = frame + PT_FRAME_HEADER_BYTES;
    size_t text_bytes = bytes - NOTICE_HEAD_BYTES;

    if (p->notices_bytes + PT_FRAME_HEADER_BYTES + bytes > PT_CLIENT_NOTICES_BYTES_MAX) {
        return true; /* more than this version ever writes: sealed ones take more room on disk */
    }
    memcpy(to, payload, bytes);
    if (payload[NOTICE_HEAD_BYTES] == PT_CLIENT_SEAL_MARK &&
        !pt_client_unseal(&p->lanes.sealer, to + NOTICE_HEAD_BYTES, text_bytes,
                          to + NOTICE_HEAD_BYTES, &text_bytes)) {
        return false;
    }
    pt_frame_header(to, (uint32_t)(NOTICE_HEAD_BYTES + text_bytes), frame);
    p->notices_bytes += PT_FRAME_HEADER_BYTES + NOTICE_HEAD_BYTES + text_bytes;
    p->notice_count++;
    return true;
}

bool pt_client_notices_load(struct playtrace *p, bool is_state_loaded)
{
    const struct playtrace_platform *platform = &p->platform;
    const uint8_t *content = (const uint8_t *)p->gathered;
    char path[PT_CLIENT_PATH_BYTES];
    void *file = NULL;
    int64_t got = 0;
    size_t at = 0;
    uint32_t bytes = 0;

    make_path(p, "consent.new", path);
    if (platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_READ, &file) == 0) {
        platform->file_close(platform->file_ctx, file);
        p->is_notices_dirty = true; /* left by a kill: saving replaces or removes it */
    }
    make_path(p, "consent", path);
    if (platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_READ, &file) != 0) {
        return true;
    }
    got = platform->file_read(platform->file_ctx, file, 0, p->gathered, p->half_bytes);
    platform->file_close(platform->file_ctx, file);
    while (got > 0 && pt_frame_read(content + at, (size_t)got - at, &bytes) &&
           bytes > NOTICE_HEAD_BYTES &&
           bytes <= NOTICE_HEAD_BYTES + PLAYTRACE_EVENT_BYTES_MAX + PT_CLIENT_SEAL_BYTES) {
        const uint8_t *payload = content + at + PT_FRAME_HEADER_BYTES;

        if (is_state_loaded && (int64_t)pt_get_u64(payload) > p->state.decided_us) {
            break; /* its decision was never kept: the old one stands */
        }
        if (!take_notice(p, payload, bytes)) {
            return false;
        }
        at += PT_FRAME_HEADER_BYTES + bytes;
    }
    p->is_notices_dirty = p->is_notices_dirty || at != (size_t)(got > 0 ? got : 0);
    return true;
}

/* What the file holds: the notices, each sealed where there is a key. 0: it could not be sealed. */
static size_t render_file(struct playtrace *p)
{
    size_t from = 0;
    size_t to = 0;

    while (from < p->notices_bytes) {
        const uint8_t *frame = (const uint8_t *)p->notices + from;
        const uint8_t *payload = frame + PT_FRAME_HEADER_BYTES;
        uint8_t *out = (uint8_t *)p->gathered + to;
        uint32_t bytes = pt_get_u32(frame);
        uint32_t out_bytes = bytes;

        from += PT_FRAME_HEADER_BYTES + bytes;
        if (p->lanes.sealer.has_key) {
            uint8_t *sealed = out + PT_FRAME_HEADER_BYTES + NOTICE_HEAD_BYTES;

            memcpy(out + PT_FRAME_HEADER_BYTES, payload, NOTICE_HEAD_BYTES);
            if (!pt_client_seal(&p->lanes.sealer, payload + NOTICE_HEAD_BYTES,
                                bytes - NOTICE_HEAD_BYTES, sealed)) {
                return 0;
            }
            out_bytes += PT_CLIENT_SEAL_BYTES;
            pt_frame_header(out + PT_FRAME_HEADER_BYTES, out_bytes, out);
        } else {
            memcpy(out, frame, PT_FRAME_HEADER_BYTES + bytes);
        }
        to += PT_FRAME_HEADER_BYTES + out_bytes;
    }
    return to;
}

bool pt_client_notices_save(struct playtrace *p)
{
    const struct playtrace_platform *platform = &p->platform;
    char path[PT_CLIENT_PATH_BYTES];
    char path_new[PT_CLIENT_PATH_BYTES];
    void *file = NULL;
    bool is_saved = false;
    bool is_empty = false;
    size_t bytes = 0;

    pt_client_lock(p);
    is_empty = p->notice_count == 0;
    bytes = render_file(p);
    p->is_notices_dirty = false;
    pt_client_unlock(p);
    make_path(p, "consent", path);
    make_path(p, "consent.new", path_new);
    if (is_empty) {
        is_saved = platform->file_remove(platform->file_ctx, path) == 0;
        is_saved = platform->file_remove(platform->file_ctx, path_new) == 0 && is_saved;
    } else if (bytes > 0 && platform->file_open(platform->file_ctx, path_new,
                                                PLAYTRACE_FILE_REPLACE, &file) == 0) {
        is_saved = platform->file_append(platform->file_ctx, file, p->gathered, bytes) == 0 &&
                   platform->file_sync(platform->file_ctx, file) == 0;
        platform->file_close(platform->file_ctx, file);
        is_saved = is_saved && platform->file_rename(platform->file_ctx, path_new, path) == 0;
    }
    if (!is_saved) {
        pt_client_lock(p);
        p->is_notices_dirty = true;
        p->stats.io_failures++;
        pt_client_unlock(p);
    }
    return is_saved;
}

size_t pt_client_notice_peek(struct playtrace *p, char *out)
{
    size_t bytes = 0;

    pt_client_lock(p);
    if (p->notice_count > 0) {
        bytes = pt_get_u32((const uint8_t *)p->notices) - NOTICE_HEAD_BYTES;
        memcpy(out, p->notices + PT_FRAME_HEADER_BYTES + NOTICE_HEAD_BYTES, bytes);
    }
    pt_client_unlock(p);
    return bytes;
}

void pt_client_notice_ack(struct playtrace *p)
{
    pt_client_lock(p);
    notice_drop_first(p);
    pt_client_unlock(p);
    (void)pt_client_notices_save(p); /* else repeated by the next drain */
}

bool pt_client_has_work(const struct playtrace *p)
{
    return p->notice_count > 0 || (p->ready_events > 0 && p->state.purposes != 0);
}

/* ---- the decision ---- */

unsigned pt_client_lanes_of(unsigned purposes)
{
    unsigned lanes = 0;

    if (purposes & PLAYTRACE_PURPOSE_ANALYTICS) {
        lanes |= PT_CLIENT_LANES_ALL & ~(1u << PT_CLIENT_LANE_EXPOSURES);
    }
    if (purposes & PLAYTRACE_PURPOSE_EXPERIMENTS) {
        lanes |= 1u << PT_CLIENT_LANE_EXPOSURES;
    }
    return lanes;
}

uint64_t pt_client_events_of(const struct pt_client_lanes *lanes, unsigned lane_mask)
{
    uint64_t events = 0;

    for (unsigned lane = 0; lane < PT_CLIENT_LANES; lane++) {
        events += lane_mask & (1u << lane) ? lanes->queues[lane].events : 0;
    }
    return events;
}

static bool is_same(const struct pt_client_state *a, const struct pt_client_state *b)
{
    return a->consent == b->consent && a->purposes == b->purposes &&
           strcmp(a->policy_version, b->policy_version) == 0;
}

/* What `policy_version` NULL means is the record's. The caller holds `lock`. */
static void decide(struct playtrace *p, struct pt_client_state *next)
{
    unsigned lost = p->state.purposes & ~next->purposes;

    next->decided_us = pt_client_wall_us(p);
    if (next->decided_us <= p->state.decided_us) {
        next->decided_us = p->state.decided_us + 1; /* the clock went back; the order stays */
    }
    if (lost != 0 && next->consent != PLAYTRACE_CONSENT_NONE) {
        notice_add(p, next);
    }
    p->state = *next;
    p->is_state_dirty = true;
    p->is_decision_new = true;
    if (lost != 0 || next->purposes == 0) {
        uint32_t dropped = 0;

        p->purge_lanes |= PT_CLIENT_LANES_ALL & ~pt_client_lanes_of(next->purposes);
        p->is_purge_due = true;
        dropped = pt_client_frames_drop(p->active, &p->active_bytes, p->purge_lanes);
        p->active_events -= dropped;
        p->stats.withdrawn += dropped;
        p->stats.queued -= dropped;
    }
    if (next->purposes == 0) {
        p->state.install_id[0] = '\0';
        p->state.boot = 0;
        pt_client_session_new(p);
    } else if (p->state.install_id[0] == '\0') {
        pt_client_install_new(p);
    }
    pt_client_flags_consent_changed(p);
    if (p->notice_count > 0 && !p->is_backing_off) {
        p->send_due_us = pt_client_now_us(p);
    }
}

static enum playtrace_status set_consent(struct playtrace *p, enum playtrace_consent consent,
                                         unsigned purposes, const char *policy_version)
{
    struct pt_client_state next;
    bool is_changed = false;
    bool is_sound = true;

    pt_client_lock(p);
    next = p->state;
    next.consent = consent;
    next.purposes = purposes;
    if (policy_version || consent == PLAYTRACE_CONSENT_NONE) {
        (void)snprintf(next.policy_version, sizeof(next.policy_version), "%s",
                       policy_version ? policy_version : "");
    }
    is_changed = !is_same(&next, &p->state);
    if (is_changed) {
        decide(p, &next);
        if (p->worker) {
            p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
        }
    }
    pt_client_unlock(p);
    if (is_changed) {
        pt_client_work_lock(p); /* a request on its way sees is_decision_new and ends */
        is_sound = pt_client_drain(p);
        pt_client_work_unlock(p);
    }
    return is_sound ? PLAYTRACE_OK : PLAYTRACE_IO;
}

enum playtrace_status playtrace_set_consent(struct playtrace *p, enum playtrace_consent consent)
{
    if (consent > PLAYTRACE_CONSENT_WITHDRAWN || !pt_client_is_usable_for_work(p)) {
        return PLAYTRACE_INVALID;
    }
    return set_consent(p, consent,
                       consent == PLAYTRACE_CONSENT_GIVEN ? (unsigned)PLAYTRACE_PURPOSES_ALL : 0,
                       NULL);
}

enum playtrace_status playtrace_set_consent_for(struct playtrace *p, unsigned purposes,
                                                const char *policy_version)
{
    if (!pt_client_is_usable_for_work(p)) {
        return PLAYTRACE_INVALID;
    }
    if (purposes > PLAYTRACE_PURPOSES_ALL ||
        (policy_version && !pt_client_text_is_valid(policy_version, PLAYTRACE_POLICY_BYTES_MAX))) {
        pt_client_log(p, PLAYTRACE_LOG_ERROR, PT_CLIENT_LOG_CALL,
                      "the decision was not taken: purposes are bits of enum playtrace_purpose, "
                      "policy_version is NULL or 1 to 64 bytes of UTF-8");
        pt_client_log_deliver(p);
        return PLAYTRACE_INVALID;
    }
    return set_consent(p, purposes != 0 ? PLAYTRACE_CONSENT_GIVEN : PLAYTRACE_CONSENT_WITHDRAWN,
                       purposes, policy_version);
}

void playtrace_get_consent_record(struct playtrace *p, struct playtrace_consent_record *record_out)
{
    if (!record_out) {
        return;
    }
    memset(record_out, 0, sizeof(*record_out));
    if (pt_client_is_usable(p)) {
        pt_client_lock(p);
        record_out->consent = p->state.consent;
        record_out->purposes = p->state.purposes;
        record_out->decided_us = p->state.decided_us;
        memcpy(record_out->policy_version, p->state.policy_version,
               sizeof(record_out->policy_version));
        pt_client_unlock(p);
    }
}

enum playtrace_consent playtrace_get_consent(struct playtrace *p)
{
    struct playtrace_consent_record record;

    playtrace_get_consent_record(p, &record);
    return record.consent;
}
