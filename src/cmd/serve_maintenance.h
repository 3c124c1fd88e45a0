/*
 * serve_maintenance.h - what `serve` does for the table in the background
 *
 * One thread of its own compacts the table by the settings lake.…, then lets old snapshots expire.
 * It works on the table as another process would, so no commit waits for it; its failures are
 * logged, counted, and tried again at the next turn.
 */
#ifndef PT_CMD_SERVE_MAINTENANCE_H
#define PT_CMD_SERVE_MAINTENANCE_H

#include "base/clock.h"
#include "base/config.h"
#include "lake/compact.h"
#include "observe/observe.h"

struct pt_maintenance;

/* All borrowed; they outlive the thread. */
struct pt_maintenance_parts {
    struct pt_io *io;
    struct pt_clock *clock;
    const struct pt_config *config;
    struct pt_metrics *metrics;
    const char *lake_dir;
};

/* The settings lake.… as options; files_min and the like, nothing that a command adds. */
void pt_maintenance_options(const struct pt_config *config, struct pt_compact_options *options_out);

/* Start the thread; where lake.compact is off, it does not compact. PT_INVALID: a wrong setting. */
enum pt_code pt_maintenance_start(struct pt_maintenance **maintenance_out,
                                  const struct pt_maintenance_parts *parts,
                                  struct pt_error *err) PT_MUST_USE;
/* Ends what it does, uncommitted, and waits for that. NULL is fine. */
void pt_maintenance_stop(struct pt_maintenance *maintenance);

#endif
