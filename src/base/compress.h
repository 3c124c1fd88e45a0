/*
 * compress.h - gzip, raw DEFLATE and zstd, bounded
 */
#ifndef PT_BASE_COMPRESS_H
#define PT_BASE_COMPRESS_H

#include "base/mem.h"

/*
 * Append the decompressed bytes to `out`, whose bytes_max bounds them: more is PT_TOO_BIG.
 * PT_INVALID for a stream that is broken, cut short, or followed by other bytes.
 */
enum pt_code pt_gzip_decompress(struct pt_span data, struct pt_buf *out,
                                struct pt_error *err) PT_MUST_USE;
/* What follows the end is passed over: Avro's Python writers leave bytes of a checksum there. */
enum pt_code pt_deflate_decompress(struct pt_span data, struct pt_buf *out,
                                   struct pt_error *err) PT_MUST_USE;
enum pt_code pt_zstd_decompress(struct pt_span data, struct pt_buf *out,
                                struct pt_error *err) PT_MUST_USE;
/* One frame; `level` as zstd has it: 1 is fast. */
enum pt_code pt_zstd_compress(struct pt_span data, int level, struct pt_buf *out,
                              struct pt_error *err) PT_MUST_USE;
enum pt_code pt_gzip_compress(struct pt_span data, struct pt_buf *out,
                              struct pt_error *err) PT_MUST_USE;

#endif
