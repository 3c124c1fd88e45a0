/*
 * avro_move.c - an Avro file with the place of its paths changed
 *
 * Walks each value by the schema in the file's own header and copies it, so that fields and
 * metadata that other programs, or later versions, put there stay.
 */
#include "lake/avro_move.h"

#include "base/json.h"
#include "lake/container.h"

#define DEPTH_MAX 32
#define SCHEMA_BYTES_MAX (4u << 20)

struct move {
    struct pt_span in; /* what is left of the block */
    struct pt_buf *out;
    const struct pt_avro_move *how;
    struct pt_span path; /* of the manifest, in a line of a manifest list */
};

/* What is behind "file://" or "file:"; all of it where it starts otherwise. */
static struct pt_span without_scheme(struct pt_span text)
{
    size_t size = 0;

    if (text.size >= 7 && memcmp(text.data, "file://", 7) == 0) {
        size = 7;
    } else if (text.size >= 5 && memcmp(text.data, "file:", 5) == 0) {
        size = 5;
    }
    return pt_span_of(text.data + size, text.size - size);
}

bool pt_text_move(struct pt_span text, const char *whole_old, struct pt_span *rest_out)
{
    struct pt_span place = without_scheme(pt_span_str(whole_old));
    const char *old = (const char *)place.data;
    size_t size = place.size;

    text = without_scheme(text);
    if (text.size < size || memcmp(text.data, old, size) != 0 ||
        (text.size > size && text.data[size] != '/')) {
        return false;
    }
    *rest_out = pt_span_of(text.data + size, text.size - size);
    return true;
}

static bool copy_bytes(struct move *move, size_t bytes)
{
    if (bytes > move->in.size) {
        return false;
    }
    pt_buf_append(move->out, move->in.data, bytes);
    move->in = pt_span_of(move->in.data + bytes, move->in.size - bytes);
    return true;
}

static bool take_long(struct move *move, int64_t *value_out)
{
    uint64_t bits = 0;

    for (unsigned shift = 0; shift < 64 && move->in.size > 0; shift += 7) {
        uint8_t byte = move->in.data[0];

        move->in = pt_span_of(move->in.data + 1, move->in.size - 1);
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value_out = (int64_t)(bits >> 1 ^ (0 - (bits & 1)));
            return true;
        }
    }
    return false;
}

static void put_long(struct pt_buf *out, int64_t value)
{
    uint64_t bits = ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63));

    for (; bits > 0x7f; bits >>= 7) {
        pt_buf_append_byte(out, (uint8_t)(bits | 0x80));
    }
    pt_buf_append_byte(out, (uint8_t)bits);
}

static bool copy_long(struct move *move, int64_t *value_out)
{
    if (!take_long(move, value_out)) {
        return false;
    }
    put_long(move->out, *value_out);
    return true;
}

static bool copy_text(struct move *move, bool is_string)
{
    int64_t size = 0;
    struct pt_span rest = {0};

    if (!take_long(move, &size) || size < 0 || (uint64_t)size > move->in.size) {
        return false;
    }
    if (is_string && pt_text_move(pt_span_of(move->in.data, (size_t)size), move->how->old, &rest)) {
        size_t head = strlen(move->how->new);

        put_long(move->out, (int64_t)(head + rest.size));
        pt_buf_append(move->out, move->how->new, head);
        pt_buf_append(move->out, rest.data, rest.size);
        move->in = pt_span_of(move->in.data + size, move->in.size - (size_t)size);
        return true;
    }
    put_long(move->out, size);
    return copy_bytes(move, (size_t)size);
}

static bool copy_value(struct move *move, struct pt_json schema, unsigned depth);

/* Blocks of items, rewritten without the byte count that a block may have. */
static bool copy_blocks(struct move *move, struct pt_json item, bool has_keys, unsigned depth)
{
    for (;;) {
        int64_t count = 0;
        int64_t bytes = 0;

        if (!take_long(move, &count) || count == INT64_MIN ||
            (count < 0 && !take_long(move, &bytes))) {
            return false;
        }
        count = count < 0 ? -count : count;
        put_long(move->out, count);
        if (count == 0) {
            return true;
        }
        for (; count > 0; count--) {
            if ((has_keys && !copy_text(move, true)) || !copy_value(move, item, depth + 1)) {
                return false;
            }
        }
    }
}

static bool copy_union(struct move *move, struct pt_json branches, unsigned depth)
{
    int64_t index = 0;
    struct pt_json branch = {0};

    if (!copy_long(move, &index) || index < 0 || index >= pt_json_count(branches)) {
        return false;
    }
    branch = pt_json_element(branches, (uint32_t)index);
    return pt_json_exists(branch) && copy_value(move, branch, depth + 1);
}

/* A line of a manifest list has the manifest's path, then its size. */
static bool copy_field(struct move *move, struct pt_json field, struct pt_json type, unsigned depth)
{
    struct pt_span name = {0};
    int64_t bytes = 0;
    int64_t old_bytes = 0;

    if (move->how->bytes_of && pt_json_member_string(field, "name", &name)) {
        if (pt_span_is(name, "manifest_path")) {
            struct move look = *move;

            if (!take_long(&look, &bytes) || bytes < 0 || (uint64_t)bytes > look.in.size) {
                return false;
            }
            move->path = pt_span_of(look.in.data, (size_t)bytes);
        } else if (pt_span_is(name, "manifest_length")) {
            if (!take_long(move, &old_bytes) ||
                !move->how->bytes_of(move->how->ctx, move->path, &bytes)) {
                return false;
            }
            put_long(move->out, bytes);
            return true;
        }
    }
    return copy_value(move, type, depth + 1);
}

static bool copy_record(struct move *move, struct pt_json record, unsigned depth)
{
    struct pt_json fields = pt_json_member(record, "fields");
    struct pt_json_iter it;

    if (!pt_json_exists(fields) || pt_json_type(fields) != PT_JSON_ARRAY) {
        return false;
    }
    for (it = pt_json_iterate(fields); pt_json_next(&it);) {
        struct pt_json type = pt_json_type(it.value) == PT_JSON_OBJECT
                                  ? pt_json_member(it.value, "type")
                                  : (struct pt_json){0};

        if (!pt_json_exists(type) || !copy_field(move, it.value, type, depth)) {
            return false;
        }
    }
    return true;
}

static bool copy_named(struct move *move, struct pt_json schema, struct pt_span name,
                       unsigned depth)
{
    int64_t number = 0;
    bool is_object = pt_json_type(schema) == PT_JSON_OBJECT;

    if (pt_span_is(name, "null")) {
        return true;
    }
    if (pt_span_is(name, "boolean")) {
        return copy_bytes(move, 1);
    }
    if (pt_span_is(name, "int") || pt_span_is(name, "long") || pt_span_is(name, "enum")) {
        return copy_long(move, &number);
    }
    if (pt_span_is(name, "float") || pt_span_is(name, "double")) {
        return copy_bytes(move, pt_span_is(name, "float") ? 4 : 8);
    }
    if (pt_span_is(name, "string") || pt_span_is(name, "bytes")) {
        return copy_text(move, pt_span_is(name, "string"));
    }
    if (!is_object) {
        return false; /* a type defined elsewhere in the schema: Iceberg's files have none */
    }
    if (pt_span_is(name, "fixed")) {
        return pt_json_member_int(schema, "size", &number) && number >= 0 &&
               copy_bytes(move, (size_t)number);
    }
    if (pt_span_is(name, "record")) {
        return copy_record(move, schema, depth);
    }
    if (pt_span_is(name, "array") || pt_span_is(name, "map")) {
        bool is_map = pt_span_is(name, "map");
        struct pt_json item = pt_json_member(schema, is_map ? "values" : "items");

        return pt_json_exists(item) && copy_blocks(move, item, is_map, depth);
    }
    return false;
}

static bool copy_value(struct move *move, struct pt_json schema, unsigned depth)
{
    struct pt_json type = schema;

    if (depth > DEPTH_MAX) {
        return false;
    }
    if (pt_json_type(schema) == PT_JSON_ARRAY) {
        return copy_union(move, schema, depth);
    }
    if (pt_json_type(schema) == PT_JSON_OBJECT) {
        type = pt_json_member(schema, "type");
        if (pt_json_exists(type) && pt_json_type(type) != PT_JSON_STRING) {
            return copy_value(move, type, depth + 1);
        }
    }
    return pt_json_exists(type) && pt_json_type(type) == PT_JSON_STRING &&
           copy_named(move, schema, pt_json_string(type), depth);
}

static enum pt_code move_blocks(struct pt_container *container, struct pt_json schema,
                                struct move *move, struct pt_buf *out, struct pt_error *err)
{
    struct pt_buf block;
    enum pt_code code = PT_OK;

    pt_buf_init(&block, out->bytes_max);
    move->out = &block;
    for (;;) {
        uint64_t count = 0;

        code = pt_container_next(container, &count, &move->in, err);
        if (code || count == 0) {
            break;
        }
        pt_buf_reset(&block);
        for (uint64_t i = 0; i < count; i++) {
            if (!copy_value(move, schema, 0)) {
                code = pt_fail(err, PT_CORRUPT, "an Avro value does not fit its schema");
                break;
            }
        }
        if (!code && move->in.size) {
            code = pt_fail(err, PT_CORRUPT, "an Avro block holds more than its values");
        }
        if (code) {
            break;
        }
        out->has_failed |= block.has_failed;
        pt_container_block(out, count, pt_buf_span(&block), container->sync);
    }
    pt_buf_release(&block);
    return code;
}

/* The header with the compression changed to none; its end is where the blocks begin. */
static bool copy_header(struct pt_span header, struct pt_buf *out)
{
    static const struct pt_avro_move as_it_is = {.old = "\n", .new = "\n"};
    struct move move = {.in = header, .out = out, .how = &as_it_is};
    int64_t count = 1;
    int64_t bytes = 0;

    if (!copy_bytes(&move, 4)) {
        return false;
    }
    for (;;) {
        if (!take_long(&move, &count) || count == INT64_MIN ||
            (count < 0 && !take_long(&move, &bytes))) {
            return false;
        }
        count = count < 0 ? -count : count;
        put_long(out, count);
        if (count == 0) {
            return copy_bytes(&move, move.in.size); /* the sync mark */
        }
        for (; count > 0; count--) {
            size_t at = out->size;
            bool is_codec = false;

            if (!copy_text(&move, false)) {
                return false;
            }
            is_codec = out->size - at == 11 && memcmp(out->data + at + 1, "avro.codec", 10) == 0;
            at = out->size;
            if (!copy_text(&move, false)) {
                return false;
            }
            if (is_codec && !out->has_failed) {
                out->size = at;
                put_long(out, 4);
                pt_buf_append_str(out, "null");
            }
        }
    }
}

enum pt_code pt_avro_move(struct pt_span file, const struct pt_avro_move *how, struct pt_buf *out,
                          struct pt_error *err)
{
    struct pt_container container;
    struct move move = {.how = how};
    struct pt_json_parser *parser = NULL;
    struct pt_buf text;
    struct pt_json schema = {0};
    enum pt_code code = pt_container_open(&container, file, err);

    pt_buf_init(&text, SCHEMA_BYTES_MAX);
    if (code) {
        goto out;
    }
    parser = pt_json_parser_create(SCHEMA_BYTES_MAX);
    pt_buf_append(&text, container.schema.data, container.schema.size);
    if (!parser || !pt_buf_reserve(&text, PT_JSON_PADDING)) {
        code = pt_fail(err, PT_NO_MEMORY, "read an Avro schema");
        goto out;
    }
    if (pt_json_parse(parser, pt_buf_span(&text), &schema, NULL, err)) {
        code = pt_error_prefix(err, PT_CORRUPT, "Avro schema");
        code = PT_CORRUPT;
        goto out;
    }
    /* The header, sync mark included, is all before the blocks. */
    code = copy_header(pt_span_of(file.data, file.size - container.rest.size), out)
               ? move_blocks(&container, schema, &move, out, err)
               : pt_fail(err, PT_CORRUPT, "an Avro header is damaged");
    if (!code && out->has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "rewrite an Avro file");
    }

out:
    pt_json_parser_destroy(parser);
    pt_buf_release(&text);
    pt_container_release(&container);
    return code;
}
