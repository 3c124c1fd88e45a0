/*
 * lake_verbs.h - the verbs of `playtrace lake`
 *
 * Each is a file, lake_<verb>.c, with one function; argv[0] is the verb's name. cmd_lake.c has the
 * table.
 */
#ifndef PT_CMD_LAKE_VERBS_H
#define PT_CMD_LAKE_VERBS_H

int pt_lake_verb_snapshots(int argc, char **argv);
int pt_lake_verb_compact(int argc, char **argv);
int pt_lake_verb_expire(int argc, char **argv);
int pt_lake_verb_verify(int argc, char **argv);
int pt_lake_verb_location(int argc, char **argv);
int pt_lake_verb_add_column(int argc, char **argv);

#endif
