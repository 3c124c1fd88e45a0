/*
 * history.h - every change of a flag file, chained
 *
 * Only src/flag includes this (others: change.h). FILE.history is a chain (base/chain.h,
 * docs/formats/flags_history.md). Played from the first line, its changes give the parts of the
 * file; each line names the file's SHA-256 before and after. So what a file holds that no line
 * explains was edited outside, and can be said part by part.
 */
#ifndef PT_FLAG_HISTORY_H
#define PT_FLAG_HISTORY_H

#include "base/chain.h"
#include "base/lock.h"
#include "flag/change.h"
#include "flag/document.h"

#define PT_FLAG_HISTORY_BYTES_MAX ((size_t)512 << 20)
#define PT_FLAG_HISTORY_LINE_BYTES_MAX (4 * (size_t)PT_FLAGS_FILE_BYTES_MAX)
#define PT_FLAG_HISTORY_ARENA_BYTES_MAX ((size_t)1 << 30) /* of file and history, played */

struct pt_flag_history {
    struct pt_chain chain;
    struct pt_flag_parts parts;                /* after the newest line */
    char hash[PT_CHAIN_HASH_CHARS + 1];        /* of the file then; "" where it was absent */
    char hash_before[PT_CHAIN_HASH_CHARS + 1]; /* and before the newest line */
    bool is_newest_change;                     /* the newest line is no void, found or outside */
    /* The change that an undo takes back. */
    uint64_t wanted;              /* its number; 0: the newest that happened */
    uint64_t found_seq;           /* 0: there is none */
    struct pt_span found_changes; /* its "changes", JSON */
    uint64_t found_before;        /* the one before, in case that is void */
    struct pt_span changes_before;
};

/* What differs from one state of the file to the next. */
struct pt_flag_difference {
    const struct pt_flag_part *part; /* for its name */
    struct pt_span before;           /* size 0: was not there */
    struct pt_span after;            /* size 0: is not there */
};

/* FILE.lock, waited for: file and history are seen, or changed, together. PT_AGAIN: too long. */
enum pt_code pt_flag_history_lock(struct pt_lock **lock_out, const char *path,
                                  struct pt_error *err) PT_MUST_USE;

/* `wanted` as above. `arena` is borrowed. Release in any case. */
enum pt_code pt_flag_history_read(struct pt_flag_history *history, struct pt_io *io,
                                  const char *path, struct pt_arena *arena, uint64_t wanted,
                                  struct pt_error *err) PT_MUST_USE;
/* The change that was found did not happen: an undo means the one before. */
void pt_flag_history_drop_newest(struct pt_flag_history *history);
void pt_flag_history_release(struct pt_flag_history *history);

/* The SHA-256 of a file's bytes in digits, "" for an absent one (data NULL). */
void pt_flag_file_hash(struct pt_span file, char hash_out[PT_CHAIN_HASH_CHARS + 1]);
enum pt_flag_standing pt_flag_history_standing(const struct pt_flag_history *history,
                                               const char *file_hash);

/* What `now` has otherwise than `was`, in the arena of `now`. NULL without memory. */
struct pt_flag_difference *pt_flag_parts_compare(const struct pt_flag_parts *was,
                                                 const struct pt_flag_parts *now,
                                                 size_t *count_out);

/* What a line says beside its changes. */
struct pt_flag_note {
    const char *kind; /* "set", "delete", "undo", "found", "outside", "void" */
    const char *by;   /* NULL: not known */
    const char *why;  /* NULL: not said */
    uint64_t of;      /* "undo", "void": the line; 0: none */
    const char *hash_before;
    const char *hash_after;
};

/* [{"pointer","before","after"}], without what was not or is not there. */
void pt_flag_differences_write(struct pt_jsonw *w, const struct pt_flag_difference *changes,
                               size_t count);

/* Append a line, durable; `history` then knows its number and hash. */
enum pt_code pt_flag_history_append(struct pt_flag_history *history, struct pt_io *io,
                                    struct pt_clock *clock, const struct pt_flag_note *note,
                                    const struct pt_flag_difference *changes, size_t count,
                                    struct pt_error *err) PT_MUST_USE;

#endif
