/*
 * sequence.h - what was lost, doubled or reordered on the way, by build and platform
 *
 * Events of a session carry numbers from 0 (`seq`; a session is one session_id of one boot of one
 * install, or of one player where there is no install_id). A number that is jumped over is missing;
 * one that comes after a greater one is reordered, and missing no more; one that comes with another
 * event_id than before is repeated. Events dropped by their event_id are duplicates.
 *
 * What is missing before the first event seen of a session stands apart: it was lost, or it came
 * before the session was closed here. A session is closed when event time has gone on by the idle
 * time without it, or to make room when `sessions_max` are open; its numbers stay counted. What was
 * lost at a session's end shows nowhere, as no later number tells of it.
 *
 * Sessions are told apart by 40 bits of a hash: of 100,000 open ones two agree with odds of 0.5 %,
 * which costs two sessions' numbers and no event. Bounded: sessions_max sessions of 32 bytes in a
 * table at most half empty, PT_SEQUENCE_ROWS_MAX rows; what is over counts in row 0. One thread.
 */
#ifndef PT_STREAM_SEQUENCE_H
#define PT_STREAM_SEQUENCE_H

#include "stream/bytes.h"
#include "wire/event.h"

#define PT_SEQUENCE_ROWS_MAX 257 /* row 0: those that found no place */
#define PT_SEQUENCE_BUILD_BYTES_MAX 64
#define PT_SEQUENCE_IDLE_MINUTES_MAX 1440

/* A build on a platform. */
struct pt_sequence_row {
    uint64_t hash;
    int64_t minute; /* of event time, when it was last added to */
    enum pt_platform platform;
    uint8_t build_bytes;
    char build[PT_SEQUENCE_BUILD_BYTES_MAX];
    uint64_t events;      /* rows of the table */
    uint64_t numbered;    /* of these, with a seq */
    uint64_t duplicates;  /* dropped: event_id seen before */
    int64_t missing;      /* between events seen; a filled gap takes off again */
    int64_t missing_head; /* before the first event seen */
    uint64_t reordered;
    uint64_t repeated; /* seq seen before under another event_id */
};

struct pt_session {
    uint64_t key;  /* 40 bits; 0: free */
    uint64_t seen; /* bit i: next - 1 - i was seen */
    uint32_t next; /* one past the greatest number seen */
    uint32_t first;
    uint32_t minute;  /* of event time, when it was last heard of */
    uint16_t missing; /* open gaps from `first` on, UINT16_MAX at most */
    uint16_t missing_head;
};

struct pt_sequence {
    struct pt_session *sessions; /* open addressing in order of the key; 1 << bits homes */
    unsigned bits;
    uint32_t count;
    size_t last_session; /* place of the last event's */
    uint32_t sessions_max;
    uint32_t idle_minutes;
    int64_t tidied;               /* minute of event time */
    uint32_t newest;              /* greatest minute of any session */
    uint64_t closed;              /* by the idle time */
    uint64_t evicted;             /* to make room */
    uint64_t jumps;               /* numbers that no game reaches: the session begins anew there */
    struct pt_sequence_row *rows; /* PT_SEQUENCE_ROWS_MAX */
    uint32_t row_count;
    uint16_t *row_slots; /* open addressing: index in `rows` */
    struct pt_sequence_row *last;
};

enum pt_code pt_sequence_init(struct pt_sequence *sequence, uint32_t sessions_max,
                              uint32_t idle_minutes, struct pt_error *err) PT_MUST_USE;
void pt_sequence_release(struct pt_sequence *sequence);

/* What tells the event's session from others. Its place in the table is fetched meanwhile. */
uint64_t pt_sequence_key(const struct pt_sequence *sequence, const struct pt_event *event);

/*
 * Note an event; `is_new` false: it was dropped as a duplicate. `minute`: of event time now, all
 * sources. `key`: pt_sequence_key(). `build_hash`: pt_checksum64() of the build. Never fails: what
 * finds no memory counts as evicted.
 */
void pt_sequence_add(struct pt_sequence *sequence, const struct pt_event *event, uint64_t key,
                     uint64_t build_hash, bool is_new, int64_t minute);

/* Close idle sessions, where there may be enough of them to pay. Before a checkpoint. */
void pt_sequence_tidy(struct pt_sequence *sequence, int64_t minute);

/* Add the counts of `row`. */
void pt_sequence_row_add(struct pt_sequence_row *into, const struct pt_sequence_row *row);

/* Parts per million of `of` and `part` together; 0 of 0 is 0. */
uint64_t pt_parts_per_million(uint64_t part, uint64_t of);

/* State of the checkpoint (docs/formats/checkpoint.md), and back. */
void pt_sequence_encode(const struct pt_sequence *sequence, struct pt_buf *out);
enum pt_code pt_sequence_decode(struct pt_sequence *sequence, struct pt_bytes *in,
                                struct pt_error *err) PT_MUST_USE;

#endif
