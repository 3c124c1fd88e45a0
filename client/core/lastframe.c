/*
 * lastframe.c - a small value in a file, where the last sound frame is the value
 */
#include "core/lastframe.h"

#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES (PLAYTRACE_URL_BYTES_MAX + 64)
#define FRAME_BYTES_MAX (PT_FRAME_HEADER_BYTES + PT_CLIENT_LASTFRAME_PAYLOAD_MAX)

static void make_path(const struct pt_client_lastframe *last, const char *suffix,
                      char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s%s", last->dir, last->name, suffix);
}

bool pt_client_lastframe_load(struct pt_client_lastframe *last, void *payload_out,
                              bool *is_damaged_out)
{
    const struct playtrace_platform *platform = last->platform;
    size_t frame_bytes = PT_FRAME_HEADER_BYTES + last->payload_bytes;
    uint8_t content[PT_CLIENT_LASTFRAME_BYTES_MAX + FRAME_BYTES_MAX];
    char path[PATH_BYTES];
    void *file = NULL;
    int64_t got = 0;
    size_t at = 0;
    uint32_t bytes = 0;

    last->file_bytes = 0;
    if (is_damaged_out) {
        *is_damaged_out = false;
    }
    make_path(last, "", path);
    if (platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_READ, &file) != 0) {
        return false;
    }
    got = platform->file_read(platform->file_ctx, file, 0, content, sizeof(content));
    platform->file_close(platform->file_ctx, file);
    while (got > 0 && at + frame_bytes <= (size_t)got &&
           pt_frame_read(content + at, (size_t)got - at, &bytes) && bytes == last->payload_bytes) {
        memcpy(payload_out, content + at + PT_FRAME_HEADER_BYTES, last->payload_bytes);
        at += frame_bytes;
    }
    if (at == (size_t)got && at <= PT_CLIENT_LASTFRAME_BYTES_MAX) {
        last->file_bytes = at;
    } else if (is_damaged_out) {
        *is_damaged_out = true;
    }
    return at > 0;
}

static bool write_frame(const struct pt_client_lastframe *last, const char *path,
                        enum playtrace_file_mode mode, const void *payload, bool is_synced)
{
    const struct playtrace_platform *platform = last->platform;
    uint8_t frame[FRAME_BYTES_MAX];
    void *file = NULL;
    int result = 0;

    memcpy(frame + PT_FRAME_HEADER_BYTES, payload, last->payload_bytes);
    pt_frame_header(payload, (uint32_t)last->payload_bytes, frame);
    if (platform->file_open(platform->file_ctx, path, mode, &file) != 0) {
        return false;
    }
    result = platform->file_append(platform->file_ctx, file, frame,
                                   PT_FRAME_HEADER_BYTES + last->payload_bytes);
    if (result == 0 && is_synced) {
        result = platform->file_sync(platform->file_ctx, file);
    }
    platform->file_close(platform->file_ctx, file);
    return result == 0;
}

bool pt_client_lastframe_store(struct pt_client_lastframe *last, const void *payload, bool is_alone)
{
    const struct playtrace_platform *platform = last->platform;
    size_t frame_bytes = PT_FRAME_HEADER_BYTES + last->payload_bytes;
    size_t before_bytes = last->file_bytes;
    char from[PATH_BYTES];
    char to[PATH_BYTES];

    make_path(last, "", to);
    last->file_bytes = 0; /* until it is known what the file ends in */
    if (!is_alone && before_bytes > 0 &&
        before_bytes + frame_bytes <= PT_CLIENT_LASTFRAME_BYTES_MAX) {
        if (!write_frame(last, to, PLAYTRACE_FILE_APPEND, payload, false)) {
            return false;
        }
        last->file_bytes = before_bytes + frame_bytes;
        return true;
    }
    make_path(last, ".new", from);
    if (!write_frame(last, from, PLAYTRACE_FILE_REPLACE, payload, is_alone) ||
        platform->file_rename(platform->file_ctx, from, to) != 0) {
        return false;
    }
    last->file_bytes = frame_bytes;
    return true;
}

bool pt_client_lastframe_remove(struct pt_client_lastframe *last)
{
    const struct playtrace_platform *platform = last->platform;
    char path[PATH_BYTES];
    bool is_sound = false;

    last->file_bytes = 0;
    make_path(last, "", path);
    is_sound = platform->file_remove(platform->file_ctx, path) == 0;
    make_path(last, ".new", path);
    return platform->file_remove(platform->file_ctx, path) == 0 && is_sound;
}
