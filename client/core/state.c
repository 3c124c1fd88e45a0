/*
 * state.c - what an install keeps beside its queue: consent, install id, count of opens
 *
 * FORMAT (docs/formats/queue.md): the last frame of the file `state` (lastframe.h) holds
 *
 *     0   u8   version  1
 *     1   u8   consent  enum playtrace_consent
 *     2   u8   1 where the install has an id, else 0
 *     3   u8   0
 *     4   u64  boot     opens of this install
 *     12  16   install  id
 */
#include "core/state.h"

#include "wire/frame.h"
#include "wire/uuid.h"

#include <string.h>

#define STATE_VERSION 1
#define PAYLOAD_BYTES 28

void pt_client_state_file(struct pt_client_lastframe *file,
                          const struct playtrace_platform *platform, const char *dir)
{
    memset(file, 0, sizeof(*file));
    file->platform = platform;
    file->dir = dir;
    file->name = "state";
    file->payload_bytes = PAYLOAD_BYTES;
}

bool pt_client_state_load(struct pt_client_lastframe *file, struct pt_client_state *state_out)
{
    uint8_t payload[PAYLOAD_BYTES] = {0};

    memset(state_out, 0, sizeof(*state_out));
    if (!pt_client_lastframe_load(file, payload, NULL) || payload[0] != STATE_VERSION ||
        payload[1] > PLAYTRACE_CONSENT_WITHDRAWN) {
        return false;
    }
    state_out->consent = (enum playtrace_consent)payload[1];
    if (payload[2]) {
        state_out->boot = pt_get_u64(payload + 4);
        pt_uuid_format(payload + 12, state_out->install_id);
    }
    return true;
}

bool pt_client_state_save(struct pt_client_lastframe *file, const struct pt_client_state *state,
                          bool is_decision)
{
    uint8_t payload[PAYLOAD_BYTES] = {0};

    payload[0] = STATE_VERSION;
    payload[1] = (uint8_t)state->consent;
    if (pt_uuid_parse(state->install_id, strlen(state->install_id), payload + 12)) {
        payload[2] = 1;
        pt_put_u64(payload + 4, state->boot);
    }
    return pt_client_lastframe_store(file, payload, is_decision);
}
