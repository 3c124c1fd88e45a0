/*
 * compress_zlib.c - gzip (RFC 1952) and raw DEFLATE (RFC 1951), by zlib
 *
 * One member and nothing behind it: a second one would be a second body. The output is
 * taken in steps that double, so that a small bomb never gets a large buffer at once.
 */
#include "base/compress.h"

#include <limits.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* largest window, gzip header and trailer */
#define RAW_WINDOW (-15)      /* largest window, no header and no trailer */
#define STEP_BYTES_MIN 4096u

/* The next step's room: as much as there is already, within what `out` may still take. */
static size_t next_step(const struct pt_buf *out)
{
    size_t room = out->bytes_max - out->size;
    size_t step = out->size > STEP_BYTES_MIN ? out->size : STEP_BYTES_MIN;

    return step < room ? step : room;
}

static enum pt_code inflate_failed(int result, const z_stream *stream, struct pt_error *err)
{
    if (result == Z_MEM_ERROR) {
        return pt_fail(err, PT_NO_MEMORY, "gzip");
    }
    if (result == Z_BUF_ERROR) {
        return pt_fail(err, PT_INVALID, "gzip: the stream is cut short");
    }
    return pt_fail(err, PT_INVALID, "gzip: byte %lu: %s", stream->total_in,
                   stream->msg ? stream->msg : "damaged");
}

/* With no room left a stream may still have its trailer to read, but not one byte to give. */
static enum pt_code inflate_some(z_stream *stream, struct pt_buf *out, bool *is_done,
                                 struct pt_error *err)
{
    size_t step = next_step(out);
    uint8_t surplus = 0;
    uint8_t *to = step > 0 ? pt_buf_reserve(out, step) : &surplus;
    size_t room = step > 0 ? (step < UINT_MAX ? step : UINT_MAX) : 1;
    int result = Z_OK;

    if (!to) {
        return pt_fail(err, PT_NO_MEMORY, "gzip");
    }
    stream->next_out = to;
    stream->avail_out = (uInt)room;
    result = inflate(stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END) {
        return inflate_failed(result, stream, err);
    }
    if (step == 0 && stream->avail_out == 0) {
        return pt_fail(err, PT_TOO_BIG, "gzip: more than %zu bytes when decompressed",
                       out->bytes_max);
    }
    if (step > 0) {
        out->size += room - stream->avail_out;
    }
    *is_done = result == Z_STREAM_END;
    return PT_OK;
}

static enum pt_code decompress(struct pt_span data, int window, struct pt_buf *out,
                               struct pt_error *err)
{
    z_stream stream = {0};
    size_t size_before = out->size;
    bool is_done = false;
    enum pt_code code = PT_OK;

    if (data.size > UINT_MAX) {
        return pt_fail(err, PT_TOO_BIG, "gzip: %zu bytes at once", data.size);
    }
    if (inflateInit2(&stream, window) != Z_OK) {
        return pt_fail(err, PT_NO_MEMORY, "gzip");
    }
    stream.next_in = (z_const Bytef *)data.data;
    stream.avail_in = (uInt)data.size;
    while (!code && !is_done) {
        code = inflate_some(&stream, out, &is_done, err);
    }
    if (!code && window == GZIP_WINDOW && stream.avail_in > 0) {
        code = pt_fail(err, PT_INVALID, "gzip: %u bytes stand behind the end", stream.avail_in);
    }
    inflateEnd(&stream);
    if (code) {
        out->size = size_before;
    }
    return code;
}

enum pt_code pt_gzip_decompress(struct pt_span data, struct pt_buf *out, struct pt_error *err)
{
    return decompress(data, GZIP_WINDOW, out, err);
}

enum pt_code pt_deflate_decompress(struct pt_span data, struct pt_buf *out, struct pt_error *err)
{
    return decompress(data, RAW_WINDOW, out, err);
}

enum pt_code pt_gzip_compress(struct pt_span data, struct pt_buf *out, struct pt_error *err)
{
    z_stream stream = {0};
    uLong bound = 0;
    uint8_t *to = NULL;
    int result = Z_OK;

    if (data.size > UINT_MAX / 2) {
        return pt_fail(err, PT_TOO_BIG, "gzip: %zu bytes at once", data.size);
    }
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return pt_fail(err, PT_NO_MEMORY, "gzip");
    }
    bound = deflateBound(&stream, (uLong)data.size);
    to = pt_buf_reserve(out, bound);
    if (!to) {
        deflateEnd(&stream);
        return pt_fail(err, PT_NO_MEMORY, "gzip: no room for %lu bytes", bound);
    }
    stream.next_in = (z_const Bytef *)data.data;
    stream.avail_in = (uInt)data.size;
    stream.next_out = to;
    stream.avail_out = (uInt)bound;
    result = deflate(&stream, Z_FINISH);
    pt_assert(result == Z_STREAM_END); /* the bound is the library's promise */
    out->size += bound - stream.avail_out;
    deflateEnd(&stream);
    return PT_OK;
}
