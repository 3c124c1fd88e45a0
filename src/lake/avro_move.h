/*
 * avro_move.h - an Avro file with the place of its paths changed
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_AVRO_MOVE_H
#define PT_LAKE_AVRO_MOVE_H

#include "base/error.h"
#include "base/mem.h"

struct pt_avro_move {
    const char *old; /* "file:///a/b" */
    const char *new;
    /* For manifest lists: the new size of the manifest with that (old) path. NULL: it stays. */
    bool (*bytes_of)(void *ctx, struct pt_span path, int64_t *bytes_out);
    void *ctx;
};

/*
 * Append to `out` the container `file` with every string value that names `old`, or something below
 * it, naming `new` instead. Everything else stays as it is, also fields that this program does not
 * know; blocks are not compressed. PT_CORRUPT, PT_INVALID (an unknown compression).
 */
enum pt_code pt_avro_move(struct pt_span file, const struct pt_avro_move *how, struct pt_buf *out,
                          struct pt_error *err) PT_MUST_USE;

/*
 * Whether `text` names the place `old` or something below it, in any of the forms that writers use
 * for files ("file:///a", "file:/a", "/a"); the rest is empty or starts with a slash.
 */
bool pt_text_move(struct pt_span text, const char *old, struct pt_span *rest_out);

#endif
