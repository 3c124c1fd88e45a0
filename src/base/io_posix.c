/*
 * io_posix.c - the real file system
 */
#include "base/io.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct pt_file {
    int fd;
    char path[]; /* for messages */
};

static enum pt_code posix_open(void *ctx, const char *path, unsigned flags,
                               struct pt_file **file_out, struct pt_error *err)
{
    int mode = O_CLOEXEC | (flags & (PT_OPEN_WRITE | PT_OPEN_NEW) ? O_RDWR : O_RDONLY);
    struct pt_file *file = NULL;
    size_t path_bytes = strlen(path) + 1;

    (void)ctx;
    if (flags & PT_OPEN_NEW) {
        mode |= O_CREAT | O_EXCL;
    } else if (flags & PT_OPEN_CREATE) {
        mode |= O_CREAT;
    }
    file = pt_alloc(sizeof(*file) + path_bytes);
    if (!file) {
        return pt_fail(err, PT_NO_MEMORY, "open %s", path);
    }
    memcpy(file->path, path, path_bytes);
    file->fd = open(path, mode, flags & PT_OPEN_PRIVATE ? 0600 : 0644);
    if (file->fd < 0) {
        int errnum = errno;

        pt_free(file);
        if (errnum == EEXIST) {
            return pt_fail(err, PT_INVALID, "create %s: it is there already", path);
        }
        return pt_fail_errno(err, errnum, "open %s", path);
    }
    *file_out = file;
    return PT_OK;
}

static void posix_close(void *ctx, struct pt_file *file)
{
    (void)ctx;
    if (file) {
        close(file->fd);
        pt_free(file);
    }
}

static enum pt_code posix_read(void *ctx, struct pt_file *file, uint64_t at, void *data,
                               size_t bytes, size_t *read_out, struct pt_error *err)
{
    size_t done = 0;

    (void)ctx;
    while (done < bytes) {
        ssize_t got = pread(file->fd, (uint8_t *)data + done, bytes - done, (off_t)(at + done));

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return pt_fail_errno(err, errno, "read %s at byte %llu", file->path,
                                 (unsigned long long)at + done);
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *read_out = done;
    return PT_OK;
}

static enum pt_code posix_write(void *ctx, struct pt_file *file, uint64_t at, const void *data,
                                size_t bytes, struct pt_error *err)
{
    size_t done = 0;

    (void)ctx;
    while (done < bytes) {
        ssize_t got =
            pwrite(file->fd, (const uint8_t *)data + done, bytes - done, (off_t)(at + done));

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return pt_fail_errno(err, errno, "write %s at byte %llu", file->path,
                                 (unsigned long long)at + done);
        }
        done += (size_t)got;
    }
    return PT_OK;
}

static enum pt_code posix_sync(void *ctx, struct pt_file *file, struct pt_error *err)
{
    (void)ctx;
    if (fdatasync(file->fd) != 0) {
        return pt_fail_errno(err, errno, "sync %s", file->path);
    }
    return PT_OK;
}

static enum pt_code posix_size(void *ctx, struct pt_file *file, uint64_t *bytes_out,
                               struct pt_error *err)
{
    struct stat status;

    (void)ctx;
    if (fstat(file->fd, &status) != 0) {
        return pt_fail_errno(err, errno, "look at %s", file->path);
    }
    *bytes_out = (uint64_t)status.st_size;
    return PT_OK;
}

static enum pt_code posix_truncate(void *ctx, struct pt_file *file, uint64_t bytes,
                                   struct pt_error *err)
{
    (void)ctx;
    if (ftruncate(file->fd, (off_t)bytes) != 0) {
        return pt_fail_errno(err, errno, "cut %s to %llu bytes", file->path,
                             (unsigned long long)bytes);
    }
    return PT_OK;
}

static enum pt_code posix_allocate(void *ctx, struct pt_file *file, uint64_t bytes,
                                   struct pt_error *err)
{
    int errnum = 0;

    (void)ctx;
    do {
        errnum = posix_fallocate(file->fd, 0, (off_t)bytes);
    } while (errnum == EINTR);
    if (errnum) {
        return pt_fail_errno(err, errnum, "reserve %llu bytes for %s", (unsigned long long)bytes,
                             file->path);
    }
    return PT_OK;
}

static enum pt_code posix_rename(void *ctx, const char *from, const char *to, struct pt_error *err)
{
    (void)ctx;
    if (rename(from, to) != 0) {
        return pt_fail_errno(err, errno, "rename %s to %s", from, to);
    }
    return PT_OK;
}

static enum pt_code posix_rename_new(void *ctx, const char *from, const char *to,
                                     struct pt_error *err)
{
    (void)ctx;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return PT_OK;
    }
    if (errno == EINVAL || errno == ENOSYS) {
        /* A file system without RENAME_NOREPLACE: a hard link has the same one winner. */
        if (link(from, to) == 0) {
            if (unlink(from) != 0) {
                return pt_fail_errno(err, errno, "remove %s", from);
            }
            return PT_OK;
        }
    }
    if (errno == EEXIST) {
        return pt_fail(err, PT_INVALID, "rename %s to %s: it is there already", from, to);
    }
    return pt_fail_errno(err, errno, "rename %s to %s", from, to);
}

static enum pt_code posix_unlink(void *ctx, const char *path, struct pt_error *err)
{
    (void)ctx;
    if (unlink(path) != 0) {
        return pt_fail_errno(err, errno, "remove %s", path);
    }
    return PT_OK;
}

static enum pt_code posix_mkdir(void *ctx, const char *path, struct pt_error *err)
{
    char *copy = pt_strdup(path);
    enum pt_code code = PT_OK;

    (void)ctx;
    if (!copy) {
        return pt_fail(err, PT_NO_MEMORY, "make directory %s", path);
    }
    for (char *at = copy + 1;; at++) {
        if (*at == '/' || *at == '\0') {
            char kept = *at;
            struct stat status;

            *at = '\0';
            if (mkdir(copy, 0755) != 0 &&
                (errno != EEXIST || stat(copy, &status) != 0 || !S_ISDIR(status.st_mode))) {
                code = pt_fail_errno(err, errno, "make directory %s", copy);
                break;
            }
            *at = kept;
            if (!kept) {
                break;
            }
        }
    }
    pt_free(copy);
    return code;
}

static enum pt_code posix_sync_dir(void *ctx, const char *path, struct pt_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int errnum = 0;

    (void)ctx;
    if (fd < 0) {
        return pt_fail_errno(err, errno, "open directory %s", path);
    }
    if (fsync(fd) != 0) {
        errnum = errno;
    }
    close(fd);
    return errnum ? pt_fail_errno(err, errnum, "sync directory %s", path) : PT_OK;
}

static enum pt_code posix_list(void *ctx, const char *path,
                               void (*each)(void *each_ctx, const char *name, bool is_dir),
                               void *each_ctx, struct pt_error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry = NULL;
    int errnum = 0;

    (void)ctx;
    if (!dir) {
        return pt_fail_errno(err, errno, "list directory %s", path);
    }
    for (;;) {
        bool is_dir = false;

        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            errnum = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        is_dir = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
            struct stat status;

            is_dir = fstatat(dirfd(dir), entry->d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
        }
        each(each_ctx, entry->d_name, is_dir);
    }
    closedir(dir);
    return errnum ? pt_fail_errno(err, errnum, "list directory %s", path) : PT_OK;
}

static enum pt_code posix_free_bytes(void *ctx, const char *path, uint64_t *bytes_out,
                                     struct pt_error *err)
{
    struct statvfs status;

    (void)ctx;
    if (statvfs(path, &status) != 0) {
        return pt_fail_errno(err, errno, "look at the free space of %s", path);
    }
    *bytes_out = (uint64_t)status.f_bavail * status.f_frsize;
    return PT_OK;
}

static enum pt_code posix_link(void *ctx, const char *from, const char *to, struct pt_error *err)
{
    (void)ctx;
    if (link(from, to) == 0) {
        return PT_OK;
    }
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP ||
        errno == ENOSYS) {
        (void)pt_fail_errno(err, errno, "link %s to %s", from, to);
        return PT_INVALID;
    }
    return pt_fail_errno(err, errno, "link %s to %s", from, to);
}

static enum pt_code posix_rmdir(void *ctx, const char *path, struct pt_error *err)
{
    (void)ctx;
    return rmdir(path) == 0 ? PT_OK : pt_fail_errno(err, errno, "remove directory %s", path);
}

static enum pt_code posix_modified(void *ctx, const char *path, int64_t *at_us_out,
                                   struct pt_error *err)
{
    struct stat status;

    (void)ctx;
    if (stat(path, &status) != 0) {
        return pt_fail_errno(err, errno, "look at %s", path);
    }
    *at_us_out = (int64_t)status.st_mtim.tv_sec * 1000000 + status.st_mtim.tv_nsec / 1000;
    return PT_OK;
}

struct pt_io *pt_io_posix(void)
{
    static struct pt_io posix = {
        .ctx = NULL,
        .open = posix_open,
        .close = posix_close,
        .read = posix_read,
        .write = posix_write,
        .sync = posix_sync,
        .size = posix_size,
        .truncate = posix_truncate,
        .allocate = posix_allocate,
        .rename = posix_rename,
        .rename_new = posix_rename_new,
        .unlink = posix_unlink,
        .mkdir = posix_mkdir,
        .sync_dir = posix_sync_dir,
        .list = posix_list,
        .free_bytes = posix_free_bytes,
        .link = posix_link,
        .rmdir = posix_rmdir,
        .modified = posix_modified,
    };

    return &posix;
}
