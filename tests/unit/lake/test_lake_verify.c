/*
 * test_lake_verify.c - a whole table has no faults, each planted one is named
 *
 * Method: a table of two commits is damaged in one place at a time; the report must name the file
 * and say what it is, and the reader must refuse what it cannot read right.
 */
#include "lake_world.h"

#include "lake/lake_inside.h"

struct faults {
    unsigned count;
    char text[4096];
};

static void note_fault(void *ctx, const char *file, const char *what, const char *advice)
{
    struct faults *faults = ctx;
    size_t used = strlen(faults->text);

    faults->count++;
    snprintf(faults->text + used, sizeof(faults->text) - used, "%s: %s -> %s\n", file, what,
             advice);
}

static struct faults verify(struct fixture *f, bool reads_data)
{
    struct faults faults = {0};
    struct pt_lake_verdict verdict;

    PT_CHECK_OK(
        pt_lake_verify(pt_io_posix(), f->dir, reads_data, note_fault, &faults, &verdict, &err),
        err);
    PT_CHECK(verdict.faults == faults.count);
    return faults;
}

static void make_table(struct fixture *f)
{
    struct pt_row rows[2] = {plain_row(1, DAY0 * PT_DAY_US), plain_row(2, DAY0 * PT_DAY_US + 7)};

    setup(f);
    append_rows(f->lake, rows, 1, 1);
    append_rows(f->lake, rows, 2, 2);
}

static void a_whole_table_has_no_faults(void **state)
{
    struct fixture f;
    struct pt_lake_verdict verdict;
    struct faults faults = {0};
    char *nowhere = NULL;

    (void)state;
    setup(&f);
    faults = verify(&f, true); /* no snapshot yet */
    assert_string_equal(faults.text, "");
    teardown(&f);
    make_table(&f);
    PT_CHECK_OK(pt_lake_verify(pt_io_posix(), f.dir, true, note_fault, &faults, &verdict, &err),
                err);
    assert_string_equal(faults.text, "");
    PT_CHECK(verdict.snapshots == 2 && verdict.manifests == 2 && verdict.files == 2 &&
             verdict.rows == 3);
    nowhere = pt_strf("%s/nowhere", f.root);
    PT_CHECK(pt_lake_verify(pt_io_posix(), nowhere, true, note_fault, &faults, &verdict, &err) ==
             PT_NOT_FOUND);
    pt_free(nowhere);
    teardown(&f);
}

/* ---- damage ---- */

enum damage { REMOVE, CUT, BLUR };

/* BLUR changes the last bytes and keeps the size: of a Parquet file the end of its footer. */
static void damage(struct fixture *f, const char *path, enum damage how)
{
    uint8_t *data = NULL;
    size_t size = 0;

    (void)f;
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &data, &size, &err), err);
    if (how == REMOVE) {
        PT_CHECK(unlink(path) == 0);
    } else if (how == CUT) {
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size - 9), 0, &err), err);
    } else {
        memset(data + size - 8, 'x', 8);
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size), 0, &err), err);
    }
    pt_free(data);
}

enum target { DATA, MANIFEST, LIST, METADATA };

static char *path_of(struct fixture *f, enum target target)
{
    struct pt_table *table = &f->lake->table;
    struct pt_lake_snapshot snapshot;
    struct pt_span list = {0};
    char *path = NULL;

    switch (target) {
    case DATA:
        PT_CHECK_OK(pt_lake_read(pt_io_posix(), f->dir, &snapshot, &err), err);
        path = pt_strdup(snapshot.files[1]);
        pt_lake_snapshot_release(&snapshot);
        return path;
    case MANIFEST:
        return pt_table_path(table, pt_span_str(table->manifests[1].path));
    case LIST:
        PT_CHECK(pt_json_member_string(pt_table_find_snapshot(table, table->snapshot_id),
                                       "manifest-list", &list));
        return pt_table_path(table, list);
    case METADATA:
        return pt_table_metadata_path(table, table->version);
    }
    return NULL;
}

static void each_damage_is_named(void **state)
{
    static const struct {
        enum target target;
        enum damage how;
        const char *what;
        const char *advice;
        enum pt_code read; /* what pt_lake_read() makes of it */
    } cases[] = {
        {DATA, REMOVE, "missing, with 2 rows", "backup", PT_OK},
        {DATA, CUT, "its manifest says", "backup", PT_OK},
        {DATA, BLUR, "cannot be read", "backup", PT_OK},
        {MANIFEST, REMOVE, "No such file", "backup", PT_CORRUPT},
        {MANIFEST, CUT, "its manifest list says", "backup", PT_CORRUPT},
        {MANIFEST, BLUR, "torn or damaged", "backup", PT_CORRUPT},
        {LIST, REMOVE, "No such file", "backup", PT_CORRUPT},
        {LIST, CUT, "torn or damaged", "backup", PT_CORRUPT},
        {METADATA, CUT, "byte", "the version before it is whole", PT_CORRUPT},
        {METADATA, BLUR, "byte", "move this file away", PT_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct faults faults;
        struct pt_lake_snapshot snapshot;
        char *path = NULL;

        make_table(&f);
        path = path_of(&f, cases[i].target);
        damage(&f, path, cases[i].how);
        faults = verify(&f, false);
        if (faults.count == 0 || !strstr(faults.text, path) ||
            !strstr(faults.text, cases[i].what) || !strstr(faults.text, cases[i].advice)) {
            fail_msg("case %zu: %u faults: %s", i, faults.count, faults.text);
        }
        PT_CHECK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err) == cases[i].read);
        PT_CHECK(cases[i].read == PT_OK || strstr(err.text, f.dir) != NULL);
        pt_lake_snapshot_release(&snapshot);
        pt_free(path);
        teardown(&f);
    }
}

/* One byte of a value: DuckDB reads it as another value, the file's name tells. */
static void a_changed_byte_is_named(void **state)
{
    struct fixture f;
    struct faults faults;
    uint8_t *data = NULL;
    char *path = NULL;
    size_t size = 0;

    (void)state;
    make_table(&f);
    path = path_of(&f, DATA);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &data, &size, &err), err);
    data[60] ^= 1;
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size), 0, &err), err);
    PT_CHECK(verify(&f, false).count == 0);
    faults = verify(&f, true);
    PT_CHECK(faults.count == 1 && strstr(faults.text, path) != NULL);
    PT_CHECK(strstr(faults.text, "checksum") != NULL);
    pt_free(data);
    pt_free(path);
    teardown(&f);
}

/* The cut metadata's version goes, the commit comes again: what the advice says. */
static void the_advice_for_metadata_works(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(3, DAY0 * PT_DAY_US);
    struct pt_buf files;
    char *path = NULL;

    (void)state;
    make_table(&f);
    pt_buf_init(&files, 1u << 20);
    PT_CHECK_OK(write_rows(f.lake, &row, 1, 3, &files), err);
    PT_CHECK_OK(commit_files(f.lake, &files, 3), err);
    path = path_of(&f, METADATA);
    damage(&f, path, CUT);
    PT_CHECK(unlink(path) == 0);
    reopen_lake(&f);
    PT_CHECK(pt_lake_checkpoint(f.lake) == 2);
    files.size = strlen((const char *)files.data);
    PT_CHECK_OK(commit_files(f.lake, &files, 3), err);
    check_table(f.dir, "count(*)", "", "4");
    PT_CHECK(verify(&f, true).count == 0);
    pt_buf_release(&files);
    pt_free(path);
    teardown(&f);
}

/* What a manifest says of a file's values, and is not so: seen only where rows are read. */
static void wrong_statistics_are_named(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *column;
    } cases[] = {
        {"\"nulls\":0", "\"nulls\":1", "event_id"},
        {"\"lower\":\"6c6576656c5f656e64\"", "\"lower\":\"7a6576656c5f656e64\"", "event_name"},
        {"\"day\":20758", "\"day\":20759", "day of its partition"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct faults faults;
        struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
        struct pt_buf files;
        char *at = NULL;

        setup(&f);
        pt_buf_init(&files, 1u << 20);
        PT_CHECK_OK(write_rows(f.lake, &row, 1, 1, &files), err);
        pt_buf_append_byte(&files, 0);
        at = strstr((char *)files.data, cases[i].from);
        assert_non_null(at);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        files.size = strlen((const char *)files.data);
        PT_CHECK_OK(commit_files(f.lake, &files, 1), err);
        PT_CHECK(verify(&f, false).count == 0);
        faults = verify(&f, true);
        if (faults.count != 1 || !strstr(faults.text, cases[i].column)) {
            fail_msg("%s: %s", cases[i].column, faults.text);
        }
        pt_buf_release(&files);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_table_has_no_faults),
        cmocka_unit_test(each_damage_is_named),
        cmocka_unit_test(a_changed_byte_is_named),
        cmocka_unit_test(the_advice_for_metadata_works),
        cmocka_unit_test(wrong_statistics_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
