/*
 * retention.h - how long dead letters are kept
 *
 * Reads the dead letters beside their writer, notes how many bytes came when, and releases the
 * oldest: what was written more than dlq.retention_days ago, and what is over dlq.retention_bytes.
 * The log then recycles whole segments (log.h). A dead letter that the log's ledger does not count
 * yet is never released. One thread; memory is bounded.
 */
#ifndef PT_COLLECT_RETENTION_H
#define PT_COLLECT_RETENTION_H

#include "base/clock.h"
#include "log/log.h"
#include "observe/observe.h"

struct pt_retention;

struct pt_retention_options {
    int64_t age_us;     /* > 0 */
    uint64_t bytes_max; /* > 0; of batches, as they stand in the log */
};

/* All borrowed but `dir`, which is copied. */
enum pt_code pt_retention_open(struct pt_retention **retention_out, struct pt_io *io,
                               struct pt_clock *clock, struct pt_log *dead_letters, const char *dir,
                               const struct pt_retention_options *options,
                               struct pt_metrics *metrics, struct pt_error *err) PT_MUST_USE;
void pt_retention_close(struct pt_retention *retention); /* NULL is fine */

/*
 * Read what is new, for at most a tenth of a second, and release what is due below `counted`: the
 * dead letters that the ledger counts. About once a second.
 */
void pt_retention_tick(struct pt_retention *retention, uint64_t counted);

#endif
