/*
 * stats.c - what a data file holds, column by column, and its description as JSON
 *
 * FORMAT of a description (docs/formats/lake.md):
 *
 *     {"path":"data/event_time_day=2026-11-01/ckpt-00000012.0123456789abcdef.parquet","day":20758,"rows":3,
 *      "bytes":2345,"columns":[{"bytes":96,"nulls":0,"lower":"6c6576","upper":"6c6576"},…]}
 *
 * `columns` stands in the order of the field ids; bounds are hex, absent where there are none.
 */
#include "lake/stats.h"

#include "base/crypto.h"
#include "wire/frame.h"

#define COLUMNS_FIRST 16 /* what the first version of this program knew */

/* ---- bounds ---- */

static size_t character_bytes(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static uint32_t decode_character(const uint8_t *at, size_t size)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t value = at[0] & masks[size];

    for (size_t i = 1; i < size; i++) {
        value = value << 6 | (at[i] & 0x3f);
    }
    return value;
}

static size_t encode_character(uint32_t value, uint8_t *at)
{
    if (value < 0x80) {
        at[0] = (uint8_t)value;
        return 1;
    }
    if (value < 0x800) {
        at[0] = (uint8_t)(0xc0 | value >> 6);
        at[1] = (uint8_t)(0x80 | (value & 0x3f));
        return 2;
    }
    if (value < 0x10000) {
        at[0] = (uint8_t)(0xe0 | value >> 12);
        at[1] = (uint8_t)(0x80 | (value >> 6 & 0x3f));
        at[2] = (uint8_t)(0x80 | (value & 0x3f));
        return 3;
    }
    at[0] = (uint8_t)(0xf0 | value >> 18);
    at[1] = (uint8_t)(0x80 | (value >> 12 & 0x3f));
    at[2] = (uint8_t)(0x80 | (value >> 6 & 0x3f));
    at[3] = (uint8_t)(0x80 | (value & 0x3f));
    return 4;
}

/* The smallest text of at most the same count of characters that is above every continuation. */
static void round_up(struct pt_bound *bound)
{
    while (bound->size > 0) {
        size_t start = bound->size - 1u;
        uint32_t value = 0;

        while (start > 0 && (bound->data[start] & 0xc0) == 0x80) {
            start--;
        }
        value = decode_character(bound->data + start, bound->size - start);
        bound->size = (uint8_t)start;
        if (value < 0x10ffff) {
            value = value == 0xd7ff ? 0xe000 : value + 1; /* surrogates are not characters */
            bound->size = (uint8_t)(start + encode_character(value, bound->data + start));
            return;
        }
    }
    bound->is_set = false;
}

struct pt_bound pt_text_bound(struct pt_span text, bool upper)
{
    struct pt_bound bound = {.is_set = true};
    size_t size = 0;

    for (unsigned i = 0; i < PT_BOUND_CHARACTERS_MAX && size < text.size; i++) {
        size_t next = size + character_bytes(text.data[size]);

        size = next < text.size ? next : text.size;
    }
    pt_assert(size <= sizeof(bound.data));
    if (size > 0) {
        memcpy(bound.data, text.data, size);
    }
    bound.size = (uint8_t)size;
    if (upper && size < text.size) {
        round_up(&bound);
    }
    return bound;
}

static struct pt_bound bytes_bound(struct pt_span bytes)
{
    struct pt_bound bound = {.is_set = true, .size = (uint8_t)bytes.size};

    memcpy(bound.data, bytes.data, bytes.size);
    return bound;
}

static struct pt_bound integer_bound(enum pt_column_kind kind, int64_t value)
{
    struct pt_bound bound = {.is_set = true, .size = 8};

    if (kind == PT_COLUMN_BOOL) {
        bound.size = 1;
        bound.data[0] = value != 0;
    } else {
        pt_put_u64(bound.data, (uint64_t)value);
    }
    return bound;
}

static int compare_bytes(struct pt_span a, struct pt_span b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

void pt_extremes_take_bytes(struct pt_extremes *seen, struct pt_span bytes, uint64_t key)
{
    bool is_first = !seen->has_value;

    seen->has_value = true;
    if (is_first || key < seen->first_key ||
        (key == seen->first_key && compare_bytes(bytes, seen->first) < 0)) {
        seen->first = bytes;
        seen->first_key = key;
    }
    if (is_first || key > seen->last_key ||
        (key == seen->last_key && compare_bytes(bytes, seen->last) > 0)) {
        seen->last = bytes;
        seen->last_key = key;
    }
}

static void set_bounds(struct pt_column_stats *stats, enum pt_column_kind kind,
                       const struct pt_extremes *seen)
{
    char lower_hex[2 * PT_PSEUDONYM_BYTES + 1];
    char upper_hex[2 * PT_PSEUDONYM_BYTES + 1];

    switch (kind) {
    case PT_COLUMN_UUID:
        /*
         * Java compares the halves of a UUID as signed numbers. Where that gives another order
         * than the bytes do, there are no bounds, or such a reader would skip files wrongly.
         */
        if (seen->top_bits[0] != 3 && seen->top_bits[1] != 3) {
            stats->lower = bytes_bound(seen->first);
            stats->upper = bytes_bound(seen->last);
        }
        break;
    case PT_COLUMN_HEX:
        pt_hex_encode(seen->first.data, seen->first.size, lower_hex);
        pt_hex_encode(seen->last.data, seen->last.size, upper_hex);
        stats->lower = pt_text_bound(pt_span_str(lower_hex), false);
        stats->upper = pt_text_bound(pt_span_str(upper_hex), true);
        break;
    case PT_COLUMN_TEXT:
        stats->lower = pt_text_bound(seen->first, false);
        stats->upper = pt_text_bound(seen->last, true);
        break;
    case PT_COLUMN_TIME:
    case PT_COLUMN_LONG:
    case PT_COLUMN_BOOL:
        stats->lower = integer_bound(kind, seen->least);
        stats->upper = integer_bound(kind, seen->most);
        break;
    }
}

void pt_file_stats_finish(const struct pt_file_stats *file,
                          struct pt_column_stats stats_out[PT_COLUMN_COUNT])
{
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        stats_out[i].null_count = file->null_counts[i];
        stats_out[i].lower.is_set = false;
        stats_out[i].upper.is_set = false;
        if (file->seen[i].has_value) {
            set_bounds(&stats_out[i], pt_columns[i].kind, &file->seen[i]);
        }
    }
}

/* ---- the description ---- */

static void write_bound(const char *key, const struct pt_bound *bound, struct pt_jsonw *w)
{
    char hex[2 * PT_BOUND_BYTES_MAX + 1];

    if (bound->is_set) {
        pt_hex_encode(bound->data, bound->size, hex);
        pt_jsonw_member_str(w, key, hex);
    }
}

void pt_data_file_write(const struct pt_data_file *file, struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_jsonw_key(w, "path");
    pt_jsonw_string(w, file->path);
    pt_jsonw_member_int(w, "day", file->day);
    pt_jsonw_member_uint(w, "rows", file->rows);
    pt_jsonw_member_uint(w, "bytes", file->bytes);
    pt_jsonw_key(w, "columns");
    pt_jsonw_array(w);
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        const struct pt_column_stats *stats = &file->columns[i];

        pt_jsonw_object(w);
        pt_jsonw_member_uint(w, "bytes", stats->file_bytes);
        pt_jsonw_member_uint(w, "nulls", stats->null_count);
        write_bound("lower", &stats->lower, w);
        write_bound("upper", &stats->upper, w);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}

static int hex_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool parse_bound(struct pt_json column, const char *key, struct pt_bound *bound_out)
{
    struct pt_span hex = {0};

    bound_out->is_set = pt_json_member_string(column, key, &hex);
    if (hex.size % 2 || hex.size / 2 > PT_BOUND_BYTES_MAX) {
        return false;
    }
    bound_out->size = (uint8_t)(hex.size / 2);
    for (size_t i = 0; i < hex.size; i += 2) {
        int high = hex_digit(hex.data[i]);
        int low = hex_digit(hex.data[i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        bound_out->data[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_count(struct pt_json object, const char *key, uint64_t *count_out)
{
    int64_t value = 0;

    if (!pt_json_member_int(object, key, &value) || value < 0) {
        return false;
    }
    *count_out = (uint64_t)value;
    return true;
}

static bool parse_columns(struct pt_json array, struct pt_data_file *file)
{
    struct pt_json_iter it;
    unsigned count = 0;

    if (!pt_json_exists(array) || pt_json_type(array) != PT_JSON_ARRAY) {
        return false;
    }
    for (it = pt_json_iterate(array); pt_json_next(&it); count++) {
        struct pt_column_stats *stats = &file->columns[count < PT_COLUMN_COUNT ? count : 0];

        if (count == PT_COLUMN_COUNT || pt_json_type(it.value) != PT_JSON_OBJECT ||
            !parse_count(it.value, "bytes", &stats->file_bytes) ||
            !parse_count(it.value, "nulls", &stats->null_count) ||
            !parse_bound(it.value, "lower", &stats->lower) ||
            !parse_bound(it.value, "upper", &stats->upper)) {
            return false;
        }
    }
    file->column_count = count;
    return count >= COLUMNS_FIRST;
}

enum pt_code pt_data_file_parse(struct pt_json json, struct pt_data_file *file_out,
                                struct pt_error *err)
{
    memset(file_out, 0, sizeof(*file_out));
    if (pt_json_type(json) != PT_JSON_OBJECT ||
        !pt_json_member_string(json, "path", &file_out->path) || file_out->path.size == 0 ||
        !pt_json_member_int(json, "day", &file_out->day) || file_out->day < INT32_MIN ||
        file_out->day > INT32_MAX || !parse_count(json, "rows", &file_out->rows) ||
        !parse_count(json, "bytes", &file_out->bytes) ||
        !parse_columns(pt_json_member(json, "columns"), file_out)) {
        return pt_fail(err, PT_CORRUPT, "not the description of a data file");
    }
    return PT_OK;
}
