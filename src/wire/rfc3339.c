/*
 * rfc3339.c - times as text and as UTC microseconds
 *
 * Days and civil dates by the era method: 400 years are 146,097 days, and a year that begins in
 * March puts the leap day at its end.
 */
#include "wire/rfc3339.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t quotient = a / b;

    return a % b < 0 ? quotient - 1 : quotient;
}

int64_t pt_day_from_civil(int year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void civil_from_day(int64_t day, int *year_out, unsigned *month_out, unsigned *day_out)
{
    int64_t z = day + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day_out = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month_out = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year_out = (int)(yoe + era * 400 + (*month_out <= 2));
}

int64_t pt_day_of(int64_t time_us)
{
    return floor_div(time_us, PT_DAY_US);
}

/* Two digits at `text` as a number, or one below 0. */
static int two_digits(const char *text)
{
    unsigned tens = (unsigned)(text[0] - '0');
    unsigned units = (unsigned)(text[1] - '0');

    return tens <= 9 && units <= 9 ? (int)(tens * 10 + units) : -10000;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

bool pt_rfc3339_parse(const char *text, size_t bytes, int64_t *time_us_out)
{
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    int64_t micros = 0;
    int64_t offset_minutes = 0;
    size_t at = 19;

    if (bytes < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':') {
        return false;
    }
    year = two_digits(text) * 100 + two_digits(text + 2);
    month = two_digits(text + 5);
    day = two_digits(text + 8);
    hour = two_digits(text + 11);
    minute = two_digits(text + 14);
    second = two_digits(text + 17);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    if (text[at] == '.') {
        int64_t scale = 100000;
        size_t first = ++at;

        while (at < bytes && text[at] >= '0' && text[at] <= '9') {
            micros += (text[at] - '0') * scale;
            scale /= 10;
            at++;
        }
        if (at == first) {
            return false;
        }
    }
    if (at + 1 == bytes && (text[at] == 'Z' || text[at] == 'z')) {
        offset_minutes = 0;
    } else if (at + 6 == bytes && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
        int offset_hour = two_digits(text + at + 1);
        int offset_minute = two_digits(text + at + 4);

        if (offset_hour < 0 || offset_hour > 23 || offset_minute < 0 || offset_minute > 59) {
            return false;
        }
        offset_minutes = offset_hour * 60 + offset_minute;
        offset_minutes = text[at] == '-' ? -offset_minutes : offset_minutes;
    } else {
        return false;
    }
    if (second == 60) {
        /* RFC 3339 5.7: a leap second comes at the end of a UTC day (the UTC minute is 23:59). */
        int64_t utc_minute = ((int64_t)hour * 60 + minute - offset_minutes + 2 * 1440) % 1440;

        if (utc_minute != 23 * 60 + 59) {
            return false;
        }
    }
    *time_us_out = pt_day_from_civil(year, (unsigned)month, (unsigned)day) * PT_DAY_US +
                   (((int64_t)hour * 60 + minute - offset_minutes) * 60 + second) * 1000000 +
                   micros;
    return true;
}

static void put_digits(char *at, int count, int64_t value)
{
    while (count-- > 0) {
        at[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void pt_day_format(int64_t day, char text[11])
{
    int year = 0;
    unsigned month = 0;
    unsigned day_of_month = 0;

    civil_from_day(day, &year, &month, &day_of_month);
    put_digits(text, 4, year);
    text[4] = '-';
    put_digits(text + 5, 2, month);
    text[7] = '-';
    put_digits(text + 8, 2, day_of_month);
    text[10] = '\0';
}

void pt_rfc3339_format(int64_t time_us, char text[PT_RFC3339_TEXT_BYTES + 1])
{
    int64_t first = pt_day_from_civil(0, 1, 1) * PT_DAY_US;
    int64_t last = pt_day_from_civil(10000, 1, 1) * PT_DAY_US - 1;
    int64_t day = 0;
    int64_t rest = 0;

    time_us = time_us < first ? first : time_us > last ? last : time_us;
    day = pt_day_of(time_us);
    rest = time_us - day * PT_DAY_US;
    pt_day_format(day, text);
    text[10] = 'T';
    put_digits(text + 11, 2, rest / 3600000000);
    text[13] = ':';
    put_digits(text + 14, 2, rest / 60000000 % 60);
    text[16] = ':';
    put_digits(text + 17, 2, rest / 1000000 % 60);
    text[19] = '.';
    put_digits(text + 20, 6, rest % 1000000);
    text[26] = 'Z';
    text[27] = '\0';
}
