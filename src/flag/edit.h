/*
 * edit.h - a flag's definition with some of it otherwise
 *
 * Only src/flag includes this. Everything is minified JSON in an arena.
 */
#ifndef PT_FLAG_EDIT_H
#define PT_FLAG_EDIT_H

#include "flag/change.h"
#include "flag/definition.h"

/* `flag` with the change's state, default variant and metadata; size 0 without memory. */
struct pt_span pt_flag_edit(struct pt_arena *arena, struct pt_json flag,
                            const struct pt_flag_change *change);

/* An object (of metadata) with some members otherwise; size 0 without memory. */
struct pt_span pt_flag_edit_members(struct pt_arena *arena, struct pt_json object,
                                    const struct pt_flag_set_metadata *members, size_t count);

/* The flag with metadata.version `version`, or without one where it is 0. */
struct pt_span pt_flag_edit_version(struct pt_arena *arena, struct pt_span flag, uint64_t version,
                                    struct pt_error *err);

/*
 * What `change` asks of the rollout, as members of the flag's metadata in `out` (room for
 * PT_FLAG_CHANGE_METADATA_MAX): a new epoch above `epoch_max` that owns the lowest buckets that no
 * epoch owns; where units may be reassigned and fewer buckets are asked for than are owned, or
 * other weights for the same, the old epochs go away.
 */
enum pt_code pt_flag_edit_rollout(struct pt_arena *arena, const struct pt_flag_definition *flag,
                                  const struct pt_flag_change *change, uint32_t epoch_max,
                                  struct pt_flag_set_metadata *out, size_t *count_out,
                                  struct pt_error *err) PT_MUST_USE;

/* PT_INVALID where units that an epoch of `was` assigned would be moved, with how many buckets. */
enum pt_code pt_flag_edit_keeps(const struct pt_flag_definition *was,
                                const struct pt_flag_definition *now,
                                struct pt_error *err) PT_MUST_USE;

#endif
