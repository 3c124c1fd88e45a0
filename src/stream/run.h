/*
 * run.h - one immutable sorted run of ids: writing, looking up, reading through
 *
 * FORMAT (docs/formats/idrun.md), version 2, little-endian. A header of 128 bytes:
 *
 *      0  8    magic "PTIDRUN2"; the last byte is the version
 *      8  u32  bucket, hours since 1970
 *     12  u32  bit 0: the ids are there; without it only their hashes
 *     16  u32  level: 0 written by a checkpoint, n+1 merged from runs of level n and less
 *     20  u32  blocks of ids
 *     24  u64  count of ids, 1..
 *     32  u64  where the hashes begin (the ids end)
 *     40  u64  where the index begins (the hashes end)
 *     48  u64  bytes of the file (the index ends)
 *     56  u64  seed of the hash (id.h)
 *     64  16   least id, zero without ids
 *     80  16   greatest id
 *     96  u64  XXH3-64 of the index
 *    104  16   zero
 *    120  u64  XXH3-64 of bytes 0 to 119
 *
 * then blocks of ids, blocks of hashes (ascending, the high 44 bits of each id's hash), and the
 * index: for each block of ids its first id (16 bytes) and where it begins (u64). A block:
 *
 *      0  u64  XXH3-64 of the block's bytes from 8 on
 *      8  u32  number of the block in its list
 *     12  u16  count, 1..256
 *     14  u8   width of a difference, 0..57 or 64 bits
 *     15  u8   zero
 *     16  u64  first value: the high half of the first id, or the first hash
 *     24       low halves, u64 each (ids only); then the differences from value to value, packed
 *              from the lowest bit on, padded to a whole byte
 *
 * Only src/stream includes this. A run belongs to one thread.
 */
#ifndef PT_STREAM_RUN_H
#define PT_STREAM_RUN_H

#include "base/io.h"
#include "base/mem.h"
#include "stream/id.h"

#define PT_RUN_HEADER_BYTES 128u
#define PT_RUN_BLOCK_IDS 256u
#define PT_RUN_BLOCK_HEADER_BYTES 24u
/* Eight spare bytes, so that packed bits are read by words. */
#define PT_RUN_BLOCK_BYTES_MAX (PT_RUN_BLOCK_HEADER_BYTES + PT_RUN_BLOCK_IDS * 16u + 8u)

struct pt_run_header {
    uint32_t bucket;
    uint32_t level;
    bool has_ids;
    uint32_t block_count;
    uint64_t count;
    uint64_t hashes_at;
    uint64_t index_at;
    uint64_t file_bytes;
    uint64_t seed;
    struct pt_id least;
    struct pt_id greatest;
    uint64_t index_checksum;
};

/* A block, unpacked. Of hashes only `hi` is used; `lo` is 0. */
struct pt_run_block {
    struct pt_id ids[PT_RUN_BLOCK_IDS];
    unsigned count;
};

/* ---- writing ---- */

struct pt_run_writer;

#define PT_RUN_UNFINISHED ".new" /* behind its name until finish */

/*
 * Begin DIR/NAME. First all ids, ascending and distinct, unless the run is to hold none; then the
 * hash of each, ascending; then finish, which syncs the file and gives it its name. Errors are kept
 * and told by finish, so the puts need no look. Close without finish leaves an unfinished file.
 */
enum pt_code pt_run_writer_open(struct pt_run_writer **writer_out, struct pt_io *io,
                                const char *dir, const char *name, uint32_t bucket, uint32_t level,
                                bool has_ids, uint64_t seed, struct pt_error *err) PT_MUST_USE;
void pt_run_writer_put_id(struct pt_run_writer *writer, struct pt_id id);
void pt_run_writer_put_hash(struct pt_run_writer *writer, uint64_t hash); /* all 64 bits */
enum pt_code pt_run_writer_code(const struct pt_run_writer *writer);      /* so far */
enum pt_code pt_run_writer_finish(struct pt_run_writer *writer, struct pt_error *err) PT_MUST_USE;
void pt_run_writer_close(struct pt_run_writer *writer);

/* ---- looking up ---- */

struct pt_run {
    struct pt_io *io; /* borrowed */
    char *path;       /* owned */
    const char *name; /* within path */
    struct pt_file *file;
    struct pt_run_header header;
    uint8_t *index;              /* owned; as in the file */
    struct pt_run_block *cached; /* owned; NULL before the first read */
    uint64_t cached_block;       /* UINT64_MAX: none */
    bool is_replaced;            /* the set's own mark while it writes */
};

/*
 * Open DIR/NAME and verify header and index, not the blocks: those are verified as they are read.
 * PT_INVALID, naming both versions, where a newer playtrace wrote it. Pair with pt_run_close().
 */
enum pt_code pt_run_open(struct pt_run **run_out, struct pt_io *io, const char *dir,
                         const char *name, struct pt_error *err) PT_MUST_USE;
void pt_run_close(struct pt_run *run); /* NULL is fine */

static inline bool pt_run_spans(const struct pt_run *run, struct pt_id id)
{
    return !pt_id_less(id, run->header.least) && !pt_id_less(run->header.greatest, id);
}

/*
 * Whether `id` is one of its ids; reads at most one block, counted in `*reads`. The file is opened
 * at the first read and stays open until pt_run_rest().
 */
enum pt_code pt_run_holds(struct pt_run *run, struct pt_id id, bool *holds_out, uint64_t *reads,
                          struct pt_error *err) PT_MUST_USE;
void pt_run_rest(struct pt_run *run); /* close the file, forget the cached block */

/* ---- reading through ---- */

/* A list of blocks read from first to last; holds no file open between its reads. */
struct pt_run_cursor {
    struct pt_io *io;
    const char *path; /* borrowed */
    uint64_t at;      /* next byte of the file to read */
    uint64_t end;
    uint32_t number; /* of the next block */
    bool is_hashes;
    uint8_t *buffer;            /* owned */
    size_t used;                /* bytes of the buffer that are taken … */
    size_t filled;              /* … and there */
    struct pt_run_block *block; /* owned */
    unsigned next;              /* in `block` */
};

enum pt_code pt_run_cursor_open(struct pt_run_cursor *cursor, const struct pt_run *run,
                                bool is_hashes, struct pt_error *err) PT_MUST_USE;
void pt_run_cursor_close(struct pt_run_cursor *cursor); /* a zeroed one is fine */
/* The next value; PT_NOT_FOUND at the end. PT_CORRUPT names file and block. */
enum pt_code pt_run_cursor_fill(struct pt_run_cursor *cursor, struct pt_error *err) PT_MUST_USE;
static inline enum pt_code pt_run_cursor_next(struct pt_run_cursor *cursor, struct pt_id *id_out,
                                              struct pt_error *err)
{
    if (cursor->next == cursor->block->count) {
        enum pt_code code = pt_run_cursor_fill(cursor, err);

        if (code) {
            return code;
        }
    }
    *id_out = cursor->block->ids[cursor->next++];
    return PT_OK;
}

/*
 * Read all of an open run and check what opening does not: every block, the order, that index and
 * header say what the blocks hold, and that each id has its hash. Bounded memory.
 */
enum pt_code pt_run_verify(const struct pt_run *run, struct pt_error *err) PT_MUST_USE;

/* ---- version 1: run_old.c ---- */

/* Whether DIR/NAME is a run of version 1. */
enum pt_code pt_run_is_old(struct pt_io *io, const char *dir, const char *name, bool *is_old_out,
                           struct pt_error *err) PT_MUST_USE;

/* Verify a run of version 1 and put the same ids as version 2 in its place, durably. */
enum pt_code pt_run_renew(struct pt_io *io, const char *dir, const char *name, uint64_t seed,
                          struct pt_error *err) PT_MUST_USE;

/* ---- inside the format: run_block.c ---- */

/* Pack; returns the bytes written at `out` (room for PT_RUN_BLOCK_BYTES_MAX). */
size_t pt_run_block_pack(const struct pt_run_block *block, uint32_t number, bool is_hashes,
                         uint8_t *out);
/* Bytes of the block whose header is at `data`, or 0 where that is none. */
size_t pt_run_block_bytes(const uint8_t *data, bool is_hashes);
/* Unpack; `data` has eight readable bytes behind it. False: its checksum or number is wrong. */
bool pt_run_block_unpack(const uint8_t *data, size_t bytes, uint32_t number, bool is_hashes,
                         struct pt_run_block *block_out);

void pt_run_header_put(const struct pt_run_header *header, uint8_t out[PT_RUN_HEADER_BYTES]);

#endif
