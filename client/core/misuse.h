/*
 * misuse.h - calls that playtrace.h does not allow, caught in debug builds
 *
 * A call after close, and a call from a signal handler that interrupted the client (or from the
 * client's own callbacks where they hold its lock), cannot be told from a good one without asking
 * the platform at each call. So only builds without NDEBUG do; the rest pay for a NULL check.
 */
#ifndef PT_CLIENT_MISUSE_H
#define PT_CLIENT_MISUSE_H

#include "playtrace.h"

#if !defined(NDEBUG) && defined(__GNUC__)
#define PT_CLIENT_CHECKS 1
#else
#define PT_CLIENT_CHECKS 0
#endif

#if PT_CLIENT_CHECKS
/* False, and counted: `p` is NULL or closed, or this thread is within a call that holds its lock
 * (with `for_work`: work_lock, which flush, pump, sync and decisions take). */
bool pt_client_misuse_check(struct playtrace *p, bool for_work);
void pt_client_misuse_opened(const struct playtrace *p);
void pt_client_misuse_closed(const struct playtrace *p);
/* Calls that were refused since this was asked last. */
unsigned pt_client_misuse_take(void);
#endif

/* May this public function go on? */
static inline bool pt_client_is_usable(struct playtrace *p)
{
#if PT_CLIENT_CHECKS
    return pt_client_misuse_check(p, false);
#else
    return p != NULL;
#endif
}

static inline bool pt_client_is_usable_for_work(struct playtrace *p)
{
#if PT_CLIENT_CHECKS
    return pt_client_misuse_check(p, true);
#else
    return p != NULL;
#endif
}

#endif
