/*
 * registry_request.h - one request of the registry's REST interface, without HTTP around it
 *
 * registry_http.c calls it from loop threads (GET) and from its own thread (all that waits or
 * compares); a fuzzer calls it with bytes. One thread a desk.
 */
#ifndef PT_SCHEMA_REGISTRY_REQUEST_H
#define PT_SCHEMA_REGISTRY_REQUEST_H

#include "schema/registry.h"

#define REGISTRY_BODY_BYTES_MAX PT_SCHEMA_BYTES_MAX

/* A thread's own things. */
struct registry_desk {
    struct pt_registry *registry; /* borrowed */
    struct pt_registry_reader *reader;
    struct pt_json_parser *parser;
    struct pt_buf answer; /* has_failed: no memory */
    struct pt_jsonw w;
    int status;
};

/* False without memory; close it either way. */
bool registry_desk_open(struct registry_desk *desk, struct pt_registry *registry) PT_MUST_USE;
void registry_desk_close(struct registry_desk *desk);

/*
 * Answer into desk->status and desk->answer, in Confluent's form. `path` is what stands behind
 * "/registry/", percent signs and all; `body` is followed by PT_JSON_PADDING readable bytes.
 * Anything but GET may wait for the disk.
 */
void registry_answer(struct registry_desk *desk, struct pt_span method, struct pt_span path,
                     struct pt_span query, struct pt_span body);

/* An answer of {"error_code","message"}: the status is the code's first three digits. */
void registry_fail(struct registry_desk *desk, int error_code, const char *format, ...)
    PT_PRINTF(3, 4);

#endif
