/*
 * run.h - one immutable sorted run of ids; only idset.c includes it
 *
 * FORMAT (docs/formats/idrun.md), little-endian:
 *
 *      0  8    magic "PTIDRUN1"
 *      8  u32  bucket, hours since 1970
 *     12  u32  filter blocks of 64 bytes, a power of two
 *     16  u64  count of ids, 1..
 *     24  16   least id
 *     40  16   greatest id
 *     56  u64  XXH3-64 over bytes 0..55, the filter and the ids
 *     64       filter
 *      …       ids, 16 bytes each, ascending by memcmp, no two equal
 */
#ifndef PT_STREAM_RUN_H
#define PT_STREAM_RUN_H

#include "base/io.h"
#include "wire/uuid.h"

struct pt_run {
    struct pt_io *io;     /* borrowed */
    struct pt_file *file; /* owned */
    char *name;           /* owned: file name within the directory */
    uint32_t bucket;
    uint32_t filter_blocks;
    uint64_t count;
    uint8_t least[PT_UUID_BYTES];
    uint8_t greatest[PT_UUID_BYTES];
    uint8_t *filter; /* owned, 64-byte aligned within filter_memory */
    void *filter_memory;
    uint8_t *index;        /* owned: first id of each block of 256 ids */
    uint64_t cached_block; /* block held in `cache`, or UINT64_MAX */
    uint8_t *cache;        /* owned: 256 ids */
};

/* Write `count` ids, sorted and distinct, as DIR/NAME (replacing it), synced; not opened. */
enum pt_code pt_run_write(struct pt_io *io, const char *dir, const char *name, uint32_t bucket,
                          const uint8_t *ids, uint64_t count, struct pt_error *err) PT_MUST_USE;

/* Open and verify all of it. Pair with pt_run_close(). */
enum pt_code pt_run_open(struct pt_run **run_out, struct pt_io *io, const char *dir,
                         const char *name, struct pt_error *err) PT_MUST_USE;
void pt_run_close(struct pt_run *run);

/* Whether `id`, whose XXH3-64 is `hash`, may be in the run: no means no. */
bool pt_run_may_hold(const struct pt_run *run, const uint8_t id[PT_UUID_BYTES], uint64_t hash);

/* Whether it is; reads at most one block. */
enum pt_code pt_run_holds(struct pt_run *run, const uint8_t id[PT_UUID_BYTES], bool *holds_out,
                          uint64_t *reads, struct pt_error *err) PT_MUST_USE;

/* All ids of the run, appended at `ids_out` (room for count). */
enum pt_code pt_run_read_all(struct pt_run *run, uint8_t *ids_out,
                             struct pt_error *err) PT_MUST_USE;

#endif
