/*
 * ndjson.h - standard input, a JSON text a line
 */
#ifndef PT_CMD_NDJSON_H
#define PT_CMD_NDJSON_H

#include "base/span.h"

/*
 * Calls `take` for each line of standard input that is not blank, as soon as it is whole, and
 * flushes standard output after what was read at once: a script may wait for each answer before it
 * sends the next line. PT_JSON_PADDING readable bytes follow a line. Ends at the end of input with
 * PT_EXIT_OK; with PT_EXIT_FAILED when `take` gives false (it has said why), a line is longer than
 * `line_bytes_max`, or reading or writing fails. `what` names the command in messages.
 */
int pt_cmd_each_line(const char *what, size_t line_bytes_max,
                     bool (*take)(void *ctx, struct pt_span line), void *ctx);

/* The same, and tells each line's number: from 1, blank lines counted, as an editor shows it. */
int pt_cmd_each_numbered_line(const char *what, size_t line_bytes_max,
                              bool (*take)(void *ctx, uint64_t number, struct pt_span line),
                              void *ctx);

#endif
