/*
 * test_wire.c - ids, times, frames and the event's binary form
 *
 * Method: tables with values from the standards; round trips; every truncation and many damaged
 * bytes of an encoded event must be refused or decode without reading past the end.
 */
#include "check.h"
#include "wire/event.h"
#include "wire/frame.h"
#include "wire/rfc3339.h"

#include "base/mem.h"

#include <string.h>

static void uuids(void **state)
{
    static const char *const bad[] = {
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e279b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
        "",
    };
    uint8_t id[PT_UUID_BYTES];
    uint8_t random[10] = {0xcc, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    char text[PT_UUID_TEXT_BYTES + 1];

    (void)state;
    /* The example of RFC 9562, appendix A.6. */
    pt_uuid_v7(INT64_C(0x17F22E279B0), random, id);
    pt_uuid_format(id, text);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    PT_CHECK(pt_uuid_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 36, id));
    pt_uuid_format(id, text);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        PT_CHECK(!pt_uuid_parse(bad[i], strlen(bad[i]), id));
    }
    /* Every byte at every place: digits are hexadecimal ones of either case, the rest is dashes. */
    for (size_t at = 0; at < PT_UUID_TEXT_BYTES; at++) {
        bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
        char kept = text[at];

        for (int c = 0; c < 256; c++) {
            bool is_hex = c && strchr("0123456789abcdefABCDEF", c);

            text[at] = (char)c;
            PT_CHECK(pt_uuid_parse(text, PT_UUID_TEXT_BYTES, id) == (is_dash ? c == '-' : is_hex));
        }
        text[at] = kept;
    }
}

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1985-04-12T23:20:50.52Z", INT64_C(482196050520000)},
        {"1996-12-19T16:39:57-08:00", INT64_C(851042397000000)},
        {"1990-12-31T23:59:60Z", INT64_C(662688000000000)},
        {"1990-12-31T15:59:60-08:00", INT64_C(662688000000000)},
        {"2024-02-29t12:00:00.1234567z", INT64_C(1709208000123456)},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000000)},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    };
    static const char *const bad[] = {
        "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01 00:00:00Z",
        "2023-01-01T00:00:00",
        "2023-01-01T00:00:00.Z",
        "2023-01-01T00:00:00+24:00",
        "2023-01-01T12:00:60Z",
        "2023-01-01T00:00:00Zx",
        "2023-1-01T00:00:00Z",
        "",
        "yesterday at noon 12",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t us = 0;
        int64_t again = 0;
        char text[PT_RFC3339_TEXT_BYTES + 1];

        PT_CHECK(pt_rfc3339_parse(good[i].text, strlen(good[i].text), &us));
        assert_int_equal(us, good[i].us);
        pt_rfc3339_format(us, text);
        PT_CHECK(pt_rfc3339_parse(text, strlen(text), &again) && again == us);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t us = 0;

        if (pt_rfc3339_parse(bad[i], strlen(bad[i]), &us)) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
    for (int64_t day = -800000; day < 3000000; day += 97) {
        char text[11];

        pt_day_format(day, text);
        if (text[0] != '-' && day > -719529 && day < 2932897) {
            char full[32];
            int64_t us = 0;

            memcpy(full, text, 10);
            memcpy(full + 10, "T23:59:59Z", 11);
            PT_CHECK(pt_rfc3339_parse(full, 20, &us) && pt_day_of(us) == day);
        }
    }
    assert_int_equal(pt_day_of(-1), -1);
}

/* The polynomial's definition, a bit at a time. */
static uint32_t crc32c_by_bits(const uint8_t *data, size_t bytes)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes * 8; i++) {
        uint32_t bit = (crc ^ (uint32_t)data[i / 8] >> i % 8) & 1;

        crc = (crc >> 1) ^ (bit ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static void the_checksum_is_the_polynomials_at_any_length_and_in_parts(void **state)
{
    uint8_t data[96];
    uint32_t value = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        value = value * 1664525 + 1013904223;
        data[i] = (uint8_t)(value >> 24);
    }
    for (size_t from = 0; from < 8; from++) {
        for (size_t bytes = 0; bytes + from <= sizeof(data); bytes++) {
            uint32_t whole = crc32c_by_bits(data + from, bytes);

            assert_int_equal(pt_crc32c(0, data + from, bytes), whole);
            for (size_t cut = 0; cut <= bytes; cut += 5) {
                uint32_t first = pt_crc32c(0, data + from, cut);

                assert_int_equal(pt_crc32c(first, data + from + cut, bytes - cut), whole);
            }
        }
    }
}

static void frames(void **state)
{
    uint8_t frame[PT_FRAME_HEADER_BYTES + 9];
    uint32_t size = 0;

    (void)state;
    assert_int_equal(pt_crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720's check value */
    memcpy(frame + PT_FRAME_HEADER_BYTES, "123456789", 9);
    pt_frame_header(frame + PT_FRAME_HEADER_BYTES, 9, frame);
    PT_CHECK(pt_frame_read(frame, sizeof(frame), &size) && size == 9);
    for (size_t cut = 0; cut < sizeof(frame); cut++) {
        PT_CHECK(!pt_frame_read(frame, cut, &size));
        frame[cut] ^= 1;
        PT_CHECK(!pt_frame_read(frame, sizeof(frame), &size));
        frame[cut] ^= 1;
    }
}

static struct pt_text text_of(const char *text)
{
    return (struct pt_text){.data = text, .size = (uint32_t)strlen(text)};
}

static void events(void **state)
{
    struct pt_event event = {
        .platform = PT_PLATFORM_CONSOLE,
        .event_time_us = -5,
        .occurred_at_us = INT64_MAX,
        .received_at_us = 7,
        .clock_skew_us = -123456789,
        .seq = PT_EVENT_NO_NUMBER,
        .boot = 3,
        .has_install = true,
        .event_name = text_of("level_end"),
        .session_id = text_of("s-1"),
        .mechanic_version = text_of("2"),
        .attributes = text_of("{\"level\":3}"),
        .country = {'S', 'E'},
        .city = text_of("Link\xc3\xb6ping"),
    };
    struct pt_event back;
    size_t size = 0;
    uint8_t *record = NULL;

    (void)state;
    memset(event.event_id, 0xab, sizeof(event.event_id));
    memset(event.user, 0xcd, sizeof(event.user));
    memset(event.install, 0xef, sizeof(event.install));
    size = pt_event_encoded_bytes(&event);
    record = pt_alloc(size);
    assert_non_null(record);
    assert_int_equal(pt_event_encode(&event, record), size);
    PT_CHECK(pt_event_decode(record, size, &back));
    PT_CHECK(memcmp(back.event_id, event.event_id, 16) == 0);
    PT_CHECK(memcmp(back.user, event.user, 16) == 0 && back.has_install);
    PT_CHECK(memcmp(back.install, event.install, 16) == 0);
    PT_CHECK(back.platform == event.platform && back.event_time_us == -5);
    PT_CHECK(back.occurred_at_us == INT64_MAX && back.clock_skew_us == -123456789);
    PT_CHECK(back.seq == PT_EVENT_NO_NUMBER && back.boot == 3);
    PT_CHECK(back.event_name.size == 9 && memcmp(back.event_name.data, "level_end", 9) == 0);
    PT_CHECK(back.build_id.size == 0 && back.attributes.size == 11);
    PT_CHECK(memcmp(back.country, "SE", 2) == 0 && back.region.size == 0);
    PT_CHECK(back.city.size == 10 && back.city.data + 10 == (const char *)record + size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = pt_alloc(cut); /* exact size: a read past the end is an ASan report */

        assert_non_null(copy);
        memcpy(copy, record, cut);
        PT_CHECK(!pt_event_decode(copy, cut, &back));
        pt_free(copy);
    }
    for (size_t at = 0; at < 16; at++) {
        uint8_t kept = record[at];

        for (unsigned value = 0; value < 256; value++) {
            record[at] = (uint8_t)value;
            (void)pt_event_decode(record, size, &back);
        }
        record[at] = kept;
    }
    pt_free(record);
    PT_CHECK(pt_platform_parse("ios", 3) == PT_PLATFORM_IOS);
    PT_CHECK(pt_platform_parse("iOS", 3) == PT_PLATFORM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_the_polynomials_at_any_length_and_in_parts),
        cmocka_unit_test(uuids),
        cmocka_unit_test(times),
        cmocka_unit_test(frames),
        cmocka_unit_test(events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
