/*
 * hll.c - how many different values there were, from a few kilobytes
 */
#include "base/hll.h"

#include "base/error.h"

#include <math.h>
#include <stddef.h>

#define RANKS 66 /* 0 .. 64 - bits + 1 */

void pt_hll_unite(uint8_t *registers, const uint8_t *other, unsigned bits)
{
    for (size_t i = 0; i < (size_t)1 << bits; i++) {
        registers[i] = registers[i] < other[i] ? other[i] : registers[i];
    }
}

/* x + x^2 + 2 x^4 + 4 x^8 + …: the registers that are still empty. */
static double sigma(double x)
{
    double y = 1;
    double z = x;
    double before = 0;

    if (x >= 1) {
        return INFINITY;
    }
    do {
        before = z;
        x *= x;
        z += x * y;
        y += y;
    } while (z > before);
    return z;
}

/* (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3: the registers that can rise no more. */
static double tau(double x)
{
    double y = 1;
    double z = 1 - x;
    double before = 0;

    if (x <= 0 || x >= 1) {
        return 0;
    }
    do {
        before = z;
        x = sqrt(x);
        y /= 2;
        z -= (1 - x) * (1 - x) * y;
    } while (z < before);
    return z / 3;
}

double pt_hll_estimate(const uint8_t *registers, unsigned bits)
{
    const double ln2 = 0.693147180559945309417;
    uint32_t count[RANKS] = {0};
    size_t m = (size_t)1 << bits;
    unsigned top = 64 - bits + 1;
    double z = 0;

    pt_assert(bits >= 1 && bits <= PT_HLL_BITS_MAX);
    for (size_t i = 0; i < m; i++) {
        count[registers[i] < top ? registers[i] : top]++;
    }
    z = (double)m * tau(1 - (double)count[top] / (double)m);
    for (unsigned k = top - 1; k >= 1; k--) {
        z = (z + count[k]) / 2;
    }
    z += (double)m * sigma((double)count[0] / (double)m);
    return (double)m * (double)m / (2 * ln2 * z);
}
