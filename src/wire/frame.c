/*
 * frame.c - checksummed records in a file
 */
#include "wire/frame.h"

/*
 * Reflected Castagnoli polynomial 0x82f63b78, four bits a step: small and fast enough for a
 * game's queue, and free of machine instructions.
 */
static const uint32_t nibble_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t pt_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= at[i];
        crc = (crc >> 4) ^ nibble_table[crc & 15];
        crc = (crc >> 4) ^ nibble_table[crc & 15];
    }
    return ~crc;
}

static uint32_t frame_crc(const uint8_t length[4], const void *payload, uint32_t payload_bytes)
{
    return pt_crc32c(pt_crc32c(0, length, 4), payload, payload_bytes);
}

void pt_frame_header(const void *payload, uint32_t payload_bytes,
                     uint8_t header_out[PT_FRAME_HEADER_BYTES])
{
    pt_put_u32(header_out, payload_bytes);
    pt_put_u32(header_out + 4, frame_crc(header_out, payload, payload_bytes));
}

bool pt_frame_read(const uint8_t *data, size_t bytes, uint32_t *payload_bytes_out)
{
    uint32_t length = 0;

    if (bytes < PT_FRAME_HEADER_BYTES) {
        return false;
    }
    length = pt_get_u32(data);
    if (length == 0 || length > PT_FRAME_PAYLOAD_BYTES_MAX ||
        bytes - PT_FRAME_HEADER_BYTES < length) {
        return false;
    }
    if (frame_crc(data, data + PT_FRAME_HEADER_BYTES, length) != pt_get_u32(data + 4)) {
        return false;
    }
    *payload_bytes_out = length;
    return true;
}
