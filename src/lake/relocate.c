/*
 * relocate.c - which files the current snapshot needs, and its metadata for another place
 *
 * Iceberg's paths are absolute: metadata, manifest list and manifests name the place of the table
 * (docs/formats/lake.md). Our own reader does not mind, others do, so a table that is put
 * elsewhere gets these files anew. Only the current snapshot comes along: older ones may need data
 * files that were compacted away since.
 */
#include "lake/avro_move.h"
#include "lake/table.h"

#include <inttypes.h>
#include <stdio.h>

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "list the table's files");
}

/* The path below the table's directory of a path that the table wrote; NULL with `*code_out`. */
static char *relative_path(const struct pt_table *table, struct pt_span written,
                           enum pt_code *code_out, struct pt_error *err)
{
    struct pt_span rest = {0};
    char *relative = NULL;

    if (!pt_text_move(written, table->location, &rest) || rest.size < 2) {
        *code_out = pt_fail(err, PT_INVALID, "table %s names %.*s, which lies outside of it",
                            table->dir, PT_SPAN_ARG(written));
    } else {
        relative = pt_strndup((const char *)rest.data + 1, rest.size - 1);
        *code_out = relative ? PT_OK : no_memory(err);
    }
    return relative;
}

struct listing {
    struct pt_table *table;
    struct pt_lake_files *files;
    size_t capacity;
};

/* Takes `path`. */
static enum pt_code add_path(struct listing *listing, char *path, struct pt_error *err)
{
    struct pt_lake_files *files = listing->files;

    if (path && files->count == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
        char **grown = pt_realloc(files->paths, capacity * sizeof(*grown));

        if (!grown) {
            pt_free(path);
            return no_memory(err);
        }
        files->paths = grown;
        listing->capacity = capacity;
    }
    if (!path) {
        return no_memory(err);
    }
    files->paths[files->count++] = path;
    return PT_OK;
}

static enum pt_code add_written(struct listing *listing, struct pt_span written,
                                struct pt_error *err)
{
    enum pt_code code = PT_OK;
    char *path = relative_path(listing->table, written, &code, err);

    return code ? code : add_path(listing, path, err);
}

static enum pt_code add_data_file(void *ctx, const struct pt_manifest_entry *entry,
                                  struct pt_error *err)
{
    return entry->is_live ? add_written(ctx, pt_span_str(entry->path), err) : PT_OK;
}

static enum pt_code list_snapshot(struct listing *listing, struct pt_error *err)
{
    struct pt_table *table = listing->table;
    struct pt_json snapshot = pt_table_find_snapshot(table, table->snapshot_id);
    struct pt_span list = {0};
    enum pt_code code = PT_OK;

    if (!pt_json_exists(snapshot)) {
        return PT_OK;
    }
    if (!pt_json_member_string(snapshot, "manifest-list", &list)) {
        return pt_fail(err, PT_CORRUPT, "table %s: a snapshot without manifest-list", table->dir);
    }
    code = add_written(listing, list, err);
    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        code = add_written(listing, pt_span_str(table->manifests[i].path), err);
    }
    return code ? code
                : pt_table_each(table, table->manifests, table->manifest_count, add_data_file,
                                listing, err);
}

enum pt_code pt_lake_list_files(struct pt_io *io, const char *dir, struct pt_lake_files *files_out,
                                struct pt_error *err)
{
    struct pt_table table;
    struct listing listing = {.table = &table, .files = files_out};
    enum pt_code code = PT_OK;

    *files_out = (struct pt_lake_files){0};
    code = pt_table_init(&table, io, dir, err);
    if (code) {
        return code;
    }
    code = pt_table_load(&table, err);
    if (code == PT_NOT_FOUND) {
        code = PT_OK; /* no table yet */
        goto out;
    }
    if (!code) {
        files_out->version = table.version;
        files_out->snapshot_id = table.snapshot_id;
        files_out->checkpoint = table.checkpoint;
        files_out->row_count = table.row_count;
        code =
            add_path(&listing, pt_strf("metadata/v%" PRIu64 ".metadata.json", table.version), err);
    }
    if (!code) {
        code = list_snapshot(&listing, err);
    }

out:
    if (code) {
        pt_lake_files_release(files_out);
    }
    pt_table_release(&table);
    return code;
}

void pt_lake_files_release(struct pt_lake_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        pt_free(files->paths[i]);
    }
    pt_free(files->paths);
    *files = (struct pt_lake_files){0};
}

/* ---- another place ---- */

struct relocation {
    struct pt_table table;
    const char *to;
    char *location;      /* where the table will say it stands */
    struct pt_buf bytes; /* of the file being made */
};

/* Write `bytes` where the table wrote `written`, below the new directory. */
static enum pt_code write_moved(struct relocation *move, struct pt_span written,
                                struct pt_error *err)
{
    enum pt_code code = PT_OK;
    char *relative = relative_path(&move->table, written, &code, err);
    char *path = relative ? pt_strf("%s/%s", move->to, relative) : NULL;

    if (!code) {
        code = path ? pt_io_replace(move->table.io, path, pt_buf_span(&move->bytes), 0, err)
                    : no_memory(err);
    }
    pt_free(path);
    pt_free(relative);
    return code;
}

static enum pt_code move_manifest(struct relocation *move, struct pt_manifest *manifest,
                                  struct pt_error *err)
{
    const struct pt_avro_move how = {.old = move->table.location, .new = move->location};
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = pt_table_read_manifest(&move->table, manifest, &data, &size, err);

    if (!code) {
        pt_buf_reset(&move->bytes);
        code = pt_avro_move(pt_span_of(data, size), &how, &move->bytes, err);
        if (code) {
            code = pt_error_prefix(err, code, "%s", manifest->path);
        }
    }
    if (!code) {
        code = write_moved(move, pt_span_str(manifest->path), err);
    }
    manifest->bytes = (int64_t)move->bytes.size;
    pt_free(data);
    return code;
}

static bool bytes_of_manifest(void *ctx, struct pt_span path, int64_t *bytes_out)
{
    const struct relocation *move = ctx;

    for (size_t i = 0; i < move->table.manifest_count; i++) {
        if (pt_span_is(path, move->table.manifests[i].path)) {
            *bytes_out = move->table.manifests[i].bytes;
            return true;
        }
    }
    return false;
}

/* Manifests, then their list, which says their new sizes. */
static enum pt_code move_manifests(struct relocation *move, struct pt_json snapshot,
                                   struct pt_error *err)
{
    struct pt_table *table = &move->table;
    const struct pt_avro_move how = {
        .old = table->location, .new = move->location, .bytes_of = bytes_of_manifest, .ctx = move};
    struct pt_span list = {0};
    char *path = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    if (!pt_json_member_string(snapshot, "manifest-list", &list)) {
        return pt_fail(err, PT_CORRUPT, "table %s: a snapshot without manifest-list", table->dir);
    }
    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        code = move_manifest(move, &table->manifests[i], err);
    }
    if (code) {
        return code;
    }
    path = pt_table_path(table, list);
    code = path ? pt_io_read_all(table->io, path, PT_MANIFEST_BYTES_MAX, 1, &data, &size, err)
                : no_memory(err);
    if (!code) {
        pt_buf_reset(&move->bytes);
        code = pt_avro_move(pt_span_of(data, size), &how, &move->bytes, err);
        if (code) {
            code = pt_error_prefix(err, code, "%s", path);
        }
    }
    pt_free(data);
    pt_free(path);
    return code ? code : write_moved(move, list, err);
}

/* Copy a value, the texts that name the old place changed. */
static void write_value(const struct relocation *move, struct pt_json value, struct pt_jsonw *w)
{
    struct pt_json_iter it;
    struct pt_span rest = {0};

    switch (pt_json_type(value)) {
    case PT_JSON_OBJECT:
        pt_jsonw_object(w);
        for (it = pt_json_iterate(value); pt_json_next(&it);) {
            pt_jsonw_key_span(w, it.key);
            write_value(move, it.value, w);
        }
        pt_jsonw_object_end(w);
        break;
    case PT_JSON_ARRAY:
        pt_jsonw_array(w);
        for (it = pt_json_iterate(value); pt_json_next(&it);) {
            write_value(move, it.value, w);
        }
        pt_jsonw_array_end(w);
        break;
    case PT_JSON_STRING:
        if (pt_text_move(pt_json_string(value), move->table.location, &rest)) {
            struct pt_buf text;

            pt_buf_init(&text, 1u << 20);
            pt_buf_append_str(&text, move->location);
            pt_buf_append(&text, rest.data, rest.size);
            pt_jsonw_string(w, pt_buf_span(&text));
            w->buf->has_failed |= text.has_failed;
            pt_buf_release(&text);
            break;
        }
        pt_jsonw_value(w, value);
        break;
    case PT_JSON_NULL:
    case PT_JSON_BOOL:
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        pt_jsonw_value(w, value);
        break;
    }
}

/* The snapshot, which says its checkpoint itself: the ancestors that may have said it stay behind.
 */
static void write_snapshot(const struct relocation *move, struct pt_json snapshot,
                           struct pt_jsonw *w)
{
    struct pt_json_iter it;

    pt_jsonw_object(w);
    for (it = pt_json_iterate(snapshot); pt_json_next(&it);) {
        if (pt_span_is(it.key, "parent-snapshot-id")) {
            continue;
        }
        pt_jsonw_key_span(w, it.key);
        if (pt_span_is(it.key, "summary") && pt_json_type(it.value) == PT_JSON_OBJECT) {
            struct pt_json_iter each;
            char number[24];

            snprintf(number, sizeof(number), "%" PRIu64, move->table.checkpoint);
            pt_jsonw_object(w);
            for (each = pt_json_iterate(it.value); pt_json_next(&each);) {
                if (!pt_span_is(each.key, "playtrace.checkpoint")) {
                    pt_jsonw_key_span(w, each.key);
                    write_value(move, each.value, w);
                }
            }
            pt_jsonw_member_str(w, "playtrace.checkpoint", number);
            pt_jsonw_object_end(w);
        } else {
            write_value(move, it.value, w);
        }
    }
    pt_jsonw_object_end(w);
}

/* Elements of `array` about the current snapshot alone. */
static void write_current(const struct relocation *move, struct pt_json array, struct pt_jsonw *w)
{
    struct pt_json_iter it;
    int64_t id = 0;

    pt_jsonw_array(w);
    for (it = pt_json_iterate(array); pt_json_next(&it);) {
        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_int(it.value, "snapshot-id", &id) && id == move->table.snapshot_id) {
            write_value(move, it.value, w);
        }
    }
    pt_jsonw_array_end(w);
}

static void write_document(const struct relocation *move, struct pt_json snapshot,
                           struct pt_jsonw *w)
{
    struct pt_json_iter it;

    pt_jsonw_object(w);
    for (it = pt_json_iterate(move->table.root); pt_json_next(&it);) {
        bool is_array = pt_json_type(it.value) == PT_JSON_ARRAY;

        pt_jsonw_key_span(w, it.key);
        if (pt_span_is(it.key, "snapshots")) {
            pt_jsonw_array(w);
            if (pt_json_exists(snapshot)) {
                write_snapshot(move, snapshot, w);
            }
            pt_jsonw_array_end(w);
        } else if (pt_span_is(it.key, "refs") && pt_json_type(it.value) == PT_JSON_OBJECT) {
            struct pt_json main_branch = pt_json_member(it.value, "main");

            pt_jsonw_object(w);
            if (pt_json_exists(main_branch)) {
                pt_jsonw_key(w, "main");
                write_value(move, main_branch, w);
            }
            pt_jsonw_object_end(w);
        } else if (is_array &&
                   (pt_span_is(it.key, "metadata-log") || pt_span_is(it.key, "statistics") ||
                    pt_span_is(it.key, "partition-statistics"))) {
            pt_jsonw_array(w); /* their files stay behind */
            pt_jsonw_array_end(w);
        } else if (is_array && pt_span_is(it.key, "snapshot-log")) {
            write_current(move, it.value, w);
        } else {
            write_value(move, it.value, w);
        }
    }
    pt_jsonw_object_end(w);
}

static enum pt_code write_metadata(struct relocation *move, struct pt_json snapshot,
                                   struct pt_error *err)
{
    char *path = pt_strf("%s/metadata/v%" PRIu64 ".metadata.json", move->to, move->table.version);
    char *hint = pt_strf("%s/metadata/version-hint.text", move->to);
    char number[24];
    struct pt_jsonw w;
    enum pt_code code = path && hint ? PT_OK : no_memory(err);

    pt_buf_reset(&move->bytes);
    pt_jsonw_init(&w, &move->bytes);
    write_document(move, snapshot, &w);
    if (!code && move->bytes.has_failed) {
        code = no_memory(err);
    }
    if (!code) {
        code = pt_io_replace(move->table.io, path, pt_buf_span(&move->bytes), 0, err);
    }
    if (!code) {
        snprintf(number, sizeof(number), "%" PRIu64, move->table.version);
        code = pt_io_replace(move->table.io, hint, pt_span_str(number), 0, err);
    }
    pt_free(hint);
    pt_free(path);
    return code;
}

enum pt_code pt_lake_relocate(struct pt_io *io, const char *from, const char *to, const char *place,
                              struct pt_error *err)
{
    struct relocation move = {.to = to};
    struct pt_json snapshot = {0};
    char *metadata = NULL;
    enum pt_code code = pt_table_init(&move.table, io, from, err);

    if (code) {
        return code;
    }
    pt_buf_init(&move.bytes, PT_MANIFEST_BYTES_MAX);
    move.location = pt_strf("file://%s", place);
    metadata = pt_strf("%s/metadata", to);
    if (!move.location || !metadata) {
        code = no_memory(err);
        goto out;
    }
    code = pt_table_load(&move.table, err);
    if (!code) {
        code = pt_io_mkdir(io, metadata, err);
    }
    if (code) {
        goto out;
    }
    snapshot = pt_table_find_snapshot(&move.table, move.table.snapshot_id);
    if (pt_json_exists(snapshot)) {
        code = move_manifests(&move, snapshot, err);
    }
    if (!code) {
        code = write_metadata(&move, snapshot, err);
    }

out:
    pt_free(metadata);
    pt_free(move.location);
    pt_buf_release(&move.bytes);
    pt_table_release(&move.table);
    return code;
}
