/*
 * run_read.c - a run read from its first id to its last
 */
#include "stream/run.h"
#include "wire/frame.h"

#define BUFFER_BYTES (32u << 10)

enum pt_code pt_run_cursor_open(struct pt_run_cursor *cursor, const struct pt_run *run,
                                bool is_hashes, struct pt_error *err)
{
    const struct pt_run_header *h = &run->header;

    *cursor = (struct pt_run_cursor){.io = run->io, .path = run->path, .is_hashes = is_hashes};
    cursor->at = is_hashes ? h->hashes_at : PT_RUN_HEADER_BYTES;
    cursor->end = is_hashes ? h->index_at : h->hashes_at;
    cursor->buffer = pt_alloc_zero(BUFFER_BYTES + 8);
    cursor->block = pt_alloc_zero(sizeof(*cursor->block));
    if (!cursor->buffer || !cursor->block) {
        pt_run_cursor_close(cursor);
        (void)pt_fail(err, PT_NO_MEMORY, "read id run %s", run->path);
        return PT_NO_MEMORY;
    }
    return PT_OK;
}

void pt_run_cursor_close(struct pt_run_cursor *cursor)
{
    pt_free(cursor->buffer);
    pt_free(cursor->block);
    cursor->buffer = NULL;
    cursor->block = NULL;
}

static enum pt_code damaged(const struct pt_run_cursor *cursor, struct pt_error *err)
{
    uint64_t at = cursor->at - (cursor->filled - cursor->used);

    return pt_fail(err, PT_CORRUPT, "id run %s: block %lu of its %s, at byte %llu, is damaged",
                   cursor->path, (unsigned long)cursor->number,
                   cursor->is_hashes ? "hashes" : "ids", (unsigned long long)at);
}

/* What is left of the buffer moves to its front, and the file fills the rest. */
static enum pt_code refill(struct pt_run_cursor *cursor, struct pt_error *err)
{
    size_t left = cursor->filled - cursor->used;
    size_t wanted = BUFFER_BYTES - left;
    size_t got = 0;
    struct pt_file *file = NULL;
    enum pt_code code = PT_OK;

    memmove(cursor->buffer, cursor->buffer + cursor->used, left);
    cursor->used = 0;
    cursor->filled = left;
    if (wanted > cursor->end - cursor->at) {
        wanted = (size_t)(cursor->end - cursor->at);
    }
    code = pt_io_open(cursor->io, cursor->path, PT_OPEN_READ, &file, err);
    if (code == PT_NOT_FOUND) {
        return pt_fail(err, PT_CORRUPT, "id run %s, which is in use, was removed", cursor->path);
    }
    if (code) {
        return code;
    }
    code = pt_io_read(cursor->io, file, cursor->at, cursor->buffer + left, wanted, &got, err);
    pt_io_close(cursor->io, file);
    if (!code && got != wanted) {
        code = pt_fail(err, PT_CORRUPT, "id run %s: it was cut", cursor->path);
    }
    if (!code) {
        cursor->at += got;
        cursor->filled += got;
    }
    return code;
}

enum pt_code pt_run_cursor_fill(struct pt_run_cursor *cursor, struct pt_error *err)
{
    size_t left = cursor->filled - cursor->used;
    size_t bytes = 0;

    if (left < PT_RUN_BLOCK_BYTES_MAX && cursor->at < cursor->end) {
        enum pt_code code = refill(cursor, err);

        if (code) {
            return code;
        }
        left = cursor->filled - cursor->used;
    }
    if (left == 0) {
        return PT_NOT_FOUND;
    }
    if (left >= PT_RUN_BLOCK_HEADER_BYTES) {
        bytes = pt_run_block_bytes(cursor->buffer + cursor->used, cursor->is_hashes);
    }
    if (bytes == 0 || bytes > left ||
        !pt_run_block_unpack(cursor->buffer + cursor->used, bytes, cursor->number,
                             cursor->is_hashes, cursor->block)) {
        return damaged(cursor, err);
    }
    cursor->used += bytes;
    cursor->number++;
    cursor->next = 0;
    return PT_OK;
}

/* Ascending, each once, as the index and the header say. `*sum_out`: of the ids' hashes. */
static enum pt_code verify_ids(const struct pt_run *run, uint64_t *sum_out, struct pt_error *err)
{
    struct pt_run_cursor cursor;
    struct pt_id_key key;
    struct pt_id before = {0};
    struct pt_id id = {0};
    uint64_t count = 0;
    enum pt_code code = pt_run_cursor_open(&cursor, run, false, err);

    if (code) {
        return code;
    }
    pt_id_key_init(&key, run->header.seed);
    *sum_out = 0;
    while (!(code = pt_run_cursor_next(&cursor, &id, err))) {
        uint64_t block = cursor.number - 1;

        if (count > 0 && !pt_id_less(before, id)) {
            code = pt_fail(err, PT_CORRUPT, "id run %s: ids %llu and the next are not in order",
                           run->path, (unsigned long long)(count - 1));
            break;
        }
        if (cursor.next == 1 && (block >= run->header.block_count ||
                                 !pt_id_equal(id, pt_id_of(run->index + block * 24)))) {
            code = pt_fail(err, PT_CORRUPT, "id run %s: its index is wrong about block %llu",
                           run->path, (unsigned long long)block);
            break;
        }
        if (count == 0 && !pt_id_equal(id, run->header.least)) {
            code = pt_fail(err, PT_CORRUPT, "id run %s: its least id is another", run->path);
            break;
        }
        *sum_out += pt_id_hash(&key, id) >> PT_ID_HASH_DROPPED;
        before = id;
        count++;
    }
    if (code == PT_NOT_FOUND) {
        code = PT_OK;
        if (count != run->header.count || cursor.number != run->header.block_count ||
            !pt_id_equal(before, run->header.greatest)) {
            code = pt_fail(err, PT_CORRUPT, "id run %s: it holds %llu ids and says %llu", run->path,
                           (unsigned long long)count, (unsigned long long)run->header.count);
        }
    }
    pt_run_cursor_close(&cursor);
    return code;
}

enum pt_code pt_run_verify(const struct pt_run *run, struct pt_error *err)
{
    struct pt_run_cursor cursor;
    struct pt_id hash = {0};
    uint64_t before = 0;
    uint64_t count = 0;
    uint64_t sum = 0;
    uint64_t sum_of_ids = 0;
    enum pt_code code = run->header.has_ids ? verify_ids(run, &sum_of_ids, err) : PT_OK;

    if (code) {
        return code;
    }
    code = pt_run_cursor_open(&cursor, run, true, err);
    if (code) {
        return code;
    }
    while (!(code = pt_run_cursor_next(&cursor, &hash, err))) {
        if (hash.hi < before) {
            code = pt_fail(err, PT_CORRUPT, "id run %s: its hashes are not in order", run->path);
            break;
        }
        before = hash.hi;
        sum += hash.hi;
        count++;
    }
    if (code == PT_NOT_FOUND) {
        code = PT_OK;
        if (count != run->header.count || (run->header.has_ids && sum != sum_of_ids)) {
            code = pt_fail(err, PT_CORRUPT, "id run %s: its hashes are not those of its ids",
                           run->path);
        }
    }
    pt_run_cursor_close(&cursor);
    return code;
}
