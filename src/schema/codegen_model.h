/*
 * codegen_model.h - an event's attributes, as the generators see them
 */
#ifndef PT_SCHEMA_CODEGEN_MODEL_H
#define PT_SCHEMA_CODEGEN_MODEL_H

#include "schema/codegen.h"

#define CODEGEN_NAME_BYTES 80

enum codegen_type {
    CODEGEN_STRING,
    CODEGEN_INTEGER,
    CODEGEN_NUMBER,
    CODEGEN_BOOL,
    CODEGEN_JSON, /* text of any JSON value */
};

struct codegen_property {
    char name[CODEGEN_NAME_BYTES]; /* an identifier of the language */
    char *key;                     /* "\"price\":", as JSON; the arena's */
    char *comment;                 /* one line of printable ASCII; may be empty */
    enum codegen_type type;
    bool is_required;
    bool is_nullable; /* null is a value: what is required may be given as none */
};

struct codegen_model {
    struct pt_arena arena;
    const char *event_name;
    char plain[CODEGEN_NAME_BYTES];  /* purchase_done */
    char pascal[CODEGEN_NAME_BYTES]; /* PurchaseDone */
    char *comment;
    struct codegen_property *properties;
    uint32_t count;
};

/* `text` (UTF-8) as a literal of the language, with its quotes. */
void codegen_literal(struct pt_buf *out, enum pt_codegen_language language, const char *text);

void codegen_c(const struct codegen_model *model, struct pt_buf *out);
void codegen_cpp(const struct codegen_model *model, struct pt_buf *out);
void codegen_csharp(const struct codegen_model *model, struct pt_buf *out);

#endif
