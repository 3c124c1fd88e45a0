/*
 * regex_pcre2.c - PCRE2 behind ECMA-262's syntax
 *
 * TRANSLATION. What both dialects mean alike is passed on; what they read differently is written
 * out:
 * `.`, `\s`, `$`, `\cX`, `\uXXXX`, `[]`, `[^]`, long names in `\p{}`. What only PCRE2 has
 * (possessive counts, verbs, inline flags, `\A`, `\Z`, `\Q`) is refused, as ECMA-262 does.
 *
 * COST. PCRE2's match limit counts backtracking points, each of which may look over the whole text.
 * So a match runs with a small limit first and with one 16 times larger each time that it is not
 * enough, and each try costs steps in proportion to limit and text: what a schema and an event can
 * cause is bounded by the steps that the whole event has.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "schema/regex.h"

#include <pcre2.h>
#include <stdio.h>

#include "base/mem.h"
#include "schema/format.h"

#define TRANSLATED_BYTES_MAX ((size_t)PT_PATTERN_BYTES_MAX * 64)
#define LIMIT_FIRST 256u
#define LIMIT_LAST 16777216u
#define HEAP_KIB_MAX 20000u
#define JIT_STACK_BYTES_MAX ((size_t)512 << 10)

struct pt_regex {
    pcre2_code *code; /* NULL: linear */
    struct pt_linear linear;
};

struct pt_regex_space {
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_match_data *data;
    pcre2_jit_stack *stack; /* NULL without a JIT */
};

/* ---- translation ---- */

struct translator {
    struct pt_span in;
    size_t at;
    struct pt_buf *out;
    struct pt_error *err;
};

/* White space and line ends of ECMA-262, and all else, as the inside of a class. */
#define SPACES                                                                                     \
    "\\t-\\r\\x20\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}" \
    "\\x{feff}"
#define NO_SPACES                                                                                  \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"               \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

static const struct {
    const char *name; /* lower case */
    const char *category;
} categories[] = {
    {"other", "C"},
    {"control", "Cc"},
    {"cntrl", "Cc"},
    {"format", "Cf"},
    {"unassigned", "Cn"},
    {"private_use", "Co"},
    {"surrogate", "Cs"},
    {"letter", "L"},
    {"cased_letter", "L&"},
    {"lc", "L&"},
    {"lowercase_letter", "Ll"},
    {"modifier_letter", "Lm"},
    {"other_letter", "Lo"},
    {"titlecase_letter", "Lt"},
    {"uppercase_letter", "Lu"},
    {"mark", "M"},
    {"combining_mark", "M"},
    {"spacing_mark", "Mc"},
    {"enclosing_mark", "Me"},
    {"nonspacing_mark", "Mn"},
    {"number", "N"},
    {"decimal_number", "Nd"},
    {"digit", "Nd"},
    {"letter_number", "Nl"},
    {"other_number", "No"},
    {"punctuation", "P"},
    {"punct", "P"},
    {"connector_punctuation", "Pc"},
    {"dash_punctuation", "Pd"},
    {"close_punctuation", "Pe"},
    {"final_punctuation", "Pf"},
    {"initial_punctuation", "Pi"},
    {"other_punctuation", "Po"},
    {"open_punctuation", "Ps"},
    {"symbol", "S"},
    {"currency_symbol", "Sc"},
    {"modifier_symbol", "Sk"},
    {"math_symbol", "Sm"},
    {"other_symbol", "So"},
    {"separator", "Z"},
    {"line_separator", "Zl"},
    {"paragraph_separator", "Zp"},
    {"space_separator", "Zs"},
};

static bool refuse(struct translator *t, const char *why)
{
    (void)pt_fail(t->err, PT_INVALID, "at byte %zu: %s", t->at, why);
    return false;
}

static int peek(const struct translator *t, size_t ahead)
{
    return t->at + ahead < t->in.size ? t->in.data[t->at + ahead] : -1;
}

static void put(struct translator *t, const char *text)
{
    pt_buf_append_str(t->out, text);
}

static void put_point(struct translator *t, uint32_t c)
{
    pt_buf_appendf(t->out, "\\x{%x}", (unsigned)c);
}

static bool is_surrogate(uint32_t c)
{
    return c >= 0xd800 && c <= 0xdfff;
}

static bool take_hex(struct translator *t, unsigned digits, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < digits; i++, t->at++) {
        int c = peek(t, 0);
        int lower = c | 0x20;

        if (c >= '0' && c <= '9') {
            *out = *out << 4 | (uint32_t)(c - '0');
        } else if (c > 0 && lower >= 'a' && lower <= 'f') {
            *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return refuse(t, "a hexadecimal digit is missing in an escape");
        }
    }
    return true;
}

/* Behind "\u". */
static bool take_unicode(struct translator *t, uint32_t *out)
{
    uint32_t low = 0;
    size_t start = 0;

    if (peek(t, 0) == '{') {
        t->at++;
        *out = 0;
        start = t->at;
        while (peek(t, 0) != '}') {
            uint32_t digit = 0;

            if (!take_hex(t, 1, &digit)) {
                return false;
            }
            *out = *out << 4 | digit;
            if (*out > 0x10ffff) {
                return refuse(t, "a \\u{} escape is beyond U+10FFFF");
            }
        }
        t->at++;
        return t->at - start > 1 || refuse(t, "a \\u{} escape is empty");
    }
    if (!take_hex(t, 4, out)) {
        return false;
    }
    if (*out >= 0xd800 && *out <= 0xdbff && peek(t, 0) == '\\' && peek(t, 1) == 'u' &&
        peek(t, 2) != '{') {
        size_t back = t->at;

        t->at += 2;
        if (!take_hex(t, 4, &low)) {
            return false;
        }
        if (low >= 0xdc00 && low <= 0xdfff) {
            *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
        } else {
            t->at = back;
        }
    }
    return true;
}

static bool is_name_char(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Behind "\p" or "\P". */
static bool take_property(struct translator *t, bool is_negated)
{
    char name[64];
    size_t bytes = 0;
    const char *value = name;
    const char *kind = "";

    if (peek(t, 0) != '{') {
        return refuse(t, "\\p needs a name in braces");
    }
    t->at++;
    while (is_name_char(peek(t, 0)) || peek(t, 0) == '=') {
        if (bytes + 1 == sizeof(name)) {
            return refuse(t, "the name in \\p{} is too long");
        }
        name[bytes++] = (char)t->in.data[t->at++];
    }
    name[bytes] = '\0';
    if (peek(t, 0) != '}' || bytes == 0) {
        return refuse(t, "the name in \\p{} is not one");
    }
    t->at++;
    if (strchr(name, '=')) {
        size_t key = strcspn(name, "=");

        value = name + key + 1;
        name[key] = '\0';
        if (strcmp(name, "Script") == 0 || strcmp(name, "sc") == 0) {
            kind = "sc:";
        } else if (strcmp(name, "Script_Extensions") == 0 || strcmp(name, "scx") == 0) {
            kind = "scx:";
        } else if (strcmp(name, "General_Category") != 0 && strcmp(name, "gc") != 0) {
            return refuse(t, "\\p{name=value} takes General_Category, Script and "
                             "Script_Extensions");
        }
    }
    if (kind[0] == '\0') {
        char lower[64];

        for (size_t i = 0; i == 0 || value[i - 1]; i++) {
            lower[i] = (char)(value[i] >= 'A' && value[i] <= 'Z' ? value[i] | 0x20 : value[i]);
        }
        if (strcmp(lower, "assigned") == 0) {
            is_negated = !is_negated;
            value = "Cn";
        }
        for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++) {
            if (strcmp(lower, categories[i].name) == 0) {
                value = categories[i].category;
            }
        }
    }
    pt_buf_appendf(t->out, "\\%c{%s%s}", is_negated ? 'P' : 'p', kind, value);
    return true;
}

enum escape {
    ESCAPE_REFUSED,
    ESCAPE_POINT, /* a character: in *point */
    ESCAPE_SET,   /* a set of characters: written */
    ESCAPE_OTHER, /* an assertion or a reference: written */
};

/* One escape, the backslash taken. */
static enum escape take_escape(struct translator *t, bool in_class, uint32_t *point)
{
    int c = peek(t, 0);

    if (c < 0) {
        refuse(t, "a backslash at the end");
        return ESCAPE_REFUSED;
    }
    if (c >= 0x80) {
        *point = pt_utf8_next(t->in, &t->at);
        return ESCAPE_POINT;
    }
    t->at++;
    switch (c) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
        pt_buf_appendf(t->out, "\\%c", c);
        return ESCAPE_SET;
    case 's':
        put(t, in_class ? SPACES : "[" SPACES "]");
        return ESCAPE_SET;
    case 'S':
        put(t, in_class ? NO_SPACES : "[" NO_SPACES "]");
        return ESCAPE_SET;
    case 'p':
    case 'P':
        return take_property(t, c == 'P') ? ESCAPE_SET : ESCAPE_REFUSED;
    case 't':
        *point = '\t';
        return ESCAPE_POINT;
    case 'n':
        *point = '\n';
        return ESCAPE_POINT;
    case 'v':
        *point = '\v';
        return ESCAPE_POINT;
    case 'f':
        *point = '\f';
        return ESCAPE_POINT;
    case 'r':
        *point = '\r';
        return ESCAPE_POINT;
    case 'c':
        c = peek(t, 0);
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
            refuse(t, "\\c needs a letter");
            return ESCAPE_REFUSED;
        }
        t->at++;
        *point = (uint32_t)c & 31;
        return ESCAPE_POINT;
    case 'x':
        return take_hex(t, 2, point) ? ESCAPE_POINT : ESCAPE_REFUSED;
    case 'u':
        return take_unicode(t, point) ? ESCAPE_POINT : ESCAPE_REFUSED;
    case '0':
        if (peek(t, 0) >= '0' && peek(t, 0) <= '9') {
            refuse(t, "octal escapes are not taken");
            return ESCAPE_REFUSED;
        }
        *point = 0;
        return ESCAPE_POINT;
    case 'b':
        if (in_class) {
            *point = 8;
            return ESCAPE_POINT;
        }
        put(t, "\\b");
        return ESCAPE_OTHER;
    case 'B':
        if (in_class) {
            break;
        }
        put(t, "\\B");
        return ESCAPE_OTHER;
    case 'k':
        if (in_class || peek(t, 0) != '<') {
            break;
        }
        put(t, "\\k<");
        for (t->at++; is_name_char(peek(t, 0)); t->at++) {
            pt_buf_append_byte(t->out, t->in.data[t->at]);
        }
        if (peek(t, 0) != '>') {
            break;
        }
        t->at++;
        put(t, ">");
        return ESCAPE_SET;
    default:
        if (c >= '1' && c <= '9' && !in_class) {
            unsigned group = (unsigned)(c - '0');

            while (peek(t, 0) >= '0' && peek(t, 0) <= '9' && group < 10000) {
                group = group * 10 + (unsigned)(t->in.data[t->at++] - '0');
            }
            pt_buf_appendf(t->out, "\\g{%u}", group);
            return ESCAPE_SET;
        }
        if (!is_name_char(c) || c == '_') {
            *point = (uint32_t)c;
            return ESCAPE_POINT;
        }
        break;
    }
    refuse(t, "an escape that ECMA-262 does not have");
    return ESCAPE_REFUSED;
}

/* A range of code points in a class; half a surrogate pair never stands in text. */
static void put_range(struct translator *t, uint32_t first, uint32_t last)
{
    if (is_surrogate(first)) {
        first = 0xe000;
    }
    if (is_surrogate(last)) {
        last = 0xd7ff;
    }
    if (first > last) {
        return;
    }
    put_point(t, first);
    if (last != first) {
        put(t, "-");
        put_point(t, last);
    }
}

static enum escape take_class_atom(struct translator *t, uint32_t *point)
{
    if (peek(t, 0) == '\\') {
        t->at++;
        return take_escape(t, true, point);
    }
    *point = pt_utf8_next(t->in, &t->at);
    return ESCAPE_POINT;
}

/* Behind '['. */
static bool take_class(struct translator *t)
{
    bool is_negated = peek(t, 0) == '^';
    size_t start = t->out->size;
    size_t inside = 0;

    t->at += is_negated;
    put(t, is_negated ? "[^" : "[");
    inside = t->out->size;
    for (;;) {
        uint32_t first = 0;
        uint32_t last = 0;
        enum escape kind = ESCAPE_REFUSED;

        if (peek(t, 0) < 0) {
            return refuse(t, "a class is not closed");
        }
        if (peek(t, 0) == ']') {
            t->at++;
            break;
        }
        kind = take_class_atom(t, &first);
        if (kind == ESCAPE_REFUSED) {
            return false;
        }
        if (peek(t, 0) != '-' || peek(t, 1) == ']' || peek(t, 1) < 0) {
            if (kind == ESCAPE_POINT) {
                put_range(t, first, first);
            }
            continue;
        }
        t->at++;
        if (kind == ESCAPE_SET) {
            put_range(t, '-', '-');
            continue;
        }
        kind = take_class_atom(t, &last);
        if (kind == ESCAPE_REFUSED) {
            return false;
        }
        if (kind == ESCAPE_SET) {
            put_range(t, first, first);
            put_range(t, '-', '-');
            continue;
        }
        if (last < first) {
            return refuse(t, "a range in a class runs backwards");
        }
        put_range(t, first, last);
    }
    if (t->out->size == inside && !t->out->has_failed) {
        t->out->size = start;
        put(t, is_negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
        return true;
    }
    put(t, "]");
    return true;
}

/* Behind '('; writes its opening. */
static bool take_group(struct translator *t)
{
    if (peek(t, 0) == '*') {
        return refuse(t, "a count without anything to count");
    }
    if (peek(t, 0) != '?') {
        put(t, "(");
        return true;
    }
    t->at++;
    switch (peek(t, 0)) {
    case ':':
    case '=':
    case '!':
        pt_buf_appendf(t->out, "(?%c", peek(t, 0));
        t->at++;
        return true;
    case '<':
        t->at++;
        if (peek(t, 0) == '=' || peek(t, 0) == '!') {
            pt_buf_appendf(t->out, "(?<%c", peek(t, 0));
            t->at++;
            return true;
        }
        put(t, "(?<");
        while (is_name_char(peek(t, 0))) {
            pt_buf_append_byte(t->out, t->in.data[t->at++]);
        }
        if (peek(t, 0) != '>') {
            return refuse(t, "a group's name is not closed");
        }
        t->at++;
        put(t, ">");
        return true;
    default:
        return refuse(t, "a kind of group that ECMA-262 does not have");
    }
}

/* Length of the count {n}, {n,} or {n,m} at t->at, or 0. */
static size_t braces_bytes(const struct translator *t)
{
    size_t i = 1;
    size_t digits = 0;

    while (peek(t, i) >= '0' && peek(t, i) <= '9') {
        i++;
        digits++;
    }
    if (digits == 0) {
        return 0;
    }
    if (peek(t, i) == ',') {
        i++;
        while (peek(t, i) >= '0' && peek(t, i) <= '9') {
            i++;
        }
    }
    return peek(t, i) == '}' ? i + 1 : 0;
}

static bool take_quantifier(struct translator *t, size_t bytes, bool can_count)
{
    if (!can_count) {
        return refuse(t, "a count without anything to count");
    }
    pt_buf_append(t->out, t->in.data + t->at, bytes);
    t->at += bytes;
    if (peek(t, 0) == '?') {
        put(t, "?");
        t->at++;
    }
    return true;
}

static bool translate(struct translator *t)
{
    bool can_count = false;
    uint32_t point = 0;

    while (t->at < t->in.size) {
        int c = peek(t, 0);
        size_t braces = c == '{' ? braces_bytes(t) : 0;

        if (c == '*' || c == '+' || c == '?' || braces > 0) {
            if (!take_quantifier(t, braces > 0 ? braces : 1, can_count)) {
                return false;
            }
            can_count = false;
            continue;
        }
        if (c == '\\') {
            enum escape kind = ESCAPE_REFUSED;

            t->at++;
            kind = take_escape(t, false, &point);
            if (kind == ESCAPE_REFUSED) {
                return false;
            }
            can_count = kind != ESCAPE_OTHER;
            if (kind == ESCAPE_POINT && is_surrogate(point)) {
                put(t, "(?!)");
            } else if (kind == ESCAPE_POINT) {
                put_point(t, point);
            }
            continue;
        }
        can_count = true;
        point = pt_utf8_next(t->in, &t->at);
        switch (point) {
        case '[':
            if (!take_class(t)) {
                return false;
            }
            break;
        case '(':
            if (!take_group(t)) {
                return false;
            }
            can_count = false;
            break;
        case ')':
            put(t, ")");
            break;
        case '|':
        case '^':
        case '$':
            pt_buf_append_byte(t->out, (uint8_t)point);
            can_count = false;
            break;
        case '.':
            put(t, "[^\\n\\r\\x{2028}\\x{2029}]");
            break;
        default:
            put_point(t, point);
            break;
        }
    }
    return true;
}

/* ---- PCRE2 ---- */

static void *allocate(size_t bytes, void *ctx)
{
    (void)ctx;
    return pt_alloc(bytes);
}

static void release(void *memory, void *ctx)
{
    (void)ctx;
    pt_free(memory);
}

static enum pt_code compile_general(struct pt_regex *regex, struct pt_span pattern,
                                    struct pt_error *err)
{
    struct pt_buf text;
    struct translator t = {.in = pattern, .out = &text, .err = err};
    pcre2_general_context *general = NULL;
    pcre2_compile_context *context = NULL;
    int error = 0;
    size_t offset = 0;
    enum pt_code code = PT_OK;

    pt_buf_init(&text, TRANSLATED_BYTES_MAX);
    if (!translate(&t)) {
        code = PT_INVALID;
        goto out;
    }
    if (text.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the pattern");
        goto out;
    }
    general = pcre2_general_context_create(allocate, release, NULL);
    context = general ? pcre2_compile_context_create(general) : NULL;
    if (!context) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the pattern");
        goto out;
    }
    regex->code = pcre2_compile(text.data ? text.data : (const uint8_t *)"", text.size,
                                PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY |
                                    PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C |
                                    PCRE2_ALLOW_EMPTY_CLASS,
                                &error, &offset, context);
    if (!regex->code) {
        uint8_t reason[128];

        pcre2_get_error_message(error, reason, sizeof(reason));
        code = pt_fail(err, error == PCRE2_ERROR_HEAP_FAILED ? PT_NO_MEMORY : PT_INVALID, "%s",
                       (const char *)reason);
        goto out;
    }
    /* Without a JIT the interpreter does the same, slower. */
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);

out:
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    pt_buf_release(&text);
    return code;
}

enum pt_code pt_regex_compile(struct pt_regex **regex_out, struct pt_span pattern,
                              struct pt_error *err)
{
    struct pt_regex *regex = NULL;
    enum pt_code code = PT_OK;

    *regex_out = NULL;
    if (pattern.size > PT_PATTERN_BYTES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "a pattern has at most %d bytes", PT_PATTERN_BYTES_MAX);
    }
    regex = pt_alloc_zero(sizeof(*regex));
    if (!regex) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the pattern");
    }
    if (!pt_linear_compile(&regex->linear, pattern)) {
        code = compile_general(regex, pattern, err);
    }
    if (code) {
        pt_regex_destroy(regex);
        return code;
    }
    *regex_out = regex;
    return PT_OK;
}

void pt_regex_destroy(struct pt_regex *regex)
{
    if (regex) {
        pcre2_code_free(regex->code);
        pt_free(regex);
    }
}

bool pt_regex_check(struct pt_span pattern)
{
    struct pt_regex *regex = NULL;
    bool is_sound = pt_regex_compile(&regex, pattern, NULL) == PT_OK;

    pt_regex_destroy(regex);
    return is_sound;
}

struct pt_regex_space *pt_regex_space_create(void)
{
    struct pt_regex_space *space = pt_alloc_zero(sizeof(*space));

    if (!space) {
        return NULL;
    }
    space->general = pcre2_general_context_create(allocate, release, NULL);
    if (space->general) {
        space->match = pcre2_match_context_create(space->general);
        space->data = pcre2_match_data_create(1, space->general);
    }
    if (!space->match || !space->data) {
        pt_regex_space_destroy(space);
        return NULL;
    }
    pcre2_set_heap_limit(space->match, HEAP_KIB_MAX);
    /* Compiled code has 32 KiB of the thread's stack otherwise; without memory it stays at that. */
    space->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_BYTES_MAX, space->general);
    if (space->stack) {
        pcre2_jit_stack_assign(space->match, NULL, space->stack);
    }
    return space;
}

void pt_regex_space_destroy(struct pt_regex_space *space)
{
    if (space) {
        pcre2_jit_stack_free(space->stack);
        pcre2_match_data_free(space->data);
        pcre2_match_context_free(space->match);
        pcre2_general_context_free(space->general);
        pt_free(space);
    }
}

enum pt_match pt_regex_match(const struct pt_regex *regex, struct pt_span text,
                             struct pt_regex_space *space, uint64_t *steps)
{
    if (!regex->code) {
        uint64_t cost = 1 + text.size / 16;

        if (*steps < cost) {
            return PT_MATCH_TOO_COMPLEX;
        }
        *steps -= cost;
        return pt_linear_match(&regex->linear, text) ? PT_MATCH_YES : PT_MATCH_NO;
    }
    for (uint32_t limit = LIMIT_FIRST; limit <= LIMIT_LAST; limit *= 16) {
        uint64_t cost = (uint64_t)limit * (1 + text.size / 64) / 8;
        int result = 0;

        if (*steps < cost) {
            return PT_MATCH_TOO_COMPLEX;
        }
        *steps -= cost;
        pcre2_set_match_limit(space->match, limit);
        result = pcre2_match(regex->code, text.data ? text.data : (const uint8_t *)"", text.size, 0,
                             PCRE2_NO_UTF_CHECK, space->data, space->match);
        if (result >= 0) {
            return PT_MATCH_YES;
        }
        if (result == PCRE2_ERROR_NOMATCH) {
            return PT_MATCH_NO;
        }
        if (result != PCRE2_ERROR_MATCHLIMIT) {
            return PT_MATCH_TOO_COMPLEX;
        }
    }
    return PT_MATCH_TOO_COMPLEX;
}
