/*
 * backup.h - what `playtrace backup` and `playtrace restore` share
 *
 * A backup is a directory laid out like a data directory, with BACKUP.json beside: which files
 * there are, their sizes and checksums (docs/formats/backup.md). It is made in DIR.partial and put
 * in place by one rename, as a restored data directory is.
 */
#ifndef PT_CMD_BACKUP_H
#define PT_CMD_BACKUP_H

#include "base/io.h"
#include "base/lock.h"
#include "cmd/data_dir.h"

#define PT_BACKUP_NAME "BACKUP.json"
#define PT_BACKUP_MARK ".playtrace-partial" /* in a directory that is not whole yet */
#define PT_BACKUP_CONFIG "config.yaml"

/* ---- BACKUP.json ---- */

struct pt_backup_file {
    char *path; /* relative to the backup */
    uint64_t bytes;
    uint64_t sum; /* XXH3-64 */
};

struct pt_backup {
    int64_t made_at_us;
    uint64_t checkpoint;
    uint64_t checkpoint_offset; /* of the log: before it all is in the table */
    uint64_t rows;              /* of the table; the files that the checkpoint adds are not in */
    uint64_t log_start;
    uint64_t log_end;
    uint64_t dead_letters; /* end offset of the dead letters */
    struct pt_backup_file *files;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of all files */
};

/* Takes `path`. */
enum pt_code pt_backup_add(struct pt_backup *backup, char *path, uint64_t bytes, uint64_t sum,
                           struct pt_error *err) PT_MUST_USE;
enum pt_code pt_backup_write(struct pt_io *io, const char *dir, const struct pt_backup *backup,
                             struct pt_error *err) PT_MUST_USE;
/* PT_NOT_FOUND: no backup there. PT_CORRUPT. PT_INVALID: of a newer version. */
enum pt_code pt_backup_read(struct pt_io *io, const char *dir, struct pt_backup *backup_out,
                            struct pt_error *err) PT_MUST_USE;
void pt_backup_release(struct pt_backup *backup);

/* ---- a directory that appears whole or not at all ---- */

struct pt_partial {
    char *place; /* where it will be: absolute, no links */
    char *path;  /* where it is made: place.partial */
    struct pt_lock *lock;
};

/*
 * Make ready to build `place`, which must not exist or be an empty directory: PT_INVALID says what
 * is in the way. What an earlier try left is removed; PT_FENCED where that one still runs.
 */
enum pt_code pt_partial_begin(struct pt_partial *partial, struct pt_io *io, const char *place,
                              struct pt_error *err) PT_MUST_USE;
/* Sync its directories and put it in place. */
enum pt_code pt_partial_commit(struct pt_partial *partial, struct pt_io *io,
                               struct pt_error *err) PT_MUST_USE;
/* After a commit, or without one: then what was made is removed. Zeroed is fine. */
void pt_partial_end(struct pt_partial *partial, struct pt_io *io);

/* ---- taking files over ---- */

struct pt_take {
    struct pt_io *io;
    bool is_copying; /* never link */
    uint64_t linked;
    uint64_t copied;
};

/* Make `to`, and its directories, the same as `from`, which never changes. */
enum pt_code pt_take_immutable(struct pt_take *take, const char *from, const char *to,
                               struct pt_error *err) PT_MUST_USE;
/* A copy of `from` as it is now; one that only its owner may read stays so. */
enum pt_code pt_take_copy(struct pt_take *take, const char *from, const char *to,
                          struct pt_error *err) PT_MUST_USE;

/*
 * Fill the directory `to` from the data directory, which may be in use, and describe it. Bounded
 * tries: PT_AGAIN where the server was faster every time.
 */
enum pt_code pt_backup_take(struct pt_take *take, const struct pt_data_dir *dir,
                            const char *config_path, const char *to, struct pt_backup *backup,
                            struct pt_error *err) PT_MUST_USE;

/* "\rwhat: done of total" on standard error where that is a terminal; total 0 clears the line. */
void pt_progress_show(const char *what, uint64_t done, uint64_t total);

#endif
