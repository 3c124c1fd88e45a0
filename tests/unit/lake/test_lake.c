/*
 * test_lake.c - what is committed is in the table, once, as it was given
 *
 * Method: rows are written and committed into a table in a fresh directory, which is then closed,
 * opened again, moved, and asked through DuckDB; commits are repeated, raced and made to fail.
 */
#include "lake_world.h"

/* ---- the tests ---- */

static void a_new_table_is_empty(void **state)
{
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    char *nowhere = NULL;

    (void)state;
    setup(&f);
    PT_CHECK(pt_lake_checkpoint(f.lake) == 0 && pt_lake_row_count(f.lake) == 0);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    PT_CHECK(snapshot.snapshot_id == 0 && snapshot.file_count == 0);
    pt_lake_snapshot_release(&snapshot);
    check_table(f.dir, "count(*)", "", "0");
    check_table(f.dir, "typeof(event_time)", "UNION ALL SELECT 'end'", "end");
    nowhere = pt_strf("%s/nowhere", f.root);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), nowhere, &snapshot, &err), err);
    PT_CHECK(snapshot.snapshot_id == 0);
    pt_free(nowhere);
    reopen_lake(&f);
    PT_CHECK(pt_lake_checkpoint(f.lake) == 0);
    teardown(&f);
}

static void rows_read_back_as_given(void **state)
{
    struct fixture f;
    struct pt_row rows[2];
    char *huge = pt_alloc(300001);
    char *answer = NULL;

    (void)state;
    assert_non_null(huge);
    memset(huge, 'x', 300000);
    huge[300000] = '\0';
    rows[0] = plain_row(1, DAY0 * PT_DAY_US + 1);
    rows[0].event.platform = PT_PLATFORM_NONE;
    rows[0].event.seq = PT_EVENT_NO_NUMBER;
    rows[0].event.attributes = text(NULL);
    rows[1] = plain_row(0x1234, DAY0 * PT_DAY_US + 123456);
    rows[1].event.event_name = text("Übung \xf0\x9f\x8e\xae 'quoted'");
    rows[1].event.session_id = text(huge);
    rows[1].event.build_id = text("1.2.3");
    rows[1].event.mechanic_version = text("exactly12byt");
    rows[1].event.has_install = true;
    rows[1].event.install[0] = 0xab;
    rows[1].event.boot = 0;
    rows[1].event.clock_skew_us = -42;
    rows[1].is_late = true;
    setup(&f);
    append_rows(f.lake, rows, 2, 7);
    PT_CHECK(pt_lake_row_count(f.lake) == 2 && pt_lake_checkpoint(f.lake) == 7);
    check_table(f.dir, "event_id", "",
                "00000000-0000-0001-8000-000000000000|"
                "00000000-0000-1234-8000-000000000000");
    check_table(f.dir, "event_name", "", "level_end|Übung \xf0\x9f\x8e\xae 'quoted'");
    check_table(f.dir, "event_time", "",
                "2026-11-01 00:00:00.000001+00|2026-11-01 00:00:00.123456+00");
    check_table(f.dir, "epoch_us(occurred_at) - epoch_us(event_time)", "", "-5|-5");
    check_table(f.dir, "epoch_us(received_at) - epoch_us(event_time)", "", "7|7");
    check_table(f.dir, "user_id", "",
                "00000000000000010000000000000000|"
                "00000000000012340000000000000000");
    check_table(f.dir, "seq", "", "NULL|4660");
    check_table(f.dir, "install_id", "", "NULL|ab000000000000000000000000000000");
    check_table(f.dir, "boot", "", "NULL|0");
    check_table(f.dir, "build_id", "", "NULL|1.2.3");
    check_table(f.dir, "platform", "", "NULL|ios");
    check_table(f.dir, "mechanic_version", "", "NULL|exactly12byt");
    check_table(f.dir, "attributes", "", "NULL|{\"level\":3}");
    check_table(f.dir, "clock_skew_us", "", "NULL|-42");
    check_table(f.dir, "is_late", "", "false|true");
    answer = ask_table(f.dir, "session_id", "WHERE seq IS NOT NULL");
    assert_string_equal(answer, huge);
    pt_free(answer);
    pt_free(huge);
    teardown(&f);
}

/* Enough rows for several chunks and out of order over days, each with a text of its own. */
static void many_days_make_many_files_in_order(void **state)
{
    enum { COUNT = 9000, DAYS = 7 };
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    struct pt_row *rows = pt_alloc(COUNT * sizeof(*rows));
    char(*sessions)[24] = pt_alloc(COUNT * sizeof(*sessions));

    (void)state;
    assert_non_null(rows);
    assert_non_null(sessions);
    for (unsigned i = 0; i < COUNT; i++) {
        rows[i] = plain_row(i, (DAY0 + i * 5 % DAYS) * PT_DAY_US + i);
        snprintf(sessions[i], sizeof(sessions[i]), "session-number-%u", i);
        rows[i].event.session_id = text(sessions[i]);
        rows[i].event.has_install = i % 2;
        memcpy(rows[i].event.install, &i, sizeof(i));
    }
    setup(&f);
    append_rows(f.lake, rows, COUNT, 1);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    PT_CHECK(snapshot.file_count == DAYS && snapshot.row_count == COUNT);
    for (unsigned i = 0; i < DAYS; i++) {
        PT_CHECK(snapshot.file_rows[i] == (COUNT - 1 - i * 3 % DAYS) / DAYS + 1);
        PT_CHECK(strstr(snapshot.files[i], "/data/event_time_day=2026-11-0") != NULL);
        PT_CHECK(snapshot.file_bytes[i] > 0);
    }
    pt_lake_snapshot_release(&snapshot);
    check_table(f.dir,
                "count(*) = 9000 AND count(DISTINCT event_id) = 9000 AND "
                "bool_and(session_id = 'session-number-' || seq) AND "
                "bool_and(user_id = printf('%016x', seq) || repeat('0', 16)) AND "
                "bool_and((install_id IS NULL) = (seq % 2 = 0)) AND "
                "bool_and(epoch_us(event_time) % 86400000000 = seq)",
                "", "true");
    /* One file is read as it lies: rows of a day keep the order in which they came. */
    check_table(f.dir, "list(seq) = list_sort(list(seq))",
                "WHERE event_time::DATE = DATE '2026-11-03'", "true");
    pt_free(sessions);
    pt_free(rows);
    teardown(&f);
}

static void committing_twice_changes_nothing(void **state)
{
    struct fixture f;
    struct pt_row rows[3];
    struct pt_buf files;
    unsigned metadata = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        rows[i] = plain_row(i, DAY0 * PT_DAY_US + i);
    }
    setup(&f);
    pt_buf_init(&files, 1u << 20);
    PT_CHECK_OK(write_rows(f.lake, rows, 2, 5, &files), err);
    PT_CHECK_OK(write_rows(f.lake, rows, 3, 5, &files), err); /* replaces */
    PT_CHECK(pt_lake_row_count(f.lake) == 0);
    PT_CHECK_OK(commit_files(f.lake, &files, 5), err);
    PT_CHECK(pt_lake_row_count(f.lake) == 3);
    metadata = files_in(f.dir, "metadata", ".metadata.json");
    files.size = strlen((const char *)files.data); /* without the padding */
    PT_CHECK_OK(commit_files(f.lake, &files, 5), err);
    reopen_lake(&f);
    files.size = strlen((const char *)files.data);
    PT_CHECK_OK(commit_files(f.lake, &files, 5), err);
    files.size = strlen((const char *)files.data);
    PT_CHECK_OK(commit_files(f.lake, &files, 4), err);
    PT_CHECK(pt_lake_row_count(f.lake) == 3 && pt_lake_checkpoint(f.lake) == 5);
    PT_CHECK(files_in(f.dir, "metadata", ".metadata.json") == metadata);
    check_table(f.dir, "count(*)", "", "3");
    /* A number that is in the table is not written over. */
    PT_CHECK(write_rows(f.lake, rows, 1, 5, &files) == PT_INVALID);
    check_table(f.dir, "count(*)", "", "3");
    /* No files: no snapshot. */
    PT_CHECK_OK(write_rows(f.lake, rows, 0, 6, &files), err);
    PT_CHECK_OK(commit_files(f.lake, &files, 6), err);
    PT_CHECK(pt_lake_checkpoint(f.lake) == 5);
    pt_buf_release(&files);
    teardown(&f);
}

static void the_second_writer_is_fenced(void **state)
{
    struct fixture f;
    struct pt_lake *other = NULL;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_buf files;
    unsigned avro = 0;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_lake_open(&other, pt_io_posix(), pt_clock_system(), f.dir, &err), err);
    append_rows(f.lake, &row, 1, 1);
    avro = files_in(f.dir, "metadata", ".avro");
    pt_buf_init(&files, 1u << 20);
    PT_CHECK_OK(write_rows(other, &row, 1, 2, &files), err);
    PT_CHECK(commit_files(other, &files, 2) == PT_FENCED);
    PT_CHECK(files_in(f.dir, "metadata", ".avro") == avro);
    /* Nor after so many commits that the metadata it started from, and the next, are gone. */
    for (uint64_t i = 2; i < 110; i++) {
        append_rows(f.lake, &row, 1, i);
    }
    files.size = strlen((const char *)files.data);
    PT_CHECK(commit_files(other, &files, 200) == PT_FENCED);
    pt_buf_release(&files);
    pt_lake_close(other);
    reopen_lake(&f);
    PT_CHECK(pt_lake_row_count(f.lake) == 109 && pt_lake_checkpoint(f.lake) == 109);
    teardown(&f);
}

/* Beyond the limits manifests merge and old metadata goes; every row stays. */
static void a_long_history_stays_small(void **state)
{
    enum { COMMITS = 400 };
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    unsigned avro = 0;

    (void)state;
    setup(&f);
    for (uint64_t i = 1; i <= COMMITS; i++) {
        struct pt_row row = plain_row(i, (DAY0 + (int64_t)(i % 3)) * PT_DAY_US);

        append_rows(f.lake, &row, 1, i);
    }
    PT_CHECK(pt_lake_row_count(f.lake) == COMMITS);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    PT_CHECK(snapshot.file_count == COMMITS && snapshot.row_count == COMMITS);
    PT_CHECK(strstr(snapshot.files[0], "ckpt-00000001.") != NULL);
    PT_CHECK(strstr(snapshot.files[COMMITS - 1], "ckpt-00000400.") != NULL);
    pt_lake_snapshot_release(&snapshot);
    PT_CHECK(files_in(f.dir, "metadata", ".metadata.json") == 101);
    avro = files_in(f.dir, "metadata", ".avro");
    /* A list and a manifest a commit, and 4 merged manifests: one every 100 commits. */
    assert_int_equal(avro, 2 * COMMITS + 4);
    PT_CHECK(expire(f.lake, 0, true).orphans == 0); /* commits had left nothing behind */
    PT_CHECK(files_in(f.dir, "metadata", ".avro") == avro);
    check_table(f.dir, "sum(seq)", "", "80200");
    teardown(&f);
}

static void orphans_go_and_nothing_else(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_buf files;
    uint64_t removed = 0;

    (void)state;
    setup(&f);
    append_rows(f.lake, &row, 1, 1);
    pt_buf_init(&files, 1u << 20);
    PT_CHECK_OK(write_rows(f.lake, &row, 1, 2, &files), err); /* never committed */
    put_file(f.dir, "data/event_time_day=2026-11-01/tmp_x.parquet");
    put_file(f.dir, "metadata/snap-1.avro");
    put_file(f.dir, "metadata/new-1.metadata.json");
    put_file(f.dir, "metadata/note.txt");
    reopen_lake(&f);
    /* The newest checkpoint may be waiting to commit its file: only the engine knows better. */
    PT_CHECK(expire(f.lake, 0, true).orphans == 3);
    PT_CHECK(files_in(f.dir, "data/event_time_day=2026-11-01", ".parquet") == 2);
    PT_CHECK_OK(pt_lake_remove_orphans(f.lake, &removed, &err), err);
    PT_CHECK(removed == 1);
    PT_CHECK(files_in(f.dir, "data/event_time_day=2026-11-01", ".parquet") == 1);
    PT_CHECK(files_in(f.dir, "metadata", ".avro") == 2);
    PT_CHECK(files_in(f.dir, "metadata", "note.txt") == 1);
    PT_CHECK(files_in(f.dir, "metadata", ".metadata.json") == 2);
    check_table(f.dir, "count(*)", "", "1");
    /* A commit of files that are gone is refused, not made into a table with holes. */
    PT_CHECK(commit_files(f.lake, &files, 2) == PT_CORRUPT);
    PT_CHECK(pt_lake_checkpoint(f.lake) == 1);
    pt_buf_release(&files);
    teardown(&f);
}

static void a_moved_table_reads_and_grows(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    char *there = NULL;

    (void)state;
    setup(&f);
    append_rows(f.lake, &row, 1, 1);
    there = pt_strf("%s/it's [moved]", f.root);
    PT_CHECK_OK(pt_io_rename(pt_io_posix(), f.dir, there, &err), err);
    pt_free(f.dir);
    f.dir = there;
    reopen_lake(&f);
    row = plain_row(2, DAY0 * PT_DAY_US);
    append_rows(f.lake, &row, 1, 2);
    check_table(f.dir, "sum(seq)", "", "3");
    teardown(&f);
}

/* Put `to` in place of the first `from`, of the same length, in version 1 of the metadata. */
static void change_metadata(struct fixture *f, const char *from, const char *to)
{
    uint8_t *text_read = NULL;
    char *path = pt_strf("%s/metadata/v1.metadata.json", f->dir);
    char *member = NULL;
    size_t size = 0;

    PT_CHECK(strlen(from) == strlen(to));
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &text_read, &size, &err), err);
    member = strstr((char *)text_read, from);
    assert_non_null(member);
    memcpy(member, to, strlen(to));
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(text_read, size), 0, &err), err);
    pt_free(text_read);
    pt_free(path);
}

/* A table that we would write wrongly is refused before a file of ours gets into it. */
static void another_table_is_refused(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *message;
    } cases[] = {
        {"\"platform\"", "\"platfurm\"", "rename it back"},
        {"\"name\":\"seq\",\"required\":false,\"type\":\"long\"",
         "\"name\":\"seq\",\"required\":false,\"type\":\"date\"", "of type date now"},
        {"\"format-version\":2", "\"format-version\":3", "format version 3"},
        {"\"transform\":\"day\"", "\"transform\":\"max\"", "not partitioned by day"},
        {"\"default-spec-id\":0", "\"default-spec-id\":1", "partition spec was changed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct pt_lake *lake = NULL;

        setup(&f);
        change_metadata(&f, cases[i].from, cases[i].to);
        PT_CHECK(pt_lake_open(&lake, pt_io_posix(), pt_clock_system(), f.dir, &err) == PT_INVALID);
        if (!strstr(err.text, cases[i].message)) {
            fail_msg("%s: %s", cases[i].message, err.text);
        }
        PT_CHECK(lake == NULL);
        teardown(&f);
    }
}

static void damage_is_named(void **state)
{
    struct fixture f;
    struct pt_lake *lake = NULL;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_lake_snapshot snapshot;

    (void)state;
    setup(&f);
    append_rows(f.lake, &row, 1, 1);
    put_file(f.dir, "metadata/v9.metadata.json");
    PT_CHECK(pt_lake_open(&lake, pt_io_posix(), pt_clock_system(), f.dir, &err) == PT_CORRUPT);
    PT_CHECK(strstr(err.text, "v9.metadata.json") != NULL);
    PT_CHECK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err) == PT_CORRUPT);
    teardown(&f);
}

/* Every allocation of ours in a write and a commit fails once; afterwards both work. */
static void no_failed_allocation_harms_the_table(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_buf files;
    uint64_t checkpoint = 1;
    bool fired = true;

    (void)state;
    setup(&f);
    pt_buf_init(&files, 1u << 20);
    append_rows(f.lake, &row, 1, checkpoint);
    for (unsigned nth = 1; fired; nth++) {
        enum pt_code code = PT_OK;

        row = plain_row(++checkpoint, DAY0 * PT_DAY_US);
        pt_mem_fail_after(nth);
        code = write_rows(f.lake, &row, 1, checkpoint, &files);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        if (code) {
            PT_CHECK(code == PT_NO_MEMORY);
            PT_CHECK_OK(write_rows(f.lake, &row, 1, checkpoint, &files), err);
        }
        PT_CHECK_OK(commit_files(f.lake, &files, checkpoint), err);
    }
    fired = true;
    for (unsigned nth = 1; fired; nth++) {
        struct pt_json_parser *parser = pt_json_parser_create(1u << 20);
        struct pt_json root = {0};
        enum pt_code code = PT_OK;

        row = plain_row(++checkpoint, DAY0 * PT_DAY_US);
        PT_CHECK_OK(write_rows(f.lake, &row, 1, checkpoint, &files), err);
        root = parse(parser, &files);
        pt_mem_fail_after(nth);
        code = pt_lake_commit(f.lake, root, checkpoint, &err);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(code == PT_OK || code == PT_NO_MEMORY);
        PT_CHECK_OK(pt_lake_commit(f.lake, root, checkpoint, &err), err);
        PT_CHECK(pt_lake_checkpoint(f.lake) == checkpoint);
        pt_json_parser_destroy(parser);
    }
    PT_CHECK(pt_lake_row_count(f.lake) == checkpoint);
    reopen_lake(&f);
    PT_CHECK(pt_lake_row_count(f.lake) == checkpoint);
    pt_buf_release(&files);
    teardown(&f);
}

/* ---- every file call fails once ---- */

static unsigned io_calls_left; /* 0: none fails */
static struct pt_io *real_io;

static bool io_fails(struct pt_error *error)
{
    if (io_calls_left && --io_calls_left == 0) {
        pt_fail(error, PT_IO, "made to fail");
        return true;
    }
    return false;
}

static enum pt_code faulty_open(void *ctx, const char *path, unsigned flags,
                                struct pt_file **file_out, struct pt_error *error)
{
    *file_out = NULL;
    return io_fails(error) ? PT_IO : real_io->open(ctx, path, flags, file_out, error);
}

static enum pt_code faulty_write(void *ctx, struct pt_file *file, uint64_t at, const void *data,
                                 size_t bytes, struct pt_error *error)
{
    return io_fails(error) ? PT_IO : real_io->write(ctx, file, at, data, bytes, error);
}

static enum pt_code faulty_sync(void *ctx, struct pt_file *file, struct pt_error *error)
{
    return io_fails(error) ? PT_IO : real_io->sync(ctx, file, error);
}

static enum pt_code faulty_sync_dir(void *ctx, const char *path, struct pt_error *error)
{
    return io_fails(error) ? PT_IO : real_io->sync_dir(ctx, path, error);
}

/* The worst of its kind: the rename happens, and an error comes back. */
static enum pt_code faulty_rename_new(void *ctx, const char *from, const char *to,
                                      struct pt_error *error)
{
    bool fails = io_fails(error);
    enum pt_code code = real_io->rename_new(ctx, from, to, error);

    return fails ? PT_IO : code;
}

static void no_failed_file_call_loses_or_doubles_rows(void **state)
{
    struct pt_io io = *pt_io_posix();
    struct fixture f;
    struct pt_buf files;
    uint64_t checkpoint = 0;
    bool fired = true;

    (void)state;
    real_io = pt_io_posix();
    io.open = faulty_open;
    io.write = faulty_write;
    io.sync = faulty_sync;
    io.sync_dir = faulty_sync_dir;
    io.rename_new = faulty_rename_new;
    setup(&f);
    pt_lake_close(f.lake);
    PT_CHECK_OK(pt_lake_open(&f.lake, &io, pt_clock_system(), f.dir, &err), err);
    pt_buf_init(&files, 1u << 20);
    for (unsigned nth = 1; fired; nth++) {
        struct pt_row rows[2] = {plain_row(2 * nth, DAY0 * PT_DAY_US),
                                 plain_row(2 * nth + 1, (DAY0 + 1) * PT_DAY_US)};
        enum pt_code code = PT_OK;

        checkpoint++;
        io_calls_left = nth;
        code = write_rows(f.lake, rows, 2, checkpoint, &files);
        if (code) {
            PT_CHECK_OK(write_rows(f.lake, rows, 2, checkpoint, &files), err);
        }
        code = commit_files(f.lake, &files, checkpoint);
        fired = io_calls_left == 0;
        io_calls_left = 0;
        if (code) {
            files.size = strlen((const char *)files.data);
            PT_CHECK_OK(commit_files(f.lake, &files, checkpoint), err);
        }
        PT_CHECK(pt_lake_row_count(f.lake) == 2 * checkpoint);
    }
    PT_CHECK(checkpoint > 15);
    pt_lake_close(f.lake);
    open_lake(&f);
    PT_CHECK(pt_lake_row_count(f.lake) == 2 * checkpoint);
    pt_buf_release(&files);
    teardown(&f);
}

/* A file system of a few pages is not always to be had: /dev/full answers as a full disk does. */
static void a_full_disk_is_told_apart(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_buf files;
    char *day = NULL;
    char *path = NULL;

    (void)state;
    setup(&f);
    day = pt_strf("%s/data/event_time_day=2026-11-01", f.dir);
    path = pt_strf("%s/ckpt-00000001.parquet", day);
    PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), day, &err), err);
    PT_CHECK(symlink("/dev/full", path) == 0);
    pt_buf_init(&files, 1u << 20);
    PT_CHECK(write_rows(f.lake, &row, 1, 1, &files) == PT_FULL);
    PT_CHECK_OK(write_rows(f.lake, &row, 1, 1, &files), err); /* there is space again */
    PT_CHECK_OK(commit_files(f.lake, &files, 1), err);
    check_table(f.dir, "count(*)", "", "1");
    pt_buf_release(&files);
    pt_free(path);
    pt_free(day);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_table_is_empty),
        cmocka_unit_test(rows_read_back_as_given),
        cmocka_unit_test(many_days_make_many_files_in_order),
        cmocka_unit_test(committing_twice_changes_nothing),
        cmocka_unit_test(the_second_writer_is_fenced),
        cmocka_unit_test(a_long_history_stays_small),
        cmocka_unit_test(orphans_go_and_nothing_else),
        cmocka_unit_test(a_moved_table_reads_and_grows),
        cmocka_unit_test(another_table_is_refused),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(no_failed_allocation_harms_the_table),
        cmocka_unit_test(no_failed_file_call_loses_or_doubles_rows),
        cmocka_unit_test(a_full_disk_is_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
