/*
 * format.h - the formats of JSON Schema, as predicates on text
 *
 * Pure functions on UTF-8 that has been checked; they allocate nothing and take time linear in
 * the text (a label of a host name: at most quadratic in its 63 bytes).
 */
#ifndef PT_SCHEMA_FORMAT_H
#define PT_SCHEMA_FORMAT_H

#include "base/span.h"

enum pt_format {
    PT_FORMAT_DATE_TIME,
    PT_FORMAT_DATE,
    PT_FORMAT_TIME,
    PT_FORMAT_DURATION,
    PT_FORMAT_EMAIL,
    PT_FORMAT_IDN_EMAIL,
    PT_FORMAT_HOSTNAME,
    PT_FORMAT_IDN_HOSTNAME,
    PT_FORMAT_IPV4,
    PT_FORMAT_IPV6,
    PT_FORMAT_URI,
    PT_FORMAT_URI_REFERENCE,
    PT_FORMAT_IRI,
    PT_FORMAT_IRI_REFERENCE,
    PT_FORMAT_URI_TEMPLATE,
    PT_FORMAT_UUID,
    PT_FORMAT_JSON_POINTER,
    PT_FORMAT_RELATIVE_JSON_POINTER,
    PT_FORMAT_REGEX,
    PT_FORMAT_COUNT, /* an unknown name: annotates, asserts nothing */
};

enum pt_format pt_format_parse(struct pt_span name);
const char *pt_format_name(enum pt_format format);

bool pt_format_check(enum pt_format format, struct pt_span text);

/* ---- between the files of the formats ---- */

bool pt_format_ipv4(struct pt_span text);
bool pt_format_ipv6(struct pt_span text);
/* A host name; `is_idn`: labels may be written in Unicode. */
bool pt_format_host(struct pt_span text, bool is_idn);
bool pt_format_uri(struct pt_span text, bool is_iri, bool is_reference);
bool pt_format_uri_template(struct pt_span text);

/* Next code point of checked UTF-8 at *at (< size), which moves behind it. */
uint32_t pt_utf8_next(struct pt_span text, size_t *at);

#endif
