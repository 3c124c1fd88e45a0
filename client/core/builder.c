/*
 * builder.c - one event by typed calls, in the caller's memory
 *
 * The text is a whole JSON object after every call: {}, {"level":7}, {"level":7,"won":true}, with a
 * NUL behind it. A new attribute is written over the closing brace; one that is refused is closed
 * over again.
 */
#include "core/client.h"
#include "core/json.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_BYTES_MAX 40
#define WHY_ROOM "no room: give a larger buffer (playtrace_event_init_in) or send less"
/* Integers up to here are exact as doubles. */
#define EXACT_MAX 9007199254740992.0

static char *text_of(struct playtrace_event *e)
{
    return e->larger ? e->larger : e->own;
}

static void start(struct playtrace_event *e, const char *name)
{
    size_t bytes = name ? pt_client_text_bytes(name, sizeof(e->name) - 1) : 0;

    if (bytes > 0) {
        memcpy(e->name, name, bytes);
    }
    e->name[bytes] = '\0';
    e->priority = PLAYTRACE_PRIORITY_NORMAL;
    e->refused = 0;
    e->refused_why = NULL;
    e->refused_key[0] = '\0';
    e->count = 0;
    e->bytes = 2;
    if (e->bytes_max > 2) {
        memcpy(text_of(e), "{}", 3);
    }
}

void playtrace_event_init(struct playtrace_event *e, const char *name)
{
    if (e) {
        e->larger = NULL;
        e->bytes_max = sizeof(e->own);
        start(e, name);
    }
}

void playtrace_event_init_in(struct playtrace_event *e, const char *name, void *buffer,
                             size_t bytes)
{
    if (e && buffer) {
        e->larger = buffer;
        e->bytes_max = bytes > PLAYTRACE_EVENT_BYTES_MAX ? PLAYTRACE_EVENT_BYTES_MAX : bytes;
        start(e, name);
    } else {
        playtrace_event_init(e, name);
    }
}

void playtrace_event_set_priority(struct playtrace_event *e, enum playtrace_priority priority)
{
    if (e) {
        e->priority = priority;
    }
}

static enum playtrace_status refuse(struct playtrace_event *e, const char *key, const char *why)
{
    if (e->refused == 0) {
        size_t bytes = 0;

        for (; key && key[bytes] != '\0' && bytes + 1 < sizeof(e->refused_key); bytes++) {
            e->refused_key[bytes] = (char)(key[bytes] < ' ' || key[bytes] > '~' ? '?' : key[bytes]);
        }
        e->refused_key[bytes] = '\0';
        e->refused_why = why;
    }
    if (e->refused < UINT32_MAX) {
        e->refused++;
    }
    if (e->bytes_max > 2) {
        memcpy(text_of(e) + e->bytes - 1, "}", 2);
    }
    return PLAYTRACE_INVALID;
}

static bool is_there(const struct playtrace_event *e, const char *key, size_t bytes)
{
    const char *text = e->larger ? e->larger : e->own;

    for (unsigned i = 0; i < e->count; i++) {
        if (e->key_at[i] + bytes <= e->bytes && memcmp(text + e->key_at[i], key, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Write the key; `*at_out` is where the value goes. Gives what is wrong, or NULL. The value has
 * room for bytes_max - *at_out bytes, "}" and the NUL included.
 */
static const char *begin(struct playtrace_event *e, const char *key, size_t *at_out)
{
    size_t key_bytes = key ? pt_client_text_bytes(key, PLAYTRACE_KEY_BYTES_MAX + 1) : 0;
    char quoted[6 * PLAYTRACE_KEY_BYTES_MAX + 3];
    size_t quoted_bytes = 0;
    size_t at = e->bytes - 1;

    if (key_bytes == 0 || key_bytes > PLAYTRACE_KEY_BYTES_MAX) {
        return "a key has 1 to 64 bytes";
    }
    if (!pt_client_utf8_is_valid(key, key_bytes)) {
        return "the key is not UTF-8";
    }
    if (e->count == PLAYTRACE_EVENT_ATTRIBUTES_MAX) {
        return "more than 256 attributes: is a key made from data?";
    }
    quoted[0] = '"';
    quoted_bytes = 1 + pt_client_json_escape(key, key_bytes, quoted + 1);
    quoted[quoted_bytes++] = '"';
    quoted[quoted_bytes++] = ':';
    if (e->bytes_max < 3 || at + 1 + quoted_bytes + 2 > e->bytes_max) {
        return WHY_ROOM;
    }
    if (is_there(e, quoted, quoted_bytes)) {
        return "the key is there already";
    }
    if (e->count > 0) {
        text_of(e)[at++] = ',';
    }
    e->key_at[e->count] = (uint16_t)at;
    memcpy(text_of(e) + at, quoted, quoted_bytes);
    *at_out = at + quoted_bytes;
    return NULL;
}

static enum playtrace_status add(struct playtrace_event *e, const char *key, const char *value,
                                 size_t value_bytes)
{
    size_t at = 0;
    const char *why = begin(e, key, &at);

    if (!why && e->bytes_max - at < value_bytes + 2) {
        why = WHY_ROOM;
    }
    if (why) {
        return refuse(e, key, why);
    }
    memcpy(text_of(e) + at, value, value_bytes);
    memcpy(text_of(e) + at + value_bytes, "}", 2);
    e->bytes = at + value_bytes + 1;
    e->count++;
    return PLAYTRACE_OK;
}

enum playtrace_status playtrace_event_add_string(struct playtrace_event *e, const char *key,
                                                 const char *value)
{
    const char *why = NULL;
    size_t bytes = 0;
    size_t at = 0;

    if (!e) {
        return PLAYTRACE_INVALID;
    }
    if (!value) {
        return refuse(e, key, "the text is NULL");
    }
    bytes = pt_client_text_bytes(value, PLAYTRACE_EVENT_BYTES_MAX);
    if (bytes == PLAYTRACE_EVENT_BYTES_MAX) {
        return refuse(e, key, WHY_ROOM);
    }
    if (!pt_client_utf8_is_valid(value, bytes)) {
        return refuse(e, key, "the text is not UTF-8");
    }
    why = begin(e, key, &at);
    if (!why && e->bytes_max - at < pt_client_json_escaped_bytes(value, bytes) + 4) {
        why = WHY_ROOM;
    }
    if (why) {
        return refuse(e, key, why);
    }
    text_of(e)[at++] = '"';
    at += pt_client_json_escape(value, bytes, text_of(e) + at);
    memcpy(text_of(e) + at, "\"}", 3);
    e->bytes = at + 2;
    e->count++;
    return PLAYTRACE_OK;
}

enum playtrace_status playtrace_event_add_uint(struct playtrace_event *e, const char *key,
                                               uint64_t value)
{
    char digits[20];

    return e ? add(e, key, digits, pt_client_put_number(value, digits)) : PLAYTRACE_INVALID;
}

/* -2^63 has no positive int64_t: negated as unsigned. */
static size_t put_integer(int64_t value, char *out)
{
    size_t at = 0;

    if (value < 0) {
        out[at++] = '-';
    }
    return at + pt_client_put_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, out + at);
}

enum playtrace_status playtrace_event_add_int(struct playtrace_event *e, const char *key,
                                              int64_t value)
{
    char digits[NUMBER_BYTES_MAX];

    return e ? add(e, key, digits, put_integer(value, digits)) : PLAYTRACE_INVALID;
}

/*
 * The shortest decimal of at most 15 places that reads back as `value`: where value * 10^k rounds
 * to an exact integer whose quotient by 10^k is `value` again, that quotient is what any reader
 * gets (both are exact, and division rounds correctly). Returns 0 where there is none.
 */
static size_t put_short(double value, char *out)
{
    volatile double back = 0; /* no excess precision */
    double power = 1;

    for (unsigned places = 0; places <= 15; places++, power *= 10) {
        double scaled = value * power;
        int64_t rounded = 0;

        if (scaled >= EXACT_MAX || scaled <= -EXACT_MAX) {
            return 0;
        }
        rounded = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
        back = (double)rounded / power;
        if (back == value) {
            char digits[NUMBER_BYTES_MAX];
            size_t count = put_integer(rounded < 0 ? -rounded : rounded, digits);
            size_t at = 0;

            if (count <= places) {
                size_t pad = places + 1 - count;

                memmove(digits + pad, digits, count);
                memset(digits, '0', pad);
                count += pad;
            }
            if (rounded < 0) {
                out[at++] = '-';
            }
            memcpy(out + at, digits, count - places);
            at += count - places;
            if (places > 0) {
                out[at++] = '.';
                memcpy(out + at, digits + count - places, places);
                at += places;
            }
            return at;
        }
    }
    return 0;
}

/* The decimal point is the locale's, of one byte or more; JSON's is the full stop. */
static size_t put_full_stop(char *digits)
{
    size_t kept = 0;

    for (const char *at = digits; *at != '\0'; at++) {
        bool is_ours = *at == '-' || *at == '+' || *at == 'e' || (*at >= '0' && *at <= '9');

        if (is_ours) {
            digits[kept++] = *at;
        } else if (kept == 0 || digits[kept - 1] != '.') {
            digits[kept++] = '.';
        }
    }
    return kept;
}

enum playtrace_status playtrace_event_add_double(struct playtrace_event *e, const char *key,
                                                 double value)
{
    char digits[NUMBER_BYTES_MAX];
    size_t bytes = 0;

    if (!e) {
        return PLAYTRACE_INVALID;
    }
    if (!(value >= -DBL_MAX && value <= DBL_MAX)) {
        return refuse(e, key, "the number is NaN or infinite");
    }
    bytes = put_short(value, digits);
    if (bytes == 0) {
        (void)snprintf(digits, sizeof(digits), "%.17g", value);
        bytes = put_full_stop(digits);
    }
    return add(e, key, digits, bytes);
}

enum playtrace_status playtrace_event_add_bool(struct playtrace_event *e, const char *key,
                                               bool value)
{
    return e ? add(e, key, value ? "true" : "false", value ? 4 : 5) : PLAYTRACE_INVALID;
}

enum playtrace_status playtrace_event_add_json(struct playtrace_event *e, const char *key,
                                               const char *json)
{
    struct pt_client_json_fault fault;
    size_t bytes = 0;

    if (!e) {
        return PLAYTRACE_INVALID;
    }
    if (!json) {
        return refuse(e, key, "the JSON text is NULL");
    }
    bytes = pt_client_text_bytes(json, PLAYTRACE_EVENT_BYTES_MAX);
    if (bytes == PLAYTRACE_EVENT_BYTES_MAX) {
        return refuse(e, key, WHY_ROOM);
    }
    if (!pt_client_json_check(json, bytes, PLAYTRACE_ATTRIBUTE_DEPTH_MAX - 1, false, &fault)) {
        return refuse(e, key, fault.why);
    }
    return add(e, key, json, bytes);
}

enum playtrace_status playtrace_track_event(struct playtrace *p, const struct playtrace_event *e,
                                            char event_id_out[PLAYTRACE_ID_TEXT_BYTES])
{
    struct pt_client_event event = {0};
    char event_id[PLAYTRACE_ID_TEXT_BYTES];

    if (event_id_out) {
        event_id_out[0] = '\0';
    }
    if (!e || !pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    if (!pt_client_name_is_valid(e->name, &event.name_bytes)) {
        return pt_client_invalid(p, e->name, PT_CLIENT_WHY_NAME, SIZE_MAX);
    }
    if (!pt_client_lane_of(e->priority, &event.lane)) {
        return pt_client_invalid(p, e->name, PT_CLIENT_WHY_PRIORITY, SIZE_MAX);
    }
    event.name = e->name;
    if (e->count > 0) {
        event.attributes = e->larger ? e->larger : e->own;
        event.attributes_bytes = e->bytes;
    }
    if (e->refused > 0) {
        pt_client_log(p, PLAYTRACE_LOG_WARNING, PT_CLIENT_LOG_CALL,
                      "event \"%s\": %u attributes were left out, the first is \"%s\": %s", e->name,
                      e->refused, e->refused_key, e->refused_why);
        pt_client_log_deliver(p);
    }
    return pt_client_track_event(p, &event, event_id_out ? event_id_out : event_id);
}
