/*
 * fuzz_client_queue.c - whatever stands in a queue directory, the client opens it or leaves it
 * alone; opened, it takes events, survives a kill, and delivers until nothing is left
 *
 * The input is a byte of options, then commands that write the directory's files: a byte naming
 * file and kind, a length, and that many bytes, which are taken as they are, or put in a sound
 * frame, or sealed and framed, or damage what is there.
 */
#include "reused_machine.h"

#include "core/client.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRACKED 3
#define LONGEST_PAYLOAD (PLAYTRACE_EVENT_BYTES_MAX + PT_CLIENT_SEAL_BYTES)

static const char *const names[16] = {
    "queue-00000001.log",
    "queue-00000002.log",
    "high-00000001.log",
    "low-00000001.log",
    "low-00000003.log",
    "exposures-00000007.log",
    "low-4294967295.log",
    "queue-00000009.log",
    "cursor",
    "cursor-high",
    "cursor-low",
    "cursor-exposures",
    "format",
    "state",
    "consent",
    "cursor.new",
};

static const uint8_t key[PLAYTRACE_KEY_BYTES] = "a key of 32 bytes for the tests";

struct game {
    struct machine *machine;
    struct playtrace *p; /* whose batch is on its way */
    char ids[TRACKED][PLAYTRACE_ID_TEXT_BYTES];
    unsigned seen[TRACKED];
};

static struct game game;

/* Takes every batch, and looks for the events that must come through. */
static void post(void *http, const struct playtrace_http_request *request,
                 struct playtrace_http_response *response)
{
    char receipt[64];

    (void)http;
    if (strcmp(request->method, "POST") != 0 || !strstr(request->url, "/v1/events")) {
        machine_reply(response, 404, "{}");
        return;
    }
    for (size_t i = 0; i < TRACKED; i++) {
        game.seen[i] += game.ids[i][0] != '\0' && memmem(request->body, request->body_bytes,
                                                         game.ids[i], PLAYTRACE_ID_TEXT_BYTES - 1);
    }
    (void)snprintf(receipt, sizeof(receipt), "{\"accepted\":%u,\"rejected\":[]}",
                   game.p->sending.events > 0 ? (unsigned)game.p->sending.events : 1u);
    machine_reply(response, 202, receipt);
}

/* ---- the directory ---- */

static void *open_file(const char *name)
{
    const struct playtrace_platform *platform = &game.machine->platform;
    char path[MACHINE_PATH_BYTES];
    void *file = NULL;

    (void)snprintf(path, sizeof(path), "save/%s", name);
    pt_assert(platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_APPEND, &file) == 0);
    return file;
}

static void append(const char *name, const uint8_t *data, size_t bytes)
{
    const struct playtrace_platform *platform = &game.machine->platform;
    void *file = open_file(name);

    pt_assert(platform->file_append(platform->file_ctx, file, data, bytes) == 0);
    platform->file_close(platform->file_ctx, file);
}

static void append_frame(const char *name, const uint8_t *data, size_t bytes, bool is_sealed)
{
    static uint8_t frame[PT_FRAME_HEADER_BYTES + 64 * 1024];
    const struct playtrace_platform *platform = &game.machine->platform;
    uint8_t *payload = frame + PT_FRAME_HEADER_BYTES;

    if (bytes == 0) {
        return;
    }
    memcpy(payload, data, bytes);
    if (is_sealed) {
        payload[0] = PT_CLIENT_SEAL_MARK;
        memset(payload + 1, (int)bytes, PT_CLIENT_NONCE_BYTES);
        pt_assert(platform->seal(platform->crypto_ctx, key, payload + 1, data, bytes,
                                 payload + 1 + PT_CLIENT_NONCE_BYTES) == 0);
        bytes += PT_CLIENT_SEAL_BYTES;
    }
    pt_frame_header(payload, (uint32_t)bytes, frame);
    append(name, frame, PT_FRAME_HEADER_BYTES + bytes);
}

/* Cut the end off, or change a byte. */
static void damage(const char *name, uint8_t how)
{
    const struct playtrace_platform *platform = &game.machine->platform;
    struct machine_file *file = machine_find(game.machine, name);

    if (!file || file->bytes == 0) {
        return;
    }
    if (how & 1) {
        file->data[(size_t)how * 7 % file->bytes] ^= how;
    } else {
        void *handle = open_file(name);

        pt_assert(platform->file_truncate(platform->file_ctx, handle,
                                          file->bytes - how % file->bytes) == 0);
        platform->file_close(platform->file_ctx, handle);
    }
}

static void write_files(const uint8_t *data, size_t size)
{
    static uint8_t payload[LONGEST_PAYLOAD + 1];

    while (size >= 2) {
        const char *name = names[data[0] & 15];
        unsigned kind = data[0] >> 4 & 3;
        size_t bytes = data[1];
        size_t taken = bytes < size - 2 ? bytes : size - 2;

        if (bytes >= 254 && taken > 0) { /* at the limit, and beyond it */
            bytes = LONGEST_PAYLOAD + bytes - 254;
            for (size_t i = 0; i < bytes; i++) {
                payload[i] = data[2 + i % taken];
            }
        } else {
            bytes = taken;
            memcpy(payload, data + 2, taken);
        }
        if (kind == 0) {
            append(name, payload, bytes);
        } else if (kind == 3) {
            damage(name, data[1]);
        } else {
            append_frame(name, payload, bytes, kind == 2);
        }
        data += 2 + taken;
        size -= 2 + taken;
    }
}

static uint32_t fingerprint(void)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        const struct machine_file *file = &game.machine->files[i];

        if (file->path[0] && !file->is_removed) {
            sum += pt_crc32c(pt_crc32c(0, file->path, strlen(file->path)), file->data, file->bytes);
        }
    }
    return sum;
}

/* ---- a life ---- */

static void track_some(bool *is_lossless_out)
{
    struct playtrace_stats stats;

    for (size_t i = 0; i < TRACKED; i++) {
        enum playtrace_status status = playtrace_track_with(
            game.p, "level_end", "{\"n\":1}", (enum playtrace_priority)i, game.ids[i]);

        pt_assert(status == PLAYTRACE_OK || status == PLAYTRACE_NO_CONSENT);
    }
    pt_assert(playtrace_sync(game.p, 0) != (game.ids[0][0] ? PLAYTRACE_NO_CONSENT : PLAYTRACE_OK));
    playtrace_stats(game.p, &stats);
    *is_lossless_out = stats.dropped_budget == 0 && stats.dropped_evicted == 0 && game.ids[0][0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct playtrace_options options;
    struct playtrace_stats stats;
    enum playtrace_status status = PLAYTRACE_OK;
    bool is_lossless = false;
    uint32_t before = 0;

    if (size < 1 || size > 1 << 16) {
        return 0;
    }
    if (!game.machine) {
        game.machine = reused_machine_create(post);
    }
    memset(game.ids, 0, sizeof(game.ids));
    memset(game.seen, 0, sizeof(game.seen));
    options = machine_options(game.machine);
    options.queue_key = data[0] & 1 ? key : NULL;
    options.queue_bytes_max = data[0] & 2 ? 65536 : UINT64_C(64) << 20;
    options.batch_events_max = data[0] & 4 ? 2 : 100;
    options.report_health = (data[0] & 8) != 0;
    write_files(data + 1, size - 1);
    before = fingerprint();
    status = playtrace_open(&game.p, &options);
    if (status != PLAYTRACE_OK) {
        pt_assert(status == PLAYTRACE_KEY || status == PLAYTRACE_VERSION);
        pt_assert(fingerprint() == before);
        reused_machine_clear(game.machine);
        return 0;
    }
    track_some(&is_lossless);
    machine_kill(game.machine);
    pt_assert(playtrace_open(&game.p, &options) == PLAYTRACE_OK);
    status = playtrace_flush(game.p, 3600000);
    playtrace_stats(game.p, &stats);
    pt_assert(status == PLAYTRACE_NO_CONSENT || (status == PLAYTRACE_OK && stats.queued == 0));
    pt_assert(stats.delivered + stats.withdrawn + stats.dropped_age + stats.unreadable <=
              stats.tracked + stats.recovered);
    for (size_t i = 0; is_lossless && i < TRACKED; i++) {
        pt_assert(game.seen[i] == 1);
    }
    status = playtrace_close(game.p, 0);
    pt_assert(status == PLAYTRACE_OK || (options.report_health && status == PLAYTRACE_QUEUED));
    reused_machine_clear(game.machine);
    return 0;
}
