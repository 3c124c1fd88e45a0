/*
 * manifest_output.c - a container of Avro values, written or read one by one
 */
#include "lake/manifest_output.h"

#include "base/rng.h"

#define BLOCK_BYTES (64u << 10) /* a block ends once it has this many */
#define BLOCK_BYTES_MAX (16u << 20)

enum pt_code pt_output_init(struct pt_output *output, struct pt_buf *file,
                            const struct pt_container_pair *pairs, size_t pair_count,
                            struct pt_error *err)
{
    output->file = file;
    output->block_count = 0;
    pt_buf_init(&output->block, BLOCK_BYTES_MAX);
    if (pt_random_bytes(output->sync, sizeof(output->sync), err)) {
        return PT_IO;
    }
    pt_container_begin(file, pairs, pair_count, output->sync);
    return PT_OK;
}

void pt_output_release(struct pt_output *output)
{
    pt_buf_release(&output->block);
}

static void flush(struct pt_output *output)
{
    output->file->has_failed |= output->block.has_failed;
    pt_container_block(output->file, output->block_count, pt_buf_span(&output->block),
                       output->sync);
    pt_buf_reset(&output->block);
    output->block_count = 0;
}

enum pt_code pt_output_add(struct pt_output *output, struct pt_avro_set *set, struct pt_error *err)
{
    enum pt_code code = pt_avro_encode(set, &output->block, err);

    output->block_count += code == PT_OK;
    if (output->block.size >= BLOCK_BYTES) {
        flush(output);
    }
    return code;
}

enum pt_code pt_output_finish(struct pt_output *output, struct pt_error *err)
{
    flush(output);
    if (output->file->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    return PT_OK;
}

enum pt_code pt_container_each(struct pt_span file,
                               enum pt_code (*each)(void *ctx, struct pt_avro value,
                                                    struct pt_error *err),
                               void *ctx, struct pt_error *err)
{
    struct pt_container container;
    struct pt_avro_set set = {0};
    struct pt_span block = {0};
    uint64_t count = 0;
    enum pt_code code = pt_container_open(&container, file, err);

    if (!code) {
        code = pt_avro_init(&set, container.schema, err);
    }
    while (!code) {
        code = pt_container_next(&container, &count, &block, err);
        if (code || count == 0) {
            break;
        }
        code = pt_avro_each(&set, count, block, each, ctx, err);
    }
    pt_avro_release(&set);
    pt_container_release(&container);
    return code;
}
