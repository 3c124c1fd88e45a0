/*
 * segment.h - the bytes of one segment file: its header and its batches
 *
 * Only src/log includes this. Pure encoding and checking, without state; cursor.h walks
 * a file with it. Promise: bytes of an earlier life of a recycled file, of a writer before
 * a crash, or of another place never pass for a batch (docs/formats/log.md).
 */
#ifndef PT_LOG_SEGMENT_H
#define PT_LOG_SEGMENT_H

#include "log/log.h"

#define PT_SEGMENT_HEADER_BYTES 4096
#define PT_BATCH_HEADER_BYTES 104
#define PT_BATCH_MAGIC 0x31425450u /* "PTB1" */
#define PT_BATCH_NOTE_AT 64

/* One life of a segment file. */
struct pt_segment_info {
    uint64_t sequence;       /* 0 for the first segment of the log, then one more each */
    uint64_t base_offset;    /* of its first record */
    uint64_t id;             /* random; new in each life */
    int64_t created_at_us;   /* the writer's wall clock */
    uint64_t previous;       /* the chain's value at the end of the segment before */
    uint64_t previous_bytes; /* where the batches of the segment before end; 0 for the first */
    uint64_t bytes;          /* the file's size; batches stay below */
    uint8_t note[PT_LOG_NOTE_BYTES]; /* of the newest batch before this segment */
    uint64_t checksum;               /* of the header: where this segment's chain starts */
};

/* Fills `block_out` and sets info->checksum. */
void pt_segment_encode(struct pt_segment_info *info, uint8_t block_out[PT_SEGMENT_HEADER_BYTES]);
/* PT_CORRUPT: not a sound header. PT_INVALID: of a later version. `path` is for the message. */
enum pt_code pt_segment_decode(const uint8_t block[PT_SEGMENT_HEADER_BYTES], const char *path,
                               struct pt_segment_info *info_out, struct pt_error *err) PT_MUST_USE;

/* "DIR/segment-….log" and "DIR/spare-….log"; NULL without memory. Pair with pt_free(). */
char *pt_segment_path(const char *dir, uint64_t sequence) PT_MUST_USE;
char *pt_spare_path(const char *dir, uint64_t sequence) PT_MUST_USE;
/* Whether `name` is a segment's (or spare's) name; sets its sequence. */
bool pt_segment_name_parse(const char *name, uint64_t *sequence_out);
bool pt_spare_name_parse(const char *name, uint64_t *sequence_out);

/* A batch's header. */
struct pt_batch_header {
    uint32_t count;         /* records */
    uint32_t records_bytes; /* their sum */
    uint64_t position;      /* of the batch in its file; a multiple of 8 */
    uint64_t synced_bytes;  /* all of the file before this was synced when the batch was written */
    uint64_t base_offset;   /* of its first record */
    int64_t appended_at_us;
    uint64_t segment_id; /* of the life of the segment that it was written in */
    uint64_t writer_id;  /* random; new each time that the log is opened */
    uint64_t previous;   /* the chain: checksum of the batch or segment header before */
    uint8_t note[PT_LOG_NOTE_BYTES];
    uint64_t checksum; /* over all of the batch but this field */
};

/* Bytes that such a batch takes in the file, header and padding included. */
uint64_t pt_batch_bytes(uint64_t count, uint64_t records_bytes);

/*
 * Assemble a batch at `batch_out`, which has pt_batch_bytes() bytes. Sets header->checksum.
 * header->count sizes; `records` are header->records_bytes long.
 */
void pt_batch_encode(struct pt_batch_header *header, const uint32_t *sizes, const uint8_t *records,
                     uint8_t *batch_out);

/* Whether a header at `position` could start a batch of segment `info`; says nothing of its body.
 */
bool pt_batch_peek(const uint8_t at[PT_BATCH_HEADER_BYTES], const struct pt_segment_info *info,
                   uint64_t position, struct pt_batch_header *header_out);
/* Whether the body belongs to the header. `batch` has all of the batch's bytes. */
bool pt_batch_verify(const uint8_t *batch, const struct pt_batch_header *header);

#endif
