/*
 * lake_world.h - a table under test, and rows to put into it
 */
#ifndef PT_TEST_LAKE_WORLD_H
#define PT_TEST_LAKE_WORLD_H

#include "check.h"

#include "lake/columns.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DAY0 INT64_C(20758) /* 2026-11-01 */

static struct pt_error err;

/* ---- a table under test ---- */

struct fixture {
    char *root;
    char *dir; /* of the table */
    struct pt_lake *lake;
};

static inline void open_lake(struct fixture *f)
{
    PT_CHECK_OK(pt_lake_open(&f->lake, pt_io_posix(), pt_clock_system(), f->dir, &err), err);
}

static inline void reopen_lake(struct fixture *f)
{
    pt_lake_close(f->lake);
    open_lake(f);
}

static inline void setup(struct fixture *f)
{
    f->root = pt_test_dir_create();
    f->dir = pt_strf("%s/lake/events", f->root);
    open_lake(f);
}

static inline void teardown(struct fixture *f)
{
    pt_lake_close(f->lake);
    pt_free(f->dir);
    pt_test_dir_remove(f->root);
}

static inline struct pt_text text(const char *string)
{
    return (struct pt_text){string, string ? (uint32_t)strlen(string) : 0};
}

/* Row `number` at `at_us`; different numbers differ in all ids. */
static inline struct pt_row plain_row(uint64_t number, int64_t at_us)
{
    struct pt_row row = {.event = {.platform = PT_PLATFORM_IOS,
                                   .event_time_us = at_us,
                                   .occurred_at_us = at_us - 5,
                                   .received_at_us = at_us + 7,
                                   .seq = (int64_t)number,
                                   .boot = PT_EVENT_NO_NUMBER,
                                   .event_name = text("level_end"),
                                   .session_id = text("session-1"),
                                   .attributes = text("{\"level\":3}")}};

    for (unsigned i = 0; i < 8; i++) {
        row.event.event_id[i] = (uint8_t)(number >> (56 - 8 * i));
        row.event.user[i] = (uint8_t)(number >> (56 - 8 * i));
    }
    row.event.event_id[8] = 0x80;
    return row;
}

static inline struct pt_json parse(struct pt_json_parser *parser, struct pt_buf *buf)
{
    struct pt_json root = {0};
    size_t size = buf->size;

    for (unsigned i = 0; i < PT_JSON_PADDING; i++) {
        pt_buf_append_byte(buf, 0);
    }
    PT_CHECK(!buf->has_failed);
    PT_CHECK_OK(pt_json_parse(parser, pt_span_of(buf->data, size), &root, NULL, &err), err);
    return root;
}

static inline enum pt_code write_rows(struct pt_lake *lake, const struct pt_row *rows, size_t count,
                                      uint64_t checkpoint, struct pt_buf *files)
{
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_buf_reset(files);
    pt_jsonw_init(&w, files);
    pt_jsonw_array(&w);
    code = pt_lake_write(lake, rows, count, checkpoint, &w, &err);
    pt_jsonw_array_end(&w);
    return code;
}

static inline enum pt_code commit_files(struct pt_lake *lake, struct pt_buf *files,
                                        uint64_t checkpoint)
{
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    enum pt_code code = PT_OK;

    assert_non_null(parser);
    code = pt_lake_commit(lake, parse(parser, files), checkpoint, &err);
    pt_json_parser_destroy(parser);
    return code;
}

static inline void append_rows(struct pt_lake *lake, const struct pt_row *rows, size_t count,
                               uint64_t checkpoint)
{
    struct pt_buf files;

    pt_buf_init(&files, 16u << 20);
    PT_CHECK_OK(write_rows(lake, rows, count, checkpoint, &files), err);
    PT_CHECK_OK(commit_files(lake, &files, checkpoint), err);
    pt_buf_release(&files);
}

/* The first column of `sql` over the table (named by %s), as text, rows joined by '|'. */
static inline char *ask_table(const char *dir, const char *select, const char *rest)
{
    struct pt_lake_snapshot snapshot;
    struct pt_duck *duck = NULL;
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    struct pt_buf answer;
    char *copy = NULL;

    pt_buf_init(&sql, 16u << 20);
    pt_buf_init(&answer, 16u << 20);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), dir, &snapshot, &err), err);
    PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    pt_buf_appendf(&sql, "SELECT (%s)::VARCHAR FROM ", select);
    pt_lake_scan_sql(&snapshot, &sql);
    pt_buf_appendf(&sql, " %s", rest);
    pt_buf_append_byte(&sql, 0);
    PT_CHECK_OK(pt_duck_query(duck, (const char *)sql.data, &result, &err), err);
    while (pt_duck_next(result)) {
        struct pt_duck_value value = pt_duck_value_at(result, 0);

        if (answer.size) {
            pt_buf_append_byte(&answer, '|');
        }
        pt_buf_append_str(&answer, value.kind == PT_DUCK_NULL ? "NULL" : "");
        pt_buf_append(&answer, value.text.data, value.text.size);
    }
    copy = pt_strndup((const char *)answer.data, answer.size);
    pt_duck_result_close(result);
    pt_duck_close(duck);
    pt_lake_snapshot_release(&snapshot);
    pt_buf_release(&answer);
    pt_buf_release(&sql);
    assert_non_null(copy);
    return copy;
}

static inline void check_table(const char *dir, const char *select, const char *rest,
                               const char *expected)
{
    char *answer = ask_table(dir, select, rest);

    assert_string_equal(answer, expected);
    pt_free(answer);
}

struct dir_count {
    const char *ending;
    unsigned count;
};

static inline void count_entry(void *ctx, const char *name, bool is_dir)
{
    struct dir_count *count = ctx;
    size_t size = strlen(name);
    size_t end = strlen(count->ending);

    count->count += !is_dir && size >= end && strcmp(name + size - end, count->ending) == 0;
}

static inline unsigned files_in(const char *dir, const char *below, const char *ending)
{
    struct dir_count count = {.ending = ending};
    char *path = pt_strf("%s/%s", dir, below);
    enum pt_code code = pt_io_list(pt_io_posix(), path, count_entry, &count, &err);

    PT_CHECK(code == PT_OK || code == PT_NOT_FOUND);
    pt_free(path);
    return count.count;
}

static inline void put_file(const char *dir, const char *name)
{
    char *path = pt_strf("%s/%s", dir, name);

    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str("x"), 0, &err), err);
    pt_free(path);
}

static inline bool has_file(const char *dir, const char *name)
{
    char *path = pt_strf("%s/%s", dir, name);
    bool is_there = access(path, F_OK) == 0;

    pt_free(path);
    return is_there;
}

/* Expiry that keeps `kept_max` snapshots (0: all), and sweeps orphans of any age where `sweeps`. */
static inline struct pt_lake_expired expire(struct pt_lake *lake, uint32_t kept_max, bool sweeps)
{
    const struct pt_lake_expiry rule = {
        .age_us = -1, .kept_max = kept_max, .orphan_age_us = sweeps ? 0 : -1};
    struct pt_lake_expired expired;

    PT_CHECK_OK(pt_lake_expire(lake, &rule, &expired, &err), err);
    return expired;
}

#endif
