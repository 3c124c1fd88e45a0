/*
 * test_idset_merge.c - runs are merged behind the engine's back, and nothing is lost by it
 *
 * Method: many small checkpoints in one hour and the next, with the merging thread left alone or
 * waited for; merges that meet damage, a full disk, a bucket that is dropped under them, a power
 * cut at any call, and a close; after each all ids are known, once.
 */
#include "idset_world.h"

#include "observe/observe.h"

#define EACH 20u

/* `count` new ids at `at_us`, numbered from *next on, and a checkpoint. */
static void commit_some(struct idset_world *w, unsigned *next, unsigned count, int64_t at_us)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(*next, *next % 2, 0, id);
        PT_CHECK(world_add(w, id, at_us));
        ++*next;
    }
    world_commit(w);
}

static void check_all_known(struct idset_world *w, unsigned count, int64_t at_us)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(i, i % 2, 0, id);
        PT_CHECK(!world_add(w, id, at_us));
    }
}

static void runs_stay_few(void **state)
{
    struct idset_world w;
    unsigned next = 0;

    (void)state;
    world_up(&w, 24);
    for (unsigned n = 0; n < 200; n++) {
        commit_some(&w, &next, EACH, 5 * HOUR_US);
        pt_idset_wait_merge(w.set);
        PT_CHECK(world_stats(&w).runs <= 8 * 3 + 1);
        PT_CHECK(world_stats(&w).ids == next);
    }
    PT_CHECK(world_stats(&w).merges >= 200 / 8);
    /* The hour is past: it becomes one run. */
    for (unsigned n = 0; n < 3; n++) {
        commit_some(&w, &next, EACH, 6 * HOUR_US);
        pt_idset_wait_merge(w.set);
    }
    world_commit(&w);
    PT_CHECK(world_stats(&w).runs <= 1 + 3);
    PT_CHECK(world_verify(&w).damaged == 0 && world_verify(&w).ids == next);
    check_all_known(&w, next, 6 * HOUR_US);
    world_again(&w);
    check_all_known(&w, next, 6 * HOUR_US);
    world_down(&w);
}

/* Nobody waits for the merging thread: results come when they come, files go when they may. */
static void the_engine_never_waits(void **state)
{
    struct idset_world w;
    unsigned next = 0;

    (void)state;
    world_up(&w, 24);
    for (unsigned n = 0; n < 300; n++) {
        commit_some(&w, &next, EACH, (5 + n / 100) * HOUR_US);
        if (n % 10 == 0) {
            check_all_known(&w, next, (5 + n / 100) * HOUR_US);
        }
    }
    world_again(&w);
    PT_CHECK(world_verify(&w).damaged == 0);
    check_all_known(&w, next, 7 * HOUR_US);
    world_down(&w);
}

static void a_merge_that_meets_damage_is_told_and_tried_again(void **state)
{
    struct idset_world w;
    unsigned next = 0;
    char path[256];

    (void)state;
    world_up(&w, 24);
    commit_some(&w, &next, EACH, 5 * HOUR_US);
    world_only_file(&w, path);
    pt_simdisk_flip(w.disk, path, 140, 1);
    for (unsigned n = 0; n < 12; n++) {
        commit_some(&w, &next, EACH, 5 * HOUR_US);
        pt_idset_wait_merge(w.set);
    }
    PT_CHECK(world_stats(&w).merges == 0);
    PT_CHECK(world_stats(&w).merge_failures >= 2);
    PT_CHECK(world_stats(&w).runs == 13);
    pt_simdisk_flip(w.disk, path, 140, 1);
    commit_some(&w, &next, EACH, 5 * HOUR_US);
    pt_idset_wait_merge(w.set);
    commit_some(&w, &next, EACH, 5 * HOUR_US);
    PT_CHECK(world_stats(&w).merges >= 1);
    check_all_known(&w, next, 5 * HOUR_US);
    world_down(&w);
}

static void a_merge_that_finds_the_disk_full_is_tried_again(void **state)
{
    struct idset_world w;
    unsigned next = 0;

    (void)state;
    world_up(&w, 24);
    for (unsigned n = 0; n < 7; n++) {
        commit_some(&w, &next, EACH, 5 * HOUR_US);
    }
    for (unsigned i = 0; i < EACH; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(next, next % 2, 0, id);
        PT_CHECK(world_add(&w, id, 5 * HOUR_US));
        next++;
    }
    /* The checkpoint's calls come first and are counted; whatever is called then is the merge's. */
    for (unsigned fail = 0; fail < 2; fail++) {
        world_commit(&w);
        pt_idset_wait_merge(w.set);
        pt_simdisk_set_capacity(w.disk, fail ? 1u << 30 : pt_simdisk_used(w.disk) + 100);
        world_commit(&w);
        pt_idset_wait_merge(w.set);
    }
    pt_simdisk_set_capacity(w.disk, 1u << 30);
    for (unsigned n = 0; n < 20; n++) {
        commit_some(&w, &next, EACH, 5 * HOUR_US);
        pt_idset_wait_merge(w.set);
    }
    PT_CHECK(world_stats(&w).merges >= 2);
    check_all_known(&w, next, 5 * HOUR_US);
    world_down(&w);
}

static void a_bucket_dropped_under_its_merge_is_gone(void **state)
{
    struct idset_world w;
    unsigned next = 0;
    unsigned old = 0;

    (void)state;
    world_up(&w, 2);
    for (unsigned n = 0; n < 8; n++) {
        commit_some(&w, &next, EACH, 5 * HOUR_US); /* the eighth starts a merge */
    }
    old = next;
    for (unsigned n = 0; n < 3; n++) {
        commit_some(&w, &next, EACH, (9 + n) * HOUR_US);
        pt_idset_wait_merge(w.set);
    }
    PT_CHECK(world_stats(&w).ids == next - old);
    PT_CHECK(world_verify(&w).ids == next - old); /* the merge's file went too */
    for (unsigned i = 0; i < old; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(i, i % 2, 0, id);
        PT_CHECK(world_add(&w, id, 11 * HOUR_US)); /* an old twin is a row of its own */
    }
    world_down(&w);
}

/* The power goes at any one call of a life with merges in it: what the checkpoint names is all
 * there. */
static void the_power_goes_at_any_call(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned call = 1; fired; call += 3) {
        struct idset_world w;
        struct pt_error err = {0};
        unsigned next = 0;
        unsigned named = 0;
        bool failed = false;

        world_up(&w, 24);
        pt_simdisk_fail_from(w.disk, call, PT_IO);
        for (unsigned n = 0; n < 20 && !failed; n++) {
            for (unsigned i = 0; i < 3 && !failed; i++) {
                uint8_t id[PT_UUID_BYTES];
                bool is_new = false;

                make_id(next, next % 2, 0, id);
                failed = pt_idset_add(w.set, id, (5 + n / 10) * HOUR_US, &is_new, &err) != PT_OK;
                PT_CHECK(failed || is_new);
                next += !failed;
            }
            failed = failed || pt_idset_write(w.set, ++w.checkpoint, &err) != PT_OK;
            if (!failed) {
                world_name_runs(&w);
                named = next;
                failed = pt_idset_remove_stale(w.set, &err) != PT_OK;
            }
            if (n % 3 == 0) {
                pt_idset_wait_merge(w.set);
            }
        }
        pt_idset_close(w.set);
        fired = pt_simdisk_fault_fired(w.disk);
        pt_simdisk_crash(w.disk, call % 2 ? PT_SIMDISK_LOSE_SOME : PT_SIMDISK_LOSE_ALL, call);
        world_load(&w);
        PT_CHECK(world_verify(&w).damaged == 0 && world_verify(&w).ids == named);
        check_all_known(&w, named, 6 * HOUR_US);
        world_down(&w);
    }
}

/* Without memory a checkpoint changes nothing; with it, it is made. */
static void no_memory_at_any_allocation(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned nth = 1; fired; nth++) {
        struct idset_world w;
        struct pt_error err = {0};
        unsigned next = 0;
        enum pt_code code = PT_OK;

        world_up(&w, 24);
        for (unsigned n = 0; n < 4; n++) {
            commit_some(&w, &next, EACH, 5 * HOUR_US);
        }
        for (unsigned i = 0; i < 6000; i++) { /* the filter has to grow */
            uint8_t id[PT_UUID_BYTES];

            make_id(next, next % 2, 0, id);
            PT_CHECK(world_add(&w, id, 5 * HOUR_US));
            next++;
        }
        pt_mem_fail_after(nth);
        code = pt_idset_write(w.set, ++w.checkpoint, &err);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(code == PT_OK || (fired && code == PT_NO_MEMORY));
        PT_CHECK(pt_idset_open_count(w.set) == (code ? 6000 : 0));
        check_all_known(&w, next, 5 * HOUR_US);
        world_commit(&w);
        world_again(&w);
        check_all_known(&w, next, 5 * HOUR_US);
        world_down(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_stay_few),
        cmocka_unit_test(the_engine_never_waits),
        cmocka_unit_test(a_merge_that_meets_damage_is_told_and_tried_again),
        cmocka_unit_test(a_merge_that_finds_the_disk_full_is_tried_again),
        cmocka_unit_test(a_bucket_dropped_under_its_merge_is_gone),
        cmocka_unit_test(the_power_goes_at_any_call),
        cmocka_unit_test(no_memory_at_any_allocation),
    };

    pt_log_set_level(PT_LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
