/*
 * test_import_read.c - rows come out as RFC 4180 has them, whatever the chunks
 *
 * Method: tables of files and the rows that they hold; broken rows between sound ones, which
 * must be named by line and must not take their neighbours along; a file whose fields lie across
 * every chunk border.
 */
/* Commands are no library that a test could link: their parts are included as source. */
#include "cmd/import_read.c"

#include "check.h"

#include <stdio.h>
#include <string.h>

static struct pt_import_reader *open_text(const char *dir, const char *text, size_t size)
{
    struct pt_import_reader *reader = pt_alloc_zero(sizeof(*reader));
    char *path = pt_strf("%s/file.csv", dir);
    struct pt_error err;

    assert_non_null(reader);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(text, size), 0, &err), err);
    PT_CHECK_OK(pt_import_reader_open(reader, pt_io_posix(), path, &err), err);
    pt_free(path);
    reader->name = "file.csv";
    return reader;
}

static void close_text(struct pt_import_reader *reader)
{
    pt_import_reader_close(reader);
    pt_free(reader);
}

/* Rows as "line:[a][b]", broken ones as "!reason", a line each. */
static void read_all(struct pt_import_reader *reader, char delimiter, bool is_lines,
                     struct pt_buf *out)
{
    for (;;) {
        struct pt_error err = {0};
        enum pt_code code = is_lines ? pt_import_next_line(reader, &err)
                                     : pt_import_next_row(reader, delimiter, &err);

        if (code == PT_NOT_FOUND) {
            break;
        }
        if (code) {
            PT_CHECK(code == PT_INVALID || code == PT_TOO_BIG);
            pt_buf_appendf(out, "!%s\n", err.text);
            continue;
        }
        pt_buf_appendf(out, "%llu:", (unsigned long long)reader->row_line);
        for (size_t i = 0; i < reader->field_count; i++) {
            pt_buf_appendf(out, "[%.*s]", PT_SPAN_ARG(pt_import_field(reader, i)));
        }
        pt_buf_append_byte(out, '\n');
    }
    pt_buf_append_byte(out, 0);
}

static void rows_are_read_as_rfc_4180_has_them(void **state)
{
    static const struct {
        const char *text;
        char delimiter;
        const char *rows;
    } cases[] = {
        {"", ',', ""},
        {"a,b\n1,2\n", ',', "1:[a][b]\n2:[1][2]\n"},
        {"a,b\r\n1,2", ',', "1:[a][b]\n2:[1][2]\n"},
        {"\xef\xbb\xbf"
         "a,b\n",
         ',', "1:[a][b]\n"},
        {",\n\n,,\n", ',', "1:[][]\n3:[][][]\n"},
        {"\"a,b\",\"say \"\"hi\"\"\"\n", ',', "1:[a,b][say \"hi\"]\n"},
        {"\"two\nlines\",x\nnext,y\n", ',', "1:[two\nlines][x]\n3:[next][y]\n"},
        {"\"cr\r\nlf\"\r\nx\r\n", ',', "1:[cr\r\nlf]\n3:[x]\n"},
        {"a\tb,c\t\"d\te\"\n", '\t', "1:[a][b,c][d\te]\n"},
        {"\"\",\"\"\n", ',', "1:[][]\n"},
        {"a,\"\"", ',', "1:[a][]\n"},
        {"a\rb,c\n", ',', "1:[a\rb][c]\n"},
        {"x,5\" disk\ny,2\n", ',',
         "!file.csv:1: field 2: a quote stands inside a field that does not begin with one\n"
         "2:[y][2]\n"},
        {"\"a\"b,1\nc,2\n", ',',
         "!file.csv:1: field 1: text stands behind the closing quote\n2:[c][2]\n"},
        {"a,1\nb,\"open\nc,3\n", ',',
         "1:[a][1]\n!file.csv:2: a quote is opened and never closed\n"},
    };
    char *dir = pt_test_dir_create();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_import_reader *reader = open_text(dir, cases[i].text, strlen(cases[i].text));
        struct pt_buf out;

        pt_buf_init(&out, 1 << 16);
        read_all(reader, cases[i].delimiter, false, &out);
        assert_string_equal((const char *)out.data, cases[i].rows);
        pt_buf_release(&out);
        close_text(reader);
    }
    pt_test_dir_remove(dir);
}

static void lines_are_read_whole(void **state)
{
    static const char text[] = "{\"a\":1}\r\n\n{\"b\":\"\\n\"}";
    char *dir = pt_test_dir_create();
    struct pt_import_reader *reader = open_text(dir, text, sizeof(text) - 1);
    struct pt_buf out;

    (void)state;
    pt_buf_init(&out, 1 << 16);
    read_all(reader, 0, true, &out);
    assert_string_equal((const char *)out.data, "1:[{\"a\":1}]\n3:[{\"b\":\"\\n\"}]\n");
    pt_buf_release(&out);
    close_text(reader);
    pt_test_dir_remove(dir);
}

static void chunk_borders_change_nothing(void **state)
{
    /* A quoted field of growing length moves every kind of byte across the first border. */
    char *dir = pt_test_dir_create();

    (void)state;
    for (size_t shift = 0; shift < 12; shift++) {
        size_t filler = PT_IMPORT_CHUNK_BYTES - 12 + shift;
        struct pt_buf text;
        struct pt_import_reader *reader = NULL;
        struct pt_error err;

        pt_buf_init(&text, 1 << 20);
        for (size_t i = 0; i < filler; i++) {
            pt_buf_append_byte(&text, 'x');
        }
        pt_buf_append_str(&text, ",\"a\"\"\r\nb\"\r\nc,d\r\n");
        reader = open_text(dir, (const char *)text.data, text.size);
        PT_CHECK_OK(pt_import_next_row(reader, ',', &err), err);
        assert_int_equal(reader->field_count, 2);
        assert_int_equal(pt_import_field(reader, 0).size, filler);
        PT_CHECK(pt_span_is(pt_import_field(reader, 1), "a\"\r\nb"));
        PT_CHECK_OK(pt_import_next_row(reader, ',', &err), err);
        assert_int_equal(reader->row_line, 3);
        PT_CHECK(pt_span_is(pt_import_field(reader, 1), "d"));
        assert_int_equal(pt_import_next_row(reader, ',', &err), PT_NOT_FOUND);
        close_text(reader);
        pt_buf_release(&text);
    }
    pt_test_dir_remove(dir);
}

static void limits_are_kept_and_the_next_row_is_read(void **state)
{
    char *dir = pt_test_dir_create();
    struct pt_buf text;
    struct pt_import_reader *reader = NULL;
    struct pt_error err;

    (void)state;
    pt_buf_init(&text, 4 << 20);
    for (size_t i = 0; i < PT_IMPORT_ROW_BYTES_MAX + 1; i++) {
        pt_buf_append_byte(&text, 'x');
    }
    pt_buf_append_str(&text, "\n");
    for (size_t i = 0; i < PT_IMPORT_COLUMNS_MAX; i++) {
        pt_buf_append_byte(&text, ',');
    }
    pt_buf_append_str(&text, "\nlast\n");
    reader = open_text(dir, (const char *)text.data, text.size);
    assert_int_equal(pt_import_next_row(reader, ',', &err), PT_TOO_BIG);
    assert_non_null(strstr(err.text, "file.csv:1: a row over"));
    assert_int_equal(pt_import_next_row(reader, ',', &err), PT_TOO_BIG);
    assert_non_null(strstr(err.text, "file.csv:2: more than 1024 fields"));
    PT_CHECK_OK(pt_import_next_row(reader, ',', &err), err);
    assert_int_equal(reader->row_line, 3);
    PT_CHECK(pt_span_is(pt_import_field(reader, 0), "last"));
    close_text(reader);
    pt_buf_release(&text);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_as_rfc_4180_has_them),
        cmocka_unit_test(lines_are_read_whole),
        cmocka_unit_test(chunk_borders_change_nothing),
        cmocka_unit_test(limits_are_kept_and_the_next_row_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
