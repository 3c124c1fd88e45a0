/*
 * test_trust.c - signatures and rate limits let the honest through and nobody else
 *
 * Method: signatures made with OpenSSL's command line tool as fixed values; every byte of header
 * and body changed in turn; buckets against arithmetic on a clock of the test's own.
 */
#include "check.h"
#include "collect/rate.h"
#include "collect/signature.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1793534400000000)
#define WINDOW INT64_C(300000000)
#define BODY "{\"events\":[]}"

static struct pt_hmac *secrets[2];

/* "t=…,v1=…" of BODY at `seconds` under `secret`. */
static void sign(const char *secret, long long seconds, char header[128])
{
    struct pt_hmac *hmac = pt_hmac_create(pt_span_str(secret));
    uint8_t digest[PT_SHA256_BYTES];
    char hex[2 * PT_SHA256_BYTES + 1];
    char text[128];
    int size = snprintf(text, sizeof(text), "%lld.%s", seconds, BODY);

    pt_hmac_sha256(hmac, pt_span_of(text, (size_t)size), digest);
    pt_hex_encode(digest, sizeof(digest), hex);
    snprintf(header, 128, "t=%lld,v1=%s", seconds, hex);
    pt_hmac_destroy(hmac);
}

static const char *check(const char *header, const char *body)
{
    return pt_signature_check(pt_span_str(header), pt_span_str(body), NOW, WINDOW, secrets, 2);
}

static void a_signature_of_another_tool_is_good(void **state)
{
    (void)state;
    /* printf '1793534400.{"events":[]}' | openssl dgst -sha256 -hmac new-secret */
    PT_CHECK(check("t=1793534400,v1="
                   "e013f044948f2b323e1fc6ecca6d4387fc0383725a59437729130219a2556f50",
                   BODY) == NULL);
}

static void either_secret_may_have_signed(void **state)
{
    char header[128];

    (void)state;
    sign("old-secret", NOW / 1000000 - 299, header);
    PT_CHECK(check(header, BODY) == NULL);
    sign("new-secret", NOW / 1000000 + 299, header);
    PT_CHECK(check(header, BODY) == NULL);
    sign("no-secret", NOW / 1000000, header);
    PT_CHECK(check(header, BODY) != NULL);
}

static void old_and_future_signatures_are_refused(void **state)
{
    char header[128];

    (void)state;
    sign("old-secret", NOW / 1000000 - 301, header);
    PT_CHECK(strstr(check(header, BODY), "time") != NULL);
    sign("old-secret", NOW / 1000000 + 301, header);
    PT_CHECK(strstr(check(header, BODY), "time") != NULL);
}

static void any_change_is_noticed(void **state)
{
    char header[128];
    char body[] = BODY;

    (void)state;
    sign("new-secret", NOW / 1000000, header);
    for (size_t i = 0; header[i]; i++) {
        char kept = header[i];

        header[i] = kept == '1' ? '2' : '1';
        PT_CHECK(check(header, BODY) != NULL);
        header[i] = '\0'; /* cut short */
        PT_CHECK(check(header, BODY) != NULL);
        header[i] = kept;
    }
    for (size_t i = 0; body[i]; i++) {
        body[i] ^= 1;
        PT_CHECK(check(header, body) != NULL);
        body[i] ^= 1;
    }
    PT_CHECK(check("", BODY) != NULL);
    PT_CHECK(check("v1=,t=", BODY) != NULL);
    PT_CHECK(check("t=99999999999999999999,v1=00", BODY) != NULL);
}

static void a_bucket_refills(void **state)
{
    struct pt_rate *rate = pt_rate_create(10, 20);
    struct pt_span alice = pt_span_str("alice");
    uint32_t retry_s = 0;
    int64_t now_us = 1000;

    (void)state;
    for (int i = 0; i < 20; i++) {
        PT_CHECK(pt_rate_take(rate, alice, 1, now_us, &retry_s));
    }
    PT_CHECK(!pt_rate_take(rate, alice, 1, now_us, &retry_s) && retry_s == 1);
    PT_CHECK(pt_rate_take(rate, pt_span_str("bob"), 20, now_us, &retry_s));
    now_us += 100000;
    PT_CHECK(pt_rate_take(rate, alice, 1, now_us, &retry_s));
    PT_CHECK(!pt_rate_take(rate, alice, 1, now_us, &retry_s));
    now_us += 3600000000; /* an hour gives no more than the burst */
    PT_CHECK(pt_rate_take(rate, alice, 45, now_us, &retry_s)); /* once, and 25 are owed */
    PT_CHECK(!pt_rate_take(rate, alice, 1, now_us + 2000000, &retry_s));
    PT_CHECK(pt_rate_take(rate, alice, 1, now_us + 2700000, &retry_s));
    PT_CHECK(!pt_rate_take(rate, alice, 20, now_us + 2700000, &retry_s) && retry_s == 2);
    pt_rate_destroy(rate);
}

static void many_senders_cost_no_more_memory(void **state)
{
    struct pt_rate *rate = pt_rate_create(1, 1);
    uint32_t retry_s = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        char name[16];
        int size = snprintf(name, sizeof(name), "%d", i);

        PT_CHECK(pt_rate_take(rate, pt_span_of(name, (size_t)size), 1, i, &retry_s));
    }
    PT_CHECK(!pt_rate_take(rate, pt_span_str("299999"), 1, 300000, &retry_s));
    pt_rate_destroy(rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_of_another_tool_is_good),
        cmocka_unit_test(either_secret_may_have_signed),
        cmocka_unit_test(old_and_future_signatures_are_refused),
        cmocka_unit_test(any_change_is_noticed),
        cmocka_unit_test(a_bucket_refills),
        cmocka_unit_test(many_senders_cost_no_more_memory),
    };
    int failed = 0;

    secrets[0] = pt_hmac_create(pt_span_str("old-secret"));
    secrets[1] = pt_hmac_create(pt_span_str("new-secret"));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_hmac_destroy(secrets[0]);
    pt_hmac_destroy(secrets[1]);
    return failed;
}
