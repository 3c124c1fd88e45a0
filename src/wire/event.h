/*
 * event.h - the validated event, and its compact binary form
 *
 * The collector writes this form into the log; the stream engine reads it; no
 * later room parses the event's JSON envelope again. The form is in
 * docs/formats/event.md and atop event.c. Text fields are UTF-8, borrowed, not
 * NUL-terminated; size 0 means absent where the field is optional.
 */
#ifndef PT_WIRE_EVENT_H
#define PT_WIRE_EVENT_H

#include "wire/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_EVENT_RECORD_BYTES_MAX (1u << 20)
#define PT_PSEUDONYM_BYTES 16
#define PT_EVENT_NO_NUMBER INT64_MIN /* seq and boot where the event has none */

enum pt_platform {
    PT_PLATFORM_NONE = 0,
    PT_PLATFORM_IOS,
    PT_PLATFORM_ANDROID,
    PT_PLATFORM_PC,
    PT_PLATFORM_CONSOLE,
    PT_PLATFORM_WEB,
};

struct pt_text {
    const char *data;
    uint32_t size; /* bytes */
};

struct pt_event {
    uint8_t event_id[PT_UUID_BYTES];
    uint8_t user[PT_PSEUDONYM_BYTES];    /* pseudonym of user_id */
    uint8_t install[PT_PSEUDONYM_BYTES]; /* pseudonym of install_id; has_install says if there */
    bool has_install;
    enum pt_platform platform;
    int64_t event_time_us;  /* corrected, UTC */
    int64_t occurred_at_us; /* the device's claim, UTC */
    int64_t received_at_us; /* the collector's clock, UTC */
    int64_t clock_skew_us;  /* device minus collector, as corrected; 0 where nothing was */
    int64_t seq;            /* place in the session, >= 0, or PT_EVENT_NO_NUMBER */
    int64_t boot;           /* starts of the install, >= 0, or PT_EVENT_NO_NUMBER */
    struct pt_text event_name;
    struct pt_text session_id;
    struct pt_text build_id;         /* optional */
    struct pt_text mechanic_version; /* optional */
    struct pt_text attributes;       /* optional: a JSON object, minified */
    char country[2];       /* ISO 3166-1 alpha-2 of where it was sent from; zeros: unknown */
    struct pt_text region; /* optional */
    struct pt_text city;   /* optional */
};

/* "ios", … or NULL for PT_PLATFORM_NONE; and back, PT_PLATFORM_NONE where unknown. */
const char *pt_platform_name(enum pt_platform platform);
enum pt_platform pt_platform_parse(const char *text, size_t bytes);

/* Bytes that pt_event_encode() will write. */
size_t pt_event_encoded_bytes(const struct pt_event *event);
/* Writes exactly that many; returns the count. */
size_t pt_event_encode(const struct pt_event *event, uint8_t *record_out);
/* Fields of `event_out` point into `record`. False: not a sound record of a known version. */
bool pt_event_decode(const uint8_t *record, size_t bytes, struct pt_event *event_out);

#endif
