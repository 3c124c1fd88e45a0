/*
 * table_write.c - a table's first version, and putting the next one in place
 */
#include "lake/table.h"

#include "base/rng.h"
#include "wire/uuid.h"

#include <inttypes.h>
#include <unistd.h>

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
    char *path = pt_table_metadata_path(table, version);
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

/* ---- the first version ---- */

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

static void key_raw(struct pt_jsonw *w, const char *key, const char *json)
{
    pt_jsonw_key(w, key);
    pt_jsonw_raw(w, pt_span_str(json));
}

static void write_first(struct pt_jsonw *w, const char *location, const char *uuid, int64_t now_ms)
{
    pt_jsonw_object(w);
    pt_jsonw_member_int(w, "format-version", 2);
    pt_jsonw_member_str(w, "table-uuid", uuid);
    pt_jsonw_member_str(w, "location", location);
    pt_jsonw_member_int(w, "last-sequence-number", 0);
    pt_jsonw_member_int(w, "last-updated-ms", now_ms);
    pt_jsonw_member_int(w, "last-column-id", PT_COLUMN_COUNT);
    pt_jsonw_member_int(w, "current-schema-id", 0);
    pt_jsonw_key(w, "schemas");
    pt_jsonw_array(w);
    pt_schema_write_first(w);
    pt_jsonw_array_end(w);
    pt_jsonw_member_int(w, "default-spec-id", 0);
    key_raw(w, "partition-specs",
            "[{\"spec-id\":0,\"fields\":[{\"name\":\"event_time_day\",\"transform\":\"day\","
            "\"source-id\":3,\"field-id\":1000}]}]");
    pt_jsonw_member_int(w, "last-partition-id", 1000);
    pt_jsonw_member_int(w, "default-sort-order-id", 0);
    key_raw(w, "sort-orders", "[{\"order-id\":0,\"fields\":[]}]");
    key_raw(w, "properties",
            "{\"write.parquet.compression-codec\":\"zstd\","
            "\"write.metadata.delete-after-commit.enabled\":\"true\","
            "\"write.metadata.previous-versions-max\":\"100\"}");
    pt_jsonw_member_int(w, "current-snapshot-id", -1);
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
        code = pt_table_load_version(table, 1, err);
    }

out:
    pt_buf_release(&buf);
    pt_free(location);
    return code;
}

/* ---- the next version ---- */

/* Metadata files that the next version no longer names: nothing depends on their removal. */
struct leftovers {
    char **paths;
    uint32_t count;
};

static void take_leftovers(const struct pt_table *table, struct leftovers *left)
{
    uint32_t count = pt_table_dropped_metadata(table);
    struct pt_span enabled = {0};
    struct pt_json_iter it;

    if (count == 0 ||
        (pt_table_property(table, "write.metadata.delete-after-commit.enabled", &enabled) &&
         !pt_span_is(enabled, "true"))) {
        return;
    }
    left->paths = pt_alloc_zero(count * sizeof(*left->paths));
    it = pt_json_iterate(pt_table_array(table, "metadata-log"));
    while (left->paths && left->count < count && pt_json_next(&it)) {
        struct pt_span written = {0};

        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_string(it.value, "metadata-file", &written)) {
            left->paths[left->count] = pt_table_path(table, written);
        }
        left->count++;
    }
}

static void remove_leftovers(const struct pt_table *table, struct leftovers *left)
{
    for (uint32_t i = 0; i < left->count; i++) {
        if (left->paths[i]) {
            (void)!pt_io_unlink(table->io, left->paths[i], NULL);
        }
    }
}

static void leftovers_release(struct leftovers *left)
{
    for (uint32_t i = 0; i < left->count; i++) {
        pt_free(left->paths[i]);
    }
    pt_free(left->paths);
}

enum pt_code pt_table_publish(struct pt_table *table, const struct pt_update *update,
                              struct pt_error *err)
{
    struct pt_buf buf;
    struct pt_jsonw w;
    struct leftovers left = {0};
    struct pt_file *base = NULL;
    char *base_path = pt_table_metadata_path(table, table->version);
    uint64_t next_version = table->version + 1;
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, PT_METADATA_BYTES_MAX);
    pt_jsonw_init(&w, &buf);
    pt_table_write_next(table, update, &w);
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
        code = pt_fail(err, PT_AGAIN,
                       "table %s: another program has changed it since version %" PRIu64,
                       table->dir, table->version);
    }
    if (code) {
        goto out;
    }
    take_leftovers(table, &left);
    code = pt_table_load_version(table, next_version, err);
    if (!code) {
        remove_leftovers(table, &left);
    }

out:
    leftovers_release(&left);
    pt_buf_release(&buf);
    pt_free(base_path);
    return code;
}
