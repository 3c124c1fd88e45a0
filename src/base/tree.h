/*
 * tree.h - making, copying, walking and removing directories, over pt_io
 */
#ifndef PT_BASE_TREE_H
#define PT_BASE_TREE_H

#include "base/io.h"

/*
 * Sync `path`, which was made or renamed, in the directory that holds it, so that it outlives a
 * power failure. A directory that this process may not read cannot be synced, though names may be
 * made in it: that is PT_OK, and `*is_unsure_out` says it, with the reason in `err` for a warning.
 */
enum pt_code pt_tree_sync_name(struct pt_io *io, const char *path, bool *is_unsure_out,
                               struct pt_error *err) PT_MUST_USE;

/*
 * Make directory `path`, with those above it that are missing, each of them synced as by
 * pt_tree_sync_name(). One that is there is synced as well, since a name that is visible need not
 * be durable yet; but that this cannot be done is then no failure and nothing to warn of.
 */
enum pt_code pt_tree_make(struct pt_io *io, const char *path, bool *is_unsure_out,
                          struct pt_error *err) PT_MUST_USE;

/* XXH3-64 and size of the whole file. */
enum pt_code pt_file_sum(struct pt_io *io, const char *path, uint64_t *bytes_out, uint64_t *sum_out,
                         struct pt_error *err) PT_MUST_USE;

/*
 * Copy `from` as it is now to `to`, which is made new or replaced, and sync it; the directory is
 * not. Runs of zeros stay holes. `flags` may hold PT_OPEN_PRIVATE.
 */
enum pt_code pt_file_copy(struct pt_io *io, const char *from, const char *to, unsigned flags,
                          struct pt_error *err) PT_MUST_USE;

struct pt_tree_entry {
    const char *path; /* relative to the root; borrowed */
    bool is_dir;      /* comes before what it holds */
};

/*
 * Every file and directory below `root`, in the order of their names; `each` returning anything but
 * PT_OK ends the walk. What vanishes meanwhile is passed over.
 */
enum pt_code pt_tree_walk(struct pt_io *io, const char *root,
                          enum pt_code (*each)(void *ctx, const struct pt_tree_entry *entry,
                                               struct pt_error *err),
                          void *ctx, struct pt_error *err) PT_MUST_USE;

/*
 * Remove `root` and all below it, in the reverse order of names: what starts with a dot goes last.
 * Nothing there is fine.
 */
enum pt_code pt_tree_remove(struct pt_io *io, const char *root, struct pt_error *err) PT_MUST_USE;

/* Sync `root` and every directory below it. */
enum pt_code pt_tree_sync(struct pt_io *io, const char *root, struct pt_error *err) PT_MUST_USE;

#endif
