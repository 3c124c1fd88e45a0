/*
 * cmd_lake.c - playtrace lake: the table of its verbs
 */
#include "cmd/cmd.h"
#include "cmd/lake_verbs.h"

static const struct pt_verb verbs[] = {
    {"snapshots", pt_lake_verb_snapshots, "list the table's snapshots"},
    {"compact", pt_lake_verb_compact, "make few sorted files of each day's many small ones"},
    {"expire", pt_lake_verb_expire, "take old snapshots out, delete files that none names"},
    {"verify", pt_lake_verb_verify, "hold metadata, manifests and data files to each other"},
    {"add-column", pt_lake_verb_add_column, "one optional column more; nothing is rewritten"},
    {"location", pt_lake_verb_location, "where the table is, and which files may hold a user"},
    {NULL, NULL, NULL},
};

int pt_cmd_lake(int argc, char **argv)
{
    return pt_cmd_verb("lake", verbs, argc, argv);
}
