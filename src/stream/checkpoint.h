/*
 * checkpoint.h - the file that is the commit point
 */
#ifndef PT_STREAM_CHECKPOINT_H
#define PT_STREAM_CHECKPOINT_H

#include "base/json.h"
#include "stream/idset.h"
#include "stream/stream.h"

/* What account.h adds to a checkpoint. */
struct pt_checkpoint_account {
    struct pt_span sources; /* JSON array */
    struct pt_span ledger;  /* JSON object */
    struct pt_span state;   /* JSON string: live windows and sequence numbers */
};

/*
 * A checkpoint read back. All is borrowed from the parser, whose memory the caller keeps until it
 * is done with it.
 */
struct pt_checkpoint {
    struct pt_checkpoint_summary summary;
    uint64_t lake_before;   /* the table's number before this checkpoint's files */
    struct pt_json runs;    /* pt_idset_describe()'s array */
    struct pt_json files;   /* pt_lake_write()'s array */
    bool has_account;       /* false: format 1 */
    struct pt_json sources; /* as in struct pt_checkpoint_account, as all below */
    struct pt_json ledger;
    struct pt_span state;
};

/* Put the checkpoint in place: state/checkpoint-N.json. `files` is a JSON array. */
enum pt_code pt_checkpoint_write(struct pt_io *io, const char *state_dir,
                                 const struct pt_checkpoint_summary *summary, uint64_t lake_before,
                                 const struct pt_idset *set, struct pt_span files,
                                 const struct pt_checkpoint_account *account,
                                 struct pt_error *err) PT_MUST_USE;

/* The newest whole one; summary.number 0 where there is none. */
enum pt_code pt_checkpoint_read(struct pt_io *io, const char *state_dir,
                                struct pt_json_parser *parser, struct pt_checkpoint *checkpoint_out,
                                struct pt_error *err) PT_MUST_USE;

/* Remove checkpoint files other than `number` and the one before it. */
enum pt_code pt_checkpoint_remove_old(struct pt_io *io, const char *state_dir, uint64_t number,
                                      struct pt_error *err) PT_MUST_USE;

/* End a file with the line that holds its checksum. */
void pt_checkpoint_seal(struct pt_buf *text);
/* What stands before that line; false: the checksum is wrong, or there is none. */
bool pt_checkpoint_unseal(struct pt_span file, struct pt_span *body_out);

#endif
