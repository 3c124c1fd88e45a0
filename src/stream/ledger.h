/*
 * ledger.h - double entry a minute: every event that was received is somewhere
 *
 *     received = accepted + dead_lettered
 *     accepted = stored + duplicate + in flight
 *
 * A minute is that of the log batch that brought the events. received and dead_lettered come from
 * the running sums in the batches' notes (docs/formats/log.md), accepted from the records counted,
 * stored and duplicate from what the engine decided: no side is computed from the other.
 * Minutes of the current hour stand in the checkpoint; those of other hours are put away in
 * immutable files before the checkpoint is renamed into place (docs/formats/ledger.md). A file of a
 * checkpoint that never came about counts for nothing and is removed.
 *
 * In flight are records that were read but stand in no checkpoint yet; after a crash they are read
 * again. One thread; pt_stream_read_ledger() (stream.h) reads from any process.
 */
#ifndef PT_STREAM_LEDGER_H
#define PT_STREAM_LEDGER_H

#include "base/io.h"
#include "base/json.h"
#include "stream/stream.h"

/* Of a minute: what a checkpoint holds, and what came since. */
struct pt_ledger_row {
    int64_t minute;
    struct pt_ledger_counts held;
    struct pt_ledger_counts open;
};

struct pt_ledger {
    struct pt_io *io;
    const char *state_dir; /* borrowed */
    char *dir;             /* owned: state/ledger */
    int64_t days;
    struct pt_ledger_row total;     /* since the table began; `minute` means nothing */
    struct pt_ledger_counts before; /* of total: before the ledger began */
    bool is_begun;                  /* the sums of the last note stand in `total` */
    int64_t hour;                   /* of the newest batch */
    struct pt_ledger_row *rows;     /* minutes that stand in no file yet, as they came */
    size_t count;
    size_t capacity;
    uint64_t attempt; /* number of the checkpoint that is being made, or 0 */
    size_t put_away;  /* the first so many rows stand in its file */
};

enum pt_code pt_ledger_init(struct pt_ledger *ledger, struct pt_io *io, const char *state_dir,
                            int64_t days, struct pt_error *err) PT_MUST_USE;
void pt_ledger_release(struct pt_ledger *ledger);

/*
 * A batch appended at `appended_at_us` brings `count` records that were not read before;
 * `received` and `dead` are its note's running sums. Sums that were seen already (after a restart a
 * batch of a note alone comes again) add nothing. PT_NO_MEMORY changes nothing.
 */
enum pt_code pt_ledger_batch(struct pt_ledger *ledger, int64_t appended_at_us, uint32_t count,
                             uint64_t received, uint64_t dead, struct pt_error *err) PT_MUST_USE;
/* What became of a record of that batch. */
void pt_ledger_event(struct pt_ledger *ledger, bool is_new, bool is_late);

/*
 * The sums of the log's newest synced note, seen at `now_us`: dead letters that no record
 * has followed yet are counted. Nothing where the note tells of records that are yet to be read.
 */
enum pt_code pt_ledger_note(struct pt_ledger *ledger, int64_t now_us, uint64_t received,
                            uint64_t dead, struct pt_error *err) PT_MUST_USE;

/* Choose the minutes that checkpoint `number` puts away: those of hours that are over. Once a
 * number. */
void pt_ledger_select(struct pt_ledger *ledger, uint64_t number);
/* Write the file of those that were chosen. May be repeated. */
enum pt_code pt_ledger_put_away(const struct pt_ledger *ledger, struct pt_error *err) PT_MUST_USE;
/* As a JSON object, for that checkpoint. */
void pt_ledger_describe(const struct pt_ledger *ledger, struct pt_jsonw *w);
/* That checkpoint is in place: nothing is in flight, and what was put away leaves memory. */
void pt_ledger_committed(struct pt_ledger *ledger);

/* Take over what pt_ledger_describe() wrote; false: it is not that, or there is no memory. */
bool pt_ledger_load(struct pt_ledger *ledger, struct pt_json object);
/* State of format 1, which has no ledger: it begins behind what that had read. */
void pt_ledger_begin(struct pt_ledger *ledger, const struct pt_checkpoint_summary *summary);

/* Remove files of checkpoints beyond `number`, and those wholly older than the days kept. */
enum pt_code pt_ledger_remove_old(struct pt_ledger *ledger, uint64_t number, int64_t now_us,
                                  struct pt_error *err) PT_MUST_USE;

/* Of that object: the totals, and to `minutes` those in [first, last]. False: it is not that. */
bool pt_ledger_read_state(struct pt_json object, int64_t first, int64_t last,
                          struct pt_ledger_summary *summary_out, struct pt_buf *minutes);

/* A file of minutes put away; its name says all of this. */
struct pt_ledger_file {
    uint64_t number;
    int64_t first;
    int64_t last;
};

/* All there are, struct pt_ledger_file each, in `files`, which is initialised here. */
enum pt_code pt_ledger_list(struct pt_io *io, const char *state_dir, struct pt_buf *files,
                            struct pt_error *err) PT_MUST_USE;
/* Heap memory; NULL where there is none. */
char *pt_ledger_path(const char *dir, const struct pt_ledger_file *file) PT_MUST_USE;

/* A row as others see it. */
struct pt_ledger_minute pt_ledger_minute_of(const struct pt_ledger_row *row);

/*
 * Append to `minutes` (struct pt_ledger_minute each) what the files up to checkpoint `number`
 * say of minutes in [first, last], unsorted. A file removed meanwhile is passed over.
 */
enum pt_code pt_ledger_read_files(struct pt_io *io, const char *state_dir, uint64_t number,
                                  int64_t first, int64_t last, struct pt_buf *minutes,
                                  struct pt_error *err) PT_MUST_USE;
/* Sort by minute, add up those of one minute. */
void pt_ledger_merge(struct pt_buf *minutes);

#endif
