/*
 * import_read.c - rows and lines of a file that is read once, front to back
 *
 * CSV as RFC 4180 has it: fields in quotes may hold the delimiter, line ends and doubled
 * quotes; a line ends in CR LF or LF; a byte order mark at the very start is passed over. TSV is
 * the same with tabs.
 */
#include "cmd/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NO_BYTE (-1)

static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};

static enum pt_code fill(struct pt_import_reader *reader, struct pt_error *err)
{
    size_t bytes = 0;
    enum pt_code code = PT_OK;

    if (reader->file) {
        code = pt_io_read(reader->io, reader->file, reader->offset, reader->chunk,
                          sizeof(reader->chunk), &bytes, err);
        if (code) {
            return code;
        }
    } else {
        bytes = fread(reader->chunk, 1, sizeof(reader->chunk), stdin);
        if (bytes == 0 && ferror(stdin)) {
            return pt_fail(err, PT_IO, "standard input cannot be read");
        }
    }
    reader->offset += bytes;
    reader->chunk_at = 0;
    reader->chunk_bytes = bytes;
    reader->is_at_end = bytes == 0;
    return PT_OK;
}

enum pt_code pt_import_reader_open(struct pt_import_reader *reader, struct pt_io *io,
                                   const char *path, struct pt_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    enum pt_code code = PT_OK;

    reader->io = io;
    reader->file = NULL;
    reader->name = is_stdin ? "standard input" : path;
    reader->offset = 0;
    reader->line = 1;
    reader->row_line = 0;
    reader->field_count = 0;
    pt_buf_init(&reader->row, PT_IMPORT_ROW_BYTES_MAX + PT_JSON_PADDING);
    if (!is_stdin) {
        code = pt_io_open(io, path, PT_OPEN_READ, &reader->file, err);
        if (code) {
            return code;
        }
    }
    code = fill(reader, err);
    if (!code && reader->chunk_bytes >= sizeof(byte_order_mark) &&
        memcmp(reader->chunk, byte_order_mark, sizeof(byte_order_mark)) == 0) {
        reader->chunk_at = sizeof(byte_order_mark);
    }
    if (code) {
        pt_import_reader_close(reader);
    }
    return code;
}

void pt_import_reader_close(struct pt_import_reader *reader)
{
    pt_io_close(reader->io, reader->file);
    reader->file = NULL;
    pt_buf_release(&reader->row);
}

/* The next byte without taking it, or NO_BYTE at the end. */
static enum pt_code peek(struct pt_import_reader *reader, int *byte_out, struct pt_error *err)
{
    if (reader->chunk_at == reader->chunk_bytes && !reader->is_at_end) {
        enum pt_code code = fill(reader, err);

        if (code) {
            return code;
        }
    }
    *byte_out = reader->is_at_end ? NO_BYTE : reader->chunk[reader->chunk_at];
    return PT_OK;
}

static void take(struct pt_import_reader *reader)
{
    reader->line += reader->chunk[reader->chunk_at] == '\n' ? 1 : 0;
    reader->chunk_at++;
}

/* Behind the line end; what is wrong with a row is said first. */
static enum pt_code skip_line(struct pt_import_reader *reader, struct pt_error *err)
{
    int byte = 0;
    enum pt_code code = PT_OK;

    for (;;) {
        code = peek(reader, &byte, err);
        if (code || byte == NO_BYTE) {
            return code;
        }
        take(reader);
        if (byte == '\n') {
            return PT_OK;
        }
    }
}

static enum pt_code put(struct pt_import_reader *reader, int byte, struct pt_error *err)
{
    if (reader->row.size == PT_IMPORT_ROW_BYTES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "%s:%" PRIu64 ": a row over %u bytes", reader->name,
                       reader->row_line, PT_IMPORT_ROW_BYTES_MAX);
    }
    pt_buf_append_byte(&reader->row, (uint8_t)byte);
    return reader->row.has_failed ? pt_fail(err, PT_NO_MEMORY, "read %s", reader->name) : PT_OK;
}

static enum pt_code end_field(struct pt_import_reader *reader, struct pt_error *err)
{
    if (reader->field_count == PT_IMPORT_COLUMNS_MAX) {
        return pt_fail(err, PT_TOO_BIG, "%s:%" PRIu64 ": more than %d fields", reader->name,
                       reader->row_line, PT_IMPORT_COLUMNS_MAX);
    }
    reader->field_ends[reader->field_count++] = reader->row.size;
    return PT_OK;
}

/* Behind the opening quote, up to and with the closing one. */
static enum pt_code read_quoted(struct pt_import_reader *reader, struct pt_error *err)
{
    int byte = 0;
    enum pt_code code = PT_OK;

    for (;;) {
        code = peek(reader, &byte, err);
        if (code) {
            return code;
        }
        if (byte == NO_BYTE) {
            return pt_fail(err, PT_INVALID, "%s:%" PRIu64 ": a quote is opened and never closed",
                           reader->name, reader->row_line);
        }
        take(reader);
        if (byte == '"') {
            code = peek(reader, &byte, err);
            if (code || byte != '"') {
                return code;
            }
            take(reader);
        }
        code = put(reader, byte, err);
        if (code) {
            return code;
        }
    }
}

/* Up to the delimiter or the line end, which stays. A CR counts only before a LF. */
static enum pt_code read_bare(struct pt_import_reader *reader, char delimiter, struct pt_error *err)
{
    int byte = 0;
    enum pt_code code = PT_OK;

    for (;;) {
        code = peek(reader, &byte, err);
        if (code || byte == NO_BYTE || byte == '\n' || byte == (unsigned char)delimiter) {
            return code;
        }
        if (byte == '"') {
            return pt_fail(err, PT_INVALID,
                           "%s:%" PRIu64 ": field %zu: a quote stands inside a field that does "
                           "not begin with one",
                           reader->name, reader->line, reader->field_count + 1);
        }
        take(reader);
        code = put(reader, byte, err);
        if (code) {
            return code;
        }
    }
}

static bool drop_carriage_return(struct pt_import_reader *reader)
{
    size_t begin = reader->field_count > 0 ? reader->field_ends[reader->field_count - 1] : 0;

    if (reader->row.size > begin && reader->row.data[reader->row.size - 1] == '\r') {
        reader->row.size--;
        return true;
    }
    return false;
}

/* One field and what ends it; `*is_last_out`: the row is over. */
static enum pt_code read_field(struct pt_import_reader *reader, char delimiter, bool *is_last_out,
                               struct pt_error *err)
{
    bool is_quoted = false;
    int byte = 0;
    enum pt_code code = peek(reader, &byte, err);

    if (!code && byte == '"') {
        is_quoted = true;
        take(reader);
        code = read_quoted(reader, err);
        if (!code) {
            code = peek(reader, &byte, err);
        }
        if (!code && byte == '\r') {
            take(reader);
            code = peek(reader, &byte, err);
        }
        if (!code && byte != NO_BYTE && byte != '\n' && byte != (unsigned char)delimiter) {
            code = pt_fail(err, PT_INVALID,
                           "%s:%" PRIu64 ": field %zu: text stands behind the closing quote",
                           reader->name, reader->line, reader->field_count + 1);
        }
    } else if (!code) {
        code = read_bare(reader, delimiter, err);
        if (!code) {
            code = peek(reader, &byte, err);
        }
    }
    if (code) {
        return code;
    }
    *is_last_out = byte != (unsigned char)delimiter;
    if (*is_last_out && !is_quoted) {
        drop_carriage_return(reader);
    }
    if (byte != NO_BYTE) {
        take(reader);
    }
    return end_field(reader, err);
}

static enum pt_code pad_row(struct pt_import_reader *reader, struct pt_error *err)
{
    uint8_t *pad = pt_buf_reserve(&reader->row, PT_JSON_PADDING);

    if (!pad) {
        return pt_fail(err, PT_NO_MEMORY, "read %s", reader->name);
    }
    memset(pad, 0, PT_JSON_PADDING);
    return PT_OK;
}

static enum pt_code read_row(struct pt_import_reader *reader, char delimiter, struct pt_error *err)
{
    bool is_last = false;

    while (!is_last) {
        uint64_t line_before = reader->line;
        enum pt_code code = read_field(reader, delimiter, &is_last, err);

        if (code == PT_INVALID || code == PT_TOO_BIG) {
            /* Already at the next line when the mistake was the line's last byte. */
            struct pt_error skip_err;
            bool is_behind = reader->line > line_before && reader->chunk_at > 0 &&
                             reader->chunk[reader->chunk_at - 1] == '\n';

            if (!is_behind && skip_line(reader, &skip_err)) {
                return pt_fail(err, PT_IO, "%s", skip_err.text);
            }
        }
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

enum pt_code pt_import_next_row(struct pt_import_reader *reader, char delimiter,
                                struct pt_error *err)
{
    int byte = 0;
    enum pt_code code = PT_OK;

    for (;;) {
        pt_buf_reset(&reader->row);
        reader->field_count = 0;
        code = peek(reader, &byte, err);
        if (code) {
            return code;
        }
        if (byte == NO_BYTE) {
            return PT_NOT_FOUND;
        }
        reader->row_line = reader->line;
        code = read_row(reader, delimiter, err);
        if (code) {
            return code;
        }
        if (reader->field_count > 1 || reader->row.size > 0) {
            return pad_row(reader, err);
        }
    }
}

enum pt_code pt_import_next_line(struct pt_import_reader *reader, struct pt_error *err)
{
    int byte = 0;
    enum pt_code code = PT_OK;

    for (;;) {
        pt_buf_reset(&reader->row);
        reader->field_count = 0;
        reader->row_line = reader->line;
        for (;;) {
            code = peek(reader, &byte, err);
            if (code) {
                return code;
            }
            if (byte == NO_BYTE || byte == '\n') {
                break;
            }
            take(reader);
            code = put(reader, byte, err);
            if (code == PT_TOO_BIG && skip_line(reader, NULL)) {
                return PT_IO;
            }
            if (code) {
                return code;
            }
        }
        if (byte == '\n') {
            take(reader);
        }
        drop_carriage_return(reader);
        if (reader->row.size > 0) {
            code = end_field(reader, err);
            return code ? code : pad_row(reader, err);
        }
        if (byte == NO_BYTE) {
            return PT_NOT_FOUND;
        }
    }
}

struct pt_span pt_import_field(const struct pt_import_reader *reader, size_t index)
{
    size_t begin = index > 0 ? reader->field_ends[index - 1] : 0;

    pt_assert(index < reader->field_count);
    return pt_span_of(reader->row.data + begin, reader->field_ends[index] - begin);
}
