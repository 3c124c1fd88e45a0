/*
 * test_idset.c - an id seen within the window is found; one that was not is never taken for seen
 *
 * Method: random ids against a plain list, through many checkpoints, merges and reopenings; ids at
 * the edges of buckets; every byte of a run damaged in turn must be noticed.
 */
#include "check.h"
#include "stream/idset.h"
#include "stream/stream.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#define HOUR_US INT64_C(3600000000)

static void make_id(struct pt_rng *rng, bool is_v7, int64_t now_us, uint8_t id[PT_UUID_BYTES])
{
    uint8_t random[16];

    for (int i = 0; i < 16; i++) {
        random[i] = (uint8_t)pt_rng_below(rng, 256);
    }
    memcpy(id, random, PT_UUID_BYTES);
    if (is_v7) {
        pt_uuid_v7(now_us / 1000, random, id);
    }
}

/* Close and open again from what pt_idset_describe() says, as recovery does. */
static struct pt_idset *reopen(struct pt_idset *set, const char *dir, unsigned hours)
{
    struct pt_buf text;
    struct pt_jsonw w;
    struct pt_json_parser *parser = pt_json_parser_create(1 << 20);
    struct pt_json runs;
    struct pt_error err = {0};

    pt_buf_init(&text, 1 << 20);
    pt_jsonw_init(&w, &text);
    pt_idset_describe(set, &w);
    pt_idset_close(set);
    assert_non_null(pt_buf_reserve(&text, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&text), &runs, NULL, &err), err);
    PT_CHECK_OK(pt_idset_open(&set, pt_io_posix(), dir, hours, &err), err);
    PT_CHECK_OK(pt_idset_load(set, runs, &err), err);
    PT_CHECK_OK(pt_idset_remove_stale(set, &err), err);
    pt_json_parser_destroy(parser);
    pt_buf_release(&text);
    return set;
}

static bool add(struct pt_idset *set, const uint8_t *id, int64_t at_us)
{
    struct pt_error err = {0};
    bool is_new = false;

    PT_CHECK_OK(pt_idset_add(set, id, at_us, &is_new, &err), err);
    return is_new;
}

static void agrees_with_a_list(void **state)
{
    enum { COUNT = 6000 };
    char *dir = pt_test_dir_create();
    uint8_t(*seen)[PT_UUID_BYTES] = pt_alloc(COUNT * PT_UUID_BYTES);
    struct pt_idset *set = NULL;
    struct pt_error err = {0};
    struct pt_rng rng;
    struct pt_idset_stats stats;
    uint64_t checkpoint = 0;

    (void)state;
    assert_non_null(seen);
    pt_rng_seed(&rng, 7);
    PT_CHECK_OK(pt_idset_open(&set, pt_io_posix(), dir, 24, &err), err);
    for (size_t i = 0; i < COUNT; i++) {
        int64_t now_us = (int64_t)i * HOUR_US / 500; /* 12 hours in all */

        make_id(&rng, i % 2, now_us, seen[i]);
        PT_CHECK(add(set, seen[i], now_us));
        PT_CHECK(!add(set, seen[pt_rng_below(&rng, i + 1)], now_us));
        if (i % 100 == 99) {
            PT_CHECK_OK(pt_idset_write(set, ++checkpoint, &err), err);
            PT_CHECK(pt_idset_open_count(set) == 0);
        }
        if (i % 1000 == 999) {
            set = reopen(set, dir, 24);
        }
    }
    pt_idset_stats(set, &stats);
    PT_CHECK(stats.ids >= COUNT); /* a twin of another hour is kept there too */
    for (size_t i = 0; i < COUNT; i++) {
        PT_CHECK(!add(set, seen[i], 12 * HOUR_US));
    }
    pt_idset_close(set);
    pt_free(seen);
    pt_test_dir_remove(dir);
}

static void the_window_is_kept_to_its_last_moment(void **state)
{
    char *dir = pt_test_dir_create();
    struct pt_idset *set = NULL;
    struct pt_error err = {0};
    struct pt_rng rng;
    uint8_t early[PT_UUID_BYTES];
    uint8_t late[PT_UUID_BYTES];
    uint8_t other[PT_UUID_BYTES];

    (void)state;
    pt_rng_seed(&rng, 8);
    make_id(&rng, false, 0, early);
    make_id(&rng, false, 0, late);
    make_id(&rng, false, 0, other);
    PT_CHECK_OK(pt_idset_open(&set, pt_io_posix(), dir, 2, &err), err);
    PT_CHECK(add(set, early, 10 * HOUR_US));
    PT_CHECK(add(set, late, 11 * HOUR_US - 1));
    PT_CHECK_OK(pt_idset_write(set, 1, &err), err);
    PT_CHECK(add(set, other, 13 * HOUR_US - 1));
    PT_CHECK(!add(set, late, 13 * HOUR_US - 2)); /* two hours less a moment */
    PT_CHECK_OK(pt_idset_write(set, 2, &err), err);
    set = reopen(set, dir, 2);
    PT_CHECK(!add(set, late, 13 * HOUR_US - 1));
    PT_CHECK_OK(pt_idset_write(set, 3, &err), err);
    make_id(&rng, false, 0, other);
    PT_CHECK(add(set, other, 13 * HOUR_US)); /* hour 10 is now past the window as a whole */
    PT_CHECK(add(set, early, 13 * HOUR_US));
    PT_CHECK_OK(pt_idset_write(set, 4, &err), err);
    PT_CHECK(!add(set, early, 13 * HOUR_US + 5));
    pt_idset_close(set);
    pt_test_dir_remove(dir);
}

/* Whether the one run in `root`/ids is sound. */
static void count_damage(void *ctx, const char *reason)
{
    assert_true(reason[0] != '\0');
    ++*(unsigned *)ctx;
}

static bool is_sound(const char *root)
{
    struct pt_error err = {0};
    unsigned damaged = 0;
    uint64_t runs = 0;
    uint64_t ids = 0;

    PT_CHECK_OK(
        pt_stream_verify_runs(pt_io_posix(), root, count_damage, &damaged, &runs, &ids, &err), err);
    PT_CHECK(runs + damaged == 1 && ids == runs * 10);
    return damaged == 0;
}

struct found {
    char name[128];
};

static void note_name(void *ctx, const char *name, bool is_dir)
{
    struct found *found = ctx;

    (void)is_dir;
    snprintf(found->name, sizeof(found->name), "%s", name);
}

static void a_damaged_run_is_noticed(void **state)
{
    char *root = pt_test_dir_create();
    char *dir = pt_strf("%s/ids", root);
    struct pt_io *io = pt_io_posix();
    struct pt_idset *set = NULL;
    struct pt_file *file = NULL;
    struct pt_error err = {0};
    struct pt_rng rng;
    struct found found;
    char *path = NULL;
    uint64_t size = 0;

    (void)state;
    pt_rng_seed(&rng, 9);
    PT_CHECK_OK(pt_idset_open(&set, io, dir, 24, &err), err);
    for (int i = 0; i < 10; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(&rng, true, i, id);
        PT_CHECK(add(set, id, i));
    }
    PT_CHECK_OK(pt_idset_write(set, 1, &err), err);
    pt_idset_close(set);
    PT_CHECK_OK(pt_io_list(io, dir, note_name, &found, &err), err);
    path = pt_strf("%s/%s", dir, found.name);
    PT_CHECK(is_sound(root));
    PT_CHECK_OK(pt_io_open(io, path, PT_OPEN_WRITE, &file, &err), err);
    PT_CHECK_OK(pt_io_size(io, file, &size, &err), err);
    for (uint64_t at = 0; at < size; at++) {
        uint8_t byte = 0;
        size_t got = 0;

        PT_CHECK_OK(pt_io_read(io, file, at, &byte, 1, &got, &err), err);
        byte ^= 0x10;
        PT_CHECK_OK(pt_io_write(io, file, at, &byte, 1, &err), err);
        PT_CHECK(!is_sound(root));
        byte ^= 0x10;
        PT_CHECK_OK(pt_io_write(io, file, at, &byte, 1, &err), err);
    }
    PT_CHECK_OK(pt_io_truncate(io, file, size - 1, &err), err);
    PT_CHECK(!is_sound(root));
    pt_io_close(io, file);
    pt_free(path);
    pt_free(dir);
    pt_test_dir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(the_window_is_kept_to_its_last_moment),
        cmocka_unit_test(a_damaged_run_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
