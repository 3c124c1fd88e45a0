/*
 * flags_cache.c - the last answer about flags, on disk, for the next start
 *
 * FORMAT (docs/formats/queue.md): the file `flags` is one frame, whose payload (sealed as a
 * queue's record is, where there is a key) is
 *
 *     0   u8   'F'
 *     1   u8   version     1
 *     2   u16  etag bytes  0..127
 *     4   u64  binding     FNV-1a of the server's address, a NUL and the request's body
 *     12  u64  binding     the same with another start
 *     20       etag, as the server sent it
 *              the answer's body, to the end
 */
#include "core/flags_cache.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES (PLAYTRACE_URL_BYTES_MAX + 64)
#define MARK 'F'
#define CACHE_VERSION 1

static uint64_t fnv1a(uint64_t hash, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

void pt_client_flags_bind(const char *url, const char *context, size_t context_bytes,
                          struct pt_client_flags_binding *out)
{
    static const uint64_t starts[2] = {UINT64_C(14695981039346656037),
                                       UINT64_C(0x9e3779b97f4a7c15)};

    for (int i = 0; i < 2; i++) {
        out->hash[i] = fnv1a(fnv1a(starts[i], url, strlen(url) + 1), context, context_bytes);
    }
}

bool pt_client_flags_cache_read(struct pt_client_sealer *sealer, uint8_t *file, size_t bytes,
                                struct pt_client_flags_cached *out)
{
    uint8_t *payload = file + PT_FRAME_HEADER_BYTES;
    uint32_t frame_bytes = 0;
    size_t payload_bytes = 0;
    size_t etag_bytes = 0;
    size_t head_bytes = 0;

    if (!pt_frame_read(file, bytes, &frame_bytes) || frame_bytes + PT_FRAME_HEADER_BYTES != bytes) {
        return false;
    }
    payload_bytes = frame_bytes;
    if (sealer->has_key &&
        (payload[0] != PT_CLIENT_SEAL_MARK ||
         !pt_client_unseal(sealer, payload, frame_bytes, payload, &payload_bytes))) {
        return false;
    }
    if (payload_bytes < PT_CLIENT_FLAGS_CACHE_FIXED_BYTES || payload[0] != MARK ||
        payload[1] != CACHE_VERSION) {
        return false;
    }
    etag_bytes = pt_get_u16(payload + 2);
    head_bytes = PT_CLIENT_FLAGS_CACHE_FIXED_BYTES + etag_bytes;
    if (etag_bytes >= PT_CLIENT_ETAG_BYTES || payload_bytes < head_bytes) {
        return false;
    }
    out->binding.hash[0] = pt_get_u64(payload + 4);
    out->binding.hash[1] = pt_get_u64(payload + 12);
    memcpy(out->etag, payload + PT_CLIENT_FLAGS_CACHE_FIXED_BYTES, etag_bytes);
    out->etag[etag_bytes] = '\0';
    out->text = (char *)payload + head_bytes;
    out->text_bytes = payload_bytes - head_bytes;
    return true;
}

static void make_path(const struct pt_client_flags_cache *cache, const char *suffix,
                      char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/flags%s", cache->dir, suffix);
}

enum pt_client_flags_found pt_client_flags_cache_load(const struct pt_client_flags_cache *cache,
                                                      void *room, size_t room_bytes,
                                                      struct pt_client_flags_cached *out)
{
    const struct playtrace_platform *platform = cache->platform;
    char path[PATH_BYTES];
    void *file = NULL;
    int64_t got = 0;

    make_path(cache, "", path);
    if (platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_READ, &file) != 0) {
        return PT_CLIENT_FLAGS_ABSENT;
    }
    got = platform->file_read(platform->file_ctx, file, 0, room, room_bytes);
    platform->file_close(platform->file_ctx, file);
    return got > 0 && pt_client_flags_cache_read(cache->sealer, room, (size_t)got, out)
               ? PT_CLIENT_FLAGS_FOUND
               : PT_CLIENT_FLAGS_DAMAGED;
}

/* No sync: after a loss of power the worst is a start with the defaults. */
static bool write_file(const struct playtrace_platform *platform, const char *path,
                       const void *data, size_t bytes)
{
    void *file = NULL;
    int result = 0;

    if (platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_REPLACE, &file) != 0) {
        return false;
    }
    result = platform->file_append(platform->file_ctx, file, data, bytes);
    platform->file_close(platform->file_ctx, file);
    return result == 0;
}

bool pt_client_flags_cache_save(const struct pt_client_flags_cache *cache,
                                const struct pt_client_flags_binding *binding, const char *etag,
                                char *text, size_t bytes, void *scratch)
{
    const struct playtrace_platform *platform = cache->platform;
    size_t etag_bytes = strlen(etag);
    size_t head_bytes = PT_CLIENT_FLAGS_CACHE_FIXED_BYTES + etag_bytes;
    size_t payload_bytes = 0;
    uint8_t *payload = (uint8_t *)text - head_bytes;
    char from[PATH_BYTES];
    char to[PATH_BYTES];

    payload[0] = MARK;
    payload[1] = CACHE_VERSION;
    pt_put_u16(payload + 2, (uint16_t)etag_bytes);
    pt_put_u64(payload + 4, binding->hash[0]);
    pt_put_u64(payload + 12, binding->hash[1]);
    memcpy(payload + PT_CLIENT_FLAGS_CACHE_FIXED_BYTES, etag, etag_bytes);
    payload_bytes = head_bytes + bytes;
    if (cache->sealer->has_key) {
        uint8_t *sealed = (uint8_t *)scratch + PT_FRAME_HEADER_BYTES;

        if (!pt_client_seal(cache->sealer, payload, payload_bytes, sealed)) {
            return false;
        }
        payload = sealed;
        payload_bytes += PT_CLIENT_SEAL_BYTES;
    }
    pt_frame_header(payload, (uint32_t)payload_bytes, payload - PT_FRAME_HEADER_BYTES);
    make_path(cache, ".new", from);
    make_path(cache, "", to);
    return write_file(platform, from, payload - PT_FRAME_HEADER_BYTES,
                      PT_FRAME_HEADER_BYTES + payload_bytes) &&
           platform->file_rename(platform->file_ctx, from, to) == 0;
}

bool pt_client_flags_cache_remove(const struct pt_client_flags_cache *cache)
{
    const struct playtrace_platform *platform = cache->platform;
    char path[PATH_BYTES];
    bool is_sound = false;

    make_path(cache, "", path);
    is_sound = platform->file_remove(platform->file_ctx, path) == 0;
    make_path(cache, ".new", path);
    return platform->file_remove(platform->file_ctx, path) == 0 && is_sound;
}
