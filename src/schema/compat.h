/*
 * compat.h - is every value of one JSON Schema a value of another?
 *
 * The writer's schema is the one that values were made under, the reader's the one that they are
 * read under. BACKWARD asks with the newer schema as the reader, FORWARD with the older one, FULL
 * asks both. "Compatible" is said only where it is proven; what is not proven is a reason, with a
 * place in both schemas (docs/schema-compatibility.md tells what counts, and where this goes beyond
 * or stays behind Confluent's checker, whose names for the kinds of change it uses).
 *
 * Pure functions of the documents: any thread. Work, memory and depth are bounded; a pair that
 * would need more is refused with the reason TOO_COMPLEX.
 */
#ifndef PT_SCHEMA_COMPAT_H
#define PT_SCHEMA_COMPAT_H

#include "schema/schema.h"

#define PT_COMPAT_REASONS_MAX 32
#define PT_COMPAT_POINTER_BYTES 256

enum pt_compat_mode {
    PT_COMPAT_NONE,
    PT_COMPAT_BACKWARD,
    PT_COMPAT_BACKWARD_TRANSITIVE,
    PT_COMPAT_FORWARD,
    PT_COMPAT_FORWARD_TRANSITIVE,
    PT_COMPAT_FULL,
    PT_COMPAT_FULL_TRANSITIVE,
};

/* In capitals, as Confluent writes them. */
const char *pt_compat_mode_name(enum pt_compat_mode mode);
bool pt_compat_mode_parse(struct pt_span name, enum pt_compat_mode *mode_out);
bool pt_compat_mode_is_transitive(enum pt_compat_mode mode);

/* A document and what it refers to. Borrowed. */
struct pt_compat_document {
    struct pt_span json; /* no padding needed */
    /* As in struct pt_schema_options; NULL: it refers to nothing outside. */
    enum pt_code (*resolve)(void *ctx, const char *uri, struct pt_buf *json_out,
                            struct pt_error *err);
    void *resolve_ctx;
};

struct pt_compat_reason {
    const char *kind;                          /* static text: "TYPE_NARROWED" */
    const char *direction;                     /* static text: "backward" or "forward" */
    char old_pointer[PT_COMPAT_POINTER_BYTES]; /* RFC 6901 behind '#' or "URI#"; cut ones end in
                                                  "..." */
    char new_pointer[PT_COMPAT_POINTER_BYTES];
    char detail[192]; /* a sentence for people */
};

struct pt_compat_report {
    bool is_compatible;
    uint32_t count; /* of `reasons` */
    bool is_cut;    /* there were more */
    struct pt_compat_reason reasons[PT_COMPAT_REASONS_MAX];
};

/*
 * Compare two versions under `mode` (transitive or not is the caller's: it gives the pairs).
 * `is_lenient`: Confluent's lenient policy, under which what an open or a partly open object lets
 * through is not held against a new property. PT_INVALID names the document that is no JSON Schema
 * document (not JSON, neither object nor boolean); PT_NO_MEMORY.
 */
enum pt_code pt_compat_check(const struct pt_compat_document *older,
                             const struct pt_compat_document *newer, enum pt_compat_mode mode,
                             bool is_lenient, struct pt_compat_report *report_out,
                             struct pt_error *err) PT_MUST_USE;

/* [{"kind","direction","old","new","detail"}…] */
void pt_compat_write_reasons(struct pt_jsonw *w, const struct pt_compat_report *report);

#endif
