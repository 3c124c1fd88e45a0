/*
 * queue.c - the events on disk that the server has not yet answered for
 *
 * FORMAT (docs/formats/queue.md). queue-NNNNNNNN.log is a run of frames (wire/frame.h), each
 * holding one event as JSON text. The last frame of `cursor` (lastframe.h) holds:
 *
 *     0  u32  segment  number of the oldest segment that is not settled
 *     4  u64  offset   settled bytes of that segment
 *
 * Segments below the cursor's are settled. A number is used once: a new segment is numbered
 * above every file and above the cursor, so that an old cursor never settles new events.
 */
#include "core/queue.h"

#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

#define CURSOR_PAYLOAD_BYTES 12
#define FRAME_BYTES_MAX (PT_FRAME_HEADER_BYTES + PLAYTRACE_EVENT_BYTES_MAX)
#define SEGMENT_BYTES_MIN 262144u

static void segment_path(const struct pt_client_queue *q, uint32_t number,
                         char path[PT_CLIENT_PATH_BYTES])
{
    (void)snprintf(path, PT_CLIENT_PATH_BYTES, "%s/queue-%08u.log", q->dir, (unsigned)number);
}

static bool is_done(struct pt_client_queue *q, int result)
{
    if (result != 0) {
        q->io_failures++;
    }
    return result == 0;
}

/* A sound frame that can be one of ours, at the start of `data`. */
static bool frame_at(const char *data, size_t bytes, uint32_t *payload_bytes_out)
{
    const uint8_t *at = (const uint8_t *)data;
    uint32_t length = 0;

    if (bytes <= PT_FRAME_HEADER_BYTES) {
        return false;
    }
    length = pt_get_u32(at);
    return length > 0 && length <= PLAYTRACE_EVENT_BYTES_MAX &&
           data[PT_FRAME_HEADER_BYTES] == '{' && pt_frame_read(at, bytes, payload_bytes_out);
}

static void close_file(struct pt_client_queue *q, void **file)
{
    if (*file) {
        q->platform->file_close(q->platform->file_ctx, *file);
        *file = NULL;
    }
}

static bool open_segment(struct pt_client_queue *q, uint32_t number, void **file_out)
{
    char path[PT_CLIENT_PATH_BYTES];

    segment_path(q, number, path);
    return is_done(
        q, q->platform->file_open(q->platform->file_ctx, path, PLAYTRACE_FILE_APPEND, file_out));
}

static bool remove_segment(struct pt_client_queue *q, uint32_t number)
{
    char path[PT_CLIENT_PATH_BYTES];

    segment_path(q, number, path);
    return is_done(q, q->platform->file_remove(q->platform->file_ctx, path));
}

/* ---- open ---- */

/* The number in "queue-00000012.log"; false for any other name. */
static bool segment_number(const char *name, uint32_t *number_out)
{
    uint64_t number = 0;
    size_t bytes = strlen(name);

    if (bytes < 18 || bytes > 20 || memcmp(name, "queue-", 6) != 0 ||
        memcmp(name + bytes - 4, ".log", 4) != 0) {
        return false;
    }
    for (const char *c = name + 6; c < name + bytes - 4; c++) {
        if (*c < '0' || *c > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(*c - '0');
    }
    *number_out = (uint32_t)number;
    return number <= UINT32_MAX;
}

/* Keep the numbers sorted; past the maximum the newest wait for a later open. */
static void collect_segment(void *arg, const char *name)
{
    struct pt_client_queue *q = arg;
    uint32_t number = 0;
    size_t at = 0;

    if (!segment_number(name, &number)) {
        return;
    }
    if (number > q->last_number) {
        q->last_number = number;
    }
    at = q->segment_count;
    while (at > 0 && q->segments[at - 1].number > number) {
        at--;
    }
    if (q->segment_count == PT_CLIENT_SEGMENTS_MAX) {
        q->is_sealed = true;
        if (at == q->segment_count) {
            return;
        }
        q->segment_count--;
    }
    memmove(&q->segments[at + 1], &q->segments[at],
            (q->segment_count - at) * sizeof(q->segments[0]));
    memset(&q->segments[at], 0, sizeof(q->segments[at]));
    q->segments[at].number = number;
    q->segment_count++;
}

static void read_cursor(struct pt_client_queue *q, uint32_t *number_out)
{
    uint8_t payload[CURSOR_PAYLOAD_BYTES] = {0};
    bool is_damaged = false;

    *number_out = 0;
    if (pt_client_lastframe_load(&q->cursor_file, payload, &is_damaged)) {
        *number_out = pt_get_u32(payload);
        q->cursor_bytes = pt_get_u64(payload + 4);
    }
    /* With an old cursor or none more is sent again, which the server's dedup removes. */
    q->damaged += is_damaged ? 1 : 0;
    if (*number_out > q->last_number) {
        q->last_number = *number_out;
    }
}

/*
 * Count the sound frames from `from_bytes` on and find where the last one ends. Damage between
 * sound frames is passed over by looking at each next byte.
 */
static bool scan_segment(struct pt_client_queue *q, void *file, uint64_t from_bytes,
                         uint64_t size_bytes, char *scratch, size_t scratch_bytes,
                         struct pt_client_segment *segment)
{
    uint64_t base = from_bytes;
    bool in_damage = false;

    segment->events = 0;
    segment->bytes = from_bytes;
    while (base < size_bytes) {
        uint64_t left = size_bytes - base;
        size_t want = left < scratch_bytes ? (size_t)left : scratch_bytes;
        int64_t got = q->platform->file_read(q->platform->file_ctx, file, base, scratch, want);
        size_t at = 0;

        if (got != (int64_t)want) {
            q->io_failures++;
            return false;
        }
        while (at < want) {
            uint32_t payload_bytes = 0;

            if (frame_at(scratch + at, want - at, &payload_bytes)) {
                at += PT_FRAME_HEADER_BYTES + payload_bytes;
                segment->events++;
                segment->bytes = base + at;
                in_damage = false;
            } else if (want - at < FRAME_BYTES_MAX && want < left && at > 0) {
                break; /* perhaps only cut off by the buffer's end */
            } else {
                q->damaged += in_damage ? 0 : 1;
                in_damage = true;
                at++;
            }
        }
        base += at;
    }
    return true;
}

/* Fill in one found segment; a torn tail is cut. `*is_kept_out` false: nothing in it is left. */
static bool recover_segment(struct pt_client_queue *q, struct pt_client_segment *segment,
                            uint64_t from_bytes, char *scratch, size_t scratch_bytes,
                            bool *is_kept_out)
{
    const struct playtrace_platform *platform = q->platform;
    void *file = NULL;
    int64_t size = 0;
    bool is_sound = false;

    *is_kept_out = false;
    if (!open_segment(q, segment->number, &file)) {
        return false;
    }
    size = platform->file_size(platform->file_ctx, file);
    if (size < 0) {
        q->io_failures++;
        goto out;
    }
    if ((uint64_t)size < from_bytes) {
        from_bytes = (uint64_t)size; /* power was lost after the cursor and before the data */
    }
    is_sound = scan_segment(q, file, from_bytes, (uint64_t)size, scratch, scratch_bytes, segment);
    if (is_sound && segment->events > 0 && segment->bytes < (uint64_t)size) {
        is_sound = is_done(q, platform->file_truncate(platform->file_ctx, file, segment->bytes));
    }
    *is_kept_out = is_sound && segment->events > 0;

out:
    close_file(q, &file);
    return is_sound;
}

bool pt_client_queue_open(struct pt_client_queue *q, const struct playtrace_platform *platform,
                          const char *dir, uint64_t bytes_max, struct pt_client_segment *segments,
                          char *scratch, size_t scratch_bytes)
{
    uint32_t cursor_number = 0;
    size_t kept = 0;

    memset(q, 0, sizeof(*q));
    q->platform = platform;
    q->dir = dir;
    q->cursor_file.platform = platform;
    q->cursor_file.dir = dir;
    q->cursor_file.name = "cursor";
    q->cursor_file.payload_bytes = CURSOR_PAYLOAD_BYTES;
    q->segments = segments;
    q->bytes_max = bytes_max;
    q->segment_bytes_max = bytes_max / (PT_CLIENT_SEGMENTS_MAX / 2);
    if (q->segment_bytes_max < SEGMENT_BYTES_MIN) {
        q->segment_bytes_max = SEGMENT_BYTES_MIN;
    }
    if (!is_done(q, platform->dir_list(platform->file_ctx, dir, collect_segment, q))) {
        return false;
    }
    read_cursor(q, &cursor_number); /* also without segments: it says which numbers are used */
    for (size_t i = 0; i < q->segment_count; i++) {
        struct pt_client_segment segment = q->segments[i];
        bool is_head = segment.number == cursor_number;
        bool is_kept = false;

        if (segment.number >= cursor_number &&
            !recover_segment(q, &segment, is_head ? q->cursor_bytes : 0, scratch, scratch_bytes,
                             &is_kept)) {
            return false;
        }
        if (!is_kept) {
            (void)remove_segment(q, segment.number);
            continue;
        }
        if (kept == 0 && !is_head) {
            q->cursor_bytes = 0;
        }
        q->bytes += segment.bytes;
        q->events += segment.events;
        q->segments[kept++] = segment;
    }
    q->segment_count = kept;
    if (kept == 0) {
        q->cursor_bytes = 0;
    }
    return true;
}

void pt_client_queue_close(struct pt_client_queue *q)
{
    close_file(q, &q->append_file);
    close_file(q, &q->read_file);
}

/* ---- append ---- */

uint64_t pt_client_queue_room(const struct pt_client_queue *q)
{
    bool is_new_needed = q->segment_count == 0 || q->is_sealed;

    if (is_new_needed && q->segment_count == PT_CLIENT_SEGMENTS_MAX) {
        return 0;
    }
    return q->bytes < q->bytes_max ? q->bytes_max - q->bytes : 0;
}

/* Have a last segment that takes `bytes` more, and its file. */
static bool prepare_append(struct pt_client_queue *q, size_t bytes)
{
    struct pt_client_segment *last = NULL;

    if (q->segment_count > 0) {
        last = &q->segments[q->segment_count - 1];
        if (last->bytes + bytes > q->segment_bytes_max &&
            q->segment_count < PT_CLIENT_SEGMENTS_MAX) {
            q->is_sealed = true;
        }
        if (!q->is_sealed) {
            return q->append_file || open_segment(q, last->number, &q->append_file);
        }
    }
    if (q->segment_count == PT_CLIENT_SEGMENTS_MAX || q->last_number == UINT32_MAX) {
        return false;
    }
    if (q->segment_count == 1 && q->append_file && !q->read_file) {
        q->read_file = q->append_file; /* the last one was also the oldest: go on reading it */
        q->append_file = NULL;
    }
    close_file(q, &q->append_file);
    if (!open_segment(q, q->last_number + 1, &q->append_file)) {
        return false;
    }
    q->last_number++;
    last = &q->segments[q->segment_count++];
    memset(last, 0, sizeof(*last));
    last->number = q->last_number;
    q->is_sealed = false;
    return true;
}

bool pt_client_queue_append(struct pt_client_queue *q, const void *frames, size_t bytes,
                            uint32_t events)
{
    const struct playtrace_platform *platform = q->platform;
    struct pt_client_segment *last = NULL;

    if (!prepare_append(q, bytes)) {
        return false;
    }
    last = &q->segments[q->segment_count - 1];
    if (!is_done(q, platform->file_append(platform->file_ctx, q->append_file, frames, bytes))) {
        /* Half a write may be there. Where it cannot be taken back, nothing goes behind it. */
        if (!is_done(q, platform->file_truncate(platform->file_ctx, q->append_file, last->bytes))) {
            q->is_sealed = true;
        }
        return false;
    }
    if (q->dirty_number == 0) {
        q->dirty_number = last->number;
    }
    last->bytes += bytes;
    last->events += events;
    q->bytes += bytes;
    q->events += events;
    return true;
}

/* ---- peek and ack ---- */

static void *head_file(struct pt_client_queue *q)
{
    void **slot = q->segment_count == 1 ? &q->append_file : &q->read_file;

    if (q->segment_count == 1 && q->read_file) {
        return q->read_file;
    }
    if (!*slot && !open_segment(q, q->segments[0].number, slot)) {
        return NULL;
    }
    return *slot;
}

static void write_cursor(struct pt_client_queue *q, uint32_t number, uint64_t offset_bytes)
{
    uint8_t payload[CURSOR_PAYLOAD_BYTES];

    pt_put_u32(payload, number);
    pt_put_u64(payload + 4, offset_bytes);
    if (!pt_client_lastframe_store(&q->cursor_file, payload, false)) {
        q->io_failures++;
    }
}

/* The oldest segment is settled as a whole. */
static void drop_head(struct pt_client_queue *q)
{
    struct pt_client_segment head = q->segments[0];

    close_file(q, &q->read_file);
    if (q->segment_count == 1) {
        close_file(q, &q->append_file);
        q->is_sealed = false;
    }
    if (!remove_segment(q, head.number)) {
        write_cursor(q, head.number, head.bytes);
    }
    q->bytes -= head.bytes;
    q->events -= head.events;
    q->segment_count--;
    memmove(&q->segments[0], &q->segments[1], q->segment_count * sizeof(q->segments[0]));
    q->cursor_bytes = 0;
}

/* Move the frames' payloads in `out` together; says where reading ended. */
static size_t join_frames(struct pt_client_queue *q, char *out, size_t bytes, bool is_all,
                          uint32_t events_max, struct pt_client_batch *batch)
{
    size_t at = 0;
    bool in_damage = false;

    while (at < bytes && batch->events < events_max) {
        uint32_t payload_bytes = 0;

        if (frame_at(out + at, bytes - at, &payload_bytes)) {
            if (batch->events > 0) {
                out[batch->bytes++] = ',';
            }
            memmove(out + batch->bytes, out + at + PT_FRAME_HEADER_BYTES, payload_bytes);
            batch->bytes += payload_bytes;
            batch->events++;
            at += PT_FRAME_HEADER_BYTES + payload_bytes;
        } else if (batch->events > 0 || (!is_all && bytes - at < FRAME_BYTES_MAX)) {
            break; /* what follows is the next batch's affair */
        } else {
            q->damaged += in_damage ? 0 : 1;
            in_damage = true;
            at++;
        }
    }
    return at;
}

bool pt_client_queue_peek(struct pt_client_queue *q, char *out, size_t out_bytes,
                          uint32_t events_max, struct pt_client_batch *batch_out)
{
    const struct playtrace_platform *platform = q->platform;

    memset(batch_out, 0, sizeof(*batch_out));
    while (q->segment_count > 0 && q->events > 0) {
        const struct pt_client_segment *head = &q->segments[0];
        uint64_t left = head->bytes - q->cursor_bytes;
        size_t want = left < out_bytes ? (size_t)left : out_bytes;
        void *file = head_file(q);
        int64_t got = -1;
        size_t used = 0;

        if (!file) {
            return false;
        }
        got = platform->file_read(platform->file_ctx, file, q->cursor_bytes, out, want);
        if (got < 0) {
            q->io_failures++;
            return false;
        }
        used = join_frames(q, out, (size_t)got, (size_t)got == left || (size_t)got < want,
                           events_max, batch_out);
        batch_out->end_bytes = q->cursor_bytes + used;
        if (batch_out->events > 0) {
            return true;
        }
        if (got == 0 || batch_out->end_bytes >= head->bytes) {
            drop_head(q); /* damaged since open: nothing sound is left in it */
        } else {
            q->cursor_bytes += used;
        }
    }
    return true;
}

void pt_client_queue_ack(struct pt_client_queue *q, const struct pt_client_batch *batch)
{
    struct pt_client_segment *head = &q->segments[0];
    uint32_t events = batch->events < head->events ? batch->events : head->events;

    head->events -= events;
    q->events -= events;
    q->cursor_bytes = batch->end_bytes;
    if (q->cursor_bytes >= head->bytes) {
        drop_head(q);
    } else {
        write_cursor(q, head->number, q->cursor_bytes);
    }
}

/* ---- purge, sync ---- */

static void remove_listed(void *arg, const char *name)
{
    struct pt_client_queue *q = arg;
    uint32_t number = 0;

    if (segment_number(name, &number)) {
        (void)remove_segment(q, number);
    }
}

bool pt_client_queue_purge(struct pt_client_queue *q)
{
    const struct playtrace_platform *platform = q->platform;
    uint64_t failures = q->io_failures;

    close_file(q, &q->append_file);
    close_file(q, &q->read_file);
    (void)is_done(q, platform->dir_list(platform->file_ctx, q->dir, remove_listed, q));
    if (!pt_client_lastframe_remove(&q->cursor_file)) {
        q->io_failures++;
    }
    q->segment_count = 0;
    q->is_sealed = false;
    q->cursor_bytes = 0;
    q->bytes = 0;
    q->events = 0;
    return q->io_failures == failures;
}

bool pt_client_queue_sync(struct pt_client_queue *q)
{
    const struct playtrace_platform *platform = q->platform;
    uint64_t failures = q->io_failures;

    for (size_t i = 0; i < q->segment_count && q->dirty_number > 0; i++) {
        void *file = NULL;

        if (q->segments[i].number >= q->dirty_number &&
            open_segment(q, q->segments[i].number, &file)) {
            (void)is_done(q, platform->file_sync(platform->file_ctx, file));
            close_file(q, &file);
        }
    }
    if (q->io_failures != failures) {
        return false;
    }
    q->dirty_number = 0;
    return true;
}
