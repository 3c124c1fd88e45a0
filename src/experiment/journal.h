/*
 * journal.h - what was fixed before, and every look since: chained, so that no edit goes unnoticed
 *
 * DATA/experiments/journal is append-only: each line is checksummed and names the line before
 * (docs/formats/experiments.md). DATA/experiments/NAME holds plan.yaml, the file that was started,
 * and lock.json, which repeats the start and the newest line of the journal. Opening a started
 * experiment holds all three against each other; PT_CORRUPT names what differs. One process
 * writes at a time (the file `lock`). A line is there once pt_chain_append() returned PT_OK; a
 * crash leaves at most a torn last line, which the next append cuts off.
 */
#ifndef PT_EXPERIMENT_JOURNAL_H
#define PT_EXPERIMENT_JOURNAL_H

#include "base/clock.h"
#include "base/io.h"
#include "experiment/plan.h"
#include "wire/uuid.h"

#define PT_JOURNAL_LOOKS_MAX 1000
#define PT_JOURNAL_BYTES_MAX (256u << 20)

enum pt_verdict {
    PT_VERDICT_CONTINUE,
    PT_VERDICT_EFFECT,
    PT_VERDICT_FUTILITY,
    PT_VERDICT_INCONCLUSIVE,
    PT_VERDICT_INVALID,
};
/* "continue", "stop_for_effect", "stop_for_futility", "inconclusive", "invalid"; static. */
const char *pt_verdict_name(enum pt_verdict verdict);

/* One treatment against control at a look. z is signed as treatment - control. */
struct pt_look_arm {
    double units;
    double t; /* information fraction */
    double estimate;
    double se;
    double z;
    double z_upper; /* in the hypothesis' direction; infinite: no bound */
    double z_lower;
    double alpha_spent; /* so far, this look included */
    double beta_spent;
    double p_value;              /* always_valid: the least so far */
    struct pt_interval interval; /* always_valid: the intersection so far */
    enum pt_verdict verdict;     /* a treatment that ended before has what it ended with */
};

/* One look at the primary metric, as it was recorded. */
struct pt_look {
    int64_t as_of_us;
    double units; /* of control */
    double t;     /* the least of the treatments that went on */
    struct pt_look_arm arms[PT_PLAN_TREATMENTS_MAX];
    bool is_planned;
    enum pt_verdict verdict;
};

/* The record of a look in the journal, and back; what a record lacks is as in an empty look. */
void pt_look_write(const struct pt_look *look, size_t treatments, struct pt_jsonw *w);
void pt_look_read(struct pt_json record, struct pt_look *out);

/* The ratio of an epoch that the plan does not name, recorded after the start. */
struct pt_amendment {
    struct pt_plan_epoch epoch;
    int64_t at_us;
    uint64_t late_exposures; /* of the epoch, in the table already */
};

struct pt_started {
    struct pt_plan plan;
    char hash[2 * PT_SHA256_BYTES + 1];
    int64_t started_us;
    uint64_t late_exposures; /* that were in the table already: above 0 for --late alone */
    char event_id[PT_UUID_TEXT_BYTES + 1]; /* of the event experiment_started; "": none was sent */
    struct pt_plan_basis basis;
    struct pt_plan_design design;
    struct pt_look looks[PT_JOURNAL_LOOKS_MAX];
    size_t look_count;
    struct pt_amendment amendments[PT_PLAN_EPOCHS_MAX]; /* in plan.epochs, too */
    size_t amendment_count;
    bool has_lock;        /* lock.json is there: only a crash in start leaves none */
    uint64_t journal_seq; /* of the newest line */
    char journal_hash[2 * PT_SHA256_BYTES + 1];
};

/* NULL where there is none. */
static inline const struct pt_look *pt_started_last_look(const struct pt_started *started)
{
    return started->look_count > 0 ? &started->looks[started->look_count - 1] : NULL;
}

/*
 * Fix a plan: `yaml` is the file's text. PT_INVALID where an experiment of that name was started
 * already; PT_FENCED where another process writes. `event_id`: of the event experiment_started that
 * the caller sends next, or NULL.
 */
enum pt_code pt_started_create(struct pt_io *io, struct pt_clock *clock, const char *dir,
                               const struct pt_plan *plan, struct pt_span yaml,
                               struct pt_plan_basis basis, uint64_t late_exposures,
                               const char *event_id, struct pt_error *err) PT_MUST_USE;

/*
 * The same start as an event of the log, experiment_started, so that it stands in the table too,
 * where no edit of the directory reaches it. Its id is a hash (UUID version 8) of name and plan:
 * sent twice it is stored once.
 */
void pt_started_event_id(const char *name, const char *plan_hash, char out[PT_UUID_TEXT_BYTES + 1]);
/* The event as an object of POST /v1/events. */
void pt_started_event_write(const char *name, const char *plan_hash, int64_t at_us,
                            struct pt_jsonw *w);

/* PT_NOT_FOUND: neither the journal nor a folder knows the name. PT_CORRUPT: what differs. */
enum pt_code pt_started_open(struct pt_io *io, const char *dir, const char *name,
                             struct pt_started *out, struct pt_error *err) PT_MUST_USE;

/* Record a look; `started` is what pt_started_open() gave, and PT_FENCED says that another look was
 * recorded since. */
enum pt_code pt_started_add_look(struct pt_io *io, struct pt_clock *clock, const char *dir,
                                 struct pt_started *started, const struct pt_look *look,
                                 struct pt_error *err) PT_MUST_USE;

/*
 * Record the weights of an epoch, in the order of the plan's variants. PT_INVALID: the epoch is
 * known, or there are too many; PT_FENCED as above.
 */
enum pt_code pt_started_amend(struct pt_io *io, struct pt_clock *clock, const char *dir,
                              struct pt_started *started, const struct pt_plan_epoch *epoch,
                              uint64_t late_exposures, struct pt_error *err) PT_MUST_USE;

#endif
