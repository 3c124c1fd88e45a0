/*
 * test_user_index.c - the files that hold a user are always named
 *
 * Method: sets are held against a plain search; a table's indexes are removed, torn, exchanged and
 * left from other rows, and each user is looked for in the table and through the index.
 */
#include "check.h"

#include "lake/user_index.h"
#include "wire/frame.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY0 INT64_C(20758) /* 2026-11-01 */
#define FILES 6
#define ROWS 200
#define USERS 90

static struct pt_error err;

static struct pt_text text(const char *string)
{
    return (struct pt_text){string, (uint32_t)strlen(string)};
}

static void user_of(uint64_t number, uint8_t user[PT_PSEUDONYM_BYTES])
{
    memset(user, 0, PT_PSEUDONYM_BYTES);
    pt_put_u64(user, (number + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

static struct pt_row row_of(uint64_t number, uint64_t user)
{
    struct pt_row row = {.event = {.event_time_us = DAY0 * PT_DAY_US + (int64_t)number,
                                   .seq = PT_EVENT_NO_NUMBER,
                                   .boot = PT_EVENT_NO_NUMBER,
                                   .event_name = text("level_end"),
                                   .session_id = text("s")}};

    pt_put_u64(row.event.event_id, number);
    user_of(user, row.event.user);
    return row;
}

/* ---- sets ---- */

static void a_set_has_what_was_put_in(void **state)
{
    enum { COUNT = 5000 };
    struct pt_row *rows = pt_alloc(COUNT * sizeof(*rows));
    uint32_t *order = pt_alloc(COUNT * sizeof(*order));
    struct pt_user_set set;
    struct pt_user_set other;
    uint8_t user[PT_PSEUDONYM_BYTES];
    unsigned strangers = 0;

    (void)state;
    assert_non_null(rows);
    assert_non_null(order);
    for (uint32_t i = 0; i < COUNT; i++) {
        rows[i] = row_of(i, i % 1700 * 2); /* each user two or three times, apart */
        order[i] = COUNT - 1 - i;
    }
    PT_CHECK_OK(pt_user_set_take(&set, rows, order, COUNT, &err), err);
    PT_CHECK(set.count == 1700 && !set.is_open);
    for (size_t i = 1; i < set.count; i++) {
        PT_CHECK(set.prints[i - 1] < set.prints[i]);
    }
    for (uint64_t i = 0; i < 3400; i++) {
        user_of(i, user);
        if (i % 2 == 0) {
            PT_CHECK(pt_user_set_has(&set, user));
        } else {
            strangers += pt_user_set_has(&set, user);
        }
    }
    PT_CHECK(strangers == 0); /* 1,700 times 1,700 / 2^32 is 0.0007 */
    PT_CHECK_OK(pt_user_set_take(&other, rows, order, 1, &err), err);
    PT_CHECK(other.count == 1);
    PT_CHECK_OK(pt_user_set_join(&other, &set, &err), err);
    PT_CHECK(other.count == 1700 && memcmp(other.prints, set.prints, 1700 * 4) == 0);
    pt_user_set_release(&other);
    PT_CHECK_OK(pt_user_set_take(&other, rows, order, 0, &err), err);
    user_of(0, user);
    PT_CHECK(!pt_user_set_has(&other, user));
    other.is_open = true;
    PT_CHECK(pt_user_set_has(&other, user));
    pt_user_set_release(&other);
    pt_user_set_release(&set);
    pt_free(order);
    pt_free(rows);
}

/* ---- a table ---- */

struct fixture {
    char *root;
    char *dir;
    struct pt_lake *lake;
};

static struct pt_json parse(struct pt_json_parser *parser, struct pt_buf *buf)
{
    struct pt_json root = {0};

    assert_non_null(pt_buf_reserve(buf, PT_JSON_PADDING));
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(buf), &root, NULL, &err), err);
    return root;
}

/* File i has ROWS rows of the users i*10 .. i*10+39. */
static void write_file(struct fixture *f, unsigned number, bool commits)
{
    struct pt_row rows[ROWS];
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    struct pt_buf files;
    struct pt_jsonw w;

    assert_non_null(parser);
    for (unsigned i = 0; i < ROWS; i++) {
        rows[i] = row_of(number * ROWS + i, number * 10 + i % 40);
    }
    pt_buf_init(&files, 16u << 20);
    pt_jsonw_init(&w, &files);
    pt_jsonw_array(&w);
    PT_CHECK_OK(pt_lake_write(f->lake, rows, ROWS, number + 1, &w, &err), err);
    pt_jsonw_array_end(&w);
    if (commits) {
        PT_CHECK_OK(pt_lake_commit(f->lake, parse(parser, &files), number + 1, &err), err);
    }
    pt_buf_release(&files);
    pt_json_parser_destroy(parser);
}

static void setup(struct fixture *f)
{
    f->root = pt_test_dir_create();
    f->dir = pt_strf("%s/lake/events", f->root);
    PT_CHECK_OK(pt_lake_open(&f->lake, pt_io_posix(), pt_clock_system(), f->dir, &err), err);
    for (unsigned i = 0; i < FILES; i++) {
        write_file(f, i, true);
    }
}

static void teardown(struct fixture *f)
{
    pt_lake_close(f->lake);
    pt_free(f->dir);
    pt_test_dir_remove(f->root);
}

struct wanted {
    char start[32];
    char *name;
};

static void note_wanted(void *ctx, const char *name, bool is_dir)
{
    struct wanted *wanted = ctx;

    if (!is_dir && strncmp(name, wanted->start, strlen(wanted->start)) == 0 &&
        strstr(name, ".parquet")) {
        pt_free(wanted->name);
        wanted->name = pt_strdup(name);
    }
}

/* Beside the data file, whose name ends in its checksum; whether the index is there or not. */
static char *index_path(const struct fixture *f, unsigned file)
{
    struct wanted wanted = {0};
    char *day = pt_strf("%s/data/event_time_day=2026-11-01", f->dir);
    char *data = NULL;
    char *path = NULL;

    snprintf(wanted.start, sizeof(wanted.start), "ckpt-%08u.", file + 1);
    PT_CHECK_OK(pt_io_list(pt_io_posix(), day, note_wanted, &wanted, &err), err);
    assert_non_null(wanted.name);
    data = pt_strf("%s/%s", day, wanted.name);
    path = pt_user_index_path(data);
    pt_free(data);
    pt_free(wanted.name);
    pt_free(day);
    return path;
}

/* Every user's files, asked through the index, are the right ones. */
static void check_users(const struct fixture *f)
{
    for (unsigned number = 0; number < USERS + 5; number++) {
        struct pt_lake_snapshot snapshot;
        uint8_t user[PT_PSEUDONYM_BYTES];
        uint64_t files = 0;
        size_t expected = 0;

        user_of(number, user);
        for (unsigned i = 0; i < FILES; i++) {
            expected += number >= i * 10 && number < i * 10 + 40;
        }
        PT_CHECK_OK(pt_lake_files_of_user(pt_io_posix(), f->dir, user, &snapshot, &files, &err),
                    err);
        PT_CHECK(files == FILES && snapshot.file_count == expected);
        PT_CHECK(snapshot.row_count == ROWS * expected);
        pt_lake_snapshot_release(&snapshot);
    }
}

static void put_file(const char *path, const void *data, size_t size)
{
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size), 0, &err), err);
}

static void a_missing_or_damaged_index_is_made_anew(void **state)
{
    struct fixture f;
    uint8_t *sound = NULL;
    size_t size = 0;

    (void)state;
    setup(&f);
    check_users(&f);
    for (unsigned i = 0; i < FILES; i++) {
        char *path = index_path(&f, i);
        uint8_t *data = NULL;
        size_t now = 0;

        PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &sound, &size, &err), err);
        switch (i) {
        case 0:
            PT_CHECK_OK(pt_io_unlink(pt_io_posix(), path, &err), err);
            break;
        case 1:
            put_file(path, sound, size - 1);
            break;
        case 2:
            put_file(path, "", 0);
            break;
        case 3:
            sound[30] ^= 1;
            put_file(path, sound, size);
            sound[30] ^= 1;
            break;
        case 4:
            sound[8] ^= 1; /* as if of a file of another size */
            put_file(path, sound, size);
            sound[8] ^= 1;
            break;
        default:
            put_file(path, sound, 23);
            break;
        }
        check_users(&f);
        PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &data, &now, &err), err);
        PT_CHECK(now == size && memcmp(data, sound, size) == 0);
        pt_free(data);
        pt_free(sound);
        pt_free(path);
    }
    teardown(&f);
}

/* The real file system, but no index can be made: a crash before it looks the same. */
static enum pt_code refuse_index(void *ctx, const char *path, unsigned flags,
                                 struct pt_file **file_out, struct pt_error *e)
{
    if ((flags & PT_OPEN_CREATE) && strstr(path, PT_USER_INDEX_ENDING)) {
        return pt_fail(e, PT_IO, "refused");
    }
    return pt_io_posix()->open(ctx, path, flags, file_out, e);
}

/* What a crash leaves of an earlier try has another name, or is of the same rows. */
static void an_index_of_an_earlier_try_is_of_the_same_rows(void **state)
{
    struct fixture f;
    struct pt_io io = *pt_io_posix();
    uint8_t *before = NULL;
    uint8_t *after = NULL;
    size_t before_size = 0;
    size_t after_size = 0;
    char *path = NULL;
    char *again = NULL;

    (void)state;
    setup(&f);
    write_file(&f, FILES, false);
    path = index_path(&f, FILES);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &before, &before_size, &err), err);
    pt_lake_close(f.lake);
    io.open = refuse_index;
    PT_CHECK_OK(pt_lake_open(&f.lake, &io, pt_clock_system(), f.dir, &err), err);
    write_file(&f, FILES, false);
    again = index_path(&f, FILES);
    PT_CHECK(strcmp(again, path) == 0);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1u << 20, 1, &after, &after_size, &err), err);
    PT_CHECK(before_size == after_size && memcmp(before, after, after_size) == 0);
    pt_free(after);
    pt_free(before);
    pt_free(again);
    pt_free(path);
    teardown(&f);
}

static void an_orphan_takes_its_index_along(void **state)
{
    struct fixture f;
    struct pt_file *file = NULL;
    char *orphan = NULL;
    char *kept = NULL;
    uint64_t removed = 0;

    (void)state;
    setup(&f);
    write_file(&f, FILES, false);
    orphan = index_path(&f, FILES);
    kept = index_path(&f, 0);
    PT_CHECK_OK(pt_lake_remove_orphans(f.lake, &removed, &err), err);
    PT_CHECK(removed == 1);
    PT_CHECK(pt_io_open(pt_io_posix(), orphan, PT_OPEN_READ, &file, &err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_io_open(pt_io_posix(), kept, PT_OPEN_READ, &file, &err), err);
    pt_io_close(pt_io_posix(), file);
    check_users(&f);
    pt_free(kept);
    pt_free(orphan);
    teardown(&f);
}

/* Nobody can say that such a file does not hold the user. */
static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct fixture f;
    struct pt_lake_snapshot snapshot;
    struct pt_lake_snapshot of_user;
    uint8_t user[PT_PSEUDONYM_BYTES];
    uint64_t files = 0;

    (void)state;
    setup(&f);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), f.dir, &snapshot, &err), err);
    PT_CHECK_OK(pt_user_index_remove(pt_io_posix(), snapshot.files[5], &err), err);
    put_file(snapshot.files[5], "no Parquet", 10);
    user_of(0, user);
    PT_CHECK_OK(pt_lake_files_of_user(pt_io_posix(), f.dir, user, &of_user, &files, &err), err);
    PT_CHECK(of_user.file_count == 2);
    assert_string_equal(of_user.files[1], snapshot.files[5]);
    pt_lake_snapshot_release(&of_user);
    pt_lake_snapshot_release(&snapshot);
    teardown(&f);
}

/* Another program may write users that are no pseudonyms of ours. */
static void users_without_a_fingerprint_open_the_set(void **state)
{
    struct pt_duck *duck = NULL;
    char *root = pt_test_dir_create();
    char *path = pt_strf("%s/a.parquet", root);
    char *sql = pt_strf("COPY (SELECT unnest(['0123456789abcdef0123456789abcdef', 'ffffffff%s', "
                        "'00000000000000000000000000000000']) AS user_id) TO '%s'",
                        "ffffffffffffffffffffffff", path);
    char *open_sql =
        pt_strf("COPY (SELECT unnest(['0123456789abcdef0123456789abcdef', 'player-7']) "
                "AS user_id) TO '%s'",
                path);
    struct pt_user_set set;

    (void)state;
    PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    PT_CHECK_OK(pt_duck_run(duck, sql, &err), err);
    PT_CHECK_OK(pt_user_index_make(duck, path, &set, &err), err);
    PT_CHECK(set.count == 3 && !set.is_open && set.prints[0] == 0 && set.prints[1] == 0x01234567 &&
             set.prints[2] == UINT32_MAX);
    pt_user_set_release(&set);
    PT_CHECK_OK(pt_duck_run(duck, open_sql, &err), err);
    PT_CHECK_OK(pt_user_index_make(duck, path, &set, &err), err);
    PT_CHECK(set.count == 1 && set.is_open);
    pt_user_set_release(&set);
    pt_duck_close(duck);
    pt_free(open_sql);
    pt_free(sql);
    pt_free(path);
    pt_test_dir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_has_what_was_put_in),
        cmocka_unit_test(a_missing_or_damaged_index_is_made_anew),
        cmocka_unit_test(an_index_of_an_earlier_try_is_of_the_same_rows),
        cmocka_unit_test(an_orphan_takes_its_index_along),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
        cmocka_unit_test(users_without_a_fingerprint_open_the_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
