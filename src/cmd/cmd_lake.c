/*
 * cmd_lake.c - playtrace lake: the table of its verbs
 */
#include "cmd/cmd.h"
#include "cmd/lake_verbs.h"

#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} verbs[] = {
    {"snapshots", pt_lake_verb_snapshots, "list the table's snapshots"},
    {"compact", pt_lake_verb_compact, "make few sorted files of each day's many small ones"},
    {"expire", pt_lake_verb_expire, "take old snapshots out, delete files that none names"},
    {"verify", pt_lake_verb_verify, "hold metadata, manifests and data files to each other"},
    {"add-column", pt_lake_verb_add_column, "one optional column more; nothing is rewritten"},
    {"location", pt_lake_verb_location, "where the table is, and which files may hold a user"},
};

static const size_t verb_count = sizeof(verbs) / sizeof(verbs[0]);

int pt_cmd_lake(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: playtrace lake VERB [OPTION…]\n");
        for (size_t i = 0; i < verb_count; i++) {
            printf("  %-12s %s\n", verbs[i].name, verbs[i].about);
        }
        puts("\n`playtrace lake VERB --help` tells more.");
        return PT_EXIT_OK;
    }
    for (size_t i = 0; argc >= 2 && i < verb_count; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    pt_cmd_say("lake: %s%s`playtrace lake --help` lists the verbs", argc >= 2 ? argv[1] : "",
               argc >= 2 ? ": no such verb; " : "a verb is missing; ");
    return PT_EXIT_USAGE;
}
