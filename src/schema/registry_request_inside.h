/*
 * registry_request_inside.h - what the files that answer the registry's REST requests share
 *
 * Only registry_request*.c include this.
 */
#ifndef PT_SCHEMA_REGISTRY_REQUEST_INSIDE_H
#define PT_SCHEMA_REGISTRY_REQUEST_INSIDE_H

#include "http/http.h"
#include "schema/registry_request.h"

#define REGISTRY_WORDS_MAX 8

/* A request read apart. Words are unescaped, in `text`. */
struct registry_call {
    struct pt_span words[REGISTRY_WORDS_MAX];
    uint32_t word_count;
    struct pt_span method;
    struct pt_span query;
    struct pt_span body;
    struct pt_buf text;
};

/* Whether word `index` of the path is there and is `word`. */
bool registry_is_word(const struct registry_call *call, uint32_t index, const char *word);
/* "…&name=true&…" */
bool registry_has_flag(struct pt_span query, const char *name);
/* A number, "latest" or "-1". Fails the answer where it is neither. */
bool registry_read_version(struct registry_desk *desk, struct pt_span text, uint32_t *version_out);

/* Forget what the answer held; the status is 200 from here on. */
void registry_begin(struct registry_desk *desk);
/* Write the object that stands for a version, in registry_request_get.c. */
void registry_write_version(struct pt_jsonw *w, struct pt_span subject,
                            const struct pt_registry_version *version);

/* Answer a GET; waits for nothing. */
void registry_get(struct registry_desk *desk, struct registry_call *call);
/* Answer any other method; may wait for the disk. */
void registry_work(struct registry_desk *desk, const struct registry_call *call);

#endif
