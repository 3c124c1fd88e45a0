/*
 * test_client_queue.c - what was appended is peeked until it is acknowledged, whatever happens
 *
 * Method: append numbered records through the real files; then cut, flip, or kill the file
 * calls at every place in turn, reopen, and read everything back.
 */
#include "fake.h"

#include "core/queue.h"
#include "wire/frame.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_BYTES ((size_t)PLAYTRACE_BATCH_BYTES_MAX)
#define SEGMENT_BYTES 262144u

struct bench {
    struct playtrace_platform platform;
    struct pt_client_segment segments[PT_CLIENT_SEGMENTS_MAX];
    struct pt_client_queue queue;
    struct pt_client_sealer sealer;
    char *dir;
    char *scratch;
};

static struct bench *bench_create(void)
{
    struct bench *b = pt_alloc_zero(sizeof(*b));

    playtrace_platform_posix_init(&b->platform);
    b->dir = pt_test_dir_create();
    b->scratch = pt_alloc(SCRATCH_BYTES);
    return b;
}

static void bench_destroy(struct bench *b)
{
    pt_test_dir_remove(b->dir);
    pt_free(b->scratch);
    pt_free(b);
}

static void note_name(void *arg, const char *name)
{
    (void)pt_client_queue_note(arg, name);
}

static bool try_open(struct bench *b)
{
    pt_client_sealer_init(&b->sealer, &b->platform, NULL);
    pt_client_queue_init(&b->queue, &b->platform, b->dir, "queue", "cursor", SEGMENT_BYTES,
                         &b->sealer, b->segments);
    return b->platform.dir_list(b->platform.file_ctx, b->dir, note_name, &b->queue) == 0 &&
           pt_client_queue_scan(&b->queue, b->scratch, SCRATCH_BYTES) == PLAYTRACE_OK &&
           pt_client_queue_tidy(&b->queue);
}

static void open_queue(struct bench *b)
{
    PT_CHECK(try_open(b));
}

static bool peek(struct bench *b, uint32_t events_max, struct pt_client_batch *found)
{
    return pt_client_queue_peek(&b->queue, b->scratch, SCRATCH_BYTES, events_max, 0, found);
}

/* One frame holding {"n":NUMBER,"x":"…fill…"}; returns its bytes. */
static size_t make_frame(unsigned number, size_t fill, uint8_t *frame)
{
    char *payload = (char *)frame + PT_FRAME_HEADER_BYTES;
    int used = snprintf(payload, 64, "{\"n\":%u,\"x\":\"", number);
    size_t bytes = (size_t)used;

    memset(payload + bytes, 'x', fill);
    bytes += fill;
    memcpy(payload + bytes, "\"}", 2);
    bytes += 2;
    pt_frame_header(payload, (uint32_t)bytes, frame);
    return PT_FRAME_HEADER_BYTES + bytes;
}

static bool append_one(struct bench *b, unsigned number, size_t fill)
{
    uint8_t *frame = pt_alloc(fill + 128);
    size_t bytes = make_frame(number, fill, frame);
    bool is_sound = pt_client_queue_append(&b->queue, frame, bytes, 1);

    pt_free(frame);
    return is_sound;
}

/* The number of the `index`th payload of a peeked batch. */
static unsigned number_at(const char *text, uint32_t index)
{
    const char *at = text;

    for (uint32_t i = 0; i < index; i++) {
        at = strstr(at + 1, "{\"n\":");
        PT_CHECK(at != NULL);
    }
    PT_CHECK(strncmp(at, "{\"n\":", 5) == 0);
    return (unsigned)strtoul(at + 5, NULL, 10);
}

/* Peek and acknowledge everything; marks each number seen; returns how many. */
static unsigned drain_all(struct bench *b, uint32_t batch, unsigned *seen, unsigned seen_max)
{
    struct pt_client_batch found;
    unsigned total = 0;

    for (;;) {
        PT_CHECK(peek(b, batch, &found));
        if (found.events == 0) {
            return total;
        }
        b->scratch[found.bytes < SCRATCH_BYTES ? found.bytes : SCRATCH_BYTES - 1] = '\0';
        for (uint32_t i = 0; i < found.events; i++) {
            unsigned number = number_at(b->scratch, i);

            PT_CHECK(number < seen_max);
            seen[number]++;
        }
        total += found.events;
        pt_client_queue_ack(&b->queue, &found);
    }
}

static unsigned count_segments(const char *dir)
{
    char path[512];
    unsigned count = 0;

    for (unsigned i = 1; i < 200; i++) {
        (void)snprintf(path, sizeof(path), "%s/queue-%08u.log", dir, i);
        count += access(path, F_OK) == 0;
    }
    return count;
}

static void events_come_back_in_order(void **state)
{
    struct bench *b = bench_create();
    struct pt_client_batch found;

    (void)state;
    open_queue(b);
    for (unsigned i = 0; i < 25; i++) {
        PT_CHECK(append_one(b, i, 10));
    }
    PT_CHECK(b->queue.events == 25);
    PT_CHECK(peek(b, 10, &found));
    PT_CHECK(found.events == 10 && number_at(b->scratch, 9) == 9);
    /* Not acknowledged: the same again, also after a reopening. */
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(b->queue.events == 25);
    PT_CHECK(peek(b, 10, &found));
    PT_CHECK(found.events == 10 && number_at(b->scratch, 0) == 0);
    pt_client_queue_ack(&b->queue, &found);
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(b->queue.events == 15);
    PT_CHECK(append_one(b, 25, 10));
    PT_CHECK(peek(b, 100, &found));
    PT_CHECK(found.events == 16 && number_at(b->scratch, 0) == 10);
    PT_CHECK(number_at(b->scratch, 15) == 25);
    pt_client_queue_ack(&b->queue, &found);
    PT_CHECK(b->queue.events == 0 && count_segments(b->dir) == 0 && b->queue.bytes == 0);
    pt_client_queue_close(&b->queue);
    bench_destroy(b);
}

static void settled_segments_are_removed(void **state)
{
    struct bench *b = bench_create();
    unsigned seen[100] = {0};

    (void)state;
    open_queue(b);
    for (unsigned i = 0; i < 100; i++) {
        PT_CHECK(append_one(b, i, 20000));
    }
    PT_CHECK(count_segments(b->dir) == b->queue.segment_count && b->queue.segment_count >= 7);
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(b->queue.events == 100);
    PT_CHECK(drain_all(b, 7, seen, 100) == 100);
    for (unsigned i = 0; i < 100; i++) {
        PT_CHECK(seen[i] == 1);
    }
    PT_CHECK(count_segments(b->dir) == 0);
    /* The cursor still names a settled segment: new events must not fall under it. */
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(append_one(b, 5, 10));
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(b->queue.events == 1);
    pt_client_queue_close(&b->queue);
    bench_destroy(b);
}

static char *segment_file(const struct bench *b, unsigned number)
{
    char *path = pt_strf("%s/queue-%08u.log", b->dir, number);

    PT_CHECK(path != NULL);
    return path;
}

static void a_tail_torn_anywhere_costs_only_the_torn_event(void **state)
{
    struct bench *b = bench_create();
    uint8_t frames[1024];
    size_t ends[6] = {0};
    size_t bytes = 0;
    char *path = segment_file(b, 1);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        bytes += make_frame(i, 20 + i, frames + bytes);
        ends[i + 1] = bytes;
    }
    for (size_t cut = 0; cut <= bytes; cut++) {
        FILE *file = fopen(path, "wb");
        unsigned seen[6] = {0};
        unsigned whole = 0;

        PT_CHECK(fwrite(frames, 1, cut, file) == cut && fclose(file) == 0);
        while (whole < 5 && ends[whole + 1] <= cut) {
            whole++;
        }
        open_queue(b);
        PT_CHECK(b->queue.events == whole);
        PT_CHECK(b->queue.damaged == (ends[whole] != cut ? 1 : 0));
        /* What is appended behind the cut is read as well. */
        PT_CHECK(append_one(b, 5, 8));
        pt_client_queue_close(&b->queue);
        open_queue(b);
        PT_CHECK(b->queue.events == whole + 1 && b->queue.damaged == 0);
        PT_CHECK(drain_all(b, 2, seen, 6) == whole + 1);
        PT_CHECK(seen[5] == 1);
        PT_CHECK(pt_client_queue_purge(&b->queue));
        pt_client_queue_close(&b->queue);
    }
    pt_free(path);
    bench_destroy(b);
}

static void a_flipped_byte_costs_only_its_event(void **state)
{
    struct bench *b = bench_create();
    uint8_t frames[1024];
    size_t bytes = 0;
    char *path = segment_file(b, 1);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        bytes += make_frame(i, 20, frames + bytes);
    }
    for (size_t at = 0; at < bytes; at++) {
        FILE *file = NULL;
        unsigned seen[5] = {0};

        frames[at] ^= 0x11;
        file = fopen(path, "wb");
        PT_CHECK(fwrite(frames, 1, bytes, file) == bytes && fclose(file) == 0);
        frames[at] ^= 0x11;
        open_queue(b);
        PT_CHECK(b->queue.events == 4 && b->queue.damaged == 1);
        PT_CHECK(drain_all(b, 3, seen, 5) == 4);
        for (unsigned i = 0; i < 5; i++) {
            PT_CHECK(seen[i] == (i == at / (bytes / 5) ? 0 : 1));
        }
        PT_CHECK(pt_client_queue_purge(&b->queue));
        pt_client_queue_close(&b->queue);
    }
    pt_free(path);
    bench_destroy(b);
}

static void a_wrong_cursor_loses_nothing(void **state)
{
    struct bench *b = bench_create();
    struct pt_client_batch found;
    char *cursor = pt_strf("%s/cursor", b->dir);
    char *segment = segment_file(b, 1);

    (void)state;
    for (size_t keep = 0; keep < 20; keep++) {
        open_queue(b);
        for (unsigned i = 0; i < 4; i++) {
            PT_CHECK(append_one(b, i, 10));
        }
        PT_CHECK(peek(b, 2, &found));
        pt_client_queue_ack(&b->queue, &found);
        pt_client_queue_close(&b->queue);
        PT_CHECK(truncate(cursor, (off_t)keep) == 0);
        open_queue(b);
        PT_CHECK(b->queue.events == 4); /* sent twice at worst */
        PT_CHECK(pt_client_queue_purge(&b->queue));
        pt_client_queue_close(&b->queue);
    }
    /* Power was lost between cursor and data: the data ends below the cursor. */
    open_queue(b);
    PT_CHECK(append_one(b, 0, 10) && append_one(b, 1, 10) && append_one(b, 2, 10));
    PT_CHECK(peek(b, 2, &found));
    pt_client_queue_ack(&b->queue, &found);
    pt_client_queue_close(&b->queue);
    PT_CHECK(truncate(segment, 5) == 0 || access(segment, F_OK) != 0);
    open_queue(b);
    PT_CHECK(append_one(b, 3, 10));
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(b->queue.events >= 1);
    pt_client_queue_close(&b->queue);
    pt_free(segment);
    pt_free(cursor);
    bench_destroy(b);
}

/* Every event is at least once either acknowledged before the kill or read after it. */
static bool run_killed_at(unsigned call, unsigned *calls_out)
{
    struct bench *b = bench_create();
    struct fake *fake = fake_create();
    unsigned seen[40] = {0};
    bool is_appended[40] = {false};
    bool was_dead = false;

    fake_kill_files_at(fake, call);
    b->platform = fake->platform;
    if (try_open(b)) {
        for (unsigned i = 0; i < 40 && !fake->is_dead; i++) {
            struct pt_client_batch found;

            is_appended[i] = append_one(b, i, 30000);
            if (i % 4 == 3 && !fake->is_dead && peek(b, 3, &found) && found.events > 0) {
                for (uint32_t k = 0; k < found.events; k++) {
                    seen[number_at(b->scratch, k)]++;
                }
                pt_client_queue_ack(&b->queue, &found);
            }
        }
    }
    was_dead = fake->is_dead;
    *calls_out = fake->file_calls;
    pt_client_queue_close(&b->queue);
    b->platform = fake->real;
    open_queue(b);
    (void)drain_all(b, 3, seen, 40);
    for (unsigned i = 0; i < 40; i++) {
        PT_CHECK(!is_appended[i] || seen[i] >= 1);
    }
    pt_client_queue_close(&b->queue);
    fake_destroy(fake);
    bench_destroy(b);
    return was_dead;
}

static void a_kill_at_any_file_call_loses_nothing(void **state)
{
    unsigned call = 1;
    unsigned calls = 0;

    (void)state;
    while (run_killed_at(call, &calls)) {
        call++;
    }
    PT_CHECK(call > 60); /* it was a run worth killing */
}

static void a_failed_append_can_be_repeated(void **state)
{
    struct fake *fake = fake_create();

    (void)state;
    /* A call fails half done, and all after it for a while; then the disk is back. */
    for (unsigned call = 1; call <= 4; call++) {
        struct bench *b = bench_create();
        unsigned seen[10] = {0};

        fake_kill_files_at(fake, 0);
        b->platform = fake->platform;
        open_queue(b);
        PT_CHECK(append_one(b, 0, 10));
        fake_kill_files_at(fake, call);
        for (unsigned i = 1; i < 10; i++) {
            if (!append_one(b, i, 30000)) {
                fake_kill_files_at(fake, 0);
                PT_CHECK(append_one(b, i, 30000));
            }
        }
        PT_CHECK(drain_all(b, 4, seen, 10) == 10);
        for (unsigned i = 0; i < 10; i++) {
            PT_CHECK(seen[i] == 1);
        }
        pt_client_queue_close(&b->queue);
        bench_destroy(b);
    }
    fake_destroy(fake);
}

static void a_cursor_written_by_half_does_not_hide_later_ones(void **state)
{
    struct bench *b = bench_create();
    struct fake *fake = fake_create();
    struct pt_client_batch found;

    (void)state;
    fake_kill_files_at(fake, 0);
    b->platform = fake->platform;
    open_queue(b);
    for (unsigned i = 0; i < 10; i++) {
        PT_CHECK(append_one(b, i, 10));
    }
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1) {
            fake_kill_files_at(fake, 2); /* the write after the file is opened */
        }
        PT_CHECK(peek(b, 2, &found));
        pt_client_queue_ack(&b->queue, &found);
        PT_CHECK(fake->is_dead == (i == 1));
        fake_kill_files_at(fake, 0);
    }
    pt_client_queue_close(&b->queue);
    open_queue(b);
    PT_CHECK(b->queue.events == 4);
    pt_client_queue_close(&b->queue);
    fake_destroy(fake);
    bench_destroy(b);
}

static void foreign_files_are_left_alone(void **state)
{
    static const char *const names[] = {"queue-.log",  "queue-0000000x.log",
                                        "queue-1.log", "queue-99999999999.log",
                                        "saves.dat",   "queue2-00000001.log"};
    struct bench *b = bench_create();

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = pt_strf("%s/%s", b->dir, names[i]);
        FILE *file = fopen(path, "wb");

        PT_CHECK(file && fclose(file) == 0);
        pt_free(path);
    }
    open_queue(b);
    PT_CHECK(b->queue.segment_count == 0);
    PT_CHECK(append_one(b, 1, 1));
    PT_CHECK(pt_client_queue_purge(&b->queue));
    pt_client_queue_close(&b->queue);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = pt_strf("%s/%s", b->dir, names[i]);

        PT_CHECK(access(path, F_OK) == 0);
        pt_free(path);
    }
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_back_in_order),
        cmocka_unit_test(settled_segments_are_removed),
        cmocka_unit_test(a_tail_torn_anywhere_costs_only_the_torn_event),
        cmocka_unit_test(a_flipped_byte_costs_only_its_event),
        cmocka_unit_test(a_wrong_cursor_loses_nothing),
        cmocka_unit_test(a_kill_at_any_file_call_loses_nothing),
        cmocka_unit_test(a_failed_append_can_be_repeated),
        cmocka_unit_test(a_cursor_written_by_half_does_not_hide_later_ones),
        cmocka_unit_test(foreign_files_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
