/*
 * run.c - one immutable sorted run of ids: opening and looking up
 */
#include "stream/run.h"

#include "base/crypto.h"
#include "wire/frame.h"

#define INDEX_ENTRY_BYTES 24u
#define INDEX_BYTES_MAX (UINT64_C(1) << 40)

static const uint8_t magic[8] = {'P', 'T', 'I', 'D', 'R', 'U', 'N', '2'};

void pt_run_header_put(const struct pt_run_header *header, uint8_t out[PT_RUN_HEADER_BYTES])
{
    memset(out, 0, PT_RUN_HEADER_BYTES);
    memcpy(out, magic, sizeof(magic));
    pt_put_u32(out + 8, header->bucket);
    pt_put_u32(out + 12, header->has_ids ? 1 : 0);
    pt_put_u32(out + 16, header->level);
    pt_put_u32(out + 20, header->block_count);
    pt_put_u64(out + 24, header->count);
    pt_put_u64(out + 32, header->hashes_at);
    pt_put_u64(out + 40, header->index_at);
    pt_put_u64(out + 48, header->file_bytes);
    pt_put_u64(out + 56, header->seed);
    pt_id_put(header->least, out + 64);
    pt_id_put(header->greatest, out + 80);
    pt_put_u64(out + 96, header->index_checksum);
    pt_put_u64(out + 120, pt_checksum64(out, 120));
}

static enum pt_code take_header(struct pt_run *run, const uint8_t *data, size_t bytes,
                                uint64_t file_bytes, struct pt_error *err)
{
    struct pt_run_header *h = &run->header;

    if (bytes < 8 || memcmp(data, magic, 7) != 0) {
        return pt_fail(err, PT_CORRUPT, "id run %s: not a run of ids", run->path);
    }
    if (data[7] != magic[7] && data[7] >= '0' && data[7] <= '9') {
        return pt_fail(err, PT_INVALID,
                       "id run %s has format %c, this version of playtrace knows %c: use the "
                       "version that wrote it%s",
                       run->path, data[7], magic[7], data[7] > magic[7] ? ", or a newer one" : "");
    }
    if (bytes < PT_RUN_HEADER_BYTES || data[7] != magic[7] ||
        pt_get_u64(data + 120) != pt_checksum64(data, 120)) {
        return pt_fail(err, PT_CORRUPT, "id run %s: the checksum of its header is wrong",
                       run->path);
    }
    h->bucket = pt_get_u32(data + 8);
    h->has_ids = pt_get_u32(data + 12) & 1;
    h->level = pt_get_u32(data + 16);
    h->block_count = pt_get_u32(data + 20);
    h->count = pt_get_u64(data + 24);
    h->hashes_at = pt_get_u64(data + 32);
    h->index_at = pt_get_u64(data + 40);
    h->file_bytes = pt_get_u64(data + 48);
    h->seed = pt_get_u64(data + 56);
    h->least = pt_id_of(data + 64);
    h->greatest = pt_id_of(data + 80);
    h->index_checksum = pt_get_u64(data + 96);
    if (h->file_bytes != file_bytes) {
        return pt_fail(err, PT_CORRUPT, "id run %s: it has %llu bytes and says %llu", run->path,
                       (unsigned long long)file_bytes, (unsigned long long)h->file_bytes);
    }
    if (h->count == 0 || h->hashes_at < PT_RUN_HEADER_BYTES || h->index_at < h->hashes_at ||
        h->file_bytes < h->index_at ||
        h->file_bytes - h->index_at != (uint64_t)h->block_count * INDEX_ENTRY_BYTES ||
        h->has_ids != (h->block_count > 0)) {
        return pt_fail(err, PT_CORRUPT, "id run %s: its header contradicts itself", run->path);
    }
    return PT_OK;
}

static enum pt_code read_exactly(struct pt_run *run, uint64_t at, void *data, size_t bytes,
                                 struct pt_error *err)
{
    size_t got = 0;
    enum pt_code code = pt_io_read(run->io, run->file, at, data, bytes, &got, err);

    if (!code && got != bytes) {
        code = pt_fail(err, PT_CORRUPT, "id run %s: it was cut", run->path);
    }
    return code;
}

static enum pt_code load(struct pt_run *run, struct pt_error *err)
{
    uint8_t header[PT_RUN_HEADER_BYTES];
    uint64_t file_bytes = 0;
    size_t index_bytes = 0;
    size_t got = 0;
    enum pt_code code = pt_io_open(run->io, run->path, PT_OPEN_READ, &run->file, err);

    if (code) {
        return code;
    }
    code = pt_io_size(run->io, run->file, &file_bytes, err);
    if (code) {
        return code;
    }
    code = pt_io_read(run->io, run->file, 0, header, sizeof(header), &got, err);
    if (code) {
        return code;
    }
    code = take_header(run, header, got, file_bytes, err);
    if (code) {
        return code;
    }
    index_bytes = (size_t)(run->header.file_bytes - run->header.index_at);
    run->index = pt_alloc(index_bytes);
    if (!run->index) {
        return pt_fail(err, PT_NO_MEMORY, "open id run %s", run->path);
    }
    code = read_exactly(run, run->header.index_at, run->index, index_bytes, err);
    if (!code && pt_checksum64(run->index, index_bytes) != run->header.index_checksum) {
        code = pt_fail(err, PT_CORRUPT, "id run %s: the checksum of its index is wrong", run->path);
    }
    return code;
}

enum pt_code pt_run_open(struct pt_run **run_out, struct pt_io *io, const char *dir,
                         const char *name, struct pt_error *err)
{
    struct pt_run *run = pt_alloc_zero(sizeof(*run));
    enum pt_code code = PT_OK;

    *run_out = NULL;
    if (!run || !(run->path = pt_strf("%s/%s", dir, name))) {
        pt_free(run);
        return pt_fail(err, PT_NO_MEMORY, "open id run %s", name);
    }
    run->io = io;
    run->name = run->path + strlen(dir) + 1;
    run->cached_block = UINT64_MAX;
    code = load(run, err);
    pt_run_rest(run);
    if (code) {
        pt_run_close(run);
        return code;
    }
    *run_out = run;
    return PT_OK;
}

void pt_run_rest(struct pt_run *run)
{
    if (run->file) {
        pt_io_close(run->io, run->file);
        run->file = NULL;
    }
    pt_free(run->cached);
    run->cached = NULL;
    run->cached_block = UINT64_MAX;
}

void pt_run_close(struct pt_run *run)
{
    if (run) {
        pt_run_rest(run);
        pt_free(run->index);
        pt_free(run->path);
        pt_free(run);
    }
}

static struct pt_id first_of(const struct pt_run *run, uint64_t block)
{
    return pt_id_of(run->index + block * INDEX_ENTRY_BYTES);
}

static uint64_t start_of(const struct pt_run *run, uint64_t block)
{
    return block == run->header.block_count
               ? run->header.hashes_at
               : pt_get_u64(run->index + block * INDEX_ENTRY_BYTES + 16);
}

static enum pt_code read_block(struct pt_run *run, uint64_t block, struct pt_error *err)
{
    uint8_t data[PT_RUN_BLOCK_BYTES_MAX];
    uint64_t at = start_of(run, block);
    uint64_t bytes = start_of(run, block + 1) - at; /* of a damaged index: out of bounds */
    enum pt_code code = PT_OK;

    run->cached_block = UINT64_MAX;
    if (!run->cached) {
        run->cached = pt_alloc(sizeof(*run->cached));
        if (!run->cached) {
            return pt_fail(err, PT_NO_MEMORY, "read id run %s", run->path);
        }
    }
    if (!run->file) {
        code = pt_io_open(run->io, run->path, PT_OPEN_READ, &run->file, err);
        if (code == PT_NOT_FOUND) {
            code = pt_fail(err, PT_CORRUPT, "id run %s, which is in use, was removed", run->path);
        }
        if (code) {
            return code;
        }
    }
    if (bytes >= PT_RUN_BLOCK_HEADER_BYTES && bytes <= sizeof(data) - 8) {
        code = read_exactly(run, at, data, (size_t)bytes, err);
        if (code) {
            return code;
        }
        memset(data + bytes, 0, 8);
        if (pt_run_block_unpack(data, (size_t)bytes, (uint32_t)block, false, run->cached) &&
            pt_id_equal(run->cached->ids[0], first_of(run, block))) {
            run->cached_block = block;
            return PT_OK;
        }
    }
    return pt_fail(err, PT_CORRUPT, "id run %s: block %llu of its ids, at byte %llu, is damaged",
                   run->path, (unsigned long long)block, (unsigned long long)at);
}

enum pt_code pt_run_holds(struct pt_run *run, struct pt_id id, bool *holds_out, uint64_t *reads,
                          struct pt_error *err)
{
    uint64_t low = 0;
    uint64_t high = run->header.block_count;

    *holds_out = false;
    if (!pt_run_spans(run, id)) {
        return PT_OK;
    }
    /* The last block whose first id is not above; the least id is the first of block 0. */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (pt_id_less(id, first_of(run, middle))) {
            high = middle;
        } else {
            low = middle;
        }
    }
    if (run->cached_block != low) {
        enum pt_code code = read_block(run, low, err);

        if (code) {
            return code;
        }
        ++*reads;
    }
    low = 0;
    high = run->cached->count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (pt_id_less(id, run->cached->ids[middle])) {
            high = middle;
        } else {
            low = middle;
        }
    }
    *holds_out = pt_id_equal(run->cached->ids[low], id);
    return PT_OK;
}
