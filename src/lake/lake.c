/*
 * lake.c - the Apache Iceberg table of Parquet files: writing rows, committing, reading
 *
 * Data files carry their final names from the start: no snapshot names them before the commit,
 * so a torn one is only an orphan, and repeating a write replaces it.
 */
#include "lake/commit.h"
#include "lake/duck.h"

#include "wire/rfc3339.h"

#include <inttypes.h>

#define READ_TRIES 5

struct pt_lake {
    struct pt_io *io;
    struct pt_clock *clock;
    struct pt_table table;
    struct pt_duck *duck;
    bool is_stale; /* a failed commit left open which version is current */
};

static int64_t now_ms(struct pt_lake *lake)
{
    return pt_clock_wall_us(lake->clock) / 1000;
}

/* A version that is visible need not be durable yet: whoever builds on it syncs it first. */
static enum pt_code load_for_writing(struct pt_lake *lake, struct pt_error *err)
{
    char *dir = pt_table_local(&lake->table, "metadata");
    enum pt_code code = PT_OK;

    if (!dir) {
        return pt_fail(err, PT_NO_MEMORY, "open table");
    }
    code = pt_table_load(&lake->table, err);
    if (!code) {
        code = pt_io_sync_dir(lake->io, dir, err);
    }
    pt_free(dir);
    return code;
}

enum pt_code pt_lake_open(struct pt_lake **lake_out, struct pt_io *io, struct pt_clock *clock,
                          const char *dir, struct pt_error *err)
{
    struct pt_lake *lake = NULL;
    enum pt_code code = PT_OK;

    *lake_out = NULL;
    lake = pt_alloc_zero(sizeof(*lake));
    if (!lake) {
        return pt_fail(err, PT_NO_MEMORY, "open table %s", dir);
    }
    lake->io = io;
    lake->clock = clock;
    code = pt_table_init(&lake->table, io, dir, err);
    if (code) {
        goto out;
    }
    code = load_for_writing(lake, err);
    if (code == PT_NOT_FOUND) {
        code = pt_table_create(&lake->table, now_ms(lake), err);
        if (code == PT_INVALID) { /* somebody was faster */
            code = load_for_writing(lake, err);
        }
    }
    if (!code) {
        /* One thread: measured cheapest, and beside us the collector needs the cores. */
        code = pt_duck_open(&lake->duck, 1, err);
    }
    if (code) {
        goto out;
    }
    *lake_out = lake;
    lake = NULL;

out:
    pt_lake_close(lake);
    return code;
}

void pt_lake_close(struct pt_lake *lake)
{
    if (lake) {
        pt_duck_close(lake->duck);
        pt_table_release(&lake->table);
        pt_free(lake);
    }
}

uint64_t pt_lake_checkpoint(const struct pt_lake *lake)
{
    return lake->table.checkpoint;
}

uint64_t pt_lake_row_count(const struct pt_lake *lake)
{
    return lake->table.row_count;
}

static enum pt_code load_where_stale(struct pt_lake *lake, struct pt_error *err)
{
    enum pt_code code = lake->is_stale ? load_for_writing(lake, err) : PT_OK;

    lake->is_stale = code != PT_OK;
    return code;
}

/* ---- writing ---- */

struct place {
    int32_t day;
    uint32_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;

    if (left->day != right->day) {
        return left->day < right->day ? -1 : 1;
    }
    return left->index < right->index ? -1 : 1;
}

static int32_t day_of(const struct pt_row *row)
{
    int64_t day = pt_day_of(row->event.event_time_us);

    pt_assert(day >= INT32_MIN && day <= INT32_MAX);
    return (int32_t)day;
}

/* Indices of the rows by day, in the order given within one; heap, NULL without memory. */
static uint32_t *order_by_day(const struct pt_row *rows, size_t count)
{
    uint32_t *order = pt_alloc(count * sizeof(*order));
    struct place *places = NULL;
    bool is_sorted = true;

    if (!order) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
        is_sorted = is_sorted && (i == 0 || day_of(&rows[i - 1]) <= day_of(&rows[i]));
    }
    if (is_sorted) {
        return order;
    }
    places = pt_alloc(count * sizeof(*places));
    if (!places) {
        pt_free(order);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){.day = day_of(&rows[i]), .index = (uint32_t)i};
    }
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 0; i < count; i++) {
        order[i] = places[i].index;
    }
    pt_free(places);
    return order;
}

/* "data/event_time_day=2026-11-01/ckpt-00000012.parquet", or its directory alone. */
static char *data_name(int32_t day, uint64_t checkpoint, bool is_file)
{
    char text[11];

    pt_day_format(day, text);
    return is_file ? pt_strf("data/event_time_day=%s/ckpt-%08" PRIu64 ".parquet", text, checkpoint)
                   : pt_strf("data/event_time_day=%s", text);
}

/* DuckDB has written the file past pt_io: make it durable, and ask for its size. */
static enum pt_code sync_data(struct pt_lake *lake, const char *dir, const char *path,
                              uint64_t *bytes_out, struct pt_error *err)
{
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(lake->io, path, PT_OPEN_WRITE, &file, err);

    if (!code) {
        code = pt_io_sync(lake->io, file, err);
    }
    if (!code) {
        code = pt_io_size(lake->io, file, bytes_out, err);
    }
    pt_io_close(lake->io, file);
    if (!code) {
        code = pt_io_sync_dir(lake->io, dir, err);
    }
    return code;
}

/* One day's rows as one file, described in `files`. */
static enum pt_code write_day(struct pt_lake *lake, const struct pt_row *rows,
                              const uint32_t *order, size_t count, uint64_t checkpoint,
                              struct pt_jsonw *files, struct pt_error *err)
{
    int32_t day = day_of(&rows[order[0]]);
    char *name = data_name(day, checkpoint, true);
    char *dir_name = data_name(day, checkpoint, false);
    char *path = name ? pt_table_local(&lake->table, name) : NULL;
    char *dir = dir_name ? pt_table_local(&lake->table, dir_name) : NULL;
    struct pt_data_file *file = pt_alloc_zero(sizeof(*file));
    uint64_t synced_bytes = 0;
    enum pt_code code = PT_OK;

    if (!path || !dir || !file) {
        code = pt_fail(err, PT_NO_MEMORY, "write rows");
        goto out;
    }
    file->path = pt_span_str(name);
    file->day = day;
    code = pt_io_mkdir(lake->io, dir, err);
    if (!code) {
        code = pt_duck_write_parquet(lake->duck, rows, order, count, path, file, err);
    }
    if (!code) {
        code = sync_data(lake, dir, path, &synced_bytes, err);
    }
    if (!code && synced_bytes != file->bytes) {
        code = pt_fail(err, PT_IO, "%s has %" PRIu64 " bytes, DuckDB wrote %" PRIu64, path,
                       synced_bytes, file->bytes);
    }
    if (code) {
        (void)!pt_io_unlink(lake->io, path, NULL); /* it may be there in part, on a full disk */
        goto out;
    }
    pt_data_file_write(file, files);

out:
    pt_free(file);
    pt_free(dir);
    pt_free(path);
    pt_free(dir_name);
    pt_free(name);
    return code;
}

/* Give back the space of the days already written, of which the caller will not know. */
static void remove_written(struct pt_lake *lake, const struct pt_row *rows, const uint32_t *order,
                           size_t count, uint64_t checkpoint)
{
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || day_of(&rows[order[i - 1]]) != day_of(&rows[order[i]])) {
            char *name = data_name(day_of(&rows[order[i]]), checkpoint, true);
            char *path = name ? pt_table_local(&lake->table, name) : NULL;

            if (path) {
                (void)!pt_io_unlink(lake->io, path, NULL);
            }
            pt_free(path);
            pt_free(name);
        }
    }
}

enum pt_code pt_lake_write(struct pt_lake *lake, const struct pt_row *rows, size_t count,
                           uint64_t checkpoint, struct pt_jsonw *files, struct pt_error *err)
{
    uint32_t *order = NULL;
    char *data = NULL;
    size_t start = 0;
    enum pt_code code = load_where_stale(lake, err);

    pt_assert(count <= UINT32_MAX);
    if (code) {
        return code;
    }
    if (checkpoint <= lake->table.checkpoint) {
        /* The files of that number are in the table: writing would replace them. */
        return pt_fail(err, PT_INVALID,
                       "checkpoint %" PRIu64 " is in the table already, which is at %" PRIu64,
                       checkpoint, lake->table.checkpoint);
    }
    if (count == 0) {
        return PT_OK;
    }
    order = order_by_day(rows, count);
    data = pt_table_local(&lake->table, "data");
    if (!order || !data) {
        code = pt_fail(err, PT_NO_MEMORY, "write rows");
        goto out;
    }
    while (!code && start < count) {
        size_t end = start + 1;

        while (end < count && day_of(&rows[order[end]]) == day_of(&rows[order[start]])) {
            end++;
        }
        code = write_day(lake, rows, order + start, end - start, checkpoint, files, err);
        start = code ? start : end;
    }
    if (!code) {
        code = pt_io_sync_dir(lake->io, data, err); /* directories of days that are new */
    }
    if (!code && files->buf->has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "describe data files");
    }
    if (code) {
        remove_written(lake, rows, order, start, checkpoint);
    }

out:
    pt_free(data);
    pt_free(order);
    return code;
}

enum pt_code pt_lake_commit(struct pt_lake *lake, struct pt_json files, uint64_t checkpoint,
                            struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (!pt_json_exists(files) || pt_json_type(files) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_CORRUPT, "descriptions of data files are not an array");
    }
    code = load_where_stale(lake, err);
    if (code) {
        return code;
    }
    if (checkpoint <= lake->table.checkpoint || pt_json_count(files) == 0) {
        return PT_OK;
    }
    code = pt_table_append(&lake->table, files, checkpoint, now_ms(lake), err);
    lake->is_stale = code != PT_OK && code != PT_FENCED;
    return code;
}

enum pt_code pt_lake_remove_orphans(struct pt_lake *lake, uint64_t *removed_out,
                                    struct pt_error *err)
{
    enum pt_code code = load_where_stale(lake, err);

    *removed_out = 0;
    return code ? code : pt_table_remove_orphans(&lake->table, removed_out, err);
}

/* ---- reading ---- */

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

static enum pt_code take_file(void *ctx, const struct pt_manifest_entry *entry,
                              struct pt_error *err)
{
    struct reading *reading = ctx;
    struct found *file = NULL;

    if (!entry->is_live) {
        return PT_OK;
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

static enum pt_code read_files(struct reading *reading, struct pt_error *err)
{
    struct pt_table *table = reading->table;
    enum pt_code code = PT_OK;

    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        const struct pt_manifest *manifest = &table->manifests[i];
        char *path = pt_table_path(table, pt_span_str(manifest->path));
        uint8_t *data = NULL;
        size_t size = 0;

        if (!path) {
            return pt_fail(err, PT_NO_MEMORY, "read the table's files");
        }
        code = pt_io_read_all(table->io, path, PT_MANIFEST_BYTES_MAX, 1, &data, &size, err);
        if (!code) {
            code = pt_manifest_each(manifest, pt_span_of(data, size), take_file, reading, err);
            if (code) {
                code = pt_error_prefix(err, code, "%s", path);
            }
        }
        pt_free(data);
        pt_free(path);
    }
    if (!code && reading->count > 1) {
        qsort(reading->files, reading->count, sizeof(*reading->files), compare_found);
    }
    return code;
}

static enum pt_code give_snapshot(struct reading *reading, struct pt_lake_snapshot *snapshot_out,
                                  struct pt_error *err)
{
    size_t count = reading->count;

    snapshot_out->files = pt_alloc_zero((count + 1) * sizeof(char *));
    snapshot_out->file_rows = pt_alloc_zero((count + 1) * sizeof(uint64_t));
    snapshot_out->file_bytes = pt_alloc_zero((count + 1) * sizeof(uint64_t));
    if (!snapshot_out->files || !snapshot_out->file_rows || !snapshot_out->file_bytes) {
        return pt_fail(err, PT_NO_MEMORY, "read the table's files");
    }
    snapshot_out->snapshot_id = reading->table->snapshot_id;
    snapshot_out->checkpoint = reading->table->checkpoint;
    for (size_t i = 0; i < count; i++) {
        snapshot_out->files[i] = reading->files[i].path;
        reading->files[i].path = NULL;
        snapshot_out->file_rows[i] = reading->files[i].rows;
        snapshot_out->file_bytes[i] = reading->files[i].bytes;
        snapshot_out->row_count += reading->files[i].rows;
    }
    snapshot_out->file_count = count;
    return PT_OK;
}

enum pt_code pt_lake_read(struct pt_io *io, const char *dir, struct pt_lake_snapshot *snapshot_out,
                          struct pt_error *err)
{
    struct pt_table table;
    struct reading reading = {.table = &table};
    enum pt_code code = PT_OK;

    memset(snapshot_out, 0, sizeof(*snapshot_out));
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
        code = read_files(&reading, err);
        if (code != PT_NOT_FOUND) {
            break;
        }
        /* A commit has merged that manifest away meanwhile: the newer metadata knows better. */
        code = pt_fail(err, PT_CORRUPT, "table %s names a manifest that is gone", dir);
    }
    if (!code) {
        code = give_snapshot(&reading, snapshot_out, err);
    } else if (code == PT_NOT_FOUND) {
        code = PT_OK; /* no table yet */
    }
    if (code) {
        pt_lake_snapshot_release(snapshot_out);
    }
    reading_release(&reading);
    pt_table_release(&table);
    return code;
}

void pt_lake_snapshot_release(struct pt_lake_snapshot *snapshot)
{
    for (size_t i = 0; snapshot->files && i < snapshot->file_count; i++) {
        pt_free(snapshot->files[i]);
    }
    pt_free(snapshot->files);
    pt_free(snapshot->file_rows);
    pt_free(snapshot->file_bytes);
    memset(snapshot, 0, sizeof(*snapshot));
}

void pt_lake_scan_sql(const struct pt_lake_snapshot *snapshot, struct pt_buf *sql)
{
    if (snapshot->file_count == 0) {
        pt_buf_append_str(sql, "(SELECT ");
        for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
            pt_buf_appendf(sql, "%sNULL::%s AS %s", i ? ", " : "",
                           pt_column_sql_type(pt_columns[i].kind), pt_columns[i].name);
        }
        pt_buf_append_str(sql, " WHERE false)");
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
    pt_buf_append_str(sql, "], hive_partitioning = false)");
}
