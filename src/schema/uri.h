/*
 * uri.h - references and what they lead to (RFC 3986 section 5)
 */
#ifndef PT_SCHEMA_URI_H
#define PT_SCHEMA_URI_H

#include "base/mem.h"

/*
 * `reference` against `base` (absolute, without a fragment, or empty) as a NUL-terminated string in
 * `arena`, dot segments removed, without the fragment; *fragment_out is the reference's own, as
 * written. NULL without memory.
 */
const char *pt_uri_resolve(struct pt_arena *arena, struct pt_span base, struct pt_span reference,
                           struct pt_span *fragment_out) PT_MUST_USE;

#endif
