/*
 * run.c - one immutable sorted run of ids
 *
 * The filter is a blocked Bloom filter (Putze, Sanders, Singler 2007): one 64-byte line an id, 8
 * bits in it, about 16 bits an id, so that an id that is not there costs one cache miss.
 */
#include "stream/run.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "wire/frame.h"

#define HEADER_BYTES 64u
#define FILTER_LINE 64u
#define IDS_PER_LINE 32u /* 512 bits / 16 */
#define BLOCK_IDS 256u
#define BLOCK_BYTES (BLOCK_IDS * PT_UUID_BYTES)

static const uint8_t magic[8] = {'P', 'T', 'I', 'D', 'R', 'U', 'N', '1'};

static uint32_t filter_blocks_for(uint64_t count)
{
    uint32_t blocks = 1;

    while (blocks < (1u << 30) && (uint64_t)blocks * IDS_PER_LINE < count) {
        blocks *= 2;
    }
    return blocks;
}

/* Line by the high half of the hash, eight bits of it by a multiplied low half. */
static uint8_t *filter_line(uint8_t *filter, uint32_t blocks, uint64_t hash)
{
    return filter + (size_t)((hash >> 32) & (blocks - 1)) * FILTER_LINE;
}

static void filter_set(uint8_t *filter, uint32_t blocks, uint64_t hash)
{
    uint8_t *line = filter_line(filter, blocks, hash);
    uint64_t bits = (hash | 1) * UINT64_C(0x9e3779b97f4a7c15);

    for (int i = 0; i < 7; i++) {
        unsigned bit = (unsigned)(bits >> (9 * i)) & 511;

        line[bit >> 3] = (uint8_t)(line[bit >> 3] | 1u << (bit & 7));
    }
}

static bool filter_test(const uint8_t *filter, uint32_t blocks, uint64_t hash)
{
    const uint8_t *line = filter + (size_t)((hash >> 32) & (blocks - 1)) * FILTER_LINE;
    uint64_t bits = (hash | 1) * UINT64_C(0x9e3779b97f4a7c15);

    for (int i = 0; i < 7; i++) {
        unsigned bit = (unsigned)(bits >> (9 * i)) & 511;

        if (!(line[bit >> 3] & 1u << (bit & 7))) {
            return false;
        }
    }
    return true;
}

enum pt_code pt_run_write(struct pt_io *io, const char *dir, const char *name, uint32_t bucket,
                          const uint8_t *ids, uint64_t count, struct pt_error *err)
{
    uint32_t blocks = filter_blocks_for(count);
    size_t filter_bytes = (size_t)blocks * FILTER_LINE;
    char *path = pt_strf("%s/%s", dir, name);
    uint8_t header[HEADER_BYTES];
    struct pt_file *file = NULL;
    uint8_t *head = pt_alloc_zero(HEADER_BYTES + filter_bytes);
    enum pt_code code = PT_OK;

    pt_assert(count > 0);
    if (!path || !head) {
        code = pt_fail(err, PT_NO_MEMORY, "write a run of %llu ids", (unsigned long long)count);
        goto out;
    }
    for (uint64_t i = 0; i < count; i++) {
        filter_set(head + HEADER_BYTES, blocks,
                   pt_checksum64(ids + i * PT_UUID_BYTES, PT_UUID_BYTES));
    }
    memcpy(header, magic, sizeof(magic));
    pt_put_u32(header + 8, bucket);
    pt_put_u32(header + 12, blocks);
    pt_put_u64(header + 16, count);
    memcpy(header + 24, ids, PT_UUID_BYTES);
    memcpy(header + 40, ids + (count - 1) * PT_UUID_BYTES, PT_UUID_BYTES);
    memcpy(head, header, 56);
    /* The checksum's own field is left out: header up to it, then filter, then ids. */
    memmove(head + 8, head, 56);
    pt_put_u64(header + 56,
               pt_checksum64_pair(head + 8, 56 + filter_bytes, ids, count * PT_UUID_BYTES));
    memcpy(head, header, HEADER_BYTES);
    code = pt_io_open(io, path, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, err);
    if (code) {
        goto out;
    }
    code = pt_io_truncate(io, file, 0, err);
    if (code) {
        goto out;
    }
    code = pt_io_write(io, file, 0, head, HEADER_BYTES + filter_bytes, err);
    if (code) {
        goto out;
    }
    code = pt_io_write(io, file, HEADER_BYTES + filter_bytes, ids, count * PT_UUID_BYTES, err);
    if (code) {
        goto out;
    }
    code = pt_io_sync(io, file, err);

out:
    pt_io_close(io, file);
    pt_free(head);
    pt_free(path);
    return code;
}

/* Checks what the header says against the file; fills the run's fields. */
static enum pt_code take_header(struct pt_run *run, const uint8_t *data, size_t size,
                                struct pt_error *err)
{
    size_t filter_bytes = 0;

    if (size < HEADER_BYTES || memcmp(data, magic, sizeof(magic)) != 0) {
        return pt_fail(err, PT_CORRUPT, "id run %s: not a run of ids", run->name);
    }
    run->bucket = pt_get_u32(data + 8);
    run->filter_blocks = pt_get_u32(data + 12);
    run->count = pt_get_u64(data + 16);
    memcpy(run->least, data + 24, PT_UUID_BYTES);
    memcpy(run->greatest, data + 40, PT_UUID_BYTES);
    filter_bytes = (size_t)run->filter_blocks * FILTER_LINE;
    if (run->count == 0 || run->filter_blocks == 0 ||
        (run->filter_blocks & (run->filter_blocks - 1)) != 0 ||
        run->count > (SIZE_MAX - HEADER_BYTES - filter_bytes) / PT_UUID_BYTES ||
        size != HEADER_BYTES + filter_bytes + run->count * PT_UUID_BYTES) {
        return pt_fail(err, PT_CORRUPT, "id run %s: it has %zu bytes, which is not what it says",
                       run->name, size);
    }
    return PT_OK;
}

static enum pt_code check_content(const struct pt_run *run, uint8_t *data, size_t size,
                                  struct pt_error *err)
{
    uint64_t checksum = pt_get_u64(data + 56);
    const uint8_t *ids = data + HEADER_BYTES + (size_t)run->filter_blocks * FILTER_LINE;

    memmove(data + 8, data, 56);
    if (pt_checksum64(data + 8, size - 8) != checksum) {
        return pt_fail(err, PT_CORRUPT, "id run %s: its checksum is wrong", run->name);
    }
    for (uint64_t i = 1; i < run->count; i++) {
        if (memcmp(ids + (i - 1) * PT_UUID_BYTES, ids + i * PT_UUID_BYTES, PT_UUID_BYTES) >= 0) {
            return pt_fail(err, PT_CORRUPT, "id run %s: ids %llu and the next are not in order",
                           run->name, (unsigned long long)(i - 1));
        }
    }
    return PT_OK;
}

enum pt_code pt_run_open(struct pt_run **run_out, struct pt_io *io, const char *dir,
                         const char *name, struct pt_error *err)
{
    struct pt_run *run = pt_alloc_zero(sizeof(*run));
    char *path = pt_strf("%s/%s", dir, name);
    uint8_t *data = NULL;
    size_t size = 0;
    size_t filter_bytes = 0;
    size_t index_count = 0;
    enum pt_code code = PT_OK;

    *run_out = NULL;
    if (!run || !path || !(run->name = pt_strdup(name))) {
        code = pt_fail(err, PT_NO_MEMORY, "open id run %s", name);
        goto out;
    }
    run->io = io;
    run->cached_block = UINT64_MAX;
    code = pt_io_read_all(io, path, SIZE_MAX / 2, 1, &data, &size, err);
    if (code) {
        goto out;
    }
    code = take_header(run, data, size, err);
    if (code) {
        goto out;
    }
    code = check_content(run, data, size, err);
    if (code) {
        goto out;
    }
    filter_bytes = (size_t)run->filter_blocks * FILTER_LINE;
    index_count = (size_t)((run->count + BLOCK_IDS - 1) / BLOCK_IDS);
    run->filter_memory = pt_alloc(filter_bytes + FILTER_LINE);
    run->index = pt_alloc(index_count * PT_UUID_BYTES);
    run->cache = pt_alloc(BLOCK_BYTES);
    if (!run->filter_memory || !run->index || !run->cache) {
        code = pt_fail(err, PT_NO_MEMORY, "open id run %s", name);
        goto out;
    }
    run->filter = (uint8_t *)(((uintptr_t)run->filter_memory + FILTER_LINE - 1) &
                              ~(uintptr_t)(FILTER_LINE - 1));
    memcpy(run->filter, data + HEADER_BYTES, filter_bytes);
    for (size_t i = 0; i < index_count; i++) {
        memcpy(run->index + i * PT_UUID_BYTES, data + HEADER_BYTES + filter_bytes + i * BLOCK_BYTES,
               PT_UUID_BYTES);
    }
    code = pt_io_open(io, path, PT_OPEN_READ, &run->file, err);
    if (code) {
        goto out;
    }
    *run_out = run;
    run = NULL;

out:
    pt_run_close(run);
    pt_free(data);
    pt_free(path);
    return code;
}

void pt_run_close(struct pt_run *run)
{
    if (run) {
        if (run->file) {
            pt_io_close(run->io, run->file);
        }
        pt_free(run->name);
        pt_free(run->filter_memory);
        pt_free(run->index);
        pt_free(run->cache);
        pt_free(run);
    }
}

bool pt_run_may_hold(const struct pt_run *run, const uint8_t id[PT_UUID_BYTES], uint64_t hash)
{
    return memcmp(id, run->least, PT_UUID_BYTES) >= 0 &&
           memcmp(id, run->greatest, PT_UUID_BYTES) <= 0 &&
           filter_test(run->filter, run->filter_blocks, hash);
}

/* Index of the last of `count` sorted ids that is <= id, or UINT64_MAX where all are greater. */
static uint64_t last_not_above(const uint8_t *ids, uint64_t count, const uint8_t *id)
{
    uint64_t low = 0;
    uint64_t high = count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (memcmp(ids + middle * PT_UUID_BYTES, id, PT_UUID_BYTES) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}

enum pt_code pt_run_holds(struct pt_run *run, const uint8_t id[PT_UUID_BYTES], bool *holds_out,
                          uint64_t *reads, struct pt_error *err)
{
    uint64_t index_count = (run->count + BLOCK_IDS - 1) / BLOCK_IDS;
    uint64_t block = last_not_above(run->index, index_count, id);
    uint64_t in_block = 0;
    uint64_t at = 0;

    *holds_out = false;
    if (block == UINT64_MAX) {
        return PT_OK;
    }
    in_block = run->count - block * BLOCK_IDS;
    in_block = in_block < BLOCK_IDS ? in_block : BLOCK_IDS;
    if (run->cached_block != block) {
        uint64_t ids_at = HEADER_BYTES + (uint64_t)run->filter_blocks * FILTER_LINE;
        size_t got = 0;
        enum pt_code code = PT_OK;

        run->cached_block = UINT64_MAX;
        code = pt_io_read(run->io, run->file, ids_at + block * BLOCK_BYTES, run->cache,
                          (size_t)in_block * PT_UUID_BYTES, &got, err);
        if (code) {
            return code;
        }
        if (got != in_block * PT_UUID_BYTES) {
            return pt_fail(err, PT_CORRUPT, "id run %s: it was cut", run->name);
        }
        run->cached_block = block;
        ++*reads;
    }
    at = last_not_above(run->cache, in_block, id);
    *holds_out =
        at != UINT64_MAX && memcmp(run->cache + at * PT_UUID_BYTES, id, PT_UUID_BYTES) == 0;
    return PT_OK;
}

enum pt_code pt_run_read_all(struct pt_run *run, uint8_t *ids_out, struct pt_error *err)
{
    size_t bytes = (size_t)run->count * PT_UUID_BYTES;
    size_t got = 0;
    enum pt_code code =
        pt_io_read(run->io, run->file, HEADER_BYTES + (uint64_t)run->filter_blocks * FILTER_LINE,
                   ids_out, bytes, &got, err);

    if (!code && got != bytes) {
        code = pt_fail(err, PT_CORRUPT, "id run %s: it was cut", run->name);
    }
    return code;
}
