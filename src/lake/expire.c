/*
 * expire.c - snapshots that go, and files that no snapshot names
 *
 * Expiry commits metadata without the snapshots first and deletes their files after it, so a crash
 * in between leaves orphans, never a snapshot with holes. Files are compared by their place in the
 * table ("data/…"), whatever stands before it: another program may write our directory another way.
 */
#include "base/lock.h"
#include "lake/lake_inside.h"
#include "lake/path_set.h"
#include "lake/user_index.h"

#include <inttypes.h>

#define EXPIRE_TRIES 20
#define ANCESTORS_MAX 1000000u

static enum pt_code no_memory(struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "look for files of expired snapshots");
}

/* ---- what snapshots name ---- */

struct named {
    const struct pt_table *table;
    struct pt_path_set manifests; /* as the table writes them: they are read by these */
    struct pt_path_set files;     /* all of it, by place in the table */
    struct pt_path_set data;      /* of `files` the data files */
};

static void named_init(struct named *named, const struct pt_table *table)
{
    named->table = table;
    pt_path_set_init(&named->manifests);
    pt_path_set_init(&named->files);
    pt_path_set_init(&named->data);
}

static void named_release(struct named *named)
{
    pt_path_set_release(&named->manifests);
    pt_path_set_release(&named->files);
    pt_path_set_release(&named->data);
}

/* The place in the table of what a file of it names; the whole of it where it lies elsewhere. */
static char *place_of(const struct pt_table *table, struct pt_span written)
{
    static const char *const rooms[] = {"/data/", "/metadata/"};
    size_t size = strlen(table->location);
    size_t at = written.size;

    if (written.size > size && memcmp(written.data, table->location, size) == 0 &&
        written.data[size] == '/') {
        at = size + 1;
    }
    for (size_t room = 0; at == written.size && room < 2; room++) {
        size_t room_size = strlen(rooms[room]);

        for (size_t i = written.size; i-- > 0;) {
            if (written.size - i >= room_size &&
                memcmp(written.data + i, rooms[room], room_size) == 0) {
                at = i + 1;
                break;
            }
        }
    }
    at = at == written.size ? 0 : at;
    return pt_strndup((const char *)written.data + at, written.size - at);
}

static void name_file(struct named *named, struct pt_span written)
{
    pt_path_set_take(&named->files, place_of(named->table, written));
}

static enum pt_code name_entry(void *ctx, const struct pt_manifest_entry *entry,
                               struct pt_error *err)
{
    struct named *named = ctx;

    (void)err;
    /* Deleted entries tell history: whichever snapshot still has the file has it in another one. */
    if (entry->is_live) {
        name_file(named, pt_span_str(entry->path));
        pt_path_set_take(&named->data, place_of(named->table, pt_span_str(entry->path)));
    }
    return PT_OK;
}

/* Takes all of one snapshot but its data files. With `may_lack`, what is gone already is no fault.
 */
static enum pt_code name_snapshot(struct named *named, struct pt_span list, bool may_lack,
                                  struct pt_error *err)
{
    struct pt_arena arena;
    struct pt_manifest *manifests = NULL;
    size_t count = 0;
    enum pt_code code = PT_OK;

    pt_arena_init(&arena, PT_LIST_ARENA_BYTES_MAX);
    name_file(named, list);
    code = pt_table_read_list(named->table, list, &arena, &manifests, &count, err);
    if (code && may_lack && code != PT_NO_MEMORY) {
        code = PT_OK;
    }
    for (size_t i = 0; i < count; i++) {
        name_file(named, pt_span_str(manifests[i].path));
        pt_path_set_take(&named->manifests, pt_strdup(manifests[i].path));
    }
    pt_arena_release(&arena);
    return code;
}

/* The data files of all manifests that were taken, each read once. */
static enum pt_code name_data(struct named *named, bool may_lack, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pt_path_set_sort(&named->manifests);
    for (size_t i = 0; !code && i < named->manifests.count; i++) {
        const struct pt_manifest manifest = {.path = named->manifests.items[i]};

        code = pt_table_each(named->table, &manifest, 1, name_entry, named, err);
        if (code && may_lack && code != PT_NO_MEMORY) {
            code = PT_OK;
        }
    }
    pt_path_set_sort(&named->files);
    pt_path_set_sort(&named->data);
    if (!code &&
        (named->manifests.has_failed || named->files.has_failed || named->data.has_failed)) {
        code = no_memory(err);
    }
    return code;
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;

    return (*left > *right) - (*left < *right);
}

/* All that the snapshots of `ids` (ascending) name, or all that the others name. */
static enum pt_code name_table(struct named *named, const int64_t *ids, size_t id_count,
                               bool is_within, struct pt_error *err)
{
    struct pt_json snapshots = pt_table_array(named->table, "snapshots");
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (!pt_json_exists(snapshots)) {
        return PT_OK;
    }
    for (it = pt_json_iterate(snapshots); !code && pt_json_next(&it);) {
        struct pt_span list = {0};
        int64_t id = 0;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_int(it.value, "snapshot-id", &id) ||
            !pt_json_member_string(it.value, "manifest-list", &list)) {
            return pt_fail(err, PT_CORRUPT, "table %s: a snapshot without manifest-list",
                           named->table->dir);
        }
        if ((id_count && bsearch(&id, ids, id_count, sizeof(id), compare_ids)) == is_within) {
            code = name_snapshot(named, list, is_within, err);
        }
    }
    return code ? code : name_data(named, is_within, err);
}

/* ---- which snapshots go ---- */

struct known {
    int64_t id;
    int64_t parent_id;
    int64_t at_ms;
    bool stays;
};

struct choice {
    struct known *all; /* by id */
    size_t count;
    int64_t *expired; /* ascending */
    size_t expired_count;
};

static void choice_release(struct choice *choice)
{
    pt_free(choice->all);
    pt_free(choice->expired);
    *choice = (struct choice){0};
}

static struct known *find_known(struct choice *choice, int64_t id)
{
    /* An id is the first member. */
    return choice->count
               ? bsearch(&id, choice->all, choice->count, sizeof(*choice->all), compare_ids)
               : NULL;
}

static enum pt_code list_known(const struct pt_table *table, struct choice *choice,
                               struct pt_error *err)
{
    struct pt_json snapshots = pt_table_array(table, "snapshots");
    uint32_t count = pt_json_exists(snapshots) ? pt_json_count(snapshots) : 0;
    struct pt_json_iter it;

    choice->all = pt_alloc_zero((count + 1) * sizeof(*choice->all));
    choice->expired = pt_alloc_zero((count + 1) * sizeof(*choice->expired));
    if (!choice->all || !choice->expired) {
        return no_memory(err);
    }
    if (count == 0) {
        return PT_OK;
    }
    for (it = pt_json_iterate(snapshots); choice->count < count && pt_json_next(&it);) {
        struct known *known = &choice->all[choice->count];

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_int(it.value, "snapshot-id", &known->id) ||
            !pt_json_member_int(it.value, "timestamp-ms", &known->at_ms)) {
            return pt_fail(err, PT_CORRUPT, "table %s: a snapshot without id or time", table->dir);
        }
        (void)pt_json_member_int(it.value, "parent-snapshot-id", &known->parent_id);
        choice->count++;
    }
    qsort(choice->all, choice->count, sizeof(*choice->all), compare_ids);
    return PT_OK;
}

/* A tag keeps its snapshot, a branch the ancestors too: whoever made them decides about them. */
static void keep_ref(struct choice *choice, struct pt_json ref)
{
    struct pt_span type = {0};
    struct known *known = NULL;
    int64_t id = 0;
    unsigned steps = 0;

    if (pt_json_type(ref) != PT_JSON_OBJECT || !pt_json_member_int(ref, "snapshot-id", &id)) {
        return;
    }
    (void)pt_json_member_string(ref, "type", &type);
    known = find_known(choice, id);
    while (known && steps++ < ANCESTORS_MAX) {
        known->stays = true;
        known = pt_span_is(type, "tag") ? NULL : find_known(choice, known->parent_id);
    }
}

/* Along the main branch the newest stay that are young enough, at least the current one. */
static void keep_main(struct choice *choice, int64_t current_id, uint32_t least, int64_t oldest_ms,
                      uint32_t kept_max)
{
    struct known *known = find_known(choice, current_id);

    for (uint32_t at = 0; known && at < ANCESTORS_MAX; at++) {
        bool is_young = known->at_ms >= oldest_ms && (kept_max == 0 || at < kept_max);

        known->stays |= at == 0 || at < least || is_young;
        known = find_known(choice, known->parent_id);
    }
}

static enum pt_code choose(const struct pt_table *table, const struct pt_lake_expiry *rule,
                           int64_t now_ms, struct choice *choice, struct pt_error *err)
{
    struct pt_json refs = pt_json_member(table->root, "refs");
    int64_t oldest_ms = rule->age_us < 0 ? INT64_MIN : now_ms - rule->age_us / 1000;
    int64_t least = 0;
    struct pt_json_iter it;
    enum pt_code code = list_known(table, choice, err);

    if (code) {
        return code;
    }
    if (pt_json_exists(refs) && pt_json_type(refs) == PT_JSON_OBJECT) {
        for (it = pt_json_iterate(refs); pt_json_next(&it);) {
            if (!pt_span_is(it.key, "main")) {
                keep_ref(choice, it.value);
            } else if (pt_json_type(it.value) == PT_JSON_OBJECT) {
                (void)pt_json_member_int(it.value, "min-snapshots-to-keep", &least);
            }
        }
    }
    least = least < 0 ? 0 : least > UINT32_MAX ? UINT32_MAX : least;
    keep_main(choice, table->snapshot_id, (uint32_t)least, oldest_ms, rule->kept_max);
    for (size_t i = 0; i < choice->count; i++) {
        struct known *known = &choice->all[i];

        /* What stands in no branch was rolled back or never published: it stays while young. */
        if (!known->stays && known->at_ms >= oldest_ms && rule->kept_max == 0) {
            known->stays = true;
        }
        if (!known->stays) {
            choice->expired[choice->expired_count++] = known->id;
        }
    }
    return PT_OK;
}

/* ---- files in the directories ---- */

struct listing {
    const char *dir;
    struct pt_path_set *files;
    struct pt_path_set *dirs;
};

static void take_listed(void *ctx, const char *name, bool is_dir)
{
    struct listing *listing = ctx;

    pt_path_set_take(is_dir ? listing->dirs : listing->files, pt_strf("%s/%s", listing->dir, name));
}

/* Files below DIR/top, by their place in the table ("data/…"). */
static enum pt_code list_below(const struct pt_table *table, const char *top,
                               struct pt_path_set *files, struct pt_error *err)
{
    struct pt_path_set dirs;
    enum pt_code code = PT_OK;

    pt_path_set_init(&dirs);
    pt_path_set_take(&dirs, pt_strdup(top));
    for (size_t i = 0; !code && i < dirs.count; i++) {
        struct listing listing = {.dir = dirs.items[i], .files = files, .dirs = &dirs};
        char *dir = pt_table_local(table, dirs.items[i]);

        code = dir ? pt_io_list(table->io, dir, take_listed, &listing, err) : no_memory(err);
        code = code == PT_NOT_FOUND ? PT_OK : code;
        pt_free(dir);
    }
    if (!code && (files->has_failed || dirs.has_failed)) {
        code = no_memory(err);
    }
    pt_path_set_release(&dirs);
    return code;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);

    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The number of a file that the stream engine wrote; 0 for any other. */
static uint64_t checkpoint_in(const char *path)
{
    const char *name = name_of(path);
    char *end = NULL;
    uint64_t number = 0;

    if (strncmp(name, "ckpt-", 5) != 0 || name[5] < '0' || name[5] > '9') {
        return 0;
    }
    number = strtoull(name + 5, &end, 10);
    return *end == '.' && ends_with(end, ".parquet") ? number : 0; /* sealed or not (seal.h) */
}

/* "00001-UUID.metadata.json": a catalogue keeps this table as well, and its files are not ours. */
static bool is_of_catalogue(const char *path)
{
    const char *name = name_of(path);

    return ends_with(name, ".metadata.json") && name[0] >= '0' && name[0] <= '9' &&
           strspn(name, "0123456789") == 5 && name[5] == '-';
}

static enum pt_code size_of(struct pt_io *io, const char *path, uint64_t *bytes_out,
                            struct pt_error *err)
{
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(io, path, PT_OPEN_READ, &file, err);

    *bytes_out = 0;
    if (!code) {
        code = pt_io_size(io, file, bytes_out, err);
    }
    pt_io_close(io, file);
    return code;
}

/* Unlink DIR/place, or only count it. What is gone already is fine. */
static enum pt_code drop_file(const struct pt_table *table, const char *place, bool is_dry_run,
                              uint64_t *files, uint64_t *bytes, struct pt_error *err)
{
    char *path = pt_table_local(table, place);
    uint64_t size = 0;
    enum pt_code code = PT_OK;

    if (!path) {
        return no_memory(err);
    }
    code = size_of(table->io, path, &size, err);
    if (!code && !is_dry_run) {
        code = pt_io_unlink(table->io, path, err);
    }
    if (!code) {
        ++*files;
        *bytes += size;
    }
    pt_free(path);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

/* The index of users goes with its data file: nothing else names it. */
static void drop_index(const struct pt_table *table, const char *data_place)
{
    char *path = pt_table_local(table, data_place);

    if (path) {
        (void)!pt_user_index_remove(table->io, path, NULL);
    }
    pt_free(path);
}

/* Of an index of users the place of its data file; of any other file its own. */
static char *data_place_of(const char *place)
{
    size_t size = strlen(place);
    size_t ending = strlen(PT_USER_INDEX_ENDING);

    return ends_with(place, PT_USER_INDEX_ENDING)
               ? pt_strf("%.*s.parquet", (int)(size - ending), place)
               : pt_strdup(place);
}

/* ---- orphans ---- */

/* A name that this program, or Iceberg beside it, gives its files. */
static bool is_swept(const char *place)
{
    if (strncmp(place, "data/", 5) == 0) {
        return ends_with(place, ".parquet") || ends_with(place, PT_USER_INDEX_ENDING);
    }
    return ends_with(place, ".avro") || ends_with(place, ".metadata.json") ||
           ends_with(place, ".tmp");
}

static enum pt_code name_metadata(const struct pt_table *table, struct pt_path_set *names,
                                  struct pt_error *err)
{
    struct pt_json log = pt_table_array(table, "metadata-log");
    struct pt_json_iter it;

    pt_path_set_take(names, pt_strf("metadata/v%" PRIu64 ".metadata.json", table->version));
    if (pt_json_exists(log)) {
        for (it = pt_json_iterate(log); pt_json_next(&it);) {
            struct pt_span written = {0};

            if (pt_json_type(it.value) == PT_JSON_OBJECT &&
                pt_json_member_string(it.value, "metadata-file", &written)) {
                pt_path_set_take(names, place_of(table, written));
            }
        }
    }
    pt_path_set_sort(names);
    return names->has_failed ? no_memory(err) : PT_OK;
}

/* Whether the file may be one that is still being written, by whomever. */
static enum pt_code is_old(const struct pt_lake *lake, const char *place, int64_t age_us,
                           bool *is_old_out, struct pt_error *err)
{
    char *path = pt_table_local(&lake->table, place);
    int64_t at_us = 0;
    enum pt_code code = path ? pt_io_modified(lake->io, path, &at_us, err) : no_memory(err);

    *is_old_out = code == PT_OK && at_us <= pt_clock_wall_us(lake->clock) - age_us;
    pt_free(path);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

static enum pt_code sweep(struct pt_lake *lake, const struct pt_path_set *listed,
                          const struct named *used, const struct named *gone,
                          const struct pt_lake_expiry *rule, struct pt_lake_expired *out,
                          struct pt_error *err)
{
    const struct pt_table *table = &lake->table;
    struct pt_path_set metadata;
    enum pt_code code = PT_OK;

    pt_path_set_init(&metadata);
    code = name_metadata(table, &metadata, err);
    for (size_t i = 0; !code && i < listed->count; i++) {
        if (is_of_catalogue(listed->items[i]) && !pt_path_set_has(&metadata, listed->items[i])) {
            code = pt_fail(err, PT_INVALID,
                           "%s/%s was written through a catalogue, whose files this table does not "
                           "name: orphans are left alone while it is there",
                           table->dir, listed->items[i]);
        }
    }
    for (size_t i = 0; !code && i < listed->count; i++) {
        const char *place = listed->items[i];
        char *data_place = data_place_of(place);
        bool is_going = false;

        if (!data_place) {
            code = no_memory(err);
        } else if (is_swept(place) && !pt_path_set_has(&used->files, data_place) &&
                   !pt_path_set_has(&gone->files, data_place) &&
                   !pt_path_set_has(&metadata, place) &&
                   checkpoint_in(data_place) <= table->checkpoint) {
            /* Beyond the checkpoint the newest one of the engine may be waiting to commit it. */
            code = is_old(lake, place, rule->orphan_age_us, &is_going, err);
        }
        if (!code && is_going) {
            code = drop_file(table, place, rule->is_dry_run, &out->orphans, &out->bytes, err);
        }
        pt_free(data_place);
    }
    pt_path_set_release(&metadata);
    return code;
}

/* ---- expiry ---- */

/* Deletes what `gone` names and `used` does not: data first, then what leads to it. */
static enum pt_code drop_named(const struct pt_table *table, const struct named *gone,
                               const struct named *used, bool is_dry_run,
                               struct pt_lake_expired *out, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; !code && i < gone->files.count; i++) {
            const char *place = gone->files.items[i];
            bool is_data = pt_path_set_has(&gone->data, place);
            bool is_inside = place[0] != '/' && !strstr(place, "://") && !strstr(place, "..");

            if (is_data != (pass == 0) || !is_inside || pt_path_set_has(&used->files, place)) {
                continue;
            }
            code = drop_file(table, place, is_dry_run,
                             is_data ? &out->data_files : &out->metadata_files, &out->bytes, err);
            if (!code && is_data && !is_dry_run) {
                drop_index(table, place);
            }
        }
    }
    return code;
}

/* Others may let snapshots expire at the same time; where they did not, the table has a hole. */
static enum pt_code explain_missing(const struct pt_table *table, struct pt_error *err)
{
    uint64_t newest = 0;

    if (pt_table_newest(table, &newest, NULL) || newest != table->version) {
        return PT_AGAIN;
    }
    (void)pt_error_prefix(err, PT_CORRUPT, "the table names a file that is gone, nothing expires");
    return PT_CORRUPT;
}

/*
 * Commit the table without the chosen snapshots; all is made anew where it changed meanwhile. What
 * stays is read before: a table whose remaining snapshots are damaged keeps the ones it has.
 */
static enum pt_code expire_metadata(struct pt_lake *lake, const struct pt_lake_expiry *rule,
                                    struct choice *choice, struct named *gone, struct named *used,
                                    struct pt_error *err)
{
    enum pt_code code = PT_AGAIN;

    for (unsigned tries = 0; code == PT_AGAIN && tries < EXPIRE_TRIES; tries++) {
        struct pt_update update = {.now_ms = pt_lake_now_ms(lake)};

        choice_release(choice);
        named_release(gone);
        named_release(used);
        named_init(gone, &lake->table);
        named_init(used, &lake->table);
        code = pt_lake_refresh(lake, err);
        if (!code) {
            code = pt_table_check_writable(&lake->table, err);
        }
        if (!code) {
            code = choose(&lake->table, rule, pt_lake_now_ms(lake), choice, err);
        }
        if (!code && (choice->expired_count || rule->orphan_age_us >= 0)) {
            code = name_table(used, choice->expired, choice->expired_count, false, err);
        }
        if (!code && choice->expired_count) {
            code = name_table(gone, choice->expired, choice->expired_count, true, err);
        }
        if (code == PT_NOT_FOUND) {
            code = explain_missing(&lake->table, err);
        }
        if (!code && choice->expired_count && !rule->is_dry_run) {
            update.expired = choice->expired;
            update.expired_count = choice->expired_count;
            code = pt_table_publish(&lake->table, &update, err);
            lake->is_stale = code != PT_OK;
        }
    }
    return code;
}

enum pt_code pt_lake_expire(struct pt_lake *lake, const struct pt_lake_expiry *rule,
                            struct pt_lake_expired *expired_out, struct pt_error *err)
{
    struct choice choice = {0};
    struct named gone;
    struct named used;
    struct pt_path_set listed;
    bool sweeps = rule->orphan_age_us >= 0;
    enum pt_code code = PT_OK;

    memset(expired_out, 0, sizeof(*expired_out));
    named_init(&gone, &lake->table);
    named_init(&used, &lake->table);
    pt_path_set_init(&listed);
    if (sweeps) {
        /* Before the metadata is read: what is committed in between is then no orphan. */
        code = list_below(&lake->table, "data", &listed, err);
        if (!code) {
            code = list_below(&lake->table, "metadata", &listed, err);
        }
    }
    if (!code) {
        code = expire_metadata(lake, rule, &choice, &gone, &used, err);
    }
    if (!code && choice.expired_count) {
        expired_out->snapshots = choice.expired_count;
        code = drop_named(&lake->table, &gone, &used, rule->is_dry_run, expired_out, err);
    }
    if (!code && sweeps) {
        code = sweep(lake, &listed, &used, &gone, rule, expired_out, err);
    }
    pt_path_set_release(&listed);
    named_release(&used);
    named_release(&gone);
    choice_release(&choice);
    return code;
}

/*
 * At the stream engine's start, when nothing is pending, files beyond the table's checkpoint are of
 * a write that never came to its checkpoint; and while no compaction holds its lock, its files that
 * no snapshot names are of one that died. All other orphans wait for their age: another process may
 * be writing them now.
 */
enum pt_code pt_lake_remove_orphans(struct pt_lake *lake, uint64_t *removed_out,
                                    struct pt_error *err)
{
    struct pt_path_set listed;
    struct named used;
    struct pt_lock *lock = NULL;
    uint64_t bytes = 0;
    size_t count = 0;
    char *lock_path = pt_table_local(&lake->table, PT_COMPACT_LOCK);
    enum pt_code code = lock_path ? pt_lock_take(&lock, lock_path, err) : no_memory(err);

    *removed_out = 0;
    pt_path_set_init(&listed);
    named_init(&used, &lake->table);
    if (code == PT_FENCED) {
        code = PT_OK;
    }
    if (!code) {
        code = pt_lake_refresh(lake, err);
    }
    if (!code) {
        code = list_below(&lake->table, "data", &listed, err);
    }
    for (size_t i = 0; i < listed.count; i++) {
        const char *name = name_of(listed.items[i]);

        if (checkpoint_in(listed.items[i]) > lake->table.checkpoint ||
            (lock && strncmp(name, "compact-", 8) == 0 && ends_with(name, ".parquet"))) {
            listed.items[count++] = listed.items[i];
        }
    }
    if (!code && count > 0) {
        code = name_table(&used, NULL, 0, false, err);
    }
    for (size_t i = 0; !code && i < count; i++) {
        if (!pt_path_set_has(&used.files, listed.items[i])) {
            code = drop_file(&lake->table, listed.items[i], false, removed_out, &bytes, err);
            drop_index(&lake->table, listed.items[i]);
        }
    }
    named_release(&used);
    pt_path_set_release(&listed);
    pt_lock_release(lock);
    pt_free(lock_path);
    return code;
}
