/*
 * compress_zstd.c - zstd (RFC 8878)
 *
 * A sender may ask for a window of at most 8 MiB, as RFC 9659 has it for HTTP: a larger one
 * would let a few bytes claim much memory. One frame and nothing behind it.
 */
#include "base/compress.h"

#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 23
#define STEP_BYTES_MIN 4096u

static size_t next_step(const struct pt_buf *out)
{
    size_t room = out->bytes_max - out->size;
    size_t step = out->size > STEP_BYTES_MIN ? out->size : STEP_BYTES_MIN;

    return step < room ? step : room;
}

static enum pt_code zstd_failed(size_t result, size_t at, struct pt_error *err)
{
    switch ((int)ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return pt_fail(err, PT_NO_MEMORY, "zstd");
    case ZSTD_error_frameParameter_windowTooLarge:
        return pt_fail(err, PT_TOO_BIG, "zstd: a window over %u bytes", 1u << WINDOW_LOG_MAX);
    default:
        return pt_fail(err, PT_INVALID, "zstd: byte %zu: %s", at, ZSTD_getErrorName(result));
    }
}

static enum pt_code decompress_some(ZSTD_DCtx *context, ZSTD_inBuffer *in, struct pt_buf *out,
                                    bool *is_done, struct pt_error *err)
{
    size_t step = next_step(out);
    uint8_t surplus = 0;
    ZSTD_outBuffer to = {.dst = &surplus, .size = 1};
    size_t in_before = in->pos;
    size_t result = 0;

    if (step > 0) {
        to = (ZSTD_outBuffer){.dst = pt_buf_reserve(out, step), .size = step};
    }
    if (!to.dst) {
        return pt_fail(err, PT_NO_MEMORY, "zstd");
    }
    result = ZSTD_decompressStream(context, &to, in);
    if (ZSTD_isError(result)) {
        return zstd_failed(result, in->pos, err);
    }
    if (step == 0 && to.pos > 0) {
        return pt_fail(err, PT_TOO_BIG, "zstd: more than %zu bytes when decompressed",
                       out->bytes_max);
    }
    if (step > 0) {
        out->size += to.pos;
    }
    *is_done = result == 0;
    if (!*is_done && in->pos == in_before && to.pos == 0) {
        return pt_fail(err, PT_INVALID, "zstd: the stream is cut short");
    }
    return PT_OK;
}

enum pt_code pt_zstd_decompress(struct pt_span data, struct pt_buf *out, struct pt_error *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {.src = data.data, .size = data.size};
    size_t size_before = out->size;
    bool is_done = false;
    enum pt_code code = PT_OK;

    if (!context) {
        return pt_fail(err, PT_NO_MEMORY, "zstd");
    }
    if (ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        code = pt_fail(err, PT_INVALID, "zstd: the library takes no window limit");
    }
    while (!code && !is_done) {
        code = decompress_some(context, &in, out, &is_done, err);
    }
    if (!code && in.pos < in.size) {
        code = pt_fail(err, PT_INVALID, "zstd: %zu bytes stand behind the end", in.size - in.pos);
    }
    ZSTD_freeDCtx(context);
    if (code) {
        out->size = size_before;
    }
    return code;
}

enum pt_code pt_zstd_compress(struct pt_span data, int level, struct pt_buf *out,
                              struct pt_error *err)
{
    size_t bound = ZSTD_compressBound(data.size);
    uint8_t *to = pt_buf_reserve(out, bound);
    size_t result = to ? ZSTD_compress(to, bound, data.data, data.size, level) : 0;

    if (!to) {
        return pt_fail(err, PT_NO_MEMORY, "zstd");
    }
    if (ZSTD_isError(result)) {
        return zstd_failed(result, 0, err);
    }
    out->size += result;
    return PT_OK;
}
