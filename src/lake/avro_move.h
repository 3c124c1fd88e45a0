/*
 * avro_move.h - an Avro file with the place of its paths changed
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_AVRO_MOVE_H
#define PT_LAKE_AVRO_MOVE_H

#include "base/error.h"
#include "base/mem.h"

/*
 * Append to `out` the container `file` with every string value that is `old`, or starts with `old`
 * and a slash, starting with `new` instead. Everything else stays as it is, also fields that
 * this program does not know. PT_CORRUPT, PT_INVALID (compressed blocks).
 */
enum pt_code pt_avro_move(struct pt_span file, const char *old, const char *new, struct pt_buf *out,
                          struct pt_error *err) PT_MUST_USE;

/* The same for one text; false where it does not start with `old`. */
bool pt_text_move(struct pt_span text, const char *old, struct pt_span *rest_out);

#endif
