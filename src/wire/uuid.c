/*
 * uuid.c - UUIDs (RFC 9562)
 */
#include "wire/uuid.h"

/* Value of a hexadecimal digit, or BAD; a table, because ids are read for every event. */
#define BAD 0xf0
#define FOUR_BAD BAD, BAD, BAD, BAD
#define SIXTEEN_BAD FOUR_BAD, FOUR_BAD, FOUR_BAD, FOUR_BAD
#define LETTERS 10, 11, 12, 13, 14, 15
static const uint8_t hex_values[256] = {
    SIXTEEN_BAD, SIXTEEN_BAD, SIXTEEN_BAD, /* 0x00 */
    0,           1,           2,           3,           4,           5,           6,
    7,           8,           9,           BAD,         BAD,         FOUR_BAD,    /* 0x30 */
    BAD,         LETTERS,     BAD,         FOUR_BAD,    FOUR_BAD,    SIXTEEN_BAD, /* 0x40 */
    BAD,         LETTERS,     BAD,         FOUR_BAD,    FOUR_BAD,    SIXTEEN_BAD, /* 0x60 */
    SIXTEEN_BAD, SIXTEEN_BAD, SIXTEEN_BAD, SIXTEEN_BAD, SIXTEEN_BAD,              /* 0x80 */
    SIXTEEN_BAD, SIXTEEN_BAD, SIXTEEN_BAD,
};

bool pt_uuid_parse(const char *text, size_t bytes, uint8_t uuid_out[PT_UUID_BYTES])
{
    static const uint8_t places[PT_UUID_BYTES] = {0,  2,  4,  6,  9,  11, 14, 16,
                                                  19, 21, 24, 26, 28, 30, 32, 34};
    unsigned bad = 0;

    if (bytes != PT_UUID_TEXT_BYTES || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
        text[23] != '-') {
        return false;
    }
    for (size_t i = 0; i < PT_UUID_BYTES; i++) {
        unsigned high = hex_values[(uint8_t)text[places[i]]];
        unsigned low = hex_values[(uint8_t)text[places[i] + 1]];

        bad |= high | low;
        uuid_out[i] = (uint8_t)(high << 4 | low);
    }
    return !(bad & BAD);
}

void pt_uuid_format(const uint8_t uuid[PT_UUID_BYTES], char text[PT_UUID_TEXT_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < PT_UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = digits[uuid[i] >> 4];
        text[at++] = digits[uuid[i] & 15];
    }
    text[at] = '\0';
}

void pt_uuid_v7(int64_t unix_ms, const uint8_t random[10], uint8_t uuid_out[PT_UUID_BYTES])
{
    uint64_t ms = unix_ms < 0 ? 0 : (uint64_t)unix_ms;

    for (int i = 0; i < 6; i++) {
        uuid_out[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    for (int i = 0; i < 10; i++) {
        uuid_out[6 + i] = random[i];
    }
    uuid_out[6] = (uint8_t)(0x70 | (uuid_out[6] & 0x0f));
    uuid_out[8] = (uint8_t)(0x80 | (uuid_out[8] & 0x3f));
}
