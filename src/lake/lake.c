/*
 * lake.c - the Apache Iceberg table of Parquet files: writing rows, committing, reading
 *
 * No snapshot names a data file before the commit, so a torn one is only an orphan. Once whole it
 * is named by its checksum (seal.h), so repeating a write with the same rows replaces it.
 */
#include "lake/lake_inside.h"
#include "lake/seal.h"
#include "lake/user_index.h"

#include "wire/rfc3339.h"

#include <inttypes.h>

#define OPEN_TRIES 20

int64_t pt_lake_now_ms(struct pt_lake *lake)
{
    return pt_clock_wall_us(lake->clock) / 1000;
}

/* A version that is visible need not be durable yet: whoever builds on it syncs it first. */
enum pt_code pt_lake_refresh(struct pt_lake *lake, struct pt_error *err)
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
    lake->is_stale = code != PT_OK;
    pt_free(dir);
    return code;
}

/* A table that an older program made lacks columns of ours: they are added, no file is touched. */
static enum pt_code add_our_columns(struct pt_lake *lake, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (unsigned tries = 0; lake->table.schema.lacks_columns && tries < OPEN_TRIES; tries++) {
        const struct pt_update update = {.now_ms = pt_lake_now_ms(lake), .adds_columns = true};

        code = pt_table_publish(&lake->table, &update, err);
        if (code != PT_AGAIN) {
            break;
        }
        code = pt_lake_refresh(lake, err);
        if (code) {
            break;
        }
    }
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
    code = pt_lake_refresh(lake, err);
    if (code == PT_NOT_FOUND) {
        code = pt_table_create(&lake->table, pt_lake_now_ms(lake), err);
        if (code == PT_INVALID) { /* somebody was faster */
            code = pt_lake_refresh(lake, err);
        }
    }
    if (!code) {
        code = pt_table_check_writable(&lake->table, err);
    }
    if (!code) {
        code = add_our_columns(lake, err);
    }
    if (code) {
        goto out;
    }
    lake->checkpoint = lake->table.checkpoint;
    *lake_out = lake;
    lake = NULL;

out:
    pt_lake_close(lake);
    return code;
}

static void forget_written(struct pt_lake *lake)
{
    for (size_t i = 0; i < lake->written.count; i++) {
        pt_free(lake->written.paths[i]);
    }
    pt_free(lake->written.paths);
    lake->written.paths = NULL;
    lake->written.count = 0;
}

void pt_lake_close(struct pt_lake *lake)
{
    if (lake) {
        pt_duck_close(lake->duck);
        forget_written(lake);
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
    return lake->is_stale ? pt_lake_refresh(lake, err) : PT_OK;
}

enum pt_code pt_lake_duck(struct pt_lake *lake, struct pt_duck **duck_out, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (!lake->duck) {
        /* One thread: measured cheapest, and beside us the collector needs the cores. */
        code = pt_duck_open(&lake->duck, 1, err);
    }
    *duck_out = lake->duck;
    return code;
}

void pt_lake_rest(struct pt_lake *lake)
{
    pt_duck_close(lake->duck);
    lake->duck = NULL;
}

enum pt_code pt_lake_change(struct pt_lake *lake, const struct pt_change *change,
                            struct pt_error *err)
{
    enum pt_code code = load_where_stale(lake, err);

    if (!code) {
        code = pt_table_commit(&lake->table, change, pt_lake_now_ms(lake), err);
        lake->is_stale = code != PT_OK;
    }
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
    int32_t newest = INT32_MIN;
    bool is_sorted = true;

    if (!order) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t day = is_sorted ? day_of(&rows[i]) : newest;

        order[i] = (uint32_t)i;
        is_sorted = is_sorted && day >= newest;
        newest = day;
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

/* One past the last row of the day of order[start]; days ascend, so few rows are looked at. */
static size_t day_end(const struct pt_row *rows, const uint32_t *order, size_t start, size_t count)
{
    int32_t day = day_of(&rows[order[start]]);
    size_t low = start + 1;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (day_of(&rows[order[middle]]) == day) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* "data/event_time_day=2026-11-01/ckpt-00000012.parquet", not yet sealed, or its directory. */
static char *data_name(int32_t day, uint64_t checkpoint, bool is_file)
{
    char text[11];

    pt_day_format(day, text);
    return is_file ? pt_strf("data/event_time_day=%s/ckpt-%08" PRIu64 ".parquet", text, checkpoint)
                   : pt_strf("data/event_time_day=%s", text);
}

/* Give back the space of the files from the `first` on, of which the caller will not know. */
static void remove_written(struct pt_lake *lake, size_t first)
{
    while (lake->written.count > first) {
        char *path = lake->written.paths[--lake->written.count];

        (void)!pt_io_unlink(lake->io, path, NULL);
        (void)!pt_user_index_remove(lake->io, path, NULL);
        pt_free(path);
    }
}

/* What earlier writes of the number left, and the one that `files` describes does not name. */
static void remove_superseded(struct pt_lake *lake, struct pt_json files)
{
    struct pt_json_iter it;
    struct pt_span path = {0};

    for (size_t i = 0; i < lake->written.count; i++) {
        const char *written = lake->written.paths[i] + strlen(lake->table.dir) + 1;
        bool is_named = false;

        for (it = pt_json_iterate(files); !is_named && pt_json_next(&it);) {
            is_named = pt_json_member_string(it.value, "path", &path) && pt_span_is(path, written);
        }
        if (!is_named) {
            (void)!pt_io_unlink(lake->io, lake->written.paths[i], NULL);
            (void)!pt_user_index_remove(lake->io, lake->written.paths[i], NULL);
        }
    }
}

/* Takes `path`; the same again is the same file. */
static enum pt_code note_written(struct pt_lake *lake, char *path, struct pt_error *err)
{
    char **grown = NULL;

    for (size_t i = 0; path && i < lake->written.count; i++) {
        if (strcmp(lake->written.paths[i], path) == 0) {
            pt_free(path);
            return PT_OK;
        }
    }
    grown =
        path ? pt_realloc(lake->written.paths, (lake->written.count + 1) * sizeof(*grown)) : NULL;

    if (!grown) {
        if (path) {
            (void)!pt_io_unlink(lake->io, path, NULL);
        }
        pt_free(path);
        return pt_fail(err, PT_NO_MEMORY, "write rows");
    }
    lake->written.paths = grown;
    lake->written.paths[lake->written.count++] = path;
    return PT_OK;
}

/* Without an index the file itself is asked for its users: slower, and nobody's failure. */
static void index_users(struct pt_lake *lake, const struct pt_row *rows, const uint32_t *order,
                        size_t count, const char *name, uint64_t bytes)
{
    struct pt_user_set users;
    char *path = pt_table_local(&lake->table, name);

    if (path && !pt_user_set_take(&users, rows, order, count, NULL)) {
        (void)!pt_user_index_write(lake->io, path, bytes, &users, NULL);
        pt_user_set_release(&users);
    }
    pt_free(path);
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
    struct pt_duck *duck = NULL;
    uint64_t sealed_bytes = 0;
    enum pt_code code = PT_OK;

    if (!path || !dir || !file) {
        code = pt_fail(err, PT_NO_MEMORY, "write rows");
        goto out;
    }
    file->day = day;
    code = pt_lake_duck(lake, &duck, err);
    if (!code) {
        code = pt_io_mkdir(lake->io, dir, err);
    }
    if (!code) {
        code = pt_duck_write_parquet(duck, rows, order, count, lake->table.schema.field_ids, path,
                                     file, err);
    }
    if (!code) {
        code = pt_data_seal(lake->io, lake->table.dir, &name, &sealed_bytes, err);
    }
    if (code) {
        (void)!pt_io_unlink(lake->io, path, NULL); /* it may be there in part, on a full disk */
        goto out;
    }
    code = note_written(lake, pt_table_local(&lake->table, name), err);
    if (!code && sealed_bytes != file->bytes) {
        code = pt_fail(err, PT_IO, "%s has %" PRIu64 " bytes, DuckDB wrote %" PRIu64, name,
                       sealed_bytes, file->bytes);
    }
    if (code) {
        goto out;
    }
    file->path = pt_span_str(name);
    pt_data_file_write(file, files);
    index_users(lake, rows, order, count, name, file->bytes);

out:
    pt_free(file);
    pt_free(dir);
    pt_free(path);
    pt_free(dir_name);
    pt_free(name);
    return code;
}

enum pt_code pt_lake_write(struct pt_lake *lake, const struct pt_row *rows, size_t count,
                           uint64_t checkpoint, struct pt_jsonw *files, struct pt_error *err)
{
    uint32_t *order = NULL;
    char *data = NULL;
    size_t known = 0;
    size_t start = 0;
    enum pt_code code = load_where_stale(lake, err);

    pt_assert(count <= UINT32_MAX);
    if (code) {
        return code;
    }
    if (checkpoint <= lake->table.checkpoint || checkpoint <= lake->checkpoint) {
        /* The files of that number are in the table: writing would replace them. */
        return pt_fail(err, PT_INVALID,
                       "checkpoint %" PRIu64 " is in the table already, which is at %" PRIu64,
                       checkpoint, lake->table.checkpoint);
    }
    /*
     * Written before, and not committed: the rows come again, maybe with more. Those files stay
     * until the commit, for a checkpoint that names them may be in place, though writing it seemed
     * to fail.
     */
    if (lake->written.checkpoint != checkpoint) {
        forget_written(lake);
        lake->written.checkpoint = checkpoint;
    }
    known = lake->written.count;
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
        size_t end = day_end(rows, order, start, count);

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
        remove_written(lake, known);
    }

out:
    pt_free(data);
    pt_free(order);
    return code;
}

enum pt_code pt_lake_commit(struct pt_lake *lake, struct pt_json files, uint64_t checkpoint,
                            struct pt_error *err)
{
    struct pt_change change = {
        .operation = PT_OPERATION_APPEND, .added = files, .checkpoint = checkpoint};
    enum pt_code code = PT_OK;

    if (!pt_json_exists(files) || pt_json_type(files) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_CORRUPT, "descriptions of data files are not an array");
    }
    code = load_where_stale(lake, err);
    if (!code && lake->tried && lake->table.checkpoint == lake->tried) {
        lake->checkpoint = lake->tried; /* it had succeeded after all */
    }
    if (code || checkpoint <= lake->checkpoint || pt_json_count(files) == 0) {
        return code;
    }
    change.checkpoint_before = lake->checkpoint;
    lake->tried = checkpoint;
    code = pt_lake_change(lake, &change, err);
    if (!code) {
        lake->checkpoint = checkpoint;
        if (lake->written.checkpoint == checkpoint) {
            remove_superseded(lake, files);
        }
        forget_written(lake);
    }
    return code;
}
