/*
 * lake_verify.c - playtrace lake verify: is the table whole
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/lake_verbs.h"
#include "lake/lake.h"

#include <inttypes.h>
#include <stdio.h>

static void print_fault(void *ctx, const char *file, const char *what, const char *advice)
{
    (void)ctx;
    printf("fault: %s: %s\n       %s\n", file, what, advice);
}

int pt_lake_verb_verify(int argc, char **argv)
{
    const char *data = NULL;
    bool reads_data = false;
    struct pt_data_dir dir = {0};
    struct pt_lake_verdict verdict = {0};
    struct pt_error err = {0};
    enum pt_code failed = PT_OK;
    const struct pt_option options[] = {
        {"--data", "DIR", "the data directory", &data, NULL},
        {"--rows", NULL, "read every row too, and hold it to the manifests' statistics", NULL,
         &reads_data},
        {0},
    };
    struct pt_command_line line = {
        .usage = "playtrace lake verify [--rows] [--data DIR]",
        .about = "Hold the table's metadata, manifests and data files to each other, and name each "
                 "fault with its file and what to do about it. Exit 1 where there is one.",
        .options = options,
    };
    int code = pt_command_line_parse(&line, argc, argv);

    if (code >= 0) {
        return code;
    }
    failed = pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err);
    if (!failed) {
        failed =
            pt_lake_verify(pt_io_posix(), dir.lake, reads_data, print_fault, NULL, &verdict, &err);
    }
    pt_data_dir_release(&dir);
    if (failed) {
        return pt_cmd_failed("lake verify", &err);
    }
    printf("%" PRIu64 " snapshots, %" PRIu64 " manifests, %" PRIu64 " data files, %" PRIu64
           " rows%s: ",
           verdict.snapshots, verdict.manifests, verdict.files, verdict.rows,
           reads_data ? " read" : "");
    if (verdict.faults) {
        printf("%" PRIu64 " fault%s\n", verdict.faults, verdict.faults > 1 ? "s" : "");
        return PT_EXIT_FAILED;
    }
    printf("whole\n");
    return PT_EXIT_OK;
}
