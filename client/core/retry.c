/*
 * retry.c - how long to wait before the next request
 */
#include "core/retry.h"

#include "wire/rfc3339.h"

#include <stddef.h>
#include <string.h>

#define WAIT_SECONDS_MAX 86400
#define SECOND_US INT64_C(1000000)

/* Exactly `count` digits at `text`; -1 where they are not. */
static int digits(const char *text, size_t count)
{
    int value = 0;

    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool pt_client_http_date_us(const char *text, int64_t *time_us_out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned month = 0;
    int day = 0;
    int year = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;

    if (strlen(text) != 29 || memcmp(text + 3, ", ", 2) != 0 || text[7] != ' ' || text[11] != ' ' ||
        text[16] != ' ' || text[19] != ':' || text[22] != ':' ||
        memcmp(text + 25, " GMT", 4) != 0) {
        return false;
    }
    while (month < 12 && memcmp(months + (size_t)month * 3, text + 8, 3) != 0) {
        month++;
    }
    day = digits(text + 5, 2);
    year = digits(text + 12, 4);
    hour = digits(text + 17, 2);
    minute = digits(text + 20, 2);
    second = digits(text + 23, 2);
    if (month == 12 || day < 1 || day > 31 || year < 0 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60) {
        return false;
    }
    *time_us_out = pt_day_from_civil(year, month + 1, (unsigned)day) * PT_DAY_US +
                   (((int64_t)hour * 60 + minute) * 60 + second) * SECOND_US;
    return true;
}

int64_t pt_client_retry_after_us(const char *value, const char *date, int64_t wall_us)
{
    int64_t seconds = 0;
    int64_t at_us = 0;
    int64_t now_us = wall_us;
    size_t count = strspn(value, "0123456789");

    if (count > 0 && value[count] == '\0') {
        for (size_t i = 0; i < count && seconds <= WAIT_SECONDS_MAX; i++) {
            seconds = seconds * 10 + (value[i] - '0');
        }
    } else if (pt_client_http_date_us(value, &at_us)) {
        (void)pt_client_http_date_us(date, &now_us);
        seconds = at_us > now_us ? (at_us - now_us + SECOND_US - 1) / SECOND_US : 0;
    }
    return (seconds < WAIT_SECONDS_MAX ? seconds : WAIT_SECONDS_MAX) * SECOND_US;
}

int64_t pt_client_retry_span_us(uint32_t failures, uint32_t base_ms, uint32_t cap_ms)
{
    int64_t span_ms = base_ms;

    for (uint32_t i = 1; i < failures && span_ms < cap_ms; i++) {
        span_ms *= 2;
    }
    return (span_ms < cap_ms ? span_ms : cap_ms) * 1000;
}
