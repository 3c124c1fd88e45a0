/*
 * serve_exposures.h - flag evaluations become exposures in the log
 */
#ifndef PT_CMD_SERVE_EXPOSURES_H
#define PT_CMD_SERVE_EXPOSURES_H

#include "base/config.h"
#include "collect/collect.h"
#include "flag/flag.h"

/*
 * As flag.exposures says; nothing, and NULL in `exposures_out`, where that is off. Before the
 * server is started. Pair with pt_exposures_close() before the collector's.
 */
enum pt_code pt_serve_exposures(struct pt_exposures **exposures_out, const struct pt_config *config,
                                struct pt_collect *collect, struct pt_flag_api *api,
                                struct pt_error *err) PT_MUST_USE;

#endif
