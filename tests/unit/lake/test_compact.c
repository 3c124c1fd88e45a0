/*
 * test_compact.c - the table's rows are the same before and after, whatever happens between
 *
 * Method: a table of many small files over some days is compacted and asked through DuckDB, before
 * and after; io calls fail one after another, files are damaged, and others commit in between.
 */
#include "check.h"
#include "fault_io.h"

#include "base/crypto.h"
#include "base/lock.h"
#include "lake/commit.h"
#include "lake/compact.h"
#include "lake/user_index.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define DAY0 INT64_C(20758) /* 2026-11-01 */
#define USERS 40

static struct pt_error err;

/* ---- a clock that stands on a day ---- */

static int64_t stand(void *ctx)
{
    return *(int64_t *)ctx;
}

static struct pt_clock clock_at(int64_t *now_us)
{
    return (struct pt_clock){.ctx = now_us, .wall_us = stand, .mono_us = stand};
}

/* ---- a table under test ---- */

struct fixture {
    char *root;
    char *dir;
    struct pt_lake *lake;
    uint64_t checkpoint;
    uint64_t next_row;
    int64_t now_us;
    struct pt_clock clock;
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.root = pt_test_dir_create(), .now_us = (DAY0 + 30) * PT_DAY_US};
    f->dir = pt_strf("%s/lake/events", f->root);
    f->clock = clock_at(&f->now_us);
    PT_CHECK_OK(pt_lake_open(&f->lake, pt_io_posix(), &f->clock, f->dir, &err), err);
}

static void teardown(struct fixture *f)
{
    pt_lake_close(f->lake);
    pt_free(f->dir);
    pt_test_dir_remove(f->root);
}

static struct pt_text text(const char *string)
{
    return (struct pt_text){string, string ? (uint32_t)strlen(string) : 0};
}

/* Rows differ in all that a column can be: null or not, short or long, of one byte a letter or
 * four. */
static struct pt_row row_of(uint64_t number, int64_t day)
{
    static const char *const names[] = {"level_end", "ad", "Übung \xf0\x9f\x8e\xae 'so'",
                                        "purchase"};
    static const char *const places[] = {NULL, "", "Île-de-France", "a text of many more letters"};
    struct pt_row row = {
        .event = {.platform = (enum pt_platform)(number % 6),
                  .event_time_us = day * PT_DAY_US + (int64_t)(number * 7919 % 86400) * 1000000,
                  .occurred_at_us = day * PT_DAY_US - (int64_t)number,
                  .received_at_us = day * PT_DAY_US + (int64_t)number,
                  .seq = number % 3 ? (int64_t)number : PT_EVENT_NO_NUMBER,
                  .boot = number % 5 ? (int64_t)(number % 5) : PT_EVENT_NO_NUMBER,
                  .event_name = text(names[number * 31 % 4]),
                  .session_id = text(places[2 + number % 2]),
                  .build_id = text(places[number % 4]),
                  .attributes = text(number % 7 ? "{\"level\":3}" : NULL),
                  .region = text(places[number / 3 % 4]),
                  .clock_skew_us = number % 2 ? -(int64_t)number : 0,
                  .has_install = number % 2},
        .is_late = number % 11 == 0,
    };
    uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned i = 0; i < 8; i++) {
        row.event.event_id[i] = (uint8_t)(mixed >> (56 - 8 * i));
        row.event.user[i] = (uint8_t)(number % USERS * UINT64_C(0x517cc1b727220a95) >> (8 * i));
        row.event.install[i] = (uint8_t)(number % USERS);
    }
    row.event.event_id[0] &= 0x7f;
    row.event.event_id[8] = 0x80;
    row.event.event_id[15] = (uint8_t)number;
    return row;
}

static struct pt_json parse(struct pt_json_parser *parser, struct pt_buf *buf)
{
    struct pt_json root = {0};

    assert_non_null(pt_buf_reserve(buf, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(buf), &root, NULL, &err), err);
    return root;
}

/* One checkpoint of `count` rows of `day`. */
static void add_rows(struct fixture *f, size_t count, int64_t day)
{
    struct pt_row *rows = pt_alloc(count * sizeof(*rows));
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    struct pt_buf files;
    struct pt_jsonw w;

    assert_non_null(rows);
    assert_non_null(parser);
    for (size_t i = 0; i < count; i++) {
        rows[i] = row_of(f->next_row++, day);
    }
    f->checkpoint++;
    pt_buf_init(&files, 16u << 20);
    pt_jsonw_init(&w, &files);
    pt_jsonw_array(&w);
    PT_CHECK_OK(pt_lake_write(f->lake, rows, count, f->checkpoint, &w, &err), err);
    pt_jsonw_array_end(&w);
    PT_CHECK_OK(pt_lake_commit(f->lake, parse(parser, &files), f->checkpoint, &err), err);
    pt_buf_release(&files);
    pt_json_parser_destroy(parser);
    pt_free(rows);
}

static enum pt_code compact_by(struct pt_io *io, struct fixture *f,
                               const struct pt_compact_options *options,
                               struct pt_compact_result *result)
{
    struct pt_compactor *compactor = NULL;
    enum pt_code code = pt_compactor_open(&compactor, io, &f->clock, f->dir, &err);

    if (!code) {
        code = pt_compactor_run(compactor, options, result, &err);
    }
    pt_compactor_close(compactor);
    return code;
}

static struct pt_compact_result compact(struct fixture *f, struct pt_compact_options options)
{
    struct pt_compact_result result;

    PT_CHECK_OK(compact_by(pt_io_posix(), f, &options, &result), err);
    return result;
}

static const struct pt_compact_options thorough = {.is_thorough = true};

/* The first column of `sql`, in which FROM TABLE names the rows of the table, as one text. */
static char *ask(const char *dir, const char *select, const char *rest)
{
    struct pt_lake_snapshot snapshot;
    struct pt_duck *duck = NULL;
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    struct pt_duck_value value;
    char *copy = NULL;

    pt_buf_init(&sql, 16u << 20);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), dir, &snapshot, &err), err);
    PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    pt_buf_appendf(&sql, "SELECT (%s)::VARCHAR FROM ", select);
    pt_lake_scan_sql(&snapshot, &sql);
    pt_buf_appendf(&sql, " %s", rest);
    pt_buf_append_byte(&sql, 0);
    PT_CHECK_OK(pt_duck_query(duck, (const char *)sql.data, &result, &err), err);
    PT_CHECK(pt_duck_next(result));
    value = pt_duck_value_at(result, 0);
    copy = pt_strndup((const char *)value.text.data, value.text.size);
    pt_duck_result_close(result);
    pt_duck_close(duck);
    pt_lake_snapshot_release(&snapshot);
    pt_buf_release(&sql);
    assert_non_null(copy);
    return copy;
}

static void check_table(const char *dir, const char *select, const char *expected)
{
    char *answer = ask(dir, select, "");

    assert_string_equal(answer, expected);
    pt_free(answer);
}

/* Every value of every row, in an order of its own. */
static char *rows_digest(const char *dir)
{
    return ask(dir,
               "count(*) || ' ' || md5(string_agg(concat_ws('|', event_id, event_name, "
               "epoch_us(event_time), epoch_us(occurred_at), epoch_us(received_at), user_id, "
               "session_id, coalesce(seq, -9), coalesce(install_id, '-'), coalesce(boot, -9), "
               "coalesce(build_id, '-'), coalesce(platform, '-'), coalesce(mechanic_version, '-'), "
               "coalesce(attributes, '-'), coalesce(clock_skew_us, -9), is_late, "
               "coalesce(country, '-'), coalesce(region, '-'), coalesce(city, '-')), "
               "';' ORDER BY event_id))",
               "");
}

struct listing {
    const char *start;
    const char *ending;
    unsigned count;
};

static void count_entry(void *ctx, const char *name, bool is_dir)
{
    struct listing *listing = ctx;
    size_t size = strlen(name);
    size_t end = strlen(listing->ending);

    listing->count += !is_dir && size >= end && strcmp(name + size - end, listing->ending) == 0 &&
                      strncmp(name, listing->start, strlen(listing->start)) == 0;
}

static unsigned files_of_day(const struct fixture *f, int64_t day, const char *start,
                             const char *ending)
{
    struct listing listing = {.start = start, .ending = ending};
    char name[11];
    char *path = NULL;
    enum pt_code code = PT_OK;

    pt_day_format(day, name);
    path = pt_strf("%s/data/event_time_day=%s", f->dir, name);
    code = pt_io_list(pt_io_posix(), path, count_entry, &listing, &err);
    PT_CHECK(code == PT_OK || code == PT_NOT_FOUND);
    pt_free(path);
    return listing.count;
}

static size_t file_count(const struct fixture *f)
{
    struct pt_lake_snapshot snapshot;
    size_t count = 0;

    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f->dir, &snapshot, &err), err);
    count = snapshot.file_count;
    pt_lake_snapshot_release(&snapshot);
    return count;
}

/* ---- rows ---- */

static void rows_are_the_same_and_sorted(void **state)
{
    struct fixture f;
    struct pt_compact_result result;
    struct pt_lake_snapshot snapshot;
    char *before = NULL;
    char *after = NULL;

    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 12; i++) {
        add_rows(&f, 500 + i, DAY0 + i % 2);
    }
    before = rows_digest(f.dir);
    result = compact(&f, thorough);
    PT_CHECK(result.snapshots == 2 && result.files_in == 12 && result.conflicts == 0);
    PT_CHECK(result.rows == f.next_row && result.bytes_out < result.bytes_in);
    after = rows_digest(f.dir);
    assert_string_equal(before, after);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    PT_CHECK(snapshot.file_count == 2 && snapshot.row_count == f.next_row);
    PT_CHECK(snapshot.checkpoint == f.checkpoint);
    pt_lake_snapshot_release(&snapshot);
    /* Each file as it lies, held against itself in the order that it should have. */
    check_table(f.dir,
                "list({n: event_name, u: user_id, t: event_time, d: event_time::DATE}) = "
                "list({n: event_name, u: user_id, t: event_time, d: event_time::DATE} "
                "ORDER BY event_time::DATE, event_name, user_id, event_time)",
                "true");
    /* Nothing is left to do, and the engine goes on where it was. */
    result = compact(&f, thorough);
    PT_CHECK(result.snapshots == 0 && file_count(&f) == 2);
    add_rows(&f, 10, DAY0);
    PT_CHECK(pt_lake_row_count(f.lake) == f.next_row && file_count(&f) == 3);
    pt_free(before);
    pt_free(after);
    teardown(&f);
}

/* ---- statistics ---- */

struct described {
    struct pt_buf text;
    int64_t day;
};

static enum pt_code describe(void *ctx, const struct pt_manifest_entry *entry, struct pt_error *e)
{
    struct described *described = ctx;
    char hex[2 * PT_BOUND_BYTES_MAX + 1];

    (void)e;
    if (!entry->is_live) {
        return PT_OK;
    }
    pt_buf_appendf(&described->text, "%" PRId64 " rows;", entry->rows);
    for (int32_t id = 1; id <= PT_COLUMN_COUNT; id++) {
        int64_t count = -1;
        struct pt_span bound = {0};

        PT_CHECK(pt_manifest_count(entry, "null_value_counts", id, &count));
        pt_buf_appendf(&described->text, " %d: %" PRId64, id, count);
        PT_CHECK(pt_manifest_count(entry, "value_counts", id, &count));
        pt_buf_appendf(&described->text, " of %" PRId64, count);
        PT_CHECK(pt_manifest_count(entry, "column_sizes", id, &count) && count > 0);
        for (unsigned upper = 0; upper < 2; upper++) {
            hex[0] = '\0';
            if (pt_manifest_bound(entry, id, upper, &bound)) {
                pt_hex_encode(bound.data, bound.size, hex);
            }
            pt_buf_appendf(&described->text, " [%s]", hex);
        }
    }
    return PT_OK;
}

static char *describe_table(const char *dir)
{
    struct described described = {0};
    struct pt_table table;
    char *copy = NULL;

    pt_buf_init(&described.text, 1u << 20);
    PT_CHECK_OK(pt_table_init(&table, pt_io_posix(), dir, &err), err);
    PT_CHECK_OK(pt_table_load(&table, &err), err);
    PT_CHECK_OK(
        pt_table_each(&table, table.manifests, table.manifest_count, describe, &described, &err),
        err);
    pt_table_release(&table);
    copy = pt_strndup((const char *)described.text.data, described.text.size);
    pt_buf_release(&described.text);
    assert_non_null(copy);
    return copy;
}

/* A file written at once has its statistics from the rows; a compacted one has them from DuckDB. */
static void statistics_are_those_of_a_file_written_at_once(void **state)
{
    struct fixture parts;
    struct fixture whole;
    char *compacted = NULL;
    char *written = NULL;

    (void)state;
    setup(&parts);
    setup(&whole);
    for (unsigned i = 0; i < 5; i++) {
        add_rows(&parts, 200, DAY0);
    }
    add_rows(&whole, 1000, DAY0);
    PT_CHECK(compact(&parts, thorough).snapshots == 1);
    compacted = describe_table(parts.dir);
    written = describe_table(whole.dir);
    assert_string_equal(compacted, written);
    pt_free(compacted);
    pt_free(written);
    teardown(&whole);
    teardown(&parts);
}

/* ---- which files ---- */

struct told {
    uint64_t groups;
    uint64_t files;
    int64_t last_day;
};

static void tell(void *ctx, const struct pt_compacted *made)
{
    struct told *told = ctx;

    PT_CHECK(made->bytes_out == 0 && !made->path && made->rows > 0 && made->bytes_in > 0);
    told->groups++;
    told->files += made->files_in;
    told->last_day = made->day;
}

static void only_what_is_worth_it_is_chosen(void **state)
{
    static const struct {
        struct pt_compact_options options;
        uint64_t groups;
        uint64_t files;
    } cases[] = {
        /* Day 0 has 4 files of 100 rows, day 1 has 3, day 2 one, and today, day 3, has 5. */
        {{.is_thorough = true}, 3, 12},
        {{.files_min = 2, .files_min_today = 2}, 3, 12},
        {{.files_min = 4, .files_min_today = 100}, 1, 4},
        {{.files_min = 5, .files_min_today = 6}, 0, 0},
        {{.files_min = 5, .files_min_today = 5}, 1, 5},
        {{.is_thorough = true, .has_day = true, .day = DAY0 + 1}, 1, 3},
        {{.is_thorough = true, .has_day = true, .day = DAY0 + 2}, 0, 0},
        {{.is_thorough = true, .has_day = true, .day = DAY0 + 9}, 0, 0},
        /* Nothing is small beside a target of a byte; with a small one groups end early. */
        {{.is_thorough = true, .target_file_bytes = 1}, 0, 0},
    };
    struct fixture f;

    (void)state;
    setup(&f);
    f.now_us = (DAY0 + 3) * PT_DAY_US + 5;
    for (unsigned i = 0; i < 4; i++) {
        add_rows(&f, 100, DAY0);
    }
    for (unsigned i = 0; i < 3; i++) {
        add_rows(&f, 100, DAY0 + 1);
    }
    add_rows(&f, 100, DAY0 + 2);
    for (unsigned i = 0; i < 5; i++) {
        add_rows(&f, 100, DAY0 + 3);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct told told = {0};
        struct pt_compact_options options = cases[i].options;
        struct pt_compact_result result;

        options.is_dry_run = true;
        options.each = tell;
        options.ctx = &told;
        result = compact(&f, options);
        if (told.groups != cases[i].groups || told.files != cases[i].files ||
            result.snapshots != told.groups) {
            fail_msg("case %zu: %" PRIu64 " groups of %" PRIu64 " files", i, told.groups,
                     told.files);
        }
    }
    PT_CHECK(file_count(&f) == 13);
    teardown(&f);
}

/* A big file is not written anew for each small one that comes. */
static void a_big_file_waits_for_others_of_its_size(void **state)
{
    const struct pt_compact_options options = {.files_min = 2};
    struct fixture f;

    (void)state;
    setup(&f);
    add_rows(&f, 20000, DAY0);
    add_rows(&f, 10, DAY0);
    PT_CHECK(compact(&f, options).snapshots == 0);
    add_rows(&f, 10, DAY0);
    PT_CHECK(compact(&f, options).files_in == 2 && file_count(&f) == 2);
    PT_CHECK(files_of_day(&f, DAY0, "compact-", ".parquet") == 1);
    add_rows(&f, 20000, DAY0);
    PT_CHECK(compact(&f, options).files_in == 2 && file_count(&f) == 2);
    PT_CHECK(compact(&f, thorough).files_in == 2 && file_count(&f) == 1);
    teardown(&f);
}

static void files_end_at_the_target_size(void **state)
{
    struct pt_compact_options options = {.is_thorough = true};
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    struct pt_compact_result result;
    char *before = NULL;
    char *after = NULL;

    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 12; i++) {
        add_rows(&f, 1000, DAY0);
    }
    before = rows_digest(f.dir);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    options.target_file_bytes = 4 * snapshot.file_bytes[0];
    pt_lake_snapshot_release(&snapshot);
    result = compact(&f, options);
    PT_CHECK(result.snapshots >= 2 && result.snapshots <= 4 && result.files_in == 12);
    after = rows_digest(f.dir);
    assert_string_equal(before, after);
    pt_free(before);
    pt_free(after);
    teardown(&f);
}

/* Where memory does not suffice files are smaller, or it is said; the rows are there in any case.
 */
static void memory_bounds_the_files(void **state)
{
    static const unsigned mebibytes[] = {8, 16, 32, 48, 64, 96, 1024};
    struct pt_compact_options options = {.is_thorough = true};
    unsigned failures = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(mebibytes) / sizeof(mebibytes[0]); i++) {
        struct fixture f;
        struct pt_compact_result result;
        enum pt_code code = PT_OK;
        char *before = NULL;
        char *after = NULL;

        setup(&f);
        for (unsigned k = 0; k < 8; k++) {
            add_rows(&f, 7000, DAY0);
        }
        before = rows_digest(f.dir);
        options.memory_bytes = (uint64_t)mebibytes[i] << 20;
        code = compact_by(pt_io_posix(), &f, &options, &result);
        PT_CHECK(code == PT_OK || code == PT_NO_MEMORY);
        failures += code != PT_OK;
        after = rows_digest(f.dir);
        assert_string_equal(before, after);
        /* Some 1.5 KiB a row: 8 MiB are for 5,461 rows, so that no two files fit together. */
        PT_CHECK(i > 0 || result.snapshots == 0);
        PT_CHECK(files_of_day(&f, DAY0, "compact-", ".parquet") == result.snapshots);
        pt_free(before);
        pt_free(after);
        if (i + 1 == sizeof(mebibytes) / sizeof(mebibytes[0])) {
            PT_CHECK(code == PT_OK && file_count(&f) == 1);
        }
        teardown(&f);
    }
    PT_CHECK(failures < sizeof(mebibytes) / sizeof(mebibytes[0]));
}

/* ---- faults ---- */

static void no_fault_harms_the_table(void **state)
{
    bool fired = true;
    unsigned calls = 0;

    (void)state;
    for (unsigned call = 1; fired; call++) {
        struct fixture f;
        struct pt_compact_result result;
        uint64_t removed = 0;
        char *before = NULL;
        char *after = NULL;

        setup(&f);
        for (unsigned i = 0; i < 3; i++) {
            add_rows(&f, 20, DAY0);
        }
        before = rows_digest(f.dir);
        (void)!compact_by(pt_fault_io(call), &f, &thorough, &result);
        fired = pt_fault_io_fired();
        after = rows_digest(f.dir);
        assert_string_equal(before, after);
        pt_free(after);
        /* The engine goes on, and what was left over goes. */
        add_rows(&f, 20, DAY0);
        PT_CHECK_OK(pt_lake_remove_orphans(f.lake, &removed, &err), err);
        PT_CHECK(removed <= 1);
        PT_CHECK(files_of_day(&f, DAY0, "", ".parquet") <= 5);
        (void)compact(&f, thorough);
        PT_CHECK(file_count(&f) == 1 && pt_lake_row_count(f.lake) == 80);
        check_table(f.dir, "count(*) || ' ' || count(DISTINCT event_id)", "80 80");
        pt_free(before);
        teardown(&f);
        calls = call;
    }
    PT_CHECK(calls > 10);
    (void)pt_fault_io(0);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t *data = NULL;
    size_t size = 0;

    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), from, 16u << 20, 1, &data, &size, &err), err);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), to, pt_span_of(data, size), 0, &err), err);
    pt_free(data);
}

/* A day with a damaged file stays as it is, and says so; the other days do not suffer from it. */
static void a_damaged_source_is_never_committed(void **state)
{
    struct fixture f;
    struct pt_compact_result result;
    struct pt_lake_snapshot snapshot;
    struct pt_file *file = NULL;

    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        setup(&f);
        for (unsigned i = 0; i < 3; i++) {
            add_rows(&f, 100 + i, DAY0);
            add_rows(&f, 100, DAY0 + 1);
        }
        PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
        if (kind == 0) { /* another file of the day in its place: other rows, not as many */
            copy_file(snapshot.files[0], snapshot.files[2]);
        } else if (kind == 1) {
            PT_CHECK_OK(pt_io_unlink(pt_io_posix(), snapshot.files[2], &err), err);
        } else {
            PT_CHECK_OK(pt_io_open(pt_io_posix(), snapshot.files[2], PT_OPEN_WRITE, &file, &err),
                        err);
            PT_CHECK_OK(pt_io_truncate(pt_io_posix(), file, snapshot.file_bytes[2] / 2, &err), err);
            pt_io_close(pt_io_posix(), file);
        }
        PT_CHECK(compact_by(pt_io_posix(), &f, &thorough, &result) != PT_OK);
        PT_CHECK(strstr(err.text, "2026-11-01") != NULL);
        PT_CHECK(result.snapshots == 1 && result.files_in == 3);
        PT_CHECK(file_count(&f) == 4);
        PT_CHECK(files_of_day(&f, DAY0, "compact-", "") == 0);
        pt_lake_snapshot_release(&snapshot);
        teardown(&f);
    }
}

/* ---- others beside it ---- */

struct meddler {
    struct fixture *f;
    struct pt_io *io;
    char *victim; /* a data file that goes, or NULL */
    unsigned calls;
};

static void meddle(void *ctx, const struct pt_compacted *made)
{
    struct meddler *meddler = ctx;
    struct pt_compact_result result;
    struct pt_compact_options options = {.is_thorough = true};

    PT_CHECK(made->files_in >= 2 && made->bytes_out > 0 && made->path);
    if (meddler->calls++ > 0) {
        return;
    }
    /* The engine commits, on a handle that knows nothing of the compaction. */
    add_rows(meddler->f, 50, DAY0);
    PT_CHECK(compact_by(pt_io_posix(), meddler->f, &options, &result) == PT_FENCED);
    PT_CHECK(strstr(err.text, "already") != NULL);
    if (meddler->victim) {
        const char *removed[] = {meddler->victim};
        const struct pt_change change = {
            .operation = PT_OPERATION_OVERWRITE, .removed = removed, .removed_count = 1};
        struct pt_table table;

        PT_CHECK_OK(pt_table_init(&table, pt_io_posix(), meddler->f->dir, &err), err);
        PT_CHECK_OK(pt_table_load(&table, &err), err);
        PT_CHECK_OK(pt_table_commit(&table, &change, 0, &err), err);
        pt_table_release(&table);
    }
}

static void commits_of_others_are_kept(void **state)
{
    struct fixture f;
    struct meddler meddler = {.f = &f};
    struct pt_compact_options options = {.is_thorough = true, .each = meddle, .ctx = &meddler};
    struct pt_compact_result result;

    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 6; i++) {
        add_rows(&f, 100, DAY0 + i % 2);
    }
    result = compact(&f, options);
    PT_CHECK(result.snapshots == 2 && result.conflicts == 0);
    PT_CHECK(file_count(&f) == 3 && f.next_row == 650);
    check_table(f.dir, "count(*) || ' ' || count(DISTINCT event_id)", "650 650");
    PT_CHECK(pt_lake_checkpoint(f.lake) == f.checkpoint);
    teardown(&f);
}

static void a_source_that_is_gone_ends_its_group_alone(void **state)
{
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    struct meddler meddler = {.f = &f};
    struct pt_compact_options options = {.is_thorough = true, .each = meddle, .ctx = &meddler};
    struct pt_compact_result result;

    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 6; i++) {
        add_rows(&f, 100, DAY0 + i % 2);
    }
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    meddler.victim = snapshot.files[3]; /* of the second day */
    result = compact(&f, options);
    PT_CHECK(result.snapshots == 1 && result.conflicts == 1);
    PT_CHECK(files_of_day(&f, DAY0 + 1, "compact-", "") == 0);
    PT_CHECK(file_count(&f) == 1 + 1 + 2);
    check_table(f.dir, "count(*)", "550");
    options.each = NULL;
    PT_CHECK(compact(&f, options).snapshots == 2);
    check_table(f.dir, "count(*)", "550");
    pt_lake_snapshot_release(&snapshot);
    teardown(&f);
}

/* While somebody holds compact.lock, a file without a snapshot may be one that is being made. */
static void orphans_wait_while_a_compaction_is_at_work(void **state)
{
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    struct pt_lock *lock = NULL;
    uint64_t removed = 0;
    char *path = NULL;
    char *orphan = NULL;

    (void)state;
    setup(&f);
    add_rows(&f, 10, DAY0);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    orphan = pt_strf("%s/data/event_time_day=2026-11-01/compact-0123456789abcdef.parquet", f.dir);
    path = pt_strf("%s/compact.lock", f.dir);
    copy_file(snapshot.files[0], orphan);
    PT_CHECK_OK(pt_lock_take(&lock, path, &err), err);
    PT_CHECK_OK(pt_lake_remove_orphans(f.lake, &removed, &err), err);
    PT_CHECK(removed == 0);
    pt_lock_release(lock);
    PT_CHECK_OK(pt_lake_remove_orphans(f.lake, &removed, &err), err);
    PT_CHECK(removed == 1);
    pt_free(path);
    pt_free(orphan);
    pt_lake_snapshot_release(&snapshot);
    teardown(&f);
}

struct stopping {
    struct pt_compactor *compactor;
    pthread_mutex_t lock;
    bool is_over;
};

static void *stop(void *arg)
{
    struct stopping *stopping = arg;
    bool is_over = false;

    while (!is_over) {
        pt_compactor_stop(stopping->compactor);
        pthread_mutex_lock(&stopping->lock);
        is_over = stopping->is_over;
        pthread_mutex_unlock(&stopping->lock);
    }
    return NULL;
}

static void a_stop_ends_a_run(void **state)
{
    struct fixture f;
    struct stopping stopping = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct pt_compact_result result;
    pthread_t thread;

    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 4; i++) {
        add_rows(&f, 1000, DAY0);
    }
    PT_CHECK_OK(pt_compactor_open(&stopping.compactor, pt_io_posix(), &f.clock, f.dir, &err), err);
    PT_CHECK(pthread_create(&thread, NULL, stop, &stopping) == 0);
    PT_CHECK_OK(pt_compactor_run(stopping.compactor, &thorough, &result, &err), err);
    pthread_mutex_lock(&stopping.lock);
    stopping.is_over = true;
    pthread_mutex_unlock(&stopping.lock);
    pthread_join(thread, NULL);
    PT_CHECK_OK(pt_compactor_run(stopping.compactor, &thorough, &result, &err), err);
    PT_CHECK(result.was_stopped && result.snapshots == 0);
    pt_compactor_close(stopping.compactor);
    check_table(f.dir, "count(*)", "4000");
    teardown(&f);
}

static void no_table_is_said(void **state)
{
    struct fixture f;
    struct pt_compact_result result;

    (void)state;
    setup(&f);
    pt_free(f.dir);
    f.dir = pt_strf("%s/nowhere", f.root);
    PT_CHECK(compact_by(pt_io_posix(), &f, &thorough, &result) == PT_NOT_FOUND);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_same_and_sorted),
        cmocka_unit_test(statistics_are_those_of_a_file_written_at_once),
        cmocka_unit_test(only_what_is_worth_it_is_chosen),
        cmocka_unit_test(a_big_file_waits_for_others_of_its_size),
        cmocka_unit_test(files_end_at_the_target_size),
        cmocka_unit_test(memory_bounds_the_files),
        cmocka_unit_test(no_fault_harms_the_table),
        cmocka_unit_test(a_damaged_source_is_never_committed),
        cmocka_unit_test(commits_of_others_are_kept),
        cmocka_unit_test(a_source_that_is_gone_ends_its_group_alone),
        cmocka_unit_test(orphans_wait_while_a_compaction_is_at_work),
        cmocka_unit_test(a_stop_ends_a_run),
        cmocka_unit_test(no_table_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
