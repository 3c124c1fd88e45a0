/*
 * lake_open.c - a table that is there, for the verbs of `playtrace lake` that change it
 */
#include "cmd/lake_open.h"

#include "cmd/cmd.h"
#include "cmd/data_dir.h"

enum pt_code pt_cmd_lake_open(struct pt_lake **lake_out, const char *data, struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    struct pt_lake_history history = {0};
    enum pt_code code = PT_OK;

    *lake_out = NULL;
    code = pt_data_dir_init(&dir, pt_cmd_data_dir(data), err);
    if (!code) {
        code = pt_lake_read_history(pt_io_posix(), dir.lake, &history, err);
        pt_lake_history_release(&history);
    }
    if (!code) {
        code = pt_lake_open(lake_out, pt_io_posix(), pt_clock_system(), dir.lake, err);
    }
    pt_data_dir_release(&dir);
    return code;
}
