/*
 * rfc3339.h - times as text and as UTC microseconds
 */
#ifndef PT_WIRE_RFC3339_H
#define PT_WIRE_RFC3339_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_RFC3339_TEXT_BYTES 27 /* 2026-11-01T12:34:56.123456Z, without a NUL */
#define PT_DAY_US INT64_C(86400000000)

/*
 * Strict RFC 3339: any offset, 'T' or 't' between date and time, 'Z' or 'z'; fractions of any
 * length are cut to microseconds; a leap second (:60) is taken as the second after :59.
 * Years 0000-9999. False for anything else, and for dates that do not exist.
 */
bool pt_rfc3339_parse(const char *text, size_t bytes, int64_t *time_us_out);

/* UTC with six digits and Z, a final NUL; the year must lie in 0000-9999 (it is clamped). */
void pt_rfc3339_format(int64_t time_us, char text[PT_RFC3339_TEXT_BYTES + 1]);

/* Days since 1970-01-01, rounded down. */
int64_t pt_day_of(int64_t time_us);
/* "2026-11-01" of days since 1970-01-01, a final NUL. */
void pt_day_format(int64_t day, char text[11]);
/* Days since 1970-01-01 of a civil date (proleptic Gregorian). */
int64_t pt_day_from_civil(int year, unsigned month, unsigned day);

#endif
