/*
 * compact.c - many small files of a day become few big ones, sorted
 *
 * WHICH FILES. A file is small below half of the target size. Of a day's small ones those of about
 * the same size become one, where they are many enough, until they have the target's size together:
 * a row is rewritten once for each step of that factor, and a big file not for each small one that
 * comes late. A file is one row group (duck_sort.c says why), so memory bounds its rows too; where
 * it did not suffice, the compactor remembers that and makes smaller files.
 *
 * ORDER. The new file is written under a name that was never used, synced, read back and compared,
 * its directory synced, then committed. What a crash leaves is named compact-….parquet and belongs
 * to no snapshot. compact.lock, held meanwhile, keeps pt_lake_remove_orphans() from taking it for
 * one while it is made; the kernel lets go of it when the process ends, however that ends.
 */
#include "lake/compact.h"

#include "base/lock.h"
#include "base/rng.h"
#include "lake/lake_inside.h"
#include "lake/seal.h"
#include "lake/user_index.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <pthread.h>

#define TARGET_BYTES (UINT64_C(128) << 20)
#define MEMORY_BYTES (UINT64_C(1) << 30)
#define ROW_BYTES 1536 /* of memory, as measured; what is wider is found out */
#define ROWS_MIN 16384 /* where not even as many fit, that is said */
#define FILES_MIN 2
#define SAME_SIZE 8 /* the greatest of a group is at most so many times the smallest */
#define GROUP_FILES_MAX 1000
#define DESCRIPTION_BYTES_MAX (1u << 20)

struct source {
    char *path; /* owned: its place now */
    int32_t day;
    uint64_t rows;
    uint64_t bytes;
};

/* Sources that become one file. */
struct group {
    const struct source *sources;
    size_t count;
    uint64_t rows;
    uint64_t bytes;
};

struct pt_compactor {
    struct pt_io *io;
    struct pt_clock *clock;
    struct pt_table table;
    struct pt_json_parser *parser; /* for descriptions */
    uint64_t rows_fit;             /* 5/8 of what did not fit into memory; 0: all did */

    /* Of a run. */
    const struct pt_compact_options *options;
    struct pt_compact_result *result;
    struct source *sources;
    size_t source_count;
    size_t source_capacity;

    pthread_mutex_t lock; /* the two below: pt_compactor_stop() comes from another thread */
    struct pt_duck *duck; /* NULL until there is something to sort */
    bool is_stopping;
};

enum pt_code pt_compactor_open(struct pt_compactor **compactor_out, struct pt_io *io,
                               struct pt_clock *clock, const char *dir, struct pt_error *err)
{
    struct pt_compactor *compactor = pt_alloc_zero(sizeof(*compactor));
    enum pt_code code = PT_OK;

    *compactor_out = NULL;
    if (!compactor) {
        return pt_fail(err, PT_NO_MEMORY, "open table %s", dir);
    }
    pthread_mutex_init(&compactor->lock, NULL);
    compactor->io = io;
    compactor->clock = clock;
    compactor->parser = pt_json_parser_create(DESCRIPTION_BYTES_MAX);
    code = compactor->parser ? pt_table_init(&compactor->table, io, dir, err)
                             : pt_fail(err, PT_NO_MEMORY, "open table %s", dir);
    if (code) {
        pt_compactor_close(compactor);
        return code;
    }
    *compactor_out = compactor;
    return PT_OK;
}

void pt_compactor_close(struct pt_compactor *compactor)
{
    if (compactor) {
        pt_json_parser_destroy(compactor->parser);
        pt_table_release(&compactor->table);
        pthread_mutex_destroy(&compactor->lock);
        pt_free(compactor);
    }
}

void pt_compactor_stop(struct pt_compactor *compactor)
{
    pthread_mutex_lock(&compactor->lock);
    compactor->is_stopping = true;
    if (compactor->duck) {
        pt_duck_interrupt(compactor->duck);
    }
    pthread_mutex_unlock(&compactor->lock);
}

static bool is_stopping(struct pt_compactor *compactor)
{
    bool is_set = false;

    pthread_mutex_lock(&compactor->lock);
    is_set = compactor->is_stopping;
    pthread_mutex_unlock(&compactor->lock);
    return is_set;
}

static void set_duck(struct pt_compactor *compactor, struct pt_duck *duck)
{
    pthread_mutex_lock(&compactor->lock);
    compactor->duck = duck;
    pthread_mutex_unlock(&compactor->lock);
}

/* ---- which files ---- */

static uint64_t target_bytes(const struct pt_compactor *compactor)
{
    return compactor->options->target_file_bytes ? compactor->options->target_file_bytes
                                                 : TARGET_BYTES;
}

static uint64_t memory_bytes(const struct pt_compactor *compactor)
{
    return compactor->options->memory_bytes ? compactor->options->memory_bytes : MEMORY_BYTES;
}

/* Of a file. */
static uint64_t rows_max(const struct pt_compactor *compactor)
{
    uint64_t rows = memory_bytes(compactor) / ROW_BYTES;

    return compactor->rows_fit && compactor->rows_fit < rows ? compactor->rows_fit : rows;
}

static enum pt_code take_source(void *ctx, const struct pt_manifest_entry *entry,
                                struct pt_error *err)
{
    struct pt_compactor *compactor = ctx;
    const struct pt_compact_options *options = compactor->options;
    struct source *source = NULL;

    if (!entry->is_live || entry->has_deletes || !entry->is_parquet || !entry->has_day ||
        entry->rows == 0 || (uint64_t)entry->bytes >= target_bytes(compactor) / 2 ||
        (uint64_t)entry->rows >= rows_max(compactor) / 2 ||
        (options->has_day && entry->day != options->day)) {
        return PT_OK;
    }
    if (compactor->source_count == compactor->source_capacity) {
        size_t capacity = compactor->source_capacity ? 2 * compactor->source_capacity : 256;
        struct source *grown = pt_realloc(compactor->sources, capacity * sizeof(*grown));

        if (!grown) {
            return pt_fail(err, PT_NO_MEMORY, "choose files to compact");
        }
        compactor->sources = grown;
        compactor->source_capacity = capacity;
    }
    source = &compactor->sources[compactor->source_count];
    *source = (struct source){
        .path = pt_table_path(&compactor->table, pt_span_str(entry->path)),
        .day = entry->day,
        .rows = (uint64_t)entry->rows,
        .bytes = (uint64_t)entry->bytes,
    };
    if (!source->path) {
        return pt_fail(err, PT_NO_MEMORY, "choose files to compact");
    }
    compactor->source_count++;
    return PT_OK;
}

static int compare_sources(const void *a, const void *b)
{
    const struct source *left = a;
    const struct source *right = b;

    if (left->day != right->day) {
        return left->day < right->day ? -1 : 1;
    }
    if (left->bytes != right->bytes) {
        return left->bytes < right->bytes ? -1 : 1;
    }
    return strcmp(left->path, right->path);
}

static void forget_sources(struct pt_compactor *compactor)
{
    for (size_t i = 0; i < compactor->source_count; i++) {
        pt_free(compactor->sources[i].path);
    }
    pt_free(compactor->sources);
    compactor->sources = NULL;
    compactor->source_count = 0;
    compactor->source_capacity = 0;
}

/* The small files of the table, by day and size. */
static enum pt_code list_sources(struct pt_compactor *compactor, struct pt_error *err)
{
    struct pt_table *table = &compactor->table;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < table->manifest_count; i++) {
        if (table->manifests[i].has_deletes) {
            return pt_fail(err, PT_INVALID,
                           "table %s has row-level deletes, made by another program: "
                           "compact it with that one",
                           table->dir);
        }
    }
    for (size_t i = 0; !code && i < table->manifest_count; i++) {
        if (table->manifests[i].spec_id == 0) {
            code = pt_table_each(table, &table->manifests[i], 1, take_source, compactor, err);
        }
    }
    if (!code && compactor->source_count > 1) {
        qsort(compactor->sources, compactor->source_count, sizeof(*compactor->sources),
              compare_sources);
    }
    return code;
}

/* The next group at or behind `*at`, which moves on; false at the end. */
static bool next_group(const struct pt_compactor *compactor, int64_t today, size_t *at,
                       struct group *group_out)
{
    const struct pt_compact_options *options = compactor->options;

    while (*at < compactor->source_count) {
        const struct source *first = &compactor->sources[*at];
        const struct source *end = compactor->sources + compactor->source_count;
        struct group group = {.sources = first};
        unsigned wanted = first->day < today ? options->files_min : options->files_min_today;

        for (const struct source *next = first;
             next < end && next->day == first->day && group.bytes < target_bytes(compactor) &&
             group.count < GROUP_FILES_MAX &&
             (group.count == 0 || group.rows + next->rows <= rows_max(compactor)) &&
             (options->is_thorough || next->bytes <= SAME_SIZE * first->bytes);
             next++) {
            group.count++;
            group.rows += next->rows;
            group.bytes += next->bytes;
        }
        *at += group.count;
        if (group.count >= FILES_MIN &&
            (group.count >= wanted || group.bytes >= target_bytes(compactor) ||
             2 * group.rows >= rows_max(compactor))) {
            *group_out = group;
            return true;
        }
    }
    return false;
}

/* ---- one group ---- */

/* What one rewrite needs; released in any case. */
struct rewrite {
    const struct group *group;
    char *name; /* relative to the table */
    char *path;
    struct pt_buf from;
    struct pt_sort_column *columns;
    struct pt_sort sort;
    struct pt_data_file *file;
    struct pt_user_set users;
    struct pt_buf description;
};

static void rewrite_release(struct rewrite *rewrite)
{
    pt_free(rewrite->name);
    pt_free(rewrite->path);
    pt_free(rewrite->columns);
    pt_free(rewrite->file);
    pt_user_set_release(&rewrite->users);
    pt_buf_release(&rewrite->from);
    pt_buf_release(&rewrite->description);
}

/* SQL for the rows of the group, in all columns that the table has. */
static enum pt_code plan_sort(struct pt_compactor *compactor, struct rewrite *rewrite,
                              struct pt_error *err)
{
    const struct pt_schema *schema = &compactor->table.schema;
    const struct group *group = rewrite->group;
    char **files = pt_alloc_zero(group->count * sizeof(*files));
    struct pt_lake_snapshot snapshot = {
        .file_count = group->count,
        .files = files,
        .columns = schema->columns,
        .column_count = schema->count,
    };

    rewrite->columns = pt_alloc_zero(schema->count * sizeof(*rewrite->columns));
    if (!files || !rewrite->columns) {
        pt_free(files);
        return pt_fail(err, PT_NO_MEMORY, "compact %zu files", group->count);
    }
    for (size_t i = 0; i < group->count; i++) {
        files[i] = group->sources[i].path;
    }
    pt_lake_scan_sql(&snapshot, &rewrite->from);
    pt_buf_append_byte(&rewrite->from, '\0');
    pt_free(files);
    for (size_t i = 0; i < schema->count; i++) {
        rewrite->columns[i] = (struct pt_sort_column){.name = schema->columns[i].name,
                                                      .field_id = schema->columns[i].field_id};
    }
    rewrite->sort = (struct pt_sort){
        .from = (const char *)rewrite->from.data,
        .columns = rewrite->columns,
        .column_count = schema->count,
        .path = rewrite->path,
    };
    return rewrite->from.has_failed ? pt_fail(err, PT_NO_MEMORY, "compact %zu files", group->count)
                                    : PT_OK;
}

static enum pt_code rewrite_init(struct pt_compactor *compactor, const struct group *group,
                                 struct rewrite *rewrite, struct pt_error *err)
{
    uint64_t mark = 0;
    char day[11];
    enum pt_code code = pt_random_bytes(&mark, sizeof(mark), err);

    *rewrite = (struct rewrite){.group = group};
    pt_buf_init(&rewrite->from, 16u << 20);
    pt_buf_init(&rewrite->description, DESCRIPTION_BYTES_MAX);
    if (code) {
        return code;
    }
    pt_day_format(group->sources[0].day, day);
    rewrite->name = pt_strf("data/event_time_day=%s/compact-%016" PRIx64 ".parquet", day, mark);
    rewrite->path = rewrite->name ? pt_table_local(&compactor->table, rewrite->name) : NULL;
    rewrite->file = pt_alloc_zero(sizeof(*rewrite->file));
    if (!rewrite->path || !rewrite->file) {
        return pt_fail(err, PT_NO_MEMORY, "compact %zu files", group->count);
    }
    return plan_sort(compactor, rewrite, err);
}

/* DuckDB has written the file past pt_io: make it durable, under the name that tells its checksum.
 */
static enum pt_code seal_file(struct pt_compactor *compactor, struct rewrite *rewrite,
                              struct pt_error *err)
{
    char *path = NULL;
    enum pt_code code = pt_data_seal(compactor->io, compactor->table.dir, &rewrite->name,
                                     &rewrite->file->bytes, err);

    if (code) {
        return code;
    }
    path = pt_table_local(&compactor->table, rewrite->name);
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "compact %zu files", rewrite->group->count);
    }
    pt_free(rewrite->path);
    rewrite->path = path;
    rewrite->sort.path = path;
    return PT_OK;
}

static enum pt_code compare(const struct rewrite *rewrite, const struct pt_rows_digest *before,
                            const struct pt_rows_digest *after, struct pt_error *err)
{
    if (before->rows != rewrite->group->rows) {
        return pt_fail(err, PT_CORRUPT,
                       "%zu files, the first of them %s, hold %" PRIu64 " rows, and %" PRIu64
                       " as the table says",
                       rewrite->group->count, rewrite->group->sources[0].path, before->rows,
                       rewrite->group->rows);
    }
    if (after->rows != before->rows || strcmp(after->hashes, before->hashes) != 0) {
        return pt_fail(err, PT_CORRUPT,
                       "%s has %" PRIu64 " rows with the digest %s, made of %" PRIu64
                       " with %s: it is not used",
                       rewrite->path, after->rows, after->hashes, before->rows, before->hashes);
    }
    return PT_OK;
}

/* The users of the sources together; what lacks an index is asked itself. */
static enum pt_code join_users(struct pt_compactor *compactor, struct rewrite *rewrite,
                               struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (size_t i = 0; !code && i < rewrite->group->count; i++) {
        const struct source *source = &rewrite->group->sources[i];
        struct pt_user_set users;

        code = pt_user_index_read(compactor->io, source->path, source->bytes, &users, err);
        if (code && code != PT_NO_MEMORY) {
            /* One look at the new file costs less than one at each that is left. */
            pt_user_set_release(&rewrite->users);
            return pt_user_index_make(compactor->duck, rewrite->path, &rewrite->users, err);
        }
        if (!code) {
            code = pt_user_set_join(&rewrite->users, &users, err);
        }
        pt_user_set_release(&users);
    }
    return code;
}

/* Sort into the new file, and hold that against what it was made of. */
static enum pt_code make_file(struct pt_compactor *compactor, struct rewrite *rewrite,
                              struct pt_error *err)
{
    struct pt_duck *duck = compactor->duck;
    struct pt_rows_digest before;
    struct pt_rows_digest after;
    enum pt_code code = pt_duck_digest(duck, &rewrite->sort, &before, err);

    if (!code) {
        code = pt_duck_sort(duck, &rewrite->sort, rewrite->group->rows, err);
    }
    if (!code) {
        code = seal_file(compactor, rewrite, err);
    }
    if (!code) {
        code = pt_duck_describe(duck, &rewrite->sort, &after, rewrite->file, err);
    }
    if (!code) {
        code = compare(rewrite, &before, &after, err);
    }
    if (!code) {
        code = join_users(compactor, rewrite, err);
    }
    if (!code) {
        code = pt_user_index_write(compactor->io, rewrite->path, rewrite->file->bytes,
                                   &rewrite->users, err);
    }
    return code;
}

static enum pt_code commit_file(struct pt_compactor *compactor, struct rewrite *rewrite,
                                struct pt_error *err)
{
    const struct group *group = rewrite->group;
    const char **removed = pt_alloc_zero(group->count * sizeof(*removed));
    struct pt_change change = {
        .operation = PT_OPERATION_REPLACE, .removed = removed, .removed_count = group->count};
    struct pt_buf *text = &rewrite->description;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_jsonw_init(&w, text);
    pt_jsonw_array(&w);
    pt_data_file_write(rewrite->file, &w);
    pt_jsonw_array_end(&w);
    if (!removed || !pt_buf_reserve(text, PT_JSON_PADDING)) {
        code = pt_fail(err, PT_NO_MEMORY, "compact %zu files", group->count);
        goto out;
    }
    for (size_t i = 0; i < group->count; i++) {
        removed[i] = group->sources[i].path;
    }
    code = pt_json_parse(compactor->parser, pt_buf_span(text), &change.added, NULL, err);
    if (!code) {
        code = pt_table_commit(&compactor->table, &change,
                               pt_clock_wall_us(compactor->clock) / 1000, err);
    }

out:
    pt_free(removed);
    return code;
}

static void note(struct pt_compactor *compactor, const struct group *group, uint64_t bytes_out,
                 const char *name)
{
    struct pt_compact_result *result = compactor->result;
    struct pt_compacted made = {
        .day = group->sources[0].day,
        .files_in = group->count,
        .rows = group->rows,
        .bytes_in = group->bytes,
        .bytes_out = bytes_out,
        .path = name,
    };

    result->snapshots++;
    result->files_in += made.files_in;
    result->rows += made.rows;
    result->bytes_in += made.bytes_in;
    result->bytes_out += made.bytes_out;
    if (compactor->options->each) {
        compactor->options->each(compactor->options->ctx, &made);
    }
}

/* Whether the current table names the file; where that cannot be found out, it may. */
static bool may_be_named(struct pt_compactor *compactor, const char *path);

static void remove_file(struct pt_compactor *compactor, const struct rewrite *rewrite)
{
    if (rewrite->path && !may_be_named(compactor, rewrite->path)) {
        (void)!pt_io_unlink(compactor->io, rewrite->path, NULL);
        (void)!pt_user_index_remove(compactor->io, rewrite->path, NULL);
    }
}

struct naming {
    struct pt_table *table;
    const char *path;
    bool is_named;
};

static enum pt_code look_for_name(void *ctx, const struct pt_manifest_entry *entry,
                                  struct pt_error *err)
{
    struct naming *naming = ctx;
    char *path = pt_table_path(naming->table, pt_span_str(entry->path));
    enum pt_code code = path ? PT_OK : pt_fail(err, PT_NO_MEMORY, "look for a file");

    naming->is_named |= path && strcmp(path, naming->path) == 0;
    pt_free(path);
    return code;
}

static bool may_be_named(struct pt_compactor *compactor, const char *path)
{
    struct pt_table *table = &compactor->table;
    struct naming naming = {.table = table, .path = path};

    return pt_table_load(table, NULL) ||
           pt_table_each(table, table->manifests, table->manifest_count, look_for_name, &naming,
                         NULL) ||
           naming.is_named;
}

static enum pt_code compact_group(struct pt_compactor *compactor, const struct group *group,
                                  struct pt_error *err)
{
    struct rewrite rewrite;
    enum pt_code code = rewrite_init(compactor, group, &rewrite, err);

    if (!code) {
        code = make_file(compactor, &rewrite, err);
    }
    if (!code) {
        rewrite.file->path = pt_span_str(rewrite.name);
        rewrite.file->day = group->sources[0].day;
        code = commit_file(compactor, &rewrite, err);
    }
    if (!code) {
        note(compactor, group, rewrite.file->bytes, rewrite.name);
    } else {
        remove_file(compactor, &rewrite);
    }
    rewrite_release(&rewrite);
    return code;
}

/* ---- a run ---- */

struct leftovers {
    struct pt_io *io;
    const char *dir;
};

static void remove_leftover(void *ctx, const char *name, bool is_dir)
{
    struct leftovers *left = ctx;
    char *path = is_dir ? NULL : pt_strf("%s/%s", left->dir, name);

    if (path) {
        (void)!pt_io_unlink(left->io, path, NULL);
    }
    pt_free(path);
}

/* DuckDB for this run; what a killed one has spilled goes first. */
static enum pt_code open_sorter(struct pt_compactor *compactor, struct pt_error *err)
{
    char *dir = pt_table_local(&compactor->table, "compact.tmp");
    struct leftovers left = {.io = compactor->io, .dir = dir};
    struct pt_duck *duck = NULL;
    enum pt_code code = PT_OK;

    if (!dir) {
        return pt_fail(err, PT_NO_MEMORY, "open DuckDB");
    }
    (void)!pt_io_list(compactor->io, dir, remove_leftover, &left, NULL);
    code = pt_duck_open_sorter(&duck, memory_bytes(compactor), dir, err);
    set_duck(compactor, duck);
    pt_free(dir);
    return code;
}

static void close_sorter(struct pt_compactor *compactor)
{
    struct pt_duck *duck = compactor->duck;

    set_duck(compactor, NULL);
    pt_duck_close(duck);
}

/* Whether the same files may fit into memory as smaller groups; then they are tried so. */
static bool makes_smaller(struct pt_compactor *compactor, enum pt_code code,
                          const struct group *group)
{
    if (code != PT_NO_MEMORY || group->rows < ROWS_MIN) {
        return false;
    }
    compactor->rows_fit = group->rows / 8 * 5;
    return true;
}

static enum pt_code compact_all(struct pt_compactor *compactor, struct pt_error *err)
{
    int64_t today = pt_day_of(pt_clock_wall_us(compactor->clock));
    struct pt_error each_err = {0};
    struct group group;
    size_t at = 0;
    size_t next = 0;
    enum pt_code failed = PT_OK;

    for (; !is_stopping(compactor) && next_group(compactor, today, &next, &group); at = next) {
        enum pt_code code = PT_OK;

        if (compactor->options->is_dry_run) {
            note(compactor, &group, 0, NULL);
            continue;
        }
        code = compactor->duck ? PT_OK : open_sorter(compactor, &each_err);
        if (!code) {
            code = compact_group(compactor, &group, &each_err);
        }
        if (is_stopping(compactor)) {
            break; /* what failed was interrupted */
        }
        if (code == PT_FENCED || code == PT_AGAIN) {
            compactor->result->conflicts++;
        } else if (makes_smaller(compactor, code, &group)) {
            next = at;
        } else if (code) {
            if (!failed && err) {
                *err = each_err;
            }
            failed = failed ? failed : code;
            if (code == PT_FULL || code == PT_NO_MEMORY) {
                break; /* the next day would fare no better */
            }
        }
    }
    compactor->result->was_stopped = is_stopping(compactor);
    close_sorter(compactor);
    return failed;
}

/* A version that is visible need not be durable yet: whoever builds on it syncs it first. */
static enum pt_code load(struct pt_compactor *compactor, struct pt_error *err)
{
    char *dir = pt_table_local(&compactor->table, "metadata");
    enum pt_code code =
        dir ? pt_table_load(&compactor->table, err) : pt_fail(err, PT_NO_MEMORY, "open table");

    if (!code) {
        code = pt_io_sync_dir(compactor->io, dir, err);
    }
    pt_free(dir);
    return code;
}

enum pt_code pt_compactor_run(struct pt_compactor *compactor,
                              const struct pt_compact_options *options,
                              struct pt_compact_result *result, struct pt_error *err)
{
    struct pt_lock *lock = NULL;
    char *path = pt_table_local(&compactor->table, PT_COMPACT_LOCK);
    enum pt_code code = PT_OK;

    *result = (struct pt_compact_result){0};
    compactor->options = options;
    compactor->result = result;
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "compact table %s", compactor->table.dir);
    }
    code = load(compactor, err);
    if (!code) {
        code = pt_lock_take(&lock, path, err);
        if (code == PT_FENCED) {
            code = pt_fail(err, PT_FENCED, "table %s is being compacted already",
                           compactor->table.dir);
        }
    }
    if (!code) {
        code = load(compactor, err);
    }
    if (!code && !options->is_dry_run) {
        code = pt_table_check_writable(&compactor->table, err);
    }
    if (!code) {
        code = list_sources(compactor, err);
    }
    if (!code) {
        code = compact_all(compactor, err);
    }
    forget_sources(compactor);
    pt_lock_release(lock);
    pt_free(path);
    return code;
}
