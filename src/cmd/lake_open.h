/*
 * lake_open.h - a table that is there, for the verbs of `playtrace lake` that change it
 */
#ifndef PT_CMD_LAKE_OPEN_H
#define PT_CMD_LAKE_OPEN_H

#include "lake/lake.h"

/*
 * Open the table of data directory `data` (NULL: as pt_cmd_data_dir() has it) for changing. No
 * lock is taken: a server may run beside. PT_NOT_FOUND where there is no table yet, which is
 * then not made.
 */
enum pt_code pt_cmd_lake_open(struct pt_lake **lake_out, const char *data,
                              struct pt_error *err) PT_MUST_USE;

#endif
