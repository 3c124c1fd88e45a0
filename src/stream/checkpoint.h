/*
 * checkpoint.h - the file that is the commit point
 */
#ifndef PT_STREAM_CHECKPOINT_H
#define PT_STREAM_CHECKPOINT_H

#include "base/json.h"
#include "stream/idset.h"
#include "stream/stream.h"

/*
 * A checkpoint read back. `document` is borrowed from the parser, whose memory the caller keeps
 * until it is done with `runs` and `files`.
 */
struct pt_checkpoint {
    struct pt_checkpoint_summary summary;
    uint64_t lake_before; /* the table's number before this checkpoint's files */
    struct pt_json runs;  /* pt_idset_describe()'s array */
    struct pt_json files; /* pt_lake_write()'s array */
};

/* Put the checkpoint in place: state/checkpoint-N.json. `files` is a JSON array. */
enum pt_code pt_checkpoint_write(struct pt_io *io, const char *state_dir,
                                 const struct pt_checkpoint_summary *summary, uint64_t lake_before,
                                 const struct pt_idset *set, struct pt_span files,
                                 struct pt_error *err) PT_MUST_USE;

/* The newest whole one; summary.number 0 where there is none. */
enum pt_code pt_checkpoint_read(struct pt_io *io, const char *state_dir,
                                struct pt_json_parser *parser, struct pt_checkpoint *checkpoint_out,
                                struct pt_error *err) PT_MUST_USE;

/* Remove checkpoint files other than `number` and the one before it. */
enum pt_code pt_checkpoint_remove_old(struct pt_io *io, const char *state_dir, uint64_t number,
                                      struct pt_error *err) PT_MUST_USE;

#endif
