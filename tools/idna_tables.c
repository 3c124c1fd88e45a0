/*
 * idna_tables.c - writes src/schema/idna_table.h from ICU's Unicode data
 *
 * Not part of the build. By hand, when a new Unicode version is wanted:
 *
 *     cc tools/idna_tables.c -licuuc -o /tmp/idna_tables
 *     /tmp/idna_tables | clang-format >src/schema/idna_table.h
 *
 * PVALID is derived as RFC 5892 section 2 has it; the context rules of its appendix A are code in
 * src/schema/format_idna.c.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

static bool is_in(UChar32 c, const UChar32 *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == c) {
            return true;
        }
    }
    return false;
}

static bool is_pvalid(UChar32 c)
{
    static const UChar32 taken[] = {0xdf, 0x3c2, 0x6fd, 0x6fe, 0xf0b, 0x3007};
    static const UChar32 refused[] = {0x640,  0x7fa,  0x302e, 0x302f, 0x3031,
                                      0x3032, 0x3033, 0x3034, 0x3035, 0x303b};
    int8_t type = u_charType(c);
    int block = ublock_getCode(c);
    int jamo = u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE);

    if (is_in(c, taken, 6)) {
        return true;
    }
    if (is_in(c, refused, 10) || type == U_UNASSIGNED) {
        return false;
    }
    if (c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) {
        return true;
    }
    if (jamo == U_HST_LEADING_JAMO || jamo == U_HST_VOWEL_JAMO || jamo == U_HST_TRAILING_JAMO) {
        return false;
    }
    if (u_hasBinaryProperty(c, UCHAR_CHANGES_WHEN_NFKC_CASEFOLDED) ||
        u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ||
        u_hasBinaryProperty(c, UCHAR_WHITE_SPACE) ||
        u_hasBinaryProperty(c, UCHAR_NONCHARACTER_CODE_POINT)) {
        return false;
    }
    if (block == UBLOCK_COMBINING_MARKS_FOR_SYMBOLS || block == UBLOCK_MUSICAL_SYMBOLS ||
        block == UBLOCK_ANCIENT_GREEK_MUSICAL_NOTATION) {
        return false;
    }
    return type == U_LOWERCASE_LETTER || type == U_UPPERCASE_LETTER || type == U_OTHER_LETTER ||
           type == U_DECIMAL_DIGIT_NUMBER || type == U_MODIFIER_LETTER ||
           type == U_NON_SPACING_MARK || type == U_COMBINING_SPACING_MARK;
}

static unsigned bits_of(UChar32 c)
{
    unsigned bits = is_pvalid(c) ? 1 : 0;
    int8_t type = u_charType(c);

    if (type == U_UNASSIGNED) {
        return 0;
    }
    if (type == U_NON_SPACING_MARK || type == U_COMBINING_SPACING_MARK ||
        type == U_ENCLOSING_MARK) {
        bits |= 2;
    }
    if (u_getCombiningClass(c) == 9) {
        bits |= 4;
    }
    switch (u_getIntPropertyValue(c, UCHAR_JOINING_TYPE)) {
    case U_JT_DUAL_JOINING:
        bits |= 1 << 3;
        break;
    case U_JT_LEFT_JOINING:
        bits |= 2 << 3;
        break;
    case U_JT_RIGHT_JOINING:
        bits |= 3 << 3;
        break;
    case U_JT_TRANSPARENT:
        bits |= 4 << 3;
        break;
    default:
        break;
    }
    switch (u_charDirection(c)) {
    case U_LEFT_TO_RIGHT:
        bits |= 1 << 6;
        break;
    case U_RIGHT_TO_LEFT:
    case U_RIGHT_TO_LEFT_ARABIC:
        bits |= 2 << 6;
        break;
    case U_ARABIC_NUMBER:
        bits |= 3 << 6;
        break;
    case U_EUROPEAN_NUMBER:
        bits |= 4 << 6;
        break;
    case U_DIR_NON_SPACING_MARK:
        bits |= 5 << 6;
        break;
    case U_EUROPEAN_NUMBER_SEPARATOR:
    case U_COMMON_NUMBER_SEPARATOR:
    case U_EUROPEAN_NUMBER_TERMINATOR:
    case U_OTHER_NEUTRAL:
    case U_BOUNDARY_NEUTRAL:
        bits |= 6 << 6;
        break;
    default:
        break;
    }
    switch (u_getIntPropertyValue(c, UCHAR_SCRIPT)) {
    case USCRIPT_GREEK:
        bits |= 1 << 9;
        break;
    case USCRIPT_HEBREW:
        bits |= 2 << 9;
        break;
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HAN:
        bits |= 3 << 9;
        break;
    default:
        break;
    }
    /* What cannot stand in a label only needs its context: marks, viramas, joiners, scripts. */
    return bits;
}

int main(void)
{
    UChar32 first = 0;
    unsigned before = bits_of(0);
    unsigned column = 0;

    printf(
        "/*\n * idna_table.h - Unicode %s as IDNA2008 sees it; written by tools/idna_tables.c\n *\n"
        " * Ranges that are not named have no property and stand in no label.\n */\n"
        "#ifndef PT_SCHEMA_IDNA_TABLE_H\n#define PT_SCHEMA_IDNA_TABLE_H\n\n"
        "#include <stdint.h>\n\n/* first, last, bits (format_idna.c) */\n"
        "static const struct {\n    uint32_t first;\n    uint32_t last;\n    uint32_t bits;\n"
        "} idna_ranges[] = {",
        U_UNICODE_VERSION);
    for (UChar32 c = 1; c <= 0x110000; c++) {
        unsigned bits = c == 0x110000 ? ~0u : bits_of(c);

        if (bits == before) {
            continue;
        }
        if (before & 0xe3f) {
            printf("%s{0x%x, 0x%x, %u},", column++ % 4 ? " " : "\n    ", (unsigned)first,
                   (unsigned)c - 1, before);
        }
        first = c;
        before = bits;
    }
    printf("\n};\n\n#endif\n");
    return 0;
}
