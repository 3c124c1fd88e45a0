/*
 * idset_verify.c - reading id runs through, for audits
 */
#include "stream/run.h"
#include "stream/stream.h"

struct verify {
    struct pt_io *io;
    const char *dir;
    void (*damaged)(void *ctx, const char *reason);
    void *ctx;
    uint64_t runs;
    uint64_t ids;
};

/* A running engine removes what it has merged or dropped. */
static bool is_gone(struct pt_io *io, const char *path)
{
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(io, path, PT_OPEN_READ, &file, NULL);

    if (!code) {
        pt_io_close(io, file);
    }
    return code == PT_NOT_FOUND;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t bytes = strlen(name);

    return bytes >= strlen(suffix) && strcmp(name + bytes - strlen(suffix), suffix) == 0;
}

static void verify_run(void *ctx, const char *name, bool is_dir)
{
    struct verify *verify = ctx;
    struct pt_run *run = NULL;
    struct pt_error err = {0};
    bool is_run = !is_dir && !ends_with(name, PT_RUN_UNFINISHED);
    enum pt_code code =
        is_run ? pt_run_open(&run, verify->io, verify->dir, name, &err) : PT_NOT_FOUND;

    if (!code) {
        code = pt_run_verify(run, &err);
        if (code && is_gone(verify->io, run->path)) {
            code = PT_NOT_FOUND;
        }
    }
    if (!code) {
        verify->runs++;
        verify->ids += run->header.count;
    } else if (code != PT_NOT_FOUND) {
        verify->damaged(verify->ctx, err.text);
    }
    pt_run_close(run);
}

enum pt_code pt_stream_verify_runs(struct pt_io *io, const char *state_dir,
                                   void (*damaged)(void *ctx, const char *reason), void *ctx,
                                   uint64_t *runs_out, uint64_t *ids_out, struct pt_error *err)
{
    char *dir = pt_strf("%s/ids", state_dir);
    struct verify verify = {.io = io, .dir = dir, .damaged = damaged, .ctx = ctx};
    enum pt_code code = dir ? pt_io_list(io, dir, verify_run, &verify, err)
                            : pt_fail(err, PT_NO_MEMORY, "verify the id runs");

    *runs_out = verify.runs;
    *ids_out = verify.ids;
    pt_free(dir);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

static enum pt_code read_run(struct pt_io *io, const char *dir, const char *name,
                             enum pt_code (*each)(void *ctx, const uint8_t id[PT_UUID_BYTES],
                                                  uint32_t bucket, struct pt_error *err),
                             void *ctx, bool *is_exact, struct pt_error *err)
{
    struct pt_run *run = NULL;
    struct pt_run_cursor cursor = {0};
    struct pt_id id;
    uint8_t bytes[PT_UUID_BYTES];
    enum pt_code code = pt_run_open(&run, io, dir, name, err);

    if (code) {
        return code;
    }
    if (!run->header.has_ids) {
        *is_exact = false;
        goto out;
    }
    code = pt_run_cursor_open(&cursor, run, false, err);
    while (!code) {
        code = pt_run_cursor_next(&cursor, &id, err);
        if (!code) {
            pt_id_put(id, bytes);
            code = each(ctx, bytes, run->header.bucket, err);
        } else if (code == PT_NOT_FOUND) {
            code = is_gone(io, run->path) ? code : PT_OK; /* the end, not a run that was removed */
            break;
        }
    }
    pt_run_cursor_close(&cursor);

out:
    pt_run_close(run);
    return code;
}

enum pt_code pt_stream_read_ids(struct pt_io *io, const char *state_dir,
                                enum pt_code (*each)(void *ctx, const uint8_t id[PT_UUID_BYTES],
                                                     uint32_t bucket, struct pt_error *err),
                                void *ctx, bool *is_exact_out, struct pt_error *err)
{
    struct pt_state_files files = {0};
    char *dir = pt_strf("%s/ids", state_dir);
    enum pt_code code = dir ? pt_stream_list_files(io, state_dir, &files, err)
                            : pt_fail(err, PT_NO_MEMORY, "read the id runs");

    *is_exact_out = true;
    for (size_t i = 0; !code && i < files.count; i++) {
        if (strncmp(files.paths[i], "ids/", 4) == 0) {
            code = read_run(io, dir, files.paths[i] + 4, each, ctx, is_exact_out, err);
        }
    }
    pt_state_files_release(&files);
    pt_free(dir);
    return code;
}
