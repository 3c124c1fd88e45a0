/*
 * run_block.c - up to 256 ascending values, packed
 *
 * Neighbours in a sorted run agree in their high bits, so differences are stored: 19 bits instead
 * of 64 for UUIDv7 ids a millisecond apart, 45 for UUIDv4 ids of a run of four million.
 */
#include "base/crypto.h"
#include "stream/run.h"
#include "wire/frame.h"

/* A wider difference does not fit beside seven bits of its neighbour in one word. */
#define WIDTH_MAX 57u

static uint64_t load_word(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, 8);
    return le64toh(word);
}

static void store_word(uint8_t *at, uint64_t word)
{
    word = htole64(word);
    memcpy(at, &word, 8);
}

static size_t packed_bytes(unsigned count, unsigned width, bool is_hashes)
{
    return PT_RUN_BLOCK_HEADER_BYTES + (is_hashes ? 0 : 8 * (size_t)count) +
           ((size_t)(count - 1) * width + 7) / 8;
}

size_t pt_run_block_pack(const struct pt_run_block *block, uint32_t number, bool is_hashes,
                         uint8_t *out)
{
    uint64_t widest = 0;
    unsigned width = 0;
    size_t bytes = 0;
    uint8_t *at = out + PT_RUN_BLOCK_HEADER_BYTES;

    for (unsigned i = 1; i < block->count; i++) {
        widest |= block->ids[i].hi - block->ids[i - 1].hi;
    }
    width = widest ? 64 - (unsigned)__builtin_clzll(widest) : 0;
    width = width > WIDTH_MAX ? 64 : width;
    bytes = packed_bytes(block->count, width, is_hashes);
    pt_put_u32(out + 8, number);
    pt_put_u16(out + 12, (uint16_t)block->count);
    out[14] = (uint8_t)width;
    out[15] = 0;
    store_word(out + 16, block->ids[0].hi);
    for (unsigned i = 0; i < block->count && !is_hashes; i++) {
        store_word(at, block->ids[i].lo);
        at += 8;
    }
    memset(at, 0, (size_t)(out + bytes - at));
    store_word(out + bytes, 0);
    for (unsigned i = 1; i < block->count && width; i++) {
        size_t bit = (size_t)(i - 1) * width;
        uint8_t *word = at + bit / 8;

        store_word(word, load_word(word) | (block->ids[i].hi - block->ids[i - 1].hi) << bit % 8);
    }
    store_word(out, pt_checksum64(out + 8, bytes - 8));
    return bytes;
}

size_t pt_run_block_bytes(const uint8_t *data, bool is_hashes)
{
    unsigned count = pt_get_u16(data + 12);
    unsigned width = data[14];

    if (count == 0 || count > PT_RUN_BLOCK_IDS || (width > WIDTH_MAX && width != 64) || data[15]) {
        return 0;
    }
    return packed_bytes(count, width, is_hashes);
}

bool pt_run_block_unpack(const uint8_t *data, size_t bytes, uint32_t number, bool is_hashes,
                         struct pt_run_block *block_out)
{
    unsigned count = pt_get_u16(data + 12);
    unsigned width = data[14];
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    const uint8_t *at = data + PT_RUN_BLOCK_HEADER_BYTES;
    uint64_t value = load_word(data + 16);

    block_out->count = 0;
    if (pt_run_block_bytes(data, is_hashes) != bytes || pt_get_u32(data + 8) != number ||
        load_word(data) != pt_checksum64(data + 8, bytes - 8)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        block_out->ids[i].lo = is_hashes ? 0 : load_word(at + 8 * (size_t)i);
    }
    at += is_hashes ? 0 : 8 * (size_t)count;
    block_out->ids[0].hi = value;
    for (unsigned i = 1; i < count; i++) {
        size_t bit = (size_t)(i - 1) * width;

        value += load_word(at + bit / 8) >> bit % 8 & mask;
        block_out->ids[i].hi = value;
    }
    block_out->count = count;
    return true;
}
