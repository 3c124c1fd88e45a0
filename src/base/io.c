/*
 * io.c - thin calls over the table of functions, and whole-file helpers
 */
#include "base/io.h"

#include "base/mem.h"

enum pt_code pt_io_open(struct pt_io *io, const char *path, unsigned flags,
                        struct pt_file **file_out, struct pt_error *err)
{
    *file_out = NULL;
    return io->open(io->ctx, path, flags, file_out, err);
}

void pt_io_close(struct pt_io *io, struct pt_file *file)
{
    if (file) {
        io->close(io->ctx, file);
    }
}

enum pt_code pt_io_read(struct pt_io *io, struct pt_file *file, uint64_t at, void *data,
                        size_t bytes, size_t *read_out, struct pt_error *err)
{
    return io->read(io->ctx, file, at, data, bytes, read_out, err);
}

enum pt_code pt_io_write(struct pt_io *io, struct pt_file *file, uint64_t at, const void *data,
                         size_t bytes, struct pt_error *err)
{
    return io->write(io->ctx, file, at, data, bytes, err);
}

enum pt_code pt_io_sync(struct pt_io *io, struct pt_file *file, struct pt_error *err)
{
    return io->sync(io->ctx, file, err);
}

enum pt_code pt_io_size(struct pt_io *io, struct pt_file *file, uint64_t *bytes_out,
                        struct pt_error *err)
{
    return io->size(io->ctx, file, bytes_out, err);
}

enum pt_code pt_io_truncate(struct pt_io *io, struct pt_file *file, uint64_t bytes,
                            struct pt_error *err)
{
    return io->truncate(io->ctx, file, bytes, err);
}

enum pt_code pt_io_allocate(struct pt_io *io, struct pt_file *file, uint64_t bytes,
                            struct pt_error *err)
{
    return io->allocate(io->ctx, file, bytes, err);
}

enum pt_code pt_io_rename(struct pt_io *io, const char *from, const char *to, struct pt_error *err)
{
    return io->rename(io->ctx, from, to, err);
}

enum pt_code pt_io_rename_new(struct pt_io *io, const char *from, const char *to,
                              struct pt_error *err)
{
    return io->rename_new(io->ctx, from, to, err);
}

enum pt_code pt_io_unlink(struct pt_io *io, const char *path, struct pt_error *err)
{
    return io->unlink(io->ctx, path, err);
}

enum pt_code pt_io_mkdir(struct pt_io *io, const char *path, struct pt_error *err)
{
    return io->mkdir(io->ctx, path, err);
}

enum pt_code pt_io_sync_dir(struct pt_io *io, const char *path, struct pt_error *err)
{
    return io->sync_dir(io->ctx, path, err);
}

enum pt_code pt_io_list(struct pt_io *io, const char *path,
                        void (*each)(void *each_ctx, const char *name, bool is_dir), void *each_ctx,
                        struct pt_error *err)
{
    return io->list(io->ctx, path, each, each_ctx, err);
}

enum pt_code pt_io_free_bytes(struct pt_io *io, const char *path, uint64_t *bytes_out,
                              struct pt_error *err)
{
    return io->free_bytes(io->ctx, path, bytes_out, err);
}

enum pt_code pt_io_link(struct pt_io *io, const char *from, const char *to, struct pt_error *err)
{
    return io->link ? io->link(io->ctx, from, to, err)
                    : pt_fail(err, PT_INVALID, "link %s: there are no hard links", from);
}

enum pt_code pt_io_rmdir(struct pt_io *io, const char *path, struct pt_error *err)
{
    return io->rmdir ? io->rmdir(io->ctx, path, err)
                     : pt_fail(err, PT_IO, "remove directory %s: not possible here", path);
}

enum pt_code pt_io_modified(struct pt_io *io, const char *path, int64_t *at_us_out,
                            struct pt_error *err)
{
    *at_us_out = 0;
    return io->modified ? io->modified(io->ctx, path, at_us_out, err) : PT_OK;
}

char *pt_io_parent(const char *path)
{
    size_t bytes = strlen(path);

    while (bytes > 1 && path[bytes - 1] == '/') {
        bytes--;
    }
    while (bytes > 0 && path[bytes - 1] != '/') {
        bytes--;
    }
    while (bytes > 1 && path[bytes - 1] == '/') {
        bytes--;
    }
    return bytes > 0 ? pt_strndup(path, bytes) : pt_strdup(".");
}

enum pt_code pt_io_sync_parent(struct pt_io *io, const char *path, struct pt_error *err)
{
    char *parent = pt_io_parent(path);
    enum pt_code code = parent ? pt_io_sync_dir(io, parent, err)
                               : pt_fail(err, PT_NO_MEMORY, "sync the directory of %s", path);

    pt_free(parent);
    return code;
}

enum pt_code pt_io_replace(struct pt_io *io, const char *path, struct pt_span content,
                           unsigned flags, struct pt_error *err)
{
    struct pt_file *file = NULL;
    char *temporary = pt_strf("%s.tmp", path);
    enum pt_code code = PT_OK;

    if (!temporary) {
        code = pt_fail(err, PT_NO_MEMORY, "replace %s", path);
        goto out;
    }
    code = pt_io_open(io, temporary, PT_OPEN_WRITE | PT_OPEN_CREATE | (flags & PT_OPEN_PRIVATE),
                      &file, err);
    if (code) {
        goto out;
    }
    code = pt_io_truncate(io, file, 0, err);
    if (code) {
        goto out;
    }
    if (content.size) {
        code = pt_io_write(io, file, 0, content.data, content.size, err);
        if (code) {
            goto out;
        }
    }
    code = pt_io_sync(io, file, err);
    if (code) {
        goto out;
    }
    code = pt_io_rename(io, temporary, path, err);
    if (code) {
        goto out;
    }
    code = pt_io_sync_parent(io, path, err);

out:
    pt_io_close(io, file);
    pt_free(temporary);
    return code;
}

enum pt_code pt_io_read_all(struct pt_io *io, const char *path, size_t bytes_max,
                            size_t spare_bytes, uint8_t **data_out, size_t *size_out,
                            struct pt_error *err)
{
    struct pt_file *file = NULL;
    uint8_t *data = NULL;
    uint64_t size = 0;
    size_t got = 0;
    enum pt_code code = PT_OK;

    *data_out = NULL;
    *size_out = 0;
    spare_bytes = spare_bytes ? spare_bytes : 1;
    code = pt_io_open(io, path, PT_OPEN_READ, &file, err);
    if (code) {
        goto out;
    }
    code = pt_io_size(io, file, &size, err);
    if (code) {
        goto out;
    }
    if (size > bytes_max) {
        code = pt_fail(err, PT_TOO_BIG, "%s has %llu bytes, the limit is %zu", path,
                       (unsigned long long)size, bytes_max);
        goto out;
    }
    data = pt_alloc((size_t)size + spare_bytes);
    if (!data) {
        code = pt_fail(err, PT_NO_MEMORY, "read %s", path);
        goto out;
    }
    code = pt_io_read(io, file, 0, data, (size_t)size, &got, err);
    if (code) {
        goto out;
    }
    memset(data + got, 0, (size_t)size - got + spare_bytes);
    *data_out = data;
    *size_out = got;
    data = NULL;

out:
    pt_free(data);
    pt_io_close(io, file);
    return code;
}
