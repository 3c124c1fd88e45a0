/*
 * state.c - what an install keeps beside its queue: the decision, install id, count of opens
 *
 * FORMAT (docs/formats/queue.md): the last frame of the file `state` (lastframe.h) holds
 *
 *     0   u8   version   2
 *     1   u8   consent   enum playtrace_consent
 *     2   u8   1 where the install has an id, else 0
 *     3   u8   purposes  bits of enum playtrace_purpose, 0 unless consent is given
 *     4   u64  boot      opens of this install
 *     12  16   install   id
 *     28  i64  decided   UTC microseconds of the decision, 0: unknown
 *     36  u8   bytes of the policy's version, 0..64
 *     37  67   policy    its version, UTF-8; zeros behind
 *
 * Version 1 ends at 28 and has 0 for purposes: given consent was for all of them.
 */
#include "core/state.h"
#include "core/json.h"

#include "wire/frame.h"
#include "wire/uuid.h"

#include <string.h>

#define STATE_VERSION 2
#define PAYLOAD_BYTES 104
#define PAYLOAD_BYTES_V1 28

void pt_client_state_file(struct pt_client_lastframe *file,
                          const struct playtrace_platform *platform, const char *dir)
{
    memset(file, 0, sizeof(*file));
    file->platform = platform;
    file->dir = dir;
    file->name = "state";
    file->payload_bytes = PAYLOAD_BYTES;
}

/* The members that both versions have. */
static bool take_common(const uint8_t *payload, struct pt_client_state *state)
{
    if (payload[1] > PLAYTRACE_CONSENT_WITHDRAWN) {
        return false;
    }
    state->consent = (enum playtrace_consent)payload[1];
    if (payload[2]) {
        state->boot = pt_get_u64(payload + 4);
        pt_uuid_format(payload + 12, state->install_id);
    }
    return true;
}

static bool take_v2(const uint8_t *payload, struct pt_client_state *state)
{
    size_t policy_bytes = payload[36];
    bool is_given = payload[1] == PLAYTRACE_CONSENT_GIVEN;

    if (payload[0] != STATE_VERSION || payload[3] > PLAYTRACE_PURPOSES_ALL ||
        (payload[3] != 0) != is_given || policy_bytes > PLAYTRACE_POLICY_BYTES_MAX ||
        !pt_client_utf8_is_valid((const char *)payload + 37, policy_bytes)) {
        return false;
    }
    state->purposes = payload[3];
    state->decided_us = (int64_t)pt_get_u64(payload + 28);
    if (state->decided_us < 0 || state->decided_us > PT_CLIENT_WALL_US_MAX) {
        state->decided_us = state->decided_us < 0 ? 0 : PT_CLIENT_WALL_US_MAX;
    }
    memcpy(state->policy_version, payload + 37, policy_bytes);
    return take_common(payload, state);
}

static bool load_v1(const struct pt_client_lastframe *file, struct pt_client_state *state)
{
    struct pt_client_lastframe before = *file;
    uint8_t payload[PAYLOAD_BYTES_V1] = {0};

    before.payload_bytes = PAYLOAD_BYTES_V1;
    if (!pt_client_lastframe_load(&before, payload, NULL) || payload[0] != 1 ||
        !take_common(payload, state)) {
        return false;
    }
    state->purposes = state->consent == PLAYTRACE_CONSENT_GIVEN ? PLAYTRACE_PURPOSES_ALL : 0;
    return true;
}

bool pt_client_state_load(struct pt_client_lastframe *file, struct pt_client_state *state_out)
{
    uint8_t payload[PAYLOAD_BYTES] = {0};
    bool is_loaded = false;

    memset(state_out, 0, sizeof(*state_out));
    if (pt_client_lastframe_load(file, payload, NULL)) {
        is_loaded = take_v2(payload, state_out);
    } else {
        is_loaded = load_v1(file, state_out);
    }
    if (!is_loaded) {
        memset(state_out, 0, sizeof(*state_out));
    }
    return is_loaded;
}

bool pt_client_state_save(struct pt_client_lastframe *file, const struct pt_client_state *state,
                          bool is_decision)
{
    uint8_t payload[PAYLOAD_BYTES] = {0};
    size_t policy_bytes = strlen(state->policy_version);

    payload[0] = STATE_VERSION;
    payload[1] = (uint8_t)state->consent;
    payload[3] = (uint8_t)state->purposes;
    if (pt_uuid_parse(state->install_id, strlen(state->install_id), payload + 12)) {
        payload[2] = 1;
        pt_put_u64(payload + 4, state->boot);
    }
    pt_put_u64(payload + 28, (uint64_t)state->decided_us);
    payload[36] = (uint8_t)policy_bytes;
    memcpy(payload + 37, state->policy_version, policy_bytes);
    return pt_client_lastframe_store(file, payload, is_decision);
}
