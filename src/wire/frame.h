/*
 * frame.h - checksummed records in a file
 *
 * FORMAT (docs/formats/frame.md), little-endian:
 *
 *     0  u32  length  payload bytes, 1..PT_FRAME_PAYLOAD_BYTES_MAX
 *     4  u32  crc32c  over the length field and the payload
 *     8       payload
 *
 * The client's queue is a run of frames. The first frame whose length or
 * crc is wrong ends the readable part.
 */
#ifndef PT_WIRE_FRAME_H
#define PT_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_FRAME_HEADER_BYTES 8
#define PT_FRAME_PAYLOAD_BYTES_MAX (1u << 20)

/* CRC-32C (Castagnoli); `crc` is 0 at first, or what the bytes before gave. */
uint32_t pt_crc32c(uint32_t crc, const void *data, size_t bytes);

/* Write the header for `payload` (1..max bytes). */
void pt_frame_header(const void *payload, uint32_t payload_bytes,
                     uint8_t header_out[PT_FRAME_HEADER_BYTES]);

/*
 * Look at the frame at the start of `data`. True: whole and sound, `*payload_bytes_out` set.
 * False: torn, damaged, or not yet all here.
 */
bool pt_frame_read(const uint8_t *data, size_t bytes, uint32_t *payload_bytes_out);

/* Little-endian, unaligned. */
static inline void pt_put_u16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}
static inline void pt_put_u32(uint8_t *at, uint32_t v)
{
    pt_put_u16(at, (uint16_t)v);
    pt_put_u16(at + 2, (uint16_t)(v >> 16));
}
static inline void pt_put_u64(uint8_t *at, uint64_t v)
{
    pt_put_u32(at, (uint32_t)v);
    pt_put_u32(at + 4, (uint32_t)(v >> 32));
}
static inline uint16_t pt_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (uint16_t)(at[1] << 8));
}
static inline uint32_t pt_get_u32(const uint8_t *at)
{
    return (uint32_t)pt_get_u16(at) | (uint32_t)pt_get_u16(at + 2) << 16;
}
static inline uint64_t pt_get_u64(const uint8_t *at)
{
    return (uint64_t)pt_get_u32(at) | (uint64_t)pt_get_u32(at + 4) << 32;
}

#endif
