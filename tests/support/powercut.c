/*
 * powercut.c - the real file system, whose calls fail and whose power goes
 *
 * A node is an inode of the real file system; its descriptor stays open here, so that its number
 * is not given to another and its bytes can be read after its last name is gone.
 */
#include "powercut.h"

#include "base/mem.h"
#include "base/rng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512u
#define MET_BYTES 320

struct node;

struct name {
    char *text;
    struct node *node;
};

struct names {
    struct name *list;
    size_t count;
};

/* In a directory: `from` goes away, `to` appears as `node`; either may be NULL. */
struct change {
    char *from;
    char *to;
    struct node *node;
};

struct node {
    ino_t ino;
    int fd;
    bool is_dir;
    mode_t mode;
    /* Of a file: as it was at its last sync, and the sectors that a failed sync forgot. */
    uint8_t *bytes;
    size_t size;
    uint8_t *forgotten;
    size_t forgotten_count;
    /* Of a directory: as it was at its last sync, and what was changed since, oldest first. */
    struct names names;
    struct change *changes;
    size_t change_count;
};

struct pt_file {
    struct pt_file *real;
    struct node *node;
    char *path;
};

struct pt_powercut {
    pthread_mutex_t lock;
    struct pt_io io;
    struct pt_io *real;
    char *root;
    struct node **nodes;
    size_t node_count;
    enum pt_trouble trouble;
    unsigned nth;
    enum pt_code code;
    unsigned calls;
    bool has_fired;
    char met[MET_BYTES];
};

static void *must(void *memory)
{
    if (!memory) {
        perror("powercut");
        abort();
    }
    return memory;
}

static void must_be(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
        abort();
    }
}

/* ---- nodes and names ---- */

static struct node *node_of_status(struct pt_powercut *cut, const char *path,
                                   const struct stat *status)
{
    struct node *node = NULL;

    for (size_t i = 0; i < cut->node_count; i++) {
        if (cut->nodes[i]->ino == status->st_ino) {
            return cut->nodes[i];
        }
    }
    node = must(calloc(1, sizeof(*node)));
    node->ino = status->st_ino;
    node->mode = status->st_mode & 0777;
    node->is_dir = S_ISDIR(status->st_mode);
    node->fd = open(path, O_RDONLY | O_CLOEXEC);
    must_be(node->fd >= 0, path);
    cut->nodes = must(realloc(cut->nodes, (cut->node_count + 1) * sizeof(*cut->nodes)));
    cut->nodes[cut->node_count++] = node;
    return node;
}

/* NULL where nothing is. */
static struct node *node_at(struct pt_powercut *cut, const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? node_of_status(cut, path, &status) : NULL;
}

static void names_release(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i].text);
    }
    free(names->list);
    *names = (struct names){0};
}

static void names_remove(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].text, text) == 0) {
            free(names->list[i].text);
            names->list[i] = names->list[--names->count];
            return;
        }
    }
}

static bool names_have(const struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

static void names_put(struct names *names, const char *text, struct node *node)
{
    names_remove(names, text);
    names->list = must(realloc(names->list, (names->count + 1) * sizeof(*names->list)));
    names->list[names->count++] = (struct name){.text = must(strdup(text)), .node = node};
}

static void names_apply(struct names *names, const struct change *change)
{
    if (change->from) {
        names_remove(names, change->from);
    }
    if (change->to) {
        names_put(names, change->to, change->node);
    }
}

/* What can be seen in the directory now. */
static void names_seen(struct pt_powercut *cut, const char *path, struct names *names)
{
    DIR *dir = must(opendir(path));

    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char *at = NULL;
        struct node *node = NULL;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        at = must(pt_strf("%s/%s", path, entry->d_name));
        node = node_at(cut, at);
        if (node) { /* else DuckDB has removed it just now */
            names_put(names, entry->d_name, node);
        }
        pt_free(at);
    }
    closedir(dir);
}

static void changes_clear(struct node *node)
{
    for (size_t i = 0; i < node->change_count; i++) {
        free(node->changes[i].from);
        free(node->changes[i].to);
    }
    free(node->changes);
    node->changes = NULL;
    node->change_count = 0;
}

/* The directory that holds `path`, and the last part of it. */
static struct node *parent_of(struct pt_powercut *cut, const char *path, const char **last_out)
{
    const char *slash = strrchr(path, '/');
    char *dir =
        must(slash ? pt_strf("%.*s", slash == path ? 1 : (int)(slash - path), path) : pt_strf("."));
    struct node *node = node_at(cut, dir);

    *last_out = slash ? slash + 1 : path;
    pt_free(dir);
    return node;
}

static void note_change(struct node *dir, const char *from, const char *to, struct node *node)
{
    dir->changes = must(realloc(dir->changes, (dir->change_count + 1) * sizeof(*dir->changes)));
    dir->changes[dir->change_count++] = (struct change){
        .from = from ? must(strdup(from)) : NULL,
        .to = to ? must(strdup(to)) : NULL,
        .node = node,
    };
}

/* ---- bytes ---- */

static uint8_t *read_fd(int fd, size_t *size_out)
{
    struct stat status;
    uint8_t *bytes = NULL;
    size_t done = 0;

    must_be(fstat(fd, &status) == 0, "look at a file");
    bytes = must(calloc(1, (size_t)status.st_size + 1));
    while (done < (size_t)status.st_size) {
        ssize_t got = pread(fd, bytes + done, (size_t)status.st_size - done, (off_t)done);

        must_be(got >= 0, "read a file");
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *size_out = done;
    return bytes;
}

static size_t sectors_of(size_t bytes)
{
    return (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
}

static bool is_forgotten(const struct node *node, size_t sector)
{
    return sector < node->forgotten_count && node->forgotten[sector];
}

/* Sector `sector` of what `bytes` hold; zeros behind their end. */
static void take_sector(const uint8_t *bytes, size_t size, size_t sector, uint8_t out[SECTOR_BYTES])
{
    size_t at = sector * SECTOR_BYTES;
    size_t left = at < size ? size - at : 0;

    memset(out, 0, SECTOR_BYTES);
    if (left > 0) {
        memcpy(out, bytes + at, left < SECTOR_BYTES ? left : SECTOR_BYTES);
    }
}

static void put_sector(uint8_t *bytes, size_t size, size_t sector, const uint8_t from[SECTOR_BYTES])
{
    size_t at = sector * SECTOR_BYTES;
    size_t left = at < size ? size - at : 0;

    if (left > 0) {
        memcpy(bytes + at, from, left < SECTOR_BYTES ? left : SECTOR_BYTES);
    }
}

static bool sector_differs(const struct node *node, const uint8_t *seen, size_t seen_size,
                           size_t sector)
{
    uint8_t before[SECTOR_BYTES];
    uint8_t now[SECTOR_BYTES];

    take_sector(node->bytes, node->size, sector, before);
    take_sector(seen, seen_size, sector, now);
    return memcmp(before, now, SECTOR_BYTES) != 0;
}

/* Everything that can be read is durable but what an earlier sync forgot. */
static void make_durable(struct node *node)
{
    size_t size = 0;
    uint8_t *seen = read_fd(node->fd, &size);

    for (size_t i = 0; i < node->forgotten_count; i++) {
        if (node->forgotten[i]) {
            uint8_t before[SECTOR_BYTES];

            take_sector(node->bytes, node->size, i, before);
            put_sector(seen, size, i, before);
        }
    }
    free(node->bytes);
    node->bytes = seen;
    node->size = size;
}

/* A sync has failed: what it should have written is never written by a later one. */
static void forget(struct node *node)
{
    size_t size = 0;
    uint8_t *seen = read_fd(node->fd, &size);
    size_t sectors = sectors_of(size);

    if (sectors > node->forgotten_count) {
        node->forgotten = must(realloc(node->forgotten, sectors));
        memset(node->forgotten + node->forgotten_count, 0, sectors - node->forgotten_count);
        node->forgotten_count = sectors;
    }
    for (size_t i = 0; i < sectors; i++) {
        node->forgotten[i] = node->forgotten[i] || sector_differs(node, seen, size, i);
    }
    free(seen);
}

static void remember(struct node *node, uint64_t at, size_t bytes)
{
    for (size_t i = at / SECTOR_BYTES; bytes && i <= (at + bytes - 1) / SECTOR_BYTES; i++) {
        if (i < node->forgotten_count) {
            node->forgotten[i] = 0;
        }
    }
}

/* ---- trouble ---- */

/* Under the lock. Whether the call that begins now fails; `*is_done_out`: only after it was done.
 */
static bool meets(struct pt_powercut *cut, const char *what, const char *path, bool *is_done_out,
                  bool *is_half_out, enum pt_code *code_out, struct pt_error *err)
{
    unsigned call = ++cut->calls;

    *is_done_out = false;
    *is_half_out = false;
    if (cut->trouble == PT_TROUBLE_NONE || call < cut->nth ||
        (call > cut->nth && cut->trouble != PT_TROUBLE_FROM)) {
        return false;
    }
    if (!cut->has_fired) {
        (void)snprintf(cut->met, sizeof(cut->met), "%s %s", what, path);
    }
    cut->has_fired = true;
    if (cut->trouble == PT_TROUBLE_DELAY) {
        usleep(20000);
        return false;
    }
    *is_done_out = cut->trouble == PT_TROUBLE_DONE;
    *is_half_out = cut->trouble == PT_TROUBLE_SHORT;
    *code_out = pt_fail(err, cut->code, "planted at call %u: %s %s", call, what, path);
    return true;
}

/* ---- the calls ---- */

static enum pt_code cut_open(void *ctx, const char *path, unsigned flags, struct pt_file **file_out,
                             struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    struct pt_file *real = NULL;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;
    bool was_there = false;

    pthread_mutex_lock(&cut->lock);
    was_there = access(path, F_OK) == 0;
    fails = flags && meets(cut, "open", path, &is_done, &is_half, &planted, err);
    if (!fails || is_done) {
        code = cut->real->open(cut->real->ctx, path, flags, &real, err);
    }
    if (real) {
        struct node *node = node_at(cut, path);
        const char *last = NULL;
        struct node *dir = parent_of(cut, path, &last);

        if (!was_there) {
            note_change(dir, NULL, last, node);
        }
        if (fails) {
            cut->real->close(cut->real->ctx, real);
        } else {
            *file_out = must(calloc(1, sizeof(**file_out)));
            **file_out = (struct pt_file){.real = real, .node = node, .path = must(strdup(path))};
        }
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

static void cut_close(void *ctx, struct pt_file *file)
{
    struct pt_powercut *cut = ctx;

    if (file) {
        cut->real->close(cut->real->ctx, file->real);
        free(file->path);
        free(file);
    }
}

static enum pt_code cut_read(void *ctx, struct pt_file *file, uint64_t at, void *data, size_t bytes,
                             size_t *read_out, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;

    return cut->real->read(cut->real->ctx, file->real, at, data, bytes, read_out, err);
}

static enum pt_code cut_write(void *ctx, struct pt_file *file, uint64_t at, const void *data,
                              size_t bytes, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, "write", file->path, &is_done, &is_half, &planted, err);
    if (!fails || is_done || is_half) {
        size_t part = fails && is_half ? bytes / 2 : bytes;

        code = cut->real->write(cut->real->ctx, file->real, at, data, part, err);
        remember(file->node, at, part);
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

static enum pt_code cut_sync(void *ctx, struct pt_file *file, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, "sync", file->path, &is_done, &is_half, &planted, err);
    if (fails) {
        forget(file->node);
    } else {
        make_durable(file->node);
    }
    pthread_mutex_unlock(&cut->lock);
    return planted;
}

static enum pt_code cut_size(void *ctx, struct pt_file *file, uint64_t *bytes_out,
                             struct pt_error *err)
{
    struct pt_powercut *cut = ctx;

    return cut->real->size(cut->real->ctx, file->real, bytes_out, err);
}

static enum pt_code cut_truncate(void *ctx, struct pt_file *file, uint64_t bytes,
                                 struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, "truncate", file->path, &is_done, &is_half, &planted, err);
    if (!fails || is_done) {
        code = cut->real->truncate(cut->real->ctx, file->real, bytes, err);
        remember(file->node, bytes, (size_t)1 << 30);
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

static enum pt_code cut_allocate(void *ctx, struct pt_file *file, uint64_t bytes,
                                 struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, "allocate", file->path, &is_done, &is_half, &planted, err);
    if (!fails || is_done || is_half) {
        code =
            cut->real->allocate(cut->real->ctx, file->real, is_half ? bytes / 2 + 1 : bytes, err);
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

/* A rename between directories is two changes here, and a cut may keep one of them. */
static enum pt_code rename_by(struct pt_powercut *cut, const char *what,
                              enum pt_code (*real)(void *ctx, const char *from, const char *to,
                                                   struct pt_error *err),
                              const char *from, const char *to, struct pt_error *err)
{
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, what, to, &is_done, &is_half, &planted, err);
    if (!fails || is_done) {
        code = real(cut->real->ctx, from, to, err);
    }
    if (!code && (!fails || is_done)) {
        const char *from_last = NULL;
        const char *to_last = NULL;
        struct node *from_dir = parent_of(cut, from, &from_last);
        struct node *to_dir = parent_of(cut, to, &to_last);
        struct node *node = node_at(cut, to);

        if (from_dir == to_dir) {
            note_change(to_dir, from_last, to_last, node);
        } else {
            note_change(to_dir, NULL, to_last, node);
            note_change(from_dir, from_last, NULL, NULL);
        }
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

static enum pt_code cut_rename(void *ctx, const char *from, const char *to, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;

    return rename_by(cut, "rename", cut->real->rename, from, to, err);
}

static enum pt_code cut_rename_new(void *ctx, const char *from, const char *to,
                                   struct pt_error *err)
{
    struct pt_powercut *cut = ctx;

    return rename_by(cut, "rename_new", cut->real->rename_new, from, to, err);
}

static enum pt_code cut_unlink(void *ctx, const char *path, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, "unlink", path, &is_done, &is_half, &planted, err);
    if (!fails || is_done) {
        (void)node_at(cut, path); /* its bytes may come back */
        code = cut->real->unlink(cut->real->ctx, path, err);
        if (!code) {
            const char *last = NULL;
            struct node *dir = parent_of(cut, path, &last);

            note_change(dir, last, NULL, NULL);
        }
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

/* Each part of the path that is new is a change in the directory above it. */
static enum pt_code make_dirs(struct pt_powercut *cut, const char *path, struct pt_error *err)
{
    char *copy = must(strdup(path));
    enum pt_code code = PT_OK;

    for (char *at = copy + 1; !code; at++) {
        char kept = *at;

        if (kept != '/' && kept != '\0') {
            continue;
        }
        *at = '\0';
        if (access(copy, F_OK) != 0) {
            code = cut->real->mkdir(cut->real->ctx, copy, err);
            if (!code) {
                const char *last = NULL;
                struct node *dir = parent_of(cut, copy, &last);

                note_change(dir, NULL, last, node_at(cut, copy));
            }
        }
        *at = kept;
        if (!kept) {
            break;
        }
    }
    free(copy);
    return code;
}

static enum pt_code cut_mkdir(void *ctx, const char *path, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code planted = PT_OK;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    bool fails = false;

    pthread_mutex_lock(&cut->lock);
    fails = meets(cut, "mkdir", path, &is_done, &is_half, &planted, err);
    if (!fails || is_done) {
        code = make_dirs(cut, path, err);
    }
    pthread_mutex_unlock(&cut->lock);
    return fails ? planted : code;
}

static enum pt_code cut_sync_dir(void *ctx, const char *path, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;
    enum pt_code code = PT_OK;
    bool is_done = false;
    bool is_half = false;
    struct node *node = NULL;

    pthread_mutex_lock(&cut->lock);
    if (!meets(cut, "sync_dir", path, &is_done, &is_half, &code, err)) {
        node = node_at(cut, path);
        if (!node) {
            code = cut->real->sync_dir(cut->real->ctx, path, err);
        } else {
            names_release(&node->names);
            names_seen(cut, path, &node->names);
            changes_clear(node);
        }
    }
    pthread_mutex_unlock(&cut->lock);
    return code;
}

static enum pt_code cut_list(void *ctx, const char *path,
                             void (*each)(void *each_ctx, const char *name, bool is_dir),
                             void *each_ctx, struct pt_error *err)
{
    struct pt_powercut *cut = ctx;

    return cut->real->list(cut->real->ctx, path, each, each_ctx, err);
}

static enum pt_code cut_free_bytes(void *ctx, const char *path, uint64_t *bytes_out,
                                   struct pt_error *err)
{
    struct pt_powercut *cut = ctx;

    return cut->real->free_bytes(cut->real->ctx, path, bytes_out, err);
}

/* ---- the cut ---- */

/* The bytes that a file has after the cut; heap. */
static uint8_t *bytes_left(struct node *node, enum pt_loss loss, struct pt_rng *rng,
                           size_t *size_out)
{
    size_t seen_size = 0;
    uint8_t *seen = read_fd(node->fd, &seen_size);
    size_t least = node->size < seen_size ? node->size : seen_size;
    size_t most = node->size > seen_size ? node->size : seen_size;
    unsigned manner = (unsigned)pt_rng_below(rng, 5);
    size_t size = least + (size_t)pt_rng_below(rng, most - least + 1);
    uint8_t *left = NULL;

    if (loss == PT_LOSE_NONE || (loss == PT_LOSE_SOME && manner == 1)) {
        manner = 1; /* all of it */
        size = seen_size;
    } else if (loss == PT_LOSE_ALL || manner == 0) {
        manner = 0; /* none of it */
        size = node->size;
    }
    left = must(calloc(1, size + 1));
    for (size_t i = 0; i < sectors_of(size); i++) {
        uint8_t before[SECTOR_BYTES];
        uint8_t now[SECTOR_BYTES];
        bool keeps = manner == 1 || manner == 3 || (manner == 2 && pt_rng_below(rng, 2));

        take_sector(node->bytes, node->size, i, before);
        take_sector(seen, seen_size, i, now);
        if (is_forgotten(node, i)) {
            keeps = false;
        } else if (manner == 4) { /* the newest writes at the end are zeros */
            keeps = i * SECTOR_BYTES < node->size || pt_rng_below(rng, 3) == 0;
        }
        put_sector(left, size, i, keeps ? now : before);
    }
    free(seen);
    *size_out = size;
    return left;
}

static void write_out(const char *path, const uint8_t *bytes, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    size_t done = 0;

    must_be(fd >= 0, path);
    while (done < size) {
        ssize_t put = write(fd, bytes + done, size - done);

        must_be(put > 0, path);
        done += (size_t)put;
    }
    close(fd);
}

static void rebuild(struct pt_powercut *cut, struct node *dir, const char *seen, const char *out,
                    enum pt_loss loss, struct pt_rng *rng)
{
    struct names names = {0};
    struct names now = {0};
    size_t changes = 0;

    if (seen) {
        names_seen(cut, seen, &now);
    }
    if (loss == PT_LOSE_NONE) {
        names = now;
        now = (struct names){0};
    } else {
        for (size_t i = 0; i < dir->names.count; i++) {
            names_put(&names, dir->names.list[i].text, dir->names.list[i].node);
        }
        changes = loss == PT_LOSE_ALL ? 0 : (size_t)pt_rng_below(rng, dir->change_count + 1);
        for (size_t i = 0; i < changes; i++) {
            names_apply(&names, &dir->changes[i]);
        }
        /* What DuckDB made is in no list of changes: each by itself. */
        for (size_t i = 0; i < now.count; i++) {
            bool is_noted = names_have(&dir->names, now.list[i].text);

            for (size_t k = 0; k < dir->change_count; k++) {
                is_noted = is_noted || (dir->changes[k].to &&
                                        strcmp(dir->changes[k].to, now.list[i].text) == 0);
            }
            if (!is_noted && loss == PT_LOSE_SOME && pt_rng_below(rng, 2)) {
                names_put(&names, now.list[i].text, now.list[i].node);
            }
        }
    }
    for (size_t i = 0; i < names.count; i++) {
        struct node *node = names.list[i].node;
        char *to = must(pt_strf("%s/%s", out, names.list[i].text));
        char *from = must(pt_strf("%s/%s", seen ? seen : "", names.list[i].text));

        if (node->is_dir) {
            must_be(mkdir(to, 0755) == 0, to);
            rebuild(cut, node, seen && node_at(cut, from) == node ? from : NULL, to, loss, rng);
        } else {
            size_t size = 0;
            uint8_t *left = bytes_left(node, loss, rng, &size);

            write_out(to, left, size, node->mode);
            free(left);
        }
        pt_free(from);
        pt_free(to);
    }
    names_release(&names);
    names_release(&now);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void nodes_release(struct pt_powercut *cut)
{
    for (size_t i = 0; i < cut->node_count; i++) {
        struct node *node = cut->nodes[i];

        close(node->fd);
        names_release(&node->names);
        changes_clear(node);
        free(node->bytes);
        free(node->forgotten);
        free(node);
    }
    free(cut->nodes);
    cut->nodes = NULL;
    cut->node_count = 0;
}

/* What is there is durable. */
static void adopt(struct pt_powercut *cut, const char *path)
{
    struct node *node = node_at(cut, path);

    must_be(node != NULL, path);
    if (!node->is_dir) {
        make_durable(node);
        return;
    }
    names_seen(cut, path, &node->names);
    for (size_t i = 0; i < node->names.count; i++) {
        char *below = must(pt_strf("%s/%s", path, node->names.list[i].text));

        adopt(cut, below);
        pt_free(below);
    }
}

void pt_powercut_cut(struct pt_powercut *cut, enum pt_loss loss, uint64_t seed)
{
    char *out = must(pt_strf("%s.after", cut->root));
    struct pt_rng rng;

    pt_rng_seed(&rng, seed);
    pthread_mutex_lock(&cut->lock);
    must_be(mkdir(out, 0755) == 0, out);
    rebuild(cut, node_at(cut, cut->root), cut->root, out, loss, &rng);
    nodes_release(cut);
    must_be(nftw(cut->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0, cut->root);
    must_be(rename(out, cut->root) == 0, out);
    adopt(cut, cut->root);
    cut->trouble = PT_TROUBLE_NONE;
    pthread_mutex_unlock(&cut->lock);
    pt_free(out);
}

/* ---- making one ---- */

struct pt_powercut *pt_powercut_create(const char *root)
{
    struct pt_powercut *cut = must(calloc(1, sizeof(*cut)));

    cut->io = (struct pt_io){
        .ctx = cut,
        .open = cut_open,
        .close = cut_close,
        .read = cut_read,
        .write = cut_write,
        .sync = cut_sync,
        .size = cut_size,
        .truncate = cut_truncate,
        .allocate = cut_allocate,
        .rename = cut_rename,
        .rename_new = cut_rename_new,
        .unlink = cut_unlink,
        .mkdir = cut_mkdir,
        .sync_dir = cut_sync_dir,
        .list = cut_list,
        .free_bytes = cut_free_bytes,
    };
    cut->real = pt_io_posix();
    cut->root = must(strdup(root));
    pthread_mutex_init(&cut->lock, NULL);
    adopt(cut, root);
    return cut;
}

void pt_powercut_destroy(struct pt_powercut *cut)
{
    if (cut) {
        nodes_release(cut);
        pthread_mutex_destroy(&cut->lock);
        free(cut->root);
        free(cut);
    }
}

struct pt_io *pt_powercut_io(struct pt_powercut *cut)
{
    return &cut->io;
}

void pt_powercut_plan(struct pt_powercut *cut, enum pt_trouble trouble, unsigned nth,
                      enum pt_code code)
{
    pthread_mutex_lock(&cut->lock);
    cut->trouble = trouble;
    cut->nth = nth;
    cut->code = code;
    cut->calls = 0;
    cut->has_fired = false;
    cut->met[0] = '\0';
    pthread_mutex_unlock(&cut->lock);
}

bool pt_powercut_fired(struct pt_powercut *cut)
{
    bool has_fired = false;

    pthread_mutex_lock(&cut->lock);
    has_fired = cut->has_fired;
    pthread_mutex_unlock(&cut->lock);
    return has_fired;
}

unsigned pt_powercut_calls(struct pt_powercut *cut)
{
    unsigned calls = 0;

    pthread_mutex_lock(&cut->lock);
    calls = cut->calls;
    pthread_mutex_unlock(&cut->lock);
    return calls;
}

const char *pt_powercut_met(struct pt_powercut *cut)
{
    return cut->met;
}
