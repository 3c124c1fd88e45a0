/*
 * decode.h - a request's body becomes records, dead letters and receipts
 */
#ifndef PT_COLLECT_DECODE_H
#define PT_COLLECT_DECODE_H

#include "base/json.h"
#include "base/mem.h"
#include "collect/cardinality.h"
#include "collect/locate.h"
#include "collect/reports.h"
#include "privacy/privacy.h"
#include "schema/registry.h"
#include "schema/schema.h"

/* Limits of one request. */
struct pt_decode_limits {
    uint32_t events_max;
    size_t record_bytes_max; /* of all records together */
    int64_t clock_tolerance_us;
    int64_t event_age_us_max;
    uint32_t attributes_max;
    uint32_t depth_max;
    uint32_t key_bytes_max;
    uint32_t value_bytes_max;
};

struct pt_decoder;

/* One event and what became of it, borrowed for a call. `event` and `fields` are personal data. */
struct pt_decoded {
    struct pt_json event; /* as sent */
    uint32_t index;
    int64_t received_at_us;
    const struct pt_event_fields *fields;
    const struct pt_problem *problem; /* NULL: it was taken */
    struct pt_span record;            /* where it was taken */
};

/* What decoding asks; all borrowed. */
struct pt_decode_env {
    const struct pt_pseudonyms *pseudonyms;
    struct pt_cardinality *cardinality;
    struct pt_decode_limits limits;
    /* NULL, or told of each event (received.h); may use decoder->seen; false: no memory. */
    bool (*watch)(struct pt_decoder *decoder, const struct pt_decoded *decoded);
};

/* Growing array of sizes. */
struct pt_sizes {
    uint32_t *values;
    uint32_t count;
    uint32_t capacity;
};

/* The pseudonyms of players lately seen; a place a hash, the newest player has it. */
#define PT_DECODE_PLAYERS 256
#define PT_DECODE_PLAYER_BYTES_MAX 47
struct pt_decode_player {
    uint8_t pseudonym[PT_PSEUDONYM_BYTES];
    uint8_t id_bytes; /* 0: empty */
    uint8_t id[PT_DECODE_PLAYER_BYTES_MAX];
};

/*
 * Attribute keys lately seen, by event name and place among the attributes: events of a name mostly
 * have the same keys in the same order. Spares the way to the key's sketch, and the key is written
 * with one copy.
 */
#define PT_DECODE_KEYS 1024
#define PT_DECODE_KEY_BYTES_MAX 39 /* longer ones go the long way */
#define PT_DECODE_QUOTED_BYTES 47
struct pt_decode_key {
    uint64_t name_hash;
    struct pt_sketch *sketch; /* NULL: empty */
    uint8_t quoted_bytes;
    uint8_t
        quoted[PT_DECODE_QUOTED_BYTES]; /* as in JSON: quotes and colon with it; nothing escaped */
};

/*
 * One thread's working memory, used again for each request. After pt_decode_body():
 * records and dead letters laid out one after another, and the body of the answer.
 */
struct pt_decoder {
    struct pt_json_parser *parser;
    struct pt_buf records;
    struct pt_sizes record_sizes;
    struct pt_buf dead;
    struct pt_sizes dead_sizes;
    struct pt_buf answer;                   /* {"accepted":N,"rejected":[…]} */
    struct pt_buf scratch;                  /* attributes of one event */
    struct pt_buf inflated;                 /* body after Content-Encoding */
    struct pt_buf seen;                     /* the watch's own notes of a request */
    const struct pt_pseudonyms *players_of; /* whose pseudonyms `players` holds */
    struct pt_decode_player players[PT_DECODE_PLAYERS];
    const struct pt_cardinality *keys_of; /* whose sketches `keys` holds */
    struct pt_decode_key keys[PT_DECODE_KEYS];
    struct pt_registry_reader *registry; /* NULL: events are held to the base schema alone */
    struct pt_schema_scratch *schema_scratch;
    struct pt_schema_errors *schema_errors;
    uint32_t schema_version; /* that refused the event at hand, or 0 */
    struct pt_reports_seen reports;
};

enum pt_body_kind {
    PT_BODY_JSON,   /* {"sent_at":…,"events":[…]} */
    PT_BODY_NDJSON, /* an event a line */
};

struct pt_config;
void pt_decode_limits_init(struct pt_decode_limits *limits, const struct pt_config *config);

struct pt_decoder *pt_decoder_create(size_t body_bytes_max, size_t record_bytes_max) PT_MUST_USE;
void pt_decoder_destroy(struct pt_decoder *decoder); /* before the registry is closed */

/* Hold attributes to the schemas of `registry`, whose newest state each request takes. Once. */
enum pt_code pt_decoder_use_registry(struct pt_decoder *decoder, struct pt_registry *registry,
                                     struct pt_error *err) PT_MUST_USE;

/*
 * Decode `body` (PT_JSON_PADDING readable bytes follow it), received at `received_at_us` from
 * `place`.
 * PT_INVALID: the body as a whole is not readable: nothing is taken, `err` says where.
 * PT_TOO_BIG: too many events, or records over the limit. PT_NO_MEMORY.
 */
enum pt_code pt_decode_body(struct pt_decoder *decoder, enum pt_body_kind kind, struct pt_span body,
                            int64_t received_at_us, const struct pt_place *place,
                            const struct pt_decode_env *env, struct pt_error *err) PT_MUST_USE;

/*
 * When did it happen? `sent_at_us` is INT64_MIN where the batch has none. Sets event_time
 * and skew (device minus collector; 0 where the device's clock was believed).
 */
void pt_correct_clock(int64_t occurred_at_us, int64_t sent_at_us, int64_t received_at_us,
                      const struct pt_decode_limits *limits, int64_t *event_time_us_out,
                      int64_t *skew_us_out);

/* What a device's other clock said: microseconds that only grow, within one start of the client.
 * PT_EVENT_NO_NUMBER where it said nothing. */
struct pt_mono_claim {
    int64_t mono_us;
    int64_t boot;
};

/*
 * The same from the clock that nobody can set, where both claims are of one start: then the wall
 * clock may have jumped between the event and the request. Within the tolerance of it `occurred_at`
 * is believed. False: they are not, or make no sense; nothing is set.
 */
bool pt_correct_by_mono(int64_t occurred_at_us, struct pt_mono_claim event,
                        struct pt_mono_claim sent, int64_t received_at_us,
                        const struct pt_decode_limits *limits, int64_t *event_time_us_out,
                        int64_t *skew_us_out);

/* ---- for replay.c: one event after another, each of another request ---- */

#define PT_NO_TIME INT64_MIN

struct pt_decode_batch {
    struct pt_decoder *decoder;
    const struct pt_decode_env *env;
    const struct pt_place *place;
    int64_t sent_at_us; /* or PT_NO_TIME */
    struct pt_mono_claim sent_mono;
    int64_t received_at_us;
    uint32_t index;                      /* of the event at hand */
    bool is_replay;                      /* ids are pseudonyms; what is refused is no dead letter */
    uint8_t user[PT_PSEUDONYM_BYTES];    /* of a replayed event */
    uint8_t install[PT_PSEUDONYM_BYTES]; /* the same */
    struct pt_jsonw answer;
};

/* Empties the decoder and begins the answer. */
void pt_decode_begin(struct pt_decode_batch *batch, struct pt_decoder *decoder,
                     const struct pt_decode_env *env);
enum pt_code pt_decode_event(struct pt_decode_batch *batch, struct pt_json event,
                             struct pt_error *err) PT_MUST_USE;
enum pt_code pt_decode_end(struct pt_decode_batch *batch, struct pt_error *err) PT_MUST_USE;

/* Of an event that was refused: "index", "event_id", "code", "pointer", "detail", as members. */
void pt_decode_write_receipt(struct pt_jsonw *w, uint32_t index,
                             const struct pt_event_fields *fields,
                             const struct pt_problem *problem);

#endif
