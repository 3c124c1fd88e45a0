/*
 * test_lake_expire.c - what expires is gone, what is named stays, whenever a crash comes
 *
 * Method: tables with replaced files, tags, pending and foreign files are expired, also with every
 * call to the file system being the last one that works; afterwards the table is verified.
 */
#include "lake_world.h"

#include "fault_io.h"

#include "lake/lake_inside.h"

#define DAY_DIR "data/event_time_day=2026-11-01"

static void refuse_fault(void *ctx, const char *file, const char *what, const char *advice)
{
    (void)ctx;
    fail_msg("%s: %s (%s)", file, what, advice);
}

static void check_whole(struct fixture *f)
{
    struct pt_lake_verdict verdict;

    PT_CHECK_OK(pt_lake_verify(pt_io_posix(), f->dir, true, refuse_fault, NULL, &verdict, &err),
                err);
}

/* Commits 1 and 2 a row each, then one file for both: the two remain for the older snapshots. */
static void make_replaced(struct fixture *f)
{
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    struct pt_row rows[2] = {plain_row(1, DAY0 * PT_DAY_US), plain_row(2, DAY0 * PT_DAY_US)};
    struct pt_lake_snapshot snapshot;
    struct pt_change change = {.operation = PT_OPERATION_REPLACE};
    struct pt_buf files;

    pt_buf_init(&files, 1u << 20);
    append_rows(f->lake, &rows[0], 1, 1);
    append_rows(f->lake, &rows[1], 1, 2);
    PT_CHECK_OK(write_rows(f->lake, rows, 2, 90, &files), err);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f->dir, &snapshot, &err), err);
    change.added = parse(parser, &files);
    change.removed = (const char *const *)snapshot.files;
    change.removed_count = snapshot.file_count;
    PT_CHECK_OK(pt_lake_change(f->lake, &change, &err), err);
    pt_lake_snapshot_release(&snapshot);
    pt_buf_release(&files);
    pt_json_parser_destroy(parser);
}

static void replaced_files_go_with_their_last_snapshot(void **state)
{
    struct fixture f;
    struct pt_lake_expired expired;
    const struct pt_lake_expiry dry = {
        .age_us = -1, .kept_max = 1, .orphan_age_us = 0, .is_dry_run = true};

    (void)state;
    setup(&f);
    make_replaced(&f);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 3);
    PT_CHECK(expire(f.lake, 2, true).data_files == 0); /* the second snapshot names both */
    PT_CHECK_OK(pt_lake_expire(f.lake, &dry, &expired, &err), err);
    PT_CHECK(expired.snapshots == 1 && expired.data_files == 2 && expired.orphans == 0);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 3);
    expired = expire(f.lake, 1, true);
    PT_CHECK(expired.snapshots == 1 && expired.data_files == 2 && expired.orphans == 0);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 1);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".users") == 1);
    /* Left: the list, the added manifest, and the one that says what was deleted. */
    PT_CHECK(files_in(f.dir, "metadata", ".avro") == 3);
    check_table(f.dir, "sum(seq) || ',' || count(*)", "", "3,2");
    check_whole(&f);
    PT_CHECK(expire(f.lake, 1, true).snapshots == 0);
    teardown(&f);
}

static void age_decides_too(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_lake_expiry rule = {.age_us = 3600 * INT64_C(1000000), .orphan_age_us = -1};
    struct pt_lake_expired expired;

    (void)state;
    setup(&f);
    for (uint64_t i = 1; i <= 3; i++) {
        append_rows(f.lake, &row, 1, i);
    }
    PT_CHECK_OK(pt_lake_expire(f.lake, &rule, &expired, &err), err);
    PT_CHECK(expired.snapshots == 0);
    usleep(3000);
    rule.age_us = 1000; /* all are older: the current one stays all the same */
    PT_CHECK_OK(pt_lake_expire(f.lake, &rule, &expired, &err), err);
    PT_CHECK(expired.snapshots == 2);
    PT_CHECK(pt_lake_checkpoint(f.lake) == 3);
    check_table(f.dir, "count(*)", "", "3");
    check_whole(&f);
    teardown(&f);
}

/* A tag of another program keeps its snapshot and that snapshot's files. */
static void a_tag_keeps_its_snapshot(void **state)
{
    struct fixture f;
    struct pt_lake_history history;
    struct pt_lake_snapshot snapshot;
    struct pt_lake_at at = {.kind = PT_LAKE_AT_SNAPSHOT};
    uint8_t *text_read = NULL;
    char *path = NULL;
    char *refs = NULL;
    struct pt_buf out;
    size_t size = 0;

    (void)state;
    setup(&f);
    make_replaced(&f);
    PT_CHECK_OK(pt_lake_read_history(pt_io_posix(), f.dir, &history, &err), err);
    at.snapshot_id = history.events[1].snapshot_id;
    path = pt_table_metadata_path(&f.lake->table, f.lake->table.version);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &text_read, &size, &err), err);
    refs = strstr((char *)text_read, "\"refs\":{");
    assert_non_null(refs);
    pt_buf_init(&out, 1u << 20);
    pt_buf_append(&out, text_read, (size_t)(refs - (char *)text_read) + 8);
    pt_buf_appendf(&out, "\"kept\":{\"snapshot-id\":%" PRId64 ",\"type\":\"tag\"},",
                   at.snapshot_id);
    pt_buf_append_str(&out, refs + 8);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_buf_span(&out), 0, &err), err);
    PT_CHECK(expire(f.lake, 1, true).snapshots == 1);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 3);
    PT_CHECK_OK(pt_lake_read_at(pt_io_posix(), f.dir, &at, &snapshot, &err), err);
    PT_CHECK(snapshot.row_count == 2 && snapshot.file_count == 2);
    check_whole(&f);
    pt_lake_snapshot_release(&snapshot);
    pt_lake_history_release(&history);
    pt_buf_release(&out);
    pt_free(text_read);
    pt_free(path);
    teardown(&f);
}

static void what_may_be_in_flight_stays(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_lake_expiry young = {.age_us = -1, .orphan_age_us = 3600 * INT64_C(1000000)};
    struct pt_lake_expired expired;
    struct pt_buf files;

    (void)state;
    setup(&f);
    append_rows(f.lake, &row, 1, 1);
    pt_buf_init(&files, 1u << 20);
    PT_CHECK_OK(write_rows(f.lake, &row, 1, 2, &files), err); /* waits for its commit */
    put_file(f.dir, DAY_DIR "/00000-1-theirs.parquet");
    put_file(f.dir, "metadata/theirs-m0.avro");
    PT_CHECK_OK(pt_lake_expire(f.lake, &young, &expired, &err), err);
    PT_CHECK(expired.orphans == 0);
    PT_CHECK(expire(f.lake, 0, true).orphans == 2);
    PT_CHECK(!has_file(f.dir, DAY_DIR "/00000-1-theirs.parquet"));
    PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 2);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".users") == 2);
    PT_CHECK_OK(commit_files(f.lake, &files, 2), err);
    check_table(f.dir, "count(*)", "", "2");
    /* A table that a catalogue keeps as well names files that ours does not. */
    put_file(f.dir, DAY_DIR "/00000-2-theirs.parquet");
    put_file(f.dir, "metadata/00001-0f3a.metadata.json");
    young.orphan_age_us = 0;
    PT_CHECK(pt_lake_expire(f.lake, &young, &expired, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "catalogue") != NULL);
    PT_CHECK(has_file(f.dir, DAY_DIR "/00000-2-theirs.parquet"));
    pt_buf_release(&files);
    teardown(&f);
}

static void a_damaged_table_keeps_what_it_has(void **state)
{
    struct fixture f;
    struct pt_lake_expiry rule = {.age_us = -1, .kept_max = 1, .orphan_age_us = 0};
    struct pt_lake_expired expired;
    char *path = NULL;

    (void)state;
    setup(&f);
    make_replaced(&f);
    path = pt_table_path(&f.lake->table, pt_span_str(f.lake->table.manifests[0].path));
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str("Obj"), 0, &err), err);
    PT_CHECK(pt_lake_expire(f.lake, &rule, &expired, &err) == PT_CORRUPT);
    PT_CHECK(unlink(path) == 0);
    PT_CHECK(pt_lake_expire(f.lake, &rule, &expired, &err) == PT_CORRUPT);
    PT_CHECK(strstr(err.text, "nothing expires") != NULL);
    PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 3);
    pt_free(path);
    teardown(&f);
}

/* From each call on all fail, as at a crash; the next run does what is left. */
static void a_crash_at_any_call_is_repaired_by_the_next_run(void **state)
{
    const struct pt_lake_expiry rule = {.age_us = -1, .kept_max = 1, .orphan_age_us = 0};
    unsigned crashes = 0;
    bool has_failed = true;

    (void)state;
    for (unsigned call = 1; has_failed; call++) {
        struct fixture f;
        struct pt_lake *lake = NULL;
        struct pt_lake_expired expired;

        setup(&f);
        make_replaced(&f);
        PT_CHECK_OK(pt_lake_open(&lake, pt_fault_io(0), pt_clock_system(), f.dir, &err), err);
        (void)pt_fault_io(call);
        has_failed = pt_lake_expire(lake, &rule, &expired, &err) != PT_OK;
        crashes += has_failed;
        (void)pt_fault_io(0);
        pt_lake_close(lake);
        check_whole(&f);
        check_table(f.dir, "sum(seq) || ',' || count(*)", "", "3,2");
        (void)expire(f.lake, 1, true);
        PT_CHECK(files_in(f.dir, DAY_DIR, ".parquet") == 1);
        PT_CHECK(files_in(f.dir, "metadata", ".avro") == 3);
        check_whole(&f);
        teardown(&f);
    }
    print_message("%u crashes\n", crashes);
    PT_CHECK(crashes > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaced_files_go_with_their_last_snapshot),
        cmocka_unit_test(age_decides_too),
        cmocka_unit_test(a_tag_keeps_its_snapshot),
        cmocka_unit_test(what_may_be_in_flight_stays),
        cmocka_unit_test(a_damaged_table_keeps_what_it_has),
        cmocka_unit_test(a_crash_at_any_call_is_repaired_by_the_next_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
