/*
 * run_report.c - errors, written down where anybody wants them
 */
#include "schema/run.h"

#include <stdarg.h>
#include <stdio.h>

struct writer {
    char *text;
    size_t bytes;
    size_t bytes_max; /* without the NUL */
    bool is_cut;
};

static void write_text(struct writer *w, const char *text, size_t bytes)
{
    if (bytes > w->bytes_max - w->bytes) {
        bytes = w->bytes_max - w->bytes;
        w->is_cut = true;
    }
    memcpy(w->text + w->bytes, text, bytes);
    w->bytes += bytes;
}

static void write_token(struct writer *w, struct pt_span token)
{
    write_text(w, "/", 1);
    for (size_t i = 0; i < token.size && !w->is_cut; i++) {
        char c = (char)token.data[i];

        if (c == '~' || c == '/') {
            write_text(w, c == '~' ? "~0" : "~1", 2);
        } else {
            write_text(w, &c, 1);
        }
    }
}

/* Ends the text; a cut one ends in "...", at a whole UTF-8 character. */
static void write_end(struct writer *w)
{
    if (w->is_cut) {
        w->bytes = w->bytes_max - 3;
        while (w->bytes > 0 && ((uint8_t)w->text[w->bytes] & 0xc0) == 0x80) {
            w->bytes--;
        }
        memcpy(w->text + w->bytes, "...", 3);
        w->bytes += 3;
    }
    w->text[w->bytes] = '\0';
}

/* Recursion: as deep as the value, 64 at most. */
static void write_place(struct writer *w, const struct run *r, const struct place *place)
{
    if (!place) {
        return;
    }
    write_place(w, r, place->above);
    if (place->key) {
        write_token(w, pt_walk_string(r->tape, r->strings, place->key));
    } else {
        char digits[12];

        snprintf(digits, sizeof(digits), "%u", place->index);
        write_token(w, pt_span_str(digits));
    }
}

/* Writes an error down where anybody wants it; returns false. */
bool pt_run_fail(struct run *r, const struct pt_node *node, const struct place *place,
                 const char *keyword, const char *format, ...)
{
    struct pt_schema_error *error = NULL;
    struct writer w = {.bytes_max = sizeof(error->instance) - 1};
    const char *location = r->schema->texts + node->location;
    va_list args;

    /* Where work has run out, what was not found proves nothing. */
    if (r->quiet > 0 || !r->errors || r->is_too_complex || r->steps == 0) {
        return false;
    }
    if (r->errors->count == PT_SCHEMA_ERRORS_MAX) {
        r->errors->is_cut = true;
        return false;
    }
    error = &r->errors->list[r->errors->count++];
    w.text = error->instance;
    write_place(&w, r, place);
    write_end(&w);
    w = (struct writer){.text = error->schema, .bytes_max = sizeof(error->schema) - 1};
    write_text(&w, location, strlen(location));
    if (keyword[0]) {
        write_token(&w, pt_span_str(keyword));
    }
    write_end(&w);
    error->keyword = keyword[0] ? keyword : "false";
    va_start(args, format);
    vsnprintf(error->detail, sizeof(error->detail), format, args);
    va_end(args);
    return false;
}

bool pt_run_fail_type(struct run *r, const struct subject *s)
{
    static const char *const names[] = {"null",   "boolean", "integer", NULL,
                                        "string", "array",   "object"};
    char wanted[64] = "";
    size_t bytes = 0;
    unsigned types = s->node->types;
    const char *found = s->type == PT_TYPE_FRACTION ? "number" : "null";

    if ((types & PT_TYPE_NUMBER) == PT_TYPE_NUMBER) {
        bytes = (size_t)snprintf(wanted, sizeof(wanted), "number");
        types &= ~(unsigned)PT_TYPE_NUMBER;
    }
    for (unsigned i = 0; i < 7; i++) {
        if (types >> i & 1 && names[i]) {
            bytes += (size_t)snprintf(wanted + bytes, sizeof(wanted) - bytes, "%s%s",
                                      bytes ? " or " : "", names[i]);
        }
        if (s->type >> i & 1 && names[i]) {
            found = names[i];
        }
    }
    return pt_run_fail(r, s->node, s->place, "type", "it must be %s, not %s", wanted, found);
}
