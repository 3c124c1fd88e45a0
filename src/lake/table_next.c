/*
 * table_next.c - the document of the next version
 *
 * It is the old document with some members replaced, so that what another program has put there
 * (properties, tags, branches) stays.
 */
#include "lake/table.h"

#include <inttypes.h>

/* Numbers in a summary are strings. */
static void key_count(struct pt_jsonw *w, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    pt_jsonw_member_str(w, key, text);
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;

    return (*left > *right) - (*left < *right);
}

static bool is_expired(const struct pt_update *update, struct pt_json object)
{
    int64_t id = 0;

    return update->expired_count && pt_json_type(object) == PT_JSON_OBJECT &&
           pt_json_member_int(object, "snapshot-id", &id) &&
           bsearch(&id, update->expired, update->expired_count, sizeof(id), compare_ids);
}

static int64_t updated_ms(const struct pt_table *table, const struct pt_update *update)
{
    /* Iceberg's snapshots stand in the order of their times, whatever the clock does. */
    return update->now_ms > table->last_updated_ms ? update->now_ms : table->last_updated_ms;
}

/* ---- snapshots ---- */

/* A total is written where the parent's is known, as a table without snapshots knows 0. */
static void key_total(struct pt_jsonw *w, const char *key, const struct pt_table *table,
                      uint64_t added, uint64_t removed)
{
    struct pt_json parent = pt_table_find_snapshot(table, table->snapshot_id);
    uint64_t before = 0;

    if (!pt_json_exists(parent) || pt_snapshot_number(parent, key, &before)) {
        key_count(w, key, before + added < removed ? 0 : before + added - removed);
    }
}

static void write_summary(const struct pt_table *table, const struct pt_snapshot *next,
                          struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "operation", next->operation);
    key_count(w, "added-data-files", next->added.files);
    key_count(w, "added-records", next->added.rows);
    key_count(w, "added-files-size", next->added.bytes);
    if (next->removed.files) {
        key_count(w, "deleted-data-files", next->removed.files);
        key_count(w, "deleted-records", next->removed.rows);
        key_count(w, "removed-files-size", next->removed.bytes);
    }
    key_count(w, "changed-partition-count", next->days_changed);
    key_count(w, "total-data-files", table->file_count + next->added.files - next->removed.files);
    key_count(w, "total-records", table->row_count + next->added.rows - next->removed.rows);
    key_total(w, "total-files-size", table, next->added.bytes, next->removed.bytes);
    key_total(w, "total-delete-files", table, 0, 0);
    key_total(w, "total-position-deletes", table, 0, 0);
    key_total(w, "total-equality-deletes", table, 0, 0);
    if (next->checkpoint) {
        key_count(w, PT_CHECKPOINT_KEY, next->checkpoint);
    }
    pt_jsonw_object_end(w);
}

static void write_snapshot(const struct pt_table *table, const struct pt_update *update,
                           struct pt_jsonw *w)
{
    const struct pt_snapshot *next = update->snapshot;
    char *list = pt_table_written(table, next->manifest_list);

    w->buf->has_failed |= !list;
    pt_jsonw_object(w);
    pt_jsonw_member_int(w, "snapshot-id", next->id);
    if (table->snapshot_id) {
        pt_jsonw_member_int(w, "parent-snapshot-id", table->snapshot_id);
    }
    pt_jsonw_member_int(w, "sequence-number", next->sequence);
    pt_jsonw_member_int(w, "timestamp-ms", updated_ms(table, update));
    pt_jsonw_member_str(w, "manifest-list", list ? list : "");
    pt_jsonw_key(w, "summary");
    write_summary(table, next, w);
    pt_jsonw_member_int(w, "schema-id", table->schema.schema_id);
    pt_jsonw_object_end(w);
    pt_free(list);
}

/* The elements of array `key` that do not belong to a snapshot that is left out. */
static void copy_kept(const struct pt_table *table, const struct pt_update *update, const char *key,
                      struct pt_jsonw *w)
{
    struct pt_json array = pt_table_array(table, key);
    struct pt_json_iter it;

    if (pt_json_exists(array)) {
        for (it = pt_json_iterate(array); pt_json_next(&it);) {
            if (!is_expired(update, it.value)) {
                pt_jsonw_value(w, it.value);
            }
        }
    }
}

/* Iceberg's rule: the log goes back without a gap, so what stands before an expired one goes. */
static void write_snapshot_log(const struct pt_table *table, const struct pt_update *update,
                               struct pt_jsonw *w)
{
    struct pt_json log = pt_table_array(table, "snapshot-log");
    struct pt_json_iter it;
    uint32_t skip = 0;
    uint32_t at = 0;

    pt_jsonw_array(w);
    if (pt_json_exists(log)) {
        for (it = pt_json_iterate(log); update->expired_count && pt_json_next(&it);) {
            at++;
            skip = is_expired(update, it.value) ? at : skip;
        }
        for (it = pt_json_iterate(log); pt_json_next(&it);) {
            if (skip > 0) {
                skip--;
            } else {
                pt_jsonw_value(w, it.value);
            }
        }
    }
    if (update->snapshot) {
        pt_jsonw_object(w);
        pt_jsonw_member_int(w, "timestamp-ms", updated_ms(table, update));
        pt_jsonw_member_int(w, "snapshot-id", update->snapshot->id);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

/* ---- metadata log ---- */

static uint32_t metadata_log_max(const struct pt_table *table)
{
    struct pt_span text = {0};
    unsigned number = 0;
    char copy[12];

    if (pt_table_property(table, "write.metadata.previous-versions-max", &text) &&
        text.size < sizeof(copy)) {
        snprintf(copy, sizeof(copy), "%.*s", PT_SPAN_ARG(text));
        if (sscanf(copy, "%u", &number) == 1 && number > 0) {
            return number;
        }
    }
    return PT_METADATA_LOG_MAX;
}

uint32_t pt_table_dropped_metadata(const struct pt_table *table)
{
    struct pt_json log = pt_table_array(table, "metadata-log");
    uint32_t count = pt_json_exists(log) ? pt_json_count(log) : 0;
    uint32_t max = metadata_log_max(table);

    return count >= max ? count - max + 1 : 0;
}

static void write_metadata_log(const struct pt_table *table, struct pt_jsonw *w)
{
    struct pt_json log = pt_table_array(table, "metadata-log");
    uint32_t skip = pt_table_dropped_metadata(table);
    struct pt_json_iter it;
    char name[64];
    char *path = NULL;

    snprintf(name, sizeof(name), "metadata/v%" PRIu64 ".metadata.json", table->version);
    path = pt_table_written(table, name);
    w->buf->has_failed |= !path;
    pt_jsonw_array(w);
    if (pt_json_exists(log)) {
        for (it = pt_json_iterate(log); pt_json_next(&it);) {
            if (skip > 0) {
                skip--;
            } else {
                pt_jsonw_value(w, it.value);
            }
        }
    }
    pt_jsonw_object(w);
    pt_jsonw_member_int(w, "timestamp-ms", table->last_updated_ms);
    pt_jsonw_member_str(w, "metadata-file", path ? path : "");
    pt_jsonw_object_end(w);
    pt_jsonw_array_end(w);
    pt_free(path);
}

/* ---- refs, properties, schemas ---- */

/* The branch main moves on and keeps its own settings; other branches and tags stay. */
static void write_refs(const struct pt_table *table, int64_t snapshot_id, struct pt_jsonw *w)
{
    struct pt_json refs = pt_json_member(table->root, "refs");
    struct pt_json main_ref = {0};
    struct pt_json_iter it;

    pt_jsonw_object(w);
    if (pt_json_exists(refs) && pt_json_type(refs) == PT_JSON_OBJECT) {
        for (it = pt_json_iterate(refs); pt_json_next(&it);) {
            if (pt_span_is(it.key, "main")) {
                main_ref = it.value;
            } else {
                pt_jsonw_key_span(w, it.key);
                pt_jsonw_value(w, it.value);
            }
        }
    }
    if (snapshot_id) {
        pt_jsonw_key(w, "main");
        pt_jsonw_object(w);
        pt_jsonw_member_int(w, "snapshot-id", snapshot_id);
        pt_jsonw_member_str(w, "type", "branch");
        if (pt_json_exists(main_ref) && pt_json_type(main_ref) == PT_JSON_OBJECT) {
            for (it = pt_json_iterate(main_ref); pt_json_next(&it);) {
                if (!pt_span_is(it.key, "snapshot-id") && !pt_span_is(it.key, "type")) {
                    pt_jsonw_key_span(w, it.key);
                    pt_jsonw_value(w, it.value);
                }
            }
        }
        pt_jsonw_object_end(w);
    }
    pt_jsonw_object_end(w);
}

static void write_properties(const struct pt_table *table, const struct pt_update *update,
                             struct pt_jsonw *w)
{
    struct pt_json properties = pt_json_member(table->root, "properties");
    struct pt_json_iter it;

    pt_jsonw_object(w);
    if (pt_json_exists(properties) && pt_json_type(properties) == PT_JSON_OBJECT) {
        for (it = pt_json_iterate(properties); pt_json_next(&it);) {
            if (!pt_span_is(it.key, PT_CHECKPOINT_KEY)) {
                pt_jsonw_key_span(w, it.key);
                pt_jsonw_value(w, it.value);
            }
        }
    }
    key_count(w, PT_CHECKPOINT_KEY,
              update->snapshot ? update->snapshot->checkpoint : table->checkpoint);
    pt_jsonw_object_end(w);
}

/* The greatest schema id, which need not be the current one. */
static int32_t last_schema_id(const struct pt_table *table)
{
    struct pt_json schemas = pt_table_array(table, "schemas");
    struct pt_json_iter it;
    int64_t last = table->schema.schema_id;
    int64_t id = 0;

    if (pt_json_exists(schemas)) {
        for (it = pt_json_iterate(schemas); pt_json_next(&it);) {
            if (pt_json_type(it.value) == PT_JSON_OBJECT &&
                pt_json_member_int(it.value, "schema-id", &id) && id > last) {
                last = id;
            }
        }
    }
    return (int32_t)last;
}

static void write_schemas(const struct pt_table *table, const struct pt_update *update,
                          struct pt_jsonw *w)
{
    int32_t next_id = last_schema_id(table) + 1;
    int64_t last_column_id = 0;
    struct pt_json schemas = pt_table_array(table, "schemas");
    struct pt_json_iter it;

    (void)pt_json_member_int(table->root, "last-column-id", &last_column_id);
    pt_jsonw_key(w, "schemas");
    pt_jsonw_array(w);
    for (it = pt_json_iterate(schemas); pt_json_next(&it);) {
        pt_jsonw_value(w, it.value);
    }
    pt_schema_write_next(w, &table->schema, table->root, next_id, &last_column_id,
                         update->column_name, update->column_type);
    pt_jsonw_array_end(w);
    pt_jsonw_member_int(w, "current-schema-id", next_id);
    pt_jsonw_member_int(w, "last-column-id", last_column_id);
}

/* ---- the document ---- */

static bool is_replaced(struct pt_span key, bool adds_columns)
{
    static const char *const always[] = {"last-sequence-number",
                                         "last-updated-ms",
                                         "current-snapshot-id",
                                         "refs",
                                         "snapshots",
                                         "snapshot-log",
                                         "metadata-log",
                                         "properties",
                                         "statistics",
                                         "partition-statistics"};
    static const char *const of_schemas[] = {"schemas", "current-schema-id", "last-column-id"};

    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (pt_span_is(key, always[i])) {
            return true;
        }
    }
    for (size_t i = 0; adds_columns && i < sizeof(of_schemas) / sizeof(of_schemas[0]); i++) {
        if (pt_span_is(key, of_schemas[i])) {
            return true;
        }
    }
    return false;
}

static void write_array(const struct pt_table *table, const struct pt_update *update,
                        const char *key, struct pt_jsonw *w)
{
    if (pt_json_exists(pt_table_array(table, key))) {
        pt_jsonw_key(w, key);
        pt_jsonw_array(w);
        copy_kept(table, update, key, w);
        pt_jsonw_array_end(w);
    }
}

void pt_table_write_next(const struct pt_table *table, const struct pt_update *update,
                         struct pt_jsonw *w)
{
    const struct pt_snapshot *next = update->snapshot;
    int64_t snapshot_id = next ? next->id : table->snapshot_id;
    struct pt_json_iter it;

    pt_jsonw_object(w);
    for (it = pt_json_iterate(table->root); pt_json_next(&it);) {
        if (!is_replaced(it.key, update->adds_columns)) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
    }
    if (update->adds_columns) {
        write_schemas(table, update, w);
    }
    pt_jsonw_member_int(w, "last-sequence-number", next ? next->sequence : table->last_sequence);
    pt_jsonw_member_int(w, "last-updated-ms", updated_ms(table, update));
    pt_jsonw_member_int(w, "current-snapshot-id", snapshot_id ? snapshot_id : -1);
    pt_jsonw_key(w, "properties");
    write_properties(table, update, w);
    pt_jsonw_key(w, "refs");
    write_refs(table, snapshot_id, w);
    pt_jsonw_key(w, "snapshots");
    pt_jsonw_array(w);
    copy_kept(table, update, "snapshots", w);
    if (next) {
        write_snapshot(table, update, w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "snapshot-log");
    write_snapshot_log(table, update, w);
    pt_jsonw_key(w, "metadata-log");
    write_metadata_log(table, w);
    write_array(table, update, "statistics", w);
    write_array(table, update, "partition-statistics", w);
    pt_jsonw_object_end(w);
}
