/*
 * test_log_copy.c - a copy of a log is a log, whatever its writer does meanwhile
 *
 * Method: copies are opened as the engine opens a log after a crash, and every record is held to
 * what was appended; one test copies beside a writer that recycles as fast as it can, another
 * fails every call of a copy once.
 */
#include "log/log.h"

#include "base/mem.h"
#include "base/tree.h"
#include "check.h"
#include "fault_io.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define RECORD_BYTES 4000
#define BATCH 10

static struct pt_error err;

struct fixture {
    char *root;
    char *from;
    char *to;
    struct pt_log *log;
};

static void setup(struct fixture *f, uint64_t retention_bytes)
{
    struct pt_log_options options;

    f->root = pt_test_dir_create();
    f->from = pt_strf("%s/from", f->root);
    f->to = pt_strf("%s/to", f->root);
    pt_log_options_default(&options);
    options.segment_bytes = 1u << 20;
    options.retention_bytes = retention_bytes;
    PT_CHECK_OK(pt_log_open(&f->log, pt_io_posix(), pt_clock_system(), f->from, &options, &err),
                err);
    PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), f->to, &err), err);
}

static void teardown(struct fixture *f)
{
    pt_log_close(f->log);
    pt_free(f->from);
    pt_free(f->to);
    pt_test_dir_remove(f->root);
}

/* A batch whose records say their offsets, synced. */
static void append(struct pt_log *log)
{
    static _Thread_local uint8_t records[BATCH * RECORD_BYTES];
    uint32_t sizes[BATCH];
    uint8_t note[PT_LOG_NOTE_BYTES] = {0};
    uint64_t offset = 0;

    for (uint32_t i = 0; i < BATCH; i++) {
        sizes[i] = RECORD_BYTES;
        pt_put_u64(records + (size_t)i * RECORD_BYTES, pt_log_end(log) + i);
    }
    PT_CHECK_OK(
        pt_log_append(log, pt_span_of(records, sizeof(records)), sizes, BATCH, note, &offset, &err),
        err);
    PT_CHECK_OK(pt_log_sync(log, &err), err);
}

/* Open the copy as after a crash; every record from `start` to `end` says its offset. */
static void check_copy(const char *dir, uint64_t synced, uint64_t start, uint64_t end)
{
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    uint64_t next = start;
    enum pt_code code = PT_OK;

    pt_log_options_default(&options);
    options.segment_bytes = 1u << 20;
    options.synced_offset = synced;
    PT_CHECK_OK(pt_log_open(&log, pt_io_posix(), pt_clock_system(), dir, &options, &err), err);
    PT_CHECK(pt_log_end(log) == end);
    PT_CHECK_OK(pt_log_reader_open(&reader, pt_io_posix(), dir, &err), err);
    PT_CHECK(pt_log_reader_start(reader) == start);
    while ((code = pt_log_reader_next(reader, UINT64_MAX, &batch, &err)) == PT_OK) {
        PT_CHECK(batch.offset == next);
        for (uint32_t i = 0; i < batch.count; i++) {
            PT_CHECK(pt_get_u64(batch.records + (size_t)i * RECORD_BYTES) == next);
            next++;
        }
    }
    PT_CHECK(code == PT_NOT_FOUND && next == end);
    append(log); /* and it goes on */
    pt_log_reader_close(reader);
    pt_log_close(log);
}

static void a_copy_starts_at_the_segment_of_its_offset(void **state)
{
    static const uint64_t offsets[] = {0, 5, 250, 251, 777, 1195, 1200};
    struct fixture f;

    (void)state;
    setup(&f, 1u << 30);
    for (unsigned i = 0; i < 120; i++) {
        append(f.log);
    }
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint64_t start = 0;
        uint64_t end = 0;

        PT_CHECK_OK(pt_log_copy(pt_io_posix(), f.from, f.to, offsets[i], &start, &end, &err), err);
        PT_CHECK(start <= offsets[i] && end == 1200);
        PT_CHECK(offsets[i] < 300 || start > 0);
        check_copy(f.to, 1200, start, end);
        PT_CHECK_OK(pt_tree_remove(pt_io_posix(), f.to, &err), err);
        PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), f.to, &err), err);
    }
    teardown(&f);
}

static void an_empty_log_and_none(void **state)
{
    struct fixture f;
    uint64_t start = 1;
    uint64_t end = 1;

    (void)state;
    setup(&f, 0);
    PT_CHECK_OK(pt_log_copy(pt_io_posix(), f.from, f.to, 0, &start, &end, &err), err);
    PT_CHECK(start == 0 && end == 0);
    check_copy(f.to, 0, 0, 0);
    PT_CHECK(pt_log_copy(pt_io_posix(), f.root, f.to, 0, &start, &end, &err) == PT_NOT_FOUND);
    teardown(&f);
}

struct writing {
    struct pt_log *log;
    _Atomic bool is_over;
};

static void *write_on(void *arg)
{
    struct writing *writing = arg;

    while (!atomic_load(&writing->is_over)) {
        append(writing->log);
        pt_log_release(writing->log, pt_log_end(writing->log));
    }
    return NULL;
}

static void a_copy_beside_a_writer_that_recycles(void **state)
{
    struct fixture f;
    struct writing writing;
    pthread_t thread;
    unsigned copies = 0;
    unsigned again = 0;

    (void)state;
    setup(&f, 2u << 20);
    writing.log = f.log;
    atomic_init(&writing.is_over, false);
    PT_CHECK(pthread_create(&thread, NULL, write_on, &writing) == 0);
    while (copies < 10 && again < 10000) {
        uint64_t synced = pt_log_synced_end(f.log);
        uint64_t start = 0;
        uint64_t end = 0;
        enum pt_code code = pt_log_copy(pt_io_posix(), f.from, f.to, synced, &start, &end, &err);

        if (code == PT_OK) {
            PT_CHECK(start <= synced && end >= synced);
            check_copy(f.to, synced, start, end);
            copies++;
        } else {
            PT_CHECK(code == PT_AGAIN);
            again++;
        }
        PT_CHECK_OK(pt_tree_remove(pt_io_posix(), f.to, &err), err);
        PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), f.to, &err), err);
    }
    atomic_store(&writing.is_over, true);
    pthread_join(thread, NULL);
    PT_CHECK(copies == 10);
    teardown(&f);
}

static void damage_is_not_copied(void **state)
{
    struct fixture f;
    struct pt_file *file = NULL;
    char *path = NULL;
    uint64_t start = 0;
    uint64_t end = 0;

    (void)state;
    setup(&f, 1u << 30);
    for (unsigned i = 0; i < 60; i++) {
        append(f.log);
    }
    path = pt_strf("%s/segment-%020d.log", f.from, 0);
    PT_CHECK_OK(pt_io_open(pt_io_posix(), path, PT_OPEN_WRITE, &file, &err), err);
    PT_CHECK_OK(pt_io_write(pt_io_posix(), file, 300000, "x", 1, &err), err);
    pt_io_close(pt_io_posix(), file);
    PT_CHECK(pt_log_copy(pt_io_posix(), f.from, f.to, 0, &start, &end, &err) == PT_CORRUPT);
    PT_CHECK(strstr(err.text, "segment-"));
    pt_free(path);
    teardown(&f);
}

static void no_failed_call_passes_for_a_copy(void **state)
{
    struct fixture f;
    bool fired = true;
    unsigned calls = 0;

    (void)state;
    setup(&f, 1u << 30);
    for (unsigned i = 0; i < 60; i++) {
        append(f.log);
    }
    for (unsigned call = 1; fired; call++) {
        uint64_t start = 0;
        uint64_t end = 0;
        enum pt_code code = pt_log_copy(pt_fault_io(call), f.from, f.to, 0, &start, &end, &err);

        fired = pt_fault_io_fired();
        PT_CHECK(fired ? code == PT_IO : code == PT_OK);
        if (code == PT_OK) {
            check_copy(f.to, 600, 0, 600);
        }
        calls = call;
        PT_CHECK_OK(pt_tree_remove(pt_io_posix(), f.to, &err), err);
        PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), f.to, &err), err);
    }
    PT_CHECK(calls > 10);
    (void)pt_fault_io(0);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_starts_at_the_segment_of_its_offset),
        cmocka_unit_test(an_empty_log_and_none),
        cmocka_unit_test(a_copy_beside_a_writer_that_recycles),
        cmocka_unit_test(damage_is_not_copied),
        cmocka_unit_test(no_failed_call_passes_for_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
