/*
 * commit.c - one snapshot more: files added, files removed
 *
 * A commit writes, each synced: the manifest of the added files; at times a manifest made of
 * others, because many became one or because files of theirs are removed; the manifest list; then
 * the directory; then the metadata (table_write.c), whose rename is the commit. A crash before it
 * leaves files that expire.c finds.
 */
#include "lake/commit.h"

#include "base/rng.h"
#include "lake/path_set.h"

#include <inttypes.h>

#define COMMIT_TRIES 20

struct commit {
    struct pt_table *table;
    const struct pt_change *change;
    struct pt_manifest_context context;
    struct pt_buf schema;
    struct pt_manifest *manifests; /* of the new snapshot */
    size_t manifest_count;
    char *names[3];   /* relative paths of the files it writes: manifest, remade manifest, list */
    char *written[2]; /* the first two as the table writes them */
    struct pt_path_set removed;
    bool *is_found; /* which of `removed` was found in the table */
    struct pt_manifest_sums removed_sums;
    struct pt_buf days; /* int32_t each: partitions that the commit changes */
};

enum { NAME_MANIFEST, NAME_REMADE, NAME_LIST, NAME_COUNT };

static const char *const operation_names[] = {
    [PT_OPERATION_APPEND] = "append",
    [PT_OPERATION_REPLACE] = "replace",
    [PT_OPERATION_OVERWRITE] = "overwrite",
};

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "commit to the table");
}

static void write_schema(struct commit *commit)
{
    struct pt_json schemas = pt_table_array(commit->table, "schemas");
    struct pt_json_iter it;
    struct pt_jsonw w;
    int64_t id = 0;

    pt_jsonw_init(&w, &commit->schema);
    for (it = pt_json_iterate(schemas); pt_json_next(&it);) {
        if (pt_json_member_int(it.value, "schema-id", &id) &&
            id == commit->table->schema.schema_id) {
            pt_buf_reset(&commit->schema);
            pt_jsonw_value(&w, it.value);
        }
    }
}

static enum pt_code commit_init(struct commit *commit, struct pt_table *table,
                                const struct pt_change *change, struct pt_error *err)
{
    uint64_t id = 0;
    enum pt_code code = pt_random_bytes(&id, sizeof(id), err);

    memset(commit, 0, sizeof(*commit));
    pt_buf_init(&commit->schema, 1u << 20);
    pt_buf_init(&commit->days, 64u << 20);
    pt_path_set_init(&commit->removed);
    if (code) {
        return code;
    }
    id = (id & INT64_MAX) | 1; /* positive, never 0 */
    commit->table = table;
    commit->change = change;
    write_schema(commit);
    commit->context = (struct pt_manifest_context){
        .table_schema = pt_buf_span(&commit->schema),
        .schema_id = table->schema.schema_id,
        .field_ids = table->schema.field_ids,
        .location = table->location,
        .snapshot_id = (int64_t)id,
        .sequence = table->last_sequence + 1,
    };
    for (size_t i = 0; i < change->removed_count; i++) {
        pt_path_set_take(&commit->removed, pt_strdup(change->removed[i]));
    }
    pt_path_set_sort(&commit->removed);
    commit->is_found = pt_alloc_zero(commit->removed.count + 1);
    commit->names[NAME_MANIFEST] = pt_strf("metadata/manifest-%" PRIu64 ".avro", id);
    commit->names[NAME_REMADE] = pt_strf("metadata/manifest-%" PRIu64 "-merged.avro", id);
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
    return commit->schema.has_failed || commit->removed.has_failed || !commit->is_found ||
                   !commit->manifests
               ? no_memory(err)
               : PT_OK;
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
    pt_free(commit->is_found);
    pt_path_set_release(&commit->removed);
    pt_buf_release(&commit->days);
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

/* ---- the manifests that were there ---- */

static void take_day(struct commit *commit, int32_t day)
{
    int32_t last = 0;

    /* A write describes its files by ascending day, and neighbours are often of one day. */
    if (commit->days.size >= sizeof(last)) {
        memcpy(&last, commit->days.data + commit->days.size - sizeof(last), sizeof(last));
        if (last == day) {
            return;
        }
    }
    pt_buf_append(&commit->days, &day, sizeof(day));
}

static size_t find_removed(const struct commit *commit, const struct pt_manifest_entry *entry,
                           bool *has_failed)
{
    char *path = pt_table_path(commit->table, pt_span_str(entry->path));
    size_t at = commit->removed.count;

    *has_failed |= !path;
    if (path) {
        at = pt_path_set_find(&commit->removed, path);
    }
    pt_free(path);
    return at;
}

struct search {
    struct commit *commit;
    bool has_hit;
};

static enum pt_code look_for_removed(void *ctx, const struct pt_manifest_entry *entry,
                                     struct pt_error *err)
{
    struct search *search = ctx;
    struct commit *commit = search->commit;
    bool has_failed = false;
    size_t at = entry->is_live ? find_removed(commit, entry, &has_failed) : commit->removed.count;

    if (has_failed) {
        return no_memory(err);
    }
    if (at < commit->removed.count && !commit->is_found[at]) {
        search->has_hit = true;
        commit->is_found[at] = true;
        commit->removed_sums.files++;
        commit->removed_sums.rows += (uint64_t)entry->rows;
        commit->removed_sums.bytes += (uint64_t)entry->bytes;
        if (entry->has_day) {
            take_day(commit, entry->day);
        }
    }
    return PT_OK;
}

/* The search before has shown that memory suffices to ask, but for once in a while. */
static bool is_removed(void *ctx, const struct pt_manifest_entry *entry)
{
    struct search *search = ctx;
    bool has_failed = false;
    size_t at = find_removed(search->commit, entry, &has_failed);

    search->has_hit |= has_failed;
    return at < search->commit->removed.count;
}

static bool is_small(const struct pt_manifest *manifest)
{
    return manifest->bytes < PT_MANIFEST_SMALL_BYTES && !manifest->has_deletes &&
           manifest->spec_id == 0;
}

static size_t small_count(const struct pt_table *table)
{
    size_t count = 0;

    for (size_t i = 0; i < table->manifest_count; i++) {
        count += is_small(&table->manifests[i]);
    }
    return count;
}

struct remaking {
    struct pt_manifest_writer *writer; /* NULL: there was no need yet */
    struct pt_buf out;
};

/* Carry one manifest over as it is, or its entries into the one that is made of many. */
static enum pt_code carry_one(struct commit *commit, const struct pt_manifest *manifest,
                              bool is_merged, struct remaking *remaking, struct pt_error *err)
{
    struct search search = {.commit = commit};
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    if (is_merged || (commit->removed.count && !manifest->has_deletes)) {
        code = pt_table_read_manifest(commit->table, manifest, &data, &size, err);
    }
    if (!code && commit->removed.count && !manifest->has_deletes) {
        code = pt_manifest_each(manifest, pt_span_of(data, size), look_for_removed, &search, err);
    }
    if (!code && search.has_hit && manifest->spec_id != 0) {
        code = pt_fail(err, PT_INVALID, "files of another partition spec cannot be replaced");
    }
    if (code) {
        goto out;
    }
    if (!is_merged && !search.has_hit) {
        commit->manifests[commit->manifest_count++] = *manifest;
        goto out;
    }
    if (!remaking->writer) {
        code = pt_manifest_writer_create(&remaking->writer, &commit->context, &remaking->out, err);
    }
    if (!code) {
        search.has_hit = false;
        code = pt_manifest_writer_take(remaking->writer, manifest, pt_span_of(data, size),
                                       is_removed, &search, err);
    }
    if (!code && search.has_hit) {
        code = no_memory(err);
    }

out:
    if (code && code != PT_NO_MEMORY) {
        code = pt_error_prefix(err, code, "%s", manifest->path);
    }
    pt_free(data);
    return code;
}

/* The old manifests of the new snapshot, oldest first, without the files that are removed. */
static enum pt_code carry_over(struct commit *commit, struct pt_error *err)
{
    const struct pt_table *table = commit->table;
    bool is_merging = small_count(table) >= PT_MANIFESTS_MERGE_COUNT;
    struct pt_manifest_sums added;
    struct remaking remaking = {0};
    enum pt_code code = PT_OK;

    pt_buf_init(&remaking.out, PT_MANIFEST_BYTES_MAX);
    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        const struct pt_manifest *manifest = &table->manifests[i];

        /* One that only says what an older snapshot has removed is of no use to this one. */
        if (manifest->added_files + manifest->existing_files > 0) {
            code = carry_one(commit, manifest, is_merging && is_small(manifest), &remaking, err);
        }
    }
    if (!code && remaking.writer) {
        struct pt_manifest *manifest = &commit->manifests[commit->manifest_count++];

        code = pt_manifest_writer_finish(remaking.writer, manifest, &added, err);
        manifest->path = commit->written[NAME_REMADE];
        if (!code) {
            code = write_part(commit, NAME_REMADE, pt_buf_span(&remaking.out), err);
        }
    }
    for (size_t i = 0; !code && i < commit->removed.count; i++) {
        if (!commit->is_found[i]) {
            code =
                pt_fail(err, PT_FENCED, "%s, which was to be replaced, is no longer in the table",
                        commit->removed.items[i]);
        }
    }
    pt_manifest_writer_destroy(remaking.writer);
    pt_buf_release(&remaking.out);
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

static bool has_added(const struct pt_change *change)
{
    return pt_json_exists(change->added) && pt_json_count(change->added) > 0;
}

static enum pt_code write_added(struct commit *commit, struct pt_manifest *manifest_out,
                                struct pt_manifest_sums *sums_out, struct pt_error *err)
{
    struct pt_manifest_writer *writer = NULL;
    struct pt_json_iter it;
    struct pt_buf buf;
    int64_t day = 0;
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, PT_MANIFEST_BYTES_MAX);
    code = pt_manifest_writer_create(&writer, &commit->context, &buf, err);
    if (!code) {
        code = pt_manifest_writer_add(writer, commit->change->added, err);
    }
    if (!code) {
        code = pt_manifest_writer_finish(writer, manifest_out, sums_out, err);
        manifest_out->path = commit->written[NAME_MANIFEST];
    }
    if (!code) {
        code = write_part(commit, NAME_MANIFEST, pt_buf_span(&buf), err);
    }
    for (it = pt_json_iterate(commit->change->added); !code && pt_json_next(&it);) {
        if (pt_json_member_int(it.value, "day", &day)) {
            take_day(commit, (int32_t)day);
        }
    }
    pt_manifest_writer_destroy(writer);
    pt_buf_release(&buf);
    return code;
}

static enum pt_code write_list(struct commit *commit, struct pt_error *err)
{
    struct pt_table *table = commit->table;
    struct pt_buf buf;
    char *dir = pt_table_local(table, "metadata");
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, PT_MANIFEST_BYTES_MAX);
    if (!dir) {
        code = no_memory(err);
        goto out;
    }
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

/* Manifests and their list, and what the snapshot says of them. */
static enum pt_code write_manifests(struct commit *commit, struct pt_snapshot *snapshot_out,
                                    struct pt_error *err)
{
    struct pt_manifest manifest;
    enum pt_code code = PT_OK;

    if (has_added(commit->change)) {
        code = write_added(commit, &manifest, &snapshot_out->added, err);
    }
    if (!code) {
        code = carry_over(commit, err);
    }
    if (code) {
        return code;
    }
    if (has_added(commit->change)) {
        commit->manifests[commit->manifest_count++] = manifest;
    }
    snapshot_out->removed = commit->removed_sums;
    if (commit->change->operation == PT_OPERATION_REPLACE &&
        snapshot_out->removed.rows != snapshot_out->added.rows) {
        return pt_fail(err, PT_INVALID,
                       "%" PRIu64 " rows were to be replaced by %" PRIu64 ": nothing was replaced",
                       snapshot_out->removed.rows, snapshot_out->added.rows);
    }
    return write_list(commit, err);
}

static int compare_days(const void *a, const void *b)
{
    const int32_t *left = a;
    const int32_t *right = b;

    return (*left > *right) - (*left < *right);
}

static uint64_t count_days(struct commit *commit)
{
    int32_t *days = (int32_t *)(void *)commit->days.data;
    size_t count = commit->days.size / sizeof(*days);
    uint64_t different = 0;

    if (count > 0) {
        qsort(days, count, sizeof(*days), compare_days);
    }
    for (size_t i = 0; i < count; i++) {
        different += i == 0 || days[i] != days[i - 1];
    }
    return different;
}

/* Of two stream engines on one table the later one stops, and a table that went back is no base. */
static enum pt_code check_checkpoint(const struct pt_table *table, const struct pt_change *change,
                                     struct pt_error *err)
{
    if (!change->checkpoint || table->checkpoint == change->checkpoint_before) {
        return PT_OK;
    }
    if (table->checkpoint < change->checkpoint_before) {
        return pt_fail(err, PT_FENCED,
                       "table %s was put back to checkpoint %" PRIu64 ", it was at %" PRIu64,
                       table->dir, table->checkpoint, change->checkpoint_before);
    }
    return pt_fail(err, PT_FENCED,
                   "another stream engine has committed checkpoint %" PRIu64
                   " to table %s, which was at %" PRIu64,
                   table->checkpoint, table->dir, change->checkpoint_before);
}

static enum pt_code commit_once(struct pt_table *table, const struct pt_change *change,
                                int64_t now_ms, struct pt_error *err)
{
    struct commit commit;
    struct pt_snapshot snapshot = {0};
    struct pt_update update = {.now_ms = now_ms, .snapshot = &snapshot};
    enum pt_code code = commit_init(&commit, table, change, err);

    if (!code) {
        code = pt_table_check_writable(table, err);
    }
    if (!code) {
        code = check_checkpoint(table, change, err);
    }
    if (code) {
        goto out;
    }
    code = write_manifests(&commit, &snapshot, err);
    if (code == PT_NOT_FOUND) {
        code = PT_AGAIN; /* a manifest went with a snapshot that others have let expire */
    }
    if (code) {
        remove_parts(&commit);
        goto out;
    }
    snapshot.id = commit.context.snapshot_id;
    snapshot.sequence = commit.context.sequence;
    snapshot.operation = operation_names[change->operation];
    snapshot.checkpoint = change->checkpoint ? change->checkpoint : table->checkpoint;
    snapshot.manifest_list = commit.names[NAME_LIST];
    snapshot.days_changed = count_days(&commit);
    code = pt_table_publish(table, &update, err);
    if (code == PT_AGAIN ||
        (code && !pt_table_load(table, NULL) && table->snapshot_id != snapshot.id)) {
        remove_parts(&commit); /* they belong to nothing, and the disk may be full */
    }

out:
    commit_release(&commit);
    return code;
}

enum pt_code pt_table_commit(struct pt_table *table, const struct pt_change *change, int64_t now_ms,
                             struct pt_error *err)
{
    enum pt_code code = has_added(change) ? check_files(table, change->added, err) : PT_OK;

    if (code) {
        return code;
    }
    code = commit_once(table, change, now_ms, err);
    for (unsigned tries = 1; code == PT_AGAIN && tries < COMMIT_TRIES; tries++) {
        uint64_t version_before = table->version;

        code = pt_table_load(table, err);
        if (!code && table->version == version_before) {
            return pt_fail(err, PT_CORRUPT, "table %s names a manifest that is gone", table->dir);
        }
        if (!code) {
            code = commit_once(table, change, now_ms, err);
        }
    }
    return code;
}
