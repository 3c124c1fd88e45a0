/*
 * equal.h - JSON values compared by what they mean
 *
 * 1 equals 1.0, members stand in any order. Values may lie on different tapes. Work is taken from
 * *steps; where they run out, *steps is 0 and the answer means nothing.
 */
#ifndef PT_SCHEMA_EQUAL_H
#define PT_SCHEMA_EQUAL_H

#include "base/json.h"

bool pt_values_equal(struct pt_json a, struct pt_json b, uint64_t *steps);

/* Equal values have equal hashes. */
uint64_t pt_value_hash(struct pt_json value, uint64_t *steps);

#endif
