/*
 * schema.h - is this JSON value an event?
 *
 * The base schema (schemas/game_event/1-0-0.json), checked in C in one pass over the
 * members. Pure functions: any thread.
 */
#ifndef PT_SCHEMA_SCHEMA_H
#define PT_SCHEMA_SCHEMA_H

#include "base/json.h"
#include "wire/event.h"

#define PT_EVENT_NAME_BYTES_MAX 64
#define PT_USER_ID_BYTES_MAX 256
#define PT_SESSION_ID_BYTES_MAX 128
#define PT_VERSION_BYTES_MAX 64
#define PT_ATTRIBUTES_BYTES_MAX 65536

/* What the schema found in an event; spans and values are borrowed from the parser. */
struct pt_event_fields {
    uint8_t event_id[PT_UUID_BYTES];
    bool has_event_id; /* set as soon as event_id itself is sound, even in a refused event */
    struct pt_span event_name;
    int64_t occurred_at_us;
    struct pt_span user_id; /* raw: personal data */
    struct pt_span session_id;
    struct pt_span install_id;       /* raw; empty: absent */
    struct pt_span build_id;         /* empty: absent */
    struct pt_span mechanic_version; /* empty: absent */
    enum pt_platform platform;
    int64_t seq;  /* or PT_EVENT_NO_NUMBER */
    int64_t boot; /* or PT_EVENT_NO_NUMBER */
    struct pt_json attributes; /* may be absent */
};

/* Why an event was refused. No text holds a value of the event. */
struct pt_problem {
    const char *code;  /* stable: "missing_field", "wrong_type", "invalid_uuid", … */
    char pointer[96];  /* RFC 6901, within the event: "/occurred_at"; "" is the event itself */
    char detail[192];  /* a sentence for people */
};

/* True: `fields_out` is whole. False: `problem_out` names the first problem. */
bool pt_schema_check_event(struct pt_json event, struct pt_event_fields *fields_out,
                           struct pt_problem *problem_out);

#endif
