/*
 * seed.h - random choices that can be made again, and how long a test may look
 *
 * PT_SEED=n replays what a failure printed; PT_SWEEP=full tries every place where the everyday
 * run takes a share of them, PT_SWEEP=5 every fifth (docs/testing.md).
 */
#ifndef PT_SUPPORT_SEED_H
#define PT_SUPPORT_SEED_H

#include <stdint.h>

/* The seed of this run, printed when first asked for: PT_SEED, or the time of day. */
uint64_t pt_test_seed(void);
/* Every how many-th place is tried, where the everyday run tries every `usual`th. */
unsigned pt_test_stride(unsigned usual);

#endif
