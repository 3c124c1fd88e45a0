/*
 * log_world.h - a log on a simulated disk, and records that tell their own offset
 *
 * Record `offset` starts with the offset in 8 bytes and goes on with bytes derived from it, so
 * that whatever is read back can be checked without remembering what was written.
 */
#ifndef PT_TEST_LOG_WORLD_H
#define PT_TEST_LOG_WORLD_H

#include "check.h"
#include "simdisk.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/rng.h"
#include "log/log.h"
#include "log/segment.h"
#include "wire/frame.h"

#define WORLD_DIR "/data/log"
#define WORLD_SEGMENT_BYTES ((uint64_t)1 << 20)

/* Sweeps try every call; under TSan, which has nothing to find on one thread, only some. */
#ifdef __SANITIZE_THREAD__
#define SWEEP_STEP 13
#else
#define SWEEP_STEP 1
#endif

struct world {
    struct pt_simdisk *disk;
    struct pt_io *io;
    struct pt_clock clock;
    int64_t now_us;
    struct pt_log_options options;
    struct pt_log *log;
    struct pt_error err;
};

static int64_t world_now(void *ctx)
{
    return ((struct world *)ctx)->now_us;
}

static inline void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->disk = pt_simdisk_create();
    world->io = pt_simdisk_io(world->disk);
    world->clock = (struct pt_clock){.ctx = world, .wall_us = world_now, .mono_us = world_now};
    world->now_us = 1700000000000000;
    pt_log_options_default(&world->options);
    world->options.segment_bytes = WORLD_SEGMENT_BYTES;
    world->options.retention_bytes = 0;
    world->options.free_bytes_min = 0;
    PT_CHECK_OK(pt_io_mkdir(world->io, "/data", &world->err), world->err);
    PT_CHECK_OK(pt_io_sync_dir(world->io, "/", &world->err), world->err);
}

static inline void world_release(struct world *world)
{
    pt_log_close(world->log);
    pt_simdisk_destroy(world->disk);
}

static inline enum pt_code world_open(struct world *world)
{
    pt_log_close(world->log);
    return pt_log_open(&world->log, world->io, &world->clock, WORLD_DIR, &world->options,
                       &world->err);
}

static inline void record_fill(uint64_t offset, uint8_t *record, size_t bytes)
{
    uint8_t head[8];

    pt_put_u64(head, offset);
    memset(record, (int)((offset * 31 + 7) & 0xff), bytes);
    memcpy(record, head, bytes < 8 ? bytes : 8);
}

/* A note that tells the number of records before and in the batch. */
static inline void note_fill(uint64_t end_offset, uint8_t note[PT_LOG_NOTE_BYTES])
{
    memset(note, 0x5a, PT_LOG_NOTE_BYTES);
    pt_put_u64(note, end_offset);
}

/* One batch of `count` records of `record_bytes` each. */
static inline enum pt_code world_append(struct world *world, uint32_t count, uint32_t record_bytes)
{
    uint8_t *records = pt_alloc((size_t)count * record_bytes + 1);
    uint32_t *sizes = pt_alloc(((size_t)count + 1) * sizeof(*sizes));
    uint8_t note[PT_LOG_NOTE_BYTES];
    uint64_t end = pt_log_end(world->log);
    uint64_t offset = 0;
    enum pt_code code = PT_OK;

    assert_non_null(records);
    assert_non_null(sizes);
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = record_bytes;
        record_fill(end + i, records + (size_t)i * record_bytes, record_bytes);
    }
    note_fill(end + count, note);
    code = pt_log_append(world->log, pt_span_of(records, (size_t)count * record_bytes), sizes,
                         count, note, &offset, &world->err);
    if (!code) {
        PT_CHECK(offset == end);
        PT_CHECK(pt_log_end(world->log) == end + count);
    } else {
        PT_CHECK(pt_log_end(world->log) == end);
    }
    pt_free(records);
    pt_free(sizes);
    return code;
}

/* Without cmocka, so that threads may ask. */
static inline bool batch_is_sound(const struct pt_log_batch *batch)
{
    const uint8_t *record = batch->records;
    size_t sum_bytes = 0;
    uint8_t note[PT_LOG_NOTE_BYTES];

    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t head[8];

        pt_put_u64(head, batch->offset + i);
        if (memcmp(record, head, batch->sizes[i] < 8 ? batch->sizes[i] : 8) != 0) {
            return false;
        }
        for (uint32_t at = 8; at < batch->sizes[i]; at += 1 + batch->sizes[i] / 64) {
            if (record[at] != (uint8_t)((batch->offset + i) * 31 + 7)) {
                return false;
            }
        }
        record += batch->sizes[i];
        sum_bytes += batch->sizes[i];
    }
    note_fill(batch->offset + batch->count, note);
    return sum_bytes == batch->records_bytes && memcmp(note, batch->note, sizeof(note)) == 0;
}

static inline void check_batch(const struct pt_log_batch *batch)
{
    PT_CHECK(batch_is_sound(batch));
}

struct read_result {
    enum pt_code code; /* that ended the reading */
    uint64_t start;    /* offset of the first record */
    uint64_t end;
    uint64_t batches;
};

/* Everything from the oldest record on, checked. */
static inline struct read_result world_read(struct world *world, uint64_t limit)
{
    struct read_result result = {0};
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch = {0};

    result.code = pt_log_reader_open(&reader, world->io, WORLD_DIR, &world->err);
    if (result.code) {
        return result;
    }
    result.start = pt_log_reader_start(reader);
    result.end = result.start;
    while ((result.code = pt_log_reader_next(reader, limit, &batch, &world->err)) == PT_OK) {
        PT_CHECK(batch.offset == result.end);
        check_batch(&batch);
        result.end += batch.count;
        result.batches++;
    }
    pt_log_reader_close(reader);
    return result;
}

static inline char *segment_path(uint64_t sequence)
{
    char *path = pt_segment_path(WORLD_DIR, sequence);

    assert_non_null(path);
    return path;
}

static inline void flip(struct world *world, uint64_t sequence, uint64_t at, uint8_t mask)
{
    char *path = segment_path(sequence);

    pt_simdisk_flip(world->disk, path, at, mask);
    pt_free(path);
}

static inline bool file_exists(struct world *world, uint64_t sequence)
{
    char *path = segment_path(sequence);
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(world->io, path, PT_OPEN_READ, &file, NULL);

    pt_io_close(world->io, file);
    pt_free(path);
    return code == PT_OK;
}

#endif
