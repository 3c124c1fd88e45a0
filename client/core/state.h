/*
 * state.h - what an install keeps beside its queue: consent, install id, count of opens
 *
 * Only client/core includes this. Bytes: docs/formats/queue.md.
 */
#ifndef PT_CLIENT_STATE_H
#define PT_CLIENT_STATE_H

#include "playtrace.h"

struct pt_client_state {
    enum playtrace_consent consent;
    char install_id[PLAYTRACE_ID_TEXT_BYTES]; /* "" where there is none */
    uint64_t boot;                            /* opens of this install, from 1 */
};

/* False, and a state of no consent and no install: there is none, or it is damaged. */
bool pt_client_state_load(const struct playtrace_platform *platform, const char *dir,
                          struct pt_client_state *state_out);

/* Replace the file; with `is_synced` it outlives a loss of power. False: failed, the old stays. */
bool pt_client_state_save(const struct playtrace_platform *platform, const char *dir,
                          const struct pt_client_state *state, bool is_synced);

#endif
