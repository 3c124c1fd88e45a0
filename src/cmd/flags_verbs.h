/*
 * flags_verbs.h - the verbs of `playtrace flags` that change flags and show their changes
 */
#ifndef PT_CMD_FLAGS_VERBS_H
#define PT_CMD_FLAGS_VERBS_H

#include "base/error.h"

/* argv[0] is the verb. */
int pt_flags_verb_set(int argc, char **argv);
int pt_flags_verb_history(int argc, char **argv);

/* FILE, or flags.json of the data directory, in heap memory; NULL after the reason was said. */
char *pt_flags_path(const char *file, const char *data);

#endif
