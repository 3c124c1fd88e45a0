/*
 * manifest_output.h - a container of Avro values, written or read one by one
 *
 * Only manifest.c and manifest_list.c include this.
 */
#ifndef PT_LAKE_MANIFEST_OUTPUT_H
#define PT_LAKE_MANIFEST_OUTPUT_H

#include "lake/avro_values.h"
#include "lake/container.h"

struct pt_output {
    struct pt_buf *file; /* borrowed */
    struct pt_buf block;
    uint64_t block_count;
    uint8_t sync[PT_CONTAINER_SYNC_BYTES];
};

/* Appends the header to `file`. Release also after a failure; zeroed, it may be released too. */
enum pt_code pt_output_init(struct pt_output *output, struct pt_buf *file,
                            const struct pt_container_pair *pairs, size_t pair_count,
                            struct pt_error *err) PT_MUST_USE;
void pt_output_release(struct pt_output *output);
/* The value of `set`. */
enum pt_code pt_output_add(struct pt_output *output, struct pt_avro_set *set,
                           struct pt_error *err) PT_MUST_USE;
enum pt_code pt_output_finish(struct pt_output *output, struct pt_error *err) PT_MUST_USE;

/* Calls `each` for every value of the container `file`, in its own schema; its PT_OK goes on. */
enum pt_code pt_container_each(struct pt_span file,
                               enum pt_code (*each)(void *ctx, struct pt_avro value,
                                                    struct pt_error *err),
                               void *ctx, struct pt_error *err) PT_MUST_USE;

#endif
