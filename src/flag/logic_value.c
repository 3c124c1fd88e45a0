/*
 * logic_value.c - values of JSONLogic: JavaScript's conversions and comparisons
 */
#include "flag/logic.h"

#include <math.h>
#include <stdlib.h>

/* Longer texts are no numbers to us; JavaScript would read their digits. */
#define NUMBER_BYTES_MAX 400u
/* Texts made only to be compared: a longer one is cut. */
#define TEXT_BYTES_MAX (1u << 20)

struct pt_logic_value pt_logic_null(void)
{
    return (struct pt_logic_value){.kind = PT_LOGIC_NULL};
}

struct pt_logic_value pt_logic_bool(bool boolean)
{
    return (struct pt_logic_value){.kind = PT_LOGIC_BOOL, .boolean = boolean};
}

struct pt_logic_value pt_logic_number(double number)
{
    return (struct pt_logic_value){.kind = PT_LOGIC_NUMBER, .number = number};
}

struct pt_logic_value pt_logic_text(struct pt_span text)
{
    return (struct pt_logic_value){.kind = PT_LOGIC_STRING, .text = text};
}

struct pt_logic_value pt_logic_of_json(struct pt_json json)
{
    if (!pt_json_exists(json)) {
        return pt_logic_null();
    }
    switch (pt_json_type(json)) {
    case PT_JSON_NULL:
        return pt_logic_null();
    case PT_JSON_BOOL:
        return pt_logic_bool(pt_json_bool(json));
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        return pt_logic_number(pt_json_double(json));
    case PT_JSON_STRING:
        return pt_logic_text(pt_json_string(json));
    case PT_JSON_ARRAY:
    case PT_JSON_OBJECT:
        break;
    }
    return (struct pt_logic_value){.kind = PT_LOGIC_JSON, .json = json};
}

bool pt_logic_is_array(const struct pt_logic_value *value)
{
    return value->kind == PT_LOGIC_ARRAY ||
           (value->kind == PT_LOGIC_JSON && pt_json_type(value->json) == PT_JSON_ARRAY);
}

uint32_t pt_logic_count(const struct pt_logic_value *array)
{
    return array->kind == PT_LOGIC_JSON ? pt_json_count(array->json) : array->count;
}

bool pt_logic_items(struct pt_arena *arena, const struct pt_logic_value *array,
                    const struct pt_logic_value **items_out)
{
    struct pt_logic_value *items = NULL;
    uint32_t count = pt_logic_count(array);

    if (array->kind == PT_LOGIC_ARRAY) {
        *items_out = array->items;
        return true;
    }
    items = pt_arena_alloc(arena, ((size_t)count + 1) * sizeof(*items));
    if (!items) {
        return false;
    }
    count = 0;
    for (struct pt_json_iter it = pt_json_iterate(array->json); pt_json_next(&it);) {
        items[count++] = pt_logic_of_json(it.value);
    }
    *items_out = items;
    return true;
}

static bool read_index(struct pt_span digits, uint32_t *index_out)
{
    uint32_t index = 0;

    if (digits.size == 0 || digits.size > 7) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        index = index * 10 + (uint32_t)(digits.data[i] - '0');
    }
    *index_out = index;
    return true;
}

static struct pt_logic_value json_member(struct pt_json json, struct pt_span key)
{
    uint32_t index = 0;

    if (pt_json_type(json) != PT_JSON_ARRAY) {
        return pt_logic_of_json(pt_json_member_span(json, key));
    }
    return pt_logic_of_json(read_index(key, &index) ? pt_json_element(json, index)
                                                    : (struct pt_json){0});
}

struct pt_logic_value pt_logic_member(const struct pt_logic_value *value, struct pt_span key)
{
    uint32_t index = 0;

    switch (value->kind) {
    case PT_LOGIC_JSON:
        return json_member(value->json, key);
    case PT_LOGIC_OBJECT:
        for (uint32_t i = value->count; i-- > 0;) {
            if (pt_span_equal(value->keys[i], key)) {
                return value->items[i];
            }
        }
        return pt_logic_null();
    case PT_LOGIC_ARRAY:
        if (read_index(key, &index) && index < value->count) {
            return value->items[index];
        }
        return pt_logic_null();
    case PT_LOGIC_NULL:
    case PT_LOGIC_BOOL:
    case PT_LOGIC_NUMBER:
    case PT_LOGIC_STRING:
        break;
    }
    return pt_logic_null();
}

bool pt_logic_truthy(const struct pt_logic_value *value)
{
    switch (value->kind) {
    case PT_LOGIC_NULL:
        return false;
    case PT_LOGIC_BOOL:
        return value->boolean;
    case PT_LOGIC_NUMBER:
        return value->number != 0 && !isnan(value->number);
    case PT_LOGIC_STRING:
        return value->text.size > 0;
    case PT_LOGIC_ARRAY:
    case PT_LOGIC_JSON:
        /* JSONLogic's own: an empty array is false, though JavaScript takes it as true. */
        return !pt_logic_is_array(value) || pt_logic_count(value) > 0;
    case PT_LOGIC_OBJECT:
        return true;
    }
    return false;
}

/* ---- texts ---- */

/* Written without a fraction and without an exponent. */
static bool is_whole(double number)
{
    return number == trunc(number) && fabs(number) <= 9007199254740992.0;
}

static void append_number(struct pt_buf *buf, double number)
{
    char text[32];

    if (isnan(number)) {
        pt_buf_append_str(buf, "NaN");
    } else if (isinf(number)) {
        pt_buf_append_str(buf, number < 0 ? "-Infinity" : "Infinity");
    } else if (is_whole(number)) {
        pt_buf_appendf(buf, "%.0f", number == 0 ? 0 : number); /* -0 is "0" */
    } else {
        pt_buf_append(buf, text, pt_double_format(text, number));
    }
}

void pt_logic_append_text(struct pt_buf *buf, const struct pt_logic_value *value, bool is_joined)
{
    switch (value->kind) {
    case PT_LOGIC_NULL:
        pt_buf_append_str(buf, is_joined ? "" : "null");
        return;
    case PT_LOGIC_BOOL:
        pt_buf_append_str(buf, value->boolean ? "true" : "false");
        return;
    case PT_LOGIC_NUMBER:
        append_number(buf, value->number);
        return;
    case PT_LOGIC_STRING:
        pt_buf_append(buf, value->text.data, value->text.size);
        return;
    case PT_LOGIC_ARRAY:
        for (uint32_t i = 0; i < value->count; i++) {
            pt_buf_append_str(buf, i ? "," : "");
            pt_logic_append_text(buf, &value->items[i], true);
        }
        return;
    case PT_LOGIC_JSON:
        if (pt_json_type(value->json) == PT_JSON_ARRAY) {
            const char *comma = "";

            for (struct pt_json_iter it = pt_json_iterate(value->json); pt_json_next(&it);) {
                struct pt_logic_value item = pt_logic_of_json(it.value);

                pt_buf_append_str(buf, comma);
                pt_logic_append_text(buf, &item, true);
                comma = ",";
            }
            return;
        }
        break;
    case PT_LOGIC_OBJECT:
        break;
    }
    pt_buf_append_str(buf, "[object Object]");
}

/* ---- numbers ---- */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct pt_span trim(struct pt_span text)
{
    while (text.size > 0 && is_space(text.data[0])) {
        text = pt_span_of(text.data + 1, text.size - 1);
    }
    while (text.size > 0 && is_space(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* Bytes of the longest decimal number that `text` begins with; 0 for none. */
static size_t decimal_prefix(struct pt_span text)
{
    size_t at = 0;
    size_t digits = 0;
    size_t end = 0;

    at += at < text.size && (text.data[at] == '+' || text.data[at] == '-');
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        digits++;
    }
    if (at < text.size && text.data[at] == '.') {
        at++;
        for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
            digits++;
        }
    }
    if (digits == 0) {
        return 0;
    }
    end = at;
    if (at < text.size && (text.data[at] | 0x20) == 'e') {
        at++;
        at += at < text.size && (text.data[at] == '+' || text.data[at] == '-');
        for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
            end = at + 1;
        }
    }
    return end;
}

static double read_decimal(struct pt_span text)
{
    char copy[NUMBER_BYTES_MAX + 1];

    if (text.size == 0 || text.size > NUMBER_BYTES_MAX) {
        return NAN;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return strtod(copy, NULL); /* the program keeps the C locale */
}

static bool read_infinity(struct pt_span text, bool is_prefix, double *number_out)
{
    static const char word[] = "Infinity";
    size_t sign = text.size > 0 && (text.data[0] == '+' || text.data[0] == '-');
    size_t bytes = sign + sizeof(word) - 1;

    if (text.size < bytes || (!is_prefix && text.size != bytes) ||
        memcmp(text.data + sign, word, sizeof(word) - 1) != 0) {
        return false;
    }
    *number_out = sign && text.data[0] == '-' ? -INFINITY : INFINITY;
    return true;
}

/* 0x…, 0o…, 0b… */
static bool read_radix(struct pt_span text, double *number_out)
{
    unsigned radix = 0;
    double number = 0;

    if (text.size < 3 || text.data[0] != '0') {
        return false;
    }
    switch (text.data[1] | 0x20) {
    case 'x':
        radix = 16;
        break;
    case 'o':
        radix = 8;
        break;
    case 'b':
        radix = 2;
        break;
    default:
        return false;
    }
    for (size_t i = 2; i < text.size; i++) {
        uint8_t c = text.data[i];
        unsigned lower = c | 0x20u;
        unsigned digit = c >= '0' && c <= '9'           ? c - (unsigned)'0'
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : 99;

        if (digit >= radix) {
            *number_out = NAN;
            return true;
        }
        number = number * radix + digit;
    }
    *number_out = number;
    return true;
}

static double text_to_number(struct pt_span text)
{
    double number = 0;

    text = trim(text);
    if (text.size == 0) {
        return 0;
    }
    if (read_infinity(text, false, &number) || read_radix(text, &number)) {
        return number;
    }
    return decimal_prefix(text) == text.size ? read_decimal(text) : NAN;
}

/* What JavaScript's ToPrimitive makes of an array or object, as a number. */
static double container_to_number(const struct pt_logic_value *value)
{
    struct pt_buf text;
    double number = NAN;

    pt_buf_init(&text, TEXT_BYTES_MAX);
    pt_logic_append_text(&text, value, true);
    if (!text.has_failed) {
        number = text_to_number(pt_buf_span(&text));
    }
    pt_buf_release(&text);
    return number;
}

double pt_logic_to_number(const struct pt_logic_value *value)
{
    switch (value->kind) {
    case PT_LOGIC_NULL:
        return 0;
    case PT_LOGIC_BOOL:
        return value->boolean;
    case PT_LOGIC_NUMBER:
        return value->number;
    case PT_LOGIC_STRING:
        return text_to_number(value->text);
    case PT_LOGIC_ARRAY:
    case PT_LOGIC_OBJECT:
    case PT_LOGIC_JSON:
        return container_to_number(value);
    }
    return NAN;
}

static double parse_float(struct pt_span text)
{
    double number = NAN;

    text = trim(text);
    if (read_infinity(text, true, &number)) {
        return number;
    }
    return read_decimal(pt_span_of(text.data, decimal_prefix(text)));
}

double pt_logic_parse_float(const struct pt_logic_value *value)
{
    struct pt_buf text;
    double number = NAN;

    if (value->kind == PT_LOGIC_NUMBER) {
        return value->number;
    }
    if (value->kind == PT_LOGIC_STRING) {
        return parse_float(value->text);
    }
    pt_buf_init(&text, TEXT_BYTES_MAX);
    pt_logic_append_text(&text, value, false);
    if (!text.has_failed) {
        number = parse_float(pt_buf_span(&text));
    }
    pt_buf_release(&text);
    return number;
}

/* ---- comparisons ---- */

static bool is_container(const struct pt_logic_value *value)
{
    return value->kind >= PT_LOGIC_ARRAY;
}

bool pt_logic_same(const struct pt_logic_value *a, const struct pt_logic_value *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case PT_LOGIC_NULL:
        return true;
    case PT_LOGIC_BOOL:
        return a->boolean == b->boolean;
    case PT_LOGIC_NUMBER:
        return a->number == b->number;
    case PT_LOGIC_STRING:
        return pt_span_equal(a->text, b->text);
    case PT_LOGIC_ARRAY:
    case PT_LOGIC_OBJECT:
    case PT_LOGIC_JSON:
        return false; /* identity, which values of a rule do not have */
    }
    return false;
}

static int compare_text(struct pt_span a, struct pt_span b)
{
    size_t bytes = a.size < b.size ? a.size : b.size;
    int order = bytes > 0 ? memcmp(a.data, b.data, bytes) : 0;

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* Arrays and objects as texts, in `buf`; anything else as it is. */
static struct pt_logic_value primitive(const struct pt_logic_value *value, struct pt_buf *buf)
{
    if (!is_container(value)) {
        return *value;
    }
    pt_logic_append_text(buf, value, true);
    return pt_logic_text(pt_buf_span(buf));
}

bool pt_logic_equal(const struct pt_logic_value *a, const struct pt_logic_value *b)
{
    struct pt_buf buf;
    struct pt_logic_value other;
    const struct pt_logic_value *plain = is_container(a) ? b : a;
    bool is_equal = false;

    if (is_container(a) && is_container(b)) {
        return false;
    }
    if (a->kind == PT_LOGIC_NULL || b->kind == PT_LOGIC_NULL) {
        return a->kind == b->kind;
    }
    if (a->kind == b->kind) {
        return pt_logic_same(a, b);
    }
    if (!is_container(a) && !is_container(b)) {
        return pt_logic_to_number(a) == pt_logic_to_number(b);
    }
    pt_buf_init(&buf, TEXT_BYTES_MAX);
    other = primitive(is_container(a) ? a : b, &buf);
    is_equal = plain->kind == PT_LOGIC_STRING
                   ? pt_span_equal(plain->text, other.text)
                   : pt_logic_to_number(plain) == pt_logic_to_number(&other);
    is_equal = is_equal && !buf.has_failed;
    pt_buf_release(&buf);
    return is_equal;
}

bool pt_logic_less(const struct pt_logic_value *a, const struct pt_logic_value *b, bool or_equal)
{
    struct pt_buf text_a;
    struct pt_buf text_b;
    struct pt_logic_value x;
    struct pt_logic_value y;
    bool is_less = false;

    pt_buf_init(&text_a, TEXT_BYTES_MAX);
    pt_buf_init(&text_b, TEXT_BYTES_MAX);
    x = primitive(a, &text_a);
    y = primitive(b, &text_b);
    if (x.kind == PT_LOGIC_STRING && y.kind == PT_LOGIC_STRING) {
        int order = compare_text(x.text, y.text);

        is_less = order < 0 || (or_equal && order == 0);
    } else {
        double number_x = pt_logic_to_number(&x);
        double number_y = pt_logic_to_number(&y);

        is_less = or_equal ? number_x <= number_y : number_x < number_y;
    }
    is_less = is_less && !text_a.has_failed && !text_b.has_failed;
    pt_buf_release(&text_a);
    pt_buf_release(&text_b);
    return is_less;
}

void pt_logic_write(struct pt_jsonw *w, const struct pt_logic_value *value)
{
    switch (value->kind) {
    case PT_LOGIC_NULL:
        pt_jsonw_null(w);
        return;
    case PT_LOGIC_BOOL:
        pt_jsonw_bool(w, value->boolean);
        return;
    case PT_LOGIC_NUMBER:
        if (is_whole(value->number)) {
            pt_jsonw_int(w, (int64_t)value->number);
        } else {
            pt_jsonw_double(w, value->number);
        }
        return;
    case PT_LOGIC_STRING:
        pt_jsonw_string(w, value->text);
        return;
    case PT_LOGIC_JSON:
        pt_jsonw_value(w, value->json);
        return;
    case PT_LOGIC_ARRAY:
        pt_jsonw_array(w);
        for (uint32_t i = 0; i < value->count; i++) {
            pt_logic_write(w, &value->items[i]);
        }
        pt_jsonw_array_end(w);
        return;
    case PT_LOGIC_OBJECT:
        pt_jsonw_object(w);
        for (uint32_t i = 0; i < value->count; i++) {
            pt_jsonw_key_span(w, value->keys[i]);
            pt_logic_write(w, &value->items[i]);
        }
        pt_jsonw_object_end(w);
        return;
    }
}
