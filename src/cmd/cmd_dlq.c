/*
 * cmd_dlq.c - the events that were refused: list them, look at one, repair and send them again
 */
#include "cmd/cmd.h"
#include "cmd/dlq.h"

#include <stdio.h>
#include <string.h>

#define USAGE "playtrace dlq list|show|replay [options]"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} verbs[] = {
    {"list", pt_dlq_list, "one a line, or a summary by reason"},
    {"show", pt_dlq_show, "one dead letter, why it was refused, and what to do"},
    {"replay", pt_dlq_replay, "repair events and send them to the running server"},
};

int pt_cmd_dlq(int argc, char **argv)
{
    static char command[32];

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: " USAGE "\n");
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
            printf("  %-8s %s\n", verbs[i].name, verbs[i].about);
        }
        puts("\n`playtrace dlq list --help` tells the options of list, and so on.");
        return PT_EXIT_OK;
    }
    for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            snprintf(command, sizeof(command), "dlq %s", verbs[i].name);
            argv[1] = command;
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    pt_cmd_say("dlq: say what to do first: %s", USAGE);
    return PT_EXIT_USAGE;
}
