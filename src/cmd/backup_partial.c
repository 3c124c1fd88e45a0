/*
 * backup_partial.c - a directory that appears whole or not at all
 *
 * It is made as PLACE.partial and renamed. A file in it marks it as ours and is the lock: what a
 * crash leaves is known by it, and so is one that is still being made; pt_tree_remove() takes it
 * away last, so that a removal that is killed is known as well. rename() takes the place of
 * an empty directory, and of nothing else.
 */
#include "cmd/backup.h"

#include "base/host.h"
#include "base/mem.h"
#include "base/tree.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <unistd.h>

static void note_any(void *ctx, const char *name, bool is_dir)
{
    (void)name;
    (void)is_dir;
    *(bool *)ctx = true;
}

/* PT_OK for nothing or an empty directory. */
static enum pt_code check_place(struct pt_io *io, const char *place, const char *parent,
                                struct pt_error *err)
{
    struct pt_host_file look;
    struct pt_host_file parent_look;
    bool has_any = false;
    enum pt_code code = pt_host_look(place, &look, err);

    if (code == PT_NOT_FOUND) {
        return PT_OK;
    }
    if (code) {
        return code;
    }
    if (!look.is_dir) {
        return pt_fail(err, PT_INVALID, "%s is there and is no directory", place);
    }
    code = pt_io_list(io, place, note_any, &has_any, err);
    if (!code && has_any) {
        code = pt_fail(err, PT_INVALID,
                       "%s is not empty: name a directory that does not exist yet, or an empty one",
                       place);
    }
    if (!code) {
        code = pt_host_look(parent, &parent_look, err);
    }
    if (!code && parent_look.device != look.device) {
        code = pt_fail(err, PT_INVALID,
                       "%s is where a file system is mounted, which no rename can replace: name a "
                       "directory inside it",
                       place);
    }
    return code;
}

static void warn_if(bool is_unsure, const struct pt_error *err)
{
    if (is_unsure) {
        pt_cmd_say("%s", err->text);
    }
}

/* What an earlier try left at `partial->path`, if it is ours and nobody works on it. */
static enum pt_code clear_left_over(struct pt_partial *partial, struct pt_io *io, const char *mark,
                                    struct pt_error *err)
{
    struct pt_host_file look;
    bool has_any = false;
    enum pt_code code = pt_host_look(partial->path, &look, err);

    if (code == PT_NOT_FOUND) {
        return PT_OK;
    }
    if (!code) {
        code = pt_io_list(io, partial->path, note_any, &has_any, err);
    }
    if (code || !has_any) {
        return code;
    }
    if (pt_host_look(mark, &look, NULL)) {
        return pt_fail(err, PT_INVALID,
                       "%s is in the way, and not left by a backup or restore: move it",
                       partial->path);
    }
    code = pt_lock_take(&partial->lock, mark, err);
    if (code) {
        return pt_error_prefix(err, code, "%s is being made", partial->path);
    }
    code = pt_tree_remove(io, partial->path, err);
    pt_lock_release(partial->lock);
    partial->lock = NULL;
    if (!code) {
        fprintf(stderr, "removed %s, left by one that did not end\n", partial->path);
    }
    return code;
}

enum pt_code pt_partial_begin(struct pt_partial *partial, struct pt_io *io, const char *place,
                              struct pt_error *err)
{
    char *parent = NULL;
    char *mark = NULL;
    bool is_unsure = false;
    enum pt_code code = PT_OK;

    *partial = (struct pt_partial){0};
    parent = pt_io_parent(place);
    if (!parent) {
        return pt_fail(err, PT_NO_MEMORY, "make %s", place);
    }
    code = pt_tree_make(io, parent, &is_unsure, err);
    if (code) {
        goto out;
    }
    warn_if(is_unsure, err);
    partial->place = pt_host_real_path(place, err);
    if (!partial->place) {
        code = PT_IO;
        goto out;
    }
    pt_free(parent);
    parent = pt_io_parent(partial->place);
    partial->path = pt_strf("%s.partial", partial->place);
    mark = pt_strf("%s.partial/" PT_BACKUP_MARK, partial->place);
    if (!parent || !partial->path || !mark) {
        code = pt_fail(err, PT_NO_MEMORY, "make %s", place);
        goto out;
    }
    code = check_place(io, partial->place, parent, err);
    if (!code) {
        code = clear_left_over(partial, io, mark, err);
    }
    if (!code) {
        code = pt_io_mkdir(io, partial->path, err);
    }
    if (!code) {
        code = pt_lock_take(&partial->lock, mark, err);
    }

out:
    if (code) {
        pt_free(partial->path); /* not ours: it must not be removed */
        partial->path = NULL;
        pt_partial_end(partial, io);
    }
    pt_free(mark);
    pt_free(parent);
    return code;
}

enum pt_code pt_partial_commit(struct pt_partial *partial, struct pt_io *io, struct pt_error *err)
{
    char *mark = pt_strf("%s/" PT_BACKUP_MARK, partial->place);
    bool is_unsure = false;
    enum pt_code code = PT_OK;

    if (!mark) {
        code = pt_fail(err, PT_NO_MEMORY, "make %s", partial->place);
        goto out;
    }
    code = pt_tree_sync(io, partial->path, err);
    if (!code) {
        code = pt_io_rename(io, partial->path, partial->place, err);
    }
    if (code) {
        goto out;
    }
    pt_free(partial->path);
    partial->path = NULL; /* from here on there is nothing to take back */
    code = pt_tree_sync_name(io, partial->place, &is_unsure, err);
    warn_if(is_unsure, err);
    if (!code && pt_io_unlink(io, mark, NULL)) {
        /* It says nothing in a directory of the final name. */
    }

out:
    pt_free(mark);
    return code;
}

void pt_partial_end(struct pt_partial *partial, struct pt_io *io)
{
    if (partial->path && pt_tree_remove(io, partial->path, NULL)) {
        /* The next try removes it. */
    }
    pt_lock_release(partial->lock);
    pt_free(partial->path);
    pt_free(partial->place);
    *partial = (struct pt_partial){0};
}

void pt_progress_show(const char *what, uint64_t done, uint64_t total)
{
    static int shown = -1;
    int percent = total ? (int)((done < total ? done : total) * 100 / total) : -1;

    if (!isatty(STDERR_FILENO)) {
        return;
    }
    if (!total) {
        fputs("\r\033[K", stderr);
        shown = -1;
    } else if (percent != shown) {
        fprintf(stderr, "\r%s: %d %%", what, percent);
        shown = percent;
    }
    fflush(stderr);
}
