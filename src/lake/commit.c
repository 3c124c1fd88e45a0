/*
 * commit.c - one snapshot more, and files that no snapshot names
 *
 * A commit writes, each synced: the manifest of the new files, at times a manifest merged out
 * of many, the manifest list; then the directory; then the metadata (table.c), whose rename is the
 * commit. A crash before it leaves files that pt_table_remove_orphans() finds.
 */
#include "lake/commit.h"

#include "base/rng.h"

#include <inttypes.h>

struct commit {
    struct pt_table *table;
    struct pt_manifest_context context;
    struct pt_buf schema;
    struct pt_manifest *manifests; /* of the new snapshot */
    size_t manifest_count;
    char *names[3];   /* relative paths of the files it writes: manifest, merged manifest, list */
    char *written[2]; /* the first two as the table writes them */
};

enum { NAME_MANIFEST, NAME_MERGED, NAME_LIST, NAME_COUNT };

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "commit to the table");
}

static enum pt_code commit_init(struct commit *commit, struct pt_table *table, struct pt_error *err)
{
    uint64_t id = 0;
    struct pt_jsonw w;
    enum pt_code code = pt_random_bytes(&id, sizeof(id), err);

    memset(commit, 0, sizeof(*commit));
    pt_buf_init(&commit->schema, 1u << 20);
    if (code) {
        return code;
    }
    id = (id & INT64_MAX) | 1; /* positive, never 0 */
    commit->table = table;
    pt_jsonw_init(&w, &commit->schema);
    pt_table_schema_write(&w);
    commit->context = (struct pt_manifest_context){
        .table_schema = pt_buf_span(&commit->schema),
        .location = table->location,
        .snapshot_id = (int64_t)id,
        .sequence = table->last_sequence + 1,
    };
    commit->names[NAME_MANIFEST] = pt_strf("metadata/manifest-%" PRIu64 ".avro", id);
    commit->names[NAME_MERGED] = pt_strf("metadata/manifest-%" PRIu64 "-merged.avro", id);
    commit->names[NAME_LIST] = pt_strf("metadata/snap-%" PRIu64 ".avro", id);
    commit->manifests = pt_alloc_zero((table->manifest_count + 2) * sizeof(*commit->manifests));
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        if (!commit->names[i]) {
            return no_memory(err);
        }
    }
    for (unsigned i = 0; i < NAME_LIST; i++) {
        commit->written[i] = pt_table_written(table, commit->names[i]);
        if (!commit->written[i]) {
            return no_memory(err);
        }
    }
    return commit->schema.has_failed || !commit->manifests ? no_memory(err) : PT_OK;
}

static void commit_release(struct commit *commit)
{
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        pt_free(commit->names[i]);
    }
    for (unsigned i = 0; i < NAME_LIST; i++) {
        pt_free(commit->written[i]);
    }
    pt_free(commit->manifests);
    pt_buf_release(&commit->schema);
}

static enum pt_code write_part(const struct commit *commit, unsigned name, struct pt_span content,
                               struct pt_error *err)
{
    char *path = pt_table_local(commit->table, commit->names[name]);
    enum pt_code code = PT_OK;

    if (!path) {
        return no_memory(err);
    }
    code = pt_table_write_file(commit->table->io, path, content, err);
    pt_free(path);
    return code;
}

static void remove_parts(const struct commit *commit)
{
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        char *path = commit->names[i] ? pt_table_local(commit->table, commit->names[i]) : NULL;

        if (path) {
            (void)!pt_io_unlink(commit->table->io, path, NULL);
        }
        pt_free(path);
    }
}

/* ---- merging ---- */

struct loaded {
    struct pt_manifest_source *sources;
    uint8_t **data;
    bool *is_merged; /* a manifest of the table: it goes into the merged one */
    size_t count;
};

static void loaded_release(struct loaded *loaded)
{
    for (size_t i = 0; loaded->data && i < loaded->count; i++) {
        pt_free(loaded->data[i]);
    }
    pt_free(loaded->sources);
    pt_free(loaded->data);
    pt_free(loaded->is_merged);
}

/* Read the small manifests that this program wrote. */
static enum pt_code load_small(const struct pt_table *table, struct loaded *loaded,
                               struct pt_error *err)
{
    size_t count = table->manifest_count;

    loaded->sources = pt_alloc_zero(count * sizeof(*loaded->sources));
    loaded->data = pt_alloc_zero(count * sizeof(*loaded->data));
    loaded->is_merged = pt_alloc_zero(count * sizeof(*loaded->is_merged));
    if (!loaded->sources || !loaded->data || !loaded->is_merged) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct pt_manifest *manifest = &table->manifests[i];
        char *path = NULL;
        uint8_t *data = NULL;
        size_t size = 0;
        enum pt_code code = PT_OK;

        if (manifest->bytes >= PT_MANIFEST_SMALL_BYTES) {
            continue;
        }
        path = pt_table_path(table, pt_span_str(manifest->path));
        if (!path) {
            return no_memory(err);
        }
        code = pt_io_read_all(table->io, path, PT_MANIFEST_BYTES_MAX, 1, &data, &size, err);
        pt_free(path);
        if (code) {
            return code;
        }
        if (!pt_manifest_is_ours(pt_span_of(data, size))) {
            pt_free(data);
            continue;
        }
        loaded->is_merged[i] = true;
        loaded->data[loaded->count] = data;
        loaded->sources[loaded->count] =
            (struct pt_manifest_source){.manifest = manifest, .file = pt_span_of(data, size)};
        loaded->count++;
    }
    return PT_OK;
}

static size_t small_count(const struct pt_table *table)
{
    size_t count = 0;

    for (size_t i = 0; i < table->manifest_count; i++) {
        count += table->manifests[i].bytes < PT_MANIFEST_SMALL_BYTES;
    }
    return count;
}

/* The old manifests of the new snapshot, oldest first, many small ones made one. */
static enum pt_code carry_over(struct commit *commit, struct pt_error *err)
{
    const struct pt_table *table = commit->table;
    struct loaded loaded = {0};
    struct pt_buf merged;
    enum pt_code code = PT_OK;

    pt_buf_init(&merged, PT_MANIFEST_BYTES_MAX);
    if (small_count(table) >= PT_MANIFESTS_MERGE_COUNT) {
        code = load_small(table, &loaded, err);
        if (code) {
            goto out;
        }
    }
    for (size_t i = 0; i < table->manifest_count; i++) {
        if (loaded.count < 2 || !loaded.is_merged[i]) {
            commit->manifests[commit->manifest_count++] = table->manifests[i];
        }
    }
    if (loaded.count >= 2) {
        struct pt_manifest *manifest = &commit->manifests[commit->manifest_count++];

        code = pt_manifest_merge(&commit->context, loaded.sources, loaded.count, &merged, manifest,
                                 err);
        manifest->path = commit->written[NAME_MERGED];
        if (!code) {
            code = write_part(commit, NAME_MERGED, pt_buf_span(&merged), err);
        }
    }

out:
    pt_buf_release(&merged);
    loaded_release(&loaded);
    return code;
}

/* ---- the commit ---- */

/* A file that the checkpoint names must be there, or the snapshot would be one of holes. */
static enum pt_code check_files(const struct pt_table *table, struct pt_json files,
                                struct pt_error *err)
{
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    for (it = pt_json_iterate(files); !code && pt_json_next(&it);) {
        struct pt_file *file = NULL;
        struct pt_span name = {0};
        int64_t said = -1;
        uint64_t bytes = 0;
        char *path = NULL;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "path", &name) ||
            !pt_json_member_int(it.value, "bytes", &said)) {
            return pt_fail(err, PT_CORRUPT, "not the description of a data file");
        }
        path = pt_strf("%s/%.*s", table->dir, PT_SPAN_ARG(name));
        if (!path) {
            return no_memory(err);
        }
        code = pt_io_open(table->io, path, PT_OPEN_READ, &file, err);
        if (code == PT_NOT_FOUND) {
            code =
                pt_fail(err, PT_CORRUPT, "data file %s, which a checkpoint names, is gone", path);
        }
        if (!code) {
            code = pt_io_size(table->io, file, &bytes, err);
        }
        if (!code && bytes != (uint64_t)said) {
            code = pt_fail(err, PT_CORRUPT, "data file %s has %" PRIu64 " bytes, not %" PRId64,
                           path, bytes, said);
        }
        pt_io_close(table->io, file);
        pt_free(path);
    }
    return code;
}

static uint64_t count_days(struct pt_json files)
{
    struct pt_json_iter it;
    uint64_t days = 0;
    int64_t last = INT64_MIN;

    for (it = pt_json_iterate(files); pt_json_next(&it);) {
        int64_t day = 0;

        /* A write describes its files by ascending day. */
        if (pt_json_member_int(it.value, "day", &day) && day != last) {
            days++;
            last = day;
        }
    }
    return days;
}

static enum pt_code write_manifests(struct commit *commit, struct pt_json files,
                                    struct pt_manifest_sums *sums_out, struct pt_error *err)
{
    struct pt_table *table = commit->table;
    struct pt_manifest manifest;
    struct pt_buf buf;
    char *dir = pt_table_local(table, "metadata");
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, PT_MANIFEST_BYTES_MAX);
    if (!dir) {
        code = no_memory(err);
        goto out;
    }
    code = pt_manifest_build(&commit->context, files, &buf, &manifest, sums_out, err);
    if (!code) {
        code = write_part(commit, NAME_MANIFEST, pt_buf_span(&buf), err);
    }
    if (!code) {
        code = carry_over(commit, err);
    }
    if (code) {
        goto out;
    }
    manifest.path = commit->written[NAME_MANIFEST];
    commit->manifests[commit->manifest_count++] = manifest;
    pt_buf_reset(&buf);
    code = pt_manifest_list_build(commit->manifests, commit->manifest_count,
                                  commit->context.snapshot_id, table->snapshot_id,
                                  commit->context.sequence, &buf, err);
    if (!code) {
        code = write_part(commit, NAME_LIST, pt_buf_span(&buf), err);
    }
    if (!code) {
        code = pt_io_sync_dir(table->io, dir, err);
    }

out:
    pt_buf_release(&buf);
    pt_free(dir);
    return code;
}

enum pt_code pt_table_append(struct pt_table *table, struct pt_json files, uint64_t checkpoint,
                             int64_t now_ms, struct pt_error *err)
{
    struct commit commit;
    struct pt_snapshot snapshot = {0};
    enum pt_code code = commit_init(&commit, table, err);

    if (!code) {
        code = check_files(table, files, err);
    }
    if (code) {
        goto out;
    }
    code = write_manifests(&commit, files, &snapshot.added, err);
    if (code) {
        remove_parts(&commit);
        goto out;
    }
    snapshot.id = commit.context.snapshot_id;
    snapshot.sequence = commit.context.sequence;
    /* Iceberg's snapshots stand in the order of their times, whatever the clock does. */
    snapshot.timestamp_ms = now_ms > table->last_updated_ms ? now_ms : table->last_updated_ms;
    snapshot.checkpoint = checkpoint;
    snapshot.manifest_list = commit.names[NAME_LIST];
    snapshot.days_changed = count_days(files);
    code = pt_table_publish(table, &snapshot, err);
    if (code == PT_FENCED ||
        (code && !pt_table_load(table, NULL) && table->snapshot_id != snapshot.id)) {
        remove_parts(&commit); /* they belong to nothing, and the disk may be full */
    }

out:
    commit_release(&commit);
    return code;
}

/* ---- orphans ---- */

struct path_set {
    struct pt_arena arena;
    char **items; /* heap */
    size_t count;
    size_t capacity;
    bool has_failed;
};

static void set_init(struct path_set *set)
{
    memset(set, 0, sizeof(*set));
    pt_arena_init(&set->arena, (size_t)1 << 31);
}

static void set_release(struct path_set *set)
{
    pt_free(set->items);
    pt_arena_release(&set->arena);
}

/* Takes `path`, which may be NULL. */
static void set_take(struct path_set *set, char *path)
{
    char *copy = path ? pt_arena_strdup(&set->arena, pt_span_str(path)) : NULL;

    pt_free(path);
    if (copy && set->count == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : 256;
        char **grown = pt_realloc(set->items, capacity * sizeof(*grown));

        if (grown) {
            set->items = grown;
            set->capacity = capacity;
        } else {
            copy = NULL;
        }
    }
    if (!copy) {
        set->has_failed = true;
        return;
    }
    set->items[set->count++] = copy;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void set_sort(struct path_set *set)
{
    size_t kept = 0;

    if (set->count == 0) {
        return;
    }
    qsort(set->items, set->count, sizeof(*set->items), compare_paths);
    for (size_t i = 1; i < set->count; i++) {
        if (strcmp(set->items[i], set->items[kept]) != 0) {
            set->items[++kept] = set->items[i];
        }
    }
    set->count = kept + 1;
}

static bool set_has(const struct path_set *set, const char *path)
{
    return set->count > 0 &&
           bsearch(&path, set->items, set->count, sizeof(*set->items), compare_paths) != NULL;
}

struct orphans {
    struct pt_table *table;
    struct path_set lists;
    struct path_set manifests;
    struct path_set data;
    struct path_set metadata;
};

static enum pt_code use_data_file(void *ctx, const struct pt_manifest_entry *entry,
                                  struct pt_error *err)
{
    struct orphans *orphans = ctx;

    (void)err;
    /* Deleted ones too: an older snapshot that is still kept may name them. */
    set_take(&orphans->data, pt_table_path(orphans->table, pt_span_str(entry->path)));
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
        set_take(&orphans->lists, pt_table_path(table, list));
        for (size_t i = 0; i < count; i++) {
            set_take(&orphans->manifests, pt_table_path(table, pt_span_str(manifests[i].path)));
        }
    }
    for (it = pt_json_iterate(log); !code && pt_json_next(&it);) {
        struct pt_span path = {0};

        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_string(it.value, "metadata-file", &path)) {
            set_take(&orphans->metadata, pt_table_path(table, path));
        }
    }
    pt_arena_release(&arena);
    set_sort(&orphans->lists);
    set_sort(&orphans->manifests);
    set_sort(&orphans->metadata);
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
    set_sort(&orphans->data);
    if (!code && (orphans->lists.has_failed || orphans->manifests.has_failed ||
                  orphans->data.has_failed || orphans->metadata.has_failed)) {
        code = pt_fail(err, PT_NO_MEMORY, "look for orphans");
    }
    return code;
}

struct listing {
    const char *dir;
    struct path_set *files;
    struct path_set *dirs; /* NULL: not wanted */
};

static void take_entry(void *ctx, const char *name, bool is_dir)
{
    struct listing *listing = ctx;

    if (!is_dir) {
        set_take(listing->files, pt_strf("%s/%s", listing->dir, name));
    } else if (listing->dirs) {
        set_take(listing->dirs, pt_strf("%s/%s", listing->dir, name));
    }
}

static enum pt_code list_files(struct pt_io *io, const char *dir, struct path_set *files,
                               struct path_set *dirs, struct pt_error *err)
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

static enum pt_code remove_data(struct orphans *orphans, uint64_t *removed_out,
                                struct pt_error *err)
{
    struct pt_io *io = orphans->table->io;
    struct path_set files;
    struct path_set dirs;
    char *data = pt_table_local(orphans->table, "data");
    enum pt_code code = PT_OK;

    set_init(&files);
    set_init(&dirs);
    code = data ? list_files(io, data, &files, &dirs, err)
                : pt_fail(err, PT_NO_MEMORY, "look for orphans");
    for (size_t i = 0; !code && i < dirs.count; i++) {
        code = list_files(io, dirs.items[i], &files, NULL, err);
    }
    for (size_t i = 0; !code && i < files.count; i++) {
        if (ends_with(files.items[i], ".parquet") && !set_has(&orphans->data, files.items[i])) {
            code = pt_io_unlink(io, files.items[i], err);
            *removed_out += code == PT_OK;
        }
    }
    set_release(&dirs);
    set_release(&files);
    pt_free(data);
    return code;
}

static bool is_metadata_orphan(const struct orphans *orphans, const char *path, const char *current)
{
    if (ends_with(path, ".avro")) {
        return !set_has(&orphans->lists, path) && !set_has(&orphans->manifests, path);
    }
    if (ends_with(path, ".metadata.json")) {
        return strcmp(path, current) != 0 && !set_has(&orphans->metadata, path);
    }
    return ends_with(path, ".tmp");
}

static enum pt_code remove_metadata(struct orphans *orphans, struct pt_error *err)
{
    struct pt_table *table = orphans->table;
    struct path_set files;
    char *dir = pt_table_local(table, "metadata");
    char *current = pt_strf("%s/metadata/v%" PRIu64 ".metadata.json", table->dir, table->version);
    enum pt_code code = PT_OK;

    set_init(&files);
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
    set_release(&files);
    pt_free(current);
    pt_free(dir);
    return code;
}

enum pt_code pt_table_remove_orphans(struct pt_table *table, uint64_t *removed_out,
                                     struct pt_error *err)
{
    struct orphans orphans = {.table = table};
    enum pt_code code = PT_OK;

    *removed_out = 0;
    set_init(&orphans.lists);
    set_init(&orphans.manifests);
    set_init(&orphans.data);
    set_init(&orphans.metadata);
    code = find_used(&orphans, err);
    if (!code) {
        code = remove_data(&orphans, removed_out, err);
    }
    if (!code) {
        code = remove_metadata(&orphans, err);
    }
    set_release(&orphans.metadata);
    set_release(&orphans.data);
    set_release(&orphans.manifests);
    set_release(&orphans.lists);
    return code;
}
