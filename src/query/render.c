/*
 * render.c - rows as a table, as JSON, as CSV
 */
#include "query/query.h"

#include <inttypes.h>
#include <math.h>

#define FLUSH_BYTES (64u << 10)
#define PIECE_BYTES_MAX ((size_t)1 << 31)
#define TABLE_BYTES_MAX ((size_t)1 << 30)

struct output {
    struct pt_buf buf;
    bool (*write)(void *ctx, const void *data, size_t bytes);
    void *ctx;
};

bool pt_query_format_parse(const char *text, enum pt_query_format *format_out)
{
    static const char *const names[] = {
        [PT_QUERY_TABLE] = "table", [PT_QUERY_JSON] = "json", [PT_QUERY_CSV] = "csv"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *format_out = (enum pt_query_format)i;
            return true;
        }
    }
    return false;
}

static enum pt_code flush(struct output *output, size_t at_least, struct pt_error *err)
{
    if (output->buf.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "write the rows");
    }
    if (output->buf.size == 0 || output->buf.size < at_least) {
        return PT_OK;
    }
    if (!output->write(output->ctx, output->buf.data, output->buf.size)) {
        return pt_fail(err, PT_IO, "the rows could not be written");
    }
    pt_buf_reset(&output->buf);
    return PT_OK;
}

/* ---- JSON ---- */

static void write_json_value(struct pt_jsonw *w, struct pt_duck_value value, bool is_number)
{
    switch (value.kind) {
    case PT_DUCK_NULL:
        pt_jsonw_null(w);
        break;
    case PT_DUCK_BOOL:
        pt_jsonw_bool(w, value.boolean);
        break;
    case PT_DUCK_INT:
        pt_jsonw_int(w, value.integer);
        break;
    case PT_DUCK_DOUBLE:
        pt_jsonw_double(w, value.number);
        break;
    case PT_DUCK_TEXT:
        /* Decimals and integers over 64 bits come as text that is a JSON number. */
        if (is_number) {
            pt_jsonw_raw(w, value.text);
        } else {
            pt_jsonw_string(w, value.text);
        }
        break;
    }
}

static enum pt_code render_json(struct pt_duck_result *result, struct output *output,
                                struct pt_error *err)
{
    size_t columns = pt_duck_column_count(result);
    struct pt_jsonw w;
    bool is_first = true;
    enum pt_code code = PT_OK;

    pt_buf_append_byte(&output->buf, '[');
    while (!code && pt_duck_next(result)) {
        pt_buf_append_str(&output->buf, is_first ? "\n" : ",\n");
        is_first = false;
        pt_jsonw_init(&w, &output->buf);
        pt_jsonw_object(&w);
        for (size_t i = 0; i < columns; i++) {
            pt_jsonw_key(&w, pt_duck_column_name(result, i));
            write_json_value(&w, pt_duck_value_at(result, i), pt_duck_column_is_number(result, i));
        }
        pt_jsonw_object_end(&w);
        code = flush(output, FLUSH_BYTES, err);
    }
    pt_buf_append_str(&output->buf, is_first ? "]\n" : "\n]\n");
    return code;
}

/* ---- CSV ---- */

static void write_csv_text(struct pt_buf *buf, struct pt_span text)
{
    bool is_quoted = text.size == 0;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];

        is_quoted |= byte == '"' || byte == ',' || byte == '\r' || byte == '\n';
    }
    if (!is_quoted) {
        pt_buf_append(buf, text.data, text.size);
        return;
    }
    pt_buf_append_byte(buf, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            pt_buf_append_byte(buf, '"');
        }
        pt_buf_append_byte(buf, text.data[i]);
    }
    pt_buf_append_byte(buf, '"');
}

static void write_csv_value(struct pt_buf *buf, struct pt_duck_value value)
{
    char number[40];

    switch (value.kind) {
    case PT_DUCK_NULL:
        break;
    case PT_DUCK_BOOL:
        pt_buf_append_str(buf, value.boolean ? "true" : "false");
        break;
    case PT_DUCK_INT:
        pt_buf_appendf(buf, "%" PRId64, value.integer);
        break;
    case PT_DUCK_DOUBLE:
        if (isfinite(value.number)) {
            pt_buf_append(buf, number, pt_double_format(number, value.number));
        }
        break;
    case PT_DUCK_TEXT:
        write_csv_text(buf, value.text);
        break;
    }
}

static enum pt_code render_csv(struct pt_duck_result *result, struct output *output,
                               struct pt_error *err)
{
    size_t columns = pt_duck_column_count(result);
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < columns; i++) {
        pt_buf_append_str(&output->buf, i ? "," : "");
        write_csv_text(&output->buf, pt_span_str(pt_duck_column_name(result, i)));
    }
    pt_buf_append_str(&output->buf, "\r\n");
    while (!code && pt_duck_next(result)) {
        for (size_t i = 0; i < columns; i++) {
            pt_buf_append_str(&output->buf, i ? "," : "");
            write_csv_value(&output->buf, pt_duck_value_at(result, i));
        }
        pt_buf_append_str(&output->buf, "\r\n");
        code = flush(output, FLUSH_BYTES, err);
    }
    return code;
}

/* ---- a table for people ---- */

/* Columns on a terminal, near enough: one a code point. */
static size_t width_of(struct pt_span text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++) {
        width += (text.data[i] & 0xc0) != 0x80;
    }
    return width;
}

/* Players choose texts: a control character could steer the terminal, so it is shown as \xNN. */
static void append_shown(struct pt_buf *buf, struct pt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool is_c1 = byte == 0xc2 && i + 1 < text.size && text.data[i + 1] < 0xa0;

        if (byte == '\n') {
            pt_buf_append_str(buf, "\\n");
        } else if (byte < 0x20 || byte == 0x7f) {
            pt_buf_appendf(buf, "\\x%02x", byte);
        } else if (is_c1) {
            pt_buf_appendf(buf, "\\x%02x", text.data[++i]);
        } else {
            pt_buf_append_byte(buf, byte);
        }
    }
}

/* To four places, without zeros at the end; small ones to four digits. */
static void append_number(struct pt_buf *buf, double number)
{
    char text[400];
    size_t size = 0;

    if (!isfinite(number)) {
        pt_buf_append_str(buf, isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
        return;
    }
    if (number != 0 && (fabs(number) < 0.001 || fabs(number) >= 1e15)) {
        pt_buf_appendf(buf, "%.4g", number);
        return;
    }
    size = (size_t)snprintf(text, sizeof(text), "%.4f", number);
    while (text[size - 1] == '0') {
        size--;
    }
    size -= text[size - 1] == '.';
    pt_buf_append(buf, text, size);
}

static void append_shown_value(struct pt_buf *buf, struct pt_duck_value value)
{
    switch (value.kind) {
    case PT_DUCK_NULL:
        pt_buf_append_byte(buf, '-');
        break;
    case PT_DUCK_BOOL:
        pt_buf_append_str(buf, value.boolean ? "true" : "false");
        break;
    case PT_DUCK_INT:
        pt_buf_appendf(buf, "%" PRId64, value.integer);
        break;
    case PT_DUCK_DOUBLE:
        append_number(buf, value.number);
        break;
    case PT_DUCK_TEXT:
        append_shown(buf, value.text);
        break;
    }
}

/* All cells, row by row, the header first, one after the other. */
struct cells {
    struct pt_buf text;
    struct pt_buf ends; /* size_t: where each cell ends in `text` */
    size_t *widths;     /* one a column */
    size_t columns;
    size_t rows; /* with the header */
};

static void end_cell(struct cells *cells, size_t column, size_t start)
{
    size_t end = cells->text.size;
    size_t width = 0;

    if (!cells->text.has_failed && end > start) {
        width = width_of(pt_span_of(cells->text.data + start, end - start));
    }
    pt_buf_append(&cells->ends, &end, sizeof(end));
    cells->widths[column] = width > cells->widths[column] ? width : cells->widths[column];
}

static enum pt_code collect(struct cells *cells, struct pt_duck_result *result,
                            struct pt_error *err)
{
    for (size_t i = 0; i < cells->columns; i++) {
        size_t start = cells->text.size;

        append_shown(&cells->text, pt_span_str(pt_duck_column_name(result, i)));
        end_cell(cells, i, start);
    }
    cells->rows = 1;
    while (pt_duck_next(result)) {
        for (size_t i = 0; i < cells->columns; i++) {
            size_t start = cells->text.size;

            append_shown_value(&cells->text, pt_duck_value_at(result, i));
            end_cell(cells, i, start);
        }
        cells->rows++;
        if (cells->text.has_failed || cells->ends.has_failed) {
            return pt_fail(err, PT_TOO_BIG,
                           "too many rows for a table: take the format csv or json");
        }
    }
    return PT_OK;
}

static void append_padding(struct pt_buf *buf, char character, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pt_buf_append_byte(buf, (uint8_t)character);
    }
}

static void append_rule(struct pt_buf *buf, const struct cells *cells)
{
    for (size_t i = 0; i < cells->columns; i++) {
        pt_buf_append_str(buf, i ? "  " : "");
        append_padding(buf, '-', cells->widths[i]);
    }
    pt_buf_append_byte(buf, '\n');
}

static enum pt_code print(const struct cells *cells, const struct pt_duck_result *result,
                          struct output *output, struct pt_error *err)
{
    const uint8_t *ends = cells->ends.data;
    size_t start = 0;
    size_t end = 0;
    enum pt_code code = PT_OK;

    for (size_t row = 0; !code && row < cells->rows; row++) {
        for (size_t i = 0; i < cells->columns; i++) {
            struct pt_span cell = {0};
            size_t padding = 0;
            bool is_right = pt_duck_column_is_number(result, i);

            memcpy(&end, ends + (row * cells->columns + i) * sizeof(end), sizeof(end));
            cell = pt_span_of(cells->text.data + start, end - start);
            start = end;
            padding = cells->widths[i] - width_of(cell);
            pt_buf_append_str(&output->buf, i ? "  " : "");
            append_padding(&output->buf, ' ', is_right ? padding : 0);
            pt_buf_append(&output->buf, cell.data, cell.size);
            append_padding(&output->buf, ' ', is_right || i + 1 == cells->columns ? 0 : padding);
        }
        pt_buf_append_byte(&output->buf, '\n');
        if (row == 0) {
            append_rule(&output->buf, cells);
        }
        code = flush(output, FLUSH_BYTES, err);
    }
    return code;
}

static enum pt_code render_table(struct pt_duck_result *result, struct output *output,
                                 struct pt_error *err)
{
    struct cells cells = {.columns = pt_duck_column_count(result)};
    enum pt_code code = PT_OK;

    pt_buf_init(&cells.text, TABLE_BYTES_MAX);
    pt_buf_init(&cells.ends, TABLE_BYTES_MAX);
    cells.widths = pt_alloc_zero((cells.columns + 1) * sizeof(*cells.widths));
    if (!cells.widths) {
        code = pt_fail(err, PT_NO_MEMORY, "write the rows");
        goto out;
    }
    code = collect(&cells, result, err);
    if (!code) {
        code = print(&cells, result, output, err);
    }

out:
    pt_free(cells.widths);
    pt_buf_release(&cells.ends);
    pt_buf_release(&cells.text);
    return code;
}

enum pt_code pt_query_render(struct pt_duck_result *result, enum pt_query_format format,
                             bool (*write)(void *ctx, const void *data, size_t bytes), void *ctx,
                             struct pt_error *err)
{
    struct output output = {.write = write, .ctx = ctx};
    enum pt_code code = PT_OK;

    pt_buf_init(&output.buf, PIECE_BYTES_MAX);
    switch (format) {
    case PT_QUERY_TABLE:
        code = render_table(result, &output, err);
        break;
    case PT_QUERY_JSON:
        code = render_json(result, &output, err);
        break;
    case PT_QUERY_CSV:
        code = render_csv(result, &output, err);
        break;
    }
    if (!code) {
        code = flush(&output, 0, err);
    }
    pt_buf_release(&output.buf);
    return code;
}
