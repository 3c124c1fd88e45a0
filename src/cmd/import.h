/*
 * import.h - files of rows become events, through the collector's own checks
 *
 * Only cmd_import.c and import_*.c include this. A file is read as a stream (import_read.c), a
 * row becomes events as the mapping says (import_map.c, import_row.c), and they go out in batches
 * over HTTP (import_send.c). Memory is bounded by a row and a batch, whatever the file's size.
 *
 * IDS. An event's id is a UUID (version 8) made of SHA-256 over the row's line number, its
 * fields and the event's place in the mapping. So a file that is imported again gives the same ids,
 * and the table keeps one row of each, as long as it remembers ids (stream.dedup_hours).
 */
#ifndef PT_CMD_IMPORT_H
#define PT_CMD_IMPORT_H

#include "base/crypto.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

#include "wire/uuid.h"

#define PT_IMPORT_ROW_BYTES_MAX (1u << 20)
#define PT_IMPORT_COLUMNS_MAX 1024
#define PT_IMPORT_CHUNK_BYTES 65536
#define PT_IMPORT_RECEIPTS_MAX 10 /* shown of each kind */

/* ---- reading ---- */

struct pt_import_reader {
    struct pt_io *io;
    struct pt_file *file; /* NULL: standard input */
    const char *name;     /* for messages */
    uint64_t offset;
    uint8_t chunk[PT_IMPORT_CHUNK_BYTES];
    size_t chunk_at;
    size_t chunk_bytes;
    bool is_at_end;
    uint64_t line;                            /* of the next byte, from 1 */
    uint64_t row_line;                        /* on which the current row begins */
    struct pt_buf row;                        /* its decoded bytes, then PT_JSON_PADDING */
    size_t field_ends[PT_IMPORT_COLUMNS_MAX]; /* in `row` */
    size_t field_count;
};

/* "-" is standard input. Pair with close. */
enum pt_code pt_import_reader_open(struct pt_import_reader *reader, struct pt_io *io,
                                   const char *path, struct pt_error *err) PT_MUST_USE;
void pt_import_reader_close(struct pt_import_reader *reader);

/*
 * The next row of RFC 4180's form with `delimiter`; empty lines are passed over. PT_NOT_FOUND at
 * the end. PT_INVALID and PT_TOO_BIG: this row cannot be read (`err` says "FILE:LINE: why"); the
 * next call goes on behind it. Anything else ends the file.
 */
enum pt_code pt_import_next_row(struct pt_import_reader *reader, char delimiter,
                                struct pt_error *err) PT_MUST_USE;
/* The next line that is not empty, as one field; codes as above. */
enum pt_code pt_import_next_line(struct pt_import_reader *reader, struct pt_error *err) PT_MUST_USE;
struct pt_span pt_import_field(const struct pt_import_reader *reader, size_t index);

/* ---- mapping ---- */

struct pt_import_map;

/* Read the mapping at `path` (docs/import.md). Pair with destroy. */
enum pt_code pt_import_map_load(struct pt_import_map **map_out, struct pt_io *io, const char *path,
                                struct pt_error *err) PT_MUST_USE;
void pt_import_map_destroy(struct pt_import_map *map); /* NULL is fine */

/* What the mapping says, or 0: by the file's name. */
char pt_import_map_delimiter(const struct pt_import_map *map);

/* Find the mapping's columns in the header, which is the reader's current row. */
enum pt_code pt_import_map_bind(struct pt_import_map *map, const struct pt_import_reader *header,
                                struct pt_error *err) PT_MUST_USE;

size_t pt_import_map_event_count(const struct pt_import_map *map); /* a row, at most */

/*
 * Append event `index` of the reader's row to `w`. `*is_wanted_out` false: its conditions do not
 * hold, and nothing was written. PT_INVALID: a field cannot be what the mapping says; what
 * was written is for the caller to take back.
 */
enum pt_code pt_import_map_event(struct pt_import_map *map, const struct pt_import_reader *row,
                                 size_t index, const char *event_id, struct pt_jsonw *w,
                                 bool *is_wanted_out, struct pt_error *err) PT_MUST_USE;

/* ---- sending ---- */

struct pt_import_counts {
    uint64_t rows;
    uint64_t sent;
    uint64_t accepted;
    uint64_t rejected;   /* by the collector: in its dead letters */
    uint64_t unreadable; /* rows that never became an event */
    uint64_t shown;      /* receipts and reasons that were printed */
};

struct pt_import_sender;

enum pt_code pt_import_sender_open(struct pt_import_sender **sender_out, const char *url,
                                   const char *api_key, struct pt_error *err) PT_MUST_USE;
void pt_import_sender_close(struct pt_import_sender *sender); /* NULL is fine */

/* Which file's receipts follow, and where they are counted; both are borrowed. */
void pt_import_sender_begin(struct pt_import_sender *sender, const char *file,
                            struct pt_import_counts *counts);
/* Where the next event is written: an array element under way. */
struct pt_jsonw *pt_import_sender_event(struct pt_import_sender *sender);
/* The event is whole: keep it; sends the batch when it is full. */
enum pt_code pt_import_sender_keep(struct pt_import_sender *sender, uint64_t line,
                                   struct pt_error *err) PT_MUST_USE;
/* Take back what was written since pt_import_sender_event(). */
void pt_import_sender_drop(struct pt_import_sender *sender);
/* Send what is left. PT_IO: not delivered, and why. */
enum pt_code pt_import_sender_flush(struct pt_import_sender *sender,
                                    struct pt_error *err) PT_MUST_USE;

#endif
