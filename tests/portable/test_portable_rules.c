/*
 * test_portable_rules.c - the same of consent, budget, keys, priorities, health and flags
 *
 * Method: that of test_portable.c.
 */
#include "machine.h"

#include "platform/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nothing_is_kept_without_consent(void)
{
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;

    options.consent = PLAYTRACE_CONSENT_NONE;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    MACHINE_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
    MACHINE_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_NO_CONSENT);
    machine_advance_ms(m, 60000);
    MACHINE_CHECK(playtrace_pump(p) == PLAYTRACE_OK);
    MACHINE_CHECK(m->requests == 0 && machine_count_files(m, "queue-") == 0);

    MACHINE_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    machine_track(p, 10);
    MACHINE_CHECK(playtrace_flush(p, 0) == PLAYTRACE_QUEUED);
    MACHINE_CHECK(machine_count_files(m, "queue-") == 1);
    machine_track(p, 5);
    MACHINE_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    MACHINE_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
    for (unsigned i = 0; i < 100; i++) {
        (void)playtrace_pump(p);
        machine_advance_ms(m, 60000);
    }
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 0 && machine_count_files(m, "queue-") == 0);
    machine_check_balance(p);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);

    p = NULL; /* the decision outlives the process, whatever the options say */
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    MACHINE_CHECK(playtrace_get_consent(p) == PLAYTRACE_CONSENT_WITHDRAWN);
    MACHINE_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static bool answer_nothing(struct machine *m, const char *body, unsigned events,
                           struct playtrace_http_response *response)
{
    (void)m;
    (void)body;
    (void)events;
    response->status = 0;
    return true;
}

static void weeks_offline_fill_the_budget_and_no_more(void)
{
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;
    unsigned kept = 0;

    m->answer = answer_nothing;
    options.queue_bytes_max = 2u << 20;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 200; i++) {
        machine_track(p, 50);
        (void)playtrace_pump(p);
        machine_advance_ms(m, 60000);
        machine_check_balance(p);
    }
    playtrace_stats(p, &stats);
    MACHINE_CHECK(stats.queued_bytes <= options.queue_bytes_max && stats.dropped_budget > 0);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    kept = (unsigned)stats.recovered;
    MACHINE_CHECK(kept > 4000);
    m->answer = NULL;
    machine_deliver(m, p);
    MACHINE_CHECK(m->taken_count >= kept);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void a_file_call_that_fails_loses_nothing(void)
{
    bool has_fired = true;

    for (unsigned call = 1; has_fired; call++) {
        struct machine *m = machine_create();
        struct playtrace_options options = machine_options(m);
        struct playtrace *p = NULL;
        enum playtrace_status status = PLAYTRACE_OK;
        unsigned tracked = 0;

        m->fail_call = call;
        status = playtrace_open(&p, &options);
        if (status != PLAYTRACE_OK) { /* the failed call was of open: the next one works */
            MACHINE_CHECK(status == PLAYTRACE_IO && !p);
            MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        }
        for (unsigned i = 0; i < 4; i++) {
            machine_track(p, 30);
            tracked += 30;
            (void)playtrace_flush(p, 0);
            machine_advance_ms(m, 5000);
            (void)playtrace_pump(p);
            machine_check_balance(p);
        }
        machine_deliver(m, p);
        MACHINE_CHECK(machine_count_taken(m, "tick", 2) == tracked);
        MACHINE_CHECK(playtrace_close(p, 0) <= PLAYTRACE_QUEUED);
        has_fired = m->file_calls >= call;
        machine_destroy(m);
    }
}

static void a_sealed_queue_opens_with_its_key_alone(void)
{
    static const uint8_t key[PLAYTRACE_KEY_BYTES] = {1, 2, 3};
    static const uint8_t other[PLAYTRACE_KEY_BYTES] = {3, 2, 1};
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;
    struct machine_file *file = NULL;

    options.queue_key = key;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    machine_track(p, 40);
    MACHINE_CHECK(playtrace_flush(p, 0) == PLAYTRACE_QUEUED);
    machine_kill(m);
    file = machine_find(m, "queue-00000001.log");
    MACHINE_CHECK(file != NULL);
    for (size_t i = 0; i + 4 < file->bytes; i++) {
        MACHINE_CHECK(memcmp(file->data + i, "tick", 4) != 0);
    }
    options.queue_key = other;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_KEY && !p);
    options.queue_key = key;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 40);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void batches_are_signed_and_traced(void)
{
    static const char secret[] = "a secret of thirty-two characters";
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;
    char *signed_text = malloc(MACHINE_BODY_BYTES_MAX + 32);
    uint8_t code[PT_CLIENT_SHA256_BYTES];
    char expected[160];
    int used = 0;
    int head = 0;

    MACHINE_CHECK(signed_text != NULL);
    options.signing_secret = secret;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    machine_track(p, 100);
    MACHINE_CHECK(playtrace_pump(p) == PLAYTRACE_OK);
    head = snprintf(signed_text, 32, "%lld.", (long long)(m->wall_us / 1000000));
    memcpy(signed_text + head, m->body, m->body_bytes);
    (void)pt_client_hmac_sha256(NULL, secret, strlen(secret), signed_text,
                                (size_t)head + m->body_bytes, code);
    used = snprintf(expected, sizeof(expected), "X-Playtrace-Signature: t=%.*s,v1=", head - 1,
                    signed_text);
    for (size_t i = 0; i < sizeof(code); i++) {
        used += snprintf(expected + used, sizeof(expected) - (size_t)used, "%02x", code[i]);
    }
    MACHINE_CHECK(strstr(m->headers, expected) != NULL);
    MACHINE_CHECK(strstr(m->headers, "traceparent: 00-") != NULL);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    free(signed_text);
    machine_destroy(m);
}

/* ---- priorities, purposes, health ---- */

static void what_counts_outlives_what_does_not(void)
{
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;

    m->answer = answer_nothing;
    options.queue_bytes_max = 1u << 20;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned k = 0; k < 50; k++) {
            MACHINE_CHECK(playtrace_track_with(p, "heartbeat", NULL, PLAYTRACE_PRIORITY_LOW,
                                               NULL) == PLAYTRACE_OK);
        }
        MACHINE_CHECK(playtrace_track_with(p, "purchase", "{\"cents\":499}",
                                           PLAYTRACE_PRIORITY_HIGH, NULL) == PLAYTRACE_OK);
        (void)playtrace_pump(p);
        machine_advance_ms(m, 1000);
        machine_check_balance(p);
    }
    MACHINE_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK);
    machine_kill(m);
    m->answer = NULL;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "purchase", 1) == 100);
    MACHINE_CHECK(machine_count_taken(m, "heartbeat", 1) < 5000 && m->taken[0].name[0] == 'p');
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static void one_purpose_can_be_taken_back(void)
{
    struct machine *m = machine_create();
    struct playtrace *p = machine_open(m);
    struct playtrace_consent_record record;

    machine_track(p, 3);
    MACHINE_CHECK(playtrace_set_consent_for(p, PLAYTRACE_PURPOSE_EXPERIMENTS, "2026-11") ==
                  PLAYTRACE_OK);
    MACHINE_CHECK(playtrace_track(p, "tick", NULL) == PLAYTRACE_NO_CONSENT);
    machine_kill(m);
    p = machine_open(m);
    playtrace_get_consent_record(p, &record);
    MACHINE_CHECK(record.consent == PLAYTRACE_CONSENT_GIVEN &&
                  record.purposes == PLAYTRACE_PURPOSE_EXPERIMENTS &&
                  strcmp(record.policy_version, "2026-11") == 0 && record.decided_us >= m->wall_us);
    machine_deliver(m, p);
    MACHINE_CHECK(m->taken_count == 1 && machine_count_taken(m, "playtrace_consent", 1) == 1);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

/* The reports that the other tests switch off. */
static void the_client_reports_its_health(void)
{
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;

    options.report_health = true;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    machine_track(p, 1);
    machine_deliver(m, p);
    machine_advance_ms(m, 60000);
    machine_deliver(m, p);
    MACHINE_CHECK(machine_count_taken(m, "playtrace_self_test", 1) == 1);
    MACHINE_CHECK(strstr(m->body, "{\"ok\":true,\"files\":true,\"random\":true") != NULL);
    MACHINE_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    machine_destroy(m);
}

static bool answer_flags(struct machine *m, const char *body, unsigned events,
                         struct playtrace_http_response *response)
{
    unsigned *asked = m->answer_arg;

    (void)body;
    (void)events;
    if (strcmp(m->url, "http://127.0.0.1:1/ofrep/v1/evaluate/flags") != 0) {
        return false;
    }
    if (++*asked > 1) {
        response->status = 0;
        return true;
    }
    machine_reply(
        response, 200,
        "{\"flags\":[{\"key\":\"on\",\"reason\":\"STATIC\",\"variant\":\"yes\",\"value\":true},"
        "{\"key\":\"least\",\"reason\":\"STATIC\",\"variant\":\"v\","
        "\"value\":-9223372036854775808},"
        "{\"key\":\"tenth\",\"reason\":\"STATIC\",\"variant\":\"v\",\"value\":0.1},"
        "{\"key\":\"text\",\"reason\":\"STATIC\",\"variant\":\"v\",\"value\":\"\\u00e9\"}]}");
    memcpy(response->content_type, "application/json", 17);
    return true;
}

static void check_flags(struct playtrace *p)
{
    volatile double tenth = playtrace_flag_double(p, "tenth", 0);
    const volatile double expected = 0.1;
    char text[8];

    MACHINE_CHECK(playtrace_flag_bool(p, "on", false));
    MACHINE_CHECK(playtrace_flag_int(p, "least", 0) == INT64_MIN);
    MACHINE_CHECK(tenth == expected);
    MACHINE_CHECK(playtrace_flag_string(p, "text", "", text, sizeof(text)) == 2 &&
                  strcmp(text, "\xc3\xa9") == 0);
    MACHINE_CHECK(playtrace_flag_int(p, "nowhere", 5) == 5);
}

static void flags_come_late_and_from_the_cache(void)
{
    struct machine *m = machine_create();
    struct playtrace_options options = machine_options(m);
    struct playtrace *p = NULL;
    unsigned asked = 0;

    machine_be_asynchronous(m, 3);
    m->answer = answer_flags;
    m->answer_arg = &asked;
    options.flags_enabled = true;
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    MACHINE_CHECK(!playtrace_flag_bool(p, "on", false));
    for (unsigned i = 0; i < 10; i++) {
        (void)playtrace_pump(p);
    }
    check_flags(p);
    machine_track(p, 10);
    machine_deliver(m, p);
    machine_kill(m);
    MACHINE_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    check_flags(p); /* no request was made yet */
    MACHINE_CHECK(playtrace_set_consent_for(p, PLAYTRACE_PURPOSE_ANALYTICS, NULL) == PLAYTRACE_OK);
    MACHINE_CHECK(!playtrace_flag_bool(p, "on", false) && !machine_find(m, "flags"));
    MACHINE_CHECK(machine_count_taken(m, "tick", 1) == 10);
    MACHINE_CHECK(playtrace_close(p, 0) <= PLAYTRACE_QUEUED);
    machine_destroy(m);
}

int main(void)
{
    static const struct machine_test tests[] = {
        MACHINE_TEST(nothing_is_kept_without_consent),
        MACHINE_TEST(weeks_offline_fill_the_budget_and_no_more),
        MACHINE_TEST(a_file_call_that_fails_loses_nothing),
        MACHINE_TEST(a_sealed_queue_opens_with_its_key_alone),
        MACHINE_TEST(batches_are_signed_and_traced),
        MACHINE_TEST(what_counts_outlives_what_does_not),
        MACHINE_TEST(one_purpose_can_be_taken_back),
        MACHINE_TEST(the_client_reports_its_health),
        MACHINE_TEST(flags_come_late_and_from_the_cache),
    };

    machine_run(tests, sizeof(tests) / sizeof(tests[0]));
    return 0;
}
