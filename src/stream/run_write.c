/*
 * run_write.c - a run of ids, from its first block to its header
 *
 * The file gets its name when it is whole and synced: what a crash leaves half done is never taken
 * for a run. The directory is the caller's to sync.
 */
#include "base/crypto.h"
#include "stream/run.h"
#include "wire/frame.h"

#define BUFFER_BYTES (256u << 10)
#define INDEX_BYTES_MAX (SIZE_MAX / 2)

struct pt_run_writer {
    struct pt_io *io;
    struct pt_file *file;
    char *path;
    char *unfinished; /* the file's name until it is whole */
    struct pt_run_header header;
    struct pt_run_block block; /* being filled */
    uint64_t hash_count;
    uint32_t hash_blocks;
    struct pt_buf index;
    uint64_t written; /* where the buffer's first byte goes */
    uint8_t *buffer;
    size_t used;
    enum pt_code code; /* of the first failure; nothing is written after it */
    struct pt_error failure;
};

enum pt_code pt_run_writer_open(struct pt_run_writer **writer_out, struct pt_io *io,
                                const char *dir, const char *name, uint32_t bucket, uint32_t level,
                                bool has_ids, uint64_t seed, struct pt_error *err)
{
    struct pt_run_writer *writer = pt_alloc_zero(sizeof(*writer));
    enum pt_code code = PT_OK;

    *writer_out = NULL;
    if (!writer || !(writer->path = pt_strf("%s/%s", dir, name)) ||
        !(writer->unfinished = pt_strf("%s" PT_RUN_UNFINISHED, writer->path)) ||
        !(writer->buffer = pt_alloc(BUFFER_BYTES + PT_RUN_BLOCK_BYTES_MAX))) {
        code = pt_fail(err, PT_NO_MEMORY, "write id run %s", name);
        goto out;
    }
    writer->io = io;
    pt_buf_init(&writer->index, INDEX_BYTES_MAX);
    writer->header =
        (struct pt_run_header){.bucket = bucket, .level = level, .has_ids = has_ids, .seed = seed};
    writer->written = PT_RUN_HEADER_BYTES;
    code = pt_io_open(io, writer->unfinished, PT_OPEN_WRITE | PT_OPEN_CREATE, &writer->file, err);
    if (!code) {
        code = pt_io_truncate(io, writer->file, 0, err);
    }

    if (code) {
        goto out;
    }
    *writer_out = writer;
    writer = NULL;

out:
    pt_run_writer_close(writer);
    return code;
}

void pt_run_writer_close(struct pt_run_writer *writer)
{
    if (writer) {
        if (writer->file) {
            pt_io_close(writer->io, writer->file);
        }
        pt_buf_release(&writer->index);
        pt_free(writer->buffer);
        pt_free(writer->path);
        pt_free(writer->unfinished);
        pt_free(writer);
    }
}

enum pt_code pt_run_writer_code(const struct pt_run_writer *writer)
{
    return writer->code;
}

static void flush(struct pt_run_writer *writer)
{
    if (!writer->code && writer->used) {
        writer->code = pt_io_write(writer->io, writer->file, writer->written, writer->buffer,
                                   writer->used, &writer->failure);
    }
    writer->written += writer->used;
    writer->used = 0;
}

static void end_block(struct pt_run_writer *writer, bool is_hashes)
{
    struct pt_run_block *block = &writer->block;
    uint32_t number = is_hashes ? writer->hash_blocks : writer->header.block_count;

    if (block->count == 0) {
        return;
    }
    if (is_hashes) {
        writer->hash_blocks++;
    } else {
        uint8_t *entry = pt_buf_reserve(&writer->index, 24);

        if (entry) {
            pt_id_put(block->ids[0], entry);
            pt_put_u64(entry + 16, writer->written + writer->used);
            writer->index.size += 24;
        }
        writer->header.block_count++;
    }
    writer->used += pt_run_block_pack(block, number, is_hashes, writer->buffer + writer->used);
    block->count = 0;
    if (writer->used >= BUFFER_BYTES) {
        flush(writer);
    }
}

void pt_run_writer_put_id(struct pt_run_writer *writer, struct pt_id id)
{
    struct pt_run_block *block = &writer->block;

    if (writer->header.count++ == 0) {
        writer->header.least = id;
    }
    writer->header.greatest = id;
    block->ids[block->count++] = id;
    if (block->count == PT_RUN_BLOCK_IDS) {
        end_block(writer, false);
    }
}

void pt_run_writer_put_hash(struct pt_run_writer *writer, uint64_t hash)
{
    struct pt_run_block *block = &writer->block;

    if (writer->hash_count++ == 0) {
        end_block(writer, false);
        writer->header.hashes_at = writer->written + writer->used;
    }
    block->ids[block->count++].hi = hash >> PT_ID_HASH_DROPPED;
    if (block->count == PT_RUN_BLOCK_IDS) {
        end_block(writer, true);
    }
}

enum pt_code pt_run_writer_finish(struct pt_run_writer *writer, struct pt_error *err)
{
    struct pt_run_header *header = &writer->header;
    uint8_t bytes[PT_RUN_HEADER_BYTES];

    end_block(writer, true);
    if (!header->has_ids) {
        header->count = writer->hash_count;
    }
    pt_assert(header->count > 0 && header->count == writer->hash_count);
    flush(writer);
    header->index_at = writer->written;
    header->file_bytes = header->index_at + writer->index.size;
    header->index_checksum = pt_checksum64(writer->index.data, writer->index.size);
    if (!writer->code && writer->index.has_failed) {
        writer->code = pt_fail(&writer->failure, PT_NO_MEMORY, "index id run %s", writer->path);
    }
    if (!writer->code && writer->index.size) {
        writer->code = pt_io_write(writer->io, writer->file, header->index_at, writer->index.data,
                                   writer->index.size, &writer->failure);
    }
    pt_run_header_put(header, bytes);
    if (!writer->code) {
        writer->code =
            pt_io_write(writer->io, writer->file, 0, bytes, sizeof(bytes), &writer->failure);
    }
    if (!writer->code) {
        writer->code = pt_io_sync(writer->io, writer->file, &writer->failure);
    }
    if (!writer->code) {
        writer->code = pt_io_rename(writer->io, writer->unfinished, writer->path, &writer->failure);
    }
    if (writer->code && err) {
        *err = writer->failure;
    }
    return writer->code;
}
