/*
 * rng.c - randomness: the system's, and a seeded one
 */
#include "base/rng.h"

#include <errno.h>
#include <sys/random.h>

enum pt_code pt_random_bytes(void *data, size_t bytes, struct pt_error *err)
{
    uint8_t *at = data;

    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return pt_fail_errno(err, errno, "read random bytes from the system");
        }
        at += got;
        bytes -= (size_t)got;
    }
    return PT_OK;
}

void pt_rng_seed(struct pt_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        rng->state[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t pt_rng_next(struct pt_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t pt_rng_below(struct pt_rng *rng, uint64_t bound)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value = 0;

    pt_assert(bound > 0);
    do {
        value = pt_rng_next(rng);
    } while (value >= limit);
    return value % bound;
}

double pt_rng_unit(struct pt_rng *rng)
{
    return (double)(pt_rng_next(rng) >> 11) * 0x1.0p-53;
}
