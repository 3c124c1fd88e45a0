/*
 * decimal.c - a JSON number's text as a number
 *
 * Exact in integers: the digits stand in a big number, which a positive exponent multiplies; for a
 * negative one it is shifted left far enough and divided, and what is left over only says that the
 * value is a little more. Then the highest 53 bits are rounded.
 */
#include "core/decimal.h"

#include <string.h>

#define DIGITS_MAX 40 /* what is dropped behind them is far below half a unit in the last place */
#define LIMBS 56      /* 10^40 * 2^(64 + 1250) and 10^309 fit */
#define EXPONENT_MIN (-380)
#define BIAS 1023
#define MANTISSA_BITS 53

struct big {
    uint32_t limbs[LIMBS]; /* the lowest first */
    int count;
};

static void big_multiply_add(struct big *big, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;

    for (int i = 0; i < big->count; i++) {
        carry += (uint64_t)big->limbs[i] * factor;
        big->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0 && big->count < LIMBS) {
        big->limbs[big->count++] = (uint32_t)carry;
    }
}

/* True: something was left over. */
static bool big_divide(struct big *big, uint32_t divisor)
{
    uint64_t rest = 0;

    for (int i = big->count; i > 0; i--) {
        rest = rest << 32 | big->limbs[i - 1];
        big->limbs[i - 1] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    while (big->count > 0 && big->limbs[big->count - 1] == 0) {
        big->count--;
    }
    return rest > 0;
}

static void big_shift_words(struct big *big, int words)
{
    memmove(big->limbs + words, big->limbs, (size_t)big->count * sizeof(big->limbs[0]));
    memset(big->limbs, 0, (size_t)words * sizeof(big->limbs[0]));
    big->count += words;
}

static int big_bits(const struct big *big)
{
    int bits = big->count * 32;

    for (uint32_t top = big->count > 0 ? big->limbs[big->count - 1] : 0x80000000u;
         !(top & 0x80000000u); top <<= 1) {
        bits--;
    }
    return bits;
}

static bool big_bit(const struct big *big, int at)
{
    return at >= 0 && (big->limbs[at / 32] >> (at % 32) & 1u);
}

/* What the text says: digits * 10^exponent, and a little more where digits were dropped. */
struct decimal {
    struct big digits;
    int exponent;
    bool is_negative;
    bool is_more;
};

static void take_digit(struct decimal *d, char c, int *digits, bool is_fraction)
{
    if (*digits == 0 && c == '0') {
        d->exponent -= is_fraction ? 1 : 0; /* a leading zero */
    } else if (*digits < DIGITS_MAX) {
        if (d->digits.count == 0) {
            d->digits.limbs[d->digits.count++] = (uint32_t)(c - '0');
        } else {
            big_multiply_add(&d->digits, 10, (uint32_t)(c - '0'));
        }
        (*digits)++;
        d->exponent -= is_fraction ? 1 : 0;
    } else {
        d->is_more = d->is_more || c != '0';
        d->exponent += is_fraction ? 0 : 1;
    }
}

static void read_decimal(const char *text, size_t bytes, struct decimal *d)
{
    const char *end = text + bytes;
    int digits = 0;
    bool is_fraction = false;

    memset(d, 0, sizeof(*d));
    if (text < end && *text == '-') {
        d->is_negative = true;
        text++;
    }
    for (; text < end && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            is_fraction = true;
        } else {
            take_digit(d, *text, &digits, is_fraction);
        }
    }
    if (text < end) {
        bool is_minus = text + 1 < end && text[1] == '-';
        int exponent = 0;

        for (text++; text < end && exponent < 1000000; text++) {
            if (*text >= '0' && *text <= '9') {
                exponent = exponent * 10 + (*text - '0');
            }
        }
        d->exponent += is_minus ? -exponent : exponent;
    }
}

/* The highest bits of big * 2^-shift, rounded. */
static double round_bits(const struct big *big, int shift, bool is_more, bool is_negative)
{
    int bits = big_bits(big);
    int exponent = bits - 1 - shift;
    int keep = exponent < 1 - BIAS ? MANTISSA_BITS - (1 - BIAS - exponent) : MANTISSA_BITS;
    uint64_t mantissa = 0;
    uint64_t raw = 0;
    double value = 0;

    if (keep >= 0) {
        bool is_half = big_bit(big, bits - keep - 1);

        for (int i = 0; i < keep; i++) {
            mantissa = mantissa << 1 | (big_bit(big, bits - 1 - i) ? 1u : 0u);
        }
        for (int i = bits - keep - 2; i >= 0 && !is_more; i--) {
            is_more = big_bit(big, i);
        }
        mantissa += is_half && (is_more || (mantissa & 1u)) ? 1 : 0;
        /* A carry out of the mantissa raises the exponent by itself. */
        raw = mantissa;
        if (exponent >= 1 - BIAS) {
            raw += (uint64_t)(exponent + BIAS - 1) << (MANTISSA_BITS - 1);
        }
    }
    raw |= is_negative ? UINT64_C(1) << 63 : 0;
    memcpy(&value, &raw, sizeof(value));
    return value;
}

double pt_client_decimal_double(const char *text, size_t bytes)
{
    struct decimal d;
    int shift = 0;

    read_decimal(text, bytes, &d);
    if (d.digits.count == 0 || d.exponent < EXPONENT_MIN || d.exponent > 309) {
        return d.is_negative ? -0.0 : 0.0; /* nothing, or far below the least double */
    }
    for (int i = 0; i < d.exponent; i++) {
        big_multiply_add(&d.digits, 10, 0);
    }
    if (d.exponent < 0) {
        /* 64 bits more than the divisor has: 107 / 32 is a little more than log2(10). */
        int words = (64 + -d.exponent * 107 / 32) / 32 + 1;
        int left = -d.exponent;

        big_shift_words(&d.digits, words);
        shift = words * 32;
        for (; left >= 9; left -= 9) {
            d.is_more = big_divide(&d.digits, 1000000000u) || d.is_more;
        }
        for (; left > 0; left--) {
            d.is_more = big_divide(&d.digits, 10) || d.is_more;
        }
    }
    return round_bits(&d.digits, shift, d.is_more, d.is_negative);
}

bool pt_client_decimal_int(const char *text, size_t bytes, int64_t *out)
{
    bool is_negative = bytes > 0 && text[0] == '-';
    uint64_t limit = is_negative ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t value = 0;
    double real = 0;

    for (size_t i = is_negative ? 1 : 0; i < bytes; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (text[i] < '0' || text[i] > '9') {
            real = pt_client_decimal_double(text, bytes);
            /* The comparison also keeps the conversion within range. */
            if (!(real >= -9007199254740992.0 && real <= 9007199254740992.0) ||
                (double)(int64_t)real != real) {
                return false;
            }
            *out = (int64_t)real;
            return true;
        }
        if (value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}
