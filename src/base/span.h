/*
 * span.h - borrowed bytes
 *
 * A span owns nothing; whoever gives it says how long it lives.
 */
#ifndef PT_BASE_SPAN_H
#define PT_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pt_span {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;         /* bytes */
};

static inline struct pt_span pt_span_of(const void *data, size_t size)
{
    return (struct pt_span){.data = data, .size = size};
}

static inline struct pt_span pt_span_str(const char *text)
{
    return (struct pt_span){.data = (const uint8_t *)text, .size = text ? strlen(text) : 0};
}

static inline bool pt_span_equal(struct pt_span a, struct pt_span b)
{
    return a.size == b.size &&
           (a.size == 0 || (a.data && b.data && memcmp(a.data, b.data, a.size) == 0));
}

static inline bool pt_span_is(struct pt_span a, const char *text)
{
    return pt_span_equal(a, pt_span_str(text));
}

/* Nothing but spaces, tabs and carriage returns: a line of NDJSON that holds no value. */
static inline bool pt_span_is_blank(struct pt_span line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* For printf's "%.*s". */
#define PT_SPAN_ARG(span)                                                                          \
    (int)(span).size, (const char *)((span).data ? (span).data : (const uint8_t *)"")

#endif
