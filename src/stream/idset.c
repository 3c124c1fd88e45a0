/*
 * idset.c - which event ids were seen
 *
 * The open table keeps each id with the hour it was first seen in. Writing sorts the ids of each
 * hour into a run. A bucket's runs are merged when there are MERGE_RUNS of them, and into one when
 * its hour is past, so that a lookup meets a bounded number of filters.
 */
#include "stream/idset.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "stream/run.h"
#include "stream/stream.h"

#include <stdlib.h>

#define MERGE_RUNS 8u
#define HOUR_US INT64_C(3600000000)
#define SLOTS_FIRST 4096u

struct slot {
    uint8_t id[PT_UUID_BYTES];
    uint32_t bucket_plus_1; /* 0: empty */
};

struct pt_idset {
    struct pt_io *io; /* borrowed */
    char *dir;
    unsigned window_hours;
    struct slot *slots; /* open addressing, a power of two */
    size_t slot_count;
    size_t used;
    struct pt_run **runs; /* newest last */
    size_t run_count;
    size_t run_capacity;
    uint32_t newest_bucket;
    unsigned files_written; /* in file names: a second try never writes over a live run */
    uint64_t block_reads;
};

enum pt_code pt_idset_open(struct pt_idset **set_out, struct pt_io *io, const char *dir,
                           unsigned window_hours, struct pt_error *err)
{
    struct pt_idset *set = NULL;
    enum pt_code code = pt_io_mkdir(io, dir, err);

    *set_out = NULL;
    if (code) {
        return code;
    }
    set = pt_alloc_zero(sizeof(*set));
    if (set) {
        set->io = io;
        set->window_hours = window_hours;
        set->dir = pt_strdup(dir);
        set->slot_count = SLOTS_FIRST;
        set->slots = pt_alloc_zero(set->slot_count * sizeof(*set->slots));
    }
    if (!set || !set->dir || !set->slots) {
        pt_idset_close(set);
        return pt_fail(err, PT_NO_MEMORY, "open the id set %s", dir);
    }
    *set_out = set;
    return PT_OK;
}

void pt_idset_close(struct pt_idset *set)
{
    if (set) {
        for (size_t i = 0; i < set->run_count; i++) {
            pt_run_close(set->runs[i]);
        }
        pt_free(set->runs);
        pt_free(set->slots);
        pt_free(set->dir);
        pt_free(set);
    }
}

static enum pt_code add_run(struct pt_run ***runs, size_t *count, size_t *capacity,
                            struct pt_run *run, struct pt_error *err)
{
    if (*count == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 32;
        struct pt_run **array = pt_realloc(*runs, larger * sizeof(struct pt_run *));

        if (!array) {
            return pt_fail(err, PT_NO_MEMORY, "keep %zu id runs", *count + 1);
        }
        *runs = array;
        *capacity = larger;
    }
    (*runs)[(*count)++] = run;
    return PT_OK;
}

enum pt_code pt_idset_load(struct pt_idset *set, struct pt_json runs, struct pt_error *err)
{
    for (struct pt_json_iter it = pt_json_iterate(runs); pt_json_next(&it);) {
        struct pt_span name;
        int64_t count = 0;
        char *text = NULL;
        struct pt_run *run = NULL;
        enum pt_code code = PT_OK;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "file", &name) ||
            !pt_json_member_int(it.value, "count", &count)) {
            return pt_fail(err, PT_CORRUPT, "the checkpoint's list of id runs is not readable");
        }
        text = pt_strndup((const char *)name.data, name.size);
        if (!text) {
            return pt_fail(err, PT_NO_MEMORY, "load id runs");
        }
        code = pt_run_open(&run, set->io, set->dir, text, err);
        if (code == PT_NOT_FOUND) {
            code = pt_fail(err, PT_CORRUPT, "id run %s/%s, which the checkpoint names, is missing",
                           set->dir, text);
        }
        pt_free(text);
        if (!code && run->count != (uint64_t)count) {
            code = pt_fail(err, PT_CORRUPT, "id run %s holds %llu ids, the checkpoint says %lld",
                           run->name, (unsigned long long)run->count, (long long)count);
        }
        if (!code) {
            code = add_run(&set->runs, &set->run_count, &set->run_capacity, run, err);
        }
        if (code) {
            pt_run_close(run);
            return code;
        }
        if (run->bucket > set->newest_bucket) {
            set->newest_bucket = run->bucket;
        }
    }
    return PT_OK;
}

/* The slot that holds `id`, or the empty one where it would go. */
static struct slot *find_slot(struct slot *slots, size_t slot_count, const uint8_t *id,
                              uint64_t hash)
{
    size_t at = (size_t)hash & (slot_count - 1);

    while (slots[at].bucket_plus_1 && memcmp(slots[at].id, id, PT_UUID_BYTES) != 0) {
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

static enum pt_code grow(struct pt_idset *set, struct pt_error *err)
{
    size_t slot_count = set->slot_count * 2;
    struct slot *slots = pt_alloc_zero(slot_count * sizeof(*slots));

    if (!slots) {
        return pt_fail(err, PT_NO_MEMORY, "keep %zu open ids", set->used + 1);
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        const struct slot *slot = &set->slots[i];

        if (slot->bucket_plus_1) {
            *find_slot(slots, slot_count, slot->id, pt_checksum64(slot->id, PT_UUID_BYTES)) = *slot;
        }
    }
    pt_free(set->slots);
    set->slots = slots;
    set->slot_count = slot_count;
    return PT_OK;
}

/* Whether a bucket's last moment lies a whole window before the newest bucket's first. */
static bool is_old(const struct pt_idset *set, uint32_t bucket)
{
    return set->newest_bucket > set->window_hours &&
           bucket < set->newest_bucket - set->window_hours;
}

enum pt_code pt_idset_add(struct pt_idset *set, const uint8_t id[PT_UUID_BYTES],
                          int64_t received_at_us, bool *is_new_out, struct pt_error *err)
{
    uint64_t hash = pt_checksum64(id, PT_UUID_BYTES);
    uint32_t bucket = received_at_us < 0 ? 0 : (uint32_t)(received_at_us / HOUR_US);
    struct slot *slot = NULL;

    *is_new_out = false;
    if (bucket > set->newest_bucket) {
        set->newest_bucket = bucket;
    }
    if (set->used * 4 >= set->slot_count * 3) {
        enum pt_code code = grow(set, err);

        if (code) {
            return code;
        }
    }
    slot = find_slot(set->slots, set->slot_count, id, hash);
    if (slot->bucket_plus_1) {
        return PT_OK;
    }
    for (size_t i = set->run_count; i-- > 0;) {
        struct pt_run *run = set->runs[i];
        bool holds = false;
        enum pt_code code = PT_OK;

        if (is_old(set, run->bucket) || !pt_run_may_hold(run, id, hash)) {
            continue;
        }
        code = pt_run_holds(run, id, &holds, &set->block_reads, err);
        if (code) {
            return code;
        }
        if (holds) {
            return PT_OK;
        }
    }
    memcpy(slot->id, id, PT_UUID_BYTES);
    slot->bucket_plus_1 = set->newest_bucket + 1;
    set->used++;
    *is_new_out = true;
    return PT_OK;
}

void pt_idset_prefetch(const struct pt_idset *set, const uint8_t id[PT_UUID_BYTES])
{
    __builtin_prefetch(&set->slots[pt_checksum64(id, PT_UUID_BYTES) & (set->slot_count - 1)]);
}

size_t pt_idset_open_count(const struct pt_idset *set)
{
    return set->used;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, PT_UUID_BYTES);
}

/* Sort, then drop equal neighbours (a merge of runs has none, by construction, but order decides).
 */
static uint64_t sort_distinct(uint8_t *ids, uint64_t count)
{
    uint64_t kept = 0;

    qsort(ids, (size_t)count, PT_UUID_BYTES, compare_ids);
    for (uint64_t i = 0; i < count; i++) {
        if (kept == 0 ||
            memcmp(ids + (kept - 1) * PT_UUID_BYTES, ids + i * PT_UUID_BYTES, PT_UUID_BYTES) != 0) {
            memmove(ids + kept * PT_UUID_BYTES, ids + i * PT_UUID_BYTES, PT_UUID_BYTES);
            kept++;
        }
    }
    return kept;
}

/* The next state of the set, built beside the present one and put in place at the end. */
struct rewrite {
    struct pt_run **runs;
    size_t count;
    size_t capacity;
    bool *is_taken; /* which runs of the set a merge has replaced or time has dropped */
    uint64_t checkpoint;
};

static enum pt_code write_run(struct pt_idset *set, struct rewrite *next, uint32_t bucket,
                              uint8_t *ids, uint64_t count, struct pt_error *err)
{
    char *name = pt_strf("run-%010u-%012llu-%03u.ids", bucket, (unsigned long long)next->checkpoint,
                         set->files_written++);
    struct pt_run *run = NULL;
    enum pt_code code = PT_OK;

    if (!name) {
        return pt_fail(err, PT_NO_MEMORY, "write an id run");
    }
    count = sort_distinct(ids, count);
    code = pt_run_write(set->io, set->dir, name, bucket, ids, count, err);
    if (!code) {
        code = pt_run_open(&run, set->io, set->dir, name, err);
    }
    if (!code) {
        code = add_run(&next->runs, &next->count, &next->capacity, run, err);
        if (code) {
            pt_run_close(run);
        }
    }
    pt_free(name);
    return code;
}

/* Ids of the open table that belong to `bucket`, and those of runs to merge, become one run. */
static enum pt_code write_bucket(struct pt_idset *set, struct rewrite *next, uint32_t bucket,
                                 struct pt_error *err)
{
    uint64_t count = 0;
    size_t runs = 0;
    bool merges = false;
    uint8_t *ids = NULL;
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < set->slot_count; i++) {
        count += set->slots[i].bucket_plus_1 == bucket + 1;
    }
    for (size_t i = 0; i < set->run_count; i++) {
        runs += !next->is_taken[i] && set->runs[i]->bucket == bucket;
    }
    merges =
        runs + (count > 0) >= MERGE_RUNS || (bucket < set->newest_bucket && runs + (count > 0) > 1);
    if (merges) {
        for (size_t i = 0; i < set->run_count; i++) {
            if (!next->is_taken[i] && set->runs[i]->bucket == bucket) {
                count += set->runs[i]->count;
            }
        }
    }
    if (count == 0) {
        return PT_OK;
    }
    ids = pt_alloc((size_t)count * PT_UUID_BYTES);
    if (!ids) {
        return pt_fail(err, PT_NO_MEMORY, "write a run of %llu ids", (unsigned long long)count);
    }
    count = 0;
    for (size_t i = 0; i < set->slot_count; i++) {
        if (set->slots[i].bucket_plus_1 == bucket + 1) {
            memcpy(ids + count++ * PT_UUID_BYTES, set->slots[i].id, PT_UUID_BYTES);
        }
    }
    for (size_t i = 0; merges && !code && i < set->run_count; i++) {
        if (!next->is_taken[i] && set->runs[i]->bucket == bucket) {
            code = pt_run_read_all(set->runs[i], ids + count * PT_UUID_BYTES, err);
            count += set->runs[i]->count;
            next->is_taken[i] = true;
        }
    }
    if (!code && count > 0) {
        code = write_run(set, next, bucket, ids, count, err);
    }
    pt_free(ids);
    return code;
}

/* The least bucket above `after` that has open ids or runs; UINT32_MAX where there is none. */
static uint32_t next_bucket(const struct pt_idset *set, const struct rewrite *next, int64_t after)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < set->slot_count; i++) {
        uint32_t plus_1 = set->slots[i].bucket_plus_1;

        if (plus_1 && (int64_t)plus_1 - 1 > after && plus_1 - 1 < least) {
            least = plus_1 - 1;
        }
    }
    for (size_t i = 0; i < set->run_count; i++) {
        if (!next->is_taken[i] && set->runs[i]->bucket > after && set->runs[i]->bucket < least) {
            least = set->runs[i]->bucket;
        }
    }
    return least;
}

enum pt_code pt_idset_write(struct pt_idset *set, uint64_t checkpoint, struct pt_error *err)
{
    struct rewrite next = {.checkpoint = checkpoint};
    size_t written = 0;
    enum pt_code code = PT_OK;

    next.is_taken = pt_alloc_zero(set->run_count + 1);
    if (!next.is_taken) {
        return pt_fail(err, PT_NO_MEMORY, "write id runs");
    }
    for (size_t i = 0; i < set->run_count; i++) {
        next.is_taken[i] = is_old(set, set->runs[i]->bucket);
    }
    for (uint32_t bucket = next_bucket(set, &next, -1); !code && bucket != UINT32_MAX;
         bucket = next_bucket(set, &next, bucket)) {
        code = write_bucket(set, &next, bucket, err);
    }
    written = next.count;
    for (size_t i = 0; !code && i < set->run_count; i++) {
        if (!next.is_taken[i]) {
            code = add_run(&next.runs, &next.count, &next.capacity, set->runs[i], err);
        }
    }
    if (!code && written) {
        code = pt_io_sync_dir(set->io, set->dir, err);
    }
    if (code) {
        for (size_t i = 0; i < written; i++) {
            pt_run_close(next.runs[i]);
        }
        pt_free(next.runs);
        pt_free(next.is_taken);
        return code;
    }
    for (size_t i = 0; i < set->run_count; i++) {
        if (next.is_taken[i]) {
            pt_run_close(set->runs[i]);
        }
    }
    pt_free(set->runs);
    pt_free(next.is_taken);
    set->runs = next.runs;
    set->run_count = next.count;
    set->run_capacity = next.capacity;
    memset(set->slots, 0, set->slot_count * sizeof(*set->slots));
    set->used = 0;
    return PT_OK;
}

void pt_idset_describe(const struct pt_idset *set, struct pt_jsonw *runs)
{
    pt_jsonw_array(runs);
    for (size_t i = 0; i < set->run_count; i++) {
        pt_jsonw_object(runs);
        pt_jsonw_key(runs, "file");
        pt_jsonw_str(runs, set->runs[i]->name);
        pt_jsonw_key(runs, "bucket");
        pt_jsonw_uint(runs, set->runs[i]->bucket);
        pt_jsonw_key(runs, "count");
        pt_jsonw_uint(runs, set->runs[i]->count);
        pt_jsonw_object_end(runs);
    }
    pt_jsonw_array_end(runs);
}

struct stale {
    struct pt_idset *set;
    struct pt_error *err;
    enum pt_code code;
};

static void remove_if_stale(void *ctx, const char *name, bool is_dir)
{
    struct stale *stale = ctx;
    char *path = NULL;

    if (is_dir || stale->code) {
        return;
    }
    for (size_t i = 0; i < stale->set->run_count; i++) {
        if (strcmp(stale->set->runs[i]->name, name) == 0) {
            return;
        }
    }
    path = pt_strf("%s/%s", stale->set->dir, name);
    stale->code = path ? pt_io_unlink(stale->set->io, path, stale->err)
                       : pt_fail(stale->err, PT_NO_MEMORY, "remove %s", name);
    pt_free(path);
}

enum pt_code pt_idset_remove_stale(struct pt_idset *set, struct pt_error *err)
{
    struct stale stale = {.set = set, .err = err};
    enum pt_code code = pt_io_list(set->io, set->dir, remove_if_stale, &stale, err);

    return code ? code : stale.code;
}

void pt_idset_stats(const struct pt_idset *set, struct pt_idset_stats *stats_out)
{
    *stats_out = (struct pt_idset_stats){.runs = set->run_count, .block_reads = set->block_reads};
    for (size_t i = 0; i < set->run_count; i++) {
        const struct pt_run *run = set->runs[i];
        uint64_t filter_bytes = (uint64_t)run->filter_blocks * 64;

        stats_out->ids += run->count;
        stats_out->disk_bytes += 64 + filter_bytes + run->count * PT_UUID_BYTES;
        stats_out->memory_bytes += filter_bytes + run->count / 256 * PT_UUID_BYTES;
    }
}

/* ---- audits ---- */

struct verify {
    struct pt_io *io;
    const char *dir;
    void (*damaged)(void *ctx, const char *reason);
    void *ctx;
    uint64_t runs;
    uint64_t ids;
};

static void verify_run(void *ctx, const char *name, bool is_dir)
{
    struct verify *verify = ctx;
    struct pt_run *run = NULL;
    struct pt_error err = {0};
    enum pt_code code =
        is_dir ? PT_NOT_FOUND : pt_run_open(&run, verify->io, verify->dir, name, &err);

    if (!code) {
        verify->runs++;
        verify->ids += run->count;
    } else if (code != PT_NOT_FOUND) {
        verify->damaged(verify->ctx, err.text);
    }
    pt_run_close(run);
}

enum pt_code pt_stream_verify_runs(struct pt_io *io, const char *state_dir,
                                   void (*damaged)(void *ctx, const char *reason), void *ctx,
                                   uint64_t *runs_out, uint64_t *ids_out, struct pt_error *err)
{
    char *dir = pt_strf("%s/ids", state_dir);
    struct verify verify = {.io = io, .dir = dir, .damaged = damaged, .ctx = ctx};
    enum pt_code code = dir ? pt_io_list(io, dir, verify_run, &verify, err)
                            : pt_fail(err, PT_NO_MEMORY, "verify the id runs");

    *runs_out = verify.runs;
    *ids_out = verify.ids;
    pt_free(dir);
    return code == PT_NOT_FOUND ? PT_OK : code;
}
