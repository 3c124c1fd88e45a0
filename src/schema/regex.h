/*
 * regex.h - ECMA-262 patterns (with the u flag's meaning) over UTF-8
 *
 * A pattern that is a plain run of ASCII characters and classes behind '^' is matched by a small
 * loop (regex_linear.c); all others are translated to PCRE2's dialect and compiled, with its JIT
 * where there is one (regex_pcre2.c). A regex is immutable; each thread brings its own space.
 * Not supported, and refused when compiled: look-behind of unbounded length, flags in groups.
 */
#ifndef PT_SCHEMA_REGEX_H
#define PT_SCHEMA_REGEX_H

#include "base/error.h"
#include "base/span.h"

#define PT_PATTERN_BYTES_MAX 16384

struct pt_regex;
struct pt_regex_space;

enum pt_code pt_regex_compile(struct pt_regex **regex_out, struct pt_span pattern,
                              struct pt_error *err) PT_MUST_USE;
void pt_regex_destroy(struct pt_regex *regex); /* NULL is fine */

/* Whether `pattern` is one that pt_regex_compile() takes; false without memory, too. */
bool pt_regex_check(struct pt_span pattern);

struct pt_regex_space *pt_regex_space_create(void) PT_MUST_USE;
void pt_regex_space_destroy(struct pt_regex_space *space); /* NULL is fine */

enum pt_match {
    PT_MATCH_NO,
    PT_MATCH_YES,
    PT_MATCH_TOO_COMPLEX, /* it asks for more than *steps */
};

/* Whether `text` (checked UTF-8) holds a match. Takes what it costs from *steps. */
enum pt_match pt_regex_match(const struct pt_regex *regex, struct pt_span text,
                             struct pt_regex_space *space, uint64_t *steps);

/* ---- regex_linear.c ---- */

#define PT_LINEAR_PARTS_MAX 48
#define PT_LINEAR_CLASSES_MAX 8
#define PT_LINEAR_FIXED_MAX 64

struct pt_linear_part {
    uint8_t class_bit; /* 0: a single character */
    uint8_t character;
    uint32_t min;
    uint32_t max;
    uint32_t fixed_at; /* where in `fixed` it begins */
};

/* '^', then parts of which each knows by one character whether it goes on; perhaps '$'. */
struct pt_linear {
    uint8_t classes[256]; /* bit of each class that has the byte */
    struct pt_linear_part parts[PT_LINEAR_PARTS_MAX];
    uint32_t part_count;
    uint64_t bytes_min;
    bool is_anchored_at_end;
    /* The whole text has one length: the class bit of each of its characters. 0: it has not. */
    uint32_t fixed_bytes;
    uint8_t fixed[PT_LINEAR_FIXED_MAX];
};

/* False where the pattern is not of this kind; it may be a sound one all the same. */
bool pt_linear_compile(struct pt_linear *linear, struct pt_span pattern);
bool pt_linear_match(const struct pt_linear *linear, struct pt_span text);

#endif
