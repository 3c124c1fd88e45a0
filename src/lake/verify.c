/*
 * verify.c - is the table whole: metadata, manifest lists, manifests, and what they name
 *
 * A server may commit and let snapshots expire meanwhile. So what is missing is a fault only while
 * the newest metadata still has the snapshot that names it.
 */
#include "base/tree.h"
#include "lake/path_set.h"
#include "lake/verify_data.h"

#include <inttypes.h>
#include <stdarg.h>

/* A manifest as the newest snapshot that names it describes it. */
struct line {
    struct pt_manifest manifest;
    int64_t snapshot_id;
};

struct verify {
    struct pt_table table;
    bool reads_data;
    void (*report)(void *ctx, const char *file, const char *what, const char *advice);
    void *ctx;
    struct pt_lake_verdict *verdict;
    struct pt_arena arena; /* holds the manifests' paths */
    struct line *lines;
    size_t line_count;
    size_t line_capacity;
    struct pt_path_set data; /* live files, as the table writes them */
    bool *is_checked;        /* of `data` */
    struct pt_data_check *check;
};

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "verify the table");
}

/* ---- faults ---- */

static void fault(struct verify *verify, const char *file, const char *advice, const char *format,
                  ...) PT_PRINTF(4, 5);

static void fault(struct verify *verify, const char *file, const char *advice, const char *format,
                  ...)
{
    char what[PT_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    verify->verdict->faults++;
    verify->report(verify->ctx, file, what, advice);
}

/* Whether the newest metadata has the snapshot yet; where that cannot be told, it has. */
static bool is_kept(struct verify *verify, int64_t snapshot_id)
{
    struct pt_table now;
    uint64_t newest = 0;
    bool is_there = true;

    if (pt_table_init(&now, verify->table.io, verify->table.dir, NULL)) {
        return true;
    }
    if (!pt_table_newest(&now, &newest, NULL) && newest != verify->table.version &&
        !pt_table_read_version(&now, newest, NULL)) {
        is_there = pt_json_exists(pt_table_find_snapshot(&now, snapshot_id));
    }
    pt_table_release(&now);
    return is_there;
}

static const char *advice_of(const struct verify *verify, int64_t snapshot_id)
{
    return snapshot_id == verify->table.snapshot_id
               ? "put it back from a backup (`playtrace restore`): the current snapshot needs it"
               : "only older snapshots need it: put it back from a backup, or let them expire "
                 "(`playtrace lake expire --keep 1`)";
}

/* An error while a file of a snapshot was read: a fault, unless the snapshot has expired. */
static enum pt_code take_error(struct verify *verify, enum pt_code code, const char *file,
                               int64_t snapshot_id, struct pt_error *err)
{
    if (code == PT_OK || code == PT_NO_MEMORY) {
        return code;
    }
    if (code != PT_NOT_FOUND || is_kept(verify, snapshot_id)) {
        fault(verify, file, advice_of(verify, snapshot_id), "%s", err->text);
    }
    return PT_OK;
}

/* ---- metadata ---- */

static enum pt_code open_metadata(struct verify *verify, bool *is_open, struct pt_error *err)
{
    uint64_t newest = 0;
    enum pt_code code = PT_NOT_FOUND;

    *is_open = false;
    for (unsigned tries = 0; code == PT_NOT_FOUND && tries < 5; tries++) {
        code = pt_table_newest(&verify->table, &newest, err);
        if (code) {
            return code;
        }
        code = pt_table_read_version(&verify->table, newest, err);
    }
    if (code && code != PT_NO_MEMORY) {
        char *path = pt_table_metadata_path(&verify->table, newest);
        struct pt_table before;
        bool has_before = false;

        if (!path || pt_table_init(&before, verify->table.io, verify->table.dir, err)) {
            pt_free(path);
            return no_memory(err);
        }
        has_before = newest > 1 && !pt_table_load_version(&before, newest - 1, NULL);
        pt_table_release(&before);
        fault(verify, path,
              has_before
                  ? "the version before it is whole: stop the server and move this file away; "
                    "the next start repeats the commit that made it"
                  : "put the table back from a backup (`playtrace restore`)",
              "%s", err->text);
        pt_free(path);
        return PT_OK;
    }
    *is_open = code == PT_OK;
    return code;
}

static bool has_snapshot(const struct verify *verify, struct pt_json object, int64_t *id_out)
{
    return pt_json_type(object) == PT_JSON_OBJECT &&
           pt_json_member_int(object, "snapshot-id", id_out) &&
           pt_json_exists(pt_table_find_snapshot(&verify->table, *id_out));
}

static void check_metadata(struct verify *verify, const char *file)
{
    static const char advice[] =
        "the metadata contradicts itself: put the table back from a backup";
    struct pt_table *table = &verify->table;
    struct pt_json log = pt_table_array(table, "snapshot-log");
    struct pt_json refs = pt_json_member(table->root, "refs");
    struct pt_json_iter it;
    int64_t id = 0;

    if (table->read_only) {
        fault(verify, file, "see \"Other writers\" in docs/formats/lake.md", "%s",
              table->read_only);
    }
    if (table->snapshot_id && !pt_json_exists(pt_table_find_snapshot(table, table->snapshot_id))) {
        fault(verify, file, advice, "the current snapshot %" PRId64 " is not in it",
              table->snapshot_id);
    }
    if (pt_json_exists(log)) {
        for (it = pt_json_iterate(log); pt_json_next(&it);) {
            if (!has_snapshot(verify, it.value, &id)) {
                fault(verify, file, advice,
                      "the snapshot log names %" PRId64 ", which is not there", id);
            }
        }
    }
    if (pt_json_exists(refs) && pt_json_type(refs) == PT_JSON_OBJECT) {
        for (it = pt_json_iterate(refs); pt_json_next(&it);) {
            if (!has_snapshot(verify, it.value, &id)) {
                fault(verify, file, advice,
                      "the branch or tag %.*s names %" PRId64 ", which is not there",
                      PT_SPAN_ARG(it.key), id);
            }
        }
    }
}

/* ---- manifest lists ---- */

static struct line *find_line(struct verify *verify, const char *path)
{
    for (size_t i = verify->line_count; i-- > 0;) {
        if (strcmp(verify->lines[i].manifest.path, path) == 0) {
            return &verify->lines[i];
        }
    }
    return NULL;
}

static enum pt_code add_line(struct verify *verify, const struct pt_manifest *manifest,
                             int64_t snapshot_id, struct pt_error *err)
{
    struct line *line = NULL;

    if (verify->line_count == verify->line_capacity) {
        size_t capacity = verify->line_capacity ? 2 * verify->line_capacity : 256;
        struct line *grown = pt_realloc(verify->lines, capacity * sizeof(*grown));

        if (!grown) {
            return no_memory(err);
        }
        verify->lines = grown;
        verify->line_capacity = capacity;
    }
    line = &verify->lines[verify->line_count++];
    *line = (struct line){.manifest = *manifest, .snapshot_id = snapshot_id};
    line->manifest.path = pt_arena_strdup(&verify->arena, pt_span_str(manifest->path));
    return line->manifest.path ? PT_OK : no_memory(err);
}

static enum pt_code take_manifest(struct verify *verify, const struct pt_manifest *manifest,
                                  int64_t snapshot_id, const char *list, struct pt_error *err)
{
    struct line *known = find_line(verify, manifest->path);

    if (!known) {
        return add_line(verify, manifest, snapshot_id, err);
    }
    known->snapshot_id = snapshot_id; /* snapshots are listed oldest first */
    if (known->manifest.bytes != manifest->bytes ||
        known->manifest.added_files != manifest->added_files ||
        known->manifest.existing_files != manifest->existing_files ||
        known->manifest.added_rows != manifest->added_rows ||
        known->manifest.existing_rows != manifest->existing_rows) {
        fault(verify, list, advice_of(verify, snapshot_id),
              "%s is described otherwise than in another manifest list", manifest->path);
    }
    return PT_OK;
}

static void check_total(struct verify *verify, const char *list, struct pt_json snapshot,
                        int64_t snapshot_id, const char *key, uint64_t counted)
{
    uint64_t said = 0;

    if (pt_snapshot_number(snapshot, key, &said) && said != counted) {
        fault(verify, list, advice_of(verify, snapshot_id),
              "snapshot %" PRId64 " says %s %" PRIu64 ", its manifests have %" PRIu64, snapshot_id,
              key, said, counted);
    }
}

static enum pt_code check_snapshot(struct verify *verify, struct pt_json snapshot,
                                   const char *metadata, struct pt_error *err)
{
    struct pt_table *table = &verify->table;
    struct pt_arena arena;
    struct pt_manifest *manifests = NULL;
    struct pt_span written = {0};
    int64_t id = 0;
    int64_t sequence = 0;
    uint64_t rows = 0;
    uint64_t files = 0;
    size_t count = 0;
    char *list = NULL;
    enum pt_code code = PT_OK;

    verify->verdict->snapshots++;
    if (pt_json_type(snapshot) != PT_JSON_OBJECT ||
        !pt_json_member_int(snapshot, "snapshot-id", &id) ||
        !pt_json_member_int(snapshot, "sequence-number", &sequence) ||
        !pt_json_member_string(snapshot, "manifest-list", &written)) {
        fault(verify, metadata, "put the table back from a backup",
              "a snapshot without id, sequence number or manifest list");
        return PT_OK;
    }
    if (sequence > table->last_sequence) {
        fault(verify, metadata, "put the table back from a backup",
              "snapshot %" PRId64 " has sequence number %" PRId64 ", beyond the last, %" PRId64, id,
              sequence, table->last_sequence);
    }
    pt_arena_init(&arena, PT_LIST_ARENA_BYTES_MAX);
    list = pt_table_path(table, written);
    if (!list) {
        code = no_memory(err);
        goto out;
    }
    code = pt_table_read_list(table, written, &arena, &manifests, &count, err);
    if (code) {
        code = take_error(verify, code, list, id, err);
        goto out;
    }
    for (size_t i = 0; !code && i < count; i++) {
        code = take_manifest(verify, &manifests[i], id, list, err);
        if (!manifests[i].has_deletes) {
            rows += (uint64_t)(manifests[i].added_rows + manifests[i].existing_rows);
            files += (uint64_t)(manifests[i].added_files + manifests[i].existing_files);
        }
    }
    check_total(verify, list, snapshot, id, "total-records", rows);
    check_total(verify, list, snapshot, id, "total-data-files", files);
    if (id == table->snapshot_id) {
        verify->verdict->rows = rows;
    }

out:
    pt_free(list);
    pt_arena_release(&arena);
    return code;
}

/* ---- manifests and data files ---- */

struct tally {
    struct verify *verify;
    const struct line *line;
    int64_t files;
    int64_t rows;
    bool checks_files; /* the second walk */
};

/* Where the name tells the file's checksum (seal.h), the bytes must have it. */
static enum pt_code check_sum(struct verify *verify, const char *path, struct pt_error *err)
{
    uint64_t named = 0;
    uint64_t bytes = 0;
    uint64_t sum = 0;
    enum pt_code code = PT_OK;

    if (!verify->reads_data || !pt_lake_file_sum(path, &named)) {
        return PT_OK;
    }
    code = pt_file_sum(verify->table.io, path, &bytes, &sum, err);
    if (!code && sum != named) {
        code = pt_fail(
            err, PT_CORRUPT,
            "its checksum is %016" PRIx64 ", not what its name says: bytes of it changed", sum);
    }
    return code;
}

static enum pt_code check_file(struct verify *verify, const struct line *line,
                               const struct pt_manifest_entry *entry, struct pt_error *err)
{
    struct pt_table *table = &verify->table;
    char *path = pt_table_path(table, pt_span_str(entry->path));
    struct pt_file *file = NULL;
    uint64_t bytes = 0;
    enum pt_code code = PT_OK;

    if (!path) {
        return no_memory(err);
    }
    verify->verdict->files++;
    code = pt_io_open(table->io, path, PT_OPEN_READ, &file, err);
    if (!code) {
        code = pt_io_size(table->io, file, &bytes, err);
    }
    pt_io_close(table->io, file);
    if (code == PT_NOT_FOUND) {
        pt_fail(err, code, "it is missing, with %" PRId64 " rows", entry->rows);
    }
    if (!code && bytes != (uint64_t)entry->bytes) {
        code = pt_fail(err, PT_CORRUPT, "it has %" PRIu64 " bytes, its manifest says %" PRId64,
                       bytes, entry->bytes);
    }
    if (!code) {
        code = check_sum(verify, path, err);
    }
    if (!code) {
        code = pt_data_check_file(verify->check, path, entry, verify->reads_data, err);
    }
    code = take_error(verify, code, path, line->snapshot_id, err);
    pt_free(path);
    return code;
}

static enum pt_code tally_entry(void *ctx, const struct pt_manifest_entry *entry,
                                struct pt_error *err)
{
    struct tally *tally = ctx;
    struct verify *verify = tally->verify;
    size_t at = 0;

    if (!entry->is_live) {
        return PT_OK;
    }
    if (!tally->checks_files) {
        tally->files++;
        tally->rows += entry->rows;
        pt_path_set_take(&verify->data, pt_strdup(entry->path));
        return verify->data.has_failed ? no_memory(err) : PT_OK;
    }
    at = pt_path_set_find(&verify->data, entry->path);
    if (at == verify->data.count || verify->is_checked[at]) {
        return PT_OK;
    }
    verify->is_checked[at] = true;
    return check_file(verify, tally->line, entry, err);
}

static enum pt_code walk_manifest(struct verify *verify, const struct line *line, bool checks_files,
                                  struct pt_error *err)
{
    const struct pt_manifest *manifest = &line->manifest;
    struct tally tally = {.verify = verify, .line = line, .checks_files = checks_files};
    char *path = pt_table_path(&verify->table, pt_span_str(manifest->path));
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    if (!path) {
        return no_memory(err);
    }
    code = pt_table_read_manifest(&verify->table, manifest, &data, &size, err);
    if (!code && (int64_t)size != manifest->bytes) {
        code = pt_fail(err, PT_CORRUPT, "it has %zu bytes, its manifest list says %" PRId64, size,
                       manifest->bytes);
    }
    if (!code) {
        code = pt_manifest_each(manifest, pt_span_of(data, size), tally_entry, &tally, err);
    }
    if (!code && !checks_files &&
        (tally.files != (int64_t)manifest->added_files + manifest->existing_files ||
         tally.rows != manifest->added_rows + manifest->existing_rows)) {
        code = pt_fail(err, PT_CORRUPT,
                       "it lists %" PRId64 " files with %" PRId64
                       " rows, its manifest list says %" PRId64 " and %" PRId64,
                       tally.files, tally.rows,
                       (int64_t)manifest->added_files + manifest->existing_files,
                       manifest->added_rows + manifest->existing_rows);
    }
    if (checks_files && code != PT_NO_MEMORY) {
        code = PT_OK; /* the first walk has said it */
    }
    code = take_error(verify, code, path, line->snapshot_id, err);
    pt_free(data);
    pt_free(path);
    return code;
}

struct doubles {
    struct verify *verify;
    struct pt_path_set paths;
    bool *is_seen; /* NULL while paths are gathered */
};

static enum pt_code take_double(void *ctx, const struct pt_manifest_entry *entry,
                                struct pt_error *err)
{
    struct doubles *doubles = ctx;
    size_t at = 0;

    if (!entry->is_live) {
        return PT_OK;
    }
    if (!doubles->is_seen) {
        pt_path_set_take(&doubles->paths, pt_strdup(entry->path));
        return doubles->paths.has_failed ? no_memory(err) : PT_OK;
    }
    at = pt_path_set_find(&doubles->paths, entry->path);
    if (at < doubles->paths.count && doubles->is_seen[at]) {
        fault(doubles->verify, entry->path, "put the table back from a backup",
              "the current snapshot names it twice: its %" PRId64 " rows count double",
              entry->rows);
    } else if (at < doubles->paths.count) {
        doubles->is_seen[at] = true;
    }
    return PT_OK;
}

/* A file twice in the current snapshot is rows twice. What cannot be read was reported before. */
static enum pt_code find_doubles(struct verify *verify, struct pt_error *err)
{
    struct doubles doubles = {.verify = verify};
    const struct pt_table *table = &verify->table;
    struct pt_json current = pt_table_find_snapshot(table, table->snapshot_id);
    struct pt_manifest *manifests = NULL;
    struct pt_span list = {0};
    struct pt_arena arena;
    size_t count = 0;
    size_t named = 0;
    enum pt_code code = PT_OK;

    pt_path_set_init(&doubles.paths);
    pt_arena_init(&arena, PT_LIST_ARENA_BYTES_MAX);
    if (pt_json_exists(current) && pt_json_member_string(current, "manifest-list", &list)) {
        code = pt_table_read_list(table, list, &arena, &manifests, &count, err);
    }
    if (!code) {
        code = pt_table_each(table, manifests, count, take_double, &doubles, err);
    }
    named = doubles.paths.count;
    pt_path_set_sort(&doubles.paths);
    if (!code && doubles.paths.count < named) {
        doubles.is_seen = pt_alloc_zero(doubles.paths.count);
        code = doubles.is_seen ? pt_table_each(table, manifests, count, take_double, &doubles, err)
                               : no_memory(err);
    }
    pt_free(doubles.is_seen);
    pt_path_set_release(&doubles.paths);
    pt_arena_release(&arena);
    return code == PT_NO_MEMORY ? code : PT_OK;
}

static enum pt_code check_all(struct verify *verify, const char *metadata, struct pt_error *err)
{
    struct pt_json snapshots = pt_table_array(&verify->table, "snapshots");
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    check_metadata(verify, metadata);
    if (pt_json_exists(snapshots)) {
        for (it = pt_json_iterate(snapshots); !code && pt_json_next(&it);) {
            code = check_snapshot(verify, it.value, metadata, err);
        }
    }
    verify->verdict->manifests = verify->line_count;
    for (size_t i = 0; !code && i < verify->line_count; i++) {
        code = walk_manifest(verify, &verify->lines[i], false, err);
    }
    if (code) {
        return code;
    }
    pt_path_set_sort(&verify->data);
    verify->is_checked = pt_alloc_zero(verify->data.count + 1);
    if (!verify->is_checked) {
        return no_memory(err);
    }
    /* Newest first, so that a file that is missing is told of the newest snapshot that needs it. */
    for (size_t i = verify->line_count; !code && i-- > 0;) {
        code = walk_manifest(verify, &verify->lines[i], true, err);
    }
    return code ? code : find_doubles(verify, err);
}

enum pt_code pt_lake_verify(struct pt_io *io, const char *dir, bool reads_data,
                            void (*report)(void *ctx, const char *file, const char *what,
                                           const char *advice),
                            void *ctx, struct pt_lake_verdict *verdict_out, struct pt_error *err)
{
    struct verify verify = {
        .reads_data = reads_data, .report = report, .ctx = ctx, .verdict = verdict_out};
    struct pt_error own = {0};
    char *metadata = NULL;
    bool is_open = false;
    enum pt_code code = PT_OK;

    memset(verdict_out, 0, sizeof(*verdict_out));
    err = err ? err : &own; /* faults are told with its text */
    pt_arena_init(&verify.arena, PT_LIST_ARENA_BYTES_MAX);
    pt_path_set_init(&verify.data);
    code = pt_table_init(&verify.table, io, dir, err);
    if (code) {
        return code;
    }
    code = open_metadata(&verify, &is_open, err);
    if (code || !is_open) {
        goto out;
    }
    metadata = pt_table_metadata_path(&verify.table, verify.table.version);
    code =
        metadata ? pt_data_check_create(&verify.check, &verify.table.schema, err) : no_memory(err);
    if (!code) {
        code = check_all(&verify, metadata, err);
    }

out:
    pt_data_check_destroy(verify.check);
    pt_free(metadata);
    pt_free(verify.is_checked);
    pt_free(verify.lines);
    pt_path_set_release(&verify.data);
    pt_arena_release(&verify.arena);
    pt_table_release(&verify.table);
    return code;
}
