/*
 * health.c - the client tells about itself: a self-test an open, and what was dropped
 *
 * Both are events like any other, so they need consent, take a sequence number and may be lost.
 * A report of what the server refused could be refused itself: such a reason is reported again
 * only when its count has doubled, so that no report breeds reports without end.
 */
#include "core/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REPORT_ROOM_BYTES 16384
#define CLOCK_LEAST_US INT64_C(1577836800000000) /* 2020 */
#define CLOCK_MOST_US INT64_C(4102444800000000)  /* 2100 */

enum reason {
    REASON_RING,
    REASON_BUDGET,
    REASON_EVICTED,
    REASON_AGE,
    REASON_DAMAGED,
    REASON_UNREADABLE,
    REASON_REFUSED,
};

static const char *const reason_names[PT_CLIENT_DROP_REASONS] = {
    "ring", "budget", "evicted", "age", "damaged", "unreadable", "refused"};

/* The caller holds `lock`. */
static uint64_t total_of(const struct playtrace *p, enum reason reason)
{
    const struct playtrace_stats *stats = &p->stats;
    const uint64_t totals[PT_CLIENT_DROP_REASONS] = {
        stats->dropped_ring, stats->dropped_budget, stats->dropped_evicted, stats->dropped_age,
        stats->damaged,      stats->unreadable,     stats->refused};

    return totals[reason];
}

/* What is to be reported now; 0: nothing. The caller holds `lock`. */
static uint64_t count_due(const struct playtrace *p, enum reason reason)
{
    uint64_t total = total_of(p, reason);
    uint64_t reported = p->drops_reported[reason];
    bool is_servers = reason == REASON_UNREADABLE || reason == REASON_REFUSED;

    if (is_servers && !p->is_closing && total < 2 * reported) {
        return 0;
    }
    return total - reported;
}

static void report_drops(struct playtrace *p)
{
    for (unsigned i = 0; i < PT_CLIENT_DROP_REASONS; i++) {
        enum reason reason = (enum reason)i;
        uint64_t count = count_due(p, reason);
        char attributes[96];

        (void)snprintf(attributes, sizeof(attributes), "{\"reason\":\"%s\",\"count\":%" PRIu64 "}",
                       reason_names[i], count);
        if (count > 0 && pt_client_put(p, "playtrace_dropped", attributes, PT_CLIENT_LANE_NORMAL) ==
                             PLAYTRACE_OK) {
            p->drops_reported[i] += count;
        }
    }
    p->report_due_us = pt_client_now_us(p) + (int64_t)p->options.flush_interval_ms * 1000;
}

/* RFC 4231, test case 2. */
static bool hmac_is_sound(const struct playtrace *p)
{
    static const char data[] = "what do ya want for nothing?";
    static const uint8_t expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                         0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                         0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                         0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    uint8_t mac[32] = {0};

    return p->platform.hmac_sha256(p->platform.crypto_ctx, "Jefe", 4, data, sizeof(data) - 1,
                                   mac) == 0 &&
           memcmp(mac, expected, sizeof(mac)) == 0;
}

static bool seal_is_sound(struct playtrace *p)
{
    static const char text[] = "what goes in comes out";
    uint8_t sealed[sizeof(text) + PT_CLIENT_SEAL_BYTES];
    size_t bytes = 0;

    return pt_client_seal(&p->lanes.sealer, text, sizeof(text), sealed) &&
           memcmp(sealed + 1 + PT_CLIENT_NONCE_BYTES, text, sizeof(text)) != 0 &&
           pt_client_unseal(&p->lanes.sealer, sealed, sizeof(sealed), sealed, &bytes) &&
           bytes == sizeof(text) && memcmp(sealed, text, bytes) == 0;
}

static const char *text_of(bool is_there, bool is_sound)
{
    return !is_there ? "null" : is_sound ? "true" : "false";
}

void pt_client_self_test(struct playtrace *p, int64_t begun_us)
{
    const struct playtrace_platform *platform = &p->platform;
    int64_t wall_us = platform->wall_us(platform->clock_ctx);
    int64_t spent_us = pt_client_now_us(p) - begun_us;
    /* Only what is used: OpenSSL alone takes 2 MB when it is first asked for anything. */
    bool has_hmac = p->signing_secret[0] != '\0';
    bool has_seal = p->lanes.sealer.has_key;
    bool hmac = has_hmac && hmac_is_sound(p);
    bool seal = has_seal && seal_is_sound(p);
    bool files = p->stats.io_failures == 0;
    /* Two draws that are the same, or none at all, are no randomness. */
    bool random = memcmp(p->random, p->random + 16, 16) != 0;
    bool clock = wall_us >= CLOCK_LEAST_US && wall_us < CLOCK_MOST_US && spent_us >= 0;
    bool is_ok = files && random && clock && hmac == has_hmac && seal == has_seal;

    (void)snprintf(p->self_test, sizeof(p->self_test),
                   "{\"ok\":%s,\"files\":%s,\"random\":%s,\"clock\":%s,\"hmac\":%s,"
                   "\"seal\":%s,"
                   "\"recovered\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"open_us\":%" PRId64 "}",
                   text_of(true, is_ok), text_of(true, files), text_of(true, random),
                   text_of(true, clock), text_of(has_hmac, hmac), text_of(has_seal, seal),
                   p->stats.recovered, p->stats.damaged, spent_us);
}

void pt_client_health(struct playtrace *p)
{
    bool is_room = false;

    if (!p->options.report_health) {
        return;
    }
    is_room = pt_client_lanes_room(&p->lanes, PT_CLIENT_LANE_NORMAL) >= REPORT_ROOM_BYTES;
    pt_client_lock(p);
    if (p->self_test[0] != '\0' && is_room &&
        pt_client_put(p, "playtrace_self_test", p->self_test, PT_CLIENT_LANE_NORMAL) ==
            PLAYTRACE_OK) {
        p->self_test[0] = '\0';
    }
    if (is_room && (p->is_closing || pt_client_now_us(p) >= p->report_due_us)) {
        report_drops(p);
    }
    pt_client_unlock(p);
}

void pt_client_health_plan(struct playtrace *p)
{
    bool is_due = false;

    if (!p->options.report_health || !pt_client_may(p, PLAYTRACE_PURPOSE_ANALYTICS)) {
        return;
    }
    for (unsigned i = 0; i < PT_CLIENT_DROP_REASONS && !is_due; i++) {
        is_due = count_due(p, (enum reason)i) > 0;
    }
    if (is_due && !p->options.without_worker && p->report_due_us < p->drain_due_us) {
        int64_t now_us = pt_client_now_us(p);

        if (p->report_due_us <= now_us) {
            p->report_due_us = now_us + (int64_t)p->options.flush_interval_ms * 1000;
        }
        p->drain_due_us = p->report_due_us;
    }
}
