/*
 * test_lake_stats.c - bounds hold for every value, or readers would skip files wrongly
 *
 * Method: texts whose 16-character bounds are known, the odd ones of Unicode among them; then rows,
 * whose descriptions are written, parsed and compared; then descriptions that are damaged.
 */
#include "check.h"

#include "lake/stats.h"

static bool bound_is(struct pt_bound bound, const char *text)
{
    return bound.is_set && pt_span_is(pt_span_of(bound.data, bound.size), text);
}

static void text_bounds_are_cut_to_sixteen_characters(void **state)
{
    /* upper NULL: no text of 16 characters is above the value. */
    static const struct {
        const char *text;
        const char *lower;
        const char *upper;
    } cases[] = {
        {"", "", ""},
        {"level_end", "level_end", "level_end"},
        {"0123456789abcdef", "0123456789abcdef", "0123456789abcdef"},
        {"0123456789abcdefg", "0123456789abcdef", "0123456789abcdeg"},
        {"0123456789abcde\x7fz", "0123456789abcde\x7f", "0123456789abcde\xc2\x80"},
        /* U+D7FF is followed by U+E000: surrogates are not characters. */
        {"0123456789abcde\xed\x9f\xbfz", "0123456789abcde\xed\x9f\xbf",
         "0123456789abcde\xee\x80\x80"},
        /* U+10FFFF is the last: the character before it goes up. */
        {"0123456789abcd5\xf4\x8f\xbf\xbfz", "0123456789abcd5\xf4\x8f\xbf\xbf", "0123456789abcd6"},
        {"ääääääääääääääääx", "ääääääääääääääää", "äääääääääääääääå"},
        {"\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
         "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
         "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
         "\xf4\x8f\xbf\xbfx",
         "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
         "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
         "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
         "\xf4\x8f\xbf\xbf",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_bound upper = pt_text_bound(pt_span_str(cases[i].text), true);

        PT_CHECK(bound_is(pt_text_bound(pt_span_str(cases[i].text), false), cases[i].lower));
        PT_CHECK(cases[i].upper ? bound_is(upper, cases[i].upper) : !upper.is_set);
    }
}

static struct pt_row row_of(const char *name, int64_t seq, uint8_t id_first, uint8_t id_ninth)
{
    struct pt_row row = {.event = {.event_time_us = 1000,
                                   .seq = seq,
                                   .boot = PT_EVENT_NO_NUMBER,
                                   .event_name = {name, (uint32_t)strlen(name)},
                                   .session_id = {"s", 1}}};

    row.event.event_id[0] = id_first;
    row.event.event_id[8] = id_ninth;
    row.event.user[0] = id_first;
    return row;
}

static void take_stats(struct pt_column_stats *stats, const struct pt_row *rows,
                       const uint32_t *order, size_t count)
{
    struct pt_file_stats file = {0};

    for (size_t i = 0; i < count; i++) {
        for (unsigned k = 0; k < PT_COLUMN_COUNT; k++) {
            pt_file_stats_take(&file, k, pt_columns[k].kind, pt_cell_of(&rows[order[i]], k));
        }
    }
    pt_file_stats_finish(&file, stats);
}

static struct pt_column_stats column_stats(unsigned column, const struct pt_row *rows,
                                           const uint32_t *order, size_t count)
{
    struct pt_column_stats stats[PT_COLUMN_COUNT];

    memset(stats, 0, sizeof(stats));
    take_stats(stats, rows, order, count);
    return stats[column];
}

static void columns_are_counted_and_bounded(void **state)
{
    const struct pt_row rows[] = {row_of("b", 7, 1, 0x80), row_of("a", PT_EVENT_NO_NUMBER, 2, 0x80),
                                  row_of("c", -3, 3, 0x80), row_of("z", 99, 9, 0x80)};
    const uint32_t order[] = {2, 0, 1}; /* the last row is of another file */
    struct pt_column_stats stats = {0};

    (void)state;
    stats = column_stats(PT_COLUMN_EVENT_NAME, rows, order, 3);
    PT_CHECK(stats.null_count == 0 && bound_is(stats.lower, "a") && bound_is(stats.upper, "c"));
    stats = column_stats(PT_COLUMN_SEQ, rows, order, 3);
    PT_CHECK(stats.null_count == 1);
    PT_CHECK(stats.lower.size == 8 &&
             !memcmp(stats.lower.data, "\xfd\xff\xff\xff\xff\xff\xff\xff", 8));
    PT_CHECK(stats.upper.size == 8 && !memcmp(stats.upper.data, "\x07\0\0\0\0\0\0\0", 8));
    stats = column_stats(PT_COLUMN_BOOT, rows, order, 3);
    PT_CHECK(stats.null_count == 3 && !stats.lower.is_set && !stats.upper.is_set);
    stats = column_stats(PT_COLUMN_USER_ID, rows, order, 3);
    PT_CHECK(bound_is(stats.lower, "0100000000000000") &&
             bound_is(stats.upper, "0300000000000001"));
    stats = column_stats(PT_COLUMN_IS_LATE, rows, order, 3);
    PT_CHECK(stats.lower.size == 1 && stats.lower.data[0] == 0);
    stats = column_stats(PT_COLUMN_EVENT_ID, rows, order, 3);
    PT_CHECK(stats.lower.size == 16 && stats.lower.data[0] == 1 && stats.upper.data[0] == 3);
}

/* The extremes stand in the last and the first of many rows, nulls all over. */
static void many_rows_are_all_counted(void **state)
{
    enum { COUNT = 5000 };
    struct pt_row *rows = pt_alloc(COUNT * sizeof(*rows));
    uint32_t *order = pt_alloc(COUNT * sizeof(*order));
    struct pt_column_stats stats = {0};

    (void)state;
    assert_non_null(rows);
    assert_non_null(order);
    for (uint32_t i = 0; i < COUNT; i++) {
        rows[i] = row_of(i == COUNT - 1 ? "a"
                         : i == 0       ? "z"
                                        : "m",
                         i % 5 == 2 ? PT_EVENT_NO_NUMBER : (int64_t)COUNT - i, 1, 0x80);
        order[i] = i;
    }
    stats = column_stats(PT_COLUMN_EVENT_NAME, rows, order, COUNT);
    PT_CHECK(bound_is(stats.lower, "a") && bound_is(stats.upper, "z") && stats.null_count == 0);
    stats = column_stats(PT_COLUMN_SEQ, rows, order, COUNT);
    PT_CHECK(stats.null_count == COUNT / 5);
    PT_CHECK(!memcmp(stats.lower.data, "\x01\0\0\0\0\0\0\0", 8));   /* the last row */
    PT_CHECK(!memcmp(stats.upper.data, "\x88\x13\0\0\0\0\0\0", 8)); /* 5000, the first */
    pt_free(order);
    pt_free(rows);
}

/* Java orders UUIDs by signed halves: bounds that it would read otherwise are left out. */
static void uuids_of_mixed_sign_have_no_bounds(void **state)
{
    const struct pt_row high[] = {row_of("a", 1, 1, 0x80), row_of("a", 1, 0x81, 0x80)};
    const struct pt_row low[] = {row_of("a", 1, 1, 0x80), row_of("a", 1, 2, 0x10)};
    const uint32_t order[] = {0, 1};
    struct pt_column_stats stats = {0};

    (void)state;
    stats = column_stats(PT_COLUMN_EVENT_ID, high, order, 2);
    PT_CHECK(!stats.lower.is_set && !stats.upper.is_set);
    stats = column_stats(PT_COLUMN_EVENT_ID, low, order, 2);
    PT_CHECK(!stats.lower.is_set && !stats.upper.is_set);
}

/* Parse `size` bytes of `buf`, which has the padding behind it. */
static enum pt_code parse_description(struct pt_buf *buf, struct pt_data_file *file_out)
{
    struct pt_json_parser *parser = pt_json_parser_create(1u << 20);
    struct pt_json root = {0};
    size_t size = buf->size;
    enum pt_code code = PT_OK;

    assert_non_null(parser);
    for (unsigned i = 0; i < PT_JSON_PADDING; i++) {
        pt_buf_append_byte(buf, 0);
    }
    PT_CHECK(!buf->has_failed);
    code = pt_json_parse(parser, pt_span_of(buf->data, size), &root, NULL, NULL);
    if (!code) {
        code = pt_data_file_parse(root, file_out, NULL);
    }
    file_out->path = (struct pt_span){0};
    pt_json_parser_destroy(parser);
    return code;
}

static void a_description_reads_back(void **state)
{
    static const char *const damaged[] = {
        "{}",
        "[]",
        "{\"path\":\"p\",\"day\":1,\"rows\":1,\"bytes\":1,\"columns\":[]}",
        "{\"path\":\"p\",\"day\":1,\"rows\":-1,\"bytes\":1,\"columns\":[]}",
        "{\"path\":\"p\",\"day\":99999999999,\"rows\":1,\"bytes\":1,\"columns\":[]}",
        "{\"path\":\"p\",\"day\":1,\"rows\":1,\"bytes\":1,\"columns\":[{\"nulls\":0}]}",
    };
    const struct pt_row rows[] = {row_of("b", 7, 1, 0x80)};
    const uint32_t order[] = {0};
    struct pt_data_file file = {.path = pt_span_str("data/x"), .day = -5, .rows = 1, .bytes = 1234};
    struct pt_data_file read = {0};
    struct pt_jsonw w;
    struct pt_buf buf;

    (void)state;
    pt_buf_init(&buf, 1u << 20);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        file.columns[i].file_bytes = 100 + i;
    }
    take_stats(file.columns, rows, order, 1);
    pt_jsonw_init(&w, &buf);
    pt_data_file_write(&file, &w);
    PT_CHECK(parse_description(&buf, &read) == PT_OK);
    PT_CHECK(read.day == -5 && read.rows == 1 && read.bytes == 1234);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        const struct pt_column_stats *a = &file.columns[i];
        const struct pt_column_stats *b = &read.columns[i];

        PT_CHECK(a->file_bytes == b->file_bytes && a->null_count == b->null_count);
        PT_CHECK(a->lower.is_set == b->lower.is_set && a->upper.is_set == b->upper.is_set);
        PT_CHECK(a->lower.size == b->lower.size &&
                 memcmp(a->lower.data, b->lower.data, a->lower.size) == 0);
        PT_CHECK(a->upper.size == b->upper.size &&
                 memcmp(a->upper.data, b->upper.data, a->upper.size) == 0);
    }
    /* One hex digit that is none. */
    buf.size = strlen((const char *)buf.data);
    *(strstr((char *)buf.data, "\"lower\":\"") + 9) = 'g';
    PT_CHECK(parse_description(&buf, &read) == PT_CORRUPT);
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        pt_buf_reset(&buf);
        pt_buf_append_str(&buf, damaged[i]);
        PT_CHECK(parse_description(&buf, &read) == PT_CORRUPT);
    }
    pt_buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_bounds_are_cut_to_sixteen_characters),
        cmocka_unit_test(columns_are_counted_and_bounded),
        cmocka_unit_test(many_rows_are_all_counted),
        cmocka_unit_test(uuids_of_mixed_sign_have_no_bounds),
        cmocka_unit_test(a_description_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
