/*
 * user_index.h - which data files may hold a user
 *
 * Only src/lake includes this; other rooms ask pt_lake_files_of_user(). Beside each data file lies
 * one with the fingerprints of its users: the first 32 bits of their pseudonyms, which are an
 * HMAC's and so as good as random. A file that does not hold a user is named with a probability of
 * (users of that file) / 2^32: 1 in 43,000 for 100,000 users.
 *
 * Promise: a user's file is never missed. An index is bound to its data file by the size that the
 * manifest tells and by a checksum, so one that is torn, stale or absent is noticed, and made anew
 * from the data file. No index is ever synced: it can be lost, not be wrong.
 */
#ifndef PT_LAKE_USER_INDEX_H
#define PT_LAKE_USER_INDEX_H

#include "lake/columns.h"

#define PT_USER_INDEX_ENDING ".users"

/* Sorted, each once. `is_open`: users that have no fingerprint are in it too, so all may be. */
struct pt_user_set {
    uint32_t *prints; /* heap */
    size_t count;
    bool is_open;
};

void pt_user_set_release(struct pt_user_set *set);
/* The users of rows[order[0..count-1]]. */
enum pt_code pt_user_set_take(struct pt_user_set *set_out, const struct pt_row *rows,
                              const uint32_t *order, size_t count,
                              struct pt_error *err) PT_MUST_USE;
/* `set` takes in what `other` has. */
enum pt_code pt_user_set_join(struct pt_user_set *set, const struct pt_user_set *other,
                              struct pt_error *err) PT_MUST_USE;
bool pt_user_set_has(const struct pt_user_set *set, const uint8_t user[PT_PSEUDONYM_BYTES]);

/* "…/ckpt-00000012.users" of "…/ckpt-00000012.parquet"; NULL without memory. */
char *pt_user_index_path(const char *data_path) PT_MUST_USE;

/*
 * Before a data file is written under a name that may have been used before: no index of other
 * rows may be there once the directory is synced.
 */
enum pt_code pt_user_index_remove(struct pt_io *io, const char *data_path,
                                  struct pt_error *err) PT_MUST_USE;
/* Beside the data file, which is synced and has `data_bytes`. A failure costs time later. */
enum pt_code pt_user_index_write(struct pt_io *io, const char *data_path, uint64_t data_bytes,
                                 const struct pt_user_set *set, struct pt_error *err) PT_MUST_USE;
/* PT_NOT_FOUND where there is none, PT_CORRUPT where it is torn or another file's. */
enum pt_code pt_user_index_read(struct pt_io *io, const char *data_path, uint64_t data_bytes,
                                struct pt_user_set *set_out, struct pt_error *err) PT_MUST_USE;
/* From the data file itself. */
enum pt_code pt_user_index_make(struct pt_duck *duck, const char *data_path,
                                struct pt_user_set *set_out, struct pt_error *err) PT_MUST_USE;

#endif
