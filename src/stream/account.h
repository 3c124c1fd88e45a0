/*
 * account.h - what the engine knows beside the rows: time, live windows, sequence numbers, the
 * ledger
 *
 * Only src/stream includes this. The engine's thread tells it of every batch and event in
 * order; HTTP handlers read it under its lock, which the engine takes for a piece of a batch at
 * a time. All of it is part of the checkpoint: after a crash it is as the checkpoint left it,
 * and the log is read again from there, so that no event counts twice or never.
 */
#ifndef PT_STREAM_ACCOUNT_H
#define PT_STREAM_ACCOUNT_H

#include "stream/checkpoint.h"
#include "stream/ledger.h"
#include "stream/sequence.h"
#include "stream/sources.h"
#include "stream/windows.h"

#include <pthread.h>

#define PT_ACCOUNT_PIECE 64
#define PT_ACCOUNT_BUILDS 32

struct pt_account {
    struct pt_clock *clock; /* borrowed, as all of these */
    struct pt_keys *keys;
    struct pt_metrics *metrics;
    struct pt_log *log; /* NULL: none */
    struct pt_io *io;
    const char *state_dir;
    struct pt_json_parser *parser; /* owned: attributes of exposures */
    struct pt_buf attributes;
    uint64_t sessions[PT_ACCOUNT_PIECE]; /* of the events that are expected */
    struct pt_buf sources_json;          /* of the checkpoint that is being made */
    struct pt_buf ledger_json;
    struct pt_buf state_json;

    pthread_mutex_t lock; /* over all below; only the engine's thread writes */
    struct pt_sources sources;
    struct pt_source *source; /* the one there is */
    int64_t watermark_us;
    int64_t appended_us; /* the batch that is being read */
    struct pt_windows windows;
    struct pt_sequence sequence;
    struct pt_ledger ledger;
    uint64_t checkpoint; /* number of the newest one in place */
    uint64_t log_offset; /* read so far */
    struct {
        uint64_t hash;
        char labels[3 * PT_SEQUENCE_BUILD_BYTES_MAX];
    } builds[PT_ACCOUNT_BUILDS]; /* builds with metrics of their own */
    uint32_t build_count;
    struct pt_metric *in_flight;
    struct pt_metric *watermark_s;
};

/* `parts` are borrowed and outlive it. */
enum pt_code pt_account_open(struct pt_account **account_out, const struct pt_stream_parts *parts,
                             struct pt_error *err) PT_MUST_USE;
void pt_account_close(struct pt_account *account);

/*
 * Take over what the checkpoint says (format 1 says nothing of it: all begins anew behind it), and
 * remove files of the ledger that it does not name.
 */
enum pt_code pt_account_load(struct pt_account *account, const struct pt_checkpoint *found,
                             struct pt_error *err) PT_MUST_USE;

/* A batch, of which `count` records were not read before, begins. Takes the lock. */
enum pt_code pt_account_batch(struct pt_account *account, const struct pt_log_batch *batch,
                              uint32_t count, struct pt_error *err) PT_MUST_USE;

/* Around pt_account_event(). */
void pt_account_lock(struct pt_account *account);
void pt_account_unlock(struct pt_account *account);

/*
 * Event `i` of a piece of up to PT_ACCOUNT_PIECE will be told of soon: what it needs is fetched.
 * Without the lock.
 */
void pt_account_expect(struct pt_account *account, size_t i, const struct pt_event *event);

/* That event. `is_new` false: dropped as a duplicate. Returns whether it is late. */
bool pt_account_event(struct pt_account *account, size_t i, const struct pt_event *event,
                      bool is_new);

/* The log was read up to `log_offset`: notes of dead letters behind it count. Takes the lock. */
void pt_account_read(struct pt_account *account, uint64_t log_offset);

/* Greatest event time of all, INT64_MIN where there is none. */
int64_t pt_account_newest(const struct pt_account *account);

/*
 * What goes into checkpoint `number`, whose ledger file is written: borrowed until the next call.
 * May be repeated. Takes the lock.
 */
enum pt_code pt_account_prepare(struct pt_account *account, uint64_t number,
                                struct pt_checkpoint_account *out,
                                struct pt_error *err) PT_MUST_USE;
/* That checkpoint is in place. Takes the lock. */
void pt_account_committed(struct pt_account *account, uint64_t number);

/* GET /api/v1/live, /api/v1/quality, /api/v1/ledger. */
enum pt_code pt_account_routes(struct pt_account *account, struct pt_http_server *server,
                               struct pt_error *err) PT_MUST_USE;

#endif
