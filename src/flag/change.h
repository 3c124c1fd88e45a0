/*
 * change.h - change a flag file: checked, audited, whole or not at all, and taken back
 *
 * A change is checked wholly before it takes effect: the new file must load and must have no
 * mistake that the old one had not, nobody who was assigned by an epoch may be moved (unless that
 * is said). Then, under FILE.lock, a line is appended to FILE.history
 * (docs/formats/flags_history.md), and then FILE is replaced. Line first: a crash in between leaves
 * a line that says what was meant and a file that is whole and old; the next change records that it
 * did not happen. The other way round a change could be in force that nobody accounts for.
 *
 * Any number of processes and threads; they wait for each other.
 */
#ifndef PT_FLAG_CHANGE_H
#define PT_FLAG_CHANGE_H

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/http.h"
#include "http/keys.h"

#define PT_FLAG_TAG_CHARS 16 /* an etag: hexadecimal digits of the SHA-256 of the flag's JSON */
#define PT_FLAG_CHANGE_METADATA_MAX 64

struct pt_flag_set_metadata {
    struct pt_span name;
    struct pt_span json; /* size 0: take it away */
};

enum pt_flag_change_kind {
    PT_FLAG_CHANGE_SET,
    PT_FLAG_CHANGE_DELETE,
    PT_FLAG_CHANGE_UNDO,
};

enum pt_flag_state { PT_FLAG_STATE_STAYS, PT_FLAG_STATE_ON, PT_FLAG_STATE_OFF };
/* "on", "off", or the file's "ENABLED", "DISABLED"; false for anything else. */
bool pt_flag_state_parse(struct pt_span text, enum pt_flag_state *state_out);

/* What is to change; zeros and NULLs stay as they are. All of it borrowed. */
struct pt_flag_change {
    enum pt_flag_change_kind kind;
    struct pt_span key; /* of the flag; size 0: the set itself, which has metadata alone */
    const char *by;     /* who; not NULL */
    const char *why;    /* NULL: not said */
    /* SET: the whole flag, then what of it is otherwise. */
    struct pt_span definition;
    enum pt_flag_state state;
    struct pt_span default_variant;
    struct pt_flag_set_metadata metadata[PT_FLAG_CHANGE_METADATA_MAX];
    size_t metadata_count;
    bool has_rollout;
    double rollout_percent; /* of all traffic: what is not assigned yet goes to a new epoch */
    struct pt_span weights; /* of the new epoch, "control=1,treatment=1"; size 0: as the newest's */
    bool may_reassign;      /* units that were assigned may be moved */
    uint64_t undo;          /* UNDO: the change's number; 0: the newest that happened */
    struct pt_span if_tag;  /* the flag's tag, or "*": any flag; size 0: not asked */
    bool is_new;            /* there must be no such flag yet */
};

/*
 * Carry it out. `result` gets {"seq","key","version","etag","changes":[{"pointer","before",
 * "after"}],"history_sha256"}; "seq" is null where nothing was to be changed. PT_INVALID: the
 * change is refused, and why; PT_NOT_FOUND: no such flag, or change to take back; PT_FENCED: the
 * flag has another tag; PT_AGAIN: other changes take too long; PT_CORRUPT: the history was
 * tampered with. On all of these the file stays as it is.
 */
enum pt_code pt_flag_change_apply(struct pt_io *io, struct pt_clock *clock, const char *path,
                                  const struct pt_flag_change *change, struct pt_jsonw *result,
                                  struct pt_error *err) PT_MUST_USE;

/*
 * The file as it is: {"etag","metadata","flags":[{"key","etag","definition"}]}, or, with a key,
 * that flag's {"key","etag","definition"} (PT_NOT_FOUND). `tag_out` gets the etag.
 */
enum pt_code pt_flag_file_show(struct pt_io *io, const char *path, struct pt_span key,
                               struct pt_jsonw *result, char tag_out[PT_FLAG_TAG_CHARS + 1],
                               struct pt_error *err) PT_MUST_USE;

/*
 * {"file","standing","head":{"seq","sha256"},"changes":[the lines, oldest first]}; with a key only
 * those of its lines that touch it. "standing" is "recorded", "not_in_effect", "edited_outside"
 * (then "outside" holds its changes) or "unrecorded". PT_CORRUPT names the line that was tampered
 * with.
 */
enum pt_code pt_flag_history_show(struct pt_io *io, const char *path, struct pt_span key,
                                  struct pt_jsonw *result, struct pt_error *err) PT_MUST_USE;

enum pt_flag_standing {
    PT_FLAG_RECORDED,      /* the newest line is the file */
    PT_FLAG_NOT_IN_EFFECT, /* a crash between line and file: the newest line did not happen */
    PT_FLAG_OUTSIDE,       /* the file was edited by other means since */
    PT_FLAG_UNRECORDED,    /* there is no history yet */
};

/* How the file stands to its history; fails as pt_flag_history_show(). */
enum pt_code pt_flag_history_look(struct pt_io *io, const char *path,
                                  enum pt_flag_standing *standing_out,
                                  struct pt_error *err) PT_MUST_USE;

/* After tampering: put the broken history aside as FILE.history.broken-N and begin anew. */
enum pt_code pt_flag_history_set_aside(struct pt_io *io, const char *path, struct pt_buf *name_out,
                                       struct pt_error *err) PT_MUST_USE;

/* ---- over HTTP ---- */

struct pt_flags;
struct pt_flag_admin;

/*
 * Register the admin routes under /api/v1/flags (docs/flags.md): look, change, delete, undo,
 * history, of the file that `flags` is loaded from; what was changed is in force when it is
 * answered. One thread of its own does all of it, so that no loop thread waits for a disk. All
 * borrowed. Stop before the server is closed, close after it.
 */
enum pt_code pt_flag_admin_routes(struct pt_flag_admin **admin_out, struct pt_http_server *server,
                                  struct pt_flags *flags, struct pt_io *io, struct pt_clock *clock,
                                  struct pt_keys *keys, struct pt_error *err) PT_MUST_USE;
void pt_flag_admin_stop(struct pt_flag_admin *admin);  /* NULL is fine */
void pt_flag_admin_close(struct pt_flag_admin *admin); /* NULL is fine */

#endif
