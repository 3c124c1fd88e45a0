/*
 * number.c - numbers of JSON, compared and divided exactly
 */
#include "schema/number.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

__extension__ typedef unsigned __int128 wide;

struct pt_number pt_number_at(const uint64_t *tape, uint32_t at)
{
    struct pt_number number = {.kind = (char)(tape[at] >> 56)};

    memcpy(&number.as, &tape[at + 1], sizeof(number.as));
    return number;
}

/* An integer against a double, exactly. */
static int compare_int_double(bool is_negative, uint64_t magnitude, double d)
{
    double whole = 0;
    uint64_t other = 0;
    int order = 0;

    if (is_negative != (d < 0)) {
        return is_negative ? -1 : (magnitude == 0 && d == 0 ? 0 : 1);
    }
    d = fabs(d);
    if (d >= 18446744073709551616.0) {
        return is_negative ? 1 : -1;
    }
    whole = floor(d);
    other = (uint64_t)whole;
    order = magnitude < other ? -1 : magnitude > other;
    if (order == 0 && d > whole) {
        order = -1;
    }
    return is_negative ? -order : order;
}

static uint64_t magnitude_of(struct pt_number n)
{
    if (n.kind == 'u') {
        return n.as.u;
    }
    return n.as.i < 0 ? 0 - (uint64_t)n.as.i : (uint64_t)n.as.i;
}

static bool is_negative(struct pt_number n)
{
    return n.kind == 'd' ? n.as.d < 0 : n.kind == 'l' && n.as.i < 0;
}

int pt_number_compare(struct pt_number a, struct pt_number b)
{
    if (a.kind == 'l' && b.kind == 'l') {
        return a.as.i < b.as.i ? -1 : a.as.i > b.as.i;
    }
    if (a.kind == 'd' && b.kind == 'd') {
        return a.as.d < b.as.d ? -1 : a.as.d > b.as.d;
    }
    if (b.kind == 'd') {
        return compare_int_double(is_negative(a), magnitude_of(a), b.as.d);
    }
    if (a.kind == 'd') {
        return -compare_int_double(is_negative(b), magnitude_of(b), a.as.d);
    }
    /* One of them is over INT64_MAX. */
    if (a.kind == 'u' && b.kind == 'u') {
        return a.as.u < b.as.u ? -1 : a.as.u > b.as.u;
    }
    return a.kind == 'u' ? 1 : -1;
}

bool pt_number_is_integer(struct pt_number number)
{
    return number.kind != 'd' || trunc(number.as.d) == number.as.d;
}

bool pt_number_to_count(struct pt_number number, uint32_t max, uint32_t *count_out)
{
    if (number.kind == 'd') {
        if (!(number.as.d >= 0) || number.as.d > max || trunc(number.as.d) != number.as.d) {
            return false;
        }
        *count_out = (uint32_t)number.as.d;
        return true;
    }
    if (is_negative(number) || magnitude_of(number) > max) {
        return false;
    }
    *count_out = (uint32_t)magnitude_of(number);
    return true;
}

/* |number| as digits * 10^exponent, digits without trailing zeros where it was a double. */
static void to_decimal(struct pt_number number, uint64_t *digits_out, int *exponent_out)
{
    char text[40];
    size_t bytes = 0;
    uint64_t digits = 0;
    int exponent = 0;
    bool behind_point = false;

    if (number.kind != 'd') {
        *digits_out = magnitude_of(number);
        *exponent_out = 0;
        return;
    }
    bytes = pt_double_format(text, fabs(number.as.d));
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            /* The shortest form has at most 17 digits that matter; what follows are zeros. */
            if (digits > UINT64_MAX / 10 - 1) {
                exponent += behind_point ? 0 : 1;
                continue;
            }
            digits = digits * 10 + (uint64_t)(text[i] - '0');
            exponent -= behind_point;
        } else if (text[i] == '.') {
            behind_point = true;
        } else {
            bool is_minus = text[i + 1] == '-';
            int value = 0;

            for (i += text[i + 1] == '-' || text[i + 1] == '+' ? 2 : 1; i < bytes; i++) {
                value = value * 10 + (text[i] - '0');
            }
            exponent += is_minus ? -value : value;
        }
    }
    while (digits != 0 && digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    *digits_out = digits;
    *exponent_out = exponent;
}

bool pt_number_is_multiple(struct pt_number number, struct pt_number divisor)
{
    uint64_t digits = 0;
    uint64_t by = 0;
    int exponent = 0;
    int by_exponent = 0;
    int shift = 0;

    if (number.kind == 'l' && divisor.kind == 'l') {
        pt_assert(divisor.as.i > 0);
        return magnitude_of(number) % (uint64_t)divisor.as.i == 0;
    }
    to_decimal(number, &digits, &exponent);
    to_decimal(divisor, &by, &by_exponent);
    pt_assert(by > 0);
    if (digits == 0) {
        return true;
    }
    shift = exponent - by_exponent;
    if (shift >= 0) {
        /* digits * 10^shift mod by; at most some 650 rounds. */
        uint64_t rest = digits % by;

        for (; shift > 0 && rest != 0; shift--) {
            rest = (uint64_t)((wide)rest * 10 % by);
        }
        return rest == 0;
    }
    /* digits mod by * 10^-shift: past 2^64 it can only be larger than the digits. */
    for (; shift < 0; shift++) {
        if (by > UINT64_MAX / 10) {
            return false;
        }
        by *= 10;
    }
    return digits % by == 0;
}

uint64_t pt_number_hash(struct pt_number number)
{
    uint64_t bits = magnitude_of(number);

    if (number.kind == 'd') {
        double d = fabs(number.as.d);

        if (d < 18446744073709551616.0 && floor(d) == d) {
            bits = (uint64_t)d;
        } else {
            memcpy(&bits, &d, sizeof(bits));
        }
    }
    bits = (bits + is_negative(number)) * UINT64_C(0x9e3779b97f4a7c15);
    return bits ^ bits >> 32;
}
