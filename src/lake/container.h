/*
 * container.h - Avro's object container files
 *
 * Only src/lake includes this. The Avro library cannot be used here: it drops the `field-id`
 * attributes of a schema, which Iceberg needs, and takes no file metadata. Blocks are
 * written without compression; those of other programs are read with deflate and zstandard too.
 */
#ifndef PT_LAKE_CONTAINER_H
#define PT_LAKE_CONTAINER_H

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

#define PT_CONTAINER_SYNC_BYTES 16

struct pt_container_pair {
    const char *key;
    struct pt_span value;
};

/* Append the header; the pairs hold "avro.schema". Failures stick in `file`. */
void pt_container_begin(struct pt_buf *file, const struct pt_container_pair *pairs, size_t count,
                        const uint8_t sync[PT_CONTAINER_SYNC_BYTES]);
/* Append one block of `count` encoded values; nothing where count is 0. */
void pt_container_block(struct pt_buf *file, uint64_t count, struct pt_span values,
                        const uint8_t sync[PT_CONTAINER_SYNC_BYTES]);

struct pt_container {
    struct pt_span schema; /* borrowed from the file */
    struct pt_span rest;   /* blocks not yet read */
    enum pt_code (*decompress)(struct pt_span data, struct pt_buf *out, struct pt_error *err);
    struct pt_buf block; /* decompressed */
    uint8_t sync[PT_CONTAINER_SYNC_BYTES];
};

/*
 * Read the header; release also after a failure. PT_CORRUPT where it is not one; PT_INVALID for
 * blocks of another compression.
 */
enum pt_code pt_container_open(struct pt_container *container, struct pt_span file,
                               struct pt_error *err) PT_MUST_USE;
void pt_container_release(struct pt_container *container);
/*
 * The next block, borrowed until the next call; `*count_out` 0 at the end. PT_CORRUPT for a block
 * that is torn.
 */
enum pt_code pt_container_next(struct pt_container *container, uint64_t *count_out,
                               struct pt_span *values_out, struct pt_error *err) PT_MUST_USE;

#endif
