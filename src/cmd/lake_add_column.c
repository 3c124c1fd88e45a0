/*
 * lake_add_column.c - playtrace lake add-column: one optional column more
 */
#include "cmd/cmd.h"
#include "cmd/lake_open.h"
#include "cmd/lake_verbs.h"

#include <stdio.h>

int pt_lake_verb_add_column(int argc, char **argv)
{
    const char *data = NULL;
    const char *given[2] = {NULL, NULL};
    struct pt_lake *lake = NULL;
    struct pt_error err = {0};
    enum pt_code failed = PT_OK;
    const struct pt_option options[] = {
        {"--data", "DIR", "the data directory", &data, NULL},
        {0},
    };
    struct pt_command_line line = {
        .usage = "playtrace lake add-column NAME TYPE [--data DIR]",
        .about =
            "Add an optional column at the end of the table, for other programs to fill: "
            "Playtrace writes NULL into it and keeps what is there. No file is rewritten. TYPE "
            "is Iceberg's: boolean, int, long, float, double, decimal(P,S), date, time, "
            "timestamp, timestamptz, string, uuid or binary.",
        .options = options,
        .positional = given,
        .positional_max = 2,
    };
    int code = pt_command_line_parse(&line, argc, argv);

    if (code >= 0) {
        return code;
    }
    if (line.positional_count != 2) {
        pt_cmd_say("lake add-column: a name and a type are needed; usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    failed = pt_cmd_lake_open(&lake, data, &err);
    if (!failed) {
        failed = pt_lake_add_column(lake, given[0], given[1], &err);
    }
    pt_lake_close(lake);
    if (failed) {
        return pt_cmd_failed("lake add-column", &err);
    }
    printf("column %s (%s) added\n", given[0], given[1]);
    return PT_EXIT_OK;
}
