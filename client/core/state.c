/*
 * state.c - what an install keeps beside its queue: consent, install id, count of opens
 *
 * FORMAT (docs/formats/queue.md): the file `state` is one frame (wire/frame.h) with
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

#include <stdio.h>
#include <string.h>

#define STATE_VERSION 1
#define PAYLOAD_BYTES 28
#define STATE_PATH_BYTES (PLAYTRACE_URL_BYTES_MAX + 64)

bool pt_client_state_load(const struct playtrace_platform *platform, const char *dir,
                          struct pt_client_state *state_out)
{
    uint8_t frame[PT_FRAME_HEADER_BYTES + PAYLOAD_BYTES] = {0};
    const uint8_t *payload = frame + PT_FRAME_HEADER_BYTES;
    char path[STATE_PATH_BYTES];
    void *file = NULL;
    uint32_t bytes = 0;
    int64_t count = 0;

    memset(state_out, 0, sizeof(*state_out));
    (void)snprintf(path, sizeof(path), "%s/state", dir);
    if (platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_READ, &file) != 0) {
        return false;
    }
    count = platform->file_read(platform->file_ctx, file, 0, frame, sizeof(frame));
    platform->file_close(platform->file_ctx, file);
    if (count != (int64_t)sizeof(frame) || !pt_frame_read(frame, sizeof(frame), &bytes) ||
        bytes != PAYLOAD_BYTES || payload[0] != STATE_VERSION ||
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

bool pt_client_state_save(const struct playtrace_platform *platform, const char *dir,
                          const struct pt_client_state *state, bool is_synced)
{
    uint8_t frame[PT_FRAME_HEADER_BYTES + PAYLOAD_BYTES] = {0};
    uint8_t *payload = frame + PT_FRAME_HEADER_BYTES;
    char from[STATE_PATH_BYTES];
    char to[STATE_PATH_BYTES];
    void *file = NULL;
    int result = 0;

    payload[0] = STATE_VERSION;
    payload[1] = (uint8_t)state->consent;
    if (pt_uuid_parse(state->install_id, strlen(state->install_id), payload + 12)) {
        payload[2] = 1;
        pt_put_u64(payload + 4, state->boot);
    }
    pt_frame_header(payload, PAYLOAD_BYTES, frame);
    (void)snprintf(from, sizeof(from), "%s/state.new", dir);
    (void)snprintf(to, sizeof(to), "%s/state", dir);
    if (platform->file_open(platform->file_ctx, from, PLAYTRACE_FILE_REPLACE, &file) != 0) {
        return false;
    }
    result = platform->file_append(platform->file_ctx, file, frame, sizeof(frame));
    if (result == 0 && is_synced) {
        result = platform->file_sync(platform->file_ctx, file);
    }
    platform->file_close(platform->file_ctx, file);
    return result == 0 && platform->file_rename(platform->file_ctx, from, to) == 0;
}
