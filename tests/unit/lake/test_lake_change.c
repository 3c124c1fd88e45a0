/*
 * test_lake_change.c - several writers on one table, its past, and columns more
 *
 * Method: two handles on one table each commit without the other's knowledge; files are replaced;
 * metadata is edited as another program or an older version of ours would have left it.
 */
#include "lake_world.h"

#include "lake/lake_inside.h"

/* Replace `count` data files of the current snapshot, from the first, by `files`. */
static enum pt_code replace(struct fixture *f, struct pt_lake *lake, size_t count,
                            struct pt_buf *files)
{
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    struct pt_lake_snapshot snapshot;
    struct pt_change change = {.operation = PT_OPERATION_REPLACE};
    enum pt_code code = PT_OK;

    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f->dir, &snapshot, &err), err);
    PT_CHECK(count <= snapshot.file_count);
    change.added = parse(parser, files);
    change.removed = (const char *const *)snapshot.files;
    change.removed_count = count;
    code = pt_lake_change(lake, &change, &err);
    pt_lake_snapshot_release(&snapshot);
    pt_json_parser_destroy(parser);
    return code;
}

static struct pt_lake *second_handle(struct fixture *f)
{
    struct pt_lake *other = NULL;

    PT_CHECK_OK(pt_lake_open(&other, pt_io_posix(), pt_clock_system(), f->dir, &err), err);
    return other;
}

static struct pt_lake_event newest_event(struct fixture *f)
{
    struct pt_lake_history history;
    struct pt_lake_event event;

    PT_CHECK_OK(pt_lake_read_history(pt_io_posix(), f->dir, &history, &err), err);
    PT_CHECK(history.count > 0);
    event = history.events[history.count - 1];
    event.operation = strcmp(event.operation, "replace") == 0 ? "replace" : "";
    pt_lake_history_release(&history);
    return event;
}

/* A compaction that read the table before the engine's last commit still replaces its files. */
static void a_replacement_goes_on_top_of_what_came_meanwhile(void **state)
{
    struct fixture f;
    struct pt_lake *other = NULL;
    struct pt_row rows[3];
    struct pt_lake_event before;
    struct pt_lake_event after;
    struct pt_buf files;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        rows[i] = plain_row(i + 1, DAY0 * PT_DAY_US + i);
    }
    setup(&f);
    append_rows(f.lake, &rows[0], 1, 1);
    append_rows(f.lake, &rows[1], 1, 2);
    other = second_handle(&f);
    before = newest_event(&f);
    append_rows(f.lake, &rows[2], 1, 3);
    pt_buf_init(&files, 1u << 20);
    /* The number is only in the file's name: the replacement carries the table's on. */
    PT_CHECK_OK(write_rows(other, rows, 2, 77, &files), err);
    PT_CHECK_OK(replace(&f, other, 2, &files), err);
    after = newest_event(&f);
    assert_string_equal(after.operation, "replace");
    PT_CHECK(after.checkpoint == 3 && after.rows == 3 && after.files == 2 && after.added_rows == 2);
    PT_CHECK(after.bytes < before.bytes + 10000 && after.bytes > 0);
    check_table(f.dir, "sum(seq) || ',' || count(*)", "", "6,3");
    /* The engine, which does not know of it, commits on top of it. */
    rows[0] = plain_row(10, (DAY0 + 1) * PT_DAY_US);
    append_rows(f.lake, rows, 1, 4);
    check_table(f.dir, "sum(seq) || ',' || count(*)", "", "16,4");
    PT_CHECK(newest_event(&f).checkpoint == 4);
    pt_buf_release(&files);
    pt_lake_close(other);
    teardown(&f);
}

static void a_replacement_that_would_lose_rows_is_refused(void **state)
{
    struct fixture f;
    struct pt_lake *other = NULL;
    struct pt_row rows[2];
    struct pt_buf files;
    struct pt_lake_snapshot before;
    unsigned avro = 0;

    (void)state;
    rows[0] = plain_row(1, DAY0 * PT_DAY_US);
    rows[1] = plain_row(2, DAY0 * PT_DAY_US);
    setup(&f);
    append_rows(f.lake, rows, 2, 1);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &before, &err), err);
    other = second_handle(&f);
    pt_buf_init(&files, 1u << 20);
    PT_CHECK_OK(write_rows(other, rows, 1, 77, &files), err);
    avro = files_in(f.dir, "metadata", ".avro");
    PT_CHECK(replace(&f, other, 1, &files) == PT_INVALID);
    PT_CHECK(strstr(err.text, "2 rows were to be replaced by 1") != NULL);
    /* Two compactions of the same file: the later one finds it gone. */
    PT_CHECK_OK(write_rows(f.lake, rows, 2, 78, &files), err);
    PT_CHECK_OK(replace(&f, f.lake, 1, &files), err);
    {
        struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
        const char *removed[1] = {before.files[0]};
        struct pt_change change = {
            .operation = PT_OPERATION_REPLACE, .removed = removed, .removed_count = 1};

        PT_CHECK_OK(write_rows(other, rows, 2, 79, &files), err);
        change.added = parse(parser, &files);
        PT_CHECK(pt_lake_change(other, &change, &err) == PT_FENCED);
        PT_CHECK(strstr(err.text, "no longer in the table") != NULL);
        pt_json_parser_destroy(parser);
    }
    pt_lake_snapshot_release(&before);
    check_table(f.dir, "sum(seq) || ',' || count(*)", "", "3,2");
    /* What refused commits had written of metadata is gone: three files are the replacement's. */
    assert_int_equal(files_in(f.dir, "metadata", ".avro"), avro + 3);
    pt_buf_release(&files);
    pt_lake_close(other);
    teardown(&f);
}

/* Both write as fast as they can; each commit of both is there once. */
static void two_writers_lose_nothing(void **state)
{
    enum { ROUNDS = 30 };
    struct fixture f;
    struct pt_lake *other = NULL;

    (void)state;
    setup(&f);
    other = second_handle(&f);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct pt_row row = plain_row(i, DAY0 * PT_DAY_US);
        struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
        struct pt_change change = {.operation = PT_OPERATION_APPEND};
        struct pt_buf files;

        append_rows(f.lake, &row, 1, i);
        pt_buf_init(&files, 1u << 20);
        row = plain_row(1000 + i, DAY0 * PT_DAY_US);
        PT_CHECK_OK(write_rows(other, &row, 1, 1000 + i, &files), err);
        change.added = parse(parser, &files);
        PT_CHECK_OK(pt_lake_change(other, &change, &err), err);
        pt_buf_release(&files);
        pt_json_parser_destroy(parser);
    }
    check_table(f.dir, "count(DISTINCT seq) || ',' || count(*)", "", "60,60");
    PT_CHECK(newest_event(&f).checkpoint == ROUNDS);
    pt_lake_close(other);
    teardown(&f);
}

/* ---- metadata as others leave it ---- */

/* The newest version with `to` in place of the first `from`, as the version after it. */
static void edit_metadata(struct fixture *f, const char *from, const char *to)
{
    struct pt_table table;
    struct pt_buf out;
    uint8_t *text_read = NULL;
    char *path = NULL;
    char *at = NULL;
    size_t size = 0;
    uint64_t newest = 0;

    pt_buf_init(&out, 64u << 20);
    PT_CHECK_OK(pt_table_init(&table, pt_io_posix(), f->dir, &err), err);
    PT_CHECK_OK(pt_table_newest(&table, &newest, &err), err);
    path = pt_table_metadata_path(&table, newest);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 64u << 20, 1, &text_read, &size, &err), err);
    pt_free(path);
    at = strstr((char *)text_read, from);
    assert_non_null(at);
    pt_buf_append(&out, text_read, (size_t)(at - (char *)text_read));
    pt_buf_append_str(&out, to);
    pt_buf_append_str(&out, at + strlen(from));
    path = pt_table_metadata_path(&table, newest + 1);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_buf_span(&out), 0, &err), err);
    pt_free(path);
    pt_free(text_read);
    pt_table_release(&table);
    pt_buf_release(&out);
}

static void a_table_put_back_or_replaced_stops_the_engine(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *message;
    } cases[] = {
        {"\"playtrace.checkpoint\":\"2\"", "\"playtrace.checkpoint\":\"1\"", "put back"},
        {"\"playtrace.checkpoint\":\"2\"", "\"playtrace.checkpoint\":\"9\"", "another stream"},
        {"\"table-uuid\":\"", "\"table-uuid\":\"0", "another table"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
        struct pt_buf files;

        setup(&f);
        append_rows(f.lake, &row, 1, 1);
        append_rows(f.lake, &row, 1, 2);
        pt_buf_init(&files, 1u << 20);
        PT_CHECK_OK(write_rows(f.lake, &row, 1, 3, &files), err);
        /* Of the two places with the number the summary counts; the property is the later one. */
        edit_metadata(&f, cases[i].from, cases[i].to);
        if (i < 2) {
            edit_metadata(&f, cases[i].from, cases[i].to);
        }
        PT_CHECK(commit_files(f.lake, &files, 3) == PT_FENCED);
        if (!strstr(err.text, cases[i].message)) {
            fail_msg("%s: %s", cases[i].message, err.text);
        }
        pt_buf_release(&files);
        teardown(&f);
    }
}

/* ---- columns ---- */

/* What a version of ours knew that had no country, region and city yet. */
static void an_older_table_gets_its_columns(void **state)
{
    static const char newer[] = ",{\"id\":17,\"name\":\"country\",\"required\":false,\"type\":"
                                "\"string\"},{\"id\":18,\"name\":\"region\",\"required\":false,"
                                "\"type\":\"string\"},{\"id\":19,\"name\":\"city\",\"required\":"
                                "false,\"type\":\"string\"}";
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_duck *duck = NULL;
    struct pt_lake_snapshot snapshot;
    struct pt_buf sql;
    const char *file = NULL;

    (void)state;
    setup(&f);
    pt_lake_close(f.lake);
    f.lake = NULL;
    edit_metadata(&f, newer, "");
    edit_metadata(&f, "\"last-column-id\":19", "\"last-column-id\":16");
    /* Read before it is opened for writing: the columns are there, as NULLs. */
    check_table(f.dir, "typeof(city)", "UNION ALL SELECT 'end'", "end");
    open_lake(&f);
    append_rows(f.lake, &row, 1, 1);
    /* A file of before: it lacks them, and its size is another. */
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    file = snapshot.files[0];
    pt_buf_init(&sql, 1u << 16);
    pt_buf_appendf(&sql,
                   "CREATE TABLE t AS SELECT * EXCLUDE (country, region, city) FROM "
                   "read_parquet('%s', hive_partitioning = false); COPY t TO '%s' (FORMAT parquet, "
                   "FIELD_IDS {",
                   file, file);
    for (unsigned i = 0; i < PT_COLUMN_COUNTRY; i++) {
        pt_buf_appendf(&sql, "%s%s: %u", i ? ", " : "", pt_columns[i].name, i + 1);
    }
    pt_buf_append_str(&sql, "})");
    pt_buf_append_byte(&sql, 0);
    PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    PT_CHECK_OK(pt_duck_run(duck, (const char *)sql.data, &err), err);
    pt_duck_close(duck);
    row = plain_row(2, DAY0 * PT_DAY_US);
    memcpy(row.event.country, "DE", 2);
    row.event.city = text("Köln");
    append_rows(f.lake, &row, 1, 2);
    check_table(f.dir, "seq || ' ' || coalesce(country || ' ' || city, 'none')", "ORDER BY seq",
                "1 none|2 DE Köln");
    reopen_lake(&f);
    PT_CHECK(!f.lake->table.schema.lacks_columns && f.lake->table.schema.schema_id == 1);
    PT_CHECK(f.lake->table.schema.field_ids[PT_COLUMN_CITY] == 19);
    pt_buf_release(&sql);
    pt_lake_snapshot_release(&snapshot);
    teardown(&f);
}

static void a_column_is_added_without_rewriting(void **state)
{
    static const struct {
        const char *name;
        const char *type;
        const char *message; /* NULL: it is added */
    } cases[] = {
        {"score", "decimal(9,2)", NULL},  {"SCORE", "int", "already"},
        {"user_id", "string", "already"}, {"9x", "int", "no name"},
        {"", "int", "no name"},           {"a\"b", "int", "no name"},
        {"list", "list<int>", "no type"}, {"d", "decimal(39,1)", "no type"},
        {"note", "string", NULL},
    };
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_lake *other = NULL;

    (void)state;
    setup(&f);
    append_rows(f.lake, &row, 1, 1);
    other = second_handle(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum pt_code code = pt_lake_add_column(other, cases[i].name, cases[i].type, &err);

        PT_CHECK(code == (cases[i].message ? PT_INVALID : PT_OK));
        if (cases[i].message && !strstr(err.text, cases[i].message)) {
            fail_msg("%s: %s", cases[i].name, err.text);
        }
    }
    PT_CHECK(files_in(f.dir, "data/event_time_day=2026-11-01", ".parquet") == 1);
    row = plain_row(2, DAY0 * PT_DAY_US);
    append_rows(f.lake, &row, 1, 2); /* the engine finds the new schema, and goes on */
    check_table(f.dir, "typeof(score) || ' ' || count(score) || ' ' || count(*) || count(note)",
                "GROUP BY typeof(score)", "DECIMAL(9,2) 0 20");
    pt_lake_close(other);
    teardown(&f);
}

/* Files without field ids would be read as NULLs: said, not done. */
static void files_without_field_ids_are_refused(void **state)
{
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_lake_snapshot snapshot;

    (void)state;
    setup(&f);
    append_rows(f.lake, &row, 1, 1);
    edit_metadata(&f, "\"properties\":{",
                  "\"properties\":{\"schema.name-mapping.default\":\"[]\",");
    PT_CHECK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "without field ids") != NULL);
    append_rows(f.lake, &row, 1, 2); /* the engine is not concerned */
    teardown(&f);
}

/* ---- the past ---- */

static enum pt_code count_at(struct fixture *f, struct pt_lake_at at, uint64_t *rows_out)
{
    struct pt_lake_snapshot snapshot;
    enum pt_code code = pt_lake_read_at(pt_io_posix(), f->dir, &at, &snapshot, &err);

    *rows_out = snapshot.row_count;
    pt_lake_snapshot_release(&snapshot);
    return code;
}

static void the_past_can_be_asked(void **state)
{
    struct fixture f;
    struct pt_lake_history history;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_lake_at at = {.kind = PT_LAKE_AT_TIME, .time_us = INT64_MAX};
    uint64_t rows = 0;

    (void)state;
    setup(&f);
    PT_CHECK(count_at(&f, at, &rows) == PT_INVALID);
    PT_CHECK(strstr(err.text, "no snapshot yet") != NULL);
    for (uint64_t i = 1; i <= 3; i++) {
        append_rows(f.lake, &row, 1, i);
        usleep(2000); /* snapshots of one millisecond could not be told apart by it */
    }
    PT_CHECK_OK(pt_lake_read_history(pt_io_posix(), f.dir, &history, &err), err);
    PT_CHECK(history.count == 3 && history.events[2].is_current && !history.events[1].is_current);
    for (unsigned i = 0; i < 3; i++) {
        at = (struct pt_lake_at){.kind = PT_LAKE_AT_SNAPSHOT,
                                 .snapshot_id = history.events[i].snapshot_id};
        PT_CHECK_OK(count_at(&f, at, &rows), err);
        PT_CHECK(rows == i + 1 && history.events[i].rows == (int64_t)i + 1);
        at = (struct pt_lake_at){.kind = PT_LAKE_AT_TIME, .time_us = history.events[i].time_us};
        PT_CHECK_OK(count_at(&f, at, &rows), err);
        PT_CHECK(rows == i + 1);
    }
    at.time_us = history.events[0].time_us - 1000;
    PT_CHECK(count_at(&f, at, &rows) == PT_INVALID && strstr(err.text, "go back to") != NULL);
    at = (struct pt_lake_at){.kind = PT_LAKE_AT_SNAPSHOT, .snapshot_id = 42};
    PT_CHECK(count_at(&f, at, &rows) == PT_INVALID && strstr(err.text, "no snapshot 42") != NULL);
    PT_CHECK(expire(f.lake, 1, false).snapshots == 2);
    at.snapshot_id = history.events[0].snapshot_id;
    PT_CHECK(count_at(&f, at, &rows) == PT_INVALID && strstr(err.text, "expired") != NULL);
    at = (struct pt_lake_at){.kind = PT_LAKE_AT_TIME, .time_us = history.events[1].time_us};
    PT_CHECK(count_at(&f, at, &rows) == PT_INVALID);
    pt_lake_history_release(&history);
    teardown(&f);
}

/* Other readers take a manifest's schema from its header. */
static void a_manifest_says_its_schema(void **state)
{
    static const char expected[] = "\x12schema-id\x02";
    struct fixture f;
    struct pt_row row = plain_row(1, DAY0 * PT_DAY_US);
    struct pt_table *table = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    bool is_found = false;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_lake_add_column(f.lake, "note", "string", &err), err);
    append_rows(f.lake, &row, 1, 1);
    table = &f.lake->table;
    PT_CHECK_OK(pt_table_read_manifest(table, &table->manifests[0], &data, &size, &err), err);
    for (size_t i = 0; i + sizeof(expected) < size; i++) {
        is_found |= memcmp(data + i, expected, sizeof(expected) - 1) == 0 &&
                    data[i + sizeof(expected) - 1] == '1';
    }
    PT_CHECK(is_found);
    pt_free(data);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replacement_goes_on_top_of_what_came_meanwhile),
        cmocka_unit_test(a_replacement_that_would_lose_rows_is_refused),
        cmocka_unit_test(two_writers_lose_nothing),
        cmocka_unit_test(a_table_put_back_or_replaced_stops_the_engine),
        cmocka_unit_test(an_older_table_gets_its_columns),
        cmocka_unit_test(a_column_is_added_without_rewriting),
        cmocka_unit_test(files_without_field_ids_are_refused),
        cmocka_unit_test(the_past_can_be_asked),
        cmocka_unit_test(a_manifest_says_its_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
