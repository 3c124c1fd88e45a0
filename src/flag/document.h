/*
 * document.h - a flag file as a list of parts that can be compared, changed and written
 *
 * Only src/flag includes this. A part is a flag, or a member of the file beside "flags"
 * ("metadata", "$evaluators", …); its JSON is minified, so two parts are equal where their bytes
 * are. Everything lives in one arena.
 */
#ifndef PT_FLAG_DOCUMENT_H
#define PT_FLAG_DOCUMENT_H

#include "base/json.h"
#include "base/mem.h"

struct pt_flag_part {
    bool is_flag;
    struct pt_span name;  /* the flag's key, or the member's name */
    struct pt_span json;  /* size 0: it is not there */
    uint64_t version_max; /* history: the highest that it ever had */
    uint32_t epoch_max;   /* history: the highest that it ever had */
};

struct pt_flag_parts {
    struct pt_arena *arena; /* borrowed */
    struct pt_flag_part *items;
    size_t count;
    size_t capacity;
    uint32_t *slots; /* by name: index + 1, or 0; twice the capacity */
};

/* Parsed JSON and the bytes that it stands in. */
struct pt_flag_text {
    struct pt_json_parser *parser;
    struct pt_buf bytes;
    struct pt_json root;
};

/* Parse a copy of `json`; release in any case. PT_INVALID says what is no JSON. */
enum pt_code pt_flag_text_open(struct pt_flag_text *text, struct pt_span json,
                               struct pt_error *err) PT_MUST_USE;
void pt_flag_text_close(struct pt_flag_text *text);

/* The part, or NULL. */
struct pt_flag_part *pt_flag_parts_find(const struct pt_flag_parts *parts, bool is_flag,
                                        struct pt_span name);
/* The part of that name, made where it is not there yet; NULL without memory. Pointers to parts
 * from before are stale. */
struct pt_flag_part *pt_flag_parts_put(struct pt_flag_parts *parts, bool is_flag,
                                       struct pt_span name);

/* Minified, in the arena; size 0 without memory. */
struct pt_span pt_flag_minify(struct pt_arena *arena, struct pt_json value);
struct pt_span pt_flag_keep(struct pt_arena *arena, struct pt_span text);
/* What the buffer holds, which is released; size 0 also where it has failed. */
struct pt_span pt_flag_keep_buf(struct pt_arena *arena, struct pt_buf *buf);

/* The parts of a file; PT_INVALID where it is no flag file at all. */
enum pt_code pt_flag_parts_read(struct pt_flag_parts *parts, struct pt_json root,
                                struct pt_error *err) PT_MUST_USE;
/* The file of the parts, indented for people; "flags" is an object. */
enum pt_code pt_flag_parts_write(const struct pt_flag_parts *parts, struct pt_buf *file,
                                 struct pt_error *err) PT_MUST_USE;

/* "/flags/KEY" or "/NAME", escaped; and back, unescaped into the arena. */
void pt_flag_pointer_write(struct pt_jsonw *w, const struct pt_flag_part *part);
bool pt_flag_pointer_read(struct pt_arena *arena, struct pt_span pointer, bool *is_flag_out,
                          struct pt_span *name_out);

/* A flag's metadata where that is an object, else an absent value. */
struct pt_json pt_flag_metadata(struct pt_json flag);
/* A flag's metadata.version; 0 where it is no whole number. */
uint64_t pt_flag_version(struct pt_json flag);

#endif
