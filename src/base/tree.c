/*
 * tree.c - making, copying, walking and removing directories, over pt_io
 */
#include "base/tree.h"

#include "base/crypto.h"
#include "base/host.h"
#include "base/mem.h"

#include <stdlib.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define DEPTH_MAX 32
#define ENTRIES_MAX (16u << 20)

/* ---- names that last ---- */

enum pt_code pt_tree_sync_name(struct pt_io *io, const char *path, bool *is_unsure_out,
                               struct pt_error *err)
{
    char *parent = pt_io_parent(path);
    enum pt_code code = parent ? pt_io_sync_dir(io, parent, err)
                               : pt_fail(err, PT_NO_MEMORY, "sync the directory of %s", path);

    *is_unsure_out = parent && code && pt_host_is_unreadable(parent);
    if (*is_unsure_out) {
        (void)pt_error_prefix(err, code, "a power failure may take %s away again", path);
        code = PT_OK;
    }
    pt_free(parent);
    return code;
}

static void pass_over(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
}

static enum pt_code make_dir(struct pt_io *io, const char *path, unsigned depth,
                             bool *is_unsure_out, struct pt_error *err)
{
    bool is_unsure = false;
    char *parent = NULL;
    enum pt_code code = pt_io_list(io, path, pass_over, NULL, err);

    if (code == PT_OK || (code != PT_NOT_FOUND && pt_host_is_unreadable(path))) {
        /* It is there, perhaps made by one that was killed before its sync. */
        (void)!pt_tree_sync_name(io, path, &is_unsure, NULL);
        return pt_io_mkdir(io, path, err); /* says so where it is no directory */
    }
    if (code != PT_NOT_FOUND) {
        return code;
    }
    if (depth == DEPTH_MAX) {
        return pt_fail(err, PT_INVALID, "%s: more than %d directories are missing", path,
                       DEPTH_MAX);
    }
    parent = pt_io_parent(path);
    code = parent ? make_dir(io, parent, depth + 1, is_unsure_out, err)
                  : pt_fail(err, PT_NO_MEMORY, "make directory %s", path);
    if (!code) {
        code = pt_io_mkdir(io, path, err);
    }
    if (!code) {
        code = pt_tree_sync_name(io, path, &is_unsure, err);
    }
    *is_unsure_out = *is_unsure_out || is_unsure;
    pt_free(parent);
    return code;
}

enum pt_code pt_tree_make(struct pt_io *io, const char *path, bool *is_unsure_out,
                          struct pt_error *err)
{
    *is_unsure_out = false;
    return make_dir(io, path, 0, is_unsure_out, err);
}

/* ---- files ---- */

static bool is_zero(const uint8_t *data, size_t bytes)
{
    return bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0);
}

/* Feed `from` to `to` and `sum`, either of which may be NULL. */
static enum pt_code pass_bytes(struct pt_io *io, struct pt_file *from, struct pt_file *to,
                               struct pt_checksum *sum, uint64_t *bytes_out, struct pt_error *err)
{
    uint8_t *piece = pt_alloc(PIECE_BYTES);
    uint64_t at = 0;
    size_t got = PIECE_BYTES;
    enum pt_code code = piece ? PT_OK : pt_fail(err, PT_NO_MEMORY, "copy a file");

    while (!code && got == PIECE_BYTES) {
        code = pt_io_read(io, from, at, piece, PIECE_BYTES, &got, err);
        if (code) {
            break;
        }
        if (sum) {
            pt_checksum_add(sum, piece, got);
        }
        if (to && !is_zero(piece, got)) {
            code = pt_io_write(io, to, at, piece, got, err);
        }
        at += got;
    }
    *bytes_out = at;
    pt_free(piece);
    return code;
}

enum pt_code pt_file_sum(struct pt_io *io, const char *path, uint64_t *bytes_out, uint64_t *sum_out,
                         struct pt_error *err)
{
    struct pt_checksum *sum = pt_checksum_create();
    struct pt_file *file = NULL;
    enum pt_code code = PT_OK;

    *bytes_out = 0;
    *sum_out = 0;
    if (!sum) {
        return pt_fail(err, PT_NO_MEMORY, "read %s", path);
    }
    code = pt_io_open(io, path, PT_OPEN_READ, &file, err);
    if (!code) {
        code = pass_bytes(io, file, NULL, sum, bytes_out, err);
    }
    *sum_out = pt_checksum_value(sum);
    pt_io_close(io, file);
    pt_checksum_destroy(sum);
    return code;
}

enum pt_code pt_file_copy(struct pt_io *io, const char *from, const char *to, unsigned flags,
                          struct pt_error *err)
{
    struct pt_file *source = NULL;
    struct pt_file *target = NULL;
    uint64_t bytes = 0;
    enum pt_code code = pt_io_open(io, from, PT_OPEN_READ, &source, err);

    if (code) {
        return code;
    }
    /* Never write into what is there: it may be a link to another's file. */
    code = pt_io_unlink(io, to, err);
    if (code == PT_OK || code == PT_NOT_FOUND) {
        code = pt_io_open(io, to, PT_OPEN_WRITE | PT_OPEN_NEW | (flags & PT_OPEN_PRIVATE), &target,
                          err);
    }
    if (!code) {
        code = pass_bytes(io, source, target, NULL, &bytes, err);
    }
    if (!code) {
        code = pt_io_truncate(io, target, bytes, err);
    }
    if (!code) {
        code = pt_io_sync(io, target, err);
    }
    pt_io_close(io, target);
    pt_io_close(io, source);
    return code;
}

/* ---- trees ---- */

struct entry {
    char *path; /* relative to the root */
    bool is_dir;
};

struct entries {
    struct entry *items;
    size_t count;
    size_t capacity;
    const char *prefix; /* of the directory being listed, "" for the root */
    bool has_failed;
};

static void take_entry(void *ctx, const char *name, bool is_dir)
{
    struct entries *entries = ctx;
    char *path = NULL;

    if (entries->has_failed) {
        return;
    }
    if (entries->count == entries->capacity) {
        size_t capacity = entries->capacity ? 2 * entries->capacity : 64;
        struct entry *grown =
            capacity <= ENTRIES_MAX ? pt_realloc(entries->items, capacity * sizeof(*grown)) : NULL;

        if (!grown) {
            entries->has_failed = true;
            return;
        }
        entries->items = grown;
        entries->capacity = capacity;
    }
    path = pt_strf("%s%s%s", entries->prefix, *entries->prefix ? "/" : "", name);
    if (!path) {
        entries->has_failed = true;
        return;
    }
    entries->items[entries->count++] = (struct entry){.path = path, .is_dir = is_dir};
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

struct walk {
    struct pt_io *io;
    const char *root;
    enum pt_code (*each)(void *ctx, const struct pt_tree_entry *entry, struct pt_error *err);
    void *ctx;
    bool is_children_first;
};

static enum pt_code walk_dir(const struct walk *walk, const char *relative, unsigned depth,
                             struct pt_error *err)
{
    struct entries entries = {.prefix = relative};
    char *dir = *relative ? pt_strf("%s/%s", walk->root, relative) : pt_strdup(walk->root);
    enum pt_code code = PT_OK;

    if (depth > DEPTH_MAX) {
        code = pt_fail(err, PT_TOO_BIG, "%s/%s: more than %d directories deep", walk->root,
                       relative, DEPTH_MAX);
        goto out;
    }
    code = dir ? pt_io_list(walk->io, dir, take_entry, &entries, err)
               : pt_fail(err, PT_NO_MEMORY, "list %s", walk->root);
    if (code == PT_NOT_FOUND && depth > 0) {
        code = PT_OK;
    }
    if (!code && entries.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "list %s", dir);
    }
    if (entries.count > 1) {
        qsort(entries.items, entries.count, sizeof(*entries.items), compare_entries);
    }
    for (size_t i = 0; !code && i < entries.count; i++) {
        size_t place = walk->is_children_first ? entries.count - 1 - i : i;
        const struct entry *item = &entries.items[place];
        struct pt_tree_entry entry = {.path = item->path, .is_dir = item->is_dir};

        if (!walk->is_children_first || !item->is_dir) {
            code = walk->each(walk->ctx, &entry, err);
        }
        if (!code && item->is_dir) {
            code = walk_dir(walk, item->path, depth + 1, err);
        }
        if (!code && walk->is_children_first && item->is_dir) {
            code = walk->each(walk->ctx, &entry, err);
        }
    }

out:
    for (size_t i = 0; i < entries.count; i++) {
        pt_free(entries.items[i].path);
    }
    pt_free(entries.items);
    pt_free(dir);
    return code;
}

enum pt_code pt_tree_walk(struct pt_io *io, const char *root,
                          enum pt_code (*each)(void *ctx, const struct pt_tree_entry *entry,
                                               struct pt_error *err),
                          void *ctx, struct pt_error *err)
{
    struct walk walk = {.io = io, .root = root, .each = each, .ctx = ctx};

    return walk_dir(&walk, "", 0, err);
}

static enum pt_code remove_entry(void *ctx, const struct pt_tree_entry *entry, struct pt_error *err)
{
    const struct walk *walk = ctx;
    char *path = pt_strf("%s/%s", walk->root, entry->path);
    enum pt_code code = PT_OK;

    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "remove %s", walk->root);
    }
    code = entry->is_dir ? pt_io_rmdir(walk->io, path, err) : pt_io_unlink(walk->io, path, err);
    pt_free(path);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

enum pt_code pt_tree_remove(struct pt_io *io, const char *root, struct pt_error *err)
{
    struct walk walk = {.io = io, .root = root, .each = remove_entry, .is_children_first = true};
    enum pt_code code = PT_OK;

    walk.ctx = &walk;
    code = walk_dir(&walk, "", 0, err);
    if (!code) {
        code = pt_io_rmdir(io, root, err);
    }
    return code == PT_NOT_FOUND ? PT_OK : code;
}

static enum pt_code sync_entry(void *ctx, const struct pt_tree_entry *entry, struct pt_error *err)
{
    const struct walk *walk = ctx;
    char *path = NULL;
    enum pt_code code = PT_OK;

    if (!entry->is_dir) {
        return PT_OK;
    }
    path = pt_strf("%s/%s", walk->root, entry->path);
    code = path ? pt_io_sync_dir(walk->io, path, err)
                : pt_fail(err, PT_NO_MEMORY, "sync %s", walk->root);
    pt_free(path);
    return code;
}

enum pt_code pt_tree_sync(struct pt_io *io, const char *root, struct pt_error *err)
{
    struct walk walk = {.io = io, .root = root, .each = sync_entry, .is_children_first = true};
    enum pt_code code = PT_OK;

    walk.ctx = &walk;
    code = walk_dir(&walk, "", 0, err);
    return code ? code : pt_io_sync_dir(io, root, err);
}
