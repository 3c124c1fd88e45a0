/*
 * events.c - request bodies for the collector's benchmarks
 */
#include "collect/events.h"

#include "wire/rfc3339.h"
#include "wire/uuid.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define MORNING_US INT64_C(1772000000000000)

const char *const bench_event_names[] = {
    "quest_step_completed",
    "quest_accepted",
    "quest_abandoned",
    "combat_encounter_end",
    "item_crafted",
    "ability_used",
    "player_died",
    "zone_entered",
    "dialogue_choice_made",
    "economy_purchase",
    "matchmaking_joined",
    "tutorial_step_done",
    NULL,
};
static const char *const mechanics[] = {"quest-graph/7.2.0", "combat/3.14.1", "crafting/2.0.5",
                                        "economy/5.1.0"};
static const char *const difficulties[] = {"story", "normal", "hard", "nightmare"};
static const char *const zones[] = {"ashen_vale",  "glass_harbor",  "old_mire",   "north_keep",
                                    "sunken_road", "hollow_market", "ember_pass", "the_weald"};
static const char *const classes[] = {"ranger", "warden", "alchemist", "duelist", "cantor"};

/* As a game would write it: all keys known, four required, ranges, an enumeration and a pattern. */
const char bench_attributes_schema[] =
    "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\","
    "\"required\":[\"quest_id\",\"step\",\"duration_ms\",\"success\"],"
    "\"additionalProperties\":false,\"properties\":{"
    "\"quest_id\":{\"type\":\"string\",\"pattern\":\"^q_[0-9]{4}$\"},"
    "\"step\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000},"
    "\"duration_ms\":{\"type\":\"integer\",\"minimum\":0},\"success\":{\"type\":\"boolean\"},"
    "\"difficulty\":{\"enum\":[\"story\",\"normal\",\"hard\",\"nightmare\"]},"
    "\"zone\":{\"type\":\"string\",\"maxLength\":64},"
    "\"class\":{\"type\":\"string\",\"maxLength\":32},"
    "\"score\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1000000}}}";

/* splitmix64 */
uint64_t bench_random(struct bench_events *events)
{
    uint64_t z = events->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void random_uuid(struct bench_events *events, char text[PT_UUID_TEXT_BYTES + 1])
{
    uint64_t words[2] = {bench_random(events), bench_random(events)};
    uint8_t uuid[PT_UUID_BYTES];

    memcpy(uuid, words, sizeof(uuid));
    uuid[6] = (uint8_t)(0x40 | (uuid[6] & 0x0f));
    uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
    pt_uuid_format(uuid, text);
}

/* Milliseconds are what devices send. */
static void format_time(int64_t time_us, char text[PT_RFC3339_TEXT_BYTES + 1])
{
    pt_rfc3339_format(time_us, text);
    memcpy(text + 23, "Z", 2);
}

/* What belongs to the player comes from a generator of the player's own, so it stays the same. */
static size_t write_event(struct bench_events *events, uint64_t player, int64_t time_us, char *out)
{
    struct bench_events own = {.state = player * UINT64_C(0x2545f4914f6cdd1d) + 7};
    uint64_t mark = bench_random(&own);
    uint64_t a = bench_random(events);
    uint64_t b = bench_random(events);
    char id[PT_UUID_TEXT_BYTES + 1];
    char session[PT_UUID_TEXT_BYTES + 1];
    char time[PT_RFC3339_TEXT_BYTES + 1];
    int length = 0;

    random_uuid(events, id);
    random_uuid(&own, session);
    format_time(time_us, time);
    length = snprintf(
        out, BENCH_EVENT_BYTES_MAX,
        "{\"event_id\":\"%s\",\"event_name\":\"%s\",\"occurred_at\":\"%s\",\"user_id\":\"usr_%"
        "012llx\","
        "\"session_id\":\"%s\",\"build_id\":\"1.%u.%u+%07x\",\"platform\":\"%s\","
        "\"mechanic_version\":\"%s\",\"attributes\":{\"quest_id\":\"q_%04u\",\"step\":%u,"
        "\"duration_ms\":%u,\"success\":%s,\"difficulty\":\"%s\",\"zone\":\"%s\",\"class\":\"%s\","
        "\"score\":%u.%02u}}",
        id, bench_event_names[a % (COUNT(bench_event_names) - 1)], time,
        (unsigned long long)(mark & 0xffffffffffff), session, (unsigned)(40 + mark % 3),
        (unsigned)(mark >> 8) % 5, (unsigned)(0x3f9a1c2 + mark % 3 * 7919),
        mark & 0x10000 ? "ios" : "android", mechanics[(a >> 8) % COUNT(mechanics)],
        (unsigned)(a >> 12) % 800, (unsigned)(a >> 24) % 12, (unsigned)(a >> 32) % 240000,
        b & 3 ? "true" : "false", difficulties[b >> 2 & 3], zones[b >> 4 & 7],
        classes[(b >> 8) % COUNT(classes)], (unsigned)(b >> 16) % 5000, (unsigned)(b >> 40) % 100);
    return (size_t)length;
}

size_t bench_body(struct bench_events *events, int count, int players, bool has_envelope, char *out,
                  int64_t *sent_at_us_out)
{
    uint64_t first_player = bench_random(events) % (events->players ? events->players : 200000);
    int64_t time_us = MORNING_US + (int64_t)(bench_random(events) % 86400000) * 1000;
    int64_t sent_at_us = time_us + (int64_t)count * 400000;
    char time[PT_RFC3339_TEXT_BYTES + 1];
    size_t at = 0;

    if (has_envelope) {
        format_time(sent_at_us, time);
        at = (size_t)snprintf(out, BENCH_EVENT_BYTES_MAX, "{\"sent_at\":\"%s\",\"events\":", time);
    }
    out[at++] = '[';
    for (int i = 0; i < count; i++) {
        if (i > 0) {
            out[at++] = ',';
        }
        time_us += (int64_t)(bench_random(events) % 400) * 1000;
        at += write_event(events, first_player + (uint64_t)(i % players), time_us, out + at);
    }
    out[at++] = ']';
    if (has_envelope) {
        out[at++] = '}';
    }
    if (sent_at_us_out) {
        *sent_at_us_out = sent_at_us;
    }
    return at;
}
