/*
 * read.c - a snapshot's files and columns, for readers in any process
 *
 * A reader holds no lock: what it finds gone was merged away or has expired meanwhile, and the
 * newer metadata knows better.
 */
#include "lake/table.h"

#include "wire/rfc3339.h"

#include <inttypes.h>

#define READ_TRIES 5
#define NAMES_BYTES_MAX (16u << 20)

struct found {
    int64_t sequence;
    size_t place; /* so that sorting keeps the manifests' order */
    char *path;
    uint64_t rows;
    uint64_t bytes;
};

struct reading {
    struct pt_table *table;
    struct found *files;
    size_t count;
    size_t capacity;
};

static void reading_release(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        pt_free(reading->files[i].path);
    }
    pt_free(reading->files);
    reading->files = NULL;
    reading->count = 0;
    reading->capacity = 0;
}

/* What cannot be read right is not read at all. */
static enum pt_code check_entry(const struct pt_manifest_entry *entry, struct pt_error *err)
{
    if (entry->has_deletes) {
        return pt_fail(err, PT_INVALID,
                       "the table has row-level deletes by another program (%s), which are not "
                       "read here: have that program rewrite the data files (copy-on-write), or "
                       "ask it",
                       entry->path);
    }
    if (!entry->is_parquet) {
        return pt_fail(err, PT_INVALID,
                       "%s, written by another program, is no Parquet file: have it write Parquet",
                       entry->path);
    }
    return PT_OK;
}

static enum pt_code take_file(void *ctx, const struct pt_manifest_entry *entry,
                              struct pt_error *err)
{
    struct reading *reading = ctx;
    struct found *file = NULL;
    enum pt_code code = PT_OK;

    if (!entry->is_live) {
        return PT_OK;
    }
    code = check_entry(entry, err);
    if (code) {
        return code;
    }
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity ? 2 * reading->capacity : 64;
        struct found *grown = pt_realloc(reading->files, capacity * sizeof(*grown));

        if (!grown) {
            return pt_fail(err, PT_NO_MEMORY, "read the table's files");
        }
        reading->files = grown;
        reading->capacity = capacity;
    }
    file = &reading->files[reading->count];
    *file = (struct found){.sequence = entry->sequence,
                           .place = reading->count,
                           .path = pt_table_path(reading->table, pt_span_str(entry->path)),
                           .rows = (uint64_t)entry->rows,
                           .bytes = (uint64_t)entry->bytes};
    if (!file->path) {
        return pt_fail(err, PT_NO_MEMORY, "read the table's files");
    }
    reading->count++;
    return PT_OK;
}

static int compare_found(const void *a, const void *b)
{
    const struct found *left = a;
    const struct found *right = b;

    if (left->sequence != right->sequence) {
        return left->sequence < right->sequence ? -1 : 1;
    }
    return left->place < right->place ? -1 : 1;
}

static enum pt_code read_files(struct reading *reading, const struct pt_manifest *manifests,
                               size_t count, struct pt_error *err)
{
    enum pt_code code = pt_table_each(reading->table, manifests, count, take_file, reading, err);

    if (!code && reading->count > 1) {
        qsort(reading->files, reading->count, sizeof(*reading->files), compare_found);
    }
    return code;
}

/* ---- which snapshot ---- */

static enum pt_code find_by_time(const struct pt_table *table, int64_t time_us, int64_t *id_out,
                                 struct pt_error *err)
{
    struct pt_json log = pt_table_array(table, "snapshot-log");
    struct pt_json_iter it;
    int64_t oldest_ms = INT64_MAX;
    int64_t at_ms = 0;
    int64_t id = 0;
    char text[PT_RFC3339_TEXT_BYTES + 1];

    *id_out = 0;
    if (pt_json_exists(log)) {
        for (it = pt_json_iterate(log); pt_json_next(&it);) {
            if (pt_json_type(it.value) != PT_JSON_OBJECT ||
                !pt_json_member_int(it.value, "timestamp-ms", &at_ms) ||
                !pt_json_member_int(it.value, "snapshot-id", &id)) {
                continue;
            }
            oldest_ms = at_ms < oldest_ms ? at_ms : oldest_ms;
            if (at_ms <= time_us / 1000) {
                *id_out = id;
            }
        }
    }
    if (*id_out) {
        return PT_OK;
    }
    if (oldest_ms == INT64_MAX) {
        return pt_fail(err, PT_NOT_FOUND, "the table has no snapshot yet");
    }
    pt_rfc3339_format(oldest_ms * 1000, text);
    return pt_fail(err, PT_NOT_FOUND,
                   "the table's snapshots go back to %s only: older ones have expired, or were "
                   "never made (`playtrace lake snapshots` lists them)",
                   text);
}

static enum pt_code find_snapshot(const struct pt_table *table, const struct pt_lake_at *at,
                                  int64_t *id_out, struct pt_error *err)
{
    *id_out = table->snapshot_id;
    if (at->kind == PT_LAKE_AT_TIME) {
        return find_by_time(table, at->time_us, id_out, err);
    }
    if (at->kind == PT_LAKE_AT_SNAPSHOT) {
        *id_out = at->snapshot_id;
        if (!pt_json_exists(pt_table_find_snapshot(table, at->snapshot_id))) {
            return pt_fail(err, PT_NOT_FOUND,
                           "the table has no snapshot %" PRId64 ": it has expired, or never was "
                           "(`playtrace lake snapshots` lists them)",
                           at->snapshot_id);
        }
    }
    return PT_OK;
}

/* ---- the answer ---- */

/* Columns of ours that an older table lacks are there for readers, as NULLs. */
static enum pt_code give_columns(const struct pt_table *table,
                                 struct pt_lake_snapshot *snapshot_out, struct pt_error *err)
{
    const struct pt_schema *schema = &table->schema;
    struct pt_arena *arena = &snapshot_out->names;
    struct pt_lake_column *columns =
        pt_arena_alloc(arena, (schema->count + PT_COLUMN_COUNT) * sizeof(*columns));
    size_t count = 0;

    if (!columns) {
        return pt_fail(err, PT_NO_MEMORY, "read the table's columns");
    }
    for (size_t i = 0; i < schema->count; i++) {
        const struct pt_lake_column *column = &schema->columns[i];

        columns[count] = *column;
        columns[count].name = pt_arena_strdup(arena, pt_span_str(column->name));
        if (column->sql_type) {
            columns[count].sql_type = pt_arena_strdup(arena, pt_span_str(column->sql_type));
        }
        if (!columns[count].name || (column->sql_type && !columns[count].sql_type)) {
            return pt_fail(err, PT_NO_MEMORY, "read the table's columns");
        }
        count++;
    }
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        if (!schema->field_ids[i]) {
            columns[count++] = (struct pt_lake_column){
                .field_id = INT32_MAX - (int32_t)i, /* an id that no file has */
                .name = pt_columns[i].name,
                .sql_type = pt_column_sql_type(pt_columns[i].kind),
            };
        }
    }
    snapshot_out->columns = columns;
    snapshot_out->column_count = count;
    return PT_OK;
}

static enum pt_code give_snapshot(struct reading *reading, int64_t id,
                                  struct pt_lake_snapshot *snapshot_out, struct pt_error *err)
{
    size_t count = reading->count;

    snapshot_out->files = pt_alloc_zero((count + 1) * sizeof(char *));
    snapshot_out->file_rows = pt_alloc_zero((count + 1) * sizeof(uint64_t));
    snapshot_out->file_bytes = pt_alloc_zero((count + 1) * sizeof(uint64_t));
    if (!snapshot_out->files || !snapshot_out->file_rows || !snapshot_out->file_bytes) {
        return pt_fail(err, PT_NO_MEMORY, "read the table's files");
    }
    snapshot_out->snapshot_id = id;
    snapshot_out->checkpoint = pt_table_checkpoint_of(reading->table, id);
    for (size_t i = 0; i < count; i++) {
        snapshot_out->files[i] = reading->files[i].path;
        reading->files[i].path = NULL;
        snapshot_out->file_rows[i] = reading->files[i].rows;
        snapshot_out->file_bytes[i] = reading->files[i].bytes;
        snapshot_out->row_count += reading->files[i].rows;
    }
    snapshot_out->file_count = count;
    return give_columns(reading->table, snapshot_out, err);
}

/* Columns are found by field id; what has none would be read as NULLs. */
static enum pt_code check_field_ids(const struct pt_table *table, struct pt_error *err)
{
    struct pt_span mapping = {0};

    if (pt_table_property(table, "schema.name-mapping.default", &mapping)) {
        return pt_fail(err, PT_INVALID,
                       "another program has put files without field ids into the table, which are "
                       "not read here: have it rewrite them (rewrite_data_files), then remove the "
                       "property schema.name-mapping.default");
    }
    return PT_OK;
}

static enum pt_code read_once(struct reading *reading, const struct pt_lake_at *at, int64_t *id_out,
                              struct pt_error *err)
{
    struct pt_table *table = reading->table;
    struct pt_manifest *manifests = table->manifests;
    size_t count = table->manifest_count;
    struct pt_span list = {0};
    enum pt_code code = check_field_ids(table, err);

    if (!code) {
        code = find_snapshot(table, at, id_out, err);
    }
    if (code) {
        /* Not a file that is gone: nothing to try again. */
        return code == PT_NOT_FOUND ? PT_INVALID : code;
    }
    if (*id_out && *id_out != table->snapshot_id) {
        struct pt_json snapshot = pt_table_find_snapshot(table, *id_out);

        if (!pt_json_exists(snapshot) || !pt_json_member_string(snapshot, "manifest-list", &list)) {
            return pt_fail(err, PT_CORRUPT, "snapshot %" PRId64 " has no manifest-list", *id_out);
        }
        code = pt_table_read_list(table, list, &table->arena, &manifests, &count, err);
    }
    return code ? code : read_files(reading, manifests, count, err);
}

enum pt_code pt_lake_read_at(struct pt_io *io, const char *dir, const struct pt_lake_at *at,
                             struct pt_lake_snapshot *snapshot_out, struct pt_error *err)
{
    struct pt_table table;
    struct reading reading = {.table = &table};
    int64_t id = 0;
    enum pt_code code = PT_OK;

    memset(snapshot_out, 0, sizeof(*snapshot_out));
    pt_arena_init(&snapshot_out->names, NAMES_BYTES_MAX);
    code = pt_table_init(&table, io, dir, err);
    if (code) {
        return code;
    }
    for (unsigned tries = 0; tries < READ_TRIES; tries++) {
        code = pt_table_load(&table, err);
        if (code) {
            break;
        }
        reading_release(&reading);
        code = read_once(&reading, at, &id, err);
        if (code != PT_NOT_FOUND) {
            break;
        }
        (void)pt_error_prefix(err, PT_CORRUPT, "table %s names a manifest that is gone", dir);
        code = PT_CORRUPT;
    }
    if (!code) {
        code = give_snapshot(&reading, id, snapshot_out, err);
    } else if (code == PT_NOT_FOUND && at->kind == PT_LAKE_AT_CURRENT) {
        code = PT_OK; /* no table yet */
    }
    if (code) {
        pt_lake_snapshot_release(snapshot_out);
    }
    reading_release(&reading);
    pt_table_release(&table);
    return code;
}

enum pt_code pt_lake_read(struct pt_io *io, const char *dir, struct pt_lake_snapshot *snapshot_out,
                          struct pt_error *err)
{
    const struct pt_lake_at current = {.kind = PT_LAKE_AT_CURRENT};

    return pt_lake_read_at(io, dir, &current, snapshot_out, err);
}

void pt_lake_snapshot_release(struct pt_lake_snapshot *snapshot)
{
    for (size_t i = 0; snapshot->files && i < snapshot->file_count; i++) {
        pt_free(snapshot->files[i]);
    }
    pt_free(snapshot->files);
    pt_free(snapshot->file_rows);
    pt_free(snapshot->file_bytes);
    pt_arena_release(&snapshot->names);
    memset(snapshot, 0, sizeof(*snapshot));
}

/* ---- as SQL ---- */

/* Columns are found by field id, so that files of before a column's time give NULLs for it. */
static void append_schema(const struct pt_lake_snapshot *snapshot, struct pt_buf *sql)
{
    bool is_first = true;

    pt_buf_append_str(sql, "schema = MAP {");
    for (size_t i = 0; i < snapshot->column_count; i++) {
        const struct pt_lake_column *column = &snapshot->columns[i];

        if (column->sql_type) {
            pt_buf_appendf(sql, "%s%d: {name: ", is_first ? "" : ", ", column->field_id);
            pt_sql_append_text(sql, column->name);
            pt_buf_appendf(sql, ", type: '%s', default_value: NULL}", column->sql_type);
            is_first = false;
        }
    }
    pt_buf_append_str(sql, "}");
}

static void append_empty(const struct pt_lake_snapshot *snapshot, struct pt_buf *sql)
{
    bool is_first = true;

    pt_buf_append_str(sql, "(SELECT ");
    for (size_t i = 0; i < snapshot->column_count; i++) {
        if (snapshot->columns[i].sql_type) {
            pt_buf_appendf(sql, "%sNULL::%s AS ", is_first ? "" : ", ",
                           snapshot->columns[i].sql_type);
            pt_sql_append_name(sql, snapshot->columns[i].name);
            is_first = false;
        }
    }
    for (unsigned i = 0; snapshot->column_count == 0 && i < PT_COLUMN_COUNT; i++) {
        pt_buf_appendf(sql, "%sNULL::%s AS %s", i ? ", " : "",
                       pt_column_sql_type(pt_columns[i].kind), pt_columns[i].name);
    }
    pt_buf_append_str(sql, " WHERE false)");
}

void pt_lake_scan_sql(const struct pt_lake_snapshot *snapshot, struct pt_buf *sql)
{
    if (snapshot->file_count == 0) {
        append_empty(snapshot, sql);
        return;
    }
    pt_buf_append_str(sql, "read_parquet([");
    for (size_t i = 0; i < snapshot->file_count; i++) {
        if (i > 0) {
            pt_buf_append_str(sql, ", ");
        }
        pt_sql_append_text(sql, snapshot->files[i]);
    }
    /* The directories' names look like Hive's; the column they would add is not the table's. */
    pt_buf_append_str(sql, "], hive_partitioning = false, ");
    append_schema(snapshot, sql);
    pt_buf_append_byte(sql, ')');
}
