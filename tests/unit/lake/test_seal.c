/*
 * test_seal.c - a data file is named by its checksum, and retries leave no heap of files
 *
 * Method: write through the lake, hold each file to the sum in its name, write again with the
 * same and with other rows, and count the files that are there.
 */
#include "lake/lake.h"

#include "base/mem.h"
#include "base/tree.h"
#include "check.h"
#include "wire/rfc3339.h"

static struct pt_error err;

struct fixture {
    char *dir;
    struct pt_lake *lake;
    struct pt_buf files;
};

static void setup(struct fixture *f)
{
    f->dir = pt_test_dir_create();
    PT_CHECK_OK(pt_lake_open(&f->lake, pt_io_posix(), pt_clock_system(), f->dir, &err), err);
    pt_buf_init(&f->files, 1u << 20);
}

static void teardown(struct fixture *f)
{
    pt_buf_release(&f->files);
    pt_lake_close(f->lake);
    pt_test_dir_remove(f->dir);
}

/* `count` rows on one day, the same ones each time. */
static void write_rows(struct fixture *f, size_t count, uint64_t checkpoint)
{
    struct pt_row rows[8] = {0};
    struct pt_jsonw w;

    for (size_t i = 0; i < count; i++) {
        rows[i].event.event_id[0] = (uint8_t)(i + 1);
        rows[i].event.event_time_us = 20000 * PT_DAY_US;
        rows[i].event.seq = PT_EVENT_NO_NUMBER;
        rows[i].event.boot = PT_EVENT_NO_NUMBER;
    }
    pt_buf_reset(&f->files);
    pt_jsonw_init(&w, &f->files);
    pt_jsonw_array(&w);
    PT_CHECK_OK(pt_lake_write(f->lake, rows, count, checkpoint, &w, &err), err);
    pt_jsonw_array_end(&w);
}

static void commit(struct fixture *f, uint64_t checkpoint)
{
    struct pt_json_parser *parser = pt_json_parser_create(1u << 20);
    struct pt_json files;

    PT_CHECK(parser && pt_buf_reserve(&f->files, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&f->files), &files, NULL, &err), err);
    PT_CHECK_OK(pt_lake_commit(f->lake, files, checkpoint, &err), err);
    pt_json_parser_destroy(parser);
}

struct count {
    const char *dir;
    unsigned files;
};

static enum pt_code hold_to_name(void *ctx, const struct pt_tree_entry *entry, struct pt_error *e)
{
    struct count *count = ctx;
    size_t size = strlen(entry->path);

    if (size > 8 && strcmp(entry->path + size - 8, ".parquet") == 0) {
        char *path = pt_strf("%s/%s", count->dir, entry->path);
        uint64_t named = 0;
        uint64_t sum = 0;
        uint64_t bytes = 0;

        PT_CHECK(pt_lake_file_sum(path, &named));
        PT_CHECK_OK(pt_file_sum(pt_io_posix(), path, &bytes, &sum, e), *e);
        PT_CHECK(sum == named);
        count->files++;
        pt_free(path);
    }
    return PT_OK;
}

static unsigned data_files(const struct fixture *f)
{
    struct count count = {.dir = f->dir};

    PT_CHECK_OK(pt_tree_walk(pt_io_posix(), f->dir, hold_to_name, &count, &err), err);
    return count.files;
}

static void a_file_is_named_by_its_checksum(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    write_rows(&f, 3, 1);
    PT_CHECK(data_files(&f) == 1);
    commit(&f, 1);
    write_rows(&f, 4, 2);
    commit(&f, 2);
    PT_CHECK(data_files(&f) == 2);
    teardown(&f);
}

static void the_same_rows_again_are_the_same_file(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 5; i++) {
        write_rows(&f, 3, 1);
        PT_CHECK(data_files(&f) == 1);
    }
    commit(&f, 1);
    PT_CHECK(data_files(&f) == 1);
    teardown(&f);
}

static void a_commit_removes_what_earlier_tries_left(void **state)
{
    struct fixture f;
    struct pt_lake_snapshot snapshot;

    (void)state;
    setup(&f);
    write_rows(&f, 2, 1);
    write_rows(&f, 3, 1);
    PT_CHECK(data_files(&f) == 2); /* a checkpoint may name the first, though it seemed to fail */
    write_rows(&f, 4, 1);
    commit(&f, 1);
    PT_CHECK(data_files(&f) == 1);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    PT_CHECK(snapshot.row_count == 4 && snapshot.file_count == 1);
    pt_lake_snapshot_release(&snapshot);
    teardown(&f);
}

static void other_names_tell_no_checksum(void **state)
{
    static const char *const names[] = {"",
                                        "x",
                                        ".parquet",
                                        "ckpt-00000012.parquet",
                                        "0123456789abcdef.parquet",
                                        "compact-0123456789abcdef.parquet",
                                        "a/0123456789abcdef.parquet",
                                        "a.0123456789abcdeF.parquet",
                                        "a.0123456789abcdef.users",
                                        "a.x123456789abcdef.parquet"};
    uint64_t sum = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        PT_CHECK(!pt_lake_file_sum(names[i], &sum));
    }
    PT_CHECK(pt_lake_file_sum("a.0123456789abcdef.parquet", &sum));
    PT_CHECK(sum == UINT64_C(0x0123456789abcdef));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_named_by_its_checksum),
        cmocka_unit_test(the_same_rows_again_are_the_same_file),
        cmocka_unit_test(a_commit_removes_what_earlier_tries_left),
        cmocka_unit_test(other_names_tell_no_checksum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
