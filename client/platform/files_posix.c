/*
 * files_posix.c - the default platform's files
 *
 * A handle is the descriptor plus one, so that NULL stays free and nothing is allocated.
 */
#include "platform/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_PATH_BYTES (PLAYTRACE_URL_BYTES_MAX + 16)

static void *handle_of(int fd)
{
    return (void *)((intptr_t)fd + 1);
}

static int fd_of(void *handle)
{
    return (int)((intptr_t)handle - 1);
}

static int dir_create(void *ctx, const char *path)
{
    (void)ctx;
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

static int dir_list(void *ctx, const char *path, void (*each)(void *arg, const char *name),
                    void *arg)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    int result = 0;

    (void)ctx;
    if (!dir) {
        return -1;
    }
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            result = errno == 0 ? 0 : -1;
            break;
        }
        each(arg, entry->d_name);
    }
    (void)closedir(dir);
    return result;
}

/* flock() rather than fcntl(): it also keeps two clients of one process apart. */
static int dir_lock(void *ctx, const char *path, void **lock_out)
{
    char name[LOCK_PATH_BYTES];
    int fd = -1;

    (void)ctx;
    *lock_out = NULL;
    (void)snprintf(name, sizeof(name), "%s/lock", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int result = errno == EWOULDBLOCK ? 1 : -1;

        (void)close(fd);
        return result;
    }
    *lock_out = handle_of(fd);
    return 0;
}

static void dir_unlock(void *ctx, void *lock)
{
    (void)ctx;
    (void)close(fd_of(lock));
}

static int file_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    int flags = O_CLOEXEC | O_RDONLY;
    int fd = -1;

    (void)ctx;
    if (mode != PLAYTRACE_FILE_READ) {
        flags = O_CLOEXEC | O_RDWR | O_CREAT | O_APPEND;
    }
    if (mode == PLAYTRACE_FILE_REPLACE) {
        flags |= O_TRUNC;
    }
    *file_out = NULL;
    fd = open(path, flags, 0600);
    if (fd < 0) {
        return -1;
    }
    *file_out = handle_of(fd);
    return 0;
}

static int64_t file_size(void *ctx, void *file)
{
    struct stat info;

    (void)ctx;
    return fstat(fd_of(file), &info) == 0 ? (int64_t)info.st_size : -1;
}

static int file_append(void *ctx, void *file, const void *data, size_t bytes)
{
    const char *from = data;

    (void)ctx;
    while (bytes > 0) {
        ssize_t done = write(fd_of(file), from, bytes);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return -1;
        }
        from += done;
        bytes -= (size_t)done;
    }
    return 0;
}

static int64_t file_read(void *ctx, void *file, uint64_t offset, void *buffer, size_t bytes)
{
    char *to = buffer;
    size_t total = 0;

    (void)ctx;
    while (total < bytes) {
        ssize_t got = pread(fd_of(file), to + total, bytes - total, (off_t)(offset + total));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        total += (size_t)got;
    }
    return (int64_t)total;
}

static int file_truncate(void *ctx, void *file, uint64_t bytes)
{
    (void)ctx;
    return ftruncate(fd_of(file), (off_t)bytes) == 0 ? 0 : -1;
}

static int file_sync(void *ctx, void *file)
{
    (void)ctx;
    return fsync(fd_of(file)) == 0 ? 0 : -1;
}

static void file_close(void *ctx, void *file)
{
    (void)ctx;
    (void)close(fd_of(file));
}

static int file_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) == 0 ? 0 : -1;
}

static int file_remove(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -1;
}

void pt_client_files_posix_init(struct playtrace_platform *platform)
{
    platform->dir_create = dir_create;
    platform->dir_list = dir_list;
    platform->dir_lock = dir_lock;
    platform->dir_unlock = dir_unlock;
    platform->file_open = file_open;
    platform->file_size = file_size;
    platform->file_append = file_append;
    platform->file_read = file_read;
    platform->file_truncate = file_truncate;
    platform->file_sync = file_sync;
    platform->file_close = file_close;
    platform->file_rename = file_rename;
    platform->file_remove = file_remove;
}
