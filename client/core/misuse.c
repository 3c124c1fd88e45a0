/*
 * misuse.c - calls that playtrace.h does not allow, caught in debug builds
 *
 * A closed client's memory is gone, so its address is remembered instead, until open returns it
 * again. The core has no lock outside of a client: these few words are atomic.
 */
#include "core/misuse.h"
#include "core/client.h"

static unsigned refused_total;

unsigned playtrace_misuse_count(void)
{
#if PT_CLIENT_CHECKS
    return __atomic_load_n(&refused_total, __ATOMIC_RELAXED);
#else
    return refused_total;
#endif
}

#if PT_CLIENT_CHECKS

#define CLOSED_MAX 32

static const struct playtrace *closed[CLOSED_MAX];
static unsigned closed_next;
static unsigned taken_total;

static bool is_closed(const struct playtrace *p)
{
    for (unsigned i = 0; i < CLOSED_MAX; i++) {
        if (__atomic_load_n(&closed[i], __ATOMIC_ACQUIRE) == p) {
            return true;
        }
    }
    return false;
}

static bool is_mine(const struct playtrace *p, void *mutex)
{
    return mutex && p->platform.mutex_is_mine &&
           p->platform.mutex_is_mine(p->platform.thread_ctx, mutex);
}

bool pt_client_misuse_check(struct playtrace *p, bool for_work)
{
    if (!p) {
        return false;
    }
    if (is_closed(p) || is_mine(p, p->lock) || (for_work && is_mine(p, p->work_lock))) {
        (void)__atomic_add_fetch(&refused_total, 1, __ATOMIC_RELAXED);
        return false;
    }
    return true;
}

void pt_client_misuse_opened(const struct playtrace *p)
{
    for (unsigned i = 0; i < CLOSED_MAX; i++) {
        const struct playtrace *expected = p;

        (void)__atomic_compare_exchange_n(&closed[i], &expected, NULL, false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED);
    }
}

void pt_client_misuse_closed(const struct playtrace *p)
{
    unsigned at = __atomic_fetch_add(&closed_next, 1, __ATOMIC_RELAXED) % CLOSED_MAX;

    __atomic_store_n(&closed[at], p, __ATOMIC_RELEASE);
}

unsigned pt_client_misuse_take(void)
{
    unsigned total = __atomic_load_n(&refused_total, __ATOMIC_RELAXED);

    return total - __atomic_exchange_n(&taken_total, total, __ATOMIC_RELAXED);
}

#endif
