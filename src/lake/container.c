/*
 * container.c - Avro's object container files
 *
 * FORMAT (Avro 1.11, "Object Container Files"). Numbers are zig-zag variable-length longs:
 *
 *     "Obj" 1
 *     map of metadata: blocks of { count, count x { key, value } }, each key and value
 *         a length and bytes; a negative count is followed by the block's bytes; 0 ends it
 *     16 bytes of sync mark
 *     blocks: { count of values, bytes of values, the values, the sync mark }
 */
#include "lake/container.h"

#include "base/compress.h"

#define BLOCK_BYTES_MAX (256u << 20) /* of one block, decompressed */

static const uint8_t magic[4] = {'O', 'b', 'j', 1};

static void put_long(struct pt_buf *buf, int64_t value)
{
    uint64_t bits = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);

    while (bits >= 0x80) {
        pt_buf_append_byte(buf, (uint8_t)(bits | 0x80));
        bits >>= 7;
    }
    pt_buf_append_byte(buf, (uint8_t)bits);
}

static void put_bytes(struct pt_buf *buf, struct pt_span bytes)
{
    put_long(buf, (int64_t)bytes.size);
    pt_buf_append(buf, bytes.data, bytes.size);
}

void pt_container_begin(struct pt_buf *file, const struct pt_container_pair *pairs, size_t count,
                        const uint8_t sync[PT_CONTAINER_SYNC_BYTES])
{
    pt_buf_append(file, magic, sizeof(magic));
    put_long(file, (int64_t)count + 1);
    put_bytes(file, pt_span_str("avro.codec"));
    put_bytes(file, pt_span_str("null"));
    for (size_t i = 0; i < count; i++) {
        put_bytes(file, pt_span_str(pairs[i].key));
        put_bytes(file, pairs[i].value);
    }
    put_long(file, 0);
    pt_buf_append(file, sync, PT_CONTAINER_SYNC_BYTES);
}

void pt_container_block(struct pt_buf *file, uint64_t count, struct pt_span values,
                        const uint8_t sync[PT_CONTAINER_SYNC_BYTES])
{
    if (count > 0) {
        put_long(file, (int64_t)count);
        put_bytes(file, values);
        pt_buf_append(file, sync, PT_CONTAINER_SYNC_BYTES);
    }
}

/* ---- reading ---- */

static bool take(struct pt_span *rest, size_t bytes, struct pt_span *out)
{
    if (bytes > rest->size) {
        return false;
    }
    *out = pt_span_of(rest->data, bytes);
    *rest = pt_span_of(rest->data + bytes, rest->size - bytes);
    return true;
}

static bool take_long(struct pt_span *rest, int64_t *value_out)
{
    uint64_t bits = 0;

    for (unsigned shift = 0; shift < 64 && rest->size > 0; shift += 7) {
        uint8_t byte = rest->data[0];

        *rest = pt_span_of(rest->data + 1, rest->size - 1);
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value_out = (int64_t)(bits >> 1 ^ (0 - (bits & 1)));
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct pt_span *rest, struct pt_span *out)
{
    int64_t size = 0;

    return take_long(rest, &size) && size >= 0 && take(rest, (size_t)size, out);
}

static bool take_metadata(struct pt_span *rest, struct pt_span *schema_out,
                          struct pt_span *codec_out)
{
    int64_t count = 1;
    int64_t bytes = 0;

    while (take_long(rest, &count) && count != 0) {
        if (count == INT64_MIN || (count < 0 && !take_long(rest, &bytes))) {
            return false;
        }
        for (count = count < 0 ? -count : count; count > 0; count--) {
            struct pt_span key = {0};
            struct pt_span value = {0};

            if (!take_bytes(rest, &key) || !take_bytes(rest, &value)) {
                return false;
            }
            if (pt_span_is(key, "avro.schema")) {
                *schema_out = value;
            } else if (pt_span_is(key, "avro.codec")) {
                *codec_out = value;
            }
        }
        count = 1; /* so that only a 0 that was read counts as the end */
    }
    return count == 0;
}

enum pt_code pt_container_open(struct pt_container *container, struct pt_span file,
                               struct pt_error *err)
{
    struct pt_span part = {0};
    struct pt_span codec = pt_span_str("null");

    memset(container, 0, sizeof(*container));
    pt_buf_init(&container->block, BLOCK_BYTES_MAX);
    container->rest = file;
    if (!take(&container->rest, sizeof(magic), &part) ||
        memcmp(part.data, magic, sizeof(magic)) != 0 ||
        !take_metadata(&container->rest, &container->schema, &codec) ||
        !take(&container->rest, PT_CONTAINER_SYNC_BYTES, &part) || container->schema.size == 0) {
        return pt_fail(err, PT_CORRUPT, "not an Avro file, or its header is damaged");
    }
    memcpy(container->sync, part.data, PT_CONTAINER_SYNC_BYTES);
    if (pt_span_is(codec, "deflate")) {
        container->decompress = pt_deflate_decompress;
    } else if (pt_span_is(codec, "zstandard")) {
        container->decompress = pt_zstd_decompress;
    } else if (!pt_span_is(codec, "null")) {
        return pt_fail(
            err, PT_INVALID,
            "Avro blocks compressed with %.*s, written by another program, are not read: "
            "have it write deflate, zstandard or null",
            PT_SPAN_ARG(codec));
    }
    return PT_OK;
}

void pt_container_release(struct pt_container *container)
{
    pt_buf_release(&container->block);
}

enum pt_code pt_container_next(struct pt_container *container, uint64_t *count_out,
                               struct pt_span *values_out, struct pt_error *err)
{
    struct pt_span sync = {0};
    struct pt_span values = {0};
    int64_t count = 0;
    enum pt_code code = PT_OK;

    *count_out = 0;
    if (container->rest.size == 0) {
        return PT_OK;
    }
    if (!take_long(&container->rest, &count) || count <= 0 ||
        !take_bytes(&container->rest, &values) ||
        !take(&container->rest, PT_CONTAINER_SYNC_BYTES, &sync) ||
        memcmp(sync.data, container->sync, PT_CONTAINER_SYNC_BYTES) != 0) {
        return pt_fail(err, PT_CORRUPT, "an Avro block is torn or damaged");
    }
    if (container->decompress) {
        pt_buf_reset(&container->block);
        code = container->decompress(values, &container->block, err);
        if (code == PT_INVALID) {
            code = pt_fail(err, PT_CORRUPT, "an Avro block is torn or damaged");
        }
        values = pt_buf_span(&container->block);
    }
    *values_out = values;
    *count_out = code ? 0 : (uint64_t)count;
    return code;
}
