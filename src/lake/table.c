/*
 * table.c - the table's metadata: which version is current, and what it says
 *
 * FORMAT (Iceberg spec, "Table Metadata", format version 2; docs/formats/lake.md).
 * version-hint.text is written after the fact (table_write.c) and never read.
 */
#include "lake/table.h"

#include <inttypes.h>

#define LOAD_TRIES 5 /* a reader may lose the file it listed to a writer's clean-up */
#define ANCESTORS_MAX 1000000u

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

/* ---- opening ---- */

enum pt_code pt_table_init(struct pt_table *table, struct pt_io *io, const char *dir,
                           struct pt_error *err)
{
    size_t size = strlen(dir);

    memset(table, 0, sizeof(*table));
    table->io = io;
    pt_arena_init(&table->arena, PT_LIST_ARENA_BYTES_MAX);
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

uint64_t pt_table_version_of(const char *name)
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
    uint64_t version = is_dir ? 0 : pt_table_version_of(name);

    *newest = version > *newest ? version : *newest;
}

/* ---- what the metadata says ---- */

struct pt_json pt_table_array(const struct pt_table *table, const char *key)
{
    struct pt_json array = pt_json_member(table->root, key);

    return pt_json_exists(array) && pt_json_type(array) == PT_JSON_ARRAY ? array
                                                                         : (struct pt_json){0};
}

struct pt_json pt_table_find_snapshot(const struct pt_table *table, int64_t id)
{
    struct pt_json snapshots = pt_table_array(table, "snapshots");
    struct pt_json found = {0};
    struct pt_json_iter it;
    int64_t each = 0;

    if (pt_json_exists(snapshots)) {
        for (it = pt_json_iterate(snapshots); pt_json_next(&it);) {
            if (pt_json_type(it.value) == PT_JSON_OBJECT &&
                pt_json_member_int(it.value, "snapshot-id", &each) && each == id) {
                found = it.value;
            }
        }
    }
    return found;
}

static bool parse_number(struct pt_span text, uint64_t *number_out)
{
    char number[24];
    char *end = NULL;

    if (text.size == 0 || text.size >= sizeof(number) || text.data[0] < '0' || text.data[0] > '9') {
        return false;
    }
    snprintf(number, sizeof(number), "%.*s", PT_SPAN_ARG(text));
    *number_out = strtoull(number, &end, 10);
    return *end == '\0';
}

bool pt_snapshot_number(struct pt_json snapshot, const char *key, uint64_t *number_out)
{
    struct pt_json summary = pt_json_member(snapshot, "summary");
    struct pt_span text = {0};

    return pt_json_exists(summary) && pt_json_type(summary) == PT_JSON_OBJECT &&
           pt_json_member_string(summary, key, &text) && parse_number(text, number_out);
}

bool pt_table_property(const struct pt_table *table, const char *key, struct pt_span *value_out)
{
    struct pt_json properties = pt_json_member(table->root, "properties");

    return pt_json_exists(properties) && pt_json_type(properties) == PT_JSON_OBJECT &&
           pt_json_member_string(properties, key, value_out);
}

/*
 * Other programs' snapshots carry no number: it is that of the nearest ancestor which does. Where
 * that one has expired, the table's property remembers the number of our last commit.
 */
uint64_t pt_table_checkpoint_of(const struct pt_table *table, int64_t snapshot_id)
{
    int64_t id = snapshot_id;
    uint64_t checkpoint = 0;
    struct pt_span text = {0};

    for (unsigned steps = 0; id && steps < ANCESTORS_MAX; steps++) {
        struct pt_json snapshot = pt_table_find_snapshot(table, id);

        if (!pt_json_exists(snapshot)) {
            break;
        }
        if (pt_snapshot_number(snapshot, PT_CHECKPOINT_KEY, &checkpoint)) {
            return checkpoint;
        }
        if (!pt_json_member_int(snapshot, "parent-snapshot-id", &id)) {
            id = 0;
        }
    }
    if (snapshot_id && pt_table_property(table, PT_CHECKPOINT_KEY, &text) &&
        parse_number(text, &checkpoint)) {
        return checkpoint;
    }
    return 0;
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

enum pt_code pt_table_read_manifest(const struct pt_table *table,
                                    const struct pt_manifest *manifest, uint8_t **data_out,
                                    size_t *size_out, struct pt_error *err)
{
    char *path = pt_table_path(table, pt_span_str(manifest->path));
    enum pt_code code = PT_OK;

    *data_out = NULL;
    *size_out = 0;
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "read a manifest");
    }
    code = pt_io_read_all(table->io, path, PT_MANIFEST_BYTES_MAX, 1, data_out, size_out, err);
    pt_free(path);
    return code;
}

enum pt_code pt_table_each(const struct pt_table *table, const struct pt_manifest *manifests,
                           size_t count,
                           enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry,
                                                struct pt_error *err),
                           void *ctx, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (size_t i = 0; !code && i < count; i++) {
        uint8_t *data = NULL;
        size_t size = 0;

        code = pt_table_read_manifest(table, &manifests[i], &data, &size, err);
        if (!code) {
            code = pt_manifest_each(&manifests[i], pt_span_of(data, size), each, ctx, err);
            if (code) {
                code = pt_error_prefix(err, code, "%s", manifests[i].path);
            }
        }
        pt_free(data);
    }
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
    snapshot = pt_table_find_snapshot(table, table->snapshot_id);
    if (!pt_json_exists(snapshot) || !pt_json_member_string(snapshot, "manifest-list", &list)) {
        return pt_fail(err, PT_CORRUPT, "table %s: the current snapshot %" PRId64 " is not there",
                       table->dir, table->snapshot_id);
    }
    code = pt_table_read_list(table, list, &table->arena, &table->manifests, &table->manifest_count,
                              err);
    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        const struct pt_manifest *manifest = &table->manifests[i];

        if (!manifest->has_deletes) {
            table->row_count += (uint64_t)(manifest->added_rows + manifest->existing_rows);
            table->file_count += (uint64_t)(manifest->added_files + manifest->existing_files);
        }
    }
    return code;
}

/* ---- loading ---- */

static enum pt_code take_uuid(struct pt_table *table, struct pt_span uuid, struct pt_error *err)
{
    if (uuid.size == 0 || uuid.size >= sizeof(table->uuid)) {
        return pt_fail(err, PT_CORRUPT, "not Iceberg table metadata: no table-uuid");
    }
    if (table->uuid[0] && !pt_span_is(uuid, table->uuid)) {
        return pt_fail(err, PT_FENCED, "another table (%.*s) stands in place of %s",
                       PT_SPAN_ARG(uuid), table->uuid);
    }
    snprintf(table->uuid, sizeof(table->uuid), "%.*s", PT_SPAN_ARG(uuid));
    return PT_OK;
}

/* What we do not know how to go on with makes the table one that is read only. */
static void take_limits(struct pt_table *table, int64_t spec_id)
{
    struct pt_json specs = pt_table_array(table, "partition-specs");
    struct pt_json_iter it;

    if (spec_id != 0) {
        table->read_only = "its partition spec was changed by another program; this one writes "
                           "spec 0, day(event_time): set it back, or write with that program";
        return;
    }
    if (!pt_json_exists(specs)) {
        return;
    }
    for (it = pt_json_iterate(specs); pt_json_next(&it);) {
        struct pt_json fields = {0};
        struct pt_json field = {0};
        struct pt_span transform = {0};
        int64_t id = -1;
        int64_t source = 0;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_int(it.value, "spec-id", &id) || id != 0) {
            continue;
        }
        fields = pt_json_member(it.value, "fields");
        if (pt_json_exists(fields) && pt_json_type(fields) == PT_JSON_ARRAY &&
            pt_json_count(fields) == 1) {
            field = pt_json_element(fields, 0);
        }
        if (!pt_json_exists(field) || pt_json_type(field) != PT_JSON_OBJECT ||
            !pt_json_member_string(field, "transform", &transform) ||
            !pt_json_member_int(field, "source-id", &source) || !pt_span_is(transform, "day") ||
            source != PT_COLUMN_EVENT_TIME + 1) {
            table->read_only = "it is not partitioned by day(event_time), which is what this "
                               "program writes";
        }
    }
}

/* Take what we need from `root`; what it does not say as we know it makes us refuse the table. */
static enum pt_code take_root(struct pt_table *table, struct pt_error *err)
{
    struct pt_json root = table->root;
    struct pt_span location = {0};
    struct pt_span uuid = {0};
    int64_t version = 0;
    int64_t schema_id = 0;
    int64_t spec_id = 0;
    enum pt_code code = PT_OK;

    if (pt_json_type(root) != PT_JSON_OBJECT ||
        !pt_json_member_int(root, "format-version", &version)) {
        return pt_fail(err, PT_CORRUPT, "not Iceberg table metadata");
    }
    if (version != 2) {
        return pt_fail(err, PT_INVALID,
                       "the table is of Iceberg's format version %" PRId64
                       ", this program reads and writes 2: another program has changed it; put "
                       "back a copy of before",
                       version);
    }
    if (!pt_json_member_string(root, "location", &location) ||
        !pt_json_member_string(root, "table-uuid", &uuid) ||
        !pt_json_member_int(root, "last-sequence-number", &table->last_sequence) ||
        !pt_json_member_int(root, "last-updated-ms", &table->last_updated_ms) ||
        !pt_json_member_int(root, "current-schema-id", &schema_id) ||
        !pt_json_member_int(root, "default-spec-id", &spec_id)) {
        return pt_fail(err, PT_CORRUPT, "not Iceberg table metadata of version 2");
    }
    code = take_uuid(table, uuid, err);
    if (!code) {
        code = pt_schema_read(&table->schema, root, schema_id, &table->arena, err);
    }
    if (code) {
        return code;
    }
    take_limits(table, spec_id);
    if (!pt_json_member_int(root, "current-snapshot-id", &table->snapshot_id) ||
        table->snapshot_id == -1) {
        table->snapshot_id = 0;
    }
    table->checkpoint = pt_table_checkpoint_of(table, table->snapshot_id);
    while (location.size > 1 && location.data[location.size - 1] == '/') {
        location.size--;
    }
    table->location = pt_strndup((const char *)location.data, location.size);
    return table->location ? PT_OK : pt_fail(err, PT_NO_MEMORY, "read table metadata");
}

enum pt_code pt_table_check_writable(const struct pt_table *table, struct pt_error *err)
{
    if (table->read_only) {
        return pt_fail(err, PT_INVALID, "table %s cannot be written to: %s", table->dir,
                       table->read_only);
    }
    return PT_OK;
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
    table->schema = (struct pt_schema){0};
    table->read_only = NULL;
    table->root = (struct pt_json){0};
}

char *pt_table_metadata_path(const struct pt_table *table, uint64_t version)
{
    return pt_strf("%s/metadata/v%" PRIu64 ".metadata.json", table->dir, version);
}

enum pt_code pt_table_read_version(struct pt_table *table, uint64_t version, struct pt_error *err)
{
    char *path = pt_table_metadata_path(table, version);
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
        (void)pt_error_prefix(err, PT_CORRUPT, "%s", path);
        code = PT_CORRUPT;
        goto out;
    }
    code = take_root(table, err);
    if (code) {
        code = pt_error_prefix(err, code, "%s", path);
        goto out;
    }
    table->version = version;

out:
    pt_free(path);
    return code;
}

enum pt_code pt_table_load_version(struct pt_table *table, uint64_t version, struct pt_error *err)
{
    enum pt_code code = pt_table_read_version(table, version, err);

    return code ? code : load_manifests(table, err);
}

enum pt_code pt_table_newest(const struct pt_table *table, uint64_t *version_out,
                             struct pt_error *err)
{
    char *dir = pt_table_local(table, "metadata");
    enum pt_code code = PT_OK;

    *version_out = 0;
    if (!dir) {
        return pt_fail(err, PT_NO_MEMORY, "read table metadata");
    }
    code = pt_io_list(table->io, dir, find_newest, version_out, err);
    if (!code && *version_out == 0) {
        code = pt_fail(err, PT_NOT_FOUND, "%s holds no table", table->dir);
    }
    pt_free(dir);
    return code;
}

enum pt_code pt_table_load(struct pt_table *table, struct pt_error *err)
{
    enum pt_code code = PT_NOT_FOUND;

    for (unsigned tries = 0; code == PT_NOT_FOUND && tries < LOAD_TRIES; tries++) {
        uint64_t newest = 0;

        code = pt_table_newest(table, &newest, err);
        if (code) {
            break;
        }
        code = pt_table_load_version(table, newest, err);
        if (code == PT_NOT_FOUND && tries + 1 == LOAD_TRIES) {
            /* Not the writer's clean-up: the metadata names a file that is gone. */
            (void)pt_error_prefix(err, PT_CORRUPT, "table %s", table->dir);
            code = PT_CORRUPT;
        }
    }
    return code;
}
