/*
 * uuid.c - UUIDs (RFC 9562)
 */
#include "wire/uuid.h"

/* Value of a hexadecimal digit, or a value above 15. */
static unsigned hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a') + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return (unsigned)(c - 'A') + 10;
    }
    return 0x100;
}

bool pt_uuid_parse(const char *text, size_t bytes, uint8_t uuid_out[PT_UUID_BYTES])
{
    unsigned bad = 0;
    size_t at = 0;

    if (bytes != PT_UUID_TEXT_BYTES || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
        text[23] != '-') {
        return false;
    }
    for (size_t i = 0; i < PT_UUID_BYTES; i++) {
        unsigned high = 0;
        unsigned low = 0;

        if (at == 8 || at == 13 || at == 18 || at == 23) {
            at++;
        }
        high = hex_value(text[at]);
        low = hex_value(text[at + 1]);
        bad |= high | low;
        uuid_out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return bad < 0x100;
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
