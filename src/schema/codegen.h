/*
 * codegen.h - from an event's schema to source code that records it
 *
 * The schema describes the event's attributes. Each property becomes a typed value: what is
 * required is a parameter that cannot be left out, what is optional can be. Objects, arrays and
 * mixed types are handed over as JSON text. Any names give valid source: reserved words and what
 * two properties would share are told apart, and no text of the schema leaves its literal or
 * comment.
 */
#ifndef PT_SCHEMA_CODEGEN_H
#define PT_SCHEMA_CODEGEN_H

#include "base/mem.h"

#define PT_CODEGEN_PROPERTIES_MAX 100

enum pt_codegen_language {
    PT_CODEGEN_C,      /* C99: a header with static inline functions over playtrace_track() */
    PT_CODEGEN_CPP,    /* C++17: a header with one struct */
    PT_CODEGEN_CSHARP, /* C# 7: a static class that needs nothing but the language */
};

bool pt_codegen_language_parse(const char *name, enum pt_codegen_language *language_out);

/*
 * Append the source to `out`. PT_INVALID: `event_name` is no event name, or the schema does not
 * describe an object; PT_TOO_BIG: more than PT_CODEGEN_PROPERTIES_MAX properties. PT_NO_MEMORY.
 */
enum pt_code pt_codegen(struct pt_span schema_json, const char *event_name,
                        enum pt_codegen_language language, struct pt_buf *out,
                        struct pt_error *err) PT_MUST_USE;

#endif
