/*
 * idset_write.c - a checkpoint of the id set
 *
 * The next list of runs is built beside the present one and put in place at the end: old buckets
 * go, what was merged stands where its inputs stood, the open ids become a run for each hour they
 * were last seen in. Then the next merge is started: runs of a past hour into one, and of the
 * present hour FAN_IN of one level into one of the next, so an id is rewritten a few times,
 * whatever the number of checkpoints an hour.
 */
#include "stream/idset_inside.h"

#include "observe/observe.h"

/* Below this share of live entries a large filter is made anew, smaller. */
#define LOAD_MIN 0.15
#define CAPACITY_KEPT (1u << 20)
#define FAN_IN 8u
/* Lines of the filter that are filled from all runs before the next ones: they stay in the cache.
 */
#define REGION_LINES 2048u

/* ---- the filter ---- */

struct source {
    struct pt_run_cursor cursor;
    uint64_t hash; /* the next one */
    uint8_t tag;
    bool has_ended;
};

static enum pt_code next_hash(struct source *source, struct pt_error *err)
{
    struct pt_id hash = {0};
    enum pt_code code = pt_run_cursor_next(&source->cursor, &hash, err);

    if (code == PT_NOT_FOUND) {
        source->has_ended = true;
        pt_run_cursor_close(&source->cursor);
        return PT_OK;
    }
    source->hash = hash.hi << PT_ID_HASH_DROPPED;
    return code;
}

/* `*fits_out` false: a line was full, try a larger one. */
static enum pt_code fill_filter(struct pt_filter *filter, struct source *sources, size_t count,
                                bool *fits_out, struct pt_error *err)
{
    *fits_out = true;
    for (uint64_t end = REGION_LINES;; end += REGION_LINES) {
        for (size_t i = 0; i < count; i++) {
            struct source *source = &sources[i];

            while (!source->has_ended && pt_filter_line_of(filter, source->hash) < end) {
                enum pt_code code = PT_OK;

                if (!pt_filter_add(filter, source->hash, source->tag)) {
                    *fits_out = false;
                    return PT_OK;
                }
                code = next_hash(source, err);
                if (code) {
                    return code;
                }
            }
        }
        if (end >= filter->line_count) {
            return PT_OK;
        }
    }
}

static enum pt_code make_filter_for(const struct pt_idset *set, const struct pt_runs *runs,
                                    uint64_t room, struct pt_filter *filter_out, bool *fits_out,
                                    struct pt_error *err)
{
    struct source *sources = pt_alloc_zero((runs->count + 1) * sizeof(*sources));
    size_t count = 0;
    enum pt_code code = PT_OK;

    *filter_out = (struct pt_filter){0};
    if (!sources) {
        code = pt_fail(err, PT_NO_MEMORY, "filter %zu id runs", runs->count);
        goto out;
    }
    code = pt_filter_init(filter_out, room, set->filter.span, err);
    if (code) {
        goto out;
    }
    filter_out->now = pt_idset_tag(set, set->newest_bucket);
    for (size_t i = 0; i < runs->count; i++) {
        if (pt_idset_is_old(set, runs->items[i]->header.bucket)) {
            continue;
        }
        sources[count].tag = pt_idset_tag(set, runs->items[i]->header.bucket);
        code = pt_run_cursor_open(&sources[count].cursor, runs->items[i], true, err);
        if (code) {
            goto out;
        }
        count++;
        code = next_hash(&sources[count - 1], err);
        if (code) {
            goto out;
        }
    }
    code = fill_filter(filter_out, sources, count, fits_out, err);

out:
    for (size_t i = 0; i < count; i++) {
        pt_run_cursor_close(&sources[i].cursor);
    }
    pt_free(sources);
    if (code || !*fits_out) {
        pt_filter_release(filter_out);
    }
    return code;
}

static uint64_t live_ids(const struct pt_idset *set, const struct pt_runs *runs)
{
    uint64_t live = 0;

    for (size_t i = 0; i < runs->count; i++) {
        if (!pt_idset_is_old(set, runs->items[i]->header.bucket)) {
            live += runs->items[i]->header.count;
        }
    }
    return live;
}

enum pt_code pt_idset_make_filter(const struct pt_idset *set, const struct pt_runs *runs,
                                  struct pt_filter *filter_out, struct pt_error *err)
{
    uint64_t room = live_ids(set, runs);
    bool fits = false;
    enum pt_code code = PT_OK;

    for (room = room < 4096 ? 4096 : room; !code && !fits; room += room / 2) {
        code = make_filter_for(set, runs, room, filter_out, &fits, err);
    }
    return code;
}

static bool needs_filter(const struct pt_idset *set, const struct pt_runs *runs)
{
    uint64_t capacity = pt_filter_capacity(&set->filter);
    double load = (double)live_ids(set, runs) / (double)capacity;

    return set->is_filter_short || load > PT_FILTER_LOAD_MAX ||
           (load < LOAD_MIN && capacity > CAPACITY_KEPT);
}

/* ---- the open ids ---- */

struct next {
    struct pt_runs runs;
    size_t kept; /* of them are the set's present ones or stand in their place */
    bool is_new; /* a file was written: the directory is to be synced */
    struct pt_filter filter;
    bool has_filter;
};

static char *name_run(struct pt_idset *set, uint32_t bucket, uint64_t checkpoint)
{
    return pt_strf("run-%010u-%012llu-%03u.ids", bucket, (unsigned long long)checkpoint,
                   set->files_written++);
}

static void put_all(const struct pt_idset *set, struct pt_run_writer *writer, uint32_t bucket,
                    struct pt_id *ids, struct pt_id *spare)
{
    const struct pt_open_ids *open = &set->open;
    size_t count = 0;

    for (size_t i = 0; i < open->count && !set->is_approximate; i++) {
        if (open->entries[i].bucket == bucket) {
            ids[count++] = open->entries[i].id;
        }
    }
    pt_ids_sort(ids, spare, count);
    for (size_t i = 0; i < count; i++) {
        pt_run_writer_put_id(writer, ids[i]);
    }
    count = 0;
    for (size_t i = 0; i < open->count; i++) {
        if (open->entries[i].bucket == bucket) {
            ids[count++] = (struct pt_id){.hi = open->entries[i].hash};
        }
    }
    pt_ids_sort(ids, spare, count);
    for (size_t i = 0; i < count; i++) {
        pt_run_writer_put_hash(writer, ids[i].hi);
    }
}

static enum pt_code write_bucket(struct pt_idset *set, struct next *next, uint32_t bucket,
                                 uint64_t checkpoint, struct pt_id *ids, struct pt_id *spare,
                                 struct pt_error *err)
{
    char *name = name_run(set, bucket, checkpoint);
    struct pt_run_writer *writer = NULL;
    struct pt_run *run = NULL;
    enum pt_code code = PT_OK;

    if (!name) {
        return pt_fail(err, PT_NO_MEMORY, "write an id run");
    }
    code = pt_run_writer_open(&writer, set->io, set->dir, name, bucket, 0, !set->is_approximate,
                              set->key.seed, err);
    if (code) {
        goto out;
    }
    put_all(set, writer, bucket, ids, spare);
    code = pt_run_writer_finish(writer, err);
    if (code) {
        goto out;
    }
    next->is_new = true;
    code = pt_run_open(&run, set->io, set->dir, name, err);
    if (code) {
        goto out;
    }
    code = pt_runs_add(&next->runs, run, err);
    if (code) {
        pt_run_close(run);
    }

out:
    pt_run_writer_close(writer);
    pt_free(name);
    return code;
}

/* The least bucket above `after` that has open ids; UINT32_MAX: none. */
static uint32_t next_bucket(const struct pt_open_ids *open, int64_t after)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < open->count; i++) {
        uint32_t bucket = open->entries[i].bucket;

        if (bucket > after && bucket < least) {
            least = bucket;
        }
    }
    return least;
}

static enum pt_code write_open(struct pt_idset *set, struct next *next, uint64_t checkpoint,
                               struct pt_error *err)
{
    size_t bytes = set->open.count * sizeof(struct pt_id);
    struct pt_id *ids = pt_alloc(bytes);
    struct pt_id *spare = pt_alloc(bytes);
    enum pt_code code = PT_OK;

    if (!ids || !spare) {
        code = pt_fail(err, PT_NO_MEMORY, "write %zu event ids", set->open.count);
        goto out;
    }
    for (uint32_t bucket = next_bucket(&set->open, -1); !code && bucket != UINT32_MAX;
         bucket = next_bucket(&set->open, bucket)) {
        code = write_bucket(set, next, bucket, checkpoint, ids, spare, err);
    }

out:
    pt_free(ids);
    pt_free(spare);
    return code;
}

/* ---- merging ---- */

static struct pt_run *find_run(const struct pt_idset *set, const char *name)
{
    for (size_t i = 0; i < set->runs.count; i++) {
        if (strcmp(set->runs.items[i]->name, name) == 0) {
            return set->runs.items[i];
        }
    }
    return NULL;
}

static void note_merge_failure(struct pt_idset *set, const struct pt_error *err)
{
    set->merge_failures++;
    if (strcmp(set->merge_failure.text, err->text) != 0) {
        pt_log_line(PT_LOG_WARN, "stream", NULL,
                    "merging id runs failed and will be tried again: %s", err->text);
    }
    set->merge_failure = *err;
}

/*
 * The merged run, if one is there whose inputs are all live: those are marked. A result that is not
 * taken stays behind as a file that nobody names.
 */
static struct pt_run *take_merged(struct pt_idset *set)
{
    struct pt_error err = {0};
    struct pt_run *merged = NULL;
    size_t count = pt_merger_input_count(set->merger);
    enum pt_code code = PT_OK;

    if (pt_merger_state(set->merger) != PT_MERGE_DONE) {
        return NULL;
    }
    code = pt_merger_take(set->merger, &err);
    for (size_t i = 0; i < count; i++) {
        struct pt_run *input = find_run(set, pt_merger_input(set->merger, i));

        if (!input || pt_idset_is_old(set, input->header.bucket)) {
            return NULL;
        }
    }
    if (!code) {
        code = pt_run_open(&merged, set->io, set->dir, pt_merger_output(set->merger), &err);
    }
    if (code) {
        note_merge_failure(set, &err);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        find_run(set, pt_merger_input(set->merger, i))->is_replaced = true;
    }
    return merged;
}

/* Whether `run` is to be merged with `first`, by the rules atop. */
static bool belongs(const struct pt_idset *set, const struct pt_run *first,
                    const struct pt_run *run)
{
    const struct pt_run_header *a = &first->header;
    const struct pt_run_header *b = &run->header;

    return a->bucket == b->bucket && a->has_ids == b->has_ids &&
           (a->bucket < set->newest_bucket || a->level == b->level);
}

static void start_merge(struct pt_idset *set, uint64_t checkpoint)
{
    const char *inputs[PT_MERGE_INPUTS_MAX];
    struct pt_error err = {0};

    if (pt_merger_state(set->merger) != PT_MERGE_IDLE) {
        return;
    }
    for (size_t i = 0; i < set->runs.count; i++) {
        struct pt_run *first = set->runs.items[i];
        size_t count = 0;
        char *name = NULL;
        enum pt_code code = PT_OK;

        for (size_t j = i; j < set->runs.count && count < PT_MERGE_INPUTS_MAX; j++) {
            if (belongs(set, first, set->runs.items[j])) {
                inputs[count++] = set->runs.items[j]->name;
            }
        }
        if (count < (first->header.bucket < set->newest_bucket ? 2 : FAN_IN)) {
            continue;
        }
        name = name_run(set, first->header.bucket, checkpoint);
        code = name ? pt_merger_start(set->merger, inputs, count, name, &err)
                    : pt_fail(&err, PT_NO_MEMORY, "merge id runs");
        pt_free(name);
        if (code) {
            note_merge_failure(set, &err);
        }
        return;
    }
}

/* ---- the whole ---- */

static enum pt_code keep_present(struct pt_idset *set, struct next *next, struct pt_run *merged,
                                 struct pt_error *err)
{
    for (size_t i = 0; i < set->runs.count; i++) {
        struct pt_run *run = set->runs.items[i];
        enum pt_code code = PT_OK;

        if (pt_idset_is_old(set, run->header.bucket)) {
            run->is_replaced = true;
        }
        if (run->is_replaced && merged && run->header.bucket == merged->header.bucket) {
            code = pt_runs_add(&next->runs, merged, err);
            merged = NULL;
        }
        if (!code && !run->is_replaced) {
            code = pt_runs_add(&next->runs, run, err);
        }
        next->kept = next->runs.count;
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

static void put_in_place(struct pt_idset *set, struct next *next)
{
    for (size_t i = 0; i < set->runs.count; i++) {
        if (set->runs.items[i]->is_replaced) {
            pt_run_close(set->runs.items[i]);
        }
    }
    pt_free(set->runs.items);
    set->runs = next->runs;
    set->files_open = 0;
    for (size_t i = 0; i < set->runs.count; i++) {
        set->files_open += set->runs.items[i]->file != NULL;
    }
    if (next->has_filter) {
        pt_filter_release(&set->filter);
        set->filter = next->filter;
        set->is_filter_short = false;
    }
    pt_open_ids_clear(&set->open);
}

static void undo(struct pt_idset *set, struct next *next, struct pt_run *merged)
{
    for (size_t i = next->kept; i < next->runs.count; i++) {
        pt_run_close(next->runs.items[i]);
    }
    pt_run_close(merged);
    pt_free(next->runs.items);
    if (next->has_filter) {
        pt_filter_release(&next->filter);
    }
    for (size_t i = 0; i < set->runs.count; i++) {
        set->runs.items[i]->is_replaced = false;
    }
}

enum pt_code pt_idset_write(struct pt_idset *set, uint64_t checkpoint, struct pt_error *err)
{
    struct next next = {0};
    struct pt_run *merged = take_merged(set);
    enum pt_code code = PT_OK;

    next.is_new = merged != NULL;
    code = keep_present(set, &next, merged, err);
    if (!code && set->open.count) {
        code = write_open(set, &next, checkpoint, err);
    }
    if (!code && needs_filter(set, &next.runs)) {
        code = pt_idset_make_filter(set, &next.runs, &next.filter, err);
        next.has_filter = !code;
    }
    if (!code && next.is_new) {
        code = pt_io_sync_dir(set->io, set->dir, err);
    }
    if (code) {
        undo(set, &next, merged);
        return code;
    }
    set->merges += merged != NULL;
    put_in_place(set, &next);
    start_merge(set, checkpoint);
    return PT_OK;
}

/* ---- files that nobody names ---- */

struct stale {
    struct pt_idset *set;
    const char *merging; /* with a suffix while it is written; NULL: nothing is */
    struct pt_error *err;
    enum pt_code code;
};

static void remove_if_stale(void *ctx, const char *name, bool is_dir)
{
    struct stale *stale = ctx;
    char *path = NULL;

    if (is_dir || stale->code || find_run(stale->set, name) ||
        (stale->merging && strncmp(stale->merging, name, strlen(stale->merging)) == 0)) {
        return;
    }
    path = pt_strf("%s/%s", stale->set->dir, name);
    stale->code = path ? pt_io_unlink(stale->set->io, path, stale->err)
                       : pt_fail(stale->err, PT_NO_MEMORY, "remove %s", name);
    pt_free(path);
}

enum pt_code pt_idset_remove_stale(struct pt_idset *set, struct pt_error *err)
{
    struct stale stale = {.set = set, .err = err};
    enum pt_code code = PT_OK;

    if (pt_merger_state(set->merger) != PT_MERGE_IDLE) {
        stale.merging = pt_merger_output(set->merger);
    }
    code = pt_io_list(set->io, set->dir, remove_if_stale, &stale, err);
    return code ? code : stale.code;
}
