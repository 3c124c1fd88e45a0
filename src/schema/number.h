/*
 * number.h - numbers of JSON, compared and divided exactly
 *
 * A number is what the tape holds: int64, uint64 or double. 1 equals 1.0; 2^53 + 1 does not
 * equal the double 2^53. Pure functions.
 */
#ifndef PT_SCHEMA_NUMBER_H
#define PT_SCHEMA_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

struct pt_number {
    char kind; /* the tape's: 'l' int64, 'u' uint64 over INT64_MAX, 'd' double */
    union {
        int64_t i;
        uint64_t u;
        double d;
    } as;
};

struct pt_number pt_number_at(const uint64_t *tape, uint32_t at);

/* -1, 0, 1. Both are finite. */
int pt_number_compare(struct pt_number a, struct pt_number b);

bool pt_number_is_integer(struct pt_number number);

/* An integral value from 0 to `max`; false otherwise. */
bool pt_number_to_count(struct pt_number number, uint32_t max, uint32_t *count_out);

/*
 * Whether `number` is a multiple of `divisor` (> 0), both taken as the shortest decimals that read
 * back as them: 0.3 is a multiple of 0.1, which no binary division says.
 */
bool pt_number_is_multiple(struct pt_number number, struct pt_number divisor);

/* Equal numbers have equal hashes. */
uint64_t pt_number_hash(struct pt_number number);

#endif
