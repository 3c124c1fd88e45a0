/*
 * history.c - the table's snapshots, as its metadata tells them
 */
#include "lake/table.h"

#define HISTORY_BYTES_MAX (256u << 20)

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "read the table's snapshots");
}

static void take_number(struct pt_json snapshot, const char *key, int64_t *number_out)
{
    uint64_t number = 0;

    *number_out =
        pt_snapshot_number(snapshot, key, &number) && number <= INT64_MAX ? (int64_t)number : -1;
}

static enum pt_code take_snapshot(const struct pt_table *table, struct pt_json snapshot,
                                  struct pt_lake_history *history, struct pt_error *err)
{
    struct pt_lake_event *event = &history->events[history->count];
    struct pt_json summary = {0};
    struct pt_span operation = {0};
    int64_t at_ms = 0;

    if (pt_json_type(snapshot) != PT_JSON_OBJECT ||
        !pt_json_member_int(snapshot, "snapshot-id", &event->snapshot_id) ||
        !pt_json_member_int(snapshot, "timestamp-ms", &at_ms)) {
        return pt_fail(err, PT_CORRUPT, "table %s: a snapshot without id or time", table->dir);
    }
    (void)pt_json_member_int(snapshot, "parent-snapshot-id", &event->parent_id);
    event->time_us = at_ms * 1000;
    event->is_current = event->snapshot_id == table->snapshot_id;
    event->checkpoint = pt_table_checkpoint_of(table, event->snapshot_id);
    summary = pt_json_member(snapshot, "summary");
    if (pt_json_exists(summary) && pt_json_type(summary) == PT_JSON_OBJECT) {
        (void)pt_json_member_string(summary, "operation", &operation);
    }
    event->operation = pt_arena_strdup(&history->arena, operation);
    take_number(snapshot, "added-records", &event->added_rows);
    take_number(snapshot, "total-records", &event->rows);
    take_number(snapshot, "total-data-files", &event->files);
    take_number(snapshot, "total-files-size", &event->bytes);
    history->count++;
    return event->operation ? PT_OK : no_memory(err);
}

enum pt_code pt_lake_read_history(struct pt_io *io, const char *dir,
                                  struct pt_lake_history *history_out, struct pt_error *err)
{
    struct pt_table table;
    struct pt_json snapshots = {0};
    struct pt_json_iter it;
    uint32_t count = 0;
    enum pt_code code = PT_OK;

    memset(history_out, 0, sizeof(*history_out));
    pt_arena_init(&history_out->arena, HISTORY_BYTES_MAX);
    code = pt_table_init(&table, io, dir, err);
    if (code) {
        return code;
    }
    code = pt_table_load(&table, err);
    if (code) {
        goto out;
    }
    snapshots = pt_table_array(&table, "snapshots");
    count = pt_json_exists(snapshots) ? pt_json_count(snapshots) : 0;
    history_out->events =
        pt_arena_alloc(&history_out->arena, (count + 1) * sizeof(*history_out->events));
    if (!history_out->events) {
        code = no_memory(err);
        goto out;
    }
    memset(history_out->events, 0, (count + 1) * sizeof(*history_out->events));
    if (count > 0) {
        for (it = pt_json_iterate(snapshots);
             !code && history_out->count < count && pt_json_next(&it);) {
            code = take_snapshot(&table, it.value, history_out, err);
        }
    }

out:
    pt_table_release(&table);
    return code;
}

void pt_lake_history_release(struct pt_lake_history *history)
{
    pt_arena_release(&history->arena);
    memset(history, 0, sizeof(*history));
}
