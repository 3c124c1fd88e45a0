/*
 * test_client_sign.c - what goes out is signed and packed, and neither ever costs an event
 *
 * Method: a gate before the server in memory unpacks each body and recomputes each signature with
 * the server's own code (base/), over the bytes as they came. It has a clock of its own, and
 * refuses on demand what a proxy might.
 */
#include "fake.h"

#include "base/compress.h"
#include "base/crypto.h"

#define SECRET "a secret of 1 .. 256 bytes"
#define REQUESTS_MAX 512

struct gate {
    struct fake *fake;
    struct pt_hmac *hmac;
    int64_t clock_us;      /* the server's clock less the device's */
    int64_t clock_step_us; /* added at each refusal: a server whose times cannot be believed */
    int packed_status;     /* > 0: the answer to what is packed */
    const char *packed_body;
    unsigned requests;
    unsigned packed;
    unsigned unsigned_count;
    unsigned refused;
    char traces[REQUESTS_MAX][56];
};

/* A W3C trace of version 00, sampled, of which there was none before. */
static void check_trace(struct gate *gate, const char *trace)
{
    PT_CHECK(trace && strlen(trace) == 55 && gate->requests < REQUESTS_MAX);
    PT_CHECK(memcmp(trace, "00-", 3) == 0 && trace[35] == '-' && strcmp(trace + 52, "-01") == 0);
    PT_CHECK(strspn(trace + 3, "0123456789abcdef") == 32);
    PT_CHECK(strspn(trace + 36, "0123456789abcdef") == 16);
    for (unsigned i = 0; i < gate->requests; i++) {
        PT_CHECK(memcmp(gate->traces[i] + 3, trace + 3, 32) != 0);
    }
    memcpy(gate->traces[gate->requests], trace, 56);
}

/* Does `header` sign the body by a clock near the server's? */
static bool is_signed_well(const struct gate *gate, const char *header, struct pt_span body)
{
    static const char hex[] = "0123456789abcdef";
    int64_t now_s = (gate->fake->wall_us + gate->clock_us) / 1000000;
    char time[32] = "";
    char want[65] = "";
    uint8_t digest[PT_SHA256_BYTES];
    long long signed_s = 0;
    size_t digits = strspn(header + 2, "0123456789");

    PT_CHECK(memcmp(header, "t=", 2) == 0 && digits < sizeof(time));
    PT_CHECK(memcmp(header + 2 + digits, ",v1=", 4) == 0 && strlen(header) == digits + 70);
    memcpy(time, header + 2, digits);
    {
        const struct pt_span parts[] = {pt_span_str(time), pt_span_of(".", 1), body};

        pt_hmac_sha256_parts(gate->hmac, parts, 3, digest);
    }
    for (size_t i = 0; i < sizeof(digest); i++) {
        want[i * 2] = hex[digest[i] >> 4];
        want[i * 2 + 1] = hex[digest[i] & 15];
    }
    PT_CHECK(strcmp(header + digits + 6, want) == 0);
    PT_CHECK(sscanf(time, "%lld", &signed_s) == 1);
    return signed_s >= now_s - 300 && signed_s <= now_s + 300;
}

static void refuse_signature(struct gate *gate, struct playtrace_http_response *response)
{
    gate->refused++;
    fake_date(gate->fake, gate->clock_us / 1000000, response);
    gate->clock_us += gate->clock_step_us;
    fake_reply(response, 403, "{\"code\":\"bad_signature\",\"detail\":\"too far\"}");
}

static void gate_post(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response)
{
    struct gate *gate = http;
    struct playtrace_http_request plain = *request;
    struct pt_span body = {request->body, request->body_bytes};
    const char *signature = fake_header(request, "X-Playtrace-Signature: ");
    const char *encoding = fake_header(request, "Content-Encoding: ");
    struct pt_buf unpacked;
    struct pt_error err = {0};

    pt_buf_init(&unpacked, 1u << 20);
    check_trace(gate, fake_header(request, "traceparent: "));
    gate->requests++;
    gate->packed += encoding ? 1 : 0;
    gate->unsigned_count += signature ? 0 : 1;
    if (encoding) {
        PT_CHECK(strcmp(encoding, "gzip") == 0);
        PT_CHECK_OK(pt_gzip_decompress(body, &unpacked, &err), err);
        PT_CHECK(unpacked.size > body.size + strlen("Content-Encoding: gzip"));
        plain.body = unpacked.data;
        plain.body_bytes = unpacked.size;
    }
    if (signature && !is_signed_well(gate, signature, body)) {
        refuse_signature(gate, response);
    } else if (encoding && gate->packed_status > 0) {
        fake_reply(response, gate->packed_status, gate->packed_body);
    } else {
        fake_post(gate->fake, &plain, response);
    }
    pt_buf_release(&unpacked);
}

/* What is sent is not packed. */
static void gate_create(struct gate *gate)
{
    memset(gate, 0, sizeof(*gate));
    gate->fake = fake_create();
    gate->hmac = pt_hmac_create(pt_span_str(SECRET));
    fake_transport(&gate->fake->platform, gate, gate_post);
}

static struct playtrace *gate_open(struct gate *gate, const char *dir, bool is_signing)
{
    struct playtrace_options options;
    struct playtrace *p = NULL;

    gate_create(gate);
    gate->fake->platform.compress = gate->fake->real.compress;
    options = fake_options(gate->fake, dir);
    options.signing_secret = is_signing ? SECRET : NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    return p;
}

static void gate_close(struct gate *gate, struct playtrace *p)
{
    fake_check_balance(p);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    pt_hmac_destroy(gate->hmac);
    fake_destroy(gate->fake);
}

/* RFC 4231, test cases 1 and 2. */
static void the_platforms_hmac_gives_known_answers(void **state)
{
    static const uint8_t want[2][4] = {{0xb0, 0x34, 0x4c, 0x61}, {0x5b, 0xdc, 0xc1, 0x46}};
    struct playtrace_platform platform;
    uint8_t key[20];
    uint8_t out[32];

    (void)state;
    playtrace_platform_posix_init(&platform);
    memset(key, 0x0b, sizeof(key));
    PT_CHECK(platform.hmac_sha256(platform.crypto_ctx, key, 20, "Hi There", 8, out) == 0);
    PT_CHECK(memcmp(out, want[0], 4) == 0 && out[31] == 0xf7);
    PT_CHECK(platform.hmac_sha256(platform.crypto_ctx, "Jefe", 4, "what do ya want for nothing?",
                                  28, out) == 0);
    PT_CHECK(memcmp(out, want[1], 4) == 0 && out[31] == 0x43);
}

static void batches_are_signed_and_packed(void **state)
{
    char *dir = pt_test_dir_create();
    struct gate gate;
    struct playtrace *p = gate_open(&gate, dir, true);

    (void)state;
    fake_track(p, 250);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    fake_check_each_once(gate.fake, 250);
    PT_CHECK(gate.requests == 3 && gate.packed == 3 && gate.unsigned_count == 0);
    gate_close(&gate, p);
    pt_test_dir_remove(dir);
}

static void a_wrong_clock_learns_the_servers_time(void **state)
{
    static const int64_t errors_us[] = {INT64_C(86400000000), -INT64_C(86400000000) * 365 * 20,
                                        INT64_C(310000000)};

    (void)state;
    for (size_t i = 0; i < sizeof(errors_us) / sizeof(errors_us[0]); i++) {
        char *dir = pt_test_dir_create();
        struct gate gate;
        struct playtrace *p = gate_open(&gate, dir, true);

        gate.clock_us = errors_us[i];
        fake_track(p, 200);
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
        PT_CHECK(gate.requests == 3 && gate.refused == 1 && gate.packed == 3);
        gate.fake->wall_us += INT64_C(3600000000); /* now it jumps */
        fake_track(p, 100);
        gate.clock_us -= INT64_C(3600000000);
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
        PT_CHECK(gate.requests == 5 && gate.refused == 2);
        fake_check_each_once(gate.fake, 300);
        gate_close(&gate, p);
        pt_test_dir_remove(dir);
    }
}

static void a_server_of_many_times_is_not_asked_for_ever(void **state)
{
    char *dir = pt_test_dir_create();
    struct gate gate;
    struct playtrace *p = gate_open(&gate, dir, true);

    (void)state;
    gate.clock_us = INT64_C(3600000000);
    gate.clock_step_us = INT64_C(3600000000);
    fake_track(p, 10);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_QUEUED);
    PT_CHECK(gate.requests == 2 && gate.refused == 2);
    gate.clock_step_us = 0;
    for (unsigned pumps = 0; playtrace_pump(p) != PLAYTRACE_OK; pumps++) {
        PT_CHECK(pumps < 100);
        fake_advance_ms(gate.fake, 10000);
    }
    fake_check_each_once(gate.fake, 10);
    PT_CHECK(gate.requests <= 4);
    gate_close(&gate, p);
    pt_test_dir_remove(dir);
}

static int broken_hmac(void *ctx, const void *key, size_t key_bytes, const void *data, size_t bytes,
                       uint8_t out[32])
{
    (void)ctx;
    (void)key;
    (void)key_bytes;
    (void)data;
    (void)bytes;
    memset(out, 0, 32);
    return -1;
}

static void without_an_hmac_the_server_decides(void **state)
{
    char *dir = pt_test_dir_create();
    struct gate gate;
    struct playtrace_options options;
    struct playtrace_stats stats;
    struct playtrace *p = NULL;

    (void)state;
    gate_create(&gate);
    options = fake_options(gate.fake, dir);
    options.signing_secret = SECRET;
    gate.fake->platform.hmac_sha256 = NULL;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID && !p);
    gate.fake->platform.hmac_sha256 = broken_hmac;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    fake_track(p, 5);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    PT_CHECK(gate.unsigned_count == 1 && stats.io_failures == 1 && stats.delivered == 5);
    gate_close(&gate, p);
    pt_test_dir_remove(dir);
}

/* Each answer that packing may be to blame for, and what the client may make of it. */
static void a_way_that_takes_no_gzip_gets_plain_batches(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool is_at_once;
    } cases[] = {
        {415, "{\"code\":\"unsupported_encoding\"}", true},
        {400, "{\"code\":\"invalid_encoding\",\"detail\":\"gzip: broken\"}", true},
        {400, "<html>Bad Request</html>", true},
        {403, "<html>Request blocked</html>", false},
        {406, "<html>Not Acceptable</html>", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = pt_test_dir_create();
        struct gate gate;
        struct playtrace *p = gate_open(&gate, dir, false);
        struct playtrace_stats stats;

        gate.packed_status = cases[i].status;
        gate.packed_body = cases[i].body;
        fake_track(p, 300);
        PT_CHECK(playtrace_flush(p, 400000) == PLAYTRACE_OK);
        PT_CHECK((gate.fake->slept_ms == 0) == cases[i].is_at_once);
        PT_CHECK(gate.requests == 4 && gate.packed == 1); /* it is remembered */
        fake_check_each_once(gate.fake, 300);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.delivered == 300 && stats.unreadable == 0 && stats.retries == 1);
        gate_close(&gate, p);
        pt_test_dir_remove(dir);
    }
}

static bool answer_poison(struct fake *fake, uint32_t events,
                          struct playtrace_http_response *response)
{
    (void)events;
    if (!strstr(fake->last_body, "\"poison\"")) {
        return false;
    }
    fake_reply(response, 400, "{\"code\":\"invalid_body\",\"detail\":\"x\"}");
    return true;
}

static void a_bad_event_in_a_packed_batch_is_found(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 100; bad += 9) {
        char *dir = pt_test_dir_create();
        struct gate gate;
        struct playtrace *p = gate_open(&gate, dir, true);
        struct playtrace_stats stats;

        gate.fake->answer = answer_poison;
        for (unsigned i = 0; i < 300; i++) {
            PT_CHECK(playtrace_track(p, i == bad ? "poison" : "fine", NULL) == PLAYTRACE_OK);
        }
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
        fake_check_each_once(gate.fake, 299);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.unreadable == 1 && stats.delivered == 299);
        PT_CHECK(gate.packed >= 3 && gate.requests < 20); /* packed again once it is found */
        gate_close(&gate, p);
        pt_test_dir_remove(dir);
    }
}

static size_t compress_badly(void *ctx, const void *in, size_t bytes, void *out,
                             size_t out_bytes_max)
{
    (void)in;
    (void)bytes;
    (void)out;
    return *(unsigned *)ctx == 0 ? 0 : out_bytes_max + 1;
}

static void what_does_not_pack_goes_as_it_is(void **state)
{
    (void)state;
    for (unsigned manner = 0; manner < 2; manner++) {
        char *dir = pt_test_dir_create();
        struct gate gate;
        struct playtrace_options options;
        struct playtrace *p = NULL;

        gate_create(&gate);
        options = fake_options(gate.fake, dir);
        gate.fake->platform.compress = compress_badly;
        gate.fake->platform.compress_ctx = &manner;
        gate.fake->platform.content_encoding = NULL;
        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID && !p);
        gate.fake->platform.content_encoding = "gzip\r\nX: y";
        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID && !p);
        gate.fake->platform.content_encoding = "gzip";
        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        fake_track(p, 5);
        PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
        PT_CHECK(gate.packed == 0 && gate.requests == 1);
        fake_check_each_once(gate.fake, 5);
        gate_close(&gate, p);
        pt_test_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_platforms_hmac_gives_known_answers),
        cmocka_unit_test(batches_are_signed_and_packed),
        cmocka_unit_test(a_wrong_clock_learns_the_servers_time),
        cmocka_unit_test(a_server_of_many_times_is_not_asked_for_ever),
        cmocka_unit_test(without_an_hmac_the_server_decides),
        cmocka_unit_test(a_way_that_takes_no_gzip_gets_plain_batches),
        cmocka_unit_test(a_bad_event_in_a_packed_batch_is_found),
        cmocka_unit_test(what_does_not_pack_goes_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
