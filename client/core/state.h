/*
 * state.h - what an install keeps beside its queue: the decision, install id, count of opens
 *
 * Only client/core includes this. Bytes: docs/formats/queue.md.
 */
#ifndef PT_CLIENT_STATE_H
#define PT_CLIENT_STATE_H

#include "core/lastframe.h"
#include "playtrace.h"

/* The end of the year 9999, which RFC 3339 can say. */
#define PT_CLIENT_WALL_US_MAX INT64_C(253402300799999999)

struct pt_client_state {
    enum playtrace_consent consent;
    unsigned purposes;  /* bits of enum playtrace_purpose; 0 unless consent is given */
    int64_t decided_us; /* wall clock from 1970 to 9999, but never before the decision that it
                           follows; 0: unknown */
    char policy_version[PLAYTRACE_POLICY_BYTES_MAX + 1]; /* "": none was named */
    char install_id[PLAYTRACE_ID_TEXT_BYTES];            /* "" where there is none */
    uint64_t boot;                                       /* opens of this install, from 1 */
};

/* Say where the state is kept; `file` borrows both. */
void pt_client_state_file(struct pt_client_lastframe *file,
                          const struct playtrace_platform *platform, const char *dir);

/* False, and a state of no consent and no install: there is none, or it is damaged. A state of
 * format version 1 is read too; the next save replaces it. */
bool pt_client_state_load(struct pt_client_lastframe *file, struct pt_client_state *state_out);

/* Keep it; with `is_decision` it outlives a loss of power, and no older state stays readable in
 * the file. False: a file operation failed; repeat. */
bool pt_client_state_save(struct pt_client_lastframe *file, const struct pt_client_state *state,
                          bool is_decision);

#endif
