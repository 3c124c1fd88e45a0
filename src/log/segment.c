/*
 * segment.c - the bytes of one segment file: its header and its batches
 *
 * FORMAT (docs/formats/log.md), version 1, little-endian. A segment starts with one block:
 *
 *     0  u8[8]  "PTLOGSEG"
 *     8  u32    version, 1
 *    12  u32    header bytes, 4096
 *    16  u64    sequence
 *    24  u64    base offset
 *    32  u64    id, random
 *    40  i64    created at, UTC microseconds
 *    48  u64    previous: the chain's value at the end of the segment before, or 0
 *    56  u64    previous bytes: where that segment's batches end, or 0
 *    64  u64    bytes of the file
 *    72  u8[32] note of the newest batch before
 *   104         zero
 *  4088  u64    xxh3-64 over bytes 0..4087
 *
 * Batches follow, each at a multiple of 8:
 *
 *     0  u32    "PTB1"
 *     4  u32    count of records
 *     8  u32    bytes of all records
 *    12  u32    position in the file, divided by 8
 *    16  u32    synced: all before this position, divided by 8, was durable at writing
 *    20  u32    0
 *    24  u64    base offset
 *    32  i64    appended at, UTC microseconds
 *    40  u64    segment id, as in the segment's header
 *    48  u64    writer id, random, new at each open
 *    56  u64    previous: checksum of the batch before, or of the segment's header
 *    64  u8[32] note
 *    96  u64    xxh3-64 over bytes 0..95 and 104..end, padding included
 *   104  u32[]  size of each record
 *               records, one after another
 *               zero to a multiple of 8
 */
#include "log/segment.h"

#include "base/crypto.h"
#include "wire/frame.h"

#include <assert.h>

#define SEGMENT_MAGIC "PTLOGSEG"
#define SEGMENT_VERSION 1
#define SEGMENT_CHECKSUM_AT (PT_SEGMENT_HEADER_BYTES - 8)
#define BATCH_CHECKSUM_AT 96
#define SEQUENCE_DIGITS 20

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "a reader hands out the record sizes as they are in the file");
static_assert(PT_BATCH_HEADER_BYTES % 8 == 0, "the sizes that follow are aligned");

void pt_segment_encode(struct pt_segment_info *info, uint8_t block_out[PT_SEGMENT_HEADER_BYTES])
{
    memset(block_out, 0, PT_SEGMENT_HEADER_BYTES);
    memcpy(block_out, SEGMENT_MAGIC, 8);
    pt_put_u32(block_out + 8, SEGMENT_VERSION);
    pt_put_u32(block_out + 12, PT_SEGMENT_HEADER_BYTES);
    pt_put_u64(block_out + 16, info->sequence);
    pt_put_u64(block_out + 24, info->base_offset);
    pt_put_u64(block_out + 32, info->id);
    pt_put_u64(block_out + 40, (uint64_t)info->created_at_us);
    pt_put_u64(block_out + 48, info->previous);
    pt_put_u64(block_out + 56, info->previous_bytes);
    pt_put_u64(block_out + 64, info->bytes);
    memcpy(block_out + 72, info->note, PT_LOG_NOTE_BYTES);
    info->checksum = pt_checksum64(block_out, SEGMENT_CHECKSUM_AT);
    pt_put_u64(block_out + SEGMENT_CHECKSUM_AT, info->checksum);
}

enum pt_code pt_segment_decode(const uint8_t block[PT_SEGMENT_HEADER_BYTES], const char *path,
                               struct pt_segment_info *info_out, struct pt_error *err)
{
    memset(info_out, 0, sizeof(*info_out));
    if (memcmp(block, SEGMENT_MAGIC, 8) != 0) {
        return pt_fail(err, PT_CORRUPT, "%s: byte 0: not a log segment", path);
    }
    info_out->checksum = pt_get_u64(block + SEGMENT_CHECKSUM_AT);
    if (info_out->checksum != pt_checksum64(block, SEGMENT_CHECKSUM_AT)) {
        return pt_fail(err, PT_CORRUPT, "%s: byte 0: the segment's header is damaged", path);
    }
    if (pt_get_u32(block + 8) != SEGMENT_VERSION ||
        pt_get_u32(block + 12) != PT_SEGMENT_HEADER_BYTES) {
        return pt_fail(err, PT_INVALID, "%s: log format version %u; this program reads version %d",
                       path, pt_get_u32(block + 8), SEGMENT_VERSION);
    }
    info_out->sequence = pt_get_u64(block + 16);
    info_out->base_offset = pt_get_u64(block + 24);
    info_out->id = pt_get_u64(block + 32);
    info_out->created_at_us = (int64_t)pt_get_u64(block + 40);
    info_out->previous = pt_get_u64(block + 48);
    info_out->previous_bytes = pt_get_u64(block + 56);
    info_out->bytes = pt_get_u64(block + 64);
    memcpy(info_out->note, block + 72, PT_LOG_NOTE_BYTES);
    return PT_OK;
}

char *pt_segment_path(const char *dir, uint64_t sequence)
{
    return pt_strf("%s/segment-%020llu.log", dir, (unsigned long long)sequence);
}

char *pt_spare_path(const char *dir, uint64_t sequence)
{
    return pt_strf("%s/spare-%020llu.log", dir, (unsigned long long)sequence);
}

static bool name_parse(const char *name, const char *prefix, uint64_t *sequence_out)
{
    size_t prefix_bytes = strlen(prefix);
    uint64_t sequence = 0;

    if (strlen(name) != prefix_bytes + SEQUENCE_DIGITS + 4 ||
        memcmp(name, prefix, prefix_bytes) != 0 ||
        strcmp(name + prefix_bytes + SEQUENCE_DIGITS, ".log") != 0) {
        return false;
    }
    for (size_t i = 0; i < SEQUENCE_DIGITS; i++) {
        char digit = name[prefix_bytes + i];

        if (digit < '0' || digit > '9' || __builtin_mul_overflow(sequence, 10u, &sequence) ||
            __builtin_add_overflow(sequence, (uint64_t)(digit - '0'), &sequence)) {
            return false;
        }
    }
    *sequence_out = sequence;
    return true;
}

bool pt_segment_name_parse(const char *name, uint64_t *sequence_out)
{
    return name_parse(name, "segment-", sequence_out);
}

bool pt_spare_name_parse(const char *name, uint64_t *sequence_out)
{
    return name_parse(name, "spare-", sequence_out);
}

uint64_t pt_batch_bytes(uint64_t count, uint64_t records_bytes)
{
    return (PT_BATCH_HEADER_BYTES + count * 4 + records_bytes + 7) & ~(uint64_t)7;
}

static uint64_t batch_checksum(const uint8_t *batch, uint64_t bytes)
{
    return pt_checksum64_pair(batch, BATCH_CHECKSUM_AT, batch + PT_BATCH_HEADER_BYTES,
                              (size_t)(bytes - PT_BATCH_HEADER_BYTES));
}

void pt_batch_encode(struct pt_batch_header *header, const uint32_t *sizes, const uint8_t *records,
                     uint8_t *batch_out)
{
    uint64_t bytes = pt_batch_bytes(header->count, header->records_bytes);
    uint8_t *at = batch_out + PT_BATCH_HEADER_BYTES;

    pt_assert(header->position % 8 == 0 && header->position / 8 <= UINT32_MAX);
    pt_put_u32(batch_out, PT_BATCH_MAGIC);
    pt_put_u32(batch_out + 4, header->count);
    pt_put_u32(batch_out + 8, header->records_bytes);
    pt_put_u32(batch_out + 12, (uint32_t)(header->position / 8));
    pt_put_u32(batch_out + 16, (uint32_t)(header->synced_bytes / 8));
    pt_put_u32(batch_out + 20, 0);
    pt_put_u64(batch_out + 24, header->base_offset);
    pt_put_u64(batch_out + 32, (uint64_t)header->appended_at_us);
    pt_put_u64(batch_out + 40, header->segment_id);
    pt_put_u64(batch_out + 48, header->writer_id);
    pt_put_u64(batch_out + 56, header->previous);
    memcpy(batch_out + PT_BATCH_NOTE_AT, header->note, PT_LOG_NOTE_BYTES);
    if (header->count > 0) {
        memcpy(at, sizes, (size_t)header->count * 4);
        at += (size_t)header->count * 4;
    }
    if (header->records_bytes > 0) {
        memcpy(at, records, header->records_bytes);
        at += header->records_bytes;
    }
    memset(at, 0, (size_t)(batch_out + bytes - at));
    header->checksum = batch_checksum(batch_out, bytes);
    pt_put_u64(batch_out + BATCH_CHECKSUM_AT, header->checksum);
}

bool pt_batch_peek(const uint8_t at[PT_BATCH_HEADER_BYTES], const struct pt_segment_info *info,
                   uint64_t position, struct pt_batch_header *header_out)
{
    uint64_t bytes = 0;

    if (pt_get_u32(at) != PT_BATCH_MAGIC || pt_get_u64(at + 40) != info->id) {
        return false;
    }
    header_out->count = pt_get_u32(at + 4);
    header_out->records_bytes = pt_get_u32(at + 8);
    header_out->position = (uint64_t)pt_get_u32(at + 12) * 8;
    header_out->synced_bytes = (uint64_t)pt_get_u32(at + 16) * 8;
    header_out->base_offset = pt_get_u64(at + 24);
    header_out->appended_at_us = (int64_t)pt_get_u64(at + 32);
    header_out->segment_id = info->id;
    header_out->writer_id = pt_get_u64(at + 48);
    header_out->previous = pt_get_u64(at + 56);
    memcpy(header_out->note, at + PT_BATCH_NOTE_AT, PT_LOG_NOTE_BYTES);
    header_out->checksum = pt_get_u64(at + BATCH_CHECKSUM_AT);
    bytes = pt_batch_bytes(header_out->count, header_out->records_bytes);
    return header_out->position == position && bytes <= PT_LOG_BATCH_BYTES_MAX &&
           position <= info->bytes && bytes <= info->bytes - position;
}

bool pt_batch_verify(const uint8_t *batch, const struct pt_batch_header *header)
{
    uint64_t bytes = pt_batch_bytes(header->count, header->records_bytes);
    uint64_t sum_bytes = 0;

    if (batch_checksum(batch, bytes) != header->checksum) {
        return false;
    }
    /* A sound checksum over sizes that disagree would be a writer's bug; readers trust the sum. */
    for (uint32_t i = 0; i < header->count; i++) {
        sum_bytes += pt_get_u32(batch + PT_BATCH_HEADER_BYTES + (size_t)i * 4);
    }
    return sum_bytes == header->records_bytes;
}
