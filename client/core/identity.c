/*
 * identity.c - ids, session, user: who an event is from
 */
#include "core/client.h"
#include "core/json.h"

#include "wire/uuid.h"

#include <stdio.h>
#include <string.h>

#define PAUSE_SYNC_MS 2000

/* SplitMix64's step: only where the system's randomness failed. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void refill(struct playtrace *p)
{
    if (p->platform.random(p->platform.clock_ctx, p->random, sizeof(p->random)) != 0) {
        uint64_t state = 0;

        /* The pool still holds bytes of earlier, good randomness: an event is worth more than a
         * perfect id. */
        memcpy(&state, p->random, sizeof(state));
        state ^= (uint64_t)pt_client_now_us(p);
        for (size_t i = 0; i < sizeof(p->random); i += sizeof(state)) {
            uint64_t value = mix(&state);

            memcpy(p->random + i, &value, sizeof(value));
        }
        p->stats.io_failures++;
    }
    p->random_left = sizeof(p->random);
}

void pt_client_random(struct playtrace *p, void *out, size_t bytes)
{
    if (p->random_left < bytes) {
        refill(p);
    }
    p->random_left -= bytes;
    memcpy(out, p->random + p->random_left, bytes);
}

uint64_t pt_client_random_below(struct playtrace *p, uint64_t max)
{
    uint64_t value = 0;

    pt_client_random(p, &value, sizeof(value));
    return max == UINT64_MAX ? value : value % (max + 1); /* max is far below 2^64: no bias */
}

void pt_client_uuid(struct playtrace *p, int64_t wall_us, char text_out[PLAYTRACE_ID_TEXT_BYTES])
{
    uint8_t random[10];
    uint8_t uuid[PT_UUID_BYTES];

    pt_client_random(p, random, sizeof(random));
    pt_uuid_v7(wall_us > 0 ? wall_us / 1000 : 0, random, uuid);
    pt_uuid_format(uuid, text_out);
}

void pt_client_session_new(struct playtrace *p)
{
    pt_client_uuid(p, p->platform.wall_us(p->platform.clock_ctx), p->session_id);
    p->seq = 0;
    pt_client_identity_render(p);
    pt_client_flags_session_changed(p);
}

void pt_client_install_new(struct playtrace *p)
{
    pt_client_uuid(p, p->platform.wall_us(p->platform.clock_ctx), p->state.install_id);
    p->state.boot = 1;
    pt_client_session_new(p);
}

static void put(struct playtrace *p, const char *text)
{
    size_t bytes = strlen(text);

    memcpy(p->identity + p->identity_bytes, text, bytes);
    p->identity_bytes += bytes;
}

static void put_member(struct playtrace *p, const char *name, const char *value)
{
    put(p, ",\"");
    put(p, name);
    put(p, "\":\"");
    p->identity_bytes +=
        pt_client_json_escape(value, strlen(value), p->identity + p->identity_bytes);
    put(p, "\"");
}

void pt_client_identity_render(struct playtrace *p)
{
    char boot[40];

    p->identity_bytes = 0;
    put_member(p, "user_id", p->has_user ? p->user_id : p->state.install_id);
    put_member(p, "session_id", p->session_id);
    put_member(p, "install_id", p->state.install_id);
    (void)snprintf(boot, sizeof(boot), ",\"boot\":%llu", (unsigned long long)p->state.boot);
    put(p, boot);
    if (p->options.build_id) {
        put_member(p, "build_id", p->build_id);
    }
    if (p->options.platform) {
        put_member(p, "platform", p->platform_name);
    }
    if (p->options.mechanic_version) {
        put_member(p, "mechanic_version", p->mechanic_version);
    }
}

size_t pt_client_text_bytes(const char *text, size_t bytes_max)
{
    const char *end = memchr(text, '\0', bytes_max);

    return end ? (size_t)(end - text) : bytes_max;
}

bool pt_client_text_is_valid(const char *text, size_t bytes_max)
{
    size_t bytes = pt_client_text_bytes(text, bytes_max + 1);

    return bytes > 0 && bytes <= bytes_max && pt_client_utf8_is_valid(text, bytes);
}

enum playtrace_status playtrace_set_user(struct playtrace *p, const char *user_id)
{
    bool is_changed = false;

    if (!pt_client_is_usable(p) ||
        (user_id && !pt_client_text_is_valid(user_id, PLAYTRACE_TEXT_BYTES_MAX))) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    is_changed = p->has_user != (user_id != NULL) || (user_id && strcmp(p->user_id, user_id) != 0);
    p->has_user = user_id != NULL;
    if (user_id) {
        memcpy(p->user_id, user_id, strlen(user_id) + 1);
    }
    pt_client_identity_render(p);
    if (is_changed) {
        pt_client_flags_user_changed(p);
    }
    pt_client_unlock(p);
    return PLAYTRACE_OK;
}

enum playtrace_status playtrace_session_start(struct playtrace *p)
{
    if (!pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    pt_client_session_new(p);
    pt_client_unlock(p);
    return PLAYTRACE_OK;
}

enum playtrace_status playtrace_pause(struct playtrace *p)
{
    enum playtrace_status status = PLAYTRACE_OK;

    if (!pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    if (p->paused_us == INT64_MIN) {
        p->paused_us = pt_client_now_us(p);
    }
    if (!p->is_backing_off) {
        p->send_due_us = pt_client_now_us(p);
    }
    pt_client_unlock(p);
    status = playtrace_sync(p, PAUSE_SYNC_MS); /* wakes the worker, which then sends */
    return status == PLAYTRACE_NO_CONSENT ? PLAYTRACE_OK : status;
}

enum playtrace_status playtrace_resume(struct playtrace *p)
{
    if (!pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    if (p->paused_us != INT64_MIN &&
        pt_client_now_us(p) - p->paused_us > (int64_t)p->options.session_timeout_ms * 1000) {
        pt_client_session_new(p);
    }
    /* In the background a system takes the network away, so that every try failed. */
    if (p->paused_us != INT64_MIN && p->is_backing_off && !p->is_told_to_wait) {
        p->is_backing_off = false;
        p->send_due_us = pt_client_now_us(p);
        if (p->worker) {
            p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
        }
    }
    p->paused_us = INT64_MIN;
    pt_client_flags_resumed(p);
    pt_client_unlock(p);
    return PLAYTRACE_OK;
}

void playtrace_session_id(struct playtrace *p, char session_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    if (!session_id_out) {
        return;
    }
    session_id_out[0] = '\0';
    if (pt_client_is_usable(p)) {
        pt_client_lock(p);
        memcpy(session_id_out, p->session_id, PLAYTRACE_ID_TEXT_BYTES);
        pt_client_unlock(p);
    }
}
