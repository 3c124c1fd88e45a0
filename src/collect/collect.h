/*
 * collect.h - the front door: HTTP bodies in, durable records out
 *
 * POST /v1/events: authenticate, decode, validate, pseudonymise, stamp, append, answer. A 202
 * is sent only when every accepted event is synced in the log and every refused one is synced in
 * the dead letters. Handlers run on the HTTP loop threads; one commit thread writes and syncs for
 * all of them (group commit).
 */
#ifndef PT_COLLECT_COLLECT_H
#define PT_COLLECT_COLLECT_H

#include "base/clock.h"
#include "base/config.h"
#include "http/http.h"
#include "http/keys.h"
#include "log/log.h"
#include "observe/observe.h"
#include "privacy/privacy.h"
#include "schema/registry.h"

struct pt_collect;

/* All borrowed; they outlive the collector. */
struct pt_collect_parts {
    struct pt_clock *clock;
    const struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_pseudonyms *pseudonyms;
    struct pt_keys *keys;
    struct pt_registry *registry; /* schemas by event_name; NULL: the base schema alone */
    struct pt_log *log;           /* accepted events; the collector is its only writer */
    struct pt_log *dead_letters;  /* refused events; the same */
    const char *dead_letters_dir; /* where they are, for retention; NULL: they are kept for ever */
    struct pt_io *io;             /* to read them through */
    bool is_ephemeral; /* no logs: events stay in memory, as sent, for a game's own tests */
};

/*
 * The note of a batch in the log, the collector's side of the ledger (docs/formats/log.md):
 * totals since the beginning, this batch included.
 */
struct pt_ledger_note {
    uint64_t received; /* events that arrived and were answered for */
    uint64_t dead;     /* of them, dead letters: the end offset of the dead-letter log */
};
void pt_ledger_note_encode(const struct pt_ledger_note *note, uint8_t bytes_out[PT_LOG_NOTE_BYTES]);
void pt_ledger_note_decode(const uint8_t bytes[PT_LOG_NOTE_BYTES], struct pt_ledger_note *note_out);

/*
 * Start the commit thread. Dead letters behind the log's last note belong to requests that were
 * never answered: they are cut.
 */
enum pt_code pt_collect_open(struct pt_collect **collect_out, const struct pt_collect_parts *parts,
                             uint32_t loop_threads, struct pt_error *err) PT_MUST_USE;

/*
 * POST /v1/events, and POST /api/v1/replay for administrators; where it is ephemeral GET and
 * DELETE /api/v1/received in place of the latter.
 */
enum pt_code pt_collect_routes(struct pt_collect *collect, struct pt_http_server *server,
                               struct pt_error *err) PT_MUST_USE;

/* Whether the file can be the location database, as PT_NOT_FOUND, PT_INVALID …; for diagnosis. */
enum pt_code pt_collect_check_location(const char *path, struct pt_error *err) PT_MUST_USE;

/*
 * Looks for a replaced location database, and for dead letters that were kept long enough. About
 * once a second, one thread.
 */
void pt_collect_tick(struct pt_collect *collect);

/* NULL: events are accepted. Otherwise why not, static text. Any thread. */
const char *pt_collect_unready(const struct pt_collect *collect);

/* Commits what waits, answers it, stops the thread. After the server was drained. NULL is fine. */
void pt_collect_close(struct pt_collect *collect);

/*
 * Called on the commit thread after each sync that added records; NULL for none. Before the first
 * request; not where it is ephemeral.
 */
void pt_collect_on_commit(struct pt_collect *collect, void (*wake)(void *ctx), void *ctx);

/* ---- events of our own ---- */

#define PT_COLLECT_TAKE_BYTES_MAX (1u << 20)

/*
 * Take events (NDJSON of at most PT_COLLECT_TAKE_BYTES_MAX bytes and collect.batch_events_max
 * lines, PT_JSON_PADDING readable bytes behind it) as POST /v1/events does: the same checks,
 * pseudonyms, schemas, log, dead letters and ledger. Waits for the disk; one thread at a time.
 * PT_OK: all are durable, `dead_out` of them as dead letters. PT_AGAIN, PT_FULL, PT_NO_MEMORY:
 * later; PT_INVALID, PT_TOO_BIG: never; others: the log failed.
 */
enum pt_code pt_collect_take(struct pt_collect *collect, struct pt_span ndjson, uint32_t *dead_out,
                             struct pt_error *err) PT_MUST_USE;

/*
 * Exposures that the server itself knows of (flag evaluations): events experiment_exposure with
 * attributes {experiment, variant, flag_key, flag_version, epoch}, once a unit, experiment, variant
 * and epoch. The event_id is a hash of these (of the unit its pseudonym), so that the stream
 * engine's dedup drops a twin from before a restart. PT_EXPOSURES_KNOWN of them are remembered so
 * that an evaluation again makes no event again.
 *
 * Adding never waits for the disk: a thread takes the queue to pt_collect_take() and tries again
 * while the log is full or busy. What the queue (PT_EXPOSURES_QUEUE_BYTES) has no room for is
 * dropped, counted and not remembered: the unit's next evaluation is its exposure.
 */
#define PT_EXPOSURES_KNOWN (1u << 20)
#define PT_EXPOSURES_QUEUE_BYTES (8u << 20)

struct pt_exposures;

struct pt_exposure {
    struct pt_span unit;       /* a user_id, raw */
    struct pt_span experiment; /* text; the next too */
    struct pt_span variant;
    struct pt_span flag_key;
    struct pt_span flag_version; /* JSON; size 0: none */
    struct pt_span epoch;        /* JSON; size 0: none */
    struct pt_span session_id;   /* text; size 0: "ofrep" */
    struct pt_span build_id;     /* text; size 0: none */
    enum pt_platform platform;
};

/* Starts the thread. `collect` is borrowed and closed after this. */
enum pt_code pt_exposures_open(struct pt_exposures **exposures_out, struct pt_collect *collect,
                               struct pt_error *err) PT_MUST_USE;
/* Any thread; the spans are borrowed for the call. */
void pt_exposures_add(struct pt_exposures *exposures, const struct pt_exposure *exposure);
/* What is queued is taken, if it can be at once. NULL is fine. */
void pt_exposures_close(struct pt_exposures *exposures);

/* ---- what POST /api/v1/replay would answer, without a server; one thread ---- */

struct pt_replay_check;

/* `registry` is borrowed; NULL: the base schema alone. */
enum pt_code pt_replay_check_open(struct pt_replay_check **check_out,
                                  const struct pt_config *config, struct pt_registry *registry,
                                  struct pt_error *err) PT_MUST_USE;
void pt_replay_check_close(struct pt_replay_check *check); /* NULL is fine */
/*
 * The answer to `body` (PT_JSON_PADDING readable bytes follow it), borrowed until the next call. It
 * knows the limits of `config`, not the attribute keys that a running server has seen.
 */
enum pt_code pt_replay_check_body(struct pt_replay_check *check, struct pt_span body,
                                  int64_t now_us, struct pt_span *answer_out,
                                  struct pt_error *err) PT_MUST_USE;

#endif
