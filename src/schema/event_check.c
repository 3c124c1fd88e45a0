/*
 * event_check.c - the base schema of an event, as a table of fields
 *
 * One pass over the members: each is looked up by length and bytes, checked by its kind, and
 * marked; what is required and unmarked at the end is missing. A member that the schema does not
 * know is refused, because to drop it silently would lose what a game believes it has recorded.
 */
#include "schema/schema.h"

#include "wire/rfc3339.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum field {
    FIELD_EVENT_ID,
    FIELD_EVENT_NAME,
    FIELD_OCCURRED_AT,
    FIELD_USER_ID,
    FIELD_SESSION_ID,
    FIELD_RECEIVED_AT,
    FIELD_BUILD_ID,
    FIELD_PLATFORM,
    FIELD_MECHANIC_VERSION,
    FIELD_ATTRIBUTES,
    FIELD_SEQ,
    FIELD_INSTALL_ID,
    FIELD_BOOT,
    FIELD_SCHEMA_VERSION,
    FIELD_MONO_US,
    FIELD_COUNT,
};

static const struct {
    const char *name;
    bool is_required;
    uint16_t bytes_max; /* strings */
} fields[FIELD_COUNT] = {
    [FIELD_EVENT_ID] = {"event_id", true, 0},
    [FIELD_EVENT_NAME] = {"event_name", true, PT_EVENT_NAME_BYTES_MAX},
    [FIELD_OCCURRED_AT] = {"occurred_at", true, 0},
    [FIELD_USER_ID] = {"user_id", true, PT_USER_ID_BYTES_MAX},
    [FIELD_SESSION_ID] = {"session_id", true, PT_SESSION_ID_BYTES_MAX},
    [FIELD_RECEIVED_AT] = {"received_at", false, 0},
    [FIELD_BUILD_ID] = {"build_id", false, PT_VERSION_BYTES_MAX},
    [FIELD_PLATFORM] = {"platform", false, 0},
    [FIELD_MECHANIC_VERSION] = {"mechanic_version", false, PT_VERSION_BYTES_MAX},
    [FIELD_ATTRIBUTES] = {"attributes", false, 0},
    [FIELD_SEQ] = {"seq", false, 0},
    [FIELD_INSTALL_ID] = {"install_id", false, PT_USER_ID_BYTES_MAX},
    [FIELD_BOOT] = {"boot", false, 0},
    [FIELD_SCHEMA_VERSION] = {"schema_version", false, PT_VERSION_BYTES_MAX},
    [FIELD_MONO_US] = {"mono_us", false, 0},
};

static bool refuse(struct pt_problem *problem, const char *code, const char *field,
                   const char *detail_format, ...) PT_PRINTF(4, 5);

static bool refuse(struct pt_problem *problem, const char *code, const char *field,
                   const char *detail_format, ...)
{
    va_list args;

    problem->code = code;
    snprintf(problem->pointer, sizeof(problem->pointer), "%s%s", field ? "/" : "",
             field ? field : "");
    va_start(args, detail_format);
    vsnprintf(problem->detail, sizeof(problem->detail), detail_format, args);
    va_end(args);
    return false;
}

/* By length first: each comparison has a fixed size, which compiles to a few instructions. */
static enum field find_field(struct pt_span key)
{
#define IS(name) (memcmp(key.data, name, sizeof(name) - 1) == 0)
    switch (key.size) {
    case 3:
        return IS("seq") ? FIELD_SEQ : FIELD_COUNT;
    case 4:
        return IS("boot") ? FIELD_BOOT : FIELD_COUNT;
    case 7:
        return IS("user_id") ? FIELD_USER_ID : IS("mono_us") ? FIELD_MONO_US : FIELD_COUNT;
    case 8:
        return IS("event_id")   ? FIELD_EVENT_ID
               : IS("build_id") ? FIELD_BUILD_ID
               : IS("platform") ? FIELD_PLATFORM
                                : FIELD_COUNT;
    case 10:
        return IS("event_name")   ? FIELD_EVENT_NAME
               : IS("session_id") ? FIELD_SESSION_ID
               : IS("attributes") ? FIELD_ATTRIBUTES
               : IS("install_id") ? FIELD_INSTALL_ID
                                  : FIELD_COUNT;
    case 11:
        return IS("occurred_at")   ? FIELD_OCCURRED_AT
               : IS("received_at") ? FIELD_RECEIVED_AT
                                   : FIELD_COUNT;
    case 14:
        return IS("schema_version") ? FIELD_SCHEMA_VERSION : FIELD_COUNT;
    case 16:
        return IS("mechanic_version") ? FIELD_MECHANIC_VERSION : FIELD_COUNT;
    default:
        return FIELD_COUNT;
    }
#undef IS
}

/* A string of 1 to the field's maximum of bytes. */
static bool take_string(enum field field, struct pt_json value, struct pt_span *out,
                        struct pt_problem *problem)
{
    const char *name = fields[field].name;

    if (pt_json_type(value) != PT_JSON_STRING) {
        return refuse(problem, "wrong_type", name, "%s must be a string, not %s", name,
                      pt_json_type_name(pt_json_type(value)));
    }
    *out = pt_json_string(value);
    if (out->size == 0) {
        return refuse(problem, "empty", name, "%s is empty", name);
    }
    if (fields[field].bytes_max && out->size > fields[field].bytes_max) {
        return refuse(problem, "too_long", name, "%s has %zu bytes; at most %u are taken", name,
                      out->size, fields[field].bytes_max);
    }
    return true;
}

/* Eight bytes at once; the parser's strings have readable bytes behind them. */
static bool has_nul(struct pt_span text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t hits = 0;

    static_assert(PT_JSON_STRING_SLACK >= sizeof(uint64_t), "a word may end behind the string");
    for (size_t at = 0; at < text.size; at += sizeof(uint64_t)) {
        size_t left = text.size - at;
        uint64_t word = 0;

        memcpy(&word, text.data + at, sizeof(word));
        if (left < sizeof(word)) {
            word |= UINT64_MAX << (8 * left); /* little-endian: what is behind the string */
        }
        hits |= (word - ones) & ~word;
    }
    return hits & (ones * 0x80);
}

/* As take_string(), for texts of any form: a NUL would end them early in other programs. */
static bool take_text(enum field field, struct pt_json value, struct pt_span *out,
                      struct pt_problem *problem)
{
    if (!take_string(field, value, out, problem)) {
        return false;
    }
    if (has_nul(*out)) {
        return refuse(problem, "invalid_value", fields[field].name, "%s holds a NUL character",
                      fields[field].name);
    }
    return true;
}

static bool take_time(enum field field, struct pt_json value, int64_t *time_us_out,
                      struct pt_problem *problem)
{
    const char *name = fields[field].name;
    struct pt_span text;

    if (!take_string(field, value, &text, problem)) {
        return false;
    }
    if (!pt_rfc3339_parse((const char *)text.data, text.size, time_us_out)) {
        return refuse(problem, "invalid_time", name,
                      "%s is not an RFC 3339 time such as 2026-11-01T12:34:56.789Z", name);
    }
    if (*time_us_out < 0) {
        return refuse(problem, "out_of_range", name, "%s lies before 1970", name);
    }
    return true;
}

static bool take_count(enum field field, struct pt_json value, int64_t *out,
                       struct pt_problem *problem)
{
    const char *name = fields[field].name;

    if (pt_json_type(value) != PT_JSON_INT || pt_json_int(value) < 0) {
        return refuse(problem, pt_json_is_number(value) ? "out_of_range" : "wrong_type", name,
                      "%s must be a whole number from 0 on", name);
    }
    *out = pt_json_int(value);
    return true;
}

/* A letter first, then letters, digits, _ and . */
static bool is_event_name(struct pt_span name)
{
    /* A bit a character, 64 a word; no early end, since most names are good. */
    static const uint64_t allowed[4] = {UINT64_C(0x03ff400000000000), UINT64_C(0x07fffffe87fffffe)};
    uint64_t good = (name.data[0] | 0x20) >= 'a' && (name.data[0] | 0x20) <= 'z';

    for (size_t i = 0; i < name.size; i++) {
        good &= allowed[name.data[i] >> 6] >> (name.data[i] & 63);
    }
    return good & 1;
}

static bool take_field(enum field field, struct pt_json value, struct pt_event_fields *out,
                       struct pt_problem *problem)
{
    struct pt_span text;
    int64_t ignored_us = 0;

    switch (field) {
    case FIELD_EVENT_ID:
        if (!take_string(field, value, &text, problem)) {
            return false;
        }
        if (!pt_uuid_parse((const char *)text.data, text.size, out->event_id)) {
            return refuse(problem, "invalid_uuid", "event_id",
                          "event_id is not a UUID of the form 8-4-4-4-12 hexadecimal digits");
        }
        out->has_event_id = true;
        return true;
    case FIELD_EVENT_NAME:
        if (!take_string(field, value, &out->event_name, problem)) {
            return false;
        }
        if (!is_event_name(out->event_name)) {
            return refuse(problem, "invalid_name", "event_name",
                          "event_name must begin with a letter and hold letters, digits, _ and . "
                          "only");
        }
        return true;
    case FIELD_OCCURRED_AT:
        return take_time(field, value, &out->occurred_at_us, problem);
    case FIELD_RECEIVED_AT:
        /* Allowed for events that were exported once; the collector stamps its own. */
        return take_time(field, value, &ignored_us, problem);
    case FIELD_USER_ID:
        return take_text(field, value, &out->user_id, problem);
    case FIELD_SESSION_ID:
        return take_text(field, value, &out->session_id, problem);
    case FIELD_INSTALL_ID:
        return take_text(field, value, &out->install_id, problem);
    case FIELD_BUILD_ID:
        return take_text(field, value, &out->build_id, problem);
    case FIELD_MECHANIC_VERSION:
        return take_text(field, value, &out->mechanic_version, problem);
    case FIELD_SCHEMA_VERSION:
        return take_string(field, value, &out->schema_version, problem);
    case FIELD_PLATFORM:
        if (!take_string(field, value, &text, problem)) {
            return false;
        }
        out->platform = pt_platform_parse((const char *)text.data, text.size);
        return out->platform != PT_PLATFORM_NONE ||
               refuse(problem, "invalid_platform", "platform",
                      "platform must be ios, android, pc, console or web");
    case FIELD_SEQ:
        return take_count(field, value, &out->seq, problem);
    case FIELD_BOOT:
        return take_count(field, value, &out->boot, problem);
    case FIELD_MONO_US:
        return take_count(field, value, &out->mono_us, problem);
    case FIELD_ATTRIBUTES:
        if (pt_json_type(value) != PT_JSON_OBJECT) {
            return refuse(problem, "wrong_type", "attributes",
                          "attributes must be an object, not %s",
                          pt_json_type_name(pt_json_type(value)));
        }
        out->attributes = value;
        return true;
    case FIELD_COUNT:
        break;
    }
    return false;
}

bool pt_schema_check_event(struct pt_json event, struct pt_event_fields *fields_out,
                           struct pt_problem *problem_out)
{
    static const struct pt_event_fields nothing = {
        .seq = PT_EVENT_NO_NUMBER,
        .boot = PT_EVENT_NO_NUMBER,
        .mono_us = PT_EVENT_NO_NUMBER,
    };
    unsigned seen = 0;
    bool is_sound = true;
    struct pt_json_iter it;
    struct pt_problem later;

    *fields_out = nothing;
    if (pt_json_type(event) != PT_JSON_OBJECT) {
        return refuse(problem_out, "wrong_type", NULL, "an event must be an object, not %s",
                      pt_json_type_name(pt_json_type(event)));
    }
    /* After a first problem the pass goes on, so that the receipt can still name the event_id. */
    for (it = pt_json_iterate(event); pt_json_next(&it);) {
        enum field field = find_field(it.key);
        struct pt_problem *problem = is_sound ? problem_out : &later;

        if (field == FIELD_COUNT) {
            /* The key's text is the sender's and may be long or personal: only its size is told. */
            is_sound = refuse(problem, "unknown_field", NULL,
                              "the event has a field of %zu bytes' name that the schema does not "
                              "know; own values belong under attributes",
                              it.key.size);
        } else {
            seen |= 1u << field;
            is_sound = take_field(field, it.value, fields_out, problem) && is_sound;
        }
    }
    for (int i = 0; i < FIELD_COUNT && is_sound; i++) {
        if (fields[i].is_required && !(seen & 1u << i)) {
            is_sound = refuse(problem_out, "missing_field", fields[i].name, "%s is missing",
                              fields[i].name);
        }
    }
    return is_sound;
}
