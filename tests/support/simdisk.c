/*
 * simdisk.c - a disk in memory that fails, tears and forgets
 *
 * A node has its bytes twice: as a program sees them, and as they are on the disk; a mark a
 * sector says where these may differ. Names are a flat table of paths, also kept twice: a
 * change is made to the visible table at once and queued for the durable one.
 */
#include "simdisk.h"

#include "base/rng.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512u
#define PATH_BYTES 512
#define NOT_CUT UINT64_MAX

enum mark { CLEAN = 0, DIRTY, FORGOTTEN };

struct node {
    uint8_t *seen;
    uint8_t *durable;
    uint8_t *marks; /* one a sector */
    uint64_t capacity_bytes;
    uint64_t seen_bytes;
    uint64_t durable_bytes;
    uint64_t allocated_bytes;
    uint64_t cut_bytes; /* the shortest that it was cut to since the last sync, or NOT_CUT */
    bool is_size_dirty;
    bool is_dir;
};

struct entry {
    char path[PATH_BYTES];
    struct node *node;
};

struct table {
    struct entry *entries;
    size_t count;
};

/* `from` goes away (when not empty), `to` appears as `node` (when not empty). */
struct change {
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    struct node *node;
};

struct pt_file {
    struct node *node;
    unsigned life; /* of the disk when it was opened */
    bool can_write;
    char path[PATH_BYTES];
};

struct pt_simdisk {
    pthread_mutex_t mutex;
    struct pt_io io;
    struct node **nodes; /* all that ever were */
    size_t node_count;
    struct table seen;
    struct table durable;
    struct change *changes; /* made, not yet durable, oldest first */
    size_t change_count;
    unsigned life;
    uint64_t capacity_bytes;
    uint64_t calls;
    uint64_t fail_at;
    uint64_t fail_from;
    enum pt_code fail_code;
    bool fail_has_effect;
    bool has_fired;
    uint64_t hook_at;
    void (*hook)(void *ctx);
    void *hook_ctx;
    bool is_in_hook;
    struct node *last_node; /* of the last write, with what was there before */
    uint64_t last_at;
    size_t last_bytes;
    uint64_t last_seen_bytes; /* the file's size before it */
    uint8_t *last_before;
};

static void *must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

/* ---- names ---- */

static struct entry *table_find(struct table *table, const char *path)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->entries[i].path, path) == 0) {
            return &table->entries[i];
        }
    }
    return NULL;
}

static void table_remove(struct table *table, const char *path)
{
    struct entry *entry = table_find(table, path);

    if (entry) {
        *entry = table->entries[--table->count];
    }
}

static void table_put(struct table *table, const char *path, struct node *node)
{
    table_remove(table, path);
    table->entries = must(realloc(table->entries, (table->count + 1) * sizeof(struct entry)));
    snprintf(table->entries[table->count].path, PATH_BYTES, "%s", path);
    table->entries[table->count++].node = node;
}

static void table_apply(struct table *table, const struct change *change)
{
    if (change->from[0]) {
        table_remove(table, change->from);
    }
    if (change->to[0]) {
        table_put(table, change->to, change->node);
    }
}

static void table_copy(struct table *to, const struct table *from)
{
    free(to->entries);
    to->entries = must(malloc((from->count + 1) * sizeof(struct entry)));
    memcpy(to->entries, from->entries, from->count * sizeof(struct entry));
    to->count = from->count;
}

/* Without a final slash and doubled ones, so that one file has one path. */
static void clean_path(const char *path, char clean[PATH_BYTES])
{
    size_t size = 0;

    for (; *path && size + 1 < PATH_BYTES; path++) {
        if (*path != '/' || size == 0 || clean[size - 1] != '/') {
            clean[size++] = *path;
        }
    }
    if (size > 1 && clean[size - 1] == '/') {
        size--;
    }
    clean[size] = '\0';
}

static void parent_of(const char *path, char parent[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');

    if (!slash) {
        snprintf(parent, PATH_BYTES, ".");
    } else if (slash == path) {
        snprintf(parent, PATH_BYTES, "/");
    } else {
        snprintf(parent, PATH_BYTES, "%.*s", (int)(slash - path), path);
    }
}

static void change_names(struct pt_simdisk *disk, const char *from, const char *to,
                         struct node *node)
{
    struct change *change = NULL;

    disk->changes = must(realloc(disk->changes, (disk->change_count + 1) * sizeof(*disk->changes)));
    change = &disk->changes[disk->change_count++];
    snprintf(change->from, PATH_BYTES, "%s", from ? from : "");
    snprintf(change->to, PATH_BYTES, "%s", to ? to : "");
    change->node = node;
    table_apply(&disk->seen, change);
}

/* Whether `path` lies directly in `dir`. */
static bool is_in(const char *path, const char *dir)
{
    char parent[PATH_BYTES];

    if (!path[0]) {
        return false;
    }
    parent_of(path, parent);
    return strcmp(parent, dir) == 0;
}

/* ---- nodes ---- */

static struct node *node_create(struct pt_simdisk *disk, bool is_dir)
{
    struct node *node = must(calloc(1, sizeof(*node)));

    node->is_dir = is_dir;
    node->cut_bytes = NOT_CUT;
    disk->nodes = must(realloc(disk->nodes, (disk->node_count + 1) * sizeof(struct node *)));
    disk->nodes[disk->node_count++] = node;
    return node;
}

static void node_grow(struct node *node, uint64_t bytes)
{
    uint64_t capacity = node->capacity_bytes ? node->capacity_bytes : SECTOR_BYTES * 16;

    while (capacity < bytes) {
        capacity *= 2;
    }
    if (capacity == node->capacity_bytes) {
        return;
    }
    node->seen = must(realloc(node->seen, capacity));
    node->durable = must(realloc(node->durable, capacity));
    node->marks = must(realloc(node->marks, capacity / SECTOR_BYTES));
    memset(node->seen + node->capacity_bytes, 0, capacity - node->capacity_bytes);
    memset(node->durable + node->capacity_bytes, 0, capacity - node->capacity_bytes);
    memset(node->marks + node->capacity_bytes / SECTOR_BYTES, CLEAN,
           (capacity - node->capacity_bytes) / SECTOR_BYTES);
    node->capacity_bytes = capacity;
}

static void node_mark(struct node *node, uint64_t at, uint64_t bytes, enum mark mark)
{
    for (uint64_t sector = at / SECTOR_BYTES; bytes && sector <= (at + bytes - 1) / SECTOR_BYTES;
         sector++) {
        node->marks[sector] = (uint8_t)mark;
    }
}

static uint64_t used_bytes(struct pt_simdisk *disk)
{
    uint64_t used = 0;

    for (size_t i = 0; i < disk->seen.count; i++) {
        const struct node *node = disk->seen.entries[i].node;

        used += node->allocated_bytes > node->seen_bytes ? node->allocated_bytes : node->seen_bytes;
    }
    return used;
}

/* Whether the file may grow to `bytes`. */
static bool has_room(struct pt_simdisk *disk, const struct node *node, uint64_t bytes)
{
    uint64_t have =
        node->allocated_bytes > node->seen_bytes ? node->allocated_bytes : node->seen_bytes;

    return bytes <= have || used_bytes(disk) + (bytes - have) <= disk->capacity_bytes;
}

/* A cut takes everything behind it at once, as a journalled file system does. */
static void make_cut_durable(struct node *node)
{
    if (node->cut_bytes < node->capacity_bytes) {
        memset(node->durable + node->cut_bytes, 0, node->capacity_bytes - node->cut_bytes);
    }
    node->cut_bytes = NOT_CUT;
}

static void node_sync(struct node *node)
{
    make_cut_durable(node);
    for (uint64_t sector = 0; sector < node->capacity_bytes / SECTOR_BYTES; sector++) {
        if (node->marks[sector] == DIRTY) {
            memcpy(node->durable + sector * SECTOR_BYTES, node->seen + sector * SECTOR_BYTES,
                   SECTOR_BYTES);
            node->marks[sector] = CLEAN;
        }
    }
    node->durable_bytes = node->seen_bytes;
    node->is_size_dirty = false;
}

static void node_forget(struct node *node)
{
    for (uint64_t sector = 0; sector < node->capacity_bytes / SECTOR_BYTES; sector++) {
        if (node->marks[sector] == DIRTY) {
            node->marks[sector] = FORGOTTEN;
        }
    }
}

static bool is_kept(enum pt_simdisk_loss loss, struct pt_rng *rng)
{
    return loss == PT_SIMDISK_LOSE_NONE ||
           (loss == PT_SIMDISK_LOSE_SOME && pt_rng_below(rng, 2) == 0);
}

static void node_crash(struct node *node, enum pt_simdisk_loss loss, struct pt_rng *rng)
{
    if (node->is_size_dirty && is_kept(loss, rng)) {
        make_cut_durable(node);
        node->durable_bytes = node->seen_bytes;
    }
    for (uint64_t sector = 0; sector < node->capacity_bytes / SECTOR_BYTES; sector++) {
        uint64_t at = sector * SECTOR_BYTES;

        if (node->marks[sector] == DIRTY && is_kept(loss, rng)) {
            memcpy(node->durable + at, node->seen + at, SECTOR_BYTES);
        }
        node->marks[sector] = CLEAN;
    }
    node->is_size_dirty = false;
    node->cut_bytes = NOT_CUT;
    node->seen_bytes = node->durable_bytes;
    if (node->capacity_bytes > 0) { /* nothing is behind the end of a file */
        memset(node->durable + node->durable_bytes, 0, node->capacity_bytes - node->durable_bytes);
        memcpy(node->seen, node->durable, node->capacity_bytes);
    }
}

/* ---- faults ---- */

/* Every call passes here first, with the mutex taken. */
static enum pt_code begin(struct pt_simdisk *disk, const char *what, const char *path,
                          bool *has_effect_out, struct pt_error *err)
{
    pthread_mutex_lock(&disk->mutex);
    *has_effect_out = false;
    if (disk->is_in_hook) {
        return PT_OK;
    }
    disk->calls++;
    if (disk->calls == disk->hook_at) {
        disk->is_in_hook = true;
        pthread_mutex_unlock(&disk->mutex);
        disk->hook(disk->hook_ctx);
        pthread_mutex_lock(&disk->mutex);
        disk->is_in_hook = false;
        disk->hook_at = 0;
    }
    if (disk->calls == disk->fail_at || (disk->fail_from && disk->calls >= disk->fail_from)) {
        disk->has_fired = true;
        *has_effect_out = disk->fail_has_effect && !disk->fail_from;
        return pt_fail(err, disk->fail_code, "%s: %s: simulated failure", path, what);
    }
    return PT_OK;
}

static enum pt_code end(struct pt_simdisk *disk, enum pt_code code)
{
    pthread_mutex_unlock(&disk->mutex);
    return code;
}

static enum pt_code begin_file(struct pt_simdisk *disk, const char *what, struct pt_file *file,
                               bool *has_effect_out, struct pt_error *err)
{
    enum pt_code code = begin(disk, what, file->path, has_effect_out, err);

    if (!code && file->life != disk->life) {
        code = pt_fail(err, PT_IO, "%s: %s: open since before the crash", file->path, what);
    }
    return code;
}

/* ---- struct pt_io ---- */

static enum pt_code sim_open(void *ctx, const char *path_given, unsigned flags,
                             struct pt_file **file_out, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    struct entry *entry = NULL;
    struct pt_file *file = NULL;
    struct node *node = NULL;
    char path[PATH_BYTES];
    char parent[PATH_BYTES];
    bool has_effect = false;
    enum pt_code code = PT_OK;

    *file_out = NULL;
    clean_path(path_given, path);
    parent_of(path, parent);
    code = begin(disk, "open", path, &has_effect, err);
    if (code) {
        return end(disk, code);
    }
    entry = table_find(&disk->seen, path);
    if (entry && (flags & PT_OPEN_NEW)) {
        return end(disk, pt_fail(err, PT_INVALID, "%s: exists", path));
    }
    if (entry && entry->node->is_dir) {
        return end(disk, pt_fail(err, PT_IO, "%s: is a directory", path));
    }
    if (!entry && (!(flags & (PT_OPEN_CREATE | PT_OPEN_NEW)) || !table_find(&disk->seen, parent))) {
        return end(disk, pt_fail(err, PT_NOT_FOUND, "%s: no such file", path));
    }
    node = entry ? entry->node : node_create(disk, false);
    if (!entry) {
        change_names(disk, NULL, path, node);
    }
    file = must(calloc(1, sizeof(*file)));
    file->node = node;
    file->life = disk->life;
    file->can_write = (flags & (PT_OPEN_WRITE | PT_OPEN_CREATE | PT_OPEN_NEW)) != 0;
    snprintf(file->path, sizeof(file->path), "%s", path);
    *file_out = file;
    return end(disk, PT_OK);
}

static void sim_close(void *ctx, struct pt_file *file)
{
    (void)ctx;
    free(file);
}

static enum pt_code sim_read(void *ctx, struct pt_file *file, uint64_t at, void *data, size_t bytes,
                             size_t *read_out, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    bool has_effect = false;
    enum pt_code code = begin_file(disk, "read", file, &has_effect, err);
    uint64_t size = file->node->seen_bytes; /* after begin: a hook may have changed it */

    *read_out = 0;
    if (code) {
        return end(disk, code);
    }
    if (at < size) {
        *read_out = bytes < size - at ? bytes : (size_t)(size - at);
        memcpy(data, file->node->seen + at, *read_out);
    }
    return end(disk, PT_OK);
}

static enum pt_code sim_write(void *ctx, struct pt_file *file, uint64_t at, const void *data,
                              size_t bytes, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    struct node *node = file->node;
    bool has_effect = false;
    enum pt_code code = begin_file(disk, "write", file, &has_effect, err);
    size_t done = bytes;

    if (code && file->life != disk->life) {
        return end(disk, code);
    }
    pt_assert(file->can_write);
    if (!has_room(disk, node, at + bytes)) {
        code = pt_fail(err, PT_FULL, "%s: write: no space", file->path);
    }
    if (code && !has_effect) {
        done = bytes / 2;
        if (!has_room(disk, node, at + done)) {
            return end(disk, code);
        }
    }
    if (done == 0) {
        return end(disk, code);
    }
    node_grow(node, at + done);
    disk->last_node = node;
    disk->last_at = at;
    disk->last_bytes = done;
    disk->last_seen_bytes = node->seen_bytes;
    disk->last_before = must(realloc(disk->last_before, done));
    memcpy(disk->last_before, node->seen + at, done);
    memcpy(node->seen + at, data, done);
    node_mark(node, at, done, DIRTY);
    if (at + done > node->seen_bytes) {
        node->seen_bytes = at + done;
        node->is_size_dirty = true;
    }
    return end(disk, code);
}

static enum pt_code sim_sync(void *ctx, struct pt_file *file, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    bool has_effect = false;
    enum pt_code code = begin_file(disk, "sync", file, &has_effect, err);

    if (code) {
        if (file->life == disk->life) {
            node_forget(file->node);
        }
        return end(disk, code);
    }
    node_sync(file->node);
    return end(disk, PT_OK);
}

static enum pt_code sim_size(void *ctx, struct pt_file *file, uint64_t *bytes_out,
                             struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    bool has_effect = false;
    enum pt_code code = begin_file(disk, "size", file, &has_effect, err);

    *bytes_out = code ? 0 : file->node->seen_bytes;
    return end(disk, code);
}

static enum pt_code sim_truncate(void *ctx, struct pt_file *file, uint64_t bytes,
                                 struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    struct node *node = file->node;
    bool has_effect = false;
    enum pt_code code = begin_file(disk, "truncate", file, &has_effect, err);

    if (code && (!has_effect || file->life != disk->life)) {
        return end(disk, code);
    }
    node_grow(node, bytes);
    if (bytes < node->seen_bytes) {
        memset(node->seen + bytes, 0, node->seen_bytes - bytes);
        node_mark(node, bytes, node->seen_bytes - bytes, CLEAN);
        node_mark(node, bytes, bytes % SECTOR_BYTES ? 1 : 0, DIRTY);
        node->cut_bytes = bytes < node->cut_bytes ? bytes : node->cut_bytes;
    }
    node->seen_bytes = bytes;
    node->allocated_bytes = bytes < node->allocated_bytes ? bytes : node->allocated_bytes;
    node->is_size_dirty = true;
    return end(disk, code);
}

static enum pt_code sim_allocate(void *ctx, struct pt_file *file, uint64_t bytes,
                                 struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    struct node *node = file->node;
    bool has_effect = false;
    enum pt_code code = begin_file(disk, "allocate", file, &has_effect, err);

    if (code && (!has_effect || file->life != disk->life)) {
        return end(disk, code);
    }
    if (!has_room(disk, node, bytes)) {
        return end(disk, pt_fail(err, PT_FULL, "%s: allocate: no space", file->path));
    }
    node_grow(node, bytes);
    if (bytes > node->allocated_bytes) {
        node->allocated_bytes = bytes;
    }
    if (bytes > node->seen_bytes) {
        node->seen_bytes = bytes;
        node->is_size_dirty = true;
    }
    return end(disk, code);
}

static enum pt_code do_rename(struct pt_simdisk *disk, const char *from_given, const char *to_given,
                              bool is_new, struct pt_error *err)
{
    struct entry *entry = NULL;
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    bool has_effect = false;
    enum pt_code code = PT_OK;

    clean_path(from_given, from);
    clean_path(to_given, to);
    code = begin(disk, "rename", from, &has_effect, err);
    if (code && !has_effect) {
        return end(disk, code);
    }
    entry = table_find(&disk->seen, from);
    if (!entry) {
        return end(disk, pt_fail(err, PT_NOT_FOUND, "%s: no such file", from));
    }
    if (is_new && table_find(&disk->seen, to)) {
        return end(disk, pt_fail(err, PT_INVALID, "%s: exists", to));
    }
    change_names(disk, from, to, entry->node);
    return end(disk, code);
}

static enum pt_code sim_rename(void *ctx, const char *from, const char *to, struct pt_error *err)
{
    return do_rename(ctx, from, to, false, err);
}

static enum pt_code sim_rename_new(void *ctx, const char *from, const char *to,
                                   struct pt_error *err)
{
    return do_rename(ctx, from, to, true, err);
}

static enum pt_code sim_unlink(void *ctx, const char *path_given, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    char path[PATH_BYTES];
    bool has_effect = false;
    enum pt_code code = PT_OK;

    clean_path(path_given, path);
    code = begin(disk, "unlink", path, &has_effect, err);
    if (code && !has_effect) {
        return end(disk, code);
    }
    if (!table_find(&disk->seen, path)) {
        return end(disk, pt_fail(err, PT_NOT_FOUND, "%s: no such file", path));
    }
    change_names(disk, path, NULL, NULL);
    return end(disk, code);
}

static enum pt_code sim_mkdir(void *ctx, const char *path_given, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    char path[PATH_BYTES];
    bool has_effect = false;
    enum pt_code code = PT_OK;

    clean_path(path_given, path);
    code = begin(disk, "mkdir", path, &has_effect, err);
    if (code && !has_effect) {
        return end(disk, code);
    }
    for (size_t i = 1; i <= strlen(path); i++) {
        if (path[i] == '/' || path[i] == '\0') {
            char part[PATH_BYTES];

            snprintf(part, sizeof(part), "%.*s", (int)i, path);
            if (!table_find(&disk->seen, part)) {
                change_names(disk, NULL, part, node_create(disk, true));
            }
        }
    }
    return end(disk, code);
}

static enum pt_code sim_sync_dir(void *ctx, const char *path_given, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    char path[PATH_BYTES];
    bool has_effect = false;
    enum pt_code code = PT_OK;
    size_t kept = 0;

    clean_path(path_given, path);
    code = begin(disk, "sync directory", path, &has_effect, err);
    if (code && !has_effect) {
        return end(disk, code);
    }
    if (!table_find(&disk->seen, path)) {
        return end(disk, pt_fail(err, PT_NOT_FOUND, "%s: no such directory", path));
    }
    for (size_t i = 0; i < disk->change_count; i++) {
        if (is_in(disk->changes[i].from, path) || is_in(disk->changes[i].to, path)) {
            table_apply(&disk->durable, &disk->changes[i]);
        } else {
            disk->changes[kept++] = disk->changes[i];
        }
    }
    disk->change_count = kept;
    return end(disk, code);
}

static enum pt_code sim_list(void *ctx, const char *path_given,
                             void (*each)(void *each_ctx, const char *name, bool is_dir),
                             void *each_ctx, struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    struct table copy = {0};
    char path[PATH_BYTES];
    bool has_effect = false;
    enum pt_code code = PT_OK;

    clean_path(path_given, path);
    code = begin(disk, "list", path, &has_effect, err);
    if (!code && !table_find(&disk->seen, path)) {
        code = pt_fail(err, PT_NOT_FOUND, "%s: no such directory", path);
    }
    if (code) {
        return end(disk, code);
    }
    table_copy(&copy, &disk->seen);
    (void)end(disk, PT_OK); /* `each` may call the disk */
    for (size_t i = 0; i < copy.count; i++) {
        const char *slash = strrchr(copy.entries[i].path, '/');

        if (is_in(copy.entries[i].path, path) && strcmp(copy.entries[i].path, path) != 0) {
            each(each_ctx, slash ? slash + 1 : copy.entries[i].path, copy.entries[i].node->is_dir);
        }
    }
    free(copy.entries);
    return PT_OK;
}

static enum pt_code sim_free_bytes(void *ctx, const char *path, uint64_t *bytes_out,
                                   struct pt_error *err)
{
    struct pt_simdisk *disk = ctx;
    bool has_effect = false;
    enum pt_code code = begin(disk, "free space", path, &has_effect, err);
    uint64_t used = used_bytes(disk);

    *bytes_out = code || used > disk->capacity_bytes ? 0 : disk->capacity_bytes - used;
    return end(disk, code);
}

/* ---- for the tests ---- */

struct pt_simdisk *pt_simdisk_create(void)
{
    struct pt_simdisk *disk = must(calloc(1, sizeof(*disk)));
    struct node *root = node_create(disk, true);
    struct node *here = node_create(disk, true);

    pthread_mutex_init(&disk->mutex, NULL);
    disk->capacity_bytes = (uint64_t)1 << 30;
    table_put(&disk->seen, "/", root);
    table_put(&disk->seen, ".", here);
    table_copy(&disk->durable, &disk->seen);
    disk->io = (struct pt_io){
        .ctx = disk,
        .open = sim_open,
        .close = sim_close,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .size = sim_size,
        .truncate = sim_truncate,
        .allocate = sim_allocate,
        .rename = sim_rename,
        .rename_new = sim_rename_new,
        .unlink = sim_unlink,
        .mkdir = sim_mkdir,
        .sync_dir = sim_sync_dir,
        .list = sim_list,
        .free_bytes = sim_free_bytes,
    };
    return disk;
}

void pt_simdisk_destroy(struct pt_simdisk *disk)
{
    if (!disk) {
        return;
    }
    for (size_t i = 0; i < disk->node_count; i++) {
        free(disk->nodes[i]->seen);
        free(disk->nodes[i]->durable);
        free(disk->nodes[i]->marks);
        free(disk->nodes[i]);
    }
    free(disk->nodes);
    free(disk->seen.entries);
    free(disk->durable.entries);
    free(disk->changes);
    free(disk->last_before);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

struct pt_io *pt_simdisk_io(struct pt_simdisk *disk)
{
    return &disk->io;
}

/* The calls from now that fail: one, or all from one on; 0: none. */
static void set_fault(struct pt_simdisk *disk, unsigned nth, unsigned from_nth, enum pt_code code,
                      bool has_effect)
{
    pthread_mutex_lock(&disk->mutex);
    disk->fail_at = nth ? disk->calls + nth : 0;
    disk->fail_from = from_nth ? disk->calls + from_nth : 0;
    disk->fail_code = code;
    disk->fail_has_effect = has_effect;
    disk->has_fired = false;
    pthread_mutex_unlock(&disk->mutex);
}

void pt_simdisk_fail_call(struct pt_simdisk *disk, unsigned nth, enum pt_code code, bool has_effect)
{
    set_fault(disk, nth, 0, code, has_effect);
}

void pt_simdisk_fail_from(struct pt_simdisk *disk, unsigned nth, enum pt_code code)
{
    set_fault(disk, 0, nth, code, false);
}

bool pt_simdisk_fault_fired(struct pt_simdisk *disk)
{
    bool has_fired = false;

    pthread_mutex_lock(&disk->mutex);
    has_fired = disk->has_fired;
    pthread_mutex_unlock(&disk->mutex);
    return has_fired;
}

void pt_simdisk_hook_call(struct pt_simdisk *disk, unsigned nth, void (*hook)(void *ctx), void *ctx)
{
    disk->hook_at = disk->calls + nth;
    disk->hook = hook;
    disk->hook_ctx = ctx;
}

bool pt_simdisk_hook_ran(struct pt_simdisk *disk)
{
    return disk->hook_at == 0;
}

uint64_t pt_simdisk_calls(struct pt_simdisk *disk)
{
    uint64_t calls = 0;

    pthread_mutex_lock(&disk->mutex);
    calls = disk->calls;
    pthread_mutex_unlock(&disk->mutex);
    return calls;
}

void pt_simdisk_crash(struct pt_simdisk *disk, enum pt_simdisk_loss loss, uint64_t seed)
{
    struct pt_rng rng;
    size_t kept = 0;

    pthread_mutex_lock(&disk->mutex);
    pt_rng_seed(&rng, seed);
    if (loss == PT_SIMDISK_LOSE_NONE) {
        kept = disk->change_count;
    } else if (loss == PT_SIMDISK_LOSE_SOME) {
        kept = (size_t)pt_rng_below(&rng, disk->change_count + 1);
    }
    for (size_t i = 0; i < kept; i++) {
        table_apply(&disk->durable, &disk->changes[i]);
    }
    disk->change_count = 0;
    table_copy(&disk->seen, &disk->durable);
    /* A file whose directory is gone is gone. */
    for (size_t i = 0; i < disk->seen.count;) {
        char parent[PATH_BYTES];

        parent_of(disk->seen.entries[i].path, parent);
        if (!table_find(&disk->seen, parent)) {
            disk->seen.entries[i] = disk->seen.entries[--disk->seen.count];
            i = 0;
        } else {
            i++;
        }
    }
    table_copy(&disk->durable, &disk->seen);
    for (size_t i = 0; i < disk->node_count; i++) {
        node_crash(disk->nodes[i], loss, &rng);
    }
    disk->life++;
    disk->fail_at = 0;
    disk->fail_from = 0;
    disk->last_node = NULL;
    disk->last_bytes = 0;
    pthread_mutex_unlock(&disk->mutex);
}

void pt_simdisk_crash_torn(struct pt_simdisk *disk, size_t bytes)
{
    struct node *node = disk->last_node;

    pt_assert(node && bytes <= disk->last_bytes);
    memcpy(node->seen + disk->last_at + bytes, disk->last_before + bytes, disk->last_bytes - bytes);
    if (disk->last_at + bytes > disk->last_seen_bytes) {
        node->seen_bytes = disk->last_at + bytes;
    } else {
        node->seen_bytes = disk->last_seen_bytes;
    }
    pt_simdisk_crash(disk, PT_SIMDISK_LOSE_NONE, 0);
}

size_t pt_simdisk_last_write_bytes(struct pt_simdisk *disk)
{
    return disk->last_bytes;
}

void pt_simdisk_flip(struct pt_simdisk *disk, const char *path_given, uint64_t at, uint8_t mask)
{
    struct entry *entry = NULL;
    char path[PATH_BYTES];

    clean_path(path_given, path);
    pthread_mutex_lock(&disk->mutex);
    entry = table_find(&disk->seen, path);
    pt_assert(entry && at < entry->node->seen_bytes);
    entry->node->seen[at] ^= mask;
    entry->node->durable[at] ^= mask;
    pthread_mutex_unlock(&disk->mutex);
}

void pt_simdisk_set_capacity(struct pt_simdisk *disk, uint64_t bytes)
{
    pthread_mutex_lock(&disk->mutex);
    disk->capacity_bytes = bytes;
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t pt_simdisk_used(struct pt_simdisk *disk)
{
    uint64_t bytes = 0;

    pthread_mutex_lock(&disk->mutex);
    bytes = used_bytes(disk);
    pthread_mutex_unlock(&disk->mutex);
    return bytes;
}

unsigned pt_simdisk_file_count(struct pt_simdisk *disk)
{
    unsigned count = 0;

    for (size_t i = 0; i < disk->seen.count; i++) {
        count += disk->seen.entries[i].node->is_dir ? 0 : 1;
    }
    return count;
}
