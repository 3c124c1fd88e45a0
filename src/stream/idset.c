/*
 * idset.c - which event ids were seen: asking, loading, and what is told of it
 */
#include "stream/idset_inside.h"

#include "base/crypto.h"
#include "base/rng.h"
#include "observe/observe.h"

#define HOUR_US INT64_C(3600000000)
/* Tags are eight bits; this many leave the oldest and the newest apart. */
#define TAGS_MAX 240u
#define IDS_FIRST 4096u
#define FILES_OPEN_MAX 64u
#define AHEAD 24u

enum pt_code pt_idset_open(struct pt_idset **set_out, struct pt_io *io, const char *dir,
                           unsigned window_hours, struct pt_error *err)
{
    struct pt_idset *set = NULL;
    uint64_t seed = 0;
    enum pt_code code = pt_io_mkdir(io, dir, err);

    *set_out = NULL;
    if (code) {
        return code;
    }
    set = pt_alloc_zero(sizeof(*set));
    if (!set || !(set->dir = pt_strdup(dir)) || !(set->merger = pt_merger_create(io, dir))) {
        code = pt_fail(err, PT_NO_MEMORY, "open the id set %s", dir);
        goto out;
    }
    set->io = io;
    set->window_hours = window_hours;
    set->tag_hours = (window_hours + 2 + TAGS_MAX - 1) / TAGS_MAX;
    code = pt_random_bytes(&seed, sizeof(seed), err);
    if (code) {
        goto out;
    }
    pt_id_key_init(&set->key, seed);
    code = pt_open_ids_init(&set->open, err);
    if (code) {
        goto out;
    }
    code =
        pt_filter_init(&set->filter, IDS_FIRST, (uint8_t)(window_hours / set->tag_hours + 1), err);
    if (code) {
        goto out;
    }
    *set_out = set;
    set = NULL;

out:
    pt_idset_close(set);
    return code;
}

void pt_idset_close(struct pt_idset *set)
{
    if (set) {
        pt_merger_destroy(set->merger);
        for (size_t i = 0; i < set->runs.count; i++) {
            pt_run_close(set->runs.items[i]);
        }
        pt_free(set->runs.items);
        pt_open_ids_release(&set->open);
        pt_filter_release(&set->filter);
        pt_free(set->dir);
        pt_free(set);
    }
}

void pt_idset_set_approximate(struct pt_idset *set)
{
    struct pt_idset_stats stats;

    set->is_approximate = true;
    pt_idset_stats(set, &stats);
    pt_log_line(
        PT_LOG_WARN, "stream", NULL,
        "stream.dedup_mode is approximate: an event that is new is taken for a duplicate and "
        "dropped with a probability of %.4f %% now, at most %.4f %%",
        stats.false_rate * 100,
        pt_filter_false_rate(&set->filter, pt_filter_capacity(&set->filter)) * PT_FILTER_LOAD_MAX *
            100);
}

enum pt_code pt_runs_add(struct pt_runs *runs, struct pt_run *run, struct pt_error *err)
{
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity ? runs->capacity * 2 : 32;
        struct pt_run **items = pt_realloc(runs->items, capacity * sizeof(struct pt_run *));

        if (!items) {
            return pt_fail(err, PT_NO_MEMORY, "keep %zu id runs", runs->count + 1);
        }
        runs->items = items;
        runs->capacity = capacity;
    }
    runs->items[runs->count++] = run;
    return PT_OK;
}

/* ---- loading ---- */

static enum pt_code open_run(struct pt_idset *set, const char *name, int64_t count,
                             struct pt_error *err)
{
    struct pt_run *run = NULL;
    enum pt_code code = pt_run_open(&run, set->io, set->dir, name, err);

    if (!code && run->header.count != (uint64_t)count) {
        code = pt_fail(err, PT_CORRUPT, "id run %s holds %llu ids, the checkpoint says %lld",
                       run->path, (unsigned long long)run->header.count, (long long)count);
    }
    if (!code && set->runs.count == 0) {
        pt_id_key_init(&set->key, run->header.seed);
    }
    if (!code && run->header.seed != set->key.seed) {
        code =
            pt_fail(err, PT_CORRUPT, "id run %s has another seed than %s: it is of another state",
                    run->path, set->runs.items[0]->path);
    }
    if (!code) {
        code = pt_runs_add(&set->runs, run, err);
    }
    if (code) {
        pt_run_close(run);
        return code;
    }
    if (run->header.bucket > set->newest_bucket) {
        set->newest_bucket = run->header.bucket;
    }
    return PT_OK;
}

/* Runs of version 1 are passed over at first and renewed then: their seed is that of the others. */
static enum pt_code load_run(struct pt_idset *set, struct pt_json entry, bool takes_old,
                             struct pt_error *err)
{
    struct pt_span name;
    int64_t count = 0;
    char *text = NULL;
    bool is_old = false;
    enum pt_code code = PT_OK;

    if (pt_json_type(entry) != PT_JSON_OBJECT || !pt_json_member_string(entry, "file", &name) ||
        !pt_json_member_int(entry, "count", &count)) {
        return pt_fail(err, PT_CORRUPT, "the checkpoint's list of id runs is not readable");
    }
    text = pt_strndup((const char *)name.data, name.size);
    if (!text) {
        return pt_fail(err, PT_NO_MEMORY, "load id runs");
    }
    for (size_t i = 0; i < set->runs.count && takes_old; i++) {
        if (strcmp(set->runs.items[i]->name, text) == 0) {
            goto out;
        }
    }
    code = pt_run_is_old(set->io, set->dir, text, &is_old, err);
    if (!code && is_old && takes_old) {
        code = pt_run_renew(set->io, set->dir, text, set->key.seed, err);
    }
    if (!code && (!is_old || takes_old)) {
        code = open_run(set, text, count, err);
    }
    if (code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_CORRUPT, "id run %s/%s, which the checkpoint names, is missing",
                       set->dir, text);
    }

out:
    pt_free(text);
    return code;
}

enum pt_code pt_idset_load(struct pt_idset *set, struct pt_json runs, struct pt_error *err)
{
    struct pt_filter filter;
    enum pt_code code = PT_OK;

    pt_assert(set->runs.count == 0 && set->open.count == 0);
    for (struct pt_json_iter it = pt_json_iterate(runs); pt_json_next(&it);) {
        code = load_run(set, it.value, false, err);
        if (code) {
            return code;
        }
    }
    for (struct pt_json_iter it = pt_json_iterate(runs);
         set->runs.count < pt_json_count(runs) && pt_json_next(&it);) {
        code = load_run(set, it.value, true, err);
        if (code) {
            return code;
        }
    }
    code = pt_idset_make_filter(set, &set->runs, &filter, err);
    if (code) {
        return code;
    }
    pt_filter_release(&set->filter);
    set->filter = filter;
    return PT_OK;
}

/* ---- asking ---- */

/* Ask the runs behind the tags, newest first. `*bucket_out`: where it was found. */
static enum pt_code ask_runs(struct pt_idset *set, struct pt_id id, const uint8_t *tags,
                             unsigned tag_count, bool *holds_out, uint32_t *bucket_out,
                             struct pt_error *err)
{
    *holds_out = false;
    for (unsigned t = 0; t < tag_count; t++) {
        for (size_t i = set->runs.count; i-- > 0;) {
            struct pt_run *run = set->runs.items[i];
            bool was_open = run->file != NULL;
            enum pt_code code = PT_OK;

            *bucket_out = run->header.bucket;
            if (pt_idset_tag(set, *bucket_out) != tags[t] || pt_idset_is_old(set, *bucket_out)) {
                continue;
            }
            if (!run->header.has_ids) {
                *holds_out = true;
                return PT_OK;
            }
            code = pt_run_holds(run, id, holds_out, &set->block_reads, err);
            if (!was_open && run->file && ++set->files_open > FILES_OPEN_MAX) {
                for (size_t j = 0; j < set->runs.count; j++) {
                    pt_run_rest(set->runs.items[j]);
                }
                set->files_open = 0;
            }
            if (code || *holds_out) {
                return code;
            }
        }
    }
    return PT_OK;
}

static enum pt_code was_seen(struct pt_idset *set, struct pt_id id, uint64_t hash, bool *seen_out,
                             uint32_t *bucket_out, struct pt_error *err)
{
    uint8_t tags[PT_FILTER_FOUND_MAX];
    unsigned tag_count = pt_filter_find(&set->filter, hash, tags);

    *seen_out = false;
    if (tag_count == 0) {
        return PT_OK;
    }
    if (set->is_approximate) {
        *seen_out = true;
        *bucket_out = tags[0] == set->filter.now ? set->newest_bucket : 0;
        return PT_OK;
    }
    return ask_runs(set, id, tags, tag_count, seen_out, bucket_out, err);
}

static void note(struct pt_idset *set, struct pt_id id, uint64_t hash)
{
    pt_open_ids_put(&set->open, id, hash, set->newest_bucket);
    if (!pt_filter_add(&set->filter, hash, set->filter.now)) {
        set->is_filter_short = true;
    }
}

static enum pt_code add(struct pt_idset *set, struct pt_id id, uint64_t hash,
                        int64_t received_at_us, bool *is_new_out, struct pt_error *err)
{
    uint32_t bucket = received_at_us < 0 ? 0 : (uint32_t)(received_at_us / HOUR_US);
    struct pt_open_id *twin = NULL;
    bool was = false;
    uint32_t seen_in = 0;
    enum pt_code code = pt_open_ids_reserve(&set->open, err);

    *is_new_out = false;
    if (code) {
        return code;
    }
    if (bucket > set->newest_bucket) {
        set->newest_bucket = bucket;
        set->filter.now = pt_idset_tag(set, bucket);
    }
    twin = pt_open_ids_find(&set->open, id, hash);
    if (twin) {
        if (twin->bucket != set->newest_bucket) {
            twin->bucket = set->newest_bucket;
            set->is_filter_short |= !pt_filter_add(&set->filter, hash, set->filter.now);
        }
        return PT_OK;
    }
    code = was_seen(set, id, hash, &was, &seen_in, err);
    if (code) {
        return code;
    }
    /* A twin counts as a sighting: its id is kept a whole window from now on. */
    if (!was || seen_in != set->newest_bucket) {
        note(set, id, hash);
    }
    *is_new_out = !was;
    return PT_OK;
}

enum pt_code pt_idset_add(struct pt_idset *set, const uint8_t id[PT_UUID_BYTES],
                          int64_t received_at_us, bool *is_new_out, struct pt_error *err)
{
    struct pt_id wanted = pt_id_of(id);

    return add(set, wanted, pt_id_hash(&set->key, wanted), received_at_us, is_new_out, err);
}

__attribute__((always_inline)) static inline void prefetch(const struct pt_idset *set,
                                                           uint64_t hash)
{
    __builtin_prefetch(&set->open.slots[(size_t)hash & (set->open.slot_count - 1)], 1);
    pt_filter_prefetch(&set->filter, hash);
}

void pt_idset_prefetch(const struct pt_idset *set, const uint8_t id[PT_UUID_BYTES])
{
    prefetch(set, pt_id_hash(&set->key, pt_id_of(id)));
}

enum pt_code pt_idset_add_batch(struct pt_idset *set, const uint8_t *const *ids,
                                const int64_t *received_at_us, size_t count, bool *is_new_out,
                                size_t *done_out, struct pt_error *err)
{
    struct pt_id wanted[AHEAD];
    uint64_t hashes[AHEAD];
    enum pt_code code = PT_OK;

    *done_out = 0;
    for (size_t ahead = 0; *done_out < count && !code;) {
        size_t at = *done_out % AHEAD;

        for (; ahead < count && ahead < *done_out + AHEAD; ahead++) {
            wanted[ahead % AHEAD] = pt_id_of(ids[ahead]);
            hashes[ahead % AHEAD] = pt_id_hash(&set->key, wanted[ahead % AHEAD]);
            prefetch(set, hashes[ahead % AHEAD]);
        }
        code = add(set, wanted[at], hashes[at], received_at_us[*done_out], &is_new_out[*done_out],
                   err);
        *done_out += !code;
    }
    return code;
}

size_t pt_idset_open_count(const struct pt_idset *set)
{
    return set->open.count;
}

/* ---- what is told of it ---- */

void pt_idset_describe(const struct pt_idset *set, struct pt_jsonw *runs)
{
    pt_jsonw_array(runs);
    for (size_t i = 0; i < set->runs.count; i++) {
        const struct pt_run *run = set->runs.items[i];

        pt_jsonw_object(runs);
        pt_jsonw_key(runs, "file");
        pt_jsonw_str(runs, run->name);
        pt_jsonw_key(runs, "bucket");
        pt_jsonw_uint(runs, run->header.bucket);
        pt_jsonw_key(runs, "count");
        pt_jsonw_uint(runs, run->header.count);
        pt_jsonw_object_end(runs);
    }
    pt_jsonw_array_end(runs);
}

void pt_idset_stats(const struct pt_idset *set, struct pt_idset_stats *stats_out)
{
    *stats_out = (struct pt_idset_stats){.runs = set->runs.count,
                                         .block_reads = set->block_reads,
                                         .merges = set->merges,
                                         .merge_failures = set->merge_failures};
    stats_out->memory_bytes = (uint64_t)set->filter.line_count * sizeof(struct pt_filter_line) +
                              set->open.slot_count * sizeof(uint64_t) +
                              set->open.capacity * sizeof(struct pt_open_id);
    for (size_t i = 0; i < set->runs.count; i++) {
        const struct pt_run_header *header = &set->runs.items[i]->header;

        stats_out->ids += header->count;
        stats_out->disk_bytes += header->file_bytes;
        stats_out->memory_bytes += header->file_bytes - header->index_at;
    }
    stats_out->false_rate = pt_filter_false_rate(&set->filter, stats_out->ids + set->open.count);
}

static void report(struct pt_metrics *metrics, enum pt_metric_kind kind, const char *name,
                   uint64_t value, const char *help)
{
    pt_metric_set(pt_metrics_get(metrics, kind, name, NULL, help), (int64_t)value);
}

void pt_idset_report(const struct pt_idset *set, struct pt_metrics *metrics)
{
    struct pt_idset_stats stats;

    pt_idset_stats(set, &stats);
    report(metrics, PT_GAUGE, "playtrace_dedup_ids", stats.ids, "event ids that are remembered");
    report(metrics, PT_GAUGE, "playtrace_dedup_runs", stats.runs, "files they are kept in");
    report(metrics, PT_GAUGE, "playtrace_dedup_disk_bytes", stats.disk_bytes, "bytes of the files");
    report(metrics, PT_GAUGE, "playtrace_dedup_memory_bytes", stats.memory_bytes,
           "bytes of memory for them");
    report(metrics, PT_GAUGE, "playtrace_dedup_false_ppm", (uint64_t)(stats.false_rate * 1e6),
           "of a million new ids, how many the filter takes for seen ones; dropped in approximate "
           "mode only");
    report(metrics, PT_COUNTER, "playtrace_dedup_block_reads_total", stats.block_reads,
           "blocks of ids read to decide");
    report(metrics, PT_COUNTER, "playtrace_dedup_merges_total", stats.merges,
           "merges of runs that were taken");
    report(metrics, PT_COUNTER, "playtrace_dedup_merge_failures_total", stats.merge_failures,
           "merges of runs that failed; each is tried again");
}

void pt_idset_wait_merge(struct pt_idset *set)
{
    pt_merger_wait(set->merger);
}
