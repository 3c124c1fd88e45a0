/*
 * io.h - files, behind a table of functions
 *
 * The program uses pt_io_posix(); tests put a simulated disk in its place that
 * fails, tears and forgets. Paths are NUL-terminated. All functions may be called
 * from any thread; one struct pt_file is used by one thread at a time, except
 * that reads may run beside one writer. Errors name the path. No space left is PT_FULL.
 */
#ifndef PT_BASE_IO_H
#define PT_BASE_IO_H

#include "base/error.h"
#include "base/span.h"

enum pt_open_flags {
    PT_OPEN_READ = 0,        /* an existing file, reading only */
    PT_OPEN_WRITE = 1 << 0,  /* reading and writing */
    PT_OPEN_CREATE = 1 << 1, /* create where absent (needs WRITE) */
    PT_OPEN_NEW = 1 << 2,    /* create; PT_INVALID where it exists */
    PT_OPEN_PRIVATE = 1 << 3 /* a created file has mode 0600 instead of 0644 */
};

struct pt_file; /* one open file; the implementation's own */

struct pt_io {
    void *ctx;
    enum pt_code (*open)(void *ctx, const char *path, unsigned flags, struct pt_file **file_out,
                         struct pt_error *err);
    void (*close)(void *ctx, struct pt_file *file); /* NULL is fine; loses what was not synced */
    /* Reads up to `bytes`; `*read_out` < bytes only at the end of the file. */
    enum pt_code (*read)(void *ctx, struct pt_file *file, uint64_t at, void *data, size_t bytes,
                         size_t *read_out, struct pt_error *err);
    /* Writes all of it or fails; after a failure the bytes at `at` are unknown. */
    enum pt_code (*write)(void *ctx, struct pt_file *file, uint64_t at, const void *data,
                          size_t bytes, struct pt_error *err);
    enum pt_code (*sync)(void *ctx, struct pt_file *file, struct pt_error *err); /* fdatasync */
    enum pt_code (*size)(void *ctx, struct pt_file *file, uint64_t *bytes_out,
                         struct pt_error *err);
    enum pt_code (*truncate)(void *ctx, struct pt_file *file, uint64_t bytes, struct pt_error *err);
    /* Reserve real blocks for [0, bytes), so that later writes there need no space. */
    enum pt_code (*allocate)(void *ctx, struct pt_file *file, uint64_t bytes, struct pt_error *err);
    enum pt_code (*rename)(void *ctx, const char *from, const char *to, struct pt_error *err);
    /* As rename, but PT_INVALID where `to` exists: the winner of a race is the only one. */
    enum pt_code (*rename_new)(void *ctx, const char *from, const char *to, struct pt_error *err);
    enum pt_code (*unlink)(void *ctx, const char *path,
                           struct pt_error *err); /* absent: NOT_FOUND */
    enum pt_code (*mkdir)(void *ctx, const char *path, struct pt_error *err); /* -p; present: OK */
    enum pt_code (*sync_dir)(void *ctx, const char *path, struct pt_error *err);
    /* Calls `each` for every entry but . and ..; order is not given. Absent: PT_NOT_FOUND. */
    enum pt_code (*list)(void *ctx, const char *path,
                         void (*each)(void *each_ctx, const char *name, bool is_dir),
                         void *each_ctx, struct pt_error *err);
    enum pt_code (*free_bytes)(void *ctx, const char *path, uint64_t *bytes_out,
                               struct pt_error *err);
    /*
     * A second name for the file. PT_INVALID where that cannot be (another file system, one without
     * hard links, a limit): copy it instead. NULL: never.
     */
    enum pt_code (*link)(void *ctx, const char *from, const char *to, struct pt_error *err);
    enum pt_code (*rmdir)(void *ctx, const char *path, struct pt_error *err); /* an empty one */
    /* When the file was last written, UTC. NULL: files have no times, every one is as old as can
     * be. */
    enum pt_code (*modified)(void *ctx, const char *path, int64_t *at_us_out, struct pt_error *err);
};

/* The real file system; static storage, never freed. */
struct pt_io *pt_io_posix(void);

/* Thin calls, so that code reads as pt_io_write(io, file, …). */
enum pt_code pt_io_open(struct pt_io *io, const char *path, unsigned flags,
                        struct pt_file **file_out, struct pt_error *err) PT_MUST_USE;
void pt_io_close(struct pt_io *io, struct pt_file *file);
enum pt_code pt_io_read(struct pt_io *io, struct pt_file *file, uint64_t at, void *data,
                        size_t bytes, size_t *read_out, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_write(struct pt_io *io, struct pt_file *file, uint64_t at, const void *data,
                         size_t bytes, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_sync(struct pt_io *io, struct pt_file *file, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_size(struct pt_io *io, struct pt_file *file, uint64_t *bytes_out,
                        struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_truncate(struct pt_io *io, struct pt_file *file, uint64_t bytes,
                            struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_allocate(struct pt_io *io, struct pt_file *file, uint64_t bytes,
                            struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_rename(struct pt_io *io, const char *from, const char *to,
                          struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_rename_new(struct pt_io *io, const char *from, const char *to,
                              struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_unlink(struct pt_io *io, const char *path, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_mkdir(struct pt_io *io, const char *path, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_sync_dir(struct pt_io *io, const char *path, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_list(struct pt_io *io, const char *path,
                        void (*each)(void *each_ctx, const char *name, bool is_dir), void *each_ctx,
                        struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_free_bytes(struct pt_io *io, const char *path, uint64_t *bytes_out,
                              struct pt_error *err) PT_MUST_USE;

enum pt_code pt_io_link(struct pt_io *io, const char *from, const char *to,
                        struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_rmdir(struct pt_io *io, const char *path, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_io_modified(struct pt_io *io, const char *path, int64_t *at_us_out,
                            struct pt_error *err) PT_MUST_USE;

/*
 * Put `content` at `path` whole or not at all: a file beside it is written and synced,
 * renamed over `path`, and the directory synced. `flags` may hold PT_OPEN_PRIVATE.
 */
enum pt_code pt_io_replace(struct pt_io *io, const char *path, struct pt_span content,
                           unsigned flags, struct pt_error *err) PT_MUST_USE;

/*
 * The directory that holds `path`: "." for a plain name, "/" for the root; slashes that are doubled
 * or stand at the end do not count. NULL without memory. Pair with pt_free().
 */
char *pt_io_parent(const char *path) PT_MUST_USE;

/* Sync that directory, so that the name `path` outlives a power failure. */
enum pt_code pt_io_sync_parent(struct pt_io *io, const char *path,
                               struct pt_error *err) PT_MUST_USE;

/*
 * The whole file in heap memory with `spare_bytes` zeroed bytes behind it (at least 1);
 * over `bytes_max` is PT_TOO_BIG. Pair with pt_free(data_out).
 */
enum pt_code pt_io_read_all(struct pt_io *io, const char *path, size_t bytes_max,
                            size_t spare_bytes, uint8_t **data_out, size_t *size_out,
                            struct pt_error *err) PT_MUST_USE;

#endif
