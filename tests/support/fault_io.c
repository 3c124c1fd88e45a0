/*
 * fault_io.c - the real file system, until the Nth change fails
 */
#include "fault_io.h"

#include <stdatomic.h>

static _Atomic unsigned calls;
static unsigned fail_from_call;
static struct pt_io *real;

static bool fails(struct pt_error *err, enum pt_code *code_out)
{
    unsigned call = atomic_fetch_add(&calls, 1) + 1;

    if (fail_from_call && call >= fail_from_call) {
        *code_out = pt_fail(err, PT_IO, "planted fault at call %u", call);
        return true;
    }
    return false;
}

static enum pt_code fault_open(void *ctx, const char *path, unsigned flags, struct pt_file **out,
                               struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return flags && fails(err, &code) ? code : real->open(real->ctx, path, flags, out, err);
}

static void fault_close(void *ctx, struct pt_file *file)
{
    (void)ctx;
    real->close(real->ctx, file);
}

static enum pt_code fault_read(void *ctx, struct pt_file *file, uint64_t at, void *data,
                               size_t bytes, size_t *out, struct pt_error *err)
{
    (void)ctx;
    return real->read(real->ctx, file, at, data, bytes, out, err);
}

static enum pt_code fault_write(void *ctx, struct pt_file *file, uint64_t at, const void *data,
                                size_t bytes, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->write(real->ctx, file, at, data, bytes, err);
}

static enum pt_code fault_sync(void *ctx, struct pt_file *file, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->sync(real->ctx, file, err);
}

static enum pt_code fault_size(void *ctx, struct pt_file *file, uint64_t *out, struct pt_error *err)
{
    (void)ctx;
    return real->size(real->ctx, file, out, err);
}

static enum pt_code fault_truncate(void *ctx, struct pt_file *file, uint64_t bytes,
                                   struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->truncate(real->ctx, file, bytes, err);
}

static enum pt_code fault_allocate(void *ctx, struct pt_file *file, uint64_t bytes,
                                   struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->allocate(real->ctx, file, bytes, err);
}

static enum pt_code fault_rename(void *ctx, const char *from, const char *to, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->rename(real->ctx, from, to, err);
}

static enum pt_code fault_rename_new(void *ctx, const char *from, const char *to,
                                     struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->rename_new(real->ctx, from, to, err);
}

static enum pt_code fault_unlink(void *ctx, const char *path, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->unlink(real->ctx, path, err);
}

static enum pt_code fault_mkdir(void *ctx, const char *path, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->mkdir(real->ctx, path, err);
}

static enum pt_code fault_sync_dir(void *ctx, const char *path, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->sync_dir(real->ctx, path, err);
}

static enum pt_code fault_list(void *ctx, const char *path,
                               void (*each)(void *each_ctx, const char *name, bool is_dir),
                               void *each_ctx, struct pt_error *err)
{
    (void)ctx;
    return real->list(real->ctx, path, each, each_ctx, err);
}

static enum pt_code fault_free_bytes(void *ctx, const char *path, uint64_t *out,
                                     struct pt_error *err)
{
    (void)ctx;
    return real->free_bytes(real->ctx, path, out, err);
}

static enum pt_code fault_link(void *ctx, const char *from, const char *to, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->link(real->ctx, from, to, err);
}

static enum pt_code fault_rmdir(void *ctx, const char *path, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    (void)ctx;
    return fails(err, &code) ? code : real->rmdir(real->ctx, path, err);
}

struct pt_io *pt_fault_io(unsigned fail_from)
{
    static struct pt_io io = {
        .open = fault_open,
        .close = fault_close,
        .read = fault_read,
        .write = fault_write,
        .sync = fault_sync,
        .size = fault_size,
        .truncate = fault_truncate,
        .allocate = fault_allocate,
        .rename = fault_rename,
        .rename_new = fault_rename_new,
        .unlink = fault_unlink,
        .mkdir = fault_mkdir,
        .sync_dir = fault_sync_dir,
        .list = fault_list,
        .free_bytes = fault_free_bytes,
        .link = fault_link,
        .rmdir = fault_rmdir,
    };

    real = pt_io_posix();
    fail_from_call = fail_from;
    atomic_store(&calls, 0);
    return &io;
}

bool pt_fault_io_fired(void)
{
    return fail_from_call && atomic_load(&calls) >= fail_from_call;
}

unsigned pt_fault_io_calls(void)
{
    return atomic_load(&calls);
}
