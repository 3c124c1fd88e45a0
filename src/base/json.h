/*
 * json.h - reading JSON, and writing it
 *
 * READING. A parser holds the tape of one document (simdjson's, see
 * json_simdjson.cc); struct pt_json is a place on it. Values and strings are
 * borrowed from the parser and live until its next parse. One thread a parser.
 * Strings are unescaped UTF-8, may hold NUL bytes, and are checked UTF-8.
 * A number that does not fit int64, uint64 or double is a parse error.
 *
 * WRITING. Functions append to a pt_buf; pt_jsonw keeps commas and nesting right.
 */
#ifndef PT_BASE_JSON_H
#define PT_BASE_JSON_H

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

/* Readable bytes that must follow the input of pt_json_parse(). */
#define PT_JSON_PADDING 64
/* Readable bytes behind each string that the parser gives. */
#define PT_JSON_STRING_SLACK 16
/* Nesting deeper than this is refused (an empty array or object does not count as a level). */
#define PT_JSON_DEPTH_MAX 64

enum pt_json_type {
    PT_JSON_NULL,
    PT_JSON_BOOL,
    PT_JSON_INT,    /* fits int64_t */
    PT_JSON_UINT,   /* above INT64_MAX, fits uint64_t */
    PT_JSON_DOUBLE, /* written with a fraction or an exponent */
    PT_JSON_STRING,
    PT_JSON_ARRAY,
    PT_JSON_OBJECT,
};

struct pt_json_parser;

struct pt_json {
    const uint64_t *tape;   /* the document's tape; NULL in a value that is absent */
    const uint8_t *strings; /* its strings */
    uint32_t at;            /* index of the value on the tape */
};

/* NULL without memory. `document_bytes_max` bounds what it parses. */
struct pt_json_parser *pt_json_parser_create(size_t document_bytes_max) PT_MUST_USE;
void pt_json_parser_destroy(struct pt_json_parser *parser);

/*
 * Parse one document. `json.data` must be followed by PT_JSON_PADDING readable bytes
 * (their values do not matter). PT_INVALID tells the byte offset and the reason in `err`
 * and, where `offset_out` is not NULL, the offset there; PT_TOO_BIG, PT_NO_MEMORY.
 */
enum pt_code pt_json_parse(struct pt_json_parser *parser, struct pt_span json,
                           struct pt_json *root_out, size_t *offset_out,
                           struct pt_error *err) PT_MUST_USE;

/*
 * The accessors below are inline because the collector calls them some fifty times an event; the
 * tape's layout stands atop json.c.
 */
static inline enum pt_json_type pt_json_type(struct pt_json value)
{
    switch ((char)(value.tape[value.at] >> 56)) {
    case 't':
    case 'f':
        return PT_JSON_BOOL;
    case 'l':
        return PT_JSON_INT;
    case 'u':
        return PT_JSON_UINT;
    case 'd':
        return PT_JSON_DOUBLE;
    case '"':
        return PT_JSON_STRING;
    case '[':
        return PT_JSON_ARRAY;
    case '{':
        return PT_JSON_OBJECT;
    default:
        return PT_JSON_NULL;
    }
}

const char *pt_json_type_name(enum pt_json_type type); /* "null", "boolean", "integer", … */
static inline bool pt_json_exists(struct pt_json value)
{
    return value.tape != NULL;
}

/* The caller has looked at the type; the wrong one is our bug (pt_assert). */
static inline bool pt_json_bool(struct pt_json value)
{
    pt_assert(pt_json_type(value) == PT_JSON_BOOL);
    return (char)(value.tape[value.at] >> 56) == 't';
}

static inline int64_t pt_json_int(struct pt_json value)
{
    pt_assert(pt_json_type(value) == PT_JSON_INT);
    return (int64_t)value.tape[value.at + 1];
}

/* PT_JSON_UINT, or PT_JSON_INT that is >= 0. */
static inline uint64_t pt_json_uint(struct pt_json value)
{
    pt_assert(pt_json_type(value) == PT_JSON_UINT ||
              (pt_json_type(value) == PT_JSON_INT && (int64_t)value.tape[value.at + 1] >= 0));
    return value.tape[value.at + 1];
}

/* Any of the three number types. */
static inline double pt_json_double(struct pt_json value)
{
    uint64_t word = value.tape[value.at + 1];
    enum pt_json_type type = pt_json_type(value);
    double number = 0;

    if (type == PT_JSON_INT) {
        return (double)(int64_t)word;
    }
    if (type == PT_JSON_UINT) {
        return (double)word;
    }
    pt_assert(type == PT_JSON_DOUBLE);
    memcpy(&number, &word, sizeof(number));
    return number;
}

static inline struct pt_span pt_json_string(struct pt_json value)
{
    uint64_t word = value.tape[value.at];
    const uint8_t *at = value.strings + (word & UINT64_C(0xffffffffffffff));
    uint32_t size = 0;

    pt_assert((char)(word >> 56) == '"');
    memcpy(&size, at, sizeof(size));
    return pt_span_of(at + sizeof(size), size);
}
static inline bool pt_json_is_number(struct pt_json value)
{
    enum pt_json_type type = pt_json_type(value);
    return type == PT_JSON_INT || type == PT_JSON_UINT || type == PT_JSON_DOUBLE;
}

/* Members or elements; counting stops at 2^24-1 (the tape's own limit). */
static inline uint32_t pt_json_count(struct pt_json container)
{
    uint64_t word = container.tape[container.at];

    pt_assert((char)(word >> 56) == '{' || (char)(word >> 56) == '[');
    return (uint32_t)(word >> 32) & 0xffffffu;
}

/*
 * Iterate an array or object:
 *     struct pt_json_iter it = pt_json_iterate(value);
 *     while (pt_json_next(&it)) { … it.key (objects) … it.value … }
 */
struct pt_json_iter {
    struct pt_json value;
    struct pt_span key; /* objects only */
    uint32_t next;      /* private */
    uint32_t end;       /* private */
    bool is_object;     /* private */
};
static inline struct pt_json_iter pt_json_iterate(struct pt_json container)
{
    uint64_t word = container.tape[container.at];
    char kind = (char)(word >> 56);

    pt_assert(kind == '{' || kind == '[');
    return (struct pt_json_iter){
        .value = container,
        .next = container.at + 1,
        .end = (uint32_t)word - 1,
        .is_object = kind == '{',
    };
}

static inline bool pt_json_next(struct pt_json_iter *it)
{
    const uint64_t *tape = it->value.tape;
    char kind = 0;

    if (it->next >= it->end) {
        return false;
    }
    if (it->is_object) {
        it->value.at = it->next++;
        it->key = pt_json_string(it->value);
    }
    it->value.at = it->next;
    kind = (char)(tape[it->next] >> 56);
    if (kind == '{' || kind == '[') {
        it->next = (uint32_t)tape[it->next];
    } else {
        it->next += kind == 'l' || kind == 'u' || kind == 'd' ? 2 : 1;
    }
    return true;
}

/* Member by key (the last of equal keys, as JavaScript has it) or an absent value. */
struct pt_json pt_json_member(struct pt_json object, const char *key);
struct pt_json pt_json_member_span(struct pt_json object, struct pt_span key);
/* Element by index or an absent value; walks, so O(index). */
struct pt_json pt_json_element(struct pt_json array, uint32_t index);

/* Convenience over members: false, and nothing written, where absent or of another type. */
bool pt_json_member_string(struct pt_json object, const char *key, struct pt_span *out);
bool pt_json_member_int(struct pt_json object, const char *key, int64_t *out);
bool pt_json_member_double(struct pt_json object, const char *key, double *out);
bool pt_json_member_bool(struct pt_json object, const char *key, bool *out);

/*
 * Offset of the first byte at which `json` is not a JSON document (strict RFC 8259, valid
 * UTF-8, depth limit), its size where it ends too early; `reason_out` is static text.
 * True where the document is sound. Slow path: pt_json_parse() asks it for the offset.
 */
bool pt_json_check(struct pt_span json, size_t *offset_out, const char **reason_out);

/* ---- writing ---- */

struct pt_jsonw {
    struct pt_buf *buf; /* borrowed; errors stick in it */
    uint32_t depth;
    bool needs_comma;
};

void pt_jsonw_init(struct pt_jsonw *w, struct pt_buf *buf);
void pt_jsonw_object(struct pt_jsonw *w);
void pt_jsonw_object_end(struct pt_jsonw *w);
void pt_jsonw_array(struct pt_jsonw *w);
void pt_jsonw_array_end(struct pt_jsonw *w);
void pt_jsonw_key(struct pt_jsonw *w, const char *key);
void pt_jsonw_key_span(struct pt_jsonw *w, struct pt_span key);
void pt_jsonw_string(struct pt_jsonw *w, struct pt_span text); /* invalid UTF-8 becomes U+FFFD */
void pt_jsonw_str(struct pt_jsonw *w, const char *text);
/*
 * As pt_jsonw_string(), for a string of a parser (pt_json_string()) alone: it is known to be UTF-8,
 * and PT_JSON_STRING_SLACK bytes behind it can be read.
 */
void pt_jsonw_parsed(struct pt_jsonw *w, struct pt_span text);
void pt_jsonw_int(struct pt_jsonw *w, int64_t value);
void pt_jsonw_uint(struct pt_jsonw *w, uint64_t value);
void pt_jsonw_double(struct pt_jsonw *w,
                     double value); /* shortest that reads back; NaN, inf: null */
void pt_jsonw_bool(struct pt_jsonw *w, bool value);
void pt_jsonw_null(struct pt_jsonw *w);
void pt_jsonw_raw(struct pt_jsonw *w, struct pt_span json);    /* already JSON */
void pt_jsonw_value(struct pt_jsonw *w, struct pt_json value); /* copy, minified */

/* A key and its value. */
static inline void pt_jsonw_member_str(struct pt_jsonw *w, const char *key, const char *text)
{
    pt_jsonw_key(w, key);
    pt_jsonw_str(w, text);
}

static inline void pt_jsonw_member_int(struct pt_jsonw *w, const char *key, int64_t value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_int(w, value);
}

static inline void pt_jsonw_member_uint(struct pt_jsonw *w, const char *key, uint64_t value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_uint(w, value);
}

static inline void pt_jsonw_member_double(struct pt_jsonw *w, const char *key, double value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_double(w, value);
}

static inline void pt_jsonw_member_bool(struct pt_jsonw *w, const char *key, bool value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_bool(w, value);
}

/* Shortest decimal that reads back as `value`; at least 32 bytes of room; returns the length. */
size_t pt_double_format(char *text, double value);

#endif
