/*
 * expire.c - files that no snapshot names
 */
#include "base/lock.h"
#include "lake/lake_inside.h"
#include "lake/path_set.h"
#include "lake/user_index.h"

#include <inttypes.h>

struct orphans {
    struct pt_table *table;
    struct pt_path_set lists;
    struct pt_path_set manifests;
    struct pt_path_set data;
    struct pt_path_set metadata;
};

static enum pt_code use_data_file(void *ctx, const struct pt_manifest_entry *entry,
                                  struct pt_error *err)
{
    struct orphans *orphans = ctx;

    (void)err;
    /* Deleted ones too: an older snapshot that is still kept may name them. */
    pt_path_set_take(&orphans->data, pt_table_path(orphans->table, pt_span_str(entry->path)));
    return PT_OK;
}

/* Everything that the snapshots of the current metadata name. */
static enum pt_code find_used(struct orphans *orphans, struct pt_error *err)
{
    struct pt_table *table = orphans->table;
    struct pt_json snapshots = pt_json_member(table->root, "snapshots");
    struct pt_json log = pt_json_member(table->root, "metadata-log");
    struct pt_arena arena;
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    pt_arena_init(&arena, PT_MANIFEST_BYTES_MAX);
    for (it = pt_json_iterate(snapshots); !code && pt_json_next(&it);) {
        struct pt_manifest *manifests = NULL;
        struct pt_span list = {0};
        size_t count = 0;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "manifest-list", &list)) {
            code =
                pt_fail(err, PT_CORRUPT, "table %s: a snapshot without manifest-list", table->dir);
            break;
        }
        pt_arena_reset(&arena);
        code = pt_table_read_list(table, list, &arena, &manifests, &count, err);
        pt_path_set_take(&orphans->lists, pt_table_path(table, list));
        for (size_t i = 0; i < count; i++) {
            pt_path_set_take(&orphans->manifests,
                             pt_table_path(table, pt_span_str(manifests[i].path)));
        }
    }
    for (it = pt_json_iterate(log); !code && pt_json_next(&it);) {
        struct pt_span path = {0};

        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_string(it.value, "metadata-file", &path)) {
            pt_path_set_take(&orphans->metadata, pt_table_path(table, path));
        }
    }
    pt_arena_release(&arena);
    pt_path_set_sort(&orphans->lists);
    pt_path_set_sort(&orphans->manifests);
    pt_path_set_sort(&orphans->metadata);
    for (size_t i = 0; !code && i < orphans->manifests.count; i++) {
        const struct pt_manifest manifest = {.path = orphans->manifests.items[i]};
        uint8_t *data = NULL;
        size_t size = 0;

        code =
            pt_io_read_all(table->io, manifest.path, PT_MANIFEST_BYTES_MAX, 1, &data, &size, err);
        if (!code) {
            code = pt_manifest_each(&manifest, pt_span_of(data, size), use_data_file, orphans, err);
        }
        pt_free(data);
    }
    pt_path_set_sort(&orphans->data);
    if (!code && (orphans->lists.has_failed || orphans->manifests.has_failed ||
                  orphans->data.has_failed || orphans->metadata.has_failed)) {
        code = pt_fail(err, PT_NO_MEMORY, "look for orphans");
    }
    return code;
}

struct listing {
    const char *dir;
    struct pt_path_set *files;
    struct pt_path_set *dirs; /* NULL: not wanted */
};

static void take_entry(void *ctx, const char *name, bool is_dir)
{
    struct listing *listing = ctx;

    if (!is_dir) {
        pt_path_set_take(listing->files, pt_strf("%s/%s", listing->dir, name));
    } else if (listing->dirs) {
        pt_path_set_take(listing->dirs, pt_strf("%s/%s", listing->dir, name));
    }
}

static enum pt_code list_files(struct pt_io *io, const char *dir, struct pt_path_set *files,
                               struct pt_path_set *dirs, struct pt_error *err)
{
    struct listing listing = {.dir = dir, .files = files, .dirs = dirs};
    enum pt_code code = pt_io_list(io, dir, take_entry, &listing, err);

    if (code == PT_NOT_FOUND) {
        code = PT_OK;
    }
    if (!code && (files->has_failed || (dirs && dirs->has_failed))) {
        code = pt_fail(err, PT_NO_MEMORY, "look for orphans");
    }
    return code;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);

    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

/* Of an index of users: whether the data file beside it is named. Without memory it stays. */
static bool has_data_file(const struct orphans *orphans, const char *path)
{
    size_t size = strlen(path) - strlen(PT_USER_INDEX_ENDING);
    char *data = pt_strf("%.*s.parquet", (int)size, path);
    bool has = !data || pt_path_set_has(&orphans->data, data);

    pt_free(data);
    return has;
}

static enum pt_code remove_data(struct orphans *orphans, uint64_t *removed_out,
                                struct pt_error *err)
{
    struct pt_io *io = orphans->table->io;
    struct pt_path_set files;
    struct pt_path_set dirs;
    char *data = pt_table_local(orphans->table, "data");
    enum pt_code code = PT_OK;

    pt_path_set_init(&files);
    pt_path_set_init(&dirs);
    code = data ? list_files(io, data, &files, &dirs, err)
                : pt_fail(err, PT_NO_MEMORY, "look for orphans");
    for (size_t i = 0; !code && i < dirs.count; i++) {
        code = list_files(io, dirs.items[i], &files, NULL, err);
    }
    for (size_t i = 0; !code && i < files.count; i++) {
        bool is_data = ends_with(files.items[i], ".parquet");
        bool is_index = ends_with(files.items[i], PT_USER_INDEX_ENDING);

        if ((is_data && !pt_path_set_has(&orphans->data, files.items[i])) ||
            (is_index && !has_data_file(orphans, files.items[i]))) {
            code = pt_io_unlink(io, files.items[i], err);
            *removed_out += code == PT_OK && is_data;
        }
    }
    pt_path_set_release(&dirs);
    pt_path_set_release(&files);
    pt_free(data);
    return code;
}

static bool is_metadata_orphan(const struct orphans *orphans, const char *path, const char *current)
{
    if (ends_with(path, ".avro")) {
        return !pt_path_set_has(&orphans->lists, path) &&
               !pt_path_set_has(&orphans->manifests, path);
    }
    if (ends_with(path, ".metadata.json")) {
        return strcmp(path, current) != 0 && !pt_path_set_has(&orphans->metadata, path);
    }
    return ends_with(path, ".tmp");
}

static enum pt_code remove_metadata(struct orphans *orphans, struct pt_error *err)
{
    struct pt_table *table = orphans->table;
    struct pt_path_set files;
    char *dir = pt_table_local(table, "metadata");
    char *current = pt_strf("%s/metadata/v%" PRIu64 ".metadata.json", table->dir, table->version);
    enum pt_code code = PT_OK;

    pt_path_set_init(&files);
    if (!dir || !current) {
        code = pt_fail(err, PT_NO_MEMORY, "look for orphans");
        goto out;
    }
    code = list_files(table->io, dir, &files, NULL, err);
    for (size_t i = 0; !code && i < files.count; i++) {
        if (is_metadata_orphan(orphans, files.items[i], current)) {
            code = pt_io_unlink(table->io, files.items[i], err);
        }
    }

out:
    pt_path_set_release(&files);
    pt_free(current);
    pt_free(dir);
    return code;
}

static enum pt_code remove_unnamed(struct pt_lake *lake, uint64_t *removed_out,
                                   struct pt_error *err)
{
    struct orphans orphans = {.table = &lake->table};
    enum pt_code code = pt_lake_refresh(lake, err);

    pt_path_set_init(&orphans.lists);
    pt_path_set_init(&orphans.manifests);
    pt_path_set_init(&orphans.data);
    pt_path_set_init(&orphans.metadata);
    if (!code) {
        code = find_used(&orphans, err);
    }
    if (!code) {
        code = remove_data(&orphans, removed_out, err);
    }
    if (!code) {
        code = remove_metadata(&orphans, err);
    }
    pt_path_set_release(&orphans.metadata);
    pt_path_set_release(&orphans.data);
    pt_path_set_release(&orphans.manifests);
    pt_path_set_release(&orphans.lists);
    return code;
}

enum pt_code pt_lake_remove_orphans(struct pt_lake *lake, uint64_t *removed_out,
                                    struct pt_error *err)
{
    struct pt_lock *lock = NULL;
    char *path = pt_table_local(&lake->table, PT_COMPACT_LOCK);
    enum pt_code code =
        path ? pt_lock_take(&lock, path, err) : pt_fail(err, PT_NO_MEMORY, "look for orphans");

    *removed_out = 0;
    if (code == PT_FENCED) {
        code = PT_OK; /* what no snapshot names may be what a compaction is about to commit */
    } else if (!code) {
        code = remove_unnamed(lake, removed_out, err);
    }
    pt_lock_release(lock);
    pt_free(path);
    return code;
}
