/*
 * test_journal.c - a started plan and its looks survive any one fault and any power failure
 *
 * Promise: what was acknowledged is there and whole; what was not is there whole or not at all, and
 * can be done again; nothing in between reads as another plan or as damage. Method: each call of
 * start, of two looks and of an amendment fails in turn, once or for good, on a simulated disk that
 * then loses what was not synced; every byte of the last line is torn; the real file system is
 * stopped at each change.
 */
#include "check.h"
#include "fault_io.h"
#include "simdisk.h"

#include "base/tree.h"
#include "experiment/journal.h"

#include <math.h>
#include <stdio.h>

static struct pt_error err;

static const char yaml[] = "experiment: shop\n"
                           "hypothesis: it sells more\n"
                           "variants: {a: 1, b: 1, c: 1}\n"
                           "minimum_effect: {absolute: 0.02, baseline: 0.35}\n"
                           "metrics:\n"
                           "  primary: {name: m, type: conversion, event: purchase}\n"
                           "analysis: {type: group_sequential, looks: [0.5, 1]}\n";

/* The base of the real lock file is a real directory; the same path stands on the simulated disk.
 */
struct fixture {
    char *base;
    char *dir;
    struct pt_plan *plan;
    struct pt_started *started;
};

static void setup(struct fixture *f)
{
    struct pt_buf problems;

    f->base = pt_test_dir_create();
    f->dir = pt_strf("%s/experiments", f->base);
    f->plan = pt_alloc(sizeof(*f->plan));
    f->started = pt_alloc(sizeof(*f->started));
    pt_buf_init(&problems, 1u << 16);
    PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), f->dir, &err), err);
    PT_CHECK_OK(pt_plan_read(f->plan, pt_span_of(yaml, sizeof(yaml) - 1), "p", &problems, &err),
                err);
    pt_buf_release(&problems);
}

static void teardown(struct fixture *f)
{
    pt_test_dir_remove(f->base);
    pt_free(f->dir);
    pt_free(f->plan);
    pt_free(f->started);
}

static struct pt_look look_of(size_t number)
{
    struct pt_look look = {.as_of_us = 1767225600000000 + (int64_t)number,
                           .units = 100 + (double)number,
                           .t = 0.25 * (double)number,
                           .is_planned = true};

    for (size_t k = 0; k < 2; k++) {
        look.arms[k] = (struct pt_look_arm){.units = 50 + (double)k,
                                            .t = 0.25 * (double)number,
                                            .estimate = 0.01,
                                            .se = 0.02,
                                            .z = 0.5 + (double)k,
                                            .z_upper = HUGE_VAL,
                                            .z_lower = -HUGE_VAL,
                                            .alpha_spent = 1e-9,
                                            .p_value = NAN,
                                            .interval = {-HUGE_VAL, HUGE_VAL},
                                            .verdict = k ? PT_VERDICT_EFFECT : PT_VERDICT_CONTINUE};
    }
    return look;
}

static enum pt_code start(const struct fixture *f, struct pt_io *io)
{
    return pt_started_create(io, pt_clock_system(), f->dir, f->plan,
                             pt_span_of(yaml, sizeof(yaml) - 1), (struct pt_plan_basis){0.35, 0.5},
                             0, NULL, &err);
}

static enum pt_code add(const struct fixture *f, struct pt_io *io, size_t number)
{
    struct pt_look look = look_of(number);

    return pt_started_add_look(io, pt_clock_system(), f->dir, f->started, &look, &err);
}

static enum pt_code amend(const struct fixture *f, struct pt_io *io)
{
    struct pt_plan_epoch epoch = {.name = "2", .weight = {1, 2, 0.5}};

    return pt_started_amend(io, pt_clock_system(), f->dir, f->started, &epoch, 7, &err);
}

/* Start, look twice, amend; how many of the four were acknowledged. */
static size_t run(const struct fixture *f, struct pt_io *io)
{
    size_t done = 0;

    if (start(f, io) || pt_started_open(io, f->dir, "shop", f->started, &err)) {
        return 0;
    }
    done = 1;
    while (done < 3 && add(f, io, done) == PT_OK) {
        done++;
    }
    return done == 3 && amend(f, io) == PT_OK ? 4 : done;
}

/* What is there holds at least `acked` of the four, whole, and the rest can be done now. */
static void check_and_go_on(const struct fixture *f, struct pt_io *io, size_t acked)
{
    enum pt_code code = pt_started_open(io, f->dir, "shop", f->started, &err);
    size_t there =
        code == PT_NOT_FOUND ? 0 : 1 + f->started->look_count + f->started->amendment_count;

    if (code && code != PT_NOT_FOUND) {
        fail_msg("%s: %s", pt_code_name(code), err.text);
    }
    PT_CHECK(there >= acked && there <= 4);
    if (there == 0) {
        PT_CHECK_OK(start(f, io), err);
        PT_CHECK_OK(pt_started_open(io, f->dir, "shop", f->started, &err), err);
        there = 1;
    }
    for (; there < 3; there++) {
        PT_CHECK_OK(add(f, io, there), err);
    }
    if (there == 3) {
        PT_CHECK_OK(amend(f, io), err);
    }
    PT_CHECK_OK(pt_started_open(io, f->dir, "shop", f->started, &err), err);
    PT_CHECK(f->started->look_count == 2 && f->started->amendment_count == 1);
    PT_CHECK(f->started->amendments[0].late_exposures == 7 && f->started->amendments[0].at_us > 0);
    PT_CHECK(pt_plan_weights(&f->started->plan, "2")[1] == 2);
    PT_CHECK(pt_plan_weights(&f->started->plan, "3")[1] == 1);
    PT_CHECK(amend(f, io) == PT_INVALID);
    for (size_t i = 0; i < 2; i++) {
        const struct pt_look *look = &f->started->looks[i];
        struct pt_look expected = look_of(i + 1);

        PT_CHECK(look->units == expected.units && look->as_of_us == expected.as_of_us);
        PT_CHECK(look->arms[1].z == 1.5 && look->arms[1].verdict == PT_VERDICT_EFFECT);
        PT_CHECK(look->arms[0].verdict == PT_VERDICT_CONTINUE && look->t == expected.t);
    }
}

static struct pt_simdisk *disk_with(const struct fixture *f)
{
    struct pt_simdisk *disk = pt_simdisk_create();
    bool is_unsure = true;

    PT_CHECK_OK(pt_tree_make(pt_simdisk_io(disk), f->base, &is_unsure, &err), err);
    PT_CHECK(!is_unsure);
    return disk;
}

static void no_fault_and_no_crash_loses_what_was_acknowledged(void **state)
{
    struct fixture f;
    unsigned swept = 0;

    (void)state;
    setup(&f);
    for (int how = 0; how < 6; how++) {
        bool fired = true;

        for (unsigned call = 1; fired; call++, swept++) {
            struct pt_simdisk *disk = disk_with(&f);
            struct pt_io *io = pt_simdisk_io(disk);
            size_t acked = 0;

            if (how < 3) {
                pt_simdisk_fail_from(disk, call, PT_IO);
            } else {
                pt_simdisk_fail_call(disk, call, PT_IO, how == 5);
            }
            acked = run(&f, io);
            fired = pt_simdisk_fault_fired(disk);
            pt_simdisk_fail_call(disk, 0, PT_OK, false);
            pt_simdisk_crash(disk,
                             how % 3 == 0   ? PT_SIMDISK_LOSE_ALL
                             : how % 3 == 1 ? PT_SIMDISK_LOSE_SOME
                                            : PT_SIMDISK_LOSE_NONE,
                             call);
            check_and_go_on(&f, io, acked);
            pt_simdisk_destroy(disk);
        }
    }
    PT_CHECK(swept > 100);
    teardown(&f);
}

/* Start lost its lock file, and so does the look after it. */
static void two_crashes_before_the_lock_file_are_no_damage(void **state)
{
    struct fixture f;
    unsigned whole = 0;

    (void)state;
    setup(&f);
    for (unsigned first = 1; whole < 2; first++) {
        for (unsigned second = 1; second < 40; second++) {
            struct pt_simdisk *disk = disk_with(&f);
            struct pt_io *io = pt_simdisk_io(disk);
            size_t acked = 0;

            pt_simdisk_fail_from(disk, first, PT_IO);
            acked = start(&f, io) == PT_OK;
            whole += acked && second == 1;
            pt_simdisk_crash(disk, PT_SIMDISK_LOSE_NONE, 0);
            if (pt_started_open(io, f.dir, "shop", f.started, &err) == PT_OK) {
                pt_simdisk_fail_from(disk, second, PT_IO);
                acked = add(&f, io, 1) == PT_OK ? 2 : acked;
                pt_simdisk_crash(disk, PT_SIMDISK_LOSE_NONE, 0);
            }
            check_and_go_on(&f, io, acked);
            pt_simdisk_destroy(disk);
        }
    }
    teardown(&f);
}

static void a_torn_last_line_is_no_line(void **state)
{
    struct fixture f;
    char *path = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    size_t line = 0;

    (void)state;
    setup(&f);
    PT_CHECK(run(&f, pt_io_posix()) == 4);
    path = pt_strf("%s/journal", f.dir);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &data, &size, &err), err);
    for (line = size - 1; data[line - 1] != '\n'; line--) {
    }
    /* lock.json names the line, so that its loss is damage; half of one more is none. */
    for (size_t bytes = line; bytes < size; bytes += 17) {
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, bytes), 0, &err), err);
        PT_CHECK(pt_started_open(pt_io_posix(), f.dir, "shop", f.started, &err) == PT_CORRUPT);
    }
    for (size_t more = 1; more < size - line; more += 17) {
        uint8_t *torn = pt_alloc(size + more);

        memcpy(torn, data, size);
        memcpy(torn + size, data + line, more);
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(torn, size + more), 0, &err),
                    err);
        check_and_go_on(&f, pt_io_posix(), 4);
        pt_free(torn);
    }
    pt_free(data);
    pt_free(path);
    teardown(&f);
}

/* A hash that is not the journal's is refused, and both are told so that they can be looked up. */
static void a_changed_lock_is_told_with_whole_hashes(void **state)
{
    static const char *const keys[] = {"\"plan_sha256\":\"", "\"journal_sha256\":\""};
    struct fixture f;
    char *path = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    char real[2 * PT_SHA256_BYTES + 1] = "";

    (void)state;
    setup(&f);
    PT_CHECK(run(&f, pt_io_posix()) == 4);
    memcpy(real, f.started->hash, sizeof(real));
    path = pt_strf("%s/shop/lock.json", f.dir);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 16, 1, &data, &size, &err), err);
    data[size] = '\0';
    for (size_t i = 0; i < 2; i++) {
        char *at = strstr((char *)data, keys[i]);
        char told[2 * PT_SHA256_BYTES + 1] = "";

        assert_non_null(at);
        at += strlen(keys[i]) + sizeof(told) - 2; /* the last digit, which an excerpt would lack */
        *at ^= 1;
        memcpy(told, at - (sizeof(told) - 2), sizeof(told) - 1);
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size), 0, &err), err);
        PT_CHECK(pt_started_open(pt_io_posix(), f.dir, "shop", f.started, &err) == PT_CORRUPT);
        if (!strstr(err.text, told) || (i == 0 && !strstr(err.text, real))) {
            fail_msg("%s", err.text);
        }
        *at ^= 1;
    }
    pt_free(data);
    pt_free(path);
    teardown(&f);
}

static void a_process_that_dies_at_any_change_leaves_it_sound(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned call = 1; fired; call++) {
        struct fixture f;
        size_t acked = 0;

        setup(&f);
        acked = run(&f, pt_fault_io(call));
        fired = pt_fault_io_fired();
        check_and_go_on(&f, pt_io_posix(), acked);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_and_no_crash_loses_what_was_acknowledged),
        cmocka_unit_test(two_crashes_before_the_lock_file_are_no_damage),
        cmocka_unit_test(a_torn_last_line_is_no_line),
        cmocka_unit_test(a_changed_lock_is_told_with_whole_hashes),
        cmocka_unit_test(a_process_that_dies_at_any_change_leaves_it_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
