/*
 * cmd_backup.c - `playtrace backup DIR`: a consistent copy, while the server runs
 */
#include "base/host.h"
#include "base/mem.h"
#include "cmd/backup.h"
#include "cmd/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A backup within the data directory would become a part of the next one, and of its own. */
static enum pt_code check_apart(const char *root, const char *place, struct pt_error *err)
{
    char *data = pt_host_real_path(root, err);
    size_t size = 0;
    enum pt_code code = PT_OK;

    if (!data) {
        return PT_IO;
    }
    size = strlen(data);
    if (strncmp(place, data, size) == 0 && (place[size] == '/' || place[size] == '\0')) {
        code = pt_fail(err, PT_INVALID, "%s lies in the data directory %s: put it elsewhere", place,
                       data);
    }
    pt_free(data);
    return code;
}

static void report(const struct pt_backup *backup, const struct pt_take *take, const char *place)
{
    printf("%s\n"
           "  checkpoint   %" PRIu64 ", %" PRIu64 " rows in the table\n"
           "  log          offsets %" PRIu64 " to %" PRIu64 ", %" PRIu64 " not in the table yet\n"
           "  dead letters %" PRIu64 "\n"
           "  files        %zu, %.1f MiB: %" PRIu64 " linked, %" PRIu64 " copied\n",
           place, backup->checkpoint, backup->rows, backup->log_start, backup->log_end,
           backup->log_end - backup->checkpoint_offset, backup->dead_letters, backup->count,
           (double)backup->bytes / (1 << 20), take->linked, take->copied);
}

static enum pt_code run_backup(const struct pt_data_dir *dir, const char *config_path,
                               const char *target, bool is_copying, struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    struct pt_take take = {.io = io, .is_copying = is_copying};
    struct pt_partial partial = {0};
    struct pt_backup backup = {0};
    enum pt_code code = pt_data_dir_check(dir, err);

    if (!code) {
        code = pt_partial_begin(&partial, io, target, err);
    }
    if (!code) {
        code = check_apart(dir->root, partial.place, err);
    }
    if (!code) {
        code = pt_backup_take(&take, dir, config_path, partial.path, &backup, err);
    }
    if (!code) {
        code = pt_backup_write(io, partial.path, &backup, err);
    }
    if (!code) {
        code = pt_partial_commit(&partial, io, err);
    }
    if (!code) {
        report(&backup, &take, partial.place);
    }
    pt_partial_end(&partial, io);
    pt_backup_release(&backup);
    return code;
}

int pt_cmd_backup(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *target = NULL;
    bool is_copying = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--config", "FILE", "the server's settings: kept in the backup as " PT_BACKUP_CONFIG,
         &config_path, NULL},
        {"--copy", NULL, "copy every file, also where a hard link would do", NULL, &is_copying},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace backup DIR [--data DIR] [--config FILE] [--copy]",
        .about = "Puts a consistent copy of the data directory at DIR, which must not exist or be "
                 "empty, while the server runs or stands. Files that never change are hard-linked "
                 "where DIR is on the same file system. `playtrace restore` brings it back.",
        .options = options,
        .positional = &target,
        .positional_max = 1,
    };
    struct pt_data_dir dir = {0};
    struct pt_error err = {0};
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (line.positional_count != 1) {
        pt_cmd_say("backup: name the directory to put the backup in: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    code = pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err);
    if (!code) {
        code = run_backup(&dir, config_path, target, is_copying, &err);
    }
    pt_data_dir_release(&dir);
    return code ? pt_cmd_failed("backup", &err) : PT_EXIT_OK;
}
