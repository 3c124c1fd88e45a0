/*
 * table.c - the table's metadata: which version is current, and what it says
 *
 * FORMAT (Iceberg spec, "Table Metadata", format version 2; docs/formats/lake.md). A new version is
 * the old document with some members replaced, so that what another program has put there
 * (properties, tags) stays. version-hint.text is written after the fact and never read here.
 */
#include "lake/table.h"

#include "base/rng.h"
#include "wire/uuid.h"

#include <inttypes.h>
#include <unistd.h>

#define LOAD_TRIES 5 /* a reader may lose the file it listed to a writer's clean-up */
#define LIST_ARENA_BYTES_MAX (256u << 20)

/* ---- paths ---- */

char *pt_table_local(const struct pt_table *table, const char *relative)
{
    return pt_strf("%s/%s", table->dir, relative);
}

char *pt_table_written(const struct pt_table *table, const char *relative)
{
    return pt_strf("%s/%s", table->location, relative);
}

static bool has_prefix(struct pt_span text, const char *prefix, struct pt_span *rest_out)
{
    size_t size = strlen(prefix);

    if (text.size < size || memcmp(text.data, prefix, size) != 0) {
        return false;
    }
    *rest_out = pt_span_of(text.data + size, text.size - size);
    return true;
}

char *pt_table_path(const struct pt_table *table, struct pt_span written)
{
    struct pt_span rest = {0};

    if (has_prefix(written, table->location, &rest) && rest.size && rest.data[0] == '/') {
        return pt_strf("%s%.*s", table->dir, PT_SPAN_ARG(rest));
    }
    /* Written by another program under another name for the same place: take it as it stands. */
    if (has_prefix(written, "file://", &rest) || has_prefix(written, "file:", &rest)) {
        written = rest;
    }
    return pt_strndup((const char *)written.data, written.size);
}

/* "file:///absolute/path": a scheme, so that readers with another default file system find it. */
static char *location_of(const char *dir)
{
    char *cwd = NULL;
    char *location = NULL;

    while (dir[0] == '.' && dir[1] == '/') {
        dir += 2;
    }
    if (dir[0] == '/') {
        return pt_strf("file://%s", dir);
    }
    /* Not the seam's business: no file is touched. */
    cwd = pt_alloc(4096);
    if (cwd && getcwd(cwd, 4096)) {
        location = pt_strf("file://%s/%s", cwd, dir);
    }
    pt_free(cwd);
    return location;
}

/* ---- opening ---- */

enum pt_code pt_table_init(struct pt_table *table, struct pt_io *io, const char *dir,
                           struct pt_error *err)
{
    size_t size = strlen(dir);

    memset(table, 0, sizeof(*table));
    table->io = io;
    pt_arena_init(&table->arena, LIST_ARENA_BYTES_MAX);
    while (size > 1 && dir[size - 1] == '/') {
        size--;
    }
    table->dir = pt_strndup(dir, size);
    table->parser = pt_json_parser_create(PT_METADATA_BYTES_MAX);
    if (!table->dir || !table->parser) {
        pt_table_release(table);
        return pt_fail(err, PT_NO_MEMORY, "open table %s", dir);
    }
    return PT_OK;
}

void pt_table_release(struct pt_table *table)
{
    pt_json_parser_destroy(table->parser);
    pt_arena_release(&table->arena);
    pt_free(table->text);
    pt_free(table->location);
    pt_free(table->dir);
    memset(table, 0, sizeof(*table));
}

/* N of "vN.metadata.json"; 0 for any other name. */
static uint64_t version_of(const char *name)
{
    uint64_t version = 0;
    size_t digits = 0;

    if (name[0] != 'v') {
        return 0;
    }
    for (name++; *name >= '0' && *name <= '9' && digits < 18; name++, digits++) {
        version = 10 * version + (uint64_t)(*name - '0');
    }
    return strcmp(name, ".metadata.json") == 0 ? version : 0;
}

static void find_newest(void *ctx, const char *name, bool is_dir)
{
    uint64_t *newest = ctx;
    uint64_t version = is_dir ? 0 : version_of(name);

    *newest = version > *newest ? version : *newest;
}

static struct pt_json find_snapshot(struct pt_json root, int64_t id)
{
    struct pt_json snapshots = pt_json_member(root, "snapshots");
    struct pt_json found = {0};
    struct pt_json_iter it;
    int64_t each = 0;

    if (pt_json_exists(snapshots) && pt_json_type(snapshots) == PT_JSON_ARRAY) {
        for (it = pt_json_iterate(snapshots); pt_json_next(&it);) {
            if (pt_json_type(it.value) == PT_JSON_OBJECT &&
                pt_json_member_int(it.value, "snapshot-id", &each) && each == id) {
                found = it.value;
            }
        }
    }
    return found;
}

/* A number of a snapshot's summary, where all values are strings; 0 where absent. */
static uint64_t summary_number(struct pt_json snapshot, const char *key)
{
    struct pt_json summary = pt_json_member(snapshot, "summary");
    struct pt_span text = {0};
    char number[24];

    if (!pt_json_exists(summary) || pt_json_type(summary) != PT_JSON_OBJECT ||
        !pt_json_member_string(summary, key, &text)) {
        return 0;
    }
    snprintf(number, sizeof(number), "%.*s", PT_SPAN_ARG(text));
    return strtoull(number, NULL, 10);
}

/* Other programs' snapshots carry no number: it is that of the nearest ancestor which does. */
static uint64_t find_checkpoint(struct pt_json root, int64_t id)
{
    uint64_t checkpoint = 0;

    for (unsigned steps = 0; id && !checkpoint && steps < 1000000; steps++) {
        struct pt_json snapshot = find_snapshot(root, id);

        if (!pt_json_exists(snapshot)) {
            break;
        }
        checkpoint = summary_number(snapshot, "playtrace.checkpoint");
        if (!pt_json_member_int(snapshot, "parent-snapshot-id", &id)) {
            id = 0;
        }
    }
    return checkpoint;
}

enum pt_code pt_table_read_list(const struct pt_table *table, struct pt_span written,
                                struct pt_arena *arena, struct pt_manifest **manifests_out,
                                size_t *count_out, struct pt_error *err)
{
    char *path = pt_table_path(table, written);
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    *manifests_out = NULL;
    *count_out = 0;
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "read a manifest list");
    }
    code = pt_io_read_all(table->io, path, PT_MANIFEST_BYTES_MAX, 1, &data, &size, err);
    if (!code) {
        code = pt_manifest_list_parse(pt_span_of(data, size), arena, manifests_out, count_out, err);
        if (code) {
            code = pt_error_prefix(err, code, "%s", path);
        }
    }
    pt_free(data);
    pt_free(path);
    return code;
}

static enum pt_code load_manifests(struct pt_table *table, struct pt_error *err)
{
    struct pt_json snapshot = {0};
    struct pt_span list = {0};
    enum pt_code code = PT_OK;

    if (!table->snapshot_id) {
        return PT_OK;
    }
    snapshot = find_snapshot(table->root, table->snapshot_id);
    if (!pt_json_exists(snapshot) || !pt_json_member_string(snapshot, "manifest-list", &list)) {
        return pt_fail(err, PT_CORRUPT, "table %s: the current snapshot %" PRId64 " is not there",
                       table->dir, table->snapshot_id);
    }
    code = pt_table_read_list(table, list, &table->arena, &table->manifests, &table->manifest_count,
                              err);
    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        const struct pt_manifest *manifest = &table->manifests[i];

        table->row_count += (uint64_t)(manifest->added_rows + manifest->existing_rows);
        table->file_count += (uint64_t)(manifest->added_files + manifest->existing_files);
    }
    return code;
}

/* Take what we need from `root`; what it does not say as we know it makes us refuse the table. */
static enum pt_code take_root(struct pt_table *table, struct pt_error *err)
{
    struct pt_json root = table->root;
    struct pt_span location = {0};
    int64_t version = 0;
    int64_t schema_id = 0;
    int64_t spec_id = 0;
    int64_t columns = 0;

    if (pt_json_type(root) != PT_JSON_OBJECT ||
        !pt_json_member_int(root, "format-version", &version) ||
        !pt_json_member_string(root, "location", &location) ||
        !pt_json_member_int(root, "last-sequence-number", &table->last_sequence) ||
        !pt_json_member_int(root, "last-updated-ms", &table->last_updated_ms) ||
        !pt_json_member_int(root, "current-schema-id", &schema_id) ||
        !pt_json_member_int(root, "default-spec-id", &spec_id) ||
        !pt_json_member_int(root, "last-column-id", &columns)) {
        return pt_fail(err, PT_CORRUPT, "not Iceberg table metadata of version 2");
    }
    if (version != 2 || schema_id != 0 || spec_id != 0 || columns != PT_COLUMN_COUNT) {
        return pt_fail(err, PT_INVALID,
                       "format version %" PRId64 ", schema %" PRId64 ", partition spec %" PRId64
                       ", %" PRId64 " columns: this program knows 2, 0, 0 and %d",
                       version, schema_id, spec_id, columns, PT_COLUMN_COUNT);
    }
    if (!pt_json_member_int(root, "current-snapshot-id", &table->snapshot_id) ||
        table->snapshot_id == -1) {
        table->snapshot_id = 0;
    }
    table->checkpoint = find_checkpoint(root, table->snapshot_id);
    while (location.size > 1 && location.data[location.size - 1] == '/') {
        location.size--;
    }
    table->location = pt_strndup((const char *)location.data, location.size);
    return table->location ? PT_OK : pt_fail(err, PT_NO_MEMORY, "read table metadata");
}

static void forget(struct pt_table *table)
{
    pt_free(table->text);
    pt_free(table->location);
    pt_arena_reset(&table->arena);
    table->text = NULL;
    table->location = NULL;
    table->manifests = NULL;
    table->manifest_count = 0;
    table->row_count = 0;
    table->file_count = 0;
    table->version = 0;
    table->snapshot_id = 0;
    table->checkpoint = 0;
    table->root = (struct pt_json){0};
}

static char *metadata_name(const struct pt_table *table, uint64_t version)
{
    return pt_strf("%s/metadata/v%" PRIu64 ".metadata.json", table->dir, version);
}

static enum pt_code load_version(struct pt_table *table, uint64_t version, struct pt_error *err)
{
    char *path = metadata_name(table, version);
    size_t size = 0;
    enum pt_code code = PT_OK;

    forget(table);
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "read table metadata");
    }
    code = pt_io_read_all(table->io, path, PT_METADATA_BYTES_MAX, PT_JSON_PADDING, &table->text,
                          &size, err);
    if (code) {
        goto out;
    }
    if (pt_json_parse(table->parser, pt_span_of(table->text, size), &table->root, NULL, err)) {
        code = pt_error_prefix(err, PT_CORRUPT, "%s", path);
        code = PT_CORRUPT;
        goto out;
    }
    code = take_root(table, err);
    if (code) {
        code = pt_error_prefix(err, code, "%s", path);
        goto out;
    }
    code = load_manifests(table, err);
    table->version = version;

out:
    pt_free(path);
    return code;
}

enum pt_code pt_table_load(struct pt_table *table, struct pt_error *err)
{
    char *dir = pt_table_local(table, "metadata");
    enum pt_code code = PT_NOT_FOUND;

    if (!dir) {
        return pt_fail(err, PT_NO_MEMORY, "read table metadata");
    }
    for (unsigned tries = 0; code == PT_NOT_FOUND && tries < LOAD_TRIES; tries++) {
        uint64_t newest = 0;

        code = pt_io_list(table->io, dir, find_newest, &newest, err);
        if (!code && newest == 0) {
            code = pt_fail(err, PT_NOT_FOUND, "%s holds no table", table->dir);
        }
        if (code) {
            break;
        }
        code = load_version(table, newest, err);
        if (code == PT_NOT_FOUND && tries + 1 == LOAD_TRIES) {
            /* Not the writer's clean-up: the metadata names a file that is gone. */
            code = pt_error_prefix(err, PT_CORRUPT, "table %s", table->dir);
            code = PT_CORRUPT;
        }
    }
    pt_free(dir);
    return code;
}

/* ---- writing ---- */

enum pt_code pt_table_write_file(struct pt_io *io, const char *path, struct pt_span content,
                                 struct pt_error *err)
{
    struct pt_file *file = NULL;
    enum pt_code code = PT_OK;

    code = pt_io_open(io, path, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, err);
    if (!code) {
        code = pt_io_truncate(io, file, 0, err);
    }
    if (!code) {
        code = pt_io_write(io, file, 0, content.data, content.size, err);
    }
    if (!code) {
        code = pt_io_sync(io, file, err);
    }
    pt_io_close(io, file);
    return code;
}

/* A help for Hadoop's readers: not synced, and a failure is nobody's trouble. */
static void write_hint(struct pt_table *table, uint64_t version)
{
    char *path = pt_table_local(table, "metadata/version-hint.text");
    char *temporary = pt_table_local(table, "metadata/version-hint.text.tmp");
    struct pt_file *file = NULL;
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRIu64, version);
    enum pt_code code = PT_OK;

    if (path && temporary) {
        code = pt_io_open(table->io, temporary, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, NULL);
        if (!code) {
            code = pt_io_truncate(table->io, file, 0, NULL);
        }
        if (!code) {
            code = pt_io_write(table->io, file, 0, text, (size_t)size, NULL);
        }
        pt_io_close(table->io, file);
        if (!code) {
            code = pt_io_rename(table->io, temporary, path, NULL);
        }
    }
    (void)code;
    pt_free(temporary);
    pt_free(path);
}

/* Write `document` beside, sync, rename to version N where there is none, sync the directory. */
static enum pt_code put_version(struct pt_table *table, uint64_t version, struct pt_span document,
                                struct pt_error *err)
{
    char *dir = pt_table_local(table, "metadata");
    char *path = metadata_name(table, version);
    char *temporary = NULL;
    uint64_t mark = 0;
    enum pt_code code = pt_random_bytes(&mark, sizeof(mark), err);

    if (code) {
        goto out;
    }
    /* Two writers must not share the file they prepare. */
    temporary = pt_strf("%s/metadata/new-%016" PRIx64 ".metadata.json", table->dir, mark);
    if (!dir || !path || !temporary) {
        code = pt_fail(err, PT_NO_MEMORY, "write table metadata");
        goto out;
    }
    code = pt_table_write_file(table->io, temporary, document, err);
    if (!code) {
        code = pt_io_rename_new(table->io, temporary, path, err);
    }
    if (code) {
        (void)!pt_io_unlink(table->io, temporary, NULL);
        goto out;
    }
    code = pt_io_sync_dir(table->io, dir, err);
    if (!code) {
        write_hint(table, version);
    }

out:
    pt_free(temporary);
    pt_free(path);
    pt_free(dir);
    return code;
}

void pt_table_schema_write(struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_jsonw_key(w, "type");
    pt_jsonw_str(w, "struct");
    pt_jsonw_key(w, "schema-id");
    pt_jsonw_int(w, 0);
    pt_jsonw_key(w, "fields");
    pt_jsonw_array(w);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        pt_jsonw_object(w);
        pt_jsonw_key(w, "id");
        pt_jsonw_int(w, i + 1);
        pt_jsonw_key(w, "name");
        pt_jsonw_str(w, pt_columns[i].name);
        pt_jsonw_key(w, "required");
        pt_jsonw_bool(w, pt_columns[i].is_required);
        pt_jsonw_key(w, "type");
        pt_jsonw_str(w, pt_column_iceberg_type(pt_columns[i].kind));
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}

static void key_raw(struct pt_jsonw *w, const char *key, const char *json)
{
    pt_jsonw_key(w, key);
    pt_jsonw_raw(w, pt_span_str(json));
}

static void key_int(struct pt_jsonw *w, const char *key, int64_t value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_int(w, value);
}

static void key_str(struct pt_jsonw *w, const char *key, const char *text)
{
    pt_jsonw_key(w, key);
    pt_jsonw_str(w, text);
}

/* Numbers in a summary are strings. */
static void key_count(struct pt_jsonw *w, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    key_str(w, key, text);
}

static void write_first(struct pt_jsonw *w, const char *location, const char *uuid, int64_t now_ms)
{
    pt_jsonw_object(w);
    key_int(w, "format-version", 2);
    key_str(w, "table-uuid", uuid);
    key_str(w, "location", location);
    key_int(w, "last-sequence-number", 0);
    key_int(w, "last-updated-ms", now_ms);
    key_int(w, "last-column-id", PT_COLUMN_COUNT);
    key_int(w, "current-schema-id", 0);
    pt_jsonw_key(w, "schemas");
    pt_jsonw_array(w);
    pt_table_schema_write(w);
    pt_jsonw_array_end(w);
    key_int(w, "default-spec-id", 0);
    key_raw(w, "partition-specs",
            "[{\"spec-id\":0,\"fields\":[{\"name\":\"event_time_day\",\"transform\":\"day\","
            "\"source-id\":3,\"field-id\":1000}]}]");
    key_int(w, "last-partition-id", 1000);
    key_int(w, "default-sort-order-id", 0);
    key_raw(w, "sort-orders", "[{\"order-id\":0,\"fields\":[]}]");
    key_raw(w, "properties",
            "{\"write.parquet.compression-codec\":\"zstd\","
            "\"write.metadata.delete-after-commit.enabled\":\"true\","
            "\"write.metadata.previous-versions-max\":\"100\"}");
    key_int(w, "current-snapshot-id", -1);
    key_raw(w, "refs", "{}");
    key_raw(w, "snapshots", "[]");
    key_raw(w, "snapshot-log", "[]");
    key_raw(w, "metadata-log", "[]");
    pt_jsonw_object_end(w);
}

static enum pt_code make_dirs(struct pt_table *table, struct pt_error *err)
{
    char *metadata = pt_table_local(table, "metadata");
    char *data = pt_table_local(table, "data");
    char *parent = pt_table_local(table, "..");
    char *grandparent = pt_table_local(table, "../..");
    enum pt_code code = PT_OK;

    if (!metadata || !data || !parent || !grandparent) {
        code = pt_fail(err, PT_NO_MEMORY, "create table %s", table->dir);
        goto out;
    }
    code = pt_io_mkdir(table->io, metadata, err);
    if (!code) {
        code = pt_io_mkdir(table->io, data, err);
    }
    if (!code) {
        code = pt_io_sync_dir(table->io, table->dir, err);
    }
    if (!code) {
        code = pt_io_sync_dir(table->io, parent, err);
    }
    if (!code) {
        /* DATA/lake/events: `lake` may be new too. */
        code = pt_io_sync_dir(table->io, grandparent, err);
    }

out:
    pt_free(grandparent);
    pt_free(parent);
    pt_free(data);
    pt_free(metadata);
    return code;
}

enum pt_code pt_table_create(struct pt_table *table, int64_t now_ms, struct pt_error *err)
{
    struct pt_buf buf;
    struct pt_jsonw w;
    uint8_t uuid[PT_UUID_BYTES];
    char text[PT_UUID_TEXT_BYTES + 1];
    char *location = location_of(table->dir);
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, PT_METADATA_BYTES_MAX);
    if (!location) {
        code = pt_fail(err, PT_NO_MEMORY, "create table %s", table->dir);
        goto out;
    }
    code = pt_random_bytes(uuid, sizeof(uuid), err);
    if (!code) {
        code = make_dirs(table, err);
    }
    if (code) {
        goto out;
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* version 4 */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    pt_uuid_format(uuid, text);
    pt_jsonw_init(&w, &buf);
    write_first(&w, location, text, now_ms);
    if (buf.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "create table %s", table->dir);
        goto out;
    }
    code = put_version(table, 1, pt_buf_span(&buf), err);
    if (!code) {
        code = load_version(table, 1, err);
    }

out:
    pt_buf_release(&buf);
    pt_free(location);
    return code;
}

/* ---- the next version ---- */

/* With tags or branches made by another program no snapshot is ours to expire. */
static bool only_main(struct pt_json root)
{
    struct pt_json refs = pt_json_member(root, "refs");
    struct pt_json_iter it;

    if (!pt_json_exists(refs) || pt_json_type(refs) != PT_JSON_OBJECT) {
        return true;
    }
    for (it = pt_json_iterate(refs); pt_json_next(&it);) {
        if (!pt_span_is(it.key, "main")) {
            return false;
        }
    }
    return true;
}

static uint32_t array_count(struct pt_json root, const char *key)
{
    struct pt_json array = pt_json_member(root, key);

    return pt_json_exists(array) && pt_json_type(array) == PT_JSON_ARRAY ? pt_json_count(array) : 0;
}

/* How many of the oldest snapshots the next version leaves out. */
static uint32_t expired_count(struct pt_json root)
{
    uint32_t count = array_count(root, "snapshots");

    return count >= PT_SNAPSHOTS_MAX && only_main(root) ? count - PT_SNAPSHOTS_MAX + 1 : 0;
}

static void write_snapshot(const struct pt_table *table, const struct pt_snapshot *next,
                           struct pt_jsonw *w)
{
    struct pt_json parent = find_snapshot(table->root, table->snapshot_id);
    uint64_t total_bytes = next->added.bytes;
    char *list = pt_table_written(table, next->manifest_list);

    if (pt_json_exists(parent)) {
        total_bytes += summary_number(parent, "total-files-size");
    }
    w->buf->has_failed |= !list;
    pt_jsonw_object(w);
    key_int(w, "snapshot-id", next->id);
    if (table->snapshot_id) {
        key_int(w, "parent-snapshot-id", table->snapshot_id);
    }
    key_int(w, "sequence-number", next->sequence);
    key_int(w, "timestamp-ms", next->timestamp_ms);
    key_str(w, "manifest-list", list ? list : "");
    pt_jsonw_key(w, "summary");
    pt_jsonw_object(w);
    key_str(w, "operation", "append");
    key_count(w, "added-data-files", next->added.files);
    key_count(w, "added-records", next->added.rows);
    key_count(w, "added-files-size", next->added.bytes);
    key_count(w, "changed-partition-count", next->days_changed);
    key_count(w, "total-data-files", table->file_count + next->added.files);
    key_count(w, "total-records", table->row_count + next->added.rows);
    key_count(w, "total-files-size", total_bytes);
    key_count(w, "total-delete-files", 0);
    key_count(w, "total-position-deletes", 0);
    key_count(w, "total-equality-deletes", 0);
    key_count(w, "playtrace.checkpoint", next->checkpoint);
    pt_jsonw_object_end(w);
    key_int(w, "schema-id", 0);
    pt_jsonw_object_end(w);
    pt_free(list);
}

/* The elements of array `key` but the first `skip`. */
static void copy_tail(struct pt_json root, const char *key, uint32_t skip, struct pt_jsonw *w)
{
    struct pt_json array = pt_json_member(root, key);
    struct pt_json_iter it;

    if (array_count(root, key) == 0) {
        return;
    }
    for (it = pt_json_iterate(array); pt_json_next(&it);) {
        if (skip > 0) {
            skip--;
        } else {
            pt_jsonw_value(w, it.value);
        }
    }
}

static void write_snapshot_log(const struct pt_table *table, const struct pt_snapshot *next,
                               uint32_t expired, struct pt_jsonw *w)
{
    struct pt_json log = pt_json_member(table->root, "snapshot-log");
    struct pt_json snapshots = pt_json_member(table->root, "snapshots");
    struct pt_json_iter it;
    int64_t oldest_ms = INT64_MIN;

    if (expired) {
        struct pt_json oldest = pt_json_element(snapshots, expired);

        (void)(pt_json_exists(oldest) && pt_json_member_int(oldest, "timestamp-ms", &oldest_ms));
    }
    pt_jsonw_array(w);
    if (array_count(table->root, "snapshot-log") > 0) {
        for (it = pt_json_iterate(log); pt_json_next(&it);) {
            int64_t id = 0;
            int64_t at_ms = 0;

            /* Only snapshots that are kept; looked for by time first, which is cheap. */
            if (!expired ||
                (pt_json_member_int(it.value, "timestamp-ms", &at_ms) &&
                 pt_json_member_int(it.value, "snapshot-id", &id) && at_ms >= oldest_ms)) {
                pt_jsonw_value(w, it.value);
            }
        }
    }
    pt_jsonw_object(w);
    key_int(w, "timestamp-ms", next->timestamp_ms);
    key_int(w, "snapshot-id", next->id);
    pt_jsonw_object_end(w);
    pt_jsonw_array_end(w);
}

static uint32_t dropped_metadata_count(struct pt_json root)
{
    uint32_t count = array_count(root, "metadata-log");

    return count >= PT_METADATA_LOG_MAX ? count - PT_METADATA_LOG_MAX + 1 : 0;
}

static void write_metadata_log(const struct pt_table *table, struct pt_jsonw *w)
{
    char name[64];
    char *path = NULL;

    snprintf(name, sizeof(name), "metadata/v%" PRIu64 ".metadata.json", table->version);
    path = pt_table_written(table, name);
    w->buf->has_failed |= !path;
    pt_jsonw_array(w);
    copy_tail(table->root, "metadata-log", dropped_metadata_count(table->root), w);
    pt_jsonw_object(w);
    key_int(w, "timestamp-ms", table->last_updated_ms);
    key_str(w, "metadata-file", path ? path : "");
    pt_jsonw_object_end(w);
    pt_jsonw_array_end(w);
    pt_free(path);
}

static void write_refs(struct pt_json root, int64_t snapshot_id, struct pt_jsonw *w)
{
    struct pt_json refs = pt_json_member(root, "refs");
    struct pt_json_iter it;

    pt_jsonw_object(w);
    if (pt_json_exists(refs) && pt_json_type(refs) == PT_JSON_OBJECT) {
        for (it = pt_json_iterate(refs); pt_json_next(&it);) {
            if (!pt_span_is(it.key, "main")) {
                pt_jsonw_key_span(w, it.key);
                pt_jsonw_value(w, it.value);
            }
        }
    }
    pt_jsonw_key(w, "main");
    pt_jsonw_object(w);
    key_int(w, "snapshot-id", snapshot_id);
    key_str(w, "type", "branch");
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}

static void write_next(const struct pt_table *table, const struct pt_snapshot *next,
                       struct pt_jsonw *w)
{
    static const char *const replaced[] = {
        "last-sequence-number", "last-updated-ms", "current-snapshot-id", "refs", "snapshots",
        "snapshot-log",         "metadata-log"};
    uint32_t expired = expired_count(table->root);
    struct pt_json_iter it;

    pt_jsonw_object(w);
    for (it = pt_json_iterate(table->root); pt_json_next(&it);) {
        bool is_replaced = false;

        for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
            is_replaced |= pt_span_is(it.key, replaced[i]);
        }
        if (!is_replaced) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
    }
    key_int(w, "last-sequence-number", next->sequence);
    key_int(w, "last-updated-ms", next->timestamp_ms);
    key_int(w, "current-snapshot-id", next->id);
    pt_jsonw_key(w, "refs");
    write_refs(table->root, next->id, w);
    pt_jsonw_key(w, "snapshots");
    pt_jsonw_array(w);
    copy_tail(table->root, "snapshots", expired, w);
    write_snapshot(table, next, w);
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "snapshot-log");
    write_snapshot_log(table, next, expired, w);
    pt_jsonw_key(w, "metadata-log");
    write_metadata_log(table, w);
    pt_jsonw_object_end(w);
}

/* ---- clean-up behind a new version: nothing depends on it, so failures are passed over ---- */

struct leftovers {
    char **lists; /* manifest lists of expired snapshots, as the table wrote them */
    uint32_t list_count;
    char *oldest_list; /* of the oldest snapshot that is kept */
    char **metadata;
    uint32_t metadata_count;
};

static void leftovers_release(struct leftovers *left)
{
    for (uint32_t i = 0; i < left->list_count; i++) {
        pt_free(left->lists[i]);
    }
    for (uint32_t i = 0; i < left->metadata_count; i++) {
        pt_free(left->metadata[i]);
    }
    pt_free(left->lists);
    pt_free(left->metadata);
    pt_free(left->oldest_list);
}

/* The texts under `key` of the first `count` elements, and of the one behind them. */
static void take_texts(struct pt_json array, const char *key, uint32_t count, char ***texts_out,
                       uint32_t *count_out, char **behind_out)
{
    struct pt_json_iter it;
    uint32_t at = 0;

    *texts_out = pt_alloc_zero((count + 1) * sizeof(char *));
    for (it = pt_json_iterate(array); *texts_out && at <= count && pt_json_next(&it); at++) {
        struct pt_span text = {0};
        char *copy = NULL;

        if (pt_json_type(it.value) == PT_JSON_OBJECT) {
            (void)pt_json_member_string(it.value, key, &text);
        }
        copy = pt_strndup((const char *)text.data, text.size);
        if (at < count) {
            (*texts_out)[at] = copy;
            *count_out = at + 1;
        } else if (behind_out) {
            *behind_out = copy;
        } else {
            pt_free(copy);
        }
    }
}

static void take_leftovers(const struct pt_table *table, struct leftovers *left)
{
    uint32_t expired = expired_count(table->root);
    uint32_t dropped = dropped_metadata_count(table->root);

    if (expired) {
        take_texts(pt_json_member(table->root, "snapshots"), "manifest-list", expired, &left->lists,
                   &left->list_count, &left->oldest_list);
    }
    if (dropped) {
        take_texts(pt_json_member(table->root, "metadata-log"), "metadata-file", dropped,
                   &left->metadata, &left->metadata_count, NULL);
    }
}

static bool names(const struct pt_manifest *manifests, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(manifests[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void unlink_written(const struct pt_table *table, const char *written)
{
    char *path = pt_table_path(table, pt_span_str(written));

    if (path) {
        (void)!pt_io_unlink(table->io, path, NULL);
    }
    pt_free(path);
}

/*
 * A manifest that an expired snapshot names, and neither the oldest kept snapshot nor the current
 * one, was merged into another in between: snapshots follow each other in one line.
 */
static void remove_expired(const struct pt_table *table, const struct leftovers *left)
{
    struct pt_arena arena;
    struct pt_manifest *kept = NULL;
    struct pt_manifest *old = NULL;
    size_t kept_count = 0;
    size_t old_count = 0;

    pt_arena_init(&arena, LIST_ARENA_BYTES_MAX);
    if (left->oldest_list && !pt_table_read_list(table, pt_span_str(left->oldest_list), &arena,
                                                 &kept, &kept_count, NULL)) {
        for (uint32_t i = 0; i < left->list_count; i++) {
            if (!left->lists[i] || pt_table_read_list(table, pt_span_str(left->lists[i]), &arena,
                                                      &old, &old_count, NULL)) {
                continue;
            }
            for (size_t k = 0; k < old_count; k++) {
                if (!names(kept, kept_count, old[k].path) &&
                    !names(table->manifests, table->manifest_count, old[k].path)) {
                    unlink_written(table, old[k].path);
                }
            }
            unlink_written(table, left->lists[i]);
        }
    }
    pt_arena_release(&arena);
}

enum pt_code pt_table_publish(struct pt_table *table, const struct pt_snapshot *snapshot,
                              struct pt_error *err)
{
    struct pt_buf buf;
    struct pt_jsonw w;
    struct leftovers left = {0};
    struct pt_file *base = NULL;
    char *base_path = metadata_name(table, table->version);
    uint64_t next_version = table->version + 1;
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, PT_METADATA_BYTES_MAX);
    pt_jsonw_init(&w, &buf);
    write_next(table, snapshot, &w);
    if (buf.has_failed || !base_path) {
        code = pt_fail(err, PT_NO_MEMORY, "write table metadata");
        goto out;
    }
    /*
     * Where our base is gone, others have published so often since that N+1 is gone too and would
     * be free again; that N is there shows that N+1, if it ever was, still is.
     */
    code = pt_io_open(table->io, base_path, PT_OPEN_READ, &base, err);
    pt_io_close(table->io, base);
    if (!code) {
        code = put_version(table, next_version, pt_buf_span(&buf), err);
    }
    if (code == PT_INVALID || code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_FENCED,
                       "table %s: another program has committed to it since version %" PRIu64,
                       table->dir, table->version);
    }
    if (code) {
        goto out;
    }
    take_leftovers(table, &left);
    code = load_version(table, next_version, err);
    if (code) {
        goto out;
    }
    remove_expired(table, &left);
    for (uint32_t i = 0; i < left.metadata_count; i++) {
        if (left.metadata[i]) {
            unlink_written(table, left.metadata[i]);
        }
    }

out:
    leftovers_release(&left);
    pt_buf_release(&buf);
    pt_free(base_path);
    return code;
}
