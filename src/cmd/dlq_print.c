/*
 * dlq_print.c - dead letters for people: texts that cannot harm a terminal, JSON, differences
 */
#include "cmd/dlq.h"

#define VALUE_COLUMNS 100
#define MEMBERS_MAX 1000 /* an object of more is compared as a whole */
#define POINTER_BYTES_MAX 1024
#define WRITTEN_BYTES_MAX (4u << 20)

/* Bytes of the character at `at`; *is_shown_out: it is no control character, C1 included. */
static size_t character(struct pt_span text, size_t at, bool *is_shown_out)
{
    uint8_t first = text.data[at];
    size_t bytes = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if (bytes > text.size - at) {
        bytes = text.size - at;
    }
    *is_shown_out = first >= 0x20 && first != 0x7f &&
                    !(first == 0xc2 && bytes == 2 && text.data[at + 1] < 0xa0);
    return bytes;
}

static int count_characters(struct pt_span text, int most)
{
    int count = 0;
    bool is_shown = false;

    for (size_t at = 0; at < text.size && count <= most; count++) {
        at += character(text, at, &is_shown);
    }
    return count;
}

void pt_dlq_print_text(FILE *out, struct pt_span text, int columns, bool pads)
{
    bool is_cut = count_characters(text, columns) > columns;
    int shown = 0;

    for (size_t at = 0; at < text.size && shown < columns - is_cut; shown++) {
        bool is_shown = false;
        size_t bytes = character(text, at, &is_shown);

        if (is_shown) {
            fwrite(text.data + at, 1, bytes, out);
        } else {
            fputc('?', out);
        }
        at += bytes;
    }
    if (is_cut) {
        fputs("…", out);
        shown++;
    }
    while (pads && shown++ < columns) {
        fputc(' ', out);
    }
}

static void write_short(FILE *out, struct pt_json value, int columns)
{
    struct pt_buf text;
    struct pt_jsonw w;

    pt_buf_init(&text, WRITTEN_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_value(&w, value);
    pt_dlq_print_text(out, text.has_failed ? pt_span_str("(a large value)") : pt_buf_span(&text),
                      columns, false);
    pt_buf_release(&text);
}

/* A key as JSON writes it. */
static void print_key(FILE *out, struct pt_span key)
{
    struct pt_buf text;
    struct pt_jsonw w;

    pt_buf_init(&text, WRITTEN_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_string(&w, key);
    pt_dlq_print_text(out, pt_buf_span(&text), INT32_MAX, false);
    pt_buf_release(&text);
}

/* Recursion is bounded by the parser's depth limit. */
void pt_dlq_print_pretty(FILE *out, struct pt_json value, unsigned indent)
{
    enum pt_json_type type = pt_json_type(value);
    bool is_object = type == PT_JSON_OBJECT;
    bool is_first = true;

    if ((!is_object && type != PT_JSON_ARRAY) || pt_json_count(value) == 0) {
        write_short(out, value, INT32_MAX);
        return;
    }
    fputs(is_object ? "{\n" : "[\n", out);
    for (struct pt_json_iter it = pt_json_iterate(value); pt_json_next(&it); is_first = false) {
        fprintf(out, "%s%*s", is_first ? "" : ",\n", (int)indent + 2, "");
        if (is_object) {
            print_key(out, it.key);
            fputs(": ", out);
        }
        pt_dlq_print_pretty(out, it.value, indent + 2);
    }
    fprintf(out, "\n%*s%c", (int)indent, "", is_object ? '}' : ']');
}

/* ---- differences ---- */

struct diff {
    FILE *out;
    struct pt_buf pointer; /* of the place at hand */
    unsigned count;
};

/* Where to go back to. */
static size_t push_token(struct diff *diff, struct pt_span token)
{
    size_t before = diff->pointer.size;

    pt_buf_append_byte(&diff->pointer, '/');
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] == '~' || token.data[i] == '/') {
            pt_buf_append_str(&diff->pointer, token.data[i] == '~' ? "~0" : "~1");
        } else {
            pt_buf_append_byte(&diff->pointer, token.data[i]);
        }
    }
    return before;
}

static void pop_token(struct diff *diff, size_t before)
{
    diff->pointer.size = before;
    diff->pointer.has_failed = false; /* a pointer too long to show was cut */
}

static void print_line(struct diff *diff, char sign, struct pt_json value)
{
    fprintf(diff->out, "  %c ", sign);
    if (diff->pointer.size == 0) {
        fputs("(the event)", diff->out);
    }
    pt_dlq_print_text(diff->out, pt_buf_span(&diff->pointer), VALUE_COLUMNS, false);
    fputs("  ", diff->out);
    write_short(diff->out, value, VALUE_COLUMNS);
    fputc('\n', diff->out);
}

static bool is_same(struct pt_json a, struct pt_json b)
{
    struct pt_buf text_a;
    struct pt_buf text_b;
    struct pt_jsonw w;
    bool is_equal = false;

    pt_buf_init(&text_a, WRITTEN_BYTES_MAX);
    pt_buf_init(&text_b, WRITTEN_BYTES_MAX);
    pt_jsonw_init(&w, &text_a);
    pt_jsonw_value(&w, a);
    pt_jsonw_init(&w, &text_b);
    pt_jsonw_value(&w, b);
    is_equal = pt_span_equal(pt_buf_span(&text_a), pt_buf_span(&text_b));
    pt_buf_release(&text_a);
    pt_buf_release(&text_b);
    return is_equal;
}

static struct pt_json find(struct pt_json object, struct pt_span key)
{
    struct pt_json found = {0};

    for (struct pt_json_iter it = pt_json_iterate(object); pt_json_next(&it);) {
        if (pt_span_equal(it.key, key)) {
            found = it.value;
        }
    }
    return found;
}

static void compare(struct diff *diff, struct pt_json before, struct pt_json after);

static void compare_objects(struct diff *diff, struct pt_json before, struct pt_json after)
{
    for (struct pt_json_iter it = pt_json_iterate(before); pt_json_next(&it);) {
        struct pt_json other = find(after, it.key);
        size_t mark = push_token(diff, it.key);

        if (!pt_json_exists(other)) {
            diff->count++;
            print_line(diff, '-', it.value);
        } else {
            compare(diff, it.value, other);
        }
        pop_token(diff, mark);
    }
    for (struct pt_json_iter it = pt_json_iterate(after); pt_json_next(&it);) {
        if (!pt_json_exists(find(before, it.key))) {
            size_t mark = push_token(diff, it.key);

            diff->count++;
            print_line(diff, '+', it.value);
            pop_token(diff, mark);
        }
    }
}

/* Elements have no names: arrays of one length are compared place by place, others as a whole. */
static void compare_arrays(struct diff *diff, struct pt_json before, struct pt_json after)
{
    struct pt_json_iter a = pt_json_iterate(before);
    struct pt_json_iter b = pt_json_iterate(after);
    unsigned index = 0;

    while (pt_json_next(&a) && pt_json_next(&b)) {
        char token[16];
        size_t mark = 0;

        snprintf(token, sizeof(token), "%u", index++);
        mark = push_token(diff, pt_span_str(token));
        compare(diff, a.value, b.value);
        pop_token(diff, mark);
    }
}

/* Recursion is bounded by the parser's depth limit. */
static void compare(struct diff *diff, struct pt_json before, struct pt_json after)
{
    enum pt_json_type type = pt_json_type(before);

    if (is_same(before, after)) {
        return;
    }
    if (type == PT_JSON_OBJECT && pt_json_type(after) == type &&
        pt_json_count(before) <= MEMBERS_MAX && pt_json_count(after) <= MEMBERS_MAX) {
        compare_objects(diff, before, after);
    } else if (type == PT_JSON_ARRAY && pt_json_type(after) == type &&
               pt_json_count(before) == pt_json_count(after)) {
        compare_arrays(diff, before, after);
    } else {
        diff->count++;
        print_line(diff, '-', before);
        print_line(diff, '+', after);
    }
}

unsigned pt_dlq_print_diff(FILE *out, struct pt_json before, struct pt_json after)
{
    struct diff diff = {.out = out};

    pt_buf_init(&diff.pointer, POINTER_BYTES_MAX);
    compare(&diff, before, after);
    pt_buf_release(&diff.pointer);
    return diff.count;
}
