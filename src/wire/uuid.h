/*
 * uuid.h - UUIDs (RFC 9562): text form and version 7
 *
 * wire/ needs nothing but the C library: the game's client compiles it too.
 */
#ifndef PT_WIRE_UUID_H
#define PT_WIRE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_UUID_BYTES 16
#define PT_UUID_TEXT_BYTES 36 /* without a NUL */

/* Exactly 36 characters, 8-4-4-4-12, either case; false leaves `uuid_out` unspecified. */
bool pt_uuid_parse(const char *text, size_t bytes, uint8_t uuid_out[PT_UUID_BYTES]);

/* Lower case, with a final NUL. */
void pt_uuid_format(const uint8_t uuid[PT_UUID_BYTES], char text[PT_UUID_TEXT_BYTES + 1]);

/*
 * Version 7 from UTC milliseconds and 10 random bytes. The first 12 bits of
 * randomness are in rand_a, so ids of one millisecond are not ordered.
 */
void pt_uuid_v7(int64_t unix_ms, const uint8_t random[10], uint8_t uuid_out[PT_UUID_BYTES]);

#endif
