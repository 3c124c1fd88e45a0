/*
 * queue.c - the events of one lane on disk that the server has not yet answered for
 *
 * FORMAT (docs/formats/queue.md). NAME-NNNNNNNN.log is a run of frames (wire/frame.h), each
 * holding one event as JSON text, or sealed (seal.h). The last frame of the cursor file
 * (lastframe.h) holds:
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
#define PAYLOAD_BYTES_MAX (PLAYTRACE_EVENT_BYTES_MAX + PT_CLIENT_SEAL_BYTES)
#define FRAME_BYTES_MAX (PT_FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX)
#define NUMBER_DIGITS_MIN 8
#define NUMBER_DIGITS_MAX 10

static void segment_path(const struct pt_client_queue *q, uint32_t number,
                         char path[PT_CLIENT_PATH_BYTES])
{
    (void)snprintf(path, PT_CLIENT_PATH_BYTES, "%s/%s-%08u.log", q->dir, q->name, (unsigned)number);
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
    if (length == 0 || length > PAYLOAD_BYTES_MAX) {
        return false;
    }
    return (at[PT_FRAME_HEADER_BYTES] == '{' || at[PT_FRAME_HEADER_BYTES] == PT_CLIENT_SEAL_MARK) &&
           pt_frame_read(at, bytes, payload_bytes_out);
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

/* The number in "NAME-00000012.log"; false for any other name. */
static bool segment_number(const struct pt_client_queue *q, const char *file_name,
                           uint32_t *number_out)
{
    size_t name_bytes = strlen(q->name);
    const char *at = NULL;
    uint64_t number = 0;
    size_t digits = 0;

    if (strncmp(file_name, q->name, name_bytes) != 0 || file_name[name_bytes] != '-') {
        return false;
    }
    at = file_name + name_bytes + 1;
    for (; at[digits] >= '0' && at[digits] <= '9' && digits <= NUMBER_DIGITS_MAX; digits++) {
        number = number * 10 + (uint64_t)(at[digits] - '0');
    }
    *number_out = (uint32_t)number;
    return digits >= NUMBER_DIGITS_MIN && digits <= NUMBER_DIGITS_MAX &&
           strcmp(at + digits, ".log") == 0 && number <= UINT32_MAX;
}

/* Keep the numbers sorted; past the maximum the newest wait for a later open. */
bool pt_client_queue_note(struct pt_client_queue *q, const char *file_name)
{
    uint32_t number = 0;
    size_t at = 0;

    if (!segment_number(q, file_name, &number)) {
        return false;
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
            return true;
        }
        q->segment_count--;
    }
    memmove(&q->segments[at + 1], &q->segments[at],
            (q->segment_count - at) * sizeof(q->segments[0]));
    memset(&q->segments[at], 0, sizeof(q->segments[at]));
    q->segments[at].number = number;
    q->segment_count++;
    return true;
}

static void read_cursor(struct pt_client_queue *q)
{
    uint8_t payload[CURSOR_PAYLOAD_BYTES] = {0};
    bool is_damaged = false;

    if (pt_client_lastframe_load(&q->cursor_file, payload, &is_damaged)) {
        q->cursor_number = pt_get_u32(payload);
        q->cursor_bytes = pt_get_u64(payload + 4);
    }
    /* With an old cursor or none more is sent again, which the server's dedup removes. */
    q->damaged += is_damaged ? 1 : 0;
    if (q->cursor_number > q->last_number) {
        q->last_number = q->cursor_number;
    }
}

/* One sealed record speaks for a segment: a client whose key fits none of them never appends. */
static bool key_fits(struct pt_client_queue *q, char *payload, uint32_t payload_bytes)
{
    size_t plain_bytes = 0;

    return payload[0] != PT_CLIENT_SEAL_MARK ||
           pt_client_unseal(q->sealer, payload, payload_bytes, payload, &plain_bytes);
}

/*
 * Count the sound frames from `from_bytes` on and find where the last one ends. Damage between
 * sound frames is passed over by looking at each next byte.
 */
static enum playtrace_status scan_file(struct pt_client_queue *q, void *file, uint64_t from_bytes,
                                       uint64_t size_bytes, char *scratch, size_t scratch_bytes,
                                       struct pt_client_segment *segment)
{
    uint64_t base = from_bytes;
    bool in_damage = false;
    bool is_key_tried = false;

    segment->events = 0;
    segment->bytes = from_bytes;
    while (base < size_bytes) {
        uint64_t left = size_bytes - base;
        size_t want = left < scratch_bytes ? (size_t)left : scratch_bytes;
        int64_t got = q->platform->file_read(q->platform->file_ctx, file, base, scratch, want);
        size_t at = 0;

        if (got != (int64_t)want) {
            q->io_failures++;
            return PLAYTRACE_IO;
        }
        while (at < want) {
            uint32_t payload_bytes = 0;

            if (frame_at(scratch + at, want - at, &payload_bytes)) {
                char *payload = scratch + at + PT_FRAME_HEADER_BYTES;

                if (!is_key_tried && payload[0] == PT_CLIENT_SEAL_MARK) {
                    is_key_tried = true;
                    if (!key_fits(q, payload, payload_bytes)) {
                        return PLAYTRACE_KEY;
                    }
                }
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
    return PLAYTRACE_OK;
}

static enum playtrace_status scan_segment(struct pt_client_queue *q,
                                          struct pt_client_segment *segment, uint64_t from_bytes,
                                          char *scratch, size_t scratch_bytes)
{
    const struct playtrace_platform *platform = q->platform;
    char path[PT_CLIENT_PATH_BYTES];
    void *file = NULL;
    int64_t size = 0;
    enum playtrace_status status = PLAYTRACE_IO;

    segment_path(q, segment->number, path);
    if (!is_done(q, platform->file_open(platform->file_ctx, path, PLAYTRACE_FILE_READ, &file))) {
        return PLAYTRACE_IO;
    }
    size = platform->file_size(platform->file_ctx, file);
    if (size < 0) {
        q->io_failures++;
        goto out;
    }
    if ((uint64_t)size < from_bytes) {
        from_bytes = (uint64_t)size; /* power was lost after the cursor and before the data */
    }
    status = scan_file(q, file, from_bytes, (uint64_t)size, scratch, scratch_bytes, segment);
    segment->is_torn = segment->bytes < (uint64_t)size;

out:
    close_file(q, &file);
    return status;
}

void pt_client_queue_init(struct pt_client_queue *q, const struct playtrace_platform *platform,
                          const char *dir, const char *name, const char *cursor_name,
                          uint64_t segment_bytes_max, struct pt_client_sealer *sealer,
                          struct pt_client_segment *segments)
{
    memset(q, 0, sizeof(*q));
    q->platform = platform;
    q->dir = dir;
    q->name = name;
    q->cursor_file.platform = platform;
    q->cursor_file.dir = dir;
    q->cursor_file.name = cursor_name;
    q->cursor_file.payload_bytes = CURSOR_PAYLOAD_BYTES;
    q->segment_bytes_max = segment_bytes_max;
    q->sealer = sealer;
    q->segments = segments;
}

enum playtrace_status pt_client_queue_scan(struct pt_client_queue *q, char *scratch,
                                           size_t scratch_bytes)
{
    enum playtrace_status status = PLAYTRACE_OK;

    read_cursor(q); /* also without segments: it says which numbers are used */
    for (size_t i = 0; i < q->segment_count && !status; i++) {
        struct pt_client_segment *segment = &q->segments[i];
        bool is_head = segment->number == q->cursor_number;

        if (segment->number >= q->cursor_number) {
            status =
                scan_segment(q, segment, is_head ? q->cursor_bytes : 0, scratch, scratch_bytes);
        }
    }
    return status;
}

static bool cut_tail(struct pt_client_queue *q, const struct pt_client_segment *segment)
{
    const struct playtrace_platform *platform = q->platform;
    void *file = NULL;
    bool is_cut = false;

    if (!open_segment(q, segment->number, &file)) {
        return false;
    }
    is_cut = is_done(q, platform->file_truncate(platform->file_ctx, file, segment->bytes));
    close_file(q, &file);
    return is_cut;
}

bool pt_client_queue_tidy(struct pt_client_queue *q)
{
    size_t kept = 0;

    for (size_t i = 0; i < q->segment_count; i++) {
        struct pt_client_segment segment = q->segments[i];

        if (segment.events == 0) {
            (void)remove_segment(q, segment.number);
            continue;
        }
        if (segment.is_torn && !cut_tail(q, &segment)) {
            return false;
        }
        segment.is_torn = false;
        if (kept == 0 && segment.number != q->cursor_number) {
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

bool pt_client_queue_is_full(const struct pt_client_queue *q)
{
    bool is_new_needed = q->segment_count == 0 || q->is_sealed;

    return is_new_needed &&
           (q->segment_count == PT_CLIENT_SEGMENTS_MAX || q->last_number == UINT32_MAX);
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
    if (pt_client_queue_is_full(q)) {
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

/* Take segment `index` out, file and all. */
static void drop_segment(struct pt_client_queue *q, size_t index)
{
    struct pt_client_segment segment = q->segments[index];
    bool is_last = index == q->segment_count - 1;

    if (index == 0) {
        close_file(q, &q->read_file);
    }
    if (is_last) {
        close_file(q, &q->append_file);
        q->is_sealed = q->segment_count > 1; /* what ends in the one before is not known here */
    }
    if (!remove_segment(q, segment.number) && index == 0) {
        write_cursor(q, segment.number, segment.bytes);
    }
    q->bytes -= segment.bytes;
    q->events -= segment.events;
    q->segment_count--;
    memmove(&q->segments[index], &q->segments[index + 1],
            (q->segment_count - index) * sizeof(q->segments[0]));
    if (index == 0) {
        q->cursor_bytes = 0;
    }
}

uint32_t pt_client_queue_evict(struct pt_client_queue *q, size_t index)
{
    uint32_t events = q->segments[index].events;

    drop_segment(q, index);
    return events;
}

/* Milliseconds since 1970 in the version 7 event_id that our events start with; 0: none there. */
static int64_t event_ms(const char *event, size_t bytes)
{
    static const char head[] = "{\"event_id\":\"";
    int64_t ms = 0;

    if (bytes < sizeof(head) + 36 || memcmp(event, head, sizeof(head) - 1) != 0) {
        return 0;
    }
    event += sizeof(head) - 1;
    for (size_t i = 0; i < 13; i++) {
        char c = event[i];

        if (c >= '0' && c <= '9') {
            ms = ms * 16 + (c - '0');
        } else if (c >= 'a' && c <= 'f') {
            ms = ms * 16 + (c - 'a' + 10);
        } else if (i != 8 || c != '-') {
            return 0;
        }
    }
    return event[14] == '7' ? ms : 0;
}

/* What one reading of the oldest segment is about. */
struct reading {
    char *out;
    size_t bytes;
    bool is_all; /* the segment ends with `bytes` */
    uint32_t events_max;
    int64_t oldest_ms;
    uint32_t aged;     /* events before the batch that are too old … */
    size_t aged_bytes; /* … and where the last of them ends */
};

/* Put the payload at `from` behind what the batch holds already. False: it cannot be opened. */
static bool take_payload(struct pt_client_queue *q, struct reading *r, const char *from,
                         uint32_t payload_bytes, struct pt_client_batch *batch)
{
    char *to = r->out + batch->bytes + (batch->events > 0 ? 1 : 0);
    size_t plain_bytes = payload_bytes;
    bool is_sealed = from[0] == PT_CLIENT_SEAL_MARK;

    /* The header makes room for the comma, so nothing unread is written over. */
    memmove(to, from, payload_bytes);
    if (is_sealed && (!pt_client_unseal(q->sealer, to, payload_bytes, to, &plain_bytes) ||
                      plain_bytes == 0 || to[0] != '{')) {
        return false;
    }
    if (batch->events > 0) {
        to[-1] = ',';
    }
    batch->bytes = (size_t)(to - r->out) + plain_bytes;
    batch->events++;
    return true;
}

/* Move the payloads in `out` together; says where reading ended. */
static size_t join_frames(struct pt_client_queue *q, struct reading *r,
                          struct pt_client_batch *batch)
{
    size_t at = 0;
    bool in_damage = false;

    while (at < r->bytes && batch->events < r->events_max) {
        uint32_t payload_bytes = 0;

        if (frame_at(r->out + at, r->bytes - at, &payload_bytes)) {
            bool is_taken =
                take_payload(q, r, r->out + at + PT_FRAME_HEADER_BYTES, payload_bytes, batch);

            at += PT_FRAME_HEADER_BYTES + payload_bytes;
            q->damaged += is_taken ? 0 : 1;
            if (is_taken && batch->events == 1 && r->oldest_ms > 0) {
                int64_t ms = event_ms(r->out, batch->bytes);

                if (ms > 0 && ms < r->oldest_ms) {
                    batch->events = 0;
                    batch->bytes = 0;
                    r->aged++;
                    r->aged_bytes = at;
                }
            }
        } else if (batch->events > 0 || (!r->is_all && r->bytes - at < FRAME_BYTES_MAX)) {
            break; /* what follows is the next batch's affair */
        } else {
            q->damaged += in_damage ? 0 : 1;
            in_damage = true;
            at++;
        }
    }
    return at;
}

/* The events that peek left out because of their age have left the queue. */
static void settle_aged(struct pt_client_queue *q, const struct reading *r)
{
    struct pt_client_segment *head = &q->segments[0];
    uint32_t events = r->aged < head->events ? r->aged : head->events;

    head->events -= events;
    q->events -= events;
    q->aged += events;
    q->cursor_bytes += r->aged_bytes;
}

bool pt_client_queue_peek(struct pt_client_queue *q, char *out, size_t out_bytes,
                          uint32_t events_max, int64_t oldest_ms, struct pt_client_batch *batch_out)
{
    const struct playtrace_platform *platform = q->platform;

    memset(batch_out, 0, sizeof(*batch_out));
    while (q->segment_count > 0 && q->events > 0) {
        const struct pt_client_segment *head = &q->segments[0];
        uint64_t left = head->bytes - q->cursor_bytes;
        size_t want = left < out_bytes ? (size_t)left : out_bytes;
        struct reading r = {.out = out, .events_max = events_max, .oldest_ms = oldest_ms};
        uint64_t from_bytes = q->cursor_bytes;
        void *file = head_file(q);
        int64_t got = -1;
        size_t used = 0;

        if (!file) {
            return false;
        }
        got = platform->file_read(platform->file_ctx, file, from_bytes, out, want);
        if (got < 0) {
            q->io_failures++;
            return false;
        }
        r.bytes = (size_t)got;
        r.is_all = (uint64_t)got == left || (size_t)got < want;
        used = join_frames(q, &r, batch_out);
        settle_aged(q, &r);
        batch_out->segment = head->number;
        batch_out->end_bytes = from_bytes + used;
        if (batch_out->events > 0) {
            return true;
        }
        if (got == 0 || batch_out->end_bytes >= head->bytes) {
            drop_segment(q, 0); /* too old, or damaged since open: nothing is left in it */
        } else {
            q->cursor_bytes = batch_out->end_bytes;
        }
    }
    return true;
}

void pt_client_queue_ack(struct pt_client_queue *q, const struct pt_client_batch *batch)
{
    struct pt_client_segment *head = &q->segments[0];
    uint32_t events = 0;

    if (q->segment_count == 0 || head->number != batch->segment) {
        return; /* its segment is gone */
    }
    events = batch->events < head->events ? batch->events : head->events;
    head->events -= events;
    q->events -= events;
    q->cursor_bytes = batch->end_bytes;
    if (q->cursor_bytes >= head->bytes) {
        drop_segment(q, 0);
    } else {
        write_cursor(q, head->number, q->cursor_bytes);
    }
}

/* ---- purge, sync ---- */

static void remove_listed(void *arg, const char *name)
{
    struct pt_client_queue *q = arg;
    uint32_t number = 0;

    if (segment_number(q, name, &number)) {
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

/* The handle of segment `index`, NULL where it has none: platforms may refuse a second writer. */
static void *file_that_is_open(const struct pt_client_queue *q, size_t index)
{
    if (index == q->segment_count - 1 && q->append_file) {
        return q->append_file;
    }
    return index == 0 ? q->read_file : NULL;
}

bool pt_client_queue_sync(struct pt_client_queue *q)
{
    const struct playtrace_platform *platform = q->platform;
    uint64_t failures = q->io_failures;

    for (size_t i = 0; i < q->segment_count && q->dirty_number > 0; i++) {
        void *opened = NULL;
        void *file = file_that_is_open(q, i);

        if (q->segments[i].number < q->dirty_number) {
            continue;
        }
        if (!file && open_segment(q, q->segments[i].number, &opened)) {
            file = opened;
        }
        if (file) {
            (void)is_done(q, platform->file_sync(platform->file_ctx, file));
        }
        close_file(q, &opened);
    }
    if (q->io_failures != failures) {
        return false;
    }
    q->dirty_number = 0;
    return true;
}
