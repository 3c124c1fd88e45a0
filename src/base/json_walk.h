/*
 * json_walk.h - walking the tape of a parsed document without a call a step
 *
 * For the rooms that read every value of every event: the layout is json.c's (its comment atop
 * describes it), the contract is json.h's. The caller has looked at the kind; nothing is checked
 * here. Where a few hundred nanoseconds do not matter, use json.h.
 */
#ifndef PT_BASE_JSON_WALK_H
#define PT_BASE_JSON_WALK_H

#include "base/json.h"

static inline char pt_walk_kind(const uint64_t *tape, uint32_t at)
{
    return (char)(tape[at] >> 56);
}

/* Members or elements; 2^24-1 stands for that many or more. */
static inline uint32_t pt_walk_count(const uint64_t *tape, uint32_t at)
{
    return (uint32_t)(tape[at] >> 32) & 0xffffffu;
}

/* Index of the word behind the value at `at`. */
static inline uint32_t pt_walk_skip(const uint64_t *tape, uint32_t at)
{
    switch (pt_walk_kind(tape, at)) {
    case '{':
    case '[':
        return (uint32_t)tape[at];
    case 'l':
    case 'u':
    case 'd':
        return at + 2;
    default:
        return at + 1;
    }
}

/* Index of the closing word of the array or object at `at`. */
static inline uint32_t pt_walk_end(const uint64_t *tape, uint32_t at)
{
    return (uint32_t)tape[at] - 1;
}

static inline struct pt_span pt_walk_string(const uint64_t *tape, const uint8_t *strings,
                                            uint32_t at)
{
    const uint8_t *text = strings + (tape[at] & UINT64_C(0xffffffffffffff));
    uint32_t size = 0;

    memcpy(&size, text, sizeof(size));
    return pt_span_of(text + sizeof(size), size);
}

static inline double pt_walk_double(const uint64_t *tape, uint32_t at)
{
    double number = 0;

    memcpy(&number, &tape[at + 1], sizeof(number));
    return number;
}

#endif
