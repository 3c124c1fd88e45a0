/*
 * cmd_dlq.c - the events that were refused: list them, look at one, repair and send them again
 */
#include "cmd/cmd.h"
#include "cmd/dlq.h"

static const struct pt_verb verbs[] = {
    {"list", pt_dlq_list, "one a line, or a summary by reason"},
    {"show", pt_dlq_show, "one dead letter, why it was refused, and what to do"},
    {"replay", pt_dlq_replay, "repair events and send them to the running server"},
    {NULL, NULL, NULL},
};

int pt_cmd_dlq(int argc, char **argv)
{
    return pt_cmd_verb("dlq", verbs, argc, argv);
}
