/*
 * json.c - reading JSON
 *
 * TAPE (simdjson's, doc/tape.md of that project). Word 0 is the root. The top byte of a word is
 * its kind, the low 56 bits its payload:
 *
 *     'r'          root; the value begins at word 1
 *     '{' '['      payload: low 32 bits the index behind the closing word, next 24 bits the count
 *     '}' ']'      payload: index of the opening word
 *     '"'          payload: where the string stands in the string buffer: u32 size, bytes, NUL
 *     'l' 'u' 'd'  the next word is an int64, uint64 or double
 *     't' 'f' 'n'
 *
 * In an object keys and values alternate.
 */
#include "base/json.h"

#include "base/json_tape.h"

enum pt_code pt_json_parse(struct pt_json_parser *parser, struct pt_span json,
                           struct pt_json *root_out, size_t *offset_out, struct pt_error *err)
{
    const char *reason = NULL;
    size_t offset = 0;
    enum pt_tape_result result = PT_TAPE_OK;

    *root_out = (struct pt_json){0};
    result = pt_json_tape_parse(parser, json.data, json.size, PT_JSON_DEPTH_MAX + 1,
                                &root_out->tape, &root_out->strings);
    switch (result) {
    case PT_TAPE_OK:
        root_out->at = 1;
        return PT_OK;
    case PT_TAPE_TOO_BIG:
        return pt_fail(err, PT_TOO_BIG, "JSON document of %zu bytes is over the limit", json.size);
    case PT_TAPE_NO_MEMORY:
        return pt_fail(err, PT_NO_MEMORY, "parse a JSON document of %zu bytes", json.size);
    case PT_TAPE_INVALID:
        break;
    }
    /* The parser does not tell where; the checker, slower, does. */
    if (pt_json_check(json, &offset, &reason)) {
        offset = 0;
        reason = "the parser refuses what the checker takes";
    }
    if (offset_out) {
        *offset_out = offset;
    }
    return pt_fail(err, PT_INVALID, "not JSON at byte %zu: %s", offset, reason);
}

const char *pt_json_type_name(enum pt_json_type type)
{
    switch (type) {
    case PT_JSON_NULL:
        return "null";
    case PT_JSON_BOOL:
        return "boolean";
    case PT_JSON_INT:
    case PT_JSON_UINT:
        return "integer";
    case PT_JSON_DOUBLE:
        return "number";
    case PT_JSON_STRING:
        return "string";
    case PT_JSON_ARRAY:
        return "array";
    case PT_JSON_OBJECT:
        return "object";
    }
    return "unknown";
}

struct pt_json pt_json_member_span(struct pt_json object, struct pt_span key)
{
    struct pt_json_iter it = pt_json_iterate(object);
    struct pt_json found = {0};

    pt_assert(it.is_object);
    while (pt_json_next(&it)) {
        if (pt_span_equal(it.key, key)) {
            found = it.value;
        }
    }
    return found;
}

struct pt_json pt_json_member(struct pt_json object, const char *key)
{
    return pt_json_member_span(object, pt_span_str(key));
}

struct pt_json pt_json_element(struct pt_json array, uint32_t index)
{
    struct pt_json_iter it = pt_json_iterate(array);

    pt_assert(!it.is_object);
    while (pt_json_next(&it)) {
        if (index-- == 0) {
            return it.value;
        }
    }
    return (struct pt_json){0};
}

bool pt_json_member_string(struct pt_json object, const char *key, struct pt_span *out)
{
    struct pt_json value = pt_json_member(object, key);

    if (!pt_json_exists(value) || pt_json_type(value) != PT_JSON_STRING) {
        return false;
    }
    *out = pt_json_string(value);
    return true;
}

bool pt_json_member_int(struct pt_json object, const char *key, int64_t *out)
{
    struct pt_json value = pt_json_member(object, key);

    if (!pt_json_exists(value) || pt_json_type(value) != PT_JSON_INT) {
        return false;
    }
    *out = pt_json_int(value);
    return true;
}

bool pt_json_member_double(struct pt_json object, const char *key, double *out)
{
    struct pt_json value = pt_json_member(object, key);

    if (!pt_json_exists(value) || !pt_json_is_number(value)) {
        return false;
    }
    *out = pt_json_double(value);
    return true;
}

bool pt_json_member_bool(struct pt_json object, const char *key, bool *out)
{
    struct pt_json value = pt_json_member(object, key);

    if (!pt_json_exists(value) || pt_json_type(value) != PT_JSON_BOOL) {
        return false;
    }
    *out = pt_json_bool(value);
    return true;
}
