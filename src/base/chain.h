/*
 * chain.h - an append-only file of records in which no edit goes unnoticed
 *
 * A line is the SHA-256 of the JSON object behind it; the object holds its number and the SHA-256
 * of the line before. Changing, taking out, putting in or exchanging lines is PT_CORRUPT, by
 * number, for whoever reads the file. Taking away the last lines cannot be seen from the file
 * alone: who needs that keeps the newest line's hash elsewhere.
 *
 * One process appends at a time (a lock of the caller's). A line is there once pt_chain_append()
 * returned PT_OK; a crash leaves at most a torn last line, which the next append cuts off.
 */
#ifndef PT_BASE_CHAIN_H
#define PT_BASE_CHAIN_H

#include "base/clock.h"
#include "base/crypto.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"

#define PT_CHAIN_HASH_CHARS (2 * (size_t)PT_SHA256_BYTES)

struct pt_chain {
    char *path;                         /* owned */
    uint8_t *data;                      /* owned: the file's bytes, padded for the parser */
    size_t whole_bytes;                 /* up to the last newline */
    size_t line_bytes_max;              /* of a line's JSON */
    uint64_t seq;                       /* of the newest line; 0: there is none */
    char hash[PT_CHAIN_HASH_CHARS + 1]; /* of the newest line; zeros where there is none */
};

/* The SHA-256 of `text` in hexadecimal digits. */
void pt_chain_hash(struct pt_span text, char hex_out[PT_CHAIN_HASH_CHARS + 1]);

/* A line in order; its values live until it returns. `hash` is its own. Anything but PT_OK ends the
 * reading with that. */
typedef enum pt_code pt_chain_line(void *ctx, struct pt_json line, const char *hash,
                                   struct pt_error *err);

/*
 * Read and check all of the file; an absent one is empty. `each` may be NULL. Release the chain in
 * any case. PT_CORRUPT names the line and what is wrong with it.
 */
enum pt_code pt_chain_read(struct pt_chain *chain_out, struct pt_io *io, const char *path,
                           size_t bytes_max, size_t line_bytes_max, pt_chain_line *each, void *ctx,
                           struct pt_error *err) PT_MUST_USE;
void pt_chain_release(struct pt_chain *chain);

/* Open the next line's object and write "seq", "prev", "at" and "kind"; the caller adds its own
 * members and closes the object. */
void pt_chain_begin(const struct pt_chain *chain, struct pt_clock *clock, const char *kind,
                    struct pt_jsonw *w);

/*
 * Append `json`, begun with pt_chain_begin(), durable. `dir` is where the file stands: it is
 * synced, too. After a failure the chain is read anew before the next append.
 */
enum pt_code pt_chain_append(struct pt_chain *chain, struct pt_io *io, const char *dir,
                             const struct pt_buf *json, struct pt_error *err) PT_MUST_USE;

#endif
