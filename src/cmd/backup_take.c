/*
 * backup_take.c - a consistent copy of a data directory that may be in use
 *
 * Order is what makes it consistent. Checkpoint and table first: they name files that never
 * change, and a pair that a crash could leave is legal for recovery. Then the log, from before the
 * checkpoint's offset to its newest whole batch, so that all that was acknowledged when the backup
 * began is in. Then the dead letters: the log counts those written before it, and those behind the
 * last count are cut when the copy is opened, as after a crash. Then the rest.
 *
 * A server goes on meanwhile and removes what it no longer needs. Where a file is gone, all is read
 * again; files that are there already stay, so that the tries get shorter, and those that the
 * last one does not name are removed in the end.
 */
#include "cmd/backup.h"

#include "base/clock.h"
#include "base/host.h"
#include "base/mem.h"
#include "base/tree.h"
#include "lake/lake.h"
#include "log/log.h"
#include "stream/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define TRIES_MAX 20
#define SAME_TRIES_MAX 5
#define TRY_PAUSE_NS 100000000

struct taking {
    struct pt_take *take;
    const struct pt_data_dir *dir;
    const char *to;
    struct pt_backup *backup;
    char **named; /* files below state/ and lake/ that the last try names, relative to `to` */
    size_t named_count;
    size_t named_capacity;
    uint64_t version; /* of the table's metadata, as the last try read it */
};

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "take a backup");
}

/* ---- one file ---- */

static enum pt_code make_parents(struct pt_io *io, const char *path, struct pt_error *err)
{
    char *dir = pt_io_parent(path);
    enum pt_code code = dir ? pt_io_mkdir(io, dir, err) : no_memory(err);

    pt_free(dir);
    return code;
}

enum pt_code pt_take_copy(struct pt_take *take, const char *from, const char *to,
                          struct pt_error *err)
{
    struct pt_host_file look;
    enum pt_code code = pt_host_look(from, &look, err);

    if (!code) {
        code = make_parents(take->io, to, err);
    }
    if (!code) {
        code = pt_file_copy(take->io, from, to, look.mode & 0077 ? 0 : PT_OPEN_PRIVATE, err);
    }
    take->copied += code == PT_OK;
    return code;
}

enum pt_code pt_take_immutable(struct pt_take *take, const char *from, const char *to,
                               struct pt_error *err)
{
    enum pt_code code = take->is_copying ? PT_INVALID : make_parents(take->io, to, err);

    if (!code) {
        code = pt_io_link(take->io, from, to, err);
        take->linked += code == PT_OK;
    }
    return code == PT_INVALID ? pt_take_copy(take, from, to, err) : code;
}

/* ---- state and table ---- */

static void forget_named(struct taking *taking)
{
    for (size_t i = 0; i < taking->named_count; i++) {
        pt_free(taking->named[i]);
    }
    taking->named_count = 0;
}

/* Takes `path`. */
static enum pt_code remember(struct taking *taking, char *path, struct pt_error *err)
{
    if (path && taking->named_count == taking->named_capacity) {
        size_t capacity = taking->named_capacity ? 2 * taking->named_capacity : 256;
        char **grown = pt_realloc(taking->named, capacity * sizeof(*grown));

        if (!grown) {
            pt_free(path);
            return no_memory(err);
        }
        taking->named = grown;
        taking->named_capacity = capacity;
    }
    if (!path) {
        return no_memory(err);
    }
    taking->named[taking->named_count++] = path;
    return PT_OK;
}

/* Take `relative` of directory `room` ("state") of the data, unless an earlier try did. */
static enum pt_code take_named(struct taking *taking, const char *room, const char *relative,
                               struct pt_error *err)
{
    char *path = pt_strf("%s/%s", room, relative);
    char *from = pt_strf("%s/%s/%s", taking->dir->root, room, relative);
    char *to = pt_strf("%s/%s/%s", taking->to, room, relative);
    struct pt_host_file look;
    enum pt_code code = PT_OK;

    if (!path || !from || !to) {
        code = no_memory(err);
        pt_free(path);
        goto out;
    }
    code = remember(taking, path, err);
    if (!code && pt_host_look(to, &look, NULL) == PT_NOT_FOUND) {
        code = pt_take_immutable(taking->take, from, to, err);
    }

out:
    pt_free(to);
    pt_free(from);
    return code;
}

static enum pt_code take_all(struct taking *taking, const char *room, char **paths, size_t count,
                             struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (size_t i = 0; !code && i < count; i++) {
        pt_progress_show("files", i, count);
        code = take_named(taking, room, paths[i], err);
    }
    return code;
}

/* Whether recovery can go on from this pair; `*needs_pending_out`: it adds the files itself. */
static bool is_legal(const struct pt_state_files *state, const struct pt_lake_files *lake,
                     bool *needs_pending_out)
{
    const struct pt_checkpoint_summary *checkpoint = &state->checkpoint;

    *needs_pending_out = lake->checkpoint != checkpoint->lake_checkpoint;
    return !*needs_pending_out || (checkpoint->lake_checkpoint == checkpoint->number &&
                                   lake->checkpoint == state->lake_before);
}

static enum pt_code take_state_and_table(struct taking *taking, struct pt_error *err)
{
    struct pt_io *io = taking->take->io;
    struct pt_state_files state = {0};
    struct pt_lake_files lake = {0};
    bool needs_pending = false;
    enum pt_code code = pt_stream_list_files(io, taking->dir->state, &state, err);

    forget_named(taking);
    if (!code) {
        code = pt_lake_list_files(io, taking->dir->lake, &lake, err);
    }
    if (code) {
        goto out;
    }
    taking->backup->checkpoint = state.checkpoint.number;
    taking->backup->checkpoint_offset = state.checkpoint.log_offset;
    taking->backup->rows = lake.row_count;
    taking->version = lake.version;
    if (!is_legal(&state, &lake, &needs_pending)) {
        code = pt_fail(err, PT_AGAIN,
                       "checkpoint %" PRIu64 " expects the table at %" PRIu64
                       ", the table is at %" PRIu64,
                       state.checkpoint.number, state.checkpoint.lake_checkpoint, lake.checkpoint);
        goto out;
    }
    code = take_all(taking, "state", state.paths, state.count, err);
    if (!code) {
        code = take_all(taking, "lake/events", lake.paths, lake.count, err);
    }
    if (!code && needs_pending) {
        code = take_all(taking, "lake/events", state.pending, state.pending_count, err);
    }

out:
    pt_lake_files_release(&lake);
    pt_state_files_release(&state);
    return code;
}

/* ---- the logs ---- */

static enum pt_code take_log(struct taking *taking, const char *from, const char *name,
                             uint64_t offset, uint64_t *start_out, uint64_t *end_out,
                             struct pt_error *err)
{
    struct pt_io *io = taking->take->io;
    char *to = pt_strf("%s/%s", taking->to, name);
    enum pt_code code = to ? pt_tree_remove(io, to, err) : no_memory(err);

    if (!code) {
        code = pt_io_mkdir(io, to, err);
    }
    if (!code) {
        code = pt_log_copy(io, from, to, offset, start_out, end_out, err);
    }
    if (code == PT_NOT_FOUND) {
        code = PT_OK; /* no server has run yet: there is nothing to lose */
    }
    pt_free(to);
    return code;
}

static enum pt_code take_logs(struct taking *taking, struct pt_error *err)
{
    struct pt_backup *backup = taking->backup;
    uint64_t offset = backup->checkpoint_offset;
    uint64_t dead_start = 0;
    enum pt_code code = take_log(taking, taking->dir->log, "log", offset, &backup->log_start,
                                 &backup->log_end, err);

    if (!code && backup->log_start > offset) {
        code = pt_fail(err, PT_AGAIN, "the log starts at offset %" PRIu64 " by now",
                       backup->log_start);
    }
    if (!code && backup->log_end < offset) {
        code = pt_fail(err, PT_CORRUPT,
                       "the log ends at offset %" PRIu64 ", the checkpoint has read to %" PRIu64,
                       backup->log_end, offset);
    }
    return code ? code
                : take_log(taking, taking->dir->dlq, "dlq", 0, &dead_start, &backup->dead_letters,
                           err);
}

/* ---- the rest ---- */

struct rest {
    struct taking *taking;
    const char *room; /* directory of the data being walked */
    char **dirs;      /* of the data directory */
    size_t dir_count;
    enum pt_code code;
    struct pt_error *err;
};

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);

    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

/* Of the data directory: what has its own way into the backup, and what is of no use in one. */
static bool is_passed_over(const char *name)
{
    static const char *const names[] = {"log",          "dlq",         "lake", "playtrace.lock",
                                        PT_BACKUP_NAME, PT_BACKUP_MARK};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return ends_with(name, ".tmp");
}

static enum pt_code take_rest_file(struct taking *taking, const char *relative,
                                   struct pt_error *err)
{
    char *from = pt_strf("%s/%s", taking->dir->root, relative);
    char *to = pt_strf("%s/%s", taking->to, relative);
    struct pt_host_file look;
    enum pt_code code = from && to ? pt_host_look(from, &look, err) : no_memory(err);

    if (!code && look.is_file) {
        code = pt_take_copy(taking->take, from, to, err);
    }
    pt_free(to);
    pt_free(from);
    return code == PT_NOT_FOUND ? PT_OK : code; /* removed meanwhile */
}

static enum pt_code take_rest_entry(void *ctx, const struct pt_tree_entry *entry,
                                    struct pt_error *err)
{
    struct rest *rest = ctx;
    char *relative = NULL;
    enum pt_code code = PT_OK;

    if (entry->is_dir || ends_with(entry->path, ".tmp")) {
        return PT_OK;
    }
    /* What the checkpoint stands on came as it names it. */
    if (strcmp(rest->room, "state") == 0 &&
        (strncmp(entry->path, "checkpoint-", 11) == 0 || strncmp(entry->path, "ids/", 4) == 0 ||
         strncmp(entry->path, "ledger/", 7) == 0)) {
        return PT_OK;
    }
    relative = pt_strf("%s/%s", rest->room, entry->path);
    code = relative ? take_rest_file(rest->taking, relative, err) : no_memory(err);
    pt_free(relative);
    return code;
}

static void note_top(void *ctx, const char *name, bool is_dir)
{
    struct rest *rest = ctx;
    char **grown = NULL;

    if (rest->code || is_passed_over(name)) {
        return;
    }
    if (!is_dir) {
        rest->code = take_rest_file(rest->taking, name, rest->err);
        return;
    }
    grown = pt_realloc(rest->dirs, (rest->dir_count + 1) * sizeof(*grown));
    if (grown) {
        rest->dirs = grown;
        rest->dirs[rest->dir_count] = pt_strdup(name);
    }
    if (!grown || !rest->dirs[rest->dir_count]) {
        rest->code = no_memory(rest->err);
        return;
    }
    rest->dir_count++;
}

static enum pt_code take_rest(struct taking *taking, const char *config_path, struct pt_error *err)
{
    struct rest rest = {.taking = taking, .err = err};
    struct pt_io *io = taking->take->io;
    enum pt_code code = pt_io_list(io, taking->dir->root, note_top, &rest, err);

    code = code ? code : rest.code;
    for (size_t i = 0; !code && i < rest.dir_count; i++) {
        char *root = pt_strf("%s/%s", taking->dir->root, rest.dirs[i]);

        rest.room = rest.dirs[i];
        code = root ? pt_tree_walk(io, root, take_rest_entry, &rest, err) : no_memory(err);
        pt_free(root);
    }
    if (!code && config_path) {
        char *to = pt_strf("%s/" PT_BACKUP_CONFIG, taking->to);

        code = to ? pt_take_copy(taking->take, config_path, to, err) : no_memory(err);
        pt_free(to);
    }
    for (size_t i = 0; i < rest.dir_count; i++) {
        pt_free(rest.dirs[i]);
    }
    pt_free(rest.dirs);
    return code;
}

/* ---- what it came to ---- */

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_named(const struct taking *taking, const char *path)
{
    return taking->named_count && bsearch(&path, taking->named, taking->named_count,
                                          sizeof(*taking->named), compare_paths);
}

/* Remove what only an earlier try named; list the rest. */
static enum pt_code describe_entry(void *ctx, const struct pt_tree_entry *entry,
                                   struct pt_error *err)
{
    struct taking *taking = ctx;
    char *path = NULL;
    uint64_t bytes = 0;
    uint64_t sum = 0;
    uint64_t named = 0;
    enum pt_code code = PT_OK;
    bool is_checked = strncmp(entry->path, "lake/", 5) == 0 ||
                      strncmp(entry->path, "state/checkpoint-", 17) == 0 ||
                      strncmp(entry->path, "state/ids/", 10) == 0 ||
                      strncmp(entry->path, "state/ledger/", 13) == 0;

    if (entry->is_dir || strcmp(entry->path, PT_BACKUP_MARK) == 0) {
        return PT_OK;
    }
    path = pt_strf("%s/%s", taking->to, entry->path);
    if (!path) {
        return no_memory(err);
    }
    if (is_checked && !is_named(taking, entry->path)) {
        code = pt_io_unlink(taking->take->io, path, err);
    } else {
        pt_progress_show("checksums", taking->backup->count, taking->named_count + 1);
        code = pt_file_sum(taking->take->io, path, &bytes, &sum, err);
        if (!code && pt_lake_file_sum(path, &named) && sum != named) {
            code = pt_fail(err, PT_CORRUPT,
                           "the data directory is not whole: the bytes of %s are not those that "
                           "were written",
                           entry->path);
        }
        if (!code) {
            code = pt_backup_add(taking->backup, pt_strdup(entry->path), bytes, sum, err);
        }
    }
    pt_free(path);
    return code;
}

/* The copy must be what an engine could start from. */
static enum pt_code verify_state(struct taking *taking, struct pt_error *err)
{
    struct pt_data_dir copy = {0};
    struct pt_state_files state = {0};
    struct pt_lake_files lake = {0};
    bool needs_pending = false;
    enum pt_code code = pt_data_dir_init(&copy, taking->to, err);

    if (!code) {
        code = pt_stream_list_files(taking->take->io, copy.state, &state, err);
    }
    if (!code) {
        code = pt_lake_list_files(taking->take->io, copy.lake, &lake, err);
    }
    if (!code && (state.checkpoint.number != taking->backup->checkpoint ||
                  !is_legal(&state, &lake, &needs_pending))) {
        code = pt_fail(err, PT_CORRUPT, "the copied state does not fit the copied table");
    }
    pt_lake_files_release(&lake);
    pt_state_files_release(&state);
    pt_data_dir_release(&copy);
    return code;
}

enum pt_code pt_backup_take(struct pt_take *take, const struct pt_data_dir *dir,
                            const char *config_path, const char *to, struct pt_backup *backup,
                            struct pt_error *err)
{
    struct taking taking = {.take = take, .dir = dir, .to = to, .backup = backup};
    const struct timespec pause = {.tv_nsec = TRY_PAUSE_NS};
    unsigned same = 0; /* tries in a row that met the same checkpoint and table */
    enum pt_code code = PT_OK;

    backup->made_at_us = pt_clock_wall_us(pt_clock_system());
    for (unsigned tries = 1;; tries++) {
        uint64_t version = taking.version;
        uint64_t checkpoint = backup->checkpoint;

        code = take_state_and_table(&taking, err);
        if (!code) {
            code = take_logs(&taking, err);
        }
        if (code != PT_AGAIN && code != PT_NOT_FOUND) {
            break;
        }
        same = version == taking.version && checkpoint == backup->checkpoint ? same + 1 : 0;
        if (same == SAME_TRIES_MAX) {
            /* Nothing moves: it is not a server that removed what it no longer needs. */
            code = pt_error_prefix(err, PT_CORRUPT, "the data directory is not whole");
            break;
        }
        if (tries == TRIES_MAX) {
            code = pt_error_prefix(err, code,
                                   "%d tries, and each time the server had changed something "
                                   "meanwhile; try again when it has less to do",
                                   TRIES_MAX);
            break;
        }
        nanosleep(&pause, NULL);
    }
    if (!code) {
        code = take_rest(&taking, config_path, err);
    }
    if (!code && taking.named_count > 1) {
        qsort(taking.named, taking.named_count, sizeof(*taking.named), compare_paths);
    }
    if (!code) {
        code = pt_tree_walk(take->io, to, describe_entry, &taking, err);
    }
    if (!code) {
        code = verify_state(&taking, err);
    }
    pt_progress_show(NULL, 0, 0);
    forget_named(&taking);
    pt_free(taking.named);
    return code;
}
