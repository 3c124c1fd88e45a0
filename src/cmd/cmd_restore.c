/*
 * cmd_restore.c - `playtrace restore DIR --data TARGET`: a backup becomes a data directory
 *
 * All of the backup is verified before anything is made. Files that a server never changes are
 * linked, the others copied, so that the backup stays what it is; the table's metadata is written
 * anew, because it names the place where the table stands.
 */
#include "base/host.h"
#include "base/mem.h"
#include "base/tree.h"
#include "cmd/backup.h"
#include "cmd/cmd.h"
#include "lake/lake.h"
#include "stream/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAMED_MAX 20

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* ---- verifying ---- */

/* PT_CORRUPT says what is wrong with the one file. */
static enum pt_code verify_file(struct pt_io *io, const char *from,
                                const struct pt_backup_file *file, struct pt_error *err)
{
    char *path = pt_strf("%s/%s", from, file->path);
    uint64_t bytes = 0;
    uint64_t sum = 0;
    enum pt_code code = path ? pt_file_sum(io, path, &bytes, &sum, err)
                             : pt_fail(err, PT_NO_MEMORY, "verify the backup");

    if (code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_CORRUPT, "%s is missing", path);
    } else if (!code && bytes != file->bytes) {
        code = pt_fail(err, PT_CORRUPT, "%s has %" PRIu64 " bytes, not %" PRIu64, path, bytes,
                       file->bytes);
    } else if (!code && sum != file->sum) {
        code =
            pt_fail(err, PT_CORRUPT, "%s: its bytes have changed since the backup was made", path);
    }
    pt_free(path);
    return code;
}

static enum pt_code verify(struct pt_io *io, const char *from, const struct pt_backup *backup,
                           struct pt_error *err)
{
    uint64_t faults = 0;

    for (size_t i = 0; i < backup->count; i++) {
        struct pt_error fault = {0};

        pt_progress_show("verify", i, backup->count);
        if (verify_file(io, from, &backup->files[i], &fault)) {
            faults++;
            if (faults <= NAMED_MAX) {
                pt_cmd_say("restore: %s", fault.text);
            }
        }
    }
    pt_progress_show(NULL, 0, 0);
    return faults ? pt_fail(err, PT_CORRUPT,
                            "the backup %s is damaged: %" PRIu64 " of %zu files; nothing was "
                            "restored",
                            from, faults, backup->count)
                  : PT_OK;
}

/* ---- restoring ---- */

/* Never changed by a server, only removed. */
static bool is_immutable(const char *path)
{
    return starts_with(path, "lake/events/data/") || starts_with(path, "state/ids/") ||
           starts_with(path, "state/checkpoint-") || starts_with(path, "state/ledger/");
}

static enum pt_code place_file(struct pt_take *take, const char *from, const char *to,
                               const char *relative, struct pt_error *err)
{
    char *source = pt_strf("%s/%s", from, relative);
    char *target = pt_strf("%s/%s", to, relative);
    enum pt_code code = PT_OK;

    if (!source || !target) {
        code = pt_fail(err, PT_NO_MEMORY, "restore %s", relative);
    } else if (is_immutable(relative)) {
        code = pt_take_immutable(take, source, target, err);
    } else {
        code = pt_take_copy(take, source, target, err);
    }
    pt_free(target);
    pt_free(source);
    return code;
}

static enum pt_code relocate_table(struct pt_io *io, const char *from, const char *to,
                                   const char *place, struct pt_error *err)
{
    char *source = pt_strf("%s/lake/events", from);
    char *target = pt_strf("%s/lake/events", to);
    char *location = pt_strf("%s/lake/events", place);
    enum pt_code code = source && target && location
                            ? pt_lake_relocate(io, source, target, location, err)
                            : pt_fail(err, PT_NO_MEMORY, "restore the table");

    pt_free(location);
    pt_free(target);
    pt_free(source);
    return code;
}

static enum pt_code fill(struct pt_take *take, const char *from, const struct pt_partial *partial,
                         const struct pt_backup *backup, struct pt_error *err)
{
    bool has_table = false;
    enum pt_code code = PT_OK;

    for (size_t i = 0; !code && i < backup->count; i++) {
        const char *path = backup->files[i].path;

        pt_progress_show("restore", i, backup->count);
        if (starts_with(path, "lake/events/metadata/")) {
            has_table = true;
        } else {
            code = place_file(take, from, partial->path, path, err);
        }
    }
    pt_progress_show(NULL, 0, 0);
    return !code && has_table ? relocate_table(take->io, from, partial->path, partial->place, err)
                              : code;
}

/* Checkpoint and table as they were described: what the server will start from. */
static enum pt_code check_result(struct pt_io *io, const char *path, const struct pt_backup *backup,
                                 struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    struct pt_checkpoint_summary checkpoint;
    struct pt_lake_snapshot snapshot = {0};
    enum pt_code code = pt_data_dir_init(&dir, path, err);

    if (!code) {
        code = pt_stream_read_checkpoint(io, dir.state, &checkpoint, err);
    }
    if (!code) {
        code = pt_lake_read(io, dir.lake, &snapshot, err);
    }
    if (!code && (checkpoint.number != backup->checkpoint || snapshot.row_count != backup->rows)) {
        code = pt_fail(err, PT_CORRUPT,
                       "restored are checkpoint %" PRIu64 " and %" PRIu64
                       " rows, the backup has checkpoint %" PRIu64 " and %" PRIu64 " rows",
                       checkpoint.number, snapshot.row_count, backup->checkpoint, backup->rows);
    }
    pt_lake_snapshot_release(&snapshot);
    pt_data_dir_release(&dir);
    return code;
}

static enum pt_code run_restore(const char *from, const char *target, bool is_copying,
                                struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    struct pt_take take = {.io = io, .is_copying = is_copying};
    struct pt_partial partial = {0};
    struct pt_backup backup = {0};
    enum pt_code code = pt_backup_read(io, from, &backup, err);

    if (!code) {
        code = pt_partial_begin(&partial, io, target, err);
    }
    if (!code) {
        code = verify(io, from, &backup, err);
    }
    if (!code) {
        code = fill(&take, from, &partial, &backup, err);
    }
    if (!code) {
        code = check_result(io, partial.path, &backup, err);
    }
    if (!code) {
        code = pt_partial_commit(&partial, io, err);
    }
    if (!code) {
        printf("%s\n"
               "  checkpoint   %" PRIu64 ", %" PRIu64 " rows in the table\n"
               "  log          %" PRIu64 " events more, which the server stores when it starts\n"
               "  files        %zu, %.1f MiB: %" PRIu64 " linked, %" PRIu64 " copied\n"
               "start the server with `playtrace serve --data %s`\n",
               partial.place, backup.checkpoint, backup.rows,
               backup.log_end - backup.checkpoint_offset, backup.count,
               (double)backup.bytes / (1 << 20), take.linked, take.copied, target);
    }
    pt_partial_end(&partial, io);
    pt_backup_release(&backup);
    return code;
}

int pt_cmd_restore(int argc, char **argv)
{
    const char *data = NULL;
    const char *from = NULL;
    bool is_copying = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "where to: must not exist or be empty (default $PLAYTRACE_DATA)", &data,
         NULL},
        {"--copy", NULL, "copy every file, also where a hard link would do", NULL, &is_copying},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace restore BACKUP --data DIR [--copy]",
        .about = "Verifies every file of a backup that `playtrace backup` made, and puts it in "
                 "place as the data directory DIR. The backup is not changed.",
        .options = options,
        .positional = &from,
        .positional_max = 1,
    };
    struct pt_error err = {0};
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (line.positional_count != 1) {
        pt_cmd_say("restore: name the backup to restore: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    return run_restore(from, pt_cmd_data_dir(data), is_copying, &err)
               ? pt_cmd_failed("restore", &err)
               : PT_EXIT_OK;
}
