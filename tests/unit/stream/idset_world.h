/*
 * idset_world.h - an id set on a simulated disk, and the checkpoint that names its runs
 *
 * What pt_idset_describe() said after the last write stands for the checkpoint; the world goes
 * back to it as recovery does. Aborts the test where something fails that should not.
 */
#ifndef PT_TESTS_IDSET_WORLD_H
#define PT_TESTS_IDSET_WORLD_H

#include "check.h"
#include "simdisk.h"
#include "stream/idset.h"
#include "stream/stream.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#define HOUR_US INT64_C(3600000000)
#define STATE_DIR "/state"
#define IDS_DIR STATE_DIR "/ids"

struct idset_world {
    struct pt_simdisk *disk;
    struct pt_io *io;
    struct pt_idset *set;
    unsigned hours;
    uint64_t checkpoint;
    struct pt_buf named; /* the checkpoint's list of runs */
};

static inline void world_name_runs(struct idset_world *w)
{
    struct pt_jsonw json;

    pt_buf_reset(&w->named);
    pt_jsonw_init(&json, &w->named);
    pt_idset_describe(w->set, &json);
    assert_non_null(pt_buf_reserve(&w->named, PT_JSON_PADDING));
}

/* Without a check: what loading gives. The set is open in any case. */
static inline enum pt_code world_try_load(struct idset_world *w, struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(1u << 20);
    struct pt_json runs;
    enum pt_code code = PT_OK;

    assert_non_null(parser);
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&w->named), &runs, NULL, err), *err);
    PT_CHECK_OK(pt_idset_open(&w->set, w->io, IDS_DIR, w->hours, err), *err);
    code = pt_idset_load(w->set, runs, err);
    pt_json_parser_destroy(parser);
    return code;
}

static inline void world_load(struct idset_world *w)
{
    struct pt_error err = {0};

    PT_CHECK_OK(world_try_load(w, &err), err);
    PT_CHECK_OK(pt_idset_remove_stale(w->set, &err), err);
}

static inline void world_up(struct idset_world *w, unsigned hours)
{
    struct pt_error err = {0};

    *w = (struct idset_world){.hours = hours};
    w->disk = pt_simdisk_create();
    w->io = pt_simdisk_io(w->disk);
    pt_buf_init(&w->named, 1u << 20);
    PT_CHECK_OK(pt_idset_open(&w->set, w->io, IDS_DIR, hours, &err), err);
    PT_CHECK_OK(pt_io_sync_dir(w->io, STATE_DIR, &err), err);
    PT_CHECK_OK(pt_io_sync_dir(w->io, "/", &err), err);
    world_name_runs(w);
}

static inline void world_down(struct idset_world *w)
{
    pt_idset_close(w->set);
    pt_buf_release(&w->named);
    pt_simdisk_destroy(w->disk);
}

/* Close, and open from what the checkpoint names: the open ids are gone. */
static inline void world_again(struct idset_world *w)
{
    pt_idset_close(w->set);
    world_load(w);
}

static inline void world_commit(struct idset_world *w)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_idset_write(w->set, ++w->checkpoint, &err), err);
    PT_CHECK(pt_idset_open_count(w->set) == 0);
    world_name_runs(w);
    PT_CHECK_OK(pt_idset_remove_stale(w->set, &err), err);
}

static inline bool world_add(struct idset_world *w, const uint8_t *id, int64_t at_us)
{
    struct pt_error err = {0};
    bool is_new = false;

    PT_CHECK_OK(pt_idset_add(w->set, id, at_us, &is_new, &err), err);
    return is_new;
}

static inline struct pt_idset_stats world_stats(const struct idset_world *w)
{
    struct pt_idset_stats stats;

    pt_idset_stats(w->set, &stats);
    return stats;
}

/* The id of a number, the same each time. */
static inline void make_id(uint64_t number, bool is_v7, int64_t now_us, uint8_t id[PT_UUID_BYTES])
{
    struct pt_rng rng;
    uint64_t words[2];

    pt_rng_seed(&rng, number);
    words[0] = pt_rng_next(&rng);
    words[1] = pt_rng_next(&rng);
    memcpy(id, words, PT_UUID_BYTES);
    if (is_v7) {
        pt_uuid_v7(now_us / 1000, (const uint8_t *)words, id);
    }
}

/* The one file in the directory of runs. */
static inline void note_path(void *ctx, const char *name, bool is_dir)
{
    (void)is_dir;
    snprintf(ctx, 256, "%s/%s", IDS_DIR, name);
}

static inline void world_only_file(struct idset_world *w, char path[256])
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_io_list(w->io, IDS_DIR, note_path, path, &err), err);
}

struct world_audit {
    unsigned damaged;
    char reason[PT_ERROR_TEXT_BYTES]; /* the last one */
    uint64_t runs;
    uint64_t ids;
};

static inline void note_damage(void *ctx, const char *reason)
{
    struct world_audit *audit = ctx;

    audit->damaged++;
    snprintf(audit->reason, sizeof(audit->reason), "%s", reason);
}

static inline struct world_audit world_verify(struct idset_world *w)
{
    struct world_audit audit = {0};
    struct pt_error err = {0};

    PT_CHECK_OK(
        pt_stream_verify_runs(w->io, STATE_DIR, note_damage, &audit, &audit.runs, &audit.ids, &err),
        err);
    return audit;
}

#endif
